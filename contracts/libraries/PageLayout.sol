// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @dev Bytes of code in front of the payload: a STOP, so that a page can be neither executed nor rejected by EIP-3541.
uint256 constant PAGE_PREFIX_BYTES = 1;
/// @dev Words in front of the first record.
uint256 constant PAGE_HEAD_WORDS = 4;
/// @dev Bytes in front of the first record.
uint256 constant PAGE_HEAD_BYTES = 128;
/// @dev Lanes in one word; each is a biased 16-bit field.
uint256 constant LANES_PER_WORD = 16;
/// @dev What is added to a signed 16-bit lane before it is stored.
uint256 constant LANE_BIAS = 0x8000;
/// @dev Bytes of one atom.
uint256 constant ATOM_BYTES = 16;
/// @dev Version of the layout, checked at activation.
uint256 constant PAGE_VERSION = 1;
/// @dev Bits of a record that the registry fixes: kind, shift, generation, strike, expiry.
uint256 constant TERMS_MASK = (uint256(type(uint24).max) << 216) | (uint256(type(uint40).max) << 176) | 0x3fffff;
/// @dev One unit of delta in a record.
int256 constant DELTA_ONE = 1 << 22;

/// @dev Kinds of instrument, as a record's three lowest bits. Zero is an empty slot.
uint256 constant KIND_NONE = 0;
uint256 constant KIND_PERPETUAL = 1;
uint256 constant KIND_FUTURE = 2;
uint256 constant KIND_CALL = 3;
uint256 constant KIND_PUT = 4;
uint256 constant KIND_SPOT = 5;

/// @title The bytes of a page
/// @notice A page is contract code: a STOP byte, four head words, `rows` record words, `rows * laneWords` lane words, 16 bytes an atom.
/// Every field below is `(lowest bit, width)` of its big-endian word; widths are checked by golden vectors in both languages.
///
/// head 0: referenceSpot 0/40 | rows 40/8 | atoms 48/16 | underlying 64/8 | flags 72/8 (bit 0 frozen) | pageId 80/8 | version 88/8
///         | laneWords 96/8 | probeSlot 104/8 | maxDriftBps 112/16 | asOf 128/40 | tick 168/64 | reserved 232/24
/// head 1: halfSpreadX32 0/32 | yVolatilityX32 32/32 | dailyVolume 64/64 (ticks) | vegaCharge 128/32 (ticks a unit of vega)
///         | openInterestDivisor 160/16 | openInterestCapPercent 176/16 | lambdaBps 192/16 | reserved 208/48
/// head 2: fundingX32 0/96 signed (ticks a lot) | fundingRateX32 96/64 signed (ticks a lot a second) | fundingCapS 160/32 | reserved 192/64
/// head 3: maintenanceFactorBps 0/16 | initialNetFloorBps 16/16 | initialGrossFloorBps 32/16 | maintenanceNetFloorBps 48/16
///         | maintenanceGrossFloorBps 64/16 | reserved 80/176
/// record: kind 0/3 | shift 3/5 | generation 8/14 | driftShift 22/2 | mark 24/40 | delta 64/24 signed X22 | gammaSpot 88/24 signed X10
///         | legLong 112/32 | legShort 144/32 (both << shift) | strike 176/40 | expiry 216/24 (hours since 1970) | vega 240/16
/// lane word: lane 16 j + i of a record is bits 16 i .. 16 i + 15 of its word j, biased by 0x8000; P&L of one lot in ticks is (field - 0x8000) << shift
/// atom:   leg l of 3 at the top: slot 120 - 24 l / 8, ratio 104 - 24 l / 16 signed | page of leg l: 52 - 4 l / 4 (0 home, else 1 + page id)
///         | shift 40/4 | expectedShortfall 0/40 (<< shift)
library PageLayout {
    function referenceSpot(uint256 head0) internal pure returns (uint256) { return head0 & type(uint40).max; }
    function rows(uint256 head0) internal pure returns (uint256) { return (head0 >> 40) & 0xff; }
    function atoms(uint256 head0) internal pure returns (uint256) { return (head0 >> 48) & 0xffff; }
    function underlying(uint256 head0) internal pure returns (uint256) { return (head0 >> 64) & 0xff; }
    function frozen(uint256 head0) internal pure returns (bool) { return (head0 >> 72) & 1 != 0; }
    function pageId(uint256 head0) internal pure returns (uint256) { return (head0 >> 80) & 0xff; }
    function version(uint256 head0) internal pure returns (uint256) { return (head0 >> 88) & 0xff; }
    function laneWords(uint256 head0) internal pure returns (uint256) { return (head0 >> 96) & 0xff; }
    function probeSlot(uint256 head0) internal pure returns (uint256) { return (head0 >> 104) & 0xff; }
    function maxDriftBps(uint256 head0) internal pure returns (uint256) { return (head0 >> 112) & 0xffff; }
    function asOf(uint256 head0) internal pure returns (uint256) { return (head0 >> 128) & type(uint40).max; }
    function tick(uint256 head0) internal pure returns (uint256) { return (head0 >> 168) & type(uint64).max; }

    function halfSpreadX32(uint256 head1) internal pure returns (uint256) { return head1 & type(uint32).max; }
    function yVolatilityX32(uint256 head1) internal pure returns (uint256) { return (head1 >> 32) & type(uint32).max; }
    function dailyVolume(uint256 head1) internal pure returns (uint256) { return (head1 >> 64) & type(uint64).max; }
    function vegaCharge(uint256 head1) internal pure returns (uint256) { return (head1 >> 128) & type(uint32).max; }
    function openInterestDivisor(uint256 head1) internal pure returns (uint256) { return (head1 >> 160) & 0xffff; }
    function openInterestCapPercent(uint256 head1) internal pure returns (uint256) { return (head1 >> 176) & 0xffff; }
    function lambdaBps(uint256 head1) internal pure returns (uint256) { return (head1 >> 192) & 0xffff; }

    function fundingX32(uint256 head2) internal pure returns (int256) { return int256(int96(uint96(head2))); }
    function fundingRateX32(uint256 head2) internal pure returns (int256) { return int256(int64(uint64(head2 >> 96))); }
    function fundingCapS(uint256 head2) internal pure returns (uint256) { return (head2 >> 160) & type(uint32).max; }

    function kind(uint256 record) internal pure returns (uint256) { return record & 7; }
    function shift(uint256 record) internal pure returns (uint256) { return (record >> 3) & 31; }
    function generation(uint256 record) internal pure returns (uint256) { return (record >> 8) & 0x3fff; }
    function driftShift(uint256 record) internal pure returns (uint256) { return (record >> 22) & 3; }
    function mark(uint256 record) internal pure returns (uint256) { return (record >> 24) & type(uint40).max; }
    function legLong(uint256 record) internal pure returns (uint256) { return ((record >> 112) & type(uint32).max) << shift(record); }
    function legShort(uint256 record) internal pure returns (uint256) { return ((record >> 144) & type(uint32).max) << shift(record); }
    function strike(uint256 record) internal pure returns (uint256) { return (record >> 176) & type(uint40).max; }
    function expiryHour(uint256 record) internal pure returns (uint256) { return (record >> 216) & type(uint24).max; }
}
