// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IMarginOracle} from "../../contracts/interfaces/IMarginOracle.sol";
import {IMarginVault} from "../../contracts/interfaces/IMarginVault.sol";
import {IVaultPriceFeed} from "../../contracts/interfaces/IPriceFeed.sol";
import {AccountWord, MAX_POSITIONS} from "../../contracts/libraries/AccountWord.sol";
import {AuctionMath} from "../../contracts/libraries/AuctionMath.sol";
import {Holdings} from "../../contracts/libraries/Holding.sol";
import {Ledger} from "../../contracts/libraries/Ledger.sol";
import {STORED_WORDS} from "../../contracts/libraries/PositionWords.sol";
import {Run} from "../../contracts/libraries/Run.sol";
import {Shelf, Shelves} from "../../contracts/libraries/Shelf.sol";
import {SliceValue} from "../../contracts/libraries/SliceValue.sol";
import {Transfer, Transfers} from "../../contracts/libraries/Transfer.sol";

/// @title Auction formulas and one ledger, opened up
contract AuctionHarness {
    using AccountWord for uint256;
    using Shelves for Shelf;
    using Holdings for Run;
    using Transfers for Transfer;

    Ledger internal ledger;

    function setAccount(bytes32 account, uint256 word) external {
        ledger.accounts[account] = word;
    }

    function setBook(bytes32 account, uint256 page, uint256[] calldata words) external {
        for (uint256 i; i < STORED_WORDS; ++i) ledger.books[account][page][i] = i < words.length ? words[i] : 0;
    }

    function setOpenInterest(uint256 underlying, uint256 lots) external {
        ledger.openInterest[underlying] = lots;
    }

    /// @dev What a purchase does to positions, at live value: no premium, and nobody is judged.
    function move(bytes32 from, bytes32 to, uint256 fractionWad, IMarginOracle oracle, IVaultPriceFeed feed)
        external
        returns (int256 value)
    {
        Shelf memory shelf;
        (shelf.oracle, shelf.feed) = (oracle, feed);
        Transfer memory t;
        (t.from, t.to, t.fromWord, t.toWord) = (from, to, ledger.accounts[from], ledger.accounts[to]);
        shelf.addAll(t.fromWord.pages());
        shelf.addAll(t.toWord.pages());
        Run memory giver;
        Run memory taker;
        giver.read(ledger, from, t.fromWord.pages(), shelf);
        taker.read(ledger, to, t.toWord.pages(), shelf);
        t.cut(giver.pages, shelf, fractionWad, new uint256[](0));
        t.merge(taker.pages);
        require(t.count != 0, IMarginVault.ZeroLots());
        require(t.toWord.positions() <= MAX_POSITIONS, IMarginVault.TooManyPositions(to, MAX_POSITIONS));
        value = worth(from, fractionWad, oracle, feed);
        t.tally(ledger);
        t.store(ledger);
        ledger.accounts[from] = t.fromWord.withCash(t.fromWord.cash() + value);
        ledger.accounts[to] = t.toWord.withCash(t.toWord.cash() - value);
    }

    function worth(bytes32 from, uint256 fractionWad, IMarginOracle oracle, IVaultPriceFeed feed) public view returns (int256) {
        return SliceValue.worth(ledger, from, fractionWad, oracle, feed);
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

    function premiumFactorWad(uint256 liveSeconds) external pure returns (uint256) {
        return AuctionMath.premiumFactorWad(liveSeconds);
    }

    function largestFractionWad(int256 equity, uint256 maintenance, uint256 kWad) external pure returns (uint256) {
        return AuctionMath.largestFractionWad(equity, maintenance, kWad);
    }

    function bearers(int256 equity, uint256 maintenance, uint256 kWad) external pure returns (uint256 a, uint256 b) {
        return AuctionMath.bearers(equity, maintenance, kWad);
    }

    function split(
        int256 equity,
        uint256 maintenance,
        uint256 kWad,
        uint256 fractionWad,
        uint256 maintenanceAfter,
        bool fundPays
    ) external pure returns (uint256 premium, int256 fromShare) {
        return AuctionMath.split(equity, maintenance, kWad, fractionWad, maintenanceAfter, fundPays);
    }
}
