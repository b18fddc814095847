// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {AccountWord} from "../libraries/AccountWord.sol";
import {Ledger} from "../libraries/Ledger.sol";
import {WindDownPrice} from "../libraries/Settlement.sol";
import {MarginEngine} from "../MarginEngine.sol";
import {ICollateralDesk} from "../interfaces/ICollateralDesk.sol";
import {IInstrumentRegistry} from "../interfaces/IInstrumentRegistry.sol";
import {IInsuranceFund} from "../interfaces/IInsuranceFund.sol";
import {IMarginOracle} from "../interfaces/IMarginOracle.sol";
import {IMarginVault, Certificate, Margin} from "../interfaces/IMarginVault.sol";
import {IVaultPriceFeed} from "../interfaces/IPriceFeed.sol";
import {IERC20, SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

/// @dev Right to trade for an account and to withdraw to its owner.
uint256 constant PERMISSION_OPERATOR = 1;
/// @dev Right to settle fills of an account.
uint256 constant PERMISSION_VENUE = 2;

/// @dev An account with positions may be asked for cash; it is paid once a manifest and prices newer than this are in force.
struct WithdrawalRequest {
    uint128 value;
    uint64 requestedAt;
}

/// @title State shared by the parts of the vault
abstract contract VaultStorage is IMarginVault, AccessManaged, ReentrancyGuardTransient {
    using AccountWord for uint256;
    using SafeERC20 for IERC20;

    /* IMMUTABLES */

    IERC20 internal immutable TOKEN;
    IMarginOracle internal immutable ORACLE;
    IVaultPriceFeed internal immutable FEED;
    IInstrumentRegistry internal immutable REGISTRY;
    uint256 internal immutable DEPLOYED_AT;

    /* STORAGE */

    Ledger internal ledger;
    /// @dev account => who => PERMISSION_* bits
    mapping(bytes32 => mapping(address => uint256)) internal permissions;
    mapping(address => bool) public isVenue;
    mapping(address => uint256) public accruedFees;
    /// @dev account => loss booked while in auction, token units
    mapping(bytes32 => uint256) internal lossOf;
    uint256 public deficit;
    uint256 public bookedLosses;
    uint256 public reserve;
    IInsuranceFund public insuranceFund;
    address public liquidator;
    bool public tradingPaused;
    /// @dev When the wind-down began; zero in normal times. Beside what trades and liquidations ask for with it: 20 + 1 + 5 + 6.
    uint40 internal woundDownAt;
    /// @dev Accounts that hold at least one position, but for those that a wind-down has settled.
    uint48 public accountsWithPositions;
    /// @inheritdoc IMarginVault
    ICollateralDesk public collateralDesk;
    /// @inheritdoc IMarginVault
    mapping(bytes32 => uint256) public windDownDebt;
    /// @dev Whether the final prices stand.
    bool public windDownPriced;
    /// @dev Shares of fees for the insurance fund and for the protocol, basis points.
    uint16 public fundFeeBps;
    uint16 public protocolFeeBps;
    /// @dev Account that is credited with the protocol's share.
    bytes32 public protocolAccount;
    mapping(bytes32 => WithdrawalRequest) internal requests;
    /// @dev Tokens paid to accounts with positions, draining over an hour, and when that was last written.
    uint128 internal outflowLevel;
    uint64 internal outflowAt;
    /// @dev underlying => prices of the wind-down
    mapping(uint256 => WindDownPrice) internal windDownPrices;
    /// @dev page << 22 | position key => final value of one lot, ticks, with VALUE_KNOWN set
    mapping(uint256 => uint256) internal windDownValues;

    constructor(IERC20 token_, IMarginOracle oracle, IVaultPriceFeed feed, IInstrumentRegistry registry) {
        TOKEN = token_;
        ORACLE = oracle;
        FEED = feed;
        REGISTRY = registry;
        DEPLOYED_AT = block.timestamp;
    }

    /* MODIFIERS */

    modifier onlyLiquidator() {
        _requireLiquidator();
        _;
    }

    modifier notWoundDown() {
        require(woundDownAt == 0, WoundDown());
        _;
    }

    /* VIEWS */

    /// @inheritdoc IMarginVault
    function isAuthorised(bytes32 account, address caller) public view returns (bool) {
        return caller == AccountWord.owner(account) || permissions[account][caller] & PERMISSION_OPERATOR != 0;
    }

    /* INTERNALS */

    /// @dev This and the next in one place, for the size of the code.
    function _requireLiquidator() private view {
        require(msg.sender == liquidator, NotLiquidator(msg.sender));
    }

    function _requireNoAuction(bytes32 account, uint256 word) internal pure {
        require(!word.inAuction(), InAuction(account));
    }

    /// @dev Writes an account word and keeps the count of accounts with positions.
    function _store(bytes32 account, uint256 oldWord, uint256 newWord) internal {
        ledger.accounts[account] = newWord;
        if (oldWord.isOpen() != newWord.isOpen()) _countOpened(newWord.isOpen() ? int256(1) : int256(-1));
    }

    /// @dev So many more accounts hold positions, or fewer.
    function _countOpened(int256 opened) internal {
        unchecked {
            accountsWithPositions = uint48(uint256(int256(uint256(accountsWithPositions)) + opened));
        }
    }

    /// @dev Margin of an account as `word` has it. In one place, for the size of the code.
    function _assess(bytes32 account, uint256 word, Certificate[] memory certificates, bool baseline)
        internal
        view
        returns (Margin memory)
    {
        return MarginEngine.assess(ledger, account, word, certificates, ORACLE, FEED, baseline);
    }

    /// @dev What liquidation of an account goes by.
    function _health(bytes32 account, Certificate[] memory certificates)
        internal
        view
        returns (int256 equity, uint256 maintenance, bool liquidatable, Margin memory current)
    {
        return MarginEngine.health(ledger, account, ledger.accounts[account], certificates, ORACLE, FEED);
    }

    /// @dev Takes up to `available` off the deficit and returns what it took.
    function _repayDeficit(uint256 available) internal returns (uint256 repaid) {
        repaid = available < deficit ? available : deficit;
        if (repaid == 0) return 0;
        deficit -= repaid;
        emit DeficitRepaid(repaid, deficit);
    }

    /// @dev Uses what exits left behind: for the deficit, and once no loss is booked any more, for the fund. Interest is charged before it is paid, so
    /// tokens may be short; then the fund waits, not who leaves.
    /// @param leaving Tokens that the call is about to pay out.
    function _useReserve(uint256 leaving) internal {
        if (reserve == 0) return;
        reserve -= _repayDeficit(reserve);
        uint256 left = reserve;
        if (left == 0 || bookedLosses != 0 || address(insuranceFund) == address(0)) return;
        if (left + leaving > TOKEN.balanceOf(address(this))) return;
        reserve = 0;
        TOKEN.safeTransfer(address(insuranceFund), left);
    }

    /// @dev Asks the fund for the deficit. A fund that fails blocks nothing.
    function _repayFromFund() internal {
        if (deficit == 0 || address(insuranceFund) == address(0)) return;
        try insuranceFund.cover(deficit) returns (uint256 paid) {
            _repayDeficit(paid);
        } catch {}
    }
}
