// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {AccountWord} from "./AccountWord.sol";
import {Exposure} from "./Exposure.sol";
import {Ledger} from "./Ledger.sol";
import {Requirements} from "./Requirement.sol";
import {Run} from "./Run.sol";
import {Transfer} from "./Transfer.sol";
import {MARGIN_MISSING, MARGIN_STALE} from "../interfaces/IMarginVault.sol";

/// @title What is left of an account when part of every position goes
/// @notice Value, slopes, lots and lanes of a position outside its settlement window are its lots times whole numbers, and a part has the sign of what it is
/// taken from: every sum after is the sum before less that of the parts, to a unit.
library Remainders {
    using AccountWord for uint256;

    /// @dev Whether sums of an assessed run are linear in lots and stand in the same order after: everything is valued, and no page empties.
    function isLinear(Run memory run, Transfer memory t) internal pure returns (bool) {
        if (run.margin.flags & (MARGIN_MISSING | MARGIN_STALE) != 0 || t.count != run.pages.length) return false;
        for (uint256 i; i < t.count; ++i) {
            if (t.parcels[i].kept.count == 0) return false;
        }
        return true;
    }

    /// @dev Takes parts, assessed under the same manifest, off an assessed run without certificate. Only equity and maintenance are worked out again.
    /// @param word Account word after.
    function subtract(Run memory run, Run memory parts, Ledger storage ledger, uint256 word) internal view {
        unchecked {
            for (uint256 i; i < run.groups; ++i) {
                (Exposure memory u, Exposure memory part) = (run.exposures[i], parts.exposures[i]);
                u.value -= part.value;
                u.netX22 -= part.netX22;
                u.grossLots -= part.grossLots;
                u.scaledLots -= part.scaledLots;
                u.absoluteLots -= part.absoluteLots;
            }
            _subtract(run.laneSums, parts.laneSums);
            (run.lower, run.initialFloor, run.maintenanceFloor) = (0, 0, 0);
            run.margin.equity = word.cash();
            Requirements.add(run, ledger);
            Requirements.finish(run);
        }
    }

    /// @dev Takes words off others, as many.
    function _subtract(uint256[] memory words, uint256[] memory others) private pure {
        assembly ("memory-safe") {
            let end := add(add(words, 0x20), shl(5, mload(words)))
            for { let at_ := add(words, 0x20) } lt(at_, end) { at_ := add(at_, 0x20) } {
                others := add(others, 0x20)
                mstore(at_, sub(mload(at_), mload(others)))
            }
        }
    }
}
