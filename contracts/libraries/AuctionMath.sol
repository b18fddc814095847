// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @dev One, for fractions and factors.
uint256 constant WAD = 1e18;
/// @dev k when an auction starts.
uint256 constant PREMIUM_START_WAD = 0.02e18;
/// @dev k at the end of the first leg.
uint256 constant PREMIUM_KNEE_WAD = 0.2e18;
/// @dev Largest k.
uint256 constant PREMIUM_MAX_WAD = 0.9e18;
/// @dev Live time of the first leg.
uint256 constant KNEE_SECONDS = 20 minutes;
/// @dev Growth of k an hour after the first leg.
uint256 constant PREMIUM_GROWTH_WAD = 0.2e18;
/// @dev Live seconds at which k becomes the largest: 20 minutes and three and a half hours.
uint256 constant PREMIUM_MAX_SECONDS = 230 minutes;
/// @dev T: equity over maintenance that a slice may restore.
uint256 constant TARGET_HEALTH_WAD = 1.2e18;

/// @title Premium of an auction and who bears it
/// @notice E is equity, M the maintenance requirement, k the premium factor. Every rounding is against the buyer or for the account.
library AuctionMath {
    /// @dev k(t) = 0.02 + 0.18 min(t, 20 min) / 20 min, then + 0.2 an hour, at most 0.9. Rounded down, 1e18 = 1.
    function premiumFactorWad(uint256 liveSeconds) internal pure returns (uint256) {
        if (liveSeconds < KNEE_SECONDS) {
            return PREMIUM_START_WAD + (PREMIUM_KNEE_WAD - PREMIUM_START_WAD) * liveSeconds / KNEE_SECONDS;
        }
        if (liveSeconds >= PREMIUM_MAX_SECONDS) return PREMIUM_MAX_WAD;
        return PREMIUM_KNEE_WAD + PREMIUM_GROWTH_WAD * (liveSeconds - KNEE_SECONDS) / 1 hours;
    }

    /// @dev Largest fraction on sale: `ceil((T M - E) / ((T - k) M))` if `E >= k M`, else all. 1e18 = all; needs `E < M`.
    function largestFractionWad(int256 equity, uint256 maintenance, uint256 kWad) internal pure returns (uint256) {
        if (equity <= 0 || uint256(equity) * WAD < kWad * maintenance) return WAD;
        uint256 missing = TARGET_HEALTH_WAD * maintenance - uint256(equity) * WAD;
        return Math.mulDiv(missing, WAD, (TARGET_HEALTH_WAD - kWad) * maintenance, Math.Rounding.Ceil);
    }

    /// @dev What account and fund bear of the whole book's premium:
    /// `a = min(floor(k M), max(E, 0))`, `b = min(floor(k M) - a, floor((k - 0.02) M))`.
    function bearers(int256 equity, uint256 maintenance, uint256 kWad) internal pure returns (uint256 a, uint256 b) {
        uint256 whole = kWad * maintenance / WAD;
        a = equity <= 0 ? 0 : Math.min(whole, uint256(equity));
        b = Math.min(whole - a, (kWad - PREMIUM_START_WAD) * maintenance / WAD);
    }

    /// @dev `R = min(floor(f M), M - M')`, zero if M' > M.
    function removed(uint256 maintenance, uint256 fractionWad, uint256 maintenanceAfter) internal pure returns (uint256) {
        return Math.min(fractionWad * maintenance / WAD, Math.saturatingSub(maintenance, maintenanceAfter));
    }

    /// @dev `premium = floor((a + b) R / M)`, `fromShare = floor(a R / M)`, less the hole `ceil(-E R / M)` (`ceil(-E f)` if M = 0) that is filled.
    /// Without the fund the account bears the premium alone, and no hole is filled.
    function split(
        int256 equity,
        uint256 maintenance,
        uint256 kWad,
        uint256 fractionWad,
        uint256 maintenanceAfter,
        bool fundPays
    ) internal pure returns (uint256 premium, int256 fromShare) {
        (uint256 a, uint256 b) = bearers(equity, maintenance, kWad);
        uint256 part = removed(maintenance, fractionWad, maintenanceAfter);
        uint256 whole = maintenance;
        if (maintenance == 0) (part, whole) = (fractionWad, WAD);
        premium = Math.mulDiv(a + b, part, whole);
        if (!fundPays) return (premium, int256(premium));
        fromShare = int256(Math.mulDiv(a, part, whole));
        if (equity < 0) fromShare = -int256(Math.mulDiv(uint256(-equity), part, whole, Math.Rounding.Ceil));
    }
}
