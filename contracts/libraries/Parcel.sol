// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Lots} from "./Slice.sol";

/// @notice What moves on one page.
/// @param id Page id.
/// @param head Memory address of the head of the current page.
/// @param widest At least the largest |part| << shift.
/// @param grown By how many lots the open interest of its underlying grows.
/// @param held What the giver held.
/// @param kept What it keeps.
/// @param part What goes: `sign(q) ceil(f |q|)` lots of every position that the page has.
/// @param had What the taker held.
/// @param has What it holds after.
struct Parcel {
    uint256 id;
    uint256 head;
    uint256 widest;
    int256 grown;
    Lots held;
    Lots kept;
    Lots part;
    Lots had;
    Lots has;
}

/// @title Room for what moves on some pages
library Parcels {
    /// @dev So many, all zero.
    function newList(uint256 count) internal pure returns (Parcel[] memory parcels) {
        assembly ("memory-safe") {
            // 9 words, five of which are addresses of the two words each behind them
            parcels := mload(0x40)
            mstore(parcels, count)
            let at_ := add(parcels, 0x20)
            let parcel := add(at_, shl(5, count))
            let bytes_ := mul(count, 0x260)
            mstore(0x40, add(parcel, bytes_))
            calldatacopy(parcel, calldatasize(), bytes_)
            for {} count { count := sub(count, 1) } {
                mstore(at_, parcel)
                at_ := add(at_, 0x20)
                mstore(add(parcel, 0x80), add(parcel, 0x120))
                mstore(add(parcel, 0xa0), add(parcel, 0x160))
                mstore(add(parcel, 0xc0), add(parcel, 0x1a0))
                mstore(add(parcel, 0xe0), add(parcel, 0x1e0))
                mstore(add(parcel, 0x100), add(parcel, 0x220))
                parcel := add(parcel, 0x260)
            }
        }
    }
}
