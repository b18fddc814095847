// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {FillEngine} from "../../contracts/FillEngine.sol";
import {Ledger} from "../../contracts/libraries/Ledger.sol";
import {STORED_WORDS} from "../../contracts/libraries/PositionWords.sol";
import {IMarginOracle} from "../../contracts/interfaces/IMarginOracle.sol";
import {Certificate, Fill} from "../../contracts/interfaces/IMarginVault.sol";
import {IVaultPriceFeed} from "../../contracts/interfaces/IPriceFeed.sol";

/// @title A ledger anyone may write, and fills over it
contract FillHarness {
    IMarginOracle public immutable ORACLE;
    IVaultPriceFeed public immutable FEED;

    Ledger internal ledger;
    mapping(bytes32 => mapping(address => uint256)) internal permissions;
    /// @dev What the collateral desk would say.
    uint256 public debtCap;
    /// @dev What the last fill returned.
    int256 public opened;

    constructor(IMarginOracle oracle, IVaultPriceFeed feed) {
        (ORACLE, FEED) = (oracle, feed);
    }

    function setAccount(bytes32 account, uint256 word) external {
        ledger.accounts[account] = word;
    }

    function setBook(bytes32 account, uint256 page, uint256[] calldata words) external {
        for (uint256 i; i < STORED_WORDS; ++i) ledger.books[account][page][i] = i < words.length ? words[i] : 0;
    }

    function setOpenInterest(uint256 underlying, uint256 lots) external {
        ledger.openInterest[underlying] = lots;
    }

    function setPermission(bytes32 account, address venue, uint256 bits) external {
        permissions[account][venue] = bits;
    }

    function setDebtCap(uint256 value) external {
        debtCap = value;
    }

    function settle(Fill calldata fill, Certificate[] calldata takerCertificates, Certificate[] calldata makerCertificates) external {
        opened = FillEngine.settle(ledger, permissions, fill, takerCertificates, makerCertificates, ORACLE, FEED);
    }

    /// @dev The harness stands in for the desk too.
    function collateralDesk() external view returns (address) {
        return address(this);
    }

    function accountWord(bytes32 account) external view returns (uint256) {
        return ledger.accounts[account];
    }

    function bookWord(bytes32 account, uint256 page, uint256 index) external view returns (uint256) {
        return ledger.books[account][page][index];
    }

    function openInterest(uint256 underlying) external view returns (uint256) {
        return ledger.openInterest[underlying];
    }
}
