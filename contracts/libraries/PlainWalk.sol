// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Exposure} from "./Exposure.sol";
import {SpotState} from "./LiveMark.sol";
import {PageCopy} from "./PageCopies.sol";
import {IVaultPriceFeed} from "../interfaces/IPriceFeed.sol";

/// @notice What a walk over one page's positions found besides sums.
/// @param pairs Made by `LanePairs.newPairs`; scaled lots and slot of every position that risks anything.
/// @param end Memory address behind the last of them.
/// @param drifts Byte d is not zero if one of them has drift shift d.
/// @param missing Whether the page lacks a position.
/// @param feed What positions in their settlement window are valued by.
/// @param partly Whether positions are missing, settled, or in their window and part of them is.
/// @param loose Charge of the parts of lots that are in no table, held the other way round, ticks.
struct Walk {
    uint256[] pairs;
    uint256 end;
    uint256 drifts;
    bool missing;
    IVaultPriceFeed feed;
    bool partly;
    uint256 loose;
}

/// @title The loop over plain positions: `Exposures.add` with its sums on the stack
/// @dev Reads fields of structs by their place in memory: a change of PageCopy, SpotState, Exposure or Walk is a change here.
library PlainWalk {
    /// @dev Adds all perpetuals, futures and options outside their settlement window: `Exposures.add` with the sums on the stack. What else there is goes,
    /// a word each, to the end of the room for pairs.
    /// @return rare Memory address of the first of those words.
    function walk(PageCopy memory page, Exposure memory u, SpotState memory s, Walk memory found) internal pure returns (uint256 rare) {
        assembly ("memory-safe") {
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
                    odd := or(odd, and(xor(shr(8, rec), shr(200, lots)), 0x3fff))
                    if or(odd, or(gt(sub(and(rec, 7), 1), 3), lt(sub(shl(16, rec), shl(232, 1)), mload(0x20)))) {
                        last := sub(last, 0x20)
                        mstore(last, lots)
                        continue
                    }
                    lots := sar(214, lots)
                    if table { mstore(add(table, slot), lots) }
                    mstore(add(pair, 0x20), slot)
                    let rest := shr(240, rec)
                    {
                        let shift := and(shr(3, rec), 31)
                        rest := add(rest, shl(add(shift, 80), 1))
                        mstore(pair, shl(shift, lots))
                        pair := add(pair, 0x40)
                        let sign := sar(255, lots)
                        let leg := and(shr(add(112, and(sign, 32)), rec), 0xffffffff)
                        leg := add(shl(shift, add(shl(129, leg), shl(49, 1))), 1)
                        a := add(a, mul(sub(xor(lots, sign), sign), leg))
                    }
                    // as LiveMark.value
                    let d := signextend(2, shr(64, rec))
                    let upper := and(shr(24, rec), 0xffffffffff)
                    let linear := add(upper, sar(22, mul(d, mload(add(st, 0x20)))))
                    let v := signextend(2, shr(88, rec))
                    d := add(d, sar(10, mul(v, mload(add(st, 0x60)))))
                    c := add(c, mul(lots, add(d, shl(128, rest))))
                    v := add(linear, sar(10, mul(v, mload(add(st, 0x40)))))
                    switch lt(and(rec, 7), 3)
                    case 0 {
                        let strike := and(shr(176, rec), 0xffffffffff)
                        // -1 for a put, which turns dS, and S - K, around
                        let turn := sub(0, and(shr(2, rec), 1))
                        let cap := mload(st)
                        let intrinsic := sub(xor(sub(cap, strike), turn), turn)
                        cap := xor(cap, and(turn, xor(cap, strike)))
                        upper := add(upper, mload(add(mload(0x40), and(turn, 0x20))))
                        // without jumps: bounds hold or not, a position costs the same
                        cap := xor(cap, mul(xor(cap, upper), lt(upper, cap)))
                        v := xor(v, mul(xor(v, cap), slt(cap, v)))
                        intrinsic := mul(intrinsic, sgt(intrinsic, 0))
                        v := xor(v, mul(xor(v, linear), slt(v, linear)))
                        v := xor(v, mul(xor(v, intrinsic), slt(v, intrinsic)))
                    }
                    default { v := sub(v, mul(and(rec, 1), mload(add(st, 0x80)))) }
                    b := add(b, add(mul(lots, v), shl(add(192, and(shr(19, rec), 24)), 1)))
                }
                pairs := pair
                first := last
            }
            // page: count 0x20, rows 0x60, head 0x80, words 0xc0, table 0xe0; s: dS 0x20, lastHour 0xa0
            let records := add(mload(add(page, 0x80)), 0x80)
            mstore(0, sub(add(records, shl(5, mload(add(page, 0x60)))), 1))
            mstore(0x20, shl(232, mload(add(s, 0xa0))))
            // free memory, of which nothing is taken: max(dS, 0), max(-dS, 0)
            let at := mload(add(s, 0x20))
            mstore(mload(0x40), mul(at, sgt(at, 0)))
            mstore(add(mload(0x40), 0x20), mul(sub(0, at), slt(at, 0)))
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
