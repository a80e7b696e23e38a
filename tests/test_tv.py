"""Total variation (22_tv): the string, descent of every block, limits of the weight, units, the paper's rule.

The objective tested is the exact one: half the squared error plus the penalty, the absolute value as it is.
Nothing is smoothed. All tolerances are relative.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from scipy.optimize import lsq_linear

from ntf_lit import tv
from ntf_lit.blocks import RULES, charged_blocks, prepared
from ntf_lit.synthetic import digits_watermarked
from ntf_lit.fit import fit
from ntf_lit.incoming import as_data, as_strata
from ntf_lit.ncpd import NCPDModel, SupervisedModel, Targets
from ntf_lit.result import leaves
from ntf_lit.score import image_tv
from ntf_lit.stratified import StrataModel, best_weights
from ntf_lit.tensor import COO, Masked, khatri_rao
from ntf_lit.tv import (
    TVBlock,
    best_rows,
    choose_lambda,
    component_tv,
    jump_slope,
    normalized_tv,
    pull_tight,
    smooth_modes,
    smooth_rows,
    split_entries,
    topic_tv,
    total_variation,
    tv_hals,
    tv_mu,
    tv_penalty,
)

DESCENDING = 'component', 'normalized'
EPS = np.finfo(float).eps
seeds = st.integers(0, 10**6)
some = settings(max_examples=max(16, settings.default.max_examples // 3))
# Drawn masks may hide a whole slice: the properties hold there too, so the warning that says so is expected
holes = pytest.mark.filterwarnings('ignore:mask hides all')


def slack(objective, square):
    """What a sum of squares may differ by: 1e-12 of itself, and what rounding the residual does to it.

    Entries of size |x| are rounded by eps |x|, which is all that is left of the residual of an exact fit."""
    return 1e-12 * objective + 8 * EPS * (np.sqrt(objective * square) + EPS * square)


# --- Drawing problems ---


def strata(rng, sizes, dims, zeros=0.0):
    "Rough tensors with something low-rank in them."
    F = [rng.random((sum(sizes), 2)), *(np.cumsum(rng.random((d, 2)) < 0.4, 0) + 0.1 for d in dims)]
    X = khatri_rao(F).sum(1).reshape(-1, *dims)
    X = (X / X.mean() + rng.random(X.shape)) * (rng.random(X.shape) >= zeros)
    return np.split(X, np.cumsum(sizes)[:-1])


def build(
    A, mask=None, rank=3, rule='hals', ranks=1, init='random', topics=None, tv='component', weight=0.0, **kw
):
    "A model with the penalty of that name, or none."
    data, offsets = as_strata(A, mask=mask)
    ranks = (ranks,) * len(A) if isinstance(ranks, int) else ranks
    penalties = tv_penalty(data, tv, weight, **kw)
    strata = dict(strata_rank=ranks, offsets=tuple(offsets), topics=topics)
    return StrataModel(data, rank, rule, init=init, penalties=penalties, **strata)


@st.composite
def models(draw, tvs=DESCENDING, low=-3, high=3, masked=True):
    "A model with a weight between 10**low and 10**high, its data, their mask, and what it pays for."
    rng = np.random.default_rng(draw(seeds))
    dims = tuple(draw(st.lists(st.integers(1, 6), min_size=1, max_size=3)))
    sizes, shapes = draw(st.sampled_from([(6,), (4, 1, 3)])), None
    if draw(st.booleans()):
        dims, shapes = (6, *dims[1:]), {1: draw(st.sampled_from([(2, 3), (3, 2), (6, 1)]))}
    A = strata(rng, sizes, dims, draw(st.sampled_from([0.0, 0.3])))
    mask = [rng.random(a.shape) < 0.8 for a in A] if masked and draw(st.booleans()) else None
    A[0].reshape(-1)[0] = 1.0
    for m in mask or []:
        m.reshape(-1)[0] = True  # something of each stratum is seen
    on = draw(st.one_of(st.none(), st.sets(st.integers(1, len(dims))).map(tuple)))
    kind = draw(st.sampled_from(tvs))
    rule = 'mu' if kind == 'paper' else draw(st.sampled_from(tuple(RULES)))
    ranks = tuple(draw(st.lists(st.integers(0, 2), min_size=len(A), max_size=len(A))))
    relative = draw(st.booleans())
    rank = draw(st.integers(1, 3))
    weight = 10.0 ** draw(st.floats(low, high))
    paid = dict(tv=kind, weight=weight, modes=on, shapes=shapes, relative=relative)
    return build(A, mask, rank, rule, ranks, **paid), A, mask, paid


def penalty(m, p, tv, weight, modes, shapes, relative):
    "The penalty of parameters in the units of the data, from the definition, each component formed in full."
    order, total = len(p.H), 0.0
    size = math.sqrt(m.data.square) / m.data.scale
    count = m.data.mask.sum() if hasattr(m.data, 'mask') else math.prod(m.data.shape)
    unit = size / math.sqrt(count) if tv == 'component' else size**2
    lam = weight * unit if relative else weight
    grids = {k: (shapes or {}).get(k, (p.H[k - 1].shape[0],)) for k in range(1, order + 1)}
    on = range(1, order + 1) if modes is None else modes
    for j in range(p.H[0].shape[1]):
        for k in on:
            h = p.H[k - 1][:, j].reshape(grids[k])
            if tv == 'component':
                h = np.multiply.outer(
                    khatri_rao([p.W[:, [j]], *(H[:, [j]] for l, H in enumerate(p.H, 1) if l != k)])[:, 0], h
                )
            if tv == 'normalized':
                h = h / max(np.sqrt((h * h).sum()), 1e-300)
            first = h.ndim - len(grids[k])
            total += sum(np.abs(np.diff(h, axis=a)).sum() for a in range(first, h.ndim))
    return lam * total


# --- The string ---

rows = st.tuples(st.integers(1, 30), seeds, st.floats(-6, 4))


def drawn_row(d, seed, log_price):
    rng = np.random.default_rng(seed)
    return (
        rng.random((4, d)) * 10.0 ** rng.integers(-3, 3, (4, d)) + 1e-3,
        rng.normal(size=(4, d)),
        10.0**log_price * np.ones(4),
    )


@given(rows)
def test_the_string_is_the_minimum(row):
    "KKT: U stays in the tube, and bends up at the ceiling and down at the floor only."
    a, b, c = drawn_row(*row)
    x = pull_tight(a, b, c)
    z = (np.cumsum(a * x, 1) - np.cumsum(b, 1)) / c[:, None]
    slack = 1e-10 * (1 + np.abs(b).sum(1, keepdims=True) / c[:, None])
    jump = np.sign(np.diff(x, axis=1))
    assert (
        (abs(z) <= 1 + slack).all()
        and (abs(z[:, -1:]) <= slack).all()
        and (abs(jump * (z[:, :-1] - jump)) <= slack).all()
    )


@given(st.integers(2, 12), seeds, st.floats(-3, 1))
def test_the_string_against_a_dual_solver(d, seed, log_price):
    b, c = np.random.default_rng(seed).normal(size=d), 10.0**log_price
    D = np.diff(np.eye(d), axis=0)
    z = lsq_linear(D.T, b, (-c, c), method='bvls', tol=1e-14).x
    assert np.allclose(pull_tight(1.0, b[None], c)[0], b - D.T @ z, atol=1e-8)


@given(rows)
def test_the_string_does_as_it_should(row):
    a, b, c = drawn_row(*row)
    x = pull_tight(a, b, c)
    plain = np.empty_like(x)
    tv._pull(a, b, c, plain)
    assert (x == plain).all()  # compiled or not
    assert (pull_tight(2.0**40 * a, 2.0**40 * b, 2.0**40 * c) == x).all()  # units
    assert np.allclose(pull_tight(a[:, ::-1], b[:, ::-1], c)[:, ::-1], x, rtol=1e-9, atol=1e-9)
    assert np.allclose((a * x).sum(1), b.sum(1), atol=1e-9 * np.abs(b).sum())  # nothing is lost
    assert (total_variation(x.T) <= total_variation((b / a).T) * (1 + 1e-9)).all()
    assert (np.ptp(pull_tight(a, b, 1e9), axis=1) == 0).all()


@given(st.tuples(st.integers(1, 4), st.integers(1, 5)), seeds, st.floats(-3, 1))
def test_grids(grid, seed, log_price):
    rng = np.random.default_rng(seed)
    d = math.prod(grid)
    a, b, c = rng.random((3, d)) + 0.1, rng.normal(size=(3, d)), 10.0**log_price * np.ones(3)
    cost = lambda x: (0.5 * a * x * x - b * x).sum(1) + c * total_variation(x.T, grid)
    *_, x = smooth_rows(a, b, c, grid)
    assert (x >= 0).all() and np.allclose(total_variation(x.T, grid), image_tv(x.reshape(3, *grid)))
    near = [
        np.maximum(x + 10.0 ** rng.uniform(-3, 0) * rng.normal(size=x.shape) * (rng.random(x.shape) < 0.5), 0)
        for _ in range(30)
    ]
    for y in (*near, np.maximum(b / a, 0), np.zeros_like(x)):
        assert (cost(y) >= cost(x) - 1e-6 * (1 + abs(cost(x)))).all()
    if 1 in grid:
        assert np.allclose(x, *smooth_rows(a, b, c), atol=1e-9)
    q = TVBlock(None, None, grid=grid)
    old = np.abs(rng.normal(size=x.shape))
    assert (cost(best_rows(a, b, c, q, old)) <= cost(old)).all()


@given(st.integers(1, 6), seeds, st.floats(-2, 1))
def test_the_sphere(d, seed, log_price):
    "p/|p| is lowest of all unit vectors; where p is zero the column stays."
    rng = np.random.default_rng(seed)
    s, c = rng.normal(size=(1, d)), 10.0**log_price * np.ones(1)
    q, old = TVBlock(None, None, unit=True), np.full((1, d), d**-0.5)
    x = best_rows(1.0, s, c, q, old)
    assert abs((x * x).sum() - 1) < 1e-12
    phi = lambda x: -x @ s[0] + c * total_variation(x.T)
    others = np.abs(rng.normal(size=(500, d))) * (rng.random((500, d)) < 0.7) + 1e-9
    others /= np.sqrt((others * others).sum(1, keepdims=True))
    (p,) = smooth_rows(1.0, s, c)
    if p.any():
        assert phi(x) <= min(phi(others).min(), phi(old)) + 1e-12
    else:
        assert (x == old).all()


# --- The penalties ---


@holes
@given(models(tvs=(*DESCENDING, 'paper')))
def test_objective_is_what_it_says(case):
    "P3: the history, `objective` and the definition agree; the relative error is that of the model alone."
    m, A, mask, paid = case
    r = fit(m, max_iter=6, seed=0)
    p = r.params
    seen = mask or [np.ones(a.shape, bool) for a in A]
    left = sum((((a - p.full(s)) * k) ** 2).sum() for s, (a, k) in enumerate(zip(A, seen)))
    norm = sum(((a * k) ** 2).sum() for a, k in zip(A, seen))
    want = 0.5 * left + penalty(m, p, **paid)
    assert math.isclose(r.objective, want, rel_tol=1e-9, abs_tol=1e-9 * norm) and math.isclose(
        min(r.history.objective), r.objective, rel_tol=1e-12
    )
    assert math.isclose(r.relative_error, math.sqrt(left / norm), rel_tol=1e-6, abs_tol=1e-6)
    assert all((x >= 0).all() and np.isfinite(x).all() for x in leaves(p))


def test_penalties_and_scale_of_factors():
    "No rescaling of factors changes the two that descend; the paper's falls with it."
    rng = np.random.default_rng(0)
    H, grids = [rng.random((d, 3)) for d in (4, 6, 5)], {1: None, 2: (2, 3)}
    other = [2 * H[0], 0.1 * H[1], H[2] / 0.2]
    assert np.allclose(component_tv(other, grids), component_tv(H, grids)) and np.allclose(
        normalized_tv(other, grids), normalized_tv(H, grids)
    )
    assert (topic_tv([0.5 * h for h in H], grids) == 0.5 * topic_tv(H, grids)).all()
    assert (total_variation(H[0][:1]) == 0).all()


@given(st.integers(1, 12), seeds)
def test_jump_slope_is_a_subgradient(d, seed):
    "TV(y) >= TV(x) + <g, y - x> for all y: the line lies below, so it is no bound to descend by."
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 4, (d, 2)) * 1.0, rng.random((d, 2)) * 4
    for grid in [None] + [(d // 2, 2)] * (d % 2 == 0):
        assert (
            total_variation(y, grid)
            >= total_variation(x, grid) + (jump_slope(x, grid) * (y - x)).sum(0) - 1e-12
        ).all()


# --- Descent ---


@holes
@settings(max_examples=max(50, settings.default.max_examples))
@given(models(), st.sampled_from([0, 99]))
def test_every_block_descends(case, k):
    """P2: to 1e-12 of the objective, for weights from 1e-3 to 1e3; block and objective change alike.

    With missing entries every block of the filled data descends, and the objective stays below their sum."""
    m, _, mask, _ = case
    p = prepared(m, m.start(np.random.default_rng(1)))
    for _ in range(3):
        F, V = m.parts(p)
        before = m.objective(p)
        bound = before
        for block, t, q in charged_blocks(m, p, F, V):
            old = q.value(block[t])
            size = before + abs(
                old
            )  # a block's value lacks a constant, so it is not small where the objective is
            new = m.update(block[t], q, k)
            change = q.value(new) - old
            block[t] = new
            p = m.joined(F, V)
            after = m.objective(p)
            assert (new >= 0).all() and np.isfinite(new).all()
            bound += change
            assert change <= 1e-12 * size
            if mask is None:
                assert (
                    after <= before + slack(before, m.data.square)
                    and abs(after - before - change) <= 1e-9 * size
                )
            else:
                assert (
                    after <= bound + 1e-12 * size
                )  # data filled at the start of the sweep: a bound that touches the objective there
            before = after


@holes
@some
@given(models())
def test_fits_descend(case):
    "Extrapolated sweeps and warming up included."
    m = case[0]
    h = np.array(fit(m, max_iter=25, seed=0).history.objective)
    assert (np.diff(h) <= slack(h[:-1], m.data.square / m.data.scale**2)).all()


@pytest.mark.parametrize('unit', [False, True])
@pytest.mark.parametrize('grid', [None, (3, 4)])
def test_rules_agree_on_a_block(unit, grid):
    "Both rules come to a point that neither moves; without the sphere to the same one."
    rng = np.random.default_rng(0)
    X, F = rng.random((12, 9)), rng.random((9, 3))
    B = rng.random((12, 3))
    B = B / np.sqrt((B * B).sum(0)) if unit else B
    q = TVBlock(F.T @ F, X @ F, 0.1 * rng.random((12, 3)), np.array([0.1, 0.5, 2.0]), grid, unit)
    exact = tv_hals(B, q, 100)
    assert q.value(tv_mu(exact, q, 50)) >= q.value(exact) - 1e-10 * abs(q.value(exact))
    if not unit:
        assert math.isclose(q.value(exact), q.value(tv_mu(B, q, 300)), rel_tol=1e-10)


def test_a_zero_can_follow_its_neighbours():
    "An entry at zero is not stuck there, as under the plain multiplicative update."
    B = np.array([[1.0], [0.0], [1.0]])
    q = TVBlock(np.eye(1), np.ones((3, 1)), None, np.array([0.1]))
    for rule in (tv_mu, tv_hals):
        assert np.allclose(rule(B, q, 200), 1.0, atol=1e-3)


# --- Every model carries it ---


@pytest.mark.parametrize('rule', RULES)
@pytest.mark.parametrize('kind', DESCENDING)
@pytest.mark.parametrize('dims', [(6,), (4, 5), (3, 2, 4)])
def test_ncpd_is_strata_without_features(rule, kind, dims):
    "The same sweeps from the same start, with missing entries too; and held to what the definition says."
    rng = np.random.default_rng(0)
    (A,) = strata(rng, (7,), dims)
    W, H = rng.random((7, 2)), [rng.random((d, 2)) for d in dims]
    for mask in (None, [rng.random(A.shape) < 0.8]):
        init = [[np.zeros((d, 0)) for d in dims]], [W], H
        m = build([A], mask, 2, rule, 0, init=init, tv=kind, weight=0.05)
        ncpd = NCPDModel(m.data, 2, rule, init=[W, *H], penalties=m.penalties)
        a, b = fit(m, max_iter=8), fit(ncpd, max_iter=8)
        for x, y in zip([a.params.W, *a.params.H], b.params.factors):
            assert np.allclose(x, y, rtol=1e-7, atol=1e-9)
        assert np.allclose(a.history.objective, b.history.objective, rtol=1e-10)
        paid = dict(tv=kind, weight=0.05, modes=None, shapes=None, relative=True)
        seen = np.ones(A.shape, bool) if mask is None else mask[0]
        left = 0.5 * ((A - b.params.full())[seen] ** 2).sum()
        assert math.isclose(b.objective, left + penalty(m, a.params, **paid), rel_tol=1e-9)


@pytest.mark.parametrize('rule', RULES)
def test_labels_and_jumps_descend(rule):
    rng = np.random.default_rng(0)
    X, labels = rng.random((9, 12)), Targets(np.eye(3)[rng.integers(0, 3, 9)], rng.random(9) < 0.7, 2.0)
    for data in (as_data(X), as_data(X, rng.random(X.shape) < 0.9), as_data(torch.from_numpy(X))):
        for shapes in (None, {1: (3, 4)}):
            penalties = tv_penalty(data, 'component', 0.1, shapes=shapes)
            m = SupervisedModel(data, 2, rule, penalties=penalties, labels=labels)
            h = np.array(fit(m, max_iter=16, seed=0).history.objective)
            assert (np.diff(h) <= 1e-12 * h[0]).all()
            p = m.start(np.random.default_rng(0))
            for k in range(7):
                p, objective = m.sweep(p, k)
            assert math.isclose(objective, m.objective(p), rel_tol=1e-9)


def test_one_price_per_mode():
    data = as_data(np.random.default_rng(0).random((4, 6, 5)))
    twice = tv_penalty(data, 'component', 0.1) + tv_penalty(data, 'normalized', 0.1)
    with pytest.raises(ValueError, match='a mode can be charged for its jumps by one penalty only'):
        fit(NCPDModel(data, 2, penalties=twice), max_iter=1)
    apart = tv_penalty(data, 'component', 0.1, 1) + tv_penalty(data, 'normalized', 0.1, 2)
    h = np.array(fit(NCPDModel(data, 2, penalties=apart), max_iter=30, seed=0).history.objective)
    assert (np.diff(h) <= 1e-12 * h[0]).all()


# --- Limits of the weight ---


@pytest.mark.parametrize('rule', RULES)
@pytest.mark.parametrize('dims', [(6,), (4, 5), (3, 2, 4)])
@pytest.mark.parametrize('kind', [*DESCENDING, None])
def test_no_weight_is_no_penalty(rule, dims, kind):
    "S10: the same bits as a `StrataModel` from the same seed."
    A = strata(np.random.default_rng(0), (5, 3), dims)
    m = build(A, rule=rule, ranks=(2, 0), tv=kind, weight=0.0 if kind else 1.0)
    plain = StrataModel(m.data, 3, rule, strata_rank=(2, 0), offsets=m.offsets)
    a, b = fit(m, max_iter=14, seed=0), fit(plain, max_iter=14, seed=0)
    assert a.history.objective == b.history.objective and all(
        (x == y).all() for x, y in zip(leaves(a.params), leaves(b.params))
    )


@pytest.mark.parametrize('rule', RULES)
@pytest.mark.parametrize(
    'dims,shapes', [((8,), None), ((12,), {1: (3, 4)}), ((6, 5), None), ((4, 3, 4), None)]
)
@pytest.mark.parametrize('kind', DESCENDING)
def test_a_great_weight_makes_topics_constant(rule, dims, shapes, kind):
    "S11: exactly on lines; and as good as the best constant topics, no component is lost on the way."
    A = strata(np.random.default_rng(0), (5, 3), dims)
    r = fit(build(A, rule=rule, ranks=0, tv=kind, weight=1e3, shapes=shapes), max_iter=100, seed=0)
    for h in r.params.H:
        assert (total_variation(h) <= (1e-9 if shapes else 0.0) * h.sum(0)).all()
    for s, a in enumerate(A):
        mean = a.mean(tuple(range(1, a.ndim)), keepdims=True)
        assert np.allclose(r.params.full(s), mean + 0 * a, rtol=1e-4)


def test_modes_are_chosen():
    A = strata(np.random.default_rng(0), (7,), (6, 5))
    for kind in DESCENDING:
        for t in (1, 2):
            H = fit(build(A, ranks=0, tv=kind, weight=1e3, modes=t), max_iter=60, seed=0).params.H
            assert (total_variation(H[t - 1]) == 0).all() and total_variation(H[2 - t]).max() > 0
        off = fit(build(A, tv=kind, weight=1.0, modes=()), max_iter=14, seed=0)
        assert np.allclose(
            off.history.objective, fit(build(A, tv=None), max_iter=14, seed=0).history.objective, rtol=1e-10
        )


def test_more_weight_less_variation():
    A = strata(np.random.default_rng(3), (12,), (10, 9))
    for kind, grids in ((k, {1: None, 2: None}) for k in DESCENDING):
        fits = [
            fit(build(A, tv=kind, weight=w, ranks=0), max_iter=60, seed=0).params for w in (1e-3, 1e-2, 1e-1)
        ]
        v = [
            float(
                (p.W.sum(0) * component_tv(p.H, grids)).sum()
                if kind == 'component'
                else normalized_tv(p.H, grids).sum()
            )
            for p in fits
        ]
        assert v[0] > v[1] > v[2]


# --- Units ---


@holes
@settings(max_examples=20)
@given(models(tvs=(*DESCENDING, 'paper'), low=-2, high=0), st.integers(-90, 90))
def test_units(case, e):
    "P6: the fit of cA from the same start is the scaled fit, bit for bit for powers of two."
    m, A, mask, paid = case
    power = 1 if paid['tv'] == 'component' else 2
    start = m.finish(m.start(np.random.default_rng(0)), 0.0)[0]  # in the units of A

    def fitted(c):
        settings = paid if paid['relative'] else paid | dict(weight=paid['weight'] * c**power)
        init = replace(start, W=c * start.W, V=(c * start.V[0], *start.V[1:]))
        return fit(
            build([c * a for a in A], mask, m.rank, m.rule, m.strata_rank, init=init, **settings), max_iter=13
        ).params

    one, two = fitted(1.0), fitted(2.0**e)
    assert all((a == b).all() for a, b in zip(one.H, two.H)) and (two.W == 2.0**e * one.W).all()
    if m.rule == 'mu':
        for c in (1e-30, 1e30):
            assert np.allclose(fitted(c).full(0) / c, one.full(0), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize('kind', [*DESCENDING, 'paper'])
def test_twice_the_samples(kind):
    "P12: a relative weight means the same when every sample is there twice."
    A = strata(np.random.default_rng(0), (5, 3), (4, 5))
    rng = np.random.default_rng(1)
    V, W, H = (
        [[rng.random((d, 1)) for d in (4, 5)] for _ in A],
        [rng.random((len(a), 2)) for a in A],
        [rng.random((d, 2)) for d in (4, 5)],
    )
    twice = lambda X: [np.concatenate([x, x]) for x in X]
    once = fit(build(A, rank=2, rule='mu', tv=kind, weight=0.05, init=(V, W, H)), max_iter=20).params
    both = fit(
        build(twice(A), rank=2, rule='mu', tv=kind, weight=0.05, init=(V, twice(W), H)), max_iter=20
    ).params
    for a, b in zip(once.H, both.H):
        assert np.allclose(a, b, rtol=1e-9)


# --- Kinds of data ---


@pytest.mark.parametrize('kind', [*DESCENDING, 'paper'])
@pytest.mark.parametrize('dims', [(6,), (4, 5)])
def test_torch_sparse_and_float32(kind, dims):
    rule = 'mu' if kind == 'paper' else 'hals'
    A = strata(np.random.default_rng(0), (5, 3), dims, 0.5)
    kw = dict(rule=rule, tv=kind, weight=0.02)
    want = fit(build(A, **kw), max_iter=14, seed=0).params
    other = fit(build([torch.from_numpy(a) for a in A], **kw), max_iter=14, seed=0).params
    assert all(isinstance(x, torch.Tensor) for x in leaves(other)) and np.allclose(
        other.full(1).numpy(), want.full(1), rtol=1e-8, atol=1e-9
    )
    coo = fit(
        build([COO(np.array(a.nonzero()), a[a > 0], a.shape) for a in A], **kw), max_iter=14, seed=0
    ).params
    assert np.allclose(coo.full(1), want.full(1), rtol=1e-8, atol=1e-9)
    small = fit(build([a.astype(np.float32) for a in A], **kw), max_iter=14, seed=0)
    assert {x.dtype for x in leaves(small.params)} == {np.dtype('float32')}
    assert np.allclose(small.params.full(1), want.full(1), rtol=0.05, atol=0.01)


def test_nothing_of_the_callers_changes():
    rng = np.random.default_rng(0)
    A = strata(rng, (5, 3), (4, 5))
    start = (
        [[rng.random((d, 1)) for d in (4, 5)] for _ in A],
        [rng.random((len(a), 3)) for a in A],
        [rng.random((d, 3)) for d in (4, 5)],
    )
    arrays = [*A, *start[0][0], *start[0][1], *start[1], *start[2]]
    state = np.random.get_state()[1].copy()
    for a in arrays:
        a.setflags(write=False)
    for kind in (*DESCENDING, 'paper'):
        fit(build(A, rule='mu', tv=kind, weight=0.1, init=start), max_iter=3)
    assert (np.random.get_state()[1] == state).all()


def test_a_mask_of_ones_is_no_mask():
    A = strata(np.random.default_rng(0), (5, 3), (4, 5))
    for kind in DESCENDING:
        model = build(A, tv=kind, weight=0.05)
        d = model.data
        masked = replace(model, data=Masked(d.arrays, d.scale, d.square, np.ones(d.shape, bool)))
        a, b = (fit(m, max_iter=13, seed=0).params for m in (model, masked))
        assert np.allclose(a.full(0), b.full(0), rtol=1e-9)


def test_topics_that_are_kept():
    "Held topics stay as they are, and the weights still pay for them."
    A = strata(np.random.default_rng(0), (6,), (4, 5))
    H = fit(build(A, weight=0.02), max_iter=30, seed=0).params.H
    for kind in (*DESCENDING, 'paper'):
        for rule in ('mu',) if kind == 'paper' else RULES:
            r = fit(build(A, rule=rule, tv=kind, weight=0.05, topics=H), max_iter=20, seed=1)
            assert (
                all((a == b).all() for a, b in zip(r.params.H, H))
                and (np.diff(r.history.objective) <= 1e-12 * r.objective).all()
            )
    dear, cheap = (
        fit(build(A, weight=w, topics=H), max_iter=100, seed=1).params.W.sum() for w in (0.5, 0.01)
    )
    assert dear < cheap


def test_exact_weights_pay_too():
    "`best_weights` solves for weights with their part of the penalty, so it can only lower the objective."
    A = strata(np.random.default_rng(0), (6, 4), (4, 5))
    for kind in DESCENDING:
        m = build(A, rule='mu', tv=kind, weight=0.05)
        p = m.start(np.random.default_rng(0))
        for k in range(5):
            p, before = m.sweep(p, k)
        assert m.objective(best_weights(m, p)) <= before * (1 + 1e-12)


# --- The paper's rule ---


def reference(A, V, W, H, lam, sweeps, smooth):
    "The source's rule from its equations, strata one after another, everything formed in full."
    V, W, H = [list(v) for v in V], list(W), list(H)
    modes = range(len(H))
    ones = lambda s: np.ones((len(A[s]), V[s][0].shape[1]))
    full = lambda F, s: khatri_rao(F).sum(1).reshape(A[s].shape)
    B = lambda s: full([ones(s), *V[s]], s) + full([W[s], *H], s)
    part = lambda X, F, t: (
        np.moveaxis(X, t, 0).reshape(X.shape[t], -1) @ khatri_rao([f for k, f in enumerate(F) if k != t])
    )

    def slope(h):
        s = np.sign(np.diff(h, axis=0))
        return np.vstack([0 * h[:1], s]) - np.vstack([s, 0 * h[:1]])

    for _ in range(sweeps):
        for s in range(len(A)):
            for t in [*modes, *modes]:
                F = [ones(s), *V[s]]
                V[s][t] = V[s][t] * part(A[s], F, t + 1) / part(B(s), F, t + 1)
        W = [W[s] * part(A[s], [W[s], *H], 0) / part(B(s), [W[s], *H], 0) for s in range(len(A))]
        g = [slope(h) * (t + 1 in smooth) for t, h in enumerate(H)]
        for t in modes:
            up, down = (
                sum(part(X, [W[s], *H], t + 1) for s, X in enumerate(Xs))
                for Xs in (A, [B(s) for s in range(len(A))])
            )
            H[t] = H[t] * (up + lam * np.maximum(-g[t], 0)) / (down + lam * np.maximum(g[t], 0))
        H = [h / np.sqrt((h * h).sum(1, keepdims=True)) for h in H]
    return V, W, H


@pytest.mark.parametrize('lam', [0.0, 2.0])
@pytest.mark.parametrize('dims,modes', [((6,), None), ((4, 5), None), ((3, 4, 3), (1, 2))])
def test_the_papers_rule(dims, modes, lam):
    rng = np.random.default_rng(0)
    A = [rng.random((n, *dims)) for n in (5, 3)]
    start = (
        [[rng.random((d, 2)) for d in dims] for _ in A],
        [rng.random((len(a), 3)) for a in A],
        [rng.random((d, 3)) for d in dims],
    )
    V, W, H = reference(A, *start, lam, 15, modes or range(1, len(dims) + 1))
    m = build(A, rule='mu', ranks=2, tv='paper', weight=lam, relative=False, modes=modes, init=start)
    p = m.start(rng)
    for k in range(15):
        p, value = m.sweep(p, k)
        assert math.isclose(value, m.objective(p), rel_tol=1e-12)
    p = m.finish(p, value)[0]
    for a, b in zip([*(v[1] for v in p.V), p.weights(1), *p.H], [*V[1], W[1], *H]):
        assert np.allclose(a, b, rtol=1e-8)
    for h in p.H:
        assert np.allclose((h * h).sum(1), 1.0)


def test_the_papers_rule_rises_and_ours_do_not():
    "On the paper's own kind of data; a rise is in the history, and what is handed out is the best."
    d = digits_watermarked(n=10)
    data, offsets = as_strata(d.tensors)

    def run(**kw):
        penalties = tv_penalty(data, **kw)
        strata = dict(strata_rank=(15, 15), offsets=tuple(offsets))
        return fit(
            StrataModel(data, 15, 'mu', init='uniform', penalties=penalties, **strata), max_iter=60, seed=0
        )

    paper = run(kind='paper', weight=10.0, relative=False)
    h = np.array(paper.history.objective)
    assert (np.diff(h) > 1e-6 * h[:-1]).any() and math.isclose(paper.objective, h.min(), rel_tol=1e-12)
    for kind, weight in (('component', 0.05), ('normalized', 1e-4)):
        h = np.array(run(kind=kind, weight=weight).history.objective)
        assert (np.diff(h) <= 0).all()


# --- Choosing a weight ---


def test_choose_lambda():
    "It finds, on hidden entries, about the weight that is best against the noise-free data."
    rng = np.random.default_rng(3)
    F = [rng.random((12, 2)), *(rng.random((4, 2))[np.arange(d) * 4 // d] for d in (16, 20))]
    clean = khatri_rao(F).sum(1).reshape(12, 16, 20)
    A = [clean + clean.mean() * rng.random(clean.shape)]
    m, weights = build(A, rank=5), (1e-3, 1e-2, 1e-1, 1.0, 10.0)
    c = choose_lambda(m, weights, seed=0, max_iter=30, repeats=2)
    error = [
        np.linalg.norm(
            fit(build(A, rank=5, weight=w), max_iter=30, seed=0).params.full(0) - clean - 0.5 * clean.mean()
        )
        for w in weights
    ]
    assert (
        c.errors.shape == (2, 5)
        and error[weights.index(c.weight)] <= 1.15 * min(error)
        and f'{c.weight:.4g}' in repr(c)
    )
    again = choose_lambda(m, weights[:2], seed=0, max_iter=5)
    assert (again.errors == choose_lambda(m, weights[:2], seed=0, max_iter=5).errors).all()


def test_hidden_entries_are_not_seen():
    rng = np.random.default_rng(0)
    A = strata(rng, (6,), (4, 5))
    mask = [rng.random(A[0].shape) < 0.8]
    for m in (build(A), build(A, mask), build([torch.from_numpy(A[0])])):
        train, test = split_entries(m.data, 0.2, np.random.default_rng(1))
        seen = mask[0] if m.data.__class__.__name__ == 'Masked' else np.ones(A[0].shape, bool)
        a, b = np.asarray(train.mask), np.asarray(test.mask)
        assert not (a & b).any() and ((a | b) == seen).all() and 0.05 < b.mean() < 0.4
        assert (np.asarray(train.arrays[0])[b] == 0).all()


# --- What cannot be ---

A_GOOD = strata(np.random.default_rng(0), (4, 3), (6, 5))


@pytest.mark.parametrize(
    'kw,error,words',
    [
        (dict(tv='huber'), ValueError, "tv must be one of 'component', 'normalized', 'paper', not 'huber'"),
        (
            dict(weight=-1e-3),
            ValueError,
            r'weight \(tv_weight\) must be a finite number of at least 0, not -0.001',
        ),
        (
            dict(weight=math.nan),
            ValueError,
            r'weight \(tv_weight\) must be a finite number of at least 0, not nan',
        ),
        (dict(weight=math.inf), ValueError, r'weight \(tv_weight\) must be a finite number'),
        (dict(weight='1'), TypeError, r"weight \(tv_weight\) must be a number, not '1'"),
        (dict(weight=True), TypeError, r'weight \(tv_weight\) must be a number, not True'),
        (dict(modes=0), ValueError, r'must name feature modes, 1 to 2 here \(0 are the samples\), not 0'),
        (dict(modes=(1, 3)), ValueError, 'must name feature modes, 1 to 2 here .* not 3'),
        (dict(modes=-1), ValueError, 'must name feature modes, 1 to 2 here .* not -1'),
        (dict(modes=[1.5]), ValueError, 'must name feature modes, 1 to 2 here .* not 1.5'),
        (dict(shapes={3: (2, 2)}), ValueError, 'must name feature modes, 1 to 2 here .* not 3'),
        (
            dict(shapes={1: (2, 2)}),
            ValueError,
            r'arranges mode 1 as \(2, 2\), 4 cells, but the mode has 6 indices; they must agree',
        ),
        (
            dict(tv='paper', rule='hals'),
            ValueError,
            "tv='paper' has the multiplicative rule only: solver='mu', not 'hals'",
        ),
    ],
)
def test_bad_settings(kw, error, words):
    with pytest.raises(error, match=words):
        build(A_GOOD, **kw)


@pytest.mark.parametrize(
    'weights,kw,error,words',
    [
        ([], {}, ValueError, 'weights is empty; give at least one'),
        ([0.1, -1], {}, ValueError, 'weights must be a finite number of at least 0, not -1'),
        ([0.1], dict(share=0), ValueError, 'share must lie between 0 and 1, not 0'),
        ([0.1], dict(share=1.5), ValueError, 'share must be a finite number of at least 0 and at most 1'),
        ([0.1], dict(repeats=0), ValueError, 'repeats must be at least 1, not 0'),
    ],
)
def test_bad_choices(weights, kw, error, words):
    with pytest.raises(error, match=words):
        choose_lambda(build(A_GOOD), weights, **kw)


def test_no_choice_on_sparse_data():
    sparse = [COO(np.array(a.nonzero()), a.ravel(), a.shape) for a in A_GOOD]
    with pytest.raises(TypeError, match='choose_lambda hides entries with a mask and so needs dense data'):
        choose_lambda(build(sparse), [0.1])
    assert smooth_modes((4, 6, 5)) == {1: None, 2: None} and smooth_modes((4, 6, 5), 2, {2: (5, 1)}) == {
        2: (5, 1)
    }
