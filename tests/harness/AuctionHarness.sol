// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IMarginOracle} from "../../contracts/interfaces/IMarginOracle.sol";
import {IVaultPriceFeed} from "../../contracts/interfaces/IPriceFeed.sol";
import {AuctionMath} from "../../contracts/libraries/AuctionMath.sol";
import {BookTransfer} from "../../contracts/libraries/BookTransfer.sol";
import {Ledger} from "../../contracts/libraries/Ledger.sol";

/// @title Auction formulas and one ledger, opened up
contract AuctionHarness {
    Ledger internal ledger;

    function setAccount(bytes32 account, uint256 word) external {
        ledger.accounts[account] = word;
    }

    function setBook(bytes32 account, uint256 page, uint256[] calldata words) external {
        for (uint256 i; i < 32; ++i) ledger.books[account][page][i] = i < words.length ? words[i] : 0;
    }

    function setOpenInterest(uint256 underlying, uint256 lots) external {
        ledger.openInterest[underlying] = lots;
    }

    function move(bytes32 from, bytes32 to, uint256 fractionWad, IMarginOracle oracle, IVaultPriceFeed feed)
        external
        returns (int256 value)
    {
        (ledger.accounts[from], ledger.accounts[to], value) = BookTransfer.move(ledger, from, to, fractionWad, oracle, feed);
    }

    function worth(bytes32 from, uint256 fractionWad, IMarginOracle oracle, IVaultPriceFeed feed) external view returns (int256) {
        return BookTransfer.worth(ledger, from, fractionWad, oracle, feed);
    }

    function accountWord(bytes32 account) external view returns (uint256) {
        return ledger.accounts[account];
    }

    function bookWords(bytes32 account, uint256 page) external view returns (uint256[32] memory) {
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
