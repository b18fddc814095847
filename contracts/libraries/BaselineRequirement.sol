// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {ONE_X32} from "./Instruments.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title A requirement under the baseline, as it counts beside the current one
library BaselineRequirements {
    /// @dev ceil(requirement (2^32 + drift) / 2^32), or the largest number if that does not fit.
    function raised(uint256 requirement, uint256 driftX32) internal pure returns (uint256) {
        unchecked {
            (bool fits, uint256 product) = Math.tryMul(requirement, ONE_X32 + driftX32);
            return fits ? Math.ceilDiv(product, ONE_X32) : type(uint256).max;
        }
    }
}
