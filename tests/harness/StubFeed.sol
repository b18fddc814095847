// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IAnchoredFeed, IPriceFeed} from "../../contracts/interfaces/IPriceFeed.sol";

/// @title A feed that says what it is told
contract StubFeed is IPriceFeed, IAnchoredFeed {
    struct Entry {
        uint64 price;
        uint40 observedAt;
        uint40 freshSince;
        uint256 priceSeconds;
        uint256 secondsSum;
    }

    mapping(uint256 => Entry) internal entries;
    uint256 public liveSeconds;
    uint256 internal lastAt;

    function push(uint256[] calldata underlyings, uint64[] calldata prices, uint40 observedAt) external {
        if (lastAt != 0 && observedAt - lastAt <= 120) liveSeconds += observedAt - lastAt;
        lastAt = observedAt;
        for (uint256 i; i < underlyings.length; ++i) {
            Entry storage entry = entries[underlyings[i]];
            if (entry.observedAt == 0 || observedAt - entry.observedAt > 120) {
                entry.freshSince = observedAt;
            } else {
                entry.priceSeconds += uint256(entry.price) * (observedAt - entry.observedAt);
                entry.secondsSum += observedAt - entry.observedAt;
            }
            (entry.price, entry.observedAt) = (prices[i], observedAt);
        }
    }

    function hasAnchor(uint256) external pure returns (bool) {
        return true;
    }

    function price(uint256 underlying) external view returns (uint256 priceTicks, uint256 observedAt) {
        return (entries[underlying].price, entries[underlying].observedAt);
    }

    function load(uint256 packedUnderlyings, uint256 count) external view returns (uint256[] memory words) {
        words = new uint256[](count);
        for (uint256 i; i < count; ++i) {
            Entry storage entry = entries[(packedUnderlyings >> (8 * i)) & 0xff];
            words[i] = uint256(entry.price) | (uint256(entry.observedAt) << 64) | (uint256(entry.freshSince) << 104);
        }
    }

    function cumulative(uint256 underlying) external view returns (uint256 priceSeconds, uint256 secondsSum) {
        return (entries[underlying].priceSeconds, entries[underlying].secondsSum);
    }
}
