// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title A feed whose words are written by the test
contract ScriptedFeed {
    mapping(uint256 => uint256) internal words;
    mapping(uint256 => bool) public hasAnchor;
    bool public isFixed;

    function set(uint256 underlying, uint256 priceTicks, uint256 observedAt) external {
        words[underlying] = priceTicks | (observedAt << 64) | (observedAt << 104);
    }

    function setAnchored(uint256 underlying, bool anchored) external {
        hasAnchor[underlying] = anchored;
    }

    /// @dev Whether everything that expired has its settlement price.
    function setFixed(bool fixed_) external {
        isFixed = fixed_;
    }

    function settlement(uint256, uint256) external view returns (uint256, uint256, bool) {
        return (1, isFixed ? 1 << 16 : 0, isFixed);
    }

    function price(uint256 underlying) external view returns (uint256 priceTicks, uint256 observedAt) {
        return (uint64(words[underlying]), uint40(words[underlying] >> 64));
    }

    function load(uint256 packedUnderlyings, uint256 count) external view returns (uint256[] memory loaded) {
        loaded = new uint256[](count);
        for (uint256 i; i < count; ++i) loaded[i] = words[(packedUnderlyings >> (8 * i)) & 0xff];
    }
}
