// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Exposure} from "./Exposure.sol";
import {TERMS} from "./JointWalk.sol";
import {SpotState} from "./LiveMark.sol";
import {PageCopy} from "./PageCopies.sol";
import {UNIT_HEAD_BYTES} from "./UnitWalk.sol";
import {Walk} from "./Walk.sol";

/// @title The loop over plain positions under a second manifest
/// @notice What `PlainWalk.walk` adds, but for legs and vega, to positions that `UnitWalk.walk` has walked at the same price: what depends on lots and terms
/// alone is not added up again.
/// @dev Reads fields of structs by their place in memory: a change of PageCopy, SpotState, Exposure or Walk is a change here.
library BaselineWalk {
    /// @dev Adds nothing unless all records have the terms of those that were walked.
    /// @param units Memory address of units.
    /// @param records Memory address of the first record that was walked; there are as many.
    /// @return same Whether they have.
    function walk(PageCopy memory page, Exposure memory u, SpotState memory s, Walk memory found, uint256 units, uint256 records)
        internal
        pure
        returns (bool same)
    {
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
            // b and c as in PlainWalk, but that c is the sum q delta' alone
            function sums(at, end, walked, old, st, pair) -> b, c, unlike {
                for {} lt(at, end) { at := add(at, 8) } {
                    let lots := mload(at)
                    let rec := and(shr(187, lots), 0x1fe0)
                    lots := sar(214, lots)
                    mstore(add(pair, 0x20), rec)
                    let other := mload(add(walked, rec))
                    rec := mload(add(old, rec))
                    unlike := or(unlike, xor(other, rec))
                    mstore(pair, shl(and(shr(3, rec), 31), lots))
                    pair := add(pair, 0x40)
                    let v, d := value(rec, st)
                    c := add(c, mul(lots, d))
                    b := add(b, add(mul(lots, v), shl(and(shr(19, rec), 24), shl(192, 1))))
                }
            }
            // page: count 0x20, head 0x80, words 0xc0; s: dS 0x20
            let at := mload(add(s, 0x20))
            mstore(add(s, 0x180), mul(at, sgt(at, 0)))
            mstore(add(s, 0x1a0), mul(sub(0, at), slt(at, 0)))
            at := mload(add(page, 0xc0))
            let count := mload(add(page, 0x20))
            let pair := add(mload(found), 0x20)
            let b, c, unlike := sums(at, add(at, shl(3, count)), records, add(mload(add(page, 0x80)), 0x80), s, pair)
            same := iszero(and(unlike, TERMS))
            if same {
                mstore(add(found, 0x20), add(pair, shl(6, count)))
                // u: value 0x80, netX22 0xc0, grossLots 0xe0, scaledLots 0x140, absoluteLots 0x160
                function increase(at_, by) {
                    mstore(at_, add(mload(at_), by))
                }
                at := signextend(23, b)
                increase(add(u, 0x80), at)
                increase(add(found, 0x40), shr(192, sub(b, at)))
                increase(add(u, 0xc0), c)
                let walked := sub(units, UNIT_HEAD_BYTES)
                b := mload(walked)
                increase(add(u, 0xe0), and(b, sub(shl(49, 1), 1)))
                increase(add(u, 0x160), and(shr(49, b), sub(shl(80, 1), 1)))
                c := mload(add(walked, 0x20))
                c := sar(128, sub(c, signextend(15, c)))
                increase(add(u, 0x140), sar(80, sub(c, signextend(9, c))))
            }
        }
    }
}
