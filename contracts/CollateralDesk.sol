// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {DeskDebt} from "./desk/DeskDebt.sol";
import {CollateralRequest, DeskStorage, Holding, MAX_LOTS} from "./desk/DeskStorage.sol";
import {ICollateralDesk} from "./interfaces/ICollateralDesk.sol";
import {IInstrumentRegistry} from "./interfaces/IInstrumentRegistry.sol";
import {Certificate, IMarginVault, MARGIN_DRIFTED, MARGIN_FROZEN, Margin} from "./interfaces/IMarginVault.sol";
import {IVaultPriceFeed} from "./interfaces/IPriceFeed.sol";
import {AccountWord} from "./libraries/AccountWord.sol";
import {Book} from "./libraries/Book.sol";
import {CertificateList} from "./libraries/CertificateList.sol";
import {KIND_SPOT, PageLayout} from "./libraries/PageLayout.sol";
import {POSITIONS_PER_WORD, PositionWords} from "./libraries/PositionWords.sol";
import {MAX_MANIFEST_AGE, OLD_MANIFEST_WITHDRAWAL_AGE} from "./vault/VaultAccounts.sol";
import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20, SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @dev Most that a debt may cost, basis points a year.
uint256 constant MAX_INTEREST_BPS = 10_000;

/// @title Collateral other than the settlement token
/// @dev Assumptions:
/// 1. A listed token moves exactly what it is told to, and no balance changes otherwise. Both directions are measured; a token may call back.
/// 2. The vault changes spot positions only through `adjustCollateral`, and by moves between accounts that create none.
/// 3. The vault's `margin` is that of the account as it stands, so it can be read after a position was taken out and before the tokens leave.
/// 4. The registry never changes the token of a slot, nor the slot's kind and generation.
contract CollateralDesk is DeskDebt {
    using AccountWord for uint256;
    using AccountWord for bytes32;
    using CertificateList for Certificate[];
    using SafeERC20 for IERC20;

    constructor(IMarginVault vault, IInstrumentRegistry registry, IVaultPriceFeed feed, address accessManager)
        AccessManaged(accessManager)
        DeskStorage(vault, registry, feed)
    {
        TOKEN.forceApprove(address(vault), type(uint256).max);
    }

    /* GOVERNANCE */

    /// @inheritdoc ICollateralDesk
    function setDepositCap(uint256 page, uint256 slot, uint256 lots) external restricted {
        (address token,) = REGISTRY.collateral(page, slot);
        require(token != address(TOKEN), SettlementToken(token));
        require(lots <= MAX_LOTS, CapTooLarge(lots));
        holdings[page][slot].cap = uint40(lots);
        emit DepositCapSet(page, slot, lots);
    }

    /// @inheritdoc ICollateralDesk
    function stopDeposits(uint256 page, uint256 slot) external restricted {
        holdings[page][slot].cap = 0;
        emit DepositCapSet(page, slot, 0);
    }

    /// @inheritdoc ICollateralDesk
    function setDebtCap(uint256 newCap) external restricted {
        require(newCap <= type(uint104).max, CapTooLarge(newCap));
        debtCap = newCap;
        emit DebtCapSet(newCap);
    }

    /// @inheritdoc ICollateralDesk
    function setInterestRate(uint256 newRateBps) external restricted {
        require(newRateBps <= MAX_INTEREST_BPS, RateTooLarge(newRateBps));
        (rateIndex, rateIndexAt) = (uint128(_rateIndex()), uint64(block.timestamp));
        interestRateBps = newRateBps;
        emit InterestRateSet(newRateBps);
    }

    /* USERS */

    /// @inheritdoc ICollateralDesk
    function deposit(bytes32 account, uint256 page, uint256 slot, uint256 lots) external nonReentrant {
        require(VAULT.isAuthorised(account, msg.sender), NotAuthorised(account, msg.sender));
        _requireLots(lots);
        (address token, uint256 unitsPerLot) = REGISTRY.collateral(page, slot);
        Holding storage held = holdings[page][slot];
        uint256 holds = held.lots + lots;
        require(holds <= held.cap, DepositCap(page, slot, holds, held.cap));
        held.lots = uint40(holds);
        _accrueSeen(account);
        _receive(token, lots * unitsPerLot);
        VAULT.adjustCollateral(account, page, slot, int256(lots), false);
        emit CollateralDeposited(account, msg.sender, page, slot, lots, lots * unitsPerLot);
    }

    /// @inheritdoc ICollateralDesk
    function withdraw(bytes32 account, uint256 page, uint256 slot, uint256 lots, address to) external nonReentrant {
        _requireMay(account, to);
        _requireLots(lots);
        require(_owesNothing(account), PositionsOpen(account));
        _forget(account);
        _payOut(account, page, slot, lots, to);
    }

    /// @inheritdoc ICollateralDesk
    function requestWithdrawal(bytes32 account, uint256 page, uint256 slot, uint256 lots) external {
        require(VAULT.isAuthorised(account, msg.sender), NotAuthorised(account, msg.sender));
        _requireLots(lots);
        REGISTRY.collateral(page, slot);
        requests[account] = CollateralRequest(uint8(page), uint8(slot), uint40(lots), uint64(block.timestamp));
        emit CollateralRequested(account, page, slot, lots);
    }

    /// @inheritdoc ICollateralDesk
    function claimWithdrawal(bytes32 account, address to, Certificate[] calldata certificates) external nonReentrant {
        CollateralRequest memory request = requests[account];
        require(request.requestedAt != 0, NoRequest(account));
        _requireMay(account, to);
        delete requests[account];
        if (_owesNothing(account)) {
            _forget(account);
            _payOut(account, request.page, request.slot, request.lots, to);
            return;
        }
        require(VAULT.windDownAt() == 0, WoundDown());
        _accrueSeen(account);
        _drain(request.page, request.slot, request.lots);
        (address token, uint256 units) = _takeOut(account, request.page, request.slot, request.lots, true);
        _requireClaimable(account, request.requestedAt, certificates);
        emit CollateralWithdrawn(account, to, request.page, request.slot, request.lots, units);
        _send(token, to, units);
    }

    /* VIEWS */

    /// @inheritdoc ICollateralDesk
    function holding(uint256 page, uint256 slot) external view returns (uint256 lots, uint256 cap) {
        return (holdings[page][slot].lots, holdings[page][slot].cap);
    }

    /// @inheritdoc ICollateralDesk
    function withdrawalRequest(bytes32 account)
        external
        view
        returns (uint256 page, uint256 slot, uint256 lots, uint256 requestedAt)
    {
        CollateralRequest memory request = requests[account];
        return (request.page, request.slot, request.lots, request.requestedAt);
    }

    /* INTERNALS */

    function _payOut(bytes32 account, uint256 page, uint256 slot, uint256 lots, address to) private {
        (address token, uint256 units) = _takeOut(account, page, slot, lots, false);
        emit CollateralWithdrawn(account, to, page, slot, lots, units);
        _send(token, to, units);
    }

    function _requireLots(uint256 lots) private pure {
        require(lots != 0, ZeroLots());
        require(lots <= MAX_LOTS, CapTooLarge(lots));
    }

    /// @dev Caller and recipient of any withdrawal.
    function _requireMay(bytes32 account, address to) private view {
        bool may = VAULT.isAuthorised(account, msg.sender) && (to == account.owner() || msg.sender == account.owner());
        require(may, NotAuthorised(account, msg.sender));
    }

    /// @dev Whether an account owes nothing and no price can make it: its cash is not negative and all its positions are spot.
    function _owesNothing(bytes32 account) private view returns (bool) {
        uint256 word = VAULT.accountWord(account);
        if (word.cash() < 0 || VAULT.windDownDebt(account) != 0) return false;
        for (uint256 list = word.pages(); list != 0; list >>= 16) {
            uint256 page = list & 0xff;
            uint256 stored;
            for (uint256 i; i < (list >> 8) & 0xff; ++i) {
                if (i % POSITIONS_PER_WORD == 0) stored = VAULT.bookWord(account, page, i / POSITIONS_PER_WORD);
                uint256 position = PositionWords.positionAt(stored, i % POSITIONS_PER_WORD);
                if (PageLayout.kind(REGISTRY.terms(page, Book.slotOf(position))) != KIND_SPOT) return false;
            }
        }
        return true;
    }

    /// @dev The second step of a withdrawal, as for cash: everything that the margin without the lots depends on was observed after the request.
    function _requireClaimable(bytes32 account, uint256 requestedAt, Certificate[] memory certificates) private view {
        Margin memory m = VAULT.margin(account, certificates.under(false), false);
        require(m.oldestPriceAt > requestedAt, RequestTooYoung(account, requestedAt));
        require(_fresh(m), PriceNotFresh(account));
        uint256 age = Math.saturatingSub(block.timestamp, m.manifestAsOf);
        if (age > MAX_MANIFEST_AGE || m.flags & (MARGIN_FROZEN | MARGIN_DRIFTED) != 0) {
            require(age > OLD_MANIFEST_WITHDRAWAL_AGE, WithdrawalNotYet(account, m.flags));
            _requireLeft(account, m, m.initial + Math.ceilDiv(m.initial, 2));
            return;
        }
        require(m.manifestAsOf > requestedAt, RequestTooYoung(account, requestedAt));
        _requireLeft(account, m, m.initial);
        m = VAULT.margin(account, certificates.under(true), true);
        require(_counts(m), WithdrawalNotYet(account, m.flags));
        _requireLeft(account, m, m.initial);
    }

    function _requireLeft(bytes32 account, Margin memory m, uint256 wanted) private view {
        require(m.equity >= int256(wanted), InitialMargin(account, m.equity, wanted));
        require(m.quote >= -int256(debtCap), QuoteDebt(account, m.quote));
    }
}
