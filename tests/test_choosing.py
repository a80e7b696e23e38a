"""Choosing ranks: the same bits for any number of processes, searches that go on, peers' formulas."""

import copy
import importlib
import itertools
import sys
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import assume, given, settings, strategies as st

from ntf_lit import NCPD, NMF, StratifiedNMF, StratifiedNTF
from ntf_lit.choosing import RankSearchCV, _Search, _text
from ntf_lit.consensus import Consensus, clusters, medians, near_distance, one_run
from ntf_lit.diagnostics import component_variation, core_consistency, leverage, slab_errors
from ntf_lit.fit import fit
from ntf_lit.heldout import FLOOR, entry_folds, fold_loss, thinned_folds
from ntf_lit.incoming import as_data
from ntf_lit.ncpd import NCPDModel
from ntf_lit.result import CP
from ntf_lit.score import factor_match, match_components
from ntf_lit.synthetic import random_cp, random_strata
from ntf_lit.tensor import COO
from ntf_lit.trials import (
    Trials,
    as_case,
    fingerprint,
    halves,
    job_seed,
    most_stable,
    one_standard_error,
    run_jobs,
    settled,
)


def quick(cls=NCPD, **kw):
    return cls(max_iter=40, **kw)


def searched(X, est=None, ranks=(1, 2, 3), fit=None, **kw):
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', UserWarning)
        search = RankSearchCV(est or quick(), ranks, **{'cv': 3, 'splits': 1, 'random_state': 0} | kw)
        return search.fit(X, **fit or {})


X = random_cp((12, 10, 8), 2, seed=0).tensors[0]
X = X * np.random.default_rng(0).uniform(0.6, 1.4, X.shape)
COUNTS = np.random.default_rng(1).poisson(3 * X / X.mean()).astype(float)


def test_two_processes_give_the_same_bits():
    one, two = (searched(X, n_jobs=n) for n in (1, 2))
    assert (one.trials_.errors == two.trials_.errors).all()
    assert one.best_params_ == two.best_params_
    for a, b in zip(one.best_estimator_.factors_, two.best_estimator_.factors_):
        assert (a == b).all()


def test_an_interrupted_search_goes_on(tmp_path, monkeypatch):
    whole, path = searched(X), tmp_path / 'search.npz'
    import ntf_lit.trials as trials

    calls, original = [], trials.fold_loss

    def interrupted(*args):
        calls.append(1)
        if len(calls) > 5:
            raise KeyboardInterrupt
        return original(*args)

    monkeypatch.setattr(trials, 'fold_loss', interrupted)
    with pytest.raises(KeyboardInterrupt):
        searched(X, resume=path)
    assert path.exists()
    done = len(calls)
    monkeypatch.setattr(trials, 'fold_loss', lambda *args: calls.append(1) or original(*args))
    again = searched(X, resume=path)
    assert len(calls) - done == 6  # one fold of three was kept
    assert (again.trials_.errors == whole.trials_.errors).all()


def test_nothing_is_fitted_when_a_search_fails():
    search = RankSearchCV(quick(), (1, 2), rule=lambda t: 7, cv=2, random_state=0)
    with pytest.raises(ValueError, match='rule must give'):
        search.fit(X)
    assert not [name for name in vars(search) if name.endswith('_')]


def test_a_file_that_holds_objects_is_refused(tmp_path):
    path = tmp_path / 'bad.npz'
    np.savez(path, header=np.array({'key': ''}, object))
    with pytest.raises(ValueError, match='is not a file of a search'):
        run_jobs({}, path=path)


@pytest.mark.parametrize('form', ['dense', 'coo'])
def test_thinned_counts_of_any_form_say_the_same(form):
    est = quick(loss='kullback-leibler')
    data = COUNTS if form == 'dense' else COO(np.nonzero(COUNTS), COUNTS[COUNTS > 0], COUNTS.shape)
    search = searched(data, est, ranks=(1, 2, 3, 4))
    assert 2 in search.candidates_
    assert not search.cv_results_['mean_test_score'].argmax() == 0


def test_sparse_matrices_and_masks():
    flat = COUNTS.reshape(12, -1)
    search = searched(sp.csr_array(flat), quick(NMF, loss='kullback-leibler'))
    assert search.best_estimator_.weights_.shape[0] == 12
    seen = np.random.default_rng(0).random(X.shape) < 0.9
    assert searched(X, fit={'mask': seen}).best_params_ == {'rank': 2}


def test_strata_with_one_rank_per_stratum():
    d = random_strata([8, 9], (7, 6), 2, 1, seed=0, noise=0.1)
    search = searched(d.tensors, quick(StratifiedNTF), (1, 2), strata_rank=[0, (1, 2)], rule='min')
    assert set(search.best_params_) == {'rank', 'strata_rank'}
    flat = searched(
        np.vstack(d.tensors)[:, 0], quick(StratifiedNMF), (1, 2), fit={'strata': [0] * 8 + [1] * 9}
    )
    assert len(flat.best_estimator_.weights_) == 2


def test_weights_at_the_end_of_the_grid_are_said():
    d = random_strata([8, 9], (7, 6), 2, 1, seed=0)
    search = searched(
        d.tensors, quick(StratifiedNTF, tv='component'), (2,), weight=[1e-3, 1000.0], rule='min'
    )
    assert any('tv_weight' in doubt for doubt in search.doubts_)
    table = search.cv_results_
    tried = [(-e, s['tv_weight']) for e, s in zip(table['mean_test_score'], table['params'])]
    assert len(tried) == 2 and search.best_params_['tv_weight'] == min(tried)[1]
    four = random_cp((9, 8, 7), 4, seed=0).tensors[0]
    with pytest.warns(UserWarning, match='the largest tried'):
        RankSearchCV(quick(), (1, 2), cv=3, rule='min', random_state=0).fit(four)


def test_hidden_errors_are_those_of_rcppml():
    "RcppML: the mean squared error of W D H at the masked entries."
    fold = entry_folds(as_data(X), 2, 0.1, np.random.default_rng(3))[0]
    r = fit(NCPDModel(fold.train, 2), max_iter=30, seed=0)
    W, *H = r.params.factors
    d = np.linalg.norm(W, axis=0)
    predicted = np.einsum('ir,r,jr,kr->ijk', W / d, d, *H)
    assert predicted[fold.test.mask].max() < fold.train.arrays[0].max()
    mse = ((X - predicted)[fold.test.mask] ** 2).mean()
    assert abs(2 * fold_loss(r.model, r.params, fold) / mse - 1) < 1e-8


def tlviz_numbers(w, F, X):
    "The formulas of TLViz 0.1.1, whose values the last test compares with."
    A = [F[0] * w, *F[1:]]
    core = np.einsum('ijk,ai,bj,ck->abc', X, *map(np.linalg.pinv, A))
    T = np.zeros(core.shape)
    np.fill_diagonal(T, 1)
    consistency = [100 - 100 * ((core - T) ** 2).sum() / s for s in (len(w), (core**2).sum())]
    squares = w**2 * np.prod([(f**2).sum(0) for f in F], axis=0)
    model = np.einsum('r,ir,jr,kr->ijk', w, *F)
    errors = ((X - model) ** 2).sum((1, 2))
    hat = np.diag(F[0] @ np.linalg.solve(F[0].T @ F[0], F[0].T))
    shares = [100 * squares / (X**2).sum(), 100 * squares / (model**2).sum()]
    return np.concatenate([consistency, *shares, hat, errors / errors.sum()])


def drawn():
    rng = np.random.default_rng(0)
    F, w = [rng.random((d, 3)) for d in (9, 8, 7)], np.array([1.0, 2.0, 3.0])
    G = [rng.random((d, 3)) for d in (9, 8, 7)]
    return F, w, G, np.einsum('r,ir,jr,kr->ijk', w, *F) + 0.3 * rng.random((9, 8, 7))


def test_diagnostics_are_those_of_tlviz():
    F, w, _, X = drawn()
    cp = CP(tuple(F), w)
    ours = [core_consistency(cp, X), core_consistency(cp, X, True), *component_variation(cp, X)]
    ours += [*component_variation(cp), *leverage(F[0]), *slab_errors(cp, X)]
    assert np.allclose(ours, tlviz_numbers(w, F, X), rtol=1e-8, atol=1e-8)


def test_values_that_tlviz_printed():
    F, w, G, X = drawn()
    cp, other = CP(tuple(F), w), CP(tuple(G), np.ones(3))
    assert abs(core_consistency(cp, X) - 86.09531019440367) < 1e-8
    assert abs(core_consistency(cp, X, True) - 87.96074883226909) < 1e-8
    assert abs(factor_match(cp, other, True) - 0.3190622013998526) < 1e-8
    assert abs(factor_match(cp, other) - 0.5102453567173673) < 1e-8


# --- properties ---


@st.composite
def trials(draw):
    "Errors of folds along some settings, of all sizes in any order."
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    folds, n = draw(st.integers(2, 5)), draw(st.integers(1, 6))
    errors = rng.integers(1, 9, (folds, n)) / 4
    settings = tuple(dict(rank=r) for r in range(1, n + 1))
    sizes = rng.permutation(n) + 1
    return Trials(settings, errors, sizes, draw(st.sampled_from([0.3, 0.85, 1.0])), rng.random((3, n)))


@given(trials())
def test_rules_by_their_words(t):
    mean = [sum(e) / len(e) for e in t.errors.T]
    least = mean.index(min(mean))
    enough = [i for i in range(least + 1) if mean[0] - mean[i] >= t.gain * (mean[0] - mean[least]) - 1e-12]
    assert t.best == least and list(t.candidates()) == list(range(min(enough), least + 1))
    n = len(t.errors)
    spread = [np.sqrt(sum((x - m) ** 2 for x in e) / (n - 1) / n) for e, m in zip(t.errors.T, mean)]
    np.testing.assert_allclose(t.std_error, spread)
    apart = t.errors - t.errors[:, [least]]
    within = [i for i, d in enumerate(apart.T) if d.mean() <= d.std(ddof=1) / np.sqrt(n)]
    assert t.sizes[one_standard_error(t)] == min(t.sizes[within])
    found = list(t.candidates())
    assert t.stability[:, most_stable(t)].mean() == max(t.stability[:, found].mean(0))
    if len(found) <= 4 and least < len(mean) - 1:
        found = [i for i in found if mean[0] - mean[i] >= 0.97 * (mean[0] - mean[least]) - 1e-12]
    assert settled(t) in found and t.stability[:, settled(t)].mean() == max(t.stability[:, found].mean(0))


@pytest.mark.parametrize('form', ['dense', 'masked', 'coo', 'csr', 'strata'])
@given(st.integers(4, 12), st.integers(0, 2**32 - 1))
@settings(max_examples=10)
def test_halves_are_the_samples_once(form, n, seed):
    "Every sample is in one half, with what was observed of it and in its own stratum."
    rng = np.random.default_rng(seed)
    shape = {'csr': (n, 4), 'strata': (n, 4), 'coo': (n, 3, 40)}.get(form, (n, 4, 3))
    A = rng.random(shape) + 0.1
    A[:, 0] = (np.arange(n) + 1).reshape(-1, *[1] * (A.ndim - 2))  # by which a sample is known
    seen = rng.random(A.shape) < 0.8
    seen[:, 0] = True
    B, kw = A * seen, {}
    if form == 'dense':
        B, est, given_data = A, NCPD(2), A
    elif form == 'masked':
        est, given_data, kw = NCPD(2), A, dict(mask=seen)
    elif form == 'strata':
        label = np.sort(rng.permutation(np.arange(n) % 2))
        B, est, given_data, kw = A, StratifiedNMF(2), A, dict(strata=label)
    else:
        est = NCPD(2) if form == 'coo' else NMF(2)
        given_data = COO(np.nonzero(B), B[B > 0], B.shape) if form == 'coo' else sp.csr_array(B)
    case, known = as_case(est, given_data, **kw), []
    for data, offsets in halves(case, np.random.default_rng(seed)):
        if form in ('coo', 'csr'):
            M = data.M.toarray()
            part = np.zeros(data.shape)
            left, right = data.tuples
            rows = left if left is not None else (np.arange(M.shape[0]),)
            columns = right if right is not None else (np.arange(M.shape[1]),)
            for a, b in zip(*np.nonzero(M)):
                part[(*(int(r[a]) for r in rows), *(int(c[b]) for c in columns))] = M[a, b]
            assert abs(data.square - (M.astype(float) ** 2).sum()) <= 1e-9 * data.square
        else:
            part = np.concatenate(data.arrays) * (data.mask if form == 'masked' else 1)
        part = part / data.scale if form in ('coo', 'csr') else part
        at = np.round(part[:, 0].reshape(len(part), -1)[:, 0]).astype(int) - 1
        np.testing.assert_allclose(part, B[at], rtol=1e-12)
        if form == 'strata':
            assert list(label[at]) == [s for s in (0, 1) for _ in range(offsets[s + 1] - offsets[s])]
        known += list(at)
    assert sorted(known) == list(range(n))


def test_fingerprints_and_seeds_tell_things_apart():
    rng = np.random.default_rng(0)
    A, seen = rng.random((6, 5)), rng.random((6, 5)) < 0.7
    seen[0, 0] = True
    other = seen.copy()
    other[0, 0] = False
    B = A.copy()
    B[2, 3] *= 1.001
    S = sp.csr_array(A * seen)
    T = S.copy()
    T.data[3] *= 1.001
    Z = A.copy()
    Z[0, 0] = 0  # a zero that was observed is not one that was not
    kinds = [(Z, seen), (Z, other)]
    kinds += [(A, None), (B, None), (A.T, None), (A, seen), (S, None), (T, None)]
    found = [fingerprint(as_data(X, mask), 'same') for X, mask in kinds]
    found += [fingerprint(as_data(A), 'other'), fingerprint(as_data(2 * A), 'same')]
    assert len(set(found)) == len(found)
    assert fingerprint(as_data(A.copy(), seen.copy()), 'same') == found[5]
    drawn = [
        job_seed(e, name).integers(2**60) for e in (1, 2) for name in ('a', 'b', '["run", 1]', '["run", 2]')
    ]
    assert len(set(drawn)) == len(drawn) and job_seed(1, 'a').integers(2**60) == drawn[0]


@pytest.mark.parametrize('rule', ['stable', 'min', '1se'])
def test_what_a_search_says(rule):
    "The table of a search is what was tried: scores, their ranks, candidates, and stability."
    search = searched(X, ranks=(1, 2, 3, 4), rule=rule, splits=2, gain=0.5)
    t, table = search.trials_, search.cv_results_
    assert [p['rank'] for p in table['params']] == [1, 2, 3, 4]
    np.testing.assert_allclose(table['mean_test_score'], -t.errors.mean(0))
    order = sorted(range(4), key=lambda i: t.mean[i])
    assert [order[r - 1] for r in table['rank_test_score']] == list(range(4))
    assert [r for r, ok in zip((1, 2, 3, 4), table['candidate']) if ok] == search.candidates_
    if rule == 'stable' and len(search.candidates_) > 1:
        np.testing.assert_allclose(table['mean_stability'], t.stability.mean(0))
    again = searched(X, ranks=(1, 2, 3, 4), rule=rule, splits=2, gain=0.5)
    for a, b in zip(search.best_estimator_.factors_, again.best_estimator_.factors_):
        assert (a == b).all()


@given(st.integers(0, 2**32 - 1), st.integers(2, 4), st.integers(3, 9))
def test_pooled_components(seed, rank, runs):
    "Distances by their definition; the largest cluster first; medians entry by entry."
    rng = np.random.default_rng(seed)
    H = np.eye(rank).repeat(3, 0) + 0.05 * rng.random((3 * rank, rank))
    noisy = lambda: H[:, rng.permutation(rank)] * rng.uniform(0.95, 1.05, H.shape)
    pooled = np.hstack([noisy() for _ in range(runs)])
    U = pooled / np.linalg.norm(pooled, axis=0)
    cos, m, k = U.T @ U, rank * runs, min(3, runs - 1)
    apart = np.array([[np.linalg.norm(U[:, a] - U[:, b]) for b in range(m)] for a in range(m)])
    near = [np.sort(np.delete(apart[a], a))[:k].mean() for a in range(m)]
    np.testing.assert_allclose(near_distance(np.clip(cos, 0, 1), k), near, atol=1e-6)
    keep = rng.random(m) < 0.8
    kept = np.flatnonzero(keep)
    home = U[:, kept].reshape(rank, 3, -1).sum(1).argmax(0)
    assume(len(set(home)) == rank)
    label = clusters(np.clip(cos, 0, 1)[np.ix_(kept, kept)], rank)
    assert len(set(zip(home, label))) == rank
    sizes = np.bincount(label)
    assert list(sizes) == sorted(sizes, reverse=True)
    [found] = medians([[U[:, a : a + rank]] for a in range(0, m, rank)], keep, label, rank)
    for c in range(rank):
        middle = np.median(U[:, kept[label == c]], 1)
        np.testing.assert_allclose(found[:, c], middle / np.linalg.norm(middle))


@pytest.mark.parametrize('kind', ['matrix', 'halves', 'strata'])
def test_what_runs_have_in_common(kind):
    "Stability topic by topic; what is far from all others is dropped; weights are the best for the medians."
    rng = np.random.default_rng(0)
    W, H = rng.gamma(0.4, size=(60, 3)), rng.gamma(0.4, size=(3, 20))
    A = 7.0 * (W @ H + 0.02 * rng.random((60, 20)))
    est, kw = NMF(3, max_iter=60), {}
    if kind == 'strata':
        est, kw = StratifiedNMF(3, max_iter=60), dict(strata=np.arange(60) % 2)
    how = dict(n_runs=6, halves=kind == 'halves', random_state=0)
    far = np.quantile(Consensus(est, **how, threshold=2).fit(A, **kw).loneliness_, 0.8)
    sure = Consensus(est, **how, threshold=far).fit(A, **kw)
    far = sure.loneliness_ > far
    assert 0 < far.sum() < 6
    assert ((sure.clusters_ == -1) == far).all() and set(sure.clusters_) - {-1} == {0, 1, 2}
    T = np.concatenate(sure.topics_)
    np.testing.assert_allclose(np.linalg.norm(T, axis=0), 1)
    case = as_case(est, A, kw.get('strata'))
    seeds = [job_seed(int(np.random.default_rng(0).integers(2**62)), f'["run", {i}]') for i in range(6)]
    runs = [one_run(case, kind == 'halves', seed) for seed in seeds]
    each = [match_components(sure.topics_, [run[:-1]]).each for run in runs]
    np.testing.assert_allclose(sure.stability_, np.mean(each, 0))
    np.testing.assert_allclose(sure.objectives_, [run[-1, 0] for run in runs])
    rows = A if kind != 'strata' else np.concatenate(case.data.arrays)
    p = sure.model_
    M = p.factors[0] @ T.T if kind != 'strata' else p.W @ p.H[0].T
    if kind == 'strata':
        M = M + np.repeat(p.V[0].sum(2), np.diff(p.offsets), axis=0)
    assert ((rows - M) ** 2).sum() < 0.01 * (rows**2).sum()
    full = est.set_params(random_state=0).fit(A, **kw).objective_
    assert (np.median(sure.objectives_) < 0.75 * full) == (kind == 'halves')


@given(st.integers(0, 2**32 - 1), st.integers(0, 2), st.booleans())
def test_diagnostics_by_their_definitions(seed, mode, masked):
    rng = np.random.default_rng(seed)
    F = [rng.random((d, 2)) + 0.01 for d in (5, 4, 3)]
    M = np.einsum('ir,jr,kr->ijk', *F)
    A = M * rng.uniform(0.5, 1.5, M.shape)
    seen = rng.random(A.shape) < 0.8 if masked else None
    errors = (A - M) ** 2 * (1 if seen is None else seen)
    sums = errors.sum(tuple(k for k in range(3) if k != mode))
    how = dict(mode=mode, mask=seen)
    np.testing.assert_allclose(slab_errors(CP(tuple(F)), A, **how, normalized=False), sums)
    np.testing.assert_allclose(slab_errors(CP(tuple(F)), A, **how), sums / sums.sum())
    alone = [np.einsum('i,j,k->ijk', *(f[:, r] for f in F)) for r in range(2)]
    want = [100 * (C**2).sum() / (A**2).sum() for C in alone]
    np.testing.assert_allclose(component_variation(CP(tuple(F)), A), want)
    want = [100 * (C**2).sum() / (M**2).sum() for C in alone]
    np.testing.assert_allclose(component_variation(CP(tuple(F))), want)


@pytest.mark.parametrize('seed', range(3))
def test_a_path_goes_on_from_where_it_was(seed, monkeypatch):
    "With a component more a fit begins with what was found: what is seen is never fitted worse."
    import ntf_lit.trials as module

    found, original = [], module.fold_loss

    def watched(model, params, *args):
        left = data - np.einsum('ir,jr,kr->ijk', *params.factors)
        found.append((left[fold.train.mask] ** 2).sum())
        return original(model, params, *args)

    monkeypatch.setattr(module, 'fold_loss', watched)
    data = random_cp((14, 12, 10), 6, seed=seed, noise=0.1).tensors[0]
    case = as_case(NCPD(max_iter=3, solver='mu'), data)
    fold = entry_folds(case.data, 2, 0.1, np.random.default_rng(seed))[0]
    module.path_losses(case, fold, [dict(rank=r) for r in range(1, 7)], seed)
    assert len(found) == 6
    assert (np.diff(found) <= 1e-9 * found[0]).all()


@pytest.mark.parametrize('form', ['dense', 'masked', 'sparse'])
@given(st.integers(2, 5), st.integers(0, 2**32 - 1))
@settings(max_examples=10)
def test_counts_are_dealt_out_once(form, folds, seed):
    "Every count is to be predicted once, from all others, which are as many times as many."
    rng = np.random.default_rng(seed)
    A, seen = rng.poisson(3.0, (6, 5)) + 1.0, rng.random((6, 5)) < 0.8
    seen[0, 0] = True
    data = dict(dense=as_data(A), masked=as_data(A, seen), sparse=as_data(sp.csr_array(A)))[form]
    whole = A * seen if form == 'masked' else A
    counts = lambda d: d.M.toarray() / d.scale if form == 'sparse' else np.concatenate(d.arrays)
    total = np.zeros(A.shape)
    for fold in thinned_folds(data, folds, rng):
        np.testing.assert_allclose(counts(fold.train) + counts(fold.test), whole)
        assert fold.share == 1 / (folds - 1) and not fold.hides
        total += counts(fold.test)
    np.testing.assert_allclose(total, whole)


@given(st.integers(2, 4), st.booleans(), st.booleans(), st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_entries_are_hidden_once(folds, fibres, masked, seed):
    "Of four parts, each hides as many as any other: entries, or whole fibres of what was observed."
    rng = np.random.default_rng(seed)
    A = rng.random((8, 7, 5))
    seen = rng.random(A.shape) < 0.8 if masked else np.ones(A.shape, bool)
    try:
        found = entry_folds(as_data(A, seen if masked else None), folds, 0.25, rng, fibres)
    except ValueError:
        assume(False)
    hidden = np.array([seen & ~np.asarray(fold.train.mask) for fold in found])
    assert (hidden.sum(0) <= 1).all() and (folds < 4 or (hidden.any(0) == seen).all())
    assert all((np.asarray(fold.test.mask) == h).all() for fold, h in zip(found, hidden))
    if fibres:
        whole = hidden | ~seen
        assert ((hidden.any(-1) == (whole.all(-1) & seen.any(-1))) | ~seen.any(-1)).all()
        hidden = hidden.any(-1)
    sizes = hidden.reshape(folds, -1).sum(1)
    assert sizes.max() - sizes.min() <= 1


@pytest.mark.parametrize('beta', [2.0, 1.0])
@given(st.booleans(), st.integers(0, 2**32 - 1))
@settings(max_examples=10)
def test_the_loss_of_what_was_not_seen(beta, thinned, seed):
    "The mean over the entries that were predicted; no prediction above the largest value that was seen."
    rng = np.random.default_rng(seed)
    A = rng.poisson(3.0, (8, 7)) + 1.0
    F = [rng.random((d, 2)) * 3 for d in A.shape]
    how = thinned_folds(as_data(A), 3, rng) if thinned else entry_folds(as_data(A), 3, 0.2, rng)
    fold, m = how[0], F[0] @ F[1].T
    x = np.concatenate(fold.test.arrays)
    train = np.concatenate(fold.train.arrays)
    if thinned:
        m, mean = m / 2, train.mean() / 2
    else:
        at = np.asarray(fold.test.mask)
        m, mean = np.minimum(m, train.max())[at], train.sum() / np.asarray(fold.train.mask).sum()
        x = A[at]
    if beta == 1:
        m = (1 - FLOOR) * m + FLOOR * mean
    with np.errstate(all='ignore'):
        each = (x - m) ** 2 / 2 if beta == 2 else np.where(x > 0, x * np.log(x / m), 0) - x + m
    found = fold_loss(NCPDModel(fold.train, 2), CP(tuple(F)), fold, beta)
    np.testing.assert_allclose(found, each.mean(), rtol=1e-9)


def test_every_job_of_a_search_has_a_seed_of_its_own(monkeypatch):
    import ntf_lit.choosing as module

    drawn, plain = [], module.run_jobs

    def watched(jobs, *args):
        drawn.extend(copy.deepcopy(job[-1]).integers(2**60) for job in jobs.values())
        return plain(jobs, *args)

    monkeypatch.setattr(module, 'run_jobs', watched)
    searched(X[:, :, 0], quick(NMF), ranks=(1, 2), splits=2, gain=1.0)
    assert len(drawn) >= 3 and len(set(drawn)) == len(drawn)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10)
def test_of_ridges_the_least_mean_error_counts(seed):
    losses = np.random.default_rng(seed).random((3, 4, 2))  # folds, settings, ridges
    path = [dict(rank=r) for r in range(1, 5)]
    tried = {_text(s): (s, losses[:, i]) for i, s in enumerate(path)}
    search = _Search(SimpleNamespace(gain=0.85), SimpleNamespace(size=lambda s: s['rank']), [], 0, '', tried)
    t = search.trials(path)
    for i, r in itertools.product(range(4), range(2)):
        assert t.mean[i] <= losses[:, i, r].mean()
        assert any((t.errors[:, i] == losses[:, i, q]).all() for q in range(2))


# --- the benchmark ---


@pytest.fixture
def bench():
    "The module benchmarks/bench_choosing.py."
    return importlib.import_module('bench_choosing')


def test_the_benchmark_goes_on(bench, tmp_path, capsys, monkeypatch):
    "A line for each kind; what was found is not looked for again."
    path = tmp_path / 'made' / 'found.jsonl'
    monkeypatch.setattr(sys, 'argv', ['bench_choosing.py', '--quick', '--seeds', '1', '--out', str(path)])
    bench.main()
    said, kept = capsys.readouterr().out, path.read_text()
    for model in bench.SHAPES:
        assert (
            sum(text.startswith(f'| cut at zero, rank 3, {model} | 1 |') for text in said.splitlines()) == 1
        )
    assert 'of 1 pairs found' in said and len(kept.splitlines()) == 3
    path.write_text(kept[: kept.index('\n') + 1])
    tried, names = bench.tried, []
    monkeypatch.setattr(bench, 'tried', lambda *a: names.append(a[1]) or tried(*a))
    bench.main()
    assert names == ['CP'] and len(path.read_text().splitlines()) == 3


def test_what_the_benchmark_counts(bench):
    one = dict(seed=7, right=[5, 6], ordinary=2.0, folds=16.0)
    rows = [
        one | dict(rank=5, candidates=[5, 6], halves=20.0),
        one | dict(rank=6, candidates=[6], halves=None),
        one | dict(rank=3, candidates=[3, 4], halves=10.0),
        one | dict(rank=8, candidates=[6, 7, 8], halves=30.0),
    ]
    assert bench.summed(rows) == dict(
        found=0.5, exactly=0.25, off=1.0, among=0.75, candidates=2.0, folds=8.0, halves=10.0
    )
    said = bench.table({'correlated, CP': rows})
    assert '| correlated, CP | 4 | 50% of 80% missed | 25% | 1.00 | 75% | 2.0 | 8.0 | 10.0 |' in said
    assert 'correlated, CP: seed 7: 3 of [3, 4]; seed 7: 8 of [6, 7, 8]' in said
    pair = [dict(pair=p, right=[2, 1], cells=c, grid=8) for p, c in (([2, 1], 4), ([3, 1], 6))]
    assert bench.table({'topics and features (2, 1)': pair}).strip() == (
        'Topics and features: 1 of 2 pairs found on 62% of the grid'
    )
