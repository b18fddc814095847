// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {AccountWord, MAX_PAGES} from "./AccountWord.sol";
import {Book, SCALED_LOTS_BITS} from "./Book.sol";
import {Instruments} from "./Instruments.sol";
import {Ledger} from "./Ledger.sol";
import {Merges} from "./Merge.sol";
import {PageCopies, PageCopy} from "./PageCopies.sol";
import {PageLayout} from "./PageLayout.sol";
import {Parcel, Parcels} from "./Parcel.sol";
import {Shelf, Shelves} from "./Shelf.sol";
import {Slices} from "./Slice.sol";
import {UnitProducts} from "./UnitProducts.sol";
import {IMarginVault, MARGIN_STALE} from "../interfaces/IMarginVault.sol";

/// @notice A slice on its way from one account to another, all of it in memory.
/// @param fromWord Account word of the giver after, but for cash.
/// @param toWord The same of the taker.
/// @param list Page list of what goes.
/// @param parcels As many as `count`, for pages from which anything goes.
/// @param settling Whether the settlement window of something may have begun.
struct Transfer {
    bytes32 from;
    bytes32 to;
    uint256 fromWord;
    uint256 toWord;
    uint256 list;
    Parcel[] parcels;
    uint256 count;
    bool settling;
}

/// @title Moves a fraction of a book from one account to another
library Transfers {
    using AccountWord for uint256;
    using Shelves for Shelf;

    /// @dev One of which nothing has moved yet. In a list, as Solidity writes zeros word by word into whatever struct a function returns.
    function open(bytes32 from, bytes32 to, uint256 fromWord, uint256 toWord) internal pure returns (Transfer[] memory one) {
        assembly ("memory-safe") {
            // 8 words; parcels 0xa0 is an empty list
            one := mload(0x40)
            let t := add(one, 0x40)
            mstore(0x40, add(t, 0x100))
            calldatacopy(t, calldatasize(), 0x100)
            mstore(one, 1)
            mstore(add(one, 0x20), t)
            mstore(t, from)
            mstore(add(t, 0x20), to)
            mstore(add(t, 0x40), fromWord)
            mstore(add(t, 0x60), toWord)
            mstore(add(t, 0xa0), 0x60)
        }
    }

    /// @dev Cuts `ceil(f |q|)` lots off every position of some pages that can be valued.
    /// @param units As a Basis has them, of these positions.
    function cut(Transfer memory t, PageCopy[] memory from, Shelf memory shelf, uint256 fractionWad, uint256[] memory units) internal view {
        unchecked {
            t.parcels = Parcels.newList(from.length);
            for (uint256 i; i < from.length; ++i) {
                PageCopy memory page = from[i];
                (uint256 word, uint256 head) = shelf.copy(page.place, false);
                if (head == 0) continue;
                uint256 price = shelf.price(PageLayout.underlying(PageCopies.load(head)));
                if (Instruments.priceFlags(price) & MARGIN_STALE != 0) continue;
                Parcel memory parcel = t.parcels[t.count];
                (parcel.held.at_, parcel.held.count) = (page.words, page.count);
                uint256 known = units.length == 0 ? 0 : PageCopies.wordAt(units, page.place);
                bool settling;
                (parcel.widest, settling) =
                    Slices.cut(parcel.held, parcel.kept, parcel.part, known == 0 ? head : 0, (word >> 168) & 0xff, fractionWad);
                if (known != 0) parcel.widest = UnitProducts.absoluteLots(known);
                if (parcel.part.count == 0) continue;
                (parcel.id, parcel.head) = (page.id, head);
                if (settling) t.settling = true;
                t.list |= ((parcel.part.count << 8) | parcel.id) << (16 * t.count++);
            }
        }
    }

    /// @dev Adds what was cut off to what the taker holds on its pages.
    function merge(Transfer memory t, PageCopy[] memory to) internal pure {
        unchecked {
            for (uint256 i; i < t.count; ++i) {
                Parcel memory parcel = t.parcels[i];
                for (uint256 j; j < to.length; ++j) {
                    PageCopy memory page = to[j];
                    if (page.id == parcel.id) (parcel.had.at_, parcel.had.count) = (page.words, page.count);
                }
                // who holds nothing here takes the part as it is, and open interest stays
                if (parcel.had.count == 0 && parcel.widest >> SCALED_LOTS_BITS == 0) parcel.has = parcel.part;
                else parcel.grown = Merges.add(t.to, parcel.had, parcel.part, parcel.has, parcel.head);
                t.fromWord = _withCount(t.from, t.fromWord, parcel.id, parcel.kept.count);
                t.toWord = _withCount(t.to, t.toWord, parcel.id, parcel.has.count);
            }
        }
    }

    /// @dev Stores the positions of both accounts; their words are the caller's to store.
    function store(Transfer memory t, Ledger storage ledger) internal {
        for (uint256 i; i < t.count; ++i) {
            Parcel memory parcel = t.parcels[i];
            Slices.store(ledger.books[t.from][parcel.id], parcel.held, parcel.kept);
            Slices.store(ledger.books[t.to][parcel.id], parcel.had, parcel.has);
        }
    }

    /// @dev Stores what the open interest of the underlyings has become.
    function tally(Transfer memory t, Ledger storage ledger) internal {
        unchecked {
            for (uint256 i; i < t.count; ++i) {
                int256 grown = t.parcels[i].grown;
                if (grown == 0) continue;
                uint256 underlying = PageLayout.underlying(PageCopies.load(t.parcels[i].head));
                ledger.openInterest[underlying] = uint256(int256(ledger.openInterest[underlying]) + grown);
            }
        }
    }

    /// @dev The account word with so many positions on a page.
    function _withCount(bytes32 account, uint256 word, uint256 page, uint256 count) private pure returns (uint256) {
        (uint256 entry, uint256 had) = Book.pageEntry(word, page);
        if (count == had) return word;
        require(entry < MAX_PAGES, IMarginVault.TooManyPages(account));
        return Book.withCount(word, entry, page, count);
    }
}
