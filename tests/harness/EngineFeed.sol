// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Settable words in place of the feed
contract EngineFeed {
    mapping(uint256 => uint256) public words;

    function set(uint256 underlying, uint256 word) external {
        words[underlying] = word;
    }

    function load(uint256 packedUnderlyings, uint256 count) external view returns (uint256[] memory found) {
        found = new uint256[](count);
        for (uint256 i; i < count; ++i) found[i] = words[(packedUnderlyings >> (8 * i)) & 0xff];
    }
}
