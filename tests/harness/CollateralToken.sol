// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title A token of any number of decimals that can be told to misbehave
contract CollateralToken is ERC20 {
    error Blocked(address holder);

    uint8 internal immutable DECIMALS;
    mapping(address => bool) public isBlocked;
    uint256 public feeBps;
    uint256 public surcharge;
    bool public answersFalse;

    constructor(uint8 decimals_) ERC20("Collateral Token", "COLL") {
        DECIMALS = decimals_;
    }

    function mint(address to, uint256 value) external {
        _mint(to, value);
    }

    /// @dev No transfer to or from this holder.
    function setBlocked(address holder, bool on) external {
        isBlocked[holder] = on;
    }

    /// @dev Taken off what arrives.
    function setFeeBps(uint256 newFeeBps) external {
        feeBps = newFeeBps;
    }

    /// @dev Taken from the sender on top.
    function setSurcharge(uint256 newSurcharge) external {
        surcharge = newSurcharge;
    }

    /// @dev Answers false and moves nothing.
    function setAnswersFalse(bool on) external {
        answersFalse = on;
    }

    function transfer(address to, uint256 value) public override returns (bool) {
        return !answersFalse && super.transfer(to, value);
    }

    function transferFrom(address from, address to, uint256 value) public override returns (bool) {
        return !answersFalse && super.transferFrom(from, to, value);
    }

    function decimals() public view override returns (uint8) {
        return DECIMALS;
    }

    function _update(address from, address to, uint256 value) internal override {
        require(!isBlocked[from] && !isBlocked[to], Blocked(isBlocked[from] ? from : to));
        super._update(from, to, value);
        if (from == address(0) || to == address(0)) return;
        if (feeBps != 0) super._update(to, address(0), value * feeBps / 10_000);
        if (surcharge != 0) super._update(from, address(0), surcharge);
    }
}
