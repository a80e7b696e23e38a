"""Beta-divergences: descent in every block, the definition, scikit-learn and the functional layer agree.

Problems are drawn by Hypothesis over loss, kind of data, order and model.
"""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from sklearn.decomposition import non_negative_factorization

from ntf_lit import HNCPD, NCPD, NMF, MultiHNTF, StratifiedNMF, StratifiedNTF
from ntf_lit.blocks import updated
from ntf_lit.divergences import LOSSES, DivergenceModel, LabelledDivergence, divergence, divergence_weights
from ntf_lit.fit import Stationary, fit
from ntf_lit.hnmf import hncpd, hntf
from ntf_lit.incoming import as_data, as_strata
from ntf_lit.ncpd import NCPDModel, Targets
from ntf_lit.result import CP, Status, leaves
from ntf_lit.strata_divergence import StrataDivergence
from ntf_lit.stratified import StrataModel
from ntf_lit.tensor import COO

pytestmark = pytest.mark.filterwarnings('ignore:mask hides')

BETAS = [0.0, 1e-9, 0.3, 0.5, 0.999, 1.0, 1.0001, 1.5, 1.9, 2.0]
some = settings(max_examples=max(12, settings.default.max_examples // 2))


def close(a, b, eps):
    a, b = np.asarray(a, float), np.asarray(b, float)
    assert a.shape == b.shape and np.allclose(a, b, rtol=eps, atol=eps * max(abs(b).max(initial=0), 1e-300))


def defined(x, m, beta):
    "Sum of d(x | m), straight from the definition, in long double."
    x, m, beta = (np.asarray(a, np.longdouble).ravel() for a in (x, m, beta))
    beta = beta[0]
    some = x > 0
    zeros = (m[~some] ** beta).sum() / beta if beta else 0
    x, m = x[some], m[some]
    if beta == 0:
        return float((x / m - np.log(x / m) - 1).sum())
    if beta == 1:
        return float((x * np.log(x / m) - x + m).sum() + zeros)
    powers = x**beta + (beta - 1) * m**beta - beta * x * m ** (beta - 1)
    return float(powers.sum() / (beta * (beta - 1)) + zeros)


# --- Problems ---


@dataclass(frozen=True)
class Problem:
    "A model and its data in full: the scaled arrays, one per stratum, and where they were observed."

    model: object
    arrays: tuple
    seen: tuple
    form: str
    seed: int

    @property
    def eps(self):
        return float(np.finfo(self.arrays[0].dtype).eps)

    def pairs(self, p):
        "(data, model) of all observed entries, scaled, in float64."
        s = self.model.data.scale
        M = self.model.rows(p)(0, sum(map(len, self.arrays)))
        X, seen = (np.concatenate(a) for a in (self.arrays, self.seen))
        return X[seen].astype(float) * s, np.asarray(M, float)[seen]

    def slack(self, p, f):
        "What rounding may add to an objective."
        x, m = self.pairs(p)
        beta, some = self.model.beta, x > 0
        size = (m[m > 0] ** beta).sum() + (x[some] * m[some] ** (beta - 1)).sum()
        if self.form == 'sparse' and 0 < beta != 1:
            size = size / min(beta, 1)
        return 1e-12 * f + 64 * self.eps * size


def in_form(X, form, seen):
    "An array as dense, sparse, torch or masked data."
    if form == 'sparse':
        return COO(np.array(X.nonzero()), X[X > 0], X.shape)
    return torch.from_numpy(X) if form == 'torch' else X


@st.composite
def problems(draw, kind):
    beta = draw(st.sampled_from(BETAS[1:] if kind == 'labels' else BETAS))
    form = draw(st.sampled_from(['dense', 'sparse', 'torch', 'masked']))
    order = 2 if kind == 'labels' else draw(st.integers(2, 4))
    dims = draw(st.lists(st.integers(1, 6), min_size=order, max_size=order))
    rank, seed = draw(st.integers(1, 4)), draw(st.integers(0, 2**32 - 1))
    dtype, c = draw(st.sampled_from(['f8', 'f4'])), 10.0 ** draw(st.sampled_from([-12, 0, 12]))
    rng = np.random.default_rng(seed)
    sizes = draw(st.lists(st.integers(1, 5), min_size=1, max_size=3)) if kind == 'strata' else dims[:1]
    density = 1.0 if beta == 0 else draw(st.sampled_from([1.0, 0.9, 0.4]))
    array = lambda n: (rng.random((n, *dims[1:])) + 1e-3) * (rng.random((n, *dims[1:])) < density) * c
    arrays = tuple(array(n).astype(dtype) for n in sizes)
    if not any(A.any() for A in arrays):
        arrays[0].flat[0] = c
    seen = tuple(rng.random(A.shape) < (0.8 if form == 'masked' else 2) for A in arrays)
    seen[0].flat[:] |= ~np.concatenate([s.ravel() for s in seen]).any()
    return Problem(_model(kind, arrays, seen, form, rank, beta, rng), arrays, seen, form, seed)


def _model(kind, arrays, seen, form, rank, beta, rng):
    given = [in_form(X, form, s) for X, s in zip(arrays, seen)]
    masks = list(seen) if form == 'masked' else None
    if kind == 'strata':
        data, offsets = as_strata(given, mask=masks)
        ranks = tuple(int(q) for q in rng.integers(0, 3, len(arrays)))
        return StrataDivergence(data, rank, strata_rank=ranks, offsets=tuple(offsets), beta=beta)
    data = as_data(given[0], masks and masks[0])
    if kind == 'cp':
        return DivergenceModel(data, rank, beta=beta)
    known = rng.random(len(arrays[0])) < 0.6
    known[0] = True
    labels = Targets(np.eye(3)[rng.integers(3, size=len(arrays[0]))], known, 2.0 * data.scale**-beta)
    return LabelledDivergence(data, rank, labels=labels, beta=beta)


# --- What must hold ---


@pytest.mark.parametrize('kind', ['cp', 'labels'])
@some
@given(st.data())
def test_no_block_raises_the_objective(kind, data):
    q = data.draw(problems(kind))
    model = q.model
    p = model.start(np.random.default_rng(q.seed))
    f = model.objective(p)
    for _ in range(4):
        factors, rest = model.parts(p)
        for block, t, problem in model.blocks(factors, rest, model.data):
            block[t] = model.update(block[t], problem, 0)
            now = model.joined(list(factors), list(rest))
            g = model.objective(now)
            assert 0 <= g <= f + q.slack(now, f) + q.slack(p, f)
            f = g
        p = model.joined(factors, rest)
        assert all(bool((a >= 0).all()) and np.isfinite(np.asarray(a)).all() for a in leaves(p))


@some
@given(st.data())
def test_no_sweep_over_strata_raises_the_objective(data):
    q = data.draw(problems('strata'))
    p = q.model.start(np.random.default_rng(q.seed))
    f = q.model.objective(p)
    for _ in range(6):
        new, g = q.model.sweep(p)
        assert 0 <= g <= f + q.slack(new, f) + q.slack(p, f)
        assert all(bool((a >= 0).all()) and np.isfinite(np.asarray(a)).all() for a in leaves(new))
        p, f = new, g


@pytest.mark.parametrize('kind', ['cp', 'strata'])
@some
@given(st.data())
def test_the_objective_is_its_definition(kind, data):
    q = data.draw(problems(kind))
    p = q.model.start(np.random.default_rng(q.seed))
    for _ in range(2):
        x, m = q.pairs(p)
        want, beta = defined(x, m, q.model.beta), q.model.beta
        near = min(beta or 1, abs(beta - 1) or 1)  # what the plain formula loses in long double
        loose = 1e-18 / near * ((x**beta).sum() + (m**beta).sum() + x.size)
        assert abs(q.model.objective(p) - want) <= q.slack(p, want) + loose
        p, _ = q.model.sweep(p)


@pytest.mark.parametrize('kind', ['cp', 'labels', 'strata'])
@some
@given(st.data())
def test_the_kkt_residual_has_no_units(kind, data):
    q = data.draw(problems(kind))
    if q.eps > 1e-10:
        return
    model = q.model
    p, _ = model.sweep(model.start(np.random.default_rng(q.seed)))
    here = model.kkt(p)
    assert np.isfinite(here) and here >= 0
    times = lambda A: A * 2.0**40 if q.form != 'sparse' else COO(A.coords, A.data * 2.0**40, A.shape)
    given = [times(in_form(X, q.form, s)) for X, s in zip(q.arrays, q.seen)]
    masks = list(q.seen) if q.form == 'masked' else None
    if kind == 'strata':
        other = replace(model, data=as_strata(given, mask=masks)[0])
    else:
        other = replace(model, data=as_data(given[0], masks and masks[0]))
    if kind == 'labels':
        weight = model.labels.weight * 2.0 ** (40 * model.beta)
        other = replace(other, labels=replace(model.labels, weight=weight))
    assert abs(other.kkt(p) - here) < 1e-9


@pytest.mark.parametrize('beta', [0, pytest.param(0.5, marks=pytest.mark.slow), 1, 1.5, 2])
def test_at_rest_the_kkt_residual_is_small(beta):
    rng = np.random.default_rng(0)
    X = rng.random((8, 7)) + 0.5
    for model in (
        DivergenceModel(as_data(X), 2, beta=beta),
        StrataDivergence(as_data(X), 1, strata_rank=(1, 1), offsets=(0, 3, 8), beta=beta),
    ):
        r = fit(model, max_iter=30_000, stop=[Stationary(model, 1e-3)], seed=0)
        assert r.status is Status.KKT


# --- Peers ---


@pytest.mark.parametrize('beta', [0, 0.5, 1, 1.5, 2])
@pytest.mark.parametrize('form', ['dense', 'sparse', 'torch'])
@pytest.mark.parametrize('shape, rank', [((30, 20), 4), ((9, 40), 2)])
def test_as_scikit_learn(shape, rank, form, beta):
    rng = np.random.default_rng(rank)
    X, (W, H) = rng.random(shape) + 0.1, [rng.random((d, rank)) + 0.1 for d in shape]
    if beta >= 1:  # zeros, too; below 1 scikit-learn cuts small weights to 0
        X = X * (rng.random(shape) < 0.7)
    model = DivergenceModel(as_data(in_form(X, form, None)), rank, init=[W, H], beta=beta)
    for sweeps in (1, 30):
        ours = fit(model, max_iter=sweeps)
        kw = dict(init='custom', solver='mu', beta_loss=beta, max_iter=sweeps, tol=0)
        theirs = non_negative_factorization(X, W.copy(), H.T.copy(), rank, **kw)
        close(ours.params.factors[0], theirs[0], 1e-10)
        close(ours.params.factors[1], theirs[1].T, 1e-10)
        close(ours.objective, defined(X, theirs[0] @ theirs[1], beta), 1e-10)


@pytest.mark.parametrize('beta', [0, 0.5, 1, 1.5, 2])
@pytest.mark.parametrize('shape', [(30, 20), (6, 7, 5), (4, 3, 5, 3)])
def test_as_nn_fac(shape, beta):
    "Same start, same sweeps, orders 2 to 4."
    pytest.importorskip('nn_fac')
    from nn_fac.nmf import nmf
    from nn_fac.ntf import ntf

    rng, N = np.random.default_rng(3), len(shape)
    X, F = rng.random(shape) + 0.1, [rng.random((d, 3)) + 0.1 for d in shape]
    ours = fit(DivergenceModel(as_data(X), 3, init=F, beta=beta), max_iter=30).params.factors
    kw = dict(init='custom', update_rule='mu', beta=beta, n_iter_max=30, tol=0)
    if N == 2:
        W, H = nmf(X, 3, U_0=F[0].copy(), V_0=F[1].T.copy(), **kw)
        theirs = [W, H.T]
    else:
        each = dict(sparsity_coefficients=[None] * N, fixed_modes=[], normalize=[False] * N)
        theirs = ntf(X, 3, factors_0=[f.copy() for f in F], **kw, **each)
    for a, b in zip(ours, theirs):
        close(a, np.asarray(b), 1e-10)


@pytest.mark.parametrize('form', ['dense', 'sparse'])
@pytest.mark.parametrize('shape', [(12, 9), (8, 7, 6), (5, 4, 4, 3)])
def test_kullback_leibler_not_above_pyttb(shape, form):
    "cp_apr from the same start, one step per mode and sweep, 30 sweeps each."
    ttb = pytest.importorskip('pyttb')
    rng = np.random.default_rng(len(shape))
    X = rng.poisson(2.0, shape).astype(float)
    F = [rng.random((d, 3)) + 0.1 for d in shape]
    tensor = ttb.tensor(X) if form == 'dense' else ttb.tensor(X).to_sptensor()
    start = ttb.ktensor([f.copy() for f in F], np.ones(3))
    kw = dict(init=start, maxiters=30, maxinneriters=1, stoptol=0.0, kappa=0.0, printitn=0)
    theirs = ttb.cp_apr(tensor, 3, **kw)[0].full().double()
    ours = fit(DivergenceModel(as_data(in_form(X, form, None)), 3, init=F, beta=1.0), max_iter=30)
    assert ours.objective <= defined(X, theirs, 1.0) * (1 + 1e-9)


@pytest.mark.parametrize('shape', [(5, 6, 7), (4, 3, 5, 2)])
@pytest.mark.parametrize('beta', [0, 0.5, 1, 1.5, 2])
def test_as_its_definition(shape, beta):
    "Tensors: the gradient's two parts by torch, of the whole model."
    rng = np.random.default_rng(0)
    X, F = rng.random(shape) + 0.1, [rng.random((d, 3)) + 0.1 for d in shape]
    letters = 'abcd'[: len(shape)]
    spec = ','.join(f'{c}r' for c in letters) + '->' + letters
    T = [torch.from_numpy(f) for f in F]
    A = torch.from_numpy(X)
    for _ in range(5):
        for t in range(len(T)):
            B = T[t].clone().requires_grad_()
            M = torch.einsum(spec, *T[:t], B, *T[t + 1 :])
            m = M.detach()
            neg, pos = (
                torch.autograd.grad((M * w).sum(), B, retain_graph=True)[0]
                for w in (A * m ** (beta - 2), m ** (beta - 1))
            )
            T[t] = (B * (neg / pos) ** (1 / (2 - beta) if beta < 1 else 1)).detach()
    model = DivergenceModel(as_data(X), 3, init=F, beta=beta)
    for a, b in zip(fit(model, max_iter=5).params.factors, T):
        close(a, b, 1e-10)


def test_two_is_least_squares():
    rng = np.random.default_rng(0)
    Xs = [rng.random((n, 5, 4)) for n in (3, 6)]
    data, offsets = as_strata(Xs)
    kw = dict(strata_rank=(1, 2), offsets=tuple(offsets))
    model, squares = StrataDivergence(data, 2, beta=2.0, **kw), StrataModel(data, 2, **kw)
    p = model.start(np.random.default_rng(0))
    close(model.objective(p), squares.objective(p), 1e-12)
    for loss in (2, 2.0, 'frobenius'):
        m = NMF(2, loss=loss, random_state=0).fit(Xs[0][..., 0])
        assert isinstance(m.result_.model, NCPDModel)


# --- Never below zero ---


@pytest.mark.parametrize('beta', [0, 0.5, 1, 1.5])
def test_an_exact_model_is_not_better_than_exact(beta):
    rng = np.random.default_rng(0)
    for seed in range(100):
        F = [rng.random((d, 1)) for d in (5, 4, 3)[: 2 + seed % 2]]
        data = as_data(CP(tuple(F)).full())
        f = divergence(data, [F[0] * data.scale, *F[1:]], beta)
        assert 0 <= f < 1e-12


def test_an_exact_fit_is_done():
    rng = np.random.default_rng(4)
    X = np.kron(np.eye(2), np.outer(rng.random(3), rng.random(2)))
    m = NMF(2, solver='mu', loss='kullback-leibler', init='nndsvd', tol=0, max_iter=500).fit(X)
    assert m.objective_ == 0 and m.n_iter_ < 500 and m.status_ is Status.EXACT


# --- Estimators ---


@pytest.mark.parametrize('loss', [*LOSSES, 0, 0.5, 1, 1.5])
@pytest.mark.parametrize('kind', [NMF, NCPD, StratifiedNMF, StratifiedNTF])
def test_estimators_take_a_loss(kind, loss):
    rng = np.random.default_rng(0)
    X = rng.random((12, 7) if 'MF' in kind.__name__ else (12, 7, 5)) + 0.2
    beta = LOSSES.get(loss, loss)
    m = kind(2, loss=loss, random_state=0, max_iter=20).fit(X)
    M = m.reconstruct() if 'Strat' in kind.__name__ else m.inverse_transform(m.weights_)
    close(m.objective_, defined(X, M, beta), 1e-9)
    close(m.relative_error_, np.linalg.norm(X - M) / np.linalg.norm(X), 1e-9)
    # what transform gives is at least as good as the fit, on its topics
    better = m.inverse_transform(m.transform(X))
    assert defined(X, better, beta) <= m.objective_ * (1 + 1e-9)


@pytest.mark.parametrize('kind', [NMF, NCPD, StratifiedNMF, StratifiedNTF])
@pytest.mark.parametrize(
    'loss, words',
    [
        (-0.5, 'loss must be a finite number of at least 0 and at most 2'),
        (2.5, 'loss must be a finite number of at least 0 and at most 2'),
        (np.nan, 'loss must be a finite number of at least 0 and at most 2'),
        ('cosine', "loss must be one of 'frobenius', 'kullback-leibler', 'itakura-saito', not 'cosine'"),
        ('itakura-saito', "loss='itakura-saito' .0. needs data above zero"),
        (0, "loss='itakura-saito' .0. needs data above zero"),
    ],
)
def test_what_cannot_be_is_refused(kind, loss, words):
    X = np.ones((6, 5) if 'MF' in kind.__name__ else (6, 5, 4))
    X[0] = 0
    with pytest.raises(ValueError, match=words):
        kind(2, loss=loss).fit(X)


def test_zeros_of_new_samples_are_refused():
    X = np.random.default_rng(0).random((8, 5)) + 0.1
    m = NMF(2, loss='itakura-saito', random_state=0).fit(X)
    with pytest.raises(ValueError, match='needs data above zero'):
        m.transform(X * (X > 0.5))
    seen = X > 0.5
    assert np.isfinite(m.transform(X * seen, mask=seen)).all()  # what is hidden may be zero


def test_labels_help_with_counts():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 120)
    X = rng.poisson(2 * rng.gamma(0.3, size=(3, 40))[truth] + 0.2).astype(float)
    y = np.where(rng.random(120) < 0.4, truth, -1)
    m = NMF(3, loss='kullback-leibler', label_weight=1.0, random_state=0).fit(X, y)
    assert (m.predict(X) == truth).mean() > 0.9


def test_samples_are_weighed_alone():
    rng = np.random.default_rng(0)
    X, topics = rng.random((9, 6, 5)) + 0.1, [rng.random((d, 2)) for d in (6, 5)]
    for beta in (0, 0.5, 1.5):
        W = divergence_weights(as_data(X), topics, beta)
        close(divergence_weights(as_data(X[3:5]), topics, beta), W[3:5], 1e-9)


def test_sparse_data_are_never_made_dense():
    "The body that stands for all entries is one zero."
    shape = (300, 200, 50)
    rng = np.random.default_rng(0)
    coords = np.stack([rng.integers(0, d, 500) for d in shape])
    data = as_data(COO(coords, rng.random(500), shape))
    model = DivergenceModel(data, 2, beta=1.5)
    import tracemalloc

    p = model.start(np.random.default_rng(0))
    tracemalloc.start()
    model.sweep(p)
    assert tracemalloc.get_traced_memory()[1] < 8 * np.prod(shape) / 2
    tracemalloc.stop()


def test_blocks_go_through_the_shared_sweep():
    X = np.random.default_rng(0).random((6, 5))
    model = DivergenceModel(as_data(X), 2, beta=1.5)
    p = model.start(np.random.default_rng(0))
    for a, b in zip(leaves(updated(model, p, 0)[0]), leaves(model.sweep(p)[0])):
        assert (a == b).all()


@settings(max_examples=max(9, settings.default.max_examples // 5), deadline=None)
@given(
    shape=st.sampled_from([(9, 8), (7, 6, 5), (5, 4, 3, 3)]),
    beta=st.sampled_from([0.5, 1.0, 1.5]),
    seed=st.integers(0, 2**31),
)
def test_every_layer_of_hncpd_descends(shape, beta, seed):
    "The NCPD and the layers of the reference mode; and the topics above are combinations of those below."
    X = np.random.default_rng(seed).poisson(2.0, shape) + 1.0 * (beta < 1)
    h = hncpd(X, (4, 3, 2), seed=seed, beta=beta, max_iter=30, tol=0)
    for history in h.history:
        o = np.array(history.objective)
        assert (np.diff(o) <= 1e-12 * o[0]).all()
    for below, layer in zip(h.layers[1:], h.layers[2:]):
        close(layer.factors[-1], below.factors[-1] @ layer.links[0], 1e-9 * layer.factors[-1].max())


@pytest.mark.parametrize('loss', ['kullback-leibler', 0.5, 1.5, 'frobenius'])
def test_hncpd_hands_its_loss_on(loss):
    "As estimator and as function, dense, sparse and in torch; layer 0 is the NCPD of that loss."
    X = np.random.default_rng(0).poisson(2.0, (8, 7, 6)) + 1.0
    how = dict(max_iter=20, tol=1e-6)
    m = HNCPD((4, 2), loss=loss, random_state=0, **how).fit(X)
    h = hncpd(X, (4, 2), seed=0, beta=LOSSES.get(loss, loss), **how)
    for a, b in zip(m.layers_, h.layers):
        assert all(np.array_equal(p, q) for p, q in zip(a.factors, b.factors))
    for other in (COO(np.array(X.nonzero()), X[X > 0], X.shape), torch.from_numpy(X)):
        again = HNCPD((4, 2), loss=loss, random_state=0, **how).fit(other)
        close(np.asarray(again.layers_[1].cp.full()), h[1].cp.full(), 1e-6 * X.max())
    objective = (
        divergence if loss != 'frobenius' else lambda D, F, _: 0.5 * D.square * h[0].relative_error ** 2
    )
    if loss != 'frobenius':
        W = divergence_weights(as_data(X[:3]), list(h[1].factors[1:]), LOSSES.get(loss, loss))
        close(m.transform(X[:3]), W, 1e-12 * W.max())
    D = as_data(X)
    F = h[0].cp.factors
    found = objective(D, [F[0] * D.scale, *F[1:]], LOSSES.get(loss, loss)) / D.scale ** LOSSES.get(loss, loss)
    close(found, h.history[0].objective[-1], 1e-8 * found)


def test_hierarchies_that_are_of_squares_say_so():
    X = np.random.default_rng(0).random((6, 5, 4))
    with pytest.raises(ValueError, match='hntf is of least squares, and beta=1.0'):
        hntf(X, (3, 2), beta=1.0)
    cp = CP(tuple(np.random.default_rng(0).random((d, 3)) for d in X.shape))
    with pytest.raises(ValueError, match='given by its factors only products are known'):
        hncpd(cp, (3, 2), beta=1.0)
    assert hncpd(cp, (3, 2), start=cp, beta=1.0, max_iter=3).ranks == (3, 2)
    with pytest.raises(ValueError, match="loss must be one of 'frobenius'"):
        HNCPD((3, 2), loss='cosine').fit(X)
    kl = NCPD(3, loss='kullback-leibler', random_state=0, max_iter=5)
    assert MultiHNTF((3, 2), first=kl, random_state=0).fit(X).first_.loss == 'kullback-leibler'
    with pytest.raises(
        ValueError, match='train_factors=True trains layer 0 on by least squares, and first has loss='
    ):
        MultiHNTF((3, 2), first=kl, train='joint', train_factors=True).fit(X)
