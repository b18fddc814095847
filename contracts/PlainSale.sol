// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {SaleEngine} from "./SaleEngine.sol";
import {AccountWord, MAX_POSITIONS} from "./libraries/AccountWord.sol";
import {Assessments} from "./libraries/Assessment.sol";
import {AuctionMath} from "./libraries/AuctionMath.sol";
import {BaselineRequirements} from "./libraries/BaselineRequirement.sol";
import {Book, SCALED_LOTS_BITS} from "./libraries/Book.sol";
import {Ledger} from "./libraries/Ledger.sol";
import {PackedLoad} from "./libraries/PackedLoad.sol";
import {PageCopies} from "./libraries/PageCopies.sol";
import {PlainBook, PlainBooks, PlainPage} from "./libraries/PlainBook.sol";
import {PlainRuns} from "./libraries/PlainRun.sol";
import {PlainRun} from "./libraries/PlainSum.sol";
import {PositionWords} from "./libraries/PositionWords.sol";
import {Slices} from "./libraries/Slice.sol";
import {UnitProducts} from "./libraries/UnitProducts.sol";
import {IMarginOracle} from "./interfaces/IMarginOracle.sol";
import {Certificate, Margin, Sale, Sold} from "./interfaces/IMarginVault.sol";
import {IVaultPriceFeed} from "./interfaces/IPriceFeed.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @notice A sale in progress.
/// @param run Of the seller under the current manifest, at first as it stands, at last as it will.
/// @param parts Of what goes, which is all that the buyer will hold.
/// @param words The oracle's, as `loadWithBaseline` has them.
/// @param maintenance By which the seller is judged.
struct Deal {
    PlainBook book;
    PlainRun run;
    PlainRun parts;
    uint256[] words;
    int256 equity;
    uint256 maintenance;
    uint256 fromWord;
    uint256 toWord;
}

/// @title A purchase as most are: of plain positions, into an account that holds none, without certificates
/// @notice `SaleEngine.sell` with the same result in fewer steps; and that itself for all else, and for whatever it refuses: so errors, and what is rare, stand
/// in one place.
/// @dev Nothing is stored before it is certain that a sale is made here. Assumptions: those of SaleEngine.
library PlainSale {
    using AccountWord for uint256;
    using PlainBooks for PlainBook;
    using PlainRuns for PlainBook;
    using PlainRuns for PlainRun;

    /* EXTERNAL */

    /// @notice As `SaleEngine.sell`.
    function sell(
        Ledger storage ledger,
        Sale calldata sale,
        Certificate[] calldata buyerCertificates,
        Certificate[] calldata sellerCertificates,
        IMarginOracle oracle,
        IVaultPriceFeed feed
    ) external returns (Sold memory sold) {
        bool bare = buyerCertificates.length | sellerCertificates.length == 0 && !sale.proven;
        if (!bare || !_sell(ledger, sale, sold, oracle, feed)) _forward();
    }

    /* INTERNALS */

    /// @dev Makes a sale, if it is plain and nothing speaks against it.
    function _sell(Ledger storage ledger, Sale calldata sale, Sold memory sold, IMarginOracle oracle, IVaultPriceFeed feed) private returns (bool made) {
        (uint256 fromWord, uint256 toWord) = (ledger.accounts[sale.account], ledger.accounts[sale.buyer]);
        uint256 list = fromWord.pages();
        if (fromWord.positions() > MAX_POSITIONS || list == 0 || toWord.hasPositions() || toWord.inAuction()) return false;
        Deal memory d = _open()[0];
        (d.fromWord, d.toWord) = (fromWord, toWord);
        d.book = PlainBooks.open(ledger, sale.account, list)[0];
        if (!_judge(d, ledger, oracle, feed)) return false;
        sold.fractionWad = Math.min(sale.maxFractionWad, AuctionMath.largestFractionWad(d.equity, d.maintenance, sale.kWad));
        if (!_cut(d, sold.fractionWad)) return false;
        unchecked {
            d.parts = d.book.ofParts(d.run, d.words, ledger)[0];
            sold.value = d.parts.sums.margin.equity;
            d.fromWord = d.fromWord.withCash(d.fromWord.cash() + sold.value);
            int256 cash = d.toWord.cash() - sold.value;
            if (cash != int104(cash) || !_rejudge(d, sold, ledger)) return false;
            (sold.premium, sold.fromShare) =
                AuctionMath.split(d.equity, d.maintenance, sale.kWad, sold.fractionWad, sold.maintenance, true);
            d.fromWord = d.fromWord.withCash(d.fromWord.cash() - sold.fromShare);
            cash += int256(sold.premium);
            d.toWord = d.toWord.withCash(cash).withLastCheckBlock(block.number) | list;
            if (sold.value + cash < int256(d.parts.sums.margin.initial)) return false;
            _close(d, sale, sold, ledger);
            sold.opened = d.toWord.isOpen() ? int256(1) : int256(0);
            if (fromWord.isOpen() && !d.fromWord.isOpen()) --sold.opened;
        }
        return true;
    }

    /// @dev Whether the seller fails on a price, by which maintenance, and that a hole is borne out.
    function _judge(Deal memory d, Ledger storage ledger, IMarginOracle oracle, IVaultPriceFeed feed) private view returns (bool fails) {
        unchecked {
            uint256 count = d.book.pages.length;
            d.words = PackedLoad.bothPages(oracle, d.book.ids, count);
            if (d.words[0] == 0 || !d.book.price(feed, d.words)) return false;
            (PlainRun[] memory one, bool plain) = d.book.ofBook(d.words, 1, d.fromWord.cash(), ledger, true);
            if (!plain) return false;
            d.run = one[0];
            (d.equity, d.maintenance) = (d.run.sums.margin.equity, d.run.sums.margin.maintenance);
            if (!Assessments.fails(d.equity, d.maintenance)) return false;
            bool young = (d.words[0] >> 120) & 1 == 0;
            if (!young) return d.equity >= 0;
            if (d.words.length == count + 1) return false;
            (Margin memory old, uint256 raised) = _old(d, ledger);
            if (raised == 0) return false;
            d.maintenance = Math.min(d.maintenance, raised);
            if (!Assessments.fails(d.equity, d.maintenance) || !Assessments.fails(old.equity, raised)) return false;
            return d.equity >= 0 || old.equity - d.equity <= int256(d.maintenance);
        }
    }

    /// @dev The seller under the baseline, and its maintenance raised by its drift; zero if it is not plain there.
    function _old(Deal memory d, Ledger storage ledger) private view returns (Margin memory old, uint256 raised) {
        (PlainRun[] memory one, bool plain) = d.book.ofBook(d.words, d.book.pages.length + 1, d.fromWord.cash(), ledger, false);
        if (!plain) return (old, 0);
        old = one[0].sums.margin;
        raised = BaselineRequirements.raised(old.maintenance, old.driftX32);
    }

    /// @dev Cuts a slice off every page; the seller's word has the counts after.
    /// @return cut Whether something goes, and lots are few enough.
    function _cut(Deal memory d, uint256 fractionWad) private view returns (bool cut) {
        unchecked {
            uint256 count = d.book.pages.length;
            (uint256 list, bool empties) = (0, false);
            for (uint256 i; i < count; ++i) {
                PlainPage memory page = d.book.pages[i];
                Slices.cut(page.held, page.kept, page.part, 0, 0, fractionWad);
                if (UnitProducts.absoluteLots(page.units) >> SCALED_LOTS_BITS != 0) return false;
                if (page.kept.count == 0) empties = true;
                list |= ((page.kept.count << 8) | page.copy.id) << (16 * i);
            }
            if (empties) _recount(d);
            else d.fromWord = (d.fromWord & ~uint256(type(uint96).max)) | list;
            return fractionWad != 0;
        }
    }

    /// @dev Writes the counts after to the seller's word one after another; of a page that empties the last of the list takes the place.
    function _recount(Deal memory d) private pure {
        for (uint256 i; i < d.book.pages.length; ++i) {
            PlainPage memory page = d.book.pages[i];
            (uint256 entry,) = Book.pageEntry(d.fromWord, page.copy.id);
            d.fromWord = Book.withCount(d.fromWord, entry, page.copy.id, page.kept.count);
        }
    }

    /// @dev Health after the slice: that of before less what goes.
    /// @return better Whether it needs no more maintenance than before.
    function _rejudge(Deal memory d, Sold memory sold, Ledger storage ledger) private view returns (bool better) {
        if (!d.fromWord.hasPositions()) {
            sold.equity = d.fromWord.cash();
            return true;
        }
        d.run.subtract(d.parts, d.fromWord.cash(), ledger);
        (sold.equity, sold.maintenance) = (d.run.sums.margin.equity, d.run.sums.margin.maintenance);
        if (Assessments.fails(sold.equity, sold.maintenance) && d.words.length != d.book.pages.length + 1) {
            for (uint256 i; i < d.book.pages.length; ++i) {
                PlainPage memory page = d.book.pages[i];
                (page.copy.words, page.copy.count, page.records) = (page.kept.at_, page.kept.count, 0);
            }
            (, uint256 raised) = _old(d, ledger);
            if (raised == 0) return false;
            sold.maintenance = Math.min(sold.maintenance, raised);
        }
        return sold.maintenance <= d.maintenance;
    }

    /// @dev Stores everything, and says whether the auction is over.
    function _close(Deal memory d, Sale calldata sale, Sold memory sold, Ledger storage ledger) private {
        unchecked {
            sold.equity -= sold.fromShare;
            bool left = d.fromWord.hasPositions();
            sold.ended = !left || sold.equity >= int256(sold.maintenance);
            if (sold.ended) d.fromWord = d.fromWord.withoutAuction();
            // a slice of few lots, rounded up, may take more than what it filled
            if (!left && sold.equity < 0) {
                sold.hole = uint256(-sold.equity);
                sold.equity = 0;
                d.fromWord = d.fromWord.withCash(d.fromWord.cash() + int256(sold.hole));
            }
            for (uint256 i; i < d.book.pages.length; ++i) {
                PlainPage memory page = d.book.pages[i];
                uint256 id = page.copy.id;
                PositionWords.write(ledger.books[sale.account][id], page.held.count, page.kept.at_, page.kept.count);
                PositionWords.write(ledger.books[sale.buyer][id], 0, page.part.at_, page.part.count);
            }
            (ledger.accounts[sale.account], ledger.accounts[sale.buyer]) = (d.fromWord, d.toWord);
        }
    }

    /// @dev A deal with nothing in it. In a list, as Solidity writes zeros word by word into whatever struct a function returns.
    function _open() private pure returns (Deal[] memory one) {
        uint256 at_ = PageCopies.zeroWords(10);
        assembly ("memory-safe") {
            one := at_
            mstore(one, 1)
            mstore(add(one, 0x20), add(one, 0x40))
        }
    }

    /// @dev Leaves the call to SaleEngine as it came, and its answer as it is.
    function _forward() private {
        address engine = address(SaleEngine);
        bytes4 selector = SaleEngine.sell.selector;
        assembly ("memory-safe") {
            let at := mload(0x40)
            calldatacopy(at, 0, calldatasize())
            mstore(at, or(selector, shr(32, shl(32, mload(at)))))
            let done := delegatecall(gas(), engine, at, calldatasize(), 0, 0)
            returndatacopy(at, 0, returndatasize())
            if iszero(done) { revert(at, returndatasize()) }
            return(at, returndatasize())
        }
    }
}
