// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title Underlyings, pages and the terms of instruments
/// @notice An instrument is (page, slot, generation). A page belongs to one underlying and its id never changes. Terms are fixed at listing.
interface IInstrumentRegistry {
    error SymbolTaken(bytes32 symbol);
    error UnknownUnderlying(uint256 underlying);
    error UnknownPage(uint256 page);
    error UnknownSlot(uint256 page, uint256 slot);
    error TooManyUnderlyings();
    error TooManyPages();
    error PageFull(uint256 page);
    error ShiftOutOfRange(uint256 shift);
    error KindNotListable(uint256 kind);
    error AnchorMissing(uint256 underlying);
    error TermsOutOfRange(uint256 kind, uint256 strike, uint256 expiryHour);
    error TickOutOfRange(uint256 tick);
    error LotSizeOutOfRange(uint256 lotSizeWad);
    error ProbeMissing(uint256 underlying);
    error SlotInUse(uint256 page, uint256 slot);
    error SlotWornOut(uint256 page, uint256 slot);
    error UnknownGeneration(uint256 page, uint256 slot, uint256 generation);
    error LotNotWhole(address token, uint256 lotSizeWad, uint256 decimals);
    error NotCollateral(uint256 page, uint256 slot);

    event UnderlyingListed(uint256 indexed underlying, bytes32 symbol, uint256 lotSizeWad);
    event PageAdded(uint256 indexed page, uint256 indexed underlying);
    event InstrumentListed(uint256 indexed page, uint256 indexed slot, uint256 terms);
    event CollateralListed(uint256 indexed page, uint256 indexed slot, address indexed token, uint256 unitsPerLot);

    /// @notice Adds an underlying. Its feed must have an independent anchor already.
    /// @param symbol For people, left-aligned ASCII.
    /// @param lotSizeWad Units of the underlying in one lot, 1e18 = 1.
    function listUnderlying(bytes32 symbol, uint256 lotSizeWad) external returns (uint256 underlying);

    /// @notice Adds an empty page of an underlying.
    function addPage(uint256 underlying) external returns (uint256 page);

    /// @notice Lists an instrument in the next free slot of a page.
    /// @dev Perpetuals, futures, calls and puts. The first of an underlying must be a perpetual: its probe.
    /// @param kind As in PageLayout.
    /// @param shift Power of two by which legs and lanes of the record are scaled, at most 31.
    /// @param strike Ticks a lot, 1 .. 2^40 - 1; zero unless an option.
    /// @param expiryHour Hours since 1970, in the future and at most two years ahead; zero unless dated.
    function listInstrument(uint256 page, uint256 kind, uint256 shift, uint256 strike, uint256 expiryHour) external returns (uint256 slot);

    /// @notice Lists another instrument in the slot of one that expired at least a day ago and whose settlement price is fixed. What is held of the old one
    /// stays what it is, and is settled at the old one's price.
    /// @dev Warning: from the next manifest on, positions in the old one that nobody settled count as missing. Parameters as in `listInstrument`.
    /// @return generation That of the new instrument, one above the old one's.
    function relistInstrument(uint256 page, uint256 slot, uint256 kind, uint256 shift, uint256 strike, uint256 expiryHour)
        external
        returns (uint256 generation);

    /// @notice Lists a token as a spot instrument in the next free slot of a page whose underlying has its probe already.
    /// @dev Warning: the token must move exactly what it is told to, and no balance may change otherwise: no fee, no rebase. It must not be the
    /// settlement token.
    /// @param shift Power of two by which legs and lanes of the record are scaled, at most 31.
    /// @param token Its decimals say how many units are one lot: lotSizeWad 10^decimals / 1e18, which must be whole.
    function listCollateral(uint256 page, uint256 shift, address token) external returns (uint256 slot);

    /// @notice The token behind a spot instrument, and how many of its units are one lot. Reverts for any other instrument.
    function collateral(uint256 page, uint256 slot) external view returns (address token, uint256 unitsPerLot);

    /// @notice Settlement token units in one tick, the same on every page.
    function tick() external view returns (uint256);

    /// @notice At most 32.
    function underlyingCount() external view returns (uint256);

    /// @notice At most 32.
    function pageCount() external view returns (uint256);

    function symbol(uint256 underlying) external view returns (bytes32);

    function lotSizeWad(uint256 underlying) external view returns (uint256);

    /// @return underlying The page's underlying.
    /// @return rows Slots ever used.
    /// @return termsHash keccak256 of the `rows` record words masked with TERMS_MASK.
    function pageInfo(uint256 page) external view returns (uint256 underlying, uint256 rows, bytes32 termsHash);

    /// @notice The page and slot whose leg the oracle bounds: the underlying's first perpetual. Page 2^256 - 1 while it has none.
    function probe(uint256 underlying) external view returns (uint256 page, uint256 slot);

    /// @notice Record word, masked with TERMS_MASK, of any instrument that was ever listed in a slot.
    function termsOf(uint256 page, uint256 slot, uint256 generation) external view returns (uint256);

    /// @notice Record word masked with TERMS_MASK, of the instrument that was listed last in a slot.
    function terms(uint256 page, uint256 slot) external view returns (uint256);
}
