// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IMarginOracle, ProbeBounds, RatioStatus} from "../interfaces/IMarginOracle.sol";
import {MAX_PRICE_AGE} from "../libraries/Instruments.sol";
import {ManifestBounds} from "../libraries/ManifestBounds.sol";
import {BPS} from "../libraries/PageChecks.sol";
import {ProbeWord} from "../libraries/ProbeWord.sol";
import {OracleRing, RingState} from "./OracleRing.sol";

/// @dev Oldest manifest whose ratios count as current, measured from its asOf.
uint256 constant MAX_MANIFEST_AGE = 30 minutes;
/// @dev What a part per million is on a scale where 1e18 is one.
uint256 constant WAD_PER_PPM = 1e12;

/// @title Margin ratios for who holds no book here
abstract contract OracleRatios is OracleRing {
    using ProbeWord for uint256;

    /// @inheritdoc IMarginOracle
    function initialMarginRatio(uint256 underlying) external view returns (uint256 ratioWad) {
        (RatioStatus status, uint256 initialWad,,) = tryRatio(underlying);
        require(status == RatioStatus.Ok, RatioUnavailable(underlying, status));
        return initialWad;
    }

    /// @inheritdoc IMarginOracle
    function maintenanceMarginRatio(uint256 underlying) external view returns (uint256 ratioWad) {
        (RatioStatus status,, uint256 maintenanceWad,) = tryRatio(underlying);
        require(status == RatioStatus.Ok, RatioUnavailable(underlying, status));
        return maintenanceWad;
    }

    /// @inheritdoc IMarginOracle
    function tryRatio(uint256 underlying)
        public
        view
        returns (RatioStatus status, uint256 initialWad, uint256 maintenanceWad, uint256 asOf)
    {
        if (underlying >= REGISTRY.underlyingCount()) return (RatioStatus.UnknownUnderlying, 0, 0, 0);
        RingState memory state = ring;
        uint256 word = probeWords[(uint256(state.current) << 8) | underlying];
        if (word == 0) return (RatioStatus.NoManifest, 0, 0, 0);
        asOf = state.asOf;
        initialWad = word.ratioPpm() * WAD_PER_PPM;
        maintenanceWad = _maintenanceWad(word);
        (uint256 position,) = _effectiveBaseline(_packedRing());
        uint256 base = probeWords[(position << 8) | underlying];
        if (base != 0 && _maintenanceWad(base) < maintenanceWad) maintenanceWad = _maintenanceWad(base);
        (uint256 price, uint256 observedAt) = FEED.price(underlying);
        if (word.wasFrozen()) status = RatioStatus.Frozen;
        else if (!_isFresh(price, observedAt)) status = RatioStatus.StalePrice;
        else if (block.timestamp > asOf + MAX_MANIFEST_AGE) status = RatioStatus.OldManifest;
    }

    /// @inheritdoc IMarginOracle
    function probeRange(uint256 underlying) external view returns (uint256 leastPpm, uint256 largestPpm) {
        ProbeBounds memory limits = bounds(underlying);
        (leastPpm, largestPpm) = (limits.floorPpm, limits.capPpm);
        if (underlying > type(uint8).max) return (leastPpm, largestPpm);
        uint256 word = probeWords[(uint256(ring.current) << 8) | underlying];
        if (word == 0) return (leastPpm, largestPpm);
        uint256 ratio = word.ratioPpm();
        (uint256 up, uint256 down) = ManifestBounds.allowances(ratio, word, limits, block.timestamp);
        if (ratio - (down >> 16) > leastPpm) leastPpm = ratio - (down >> 16);
        if (ratio + (up >> 16) < largestPpm) largestPpm = ratio + (up >> 16);
    }

    /// @dev A price that exists and is at most MAX_PRICE_AGE old; one from the future counts as new.
    function _isFresh(uint256 price, uint256 observedAt) internal view returns (bool) {
        return price != 0 && observedAt + MAX_PRICE_AGE >= block.timestamp;
    }

    function _maintenanceWad(uint256 word) private pure returns (uint256) {
        return word.ratioPpm() * WAD_PER_PPM * word.maintenanceFactorBps() / BPS;
    }
}
