"""A fit that fails changes nothing: every estimator, every kind of refusal."""

import threading

import numpy as np
import pytest
import scipy.sparse as sp

import ntf_lit
from ntf_lit.checks import host
from ntf_lit.fit import Callback
from ntf_lit.result import leaves

FLAT = ['NMF', 'NCPD']
STRATA = ['StratifiedNMF', 'StratifiedNTF']
GROWN = ['HNMF', 'HNCPD', 'HNTF', 'MultiHNTF']
NEURAL = ['NeuralNMF', 'NeuralNCPD']
ALL = FLAT + STRATA + GROWN + NEURAL


def data(kind, n=9, seed=0):
    dims = (6,) if kind.endswith('NMF') else (6, 5)
    return np.random.default_rng(seed).random((n, *dims)) + 0.1


def made(kind, **kw):
    quick = dict(max_epochs=4, race_epochs=2) if kind in NEURAL else dict(max_iter=8)
    if kind == 'MultiHNTF':
        quick |= dict(n_init=1, link_iter=10)
    ranks = dict(ranks=(3, 2)) if kind in GROWN + NEURAL else dict(rank=2)
    return getattr(ntf_lit, kind)(random_state=0, **quick, **ranks, **kw)


def fitted(kind, seed=0):
    X = data(kind, seed=seed)
    return made(kind).fit(X, strata=list('aaabbbccc')) if kind in STRATA else made(kind).fit(X)


class Raises(Callback):
    "Raises an error at one moment of a fit."

    def __init__(self, stage, error):
        def hook(state):
            raise error

        setattr(self, stage, hook)


def spoilt(value):
    def change(X):
        X = X.astype(complex if isinstance(value, complex) else object if isinstance(value, str) else float)
        X[(1,) * X.ndim] = value
        return X

    return change


DATA = {  # what X is made to be
    'negative': spoilt(-1.0),
    'NaN': spoilt(np.nan),
    'infinite': spoilt(np.inf),
    'complex': spoilt(1j),
    'a word': spoilt('x'),
    'a vector': lambda X: X.reshape(-1),
    'no samples': lambda X: X[:0],
    'no features': lambda X: X[:, :0],
    'nothing': lambda X: None,
    'a number': lambda X: 3.0,
    'a generator': lambda X: (x for x in X),
    'a negative sparse matrix': lambda X: sp.csr_array(-X.reshape(len(X), -1)),
}
SETTINGS = {  # settings that are refused, for those that have them
    'no components': dict(rank=0, ranks=(0,)),
    'half a component': dict(rank=2.5, ranks=(2.5, 1)),
    'growing': dict(ranks=(2, 3)),
    'no such solver': dict(solver='no'),
    'no such loss': dict(loss='no'),
    'no such start': dict(init='no'),
    'a start of another rank': dict(init=[np.ones((9, 7)), np.ones((6, 7))]),
    'sweeps': dict(max_iter=-1, max_epochs=-1),
    'tolerance': dict(tol=-1.0, lr=-1.0),
    'time': dict(time_limit=-1.0),
    'seed': dict(random_state='no'),
    'starts': dict(n_init=0),
    'a price': dict(alpha=-1.0, alpha_W=-1.0),
    'a fixed mode': dict(fixed={9: True}),
    'strata rank': dict(strata_rank=-1),
    'one strata rank too few': dict(strata_rank=[1, 1]),
    'smoothing': dict(tv='no', tv_weight=1.0),
    'mode': dict(mode=7, reference=7),
    'training': dict(train='no', optimizer='no'),
    'label weight': dict(label_weight=-1.0),
}
MOMENTS = [(stage, error) for stage in ('before_fit', 'after_fit') for error in (OSError, KeyboardInterrupt)]
MOMENTS += [('after_sweep', OSError)]


def kept(m):
    "What the fit found, and copies of its arrays."
    found = {k: v for k, v in vars(m).items() if k not in m.get_params()}
    return found, [host(a).copy() for a in leaves(list(found.values()))]


def same(m, before, sample, W):
    found, arrays = kept(m)
    assert found.keys() == before[0].keys() and all(found[k] is before[0][k] for k in found)
    for a, b in zip(arrays, before[1], strict=True):
        assert a.dtype == b.dtype and (a == b).all()
    assert (np.asarray(m.transform(sample, **STRATUM.get(type(m).__name__, {}))) == W).all()


STRATUM = dict.fromkeys(STRATA, dict(stratum='b'))


def refused(kind, X, error=(ValueError, TypeError), change=None, **kw):
    "A second fit, of other data, that is refused."
    m = fitted(kind)
    sample = data(kind, 4, seed=1)
    W = np.asarray(m.transform(sample, **STRATUM.get(kind, {})))
    before = kept(m)
    if change:
        old = {k: getattr(m, k) for k in change}
        m.set_params(**change)
    with pytest.raises(error):
        m.fit(X, **kw)
    if change:
        m.set_params(**old)
    same(m, before, sample, W)


each = pytest.mark.parametrize('kind', ALL)


def every_second(cases):
    "By day every second of the cases, by turns from one kind to the next; by night all."
    turn = lambda kind, what: (ALL.index(kind) + [*DATA, *SETTINGS].index(what)) % 2
    marked = [pytest.param(*case, marks=pytest.mark.slow if turn(*case) else ()) for case in cases]
    return pytest.mark.parametrize('kind, what', marked)


def other(kind):
    "Data with another number of features than those of the first fit."
    X = data(kind, 8, seed=2)
    return np.concatenate([X, X], 1)


def by(kind):
    return dict(strata=list('xxyyzzzz')) if kind in STRATA else {}


@every_second([(k, w) for k in ALL for w in DATA])
def test_data(kind, what):
    X = DATA[what](other(kind))
    size = getattr(X, 'shape', (1,))
    fits = len(size) > 1 and size[0] == 8
    refused(kind, X, **by(kind) if fits else {})


def changes(kind, what):
    return {k: v for k, v in SETTINGS[what].items() if k in made(kind).get_params()}


@every_second([(k, w) for k in ALL for w in SETTINGS if changes(k, w)])
def test_settings(kind, what):
    change = changes(kind, what)
    if kind in NEURAL + ['MultiHNTF'] and what == 'training':
        change = {k: change[k] for k in list(change)[:1]}
    y = dict(y=[0, 1] * 4) if 'label_weight' in change else {}
    refused(kind, other(kind), change=change, **by(kind), **y)


@pytest.mark.parametrize('stage, error', MOMENTS)
@each
def test_callbacks(kind, stage, error):
    refused(kind, other(kind), error, dict(callbacks=[Raises(stage, error)]), **by(kind))


@each
def test_masks(kind):
    refused(kind, other(kind), mask=np.ones((2, 2), bool), **by(kind))


@pytest.mark.parametrize('strata', [list('xx'), [None] * 8, 'abcdefgh', {'a': 1}])
@pytest.mark.parametrize('kind', STRATA)
def test_strata(kind, strata):
    refused(kind, other(kind), strata=strata)


@pytest.mark.parametrize('kind', STRATA)
def test_strata_that_do_not_fit(kind):
    X = other(kind)
    refused(kind, {'x': X[:4], 'y': X[4:, :5]})
    refused(kind, [X[:4], -X[4:]])
    refused(kind, [X[:4], X[:0]])


@pytest.mark.parametrize('y', [[0, 1], [None] * 8, np.zeros((8, 2))])
@pytest.mark.parametrize('kind', ['NMF', 'HNMF', 'MultiHNTF', 'NeuralNMF'])
def test_labels(kind, y):
    refused(kind, other(kind), change=dict(label_weight=1.0), y=y)


@pytest.mark.parametrize('kw', [dict(weights=-np.ones(3)), dict(sample_weight=[1, 2]), dict(mask='no')])
@pytest.mark.parametrize('kind', FLAT)
def test_weights(kind, kw):
    refused(kind, other(kind), **kw)


@each
def test_memory_that_does_not_suffice(kind, monkeypatch):
    "An error that nobody expects, at the very end of a fit."

    def fails(*args):
        raise MemoryError

    if kind in FLAT + STRATA:
        monkeypatch.setattr(ntf_lit.cp_estimators if kind in FLAT else ntf_lit.strata_estimators,
                            '_keep_cp' if kind in FLAT else '_keep_strata', fails)  # fmt: skip
    else:
        monkeypatch.setattr(ntf_lit.hierarchy_estimators, '_in_rows', fails)
    m = made(kind)
    with pytest.raises(MemoryError):
        m.fit(data(kind))
    assert kept(m)[0] == {}
    monkeypatch.undo()
    first = fitted(kind)
    W = np.asarray(first.transform(data(kind, 4, seed=1), **STRATUM.get(kind, {})))
    before = kept(first)
    monkeypatch.setattr(ntf_lit.fit, '_result', fails)
    monkeypatch.setattr(ntf_lit.hierarchy_estimators, '_in_rows', fails)
    with pytest.raises(MemoryError):
        first.fit(other(kind), **by(kind))
    same(first, before, data(kind, 4, seed=1), W)


@each
def test_nothing_of_an_earlier_fit_stays(kind):
    "A second fit leaves what a first one of the same data leaves."
    m = fitted(kind)
    X = other(kind)
    if kind in ('NMF', 'HNMF', 'MultiHNTF', 'NeuralNMF'):
        m.set_params(label_weight=1.0)
        m.fit(data(kind), [0, 1, 0] * 3)
        m.set_params(label_weight=0.0)
    m.fit(X, **by(kind))
    fresh = made(kind).fit(X, **by(kind))
    assert vars(m).keys() == vars(fresh).keys()
    for a, b in zip(leaves(list(kept(m)[0].values())), leaves(list(kept(fresh)[0].values())), strict=True):
        assert (host(a) == host(b)).all()


@pytest.mark.parametrize('kind', FLAT + STRATA + ['HNMF'])
def test_one_estimator_in_two_threads(kind):
    "One of the two fits is what remains, whole."
    m, errors = made(kind), []
    jobs = [(data(kind), {}), (other(kind), by(kind))]
    wanted = [made(kind).fit(X, **kw) for X, kw in jobs]

    def work(X, kw):
        try:
            for _ in range(10):
                m.fit(X, **kw)
        except Exception as e:
            errors.append(e)

    threads = [threading.Thread(target=work, args=job) for job in jobs]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert errors == []
    plain = lambda e: [host(a).tobytes() for a in leaves(list(kept(e)[0].values()))]
    assert plain(m) in [plain(w) for w in wanted]
