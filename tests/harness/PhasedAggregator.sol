// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IAggregatorV3} from "../../contracts/interfaces/IAggregatorV3.sol";

/// @title A feed with a past, in phases, as proxies of aggregators have it
contract PhasedAggregator is IAggregatorV3 {
    struct Round {
        int256 answer;
        uint256 updatedAt;
    }

    error NoDataPresent();

    uint8 public immutable decimals;
    bool public zeroesForAbsent;
    uint80 internal latest;
    mapping(uint80 => Round) internal rounds;

    constructor(uint8 decimals_) {
        decimals = decimals_;
    }

    /// @notice Writes rounds of a phase, numbered from `first` on; the last written of all is the newest.
    function write(uint16 phase, uint64 first, int256[] calldata answers, uint256[] calldata times) external {
        for (uint64 i; i < answers.length; ++i) {
            latest = (uint80(phase) << 64) | (first + i);
            rounds[latest] = Round(answers[i], times[i]);
        }
    }

    /// @notice Answers with zeroes, instead of a revert, where there is no round.
    function setZeroesForAbsent(bool value) external {
        zeroesForAbsent = value;
    }

    function description() external pure returns (string memory) {
        return "phased";
    }

    function version() external pure returns (uint256) {
        return 1;
    }

    function getRoundData(uint80 round) public view returns (uint80, int256, uint256, uint256, uint80) {
        Round memory found = rounds[round];
        require(found.updatedAt != 0 || zeroesForAbsent, NoDataPresent());
        return (round, found.answer, found.updatedAt, found.updatedAt, round);
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return getRoundData(latest);
    }
}
