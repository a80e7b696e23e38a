"""Where one model is another, or a formula, or a peer's, sweep by sweep (S1 to S4, S12, S13, S16)."""

import itertools
import warnings
from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, strategies as st
from test_properties import (
    MODELS,
    RULES,
    STRATIFIED,
    Case,
    as_coo,
    cases,
    close,
    eps_of,
    every,
    few,
    full,
    outer,
    run,
    same_bits,
    seeds,
)

from ntf_lit import NCPD, NMF, StratifiedNTF, incoming, tensor
from ntf_lit.fit import fit
from ntf_lit.incoming import as_data
from ntf_lit.divergences import DivergenceModel
from ntf_lit.ncpd import NCPDModel
from ntf_lit.result import CP, Status, leaves
from ntf_lit.tensor import COO

pytestmark = pytest.mark.filterwarnings('ignore:mask hides')  # masks drawn at random may hide a slice

# --- The multiplicative rule, from the definition ---


def multiplicative(A, models, blocks, order, sweeps, kl=False):
    """Multiplicative updates with nothing worked out: every block in `order` times neg/pos.

    They are the gradients of <A, M> and |M|^2/2 (for the divergence <A, log M> and sum M), by torch."""
    blocks, A = [torch.tensor(b) for b in blocks], [torch.tensor(a) for a in A]
    for _ in range(sweeps):
        for k in order:
            B = blocks[k] = blocks[k].requires_grad_()
            Ms = models(blocks)
            neg = sum((a * (M.log() if kl else M)).sum() for a, M in zip(A, Ms))
            pos = sum(M.sum() if kl else 0.5 * (M * M).sum() for M in Ms)
            neg, pos = (torch.autograd.grad(f, B, retain_graph=True)[0] for f in (neg, pos))
            blocks[k] = (B * neg / pos).detach()
    return [b.numpy() for b in blocks]


@pytest.mark.parametrize('kl', [False, True])
@pytest.mark.parametrize('shape', [(6, 7), (5, 1), (4, 5, 6), (3, 4, 5, 3), (2, 3, 2, 3, 2)])
@pytest.mark.parametrize('rank', [1, 3, 5])
def test_mu_is_its_definition(shape, rank, kl):
    rng = np.random.default_rng(rank)
    X, F = rng.random(shape), [rng.random((d, rank)) for d in shape]
    model = DivergenceModel(as_data(X), rank, init=F) if kl else NCPDModel(as_data(X), rank, 'mu', init=F)
    for sweeps in (1, 2, 20):
        want = multiplicative([X], lambda F: [outer(F)], F, range(len(shape)), sweeps, kl)
        p = run(model, sweeps)[-1].params
        for a, b, s in zip(p.factors, want, (model.data.scale, *[1.0] * 9)):
            close(a, s * b, 1e-10)


@pytest.mark.parametrize(
    'sizes, dims, ranks',
    [
        ((5, 2, 8), (7,), (1, 1, 1)),
        ((5, 1, 3), (6,), (2, 0, 1)),
        ((4,), (5, 6), (2,)),
        ((5, 2, 8), (4, 5), (3, 1, 2)),
        ((3, 3), (4, 5), (0, 0)),
        ((1, 1, 1), (4, 5), (0, 2, 1)),
        ((2, 3), (3, 4, 3), (2, 0)),
        ((2, 6, 3), (3, 1, 4), (1, 2, 3)),
    ],
)
@pytest.mark.parametrize('rounds', [1, 2, 5])
def test_stratified_mu_is_its_definition(sizes, dims, ranks, rounds):
    rng = np.random.default_rng(0)
    S, m, r = len(sizes), len(dims), 3
    A = [rng.random((n, *dims)) for n in sizes]
    V = [[rng.random((d, q)) for d in dims] for q in ranks]
    W, H = [rng.random((n, r)) for n in sizes], [rng.random((d, r)) for d in dims]
    at = lambda s, t: s * m + t  # the place of V_t(s); then come the W(s), then the H_t
    ones = lambda s: torch.ones(sizes[s], ranks[s], dtype=torch.float64)
    models = lambda b: [
        outer([ones(s), *b[at(s, 0) : at(s, m)]]) + outer([b[S * m + s], *b[S * m + S :]]) for s in range(S)
    ]
    order = [at(s, t) for t in range(m) for s in range(S) if ranks[s]] * rounds + [
        *range(S * m, S * m + S + m)
    ]
    model = Case('Stratified-NTF', 'mu', tuple(A), (V, W, H)).model(rounds=rounds)
    c = model.data.scale
    for sweeps in (1, 6):
        want = multiplicative(A, models, [*sum(V, []), *W, *H], order, sweeps)
        p = run(model, sweeps)[-1].params
        for s in range(S):
            close(p.weights(s), c * want[S * m + s], 1e-10)
            for t in range(m):
                close(p.V[t][s][:, : ranks[s]], (c if t == 0 else 1) * want[at(s, t)], 1e-10)
                assert (p.V[t][s][:, ranks[s] :] == 0).all()
        for t in range(m):
            close(p.H[t], want[S * m + S + t], 1e-10)


def test_mu_by_hand_in_fractions():
    "S16: a 2 x 2 x 2 tensor, one sweep, in exact rational numbers."
    X, F = (
        np.arange(8).reshape(2, 2, 2),
        [np.array(f) for f in ([[1, 2], [3, 1]], [[1, 1], [2, 0]], [[1, 3], [1, 1]])],
    )
    p = run(NCPDModel(as_data(X), 2, 'mu', init=F), 1)[-1].params
    s = as_data(X).scale
    exact = [[[Fraction(int(v)) for v in row] for row in f] for f in F]
    I = range(2)
    M = lambda i: sum(exact[0][i[0]][j] * exact[1][i[1]][j] * exact[2][i[2]][j] for j in I)
    cells = [(a, b, c) for a in I for b in I for c in I]
    for t in range(3):
        rest = lambda i, j: np.prod([exact[k][i[k]][j] for k in range(3) if k != t])
        exact[t] = [
            [
                exact[t][d][j]
                * sum(int(X[i]) * rest(i, j) for i in cells if i[t] == d)
                / sum(M(i) * rest(i, j) for i in cells if i[t] == d)
                for j in I
            ]
            for d in I
        ]
    for t in range(3):
        close(p.factors[t] / (s if t == 0 else 1), np.array(exact[t], float), 1e-14)


# --- S1, S2, S12: the corners of Stratified-NTF ---


@pytest.mark.parametrize('rule', list(RULES))
@pytest.mark.parametrize('dims', [(7,), (4, 5), (3, 4, 3)])
@pytest.mark.parametrize('sizes', [(9,), (5, 2, 8)])
def test_s1_s12_without_features_it_is_ncpd_of_all_samples(rule, dims, sizes):
    rng = np.random.default_rng(0)
    A = tuple(rng.random((n, *dims)) for n in sizes)
    W, H = [rng.random((n, 3)) for n in sizes], [rng.random((d, 3)) for d in dims]
    ours = run(Case('Stratified-NTF', rule, A, ([[h[:, :0] for h in H]] * len(A), W, H)).model(), 13)
    ncpd = run(NCPDModel(as_data(np.concatenate(A)), 3, rule, init=[np.concatenate(W), *H]), 13)
    for a, b in zip(ours, ncpd):
        for x, y in zip([a.params.W, *a.params.H], b.params.factors):
            close(x, y, 1e-12 if rule == 'mu' else 1e-9)
        assert a.objective == pytest.approx(b.objective, rel=1e-10)


def test_s2_order_two_with_one_feature_is_stratified_nmf():
    "The three lines of arXiv 2311.10789, without their epsilon."
    rng = np.random.default_rng(0)
    A = tuple(rng.random((n, 7)) for n in (6, 4, 9))
    v, W, H = [rng.random(7) for _ in A], [rng.random((len(a), 2)) for a in A], rng.random((7, 2))
    model = Case('Stratified-NMF', 'mu', A, ([[x[:, None]] for x in v], W, [H])).model()
    S = range(3)
    for state in run(model, 25)[1:]:
        for _ in range(2):
            v = [v[s] * A[s].sum(0) / (len(A[s]) * v[s] + H @ W[s].sum(0)) for s in S]
        W = [W[s] * (A[s] @ H) / (W[s] @ (H.T @ H) + v[s] @ H) for s in S]
        H = (
            H
            * sum(A[s].T @ W[s] for s in S)
            / sum(np.outer(v[s], W[s].sum(0)) + H @ (W[s].T @ W[s]) for s in S)
        )
        p, c = state.params, model.data.scale
        close(p.H[0], H, 1e-12)
        for s in S:
            close(p.V[0][s][:, 0], c * v[s], 1e-12)
            close(p.weights(s), c * W[s], 1e-12)


# --- S3, S4: peers ---


@pytest.mark.parametrize('loss', ['frobenius', 'kullback-leibler'])
def test_s3_order_two_is_scikit_learns_nmf(loss):
    from sklearn.decomposition import non_negative_factorization

    rng = np.random.default_rng(0)
    X, W, H = rng.random((20, 12)), rng.random((20, 4)), rng.random((12, 4))
    for sweeps in (1, 2, 50):
        w, h, _ = non_negative_factorization(
            X,
            W.copy(),
            H.T.copy(),
            n_components=4,
            init='custom',
            solver='mu',
            beta_loss=loss,
            tol=0,
            max_iter=sweeps,
        )
        model = NCPDModel if loss == 'frobenius' else DivergenceModel
        p = fit(model(as_data(X), 4, 'mu', init=[W, H]), max_iter=sweeps).params
        close(p.factors[0], w, 1e-8)
        close(p.factors[1], h.T, 1e-8)
        for kind in (NMF, NCPD):
            m = kind(4, solver='mu', loss=loss, init=[W, H], tol=0, max_iter=sweeps).fit(X)
            close(m.factors_[1], h.T, 1e-8)


@pytest.mark.parametrize('seed', [0, 1, *(pytest.param(s, marks=pytest.mark.slow) for s in (2, 3, 4))])
def test_s4_hals_ends_where_tensorlys_does(seed):
    from tensorly.decomposition import non_negative_parafac_hals

    rng = np.random.default_rng(seed)
    X = outer([rng.random((d, 3)) for d in (12, 10, 9)]) + 0.05 * rng.random((12, 10, 9))
    F = [rng.random((d, 3)) for d in X.shape]
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        weights, G = non_negative_parafac_hals(
            X, 3, n_iter_max=400, init=(None, [f.copy() for f in F]), tol=0
        )
    theirs = 0.5 * ((X - outer([G[0] * weights, *G[1:]])) ** 2).sum()
    ours = NCPD(3, init=F, max_iter=400, tol=0).fit(X).objective_
    assert ours <= theirs * (1 + 1e-3)


@pytest.mark.parametrize('rule', list(RULES))
@given(st.integers(2, 8), st.integers(2, 8), seeds)
@few
def test_s13_rank_one_of_a_matrix_is_its_leading_singular_pair(rule, m, n, seed):
    "The leading singular vectors of a positive matrix are positive (Perron): the constraint costs nothing."
    X = 0.5 + np.random.default_rng(seed).random((m, n))
    U, s, Vt = np.linalg.svd(X)
    r = fit(NCPDModel(as_data(X), 1, rule), max_iter=60, seed=0)
    close(r.params.full(), s[0] * np.outer(U[:, 0], Vt[0]), 1e-6)
    assert r.objective == pytest.approx(0.5 * (s[1:] ** 2).sum(), rel=1e-9)


# --- The same numbers in another form ---


@every([m for m in MODELS])
@few
@given(st.data())
def test_sparse_is_dense(name, data):
    case = data.draw(cases(name, calm=True))
    rng = np.random.default_rng(case.seed)
    A = [a * (rng.random(a.shape) < 0.6) for a in case.data]
    A[0].flat[0] = 1.0
    want, got = case.last(11, data=A), case.last(11, data=[*map(as_coo, A)], count=len(A))
    for a, b in zip(got, want):
        close(a, b, 1e-10)
    if A[0].ndim == 2:
        for kind in (sp.csr_array, sp.coo_matrix):
            same_bits(case.last(11, data=[*map(kind, A)], count=len(A)), got)


def every_way_of_being_sparse(X):
    yield from (
        getattr(sp, f'{kind}_{of}')(X)
        for kind in ('csr', 'csc', 'coo', 'dok', 'lil', 'bsr', 'dia')
        for of in ('matrix', 'array')
    )
    i, j = X.nonzero()
    way = np.random.default_rng(0).permutation(len(i))
    yield COO(np.array([i, j])[:, way], X[i, j][way], X.shape)
    yield COO(np.repeat([i, j], 2, axis=1), np.repeat(X[i, j] / 2, 2), X.shape)  # listed twice, half each
    yield COO(
        np.array([[*i, *range(len(X))], [*j, *[0] * len(X)]]), np.array([*X[i, j], *[0.0] * len(X)]), X.shape
    )  # zeros listed
    yield COO(np.array([i, j], np.int32), X[i, j], X.shape)


def test_every_sparse_form_is_the_same():
    rng = np.random.default_rng(0)
    X = rng.random((9, 8)) * (rng.random((9, 8)) < 0.3)
    fits = [NCPD(2, random_state=0, max_iter=12).fit(A).factors_ for A in every_way_of_being_sparse(X)]
    for F in fits[1:]:
        same_bits(F, fits[0])


def test_pydatas_sparse_tensors():
    sparse = pytest.importorskip('sparse')
    rng = np.random.default_rng(0)
    X = rng.random((6, 5, 4)) * (rng.random((6, 5, 4)) < 0.3)
    same_bits(
        NCPD(2, random_state=0).fit(sparse.COO(X)).factors_, NCPD(2, random_state=0).fit(as_coo(X)).factors_
    )


def in_step(a, b):
    "The pairs of states of two fits, until one takes an extrapolated step that the other refuses."
    return list(itertools.takewhile(lambda pair: pair[0].momentum == pair[1].momentum, zip(a, b)))


def nearly_a_tie(before, after, d):
    """Whether the decision may turn when a model moves by `d`: its objective |R|^2/2 then changes by
    |R| d + d^2/2 at most, before the step and after."""
    return before.objective - after.objective <= 2 * (np.sqrt(2 * before.objective) * d + d * d / 2)


@every(MODELS)
@few
@given(st.data(), st.sampled_from(['f8', 'f4']))
def test_torch_is_numpy(name, data, dtype):
    """Sweep by sweep, as long as both take the same extrapolated steps. The first decision that differs was
    nearly a tie, which rounding may turn; from there the two go different ways."""
    case = data.draw(cases(name, calm=True))
    tol = 1e-10 if dtype == 'f8' else 2e-3
    A = [a.astype(dtype) for a in case.data]
    model = case.model(data=A)
    fits = run(case.model(data=[torch.from_numpy(a) for a in A]), 12), run(model, 12)
    pairs = in_step(*fits)
    for got, want in pairs:
        for a, b in zip(leaves(got.params), leaves(want.params)):
            assert isinstance(a, torch.Tensor) and str(a.dtype)[6:] == str(b.dtype)
            assert tuple(a.shape) == b.shape
        for a, b in zip(full(got.params, len(A)), full(want.params, len(A))):
            close(a, b, tol)
    if len(pairs) < min(map(len, fits)):
        bold = max(range(2), key=lambda i: fits[i][len(pairs)].momentum)
        rounding = 100 * eps_of(A) * np.sqrt(model.data.square)
        assert nearly_a_tie(pairs[-1][bold], fits[bold][len(pairs)], rounding)


@every(STRATIFIED)
@few
@given(st.data())
def test_strata_left_apart_are_strata_joined(name, data):
    "Long strata stay where they are, short ones are copied together."
    case = data.draw(cases(name, calm=True))
    joined = case.last()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(incoming, 'JOIN', 0)
        assert len(case.model().data.arrays) == len(case.data)
        for a, b in zip(case.last(), joined):
            close(a, b, 1e-12 if case.rule == 'mu' else 1e-10)


@every(MODELS)
@few
@given(st.data())
def test_chunks_do_not_matter(name, data):
    "Masked fits, ratios and exact losses go through the data in chunks."
    case = data.draw(cases(name, calm=True))
    rng = np.random.default_rng(case.seed)
    mask = [rng.random(A.shape) < 0.8 for A in case.data]
    whole = case.last(mask=mask)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tensor, 'CHUNK', 40)
        for a, b in zip(case.last(mask=mask), whole):
            close(a, b, 1e-12 if case.rule == 'mu' else 1e-10)


@pytest.mark.parametrize('dtype', [np.float64, np.float32])
@pytest.mark.parametrize('shape', [(20, 12), (9, 8, 7), (6, 5, 5, 4)])
def test_exact_data_are_fitted_to_rounding(shape, dtype):
    "S17: data of the model's own rank end as converged, with only rounding left, long before max_iter."
    rng = np.random.default_rng(0)
    X = CP(tuple(rng.random((d, 2)) ** 2 for d in shape)).full().astype(dtype)
    for make in (NCPD, StratifiedNTF):
        model = make(2, max_iter=3000, random_state=0, **({} if make is NCPD else dict(strata_rank=0)))
        model.fit(X if make is NCPD else [X[:2], X[2:]])
        assert model.status_ is Status.EXACT and model.n_iter_ < 1000
        assert model.relative_error_ < 10 * np.finfo(dtype).eps
