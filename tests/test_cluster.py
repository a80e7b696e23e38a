"""Fits on Dask workers: the result of one process, also when a worker is killed on the way."""

import os
import signal

import numpy as np
import pytest
import scipy.sparse as sp
import zarr
from distributed import Client, LocalCluster

from ntf_lit import NCPD, NMF, StratifiedNMF, StratifiedNTF
from ntf_lit.cluster import fit_on_workers
from ntf_lit.fit import Callback, Checkpoint

pytestmark = pytest.mark.xdist_group('cluster')


@pytest.fixture(scope='module')
def client():
    how = dict(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=':0')
    with LocalCluster(**how) as cluster, Client(cluster) as client:
        yield client


def data(shape=(200, 12, 10), rank=3, seed=0):
    rng = np.random.default_rng(seed)
    X = np.einsum('ir,jr,kr->ijk', *(rng.gamma(0.5, size=(d, rank)) for d in shape))
    return X + 0.1 * rng.random(shape)


def same(m, n, tol=1e-8):
    np.testing.assert_allclose(m.history_.objective, n.history_.objective, rtol=tol)
    assert m.objective_ == pytest.approx(n.objective_, rel=tol)


def test_without_a_cluster():
    with pytest.raises(RuntimeError, match='there is no Dask client'):
        fit_on_workers(NCPD(3), data(), client=None)


@pytest.mark.parametrize('solver', ['mu', 'hals'])
def test_as_in_one_process(solver, client, tmp_path):
    X = data()
    kw = dict(rank=3, solver=solver, max_iter=12, tol=0, random_state=0)
    n = NCPD(**kw, compress=False).fit(X)
    store = zarr.create_array(str(tmp_path / 'X.zarr'), data=X, chunks=(32, 12, 10))
    np.save(tmp_path / 'X.npy', X)
    whole = {'mu': np.load(tmp_path / 'X.npy', mmap_mode='r'), 'hals': [X[:70], X[70:]]}
    for given in (store, whole[solver]):
        m = fit_on_workers(NCPD(**kw, compress=False), given, client=client)
        same(m, n)
    np.testing.assert_allclose(m.weights_, n.weights_, rtol=1e-6, atol=1e-9)
    label = np.random.default_rng(0).integers(3, size=200)
    kw |= dict(strata_rank=[2, 1, 1])
    n = StratifiedNTF(**kw).fit(X, strata=label)
    m = fit_on_workers(StratifiedNTF(**kw), store, strata=label, client=client)
    same(m, n)
    np.testing.assert_allclose(m.weights_[1], n.weights_[1], rtol=1e-6, atol=1e-9)
    same(fit_on_workers(StratifiedNTF(**kw), {s: X[label == s] for s in range(3)}, client=client), n)


def test_sparse(client):
    X = sp.random_array((300, 50), density=0.1, rng=np.random.default_rng(0)).tocsr()
    kw = dict(rank=4, random_state=0, max_iter=15, tol=0)
    same(fit_on_workers(NMF(**kw), X, client=client), NMF(**kw).fit(X))
    parts = [X[:100], X[100:]]
    same(fit_on_workers(StratifiedNMF(**kw), parts, client=client), StratifiedNMF(**kw).fit(parts))


@pytest.mark.parametrize('size', [1e-6, 1.0, 3e5])
def test_what_is_exact_stays_exact(size, client):
    "An error of nothing is summed directly, also with strata, in any order and of any size."
    rng = np.random.default_rng(0)
    X = size * rng.random((60, 2)) @ rng.random((2, 12))
    kw = dict(rank=2, max_iter=400, tol=0, random_state=0)
    m, n = fit_on_workers(NMF(**kw), X, client=client), NMF(**kw).fit(X)
    assert m.relative_error_ < 1e-4 and m.relative_error_ == pytest.approx(
        n.relative_error_, rel=0.2, abs=1e-9
    )
    label = np.arange(60) % 3
    Y = X + size * rng.random((3, 12))[label]
    kw |= dict(strata_rank=1)
    m = fit_on_workers(StratifiedNMF(**kw), Y, strata=label, client=client)
    for s in range(3):
        M = m.weights_[s] @ m.model_.H[0].T + m.model_.V[0][s].sum(1)
        assert ((Y[label == s] - M) ** 2).sum() < 1e-4 * (Y**2).sum()
    M = np.concatenate([m.weights_[s] @ m.model_.H[0].T + m.model_.V[0][s].sum(1) for s in range(3)])
    left = ((np.concatenate([Y[label == s] for s in range(3)]) - M) ** 2).sum()
    assert m.objective_ == pytest.approx(left / 2, rel=1e-5)
    assert m.relative_error_ == pytest.approx(np.sqrt(left / (Y**2).sum()), rel=1e-5)


class Kill(Callback):
    "Kill a worker after a sweep, with its process."

    def __init__(self, client, at):
        self.client, self.at = client, at

    def after_sweep(self, state):
        if state.k == self.at:
            pids = self.client.run(os.getpid)
            os.kill(next(iter(pids.values())), signal.SIGKILL)


class Watch(Callback):
    "How calls travel, after each sweep."

    def __init__(self, client):
        self.client, self.seen = client, []

    def after_sweep(self, state):
        self.seen.append(self.client.direct_to_workers)


@pytest.mark.parametrize('told, found', [(None, True), (False, False), (True, True)])
def test_calls_go_straight_to_the_workers(client, told, found):
    "Unless the client says otherwise; it is left as it was."
    client.direct_to_workers, watch = told, Watch(client)
    try:
        fit_on_workers(NCPD(2, max_iter=3, tol=0, compress=False, callbacks=[watch]), data(), client=client)
        assert (watch.seen, client.direct_to_workers) == ([found] * 3, told)
    finally:
        client.direct_to_workers = None


@pytest.mark.parametrize('at', [0, 5, 40])
def test_a_worker_is_killed(client, tmp_path, at):
    "Its rows are read again, and the fit ends where it would have."
    X = data()
    store = zarr.create_array(str(tmp_path / 'X.zarr'), data=X, chunks=(32, 12, 10))
    kw = dict(rank=3, max_iter=400, tol=1e-13, random_state=0, compress=False)
    n = NCPD(**kw).fit(X)
    file = tmp_path / 'fit.safetensors'
    calls = [Kill(client, at), Checkpoint(file, every=50)]
    m = fit_on_workers(NCPD(**kw, callbacks=calls), store, client=client)
    assert m.objective_ == pytest.approx(n.objective_, rel=1e-8)
    assert file.exists()


def test_what_is_refused(client, tmp_path):
    X = data()
    bad = np.array(X)
    bad[150, 3, 2] = np.nan
    with pytest.raises(ValueError, match=r'row 150 of X is NaN at \(3, 2\)'):
        fit_on_workers(NCPD(3), bad, client=client)
    with pytest.raises(ValueError, match=r'X\[1\] has samples of shape \(12, 9\)'):
        fit_on_workers(StratifiedNTF(3), [X, X[:, :, :9]], client=client)
    for est, said in (
        (NMF(loss='kullback-leibler'), "loss must be 'frobenius'"),
        (NCPD(alpha=0.1), 'alpha must be 0'),
        (NCPD(init='nndsvd'), "init must be 'random' or 'uniform'"),
        (NCPD(n_jobs=2), 'the workers are the processes'),
    ):
        with pytest.raises(ValueError, match=said):
            fit_on_workers(est, X, client=client)
    np.save(tmp_path / 'X.npy', X)
    store = np.load(tmp_path / 'X.npy', mmap_mode='r')
    os.remove(tmp_path / 'X.npy')
    with pytest.raises(FileNotFoundError):
        fit_on_workers(NCPD(3), store, client=client)
