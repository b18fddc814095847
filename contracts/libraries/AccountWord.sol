// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @dev Positions that trading may open in one account, over all its pages.
uint256 constant MAX_TRADED_POSITIONS = 64;
/// @dev Positions that purchases from auctions may reach in one account, over all its pages.
uint256 constant MAX_POSITIONS = 128;
/// @dev Pages an account may hold positions on.
uint256 constant MAX_PAGES = 6;
/// @dev Flag of an account that is being auctioned.
uint256 constant FLAG_AUCTION = 1;
/// @dev Flag of an account that was settled in a wind-down: what it still holds is collateral, for which nobody waits.
uint256 constant FLAG_SETTLED = 2;

/// @title The word of an account
/// @notice `cash int104 (152) | block of the last health check 40 (112) | flags 16 (96) | 6 x (count 8, page 8)`
/// In an auction the 40 bits of the block are `live seconds at its start 39 (1) | proven 1`; after it they are zero.
/// The page list is dense from the lowest bits up: entry i is bits 16 i .. 16 i + 15, page id in its low byte, number of positions in its
/// high byte; an entry of zero ends the list. An account is `owner << 96 | index`, so its owner needs no storage.
library AccountWord {
    /// @dev Cash does not fit 104 signed bits.
    error CashOutOfRange(int256 cash);

    function owner(bytes32 account) internal pure returns (address) {
        return address(bytes20(account));
    }

    /// @dev Cash in settlement token units; negative for, say, a long position that was paid for with it.
    function cash(uint256 word) internal pure returns (int256) {
        return int256(word) >> 152;
    }

    function withCash(uint256 word, int256 newCash) internal pure returns (uint256) {
        require(newCash == int256(int104(newCash)), CashOutOfRange(newCash));
        return (word & ((1 << 152) - 1)) | (uint256(newCash) << 152);
    }

    function lastCheckBlock(uint256 word) internal pure returns (uint256) {
        return (word >> 112) & type(uint40).max;
    }

    function withLastCheckBlock(uint256 word, uint256 blockNumber) internal pure returns (uint256) {
        return (word & ~(uint256(type(uint40).max) << 112)) | ((blockNumber & type(uint40).max) << 112);
    }

    function inAuction(uint256 word) internal pure returns (bool) {
        return (word >> 96) & FLAG_AUCTION != 0;
    }

    /// @dev The word of an account whose auction begins; the mark takes the place of the block, as no check can be met meanwhile.
    function withAuction(uint256 word, uint256 mark) internal pure returns (uint256) {
        return withLastCheckBlock(word, mark) | (FLAG_AUCTION << 96);
    }

    /// @dev The word of an account that is not, or no longer, being auctioned: cash, whether it is settled, and the page list.
    function withoutAuction(uint256 word) internal pure returns (uint256) {
        return ((word >> 152) << 152) | (word & ((FLAG_SETTLED << 96) | type(uint96).max));
    }

    /// @dev What an account in auction is marked with: live seconds at the start, below 2^39, and whether only a proof could begin it.
    function auctionMark(uint256 live, bool proven) internal pure returns (uint256) {
        return (live << 1) | (proven ? 1 : 0);
    }

    /// @dev Live seconds at the start of an auction.
    function startedLive(uint256 word) internal pure returns (uint256) {
        return lastCheckBlock(word) >> 1;
    }

    /// @dev Whether only a proof could begin an auction.
    function provenAuction(uint256 word) internal pure returns (bool) {
        return lastCheckBlock(word) & 1 != 0;
    }

    /// @dev The page list, at most six entries of `count 8 | page 8`.
    function pages(uint256 word) internal pure returns (uint256) {
        return uint256(uint96(word));
    }

    function hasPositions(uint256 word) internal pure returns (bool) {
        return uint96(word) != 0;
    }

    /// @dev The word of an account that a wind-down has settled.
    function withSettled(uint256 word) internal pure returns (uint256) {
        return word | (FLAG_SETTLED << 96);
    }

    /// @dev Whether the account holds positions that a wind-down would still have to turn into cash, or collateral in normal times.
    function isOpen(uint256 word) internal pure returns (bool) {
        return hasPositions(word) && (word >> 96) & FLAG_SETTLED == 0;
    }

    /// @dev Positions over all pages.
    function positions(uint256 word) internal pure returns (uint256 count) {
        for (uint256 list = uint96(word); list != 0; list >>= 16) count += (list >> 8) & 0xff;
    }
}
