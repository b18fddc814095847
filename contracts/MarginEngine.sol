// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccountWord} from "./libraries/AccountWord.sol";
import {BookHedge} from "./libraries/BookHedge.sol";
import {BookProof} from "./libraries/BookProof.sol";
import {Certificates, Hedge} from "./libraries/Certificates.sol";
import {CertificateList} from "./libraries/CertificateList.sol";
import {BookWalk} from "./libraries/BookWalk.sol";
import {BPS, Exposure, Exposures} from "./libraries/Exposure.sol";
import {Instrument, Instruments, MAX_PRICE_AGE, ONE_X32, RISK_PRICE_AGE} from "./libraries/Instruments.sol";
import {LaneMath} from "./libraries/LaneMath.sol";
import {Ledger} from "./libraries/Ledger.sol";
import {LiveMark, MAX_SPOT_TICKS, SpotState} from "./libraries/LiveMark.sol";
import {PackedLoad} from "./libraries/PackedLoad.sol";
import {PageCopies, PageCopy} from "./libraries/PageCopies.sol";
import {PageLayout} from "./libraries/PageLayout.sol";
import {Walk} from "./libraries/PlainWalk.sol";
import {IMarginOracle} from "./interfaces/IMarginOracle.sol";
import {
    Certificate,
    MARGIN_DRIFTED,
    MARGIN_FROZEN,
    MARGIN_MISSING,
    MARGIN_NONE_PRICED,
    MARGIN_NOT_FRESH,
    MARGIN_NO_MANIFEST,
    MARGIN_STALE,
    Margin
} from "./interfaces/IMarginVault.sol";
import {IVaultPriceFeed} from "./interfaces/IPriceFeed.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @dev Least initial requirement of an account with a position, settlement token units.
uint256 constant DUST_REQUIREMENT = 1e6;

/// @dev Largest number of positions read from one page: what a book has room for.
uint256 constant MAX_BOOK_POSITIONS = 128;

/// @dev Prices or records are not complete enough for risk to be judged by them.
uint256 constant UNCERTAIN = MARGIN_STALE | MARGIN_NOT_FRESH | MARGIN_MISSING | MARGIN_NO_MANIFEST;

/// @dev One assessment in progress: what every step reads and adds to.
struct Run {
    Margin margin;
    uint256 manifest; // the oracle's first word
    PageCopy[] pages; // the account's
    uint256 underlyings; // of the prices, packed as the feed packs them
    uint256[] prices; // as the feed packs them; none if it was not asked yet
    Exposure[] exposures;
    uint256 groups; // exposures in use
    bool lanes; // whether they count
    bool initial; // whether the initial requirement is asked for
    uint256[] laneSums;
    uint256 laneWords;
    uint256[] pairs;
    uint256 book; // memory address of its leaf's preimage
    uint256 bookWords; // how long that is
    bool partly; // whether positions are missing or settled, or parts of them are
    uint256 loose; // charge of the parts of lots in no table, held the other way round, ticks
    uint256 head; // memory address of the head of the first page; zero if there is none
    uint256 tick; // settlement token units
    uint256 upper; // U but for the book shown, ticks
    uint256 lower; // L by lanes, ticks
    uint256 shown; // tail risk of the book shown, settlement token units
    uint256 proven; // L by the book shown, settlement token units
    uint256 initialFloor; // ticks
    uint256 maintenanceFloor; // ticks
    uint256 liquidity; // ticks
}

/// @title What an account must hold
/// @notice Section 3 of the specification. Nothing here reverts because of a book, a page or a price; only because of a certificate.
/// @dev Assumptions about others:
/// 1. `IMarginOracle.load` and `IPriceFeed.load` return as many words as asked for and do not revert.
/// 2. All pages of a manifest have the same tick, factors and number of lanes; lanes of a page that has another number than the first are not read.
/// 3. The vault keeps `|q| << shift < 2^39` and at most 128 positions, without which lanes are not exact.
library MarginEngine {
    using AccountWord for uint256;
    using Exposures for Exposure;
    using LiveMark for SpotState;
    using PageCopies for PageCopy;

    /* EXTERNAL VIEWS */

    /// @notice Margin of an account whose word may not be stored yet.
    /// @param word Account word; its cash and page list count, its positions are read from the ledger.
    /// @param certificates Lower the initial requirement; a book shown may also raise maintenance. Reverts with BadCertificate if malformed.
    /// @param baseline Whether to use the baseline instead of the current manifest.
    function assess(
        Ledger storage ledger,
        bytes32 account,
        uint256 word,
        Certificate[] memory certificates,
        IMarginOracle oracle,
        IVaultPriceFeed feed,
        bool baseline
    ) external view returns (Margin memory) {
        Run memory run;
        _assess(run, ledger, account, word, certificates, oracle, feed, baseline, true, true);
        return run.margin;
    }

    /// @notice What an account must meet to add risk: its margin under the current manifest, or under the baseline if that is complete and fresh and only
    /// the baseline falls short. What only a young manifest credits could be handed to an account without positions, which withdraws at once.
    /// @dev A baseline that is not there or lacks a key does not count. Its lanes are left out: they bind maintenance, and IM by them is current.
    function standing(
        Ledger storage ledger,
        bytes32 account,
        uint256 word,
        Certificate[] memory certificates,
        IMarginOracle oracle,
        IVaultPriceFeed feed
    ) external view returns (Margin memory current) {
        Run memory run;
        _assess(run, ledger, account, word, certificates, oracle, feed, false, true, true);
        current = run.margin;
        if (current.flags & UNCERTAIN != 0 || _fails(current.equity, current.initial)) return current;
        // The same manifest requires no more.
        if (_isBaseline(run.manifest)) return current;
        run = _again(run);
        _assess(run, ledger, account, word, certificates, oracle, feed, true, false, true);
        Margin memory old = run.margin;
        if (old.flags & (MARGIN_MISSING | MARGIN_NO_MANIFEST) == 0 && _fails(old.equity, old.initial)) return old;
    }

    /// @notice One instrument at the live price. Never reverts.
    function instrument(IMarginOracle oracle, IVaultPriceFeed feed, uint256 page, uint256 slot, uint256 generation)
        external
        view
        returns (Instrument memory)
    {
        return Instruments.load(oracle, feed, page, slot, generation);
    }

    /// @notice What liquidation goes by.
    /// @param certificates A book shown under a manifest may raise what that requires, to the factor's share of the true tail risk at most.
    /// @return equity Under the current manifest.
    /// @return maintenance The smaller of the current requirement and the baseline's raised by its drift, where the baseline counts.
    /// @return liquidatable Whether the account fails both.
    /// @return current Margin under the current manifest, but for the initial requirement, which is not worked out and zero.
    function health(
        Ledger storage ledger,
        bytes32 account,
        uint256 word,
        Certificate[] memory certificates,
        IMarginOracle oracle,
        IVaultPriceFeed feed
    ) external view returns (int256 equity, uint256 maintenance, bool liquidatable, Margin memory current) {
        Run memory run;
        _assess(run, ledger, account, word, certificates, oracle, feed, false, true, false);
        current = run.margin;
        (equity, maintenance) = (current.equity, current.maintenance);
        if (!_fails(equity, maintenance)) return (equity, maintenance, false, current);
        if (_isBaseline(run.manifest)) return (equity, maintenance, true, current);
        run = _again(run);
        _assess(run, ledger, account, word, certificates, oracle, feed, true, true, false);
        Margin memory old = run.margin;
        if (run.manifest == 0) return (equity, 0, false, current);
        if (old.flags & MARGIN_MISSING != 0) return (equity, maintenance, true, current);
        uint256 raised = _raised(old.maintenance, old.driftX32);
        if (raised < maintenance) maintenance = raised;
        liquidatable = _fails(equity, maintenance) && _fails(old.equity, raised);
    }

    /* STEPS */

    /// @dev Of a run over the same account: what does not depend on the manifest.
    function _again(Run memory run) private pure returns (Run memory next) {
        (next.pages, next.pairs, next.book, next.bookWords) = (run.pages, run.pairs, run.book, run.bookWords);
        (next.underlyings, next.prices) = (run.underlyings, run.prices);
    }

    function _assess(
        Run memory run,
        Ledger storage ledger,
        bytes32 account,
        uint256 word,
        Certificate[] memory certificates,
        IMarginOracle oracle,
        IVaultPriceFeed feed,
        bool baseline,
        bool lanes,
        bool initial
    ) private view {
        (run.lanes, run.initial) = (lanes, initial);
        (run.margin.equity, run.margin.quote) = (word.cash(), word.cash());
        Certificate memory certificate = CertificateList.under(certificates, baseline);
        bool shows = BookProof.isShown(certificate);
        bool hedged = shows || certificate.atoms.length != 0;
        bool known = run.pages.length != 0;
        _openPages(run, word.pages(), hedged, oracle, baseline);
        if (run.manifest == 0) run.margin.flags = MARGIN_NO_MANIFEST;
        if (run.manifest == 0 || !word.hasPositions()) return;
        _group(run);
        _price(run, feed);
        for (uint256 i; i < run.pages.length; ++i) {
            PageCopy memory page = run.pages[i];
            if (!known) BookWalk.read(ledger.books[account][page.id], page.count, page.words);
            if (page.head != 0) _walk(run, page, feed);
        }
        _require(run, ledger);
        if (hedged) _hedge(run, certificate, shows, Hedge(run.pages, oracle, baseline));
        _finish(run);
    }

    /// @dev Reads the oracle and copies the account's pages.
    function _openPages(Run memory run, uint256 list, bool withTables, IMarginOracle oracle, bool baseline) private view {
        unchecked {
            uint256 packed;
            uint256 count;
            for (uint256 rest = list; rest != 0; rest >>= 16) packed |= (rest & 0xff) << (8 * count++);
            uint256[] memory words = PackedLoad.pages(oracle, packed, count, baseline);
            (run.manifest, run.margin.manifestAsOf) = (words[0], uint40(words[0]));
            if (run.manifest == 0) return;
            for (uint256 i; i < run.pages.length; ++i) run.pages[i].turn(words[i + 1], withTables);
            if (run.pages.length != 0) return;
            run.pages = PageCopies.newList(count);
            // the preimage of the book's leaf: a word for its tail risk, then for every page its head and its positions as stored
            run.book = PageCopies.allocate(1 + count * (1 + BookWalk.wordsOf(MAX_BOOK_POSITIONS)));
            uint256 at_ = run.book + 32;
            for (uint256 i; i < count; ++i) {
                uint256 positions = Math.min((list >> (16 * i + 8)) & 0xff, MAX_BOOK_POSITIONS);
                PageCopy memory page = run.pages[i];
                (page.id, page.count) = ((packed >> (8 * i)) & 0xff, positions);
                page.turn(words[i + 1], withTables);
                PageCopies.store(at_, (positions << 8) | page.id);
                page.words = at_ + 32;
                at_ = page.words + 32 * BookWalk.wordsOf(positions);
            }
            run.bookWords = (at_ - run.book) >> 5;
        }
    }

    /// @dev Finds the underlyings of the account's pages, each once, and makes room for sums.
    function _group(Run memory run) private pure {
        unchecked {
            run.exposures = Exposures.newList(run.pages.length);
            uint256 most;
            for (uint256 i; i < run.pages.length; ++i) {
                PageCopy memory page = run.pages[i];
                if (page.head == 0) {
                    (run.margin.flags, run.partly) = (run.margin.flags | MARGIN_MISSING, true);
                    continue;
                }
                uint256 head0 = page.headWord(0);
                if (PageLayout.frozen(head0)) run.margin.flags |= MARGIN_FROZEN;
                if (run.head == 0) (run.head, run.laneWords) = (page.head, PageLayout.laneWords(head0));
                uint256 underlying = PageLayout.underlying(head0);
                uint256 group;
                while (group < run.groups && run.exposures[group].underlying != underlying) ++group;
                if (group == run.groups) {
                    Exposure memory u = run.exposures[run.groups++];
                    (u.underlying, u.head, u.spot) = (underlying, page.head, PageLayout.referenceSpot(head0));
                }
                page.group = group;
                if (page.count > most) most = page.count;
            }
            if (run.lanes) run.laneSums = LaneMath.newSums(run.laneWords);
            if (run.pairs.length < 2 * most + 2) run.pairs = LaneMath.newPairs(most);
        }
    }

    /// @dev Reads the feed once for all underlyings.
    function _price(Run memory run, IVaultPriceFeed feed) private view {
        unchecked {
            uint256 packed;
            for (uint256 i; i < run.groups; ++i) packed |= run.exposures[i].underlying << (8 * i);
            if (run.groups == 0) {
                run.margin.flags |= MARGIN_NONE_PRICED;
                return;
            }
            bool known = run.prices.length == run.groups && run.underlyings == packed;
            if (!known) (run.underlyings, run.prices) = (packed, PackedLoad.prices(feed, packed, run.groups));
            (uint256[] memory prices, Margin memory margin) = (run.prices, run.margin);
            margin.oldestPriceAt = type(uint256).max;
            bool anyPriced;
            for (uint256 i; i < run.groups; ++i) {
                Exposure memory u = run.exposures[i];
                uint256 flags = Instruments.priceFlags(prices[i]);
                margin.flags |= flags;
                margin.oldestPriceAt = Math.min(margin.oldestPriceAt, uint64(prices[i]) == 0 ? 0 : uint40(prices[i] >> 64));
                if (uint64(prices[i]) != 0) u.spot = Math.min(uint64(prices[i]), MAX_SPOT_TICKS);
                if (flags & MARGIN_STALE != 0) continue;
                (u.priced, anyPriced) = (true, true);
                margin.freshSince = Math.max(margin.freshSince, uint40(prices[i] >> 104));
            }
            if (!anyPriced) margin.flags |= MARGIN_NONE_PRICED;
        }
    }

    /// @dev Adds the positions of one page.
    function _walk(Run memory run, PageCopy memory page, IVaultPriceFeed feed) private view {
        Exposure memory u = run.exposures[page.group];
        uint256 head0 = page.headWord(0);
        SpotState memory s = LiveMark.stateAt(head0, page.headWord(2), u.spot, block.timestamp);
        Walk memory found = Walk({pairs: run.pairs, end: 0, drifts: 0, missing: false, feed: feed, partly: false, loose: 0});
        BookWalk.walk(page, u, s, found);
        uint256 known = (found.end - LaneMath.pairAt(run.pairs, 0)) >> 6;
        if (found.missing) run.margin.flags |= MARGIN_MISSING;
        // Keepers post no risk for what has expired, and yet its value moves until its average is final.
        if (s.waiting) run.margin.flags |= MARGIN_NOT_FRESH;
        if (found.partly) run.partly = true;
        run.loose += found.loose;
        if (known == 0 || !u.priced) return;
        run.margin.driftX32 = Math.max(run.margin.driftX32, Exposures.driftX32(s, head0, Math.log2(found.drifts) >> 3));
        if (!run.lanes || PageLayout.laneWords(head0) != run.laneWords) return;
        LaneMath.accumulate(run.laneSums, run.pairs, known, page.code, page.rows, run.laneWords);
    }

    /// @dev Adds up the underlyings: value, U by legs, floors and liquidity; and L by lanes. All but the equity in ticks.
    function _require(Run memory run, Ledger storage ledger) private view {
        unchecked {
            if (run.groups == 0) return;
            uint256 head3 = PageCopies.load(run.head + 96);
            int256 value;
            int256 spotValue;
            int256 scaledLots;
            uint256 absoluteLots;
            for (uint256 i; i < run.groups; ++i) {
                Exposure memory u = run.exposures[i];
                (uint256 net, uint256 gross) = u.notionals();
                (uint256 initial, uint256 maintenance) = Exposures.floors(net, gross, head3);
                value += u.value;
                spotValue += u.spotValue;
                run.upper += u.legs;
                run.initialFloor += initial;
                if (u.priced) {
                    scaledLots += u.scaledLots;
                    absoluteLots += u.absoluteLots;
                    run.maintenanceFloor += maintenance;
                    if (run.initial) run.liquidity += u.liquidity(net, ledger.openInterest[u.underlying]);
                } else {
                    value -= 2 * int256(u.legs);
                }
            }
            run.tick = PageLayout.tick(PageCopies.load(run.head));
            run.margin.equity += value * int256(run.tick);
            run.margin.quote = run.margin.equity - spotValue * int256(run.tick);
            if (!run.lanes) return;
            int256 worst = LaneMath.least(run.laneSums, scaledLots) + int256((absoluteLots + 1) / 2);
            if (worst < 0) run.lower = uint256(-worst);
        }
    }

    /// @dev Lowers U by the certificate, and raises L by ES(b) - 1 - U(b - w) if a book b is shown (ES(b) rounded up) and all has a price.
    function _hedge(Run memory run, Certificate memory certificate, bool shows, Hedge memory hedge) private view {
        unchecked {
            if (run.groups == 0) return;
            if (shows) {
                run.shown = BookProof.check(certificate, run.book, run.bookWords, hedge.oracle, hedge.baseline);
                uint256 opposite = run.loose;
                if (certificate.book.length == 0 && !run.partly) {
                    for (uint256 i; i < run.pages.length; ++i) run.pages[i].clear();
                    run.upper = 0;
                } else {
                    if (certificate.book.length != 0) run.upper = BookHedge.takeBook(hedge, certificate.book, run.upper);
                    else run.upper = BookHedge.takeStored(run.pages, run.upper);
                    opposite += BookHedge.oppositeCharge(hedge.pages);
                }
                if (run.margin.flags & MARGIN_STALE == 0) run.proven = Math.saturatingSub(run.shown, opposite * run.tick + 1);
            }
            // Atoms for one manifest may be of no use under the other.
            run.upper = Math.min(run.upper, Certificates.takeAtoms(hedge, certificate.atoms, run.upper));
        }
    }

    /// @dev Turns bounds and floors into requirements, settlement token units.
    function _finish(Run memory run) private pure {
        unchecked {
            Margin memory margin = run.margin;
            if (run.initial) margin.initial = DUST_REQUIREMENT;
            if (run.groups == 0) return;
            if (margin.driftX32 > ONE_X32) margin.flags |= MARGIN_DRIFTED;
            uint256 lower = Math.max(run.lower * run.tick, run.proven);
            margin.maintenance = Math.max((PageCopies.load(run.head + 96) & 0xffff) * lower / BPS, run.maintenanceFloor * run.tick);
            if (!run.initial) return;
            uint256 upper = Math.max(run.upper * run.tick + run.shown, run.initialFloor * run.tick);
            margin.initial = Math.max(Math.max(upper + run.liquidity * run.tick, margin.maintenance), DUST_REQUIREMENT);
        }
    }

    /// @dev Whether equity is below a requirement.
    function _fails(int256 equity, uint256 requirement) private pure returns (bool) {
        return equity < 0 || uint256(equity) < requirement;
    }

    /// @dev Whether the manifest returned is itself at least the grace period old.
    function _isBaseline(uint256 manifest) private pure returns (bool) {
        return (manifest >> 120) & 1 != 0;
    }

    /// @dev ceil(requirement (2^32 + drift) / 2^32), or the largest number if that does not fit.
    function _raised(uint256 requirement, uint256 driftX32) private pure returns (uint256) {
        unchecked {
            (bool fits, uint256 product) = Math.tryMul(requirement, ONE_X32 + driftX32);
            return fits ? Math.ceilDiv(product, ONE_X32) : type(uint256).max;
        }
    }
}
