"""Baskets that somebody asks for before a trade: what a request is, what is refused, and which ones an epoch takes.

A request names positions (page, slot, generation, whole lots), perhaps an account, and when it ends. Until then every
manifest certifies the basket anew, so that it is proven under the current manifest and, in time, under the baseline.
An epoch takes a bounded number. First come requests that the owner of an account with a deposit or a position signed,
every account's first before anyone's second, and at most so many an account; then all others. Among equals goes first
what has the smaller hash with the epoch, so keepers that see the same requests choose the same, and nobody is first
for ever. What was chosen travels with the proposal; whoever endorses it checks every one, and none that it misses is a
reason not to sign: a keeper cannot know what another one saw in time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from eth_utils.address import to_canonical_address
from eth_utils.crypto import keccak

from seawall.errors import ConfigError, ConsistencyError, InputError, PageError
from seawall.keeper.accounts import AccountBook
from seawall.keeper.listed_pages import InstrumentTerms, PageView
from seawall.keeper.view import ChainView
from seawall.page.layout import MAX_POSITIONS
from seawall.page.typed_data import Domain, hash_struct, recover
from seawall.reference.book import Book, in_range
from seawall.reference.rejection import Rejected

__all__ = [
    "FREE",
    "BasketRequest",
    "BasketRules",
    "Chosen",
    "basket_books",
    "check_baskets",
    "choose_baskets",
    "request_domain",
    "screen",
]

FREE = bytes(32)  # the account of a basket that is nobody's in particular
Position = tuple[int, int, int, int]  # page, slot, generation, signed lots
_REQUEST_TYPE = "BasketRequest(bytes32 account,bytes32 words,uint40 expiresAt)"
_OWNER_BYTES = 20
_HOUR_S = 3600
_BYTE, _TIME, _GENERATION = 1 << 8, 1 << 40, 1 << 14


@dataclass(frozen=True, kw_only=True, slots=True)
class BasketRules:
    """Bound what requests cost an epoch.

    Attributes
    ----------
    per_epoch
        Most baskets certified beside the accounts' own books.
    per_account
        Most of them that one account's owner signed for.
    life_s
        Longest time for which a request stands, seconds.
    """

    per_epoch: int = 128
    per_account: int = 8
    life_s: int = 86_400

    def __post_init__(self) -> None:
        """Reject limits that make no sense."""
        if self.per_epoch < 0 or self.per_account < 1 or self.life_s < 1:
            raise ConfigError(
                "limits on baskets: per_epoch must be at least 0, per_account and life_s at least 1"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class BasketRequest:
    """Hold a basket somebody wants certified, and until when.

    Attributes
    ----------
    account
        Whose book it will be, 32 bytes; `FREE` if nobody's in particular.
    positions
        (page, slot, generation, signed lots), in the order in which the account stores them, or any.
    expires_at
        Seconds since 1970.
    signature
        Of the account's owner, 65 bytes, or empty.
    words
        The basket as a certificate carries it.
    """

    account: bytes = FREE
    positions: tuple[Position, ...]
    expires_at: int
    signature: bytes = b""
    words: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Check the form; what is listed and how long requests stand is for `screen`.

        Raises
        ------
        InputError
            Naming what is wrong and what is allowed.
        """
        if len(self.account) != len(FREE):
            raise InputError(f"basket: the account has {len(self.account)} bytes. Fix: give 32")
        if not 0 < self.expires_at < _TIME:
            raise InputError(f"basket: expires_at is {self.expires_at}. Fix: give seconds since 1970")
        if not 0 < len(self.positions) <= MAX_POSITIONS:
            raise InputError(f"basket: {len(self.positions)} positions. Fix: give 1 to {MAX_POSITIONS}")
        object.__setattr__(self, "words", _words(self.positions))

    @property
    def struct_hash(self) -> bytes:
        """Return the EIP-712 hash of the request."""
        packed = keccak(b"".join(word.to_bytes(32, "big") for word in self.words))
        return hash_struct(_REQUEST_TYPE, (self.account, packed, self.expires_at))

    @property
    def key(self) -> bytes:
        """Return what the request is known by: proofs are kept under it as under an account."""
        return self.struct_hash

    def digest(self, domain: Domain) -> bytes:
        """Return what the owner signs."""
        return domain.digest(self.struct_hash)

    def owner_signed(self, domain: Domain) -> bool:
        """Say whether the owner of the account signed it."""
        if not self.signature or self.account == FREE:
            return False
        try:
            signer = to_canonical_address(recover(self.digest(domain), self.signature))
        except PageError:
            return False
        return signer == self.account[:_OWNER_BYTES]


def request_domain(*, chain_id: int, oracle: str) -> Domain:
    """Return the domain in which owners sign requests."""
    return Domain(name="Seawall Basket Request", version="1", chain_id=chain_id, verifying_contract=oracle)


def _words(positions: Sequence[Position]) -> tuple[int, ...]:
    book = Book()
    for page, slot, generation, lots in positions:
        if not (0 <= page < _BYTE and 0 <= slot < _BYTE and 0 <= generation < _GENERATION):
            raise InputError(
                f"basket: there is no page {page}, slot {slot}, generation {generation}. Fix: see the registry"
            )
        if not lots or book.lots(page, (slot, generation)):
            raise InputError(
                f"basket: page {page} slot {slot} has no lots or comes twice. Fix: one position each"
            )
        try:
            book.add(page, (slot, generation), lots)
        except Rejected as error:
            raise InputError(f"basket: no account could hold it: {error}. Fix: ask for less") from None
    return book.words()


def screen(request: BasketRequest, pages: Sequence[PageView], *, time_s: int, rules: BasketRules) -> None:
    """Pass if a request can be certified as of a time.

    Raises
    ------
    InputError
        With what is wrong and how to mend it.
    """
    if request.expires_at <= time_s:
        raise InputError(f"basket: it ended at {request.expires_at}, now is {time_s}. Fix: ask again")
    if request.expires_at > time_s + rules.life_s:
        raise InputError(
            f"basket: it ends {request.expires_at - time_s} s from now. Fix: at most {rules.life_s} s"
        )
    terms = _terms(pages)
    for page, slot, generation, lots in request.positions:
        found = terms.get((page, slot, generation))
        name = f"page {page} slot {slot} generation {generation}"
        if found is None:
            raise InputError(f"basket: {name} is not listed. Fix: leave it out, or see the registry")
        if 0 < found.expiry_hour * _HOUR_S <= time_s:
            raise InputError(f"basket: {name} has expired. Fix: leave it out")
        if not in_range(lots, found.shift):
            raise InputError(f"basket: {lots} lots of {name} are more than may be held. Fix: ask for less")


def _terms(pages: Sequence[PageView]) -> dict[tuple[int, int, int], InstrumentTerms]:
    return {
        (page.page_id, slot, terms.generation): terms
        for page in pages
        for slot, terms in enumerate(page.instruments)
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class Chosen:
    """Hold the requests an epoch takes, and by key why others are left out."""

    requests: tuple[BasketRequest, ...] = ()
    refused: Mapping[bytes, str] = field(default_factory=dict)


def choose_baskets(
    requests: Iterable[BasketRequest], view: ChainView, *, epoch: int, time_s: int, rules: BasketRules
) -> Chosen:
    """Return the requests that an epoch certifies, in their order; the same from the same, however they come.

    Parameters
    ----------
    requests
        What was found.
    view
        For what is listed and whose accounts there are.
    time_s
        `asOf` of the manifest.
    """
    refused: dict[bytes, str] = {}
    usable: dict[bytes, BasketRequest] = {}
    for request in requests:
        try:
            screen(request, view.pages, time_s=time_s, rules=rules)
        except InputError as error:
            refused[request.key] = str(error)
            continue
        usable[request.key] = request
    domain = request_domain(chain_id=view.chain_id, oracle=view.oracle)
    known, turns = frozenset(view.accounts), Counter[bytes]()
    ranked: list[tuple[bool, int, bytes, BasketRequest]] = []
    for place, request in sorted((keccak(epoch.to_bytes(8, "big") + key), r) for key, r in usable.items()):
        signed = request.account in known and request.owner_signed(domain)
        turn = turns[request.account] if signed else 0
        if turn >= rules.per_account:
            refused[request.key] = (
                f"basket: the account asked for more than {rules.per_account}. Fix: wait until others end"
            )
            continue
        turns[request.account] += signed
        ranked.append((not signed, turn, place, request))
    ranked.sort(key=lambda found: found[:3])
    for _, _, _, request in ranked[rules.per_epoch :]:
        refused[request.key] = (
            f"basket: epoch {epoch} is full with {rules.per_epoch}. Fix: wait for the next one, or sign as owner"
        )
    return Chosen(requests=tuple(found[3] for found in ranked[: rules.per_epoch]), refused=refused)


def check_baskets(
    requests: Sequence[BasketRequest], pages: Sequence[PageView], *, time_s: int, rules: BasketRules
) -> None:
    """Pass if a proposal's requests are within the rules, each by itself and all together.

    Raises
    ------
    ConsistencyError
        Naming the first that is not.
    """
    if len(requests) > rules.per_epoch:
        raise ConsistencyError(
            f"will not sign: {len(requests)} baskets are certified, at most {rules.per_epoch}"
        )
    if len({request.key for request in requests}) != len(requests):
        raise ConsistencyError("will not sign: a basket is certified twice")
    for request in requests:
        try:
            screen(request, pages, time_s=time_s, rules=rules)
        except InputError as error:
            raise ConsistencyError(f"will not sign: {error}") from error


def basket_books(requests: Iterable[BasketRequest]) -> tuple[AccountBook, ...]:
    """Return the baskets as books, each under its request's key."""
    return tuple(AccountBook(account=request.key, words=request.words) for request in requests)
