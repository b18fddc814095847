// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {BookHedge} from "./BookHedge.sol";
import {BookProof} from "./BookProof.sol";
import {Certificates, Hedge} from "./Certificates.sol";
import {BPS, Exposure, Exposures} from "./Exposure.sol";
import {ONE_X32} from "./Instruments.sol";
import {LaneMath} from "./LaneMath.sol";
import {Ledger} from "./Ledger.sol";
import {PageCopies, PageCopy} from "./PageCopies.sol";
import {PageLayout} from "./PageLayout.sol";
import {Run} from "./Run.sol";
import {Shelf} from "./Shelf.sol";
import {Certificate, MARGIN_DRIFTED, MARGIN_STALE, Margin} from "../interfaces/IMarginVault.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @dev Least initial requirement of an account with a position, settlement token units.
uint256 constant DUST_REQUIREMENT = 1e6;

/// @title From sums to requirements
/// @dev The last steps of an assessment, in their order.
library Requirements {
    using Exposures for Exposure;
    using PageCopies for PageCopy;

    /// @dev Adds up the underlyings: value, U by legs, floors and liquidity; and L by lanes, if it counts. All but the equity in ticks.
    /// @return scaledLots sum q << shift of those that have a price.
    /// @return absoluteLots sum |q| << shift of the same.
    function add(Run memory run, Ledger storage ledger) internal view returns (int256 scaledLots, uint256 absoluteLots) {
        unchecked {
            if (run.groups == 0) return (0, 0);
            uint256 head3 = PageCopies.load(run.head + 96);
            int256 value;
            int256 spotValue;
            for (uint256 i; i < run.groups; ++i) {
                Exposure memory u = run.exposures[i];
                (uint256 net, uint256 gross) = u.notionals();
                (uint256 initial, uint256 maintenance) = Exposures.floors(net, gross, head3);
                value += u.value;
                spotValue += u.spotValue;
                run.upper += u.legs;
                run.initialFloor += initial;
                if (u.priced) {
                    scaledLots += u.scaledLots;
                    absoluteLots += u.absoluteLots;
                    run.maintenanceFloor += maintenance;
                    if (run.initial) run.liquidity += u.liquidity(net, ledger.openInterest[u.underlying]);
                } else {
                    value -= 2 * int256(u.legs);
                }
            }
            run.tick = PageLayout.tick(PageCopies.load(run.head));
            run.margin.equity += value * int256(run.tick);
            run.margin.quote = run.margin.equity - spotValue * int256(run.tick);
            if (!run.lanes) return (scaledLots, absoluteLots);
            int256 worst = LaneMath.least(run.laneSums, scaledLots) + int256((absoluteLots + 1) / 2);
            if (worst < 0) run.lower = uint256(-worst);
        }
    }

    /// @dev Lowers U by the certificate, and raises L by ES(b) - 1 - U(b - w) if a book b is shown (ES(b) rounded up) and all has a price.
    function hedge(Run memory run, Certificate memory certificate, Shelf memory shelf, bool baseline) internal view {
        unchecked {
            if (run.groups == 0) return;
            Hedge memory h = Hedge(run.pages, shelf.oracle, baseline);
            if (BookProof.isShown(certificate)) {
                run.shown = BookProof.check(certificate, run.book, run.bookWords, h.oracle, h.baseline);
                uint256 opposite = run.loose;
                if (certificate.book.length == 0 && !run.partly) {
                    for (uint256 i; i < run.pages.length; ++i) run.pages[i].clear();
                    run.upper = 0;
                } else {
                    if (certificate.book.length != 0) run.upper = BookHedge.takeBook(h, certificate.book, run.upper);
                    else run.upper = BookHedge.takeStored(run.pages, run.upper);
                    opposite += BookHedge.oppositeCharge(h.pages);
                }
                if (run.margin.flags & MARGIN_STALE == 0) run.proven = Math.saturatingSub(run.shown, opposite * run.tick + 1);
            }
            // Atoms for one manifest may be of no use under the other.
            run.upper = Math.min(run.upper, Certificates.takeAtoms(h, certificate.atoms, run.upper));
        }
    }

    /// @dev Turns bounds and floors into requirements, settlement token units.
    function finish(Run memory run) internal pure {
        unchecked {
            Margin memory margin = run.margin;
            if (run.initial) margin.initial = DUST_REQUIREMENT;
            if (run.groups == 0) return;
            if (margin.driftX32 > ONE_X32) margin.flags |= MARGIN_DRIFTED;
            uint256 lower = Math.max(run.lower * run.tick, run.proven);
            margin.maintenance = Math.max((PageCopies.load(run.head + 96) & 0xffff) * lower / BPS, run.maintenanceFloor * run.tick);
            if (!run.initial) return;
            uint256 upper = Math.max(run.upper * run.tick + run.shown, run.initialFloor * run.tick);
            margin.initial = Math.max(Math.max(upper + run.liquidity * run.tick, margin.maintenance), DUST_REQUIREMENT);
        }
    }
}
