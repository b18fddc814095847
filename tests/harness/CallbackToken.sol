// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title A token that lets whoever is armed call anything in the middle of a transfer
contract CallbackToken is ERC20 {
    address internal target;
    bytes internal payload;
    bool public called;
    bytes public answer;

    constructor() ERC20("Callback Token", "CALL") {}

    function mint(address to, uint256 value) external {
        _mint(to, value);
    }

    function arm(address to, bytes calldata data) external {
        (target, payload, called) = (to, data, false);
    }

    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (target == address(0) || called) return;
        called = true;
        (, answer) = target.call(payload);
    }
}
