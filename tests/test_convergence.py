"""Convergence: a residual without units that is zero where it should be; races; processes; the warning."""

import time
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

import ntf_lit as nl
from ntf_lit.blocks import RULES
from ntf_lit.divergences import DivergenceModel
from ntf_lit.fit import (
    LEAST_PAY,
    Callback,
    State,
    Stationary,
    Tolerance,
    _ahead,
    _plan,
    advance,
    best_of,
    fit,
)
from ntf_lit.incoming import as_data, as_strata
from ntf_lit.ncpd import NCPDModel
from ntf_lit.penalties import elastic_net
from ntf_lit.result import CP, History, Status, Strata, leaves, rebuild
from ntf_lit.strata_divergence import StrataDivergence
from ntf_lit.stratified import StrataModel
from ntf_lit.tv import tv_penalty
from ntf_lit.weights import WeightedModel, as_weighted

SHAPE, CUT = (9, 7, 6), 4


def low_rank(seed=0, shape=SHAPE, noise=0.2):
    rng = np.random.default_rng(seed)
    letters = 'abcd'[: len(shape)]
    F = [rng.gamma(1.0, 1.0, (d, 2)) for d in shape]
    X = np.einsum(','.join(f'{c}r' for c in letters) + '->' + letters, *F)
    return X + noise * X.mean() * rng.random(shape) + 1e-3 * X.mean()


def models(X, rule='hals', make=lambda A: A):
    "A model of every kind, by name, of the same numbers."
    data, W = as_data(make(X)), np.random.default_rng(5).random(X.shape) + 0.1
    parts, offsets = as_strata([make(X[:CUT]), make(X[CUT:])])
    strata = dict(strata_rank=(1, 1), offsets=tuple(offsets))
    yield 'squares', NCPDModel(data, 2, rule)
    yield 'L1 and L2', NCPDModel(data, 2, rule, penalties=elastic_net(data, 0.02, 0.5))
    yield 'TV', NCPDModel(data, 2, rule, penalties=tv_penalty(data, 'component', 0.01))
    yield 'strata', StrataModel(parts, 2, rule, **strata)
    tv = tv_penalty(parts, 'component', 0.01)
    yield 'strata, TV', StrataModel(parts, 2, rule, penalties=tv, **strata)
    if isinstance(make(X), np.ndarray):
        yield 'weights', WeightedModel(as_weighted(make(X), weights=W), 2, rule)
    if rule == 'mu':
        for beta in (0, 0.5, 1, 1.5):
            yield f'beta {beta}', DivergenceModel(data, 2, beta=beta)
            yield f'strata, beta {beta}', StrataDivergence(parts, 2, beta=beta, **strata)


# --- The residual ---


@pytest.mark.parametrize('rule', RULES)
@pytest.mark.parametrize('exponent', [-60, 33])
def test_the_residual_has_no_units(rule, exponent):
    "X -> cX with c a power of two: the same parameters of the scaled data, the same bits."
    X = low_rank()
    pairs = zip(models(X, rule), models(X * 2.0**exponent, rule))
    for (name, here), (_, there) in pairs:
        p = here.start(np.random.default_rng(0))
        for k in range(7):
            p, _ = here.sweep(p, k)
        assert here.kkt(p) == there.kkt(p), name
        assert np.isfinite(here.kkt(p)) and here.kkt(p) > 0, name


def test_torch_and_numpy_agree_on_it():
    for (name, a), (other, b) in zip(models(low_rank()), models(low_rank(), make=torch.from_numpy)):
        assert name == other
        p, q = a.start(np.random.default_rng(0)), b.start(np.random.default_rng(0))
        assert b.kkt(q) == pytest.approx(a.kkt(p), rel=1e-9)


@pytest.mark.parametrize('rule', RULES)
def test_it_is_zero_at_a_hand_made_minimum(rule):
    "A model with zeros in it, and data that are it: nothing is left over, in floats that are exact."
    H, V = np.array([[1.0, 0], [0, 1], [1, 1]]), np.array([[1.0], [0], [2]])
    W = np.array([[2.0, 0], [0, 1], [1, 0], [1, 1]])
    data = as_data(W @ H.T)
    assert NCPDModel(data, 2, rule).kkt(CP((W * data.scale, H))) == 0
    parts, offsets = as_strata([W[:2] @ H.T + V.T, W[2:] @ H.T])
    model = StrataModel(parts, 2, rule, strata_rank=(1, 1), offsets=tuple(offsets))
    s = parts.scale
    at = Strata((np.stack([V, 0 * V]) * s,), W * s, (H,), tuple(offsets))
    assert model.kkt(at) == 0
    moved = Strata((np.stack([V, 0 * V + 0.1]) * s,), W * s, (H,), tuple(offsets))
    assert model.kkt(moved) > 1e-3


def test_of_total_variation_it_is_zero_at_a_constant():
    "Constant factors of constant data that pay nothing for jumps; and not at the next point."
    X = np.full((4, 4), 2.0)
    data = as_data(X)
    model = NCPDModel(data, 1, penalties=tv_penalty(data, 'normalized', 0.1))
    r = fit(model, max_iter=200, seed=0)
    p = CP((r.params.factors[0] * data.scale, r.params.factors[1]))
    assert model.kkt(p) < 1e-14
    assert model.kkt(CP((p.factors[0] * 1.1, p.factors[1]))) > 1e-3


@pytest.mark.parametrize('beta', [0, 0.5, 1, 1.5])
def test_of_divergences_it_is_zero_where_the_model_is_the_data(beta):
    W, H = np.array([[2.0, 1], [4, 1], [1, 2]]), np.array([[1.0, 2], [1, 1]])
    data = as_data(W @ H.T)
    assert DivergenceModel(data, 2, beta=beta).kkt(CP((W * data.scale, H))) < 1e-15


@pytest.mark.parametrize('name', ['squares', 'L1 and L2', 'strata'])
def test_from_a_stationary_point_l_bfgs_b_finds_nothing_better(name):
    "SciPy's method takes all blocks at once, by differences of the objective; it starts where a fit stopped."
    model = dict(models(low_rank(2, (6, 5, 4))))[name]
    r = fit(model, max_iter=5000, stop=[Stationary(model, 1e-8)], seed=0)
    assert r.status is Status.KKT
    best, early = state_at_the_end(model, 5000), state_at_the_end(model, 8)
    assert gain(model, best) < 1e-10 < 1e-7 < gain(model, early)


def state_at_the_end(model, sweeps):
    "The parameters of the scaled data after at most so many sweeps, by the loop itself."
    kept = []

    class Keep(Callback):
        def after_sweep(self, state):
            kept[:] = [state.params]

    fit(model, max_iter=sweeps, stop=[Stationary(model, 1e-8)], seed=0, callbacks=[Keep()])
    return kept[0]


def gain(model, params):
    "By what part of itself L-BFGS-B lowers the objective."
    arrays = leaves(params)
    ends = np.cumsum([a.size for a in arrays])[:-1]

    def f(z):
        parts = [v.reshape(a.shape) for v, a in zip(np.split(z, ends), arrays)]
        return model.objective(rebuild(params, parts))

    z = np.concatenate([a.ravel() for a in arrays])
    options = dict(maxiter=100, maxfun=10**6, ftol=1e-14, gtol=1e-12)
    end = minimize(f, z, method='L-BFGS-B', bounds=[(0, None)] * z.size, options=options)
    return (f(z) - end.fun) / f(z)


@pytest.mark.parametrize('rule', ['hals', 'nnls'])
def test_all_kinds_get_there(rule):
    for name, model in models(low_rank(1, (6, 5, 4)), rule):
        r = fit(model, max_iter=5000, stop=[Stationary(model, 1e-8)], seed=0)
        assert r.status is Status.KKT, name


# --- The safeguard ---


def test_a_step_that_did_not_pay_is_not_gone_on_from():
    p, before = (np.array([1.0, 2.0]),), (np.array([1e6, 2.0]),)
    length = (1e6 - 1) ** 2
    state = lambda paid: State(p, 1e6, History((1e6 + paid, 1e6), (0.0, 0.0)), 7, before=before)
    assert _ahead(state(0.5 * LEAST_PAY * length)) is None
    assert _ahead(state(1.1 * LEAST_PAY * length)) is not None


def test_refused_extrapolations_are_plain_sweeps():
    "Where the last step did not pay, the iteration is a sweep from where the fit stands, to the last bit."
    model = NCPDModel(as_data(low_rank()), 2)
    p = model.start(np.random.default_rng(0))
    for k in range(8):
        before, (p, f) = p, model.sweep(p, k)
    still = State(p, f, History((f, f), (0.0, 0.0)), 8, before=before)
    params, objective, changes = advance(model, still)
    plain, value = model.sweep(p, 8)
    assert changes == {} and objective == value
    assert all((a == b).all() for a, b in zip(leaves(params), leaves(plain)))


# --- Many sweeps ---


def test_a_history_takes_constant_time():
    "Forty thousand entries one by one: the last thousand take no longer than a few times the first."

    def thousand(h):
        begin = time.process_time()
        for i in range(1000):
            h = h.add(1.0 / (i + 1), 0.0)
        return h, time.process_time() - begin

    h, spans = History(), []
    for _ in range(40):
        h, span = thousand(h)
        spans.append(span)
    assert len(h) == 40_000
    assert min(spans[-5:]) < 5 * min(spans[:5])


def test_what_users_hold_does_not_change():
    seen = []

    class Hold(Callback):
        def after_sweep(self, state):
            seen.append((state.history, tuple(state.history.objective)))

    r = fit(NCPDModel(as_data(low_rank()), 2), max_iter=9, seed=0, callbacks=[Hold()])
    assert [len(h) for h, _ in seen] == list(range(2, 11))
    assert all(h.objective == was for h, was in seen)
    assert type(r.history.objective) is tuple and type(r.history.seconds) is tuple
    with pytest.raises(TypeError):
        seen[0][0].objective[0] = 0.0


# --- Races and processes ---


def same(a, b):
    return a.n_iter == b.n_iter and all((x == y).all() for x, y in zip(leaves(a.params), leaves(b.params)))


@pytest.mark.parametrize('rule', RULES)
def test_one_start_is_as_it_was(rule):
    for name, model in models(low_rank(), rule):
        assert same(best_of(model, 1, seed=4, max_iter=70), fit(model, seed=4, max_iter=70)), name


@pytest.mark.parametrize('rule', RULES)
def test_the_winner_of_a_race_is_one_of_its_starts(rule):
    "Raced, it is bit for bit the fit of its own seed, and the same seed gives the same bits."
    pace = 4 if rule == 'mu' else 1
    for name, model in models(low_rank(), rule):
        if name not in dict(mu=('squares', 'strata', 'beta 1'), nnls=('squares',)).get(rule, name):
            continue
        how = dict(max_iter=60 * pace, stop=[Tolerance(1e-5)])
        won = best_of(model, 2, seed=3, **how)
        count, legs = _plan(model, 2, how['max_iter'])
        assert (count, len(legs)) == (10, 3)
        alone = [fit(model, seed=rng, **how) for rng in np.random.default_rng(3).spawn(count)]
        assert sum(same(won, r) for r in alone) >= 1, name
        assert same(won, best_of(model, 2, seed=3, **how)), name


def test_short_fits_do_not_race():
    model = NCPDModel(as_data(low_rank()), 2)
    alone = [fit(model, seed=rng, max_iter=15) for rng in np.random.default_rng(0).spawn(4)]
    assert same(best_of(model, 4, seed=0, max_iter=15), min(alone, key=lambda r: r.objective))


@pytest.mark.parametrize(
    'kind', ['numpy', *(pytest.param(kind, marks=pytest.mark.slow) for kind in ('torch', 'float32'))]
)
def test_processes_give_the_same_bits(kind):
    make = dict(numpy=lambda A: A, torch=torch.from_numpy, float32=lambda A: A.astype(np.float32))[kind]
    for rule in ('hals', 'mu'):
        for name, model in models(low_rank(), rule, make):
            if name not in ('squares', 'strata', 'TV', 'beta 1', 'weights')[: None if kind == 'numpy' else 2]:
                continue
            for sweeps in (12, 240):  # without a race and with one
                how = dict(seed=1, max_iter=sweeps, stop=[Tolerance(1e-4)])
                assert same(best_of(model, 2, n_jobs=2, **how), best_of(model, 2, **how)), (name, sweeps)


def test_large_data_reach_processes_as_maps():
    "A megabyte and more is mapped, not pickled, into each process; the bits are the same."
    model = NCPDModel(as_data(low_rank(shape=(70, 60, 50))), 2)
    how = dict(seed=0, max_iter=8)
    assert same(best_of(model, 2, n_jobs=2, **how), best_of(model, 2, **how))


X2, X3 = low_rank(shape=(12, 8)), low_rank()


@pytest.mark.parametrize(
    'make, X',
    [
        (lambda **kw: nl.NMF(2, **kw), X2),
        (lambda **kw: nl.NCPD(2, **kw), X3),
        (lambda **kw: nl.StratifiedNMF(2, **kw), [X2[:5], X2[5:]]),
        (lambda **kw: nl.StratifiedNTF(2, **kw), [X3[:4], X3[4:]]),
        (lambda **kw: nl.HNMF((3, 2), **kw), X2),
        (lambda **kw: nl.HNCPD((3, 2), **kw), X3),
        (lambda **kw: nl.HNTF((3, 2), **kw), X3),
    ],
)
def test_estimators_with_processes(make, X):
    how = dict(n_init=2, random_state=0, max_iter=80)
    one, two = make(**how).fit(X), make(n_jobs=2, **how).fit(X)
    assert one.n_iter_ == two.n_iter_
    assert np.array_equal(one.relative_error_, two.relative_error_)
    with pytest.raises(ValueError, match='n_jobs=2 runs starts in other processes'):
        make(n_jobs=2, progress=True, **how).fit(X)
    with pytest.raises(TypeError, match='n_jobs must be None or a whole number'):
        make(n_jobs='all', **how).fit(X)
    with pytest.warns(ConvergenceWarning, match='Maximum number of iterations 3 reached'):
        make(random_state=0, max_iter=3, on_max_iter='warn').fit(X)
    with pytest.raises(ValueError, match='on_max_iter'):
        make(on_max_iter=True).fit(X)
    with warnings.catch_warnings(action='error'):
        make(random_state=0, max_iter=3).fit(X)


@pytest.mark.parametrize('after', [3, 40, 130])
def test_an_interrupted_race_gives_its_best(after):
    "Ctrl-C in the first leg, in the second, near the end: the best so far, and it says so."
    inner, count = NCPDModel(as_data(low_rank()), 2), [0]

    class Stops(NCPDModel):
        def sweep(self, p, k=0):
            count[0] += 1
            if count[0] == after:
                raise KeyboardInterrupt
            return inner.sweep(p, k)

    r = best_of(Stops(inner.data, 2), 2, seed=0)
    assert r.status is Status.INTERRUPTED and np.isfinite(r.objective)
    assert r.objective <= r.history.objective[0]


def test_a_start_that_ends_early_keeps_its_place():
    "Exact data: starts that fit to rounding in the first legs win."
    X = low_rank(noise=0.0)
    r = best_of(NCPDModel(as_data(X - X.min() + 1e-9), 3), 2, seed=0, max_iter=3000)
    alone = fit(replace(r.model), seed=0, max_iter=3000)
    assert r.relative_error <= alone.relative_error + 1e-12
