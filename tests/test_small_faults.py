"""Faults that were found and mended, each as it was met: the smallest input, and what is right."""

import importlib
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from ntf_lit import NMF
from ntf_lit.browser_data import course_over_time
from ntf_lit.fit import fit
from ntf_lit.incoming import as_data, as_strata, incoming
from ntf_lit.names import as_words, short_dates
from ntf_lit.ncpd import NCPDModel
from ntf_lit.result import Status
from ntf_lit.score import relative_error
from ntf_lit.stratified import StrataModel, best_weights
from ntf_lit.synthetic import Dataset, salt_and_pepper
from ntf_lit.texts import date_periods, table_tensor
from ntf_lit.tv import choose_lambda, tv_penalty
from ntf_lit.views import view
from ntf_lit.weights import WeightedModel, as_weighted

rng = np.random.default_rng(0)
A, B = rng.random((5, 3)), rng.random((4, 3))


def test_a_mask_for_some_strata_only_is_refused():
    for masks in ([None, B > 0.1], [A > 0.1, None]):
        with pytest.raises(ValueError, match='mask is None for some strata'):
            as_strata([A, B], mask=masks)


def test_a_score_needs_one_mask_per_stratum():
    with pytest.raises(ValueError, match='mask has 1 entries for 2 strata'):
        relative_error([A, B], [A, np.zeros((4, 3))], mask=[np.ones((5, 3), bool)])


def test_a_mask_in_the_data_counts_in_a_score():
    seen = rng.random(A.shape) < 0.7
    seen[0] = seen[:, 0] = True
    wrong = np.where(seen, A, 9.0)
    errors = [relative_error(X, wrong) for X in (as_data(A, seen), incoming(A, seen))]
    assert errors == [0.0, 0.0] == [relative_error(A, wrong, seen)] * 2


@pytest.mark.parametrize('dtype', [np.float32, np.float64])
def test_the_error_of_a_sparse_fit_is_its_error(dtype):
    draw = np.random.default_rng(1)
    F = [draw.random((d, 4)) * (draw.random((d, 4)) < 0.3) for d in (60, 50)]
    X = sp.csr_array((F[0] @ F[1].T).astype(dtype))
    r = fit(NCPDModel(as_data(X), 4), seed=0, max_iter=3000)
    assert r.status is Status.EXACT and r.relative_error < 30 * np.finfo(dtype).eps
    assert r.relative_error == pytest.approx(relative_error(X, r.params), rel=0.1)
    noisy = sp.csr_array((X + 1e-4 * abs(X).mean() * (X > 0)).astype(dtype))
    r = fit(NCPDModel(as_data(noisy), 4), seed=0, max_iter=200)
    assert r.relative_error == pytest.approx(relative_error(noisy, r.params), rel=0.1)


def test_short_names_stay_apart():
    hours = as_words(pd.date_range('2019-10-27', periods=5, freq='h', tz='Europe/Berlin'))
    assert len(set(hours)) == 5
    spans = ['2019-01-07/2019-01-13', '2019-01-07/2019-01-20']
    assert short_dates(spans) == spans


def test_hidden_entries_are_no_mask_of_the_user():
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        choose_lambda(NCPDModel(as_data(rng.random((60, 8))), 2), [0.1], seed=0, max_iter=3)
    with pytest.raises(ValueError, match='raise share='):
        choose_lambda(NCPDModel(as_data(rng.random((6, 5))), 2), [0.1], seed=0, max_iter=3, share=1e-3)


def test_singular_vectors_of_weighted_data_are_those_of_the_data():
    X, W = rng.random((6, 9)), rng.random((6, 9)) + 0.1
    starts = [WeightedModel(as_weighted(x, w), 2, init='nndsvd').start(rng) for x, w in ((X, W), (X.T, W.T))]
    of_unit = lambda F: F / F.max(0)
    np.testing.assert_allclose(of_unit(starts[0].factors[0]), of_unit(starts[1].factors[1]), rtol=1e-8)


def test_weighted_models_refuse_what_they_cannot_carry():
    data = as_weighted(A, np.ones(A.shape))
    with pytest.raises(ValueError, match=r'ComponentTV \(tv or seeds\) does not go with weights'):
        WeightedModel(data, 2, penalties=tv_penalty(data, 'component', 0.1))


def test_made_data_check_what_they_are_given():
    assert salt_and_pepper(np.ones((3, 3)), 0.9, 0.1, seed=0).shape == (3, 3)
    for samples in ([['a']], [['a'], ['b'], ['c']]):
        with pytest.raises(ValueError, match='samples has . entries for 2 strata'):
            Dataset('two', [A[:1], B[:1]], dict(x=list('abc')), ['p', 'q'], samples)


def test_exact_weights_never_raise_an_objective_with_total_variation():
    X = rng.random((12, 10))
    seen = rng.random(X.shape) < 0.7
    data, offsets = as_strata([X[:6], X[6:]], mask=[seen[:6], seen[6:]])
    model = StrataModel(
        data,
        2,
        strata_rank=(1, 1),
        offsets=tuple(offsets),
        penalties=tv_penalty(data, 'component', 0.3),
    )
    p = model.start(np.random.default_rng(0))
    for k in range(60):
        p, objective = model.sweep(p, k)
    assert model.objective(best_weights(model, p)) <= objective * (1 + 1e-12)


def test_tables_say_what_they_cannot_read():
    spans = dict(a=np.array([1, 'NaT'], 'm8[D]'), b=['x', 'y'])
    with pytest.warns(UserWarning, match='without a'):
        assert len(table_tensor(spans, ['a', 'b']).samples[0]) == 1
    with pytest.raises(ValueError, match='aggregate= needs value='):
        table_tensor(dict(a=['x'], b=['y']), ['a', 'b'], aggregate='mean')
    with pytest.raises(ValueError, match='fill must be a nonnegative number'):
        table_tensor(dict(a=['x'], b=['y']), ['a', 'b'], fill=np.inf)
    assert table_tensor(dict(a=['x'], b=['y']), ['a', 'b'], fill=np.float32(0)).X.shape == (1, 1)
    with pytest.raises(ValueError):
        date_periods([2019.0, np.inf])


def test_seasons_that_look_like_dates_are_names():
    seasons = [f'20{i:02d}-{i + 1:02d}' for i in range(10, 22)]
    shown = view(NMF(2, random_state=0).fit(rng.random((12, 5))))
    assert set(seasons) <= set(course_over_time(shown, seasons, 'season')['labels'])


@pytest.mark.parametrize('module', ['nnls', 'small_sweeps'])
def test_compiling_may_be_interrupted_or_done_by_two_threads(module):
    "A call that found some loops compiled already refused them, and so did every later fit."
    pytest.importorskip('numba')
    compiled = importlib.import_module(f'ntf_lit.{module}')._compiled
    before = {name: f for name, f in compiled().items() if hasattr(f, 'py_func')}
    assert len(before) >= 3
    after = compiled.__wrapped__()
    assert all(after[name] is f for name, f in before.items())
