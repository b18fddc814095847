// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title Backstop of the vault
/// @notice An ERC-4626 vault over the settlement token whose assets cover what an auctioned account cannot.
interface IInsuranceFund {
    error NotVault(address caller);
    error LossPending();
    error RedemptionNotReady(address owner, uint256 readyAt);
    error CapTooLarge(uint256 capBps);
    error ZeroShares();

    event Covered(uint256 asked, uint256 paid);
    event CapsSet(uint256 eventCapBps, uint256 windowCapBps);
    event RedemptionRequested(address indexed owner, uint256 shares, uint256 readyAt);
    event RedemptionCancelled(address indexed owner, uint256 shares);

    /// @notice Pays up to `wanted` settlement token units to the vault, within the caps. Vault only.
    /// @return paid What was paid.
    function cover(uint256 wanted) external returns (uint256 paid);

    /// @notice What `cover` would pay at most now.
    function coverable() external view returns (uint256);

    /// @notice How much one call, and how much a burst of calls, may pay, in parts of the assets. The burst allowance refills over 24 hours.
    function capsBps() external view returns (uint256 eventCapBps, uint256 windowCapBps);

    /// @notice Puts shares in the queue, which holds them and goes on bearing losses. They can be redeemed from one day after the owner's last
    /// request until two days later, while no loss is booked and no deficit stands; then they must be requested again.
    /// @param shares Added to those in the queue already; zero only restarts the clock.
    function requestRedemption(uint256 shares) external;

    /// @notice Takes all shares of the caller out of the queue.
    function cancelRedemption() external;

    /// @notice Shares in an owner's queue, and when they can be redeemed first.
    function redemptionOf(address owner) external view returns (uint256 shares, uint256 readyAt);

    /// @notice Sets the caps, see `capsBps`. Governor only.
    function setCaps(uint256 eventCapBps, uint256 windowCapBps) external;
}
