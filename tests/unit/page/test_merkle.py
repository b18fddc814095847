import hypothesis.strategies as st
import pytest
from eth_utils.crypto import keccak
from hypothesis import given

from seawall.errors import PageError
from seawall.page import EMPTY_ROOT, MerkleTree, book_leaf, book_words, verify_proof

leaves = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=20, unique=True)


@given(leaves=leaves, data=st.data())
def test_every_leaf_is_proven_and_no_other_value_is(leaves: list[bytes], data: st.DataObject) -> None:
    tree = MerkleTree(leaves)
    for leaf in leaves:
        assert verify_proof(tree.proof(leaf), root=tree.root, leaf=leaf)
    stranger = data.draw(st.binary(min_size=32, max_size=32).filter(lambda leaf: leaf not in leaves))
    assert not verify_proof(tree.proof(leaves[0]), root=tree.root, leaf=stranger)
    with pytest.raises(PageError, match="no leaf"):
        tree.proof(stranger)


@given(leaves=leaves, data=st.data())
def test_the_root_does_not_depend_on_the_order_of_leaves(leaves: list[bytes], data: st.DataObject) -> None:
    assert MerkleTree(data.draw(st.permutations(leaves))).root == MerkleTree(leaves).root


def test_a_tree_of_two_is_the_hash_of_its_sorted_pair() -> None:
    low, high = b"\1" * 32, b"\2" * 32
    assert MerkleTree([high, low]).root == keccak(low + high)
    assert MerkleTree([low]).root == low
    assert MerkleTree([]).root == EMPTY_ROOT


def test_a_leaf_that_occurs_twice_is_refused() -> None:
    with pytest.raises(PageError, match="occurs twice"):
        MerkleTree([b"\1" * 32, b"\1" * 32])


def test_a_leaf_is_hashed_twice_over_shortfall_and_words() -> None:
    words = book_words([(3, 5, (7, 8)), (1, 1, (9,))])
    assert words == (5 << 8 | 3, 7, 8, 1 << 8 | 1, 9)
    flat = b"".join(word.to_bytes(32, "big") for word in (1000, *words))
    assert book_leaf(1000, words) == keccak(keccak(flat))


def test_books_with_missing_words_are_refused() -> None:
    with pytest.raises(PageError, match="page 3 has 5 positions in 1 words"):
        book_words([(3, 5, (7,))])
    with pytest.raises(PageError, match="page 3 has 0 positions"):
        book_words([(3, 0, ())])
    with pytest.raises(PageError, match="not an unsigned word"):
        book_leaf(-1, ())
