// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {MarginEngine} from "../../contracts/MarginEngine.sol";
import {Instrument} from "../../contracts/libraries/Instruments.sol";
import {FillEngine} from "../../contracts/FillEngine.sol";
import {AccountWord} from "../../contracts/libraries/AccountWord.sol";
import {CertificateList} from "../../contracts/libraries/CertificateList.sol";
import {LaneMath} from "../../contracts/libraries/LaneMath.sol";
import {LanePairs} from "../../contracts/libraries/LanePairs.sol";
import {Ledger} from "../../contracts/libraries/Ledger.sol";
import {STORED_WORDS} from "../../contracts/libraries/PositionWords.sol";
import {Shelf, Shelves} from "../../contracts/libraries/Shelf.sol";
import {LiveMark} from "../../contracts/libraries/LiveMark.sol";
import {IMarginOracle} from "../../contracts/interfaces/IMarginOracle.sol";
import {Certificate, Margin} from "../../contracts/interfaces/IMarginVault.sol";
import {IVaultPriceFeed} from "../../contracts/interfaces/IPriceFeed.sol";
import {LanesInPlainWords} from "./LanesInPlainWords.sol";

/// @title A ledger anyone may write, and the engine's functions over it
contract EngineHarness {
    IMarginOracle public immutable ORACLE;
    IVaultPriceFeed public immutable FEED;

    Ledger internal ledger;
    /// @dev What the last probe spent; written, so that probes are transactions.
    uint256 public lastProbe;

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

    function health(bytes32 account) external view returns (int256, uint256, bool, Margin memory) {
        return MarginEngine.health(ledger, account, ledger.accounts[account], new Certificate[](0), ORACLE, FEED);
    }

    function provenHealth(bytes32 account, Certificate[] calldata certificates) external view returns (int256, uint256, bool, Margin memory) {
        return MarginEngine.health(ledger, account, ledger.accounts[account], certificates, ORACLE, FEED);
    }

    function standing(bytes32 account, Certificate[] calldata certificates) external view returns (Margin memory) {
        uint256 word = ledger.accounts[account];
        Shelf memory shelf;
        (shelf.oracle, shelf.feed) = (ORACLE, FEED);
        Shelves.addAll(shelf, AccountWord.pages(word));
        return FillEngine.standing(ledger, account, word, certificates, shelf);
    }

    function instrument(uint256 page, uint256 slot, uint256 generation) external view returns (Instrument memory) {
        return MarginEngine.instrument(ORACLE, FEED, page, slot, generation);
    }

    function accountWord(bytes32 account) external view returns (uint256) {
        return ledger.accounts[account];
    }

    function bookWord(bytes32 account, uint256 page, uint256 index) external view returns (uint256) {
        return ledger.books[account][page][index];
    }

    function margin(bytes32 account, Certificate calldata certificate, bool baseline) external view returns (Margin memory) {
        Certificate[] memory list = CertificateList.only(certificate, baseline);
        return MarginEngine.assess(ledger, account, ledger.accounts[account], list, ORACLE, FEED, baseline);
    }

    /// @dev Not a view, so that it can be called in a transaction of its own; returns the gas of one health view, the call to the engine included.
    function probeHealth(bytes32 account) external returns (uint256 spent) {
        Certificate[] memory none;
        spent = gasleft();
        MarginEngine.health(ledger, account, ledger.accounts[account], none, ORACLE, FEED);
        spent -= gasleft();
        lastProbe = spent;
    }

    /// @dev The same for one assessment.
    function probeAssess(bytes32 account, Certificate[] calldata certificates) external returns (uint256 spent) {
        spent = gasleft();
        MarginEngine.assess(ledger, account, ledger.accounts[account], certificates, ORACLE, FEED, false);
        spent -= gasleft();
        lastProbe = spent;
    }

    function liveMark(uint256 head0, uint256 head2, uint256 spot, uint256 timestamp, uint256 record)
        external
        pure
        returns (int256 valueTicks, int256 deltaX22)
    {
        return LiveMark.value(LiveMark.stateAt(head0, head2, spot, timestamp), record);
    }

    function leastLane(address code, uint256 rows, uint256 laneWords, int256[] calldata scaledLots, uint256[] calldata slots, uint256 turns)
        external
        view
        returns (int256)
    {
        uint256[] memory sums = LaneMath.newSums(laneWords);
        uint256[] memory pairs = LanePairs.newPairs(slots.length);
        int256 total;
        for (uint256 turn; turn < turns; ++turn) {
            for (uint256 i; i < slots.length; ++i) {
                (pairs[2 * i], pairs[2 * i + 1]) = (uint256(scaledLots[i]), 32 * slots[i]);
                total += scaledLots[i];
            }
            LaneMath.accumulate(sums, pairs, slots.length, code, rows, laneWords);
        }
        return LaneMath.least(sums, total);
    }

    function leastLanePlain(address code, uint256 rows, uint256 laneWords, int256[] calldata scaledLots, uint256[] calldata slots, uint256 turns)
        external
        view
        returns (int256)
    {
        return LanesInPlainWords.least(code, rows, laneWords, scaledLots, slots, turns);
    }
}
