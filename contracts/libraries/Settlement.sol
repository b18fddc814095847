// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IInstrumentRegistry} from "../interfaces/IInstrumentRegistry.sol";
import {IMarginOracle} from "../interfaces/IMarginOracle.sol";
import {IMarginVault} from "../interfaces/IMarginVault.sol";
import {IVaultPriceFeed} from "../interfaces/IPriceFeed.sol";
import {AccountWord} from "./AccountWord.sol";
import {Book} from "./Book.sol";
import {ExpiryMark, SETTLED_X16} from "./ExpiryMark.sol";
import {Instruments} from "./Instruments.sol";
import {Ledger} from "./Ledger.sol";
import {PageBook, PageBooks} from "./PageBook.sol";
import {KIND_PERPETUAL, KIND_SPOT, PageLayout} from "./PageLayout.sol";

/// @dev Marks a final value as computed; the value itself is the lower 255 bits, signed.
uint256 constant VALUE_KNOWN = 1 << 255;

/// @dev What an underlying's feed said when the wind-down began, and its final price.
struct WindDownPrice {
    uint256 priceSeconds;
    uint256 secondsSum;
    uint256 finalTicks;
}

/// @notice Whose words are read.
struct Sources {
    IInstrumentRegistry registry;
    IMarginOracle oracle;
    IVaultPriceFeed feed;
}

/// @title Turns positions into cash at final prices
/// @notice An external library, so that the vault need not hold its code. Account words are returned, not stored.
/// @dev Assumptions about other contracts:
/// 1. The registry returns the terms of every instrument that was ever listed.
/// 2. A settlement price that the feed calls fixed, or gives the full weight, never changes.
library Settlement {
    using AccountWord for uint256;

    /// @dev Positions of one page whose settlement price is fixed become cash: `lots payoff(price) tick` each. Others stay.
    /// @return word The account's new word.
    /// @return settled How many positions that were.
    function expire(Ledger storage ledger, Sources memory sources, bytes32 account, uint256 page)
        external
        returns (uint256 word, uint256 settled)
    {
        word = ledger.accounts[account];
        PageBook memory book = PageBooks.read(ledger, account, word, page);
        if (book.count == 0) return (word, 0);
        (uint256 underlying,,) = sources.registry.pageInfo(page);
        int256 tick = int256(sources.registry.tick());
        int256 cash = word.cash();
        uint256 kept;
        uint256 hour;
        uint256 priceTicks;
        bool isFixed;
        for (uint256 i; i < book.count; ++i) {
            uint256 position = PageBooks.positionAt(book, i);
            uint256 terms = sources.registry.termsOf(page, Book.slotOf(position), Book.generationOf(position));
            bool dated = ExpiryMark.isDated(terms);
            if (dated && PageLayout.expiryHour(terms) != hour) {
                hour = PageLayout.expiryHour(terms);
                (priceTicks,, isFixed) = sources.feed.settlement(underlying, hour);
            }
            if (!dated || !isFixed) {
                PageBooks.put(book, kept++, position);
                continue;
            }
            int256 lots = Book.lotsOf(position);
            int256 worth = lots * ExpiryMark.payoff(terms, int256(priceTicks)) * tick;
            cash += worth;
            ++settled;
            Book.tally(ledger, underlying, lots, 0);
            emit IMarginVault.ExpirySettled(account, (page << 22) | (position & 0x3fffff), lots, priceTicks, worth);
        }
        if (settled == 0) return (word, 0);
        book.count = kept;
        word = PageBooks.write(ledger, account, word, page, book).withCash(cash);
    }

    /// @dev All positions but spot become cash at the final values of a wind-down.
    /// @param prices Final prices by underlying.
    /// @param values Page << 22 | position key => final value of one lot, ticks, with VALUE_KNOWN set.
    /// @return word The account's new word but for its cash.
    /// @return worth What they are worth, settlement token units.
    function close(
        Ledger storage ledger,
        mapping(uint256 => WindDownPrice) storage prices,
        mapping(uint256 => uint256) storage values,
        Sources memory sources,
        bytes32 account
    ) external returns (uint256 word, int256 worth) {
        word = ledger.accounts[account];
        int256 ticks;
        for (uint256 list = word.pages(); list != 0; list >>= 16) {
            uint256 page = list & 0xff;
            (uint256 underlying,,) = sources.registry.pageInfo(page);
            PageBook memory book = PageBooks.read(ledger, account, word, page);
            uint256 kept;
            for (uint256 i; i < book.count; ++i) {
                uint256 position = PageBooks.positionAt(book, i);
                uint256 terms = sources.registry.termsOf(page, Book.slotOf(position), Book.generationOf(position));
                if (PageLayout.kind(terms) == KIND_SPOT) {
                    PageBooks.put(book, kept++, position);
                    continue;
                }
                uint256 key = (page << 22) | (position & 0x3fffff);
                if (values[key] == 0) values[key] = uint256(_finalValue(prices, sources, underlying, terms, key)) | VALUE_KNOWN;
                ticks += Book.lotsOf(position) * (int256(values[key] << 1) >> 1);
                Book.tally(ledger, underlying, Book.lotsOf(position), 0);
            }
            book.count = kept;
            word = PageBooks.write(ledger, account, word, page, book);
        }
        worth = ticks * int256(sources.registry.tick());
    }

    /// @dev Final value of one lot, the same for every account: fixed when the first of them is settled, so that the sum stays zero even if a late
    /// manifest moved the funding. What has expired is worth its payoff at its settlement price, all else that at the final price of the wind-down.
    function _finalValue(
        mapping(uint256 => WindDownPrice) storage prices,
        Sources memory sources,
        uint256 underlying,
        uint256 terms,
        uint256 key
    ) private view returns (int256) {
        uint256 priceTicks = prices[underlying].finalTicks;
        if (PageLayout.kind(terms) == KIND_PERPETUAL) {
            uint256 generation = PageLayout.generation(terms);
            return int256(priceTicks) - Instruments.load(sources.oracle, sources.feed, key >> 22, key & 0xff, generation).funding;
        }
        (uint256 averageTicks, uint256 weightX16,) = sources.feed.settlement(underlying, PageLayout.expiryHour(terms));
        if (weightX16 == uint256(SETTLED_X16)) priceTicks = averageTicks;
        return ExpiryMark.payoff(terms, int256(priceTicks));
    }
}
