// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {LANE_BIAS} from "./PageLayout.sol";

/// @dev Every fourth 16-bit field of a word, so that each stands alone in 64 bits.
uint256 constant LANE_MASK = 0x000000000000ffff000000000000ffff000000000000ffff000000000000ffff;
/// @dev 2^62 in each 64-bit field: larger than any sum of lanes, so adding it clears all borrows.
uint256 constant SUM_BIAS = 0x4000000000000000400000000000000040000000000000004000000000000000;
/// @dev The highest bit of each 64-bit field.
uint256 constant SUM_TOP = 0x8000000000000000800000000000000080000000000000008000000000000000;

/// @title Sums of lanes, sixteen to a word
/// @notice A lane word holds sixteen biased 16-bit fields. Masking every fourth one spreads it into four words of four 64-bit fields, and one
/// multiplication by a signed quantity in two's complement scales four lanes: `sums += lots * (word & LANE_MASK)`. A negative sum borrows from its
/// neighbour; SUM_BIAS, added once at the end, gives every borrow back. Exact while every |sum| < 2^62, which holds for 128 positions of
/// |lots << shift| < 2^39; beyond it the result is some number, never a revert.
/// @dev `LanesInPlainWords` in tests/harness is the same without assembly.
library LaneMath {
    /// @dev Allocates sums for lanes of so many words: four words of four sums for each, all zero. The first of four keeps sums of whole words, from which
    /// `least` takes the three others.
    function newSums(uint256 laneWords) internal pure returns (uint256[] memory sums) {
        assembly ("memory-safe") {
            sums := mload(0x40)
            mstore(sums, shl(2, laneWords))
            calldatacopy(add(sums, 0x20), calldatasize(), shl(7, laneWords))
            mstore(0x40, add(add(sums, 0x20), shl(7, laneWords)))
        }
    }

    /// @dev Adds `sum of scaledLots * lane word` of one page to the sums.
    /// @param sums Made by `newSums`.
    /// @param pairs Made by `LanePairs.newPairs` for at least `count`: `scaledLots, 32 slot` alternating; the slots are overwritten.
    /// @param code Page.
    function accumulate(uint256[] memory sums, uint256[] memory pairs, uint256 count, address code, uint256 rows, uint256 laneWords)
        internal
        view
    {
        uint256 lanes = _fetch(pairs, count, code, rows, laneWords);
        assembly ("memory-safe") {
            // adds to the four sums for word `o / 32` of the lanes
            function four(x, end, o, into) {
                let s0 := mload(into)
                let s1 := mload(add(into, 0x20))
                let s2 := mload(add(into, 0x40))
                let s3 := mload(add(into, 0x60))
                for {} lt(x, end) { x := add(x, 0x80) } {
                    let q := mload(x)
                    let w := mload(add(mload(add(x, 0x20)), o))
                    let r := mload(add(x, 0x40))
                    let v := mload(add(mload(add(x, 0x60)), o))
                    s0 := add(s0, add(mul(q, w), mul(r, v)))
                    s1 := add(s1, add(mul(q, and(shr(16, w), LANE_MASK)), mul(r, and(shr(16, v), LANE_MASK))))
                    s2 := add(s2, add(mul(q, and(shr(32, w), LANE_MASK)), mul(r, and(shr(32, v), LANE_MASK))))
                    s3 := add(s3, add(mul(q, and(shr(48, w), LANE_MASK)), mul(r, and(shr(48, v), LANE_MASK))))
                    x := add(x, 0x80)
                    if iszero(lt(x, end)) { break }
                    q := mload(x)
                    w := mload(add(mload(add(x, 0x20)), o))
                    r := mload(add(x, 0x40))
                    v := mload(add(mload(add(x, 0x60)), o))
                    s0 := add(s0, add(mul(q, w), mul(r, v)))
                    s1 := add(s1, add(mul(q, and(shr(16, w), LANE_MASK)), mul(r, and(shr(16, v), LANE_MASK))))
                    s2 := add(s2, add(mul(q, and(shr(32, w), LANE_MASK)), mul(r, and(shr(32, v), LANE_MASK))))
                    s3 := add(s3, add(mul(q, and(shr(48, w), LANE_MASK)), mul(r, and(shr(48, v), LANE_MASK))))
                }
                mstore(into, s0)
                mstore(add(into, 0x20), s1)
                mstore(add(into, 0x40), s2)
                mstore(add(into, 0x60), s3)
            }
            let first := add(pairs, 0x20)
            let end := add(first, shl(6, count))
            let into := add(sums, 0x20)
            for { let o := 0 } lt(o, shl(5, laneWords)) { o := add(o, 0x20) } {
                four(first, end, o, into)
                into := add(into, 0x80)
            }
            // the copies are not needed again
            mstore(0x40, lanes)
        }
    }

    /// @dev Returns `min over lanes of sum of scaledLots * (lane - LANE_BIAS)`; zero without lanes.
    /// @param scaledLots Sum of all scaled lots that were accumulated.
    function least(uint256[] memory sums, int256 scaledLots) internal pure returns (int256 worst) {
        unchecked {
            if (sums.length == 0) return 0;
            assembly ("memory-safe") {
                // Each field of `worst + 2^63 - other` has its top bit set if other <= worst, and below it how much less it is; that is taken off. Scratch: top bits
                mstore(0, SUM_TOP)
                // 2^63 less the bias of `other`, which clears its borrows, is the bias: here it stays on
                worst := add(not(SUM_TOP), SUM_BIAS)
                let raised, larger
                for { let x := add(sums, 0x20) let end := add(x, shl(5, mload(sums))) } lt(x, end) { x := add(x, 0x80) } {
                    let a := mload(add(x, 0x20))
                    raised := sub(worst, a)
                    larger := and(raised, mload(0))
                    worst := sub(worst, and(raised, sub(larger, shr(63, larger))))
                    let b := mload(add(x, 0x40))
                    raised := sub(worst, b)
                    larger := and(raised, mload(0))
                    worst := sub(worst, and(raised, sub(larger, shr(63, larger))))
                    let c := mload(add(x, 0x60))
                    raised := sub(worst, c)
                    larger := and(raised, mload(0))
                    worst := sub(worst, and(raised, sub(larger, shr(63, larger))))
                    raised := sub(worst, sub(mload(x), add(shl(16, a), add(shl(32, b), shl(48, c)))))
                    larger := and(raised, mload(0))
                    worst := sub(worst, and(raised, sub(larger, shr(63, larger))))
                }
                for { let half := 128 worst := sub(worst, SUM_BIAS) } gt(half, 32) { half := shr(1, half) } {
                    raised := sub(add(worst, mload(0)), shr(half, worst))
                    larger := and(raised, mload(0))
                    worst := sub(worst, and(raised, sub(larger, shr(63, larger))))
                }
            }
            return int256(uint256(worst) & type(uint64).max) - (1 << 62) - scaledLots * int256(LANE_BIAS);
        }
    }

    /// @dev Copies the pairs' lanes to new memory, which begins at `lanes`, and turns slots into addresses in it: one by one while that is less
    /// than the whole block. A copy costs about 112 gas, and six a word.
    function _fetch(uint256[] memory pairs, uint256 count, address code, uint256 rows, uint256 laneWords) private view returns (uint256 lanes) {
        assembly ("memory-safe") {
            lanes := mload(0x40)
            let at := lanes
            let x := add(pairs, 0x40)
            let end := add(x, shl(6, count))
            let stride := shl(5, laneWords)
            let from := add(129, shl(5, rows))
            switch lt(mul(count, 112), mul(6, mul(rows, laneWords)))
            case 1 {
                for {} lt(x, end) { x := add(x, 0x40) } {
                    extcodecopy(code, at, add(from, mul(mload(x), laneWords)), stride)
                    mstore(x, at)
                    at := add(at, stride)
                }
            }
            default {
                extcodecopy(code, at, from, mul(rows, stride))
                for {} lt(x, end) { x := add(x, 0x40) } { mstore(x, add(lanes, mul(mload(x), laneWords))) }
                at := add(at, mul(rows, stride))
            }
            mstore(0x40, at)
            // an empty pair
            calldatacopy(sub(end, 0x20), calldatasize(), 0x40)
        }
    }
}
