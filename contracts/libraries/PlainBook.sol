// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {BookWalk} from "./BookWalk.sol";
import {Instruments} from "./Instruments.sol";
import {LanePairs} from "./LanePairs.sol";
import {Ledger} from "./Ledger.sol";
import {PackedLoad} from "./PackedLoad.sol";
import {PageCopies, PageCopy} from "./PageCopies.sol";
import {PositionWords} from "./PositionWords.sol";
import {Lots} from "./Slice.sol";
import {Walk, Walks} from "./Walk.sol";
import {MARGIN_STALE} from "../interfaces/IMarginVault.sol";
import {IVaultPriceFeed} from "../interfaces/IPriceFeed.sol";

/// @notice A book of which every position is plain: of a perpetual, a future or an option outside its settlement window, on a page that the manifest has, on an
/// underlying with a recent price.
/// @param pages As the account lists them.
/// @param ids Page ids, a byte each from the lowest up.
/// @param underlyings Ids, a byte each.
/// @param prices Of the underlyings, as the feed packs them.
/// @param walk What all walks share.
struct PlainBook {
    PlainPage[] pages;
    uint256 ids;
    uint256 underlyings;
    uint256[] prices;
    Walk walk;
}

/// @notice One page of a plain book.
/// @param copy Words, count, code and head are those of what was added up last.
/// @param place Which of the underlyings is its.
/// @param units Where what one lot of each position adds stands, under the current manifest.
/// @param records Where the first record stands that was walked with these lots, under the current manifest; zero if lots are others now.
/// @param lanes What `LaneAdditions.add` kept under it.
/// @param held What the account holds.
/// @param kept What it keeps.
/// @param part What goes.
struct PlainPage {
    PageCopy copy;
    uint256 place;
    uint256 units;
    uint256 records;
    uint256 lanes;
    Lots held;
    Lots kept;
    Lots part;
}

/// @title Plain books, read
library PlainBooks {
    /// @dev The book of an account with this page list. In a list, as Solidity writes zeros word by word into whatever struct a function returns.
    function open(Ledger storage ledger, bytes32 account, uint256 list) internal view returns (PlainBook[] memory one) {
        unchecked {
            uint256 room = PageCopies.zeroWords(7);
            assembly ("memory-safe") {
                one := room
                mstore(one, 1)
                mstore(add(one, 0x20), add(one, 0x40))
            }
            PlainBook memory book = one[0];
            uint256 count;
            for (uint256 rest = list; rest != 0; rest >>= 16) ++count;
            PlainPage[] memory pages = _newPages(count);
            (uint256 most, uint256 ids) = (0, 0);
            for (uint256 i; i < count; ++i) {
                PlainPage memory page = pages[i];
                (uint256 id, uint256 positions) = (list & 0xff, (list >> 8) & 0xff);
                ids |= id << (8 * i);
                if (positions > most) most = positions;
                uint256 at_ = PageCopies.allocate(BookWalk.wordsOf(positions));
                PositionWords.read(ledger.books[account][id], positions, at_);
                (page.copy.id, page.copy.count, page.copy.words) = (id, positions, at_);
                (page.held.at_, page.held.count) = (at_, positions);
                list >>= 16;
            }
            (book.pages, book.ids) = (pages, ids);
            book.walk = Walks.open(LanePairs.newPairs(most), IVaultPriceFeed(address(0)))[0];
        }
    }

    /// @dev Asks for the prices of the underlyings that the pages have, each once.
    /// @param words The oracle's, first those of the current manifest.
    /// @return recent Whether the manifest has all pages, and all prices can be used.
    function price(PlainBook memory book, IVaultPriceFeed feed, uint256[] memory words) internal view returns (bool recent) {
        unchecked {
            (uint256 count, uint256 underlyings) = (0, 0);
            for (uint256 i = 1; i <= book.pages.length; ++i) {
                uint256 word = PageCopies.wordAt(words, i);
                if (word == 0) return false;
                uint256 underlying = (word >> 160) & 0xff;
                uint256 place;
                while (place < count && (underlyings >> (8 * place)) & 0xff != underlying) ++place;
                if (place == count) underlyings |= underlying << (8 * count++);
                book.pages[i - 1].place = place;
            }
            book.underlyings = underlyings;
            book.prices = PackedLoad.prices(feed, underlyings, count);
            for (uint256 i; i < count; ++i) {
                if (Instruments.priceFlags(PageCopies.wordAt(book.prices, i)) & MARGIN_STALE != 0) return false;
            }
            return true;
        }
    }

    /// @dev So many pages, all zero.
    function _newPages(uint256 count) private pure returns (PlainPage[] memory pages) {
        assembly ("memory-safe") {
            // 8 words, four of which are addresses: of three times two words behind them, and of the nine of a copy behind those
            pages := mload(0x40)
            mstore(pages, count)
            let at_ := add(pages, 0x20)
            let page := add(at_, shl(5, count))
            let bytes_ := mul(count, 0x2e0)
            mstore(0x40, add(page, bytes_))
            calldatacopy(page, calldatasize(), bytes_)
            for {} count { count := sub(count, 1) } {
                mstore(at_, page)
                at_ := add(at_, 0x20)
                mstore(page, add(page, 0x1c0))
                mstore(add(page, 0xa0), add(page, 0x100))
                mstore(add(page, 0xc0), add(page, 0x140))
                mstore(add(page, 0xe0), add(page, 0x180))
                page := add(page, 0x2e0)
            }
        }
    }
}
