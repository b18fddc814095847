// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IMarginOracle} from "../interfaces/IMarginOracle.sol";
import {IVaultPriceFeed} from "../interfaces/IPriceFeed.sol";
import {BookWalk} from "./BookWalk.sol";
import {Exposure} from "./Exposure.sol";
import {MAX_PRICE_AGE} from "./Instruments.sol";
import {LaneMath} from "./LaneMath.sol";
import {LanePairs} from "./LanePairs.sol";
import {LiveMark, SpotState} from "./LiveMark.sol";
import {PageBook} from "./PageBook.sol";
import {PageCopy} from "./PageCopies.sol";
import {PAGE_HEAD_WORDS, PageLayout} from "./PageLayout.sol";
import {PageStore} from "./PageStore.sol";
import {Walk} from "./PlainWalk.sol";

/// @notice A page of the current manifest whose underlying has a price.
/// @param words Head and records; empty if there is no such page or no price.
struct PricedPage {
    uint256 page;
    uint256 underlying;
    uint256[] words;
    SpotState spot;
}

/// @title Pages of the current manifest at the live price
library PricedPages {
    /// @dev The pages of a list as the current manifest and the feed have them.
    function load(uint256 list, IMarginOracle oracle, IVaultPriceFeed feed) internal view returns (PricedPage[] memory pages) {
        uint256 packed;
        uint256 count;
        for (; list >> (16 * count) != 0; ++count) packed |= ((list >> (16 * count)) & 0xff) << (8 * count);
        pages = new PricedPage[](count);
        uint256 underlyings;
        uint256[] memory found = oracle.load(packed, count, false);
        for (uint256 i; i < count; ++i) underlyings |= ((found[i + 1] >> 160) & 0xff) << (8 * i);
        uint256[] memory prices = feed.load(underlyings, count);
        for (uint256 i; i < count; ++i) {
            (uint256 spotTicks, uint256 observedAt) = (prices[i] & type(uint64).max, (prices[i] >> 64) & type(uint40).max);
            (pages[i].page, pages[i].underlying) = ((packed >> (8 * i)) & 0xff, (underlyings >> (8 * i)) & 0xff);
            if (found[i + 1] == 0 || spotTicks == 0 || block.timestamp > observedAt + MAX_PRICE_AGE) continue;
            uint256[] memory words = pages[i].words = new uint256[](PAGE_HEAD_WORDS + ((found[i + 1] >> 168) & 0xff));
            PageStore.read(address(uint160(found[i + 1])), words, 0, words.length);
            pages[i].spot = LiveMark.stateAt(words[0], words[2], spotTicks, block.timestamp);
        }
    }

    /// @dev Memory address of the head of a page.
    function headOf(PricedPage memory priced) internal pure returns (uint256 head) {
        uint256[] memory words = priced.words;
        assembly ("memory-safe") {
            head := add(words, 32)
        }
    }

    /// @dev Live value of positions that the page has, settlement token units: `sum q V tick`, in one walk.
    function valueOf(PageBook memory parts, PricedPage memory priced, IVaultPriceFeed feed) internal view returns (int256) {
        unchecked {
            PageCopy memory page;
            (page.count, page.words) = (parts.count, parts.words);
            page.rows = priced.words.length - PAGE_HEAD_WORDS;
            page.head = headOf(priced);
            Exposure memory sums;
            sums.underlying = priced.underlying;
            Walk memory found;
            (found.pairs, found.feed) = (LanePairs.newPairs(parts.count), feed);
            BookWalk.walk(page, sums, priced.spot, found);
            return sums.value * int256(PageLayout.tick(priced.words[0]));
        }
    }
}
