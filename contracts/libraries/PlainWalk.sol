// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Exposure} from "./Exposure.sol";
import {SpotState} from "./LiveMark.sol";
import {PageCopy} from "./PageCopies.sol";
import {Walk} from "./Walk.sol";

/// @title The loop over plain positions: `Exposures.add` with its sums on the stack
/// @dev Reads fields of structs by their place in memory: a change of PageCopy, SpotState, Exposure or Walk is a change here.
library PlainWalk {
    /// @dev Adds all perpetuals, futures and options outside their settlement window: `Exposures.add` with the sums on the stack. What else there is goes,
    /// a word each, to the end of the room for pairs.
    /// @return rare Memory address of the first of those words.
    function walk(PageCopy memory page, Exposure memory u, SpotState memory s, Walk memory found) internal pure returns (uint256 rare) {
        assembly ("memory-safe") {
            // V and delta' of a record, as LiveMark.value, of kind 1 to 4. It says `leave`, for then the optimizer keeps it a function, with room on the stack.
            // st: spot 0, dS 0x20, dd 0x40, g1 0x60, funding 0x80; behind it max(dS, 0) 0x180, max(-dS, 0) 0x1a0
            function value(rec, st) -> v, d {
                d := signextend(2, shr(64, rec))
                let upper := and(shr(24, rec), 0xffffffffff)
                let linear := add(upper, sar(22, mul(d, mload(add(st, 0x20)))))
                let gamma := signextend(2, shr(88, rec))
                d := add(d, sar(10, mul(gamma, mload(add(st, 0x60)))))
                v := add(linear, sar(10, mul(gamma, mload(add(st, 0x40)))))
                if lt(and(rec, 7), 3) {
                    v := sub(v, mul(and(rec, 1), mload(add(st, 0x80))))
                    leave
                }
                // -1 for a put
                let turn := sar(255, shl(253, rec))
                // what a put's value lacks to that of the call of the same strike, between S - K, 0 and S: so one set of tests is enough
                let moneyness := sub(mload(st), and(shr(176, rec), 0xffffffffff))
                let lacks := and(turn, moneyness)
                upper := add(upper, mload(add(add(st, 0x180), and(turn, 0x20))))
                let asCall := add(v, lacks)
                // Nearly always no bound holds, and no sign is set. As dd is not negative, only a negative curvature goes below the tangent.
                if sgt(or(or(gamma, sub(upper, v)), or(or(asCall, sub(asCall, moneyness)), sub(mload(st), asCall))), not(0)) { leave }
                let cap := sub(mload(st), lacks)
                cap := xor(cap, mul(xor(cap, upper), slt(upper, cap)))
                v := xor(v, mul(xor(v, cap), slt(cap, v)))
                v := xor(v, mul(xor(v, linear), slt(v, linear)))
                // S - K of a call, K - S of a put
                let intrinsic := sub(moneyness, shl(1, lacks))
                v := xor(v, mul(xor(v, intrinsic), slt(v, intrinsic)))
                v := mul(v, sgt(v, 0))
            }
            // The loop. Scratch: the last byte of the last record; a word below which, with the expiry at its top, a window has begun.
            // a: sum |q|; above bit 49 sum |q| << shift; above bit 129 sum |q| leg
            // b: sum q V; above bit 192 how many have each drift shift, a byte each
            // c: sum q delta'; above bit 128 sum q vega; above bit 208 sum q << shift
            function sums(at, end, records, table, st, pair, last) -> a, b, c, pairs, first {
                pairs := pair
                first := last
                if iszero(lt(at, end)) { leave }
                for {} lt(at, end) { at := add(at, 8) } {
                    // a position stands at the top of the word at its place
                    let lots := mload(at)
                    let slot := and(shr(187, lots), 0x1fe0)
                    let rec := add(records, slot)
                    let odd := gt(rec, mload(0))
                    rec := mload(rec)
                    // another generation, or a kind less one that is not 0 to 3
                    odd := or(odd, or(and(xor(rec, shr(192, lots)), 0x3fff00), and(sub(rec, 1), 4)))
                    if or(odd, lt(sub(shl(16, rec), shl(232, 1)), mload(0x20))) {
                        first := sub(first, 0x20)
                        mstore(first, lots)
                        continue
                    }
                    lots := sar(214, lots)
                    if table { mstore(add(table, slot), lots) }
                    mstore(add(pairs, 0x20), slot)
                    {
                        let shift := and(shr(3, rec), 31)
                        let scaled := shl(shift, lots)
                        mstore(pairs, scaled)
                        pairs := add(pairs, 0x40)
                        c := add(c, shl(208, scaled))
                        let sign := sar(255, lots)
                        let leg := and(shr(add(112, and(sign, 32)), rec), 0xffffffff)
                        leg := add(shl(shift, add(shl(129, leg), shl(49, 1))), 1)
                        a := add(a, mul(sub(xor(lots, sign), sign), leg))
                    }
                    let v, d := value(rec, st)
                    c := add(c, mul(lots, add(d, shl(128, shr(240, rec)))))
                    b := add(b, add(mul(lots, v), shl(and(shr(19, rec), 24), shl(192, 1))))
                }
            }
            // page: count 0x20, rows 0x60, head 0x80, words 0xc0, table 0xe0; s: dS 0x20, lastHour 0xa0
            let records := add(mload(add(page, 0x80)), 0x80)
            mstore(0, sub(add(records, shl(5, mload(add(page, 0x60)))), 1))
            mstore(0x20, shl(232, mload(add(s, 0xa0))))
            // the two words behind a state
            let at := mload(add(s, 0x20))
            mstore(add(s, 0x180), mul(at, sgt(at, 0)))
            mstore(add(s, 0x1a0), mul(sub(0, at), slt(at, 0)))
            at := mload(add(page, 0xc0))
            let count := mload(add(page, 0x20))
            let pair := add(mload(found), 0x20)
            let a, b, c
            a, b, c, at, rare := sums(at, add(at, shl(3, count)), records, mload(add(page, 0xe0)), s, pair, add(pair, shl(6, count)))
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
            increase(add(u, 0x160), and(shr(49, a), sub(shl(80, 1), 1)))
            increase(add(u, 0x120), shr(129, a))
        }
    }
}
