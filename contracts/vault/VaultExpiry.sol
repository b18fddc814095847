// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {VaultStorage} from "./VaultStorage.sol";
import {AccountWord} from "../libraries/AccountWord.sol";
import {Settlement, Sources} from "../libraries/Settlement.sol";
import {IMarginVault} from "../interfaces/IMarginVault.sol";

/// @title Dated instruments after their expiry
abstract contract VaultExpiry is VaultStorage {
    using AccountWord for uint256;

    /// @inheritdoc IMarginVault
    function settleExpired(bytes32 account, uint256 page) external nonReentrant returns (uint256 settled) {
        require(!windDownPriced, WoundDown());
        uint256 oldWord = ledger.accounts[account];
        uint256 word;
        (word, settled) = Settlement.expire(ledger, _sources(), account, page);
        if (settled == 0) return 0;
        if (word.hasPositions()) {
            _store(account, oldWord, word);
            return settled;
        }
        uint256 booked = lossOf[account];
        _storeFlat(account, oldWord, word, word.cash());
        if (booked != 0) emit LossBooked(account, 0);
    }

    /* INTERNALS */

    /// @dev Stores an account whose positions became cash, and what it booked as its loss becomes real: what the cash lacks is deficit, for which
    /// reserve and fund are asked.
    function _storeFlat(bytes32 account, uint256 oldWord, uint256 word, int256 cash) internal returns (uint256 hole) {
        bookedLosses -= lossOf[account];
        delete lossOf[account];
        if (cash < 0) (hole, cash) = (uint256(-cash), int256(0));
        _store(account, oldWord, word.withCash(cash));
        if (hole == 0) return 0;
        deficit += hole;
        emit DeficitRecorded(account, hole, deficit);
        _useReserve(0);
        _repayFromFund();
    }

    function _sources() internal view returns (Sources memory) {
        return Sources(REGISTRY, ORACLE, FEED);
    }
}
