// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Certificate} from "../interfaces/IMarginVault.sol";
import {Certificates} from "./Certificates.sol";

/// @dev One for the current manifest, one for the baseline.
uint256 constant MOST_CERTIFICATES = 2;

/// @title Certificates of an account that is judged under two manifests
/// @notice The first is for the current manifest, the second for the baseline. Without a second the baseline is judged with the atoms of the first: its
/// book is proven under another root.
library CertificateList {
    /// @dev What counts under a manifest. The atoms are shared, not copied.
    function under(Certificate[] memory list, bool baseline) internal pure returns (Certificate memory certificate) {
        require(list.length <= MOST_CERTIFICATES, Certificates.BadCertificate());
        if (list.length == 0) return certificate;
        if (!baseline) return list[0];
        if (list.length == MOST_CERTIFICATES) return list[1];
        certificate.atoms = list[0].atoms;
    }

    /// @dev The list in which a certificate is for one manifest only.
    function only(Certificate memory certificate, bool baseline) internal pure returns (Certificate[] memory list) {
        list = new Certificate[](baseline ? MOST_CERTIFICATES : 1);
        list[list.length - 1] = certificate;
    }
}
