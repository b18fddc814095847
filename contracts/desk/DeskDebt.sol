// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {DebtFlag, DebtSeen, DeskStorage, MAX_LOTS} from "./DeskStorage.sol";
import {ICollateralDesk} from "../interfaces/ICollateralDesk.sol";
import {Certificate, MARGIN_MISSING, MARGIN_NO_MANIFEST, Margin} from "../interfaces/IMarginVault.sol";
import {AccountWord} from "../libraries/AccountWord.sol";
import {CollateralMath} from "../libraries/CollateralMath.sol";
import {PageLayout} from "../libraries/PageLayout.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @dev Live seconds after which a flag no longer counts, so that a debt of long ago does not make a new one dear.
uint256 constant FLAG_LIFETIME = 4 hours;

/// @dev An account's margin without a certificate, under the current manifest and under the baseline.
struct Margins {
    Margin current;
    Margin baseline;
}

/// @title What accounts owe in the settlement token, and how their collateral pays for it
abstract contract DeskDebt is DeskStorage {
    using AccountWord for uint256;

    /* DEBT: anyone */

    /// @inheritdoc ICollateralDesk
    function flagDebt(bytes32 account) external nonReentrant {
        int256 quote = _accrueAll(account);
        uint256 since = flaggedAt(account);
        require(quote < -int256(_cap()), NoDebt(account, quote));
        require(since == 0, AlreadyFlagged(account, since));
        debtFlags[account] = DebtFlag(uint64(block.timestamp), uint64(FEED.liveSeconds()));
        emit DebtFlagged(account, uint256(-quote));
    }

    /// @inheritdoc ICollateralDesk
    function clearDebt(bytes32 account) external nonReentrant {
        int256 quote = _accrueAll(account);
        require(quote >= -int256(_cap()), InDebt(account, quote));
        _clear(account);
    }

    /// @inheritdoc ICollateralDesk
    function convert(bytes32 account, uint256 page, uint256 slot, uint256 maxLots, uint256 maxPay)
        external
        nonReentrant
        returns (uint256 lots, uint256 paid)
    {
        bool open = VAULT.windDownAt() == 0;
        Margins memory before;
        if (open) {
            before = _margins(account);
            _accrue(account, before);
        }
        int256 quote = open ? _proven(account, before) : _finalQuote(account);
        require(quote < -int256(_cap()), NoDebt(account, quote));
        (lots, paid) = _conversion(account, page, slot, Math.min(maxLots, MAX_LOTS), uint256(-quote));
        require(lots != 0, NothingToConvert(account));
        require(paid <= maxPay, PaysMoreThan(paid, maxPay));

        _receive(address(TOKEN), paid);
        VAULT.deposit(account, paid);
        (address token, uint256 units) = _takeOut(account, page, slot, lots, false);
        if (open) quote = _requireHelps(account, before);
        else quote = _finalQuote(account);
        if (quote >= -int256(_cap())) _clear(account);
        emit CollateralConverted(account, msg.sender, page, slot, lots, paid);
        _send(token, msg.sender, units);
    }

    /// @inheritdoc ICollateralDesk
    function accrueInterest(bytes32 account) external nonReentrant {
        _accrueAll(account);
    }

    /* VIEWS */

    /// @inheritdoc ICollateralDesk
    function quoteOf(bytes32 account) external view returns (int256 quote) {
        return VAULT.windDownAt() == 0 ? _proven(account, _margins(account)) : _finalQuote(account);
    }

    /// @inheritdoc ICollateralDesk
    function discountBps(bytes32 account) public view returns (uint256) {
        uint256 since = flaggedAt(account);
        if (VAULT.windDownAt() != 0) return CollateralMath.finalDiscountBps(since == 0 ? 0 : block.timestamp - since);
        return CollateralMath.discountBps(since == 0 ? 0 : FEED.liveSeconds() - debtFlags[account].live);
    }

    /// @inheritdoc ICollateralDesk
    function flaggedAt(bytes32 account) public view returns (uint256) {
        DebtFlag memory flag = debtFlags[account];
        uint256 closedAt = VAULT.windDownAt();
        bool counts = closedAt == 0 ? FEED.liveSeconds() - flag.live <= FLAG_LIFETIME : flag.time >= closedAt;
        return counts ? flag.time : 0;
    }

    /* INTERNALS: debt */

    /// @dev Largest debt that is left alone; none in a wind-down.
    function _cap() private view returns (uint256) {
        return VAULT.windDownAt() == 0 ? debtCap : 0;
    }

    function _margins(bytes32 account) private view returns (Margins memory m) {
        Certificate memory none;
        m.current = VAULT.margin(account, none, false);
        m.baseline = VAULT.margin(account, none, true);
    }

    /// @dev The larger of both quotes. Without any baseline no debt is proven; one that lacks a key of the book does not count.
    function _quote(Margins memory m) private pure returns (int256 quote) {
        quote = m.current.quote;
        if (m.baseline.flags & MARGIN_NO_MANIFEST != 0) return quote > 0 ? quote : int256(0);
        if (m.baseline.flags & MARGIN_MISSING == 0 && m.baseline.quote > quote) quote = m.baseline.quote;
    }

    /// @dev The same, on fresh prices only.
    function _proven(bytes32 account, Margins memory m) private pure returns (int256) {
        require(_fresh(m.current), PriceNotFresh(account));
        return _quote(m);
    }

    /// @dev Minus what an account still owes that a wind-down has settled.
    function _finalQuote(bytes32 account) private view returns (int256) {
        return -int256(VAULT.windDownDebt(account));
    }

    /// @dev Lots that `maxLots`, the position and the debt allow, and what they cost.
    function _conversion(bytes32 account, uint256 page, uint256 slot, uint256 maxLots, uint256 owed)
        private
        view
        returns (uint256 lots, uint256 paid)
    {
        REGISTRY.collateral(page, slot);
        uint256 generation = PageLayout.generation(REGISTRY.terms(page, slot));
        (uint256 underlying,,) = REGISTRY.pageInfo(page);
        uint256 priceTicks;
        if (VAULT.windDownAt() != 0) priceTicks = VAULT.windDownPriceTicks(underlying);
        else (priceTicks,) = FEED.price(underlying);
        maxLots = Math.min(maxLots, uint256(VAULT.positionLots(account, page, slot, generation)));
        return CollateralMath.conversion(maxLots, owed, priceTicks * REGISTRY.tick(), discountBps(account));
    }

    /// @dev Health after a conversion, under current and baseline: E1 >= M1; or M1 <= M0 and E1 M0 >= E0 M1. Returns the quote.
    function _requireHelps(bytes32 account, Margins memory before) private view returns (int256) {
        Margins memory m = _margins(account);
        bool helped = _helps(before.current, m.current);
        require(helped, ConversionRaisesRisk(account, m.current.equity, m.current.maintenance));
        helped = !_counts(before.baseline) || _helps(before.baseline, m.baseline);
        require(helped, ConversionRaisesRisk(account, m.baseline.equity, m.baseline.maintenance));
        return _quote(m);
    }

    function _helps(Margin memory m0, Margin memory m1) private pure returns (bool) {
        if (m1.equity >= int256(m1.maintenance)) return true;
        return m1.maintenance <= m0.maintenance
            && m1.equity * int256(m0.maintenance) >= m0.equity * int256(m1.maintenance);
    }

    function _clear(bytes32 account) private {
        if (debtFlags[account].time == 0) return;
        delete debtFlags[account];
        emit DebtCleared(account);
    }

    /* INTERNALS: interest */

    function _rateIndex() internal view returns (uint256) {
        return rateIndex + interestRateBps * (block.timestamp - rateIndexAt);
    }

    /// @dev Accrues for an account that was in debt when it was last looked at; others need no look, and no price.
    function _accrueSeen(bytes32 account) internal {
        if (debtsSeen[account].owed == 0 || VAULT.windDownAt() != 0) return;
        _accrue(account, _margins(account));
    }

    /// @dev Of an account that cannot owe anything.
    function _forget(bytes32 account) internal {
        delete debtsSeen[account];
        _clear(account);
    }

    /// @dev Accrues and returns the quote after it.
    function _accrueAll(bytes32 account) private returns (int256) {
        if (VAULT.windDownAt() != 0) return _finalQuote(account);
        Margins memory m = _margins(account);
        _accrue(account, m);
        return _proven(account, m);
    }

    /// @dev Charges floor(min(owed then, owed now) (index now - index then) / (10000 a year)) and takes it off the margins. Without prices and in an
    /// auction it waits; so it does while the charge would be nothing, so that looking often does not make it so.
    function _accrue(bytes32 account, Margins memory m) private {
        if (!_fresh(m.current) || VAULT.accountWord(account).inAuction()) return;
        int256 quote = _quote(m);
        if (quote >= 0) {
            delete debtsSeen[account];
            return;
        }
        DebtSeen memory seen = debtsSeen[account];
        uint256 owed = Math.min(uint256(-quote), type(uint104).max);
        uint256 index = _rateIndex();
        if (seen.owed != 0 && seen.rateIndex != index) {
            uint256 both = Math.min(seen.owed, owed);
            uint256 interest = CollateralMath.interest(both, index - seen.rateIndex);
            if (interest == 0) {
                debtsSeen[account].owed = uint128(both);
                return;
            }
            VAULT.chargeInterest(account, interest);
            owed += interest;
            (m.current.equity, m.current.quote) = (m.current.equity - int256(interest), m.current.quote - int256(interest));
            (m.baseline.equity, m.baseline.quote) = (m.baseline.equity - int256(interest), m.baseline.quote - int256(interest));
        }
        debtsSeen[account] = DebtSeen(uint128(owed), uint128(index));
    }
}
