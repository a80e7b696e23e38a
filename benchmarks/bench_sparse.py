"""NMF of sparse matrices next to scikit-learn's `cd`: to the error of 20 of its iterations."""

from math import sqrt

import numpy as np

from bench_ncpd import Before, Ours
from bench_nmf import ScikitLearn
from harness import Race, present, row


def words(n, m, count, rank, seed):
    "Counts whose words follow a power law, CSR of single precision, and a start."
    import scipy.sparse as sp

    rng = np.random.default_rng(seed)
    often = 1 / np.arange(1, m + 1)
    column = rng.permutation(m)[rng.choice(m, count, p=often / often.sum())]
    values = (rng.gamma(1.0, size=count) + 0.1).astype('f')
    X = sp.csr_matrix((values, (rng.integers(0, n, count), column)), shape=(n, m))
    X.sum_duplicates()
    size = sqrt(X.mean() / rank)
    return X, [(size * abs(rng.standard_normal((d, rank)))).astype('f') for d in (n, m)]


def relative_error(X, factors):
    "As for dense data, from sums that touch the nonzeros only."
    W, H = (np.asarray(f, float) for f in factors)
    square = float((X.data.astype(float) ** 2).sum())
    cross = float(((X.astype(float) @ H) * W).sum())
    return sqrt(max(square - 2 * cross + float(((W.T @ W) * (H.T @ H)).sum()), 0) / square)


def sparse_rows(shape, count, rank, sweeps, repeats, aim):
    "Seconds to the error that `cd` has after so many iterations."
    problem, cd = (words, *shape, count, rank, 0), ScikitLearn()
    own, peers = Ours(dtype='float32'), present([cd, Before(dtype='float32')])
    with Race([own, *peers], problem) as race:
        target = race.workers[cd](last_error, cd, problem, sweeps)
        n = {cd: sweeps}
        for p in (own, *peers[1:]):
            n[p] = race.workers[p](reached, p, problem, target, 4 * sweeps)
        t = race.times(n, repeats + 1)
    for p in peers:
        note = f'{n[own]} and {n[p]} sweeps; error {target:.4f}'
        aims = aim if p == cd else ''
        what = f'NMF {shape[0]} × {shape[1]}, {count / 1e6:.1f} M words, rank {rank}'
        yield row(what, own.name, p.name, t[own][1:], t[p][1:], aims, note)


def last_error(program, problem, n):
    X, start = program.prepare(*problem[0](*problem[1:]))
    return relative_error(X, program.run(X, start, n))


def reached(program, problem, target, n):
    "After how many iterations an error is met."
    seen = []
    X, start = program.prepare(*problem[0](*problem[1:]))

    def enough(factors):
        seen.append(relative_error(X, factors))
        return seen[-1] <= target

    program.follow(X, start, n, enough)
    return len(seen)


def rows(quick=False):
    "dict(name, ours_seconds, peer_seconds, ratio, note, ...) of each comparison."
    if quick:
        yield from sparse_rows((5000, 5000), 300_000, 20, 10, 1, '≥ 1.5')
        return
    yield from sparse_rows((18846, 20000), 2_000_000, 50, 20, 3, '≥ 1.5')
    yield from sparse_rows((60000, 20000), 6_500_000, 50, 20, 2, '≥ 1.5')
