// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {PAGE_PREFIX_BYTES} from "./PageLayout.sol";
import {Create2} from "@openzeppelin/contracts/utils/Create2.sol";

/// @dev Constructor code in front of a page: `PUSH2 length, DUP1, PUSH1 10, RETURNDATASIZE, CODECOPY, RETURNDATASIZE, RETURN`, then the STOP
/// byte that begins the stored code. The two bytes of the length are zero here.
uint256 constant STORE_CODE = 0x61_0000_80_60_0a_3d_39_3d_f3_00 << 168;
/// @dev Longest payload: the largest contract less the STOP byte.
uint256 constant MAX_PAYLOAD_BYTES = 24_575;

/// @title Pages as contract code
/// @notice Stored by CREATE2 with salt zero, so that an address follows from the hash of the constructor code and its payload.
library PageStore {
    /// @dev `61 LLLL 80 60 0a 3d 39 3d f3 00 || payload`, LLLL the payload's length plus one. At most MAX_PAYLOAD_BYTES of payload.
    function initCode(bytes calldata payload) internal pure returns (bytes memory) {
        return bytes.concat(bytes11(bytes32(STORE_CODE | ((payload.length + PAGE_PREFIX_BYTES) << 232))), payload);
    }

    /// @dev Where code with this init-code hash is or will be stored by this contract.
    function addressOf(bytes32 initCodeHash) internal view returns (address) {
        return Create2.computeAddress(0, initCodeHash);
    }

    /// @dev `new` with salt zero for arbitrary constructor code; zero if that fails.
    function create(bytes memory code) internal returns (address store) {
        assembly ("memory-safe") {
            store := create2(0, add(code, 32), mload(code), 0)
        }
    }

    /// @dev words[first + i] = word (first + i) of the code of `store` behind the STOP byte, i < count; zeros beyond its end. `words` must be
    /// that long.
    function read(address store, uint256[] memory words, uint256 first, uint256 count) internal view {
        assembly ("memory-safe") {
            extcodecopy(store, add(add(words, 32), shl(5, first)), add(PAGE_PREFIX_BYTES, shl(5, first)), shl(5, count))
        }
    }
}
