// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {VaultStorage} from "./VaultStorage.sol";
import {FillEngine} from "../FillEngine.sol";
import {AccountWord} from "../libraries/AccountWord.sol";
import {Book} from "../libraries/Book.sol";
import {IMarginVault, Certificate, Fill} from "../interfaces/IMarginVault.sol";
import {IERC20, SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

/// @title Fills and fees
abstract contract VaultTrading is VaultStorage {
    using AccountWord for uint256;
    using SafeERC20 for IERC20;

    /* VENUES */

    /// @inheritdoc IMarginVault
    function settle(Fill calldata fill, Certificate[] calldata takerCertificates, Certificate[] calldata makerCertificates)
        external
        nonReentrant
        notWoundDown
    {
        require(!tradingPaused, TradingPaused());
        require(isVenue[msg.sender], NotVenue(msg.sender));
        require(fill.taker != fill.maker, SameAccount(fill.taker));
        require(fill.lots != 0, ZeroLots());
        uint256 fees = uint256(fill.takerFee) + fill.makerFee;
        if (fees != 0) accruedFees[msg.sender] += fees;
        int256 opened = FillEngine.settle(ledger, permissions, fill, takerCertificates, makerCertificates, ORACLE, FEED);
        if (opened != 0) _countOpened(opened);
        emit Traded(
            fill.taker,
            fill.maker,
            (uint256(fill.page) << 22) | Book.keyOf(fill.slot, fill.generation),
            fill.lots,
            fill.priceTicks,
            fill.takerFee,
            fill.makerFee
        );
    }

    /// @inheritdoc IMarginVault
    function distributeFees(address venue) external nonReentrant {
        // In a wind-down all claims wait for each other.
        require(woundDownAt == 0 || accountsWithPositions == 0, WoundDown());
        uint256 fees = accruedFees[venue];
        _useReserve(fees);
        accruedFees[venue] = 0;
        uint256 toDeficit = _repayDeficit(fees);
        fees -= toDeficit;
        uint256 toFund = address(insuranceFund) != address(0) ? (fees * fundFeeBps) / 10_000 : 0;
        uint256 toProtocol = (fees * protocolFeeBps) / 10_000;
        uint256 toVenue = fees - toFund - toProtocol;
        _credit(protocolAccount, toProtocol);
        _credit(bytes32(bytes20(venue)), toVenue);
        emit FeesDistributed(venue, toVenue, toFund, toProtocol, toDeficit);
        if (toFund != 0) TOKEN.safeTransfer(address(insuranceFund), toFund);
    }

    /* INTERNALS */

    function _credit(bytes32 account, uint256 value) private {
        uint256 word = ledger.accounts[account];
        ledger.accounts[account] = word.withCash(word.cash() + int256(value));
    }
}
