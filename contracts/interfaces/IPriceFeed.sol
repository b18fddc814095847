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
    error SettlementTooEarly(uint256 underlying, uint256 expiryHour);

    /// @param priceTicks Final price of everything on the underlying that expires in that hour, ticks.
    event SettlementFixed(uint256 indexed underlying, uint256 indexed expiryHour, uint256 priceTicks);

    /// @notice Stores the settlement price of an hour of expiry for ever. Anyone, any number of times, as soon as nothing can change it any more. Who
    /// calls, and when, makes no difference to the price.
    /// @param expiryHour Hours since 1970.
    /// @return priceTicks Ticks for one lot.
    function fixSettlement(uint256 underlying, uint256 expiryHour) external returns (uint256 priceTicks);

    /// @notice How far the price of dated instruments has given way to its average over the half hour before expiry.
    /// @dev Does not revert. After expiry the weight is 1 once no later price can change the average, whether or not it was fixed.
    /// @return averageTicks Time-weighted average so far; the last price while the weight is 0; ticks for one lot.
    /// @return weightX16 Elapsed share of the half hour at the newest price's time, 2^16 = 1.
    /// @return isFixed Whether the price was stored by `fixSettlement`.
    function settlement(uint256 underlying, uint256 expiryHour)
        external
        view
        returns (uint256 averageTicks, uint256 weightX16, bool isFixed);

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
