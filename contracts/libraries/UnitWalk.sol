// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Exposure} from "./Exposure.sol";
import {SpotState} from "./LiveMark.sol";
import {PageCopy} from "./PageCopies.sol";
import {Walk} from "./Walk.sol";

/// @dev Bytes that what one lot of a position adds takes.
uint256 constant UNIT_BYTES = 0x60;
/// @dev Bytes in front of units: the sums a and c of the walk that left them.
uint256 constant UNIT_HEAD_BYTES = 0x40;

/// @title The loop over plain positions, which remembers what one lot of each adds
/// @notice `PlainWalk.walk`, and beside it three words a position, from which the sums of any other lots of the same positions, of the same signs, follow by
/// multiplication.
/// @dev Reads fields of structs by their place in memory: a change of PageCopy, SpotState, Exposure or Walk is a change here.
/// Words of a unit: `1 | 1 << shift (49) | leg << shift (129)`, V, `delta' | vega (128)`.
library UnitWalk {
    /// @dev As `PlainWalk.walk`. Leaves units behind their head where free memory begins, for `keep` to take.
    function walk(PageCopy memory page, Exposure memory u, SpotState memory s, Walk memory found) internal pure returns (uint256 rare) {
        (uint256 a, uint256 b, uint256 c) = (0, 0, 0);
        assembly ("memory-safe") {
            // The function of PlainWalk.
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
                let turn := sar(255, shl(253, rec))
                let moneyness := sub(mload(st), and(shr(176, rec), 0xffffffffff))
                let lacks := and(turn, moneyness)
                upper := add(upper, mload(add(add(st, 0x180), and(turn, 0x20))))
                let asCall := add(v, lacks)
                if sgt(or(or(gamma, sub(upper, v)), or(or(asCall, sub(asCall, moneyness)), sub(mload(st), asCall))), not(0)) { leave }
                let cap := sub(mload(st), lacks)
                cap := xor(cap, mul(xor(cap, upper), slt(upper, cap)))
                v := xor(v, mul(xor(v, cap), slt(cap, v)))
                v := xor(v, mul(xor(v, linear), slt(v, linear)))
                let intrinsic := sub(moneyness, shl(1, lacks))
                v := xor(v, mul(xor(v, intrinsic), slt(v, intrinsic)))
                v := mul(v, sgt(v, 0))
            }
            // The loop, and its sums, as in PlainWalk.
            function sums(at, end, records, st, unit, pair) -> sa, sb, sc, next, last {
                next := pair
                last := add(pair, shl(3, sub(end, at)))
                for {} lt(at, end) { at := add(at, 8) } {
                    let lots := mload(at)
                    let slot := and(shr(187, lots), 0x1fe0)
                    let rec := add(records, slot)
                    let odd := gt(rec, mload(0))
                    rec := mload(rec)
                    odd := or(odd, or(and(xor(rec, shr(192, lots)), 0x3fff00), and(sub(rec, 1), 4)))
                    if or(odd, lt(sub(shl(16, rec), shl(232, 1)), mload(0x20))) {
                        last := sub(last, 0x20)
                        mstore(last, lots)
                        continue
                    }
                    lots := sar(214, lots)
                    mstore(add(next, 0x20), slot)
                    {
                        let shift := and(shr(3, rec), 31)
                        let scaled := shl(shift, lots)
                        mstore(next, scaled)
                        next := add(next, 0x40)
                        sc := add(sc, shl(208, scaled))
                        let sign := sar(255, lots)
                        let leg := and(shr(add(112, and(sign, 32)), rec), 0xffffffff)
                        leg := add(shl(shift, add(shl(129, leg), shl(49, 1))), 1)
                        mstore(unit, leg)
                        sa := add(sa, mul(sub(xor(lots, sign), sign), leg))
                    }
                    let v, d := value(rec, st)
                    mstore(add(unit, 0x20), v)
                    d := add(d, shl(128, shr(240, rec)))
                    mstore(add(unit, 0x40), d)
                    unit := add(unit, UNIT_BYTES)
                    sc := add(sc, mul(lots, d))
                    sb := add(sb, add(mul(lots, v), shl(and(shr(19, rec), 24), shl(192, 1))))
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
            let first := add(mload(found), 0x20)
            // free memory, of which nothing is taken: a and c; units
            let free := mload(0x40)
            let end
            a, b, c, end, rare := sums(at, add(at, shl(3, mload(add(page, 0x20)))), records, s, add(free, UNIT_HEAD_BYTES), first)
            mstore(add(found, 0x20), end)
            mstore(free, a)
            mstore(add(free, 0x20), c)
            let table := mload(add(page, 0xe0))
            if table {
                for {} lt(first, end) { first := add(first, 0x40) } {
                    let slot := mload(add(first, 0x20))
                    mstore(add(table, slot), sar(and(shr(3, mload(add(records, slot))), 31), mload(first)))
                }
            }
        }
        addSums(u, found, a, b, c);
    }

    /// @dev Adds sums as a walk has them to those of an underlying.
    function addSums(Exposure memory u, Walk memory found, uint256 a, uint256 b, uint256 c) internal pure {
        assembly ("memory-safe") {
            // u: value 0x80, netX22 0xc0, grossLots 0xe0, vega 0x100, legs 0x120, scaledLots 0x140, absoluteLots 0x160
            function increase(at_, by) {
                mstore(at_, add(mload(at_), by))
            }
            let low := signextend(23, b)
            increase(add(u, 0x80), low)
            increase(add(found, 0x40), shr(192, sub(b, low)))
            low := signextend(15, c)
            increase(add(u, 0xc0), low)
            c := sar(128, sub(c, low))
            low := signextend(9, c)
            increase(add(u, 0x100), low)
            increase(add(u, 0x140), sar(80, sub(c, low)))
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
