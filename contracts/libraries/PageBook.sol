// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IMarginVault} from "../interfaces/IMarginVault.sol";
import {AccountWord, MAX_PAGES, MAX_POSITIONS} from "./AccountWord.sol";
import {Book, POSITIONS_PER_WORD} from "./Book.sol";
import {Ledger} from "./Ledger.sol";

/// @notice Positions of one account on one page in memory.
/// @param words Position words as stored.
/// @param count How many positions they hold.
/// @param places By slot: one more than the index of a position with this slot, zero if there is none. Only `readIndexed` fills it.
struct PageBook {
    uint256[32] words;
    uint256 count;
    uint256[256] places;
}

/// @title A page of an account's book, changed in memory and written once
/// @notice For calls that touch most positions; a single one is cheaper through Book.
library PageBooks {
    using AccountWord for uint256;

    /// @dev What the account with this word holds on a page.
    function read(Ledger storage ledger, bytes32 account, uint256 word, uint256 page) internal view returns (PageBook memory book) {
        (, book.count) = Book.pageEntry(word, page);
        uint256[32] storage stored = ledger.books[account][page];
        for (uint256 i; i * POSITIONS_PER_WORD < book.count; ++i) book.words[i] = stored[i];
    }

    /// @dev The same, to which positions can be added.
    function readIndexed(Ledger storage ledger, bytes32 account, uint256 word, uint256 page) internal view returns (PageBook memory book) {
        book = read(ledger, account, word, page);
        for (uint256 i; i < book.count; ++i) book.places[Book.slotOf(positionAt(book, i))] = i + 1;
    }

    /// @dev Stores a book, words that changed only, and returns the account word with its new count; the word is not stored.
    function write(Ledger storage ledger, bytes32 account, uint256 word, uint256 page, PageBook memory book)
        internal
        returns (uint256)
    {
        (uint256 entry, uint256 oldCount) = Book.pageEntry(word, page);
        uint256[32] storage stored = ledger.books[account][page];
        uint256 count = book.count;
        if (count % POSITIONS_PER_WORD != 0) {
            uint256 last = count / POSITIONS_PER_WORD;
            book.words[last] &= ~(type(uint256).max >> (64 * (count % POSITIONS_PER_WORD)));
        }
        uint256 most = count > oldCount ? count : oldCount;
        for (uint256 i; i * POSITIONS_PER_WORD < most; ++i) {
            uint256 four = i * POSITIONS_PER_WORD < count ? book.words[i] : 0;
            if (stored[i] != four) stored[i] = four;
        }
        if (count == oldCount) return word;
        require(entry < MAX_PAGES, IMarginVault.TooManyPages(account));
        return Book.withCount(word, entry, page, count);
    }

    /// @dev Position `index`, 64 bits.
    function positionAt(PageBook memory book, uint256 index) internal pure returns (uint256) {
        return (book.words[index >> 2] >> _bit(index)) & type(uint64).max;
    }

    /// @dev Replaces position `index`.
    function put(PageBook memory book, uint256 index, uint256 position) internal pure {
        uint256 bit = _bit(index);
        uint256 four = book.words[index >> 2] & ~(uint256(type(uint64).max) << bit);
        book.words[index >> 2] = four | ((position & type(uint64).max) << bit);
    }

    /// @dev The position with other lots.
    function withLots(uint256 position, int256 lots) internal pure returns (uint256) {
        return (uint256(uint64(int64(lots))) << 22) | (position & 0x3fffff);
    }

    /// @dev Adds lots to the position with this one's key in an indexed book, which may leave it with none: see `dense`.
    function add(bytes32 account, PageBook memory book, uint256 position, int256 lots)
        internal
        pure
        returns (int256 oldLots, int256 newLots)
    {
        uint256 index = book.places[Book.slotOf(position)];
        if (index != 0 && (positionAt(book, index - 1) ^ position) & 0x3fffff != 0) index = _search(book, position);
        if (index == 0) {
            require(book.count < MAX_POSITIONS, IMarginVault.TooManyPositions(account, MAX_POSITIONS));
            index = ++book.count;
            if (book.places[Book.slotOf(position)] == 0) book.places[Book.slotOf(position)] = index;
        } else {
            oldLots = Book.lotsOf(positionAt(book, index - 1));
        }
        newLots = oldLots + lots;
        put(book, index - 1, withLots(position, newLots));
    }

    /// @dev Drops positions without lots; the order of the others stays.
    function dense(PageBook memory book) internal pure {
        uint256 kept;
        for (uint256 i; i < book.count; ++i) {
            uint256 position = positionAt(book, i);
            if (Book.lotsOf(position) == 0) continue;
            if (kept != i) put(book, kept, position);
            ++kept;
        }
        book.count = kept;
    }

    /// @dev One more than the index of the position with this one's key, zero if there is none. For a slot that is held twice, in two generations.
    function _search(PageBook memory book, uint256 position) private pure returns (uint256) {
        for (uint256 i; i < book.count; ++i) {
            if ((positionAt(book, i) ^ position) & 0x3fffff == 0) return i + 1;
        }
        return 0;
    }

    function _bit(uint256 index) private pure returns (uint256) {
        return (~index & 3) << 6;
    }
}
