"""Weights of entries and samples, sparse data of which only what is stored was seen, the ridge."""

import tracemalloc
import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings, strategies as st

from ntf_lit import HNMF, NCPD, NMF, compressed
from ntf_lit.fit import fit
from ntf_lit.ncpd import NCPDModel
from ntf_lit.incoming import as_data
from ntf_lit.result import CP
from ntf_lit.tensor import COO
from ntf_lit.views import view
from ntf_lit.weights import WeightedModel, as_weighted, chosen_ridge, hidden_ridge, ridge_penalty

SHAPES = (9, 8), (6, 5, 4), (4, 3, 4, 3)
RULES = 'mu', 'hals', 'nnls'


def planted(shape, rank, rng, noise=0.05):
    X = CP(tuple(rng.gamma(1.0, 1.0, (d, rank)) for d in shape)).full()
    return np.maximum(X + noise * X.mean() * rng.standard_normal(shape), 0)


def some_weights(shape, rng):
    "Weights of very different size, some zero, none of a whole slice."
    W = rng.random(shape) ** 4 * (rng.random(shape) < 0.7)
    for k, d in enumerate(shape):
        for i in range(d):
            index = [int(rng.integers(n)) for n in shape]
            index[k] = i
            W[tuple(index)] = 1.0
    return W


def as_coo(X, W):
    at = np.nonzero(W)
    return COO(np.stack(at), X[at], X.shape), COO(np.stack(at), W[at], X.shape)


@given(st.integers(0, 10**6), st.sampled_from(SHAPES), st.sampled_from(RULES), st.sampled_from([0.0, 1e-3]))
def test_never_rises_and_says_its_error(seed, shape, rule, ridge):
    rng = np.random.default_rng(seed)
    X, W = planted(shape, 2, rng), some_weights(shape, rng)
    data = as_weighted(X, W)
    r = fit(WeightedModel(data, 3, rule, penalties=(ridge_penalty(data, ridge),)), seed=seed, max_iter=12)
    size = r.history.objective[0]
    assert (np.diff(r.history.objective) <= 1e-12 * size).all()
    misfit = (W * (X - r.params.full()) ** 2).sum()
    assert r.relative_error == pytest.approx(np.sqrt(misfit / (W * X**2).sum()), rel=1e-6, abs=1e-7)


@given(st.integers(0, 10**6), st.sampled_from(SHAPES), st.sampled_from(RULES))
def test_sparse_is_dense(seed, shape, rule):
    rng = np.random.default_rng(seed)
    X, W = planted(shape, 2, rng), some_weights(shape, rng)
    few, pattern = as_coo(X, W)
    both = [as_weighted(X, W), as_weighted(few, pattern, 'stored')]
    start = [rng.random((d, 2)) + 0.1 for d in shape]
    a, b = (fit(WeightedModel(d, 2, rule, init=start), max_iter=6).params.full() for d in both)
    assert abs(a - b).max() <= 1e-9 * abs(a).max()


@given(st.integers(0, 10**6), st.sampled_from([-60, -7, 9, 60]))
def test_units_of_data_and_weights_are_of_no_matter(seed, power):
    rng = np.random.default_rng(seed)
    X, W, c = planted((8, 7), 2, rng), some_weights((8, 7), rng), 2.0**power
    a = fit(WeightedModel(as_weighted(X, W), 2), seed=seed, max_iter=8)
    b = fit(WeightedModel(as_weighted(c * X, c * W), 2), seed=seed, max_iter=8)
    np.testing.assert_array_equal(c * a.params.full(), b.params.full())
    assert b.objective == pytest.approx(c**3 * a.objective, rel=1e-12)


@settings(max_examples=12)
@given(st.integers(0, 10**6), st.sampled_from(SHAPES), st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0]))
def test_where_nothing_was_seen_anything_may_stand(seed, shape, beta):
    rng = np.random.default_rng(seed)
    X, W = planted(shape, 2, rng) + 0.1, some_weights(shape, rng)
    of = lambda fill: NCPD(2, loss=beta, max_iter=4, random_state=0).fit(np.where(W > 0, X, fill), weights=W)
    one = of(0.0)
    for other in (of(1.0), of(1e6)):
        np.testing.assert_array_equal(one.weights_, other.weights_)
        assert one.objective_ == other.objective_


@given(st.integers(0, 10**6), st.sampled_from(SHAPES), st.booleans())
def test_what_is_hidden_and_what_is_left_make_the_whole(seed, shape, sparse):
    rng = np.random.default_rng(seed)
    X, W = 300 * planted(shape, 2, rng), some_weights(shape, rng)
    data = as_weighted(*as_coo(X, W), 'stored') if sparse else as_weighted(X, W)
    rest, out = data.hide(np.random.default_rng(seed), 0.2)
    F = [rng.random((d, 2)) for d in shape]
    assert rest.square + out.square == pytest.approx(data.square, rel=1e-12)
    assert rest.misfit(F) + out.misfit(F) == pytest.approx(data.misfit(F), rel=1e-12)
    of = lambda d: np.count_nonzero(np.asarray(d.modes[0].weights if sparse else d.weights))
    assert of(rest) + of(out) == of(data) and of(out) < of(rest)


@settings(max_examples=8)
@given(st.integers(0, 10**6), st.sampled_from([(12, 10), (6, 5, 7)]))
def test_the_start_is_that_of_the_best_ridge(seed, shape):
    rng = np.random.default_rng(seed)
    X = 300 * planted(shape, 2, rng, 0.3)
    model = WeightedModel(as_weighted(X, (rng.random(shape) < 0.7) + 1e-3), 4)
    h = hidden_ridge(model, np.random.default_rng(seed), sweeps=6)
    out = model.data.hide(np.random.default_rng(seed), 0.1)[1]
    assert h.error == pytest.approx(np.sqrt(out.misfit(list(h.start.factors)) / out.square), rel=1e-9)
    assert dict(h.errors)[h.ridge] == h.error


@pytest.mark.parametrize('size', [1e-3, 1.0, 300.0])
def test_the_start_that_a_ridge_led_to_is_near_the_data(size):
    rng = np.random.default_rng(0)
    X, W = size * planted((20, 15), 2, rng), (rng.random((20, 15)) < 0.5) + 1e-6
    model = chosen_ridge(WeightedModel(as_weighted(X, W), 2), 0, sweeps=30)[0]
    assert isinstance(model.init, CP) and fit(model, max_iter=0).relative_error < 0.15


@pytest.mark.parametrize('label_weight', [0.0, 3000.0])
@pytest.mark.parametrize('loss', ['frobenius', 1.5, 'kullback-leibler'])
def test_a_sample_of_weight_two_is_there_twice(loss, label_weight):
    rng = np.random.default_rng(0)
    X, y, count = 300 * planted((9, 7), 2, rng) + 1, np.arange(9) % 3, rng.integers(1, 4, 9)
    W, H = 100 * rng.random((9, 2)) + 1, rng.random((7, 2)) + 0.1
    twice = lambda A: np.repeat(A, count, axis=0)
    how = dict(loss=loss, label_weight=label_weight, tol=0, solver='mu', random_state=0)
    how['max_iter'] = 300 if label_weight else 3  # classes begin at another size
    one = NMF(2, init=[W, H], **how).fit(X, y, sample_weight=count)
    two = NMF(2, init=[twice(W), H], **how).fit(twice(X), twice(y))
    close = dict(rtol=1e-3 if label_weight else 1e-7)
    np.testing.assert_allclose(twice(one.cp_.full()), two.cp_.full(), **close)
    assert one.objective_ == pytest.approx(two.objective_, rel=close['rtol'])


@pytest.mark.parametrize('shape', SHAPES)
@pytest.mark.parametrize('rule', RULES)
def test_weights_of_one_are_none(shape, rule):
    X = planted(shape, 2, np.random.default_rng(0))
    start = [np.random.default_rng(1).random((d, 2)) for d in shape]
    plain = fit(NCPDModel(as_data(X), 2, rule, init=start), max_iter=20).params.full()
    ones = fit(WeightedModel(as_weighted(X, np.ones(shape)), 2, rule, init=start), max_iter=20).params.full()
    np.testing.assert_allclose(ones, plain, rtol=1e-8, atol=1e-10)


def test_the_authors_rule():
    "Blondel, Ho & Van Dooren (2007), as ssnmf has it with W: its order of blocks, 200 sweeps."
    rng = np.random.default_rng(0)
    X, W = planted((20, 15), 3, rng), some_weights((20, 15), rng)
    A, S = rng.random((20, 3)), rng.random((3, 15))
    ours = fit(WeightedModel(as_weighted(X, W), 3, 'mu', init=[A, S.T]), max_iter=200).params.full()
    for _ in range(200):
        A = A * ((W * X) @ S.T) / ((W * (A @ S)) @ S.T)
        S = S * (A.T @ (W * X)) / (A.T @ (W * (A @ S)))
    assert abs(ours - A @ S).max() < 1e-10 * abs(ours).max()


@pytest.mark.parametrize('missing, most', [(0.3, 0.009), (0.7, 0.01), (0.9, 0.1)])
def test_hidden_entries_are_met(missing, most):
    "150 x 120 of rank 5, five seeds: filling in ends at .46, the authors' rule at 1.2 for 90 %."
    errors = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        X = planted((150, 120), 5, rng, 0.01)
        seen = rng.random(X.shape) > missing
        m = NMF(5, random_state=seed).fit(np.where(seen, X, 0), mask=seen)
        errors.append(np.linalg.norm((m.cp_.full() - X)[~seen]) / np.linalg.norm(X[~seen]))
    assert np.mean(errors) < most, errors


def test_the_same_seed_gives_the_same_bits():
    X = planted((30, 20), 3, np.random.default_rng(0))
    seen = np.random.default_rng(1).random(X.shape) < 0.4
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        a, b = (NMF(3, random_state=5).fit(X, mask=seen) for _ in range(2))
    np.testing.assert_array_equal(a.weights_, b.weights_)
    assert a.ridge_ == b.ridge_


def test_estimators_take_them_all():
    rng = np.random.default_rng(0)
    X = planted((20, 12, 8), 2, rng)
    W, s = some_weights(X.shape, rng), rng.random(20) + 0.5
    m = NCPD(2, random_state=0).fit(np.where(W > 0, X, np.nan), weights=W)
    assert m.relative_error_ < 0.1
    m = NCPD(2, random_state=0).fit(X, sample_weight=s)
    assert m.objective_ == pytest.approx(0.5 * (s[:, None, None] * (X - m.cp_.full()) ** 2).sum())
    few, pattern = as_coo(X, W)
    m = NCPD(2, random_state=0).fit(few, mask='stored', weights=pattern)
    assert m.relative_error_ < 0.1
    both = [
        NCPD(2, random_state=0, **kw).fit(few, mask='stored').score(few, mask='stored')
        for kw in ({}, {'solver': 'nnls'})
    ]
    assert min(both) > 0.98
    counts = NMF(2, loss='kullback-leibler', random_state=0).fit(X[:, :, 0], sample_weight=s)
    assert counts.weights_.shape == (20, 2)


BAD = [
    (dict(weights=-np.ones((6, 5))), 'weights[0, 0] is -1'),
    (dict(weights=np.full((6, 5), np.nan)), 'weights[0, 0] is nan'),
    (dict(weights=np.full((6, 5), np.inf)), 'weights[0, 0] is inf'),
    (dict(weights=np.ones((5, 6))), 'weights have shape (5, 6), X has (6, 5)'),
    (dict(weights=np.eye(6)[:, :5]), 'nothing of X is of positive weight at index 5 of mode 0'),
    (dict(sample_weight=np.ones(5)), 'give one positive number per sample, (6,)'),
    (dict(sample_weight=np.zeros(6)), 'sample_weight[0] is 0'),
    (dict(mask='stored'), "mask='stored' needs sparse data"),
    (dict(mask='seen'), "must be one of 'stored', not 'seen'"),
]


@pytest.mark.parametrize('Model', [NMF, NCPD])
@pytest.mark.parametrize('kw, words', BAD)
def test_refused_before_any_work(Model, kw, words):
    with pytest.raises((ValueError, TypeError)) as e:
        Model(2).fit(np.ones((6, 5)), **kw)
    assert words in str(e.value)


@pytest.mark.parametrize('loss', [0.5, 'kullback-leibler', 1.5])
@pytest.mark.parametrize('shape', SHAPES)
def test_divergences_take_weights(shape, loss):
    "A weight of two counts an entry twice; sparse and dense are the same; transform is near the fit."
    rng = np.random.default_rng(0)
    X, W = planted(shape, 2, rng) + 0.1, some_weights(shape, rng)
    start = [rng.random((d, 2)) + 0.1 for d in shape]
    few, pattern = as_coo(X, W)
    kw = dict(loss=loss, init=start, max_iter=200)
    dense = NCPD(2, **kw).fit(np.where(W > 0, X, np.nan), weights=W)
    stored = NCPD(2, **kw).fit(few, mask='stored', weights=pattern)
    np.testing.assert_allclose(stored.cp_.full(), dense.cp_.full(), rtol=1e-6)
    assert stored.objective_ == pytest.approx(dense.objective_, rel=1e-8)
    heavy = NCPD(2, **kw).fit(X, weights=2 * W)
    assert heavy.objective_ == pytest.approx(2 * dense.objective_, rel=1e-8)
    ones = NCPD(2, **kw).fit(X, weights=np.ones(shape))
    np.testing.assert_allclose(ones.cp_.full(), NCPD(2, **kw).fit(X).cp_.full(), rtol=1e-7)


def test_sparse_weights_need_the_word():
    with pytest.raises(TypeError, match="weights= of sparse data need mask='stored'"):
        NMF(2).fit(sp.csr_array(np.ones((6, 5))), weights=np.ones((6, 5)))


def test_nothing_of_the_dense_size():
    "3000 x 2000 with 1 % stored: 48 MB if it were dense."
    rng = np.random.default_rng(0)
    at = rng.choice(3000 * 2000, 60_000, replace=False)
    at = np.concatenate([at, np.arange(3000) * 2000 + np.arange(3000) % 2000])
    i, j = np.unravel_index(np.unique(at), (3000, 2000))
    X = sp.csr_array((rng.integers(1, 6, len(i)).astype(float), (i, j)), shape=(3000, 2000))
    NMF(2, max_iter=1).fit(sp.csr_array(np.ones((4, 3))), mask='stored')
    tracemalloc.start()
    m = NMF(5, max_iter=2, random_state=0).fit(X, mask='stored')
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 24e6
    assert m.weights_.shape == (3000, 5)


def test_few_samples_are_transformed():
    X = planted((40, 12), 2, np.random.default_rng(0))
    m = NMF(2, random_state=0).fit(X)
    one = sp.csr_array(np.where(np.arange(12) < 4, X[:1], 0))
    assert m.transform(one, mask='stored') == pytest.approx(m.transform(X[:1]), rel=0.3)


def test_the_ridge_is_left_out_where_enough_was_seen():
    model = WeightedModel(as_weighted(np.ones((30, 30)), np.ones((30, 30))), 1)
    assert chosen_ridge(model) == (model, 0.0)


# --- Settings together ---


@pytest.fixture
def small():
    rng = np.random.default_rng(0)
    X = rng.random((12, 3)) @ rng.random((3, 8))
    S = sp.random_array((30, 12), density=0.6, rng=rng, format='csr')
    return SimpleNamespace(rng=rng, X=X, S=S)


@pytest.mark.parametrize('label_weight', [0.0, 1.0])
def test_fixed_weights_stay_beside_sample_weight(small, label_weight):
    W, s = small.rng.random((12, 3)), small.rng.random(12) + 0.5
    start = [W, small.rng.random((8, 3))]
    model = NMF(3, init=start, fixed={0: True}, label_weight=label_weight, max_iter=5)
    y = [0, 1] * 6 if label_weight else None
    np.testing.assert_allclose(model.fit(small.X, y, sample_weight=s).weights_, W, rtol=1e-14)
    model.set_params(max_iter=0, fixed=None).fit(small.X, y, sample_weight=s)
    np.testing.assert_allclose(model.cp_.full(), W @ start[1].T, rtol=1e-12)


def test_named_weights_are_put_in_order(small):
    names, samples = list('abcdefgh'), [f's{i}' for i in range(12)]
    X = pd.DataFrame(small.X, samples, names)
    W = pd.DataFrame(small.rng.random((12, 8)) + 0.1, samples, names)
    s = pd.Series(small.rng.random(12) + 0.5, samples)
    for kw, turned in [(dict(weights=W), dict(weights=W.iloc[::-1, ::-1])), (dict(sample_weight=s),) * 2]:
        if 'sample_weight' in kw:
            turned = dict(sample_weight=s.iloc[::-1])
        one, two = (NMF(2, random_state=0).fit(X, **k) for k in (kw, turned))
        np.testing.assert_array_equal(one.components_, two.components_)
    with pytest.raises(ValueError, match='weights'):
        NMF(2).fit(X, weights=W.rename(columns=dict(a='z')))


def test_weights_pay_the_same_price_in_every_form(small):
    stored = small.S
    dense = stored.toarray()
    priced = NMF(2, alpha_W=0.1, random_state=0).fit(dense)
    close = dict(rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(
        priced.transform(stored, mask='stored'), priced.transform(dense, mask=dense > 0), **close
    )
    seen = small.rng.random(small.X.shape) > 0.5
    seen[0] = seen[:, 0] = True
    noisy = small.X + small.rng.random(small.X.shape)
    few = NMF(3, random_state=0).fit(noisy, mask=seen)
    assert few.ridge_ > 0
    batch, alone = few.transform(noisy, mask=seen), few.transform(noisy[:1])
    np.testing.assert_allclose(batch[:1], alone, **close)
    np.testing.assert_allclose(batch, few.weights_, **close)


def test_sparse_weights_may_be_stored_in_another_order(small):
    by_column = small.S.tocsc()
    weights = by_column.copy()
    weights.data = small.rng.random(by_column.nnz) + 0.1
    one = NMF(2, random_state=0).fit(by_column, mask='stored', weights=weights)
    two = NMF(2, random_state=0).fit(small.S, mask='stored', weights=weights.tocsr())
    np.testing.assert_allclose(one.components_, two.components_, rtol=1e-10)


def test_what_does_not_go_together_says_so(small):
    with pytest.raises(ValueError, match='leave out one or the other'):
        NMF(2, label_weight=1.0).fit(small.X, [0, 1] * 6, weights=np.ones(small.X.shape))
    with pytest.raises(ValueError, match="know the word 'stored'"):
        HNMF((3, 2)).fit(small.S, mask='stored')
    with pytest.raises(ValueError, match="mask='stored' is for fit and transform"):
        view(NMF(2, random_state=0).fit(small.S, mask='stored'), small.S, mask='stored')
    NMF(2, fixed={}).fit(small.X, weights=np.ones(small.X.shape))  # nothing is fixed


def test_labels_with_gaps_of_pandas_and_labels_of_an_earlier_fit(small):
    y = pd.array([0, 1, None] * 4, dtype='Int64')
    model = NMF(2, label_weight=1.0, random_state=0).fit(small.X, y)
    assert model.classes_.tolist() == [0, 1]
    model.set_params(label_weight=0.0).fit(small.X)
    assert not hasattr(model, 'classes_')


def test_a_start_that_was_found_is_fitted_once(small, monkeypatch):
    counts = []
    best_of = compressed.best_of
    monkeypatch.setattr(compressed, 'best_of', lambda m, n, **kw: counts.append(n) or best_of(m, n, **kw))
    NMF(3, n_init=4, random_state=0).fit(small.S, mask='stored')
    assert counts == [1]
