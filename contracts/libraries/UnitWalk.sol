// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Exposure} from "./Exposure.sol";
import {SpotState} from "./LiveMark.sol";
import {PageCopy} from "./PageCopies.sol";
import {Walk} from "./PlainWalk.sol";

/// @dev Bytes that what one lot of a position adds takes.
uint256 constant UNIT_BYTES = 0x80;
/// @dev Bytes in front of units: the sums a and c of the walk that left them.
uint256 constant UNIT_HEAD_BYTES = 0x80;

/// @title The loop over plain positions, which remembers what one lot of each adds
/// @notice `PlainWalk.walk`, and beside it four words a position, from which the sums of any other lots of the same positions, of the same signs, follow by
/// multiplication; and what its value under another manifest shares with it.
/// @dev Reads fields of structs by their place in memory: a change of PageCopy, SpotState, Exposure or Walk is a change here.
/// Words of a unit: `1 | 1 << shift (49) | leg << shift (129)`, V, `delta' | vega (128) | 1 << shift (208)`; of an option, `largest value | intrinsic value (64)
/// | 1 (127) | 0, for a put 32 (128)`, else zero.
library UnitWalk {
    /// @dev As `PlainWalk.walk`; or adds by units, without drifts, if there are any of these positions. Their signs must be those of the positions walked.
    /// @param units Memory address of units; zero to walk, and to leave units behind their head where free memory begins.
    function walk(PageCopy memory page, Exposure memory u, SpotState memory s, Walk memory found, uint256 units) internal pure returns (uint256 rare) {
        assembly ("memory-safe") {
            // The loop. Scratch: the last byte of the last record; a word below which, with the expiry at its top, a window has begun.
            // a: sum |q|; above bit 49 sum |q| << shift; above bit 129 sum |q| leg
            // b: sum q V; above bit 192 how many have each drift shift, a byte each
            // c: sum q delta'; above bit 128 sum q vega; above bit 208 sum q << shift
            function sums(at, end, records, table, st, unit, pair) -> a, b, c, next, last {
                next := pair
                last := add(pair, shl(3, sub(end, at)))
                for {} lt(at, end) { at := add(at, 8) } {
                    // a position stands at the top of the word at its place
                    let lots := mload(at)
                    let slot := and(shr(187, lots), 0x1fe0)
                    let rec := add(records, slot)
                    let odd := gt(rec, mload(0))
                    rec := mload(rec)
                    odd := or(odd, and(xor(shr(8, rec), shr(200, lots)), 0x3fff))
                    if or(odd, or(gt(sub(and(rec, 7), 1), 3), lt(sub(shl(16, rec), shl(232, 1)), mload(0x20)))) {
                        last := sub(last, 0x20)
                        mstore(last, lots)
                        continue
                    }
                    lots := sar(214, lots)
                    if table { mstore(add(table, slot), lots) }
                    mstore(add(next, 0x20), slot)
                    let rest := shr(240, rec)
                    {
                        let shift := and(shr(3, rec), 31)
                        rest := add(rest, shl(add(shift, 80), 1))
                        mstore(next, shl(shift, lots))
                        next := add(next, 0x40)
                        let sign := sar(255, lots)
                        let leg := and(shr(add(112, and(sign, 32)), rec), 0xffffffff)
                        leg := add(shl(shift, add(shl(129, leg), shl(49, 1))), 1)
                        mstore(unit, leg)
                        a := add(a, mul(sub(xor(lots, sign), sign), leg))
                    }
                    // as LiveMark.value
                    let d := signextend(2, shr(64, rec))
                    let upper := and(shr(24, rec), 0xffffffffff)
                    let linear := add(upper, sar(22, mul(d, mload(add(st, 0x20)))))
                    let v := signextend(2, shr(88, rec))
                    d := add(add(d, sar(10, mul(v, mload(add(st, 0x60))))), shl(128, rest))
                    mstore(add(unit, 0x40), d)
                    c := add(c, mul(lots, d))
                    v := add(linear, sar(10, mul(v, mload(add(st, 0x40)))))
                    mstore(add(unit, 0x60), 0)
                    switch lt(and(rec, 7), 3)
                    case 0 {
                        let strike := and(shr(176, rec), 0xffffffffff)
                        // -1 for a put, which turns dS, and S - K, around
                        let turn := sub(0, and(shr(2, rec), 1))
                        let cap := mload(st)
                        let intrinsic := sub(xor(sub(cap, strike), turn), turn)
                        cap := xor(cap, and(turn, xor(cap, strike)))
                        turn := and(turn, 0x20)
                        upper := add(upper, mload(add(mload(0x40), turn)))
                        let most := cap
                        // without jumps: bounds hold or not, a position costs the same
                        cap := xor(cap, mul(xor(cap, upper), lt(upper, cap)))
                        v := xor(v, mul(xor(v, cap), slt(cap, v)))
                        intrinsic := mul(intrinsic, sgt(intrinsic, 0))
                        mstore(add(unit, 0x60), or(shl(127, or(shl(1, turn), 1)), or(shl(64, intrinsic), most)))
                        v := xor(v, mul(xor(v, linear), slt(v, linear)))
                        v := xor(v, mul(xor(v, intrinsic), slt(v, intrinsic)))
                    }
                    default { v := sub(v, mul(and(rec, 1), mload(add(st, 0x80)))) }
                    mstore(add(unit, 0x20), v)
                    unit := add(unit, UNIT_BYTES)
                    b := add(b, add(mul(lots, v), shl(add(192, and(shr(19, rec), 24)), 1)))
                }
            }
            // the same by units
            function products(at, end, unit, pair) -> a, b, c, next, last {
                next := pair
                last := add(pair, shl(3, sub(end, at)))
                for {} lt(at, end) { at := add(at, 8) } {
                    let lots := mload(at)
                    mstore(add(next, 0x20), and(shr(187, lots), 0x1fe0))
                    lots := sar(214, lots)
                    let leg := mload(unit)
                    mstore(next, mul(lots, and(shr(49, leg), sub(shl(80, 1), 1))))
                    next := add(next, 0x40)
                    let sign := sar(255, lots)
                    a := add(a, mul(sub(xor(lots, sign), sign), leg))
                    b := add(b, mul(lots, mload(add(unit, 0x20))))
                    c := add(c, mul(lots, mload(add(unit, 0x40))))
                    unit := add(unit, UNIT_BYTES)
                }
            }
            // page: count 0x20, rows 0x60, head 0x80, words 0xc0, table 0xe0; s: dS 0x20, lastHour 0xa0
            let at := mload(add(page, 0xc0))
            let end := add(at, shl(3, mload(add(page, 0x20))))
            let pair := add(mload(found), 0x20)
            let a, b, c
            switch units
            case 0 {
                let records := add(mload(add(page, 0x80)), 0x80)
                mstore(0, sub(add(records, shl(5, mload(add(page, 0x60)))), 1))
                mstore(0x20, shl(232, mload(add(s, 0xa0))))
                // free memory, of which nothing is taken: max(dS, 0), max(-dS, 0); a and c; units
                let dS := mload(add(s, 0x20))
                let free := mload(0x40)
                mstore(free, mul(dS, sgt(dS, 0)))
                mstore(add(free, 0x20), mul(sub(0, dS), slt(dS, 0)))
                a, b, c, pair, rare := sums(at, end, records, mload(add(page, 0xe0)), s, add(free, UNIT_HEAD_BYTES), pair)
                mstore(add(free, 0x40), a)
                mstore(add(free, 0x60), c)
            }
            default { a, b, c, pair, rare := products(at, end, units, pair) }
            mstore(add(found, 0x20), pair)
            // u: value 0x80, netX22 0xc0, grossLots 0xe0, vega 0x100, legs 0x120, scaledLots 0x140, absoluteLots 0x160
            function increase(at_, by) {
                mstore(at_, add(mload(at_), by))
            }
            at := signextend(23, b)
            increase(add(u, 0x80), at)
            increase(add(found, 0x40), shr(192, sub(b, at)))
            at := signextend(15, c)
            increase(add(u, 0xc0), at)
            c := sar(128, sub(c, at))
            at := signextend(9, c)
            increase(add(u, 0x100), at)
            increase(add(u, 0x140), sar(80, sub(c, at)))
            increase(add(u, 0xe0), and(a, sub(shl(49, 1), 1)))
            increase(add(u, 0x160), and(shr(49, a), sub(shl(80, 1), 1)))
            increase(add(u, 0x120), shr(129, a))
        }
    }

    /// @dev Takes the memory that a walk has left so many units in, and returns its address.
    function keep(uint256 count) internal pure returns (uint256 units) {
        assembly ("memory-safe") {
            units := add(mload(0x40), UNIT_HEAD_BYTES)
            mstore(0x40, add(units, mul(count, UNIT_BYTES)))
        }
    }
}
