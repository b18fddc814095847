// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccountWord} from "../../contracts/libraries/AccountWord.sol";
import {Book} from "../../contracts/libraries/Book.sol";
import {Ledger} from "../../contracts/libraries/Ledger.sol";
import {STORED_WORDS} from "../../contracts/libraries/PositionWords.sol";

/// @title One ledger, opened up
contract BookHarness {
    using AccountWord for uint256;

    Ledger internal ledger;

    function addLots(bytes32 account, uint256 page, uint256 slot, uint256 generation, int256 lots)
        external
        returns (int256 oldLots, int256 newLots)
    {
        uint256 word;
        uint256 key = Book.keyOf(slot, generation);
        (word, oldLots, newLots) = Book.addLots(ledger, account, ledger.accounts[account], page, key, lots);
        ledger.accounts[account] = word;
        Book.tally(ledger, page, oldLots, newLots);
    }

    function setWord(bytes32 account, uint256 word) external {
        ledger.accounts[account] = word;
    }

    function lotsIn(bytes32 account, uint256 page, uint256 slot, uint256 generation) external view returns (int256) {
        return Book.lotsIn(ledger, account, page, Book.keyOf(slot, generation));
    }

    function accountWord(bytes32 account) external view returns (uint256) {
        return ledger.accounts[account];
    }

    function bookWords(bytes32 account, uint256 page) external view returns (uint256[STORED_WORDS] memory) {
        return ledger.books[account][page];
    }

    function openInterest(uint256 underlying) external view returns (uint256) {
        return ledger.openInterest[underlying];
    }

    function positions(bytes32 account) external view returns (uint256) {
        return ledger.accounts[account].positions();
    }

    function inRange(int256 lots, uint256 shift) external pure returns (bool) {
        return Book.inRange(lots, shift);
    }
}
