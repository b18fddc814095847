"""How the reference says what a contract says with a revert."""

from seawall.errors import InputError

__all__ = ["Rejected", "require"]


class Rejected(InputError):
    """Report that the contracts would revert, with the name of their custom error and its arguments."""

    def __init__(self, name: str, *values: object) -> None:
        super().__init__(f"{name}({', '.join(map(str, values))})")
        self.name = name
        self.values = values


def require(condition: bool, name: str, *values: object) -> None:
    """Reject unless the condition holds.

    Raises
    ------
    Rejected
        With the name and the values of the contract's custom error.
    """
    if not condition:
        raise Rejected(name, *values)
