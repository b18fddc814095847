// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Exposure} from "./Exposure.sol";
import {SpotState} from "./LiveMark.sol";
import {PageCopy} from "./PageCopies.sol";
import {Walk} from "./PlainWalk.sol";

/// @dev TERMS_MASK, as assembly can take it.
uint256 constant TERMS = 0x0000ffffffffffffffff000000000000000000000000000000000000003fffff;

/// @title The loop over plain positions, under two manifests at once
/// @notice `PlainWalk.walk`, and beside it the sums that the initial requirement needs of the baseline. A position is decoded once; terms, and so strike
/// and intrinsic value, are shared.
/// @dev Reads fields of structs by their place in memory: a change of PageCopy, SpotState, Exposure, Walk or Twin is a change here.
library JointWalk {
    /// @dev As `PlainWalk.walk`, for a page that has a twin: adds to that one's sums, and clears `clean` if they must not be used.
    /// Twin: legs 0, worth 0x20, slopes 0x40, records 0x60, spot 0x80, table 0xa0, clean 0xc0, grossLots 0xe0.
    function walk(PageCopy memory page, Exposure memory u, SpotState memory s, Walk memory found) internal pure returns (uint256 rare) {
        uint256 twin = page.twin;
        assembly ("memory-safe") {
            // As in PlainWalk. Scratch, moreover: behind max(dS, 0), max(-dS, 0) of either manifest, at free memory.
            function sums(at, end, records, table, st, pair, last, other) -> a, b, c, pairs, first {
                pairs := pair
                first := last
                let recordsB := mload(add(other, 0x60))
                let stB := mload(add(other, 0x80))
                let legsB, worthB, slopesB
                for {} lt(at, end) { at := add(at, 8) } {
                    let lots := mload(at)
                    let slot := and(shr(187, lots), 0x1fe0)
                    let rec := add(records, slot)
                    let odd := gt(rec, mload(0))
                    rec := mload(rec)
                    odd := or(odd, and(xor(shr(8, rec), shr(200, lots)), 0x3fff))
                    if or(odd, or(gt(sub(and(rec, 7), 1), 3), lt(sub(shl(16, rec), shl(232, 1)), mload(0x20)))) {
                        last := sub(last, 0x20)
                        mstore(last, lots)
                        mstore(add(other, 0xc0), 0)
                        continue
                    }
                    lots := sar(214, lots)
                    if table {
                        mstore(add(table, slot), lots)
                        mstore(add(mload(add(other, 0xa0)), slot), lots)
                    }
                    mstore(add(pair, 0x20), slot)
                    let old := mload(add(recordsB, slot))
                    if and(xor(old, rec), TERMS) { mstore(add(other, 0xc0), 0) }
                    let rest := shr(240, rec)
                    {
                        let shift := and(shr(3, rec), 31)
                        rest := add(rest, shl(add(shift, 80), 1))
                        mstore(pair, shl(shift, lots))
                        pair := add(pair, 0x40)
                        let sign := sar(255, lots)
                        let size := sub(xor(lots, sign), sign)
                        sign := add(112, and(sign, 32))
                        let leg := and(shr(sign, rec), 0xffffffff)
                        a := add(a, mul(size, add(shl(shift, add(shl(129, leg), shl(49, 1))), 1)))
                        leg := and(shr(sign, old), 0xffffffff)
                        legsB := add(legsB, mul(size, shl(shift, leg)))
                    }
                    let d := signextend(2, shr(64, rec))
                    let upper := and(shr(24, rec), 0xffffffffff)
                    let linear := add(upper, sar(22, mul(d, mload(add(st, 0x20)))))
                    let v := signextend(2, shr(88, rec))
                    d := add(d, sar(10, mul(v, mload(add(st, 0x60)))))
                    c := add(c, mul(lots, add(d, shl(128, rest))))
                    v := add(linear, sar(10, mul(v, mload(add(st, 0x40)))))
                    // the same under the baseline
                    d := signextend(2, shr(64, old))
                    let upperB := and(shr(24, old), 0xffffffffff)
                    let linearB := add(upperB, sar(22, mul(d, mload(add(stB, 0x20)))))
                    let w := signextend(2, shr(88, old))
                    d := add(d, sar(10, mul(w, mload(add(stB, 0x60)))))
                    slopesB := add(slopesB, mul(lots, add(d, shl(128, shr(240, old)))))
                    w := add(linearB, sar(10, mul(w, mload(add(stB, 0x40)))))
                    switch lt(and(rec, 7), 3)
                    case 0 {
                        let strike := and(shr(176, rec), 0xffffffffff)
                        // -1 for a put, which turns dS, and S - K, around
                        let turn := sub(0, and(shr(2, rec), 1))
                        let cap := mload(st)
                        let intrinsic := sub(xor(sub(cap, strike), turn), turn)
                        cap := xor(cap, and(turn, xor(cap, strike)))
                        turn := add(mload(0x40), and(turn, 0x40))
                        upper := add(upper, mload(turn))
                        upperB := add(upperB, mload(add(turn, 0x20)))
                        intrinsic := mul(intrinsic, sgt(intrinsic, 0))
                        turn := xor(cap, mul(xor(cap, upper), lt(upper, cap)))
                        v := xor(v, mul(xor(v, turn), slt(turn, v)))
                        v := xor(v, mul(xor(v, linear), slt(v, linear)))
                        v := xor(v, mul(xor(v, intrinsic), slt(v, intrinsic)))
                        cap := xor(cap, mul(xor(cap, upperB), lt(upperB, cap)))
                        w := xor(w, mul(xor(w, cap), slt(cap, w)))
                        w := xor(w, mul(xor(w, linearB), slt(w, linearB)))
                        w := xor(w, mul(xor(w, intrinsic), slt(w, intrinsic)))
                    }
                    default {
                        v := sub(v, mul(and(rec, 1), mload(add(st, 0x80))))
                        w := sub(w, mul(and(rec, 1), mload(add(stB, 0x80))))
                    }
                    b := add(b, add(mul(lots, v), shl(add(192, and(shr(19, rec), 24)), 1)))
                    worthB := add(worthB, mul(lots, w))
                }
                pairs := pair
                first := last
                mstore(other, legsB)
                mstore(add(other, 0x20), worthB)
                mstore(add(other, 0x40), slopesB)
            }
            // page: count 0x20, rows 0x60, head 0x80, words 0xc0, table 0xe0; s: dS 0x20, lastHour 0xa0
            let records := add(mload(add(page, 0x80)), 0x80)
            mstore(0, sub(add(records, shl(5, mload(add(page, 0x60)))), 1))
            mstore(0x20, shl(232, mload(add(s, 0xa0))))
            // free memory, of which nothing is taken: max(dS, 0) under either, max(-dS, 0) under either
            let at := mload(add(s, 0x20))
            mstore(mload(0x40), mul(at, sgt(at, 0)))
            mstore(add(mload(0x40), 0x40), mul(sub(0, at), slt(at, 0)))
            at := mload(add(mload(add(twin, 0x80)), 0x20))
            mstore(add(mload(0x40), 0x20), mul(at, sgt(at, 0)))
            mstore(add(mload(0x40), 0x60), mul(sub(0, at), slt(at, 0)))
            at := mload(add(page, 0xc0))
            let count := mload(add(page, 0x20))
            let pair := add(mload(found), 0x20)
            let a, b, c
            a, b, c, at, rare := sums(at, add(at, shl(3, count)), records, mload(add(page, 0xe0)), s, pair, add(pair, shl(6, count)), twin)
            mstore(add(found, 0x20), at)
            // u: value 0x80, netX22 0xc0, grossLots 0xe0, vega 0x100, legs 0x120, scaledLots 0x140, absoluteLots 0x160
            function increase(at_, by) {
                mstore(at_, add(mload(at_), by))
            }
            count := signextend(23, b)
            increase(add(u, 0x80), count)
            increase(add(found, 0x40), shr(192, sub(b, count)))
            count := signextend(15, c)
            increase(add(u, 0xc0), count)
            c := sar(128, sub(c, count))
            count := signextend(9, c)
            increase(add(u, 0x100), count)
            increase(add(u, 0x140), sar(80, sub(c, count)))
            increase(add(u, 0xe0), and(a, sub(shl(49, 1), 1)))
            mstore(add(twin, 0xe0), and(a, sub(shl(49, 1), 1)))
            increase(add(u, 0x160), and(shr(49, a), sub(shl(80, 1), 1)))
            increase(add(u, 0x120), shr(129, a))
        }
    }
}
