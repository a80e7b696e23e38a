"""The NNLS layer, forward and backward, next to scipy.optimize.nnls and a pseudoinverse, column by column.

    OMP_NUM_THREADS=1 python benchmarks/bench_nnls.py [--quick]

Both run in one process on the same data, in turn. In the largest case the peer solves the first 250 columns
and its time is scaled up.
"""

import argparse
from importlib.util import find_spec

import numpy as np
import torch
from scipy.optimize import nnls as scipy_nnls

from harness import cells, in_turn, row, seconds
from ntf_lit.nnls import nnls_gram, nnls_layer

SHAPES = (40, 4, 7), (1000, 20, 500), (2000, 50, 5000)
AIMS = {(1000, 20, 500): '≥ 80', (2000, 50, 5000): '≥ 150'}  # With compiled rows
COLUMNS = 250  # The peer solves so many at most


class Loop(torch.autograd.Function):
    "Column by column, as the literature has it: Gao et al. (2019)."

    @staticmethod
    def forward(ctx, X, A):
        S = np.stack([scipy_nnls(A.numpy(), x)[0] for x in X.numpy().T], axis=1)
        ctx.save_for_backward(X, A)
        ctx.S = S
        return torch.from_numpy(S)

    @staticmethod
    def backward(ctx, g):
        X, A = (t.numpy() for t in ctx.saved_tensors)
        g, S, dX, dA = g.numpy(), ctx.S, np.zeros_like(X), np.zeros_like(A)
        for j in range(X.shape[1]):
            P = S[:, j] > 0
            D = np.linalg.pinv(A[:, P])
            v = D.T @ g[P, j]
            dX[:, j] = v
            dA[:, P] += np.outer(X[:, j] - A[:, P] @ S[P, j], D @ v) - np.outer(v, S[P, j])
        return torch.from_numpy(dX), torch.from_numpy(dA)


def problem(m, k, n, seed=0):
    "A noisy mixture whose answers are zero in about half of their entries."
    rng = np.random.default_rng(seed)
    A, S = rng.random((m, k)), rng.random((k, n)) * (rng.random((k, n)) < 0.5)
    return A @ S + 0.3 * rng.random((m, n)), A, rng.standard_normal((k, n))


def both_ways(layer, X, A, g, **kw):
    "Answer and gradients, forward and backward."
    S = layer(X, A, **kw)
    return [S.detach(), *torch.autograd.grad(S, (X, A), g)]


def versions():
    "(what to add to a name, how to call ours)"
    yield 'torch', dict(numba=False)
    if find_spec('numba'):
        yield 'numba', dict(numba=True)


def agreement(ours, theirs):
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(ours, theirs))


def rows(quick=False):
    "dict(name, ours_seconds, peer_seconds, ratio, note, ...) of each shape and version."
    for m, k, n in SHAPES[:2] if quick else SHAPES:
        X, A, g = (torch.tensor(v, requires_grad=True) for v in problem(m, k, n))
        some, inner = min(n, COLUMNS), 50 if m * n < 1000 else 1
        X1, g1 = X[:, :some].detach().contiguous().requires_grad_(), g[:, :some].contiguous()
        theirs = both_ways(Loop.apply, X1, A, g1)
        for version, kw in versions():
            error = agreement(both_ways(nnls_layer, X1, A, g1, **kw), theirs)
            for warm in (False, True):
                extra = kw | (dict(support=nnls_layer(X, A).detach()) if warm else {})
                both_ways(nnls_layer, X, A, g, **extra)
                ours, peer = in_turn(
                    {
                        'ours': lambda: (
                            seconds(lambda: [both_ways(nnls_layer, X, A, g, **extra) for _ in range(inner)])
                            / inner
                        ),
                        'peer': lambda: (
                            seconds(lambda: [both_ways(Loop.apply, X1, A, g1) for _ in range(inner)])
                            / inner
                            * n
                            / some
                        ),
                    },
                    3 if quick else 5,
                ).values()
                yield row(
                    f'NNLS layer ({m}, {k}, {n})',
                    f'{version}{", warm start" if warm else ""}',
                    'scipy and pinv by columns',
                    ours,
                    peer,
                    AIMS.get((m, k, n), '') if version == 'numba' else '',
                    note=f'agrees to {error:.0e}' + (f'; peer on {some} columns, scaled' if some < n else ''),
                )
    yield many_rows(10_000 if quick else 100_000)


def many_rows(n=100_000, k=20, some=2000):
    "Forward alone, from Gram matrix and cross products."
    X, A, _ = problem(200, k, n)
    G, F = A.T @ A, X.T @ A
    L = np.linalg.cholesky(G)
    nnls_gram(G, F[:10])

    def peer():
        for f in np.linalg.solve(L, F[:some].T).T:
            scipy_nnls(L.T, f)

    ours, theirs = in_turn(
        {'ours': lambda: seconds(nnls_gram, G, F), 'peer': lambda: seconds(peer) * n / some}, 1
    ).values()
    return row(
        f'nnls_gram, {n} rows, k = {k}',
        'nnls_gram',
        'scipy by rows',
        ours,
        theirs,
        note=f'forward; peer on {some} rows, scaled',
    )


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--quick', action='store_true', help='small shapes, three repeats')
    for r in rows(parser.parse_args().quick):
        print(' | '.join(cells(r)), flush=True)
