// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IInstrumentRegistry} from "../interfaces/IInstrumentRegistry.sol";
import {IMarginOracle, MarginFactors, ProbeBounds} from "../interfaces/IMarginOracle.sol";
import {IPriceFeed} from "../interfaces/IPriceFeed.sol";
import {PPM} from "../libraries/LeakyBucket.sol";
import {BPS} from "../libraries/PageChecks.sol";
import {MAX_RATIO_PPM} from "../libraries/ProbeWord.sol";
import {Quorum, SignerSet} from "../libraries/Quorum.sol";
import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

/// @title Who signs, and the bounds they sign within
/// @dev Every change moves the digest, so manifests signed for the old configuration are worth nothing.
abstract contract OracleConfig is IMarginOracle, AccessManaged {
    using Quorum for SignerSet;

    /* IMMUTABLES */

    IInstrumentRegistry internal immutable REGISTRY;
    IPriceFeed internal immutable FEED;

    /* STORAGE */

    SignerSet internal signerSet;
    ProbeBounds[] internal probeBounds;
    MarginFactors internal marginFactors;
    /// @inheritdoc IMarginOracle
    bytes32 public configDigest;

    /* CONSTRUCTOR */

    constructor(IInstrumentRegistry registry, IPriceFeed feed, address authority) AccessManaged(authority) {
        REGISTRY = registry;
        FEED = feed;
    }

    /* GOVERNANCE */

    /// @inheritdoc IMarginOracle
    function setSigners(address[] calldata newSigners, uint256 threshold) external restricted {
        signerSet.replace(newSigners, threshold);
        _configChanged();
    }

    /// @inheritdoc IMarginOracle
    function removeSigner(address signer) external restricted {
        signerSet.remove(signer);
        _configChanged();
    }

    /// @inheritdoc IMarginOracle
    function setBounds(uint256 underlying, ProbeBounds calldata limits) external restricted {
        require(underlying < REGISTRY.underlyingCount(), IInstrumentRegistry.UnknownUnderlying(underlying));
        bool ordered = limits.floorPpm != 0 && limits.floorPpm <= limits.capPpm && limits.capPpm <= MAX_RATIO_PPM;
        bool damped = limits.risePpmPerHour <= PPM && limits.fallPpmPerDay <= PPM && limits.maxBasisPpm <= PPM;
        require(ordered && damped && limits.fundingPpmPerDay <= PPM, BoundsOutOfRange(underlying));
        while (probeBounds.length <= underlying) probeBounds.push();
        probeBounds[underlying] = limits;
        _configChanged();
    }

    /// @inheritdoc IMarginOracle
    function setFactors(MarginFactors calldata newFactors) external restricted {
        bool ordered = newFactors.maintenanceNetFloorBps <= newFactors.initialNetFloorBps
            && newFactors.maintenanceGrossFloorBps <= newFactors.initialGrossFloorBps;
        bool sound = newFactors.maintenanceFactorBps != 0 && newFactors.maintenanceFactorBps <= BPS;
        require(ordered && sound && newFactors.openInterestDivisor != 0, FactorsOutOfRange());
        marginFactors = newFactors;
        _configChanged();
    }

    /* VIEWS */

    /// @inheritdoc IMarginOracle
    function signers() external view returns (address[] memory) {
        return signerSet.list;
    }

    /// @inheritdoc IMarginOracle
    function quorum() external view returns (uint256) {
        return signerSet.threshold;
    }

    /// @inheritdoc IMarginOracle
    function factors() external view returns (MarginFactors memory) {
        return marginFactors;
    }

    /// @inheritdoc IMarginOracle
    function bounds(uint256 underlying) public view returns (ProbeBounds memory limits) {
        if (underlying < probeBounds.length) limits = probeBounds[underlying];
    }

    /* INTERNALS */

    function _configChanged() private {
        configDigest = keccak256(abi.encode(signerSet.list, signerSet.threshold, marginFactors, probeBounds));
        emit ConfigChanged(configDigest);
    }
}
