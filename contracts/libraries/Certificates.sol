// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {PageCopies, PageCopy} from "./PageCopies.sol";
import {ATOM_BYTES, PAGE_HEAD_BYTES, PAGE_PREFIX_BYTES, PageLayout} from "./PageLayout.sol";
import {IMarginOracle} from "../interfaces/IMarginOracle.sol";

/// @notice Where the rest of a book stands while a certificate is taken off it.
/// @param pages Pages with tables: the account's, then any other that the certificate touches.
/// @param oracle Where the pages of a book shown come from.
/// @param baseline Of which of its manifests.
struct Hedge {
    PageCopy[] pages;
    IMarginOracle oracle;
    bool baseline;
}

/// @title Hedge certificates
/// @notice U(w; theta) = sum theta_a ES(a) + sum |r_i| leg(r_i), r = w - sum theta_a a. Every choice of theta >= 0 is an upper bound of the tail risk, so a
/// bad certificate costs its author only. The table of each page holds r; the charge of legs is corrected record by record.
library Certificates {
    using PageCopies for PageCopy;

    /// @dev It names a page, slot or atom that is not there, ends within a book, or does not prove its book.
    error BadCertificate();

    /// @dev Takes the atoms off the tables.
    /// @param charged Charge of the legs before, ticks.
    /// @return U after, ticks.
    function takeAtoms(Hedge memory hedge, uint256[] memory entries, uint256 charged) internal view returns (uint256) {
        unchecked {
            PageCopy memory home;
            for (uint256 i; i < entries.length; ++i) {
                for (uint256 word = entries[i]; word != 0; word <<= 64) {
                    uint256 theta = word >> 216;
                    if (theta == 0) continue;
                    if (home.table == 0 || home.id != (word >> 192) & 0xff) home = hedge.pages[find(hedge, (word >> 192) & 0xff)];
                    uint256 atom = _atom(home, (word >> 200) & 0xffff);
                    charged += theta * ((atom & type(uint40).max) << ((atom >> 40) & 15));
                    // a leg at a time comes to the top: slot 8, ratio 16
                    uint256 aways = (atom >> 44) & 0xfff;
                    for (uint256 legs = (atom >> 56) << 184; legs != 0; legs <<= 24) {
                        int256 ratio = int256(legs << 8) >> 240;
                        uint256 away = (aways >> 8) & 15;
                        aways <<= 4;
                        if (ratio == 0) continue;
                        PageCopy memory page = home;
                        if (away != 0) page = hedge.pages[find(hedge, away - 1)];
                        charged = take(page, legs >> 248, ratio * int256(theta), charged);
                    }
                }
            }
            return charged;
        }
    }

    /// @dev Place of the page of this id, which the account holds or its book names.
    function find(Hedge memory hedge, uint256 id) internal pure returns (uint256 i) {
        i = _indexOf(hedge.pages, id);
        require(i < hedge.pages.length && hedge.pages[i].table != 0, BadCertificate());
    }

    function _indexOf(PageCopy[] memory pages, uint256 id) private pure returns (uint256 i) {
        unchecked {
            while (i < pages.length && pages[i].id != id) ++i;
        }
    }

    /// @dev The same, fetched if it is not there yet.
    function open(Hedge memory hedge, uint256 id) internal view returns (uint256) {
        uint256 count = hedge.pages.length;
        if (_indexOf(hedge.pages, id) == count) {
            PageCopy[] memory more = new PageCopy[](count + 1);
            for (uint256 i; i < count; ++i) more[i] = hedge.pages[i];
            more[count] = PageCopies.open(id, 0, hedge.oracle.load(id, 1, hedge.baseline)[1], true);
            hedge.pages = more;
        }
        return find(hedge, id);
    }

    function recordAt(PageCopy memory page, uint256 slot) internal pure returns (uint256 record) {
        require(slot < page.rows, BadCertificate());
        record = PageCopies.load(page.head + PAGE_HEAD_BYTES + 32 * slot);
        require(PageLayout.kind(record) != 0, BadCertificate());
    }

    /// @dev Lowers r of a slot by `lots` and returns the charge with that slot's share corrected.
    function take(PageCopy memory page, uint256 slot, int256 lots, uint256 charged) internal pure returns (uint256 result) {
        bool known;
        assembly ("memory-safe") {
            // page: rows 0x60, head 0x80, table 0xe0
            if lt(slot, mload(add(page, 0x60))) {
                slot := shl(5, slot)
                let rec := mload(add(add(mload(add(page, 0x80)), 0x80), slot))
                slot := add(mload(add(page, 0xe0)), slot)
                if and(rec, 7) {
                    known := 1
                    let before := mload(slot)
                    let rest := sub(before, lots)
                    mstore(slot, rest)
                    // the difference of PageCopies.charge: charge(q) = q long - min(q, 0) (long + short)
                    let long := and(shr(112, rec), 0xffffffff)
                    let short := sub(and(rest, sar(255, rest)), and(before, sar(255, before)))
                    short := mul(short, add(long, and(shr(144, rec), 0xffffffff)))
                    result := sub(charged, shl(and(shr(3, rec), 31), add(mul(lots, long), short)))
                }
            }
        }
        require(known, BadCertificate());
    }

    /// @dev The 128 bits of an atom of a page.
    function _atom(PageCopy memory page, uint256 index) private view returns (uint256 atom) {
        unchecked {
            uint256 head0 = page.headWord(0);
            require(index < PageLayout.atoms(head0), BadCertificate());
            address code = page.code;
            uint256 from = PAGE_PREFIX_BYTES + PAGE_HEAD_BYTES + 32 * page.rows * (1 + PageLayout.laneWords(head0)) + ATOM_BYTES * index;
            assembly ("memory-safe") {
                mstore(0, 0)
                extcodecopy(code, 16, from, 16)
                atom := mload(0)
            }
        }
    }
}
