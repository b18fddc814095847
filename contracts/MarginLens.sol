// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccountWord, MAX_POSITIONS} from "./libraries/AccountWord.sol";
import {ExpiryMark} from "./libraries/ExpiryMark.sol";
import {Instruments} from "./libraries/Instruments.sol";
import {LiveMark, SpotState} from "./libraries/LiveMark.sol";
import {PageCopies, PageCopy} from "./libraries/PageCopies.sol";
import {KIND_PERPETUAL, PAGE_HEAD_BYTES, PageLayout} from "./libraries/PageLayout.sol";
import {POSITIONS_PER_WORD, PositionWords} from "./libraries/PositionWords.sol";
import {IMarginOracle} from "./interfaces/IMarginOracle.sol";
import {Certificate, IMarginVault, MARGIN_MISSING, MARGIN_NO_MANIFEST, Margin} from "./interfaces/IMarginVault.sol";
import {IVaultPriceFeed} from "./interfaces/IPriceFeed.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @notice One position at the live price.
/// @param page Page id.
/// @param slot Slot in the page.
/// @param generation Generation the position was opened in.
/// @param lots Signed lots.
/// @param kind As in PageLayout; zero if the manifest lacks the record.
/// @param markTicks Live value of one lot without funding.
/// @param fundingTicks Cumulative funding of one lot; zero unless a perpetual.
/// @param deltaX22 Slope of one lot's value in the spot, 2^22 = 1.
/// @param value What the position adds to equity if its underlying has a price, settlement token units.
/// @param leg Expected shortfall of the position held alone, settlement token units.
/// @param flags MARGIN_* bits of its price and record.
/// @param strike Ticks a lot; zero unless an option.
/// @param expiresAt Seconds since 1970; zero unless dated.
/// @param averageTicks Average price of the settlement window so far; zero before it.
/// @param weightX16 How far that has taken the spot's place, 2^16 = 1. At 1 the position is settled: anyone can turn it into cash once the feed's
/// `fixSettlement` was called.
/// @param isFixed Whether it was.
/// @param isReplaced Whether the manifest has a later generation in the slot: what this position holds has expired, counts as missing, and waits for the
/// vault's `settleExpired`.
struct PositionView {
    uint256 page;
    uint256 slot;
    uint256 generation;
    int256 lots;
    uint256 kind;
    int256 markTicks;
    int256 fundingTicks;
    int256 deltaX22;
    int256 value;
    uint256 leg;
    uint256 flags;
    uint256 strike;
    uint256 expiresAt;
    uint256 averageTicks;
    uint256 weightX16;
    bool isFixed;
    bool isReplaced;
}

/// @notice What a liquidator needs to know of one account.
struct HealthView {
    bytes32 account;
    int256 equity;
    uint256 maintenance;
    bool liquidatable;
    bool inAuction;
    uint256 flags;
}

/// @notice One account at a glance; margin under the current manifest without a certificate.
struct AccountView {
    address owner;
    int256 cash;
    uint256 positions;
    uint256 lastCheckBlock;
    HealthView health;
    Margin margin;
}

/// @title Views for people and bots
/// @notice Reads the vault, the oracle and the feed; no other contract relies on it.
contract MarginLens {
    using AccountWord for uint256;
    using PageCopies for PageCopy;

    IMarginVault public immutable VAULT;
    IMarginOracle public immutable ORACLE;
    IVaultPriceFeed public immutable FEED;

    constructor(IMarginVault vault, IMarginOracle oracle, IVaultPriceFeed feed) {
        (VAULT, ORACLE, FEED) = (vault, oracle, feed);
    }

    /* VIEWS */

    /// @notice Health of many accounts, in their order.
    function healths(bytes32[] calldata accounts) external view returns (HealthView[] memory found) {
        found = new HealthView[](accounts.length);
        for (uint256 i; i < accounts.length; ++i) found[i] = _health(accounts[i]);
    }

    /// @notice Those of the accounts that may be put up for auction by their health; their number depends on prices, so the list is dense.
    function liquidatable(bytes32[] calldata accounts) external view returns (HealthView[] memory found) {
        found = new HealthView[](accounts.length);
        uint256 count;
        for (uint256 i; i < accounts.length; ++i) {
            HealthView memory one = _health(accounts[i]);
            if (one.liquidatable && !one.inAuction) found[count++] = one;
        }
        assembly ("memory-safe") {
            mstore(found, count)
        }
    }

    /// @notice Many accounts at a glance, in their order.
    function summaries(bytes32[] calldata accounts) external view returns (AccountView[] memory found) {
        found = new AccountView[](accounts.length);
        for (uint256 i; i < accounts.length; ++i) found[i] = summary(accounts[i]);
    }

    /// @notice Book words of many accounts, in their order; see `book`.
    function books(bytes32[] calldata accounts) external view returns (uint256[][] memory found) {
        found = new uint256[][](accounts.length);
        for (uint256 i; i < accounts.length; ++i) found[i] = book(accounts[i]);
    }

    /// @notice One account at a glance.
    function summary(bytes32 account) public view returns (AccountView memory found) {
        uint256 word = VAULT.accountWord(account);
        (found.owner, found.cash) = (AccountWord.owner(account), word.cash());
        (found.positions, found.lastCheckBlock) = (word.positions(), word.inAuction() ? 0 : word.lastCheckBlock());
        Certificate memory none;
        (found.health, found.margin) = (_health(account), VAULT.margin(account, none, false));
    }

    /// @notice All positions of an account, in the order in which they are stored.
    function positions(bytes32 account) external view returns (PositionView[] memory found) {
        uint256 word = VAULT.accountWord(account);
        found = new PositionView[](word.positions());
        uint256 next;
        for (uint256 list = word.pages(); list != 0; list >>= 16) {
            next = _page(account, list & 0xff, Math.min((list >> 8) & 0xff, MAX_POSITIONS), found, next);
        }
    }

    /// @notice The book words that a certificate carries, and whose leaf a book root holds: for every page `count << 8 | page`, then its positions of
    /// `lots 42 signed | generation 14 | slot 8`, four a word from the top.
    function book(bytes32 account) public view returns (uint256[] memory words) {
        uint256 list = VAULT.accountWord(account).pages();
        uint256 count;
        for (uint256 rest = list; rest != 0; rest >>= 16) count += 1 + (((rest >> 8) & 0xff) + 3) / 4;
        words = new uint256[](count);
        count = 0;
        for (; list != 0; list >>= 16) {
            (uint256 page, uint256 held) = (list & 0xff, (list >> 8) & 0xff);
            words[count++] = held << 8 | page;
            uint256 stored;
            for (uint256 i; i < held; ++i) {
                if (i % POSITIONS_PER_WORD == 0) stored = VAULT.bookWord(account, page, i / POSITIONS_PER_WORD);
                words[count + i / 4] |= PositionWords.positionAt(stored, i % POSITIONS_PER_WORD) << (192 - 64 * (i % 4));
            }
            count += (held + 3) / 4;
        }
    }

    /// @notice What a certificate saves: the initial requirement without and with it, settlement token units.
    function certified(bytes32 account, Certificate calldata certificate) external view returns (uint256 without, uint256 with_) {
        Certificate memory none;
        without = VAULT.margin(account, none, false).initial;
        with_ = VAULT.margin(account, certificate, false).initial;
    }

    /* INTERNALS */

    function _health(bytes32 account) private view returns (HealthView memory found) {
        Margin memory margin;
        found.account = account;
        found.inAuction = VAULT.accountWord(account).inAuction();
        (found.equity, found.maintenance, found.liquidatable, margin) = VAULT.health(account);
        found.flags = margin.flags;
    }

    /// @dev Fills in the positions of one page and returns where the next page's begin.
    function _page(bytes32 account, uint256 id, uint256 count, PositionView[] memory found, uint256 next) private view returns (uint256) {
        uint256[] memory words = ORACLE.load(id, 1, false);
        PageCopy memory page = PageCopies.open(id, count, words[1], false);
        SpotState memory s;
        uint256 flags = words[0] == 0 ? MARGIN_NO_MANIFEST : 0;
        uint256 tick;
        uint256 underlying;
        if (page.head != 0) {
            uint256 head0 = page.headWord(0);
            underlying = PageLayout.underlying(head0);
            uint256 price = FEED.load(underlying, 1)[0];
            flags |= Instruments.priceFlags(price);
            s = LiveMark.stateAt(head0, page.headWord(2), uint64(price), block.timestamp);
            tick = PageLayout.tick(head0);
        }
        uint256 stored;
        for (uint256 i; i < count; ++i) {
            if (i % POSITIONS_PER_WORD == 0) stored = VAULT.bookWord(account, id, i / POSITIONS_PER_WORD);
            uint256 word = PositionWords.positionAt(stored, i % POSITIONS_PER_WORD) << 192;
            PositionView memory one = found[next++];
            (one.page, one.flags, one.isReplaced) = (id, flags, page.head != 0 && _isReplaced(page, word));
            _position(one, word, page.head == 0 ? 0 : page.recordOf(word), s, tick, underlying);
        }
        return next;
    }

    /// @dev Says whether the page's record in a position's slot is of a later generation than the position.
    function _isReplaced(PageCopy memory page, uint256 position) private pure returns (bool) {
        uint256 slot = (position >> 192) & 0xff;
        if (slot >= page.rows) return false;
        return PageLayout.generation(PageCopies.load(page.head + PAGE_HEAD_BYTES + 32 * slot)) > ((position >> 200) & 0x3fff);
    }

    function _position(PositionView memory one, uint256 word, uint256 record, SpotState memory s, uint256 tick, uint256 underlying)
        private
        view
    {
        (one.slot, one.generation, one.lots) = ((word >> 192) & 0xff, (word >> 200) & 0x3fff, int256(word) >> 214);
        if (record == 0) {
            one.flags |= MARGIN_MISSING;
            return;
        }
        one.kind = PageLayout.kind(record);
        bool settled;
        (one.markTicks, one.deltaX22, settled) = ExpiryMark.value(s, record, underlying, FEED);
        one.value = one.lots * one.markTicks * int256(tick);
        if (!settled) one.leg = PageCopies.charge(record, one.lots) * tick;
        if (ExpiryMark.isDated(record)) {
            uint256 hour = PageLayout.expiryHour(record);
            (one.strike, one.expiresAt) = (PageLayout.strike(record), hour * 1 hours);
            if (ExpiryMark.begun(s, record)) (one.averageTicks, one.weightX16, one.isFixed) = FEED.settlement(underlying, hour);
        }
        if (one.kind == KIND_PERPETUAL) {
            one.fundingTicks = s.funding;
            one.markTicks += s.funding;
        }
    }
}
