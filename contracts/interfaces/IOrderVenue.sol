// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Certificate} from "./IMarginVault.sol";

/// @notice A limit order.
/// @param lots Signed lots: positive buys.
/// @param priceTicks Worst price a lot.
/// @param maxFee Most fee over the whole size, settlement token units; a partial fill may be charged its share, rounded down.
/// @param expiry Last second at which it may be filled.
/// @param nonce Any number not below the account's least nonce and not spent. Orders may share one: the first that is filled whole, or a cancellation, spends it
/// for all of them. Neighbours cost least: 128 nonces share a word.
/// @param reduceOnly If set, a fill may not grow or flip the position.
struct Order {
    bytes32 account;
    uint8 page;
    uint8 slot;
    uint16 generation;
    int64 lots;
    uint64 priceTicks;
    uint128 maxFee;
    uint40 expiry;
    uint64 nonce;
    bool reduceOnly;
}

/// @title Settles two signed orders
/// @notice What an order book, an RFQ desk or an intent solver calls.
interface IOrderVenue {
    error OrderZero();
    error OrderExpired(uint256 expiry);
    error NonceSpent(bytes32 account, uint256 nonce);
    error OrderOverfilled(bytes32 digest, uint256 filled, uint256 size);
    error BadSignature(bytes32 account);
    error InstrumentsDiffer();
    error SidesEqual();
    error PricesDoNotCross(uint256 buyTicks, uint256 sellTicks);
    error NotReducing(bytes32 account);
    error NotAuthorised(bytes32 account, address caller);
    error NonceNotRaised(uint256 nonce, uint256 leastNonce);
    error FeeTooLarge(uint256 feeBps);

    event OrderFilled(bytes32 indexed digest, bytes32 indexed account, int256 lots, uint256 priceTicks, uint256 fee);
    event NonceCancelled(bytes32 indexed account, uint256 nonce);
    event LeastNonceRaised(bytes32 indexed account, uint256 nonce);
    event FeesSet(uint256 takerFeeBps, uint256 makerFeeBps);

    /// @notice Sets what the venue charges, basis points of the notional traded. Governor only.
    /// @dev An order is never charged more than its share of `maxFee`, whatever is set here.
    function setFees(uint256 newTakerFeeBps, uint256 newMakerFeeBps) external;

    /// @notice Withdraws the venue's share of fees from its account in the vault. Governor only.
    /// @param value Settlement token units.
    /// @return paid What arrived, after the account's share of a deficit.
    function collectFees(uint256 value, address to) external returns (uint256 paid);

    /// @notice Fills `lots` of the taker's order against the maker's, at the maker's price. Anyone may call.
    /// @param takerSignature EIP-712 signature by the owner or an operator of the taker's account (or ERC-1271 of its owner).
    /// @param lots Unsigned lots.
    function fill(
        Order calldata taker,
        bytes calldata takerSignature,
        Order calldata maker,
        bytes calldata makerSignature,
        uint256 lots,
        Certificate[] calldata takerCertificates,
        Certificate[] calldata makerCertificates
    ) external;

    /// @notice Cancels one nonce. Owner or operator.
    function cancel(bytes32 account, uint256 nonce) external;

    /// @notice Cancels every nonce below this one. Owner or operator.
    function cancelBelow(bytes32 account, uint256 nonce) external;

    function orderDigest(Order calldata order) external view returns (bytes32);

    /// @notice Lots filled so far of an order that was filled in part; zero again once it is filled whole and its nonce spent.
    function filledLots(bytes32 digest) external view returns (uint256);

    /// @notice True if an order with this nonce was filled whole, or it was cancelled by itself or with all below some nonce: no order with it can be filled.
    function nonceSpent(bytes32 account, uint256 nonce) external view returns (bool);

    /// @notice Every nonce below this one is cancelled.
    function leastNonce(bytes32 account) external view returns (uint256);

    /// @notice Charged to the taker, basis points of the notional.
    function takerFeeBps() external view returns (uint256);

    /// @notice Charged to the maker, basis points of the notional.
    function makerFeeBps() external view returns (uint256);
}
