// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {BookWalk} from "./BookWalk.sol";
import {Instruments} from "./Instruments.sol";
import {LanePairs} from "./LanePairs.sol";
import {Ledger} from "./Ledger.sol";
import {PackedLoad} from "./PackedLoad.sol";
import {PageCopies, PageCopy} from "./PageCopies.sol";
import {PageLists} from "./PageList.sol";
import {PositionWords} from "./PositionWords.sol";
import {Walk, Walks} from "./Walk.sol";
import {MARGIN_STALE} from "../interfaces/IMarginVault.sol";
import {IVaultPriceFeed} from "../interfaces/IPriceFeed.sol";

/// @notice A book of which every position is plain: of a perpetual, a future or an option outside its settlement window, on a page that the manifest has, on an
/// underlying with a recent price.
/// @param pages As the account lists them; words, counts, code and head are those of what was added up last.
/// @param ids Page ids, a byte each from the lowest up.
/// @param places Which of the underlyings is a page's, a byte each.
/// @param underlyings Ids, a byte each.
/// @param prices Of the underlyings, as the feed packs them.
/// @param units Where what one lot of each position of a page adds stands, a word a page, under the current manifest.
/// @param records Where the first record of each page stands that was walked with these lots, under the current manifest; zero if lots are others now.
/// @param lanes What `LaneAdditions.add` kept of each page under it.
/// @param walk What all walks share.
struct PlainBook {
    PageCopy[] pages;
    uint256 ids;
    uint256 places;
    uint256 underlyings;
    uint256[] prices;
    uint256[] units;
    uint256[] records;
    uint256[] lanes;
    Walk walk;
}

/// @title Plain books, read
library PlainBooks {
    /// @dev The book of an account with this page list. In a list, as Solidity writes zeros word by word into whatever struct a function returns.
    function open(Ledger storage ledger, bytes32 account, uint256 list) internal view returns (PlainBook[] memory one) {
        unchecked {
            uint256 at_ = PageCopies.zeroWords(11);
            assembly ("memory-safe") {
                one := at_
                mstore(one, 1)
                mstore(add(one, 0x20), add(one, 0x40))
            }
            PlainBook memory book = one[0];
            uint256 count;
            for (uint256 rest = list; rest != 0; rest >>= 16) ++count;
            PageCopy[] memory pages = PageLists.newList(count);
            (uint256 most, uint256 ids) = (0, 0);
            for (uint256 i; i < count; ++i) {
                PageCopy memory page = pages[i];
                (page.id, page.count) = (list & 0xff, (list >> 8) & 0xff);
                ids |= page.id << (8 * i);
                if (page.count > most) most = page.count;
                page.words = PageCopies.allocate(BookWalk.wordsOf(page.count));
                PositionWords.read(ledger.books[account][page.id], page.count, page.words);
                list >>= 16;
            }
            (book.pages, book.ids) = (pages, ids);
            (book.units, book.records, book.lanes) = (new uint256[](count), new uint256[](count), new uint256[](count));
            book.walk = Walks.open(LanePairs.newPairs(most), IVaultPriceFeed(address(0)))[0];
        }
    }

    /// @dev Asks for the prices of the underlyings that the pages have, each once.
    /// @param words The oracle's of the current manifest.
    /// @return recent Whether all of them can be used.
    function price(PlainBook memory book, IVaultPriceFeed feed, uint256[] memory words) internal view returns (bool recent) {
        unchecked {
            (uint256 count, uint256 places, uint256 underlyings) = (0, 0, 0);
            for (uint256 i = 1; i < words.length; ++i) {
                uint256 underlying = (PageCopies.wordAt(words, i) >> 160) & 0xff;
                uint256 place;
                while (place < count && (underlyings >> (8 * place)) & 0xff != underlying) ++place;
                if (place == count) underlyings |= underlying << (8 * count++);
                places |= place << (8 * (i - 1));
            }
            (book.places, book.underlyings) = (places, underlyings);
            book.prices = PackedLoad.prices(feed, underlyings, count);
            for (uint256 i; i < count; ++i) {
                if (Instruments.priceFlags(PageCopies.wordAt(book.prices, i)) & MARGIN_STALE != 0) return false;
            }
            return true;
        }
    }
}
