// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IMarginOracle, RatioStatus} from "../interfaces/IMarginOracle.sol";
import {IPriceFeed} from "../interfaces/IPriceFeed.sol";
import {IERC20, SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @dev One, as a fixed-point number.
uint256 constant WAD = 1e18;
/// @dev Oldest price that anything is lent or sold at.
uint256 constant MAX_PRICE_AGE = 120 seconds;

/// @notice What one borrower has pledged and owes, in units of the tokens.
struct Loan {
    uint256 collateral;
    uint256 debt;
}

/// @title A lending market whose loan-to-value limits follow the margin ratios
/// @notice An example for integrators who hold no book: one collateral token, one debt token, one lender, no interest. A loan may reach
/// `1 - initialMarginRatio` of the collateral's value and is liquidated above `1 - maintenanceMarginRatio`. The second ratio is the smaller of
/// the current one and one that has been public for the grace period: a new manifest alone liquidates nobody.
/// @dev Assumptions about other contracts:
/// 1. The tokens move exactly what they are told to.
/// 2. The debt token is the margin system's settlement token; the collateral is the underlying, with 18 decimals.
contract RatioLendingMarket {
    using SafeERC20 for IERC20;

    /* TYPES */

    error NotLender(address caller);
    error RatioNotOk(RatioStatus status);
    error PriceStale(uint256 observedAt);
    error LoanTooLarge(uint256 debt, uint256 limit);
    error LoanHealthy(uint256 debt, uint256 limit);
    error RepaysTooMuch(uint256 value, uint256 debt);

    event Pledged(address indexed borrower, uint256 value);
    event Released(address indexed borrower, uint256 value);
    event Borrowed(address indexed borrower, uint256 value);
    event Repaid(address indexed borrower, uint256 value);
    event Liquidated(address indexed borrower, address indexed by, uint256 repaid, uint256 seized);

    /* IMMUTABLES */

    IMarginOracle public immutable ORACLE;
    IPriceFeed public immutable FEED;
    uint256 public immutable UNDERLYING;
    IERC20 public immutable COLLATERAL;
    IERC20 public immutable DEBT;
    /// @notice Token units of debt that one tick is.
    uint256 public immutable TICK;
    /// @notice Size of a lot, 1e18 = one whole underlying, which is what the collateral's decimals count.
    uint256 public immutable LOT_SIZE_WAD;
    address public immutable LENDER;

    /* STORAGE */

    mapping(address => Loan) public loans;

    /* CONSTRUCTOR */

    constructor(IMarginOracle oracle, IPriceFeed feed, uint256 underlying, IERC20 collateral, IERC20 debt, uint256 tick, uint256 lotSizeWad) {
        (ORACLE, FEED, UNDERLYING) = (oracle, feed, underlying);
        (COLLATERAL, DEBT) = (collateral, debt);
        (TICK, LOT_SIZE_WAD) = (tick, lotSizeWad);
        LENDER = msg.sender;
    }

    /* LENDER */

    /// @notice Takes back what is not lent. What it lends it transfers to this contract.
    function redeem(uint256 value) external {
        require(msg.sender == LENDER, NotLender(msg.sender));
        DEBT.safeTransfer(LENDER, value);
    }

    /* USERS */

    /// @notice Adds collateral to a borrower's loan.
    function pledge(address borrower, uint256 value) external {
        loans[borrower].collateral += value;
        emit Pledged(borrower, value);
        COLLATERAL.safeTransferFrom(msg.sender, address(this), value);
    }

    /// @notice Takes collateral out; what is owed must stay within the limit. Without debt nothing is read.
    function release(uint256 value) external {
        Loan storage loan = loans[msg.sender];
        loan.collateral -= value;
        _requireWithinLimit(loan);
        emit Released(msg.sender, value);
        COLLATERAL.safeTransfer(msg.sender, value);
    }

    /// @notice Borrows; the ratio must be known and current.
    function borrow(uint256 value) external {
        Loan storage loan = loans[msg.sender];
        loan.debt += value;
        _requireWithinLimit(loan);
        emit Borrowed(msg.sender, value);
        DEBT.safeTransfer(msg.sender, value);
    }

    /// @notice Repays a borrower's debt. Never refused.
    function repay(address borrower, uint256 value) external {
        loans[borrower].debt -= value;
        emit Repaid(borrower, value);
        DEBT.safeTransferFrom(msg.sender, address(this), value);
    }

    /// @notice Repays part of a loan above its limit and seizes collateral of that value and half the maintenance ratio on top, rounded down.
    function liquidate(address borrower, uint256 value) external returns (uint256 seized) {
        Loan storage loan = loans[borrower];
        (RatioStatus status,, uint256 maintenanceWad,) = ORACLE.tryRatio(UNDERLYING);
        // An old ratio is still the best there is; one without a price or a manifest is none.
        require(status == RatioStatus.Ok || status == RatioStatus.OldManifest, RatioNotOk(status));
        uint256 limit = _limit(loan.collateral, maintenanceWad);
        require(loan.debt > limit, LoanHealthy(loan.debt, limit));
        require(value <= loan.debt, RepaysTooMuch(value, loan.debt));
        uint256 worth = Math.mulDiv(value, WAD + maintenanceWad / 2, WAD);
        seized = Math.mulDiv(worth, LOT_SIZE_WAD, _price() * TICK);
        if (seized > loan.collateral) seized = loan.collateral;
        loan.debt -= value;
        loan.collateral -= seized;
        emit Liquidated(borrower, msg.sender, value, seized);
        DEBT.safeTransferFrom(msg.sender, address(this), value);
        COLLATERAL.safeTransfer(msg.sender, seized);
    }

    /* VIEWS */

    /// @notice Most a borrower may owe now, debt token units, rounded down. Zero while the ratio is not known and current.
    function capacity(address borrower) external view returns (uint256) {
        (RatioStatus status, uint256 initialWad,,) = ORACLE.tryRatio(UNDERLYING);
        return status == RatioStatus.Ok ? _limit(loans[borrower].collateral, initialWad) : 0;
    }

    /* INTERNALS */

    function _requireWithinLimit(Loan storage loan) private view {
        if (loan.debt == 0) return;
        (RatioStatus status, uint256 initialWad,,) = ORACLE.tryRatio(UNDERLYING);
        require(status == RatioStatus.Ok, RatioNotOk(status));
        uint256 limit = _limit(loan.collateral, initialWad);
        require(loan.debt <= limit, LoanTooLarge(loan.debt, limit));
    }

    /// @dev floor(collateral price (1 - ratio)), debt token units; zero for a ratio of one or more.
    function _limit(uint256 collateral, uint256 ratioWad) private view returns (uint256) {
        if (ratioWad >= WAD) return 0;
        uint256 value = Math.mulDiv(collateral, _price() * TICK, LOT_SIZE_WAD);
        return Math.mulDiv(value, WAD - ratioWad, WAD);
    }

    /// @dev Price of one lot, ticks, at most MAX_PRICE_AGE old.
    function _price() private view returns (uint256 priceTicks) {
        uint256 observedAt;
        (priceTicks, observedAt) = FEED.price(UNDERLYING);
        require(priceTicks != 0 && observedAt + MAX_PRICE_AGE >= block.timestamp, PriceStale(observedAt));
    }
}
