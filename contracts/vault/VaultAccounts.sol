// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {VaultStorage, WithdrawalRequest, PERMISSION_OPERATOR, PERMISSION_VENUE} from "./VaultStorage.sol";
import {AccountWord} from "../libraries/AccountWord.sol";
import {MarginEngine} from "../MarginEngine.sol";
import {IMarginVault, Certificate, Margin} from "../interfaces/IMarginVault.sol";
import {
    MARGIN_DRIFTED,
    MARGIN_FROZEN,
    MARGIN_MISSING,
    MARGIN_NOT_FRESH,
    MARGIN_NO_MANIFEST,
    MARGIN_STALE
} from "../interfaces/IMarginVault.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {IERC20, SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @dev H: a manifest older than this lets no account add risk.
uint256 constant MAX_MANIFEST_AGE = 30 minutes;
/// @dev H2: from this age of the manifest on, cash can leave at 1.5 times the requirement.
uint256 constant OLD_MANIFEST_WITHDRAWAL_AGE = 2 hours;
/// @dev Share of the vault's tokens that accounts with positions may take out within OUTFLOW_WINDOW.
uint256 constant OUTFLOW_BPS = 1_000;
/// @dev Time over which the outflow bucket refills.
uint256 constant OUTFLOW_WINDOW = 1 hours;
/// @dev One, as a fixed-point number.
uint256 constant WAD = 1e18;

/// @title Accounts, deposits and withdrawals
abstract contract VaultAccounts is VaultStorage {
    using AccountWord for uint256;
    using AccountWord for bytes32;
    using SafeERC20 for IERC20;

    /* ACCOUNTS */

    /// @inheritdoc IMarginVault
    function setOperator(bytes32 account, address operator, bool approved) external {
        _setPermission(account, operator, PERMISSION_OPERATOR, approved);
        emit OperatorSet(account, operator, approved);
    }

    /// @inheritdoc IMarginVault
    function approveVenue(bytes32 account, address venue, bool approved) external {
        _setPermission(account, venue, PERMISSION_VENUE, approved);
        emit VenueApproved(account, venue, approved);
    }

    /* DEPOSITS */

    /// @inheritdoc IMarginVault
    function deposit(bytes32 account, uint256 value) external nonReentrant {
        _deposit(account, value);
    }

    /// @inheritdoc IMarginVault
    function depositWithPermit(bytes32 account, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        nonReentrant
    {
        // Whoever sees the permit can spend it first; the allowance then stands already, and if not the transfer fails.
        try IERC20Permit(address(TOKEN)).permit(msg.sender, address(this), value, deadline, v, r, s) {} catch {}
        _deposit(account, value);
    }

    /* WITHDRAWALS */

    /// @inheritdoc IMarginVault
    function withdraw(bytes32 account, uint256 value, address to) external nonReentrant returns (uint256 paid) {
        uint256 word = _requireWithdrawable(account, value, to);
        require(!word.isOpen(), PositionsOpen(account));
        paid = _payOut(account, word, value, to);
    }

    /// @inheritdoc IMarginVault
    function requestWithdrawal(bytes32 account, uint256 value) external {
        require(isAuthorised(account, msg.sender), NotAuthorised(account, msg.sender));
        require(value != 0, ZeroAmount());
        require(value <= type(uint128).max, InsufficientCash(account, ledger.accounts[account].cash(), value));
        requests[account] = WithdrawalRequest(uint128(value), uint64(block.timestamp));
        emit WithdrawalRequested(account, value);
    }

    /// @inheritdoc IMarginVault
    function claimWithdrawal(bytes32 account, address to, Certificate[] calldata certificates)
        external
        nonReentrant
        returns (uint256 paid)
    {
        WithdrawalRequest memory request = requests[account];
        require(request.requestedAt != 0, NoRequest(account));
        uint256 word = _requireWithdrawable(account, request.value, to);
        delete requests[account];
        bool held = word.isOpen();
        if (held) {
            _requireClaimable(account, word, request, certificates);
            word = word.withLastCheckBlock(block.number);
        }
        uint256 capacity = (TOKEN.balanceOf(address(this)) * OUTFLOW_BPS) / 10_000;
        paid = _payOut(account, word, request.value, to);
        if (held) _drain(paid, capacity);
    }

    /* VIEWS */

    /// @inheritdoc IMarginVault
    function withdrawalRequest(bytes32 account) external view returns (uint256 value, uint256 requestedAt) {
        WithdrawalRequest memory request = requests[account];
        return (request.value, request.requestedAt);
    }

    /// @inheritdoc IMarginVault
    function exitHaircutWad() public view returns (uint256) {
        uint256 missing = deficit + bookedLosses;
        if (missing == 0) return 0;
        uint256 claims = Math.saturatingSub(TOKEN.balanceOf(address(this)) + deficit, reserve);
        uint256 covered = reserve;
        // In a wind-down the fund counts only for what it has paid.
        if (woundDownAt == 0 && address(insuranceFund) != address(0)) covered += insuranceFund.coverable();
        if (missing <= covered) return 0;
        missing -= covered;
        return missing >= claims ? WAD : Math.mulDiv(missing, WAD, claims, Math.Rounding.Ceil);
    }

    /* INTERNALS */

    function _setPermission(bytes32 account, address who, uint256 permission, bool on) private {
        require(msg.sender == account.owner(), NotAuthorised(account, msg.sender));
        if (on) permissions[account][who] |= permission;
        else permissions[account][who] &= ~permission;
    }

    function _deposit(bytes32 account, uint256 value) private {
        uint256 owed = woundDownAt == 0 ? 0 : windDownDebt[account];
        require(woundDownAt == 0 || owed != 0, WoundDown());
        require(value != 0, ZeroAmount());
        uint256 balance = TOKEN.balanceOf(address(this));
        TOKEN.safeTransferFrom(msg.sender, address(this), value);
        uint256 received = TOKEN.balanceOf(address(this)) - balance;
        require(received == value, TransferFee(value, received));
        uint256 word = ledger.accounts[account];
        if (owed != 0) {
            if (owed > value) owed = value;
            windDownDebt[account] -= owed;
            reserve += owed - _repayDeficit(owed);
        }
        ledger.accounts[account] = word.withCash(word.cash() + int256(value - owed));
        emit Deposited(account, msg.sender, value);
    }

    /// @dev Caller, state and recipient of any withdrawal.
    function _requireWithdrawable(bytes32 account, uint256 value, address to) private view returns (uint256 word) {
        require(isAuthorised(account, msg.sender), NotAuthorised(account, msg.sender));
        require(to == account.owner() || msg.sender == account.owner(), NotAuthorised(account, msg.sender));
        require(value != 0, ZeroAmount());
        word = ledger.accounts[account];
        _requireNoAuction(account, word);
        require(woundDownAt == 0 || accountsWithPositions == 0, AccountsNotSettled(accountsWithPositions));
    }

    /// @dev The second of the two steps: everything that the payment depends on was observed after the request.
    function _requireClaimable(bytes32 account, uint256 word, WithdrawalRequest memory request, Certificate[] memory certificates)
        private
        view
    {
        Margin memory m = _assess(account, word, certificates, false);
        require(m.oldestPriceAt > request.requestedAt, RequestTooYoung(account, request.requestedAt));
        require(
            m.flags & (MARGIN_STALE | MARGIN_NOT_FRESH | MARGIN_MISSING | MARGIN_NO_MANIFEST) == 0, PriceNotFresh(account)
        );
        uint256 age = block.timestamp > m.manifestAsOf ? block.timestamp - m.manifestAsOf : 0;
        if (age > MAX_MANIFEST_AGE || m.flags & (MARGIN_FROZEN | MARGIN_DRIFTED) != 0) {
            require(age > OLD_MANIFEST_WITHDRAWAL_AGE, WithdrawalNotYet(account, m.flags));
            _requireLeft(account, m, request.value, m.initial + Math.ceilDiv(m.initial, 2));
            return;
        }
        require(m.manifestAsOf > request.requestedAt, RequestTooYoung(account, request.requestedAt));
        _requireLeft(account, m, request.value, m.initial);
        m = _assess(account, word, certificates, true);
        require(m.flags & (MARGIN_MISSING | MARGIN_NO_MANIFEST) == 0, WithdrawalNotYet(account, m.flags));
        _requireLeft(account, m, request.value, m.initial);
    }

    /// @dev What remains meets the requirement, and what is paid out is not owed already.
    function _requireLeft(bytes32 account, Margin memory m, uint256 value, uint256 wanted) private pure {
        int256 left = m.equity - int256(value);
        require(left >= int256(wanted), InitialMargin(account, left, wanted));
        require(m.quote >= int256(value), InsufficientCash(account, m.quote, value));
    }

    /// @dev `paid = value - ceil(value haircut)`. What is withheld repays the deficit; what exceeds that is kept for losses that are
    /// booked and not yet real.
    function _payOut(bytes32 account, uint256 word, uint256 value, address to) private returns (uint256 paid) {
        // Compared without a sign: as a signed word a value of 2^255 or more would be negative, and credited.
        bool enough = word.cash() > 0 && value <= uint256(word.cash());
        require(enough || word.isOpen(), InsufficientCash(account, word.cash(), value));
        ledger.accounts[account] = word.withCash(word.cash() - int256(value));
        _useReserve(value);
        if (woundDownAt == 0) _repayFromFund();
        uint256 withheld = Math.mulDiv(value, exitHaircutWad(), WAD, Math.Rounding.Ceil);
        paid = value - withheld;
        reserve += withheld - _repayDeficit(withheld);
        emit Withdrawn(account, to, value, paid);
        TOKEN.safeTransfer(to, paid);
    }

    /// @dev Counts a payment against a tenth of the tokens an hour.
    function _drain(uint256 paid, uint256 capacity) private {
        uint256 drained = (capacity * (block.timestamp - outflowAt)) / OUTFLOW_WINDOW;
        uint256 level = outflowLevel > drained ? outflowLevel - drained : 0;
        require(level + paid <= capacity, OutflowLimit(paid, level < capacity ? capacity - level : 0));
        outflowLevel = uint128(level + paid);
        outflowAt = uint64(block.timestamp);
    }
}
