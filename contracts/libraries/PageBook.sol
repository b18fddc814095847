// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IMarginVault} from "../interfaces/IMarginVault.sol";
import {AccountWord, MAX_PAGES} from "./AccountWord.sol";
import {Book, POSITIONS_PER_WORD} from "./Book.sol";
import {BookWalk} from "./BookWalk.sol";
import {Ledger} from "./Ledger.sol";
import {PageCopies} from "./PageCopies.sol";

/// @dev Words set aside for a page's positions: what its count can name.
uint256 constant BOOK_WORDS = 64;

/// @notice Positions of one account on one page in memory.
/// @param words Memory address of the position words as stored.
/// @param count How many positions they hold.
/// @param places Memory address of a word a slot: one more than the index of a position with this slot, zero if there is none. Only `IndexedBooks` fills it.
struct PageBook {
    uint256 words;
    uint256 count;
    uint256 places;
}

/// @title A page of an account's book, changed in memory and written once
/// @notice For calls that touch most positions; a single one is cheaper through Book.
library PageBooks {
    using AccountWord for uint256;

    /// @dev Room for positions.
    function none() internal pure returns (PageBook memory book) {
        book.words = zeroWords(BOOK_WORDS);
    }

    /// @dev What the account with this word holds on a page.
    function read(Ledger storage ledger, bytes32 account, uint256 word, uint256 page) internal view returns (PageBook memory book) {
        book = none();
        (, book.count) = Book.pageEntry(word, page);
        BookWalk.read(ledger.books[account][page], book.count, book.words);
    }

    /// @dev Stores a book, words that changed only, and returns the account word with its new count; the word is not stored.
    function write(Ledger storage ledger, bytes32 account, uint256 word, uint256 page, PageBook memory book)
        internal
        returns (uint256)
    {
        unchecked {
            (uint256 entry, uint256 oldCount) = Book.pageEntry(word, page);
            uint256 count = book.count;
            if (count % POSITIONS_PER_WORD != 0) {
                uint256 last = book.words + 32 * (count / POSITIONS_PER_WORD);
                PageCopies.store(last, PageCopies.load(last) & ~(type(uint256).max >> (64 * (count % POSITIONS_PER_WORD))));
            }
            uint256[32] storage stored = ledger.books[account][page];
            uint256 most = BookWalk.wordsOf(count > oldCount ? count : oldCount);
            uint256 used = BookWalk.wordsOf(count);
            for (uint256 i; i < most; ++i) {
                uint256 four = i < used ? PageCopies.load(book.words + 32 * i) : 0;
                if (stored[i] != four) stored[i] = four;
            }
            if (count == oldCount) return word;
            require(entry < MAX_PAGES, IMarginVault.TooManyPages(account));
            return Book.withCount(word, entry, page, count);
        }
    }

    /// @dev Position `index`, 64 bits.
    function positionAt(PageBook memory book, uint256 index) internal pure returns (uint256) {
        unchecked {
            return (PageCopies.load(book.words + 32 * (index >> 2)) >> _bit(index)) & type(uint64).max;
        }
    }

    /// @dev Replaces position `index`.
    function put(PageBook memory book, uint256 index, uint256 position) internal pure {
        unchecked {
            uint256 bit = _bit(index);
            uint256 at_ = book.words + 32 * (index >> 2);
            uint256 four = PageCopies.load(at_) & ~(uint256(type(uint64).max) << bit);
            PageCopies.store(at_, four | ((position & type(uint64).max) << bit));
        }
    }

    /// @dev Adds a position behind the last to a book that `none` made and nothing was put into, where the words are zero.
    function append(PageBook memory book, uint256 position) internal pure {
        unchecked {
            uint256 index = book.count++;
            uint256 at_ = book.words + 32 * (index >> 2);
            PageCopies.store(at_, PageCopies.load(at_) | (position << _bit(index)));
        }
    }

    /// @dev The position with other lots.
    function withLots(uint256 position, int256 lots) internal pure returns (uint256) {
        return ((uint256(lots) << 22) & type(uint64).max) | (position & 0x3fffff);
    }

    function _bit(uint256 index) private pure returns (uint256) {
        return (~index & 3) << 6;
    }

    /// @dev Memory address of so many words of zero.
    function zeroWords(uint256 count) internal pure returns (uint256 at_) {
        uint256[] memory words = new uint256[](count);
        assembly ("memory-safe") {
            at_ := add(words, 32)
        }
    }
}
