// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccountWord} from "../../contracts/libraries/AccountWord.sol";
import {Book} from "../../contracts/libraries/Book.sol";
import {PageLayout, TERMS_MASK} from "../../contracts/libraries/PageLayout.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

/// @title The accessors of packed words, for golden vectors
contract GoldenHarness {
    using AccountWord for uint256;
    using PageLayout for uint256;

    /// @dev In the order of PageLayout's head 0.
    function head0(uint256 word) external pure returns (uint256[12] memory) {
        return [
            word.referenceSpot(),
            word.rows(),
            word.atoms(),
            word.underlying(),
            word.frozen() ? 1 : 0,
            word.pageId(),
            word.version(),
            word.laneWords(),
            word.probeSlot(),
            word.maxDriftBps(),
            word.asOf(),
            word.tick()
        ];
    }

    /// @dev In the order of PageLayout's head 1.
    function head1(uint256 word) external pure returns (uint256[7] memory) {
        return [
            word.halfSpreadX32(),
            word.yVolatilityX32(),
            word.dailyVolume(),
            word.vegaCharge(),
            word.openInterestDivisor(),
            word.openInterestCapPercent(),
            word.lambdaBps()
        ];
    }

    /// @dev In the order of PageLayout's head 2.
    function head2(uint256 word) external pure returns (int256[3] memory) {
        return [word.fundingX32(), word.fundingRateX32(), int256(word.fundingCapS())];
    }

    /// @dev Kind, shift, generation, drift shift, mark, legs in ticks, and the bits that the registry fixes.
    function record(uint256 word) external pure returns (uint256[8] memory) {
        return [
            word.kind(),
            word.shift(),
            word.generation(),
            word.driftShift(),
            word.mark(),
            word.legLong(),
            word.legShort(),
            word & TERMS_MASK
        ];
    }

    /// @dev Slot, generation and lots of a position.
    function position(uint256 packed) external pure returns (uint256 slot, uint256 generation, int256 lots) {
        return (Book.slotOf(packed), Book.generationOf(packed), Book.lotsOf(packed));
    }

    /// @dev Cash, block of the last check, whether in auction, page list and number of positions of an account.
    function account(uint256 word) external pure returns (int256 cash, uint256 lastCheckBlock, bool auction, uint256 pages, uint256 positions) {
        return (word.cash(), word.lastCheckBlock(), word.inAuction(), word.pages(), word.positions());
    }

    /// @dev Whether a book of this tail risk is under a root.
    function proves(bytes32[] calldata proof, bytes32 root, uint256 shortfall, uint256[] calldata book) external pure returns (bool) {
        bytes32 leaf = keccak256(bytes.concat(keccak256(abi.encodePacked(shortfall, book))));
        return MerkleProof.verifyCalldata(proof, root, leaf);
    }
}
