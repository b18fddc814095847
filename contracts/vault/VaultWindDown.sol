// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {VaultStorage, WindDownPrice} from "./VaultStorage.sol";
import {AccountWord} from "../libraries/AccountWord.sol";
import {Book, POSITIONS_PER_WORD} from "../libraries/Book.sol";
import {KIND_CALL, KIND_PERPETUAL, KIND_PUT, KIND_SPOT, PageLayout} from "../libraries/PageLayout.sol";
import {Instrument, MarginEngine} from "../MarginEngine.sol";
import {IMarginVault} from "../interfaces/IMarginVault.sol";

/// @dev T3: without an activation for this long the vault may be closed.
uint256 constant WIND_DOWN_AFTER = 3 days;
/// @dev Time over which final prices are averaged.
uint256 constant WIND_DOWN_AVERAGE = 24 hours;
/// @dev Marks a final value as computed; the value itself is the lower 255 bits, signed.
uint256 constant VALUE_KNOWN = 1 << 255;

/// @title Closing the vault when no manifest comes any more
abstract contract VaultWindDown is VaultStorage {
    using AccountWord for uint256;

    /// @inheritdoc IMarginVault
    function startWindDown() external notWoundDown {
        (,, uint64 activatedAt,) = ORACLE.currentManifest();
        uint256 since = activatedAt > DEPLOYED_AT ? activatedAt : DEPLOYED_AT;
        require(block.timestamp >= since + WIND_DOWN_AFTER, WindDownTooEarly(since + WIND_DOWN_AFTER));
        windDownAt = block.timestamp;
        uint256 count = REGISTRY.underlyingCount();
        for (uint256 underlying; underlying < count; ++underlying) {
            WindDownPrice storage price = windDownPrices[underlying];
            (price.priceSeconds, price.secondsSum) = FEED.cumulative(underlying);
        }
        emit WindDownStarted(block.timestamp);
    }

    /// @inheritdoc IMarginVault
    function priceWindDown() external {
        require(windDownAt != 0, NotWoundDown());
        require(!windDownPriced, WoundDown());
        require(block.timestamp >= windDownAt + WIND_DOWN_AVERAGE, WindDownTooEarly(windDownAt + WIND_DOWN_AVERAGE));
        windDownPriced = true;
        uint256 count = REGISTRY.underlyingCount();
        for (uint256 underlying; underlying < count; ++underlying) {
            WindDownPrice storage price = windDownPrices[underlying];
            (uint256 priceSeconds, uint256 secondsSum) = FEED.cumulative(underlying);
            if (secondsSum > price.secondsSum) {
                price.finalTicks = (priceSeconds - price.priceSeconds) / (secondsSum - price.secondsSum);
            } else {
                (price.finalTicks,) = FEED.price(underlying);
            }
            emit WindDownPriced(underlying, price.finalTicks);
        }
    }

    /// @inheritdoc IMarginVault
    function settleWindDown(bytes32 account) external nonReentrant {
        require(windDownPriced, WindDownNotPriced());
        uint256 oldWord = ledger.accounts[account];
        int256 cash = oldWord.cash();
        for (uint256 list = oldWord.pages(); list != 0; list >>= 16) {
            cash += _closePage(account, list & 0xff, (list >> 8) & 0xff);
        }
        bookedLosses -= lossOf[account];
        delete lossOf[account];
        uint256 hole;
        if (cash < 0) (hole, cash) = (uint256(-cash), int256(0));
        uint256 word = (oldWord >> 96 << 96).withCash(cash).withAuction(false);
        _store(account, oldWord, word);
        emit WindDownSettled(account, cash);
        if (hole != 0) {
            deficit += hole;
            emit DeficitRecorded(account, hole, deficit);
            _useReserve();
            _repayFromFund();
        }
    }

    /// @inheritdoc IMarginVault
    function windDownPriceTicks(uint256 underlying) external view returns (uint256) {
        return windDownPrices[underlying].finalTicks;
    }

    /* INTERNALS */

    /// @dev Deletes the positions of a page and returns what they are worth.
    function _closePage(bytes32 account, uint256 page, uint256 count) private returns (int256 worth) {
        uint256[32] storage words = ledger.books[account][page];
        (uint256 underlying,,) = REGISTRY.pageInfo(page);
        int256 tick = int256(REGISTRY.tick());
        for (uint256 i; i < count; ++i) {
            uint256 position = Book.positionAt(words, i);
            int256 lots = Book.lotsOf(position);
            (int256 value, bool spot) = _finalValue(page, underlying, position);
            worth += lots * value * tick;
            if (!spot) Book.tally(ledger, underlying, lots, 0);
        }
        for (uint256 i; i * POSITIONS_PER_WORD < count; ++i) words[i] = 0;
    }

    /// @dev Final value of one lot, the same for every account: fixed when the first of them is settled, so that the sum stays zero
    /// even if a late manifest moved the funding.
    function _finalValue(uint256 page, uint256 underlying, uint256 position) private returns (int256 value, bool spot) {
        uint256 terms = REGISTRY.terms(page, Book.slotOf(position));
        spot = PageLayout.kind(terms) == KIND_SPOT;
        uint256 instrument = (page << 22) | (position & 0x3fffff);
        uint256 known = windDownValues[instrument];
        if (known & VALUE_KNOWN != 0) return (int256(known << 1) >> 1, spot);
        if (PageLayout.generation(terms) == Book.generationOf(position)) {
            value = _payoff(terms, int256(windDownPrices[underlying].finalTicks));
            if (PageLayout.kind(terms) == KIND_PERPETUAL) {
                Instrument memory last =
                    MarginEngine.instrument(ORACLE, FEED, page, Book.slotOf(position), Book.generationOf(position));
                value -= last.funding;
            }
        }
        windDownValues[instrument] = uint256(value) | VALUE_KNOWN;
    }

    /// @dev A perpetual, a future and spot pay S; a call max(S - K, 0), a put max(K - S, 0).
    function _payoff(uint256 terms, int256 spotTicks) private pure returns (int256) {
        uint256 kind = PageLayout.kind(terms);
        int256 strike = int256((terms >> 176) & type(uint40).max);
        if (kind == KIND_CALL) return spotTicks > strike ? spotTicks - strike : int256(0);
        if (kind == KIND_PUT) return strike > spotTicks ? strike - spotTicks : int256(0);
        return spotTicks;
    }
}
