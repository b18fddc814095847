"""Stress rows: named 24 h co-moves with a stated probability each.

Each row gives one simple return for every role, applied as it stands and never rescaled by volatility.
Historical rows are about the worst 24 h moves around the day named, in whole per cents; for `other` a badly
hit large coin stands for the group. Those of 2024-08-05 and 2025-10-10 were entered from general knowledge, not
from bars: check them against your own. Hypothetical rows move everything together, or break dependence: one
group alone, or groups apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from seawall.arrays import Floats
from seawall.errors import DataError

__all__ = ["STRESS_ROWS", "Role", "StressRow", "stress_log_returns"]


class Role(StrEnum):
    """Name the group whose stress moves an underlying takes."""

    MAJOR = "major"
    LARGE = "large"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class StressRow:
    """Hold one co-move over a day, as simple returns by role (-0.5 is a fall by half)."""

    name: str
    major: float
    large: float
    other: float


STRESS_ROWS: tuple[StressRow, ...] = (
    # Historical: Bitcoin, Ether, and a bad large coin.
    StressRow(name="2020-03-12 pandemic", major=-0.46, large=-0.48, other=-0.45),
    StressRow(name="2021-05-19 leverage flush", major=-0.20, large=-0.33, other=-0.42),
    StressRow(name="2022-05-11 Terra", major=-0.14, large=-0.23, other=-0.36),
    StressRow(name="2022-06-13 lender failures", major=-0.19, large=-0.21, other=-0.21),
    StressRow(name="2022-11-08 exchange failure", major=-0.16, large=-0.24, other=-0.48),
    # From general knowledge, not from bars.
    StressRow(name="2024-08-05 carry unwind", major=-0.17, large=-0.25, other=-0.30),
    StressRow(name="2025-10-10 auto-deleveraging", major=-0.15, large=-0.21, other=-0.55),
    # From bars again.
    StressRow(name="2019-10-25 Bitcoin rally", major=0.35, large=0.21, other=0.24),
    # Hypothetical: everything together.
    StressRow(name="all fall by half", major=-0.50, large=-0.50, other=-0.50),
    StressRow(name="all rise by half", major=0.50, large=0.50, other=0.50),
    StressRow(name="all double", major=1.00, large=1.00, other=1.00),
    # Hypothetical: apart.
    StressRow(name="major falls alone", major=-0.35, large=-0.10, other=-0.10),
    StressRow(name="large falls alone", major=-0.10, large=-0.50, other=-0.15),
    StressRow(name="others collapse", major=-0.10, large=-0.15, other=-0.80),
    StressRow(name="others squeezed", major=0.05, large=0.10, other=1.00),
    StressRow(name="flight to the major", major=0.25, large=-0.25, other=-0.35),
)


def stress_log_returns(roles: Sequence[Role], *, rows: Sequence[StressRow] = STRESS_ROWS) -> Floats:
    """Return the stress rows as log-returns, `ln(1 + move)`, (rows, M).

    Parameters
    ----------
    roles
        Role of each of the M underlyings.
    rows
        The table to use.

    Raises
    ------
    DataError
        If a row moves a price to zero or below.
    """
    moves = np.array([[getattr(row, Role(role).value) for role in roles] for row in rows], dtype=np.float64)
    moves = moves.reshape(len(rows), len(roles))
    if (moves <= -1).any():
        raise DataError("a stress row takes a price to zero or below: moves are simple returns above -1")
    return np.log1p(moves)
