"""Hierarchies: what must hold for HNMF, HNCPD, HNTF and Multi-HNTF, whatever the data.

P26 (topics of a layer are combinations of those below), the special cases S5 to S7, and for hierarchies the
properties of every model: scale (P6), seeds (P17), nothing changed (P19), nonnegative and finite (P1), errors
that are errors (P3).
"""

import random
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings, strategies as st
from sklearn.exceptions import NotFittedError

from ntf_lit.synthetic import hierarchical_tensor
from ntf_lit.hierarchy_estimators import HNCPD, HNMF, HNTF, MultiHNTF
from ntf_lit.fit import Callback, fit
from ntf_lit.hnmf import (
    Factored,
    as_labels,
    as_tensor,
    balanced,
    factored,
    first_layer,
    fit_flat,
    flow,
    hncpd,
    hncpd_modes,
    hnmf,
    hntf,
    host,
    named,
    ordered,
    predict,
    project,
    score,
)
from ntf_lit.init import leading_vectors
from ntf_lit.multi_hntf import (
    average_step,
    climbed,
    contracted,
    core,
    draw_links,
    exact_link,
    objective_parts,
    joint_step,
    label_term,
    multi_hntf,
    polish,
    symmetrized,
    objective_and_gradients,
)
from ntf_lit.incoming import as_data
from ntf_lit.ncpd import NCPDModel
from ntf_lit.result import CP, Hierarchy, Status, leaves, rebuild
from ntf_lit.score import relative_error, topic_loss
from ntf_lit.tensor import COO, mttkrps

QUICK = dict(max_iter=12, tol=0)


def near(a, b, eps=1e-12):
    "Relative, in the largest entry."
    a, b = host(a), host(b)
    assert a.shape == b.shape and abs(a - b).max() <= eps * max(abs(b).max(), 1e-300), (a, b)


BUILDERS = {
    'HNMF': lambda X, ranks, **kw: hnmf(X, ranks, **QUICK | kw),
    'HNCPD': lambda X, ranks, **kw: hncpd(X, ranks, **QUICK | kw),
    'HNTF': lambda X, ranks, **kw: hntf(X, ranks, 1, **QUICK | kw),
    'exact': lambda X, ranks, **kw: multi_hntf(X, ranks, n_init=3, **QUICK | kw),
    'average': lambda X, ranks, **kw: multi_hntf(
        X, ranks, train='average', n_init=2, link_iter=40, **QUICK | kw
    ),
}
each_builder = pytest.mark.parametrize('name', BUILDERS)
TENSORS = [n for n in BUILDERS if n != 'HNMF']


@st.composite
def problems(draw, orders=(2, 4), smallest=1):
    "(data, ranks): some zeros, any scale that leaves room for a square."
    order = draw(st.integers(*orders))
    shape = tuple(draw(st.integers(smallest, 6)) for _ in range(order))
    ranks = tuple(sorted(draw(st.sets(st.integers(1, 5), min_size=1, max_size=3)), reverse=True))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return rng.random(shape) * (rng.random(shape) < draw(st.sampled_from([0.3, 0.8, 1.0]))) * 10.0 ** draw(
        st.integers(-30, 30)
    ), ranks


def drawn(name, orders=(2, 4), **kw):
    return problems((2, 2) if name == 'HNMF' else orders, **kw)


# --- Properties ---

some = settings(max_examples=max(16, settings.default.max_examples // 3))  # each of them some fits


@each_builder
@some
@given(data=st.data())
def test_topics_above_are_combinations_of_those_below(name, data):
    "P26, P1, P3: links reproduce topics, all is nonnegative and finite, errors are errors."
    X, ranks = data.draw(drawn(name))
    h = BUILDERS[name](X, ranks, seed=0)
    assert h.ranks == ranks and len(h.status) == len(h.history) == len(ranks)
    for l, layer in enumerate(h.layers):
        assert all(np.isfinite(a).all() and (a >= 0).all() for a in leaves(layer))
        assert abs(layer.relative_error - relative_error(X, layer.cp)) < 1e-7 or not X.any()
        assert len(layer.links) == (len(h.modes) if l else 0)
        if name == 'HNCPD' and l == 1:
            continue  # there components are made of topics, not topics of components
        for m, M in zip(h.modes, layer.links):
            near(layer.factors[m], h[l - 1].factors[m] @ M)


@some
@given(problems((2, 4), smallest=2))
def test_hncpd_components_are_made_of_topics(problem):
    "P26 for HNCPD, below layer 1: in every mode the model is topics times their use, a hierarchy per mode."
    X, ranks = problem
    ranks = (max(ranks) + 1, *ranks)
    cp = balanced(first_layer(as_data(X), ranks[0], seed=0, **QUICK)[0])
    for F, h in zip(cp.factors, hncpd_modes(cp, ranks[1:], seed=1, **QUICK)):
        for below, layer in zip(h.layers, h.layers[1:]):
            near(layer.factors[1], below.factors[1] @ layer.links[0])
        for layer in h.layers:
            assert abs(layer.relative_error - relative_error(F.T, layer.cp)) < 1e-7 or not F.any()


@each_builder
@pytest.mark.parametrize('c', [2.0**-99, 2.0**99, 1e-30, 1e30])
def test_scale(name, c):
    "P6: links do not know the unit of the data."
    X = np.random.default_rng(0).random((6, 5) if name == 'HNMF' else (6, 5, 4))
    a, b = BUILDERS[name](X, (4, 2), seed=0), BUILDERS[name](c * X, (4, 2), seed=0)
    exact = np.frexp(c)[0] == 0.5
    if exact:
        np.testing.assert_array_equal(a[1].links[0], b[1].links[0])
    near(b[1].cp.full() / c, a[1].cp.full(), 1e-15 if exact else 1e-6)
    assert abs(a[1].relative_error - b[1].relative_error) < 1e-10


@each_builder
def test_seeds_and_arguments(name):
    "P17, P19: a seed is an answer; nothing global, and nothing of the caller's, is changed or handed out."
    X = np.random.default_rng(0).random((6, 5) if name == 'HNMF' else (6, 5, 4))
    X.flags.writeable = False
    before = np.random.get_state()[1].copy(), random.getstate(), torch.get_rng_state()
    kw = (
        {}
        if name == 'HNMF'
        else dict(start=[np.random.default_rng(k).random((d, 4)) for k, d in enumerate(X.shape)])
    )
    copies = [f.copy() for f in kw.get('start', [])]
    a, b = BUILDERS[name](X, (4, 2), seed=3, **kw), BUILDERS[name](X, (4, 2), seed=3, **kw)
    for x, y in zip(leaves(a), leaves(b)):
        np.testing.assert_array_equal(x, y)
    assert not np.array_equal(a[1].links[0], BUILDERS[name](X, (4, 2), seed=4, **kw)[1].links[0])
    np.testing.assert_array_equal(before[0], np.random.get_state()[1])
    assert before[1] == random.getstate() and torch.equal(before[2], torch.get_rng_state())
    for f, c in zip(kw.get('start', []), copies):
        np.testing.assert_array_equal(f, c)
        assert not any(np.shares_memory(f, x) for x in leaves(a))


@each_builder
def test_kinds_of_data(name):
    "Sparse, torch, float32, a strided view and a list of lists: the same hierarchy, torch for torch."
    rng = np.random.default_rng(1)
    X = rng.random((6, 5) if name == 'HNMF' else (6, 5, 4))
    X = X * (rng.random(X.shape) < 0.6)
    one = BUILDERS[name](X, (3, 2), seed=0, rule='mu')
    build = lambda X: BUILDERS[name](X, (3, 2), seed=0, rule='mu')
    sparse = sp.csr_array(X) if X.ndim == 2 else COO(np.array(X.nonzero()), X[X > 0], X.shape)
    for other, eps in (
        (sparse, 1e-6),
        (torch.from_numpy(X), 1e-6),
        (X.tolist(), 1e-15),
        (np.asfortranarray(X), 1e-6),
        (X.astype(np.float32), 1e-3),
    ):
        h = build(other)
        near(h[1].cp.full(), one[1].cp.full(), eps)
        assert abs(h[1].relative_error - one[1].relative_error) < eps
    t = build(torch.from_numpy(X).float())
    assert all(isinstance(a, torch.Tensor) and a.dtype == torch.float32 for a in leaves(t.layers))
    assert all(a.dtype == np.float32 for a in leaves(build(X.astype(np.float32)).layers))


@each_builder
@pytest.mark.parametrize('shape', [(5, 4), (1, 6), (6, 1), (1, 1)])
def test_zeros_and_thin_data(name, shape):
    "F6 to F8: all zero, a zero slice, modes of one index. No warning, nothing infinite."
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        zero = BUILDERS[name](np.zeros(shape), (3, 2, 1), seed=0)
        assert (
            all((host(f) == 0).all() for f in (zero[2].cp.full(),))
            and [l.relative_error for l in zero.layers] == [0.0] * 3
        )
        X = np.random.default_rng(0).random(shape)
        if shape[0] > 1:
            X[0] = 0
        h = BUILDERS[name](X, (3, 2, 1), seed=0)
    assert all(np.isfinite(a).all() for a in leaves(h))
    if shape[0] > 1:
        assert (h[2].cp.full()[0] == 0).all()


@pytest.mark.parametrize('name', TENSORS)
def test_orders(name):
    for shape in [(3, 4), (3, 4, 2), (2, 3, 2, 3), (2, 2, 3, 2, 2)]:
        h = BUILDERS[name](np.random.default_rng(0).random(shape), (3, 2), seed=0)
        assert h[1].cp.shape == shape


@each_builder
def test_interrupted(name):
    "F1: an interruption ends the hierarchy where it comes, with the best so far."

    class Stop(Callback):
        def __init__(self, at):
            self.left = at

        def after_sweep(self, state):
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt

    X = np.random.default_rng(0).random((6, 5) if name == 'HNMF' else (6, 5, 4))
    h = BUILDERS[name](X, (4, 3, 2), seed=0, callbacks=[Stop(5)])
    assert len(h) == 1 and h.status == (Status.INTERRUPTED,) and h[0].relative_error < 1


def test_records():
    "A fitted hierarchy is a record of arrays like any other; order and names leave the model alone."
    h = multi_hntf(np.random.default_rng(0).random((6, 5, 4)), (4, 3, 2), seed=0, **QUICK)
    assert isinstance(h, Hierarchy) and rebuild(h, leaves(h)).status == h.status
    o = ordered(h)
    for l in range(3):
        near(o[l].cp.full(), h[l].cp.full())
    for l in (1, 2):
        assert abs(flow(o, l).sum() - 1) < 1e-12 and (np.diff(o.link(l).argmax(1)) >= 0).all()
        for m, M in zip(o.modes, o[l].links):
            near(o[l].factors[m], o[l - 1].factors[m] @ M)
    assert [len(l.names) for l in named(h, list('abcd')).layers] == [4, 3, 2]
    t = rebuild(h, [torch.from_numpy(np.array(a)) for a in leaves(h)])
    near(flow(t, 1), flow(h, 1))
    near(ordered(t)[1].cp.full(), h[1].cp.full())


# --- Special cases ---


@given(problems((2, 4), smallest=2))
def test_s5_identity_leaves_the_ncpd(problem):
    X, ranks = problem
    D = as_data(X)
    cp, r = first_layer(D, ranks[0], seed=0, **QUICK)
    P = contracted(D, cp.factors)
    assert abs(objective_parts(P, np.eye(ranks[0]))[0] - NCPDModel(D, ranks[0]).objective(cp)) < 1e-12
    W = draw_links(P, ranks[0], 3, np.random.default_rng(0))[0]
    for a, b in zip(objective_parts(climbed(P, W[0]), np.eye(ranks[0])), (objective_parts(P, W[0])[0],)):
        assert abs(a - b) <= 1e-12
    exact = polish(P, np.eye(ranks[0]))[3].objective if D.square else [0, 0]
    assert exact[-1] <= exact[0]


@given(problems((2, 2)))
def test_s6_one_layer_of_hnmf_is_nmf(problem):
    X, ranks = problem
    seed = np.random.default_rng(5).spawn(1)[0]
    near(
        hnmf(X, ranks[:1], seed=5, **QUICK)[0].cp.full(),
        fit(NCPDModel(as_data(X), ranks[0]), seed=seed, max_iter=12).params.full(),
        1e-10,
    )


@given(problems((2, 2), smallest=2))
def test_s7_hncpd_of_a_matrix_is_hnmf_of_both_factors(problem):
    X, ranks = problem
    ranks = (max(ranks) + 1, *ranks)
    D = as_data(X)
    cp, _ = first_layer(D, ranks[0], seed=0, **QUICK)
    user = CP((cp.factors[0] / D.scale, cp.factors[1]))
    h = hncpd(X, ranks, start=user, seed=1, balance=False, rule='mu', **QUICK)
    for k, rng in enumerate(np.random.default_rng(1).spawn(2)[1].spawn(2)):
        own = hnmf(cp.factors[k].T, ranks[1:], seed=rng, balance=False, rule='mu', **QUICK)
        for l in range(len(own)):
            near(h[l + 1].cp.factors[k] * (D.scale if k == 0 else 1), own[l].cp.full().T, 1e-10)


# --- The contracted problem ---


def numeric(f, x, e=1e-6):
    E = np.eye(x.size).reshape(-1, *x.shape) * e
    return np.array([f(x + d) - f(x - d) for d in E]).reshape(x.shape) / (2 * e)


@given(problems((2, 5)), st.integers(1, 4), st.integers(0, 99))
def test_contracted_objective_and_gradient(problem, q, seed):
    X, ranks = problem
    rng, D = np.random.default_rng(seed), as_data(X)
    F = [rng.random((d, ranks[0])) for d in X.shape]
    P, W = contracted(D, F), rng.random((2, ranks[0], q))
    value, pos, neg = objective_parts(P, W)
    for v, g, up, w in zip(value, pos - neg, pos, W):
        near(v, 0.5 * ((D.scale * X - CP(tuple(f @ w for f in F)).full()) ** 2).sum(), 1e-10)
        n = numeric(
            lambda w: objective_parts(P, w)[0], w
        )  # where pos and neg cancel, differences see only rounding
        assert abs(g - n).max() <= 1e-5 * max(abs(n).max(), 1e-3 * abs(up).max())
    S = as_data(COO(np.array(X.nonzero()), X[X > 0], X.shape)) if X.any() else D
    near(core(S, F) / S.scale, core(D, F) / D.scale)
    near(
        core(factored(CP(tuple(F))), F),
        core(as_data(CP(tuple(F)).full()), F)
        * factored(CP(tuple(F))).scale
        / as_data(CP(tuple(F)).full()).scale,
    )


@given(problems((2, 4)), st.integers(1, 3), st.integers(0, 99), st.booleans())
def test_joint_step_descends(problem, q, seed, labelled):
    "The proof's exponent: never a rise, to 1e-12, labels or not."
    X, ranks = problem
    rng, D = np.random.default_rng(seed), as_data(X)
    F = [rng.random((d, ranks[0])) for d in X.shape]
    lab = as_labels(rng.integers(0, 3, len(X)), D, weight=1 / D.scale**2) if labelled else None
    P = contracted(D, F, label_term(lab, F[0], D.scale))
    W, B = draw_links(P, q, 4, rng)
    value = objective_and_gradients(P, W, B)[0]
    for _ in range(10):
        W, B, _ = joint_step(P, W, B)
        new = objective_and_gradients(P, W, B)[0]
        assert (
            (new <= value + 1e-12 * np.maximum(value, P.square)).all()
            and (W >= 0).all()
            and np.isfinite(W).all()
        )
        value = new


@some
@given(problems((2, 4), smallest=2), st.integers(0, 99))
def test_exact_is_a_minimum_and_not_above_average(problem, seed):
    X, ranks = problem
    D = as_data(X)
    cp = balanced(first_layer(D, ranks[0] + 1, seed=0, **QUICK)[0])
    P = contracted(D, cp.factors)
    W, B, status, history = exact_link(P, ranks[-1], np.random.default_rng(seed), 5)
    _, pos, neg = objective_parts(P, W)
    assert abs(np.minimum(W, pos - neg)).max() < 1e-5
    W0 = draw_links(P, ranks[-1], 1, np.random.default_rng(seed))[0][0]
    W1 = polish(P, W0)[0]
    V = W0
    for _ in range(50):
        V, _ = average_step(P, V)
    value = lambda W: objective_parts(P, W)[0]
    assert value(W) <= history.objective[0] + 1e-12
    assert value(W1) <= value(W0) + 1e-12
    assert value(polish(P, V)[0]) <= value(V) + 1e-12


@given(st.integers(2, 5), st.integers(1, 3), st.integers(0, 99))
def test_symmetrized(order, r, seed):
    from itertools import permutations

    T = np.random.default_rng(seed).random((r,) * order)
    near(symmetrized(T), np.mean([T.transpose(p) for p in permutations(range(order))], 0))


@given(problems((2, 4)), st.integers(1, 3), st.integers(0, 9))
def test_factored_is_the_tensor_it_stands_for(problem, r, seed):
    X, ranks = problem
    rng = np.random.default_rng(seed)
    G, F = ([rng.random((d, k)) for d in X.shape] for k in (ranks[0], r))
    D, E = factored(CP(tuple(G))), as_data(CP(tuple(G)).full())
    for (_, a), (_, b) in zip(mttkrps(D, F), mttkrps(E, F)):
        near(a / D.scale, b / E.scale, 1e-10)
    assert (
        isinstance(as_tensor(cp := CP(tuple(G))), Factored)
        and abs(D.square / D.scale**2 - (cp.full() ** 2).sum()) <= 1e-10 * (cp.full() ** 2).sum()
    )


# --- Labels ---


def classes(seed=0, n=60):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 4, n)
    centres = rng.random((4, 20)) ** 5
    return centres[y] + 0.2 * rng.random((n, 20)), y, rng.random(n) < 0.5


@pytest.mark.parametrize(
    'build',
    [hnmf, multi_hntf, lambda X, r, **kw: multi_hntf(X, r, train='average', n_init=1, link_iter=100, **kw)],
    ids=['HNMF', 'exact', 'average'],
)
def test_labels(build):
    "Hidden labels are not seen, the unit of the data does not matter, and labels help."
    X, y, known = classes()
    lies = np.where(known, y, (y + 1) % 4)
    kw = dict(known=known, weight=20.0, seed=0, max_iter=60)
    a, b = build(X, (6, 4), labels=y, **kw), build(X, (6, 4), labels=lies, **kw)
    for s, t in zip(leaves(a), leaves(b)):
        np.testing.assert_array_equal(s, t)
    np.testing.assert_array_equal(
        build(2.0**40 * X, (6, 4), labels=y, **kw | dict(weight=20 * 2.0**80))[1].links[0], a[1].links[0]
    )
    assert score(a, y, where=~known) > 0.8 and score(a, y, layer=0, where=known) > 0.9
    assert score(a, y, project(a, X), where=known) > 0.7 and predict(a).shape == (60,)
    np.testing.assert_array_equal(
        build(X, (6, 4), labels=np.where(known, y, -1), weight=20.0, seed=0, max_iter=60)[1].links[0],
        a[1].links[0],
    )


def test_labels_of_a_tensor():
    X, y, known = classes()
    T = X[:, :, None] * np.array([1.0, 0.5, 0.2])
    h = multi_hntf(T, (6, 4), labels=y, known=known, weight=5.0, seed=0)
    assert score(h, y, where=~known) > 0.8
    near(project(h, T, 0) @ h[1].links[0], project(h, T))


# --- Bad input ---

X3 = np.ones((3, 4, 5))
BAD = [
    (
        lambda: hnmf(np.ones((3, 4)), (2, 2)),
        ValueError,
        r'ranks must decrease: ranks\[1\]=2 is not below ranks\[0\]=2; pass allow_growth=True',
    ),
    (lambda: multi_hntf(X3, (2, 3)), ValueError, 'ranks must decrease'),
    (lambda: hntf(X3, (2, 0)), ValueError, r'ranks\[1\] must be at least 1, not 0'),
    (lambda: hncpd(X3, (3, 2.5)), TypeError, r'ranks\[1\] must be a whole number of at least 1, not 2.5'),
    (lambda: hncpd(X3, (True,)), TypeError, r'ranks\[0\] must be a whole number'),
    (lambda: multi_hntf(X3, 7), TypeError, r'such as \(7, 4, 2\), not 7'),
    (lambda: multi_hntf(X3, ()), ValueError, 'ranks is empty'),
    (lambda: hnmf(X3, (2, 1)), ValueError, 'HNMF needs a matrix'),
    (
        lambda: hnmf(-np.ones((3, 4)), (2, 1)),
        ValueError,
        r'X must be nonnegative; smallest entry -1 at \(0, 0\)',
    ),
    (lambda: multi_hntf(X3 * np.nan, (2, 1)), ValueError, 'X has NaN at .* pass mask='),
    (lambda: hntf(X3 * np.inf, (2, 1)), ValueError, 'infinite entry'),
    (lambda: hncpd(X3 * 1j, (2, 1)), TypeError, 'X must hold real numbers'),
    (lambda: multi_hntf(np.ones(3), (2, 1)), ValueError, 'X has 1 mode'),
    (lambda: multi_hntf(np.ones((3, 0, 2)), (2, 1)), ValueError, 'mode 1 is empty'),
    (lambda: hntf(X3, (2, 1), 3), ValueError, 'mode must be one of 0 to 2'),
    (
        lambda: hntf(X3, (2, 1), 1.0),
        TypeError,
        'mode must be one of 0 to 2, .* since there are 3 modes, not 1.0',
    ),
    (lambda: hncpd(X3, (2, 1), reference=-4), ValueError, 'reference must be one of 0 to 2'),
    (
        lambda: multi_hntf(X3, (2, 1), train='joint'),
        ValueError,
        "train must be one of 'exact', 'average', not 'joint'",
    ),
    (lambda: multi_hntf(X3, (2, 1), n_init=0), ValueError, 'n_init must be at least 1'),
    (lambda: multi_hntf(X3, (2, 1), link_iter=-1), ValueError, 'link_iter must be at least 0'),
    (
        lambda: hncpd(X3, (2, 1), rule='sgd'),
        ValueError,
        "solver must be one of 'mu', 'hals', 'nnls', not 'sgd'",
    ),
    (lambda: hncpd(X3, (2, 1), init='svd'), ValueError, 'init must be one of'),
    (lambda: hntf(X3, (2, 1), tol=-1), ValueError, 'tol must be a finite number of at least 0'),
    (lambda: hntf(X3, (2, 1), max_iter=1.5), TypeError, 'max_iter must be a whole number'),
    (lambda: hntf(X3, (2, 1), seed='lucky'), TypeError, 'seed'),
    (lambda: hntf(X3, (2, 1), max_iters=3), TypeError, 'max_iters'),
    (
        lambda: multi_hntf(X3, (2, 1), start=[np.ones((3, 2))] * 2),
        ValueError,
        'start has 2 factors, the data have 3 modes',
    ),
    (
        lambda: multi_hntf(X3, (2, 1), start=[np.ones((3, 2))] * 3),
        ValueError,
        r'start\[1\] has shape \(3, 2\)',
    ),
    (
        lambda: multi_hntf(X3, (2, 1), start=[-np.ones((d, 2)) for d in X3.shape]),
        ValueError,
        r'start\[0\] must be nonnegative',
    ),
    (
        lambda: multi_hntf(CP((np.ones((3, 2)), np.ones((4, 3)))), (2, 1)),
        ValueError,
        r'factors have \[2, 3\] columns',
    ),
    (
        lambda: multi_hntf(X3, (2, 1), labels=[0, 1]),
        ValueError,
        r'labels has shape \(2,\); the data have 3 samples',
    ),
    (
        lambda: hnmf(X3[:, :, 0], (2, 1), labels=[0, 1, 2], known=[1, 0]),
        ValueError,
        r'known has shape \(2,\)',
    ),
    (lambda: hnmf(X3[:, :, 0], (2, 1), labels=[-1, -1, -1]), ValueError, 'no label is known'),
    (lambda: hnmf(X3[:, :, 0], (2, 1), labels=[0, 1, 2], weight=-1), ValueError, 'weight must be'),
    (
        lambda: hnmf(X3[:, :, 0], (2, 1), labels=[np.arange(3)] * 3),
        ValueError,
        'labels is a list of 3 arrays for 2 layers',
    ),
    (lambda: predict(hnmf(X3[:, :, 0], (2, 1))), ValueError, 'was fitted without labels'),
    (
        lambda: predict(hnmf(X3[:, :, 0], (2, 1)), layer=2),
        ValueError,
        'layer must be one of 0 to 1, .* since there are 2 layers, not 2',
    ),
    (
        lambda: project(hnmf(X3[:, :, 0], (2, 1)), X3[:, :, 0], -3),
        ValueError,
        'layer must be one of 0 to 1, .* not -3',
    ),
    (
        lambda: score(hnmf(X3[:, :, 0], (2, 1), labels=[0, 1, 1]), [0, 1]),
        ValueError,
        r'truth has shape \(2,\); there are 3 samples',
    ),
    (
        lambda: hnmf(X3[:, :, 0], (2, 3), allow_growth='no'),
        TypeError,
        "allow_growth must be True or False, not 'no'",
    ),
    (
        lambda: project(hnmf(X3[:, :, 0], (2, 1)), np.ones((2, 7))),
        ValueError,
        r'the hierarchy was fitted to samples of shape \(4,\)',
    ),
    (
        lambda: multi_hntf(sp.csr_array(X3[:, :, 0]), (2, 1), mask=X3[:, :, 0] > 0),
        TypeError,
        'mask= needs dense data',
    ),
    (lambda: multi_hntf(X3, (2, 1), mask=X3 > 2), ValueError, 'mask is False everywhere'),
]


@pytest.mark.parametrize('call, error, message', BAD, ids=[m[:40] for _, _, m in BAD])
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize('build', [hnmf, hncpd, hntf, multi_hntf])
def test_growth_is_allowed_when_it_is_meant(build):
    X = np.random.default_rng(0).random((6, 5))
    h = build(X, (2, 2, 3), allow_growth=True, seed=0, **QUICK)
    assert h.ranks == (2, 2, 3) and all(np.isfinite(a).all() for a in leaves(h))


# --- The estimators, asked for what cannot be ---

ESTIMATORS = {'HNMF': HNMF, 'HNCPD': HNCPD, 'HNTF': HNTF, 'MultiHNTF': MultiHNTF}
WRONG = [
    (
        dict(ranks=(2, 2)),
        ValueError,
        r'ranks must decrease: ranks\[1\]=2 is not below ranks\[0\]=2; pass allow_growth=True',
    ),
    (dict(ranks=(2, 3)), ValueError, 'ranks must decrease'),
    (
        dict(ranks=()),
        ValueError,
        r'ranks is empty; give the number of topics of each layer, such as \(7, 4, 2\)',
    ),
    (dict(ranks=3), TypeError, 'ranks must be whole numbers, .* not 3'),
    (dict(ranks='32'), TypeError, "ranks must be whole numbers, .* not '32'"),
    (dict(ranks=(3, 0)), ValueError, r'ranks\[1\] must be at least 1, not 0'),
    (dict(ranks=(3, True)), TypeError, r'ranks\[1\] must be a whole number of at least 1, not True'),
    (dict(ranks=(3, 2.5)), TypeError, r'ranks\[1\] must be a whole number of at least 1, not 2.5'),
    (dict(allow_growth='no'), TypeError, "allow_growth must be True or False, not 'no'"),
    (dict(solver='sgd'), ValueError, "solver must be one of 'mu', 'hals', 'nnls', not 'sgd'"),
    (dict(init='svd'), ValueError, "init must be one of 'random', 'uniform', 'nndsvd', not 'svd'"),
    (dict(max_iter=-1), ValueError, 'max_iter must be at least 0, not -1'),
    (dict(max_iter=1.5), TypeError, 'max_iter must be a whole number of at least 0, not 1.5'),
    (dict(tol=-1), ValueError, 'tol must be a finite number of at least 0, not -1'),
    (dict(tol=np.nan), ValueError, 'tol must be a finite number of at least 0, not nan'),
    (dict(inner=0), ValueError, 'inner must be at least 1, not 0'),
    (dict(n_init=0), ValueError, 'n_init must be at least 1, not 0'),
    (dict(time_limit=-1), ValueError, 'time_limit must be a finite number of at least 0, not -1'),
    (dict(random_state='lucky'), TypeError, r"seed \(random_state\) must be .* not 'lucky'"),
]


def data_for(name):
    return np.random.default_rng(0).random((6, 5) if name == 'HNMF' else (6, 5, 4))


@pytest.mark.parametrize('name', ESTIMATORS)
@pytest.mark.parametrize('settings, error, message', WRONG, ids=[str(s) for s, *_ in WRONG])
def test_wrong_settings(name, settings, error, message):
    with pytest.raises(error, match=message):
        ESTIMATORS[name](**dict(ranks=(3, 2), max_iter=3) | settings).fit(data_for(name))


@pytest.mark.parametrize('name', ESTIMATORS)
def test_wrong_data(name):
    X = data_for(name)
    m = ESTIMATORS[name]((3, 2), max_iter=3, random_state=0)
    with pytest.raises(NotFittedError, match=name):
        m.transform(X)
    for bad, message in (
        (-X, 'X must be nonnegative'),
        (X * np.nan, 'X has NaN at .* pass mask='),
        (X * np.inf, 'infinite'),
    ):
        with pytest.raises(ValueError, match=message):
            m.fit(bad)
    with pytest.raises(ValueError, match='mask has shape'):
        m.fit(X, mask=np.ones(3, bool))
    with pytest.raises(ValueError, match='mask is False everywhere'):
        m.fit(X, mask=X < 0)
    with pytest.raises(ValueError, match=r'X has (shape \(6, 3, 4\)|3 features)'):
        m.fit(X).transform(X[:, :3])
    with pytest.raises(ValueError, match='layer must be one of 0 to 1, .* not 5'):
        m.transform(X, layer=5)


@pytest.mark.parametrize(
    'call, error, message',
    [
        (
            lambda X: MultiHNTF((2, 1), train='jointly').fit(X),
            ValueError,
            "train must be one of 'exact', 'average', 'joint', not 'jointly'",
        ),
        (
            lambda X: MultiHNTF((2, 1), link_iter=-1).fit(X),
            ValueError,
            'link_iter must be at least 0, not -1',
        ),
        (lambda X: HNTF((2, 1), mode=3).fit(X), ValueError, 'mode must be one of 0 to 2, .* not 3'),
        (
            lambda X: HNCPD((2, 1), reference=-4).fit(X),
            ValueError,
            'reference must be one of 0 to 2, .* not -4',
        ),
        (lambda X: HNMF((2, 1)).fit(X), ValueError, r'X has shape \(6, 5, 4\); HNMF takes matrices'),
        (lambda X: MultiHNTF((3, 2), max_iter=3).fit(X).predict(X), AttributeError, 'predict'),
    ],
    ids=['train', 'link_iter', 'mode', 'reference', 'a tensor', 'predict without labels'],
)
def test_wrong_choices(call, error, message):
    with pytest.raises(error, match=message):
        call(data_for('tensor'))


@pytest.mark.parametrize('name', ['HNMF', 'MultiHNTF'])
@pytest.mark.parametrize(
    'labels, weight, message',
    [
        ([0, 1, 0, 1], 1.0, r'labels has shape \(4,\); the data have 6 samples'),
        ([-1] * 6, 1.0, 'y has no known label'),
        ([None] * 6, 1.0, 'y has no known label'),
        ([0, 1, 0, 1, 0, 1], -1.0, 'label_weight must be a finite number of at least 0, not -1'),
        ([0, 1, 0, 1, 0, 1], np.nan, 'label_weight must be a finite number of at least 0, not nan'),
    ],
    ids=['too few', 'all -1', 'all None', 'negative weight', 'nan weight'],
)
def test_wrong_labels(name, labels, weight, message):
    with pytest.raises(ValueError, match=message):
        ESTIMATORS[name]((3, 2), label_weight=weight, max_iter=3).fit(data_for(name), labels)


# --- The papers' tensor ---


@pytest.fixture(scope='module', params=[(0.4, 14), (0.1, 1)], ids=['noise 0.4', 'noise 0.1'])
def papers(request):
    d = hierarchical_tensor(*request.param)
    init = lambda data, rank: [abs(leading_vectors(data, k, rank)) for k in range(3)]
    return request.param[0], d, fit_flat(as_data(d.X), 7, rule='mu', init=init, max_iter=100, tol=0).params


def errors(d, h):
    return np.array([relative_error(d.truth['clean'], l.cp) for l in h.layers])


def test_papers_tensor_exact(papers):
    "At most 0.500 / 0.717 and 0.240 / 0.565 against the clean tensor; the links are the grouping."
    noise, d, cp = papers
    h = multi_hntf(d.X, (7, 4, 2), start=cp, refine=True, seed=0)
    assert (errors(d, h)[1:] <= {0.4: (0.500, 0.717), 0.1: (0.240, 0.565)}[noise]).all()
    as_it_is = multi_hntf(d.X, (7, 4, 2), start=cp, seed=0)
    W, V = as_it_is[1].links[0], as_it_is[2].links[0]
    four, two = d.truth['parents']
    assert max(topic_loss(W, four), topic_loss(W @ V, two[four]), topic_loss(V, two)) < (
        0.02 if noise == 0.1 else 0.03
    )
    near(errors(d, as_it_is)[:1], {0.4: [0.4543], 0.1: [0.1188]}[noise], 2e-4)
