// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Certificate} from "./IMarginVault.sol";

/// @title Auctions of accounts that fail maintenance
/// @notice For a fraction f the buyer takes ceil(f |q|) lots of every position that can be valued, and pays their live value less a premium:
///
///     R        = min(floor(f M), M - M')                   maintenance that the slice really removes; M' after it
///     premium  = floor((a + b) R / M)                      a, b: what account and fund bear of the premium k(t) M of the whole book
///     account  bears floor(a R / M)
///     fund     pays the rest, and fills ceil(-E R / M) of a negative equity (ceil(-E f) if M = 0)
///
/// R telescopes, so that slicing, or rounding lots, never earns more than k times the maintenance removed. A slice must not raise the
/// maintenance requirement, hence not lower E / M. While some position cannot be valued the fund pays nothing: the account bears all.
///
/// Certificates of the account in auction may show its book under both roots, which raises M to the factor's share of the true tail risk. They are the
/// same before and after a slice; as that changes the book as stored, a book must come with its words. An auction that only such a proof could begin
/// does not end because the proof fits no longer: a slice after which it would must be the largest on sale (ProofSpent); and see `end`.
/// The whole book is sold in place of a slice that raises M only if no certificate shows another book than the account's as it stands.
interface ILiquidator {
    error NotInAuction(bytes32 account);
    error AccountHealthy(bytes32 account, int256 equity, uint256 maintenance);
    error AccountUnhealthy(bytes32 account, int256 equity, uint256 maintenance);
    error InitialMargin(bytes32 account, int256 equity, uint256 required);
    error PriceGapTooRecent(bytes32 account, uint256 freshSince);
    error PriceStale(bytes32 account);
    error NotAuthorised(bytes32 account, address caller);
    error SameAccount(bytes32 account);
    error ZeroFraction();
    error PaysMoreThan(int256 pays, int256 limit);
    error HealthFell(bytes32 account, int256 equity, uint256 maintenance);
    error LossUnproven(bytes32 account, int256 equity, int256 baselineEquity);
    error ProofSpent(bytes32 account, uint256 fractionWad, uint256 leastWad);
    error TooEarly(uint256 liveSecondsLeft);

    event AuctionStarted(bytes32 indexed account, int256 equity, uint256 maintenance, uint256 liveSeconds);
    event SliceSold(bytes32 indexed account, bytes32 indexed buyer, uint256 fractionWad, int256 paid, uint256 premiumFactorWad);
    event AuctionEnded(bytes32 indexed account, int256 equity, uint256 maintenance);

    /// @notice Starts an auction. Anyone. The vault refuses an account that is in one (InAuction) or that it checked in this block.
    /// @param certificates The account's.
    function start(bytes32 account, Certificate[] calldata certificates) external;

    /// @notice Buys a slice; takes less than asked when less brings the account back to health, and the whole book if the caller allows it
    /// and that smaller slice would leave the account in worse health.
    /// @param buyer Account that receives the slice; the caller must be authorised for it.
    /// @param maxFractionWad Largest fraction, 1e18 = all.
    /// @param maxPaid Most the buyer pays, settlement token units; negative: the least it receives.
    /// @param buyerCertificates Those of the buyer, for its book after the purchase.
    /// @param sellerCertificates Those of the account in auction.
    function buy(
        bytes32 account,
        bytes32 buyer,
        uint256 maxFractionWad,
        int256 maxPaid,
        Certificate[] calldata buyerCertificates,
        Certificate[] calldata sellerCertificates
    ) external returns (uint256 fractionWad, int256 paid);

    /// @notice Ends the auction of an account that is healthy again. Anyone.
    /// @dev If a proof began it, the account must meet its initial requirement under current and baseline, on fresh prices; or, once positions may be
    /// closed against others, maintenance without a proof.
    /// @param certificates The account's; they count for the initial requirement only.
    function end(bytes32 account, Certificate[] calldata certificates) external;

    /// @notice Books what an account in auction has lost by now, so that exits bear their share. Anyone.
    function book(bytes32 account) external;

    /// @notice Closes lots at the live mark against an account with the opposite position, after an hour at the largest premium. Anyone.
    /// @dev Of an account without equity only what the baseline bears out, as in a purchase: the fund fills what the last of its lots leaves.
    /// @param certificates Those of the account in auction.
    function deleverage(bytes32 account, bytes32 opposite, uint256 page, uint256 slot, uint256 lots, Certificate[] calldata certificates)
        external;

    /// @notice k now, 1e18 = 1; reverts unless the account is in auction.
    function premiumFactorWad(bytes32 account) external view returns (uint256);

    /// @notice What `buy` would do now if maintenance fell by the same fraction as the book; it falls by a little more or less, as lots are whole.
    /// @param certificates Those of the account in auction.
    function quote(bytes32 account, uint256 maxFractionWad, Certificate[] calldata certificates)
        external
        view
        returns (uint256 fractionWad, int256 paid, uint256 premium);

    /// @return open Whether the account is in auction; else all is zero.
    /// @return startedLive Live seconds at the start.
    /// @return proven Whether only a proof could begin it: without one the account met maintenance.
    function auction(bytes32 account) external view returns (bool open, uint256 startedLive, bool proven);
}
