// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Exposure} from "./Exposure.sol";
import {LiveMark, SpotState} from "./LiveMark.sol";
import {PageCopies, PageCopy} from "./PageCopies.sol";
import {PAGE_HEAD_BYTES, PageLayout} from "./PageLayout.sol";
import {Shelf, Shelves} from "./Shelf.sol";

/// @notice A page of the current manifest under the baseline: what a walk over the one needs to add up the other in the same turns.
/// @param legs sum |q| leg(sign q), ticks.
/// @param worth sum q V, ticks.
/// @param slopes sum q delta'; above bit 128 sum q vega.
/// @param records Memory address of its first record; there are as many as on the current page.
/// @param spot Memory address of its state at the live price.
/// @param table Memory address of one signed word a record, to which the walk copies the page's where it has one; else zero.
/// @param clean Whether it has every position, on the terms that the current page has it on, and all are plain.
/// @param grossLots sum |q|.
struct Twin {
    uint256 legs;
    int256 worth;
    int256 slopes;
    uint256 records;
    uint256 spot;
    uint256 table;
    bool clean;
    uint256 grossLots;
}

/// @title Pages that are walked under two manifests at once
/// @dev A twin knows sums only, of plain positions only: no lanes and no drift. Whoever needs those, or finds it unclean, walks the baseline's page by itself.
library Twins {
    using LiveMark for SpotState;
    using Shelves for Shelf;

    /// @dev Gives a page its twin, if the baseline has one like it and its underlying a price.
    /// @param u Sums of its underlying.
    /// @param needsTable Whether a certificate will be taken off it. The walk fills either table or none, so then the page must have one.
    function join(PageCopy memory page, Shelf memory shelf, Exposure memory u, bool needsTable) internal view {
        unchecked {
            (, uint256 head) = shelf.copy(page.place, true);
            if (head == 0 || !u.priced || (needsTable && page.table == 0)) return;
            uint256 head0 = PageCopies.load(head);
            if (PageLayout.rows(head0) != page.rows || PageLayout.underlying(head0) != u.underlying) return;
            Twin memory twin;
            (twin.records, twin.clean) = (head + PAGE_HEAD_BYTES, true);
            SpotState memory s = LiveMark.newStates()[0];
            s.set(head0, PageCopies.load(head + 64), u.spot, block.timestamp);
            if (page.table != 0) twin.table = PageCopies.allocate(page.rows);
            assembly ("memory-safe") {
                // spot 0x80; page: twin 0x100
                mstore(add(twin, 0x80), s)
                mstore(add(page, 0x100), twin)
            }
        }
    }

    /// @dev Lets a page that has a clean twin be the baseline's; says whether. Else the twin is gone.
    function turn(PageCopy memory page, Shelf memory shelf) internal view returns (bool turned) {
        if (page.twin == 0) return false;
        // table 0xa0, clean 0xc0
        if (PageCopies.load(page.twin + 0xc0) == 0) {
            page.twin = 0;
            return false;
        }
        shelf.turn(page, false, true);
        page.table = PageCopies.load(page.twin + 0xa0);
        return true;
    }

    /// @dev Adds what the walk found under the baseline.
    function add(PageCopy memory page, Exposure memory u) internal pure {
        unchecked {
            // legs 0, worth 0x20, slopes 0x40, grossLots 0xe0
            uint256 twin = page.twin;
            u.legs += PageCopies.load(twin);
            u.value += int256(PageCopies.load(twin + 0x20));
            u.grossLots += PageCopies.load(twin + 0xe0);
            int256 slopes = int256(PageCopies.load(twin + 0x40));
            int256 net = int256(int128(slopes));
            u.netX22 += net;
            u.vega += (slopes - net) >> 128;
        }
    }
}
