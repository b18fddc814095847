// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Assessments} from "./libraries/Assessment.sol";
import {Instrument, Instruments, ONE_X32} from "./libraries/Instruments.sol";
import {Ledger} from "./libraries/Ledger.sol";
import {Run, Runs} from "./libraries/Run.sol";
import {Shelf, Shelves} from "./libraries/Shelf.sol";
import {AccountWord} from "./libraries/AccountWord.sol";
import {IMarginOracle} from "./interfaces/IMarginOracle.sol";
import {Certificate, MARGIN_MISSING, Margin} from "./interfaces/IMarginVault.sol";
import {IVaultPriceFeed} from "./interfaces/IPriceFeed.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title What an account must hold
/// @notice Section 3 of the specification. Nothing here reverts because of a book, a page or a price; only because of a certificate.
/// @dev Assumptions about others:
/// 1. `IMarginOracle.load` and `IPriceFeed.load` return as many words as asked for and do not revert.
/// 2. All pages of a manifest have the same tick, factors and number of lanes; lanes of a page that has another number than the first are not read.
/// 3. The vault keeps `|q| << shift < 2^39` and at most 128 positions, without which lanes are not exact.
library MarginEngine {
    using AccountWord for uint256;
    using Assessments for Run;
    using Runs for Run;
    using Shelves for Shelf;

    /* EXTERNAL VIEWS */

    /// @notice Margin of an account whose word may not be stored yet.
    /// @param word Account word; its cash and page list count, its positions are read from the ledger.
    /// @param certificates Lower the initial requirement; a book shown may also raise maintenance. Reverts with BadCertificate if malformed.
    /// @param baseline Whether to use the baseline instead of the current manifest.
    function assess(
        Ledger storage ledger,
        bytes32 account,
        uint256 word,
        Certificate[] memory certificates,
        IMarginOracle oracle,
        IVaultPriceFeed feed,
        bool baseline
    ) external view returns (Margin memory) {
        Shelf memory shelf = Shelves.fresh(oracle, feed)[0];
        shelf.fill(word.pages());
        Run memory run = Runs.fresh()[0];
        (run.lanes, run.initial) = (true, true);
        run.assess(shelf, ledger, account, word, certificates, baseline);
        return run.margin;
    }

    /// @notice One instrument at the live price. Never reverts.
    function instrument(IMarginOracle oracle, IVaultPriceFeed feed, uint256 page, uint256 slot, uint256 generation)
        external
        view
        returns (Instrument memory)
    {
        return Instruments.load(oracle, feed, page, slot, generation);
    }

    /// @notice What liquidation goes by.
    /// @param certificates A book shown under a manifest may raise what that requires, to the factor's share of the true tail risk at most.
    /// @return equity Under the current manifest.
    /// @return maintenance The smaller of the current requirement and the baseline's raised by its drift, where the baseline counts.
    /// @return liquidatable Whether the account fails both.
    /// @return current Margin under the current manifest, but for the initial requirement, which is not worked out and zero.
    function health(
        Ledger storage ledger,
        bytes32 account,
        uint256 word,
        Certificate[] memory certificates,
        IMarginOracle oracle,
        IVaultPriceFeed feed
    ) external view returns (int256 equity, uint256 maintenance, bool liquidatable, Margin memory current) {
        Shelf memory shelf = Shelves.fresh(oracle, feed)[0];
        shelf.fill(word.pages());
        Run memory run = Runs.fresh()[0];
        run.lanes = true;
        run.assess(shelf, ledger, account, word, certificates, false);
        current = run.margin;
        (equity, maintenance) = (current.equity, current.maintenance);
        if (!Assessments.fails(equity, maintenance)) _answer(equity, maintenance, false, current);
        if (run.isBaseline()) _answer(equity, maintenance, true, current);
        run = run.again()[0];
        run.lanes = true;
        run.assess(shelf, ledger, account, word, certificates, true);
        Margin memory old = run.margin;
        if (run.manifest == 0) _answer(equity, 0, false, current);
        if (old.flags & MARGIN_MISSING != 0) _answer(equity, maintenance, true, current);
        uint256 raised = _raised(old.maintenance, old.driftX32);
        if (raised < maintenance) maintenance = raised;
        liquidatable = Assessments.fails(equity, maintenance) && Assessments.fails(old.equity, raised);
        _answer(equity, maintenance, liquidatable, current);
    }

    /* INTERNALS */

    /// @dev Ends the call of `health` with what it returns, encoded as solc does: all of it is static. Margin has nine words.
    function _answer(int256 equity, uint256 maintenance, bool liquidatable, Margin memory current) private pure {
        assembly ("memory-safe") {
            let answer := mload(0x40)
            mstore(answer, equity)
            mstore(add(answer, 0x20), maintenance)
            mstore(add(answer, 0x40), liquidatable)
            mcopy(add(answer, 0x60), current, 0x120)
            return(answer, 0x180)
        }
    }

    /// @dev ceil(requirement (2^32 + drift) / 2^32), or the largest number if that does not fit.
    function _raised(uint256 requirement, uint256 driftX32) private pure returns (uint256) {
        unchecked {
            (bool fits, uint256 product) = Math.tryMul(requirement, ONE_X32 + driftX32);
            return fits ? Math.ceilDiv(product, ONE_X32) : type(uint256).max;
        }
    }
}
