"""Hierarchies over strata: what must hold for every first layer, way of training and kind of data."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from sklearn.base import clone
from ntf_lit import HNMF, NCPD, NMF, MultiHNTF, StratifiedNMF, StratifiedNTF
from ntf_lit.fit import Callback, Checkpoint, fit
from ntf_lit.hnmf import balanced, layer_labels, ordered
from ntf_lit.incoming import as_strata
from ntf_lit.init import move
from ntf_lit.result import CP, Strata, normalized
from ntf_lit.saving import load, save
from ntf_lit.score import factor_match
from ntf_lit.strata_hierarchies import (
    JointStrataModel,
    StrataLayers,
    background_core,
    even,
    rest_square,
    strata_multi_hntf,
)
from ntf_lit.stratified import StrataModel
from ntf_lit.synthetic import hierarchical_strata, random_strata
from ntf_lit.tv import tv_penalty

RULES = ['mu', 'hals', 'nnls']
SHAPES = [(9,), (7, 6), (4, 3, 5)]
TRAIN = ['exact', 'average', 'joint']
SHORT = dict(max_iter=10, n_init=3, link_iter=40, random_state=0)


def strata(shape, seed=0, noise=0.1):
    return random_strata((8, 6, 7), shape, 4, 2, seed=seed, noise=noise, coherence=1.0)


def flat_model(tensors, rule='hals', rank=4, ranks=(2, 1, 2)):
    data, offsets = as_strata(tensors)
    return StrataModel(data, rank, rule, strata_rank=ranks, offsets=tuple(offsets))


def joint_model(tensors, rule='hals', seed=0, y=None, known=None, weight=5.0, **kw):
    flat, rng = flat_model(tensors, rule, **kw), np.random.default_rng(seed)
    like = flat.data.like
    links = [rng.random((4, 3)), rng.random((3, 2))]
    if not isinstance(like, np.ndarray):
        links = [torch.as_tensor(W, dtype=like.dtype) for W in links]
    else:
        links = [W.astype(like.dtype) for W in links]
    labels = layer_labels(y, 3, flat.data, known, weight) if y is not None else ()
    begin = StrataLayers(flat.start(rng), tuple(links), classes_of(labels, (4, 3, 2), like, rng))
    return JointStrataModel(flat.data, 4, rule, init=begin, flat=flat, labels=tuple(labels))


def classes_of(labels, ranks, like, rng):
    made = [rng.random((y.targets.shape[1], r)) for y, r in zip(labels, ranks) if y is not None]
    return tuple(move(B, like) for B in made)


def arrays(p):
    return [*p.strata.V, p.strata.W, *p.strata.H, *p.links, *p.classes]


def some_labels(n=21):
    "Classes of the first and the last of three layers, and which samples' are known."
    return [np.arange(n) % 3, None, np.arange(n) % 5 % 2], np.arange(n) % 4 > 0


def first_layer(shape, **kw):
    return (StratifiedNTF if len(shape) > 1 else StratifiedNMF)(
        4, strata_rank=(2, 1, 2), max_iter=30, random_state=0, **kw
    )


# --- a sweep of all layers (P1 to P6, P13, P17, P19) ---


@pytest.mark.parametrize('rule', RULES)
@pytest.mark.parametrize('shape', SHAPES)
@pytest.mark.parametrize('seed', range(3))
def test_sweeps_descend_and_stay_nonnegative(rule, shape, seed):
    model = joint_model(strata(shape, seed).tensors, rule, seed)
    p, values = model.init, [model.objective(model.init)]
    for k in range(8):
        p, value = model.sweep(p, k)
        assert all(np.isfinite(A).all() and (A >= 0).all() for A in arrays(p))
        assert abs(model.objective(p) - value) <= 1e-10 * values[0]
        values.append(value)
    assert (np.diff(values) <= 1e-12 * values[0]).all()


@pytest.mark.parametrize('rule', RULES)
@pytest.mark.parametrize('shape', SHAPES)
@pytest.mark.parametrize('like', [np.asarray, torch.as_tensor], ids=['numpy', 'torch'])
def test_sweeps_with_labels_descend(rule, shape, like):
    y, known = some_labels()
    model = joint_model([like(A) for A in strata(shape).tensors], rule, y=y, known=known, weight=500.0)
    p, values = model.init, [model.objective(model.init)]
    squares = [model.label_loss(p)]
    for k in range(8):
        p, value = model.sweep(p, k)
        assert abs(model.objective(p) - value) <= 1e-10 * values[0]
        values.append(value)
        squares.append(model.label_loss(p))
    assert (np.diff(values) <= 1e-12 * values[0]).all()
    assert 0 < squares[-1] < squares[0]
    assert len(p.classes) == 2 and all((B >= 0).all() for B in p.classes)


@pytest.mark.parametrize('rule', RULES)
def test_every_block_goes_down_where_most_labels_are_not_known(rule):
    y, known = some_labels()[0], np.arange(21) % 7 == 0
    model = joint_model(strata((7, 6)).tensors, rule, y=y, known=known, weight=5e4)
    factors, rest = model.parts(model.init)
    now = lambda: model.objective(model.joined(factors, rest))
    for k in range(4):
        for block, t, q in model.blocks(factors, rest, model.data):
            before, old = now(), block[t]
            block[t] = model.update(old, q, 9)
            assert now() <= before * (1 + 1e-12)
            if block is factors and t == 0:  # an ascent of its problem is one of the objective
                step = 1e-6 * np.random.default_rng(k).standard_normal(old.shape)
                there = [now()]
                for sign in (1, -1):
                    block[0] = old + sign * step
                    there.append(now())
                block[0] = old
                slope = (q.value(old + step) - q.value(old - step)) / 2e-6
                assert (there[1] - there[2]) / 2e-6 == pytest.approx(slope, rel=1e-5, abs=1e-8 * before)
                block[0] = model.update(old, q, 9)


def test_what_is_not_known_does_not_matter():
    y, known = some_labels()
    other = [None if c is None else np.where(known, c, 1 - np.minimum(c, 1)) for c in y]
    a, b = (fit(joint_model(strata((7, 6)).tensors, y=c, known=known), max_iter=6) for c in (y, other))
    assert all(np.array_equal(f, g) for f, g in zip(arrays(a.params), arrays(b.params)))


def test_labels_of_no_weight_are_none():
    y, known = some_labels()
    tensors = strata((7, 6)).tensors
    a = fit(joint_model(tensors, y=y, known=known, weight=0.0), max_iter=6)
    b = fit(joint_model(tensors), max_iter=6)
    assert a.objective == pytest.approx(b.objective, rel=1e-9)


@pytest.mark.parametrize('rule', RULES)
def test_kkt_falls(rule):
    model = joint_model(strata((7, 6)).tensors, rule)
    far = model.kkt(model.init)
    r = fit(model, max_iter=150)
    scale = model.data.scale
    p = r.params.strata
    p = StrataLayers(type(p)((p.V[0] * scale, *p.V[1:]), p.W * scale, p.H, p.offsets), r.params.links)
    assert model.kkt(p) < 0.3 * far


@pytest.mark.parametrize('k', [-100, 100])
@pytest.mark.parametrize('labels', [False, True])
def test_powers_of_two_change_no_bit(k, labels):
    tensors = strata((7, 6)).tensors
    told = dict(zip(('y', 'known'), some_labels())) if labels else {}
    one, other = (
        fit(joint_model([c * A for A in tensors], weight=5.0 * c * c, **told), max_iter=10)
        for c in (1.0, 2.0**k)
    )
    for a, b in zip(one.params.links, other.params.links):
        assert np.array_equal(a, b)
    assert one.relative_error == other.relative_error


def test_zeros_stay_under_multiplicative_steps():
    model = joint_model(strata((7, 6)).tensors, 'mu')
    model.init.links[0][1, 2] = model.init.strata.H[0][3, 0] = model.init.strata.W[2, 1] = 0
    p = model.init
    for k in range(5):
        p = model.sweep(p, k)[0]
    assert p.links[0][1, 2] == p.strata.H[0][3, 0] == p.strata.W[2, 1] == 0


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_torch_is_numpy(dtype):
    tensors = strata((7, 6)).tensors
    a = fit(joint_model(tensors), max_iter=5)
    b = fit(joint_model([torch.as_tensor(A, dtype=dtype) for A in tensors]), max_iter=5)
    assert b.params.links[0].dtype == dtype and b.params.strata.W.dtype == dtype
    assert abs(a.objective - b.objective) < 1e-3 * a.objective


# --- estimators over every first layer ---


@pytest.mark.parametrize('train', TRAIN)
@pytest.mark.parametrize('shape', SHAPES)
def test_layers_are_what_they_say(train, shape):
    d = strata(shape)
    before = [A.copy() for A in d.tensors]
    m = MultiHNTF((4, 3, 2), first=first_layer(shape), train=train, **SHORT).fit(d.tensors)
    for A, B in zip(d.tensors, before):
        assert np.array_equal(A, B)
    for l in range(3):
        left = sum(((A - m.reconstruct(s, layer=l)) ** 2).sum() for s, A in enumerate(d.tensors))
        assert np.isclose(m.relative_error_[l], np.sqrt(left) / np.linalg.norm(d.X), rtol=1e-8)
    for low, up in zip(m.layers_, m.layers_[1:]):  # P26
        for f, g, link in zip(low.factors, up.factors, up.links):
            assert np.allclose(f @ link, g, rtol=1e-10)
    again = MultiHNTF((4, 3, 2), first=first_layer(shape), train=train, **SHORT).fit(d.tensors)
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(m.links_[1:], again.links_[1:]))


@pytest.mark.parametrize('shape', SHAPES)
def test_data_less_their_background(shape):
    "Its squared norm, and the background seen through weights and topics, entry by entry."
    tensors = strata(shape).tensors
    model = flat_model(tensors)
    p, c = model.start(np.random.default_rng(0)), model.data.scale
    grounds = [np.broadcast_to(p.background(s), A.shape) for s, A in enumerate(tensors)]
    left = sum(((c * A - B) ** 2).sum() for A, B in zip(tensors, grounds))
    assert rest_square(model.data, p) == pytest.approx(left, rel=1e-9)
    core = np.concatenate(grounds)
    for F in (p.W, *p.H):  # the first mode goes last each time
        core = np.tensordot(core, F, (0, 0))
    np.testing.assert_allclose(background_core(p), core, rtol=1e-9)


def test_layers_of_an_hnmf_are_what_they_say():
    d = strata((9,))
    m = HNMF((4, 3, 2), first=first_layer((9,)), random_state=0).fit(d.tensors)
    for l in range(3):
        left = sum(((A - m.reconstruct(s, layer=l)) ** 2).sum() for s, A in enumerate(d.tensors))
        assert np.isclose(m.relative_error_[l], np.sqrt(left) / np.linalg.norm(d.X), rtol=1e-8)


@pytest.mark.parametrize('rule', RULES)
@pytest.mark.parametrize('labels', [False, True])
def test_the_error_of_all_layers_together(rule, labels):
    told = dict(zip(('y', 'known'), some_labels())) if labels else {}
    model = joint_model(strata((7, 6)).tensors, rule, **told)
    r = fit(model, max_iter=4)
    parts = [r.params.layer(M) for M in r.params.products]
    left = [sum(((A - p.full(s)) ** 2).sum() for s, A in enumerate(strata((7, 6)).tensors)) for p in parts]
    scaled = [W * model.data.scale for W in (r.params.strata.W, r.params.strata.V[0])]
    p = replace(r.params.strata, W=scaled[0], V=(scaled[1], *r.params.strata.V[1:]))
    p = replace(r.params, strata=p, classes=tuple(B / model.data.scale for B in r.params.classes))
    assert (model.label_loss(p) > 0) == labels
    whole = sum(left) / 2 + model.label_loss(p) / model.data.scale**2
    assert r.objective == pytest.approx(whole, rel=1e-9)
    assert r.relative_error == pytest.approx(
        np.sqrt(np.mean(left)) / np.linalg.norm(strata((7, 6)).X), rel=1e-9
    )


@pytest.mark.parametrize('shape', SHAPES)
def test_joint_is_never_worse_than_exact(shape):
    for seed in range(2):
        d, first = strata(shape, seed), first_layer(shape)
        runs = [
            MultiHNTF((4, 3, 2), first=first, train=t, max_iter=20, random_state=seed).fit(d.tensors)
            for t in ('exact', 'joint')
        ]
        exact, joint = (sum(e**2 for e in m.relative_error_) for m in runs)
        assert joint <= exact + 1e-12


def with_labels(m, d, y):
    "The objective of a hierarchy with labels, from what it shows."
    total = 0.0
    for l, B in enumerate(m.hierarchy_.classes):
        total += sum(((A - m.reconstruct(s, layer=l)) ** 2).sum() for s, A in enumerate(d.tensors))
        W = m.layers_[l].factors[0]
        total += m.label_weight * ((np.eye(2)[y] - W @ B.T) ** 2).sum()
    return total


@pytest.mark.parametrize('shape', SHAPES)
def test_joint_with_labels_is_never_worse_than_exact(shape):
    d, first = strata(shape), first_layer(shape)
    y = np.arange(21) % 2
    how = dict(first=first, max_iter=20, random_state=0, label_weight=3.0)
    exact, joint = (MultiHNTF((4, 3, 2), train=t, **how).fit(d.tensors, y) for t in ('exact', 'joint'))
    assert with_labels(joint, d, y) < with_labels(exact, d, y)
    assert all(B.shape == (2, r) for B, r in zip(joint.hierarchy_.classes, (4, 3, 2)))


@pytest.mark.parametrize('build', [HNMF, MultiHNTF])
def test_sparse_is_dense(build):
    tensors = [A * (A > np.median(A)) for A in strata((9,)).tensors]
    m, n = (
        build((4, 2), first=first_layer((9,)), random_state=0).fit(ts)
        for ts in (tensors, list(map(sp.csr_array, tensors)))
    )
    assert np.allclose(m.links_[1][0], n.links_[1][0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('build', [HNMF, MultiHNTF])
def test_order_of_samples_and_strata(build):
    d = strata((9,))
    mixed = np.random.default_rng(0).permutation(len(d.X))
    m = build((4, 2), first=first_layer((9,)), random_state=0).fit(d.X, strata=d.stratum)
    W = m.transform(d.X[mixed], strata=d.stratum[mixed])
    assert np.allclose(W, m.transform(d.X, strata=d.stratum)[mixed], rtol=1e-8)
    apart = m.transform({2: d.tensors[2], 0: d.tensors[0]})
    assert np.allclose(apart[1], m.transform(d.tensors[0], stratum=0))
    assert m.fit_transform(d.X, strata=d.stratum).shape == (21, 2)


@pytest.mark.parametrize('alpha', [0.0, 0.05])
def test_transform_of_layer_0_is_that_of_the_first(alpha):
    d = strata((7, 6))
    m = MultiHNTF((4, 2), first=first_layer((7, 6), alpha=alpha), random_state=0).fit(d)
    for s, W in enumerate(m.transform(d, layer=0)):
        assert np.allclose(W, m.first_.transform(d)[s] * m._gain, rtol=1e-9)
        assert np.allclose(W, m.hierarchy_.stratified(0).weights(s), rtol=1e-5, atol=1e-8)


FIRST = {
    'NMF': NMF(4, max_iter=20, random_state=0),
    'NMF kl': NMF(4, loss='kullback-leibler', max_iter=20, random_state=0),
    'NCPD': NCPD(4, max_iter=20, random_state=0),
    'StratifiedNMF': StratifiedNMF(4, max_iter=20, random_state=0),
    'StratifiedNMF kl': StratifiedNMF(4, loss='kullback-leibler', max_iter=20, random_state=0),
    'StratifiedNTF tv': StratifiedNTF(4, tv='component', tv_weight=0.1, max_iter=20, random_state=0),
    'StratifiedNTF none': StratifiedNTF(4, strata_rank=0, max_iter=20, random_state=0),
    'StratifiedNTF price': StratifiedNTF(4, topic_price=0.1, max_iter=20, random_state=0),
}


@pytest.mark.parametrize('name', FIRST)
@pytest.mark.parametrize('ready', [False, True])
def test_every_first_layer(name, ready):
    first, d = clone(FIRST[name]), strata((9,))
    X, how = (d.X, {}) if name.startswith('N') else (d.X, dict(strata=d.stratum))
    given = first.fit(X, **how) if ready else first
    kept = copy.deepcopy(vars(given))
    m = MultiHNTF((4, 2), first=given, random_state=0).fit(X, **how)
    assert set(vars(given)) == set(kept)
    assert m.transform(X, **how).shape == (21, 2) and 0 < m.score(X, **how) <= 1
    back = pickle.loads(pickle.dumps(m))
    assert np.array_equal(back.transform(X, **how), m.transform(X, **how))
    assert clone(m).first is not m.first


@pytest.mark.parametrize('mask', [False, True])
def test_missing_entries(mask):
    d, rng = strata((7, 6)), np.random.default_rng(0)
    seen = [rng.random(A.shape) < 0.8 for A in d.tensors]
    m = MultiHNTF((4, 2), first=first_layer((7, 6)), random_state=0)
    runs = [
        m.fit([np.where(s, A, fill) for s, A in zip(seen, d.tensors)], mask=seen).links_[1][0]
        for fill in (0, 1e9)
    ]
    assert np.array_equal(*runs)
    m.train = 'joint'
    with pytest.raises(ValueError, match='needs data without missing entries'):
        m.fit(d.tensors, mask=seen)


def test_an_interruption_keeps_what_is_there():
    class Stop(Callback):
        def after_sweep(self, state):
            raise KeyboardInterrupt

    d = strata((7, 6))
    m = MultiHNTF((4, 2), first=first_layer((7, 6)), train='joint', callbacks=[Stop()], random_state=0).fit(d)
    assert not m.status_[0].ok and len(m.layers_) == 2


# --- bad input ---


def test_a_penalty_that_moves_weights_takes_no_labels():
    "Classes share the weights, so their scale must stay; without labels it may change."
    d = strata((7, 6))
    model = flat_model(d.tensors)
    model = replace(model, penalties=tv_penalty(model.data, 'normalized', 0.1))
    p, y = fit(model, max_iter=5, seed=0).params, np.arange(21) % 2
    how = dict(train='joint', max_iter=2, n_init=1, link_iter=5, seed=0)
    with pytest.raises(ValueError, match='NormalizedTV changes the scale of weights'):
        strata_multi_hntf(model, p, (4, 2), labels=y, **how)
    assert len(strata_multi_hntf(model, p, (4, 2), **how)) == 2


def test_bad_input():
    d = strata((7, 6))
    first = first_layer((7, 6))
    for ranks, message in (
        ((4, 5), 'ranks must decrease'),
        ((3, 2), 'first has rank 4'),
        ((), 'ranks is empty'),
    ):
        with pytest.raises(ValueError, match=message):
            MultiHNTF(ranks, first=first).fit(d)
    with pytest.raises(
        TypeError, match='first must be None or one of NMF, NCPD, StratifiedNMF, StratifiedNTF'
    ):
        MultiHNTF((4, 2), first=HNMF()).fit(d)
    m = MultiHNTF((4, 2), first=first, random_state=0)
    with pytest.raises(Exception, match='is not fitted yet'):
        m.transform(d)
    assert not [name for name in vars(m) if name.endswith('_')]
    m.fit(d)
    with pytest.raises(
        ValueError, match="stratum must be one of 'stratum 1', 'stratum 2', 'stratum 3', not 'x'"
    ):
        m.transform(d.tensors[0], stratum='x')
    with pytest.raises(ValueError, match='samples of shape'):
        m.transform(d.tensors[0][:, :3], stratum='stratum 1')
    with pytest.raises(ValueError, match='layer must be one of 0 to 1'):
        m.transform(d, layer=2)
    with pytest.raises(ValueError, match='the first layer has shape'):
        MultiHNTF((4, 2), first=m.first_).fit([A[1:] for A in d.tensors])
    with pytest.raises(ValueError, match="X has the strata 'a', 'b', 'c'; first was fitted with"):
        MultiHNTF((4, 2), first=m.first_).fit(dict(zip('abc', d.tensors)))
    with pytest.raises(ValueError, match='stratum must be one of'):
        m.reconstruct('x')
    with pytest.raises(ValueError, match='this hierarchy has no strata'):
        MultiHNTF((3, 2)).fit(d.X).hierarchy_.stratified(0)


def test_planted_hierarchies_beat_one_without_strata():
    d = hierarchical_strata(0.1, seed=0)
    flat = flat_model(d.tensors, rank=7, ranks=(2,) * 5)
    h = strata_multi_hntf(flat, fit(flat, seed=0).params, (7, 4, 2), seed=0)
    plain = MultiHNTF((7, 4, 2), random_state=0).fit(d.X)
    clean = np.concatenate(d.truth['clean'])
    for l in range(3):
        ours = np.concatenate([h.stratified(l).full(s) for s in range(5)])
        assert np.linalg.norm(ours - clean) < np.linalg.norm(plain.layers_[l].cp.full() - clean)


# --- the same model said in another way (P4, P7 to P9, P11, P12, P20, P21) ---


def exact_layers(shape):
    "Strata whose layers of 4, 3 and 2 topics are all exact: topics that are alike are put together."
    N, rng = len(shape) + 1, np.random.default_rng(1)
    F = [rng.random((d, 2))[:, [0, 1, 1, 1]] for d in (21, *shape)]
    links = np.zeros((4, 3)), np.zeros((3, 2))
    links[0][0, 0] = links[0][1, 1] = links[1][0, 0] = 1
    links[0][2:, 2] = 2 ** (1 / N) / 2
    links[1][1:, 1] = 3 ** (1 / N) / (1 + 2 ** (1 / N))
    V = tuple(tuple(rng.random((d, 1)) for _ in range(3)) for d in shape)
    return F, links, V


def at(model, V, W, H, links):
    "Layers at the parameters given, those of the data."
    stacked = tuple(np.stack(v) for v in V)
    scale, old = model.data.scale, model.init.strata
    p = type(old)((stacked[0] * scale, *stacked[1:]), W * scale, H, old.offsets)
    return StrataLayers(p, tuple(links))


@pytest.mark.parametrize('rule', ['mu', 'hals'])
@pytest.mark.parametrize('shape', SHAPES)
def test_exact_layers_are_a_fixed_point(rule, shape):
    (W, *H), links, V = exact_layers(shape)
    X, cuts = CP((W, *H)).full(), ((0, 8), (8, 14), (14, 21))
    parts = [X[a:b] + CP((np.ones((b - a, 1)), *(v[s] for v in V))).full() for s, (a, b) in enumerate(cuts)]
    model = joint_model(parts, rule, ranks=(1, 1, 1))
    p = at(model, V, W, tuple(H), links)
    assert model.objective(p) < 1e-12 * model.data.square
    moved = model.sweep(p, 0)[0]
    for a, b in zip(arrays(p), arrays(moved)):
        assert abs(a - b).max() <= 1e-6 * abs(a).max()


def turned(model, p, modes=None, indices=None, components=None):
    "Parameters for data whose modes or indices, or topics, stand in another order."
    s = p.strata
    H, V, links = list(s.H), list(s.V), list(p.links)
    W = s.W
    if modes is not None:
        H, V = [H[k] for k in modes], [V[k] for k in modes]
    if indices is not None:
        H, V = [h[i] for h, i in zip(H, indices)], [v[:, i] for v, i in zip(V, indices)]
    if components is not None:
        W, H, links[0] = W[:, components], [h[:, components] for h in H], links[0][components]
    return StrataLayers(type(s)(tuple(V), W, tuple(H), s.offsets), tuple(links))


@pytest.mark.parametrize('rule', RULES)
def test_modes_indices_and_components_in_another_order(rule):
    tensors = strata((7, 6)).tensors
    model, rng = joint_model(tensors, rule), np.random.default_rng(2)
    p, order = model.init, [rng.permutation(7), rng.permutation(6)]
    swapped = joint_model([A.transpose(0, 2, 1) for A in tensors], rule)
    assert np.isclose(swapped.objective(turned(model, p, modes=[1, 0])), model.objective(p), rtol=1e-12)
    mixed = joint_model([A[:, order[0]][:, :, order[1]] for A in tensors], rule)
    said = [(mixed, dict(indices=order)), (model, dict(components=rng.permutation(4)))]
    for other, how in said[: 1 if rule == 'hals' else 2]:  # HALS goes through the components in turn
        a, b = p, turned(model, p, **how)
        for k in range(3):
            a, b = model.sweep(a, k)[0], other.sweep(b, k)[0]
        for x, y in zip(arrays(turned(model, a, **how)), arrays(b), strict=True):
            assert np.allclose(x, y, rtol=1e-9, atol=1e-9 * abs(x).max())


def test_a_stratum_in_two_with_the_same_features_is_one():
    tensors = strata((7, 6)).tensors
    model = joint_model(tensors, ranks=(2, 2, 2))
    s = model.init.strata
    again = joint_model([tensors[0][:3], tensors[0][3:], *tensors[1:]], ranks=(2, 2, 2, 2))
    V = tuple(np.concatenate([v[:1], v]) for v in s.V)
    p = StrataLayers(type(s)(V, s.W, s.H, again.init.strata.offsets), model.init.links)
    assert np.isclose(again.objective(p), model.objective(model.init), rtol=1e-12)


@pytest.mark.parametrize('rule', RULES)
def test_every_sample_twice_changes_no_topic(rule):
    tensors = strata((7, 6)).tensors
    one, two = joint_model(tensors, rule), joint_model([np.repeat(A, 2, axis=0) for A in tensors], rule)
    s, gain = one.init.strata, two.data.scale / one.data.scale
    twice = type(s)((s.V[0] * gain, *s.V[1:]), np.repeat(s.W * gain, 2, axis=0), s.H, two.init.strata.offsets)
    p, q = one.init, StrataLayers(twice, one.init.links)
    for k in range(4):
        p, q = one.sweep(p, k)[0], two.sweep(q, k)[0]
    for a, b in zip((*p.strata.H, *p.links), (*q.strata.H, *q.links)):
        assert np.allclose(a, b, rtol=1e-8, atol=1e-8 * abs(a).max())


@pytest.mark.parametrize('train', TRAIN)
def test_layouts_and_a_mask_of_ones_change_no_bit(train):
    d = strata((7, 6))
    how = dict(first=first_layer((7, 6)), train=train, **SHORT)
    want = MultiHNTF((4, 3, 2), **how).fit(d.tensors)
    fixed = [A.copy() for A in d.tensors]
    for A in fixed:
        A.flags.writeable = False
    for X in ([np.asfortranarray(A) for A in d.tensors], [np.repeat(A, 2, 0)[::2] for A in d.tensors], fixed):
        m = MultiHNTF((4, 3, 2), **how).fit(X)
        for a, b in zip(want.layers_, m.layers_):
            assert all(np.array_equal(f, g) for f, g in zip(a.factors, b.factors))
    m = MultiHNTF((4, 3, 2), **how).fit(d.tensors, mask=[np.ones(A.shape, bool) for A in d.tensors])
    for a, b in zip(want.layers_, m.layers_):
        assert all(np.array_equal(f, g) for f, g in zip(a.factors, b.factors))


# --- what is found, and what it does not depend on (P6, P10, P14 to P16, P18, P24) ---


def planted_links(shape, seed, noise=0.0):
    "Data whose layer 1 is exact, the model of their layer 0, which is given, and the links."
    rng, sizes, q = np.random.default_rng(seed), (9, 7, 8), 1
    F = balanced(CP(tuple(rng.random((n, 4)) ** 2 for n in (sum(sizes), *shape)))).factors
    V = tuple(rng.random((len(sizes), d, q)) for d in shape)
    link, cuts = 0.3 * rng.random((4, 2)) + np.repeat(np.eye(2), 2, axis=0), np.cumsum((0, *sizes))
    X = CP(tuple(f @ link for f in F)).full()
    uneven = rng.uniform(0.1, 10, 4)  # what a fit may say of the size of weights and topics
    p = Strata(V, F[0] * uneven, (F[1] / uneven, *F[2:]), tuple(map(int, cuts)))
    clean = [X[a:b] + p.background(s) for s, (a, b) in enumerate(zip(cuts, cuts[1:]))]
    tensors = [A + noise * A.mean() * abs(rng.standard_normal(A.shape)) for A in clean]
    return flat_model(tensors, rank=4, ranks=(q,) * 3), p, [f @ link for f in F]


@pytest.mark.parametrize('shape', [(7, 6), (4, 3, 5)])
def test_exact_links_are_found(shape):
    good = []
    for seed in range(20):
        model, p, F = planted_links(shape, seed)
        h = strata_multi_hntf(model, p, (4, 2), seed=seed)
        good.append(factor_match(h[1].factors, F) > 0.99 and h[1].relative_error < 1e-6)
    assert np.mean(good) >= 0.95


def test_links_get_worse_with_noise_and_never_beat_the_singular_values():
    found = {}
    for noise in (0.0, 0.3, 3.0):
        found[noise] = []
        for seed in range(5):
            model, p, F = planted_links((7, 6), seed, noise)
            h = strata_multi_hntf(model, p, (4, 2), seed=seed)
            found[noise].append(factor_match(h[1].factors, F))
            X = np.concatenate(model.data.arrays)
            values = np.linalg.svd(X.reshape(len(X), -1), compute_uv=False)
            for layer in h.layers:  # a rank-one background per stratum, and the topics
                rest = values[layer.rank + 3 :]
                assert layer.relative_error >= np.linalg.norm(rest) / np.linalg.norm(X) * (1 - 1e-9)
    a, b, c = map(np.median, found.values())
    assert a > b > c


def with_one_more(p, layer, seed=3):
    "The layers with one more small topic, which small links tie to the layers beside it."
    rng, strata, links = np.random.default_rng(seed), p.strata, list(p.links)
    small = lambda A, axis: np.concatenate(
        [A, 1e-6 * A.max() * rng.random([1 if k == axis else n for k, n in enumerate(A.shape)])], axis
    )
    if layer == 0:
        strata = replace(strata, W=small(strata.W, 1), H=tuple(small(h, 1) for h in strata.H))
    else:
        links[layer - 1] = small(links[layer - 1], 1)
    if layer < len(links):
        links[layer] = small(links[layer], 0)
    return StrataLayers(strata, tuple(links))


@pytest.mark.parametrize('layer', range(3))
@pytest.mark.parametrize('rule', RULES)
def test_one_topic_more_ends_no_higher(rule, layer):
    a = joint_model(strata((7, 6)).tensors, rule)
    p, value = a.init, a.objective(a.init)
    for k in range(12):
        p, value = a.sweep(p, k)
    q = with_one_more(p, layer)
    flat = replace(a.flat, rank=q.strata.W.shape[1])
    b = replace(a, init=q, rank=flat.rank, flat=flat)
    values = [b.objective(q)]
    assert values[0] == pytest.approx(value, rel=1e-3)
    for k in range(12, 24):
        q, new = b.sweep(q, k)
        values.append(new)
    assert (np.diff(values) <= 1e-12 * values[0]).all() and values[-1] < value


@pytest.mark.parametrize('rule', RULES)
@pytest.mark.parametrize('labels', [False, True])
def test_resumed_joint_training_is_not_interrupted(rule, labels, tmp_path):
    told = dict(zip(('y', 'known'), some_labels())) if labels else {}
    model = joint_model(strata((7, 6)).tensors, rule, **told)
    whole = fit(model, max_iter=8)
    fit(model, max_iter=3, callbacks=[Checkpoint(tmp_path / 'a')])
    again = fit(model, max_iter=8, resume=tmp_path / 'a')
    assert again.history.objective == whole.history.objective
    assert all(np.array_equal(a, b) for a, b in zip(arrays(again.params), arrays(whole.params)))


class Crash(Exception):
    "The program ends in the middle of a fit."


def test_a_resumed_estimator_is_the_same(tmp_path):
    class Crashing(Callback):
        def after_sweep(self, state):
            if state.k == 4:
                raise Crash

    d = strata((7, 6))
    m = MultiHNTF((4, 2), first=first_layer((7, 6)).fit(d), train='joint', **SHORT)
    whole = clone(m).set_params(first=m.first).fit(d)
    with pytest.raises(Crash):
        m.set_params(callbacks=[Crashing()]).fit(d, resume=tmp_path / 'a')
    again = m.set_params(callbacks=[]).fit(d, resume=tmp_path / 'a')
    for a, b in zip(whole.layers_, again.layers_):
        assert all(np.array_equal(f, g) for f, g in zip(a.factors, b.factors))


@pytest.mark.parametrize('shape', SHAPES)
def test_normal_forms_are_the_same_model(shape):
    d = strata(shape)
    m = MultiHNTF((4, 3, 2), first=first_layer(shape), **SHORT).fit(d.tensors)
    for l in range(3):
        plain, cp = m.hierarchy_.stratified(l), m.layers_[l].cp
        n = normalized(CP(tuple(cp.factors)))
        full = CP(tuple(cp.factors)).full()
        assert np.allclose(n.full(), full, rtol=0, atol=1e-12 * full.max())
        for s, A in enumerate(d.tensors):
            size = abs(A).max()
            assert np.allclose(even(plain).full(s), plain.full(s), rtol=0, atol=1e-12 * size)
            assert np.allclose(m.reconstruct(s, layer=l), plain.full(s), rtol=0, atol=1e-12 * size)


@pytest.mark.parametrize('train', TRAIN)
def test_units_of_the_data(train):
    d = strata((7, 6))
    how = dict(first=first_layer((7, 6)), train=train, **SHORT)
    want = MultiHNTF((4, 3, 2), **how).fit(d.tensors)
    same = MultiHNTF((4, 3, 2), **how).fit([2.0**-80 * A for A in d.tensors])
    assert same.relative_error_ == want.relative_error_
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(want.links_[1:], same.links_[1:]))
    other = MultiHNTF((4, 3, 2), **how).fit([1e30 * A for A in d.tensors])
    assert np.allclose(other.relative_error_, want.relative_error_, rtol=1e-6)


@pytest.mark.parametrize('rule', RULES)
def test_strata_in_another_order(rule):
    tensors, way = strata((7, 6)).tensors, [2, 0, 1]
    model = joint_model(tensors, rule, ranks=(2, 2, 2))
    cuts = model.flat.offsets
    other = joint_model([tensors[k] for k in way], rule, ranks=(2, 2, 2))
    rows = np.concatenate([np.arange(cuts[k], cuts[k + 1]) for k in way])
    turn = lambda p: StrataLayers(
        Strata(tuple(v[way] for v in p.strata.V), p.strata.W[rows], p.strata.H, other.init.strata.offsets),
        p.links,
    )
    p, q = model.init, turn(model.init)
    for k in range(4):
        p, q = model.sweep(p, k)[0], other.sweep(q, k)[0]
    for x, y in zip(arrays(turn(p)), arrays(q)):
        assert np.allclose(x, y, rtol=1e-8, atol=1e-8 * abs(x).max())


KINDS = {
    'HNMF': (lambda: HNMF((4, 2), first=first_layer((9,)), random_state=0), (9,)),
    'exact': (lambda: MultiHNTF((4, 2), first=first_layer((7, 6)), **SHORT), (7, 6)),
    'joint': (lambda: MultiHNTF((4, 2), first=first_layer((7, 6)), train='joint', **SHORT), (7, 6)),
}
each = pytest.mark.parametrize('kind', KINDS)


@each
def test_files_and_new_strata(kind, tmp_path):
    make, shape = KINDS[kind]
    d, new = strata(shape), strata(shape, seed=5).tensors[0]
    m = make().fit(d)
    save(tmp_path / 'a', m)
    back = load(tmp_path / 'a')
    for layer in (0, 1):
        pairs = [*zip(m.transform(d, layer=layer), back.transform(d, layer=layer))]
        (V, W), (V2, W2) = (x.new_stratum(new, 2, layer=layer) for x in (m, back))
        assert all(np.array_equal(a, b) for a, b in [*pairs, (W, W2), *zip(V, V2)])
        H, B = m.layers_[layer].factors[1:], CP((np.ones((1, 2)), *V)).full()
        left = new - B - CP((W, *H)).full()
        assert np.linalg.norm(left) < 0.6 * np.linalg.norm(new) and (W >= 0).all()
    for a, b in zip(m.layers_, back.layers_):
        assert all(np.array_equal(f, g) for f, g in zip(a.factors, b.factors))


@each
def test_single_precision_and_torch(kind):
    make, shape = KINDS[kind]
    d = strata(shape)
    want = make().fit(d.tensors)
    for dtype in (torch.float64, torch.float32):
        m = make().fit([torch.as_tensor(A, dtype=dtype) for A in d.tensors])
        assert all(f.dtype == dtype for layer in m.layers_ for f in layer.factors)
        assert all(
            W.dtype == dtype for W in m.transform([torch.as_tensor(A, dtype=dtype) for A in d.tensors])
        )
        assert np.allclose(m.relative_error_, want.relative_error_, rtol=0.02)
    m = make().fit([A.astype('f4') for A in d.tensors])
    assert all(f.dtype == np.float32 for layer in m.layers_ for f in layer.factors)
    assert np.allclose(m.relative_error_, want.relative_error_, rtol=0.02)


@each
def test_topics_in_order_are_the_same_hierarchy(kind):
    make, shape = KINDS[kind]
    d = strata(shape)
    h = make().fit(d.tensors).hierarchy_
    o = ordered(h)
    for l in range(2):
        for s, A in enumerate(d.tensors):
            got, want = o.stratified(l).full(s), h.stratified(l).full(s)
            assert np.allclose(got, want, rtol=0, atol=1e-12 * abs(A).max())
    for low, up in zip(o.layers, o.layers[1:]):
        ways = zip(low.factors, up.factors, up.links) if kind != 'HNMF' else ()
        assert all(np.allclose(f @ link, g, rtol=1e-10) for f, g, link in ways)


@each
def test_labels_go_with_their_samples(kind):
    make, shape = KINDS[kind]
    d = strata(shape)
    y = np.array(list('abc'))[np.argmax(d.truth['W'] if 'W' in d.truth else d.X.reshape(21, -1)[:, :3], 1)]
    fits = []
    for way in (np.arange(21), np.argsort(d.stratum, kind='stable')[::-1]):
        m = make().set_params(label_weight=5.0)
        m.fit(d.X[way], y[way], strata=np.asarray(d.stratum)[way])
        guess = m.predict(d.X[way], strata=np.asarray(d.stratum)[way])
        assert set(guess) <= set('abc')
        assert m.score(d.X[way], y[way], strata=np.asarray(d.stratum)[way]) == np.mean(guess == y[way])
        fits.append(m)
    apart = fits[0].predict(d.tensors)
    assert np.array_equal(np.concatenate(apart), fits[0].predict(d.X, strata=d.stratum))
