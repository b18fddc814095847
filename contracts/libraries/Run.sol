// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Exposure} from "./Exposure.sol";
import {PageCopy} from "./PageCopies.sol";
import {Margin} from "../interfaces/IMarginVault.sol";

/// @notice One assessment in progress: what every step reads and adds to.
/// @param manifest The oracle's first word.
/// @param pages The account's.
/// @param exposures One an underlying, of which `groups` are in use.
/// @param anyPriced Whether one of them has a price.
/// @param lanes Whether L by lanes counts.
/// @param initial Whether the initial requirement is asked for.
/// @param joint Whether the baseline is added up in the same walks.
/// @param tables Whether it will need tables.
/// @param pairs Scaled lots and slots of the page being walked.
/// @param book Memory address of its leaf's preimage.
/// @param bookWords How long that is.
/// @param partly Whether positions are missing or settled, or parts of them are.
/// @param loose Charge of the parts of lots in no table, held the other way round, ticks.
/// @param head Memory address of the head of the first page; zero if there is none.
/// @param tick Settlement token units.
/// @param upper U but for the book shown, ticks.
/// @param lower L by lanes, ticks.
/// @param shown Tail risk of the book shown, settlement token units.
/// @param proven L by the book shown, settlement token units.
/// @param initialFloor Ticks, as `maintenanceFloor` and `liquidity`.
struct Run {
    Margin margin;
    uint256 manifest;
    PageCopy[] pages;
    Exposure[] exposures;
    uint256 groups;
    bool anyPriced;
    bool lanes;
    bool initial;
    bool joint;
    bool tables;
    uint256[] laneSums;
    uint256 laneWords;
    uint256[] pairs;
    uint256 book;
    uint256 bookWords;
    bool partly;
    uint256 loose;
    uint256 head;
    uint256 tick;
    uint256 upper;
    uint256 lower;
    uint256 shown;
    uint256 proven;
    uint256 initialFloor;
    uint256 maintenanceFloor;
    uint256 liquidity;
}

/// @title Assessments that begin
library Runs {
    /// @dev One, all zero. In a list, as Solidity writes zeros word by word into whatever struct a function returns.
    function fresh() internal pure returns (Run[] memory one) {
        assembly ("memory-safe") {
            // 26 words, and 9 of its margin; pages 0x40, exposures 0x60, laneSums 0x140, pairs 0x180 are empty lists
            one := mload(0x40)
            let run := add(one, 0x40)
            mstore(0x40, add(run, 0x460))
            calldatacopy(run, calldatasize(), 0x460)
            mstore(one, 1)
            mstore(add(one, 0x20), run)
            mstore(run, add(run, 0x340))
            mstore(add(run, 0x40), 0x60)
            mstore(add(run, 0x60), 0x60)
            mstore(add(run, 0x140), 0x60)
            mstore(add(run, 0x180), 0x60)
        }
    }

    /// @dev One for the same account: it has what does not depend on the manifest.
    function again(Run memory run) internal pure returns (Run[] memory one) {
        one = fresh();
        Run memory next = one[0];
        (next.pages, next.pairs, next.book, next.bookWords) = (run.pages, run.pairs, run.book, run.bookWords);
    }
}
