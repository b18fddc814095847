// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {BookWalk} from "./BookWalk.sol";
import {PageCopies, PageCopy} from "./PageCopies.sol";
import {Shelf, Shelves} from "./Shelf.sol";

/// @dev Largest number of positions read from one page: what a book has room for.
uint256 constant MAX_BOOK_POSITIONS = 128;

/// @title The pages of an account in memory
library PageLists {
    using Shelves for Shelf;

    /// @dev Makes room for the pages of an account's list and for its positions, which stand as in the preimage of the book's leaf: a word for its
    /// tail risk, then for every page its head and its positions, 64 bits each. The first word, and the positions, are left to be written.
    /// @return pages With id, number of positions, where those will stand, and its place on the shelf.
    /// @return most Positions on the page that has most.
    /// @return book Memory address of the preimage.
    /// @return words How long it is.
    function room(uint256 list, Shelf memory shelf) internal pure returns (PageCopy[] memory pages, uint256 most, uint256 book, uint256 words) {
        unchecked {
            uint256 count;
            for (uint256 rest = list; rest != 0; rest >>= 16) ++count;
            pages = newList(count);
            // taken at the end, when its length is known
            book = PageCopies.allocate(0);
            uint256 at_ = book + 32;
            for (uint256 i; i < count; ++i) {
                uint256 positions = (list >> 8) & 0xff;
                if (positions > MAX_BOOK_POSITIONS) positions = MAX_BOOK_POSITIONS;
                if (positions > most) most = positions;
                PageCopy memory page = pages[i];
                (page.id, page.count, page.words) = (list & 0xff, positions, at_ + 32);
                page.place = shelf.indexOf(page.id);
                PageCopies.store(at_, (positions << 8) | (list & 0xff));
                at_ += 32 + 32 * BookWalk.wordsOf(positions);
                list >>= 16;
            }
            words = (at_ - book) >> 5;
            PageCopies.allocate(words);
        }
    }

    /// @dev So many pages, all zero.
    function newList(uint256 count) internal pure returns (PageCopy[] memory pages) {
        assembly ("memory-safe") {
            pages := mload(0x40)
            mstore(pages, count)
            let at_ := add(pages, 0x20)
            let page := add(at_, shl(5, count))
            let end := add(page, mul(count, 0x120))
            mstore(0x40, end)
            calldatacopy(page, calldatasize(), mul(count, 0x120))
            for {} lt(page, end) { page := add(page, 0x120) } {
                mstore(at_, page)
                at_ := add(at_, 0x20)
            }
        }
    }
}
