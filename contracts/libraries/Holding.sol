// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {AccountWord} from "./AccountWord.sol";
import {LanePairs} from "./LanePairs.sol";
import {Ledger} from "./Ledger.sol";
import {PageCopy} from "./PageCopies.sol";
import {PageLists} from "./PageList.sol";
import {PositionWords} from "./PositionWords.sol";
import {Run} from "./Run.sol";
import {Shelf} from "./Shelf.sol";
import {Lots, Slices} from "./Slice.sol";
import {Transfer, Transfers} from "./Transfer.sol";

/// @title Books that a run has in memory before it is assessed
/// @notice As stored, or as they will be: an assessment takes positions that are there and reads none.
library Holdings {
    using AccountWord for uint256;

    /// @dev Makes room for the pages of a list, which are on the shelf, and for their positions.
    function open(Run memory run, uint256 list, Shelf memory shelf) internal pure {
        uint256 most;
        (run.pages, most, run.book, run.bookWords) = PageLists.room(list, shelf);
        run.pairs = LanePairs.newPairs(most);
    }

    /// @dev The same, with what an account holds on them.
    function read(Run memory run, Ledger storage ledger, bytes32 account, uint256 list, Shelf memory shelf) internal view {
        open(run, list, shelf);
        for (uint256 i; i < run.pages.length; ++i) {
            PageCopy memory page = run.pages[i];
            PositionWords.read(ledger.books[account][page.id], page.count, page.words);
        }
    }

    /// @dev Fills the room of a run with what goes.
    function fillParts(Run memory run, Transfer memory t, Shelf memory shelf) internal pure {
        open(run, t.list, shelf);
        for (uint256 i; i < run.pages.length; ++i) Slices.copy(t.parcels[i].cut.part, run.pages[i].words);
    }

    /// @dev Fills the room of a run with what the giver, or the taker, holds after.
    /// @param before Pages of the same account before.
    function fillAfter(Run memory run, Transfer memory t, PageCopy[] memory before, bool ofTaker, Shelf memory shelf) internal pure {
        open(run, (ofTaker ? t.toWord : t.fromWord).pages(), shelf);
        for (uint256 i; i < run.pages.length; ++i) {
            PageCopy memory page = run.pages[i];
            Lots memory lots;
            for (uint256 j; j < before.length; ++j) {
                if (before[j].id == page.id) lots = Transfers.lotsOf(before[j]);
            }
            for (uint256 j; j < t.count; ++j) {
                if (t.parcels[j].id == page.id) lots = ofTaker ? t.parcels[j].has : t.parcels[j].cut.kept;
            }
            Slices.copy(lots, page.words);
        }
    }
}
