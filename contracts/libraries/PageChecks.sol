// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IMarginOracle} from "../interfaces/IMarginOracle.sol";
import {ExpiryMark} from "./ExpiryMark.sol";
import {PPM} from "./LeakyBucket.sol";
import {LiveMark, SpotState} from "./LiveMark.sol";
import {
    ATOM_BYTES,
    DELTA_ONE,
    KIND_NONE,
    KIND_PERPETUAL,
    PAGE_HEAD_BYTES,
    PAGE_HEAD_WORDS,
    PAGE_PREFIX_BYTES,
    PageLayout,
    TERMS_MASK
} from "./PageLayout.sol";

/// @dev Basis points in one.
uint256 constant BPS = 10_000;
/// @dev Widest drift limit that a page may carry, basis points.
uint256 constant MAX_DRIFT_BPS = 500;
/// @dev The curvature of a record.
uint256 constant GAMMA_MASK = uint256(type(uint24).max) << 88;
/// @dev Fields of head 3, and of head 1, that repeat the oracle's factors.
uint256 constant FACTORS_MASK = uint256(type(uint32).max) << 160;
/// @dev Fields of head 0 that are a page's own: rows, atoms, page id, probe slot.
uint256 constant OWN_FIELDS_MASK = (uint256(0xffffff) << 40) | (uint256(0xff) << 80) | (uint256(0xff) << 104);

/// @title What a signed page must satisfy, whoever signed it
/// @notice Pages are words in memory: four of head, then the records. Nothing is clamped: a page passes as it is or reverts.
library PageChecks {
    using PageLayout for uint256;

    /// @dev The head agrees with the code's length, with itself, and with what the registry and the manifest say.
    /// @param expected The fields that must stand in head 0: underlying, page id, version, rows, lane words, asOf, tick.
    /// @param factors1 Factors of head 1 at their places.
    /// @param factors3 Head 3.
    function checkHead(
        uint256 page,
        uint256[] memory words,
        uint256 codeBytes,
        uint256 expected,
        uint256 factors1,
        uint256 factors3
    ) internal pure {
        (uint256 head0, uint256 head1, uint256 head2) = (words[0], words[1], words[2]);
        uint256 rows = head0.rows();
        uint256 bytesNeeded = PAGE_PREFIX_BYTES + PAGE_HEAD_BYTES + rows * 32 * (1 + head0.laneWords()) + head0.atoms() * ATOM_BYTES;
        uint256 free = type(uint40).max | (uint256(0xffff) << 48) | (1 << 72) | (uint256(0xff) << 104) | (uint256(0xffff) << 112);
        bool sound = codeBytes == bytesNeeded && head0 & ~free == expected && head0.laneWords() != 0;
        sound = sound && head0.referenceSpot() != 0 && _within(head0.maxDriftBps(), MAX_DRIFT_BPS);
        sound = sound && head1 >> 208 == 0 && head1.dailyVolume() != 0 && _within(head1.lambdaBps(), BPS);
        require(sound && head1.openInterestDivisor() != 0 && head2 >> 192 == 0, IMarginOracle.PageMalformed(page));
        require(head1 & FACTORS_MASK == factors1 && words[3] == factors3, IMarginOracle.FactorsMismatch(page));
    }

    /// @dev keccak256 of the records masked with TERMS_MASK is the registry's; perpetuals follow the spot one to one, up to the basis.
    function checkRecords(uint256 page, uint256[] memory words, bytes32 termsHash, uint256 maxBasisPpm) internal pure {
        uint256[] memory terms = new uint256[](words[0].rows());
        for (uint256 i; i < terms.length; ++i) {
            uint256 record = words[PAGE_HEAD_WORDS + i];
            terms[i] = record & TERMS_MASK;
            if (record.kind() != KIND_PERPETUAL) continue;
            int256 delta = int256(int24(uint24(record >> 64)));
            uint256 off = uint256(delta > DELTA_ONE ? delta - DELTA_ONE : DELTA_ONE - delta);
            bool straight = off * PPM <= maxBasisPpm * uint256(DELTA_ONE) && uint24(record >> 88) == 0;
            require(straight, IMarginOracle.PageMalformed(page));
        }
        bytes32 found;
        assembly ("memory-safe") {
            // keccak256(abi.encodePacked(terms)) without a copy
            found := keccak256(add(terms, 0x20), shl(5, mload(terms)))
        }
        require(found == termsHash, IMarginOracle.TermsMismatch(page, found, termsHash));
    }

    /// @dev |V_new(spot) - V_old(spot)| <= max(legLong_old, legShort_old) for every record whose terms are the same in the old page and that had not
    /// expired by asOf; values without funding, and as if no settlement window had begun.
    function checkMarks(uint256 page, uint256[] memory words, uint256[] memory old, SpotState memory now_) internal pure {
        uint256 rows = words[0].rows() < old[0].rows() ? words[0].rows() : old[0].rows();
        uint256 asOf = words[0].asOf();
        SpotState memory then_ = LiveMark.stateAt(old[0], 0, uint256(now_.spot), 0);
        for (uint256 i; i < rows; ++i) {
            (uint256 record, uint256 before) = (words[PAGE_HEAD_WORDS + i], old[PAGE_HEAD_WORDS + i]);
            if (record.kind() == KIND_NONE || (record ^ before) & TERMS_MASK != 0) continue;
            if (ExpiryMark.isDated(record) && record.expiryHour() * 1 hours <= asOf) continue;
            (int256 given,) = LiveMark.value(now_, record);
            (int256 expected,) = LiveMark.value(then_, before);
            uint256 allowed = largerLeg(before);
            int256 least = expected;
            // The curvature of an old mark overshoots, its slope falls short: what lies between them is no jump.
            if (given + int256(allowed) < expected) (least,) = LiveMark.value(then_, before & ~GAMMA_MASK);
            bool near = given + int256(allowed) >= least && given <= expected + int256(allowed);
            require(near, IMarginOracle.MarkJump(page, i, given, expected, allowed));
        }
    }

    /// @dev Hash of what all pages of one underlying must share: head 0 without its own fields, heads 1 and 2.
    function sharedHash(uint256[] memory words) internal pure returns (bytes32) {
        return keccak256(abi.encode(words[0] & ~OWN_FIELDS_MASK, words[1], words[2]));
    }

    /// @dev max(legLong, legShort), ticks.
    function largerLeg(uint256 record) internal pure returns (uint256) {
        (uint256 long, uint256 short) = (record.legLong(), record.legShort());
        return long > short ? long : short;
    }

    /// @dev 1 <= x <= largest
    function _within(uint256 x, uint256 largest) private pure returns (bool) {
        return x != 0 && x <= largest;
    }
}
