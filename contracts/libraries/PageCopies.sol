// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {PAGE_HEAD_BYTES, PAGE_HEAD_WORDS, PAGE_PREFIX_BYTES, PageLayout} from "./PageLayout.sol";

/// @dev Most words a page can have: 24,575 bytes of payload.
uint256 constant MAX_PAGE_WORDS = 767;

/// @notice A page of which head and records stand in memory.
/// @param id Page id.
/// @param count Positions the account holds on it.
/// @param code Where its bytes stand.
/// @param rows Records.
/// @param head Memory address of the head words, records behind them; zero if the manifest lacks the page.
/// @param place Where it stands on the shelf.
/// @param words Memory address of the position words.
/// @param table Memory address of one signed word a record, the lots still charged by legs; zero without a certificate.
/// @param twin Memory address of what is added up for the baseline in the same walk, a Twin; zero if nothing is.
struct PageCopy {
    uint256 id;
    uint256 count;
    address code;
    uint256 rows;
    uint256 head;
    uint256 place;
    uint256 words;
    uint256 table;
    uint256 twin;
}

/// @title Pages in memory
/// @dev Nothing here reverts: a page whose head contradicts its size counts as missing.
library PageCopies {
    /// @dev Copies head and records of a page. `word` is what the oracle says of it: `address 160 | underlying 8 | rows 8`.
    function open(uint256 id, uint256 count, uint256 word, bool withTable) internal view returns (PageCopy memory page) {
        (page.id, page.count) = (id, count);
        set(page, word, word == 0 ? 0 : fetch(word), withTable);
    }

    /// @dev Copies head and records and returns their memory address; zero if the head contradicts the size.
    function fetch(uint256 word) internal view returns (uint256 head) {
        unchecked {
            uint256 rows = (word >> 168) & 0xff;
            head = allocate(PAGE_HEAD_WORDS + rows);
            assembly ("memory-safe") {
                extcodecopy(and(word, 0xffffffffffffffffffffffffffffffffffffffff), head, PAGE_PREFIX_BYTES, shl(5, add(PAGE_HEAD_WORDS, rows)))
            }
            uint256 head0 = load(head);
            uint256 words = PAGE_HEAD_WORDS + rows * (1 + PageLayout.laneWords(head0));
            if (PageLayout.rows(head0) != rows || words > MAX_PAGE_WORDS) return 0;
        }
    }

    /// @dev Makes a page that of a copied head. Its table, if it gets one, is clear; one it has is used again if it has as many records.
    function set(PageCopy memory page, uint256 word, uint256 head, bool withTable) internal pure {
        uint256 rows = (word >> 168) & 0xff;
        uint256 table = page.rows == rows ? page.table : 0;
        (page.head, page.table) = (head, 0);
        if (word == 0) return;
        (page.code, page.rows) = (address(uint160(word)), rows);
        if (head == 0 || !withTable) return;
        page.table = table == 0 ? allocate(rows) : table;
        clear(page);
    }

    /// @dev Word i of an array that has it.
    function wordAt(uint256[] memory words, uint256 i) internal pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(add(add(words, 0x20), shl(5, i)))
        }
    }

    /// @dev Word at a memory address.
    function load(uint256 at_) internal pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(at_)
        }
    }

    /// @dev Writes a word to a memory address that `open` allocated.
    function store(uint256 at_, uint256 word) internal pure {
        assembly ("memory-safe") {
            mstore(at_, word)
        }
    }

    /// @dev Adds to a signed word at a memory address that `open` allocated.
    function increase(uint256 at_, int256 by) internal pure {
        unchecked {
            store(at_, uint256(int256(load(at_)) + by));
        }
    }

    /// @dev Head word i of a page.
    function headWord(PageCopy memory page, uint256 i) internal pure returns (uint256) {
        unchecked {
            return load(page.head + 32 * i);
        }
    }

    /// @dev Record of a position `lots 42 | generation 14 | slot 8` at the top of a word; zero if the page has none of that generation.
    function recordOf(PageCopy memory page, uint256 position) internal pure returns (uint256 record) {
        unchecked {
            uint256 slot = (position >> 192) & 0xff;
            if (slot >= page.rows) return 0;
            record = load(page.head + PAGE_HEAD_BYTES + 32 * slot);
            if (PageLayout.kind(record) == 0 || ((record >> 8) ^ (position >> 200)) & 0x3fff != 0) return 0;
        }
    }

    /// @dev Expected shortfall of so many lots held alone, ticks: |lots| leg(sign lots).
    function charge(uint256 record, int256 lots) internal pure returns (uint256) {
        unchecked {
            return lots < 0 ? uint256(-lots) * PageLayout.legShort(record) : uint256(lots) * PageLayout.legLong(record);
        }
    }

    /// @dev Sets the table to zero.
    function clear(PageCopy memory page) internal pure {
        uint256 at_ = page.table;
        uint256 bytes_ = 32 * page.rows;
        assembly ("memory-safe") {
            calldatacopy(at_, calldatasize(), bytes_)
        }
    }

    /// @dev Room for so many words of zero.
    function zeroWords(uint256 words) internal pure returns (uint256 at_) {
        at_ = allocate(words);
        assembly ("memory-safe") {
            calldatacopy(at_, calldatasize(), shl(5, words))
        }
    }

    /// @dev Room for so many words, which hold anything.
    function allocate(uint256 words) internal pure returns (uint256 at_) {
        assembly ("memory-safe") {
            at_ := mload(0x40)
            mstore(0x40, add(at_, shl(5, words)))
        }
    }
}
