// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PlainSale} from "../../contracts/PlainSale.sol";
import {Ledger} from "../../contracts/libraries/Ledger.sol";
import {STORED_WORDS} from "../../contracts/libraries/PositionWords.sol";
import {LaneAdditions} from "../../contracts/libraries/LaneAddition.sol";
import {LaneMath} from "../../contracts/libraries/LaneMath.sol";
import {LaneSum, LaneSums} from "../../contracts/libraries/LaneSum.sol";
import {LanePairs} from "../../contracts/libraries/LanePairs.sol";
import {NarrowLanes} from "../../contracts/libraries/NarrowLanes.sol";
import {PageCopy} from "../../contracts/libraries/PageCopies.sol";
import {SliceValue} from "../../contracts/libraries/SliceValue.sol";
import {IMarginOracle} from "../../contracts/interfaces/IMarginOracle.sol";
import {Certificate, Sale, Sold} from "../../contracts/interfaces/IMarginVault.sol";
import {IVaultPriceFeed} from "../../contracts/interfaces/IPriceFeed.sol";

/// @title A ledger anyone may write, and purchases over it
contract SaleHarness {
    using LaneAdditions for LaneSum;
    using LaneSums for LaneSum;

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
        for (uint256 i; i < STORED_WORDS; ++i) ledger.books[account][page][i] = i < words.length ? words[i] : 0;
    }

    function setOpenInterest(uint256 underlying, uint256 lots) external {
        ledger.openInterest[underlying] = lots;
    }

    function sell(Sale calldata sale, Certificate[] calldata buyerCertificates, Certificate[] calldata sellerCertificates)
        external
        returns (Sold memory)
    {
        return PlainSale.sell(ledger, sale, buyerCertificates, sellerCertificates, ORACLE, FEED);
    }

    function worth(bytes32 from, uint256 fractionWad) external view returns (int256) {
        return SliceValue.worth(ledger, from, fractionWad, ORACLE, FEED);
    }

    /// @dev The least lane of the same page, added so many times.
    /// @param absolute At least the sum of |scaled lots|.
    function leastLane(PageCopy memory page, uint256 laneWords, int256[] calldata scaledLots, uint256[] calldata slots, uint256 absolute, uint256 turns)
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
            NarrowLanes.accumulate(sums, pairs, slots.length, page, laneWords, absolute);
        }
        return LaneMath.least(sums, total);
    }

    /// @dev The least lane of turns over the same positions of a page, and that of what is left when parts of all of them go.
    /// @param lots Of every turn, scaled.
    /// @param parts The same.
    function leastSum(PageCopy memory page, uint256 laneWords, int256[][] calldata lots, int256[][] calldata parts, uint256[] calldata slots)
        external
        view
        returns (int256 before, int256 left)
    {
        (LaneSum memory sum, LaneSum memory gone) = (LaneSums.open(laneWords)[0], LaneSums.open(laneWords)[0]);
        uint256[] memory pairs = LanePairs.newPairs(slots.length);
        uint256[] memory kept = new uint256[](lots.length);
        int256 total;
        for (uint256 turn; turn < lots.length; ++turn) {
            (int256 net, uint256 absolute) = _fill(pairs, lots[turn], slots);
            total += net;
            kept[turn] = sum.add(pairs, slots.length, page, absolute, true);
        }
        before = sum.least(total);
        for (uint256 turn; turn < lots.length; ++turn) {
            (int256 net, uint256 absolute) = _fill(pairs, parts[turn], slots);
            total -= net;
            if (kept[turn] == 0) gone.add(pairs, slots.length, page, absolute, false);
            else gone.addKept(pairs, slots.length, kept[turn], absolute);
        }
        sum.subtract(gone);
        left = sum.least(total);
    }

    function _fill(uint256[] memory pairs, int256[] calldata lots, uint256[] calldata slots) private pure returns (int256 net, uint256 absolute) {
        for (uint256 i; i < slots.length; ++i) {
            (pairs[2 * i], pairs[2 * i + 1]) = (uint256(lots[i]), 32 * slots[i]);
            net += lots[i];
            absolute += uint256(lots[i] < 0 ? -lots[i] : lots[i]);
        }
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
