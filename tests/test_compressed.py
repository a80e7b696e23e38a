"Fits in the data's own subspaces: what stays as it was, what is refused, what they cost in memory."

import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import given, strategies as st

from ntf_lit import NCPD, NMF
from ntf_lit.compressed import compressed, fit_compressed
from ntf_lit.fit import Tolerance
from ntf_lit.incoming import as_data
from ntf_lit.ncpd import NCPDModel
from ntf_lit.tensor import COO, cp_rows

STOP = [Tolerance(1e-6)]


def planted(shape, rank, noise=0.1, seed=0, draw='gamma'):
    rng = np.random.default_rng(seed)
    make = (
        (lambda d: rng.gamma(0.5, size=(d, rank))) if draw == 'gamma' else (lambda d: rng.random((d, rank)))
    )
    X = cp_rows([make(d) for d in shape])(0, shape[0])
    return X + noise * X.std() * abs(rng.standard_normal(shape))


SMALL = planted((20, 15, 12), 3)
SEEN = np.arange(SMALL.size).reshape(SMALL.shape) % 50 > 0


@pytest.mark.parametrize('how', [dict(), dict(n_init=3), dict(init='nndsvd'), dict(solver='mu')])
def test_small_data_stay_as_they_were(how):
    with_it = NCPD(3, random_state=0, **how).fit(SMALL)
    without = NCPD(3, random_state=0, compress=False, **how).fit(SMALL)
    assert with_it.compressed_ is None
    assert with_it.history_.objective == without.history_.objective
    for a, b in zip(with_it.factors_, without.factors_):
        assert (a == b).all()


@pytest.mark.parametrize('draw', ['gamma', 'uniform'])
@pytest.mark.parametrize('shape', [(1500, 1000), (110, 100, 100), (34, 33, 32, 31)])
def test_large_data_are_compressed_and_never_worse(shape, draw):
    model = NCPDModel(as_data(planted(shape, 5, draw=draw)), 5)
    with_it, held = fit_compressed(model, seed=0, stop=STOP)
    without, _ = fit_compressed(model, compress=False, seed=0, stop=STOP)
    assert held > 0.9
    assert with_it.relative_error <= without.relative_error * (1 + 1e-5)


def test_data_without_low_rank_stay_as_they_were():
    X = np.random.default_rng(0).gamma(0.1, size=(110, 100, 100))
    with_it, without = (NCPD(3, compress=c, random_state=0, max_iter=10).fit(X) for c in ('auto', False))
    assert with_it.compressed_ is None
    for a, b in zip(with_it.factors_, without.factors_):
        assert (a == b).all()


def test_a_sketch_that_misleads_is_dropped():
    "As many columns as components, of data that have many more: the core sees another loss than the data."
    X = planted((60, 50, 40), 30, 0.5)
    with_it, without = (NCPD(2, compress=c, random_state=0).fit(X) for c in (2, False))
    assert with_it.relative_error_ <= without.relative_error_ * (1 + 1e-3)


def test_new_samples_have_the_weights_they_had():
    X = planted((60, 50, 40), 3)
    fitted = NCPD(3, compress=True, random_state=0).fit(X)
    assert fitted.compressed_ > 0.9
    np.testing.assert_allclose(
        fitted.transform(X), fitted.weights_, rtol=1e-6, atol=1e-9 * fitted.weights_.max()
    )


def sparse(X):
    at = np.nonzero(X > X.mean())
    return COO(np.stack(at), X[at], X.shape)


@pytest.mark.parametrize(
    'settings, fit, match',
    [
        (dict(compress=2), {}, 'compress=2 columns per mode cannot hold 3 components'),
        (dict(compress=True, solver='mu'), {}, "solver='mu' cannot leave a zero"),
        (dict(compress=True, loss='kullback-leibler'), {}, 'DivergenceModel needs more'),
        (dict(compress=True, alpha=0.1), {}, 'entries cost something'),
        (dict(compress=True), dict(weights=np.ones(SMALL.shape)), 'WeightedModel needs more'),
        (
            dict(compress=True),
            dict(mask=np.arange(SMALL.size).reshape(SMALL.shape) % 50 > 0),
            'masked|Weighted',
        ),
    ],
)
def test_what_cannot_be_compressed(settings, fit, match):
    with pytest.raises(ValueError, match=match):
        NCPD(3, **settings).fit(SMALL, **fit)


def test_sparse_data_cannot():
    with pytest.raises(ValueError, match='they are sparse'):
        NCPD(3, compress=True).fit(sparse(SMALL))
    assert NCPD(3, random_state=0).fit(sparse(SMALL)).compressed_ is None


@pytest.mark.parametrize('bad', ['yes', 2.5, None, [3]])
def test_other_values(bad):
    with pytest.raises(TypeError, match="compress must be 'auto', True, False or a number of columns"):
        NCPD(3, compress=bad).fit(SMALL)


def test_too_small_is_said_once():
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter('always')
        fitted = NMF(3, compress=40, random_state=0).fit(SMALL[:, :, 0])
    assert fitted.compressed_ is None
    assert ['too small to compress' in str(w.message) for w in said] == [True]


def test_labels_and_compress():
    X, y = SMALL[:, :, 0], np.arange(20) % 2
    with pytest.raises(ValueError, match='SupervisedModel needs more'):
        NMF(3, compress=True, label_weight=1.0).fit(X, y)
    assert NMF(3, label_weight=1.0, random_state=0).fit(X, y).compressed_ is None


def test_memory():
    "The sketch takes a tenth of the data, and the sweeps after it what they always take."
    X = planted((160, 160, 160), 8).astype('f')
    model = NCPDModel(as_data(X), 8)
    fit_compressed(model, seed=0, max_iter=12)
    tracemalloc.start()
    _, held = fit_compressed(model, seed=0, max_iter=12)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert held > 0.9
    assert peak <= 0.3 * X.nbytes


# --- properties ---


@given(st.integers(0, 999), st.sampled_from([1e-3, 1.0, 300.0]), st.sampled_from([np.float64, np.float32]))
def test_a_core_says_what_the_data_say(seed, size, dtype):
    "Misfits, products and singular vectors are those of the data, as far as the bases hold them."
    rng, shape = np.random.default_rng(seed), (30, 9, 20)
    F = [rng.random((d, 3)) for d in shape]
    X = (size * np.einsum('ir,jr,kr->ijk', *F) + 1e-3 * size * rng.random(shape)).astype(dtype)
    whole = as_data(X)
    core, eps = compressed(whole, 8, seed), np.finfo(dtype).eps
    A = X.astype(float) * whole.scale
    assert (core.shape, core.scale, core.square) == (whole.shape, whole.scale, whole.square)
    assert 0.999 < core.held <= 1 + 1e-6
    for U, d in zip(core.bases, shape):
        assert (U is None) == (d <= 8)
        if U is not None:
            assert abs(U.T @ U - np.eye(8)).max() < 30 * eps
    G = [rng.random((d, 3)).astype(dtype) for d in shape]
    M = np.einsum('ir,jr,kr->ijk', *(g.astype(float) for g in G))
    assert core.misfit(G) == pytest.approx(((A - M) ** 2).sum(), rel=1e-3)
    near = [f.astype(dtype) for f in (F[0] * size * whole.scale, *F[1:])]
    left = ((A - np.einsum('ir,jr,kr->ijk', *(g.astype(float) for g in near))) ** 2).sum()
    assert core.misfit(near) == pytest.approx(left, rel=0.3 if dtype == np.float32 else 0.02)
    p = core.split
    right, left = core.right(G), core.left(G)
    for t in range(3):
        found = core.contract(right, G[:p], t) if t < p else core.contract(left, G[p:], t - p)
        others = [g for k, g in enumerate(G) if k != t]
        want = np.einsum('aij,ir,jr->ar', np.moveaxis(A, t, 0), *others)
        assert found.min() >= 0
        np.testing.assert_allclose(found, want, atol=3e-3 * want.max())
        U, want = core.leading(t, 2), np.linalg.svd(np.moveaxis(A, t, 0).reshape(shape[t], -1))[0][:, :2]
        assert U.shape == (shape[t], 2)
        np.testing.assert_allclose(abs((U * want).sum(0)), 1, atol=1e-3)


@given(st.integers(2, 12), st.integers(0, 99))
def test_sweeps_and_seconds_of_both_fits_count(most, seed):
    "On core and data together no more than were asked for; time goes on."
    X = planted((24, 22, 20), 2, seed=seed)
    r, held = fit_compressed(NCPDModel(as_data(X), 2), compress=8, seed=seed, max_iter=most)
    assert held is not None and r.n_iter <= most
    assert (np.diff(r.history.seconds) >= 0).all()
    direct = ((X - cp_rows(list(r.params.factors))(0, len(X))) ** 2).sum() / 2
    assert r.objective == pytest.approx(direct, rel=1e-6)
