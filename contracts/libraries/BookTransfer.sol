// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {MAX_PRICE_AGE} from "../MarginEngine.sol";
import {IMarginOracle} from "../interfaces/IMarginOracle.sol";
import {IMarginVault} from "../interfaces/IMarginVault.sol";
import {IVaultPriceFeed} from "../interfaces/IPriceFeed.sol";
import {AccountWord, MAX_POSITIONS} from "./AccountWord.sol";
import {WAD} from "./AuctionMath.sol";
import {Book} from "./Book.sol";
import {ExpiryMark} from "./ExpiryMark.sol";
import {Ledger} from "./Ledger.sol";
import {LiveMark, SpotState} from "./LiveMark.sol";
import {PageBook, PageBooks} from "./PageBook.sol";
import {KIND_NONE, KIND_SPOT, PAGE_HEAD_WORDS, PageLayout} from "./PageLayout.sol";
import {PageStore} from "./PageStore.sol";

/// @notice A page of the current manifest whose underlying has a price.
/// @param words Head and records; empty if there is no such page or no price.
struct PricedPage {
    uint256 page;
    uint256 underlying;
    uint256[] words;
    SpotState spot;
}

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
        PricedPage[] memory pages = _pricedPages(slice.fromWord.pages(), oracle, feed);
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
        PricedPage[] memory pages = _pricedPages(word.pages(), oracle, feed);
        for (uint256 i; i < pages.length; ++i) {
            PageBook memory source = PageBooks.read(ledger, from, word, pages[i].page);
            for (uint256 j; j < source.count && pages[i].words.length != 0; ++j) {
                uint256 position = PageBooks.positionAt(source, j);
                uint256 record = _recordOf(pages[i], position);
                if (record != 0) value += _valued(pages[i], record, _part(Book.lotsOf(position), fractionWad), feed);
            }
        }
    }

    function _movePage(Ledger storage ledger, Slice memory slice, PricedPage memory priced, IVaultPriceFeed feed) private {
        PageBook memory source = PageBooks.read(ledger, slice.from, slice.fromWord, priced.page);
        PageBook memory target = PageBooks.readIndexed(ledger, slice.to, slice.toWord, priced.page);
        int256 openInterest = int256(ledger.openInterest[priced.underlying]);
        uint256 kept;
        for (uint256 i; i < source.count; ++i) {
            uint256 position = PageBooks.positionAt(source, i);
            uint256 record = _recordOf(priced, position);
            if (record != 0) {
                int256 lots = Book.lotsOf(position);
                int256 part = _part(lots, slice.fractionWad);
                slice.value += _valued(priced, record, part, feed);
                slice.moved = true;
                (int256 oldLots, int256 newLots) = PageBooks.add(slice.to, target, position, part);
                require(Book.inRange(newLots, PageLayout.shift(record)), IMarginVault.LotsOutOfRange(newLots, PageLayout.shift(record)));
                if (PageLayout.kind(record) != KIND_SPOT) {
                    openInterest += _long(newLots) - _long(oldLots) + _long(lots - part) - _long(lots);
                }
                if (lots == part) continue;
                position = PageBooks.withLots(position, lots - part);
            }
            PageBooks.put(source, kept++, position);
        }
        source.count = kept;
        PageBooks.dense(target);
        ledger.openInterest[priced.underlying] = uint256(openInterest);
        slice.fromWord = PageBooks.write(ledger, slice.from, slice.fromWord, priced.page, source);
        slice.toWord = PageBooks.write(ledger, slice.to, slice.toWord, priced.page, target);
    }

    /// @dev The pages of a list as the current manifest and the feed have them.
    function _pricedPages(uint256 list, IMarginOracle oracle, IVaultPriceFeed feed) private view returns (PricedPage[] memory pages) {
        uint256 packed;
        uint256 count;
        for (; list >> (16 * count) != 0; ++count) packed |= ((list >> (16 * count)) & 0xff) << (8 * count);
        pages = new PricedPage[](count);
        uint256 underlyings;
        uint256[] memory found = oracle.load(packed, count, false);
        for (uint256 i; i < count; ++i) underlyings |= ((found[i + 1] >> 160) & 0xff) << (8 * i);
        uint256[] memory prices = feed.load(underlyings, count);
        for (uint256 i; i < count; ++i) {
            (uint256 spotTicks, uint256 observedAt) = (prices[i] & type(uint64).max, (prices[i] >> 64) & type(uint40).max);
            (pages[i].page, pages[i].underlying) = ((packed >> (8 * i)) & 0xff, (underlyings >> (8 * i)) & 0xff);
            if (found[i + 1] == 0 || spotTicks == 0 || block.timestamp > observedAt + MAX_PRICE_AGE) continue;
            uint256[] memory words = pages[i].words = new uint256[](PAGE_HEAD_WORDS + ((found[i + 1] >> 168) & 0xff));
            PageStore.read(address(uint160(found[i + 1])), words, 0, words.length);
            pages[i].spot = LiveMark.stateAt(words[0], words[2], spotTicks, block.timestamp);
        }
    }

    /// @dev The record of a position, zero if the page lacks it.
    function _recordOf(PricedPage memory priced, uint256 position) private pure returns (uint256 record) {
        uint256 index = PAGE_HEAD_WORDS + Book.slotOf(position);
        if (index < priced.words.length) record = priced.words[index];
        if (PageLayout.kind(record) == KIND_NONE || PageLayout.generation(record) != Book.generationOf(position)) record = 0;
    }

    /// @dev `lots * V * tick`, settlement token units.
    function _valued(PricedPage memory priced, uint256 record, int256 lots, IVaultPriceFeed feed) private view returns (int256) {
        (int256 lotTicks,,) = ExpiryMark.value(priced.spot, record, priced.underlying, feed);
        return lots * lotTicks * int256(PageLayout.tick(priced.words[0]));
    }

    /// @dev `sign(q) ceil(f |q|)`.
    function _part(int256 lots, uint256 fractionWad) private pure returns (int256) {
        if (lots < 0) return -_part(-lots, fractionWad);
        return (lots * int256(fractionWad) + int256(WAD - 1)) / int256(WAD);
    }

    function _long(int256 lots) private pure returns (int256) {
        return lots > 0 ? lots : int256(0);
    }
}
