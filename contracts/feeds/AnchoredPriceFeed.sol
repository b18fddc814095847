// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IAnchoredPriceFeed} from "../interfaces/IAnchoredPriceFeed.sol";
import {IAnchoredFeed, IPriceFeed} from "../interfaces/IPriceFeed.sol";
import {QuorumPriceFeed} from "./QuorumPriceFeed.sol";

/// @dev Widest distance of a price from its anchor, percent of the anchor.
uint256 constant ANCHOR_BAND_PERCENT = 3;
/// @dev Gas an anchor may use. A push with too little of it left for a working anchor has not enough to end either.
uint256 constant ANCHOR_GAS = 200_000;

/// @title Prices by quorum, each held to an independent anchor
/// @dev Assumption about other contracts: none. An anchor that reverts, or uses more than ANCHOR_GAS, makes its underlying grow stale; the
/// others go on.
contract AnchoredPriceFeed is QuorumPriceFeed, IAnchoredPriceFeed {
    /* TYPES */

    /// @dev Packed 160 + 40 = 200.
    struct Anchor {
        IPriceFeed feed;
        uint40 maxAgeS;
    }

    /* STORAGE */

    mapping(uint256 => Anchor) internal anchors;

    /* CONSTRUCTOR */

    constructor(address authority) QuorumPriceFeed(authority) {}

    /* GOVERNANCE */

    /// @inheritdoc IAnchoredPriceFeed
    function setAnchor(uint256 underlying, IPriceFeed feed, uint256 maxAgeS) external restricted {
        bool usable = address(feed).code.length != 0 && address(feed) != address(this);
        require(usable && maxAgeS != 0 && maxAgeS <= type(uint32).max, AnchorUnusable(underlying));
        anchors[underlying] = Anchor({feed: feed, maxAgeS: uint40(maxAgeS)});
        emit AnchorSet(underlying, address(feed), maxAgeS);
    }

    /* VIEWS */

    /// @inheritdoc IAnchoredFeed
    function hasAnchor(uint256 underlying) external view returns (bool) {
        return address(anchors[underlying].feed) != address(0);
    }

    /// @inheritdoc IAnchoredPriceFeed
    function anchor(uint256 underlying) external view returns (address feed, uint256 maxAgeS) {
        return (address(anchors[underlying].feed), anchors[underlying].maxAgeS);
    }

    /* INTERNALS */

    /// @inheritdoc QuorumPriceFeed
    function _accepts(uint256 underlying, uint256 priceTicks) internal override returns (bool) {
        (uint256 anchored, uint256 observedAt) = _anchorPrice(underlying);
        uint256 apart = priceTicks > anchored ? priceTicks - anchored : anchored - priceTicks;
        if (anchored != 0 && apart * 100 <= anchored * ANCHOR_BAND_PERCENT) return true;
        emit AnchorDisagreed(underlying, priceTicks, anchored, observedAt);
        return false;
    }

    /// @dev Zero if there is no anchor, or it is older than its limit, or it does not answer.
    function _anchorPrice(uint256 underlying) private view returns (uint256 priceTicks, uint256 observedAt) {
        Anchor memory current = anchors[underlying];
        bytes memory call = abi.encodeCall(IPriceFeed.price, (underlying));
        (bool answered, bytes memory answer) = address(current.feed).staticcall{gas: ANCHOR_GAS}(call);
        if (!answered || answer.length < 64) return (0, 0);
        (priceTicks, observedAt) = abi.decode(answer, (uint256, uint256));
        bool fresh = observedAt >= block.timestamp || block.timestamp - observedAt <= current.maxAgeS;
        if (!fresh || priceTicks > type(uint64).max) priceTicks = 0;
    }
}
