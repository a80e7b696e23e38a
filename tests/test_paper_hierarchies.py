"""The published tables of the hierarchies: the synthetic tensor at ranks 7, 4, 2; 20 Newsgroups. Slow.

Vendrow, Haddock & Needell (2021; 2022) and Haddock's talk. All methods begin with one NCPD, as published.
Errors are those against the clean tensor at ranks 4 and 2, means of ten seeds (HNTF: times two orders of the
other modes).
"""

from functools import cache

import numpy as np
import pytest

from ntf_lit.datasets import DataUnavailable, newsgroups_supervised
from ntf_lit.synthetic import hierarchical_tensor
from ntf_lit.fit import fit
from ntf_lit.hnmf import as_labels, first_layer, fit_flat, hncpd, hntf
from ntf_lit.incoming import as_data
from ntf_lit.init import leading_vectors
from ntf_lit.multi_hntf import AverageModel, climbed, contracted, label_term, multi_hntf
from ntf_lit.ncpd import Labelled, NCPDModel, SupervisedModel
from ntf_lit.result import CP, Status
from ntf_lit.score import relative_error, topic_loss
from ntf_lit.tensor import mttkrps
from ntf_lit.updates import Quadratic, mu

pytestmark = pytest.mark.slow

RANKS, SEEDS = (7, 4, 2), range(10)
PUBLISHED = {
    0.4: {
        'HNCPD': (0.612, 0.892),
        'HNTF-1': (0.576, 0.781),
        'HNTF-2': (0.587, 0.765),
        'HNTF-3': (0.560, 0.747),
        'average': (0.548, 0.721),
    },
    0.1: {
        'HNCPD': (0.494, 0.828),
        'HNTF-1': (0.502, 0.795),
        'HNTF-2': (0.309, 0.665),
        'HNTF-3': (0.417, 0.713),
        'average': (0.339, 0.613),
    },
}
EXACT = {0.4: (0.500, 0.717), 0.1: (0.240, 0.565)}  # what the exact links must reach


# --- The synthetic tensor ---


@cache
def problem(noise):
    "The tensor, and 100 multiplicative sweeps from absolute values of leading singular vectors."
    d = hierarchical_tensor(noise, seed={0.4: 14, 0.1: 1}[noise])
    init = lambda data, rank: [abs(leading_vectors(data, k, rank)) for k in range(3)]
    return d, fit_flat(as_data(d.X), 7, rule='mu', init=init, max_iter=100, tol=0).params


def sklearn_start(s):
    "Of NMF(init='random', solver='mu'), which updates the topics first."

    def init(data, rank):
        n, d = data.shape
        draw = np.random.RandomState(s)
        S, A = abs(draw.randn(rank, n)).T, abs(draw.randn(d, rank))
        *_, (_, C) = mttkrps(data, [S, A])
        return [S, mu(A, Quadratic(S.T @ S, C))]

    return init


def uniform_start(s):
    def init(data, rank):
        draw = np.random.RandomState(s)
        return [draw.random_sample((d, rank)) for d in data.shape]

    return init


def run_hncpd(X, cp, s):
    return [
        l.cp
        for l in hncpd(
            X, RANKS, start=cp, init=sklearn_start(s), rule='mu', max_iter=300, tol=0, balance=False
        ).layers
    ]


def run_hntf(X, cp, s, m, turn):
    "Mode m first, then the others in one order or the other."
    rest = [k for k in range(3) if k != m]
    order = (m, *(rest[::-1] if turn else rest))
    back = np.argsort(order)
    start = CP(tuple(cp.factors[k] for k in order))
    h = hntf(
        X.transpose(order),
        RANKS,
        0,
        start=start,
        init=uniform_start(s),
        rule='mu',
        max_iter=100,
        tol=1e-7,
        balance=False,
    )
    return [CP(tuple(l.cp.factors[k] for k in back)) for l in h.layers]


def run_average(X, cp, s):
    D = as_data(X)
    P, F, draw = contracted(D, first_layer(D, 7, cp)[0].factors), cp.factors, np.random.RandomState(s)
    layers = [cp]
    for q in RANKS[1:]:
        W = fit(AverageModel(P, q), (draw.random_sample((P.rank, q)),), max_iter=800).params[0]
        P, F = climbed(P, W), tuple(f @ W for f in F)
        layers.append(CP(F))
    return layers


def runs(method, X, cp):
    if method == 'HNCPD':
        return [run_hncpd(X, cp, s) for s in SEEDS]
    if method == 'average':
        return [run_average(X, cp, s) for s in SEEDS]
    return [run_hntf(X, cp, s, int(method[-1]) - 1, turn) for turn in (False, True) for s in SEEDS]


@cache
def errors(noise, method):
    "(run, layer, clean or noisy)."
    d, cp = problem(noise)
    return np.array(
        [
            [(relative_error(d.truth['clean'], l), relative_error(d.X, l)) for l in layers]
            for layers in runs(method, d.X, cp)
        ]
    )


@pytest.mark.parametrize('method', PUBLISHED[0.4])
@pytest.mark.parametrize('noise', PUBLISHED)
def test_the_published_means(noise, method):
    mean = errors(noise, method).mean(0)[:, 0]
    assert abs(mean[0] - {0.4: 0.4543, 0.1: 0.1188}[noise]) < 1e-4  # the NCPD that all share
    assert (abs(mean[1:] - PUBLISHED[noise][method]) < 0.01).all(), mean


@pytest.mark.parametrize('noise', EXACT)
def test_exact_is_below_the_table(noise):
    """At every seed: below the aim with the NCPD fitted to its end.

    With the published NCPD no higher than any run of any method.
    """
    d, cp = problem(noise)
    for s in SEEDS:
        refined = multi_hntf(d.X, RANKS, start=cp, refine=True, seed=s)
        assert (
            np.array([relative_error(d.truth['clean'], l.cp) for l in refined.layers[1:]]) <= EXACT[noise]
        ).all()
        shared = multi_hntf(d.X, RANKS, start=cp, seed=s)
        assert (
            [l.relative_error for l in shared.layers[1:]] <= errors(noise, 'average')[:, 1:, 1].min(0) + 1e-9
        ).all()
        clean = np.array([relative_error(d.truth['clean'], l.cp) for l in shared.layers[1:]])
        for method in PUBLISHED[noise]:
            assert (
                clean[0] < errors(noise, method)[:, 1, 0].min() and (clean < PUBLISHED[noise][method]).all()
            )


def test_the_grouping_is_found():
    "The share of the topics that goes to wrong supertopics at noise 0.1: 7 to 4, 7 to 2, 4 to 2."
    d, cp = problem(0.1)
    four, two = d.truth['parents']
    for s in SEEDS:
        h = multi_hntf(d.X, RANKS, start=cp, seed=s)
        W, V = h[1].links[0], h[2].links[0]
        assert max(topic_loss(W, four), topic_loss(W @ V, two[four]), topic_loss(V, two)) < 0.02


# --- 20 Newsgroups with labels ---

# Norm of what is left over and accuracy on hidden posts: means of ten runs of the published formulas on this
# matrix, with a stable sort
REFERENCE = {
    'layer 0': (30.651, 0.580),
    'layer 0, labels': (30.775, 0.739),
    'HNMF': (30.821, 0.488),
    'HNMF, labels': (30.921, 0.617),
    'HNMF, labels, mixed up': (31.431, 0.617),
    'average': (30.815, 0.492),
    'average, labels, no mask': (30.912, 0.714),
}
SPREAD = 0.05  # of the accuracy of single runs


def until(share):
    "The published early stop: the norm (with labels its square) fell by less than this share of the first."

    def rule(state):
        e = np.array(state.history.objective) ** (1 if hasattr(state.params, 'B') else 0.5)
        return Status.CONVERGED if len(e) > 2 and (e[-2] - e[-1]) / e[1] < share else None

    return rule


def published_nmf(data, r, s, Y=None, shown=None, used=slice(None), terms=None):
    "Multiplicative (supervised) NMF with the published random numbers; weights are updated last."
    draw = np.random.RandomState(s)
    how = dict(max_iter=800, stop=[until(1e-4)])
    A = draw.random_sample((terms or data.shape[1], r))[used]
    W = draw.random_sample((r, data.shape[0])).T * data.scale
    *_, (_, C) = mttkrps(data, [W, A])
    A = mu(A, Quadratic(W.T @ W, C))
    if Y is None:
        return fit(NCPDModel(data, r, 'mu'), CP((W, A)), **how).params.factors
    B = mu(draw.random_sample((Y.shape[1], r)), Quadratic(W[shown].T @ W[shown], Y[shown].T @ W[shown]))
    p = fit(
        SupervisedModel(data, r, 'mu', **as_labels(Y, data, shown).model()), Labelled(W, A, B), **how
    ).params
    return p.W, p.H


def averaged(data, W, H, s, Y=None, known=None):
    "The published Multi-HNTF of a matrix, with the published random numbers."
    lab = None if Y is None else as_labels(Y, data, known)
    F, draw = [W * data.scale, H], np.random.RandomState(s)
    P = contracted(data, F, label_term(lab, F[0], data.scale))
    start = draw.random_sample((10, 6)), *(() if lab is None else (draw.random_sample((6, 6)),))
    V = fit(AverageModel(P, 6), start, max_iter=800).params[0]
    return W @ V, H @ V


def one_run(d, s):
    "(weights, topics) of every method."
    used, shown = d.X.getnnz(0) > 0, d.info['labelled'][0]
    X = d.X[:, used]
    data = as_data(X)
    ten, six = np.eye(10)[d.info['group'][0]], np.eye(6)[d.info['superclass'][0]]
    bottom = dict(used=used, terms=d.X.shape[1])
    S, A = published_nmf(data, 10, s, **bottom)
    Sl, Al = published_nmf(data, 10, s, ten, shown, **bottom)
    S1, A1 = published_nmf(as_data(S), 6, s)
    Sl1, Al1 = published_nmf(as_data(Sl), 6, s, six, shown)
    return {
        'layer 0': (S, A),
        'layer 0, labels': (Sl, Al),
        'HNMF': (S1, A @ A1),
        'HNMF, labels': (Sl1, Al @ Al1),
        'HNMF, labels, mixed up': (Sl1, A @ Al1),
        'average': averaged(data, S, A, s),
        'average, labels': averaged(data, Sl, Al, s, six, shown),
        'average, labels, no mask': averaged(data, Sl, Al, s, six * shown[:, None]),
        'exact': multi_hntf(X, (10, 6), start=CP((S, A)), seed=s)[1].factors,
        'exact, labels': multi_hntf(X, (10, 6), start=CP((Sl, Al)), labels=[None, six], known=shown, seed=s)[
            1
        ].factors,
    }


@pytest.fixture(scope='module')
def newsgroups():
    "{method: (run, (norm of what is left over, accuracy on hidden posts))}."
    try:
        d = newsgroups_supervised(download=False)
    except DataUnavailable as e:
        pytest.skip(str(e))
    X, shown, truth = d.X, d.info['labelled'][0], d.info['superclass'][0]
    Y = np.eye(6)[truth] * shown[:, None]
    X = X[:, X.getnnz(0) > 0]
    assert X.shape[0] == 1000 and abs(np.sqrt((X.data**2).sum()) - 31.225) < 1e-3
    norm = lambda S, A: np.sqrt((X.data**2).sum() - 2 * ((X @ A) * S).sum() + ((S.T @ S) * (A.T @ A)).sum())
    right = lambda S: ((S @ (np.linalg.pinv(S) @ Y))[~shown].argmax(1) == truth[~shown]).mean()
    with np.errstate(over='ignore', invalid='ignore'):
        several = [one_run(d, s) for s in SEEDS]
    return {
        name: np.array([(norm(*run[name]), right(run[name][0])) for run in several]) for name in several[0]
    }


@pytest.mark.parametrize('name', REFERENCE)
def test_newsgroups_with_labels(newsgroups, name):
    norm, accuracy = newsgroups[name].mean(0)
    assert abs(norm - REFERENCE[name][0]) < 0.02 and abs(accuracy - REFERENCE[name][1]) < SPREAD, (
        norm,
        accuracy,
    )


def test_the_two_slips(newsgroups):
    "31.45 is of topics that were not the fitted ones, and a zero in place of a missing label is a claim."
    mean = {name: runs.mean(0) for name, runs in newsgroups.items()}
    assert (
        mean['HNMF, labels, mixed up'][0] - mean['HNMF, labels'][0] > 0.4
    )  # the same weights, the wrong topics
    assert abs(mean['HNMF, labels'][0] - mean['average, labels'][0]) < 0.03
    assert (
        mean['average, labels'][0] < mean['average, labels, no mask'][0]
        and mean['average, labels'][1] > mean['average, labels, no mask'][1] - 0.01
    )
    for labels in ('', ', labels'):
        assert mean['exact' + labels][0] < mean['average' + labels][0]
