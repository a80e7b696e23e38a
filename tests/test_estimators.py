"""What every estimator owes its user: scikit-learn's checks where they apply, and such for tensors."""

import copy
import inspect
import pickle
import re
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer
from sklearn.utils.estimator_checks import check_estimator
from test_properties import ESTIMATORS as KINDS
from test_properties import close, each, flat, good, matrix, stratified

import ntf_lit
from ntf_lit import HNMF, NMF, StratifiedNMF, StratifiedNTF, estimators
from ntf_lit.guided import seed_penalty
from ntf_lit.fit import Callback, Progress, TimeLimit, Tolerance
from ntf_lit.blocks import RULES
from ntf_lit.divergences import DivergenceModel
from ntf_lit.strata_divergence import StrataDivergence
from ntf_lit.ncpd import NCPDModel, SupervisedModel
from ntf_lit.penalties import elastic_net
from ntf_lit.result import CP, Status, leaves
from ntf_lit.tensor import COO
from ntf_lit.ties import TopicMass, topic_mass
from ntf_lit.tv import NormalizedTV, tv_penalty

SOLVERS = pytest.mark.parametrize('solver', list(RULES))


def fitted(kind, X=None, **kw):
    return KINDS[kind](**{'random_state': 0, 'max_iter': 20} | kw).fit(good(kind) if X is None else X)


def same(a, b):
    for x, y in zip(leaves(a), leaves(b), strict=True):
        assert x.dtype == y.dtype and (np.asarray(x) == np.asarray(y)).all()


def mapped(f, X):
    return [*map(f, X)] if isinstance(X, list) else f(X)


# --- scikit-learn's list ---


NOT_OURS = {
    f'check_sample_weight_equivalence_on_{kind}_data': 'a sample of weight zero is refused'
    for kind in ('dense', 'sparse')
}
BY_BATCHES = {'check_fit_score_takes_y': 'partial_fit after a fit of all samples at once is refused'}


@pytest.mark.parametrize(
    'estimator',
    [
        NMF(random_state=0, max_iter=30),
        StratifiedNMF(random_state=0, max_iter=30),
        NMF(solver='mu', loss='kullback-leibler', random_state=0, max_iter=30),
        pytest.param(NMF(solver='nnls', random_state=0, max_iter=20), marks=pytest.mark.slow),
        NMF(label_weight=1.0, random_state=0, max_iter=30),
        pytest.param(
            StratifiedNMF(strata_rank=0, solver='mu', random_state=0, max_iter=30), marks=pytest.mark.slow
        ),
    ],
    ids=lambda e: repr(e).replace('random_state=0', ''),
)
def test_scikit_learns_checks(estimator):
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        known = NOT_OURS | (BY_BATCHES if isinstance(estimator, StratifiedNMF) else {})
        results = check_estimator(estimator, on_fail=None, expected_failed_checks=known)
    fine = 'passed', 'skipped', 'xfail'
    assert [(r['check_name'], str(r['exception'])) for r in results if r['status'] not in fine] == []
    assert sum(r['status'] == 'passed' for r in results) >= 45


# --- The same for tensors ---


@each
@SOLVERS
def test_fit_returns_itself_and_keeps_its_settings(kind, solver):
    X = good(kind)
    m = KINDS[kind](solver=solver, random_state=0, max_iter=5)
    settings = copy.deepcopy(m.get_params())
    before = [A.tobytes() for A in leaves(X)]
    for A in leaves(X):
        A.setflags(write=False)
    assert m.fit(X) is m and m.get_params() == settings and [A.tobytes() for A in leaves(X)] == before
    m.transform(X)
    assert [A.tobytes() for A in leaves(X)] == before
    public = [k for k in vars(m) if not k.startswith('_') and not k.endswith('_')]
    assert set(public) == set(settings)  # what fit adds ends in _


@each
def test_settings_are_keywords_stored_untouched(kind):
    names = [p for p in inspect.signature(KINDS[kind]).parameters.values() if p.name != 'rank']
    assert all(p.kind is p.KEYWORD_ONLY for p in names)
    odd = {p.name: object() for p in names}
    m = KINDS[kind](object(), **odd)  # checked by fit, not before
    assert all(getattr(m, k) is v for k, v in odd.items())
    m = KINDS[kind]()
    assert (
        clone(m).get_params() == m.get_params()
        and KINDS[kind](**m.get_params()).get_params() == m.get_params()
    )
    assert (
        eval(repr(KINDS[kind](3, tol=0.1)), dict(KINDS)).get_params() == KINDS[kind](3, tol=0.1).get_params()
    )


@each
@SOLVERS
@pytest.mark.parametrize('dtype', ['f8', 'f4'])
def test_precision_is_kept(kind, solver, dtype):
    X = mapped(lambda A: A.astype(dtype), good(kind))
    m = fitted(kind, X, solver=solver)
    parts = [
        m.weights_,
        m.transform(X),
        *(getattr(m, a) for a in ('factors_', 'topics_', 'strata_features_') if hasattr(m, a)),
    ]
    assert (
        all(A.dtype == dtype for A in leaves(parts))
        and type(m.objective_) is type(m.relative_error_) is float
    )


@each
@SOLVERS
@pytest.mark.parametrize('dtype', [torch.float64, torch.float32])
def test_torch_in_torch_out(kind, solver, dtype):
    X = mapped(lambda A: torch.from_numpy(A).to(dtype), good(kind))
    m = fitted(kind, X, solver=solver)
    n = fitted(kind, solver=solver)
    kw = dict(stratum=0) if isinstance(X, list) else {}
    one = X[0] if isinstance(X, list) else X
    parts = [
        m.weights_,
        m.transform(one, **kw),
        m.inverse_transform(m.transform(one, **kw), **kw),
        *(getattr(m, a) for a in ('factors_', 'topics_', 'strata_features_') if hasattr(m, a)),
    ]
    assert (
        all(isinstance(A, torch.Tensor) and A.dtype == dtype for A in leaves(parts))
        and type(m.objective_) is float
    )
    assert m.relative_error_ == pytest.approx(n.relative_error_, rel=1e-8 if dtype == torch.float64 else 5e-2)
    if hasattr(m, 'score'):
        assert m.score(X) == pytest.approx(n.score(good(kind)), rel=1e-6 if dtype == torch.float64 else 5e-2)


@each
@SOLVERS
def test_a_seed_says_it_all(kind, solver):
    a, b, c = (fitted(kind, solver=solver, random_state=s) for s in (0, 0, 1))
    same(a.weights_, b.weights_)
    assert any((x != y).any() for x, y in zip(leaves(a.weights_), leaves(c.weights_)))
    a.fit(good(kind))
    same(a.weights_, b.weights_)  # nothing is left of the fit before
    a.fit(good(kind, 5))
    a.fit(good(kind))
    same(a.weights_, b.weights_)
    assert a.history_.objective == b.history_.objective


@each
@SOLVERS
def test_fit_transform_is_fit_and_transform(kind, solver):
    X = good(kind)
    W = clone(m := fitted(kind, solver=solver)).fit_transform(X)
    same(W, m.transform(X))
    for a, b in zip(leaves(W), leaves(m.weights_)):
        close(a, b, 1e-8)


@pytest.mark.parametrize('kind', ['NMF', 'NCPD'])
def test_fit_transform_of_the_divergence(kind):
    X = good(kind)
    m = fitted(kind, loss='kullback-leibler', solver='mu')
    same(clone(m).fit_transform(X), m.transform(X))


@each
def test_samples_do_not_know_of_each_other(kind):
    X = good(kind)
    m = fitted(kind)
    kw = dict(stratum=1) if isinstance(X, list) else {}
    A = X[1] if kw else X
    W = m.transform(A, **kw)
    for i in range(len(A)):
        close(m.transform(A[i : i + 1], **kw), W[i : i + 1], 1e-10)
    close(m.transform(A[::-1], **kw), W[::-1], 1e-10)


@flat
@pytest.mark.parametrize('loss', ['frobenius', 'kullback-leibler'])
def test_losses_are_what_they_say(kind, loss):
    X = good(kind)
    m = fitted(kind, loss=loss, solver='mu')
    M = m.cp_.full()
    assert (m.inverse_transform(m.weights_) == M).all() or abs(
        m.inverse_transform(m.weights_) - M
    ).max() < 1e-12
    want = 0.5 * ((X - M) ** 2).sum() if loss == 'frobenius' else (X * np.log(X / M) - X + M).sum()
    assert m.objective_ == pytest.approx(want, rel=1e-9) and m.relative_error_ == pytest.approx(
        np.linalg.norm(X - M) / np.linalg.norm(X), rel=1e-9
    )
    assert (
        m.objective_ <= m.history_.objective[-1] * (1 + 1e-12)
        and m.n_iter_ == len(m.history_) - 1 == len(m.history_.seconds) - 1
    )
    if loss == 'frobenius':
        assert m.score(X) == pytest.approx(1 - m.relative_error_**2, rel=1e-8)


@stratified
def test_losses_of_strata(kind):
    X = good(kind)
    m = fitted(kind, strata_rank=[2, 0])
    left = [A - m.reconstruct(s) for s, A in enumerate(X)]
    assert m.objective_ == pytest.approx(
        0.5 * sum((L**2).sum() for L in left), rel=1e-9
    ) and m.objective_ <= m.history_.objective[-1] * (1 + 1e-12)
    assert m.relative_error_ == pytest.approx(
        sum((L**2).sum() for L in left) ** 0.5 / sum((A**2).sum() for A in X) ** 0.5, rel=1e-9
    )
    for s in range(len(X)):
        outer = lambda F: np.einsum(*sum(([f, [k, 9]] for k, f in enumerate(F)), []), range(len(F)))
        close(m.reconstruct(s), outer(m.strata_features_[s]) + outer([m.weights_[s], *m.topics_]), 1e-12)
        close(m.inverse_transform(m.weights_[s], stratum=s), m.reconstruct(s))
        close(m.model_.full(s), m.reconstruct(s))


@each
@SOLVERS
@pytest.mark.parametrize('init', ['random', 'uniform', 'nndsvd'])
def test_histories_fall(kind, solver, init):
    if init == 'nndsvd' and kind.startswith('Strat'):
        pytest.skip('no such start')
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', UserWarning)
        f = fitted(kind, solver=solver, init=init, max_iter=60, tol=0).history_.objective
    assert all(b <= a * (1 + 1e-12) for a, b in zip(f, f[1:]))


@each
def test_statuses(kind):
    assert fitted(kind, max_iter=2, tol=0).status_ is Status.MAX_ITER
    m = fitted(kind, max_iter=5000, tol=1e-5)
    assert m.status_ is Status.CONVERGED and 0 <= m.history_.improvement < 1e-5
    assert fitted(kind, time_limit=0).status_ is Status.TIME and str(m.status_) in repr(m.result_)


@each
def test_more_starts_end_no_higher(kind):
    one, five, seven = (fitted(kind, n_init=n, random_state=3) for n in (1, 5, 7))
    assert seven.objective_ <= five.objective_ * (1 + 1e-9)
    starts = [
        KINDS[kind](random_state=g, max_iter=20).fit(good(kind)) for g in np.random.default_rng(3).spawn(5)
    ]
    assert (
        five.result_.objective == min(m.result_.objective for m in starts)
        and len({m.result_.objective for m in starts}) > 1
    )


@each
def test_callbacks_and_progress(kind, capsys):
    class Count(Callback):
        def __init__(self):
            self.seen = []

        def after_sweep(self, state):
            self.seen.append(state.k)

    count = Count()
    fitted(kind, callbacks=[count], max_iter=7, tol=0, progress=True)
    assert count.seen == [1, 2, 3, 4, 5, 6, 7]
    assert kind in capsys.readouterr().err
    fitted(kind)
    assert capsys.readouterr() == ('', '')


@each
def test_masks(kind):
    X = good(kind)
    ones = mapped(lambda A: np.ones(A.shape, bool), X)
    a, b = fitted(kind), KINDS[kind](random_state=0, max_iter=20).fit(X, mask=ones)
    assert b.relative_error_ == pytest.approx(a.relative_error_, rel=1e-6)  # a mask of ones is no mask
    for x, y in zip(leaves(a.weights_), leaves(b.weights_)):
        close(y, x, 1e-5)
    mask = mapped(lambda A: A < 0.8, X)
    m = KINDS[kind](random_state=0, max_iter=20).fit(X, mask=mask)
    M = [m.reconstruct(s) for s in range(2)] if isinstance(X, list) else [m.cp_.full()]
    seen = [
        ((A - R)[o], A[o])
        for A, R, o in zip(X if isinstance(X, list) else [X], M, mask if isinstance(X, list) else [mask])
    ]
    assert m.relative_error_ == pytest.approx(
        sum((r**2).sum() for r, _ in seen) ** 0.5 / sum((a**2).sum() for _, a in seen) ** 0.5, rel=1e-9
    )


@each
def test_a_fit_does_not_carry_its_data(kind):
    rng = np.random.default_rng(0)
    X = mapped(lambda A: rng.random((300, *A.shape[1:-1], 90)), good(kind))
    m = fitted(kind, X, max_iter=2)
    assert len(pickle.dumps(m)) < 0.5 * sum(A.nbytes for A in leaves(X))


# --- Every argument gets where it should: a sentinel for each ---


class Sentinel(Callback):
    pass


def caught(kind, monkeypatch, y=None, **kw):
    "The model and the arguments of the loop that an estimator's settings lead to."

    class Caught(Exception):
        pass

    def best_of(model, n_init, **args):
        raise Caught(model, dict(n_init=n_init) | args)

    monkeypatch.setattr(estimators, 'best_of', best_of)
    monkeypatch.setattr(estimators, 'fit_compressed', best_of)
    with pytest.raises(Caught) as e:
        KINDS[kind](**kw).fit(good(kind), y)
    return e.value.args


LOOP = dict(
    compress=(9, lambda a: a['compress']),
    max_iter=(17, lambda a: a['max_iter']),
    n_init=(6, lambda a: a['n_init']),
    n_jobs=(2, lambda a: a['n_jobs']),
    random_state=(123, lambda a: a['seed']),
    tol=(0.0125, lambda a: next(s.tol for s in a['stop'] if isinstance(s, Tolerance))),
    time_limit=(77.0, lambda a: next(s.limit for s in a['stop'] if isinstance(s, TimeLimit))),
    callbacks=((Sentinel(),), lambda a: tuple(c for c in a['callbacks'] if isinstance(c, Sentinel))),
    progress=(True, lambda a: any(isinstance(c, Progress) for c in a['callbacks'])),
)
MODEL = dict(
    rank=(5, lambda m: m.rank),
    solver=('nnls', lambda m: m.rule),
    inner=(9, lambda m: m.inner),
    init=('uniform', lambda m: m.init),
    rounds=(4, lambda m: m.rounds),
    strata_rank=((3, 1), lambda m: m.strata_rank),
)

TV = dict(
    topic_price=(
        0.25,
        lambda m: (
            next(p.price for p in m.penalties if isinstance(p, TopicMass)) / topic_mass(m.data, 1)[0].price
        ),
    ),
    tv=(NormalizedTV, lambda m: type(m.penalties[0])),
    tv_weight=(0.25, lambda m: m.penalties[0].strength / tv_penalty(m.data, 'component', 1.0)[0].strength),
    tv_modes=((1,), lambda m: tuple(m.penalties[0].grids)),
)


COSTS = 'alpha', 'alpha_W', 'alpha_H', 'l1_ratio'
SEEDING = 'seeds', 'seed_weight', 'vocabulary'


def costs_of(data, l1_ratio, alpha=None, alpha_W=0.0, alpha_H=None):
    "The penalties that settings ask for."
    if alpha is not None:
        return elastic_net(data, alpha, l1_ratio)
    return elastic_net(data, (alpha_W, alpha_W if alpha_H is None else alpha_H), l1_ratio, relative=False)


@pytest.mark.parametrize('kind, name', [(k, n) for k in KINDS for n in KINDS[k]().get_params()])
def test_settings_arrive(kind, name, monkeypatch):
    others = ('loss', 'label_weight', 'fixed', 'on_max_iter', *SEEDING, *COSTS)
    assert name in LOOP or name in MODEL or name in TV or name in others, 'a setting that no test follows'
    if name in LOOP:
        value, read = LOOP[name]
        _, args = caught(kind, monkeypatch, **{name: value})
        assert read(args) == value
        _, args = caught(kind, monkeypatch)
        assert name in ('time_limit', 'tol') or read(args) != value
    elif name in MODEL:
        value, read = MODEL[name]
        model, _ = caught(kind, monkeypatch, **{name: value})
        assert read(model) == value
    elif name in TV:
        value, read = TV[name]
        setting = {name: 'normalized' if name == 'tv' else value}
        model, _ = caught(kind, monkeypatch, **dict(tv='component', tv_weight=0.5) | setting)
        assert read(model) == value
    elif name in COSTS:
        kw = dict(alpha_W=0.5) if kind == 'NMF' else dict(alpha=0.5)
        kw = kw | dict(l1_ratio=0.5) | {name: 0.25}
        model, _ = caught(kind, monkeypatch, **kw)
        assert model.penalties == costs_of(model.data, **kw) != costs_of(model.data, **kw | {name: 0.75})
    elif name == 'on_max_iter':  # what it does is in test_convergence
        with pytest.raises(ValueError, match='on_max_iter must be one of'):
            KINDS[kind](on_max_iter='later').fit(good(kind))
    elif name == 'fixed':
        model, _ = caught(kind, monkeypatch, fixed={1: True}, init=[None])
        assert model.penalties[-1].columns == {1: True}
    elif name in SEEDING:
        words = [f'word {i}' for i in range(5)]
        seeds = dict(seeds=[['word 1', 3]], vocabulary=words, seed_weight=0.25)
        model, _ = caught(kind, monkeypatch, **seeds)
        own, basic = model.penalties[-1], seed_penalty(model.data, [[1, 3]], 2, 1, 1.0)
        assert own.mode == 1 and np.array_equal(own.target, basic.target)
        assert np.allclose(own.price, 0.25 * basic.price, rtol=1e-12) and own.price.any()
    elif name == 'loss':
        model, _ = caught(kind, monkeypatch, loss='kullback-leibler', solver='mu', rank=5, init='uniform')
        assert isinstance(model, DivergenceModel | StrataDivergence) and (model.rank, model.init) == (
            5,
            'uniform',
        )
    else:
        model, _ = caught(
            kind,
            monkeypatch,
            [0, 1, -1, 1, 0, -1],
            label_weight=3.5,
            rank=5,
            inner=9,
            solver='mu',
            init='uniform',
        )
        assert isinstance(model, SupervisedModel) and (
            model.labels.weight,
            model.rank,
            model.inner,
            model.rule,
            model.init,
        ) == (3.5, 5, 9, 'mu', 'uniform')
        known = model.labels.known
        assert known.tolist() == [True, True, False, True, True, False]
        assert model.targets[known].tolist() == [[1, 0], [0, 1], [0, 1], [1, 0]]
        assert isinstance(
            caught(kind, monkeypatch, [0, 1] * 3)[0], NCPDModel
        )  # weight 0: labels take no part


def test_new_strata_are_fitted_with_the_same_settings(monkeypatch):
    m = fitted(
        'StratifiedNTF', solver='mu', inner=5, rounds=4, tol=0.1, random_state=9, max_iter=6, time_limit=50.0
    )
    seen = {}
    real = estimators.best_of

    def spy(model, *args, **kw):
        seen.update(kw, model=model)
        return real(model, *args, **kw)

    monkeypatch.setattr(estimators, 'best_of', spy)
    V, W = m.new_stratum(good('StratifiedNTF')[0], strata_rank=3)
    model = seen['model']
    assert (
        (model.rule, model.inner, model.rounds, model.rank, model.strata_rank) == ('mu', 5, 4, 2, (3,))
        and seen['max_iter'] == 6
        and seen['seed'] == 9
    )
    assert [v.shape for v in V] == [(5, 3), (4, 3)] and W.shape == (4, 2)
    assert any(isinstance(s, TimeLimit) for s in seen['stop']) and seen['stop'][0].tol == 0.1


def test_a_new_stratum_is_explained_as_well_as_can_be():
    rng = np.random.default_rng(0)
    A = [rng.random((20, 6, 5)) for _ in range(3)]
    m = StratifiedNTF(3, random_state=0, max_iter=100).fit(A[:2])
    before = [h.copy() for h in m.topics_]
    V, W = m.new_stratum(A[2], strata_rank=2)
    same(m.topics_, before)
    K = np.einsum('ir,jr->ijr', *m.topics_).reshape(30, 3)
    own = np.einsum('iq,jq->ij', *V)
    g = W @ (K.T @ K) - (A[2] - own).reshape(20, 30) @ K
    assert (
        np.linalg.norm(A[2] - own - (W @ K.T).reshape(A[2].shape)) < np.linalg.norm(A[2] - A[2].mean(0))
        and (W >= 0).all()
        and abs(np.minimum(W, g)).max() < 5e-2 * abs(g).max() + 1e-6
    )


# --- Strata in every way they come ---


def test_ways_to_give_strata():
    A, B = good('StratifiedNTF')
    both = np.concatenate([A, B])
    labels = np.repeat(['a', 'b'], [4, 3])
    way = np.random.default_rng(0).permutation(7)
    m = StratifiedNTF(2, strata_rank=[2, 1], random_state=0, max_iter=20)
    want = clone(m).fit([A, B])
    assert want.strata_ == [0, 1]
    for fit in (
        lambda: clone(m).fit((A, B)),
        lambda: clone(m).fit(dict(a=A, b=B)),
        lambda: clone(m).fit(both, strata=labels),
        lambda: clone(m).fit(both, strata=list(labels)),
        lambda: clone(m).fit(both.tolist(), strata=labels),
    ):
        same(fit().weights_, want.weights_)
    mixed = clone(m).fit(both[way], strata=labels[way])
    assert mixed.strata_ == ['a', 'b'] and mixed.relative_error_ < 1
    for s, where in enumerate(mixed.sample_indices_):
        assert (labels[way][where] == 'ab'[s]).all()
    W = mixed.transform(both[way], strata=labels[way])
    assert W.shape == (7, 2)
    for s, where in enumerate(mixed.sample_indices_):
        close(W[where], mixed.weights_[s], 1e-9)
        close(mixed.transform(both[way][where], stratum='ab'[s]), mixed.weights_[s], 1e-9)
    for X in ([A, B], dict(a=A, b=B)):
        same(
            want.transform(X) if isinstance(X, list) else clone(m).fit(X).transform(X), want.transform([A, B])
        )
    single = StratifiedNTF(2, random_state=0, max_iter=20).fit(A)
    same(single.weights_[0], StratifiedNTF(2, random_state=0, max_iter=20).fit([A]).weights_[0])
    close(single.transform(A), single.weights_[0], 1e-9)


@pytest.mark.parametrize('form', ['sparse', 'COO', 'torch', 'frame'])
def test_strata_by_label_in_every_form(form):
    rng = np.random.default_rng(0)
    X = rng.random((9, 6)) * (rng.random((9, 6)) < 0.7)
    labels = np.array(list('abcabcabc'))
    make = dict(
        sparse=sp.csr_array,
        COO=lambda A: COO(np.array(A.nonzero()), A[A > 0], A.shape),
        torch=torch.from_numpy,
        frame=pd.DataFrame,
    )[form]
    fits = [
        StratifiedNTF(2, random_state=0, max_iter=12).fit(make(X), strata=labels),
        StratifiedNTF(2, random_state=0, max_iter=12).fit([make(X[labels == s]) for s in 'abc']),
        StratifiedNTF(2, random_state=0, max_iter=12).fit(X, strata=labels),
    ]
    for m in fits[1:]:
        for a, b in zip(leaves(m.weights_), leaves(fits[0].weights_)):
            close(np.asarray(a), np.asarray(b), 1e-9)
    W = fits[0].transform(make(X), strata=labels)
    close(np.asarray(W), fits[2].transform(X, strata=labels), 1e-9)


def test_names_of_strata_may_be_anything():
    A, B = good('StratifiedNTF')
    for names in (('left', 'right'), (3, 1), ((1, 2), (0, 5)), (1.5, 2.5)):
        m = StratifiedNTF(2, random_state=0, max_iter=3).fit(dict(zip(names, (A, B))))
        assert m.strata_ == list(names)
        close(m.transform(B, stratum=names[1]), m.weights_[1], 1e-9)


# --- Labels of samples ---


@pytest.mark.parametrize(
    'y',
    [
        [0, 1, 2] * 8,
        ['cat', 'dog', 'owl'] * 8,
        np.array(['cat', None, 'owl'] * 8, object),
        [0, -1, 2] * 8,
        [1.0, np.nan, 3.0] * 8,
        pd.Series(['a', 'b', 'c'] * 8),
        [True, False, True] * 8,
    ],
    ids=str,
)
def test_classes(y):
    rng = np.random.default_rng(0)
    X = np.repeat([np.eye(3)[i % 3] for i in range(24)], 4, axis=1) + 0.1 * rng.random((24, 12))
    m = NMF(3, label_weight=10.0, random_state=0).fit(X, y)
    known = np.array([v is not None and v == v and v != -1 for v in y])
    truth = np.asarray(y)[known]
    assert (m.predict(X)[known] == truth).all() and set(m.classes_) == set(truth)
    assert m.decision_function(X).shape == (24, len(m.classes_))
    close(m.decision_function(X), m.transform(X) @ m.label_components_.T)
    assert m.relative_error_ == pytest.approx(np.linalg.norm(X - m.cp_.full()) / np.linalg.norm(X), rel=1e-8)


def test_unknown_labels_say_nothing():
    rng = np.random.default_rng(0)
    X, y = rng.random((30, 8)), np.where(rng.random(30) < 0.5, rng.integers(0, 3, 30), -1)
    a = NMF(3, label_weight=2.0, random_state=0, max_iter=30).fit(X, y)
    none = np.array([None if v == -1 else v for v in y], object)
    same(a.weights_, NMF(3, label_weight=2.0, random_state=0, max_iter=30).fit(X, none).weights_)
    assert not hasattr(NMF(), 'predict') and hasattr(NMF(label_weight=1.0), 'predict')


def test_labels_of_no_weight_change_nothing():
    X, y = good('NMF'), [0, 1] * 3
    same(NMF(random_state=0).fit(X, y).weights_, NMF(random_state=0).fit(X).weights_)
    close(
        NMF(2, label_weight=1e-9, random_state=0, max_iter=2000, tol=1e-12).fit(X, y).cp_.full(),
        NMF(2, random_state=0, max_iter=2000, tol=1e-12).fit(X).cp_.full(),
        1e-3,
    )


# --- Pipelines, frames, names ---


@matrix
def test_pipelines(kind):
    X = np.random.default_rng(0).random((30, 8))
    m = KINDS[kind](3, random_state=0, max_iter=15)
    pipe = make_pipeline(Normalizer(), m)
    W = pipe.fit_transform(X)
    assert W.shape == (30, 3)
    same(W, pipe.transform(X))
    back = make_pipeline(FunctionTransformer(inverse_func=lambda M: M), m).fit(X)
    assert back.inverse_transform(back.transform(X)).shape == X.shape


def test_grid_search_over_ranks():
    X = np.random.default_rng(0).random((30, 8))
    search = GridSearchCV(NMF(random_state=0, max_iter=15), dict(rank=[1, 2, 4]), cv=3).fit(X)
    assert (
        search.best_params_['rank'] == 4
        and (np.diff(search.cv_results_['mean_test_score']) > 0).all()
        and len(cross_val_score(NMF(random_state=0, max_iter=15), X, cv=3)) == 3
    )


@matrix
def test_set_output(kind):
    X = pd.DataFrame(
        np.random.default_rng(0).random((6, 5)), index=list('abcdef'), columns=[f'w{i}' for i in range(5)]
    )
    m = KINDS[kind](3, random_state=0, max_iter=15).set_output(transform='pandas')
    name = kind.lower()
    for W in (m.fit_transform(X), m.transform(X)):
        assert (
            isinstance(W, pd.DataFrame)
            and list(W.columns) == [f'{name}{i}' for i in range(3)]
            and list(W.index) == list('abcdef')
        )
    assert (
        list(m.get_feature_names_out()) == [f'{name}{i}' for i in range(3)]
        and list(m.feature_names_in_) == list(X.columns)
        and m.n_features_in_ == 5
    )
    with pytest.raises(ValueError, match='feature names'):
        m.transform(X[X.columns[::-1]])
    assert np.asarray(m.inverse_transform(m.transform(X))).shape == (6, 5)
    assert np.asarray(m.components_).shape == (3, 5)
    close(m.components_, (m.topics_ if hasattr(m, 'topics_') else m.factors_[1:])[0].T)


@pytest.mark.parametrize('fit', ['float64', 'float32', 'torch.float64', 'torch.float32'])
@each
def test_samples_of_another_kind_come_to_the_model(kind, fit):
    X = np.random.default_rng(0).random((12, 6) if kind.endswith('NMF') else (12, 6, 5))
    kinds = {'float64': X, 'float32': X.astype('f4')}
    kinds |= {f'torch.{name}': torch.tensor(x) for name, x in kinds.items()}
    m = KINDS[kind](3, random_state=0, max_iter=15).fit(kinds[fit])
    want = np.asarray(m.transform(kinds[fit]))
    for x in kinds.values():
        W = m.transform(x)
        assert torch.is_tensor(W) == fit.startswith('torch')
        assert not torch.is_tensor(W) or str(W.dtype) == fit
        np.testing.assert_allclose(np.asarray(W), want, rtol=1e-3, atol=1e-4)


@each
def test_frames_of_weights(kind):
    X = np.random.default_rng(0).random((12, 6) if kind.endswith('NMF') else (12, 6, 5))
    m = KINDS[kind](3, random_state=0, max_iter=15)
    with pytest.raises(NotFittedError):
        m.get_feature_names_out()
    W = m.set_output(transform='pandas').fit(X).transform(X)
    assert list(W.columns) == list(m.get_feature_names_out()) and len(W) == 12
    assert isinstance(m.set_output(transform='default').transform(X), np.ndarray)


@each
def test_labels_of_modes(kind):
    X = pd.DataFrame(np.random.default_rng(0).random((4, 3)), index=list('abcd'), columns=['x', 'y', 'z'])
    X.index.name, X.columns.name = 'doc', 'term'
    m = KINDS[kind](random_state=0, max_iter=5).fit(X)
    assert m.mode_names_ == ['doc', 'term'] and m.labels_ == [list('abcd'), ['x', 'y', 'z']]
    m.fit(X.to_numpy())
    assert m.mode_names_ is None and m.labels_ is None


@stratified
def test_labels_of_strata(kind):
    X = pd.DataFrame(np.random.default_rng(0).random((6, 3)), index=list('abcdef'), columns=['x', 'y', 'z'])
    for m in (
        KINDS[kind](random_state=0, max_iter=5).fit(X, strata=[0, 1] * 3),
        KINDS[kind](random_state=0, max_iter=5).fit([X[:3], X[3:]]),
        KINDS[kind](random_state=0, max_iter=5).fit(dict(a=X[:3], b=X[3:])),
    ):
        assert m.labels_ is not None and m.labels_[-1] == ['x', 'y', 'z']


def test_models_are_tensorlys():
    import tensorly as tl

    X = good('NCPD')
    m = fitted('NCPD')
    close(tl.cp_to_tensor(m.cp_), m.cp_.full())
    assert isinstance(m.cp_, CP) and m.cp_.rank == 2 and m.cp_.shape == X.shape
    weights, factors = m.cp_
    assert (
        weights is None
        and [f.shape for f in factors] == [(6, 2), (5, 2), (4, 2)]
        and tl.cp_tensor.cp_norm((np.ones(2), factors)) > 0
    )


# Each estimator, quickly fitted; a setting may bring attributes along
FITTED = dict(
    NMF=lambda X: NMF(label_weight=1.0, max_iter=2).fit(X, [0, 1] * 4),
    NCPD=lambda X: ntf_lit.NCPD(max_iter=2).fit(X),
    StratifiedNMF=lambda X: StratifiedNMF(max_iter=2).fit([X, X]),
    StratifiedNTF=lambda X: StratifiedNTF(max_iter=2).fit(X),
    HNMF=lambda X: HNMF((3, 2), max_iter=2).fit(X),
    HNCPD=lambda X: ntf_lit.HNCPD((3, 2), max_iter=2).fit(X),
    HNTF=lambda X: ntf_lit.HNTF((3, 2), max_iter=2).fit(X),
    MultiHNTF=lambda X: ntf_lit.MultiHNTF((3, 2), max_iter=2).fit(X),
    NeuralNMF=lambda X: ntf_lit.NeuralNMF((3, 2), max_epochs=2).fit(X),
    NeuralNCPD=lambda X: ntf_lit.NeuralNCPD((3, 2), max_epochs=2, first=dict(max_iter=2)).fit(X),
)


@pytest.mark.parametrize('name', ntf_lit.__all__)
def test_attributes_are_those_of_the_docstring(name):
    X = np.random.default_rng(0).random((8, 6) if name.endswith('NMF') else (8, 6, 5))
    m = FITTED[name](X)
    told = set(re.findall(r'^(\w+_) : \S.*\n    \S', type(m).__doc__, re.M))
    left = {k for k in vars(m) if k.endswith('_')}
    values = {k for k, v in vars(type(m)).items() if isinstance(v, property) and not k.startswith('_')}
    assert told == left | values and all(hasattr(m, k) for k in told)


@pytest.mark.parametrize('name', ntf_lit.__all__)
def test_an_estimator_is_one_class(name):
    cls = getattr(ntf_lit, name)
    own = [c for c in cls.__mro__ if c.__module__.startswith('ntf_lit')]
    assert own == [cls, estimators._Settings]
    assert {'__init__', 'fit', 'transform', 'fit_transform'} <= vars(cls).keys()
    assert 'set_fit_request' in vars(cls)
    assert cls().fit.__func__.__qualname__ == f'{name}.fit' and inspect.getsource(cls.fit)


@pytest.mark.parametrize('name', [n for n in ntf_lit.__all__ if hasattr(getattr(ntf_lit, n), 'predict')])
def test_classes_are_the_same_whatever_the_output(name):
    rng = np.random.default_rng(0)
    X, y = rng.random((8, 6)), np.array([0, 1] * 4)
    m = getattr(ntf_lit, name)(label_weight=1.0)
    with pytest.raises(NotFittedError):
        m.predict(X)
    m.set_params(**{k: 2 for k in ('max_iter', 'max_epochs') if k in m.get_params()}).fit(X, y)
    want = m.predict(X)
    if hasattr(m, 'set_output'):
        m.set_output(transform='pandas')
    assert isinstance(m.predict(X), np.ndarray) and (m.predict(X) == want).all()


@pytest.mark.parametrize(
    'make',
    [lambda: HNMF(ranks=(3, 2), random_state=0), lambda: NMF(rank=3, random_state=0)],
    ids=['HNMF', 'NMF'],
)
def test_nan_is_no_matter_where_nothing_was_observed(make):
    X = np.random.default_rng(0).random((12, 9))
    seen = np.random.default_rng(1).random(X.shape) < 0.8
    a, b = (make().fit(np.where(seen, X, fill), mask=seen) for fill in (np.nan, 7.0))
    assert np.array_equal(a.transform(X), b.transform(X))
    with pytest.raises(ValueError, match='NaN'):
        make().fit(np.where(seen, X, np.nan))
