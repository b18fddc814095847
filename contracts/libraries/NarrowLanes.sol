// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {LaneMath} from "./LaneMath.sol";
import {NarrowSums} from "./NarrowSums.sol";
import {PageCopy} from "./PageCopies.sol";

/// @dev Sums of lanes fit 32 bits with a sign while the scaled lots behind them are together below two to this power.
uint256 constant NARROW_BITS = 15;
/// @dev Bits of a digit: 128 of them, one of every position, are together below two to the power of NARROW_BITS.
uint256 constant DIGIT_BITS = 8;

/// @title Sums of lanes of a page, eight to a multiplication
/// @notice As `LaneMath.accumulate`, but of |sum| < 2^31 eight stand in a word instead of four. What all lots of a page have as a common power of two, such
/// as the shift of its records, is left out of the sums and put back at the end. Lots that are too many even so are added digit by digit: up to two digits
/// cost what sums of 64 bits would.
library NarrowLanes {
    /// @dev Adds `sum of scaledLots * lane word` of one page to the sums.
    /// @param sums Made by `LaneMath.newSums`.
    /// @param pairs Made by `LanePairs.newPairs` for at least `count`, at most 128: `scaledLots, 32 slot` alternating; overwritten.
    /// @param absolute At least the sum of |scaledLots|.
    function accumulate(uint256[] memory sums, uint256[] memory pairs, uint256 count, PageCopy memory page, uint256 laneWords, uint256 absolute) internal view {
        (uint256 lanes, uint256 factor, uint256 digits) = fetch(pairs, count, page, laneWords);
        uint256 by = 1;
        assembly ("memory-safe") {
            if shr(NARROW_BITS, absolute) {
                let first := add(pairs, 0x20)
                let end := add(first, shl(6, count))
                // the largest power of two that divides all of them
                by := 0
                for { let x := first } lt(x, end) { x := add(x, 0x40) } { by := or(by, mload(x)) }
                by := and(by, sub(0, by))
                for { let x := first } lt(x, end) { x := add(x, 0x40) } { mstore(x, sdiv(mload(x), by)) }
                absolute := div(absolute, by)
            }
        }
        for (; absolute >> NARROW_BITS != 0; by <<= DIGIT_BITS) {
            assembly ("memory-safe") {
                // the lowest digits now, the rest behind the lanes
                mcopy(digits, add(pairs, 0x20), shl(6, count))
                for { let o := shl(6, count) } o {} {
                    o := sub(o, 0x40)
                    let rest := mload(add(digits, o))
                    mstore(add(digits, o), sar(DIGIT_BITS, rest))
                    mstore(add(add(pairs, 0x20), o), and(rest, sub(shl(DIGIT_BITS, 1), 1)))
                }
                absolute := add(shr(DIGIT_BITS, absolute), count)
            }
            NarrowSums.add(sums, pairs, count, laneWords, lanes, factor, by);
            assembly ("memory-safe") { mcopy(add(pairs, 0x20), digits, shl(6, count)) }
        }
        NarrowSums.add(sums, pairs, count, laneWords, lanes, factor, by);
    }

    /// @dev The same in one pass whatever lots there are: in sums of 64 bits if those of 32 may be too small.
    function accumulateAtOnce(uint256[] memory sums, uint256[] memory pairs, uint256 count, PageCopy memory page, uint256 laneWords, uint256 absolute) internal view {
        if (absolute >> NARROW_BITS != 0) return LaneMath.accumulate(sums, pairs, count, page.code, page.rows, laneWords);
        (uint256 lanes, uint256 factor,) = fetch(pairs, count, page, laneWords);
        NarrowSums.add(sums, pairs, count, laneWords, lanes, factor, 1);
    }

    /// @dev Copies lanes to free memory, of which nothing is taken, from `lanes` to `end`; those of a pair stand `factor` times its second word behind the
    /// first. One by one while that is less than the whole block: a copy costs about 112 gas, and six a word.
    function fetch(uint256[] memory pairs, uint256 count, PageCopy memory page, uint256 laneWords)
        internal view returns (uint256 lanes, uint256 factor, uint256 end)
    {
        (address code, uint256 rows) = (page.code, page.rows);
        assembly ("memory-safe") {
            let stride := shl(5, laneWords)
            let from := add(129, shl(5, rows))
            lanes := mload(0x40)
            switch lt(mul(count, 112), mul(6, mul(rows, laneWords)))
            case 1 {
                factor := 1
                end := lanes
                let x := add(pairs, 0x40)
                for { let last := add(x, shl(6, count)) } lt(x, last) { x := add(x, 0x40) } {
                    extcodecopy(code, end, add(from, mul(mload(x), laneWords)), stride)
                    mstore(x, sub(end, lanes))
                    end := add(end, stride)
                }
            }
            default {
                factor := laneWords
                end := add(lanes, mul(rows, stride))
                extcodecopy(code, lanes, from, mul(rows, stride))
            }
        }
    }
}
