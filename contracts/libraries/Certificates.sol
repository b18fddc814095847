// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {PageCopies, PageCopy} from "./PageCopies.sol";
import {ATOM_BYTES, PAGE_HEAD_BYTES, PAGE_PREFIX_BYTES, PageLayout} from "./PageLayout.sol";
import {IMarginOracle} from "../interfaces/IMarginOracle.sol";

/// @notice Where the rest of a book stands while a certificate is taken off it.
/// @param pages Pages with tables: the account's, then any other that the certificate touches.
/// @param oracle Where the pages of a book shown come from.
struct Hedge {
    PageCopy[] pages;
    IMarginOracle oracle;
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
            for (uint256 i; i < entries.length; ++i) {
                for (uint256 word = entries[i]; word != 0; word <<= 64) {
                    uint256 theta = word >> 216;
                    if (theta == 0) continue;
                    PageCopy memory home = find(hedge, (word >> 192) & 0xff);
                    uint256 atom = _atom(home, (word >> 200) & 0xffff);
                    charged += theta * ((atom & type(uint40).max) << ((atom >> 40) & 15));
                    for (uint256 leg; leg < 3; ++leg) {
                        int256 ratio = int256(int16(uint16(atom >> (104 - 24 * leg))));
                        if (ratio == 0) continue;
                        uint256 away = (atom >> (52 - 4 * leg)) & 15;
                        PageCopy memory page = away == 0 ? home : find(hedge, away - 1);
                        charged = _take(page, (atom >> (120 - 24 * leg)) & 0xff, ratio * int256(theta), charged);
                    }
                }
            }
            return charged;
        }
    }

    /// @dev Takes a basket off the tables, position by position.
    /// @param book As in `Certificate`.
    /// @return Charge of the legs that remain, ticks; the basket's own tail risk is not in it.
    function takeBook(Hedge memory hedge, uint256[] memory book, uint256 charged) internal view returns (uint256) {
        unchecked {
            uint256 i;
            while (i < book.length) {
                uint256 head = book[i++];
                PageCopy memory page = _open(hedge, head & 0xff);
                uint256 count = head >> 8;
                uint256 word;
                for (uint256 j; j < count; ++j) {
                    if (j & 3 == 0) {
                        require(i < book.length, BadCertificate());
                        word = book[i++];
                    }
                    uint256 record = _record(page, (word >> 192) & 0xff);
                    require(((record >> 8) ^ (word >> 200)) & 0x3fff == 0, BadCertificate());
                    charged = _take(page, (word >> 192) & 0xff, int256(word) >> 214, charged);
                    word <<= 64;
                }
            }
            return charged;
        }
    }

    /// @dev What it would cost to hold the opposite of everything in the tables leg by leg, ticks: sum |r_i| leg(-sign r_i).
    function oppositeCharge(PageCopy[] memory pages) internal pure returns (uint256 charged) {
        unchecked {
            for (uint256 i; i < pages.length; ++i) {
                PageCopy memory page = pages[i];
                uint256 end = page.table + 32 * page.rows;
                if (page.table == 0) continue;
                for (uint256 cell = page.table; cell < end; cell += 32) {
                    int256 lots = int256(PageCopies.load(cell));
                    if (lots == 0) continue;
                    charged += PageCopies.charge(PageCopies.load(page.head + PAGE_HEAD_BYTES + cell - page.table), -lots);
                }
            }
        }
    }

    /// @dev The page of this id, which the account holds or its book names.
    function find(Hedge memory hedge, uint256 id) internal pure returns (PageCopy memory page) {
        uint256 i = _indexOf(hedge.pages, id);
        require(i < hedge.pages.length, BadCertificate());
        page = hedge.pages[i];
        require(page.table != 0, BadCertificate());
    }

    function _indexOf(PageCopy[] memory pages, uint256 id) private pure returns (uint256 i) {
        while (i < pages.length && pages[i].id != id) ++i;
    }

    /// @dev The same, fetched if it is not there yet.
    function _open(Hedge memory hedge, uint256 id) private view returns (PageCopy memory) {
        uint256 count = hedge.pages.length;
        if (_indexOf(hedge.pages, id) == count) {
            PageCopy[] memory more = new PageCopy[](count + 1);
            for (uint256 i; i < count; ++i) more[i] = hedge.pages[i];
            more[count] = PageCopies.open(id, 0, hedge.oracle.load(id, 1, false)[1], true);
            hedge.pages = more;
        }
        return find(hedge, id);
    }

    function _record(PageCopy memory page, uint256 slot) private pure returns (uint256 record) {
        require(slot < page.rows, BadCertificate());
        record = PageCopies.load(page.head + PAGE_HEAD_BYTES + 32 * slot);
        require(PageLayout.kind(record) != 0, BadCertificate());
    }

    /// @dev Lowers r of a slot by `lots` and returns the charge with that slot's share corrected.
    function _take(PageCopy memory page, uint256 slot, int256 lots, uint256 charged) private pure returns (uint256) {
        unchecked {
            uint256 record = _record(page, slot);
            uint256 cell = page.table + 32 * slot;
            int256 before = int256(PageCopies.load(cell));
            PageCopies.store(cell, uint256(before - lots));
            return charged - PageCopies.charge(record, before) + PageCopies.charge(record, before - lots);
        }
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
