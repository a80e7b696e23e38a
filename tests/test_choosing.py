"""Choosing ranks: the same bits for any number of processes, searches that go on, peers' formulas."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp

from ntf_lit import NCPD, NMF, StratifiedNMF, StratifiedNTF
from ntf_lit.choosing import RankSearchCV
from ntf_lit.diagnostics import component_variation, core_consistency, leverage, slab_errors
from ntf_lit.fit import fit
from ntf_lit.heldout import entry_folds, fold_loss
from ntf_lit.incoming import as_data
from ntf_lit.ncpd import NCPDModel
from ntf_lit.result import CP
from ntf_lit.score import factor_match
from ntf_lit.synthetic import random_cp, random_strata
from ntf_lit.tensor import COO
from ntf_lit.trials import run_jobs


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
        d.tensors, quick(StratifiedNTF, tv='component'), (2,), weight=[100.0, 1000.0], rule='min'
    )
    assert any('tv_weight' in doubt for doubt in search.doubts_)
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
