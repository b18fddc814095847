// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ILiquidator} from "./interfaces/ILiquidator.sol";
import {Certificate, IMarginVault, Margin, Sale, Sold} from "./interfaces/IMarginVault.sol";
import {
    MARGIN_MISSING,
    MARGIN_NONE_PRICED,
    MARGIN_NOT_FRESH,
    MARGIN_NO_MANIFEST,
    MARGIN_STALE
} from "./interfaces/IMarginVault.sol";
import {IVaultPriceFeed} from "./interfaces/IPriceFeed.sol";
import {AccountWord} from "./libraries/AccountWord.sol";
import {CertificateList} from "./libraries/CertificateList.sol";
import {AuctionMath, PREMIUM_MAX_SECONDS} from "./libraries/AuctionMath.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

/// @dev How long every price that counts must have come without a gap before an auction may start.
uint256 constant START_DELAY = 5 minutes;
/// @dev Live seconds after the start from which positions may be closed against others: an hour at the largest premium.
uint256 constant DELEVERAGE_SECONDS = PREMIUM_MAX_SECONDS + 60 minutes;

/// @title Auctions of accounts that fail maintenance
/// @dev Assumptions:
/// 1. The vault obeys this contract alone in its liquidation section, and `health` cannot revert because of a book or a page, only because of a
/// certificate.
/// 2. `sellSlice` sells what is on sale at most, to whom the caller may trade for, at the premium of that factor, and takes the mark off an account whose
/// auction it ends.
/// 3. `liveSeconds` never falls, and does not grow while no prices arrive.
contract Liquidator is ILiquidator, ReentrancyGuardTransient {
    using AccountWord for uint256;
    using CertificateList for Certificate[];

    /* IMMUTABLES */

    IMarginVault public immutable VAULT;
    IVaultPriceFeed public immutable FEED;

    /* CONSTRUCTOR */

    constructor(IMarginVault vault, IVaultPriceFeed feed) {
        VAULT = vault;
        FEED = feed;
    }

    /* LIQUIDATION */

    /// @inheritdoc ILiquidator
    function start(bytes32 account, Certificate[] calldata certificates) external nonReentrant {
        (int256 equity, uint256 maintenance, Margin memory current) = _unhealthy(account, certificates);
        require(block.timestamp >= current.freshSince + START_DELAY, PriceGapTooRecent(account, current.freshSince));
        uint256 live = FEED.liveSeconds();
        bool proven;
        if (certificates.length != 0) {
            (,, bool liquidatable,) = VAULT.health(account);
            proven = !liquidatable;
        }
        VAULT.beginAuction(account, _loss(equity), AccountWord.auctionMark(live, proven));
        emit AuctionStarted(account, equity, maintenance, live);
    }

    /// @inheritdoc ILiquidator
    function buy(
        bytes32 account,
        bytes32 buyer,
        uint256 maxFractionWad,
        int256 maxPaid,
        Certificate[] calldata buyerCertificates,
        Certificate[] calldata sellerCertificates
    ) external nonReentrant returns (uint256 fractionWad, int256 paid) {
        require(account != buyer, SameAccount(account));
        require(maxFractionWad != 0, ZeroFraction());
        uint256 word = _wordInAuction(account);
        uint256 kWad = AuctionMath.premiumFactorWad(_liveSince(word));
        Sold memory sold = VAULT.sellSlice(
            Sale(account, buyer, maxFractionWad, kWad, word.provenAuction()), msg.sender, buyerCertificates, sellerCertificates
        );
        (fractionWad, paid) = (sold.fractionWad, sold.value - int256(sold.premium));
        require(paid <= maxPaid, PaysMoreThan(paid, maxPaid));
        if (sold.ended) emit AuctionEnded(account, sold.equity, sold.maintenance);
        emit SliceSold(account, buyer, fractionWad, paid, kWad);
    }

    /// @inheritdoc ILiquidator
    function end(bytes32 account, Certificate[] calldata certificates) external nonReentrant {
        uint256 word = _wordInAuction(account);
        (int256 equity, uint256 maintenance, bool liquidatable, Margin memory current) = VAULT.health(account);
        if (word.hasPositions()) {
            require(current.flags & MARGIN_NONE_PRICED == 0, PriceStale(account));
            require(!liquidatable, AccountUnhealthy(account, equity, maintenance));
            bool waits = word.provenAuction() && _liveSince(word) < DELEVERAGE_SECONDS;
            if (waits) _requireInitial(account, certificates);
        }
        _finish(account, equity, maintenance);
    }

    /// @inheritdoc ILiquidator
    function book(bytes32 account) external nonReentrant {
        _wordInAuction(account);
        (int256 equity,,, Margin memory current) = VAULT.health(account);
        require(current.flags & MARGIN_NONE_PRICED == 0, PriceStale(account));
        VAULT.bookLoss(account, _loss(equity));
    }

    /// @inheritdoc ILiquidator
    function deleverage(bytes32 account, bytes32 opposite, uint256 page, uint256 slot, uint256 lots, Certificate[] calldata certificates)
        external
        nonReentrant
    {
        uint256 left = Math.saturatingSub(DELEVERAGE_SECONDS, _liveSince(_wordInAuction(account)));
        require(left == 0, TooEarly(left));
        (int256 equity, uint256 maintenance,) = _unhealthy(account, certificates);
        if (equity < 0) _requireLossProven(account, equity, maintenance);
        VAULT.deleverage(account, opposite, page, slot, lots);
        uint256 maintenanceAfter;
        (equity, maintenanceAfter,,) = VAULT.provenHealth(account, certificates);
        require(maintenanceAfter <= maintenance, HealthFell(account, equity, maintenanceAfter));
        _settled(account, equity, maintenanceAfter);
    }

    /* VIEWS */

    /// @inheritdoc ILiquidator
    function premiumFactorWad(bytes32 account) public view returns (uint256) {
        return AuctionMath.premiumFactorWad(_liveSince(_wordInAuction(account)));
    }

    /// @inheritdoc ILiquidator
    function quote(bytes32 account, uint256 maxFractionWad, Certificate[] calldata certificates)
        external
        view
        returns (uint256 fractionWad, int256 paid, uint256 premium)
    {
        uint256 kWad = premiumFactorWad(account);
        (int256 equity, uint256 maintenance, Margin memory current) = _unhealthy(account, certificates);
        if (equity < 0) _requireLossProven(account, equity, maintenance);
        fractionWad = Math.min(maxFractionWad, AuctionMath.largestFractionWad(equity, maintenance, kWad));
        bool fundPays = current.flags & (MARGIN_STALE | MARGIN_MISSING) == 0;
        (premium,) = AuctionMath.split(equity, maintenance, kWad, fractionWad, 0, fundPays);
        paid = VAULT.sliceValue(account, fractionWad) - int256(premium);
    }

    /// @inheritdoc ILiquidator
    function auction(bytes32 account) external view returns (bool open, uint256 startedLive, bool proven) {
        uint256 word = VAULT.accountWord(account);
        if (word.inAuction()) return (true, word.startedLive(), word.provenAuction());
    }

    /* INTERNALS */

    /// @dev Ends the auction if the account is healthy or empty, else books what it has lost by now.
    function _settled(bytes32 account, int256 equity, uint256 maintenance) private {
        bool left = VAULT.accountWord(account).hasPositions();
        if (!left || equity >= int256(maintenance)) _finish(account, equity, maintenance);
        else VAULT.bookLoss(account, _loss(equity));
    }

    /// @dev What an account without positions lacks is a loss by now: a slice of few lots, rounded up, may take more than what it filled.
    function _finish(bytes32 account, int256 equity, uint256 maintenance) private {
        if (equity < 0 && !VAULT.accountWord(account).hasPositions()) {
            VAULT.coverLoss(account, uint256(-equity));
            equity = 0;
        }
        VAULT.endAuction(account);
        emit AuctionEnded(account, equity, maintenance);
    }

    /// @dev A hole is filled from what belongs to others, so a young manifest alone may open it by M at most: `E_b - E <= M`.
    function _requireLossProven(bytes32 account, int256 equity, uint256 maintenance) private view {
        Certificate memory none;
        Margin memory old = VAULT.margin(account, none, true);
        if (old.flags & (MARGIN_MISSING | MARGIN_NO_MANIFEST) != 0) return;
        require(old.equity - equity <= int256(maintenance), LossUnproven(account, equity, old.equity));
    }

    /// @dev Health of an account that fails it on a price; reverts for any other.
    function _unhealthy(bytes32 account, Certificate[] calldata certificates)
        private
        view
        returns (int256 equity, uint256 maintenance, Margin memory current)
    {
        bool liquidatable;
        (equity, maintenance, liquidatable, current) = VAULT.provenHealth(account, certificates);
        require(current.flags & MARGIN_NONE_PRICED == 0, PriceStale(account));
        require(liquidatable, AccountHealthy(account, equity, maintenance));
    }

    /// @dev Initial margin under current and, where it knows the book, baseline, judged by prices and records that are all there. As initial margin is at
    /// least the tail risk, and maintenance by a proof at most that, no proof fails an account that meets it.
    function _requireInitial(bytes32 account, Certificate[] calldata certificates) private view {
        Margin memory m = VAULT.margin(account, certificates.under(false), false);
        uint256 unknown = MARGIN_MISSING | MARGIN_NO_MANIFEST;
        require(m.flags & (unknown | MARGIN_STALE | MARGIN_NOT_FRESH) == 0, PriceStale(account));
        require(m.equity >= int256(m.initial), InitialMargin(account, m.equity, m.initial));
        m = VAULT.margin(account, certificates.under(true), true);
        require(m.flags & unknown != 0 || m.equity >= int256(m.initial), InitialMargin(account, m.equity, m.initial));
    }

    /// @dev The word of an account in auction, which says when that began and whether a proof was needed.
    function _wordInAuction(bytes32 account) private view returns (uint256 word) {
        word = VAULT.accountWord(account);
        require(word.inAuction(), NotInAuction(account));
    }

    /// @dev Live seconds since the auction began.
    function _liveSince(uint256 word) private view returns (uint256) {
        return FEED.liveSeconds() - word.startedLive();
    }

    function _loss(int256 equity) private pure returns (uint256) {
        return equity < 0 ? uint256(-equity) : 0;
    }
}
