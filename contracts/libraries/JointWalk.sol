// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Exposure} from "./Exposure.sol";
import {SpotState} from "./LiveMark.sol";
import {PageCopy} from "./PageCopies.sol";
import {PlainWalk} from "./PlainWalk.sol";
import {Walk} from "./Walk.sol";

/// @dev TERMS_MASK, as assembly can take it.
uint256 constant TERMS = 0x0000ffffffffffffffff000000000000000000000000000000000000003fffff;

/// @title The loop over plain positions, under two manifests at once
/// @notice `PlainWalk.walk`, and behind it a loop over the pairs that it left, which adds up what the initial requirement needs of the baseline.
/// @dev Reads fields of structs by their place in memory: a change of PageCopy, SpotState, Exposure, Walk or Twin is a change here.
library JointWalk {
    /// @dev As `PlainWalk.walk`, for a page that has a twin: adds to that one's sums, and clears `clean` if they must not be used.
    /// Twin: legs 0, worth 0x20, slopes 0x40, records 0x60, spot 0x80, table 0xa0, clean 0xc0, grossLots 0xe0.
    function walk(PageCopy memory page, Exposure memory u, SpotState memory s, Walk memory found) internal pure returns (uint256 rare) {
        uint256 twin = page.twin;
        uint256 before = u.grossLots;
        rare = PlainWalk.walk(page, u, s, found);
        assembly ("memory-safe") {
            // The function of PlainWalk: being the same, it is the same code.
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
            // The loop over pairs. from: count 0x20, rows 0x60, head 0x80, table 0xe0; listed: pairs 0, end 0x20
            function twice(from, listed, other) {
                let pair := add(mload(listed), 0x20)
                let end := add(pair, shl(6, mload(add(from, 0x20))))
                // what is not plain has no pair
                if lt(mload(add(listed, 0x20)), end) {
                    mstore(add(other, 0xc0), 0)
                    leave
                }
                let table := mload(add(from, 0xe0))
                if table { mcopy(mload(add(other, 0xa0)), table, shl(5, mload(add(from, 0x60)))) }
                let records := add(mload(add(from, 0x80)), 0x80)
                // s: dS 0x20, rise 0x180, fall 0x1a0
                let st := mload(add(other, 0x80))
                {
                    let dS := mload(add(st, 0x20))
                    mstore(add(st, 0x180), mul(dS, sgt(dS, 0)))
                    mstore(add(st, 0x1a0), mul(sub(0, dS), slt(dS, 0)))
                }
                let others := mload(add(other, 0x60))
                // differing: bits that records of either manifest do not share
                let legs, worth, slopes, differing
                for {} lt(pair, end) { pair := add(pair, 0x40) } {
                    let lots := mload(pair)
                    let slot := mload(add(pair, 0x20))
                    let rec := mload(add(others, slot))
                    differing := or(differing, xor(rec, mload(add(records, slot))))
                    {
                        let sign := sar(255, lots)
                        legs := add(legs, mul(sub(xor(lots, sign), sign), and(shr(add(112, and(sign, 32)), rec), 0xffffffff)))
                        // they were shifted left by as much if the terms are the same
                        lots := sar(and(shr(3, rec), 31), lots)
                    }
                    let v, d := value(rec, st)
                    slopes := add(slopes, mul(lots, add(d, shl(128, shr(240, rec)))))
                    worth := add(worth, mul(lots, v))
                }
                mstore(other, legs)
                mstore(add(other, 0x20), worth)
                mstore(add(other, 0x40), slopes)
                if and(differing, TERMS) { mstore(add(other, 0xc0), 0) }
            }
            // u: grossLots 0xe0
            mstore(add(twin, 0xe0), sub(mload(add(u, 0xe0)), before))
            twice(page, found, twin)
        }
    }
}
