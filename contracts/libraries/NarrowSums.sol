// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @dev Every other 16-bit field of a word, so that each stands alone in 32 bits.
uint256 constant NARROW_MASK = 0x0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff;
/// @dev 2^31 in each 32-bit field: at least as large as any sum of lanes, so adding it clears all borrows.
uint256 constant NARROW_BIAS = 0x8000000080000000800000008000000080000000800000008000000080000000;
/// @dev The lower half of each 64-bit field.
uint256 constant HALF_MASK = 0x00000000ffffffff00000000ffffffff00000000ffffffff00000000ffffffff;
/// @dev 2^31 in each 64-bit field.
uint256 constant HALF_BIAS = 0x0000000080000000000000008000000000000000800000000000000080000000;

/// @title The loop over lanes of which eight stand in a word
library NarrowSums {
    /// @dev Adds `times` what lots as they stand in the pairs make of lanes that were fetched; the sum of |lots| must be below 2^NARROW_BITS.
    /// @param pairs `lots, place` alternating, as many as `count`.
    /// @param lanes Memory address of lanes; those of a pair stand `factor` times its place behind it.
    function add(uint256[] memory sums, uint256[] memory pairs, uint256 count, uint256 laneWords, uint256 lanes, uint256 factor, uint256 times) internal pure {
        assembly ("memory-safe") {
            // Sums of four words of the lanes, each as it is and of its odd fields alone, two pairs a turn. It says `leave`, for then the optimizer keeps it a
            // function, with room on the stack. Scratch: `factor`.
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
                    x := add(x, 0x40)
                    if iszero(lt(x, end)) { leave }
                    q := mload(x)
                    at := add(base, mul(mload(0), mload(add(x, 0x20))))
                    w := mload(at)
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
            // adds the sums of one word of the lanes to four words of sums, as LaneMath keeps them
            function spread(into, end, whole, odd, by) {
                if iszero(lt(into, end)) { leave }
                mstore(into, add(mload(into), mul(by, whole)))
                whole := add(sub(whole, shl(16, odd)), NARROW_BIAS)
                odd := add(odd, NARROW_BIAS)
                // of each, the lower halves of the 64-bit fields, or the upper
                into := add(into, 0x20)
                mstore(into, add(mload(into), mul(by, sub(and(odd, HALF_MASK), HALF_BIAS))))
                into := add(into, 0x20)
                mstore(into, add(mload(into), mul(by, sub(and(shr(32, whole), HALF_MASK), HALF_BIAS))))
                into := add(into, 0x20)
                mstore(into, add(mload(into), mul(by, sub(and(shr(32, odd), HALF_MASK), HALF_BIAS))))
            }
            mstore(0, factor)
            let first := add(pairs, 0x20)
            let end := add(first, shl(6, count))
            let into := add(sums, 0x20)
            let last := add(into, shl(7, laneWords))
            // what is read behind the last lane goes into sums that nobody asks for
            for {} lt(into, last) { lanes := add(lanes, 0x80) } {
                let w0, o0, w1, o1, w2, o2, w3, o3 := four(first, end, lanes)
                spread(into, last, w0, o0, times)
                spread(add(into, 0x80), last, w1, o1, times)
                spread(add(into, 0x100), last, w2, o2, times)
                spread(add(into, 0x180), last, w3, o3, times)
                into := add(into, 0x200)
            }
        }
    }
}
