// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IVaultPriceFeed} from "../interfaces/IPriceFeed.sol";
import {Exposure, Exposures} from "./Exposure.sol";
import {LiveMark, MAX_SPOT_TICKS, SpotState} from "./LiveMark.sol";
import {KIND_CALL, KIND_FUTURE, KIND_PUT, PageLayout} from "./PageLayout.sol";

/// @dev Weight of an average that is final, X16.
int256 constant SETTLED_X16 = 1 << 16;

/// @title Values of dated instruments from half an hour before expiry on
/// @notice The spot gives way to its average: `S* = S + ((A - S) w >> 16)`, and what remains of the slope is `1 - w`. At w = 1 the value is the payoff at A,
/// for ever, and nothing that happens to the spot changes it. Until then V, convexity and slope bounds included, is that of LiveMark at S*.
/// @dev Assumption about other contracts: `IVaultPriceFeed.settlement` does not revert.
library ExpiryMark {
    using Exposures for Exposure;

    /// @dev Whether the settlement window of a record has begun. A record without expiry wraps around and is beyond every hour.
    function begun(SpotState memory s, uint256 record) internal pure returns (bool) {
        unchecked {
            return PageLayout.expiryHour(record) - 1 < s.lastHour;
        }
    }

    /// @dev V of one lot, ticks, and its slope in the spot, X22, whatever the record; and whether that is its final value. What the feed says of the
    /// last hour of expiry asked for is kept in the state.
    function value(SpotState memory s, uint256 record, uint256 underlying, IVaultPriceFeed feed)
        internal
        view
        returns (int256 valueTicks, int256 deltaX22, bool settled)
    {
        unchecked {
            if (!begun(s, record) || !isDated(record)) {
                (valueTicks, deltaX22) = LiveMark.value(s, record);
                return (valueTicks, deltaX22, false);
            }
            _look(s, PageLayout.expiryHour(record), underlying, feed);
            if (s.weightX16 == SETTLED_X16) return (payoff(record, s.averageTicks), 0, true);
            (valueTicks, deltaX22) = LiveMark.value(s.star[0], record);
            deltaX22 = (deltaX22 * (SETTLED_X16 - s.weightX16)) >> 16;
        }
    }

    /// @dev `Exposures.add` for a record whose window has begun. A settled position adds its value and nothing else.
    function add(Exposure memory u, SpotState memory s, uint256 record, int256 lots, IVaultPriceFeed feed)
        internal
        view
        returns (int256 scaledLots, bool settled)
    {
        unchecked {
            if (!isDated(record) || lots == 0) return (u.add(s, record, lots), false);
            _look(s, PageLayout.expiryHour(record), u.underlying, feed);
            if (s.weightX16 == SETTLED_X16) {
                u.value += lots * payoff(record, s.averageTicks);
                return (0, true);
            }
            int256 netX22 = u.netX22;
            scaledLots = u.add(s.star[0], record, lots);
            int256 deltaX22 = (u.netX22 - netX22) / lots;
            u.netX22 = netX22 + lots * ((deltaX22 * (SETTLED_X16 - s.weightX16)) >> 16);
        }
    }

    /// @dev Asks the feed for an hour of expiry, unless it was the last one asked for on this page.
    function _look(SpotState memory s, uint256 hour, uint256 underlying, IVaultPriceFeed feed) private view {
        unchecked {
            if (s.settlingHour == hour) return;
            (uint256 average, uint256 weight,) = feed.settlement(underlying, hour);
            s.averageTicks = int256(average < MAX_SPOT_TICKS ? average : MAX_SPOT_TICKS);
            s.weightX16 = weight < uint256(SETTLED_X16) ? int256(weight) : SETTLED_X16;
            s.settlingHour = hour;
            s.star = new SpotState[](1);
            LiveMark.move(s.star[0], s.spot - s.dS, s.spot + (((s.averageTicks - s.spot) * s.weightX16) >> 16));
        }
    }

    /// @dev What one lot pays: a future S, a call max(S - K, 0), a put max(K - S, 0).
    function payoff(uint256 terms, int256 spotTicks) internal pure returns (int256) {
        unchecked {
            uint256 kind = PageLayout.kind(terms);
            int256 strike = int256(PageLayout.strike(terms));
            if (kind == KIND_CALL) return spotTicks > strike ? spotTicks - strike : int256(0);
            if (kind == KIND_PUT) return strike > spotTicks ? strike - spotTicks : int256(0);
            return spotTicks;
        }
    }

    /// @dev A future, a call or a put.
    function isDated(uint256 terms) internal pure returns (bool) {
        uint256 kind = PageLayout.kind(terms);
        return kind >= KIND_FUTURE && kind <= KIND_PUT;
    }
}
