"""A budget for every viewer: the scaled user-proportional split with weights (Ghosh et al., ICML 2025, PMLR 267).

Viewer i with weight `w_i` and `T_i` units in all gives video j `w_i min(g T_i, 1) u_ij / T_i` counted units, where
`g` is such that `sum w_i min(g T_i, 1) = a sum w_i` over the viewers with `T_i > 0`. Near `a = 0` that is pro-rata,
at `a = 1` one viewer is one vote. Nobody can give more than their weight, however often they play a video.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: The `a` above.
EVENNESS = 0.5


def scale(units: Ints, weights: Floats, evenness: float = EVENNESS) -> float:
    """`g` for viewers with `units` > 0; 0 where nobody has any weight.

    The left side of the equation is straight between two sizes of T, so `g` is found exactly: the sizes are walked
    from the largest down, and at each one everybody of that size or more is taken to give their full weight. Equal
    sizes are summed first, in the order of their weights, so that the order of the viewers changes no bit.
    """
    order = np.lexsort((weights, units))
    sizes, start = np.unique(units[order], return_index=True)
    if not len(sizes) or not weights.sum() > 0:
        return 0.0
    if evenness >= 1.0:
        return 1.0 / float(sizes[0])
    mass = np.add.reduceat(weights[order], start)
    wanted = evenness * mass.sum()
    # full[k]: the mass of the sizes above k; rest[k]: weight times units of the sizes up to k.
    full = np.concatenate([np.cumsum(mass[::-1])[::-1][1:], [0.0]])
    rest = np.cumsum(mass * sizes)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        found = np.where(rest > 0, (wanted - full) / rest, np.inf)
        # The first size from the top for which nobody below it would be full yet.
        fits = (found > 0) & (found * sizes <= 1.0)
    # So close to one vote each that rounding leaves no such size: then everybody is full.
    return float(found[np.flatnonzero(fits)[-1]]) if fits.any() else 1.0 / float(sizes[0])


def rates(units: Ints, weights: Floats, g: float) -> Floats:
    """How many counted units each unit of a viewer is worth: `w_i min(g T_i, 1) / T_i`, 0 where `T_i` is 0."""
    size = np.maximum(units, 1).astype(np.float64)
    return np.where(units > 0, weights * np.minimum(g * size, 1.0) / size, 0.0)
