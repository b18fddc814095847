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
import {Slices} from "./Slice.sol";
import {Transfer} from "./Transfer.sol";

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
        copy(run.pages, ledger, account);
    }

    /// @dev Copies what an account holds on some pages to where it will stand.
    function copy(PageCopy[] memory pages, Ledger storage ledger, bytes32 account) internal view {
        for (uint256 i; i < pages.length; ++i) {
            PageCopy memory page = pages[i];
            PositionWords.read(ledger.books[account][page.id], page.count, page.words);
        }
    }

    /// @dev Makes room for the pages of what goes; its positions stay where they are.
    function fillParts(Run memory run, Transfer memory t, Shelf memory shelf) internal pure {
        open(run, t.list, shelf);
        for (uint256 i; i < run.pages.length; ++i) run.pages[i].words = t.parcels[i].part.at_;
    }

    /// @dev Fills the room of a run with what the giver, or the taker, holds after.
    /// @param before Pages of the same account before.
    function fillAfter(Run memory run, Transfer memory t, PageCopy[] memory before, bool ofTaker, Shelf memory shelf) internal pure {
        open(run, (ofTaker ? t.toWord : t.fromWord).pages(), shelf);
        for (uint256 i; i < run.pages.length; ++i) {
            PageCopy memory page = run.pages[i];
            uint256 from;
            for (uint256 j; j < before.length; ++j) {
                if (before[j].id == page.id) from = before[j].words;
            }
            for (uint256 j; j < t.count; ++j) {
                if (t.parcels[j].id == page.id) from = (ofTaker ? t.parcels[j].has : t.parcels[j].kept).at_;
            }
            Slices.copy(from, page.count, page.words);
        }
    }
}
