"""Fits on Dask workers: the result of one process, also when a worker is killed on the way."""

import os
import signal
import time

import numpy as np
import pytest
import scipy.sparse as sp
import zarr
from distributed import Client, LocalCluster

from ntf_lit import NCPD, NMF, StratifiedNMF, StratifiedNTF
from ntf_lit.cluster import fit_on_workers
from ntf_lit.files import LoadError
from ntf_lit.fit import Callback, Checkpoint

pytestmark = pytest.mark.xdist_group('cluster')


@pytest.fixture(scope='module')
def started():
    how = dict(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=':0')
    with LocalCluster(**how) as cluster, Client(cluster) as client:
        yield client


@pytest.fixture
def client(started):
    "With both workers there, also after a test that has killed one."
    started.wait_for_workers(2, timeout=60)
    return started


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
    kw = dict(rank=3, solver=solver, max_iter=5, tol=0, random_state=0)
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
    kw = dict(rank=4, random_state=0, max_iter=6, tol=0)
    same(fit_on_workers(NMF(**kw), X, client=client), NMF(**kw).fit(X))
    parts = [X[:100], X[100:]]
    same(fit_on_workers(StratifiedNMF(**kw), parts, client=client), StratifiedNMF(**kw).fit(parts))


@pytest.mark.parametrize('size', [1e-6, pytest.param(1.0, marks=pytest.mark.slow), 3e5])
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


class Counted(Callback):
    "How many actors each worker holds, after each sweep."

    def __init__(self, client):
        self.client, self.seen = client, []

    def after_sweep(self, state):
        self.seen.append(sorted(actors(self.client)))


def actors(client):
    return list(client.run(lambda dask_worker: len(dask_worker.state.actors)).values())


def gone(client):
    "Whether no worker holds an actor; they go a moment after they are let go."
    until = time.monotonic() + 20
    while sum(actors(client)) and time.monotonic() < until:
        time.sleep(0.05)
    return not sum(actors(client))


def test_each_worker_has_its_share_and_gives_it_back(client):
    "Of many fits one after the other, also of those that fail."
    X, watch = data(), Counted(client)
    bad = np.where(np.arange(200)[:, None, None] == 150, -1, X)
    for _ in range(2):
        est = NCPD(2, max_iter=3, tol=0, random_state=0, compress=False, callbacks=[watch])
        fit_on_workers(est, X, client=client)
        assert gone(client)
        with pytest.raises(ValueError, match='must not be negative'):
            fit_on_workers(est, bad, client=client)
        assert gone(client)
    assert watch.seen == [[1, 1]] * 6


def low_rank(shape=(360, 60, 50), seed=0, noise=0.02):
    rng = np.random.default_rng(seed)
    X = np.einsum('ir,jr,kr->ijk', *(rng.gamma(0.5, size=(d, 4)) for d in shape))
    return X + noise * rng.random(X.shape)


@pytest.mark.parametrize('compress', ['auto', pytest.param(True, marks=pytest.mark.slow), 9])
def test_on_cores_first(compress, client):
    "As in one process: the data decide, and the fit is no worse than without."
    X, kw = low_rank(), dict(rank=4, max_iter=300, random_state=0)
    m = fit_on_workers(NCPD(**kw, compress=compress), X, client=client)
    n, plain = NCPD(**kw, compress=True).fit(X), NCPD(**kw, compress=False).fit(X)
    assert m.compressed_ == pytest.approx(n.compressed_, abs=1e-3)
    assert m.objective_ <= plain.objective_ * (1 + 1e-4)
    R = X - np.einsum('ir,jr,kr->ijk', *m.factors_)
    assert m.objective_ == pytest.approx((R**2).sum() / 2, rel=1e-9)
    assert (np.diff(m.history_.objective) <= 1e-12 * m.history_.objective[0]).all()
    Y = X.reshape(360, -1)
    m = fit_on_workers(NMF(**kw, compress=compress), Y, client=client)
    assert compress == 'auto' or m.compressed_ == pytest.approx(n.compressed_, abs=0.01)
    assert m.objective_ <= NMF(**kw, compress=False).fit(Y).objective_ * (1 + 1e-4)


def test_cores_are_not_used_where_they_do_not_pay(client):
    "Noise has no subspaces; sparse data, strata and mu are left as they are, or refused."
    X = np.random.default_rng(0).random((300, 70, 60))
    m = fit_on_workers(NCPD(4, max_iter=12, tol=0, random_state=0), X * (X > 0.9), client=client)
    assert m.compressed_ is None
    with pytest.raises(ValueError, match="compress=True: the data cannot be compressed, solver='mu'"):
        fit_on_workers(NCPD(4, solver='mu', compress=True), X, client=client)
    few = sp.random_array((300, 50), density=0.1, rng=np.random.default_rng(0)).tocsr()
    with pytest.raises(ValueError, match='sparse, not dense'):
        fit_on_workers(NMF(4, compress=True), few, client=client)
    with pytest.warns(UserWarning, match='too small to compress to 9'):
        m = fit_on_workers(NCPD(2, compress=9, max_iter=5, random_state=0), X[:, :8, :9], client=client)
    assert m.compressed_ is None


def test_a_worker_is_killed_while_cores_are_fitted(client):
    X, kw = low_rank((120, 40, 36)), dict(rank=4, max_iter=300, random_state=0, compress=True)
    n = fit_on_workers(NCPD(**kw), X, client=client)
    m = fit_on_workers(NCPD(**kw, callbacks=[Kill(client, 3)]), X, client=client)
    assert m.objective_ == pytest.approx(n.objective_, rel=1e-5)


class Stop(Callback):
    "Ctrl-C after a sweep."

    def __init__(self, at):
        self.at = at

    def after_sweep(self, state):
        if state.k == self.at:
            raise KeyboardInterrupt


@pytest.mark.parametrize('compress', [False, True])
def test_stopped_and_gone_on_with(compress, client, tmp_path):
    "Ctrl-C leaves the best so far; from its file a fit goes on to where it would have ended, to the bit."
    X, file = low_rank((120, 40, 36)), tmp_path / 'fit.safetensors'
    kw = dict(rank=4, max_iter=15, tol=0, random_state=0, compress=compress)
    whole = fit_on_workers(NCPD(**kw), X, client=client)
    m = fit_on_workers(NCPD(**kw, callbacks=[Stop(7)]), X, client=client, resume=file)
    assert 'interrupted' in str(m.status_).lower() and m.objective_ >= whole.objective_
    m = fit_on_workers(NCPD(**kw), X, client=client, resume=file)
    assert m.objective_ == whole.objective_ and m.n_iter_ == whole.n_iter_
    np.testing.assert_array_equal(m.weights_, whole.weights_)
    with pytest.raises(LoadError, match='belongs to a fit of other data'):
        fit_on_workers(NCPD(**kw), X + 1, client=client, resume=file)
    with pytest.raises(ValueError, match='needs a whole number as random_state'):
        fit_on_workers(NCPD(**kw | dict(random_state=None)), X, client=client, resume=file)


def test_strata_stopped_and_gone_on_with(client, tmp_path):
    X, file, label = data(), tmp_path / 'fit.safetensors', np.arange(200) % 3
    kw = dict(rank=3, max_iter=11, tol=0, random_state=0)
    whole = fit_on_workers(StratifiedNTF(**kw), X, strata=label, client=client)
    fit_on_workers(StratifiedNTF(**kw, callbacks=[Stop(7)]), X, strata=label, client=client, resume=file)
    m = fit_on_workers(StratifiedNTF(**kw), X, strata=label, client=client, resume=file)
    assert m.objective_ == whole.objective_


@pytest.mark.parametrize('at', [0, 5, pytest.param(40, marks=pytest.mark.slow)])
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


def left_over_with_own():
    "(squared norm of what is left over, the same in one piece, fresh pages meanwhile, pages of a row)."
    import resource

    from ntf_lit.cluster import Ask, Holder, Piece

    rng = np.random.default_rng(0)
    X, W = rng.random((60, 1000, 200)), rng.random((60, 3))
    H, own = (rng.random((1000, 3)), rng.random((200, 3))), rng.random((2, 1000 * 200))
    hold, ask = Holder([Piece(X, 0, 60, 'X', np.arange(60) % 2)], 2), Ask(H, (0,), keep=(0,))
    hold.give(hold.read()[0], 0, W)
    whole = X * hold.scale - np.einsum('ir,jr,kr->ijk', W, *H) - own[hold.stratum].reshape(X.shape)
    whole = (whole**2).sum()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    found = hold.misfit(ask, own)
    fresh = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    return found, whole, fresh, X[0].nbytes // resource.getpagesize()


def test_what_is_left_over_takes_no_fresh_pages(client):
    "Dask starts its workers such that every large array is new pages: not one for each row."
    found, whole, fresh, row = client.submit(left_over_with_own, pure=False).result()
    assert found == pytest.approx(whole, rel=1e-12)
    assert fresh < 20 * row, f'{fresh} fresh pages, a row has {row}'
