// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Book} from "./libraries/Book.sol";
import {CertificateList} from "./libraries/CertificateList.sol";
import {VaultAccounts} from "./vault/VaultAccounts.sol";
import {VaultCollateral} from "./vault/VaultCollateral.sol";
import {VaultLiquidation} from "./vault/VaultLiquidation.sol";
import {VaultStorage} from "./vault/VaultStorage.sol";
import {VaultTrading} from "./vault/VaultTrading.sol";
import {VaultWindDown} from "./vault/VaultWindDown.sol";
import {ICollateralDesk} from "./interfaces/ICollateralDesk.sol";
import {IInstrumentRegistry} from "./interfaces/IInstrumentRegistry.sol";
import {IInsuranceFund} from "./interfaces/IInsuranceFund.sol";
import {IMarginOracle} from "./interfaces/IMarginOracle.sol";
import {IMarginVault, Certificate, Margin} from "./interfaces/IMarginVault.sol";
import {IVaultPriceFeed} from "./interfaces/IPriceFeed.sol";
import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title Accounts, cash, positions
/// @dev Assumptions about other contracts, which audits can cite:
/// 1. The settlement token moves exactly what it is told to, in transfers out; transfers in are measured. It never takes tokens from
///    the vault by itself. It may call back: every entry that moves tokens is guarded.
/// 2. The oracle returns pages of one manifest only, and a baseline that has been public for at least the grace period.
/// 3. The feed returns a price of at most 2^40 - 1 ticks, and a time of observation that is not later than the price became known.
/// 4. The registry never changes the underlying of a page nor the terms of a slot's generation.
/// 5. The liquidator checks that an account may be auctioned, and prices a slice; the vault moves it and conserves value.
/// 6. The insurance fund sends what `cover` says it paid before it returns.
/// 7. The collateral desk holds the tokens of all spot positions, moves positions together with them, and reads margin before it lets any go.
contract MarginVault is VaultAccounts, VaultTrading, VaultLiquidation, VaultCollateral, VaultWindDown {
    constructor(
        IERC20 token_,
        IMarginOracle oracle,
        IVaultPriceFeed feed,
        IInstrumentRegistry registry,
        address accessManager
    ) AccessManaged(accessManager) VaultStorage(token_, oracle, feed, registry) {}

    /* GOVERNANCE */

    /// @inheritdoc IMarginVault
    function setLiquidator(address newLiquidator) external restricted {
        require(liquidator == address(0), AlreadySet());
        liquidator = newLiquidator;
        emit LiquidatorSet(newLiquidator);
    }

    /// @inheritdoc IMarginVault
    function setInsuranceFund(address newFund) external restricted {
        require(address(insuranceFund) == address(0), AlreadySet());
        insuranceFund = IInsuranceFund(newFund);
        emit InsuranceFundSet(newFund);
    }

    /// @inheritdoc IMarginVault
    function setCollateralDesk(address newDesk) external restricted {
        require(address(collateralDesk) == address(0), AlreadySet());
        collateralDesk = ICollateralDesk(newDesk);
        emit CollateralDeskSet(newDesk);
    }

    /// @inheritdoc IMarginVault
    function listVenue(address venue, bool listed) external restricted {
        isVenue[venue] = listed;
        emit VenueListed(venue, listed);
    }

    /// @inheritdoc IMarginVault
    function setFeeShares(uint256 fundBps, uint256 protocolBps, bytes32 newProtocolAccount) external restricted {
        require(fundBps <= 10_000 && protocolBps <= 10_000 - fundBps, FeeSharesTooLarge(fundBps + protocolBps));
        (fundFeeBps, protocolFeeBps, protocolAccount) = (uint16(fundBps), uint16(protocolBps), newProtocolAccount);
        emit FeeSharesSet(fundBps, protocolBps, newProtocolAccount);
    }

    /// @inheritdoc IMarginVault
    function pauseTrading() external restricted {
        tradingPaused = true;
        emit TradingPauseChanged(true);
    }

    /// @inheritdoc IMarginVault
    function unpauseTrading() external restricted {
        tradingPaused = false;
        emit TradingPauseChanged(false);
    }

    /* VIEWS */

    /// @inheritdoc IMarginVault
    function accountWord(bytes32 account) external view returns (uint256) {
        return ledger.accounts[account];
    }

    /// @inheritdoc IMarginVault
    function bookWord(bytes32 account, uint256 page, uint256 index) external view returns (uint256) {
        return ledger.books[account][page][index];
    }

    /// @inheritdoc IMarginVault
    function positionLots(bytes32 account, uint256 page, uint256 slot, uint256 generation) external view returns (int256) {
        return Book.lotsIn(ledger, account, page, Book.keyOf(slot, generation));
    }

    /// @inheritdoc IMarginVault
    function margin(bytes32 account, Certificate calldata certificate, bool baseline) external view returns (Margin memory) {
        return _assess(account, ledger.accounts[account], CertificateList.only(certificate, baseline), baseline);
    }

    /// @inheritdoc IMarginVault
    function health(bytes32 account)
        external
        view
        returns (int256 equity, uint256 maintenance, bool liquidatable, Margin memory current)
    {
        return _health(account, new Certificate[](0));
    }

    /// @inheritdoc IMarginVault
    function provenHealth(bytes32 account, Certificate[] calldata certificates)
        external
        view
        returns (int256 equity, uint256 maintenance, bool liquidatable, Margin memory current)
    {
        return _health(account, certificates);
    }

    /// @inheritdoc IMarginVault
    function openInterest(uint256 underlying) external view returns (uint256) {
        return ledger.openInterest[underlying];
    }

    /// @inheritdoc IMarginVault
    function windDownAt() external view returns (uint256) {
        return woundDownAt;
    }

    /// @inheritdoc IMarginVault
    function token() external view returns (address) {
        return address(TOKEN);
    }
}
