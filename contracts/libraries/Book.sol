// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {AccountWord, MAX_PAGES} from "./AccountWord.sol";
import {Ledger} from "./Ledger.sol";
import {LOTS_BITS, POSITIONS_PER_WORD, PositionWords, STORED_WORDS} from "./PositionWords.sol";
import {IMarginVault} from "../interfaces/IMarginVault.sol";

/// @dev `|lots| << shift` stays below two to this power, so that sums over the largest book are exact.
uint256 constant SCALED_LOTS_BITS = 39;

/// @title Positions of an account on a page
/// @notice Finds, changes and removes positions. The layout of a position stands in PositionWords.sol, that of the page list in AccountWord.sol.
library Book {
    using AccountWord for uint256;

    /// @dev The lowest 22 bits of a position: `generation 14 | slot 8`.
    function keyOf(uint256 slot, uint256 generation) internal pure returns (uint256) {
        return ((generation & 0x3fff) << 8) | (slot & 0xff);
    }

    function slotOf(uint256 position) internal pure returns (uint256) {
        return position & 0xff;
    }

    function generationOf(uint256 position) internal pure returns (uint256) {
        return (position >> 8) & 0x3fff;
    }

    /// @dev Signed lots of a 64-bit position.
    function lotsOf(uint256 position) internal pure returns (int256) {
        return int256(int64(uint64(position))) >> 22;
    }

    /// @dev True if `|lots| < 2^28` and `|lots| << shift < 2^39`.
    function inRange(int256 lots, uint256 shift) internal pure returns (bool) {
        uint256 magnitude = lots < 0 ? uint256(-lots) : uint256(lots);
        return magnitude < 1 << LOTS_BITS && magnitude < (1 << SCALED_LOTS_BITS) >> shift;
    }

    /// @dev Place of a page in the page list, the number of pages if absent, and its number of positions.
    function pageEntry(uint256 word, uint256 page) internal pure returns (uint256 entry, uint256 count) {
        for (uint256 list = word.pages(); list != 0; list >>= 16) {
            if (list & 0xff == page) return (entry, (list >> 8) & 0xff);
            ++entry;
        }
    }

    /// @dev The word with `count` positions on the page at `entry`. Zero removes the page: the last one takes its place.
    function withCount(uint256 word, uint256 entry, uint256 page, uint256 count) internal pure returns (uint256) {
        uint256 list = word.pages();
        uint256 entryMask = 0xffff << (16 * entry);
        if (count != 0) {
            list = (list & ~entryMask) | (((count << 8) | page) << (16 * entry));
        } else {
            uint256 last = entry;
            while (list >> (16 * (last + 1)) != 0) ++last;
            uint256 moved = (list >> (16 * last)) & 0xffff;
            list = (list & ~entryMask) | (moved << (16 * entry));
            list &= (1 << (16 * last)) - 1;
        }
        return (word & ~uint256(type(uint96).max)) | list;
    }

    /// @dev Index of the position with this key, `count` if there is none, and its lots.
    function find(uint256[STORED_WORDS] storage words, uint256 count, uint256 key) internal view returns (uint256 index, int256 lots) {
        uint256 word;
        for (; index < count; ++index) {
            if (index % POSITIONS_PER_WORD == 0) word = words[index / POSITIONS_PER_WORD];
            uint256 position = PositionWords.positionAt(word, index % POSITIONS_PER_WORD);
            if (position & 0x3fffff == key) return (index, lotsOf(position));
        }
    }

    /// @dev Position `index` of a page, 64 bits.
    function positionAt(uint256[STORED_WORDS] storage words, uint256 index) internal view returns (uint256) {
        return PositionWords.positionAt(words[index / POSITIONS_PER_WORD], index % POSITIONS_PER_WORD);
    }

    /// @dev Lots an account holds of an instrument.
    function lotsIn(Ledger storage ledger, bytes32 account, uint256 page, uint256 key) internal view returns (int256 lots) {
        (, uint256 count) = pageEntry(ledger.accounts[account], page);
        (, lots) = find(ledger.books[account][page], count, key);
    }

    /// @dev Adds signed lots to a position: opens it at the end, or closes it and lets the last one take its place. The account word is not stored.
    function addLots(Ledger storage ledger, bytes32 account, uint256 word, uint256 page, uint256 key, int256 lots)
        internal
        returns (uint256 newWord, int256 oldLots, int256 newLots)
    {
        (uint256 entry, uint256 count) = pageEntry(word, page);
        uint256[STORED_WORDS] storage words = ledger.books[account][page];
        uint256 index;
        (index, oldLots) = find(words, count, key);
        newLots = oldLots + lots;
        require(inRange(newLots, 0), IMarginVault.LotsOutOfRange(newLots, 0));
        if (newLots != 0) {
            require(entry < MAX_PAGES, IMarginVault.TooManyPages(account));
            _write(words, index, (uint256(uint64(int64(newLots))) << 22) | key);
            if (index == count) ++count;
        } else if (index != count) {
            --count;
            uint256 last = positionAt(words, count);
            if (index != count) _write(words, index, last);
            _write(words, count, 0);
        } else {
            return (word, 0, 0);
        }
        newWord = withCount(word, entry, page, count);
    }

    /// @dev Keeps the long lots of an underlying when one position changes. Not for spot.
    function tally(Ledger storage ledger, uint256 underlying, int256 oldLots, int256 newLots) internal {
        int256 grown = (newLots > 0 ? newLots : int256(0)) - (oldLots > 0 ? oldLots : int256(0));
        if (grown != 0) ledger.openInterest[underlying] = uint256(int256(ledger.openInterest[underlying]) + grown);
    }

    function _write(uint256[STORED_WORDS] storage words, uint256 index, uint256 position) private {
        uint256 place = index / POSITIONS_PER_WORD;
        words[place] = PositionWords.withPosition(words[place], index % POSITIONS_PER_WORD, position);
    }
}
