// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @dev 100% in basis points.
uint256 constant BPS = 10_000;
/// @dev Discount of a conversion the moment a debt is flagged, basis points.
uint256 constant DISCOUNT_START_BPS = 50;
/// @dev Discount an hour later, and from then on, basis points.
uint256 constant DISCOUNT_MAX_BPS = 500;
/// @dev Time in which the discount grows from one to the other.
uint256 constant DISCOUNT_SECONDS = 60 minutes;
/// @dev What a wind-down, whose prices stand still, adds to that for every day after, basis points.
uint256 constant FINAL_DISCOUNT_BPS_PER_DAY = 500;
/// @dev Largest discount of a wind-down, basis points.
uint256 constant FINAL_DISCOUNT_MAX_BPS = 9_000;
/// @dev Part of a holding that may leave in an hour, from accounts with other positions.
uint256 constant OUTFLOW_DIVISOR = 10;

/// @title What collateral costs
library CollateralMath {
    /// @dev 50 + floor(450 min(t, 1 h) / 1 h)
    function discountBps(uint256 elapsedS) internal pure returns (uint256) {
        uint256 counted = Math.min(elapsedS, DISCOUNT_SECONDS);
        return DISCOUNT_START_BPS + (DISCOUNT_MAX_BPS - DISCOUNT_START_BPS) * counted / DISCOUNT_SECONDS;
    }

    /// @dev min(discount(t) + floor(500 max(t - 1 h, 0) / 1 day), 9000)
    function finalDiscountBps(uint256 elapsedS) internal pure returns (uint256) {
        uint256 later = Math.saturatingSub(elapsedS, DISCOUNT_SECONDS);
        return Math.min(discountBps(elapsedS) + FINAL_DISCOUNT_BPS_PER_DAY * later / 1 days, FINAL_DISCOUNT_MAX_BPS);
    }

    /// @dev n = min(maxLots, ceil(10000 owed / p)), p = lotValue (10000 - discount); and ceil(n p / 10000), what they cost. Nothing if p is zero.
    function conversion(uint256 maxLots, uint256 owed, uint256 lotValue, uint256 discount)
        internal
        pure
        returns (uint256 lots, uint256 paid)
    {
        uint256 price = lotValue * (BPS - discount);
        if (price == 0) return (0, 0);
        lots = Math.min(maxLots, Math.ceilDiv(owed * BPS, price));
        paid = Math.ceilDiv(lots * price, BPS);
    }

    /// @dev floor(owed indexed / (10000 365 days)), indexed in basis points seconds.
    function interest(uint256 owed, uint256 indexed_) internal pure returns (uint256) {
        return owed * indexed_ / (BPS * 365 days);
    }

    /// @dev max(1, floor(lots / 10))
    function outflowLots(uint256 lots) internal pure returns (uint256) {
        return Math.max(lots / OUTFLOW_DIVISOR, 1);
    }
}
