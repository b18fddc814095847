// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IMarginOracle, Manifest, MarginFactors, ProbeBounds} from "../interfaces/IMarginOracle.sol";
import {LiveMark, SpotState} from "../libraries/LiveMark.sol";
import {ManifestBounds} from "../libraries/ManifestBounds.sol";
import {BPS, PageChecks} from "../libraries/PageChecks.sol";
import {PAGE_HEAD_WORDS, PAGE_VERSION, PageLayout} from "../libraries/PageLayout.sol";
import {PageStore} from "../libraries/PageStore.sol";
import {OracleRatios} from "./OracleRatios.sol";
import {HighWater, RingState} from "./OracleRing.sol";

/// @dev Longest time between a manifest's asOf and the end of its validity.
uint256 constant MAX_VALIDITY = 30 minutes;
/// @dev Most epochs a manifest may skip: none can use them up and leave no room for the signers that follow.
uint256 constant MAX_EPOCH_STEP = 1 << 20;
/// @dev Words of the largest head and records.
uint256 constant SCRATCH_WORDS = 4 + 255;
/// @dev Underlying ids 0, 1, 2, .. as IPriceFeed packs them.
uint256 constant ALL_UNDERLYINGS = 0x1f1e1d1c1b1a191817161514131211100f0e0d0c0b0a09080706050403020100;

/// @notice What an examination finds, ready to be stored, and what it works with.
/// @param pageWords Per page, as stored.
/// @param probes Per underlying, as stored; zero if it has no probe.
/// @param shared Per underlying, hash of what its pages share; zero before the first of them.
/// @param prices Per underlying, as the feed packs them.
/// @param words The page being examined.
/// @param old The page that its marks are compared with.
/// @param fixedFields Fields of head 0 that are the same on every page: version, lane words, asOf, tick.
/// @param factors1 Factors of head 1 at their places.
/// @param factors3 Head 3.
/// @param current Ring position of the manifest in force.
/// @param compared Ring position of the manifest that marks are compared with: the baseline, or while there is none the current one.
/// @param asOfBefore asOf of the manifest in force.
struct Draft {
    uint256[] pageWords;
    uint256[] probes;
    bytes32[] shared;
    uint256[] prices;
    uint256[] words;
    uint256[] old;
    uint256 fixedFields;
    uint256 factors1;
    uint256 factors3;
    uint256 current;
    uint256 compared;
    uint256 asOfBefore;
}

/// @title Everything that is checked about a manifest but who signed it
abstract contract ManifestExam is OracleRatios {
    using PageLayout for uint256;

    /// @dev Reverts unless the manifest may take effect now.
    function _examine(Manifest calldata manifest) internal view returns (Draft memory draft) {
        _checkManifest(manifest);
        RingState memory state = ring;
        uint256 underlyings = REGISTRY.underlyingCount();
        draft.pageWords = new uint256[](manifest.pages.length);
        draft.probes = new uint256[](underlyings);
        draft.shared = new bytes32[](underlyings);
        draft.prices = FEED.load(ALL_UNDERLYINGS, underlyings);
        draft.words = new uint256[](SCRATCH_WORDS);
        draft.old = new uint256[](SCRATCH_WORDS);
        (draft.factors1, draft.factors3) = _packedFactors();
        (draft.current, draft.asOfBefore) = (state.current, state.asOf);
        (draft.compared,) = _effectiveBaseline(_packedRing());
        if (draft.compared == 0) draft.compared = draft.current;
        draft.fixedFields = (PAGE_VERSION << 88) | (uint256(manifest.asOf) << 128) | (REGISTRY.tick() << 168);
        for (uint256 page; page < manifest.pages.length; ++page) _examinePage(draft, page, manifest.pages[page]);
    }

    function _checkManifest(Manifest calldata manifest) private view {
        require(!ring.paused, ActivationPaused());
        require(manifest.configDigest == configDigest, WrongConfigDigest(manifest.configDigest, configDigest));
        HighWater memory mark = highWater;
        bool later = manifest.epoch > mark.epoch && manifest.epoch <= type(uint40).max;
        require(later, EpochNotIncreasing(manifest.epoch, mark.epoch));
        require(manifest.epoch - mark.epoch <= MAX_EPOCH_STEP, EpochTooFar(manifest.epoch, mark.epoch));
        require(manifest.asOf > mark.asOf, AsOfNotIncreasing(manifest.asOf, mark.asOf));
        require(manifest.asOf <= block.timestamp, AsOfInFuture(manifest.asOf, block.timestamp));
        require(manifest.validUntil >= block.timestamp, ManifestExpired(manifest.validUntil, block.timestamp));
        bool short = manifest.validUntil - manifest.asOf <= MAX_VALIDITY;
        require(short, ValidityTooLong(manifest.asOf, manifest.validUntil));
        uint256 expected = REGISTRY.pageCount();
        require(manifest.pages.length == expected, WrongPageCount(manifest.pages.length, expected));
    }

    function _examinePage(Draft memory draft, uint256 page, bytes32 initCodeHash) private view {
        address store = PageStore.addressOf(initCodeHash);
        require(store.code.length != 0, PageNotStaged(page, initCodeHash));
        (uint256 underlying, uint256 rows, bytes32 termsHash) = REGISTRY.pageInfo(page);
        PageStore.read(store, draft.words, 0, PAGE_HEAD_WORDS + rows);
        uint256 head0 = draft.words[0];
        if (page == 0) draft.fixedFields |= head0.laneWords() << 96;
        uint256 expected = draft.fixedFields | (rows << 40) | (underlying << 64) | (page << 80);
        PageChecks.checkHead(page, draft.words, store.code.length, expected, draft.factors1, draft.factors3);
        ProbeBounds memory limits = bounds(underlying);
        PageChecks.checkRecords(page, draft.words, termsHash, limits.maxBasisPpm);
        draft.pageWords[page] = uint256(uint160(store)) | (underlying << 160) | (rows << 168);

        bytes32 shared = PageChecks.sharedHash(draft.words);
        require(draft.shared[underlying] == 0 || draft.shared[underlying] == shared, PageMalformed(page));
        draft.shared[underlying] = shared;
        if (rows == 0) return;
        uint256 spot = _spot(draft, underlying, page);
        (uint256 probePage, uint256 probeSlot) = REGISTRY.probe(underlying);
        SpotState memory state = LiveMark.stateAt(head0, 0, spot, 0);
        ManifestBounds.checkBasis(underlying, draft.words, state, limits.maxBasisPpm);
        if (page == probePage) _examineProbe(draft, underlying, probeSlot, spot, limits);
        _examineMarks(draft, page, state);
    }

    /// @dev The feed's price, or the page's own if the keepers and the feed agree that there is none: the one in force, unless the page is
    /// new and nobody can hold anything on it.
    function _spot(Draft memory draft, uint256 underlying, uint256 page) private view returns (uint256) {
        uint256 head0 = draft.words[0];
        uint256 ownSpot = head0.referenceSpot();
        (uint256 price, uint256 observedAt) = (uint64(draft.prices[underlying]), uint40(draft.prices[underlying] >> 64));
        bool fresh = _isFresh(price, observedAt);
        if (head0.frozen()) {
            require(!fresh, FrozenWithLiveFeed(underlying));
            uint256 word = pageWords[(draft.current << 8) | page];
            PageStore.read(address(uint160(word)), draft.old, 0, 1);
            bool unmoved = word == 0 ? draft.current != 0 : draft.old[0].referenceSpot() == ownSpot;
            require(unmoved, FrozenSpotMoved(underlying));
            return ownSpot;
        }
        require(fresh, PriceStale(underlying, observedAt));
        uint256 drift = price > ownSpot ? price - ownSpot : ownSpot - price;
        require(drift * BPS <= head0.maxDriftBps() * ownSpot, SpotMismatch(underlying, ownSpot, price));
        return price;
    }

    function _examineProbe(Draft memory draft, uint256 underlying, uint256 slot, uint256 spot, ProbeBounds memory limits)
        private
        view
    {
        uint256 head0 = draft.words[0];
        require(head0.probeSlot() == slot, PageMalformed(head0.pageId()));
        uint256 record = draft.words[PAGE_HEAD_WORDS + slot];
        uint256 previous = probeWords[(draft.current << 8) | underlying];
        uint256 elapsed = head0.asOf() - draft.asOfBefore;
        ManifestBounds.checkFunding(underlying, draft.words[2], previous, elapsed, spot, limits.fundingPpmPerDay);
        draft.probes[underlying] =
            ManifestBounds.nextProbe(underlying, draft.words, record, previous, limits, block.timestamp);
    }

    function _examineMarks(Draft memory draft, uint256 page, SpotState memory state) private view {
        uint256 word = pageWords[(draft.compared << 8) | page];
        if (word == 0) return;
        PageStore.read(address(uint160(word)), draft.old, 0, PAGE_HEAD_WORDS + ((word >> 168) & 0xff));
        PageChecks.checkMarks(page, draft.words, draft.old, state);
    }

    /// @dev The factors at their places in head 1 and head 3.
    function _packedFactors() private view returns (uint256 head1, uint256 head3) {
        MarginFactors memory f = marginFactors;
        head1 = (uint256(f.openInterestDivisor) << 160) | (uint256(f.openInterestCapPercent) << 176);
        head3 = uint256(f.maintenanceFactorBps) | (uint256(f.initialNetFloorBps) << 16) | (uint256(f.initialGrossFloorBps) << 32)
            | (uint256(f.maintenanceNetFloorBps) << 48) | (uint256(f.maintenanceGrossFloorBps) << 64);
    }
}
