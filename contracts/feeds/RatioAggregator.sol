// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IAggregatorV3} from "../interfaces/IAggregatorV3.sol";
import {IMarginOracle, RatioStatus} from "../interfaces/IMarginOracle.sol";

/// @dev What one unit of an answer with eight decimals is on a scale where 1e18 is one.
uint256 constant WAD_PER_ANSWER = 1e10;

/// @title An underlying's initial margin ratio in the shape of AggregatorV3
/// @notice Lets a lending market read a loan-to-value limit, one less the ratio, as if it were a price: 1e8 = 100%, rounded up.
/// @dev Warning: an old manifest's ratio is returned with its own `updatedAt`; without a fresh price, without a manifest, or while the
/// underlying is frozen this reverts. A round is an epoch, and only the newest is known.
contract RatioAggregator is IAggregatorV3 {
    /* TYPES */

    error RoundUnknown(uint256 round);

    /* IMMUTABLES */

    IMarginOracle public immutable ORACLE;
    uint256 public immutable UNDERLYING;

    /* CONSTRUCTOR */

    constructor(IMarginOracle oracle, uint256 underlying) {
        ORACLE = oracle;
        UNDERLYING = underlying;
    }

    /* VIEWS */

    /// @inheritdoc IAggregatorV3
    function decimals() external pure returns (uint8) {
        return 8;
    }

    /// @inheritdoc IAggregatorV3
    function description() external pure returns (string memory) {
        return "Seawall initial margin ratio";
    }

    /// @inheritdoc IAggregatorV3
    function version() external pure returns (uint256) {
        return 1;
    }

    /// @inheritdoc IAggregatorV3
    function getRoundData(uint80 round) external view returns (uint80, int256, uint256, uint256, uint80) {
        (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound) = latestRoundData();
        require(round == roundId, RoundUnknown(round));
        return (roundId, answer, startedAt, updatedAt, answeredInRound);
    }

    /// @inheritdoc IAggregatorV3
    function latestRoundData()
        public
        view
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound)
    {
        (RatioStatus status, uint256 initialWad,, uint256 asOf) = ORACLE.tryRatio(UNDERLYING);
        bool known = status == RatioStatus.Ok || status == RatioStatus.OldManifest;
        require(known, IMarginOracle.RatioUnavailable(UNDERLYING, status));
        (uint64 epoch,,,) = ORACLE.currentManifest();
        answer = int256((initialWad + WAD_PER_ANSWER - 1) / WAD_PER_ANSWER);
        return (epoch, answer, asOf, asOf, epoch);
    }
}
