// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @dev Bytes of one signature.
uint256 constant SIGNATURE_BYTES = 65;

/// @notice Who may sign, and how many of them must.
struct SignerSet {
    /// In increasing order.
    address[] list;
    mapping(address => bool) isSigner;
    uint256 threshold;
}

/// @title k distinct signers out of n
/// @notice Signatures are 65 bytes with a low s; signers come in strictly increasing order, so that none counts twice.
library Quorum {
    error ThresholdOutOfRange(uint256 threshold, uint256 signers);
    error SignersUnsorted(address previous, address given);
    error NotSigner(address given);
    error TooFewSignatures(uint256 given, uint256 needed);
    error SignatureLength(uint256 length);

    /// @dev Replaces all signers: strictly increasing, none zero, `signers.length >= threshold >= 1`.
    function replace(SignerSet storage self, address[] calldata signers, uint256 threshold) internal {
        require(threshold != 0 && threshold <= signers.length, ThresholdOutOfRange(threshold, signers.length));
        for (uint256 i; i < self.list.length; ++i) self.isSigner[self.list[i]] = false;
        address previous = address(0);
        for (uint256 i; i < signers.length; ++i) {
            require(signers[i] > previous, SignersUnsorted(previous, signers[i]));
            previous = signers[i];
            self.isSigner[previous] = true;
        }
        self.list = signers;
        self.threshold = threshold;
    }

    /// @dev Removes one signer, as long as enough remain; the threshold stays.
    function remove(SignerSet storage self, address signer) internal {
        require(self.isSigner[signer], NotSigner(signer));
        uint256 left = self.list.length - 1;
        require(self.threshold <= left, ThresholdOutOfRange(self.threshold, left));
        self.isSigner[signer] = false;
        uint256 i;
        while (self.list[i] != signer) ++i;
        for (; i < left; ++i) self.list[i] = self.list[i + 1];
        self.list.pop();
    }

    /// @dev Checks that a signature over `digest` is by a current signer above `previous`, and returns the signer.
    function verifyNext(SignerSet storage self, bytes32 digest, bytes calldata signature, address previous)
        internal
        view
        returns (address signer)
    {
        signer = ECDSA.recover(digest, signature);
        require(self.isSigner[signer], NotSigner(signer));
        require(signer > previous, SignersUnsorted(previous, signer));
    }

    /// @dev Checks concatenated signatures over one digest.
    function verify(SignerSet storage self, bytes32 digest, bytes calldata signatures) internal view {
        require(signatures.length % SIGNATURE_BYTES == 0, SignatureLength(signatures.length));
        requireEnough(self, signatures.length / SIGNATURE_BYTES);
        address previous = address(0);
        for (uint256 i; i < signatures.length; i += SIGNATURE_BYTES) {
            previous = verifyNext(self, digest, signatures[i:i + SIGNATURE_BYTES], previous);
        }
    }

    /// @dev `given >= threshold`; never true before signers are set.
    function requireEnough(SignerSet storage self, uint256 given) internal view {
        uint256 needed = self.threshold;
        require(needed != 0 && given >= needed, TooFewSignatures(given, needed));
    }
}
