// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IAnchoredFeed} from "./interfaces/IPriceFeed.sol";
import {IInstrumentRegistry} from "./interfaces/IInstrumentRegistry.sol";
import {KIND_PERPETUAL} from "./libraries/PageLayout.sol";
import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

/// @dev Underlyings a price feed can be asked for at once.
uint256 constant MAX_UNDERLYINGS = 32;
/// @dev Pages the oracle can be asked for at once.
uint256 constant MAX_LISTED_PAGES = 32;
/// @dev Slots of a page: with 64 lanes this leaves room for 420 atoms.
uint256 constant MAX_ROWS = 110;
/// @dev Generation of an instrument in a slot that was never used before.
uint256 constant FIRST_GENERATION = 1;
/// @dev Page of a probe that does not exist.
uint256 constant NO_PAGE = type(uint256).max;

/// @title Underlyings, pages and the terms of instruments
/// @dev Assumption about other contracts: the feed's `hasAnchor` is true only for an underlying whose prices are held to an independent one.
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
    mapping(uint256 => mapping(uint256 => uint256)) internal termsOf;
    mapping(bytes32 => bool) internal symbolTaken;

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
        require(kind == KIND_PERPETUAL, KindNotListable(kind));
        require(strike == 0 && expiryHour == 0, TermsOutOfRange(kind, strike, expiryHour));
        require(shift < 32, ShiftOutOfRange(shift));
        Page storage listed = pages[page];
        slot = listed.rows;
        require(slot < MAX_ROWS, PageFull(page));
        uint256 word = kind | (shift << 3) | (FIRST_GENERATION << 8) | (strike << 176) | (expiryHour << 216);
        termsOf[page][slot] = word;
        listed.rows = uint8(slot + 1);
        listed.termsHash = _termsHash(page, slot + 1);
        Underlying storage parent = underlyings[listed.underlying];
        if (parent.probeRows == 0) (parent.probePage, parent.probeRows) = (uint8(page), uint8(slot + 1));
        emit InstrumentListed(page, slot, word);
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
    function terms(uint256 page, uint256 slot) external view returns (uint256) {
        require(page < pageCount, UnknownPage(page));
        require(slot < pages[page].rows, UnknownSlot(page, slot));
        return termsOf[page][slot];
    }

    /* INTERNALS */

    function _termsHash(uint256 page, uint256 rows) private view returns (bytes32) {
        uint256[] memory words = new uint256[](rows);
        for (uint256 i; i < rows; ++i) words[i] = termsOf[page][i];
        return keccak256(abi.encodePacked(words));
    }
}
