// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {ICollateralDesk} from "./ICollateralDesk.sol";

/// @notice A hedge certificate: reduces the initial requirement, and can never reduce it below the true tail risk.
/// @dev Where an account is judged under two manifests a call takes a list: none; one for the current manifest, whose atoms count under the baseline too;
/// or a second one, for the baseline, whose book is proven under the baseline's root. More than two are a BadCertificate.
/// @param atoms Packed entries `lots 40 | atom 16 | page 8`, four a word from the top; empty for gross margin.
/// @param bookShortfall Tail risk of the book shown, settlement token units. A book is shown if this, `book` or `proof` is not empty.
/// @param book The account's book at the manifest's snapshot: for every page one word `count << 8 | page`, then its position words. Empty if that is
/// the book as it is stored now: it is then hashed from storage.
/// @param proof Merkle proof of keccak256(keccak256(bookShortfall, book)) under the manifest's book root.
struct Certificate {
    uint256[] atoms;
    uint256 bookShortfall;
    uint256[] book;
    bytes32[] proof;
}

/// @notice One trade between two accounts.
/// @param lots Signed lots the taker receives; the maker receives the opposite.
/// @param priceTicks Price of one lot, ticks; for a perpetual without accrued funding.
/// @param takerFee Settlement token units the taker pays to the venue.
/// @param makerFee Settlement token units the maker pays to the venue.
struct Fill {
    bytes32 taker;
    bytes32 maker;
    uint8 page;
    uint8 slot;
    uint16 generation;
    int64 lots;
    uint64 priceTicks;
    uint128 takerFee;
    uint128 makerFee;
}

/// @notice A purchase from an auction, as the liquidator asks for it.
/// @param account In auction.
/// @param buyer Account that receives the slice; the liquidator has asked whether the caller may.
/// @param maxFractionWad Largest fraction, 1e18 = all or more.
/// @param kWad Premium factor, 1e18 = 1.
/// @param proven Whether only a proof could begin the auction.
struct Sale {
    bytes32 account;
    bytes32 buyer;
    uint256 maxFractionWad;
    uint256 kWad;
    bool proven;
}

/// @notice What came of a purchase. Money is in settlement token units.
/// @param fractionWad What was sold.
/// @param value Live value of what moved.
/// @param premium What the buyer pays less than that.
/// @param fromShare How much of the premium the account bears; the fund pays the rest, and what it cannot becomes deficit. Negative: the fund also fills
/// this hole.
/// @param hole What the account, left without positions, lacks beyond that; the fund fills it too.
/// @param equity Of the account, after all of it.
/// @param maintenance Of the account after.
/// @param ended Whether it is no longer in auction.
/// @param opened By how many more accounts hold positions, or fewer.
struct Sold {
    uint256 fractionWad;
    int256 value;
    uint256 premium;
    int256 fromShare;
    uint256 hole;
    int256 equity;
    uint256 maintenance;
    bool ended;
    int256 opened;
}

/// @notice An account's margin under one manifest. Money is in settlement token units.
/// @param equity Cash plus the live value of all positions. Positions on an underlying without a price count at the last value less twice their leg.
/// @param initial Initial requirement, rounded up.
/// @param maintenance Maintenance requirement, rounded down.
/// @param freshSince Latest `freshSince` over the underlyings that count; zero if none does.
/// @param driftX32 Largest |S - S0| over its limit, over the underlyings that count, scaled by 2^32, rounded up.
/// @param flags MARGIN_* bits.
/// @param manifestAsOf Time of the newest observation in the manifest used; zero if there is none.
/// @param oldestPriceAt Time of the oldest price among the underlyings held, seconds; zero if one never had a price or none is held.
/// @param quote Equity without spot positions: what the account holds, or owes, in the settlement token.
struct Margin {
    int256 equity;
    uint256 initial;
    uint256 maintenance;
    uint256 freshSince;
    uint256 driftX32;
    uint256 flags;
    uint256 manifestAsOf;
    uint256 oldestPriceAt;
    int256 quote;
}

/// @dev The price of some underlying is older than MAX_PRICE_AGE.
uint256 constant MARGIN_STALE = 1;
/// @dev The price of some underlying is older than RISK_PRICE_AGE.
uint256 constant MARGIN_NOT_FRESH = 2;
/// @dev Some underlying drifted beyond a held record's limit.
uint256 constant MARGIN_DRIFTED = 4;
/// @dev Some underlying is frozen.
uint256 constant MARGIN_FROZEN = 8;
/// @dev The manifest lacks a position's record.
uint256 constant MARGIN_MISSING = 16;
/// @dev There is no such manifest; requirements are zero.
uint256 constant MARGIN_NO_MANIFEST = 32;
/// @dev No underlying with a position has a usable price.
uint256 constant MARGIN_NONE_PRICED = 64;

/// @title Accounts, cash, positions
/// @notice An account is `owner << 96 | index`: an owner has as many as it likes, and each is margined alone.
interface IMarginVault {
    /* ERRORS */

    error NotAuthorised(bytes32 account, address caller);
    error NotVenue(address caller);
    error VenueNotApproved(bytes32 account, address venue);
    error NotLiquidator(address caller);
    error TradingPaused();
    error WoundDown();
    error NotWoundDown();
    error SameAccount(bytes32 account);
    error ZeroLots();
    error ZeroAmount();
    error InAuction(bytes32 account);
    error UnknownInstrument(uint256 page, uint256 slot, uint256 generation);
    error InstrumentSettling(uint256 page, uint256 slot);
    error InstrumentExpired(uint256 page, uint256 slot);
    error LotsOutOfRange(int256 lots, uint256 shift);
    error TooManyPositions(bytes32 account, uint256 limit);
    error TooManyPages(bytes32 account);
    error OpenInterestCap(uint256 underlying, uint256 openInterest, uint256 cap);
    error InitialMargin(bytes32 account, int256 equity, uint256 required);
    error ReduceRaisesRisk(bytes32 account, int256 equity, uint256 maintenance);
    error PriceOutsideBand(uint256 priceTicks, int256 markTicks, uint256 bandTicks);
    error PriceStale(uint256 underlying);
    error PriceNotFresh(bytes32 account);
    error ManifestOld(uint256 asOf);
    error UnderlyingFrozen(uint256 underlying);
    error UnderlyingDrifted(uint256 underlying);
    error TransferFee(uint256 sent, uint256 received);
    error InsufficientCash(bytes32 account, int256 cash, uint256 wanted);
    error PositionsOpen(bytes32 account);
    error NoRequest(bytes32 account);
    error RequestTooYoung(bytes32 account, uint256 requestedAt);
    error OutflowLimit(uint256 wanted, uint256 available);
    error CheckedThisBlock(bytes32 account);
    error WithdrawalNotYet(bytes32 account, uint256 flags);
    error WindDownTooEarly(uint256 readyAt);
    error WindDownNotPriced();
    error AccountsNotSettled(uint256 accountsWithPositions);
    error AlreadySet();
    error FeeSharesTooLarge(uint256 sharesBps);
    error NotCollateralDesk(address caller);
    error QuoteDebt(bytes32 account, int256 quote);

    /* EVENTS */

    event Deposited(bytes32 indexed account, address indexed from, uint256 value);
    event WithdrawalRequested(bytes32 indexed account, uint256 value);
    event Withdrawn(bytes32 indexed account, address indexed to, uint256 value, uint256 paid);
    event OperatorSet(bytes32 indexed account, address indexed operator, bool approved);
    event VenueApproved(bytes32 indexed account, address indexed venue, bool approved);
    event VenueListed(address indexed venue, bool listed);
    event Traded(
        bytes32 indexed taker,
        bytes32 indexed maker,
        uint256 indexed instrument,
        int256 lots,
        uint256 priceTicks,
        uint256 takerFee,
        uint256 makerFee
    );
    /// @param value Live value of what moved.
    /// @param fromShare How much of the premium the giver bears.
    /// @param fundPaid How much of the rest the fund had; `deficitAdded` is what it lacked.
    event SliceMoved(
        bytes32 indexed from,
        bytes32 indexed to,
        uint256 fractionWad,
        int256 value,
        uint256 premium,
        int256 fromShare,
        uint256 fundPaid,
        uint256 deficitAdded
    );
    event Deleveraged(bytes32 indexed account, bytes32 indexed opposite, uint256 indexed instrument, int256 lots, int256 priceTicks);
    event LossBooked(bytes32 indexed account, uint256 loss);
    event DeficitRecorded(bytes32 indexed account, uint256 added, uint256 total);
    event DeficitRepaid(uint256 repaid, uint256 total);
    event FeesDistributed(address indexed venue, uint256 toVenue, uint256 toFund, uint256 toProtocol, uint256 toDeficit);
    event TradingPauseChanged(bool paused);
    event LiquidatorSet(address liquidator);
    event InsuranceFundSet(address insuranceFund);
    event FeeSharesSet(uint256 fundBps, uint256 protocolBps, bytes32 protocolAccount);
    event CollateralDeskSet(address collateralDesk);
    event CollateralAdjusted(bytes32 indexed account, uint256 indexed instrument, int256 lots);
    event InterestCharged(bytes32 indexed account, uint256 value);
    /// @param priceTicks Settlement price of the underlying.
    /// @param worth What the account was credited with, settlement token units.
    event ExpirySettled(bytes32 indexed account, uint256 indexed instrument, int256 lots, uint256 priceTicks, int256 worth);
    event WindDownStarted(uint256 timestamp);
    event WindDownPriced(uint256 indexed underlying, uint256 averageTicks);
    event WindDownSettled(bytes32 indexed account, int256 cash);

    /* GOVERNANCE */

    /// @notice Names the liquidator. Governor only, once.
    function setLiquidator(address newLiquidator) external;

    /// @notice Names the insurance fund. Governor only, once.
    function setInsuranceFund(address newFund) external;

    /// @notice Names the desk that holds collateral. Governor only, once.
    function setCollateralDesk(address newDesk) external;

    /// @notice Lists or unlists a venue. A listed venue still needs the approval of each account. Governor only.
    function listVenue(address venue, bool listed) external;

    /// @notice Sets how `distributeFees` splits what is left after the deficit; the rest is the venue's. Governor only.
    function setFeeShares(uint256 fundBps, uint256 protocolBps, bytes32 newProtocolAccount) external;

    /// @notice Stops trading. Deposits, withdrawals and auctions go on. Guardian only.
    function pauseTrading() external;

    /// @notice Lets trading go on. Governor only.
    function unpauseTrading() external;

    /* ACCOUNTS */

    /// @notice Lets or forbids an operator to trade through the owner's orders and to withdraw to the owner. Owner only.
    function setOperator(bytes32 account, address operator, bool approved) external;

    /// @notice Lets or forbids a venue to settle fills of this account. Owner only.
    function approveVenue(bytes32 account, address venue, bool approved) external;

    /// @notice True for the owner and its operators.
    function isAuthorised(bytes32 account, address caller) external view returns (bool);

    /* USERS */

    /// @notice Credits an account with settlement tokens of the caller. Anyone may deposit for anyone; never paused. In a wind-down only for an
    /// account that still owes something, which is repaid first.
    /// @param value Settlement token units, all of which must arrive.
    function deposit(bytes32 account, uint256 value) external;

    /// @notice Like `deposit`, with an ERC-2612 permit.
    function depositWithPermit(bytes32 account, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external;

    /// @notice Pays out cash of an account without positions at once, reading no oracle. Paid less the account's share of a deficit, rounded down.
    /// @param to Anyone if the owner calls; the owner if an operator calls.
    function withdraw(bytes32 account, uint256 value, address to) external returns (uint256 paid);

    /// @notice Asks for cash of an account with positions. A new request replaces the old one.
    function requestWithdrawal(bytes32 account, uint256 value) external;

    /// @notice Pays a request, once a manifest and prices observed after it are in force.
    /// @dev Needs equity at least the initial requirement under the current manifest and under the baseline, after it.
    function claimWithdrawal(bytes32 account, address to, Certificate[] calldata certificates) external returns (uint256 paid);

    /* VENUES */

    /// @notice Settles one trade. Caller must be a listed venue that both accounts approved.
    function settle(Fill calldata fill, Certificate[] calldata takerCertificates, Certificate[] calldata makerCertificates) external;

    /// @notice Splits a venue's accrued fees: the deficit first, then fund, protocol, venue. Anyone.
    function distributeFees(address venue) external;

    /* LIQUIDATION: liquidator only */

    /// @notice Marks an account as being auctioned and books its loss, if it has one.
    /// @param mark 40 bits that the account's word keeps until the end, in place of the block of its last check.
    function beginAuction(bytes32 account, uint256 loss, uint256 mark) external;

    /// @notice Ends the mark and releases the booked loss.
    function endAuction(bytes32 account) external;

    /// @notice Sells a slice of an account in auction: moves ceil(f |q|) lots of every position that can be valued to the buyer, at their live value less a
    /// premium for the maintenance that this removes, and checks the buyer's initial margin. Section 5 of the specification.
    /// @dev A position stays where it is if its underlying has no price or the manifest lacks its record. Reverts with errors of ILiquidator too.
    /// @param caller Who buys; it must be allowed to trade for the buyer.
    /// @param buyerCertificates Those of the buyer, for its book after the purchase; only the one for the current manifest counts.
    /// @param sellerCertificates Those of the account in auction, the same before and after.
    function sellSlice(
        Sale calldata sale,
        address caller,
        Certificate[] calldata buyerCertificates,
        Certificate[] calldata sellerCertificates
    )
        external
        returns (Sold memory sold);

    /// @notice Credits an account in auction with what the fund pays of its loss, and with the rest as deficit.
    function coverLoss(bytes32 account, uint256 loss) external;

    /// @notice Closes lots of one position at the live mark against an opposite position of another account.
    function deleverage(bytes32 account, bytes32 opposite, uint256 page, uint256 slot, uint256 lots) external;

    /// @notice Sets the booked loss of an account in auction.
    function bookLoss(bytes32 account, uint256 loss) external;

    /* COLLATERAL: collateral desk only */

    /// @notice Adds lots to an account's spot position, or takes them. Not in an auction; the desk answers for the tokens and for what must hold after.
    /// @param lots Signed.
    /// @param checked Whether the account meets its initial requirement after this: it is then not auctioned in the same block.
    function adjustCollateral(bytes32 account, uint256 page, uint256 slot, int256 lots, bool checked) external;

    /// @notice Takes interest from an account's cash: for the deficit first, then for the insurance fund.
    function chargeInterest(bytes32 account, uint256 value) external;

    /* EXPIRY */

    /// @notice Turns an account's positions on a page whose settlement price is fixed (`fixSettlement` of the feed) into cash: lots times payoff. Anyone, at
    /// any time after that, in an auction too, and whatever the slot is used for by now.
    /// @dev What is not expired or not fixed is left alone; nothing at all is no error. If no position is left and cash is negative, the hole becomes
    /// deficit, for which reserve and insurance fund are asked.
    /// @return settled Positions that became cash.
    function settleExpired(bytes32 account, uint256 page) external returns (uint256 settled);

    /* WIND-DOWN */

    /// @notice Begins to close the vault when no manifest came for T3. Anyone.
    function startWindDown() external;

    /// @notice Fixes the final price of every underlying as its average since the start, 24 hours after it or later. Anyone.
    function priceWindDown() external;

    /// @notice Turns an account's positions into cash at the final prices. Anyone. Withdrawals begin when no account has positions.
    /// @dev Collateral stays a position, for which nobody waits: it can be withdrawn from the desk once the account owes nothing. What the
    /// account owes becomes deficit at once, and is repaid by deposits into the account.
    function settleWindDown(bytes32 account) external;

    /* VIEWS */

    function accountWord(bytes32 account) external view returns (uint256);

    /// @notice Positions 5 index to 5 index + 4 of an account on a page as stored: each `lots 29 signed | generation 14 | slot 8`, from the top of the word. How
    /// many there are stands in the account word.
    function bookWord(bytes32 account, uint256 page, uint256 index) external view returns (uint256);

    /// @notice Signed lots an account holds of one instrument.
    function positionLots(bytes32 account, uint256 page, uint256 slot, uint256 generation) external view returns (int256);

    /// @notice The open request of an account with positions; zeros if there is none.
    function withdrawalRequest(bytes32 account) external view returns (uint256 value, uint256 requestedAt);

    function collateralDesk() external view returns (ICollateralDesk);

    /// @notice When the wind-down began; zero in normal times.
    function windDownAt() external view returns (uint256);

    /// @notice What an account that a wind-down has settled still owes against its collateral, settlement token units.
    function windDownDebt(bytes32 account) external view returns (uint256);

    /// @notice Final price of an underlying in the wind-down, ticks.
    function windDownPriceTicks(uint256 underlying) external view returns (uint256);

    /// @notice Margin under the current manifest or the baseline.
    /// @param certificate For the manifest asked about.
    function margin(bytes32 account, Certificate calldata certificate, bool baseline) external view returns (Margin memory);

    /// @notice What liquidation goes by: equity under the current manifest; the smaller of the current maintenance requirement and the
    /// baseline's, raised by drift; whether the account fails both; and margin under the current manifest, its initial requirement left at zero.
    /// @dev Reads the baseline only if the account fails the current manifest.
    function health(bytes32 account) external view returns (int256 equity, uint256 maintenance, bool liquidatable, Margin memory current);

    /// @notice The same with certificates: a book shown under a manifest may raise that manifest's maintenance requirement.
    function provenHealth(bytes32 account, Certificate[] calldata certificates)
        external
        view
        returns (int256 equity, uint256 maintenance, bool liquidatable, Margin memory current);

    /// @notice Live value of what `sellSlice` would move, settlement token units.
    function sliceValue(bytes32 account, uint256 fractionWad) external view returns (int256 value);

    /// @notice Long lots of all accounts in an underlying.
    function openInterest(uint256 underlying) external view returns (uint256);

    /// @notice Cash credited without tokens behind it, settlement token units.
    function deficit() external view returns (uint256);

    /// @notice Losses of accounts in auction.
    function bookedLosses() external view returns (uint256);

    /// @notice Tokens withheld from exits for losses that were booked and are not real yet: they repay the deficit first, and go to the fund
    /// once no loss is booked.
    function reserve() external view returns (uint256);

    /// @notice Fees a venue earned and nobody distributed yet.
    function accruedFees(address venue) external view returns (uint256);

    /// @notice Share of an exit that is withheld now, 1e18 = all, rounded up.
    function exitHaircutWad() external view returns (uint256);

    function token() external view returns (address);
}
