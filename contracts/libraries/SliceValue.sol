// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IMarginOracle} from "../interfaces/IMarginOracle.sol";
import {Certificate} from "../interfaces/IMarginVault.sol";
import {IVaultPriceFeed} from "../interfaces/IPriceFeed.sol";
import {AccountWord} from "./AccountWord.sol";
import {Holdings} from "./Holding.sol";
import {Ledger} from "./Ledger.sol";
import {Run} from "./Run.sol";
import {Shelf, Shelves} from "./Shelf.sol";
import {Basis, SoleAssessments} from "./SoleAssessment.sol";
import {Transfer, Transfers} from "./Transfer.sol";

/// @title What a slice is worth before anybody buys it
/// @notice An external library, so that the vault need not hold its code.
library SliceValue {
    using AccountWord for uint256;
    using SoleAssessments for Run;
    using Shelves for Shelf;
    using Holdings for Run;
    using Transfers for Transfer;

    /// @dev Live value of what a purchase of this fraction would move, settlement token units.
    function worth(Ledger storage ledger, bytes32 from, uint256 fractionWad, IMarginOracle oracle, IVaultPriceFeed feed)
        external
        view
        returns (int256)
    {
        uint256 list = ledger.accounts[from].pages();
        Shelf memory shelf = Shelves.fresh(oracle, feed)[0];
        shelf.addAll(list);
        Run memory held;
        Run memory parts;
        Transfer memory t;
        Certificate[] memory none;
        uint256[] memory units;
        held.read(ledger, from, list, shelf);
        t.cut(held.pages, shelf, fractionWad, units);
        parts.fillParts(t, shelf);
        parts.assessAlone(shelf, ledger, from, t.list, none, Basis(false, units));
        return parts.margin.equity;
    }
}
