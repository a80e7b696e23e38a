"""Batches: what is learned, beside all data at once and beside scikit-learn; files, and what is refused."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, strategies as st
from scipy.optimize import nnls
from sklearn.decomposition import MiniBatchNMF as Theirs

from ntf_lit import NMF, StratifiedNMF
from ntf_lit.batch_estimators import MiniBatchNMF
from ntf_lit.cp_estimators import _cp_model
from ntf_lit.fit import Status
from ntf_lit.incoming import as_data
from ntf_lit.online import (
    Learned,
    StrataLearned,
    StratumSums,
    batch_weights,
    learned,
    strata_learned,
    stratum_problems,
)
from ntf_lit.saving import load, save
from ntf_lit.strata_divergence import StrataDivergence
from ntf_lit.stratified import StrataModel
from ntf_lit.updates import Quadratic


def counts(n=600, d=100, rank=6, seed=0):
    "Texts of a few topics: sparse counts."
    rng = np.random.default_rng(seed)
    W, H = rng.dirichlet([0.1] * rank, n), rng.dirichlet([0.05] * d, rank)
    return sp.csr_array(rng.poisson(40 * W @ H).astype(float))


@pytest.mark.parametrize('loss, most', [('frobenius', 1.01), ('kullback-leibler', 1.05)])
def test_ten_batches_three_times(loss, most):
    "Near to a full fit, and not above scikit-learn's batches."
    X = counts()
    kw = dict(rank=6, loss=loss, batch_size=60, forget_factor=0.1, fresh_restarts=True, tol=0, max_iter=3)
    full = min(NMF(6, loss=loss, max_iter=100, random_state=s).fit(X).objective_ for s in range(2))
    ours = min(
        MiniBatchNMF(**kw, max_no_improvement=None, random_state=s).fit(X).objective_ for s in range(3)
    )
    theirs = Theirs(
        6,
        init='random',
        beta_loss=loss,
        batch_size=60,
        max_iter=3,
        forget_factor=0.1,
        fresh_restarts=True,
        tol=0,
        max_no_improvement=None,
        random_state=0,
    ).fit(X)
    assert ours < most * full
    assert ours < theirs.reconstruction_err_**2 / 2


def test_ten_batches_of_counts_by_default():
    "Settings as they are: within one part in a hundred of a full fit, and below scikit-learn's batches."
    X, how = counts(), dict(batch_size=60, tol=0, max_iter=3, max_no_improvement=None)
    full = NMF(6, loss='kullback-leibler', max_iter=200, random_state=0).fit(X).objective_
    ours = MiniBatchNMF(6, loss='kullback-leibler', random_state=0, **how).fit(X)
    theirs = Theirs(6, init='random', beta_loss='kullback-leibler', random_state=0, **how).fit(X)
    assert ours.objective_ < 1.01 * full
    assert ours.objective_ < theirs.reconstruction_err_**2 / 2


@pytest.mark.parametrize('loss', ['frobenius', 'kullback-leibler', 0.5])
def test_kinds_of_data(loss):
    "Dense and sparse batches teach the same."
    X = counts(200, 30, 3)
    dense, sparse = (MiniBatchNMF(3, loss=loss, random_state=0) for _ in range(2))
    for a in range(0, 200, 50):
        dense.partial_fit(X[a : a + 50].toarray())
        sparse.partial_fit(X[a : a + 50])
    np.testing.assert_allclose(dense.components_, sparse.components_, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize('loss', ['frobenius', 'kullback-leibler'])
@pytest.mark.parametrize('kind', [MiniBatchNMF, StratifiedNMF])
def test_a_file_goes_on(kind, loss, tmp_path):
    "What is loaded learns on as what was saved."
    X = counts(200, 30, 3)
    m, how = kind(3, loss=loss, random_state=0), {}
    for a in range(0, 150, 50):
        how = dict(stratum=a // 100) if kind is StratifiedNMF else {}
        m.partial_fit(X[a : a + 50], **how)
    save(tmp_path / 'm.safetensors', m)
    again = load(tmp_path / 'm.safetensors')
    for est in (m, again):
        est.partial_fit(X[150:], **how)
    np.testing.assert_array_equal(m.components_, again.components_)
    assert again.n_steps_ == 4


def test_a_word_that_comes_late():
    "Topics can grow where nothing was in the first batches."
    X = counts(200, 30, 3).toarray()
    X[:100, 20:] = 0
    for loss in ('frobenius', 'kullback-leibler'):
        m = MiniBatchNMF(3, loss=loss, batch_size=50, random_state=0)
        for a in [*range(0, 200, 50)] * 8:
            m.partial_fit(X[a : a + 50])
        assert m.components_[:, 20:].sum() > 0.1 * m.components_.sum()


def test_what_is_refused():
    X = counts(60, 20, 3)
    for kw, said in (
        (dict(batch_size=0), 'batch_size must be at least 1'),
        (dict(forget_factor=1.5), 'forget_factor must be a finite number of at least 0 and at most 1'),
        (dict(max_no_improvement=0), 'max_no_improvement must be at least 1'),
        (dict(on_max_iter='stop'), "on_max_iter must be one of 'ignore', 'warn'"),
    ):
        with pytest.raises(ValueError, match=said):
            MiniBatchNMF(2, **kw).fit(X)
    m = MiniBatchNMF(2, random_state=0).partial_fit(X)
    before = m.components_
    for bad, said in ((X[:, :19], 'X has 19 features'), (-X, 'must be nonnegative'), (X * np.nan, 'NaN')):
        with pytest.raises(ValueError, match=said):
            m.partial_fit(bad)
    np.testing.assert_array_equal(m.components_, before)
    with pytest.raises(TypeError, match='remembers none of them'):
        StratifiedNMF(2).fit([X]).partial_fit(X)
    with pytest.raises(ValueError, match='forget_factor'):
        StratifiedNMF(2).partial_fit(X, forget_factor=2)


# --- properties: what is remembered, term by term ---


def close(a, b, rtol=1e-9):
    a, b = np.asarray(a, float), np.asarray(b, float)
    assert a.shape == b.shape
    np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * abs(b).max(initial=0))


BETAS = st.sampled_from([2.0, 1.5, 1.0, 0.5, 0.0])
SIZES = st.lists(st.tuples(st.integers(1, 6), st.sampled_from([1e-3, 1.0, 500.0])), min_size=1, max_size=4)


def said(X, W, M, H, beta):
    "What a batch says of topics H where its model is M: (what pushes up, what pushes down)."
    if beta == 2:
        return X.T @ W, W.T @ W
    return H ** max(2 - beta, 1.0) * ((X * M ** (beta - 2)).T @ W), (M ** (beta - 1)).T @ W


def faded(past, now, rho, H, beta):
    "Both together; before the first batch of a divergence there is a little for every word."
    if past is None and beta == 2:
        return now
    if past is None:
        little = 1e-3 * now[1].mean(0)
        past = H ** max(2 - beta, 1.0) * little, 0 * H + little
    return tuple(rho * a + b for a, b in zip(past, now))


def held(sums):
    return (sums.cross, sums.gram) if isinstance(sums, Quadratic) else (sums.cross, sums.down)


@given(BETAS, SIZES, st.sampled_from([0.0, 0.3, 1.0]), st.integers(0, 99))
def test_the_past_fades_and_batches_of_any_size_count_as_they_are(beta, sizes, rho, seed):
    rng = np.random.default_rng(seed)
    H, sums = rng.random((5, 2)) + 0.1, None
    state = Learned(H)
    for n, size in sizes:
        X = size * (rng.random((n, 5)) + 0.1)
        model = _cp_model(MiniBatchNMF(2, loss=beta), as_data(X))
        W = batch_weights(model, state.H)
        sums = faded(sums, said(X, W, W @ state.H.T, state.H, beta), rho, state.H, beta)
        state = learned(state, model, W, rho)
        close(held(state.sums)[0], sums[0])
        close(held(state.sums)[1], sums[1])
        if beta < 2:  # a step that makes the sum of all least, where M is near to what it was
            close(state.H, (sums[0] / sums[1]) ** (1 / max(2 - beta, 1.0)))
    assert (state.steps, state.samples) == (len(sizes), sum(n for n, _ in sizes))


@given(st.lists(st.tuples(st.integers(0, 2), *[st.sampled_from([1e-2, 1.0, 300.0])]), min_size=2, max_size=5),
       st.sampled_from([2.0, 1.0, 0.5]), st.integers(0, 99))  # fmt: skip
def test_what_is_remembered_of_strata(batches, beta, seed):
    "Every stratum's sums fade with each batch of any stratum; weights are the best beside its features."
    rng, rho = np.random.default_rng(seed), 0.6
    state, sums, own = StrataLearned(rng.random((5, 2)) + 0.1), None, []
    for s, size in batches:
        s, n = min(s, len(state.V)), 4
        X = size * (rng.random((n, 5)) + 0.1)
        kw = dict(strata_rank=(1,), offsets=(0, n))
        make = StrataModel if beta == 2 else lambda *a, **k: StrataDivergence(*a, beta=beta, **k)
        old, (state, W) = state, strata_learned(state, make(as_data(X), 2, **kw), s, rng, rho)
        if s < len(old.V):
            v = old.V[s][:, 0]
            if beta == 2:
                close(W, [nnls(old.H, np.maximum(x - v, -1e300))[0] for x in X], 1e-6)
            M = W @ old.H.T + v
            sums = faded(sums, said(X, W, M, old.H, beta), rho, old.H, beta)
        else:
            own.append(None)
            sums = None if beta < 2 else faded(sums, said(X, W, None, old.H, 2.0), rho, old.H, 2.0)
        if sums is None:
            sums = held(state.sums)
        close(held(state.sums)[0], sums[0])
        close(held(state.sums)[1], sums[1])
        if beta == 2:
            fade = [o and tuple(rho * x for x in o) for o in own]
            now = n, X.sum(0), W.sum(0)
            fade[s] = now if fade[s] is None else tuple(a + b for a, b in zip(fade[s], now))
            own = fade
            for mine, o in zip(own, state.own):
                for a, b in zip((o.count, o.total, o.weights), mine):
                    close(a, b)
        elif s < len(old.V):
            now = said(X, np.ones((n, 1)), M, old.V[s], beta)
            own[s] = faded(own[s], now, rho, old.V[s], beta)
            close(held(state.own[s])[0], own[s][0])
            close(held(state.own[s])[1], own[s][1])
        else:
            own[s] = held(state.own[s])


@given(st.integers(1, 3), st.integers(0, 2), st.integers(0, 99))
def test_problems_of_topics_and_features_are_those_of_all_strata(S, s, seed):
    "Their slopes are those of the sum of all errors."
    rng, s = np.random.default_rng(seed), min(s, S - 1)
    X, W = [rng.random((4 + t, 5)) for t in range(S)], [rng.random((4 + t, 2)) for t in range(S)]
    H, V = rng.random((5, 2)), [rng.random((5, 2)) for _ in range(S)]
    gram, cross = sum(w.T @ w for w in W), sum(x.T @ w for x, w in zip(X, W))
    own = tuple(StratumSums(float(len(x)), x.sum(0), w.sum(0)) for x, w in zip(X, W))
    features, topics = stratum_problems(StrataLearned(H, tuple(V), Quadratic(gram, cross), own), s)
    left = [w @ H.T + v.sum(1) - x for x, w, v in zip(X, W, V)]
    slope = lambda q, B: B @ q.gram - q.cross + q.extra
    close(slope(topics, H), sum(e.T @ w for e, w in zip(left, W)))
    close(slope(features, V[s]), np.repeat(left[s].sum(0)[:, None], 2, 1))


@given(BETAS, st.sampled_from([0.0, 0.05, 0.5]), st.sampled_from([0.0, 0.5, 1.0]),
       st.sampled_from([1e-2, 1.0, 300.0]), st.integers(0, 99))  # fmt: skip
def test_weights_of_a_batch_are_the_best_for_what_they_cost(beta, alpha, l1_ratio, size, seed):
    "A small step away from them never makes loss and price less; nor is it less for new samples."
    rng = np.random.default_rng(seed)
    X = size * (rng.random((6, 4)) + 0.1)
    est = MiniBatchNMF(2, loss=beta, alpha_W=alpha, l1_ratio=l1_ratio, random_state=0)
    est.partial_fit(X)
    H = est.components_.T

    def cost(W):
        M = W @ H.T
        price = alpha * 4 * (l1_ratio * W.sum() + (1 - l1_ratio) / 2 * (W**2).sum())
        if beta == 2:
            return ((X - M) ** 2).sum() / 2 + price
        if beta == 1:
            return (X * np.log(X / M) - X + M).sum() + price
        if beta == 0:
            return (X / M - np.log(X / M) - 1).sum() + price
        return (X**beta / beta / (beta - 1) + M**beta / beta - X * M ** (beta - 1) / (beta - 1)).sum() + price

    for W, most in ((batch_weights(_cp_model(est, as_data(X)), H), 1e-2), (est.transform(X), 1e-4)):
        for factor in (0.9, 1.1):
            for z in range(2):
                moved = W * np.where(np.arange(2) == z, factor, 1.0)
                assert cost(W) <= cost(moved) + most * abs(cost(W))


# --- estimators ---


@given(st.lists(st.integers(1, 9), min_size=2, max_size=4), st.sampled_from([0.2, 0.9]), st.integers(1, 9))
def test_a_batch_fades_the_past_by_its_samples(sizes, forget, batch_size):
    rng = np.random.default_rng(0)
    m, gram = MiniBatchNMF(2, forget_factor=forget, batch_size=batch_size, random_state=0), 0.0
    for n in sizes:
        m.partial_fit(rng.random((n, 5)))
        gram = forget ** (n / batch_size) * gram + m.weights_.T @ m.weights_
        close(m._learned.sums.gram, gram)
    m, count = StratifiedNMF(2, random_state=0), 0.0
    for n in sizes:
        m.partial_fit(rng.random((n, 5)), forget_factor=forget, batch_size=batch_size)
        count = forget ** (n / batch_size) * count + n
        close(m._learned.own[0].count, count)


LOSSES = st.sampled_from(['frobenius', 'kullback-leibler'])


@given(st.lists(st.integers(0, 2), min_size=1, max_size=5), LOSSES, st.sampled_from([1.0, 100.0]))
def test_what_is_said_of_a_batch_of_a_stratum(strata, loss, size):
    "Weights and objective are those of the batch, with the features of its own stratum."
    rng, m = np.random.default_rng(1), StratifiedNMF(2, loss=loss, random_state=0)
    for s in strata:
        X = size * (rng.random((3 + s, 5)) + 0.1)
        m.partial_fit(X, stratum=f'stratum {s}')
        at = m.strata_.index(f'stratum {s}')
        assert [len(w) for w in m.weights_] == [len(X) if t == at else 0 for t in range(len(m.strata_))]
        p = m.model_
        M = m.weights_[at] @ p.H[0].T + p.V[0][at].sum(1)
        want = ((X - M) ** 2).sum() / 2 if loss == 'frobenius' else (X * np.log(X / M) - X + M).sum()
        close(m.objective_, want, 1e-7)
        close(m.history_.objective[-1], want, 1e-7)


@given(st.integers(5, 30), st.integers(1, 12), st.integers(1, 40), st.booleans())
def test_passes_and_losses_of_a_fit(n, batch_size, most, fresh):
    "A pass that was begun counts; losses are those of a sample; it ends `most` batches after the least one."
    X = np.random.default_rng(0).random((n, 4)) + 0.1
    m = MiniBatchNMF(1, batch_size=batch_size, max_no_improvement=most, max_iter=9, tol=0, random_state=0,
                     fresh_restarts=fresh).fit(X)  # fmt: skip
    batches = -(-n // batch_size)
    assert m.n_iter_ == -(-m.n_steps_ // batches) and len(m.history_.objective) == m.n_steps_
    assert m.history_.objective[-1] < 3 * m.objective_ / n + 1e-9
    idle = [i - int(np.argmin(m.history_.objective[: i + 1])) for i in range(m.n_steps_)]
    assert max(idle[:-1], default=0) < most and (m.status_ is Status.CONVERGED) == (idle[-1] >= most)
