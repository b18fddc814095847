// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {LiveMark, SpotState} from "./LiveMark.sol";
import {PageCopies} from "./PageCopies.sol";
import {KIND_SPOT, PageLayout} from "./PageLayout.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @dev A notional above this counts as this, ticks; far above anything real, it keeps every later product inside a word.
uint256 constant MAX_NOTIONAL = (1 << NOTIONAL_BITS) - 1;
/// @dev How wide that is.
uint256 constant NOTIONAL_BITS = 112;
/// @dev 100% in basis points.
uint256 constant BPS = 10_000;

/// @notice Sums over an account's positions on one underlying.
/// @param underlying Underlying id.
/// @param head Memory address of the head of its first page.
/// @param spot Price of one lot, ticks; the first page's reference spot if there never was one.
/// @param priced Whether that price is recent enough to count.
/// @param value sum q V, ticks.
/// @param spotValue The part of it that spot positions have, less two legs if there is no price, ticks.
/// @param netX22 sum q delta', lots X22.
/// @param grossLots sum |q| of everything but spot.
/// @param vega sum q vega.
/// @param legs sum |q| leg(sign q), ticks.
/// @param scaledLots sum q << shift.
/// @param absoluteLots sum |q| << shift.
struct Exposure {
    uint256 underlying;
    uint256 head;
    uint256 spot;
    bool priced;
    int256 value;
    int256 spotValue;
    int256 netX22;
    uint256 grossLots;
    int256 vega;
    uint256 legs;
    int256 scaledLots;
    uint256 absoluteLots;
}

/// @title Exposure to one underlying and what it requires by itself
library Exposures {
    using LiveMark for SpotState;

    /// @dev So many, all zero.
    function newList(uint256 count) internal pure returns (Exposure[] memory list) {
        assembly ("memory-safe") {
            list := mload(0x40)
            mstore(list, count)
            let at_ := add(list, 0x20)
            let u := add(at_, shl(5, count))
            let end := add(u, mul(count, 0x180))
            mstore(0x40, end)
            calldatacopy(u, calldatasize(), mul(count, 0x180))
            for {} lt(u, end) { u := add(u, 0x180) } {
                mstore(at_, u)
                at_ := add(at_, 0x20)
            }
        }
    }

    /// @dev Adds `lots` of one record and returns them in units of its lanes: lots << shift.
    function add(Exposure memory u, SpotState memory s, uint256 record, int256 lots) internal pure returns (int256 scaledLots) {
        unchecked {
            (int256 valueTicks, int256 deltaX22) = s.value(record);
            u.value += lots * valueTicks;
            u.netX22 += lots * deltaX22;
            u.vega += lots * int256(record >> 240);
            // minus one if short: picks the leg and takes the absolute value without a branch
            int256 sign = lots >> 255;
            uint256 size = uint256((lots ^ sign) - sign);
            uint256 shift = PageLayout.shift(record);
            uint256 leg = (size * ((record >> (112 + (uint256(sign) & 32))) & type(uint32).max)) << shift;
            u.legs += leg;
            u.absoluteLots += size << shift;
            if (PageLayout.kind(record) != KIND_SPOT) u.grossLots += size;
            else u.spotValue += lots * valueTicks - (u.priced ? int256(0) : 2 * int256(leg));
            scaledLots = lots << shift;
            u.scaledLots += scaledLots;
        }
    }

    /// @dev N = ceil(|sum q delta'| S / 2^22) and G = sum |q| S, ticks.
    function notionals(Exposure memory u) internal pure returns (uint256 net, uint256 gross) {
        unchecked {
            uint256 size = u.netX22 < 0 ? uint256(-u.netX22) : uint256(u.netX22);
            net = (size * u.spot + (1 << 22) - 1) >> 22;
            gross = u.grossLots * u.spot;
            if ((net | gross) >> NOTIONAL_BITS != 0) (net, gross) = (Math.min(net, MAX_NOTIONAL), Math.min(gross, MAX_NOTIONAL));
        }
    }

    /// @dev ceil((netBps N + grossBps G) / 10000) for the initial floor, floor of the same with its own factors for the maintenance floor, ticks.
    function floors(uint256 net, uint256 gross, uint256 head3) internal pure returns (uint256 initial, uint256 maintenance) {
        unchecked {
            initial = (((head3 >> 16) & 0xffff) * net + ((head3 >> 32) & 0xffff) * gross + BPS - 1) / BPS;
            maintenance = (((head3 >> 48) & 0xffff) * net + ((head3 >> 64) & 0xffff) * gross) / BPS;
        }
    }

    /// @dev Cost of leaving the net position: ceil(N rate / 2^32) + |sum q vega| vegaCharge, ticks, where
    /// rate = halfSpread + (Y sigma sqrt((max(N, OI S / divisor) << 64) / V) >> 32), all X32. A volume or divisor of zero counts as one.
    function liquidity(Exposure memory u, uint256 net, uint256 openInterestLots) internal pure returns (uint256) {
        unchecked {
            uint256 head1 = PageCopies.load(u.head + 32);
            uint256 crowd = Math.min(openInterestLots, MAX_NOTIONAL) * u.spot / Math.max(PageLayout.openInterestDivisor(head1), 1);
            crowd = Math.min(Math.max(net, crowd), MAX_NOTIONAL);
            uint256 rootX32 = Math.sqrt((crowd << 64) / Math.max(PageLayout.dailyVolume(head1), 1));
            uint256 rateX32 = PageLayout.halfSpreadX32(head1) + ((PageLayout.yVolatilityX32(head1) * rootX32) >> 32);
            uint256 vega = u.vega < 0 ? uint256(-u.vega) : uint256(u.vega);
            return ((net * rateX32 + type(uint32).max) >> 32) + vega * PageLayout.vegaCharge(head1);
        }
    }

    /// @dev The largest drift shift of which there are any; byte d of `drifts` counts those of d.
    function largestShift(uint256 drifts) internal pure returns (uint256) {
        if (drifts < 1 << 8) return 0;
        if (drifts < 1 << 16) return 1;
        return drifts < 1 << 24 ? 2 : 3;
    }

    /// @dev ceil((|dS| 10000 << 32) / (S0 limitBps)); the limit is the page's, shifted right, at least one basis point.
    function driftX32(SpotState memory s, uint256 head0, uint256 driftShift) internal pure returns (uint256) {
        unchecked {
            uint256 limitBps = Math.max(PageLayout.maxDriftBps(head0) >> driftShift, 1);
            uint256 moved = uint256(s.dS < 0 ? -s.dS : s.dS) * BPS << 32;
            return Math.ceilDiv(moved, Math.max(PageLayout.referenceSpot(head0) * limitBps, 1));
        }
    }
}
