// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title An owner that is a contract and accepts one digest (ERC-1271)
contract ContractOwner {
    bytes32 public accepted;

    function accept(bytes32 digest) external {
        accepted = digest;
    }

    function execute(address to, bytes calldata data) external {
        (bool done,) = to.call(data);
        require(done);
    }

    function isValidSignature(bytes32 digest, bytes calldata) external view returns (bytes4) {
        return digest == accepted ? this.isValidSignature.selector : bytes4(0);
    }
}
