// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @notice What keepers sign.
/// @param epoch Strictly increasing; every proposal burns its own.
/// @param asOf Time of the newest observation in it, seconds.
/// @param validUntil Last second at which it may be activated.
/// @param configDigest The oracle's configuration it was computed for.
/// @param bookRoot Merkle root over (hash of a book, its tail risk); zero if none.
/// @param bookBlock Block whose books the root holds.
/// @param inputsHash Hash of the inputs, so that anyone can recompute it.
/// @param modelHash Hash of the model's settings and version.
/// @param pages Init-code hash of page i for every registered page id i.
struct Manifest {
    uint64 epoch;
    uint64 asOf;
    uint64 validUntil;
    bytes32 configDigest;
    bytes32 bookRoot;
    uint64 bookBlock;
    bytes32 inputsHash;
    bytes32 modelHash;
    bytes32[] pages;
}

/// @notice Bounds on one underlying's probe instrument. Ratios are parts per million of the page's reference spot (or of the value itself);
/// the reference spot itself must lie within the page's drift limit of the feed.
struct ProbeBounds {
    uint32 floorPpm; // least leg over spot
    uint32 capPpm; // largest leg over spot
    uint32 risePpmPerHour; // token bucket: refill an hour and capacity, of the value itself
    uint32 fallPpmPerDay; // token bucket: refill a day and capacity, of the value itself
    uint32 maxBasisPpm; // largest |mark - spot| over spot
    uint32 fundingPpmPerDay; // largest |change of cumulative funding| a day, and posted rate, over spot
}

/// @notice Factors that every page's head must carry, so that raising one takes effect through manifests like any parameter. Basis points.
struct MarginFactors {
    uint16 maintenanceFactorBps;
    uint16 initialNetFloorBps;
    uint16 initialGrossFloorBps;
    uint16 maintenanceNetFloorBps;
    uint16 maintenanceGrossFloorBps;
    uint16 openInterestDivisor;
    uint16 openInterestCapPercent;
}

/// @notice Result of a read that must not revert.
enum RatioStatus {
    Ok,
    NoManifest,
    OldManifest,
    StalePrice,
    Frozen,
    UnknownUnderlying
}

/// @title Margin parameters signed by a quorum of keepers
/// @notice Pages are staged by anyone, named by hash in a manifest, and all take effect together when k signatures activate it.
interface IMarginOracle {
    /* ERRORS */

    error ActivationPaused();
    error WrongConfigDigest(bytes32 given, bytes32 expected);
    error EpochNotIncreasing(uint256 given, uint256 current);
    error EpochTooFar(uint256 given, uint256 current);
    error AsOfNotIncreasing(uint256 given, uint256 current);
    error AsOfInFuture(uint256 given, uint256 timestamp);
    error ManifestExpired(uint256 validUntil, uint256 timestamp);
    error ValidityTooLong(uint256 asOf, uint256 validUntil);
    error WrongPageCount(uint256 given, uint256 expected);
    error PageNotStaged(uint256 pageId, bytes32 initCodeHash);
    error PageMalformed(uint256 pageId);
    error TermsMismatch(uint256 pageId, bytes32 found, bytes32 expected);
    error FactorsMismatch(uint256 pageId);
    error ProbeOutOfBounds(uint256 underlying, uint256 ratioPpm, uint256 floorPpm, uint256 capPpm);
    error ProbeRoseTooFast(uint256 underlying, uint256 ratioPpm, uint256 previousPpm, uint256 allowancePpm);
    error ProbeFellTooFast(uint256 underlying, uint256 ratioPpm, uint256 previousPpm, uint256 allowancePpm);
    error BasisTooWide(uint256 underlying, uint256 mark, uint256 spot);
    error FundingTooFast(uint256 underlying);
    error PriceStale(uint256 underlying, uint256 observedAt);
    error FrozenWithLiveFeed(uint256 underlying);
    error FrozenSpotMoved(uint256 underlying);
    error MarkJump(uint256 pageId, uint256 slot, int256 given, int256 expected, uint256 allowed);
    error NotEquivocation();
    error NoBaseline();
    error StageFailed();
    error SpotMismatch(uint256 underlying, uint256 referenceSpot, uint256 price);
    error BoundsOutOfRange(uint256 underlying);
    error FactorsOutOfRange();
    error RatioUnavailable(uint256 underlying, RatioStatus status);

    /* EVENTS */

    event PageStaged(bytes32 indexed initCodeHash, address page);
    event ManifestActivated(uint64 indexed epoch, bytes32 indexed digest, uint64 asOf, bytes32 bookRoot);
    event BaselineMoved(uint64 indexed epoch);
    event CurrentDropped(uint64 indexed epoch, uint64 indexed baselineEpoch);
    event EquivocationProven(address indexed signer, uint64 indexed epoch, bytes32 first, bytes32 second);
    event ConfigChanged(bytes32 indexed configDigest);
    event ActivationPauseChanged(bool paused);

    /* GOVERNANCE: governor, behind a delay */

    /// @notice Replaces all signers.
    /// @param newSigners Strictly increasing addresses.
    /// @param threshold Signatures a manifest needs, 1 to their number.
    function setSigners(address[] calldata newSigners, uint256 threshold) external;

    /// @notice Sets the bounds of an underlying's probe.
    function setBounds(uint256 underlying, ProbeBounds calldata limits) external;

    /// @notice Sets the factors that pages must carry. Maintenance floors may not exceed initial ones.
    function setFactors(MarginFactors calldata newFactors) external;

    /// @notice Allows activation again.
    function unpauseActivation() external;

    /* GOVERNANCE: guardian, at once */

    /// @notice Forbids activation.
    function pauseActivation() external;

    /// @notice Puts the baseline in force again in place of the current manifest, with the probes' buckets as it left them.
    /// @dev Epochs and times of dropped manifests stay used.
    function dropCurrent() external;

    /// @notice Removes a signer, as long as at least the threshold remain.
    function removeSigner(address signer) external;

    /* PUBLISHING */

    /// @notice Stores a page as contract code at an address that follows from its content. Open to anyone.
    /// @dev Staging the same bytes twice returns the same address.
    /// @param page Payload without the STOP byte, at most 24,575 bytes.
    /// @return store Address of the page.
    function stage(bytes calldata page) external returns (address store);

    /// @notice Puts a manifest in force.
    /// @param signatures k or more 65-byte signatures, signers in strictly increasing order.
    function activate(Manifest calldata manifest, bytes calldata signatures) external;

    /// @notice Reverts exactly as `activate` would, signatures apart. A keeper signs only what passes.
    function previewActivate(Manifest calldata manifest) external view;

    /// @notice Proves that a current signer signed two manifests for one epoch; the guardian may then remove it.
    function reportEquivocation(Manifest calldata a, bytes calldata signatureA, Manifest calldata b, bytes calldata signatureB) external;

    /* READING */

    /// @notice Pages of the current manifest or of the baseline, for the margin engine.
    /// @dev The baseline is the newest manifest that has been in force for at least the grace period. If there is none, every word is zero.
    /// @param packedPages Page id i in bits 8 i .. 8 i + 7.
    /// @param count At most 32.
    /// @return words First `asOf 40 | activatedAt 40 (40) | epoch 40 (80) | isBaseline 1 (120): the manifest returned is itself at least
    /// the grace period old`; then for each page `address 160 | underlying 8 (160) | rows 8 (168)`, zero if it lacks the page.
    function load(uint256 packedPages, uint256 count, bool baseline) external view returns (uint256[] memory words);

    /// @notice Pages of the current manifest and of the baseline in one call, for those who need both.
    /// @param packedPages Page id i in bits 8 i .. 8 i + 7.
    /// @param count At most 32.
    /// @return words Those of `load` for the current manifest; behind them, unless that is itself at least the grace period old or there is no baseline, the
    /// word of each page in the baseline.
    function loadWithBaseline(uint256 packedPages, uint256 count) external view returns (uint256[] memory words);

    /// @notice Book root of the current manifest or of the baseline; zero if there is none.
    function bookRoot(bool baseline) external view returns (bytes32 root);

    /// @notice EIP-712 digest that keepers sign.
    function manifestDigest(Manifest calldata manifest) external view returns (bytes32);

    /// @notice keccak256(abi.encode(signers, k, factors, bounds of underlying 0, 1, .. up to the last one set)).
    function configDigest() external view returns (bytes32);

    /// @notice Epoch, asOf and activation time of the current manifest; zeros if there is none.
    function currentManifest() external view returns (uint64 epoch, uint64 asOf, uint64 activatedAt, bytes32 root);

    /// @notice Address at which bytes with this init-code hash are or will be staged.
    function pageAddress(bytes32 initCodeHash) external view returns (address);

    /// @notice What the next proposal's probe ratio may be, parts per million of spot.
    function probeRange(uint256 underlying) external view returns (uint256 leastPpm, uint256 largestPpm);

    function signers() external view returns (address[] memory);

    function quorum() external view returns (uint256);

    function factors() external view returns (MarginFactors memory);

    function bounds(uint256 underlying) external view returns (ProbeBounds memory);

    /* SIMPLE INTEGRATORS */

    /// @notice Larger of the two legs of the underlying's probe instrument over spot, 1e18 = 100%. Reverts unless the status is Ok.
    function initialMarginRatio(uint256 underlying) external view returns (uint256 ratioWad);

    /// @notice Maintenance factor times the initial ratio of the smaller of current and baseline, 1e18 = 100%. Reverts unless the status is Ok.
    function maintenanceMarginRatio(uint256 underlying) external view returns (uint256 ratioWad);

    /// @notice Like `initialMarginRatio` and `maintenanceMarginRatio`, never reverts.
    function tryRatio(uint256 underlying) external view returns (RatioStatus status, uint256 initialWad, uint256 maintenanceWad, uint256 asOf);
}
