// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IInstrumentRegistry} from "../../contracts/interfaces/IInstrumentRegistry.sol";
import {IMarginOracle} from "../../contracts/interfaces/IMarginOracle.sol";
import {IVaultPriceFeed} from "../../contracts/interfaces/IPriceFeed.sol";
import {Ledger} from "../../contracts/libraries/Ledger.sol";
import {STORED_WORDS} from "../../contracts/libraries/PositionWords.sol";
import {Settlement, Sources} from "../../contracts/libraries/Settlement.sol";

/// @title A ledger anyone may write, and settlements over it; registry and feed are the contract itself
contract SettlementHarness {
    Ledger internal ledger;

    /// @dev page => slot => generation => terms
    mapping(uint256 => mapping(uint256 => mapping(uint256 => uint256))) public termsOf;
    mapping(uint256 => uint256) internal underlyings;
    mapping(uint256 => mapping(uint256 => uint256)) internal settlements;
    uint256 public tick;

    function setTick(uint256 units) external {
        tick = units;
    }

    function setUnderlying(uint256 page, uint256 underlying) external {
        underlyings[page] = underlying;
    }

    function setTerms(uint256 page, uint256[] calldata slots, uint256[] calldata words) external {
        for (uint256 i; i < slots.length; ++i) termsOf[page][slots[i]][(words[i] >> 8) & 0x3fff] = words[i];
    }

    function setSettlement(uint256 underlying, uint256 hour, uint256 averageTicks, uint256 weightX16, bool isFixed) external {
        settlements[underlying][hour] = averageTicks << 33 | weightX16 << 1 | (isFixed ? 1 : 0);
    }

    function setOpenInterest(uint256 underlying, uint256 lots) external {
        ledger.openInterest[underlying] = lots;
    }

    function setAccount(bytes32 account, uint256 word) external {
        ledger.accounts[account] = word;
    }

    function setBook(bytes32 account, uint256 page, uint256[] calldata words) external {
        for (uint256 i; i < STORED_WORDS; ++i) ledger.books[account][page][i] = i < words.length ? words[i] : 0;
    }

    function expire(bytes32 account, uint256 page) external returns (uint256 settled) {
        Sources memory sources = Sources(IInstrumentRegistry(address(this)), IMarginOracle(address(0)), IVaultPriceFeed(address(this)));
        (ledger.accounts[account], settled) = Settlement.expire(ledger, sources, account, page);
    }

    function pageInfo(uint256 page) external view returns (uint256, uint256, bytes32) {
        return (underlyings[page], 0, 0);
    }

    function settlement(uint256 underlying, uint256 hour) external view returns (uint256, uint256, bool) {
        uint256 found = settlements[underlying][hour];
        return (found >> 33, uint32(found >> 1), found & 1 != 0);
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
}
