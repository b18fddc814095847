// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {MAX_MANIFEST_AGE} from "./VaultAccounts.sol";
import {VaultStorage, PERMISSION_VENUE} from "./VaultStorage.sol";
import {AccountWord, MAX_TRADED_POSITIONS} from "../libraries/AccountWord.sol";
import {Book} from "../libraries/Book.sol";
import {KIND_SPOT} from "../libraries/PageLayout.sol";
import {Instrument, MarginEngine, UNCERTAIN} from "../MarginEngine.sol";
import {IMarginVault, Certificate, Fill, Margin} from "../interfaces/IMarginVault.sol";
import {
    MARGIN_DRIFTED,
    MARGIN_FROZEN,
    MARGIN_MISSING,
    MARGIN_NO_MANIFEST,
    MARGIN_STALE
} from "../interfaces/IMarginVault.sol";
import {IERC20, SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

/// @dev How far from the mark a reduction may be priced, basis points of spot: less than half the smallest floor.
uint256 constant REDUCE_BAND_BPS = 40;

/// @notice One side of a fill.
/// @param lots Signed lots the account receives.
/// @param oldWord Account word before the fill.
/// @param oldLots Position before the fill.
/// @param newLots Position after the fill.
/// @param word Account word after the fill, stored when that has been judged.
struct Leg {
    bytes32 account;
    int256 lots;
    uint256 oldWord;
    int256 oldLots;
    int256 newLots;
    uint256 word;
}

/// @title Fills and fees
abstract contract VaultTrading is VaultStorage {
    using AccountWord for uint256;
    using SafeERC20 for IERC20;

    /* VENUES */

    /// @inheritdoc IMarginVault
    function settle(Fill calldata fill, Certificate[] calldata takerCertificates, Certificate[] calldata makerCertificates)
        external
        nonReentrant
        notWoundDown
    {
        require(!tradingPaused, TradingPaused());
        require(isVenue[msg.sender], NotVenue(msg.sender));
        require(fill.taker != fill.maker, SameAccount(fill.taker));
        require(fill.lots != 0, ZeroLots());
        Instrument memory instrument = MarginEngine.instrument(ORACLE, FEED, fill.page, fill.slot, fill.generation);
        require(
            instrument.flags & (MARGIN_MISSING | MARGIN_NO_MANIFEST) == 0,
            UnknownInstrument(fill.page, fill.slot, fill.generation)
        );
        require(!instrument.expired, InstrumentExpired(fill.page, fill.slot));

        uint256 interest = ledger.openInterest[instrument.underlying];
        Leg memory taker = _apply(fill, fill.taker, fill.lots, fill.takerFee, instrument);
        Leg memory maker = _apply(fill, fill.maker, -int256(fill.lots), fill.makerFee, instrument);
        accruedFees[msg.sender] += uint256(fill.takerFee) + fill.makerFee;
        emit Traded(
            fill.taker,
            fill.maker,
            (uint256(fill.page) << 22) | Book.keyOf(fill.slot, fill.generation),
            fill.lots,
            fill.priceTicks,
            fill.takerFee,
            fill.makerFee
        );

        uint256 grown = ledger.openInterest[instrument.underlying];
        require(
            grown <= interest || grown <= instrument.openInterestCapLots,
            OpenInterestCap(instrument.underlying, grown, instrument.openInterestCapLots)
        );
        _check(taker, fill, instrument, takerCertificates);
        _check(maker, fill, instrument, makerCertificates);
    }

    /// @inheritdoc IMarginVault
    function distributeFees(address venue) external nonReentrant {
        // In a wind-down all claims wait for each other.
        require(windDownAt == 0 || accountsWithPositions == 0, WoundDown());
        uint256 fees = accruedFees[venue];
        _useReserve(fees);
        accruedFees[venue] = 0;
        uint256 toDeficit = _repayDeficit(fees);
        fees -= toDeficit;
        uint256 toFund = address(insuranceFund) != address(0) ? (fees * fundFeeBps) / 10_000 : 0;
        uint256 toProtocol = (fees * protocolFeeBps) / 10_000;
        uint256 toVenue = fees - toFund - toProtocol;
        _credit(protocolAccount, toProtocol);
        _credit(bytes32(bytes20(venue)), toVenue);
        emit FeesDistributed(venue, toVenue, toFund, toProtocol, toDeficit);
        if (toFund != 0) TOKEN.safeTransfer(address(insuranceFund), toFund);
    }

    /* INTERNALS */

    function _credit(bytes32 account, uint256 value) private {
        uint256 word = ledger.accounts[account];
        ledger.accounts[account] = word.withCash(word.cash() + int256(value));
    }

    /// @dev Moves one account: cash by `-q (price - F) tick - fee`, the position by q.
    function _apply(Fill calldata fill, bytes32 account, int256 lots, uint256 fee, Instrument memory instrument)
        private
        returns (Leg memory leg)
    {
        require(permissions[account][msg.sender] & PERMISSION_VENUE != 0, VenueNotApproved(account, msg.sender));
        leg.account = account;
        leg.lots = lots;
        leg.oldWord = ledger.accounts[account];
        require(!leg.oldWord.inAuction(), InAuction(account));

        uint256 word;
        uint256 key = Book.keyOf(fill.slot, fill.generation);
        (word, leg.oldLots, leg.newLots) = Book.addLots(ledger, account, leg.oldWord, fill.page, key, lots);
        int256 price = (int256(uint256(fill.priceTicks)) - instrument.funding) * int256(instrument.tick);
        leg.word = word.withCash(word.cash() - lots * price - int256(fee));
        if (instrument.kind != KIND_SPOT) Book.tally(ledger, instrument.underlying, leg.oldLots, leg.newLots);
    }

    function _check(Leg memory leg, Fill calldata fill, Instrument memory instrument, Certificate[] calldata certificates) private {
        // Neither grows nor crosses zero.
        bool reduces = leg.oldLots > 0
            ? leg.newLots >= 0 && leg.newLots < leg.oldLots
            : leg.newLots <= 0 && leg.newLots > leg.oldLots;
        require(reduces || !instrument.settling, InstrumentSettling(fill.page, fill.slot));
        bool meets = true;
        if (reduces) meets = _checkReduction(leg, fill, instrument, certificates);
        else _checkAddedRisk(leg, instrument, certificates);
        _store(leg.account, leg.oldWord, meets ? leg.word.withLastCheckBlock(block.number) : leg.word);
    }

    function _checkAddedRisk(Leg memory leg, Instrument memory instrument, Certificate[] calldata certificates) private view {
        require(block.timestamp <= instrument.manifestAsOf + MAX_MANIFEST_AGE, ManifestOld(instrument.manifestAsOf));
        require(instrument.flags & MARGIN_FROZEN == 0, UnderlyingFrozen(instrument.underlying));
        require(instrument.flags & MARGIN_DRIFTED == 0, UnderlyingDrifted(instrument.underlying));
        bool inRange = Book.inRange(leg.newLots, instrument.shift);
        if (instrument.kind == KIND_SPOT && leg.newLots < 0) inRange = false;
        require(inRange, LotsOutOfRange(leg.newLots, instrument.shift));

        require(leg.word.positions() <= MAX_TRADED_POSITIONS, TooManyPositions(leg.account, MAX_TRADED_POSITIONS));
        Margin memory m = MarginEngine.standing(ledger, leg.account, leg.word, certificates, ORACLE, FEED);
        require(m.flags & UNCERTAIN == 0, PriceNotFresh(leg.account));
        require(m.equity >= int256(m.initial), InitialMargin(leg.account, m.equity, m.initial));
        _requireQuote(leg.account, m.quote);
    }

    /// @return meets Whether the account meets its initial requirement.
    function _checkReduction(Leg memory leg, Fill calldata fill, Instrument memory instrument, Certificate[] calldata certificates)
        private
        returns (bool meets)
    {
        require(instrument.flags & MARGIN_STALE == 0, PriceStale(instrument.underlying));
        uint256 band = (instrument.spot * REDUCE_BAND_BPS) / 10_000;
        int256 off = int256(uint256(fill.priceTicks)) - instrument.mark;
        require(
            off <= int256(band) && off >= -int256(band), PriceOutsideBand(fill.priceTicks, instrument.mark, band)
        );

        Margin memory m = MarginEngine.standing(ledger, leg.account, leg.word, certificates, ORACLE, FEED);
        if (m.flags & UNCERTAIN == 0 && m.equity >= int256(m.initial)) return true;
        _requireHelps(leg, fill);
    }

    /// @dev MM does not rise and `E1 M0 >= E0 M1`, under current and baseline. All without a certificate: one that shows a book could raise
    /// M0 alone. The book is put back for a moment, so that a reduction that meets the initial requirement never pays for this.
    function _requireHelps(Leg memory leg, Fill calldata fill) private {
        Certificate[] memory none;
        (bytes32 account, uint256 word) = (leg.account, leg.word);
        uint256 key = Book.keyOf(fill.slot, fill.generation);
        Margin memory m1 = _assess(account, word, none, false);
        Margin memory b1 = _assess(account, word, none, true);
        (uint256 oldWord,,) = Book.addLots(ledger, account, word, fill.page, key, -leg.lots);
        oldWord = oldWord.withCash(leg.oldWord.cash());
        Margin memory m0 = _assess(account, oldWord, none, false);
        Margin memory b0 = _assess(account, oldWord, none, true);
        (oldWord,,) = Book.addLots(ledger, account, oldWord, fill.page, key, leg.lots);
        leg.word = oldWord.withCash(word.cash());
        require(_helps(m0, m1), ReduceRaisesRisk(account, m1.equity, m1.maintenance));
        require(!_counts(b0) || _helps(b0, b1), ReduceRaisesRisk(account, b1.equity, b1.maintenance));
    }

    /// @dev M1 <= M0 and E1 M0 >= E0 M1.
    function _helps(Margin memory m0, Margin memory m1) private pure returns (bool) {
        return m1.maintenance <= m0.maintenance
            && m1.equity * int256(m0.maintenance) >= m0.equity * int256(m1.maintenance);
    }

    /// @dev Whether a baseline knows the whole book.
    function _counts(Margin memory old) private pure returns (bool) {
        return old.flags & (MARGIN_MISSING | MARGIN_NO_MANIFEST) == 0;
    }
}
