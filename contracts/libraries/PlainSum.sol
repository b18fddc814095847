// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {BaselineWalk} from "./BaselineWalk.sol";
import {Exposure, Exposures} from "./Exposure.sol";
import {LaneAdditions} from "./LaneAddition.sol";
import {LaneSum, LaneSums} from "./LaneSum.sol";
import {LanePairs} from "./LanePairs.sol";
import {LiveMark, MAX_SPOT_TICKS, SpotState} from "./LiveMark.sol";
import {PageCopies, PageCopy} from "./PageCopies.sol";
import {PAGE_HEAD_BYTES, PageLayout} from "./PageLayout.sol";
import {PlainBook, PlainPage} from "./PlainBook.sol";
import {Run, Runs} from "./Run.sol";
import {UnitProducts} from "./UnitProducts.sol";
import {UnitWalk} from "./UnitWalk.sol";
import {Walk} from "./Walk.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @notice A plain book, or parts of it, under one manifest.
/// @param sums All but the lanes.
struct PlainRun {
    Run sums;
    LaneSum lanes;
}

/// @title Sums of plain books, page by page
library PlainSums {
    using LaneAdditions for LaneSum;
    using LiveMark for SpotState;

    /// @dev A run of which nothing is added up. In a list, as Solidity writes zeros word by word into whatever struct a function returns.
    /// @param head Memory address of the head of its first page.
    function open(PlainBook memory book, uint256 head) internal pure returns (PlainRun[] memory one) {
        unchecked {
            Run memory sums = Runs.fresh()[0];
            sums.head = head;
            sums.groups = book.prices.length;
            sums.exposures = Exposures.newList(sums.groups);
            for (uint256 i; i < sums.groups; ++i) {
                Exposure memory u = sums.exposures[i];
                (u.underlying, u.priced) = ((book.underlyings >> (8 * i)) & 0xff, true);
                u.spot = Math.min(uint64(PageCopies.wordAt(book.prices, i)), MAX_SPOT_TICKS);
            }
            LaneSum memory lanes = LaneSums.open(PageLayout.laneWords(PageCopies.load(head)))[0];
            uint256 at_ = PageCopies.allocate(4);
            assembly ("memory-safe") {
                one := at_
                mstore(one, 1)
                mstore(add(one, 0x20), add(one, 0x40))
                mstore(add(one, 0x40), sums)
                mstore(add(one, 0x60), lanes)
            }
        }
    }

    /// @dev Adds up the positions of one page.
    /// @param p The page, one of the book's.
    /// @param word The oracle's of it.
    /// @param head Memory address of its head.
    /// @param current Whether the manifest is the current one: then what later walks take is kept; else the drift is looked at.
    /// @return plain Whether all positions are, and the page goes with those before; if not, the run is worth nothing.
    function add(PlainRun memory run, PlainBook memory book, PlainPage memory p, uint256 word, uint256 head, bool current)
        internal
        view
        returns (bool plain)
    {
        unchecked {
            (PageCopy memory page, Walk memory found, uint256 head0) = (p.copy, book.walk, PageCopies.load(head));
            Exposure memory u = run.sums.exposures[p.place];
            bool known = PageLayout.underlying(head0) == u.underlying && PageLayout.laneWords(head0) == run.lanes.laneWords;
            if (!known || PageLayout.referenceSpot(head0) == 0) return false;
            if (u.head == 0) u.head = head;
            uint256 walked = page.rows == (word >> 168) & 0xff ? p.records : 0;
            (page.code, page.rows, page.head) = (address(uint160(word)), (word >> 168) & 0xff, head);
            uint256 absolute = u.absoluteLots;
            found.drifts = 0;
            found.state.set(head0, PageCopies.load(head + 64), u.spot, block.timestamp);
            if (walked == 0 || !BaselineWalk.walk(page, u, found.state, found, p.units, walked)) {
                if (UnitWalk.walk(page, u, found.state, found) != LanePairs.pairAt(found.pairs, page.count)) return false;
            }
            if (current) {
                (p.units, p.records) = (UnitWalk.keep(page.count), head + PAGE_HEAD_BYTES);
            } else {
                uint256 drift = Exposures.driftX32(found.state, head0, Exposures.largestShift(found.drifts));
                run.sums.margin.driftX32 = Math.max(run.sums.margin.driftX32, drift);
            }
            uint256 kept = run.lanes.add(found.pairs, page.count, page, u.absoluteLots - absolute, current);
            if (current) p.lanes = kept;
            return true;
        }
    }

    /// @dev Adds up what goes of one page, parts of all its positions, under the current manifest, under which it was walked.
    /// @param p The page, one of the book's.
    /// @param word The oracle's of it.
    function addPart(PlainRun memory run, PlainBook memory book, PlainPage memory p, uint256 word) internal view {
        unchecked {
            PageCopy memory page = p.copy;
            (page.code, page.rows, page.words) = (address(uint160(word)), (word >> 168) & 0xff, p.part.at_);
            Exposure memory u = run.sums.exposures[p.place];
            if (u.head == 0) u.head = p.records - PAGE_HEAD_BYTES;
            uint256 absolute = u.absoluteLots;
            UnitProducts.add(page, u, book.walk, p.units);
            absolute = u.absoluteLots - absolute;
            uint256 kept = p.lanes;
            if (kept == 0) run.lanes.add(book.walk.pairs, page.count, page, absolute, false);
            else run.lanes.addKept(book.walk.pairs, page.count, kept, absolute);
        }
    }
}
