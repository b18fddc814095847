// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IAnchoredFeed, IPriceFeed} from "./IPriceFeed.sol";

/// @title Prices by quorum, each held to an independent anchor
/// @notice A price further than 3% from a fresh anchor is not taken, so its underlying grows stale; the others go on.
interface IAnchoredPriceFeed is IAnchoredFeed {
    error AnchorUnusable(uint256 underlying);

    event AnchorSet(uint256 indexed underlying, address feed, uint256 maxAgeS);
    /// @param anchorTicks Zero if the anchor is missing, old or does not answer.
    event AnchorDisagreed(uint256 indexed underlying, uint256 priceTicks, uint256 anchorTicks, uint256 anchorObservedAt);

    /// @notice Sets the independent feed of an underlying. Governor.
    /// @dev Warning: nothing checks that it is independent of this feed's signers.
    /// @param maxAgeS Oldest anchor that counts, seconds.
    function setAnchor(uint256 underlying, IPriceFeed feed, uint256 maxAgeS) external;

    function anchor(uint256 underlying) external view returns (address feed, uint256 maxAgeS);
}
