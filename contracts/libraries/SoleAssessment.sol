// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {AccountWord} from "./AccountWord.sol";
import {Assessments} from "./Assessment.sol";
import {BaselineWalk} from "./BaselineWalk.sol";
import {BookWalk} from "./BookWalk.sol";
import {CertificateList} from "./CertificateList.sol";
import {Exposure, Exposures} from "./Exposure.sol";
import {Holdings} from "./Holding.sol";
import {LaneMath} from "./LaneMath.sol";
import {LanePairs} from "./LanePairs.sol";
import {Ledger} from "./Ledger.sol";
import {LiveMark, SpotState} from "./LiveMark.sol";
import {NarrowLanes} from "./NarrowLanes.sol";
import {PageCopies, PageCopy} from "./PageCopies.sol";
import {PAGE_HEAD_BYTES, PageLayout} from "./PageLayout.sol";
import {UnitProducts} from "./UnitProducts.sol";
import {UnitWalk} from "./UnitWalk.sol";
import {Requirements} from "./Requirement.sol";
import {Run} from "./Run.sol";
import {Shelf, Shelves} from "./Shelf.sol";
import {Walk, Walks} from "./Walk.sol";
import {
    Certificate,
    MARGIN_FROZEN,
    MARGIN_MISSING,
    MARGIN_NONE_PRICED,
    MARGIN_NOT_FRESH,
    MARGIN_NO_MANIFEST,
    Margin
} from "../interfaces/IMarginVault.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @notice Under what a run is assessed. In memory, as the compiler copies a function that it sees called with literals.
/// @param baseline Which manifest.
/// @param units For each page on the shelf, zero or where units of positions in the same order and of the same signs stand, under the current manifest; those
/// of its pages that are walked are left there if all their positions are plain. No list: neither.
struct Basis {
    bool baseline;
    uint256[] units;
}

/// @title One account under one manifest at a time
/// @notice `Assessments.assess` without twins: contracts that never walk two manifests at once have no room for the code that does.
library SoleAssessments {
    using AccountWord for uint256;
    using Holdings for Run;
    using LiveMark for SpotState;
    using PageCopies for PageCopy;
    using Shelves for Shelf;

    /// @dev As `Assessments.assess`, for a run that is not joint.
    function assessAlone(
        Run memory run,
        Shelf memory shelf,
        Ledger storage ledger,
        bytes32 account,
        uint256 word,
        Certificate[] memory certificates,
        Basis memory basis
    ) internal view {
        bool baseline = basis.baseline;
        (run.margin.equity, run.margin.quote) = (word.cash(), word.cash());
        bool hedged = CertificateList.isHedge(certificates, baseline);
        run.margin.manifestAsOf = uint40(run.manifest = shelf.manifest(baseline));
        if (run.manifest == 0) run.margin.flags = MARGIN_NO_MANIFEST;
        if (run.manifest == 0 || !word.hasPositions()) return;
        if (run.pages.length == 0) run.read(ledger, account, word.pages(), shelf);
        run.exposures = Exposures.newList(run.pages.length);
        for (uint256 i; i < run.pages.length; ++i) {
            PageCopy memory page = run.pages[i];
            shelf.turn(page, hedged, baseline);
            _walk(run, shelf, page, baseline, basis.units);
        }
        if (!run.anyPriced) run.margin.flags |= MARGIN_NONE_PRICED;
        Requirements.add(run, ledger);
        if (hedged) Requirements.hedge(run, CertificateList.under(certificates, baseline), shelf, baseline);
        Requirements.finish(run);
    }

    /// @dev Adds the positions of one page to its underlying's sums and to the lanes.
    function _walk(Run memory run, Shelf memory shelf, PageCopy memory page, bool baseline, uint256[] memory units) private view {
        unchecked {
            Margin memory margin = run.margin;
            if (page.head == 0) {
                (margin.flags, run.partly) = (margin.flags | MARGIN_MISSING, true);
                return;
            }
            uint256 head0 = page.headWord(0);
            if (PageLayout.frozen(head0)) margin.flags |= MARGIN_FROZEN;
            if (run.head == 0) {
                (run.head, run.laneWords) = (page.head, PageLayout.laneWords(head0));
                if (run.lanes) run.laneSums = LaneMath.newSums(run.laneWords);
            }
            Exposure memory u = run.exposures[Assessments.group(run, shelf, page, head0)];
            Walk memory found = Walks.open(run.pairs, shelf.feed)[0];
            uint256 absolute = u.absoluteLots;
            uint256 known = units.length == 0 ? 0 : PageCopies.wordAt(units, page.place);
            if (known != 0 && !baseline) UnitProducts.add(page, u, found, known);
            else _walkRecords(run, shelf, page, u, found, baseline, units);
            known = (found.end - LanePairs.pairAt(run.pairs, 0)) >> 6;
            if (known == 0 || !u.priced || !run.lanes || PageLayout.laneWords(head0) != run.laneWords) return;
            NarrowLanes.accumulate(run.laneSums, run.pairs, known, page, run.laneWords, u.absoluteLots - absolute);
        }
    }

    /// @dev Adds the positions of a page, unlike known ones, with what their records say besides sums.
    function _walkRecords(Run memory run, Shelf memory shelf, PageCopy memory page, Exposure memory u, Walk memory found, bool baseline, uint256[] memory units)
        private view
    {
        unchecked {
            SpotState memory s = found.state;
            uint256 head0 = page.headWord(0);
            s.set(head0, page.headWord(2), u.spot, block.timestamp);
            uint256 records = baseline && units.length != 0 ? _walked(shelf, page, u, units) : 0;
            if (records == 0 || !BaselineWalk.walk(page, u, s, found, PageCopies.wordAt(units, page.place), records)) {
                bool plain = BookWalk.walkAlone(page, u, s, found);
                if (plain && !baseline && units.length != 0) units[page.place] = UnitWalk.keep(page.count);
            }
            Margin memory margin = run.margin;
            if (found.missing) margin.flags |= MARGIN_MISSING;
            // Keepers post no risk for what has expired, and yet its value moves until its average is final.
            if (s.waiting) margin.flags |= MARGIN_NOT_FRESH;
            if (found.partly) run.partly = true;
            run.loose += found.loose;
            if (found.end == LanePairs.pairAt(run.pairs, 0) || !u.priced) return;
            margin.driftX32 = Math.max(margin.driftX32, Exposures.driftX32(s, head0, Exposures.largestShift(found.drifts)));
        }
    }

    /// @dev Memory address of the first record of the current page that a page of the baseline stands for; zero if it must be walked by itself.
    function _walked(Shelf memory shelf, PageCopy memory page, Exposure memory u, uint256[] memory units) private view returns (uint256) {
        unchecked {
            if (page.table != 0 || !u.priced || PageCopies.wordAt(units, page.place) == 0) return 0;
            (, uint256 head) = shelf.copy(page.place, false);
            uint256 head0 = PageCopies.load(head);
            if (PageLayout.rows(head0) != page.rows || PageLayout.underlying(head0) != u.underlying) return 0;
            return head + PAGE_HEAD_BYTES;
        }
    }
}
