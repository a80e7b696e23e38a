"""What must hold for every model, whatever the data: one function per property, problems drawn by Hypothesis.

The names P1 to P25 are those of the list of properties that the package promises. All tolerances are
relative. Models with two answers of equal right (more components than the data have, say) are asked only for
what does not depend on the answer; properties that compare answers draw `calm` problems, whose answer is well
determined.
"""

import random
import tempfile
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings, strategies as st

from ntf_lit import NCPD, NMF, StratifiedNMF, StratifiedNTF, divergences, updates
from ntf_lit.divergences import DivergenceModel
from ntf_lit.fit import Callback, Checkpoint, fit
from ntf_lit.blocks import RULES
from ntf_lit.ncpd import Labelled, NCPDModel, SupervisedModel, Targets
from ntf_lit.result import CP, Strata, leaves, normalized, rebuild
from ntf_lit.stratified import StrataModel
from ntf_lit.incoming import as_data, as_strata
from ntf_lit.tensor import (
    COO,
    Masked,
    best_split,
    cp_inner,
    fold,
    hadamard,
    inner,
    khatri_rao,
    mttkrp,
    mttkrps,
    others,
    power_of_two,
    stratum_sums,
    unfold,
)

# Masks are drawn at random and may hide a whole slice, which is worth a warning to users.
pytestmark = pytest.mark.filterwarnings('ignore:mask hides')

# --- The models ---

SWEEPS = 13  # more than the sweeps that warm a fit up
KINDS = {  # how many modes the data have, and the rules there are
    'NMF': (2, 2, tuple(RULES)),
    'NCPD': (3, 5, tuple(RULES)),
    'KL-NMF': (2, 2, ('mu',)),
    'KL-NCPD': (3, 5, ('mu',)),
    'Labelled-NMF': (2, 2, tuple(RULES)),
    'Stratified-NMF': (2, 2, tuple(RULES)),
    'Stratified-NTF': (3, 5, tuple(RULES)),
}
MODELS = [f'{kind}:{rule}' for kind, (_, _, rules) in KINDS.items() for rule in rules]
SQUARED = [m for m in MODELS if m[:2] != 'KL']  # least squares, every block a `Quadratic`
STRATIFIED = [m for m in MODELS if m.startswith('Stratified')]


@dataclass(frozen=True, repr=False)
class Case:
    "A drawn problem: a model's kind and rule, data (one array, or one per stratum), a start in their units."

    kind: str
    rule: str
    data: tuple
    start: tuple  # factors; for strata (features, weights, topics)
    seed: int = 0
    labels: tuple = ()  # targets, who is known, weight

    def __repr__(self):
        shapes, size = [A.shape for A in self.data], max(A.max() for A in self.data)
        ranks = (self.rank, self.ranks) if self.strata else self.rank
        what = f'{self.kind}:{self.rule}, {shapes} {self.data[0].dtype}, rank {ranks}'
        return f'Case({what}, seed {self.seed}, largest entry {size:.3g})'

    @property
    def strata(self):
        return self.kind.startswith('Stratified')

    @property
    def rank(self):
        return self.start[-1][0].shape[1] if self.strata else self.start[0].shape[1]

    @property
    def ranks(self):
        return tuple(vs[0].shape[1] for vs in self.start[0])

    def model(self, data=None, init=None, mask=None, **kw):
        "The model of other data than the case's own, or with another start, if given."
        data, init = self.data if data is None else data, self.start if init is None else init
        if self.strata:
            body, offsets = as_strata(list(data), mask=mask)
            return StrataModel(
                body, self.rank, self.rule, init=init, strata_rank=self.ranks, offsets=tuple(offsets), **kw
            )
        body = as_data(data[0], None if mask is None else mask[0])
        if self.kind.startswith('KL'):
            return DivergenceModel(body, self.rank, init=init, **kw)
        if not self.labels:
            return NCPDModel(body, self.rank, self.rule, init=init, **kw)
        Y, known, weight = self.labels
        Y = torch.from_numpy(Y.astype(np.float64)).to(data[0]) if isinstance(data[0], torch.Tensor) else Y
        labels = Targets(Y, known, weight)
        return SupervisedModel(body, self.rank, self.rule, init=init, labels=labels, **kw)

    def fit(self, sweeps=SWEEPS, *, callbacks=(), **kw):
        return fit(self.model(**kw), max_iter=sweeps, seed=self.seed, callbacks=callbacks)

    def last(self, sweeps=SWEEPS, count=None, **kw):
        """The reconstruction after so many sweeps, in the units of the data.

        A fit hands out the best state: near convergence that is one of several which differ by 1e-8 and whose
        objectives differ by rounding."""
        model = self.model(**kw)
        return [
            M / model.data.scale
            for M in full(run(model, sweeps, self.seed)[-1].params, count or len(self.data))
        ]

    @property
    def empty(self):
        return not any(A.any() for A in self.data)

    def scaled(self, c):
        "The same problem in other units; zeros have none."
        if self.empty:
            return self
        times = lambda F: (F[0] * c, *F[1:])
        start = (
            ([times(v) for v in self.start[0]], [w * c for w in self.start[1]], self.start[2])
            if self.strata
            else times(self.start)
        )
        labels = (self.labels[0], self.labels[1], self.labels[2] * float(c) ** 2) if self.labels else ()
        return replace(self, data=tuple(A * c for A in self.data), start=start, labels=labels)


class Watch(Callback):
    "Calls a function with every state."

    def __init__(self, f):
        self.after_sweep = self.before_fit = f


def run(model, sweeps=SWEEPS, seed=0):
    "All states of a fit, from the start on."
    states = []
    fit(model, max_iter=sweeps, seed=seed, callbacks=[Watch(states.append)])
    return states


def factors_of(p, s=0):
    "CP factors of what is fitted to stratum s, the sum of two models for strata."
    if isinstance(p, CP):
        return [list(p.factors)]
    if isinstance(p, Labelled):
        return [[p.W, p.H]]
    own = [v[s] for v in p.V]
    W = p.weights(s)
    one = np.ones if isinstance(W, np.ndarray) else torch.ones
    return [[one((W.shape[0], own[0].shape[1]), dtype=W.dtype), *own], [W, *p.H]]


def outer(F):
    return khatri_rao(F).sum(1).reshape([len(f) for f in F])


def full(params, count=1):
    "The reconstruction of each stratum, in float64."
    wide = lambda F: [np.asarray(f, np.float64) for f in F]
    return [sum(outer(wide(F)) for F in factors_of(params, s)) for s in range(count)]


def divergence(X, M):
    some = X > 0
    return (
        float((X[some] * np.log(X[some] / M[some]) - X[some]).sum() + M.sum())
        if (M[some] > 0).all()
        else np.inf
    )


def true_objective(case, params, data, weight=None, seen=None):
    "The objective from its definition, everything formed in full."
    seen = [np.ones(A.shape, bool) for A in data] if seen is None else seen
    pairs = [(np.asarray(A, np.float64)[o], M[o]) for A, M, o in zip(data, full(params, len(data)), seen)]
    if case.kind.startswith('KL'):
        return sum(divergence(A, M) for A, M in pairs)
    total = sum(0.5 * ((A - M) ** 2).sum() for A, M in pairs)
    if not case.labels:
        return float(total)
    Y, known, _ = case.labels
    W, B = (np.asarray(x, np.float64)[k] for x, k in ((params.W, known), (params.B, slice(None))))
    return float(total + 0.5 * weight * ((Y[known] - W @ B.T) ** 2).sum())


# --- How problems are drawn ---

seeds = st.integers(0, 2**32 - 1)
rare = settings(max_examples=max(3, settings.default.max_examples // 16))  # what takes long
few = settings(max_examples=max(4, settings.default.max_examples // 10))
some = settings(max_examples=max(8, settings.default.max_examples // 6))


@st.composite
def cases(draw, name, calm=False, floats=('f8', 'f4'), exponents=(-30, 30)):
    "A problem for a model. `calm`: well determined, in float64, of size one."
    kind, rule = name.split(':')
    low, high, _ = KINDS[kind]
    strata = kind.startswith('Stratified')
    order = draw(st.integers(low, min(high, 4) if calm else high))
    dims = draw(st.lists(st.integers(4, 7) if calm else st.integers(1, 8), min_size=order, max_size=order))
    rank = draw(st.integers(2, 3) if calm else st.integers(1, 6))
    seed = draw(seeds)
    rng = np.random.default_rng(seed)
    sizes = (
        draw(st.lists(st.integers(3, 6) if calm else st.integers(1, 6), min_size=1, max_size=3))
        if strata
        else dims[:1]
    )
    density = 1.0 if calm else draw(st.sampled_from([1.0, 0.9, 0.5, 0.1, 0.0]))
    dtype, c = ('f8', 1.0) if calm else (draw(st.sampled_from(floats)), 10.0 ** draw(st.integers(*exponents)))
    array = lambda *shape: rng.random(shape).astype(dtype)
    data = tuple(array(n, *dims[1:]) * (rng.random((n, *dims[1:])) < density) for n in sizes)
    start = tuple(array(d, rank) for d in dims)
    if strata:
        ranks = [draw(st.integers(0, 1 if calm else 3)) for _ in sizes]
        start = (
            [[array(d, q) for d in dims[1:]] for q in ranks],
            [array(n, rank) for n in sizes],
            [array(d, rank) for d in dims[1:]],
        )
    labels = ()
    if kind.startswith('Labelled'):
        known = rng.random(dims[0]) < 0.7
        known[0] = True
        labels = np.eye(3, dtype=dtype)[rng.integers(3, size=dims[0])], known, 2.0
    return Case(kind, rule, data, start, seed, labels).scaled(np.dtype(dtype).type(c) if dtype == 'f4' else c)


def eps_of(data):
    return float(np.finfo(np.asarray(data[0]).dtype).eps)


FINE = float(np.finfo(np.longdouble).eps)


def slack(case, objective, square, eps, total=0.0, blunt=False):
    """How much of a rise is rounding: 1e-12 of the objective, and what this precision cannot see.

    A residual is known to `eps` times the data. A sparse loss comes from Gram matrices and is `blunt`: known
    to `eps` of the norm, and so is the exact solution of a block whose Gram matrix is singular."""
    seen = square if blunt else np.sqrt(objective * square)
    return (
        1e-12 * objective
        + 16 * eps * (total if case.kind.startswith('KL') else seen)
        + ((64 * eps) ** 2 + 16 * FINE) * square
    )


def close(a, b, tol=1e-12, size=None):
    "Equality relative to the largest entry."
    a, b = np.asarray(a), np.asarray(b)
    size = max(abs(b).max(initial=0), 1e-300) if size is None else size
    assert a.shape == b.shape and abs(a - b).max(initial=0) <= tol * size, (
        f'{abs(a - b).max() / size:.3g} off, {tol:g} allowed'
    )


def same_model(p, q, tol, count=1):
    "Two models with the same reconstruction."
    for a, b in zip(full(p, count), full(q, count)):
        close(a, b, tol)


def same_bits(p, q, but=lambda a: a):
    P, Q = leaves(p), leaves(q)
    assert len(P) == len(Q)
    for a, b in zip(P, Q):
        a, b = but(np.asarray(a)), but(np.asarray(b))
        assert a.dtype == b.dtype and a.shape == b.shape and (a == b).all(), abs(a - b).max()


def state_of_everyones_rng():
    return (
        np.random.get_state()[1].tobytes(),
        np.random.get_state()[2],
        random.getstate(),
        torch.get_rng_state().numpy().tobytes(),
    )


def every(names):
    return pytest.mark.parametrize('name', names)


# --- P1 to P3: what a sweep may do ---


@every(MODELS)
@some
@given(st.data())
def test_p01_factors_are_nonnegative_and_finite(name, data):
    case = data.draw(cases(name))
    dtype = case.data[0].dtype

    def check(state):
        for a in leaves(state.params):
            assert a.dtype == dtype and np.isfinite(a).all() and (a >= 0).all()

    r = case.fit(callbacks=[Watch(check)])
    for a in leaves(r.params):
        assert a.dtype == dtype and np.isfinite(a).all() and (a >= 0).all()


def as_coo(A):
    return COO(np.array(A.nonzero()), A[A.nonzero()], A.shape)


def forms(case, draw):
    "The data as they stand, sparse, or with holes: (data, mask)."
    form = draw(st.sampled_from(['dense', 'dense', 'sparse', 'masked']))
    if form == 'dense':
        return case.data, None
    if form == 'sparse':
        return tuple(map(as_coo, case.data)), None
    rng = np.random.default_rng(case.seed)
    mask = [rng.random(A.shape) < 0.7 for A in case.data]
    for m, A in zip(mask, case.data):
        m.flat[A.argmax()] = True  # something is seen, and what is seen is not all zero if the data are not
    return case.data, mask


def watched(model, slack):
    "The model, with every block of every sweep checked: its own objective rises by no more than rounding."

    class Watched(type(model)):
        def sweep(self, p, k=0):
            object.__setattr__(self, 'allowed', slack(type(model).objective(self, p)))
            return super().sweep(p, k)

        def update(self, B, q, k):
            new = super().update(B, q, k)
            wide = lambda x: None if x is None else np.asarray(x, np.longdouble)
            gram, slope = wide(q.gram), wide(q.cross) if q.extra is None else wide(q.cross) - wide(q.extra)
            value = lambda B: (wide(B) * (0.5 * (wide(B) @ gram) - slope)).sum()
            assert value(new) - value(B) <= self.allowed, (
                f'block rose by {value(new) - value(B):.3g}, {self.allowed:.3g} is rounding'
            )
            return new

    return Watched(**{f.name: getattr(model, f.name) for f in fields(model) if f.init})


@every(SQUARED)
@some
@given(st.data())
def test_p02_no_block_raises_the_objective(name, data):
    case = data.draw(cases(name))
    X, mask = forms(case, data.draw)
    model = case.model(data=X, mask=mask)
    eps = eps_of(case.data)
    # the norm of what a block fits: a data set with holes is filled up by the model
    square = max(model.data.square, 1e-300) + 2 * model.objective(
        model.start(np.random.default_rng(case.seed))
    )
    allowed = lambda f: slack(
        case, f, square, eps, blunt=isinstance(X[0], COO) or mask is not None or case.rule == 'nnls'
    )
    r = fit(watched(model, allowed), max_iter=SWEEPS, seed=case.seed)
    unit = model.data.scale**-2.0
    for a, b in zip(r.history.objective, r.history.objective[1:]):
        assert b - a <= unit * allowed(a / unit)


@every(['KL-NMF:mu', 'KL-NCPD:mu'])
@some
@given(st.data())
def test_p02_no_block_raises_the_divergence(name, data):
    case = data.draw(cases(name))
    X, mask = forms(case, data.draw)
    values = []
    original = divergences.slopes

    def spy(D, F, *rest):
        values.append(divergences.divergence(D, F))
        return original(D, F, *rest)

    model = case.model(data=X, mask=mask)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(divergences, 'slopes', spy)  # called before each block, with the factors as they are
        fit(model, max_iter=5, seed=case.seed)
    total = float(model.data.scale * sum(np.asarray(A, float).sum() for A in case.data))
    for a, b in zip(values, values[1:]):
        assert not b - a > slack(case, a, 1.0, eps_of(case.data), total + a)


@every(MODELS)
@some
@given(st.data())
def test_p03_the_history_is_the_objective(name, data):
    case = data.draw(cases(name))
    X, mask = forms(case, data.draw)
    model = case.model(data=X, mask=mask)
    s = model.data.scale
    eps = eps_of(case.data)
    scaled = [s * np.asarray(A, np.float64) for A in case.data]
    tol = 1e-10 if eps < 1e-10 else 1e-5
    weight = case.labels[2] * s * s if case.labels else None
    states = []
    r = fit(model, max_iter=SWEEPS, seed=case.seed, callbacks=[Watch(states.append)])
    for state in states:
        f = true_objective(case, state.params, scaled, weight, mask)
        if not np.isfinite(f):
            assert state.objective == f
            continue
        square = (
            sum((M**2).sum() for M in full(state.params, len(scaled)))
            + model.data.square
            + (weight * float(case.labels[0].sum()) if weight else 0.0)
        )
        total = sum(A.sum() for A in scaled) + f
        assert abs(state.objective - f) <= tol * f + slack(
            case, f, square, eps, total, blunt=isinstance(X[0], COO)
        ), (state.objective, f)
    best = min(states, key=lambda state: state.objective)
    unit = s ** (-1 if case.kind[:2] == 'KL' else -2)
    assert r.objective == best.objective * unit and [o * unit for o in (s.objective for s in states)] == list(
        r.history.objective
    )


# --- P4, P5: where a fit comes to rest ---


@every(MODELS)
@few
@given(st.data())
def test_p04_an_exact_factorization_stays(name, data):
    case = data.draw(cases(name, calm=True))
    drawn = case.model()
    p = drawn.start(np.random.default_rng(0))
    model = case.model(data=[M / drawn.data.scale for M in full(p, len(case.data))])
    p = model.start(np.random.default_rng(0))
    if case.labels:
        model = replace(model, labels=replace(model.labels, targets=p.W @ p.B.T))
    new, objective = model.sweep(p, 99)
    cond = 1.0 if case.rule == 'mu' else conditioning(p, len(case.data))
    for a, b in zip(leaves(new), leaves(p)):
        close(a, b, 1e-12 * cond)
    assert objective <= (1e-12 * cond) ** 2 + 1e-13 * (case.kind[:2] == 'KL')


def conditioning(p, count):
    "The worst condition of the problems of one block: those of the components, seen from all modes but one."
    worst = 1.0
    for s in range(count if isinstance(p, Strata) else 1):
        F = [np.concatenate(parts, 1) for parts in zip(*factors_of(p, s))]
        if isinstance(p, Strata):
            F[0] = np.concatenate([np.ones((len(p.W), F[0].shape[1] - p.W.shape[1])), p.W], 1)
        if isinstance(p, Labelled):
            F[1] = np.concatenate([F[1], p.B])
        worst = max(
            worst, *(np.linalg.cond(hadamard([f.T @ f for f in others(F, k)])) for k in range(len(F)))
        )
    return worst


def gradients(case, params, data, weight):
    "The gradient in every array of the parameters, by automatic differentiation of the definition."
    wide = [torch.tensor(np.asarray(a, np.float64), requires_grad=True) for a in leaves(params)]
    p, loss = rebuild(params, wide), 0
    for s, A in enumerate(map(torch.tensor, data)):
        M = sum(outer(F) for F in factors_of(p, s))
        loss = loss + (
            (torch.special.xlogy(A, A / M) - A + M).sum()
            if case.kind[:2] == 'KL'
            else 0.5 * ((A - M) ** 2).sum()
        )
    if case.labels:
        loss = loss + 0.5 * weight * ((torch.tensor(case.labels[0]) - p.W @ p.B.T)[case.labels[1]] ** 2).sum()
    loss.backward()
    return [a.grad.numpy() if a.grad is not None else np.zeros(a.shape) for a in wide]


@every(MODELS)
@rare
@given(st.data())
def test_p05_the_gradient_conditions_are_approached(name, data):
    case = data.draw(cases(name, calm=True))
    model = case.model()
    s = model.data.scale
    far = []
    for sweeps in (0, 150 if case.rule == 'nnls' else 300):
        p = run(model, sweeps, case.seed)[-1].params
        g = gradients(case, p, [s * A for A in case.data], case.labels[2] * s * s if case.labels else 0.0)
        if case.strata and (used := model.members.is_feature) is not None:
            g[: len(p.V)] = [d * used for d in g[: len(p.V)]]  # the filling of a stack is no feature
        if not sweeps:
            first = [max(np.linalg.norm(a), 1e-300) for a in g]
        far.append(max(abs(np.minimum(a, d / n)).max(initial=0) for a, d, n in zip(leaves(p), g, first)))
    assert far[1] <= (0.2 if case.rule == 'mu' else 0.02) * far[0], far
    if hasattr(model, 'kkt') and not (case.labels and case.rule == 'mu'):  # slower still
        assert model.kkt(p) <= (0.1 if case.rule == 'mu' else 1e-2)


# --- P6 to P12: what may not matter ---


@every(MODELS)
@some
@given(st.data(), st.integers(-90, 90))
def test_p06_powers_of_two_change_no_bit(name, data, k):
    case = data.draw(cases(name, exponents=(-3, 3)))
    c = 2.0 ** (k if case.data[0].itemsize == 8 else k // 2)
    other = case.scaled(np.asarray(c, case.data[0].dtype))
    init = 'random' if data.draw(st.booleans()) else None
    kw = dict(init=init) if init else {}
    a, b = case.fit(**kw), other.fit(**kw)
    if case.empty:
        c = 1.0
    units = dict(KL=c).get(case.kind[:2], c * c)
    assert [o * units for o in a.history.objective] == list(
        b.history.objective
    ) and a.relative_error == b.relative_error
    for x, y in zip(full(a.params, len(case.data)), full(b.params, len(case.data))):
        # Weights so small are subnormal in one of the units
        lost = (1e-290 if case.data[0].itemsize == 8 else 1e-25) * y.max(initial=0)
        assert ((x * c == y) | (y < lost)).all()


@every(MODELS)
@few
@given(st.data(), st.floats(-30, 30))
def test_p06_any_scale(name, data, exponent):
    case = data.draw(cases(name, calm=True))
    c = 10.0**exponent
    for x, y in zip(case.last(), case.scaled(c).last()):
        close(y / c, x, 1e-10)


def problems(model, p):
    "The block problems of a sweep in which no block moves: (gram, cross, extra), in the order of the sweep."
    seen = []

    class Still(type(model)):
        def update(self, B, q, k):
            seen.append([np.zeros(()) if x is None else np.asarray(x) for x in (q.gram, q.cross, q.extra)])
            return B

    objective = Still(**{f.name: getattr(model, f.name) for f in fields(model) if f.init}).sweep(p, 99)[1]
    return seen, objective


@every(['NCPD:hals', 'Stratified-NTF:hals'])
@some
@given(st.data())
def test_p07_modes_may_be_permuted(name, data):
    case = data.draw(cases(name, calm=True))
    case = case.scaled(case.model().data.scale)  # the first factor is as it is, too
    N = case.data[0].ndim
    first = 1 if case.strata else 0
    order = [*range(first), *(first + np.random.default_rng(case.seed).permutation(N - first))]
    turned = lambda F, o: [F[k] for k in o]
    within = [k - 1 for k in order[1:]]
    start = (
        (tuple(turned(v, within) for v in case.start[0]), case.start[1], turned(case.start[2], within))
        if case.strata
        else turned(case.start, order)
    )
    models = case.model(), case.model(data=[A.transpose(order) for A in case.data], init=start)
    starts = [m.start(np.random.default_rng(0)) for m in models]
    (a, f), (b, g) = (problems(m, p) for m, p in zip(models, starts))
    assert f == pytest.approx(g, rel=1e-11) and len(a) == len(b)
    steps = order
    if case.strata and max(case.ranks):  # feature blocks, `rounds` times over; then weights, topics
        F = len(within)
        steps = [r * F + k for r in range(models[0].rounds) for k in within]
        steps += [models[0].rounds * F, *(models[0].rounds * F + 1 + k for k in within)]
    elif case.strata:
        steps = [0, *(1 + k for k in within)]
    for i, j in enumerate(steps):
        for x, y in zip(a[j], b[i]):
            close(y, x)


def permuted(case, rng):
    "The problem with the indices of each mode in another order (samples within their stratum), those orders."
    ways = [[rng.permutation(n) for n in (A.shape[:1] if i else A.shape)] for i, A in enumerate(case.data)]
    rest = ways[0][1:]
    ways = [[w[0], *rest] for w in ways]
    data = tuple(A[np.ix_(*w)] for A, w in zip(case.data, ways))
    if not case.strata:
        labels = (
            (case.labels[0][ways[0][0]], case.labels[1][ways[0][0]], case.labels[2]) if case.labels else ()
        )
        return replace(
            case, data=data, labels=labels, start=tuple(F[w] for F, w in zip(case.start, ways[0]))
        ), ways
    V, W, H = case.start
    start = (
        [[v[w] for v, w in zip(vs, rest)] for vs in V],
        [F[w[0]] for F, w in zip(W, ways)],
        [h[w] for h, w in zip(H, rest)],
    )
    return replace(case, data=data, start=start), ways


@every(MODELS)
@few
@given(st.data())
def test_p08_indices_may_be_permuted(name, data):
    case = data.draw(cases(name, calm=True))
    other, ways = permuted(case, np.random.default_rng(case.seed))
    for x, y, w in zip(case.last(), other.last(), ways):
        close(y, x[np.ix_(*w)], 1e-12 if case.rule == 'mu' else 1e-10)


@every([m for m in MODELS if not m.endswith(':hals') and not m.startswith('Labelled')])
@few
@given(st.data())
def test_p09_components_may_be_permuted(name, data):
    "Not for HALS, which takes the components in turn, nor for labels, whose part of the start is drawn."
    case = data.draw(cases(name, calm=True))
    way = np.random.default_rng(case.seed).permutation(case.rank)
    turn = lambda F: [f[:, way] for f in F]
    start = (case.start[0], turn(case.start[1]), turn(case.start[2])) if case.strata else turn(case.start)
    for x, y in zip(case.last(), case.last(init=start)):
        close(y, x, 1e-12 if case.rule == 'mu' else 1e-10)


@every(STRATIFIED)
@few
@given(st.data())
def test_p10_strata_may_be_permuted(name, data):
    case = data.draw(cases(name, calm=True))
    way = np.random.default_rng(case.seed).permutation(len(case.data))
    turn = lambda items: [items[s] for s in way]
    other = replace(
        case, data=tuple(turn(case.data)), start=(turn(case.start[0]), turn(case.start[1]), case.start[2])
    )
    a = case.last()
    for s, y in zip(way, other.last()):
        close(y, a[s], 1e-10)


@every(STRATIFIED)
@few
@given(st.data())
def test_p11_a_stratum_split_in_two_has_the_same_objective(name, data):
    case = data.draw(cases(name, calm=True))
    (first, *rest), (V, W, H) = case.data, case.start
    split = replace(
        case, data=(first[:1], first[1:], *rest), start=([V[0], *V], [W[0][:1], W[0][1:], *W[1:]], H)
    )
    a, b = (c.model() for c in (case, split))
    assert b.objective(b.start(None)) == pytest.approx(a.objective(a.start(None)), rel=1e-12)


@every([m for m in MODELS if not m.startswith('Labelled')])
@few
@given(st.data())
def test_p12_samples_may_come_twice(name, data):
    case = data.draw(cases(name, calm=True))
    twice = lambda A: np.repeat(A, 2, axis=0)
    start = (
        (case.start[0], [twice(W) for W in case.start[1]], case.start[2])
        if case.strata
        else (twice(case.start[0]), *case.start[1:])
    )
    other = replace(case, data=tuple(map(twice, case.data)), start=start)
    for x, y in zip(case.last(), other.last()):
        close(y, twice(x), 1e-12 if case.rule == 'mu' else 1e-10)


# --- P13: zeros ---


@every([m for m in MODELS if m.endswith(':mu')])
@some
@given(st.data())
def test_p13_zeros_stay_zero(name, data):
    case = data.draw(cases(name))
    rng = np.random.default_rng(case.seed)
    model = case.model()
    p = model.start(rng)
    p = rebuild(p, [a * (rng.random(a.shape) < 0.7) for a in leaves(p)])
    for a, b in zip(leaves(p), leaves(model.sweep(p, 99)[0])):
        assert (b[a == 0] == 0).all()


@every(MODELS)
@some
@given(st.data())
def test_p13_an_empty_slice_has_an_empty_row(name, data):
    case = data.draw(cases(name))
    rng = np.random.default_rng(case.seed)
    N = case.data[0].ndim
    mode = data.draw(st.integers(1 if case.strata else 0, N - 1))
    i = int(rng.integers(case.data[0].shape[mode]))
    arrays = [A.copy() for A in case.data]
    for A in arrays:
        A[(slice(None),) * mode + (i,)] = 0
    assume(any(A.any() for A in arrays))
    if case.labels and mode == 0:  # a sample whose label is known is not empty
        assume(len(case.labels[1]) > 1)
        case.labels[1][:] = np.arange(len(case.labels[1])) != i
    p = case.fit(1, data=arrays).params
    rows = [F[mode][i] for s in range(len(arrays)) for F in factors_of(p, s)]
    assert all((row == 0).all() for row in rows)


# --- P16: one component more ---


@every([m for m in MODELS if not m.startswith('Labelled')])
@rare
@given(st.data())
def test_p16_one_component_more_ends_no_higher(name, data):
    case = data.draw(cases(name, calm=True))
    rng = np.random.default_rng(case.seed)
    a = case.fit(20)
    small = lambda F: [np.concatenate([f, 1e-8 * abs(f).max() * rng.random((len(f), 1))], 1) for f in F]
    if case.strata:
        p, S = a.params, range(len(case.data))
        W, *H = small([p.W, *p.H])
        start = (
            [[v[s][:, :q] for v in p.V] for s, q in enumerate(case.ranks)],
            [W[p.offsets[s] : p.offsets[s + 1]] for s in S],
            H,
        )
    else:
        start = small(a.params.factors)
    b = replace(case, start=start).fit(40)
    assert b.objective <= a.objective * (1 + 1e-12) or b.history.objective[0] > a.objective


# --- P17 to P21: seeds, resuming, arguments, layouts, masks ---


@every(MODELS)
@some
@given(st.data())
def test_p17_a_seed_says_it_all(name, data):
    case = data.draw(cases(name))
    before = state_of_everyones_rng()
    inits = ['random', 'uniform'] if case.data[0].itemsize == 8 else ['random']
    run = lambda seed, init: replace(case, seed=seed).fit(3, init=init)
    for init in inits:
        same_bits(run(case.seed, init).params, run(case.seed, init).params)
    assert state_of_everyones_rng() == before
    if all((A > 0).any() for A in case.data) and min(case.data[0].shape) > 2:
        a, b = (leaves(run(case.seed + d, 'random').params) for d in (0, 1))
        assert any((x != y).any() for x, y in zip(a, b))


class Killed(BaseException):
    pass


class Killer(Callback):
    "Ends everything at a sweep, as a crash would: no `after_fit`."

    def __init__(self, k):
        self.k = k

    def after_sweep(self, state):
        if state.k == self.k:
            raise Killed


@pytest.mark.parametrize('compiled', [True, False])
@every(MODELS)
@rare
@given(st.data(), st.integers(1, SWEEPS - 1), st.booleans())
def test_p18_resumed_is_not_interrupted(name, compiled, data, k, killed):
    case = data.draw(cases(name))
    model = case.model()
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        if not compiled:
            patch.setattr(updates, '_compiled', lambda: None)
        file = Path(folder) / 'fit.npz'
        whole = fit(model, max_iter=SWEEPS, seed=case.seed)
        if killed and k <= whole.n_iter:
            with pytest.raises(Killed):
                fit(model, max_iter=SWEEPS, seed=case.seed, callbacks=[Checkpoint(file, 1), Killer(k)])
        else:
            fit(model, max_iter=k, seed=case.seed, callbacks=[Checkpoint(file)])
        again = fit(model, max_iter=SWEEPS, seed=case.seed, resume=file)
    assert again.history.objective == whole.history.objective and again.status is whole.status
    same_bits(again.params, whole.params)


def arrays_in(x):
    return (
        [x]
        if isinstance(x, np.ndarray)
        else [a for y in x for a in arrays_in(y)]
        if isinstance(x, (list, tuple))
        else []
    )


@every(MODELS)
@some
@given(st.data())
def test_p19_arguments_stay_as_they_are(name, data):
    case = data.draw(cases(name))
    given_ = arrays_in([case.data, case.start, case.labels])
    mask = None if case.labels or data.draw(st.booleans()) else [np.ones(A.shape, bool) for A in case.data]
    given_ += mask or []
    for a in given_:
        a.setflags(write=False)
    before = [a.tobytes() for a in given_]
    shapes = [len(x) for x in case.start]
    for sweeps in (0, 2):
        r = case.fit(sweeps, mask=mask)
        assert not any(np.shares_memory(a, b) for a in leaves(r.params) for b in given_ if a.size and b.size)
    assert [a.tobytes() for a in given_] == before and [len(x) for x in case.start] == shapes


@every(MODELS)
def test_p19_parameters_to_start_from_are_not_handed_out(name):
    kind, rule = name.split(':')
    rng = np.random.default_rng(0)
    order = KINDS[kind][0]
    X = rng.random((5, 4, 3)[:order])
    case = Case(
        kind,
        rule,
        (X,),
        (),
        labels=(np.eye(5, 2), np.ones(5, bool), 1.0) if kind.startswith('Labelled') else (),
    )
    factors = [rng.random((d, 2)) for d in X.shape]
    case = replace(
        case,
        start=([[rng.random((d, 1)) for d in X.shape[1:]]], factors[:1], factors[1:])
        if case.strata
        else tuple(factors),
    )
    p = case.model().start(rng)
    for a in leaves(p):
        a.setflags(write=False)
    before = [a.tobytes() for a in leaves(p)]
    for sweeps in (0, 2):
        assert not any(
            np.shares_memory(a, b)
            for a in leaves(fit(case.model(), p, max_iter=sweeps).params)
            for b in leaves(p)
        )
    assert [a.tobytes() for a in leaves(p)] == before


def layouts(A, folder):
    "The same numbers, lying differently in memory."
    n = A.shape
    spread = np.zeros([2 * d for d in n], A.dtype)
    spread[(slice(None, None, 2),) * A.ndim] = A
    odd = (
        np.frombuffer(b'x' + A.tobytes(), np.uint8)[1:].view(A.dtype.newbyteorder('=')).reshape(n)
    )  # starts at an odd address
    file = np.memmap(Path(folder) / 'data', A.dtype, 'w+', shape=n)
    file[:] = A
    file.flush()
    frozen = A.copy()
    frozen.setflags(write=False)
    return dict(
        fortran=np.asfortranarray(A),
        strided=spread[(slice(None, None, 2),) * A.ndim],
        reversed=A[(slice(None, None, -1),) * A.ndim].copy()[(slice(None, None, -1),) * A.ndim],
        odd=odd,
        memmap=np.memmap(Path(folder) / 'data', A.dtype, 'r', shape=n),
        frozen=frozen,
        swapped=A.astype(A.dtype.newbyteorder('>')),
    )


@every(MODELS)
@rare
@given(st.data())
def test_p20_memory_layout_does_not_matter(name, data):
    case = data.draw(cases(name))
    want = case.fit(SWEEPS).params
    with tempfile.TemporaryDirectory() as folder:
        ways = [
            layouts(A, folder + f'/{s}')
            for s, A in enumerate(case.data)
            if (Path(folder) / str(s)).mkdir() is None
        ]
        for way in ways[0]:
            same_bits(case.fit(SWEEPS, data=[w[way] for w in ways]).params, want)


@every([m for m in MODELS if not m.startswith('Labelled')])
@few
@given(st.data())
def test_p21_a_mask_of_ones_is_no_mask(name, data):
    case = data.draw(cases(name))
    ones, model = [np.ones(A.shape, bool) for A in case.data], case.model()
    d, same = model.data, case.model(mask=ones).data
    assert type(same) is type(d) and (same.scale, same.square) == (d.scale, d.square)
    masked = Masked(d.arrays, d.scale, d.square, d.arrays[0] >= 0)
    a, b = (run(m, seed=case.seed) for m in (model, replace(model, data=masked)))
    compiled = case.rule == 'mu' and case.kind in ('NMF', 'NCPD')  # a whole sweep: added up in another order
    if case.rule != 'hals' and case.kind[:2] != 'KL' and not compiled:
        assert len(a) == len(b)
        same_bits(
            a[-1].params, b[-1].params, lambda a: np.where(a < (1e-25 if a.dtype == 'f' else 1e-30), 0, a)
        )  # else the same up to rounding, as are float32 entries on their way to zero
    if eps_of(case.data) > 1e-10 or case.empty:
        return
    assert min(s.objective for s in b) == pytest.approx(min(s.objective for s in a), rel=1e-9, abs=1e-12)
    drawn = case.model(init='random')
    assert fit(replace(drawn, data=masked), max_iter=0, seed=0).objective == pytest.approx(
        fit(drawn, max_iter=0, seed=0).objective, rel=1e-9
    )


@every(MODELS)
@few
@given(st.data())
def test_p21_what_is_masked_does_not_matter(name, data):
    case = data.draw(cases(name))
    rng = np.random.default_rng(case.seed)
    mask = [rng.random(A.shape) < 0.6 for A in case.data]
    for m in mask:
        m.flat[0] = True
    results = [
        case.fit(
            SWEEPS, data=[np.where(m, A, A.dtype.type(fill)) for A, m in zip(case.data, mask)], mask=mask
        )
        for fill in (0, 1e9, np.nan, np.inf, -1)
    ]
    for r in results[1:]:
        same_bits(r.params, results[0].params)
        assert r.history.objective == results[0].history.objective


# --- P22, P23: estimators; more of them in test_estimators ---

ESTIMATORS = dict(NMF=NMF, NCPD=NCPD, StratifiedNMF=StratifiedNMF, StratifiedNTF=StratifiedNTF)
each = pytest.mark.parametrize('kind', list(ESTIMATORS))
flat = pytest.mark.parametrize('kind', ['NMF', 'NCPD'])
stratified = pytest.mark.parametrize('kind', ['StratifiedNMF', 'StratifiedNTF'])
matrix = pytest.mark.parametrize('kind', ['NMF', 'StratifiedNMF'])


def good(kind, seed=0):
    "Data that the estimator takes; two strata, where it has any."
    rng = np.random.default_rng(seed)
    dims = (5,) if kind.endswith('NMF') else (5, 4)
    return [rng.random((n, *dims)) for n in (4, 3)] if kind.startswith('Strat') else rng.random((6, *dims))


@pytest.mark.parametrize('solver', list(RULES))
@pytest.mark.parametrize(
    'kind, order', [(NMF, 2), (NCPD, 3), (NCPD, 4), (StratifiedNMF, 2), (StratifiedNTF, 3)]
)
@few
@given(st.data(), seeds, st.integers(-30, 30))
def test_p22_p23_transform_solves_and_inverse_transform_is_the_model(
    kind, order, solver, data, seed, exponent
):
    rng = np.random.default_rng(seed)
    dims = data.draw(st.lists(st.integers(3, 7), min_size=order, max_size=order))
    X = rng.random(dims) * 10.0**exponent
    m = kind(2, solver=solver, max_iter=15, random_state=0).fit(X)
    topics = m.topics_ if hasattr(m, 'topics_') else m.factors_[1:]
    own = m.model_.background(0) if hasattr(m, 'model_') else 0.0
    W = m.transform(X)
    assert W.shape == (len(X), 2) and (W >= 0).all()
    K = khatri_rao(topics)
    G, C = K.T @ K, (X - own).reshape(len(X), -1) @ K
    g = W @ G - C
    size = np.linalg.norm(X) * np.linalg.norm(K)
    assert g.min() >= -1e-8 * size and abs(W * g).max() <= 1e-8 * size * np.linalg.norm(
        W
    )  # the gradient conditions of least squares
    M = m.inverse_transform(W)
    close(M, (W @ K.T).reshape(X.shape) + own)
    if np.linalg.cond(G) < 1e6:
        close(m.transform(M), W, 1e-8)  # idempotent where the answer is unique
    W0 = m.weights_[0] if isinstance(m.weights_, list) else m.weights_
    close(m.inverse_transform(W0), m.reconstruct() if hasattr(m, 'reconstruct') else m.cp_.full())
    assert m.relative_error_ == pytest.approx(
        np.linalg.norm(X - m.inverse_transform(W0)) / np.linalg.norm(X), rel=1e-8
    )


# --- P24, P25: normal form, identities ---

shapes = st.lists(st.integers(1, 8), min_size=2, max_size=5)


@few
@given(
    shapes,
    st.integers(1, 6),
    seeds,
    st.sampled_from(['f8', 'f4']),
    st.integers(-30, 30),
    st.sampled_from([1, 2]),
    st.booleans(),
)
def test_p24_normal_form_is_the_same_model(shape, rank, seed, dtype, exponent, norm, sort):
    rng = np.random.default_rng(seed)
    F = [(rng.random((d, rank)) * (rng.random((d, rank)) < 0.8)).astype(dtype) for d in shape]
    F[0] = F[0] * np.dtype(dtype).type(10.0**exponent)
    cp = CP(tuple(F))
    n = normalized(cp, norm, sort)
    M, tol = full(cp)[0], 1e-12 if dtype == 'f8' else 1e-5
    close(full(CP((np.asarray(n.factors[0], np.float64) * n.weights, *n.factors[1:])))[0], M, tol)
    for f in n.factors:
        sizes = (np.asarray(f, np.float64) ** norm).sum(0)
        assert f.dtype == dtype and ((abs(sizes - 1) < 10 * tol) | (sizes == 0)).all()
    if sort:
        assert (np.diff(n.weights) <= 0).all()


@some
@given(shapes, st.integers(1, 6), seeds)
def test_p25_identities(shape, rank, seed):
    rng = np.random.default_rng(seed)
    X, F, G = rng.random(shape), [rng.random((d, rank)) for d in shape], [rng.random((d, 2)) for d in shape]
    letters = 'abcde'[: len(shape)]
    M = np.einsum(','.join(x + 'r' for x in letters) + '->' + letters, *F)
    for k in range(len(shape)):
        assert (fold(unfold(X, k), k, X.shape) == X).all()
        close(unfold(M, k), F[k] @ khatri_rao(others(F, k)).T)
        C = np.einsum(
            letters + ',' + ','.join(x + 'r' for x in others(letters, k)) + '->' + letters[k] + 'r',
            X,
            *others(F, k),
        )
        close(mttkrp(X, F, k), C)
        close(inner(C, F[k]), np.vdot(X, M))
        close(
            hadamard([f.T @ f for f in others(F, k)]), khatri_rao(others(F, k)).T @ khatri_rao(others(F, k))
        )
    close(cp_inner(F, F), (M * M).sum())
    close(cp_inner(F, G), np.vdot(M, full(CP(tuple(G)))[0]))


@some
@given(shapes, st.integers(1, 4), seeds, st.sampled_from([1.0, 0.5, 0.1]), st.integers(-30, 30))
def test_p25_every_way_to_the_products(shape, rank, seed, density, exponent):
    rng = np.random.default_rng(seed)
    X = rng.random(shape) * (rng.random(shape) < density)
    X.flat[0] = 1.0
    X *= 10.0**exponent
    cut = int(rng.integers(1, shape[0])) if shape[0] > 1 else 1
    offsets = sorted({0, cut, shape[0]})
    ways = [
        as_data(X),
        as_strata([X[:cut], X[cut:]])[0] if cut < len(X) else as_data(X),
        as_data(as_coo(X)),
        as_data(torch.from_numpy(X)),
        Masked((X,), *power_of_two([X]), np.ones(X.shape, bool)),
    ]
    for data in ways:
        F = [rng.random((d, rank)) for d in shape]
        like = torch.from_numpy if isinstance(data.like, torch.Tensor) else np.asarray
        G = [like(f) for f in F]
        order = []
        for k, C in mttkrps(data, G):
            close(C, data.scale * mttkrp(X, F, k))
            order.append(k)
            F[k] = rng.random(F[k].shape)
            G[k] = like(F[k])  # the modes to come see the new factor
        assert order == list(range(len(shape))) and 0.25 <= data.square < 1
        assert (
            data.square == pytest.approx(((data.scale * X) ** 2).sum(), rel=1e-12)
            and np.frexp(data.scale)[0] == 0.5
        )
        sums, want = stratum_sums(data, offsets), data.scale * np.add.reduceat(X, offsets[:-1], axis=0)
        if not isinstance(sums, list):
            close(sums, want)
            continue
        for one, w in zip(sums, want):
            for k, C in mttkrps(one, F[1:]):
                close(C, mttkrp(w, F[1:], k), size=max(abs(want).max() * w.size, 1e-300))


@given(shapes)
def test_p25_the_cut_is_the_best(shape):
    cost = lambda p: np.prod(shape[:p]) + np.prod(shape[p:])
    assert 1 <= best_split(shape) < len(shape) and cost(best_split(shape)) == min(
        map(cost, range(1, len(shape)))
    )
