// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Certificate, Fill, IMarginVault} from "../interfaces/IMarginVault.sol";

/// @notice A standing offer of one account in one instrument.
/// @param lots Signed lots the maker still receives if taken.
/// @param priceTicks Price of one lot, ticks.
/// @param expiry Last second at which it may be taken.
struct Quote {
    int64 lots;
    uint64 priceTicks;
    uint40 expiry;
}

/// @title The smallest useful venue: makers post quotes on the chain, takers take them
/// @notice An example for integrators. A venue decides who trades with whom at which price; margin, positions and cash are the vault's, which
/// refuses what either account cannot bear. It needs `listVenue` by the governor, and `approveVenue` by each account.
/// @dev Assumption about other contracts: the vault checks margin, and reverts as a whole.
contract QuoteVenue {
    /* TYPES */

    error NotAuthorised(bytes32 account, address caller);
    error QuoteExpired(uint256 expiry);
    error QuoteTooSmall(int256 quoted, int256 wanted);
    error PriceWorse(uint256 priceTicks, uint256 worstTicks);
    error ZeroLots();

    event QuotePosted(bytes32 indexed maker, uint256 indexed instrument, int256 lots, uint256 priceTicks, uint256 expiry);
    event QuoteTaken(bytes32 indexed taker, bytes32 indexed maker, uint256 indexed instrument, int256 lots);

    /* IMMUTABLES */

    IMarginVault public immutable VAULT;

    /* STORAGE */

    /// @notice maker => instrument => quote
    mapping(bytes32 => mapping(uint256 => Quote)) public quotes;

    /* CONSTRUCTOR */

    constructor(IMarginVault vault) {
        VAULT = vault;
    }

    /* USERS */

    /// @notice Replaces the maker's quote in an instrument; zero lots withdraw it. Owner or operator of the account.
    function post(bytes32 maker, uint256 instrument, int64 lots, uint64 priceTicks, uint40 expiry) external {
        require(VAULT.isAuthorised(maker, msg.sender), NotAuthorised(maker, msg.sender));
        quotes[maker][instrument] = Quote(lots, priceTicks, expiry);
        emit QuotePosted(maker, instrument, lots, priceTicks, expiry);
    }

    /// @notice Takes part of a quote. Owner or operator of the taker's account.
    /// @param instrument `page << 22 | generation << 8 | slot`, as in the vault's events.
    /// @param lots Signed lots the taker receives; the sign opposite to the quote's.
    /// @param worstTicks Highest price when buying, lowest when selling.
    /// @param takerCertificates Lower the taker's initial requirement; may be empty.
    /// @param makerCertificates The same for the maker: anybody may find one, and none can harm.
    function take(
        bytes32 taker,
        bytes32 maker,
        uint256 instrument,
        int64 lots,
        uint64 worstTicks,
        Certificate[] calldata takerCertificates,
        Certificate[] calldata makerCertificates
    ) external {
        require(VAULT.isAuthorised(taker, msg.sender), NotAuthorised(taker, msg.sender));
        require(lots != 0, ZeroLots());
        Quote memory quote = quotes[maker][instrument];
        require(block.timestamp <= quote.expiry, QuoteExpired(quote.expiry));
        bool covered = lots > 0 ? quote.lots <= -lots : quote.lots >= -lots;
        require(covered, QuoteTooSmall(quote.lots, lots));
        bool acceptable = lots > 0 ? quote.priceTicks <= worstTicks : quote.priceTicks >= worstTicks;
        require(acceptable, PriceWorse(quote.priceTicks, worstTicks));

        quotes[maker][instrument].lots = quote.lots + lots;
        emit QuoteTaken(taker, maker, instrument, lots);
        Fill memory fill = Fill({
            taker: taker,
            maker: maker,
            page: uint8(instrument >> 22),
            slot: uint8(instrument),
            generation: uint16((instrument >> 8) & 0x3fff),
            lots: lots,
            priceTicks: quote.priceTicks,
            takerFee: 0,
            makerFee: 0
        });
        VAULT.settle(fill, takerCertificates, makerCertificates);
    }
}
