// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IInstrumentRegistry} from "./interfaces/IInstrumentRegistry.sol";
import {IMarginOracle, Manifest} from "./interfaces/IMarginOracle.sol";
import {IPriceFeed} from "./interfaces/IPriceFeed.sol";
import {MAX_PAYLOAD_BYTES, PageStore} from "./libraries/PageStore.sol";
import {Quorum, SignerSet} from "./libraries/Quorum.sol";
import {Draft, ManifestExam} from "./oracle/ManifestExam.sol";
import {OracleConfig} from "./oracle/OracleConfig.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

/// @dev EIP-712 type of a manifest.
bytes32 constant MANIFEST_TYPEHASH = keccak256(
    "Manifest(uint64 epoch,uint64 asOf,uint64 validUntil,bytes32 configDigest,bytes32 bookRoot,"
    "uint64 bookBlock,bytes32 inputsHash,bytes32 modelHash,bytes32[] pages)"
);

/// @title Margin parameters signed by a quorum of keepers
/// @dev Assumptions about other contracts:
/// 1. The registry never removes an underlying or a page, and `probe` names a slot of its own page or a page that cannot exist.
/// 2. The feed's `load` and `price` never revert, and answer for every underlying that the registry knows.
/// 3. The authority hands the governor's functions to accounts behind a delay of at least GRACE.
contract MarginOracle is ManifestExam, EIP712 {
    using Quorum for SignerSet;

    /* CONSTRUCTOR */

    constructor(IInstrumentRegistry registry, IPriceFeed feed, address authority)
        OracleConfig(registry, feed, authority)
        EIP712("Seawall Margin Oracle", "1")
    {}

    /* PUBLISHING */

    /// @inheritdoc IMarginOracle
    function stage(bytes calldata page) external returns (address store) {
        require(page.length <= MAX_PAYLOAD_BYTES, StageFailed());
        bytes memory initCode = PageStore.initCode(page);
        bytes32 initCodeHash = keccak256(initCode);
        store = PageStore.addressOf(initCodeHash);
        if (store.code.length != 0) return store;
        require(PageStore.create(initCode) == store, StageFailed());
        emit PageStaged(initCodeHash, store);
    }

    /// @inheritdoc IMarginOracle
    function activate(Manifest calldata manifest, bytes calldata signatures) external {
        Draft memory draft = _examine(manifest);
        bytes32 digest = manifestDigest(manifest);
        signerSet.verify(digest, signatures);
        uint256 position = _advance(manifest.epoch, manifest.asOf, manifest.bookRoot) << 8;
        for (uint256 i; i < draft.pageWords.length; ++i) pageWords[position | i] = draft.pageWords[i];
        for (uint256 i; i < draft.probes.length; ++i) {
            if (draft.probes[i] != 0) probeWords[position | i] = draft.probes[i];
        }
        emit ManifestActivated(manifest.epoch, digest, manifest.asOf, manifest.bookRoot);
    }

    /// @inheritdoc IMarginOracle
    function reportEquivocation(
        Manifest calldata a,
        bytes calldata signatureA,
        Manifest calldata b,
        bytes calldata signatureB
    ) external {
        (bytes32 first, bytes32 second) = (manifestDigest(a), manifestDigest(b));
        require(a.epoch == b.epoch && first != second, NotEquivocation());
        address signer = ECDSA.recover(first, signatureA);
        require(signer == ECDSA.recover(second, signatureB) && signerSet.isSigner[signer], NotEquivocation());
        emit EquivocationProven(signer, a.epoch, first, second);
    }

    /* VIEWS */

    /// @inheritdoc IMarginOracle
    function previewActivate(Manifest calldata manifest) external view {
        _examine(manifest);
    }

    /// @inheritdoc IMarginOracle
    function manifestDigest(Manifest calldata manifest) public view returns (bytes32) {
        bytes32 pages = keccak256(abi.encodePacked(manifest.pages));
        return _hashTypedDataV4(
            keccak256(
                abi.encode(
                    MANIFEST_TYPEHASH,
                    manifest.epoch,
                    manifest.asOf,
                    manifest.validUntil,
                    manifest.configDigest,
                    manifest.bookRoot,
                    manifest.bookBlock,
                    manifest.inputsHash,
                    manifest.modelHash,
                    pages
                )
            )
        );
    }

    /// @inheritdoc IMarginOracle
    function pageAddress(bytes32 initCodeHash) external view returns (address) {
        return PageStore.addressOf(initCodeHash);
    }
}
