// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {LANES_PER_WORD, LANE_BIAS, PAGE_HEAD_BYTES, PAGE_PREFIX_BYTES} from "../../contracts/libraries/PageLayout.sol";

/// @title The twin of LaneMath: one lane at a time, checked arithmetic, no assembly
library LanesInPlainWords {
    function least(
        address code,
        uint256 rows,
        uint256 laneWords,
        int256[] calldata scaledLots,
        uint256[] calldata slots,
        uint256 turns
    ) internal view returns (int256 worst) {
        bytes memory page = code.code;
        for (uint256 k; k < laneWords * LANES_PER_WORD; ++k) {
            int256 sum;
            for (uint256 i; i < slots.length; ++i) {
                sum += scaledLots[i] * int256(turns) * lane(page, rows, laneWords, slots[i], k);
            }
            if (k == 0 || sum < worst) worst = sum;
        }
    }

    /// @dev Lane k of a record: field k % 16, from the lowest bits, of its word k / 16.
    function lane(bytes memory page, uint256 rows, uint256 laneWords, uint256 slot, uint256 k) internal pure returns (int256) {
        uint256 word = PAGE_PREFIX_BYTES + PAGE_HEAD_BYTES + 32 * (rows + slot * laneWords + k / LANES_PER_WORD);
        uint256 field = word + 30 - 2 * (k % LANES_PER_WORD);
        return int256(uint256(uint8(page[field])) << 8 | uint256(uint8(page[field + 1]))) - int256(LANE_BIAS);
    }
}
