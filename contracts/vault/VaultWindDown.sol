// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {VaultExpiry} from "./VaultExpiry.sol";
import {AccountWord} from "../libraries/AccountWord.sol";
import {Settlement, WindDownPrice} from "../libraries/Settlement.sol";
import {IMarginVault} from "../interfaces/IMarginVault.sol";

/// @dev T3: without an activation for this long the vault may be closed.
uint256 constant WIND_DOWN_AFTER = 3 days;
/// @dev Time over which final prices are averaged.
uint256 constant WIND_DOWN_AVERAGE = 24 hours;

/// @title Closing the vault when no manifest comes any more
abstract contract VaultWindDown is VaultExpiry {
    using AccountWord for uint256;

    /// @inheritdoc IMarginVault
    function startWindDown() external notWoundDown {
        (,, uint64 activatedAt,) = ORACLE.currentManifest();
        uint256 since = activatedAt > DEPLOYED_AT ? activatedAt : DEPLOYED_AT;
        require(block.timestamp >= since + WIND_DOWN_AFTER, WindDownTooEarly(since + WIND_DOWN_AFTER));
        woundDownAt = uint40(block.timestamp);
        uint256 count = REGISTRY.underlyingCount();
        for (uint256 underlying; underlying < count; ++underlying) {
            WindDownPrice storage price = windDownPrices[underlying];
            (price.priceSeconds, price.secondsSum) = FEED.cumulative(underlying);
        }
        emit WindDownStarted(block.timestamp);
    }

    /// @inheritdoc IMarginVault
    function priceWindDown() external {
        require(woundDownAt != 0, NotWoundDown());
        require(!windDownPriced, WoundDown());
        require(block.timestamp >= woundDownAt + WIND_DOWN_AVERAGE, WindDownTooEarly(woundDownAt + WIND_DOWN_AVERAGE));
        windDownPriced = true;
        uint256 count = REGISTRY.underlyingCount();
        for (uint256 underlying; underlying < count; ++underlying) {
            WindDownPrice storage price = windDownPrices[underlying];
            (uint256 priceSeconds, uint256 secondsSum) = FEED.cumulative(underlying);
            if (secondsSum > price.secondsSum) {
                price.finalTicks = (priceSeconds - price.priceSeconds) / (secondsSum - price.secondsSum);
            } else {
                (price.finalTicks,) = FEED.price(underlying);
            }
            emit WindDownPriced(underlying, price.finalTicks);
        }
    }

    /// @inheritdoc IMarginVault
    function settleWindDown(bytes32 account) external nonReentrant {
        require(windDownPriced, WindDownNotPriced());
        uint256 oldWord = ledger.accounts[account];
        (uint256 word, int256 worth) = Settlement.close(ledger, windDownPrices, windDownValues, _sources(), account);
        int256 cash = oldWord.cash() + worth;
        emit WindDownSettled(account, cash > 0 ? cash : int256(0));
        word = word.withoutAuction();
        // What remains is collateral.
        if (word.hasPositions()) word = word.withSettled();
        uint256 hole = _storeFlat(account, oldWord, word, cash);
        if (hole != 0 && word.hasPositions()) windDownDebt[account] += hole;
    }

    /// @inheritdoc IMarginVault
    function windDownPriceTicks(uint256 underlying) external view returns (uint256) {
        return windDownPrices[underlying].finalTicks;
    }
}
