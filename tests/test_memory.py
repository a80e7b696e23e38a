"""How much memory a fit takes beside its data: no copy of a dense tensor, nothing dense for a sparse one."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp

from ntf_lit import NCPD, NMF, StratifiedNMF, StratifiedNTF
from ntf_lit.incoming import as_data
from ntf_lit.tensor import COO
from ntf_lit.weights import as_observed


@pytest.fixture(scope='module', autouse=True)
def warm():
    "What is imported and compiled on first use is not the fit's."
    rng = np.random.default_rng(0)
    X = rng.random((6, 5, 4))
    for kind in (NCPD, StratifiedNTF):
        for solver in ('mu', 'hals', 'nnls'):
            kind(2, solver=solver, max_iter=15, random_state=0).fit(X)
    NCPD(2, loss='kullback-leibler', max_iter=3).fit(X)
    NCPD(2, init='nndsvd', max_iter=3).fit(X)
    NCPD(2, max_iter=3).fit(X, mask=X < 0.9)
    for A in (sp.csr_array(X[0]), COO(np.array(X.nonzero()), X.ravel(), X.shape)):
        NCPD(2, max_iter=12).fit(A)
        StratifiedNTF(2, max_iter=12).fit([A, A])


def peak(make, fit):
    "(result, bytes of the data, most bytes there ever were beside them)."
    tracemalloc.start()
    try:
        X = make()
        size = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        m = fit(X)
        return m, size, tracemalloc.get_traced_memory()[1] - size
    finally:
        tracemalloc.stop()


def dense(shape, dtype='f8'):
    return lambda: np.random.default_rng(0).random(shape, dtype)


@pytest.mark.parametrize('solver', ['mu', 'hals', 'nnls'])
@pytest.mark.parametrize(
    'shape, dtype',
    [((140, 140, 140), 'f8'), ((200, 180, 160), 'f4'), ((3000, 900), 'f8'), ((40, 40, 40, 50), 'f8')],
    ids=str,
)
def test_dense(shape, dtype, solver):
    m, size, extra = peak(
        dense(shape, dtype), lambda X: NCPD(10, solver=solver, max_iter=12, random_state=0, tol=0).fit(X)
    )
    assert size > 20e6 and extra <= 0.5 * size, f'{extra / size:.2f} of the data beside the data'


@pytest.mark.parametrize(
    'kw', [dict(loss='kullback-leibler', solver='mu'), dict(init='nndsvd'), dict(n_init=3)], ids=str
)
def test_dense_of_other_kinds(kw):
    m, size, extra = peak(dense((140, 140, 140)), lambda X: NCPD(10, max_iter=4, random_state=0, **kw).fit(X))
    assert extra <= 0.5 * size, f'{extra / size:.2f} of the data beside the data'


def test_dense_with_a_mask():
    "The mask, one byte per entry, is the caller's; entries that were not seen are set to zero in a copy."

    def masked():
        X = dense((140, 140, 140))()
        return X, X < 0.9

    m, size, extra = peak(masked, lambda D: NCPD(10, max_iter=4, random_state=0).fit(D[0], mask=D[1]))
    assert extra <= 1.5 * size, f'{extra / size:.2f} of the data beside the data'


def test_transform_and_score():
    X = dense((140, 140, 140))()
    m = NCPD(10, max_iter=3, random_state=0).fit(X)
    for use in (m.transform, m.score):
        _, _, extra = peak(lambda: 0, lambda _: use(X))
        assert extra <= 0.5 * X.nbytes


@pytest.mark.parametrize('solver', ['mu', 'hals', 'nnls'])
@pytest.mark.parametrize(
    'sizes, dims', [((900, 300, 600), (50, 40)), ((1500, 1300), (1100,)), ((40,) * 50, (50, 30))], ids=str
)
def test_strata(sizes, dims, solver):
    "Long strata stay where they are; many short ones, below 16 MB together, are joined once."
    m, size, extra = peak(
        lambda: [dense((n, *dims))() for n in sizes],
        lambda A: StratifiedNTF(8, strata_rank=3, solver=solver, max_iter=12, random_state=0, tol=0).fit(A),
    )
    assert size > 20e6 and extra <= 0.5 * size, f'{extra / size:.2f} of the data beside the data'


def test_strata_by_label():
    "Samples that lie stratum after stratum are not copied; others are sorted, into one copy."
    X = dense((1800, 50, 40))()
    labels = np.repeat(['a', 'b', 'c'], 600)
    way = np.random.default_rng(0).permutation(1800)
    for strata, most in ((labels, 0.5), (labels[way], 1.5)):
        m, _, extra = peak(
            lambda: 0, lambda _: StratifiedNTF(4, max_iter=12, random_state=0).fit(X, strata=strata)
        )
        assert extra <= most * X.nbytes, strata[:3]


def test_data_are_not_copied():
    X = dense((60, 50, 40))()
    D = as_data(X)
    assert D.arrays[0] is X
    for A in (X.astype('f4'), X[:30], np.lib.stride_tricks.as_strided(X, writeable=False)):
        assert np.shares_memory(as_data(A).arrays[0], A)


# --- Sparse ---


def text(n=11314, d=20000, density=0.005, seed=0):
    "Counts like those of a corpus: documents of different length, words by Zipf's law."
    rng = np.random.default_rng(seed)
    nnz = int(n * d * density)
    word = np.minimum((d ** rng.random(nnz) - 1).astype(int), d - 1)
    X = sp.csr_array(
        (rng.integers(1, 9, nnz).astype(float), (rng.integers(n, size=nnz), rng.permutation(d)[word])),
        shape=(n, d),
    )
    X.sum_duplicates()
    return X


@pytest.mark.parametrize(
    'fit',
    [
        lambda X: NMF(20, max_iter=3, random_state=0).fit(X),
        lambda X: NMF(20, solver='mu', loss='kullback-leibler', max_iter=1, random_state=0).fit(X),
        lambda X: NMF(20, init='nndsvd', max_iter=2, random_state=0).fit(X),
        lambda X: StratifiedNMF(20, max_iter=3, random_state=0).fit([X[:5000], X[5000:]]),
    ],
    ids=['NMF', 'divergence', 'nndsvd', 'strata'],
)
def test_sparse_text(fit):
    X = text()
    m, _, extra = peak(lambda: 0, lambda _: fit(X))
    everything = 8 * np.prod(X.shape)
    assert extra < 0.1 * everything, f'{extra / everything:.2f} of the dense data'
    kw = dict(stratum=0) if isinstance(m, StratifiedNMF) else {}
    _, _, extra = peak(lambda: 0, lambda _: m.transform(X[:200], **kw))
    assert extra < 0.5 * everything * 200 / X.shape[0], extra


@pytest.mark.parametrize('shape', [(300, 400, 500), (60, 70, 80, 90), (10**5, 10**5, 10**5)], ids=str)
def test_sparse_tensors(shape):
    "60,000 entries of 60 million, and of 10^15."
    rng = np.random.default_rng(0)
    coords = np.stack([rng.integers(d, size=60_000) for d in shape])
    X = COO(coords, rng.random(60_000), shape)
    m, _, extra = peak(lambda: 0, lambda _: NCPD(5, max_iter=3, random_state=0).fit(X))
    assert extra < min(0.1 * 8 * np.prod(shape, dtype=float), 200e6)
    strata = [COO(coords[:, ::2], X.data[::2], shape), COO(coords[:, 1::2], X.data[1::2], shape)]
    m, _, extra = peak(lambda: 0, lambda _: StratifiedNTF(5, max_iter=2, random_state=0).fit(strata))
    assert extra < min(0.1 * 8 * np.prod(shape, dtype=float), 300e6)


def rated(n=10_000, d=2000, each=100):
    "Whole numbers from 1 to 5, as many in every row."
    rng = np.random.default_rng(0)
    at = np.arange(each) * (d // each) + rng.integers(d // each, size=(n, each))
    X = sp.csr_matrix((n, d))
    X.data, X.indices = rng.integers(1, 6, n * each).astype(float), at.ravel().astype('i4')
    X.indptr = np.arange(0, n * each + 1, each, dtype='i4')
    return X


@pytest.mark.parametrize('form', ['csr', 'csc'])
def test_observed_entries_are_kept_twice(form):
    "The caller's, and sorted by the other mode: a value, an index, and where it stood."
    own = rated().asformat(form)
    size = own.data.nbytes + own.indices.nbytes
    tracemalloc.start()
    try:
        data = as_observed(own)
        kept, most = (b / size for b in tracemalloc.get_traced_memory())
    finally:
        tracemalloc.stop()
    assert kept < 1.4 and most < 2.5, (kept, most)
    assert np.shares_memory(data.modes[form == 'csc'].values, own.data)


@pytest.mark.slow
def test_observed_entries():
    "At most four times the data, with them, from the estimator's door to its weights."
    NMF(2, max_iter=1, random_state=0).fit(rated(400, 200, 20), mask='stored')
    m, size, extra = peak(rated, lambda X: NMF(10, max_iter=1, random_state=0).fit(X, mask='stored'))
    assert size + extra < 4 * size, f'{1 + extra / size:.2f} times the data, with them'
