// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IMarginOracle} from "../interfaces/IMarginOracle.sol";
import {IMarginVault} from "../interfaces/IMarginVault.sol";
import {IVaultPriceFeed} from "../interfaces/IPriceFeed.sol";
import {AccountWord, MAX_POSITIONS} from "./AccountWord.sol";
import {WAD} from "./AuctionMath.sol";
import {Book, SCALED_LOTS_BITS} from "./Book.sol";
import {Ledger} from "./Ledger.sol";
import {IndexedBooks} from "./IndexedBook.sol";
import {PageBook, PageBooks} from "./PageBook.sol";
import {PageCopies} from "./PageCopies.sol";
import {KIND_NONE, KIND_SPOT, PAGE_HEAD_BYTES, PAGE_HEAD_WORDS, PageLayout} from "./PageLayout.sol";
import {PricedPage, PricedPages} from "./PricedPages.sol";

/// @notice A slice on its way. Value is in settlement token units.
struct Slice {
    bytes32 from;
    bytes32 to;
    uint256 fractionWad;
    uint256 fromWord;
    uint256 toWord;
    int256 value;
    bool moved;
}

/// @title Moves a fraction of a book from one account to another
/// @notice An external library, so that the vault need not hold its code.
library BookTransfer {
    using AccountWord for uint256;

    /// @dev Moves `ceil(f |q|)` lots of every position that can be valued, at live value. The account words are returned, not stored.
    function move(Ledger storage ledger, bytes32 from, bytes32 to, uint256 fractionWad, IMarginOracle oracle, IVaultPriceFeed feed)
        external
        returns (uint256 fromWord, uint256 toWord, int256 value)
    {
        Slice memory slice = Slice(from, to, fractionWad, ledger.accounts[from], ledger.accounts[to], 0, false);
        PricedPage[] memory pages = PricedPages.load(slice.fromWord.pages(), oracle, feed);
        for (uint256 i; i < pages.length; ++i) {
            if (pages[i].words.length != 0) _movePage(ledger, slice, pages[i], feed);
        }
        require(slice.moved, IMarginVault.ZeroLots());
        require(slice.toWord.positions() <= MAX_POSITIONS, IMarginVault.TooManyPositions(to, MAX_POSITIONS));
        value = slice.value;
        fromWord = slice.fromWord.withCash(slice.fromWord.cash() + value);
        toWord = slice.toWord.withCash(slice.toWord.cash() - value);
    }

    /// @dev Live value of what `move` would move, settlement token units.
    function worth(Ledger storage ledger, bytes32 from, uint256 fractionWad, IMarginOracle oracle, IVaultPriceFeed feed)
        external
        view
        returns (int256 value)
    {
        uint256 word = ledger.accounts[from];
        PricedPage[] memory pages = PricedPages.load(word.pages(), oracle, feed);
        for (uint256 i; i < pages.length; ++i) {
            if (pages[i].words.length == 0) continue;
            PageBook memory source = PageBooks.read(ledger, from, word, pages[i].page);
            (PageBook memory parts,) = _cut(source, pages[i], fractionWad);
            value += PricedPages.valueOf(parts, pages[i], feed);
        }
    }

    function _movePage(Ledger storage ledger, Slice memory slice, PricedPage memory priced, IVaultPriceFeed feed) private {
        PageBook memory source = PageBooks.read(ledger, slice.from, slice.fromWord, priced.page);
        (PageBook memory parts, uint256 widest) = _cut(source, priced, slice.fractionWad);
        if (parts.count == 0) return;
        slice.moved = true;
        slice.value += PricedPages.valueOf(parts, priced, feed);
        PageBook memory target = PageBooks.read(ledger, slice.to, slice.toWord, priced.page);
        if (target.count == 0 && widest >> SCALED_LOTS_BITS == 0) {
            // who holds nothing here takes the parts as they are, and open interest stays
            (target.words, target.count) = (parts.words, parts.count);
        } else {
            _addAll(ledger, slice.to, target, parts, priced);
        }
        slice.fromWord = PageBooks.write(ledger, slice.from, slice.fromWord, priced.page, source);
        slice.toWord = PageBooks.write(ledger, slice.to, slice.toWord, priced.page, target);
    }

    /// @dev Adds parts to a book. A part has the sign of what it is taken from, so what is long there shrinks by what is long in it.
    function _addAll(Ledger storage ledger, bytes32 account, PageBook memory target, PageBook memory parts, PricedPage memory priced) private {
        unchecked {
            IndexedBooks.index(target);
            int256 grown;
            for (uint256 i; i < parts.count; ++i) {
                uint256 position = PageBooks.positionAt(parts, i);
                uint256 record = priced.words[PAGE_HEAD_WORDS + Book.slotOf(position)];
                int256 part = Book.lotsOf(position);
                (int256 oldLots, int256 newLots) = IndexedBooks.add(target, position, part);
                require(Book.inRange(newLots, PageLayout.shift(record)), IMarginVault.LotsOutOfRange(newLots, PageLayout.shift(record)));
                if (PageLayout.kind(record) != KIND_SPOT) grown += _long(newLots) - _long(oldLots) - _long(part);
            }
            IndexedBooks.dense(target);
            require(target.count <= MAX_POSITIONS, IMarginVault.TooManyPositions(account, MAX_POSITIONS));
            ledger.openInterest[priced.underlying] = uint256(int256(ledger.openInterest[priced.underlying]) + grown);
        }
    }

    /// @dev Takes `sign(q) ceil(f |q|)` lots out of every position that the page has. What stays is left in the source, without positions of zero lots.
    /// @return parts What was taken.
    /// @return widest At least the largest |part| << shift: all their bits.
    function _cut(PageBook memory source, PricedPage memory priced, uint256 fractionWad)
        private
        pure
        returns (PageBook memory parts, uint256 widest)
    {
        unchecked {
            parts = PageBooks.none();
            uint256 records = PricedPages.headOf(priced) + PAGE_HEAD_BYTES;
            uint256 rows = priced.words.length - PAGE_HEAD_WORDS;
            uint256 four;
            uint256 kept;
            for (uint256 i; i < source.count; ++i) {
                four = i & 3 == 0 ? PageCopies.load(source.words + 8 * i) : four << 64;
                uint256 slot = (four >> 192) & 0xff;
                uint256 record = slot < rows ? PageCopies.load(records + 32 * slot) : 0;
                uint256 position = four >> 192;
                if (PageLayout.kind(record) != KIND_NONE && ((record >> 8) ^ (position >> 8)) & 0x3fff == 0) {
                    int256 lots = int256(four) >> 214;
                    int256 part = _part(lots, fractionWad);
                    widest |= uint256(part < 0 ? -part : part) << PageLayout.shift(record);
                    PageBooks.append(parts, PageBooks.withLots(position, part));
                    if (part == lots) continue;
                    position = PageBooks.withLots(position, lots - part);
                }
                PageBooks.put(source, kept++, position);
            }
            source.count = kept;
        }
    }

    /// @dev `sign(q) ceil(f |q|)`.
    function _part(int256 lots, uint256 fractionWad) private pure returns (int256) {
        unchecked {
            uint256 size = uint256(lots < 0 ? -lots : lots);
            int256 part = int256((size * fractionWad + (WAD - 1)) / WAD);
            return lots < 0 ? -part : part;
        }
    }

    function _long(int256 lots) private pure returns (int256) {
        return lots > 0 ? lots : int256(0);
    }
}
