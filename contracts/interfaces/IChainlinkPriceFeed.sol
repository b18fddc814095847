// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IAggregatorV3} from "./IAggregatorV3.sol";
import {IPriceFeed} from "./IPriceFeed.sol";

/// @title Prices of AggregatorV3 oracles in ticks for one lot
/// @notice price = floor(answer lotSizeWad 10^tokenDecimals / (10^decimals 1e18 tick))
interface IChainlinkPriceFeed is IPriceFeed {
    error AggregatorUnusable(uint256 underlying);

    event AggregatorSet(uint256 indexed underlying, address aggregator, uint256 lotSizeWad);

    /// @notice Sets the aggregator of an underlying, quoted in the settlement token's currency. Governor.
    /// @param lotSizeWad Units of the underlying in one lot, 1e18 = 1.
    function setAggregator(uint256 underlying, IAggregatorV3 aggregator, uint256 lotSizeWad) external;

    function aggregatorOf(uint256 underlying) external view returns (address);
}
