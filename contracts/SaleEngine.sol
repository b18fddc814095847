// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccountWord, MAX_POSITIONS} from "./libraries/AccountWord.sol";
import {Assessments} from "./libraries/Assessment.sol";
import {AuctionMath, WAD} from "./libraries/AuctionMath.sol";
import {BaselineRequirements} from "./libraries/BaselineRequirement.sol";
import {CertificateList, MOST_CERTIFICATES} from "./libraries/CertificateList.sol";
import {Holdings} from "./libraries/Holding.sol";
import {Ledger} from "./libraries/Ledger.sol";
import {PageCopy} from "./libraries/PageCopies.sol";
import {PageLists} from "./libraries/PageList.sol";
import {Remainders} from "./libraries/Remainder.sol";
import {Run, Runs} from "./libraries/Run.sol";
import {Shelf, Shelves} from "./libraries/Shelf.sol";
import {Basis, SoleAssessments} from "./libraries/SoleAssessment.sol";
import {Transfer, Transfers} from "./libraries/Transfer.sol";
import {ILiquidator} from "./interfaces/ILiquidator.sol";
import {IMarginOracle} from "./interfaces/IMarginOracle.sol";
import {
    Certificate,
    IMarginVault,
    MARGIN_MISSING,
    MARGIN_NONE_PRICED,
    MARGIN_NO_MANIFEST,
    MARGIN_STALE,
    Margin,
    Sale,
    Sold
} from "./interfaces/IMarginVault.sol";
import {IVaultPriceFeed} from "./interfaces/IPriceFeed.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @notice The account in auction, as liquidation sees it.
/// @param run Under the current manifest.
/// @param buyer Pages of the buyer before.
/// @param shown The account's certificates.
/// @param units For each page on the shelf, where what a lot of each position adds stands, or zero.
/// @param maintenance The smaller of the current requirement and the baseline's raised by its drift.
/// @param largestWad What is on sale at most, 1e18 = all.
/// @param fundPays False while some position cannot be valued.
struct Seller {
    Run run;
    PageCopy[] buyer;
    Certificate[] shown;
    uint256[] units;
    int256 equity;
    uint256 maintenance;
    uint256 largestWad;
    bool fundPays;
}

/// @title What a purchase from an auction does to both accounts, and whether it may
/// @notice Section 5 of the specification. All of a purchase is one call, so that what both accounts are judged by is read once, and nothing is written
/// before everything is known.
/// @dev Assumptions:
/// 1. The caller is the vault, which has checked who asks and for whom, and is the only one to write the ledger meanwhile.
/// 2. Neither oracle nor feed calls back with effect: they are read statically.
library SaleEngine {
    using AccountWord for uint256;
    using Assessments for Run;
    using SoleAssessments for Run;
    using CertificateList for Certificate[];
    using Remainders for Run;
    using Runs for Run;
    using Shelves for Shelf;
    using Holdings for Run;
    using Transfers for Transfer;

    /* EXTERNAL */

    /// @notice Moves a slice, pays for it, and judges both accounts. All that is left to the caller is the fund, and what is booked.
    function sell(
        Ledger storage ledger,
        Sale memory sale,
        Certificate[] memory buyerCertificates,
        Certificate[] memory sellerCertificates,
        IMarginOracle oracle,
        IVaultPriceFeed feed
    ) external returns (Sold memory sold) {
        (uint256 fromWord, uint256 toWord) = (ledger.accounts[sale.account], ledger.accounts[sale.buyer]);
        Shelf memory shelf = Shelves.fresh(oracle, feed)[0];
        shelf.addAll(fromWord.pages());
        shelf.addAll(toWord.pages());
        (PageCopy[] memory buyer,,,) = PageLists.room(toWord.pages(), shelf);
        Holdings.copy(buyer, ledger, sale.buyer);
        Seller memory seller = Seller(Runs.fresh()[0], buyer, sellerCertificates, new uint256[](shelf.count), 0, 0, 0, false);
        seller.run.read(ledger, sale.account, fromWord.pages(), shelf);
        _judge(seller, sale, ledger, fromWord, shelf);
        sold.fractionWad = Math.min(sale.maxFractionWad, seller.largestWad);
        require(!toWord.inAuction(), IMarginVault.InAuction(sale.buyer));
        while (true) {
            Transfer memory t = Transfers.open(sale.account, sale.buyer, fromWord, toWord)[0];
            Run memory parts = Runs.fresh()[0];
            _attempt(seller, sold, t, parts, ledger, buyerCertificates, shelf);
            if (sold.maintenance <= seller.maintenance) {
                _settle(seller, sale, sold, t, ledger);
                _requireInitial(seller.buyer, parts, t, ledger, buyerCertificates, shelf);
                _close(seller, sale, sold, t, ledger);
                unchecked {
                    sold.opened = _opened(fromWord, t.fromWord) + _opened(toWord, t.toWord);
                }
                return sold;
            }
            // All of the book goes instead, if the caller allows it and no certificate shows another: of that a slice may leave more than there was.
            bool all = sale.maxFractionWad >= WAD && sold.fractionWad != WAD && _showsOwn(seller);
            require(all, ILiquidator.HealthFell(sale.account, sold.equity, sold.maintenance));
            sold.fractionWad = WAD;
            // the parts may have left units where the account, which holds what the manifest lacks, has none
            delete seller.units;
        }
    }

    /* INTERNALS */

    /// @dev Health before the slice, and what is on sale. Reverts unless the account fails it on a price.
    function _judge(Seller memory seller, Sale memory sale, Ledger storage ledger, uint256 word, Shelf memory shelf) private view {
        Run memory run = seller.run;
        run.lanes = true;
        run.assessAlone(shelf, ledger, sale.account, word, seller.shown, Basis(false, seller.units));
        (seller.equity, seller.maintenance) = (run.margin.equity, run.margin.maintenance);
        bool liquidatable = Assessments.fails(seller.equity, seller.maintenance);
        Run memory next = run.again()[0];
        bool young = liquidatable && !run.isBaseline();
        if (young) (seller.maintenance, liquidatable) = _lesser(run, next, ledger, sale.account, word, seller.shown, shelf, seller.units);
        require(run.margin.flags & MARGIN_NONE_PRICED == 0, ILiquidator.PriceStale(sale.account));
        require(liquidatable, ILiquidator.AccountHealthy(sale.account, seller.equity, seller.maintenance));
        if (seller.equity < 0) {
            if (!young) _lesser(run, next, ledger, sale.account, word, CertificateList.none(), shelf, seller.units);
            Margin memory old = next.margin;
            // A hole is filled from what belongs to others, so a young manifest alone may open it by M at most: `E_b - E <= M`.
            bool proven = old.flags & (MARGIN_MISSING | MARGIN_NO_MANIFEST) != 0 || old.equity - seller.equity <= int256(seller.maintenance);
            require(proven, ILiquidator.LossUnproven(sale.account, seller.equity, old.equity));
        }
        seller.fundPays = run.margin.flags & (MARGIN_STALE | MARGIN_MISSING) == 0;
        seller.largestWad = AuctionMath.largestFractionWad(seller.equity, seller.maintenance, sale.kWad);
    }

    /// @dev What a baseline makes of an account that fails the current manifest, as `MarginEngine.health`.
    /// @param next Of the account under the baseline, not assessed yet.
    /// @param units As a Basis has them.
    function _lesser(
        Run memory run,
        Run memory next,
        Ledger storage ledger,
        bytes32 account,
        uint256 word,
        Certificate[] memory shown,
        Shelf memory shelf,
        uint256[] memory units
    ) private view returns (uint256 maintenance, bool liquidatable) {
        next.lanes = true;
        next.assessAlone(shelf, ledger, account, word, shown, Basis(true, units));
        Margin memory old = next.margin;
        maintenance = run.margin.maintenance;
        if (next.manifest == 0) return (0, false);
        if (old.flags & MARGIN_MISSING != 0) return (maintenance, true);
        uint256 raised = BaselineRequirements.raised(old.maintenance, old.driftX32);
        if (raised < maintenance) maintenance = raised;
        liquidatable = Assessments.fails(run.margin.equity, maintenance) && Assessments.fails(old.equity, raised);
    }

    /// @dev Moves a slice in memory, and works out the health of the account after it.
    /// @param t The slice, nothing of which has moved yet.
    /// @param parts What goes, to be assessed by itself: without cash its equity is its value.
    function _attempt(
        Seller memory seller,
        Sold memory sold,
        Transfer memory t,
        Run memory parts,
        Ledger storage ledger,
        Certificate[] memory buyerCertificates,
        Shelf memory shelf
    ) private view {
        t.cut(seller.run.pages, shelf, sold.fractionWad, seller.units);
        t.merge(seller.buyer);
        require(t.count != 0, IMarginVault.ZeroLots());
        require(t.toWord.positions() <= MAX_POSITIONS, IMarginVault.TooManyPositions(t.to, MAX_POSITIONS));
        parts.fillParts(t, shelf);
        (parts.lanes, parts.initial) = (true, _isAll(seller.buyer, buyerCertificates));
        parts.assessAlone(shelf, ledger, t.to, t.list, CertificateList.none(), Basis(false, seller.units));
        sold.value = parts.margin.equity;
        // Cash is 104 bits wide, and values of books are narrower than a word by far.
        unchecked {
            t.fromWord = t.fromWord.withCash(t.fromWord.cash() + sold.value);
            t.toWord = t.toWord.withCash(t.toWord.cash() - sold.value);
        }
        _rejudge(seller, sold, t, parts, ledger, shelf);
    }

    /// @dev Health after the slice: that of before less what goes where sums are linear in lots, else walked again.
    function _rejudge(
        Seller memory seller,
        Sold memory sold,
        Transfer memory t,
        Run memory parts,
        Ledger storage ledger,
        Shelf memory shelf
    ) private view {
        Run memory run = seller.run;
        uint256[] memory none;
        bool linear = !t.settling && !seller.shown.isHedge(false) && run.isLinear(t);
        if (linear) {
            run.subtract(parts, ledger, t.fromWord);
        } else {
            PageCopy[] memory before = run.pages;
            run = Runs.fresh()[0];
            run.fillAfter(t, before, false, shelf);
            run.lanes = true;
            run.assessAlone(shelf, ledger, t.from, t.fromWord, seller.shown, Basis(false, none));
        }
        (sold.equity, sold.maintenance) = (run.margin.equity, run.margin.maintenance);
        if (!Assessments.fails(sold.equity, sold.maintenance) || run.isBaseline()) return;
        Run memory next = run.again()[0];
        if (linear) next.fillAfter(t, run.pages, false, shelf);
        (sold.maintenance,) = _lesser(run, next, ledger, t.from, t.fromWord, seller.shown, shelf, none);
    }

    /// @dev Pays the premium for the maintenance that the slice removed, in the words of both accounts.
    function _settle(Seller memory seller, Sale memory sale, Sold memory sold, Transfer memory t, Ledger storage ledger) private {
        (sold.premium, sold.fromShare) = AuctionMath.split(
            seller.equity, seller.maintenance, sale.kWad, sold.fractionWad, sold.maintenance, seller.fundPays
        );
        unchecked {
            t.fromWord = t.fromWord.withCash(t.fromWord.cash() - sold.fromShare);
            t.toWord = t.toWord.withCash(t.toWord.cash() + int256(sold.premium)).withLastCheckBlock(block.number);
        }
        t.tally(ledger);
    }

    /// @dev Initial margin of the buyer under the current manifest.
    function _requireInitial(
        PageCopy[] memory before,
        Run memory parts,
        Transfer memory t,
        Ledger storage ledger,
        Certificate[] memory certificates,
        Shelf memory shelf
    ) private view {
        Margin memory margin = parts.margin;
        if (parts.initial) {
            unchecked {
                margin.equity += t.toWord.cash();
            }
        } else {
            Run memory run = Runs.fresh()[0];
            run.fillAfter(t, before, true, shelf);
            (run.lanes, run.initial) = (true, true);
            uint256[] memory none;
            run.assessAlone(shelf, ledger, t.to, t.toWord, certificates, Basis(false, none));
            margin = run.margin;
        }
        require(margin.flags & (MARGIN_MISSING | MARGIN_NO_MANIFEST) == 0, IMarginVault.PriceNotFresh(t.to));
        require(margin.equity >= int256(margin.initial), IMarginVault.InitialMargin(t.to, margin.equity, margin.initial));
    }

    /// @dev Stores everything, and says whether the auction is over.
    function _close(Seller memory seller, Sale memory sale, Sold memory sold, Transfer memory t, Ledger storage ledger) private {
        unchecked {
            sold.equity -= sold.fromShare;
        }
        bool left = t.fromWord.hasPositions();
        bool healthy = left && sold.equity >= int256(sold.maintenance);
        // A slice takes more from a proof than from the tail risk: in what a proof began only a full one counts as a recovery.
        bool full = sold.fractionWad >= seller.largestWad || !sale.proven;
        require(full || !healthy, ILiquidator.ProofSpent(sale.account, sold.fractionWad, seller.largestWad));
        sold.ended = healthy || !left;
        if (sold.ended) t.fromWord = t.fromWord.withoutAuction();
        // What an account without positions lacks is a loss by now: a slice of few lots, rounded up, may take more than what it filled.
        if (!left && sold.equity < 0) {
            sold.hole = uint256(-sold.equity);
            sold.equity = 0;
            unchecked {
                t.fromWord = t.fromWord.withCash(t.fromWord.cash() + int256(sold.hole));
            }
        }
        t.store(ledger);
        (ledger.accounts[t.from], ledger.accounts[t.to]) = (t.fromWord, t.toWord);
    }

    /// @dev Whether what goes is all that the buyer will hold, and nothing that it shows counts.
    function _isAll(PageCopy[] memory before, Certificate[] memory certificates) private pure returns (bool) {
        if (before.length != 0 || certificates.length > MOST_CERTIFICATES) return false;
        return !certificates.isHedge(false);
    }

    /// @dev Whether what certificates show, if anything, is the account's book as it stands.
    function _showsOwn(Seller memory seller) private pure returns (bool) {
        (uint256 own, uint256 bytes_) = (seller.run.book + 32, 32 * (seller.run.bookWords - 1));
        bytes32 digest;
        assembly ("memory-safe") {
            digest := keccak256(own, bytes_)
        }
        for (uint256 i; i < seller.shown.length; ++i) {
            uint256[] memory book = seller.shown[i].book;
            if (book.length != 0 && keccak256(abi.encodePacked(book)) != digest) return false;
        }
        return true;
    }

    /// @dev Whether an account holds positions for the first time, or for the last.
    function _opened(uint256 oldWord, uint256 newWord) private pure returns (int256) {
        if (oldWord.isOpen() == newWord.isOpen()) return 0;
        return newWord.isOpen() ? int256(1) : -1;
    }
}
