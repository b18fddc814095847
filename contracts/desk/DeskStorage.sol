// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {ICollateralDesk} from "../interfaces/ICollateralDesk.sol";
import {IInstrumentRegistry} from "../interfaces/IInstrumentRegistry.sol";
import {IMarginVault, Margin} from "../interfaces/IMarginVault.sol";
import {MARGIN_MISSING, MARGIN_NOT_FRESH, MARGIN_NO_MANIFEST, MARGIN_STALE} from "../interfaces/IMarginVault.sol";
import {IVaultPriceFeed} from "../interfaces/IPriceFeed.sol";
import {CollateralMath} from "../libraries/CollateralMath.sol";
import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20, SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

/// @dev Largest number of lots in one call and of one instrument.
uint256 constant MAX_LOTS = type(uint40).max;

/// @dev Packed slot 5 + 5 + 10 + 5 = 25 bytes. Lots held, most that may be; and what left lately, lot seconds, draining over an hour.
struct Holding {
    uint40 lots;
    uint40 cap;
    uint80 outflowLevel;
    uint40 outflowAt;
}

/// @dev Packed slot 1 + 1 + 5 + 8 = 15 bytes.
struct CollateralRequest {
    uint8 page;
    uint8 slot;
    uint40 lots;
    uint64 requestedAt;
}

/// @dev Packed slot 8 + 8 = 16 bytes. When a debt was flagged, and the feed's live seconds then.
struct DebtFlag {
    uint64 time;
    uint64 live;
}

/// @dev Packed slot 16 + 16 = 32 bytes. What an account owed when it was last looked at, and the rate index then.
struct DebtSeen {
    uint128 owed;
    uint128 rateIndex;
}

/// @title State shared by the parts of the desk, and how tokens move
abstract contract DeskStorage is ICollateralDesk, AccessManaged, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /* IMMUTABLES */

    IMarginVault public immutable VAULT;
    IInstrumentRegistry public immutable REGISTRY;
    IVaultPriceFeed public immutable FEED;
    IERC20 public immutable TOKEN;

    /* STORAGE */

    /// @inheritdoc ICollateralDesk
    uint256 public debtCap;
    /// @inheritdoc ICollateralDesk
    uint256 public interestRateBps;
    /// @dev Sum of rate times time, basis points seconds, when the rate was last set, and when that was.
    uint128 internal rateIndex;
    uint64 internal rateIndexAt;
    /// @dev page => slot => lots behind its positions
    mapping(uint256 => mapping(uint256 => Holding)) internal holdings;
    mapping(bytes32 => CollateralRequest) internal requests;
    mapping(bytes32 => DebtFlag) internal debtFlags;
    mapping(bytes32 => DebtSeen) internal debtsSeen;

    constructor(IMarginVault vault, IInstrumentRegistry registry, IVaultPriceFeed feed) {
        (VAULT, REGISTRY, FEED, TOKEN) = (vault, registry, feed, IERC20(vault.token()));
    }

    /* INTERNALS */

    /// @dev Takes tokens of the caller, all of which must arrive.
    function _receive(address token, uint256 units) internal {
        uint256 balance = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(msg.sender, address(this), units);
        uint256 received = IERC20(token).balanceOf(address(this)) - balance;
        require(received == units, TransferFee(units, received));
    }

    /// @dev Pays tokens out; one that takes more than it is told to would take it from others.
    function _send(address token, address to, uint256 units) internal {
        uint256 balance = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransfer(to, units);
        uint256 sent = balance - IERC20(token).balanceOf(address(this));
        require(sent == units, TransferFee(units, sent));
    }

    /// @dev Takes at most MAX_LOTS out of a position and of the holding, and says what they are in units.
    function _takeOut(bytes32 account, uint256 page, uint256 slot, uint256 lots, bool checked)
        internal
        returns (address token, uint256 units)
    {
        uint256 unitsPerLot;
        (token, unitsPerLot) = REGISTRY.collateral(page, slot);
        VAULT.adjustCollateral(account, page, slot, -int256(lots), checked);
        holdings[page][slot].lots -= uint40(lots);
        units = lots * unitsPerLot;
    }

    /// @dev Counts a payment against a tenth of the lots an hour, at least one.
    function _drain(uint256 page, uint256 slot, uint256 lots) internal {
        Holding storage held = holdings[page][slot];
        uint256 perHour = CollateralMath.outflowLots(held.lots);
        uint256 level = Math.saturatingSub(held.outflowLevel, perHour * (block.timestamp - held.outflowAt));
        uint256 room = Math.saturatingSub(perHour * 1 hours, level);
        require(lots * 1 hours <= room, OutflowLimit(lots, room / 1 hours));
        (held.outflowLevel, held.outflowAt) = (uint80(level + lots * 1 hours), uint40(block.timestamp));
    }

    function _fresh(Margin memory m) internal pure returns (bool) {
        return m.flags & (MARGIN_STALE | MARGIN_NOT_FRESH | MARGIN_MISSING | MARGIN_NO_MANIFEST) == 0;
    }

    /// @dev Whether a baseline is there and knows the whole book.
    function _counts(Margin memory m) internal pure returns (bool) {
        return m.flags & (MARGIN_MISSING | MARGIN_NO_MANIFEST) == 0;
    }
}
