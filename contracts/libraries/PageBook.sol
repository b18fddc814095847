// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IMarginVault} from "../interfaces/IMarginVault.sol";
import {AccountWord, MAX_PAGES} from "./AccountWord.sol";
import {Book} from "./Book.sol";
import {Ledger} from "./Ledger.sol";
import {PageCopies} from "./PageCopies.sol";
import {PositionWords} from "./PositionWords.sol";

/// @dev Words set aside for a page's positions: what its count can name.
uint256 constant BOOK_WORDS = 64;

/// @notice Positions of one account on one page in memory.
/// @param words Memory address of the positions, 64 bits each.
/// @param count How many positions they hold.
struct PageBook {
    uint256 words;
    uint256 count;
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
        PositionWords.read(ledger.books[account][page], book.count, book.words);
    }

    /// @dev Stores a book and returns the account word with its new count; the word is not stored.
    function write(Ledger storage ledger, bytes32 account, uint256 word, uint256 page, PageBook memory book)
        internal
        returns (uint256)
    {
        unchecked {
            (uint256 entry, uint256 oldCount) = Book.pageEntry(word, page);
            uint256 count = book.count;
            PositionWords.write(ledger.books[account][page], oldCount, book.words, count);
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
