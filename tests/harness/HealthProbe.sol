// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Certificate, IMarginVault} from "../../contracts/interfaces/IMarginVault.sol";

/// @title Views of a vault in a transaction of their own, so that nothing they read is warm
contract HealthProbe {
    /// @dev What the last probe spent; written, so that probes are transactions.
    uint256 public lastProbe;

    /// @dev Gas of one health view, the call to the vault included.
    function health(IMarginVault vault, bytes32 account) external returns (uint256 spent) {
        spent = gasleft();
        vault.health(account);
        spent -= gasleft();
        lastProbe = spent;
    }

    /// @dev Gas of one margin view under the current manifest, the call to the vault included.
    function margin(IMarginVault vault, bytes32 account, Certificate calldata certificate) external returns (uint256 spent) {
        spent = gasleft();
        vault.margin(account, certificate, false);
        spent -= gasleft();
        lastProbe = spent;
    }
}
