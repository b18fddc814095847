// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {MarginEngine} from "../MarginEngine.sol";
import {PlainSale} from "../PlainSale.sol";
import {Instrument} from "../libraries/Instruments.sol";
import {
    Certificate,
    IMarginVault,
    MARGIN_MISSING,
    MARGIN_NO_MANIFEST,
    MARGIN_STALE,
    Sale,
    Sold
} from "../interfaces/IMarginVault.sol";
import {AccountWord} from "../libraries/AccountWord.sol";
import {Book} from "../libraries/Book.sol";
import {PageLayout} from "../libraries/PageLayout.sol";
import {SliceValue} from "../libraries/SliceValue.sol";
import {VaultStorage} from "./VaultStorage.sol";

/// @title The vault's part in liquidations
/// @notice Marks accounts, moves positions, books and covers losses. Which account, how much of it and at what premium is for the liquidator to say.
abstract contract VaultLiquidation is VaultStorage {
    using AccountWord for uint256;

    /* LIQUIDATION: liquidator only */

    /// @inheritdoc IMarginVault
    function beginAuction(bytes32 account, uint256 loss, uint256 mark) external onlyLiquidator notWoundDown nonReentrant {
        uint256 word = ledger.accounts[account];
        _requireNoAuction(account, word);
        require(word.lastCheckBlock() != block.number, CheckedThisBlock(account));
        ledger.accounts[account] = word.withAuction(mark);
        // None is booked outside auctions.
        if (loss != 0) _bookLoss(account, loss);
    }

    /// @inheritdoc IMarginVault
    function endAuction(bytes32 account) external onlyLiquidator nonReentrant {
        ledger.accounts[account] = ledger.accounts[account].withoutAuction();
        _bookLoss(account, 0);
    }

    /// @inheritdoc IMarginVault
    function bookLoss(bytes32 account, uint256 loss) external onlyLiquidator notWoundDown nonReentrant {
        _bookLoss(account, loss);
    }

    /// @inheritdoc IMarginVault
    function sellSlice(
        Sale calldata sale,
        address caller,
        Certificate[] calldata buyerCertificates,
        Certificate[] calldata sellerCertificates
    )
        external
        onlyLiquidator
        notWoundDown
        nonReentrant
        returns (Sold memory sold)
    {
        (bytes32 from, bytes32 to) = (sale.account, sale.buyer);
        require(from != to, SameAccount(from));
        require(isAuthorised(to, caller), NotAuthorised(to, caller));
        sold = PlainSale.sell(ledger, sale, buyerCertificates, sellerCertificates, ORACLE, FEED);
        if (sold.opened != 0) _countOpened(sold.opened);
        (uint256 fundPaid, uint256 deficitAdded) = _cover(from, uint256(int256(sold.premium) - sold.fromShare));
        emit SliceMoved(from, to, sold.fractionWad, sold.value, sold.premium, sold.fromShare, fundPaid, deficitAdded);
        _cover(from, sold.hole);
        _bookLoss(from, sold.ended || sold.equity >= 0 ? 0 : uint256(-sold.equity));
    }

    /// @inheritdoc IMarginVault
    function coverLoss(bytes32 account, uint256 loss) external onlyLiquidator notWoundDown nonReentrant {
        uint256 word = ledger.accounts[account];
        ledger.accounts[account] = word.withCash(word.cash() + int256(loss));
        _cover(account, loss);
    }

    /// @inheritdoc IMarginVault
    function deleverage(bytes32 account, bytes32 opposite, uint256 page, uint256 slot, uint256 lots)
        external
        onlyLiquidator
        notWoundDown
        nonReentrant
    {
        require(account != opposite, SameAccount(account));
        require(lots != 0, ZeroLots());
        _requireNoAuction(opposite, ledger.accounts[opposite]);
        uint256 key = Book.keyOf(slot, PageLayout.generation(REGISTRY.terms(page, slot)));
        Instrument memory found = MarginEngine.instrument(ORACLE, FEED, page, slot, Book.generationOf(key));
        require(found.flags & (MARGIN_STALE | MARGIN_MISSING | MARGIN_NO_MANIFEST) == 0, PriceStale(found.underlying));
        int256 priceTicks = found.mark - found.funding;
        int256 closed = int256(lots);
        if (Book.lotsIn(ledger, account, page, key) < 0) closed = -closed;
        _close(account, page, key, closed, priceTicks, found);
        _close(opposite, page, key, -closed, priceTicks, found);
        (int256 equity, uint256 maintenance,,) = _health(opposite, new Certificate[](0));
        require(equity >= int256(maintenance), ReduceRaisesRisk(opposite, equity, maintenance));
        emit Deleveraged(account, opposite, (page << 22) | key, closed, priceTicks);
    }

    /* VIEWS */

    /// @inheritdoc IMarginVault
    function sliceValue(bytes32 account, uint256 fractionWad) external view returns (int256 value) {
        return SliceValue.worth(ledger, account, fractionWad, ORACLE, FEED);
    }

    /* INTERNALS */

    /// @dev Turns `closed` lots of a position, which holds at least as many of that sign, into cash at the live value.
    function _close(bytes32 account, uint256 page, uint256 key, int256 closed, int256 priceTicks, Instrument memory found) private {
        uint256 oldWord = ledger.accounts[account];
        (uint256 newWord, int256 oldLots, int256 newLots) = Book.addLots(ledger, account, oldWord, page, key, -closed);
        bool reduces = closed > 0 ? newLots >= 0 : newLots <= 0;
        require(reduces && oldLots != 0, LotsOutOfRange(closed, 0));
        Book.tally(ledger, found.underlying, oldLots, newLots);
        _store(account, oldWord, newWord.withCash(newWord.cash() + closed * priceTicks * int256(found.tick)));
    }

    /// @dev Sets the booked loss of an account.
    function _bookLoss(bytes32 account, uint256 loss) private {
        uint256 booked = lossOf[account];
        if (booked == loss) return;
        lossOf[account] = loss;
        bookedLosses = bookedLosses - booked + loss;
        emit LossBooked(account, loss);
    }

    /// @dev Asks the fund for what was credited without tokens; what does not arrive is deficit.
    function _cover(bytes32 account, uint256 wanted) private returns (uint256 fundPaid, uint256 deficitAdded) {
        if (wanted == 0) return (0, 0);
        if (address(insuranceFund) != address(0)) {
            uint256 held = TOKEN.balanceOf(address(this));
            insuranceFund.cover(wanted);
            fundPaid = TOKEN.balanceOf(address(this)) - held;
            if (fundPaid > wanted) fundPaid = wanted;
        }
        deficitAdded = wanted - fundPaid;
        if (deficitAdded == 0) return (fundPaid, 0);
        deficit += deficitAdded;
        emit DeficitRecorded(account, deficitAdded, deficit);
    }
}
