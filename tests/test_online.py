"""Batches: what is learned, beside all data at once and beside scikit-learn; files, and what is refused."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.decomposition import MiniBatchNMF as Theirs

from ntf_lit import NMF, StratifiedNMF
from ntf_lit.batch_estimators import MiniBatchNMF
from ntf_lit.saving import load, save


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
