// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IVaultPriceFeed} from "./IPriceFeed.sol";

/// @notice One signer's prices. Signed as EIP-712 `PriceBatch(uint64 observedAt,uint256 packedUnderlyings,uint64[] prices)`.
/// @param observedAt When the prices were observed, seconds.
/// @param prices Ticks a lot, one for each underlying; zero where the signer has none.
/// @param signature 65 bytes.
struct SignedBatch {
    uint64 observedAt;
    uint64[] prices;
    bytes signature;
}

/// @title Prices that k signers observed independently
/// @notice Every batch prices the same underlyings; what counts is the median over the batches and the oldest of their times.
interface IQuorumPriceFeed is IVaultPriceFeed {
    error BatchNotNewer(uint256 observedAt, uint256 lastObservedAt);
    error BatchFromFuture(uint256 observedAt, uint256 timestamp);
    error BatchTooOld(uint256 observedAt, uint256 timestamp);
    error WrongPriceCount(uint256 given, uint256 expected);
    error UnderlyingsUnsorted(uint256 previous, uint256 given);
    error TooManyUnderlyings(uint256 count);

    event PricePushed(uint256 indexed underlying, uint256 priceTicks, uint256 observedAt);
    event PriceSkipped(uint256 indexed underlying, uint256 observedAt);
    event SignersChanged(address[] signers, uint256 threshold);

    /// @notice Stores the medians of k or more batches. Anyone. A relayer leaves laggards out.
    /// @dev An underlying that any signer has no price for, or whose median is above 2^40 - 1, keeps its old price and grows stale, until other
    /// batches are pushed: one that has a price as new as theirs keeps it, so who pushes first stops nobody. Reverts with BatchNotNewer if nothing is newer.
    /// @param packedUnderlyings Underlying i in bits 8 i .. 8 i + 7, strictly increasing.
    /// @param count Underlyings, at most 32.
    /// @param batches By distinct current signers in increasing order of address.
    function push(uint256 packedUnderlyings, uint256 count, SignedBatch[] calldata batches) external;

    /// @notice Replaces all signers. Governor.
    /// @param newSigners Strictly increasing addresses.
    /// @param threshold Batches a push needs, 1 to their number.
    function setSigners(address[] calldata newSigners, uint256 threshold) external;

    /// @notice Removes a signer, as long as at least the threshold remain. Guardian.
    function removeSigner(address signer) external;

    /// @notice EIP-712 digest that a signer signs.
    function batchDigest(uint64 observedAt, uint256 packedUnderlyings, uint64[] calldata prices) external view returns (bytes32);

    function signers() external view returns (address[] memory);

    function quorum() external view returns (uint256);

    /// @notice Time of the newest batch.
    function lastBatchAt() external view returns (uint256);
}
