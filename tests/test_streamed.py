"""Data larger than memory: stores of every make, read once a pass, give what the data in memory give."""

import tracemalloc

import dask.array as da
import h5py
import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given, settings, strategies as st

from ntf_lit import (
    HNCPD,
    HNMF,
    HNTF,
    NCPD,
    NMF,
    MultiHNTF,
    NeuralNCPD,
    NeuralNMF,
    StratifiedNMF,
    StratifiedNTF,
    TopicBrowser,
)
from ntf_lit.batch_estimators import MiniBatchNMF
from ntf_lit.choosing import RankSearchCV
from ntf_lit.consensus import Consensus
from ntf_lit.diagnostics import core_consistency, split_half
from ntf_lit.blocks import RULES
from ntf_lit.hnmf import hnmf, hntf
from ntf_lit.incoming import as_data
from ntf_lit.merge_split import merge_topics, split_topic
from ntf_lit.score import relative_error
from ntf_lit.streamed import streamed
from ntf_lit.updates import Quadratic
from ntf_lit.views import view
from ntf_lit.weights import as_weighted

SHAPE = 480, 30, 20
MAKES = 'npy', 'zarr', 'h5py', 'dask', 'xarray', 'own'


class Own:
    "Four lines that make a store of anything."

    def __init__(self, X):
        self.X, self.shape, self.dtype, self.rows = X, X.shape, X.dtype, 0

    def __getitem__(self, rows):
        self.rows += len(self.X[rows])
        return self.X[rows]


def stored(X, make, folder, name='X'):
    path = str(folder / f'{name}.{make}')
    chunks = (64, *X.shape[1:])
    if make == 'npy':
        np.save(path, X)
        return np.load(path, mmap_mode='r')
    if make in ('zarr', 'dask', 'xarray'):
        z = zarr.create_array(path, data=X, chunks=(32, *X.shape[1:]), shards=chunks)
        if make == 'zarr':
            return z
        lazy = da.from_zarr(z)
        return lazy if make == 'dask' else xr.DataArray(lazy, dims=['row', 'y', 'x'][: X.ndim])
    if make == 'h5py':
        return h5py.File(path, 'w').create_dataset('X', data=X, chunks=chunks)
    return Own(X)


def data(shape=SHAPE, rank=4, seed=0):
    rng = np.random.default_rng(seed)
    X = np.einsum('ir,jr,kr->ijk', *(rng.gamma(0.5, size=(d, rank)) for d in shape))
    return X + 0.1 * rng.random(shape)


def same(m, n, tol=1e-10):
    assert m.objective_ == pytest.approx(n.objective_, rel=tol)
    np.testing.assert_allclose(m.history_.objective, n.history_.objective, rtol=tol)


@pytest.mark.parametrize('make', MAKES)
def test_makes(make, tmp_path):
    X = data()
    store = stored(X, make, tmp_path)
    kw = dict(rank=4, max_iter=6, tol=0, random_state=0, compress=False)
    m, n = NCPD(**kw).fit(streamed(store, rows=192)), NCPD(**kw).fit(X)
    same(m, n)
    np.testing.assert_allclose(m.transform(streamed(store)), n.transform(X), rtol=1e-6, atol=1e-9)
    assert m.score(streamed(store)) == pytest.approx(n.score(X), rel=1e-10)


@pytest.mark.parametrize('solver', ['mu', 'hals', 'nnls'])
@pytest.mark.parametrize('init', ['random', 'uniform', 'nndsvd'])
def test_matrices(solver, init):
    X = data().reshape(len(data()), -1)
    kw = dict(rank=3, solver=solver, init=init, max_iter=15, tol=0, random_state=0, compress=False)
    same(NMF(**kw).fit(streamed(Own(X), rows=50)), NMF(**kw).fit(X))


@pytest.mark.parametrize(
    'kw',
    [
        dict(alpha=0.01, l1_ratio=0.5),
        dict(loss='kullback-leibler', solver='mu'),
        dict(loss=1.5, solver='mu'),
        dict(n_init=2),
        dict(compress=True),
        dict(seeds=[[0, 1], [2, 3]], vocabulary=1),
    ],
    ids=str,
)
def test_settings(kw):
    X = data()
    kw = dict(rank=3, max_iter=8, tol=0, random_state=0) | (dict(compress=False) | kw)
    tol = 1e-5 if kw['compress'] else 1e-10  # subspaces are looked for in single precision
    same(NCPD(**kw).fit(streamed(Own(X), rows=70)), NCPD(**kw).fit(X), tol)


def test_fixed_parts_and_labels():
    X = data((90, 8, 5)).reshape(90, 40)
    rng = np.random.default_rng(0)
    W, H = rng.random((90, 3)), rng.random((40, 3))
    for fixed in ({0: [1]}, {0: True}, {1: [0, 2]}):
        kw = dict(rank=3, init=[W, H], fixed=fixed, max_iter=10, tol=0)
        same(NMF(**kw).fit(streamed(Own(X), rows=20)), NMF(**kw).fit(X))
    y = rng.integers(3, size=90)
    kw = dict(rank=3, label_weight=0.5, max_iter=10, tol=0, random_state=0)
    m, n = NMF(**kw).fit(streamed(Own(X), rows=20), y), NMF(**kw).fit(X, y)
    same(m, n)
    assert (m.predict(X) == n.predict(X)).all()


@pytest.mark.parametrize('solver', ['mu', 'hals', 'nnls'])
@pytest.mark.parametrize('kind', [StratifiedNTF, StratifiedNMF])
def test_strata(kind, solver, monkeypatch):
    monkeypatch.setattr('ntf_lit.estimators.JOIN', 0)
    monkeypatch.setattr('ntf_lit.strata_estimators.JOIN', 0)
    X = data() if kind is StratifiedNTF else data().reshape(480, -1)
    label = np.random.default_rng(0).choice(list('abc'), 480, p=[0.5, 0.3, 0.2])
    kw = dict(rank=3, strata_rank=[2, 1, 1], solver=solver, max_iter=12, tol=0, random_state=0)
    n = kind(**kw).fit(X, strata=label)
    own = Own(X)
    m = kind(**kw).fit(own, strata=label)
    same(m, n)
    assert own.rows > 6 * 480 and own.rows % 480 == 0  # whole passes
    np.testing.assert_allclose(
        m.transform(own, strata=label), n.transform(X, strata=label), rtol=1e-5, atol=1e-8
    )
    assert m.score(own, strata=label) == pytest.approx(n.score(X, strata=label), rel=1e-10)
    parts = {key: Own(X[label == key]) for key in 'abc'}
    apart = kind(**kw).fit(parts)
    same(apart, n)
    assert apart.strata_ == list('abc')
    np.testing.assert_allclose(
        apart.transform(parts)[1], m.transform(parts['b'], stratum='b'), rtol=1e-6, atol=1e-9
    )


def test_strata_of_counts(monkeypatch):
    monkeypatch.setattr('ntf_lit.strata_estimators.JOIN', 0)
    X = np.random.default_rng(0).poisson(2.0, (120, 30)).astype(np.uint8)
    kw = dict(rank=2, loss='kullback-leibler', max_iter=6, tol=0, random_state=0)
    same(StratifiedNMF(**kw).fit([Own(X[:50]), Own(X[50:])]), StratifiedNMF(**kw).fit([X[:50], X[50:]]))


@pytest.mark.parametrize('strata', [None, 'abc'], ids=['NCPD', 'StratifiedNTF'])
@pytest.mark.parametrize('solver', ['mu', 'hals'])
@pytest.mark.parametrize('shape, passes', [((400, 6, 5), 1), ((12, 20, 15), 2)])
def test_passes(shape, passes, solver, strata, monkeypatch):
    "One for a sweep where the samples are the left group by themselves, two otherwise."
    X, kw = data(shape), dict(rank=2, solver=solver, tol=0, random_state=0)
    how = {} if strata is None else dict(strata=[strata[i % 3] for i in range(len(X))])
    kind, kw = (NCPD, kw | dict(compress=False)) if strata is None else (StratifiedNTF, kw)
    for kind_of in ('estimators', 'strata_estimators'):
        monkeypatch.setattr(f'ntf_lit.{kind_of}.JOIN', 0)
    counts = []
    for sweeps in (5, 15):
        store = Own(X)
        m = kind(max_iter=sweeps, **kw).fit(store, **how)
        counts.append(store.rows / len(X))
        assert m.objective_ == pytest.approx(kind(max_iter=sweeps, **kw).fit(X, **how).objective_, rel=1e-8)
    sweeps = 10 if solver == 'mu' else 20  # a step back is a sweep once more
    assert 10 * passes <= counts[1] - counts[0] <= sweeps * passes


def test_memory(tmp_path, monkeypatch):
    "A tensor of 38 MB in a file: three blocks of 2 MB, what they are multiplied to, and the factors."
    monkeypatch.setattr('ntf_lit.streamed.BLOCK', 1 << 21)
    X = np.random.default_rng(0).random((1600, 80, 75), 'f4')
    size = X.nbytes
    np.save(tmp_path / 'X.npy', X)
    store = np.load(tmp_path / 'X.npy', mmap_mode='r')
    del X
    for fit in (
        lambda: NCPD(5, max_iter=1, random_state=0, compress=False).fit(store),
        lambda: NCPD(5, max_iter=1, compress=True, random_state=0).fit(store),
        lambda: StratifiedNTF(5, max_iter=1, random_state=0).fit(store, strata=np.arange(1600) % 4),
    ):
        tracemalloc.start()
        try:
            m = fit()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert m.relative_error_ < 0.6
        assert peak < 0.45 * size, f'{peak / 1e6:.0f} MB'


class Slices:
    "A store whose rows are asked for by slices, and which remembers the most it gave at once."

    def __init__(self, X):
        self.X, self.shape, self.dtype, self.most = X, X.shape, X.dtype, 0

    def __getitem__(self, rows):
        self.most = max(self.most, len(self.X[rows]))
        return self.X[rows]


FEW = dict(max_iter=3, random_state=0)
IN_BLOCKS = {
    'NMF': lambda X: NMF(2, **FEW).fit(X),
    'NCPD': lambda X: NCPD(2, **FEW).fit(X),
    'NCPD, compressed': lambda X: NCPD(2, compress=True, **FEW).fit(X),
    'NCPD, counts': lambda X: NCPD(2, loss='kullback-leibler', **FEW).fit(X),
    'StratifiedNMF': lambda X: StratifiedNMF(2, **FEW).fit(X, strata=np.arange(90) % 2),
    'StratifiedNTF': lambda X: StratifiedNTF(2, **FEW).fit(X, strata=np.arange(90) % 2),
    'StratifiedNTF, apart': lambda X: StratifiedNTF(2, **FEW).fit([X, X]),
    'streamed': streamed,
    'transform': lambda X: NCPD(2, **FEW).fit(X.X).transform(X),
    'score': lambda X: NCPD(2, **FEW).fit(X.X).score(X),
}
WHOLE = {
    'HNMF': lambda X: HNMF([3, 2], **FEW).fit(X),
    'HNCPD': lambda X: HNCPD([3, 2], **FEW).fit(X),
    'HNTF': lambda X: HNTF([3, 2], **FEW).fit(X),
    'MultiHNTF': lambda X: MultiHNTF([3, 2], **FEW).fit(X),
    'NeuralNMF': lambda X: NeuralNMF([3, 2], max_epochs=2, random_state=0).fit(X),
    'NeuralNCPD': lambda X: NeuralNCPD([3, 2], max_epochs=2, random_state=0).fit(X),
    'MiniBatchNMF': lambda X: MiniBatchNMF(2, batch_size=30, **FEW).fit(X),
    'RankSearchCV': lambda X: RankSearchCV(NMF(**FEW), [1, 2], cv=2, random_state=0).fit(X),
    'Consensus': lambda X: Consensus(NMF(2, **FEW), n_runs=3, random_state=0).fit(X),
    'hnmf': lambda X: hnmf(X, [3, 2], seed=0, max_iter=3),
    'hntf': lambda X: hntf(X, [3, 2], seed=0, max_iter=3),
    'as_data': as_data,
    'as_weighted': lambda X: as_weighted(X, np.ones(X.shape)),
    'relative_error': lambda X: relative_error(X, NCPD(2, **FEW).fit(X.X).cp_),
    'core_consistency': lambda X: core_consistency(NCPD(2, **FEW).fit(X.X), X),
    'split_half': lambda X: split_half(NCPD(2, **FEW), X, splits=1, random_state=0),
    'mask': lambda X: NCPD(2, **FEW).fit(X, mask=np.ones(X.shape, bool)),
    'weights': lambda X: NCPD(2, **FEW).fit(X, weights=np.ones(X.shape)),
    'view': lambda X: view(NCPD(2, **FEW).fit(X.X), data=X),
    'browser': lambda X: TopicBrowser(NCPD(2, **FEW).fit(X.X), X),
    'merge': lambda X: merge_topics(NCPD(3, **FEW).fit(X.X), X, [0, 1]),
    'split': lambda X: split_topic(NCPD(3, **FEW).fit(X.X), X, 0, random_state=0),
}
REFUSED = {'mask', 'weights'}  # as data that are streamed


@pytest.fixture
def everything_is_large(monkeypatch):
    for where in ('estimators.JOIN', 'strata_estimators.JOIN', 'incoming.COPY'):
        monkeypatch.setattr(f'ntf_lit.{where}', 0)
    monkeypatch.setattr('ntf_lit.streamed.BLOCK', 1 << 12)


def a_store(way):
    X = data((90, 6, 5))
    return Slices(X.reshape(90, 30) if 'NMF' in way or way in ('RankSearchCV', 'Consensus', 'hnmf') else X)


@pytest.mark.parametrize('way', IN_BLOCKS)
def test_in_blocks(way, everything_is_large, recwarn):
    "These read a store block by block, and copy it nowhere."
    X = a_store(way)
    IN_BLOCKS[way](X)
    assert 0 < X.most < 60
    assert not [w for w in recwarn if 'as a whole' in str(w.message)]


@pytest.mark.filterwarnings('ignore:RankSearchCV')
@pytest.mark.parametrize('way', WHOLE)
def test_copies_are_said(way, everything_is_large, monkeypatch):
    "These need all of a store in memory: they say so, and refuse one that is larger than the memory."
    X = a_store(way)
    if way in REFUSED:
        with pytest.raises(ValueError, match='cannot be had with data that are streamed'):
            WHOLE[way](X)
        return
    with pytest.warns(
        UserWarning, match=r'is a Slices of .* GiB, and is needed here as a whole: it is copied'
    ) as found:
        WHOLE[way](X)
    assert len([w for w in found if 'as a whole' in str(w.message)]) == 1
    monkeypatch.setattr('ntf_lit.incoming._memory', lambda: 1000)
    X = a_store(way)
    with pytest.raises(MemoryError, match='this machine has 9.31e-07 GiB'):
        WHOLE[way](X)
    assert X.most == 0


@pytest.mark.parametrize('make', MAKES)
def test_copies_of_every_make(make, tmp_path, everything_is_large, recwarn):
    X = data((90, 6, 5))
    m, n = HNCPD([3, 2], **FEW).fit(stored(X, make, tmp_path)), HNCPD([3, 2], **FEW).fit(X)
    said = [w for w in recwarn if 'as a whole' in str(w.message)]
    assert len(said) == (make != 'npy')  # a memory map is used where it is
    for f, g in zip(m.layers_[0].factors, n.layers_[0].factors):
        np.testing.assert_allclose(f, g, rtol=1e-10)


# --- properties ---


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=3),
    st.integers(1, 7),
    st.lists(st.sampled_from([0.0, 1e-150, 1e-3, 1.0, 1e100]), min_size=1, max_size=4),
    st.integers(0, 999),
)
def test_what_is_measured_on_the_way(sizes, rows, magnitudes, seed):
    "Scale and square are those of the data in memory, whatever the blocks and the sizes in them."
    rng = np.random.default_rng(seed)
    X = rng.random((sum(sizes), 3)) * rng.choice(magnitudes, (sum(sizes), 1))
    D, whole = streamed([Own(x) for x in np.split(X, np.cumsum(sizes)[:-1])], rows), as_data(X)
    assert D.scale == whole.scale and D.square == pytest.approx(whole.square, rel=1e-12)
    a, b = sorted(rng.integers(0, len(X) + 1, 2))
    c, d = sorted(rng.integers(0, b - a + 1, 2))
    found = [x for _, x in D.part(a, b).part(c, d).pieces()]
    np.testing.assert_array_equal(np.concatenate([np.zeros((0, 3)), *found]), X[a + c : a + d])


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=3),
    st.integers(1, 5),
    st.sampled_from(sorted(RULES)),
    st.sampled_from(['none', 'one', 'each']),
    st.booleans(),
    st.integers(0, 999),
)
def test_rows_by_the_way_are_rows_of_the_whole(sizes, rows, rule, extra, turned, seed):
    "Weights that a rule finds block by block, and what they make of the data, whatever is explained already."
    rng, n = np.random.default_rng(seed), sum(sizes)
    X, W, H = 50 * rng.random((n, 4)), rng.random((n, 2)), rng.random((4, 2))
    place = rng.permutation(n) if turned else None
    D = streamed([Own(x) for x in np.split(X, np.cumsum(sizes)[:-1])], rows, place).once()
    if turned:
        X = X[np.argsort(place)]
    X, gram = X * D.data.scale, H.T @ H
    E = dict(none=None, one=rng.random(2), each=rng.random((n, 2)))[extra]
    q = D.right([W, H]).problem(gram, E)
    new = q.rules[rule](W, q, 2)
    want = RULES[rule](W, Quadratic(gram, X @ H, E), 2)
    np.testing.assert_allclose(new, want, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(D.left([new]), want.T @ X, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize('size', [1e-280, 1e-30, 1e30, 1e150])
@pytest.mark.parametrize('kind', [NCPD, StratifiedNTF])
def test_sizes_far_from_one(kind, size, monkeypatch):
    monkeypatch.setattr('ntf_lit.estimators.JOIN', 0)
    monkeypatch.setattr('ntf_lit.strata_estimators.JOIN', 0)
    X = size * data((90, 8, 5))
    how = {} if kind is NCPD else dict(strata=np.arange(90) % 2)
    kw = dict(rank=3, max_iter=6, tol=0, random_state=0) | (dict(compress=False) if kind is NCPD else {})
    m, n = (
        kind(**kw).fit(streamed(Own(X), rows=20) if kind is NCPD else Own(X), **how),
        kind(**kw).fit(X, **how),
    )
    assert m.relative_error_ == pytest.approx(n.relative_error_, rel=1e-9)
    for a, b in zip(
        m.factors_[1:] if kind is NCPD else m.model_.H, n.factors_[1:] if kind is NCPD else n.model_.H
    ):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-9 * b.max())


@pytest.mark.parametrize('shape', [(9, 4), (9, 4, 3), (9, 2, 3, 2)])
@pytest.mark.parametrize('size', [1e-280, 1e-100, 1e-30, 1.0, 1e30, 1e100, 1e150])
def test_products_are_those_of_the_data_in_memory_whatever_their_size(shape, size):
    "In the units of the store, whose scale may be no number that a factor can take at once."
    X = size * np.random.default_rng(0).random(shape)
    D, dense = streamed(Own(X), rows=4), as_data(X)
    F = [np.random.default_rng(1).random((d, 2)) for d in shape]
    assert D.split == dense.split and D.scale == dense.scale
    for given_to in (D.right, dense.right):
        assert np.isfinite(given_to(F)).all()
    np.testing.assert_allclose(D.right(F), dense.right(F), rtol=1e-12)
    units = np.ldexp(X, int(np.log2(dense.factor_scale)))
    K = np.ones((1, 2))
    for A in F[D.split :]:
        K = (K[:, None] * A).reshape(-1, 2)
    want = units.reshape(-1, len(K)) @ K
    np.testing.assert_allclose(np.moveaxis(np.asarray(D.right(F)), 0, -1).reshape(-1, 2), want, rtol=1e-12)


class Chunked(Own):
    "A store in chunks that knows what was read."

    def __init__(self, X, chunks):
        super().__init__(X)
        self.chunks, self.read = chunks, []

    def __getitem__(self, rows):
        self.read.append((rows.start, rows.stop))
        return super().__getitem__(rows)


@given(st.integers(1, 9), st.integers(10, 60), st.integers(1, 40))
@settings(max_examples=20)
def test_no_chunk_is_read_twice_in_a_pass(chunk, n, rows):
    "Blocks end where chunks do, and are about as large as they should be."
    import ntf_lit.streamed as module

    before = module.BLOCK
    try:
        module.BLOCK = rows * 4 * 8
        store = Chunked(np.ones((n, 4)), (chunk, 2))
        D = streamed(store)
    finally:
        module.BLOCK = before
    assert D.passes.count == 1 and [a for a, _ in store.read][1:] == [b for _, b in store.read][:-1]
    assert all(a % chunk == 0 for a, _ in store.read)
    assert all(b - a <= max(chunk, rows) for a, b in store.read)
    assert len(store.read) <= n / max(chunk, rows // chunk * chunk) + 1


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 5), st.data())
def test_a_bad_number_is_told_where_it_stands(n, k, rows, draw):
    "By its row in its own store."
    X = [np.ones((n, 3)), np.ones((k, 3))]
    s = draw.draw(st.integers(0, 1))
    at = draw.draw(st.integers(0, len(X[s]) - 1)), draw.draw(st.integers(0, 2))
    X[s][at] = draw.draw(st.sampled_from([np.nan, -1.0, np.inf]))
    with pytest.raises(ValueError, match=rf'row {at[0]} of X\[{s}\] is .* at \({at[1]},\)'):
        streamed([Own(x) for x in X], rows)
