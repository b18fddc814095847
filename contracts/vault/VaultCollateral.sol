// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {VaultStorage} from "./VaultStorage.sol";
import {AccountWord, MAX_TRADED_POSITIONS} from "../libraries/AccountWord.sol";
import {Book} from "../libraries/Book.sol";
import {KIND_SPOT, PageLayout} from "../libraries/PageLayout.sol";
import {IMarginVault} from "../interfaces/IMarginVault.sol";

/// @title The vault's part in collateral
/// @notice Spot positions grow and shrink with the tokens that the desk holds.
abstract contract VaultCollateral is VaultStorage {
    using AccountWord for uint256;

    modifier onlyCollateralDesk() {
        require(msg.sender == address(collateralDesk), NotCollateralDesk(msg.sender));
        _;
    }

    /* COLLATERAL: collateral desk only */

    /// @inheritdoc IMarginVault
    function adjustCollateral(bytes32 account, uint256 page, uint256 slot, int256 lots, bool checked)
        external
        onlyCollateralDesk
        nonReentrant
    {
        uint256 terms = REGISTRY.terms(page, slot);
        uint256 key = Book.keyOf(slot, PageLayout.generation(terms));
        require(PageLayout.kind(terms) == KIND_SPOT, UnknownInstrument(page, slot, key >> 8));
        uint256 oldWord = ledger.accounts[account];
        _requireNoAuction(account, oldWord);
        (uint256 word,, int256 newLots) = Book.addLots(ledger, account, oldWord, page, key, lots);
        bool fits = lots > 0 ? Book.inRange(newLots, PageLayout.shift(terms)) : newLots >= 0;
        require(fits, LotsOutOfRange(newLots, PageLayout.shift(terms)));
        if (lots > 0) {
            require(woundDownAt == 0, WoundDown());
            require(word.positions() <= MAX_TRADED_POSITIONS, TooManyPositions(account, MAX_TRADED_POSITIONS));
        }
        _store(account, oldWord, checked ? word.withLastCheckBlock(block.number) : word);
        emit CollateralAdjusted(account, (page << 22) | key, lots);
    }

    /// @inheritdoc IMarginVault
    function chargeInterest(bytes32 account, uint256 value) external onlyCollateralDesk notWoundDown nonReentrant {
        uint256 word = ledger.accounts[account];
        ledger.accounts[account] = word.withCash(word.cash() - int256(value));
        reserve += value - _repayDeficit(value);
        emit InterestCharged(account, value);
    }
}
