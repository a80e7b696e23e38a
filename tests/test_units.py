"""Units are of no matter: data, or weights, times a power of two, whatever the estimator and its settings."""

import numpy as np
import pytest
from sklearn.base import clone

from ntf_lit import HNCPD, HNMF, HNTF, NCPD, NMF, MultiHNTF, NeuralNCPD, NeuralNMF
from ntf_lit import StratifiedNMF, StratifiedNTF
from ntf_lit.joint import multi_hntf_joint
from ntf_lit.training import Training

rng = np.random.default_rng(0)
CUBE = np.einsum('ir,jr,kr->ijk', *(rng.random((d, 4)) ** 2 for d in (12, 9, 8))) + 0.1 * rng.random(
    (12, 9, 8)
)
W = np.maximum(rng.random(CUBE.shape) ** 2, 0.01)
SAMPLES, HALVES, LABELS = rng.random(12) + 0.5, np.repeat([0, 1], 6), np.arange(12) % 3
SEEN = rng.random(CUBE.shape) < 0.5
SEEN[0] = SEEN[:, 0] = SEEN[:, :, 0] = True
BOTH, KL = dict(alpha=0.02, l1_ratio=0.4), dict(loss='kullback-leibler')
QUICK, STRATA = dict(max_epochs=12, race_epochs=3), dict(strata=HALVES)
few = dict(max_iter=8, random_state=0)
DATA = {  # what is fitted: (estimator, what else its fit is given)
    'weights': (NMF(3, **few), dict(weights=W)),
    'weights, counts': (NCPD(3, **KL, **few), dict(weights=W)),
    'samples': (NMF(3, **few), dict(sample_weight=SAMPLES)),
    'samples, counts': (NCPD(3, **KL, **few), dict(sample_weight=SAMPLES)),
    'few seen': (NMF(3, **few), dict(mask=SEEN)),
    'seeds': (NCPD(3, seeds=[[0, 2], [4]], vocabulary=1, **few), {}),
    'prices': (NCPD(3, **BOTH, **few), {}),
    'prices, counts': (NCPD(3, **BOTH, **KL, **few), {}),
    'strata': (StratifiedNTF(3, strata_rank=(2, 1), topic_price=0.1, **few), STRATA),
    'strata, prices': (StratifiedNMF(3, **BOTH, **few), STRATA),
    'strata, weights': (
        StratifiedNMF(3, strata_rank=(2, 1), **BOTH, **few),
        STRATA | dict(weights=W),
    ),
    'strata, counts': (StratifiedNTF(3, **BOTH, **KL, **few), STRATA),
    'HNMF, labels': (HNMF((4, 2), label_weight=0.3, **few), dict(y=LABELS)),
    'HNMF over strata': (HNMF((4, 2), first=StratifiedNMF(4, **few), **few), STRATA),
    'HNCPD': (HNCPD((4, 2), **KL, **few), {}),
    'HNTF': (HNTF((4, 2), mode=1, **few), {}),
    'MultiHNTF, labels': (MultiHNTF((4, 2), label_weight=0.3, n_init=2, **few), dict(y=LABELS)),
    'MultiHNTF over strata': (
        MultiHNTF((4, 2), first=StratifiedNTF(4, **few), train='joint', n_init=1, **few),
        STRATA,
    ),
    'NeuralNMF': (NeuralNMF((4, 2), label_weight=0.3, random_state=0, **QUICK), dict(y=LABELS)),
    'NeuralNCPD': (NeuralNCPD((4, 2), first=dict(n_init=1), random_state=0, **QUICK), {}),
}


def fitted(name, size=1.0, **changes):
    "(an estimator of data of some size, what its first layer makes of them)"
    est, how = DATA[name]
    cut = lambda A: A[:, :, 0] if 'NMF' in type(est).__name__ and np.ndim(A) == 3 else A
    how = {k: cut(v) for k, v in (how | changes).items()}
    m = clone(est)
    if 'label_weight' in m.get_params(deep=False):
        m.set_params(label_weight=size**2 * m.label_weight)  # it is in units of the data squared
    m.fit(size * cut(CUBE), **how)
    given = {k: v for k, v in how.items() if k in ('strata', 'mask')}
    layer = dict(layer=0) if hasattr(m, 'hierarchy_') else {}
    return m, m.transform(size * cut(CUBE), **given, **layer)


def same(a, b):
    return np.allclose(a, b, rtol=1e-6, atol=1e-7 * np.max(np.abs(a)))


def told(h):
    "What the layers say of the labels."
    return [l.factors[0] @ B.T for l, B in zip(h.layers, h.classes) if B is not None]


@pytest.mark.parametrize('name', DATA)
def test_units_of_the_data(name):
    (one, W1), (other, W2) = fitted(name), fitted(name, 2.0**11)
    assert same(one.relative_error_, other.relative_error_)
    assert same(W1 / W1.max(), W2 / W2.max()) and W1.max() > 0
    if hasattr(one, 'objective_'):
        power = 1 if getattr(one, 'loss', '') == 'kullback-leibler' else 2
        assert same(2.0 ** (11 * power) * one.objective_, other.objective_)
    if hasattr(one, 'hierarchy_'):
        for l in range(1, len(one.layers_)):
            assert same(one.hierarchy_.link(l), other.hierarchy_.link(l))
        assert all(same(*both) for both in zip(*(told(m.hierarchy_) for m in (one, other)), strict=True))


WITH_WEIGHTS = [n for n, (_, how) in DATA.items() if {'weights', 'sample_weight'} & {*how}]


@pytest.mark.parametrize('name', WITH_WEIGHTS)
def test_units_of_weights(name):
    "They count as often as they say: the same model, at a price that grows with them."
    how = DATA[name][1]
    key = 'weights' if 'weights' in how else 'sample_weight'
    one, other = fitted(name)[0], fitted(name, **{key: 64 * how[key]})[0]
    assert same(one.relative_error_, other.relative_error_)
    assert same(64 * one.objective_, other.objective_)
    assert same(64 * getattr(one, 'ridge_', 0.0), getattr(other, 'ridge_', 0.0))
    of = lambda m: m.model_.W if hasattr(m, 'model_') else m.weights_
    assert same(of(one), of(other))


def test_units_of_layers_trained_together():
    how = dict(weights=(1.0, 0.5, 2.0), training=Training(max_epochs=12), seed=0)
    one, other = (
        multi_hntf_joint(c * CUBE, (4, 3, 2), first=dict(labels=LABELS, weight=0.3 * c * c), **how)
        for c in (1.0, 2.0**11)
    )
    assert all(same(*both) for both in zip(told(one), told(other), strict=True)) and len(told(one)) == 3
    for a, b in zip(one.layers, other.layers):
        assert same(a.relative_error, b.relative_error)
        assert same(2.0**11 * a.factors[0], b.factors[0]) and same(a.factors[1], b.factors[1])
