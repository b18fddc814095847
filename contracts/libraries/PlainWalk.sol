// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Exposure} from "./Exposure.sol";
import {SpotState} from "./LiveMark.sol";
import {PageCopy} from "./PageCopies.sol";
import {IVaultPriceFeed} from "../interfaces/IPriceFeed.sol";

/// @notice What a walk over one page's positions found besides sums.
/// @param pairs Made by `LaneMath.newPairs`; scaled lots and slot of every position that risks anything.
/// @param end Memory address behind the last of them.
/// @param drifts Byte d is not zero if one of them has drift shift d.
/// @param missing Whether the page lacks a position.
/// @param feed What positions in their settlement window are valued by.
struct Walk {
    uint256[] pairs;
    uint256 end;
    uint256 drifts;
    bool missing;
    IVaultPriceFeed feed;
}

/// @title The loop over plain positions: `Exposures.add` with its sums on the stack
/// @dev Reads fields of structs by their place in memory: a change of PageCopy, SpotState, Exposure or Walk is a change here.
library PlainWalk {
    /// @dev Adds all perpetuals, futures and options outside their settlement window: `Exposures.add` with the sums on the stack. What else there is goes,
    /// a word each, to the end of the room for pairs.
    /// @return rare Memory address of the first of those words.
    function walk(PageCopy memory page, Exposure memory u, SpotState memory s, Walk memory found) internal pure returns (uint256 rare) {
        assembly ("memory-safe") {
            // as LiveMark.value
            function mark(rec, st) -> v, d {
                d := signextend(2, shr(64, rec))
                let upper := and(shr(24, rec), 0xffffffffff)
                let gain := mload(add(st, 0x20))
                let linear := add(upper, sar(22, mul(d, gain)))
                v := signextend(2, shr(88, rec))
                if v {
                    d := add(d, sar(10, mul(v, mload(add(st, 0x60)))))
                    v := sar(10, mul(v, mload(add(st, 0x40))))
                }
                v := add(linear, v)
                if lt(and(rec, 7), 3) {
                    if and(rec, 1) { v := sub(v, mload(add(st, 0x80))) }
                    leave
                }
                // a put turns dS, and S - K, around
                let cap := mload(st)
                let strike := and(shr(176, rec), 0xffffffffff)
                let intrinsic := sub(cap, strike)
                if and(rec, 4) {
                    gain := sub(0, gain)
                    intrinsic := sub(0, intrinsic)
                    cap := strike
                }
                upper := add(upper, mul(gain, sgt(gain, 0)))
                // one jump when no bound holds
                if iszero(or(or(sgt(v, upper), sgt(v, cap)), or(or(slt(v, linear), slt(v, intrinsic)), slt(v, 0)))) { leave }
                if lt(cap, upper) { upper := cap }
                if slt(upper, v) { v := upper }
                if slt(v, linear) { v := linear }
                if slt(v, intrinsic) { v := intrinsic }
                if slt(v, 0) { v := 0 }
            }
            // page: count 0x20, rows 0x60, head 0x80, words 0xc0, table 0xe0; s: lastHour 0xa0; found: pairs, end 0x20, drifts 0x40
            mstore(0, add(mload(add(page, 0x80)), 0x80))
            mstore(0x20, mload(add(page, 0xe0)))
            let count := mload(add(page, 0x20))
            let pair := add(mload(found), 0x20)
            rare := add(pair, shl(6, count))
            let value := 0
            let net := 0
            let legs := 0 // above bit 192: how many have each drift shift, a byte each
            let sizes := 0 // sum |q| in the upper half, sum |q| << shift in the lower
            let vegas := 0 // sum q vega in the upper half, sum q << shift in the lower
            for { let words := mload(add(page, 0xc0)) } count { words := add(words, 0x20) } {
                let n := sub(count, mul(gt(count, 4), sub(count, 4)))
                count := sub(count, n)
                for { let four := mload(words) } n { four := shl(64, four) } {
                    let rec := mload(add(mload(0), and(shr(187, four), 0x1fe0)))
                    n := sub(n, 1)
                    if or(
                        or(and(xor(shr(8, rec), shr(200, four)), 0x3fff), gt(sub(and(rec, 7), 1), 3)),
                        or(iszero(lt(byte(7, four), mload(add(page, 0x60)))), lt(sub(and(shr(216, rec), 0xffffff), 1), mload(add(s, 0xa0))))
                    ) {
                        rare := sub(rare, 0x20)
                        mstore(rare, four)
                        continue
                    }
                    let lots := sar(214, four)
                    {
                        let v, d := mark(rec, s)
                        value := add(value, mul(lots, v))
                        net := add(net, mul(lots, d))
                    }
                    if mload(0x20) { mstore(add(mload(0x20), and(shr(187, four), 0x1fe0)), lots) }
                    let size := shl(and(shr(3, rec), 31), lots)
                    mstore(pair, size)
                    mstore(add(pair, 0x20), byte(7, four))
                    pair := add(pair, 0x40)
                    vegas := add(vegas, add(shl(128, mul(lots, shr(240, rec))), size))
                    let sign := sar(255, lots)
                    size := sub(xor(size, sign), sign)
                    sizes := add(sizes, add(size, shl(128, sub(xor(lots, sign), sign))))
                    size := mul(size, and(shr(add(112, and(sign, 32)), rec), 0xffffffff))
                    legs := add(legs, add(size, shl(add(192, and(shr(19, rec), 24)), 1)))
                }
            }
            mstore(add(found, 0x20), pair)
            // u: value 0x80, netX22 0xc0, grossLots 0xe0, vega 0x100, legs 0x120, scaledLots 0x140, absoluteLots 0x160
            function increase(at_, by) {
                mstore(at_, add(mload(at_), by))
            }
            increase(add(u, 0x80), value)
            increase(add(u, 0xc0), net)
            increase(add(u, 0xe0), shr(128, sizes))
            increase(add(u, 0x120), and(legs, sub(shl(192, 1), 1)))
            increase(add(found, 0x40), shr(192, legs))
            increase(add(u, 0x160), and(sizes, sub(shl(128, 1), 1)))
            value := signextend(15, vegas)
            increase(add(u, 0x140), value)
            increase(add(u, 0x100), sar(128, sub(vegas, value)))
        }
    }
}
