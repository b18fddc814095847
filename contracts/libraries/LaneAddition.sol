// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {LANE_SUM_BITS, LaneSum, LaneSums} from "./LaneSum.sol";
import {NarrowLanes} from "./NarrowLanes.sol";
import {NARROW_MASK} from "./NarrowSums.sol";
import {PageCopies, PageCopy} from "./PageCopies.sol";

/// @title The loop over lanes whose sums stay in 32 bits
library LaneAdditions {
    using LaneSums for LaneSum;

    /// @dev Adds `sum of scaledLots * lane word` of one page.
    /// @param pairs As for `NarrowLanes.accumulate`; overwritten.
    /// @param absolute At least the sum of |scaledLots|.
    /// @param keeps Whether lanes are kept for `addKept`.
    /// @return kept Memory address of what that takes; zero if nothing was kept.
    function add(LaneSum memory sum, uint256[] memory pairs, uint256 count, PageCopy memory page, uint256 absolute, bool keeps)
        internal
        view
        returns (uint256 kept)
    {
        unchecked {
            if (absolute >> LANE_SUM_BITS != 0) {
                sum.widen();
                NarrowLanes.accumulate(sum.wide, pairs, count, page, sum.laneWords, absolute);
                return 0;
            }
            _makeRoom(sum, absolute);
            // factor; pairs; lanes
            if (keeps) kept = PageCopies.allocate(1 + 2 * count);
            (uint256 lanes, uint256 factor, uint256 end) = NarrowLanes.fetch(pairs, count, page, sum.laneWords);
            assembly ("memory-safe") {
                if keeps {
                    mstore(kept, factor)
                    mcopy(add(kept, 0x20), add(pairs, 0x20), shl(6, count))
                    mstore(0x40, end)
                }
            }
            _add(sum, pairs, count, lanes, factor);
        }
    }

    /// @dev The same for other lots of positions that were added before, in the same order.
    /// @param kept What `add` returned, not zero.
    function addKept(LaneSum memory sum, uint256[] memory pairs, uint256 count, uint256 kept, uint256 absolute) internal pure {
        _makeRoom(sum, absolute);
        uint256 factor;
        assembly ("memory-safe") {
            factor := mload(kept)
            let x := add(pairs, 0x40)
            for { let end := add(x, shl(6, count)) } lt(x, end) { x := add(x, 0x40) } {
                kept := add(kept, 0x40)
                mstore(x, mload(kept))
            }
            kept := add(kept, 0x20)
        }
        _add(sum, pairs, count, kept, factor);
    }

    /// @dev Lets narrow sums go over into wide ones before they are too small. It takes memory, so it comes before lanes are fetched to where none is taken.
    function _makeRoom(LaneSum memory sum, uint256 absolute) private pure {
        unchecked {
            if ((sum.absolute + absolute) >> LANE_SUM_BITS != 0) sum.widen();
            sum.absolute += absolute;
        }
    }

    /// @dev Adds to narrow sums.
    function _add(LaneSum memory sum, uint256[] memory pairs, uint256 count, uint256 lanes, uint256 factor) private pure {
        assembly ("memory-safe") {
            // The function of NarrowSums.
            function four(x, end, base) -> w0, o0, w1, o1, w2, o2, w3, o3 {
                for {} lt(x, end) { x := add(x, 0x40) } {
                    let q := mload(x)
                    let at := add(base, mul(mload(0), mload(add(x, 0x20))))
                    let w := mload(at)
                    w0 := add(w0, mul(q, w))
                    o0 := add(o0, mul(q, and(shr(16, w), NARROW_MASK)))
                    w := mload(add(at, 0x20))
                    w1 := add(w1, mul(q, w))
                    o1 := add(o1, mul(q, and(shr(16, w), NARROW_MASK)))
                    w := mload(add(at, 0x40))
                    w2 := add(w2, mul(q, w))
                    o2 := add(o2, mul(q, and(shr(16, w), NARROW_MASK)))
                    w := mload(add(at, 0x60))
                    w3 := add(w3, mul(q, w))
                    o3 := add(o3, mul(q, and(shr(16, w), NARROW_MASK)))
                    x := add(x, 0x40)
                    if iszero(lt(x, end)) { leave }
                    q := mload(x)
                    at := add(base, mul(mload(0), mload(add(x, 0x20))))
                    w := mload(at)
                    w0 := add(w0, mul(q, w))
                    o0 := add(o0, mul(q, and(shr(16, w), NARROW_MASK)))
                    w := mload(add(at, 0x20))
                    w1 := add(w1, mul(q, w))
                    o1 := add(o1, mul(q, and(shr(16, w), NARROW_MASK)))
                    w := mload(add(at, 0x40))
                    w2 := add(w2, mul(q, w))
                    o2 := add(o2, mul(q, and(shr(16, w), NARROW_MASK)))
                    w := mload(add(at, 0x60))
                    w3 := add(w3, mul(q, w))
                    o3 := add(o3, mul(q, and(shr(16, w), NARROW_MASK)))
                }
            }
            mstore(0, factor)
            let first := add(pairs, 0x20)
            let end := add(first, shl(6, count))
            let into := mload(add(sum, 0x20))
            // what is read behind the last lane goes into sums that nobody asks for
            for { let last := add(into, shl(6, mload(sum))) } lt(into, last) { into := add(into, 0x100) } {
                let w0, o0, w1, o1, w2, o2, w3, o3 := four(first, end, lanes)
                mstore(into, add(mload(into), w0))
                mstore(add(into, 0x20), add(mload(add(into, 0x20)), o0))
                mstore(add(into, 0x40), add(mload(add(into, 0x40)), w1))
                mstore(add(into, 0x60), add(mload(add(into, 0x60)), o1))
                mstore(add(into, 0x80), add(mload(add(into, 0x80)), w2))
                mstore(add(into, 0xa0), add(mload(add(into, 0xa0)), o2))
                mstore(add(into, 0xc0), add(mload(add(into, 0xc0)), w3))
                mstore(add(into, 0xe0), add(mload(add(into, 0xe0)), o3))
                lanes := add(lanes, 0x80)
            }
        }
    }
}
