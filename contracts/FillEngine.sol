// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccountWord, MAX_TRADED_POSITIONS} from "./libraries/AccountWord.sol";
import {Assessments} from "./libraries/Assessment.sol";
import {Book} from "./libraries/Book.sol";
import {CertificateList} from "./libraries/CertificateList.sol";
import {Instrument, Instruments} from "./libraries/Instruments.sol";
import {Ledger} from "./libraries/Ledger.sol";
import {KIND_SPOT} from "./libraries/PageLayout.sol";
import {Run, Runs} from "./libraries/Run.sol";
import {Shelf, Shelves} from "./libraries/Shelf.sol";
import {MAX_MANIFEST_AGE} from "./vault/VaultAccounts.sol";
import {PERMISSION_VENUE} from "./vault/VaultStorage.sol";
import {IMarginOracle} from "./interfaces/IMarginOracle.sol";
import {IMarginVault, Certificate, Fill, Margin} from "./interfaces/IMarginVault.sol";
import {
    MARGIN_DRIFTED,
    MARGIN_FROZEN,
    MARGIN_MISSING,
    MARGIN_NOT_FRESH,
    MARGIN_NO_MANIFEST,
    MARGIN_STALE
} from "./interfaces/IMarginVault.sol";
import {IVaultPriceFeed} from "./interfaces/IPriceFeed.sol";

/// @dev How far from the mark a reduction may be priced, basis points of spot: less than half the smallest floor.
uint256 constant REDUCE_BAND_BPS = 40;

/// @dev Prices or records are not complete enough for risk to be judged by them.
uint256 constant UNCERTAIN = MARGIN_STALE | MARGIN_NOT_FRESH | MARGIN_MISSING | MARGIN_NO_MANIFEST;

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

/// @title What a fill does to its two accounts, and whether it may
/// @notice Section 4 of the specification. All of a fill is one call, so that what both accounts are judged by is read once.
/// @dev Assumptions:
/// 1. The caller is the vault, which has checked venue and state, and is the only one to write the ledger meanwhile.
/// 2. Neither oracle nor feed calls back with effect: they are read statically.
library FillEngine {
    using AccountWord for uint256;
    using Assessments for Run;
    using Runs for Run;
    using CertificateList for Certificate[];
    using Shelves for Shelf;

    /// @notice Moves lots and cash of both accounts and judges both.
    /// @param permissions As VaultStorage keeps them.
    /// @return opened By how many more accounts hold positions, or fewer.
    function settle(
        Ledger storage ledger,
        mapping(bytes32 => mapping(address => uint256)) storage permissions,
        Fill calldata fill,
        Certificate[] calldata takerCertificates,
        Certificate[] calldata makerCertificates,
        IMarginOracle oracle,
        IVaultPriceFeed feed
    ) external returns (int256 opened) {
        (Leg memory taker, Leg memory maker) = (_leg(ledger, fill.taker, fill.lots), _leg(ledger, fill.maker, -int256(fill.lots)));
        Shelf memory shelf = Shelves.fresh(oracle, feed)[0];
        shelf.add(fill.page);
        shelf.addAll(taker.oldWord.pages());
        shelf.addAll(maker.oldWord.pages());
        Instrument memory instrument = Instruments.find(shelf, fill.page, fill.slot, fill.generation);
        require(
            instrument.flags & (MARGIN_MISSING | MARGIN_NO_MANIFEST) == 0,
            IMarginVault.UnknownInstrument(fill.page, fill.slot, fill.generation)
        );
        require(!instrument.expired, IMarginVault.InstrumentExpired(fill.page, fill.slot));

        uint256 interest = ledger.openInterest[instrument.underlying];
        _apply(ledger, permissions, taker, fill, fill.takerFee, instrument);
        _apply(ledger, permissions, maker, fill, fill.makerFee, instrument);
        uint256 grown = ledger.openInterest[instrument.underlying];
        require(
            grown <= interest || grown <= instrument.openInterestCapLots,
            IMarginVault.OpenInterestCap(instrument.underlying, grown, instrument.openInterestCapLots)
        );
        _check(ledger, taker, fill, instrument, takerCertificates, shelf);
        _check(ledger, maker, fill, instrument, makerCertificates, shelf);
        opened = _opened(taker) + _opened(maker);
    }

    /// @dev What an account must meet to add risk: its margin under the current manifest, or under the baseline if that is complete and fresh and only
    /// the baseline falls short. What only a young manifest credits could be handed to an account without positions, which withdraws at once.
    /// A baseline that is not there or lacks a key does not count. Its lanes are left out: they bind maintenance, and IM by them is current.
    /// @param shelf With the account's pages.
    function standing(Ledger storage ledger, bytes32 account, uint256 word, Certificate[] memory certificates, Shelf memory shelf)
        internal
        view
        returns (Margin memory current)
    {
        Run memory run = Runs.fresh()[0];
        (run.lanes, run.initial) = (true, true);
        // A manifest that is the baseline itself requires no more than once.
        run.joint = (shelf.manifest(false) >> 120) & 1 == 0;
        if (run.joint) run.tables = certificates.isHedge(true);
        run.assess(shelf, ledger, account, word, certificates, false);
        current = run.margin;
        if (current.flags & UNCERTAIN != 0 || Assessments.fails(current.equity, current.initial) || !run.joint) return current;
        run = run.again()[0];
        run.initial = true;
        run.assess(shelf, ledger, account, word, certificates, true);
        if (!_binds(run.margin)) return current;
        // What failed was added up without drift: once more, page by page.
        for (uint256 i; i < run.pages.length; ++i) run.pages[i].twin = 0;
        run = run.again()[0];
        run.initial = true;
        run.assess(shelf, ledger, account, word, certificates, true);
        return run.margin;
    }

    /* INTERNALS */

    /// @dev Whether a baseline knows the whole book and is failed.
    function _binds(Margin memory old) private pure returns (bool) {
        return _counts(old) && Assessments.fails(old.equity, old.initial);
    }

    function _leg(Ledger storage ledger, bytes32 account, int256 lots) private view returns (Leg memory leg) {
        (leg.account, leg.lots, leg.oldWord) = (account, lots, ledger.accounts[account]);
    }

    /// @dev Whether the account holds positions for the first time, or for the last.
    function _opened(Leg memory leg) private pure returns (int256) {
        if (leg.oldWord.isOpen() == leg.word.isOpen()) return 0;
        return leg.word.isOpen() ? int256(1) : -1;
    }

    /// @dev Moves one account: cash by `-q (price - F) tick - fee`, the position by q.
    function _apply(
        Ledger storage ledger,
        mapping(bytes32 => mapping(address => uint256)) storage permissions,
        Leg memory leg,
        Fill calldata fill,
        uint256 fee,
        Instrument memory instrument
    ) private {
        bytes32 account = leg.account;
        require(permissions[account][msg.sender] & PERMISSION_VENUE != 0, IMarginVault.VenueNotApproved(account, msg.sender));
        require(!leg.oldWord.inAuction(), IMarginVault.InAuction(account));
        uint256 word;
        uint256 key = Book.keyOf(fill.slot, fill.generation);
        (word, leg.oldLots, leg.newLots) = Book.addLots(ledger, account, leg.oldWord, fill.page, key, leg.lots);
        int256 price = (int256(uint256(fill.priceTicks)) - instrument.funding) * int256(instrument.tick);
        leg.word = word.withCash(word.cash() - leg.lots * price - int256(fee));
        if (instrument.kind != KIND_SPOT) Book.tally(ledger, instrument.underlying, leg.oldLots, leg.newLots);
    }

    /// @dev Judges one account and stores its word.
    function _check(
        Ledger storage ledger,
        Leg memory leg,
        Fill calldata fill,
        Instrument memory instrument,
        Certificate[] memory certificates,
        Shelf memory shelf
    ) private {
        // Neither grows nor crosses zero.
        bool reduces = leg.oldLots > 0
            ? leg.newLots >= 0 && leg.newLots < leg.oldLots
            : leg.newLots <= 0 && leg.newLots > leg.oldLots;
        require(reduces || !instrument.settling, IMarginVault.InstrumentSettling(fill.page, fill.slot));
        if (reduces) _requirePriced(fill, instrument);
        else _requireAddable(leg, instrument);
        Margin memory m = standing(ledger, leg.account, leg.word, certificates, shelf);
        bool meets = m.flags & UNCERTAIN == 0 && m.equity >= int256(m.initial);
        if (!reduces) {
            require(m.flags & UNCERTAIN == 0, IMarginVault.PriceNotFresh(leg.account));
            require(m.equity >= int256(m.initial), IMarginVault.InitialMargin(leg.account, m.equity, m.initial));
            _requireQuote(leg.account, m.quote);
        } else if (!meets) {
            _requireHelps(ledger, leg, fill, shelf);
        }
        ledger.accounts[leg.account] = leg.word = meets ? leg.word.withLastCheckBlock(block.number) : leg.word;
    }

    /// @dev What adding risk needs before margin is looked at.
    function _requireAddable(Leg memory leg, Instrument memory instrument) private view {
        require(block.timestamp <= instrument.manifestAsOf + MAX_MANIFEST_AGE, IMarginVault.ManifestOld(instrument.manifestAsOf));
        require(instrument.flags & MARGIN_FROZEN == 0, IMarginVault.UnderlyingFrozen(instrument.underlying));
        require(instrument.flags & MARGIN_DRIFTED == 0, IMarginVault.UnderlyingDrifted(instrument.underlying));
        bool inRange = Book.inRange(leg.newLots, instrument.shift);
        if (instrument.kind == KIND_SPOT && leg.newLots < 0) inRange = false;
        require(inRange, IMarginVault.LotsOutOfRange(leg.newLots, instrument.shift));
        require(
            leg.word.positions() <= MAX_TRADED_POSITIONS, IMarginVault.TooManyPositions(leg.account, MAX_TRADED_POSITIONS)
        );
    }

    /// @dev A reduction is priced within a band of the mark.
    function _requirePriced(Fill calldata fill, Instrument memory instrument) private pure {
        require(instrument.flags & MARGIN_STALE == 0, IMarginVault.PriceStale(instrument.underlying));
        uint256 band = (instrument.spot * REDUCE_BAND_BPS) / 10_000;
        int256 off = int256(uint256(fill.priceTicks)) - instrument.mark;
        require(
            off <= int256(band) && off >= -int256(band), IMarginVault.PriceOutsideBand(fill.priceTicks, instrument.mark, band)
        );
    }

    /// @dev Collateral may stand in for no more of the settlement token than the debt cap, which only a negative quote needs to be asked for.
    function _requireQuote(bytes32 account, int256 quote) private view {
        if (quote >= 0) return;
        uint256 debtCap = IMarginVault(address(this)).collateralDesk().debtCap();
        require(quote >= -int256(debtCap), IMarginVault.QuoteDebt(account, quote));
    }

    /// @dev MM does not rise and `E1 M0 >= E0 M1`, under current and baseline. All without a certificate: one that shows a book could raise
    /// M0 alone. The book is put back for a moment, so that a reduction that meets the initial requirement never pays for this.
    function _requireHelps(Ledger storage ledger, Leg memory leg, Fill calldata fill, Shelf memory shelf) private {
        (bytes32 account, uint256 word) = (leg.account, leg.word);
        uint256 key = Book.keyOf(fill.slot, fill.generation);
        Margin memory m1 = _plain(ledger, account, word, shelf, false);
        Margin memory b1 = _plain(ledger, account, word, shelf, true);
        (uint256 oldWord,,) = Book.addLots(ledger, account, word, fill.page, key, -leg.lots);
        oldWord = oldWord.withCash(leg.oldWord.cash());
        Margin memory m0 = _plain(ledger, account, oldWord, shelf, false);
        Margin memory b0 = _plain(ledger, account, oldWord, shelf, true);
        (oldWord,,) = Book.addLots(ledger, account, oldWord, fill.page, key, leg.lots);
        leg.word = oldWord.withCash(word.cash());
        require(_helps(m0, m1), IMarginVault.ReduceRaisesRisk(account, m1.equity, m1.maintenance));
        require(!_counts(b0) || _helps(b0, b1), IMarginVault.ReduceRaisesRisk(account, b1.equity, b1.maintenance));
    }

    /// @dev Margin without a certificate.
    function _plain(Ledger storage ledger, bytes32 account, uint256 word, Shelf memory shelf, bool baseline)
        private
        view
        returns (Margin memory)
    {
        Certificate[] memory none;
        Run memory run = Runs.fresh()[0];
        (run.lanes, run.initial) = (true, true);
        run.assess(shelf, ledger, account, word, none, baseline);
        return run.margin;
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
