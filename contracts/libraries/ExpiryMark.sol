// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IVaultPriceFeed} from "../interfaces/IPriceFeed.sol";
import {Exposure} from "./Exposure.sol";
import {LiveMark, MAX_SPOT_TICKS, SETTLEMENT_WINDOW, SpotState} from "./LiveMark.sol";
import {PageCopies} from "./PageCopies.sol";
import {KIND_CALL, KIND_FUTURE, KIND_PUT, PageLayout} from "./PageLayout.sol";

/// @dev Weight of an average that is final, X16.
int256 constant SETTLED_X16 = 1 << 16;

/// @dev The part behind the point of a number X16.
uint256 constant FRACTION = (1 << 16) - 1;

/// @title Values of dated instruments from half an hour before expiry on
/// @notice The spot gives way to its average: `S* = S + ((A - S) w >> 16)`, and what remains of the slope is `1 - w`. At w = 1 the value is the payoff at A,
/// for ever, and nothing that happens to the spot changes it. Until then V, convexity and slope bounds included, is that of LiveMark at S*.
/// Of what a page says that a position risks, `min(1, (1 - w) / (1 - wp))` is still open, wp the part of the average that the page knew; the rest is fixed, and
/// neither owes nor hedges anything.
/// @dev Assumption about other contracts: `IVaultPriceFeed.settlement` does not revert.
library ExpiryMark {
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

    /// @dev `Exposures.add` for a dated record whose window has begun. A settled position adds its value and nothing else.
    /// @param head Memory address of the page's head.
    /// @return whole Lots at risk, towards zero; what hedges may be taken off.
    /// @return units The same << shift, towards zero.
    /// @return loose Charge of the part of a lot that is not in `whole`, held the other way round, rounded up, ticks.
    function add(Exposure memory u, SpotState memory s, uint256 record, int256 lots, uint256 head, IVaultPriceFeed feed)
        internal
        view
        returns (int256 whole, int256 units, uint256 loose, bool settled)
    {
        unchecked {
            if (_look(s, PageLayout.expiryHour(record), u.underlying, feed)) {
                s.shareX16 = _share(uint256(SETTLED_X16 - s.weightX16), s.settlingHour * 1 hours, PageLayout.asOf(PageCopies.load(head)));
            }
            if (s.weightX16 == SETTLED_X16) {
                u.value += lots * payoff(record, s.averageTicks);
                return (0, 0, 0, true);
            }
            (int256 valueTicks, int256 deltaX22) = LiveMark.value(s.star[0], record);
            uint256 left = uint256(SETTLED_X16 - s.weightX16);
            u.value += lots * valueTicks;
            u.netX22 += lots * ((deltaX22 * int256(left)) >> 16);
            int256 sign = lots >> 255;
            uint256 size = uint256((lots ^ sign) - sign);
            u.grossLots += (size * left + FRACTION) >> 16;
            (whole, units, loose) = _risk(u, record, size * s.shareX16, sign);
        }
    }

    /// @dev Adds what is still at risk: legs rounded up; lanes towards zero, less what the part of a unit may take off any of them.
    /// @param sign Minus one if short, else zero.
    function _risk(Exposure memory u, uint256 record, uint256 sizeX16, int256 sign)
        private
        pure
        returns (int256 whole, int256 units, uint256 loose)
    {
        unchecked {
            uint256 shift = PageLayout.shift(record);
            uint256 side = uint256(sign) & 32;
            u.legs += (sizeX16 * (((record >> (112 + side)) & type(uint32).max) << shift) + FRACTION) >> 16;
            uint256 back = (record >> (144 - side)) & type(uint32).max;
            uint256 size = sizeX16 << shift;
            u.absoluteLots += (size >> 16) + (size & FRACTION == 0 ? 0 : 2 * back);
            u.vega += (int256((sizeX16 * (record >> 240)) >> 16) ^ sign) - sign;
            units = (int256(size >> 16) ^ sign) - sign;
            u.scaledLots += units;
            whole = (int256(sizeX16 >> 16) ^ sign) - sign;
            loose = ((sizeX16 & FRACTION) * (back << shift) + FRACTION) >> 16;
        }
    }

    /// @dev min(1, (1 - w) / (1 - wp)), X16. A page of after the expiry knows itself what is open.
    function _share(uint256 left, uint256 expiry, uint256 asOf) private pure returns (uint256) {
        unchecked {
            if (asOf >= expiry) return uint256(SETTLED_X16);
            uint256 known = expiry - asOf;
            if (known >= SETTLEMENT_WINDOW) return left;
            uint256 share = (left << 16) / ((known << 16) / SETTLEMENT_WINDOW);
            return share < uint256(SETTLED_X16) ? share : uint256(SETTLED_X16);
        }
    }

    /// @dev Asks the feed for an hour of expiry, unless it was the last one asked for on this page; says whether it did.
    function _look(SpotState memory s, uint256 hour, uint256 underlying, IVaultPriceFeed feed) private view returns (bool asked) {
        unchecked {
            if (s.settlingHour == hour) return false;
            (uint256 average, uint256 weight,) = feed.settlement(underlying, hour);
            s.averageTicks = int256(average < MAX_SPOT_TICKS ? average : MAX_SPOT_TICKS);
            s.weightX16 = weight < uint256(SETTLED_X16) ? int256(weight) : SETTLED_X16;
            s.settlingHour = hour;
            if (s.weightX16 != SETTLED_X16 && block.timestamp >= hour * 1 hours) s.waiting = true;
            s.star = new SpotState[](1);
            LiveMark.move(s.star[0], s.spot - s.dS, s.spot + (((s.averageTicks - s.spot) * s.weightX16) >> 16));
            return true;
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
        unchecked {
            return PageLayout.kind(terms) - KIND_FUTURE <= KIND_PUT - KIND_FUTURE;
        }
    }
}
