"""Whose turn it is: epoch e is led by keeper ``e mod n``, and an epoch that was led in vain is spent."""

from __future__ import annotations

from collections.abc import Iterator

from seawall.keeper.view import ChainView

__all__ = ["Turns", "pause"]


def pause(now_s: float, *, interval_s: float) -> float:
    """Return the seconds to a tenth of the interval after its next multiple since 1970, the same time for all keepers.

    Who waited the interval itself would keep its distance to the others: started further apart than prices are fresh,
    and than anyone waits for them, keepers would never meet. Bars end at multiples, and take a while to be recorded.
    """
    return interval_s - (now_s - 0.1 * interval_s) % interval_s


class Turns:
    """Go through the epochs of a round, again and again, for one keeper.

    Every proposal burns its epoch for who signed it: another one for it, with other books or of another time, cannot be
    signed. So a keeper waits out the epochs that it has led, as the others do, and its round is longer by the number of
    keepers for each.
    """

    def __init__(self) -> None:
        self._spent: set[int] = set()
        self._last = 0
        self._keepers = 0

    def after(self, view: ChainView, address: str) -> Iterator[tuple[int, bool]]:
        """Yield the epochs of a round after the one in force, each with whether this keeper, a signer, leads it."""
        ordered = sorted(signer.lower() for signer in view.signers)
        own = ordered.index(address.lower())
        self._spent = {epoch for epoch in self._spent if epoch > view.epoch}
        self._keepers = len(ordered)
        self._last = view.epoch + self._keepers * (1 + len(self._spent))
        epoch = view.epoch
        while epoch < self._last:
            epoch += 1
            yield epoch, epoch % self._keepers == own and epoch not in self._spent

    def take(self, epoch: int) -> None:
        """Note that this keeper leads an epoch."""
        self._spent.add(epoch)

    def lose(self) -> None:
        """Note that it had led that epoch before, and was started anew since."""
        self._last += self._keepers
