"""Losses, penalties, fixed parts and weights together, in every model that takes them: nothing ever rises.

One generator draws settings. What does not go together is refused, with the reason.
"""

from dataclasses import dataclass

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings, strategies as st

from ntf_lit import NCPD, NMF, StratifiedNMF, StratifiedNTF
from ntf_lit.blocks import charged_blocks
from ntf_lit.divergences import DivergenceModel, LabelledDivergence
from ntf_lit.incoming import as_data
from ntf_lit.ncpd import NCPDModel, SupervisedModel, Targets
from ntf_lit.penalties import Fixed, elastic_net
from ntf_lit.result import leaves
from ntf_lit.strata_divergence import StrataDivergence
from ntf_lit.strata_weights import WeightedStrata
from ntf_lit.stratified import StrataModel
from ntf_lit.tensor import COO
from ntf_lit.weights import WeightedModel, as_weighted

pytestmark = pytest.mark.filterwarnings('ignore:mask hides')
some = settings(max_examples=max(40, settings.default.max_examples))


@dataclass(frozen=True)
class Case:
    "A model with its settings, for what is said when it fails."

    model: object
    beta: float
    kind: str
    form: str
    known: dict  # what is fixed
    seed: int

    @property
    def by_blocks(self):
        "Does every block go down by itself? Not where several share a bound, or data are filled in."
        shared = isinstance(self.model, StrataDivergence)
        return not shared and not (self.form == 'masked' and self.beta == 2)


def in_form(X, W, form):
    "The same numbers as data of every kind."
    at = np.nonzero(W) if form == 'stored' else np.nonzero(X)
    coo = COO(np.array(at), X[at], X.shape)
    if form == 'stored':
        return as_weighted(coo, COO(np.array(at), W[at], X.shape), 'stored')
    if form == 'weighted':
        return as_weighted(X, W)
    if form == 'sparse':
        return as_data(coo)
    return as_data(torch.from_numpy(X) if form == 'torch' else X, W > 0 if form == 'masked' else None)


def model_of(kind, form, beta, basic, how, offsets, n, rng):
    "The model of these settings."
    weighted = form in ('weighted', 'stored')
    if kind == 'strata':
        how = dict(how, strata_rank=tuple(map(int, rng.integers(0, 3, len(offsets) - 1))), offsets=offsets)
        if beta < 2:
            return StrataDivergence(*basic[:2], beta=beta, **how)
        return (WeightedStrata if weighted else StrataModel)(*basic, **how)
    if kind == 'labels':
        known = rng.random(n) < 0.7
        known[0] = True
        how = dict(how, labels=Targets(np.eye(3)[rng.integers(3, size=n)], known, 0.5))
        if beta < 2:
            return LabelledDivergence(*basic[:2], beta=beta, **how)
        return SupervisedModel(*basic, **how)
    if beta < 2:
        return DivergenceModel(*basic[:2], beta=beta, **how)
    return (WeightedModel if weighted else NCPDModel)(*basic, **how)


@st.composite
def cases(draw):
    kind = draw(st.sampled_from(['cp', 'labels', 'strata']))
    forms = ['dense', 'sparse', 'torch', 'masked'] + ['weighted', 'stored'] * (kind != 'labels')
    form, beta = draw(st.sampled_from(forms)), draw(st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0]))
    if kind == 'labels' and beta == 0:
        beta = 0.3
    order = 2 if kind == 'labels' else draw(st.integers(2, 3))
    dims = tuple(draw(st.integers(2, 6)) for _ in range(order))
    rank, seed = draw(st.integers(1, 3)), draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    dense = beta == 0 or draw(st.booleans())
    X = (rng.random(dims) + 1e-2) * (dense or rng.random(dims) < 0.7)
    X.flat[0] = 1.0
    W = rng.random(dims) ** 3 * (rng.random(dims) < 0.7)
    W[0] = W[:, 0] = 0.5  # something of every slice is seen
    data = in_form(X, W, form)
    price, ratio = draw(st.sampled_from([0.0, 1e-3, 0.3])), draw(st.sampled_from([0.0, 0.5, 1.0]))
    penalties, known, init = elastic_net(data, price, ratio, beta=beta), {}, 'random'
    if draw(st.booleans()):
        known = {draw(st.integers(0, order - 1)): True, draw(st.integers(0, order - 1)): [rank - 1]}
        penalties = (*penalties, Fixed(known))
        init = [rng.random((d, rank)) + 0.1 for d in dims]
    offsets = (0, dims[0]) if draw(st.booleans()) else (0, 1, dims[0])
    if kind == 'strata' and init != 'random':
        init = None, [init[0][a:b] for a, b in zip(offsets, offsets[1:])], init[1:]
    rule = draw(st.sampled_from(['mu', 'hals', 'nnls']))
    how = dict(init=init, penalties=penalties)
    model = model_of(kind, form, beta, (data, rank, rule, 2), how, offsets, dims[0], rng)
    return Case(model, beta, kind, form, known, seed)


def slack(case, f):
    "What rounding may add: sums of the size of the data's powers, beside 1e-12 of the objective."
    n = float(np.prod(case.model.data.shape))
    return 1e-12 * max(f, case.model.data.square / 2) + 1e-14 * n


@some
@given(cases())
def test_nothing_rises_and_what_is_fixed_stays(case):
    model = case.model
    p = model.start(np.random.default_rng(case.seed))
    f = model.objective(p)
    begun = [np.asarray(x).copy() for x in model.parts(p)[0]]
    for k in range(7):
        q, g = model.sweep(p, k)
        assert g <= f + slack(case, f)
        assert abs(g - model.objective(q)) <= 1e-8 * max(abs(g), model.data.square * 1e-3)
        assert all(bool((a >= 0).all()) and np.isfinite(np.asarray(a)).all() for a in leaves(q))
        p, f = q, g
    for t, columns in case.known.items():
        own = np.asarray(model.parts(p)[0][t])
        columns = slice(None) if columns is True else columns
        np.testing.assert_array_equal(own[:, columns], begun[t][:, columns])


@some
@given(cases().filter(lambda case: case.by_blocks))
def test_no_block_rises(case):
    model = case.model
    p = model.start(np.random.default_rng(case.seed))
    f = model.objective(p)
    for k in (0, 9, 10):
        factors, rest = model.parts(p)
        for block, t, q in charged_blocks(model, p, factors, rest):
            block[t] = model.update(block[t], q, k)
            g = model.objective(model.joined(list(factors), list(rest)))
            assert g <= f + slack(case, f)
            f = g
        p = model.joined(factors, rest)


X = np.random.default_rng(0).random((8, 6)) + 0.1
S = sp.csr_array(X * (X > 0.4))
HALF = [0, 1] * 4
REFUSED = [
    (NMF(2, label_weight=1.0), dict(y=HALF, weights=X), 'cannot be had with weights='),
    (NMF(2, loss='itakura-saito'), dict(sample_weight=np.ones(8)), 'no scale of a sample counts'),
    (NMF(2, loss='itakura-saito'), dict(X=S), 'needs data above zero'),
    (NMF(2, loss=1), dict(X=S, weights=S), "need mask='stored'"),
    (NMF(2, loss=1, solver='nnls'), {}, 'multiplicative rule only'),
    (NMF(2, loss=1, fixed={1: True}), {}, 'that nobody has given'),
    (NCPD(2, loss=0.5, alpha=-1.0), {}, 'alpha must be a finite number'),
    (StratifiedNMF(2, loss=1, tv='component', tv_weight=0.1), {}, 'it ties its entries'),
    (StratifiedNTF(2, tv='component', tv_weight=0.1), dict(weights=X), 'does not go with weights'),
    (StratifiedNMF(2), dict(X=S, strata=HALF, sample_weight=np.ones(8)), "need mask='stored'"),
    (StratifiedNMF(2), dict(strata=HALF, sample_weight=np.ones(7)), 'has 7 rows for 8 samples'),
    (StratifiedNMF(2), dict(strata=HALF, sample_weight=-np.ones(8)), 'sample_weight[0] is -1'),
    (StratifiedNMF(2), dict(strata=HALF, weights=-X), 'weights must be finite and nonnegative'),
    (StratifiedNMF(2), dict(strata=HALF, mask='stored'), "mask='stored' needs sparse data"),
    (StratifiedNMF(2), dict(strata=HALF, mask='seen'), "must be one of 'stored', not 'seen'"),
    (StratifiedNTF(2), dict(X=[X[:3], X[3:]], weights=[X[:3]]), 'weights has 1 entries for 2 strata'),
]


@pytest.mark.parametrize('model, kw, words', REFUSED)
def test_what_does_not_go_together_is_refused(model, kw, words):
    with pytest.raises((ValueError, TypeError)) as e:
        model.fit(**{'X': X, **kw})
    assert words in str(e.value)
    assert not hasattr(model, 'objective_')
