"""Entries that cost something and parts that stay: every model, rule and kind of data."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings, strategies as st
from sklearn.decomposition import non_negative_factorization

from ntf_lit import NCPD, NMF, StratifiedNMF
from ntf_lit.blocks import RULES, charged_blocks, penalty
from ntf_lit.fit import Stationary, Tolerance, fit
from ntf_lit.incoming import as_data, as_strata
from ntf_lit.ncpd import NCPDModel, SupervisedModel, Targets, cp_weights, masked_weights
from ntf_lit.penalties import L1, L2, Fixed, elastic_net, weight_prices
from ntf_lit.stratified import StrataModel
from ntf_lit.tensor import COO
from ntf_lit.tv import tv_penalty

pytestmark = [
    pytest.mark.filterwarnings('ignore:mask hides'),
    pytest.mark.filterwarnings('ignore:Maximum number of iterations'),  # scikit-learn's
]
KINDS = 'nmf', 'ncpd', 'labels', 'strata'
FORMS = 'dense', 'torch', 'sparse', 'mask', 'float32'


def given_start(kind, shape, rank, rng):
    factors = [rng.random((d, rank)) + 0.01 for d in shape]
    if kind != 'strata':
        return factors
    cut = shape[0] // 2
    features = [[rng.random((d, q)) for d in shape[1:]] for q in (2, 1)]
    return features, [factors[0][:cut], factors[0][cut:]], factors[1:]


def in_form(X, form, rng):
    "(data as they come in, mask)"
    if form == 'torch':
        return torch.from_numpy(X), None
    if form == 'sparse':
        X = X * (rng.random(X.shape) < 0.6)
        return COO(np.array(X.nonzero()), X[X > 0], X.shape), None
    if form == 'float32':
        return X.astype(np.float32), None
    return X, rng.random(X.shape) < 0.7 if form == 'mask' else None


def model_of(kind, form, rule, shape, rank, alpha, ratio, columns, tv, seed, scale=1.0):
    rng = np.random.default_rng(seed)
    X = scale * rng.random(shape)
    start = given_start(kind, shape, rank, rng)
    if kind == 'strata':
        cut = shape[0] // 2
        parts, masks = zip(*(in_form(x, form, rng) for x in (X[:cut], X[cut:])))
        data, offsets = as_strata(list(parts), mask=None if masks[0] is None else list(masks))
        extra = dict(strata_rank=(2, 1), offsets=tuple(offsets))
    else:
        data = as_data(*in_form(X, form, rng))
    penalties = (*tv_penalty(data, 'component', 0.05 * tv), *elastic_net(data, alpha, ratio))
    if columns:
        penalties = (*penalties, Fixed(columns))
    if kind == 'strata':
        return StrataModel(data, rank, rule, init=start, penalties=penalties, **extra)
    if kind == 'labels':
        known = rng.random(shape[0]) < 0.5
        known[0] = True
        Y = move_like(rng.random((shape[0], 3)), data)
        return SupervisedModel(
            data, rank, rule, init=start, penalties=penalties, labels=Targets(Y, known, 0.7 * scale**2)
        )
    return NCPDModel(data, rank, rule, init=start, penalties=penalties)


def move_like(Y, data):
    return torch.from_numpy(Y).to(data.like) if isinstance(data.like, torch.Tensor) else Y


@st.composite
def models(draw, fixed=True, forms=FORMS):
    kind = draw(st.sampled_from(KINDS))
    order = 2 if kind in ('nmf', 'labels') else draw(st.integers(2 + (kind == 'ncpd'), 4))
    shape = tuple(draw(st.integers(4, 6)) for _ in range(order))
    rank = draw(st.integers(1, 3))
    some = st.one_of(st.just(True), st.lists(st.integers(0, rank - 1), unique=True))
    columns = draw(st.dictionaries(st.integers(0, order - 1), some, max_size=order)) if fixed else {}
    price = st.sampled_from([0.0, 1e-3, 0.1, 2.0])
    alpha = draw(st.one_of(price, st.tuples(*[price] * order)))
    return model_of(
        kind,
        draw(st.sampled_from(forms)),
        draw(st.sampled_from(list(RULES))),
        shape,
        rank,
        alpha,
        draw(st.sampled_from([0.0, 0.3, 1.0])),
        columns,
        draw(st.sampled_from([0, 0, 1])),
        draw(st.integers(0, 999)),
    )


def small(model):
    "The tolerance of half the square of the data: rounding of their precision."
    return (1e-12 if model.data.like.itemsize == 8 else 1e-5) * 0.5 * model.data.square


@settings(max_examples=max(80, settings.default.max_examples))
@given(models(), st.sampled_from([0, 99]))
def test_every_block_descends(model, k):
    params = model.start(np.random.default_rng(0))
    for _ in range(2):
        factors, rest = model.parts(params)
        for block, t, q in charged_blocks(model, params, factors, rest):
            before = q.value(block[t])
            block[t] = model.update(block[t], q, k)
            assert q.value(block[t]) <= before + small(model)
        params = model.joined(factors, rest)


@settings(max_examples=max(40, settings.default.max_examples))
@given(models())
def test_fits_descend_and_say_their_objective(model):
    params, objective = model.start(np.random.default_rng(0)), np.inf
    for k in range(8):
        params, new = model.sweep(params, k)
        assert new <= objective + small(model)
        assert abs(new - model.objective(params)) <= 100 * small(model)
        objective = new


@settings(max_examples=max(40, settings.default.max_examples))
@given(models())
def test_what_is_fixed_stays_to_the_bit(model):
    fixed = next((p for p in model.penalties if isinstance(p, Fixed)), None)
    start = model.init
    r = fit(model, max_iter=8)
    given, _ = model.parts(model.start(np.random.default_rng(0)))
    given[0] = given[0] / model.data.scale
    got, _ = model.parts(r.params)
    for t in range(len(got)):
        held = fixed.held(t, model.rank) if fixed else []
        assert bool((got[t][:, held] == given[t][:, held]).all())
        if t and model.data.like.itemsize == 8:
            own = start[2][t - 1] if isinstance(model, StrataModel) else start[t]
            assert (np.asarray(got[t][:, held]) == own[:, held]).all()


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('rule', RULES)
def test_units_do_not_matter(kind, rule):
    "The fit of 2^40 X is that of X, with the weights as much larger."
    one, large = (
        model_of(kind, 'dense', rule, (6, 5), 2, 0.05, 0.5, {1: [0]}, 0, 3, scale) for scale in (1.0, 2.0**40)
    )
    first = one.start(np.random.default_rng(0))
    a, b = (fit(replace(m, init=m.init), start=first, max_iter=20) for m in (one, large))
    for x, y in zip(one.parts(a.params)[0][1:], large.parts(b.params)[0][1:]):
        np.testing.assert_allclose(x, y, rtol=1e-10)
    np.testing.assert_allclose(large.parts(b.params)[0][0], 2.0**40 * one.parts(a.params)[0][0], rtol=1e-10)


@pytest.mark.parametrize('rule', RULES)
@pytest.mark.parametrize('shape', [(12, 9), (7, 6, 5)])
def test_no_price_is_no_penalty(rule, shape):
    data = as_data(np.random.default_rng(0).random(shape))
    zero = tuple([0.0] * len(shape))
    plain, free = (
        fit(NCPDModel(data, 3, rule, penalties=p), max_iter=20, seed=0).params.factors
        for p in [(), (L2(zero), L1(zero))]
    )
    for a, b in zip(plain, free):  # one of them in compiled loops
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-14)


# --- scikit-learn ---


def cost(A, W, H, a, b, ratio):
    n, d = A.shape
    parts = sum(
        c * (ratio * F.sum() + 0.5 * (1 - ratio) * (F * F).sum()) for c, F in ((a * d, W), (b * n, H))
    )
    return 0.5 * ((A - W @ H.T) ** 2).sum() + parts


@pytest.mark.parametrize('ratio', [0.0, 0.4, 1.0])
def test_estimators_say_what_entries_cost(ratio):
    "What weights and what topics cost, as scikit-learn counts."
    rng = np.random.default_rng(0)
    A, W, H = 30 * rng.random((15, 11)), rng.random((15, 3)), rng.random((11, 3))
    for a, b, told in ((0.3, 0.02, 0.02), (0.02, 0.3, 0.3), (0.1, 0.0, 0.0), (0.1, 0.1, 'same')):
        m = NMF(3, alpha_W=a, alpha_H=told, l1_ratio=ratio, init=[W, H], max_iter=0).fit(A)
        assert m.objective_ == pytest.approx(cost(A, W, H, a, b, ratio), rel=1e-9)


@pytest.mark.parametrize('ratio', [0.0, 0.4, 1.0])
@pytest.mark.parametrize('a, b', [(1e-3, 1e-3), (5e-3, 1e-3), (2e-2, 2e-2)])
@pytest.mark.parametrize('seed', [0, *(pytest.param(s, marks=pytest.mark.slow) for s in (1, 2))])
def test_scikit_learn_finds_nothing_better(ratio, a, b, seed):
    "Where ours has come to rest theirs gains nothing; ours goes on from where theirs has stopped."
    rng = np.random.default_rng(seed)
    A = rng.random((15, 3)) @ rng.random((3, 11)) + 0.1 * rng.random((15, 11))
    data = as_data(A)
    prices = elastic_net(data, (a, b), ratio, relative=False)
    m = NCPDModel(data, 3, penalties=prices)
    W, H = fit(m, max_iter=20000, stop=[Tolerance(1e-15)], seed=0).params.factors
    kw = dict(init='custom', tol=1e-14, max_iter=3000, alpha_W=a, alpha_H=b, l1_ratio=ratio)
    W1, H1, _ = non_negative_factorization(A, W.copy(), H.T.copy(), 3, **kw)
    ours, theirs = cost(A, W, H, a, b, ratio), cost(A, W1, H1.T, a, b, ratio)
    assert ours <= theirs * (1 + 1e-8)
    begin = rng.random((15, 3)), rng.random((3, 11))
    W2, H2, _ = non_negative_factorization(A, begin[0].copy(), begin[1].copy(), 3, **kw)
    if min(W2.max(0).min(), H2.max(1).min()) > 0:  # ours takes no start with dead components
        r = fit(replace(m, init=[W2, H2.T]), max_iter=5000, stop=[Tolerance(1e-15)])
        assert r.objective <= cost(A, W2, H2.T, a, b, ratio) * (1 + 1e-12)


@pytest.mark.parametrize('ratio', [0.0, 0.4, 1.0])
def test_the_multiplicative_rule_is_scikit_learns(ratio):
    "Same start, same sweeps."
    rng = np.random.default_rng(1)
    A, W, H = rng.random((15, 11)), rng.random((15, 3)), rng.random((11, 3))
    data = as_data(A)
    m = NCPDModel(
        data, 3, 'mu', init=[W, H], penalties=elastic_net(data, (0.01, 0.02), ratio, relative=False)
    )
    ours = fit(m, max_iter=25).params.factors
    W1, H1, _ = non_negative_factorization(
        A, W.copy(), H.T.copy(), 3, init='custom', solver='mu', tol=0, max_iter=25,
        alpha_W=0.01, alpha_H=0.02, l1_ratio=ratio,
    )  # fmt: skip
    np.testing.assert_allclose(ours[0], W1, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(ours[1], H1.T, rtol=1e-9, atol=1e-12)


# --- Fixed parts ---


@pytest.mark.parametrize('rule', RULES)
@pytest.mark.parametrize('shape', [(9, 7), (6, 5, 4)])
@pytest.mark.parametrize('alpha', [0.0, 0.02])
def test_all_but_the_weights_is_transform(rule, shape, alpha):
    rng = np.random.default_rng(2)
    X, topics = rng.random(shape), [rng.random((d, 3)) for d in shape[1:]]
    data = as_data(X)
    costs = elastic_net(data, alpha, 0.5)
    columns = {k: True for k in range(1, len(shape))}
    m = NCPDModel(data, 3, rule, init=[None, *topics], penalties=(*costs, Fixed(columns)))
    sweeps = 4000 if rule == 'mu' else 2000
    r = fit(m, max_iter=sweeps, stop=[Stationary(m, 1e-12)], seed=0)
    want = cp_weights(data, topics, prices=weight_prices(data, costs))
    np.testing.assert_allclose(r.params.factors[0], want, atol=1e-3 if rule == 'mu' else 1e-8)


def test_missing_entries_too():
    rng = np.random.default_rng(2)
    X, H, seen = rng.random((9, 7)), rng.random((7, 2)), rng.random((9, 7)) < 0.8
    data = as_data(X, seen)
    costs = elastic_net(data, 0.02, 0.5)
    m = NCPDModel(data, 2, init=[None, H], penalties=(*costs, Fixed({1: True})))
    r = fit(m, max_iter=20000, stop=[Tolerance(1e-16)], seed=0)
    want = masked_weights(data, [H], prices=weight_prices(data, costs))
    np.testing.assert_allclose(r.params.factors[0], want, atol=1e-6)


def test_everything_fixed_stays():
    rng = np.random.default_rng(0)
    F = [rng.random((d, 2)) for d in (5, 4, 3)]
    data = as_data(rng.random((5, 4, 3)))
    r = fit(NCPDModel(data, 2, init=F, penalties=(Fixed({0: True, 1: True, 2: [1, 0]}),)), max_iter=9)
    assert all((a == b).all() for a, b in zip(r.params.factors, F))
    assert penalty(r.model, r.params) == 0


def test_tensorly_fixed_modes():
    "Its multiplicative rule, same start, same sweeps, one mode held."
    tl = pytest.importorskip('tensorly')
    from tensorly.cp_tensor import CPTensor
    from tensorly.decomposition import non_negative_parafac

    rng = np.random.default_rng(0)
    X, F = rng.random((6, 5, 4)), [rng.random((d, 3)) for d in (6, 5, 4)]
    start = CPTensor((None, [tl.tensor(f.copy()) for f in F]))
    theirs = non_negative_parafac(X, 3, n_iter_max=10, init=start, tol=0, fixed_modes=[1])
    ours = fit(NCPDModel(as_data(X), 3, 'mu', init=F, penalties=(Fixed({1: True}),)), max_iter=10).params
    for a, b in zip(ours.factors, theirs.factors):
        np.testing.assert_allclose(a, b, rtol=1e-8)
    assert (ours.factors[1] == F[1]).all()


@pytest.mark.parametrize('kind', ['normalized', 'paper'])
def test_what_moves_size_is_refused(kind):
    rng = np.random.default_rng(0)
    data = as_data(rng.random((5, 4)))
    F = [rng.random((5, 2)), rng.random((4, 2))]
    smooth = tv_penalty(data, kind, 0.1)
    for own in (L2((1.0, 1.0)), L1((1.0, 1.0)), Fixed({1: True})):
        with pytest.raises(ValueError, match='changes the scale of factors in every sweep'):
            NCPDModel(data, 2, 'mu', init=F, penalties=(*smooth, own))


# --- Estimators ---


@pytest.mark.parametrize('form', ['dense', 'sparse', 'mask'])
@pytest.mark.parametrize('solver', RULES)
def test_estimators_hold_what_is_fixed(form, solver):
    rng = np.random.default_rng(0)
    X, H, W = rng.random((12, 9)), rng.random((9, 2)), rng.random((12, 1))
    sparse = sp.csr_array(X * (X > 0.4)) if form == 'sparse' else X
    kw = dict(mask=rng.random(X.shape) < 0.8) if form == 'mask' else {}
    common = dict(solver=solver, random_state=0, max_iter=30)
    m = NMF(3, init=[W, H], fixed={0: [0], 1: [1]}, alpha_W=0.01, l1_ratio=0.5, **common).fit(sparse, **kw)
    assert (m.weights_[:, :1] == W).all() and (m.components_[1] == H[:, 1]).all()
    start = None, None, [H]
    s = StratifiedNMF(3, init=start, fixed={1: [0, 1]}, alpha=0.01, tv='component', tv_weight=0.01, **common)
    s.fit(sparse, strata=[0, 1] * 6, **kw)
    assert (s.components_[:2] == H.T).all()
    n = NCPD(3, init=[None, H], fixed={1: [0, 1]}, **common).fit(sparse, **kw)
    np.testing.assert_allclose(n.transform(sparse, **kw), n.weights_, atol=1e-9)
    with pytest.raises(ValueError, match='which has 1 columns; give them all'):
        NMF(3, init=[W, H[:, :1]], fixed={1: [0, 1]}).fit(sparse, **kw)


def test_labels_and_known_topics():
    rng = np.random.default_rng(0)
    X, H, y = rng.random((12, 9)), rng.random((9, 1)), [0, 1, -1] * 4
    m = NMF(3, init=[None, H], fixed={1: [0]}, alpha_W=0.01, label_weight=1.0, random_state=0).fit(X, y)
    assert (m.components_[0] == H[:, 0]).all()
    assert m.predict(X).shape == (12,)
