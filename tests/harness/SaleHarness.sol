// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {SaleEngine} from "../../contracts/SaleEngine.sol";
import {Ledger} from "../../contracts/libraries/Ledger.sol";
import {IMarginOracle} from "../../contracts/interfaces/IMarginOracle.sol";
import {Certificate, Sale, Sold} from "../../contracts/interfaces/IMarginVault.sol";
import {IVaultPriceFeed} from "../../contracts/interfaces/IPriceFeed.sol";

/// @title A ledger anyone may write, and purchases over it
contract SaleHarness {
    IMarginOracle public immutable ORACLE;
    IVaultPriceFeed public immutable FEED;

    Ledger internal ledger;

    constructor(IMarginOracle oracle, IVaultPriceFeed feed) {
        (ORACLE, FEED) = (oracle, feed);
    }

    function setAccount(bytes32 account, uint256 word) external {
        ledger.accounts[account] = word;
    }

    function setBook(bytes32 account, uint256 page, uint256[] calldata words) external {
        for (uint256 i; i < 32; ++i) ledger.books[account][page][i] = i < words.length ? words[i] : 0;
    }

    function setOpenInterest(uint256 underlying, uint256 lots) external {
        ledger.openInterest[underlying] = lots;
    }

    function sell(Sale calldata sale, Certificate[] calldata buyerCertificates, Certificate[] calldata sellerCertificates)
        external
        returns (Sold memory)
    {
        return SaleEngine.sell(ledger, sale, buyerCertificates, sellerCertificates, ORACLE, FEED);
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
}
