// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IAnchoredFeed, IVaultPriceFeed} from "./interfaces/IPriceFeed.sol";
import {IInstrumentRegistry} from "./interfaces/IInstrumentRegistry.sol";
import {ExpiryMark} from "./libraries/ExpiryMark.sol";
import {KIND_FUTURE, KIND_PERPETUAL, KIND_PUT, KIND_SPOT, PageLayout} from "./libraries/PageLayout.sol";
import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";

/// @dev Underlyings a price feed can be asked for at once.
uint256 constant MAX_UNDERLYINGS = 32;
/// @dev Pages the oracle can be asked for at once.
uint256 constant MAX_LISTED_PAGES = 32;
/// @dev Slots of a page: with 64 lanes this leaves room for 420 atoms.
uint256 constant MAX_ROWS = 110;
/// @dev Generation of an instrument in a slot that was never used before.
uint256 constant FIRST_GENERATION = 1;
/// @dev Largest number of decimals of a token that can be collateral.
uint256 constant MAX_TOKEN_DECIMALS = 36;
/// @dev Last generation of a slot.
uint256 constant LAST_GENERATION = (1 << 14) - 1;
/// @dev Longest time to expiry at listing.
uint256 constant LONGEST_EXPIRY = 730 days;
/// @dev Time after expiry in which everyone can be settled before another instrument may take the slot.
uint256 constant RELIST_AFTER = 1 days;
/// @dev Page of a probe that does not exist.
uint256 constant NO_PAGE = type(uint256).max;

/// @title Underlyings, pages and the terms of instruments
/// @dev Assumptions about other contracts:
/// 1. The feed's `hasAnchor` is true only for an underlying whose prices are held to an independent one.
/// 2. The feed is an IVaultPriceFeed, and once it says that a settlement is fixed it never changes.
contract InstrumentRegistry is IInstrumentRegistry, AccessManaged {
    /* TYPES */

    /// @dev Packed 8 + 8 + 128 = 144; probeRows is the probe's slot plus one, zero if there is none.
    struct Underlying {
        uint8 probePage;
        uint8 probeRows;
        uint128 lotSizeWad;
        bytes32 symbol;
    }

    struct Page {
        uint8 underlying;
        uint8 rows;
        bytes32 termsHash;
    }

    struct Collateral {
        address token;
        uint256 unitsPerLot;
    }

    /* IMMUTABLES */

    IAnchoredFeed public immutable FEED;
    /// @inheritdoc IInstrumentRegistry
    uint256 public immutable tick;

    /* STORAGE */

    /// @inheritdoc IInstrumentRegistry
    uint256 public underlyingCount;
    /// @inheritdoc IInstrumentRegistry
    uint256 public pageCount;
    mapping(uint256 => Underlying) internal underlyings;
    mapping(uint256 => Page) internal pages;
    /// @dev page => slot => terms
    mapping(uint256 => mapping(uint256 => uint256)) internal current;
    /// @dev page => slot => generation => terms of an instrument that another one replaced
    mapping(uint256 => mapping(uint256 => mapping(uint256 => uint256))) internal past;
    mapping(bytes32 => bool) internal symbolTaken;
    /// @dev page => slot => token and its units in a lot
    mapping(uint256 => mapping(uint256 => Collateral)) internal collaterals;

    /* CONSTRUCTOR */

    constructor(IAnchoredFeed feed, uint256 tick_, address authority) AccessManaged(authority) {
        require(tick_ != 0 && tick_ <= type(uint64).max, TickOutOfRange(tick_));
        FEED = feed;
        tick = tick_;
    }

    /* GOVERNANCE */

    /// @inheritdoc IInstrumentRegistry
    function listUnderlying(bytes32 symbol_, uint256 lotSizeWad_) external restricted returns (uint256 underlying) {
        underlying = underlyingCount;
        require(underlying < MAX_UNDERLYINGS, TooManyUnderlyings());
        require(!symbolTaken[symbol_], SymbolTaken(symbol_));
        require(lotSizeWad_ != 0 && lotSizeWad_ <= type(uint128).max, LotSizeOutOfRange(lotSizeWad_));
        require(FEED.hasAnchor(underlying), AnchorMissing(underlying));
        underlyingCount = underlying + 1;
        symbolTaken[symbol_] = true;
        underlyings[underlying].symbol = symbol_;
        underlyings[underlying].lotSizeWad = uint128(lotSizeWad_);
        emit UnderlyingListed(underlying, symbol_, lotSizeWad_);
    }

    /// @inheritdoc IInstrumentRegistry
    function addPage(uint256 underlying) external restricted returns (uint256 page) {
        require(underlying < underlyingCount, UnknownUnderlying(underlying));
        page = pageCount;
        require(page < MAX_LISTED_PAGES, TooManyPages());
        pageCount = page + 1;
        pages[page] = Page({underlying: uint8(underlying), rows: 0, termsHash: keccak256("")});
        emit PageAdded(page, underlying);
    }

    /// @inheritdoc IInstrumentRegistry
    function listInstrument(uint256 page, uint256 kind, uint256 shift, uint256 strike, uint256 expiryHour)
        external
        restricted
        returns (uint256 slot)
    {
        require(page < pageCount, UnknownPage(page));
        uint256 word = _termsWord(kind, shift, strike, expiryHour, FIRST_GENERATION);
        slot = _append(page, word);
        Underlying storage parent = underlyings[pages[page].underlying];
        if (kind != KIND_PERPETUAL) require(parent.probeRows != 0, ProbeMissing(pages[page].underlying));
        else if (parent.probeRows == 0) (parent.probePage, parent.probeRows) = (uint8(page), uint8(slot + 1));
    }

    /// @inheritdoc IInstrumentRegistry
    function relistInstrument(uint256 page, uint256 slot, uint256 kind, uint256 shift, uint256 strike, uint256 expiryHour)
        external
        restricted
        returns (uint256 generation)
    {
        uint256 old = terms(page, slot);
        _requireSettled(page, slot, old);
        generation = PageLayout.generation(old) + 1;
        require(generation <= LAST_GENERATION, SlotWornOut(page, slot));
        uint256 word = _termsWord(kind, shift, strike, expiryHour, generation);
        past[page][slot][generation - 1] = old;
        current[page][slot] = word;
        pages[page].termsHash = _termsHash(page, pages[page].rows);
        emit InstrumentListed(page, slot, word);
    }

    /// @inheritdoc IInstrumentRegistry
    function listCollateral(uint256 page, uint256 shift, address token) external restricted returns (uint256 slot) {
        require(page < pageCount, UnknownPage(page));
        require(shift < 32, ShiftOutOfRange(shift));
        Underlying memory parent = underlyings[pages[page].underlying];
        require(parent.probeRows != 0, ProbeMissing(pages[page].underlying));
        uint256 decimals = IERC20Metadata(token).decimals();
        bool whole = decimals <= MAX_TOKEN_DECIMALS;
        uint256 units = whole ? uint256(parent.lotSizeWad) * 10 ** decimals : 0;
        require(units != 0 && units % 1e18 == 0, LotNotWhole(token, parent.lotSizeWad, decimals));
        slot = _append(page, KIND_SPOT | (shift << 3) | (FIRST_GENERATION << 8));
        collaterals[page][slot] = Collateral({token: token, unitsPerLot: units / 1e18});
        emit CollateralListed(page, slot, token, units / 1e18);
    }

    /* VIEWS */

    /// @inheritdoc IInstrumentRegistry
    function symbol(uint256 underlying) external view returns (bytes32) {
        require(underlying < underlyingCount, UnknownUnderlying(underlying));
        return underlyings[underlying].symbol;
    }

    /// @inheritdoc IInstrumentRegistry
    function lotSizeWad(uint256 underlying) external view returns (uint256) {
        require(underlying < underlyingCount, UnknownUnderlying(underlying));
        return underlyings[underlying].lotSizeWad;
    }

    /// @inheritdoc IInstrumentRegistry
    function pageInfo(uint256 page) external view returns (uint256 underlying, uint256 rows, bytes32 termsHash) {
        require(page < pageCount, UnknownPage(page));
        Page memory info = pages[page];
        return (info.underlying, info.rows, info.termsHash);
    }

    /// @inheritdoc IInstrumentRegistry
    function probe(uint256 underlying) external view returns (uint256 page, uint256 slot) {
        require(underlying < underlyingCount, UnknownUnderlying(underlying));
        Underlying storage parent = underlyings[underlying];
        return parent.probeRows == 0 ? (NO_PAGE, 0) : (parent.probePage, parent.probeRows - 1);
    }

    /// @inheritdoc IInstrumentRegistry
    function terms(uint256 page, uint256 slot) public view returns (uint256) {
        require(page < pageCount, UnknownPage(page));
        require(slot < pages[page].rows, UnknownSlot(page, slot));
        return current[page][slot];
    }

    /// @inheritdoc IInstrumentRegistry
    function termsOf(uint256 page, uint256 slot, uint256 generation) external view returns (uint256 word) {
        word = terms(page, slot);
        if (PageLayout.generation(word) != generation) word = past[page][slot][generation];
        require(word != 0, UnknownGeneration(page, slot, generation));
    }

    /// @inheritdoc IInstrumentRegistry
    function collateral(uint256 page, uint256 slot) external view returns (address token, uint256 unitsPerLot) {
        Collateral memory listed = collaterals[page][slot];
        require(listed.unitsPerLot != 0, NotCollateral(page, slot));
        return (listed.token, listed.unitsPerLot);
    }

    /* INTERNALS */

    /// @dev The terms of a listable instrument: a perpetual, or a dated one that expires within LONGEST_EXPIRY.
    function _termsWord(uint256 kind, uint256 shift, uint256 strike, uint256 expiryHour, uint256 generation)
        private
        view
        returns (uint256)
    {
        bool perpetual = kind == KIND_PERPETUAL;
        require(perpetual || (kind >= KIND_FUTURE && kind <= KIND_PUT), KindNotListable(kind));
        bool option = !perpetual && kind != KIND_FUTURE;
        bool struck = option ? strike != 0 && strike <= type(uint40).max : strike == 0;
        bool dated = expiryHour > block.timestamp / 1 hours && expiryHour <= (block.timestamp + LONGEST_EXPIRY) / 1 hours;
        require(struck && (perpetual ? expiryHour == 0 : dated), TermsOutOfRange(kind, strike, expiryHour));
        require(shift < 32, ShiftOutOfRange(shift));
        return kind | (shift << 3) | (generation << 8) | (strike << 176) | (expiryHour << 216);
    }

    /// @dev Dated, expired for long enough, and with a settlement price that stands.
    function _requireSettled(uint256 page, uint256 slot, uint256 word) private view {
        uint256 hour = PageLayout.expiryHour(word);
        bool over = ExpiryMark.isDated(word) && block.timestamp >= hour * 1 hours + RELIST_AFTER;
        require(over, SlotInUse(page, slot));
        (,, bool isFixed) = IVaultPriceFeed(address(FEED)).settlement(pages[page].underlying, hour);
        require(isFixed, SlotInUse(page, slot));
    }

    /// @dev Takes the next slot of a page for an instrument.
    function _append(uint256 page, uint256 word) private returns (uint256 slot) {
        Page storage listed = pages[page];
        slot = listed.rows;
        require(slot < MAX_ROWS, PageFull(page));
        current[page][slot] = word;
        listed.rows = uint8(slot + 1);
        listed.termsHash = _termsHash(page, slot + 1);
        emit InstrumentListed(page, slot, word);
    }

    function _termsHash(uint256 page, uint256 rows) private view returns (bytes32) {
        uint256[] memory words = new uint256[](rows);
        for (uint256 i; i < rows; ++i) words[i] = current[page][i];
        return keccak256(abi.encodePacked(words));
    }
}
