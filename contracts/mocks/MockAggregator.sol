// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IAggregatorV3} from "../interfaces/IAggregatorV3.sol";

/// @title An AggregatorV3 that says what it is told, or breaks in the ways real ones can
contract MockAggregator is IAggregatorV3 {
    error Broken();

    /// @notice How the next answers are given.
    enum Mode {
        Normal,
        Reverting,
        Truncated,
        Looping
    }

    uint8 public immutable decimals;
    Mode public mode;
    uint80 internal roundId;
    uint80 internal answeredInRound;
    int256 internal answer;
    uint256 internal updatedAt;

    constructor(uint8 decimals_) {
        decimals = decimals_;
    }

    /// @notice Completes a round.
    function setAnswer(int256 newAnswer, uint256 timestamp) external {
        setRound(roundId + 1, newAnswer, timestamp, roundId + 1);
    }

    /// @notice Sets every field of the newest round.
    function setRound(uint80 round, int256 newAnswer, uint256 timestamp, uint80 answeredIn) public {
        (roundId, answer, updatedAt, answeredInRound) = (round, newAnswer, timestamp, answeredIn);
    }

    function setMode(Mode newMode) external {
        mode = newMode;
    }

    function description() external pure returns (string memory) {
        return "mock";
    }

    function version() external pure returns (uint256) {
        return 1;
    }

    function getRoundData(uint80) external view returns (uint80, int256, uint256, uint256, uint80) {
        return latestRoundData();
    }

    function latestRoundData() public view returns (uint80, int256, uint256, uint256, uint80) {
        require(mode != Mode.Reverting, Broken());
        while (mode == Mode.Looping) {}
        if (mode == Mode.Truncated) {
            assembly ("memory-safe") {
                return(0, 32)
            }
        }
        return (roundId, answer, updatedAt, updatedAt, answeredInRound);
    }
}
