"""Settle a label for every unit over the whole piece: the likeliest path, and how likely each label is."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


def viterbi(fit: Array, change: Array, moves: Array) -> NDArray[np.int64]:
    """The likeliest path (n,) through states whose scores are `fit` (n, S).

    From one unit to the next the state stays, at no cost, or changes at `change` (n,) of the later unit plus `moves`
    (S, S) from row to column; the diagonal of `moves` is not looked at.
    """
    n, states = fit.shape
    if not n:
        return np.zeros(0, np.int64)
    into = moves.T.copy()
    np.fill_diagonal(into, -np.inf)
    came = np.zeros((n, states), np.int16)
    stay = np.arange(states)
    best = fit[0].astype(np.float64)
    for t in range(1, n):
        reached = into + best
        origin = reached.argmax(axis=1)
        moved = reached[stay, origin] + change[t]
        stays = best >= moved
        came[t] = np.where(stays, stay, origin)
        best = np.where(stays, best, moved) + fit[t]
    path = np.zeros(n, np.int64)
    path[-1] = best.argmax()
    for t in range(n - 1, 0, -1):
        path[t - 1] = came[t, path[t]]
    return path


def steadiest(credit: Array, toll: float) -> NDArray[np.int64]:
    """The path (n,) of most credit (n, S) when every change costs the same toll: `viterbi` without moves, but fast."""
    n, states = credit.shape
    came = np.zeros((n, states), np.int16)
    stay = np.arange(states)
    best = np.zeros(states)
    for t in range(n):
        leader = best.argmax()
        moved = best[leader] - toll
        stays = best >= moved
        came[t] = np.where(stays, stay, leader)
        best = np.maximum(best, moved) + credit[t]
    path = np.zeros(n, np.int64)
    for t in range(n - 1, -1, -1):
        path[t] = best.argmax() if t == n - 1 else came[t + 1, path[t + 1]]
    return path


def marginals(fit: Array, change: Array, moves: Array) -> NDArray[np.float64]:
    """The probability of each state at each unit (n, S), over all paths of the same chain (forward-backward)."""
    n = len(fit)
    if not n:
        return np.zeros(fit.shape)
    move = np.exp(np.asarray(moves, np.float64))
    np.fill_diagonal(move, 0)
    local = np.exp(np.asarray(fit, np.float64) - fit.max(axis=1, keepdims=True))
    ease = np.exp(np.asarray(change, np.float64))
    forward = np.zeros(local.shape)
    forward[0] = local[0] / local[0].sum()
    for t in range(1, n):
        row = local[t] * (forward[t - 1] + ease[t] * (forward[t - 1] @ move))
        forward[t] = row / row.sum()
    backward = np.ones(local.shape[1])
    for t in range(n - 1, 0, -1):
        ahead = local[t] * backward
        backward = ahead + ease[t] * (move @ ahead)
        backward /= backward.sum()
        forward[t - 1] *= backward
        forward[t - 1] /= forward[t - 1].sum()
    return forward
