// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Certificates} from "./Certificates.sol";
import {IMarginOracle} from "../interfaces/IMarginOracle.sol";
import {Certificate} from "../interfaces/IMarginVault.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

/// @dev A basket's tail risk at or above this cannot be shown, settlement token units.
uint256 constant MAX_BOOK_SHORTFALL = 1 << 200;

/// @title Proofs of baskets that keepers certified
library BookProof {
    /// @dev Whether a certificate shows a basket, be it the book as stored.
    function isShown(Certificate memory certificate) internal pure returns (bool) {
        return certificate.book.length | certificate.proof.length | certificate.bookShortfall != 0;
    }

    /// @dev Reverts unless keccak256(keccak256(bookShortfall, book)) is a leaf under the manifest's book root.
    /// @param stored Memory address of a free word and the account's book as stored behind it, for a certificate that carries none.
    /// @param storedWords Number of those words, the free one included.
    /// @return bookShortfall Tail risk of the basket, settlement token units.
    function check(Certificate memory certificate, uint256 stored, uint256 storedWords, IMarginOracle oracle, bool baseline)
        internal
        view
        returns (uint256 bookShortfall)
    {
        bookShortfall = certificate.bookShortfall;
        bytes32 root = oracle.bookRoot(baseline);
        require(root != 0 && bookShortfall < MAX_BOOK_SHORTFALL, Certificates.BadCertificate());
        bytes32 inner;
        if (certificate.book.length != 0) {
            inner = keccak256(abi.encodePacked(bookShortfall, certificate.book));
        } else {
            assembly ("memory-safe") {
                mstore(stored, bookShortfall)
                inner := keccak256(stored, shl(5, storedWords))
            }
        }
        bytes32 leaf = keccak256(bytes.concat(inner));
        require(MerkleProof.verify(certificate.proof, root, leaf), Certificates.BadCertificate());
    }
}
