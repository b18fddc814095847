// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Certificates, Hedge} from "./Certificates.sol";
import {PageCopies, PageCopy} from "./PageCopies.sol";
import {PAGE_HEAD_BYTES} from "./PageLayout.sol";

/// @title Baskets that a certificate shows
/// @notice A basket b leaves r = w - b in the tables: U(w) = ES(b) + U(r), L(w) >= ES(b) - U(-r).
library BookHedge {
    /// @dev Takes a basket off the tables, position by position.
    /// @param book As in `Certificate`.
    /// @return Charge of the legs that remain, ticks; the basket's own tail risk is not in it.
    function takeBook(Hedge memory hedge, uint256[] memory book, uint256 charged) internal view returns (uint256) {
        unchecked {
            uint256 i;
            while (i < book.length) {
                uint256 head = book[i++];
                uint256 place = Certificates.open(hedge, head & 0xff);
                PageCopy memory page = hedge.pages[place];
                uint256 words = ((head >> 8) + 3) >> 2;
                require(i + words <= book.length, Certificates.BadCertificate());
                uint256 at_;
                assembly ("memory-safe") {
                    at_ := add(add(book, 0x20), shl(5, i))
                }
                charged = takePositions(page, at_, head >> 8, charged);
                i += words;
            }
            return charged;
        }
    }

    /// @dev Takes so many positions of one page, four a word from a memory address on, off its table.
    function takePositions(PageCopy memory page, uint256 at_, uint256 count, uint256 charged) internal pure returns (uint256) {
        unchecked {
            uint256 word;
            for (uint256 j; j < count; ++j) {
                word = j & 3 == 0 ? PageCopies.load(at_ + 8 * j) : word << 64;
                uint256 slot = (word >> 192) & 0xff;
                uint256 record = Certificates.recordAt(page, slot);
                require(((record >> 8) ^ (word >> 200)) & 0x3fff == 0, Certificates.BadCertificate());
                charged = Certificates.take(page, slot, int256(word) >> 214, charged);
            }
            return charged;
        }
    }

    /// @dev Takes an account's book as stored off the tables of its pages.
    function takeStored(PageCopy[] memory pages, uint256 charged) internal pure returns (uint256) {
        unchecked {
            for (uint256 i; i < pages.length; ++i) {
                require(pages[i].head != 0, Certificates.BadCertificate());
                charged = takePositions(pages[i], pages[i].words, pages[i].count, charged);
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
}
