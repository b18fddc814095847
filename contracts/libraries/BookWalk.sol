// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {ExpiryMark} from "./ExpiryMark.sol";
import {Exposure, Exposures} from "./Exposure.sol";
import {JointWalk} from "./JointWalk.sol";
import {LanePairs} from "./LanePairs.sol";
import {SpotState} from "./LiveMark.sol";
import {PageCopies, PageCopy} from "./PageCopies.sol";
import {PageLayout} from "./PageLayout.sol";
import {PlainWalk} from "./PlainWalk.sol";
import {UnitWalk} from "./UnitWalk.sol";
import {Walk} from "./Walk.sol";

/// @title One pass over the positions of a page
/// @notice Perpetuals, futures and options outside their settlement window, which is nearly all there ever is, go through `PlainWalk`; all else goes one by
/// one through `Exposures.add`, which is the same in plain words.
library BookWalk {
    using Exposures for Exposure;
    using PageCopies for PageCopy;

    /// @dev Words of memory that so many positions take.
    function wordsOf(uint256 count) internal pure returns (uint256) {
        unchecked {
            return (count + 3) >> 2;
        }
    }

    /// @dev Adds the positions of a page, which are in memory, to its underlying's sums.
    function walk(PageCopy memory page, Exposure memory u, SpotState memory s, Walk memory found) internal view {
        unchecked {
            uint256 last = LanePairs.pairAt(found.pairs, page.count);
            uint256 rare = page.twin == 0 ? PlainWalk.walk(page, u, s, found) : JointWalk.walk(page, u, s, found);
            for (; rare < last; rare += 32) {
                _addRare(page, u, s, PageCopies.load(rare), found);
            }
        }
    }

    /// @dev The same for a page that has no twin, for code that gives none.
    /// @return plain Whether all positions are plain, so that units of all are known.
    function walkAlone(PageCopy memory page, Exposure memory u, SpotState memory s, Walk memory found) internal view returns (bool plain) {
        unchecked {
            uint256 last = LanePairs.pairAt(found.pairs, page.count);
            uint256 rare = UnitWalk.walk(page, u, s, found);
            plain = rare == last;
            for (; rare < last; rare += 32) {
                _addRare(page, u, s, PageCopies.load(rare), found);
            }
        }
    }

    /// @dev Adds one position of any kind.
    function _addRare(PageCopy memory page, Exposure memory u, SpotState memory s, uint256 position, Walk memory found) private view {
        unchecked {
            uint256 record = page.recordOf(position);
            if (record == 0) {
                (found.missing, found.partly) = (true, true);
                return;
            }
            int256 lots = int256(position) >> 214;
            uint256 slot = (position >> 192) & 0xff;
            int256 scaledLots;
            if (ExpiryMark.begun(s, record) && ExpiryMark.isDated(record)) {
                (int256 whole, int256 units, uint256 loose, bool settled) =
                    ExpiryMark.add(u, s, record, lots, page.head, found.feed);
                if (whole != lots) found.partly = true;
                if (settled) return;
                (lots, scaledLots) = (whole, units);
                found.loose += loose;
            } else {
                scaledLots = u.add(s, record, lots);
            }
            if (page.table != 0) PageCopies.store(page.table + 32 * slot, uint256(lots));
            _push(found, scaledLots, slot);
            found.drifts |= 1 << (8 * PageLayout.driftShift(record));
        }
    }

    /// @dev Writes a pair behind the last.
    function _push(Walk memory found, int256 scaledLots, uint256 slot) private pure {
        unchecked {
            uint256 end = found.end;
            PageCopies.store(end, uint256(scaledLots));
            PageCopies.store(end + 32, 32 * slot);
            found.end = end + 64;
        }
    }
}
