// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Certificate} from "./IMarginVault.sol";

/// @title Collateral other than the settlement token
/// @notice Holds the tokens behind spot positions. One lot of an instrument is always the same number of token units, so what an account is
/// owed is its position. The *quote* of an account is what it holds, or owes, in the settlement token: its equity without spot positions.
interface ICollateralDesk {
    error NotAuthorised(bytes32 account, address caller);
    error ZeroLots();
    error SettlementToken(address token);
    error CapTooLarge(uint256 cap);
    error RateTooLarge(uint256 rateBps);
    error DepositCap(uint256 page, uint256 slot, uint256 lots, uint256 cap);
    error TransferFee(uint256 sent, uint256 received);
    error PositionsOpen(bytes32 account);
    error NoRequest(bytes32 account);
    error RequestTooYoung(bytes32 account, uint256 requestedAt);
    error PriceNotFresh(bytes32 account);
    error WithdrawalNotYet(bytes32 account, uint256 flags);
    error InitialMargin(bytes32 account, int256 equity, uint256 required);
    error QuoteDebt(bytes32 account, int256 quote);
    error OutflowLimit(uint256 lots, uint256 available);
    error NoDebt(bytes32 account, int256 quote);
    error InDebt(bytes32 account, int256 quote);
    error AlreadyFlagged(bytes32 account, uint256 flaggedAt);
    error NothingToConvert(bytes32 account);
    error PaysMoreThan(uint256 paid, uint256 maxPay);
    error ConversionRaisesRisk(bytes32 account, int256 equity, uint256 maintenance);
    error WoundDown();

    event CollateralDeposited(
        bytes32 indexed account, address indexed from, uint256 indexed page, uint256 slot, uint256 lots, uint256 units
    );
    event CollateralRequested(bytes32 indexed account, uint256 indexed page, uint256 slot, uint256 lots);
    event CollateralWithdrawn(
        bytes32 indexed account, address indexed to, uint256 indexed page, uint256 slot, uint256 lots, uint256 units
    );
    event CollateralConverted(
        bytes32 indexed account, address indexed by, uint256 indexed page, uint256 slot, uint256 lots, uint256 paid
    );
    event DebtFlagged(bytes32 indexed account, uint256 debt);
    event DebtCleared(bytes32 indexed account);
    event DepositCapSet(uint256 indexed page, uint256 indexed slot, uint256 lots);
    event DebtCapSet(uint256 cap);
    event InterestRateSet(uint256 rateBps);

    /* GOVERNANCE */

    /// @notice Sets how many lots of an instrument the desk takes, zero until then. Governor only.
    function setDepositCap(uint256 page, uint256 slot, uint256 lots) external;

    /// @notice Takes no more of an instrument. What is there can be withdrawn. Guardian only.
    function stopDeposits(uint256 page, uint256 slot) external;

    /// @notice Sets how much of the settlement token an account may owe against its collateral, token units. Governor only.
    function setDebtCap(uint256 newCap) external;

    /// @notice Sets what a negative quote costs, basis points a year. Governor only.
    function setInterestRate(uint256 newRateBps) external;

    /* USERS */

    /// @notice Turns tokens of the caller into lots of an account's spot position. Owner and operators only: a stranger's lots would take room
    /// in the book. Not while the account is in auction.
    function deposit(bytes32 account, uint256 page, uint256 slot, uint256 lots) external;

    /// @notice Pays out lots at once, reading no oracle, if the account holds nothing but spot positions and owes nothing.
    /// @param to Anyone if the owner calls; the owner if an operator calls.
    function withdraw(bytes32 account, uint256 page, uint256 slot, uint256 lots, address to) external;

    /// @notice Asks for lots of an account that holds other positions too. A new request replaces the old one.
    function requestWithdrawal(bytes32 account, uint256 page, uint256 slot, uint256 lots) external;

    /// @notice Pays a request, once a manifest and prices observed after it are in force.
    /// @dev After it equity must be at least the initial requirement, and the quote at least minus the debt cap, under the current manifest and
    /// under the baseline. At most a tenth of what is held, and at least one lot, leaves an hour.
    function claimWithdrawal(bytes32 account, address to, Certificate[] calldata certificates) external;

    /* DEBT: anyone */

    /// @notice Starts the clock of the discount of an account that owes more than the debt cap.
    function flagDebt(bytes32 account) external;

    /// @notice Ends the clock of an account that owes no more than the debt cap.
    function clearDebt(bytes32 account) external;

    /// @notice Pays into the cash of an account that owes more than the debt cap, and takes lots of its collateral for it, at the price of the
    /// feed less the discount.
    /// @dev Takes at most what brings the quote to zero, rounded up to a lot. Afterwards equity covers the maintenance requirement, or neither
    /// has the requirement risen nor the ratio fallen, under the current manifest and under the baseline.
    /// @param maxLots Takes at most this many.
    /// @param maxPay Pays at most this, settlement token units.
    function convert(bytes32 account, uint256 page, uint256 slot, uint256 maxLots, uint256 maxPay)
        external
        returns (uint256 lots, uint256 paid);

    /// @notice Charges interest on what an account owed both when it was last looked at and now, for the time between; and notes what it owes.
    function accrueInterest(bytes32 account) external;

    /* VIEWS */

    /// @notice Settlement token units an account may owe against its collateral.
    function debtCap() external view returns (uint256);

    /// @notice Basis points a year.
    function interestRateBps() external view returns (uint256);

    /// @notice Quote that conversions go by: the larger of the current manifest's and the baseline's, so that what only a young manifest says
    /// costs nobody. In a wind-down, minus what is still owed.
    function quoteOf(bytes32 account) external view returns (int256);

    /// @notice Discount of a conversion now, basis points.
    function discountBps(bytes32 account) external view returns (uint256);

    /// @notice When an account's debt was flagged; zero if it is not, or too long ago to count.
    function flaggedAt(bytes32 account) external view returns (uint256);

    /// @notice Lots behind all spot positions of an instrument, and how many there may be.
    function holding(uint256 page, uint256 slot) external view returns (uint256 lots, uint256 cap);

    /// @notice The open request of an account; zeros if there is none.
    function withdrawalRequest(bytes32 account) external view returns (uint256 page, uint256 slot, uint256 lots, uint256 requestedAt);
}
