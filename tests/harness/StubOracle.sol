// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Settable words in place of the oracle
contract StubOracle {
    mapping(bool => bytes32) public bookRoot;
    mapping(bool => uint256) public state;
    mapping(bool => mapping(uint256 => uint256)) public pageWords;

    function setState(bool baseline, uint256 word) external {
        state[baseline] = word;
    }

    function setPage(bool baseline, uint256 page, uint256 word) external {
        pageWords[baseline][page] = word;
    }

    function setBookRoot(bool baseline, bytes32 root) external {
        bookRoot[baseline] = root;
    }

    function loadWithBaseline(uint256 packedPages, uint256 count) external view returns (uint256[] memory words) {
        words = load(packedPages, count, false);
        if (words[0] == 0 || words[0] >> 120 != 0 || state[true] == 0) return words;
        uint256[] memory old = load(packedPages, count, true);
        uint256[] memory both = new uint256[](2 * count + 1);
        for (uint256 i; i <= count; ++i) both[i] = words[i];
        for (uint256 i = 1; i <= count; ++i) both[count + i] = old[i];
        return both;
    }

    function load(uint256 packedPages, uint256 count, bool baseline) public view returns (uint256[] memory words) {
        words = new uint256[](count + 1);
        words[0] = state[baseline];
        if (words[0] == 0) return words;
        for (uint256 i; i < count; ++i) words[i + 1] = pageWords[baseline][(packedPages >> (8 * i)) & 0xff];
    }

    function currentManifest() external view returns (uint64 epoch, uint64 asOf, uint64 activatedAt, bytes32 root) {
        uint256 word = state[false];
        return (uint64(uint40(word >> 80)), uint64(uint40(word)), uint64(uint40(word >> 40)), bookRoot[false]);
    }
}
