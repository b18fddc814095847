// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {AccountWord} from "./AccountWord.sol";
import {BookWalk} from "./BookWalk.sol";
import {CertificateList} from "./CertificateList.sol";
import {Exposure, Exposures} from "./Exposure.sol";
import {Instruments} from "./Instruments.sol";
import {LaneMath} from "./LaneMath.sol";
import {LanePairs} from "./LanePairs.sol";
import {Ledger} from "./Ledger.sol";
import {LiveMark, MAX_SPOT_TICKS, SpotState} from "./LiveMark.sol";
import {NarrowLanes} from "./NarrowLanes.sol";
import {PageCopies, PageCopy} from "./PageCopies.sol";
import {PageLayout} from "./PageLayout.sol";
import {PageLists} from "./PageList.sol";
import {PositionWords} from "./PositionWords.sol";
import {Requirements} from "./Requirement.sol";
import {Run} from "./Run.sol";
import {Shelf, Shelves} from "./Shelf.sol";
import {Twins} from "./Twin.sol";
import {Walk, Walks} from "./Walk.sol";
import {
    Certificate,
    MARGIN_FROZEN,
    MARGIN_MISSING,
    MARGIN_NONE_PRICED,
    MARGIN_NOT_FRESH,
    MARGIN_NO_MANIFEST,
    MARGIN_STALE,
    Margin
} from "../interfaces/IMarginVault.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title One account under one manifest
/// @notice Section 3 of the specification. Nothing here reverts because of a book, a page or a price; only because of a certificate.
library Assessments {
    using AccountWord for uint256;
    using LiveMark for SpotState;
    using PageCopies for PageCopy;
    using Shelves for Shelf;

    /// @dev Works out the margin of an account with this word, whose pages are on the shelf.
    function assess(
        Run memory run,
        Shelf memory shelf,
        Ledger storage ledger,
        bytes32 account,
        uint256 word,
        Certificate[] memory certificates,
        bool baseline
    ) internal view {
        (run.margin.equity, run.margin.quote) = (word.cash(), word.cash());
        bool hedged = CertificateList.isHedge(certificates, baseline);
        run.margin.manifestAsOf = uint40(run.manifest = shelf.manifest(baseline));
        if (run.manifest == 0) run.margin.flags = MARGIN_NO_MANIFEST;
        if (run.manifest == 0 || !word.hasPositions()) return;
        bool known = run.pages.length != 0;
        if (!known) {
            uint256 most;
            (run.pages, most, run.book, run.bookWords) = PageLists.room(word.pages(), shelf);
            run.pairs = LanePairs.newPairs(most);
        }
        run.exposures = Exposures.newList(run.pages.length);
        for (uint256 i; i < run.pages.length; ++i) {
            PageCopy memory page = run.pages[i];
            if (!known) PositionWords.read(ledger.books[account][page.id], page.count, page.words);
            if (!Twins.turn(page, shelf)) shelf.turn(page, hedged, baseline);
            _walk(run, shelf, page);
        }
        if (!run.anyPriced) run.margin.flags |= MARGIN_NONE_PRICED;
        Requirements.add(run, ledger);
        if (hedged) Requirements.hedge(run, CertificateList.under(certificates, baseline), shelf, baseline);
        Requirements.finish(run);
    }

    /// @dev Whether equity is below a requirement.
    function fails(int256 equity, uint256 requirement) internal pure returns (bool) {
        return equity < 0 || uint256(equity) < requirement;
    }

    /// @dev Whether the manifest of a run is itself at least the grace period old.
    function isBaseline(Run memory run) internal pure returns (bool) {
        return (run.manifest >> 120) & 1 != 0;
    }

    /// @dev Adds the positions of one page to its underlying's sums and to the lanes.
    function _walk(Run memory run, Shelf memory shelf, PageCopy memory page) private view {
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
            Exposure memory u = run.exposures[group(run, shelf, page, head0)];
            if (page.twin != 0) return Twins.add(page, u);
            if (run.joint) Twins.join(page, shelf, u, run.tables);
            Walk memory found = Walks.open(run.pairs, shelf.feed)[0];
            SpotState memory s = found.state;
            s.set(head0, page.headWord(2), u.spot, block.timestamp);
            uint256 absolute = u.absoluteLots;
            BookWalk.walk(page, u, s, found);
            uint256 known = (found.end - LanePairs.pairAt(run.pairs, 0)) >> 6;
            if (found.missing) margin.flags |= MARGIN_MISSING;
            // Keepers post no risk for what has expired, and yet its value moves until its average is final.
            if (s.waiting) margin.flags |= MARGIN_NOT_FRESH;
            (run.partly, run.loose) = (run.partly || found.partly, run.loose + found.loose);
            if (known == 0 || !u.priced) return;
            margin.driftX32 = Math.max(margin.driftX32, Exposures.driftX32(s, head0, Exposures.largestShift(found.drifts)));
            if (!run.lanes || PageLayout.laneWords(head0) != run.laneWords) return;
            NarrowLanes.accumulateAtOnce(run.laneSums, run.pairs, known, page, run.laneWords, u.absoluteLots - absolute);
        }
    }

    /// @dev Which sums are those of a page's underlying; with its price, at its first page.
    function group(Run memory run, Shelf memory shelf, PageCopy memory page, uint256 head0) internal view returns (uint256 place) {
        unchecked {
            uint256 underlying = PageLayout.underlying(head0);
            for (; place < run.groups; ++place) {
                if (run.exposures[place].underlying == underlying) return place;
            }
            Exposure memory u = run.exposures[place];
            (u.underlying, u.head, u.spot) = (underlying, page.head, PageLayout.referenceSpot(head0));
            Margin memory margin = run.margin;
            uint256 price = shelf.price(underlying);
            uint256 flags = Instruments.priceFlags(price);
            margin.flags |= flags;
            uint256 observedAt = uint64(price) == 0 ? 0 : uint40(price >> 64);
            if (run.groups++ == 0 || observedAt < margin.oldestPriceAt) margin.oldestPriceAt = observedAt;
            if (uint64(price) != 0) u.spot = Math.min(uint64(price), MAX_SPOT_TICKS);
            if (flags & MARGIN_STALE != 0) return place;
            (u.priced, run.anyPriced) = (true, true);
            margin.freshSince = Math.max(margin.freshSince, uint40(price >> 104));
        }
    }
}
