// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Book} from "./Book.sol";
import {PageBook, PageBooks} from "./PageBook.sol";
import {PageCopies} from "./PageCopies.sol";

/// @dev Slots that a page may have.
uint256 constant SLOTS = 256;

/// @title A page of an account's book in memory, to which many positions are added
/// @notice Each is found by its slot in a table, not by a search.
library IndexedBooks {
    using PageBooks for PageBook;

    /// @dev Fills the table of a book.
    function index(PageBook memory book) internal pure {
        unchecked {
            book.places = PageBooks.zeroWords(SLOTS);
            for (uint256 i; i < book.count; ++i) PageCopies.store(_place(book, book.positionAt(i)), i + 1);
        }
    }

    /// @dev Adds lots to the position with this one's key in an indexed book, which may leave it with none: see `dense`. Until then the book may hold
    /// twice as many as an account.
    function add(PageBook memory book, uint256 position, int256 lots) internal pure returns (int256 oldLots, int256 newLots) {
        unchecked {
            uint256 place = _place(book, position);
            uint256 at_ = PageCopies.load(place);
            uint256 held = at_ == 0 ? 0 : book.positionAt(at_ - 1);
            if (at_ != 0 && (held ^ position) & 0x3fffff != 0) {
                at_ = _search(book, position);
                if (at_ != 0) held = book.positionAt(at_ - 1);
            }
            if (at_ == 0) {
                at_ = ++book.count;
                if (PageCopies.load(place) == 0) PageCopies.store(place, at_);
            } else {
                oldLots = Book.lotsOf(held);
            }
            newLots = oldLots + lots;
            book.put(at_ - 1, PageBooks.withLots(position, newLots));
        }
    }

    /// @dev Drops positions without lots; the order of the others stays.
    function dense(PageBook memory book) internal pure {
        unchecked {
            uint256 kept;
            for (uint256 i; i < book.count; ++i) {
                uint256 position = book.positionAt(i);
                if (position >> 22 == 0) continue;
                if (kept != i) book.put(kept, position);
                ++kept;
            }
            book.count = kept;
        }
    }

    /// @dev One more than the index of the position with this one's key, zero if there is none. For a slot that is held twice, in two generations.
    function _search(PageBook memory book, uint256 position) private pure returns (uint256) {
        unchecked {
            for (uint256 i; i < book.count; ++i) {
                if ((book.positionAt(i) ^ position) & 0x3fffff == 0) return i + 1;
            }
            return 0;
        }
    }

    /// @dev Where the index of a position with this one's slot stands.
    function _place(PageBook memory book, uint256 position) private pure returns (uint256) {
        unchecked {
            return book.places + 32 * Book.slotOf(position);
        }
    }
}
