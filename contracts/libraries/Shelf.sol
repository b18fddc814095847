// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IMarginOracle} from "../interfaces/IMarginOracle.sol";
import {IVaultPriceFeed} from "../interfaces/IPriceFeed.sol";
import {PackedLoad} from "./PackedLoad.sol";
import {PageCopies, PageCopy} from "./PageCopies.sol";

/// @notice What one call reads of oracle and feed, each thing once, whoever's book it is for.
/// @param ids Page ids, a byte each from the lowest up.
/// @param count How many.
/// @param current The oracle's words of the current manifest: its state, then a word a page; empty until they are asked for.
/// @param baseline The same of the baseline.
/// @param heads Memory address of two words a page: where the head of its copy stands, under current and under baseline; zero if there is none yet.
/// @param underlyings Underlying ids of the current pages, a byte each.
/// @param prices As the feed packs them; empty until they are asked for.
struct Shelf {
    IMarginOracle oracle;
    IVaultPriceFeed feed;
    uint256 ids;
    uint256 count;
    uint256[] current;
    uint256[] baseline;
    uint256 heads;
    uint256 underlyings;
    uint256[] prices;
}

/// @title Pages and prices that several assessments share
/// @dev Copies on the shelf are read only: what a book leaves in tables is each assessment's own.
library Shelves {
    /// @dev An empty one. In a list, as Solidity writes zeros word by word into whatever struct a function returns.
    function fresh(IMarginOracle oracle, IVaultPriceFeed feed) internal pure returns (Shelf[] memory one) {
        assembly ("memory-safe") {
            // 9 words; current 0x80, baseline 0xa0, prices 0x100 are empty lists
            one := mload(0x40)
            let shelf := add(one, 0x40)
            mstore(0x40, add(shelf, 0x120))
            calldatacopy(shelf, calldatasize(), 0x120)
            mstore(one, 1)
            mstore(add(one, 0x20), shelf)
            mstore(add(shelf, 0x80), 0x60)
            mstore(add(shelf, 0xa0), 0x60)
            mstore(add(shelf, 0x100), 0x60)
        }
        (one[0].oracle, one[0].feed) = (oracle, feed);
    }

    /// @dev Makes sure that a page will be read. Only before anything was.
    function add(Shelf memory shelf, uint256 id) internal pure {
        unchecked {
            if (indexOf(shelf, id & 0xff) == shelf.count) shelf.ids |= (id & 0xff) << (8 * shelf.count++);
        }
    }

    /// @dev The same for the page list of an account.
    function addAll(Shelf memory shelf, uint256 list) internal pure {
        for (; list != 0; list >>= 16) add(shelf, list & 0xff);
    }

    /// @dev The same for one account, to an empty shelf: its list names no page twice.
    function fill(Shelf memory shelf, uint256 list) internal pure {
        unchecked {
            (uint256 ids, uint256 bit) = (0, 0);
            for (; list != 0; list >>= 16) {
                ids |= (list & 0xff) << bit;
                bit += 8;
            }
            (shelf.ids, shelf.count) = (ids, bit >> 3);
        }
    }

    /// @dev Place of a page; the number of pages if it is not there.
    function indexOf(Shelf memory shelf, uint256 id) internal pure returns (uint256 i) {
        unchecked {
            uint256 count = shelf.count;
            for (uint256 rest = shelf.ids; i < count && rest & 0xff != id; ++i) rest >>= 8;
        }
    }

    /// @dev The oracle's first word, zero if there is no such manifest; reads its words.
    function manifest(Shelf memory shelf, bool baseline) internal view returns (uint256) {
        return PageCopies.wordAt(_words(shelf, baseline), 0);
    }

    /// @dev What the oracle says of the page of a place, and the memory address of its head, copied if it was not yet; zero if the manifest lacks it.
    function copy(Shelf memory shelf, uint256 place, bool baseline) internal view returns (uint256 word, uint256 head) {
        unchecked {
            word = PageCopies.wordAt(_words(shelf, baseline), place + 1);
            uint256 at_ = shelf.heads + 64 * place + (baseline ? 32 : 0);
            head = PageCopies.load(at_);
            if (head == 0 && word != 0) PageCopies.store(at_, head = PageCopies.fetch(word));
        }
    }

    /// @dev Lets a page be the manifest's. A table is used again if it has as many records.
    function turn(Shelf memory shelf, PageCopy memory page, bool withTable, bool baseline) internal view {
        (uint256 word, uint256 head) = copy(shelf, page.place, baseline);
        PageCopies.set(page, word, head, withTable);
    }

    /// @dev The feed's word of an underlying. A page may name another than the oracle says of it, or be the baseline's alone; then the feed is asked again.
    function price(Shelf memory shelf, uint256 underlying) internal view returns (uint256) {
        unchecked {
            if (shelf.prices.length == 0) _loadPrices(shelf);
            uint256[] memory prices = shelf.prices;
            uint256 rest = shelf.underlyings;
            for (uint256 i; i < prices.length; ++i) {
                if (rest & 0xff == underlying) return PageCopies.wordAt(prices, i);
                rest >>= 8;
            }
            return PackedLoad.prices(shelf.feed, underlying, 1)[0];
        }
    }

    /// @dev Asks the feed for all underlyings of the current pages, each once.
    function _loadPrices(Shelf memory shelf) private view {
        unchecked {
            uint256[] memory words = _words(shelf, false);
            (uint256 packed, uint256 count, uint256 seen) = (0, 0, 0);
            for (uint256 i = 1; i < words.length; ++i) {
                uint256 word = PageCopies.wordAt(words, i);
                uint256 underlying = (word >> 160) & 0xff;
                if (word == 0 || (seen >> underlying) & 1 != 0) continue;
                seen |= 1 << underlying;
                packed |= underlying << (8 * count++);
            }
            if (count != 0) (shelf.underlyings, shelf.prices) = (packed, PackedLoad.prices(shelf.feed, packed, count));
        }
    }

    function _words(Shelf memory shelf, bool baseline) private view returns (uint256[] memory words) {
        words = baseline ? shelf.baseline : shelf.current;
        if (words.length != 0) return words;
        words = PackedLoad.pages(shelf.oracle, shelf.ids, shelf.count, baseline);
        if (baseline) shelf.baseline = words;
        else shelf.current = words;
        if (shelf.heads == 0) shelf.heads = PageCopies.zeroWords(2 * shelf.count);
    }
}
