"""Seed words: descent, order, units, words that are found; merging and splitting, whatever the model."""

import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings, strategies as st
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from test_properties import run

from ntf_lit import NCPD, NMF, StratifiedNMF, StratifiedNTF, TopicBrowser
from ntf_lit.blocks import RULES
from ntf_lit.guided import PulledBlock, find_words, seed_penalty, word_mode
from ntf_lit.incoming import as_data, as_strata
from ntf_lit.init import move
from ntf_lit.merge_split import divided_node, divided_topic, merge_topics, split_topic, summed_nodes
from ntf_lit.merge_split import summed_topics
from ntf_lit.ncpd import NCPDModel, SupervisedModel, Targets
from ntf_lit.penalties import L1, L2, Fixed
from ntf_lit.stratified import StrataModel
from ntf_lit.tables import topic_shares, topic_terms
from ntf_lit.tensor import COO
from ntf_lit.texts import text_tensor
from ntf_lit.views import view

pytestmark = pytest.mark.filterwarnings('ignore:mask hides')
FORMS = 'dense', 'sparse', 'masked', 'torch', 'single', 'strata', 'labelled'


@st.composite
def problems(draw):
    "Data of some form, their size, seeds of some topics, a rule, and how hard the seeds pull."
    form = draw(st.sampled_from(FORMS))
    order = 2 if form == 'labelled' else draw(st.integers(2, 4))
    shape = tuple(draw(st.integers(4, 7)) for _ in range(order))
    rank = draw(st.integers(1, 4))
    mode = draw(st.integers(1, order - 1))
    word = st.integers(0, shape[mode] - 1)
    seeds = draw(st.lists(st.lists(word, min_size=1, max_size=3, unique=True), min_size=1, max_size=rank))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    size = 10.0 ** draw(st.integers(-8, 8))
    weight = draw(st.sampled_from([0.01, 1.0, 30.0]))
    return (
        form,
        size * (0.05 + rng.random(shape)),
        rank,
        mode,
        seeds,
        weight,
        draw(st.sampled_from(list(RULES))),
        rng,
    )


def model_of(form, X, rank, mode, seeds, weight, rule, rng, extra=()):
    "The model, with other penalties before the seeds if there are any."
    if form == 'strata':
        data, offsets = as_strata([X[:2], X[2:]])
    else:
        forms = dict(
            sparse=lambda: COO(np.array(X.nonzero()), X.ravel(), X.shape),
            torch=lambda: torch.from_numpy(X),
            single=lambda: X.astype(np.float32),
        )
        data = as_data(forms.get(form, lambda: X)(), rng.random(X.shape) < 0.8 if form == 'masked' else None)
    own = (*extra, seed_penalty(data, seeds, rank, mode, weight))
    if form == 'strata':
        return StrataModel(
            data, rank, rule, penalties=own, strata_rank=(1, 2), offsets=tuple(map(int, offsets))
        )
    if form == 'labelled':
        labels = Targets(rng.random((len(X), 2)), np.arange(len(X)) > 1, float((X**2).sum()))
        return SupervisedModel(data, rank, rule, penalties=own, labels=labels)
    return NCPDModel(data, rank, rule, penalties=own)


@given(problems(), st.booleans())
@settings(max_examples=120)
def test_the_objective_never_rises(problem, more):
    form, X, rank, mode, *rest = problem
    order = X.ndim
    extra = (L2((0.1,) * order), L1((0.01,) * order)) if more else ()
    model = model_of(*problem, extra)
    digits = 2e-4 if form == 'single' else 1e-9
    values = [s.objective for s in run(model, 10, 0)]
    assert np.isfinite(values).all()
    for a, b in zip(values, values[1:]):
        assert b <= a * (1 + digits)


@given(problems())
def test_prices_starts_and_bounds_are_what_they_say(problem):
    form, X, rank, mode, seeds, weight, rule, rng = problem
    data = model_of(*problem).data
    own = seed_penalty(data, seeds, rank, mode, weight)
    digits = 1e-4 if form == 'single' else 1e-9
    filled = X if form != 'masked' else np.where(data.mask, X, 0)
    squares = [(np.take(filled, S, mode) ** 2).sum() for S in seeds] + [0] * (rank - len(seeds))
    want = np.array(squares) * weight * data.scale**2
    assert np.allclose(np.asarray(own.price), want, rtol=digits, atol=0)
    norms = lambda F: np.linalg.norm(np.asarray(F), axis=0)
    drawn = [move(rng.random((d, rank)) + 0.1, data.like) for d in X.shape]
    for F, G in zip(drawn, own.begun(data, drawn)):
        assert np.allclose(norms(F), norms(G), rtol=1e-4 if form == 'single' else 1e-9)
    target = np.asarray(own.target, float)
    A, C = rng.random((9, rank)), rng.random(target.shape)
    q = PulledBlock(A.T @ A, C, None, target, rng.random(rank) * 9)
    here = rng.random(C.shape)
    bound, left = q.bound(here), lambda B: q.bound(here).value(B) - q.value(B)
    for B in (here + 0.3 * rng.standard_normal(C.shape), rng.random(C.shape), 9 * rng.random(C.shape)):
        assert left(B) >= left(here) - 1e-9 * (1 + abs(bound.value(B)))


@given(problems(), st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_seeds_in_another_order_are_topics_in_another_order(problem, random):
    form, X, rank, mode, seeds, weight, rule, rng = problem
    if form in ('strata', 'labelled', 'masked', 'single'):
        form = 'dense'
    order = list(range(rank))
    head = order[: len(seeds)]
    random.shuffle(head)
    order[: len(seeds)] = head
    init = [rng.random((d, rank)) for d in X.shape]
    for rule in ('mu', 'nnls'):  # HALS goes through the columns in their order
        found = []
        for columns, words in ((list(range(rank)), seeds), (order, [seeds[j] for j in head])):
            model = model_of(form, X, rank, mode, words, weight, rule, rng)
            start = NCPDModel(
                model.data, rank, rule, init=[f[:, columns] for f in init], penalties=model.penalties
            )
            p = run(start, 4, 0)[-1].params
            found.append([np.asarray(f) for f in p.factors])
        for f, g in zip(*found):
            size = abs(f).max() + 1e-300
            assert abs(f[:, order] - g).max() <= 1e-5 * size


def test_a_number_without_units():
    rng = np.random.default_rng(0)
    X = rng.random((20, 12)) * (rng.random((20, 12)) < 0.6)
    kw = dict(rank=3, seeds=[[0, 1], [5]], seed_weight=2.0, max_iter=400, tol=1e-12)
    W, H = rng.random((20, 3)), rng.random((12, 3))
    profile = lambda m: m.components_ / m.components_.sum(1, keepdims=True)
    once = profile(NMF(init=[W, H], **kw).fit(X))
    for c in (1e-7, 3e8):
        assert np.allclose(profile(NMF(init=[c * W, H], **kw).fit(c * X)), once, atol=1e-6)
    twice = NMF(init=[np.vstack([W, W]), H], **kw).fit(np.vstack([X, X]))
    assert np.allclose(profile(twice), once, atol=1e-6)
    sparse = NMF(init=[W, H], **kw).fit(sp.csr_array(X))
    assert np.allclose(profile(sparse), once, atol=1e-6)


@given(st.integers(2, 5), st.data())
def test_words_are_known_by_the_mode_they_stand_in(order, draw):
    "By themselves, by the mode's name or number, or by a vocabulary of its size."
    shape = [4 + k for k in range(order)]
    labels = [[f'{k}{i}' for i in range(d)] for k, d in enumerate(shape)]
    k = draw.draw(st.integers(1, order - 1))
    words = [draw.draw(st.lists(st.sampled_from(labels[k]), min_size=1)) for _ in range(2)]
    modes = [f'mode {t}' for t in range(order)]
    for vocabulary in (None, k, f'mode {k}', labels[k]):
        assert word_mode(words, shape, modes, labels, vocabulary) == (k, labels[k])
    found = find_words(words, labels[k], shape[k])
    assert [{labels[k][i] for i in S} for S in found] == [set(S) for S in words]


def test_topics_of_a_fixed_part_are_not_pulled():
    rng = np.random.default_rng(0)
    X, H = rng.random((9, 8)), rng.random((8, 3))
    m = NMF(3, init=[None, H], fixed={1: [0]}, seeds=[[0], [1]], random_state=0).fit(X)
    assert np.array_equal(m.components_[0], H[:, 0])
    cos = lambda h, i: h[i] / np.linalg.norm(h)
    assert cos(m.components_[1], 1) > 0.5
    data = as_data(X)
    both = (seed_penalty(data, [[0], [1]], 3), Fixed({1: [0]}))
    model = NCPDModel(data, 3, init=[rng.random((9, 3)), H], penalties=both)
    p = model.start(rng)
    first = model.kkt(p)
    for k in range(200):
        p, _ = model.sweep(p, k)
    assert model.kkt(p) < 1e-3 * first


def test_names_of_seeds_name_topics_everywhere():
    X = pd.DataFrame(np.random.default_rng(0).random((9, 6)), columns=list('abcdef'))
    m = NMF(3, seeds={'first': ['a', 'b'], 'second': ['f']}, random_state=0).fit(X)
    v = view(m, X)
    assert v.names[:2] == ('first', 'second') and v.names[2] not in ('first', 'second')
    assert view(m, X, names={0: 'mine'}).names[0] == 'mine'
    assert 'second' in str(topic_shares(v)) and topic_terms(v, 'first')
    assert list(TopicBrowser(m, X, front='core').names_) == list(v.names)
    assert pickle.loads(pickle.dumps(m)).topic_names_ == m.topic_names_
    plain = NMF(3, random_state=0).fit(X)
    assert plain.topic_names_ == {} and view(plain, X).names != v.names
    assert clone(m).get_params()['seeds'] == m.seeds


def test_settings_can_be_searched():
    X = np.random.default_rng(0).random((12, 6))
    grid = GridSearchCV(
        NMF(2, seeds=[[0]], max_iter=5, random_state=0), dict(seed_weight=[0.0, 1.0, 10.0]), cv=2
    )
    assert grid.fit(X).best_params_['seed_weight'] in (0.0, 1.0, 10.0)


TEXTS = ['goal team goal', 'team goal won', 'court judge law', 'judge court', 'bread price', 'price of bread']


def test_words_are_found_in_every_container():
    seeds = [['goal', 'team'], ['judge']]
    data = text_tensor(TEXTS, stop_words=None)
    words = list(data.labels['term'])
    X = data.X
    dense = np.asarray(X.todense()) if sp.issparse(X) else np.asarray(X)
    fits = [
        NMF(3, seeds=seeds, random_state=0).fit(data),
        NMF(3, seeds=seeds, random_state=0).fit(pd.DataFrame(dense, columns=words)),
        NMF(3, seeds=seeds, random_state=0, vocabulary=words).fit(dense),
        NMF(3, seeds=seeds, random_state=0, vocabulary={w: i for i, w in enumerate(words)}).fit(dense),
        NMF(3, seeds=[[words.index(w) for w in S] for S in seeds], random_state=0).fit(dense),
    ]
    for m in fits[1:]:
        assert np.allclose(m.components_, fits[0].components_, atol=1e-8)
    strata = text_tensor(TEXTS, list('aabbab'), stop_words=None)
    m = StratifiedNMF(2, seeds=dict(law=['court']), random_state=0).fit(strata)
    assert view(m, strata).names[0] == 'law'


# --- Merging and splitting ---


@st.composite
def fitted(draw):
    "A fitted estimator, its data, and what fit was given besides."
    kind = draw(st.sampled_from([NMF, NCPD, StratifiedNMF, StratifiedNTF]))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    shape = tuple(draw(st.integers(4, 7)) for _ in range(2 if kind in (NMF, StratifiedNMF) else 3))
    X = 10.0 ** draw(st.integers(-6, 6)) * (rng.random(shape) * (rng.random(shape) < 0.8) + 0.01)
    rank = draw(st.integers(2, 4))
    strata = dict(strata=np.arange(len(X)) % 2) if kind in (StratifiedNMF, StratifiedNTF) else {}
    how = draw(st.sampled_from(['plain', 'sparse', 'torch', 'costly', 'kl'])) if not strata else 'plain'
    X = sp.csr_array(X) if how == 'sparse' and X.ndim == 2 else torch.from_numpy(X) if how == 'torch' else X
    kl = dict(loss='kullback-leibler', solver='mu')
    kw = {'costly': dict(alpha_W=1e-9) if kind is NMF else dict(alpha=1e-3), 'kl': kl}.get(how, {})
    return kind(rank, random_state=0, max_iter=25, **kw).fit(X, **strata), X, strata


@given(fitted(), st.data())
@settings(max_examples=max(16, settings.default.max_examples // 3), deadline=None)
def test_a_refit_never_ends_above_its_start(case, draw):
    model, X, how = case
    topics = draw.draw(st.lists(st.integers(0, model.rank - 1), min_size=2, max_size=model.rank, unique=True))
    before = pickle.dumps(model)
    merged = merge_topics(model, X, topics, **how)
    assert merged.rank == model.rank - len(topics) + 1
    assert merged.objective_ <= merged.history_.objective[0] * (1 + 1e-8)
    parts = split_topic(model, X, topics[0], n_init=2, sweeps=5, random_state=0, **how)
    assert parts.rank == model.rank + 1
    assert parts.objective_ <= model.objective_ * (1 + 1e-7)
    assert pickle.dumps(model) == before  # the old model is as it was
    assert merged.get_params(deep=False).keys() == model.get_params(deep=False).keys()
    assert (merged.solver, merged.init) == (model.solver, model.init)


@given(st.integers(2, 5), st.integers(0, 2**31))
def test_sums_and_divisions_keep_what_they_should(rank, seed):
    rng = np.random.default_rng(seed)
    F = [rng.random((d, rank)) for d in (6, 4, 3)]
    full = lambda F: np.einsum('ir,jr,kr->ijk', *F)
    assert np.allclose(full(divided_topic(F, rank - 1, rng)), full(F), rtol=1e-12)
    G, at = summed_topics(F, [0, rank - 1])
    for mode in range(3):  # no mass is lost, at any index of any mode
        rest = tuple(k for k in range(3) if k != mode)
        assert np.allclose(full(G).sum(rest), full(F).sum(rest), rtol=1e-12)
    assert at == [0, *range(1, rank - 1), 0] and G[0].shape[1] == rank - 1


def test_merged_and_split_models_are_models_like_others():
    data = text_tensor(TEXTS, list('aabbab'), stop_words=None)
    m = StratifiedNMF(3, seeds=dict(sport=['goal'], law=['court']), random_state=0).fit(data)
    merged, parts = (
        merge_topics(m, data, ['sport', 'law'], name='both'),
        split_topic(m, data, 'law', n_init=2),
    )
    assert merged.topic_names_ == {0: 'both'} and parts.topic_names_ == m.topic_names_
    assert merged.labels_ == m.labels_ and merged.strata_ == m.strata_
    for model, rank in ((merged, 2), (parts, 4)):
        v = view(model, data)
        assert v.rank == rank and sum(row[0] is not None for row in topic_shares(v).rows) == rank
        browser = TopicBrowser(model, data, front='core')
        assert list(browser.names_) == list(v.names)
        for W, s in zip(model.transform(dict(zip(data.strata, data.tensors))), range(2)):
            assert np.allclose(W, model.weights_[s], atol=1e-8)
    again = merge_topics(parts, data, [1, 3])
    assert again.rank == 3 and again.objective_ <= again.history_.objective[0]


def test_what_is_fixed_stays_fixed():
    rng = np.random.default_rng(0)
    X, H = rng.random((12, 8)), rng.random((8, 4))
    m = NMF(4, init=[None, H], fixed={1: [1]}, random_state=0).fit(X)
    merged, parts = merge_topics(m, X, [0, 2]), split_topic(m, X, 3, n_init=2)
    assert np.array_equal(merged.components_[1], H[:, 1]) and np.array_equal(parts.components_[1], H[:, 1])
    assert merged.fixed == {1: [1]} and merge_topics(m, X, [2, 3]).fixed == {1: [1]}
    assert merged.fit(X).rank == 3  # its settings can be fitted again


def test_masks_and_weights_come_again():
    rng = np.random.default_rng(0)
    X = rng.random((30, 4)) @ rng.random((4, 20)) + rng.random((30, 20))
    seen = rng.random(X.shape) < 0.9
    for how in (dict(mask=seen), dict(weights=seen + 0.1), dict(sample_weight=1 + rng.random(30))):
        m = NMF(4, random_state=0, max_iter=50).fit(X, **how)
        merged = merge_topics(m, X, [1, 2], **how)
        assert merged.objective_ <= merged.history_.objective[0] * (1 + 1e-9)
        parts = split_topic(m, X, 0, n_init=2, random_state=0, **how)
        assert parts.objective_ <= parts.history_.objective[0] * (1 + 1e-9) and parts.n_iter_ > 0


def test_the_ridge_stays():
    "Also where with one topic less there is so much for each parameter that none would be chosen."
    rng = np.random.default_rng(0)
    X, mask = rng.random((60, 50)), rng.random((60, 50)) < 0.95
    m, plenty = (NMF(r, random_state=0, max_iter=30).fit(X, mask=mask) for r in (3, 2))
    assert m.ridge_ > 0 == plenty.ridge_
    for other in (
        merge_topics(m, X, [0, 1], mask=mask),
        split_topic(m, X, 0, n_init=1, random_state=0, mask=mask),
    ):
        assert other.ridge_ == m.ridge_


@given(st.integers(0, 1), st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_nodes_put_together_pass_on_what_their_parts_do(layer, seed):
    "What comes into them and what goes out of them stays; halves of a node have it between them."
    rng = np.random.default_rng(seed)
    links, ranks = [rng.random((4, 3)), rng.random((3, 2))], (4, 3, 2)
    sizes, nodes = rng.random(ranks[layer]) + 0.1, [0, 2]
    rest = [j for j in range(ranks[layer]) if j not in nodes]
    new = summed_nodes(links, layer, nodes, sizes)
    whole = np.array([sizes[nodes].sum(), *sizes[rest]])
    np.testing.assert_allclose(whole @ new[layer], sizes @ links[layer])
    np.testing.assert_allclose(new[layer][1:], links[layer][rest])
    half = rng.random(ranks[layer - 1]) if layer else 0.5
    two = divided_node(links, layer, 1, half, 1 - half)
    np.testing.assert_array_equal(two[layer][[1, -1]], links[layer][[1, 1]])
    if layer:
        np.testing.assert_allclose(new[0].sum(1), links[0].sum(1))
        np.testing.assert_allclose(new[0][:, 1:], links[0][:, rest])
        np.testing.assert_allclose(two[0][:, 1] + two[0][:, -1], links[0][:, 1])
        np.testing.assert_array_equal(two[0][:, [0, 2]], links[0][:, [0, 2]])


@pytest.mark.parametrize('topic', [0, 1, 2])
def test_other_topics_stay_while_one_is_divided(topic):
    "With no sweep over all of them afterwards they are as they were."
    X = np.random.default_rng(0).random((12, 9))
    m = NMF(3, random_state=0, max_iter=20).fit(X).set_params(max_iter=0)
    new = split_topic(m, X, topic, n_init=2, sweeps=4, random_state=0)
    unit = lambda H: H / H.sum(1, keepdims=True)
    others = [j for j in range(3) if j != topic]
    before, after = unit(m.components_), unit(new.components_)
    np.testing.assert_allclose(after[others], before[others], rtol=1e-9, atol=1e-12)
    assert abs(after[topic] - before[topic]).max() > 1e-3
