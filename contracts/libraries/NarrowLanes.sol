// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {PageCopy} from "./PageCopies.sol";

/// @dev Sums of lanes fit 32 bits with a sign while the scaled lots behind them are together below two to this power.
uint256 constant NARROW_BITS = 15;
/// @dev Every other 16-bit field of a word, so that each stands alone in 32 bits.
uint256 constant NARROW_MASK = 0x0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff;
/// @dev 2^31 in each 32-bit field: at least as large as any sum of lanes, so adding it clears all borrows.
uint256 constant NARROW_BIAS = 0x8000000080000000800000008000000080000000800000008000000080000000;
/// @dev The lower half of each 64-bit field.
uint256 constant HALF_MASK = 0x00000000ffffffff00000000ffffffff00000000ffffffff00000000ffffffff;
/// @dev 2^31 in each 64-bit field.
uint256 constant HALF_BIAS = 0x0000000080000000000000008000000000000000800000000000000080000000;

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
    function accumulate(uint256[] memory sums, uint256[] memory pairs, uint256 count, PageCopy memory page, uint256 laneWords, uint256 absolute)
        internal
        view
    {
        (address code, uint256 rows) = (page.code, page.rows);
        assembly ("memory-safe") {
            // sums of four words of the lanes, each as it is and of its odd fields alone; scratch: by what slots are multiplied
            function four(x, end, base) -> w0, o0, w1, o1, w2, o2, w3, o3 {
                for {} lt(x, end) { x := add(x, 0x40) } {
                    let q := mload(x)
                    let at := add(base, mul(mload(0), mload(add(x, 0x20))))
                    let w := mload(at)
                    w0 := add(w0, mul(q, w))
                    o0 := add(o0, mul(q, and(shr(16, w), NARROW_MASK)))
                    w := mload(add(at, 0x20))
                    w1 := add(w1, mul(q, w))
                    o1 := add(o1, mul(q, and(shr(16, w), NARROW_MASK)))
                    w := mload(add(at, 0x40))
                    w2 := add(w2, mul(q, w))
                    o2 := add(o2, mul(q, and(shr(16, w), NARROW_MASK)))
                    w := mload(add(at, 0x60))
                    w3 := add(w3, mul(q, w))
                    o3 := add(o3, mul(q, and(shr(16, w), NARROW_MASK)))
                }
            }
            // adds the lower half of each 64-bit field to a word of four sums
            function widen(into, fields, by) {
                mstore(into, add(mload(into), mul(by, sub(and(fields, HALF_MASK), HALF_BIAS))))
            }
            // adds the sums of one word of the lanes to four words of sums, as LaneMath keeps them
            function spread(into, end, whole, odd, by) {
                if iszero(lt(into, end)) { leave }
                mstore(into, add(mload(into), mul(by, whole)))
                whole := add(sub(whole, shl(16, odd)), NARROW_BIAS)
                odd := add(odd, NARROW_BIAS)
                widen(add(into, 0x20), odd, by)
                widen(add(into, 0x40), shr(32, whole), by)
                widen(add(into, 0x60), shr(32, odd), by)
            }
            let first := add(pairs, 0x20)
            let end := add(first, shl(6, count))
            let stride := shl(5, laneWords)
            let lanes := mload(0x40)
            let digits := add(lanes, mul(rows, stride))
            {
                // Lanes one by one while that is less than the whole block: a copy costs about 112 gas, and six a word.
                let from := add(129, shl(5, rows))
                switch lt(mul(count, 112), mul(6, mul(rows, laneWords)))
                case 1 {
                    mstore(0, 1)
                    digits := lanes
                    for { let x := add(first, 0x20) } lt(x, end) { x := add(x, 0x40) } {
                        extcodecopy(code, digits, add(from, mul(mload(x), laneWords)), stride)
                        mstore(x, sub(digits, lanes))
                        digits := add(digits, stride)
                    }
                }
                default {
                    mstore(0, laneWords)
                    extcodecopy(code, lanes, from, mul(rows, stride))
                }
            }
            let by := 1
            if shr(NARROW_BITS, absolute) {
                // the largest power of two that divides all of them
                by := 0
                for { let x := first } lt(x, end) { x := add(x, 0x40) } { by := or(by, mload(x)) }
                by := and(by, sub(0, by))
                for { let x := first } lt(x, end) { x := add(x, 0x40) } { mstore(x, sdiv(mload(x), by)) }
                absolute := div(absolute, by)
            }
            for { let more := 1 } more { by := shl(DIGIT_BITS, by) } {
                more := shr(NARROW_BITS, absolute)
                if more {
                    // the lowest digits now, the rest behind the lanes
                    for { let x := first } lt(x, end) { x := add(x, 0x40) } {
                        mstore(add(digits, sub(x, first)), sar(DIGIT_BITS, mload(x)))
                        mstore(x, and(mload(x), sub(shl(DIGIT_BITS, 1), 1)))
                    }
                    absolute := add(shr(DIGIT_BITS, absolute), count)
                }
                let into := add(sums, 0x20)
                let last := add(into, shl(2, stride))
                // what is read behind the last lane goes into sums that nobody asks for
                for { let o := lanes } lt(into, last) { o := add(o, 0x80) } {
                    let w0, o0, w1, o1, w2, o2, w3, o3 := four(first, end, o)
                    spread(into, last, w0, o0, by)
                    spread(add(into, 0x80), last, w1, o1, by)
                    spread(add(into, 0x100), last, w2, o2, by)
                    spread(add(into, 0x180), last, w3, o3, by)
                    into := add(into, 0x200)
                }
                if more {
                    for { let x := first } lt(x, end) { x := add(x, 0x40) } { mstore(x, mload(add(digits, sub(x, first)))) }
                }
            }
        }
    }
}
