// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IPriceFeed, IVaultPriceFeed} from "../interfaces/IPriceFeed.sol";
import {IQuorumPriceFeed, SignedBatch} from "../interfaces/IQuorumPriceFeed.sol";
import {CHECKPOINT_PERIOD, Checkpoint, ExpiryAverage, FULL_WEIGHT_X16, Newest, SETTLEMENT_EXTENSION} from "../libraries/ExpiryAverage.sol";
import {Median} from "../libraries/Median.sol";
import {Quorum, SignerSet} from "../libraries/Quorum.sol";
import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

/// @dev EIP-712 type of a batch.
bytes32 constant BATCH_TYPEHASH = keccak256("PriceBatch(uint64 observedAt,uint256 packedUnderlyings,uint64[] prices)");
/// @dev Oldest batch that is taken, and longest gap over which the clock and the averages run.
uint256 constant MAX_BATCH_AGE = 120 seconds;
/// @dev Underlyings in one batch.
uint256 constant MAX_BATCH_UNDERLYINGS = 32;
/// @dev Largest price of one lot, ticks.
uint256 constant MAX_PRICE_TICKS = type(uint40).max;

/// @title Prices that k signers observed independently
/// @dev Whoever inherits decides which medians are accepted.
abstract contract QuorumPriceFeed is IQuorumPriceFeed, AccessManaged, EIP712 {
    using Quorum for SignerSet;

    /* TYPES */

    /// @dev Packed 40 + 64 = 104.
    struct Clock {
        uint40 lastBatchAt;
        uint64 liveSeconds;
    }

    /// @dev Half a slot: 48 + 40 + 40 = 128.
    struct Quote {
        uint48 price;
        uint40 observedAt;
        uint40 freshSince;
    }

    /// @dev Half a slot: 88 + 40 = 128.
    struct Total {
        uint88 priceSeconds;
        uint40 secondsSum;
    }

    /* STORAGE */

    SignerSet internal signerSet;
    Clock internal clock;
    Quote[256] internal quotes;
    Total[256] internal totals;
    /// @dev ExpiryAverage.keyOf(underlying, boundary) => sums at a multiple of half an hour
    mapping(uint256 => Checkpoint) internal checkpoints;
    /// @dev ExpiryAverage.keyOf(underlying, expiryHour) => final price, ticks
    mapping(uint256 => uint256) internal settlements;

    /* CONSTRUCTOR */

    constructor(address authority) AccessManaged(authority) EIP712("Seawall Price Feed", "1") {}

    /* GOVERNANCE */

    /// @inheritdoc IQuorumPriceFeed
    function setSigners(address[] calldata newSigners, uint256 threshold) external restricted {
        signerSet.replace(newSigners, threshold);
        emit SignersChanged(newSigners, threshold);
    }

    /// @inheritdoc IQuorumPriceFeed
    function removeSigner(address signer) external restricted {
        signerSet.remove(signer);
        emit SignersChanged(signerSet.list, signerSet.threshold);
    }

    /* RELAYERS */

    /// @inheritdoc IQuorumPriceFeed
    function push(uint256 packedUnderlyings, uint256 count, SignedBatch[] calldata batches) external {
        require(count <= MAX_BATCH_UNDERLYINGS, TooManyUnderlyings(count));
        uint256 observedAt = _verify(packedUnderlyings, count, batches);
        bool newer = _tickClock(observedAt);
        uint256[] memory column = new uint256[](batches.length);
        uint256 previous = 0;
        for (uint256 i; i < count; ++i) {
            uint256 underlying = (packedUnderlyings >> (8 * i)) & 0xff;
            require(i == 0 || underlying > previous, UnderlyingsUnsorted(previous, underlying));
            previous = underlying;
            for (uint256 j; j < batches.length; ++j) column[j] = batches[j].prices[i];
            Median.sort(column);
            uint256 median = Median.ofSorted(column);
            bool usable = observedAt > quotes[underlying].observedAt && column[0] != 0 && median <= MAX_PRICE_TICKS;
            if (usable && _accepts(underlying, median)) {
                _record(underlying, median, observedAt);
                newer = true;
            } else {
                emit PriceSkipped(underlying, observedAt);
            }
        }
        require(newer, BatchNotNewer(observedAt, clock.lastBatchAt));
    }

    /// @inheritdoc IVaultPriceFeed
    function fixSettlement(uint256 underlying, uint256 expiryHour) external returns (uint256 priceTicks) {
        uint256 key = ExpiryAverage.keyOf(underlying, expiryHour);
        priceTicks = settlements[key];
        if (priceTicks != 0) return priceTicks;
        uint256 weightX16;
        if (_isExpiry(underlying, expiryHour)) {
            (priceTicks, weightX16) =
                ExpiryAverage.settlement(checkpoints, _newest(underlying), expiryHour, block.timestamp, type(uint256).max);
        }
        require(weightX16 == FULL_WEIGHT_X16 && priceTicks != 0, SettlementTooEarly(underlying, expiryHour));
        settlements[key] = priceTicks;
        emit SettlementFixed(underlying, expiryHour, priceTicks);
    }

    /* VIEWS */

    /// @inheritdoc IVaultPriceFeed
    function settlement(uint256 underlying, uint256 expiryHour)
        external
        view
        returns (uint256 averageTicks, uint256 weightX16, bool isFixed)
    {
        if (!_isExpiry(underlying, expiryHour)) return (0, 0, false);
        averageTicks = settlements[ExpiryAverage.keyOf(underlying, expiryHour)];
        if (averageTicks != 0) return (averageTicks, FULL_WEIGHT_X16, true);
        (averageTicks, weightX16) = ExpiryAverage.settlement(
            checkpoints, _newest(underlying), expiryHour, block.timestamp, SETTLEMENT_EXTENSION + 2
        );
    }

    /// @inheritdoc IPriceFeed
    function price(uint256 underlying) external view returns (uint256 priceTicks, uint256 observedAt) {
        if (underlying > type(uint8).max) return (0, 0);
        Quote memory quote = quotes[underlying];
        return (quote.price, quote.observedAt);
    }

    /// @inheritdoc IPriceFeed
    function load(uint256 packedUnderlyings, uint256 count) external view returns (uint256[] memory) {
        // a Quote is price 48, observedAt 40 (48), freshSince 40 (88); encoded where they are returned from
        assembly ("memory-safe") {
            let at := mload(0x40)
            mstore(at, 0x20)
            mstore(add(at, 0x20), count)
            let into := add(at, 0x40)
            for { let end := add(into, shl(5, count)) } lt(into, end) { into := add(into, 0x20) } {
                let quote := sload(add(quotes.slot, and(packedUnderlyings, 0xff)))
                mstore(into, or(and(quote, 0xffffffffffff), shl(64, shr(48, quote))))
                packedUnderlyings := shr(8, packedUnderlyings)
            }
            return(at, sub(into, at))
        }
    }

    /// @inheritdoc IVaultPriceFeed
    function liveSeconds() external view returns (uint256) {
        return clock.liveSeconds;
    }

    /// @inheritdoc IVaultPriceFeed
    function cumulative(uint256 underlying) external view returns (uint256 priceSeconds, uint256 secondsSum) {
        if (underlying > type(uint8).max) return (0, 0);
        Total memory total = totals[underlying];
        return (total.priceSeconds, total.secondsSum);
    }

    /// @inheritdoc IQuorumPriceFeed
    function batchDigest(uint64 observedAt, uint256 packedUnderlyings, uint64[] calldata prices)
        public
        view
        returns (bytes32)
    {
        bytes32 packedPrices = keccak256(abi.encodePacked(prices));
        return _hashTypedDataV4(keccak256(abi.encode(BATCH_TYPEHASH, observedAt, packedUnderlyings, packedPrices)));
    }

    /// @inheritdoc IQuorumPriceFeed
    function signers() external view returns (address[] memory) {
        return signerSet.list;
    }

    /// @inheritdoc IQuorumPriceFeed
    function quorum() external view returns (uint256) {
        return signerSet.threshold;
    }

    /// @inheritdoc IQuorumPriceFeed
    function lastBatchAt() external view returns (uint256) {
        return clock.lastBatchAt;
    }

    /* INTERNALS */

    /// @dev Whether a median may be stored. Must not revert, or one underlying stops the others.
    function _accepts(uint256 underlying, uint256 priceTicks) internal virtual returns (bool);

    /// @dev Checks who signed; returns the oldest time.
    function _verify(uint256 packedUnderlyings, uint256 count, SignedBatch[] calldata batches)
        private
        view
        returns (uint256 oldest)
    {
        signerSet.requireEnough(batches.length);
        address previous = address(0);
        oldest = type(uint256).max;
        for (uint256 j; j < batches.length; ++j) {
            SignedBatch calldata batch = batches[j];
            require(batch.prices.length == count, WrongPriceCount(batch.prices.length, count));
            require(batch.observedAt <= block.timestamp, BatchFromFuture(batch.observedAt, block.timestamp));
            if (batch.observedAt < oldest) oldest = batch.observedAt;
            bytes32 digest = batchDigest(batch.observedAt, packedUnderlyings, batch.prices);
            previous = signerSet.verifyNext(digest, batch.signature, previous);
        }
        require(oldest + MAX_BATCH_AGE >= block.timestamp, BatchTooOld(oldest, block.timestamp));
    }

    /// @dev Adds the gap since the newest batch, unless it is too long to have been live; says whether there is any.
    function _tickClock(uint256 observedAt) private returns (bool newer) {
        Clock memory current = clock;
        if (observedAt <= current.lastBatchAt) return false;
        uint256 gap = observedAt - current.lastBatchAt;
        if (gap <= MAX_BATCH_AGE) current.liveSeconds += uint64(gap);
        current.lastBatchAt = uint40(observedAt);
        clock = current;
        return true;
    }

    /// @dev Whether these are an underlying and an hour that a record can name.
    function _isExpiry(uint256 underlying, uint256 expiryHour) private pure returns (bool) {
        return underlying <= type(uint8).max && expiryHour != 0 && expiryHour <= type(uint24).max;
    }

    function _newest(uint256 underlying) private view returns (Newest memory) {
        Quote memory quote = quotes[underlying];
        Total memory total = totals[underlying];
        return Newest(underlying, quote.price, quote.observedAt, total.priceSeconds, total.secondsSum);
    }

    /// @dev Stores a price; over a live gap the price before it counts for the average.
    function _record(uint256 underlying, uint256 priceTicks, uint256 observedAt) private {
        Quote memory quote = quotes[underlying];
        uint256 gap = observedAt - quote.observedAt;
        if (quote.observedAt / CHECKPOINT_PERIOD != observedAt / CHECKPOINT_PERIOD) {
            ExpiryAverage.observe(checkpoints, _newest(underlying), observedAt, gap <= MAX_BATCH_AGE);
        }
        if (gap <= MAX_BATCH_AGE) {
            Total memory total = totals[underlying];
            total.priceSeconds += uint88(quote.price * gap);
            total.secondsSum += uint40(gap);
            totals[underlying] = total;
        } else {
            quote.freshSince = uint40(observedAt);
        }
        (quote.price, quote.observedAt) = (uint48(priceTicks), uint40(observedAt));
        quotes[underlying] = quote;
        emit PricePushed(underlying, priceTicks, observedAt);
    }
}
