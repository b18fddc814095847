// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccountWord} from "./libraries/AccountWord.sol";
import {BookProof} from "./libraries/BookProof.sol";
import {Certificates, Hedge} from "./libraries/Certificates.sol";
import {BPS, Exposure, Exposures} from "./libraries/Exposure.sol";
import {Instrument, Instruments, MAX_PRICE_AGE, ONE_X32, RISK_PRICE_AGE} from "./libraries/Instruments.sol";
import {LaneMath} from "./libraries/LaneMath.sol";
import {Ledger} from "./libraries/Ledger.sol";
import {LiveMark, MAX_SPOT_TICKS, SpotState} from "./libraries/LiveMark.sol";
import {PageCopies, PageCopy} from "./libraries/PageCopies.sol";
import {PageLayout} from "./libraries/PageLayout.sol";
import {IMarginOracle} from "./interfaces/IMarginOracle.sol";
import {
    Certificate,
    MARGIN_DRIFTED,
    MARGIN_FROZEN,
    MARGIN_MISSING,
    MARGIN_NONE_PRICED,
    MARGIN_NO_MANIFEST,
    MARGIN_STALE,
    Margin
} from "./interfaces/IMarginVault.sol";
import {IPriceFeed} from "./interfaces/IPriceFeed.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @dev Least initial requirement of an account with a position, settlement token units.
uint256 constant DUST_REQUIREMENT = 1e6;

/// @dev Largest number of positions read from one page: what a book has room for.
uint256 constant MAX_BOOK_POSITIONS = 128;

/// @dev One assessment in progress: what every step reads and adds to.
struct Run {
    Margin margin;
    uint256 manifest; // the oracle's first word
    PageCopy[] pages; // the account's
    Exposure[] exposures;
    uint256 groups; // exposures in use
    uint256[] laneSums;
    uint256 laneWords;
    uint256[] pairs;
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
    /// @dev Warning: a certificate's book is verified against the current manifest's root; under the baseline it is ignored.
    /// @param word Account word; its cash and page list count, its positions are read from the ledger.
    /// @param certificate Lowers the initial requirement; its book may also raise maintenance. Reverts with BadCertificate if malformed.
    /// @param baseline Whether to use the baseline instead of the current manifest.
    function assess(
        Ledger storage ledger,
        bytes32 account,
        uint256 word,
        Certificate memory certificate,
        IMarginOracle oracle,
        IPriceFeed feed,
        bool baseline
    ) external view returns (Margin memory) {
        return _assess(ledger, account, word, certificate, oracle, feed, baseline).margin;
    }

    /// @notice One instrument at the live price. Never reverts.
    function instrument(IMarginOracle oracle, IPriceFeed feed, uint256 page, uint256 slot, uint256 generation)
        external
        view
        returns (Instrument memory)
    {
        return Instruments.load(oracle, feed, page, slot, generation);
    }

    /// @notice What liquidation goes by.
    /// @return equity Under the current manifest.
    /// @return maintenance The smaller of the current requirement and the baseline's raised by its drift, where the baseline counts.
    /// @return liquidatable Whether the account fails both.
    /// @return current Margin under the current manifest, without a certificate.
    function health(Ledger storage ledger, bytes32 account, uint256 word, IMarginOracle oracle, IPriceFeed feed)
        external
        view
        returns (int256 equity, uint256 maintenance, bool liquidatable, Margin memory current)
    {
        Certificate memory none;
        Run memory run = _assess(ledger, account, word, none, oracle, feed, false);
        current = run.margin;
        (equity, maintenance) = (current.equity, current.maintenance);
        if (!_fails(equity, maintenance)) return (equity, maintenance, false, current);
        if (_isBaseline(run.manifest)) return (equity, maintenance, true, current);
        run = _assess(ledger, account, word, none, oracle, feed, true);
        Margin memory old = run.margin;
        if (run.manifest == 0) return (equity, 0, false, current);
        if (old.flags & MARGIN_MISSING != 0) return (equity, maintenance, true, current);
        uint256 raised = _raised(old.maintenance, old.driftX32);
        if (raised < maintenance) maintenance = raised;
        liquidatable = _fails(equity, maintenance) && _fails(old.equity, raised);
    }

    /* STEPS */

    function _assess(
        Ledger storage ledger,
        bytes32 account,
        uint256 word,
        Certificate memory certificate,
        IMarginOracle oracle,
        IPriceFeed feed,
        bool baseline
    ) private view returns (Run memory run) {
        run.margin.equity = word.cash();
        bool hedged = certificate.atoms.length + (baseline ? 0 : certificate.book.length) != 0;
        _openPages(run, word.pages(), hedged, oracle, baseline);
        if (run.manifest == 0) run.margin.flags = MARGIN_NO_MANIFEST;
        if (run.manifest == 0 || !word.hasPositions()) return run;
        _group(run);
        _price(run, feed);
        for (uint256 i; i < run.pages.length; ++i) {
            PageCopy memory page = run.pages[i];
            if (page.head != 0) _walk(run, page, ledger.books[account][page.id]);
        }
        _require(run, ledger);
        if (hedged) _hedge(run, certificate, oracle, baseline);
        _finish(run);
    }

    /// @dev Reads the oracle and copies the account's pages.
    function _openPages(Run memory run, uint256 list, bool withTables, IMarginOracle oracle, bool baseline) private view {
        unchecked {
            uint256 packed;
            uint256 count;
            for (uint256 rest = list; rest != 0; rest >>= 16) packed |= (rest & 0xff) << (8 * count++);
            uint256[] memory words = oracle.load(packed, count, baseline);
            run.manifest = words[0];
            run.margin.manifestAsOf = uint40(run.manifest);
            if (run.manifest == 0) return;
            run.pages = new PageCopy[](count);
            for (uint256 i; i < count; ++i) {
                uint256 positions = Math.min((list >> (16 * i + 8)) & 0xff, MAX_BOOK_POSITIONS);
                run.pages[i] = PageCopies.open((packed >> (8 * i)) & 0xff, positions, words[i + 1], withTables);
            }
        }
    }

    /// @dev Finds the underlyings of the account's pages, each once, and makes room for sums.
    function _group(Run memory run) private pure {
        unchecked {
            run.exposures = new Exposure[](run.pages.length);
            uint256 most;
            for (uint256 i; i < run.pages.length; ++i) {
                PageCopy memory page = run.pages[i];
                if (page.head == 0) {
                    run.margin.flags |= MARGIN_MISSING;
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
            run.laneSums = LaneMath.newSums(run.laneWords);
            run.pairs = LaneMath.newPairs(most);
        }
    }

    /// @dev Reads the feed once for all underlyings.
    function _price(Run memory run, IPriceFeed feed) private view {
        unchecked {
            uint256 packed;
            for (uint256 i; i < run.groups; ++i) packed |= run.exposures[i].underlying << (8 * i);
            if (run.groups == 0) {
                run.margin.flags |= MARGIN_NONE_PRICED;
                return;
            }
            uint256[] memory prices = feed.load(packed, run.groups);
            Margin memory margin = run.margin;
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
    function _walk(Run memory run, PageCopy memory page, uint256[32] storage book) private view {
        unchecked {
            Exposure memory u = run.exposures[page.group];
            uint256 head0 = page.headWord(0);
            SpotState memory s = LiveMark.stateAt(head0, page.headWord(2), u.spot, block.timestamp);
            uint256 word;
            uint256 pairs;
            uint256 driftShift;
            for (uint256 i; i < page.count; ++i) {
                word = i & 3 == 0 ? book[i >> 2] : word << 64;
                uint256 record = page.recordOf(word);
                if (record == 0) {
                    run.margin.flags |= MARGIN_MISSING;
                    continue;
                }
                int256 lots = int256(word) >> 214;
                uint256 slot = (word >> 192) & 0xff;
                if (page.table != 0) PageCopies.increase(page.table + 32 * slot, lots);
                LaneMath.setPair(run.pairs, pairs++, u.add(s, record, lots), slot);
                if (PageLayout.driftShift(record) > driftShift) driftShift = PageLayout.driftShift(record);
            }
            if (pairs == 0 || !u.priced) return;
            run.margin.driftX32 = Math.max(run.margin.driftX32, Exposures.driftX32(s, head0, driftShift));
            if (PageLayout.laneWords(head0) != run.laneWords) return;
            LaneMath.accumulate(run.laneSums, run.pairs, pairs, page.code, page.rows, run.laneWords);
        }
    }

    /// @dev Adds up the underlyings: value, U by legs, floors and liquidity; and L by lanes. All but the equity in ticks.
    function _require(Run memory run, Ledger storage ledger) private view {
        unchecked {
            if (run.groups == 0) return;
            uint256 head3 = PageCopies.load(run.head + 96);
            int256 value;
            int256 scaledLots;
            uint256 absoluteLots;
            for (uint256 i; i < run.groups; ++i) {
                Exposure memory u = run.exposures[i];
                (uint256 net, uint256 gross) = u.notionals();
                (uint256 initial, uint256 maintenance) = Exposures.floors(net, gross, head3);
                value += u.value;
                run.upper += u.legs;
                run.initialFloor += initial;
                if (u.priced) {
                    scaledLots += u.scaledLots;
                    absoluteLots += u.absoluteLots;
                    run.maintenanceFloor += maintenance;
                    run.liquidity += u.liquidity(net, ledger.openInterest[u.underlying]);
                } else {
                    value -= 2 * int256(u.legs);
                }
            }
            run.tick = PageLayout.tick(PageCopies.load(run.head));
            run.margin.equity += value * int256(run.tick);
            int256 worst = LaneMath.least(run.laneSums, scaledLots) + int256((absoluteLots + 1) / 2);
            if (worst < 0) run.lower = uint256(-worst);
        }
    }

    /// @dev Lowers U by the certificate, and raises L by ES(b) - 1 - U(b - w) if a book b is shown (ES(b) rounded up) and all has a price.
    function _hedge(Run memory run, Certificate memory certificate, IMarginOracle oracle, bool baseline) private view {
        unchecked {
            if (run.groups == 0) return;
            Hedge memory hedge = Hedge(run.pages, oracle);
            if (!baseline && certificate.book.length != 0) {
                run.shown = BookProof.check(certificate, oracle);
                run.upper = Certificates.takeBook(hedge, certificate.book, run.upper);
                if (run.margin.flags & MARGIN_STALE == 0) {
                    run.proven = Math.saturatingSub(run.shown, Certificates.oppositeCharge(hedge.pages) * run.tick + 1);
                }
            }
            run.upper = Certificates.takeAtoms(hedge, certificate.atoms, run.upper);
        }
    }

    /// @dev Turns bounds and floors into requirements, settlement token units.
    function _finish(Run memory run) private pure {
        unchecked {
            Margin memory margin = run.margin;
            margin.initial = DUST_REQUIREMENT;
            if (run.groups == 0) return;
            if (margin.driftX32 > ONE_X32) margin.flags |= MARGIN_DRIFTED;
            uint256 factorBps = PageCopies.load(run.head + 96) & 0xffff;
            uint256 lower = Math.max(run.lower * run.tick, run.proven);
            margin.maintenance = Math.max(factorBps * lower / BPS, run.maintenanceFloor * run.tick);
            uint256 upper = Math.max(run.upper * run.tick + run.shown, run.initialFloor * run.tick);
            uint256 initial = upper + run.liquidity * run.tick;
            margin.initial = Math.max(Math.max(initial, margin.maintenance), DUST_REQUIREMENT);
        }
    }

    /* SMALL QUESTIONS */

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
