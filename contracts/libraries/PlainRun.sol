// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Exposure} from "./Exposure.sol";
import {LaneSum, LaneSums} from "./LaneSum.sol";
import {Ledger} from "./Ledger.sol";
import {PageCopies} from "./PageCopies.sol";
import {PlainBook, PlainPage} from "./PlainBook.sol";
import {PlainRun, PlainSums} from "./PlainSum.sol";
import {Requirements} from "./Requirement.sol";
import {Run} from "./Run.sol";

/// @title Assessments of plain books
/// @notice What SoleAssessments makes of them, for fewer steps. They find out whether a book is plain, and leave all else to that.
library PlainRuns {
    using LaneSums for LaneSum;
    using PlainSums for PlainRun;
    using Requirements for Run;

    /// @dev Assesses a book, of which not all pages are empty, under a manifest.
    /// @param words The oracle's.
    /// @param first Where among them that of the first page stands.
    /// @param current Whether it is the current one: then what `ofParts` takes is kept; else the drift is looked at.
    /// @return one Equity and maintenance. In a list, as Solidity writes zeros word by word into whatever struct a function returns.
    /// @return plain Whether all positions are; if not, the run is worth nothing.
    function ofBook(PlainBook memory book, uint256[] memory words, uint256 first, int256 cash, Ledger storage ledger, bool current)
        internal
        view
        returns (PlainRun[] memory one, bool plain)
    {
        unchecked {
            for (uint256 i; i < book.pages.length; ++i) {
                PlainPage memory page = book.pages[i];
                if (page.copy.count == 0) continue;
                uint256 word = PageCopies.wordAt(words, first + i);
                uint256 head = word == 0 ? 0 : PageCopies.fetch(word);
                if (head == 0) return (one, false);
                if (one.length == 0) {
                    one = PlainSums.open(book, head);
                    one[0].sums.margin.equity = cash;
                }
                if (!one[0].add(book, page, word, head, current)) return (one, false);
            }
            finish(one[0], ledger);
            return (one, true);
        }
    }

    /// @dev Assesses what goes, parts of all positions, under the current manifest: what they are worth and what who holds nothing else needs.
    /// @param whole The book under that manifest.
    /// @param words The oracle's, first those of that manifest.
    function ofParts(PlainBook memory book, PlainRun memory whole, uint256[] memory words, Ledger storage ledger)
        internal
        view
        returns (PlainRun[] memory one)
    {
        unchecked {
            one = PlainSums.open(book, whole.sums.head);
            PlainRun memory run = one[0];
            run.sums.initial = true;
            for (uint256 i; i < book.pages.length; ++i) {
                run.addPart(book, book.pages[i], PageCopies.wordAt(words, i + 1));
            }
            finish(run, ledger);
        }
    }

    /// @dev Takes parts off a book, assessed under the same manifest, as Remainders does.
    /// @param cash Of the account after.
    function subtract(PlainRun memory run, PlainRun memory parts, int256 cash, Ledger storage ledger) internal view {
        unchecked {
            Run memory sums = run.sums;
            for (uint256 i; i < sums.groups; ++i) {
                (Exposure memory u, Exposure memory part) = (sums.exposures[i], parts.sums.exposures[i]);
                u.value -= part.value;
                u.netX22 -= part.netX22;
                u.grossLots -= part.grossLots;
                u.scaledLots -= part.scaledLots;
                u.absoluteLots -= part.absoluteLots;
            }
            run.lanes.subtract(parts.lanes);
            (sums.maintenanceFloor, sums.margin.equity) = (0, cash);
            finish(run, ledger);
        }
    }

    /// @dev From sums to requirements.
    function finish(PlainRun memory run, Ledger storage ledger) internal view {
        unchecked {
            (int256 scaledLots, uint256 absoluteLots) = run.sums.add(ledger);
            // L as `Requirements.add` has it from wide sums
            int256 worst = run.lanes.least(scaledLots) + int256((absoluteLots + 1) / 2);
            run.sums.lower = worst < 0 ? uint256(-worst) : 0;
            run.sums.finish();
        }
    }
}
