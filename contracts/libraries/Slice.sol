// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {WAD} from "./AuctionMath.sol";
import {BookWalk} from "./BookWalk.sol";
import {SETTLEMENT_WINDOW} from "./LiveMark.sol";
import {PageCopies} from "./PageCopies.sol";
import {PAGE_HEAD_BYTES} from "./PageLayout.sol";
import {PositionWords, STORED_WORDS} from "./PositionWords.sol";

/// @dev Generation and slot of a position at the top of a word.
uint256 constant KEY = 0x3fffff << 192;

/// @notice Positions of one page in memory, dense, 64 bits each from the top of the first word; zeros behind the last in its word.
/// @param at_ Memory address of the first.
/// @param count How many.
struct Lots {
    uint256 at_;
    uint256 count;
}

/// @notice A page of a book, cut in two.
/// @param kept What stays.
/// @param part What goes: `sign(q) ceil(f |q|)` lots of every position that the page has.
/// @param widest At least the largest |part| << shift.
/// @param settling Whether the settlement window of one of them may have begun.
struct Cut {
    Lots kept;
    Lots part;
    uint256 widest;
    bool settling;
}

/// @title Cuts a fraction off the positions of a page
library Slices {
    /// @dev Cuts positions by the records of a page.
    /// @param head Memory address of its head; zero if all positions are known to be plain, and then nothing is found of them but both parts.
    /// @param fractionWad f, at most 1e18.
    function cut(Lots memory whole, uint256 head, uint256 rows, uint256 fractionWad) internal view returns (Cut memory found) {
        (found.kept, found.part) = (room(whole.count), room(whole.count));
        (uint256 from, uint256 end) = (whole.at_, whole.at_ + 8 * whole.count);
        (uint256 keptAt, uint256 partAt) = (found.kept.at_, found.part.at_);
        uint256 widest;
        // a word below which, with the expiry at its top, a window has begun
        uint256 limit = ((block.timestamp + SETTLEMENT_WINDOW) / 1 hours) << 232;
        assembly ("memory-safe") {
            rows := shl(5, rows)
            for {} lt(from, end) { from := add(from, 8) } {
                // lots 42, generation 14, slot 8 stand at the top of the word at a position's place
                let position := mload(from)
                let lots := sar(214, position)
                let sign := sar(255, lots)
                let part := div(add(mul(sub(xor(lots, sign), sign), fractionWad), sub(WAD, 1)), WAD)
                if head {
                    let rec := and(shr(187, position), 0x1fe0)
                    rec := mul(mload(add(add(head, PAGE_HEAD_BYTES), rec)), lt(rec, rows))
                    if or(iszero(and(rec, 7)), and(xor(shr(8, rec), shr(200, position)), 0x3fff)) {
                        mstore(keptAt, shl(192, shr(192, position)))
                        keptAt := add(keptAt, 8)
                        continue
                    }
                    // at the top, above all bits of lots, whether it has begun
                    widest := or(widest, or(shl(and(shr(3, rec), 31), part), shl(255, lt(sub(shl(16, rec), shl(232, 1)), limit))))
                }
                position := and(position, KEY)
                part := sub(xor(part, sign), sign)
                mstore(partAt, or(shl(214, part), position))
                partAt := add(partAt, 8)
                lots := sub(lots, part)
                if lots {
                    mstore(keptAt, or(shl(214, lots), position))
                    keptAt := add(keptAt, 8)
                }
            }
        }
        unchecked {
            found.kept.count = (keptAt - found.kept.at_) >> 3;
            found.part.count = (partAt - found.part.at_) >> 3;
        }
        (found.widest, found.settling) = ((widest << 1) >> 1, widest >> 255 != 0);
    }

    /// @dev Room for so many positions, and for what a write of the last puts behind it.
    function room(uint256 count) internal pure returns (Lots memory lots) {
        unchecked {
            lots.at_ = PageCopies.allocate(BookWalk.wordsOf(count) + 1);
        }
    }

    /// @dev Copies positions, whole words.
    function copy(Lots memory from, uint256 to) internal pure {
        (uint256 at_, uint256 bytes_) = (from.at_, 32 * BookWalk.wordsOf(from.count));
        assembly ("memory-safe") {
            mcopy(to, at_, bytes_)
        }
    }

    /// @dev Stores positions in place of others.
    function store(uint256[STORED_WORDS] storage book, Lots memory old, Lots memory lots) internal {
        PositionWords.write(book, old.count, lots.at_, lots.count);
    }
}
