// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @dev Time between checkpoints, and length of a settlement window.
uint256 constant CHECKPOINT_PERIOD = 30 minutes;
/// @dev Live seconds that an average needs.
uint256 constant MIN_SETTLEMENT_SECONDS = 600;
/// @dev Checkpoints after expiry up to which a window is extended: 24 hours.
uint256 constant SETTLEMENT_EXTENSION = 48;
/// @dev So long after a boundary no price can arrive any more whose gap began before it and was live: two largest ages of a batch.
uint256 constant SEAL_DELAY = 240 seconds;
/// @dev Weight of a final average, X16.
uint256 constant FULL_WEIGHT_X16 = 1 << 16;

/// @notice What a feed had added up by a boundary, a multiple of half an hour. Packed 88 + 40 + 48 + 8 = 184.
/// @param priceTicks The last price observed before the boundary.
struct Checkpoint {
    uint88 priceSeconds;
    uint40 secondsSum;
    uint48 priceTicks;
    bool known;
}

/// @notice What a feed knows now of one underlying.
struct Newest {
    uint256 underlying;
    uint256 priceTicks;
    uint256 observedAt;
    uint256 priceSeconds;
    uint256 secondsSum;
}

/// @title Average prices of the half hour before an expiry
/// @notice Sums at a boundary are exact. Over a live gap the price before it ran until the boundary; over a dead gap nothing runs, so every boundary in it has
/// the same sums and only the last of them is written: sums at a boundary are those of the first checkpoint at or after it, or, once it is sealed and there
/// is none, the newest.
library ExpiryAverage {
    /// @dev Writes the checkpoint of the last boundary between the newest price and one observed later. There must be one.
    function observe(mapping(uint256 => Checkpoint) storage points, Newest memory newest, uint256 observedAt, bool live) internal {
        uint256 boundary = observedAt / CHECKPOINT_PERIOD;
        uint256 ran = live ? boundary * CHECKPOINT_PERIOD - newest.observedAt : 0;
        points[keyOf(newest.underlying, boundary)] = Checkpoint({
            priceSeconds: uint88(newest.priceSeconds + newest.priceTicks * ran),
            secondsSum: uint40(newest.secondsSum + ran),
            priceTicks: uint48(newest.priceTicks),
            known: true
        });
    }

    /// @dev The average of the window and its weight; weight 1 once nothing can change it. `expiryHour` is 1 .. 2^24 - 1.
    /// @param mostSteps Checkpoints to look at for the first after the beginning: more only matters after a gap of days.
    function settlement(
        mapping(uint256 => Checkpoint) storage points,
        Newest memory newest,
        uint256 expiryHour,
        uint256 timestamp,
        uint256 mostSteps
    ) internal view returns (uint256 averageTicks, uint256 weightX16) {
        uint256 expiry = 2 * expiryHour;
        uint256 last = newest.observedAt / CHECKPOINT_PERIOD;
        uint256 sealed_ = (timestamp - SEAL_DELAY - 1) / CHECKPOINT_PERIOD;
        if (sealed_ < last) sealed_ = last;
        (uint256 first, Checkpoint memory start) = _next(points, newest, expiry - 1, mostSteps);
        if (first <= last && !start.known) return (newest.priceTicks, 0);
        uint256 end = expiry + SETTLEMENT_EXTENSION;
        for (uint256 n = first > expiry ? first : expiry; n < end && n <= sealed_; ++n) {
            Checkpoint memory point = n > last ? _sums(newest) : points[keyOf(newest.underlying, n)];
            if (point.known && point.secondsSum - start.secondsSum >= MIN_SETTLEMENT_SECONDS) return (_average(start, point), FULL_WEIGHT_X16);
            if (n > last) break;
        }
        if (sealed_ >= end) {
            Checkpoint memory point;
            (, point) = _next(points, newest, end, mostSteps);
            if (!point.known) return (newest.priceTicks, 0);
            bool enough = point.secondsSum - start.secondsSum >= MIN_SETTLEMENT_SECONDS;
            return (enough ? _average(start, point) : point.priceTicks, FULL_WEIGHT_X16);
        }
        if (newest.observedAt <= (expiry - 1) * CHECKPOINT_PERIOD) return (newest.priceTicks, 0);
        return _running(newest, start, (sealed_ < expiry ? expiry : sealed_ + 1) * CHECKPOINT_PERIOD);
    }

    /// @dev Where the sums at a boundary of an underlying are kept.
    function keyOf(uint256 underlying, uint256 boundary) internal pure returns (uint256) {
        return (boundary << 8) | underlying;
    }

    /// @dev The average between two boundaries, over live time, ticks.
    function _average(Checkpoint memory start, Checkpoint memory end) private pure returns (uint256) {
        return (end.priceSeconds - start.priceSeconds) / (end.secondsSum - start.secondsSum);
    }

    /// @dev The average so far, and its share, by live time, of the one that a feed alive from now on would settle at: by `end`, the next boundary that can
    /// count, or half an hour later if there cannot be enough seconds by then. Below 1; 0 while nothing ran.
    function _running(Newest memory newest, Checkpoint memory start, uint256 end) private pure returns (uint256, uint256) {
        uint256 ran = newest.secondsSum - start.secondsSum;
        if (ran == 0) return (newest.priceTicks, 0);
        uint256 whole = ran + end - newest.observedAt;
        if (whole < MIN_SETTLEMENT_SECONDS) whole += CHECKPOINT_PERIOD;
        return (_average(start, _sums(newest)), (ran << 16) / whole);
    }

    /// @dev The first checkpoint from a boundary on, and its boundary; the newest sums if there is none, unknown if it is too far.
    function _next(mapping(uint256 => Checkpoint) storage points, Newest memory newest, uint256 boundary, uint256 mostSteps)
        private
        view
        returns (uint256 first, Checkpoint memory point)
    {
        uint256 last = newest.observedAt / CHECKPOINT_PERIOD;
        for (first = boundary; first <= last && mostSteps != 0; (++first, --mostSteps)) {
            point = points[keyOf(newest.underlying, first)];
            if (point.known) return (first, point);
        }
        if (first > last) point = _sums(newest);
    }

    /// @dev The newest sums as a checkpoint.
    function _sums(Newest memory newest) private pure returns (Checkpoint memory) {
        return Checkpoint({
            priceSeconds: uint88(newest.priceSeconds),
            secondsSum: uint40(newest.secondsSum),
            priceTicks: uint48(newest.priceTicks),
            known: true
        });
    }
}
