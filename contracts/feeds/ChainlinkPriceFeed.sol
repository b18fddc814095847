// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IAggregatorV3} from "../interfaces/IAggregatorV3.sol";
import {IChainlinkPriceFeed} from "../interfaces/IChainlinkPriceFeed.sol";
import {IPriceFeed} from "../interfaces/IPriceFeed.sol";
import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

/// @dev Largest answer that is taken, so that products fit.
uint256 constant MAX_ANSWER = type(uint96).max;
/// @dev Largest lot size and the like, so that products fit.
uint256 constant MAX_NUMERATOR = type(uint128).max;
/// @dev Largest price of one lot, ticks.
uint256 constant MAX_ANSWER_TICKS = type(uint40).max;

/// @title Prices of AggregatorV3 oracles in ticks for one lot
/// @dev Assumption about other contracts: an aggregator costs a bounded amount of gas. Whatever else it does, nothing here reverts: no usable
/// round is a price of zero.
contract ChainlinkPriceFeed is IChainlinkPriceFeed, AccessManaged {
    /* TYPES */

    struct Source {
        IAggregatorV3 aggregator;
        uint256 numerator;
        uint256 denominator;
    }

    /* IMMUTABLES */

    uint256 internal immutable TICK;
    uint256 internal immutable TOKEN_UNIT;

    /* STORAGE */

    mapping(uint256 => Source) internal sources;

    /* CONSTRUCTOR */

    /// @param tick Settlement token units in one tick.
    /// @param tokenDecimals Decimals of the settlement token, at most 18.
    constructor(uint256 tick, uint256 tokenDecimals, address authority) AccessManaged(authority) {
        require(tick != 0 && tick <= type(uint64).max && tokenDecimals <= 18, AggregatorUnusable(0));
        TICK = tick;
        TOKEN_UNIT = 10 ** tokenDecimals;
    }

    /* GOVERNANCE */

    /// @inheritdoc IChainlinkPriceFeed
    function setAggregator(uint256 underlying, IAggregatorV3 aggregator, uint256 lotSizeWad) external restricted {
        uint256 decimals = aggregator.decimals();
        bool usable = lotSizeWad != 0 && lotSizeWad <= MAX_NUMERATOR / TOKEN_UNIT && decimals <= 36;
        require(usable, AggregatorUnusable(underlying));
        sources[underlying] = Source({
            aggregator: aggregator,
            numerator: lotSizeWad * TOKEN_UNIT,
            denominator: 10 ** (18 + decimals) * TICK
        });
        emit AggregatorSet(underlying, address(aggregator), lotSizeWad);
    }

    /* VIEWS */

    /// @inheritdoc IChainlinkPriceFeed
    function aggregatorOf(uint256 underlying) external view returns (address) {
        return address(sources[underlying].aggregator);
    }

    /// @inheritdoc IPriceFeed
    function load(uint256 packedUnderlyings, uint256 count) external view returns (uint256[] memory words) {
        words = new uint256[](count);
        for (uint256 i; i < count; ++i) {
            (uint256 ticks, uint256 observedAt) = price((packedUnderlyings >> (8 * i)) & 0xff);
            words[i] = ticks | (observedAt << 64) | (observedAt << 104);
        }
    }

    /// @inheritdoc IPriceFeed
    function price(uint256 underlying) public view returns (uint256 priceTicks, uint256 observedAt) {
        Source memory source = sources[underlying];
        bytes memory call = abi.encodeCall(IAggregatorV3.latestRoundData, ());
        (bool answered, bytes memory round) = address(source.aggregator).staticcall(call);
        if (!answered || round.length < 160) return (0, 0);
        (uint256 roundId, int256 answer,, uint256 updatedAt, uint256 answeredInRound) =
            abi.decode(round, (uint256, int256, uint256, uint256, uint256));
        bool complete = updatedAt != 0 && updatedAt <= type(uint40).max && answeredInRound >= roundId;
        if (!complete || answer <= 0 || uint256(answer) > MAX_ANSWER) return (0, 0);
        uint256 ticks = uint256(answer) * source.numerator / source.denominator;
        return ticks == 0 || ticks > MAX_ANSWER_TICKS ? (0, 0) : (ticks, updatedAt);
    }
}
