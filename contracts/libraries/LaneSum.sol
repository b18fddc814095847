// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {LaneMath} from "./LaneMath.sol";
import {HALF_BIAS, HALF_MASK, NARROW_BIAS} from "./NarrowSums.sol";
import {LANE_BIAS} from "./PageLayout.sol";

/// @dev Sums of lanes stay below 2^30 while the scaled lots behind them are together below two to this power: two of them differ by less than 2^31.
uint256 constant LANE_SUM_BITS = 14;
/// @dev 2^30 in each 32-bit field.
uint256 constant LANE_SUM_BIAS = 0x4000000040000000400000004000000040000000400000004000000040000000;
/// @dev The highest bit of each 32-bit field.
uint256 constant LANE_SUM_TOP = 0x8000000080000000800000008000000080000000800000008000000080000000;

/// @notice Sums of the lanes of all pages.
/// @param laneWords Words of lanes that a record has.
/// @param sums Memory address of narrow sums: for each word of lanes one of the words as they are and one of their odd fields alone, eight fields each.
/// @param absolute At least the sum of |scaled lots| behind those.
/// @param wide What went beyond them, as LaneMath keeps it; empty if nothing did.
struct LaneSum {
    uint256 laneWords;
    uint256 sums;
    uint256 absolute;
    uint256[] wide;
}

/// @title Sums of lanes that stay in 32 bits while they fit
/// @notice The least lane is that of `LaneMath.least` over the same lots.
library LaneSums {
    /// @dev One of nothing. In a list, as Solidity writes zeros word by word into whatever struct a function returns.
    function open(uint256 laneWords) internal pure returns (LaneSum[] memory one) {
        assembly ("memory-safe") {
            // the loop writes four words of lanes a turn
            let bytes_ := and(add(shl(6, laneWords), 0xff), not(0xff))
            one := mload(0x40)
            let sum := add(one, 0x40)
            let sums := add(one, 0xc0)
            mstore(0x40, add(sums, bytes_))
            calldatacopy(sums, calldatasize(), bytes_)
            mstore(one, 1)
            mstore(add(one, 0x20), sum)
            mstore(sum, laneWords)
            mstore(add(sum, 0x20), sums)
            mstore(add(sum, 0x40), 0)
            mstore(add(sum, 0x60), 0x60)
        }
    }

    /// @dev Takes others off, of the same lanes, that are part of these: of every lot some and of its sign.
    function subtract(LaneSum memory sum, LaneSum memory other) internal pure {
        uint256 into = sum.sums;
        uint256 from = other.sums;
        uint256 bytes_ = 64 * sum.laneWords;
        if (sum.wide.length | other.wide.length != 0) {
            widen(sum);
            widen(other);
            (uint256[] memory wide, uint256[] memory less) = (sum.wide, other.wide);
            assembly ("memory-safe") {
                into := add(wide, 0x20)
                from := add(less, 0x20)
            }
            bytes_ = 32 * wide.length;
        }
        assembly ("memory-safe") {
            for { let end := add(into, bytes_) } lt(into, end) { into := add(into, 0x20) } {
                mstore(into, sub(mload(into), mload(from)))
                from := add(from, 0x20)
            }
        }
    }

    /// @dev As `LaneMath.least`.
    function least(LaneSum memory sum, int256 scaledLots) internal pure returns (int256 worst) {
        unchecked {
            if (sum.laneWords == 0) return 0;
            if (sum.wide.length != 0) {
                widen(sum);
                return LaneMath.least(sum.wide, scaledLots);
            }
            (uint256 x, uint256 end) = (sum.sums, sum.sums + 64 * sum.laneWords);
            assembly ("memory-safe") {
                // as there, of eight fields. Scratch: top bits
                mstore(0, LANE_SUM_TOP)
                worst := add(not(LANE_SUM_TOP), LANE_SUM_BIAS)
                let raised, larger
                for {} lt(x, end) { x := add(x, 0x40) } {
                    let odd := mload(add(x, 0x20))
                    raised := sub(worst, odd)
                    larger := and(raised, mload(0))
                    worst := sub(worst, and(raised, sub(larger, shr(31, larger))))
                    raised := sub(worst, sub(mload(x), shl(16, odd)))
                    larger := and(raised, mload(0))
                    worst := sub(worst, and(raised, sub(larger, shr(31, larger))))
                }
                for { let half := 128 worst := sub(worst, LANE_SUM_BIAS) } gt(half, 16) { half := shr(1, half) } {
                    raised := sub(add(worst, mload(0)), shr(half, worst))
                    larger := and(raised, mload(0))
                    worst := sub(worst, and(raised, sub(larger, shr(31, larger))))
                }
            }
            return int256(uint256(worst) & type(uint32).max) - (1 << 30) - scaledLots * int256(LANE_BIAS);
        }
    }

    /// @dev Lets all narrow sums go over into wide ones.
    function widen(LaneSum memory sum) internal pure {
        if (sum.wide.length == 0) sum.wide = LaneMath.newSums(sum.laneWords);
        uint256[] memory wide = sum.wide;
        assembly ("memory-safe") {
            let from := mload(add(sum, 0x20))
            let into := add(wide, 0x20)
            for { let end := add(from, shl(6, mload(sum))) } lt(from, end) { from := add(from, 0x40) } {
                let whole := mload(from)
                let odd := mload(add(from, 0x20))
                mstore(into, add(mload(into), whole))
                // every second field, as it is, and then of each word the lower halves of the 64-bit fields, or the upper
                whole := add(sub(whole, shl(16, odd)), NARROW_BIAS)
                odd := add(odd, NARROW_BIAS)
                into := add(into, 0x20)
                mstore(into, add(mload(into), sub(and(odd, HALF_MASK), HALF_BIAS)))
                into := add(into, 0x20)
                mstore(into, add(mload(into), sub(and(shr(32, whole), HALF_MASK), HALF_BIAS)))
                into := add(into, 0x20)
                mstore(into, add(mload(into), sub(and(shr(32, odd), HALF_MASK), HALF_BIAS)))
                into := add(into, 0x20)
                mstore(from, 0)
                mstore(add(from, 0x20), 0)
            }
            // absolute
            mstore(add(sum, 0x40), 0)
        }
    }
}
