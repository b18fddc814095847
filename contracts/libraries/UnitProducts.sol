// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Exposure} from "./Exposure.sol";
import {PageCopy} from "./PageCopies.sol";
import {UNIT_BYTES, UNIT_HEAD_BYTES, UnitWalk} from "./UnitWalk.sol";
import {Walk} from "./Walk.sol";

/// @title What other lots of walked positions add
/// @notice Value, slopes and legs of a position are its lots times whole numbers, which `UnitWalk.walk` has left.
/// @dev Reads fields of structs by their place in memory: a change of PageCopy or Walk is a change here.
library UnitProducts {
    /// @dev Adds the positions of a page as `UnitWalk.walk` would, without drifts. They are those that were walked, all of them, with the same signs.
    /// @param units Memory address of their units.
    function add(PageCopy memory page, Exposure memory u, Walk memory found, uint256 units) internal pure {
        (uint256 a, uint256 b, uint256 c) = (0, 0, 0);
        assembly ("memory-safe") {
            // a, b and c as in PlainWalk, without drifts
            function products(at, end, unit, pair) -> sa, sb, sc, next {
                next := pair
                for {} lt(at, end) { at := add(at, 8) } {
                    let lots := mload(at)
                    mstore(add(next, 0x20), and(shr(187, lots), 0x1fe0))
                    lots := sar(214, lots)
                    let leg := mload(unit)
                    let scaled := mul(lots, and(shr(49, leg), sub(shl(80, 1), 1)))
                    mstore(next, scaled)
                    next := add(next, 0x40)
                    let sign := sar(255, lots)
                    sa := add(sa, mul(sub(xor(lots, sign), sign), leg))
                    sb := add(sb, mul(lots, mload(add(unit, 0x20))))
                    sc := add(sc, add(shl(208, scaled), mul(lots, mload(add(unit, 0x40)))))
                    unit := add(unit, UNIT_BYTES)
                }
            }
            // page: count 0x20, words 0xc0
            let at := mload(add(page, 0xc0))
            a, b, c, at := products(at, add(at, shl(3, mload(add(page, 0x20)))), units, add(mload(found), 0x20))
            mstore(add(found, 0x20), at)
        }
        UnitWalk.addSums(u, found, a, b, c);
    }

    /// @dev sum |q| << shift of the walk that left units.
    function absoluteLots(uint256 units) internal pure returns (uint256 sum) {
        assembly ("memory-safe") {
            sum := and(shr(49, mload(sub(units, UNIT_HEAD_BYTES))), sub(shl(80, 1), 1))
        }
    }
}
