// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";

/// @title Who may call what, and after which delay
/// @notice OpenZeppelin's AccessManager, unchanged. Roles: 0 admin (given up after deployment), 1 governor, 2 guardian.
/// @dev Warning: the governor's execution delay is set at deployment, not here; nothing in this contract makes it at least the grace period.
contract SeawallAccessManager is AccessManager {
    constructor(address initialAdmin) AccessManager(initialAdmin) {}
}
