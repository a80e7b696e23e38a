"""A large dense tensor in memory: a sweep next to the two products that it cannot do without, and the rest.

A sweep multiplies the data twice, once for each group of modes. What a fit does besides its sweeps (checks,
scale, norm, start, first and last objective) is told in passes over the data, of which one is half of the
products' time. The core of low rank that `compress` finds is not used here. The noise
leaves an error of some 8 %: below 3 % the loss is summed directly, which is one pass more in each sweep.
"""

from functools import lru_cache

import numpy as np

from harness import Worker, in_turn, row, seconds

RANK = 20
SWEEPS = 8, 16  # Of the two fits whose difference is told, both past the warm-up


@lru_cache
def tensor(gib):
    "Low rank and noise, float32, and the groups' factors that it is multiplied with."
    d = int((gib * 2**30 / 8) ** (1 / 3))
    rng = np.random.default_rng(0)
    A, B, C = (rng.gamma(0.5, size=(n, RANK)).astype('f4') for n in (d, d, 2 * d))
    X = np.empty((d, d, 2 * d), 'f4')
    for i in range(d):
        X[i] = (A[i] * B) @ C.T
        X[i] += rng.random(X[i].shape, 'f4')
    return X, rng.random((d * d, RANK), 'f4'), rng.random((2 * d, RANK), 'f4')


def product_seconds(gib):
    "Both products of a sweep, in the order that is the faster one."
    X, left, right = tensor(gib)
    M = X.reshape(len(left), -1)
    return seconds(lambda: (M @ right, np.ascontiguousarray(left.T) @ M))


def fit_seconds(gib, rule, n):
    "A whole fit of n sweeps, from the array to the fitted estimator."
    from ntf_lit import NCPD

    m = NCPD(RANK, solver=rule, max_iter=n, tol=0, compress=False, random_state=0)
    return seconds(m.fit, tensor(gib)[0])


def rows(quick=False):
    "dict(name, ours_seconds, peer_seconds, ratio, note, ...) of each rule."
    gib, repeats = (0.1, 3) if quick else (1, 3)
    few, many = SWEEPS
    with Worker() as w:
        calls = {('products', 0): lambda: w(product_seconds, gib)}
        for rule in ('mu', 'hals'):
            w(fit_seconds, 0.01, rule, 12)  # Compiles
            calls |= {(rule, n): (lambda rule=rule, n=n: w(fit_seconds, gib, rule, n)) for n in SWEEPS}
        w(product_seconds, gib)
        t = in_turn(calls, repeats)
    products = t['products', 0]
    for rule in ('mu', 'hals'):
        sweep = [(b - a) / (many - few) for a, b in zip(t[rule, few], t[rule, many])]
        rest = [a - few * s for a, s in zip(t[rule, few], sweep)]
        what, own = f'NCPD, {gib} GiB float32, rank {RANK}', f'{rule.upper()}, NumPy'
        yield row(
            f'{what}: a sweep by its two products', own, 'products', sweep, products, '≤ 1.2', '', False
        )
        passes = [p / 2 for p in products]
        yield row(f'{what}: all but the sweeps, in passes', own, 'one pass', rest, passes, '≤ 2', '', False)
