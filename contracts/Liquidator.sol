// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ILiquidator} from "./interfaces/ILiquidator.sol";
import {Certificate, IMarginVault, Margin} from "./interfaces/IMarginVault.sol";
import {
    MARGIN_MISSING,
    MARGIN_NONE_PRICED,
    MARGIN_NOT_FRESH,
    MARGIN_NO_MANIFEST,
    MARGIN_STALE
} from "./interfaces/IMarginVault.sol";
import {IVaultPriceFeed} from "./interfaces/IPriceFeed.sol";
import {AccountWord} from "./libraries/AccountWord.sol";
import {BookWalk} from "./libraries/BookWalk.sol";
import {CertificateList} from "./libraries/CertificateList.sol";
import {AuctionMath, PREMIUM_MAX_SECONDS, WAD} from "./libraries/AuctionMath.sol";
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
/// 2. `moveSlice` changes neither account's equity; `settleSlice` changes the seller's by `-fromShare` exactly.
/// 3. `liveSeconds` never falls, and does not grow while no prices arrive.
contract Liquidator is ILiquidator, ReentrancyGuardTransient {
    using AccountWord for uint256;
    using CertificateList for Certificate[];

    /* TYPES */

    /// @param largestWad What is on sale at most, 1e18 = all.
    /// @param proven Whether only a proof could begin the auction.
    /// @param fundPays False while some position cannot be valued.
    struct Sale {
        bytes32 account;
        bytes32 buyer;
        int256 equity;
        uint256 maintenance;
        uint256 kWad;
        uint256 fractionWad;
        uint256 largestWad;
        bool proven;
        bool fundPays;
    }

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
        require(VAULT.isAuthorised(buyer, msg.sender), NotAuthorised(buyer, msg.sender));
        require(maxFractionWad != 0, ZeroFraction());
        Sale memory sale = _sale(account, maxFractionWad, sellerCertificates);
        sale.buyer = buyer;
        if (maxFractionWad < WAD || sale.fractionWad == WAD) {
            paid = _sell(sale, buyerCertificates, sellerCertificates);
        } else {
            try this.sell(sale, buyerCertificates, sellerCertificates) returns (int256 pays) {
                paid = pays;
            } catch (bytes memory reason) {
                _requireHealthFell(reason, _showsOwn(account, sellerCertificates));
                sale.fractionWad = WAD;
                paid = _sell(sale, buyerCertificates, sellerCertificates);
            }
        }
        fractionWad = sale.fractionWad;
        require(paid <= maxPaid, PaysMoreThan(paid, maxPaid));
        emit SliceSold(account, buyer, fractionWad, paid, sale.kWad);
    }

    /// @dev Sells a slice in a call of its own, so that a slice that lowers health can be undone and the whole book be sold instead. This contract only.
    function sell(Sale memory sale, Certificate[] calldata buyerCertificates, Certificate[] calldata sellerCertificates)
        external
        returns (int256 paid)
    {
        require(msg.sender == address(this), NotAuthorised(sale.account, msg.sender));
        return _sell(sale, buyerCertificates, sellerCertificates);
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
        (, uint256 maintenance,) = _unhealthy(account, certificates);
        VAULT.deleverage(account, opposite, page, slot, lots);
        (int256 equity, uint256 maintenanceAfter,,) = VAULT.provenHealth(account, certificates);
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
        Sale memory sale = _sale(account, maxFractionWad, certificates);
        fractionWad = sale.fractionWad;
        (premium,) = AuctionMath.split(sale.equity, sale.maintenance, sale.kWad, fractionWad, 0, sale.fundPays);
        paid = VAULT.sliceValue(account, fractionWad) - int256(premium);
    }

    /// @inheritdoc ILiquidator
    function auction(bytes32 account) external view returns (bool open, uint256 startedLive, bool proven) {
        uint256 word = VAULT.accountWord(account);
        if (word.inAuction()) return (true, word.startedLive(), word.provenAuction());
    }

    /* INTERNALS */

    /// @dev Moves the slice, measures the maintenance it removed, pays the premium for that.
    function _sell(Sale memory sale, Certificate[] calldata buyerCertificates, Certificate[] calldata sellerCertificates)
        private
        returns (int256 paid)
    {
        int256 value = VAULT.moveSlice(sale.account, sale.buyer, sale.fractionWad);
        (int256 equity, uint256 maintenance,,) = VAULT.provenHealth(sale.account, sellerCertificates);
        require(maintenance <= sale.maintenance, HealthFell(sale.account, equity, maintenance));
        (uint256 premium, int256 fromShare) = AuctionMath.split(
            sale.equity, sale.maintenance, sale.kWad, sale.fractionWad, maintenance, sale.fundPays
        );
        VAULT.settleSlice(sale.account, sale.buyer, premium, fromShare, buyerCertificates);
        bool healthy = _settled(sale.account, equity - fromShare, maintenance);
        // A slice takes more from a proof than from the tail risk: in what a proof began only a full one counts as a recovery.
        bool full = sale.fractionWad >= sale.largestWad || !sale.proven;
        require(full || !healthy, ProofSpent(sale.account, sale.fractionWad, sale.largestWad));
        return value - int256(premium);
    }

    /// @dev Ends the auction if the account is healthy or empty, else books what it has lost by now. Returns whether it is healthy with positions left.
    function _settled(bytes32 account, int256 equity, uint256 maintenance) private returns (bool healthy) {
        bool left = VAULT.accountWord(account).hasPositions();
        healthy = left && equity >= int256(maintenance);
        if (healthy || !left) _finish(account, equity, maintenance);
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

    /// @dev What a buyer can have of an account now, without a buyer yet.
    function _sale(bytes32 account, uint256 maxFractionWad, Certificate[] calldata certificates) private view returns (Sale memory sale) {
        sale.account = account;
        uint256 word = _wordInAuction(account);
        sale.proven = word.provenAuction();
        sale.kWad = AuctionMath.premiumFactorWad(_liveSince(word));
        Margin memory current;
        (sale.equity, sale.maintenance, current) = _unhealthy(account, certificates);
        sale.fundPays = current.flags & (MARGIN_STALE | MARGIN_MISSING) == 0;
        sale.largestWad = AuctionMath.largestFractionWad(sale.equity, sale.maintenance, sale.kWad);
        sale.fractionWad = Math.min(maxFractionWad, sale.largestWad);
        if (sale.equity < 0) _requireLossProven(account, sale.equity, sale.maintenance);
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

    /// @dev Whether what certificates show, if anything, is the account's book as it stands. Of another one a slice may leave more than there was.
    function _showsOwn(bytes32 account, Certificate[] calldata certificates) private view returns (bool) {
        for (uint256 i; i < certificates.length; ++i) {
            uint256[] calldata shown = certificates[i].book;
            if (shown.length != 0 && !_isBook(account, shown)) return false;
        }
        return true;
    }

    /// @dev Whether words are those of the account's book as stored.
    function _isBook(bytes32 account, uint256[] calldata words) private view returns (bool) {
        uint256 next;
        for (uint256 list = VAULT.accountWord(account).pages(); list != 0; list >>= 16) {
            uint256 count = BookWalk.wordsOf((list >> 8) & 0xff);
            if (next + count >= words.length || words[next++] != list & 0xffff) return false;
            for (uint256 i; i < count; ++i) {
                if (words[next++] != VAULT.bookWord(account, list & 0xff, i)) return false;
            }
        }
        return next == words.length;
    }

    /// @dev Passes on any revert but HealthFell, and that too unless all of the book may be sold for it.
    function _requireHealthFell(bytes memory reason, bool allOfIt) private pure {
        if (allOfIt && bytes4(reason) == HealthFell.selector) return;
        assembly ("memory-safe") {
            revert(add(reason, 32), mload(reason))
        }
    }
}
