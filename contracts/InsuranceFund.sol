// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IInsuranceFund} from "./interfaces/IInsuranceFund.sol";
import {IMarginVault} from "./interfaces/IMarginVault.sol";
import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20, IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC4626} from "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

/// @dev All of something, in basis points.
uint256 constant ALL_BPS = 10_000;
/// @dev Time over which a bucket of payments as full as the window cap drains.
uint256 constant WINDOW = 24 hours;
/// @dev From the request of a redemption until it can be had.
uint256 constant REDEMPTION_COOLDOWN = 1 days;
/// @dev From then until it must be requested again; without an end a standing request would let shares leave ahead of a loss.
uint256 constant REDEMPTION_PERIOD = 2 days;

/// @title Backstop of the vault
/// @dev Assumptions:
/// 1. The asset is a plain ERC-20; the vault's `deficit` and `bookedLosses` cannot be moved by a shareholder for free.
/// 2. Virtual shares (a million a unit) make an inflation of the first deposit cost a million times what it takes.
contract InsuranceFund is IInsuranceFund, ERC4626, AccessManaged, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /* TYPES */

    /// @dev Packed slot 24 + 5 = 29 bytes.
    struct Redemption {
        uint192 shares;
        uint40 readyAt;
    }

    /// @dev Packed slot 16 + 5 + 2 + 2 = 25 bytes. What was paid lately, when that was written, and the caps.
    struct Caps {
        uint128 level;
        uint40 writtenAt;
        uint16 eventCapBps;
        uint16 windowCapBps;
    }

    /* IMMUTABLES */

    IMarginVault public immutable VAULT;

    /* STORAGE */

    Caps private caps = Caps({level: 0, writtenAt: 0, eventCapBps: 3000, windowCapBps: 6000});
    mapping(address => Redemption) private redemptions;

    /* CONSTRUCTOR */

    constructor(IERC20 asset_, IMarginVault vault, address authority)
        ERC20("Seawall Insurance Fund", "swIF")
        ERC4626(asset_)
        AccessManaged(authority)
    {
        VAULT = vault;
    }

    /* GOVERNANCE */

    /// @inheritdoc IInsuranceFund
    function setCaps(uint256 eventCapBps, uint256 windowCapBps) external restricted {
        require(eventCapBps <= ALL_BPS, CapTooLarge(eventCapBps));
        require(windowCapBps <= ALL_BPS, CapTooLarge(windowCapBps));
        caps.eventCapBps = uint16(eventCapBps);
        caps.windowCapBps = uint16(windowCapBps);
        emit CapsSet(eventCapBps, windowCapBps);
    }

    /* USERS */

    /// @inheritdoc IInsuranceFund
    function requestRedemption(uint256 shares) external nonReentrant {
        Redemption memory queued = redemptions[msg.sender];
        require(shares + queued.shares != 0, ZeroShares());
        if (shares != 0) _transfer(msg.sender, address(this), shares);
        queued.shares = uint192(queued.shares + shares);
        queued.readyAt = uint40(block.timestamp + REDEMPTION_COOLDOWN);
        redemptions[msg.sender] = queued;
        emit RedemptionRequested(msg.sender, queued.shares, queued.readyAt);
    }

    /// @inheritdoc IInsuranceFund
    function cancelRedemption() external nonReentrant {
        uint256 shares = redemptions[msg.sender].shares;
        require(shares != 0, ZeroShares());
        delete redemptions[msg.sender];
        _transfer(address(this), msg.sender, shares);
        emit RedemptionCancelled(msg.sender, shares);
    }

    /// @inheritdoc ERC4626
    function withdraw(uint256 assets, address receiver, address owner) public override returns (uint256) {
        _requireRedeemable(owner);
        return super.withdraw(assets, receiver, owner);
    }

    /// @inheritdoc ERC4626
    function redeem(uint256 shares, address receiver, address owner) public override returns (uint256) {
        _requireRedeemable(owner);
        return super.redeem(shares, receiver, owner);
    }

    /* VAULT */

    /// @inheritdoc IInsuranceFund
    function cover(uint256 wanted) external nonReentrant returns (uint256 paid) {
        require(msg.sender == address(VAULT), NotVault(msg.sender));
        uint256 level;
        (paid, level) = _available();
        if (wanted < paid) paid = wanted;
        (caps.level, caps.writtenAt) = (uint128(level + paid), uint40(block.timestamp));
        if (paid != 0) IERC20(asset()).safeTransfer(msg.sender, paid);
        emit Covered(wanted, paid);
    }

    /* VIEWS */

    /// @inheritdoc IInsuranceFund
    function coverable() external view returns (uint256 available) {
        (available,) = _available();
    }

    /// @inheritdoc IInsuranceFund
    function capsBps() external view returns (uint256 eventCapBps, uint256 windowCapBps) {
        return (caps.eventCapBps, caps.windowCapBps);
    }

    /// @inheritdoc IInsuranceFund
    function redemptionOf(address owner) external view returns (uint256 shares, uint256 readyAt) {
        return (redemptions[owner].shares, redemptions[owner].readyAt);
    }

    /// @inheritdoc ERC4626
    function maxRedeem(address owner) public view override returns (uint256) {
        Redemption memory queued = redemptions[owner];
        return _lossPending() || !_isReady(queued.readyAt) ? 0 : queued.shares;
    }

    /// @inheritdoc ERC4626
    function maxWithdraw(address owner) public view override returns (uint256) {
        return previewRedeem(maxRedeem(owner));
    }

    /* INTERNALS */

    /// @dev With A the assets and L what was paid lately: `L = max(0, L - windowCap (A + L) elapsed / 24 h)`, then
    /// `available = min(eventCap A, windowCap (A + L) - L)`. Both rounded down.
    function _available() private view returns (uint256 available, uint256 level) {
        Caps memory c = caps;
        uint256 assets = totalAssets();
        uint256 drained = (assets + c.level) * c.windowCapBps * (block.timestamp - c.writtenAt) / (ALL_BPS * WINDOW);
        level = Math.saturatingSub(c.level, drained);
        uint256 room = Math.saturatingSub((assets + level) * c.windowCapBps / ALL_BPS, level);
        available = Math.min(assets * c.eventCapBps / ALL_BPS, room);
    }

    function _requireRedeemable(address owner) private view {
        require(!_lossPending(), LossPending());
        uint256 readyAt = redemptions[owner].readyAt;
        require(_isReady(readyAt), RedemptionNotReady(owner, readyAt));
    }

    function _lossPending() private view returns (bool) {
        return VAULT.bookedLosses() != 0 || VAULT.deficit() != 0;
    }

    function _isReady(uint256 readyAt) private view returns (bool) {
        return block.timestamp >= readyAt && block.timestamp <= readyAt + REDEMPTION_PERIOD;
    }

    function _deposit(address caller, address receiver, uint256 assets, uint256 shares) internal override nonReentrant {
        super._deposit(caller, receiver, assets, shares);
    }

    /// @dev Burns shares that the queue holds for the owner.
    function _withdraw(address caller, address receiver, address owner, uint256 assets, uint256 shares)
        internal
        override
        nonReentrant
    {
        if (caller != owner) _spendAllowance(owner, caller, shares);
        redemptions[owner].shares -= uint192(shares);
        _burn(address(this), shares);
        IERC20(asset()).safeTransfer(receiver, assets);
        emit Withdraw(caller, receiver, owner, assets, shares);
    }

    function _decimalsOffset() internal pure override returns (uint8) {
        return 6;
    }
}
