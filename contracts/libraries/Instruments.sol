// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {ExpiryMark} from "./ExpiryMark.sol";
import {Exposures} from "./Exposure.sol";
import {LiveMark, SpotState} from "./LiveMark.sol";
import {PageCopies, PageCopy} from "./PageCopies.sol";
import {KIND_PERPETUAL, PageLayout} from "./PageLayout.sol";
import {Shelf, Shelves} from "./Shelf.sol";
import {IMarginOracle} from "../interfaces/IMarginOracle.sol";
import {
    MARGIN_DRIFTED,
    MARGIN_FROZEN,
    MARGIN_MISSING,
    MARGIN_NOT_FRESH,
    MARGIN_NO_MANIFEST,
    MARGIN_STALE
} from "../interfaces/IMarginVault.sol";
import {IVaultPriceFeed} from "../interfaces/IPriceFeed.sol";

/// @dev A price older than this lets no account add risk.
uint256 constant RISK_PRICE_AGE = 30 seconds;
/// @dev A price older than this is no price.
uint256 constant MAX_PRICE_AGE = 120 seconds;
/// @dev 1 in numbers scaled by 2^32.
uint256 constant ONE_X32 = 1 << 32;

/// @notice One instrument at the live price.
/// @param underlying Its underlying.
/// @param kind As in PageLayout.
/// @param shift Power of two by which its legs and lanes are scaled.
/// @param tick Settlement token units in one tick.
/// @param spot Price of one lot of the underlying, ticks.
/// @param observedAt When that price was observed.
/// @param mark Live value of one lot without funding, ticks.
/// @param funding Cumulative funding of one lot, ticks; zero unless a perpetual.
/// @param flags MARGIN_* bits of this instrument alone.
/// @param manifestAsOf Time of the newest observation in the manifest.
/// @param openInterestCapLots Largest open interest of the underlying, lots.
/// @param settling Whether its settlement window has begun, so that nobody may add to it.
/// @param expired Whether it has expired, so that nobody may trade it.
struct Instrument {
    uint256 underlying;
    uint256 kind;
    uint256 shift;
    uint256 tick;
    uint256 spot;
    uint256 observedAt;
    int256 mark;
    int256 funding;
    uint256 flags;
    uint256 manifestAsOf;
    uint256 openInterestCapLots;
    bool settling;
    bool expired;
}

/// @title Single instruments, and how old a price may be
library Instruments {
    using PageCopies for PageCopy;
    using Shelves for Shelf;

    /// @dev One instrument at the live price; never reverts.
    function load(IMarginOracle oracle, IVaultPriceFeed feed, uint256 page, uint256 slot, uint256 generation)
        internal
        view
        returns (Instrument memory)
    {
        Shelf memory shelf;
        (shelf.oracle, shelf.feed) = (oracle, feed);
        shelf.add(page);
        return find(shelf, page, slot, generation);
    }

    /// @dev The same, of a page that a shelf has.
    function find(Shelf memory shelf, uint256 page, uint256 slot, uint256 generation) internal view returns (Instrument memory found) {
        uint256 manifest = shelf.manifest(false);
        found.manifestAsOf = uint40(manifest);
        if (manifest == 0) found.flags = MARGIN_NO_MANIFEST;
        PageCopy memory copy;
        (copy.id, copy.place) = (page & 0xff, shelf.indexOf(page & 0xff));
        shelf.turn(copy, false, false);
        if (copy.head == 0) {
            found.flags |= MARGIN_MISSING;
            return found;
        }
        uint256 head0 = copy.headWord(0);
        found.underlying = PageLayout.underlying(head0);
        found.tick = PageLayout.tick(head0);
        uint256 record = copy.recordOf((generation & 0x3fff) << 200 | (slot & 0xff) << 192);
        if (PageLayout.frozen(head0)) found.flags |= MARGIN_FROZEN;
        SpotState memory s;
        {
            uint256 price = shelf.price(found.underlying);
            found.observedAt = uint40(price >> 64);
            found.flags |= priceFlags(price);
            s = LiveMark.stateAt(head0, copy.headWord(2), uint64(price), block.timestamp);
        }
        found.spot = uint256(s.spot);
        if (found.spot != 0) found.openInterestCapLots = openInterestCap(copy.headWord(1), found.spot);
        if (record == 0 || slot > type(uint8).max || generation > 0x3fff) {
            found.flags |= MARGIN_MISSING;
            return found;
        }
        found.kind = PageLayout.kind(record);
        found.shift = PageLayout.shift(record);
        (found.mark,,) = ExpiryMark.value(s, record, found.underlying, shelf.feed);
        found.settling = ExpiryMark.isDated(record) && ExpiryMark.begun(s, record);
        found.expired = found.settling && block.timestamp >= PageLayout.expiryHour(record) * 1 hours;
        if (found.kind == KIND_PERPETUAL) {
            found.funding = s.funding;
            found.mark += s.funding;
        }
        if (Exposures.driftX32(s, head0, PageLayout.driftShift(record)) > ONE_X32) found.flags |= MARGIN_DRIFTED;
    }

    /// @dev STALE and NOT_FRESH of a feed word; a price of the future has age zero, an absent one is stale.
    function priceFlags(uint256 price) internal view returns (uint256 flags) {
        unchecked {
            uint256 observedAt = uint40(price >> 64);
            uint256 age = block.timestamp > observedAt ? block.timestamp - observedAt : 0;
            if (uint64(price) == 0 || age > MAX_PRICE_AGE) return MARGIN_STALE | MARGIN_NOT_FRESH;
            if (age > RISK_PRICE_AGE) return MARGIN_NOT_FRESH;
        }
    }

    /// @dev Largest OI with OI S <= floor(dailyVolume percent / 100), lots.
    function openInterestCap(uint256 head1, uint256 spot) internal pure returns (uint256) {
        return PageLayout.dailyVolume(head1) * PageLayout.openInterestCapPercent(head1) / 100 / spot;
    }
}
