"""Neural models: what does not teach. Properties P1, P3, P17 to P19, P27 over the three kinds, special cases S8, S9, S15, faults and bad inputs."""
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from hypothesis import given, settings, strategies as st

from ntf_lit.data import hierarchical_tensor
from ntf_lit.fit import Callback, Checkpoint, fit
from ntf_lit.neural import (LOSSES, OPTIMIZERS, SCHEDULES, TENSOR_LOSSES, JointModel, NeuralNCPDModel, NeuralNMFModel, gram_layer, multi_hntf_joint,
                            neural_ncpd, neural_nmf, torch_data, unit_columns)
from ntf_lit.nnls import nnls
from ntf_lit.result import Status, leaves
from ntf_lit.tensor import as_data


def matrix(seed=0, n=20, d=12): r = np.random.default_rng(seed); return r.random((n, 4)) @ r.random((4, d)) + .3*r.random((n, d))


def cube(seed=0, shape=(8, 7, 9)):
    r = np.random.default_rng(seed)
    X = np.einsum(*sum(([r.random((d, 4))**3, [i, 9]] for i, d in enumerate(shape)), []), list(range(len(shape))))
    return X + .1*r.random(shape)


FIRST = dict(n_init=1, max_iter=40)


def model(kind, seed=0, **kw):
    "A small model of each kind, with a start of its own."
    r = np.random.default_rng(seed)
    t = lambda *s: torch.tensor(r.random(s))
    if kind == 'nmf':
        return NeuralNMFModel(data=torch_data(as_data(matrix(seed))), init=(unit_columns(t(12, 4)), unit_columns(t(4, 2))), epochs=30, **kw)
    data = torch_data(as_data(cube(seed)))
    cp = tuple(.5*t(d, 5) for d in (8, 7, 9))
    if kind == 'joint': return JointModel(data=data, cp=cp, init=(t(5, 3), t(3, 2)), epochs=30, **kw)
    return NeuralNCPDModel(data=data, cp=cp, init=(*(unit_columns(t(d, 3)) for d in (8, 7, 9)), unit_columns(t(3, 3, 2))), epochs=30, **kw)


KINDS = 'nmf', 'ncpd', 'joint'


class Watch(Callback):
    "Everything nonnegative and finite after every epoch, and the history the objective of the parameters (P1, P3)."
    def __init__(self, model): self.model, self.seen = model, 0
    def after_sweep(self, state):
        assert all(bool((a >= 0).all()) and bool(torch.isfinite(a).all()) for a in state.params.A)
        assert state.objective == pytest.approx(self.model.objective(state.params), rel=1e-10)
        self.seen += 1


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('optimizer', OPTIMIZERS)
def test_nonnegative_after_every_epoch_whatever_the_optimizer(kind, optimizer):
    m = model(kind, optimizer=optimizer, lr=.3)
    watch = Watch(m)
    r = fit(m, max_iter=12, callbacks=[watch])
    assert watch.seen == 12 and r.objective <= m.objective(m.start(None))/m.data.scale**2*(1 + 1e-12)


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('schedule', SCHEDULES)
def test_same_start_same_bits(kind, schedule):
    torch.manual_seed(0)
    before, legacy = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    a, b = (fit(model(kind, schedule=schedule), max_iter=8) for _ in range(2))
    assert all(torch.equal(x, y) for x, y in zip(a.params.A, b.params.A)) and a.history.objective == b.history.objective
    assert torch.equal(before, torch.random.get_rng_state()) and (legacy == np.random.get_state()[1]).all()


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('optimizer', OPTIMIZERS)
def test_resumed_is_uninterrupted(kind, optimizer, tmp_path):
    m = model(kind, optimizer=optimizer)
    fit(m, max_iter=5, callbacks=[Checkpoint(tmp_path/'at.npz')])
    again, whole = fit(replace(m, live={}), max_iter=11, resume=tmp_path/'at.npz'), fit(replace(m, live={}), max_iter=11)
    assert all(torch.equal(a, b) for a, b in zip(leaves(again.params), leaves(whole.params)))
    assert again.history.objective == whole.history.objective


@pytest.mark.parametrize('kind', KINDS)
def test_interruption_keeps_the_best(kind):
    class At(Callback):
        def after_sweep(self, state):
            if state.k == 4: raise KeyboardInterrupt
    r = fit(model(kind, lr=.5), max_iter=20, callbacks=[At()])
    assert r.status is Status.INTERRUPTED and r.objective == min(r.history.objective)


@settings(max_examples=15)
@given(st.integers(0, 10**6), st.sampled_from(LOSSES), st.integers(1, 4))
def test_weights_belong_to_the_topics_of_matrices(seed, loss, depth):
    X = matrix(seed)
    before = X.copy()
    h = neural_nmf(X, (5, 4, 3, 2)[:depth], loss=loss, seed=seed, max_epochs=5, init='random', lr=.3)
    data = X
    for A, S in zip(h.A, h.S):
        assert (S == nnls(data.T, A).T).all() and (A >= 0).all() and np.allclose(np.linalg.norm(A, axis=0), 1)
        data = S
    assert (X == before).all() and all((f >= 0).all() for l in h.layers for f in (*l.factors, *l.links))


@settings(max_examples=8)
@given(st.integers(0, 10**6), st.sampled_from(TENSOR_LOSSES), st.booleans(), st.sampled_from([(6, 7), (5, 6, 4), (4, 3, 5, 4)]))
def test_weights_belong_to_the_topics_of_tensors(seed, loss, train, shape):
    h = neural_ncpd(cube(seed, shape), (4, 3, 2), loss=loss, train_factors=train, seed=seed, n_init=1, init='random', max_epochs=4, first=FIRST)
    for k, f in enumerate(h[0].cp.factors):
        assert (h.S[k][0] == nnls(f, h.A[k][0]).T).all() and (h.S[k][1] == nnls(h.S[k][0].T, h.A[k][1]).T).all()
    for layer in h.layers: assert all((f >= 0).all() for f in (*layer.factors, *layer.links, *layer.cp.factors))


@pytest.mark.parametrize('seed', range(5))
def test_one_layer_has_the_gradient_of_nmf_with_the_weights_held_fixed(seed):
    m = model('nmf', seed)
    A = m.init[0].clone().requires_grad_()
    m = replace(m, init=m.init[:1])
    X = torch.tensor(matrix(seed))*m.data.scale
    g, = torch.autograd.grad(m.loss_of([A]), A)
    S = torch.tensor(nnls(X.numpy().T, A.detach().numpy()))
    want = -(X.mT - A.detach() @ S) @ S.mT
    assert (g - want).abs().max() <= 1e-12*want.abs().max()
    assert float(m.loss_of([A]).detach()) == pytest.approx(float(replace(m, loss='reconstruction').loss_of([A]).detach()), rel=1e-12)


def test_one_mode_of_neural_ncpd_is_neural_nmf():
    m = model('ncpd', loss='factors', modes=(2,))
    data = torch_data(as_data(m.cp[2].mT.numpy()))
    own = NeuralNMFModel(data=data, init=(m.init[2], m.init[3][2]), epochs=30)
    both = replace(m, cp=tuple(f*data.scale for f in m.cp), live={})
    a, b = fit(own, max_iter=15), fit(both, max_iter=15)
    assert (a.params.A[0] - b.params.A[2]).abs().max() < 1e-10 and (a.params.A[1] - b.params.A[3][2]).abs().max() < 1e-10


@pytest.mark.parametrize('weights', [None, (1., 0., 3.)])
@pytest.mark.parametrize('train', [False, True])
def test_joint_does_not_end_above_exact(weights, train):
    from ntf_lit.multi_hntf import multi_hntf
    for seed in range(3):
        X = cube(seed, (10, 9, 8))
        total = lambda h: sum(w*l.relative_error**2 for w, l in zip(weights or (1, 1, 1), h.layers))
        h = multi_hntf_joint(X, (5, 3, 2), train_factors=train, weights=weights, seed=seed, max_epochs=40)
        assert total(h) <= total(multi_hntf(X, (5, 3, 2), seed=seed))*(1 + 1e-9)
        assert all((M == layer.links[0]).all() for layer in h.layers for M in layer.links)


@pytest.mark.parametrize('c', [1e-30, 2.**-80, 2.**80, 1e30])
def test_scale(c):
    a, b = (neural_nmf(x, (4, 2), seed=0, max_epochs=10, l1=w) for x, w in ((matrix(), .1), (c*matrix(), .1*c)))
    assert np.allclose(a[1].links[0], b[1].links[0], rtol=1e-6) and b.result.objective == pytest.approx(a.result.objective*c*c, rel=1e-6)
    a, b = (neural_ncpd(x, (4, 2), seed=0, max_epochs=10, n_init=1, first=FIRST) for x in (cube(), c*cube()))
    assert b[1].relative_error == pytest.approx(a[1].relative_error, rel=1e-6)


@pytest.mark.parametrize('dtype', [np.float32, np.float64, np.int64])
def test_kinds(dtype):
    X = (10*cube()).astype(dtype)
    want = np.float32 if dtype is np.float32 else np.float64
    for f in (lambda x: neural_ncpd(x, (4, 2), seed=0, max_epochs=5, n_init=1, first=FIRST), lambda x: multi_hntf_joint(x, (4, 2), seed=0, max_epochs=5)):
        h, t = f(X), f(torch.from_numpy(X))
        assert h[1].factors[0].dtype == want and isinstance(t[1].factors[0], torch.Tensor)
        assert t[1].relative_error == pytest.approx(h[1].relative_error, rel=1e-2)


def test_zeros():
    assert neural_nmf(np.zeros((5, 4)), (3, 2), seed=0)[1].relative_error == 0
    h = neural_ncpd(np.zeros((5, 4, 3)), (3, 2), seed=0, first=FIRST)
    assert h[1].relative_error == 0 and all((f == 0).all() or np.isfinite(f).all() for f in h[1].factors)
    assert multi_hntf_joint(np.zeros((5, 4, 3)), (3, 2), seed=0)[1].relative_error == 0


def test_no_component_dies_of_a_step():
    A = torch.tensor([[1., 0.], [0., 1.]]).requires_grad_()
    m = NeuralNMFModel(data=torch_data(as_data(np.eye(2) + .1)), init=(A.detach().double(),), optimizer='sgd', lr=1e6)
    r = fit(m, max_iter=5)
    assert (r.params.A[0].norm(dim=0) > .99).all()


def test_second_derivative_raises():
    G = torch.eye(3, dtype=torch.float64)[None].requires_grad_()
    S = gram_layer(G, torch.ones(1, 2, 3, dtype=torch.float64))
    g, = torch.autograd.grad(S.square().sum(), G, create_graph=True)
    with pytest.raises(RuntimeError, match='once_differentiable'): g.sum().backward()


@pytest.mark.parametrize('call, error, message', [
    (lambda: neural_nmf(-matrix(), (3, 2)), ValueError, 'X must be nonnegative'),
    (lambda: neural_nmf(matrix(), (2, 3)), ValueError, 'ranks must decrease'),
    (lambda: neural_nmf(matrix(), (3, 2), lr=-1.), ValueError, 'lr must be'),
    (lambda: neural_nmf(matrix(), (3, 2), l1=np.nan), ValueError, 'l1 must be'),
    (lambda: neural_nmf(matrix(), (3, 2), max_epochs=2.5), TypeError, 'max_epochs must be a whole number'),
    (lambda: neural_nmf(matrix(), (3, 2), n_init=0), ValueError, 'n_init must be at least 1'),
    (lambda: neural_nmf(matrix(), (3, 2), label_loss='hinge', labels=np.zeros(20, int)), ValueError, 'label_loss must be one of'),
    (lambda: neural_nmf(matrix(), (3, 2), labels=np.zeros(3)), ValueError, 'labels has shape'),
    (lambda: neural_nmf(matrix(), (3, 2), init=[-np.ones((12, 3)), np.ones((3, 2))]), ValueError, 'init must be nonnegative'),
    (lambda: neural_ncpd(cube(), (3, 2), schedule='step'), ValueError, 'schedule must be one of'),
    (lambda: neural_ncpd(cube(), (3, 2), weights=[1., -1.]), ValueError, r'weights\[1\] must be'),
    (lambda: multi_hntf_joint(cube(), (3, 2), weights=[1.]), ValueError, 'weights has 1 numbers for 2 layers'),
    (lambda: multi_hntf_joint(np.full((2, 2, 2), np.nan), (3, 2)), ValueError, 'X has NaN'),
])
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message): call()


def test_the_papers_tensor():
    d = hierarchical_tensor(.4, seed=14)
    clean = d.truth['clean']
    h = neural_ncpd(d.X, (7, 4, 2), seed=0)
    errors = [np.linalg.norm(clean - l.cp.full())/np.linalg.norm(clean) for l in h.layers]
    assert errors[1] < .52 and errors[2] < .73
