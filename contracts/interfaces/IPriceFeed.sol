// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title A source of prices of underlyings
/// @notice Prices are whole ticks for one lot of the underlying, at most 2^40 - 1. Times are seconds since 1970.
interface IPriceFeed {
    /// @notice Price of one underlying.
    /// @dev Warning: does not revert when the price is old or absent (0); the caller judges `observedAt`.
    /// @return priceTicks Price of one lot, ticks. Zero if there never was one.
    /// @return observedAt When the price was observed.
    function price(uint256 underlying) external view returns (uint256 priceTicks, uint256 observedAt);

    /// @notice Prices of several underlyings in one call.
    /// @param packedUnderlyings Underlying i in bits 8 i .. 8 i + 7.
    /// @param count At most 32.
    /// @return words For each: `price 64 | observedAt 40 (64) | freshSince 40 (104)`; freshSince is when the present run of prices
    /// without a gap longer than the largest allowed age began.
    function load(uint256 packedUnderlyings, uint256 count) external view returns (uint256[] memory words);
}

/// @title A price feed that a vault can rest on
/// @notice Adds a clock that only runs while batches arrive, and time-weighted sums.
interface IVaultPriceFeed is IPriceFeed {
    /// @notice Seconds during which batches arrived without a gap longer than the largest allowed age. Changes only when a batch arrives.
    function liveSeconds() external view returns (uint256);

    /// @notice Sum of price times live seconds, and the live seconds themselves, since the underlying's first price.
    /// The average between two readings is the quotient of the differences.
    function cumulative(uint256 underlying) external view returns (uint256 priceSeconds, uint256 secondsSum);
}

/// @title A price feed whose prices are held to independent ones
interface IAnchoredFeed {
    /// @notice True if a price of this underlying is accepted only near an independent one.
    function hasAnchor(uint256 underlying) external view returns (bool);
}
