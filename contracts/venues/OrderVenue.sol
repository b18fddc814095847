// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccountWord} from "../libraries/AccountWord.sol";
import {IMarginVault, Certificate, Fill} from "../interfaces/IMarginVault.sol";
import {IOrderVenue, Order} from "../interfaces/IOrderVenue.sol";
import {IInstrumentRegistry} from "../interfaces/IInstrumentRegistry.sol";
import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

/// @dev Type of an order, EIP-712.
bytes32 constant ORDER_TYPEHASH = keccak256(
    "Order(bytes32 account,uint8 page,uint8 slot,uint16 generation,int64 lots,uint64 priceTicks,uint128 maxFee,uint40 expiry,uint64 nonce,bool reduceOnly)"
);
/// @dev Largest fee the governor may set, of the notional traded.
uint256 constant MAX_FEE_BPS = 100;

/// @dev Above every nonce an order can have: what cancels below it cancels everything.
uint256 constant NONCE_END = 1 << 64;
/// @dev Two to this power is the number of nonces in a word.
uint256 constant NONCES_BITS = 7;

/// @title Settles two signed orders
/// @dev Assumptions about the vault, which audits can cite:
/// 1. `settle` reverts as a whole or applies both legs as given.
/// 2. `isAuthorised` is true only for the owner of an account and whom the owner named.
/// 3. `settle` calls nothing that can call back here with effect: neither token nor venue code runs in it.
contract OrderVenue is IOrderVenue, AccessManaged, EIP712 {
    using AccountWord for bytes32;

    /* IMMUTABLES */

    IMarginVault internal immutable VAULT;
    uint256 internal immutable TICK;

    /* STORAGE */

    /// @inheritdoc IOrderVenue
    mapping(bytes32 => uint256) public filledLots;
    /// @inheritdoc IOrderVenue
    mapping(bytes32 => uint256) public leastNonce;
    /// @dev account => nonce >> NONCES_BITS => two bits a nonce: spent, and above it whether an order with it was filled in part
    mapping(bytes32 => mapping(uint256 => uint256)) internal nonceWords;
    /// @dev Packed 16 + 16 = 32.
    uint16 internal takerBps;
    uint16 internal makerBps;

    constructor(IMarginVault vault, IInstrumentRegistry registry, address accessManager)
        AccessManaged(accessManager)
        EIP712("Seawall Order Venue", "1")
    {
        VAULT = vault;
        TICK = registry.tick();
    }

    /* MODIFIERS */

    modifier onlyAuthorised(bytes32 account) {
        require(VAULT.isAuthorised(account, msg.sender), NotAuthorised(account, msg.sender));
        _;
    }

    /* GOVERNANCE */

    /// @inheritdoc IOrderVenue
    function setFees(uint256 newTakerFeeBps, uint256 newMakerFeeBps) external restricted {
        require(newTakerFeeBps <= MAX_FEE_BPS, FeeTooLarge(newTakerFeeBps));
        require(newMakerFeeBps <= MAX_FEE_BPS, FeeTooLarge(newMakerFeeBps));
        (takerBps, makerBps) = (uint16(newTakerFeeBps), uint16(newMakerFeeBps));
        emit FeesSet(newTakerFeeBps, newMakerFeeBps);
    }

    /* USERS */

    /// @inheritdoc IOrderVenue
    function collectFees(uint256 value, address to) external restricted returns (uint256 paid) {
        return VAULT.withdraw(bytes32(bytes20(address(this))), value, to);
    }

    /// @inheritdoc IOrderVenue
    function fill(
        Order calldata taker,
        bytes calldata takerSignature,
        Order calldata maker,
        bytes calldata makerSignature,
        uint256 lots,
        Certificate[] calldata takerCertificates,
        Certificate[] calldata makerCertificates
    ) external {
        _match(taker, maker);
        Fill memory settled;
        settled.priceTicks = maker.priceTicks;
        settled.takerFee = _take(taker, takerSignature, lots, maker.priceTicks, takerBps);
        settled.makerFee = _take(maker, makerSignature, lots, maker.priceTicks, makerBps);
        settled.taker = taker.account;
        settled.maker = maker.account;
        settled.page = taker.page;
        settled.slot = taker.slot;
        settled.generation = taker.generation;
        settled.lots = int64(taker.lots > 0 ? int256(lots) : -int256(lots));
        VAULT.settle(settled, takerCertificates, makerCertificates);
    }

    /// @inheritdoc IOrderVenue
    function cancel(bytes32 account, uint256 nonce) external onlyAuthorised(account) {
        nonceWords[account][nonce >> NONCES_BITS] |= _spentBit(nonce);
        emit NonceCancelled(account, nonce);
    }

    /// @inheritdoc IOrderVenue
    function cancelBelow(bytes32 account, uint256 nonce) external onlyAuthorised(account) {
        uint256 least = nonce < NONCE_END ? nonce : NONCE_END;
        require(least > leastNonce[account], NonceNotRaised(nonce, leastNonce[account]));
        leastNonce[account] = least;
        emit LeastNonceRaised(account, least);
    }

    /* VIEWS */

    /// @inheritdoc IOrderVenue
    function nonceSpent(bytes32 account, uint256 nonce) external view returns (bool) {
        return nonce < leastNonce[account] || nonceWords[account][nonce >> NONCES_BITS] & _spentBit(nonce) != 0;
    }

    /// @inheritdoc IOrderVenue
    function takerFeeBps() external view returns (uint256) {
        return takerBps;
    }

    /// @inheritdoc IOrderVenue
    function makerFeeBps() external view returns (uint256) {
        return makerBps;
    }

    /// @inheritdoc IOrderVenue
    function orderDigest(Order calldata order) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(ORDER_TYPEHASH, order)));
    }

    /* INTERNALS */

    /// @dev One instrument, opposite sides, and the buyer's price at least the seller's.
    function _match(Order calldata taker, Order calldata maker) private pure {
        require(
            taker.page == maker.page && taker.slot == maker.slot && taker.generation == maker.generation, InstrumentsDiffer()
        );
        require(taker.lots != 0 && maker.lots != 0, OrderZero());
        require((taker.lots > 0) != (maker.lots > 0), SidesEqual());
        (uint256 buy, uint256 sell) =
            taker.lots > 0 ? (taker.priceTicks, maker.priceTicks) : (maker.priceTicks, taker.priceTicks);
        require(buy >= sell, PricesDoNotCross(buy, sell));
    }

    /// @dev Checks one order, counts the fill, and returns `min(feeBps of the notional, maxFee lots / size)`, rounded down.
    function _take(Order calldata order, bytes calldata signature, uint256 lots, uint256 priceTicks, uint256 feeBps)
        private
        returns (uint128 fee)
    {
        require(lots != 0, OrderZero());
        require(block.timestamp <= order.expiry, OrderExpired(order.expiry));
        bytes32 account = order.account;
        (uint256 spent, uint256 word) = (_spentBit(order.nonce), nonceWords[account][order.nonce >> NONCES_BITS]);
        require(word & spent == 0 && order.nonce >= leastNonce[account], NonceSpent(account, order.nonce));
        bytes32 digest = orderDigest(order);
        uint256 size = _magnitude(order.lots);
        uint256 filled = word & (spent << 1) != 0 ? filledLots[digest] : 0;
        require(lots <= size - filled, OrderOverfilled(digest, filled, size));
        require(_signed(account, digest, signature), BadSignature(account));
        int256 signedLots = order.lots > 0 ? int256(lots) : -int256(lots);
        if (order.reduceOnly) _requireReducing(order, signedLots);
        bool whole = filled + lots == size;
        nonceWords[account][order.nonce >> NONCES_BITS] = word | (whole ? spent : spent << 1);
        // A spent nonce fills nothing, so what was filled before need not be known.
        if (!whole || filled != 0) filledLots[digest] = whole ? 0 : filled + lots;

        uint256 charged = (lots * priceTicks * TICK * feeBps) / 10_000;
        uint256 allowed = (uint256(order.maxFee) * lots) / size;
        fee = uint128(charged < allowed ? charged : allowed);
        emit OrderFilled(digest, account, signedLots, priceTicks, fee);
    }

    /// @dev Bit of a nonce in its word.
    function _spentBit(uint256 nonce) private pure returns (uint256) {
        return 1 << (2 * (nonce & ((1 << NONCES_BITS) - 1)));
    }

    function _requireReducing(Order calldata order, int256 signedLots) private view {
        int256 held = VAULT.positionLots(order.account, order.page, order.slot, order.generation);
        bool opposite = (held > 0) != (signedLots > 0);
        require(opposite && _magnitude(signedLots) <= _magnitude(held), NotReducing(order.account));
    }

    /// @dev The owner or an operator signed, or the owner is a contract that accepts the signature (ERC-1271).
    function _signed(bytes32 account, bytes32 digest, bytes calldata signature) private view returns (bool) {
        (address signer, ECDSA.RecoverError failure,) = ECDSA.tryRecoverCalldata(digest, signature);
        address owner = account.owner();
        if (failure == ECDSA.RecoverError.NoError && (signer == owner || VAULT.isAuthorised(account, signer))) return true;
        return owner.code.length != 0 && SignatureChecker.isValidERC1271SignatureNow(owner, digest, signature);
    }

    function _magnitude(int256 lots) private pure returns (uint256) {
        return lots < 0 ? uint256(-lots) : uint256(lots);
    }
}
