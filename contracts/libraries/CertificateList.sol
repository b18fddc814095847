// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Certificate} from "../interfaces/IMarginVault.sol";
import {BookProof} from "./BookProof.sol";
import {Certificates} from "./Certificates.sol";

/// @dev One for the current manifest, one for the baseline.
uint256 constant MOST_CERTIFICATES = 2;

/// @title Certificates of an account that is judged under two manifests
/// @notice The first is for the current manifest, the second for the baseline. Without a second the baseline is judged with the atoms of the first: its
/// book is proven under another root.
library CertificateList {
    /// @dev A list of none. Not a literal, for the compiler copies a function that it sees called with literals.
    function none() internal pure returns (Certificate[] memory list) {
        assembly ("memory-safe") {
            list := mload(0x40)
            mstore(list, 0)
            mstore(0x40, add(list, 0x20))
        }
    }

    /// @dev What counts under a manifest. The atoms are shared, not copied.
    function under(Certificate[] memory list, bool baseline) internal pure returns (Certificate memory certificate) {
        require(list.length <= MOST_CERTIFICATES, Certificates.BadCertificate());
        if (list.length == 0) return certificate;
        if (!baseline) return list[0];
        if (list.length == MOST_CERTIFICATES) return list[1];
        certificate.atoms = list[0].atoms;
    }

    /// @dev Whether anything will be taken off the tables under a manifest.
    function isHedge(Certificate[] memory list, bool baseline) internal pure returns (bool) {
        if (list.length == 0) return false;
        Certificate memory certificate = under(list, baseline);
        return certificate.atoms.length != 0 || BookProof.isShown(certificate);
    }

    /// @dev The list in which a certificate is for one manifest only.
    function only(Certificate memory certificate, bool baseline) internal pure returns (Certificate[] memory list) {
        list = new Certificate[](baseline ? MOST_CERTIFICATES : 1);
        list[list.length - 1] = certificate;
    }
}
