"""Nonnegative least squares: every answer certified, no input that hangs, and a gradient that is one.

N1 to N4 and G1 to G7 are the names of these promises. Residuals are those of `kkt_residual`, relative to a
row's cross products; where the answer itself is far larger than they are, its last bits alone move the
slacks, and the residual is taken relative to both.
"""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
import torch
from hypothesis import given, strategies as st
from scipy.optimize import nnls as scipy_nnls

from ntf_lit import nnls as module
from ntf_lit.nnls import (
    dependent,
    exchange,
    first_support,
    kkt_residual,
    lawson_hanson,
    gram_step,
    masked_solve,
    nnls,
    nnls_adjoint,
    nnls_gradient,
    nnls_gram,
    nnls_layer,
    pivot,
    try_supports,
    unit_problem,
)

NUMBA = ['auto', False]
TINY = 1e-12


def numba_or_skip():
    return pytest.importorskip('numba')


# --- Problems ---


def mixed(rng, columns, n):
    "Data near the mixtures of some columns, so that the constraint is at work."
    m, k = columns.shape
    S = rng.random((k, n)) * (rng.random((k, n)) < rng.random(n))
    return columns @ S + 0.2 * rng.standard_normal((m, n))


def tall(rng, n):
    A = rng.random((40, 12))
    return mixed(rng, A, n), A


def wide(rng, n):
    A = rng.random((7, 15))
    return rng.random((7, n)), A


def wide_normal(rng, n):
    A = rng.standard_normal((6, 14))
    return rng.standard_normal((6, n)), A


def gaussian(rng, n):
    A = rng.standard_normal((30, 10))
    return rng.standard_normal((30, n)), A


def duplicates(rng, n):
    A = rng.random((30, 6))
    return mixed(rng, A, n), A[:, rng.integers(0, 6, 14)]


def opposite(rng, n):
    A = rng.standard_normal((30, 6))
    return rng.standard_normal((30, n)), np.hstack([A, -A])


def zero_columns(rng, n):
    A = rng.random((30, 10))
    return mixed(rng, A, n), A * (rng.random(10) < 0.6)


def vandermonde(rng, n):
    A = np.vander(np.linspace(0, 1, 30), 11)
    return mixed(rng, A, n), A


def tall_many(rng, n):
    A = rng.random((80, 33))
    return mixed(rng, A, n), A


def few(rng, n):
    A = rng.random((12, rng.integers(1, 6)))
    return mixed(rng, A, n), A


def condition_1e12(rng, n):
    U, V = (np.linalg.qr(rng.standard_normal(s))[0] for s in ((30, 8), (8, 8)))
    return rng.standard_normal((30, n)), U * np.logspace(0, -12, 8) @ V.T


def scaled(power):
    def family(rng, n):
        X, A = tall(rng, n)
        return X * 10.0**power, A * 10.0 ** rng.uniform(-abs(power), abs(power), A.shape[1])

    family.__name__ = f'scale_1e{power}'
    return family


def all_negative(rng, n):
    A = rng.random((30, 8))
    return -rng.random((30, n)), A


def faces(rng, n):
    "The support is drawn first, then an answer on it and slacks off it that make it the answer."
    m, k = 30, 9
    A = rng.random((m, k))
    S = rng.random((k, n)) * (np.arange(k)[:, None] < np.arange(n) % (k + 1))
    S = rng.permuted(S, axis=0)
    Y = rng.random((k, n)) * (S == 0)
    return A @ S - A @ np.linalg.solve(A.T @ A, Y), A


SCALED = [scaled(p) for p in (-30, -10, 10, 30)]
WELL_POSED = [tall, tall_many, few, gaussian, all_negative, faces, *SCALED]
FAMILIES = [*WELL_POSED, wide, wide_normal, duplicates, opposite, zero_columns, vandermonde, condition_1e12]
by_name = pytest.mark.parametrize('family', FAMILIES, ids=lambda f: f.__name__)


def unit(A):
    "Columns of length one, and the lengths."
    d = np.abs(A).max(0)
    d = d * np.linalg.norm(A / np.where(d > 0, d, 1), axis=0)
    return A / np.where(d > 0, d, 1), d


def residual(X, A, S):
    "The certificate, relative to cross products and answer."
    B, d = unit(A)
    F, T = X.T @ B, S.T * d
    size = np.abs(F).max(1)
    size = np.where(size > 0, size, 1)
    return kkt_residual(B.T @ B, F, T) / (1 + T.max(1) / size)


def misfit(X, A, S):
    return np.linalg.norm(X - A @ S, axis=0)


def scipy_all(X, A):
    "SciPy's answers; NaN where it gives up."
    out = np.full((A.shape[1], X.shape[1]), np.nan)
    for j, x in enumerate(X.T):
        try:
            out[:, j] = scipy_nnls(A, x)[0]
        except RuntimeError:
            pass
    return out


def no_worse(X, A, ours, theirs):
    "Whether the misfit is not above theirs by more than 1e-8, and what rounding makes of A S."
    rounding = 4e-15 * np.linalg.norm(np.abs(A) @ np.maximum(ours, theirs), axis=0)
    return misfit(X, A, ours) <= misfit(X, A, theirs) + 1e-8 * np.linalg.norm(X, axis=0) + rounding


# --- N1: certificates ---


def certify(family, seeds, n):
    for seed in seeds:
        X, A = family(np.random.default_rng(seed), n)
        for numba in NUMBA:
            S = nnls(X, A, numba=numba)
            assert (S >= 0).all() and np.isfinite(S).all(), (seed, numba)
            assert residual(X, A, S).max() < TINY, (seed, numba)
            if family is all_negative:
                assert not S.any()


@by_name
def test_certificate(family):
    certify(family, range(8), 25)


@pytest.mark.slow
@by_name
def test_certificate_thousands(family):
    certify(family, range(100, 140), 25)


@by_name
def test_certificate_torch(family):
    X, A = family(np.random.default_rng(5), 40)
    for numba in NUMBA:
        S = nnls(torch.tensor(X), torch.tensor(A), numba=numba)
        assert S.dtype == torch.float64 and residual(X, A, S.numpy()).max() < TINY


@by_name
def test_certificate_torch_alone(family, monkeypatch):
    "The same in torch's own operations, which small tensors are spared."
    monkeypatch.setattr(module, 'SMALL', 0)
    X, A = family(np.random.default_rng(6), 20)
    S = nnls(torch.tensor(X), torch.tensor(A), numba=False)
    assert residual(X, A, S.numpy()).max() < TINY


@by_name
def test_certificate_from_gram(family):
    X, A = family(np.random.default_rng(7), 40)
    B, _ = unit(A)
    G, F = B.T @ B, X.T @ B
    for numba in NUMBA:
        S = nnls_gram(G, F, numba=numba)
        assert (S >= 0).all()
        # of nearly dependent columns a Gram matrix knows half the digits
        assert residual(X, B, S.T).max() < (1e-6 if family is condition_1e12 else TINY)


def test_faces_of_every_dimension():
    X, A = faces(np.random.default_rng(0), 200)
    assert set((nnls(X, A) > 1e-12).sum(0)) == set(range(10))


def test_error_bound():
    "Pang (1987): the residual bounds the error."
    X, A = gaussian(np.random.default_rng(1), 30)
    G, F, _ = unit_problem(A.T @ A, X.T @ A)
    best, rng = nnls_gram(G, F), np.random.default_rng(2)
    for size in (1e-6, 1e-3, 1.0):
        S = abs(best + size * rng.standard_normal(best.shape))
        bound = len(G) ** 0.5 * (1 + np.linalg.norm(G, 2)) * kkt_residual(G, F, S) / np.linalg.eigvalsh(G)[0]
        assert (np.linalg.norm(S - best, axis=1) <= bound).all()


def test_certificate_sees_complementarity():
    X, A = tall(np.random.default_rng(3), 20)
    G, F, u = unit_problem(A.T @ A, X.T @ A)
    S = nnls_gram(G, F) + 1.0
    assert (S >= 0).all() and (S @ G - F >= 0).all() and (kkt_residual(G, F, S) > 0.3).all()


def test_certificate_of_zero_rows():
    assert kkt_residual(np.eye(2), np.zeros((2, 2)), np.array([[0.0, 0], [0, 1]])).tolist() == [0, np.inf]


# --- N2: against SciPy ---


def compare(family, seeds, n):
    for seed in seeds:
        X, A = family(np.random.default_rng(seed), n)
        theirs, ours = scipy_all(X, A), nnls(X, A)
        solved = ~np.isnan(theirs).any(0)
        assert no_worse(X, A, ours, theirs)[solved].all(), seed
        if family in WELL_POSED:
            d = unit(A)[1][:, None]
            assert (
                solved.all() and np.abs((ours - theirs) * d).max() < 1e-8 * np.abs(theirs * d).max() + 1e-300
            ), seed


@by_name
def test_scipy(family):
    compare(family, range(20, 26), 25)


@pytest.mark.slow
@by_name
def test_scipy_thousands(family):
    compare(family, range(1000, 1240), 25)


@given(
    m=st.integers(1, 12),
    k=st.integers(1, 12),
    n=st.integers(1, 6),
    seed=st.integers(0, 2**32 - 1),
    digits=st.integers(0, 3),
    numba=st.sampled_from(NUMBA),
)
def test_anything(m, k, n, seed, digits, numba):
    "Small shapes of all kinds; few digits make ties, duplicates and zeros."
    rng = np.random.default_rng(seed)
    X, A = (rng.standard_normal(s).round(digits) for s in ((m, n), (m, k)))
    S = nnls(X, A, numba=numba)
    assert (S >= 0).all() and residual(X, A, S).max() < 1e-10
    theirs = scipy_all(X, A)
    solved = ~np.isnan(theirs).any(0)
    assert no_worse(X, A, S, theirs)[solved].all()


# --- N3: bounded work ---


def near_pairs(rng):
    "Columns in pairs that differ by rounding, on scales ten orders apart."
    A = rng.random((20, 6))
    A = np.hstack([A, A * (1 + 1e-15 * rng.standard_normal(A.shape))]) * 10.0 ** rng.uniform(-5, 5, 12)
    return rng.random((20, 10)), A


def barely_downhill(rng):
    "The first column to enter is downhill by rounding alone: it is thrown out at once, and nothing is left."
    A = rng.standard_normal((10, 4))
    X = rng.standard_normal((10, 6))
    X = X - A @ np.linalg.lstsq(A, X, rcond=None)[0]
    return X + 1e-17 * A[:, :1], A


def single_precision(rng):
    "Data that came from float32, badly scaled."
    A = (rng.random((40, 15)) * 10.0 ** rng.uniform(-8, 3, 15)).astype(np.float32)
    return (A @ rng.random((15, 10))).astype(np.float32).astype(float), A.astype(float)


def zeros_and_more_columns(rng):
    A = rng.random((5, 20)) * (rng.random((5, 20)) < 0.3)
    return rng.random((5, 10)) * (rng.random((5, 10)) < 0.5), A


def hilbert(rng):
    return rng.random((14, 10)), scipy.linalg.hilbert(14)


def ones(rng):
    return rng.random((9, 10)), np.ones((9, 8))


def kahan(rng):
    c, s = np.cos(1.2), np.sin(1.2)
    return rng.standard_normal((16, 10)), s ** np.arange(16)[:, None] * (
        np.eye(16) - c * np.triu(np.ones((16, 16)), 1)
    )


def sums(rng):
    "Each column the sum of two others."
    A = rng.integers(0, 3, (12, 5)).astype(float)
    return A @ rng.integers(0, 2, (5, 10)), np.hstack([A, A[:, :4] + A[:, 1:], A[:, :3] + A[:, 2:]])


def exactly_on_faces(rng):
    A = rng.integers(-3, 4, (10, 6)).astype(float)
    return A @ rng.integers(0, 2, (6, 10)), A


def long_pivoting(rng):
    return condition_sized(rng, 30, 1e4)


def very_long_pivoting(rng):
    return condition_sized(rng, 40, 1e7)


def condition_sized(rng, k, condition):
    U, V = (np.linalg.qr(rng.standard_normal(s))[0] for s in ((2 * k, k), (k, k)))
    return rng.standard_normal((2 * k, 10)), U * np.logspace(0, -np.log10(condition), k) @ V.T


ADVERSARIAL = [
    near_pairs,
    barely_downhill,
    single_precision,
    zeros_and_more_columns,
    hilbert,
    ones,
    kahan,
    sums,
    exactly_on_faces,
    long_pivoting,
    very_long_pivoting,
]


@pytest.fixture
def alarm():
    "Two seconds of this process's own time, however busy the machine."

    def ring(*_):
        raise TimeoutError('still computing')

    if not hasattr(signal, 'setitimer'):
        yield lambda: None
        return
    before = signal.signal(signal.SIGVTALRM, ring)
    yield lambda: signal.setitimer(signal.ITIMER_VIRTUAL, 2.0)
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    signal.signal(signal.SIGVTALRM, before)


@pytest.mark.parametrize('numba', NUMBA)
@pytest.mark.parametrize('problem', ADVERSARIAL, ids=lambda f: f.__name__)
def test_no_hang(problem, numba, alarm):
    nnls(np.ones((2, 1)), np.eye(2), numba=numba)  # compiled before the clock runs
    for seed in range(5):
        X, A = problem(np.random.default_rng(seed))
        alarm()
        S = nnls(X, A, numba=numba)
        alarm()
        assert (S >= 0).all() and np.isfinite(S).all(), seed
        # (cross products that are rounding alone have no digits to be relative to)
        assert problem is barely_downhill or residual(X, A, S).max() < 1e-11, seed
        theirs = scipy_all(X, A)
        solved = ~np.isnan(theirs).any(0)
        assert no_worse(X, A, S, theirs)[solved].all(), seed


def test_not_a_gram_matrix(alarm):
    "No least value, or a wrong G: an answer all the same, and in time."
    for G, f in (
        ([[1.0, -1], [-1, 1]], [1.0, 1]),
        ([[1, 2], [2, 1]], [1, 1]),
        ([[0, 0], [0, 0]], [1, -1]),
        ([[1, 1], [1, 1]], [1, 2]),
    ):
        for numba in NUMBA:
            alarm()
            S = nnls_gram(np.array(G), np.array(f, float), numba=numba)
            assert (S >= 0).all() and np.isfinite(S).all()


@pytest.mark.parametrize('problem', ADVERSARIAL + FAMILIES, ids=lambda f: f.__name__)
def test_work_is_bounded(problem):
    rng = np.random.default_rng(0)
    X, A = problem(rng) if problem in ADVERSARIAL else problem(rng, 20)
    B, _ = unit(A)
    G, F, _ = unit_problem(B.T @ B, X.T @ B)
    k = len(G)
    _, used = pivot(G, F, first_support(G, F), dependent(G))
    assert used.min() >= 1 and used.max() <= k + 10
    calls = []

    def solve(i, P):
        calls.append(len(i))
        return gram_step(G, F[i], P)

    lawson_hanson(solve, F)
    assert len(calls) <= 12 * k + 20 and len(calls) < 6 * k + 20


def test_what_does_not_settle_is_said():
    "A solver that throws out the older of two entries for ever: the loop ends, and warns."
    older = [None]

    def restless(i, P):
        if P.sum() < 2:
            older[0] = P
        return np.where(P, np.where(older[0] & (P.sum() == 2), -1.0, 1.0), 0.0), np.ones(P.shape)

    with pytest.warns(RuntimeWarning, match='1 of 1 problems did not settle; look at their kkt_residual'):
        S = lawson_hanson(restless, np.ones((1, 2)))
    assert (S >= 0).all()


def test_patience_runs_out():
    "Full exchanges that do not get better are four in a row at most; then one index at a time."
    wrong, best, patience = np.array([[True, True, False]]), np.array([2]), np.array([3])
    widths = []
    for _ in range(6):
        flip, best, patience = exchange(wrong, best, patience)
        widths.append(int(flip.sum()))
    assert widths == [2, 2, 2, 1, 1, 1] and best == [2]


# --- N4: rows are independent; one answer, whoever computes it ---


@pytest.mark.parametrize(
    'family', [tall, few, tall_many, gaussian, faces, duplicates, wide], ids=lambda f: f.__name__
)
@pytest.mark.parametrize('numba', NUMBA)
def test_rows_are_independent(family, numba):
    rng = np.random.default_rng(8)
    X, A = family(rng, 300)
    G, F = A.T @ A, X.T @ A
    S, order = nnls_gram(G, F, numba=numba), rng.permutation(300)
    assert (nnls_gram(G, F[order], numba=numba) == S[order]).all()
    for i in range(0, 300, 30):
        assert (nnls_gram(G, F[i], numba=numba) == S[i]).all()
    assert (nnls_gram(G, F[50:80], numba=numba) == S[50:80]).all()


@by_name
def test_numba_changes_nothing(family):
    numba_or_skip()
    X, A = family(np.random.default_rng(9), 60)
    fast, pure = (nnls(X, A, numba=n) for n in (True, False))
    if family in WELL_POSED:
        assert np.allclose(fast, pure, rtol=1e-9, atol=1e-12 * abs(pure).max())
    B, d = unit(A)
    assert np.abs(B @ (fast * d[:, None]) - B @ (pure * d[:, None])).max() <= 1e-9 * np.abs(X).max()


def test_plain_python_rows(monkeypatch):
    "The functions numba compiles give the same uncompiled."
    python = lambda f: getattr(f, 'py_func', f)
    for name in module._ROWS:
        monkeypatch.setattr(module, name, python(getattr(module, name)))
    for family in (tall, tall_many, duplicates, wide):
        X, A = family(np.random.default_rng(10), 8)
        G, F, _ = unit_problem(A.T @ A, X.T @ A)
        S, used, P = np.zeros_like(F), np.zeros(8, int), first_support(G, F)
        order, H = np.arange(8), module.inverse(G)
        module._pivot_rows(G, H, F, P, order, S, used, len(G) + 10, module._noise(F))
        T, rounds = pivot(G, F, first_support(G, F))
        assert (used == rounds).all() and np.allclose(np.maximum(S, 0), T, atol=1e-12)


def test_one_factorization_per_support(monkeypatch):
    "Rows that share a support share its factor, in whatever order they come; with it the bits of alone."
    python, made = (lambda f: getattr(f, 'py_func', f)), []
    for name in module._ROWS:
        monkeypatch.setattr(module, name, python(getattr(module, name)))
    factor = module._factor
    monkeypatch.setattr(module, '_factor', lambda *a: made.append(0) or factor(*a))
    rng = np.random.default_rng(11)
    A = rng.random((60, 20))
    G, F, _ = unit_problem(A.T @ A, rng.standard_normal((30, 60)) @ A)
    full, half = np.arange(20) >= 0, np.arange(20) < 10
    P = np.array([full, half, ~half])[rng.integers(0, 3, 30)]
    for H in (module.inverse(G), np.zeros((0, 0))):
        S, kept = np.zeros_like(F), np.zeros_like(P)
        made.clear()
        module._solve_rows(G, H, F, P, module._by_support(P), S, kept, 1e-13)
        assert len(made) == 3 and (kept == P).all()
        assert np.abs(np.where(P, S @ G - F, S)).max() < 1e-12
        for i in range(30):
            alone = np.zeros((1, 20))
            module._solve_rows(G, H, F[i : i + 1], P[i : i + 1], np.arange(1), alone, kept[:1], 1e-13)
            assert (alone == S[i]).all()


def test_inverse_and_supports_agree():
    "Around the share of positive entries where the way of solving changes, and as columns become dependent."
    numba_or_skip()
    rng = np.random.default_rng(12)
    for spread in (1.0, 1e-3, 1e-5, 1e-7):
        A = rng.random((60, 1)) + spread * rng.standard_normal((60, 24))
        X = A @ (rng.random((24, 90)) * (rng.random((24, 90)) < np.linspace(0.4, 1, 90)))
        S = nnls(X, A, numba=True)
        assert residual(X, A, S).max() < TINY
        assert no_worse(X, A, S, nnls(X, A, numba=False)).all()
    assert len(module.inverse(unit_problem(A.T @ A, X.T @ A)[0])) == 0


@pytest.mark.parametrize('seed', range(3))
def test_supports_enumerated_or_exchanged(seed):
    rng = np.random.default_rng(seed)
    for k in range(1, 6):
        X, A = rng.standard_normal((9, 70)), rng.standard_normal((9, k))
        G, F, _ = unit_problem(A.T @ A, X.T @ A)
        assert np.allclose(try_supports(G, F), pivot(G, F, first_support(G, F), False)[0], atol=1e-11)
        assert np.allclose(
            try_supports(G, F), lawson_hanson(lambda i, P: gram_step(G, F[i], P), F), atol=1e-11
        )


@pytest.mark.parametrize('numba', NUMBA)
@pytest.mark.parametrize('start', ['right', 'empty', 'full', 'random'])
def test_any_start_will_do(start, numba):
    rng = np.random.default_rng(11)
    for family in (tall, few, duplicates):
        X, A = family(rng, 30)
        S = nnls(X, A)
        P = dict(
            right=S > 0,
            empty=np.zeros(S.shape, bool),
            full=np.ones(S.shape, bool),
            random=rng.random(S.shape) < 0.5,
        )[start]
        T = nnls(X, A, support=P, numba=numba)
        assert residual(X, A, T).max() < TINY and np.allclose(A @ T, A @ S, atol=1e-10)
        assert np.allclose(A @ nnls_gram(A.T @ A, X.T @ A, support=P.T, numba=numba).T, A @ S, atol=1e-10)


def test_masked_solve_many_sizes():
    rng = np.random.default_rng(12)
    for k in (1, 5, 8, 9, 24, 40):
        A = rng.random((60, k))
        G, F, _ = unit_problem(A.T @ A, rng.standard_normal((400, 60)) @ A)
        P = rng.random((400, k)) < rng.random((400, 1))
        for careful in (False, True):
            S, kept = masked_solve(G, F, P, careful)
            assert (kept == P).all() and not S[~P].any()
            assert max(np.abs(S[i] @ G - F[i])[P[i]].max(initial=0) for i in range(400)) < 1e-10


# --- What goes in and what comes out ---


def test_inputs_are_left_alone():
    X, A = tall(np.random.default_rng(13), 10)
    G, F = A.T @ A, X.T @ A
    kept = [a.copy() for a in (X, A, G, F)]
    for a in (X, A, G, F):
        a.flags.writeable = False
    for numba in NUMBA:
        (
            nnls(X, A, numba=numba),
            nnls_gram(G, F, numba=numba),
            nnls_gradient(X, A, nnls(X, A), np.ones((12, 10)), numba),
        )
    assert all((a == b).all() for a, b in zip((X, A, G, F), kept))


@pytest.mark.parametrize('numba', NUMBA)
def test_layouts(numba):
    X, A = tall(np.random.default_rng(14), 10)
    S = nnls(X, A, numba=numba)
    for x, a in (
        (np.asfortranarray(X), np.asfortranarray(A)),
        (X[::-1], A[::-1]),
        (np.repeat(X, 2, 0)[::2], np.repeat(A, 2, 1)[:, ::2]),
    ):
        assert np.allclose(nnls(x, a, numba=numba), S, rtol=1e-10, atol=1e-13)
        assert np.allclose(
            nnls(torch.tensor(x.copy()), torch.tensor(a.copy()).T.contiguous().T, numba=numba).numpy(),
            S,
            rtol=1e-10,
            atol=1e-13,
        )


@pytest.mark.parametrize('form', ['csr_array', 'csc_array', 'coo_array', 'csr_matrix'])
def test_sparse_data(form):
    rng = np.random.default_rng(15)
    X, A = rng.random((40, 30)) * (rng.random((40, 30)) < 0.1), rng.random((40, 7))
    assert np.allclose(nnls(getattr(scipy.sparse, form)(X), A), nnls(X, A), atol=1e-12)
    twins = np.hstack([A, A * (1 + 1e-10 * rng.random(A.shape))])
    assert residual(X, twins, nnls(getattr(scipy.sparse, form)(X), twins)).max() < TINY


def test_dtypes():
    rng = np.random.default_rng(16)
    X, A = rng.integers(0, 5, (12, 6)), rng.integers(0, 5, (12, 4))
    S = nnls(X.astype(float), A.astype(float))
    for kind, result in (
        (np.int64, np.float64),
        (np.uint8, np.float64),
        (np.float16, np.float32),
        (np.float32, np.float32),
        (np.longdouble, np.float64),
        ('>f8', np.float64),
    ):
        T = nnls(X.astype(kind), A.astype(kind))
        assert T.dtype == result and np.allclose(T, S, atol=1e-5)
    assert nnls(X.astype(np.float32), A.astype(float)).dtype == np.float64
    assert np.allclose(nnls(X.tolist(), A.tolist()), S, atol=1e-12)
    for kind, result in (
        (torch.int32, torch.float64),
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
    ):
        x, a = torch.tensor(X).to(kind), torch.tensor(A).to(kind)
        for f in (nnls, nnls_layer):
            assert f(x, a).dtype == result and np.allclose(f(x, a).numpy(), S, atol=1e-5)


@pytest.mark.parametrize('numba', NUMBA)
def test_shapes(numba):
    X, A = tall(np.random.default_rng(17), 3)
    S = nnls(X, A, numba=numba)
    assert np.allclose(nnls(X[:, 1], A, numba=numba), S[:, 1], atol=1e-13)
    assert nnls(X[:, :0], A, numba=numba).shape == (12, 0) and nnls(X, A[:, :0], numba=numba).shape == (0, 3)
    assert not nnls(X[:0], A[:0], numba=numba).any() and nnls(X[:0], A[:0], numba=numba).shape == (12, 3)
    assert nnls_gram(A.T @ A, (X.T @ A)[:0], numba=numba).shape == (0, 12) and nnls_gram(
        np.eye(0), np.zeros((4, 0)), numba=numba
    ).shape == (4, 0)
    assert np.allclose(nnls(X[:1], A[:1, :1], numba=numba), np.maximum(X[:1] / A[:1, :1], 0))


@pytest.mark.parametrize('numba', NUMBA)
def test_scale(numba):
    X, A = tall(np.random.default_rng(18), 10)
    G, F = A.T @ A, X.T @ A
    S, R = nnls(X, A, numba=numba), nnls_gram(G, F, numba=numba)
    for c in (2.0**-400, 2.0**-3, 2.0**400):
        assert (nnls(X * c, A, numba=numba) == S * c).all() and (nnls(X, A * c, numba=numba) == S / c).all()
        assert (nnls_gram(G, F * c, numba=numba) == R * c).all()
    for c in (1e-300, 1e-30, 1e30, 1e300, 1e307):
        assert np.allclose(nnls(X * c, A, numba=numba) / c, S, rtol=1e-10, atol=1e-13)
    x, a = X.astype(np.float32), A.astype(np.float32)
    for c in (1e-30, 1e30):
        for t in (
            nnls(x * np.float32(c), a, numba=numba) / np.float32(c),
            nnls(x, a * np.float32(c), numba=numba) * np.float32(c),
        ):
            assert np.allclose(t, S, atol=1e-4)


@pytest.mark.parametrize(
    'f, error, match',
    [
        (lambda X, A: nnls(X[1:], A), ValueError, r'X has shape \(39, 3\), A \(40, 12\)'),
        (lambda X, A: nnls(X, A[:, 0]), ValueError, r'A \(40,\); X must be \(m, n\) or \(m,\), A \(m, k\)'),
        (lambda X, A: nnls(X[None], A), ValueError, 'X must be'),
        (
            lambda X, A: nnls(X * np.where(np.arange(40) == 7, np.nan, 1)[:, None], A),
            ValueError,
            r'X has NaN at \(7, 0\)',
        ),
        (
            lambda X, A: nnls(X, A / (np.arange(40) != 2)[:, None]),
            ValueError,
            r'A has an infinite entry at \(2, 0\)',
        ),
        (
            lambda X, A: nnls(torch.tensor(X) * float('nan'), torch.tensor(A)),
            ValueError,
            r'X has NaN at \(0, 0\)',
        ),
        (lambda X, A: nnls(scipy.sparse.csr_array(X * np.inf), A), ValueError, 'X has'),
        (lambda X, A: nnls(torch.tensor(X), A), TypeError, 'X and A must be all NumPy or all torch'),
        (lambda X, A: nnls(X, torch.tensor(A)), TypeError, 'X and A must be all NumPy or all torch'),
        (lambda X, A: nnls(X + 0j, A), TypeError, 'X must hold real numbers'),
        (lambda X, A: nnls(X, A.astype(object)), TypeError, 'A must hold real numbers'),
        (
            lambda X, A: nnls(X, A, support=np.ones((12, 4), bool)),
            ValueError,
            r'support has shape \(12, 4\), the answer has \(12, 3\)',
        ),
        (
            lambda X, A: nnls(X, A, numba='maybe'),
            ValueError,
            "numba must be 'auto', True or False, not 'maybe'",
        ),
        (lambda X, A: nnls_gram(A, X), ValueError, r'G has shape \(40, 12\), F \(40, 3\)'),
        (
            lambda X, A: nnls_gram(A.T @ A, X.T),
            ValueError,
            r'k columns ask for \(k, k\) and \(n, k\) or \(k,\)',
        ),
        (lambda X, A: nnls_gram(-A.T @ A, X.T @ A), ValueError, 'G must be a Gram matrix'),
        (lambda X, A: nnls_gram(np.triu(A.T @ A), X.T @ A), ValueError, 'G must be symmetric'),
        (lambda X, A: nnls_gram(A.T @ A, X.T @ A * np.inf), ValueError, 'F has an infinite entry'),
        (lambda X, A: nnls_gram(A.T @ A * np.nan, X.T @ A), ValueError, 'G has NaN'),
        (
            lambda X, A: nnls_layer(X, A),
            TypeError,
            'X and A must be torch tensors, not ndarray and ndarray; use nnls',
        ),
    ],
)
@pytest.mark.filterwarnings('ignore:(divide by zero|invalid value):RuntimeWarning')
def test_errors(f, error, match):
    X, A = tall(np.random.default_rng(19), 3)
    with pytest.raises(error, match=match):
        f(X, A)


def test_without_numba(monkeypatch):
    def missing(name):
        raise ImportError(f'{name} is not installed and this needs it: pip install {name}')

    monkeypatch.setattr(module, 'need', missing)
    monkeypatch.setattr(module, '_compiled', module._compiled.__wrapped__)
    X, A = tall(np.random.default_rng(20), 5)
    assert (nnls(X, A) == nnls(X, A, numba=False)).all()
    with pytest.raises(ImportError, match='pip install numba'):
        nnls(X, A, numba=True)


def test_import_is_light():
    "Neither torch nor numba comes in with the module."
    code = 'import sys, ntf_lit.nnls; sys.exit(bool({"torch", "numba", "matplotlib"} & set(sys.modules)))'
    assert (
        subprocess.run([sys.executable, '-c', code], env=os.environ | dict(OMP_NUM_THREADS='1')).returncode
        == 0
    )


# --- The gradient ---


def margin(X, A):
    "How far the nearest support change is: the smallest answer on the supports, the smallest slack off them."
    S = nnls(X, A)
    return float(torch.where(S > 0, S, A.T @ (A @ S - X)).abs().min())


def point(m, k, n, seed, least=1e-3):
    "A problem whose supports have a margin; None if a hundred draws do not have it."
    for s in range(100):
        rng = np.random.default_rng([seed, s, m, k, n])
        A = rng.standard_normal((m, k)) + 0.5
        X = A @ (rng.standard_normal((k, n))) + 0.3 * rng.standard_normal((m, n))
        X, A = torch.tensor(X), torch.tensor(A)
        if margin(X, A) > least:
            return X.requires_grad_(), A.requires_grad_()


SHAPES = [(m, k, n) for m in (3, 4, 5, 7, 9) for k in (1, 2, 3) for n in (1, 2, 3, 4)]  # 60


@pytest.mark.parametrize('shape', SHAPES, ids=str)
def test_gradcheck(shape):
    "G1: 60 shapes; NumPy differences of our own would be the same."
    X, A = point(*shape, 0)
    assert torch.autograd.gradcheck(nnls_layer, (X, A))


@pytest.mark.parametrize('seed', range(4))
@pytest.mark.parametrize('numba', NUMBA)
def test_gradcheck_batched(seed, numba):
    "G2: as a batch of torch.func; and through torch's own operations."
    X, A = point(6, 3, 3, seed)
    assert torch.autograd.gradcheck(
        lambda x, a: nnls_layer(x, a, None, numba), (X, A), check_batched_grad=True
    )


@pytest.mark.parametrize('numba', NUMBA)
def test_gradcheck_torch_alone(monkeypatch, numba):
    monkeypatch.setattr(module, 'SMALL', 0)
    for seed, shape in enumerate([(6, 3, 3), (10, 9, 1)]):
        X, A = point(*shape, seed)
        assert torch.autograd.gradcheck(
            lambda x, a: nnls_layer(x, a, None, numba), (X, A), check_batched_grad=True
        )


def test_one_column():
    X, A = point(6, 3, 1, 0)
    x = X[:, 0].detach().requires_grad_()
    assert nnls_layer(x, A).shape == (3,) and torch.autograd.gradcheck(nnls_layer, (x, A))


def test_gradients_not_contiguous():
    "G2: incoming gradients of any layout, and inputs too."
    X, A = point(6, 3, 4, 1)
    S = nnls_layer(X, A)
    g = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for a, b in zip(
        torch.autograd.grad(S, (X, A), g.T, retain_graph=True),
        torch.autograd.grad(S, (X, A), g.T.contiguous(), retain_graph=True),
    ):
        assert (a == b).all()
    ones = torch.autograd.grad(S.sum(), (X, A))  # an expanded gradient: strides of zero
    Xt, At = (v.detach().T.contiguous().T.requires_grad_() for v in (X, A))
    for a, b in zip(torch.autograd.grad(nnls_layer(Xt, At).sum(), (Xt, At)), ones):
        assert torch.allclose(a, b, atol=1e-12)


def test_only_what_is_asked():
    X, A = point(6, 3, 4, 2)
    both = torch.autograd.grad(nnls_layer(X, A).sum(), (X, A))
    assert torch.equal(torch.autograd.grad(nnls_layer(X, A.detach()).sum(), X)[0], both[0])
    assert torch.equal(torch.autograd.grad(nnls_layer(X.detach(), A).sum(), A)[0], both[1])
    assert not nnls_layer(X.detach(), A.detach()).requires_grad


def test_empty_support():
    "G2: nothing positive, nothing moves."
    A = torch.rand(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
    X = (-torch.rand(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))).requires_grad_()
    S = nnls_layer(X, A)
    S.sum().backward()
    assert not S.any() and not X.grad.any() and not A.grad.any()


def test_full_support():
    "G2: the gradient of ordinary least squares."
    rng = np.random.default_rng(21)
    A, S, g = rng.standard_normal((8, 3)), rng.random((3, 4)) + 0.5, rng.standard_normal((3, 4))
    A, X = (
        torch.tensor(A, requires_grad=True),
        torch.tensor(A @ S + 0.01 * rng.standard_normal((8, 4)), requires_grad=True),
    )
    ours = torch.autograd.grad(nnls_layer(X, A), (X, A), torch.tensor(g))
    theirs = torch.autograd.grad(torch.linalg.lstsq(A, X).solution, (X, A), torch.tensor(g))
    for a, b in zip(ours, theirs):
        assert torch.allclose(a, b, rtol=1e-9, atol=1e-10)


def test_dependent_support():
    "Least norm on a support that has no derivative; never an exception."
    rng = np.random.default_rng(22)
    A = rng.random((8, 3))
    A, g = np.hstack([A, A]), rng.standard_normal((6, 5))
    for numba in NUMBA:
        U = nnls_adjoint(A, np.ones((6, 5)), g, numba)
        assert np.allclose(U, np.linalg.pinv(A.T @ A) @ g, atol=1e-9)


@pytest.mark.parametrize(
    'family',
    [wide, wide_normal, duplicates, opposite, zero_columns, condition_1e12, vandermonde],
    ids=lambda f: f.__name__,
)
def test_gradient_is_finite(family):
    X, A = (torch.tensor(v, requires_grad=True) for v in family(np.random.default_rng(23), 10))
    nnls_layer(X, A).sum().backward()
    assert X.grad.isfinite().all() and A.grad.isfinite().all()


def by_pinv(X, A, S, g):
    dX, dA = np.zeros_like(X), np.zeros_like(A)
    for j in range(X.shape[1]):
        P = S[:, j] > 0
        D = np.linalg.pinv(A[:, P])
        v = D.T @ g[P, j]
        dX[:, j] = v
        dA[:, P] += np.outer(X[:, j] - A[:, P] @ S[P, j], D @ v) - np.outer(v, S[P, j])
    return dX, dA


@pytest.mark.parametrize('family', [tall, gaussian, faces, tall_many, few], ids=lambda f: f.__name__)
def test_published_gradient(family):
    "Gao et al. (2019), column by column with pseudoinverses; SciPy's answers; to 1e-12."
    rng = np.random.default_rng(24)
    X, A = family(rng, 60)
    theirs, g = scipy_all(X, A), rng.standard_normal((A.shape[1], 60))
    expected = [theirs, *by_pinv(X, A, theirs, g)]
    for numba in NUMBA:
        S = nnls(X, A, numba=numba)
        for a, b in zip([S, *nnls_gradient(X, A, S, g, numba)], expected):
            assert np.abs(a - b).max() <= 1e-12 * np.abs(b).max()
        Xt, At = (torch.tensor(v, requires_grad=True) for v in (X, A))
        St = nnls_layer(Xt, At, None, numba)
        for a, b in zip([St, *torch.autograd.grad(St, (Xt, At), torch.tensor(g))], expected):
            assert np.abs(a.detach().numpy() - b).max() <= 1e-12 * np.abs(b).max()


def chain(X, *As):
    for A in As:
        X = nnls_layer(X, A)
    return X


@pytest.mark.parametrize('depth', [1, 2, 3, 4])
@pytest.mark.parametrize('seed', range(3))
def test_chain(depth, seed):
    "G3: answers decomposed again. Columns that hold still are far from their supports' changes."
    sizes, rng = (7, 5, 4, 3, 2), np.random.default_rng([25, seed])
    for _ in range(200):
        As = [torch.tensor(rng.random(s) + 0.6 * np.eye(*s)) for s in list(zip(sizes, sizes[1:]))[:depth]]
        x = X = torch.tensor(rng.random((7, 2)) + 0.1)
        margins = []
        for A in As:
            margins.append(margin(x, A))
            x = nnls(x, A)
        if min(margins) > 1e-3 and x.any():
            break
    else:
        pytest.fail('no point with a margin')
    assert torch.autograd.gradcheck(chain, (X.requires_grad_(), *(A.requires_grad_() for A in As)))


@by_name
def test_envelope(family):
    "G4: at the best S the misfit's gradient in A is that with S held fixed."
    if family in (condition_1e12,) or family.__name__.startswith('scale'):
        pytest.skip('the two terms that must cancel are too large')
    X, A = family(np.random.default_rng(26), 15)
    At, Xt = torch.tensor(A, requires_grad=True), torch.tensor(X)
    (0.5 * (Xt - At @ nnls_layer(Xt, At)).square().sum()).backward()
    S = nnls(X, A)
    expected = -(X - A @ S) @ S.T
    assert np.abs(At.grad.numpy() - expected).max() < 1e-10 * max(
        1, np.abs(expected).max(), np.abs(S).max() ** 2
    )


@pytest.mark.parametrize('numba', NUMBA)
def test_kink(numba):
    "G5: exactly at a support change the gradient is that of one of the two sides."
    rng = np.random.default_rng(27)
    for _ in range(30):
        A = rng.standard_normal((6, 3)) + 0.3
        r, v = rng.standard_normal((2, 6))
        x = (
            A @ (np.array([1.0, 2, 0]) * rng.random(3)) + r - A @ np.linalg.lstsq(A, r, rcond=None)[0]
        )  # s_3 = y_3 = 0
        sides = [(nnls(x + e * v, A) - nnls(x, A)) / e for e in (1e-6, -1e-6)]
        t = torch.tensor(x, requires_grad=True)
        J = torch.stack(
            [torch.autograd.grad(nnls_layer(t, torch.tensor(A), None, numba)[i], t)[0] for i in range(3)]
        ).numpy()
        assert any(np.allclose(J @ v, side, atol=1e-4) for side in sides)


def test_second_derivative_raises():
    "G6."
    X, A = point(6, 3, 2, 3)
    (d,) = torch.autograd.grad(nnls_layer(X, A).square().sum(), A, create_graph=True)
    with pytest.raises(RuntimeError, match='once_differentiable'):
        d.sum().backward()


def test_single_precision_layer():
    "G7."
    X, A = tall(np.random.default_rng(28), 20)
    X, A = (torch.tensor(v, requires_grad=True) for v in (X, A))
    x, a = (v.detach().float().requires_grad_() for v in (X, A))
    S, s = nnls_layer(X, A), nnls_layer(x, a)
    S.sum().backward(), s.sum().backward()
    assert s.dtype == x.grad.dtype == a.grad.dtype == torch.float32
    for b, c in ((s, S), (x.grad, X.grad), (a.grad, A.grad)):
        assert torch.allclose(b.double(), c, atol=1e-3 * float(c.detach().abs().max()))
    mixed = nnls_layer(x, A)
    assert mixed.dtype == torch.float64 and torch.autograd.grad(mixed.sum(), x)[0].dtype == torch.float32


@by_name
def test_single_precision(family):
    X, A = family(np.random.default_rng(29), 30)
    if family.__name__.startswith('scale') or family is condition_1e12:
        pytest.skip('beyond the range or the digits of float32')
    for numba in NUMBA:
        S = nnls(X.astype(np.float32), A.astype(np.float32), numba=numba)
        assert S.dtype == np.float32 and (S >= 0).all() and residual(X, A, S.astype(float)).max() < 2e-4


@pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device here')
@by_name
def test_cuda(family):
    X, A = family(np.random.default_rng(30), 30)
    x, a = (torch.tensor(v, device='cuda', requires_grad=True) for v in (X, A))
    S = nnls_layer(x, a)
    S.sum().backward()
    assert (
        S.is_cuda
        and residual(X, A, S.detach().cpu().numpy()).max() < 1e-11
        and x.grad.is_cuda
        and a.grad.isfinite().all()
    )


@pytest.mark.slow
@pytest.mark.filterwarnings('ignore')
def test_compile_falls_back():
    X, A = point(6, 3, 2, 4)
    f = lambda x, a: nnls_layer(x, a).square().sum()
    out = torch.compile(f, backend='eager')(X, A)
    for a, b in zip(torch.autograd.grad(out, (X, A)), torch.autograd.grad(f(X, A), (X, A))):
        assert torch.allclose(a, b, atol=1e-12)


def test_never_stale():
    "P27: in training, the S that is returned belongs to the A that is returned."
    X, A = tall(np.random.default_rng(31), 30)
    X, A = torch.tensor(X), torch.tensor(A, requires_grad=True)
    optimizer, S = torch.optim.SGD([A], lr=1e-3), None
    for _ in range(20):
        optimizer.zero_grad()
        S = nnls_layer(X, A, None if S is None else S.detach())
        assert residual(X.numpy(), A.detach().numpy(), S.detach().numpy()).max() < TINY
        (X - A @ S).square().sum().backward()
        optimizer.step()
    assert residual(X.numpy(), A.detach().numpy(), S.detach().numpy()).max() > 1e-6  # A has moved on
    S = nnls_layer(X, A, S.detach())
    assert np.allclose(S.detach().numpy(), nnls(X.numpy(), A.detach().numpy()), atol=1e-12)


def test_changed_under_way():
    "A that was changed between forward and backward is an error, not a wrong gradient."
    X, A = point(6, 3, 2, 5)
    S = nnls_layer(X, A)
    with torch.no_grad():
        A.add_(1)
    with pytest.raises(RuntimeError, match='modified by an inplace operation'):
        S.sum().backward()


@pytest.mark.slow
def test_many_rows():
    "L4: 100,000 rows of 20 unknowns are a matter of seconds; ten of processor time are allowed."
    import time

    rng = np.random.default_rng(32)
    A = rng.random((60, 20))
    G, F = (
        A.T @ A,
        (rng.random((100_000, 20)) * (rng.random((100_000, 20)) < 0.5)) @ (A.T @ A)
        + 0.3 * rng.standard_normal((100_000, 20)),
    )
    for numba in NUMBA:
        nnls_gram(G, F[:10], numba=numba)
        start = time.process_time()
        S = nnls_gram(G, F, numba=numba)
        assert time.process_time() - start < (10 if numba else 60)
        assert kkt_residual(G, F, S).max() < TINY
