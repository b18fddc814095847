// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IMarginOracle, ProbeBounds} from "../interfaces/IMarginOracle.sol";
import {LeakyBucket, PPM} from "./LeakyBucket.sol";
import {LiveMark, SpotState} from "./LiveMark.sol";
import {KIND_PERPETUAL, PAGE_HEAD_WORDS, PageLayout} from "./PageLayout.sol";
import {PageChecks} from "./PageChecks.sol";
import {MAX_RATIO_PPM, ProbeWord} from "./ProbeWord.sol";

/// @dev Longest time for which a page may let funding accrue.
uint256 constant MAX_FUNDING_CAP = 1 days;

/// @title What the numbers of one underlying must satisfy, whoever signed them
/// @notice Nothing is clamped: a value passes as it is or reverts.
library ManifestBounds {
    using PageLayout for uint256;
    using ProbeWord for uint256;

    /// @dev |V(spot) - spot| 1e6 <= maxBasisPpm spot for every perpetual's value without funding.
    function checkBasis(uint256 underlying, uint256[] memory words, SpotState memory state, uint256 maxBasisPpm) internal pure {
        uint256 spot = uint256(state.spot);
        for (uint256 i; i < words[0].rows(); ++i) {
            uint256 record = words[PAGE_HEAD_WORDS + i];
            if (record.kind() != KIND_PERPETUAL) continue;
            (int256 given,) = LiveMark.value(state, record);
            uint256 mark = given > 0 ? uint256(given) : 0;
            uint256 basis = mark > spot ? mark - spot : spot - mark;
            require(basis * PPM <= maxBasisPpm * spot, IMarginOracle.BasisTooWide(underlying, mark, spot));
        }
    }

    /// @dev |F - F_previous| and the posted rate times the elapsed time stay within fundingPpmPerDay of spot a day.
    function checkFunding(uint256 underlying, uint256 head2, uint256 previous, uint256 elapsed, uint256 spot, uint256 ppmPerDay)
        internal
        pure
    {
        uint256 perSecond = (ppmPerDay * spot) << 32;
        uint256 rate = _magnitude(head2.fundingRateX32());
        bool slow = rate * PPM * 1 days <= perSecond && head2.fundingCapS() <= MAX_FUNDING_CAP;
        if (previous != 0) {
            uint256 change = _magnitude(head2.fundingX32() - previous.cumulativeX32());
            slow = slow && change * PPM * 1 days <= perSecond * elapsed;
        }
        require(slow, IMarginOracle.FundingTooFast(underlying));
    }

    /// @dev ratio = ceil(max(legLong, legShort) 1e6 / S0) lies within floor and cap and within both buckets; returns the word to keep. A first
    /// value finds its buckets full.
    function nextProbe(
        uint256 underlying,
        uint256[] memory words,
        uint256 record,
        uint256 previous,
        ProbeBounds memory limits,
        uint256 timestamp
    ) internal pure returns (uint256) {
        uint256 spot = words[0].referenceSpot();
        uint256 ratio = (PageChecks.largerLeg(record) * PPM + spot - 1) / spot;
        bool inside = ratio >= limits.floorPpm && ratio <= limits.capPpm && ratio <= MAX_RATIO_PPM;
        require(inside, IMarginOracle.ProbeOutOfBounds(underlying, ratio, limits.floorPpm, limits.capPpm));
        (uint256 up, uint256 down) = allowances(previous == 0 ? ratio : previous.ratioPpm(), previous, limits, timestamp);
        if (previous != 0) {
            uint256 before = previous.ratioPpm();
            if (ratio > before) {
                require((ratio - before) << 16 <= up, IMarginOracle.ProbeRoseTooFast(underlying, ratio, before, up >> 16));
                up -= (ratio - before) << 16;
            } else {
                require((before - ratio) << 16 <= down, IMarginOracle.ProbeFellTooFast(underlying, ratio, before, down >> 16));
                down -= (before - ratio) << 16;
            }
        }
        return ProbeWord.pack(ratio, up, down, words[2].fundingX32(), timestamp, words[3] & 0xffff, words[0].frozen());
    }

    /// @dev How far `value` may rise and fall now, X16; full buckets if there is no previous word.
    function allowances(uint256 value, uint256 previous, ProbeBounds memory limits, uint256 timestamp)
        internal
        pure
        returns (uint256 up, uint256 down)
    {
        (uint256 rise, uint256 fall) = (limits.risePpmPerHour, limits.fallPpmPerDay);
        if (previous == 0) return (LeakyBucket.capacityX16(value, rise), LeakyBucket.capacityX16(value, fall));
        uint256 elapsed = timestamp - previous.acceptedAt();
        up = LeakyBucket.refilledX16(previous.upX16(), value, rise, 1 hours, elapsed);
        down = LeakyBucket.refilledX16(previous.downX16(), value, fall, 1 days, elapsed);
    }

    function _magnitude(int256 x) private pure returns (uint256) {
        return uint256(x < 0 ? -x : x);
    }
}
