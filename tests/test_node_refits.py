"""Nodes of every kind of hierarchy, merged and split: what is below stays, what is above descends."""

import copy
import functools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, strategies as st
from sklearn.base import clone

from ntf_lit.checks import host
from ntf_lit.hierarchy_estimators import HNCPD, HNMF, HNTF, MultiHNTF
from ntf_lit.hnmf import reordered
from ntf_lit.incoming import as_data
from ntf_lit.layer_refits import partners_of, refitted, started
from ntf_lit.merge_split import _flat_of, _kind_anew, _over_cp, merge_nodes, split_node
from ntf_lit.neural_estimators import NeuralNCPD, NeuralNMF
from ntf_lit.result import CP, leaves
from ntf_lit.saving import load, save
from ntf_lit.strata_estimators import StratifiedNMF, StratifiedNTF

RANKS, HALVES = (5, 4, 2), np.repeat([0, 1], 7)
QUICK = dict(max_epochs=8, race_epochs=2)
SHORT = dict(tol=1e-9, max_iter=60)  # what is shown holds at every sweep
KINDS = {  # name: (estimator, what else its fit is given)
    'HNMF': (HNMF(RANKS, **SHORT), {}),
    'HNMF, counts': (HNMF(RANKS, loss='kullback-leibler', **SHORT), {}),
    'HNMF over strata': (
        HNMF(RANKS, first=StratifiedNMF(5, random_state=0), max_iter=60),
        dict(strata=HALVES),
    ),
    'HNMF, holes': (HNMF(RANKS, max_iter=6), dict(mask=True)),
    'HNCPD': (HNCPD(RANKS, **SHORT), {}),
    'HNCPD, mode 0': (HNCPD(RANKS, reference=0, loss=1.5, max_iter=60), {}),
    'HNTF': (HNTF(RANKS, **SHORT), {}),
    'HNTF, mode 2': (HNTF(RANKS, mode=2, max_iter=60), {}),
    'MultiHNTF': (MultiHNTF(RANKS, max_iter=60), {}),
    'MultiHNTF over strata': (
        MultiHNTF(RANKS, first=StratifiedNTF(5, random_state=0), max_iter=60),
        dict(strata=HALVES),
    ),
    'MultiHNTF, joint': (MultiHNTF(RANKS, train='joint', max_iter=20), {}),
    'NeuralNMF': (NeuralNMF(RANKS, **QUICK), {}),
    'NeuralNMF, last': (NeuralNMF(RANKS, loss='reconstruction', l1=0.01, **QUICK), {}),
    'NeuralNCPD': (NeuralNCPD(RANKS, first=dict(n_init=2, max_iter=60), **QUICK), {}),
    'NeuralNCPD, factors': (
        NeuralNCPD(RANKS, train_factors=True, first=dict(n_init=2, max_iter=60), **QUICK),
        {},
    ),
}
each = pytest.mark.parametrize('kind', KINDS)
DAY = (
    'HNMF over strata',
    'HNCPD',
    'HNTF, mode 2',
    'MultiHNTF',
    'NeuralNMF',
    'NeuralNCPD',
)  # one of every class


def slow_unless(day, *case):
    return pytest.param(*case, marks=() if day else pytest.mark.slow)


some = pytest.mark.parametrize('kind', [slow_unless(kind in DAY, kind) for kind in KINDS])
# the middle layer of all, the first of some
each_layer = pytest.mark.parametrize(
    'kind, layer',
    [slow_unless(l == 1 or (l == 0 and kind in DAY), kind, l) for kind in KINDS for l in range(3)],
)


def data(kind):
    rng = np.random.default_rng(3)
    X = np.einsum('ir,jr,kr->ijk', *(rng.random((d, 6)) ** 2 for d in (14, 9, 8)))
    X = X + 0.05 * rng.random(X.shape)
    return X[:, :, 0] if 'NMF' in kind else X


pytestmark = pytest.mark.xdist_group('nodes')  # each model is fitted once


@functools.cache
def fitted(kind):
    est, how = KINDS[kind]
    X = data(kind)
    if 'mask' in how:
        how = dict(mask=np.random.default_rng(0).random(X.shape) < 0.9)
    return est.set_params(random_state=0, allow_growth=True).fit(X, **how), X, how


@functools.cache
def changed(kind, layer):
    "(the hierarchy, two of its nodes merged, one of them split)"
    m, X, how = fitted(kind)
    nodes = [m.hierarchy_.ranks[layer] - 1, 0]
    split = split_node(m, X, 1, layer=layer, n_init=2, random_state=0, **how)
    return m, merge_nodes(m, X, nodes, layer=layer, **how), split


def same(a, b):
    return all(np.array_equal(host(f), host(g)) for f, g in zip(leaves(a), leaves(b), strict=True))


@each_layer
def test_what_is_below_stays_and_what_is_above_descends(kind, layer):
    m = fitted(kind)[0]
    before = [host(a).copy() for a in leaves(m.layers_)]
    m, merged, split = changed(kind, layer)
    for h, more in ((merged, -1), (split, 1)):
        assert h.hierarchy_.ranks == tuple(r + more * (l == layer) for l, r in enumerate(RANKS))
        assert all(same(h.layers_[l].factors, m.layers_[l].factors) for l in range(layer))
        assert h.relative_error_[:layer] == m.relative_error_[:layer]
        for past in h.history_[max(layer, 1) :]:
            assert past.objective[-1] <= past.objective[0] * (1 + 1e-12)
        for a in leaves(h.layers_):
            assert np.isfinite(host(a)).all() and (host(a) >= 0).all()
    assert all(
        np.array_equal(a, host(b)) for a, b in zip(before, leaves(m.layers_))
    )  # the old one is as it was


@each_layer
def test_layers_are_made_of_those_below(kind, layer):
    first = 1 if 'NCPD' in kind else 0  # the layer above an NCPD approximates its factors
    for h in changed(kind, layer)[1:]:
        k = h.hierarchy_.modes[0]
        for below, above in zip(h.layers_[first:], h.layers_[first + 1 :]):
            want = below.factors[k] @ above.links[0]
            assert np.allclose(want, above.factors[k], rtol=1e-9, atol=1e-9 * want.max())


@each
def test_the_changed_model_is_applied_saved_and_refitted_like_any_other(kind, tmp_path):
    X, how = fitted(kind)[1:]
    h = changed(kind, 1)[1]
    given = {k: v for k, v in how.items() if k in ('strata', 'mask')}
    W = h.transform(X, layer=1, **given)
    assert W.shape == (14, 3) and (W >= 0).all()
    save(tmp_path / 'file', h)
    again = load(tmp_path / 'file')
    assert np.array_equal(again.transform(X, layer=1, **given), W)
    one, other = (merge_nodes(x, X, [0, 2], layer=1, **how) for x in (h, again))
    assert same(one.layers_, other.layers_) and one.hierarchy_.ranks == (5, 2, 2)
    assert clone(h).set_params(random_state=1).fit(X, **how).hierarchy_.ranks == (5, 3, 2)


@some
def test_a_split_is_seeded(kind):
    m, X, how = fitted(kind)
    again = split_node(m, X, 1, layer=1, n_init=2, random_state=0, **how)
    assert same(again.layers_, changed(kind, 1)[2].layers_)


@some
def test_names_move_along(kind):
    m, X, how = fitted(kind)
    names = [tuple(f'{n} {j}' for j in range(layer.rank)) for n, layer in enumerate(m.layers_)]
    layers = tuple(replace(layer, names=own) for layer, own in zip(m.layers_, names))
    named = replace(m.hierarchy_, layers=layers)
    model = type(m).__new__(type(m))
    model.__dict__ |= vars(m) | dict(hierarchy_=named, layers_=list(named.layers))
    size = np.prod([host(f).sum(0) for f in m.layers_[1].factors], axis=0)
    found = merge_nodes(model, X, [3, 0], layer=1, **how).layers_[1].names
    assert found == (f'1 {0 if size[0] > size[3] else 3}', '1 1', '1 2')  # of the largest
    h = merge_nodes(model, X, ['1 2', '1 0'], layer=1, name='both', **how)
    assert [l.names for l in h.layers_][1] == ('both', '1 1', '1 3')
    h = split_node(h, X, '1 1', layer=1, n_init=1, random_state=0, **how)
    assert h.layers_[1].names == ('both', '1 1', '1 3', '1 1') and h.layers_[2].names == ('2 0', '2 1')


@pytest.mark.parametrize('kind', ['HNCPD', 'NeuralNCPD', 'NeuralNMF', 'HNMF', 'HNTF'])
def test_another_order_of_topics_is_the_same_change(kind):
    "What was fitted goes along when topics change places, so that the same nodes give the same layers."
    m, X, how = fitted(kind)
    orders = [[3, 1, 0, 4, 2], [2, 0, 3, 1], [1, 0]]
    turned = type(m).__new__(type(m))
    h = reordered(m.hierarchy_, orders)
    turned.__dict__ |= vars(m) | dict(hierarchy_=h, layers_=list(h.layers))
    one = merge_nodes(m, X, [2, 3], layer=1, **how)
    other = merge_nodes(turned, X, [0, 2], layer=1, **how)
    for k, f in enumerate(m.layers_[0].cp.factors):
        assert np.array_equal(h[0].cp.factors[k], f[:, orders[0]])
    assert np.allclose(one.relative_error_, other.relative_error_, rtol=1e-9)


@pytest.mark.parametrize(
    'kind', ['HNMF', 'HNMF over strata', 'HNCPD', 'HNTF, mode 2', 'MultiHNTF', 'NeuralNCPD']
)
def test_units_of_the_data_are_of_no_matter(kind):
    "Data times a power of two: the same links and errors."
    X, how = fitted(kind)[1:]
    m = clone(KINDS[kind][0]).set_params(random_state=0, allow_growth=True).fit(512 * X, **how)
    one, other = changed(kind, 1)[1], merge_nodes(m, 512 * X, [3, 0], layer=1, **how)
    assert np.allclose(one.relative_error_, other.relative_error_, rtol=1e-6)
    for l in (1, 2):
        assert np.allclose(one.hierarchy_.link(l), other.hierarchy_.link(l), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('kind', [HNMF, HNCPD, HNTF, MultiHNTF])
def test_many_layers_are_each_made_of_the_one_below(kind):
    X = data(kind.__name__)
    m = kind((6, 5, 3, 2), random_state=0).fit(X)
    h = merge_nodes(m, X, [0, 1], layer=1)
    assert h.hierarchy_.ranks == (6, 4, 3, 2)
    k, first = h.hierarchy_.modes[0], 1 if kind is HNCPD else 0
    for below, above in zip(h.layers_[first:], h.layers_[first + 1 :]):
        assert np.allclose(below.factors[k] @ above.links[0], above.factors[k], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize('layer', [1, 2])
@pytest.mark.parametrize('kind', ['HNMF', 'HNMF, counts', 'HNCPD', 'HNCPD, mode 0', 'HNTF', 'HNTF, mode 2'])
def test_no_change_and_no_sweep_leave_all_as_it_was(kind, layer):
    "So a layer is refitted from where it was, in the units it is in."
    m, X, how = fitted(kind)
    still = copy.copy(m).set_params(max_iter=0)
    data, cp, _, error, _ = _over_cp(_flat_of(m, X, how), m.layers_[0].cp, X, False, **how)
    h = _kind_anew(still, data, cp, m.hierarchy_, layer, lambda F, at=None: [F], error)
    for one, other in zip(m.layers_, h.layers, strict=True):
        for f, g in zip(leaves(one.factors), leaves(other.factors), strict=True):
            assert np.allclose(f, g, rtol=1e-5, atol=1e-6 * f.max())
        assert np.isclose(one.relative_error, other.relative_error, rtol=1e-6)


@pytest.mark.parametrize('beta', [2.0, 1.5, 1.0])
def test_a_layer_goes_on_from_the_best_of_its_starts(beta):
    rng = np.random.default_rng(0)
    exact, *others = [[rng.random((9, 3)) + 0.1, rng.random((7, 3)) + 0.1] for _ in range(4)]
    how = dict(beta=beta, rule='nnls' if beta == 2 else 'mu', max_iter=3)
    for at in range(4):
        starts = [*others[:at], exact, *others[at:]]
        r = refitted(as_data(exact[0] @ exact[1].T), [[f.copy() for f in F] for F in starts], how)
        assert r.relative_error < 1e-6


@pytest.mark.parametrize('k', [0, 1, 2])
def test_a_factor_that_does_not_fit_is_solved_for(k):
    rng = np.random.default_rng(0)
    W, *H = (rng.random((d, 3)) for d in (7, 6, 5))
    X = CP((300 * W, *H)).full()
    given = [f[:2] if t == k else f for t, f in enumerate((300 * W, *H))]
    assert np.allclose(CP(tuple(started(as_data(X), given))).full(), X, rtol=1e-6)


@given(st.permutations(range(5)), st.integers(0, 10**6))
def test_partners_are_the_same_topics_in_whatever_order_and_size(order, seed):
    S = np.random.default_rng(seed).random((8, 5)) ** 4
    assert partners_of(S, (S * [1, 2, 4, 8, 16])[:, order]) == np.argsort(order).tolist()


@pytest.mark.parametrize('kind', [HNMF, MultiHNTF, NeuralNMF])
def test_names_in_another_order_are_refused(kind):
    frame = pd.DataFrame(data('HNMF'), columns=list('abcdefghi'))
    m = kind((4, 2), random_state=0, **(QUICK if kind is NeuralNMF else {})).fit(frame)
    assert merge_nodes(m, frame, [0, 1], layer=1).hierarchy_.ranks == (4, 1)
    with pytest.raises(ValueError, match='in another order than in the fit'):
        merge_nodes(m, frame[list('bacdefghi')], [0, 1], layer=1)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize('kind', [HNMF, HNCPD, HNTF, NeuralNMF, NeuralNCPD])
def test_torch_stays_torch(kind, dtype):
    X = torch.tensor(data(kind.__name__), dtype=dtype)
    quick = dict(max_epochs=3, race_epochs=1) if kind.__name__.startswith('Neural') else dict(max_iter=30)
    quick |= dict(first=dict(n_init=1, max_iter=30)) if kind is NeuralNCPD else {}
    m = kind((4, 3, 2), random_state=0, **quick).fit(X)
    for h in (merge_nodes(m, X, [0, 1], layer=2), split_node(m, X, 0, n_init=1, random_state=0)):
        for a in leaves([l.factors for l in h.layers_]):
            assert isinstance(a, torch.Tensor) and a.dtype == dtype


def test_labels_are_refused_in_every_kind():
    X, y = data('HNMF'), np.arange(14) % 2
    for kind, kw in ((HNMF, {}), (NeuralNMF, QUICK)):
        m = kind((4, 2), label_weight=1.0, random_state=0, **kw).fit(X, y)
        with pytest.raises(ValueError, match='does not refit the classes of a model with labels'):
            split_node(m, X, 0)
