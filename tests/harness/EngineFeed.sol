// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Settable words in place of the feed
contract EngineFeed {
    mapping(uint256 => uint256) public words;
    mapping(uint256 => uint256) public settlements;

    function set(uint256 underlying, uint256 word) external {
        words[underlying] = word;
    }

    /// @dev As if a feed said so of an hour of expiry.
    function setSettlement(uint256 underlying, uint256 expiryHour, uint256 averageTicks, uint256 weightX16) external {
        settlements[(expiryHour << 8) | underlying] = (averageTicks << 32) | weightX16;
    }

    function settlement(uint256 underlying, uint256 expiryHour) external view returns (uint256, uint256, bool) {
        uint256 found = settlements[(expiryHour << 8) | underlying];
        return (found >> 32, uint32(found), false);
    }

    function load(uint256 packedUnderlyings, uint256 count) external view returns (uint256[] memory found) {
        found = new uint256[](count);
        for (uint256 i; i < count; ++i) found[i] = words[(packedUnderlyings >> (8 * i)) & 0xff];
    }
}
