// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {DELTA_ONE, KIND_CALL, KIND_NONE, KIND_PERPETUAL, KIND_PUT, KIND_SPOT, PageLayout} from "./PageLayout.sol";

/// @dev Largest price of one lot that a mark can be taken at, ticks.
uint256 constant MAX_SPOT_TICKS = type(uint40).max;
/// @dev Time before expiry over which the spot gives way to its average.
uint256 constant SETTLEMENT_WINDOW = 30 minutes;

/// @notice What all marks of one page share at one moment.
/// @param spot Price of one lot of the underlying, ticks; the page's reference spot if there is no price.
/// @param dS spot less reference spot, ticks.
/// @param dd dS^2 / (2 reference spot), ticks.
/// @param g1 dS over reference spot, X22.
/// @param funding Cumulative funding of one lot of a perpetual, ticks.
/// @param lastHour The latest hour of expiry whose settlement window has begun; zero asks for marks as if none had.
/// @param settlingHour Hour of expiry of which the next two are known; zero if none is.
/// @param averageTicks Average price in its window, ticks.
/// @param weightX16 Weight of that average, 2^16 = 1.
/// @param star The state at the spot that the average has pulled, if one is known.
/// @param shareX16 How much of what the page says a lot risks is still open, X16.
/// @param waiting Whether something asked for has expired and its average can still change.
struct SpotState {
    int256 spot;
    int256 dS;
    int256 dd;
    int256 g1;
    int256 funding;
    uint256 lastHour;
    uint256 settlingHour;
    int256 averageTicks;
    int256 weightX16;
    SpotState[] star;
    uint256 shareX16;
    bool waiting;
}

/// @title Values between two pages
/// @notice A record is a mark, a slope and a curvature at the reference spot; convexity and slope bound what they may extrapolate to.
/// @dev Nothing here reverts, whatever the words hold: a reference spot of zero leaves only the mark and the slope.
library LiveMark {
    /// @dev One state, all zero, and behind it two words for walks. In a list, as Solidity writes zeros word by word into whatever struct a function returns.
    function newStates() internal pure returns (SpotState[] memory one) {
        assembly ("memory-safe") {
            // 12 words; star 0x120 is an empty list
            one := mload(0x40)
            let s := add(one, 0x40)
            mstore(0x40, add(s, 0x1c0))
            calldatacopy(s, calldatasize(), 0x180)
            mstore(one, 1)
            mstore(add(one, 0x20), s)
            mstore(add(s, 0x120), 0x60)
        }
    }

    /// @dev State of a page at a price.
    function stateAt(uint256 head0, uint256 head2, uint256 spotTicks, uint256 timestamp) internal pure returns (SpotState memory s) {
        set(s, head0, head2, spotTicks, timestamp);
    }

    /// @dev Makes a state that of a page at a price. Prices above MAX_SPOT_TICKS count as that.
    function set(SpotState memory s, uint256 head0, uint256 head2, uint256 spotTicks, uint256 timestamp) internal pure {
        unchecked {
            int256 spot0 = int256(PageLayout.referenceSpot(head0));
            if (spotTicks > MAX_SPOT_TICKS) spotTicks = MAX_SPOT_TICKS;
            move(s, spot0, spotTicks == 0 ? spot0 : int256(spotTicks));
            s.funding = fundingAt(head0, head2, timestamp);
            s.lastHour = (timestamp + SETTLEMENT_WINDOW) / 1 hours;
        }
    }

    /// @dev Sets spot, dS, dd and g1.
    function move(SpotState memory s, int256 spot0, int256 spot) internal pure {
        unchecked {
            s.spot = spot;
            s.dS = spot - spot0;
            if (spot0 != 0) {
                s.dd = s.dS * s.dS / (2 * spot0);
                s.g1 = (s.dS << 22) / spot0;
            }
        }
    }

    /// @dev F(t) = (F(asOf) + rate min(t - asOf, cap)) >> 32, ticks a lot, rounded down; t - asOf counts as 0 before asOf.
    function fundingAt(uint256 head0, uint256 head2, uint256 timestamp) internal pure returns (int256) {
        unchecked {
            uint256 asOf = PageLayout.asOf(head0);
            uint256 elapsed = timestamp > asOf ? timestamp - asOf : 0;
            uint256 cap = PageLayout.fundingCapS(head2);
            if (elapsed > cap) elapsed = cap;
            return (PageLayout.fundingX32(head2) + PageLayout.fundingRateX32(head2) * int256(elapsed)) >> 32;
        }
    }

    /// @dev V of one lot, ticks, for a perpetual net of funding; and its slope in the spot, X22. Section 2 of the specification; what a
    /// settlement window changes stands in ExpiryMark.sol.
    function value(SpotState memory s, uint256 record) internal pure returns (int256 valueTicks, int256 deltaX22) {
        unchecked {
            uint256 kind = PageLayout.kind(record);
            if (kind == KIND_SPOT) return (s.spot, DELTA_ONE);
            if (kind == KIND_NONE || kind > KIND_SPOT) return (0, 0);
            int256 linear = int256(PageLayout.mark(record));
            int256 upper = linear;
            int256 gammaSpot = int256(int24(uint24(record >> 88)));
            deltaX22 = int256(int24(uint24(record >> 64)));
            linear += (deltaX22 * s.dS) >> 22;
            deltaX22 += (gammaSpot * s.g1) >> 10;
            valueTicks = linear + ((gammaSpot * s.dd) >> 10);
            if (kind == KIND_PERPETUAL) {
                valueTicks -= s.funding;
            } else if (kind == KIND_CALL || kind == KIND_PUT) {
                int256 strike = int256((record >> 176) & type(uint40).max);
                (int256 gain, int256 cap, int256 intrinsic) =
                    kind == KIND_CALL ? (s.dS, s.spot, s.spot - strike) : (-s.dS, strike, strike - s.spot);
                if (gain > 0) upper += gain;
                if (cap < upper) upper = cap;
                if (upper < valueTicks) valueTicks = upper;
                if (valueTicks < linear) valueTicks = linear;
                if (valueTicks < intrinsic) valueTicks = intrinsic;
                if (valueTicks < 0) valueTicks = 0;
            }
        }
    }
}
