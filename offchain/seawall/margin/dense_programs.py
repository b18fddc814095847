"""Small dense linear programs, solved by the hundred: arrays go to HiGHS (Huangfu, Hall 2018) as they are.

`scipy.optimize.linprog` asks the same solver, and takes as long to hand a program over as HiGHS to solve it.
"""

import highspy
import numpy as np

from seawall.arrays import Floats

__all__ = ["solve_dense"]


def solve_dense(
    costs: Floats, rows: Floats, *, lower: Floats, upper: Floats, least: Floats, most: Floats
) -> Floats | None:
    """Return x of least `costs . x` with `lower <= rows x <= upper` and `least <= x <= most`; None if there is none.

    Looking for what could be left out, as solvers do first, takes longer than solving such programs.

    Parameters
    ----------
    costs
        (N,).
    rows
        (R, N).
    lower, upper
        (R,), may be infinite.
    least, most
        (N,), may be infinite.
    """
    count, columns = rows.shape
    solver = highspy.Highs()  # type: ignore[no-untyped-call]
    for option, value in (("output_flag", False), ("presolve", "off"), ("threads", 1)):
        solver.setOptionValue(option, value)
    solver.passModel(
        columns,
        count,
        count * columns,
        int(highspy.MatrixFormat.kColwise),
        int(highspy.ObjSense.kMinimize),
        0.0,
        costs,
        least,
        most,
        lower,
        upper,
        np.arange(columns + 1, dtype=np.int32) * count,
        np.tile(np.arange(count, dtype=np.int32), columns),
        rows.T.ravel(),
        np.zeros(columns, dtype=np.int32),  # none whole
    )
    solver.run()
    if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return None
    return np.array(solver.getSolution().col_value)
