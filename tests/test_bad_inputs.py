"""What is refused, and in which words: a message names argument, value and cure. And what is not refused."""

import re

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from sklearn.exceptions import NotFittedError
from test_properties import ESTIMATORS as KINDS
from test_properties import each, flat, good, matrix, stratified

from ntf_lit import NCPD, NMF, MultiHNTF, StratifiedNMF, StratifiedNTF
from ntf_lit.fit import Checkpoint, Checkpoints, fit
from ntf_lit.incoming import as_data
from ntf_lit.divergences import DivergenceModel
from ntf_lit.merge_split import merge_nodes, merge_topics, split_node, split_topic
from ntf_lit.ncpd import NCPDModel
from ntf_lit.result import CP, Status
from ntf_lit.stratified import StrataModel
from ntf_lit.tensor import COO
from ntf_lit.topic_browser import TopicBrowser
from ntf_lit.views import view


def with_last(X, change):
    "The data with the tensor, or the last stratum, changed."
    return [*X[:-1], change(X[-1])] if isinstance(X, list) else change(X)


def entry(value, dtype=float):
    def change(A):
        A = A.astype(dtype)
        A[1, 2] = value
        return A

    return change


def refuses(error, words):
    return pytest.raises(error, match=words)


# --- Data ---

NAME = r'X(\[1\])?'
AT = r'at \(1, 2(, 0)?\)'
# What is done to the data; what is raised, in which words; what scikit-learn's own check says instead
DATA = {
    'negative': (
        entry(-0.3),
        ValueError,
        rf'{NAME} must be nonnegative; smallest entry -0.3 {AT}; shift, clip',
        None,
    ),
    'NaN': (entry(np.nan), ValueError, rf'{NAME} has NaN {AT}; pass mask=', None),
    'infinite': (
        entry(np.inf),
        ValueError,
        rf'{NAME} has an infinite entry {AT}; replace it or mask it',
        None,
    ),
    'minus infinite': (
        entry(-np.inf),
        ValueError,
        rf'{NAME} must be nonnegative; smallest entry -inf {AT}',
        None,
    ),
    'complex': (
        entry(1j, complex),
        (TypeError, ValueError),
        rf'{NAME} must hold real numbers, not complex128',
        r'Complex data not supported',
    ),
    'objects': (
        entry('much', object),
        (TypeError, ValueError),
        rf'{NAME} must hold real numbers, not object',
        r"could not convert string to float: 'much'",
    ),
    'words': (
        lambda A: A.astype(str),
        (TypeError, ValueError),
        rf'{NAME} must hold real numbers, not <U\d+; convert it to float',
        None,
    ),
    'dates': (
        lambda A: (A * 9).astype('M8[D]'),
        (TypeError, ValueError),
        rf'{NAME} must hold real numbers, not datetime64',
        None,
    ),
    'masked array': (
        lambda A: np.ma.masked_greater(A, 0.9),
        TypeError,
        rf'{NAME} is a masked array; pass {NAME}.filled\(0\) and mask=~numpy.ma.getmaskarray\({NAME}\)',
        None,
    ),
    'an empty mode': (
        lambda A: A[:, :0],
        ValueError,
        rf'{NAME} has shape \(\d, 0(, 4)?\): mode 1 is empty; drop it|stratum 1 has shape \(., 0',
        r'0 feature\(s\) \(shape=\(\d, 0\)\)',
    ),
    'no samples': (
        lambda A: A[:0],
        ValueError,
        r'X has shape \(0, 5(, 4)?\): mode 0 is empty; drop it|stratum 1 of X is empty; leave it out',
        r'0 sample\(s\) \(shape=\(0, 5\)\)',
    ),
    'torch, negative': (
        lambda A: torch.from_numpy(entry(-0.3)(A)),
        ValueError,
        rf'{NAME} must be nonnegative; smallest entry -0.3 {AT}; shift',
        None,
    ),
    'torch, NaN': (
        lambda A: torch.from_numpy(entry(np.nan)(A)),
        ValueError,
        rf'{NAME} has NaN {AT}; pass mask=',
        None,
    ),
    'torch, complex': (
        lambda A: torch.from_numpy(A * 1j),
        TypeError,
        rf'{NAME} must hold real numbers, not torch.complex128; take its real part',
        None,
    ),
    'torch, sparse': (
        lambda A: torch.from_numpy(A).to_sparse(),
        TypeError,
        rf'{NAME} is a sparse torch tensor; pass {NAME}.to_dense\(\)',
        None,
    ),
}


@pytest.mark.parametrize('what', list(DATA))
@each
def test_data(kind, what):
    change, error, words, scikit_learns = DATA[what]
    X = with_last(good(kind), change)
    if what.startswith('torch') and isinstance(X, list):
        X[0] = torch.from_numpy(X[0])
    with refuses(error, f'{words}|{scikit_learns}' if kind == 'NMF' and scikit_learns else words):
        KINDS[kind]().fit(X)


@pytest.mark.parametrize('what', [w for w in DATA if not w.startswith('torch')])
def test_a_single_matrix_of_strata(what):
    change, error, words, scikit_learns = DATA[what]
    with refuses(error, f'{words}|{scikit_learns}' if scikit_learns else words):
        StratifiedNMF().fit(change(good('NMF')))


@pytest.mark.parametrize(
    'X, words',
    [
        (3.0, r'X has (0 modes, )?shape \(\); at least 2'),
        (np.ones(3), r'X has (1 mode, )?shape \(3,\); at least 2'),
        (None, 'X must hold real numbers, not object'),
        ('text', 'X must hold real numbers, not <U4'),
        ([[1.0, 2.0], [3.0]], 'X is not a rectangular array of numbers'),
    ],
    ids=['number', 'vector', 'None', 'text', 'ragged'],
)
@each
def test_not_a_tensor(kind, X, words):
    with refuses((TypeError, ValueError), '.' if kind.endswith('NMF') else words):
        KINDS[kind]().fit(X)  # matrices: scikit-learn's words


@matrix
@pytest.mark.parametrize('as_', [np.asarray, torch.from_numpy], ids=['numpy', 'torch'])
def test_a_matrix_estimator_takes_matrices(kind, as_):
    with refuses(ValueError, r'(?i)X has shape \(6, 5, 4\)|X has 3 modes|found array with (dim|3)'):
        KINDS[kind]().fit(as_(good('NCPD')))


COORDS = np.array([[0, 1, 2], [1, 0, 3]])


@pytest.mark.parametrize(
    'X, error, words',
    [
        (COO(COORDS, np.ones(3), (3, 3)), ValueError, r'X: a coordinate lies outside shape \(3, 3\)'),
        (COO(-COORDS, np.ones(3), (3, 4)), ValueError, r'X: a coordinate lies outside shape \(3, 4\)'),
        (
            COO(COORDS, np.ones(2), (3, 4)),
            ValueError,
            r'X: coords must be \(2, 2\), one row per mode and one column per value, not \(2, 3\)',
        ),
        (COO(COORDS, np.ones(3), (3, 4, 2)), ValueError, r'X: coords must be \(3, 3\), one row per mode'),
        (COO(COORDS[:1], np.ones(3), (3,)), ValueError, r'X has 1 mode, shape \(3,\); at least 2'),
        (COO(COORDS, np.ones(3), (3, 4, 0)), ValueError, r'mode 2 is empty'),
        (COO(COORDS + 0.5, np.ones(3), (4, 5)), (TypeError, ValueError), r'X: coords must .*whole numbers'),
        (
            COO(COORDS, np.array([1.0, -2, 3]), (3, 4)),
            ValueError,
            r'X \(its stored values\) must be nonnegative; smallest entry -2',
        ),
        (COO(COORDS, np.array([1.0, np.nan, 3]), (3, 4)), ValueError, r'X \(its stored values\) has NaN'),
        (COO(COORDS, np.ones(3) * 1j, (3, 4)), TypeError, r'X must hold real numbers, not complex128'),
        (
            sp.csr_array(-np.eye(3)),
            ValueError,
            r'X \(its stored values\) must be nonnegative; smallest entry -1',
        ),
        (
            sp.csr_array(np.array([[np.inf, 1.0]])),
            ValueError,
            r'X \(its stored values\) has an infinite entry',
        ),
    ],
)
def test_sparse_data(X, error, words):
    with refuses(error, words):
        NCPD().fit(X)


@pytest.mark.parametrize(
    'X',
    [
        sp.csr_array(-np.eye(5)),
        sp.csr_array(np.diag([1, np.nan, 1.0, 1, 1])),
        COO(COORDS, -np.ones(3), (3, 4)),
    ],
    ids=['negative', 'NaN', 'COO'],
)
@matrix
def test_sparse_matrices(kind, X):
    with refuses(ValueError, r'nonnegative|NaN'):
        KINDS[kind]().fit(X)


@pytest.mark.parametrize(
    'kind, X', [('NCPD', good('NCPD')), ('NMF', good('NMF')), ('StratifiedNTF', good('StratifiedNTF'))]
)
def test_masks_need_dense_data(kind, X):
    sparse = lambda A: COO(np.array(A.nonzero()), A[A > 0], A.shape) if A.ndim > 2 else sp.csr_array(A)
    mask = (
        with_last([np.ones(A.shape, bool) for A in X], np.asarray)
        if isinstance(X, list)
        else np.ones(X.shape, bool)
    )
    with refuses(TypeError, r'mask= needs dense data; X(\[0\])? is sparse: pass X(\[0\])?.todense\(\)'):
        KINDS[kind]().fit([*map(sparse, X)] if isinstance(X, list) else sparse(X), mask=mask)


# --- Settings ---

COUNT = 'must be a whole number of at least {low}, not {v}'
LOW = 'must be at least {low}, not {v}'
NUMBER = 'must be a finite number of at least 0, not {v}'
WORD = 'must be one of {choices}, not {v}'
EVERY = [  # argument, value, error, words
    *[('rank', v, TypeError, COUNT) for v in (2.5, True, '3', np.nan, None, [2], np.float64(2))],
    *[('rank', v, ValueError, LOW) for v in (0, -1)],
    *[('max_iter', v, TypeError, COUNT) for v in (1.5, '9', None)],
    ('max_iter', -1, ValueError, LOW),
    *[('inner', v, TypeError, COUNT) for v in (1.5, True)],
    ('inner', 0, ValueError, LOW),
    *[('n_init', v, TypeError, COUNT) for v in (2.5, None)],
    ('n_init', 0, ValueError, LOW),
    *[('tol', v, ValueError, NUMBER) for v in (-1e-3, np.nan, np.inf)],
    *[('tol', v, TypeError, 'must be a number, not {v}') for v in ('small', None, True)],
    *[('time_limit', v, ValueError, NUMBER) for v in (-1, np.nan)],
    ('time_limit', '1 h', TypeError, 'must be a number, not {v}'),
    *[('solver', v, ValueError, WORD) for v in ('cd', None, 3)],
    *[('init', v, ValueError, WORD) for v in ('svd', '')],
    *[
        ('random_state', v, TypeError, 'must be None, a whole number, a Generator or a RandomState, not {v}')
        for v in ('lucky', 1.5, True)
    ],
    ('random_state', -1, ValueError, 'seed.* must be at least 0, not -1'),
]
SOME = dict(
    NMF=[
        *[('label_weight', v, ValueError, NUMBER) for v in (-1.0, np.nan)],
        ('label_weight', 'much', TypeError, 'must be a number, not {v}'),
        ('loss', 'cosine', ValueError, WORD),
    ],
    NCPD=[*[('loss', v, ValueError, WORD) for v in ('cosine', None)]],
    StratifiedNMF=[('strata_rank', -1, ValueError, LOW)],
    StratifiedNTF=[
        ('strata_rank', -1, ValueError, LOW),
        *[('strata_rank', v, TypeError, COUNT) for v in (1.5, True, '2', None)],
        ('strata_rank', [1], ValueError, 'has 1 entries for 2 strata; give one number, or one per stratum'),
        ('strata_rank', [1, 2, 3], ValueError, 'has 3 entries for 2 strata'),
        ('strata_rank', [1, -2], ValueError, r'\[1\] must be at least 0, not -2'),
        ('strata_rank', [1, 1.5], TypeError, r'\[1\] must be a whole number of at least 0, not 1.5'),
        ('rounds', 0, ValueError, LOW),
        ('rounds', 1.5, TypeError, COUNT),
    ],
)
LOWEST = dict(max_iter=0, strata_rank=0)
CHOICES = dict(
    solver="'mu', 'hals', 'nnls'",
    init="'random',.*'uniform'.*",
    loss="'frobenius', 'kullback-leibler', 'itakura-saito'",
)


@pytest.mark.parametrize(
    'kind, name, value, error, words',
    [(k, *row) for k in KINDS for row in [*EVERY, *SOME[k]]],
    ids=lambda v: (
        v if isinstance(v, str) and len(v) < 20 else repr(v) if not isinstance(v, (type, str)) else ''
    ),
)
def test_settings(kind, name, value, error, words):
    import re

    words = words.format(
        v=re.escape(repr(value)) if isinstance(value, (str, list, np.floating)) else value,
        low=LOWEST.get(name, 1),
        choices=CHOICES.get(name),
    )
    with refuses(
        error,
        words
        if words.startswith('seed')
        else rf'{name}.*{words}'
        if not words.startswith(r'\[')
        else name + words,
    ):
        KINDS[kind](**{name: value}).fit(good(kind))


def test_the_divergence_has_one_rule():
    for kind in ('NMF', 'NCPD'):
        with refuses(
            ValueError, "loss='kullback-leibler' has the multiplicative rule only: solver='mu', not 'nnls'"
        ):
            KINDS[kind](loss='kullback-leibler', solver='nnls').fit(good(kind))


@pytest.mark.parametrize(
    'call, error, words',
    [
        (lambda D, m: NCPDModel(D, 0), ValueError, 'rank must be at least 1, not 0'),
        (
            lambda D, m: NCPDModel(D, 2, 'cd'),
            ValueError,
            "solver must be one of 'mu', 'hals', 'nnls', not 'cd'",
        ),
        (lambda D, m: NCPDModel(D, 2, inner=0), ValueError, 'inner must be at least 1, not 0'),
        (lambda D, m: NCPDModel(D, 2, init='svd'), ValueError, "init must be one of 'random', .*, not 'svd'"),
        (lambda D, m: DivergenceModel(D, 2, 'hals'), ValueError, "solver='mu', not 'hals'"),
        (
            lambda D, m: StrataModel(D, 2, strata_rank=(1,), offsets=(0, 6), rounds=0),
            ValueError,
            'rounds must be at least 1, not 0',
        ),
        (
            lambda D, m: StrataModel(D, 2, strata_rank=(1,), offsets=(0, 6), init='nndsvd'),
            ValueError,
            "init must be one of 'random', 'uniform', not 'nndsvd'",
        ),
        (lambda D, m: fit(m, max_iter=-1), ValueError, 'max_iter must be at least 0, not -1'),
        (
            lambda D, m: fit(m, max_iter=2.0),
            TypeError,
            'max_iter must be a whole number of at least 0, not 2.0',
        ),
        (lambda D, m: fit(m, seed='x'), TypeError, r"seed \(random_state\) must be None.*not 'x'"),
        (lambda D, m: Checkpoint('file', 0), ValueError, 'every must be at least 1, not 0'),
        (lambda D, m: Checkpoints('file', pause=-1.0), ValueError, 'pause must be'),
    ],
)
def test_functional_layer(call, error, words):
    D = as_data(good('NCPD'))
    with refuses(error, words):
        call(D, NCPDModel(D, 2))


# --- Masks ---


def masks(kind, make):
    X = good(kind)
    return X, [make(A) for A in X] if isinstance(X, list) else make(X)


@pytest.mark.parametrize(
    'make, error, words',
    [
        (
            lambda A: np.ones((2, 2), bool),
            ValueError,
            r'mask has shape \(2, 2\), X(\[0\])? has \(.*\); they must agree',
        ),
        (lambda A: A > 2, ValueError, 'mask is False everywhere: nothing was observed'),
        (lambda A: A, ValueError, r'mask must hold only True and False \(or 1 and 0\); it is not a weight'),
        (lambda A: np.where(A > 0.1, 1.0, np.nan), ValueError, r'mask must hold only True and False'),
    ],
    ids=['shape', 'all hidden', 'weights', 'NaN'],
)
@each
def test_masks(kind, make, error, words):
    X, mask = masks(kind, make)
    with refuses(error, words):
        KINDS[kind]().fit(X, mask=mask)


@each
@pytest.mark.parametrize('mode', [0, 1])
def test_a_slice_without_an_observation_is_a_warning(kind, mode):
    def make(A):
        m = np.ones(A.shape, bool)
        m[(slice(None),) * mode + (2,)] = False
        return m

    X, mask = masks(kind, make)
    with pytest.warns(UserWarning, match=rf'mask hides .*X.* index 2 of mode {mode}'):
        KINDS[kind](max_iter=2).fit(X, mask=mask)


@stratified
@pytest.mark.parametrize(
    'make, words',
    [
        (lambda m: m[:1], 'mask has 1 .*2 strata'),
        (lambda m: [*m, m[0]], 'mask has 3 .*2 strata'),
        (lambda m: m[0], 'mask'),
    ],
    ids=['short', 'long', 'an array'],
)
def test_one_mask_a_stratum(kind, make, words):
    X, mask = masks(kind, lambda A: np.ones(A.shape, bool))
    with refuses((TypeError, ValueError), words):
        KINDS[kind]().fit(X, mask=make(mask))


@each
def test_masked_values_may_be_anything(kind):
    X, mask = masks(kind, lambda A: A < 0.9)
    bad = lambda A: np.where(A < 0.9, A, np.nan)
    a = KINDS[kind](random_state=0, max_iter=3).fit(
        [*map(bad, X)] if isinstance(X, list) else bad(X), mask=mask
    )
    b = KINDS[kind](random_state=0, max_iter=3).fit(X, mask=mask)
    assert a.objective_ == b.objective_ and np.isfinite(a.objective_)
    W = a.fit_transform(
        [*map(bad, X)] if isinstance(X, list) else bad(X), mask=mask
    )  # weights from what was seen
    assert all(np.isfinite(w).all() for w in (W if isinstance(W, list) else [W]))


# --- Starts ---


def start_of(kind, rank=2, q=1):
    rng = np.random.default_rng(1)
    X = good(kind)
    dims = (X[0] if isinstance(X, list) else X).shape
    if not isinstance(X, list):
        return [rng.random((d, rank)) for d in dims]
    return (
        [[rng.random((d, q)) for d in dims[1:]] for _ in X],
        [rng.random((len(A), rank)) for A in X],
        [rng.random((d, rank)) for d in dims[1:]],
    )


def zero_column(F):
    F = F.copy()
    F[:, 1] = 0
    return F


@pytest.mark.parametrize(
    'change, error, words',
    [
        (
            lambda F: F[:-1],
            ValueError,
            r'start\[1\] has shape \(4, 2\); the data and the ranks ask for \(5, 2\)',
        ),
        (lambda F: F[:, :1], ValueError, r'start\[1\] has shape \(5, 1\); .* ask for \(5, 2\)'),
        (lambda F: F[:, 0], ValueError, r'start\[1\] has shape \(5,\); .* ask for \(5, 2\)'),
        (lambda F: -F, ValueError, r'start\[1\] must be nonnegative; smallest entry -0'),
        (lambda F: F * np.nan, ValueError, r'start\[1\] has NaN at \(0, 0\)'),
        (lambda F: F * 1j, TypeError, r'start\[1\] must hold real numbers, not complex128'),
        (lambda F: F.astype(str), TypeError, r'start\[1\] must hold real numbers, not <U'),
        (
            zero_column,
            ValueError,
            r'start: component 1 is zero in factor 1 and could never grow; give it a positive entry',
        ),
    ],
    ids=['shape', 'rank', 'vector', 'negative', 'NaN', 'complex', 'text', 'zero component'],
)
@flat
def test_starts(kind, change, error, words):
    F = start_of(kind)
    F[1] = change(F[1])
    with refuses(error, words):
        KINDS[kind](init=F).fit(good(kind))


@pytest.mark.parametrize(
    'part, change, error, words',
    [
        (
            0,
            lambda V: [[v[:-1] for v in V[0]], *V[1:]],
            ValueError,
            r'start: features\[0\]\[0\] has shape \(4, 1\); .* ask for \(5, 1\)',
        ),
        (
            0,
            lambda V: [V[0], [-v for v in V[1]]],
            ValueError,
            r'start: features\[1\]\[0\] must be nonnegative',
        ),
        (0, lambda V: V[:1], ValueError, r'start: features.* 1 .*2'),
        (
            0,
            lambda V: [vs[:-1] for vs in V],
            ValueError,
            r'start: features\[0\].* 0|start: features\[0\].* 1',
        ),
        (
            1,
            lambda W: [W[0], W[1][:, :1]],
            ValueError,
            r'start: weights\[1\] has shape \(3, 1\); .* ask for \(3, 2\)',
        ),
        (1, lambda W: W[:1], ValueError, r'start: weights.* 1 .*2'),
        (1, lambda W: [W[0], W[1] * np.nan], ValueError, r'start: weights\[1\] has NaN'),
        (
            2,
            lambda H: [h[:-1] for h in H],
            ValueError,
            r'start: topics\[0\] has shape \(4, 2\); .* ask for \(5, 2\)',
        ),
        (2, lambda H: H[:-1], ValueError, r'start: topics.* [01] .*[12]'),
        (2, lambda H: [h.astype(str) for h in H], TypeError, r'start: topics\[0\] must hold real numbers'),
        (2, lambda H: [zero_column(h) for h in H], ValueError, r'start.*component 1 is zero'),
    ],
    ids=[
        'feature shape',
        'negative feature',
        'too few features',
        'too few feature modes',
        'weight shape',
        'too few weights',
        'NaN weight',
        'topic shape',
        'too few topics',
        'topic text',
        'zero topic',
    ],
)
@stratified
def test_starts_of_strata(kind, part, change, error, words):
    start = list(start_of(kind))
    start[part] = change(start[part])
    with refuses(error, words):
        KINDS[kind](init=tuple(start)).fit(good(kind))


@pytest.mark.parametrize('init', [None, 3, [], ([], []), ...], ids=repr)
@each
def test_starts_that_are_none(kind, init):
    with refuses(
        (TypeError, ValueError), r'(start|init).*(factors|features|one of|the data and the ranks ask for)'
    ):
        KINDS[kind](init=init).fit(good(kind))


# --- Strata ---

A, B = good('StratifiedNTF')


@pytest.mark.parametrize(
    'X, words',
    [
        (
            [A, B[:, :, :3]],
            r'stratum 1 has shape \(., 5, 3\), stratum 0 \(., 5, 4\); all modes but the first must agree',
        ),
        ([A, B[:, :, 0]], r'stratum 1 has shape \(., 5\), stratum 0 \(., 5, 4\)'),
        ([A, B[:0]], 'stratum 1 of X is empty; leave it out or give it samples'),
        ([], 'X is an empty list; give one tensor per stratum'),
        ({}, 'X is an empty list; give one tensor per stratum'),
        ([A, B[0, 0]], r'stratum 1 of X has shape \(4,\); at least 2 modes are needed'),
        ([A, 3.0], r'stratum 1 of X has shape \(\); at least 2 modes are needed'),
        (dict(a=A, b=-B), r'X\[1\] must be nonnegative|X\[.b.\] must be nonnegative'),
    ],
    ids=['shape', 'order', 'empty', 'no strata', 'no names', 'a vector', 'a number', 'a named one'],
)
def test_strata(X, words):
    with refuses(ValueError, words):
        StratifiedNTF().fit(X)


@pytest.mark.parametrize(
    'X',
    [[A, sp.csr_array(B[0])], [sp.csr_array(A[0]), B[0]], [A, torch.from_numpy(B)]],
    ids=['dense, sparse', 'sparse, dense', 'numpy, torch'],
)
def test_strata_of_one_kind(X):
    with refuses((TypeError, ValueError), r'(?i)X\[?|stratum 1|namespace'):
        StratifiedNTF().fit(X)
    if sp.issparse(X[0]) or sp.issparse(X[-1]):
        with refuses((TypeError, ValueError), r'sparse'):
            StratifiedNTF().fit(X)


@pytest.mark.parametrize(
    'strata, words',
    [
        ([0, 1], r'strata must hold one label per sample, 4 of them, not shape \(2,\)'),
        (np.zeros((4, 1)), r'4 of them, not shape \(4, 1\)'),
        (3, r'4 of them, not shape \(\)'),
        ([0, None, 1, 'a'], r'strata'),
    ],
    ids=['short', 'matrix', 'number', 'mixed'],
)
def test_labels_of_strata(strata, words):
    with refuses((TypeError, ValueError), words):
        StratifiedNTF().fit(A, strata=strata)


def test_strata_that_were_not_there():
    m = StratifiedNTF(random_state=0, max_iter=3).fit(dict(left=A, right=B))
    for call in (
        lambda: m.transform(A, stratum='up'),
        lambda: m.reconstruct('up'),
        lambda: m.inverse_transform(np.ones((2, 2)), stratum='up'),
        lambda: m.transform(dict(up=A)),
        lambda: m.transform(A, strata=['up'] * 4),
    ):
        with refuses(
            ValueError, "stratum must be one of 'left', 'right', not 'up'; for another use new_stratum"
        ):
            call()
    listed = StratifiedNTF(random_state=0, max_iter=3).fit([A, B])
    for call in (m.transform, m.score, listed.transform, listed.score):
        with refuses(ValueError, 'the fit had 2 strata: say which X is from, with stratum= for all samples'):
            call(A)
    with refuses(ValueError, 'strata_rank must be at least 0, not -1'):
        m.new_stratum(A, strata_rank=-1)
    with refuses(ValueError, r'X.* has shape \(4, 5, 2\).*\(5, 4\)'):
        m.new_stratum(A[:, :, :2])


# --- Labels of samples ---


@pytest.mark.parametrize(
    'y, words',
    [
        ([0, 1], r'y has 2 .* 6 samples'),
        ([0] * 7, r'y has 7 .* 6 samples'),
        ([None] * 6, 'y has no known label; give some, or set label_weight=0'),
        ([-1] * 6, 'y has no known label'),
        (np.zeros((6, 2)), r'y must hold one label per sample; it has shape'),
        (3, r'y'),
    ],
    ids=['short', 'long', 'None', 'unknown', 'matrix', 'number'],
)
def test_labels_of_samples(y, words):
    with refuses((TypeError, ValueError), words):
        NMF(label_weight=1.0).fit(good('NMF'), y)


def test_supervision_needs_what_it_needs():
    X, y = good('NMF'), [0, 1, 0, 1, 0, 1]
    with refuses(ValueError, "loss='itakura-saito' cannot take labels"):
        NMF(label_weight=1.0, loss='itakura-saito').fit(X + 1, y)
    with refuses(AttributeError, 'predict|label_weight > 0'):
        NMF().fit(X).predict(X)
    with refuses(NotFittedError, 'pass y to fit'):
        NMF(label_weight=1.0).fit(X).predict(X)
    with refuses(NotFittedError, 'pass y to fit'):
        NMF(label_weight=1.0, random_state=0).fit(X, y).fit(X).predict(
            X
        )  # the labels of the fit before are gone


# --- Using a fit ---

USES = dict(
    transform=lambda m, X: m.transform(X),
    score=lambda m, X: m.score(X),
    inverse_transform=lambda m, X: m.inverse_transform(np.ones((2, 2))),
    reconstruct=lambda m, X: m.reconstruct(),
    new_stratum=lambda m, X: m.new_stratum(X[0]),
    predict=lambda m, X: m.set_params(label_weight=1.0).predict(X),
    decision_function=lambda m, X: m.set_params(label_weight=1.0).decision_function(X),
)


@pytest.mark.parametrize(
    'kind, use',
    [
        (k, u)
        for k in KINDS
        for u in USES
        if hasattr(KINDS[k](**({'label_weight': 1.0} if k == 'NMF' else {})), u)
    ],
)
def test_before_a_fit(kind, use):
    with refuses(NotFittedError, f'This {kind} instance is not fitted yet|{kind} was not fitted with labels'):
        USES[use](KINDS[kind](), good(kind))


@pytest.mark.parametrize('kind', ['NMF', 'NCPD', 'StratifiedNTF'])
def test_samples_of_another_shape(kind):
    X = good(kind)
    X = X[0] if isinstance(X, list) else X
    m = KINDS[kind](random_state=0, max_iter=3).fit(X)
    for other in (X[:, :3], np.concatenate([X, X], 1), X[..., None]):
        with refuses(
            ValueError,
            r'X has shape \(.*\); .* was fitted on samples of shape \(5, (4)?\)|'
            r'X has \d+ features, but NMF is expecting 5|NMF takes matrices',
        ):
            m.transform(other)
    for other in (-X, X * np.nan):
        with refuses(ValueError, r'X (must be nonnegative|has NaN)'):
            m.transform(other)
    with refuses(TypeError if kind != 'NMF' else ValueError, r'X must hold real numbers|Complex data'):
        m.transform(X * 1j)


@each
@pytest.mark.parametrize(
    'W, words',
    [(np.ones((3, 5)), r'W has shape \(3, 5\).* 2'), (np.ones(2), r'W .*\(2,\)')],
    ids=['rank', 'vector'],
)
def test_weights_to_invert(kind, W, words):
    m = KINDS[kind](random_state=0, max_iter=3).fit(good(kind))
    kw = dict(stratum=0) if kind.startswith('Strat') else {}
    with refuses((TypeError, ValueError), words):
        m.inverse_transform(W, **kw)
    a, b = (
        m.inverse_transform(np.ones((3, 2)), **kw),
        m.inverse_transform([[1, 1]] * 3, **kw),
    )  # lists and frames are weights, too
    assert np.array_equal(a, b) and np.array_equal(
        a, m.inverse_transform(pd.DataFrame(np.ones((3, 2))), **kw)
    )


# --- Seed words, merging and splitting ---

SEEDS = [  # settings, error, words
    (dict(seeds='goal'), TypeError, "seeds must be a list with one list of words per topic.*not 'goal'"),
    (dict(seeds=3), TypeError, 'seeds must be a list with one list of words per topic'),
    (dict(seeds=['goal', 'team']), TypeError, r"seeds\[0\] is 'goal'; give a list of words for each topic"),
    (dict(seeds=[[0], 1]), TypeError, r'seeds\[1\] is 1; give a list of words'),
    (dict(seeds=[[0], []]), ValueError, r'seeds\[1\] is empty; give words, or leave it out'),
    (dict(seeds=[[0], [1], [2]]), ValueError, 'seeds are given for 3 topics, and rank is 2; raise rank'),
    (dict(seeds=[['v9']]), ValueError, r"seeds name words that mode 1 does not have: 'v9' \(nearest: v"),
    (dict(seeds=[['?', '!', '.', ',']]), ValueError, r"'\?', '!', '.' and 1 more; take words of the vocab"),
    (dict(seeds=[[5]]), ValueError, 'seeds name index 5; mode 1 has the indices 0 to 4'),
    (dict(seeds=[[-1]]), ValueError, 'seeds name index -1'),
    (dict(seeds=[[True]]), ValueError, "does not have: 'True'"),
    (
        dict(seeds=[[0]], seed_weight=-1),
        ValueError,
        'seed_weight must be a finite number of at least 0',
    ),
    (dict(seeds=[[0]], seed_weight='much'), TypeError, "seed_weight must be a number, not 'much'"),
    (dict(seeds=[[0]], vocabulary=list('abc')), ValueError, 'vocabulary has 3 words, and none of the modes'),
    (
        dict(seeds=[[0]], vocabulary=0),
        ValueError,
        r'the mode of the words, .*not 0 \(mode 0 are the',
    ),
    (dict(seeds=[[0]], vocabulary='word'), ValueError, "or be the mode of the words.*not 'word'"),
    (dict(seeds=[[0]], vocabulary={'goal'}), TypeError, 'vocabulary is a set, which has no order'),
]


@pytest.mark.parametrize('settings, error, words', SEEDS, ids=lambda v: str(v)[:40])
@each
def test_seeds(kind, settings, error, words):
    m = KINDS[kind](random_state=0, **dict(vocabulary=[f'v{i}' for i in range(5)]) | settings)
    with refuses(error, words):
        m.fit(good(kind))
    assert not hasattr(m, 'objective_') and not hasattr(m, 'topic_names_')


@each
def test_seeds_beside_what_they_do_not_go_with(kind):
    X, seeds = good(kind), dict(seeds=[[0]], vocabulary=1)
    with refuses(ValueError, r"Seeds \(tv or seeds\) is for loss='frobenius' alone"):
        KINDS[kind](loss='kullback-leibler', solver='mu', **seeds).fit(X)
    with refuses(ValueError, r'seeds\[0\]: no sample has any of its words'):
        empty = lambda A: A * (np.arange(5) > 0).reshape(-1, *[1] * (A.ndim - 2))
        KINDS[kind](**seeds).fit([*map(empty, X)] if isinstance(X, list) else empty(X))
    with refuses(ValueError, "seeds name words such as 'goal', and mode 1 has no names"):
        KINDS[kind](seeds=[['goal']], vocabulary=1).fit(X)
    if kind.startswith('Strat'):
        with refuses(ValueError, 'seeds pull the words of mode 1, which total variation smooths'):
            KINDS[kind](tv='component', tv_weight=1.0, **seeds).fit(X)
    else:
        with refuses(ValueError, r'Seeds \(tv or seeds\) does not go with weights'):
            KINDS[kind](**seeds).fit(X, weights=np.ones(X.shape))


@each
def test_topics_to_merge_or_split(kind):
    X = good(kind)
    m = KINDS[kind](3, random_state=0, max_iter=3).fit(X)
    rows = [  # function, topics, error, words
        (merge_topics, [0], ValueError, r'\[0\] is no group; name two topics or more'),
        (merge_topics, 1, ValueError, r'\[1\] is no group'),
        (merge_topics, [0, 0], ValueError, r'\[0, 0\] names a topic twice'),
        (merge_topics, [0, 3], ValueError, 'topics are 0 to 2, not 3'),
        (merge_topics, [0, 'law'], ValueError, "topics are 0 to 2, not 'law'"),
        (merge_topics, [0, True], ValueError, 'topics are 0 to 2, not True'),
        (split_topic, -1, ValueError, 'topics are 0 to 2, not -1'),
        (split_topic, 1.0, ValueError, 'topics are 0 to 2, not 1.0'),
    ]
    for f, topics, error, words in rows:
        with refuses(error, words):
            f(m, X, topics)
    with refuses(ValueError, 'n_init must be at least 1'):
        split_topic(m, X, 0, n_init=0)
    with refuses(TypeError, 'sweeps must be a whole number'):
        split_topic(m, X, 0, sweeps=1.5)
    with refuses(NotFittedError, 'is not fitted yet'):
        merge_topics(KINDS[kind](), X, [0, 1])
    fewer = [X[0], X[1][:1]] if isinstance(X, list) else X[:-1]
    with refuses(ValueError, 'the data (and the ranks )?ask for'):
        merge_topics(m, fewer, [0, 1])
    with refuses(TypeError, 'merge_topics takes a fitted NMF, NCPD, StratifiedNMF, StratifiedNTF, not list'):
        merge_topics([X], X, [0, 1])


def test_nodes_to_merge_or_split():
    X = np.random.default_rng(0).random((7, 6, 5))
    m = MultiHNTF((4, 3, 2), random_state=0, max_iter=3).fit(X)
    rows = [  # function, nodes, layer, error, words
        (merge_nodes, [0], 1, ValueError, r'\[0\] is no group; name two nodes or more'),
        (merge_nodes, [0, 0], 1, ValueError, r'\[0, 0\] names a node twice'),
        (merge_nodes, [0, 3], 1, ValueError, 'nodes of this layer are 0 to 2, not 3'),
        (merge_nodes, [0, 'law'], 1, ValueError, "0 to 2, not 'law'"),
        (merge_nodes, [0, True], 0, ValueError, '0 to 3, not True'),
        (merge_nodes, [0, 1], 3, ValueError, 'layer'),
        (merge_nodes, [0, 1], 1, ValueError, 'ranks must decrease'),
        (split_node, -1, 1, ValueError, '0 to 2, not -1'),
        (split_node, 1.0, 1, ValueError, '0 to 2, not 1.0'),
        (split_node, 0, 1, ValueError, 'ranks must decrease'),
    ]
    for f, nodes, layer, error, words in rows:
        with refuses(error, words):
            f(m, X, nodes, layer=layer)
    with refuses(ValueError, 'n_init must be at least 1'):
        split_node(m, X, 0, n_init=0)
    with refuses(NotFittedError, 'is not fitted yet'):
        merge_nodes(MultiHNTF((4, 2)), X, [0, 1])
    with refuses(TypeError, 'split_node takes a fitted MultiHNTF, HNMF, .*, NeuralNCPD, not NCPD'):
        split_node(NCPD(2).fit(X), X, 0)
    labelled = MultiHNTF((4, 2), label_weight=1.0, max_iter=3).fit(X, [0, 1] * 3 + [0])
    with refuses(ValueError, 'does not refit the classes of a model with labels'):
        merge_nodes(labelled, X, [0, 1])


# --- What is not refused ---


@each
def test_whole_numbers_of_any_make(kind):
    for rank in (np.int64(2), np.uint8(2)):
        assert KINDS[kind](rank, random_state=0, max_iter=np.int32(2)).fit(good(kind)).n_iter_ == 2


@each
def test_seeds_of_any_make(kind):
    fits = [
        KINDS[kind](random_state=s, max_iter=2).fit(good(kind))
        for s in (0, np.int64(0), np.random.default_rng(0), np.random.SeedSequence(0))
    ]
    assert len({m.objective_ for m in fits}) == 1
    a, b = (
        KINDS[kind](random_state=np.random.RandomState(5), max_iter=2).fit(good(kind)).objective_
        for _ in range(2)
    )
    assert a == b
    KINDS[kind](random_state=None, max_iter=2).fit(good(kind))
    KINDS[kind](random_state=np.random, max_iter=2).fit(good(kind))


@each
def test_no_iterations_give_the_start(kind):
    F = start_of(kind)
    m = KINDS[kind](init=F, max_iter=0).fit(good(kind))
    assert m.n_iter_ == 0 and m.status_ is Status.MAX_ITER
    got = [m.strata_features_, m.weights_, m.topics_] if isinstance(F, tuple) else m.factors_
    flatten = lambda x: [x] if isinstance(x, np.ndarray) else [a for y in x for a in flatten(y)]
    for a, b in zip(flatten(got), flatten(F), strict=True):
        assert (a == b).all()


@pytest.mark.parametrize('dtype', ['f2', 'i1', 'u8', '?', '>f8', '>f4', 'g'])
@each
def test_numbers_of_any_make(kind, dtype):
    "Whole numbers and extended floats become float64, half floats float32, in both byte orders."
    X = good(kind)
    cast = lambda A: (A * 9).astype(dtype)
    X = [*map(cast, X)] if isinstance(X, list) else cast(X)
    m = KINDS[kind](random_state=0, max_iter=3).fit(X)
    W = m.weights_[0] if isinstance(m.weights_, list) else m.weights_
    assert (
        W.dtype == ('f4' if dtype in ('f2', '>f4') else 'f8')
        and W.dtype.isnative
        and np.isfinite(m.relative_error_)
    )


@each
def test_tensors_with_a_gradient_are_detached(kind):
    X = good(kind)
    with_grad = lambda A: torch.from_numpy(A).requires_grad_()
    m = KINDS[kind](random_state=0, max_iter=12).fit(
        [*map(with_grad, X)] if isinstance(X, list) else with_grad(X)
    )
    W = m.weights_[0] if isinstance(m.weights_, list) else m.weights_
    assert isinstance(W, torch.Tensor) and not W.requires_grad


@pytest.mark.parametrize('shape', [(3, 4), (2, 5, 4)])
def test_more_components_than_singular_vectors(shape):
    X = np.random.default_rng(0).random(shape)
    with pytest.warns(
        UserWarning, match=f'rank 6 exceeds mode size {min(shape)}: components beyond it start at random'
    ):
        m = NCPD(6, init='nndsvd', max_iter=5, random_state=0).fit(X)
    assert m.relative_error_ < 1


@pytest.mark.parametrize(
    'X',
    [
        sp.csr_array(np.ones((5, 1))),
        sp.csr_array(np.zeros((5, 4))),
        COO(np.zeros((3, 1), int), np.ones(1), (3, 4, 5)),
    ],
    ids=['a column', 'zeros', 'one entry'],
)
def test_nndsvd_of_little(X):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter('ignore', UserWarning)
        m = NCPD(2, init='nndsvd', max_iter=30, random_state=0).fit(X)
    assert m.relative_error_ < 1e-2


def test_a_start_of_any_make():
    X, F = good('NCPD'), start_of('NCPD')
    from tensorly.cp_tensor import CPTensor

    ways = [
        F,
        tuple(F),
        CP(tuple(F)),
        CPTensor((None, F)),
        CP((F[0] / 2, *F[1:]), np.full(2, 2.0)),
        CPTensor((np.full(2, 2.0), [F[0] / 2, *F[1:]])),
        [torch.from_numpy(f) for f in F],
        [f.tolist() for f in F],
    ]
    for way in ways:
        assert (NCPD(init=way, max_iter=0).fit(X).cp_.full() == CP(tuple(F)).full()).all()
    m = StratifiedNTF(random_state=0, max_iter=3).fit([A, B])
    for way in ((m.strata_features_, m.weights_, m.topics_), m.model_):
        assert StratifiedNTF(init=way, max_iter=0).fit([A, B]).objective_ == pytest.approx(
            m.objective_, rel=1e-12
        )


def test_words_of_a_vocabulary_are_not_attributes():
    "A data frame has its columns as attributes; a word of the vocabulary may be called like anything."
    X = pd.DataFrame(good('NMF')[:, :4], columns=['coords', 'data', 'nnz', 'tocoo'])
    for kind in KINDS.values():
        assert kind(random_state=0).fit(X).objective_ == kind(random_state=0).fit(X.to_numpy()).objective_
    X.columns = ['dims', 'coords', 'shape_', 'device']
    for kind in KINDS.values():
        assert kind(random_state=0).fit(X).objective_ == kind(random_state=0).fit(X.to_numpy()).objective_


# --- Stores ---


class Rows:
    "A store of an array."

    def __init__(self, X):
        self.X, self.shape, self.dtype = X, X.shape, X.dtype

    def __getitem__(self, rows):
        return self.X[rows]


def test_stores():
    from ntf_lit.streamed import streamed

    X = np.random.default_rng(0).random((30, 4, 5))
    for value, words in (
        (np.nan, r'row 17 of X is NaN at \(2, 3\); fill it, or leave the row out; .*mask_and_scale=False'),
        (-0.5, r'row 17 of X is -0.5, and must not be negative at \(2, 3\); shift, clip'),
        (np.inf, r'row 17 of X is infinite at \(2, 3\); replace it'),
    ):
        bad = X.copy()
        bad[17, 2, 3] = value
        with refuses(ValueError, words):
            streamed(Rows(bad), rows=7)
    for given, error, words in (
        ([Rows(X), Rows(X[:, :3])], ValueError, r'X\[1\] has samples of shape \(3, 5\), X\[0\] \(4, 5\)'),
        (
            [Rows(X), Rows(X.astype('f4'))],
            TypeError,
            r'X\[1\] holds float32, X\[0\] float64; store them in one',
        ),
        (iter([X]), TypeError, 'can be gone through once.*use partial_fit'),
        ([], ValueError, 'X is an empty list; give one store'),
        (Rows(X[:0]), ValueError, 'mode 0 is empty'),
        (3, TypeError, 'a store has shape, dtype and row slices'),
    ):
        with refuses(error, words):
            streamed(given)
    data = streamed(Rows(X), rows=7)
    for name in ('mask', 'weights', 'sample_weight'):
        with refuses(
            ValueError, f'{name} cannot be had with data that are streamed; leave it out, or pass X'
        ):
            NCPD(2).fit(data, **{name: X > 0})


def test_a_store_that_shrinks(tmp_path):
    "It is noticed before the block is read: a map of a file that was cut short would end the process."
    from ntf_lit.streamed import streamed

    np.save(tmp_path / 'X.npy', np.random.default_rng(0).random((300, 40)))
    store = np.load(tmp_path / 'X.npy', mmap_mode='r')
    data = streamed(store, rows=50)
    with open(tmp_path / 'X.npy', 'r+b') as file:
        file.truncate(40_000)
    with refuses(ValueError, 'X shrank while it was read: it has 125 rows where 150 are needed; fit again'):
        NMF(2, random_state=0).fit(data)


# --- anything at all, for any argument ---


class Odd:
    "An object that is nothing that a fit or a page knows."

    def __repr__(self):
        return 'Odd()'


ODD = dict(
    number=3,
    text='x',
    bytes=b'x',
    true=True,
    dict={},
    of_numbers={1: 2},
    ragged=[[], [], [1j, 2.5]],
    empty=[],
    object=Odd(),
    objects=[Odd(), Odd()],
    complex=np.ones((6, 3)) * 1j,
    scalar=np.array(2.0),
    sparse=COO(np.zeros((2, 1), int), np.ones(1), (6, 3)),
    times=np.array(['2020'] * 6, 'M8[Y]').reshape(6, 1, 1),
)
SIX = np.random.default_rng(0).random((6, 3))
FITTED = NMF(2, random_state=0, max_iter=2).fit(SIX)
TAKES = dict(  # argument, what a message may call it, a call with it
    X=('X|2D', lambda x: NMF(2, random_state=0, max_iter=2).fit(x)),
    strata_of=('X|2D', lambda x: StratifiedNMF(2, random_state=0, max_iter=2).fit(x)),
    mask=('mask|X', lambda x: NMF(2).fit(SIX, mask=x)),
    weights=('weights|X', lambda x: NMF(2).fit(SIX, weights=x)),
    sample_weight=('sample_weight', lambda x: NMF(2).fit(SIX, sample_weight=x)),
    y=('y', lambda x: NMF(2, label_weight=1.0).fit(SIX, y=x)),
    strata=('strata', lambda x: StratifiedNMF(2).fit(SIX, strata=x)),
    init=('init|start|factor', lambda x: NMF(2, init=x).fit(SIX)),
    model=('model|factors?|data', lambda x: view(x)),
    data=('data', lambda x: view(FITTED, x)),
    labels=('labels', lambda x: view(FITTED, labels=x)),
    samples=('samples|labels', lambda x: view(FITTED, samples=x)),
    names=('names|topic', lambda x: view(FITTED, names=x)),
    groups=('strata', lambda x: view(FITTED, strata=x)),
    times=('times', lambda x: TopicBrowser(FITTED, SIX, times=x)),
    texts=('samples|images', lambda x: TopicBrowser(FITTED, SIX, samples=x)),
    kinds=('kinds', lambda x: TopicBrowser(FITTED, SIX, kinds=x)),
    others=('others|model|factors?|data', lambda x: TopicBrowser(FITTED, SIX, others=x)),
    images=('images', lambda x: TopicBrowser(FITTED, SIX, images=x)),
    edits=('edits|read', lambda x: TopicBrowser(FITTED, SIX, edits=x)),
)


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('what', ODD)
@pytest.mark.parametrize('argument', TAKES)
def test_anything_is_taken_or_refused_in_our_words(argument, what):
    "Never an error from somewhere inside: the message names the argument."
    called, call = TAKES[argument]
    try:
        call(ODD[what])
    except (ValueError, TypeError) as e:
        assert re.search(rf'\b({called})\b', str(e)), f'{type(e).__name__}: {e}'
