"""Array aliases and the one check every array passes on its way in."""

import numpy as np
import numpy.typing as npt

from seawall.errors import DataError

__all__ = ["Bools", "Floats", "Ints", "checked"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def checked(values: npt.ArrayLike, *, name: str, shape: tuple[int | None, ...]) -> Floats:
    """Return `values` as finite float64 of the given shape, where `None` stands for any length.

    Parameters
    ----------
    values
        Anything numpy can turn into an array.
    name
        What the array is called in the error message.
    shape
        Expected length of each axis.

    Raises
    ------
    DataError
        If the shape differs or an entry is NaN or infinite.
    """
    array = np.asarray(values, dtype=np.float64)
    wrong = array.ndim != len(shape) or any(
        want is not None and have != want for have, want in zip(array.shape, shape, strict=False)
    )
    if wrong:
        expected = tuple("any" if want is None else want for want in shape)
        raise DataError(f"{name} has shape {array.shape}, expected {expected}")
    if not np.isfinite(array).all():
        raise DataError(f"{name} holds NaN or infinite entries: drop or repair them first")
    return array
