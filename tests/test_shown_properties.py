"""What is shown is true: every table, figure, payload and page against the model added up entry by entry."""

import base64
import itertools
import json
import math
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import assume, given, settings, strategies as st

matplotlib.use('Agg')
import matplotlib.pyplot as plt

from ntf_lit import plots, tables
from ntf_lit.browser_data import Samples, course_over_time, page_data, periods, shrunk, topic_contents
from ntf_lit.browser_state import first_state, listed_topics, put_together
from ntf_lit.hierarchy_browser import HierarchyBrowser, outline
from ntf_lit.merge_split import summed_topics
from ntf_lit.result import CP, Hierarchy, History, Layer, Strata
from ntf_lit.strata_estimators import StratifiedNMF
from ntf_lit.tensor import COO
from ntf_lit.topic_browser import TopicBrowser, topic_html
from ntf_lit.views import ORDERS, in_order_of, profiles, relevance, tree, view

WORDS = 'tax war gold peace farm ship bank law road mill'.split()
PLACES = 'front middle back end'.split()
STRATA = 'east west north'.split()
NAMES = 'blue red green black'.split()


# --- models, and all that they say, added up ---


class Shown(NamedTuple):
    "A view, and the model it is of as one tensor per component."

    view: object
    parts: np.ndarray  # (components, samples, ...): topics first, then the features of each stratum
    stratum: np.ndarray  # Of every sample
    data: np.ndarray  # What the corpus is: the data observed, or the model
    rank: int


def tensors(W, H, V, stratum):
    "The model entry by entry: one tensor per topic and per feature."
    outer = lambda columns: math.prod(np.ix_(*columns))
    topics = [outer([W[:, j], *(h[:, j] for h in H)]) for j in range(W.shape[1])]
    S, q = V[0].shape[0], V[0].shape[2]
    features = [
        outer([(stratum == s).astype(float), *(v[s, :, f] for v in V)]) for s in range(S) for f in range(q)
    ]
    shape = len(W), *map(len, H)
    return np.array([*topics, *features]).reshape(-1, *shape)


def random_factor(rng, zeros, *shape):
    "Columns of many sizes with zeros in them, none of zeros alone."
    F = rng.random(shape) + 0.01
    F = F * ((rng.random(shape) >= zeros) | (F == F.max(-2, keepdims=True)))
    return F * rng.lognormal(size=(1,) * (len(shape) - 1) + shape[-1:])


@st.composite
def raw_models(draw, most=4):
    "(weights, topics, strata features, sizes of the strata)."
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sizes = draw(st.lists(st.integers(1, most), min_size=1, max_size=3))
    shape = [draw(st.integers(1, 3)) for _ in range(draw(st.integers(0, 1)))] + [draw(st.integers(2, 8))]
    rank, q, zeros = draw(st.integers(1, 4)), draw(st.integers(0, 2)), draw(st.sampled_from([0.0, 0.3]))
    W, *H = (random_factor(rng, zeros, d, rank) for d in (sum(sizes), *shape))
    V = [random_factor(rng, zeros, len(sizes), d, q) for d in shape]
    if draw(st.booleans()):  # a topic that is nothing
        for F in (W, *H):
            F[:, -1] = 0
    return W, H, V, sizes, rng


def labels_of(H):
    return dict(
        zip(
            ['place', 'term'][-len(H) :],
            [PLACES[: len(h)] if len(H) - k > 1 else WORDS[: len(h)] for k, h in enumerate(H)],
        )
    )


def seen_data(kind, X, offsets, rng):
    "(data and mask as a person passes them, what was observed of them)."
    observed = rng.random(X.shape) < 0.7
    observed[0] = True
    if kind == 'none':
        return {}, X
    if kind == 'sparse':
        X = X * observed
        return dict(data=sp.csr_array(X) if X.ndim == 2 else COO(np.array(X.nonzero()), X[X > 0], X.shape)), X
    if kind == 'masked':
        return dict(data=np.where(observed, X, 7.0), mask=observed), X * observed
    return dict(data=[X[a:b] for a, b in zip(offsets, offsets[1:])]), X


def as_shown(W, H, V, sizes, rng=None, data='none', names=None, strata=STRATA, labels=None, samples=None):
    "A view of a stratified model, or of one without features and a label per sample."
    stratum, offsets = np.repeat(np.arange(len(sizes)), sizes), np.cumsum([0, *sizes])
    parts = tensors(W, H, V, stratum)
    called = dict(
        labels=labels or labels_of(H),
        names=names or NAMES[: W.shape[1]],
        samples=samples or [f'{"abcdefghijkl"[i]} paper' for i in range(len(W))],
    )
    given_data, X = {}, parts.sum(0)
    if data != 'none':
        given_data, X = seen_data(data, X * rng.uniform(0.5, 2, X.shape), offsets, rng)
    if V[0].shape[2]:
        model = Strata(tuple(V), W, tuple(H), tuple(map(int, offsets)))
        v = view(model, **given_data, strata=list(strata[: len(sizes)]), **called)
    else:
        labelled = dict(strata=[strata[s] for s in stratum]) if len(sizes) > 1 else {}
        v = view([W, *H], **given_data, **labelled, **called)
        stratum = np.array([v.strata.index(strata[s]) if labelled else 0 for s in stratum])
    return Shown(v, parts, stratum, X if data != 'none' else parts.sum(0), W.shape[1])


@st.composite
def models(draw, **sizes):
    "Models with strata, features, tensors, zeros; with dense, sparse, masked data or none."
    W, H, V, sizes, rng = draw(raw_models(**sizes))
    return as_shown(W, H, V, sizes, rng, draw(st.sampled_from(['none', 'dense', 'sparse', 'masked'])))


def over(T, k):
    "The sums of a tensor at every index of a mode."
    return T.sum(axis=tuple(a for a in range(T.ndim) if a != k))


def ratio(a, b):
    return a / b if b else 0.0 * a


def profile(m, c, k):
    return ratio(over(m.parts[c], k), m.parts[c].sum())


def corpus(m, k):
    return ratio(over(m.data, k), m.data.sum())


def share(m, c, at=slice(None)):
    "What part of some samples a component makes up."
    return ratio(m.parts[c][at].sum(), m.parts[:, at].sum())


def saliency(m, c, k):
    "P(w) P(c|w) log(P(c|w)/P(c)), for every index w of a mode."
    joint = np.array([over(p, k) for p in m.parts]) / (m.parts.sum() or 1)
    P_c = joint.sum(1)[c]
    with np.errstate(all='ignore'):
        given_w = joint[c] / joint.sum(0)
        return np.where(joint[c] > 0, joint[c] * np.log(given_w / P_c), 0)


def order_key(m, c, k, order, lam):
    "What a list of terms is ordered by, -inf where it has none of the component."
    p, common = profile(m, c, k), corpus(m, k)
    common = np.where(common > 0, common, p)
    with np.errstate(all='ignore'):
        keys = dict(
            relevance=lam * np.log(p) + (1 - lam) * np.log(p / common),
            probability=p,
            saliency=saliency(m, c, k),
        )
    return np.where(p > 0, keys[order], -np.inf)


def first(key, n):
    "The largest keys in order, -inf left out."
    return np.sort(key[key > -np.inf])[::-1][:n]


def features_of(m, s):
    q = m.view.sizes.shape[1]
    return range(m.rank + s * q, m.rank + (s + 1) * q)


def background(m, at=slice(None)):
    return sum(share(m, c, at) for c in range(m.rank, len(m.parts)))


def close(a, b, rtol=1e-9, atol=1e-12):
    a, b = np.asarray(a, float), np.asarray(b, float)
    assert a.shape == b.shape
    np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)


# --- shares and masses ---


@given(models())
def test_shares_are_those_of_the_model_added_up(m):
    v, S = m.view, range(len(m.view.strata))
    inside = [m.stratum == s for s in S]
    close(v.shares, [share(m, j) for j in range(m.rank)])
    close(v.mass, [m.parts[j].sum() for j in range(m.rank)])
    close(v.masses, [[m.parts[j][at].sum() for j in range(m.rank)] for at in inside])
    close(v.total, m.parts.sum())
    close(v.stratum_masses, [m.parts[:, at].sum() for at in inside])
    close(v.stratum_shares, [[share(m, j, at) for j in range(m.rank)] for at in inside])
    close(v.feature_shares, [[share(m, c, at) for c in features_of(m, s)] for s, at in enumerate(inside)])
    close(v.sample_masses, [m.parts[:, i].sum() for i in range(len(m.stratum))])
    close(v.weights, [[m.parts[j][i].sum() for j in range(m.rank)] for i in range(len(m.stratum))])


@given(models())
def test_table_of_shares(m):
    "Topics and backgrounds are one whole, in the model and in every stratum; the largest topic stands first."
    v, t = m.view, tables.topic_shares(m.view)
    topics, grounds = [r for r in t if r['rank']], [r for r in t if not r['rank']]
    assert [r['rank'] for r in topics] == list(range(1, m.rank + 1))
    close([r['share'] for r in topics], sorted((share(m, j) for j in range(m.rank)), reverse=True))
    for r in topics:
        assert r['name'] == v.names[r['topic']]
        close(r['share'], share(m, r['topic']))
    assert [r['name'] for r in grounds] == [f'background of {s}' for s in v.strata if v.sizes.shape[1]]
    for s, r in enumerate(grounds):
        close(r['share'], sum(m.parts[c].sum() for c in features_of(m, s)) / (m.parts.sum() or 1))
    close(sum(t['share']), 1.0 if m.parts.any() else 0.0)
    for s, name in enumerate(v.strata if len(v.strata) > 1 else ()):
        at = m.stratum == s
        close([r[f'in {name}'] for r in topics], [share(m, r['topic'], at) for r in topics])
        own = [r[f'in {name}'] for r in grounds]
        assert [x is None for x in own] == [r['name'] != f'background of {name}' for r in grounds]
        total = sum(x for x in t[f'in {name}'] if x is not None)
        close(total, 1.0 if m.parts[:, at].any() else 0.0)


@given(models())
def test_table_of_features(m):
    v, t = m.view, tables.feature_table(m.view, words=4)
    assert len(t) == v.sizes.size
    for r in t:
        s = v.strata.index(r['stratum'])
        c = features_of(m, s)[r['feature']]
        close(r['share'], share(m, c, m.stratum == s))
        for k in range(1, len(v.modes)):
            p = profile(m, c, k)
            if k != v.term_mode and r['share'] > 0:
                close(p[v.labels[k].index(r[f'mostly at {v.modes[k]}'])], p.max())
        key = order_key(m, c, v.term_mode, 'relevance', 0.6)
        close([key[v.labels[v.term_mode].index(w)] for w in r['words']], first(key, 4))
    for s in v.strata:
        shares = [r['share'] for r in t if r['stratum'] == s]
        assert shares == sorted(shares, reverse=True)
        assert tables.feature_table(v, s).rows == tuple(r for r in tables.feature_table(v).rows if r[0] == s)


@given(models())
def test_samples_divide_among_topics_and_background(m):
    v, t = m.view, tables.sample_topics(m.view)
    for i, row in enumerate(t.rows):
        assert row[:2] == (v.labels[0][i], v.strata[m.stratum[i]])
        close(row[2:], [*(share(m, j, [i]) for j in v.order), background(m, [i])])
        close(sum(row[2:]), 1.0 if m.parts[:, i].any() else 0.0)
        assert tables.sample_topics(v, i).rows == (row,)


@given(models(), st.data())
def test_typical_samples(m, draw):
    v, j = m.view, draw.draw(st.integers(0, m.rank - 1))
    s = draw.draw(st.sampled_from([None, *range(len(v.strata))]))
    inside = m.stratum == s if s is not None else np.ones(len(m.stratum), bool)
    w = np.where(inside, over(m.parts[j], 0), 0)
    t = tables.typical_samples(v, j, 3, stratum=s)
    close(t['weight'], np.sort(w[w > 0])[::-1][:3])
    for r in t:
        i = v.labels[0].index(r[v.modes[0]])
        close(r['weight'], m.parts[j][i].sum())
        close(r['part'], share(m, j, [i]))
        assert r['stratum'] == v.strata[m.stratum[i]]
    best = Samples((v,)).best(j, -1 if s is None else s, 3)
    close([x['weight'] for x in best], t['weight'], rtol=1e-3)
    close([x['part'] for x in best], t['part'], rtol=1e-3)
    assert [(x['name'], v.strata[x['stratum']]) for x in best] == [row[:2] for row in t.rows]


# --- terms ---


@given(models(), st.data())
def test_terms_of_every_component_in_every_mode(m, draw):
    v, lam, order = m.view, draw.draw(st.floats(0, 1)), draw.draw(st.sampled_from(ORDERS))
    k, c = draw.draw(st.integers(0, len(v.modes) - 1)), draw.draw(st.integers(0, len(m.parts) - 1))
    how = dict(mode=k, n=draw.draw(st.integers(1, 9)), order=order, lam=lam)
    if c < m.rank:
        t = tables.topic_terms(v, c, **how)
    else:
        s, f = divmod(c - m.rank, v.sizes.shape[1])
        t = tables.feature_terms(v, v.strata[s], f, **how)
    p, common, key = profile(m, c, k), corpus(m, k), order_key(m, c, k, order, lam)
    at = [v.labels[k].index(w) for w in t[v.modes[k]]]
    assert len(set(at)) == len(at)
    close(t['probability'], p[at])
    close(t['corpus'], common[at])
    close(t['lift'], [p[i] / common[i] if common[i] > 0 else np.inf for i in at])
    if c >= m.rank and k == 0 and order == 'saliency':
        return  # samples of a stratum all have the same of a feature: their order is that of rounding
    close(t[t.columns[-1]], key[at], rtol=1e-7, atol=1e-9)
    close(key[at], first(key, how['n']), rtol=1e-7, atol=1e-9)


@given(models(), st.data())
def test_the_ends_of_lambda_are_the_two_known_orders(m, draw):
    v, j = m.view, draw.draw(st.integers(0, m.rank - 1))
    for k in range(len(v.modes)):
        p, common = profile(m, j, k), corpus(m, k)
        likely, lifted = (tables.topic_terms(v, j, k, 99, lam=lam) for lam in (1, 0))
        assert sorted(likely['probability'], reverse=True) == likely['probability']
        known = [x for x in lifted['lift'] if x < np.inf]
        close(known, sorted(known, reverse=True))
        assert (
            set(likely[v.modes[k]]) == set(lifted[v.modes[k]]) == {v.labels[k][i] for i in np.flatnonzero(p)}
        )
        with np.errstate(all='ignore'):
            close(relevance(p, common, 1)[p > 0], np.log(p[p > 0]))
            live = (p > 0) & (common > 0)
            close(relevance(p, common, 0)[live], np.log(p[live] / common[live]), atol=1e-9)


@given(models(), st.data())
def test_what_explains_a_term(m, draw):
    v, k = m.view, draw.draw(st.integers(0, len(m.view.modes) - 1))
    i = draw.draw(st.integers(0, v.shape[k] - 1))
    t = tables.term_topics(v, i, k)
    names = [*v.names, *(f'{s}, feature {f}' for s in v.strata for f in range(v.sizes.shape[1]))]
    mass = np.array([over(p, k)[i] for p in m.parts])
    assert len(t) == (mass > 0).sum() and t['part'] == sorted(t['part'], reverse=True)
    for r in t:
        c = names.index(r['name'])
        assert r['topic'] == (c if c < m.rank else None)
        close(r['part'], mass[c] / mass.sum())
        close(r['probability'], profile(m, c, k)[i])
    if mass.any():
        close(sum(t['part']), 1)


@given(models())
def test_salient_terms(m):
    v = m.view
    for k in range(len(v.modes)):
        t = tables.salient_terms(v, k, 4)
        whole = sum(saliency(m, c, k) for c in range(len(m.parts)))
        mass = np.array([over(p, k) for p in m.parts])
        close(t['saliency'], np.sort(whole)[::-1][: len(t)], rtol=1e-7, atol=1e-9)
        assert len(t) >= min(4, (whole > 1e-9).sum())
        for r in t:
            i = v.labels[k].index(r[v.modes[k]])
            close(r['saliency'], whole[i], rtol=1e-7, atol=1e-9)
            close(r['corpus'], corpus(m, k)[i])
            names = [*v.names, *(f'{s}, feature {f}' for s in v.strata for f in range(v.sizes.shape[1]))]
            close(mass[names.index(r['mostly']), i], mass[:, i].max())


@given(models())
def test_matrix_of_terms(m):
    v, M = m.view, tables.term_matrix(m.view, 5)
    k, total = v.term_mode, m.parts[: m.rank].sum()
    assert sorted(M.topics) == list(range(m.rank)) and M.names == tuple(v.names[j] for j in M.topics)
    want = [[over(m.parts[j], k)[v.labels[k].index(w)] / total for j in M.topics] for w in M.terms]
    close(M.values, np.reshape(want, M.values.shape))


@given(models())
def test_drivers_add_up_to_the_match(m):
    "What an index contributes: the sample's entries there, times the topic's profile, added up."
    assume(m.view.data)
    v = m.view
    for i, j in itertools.product(range(v.shape[0]), range(m.rank)):
        match = m.data[i] * math.prod(np.ix_(*(profile(m, j, k) for k in range(1, len(v.modes)))))
        found = tables.drivers(v, j, i)
        assert len(found) == match.ndim
        for k, d in enumerate(found):
            close(d, over(match, k))
            close(d.sum(), match.sum())
        t = tables.typical_samples(v, j, v.shape[0], words=3)
        row = next((r for r in t if r[v.modes[0]] == v.labels[0][i]), None)
        if row:
            d = over(match, v.term_mode - 1)
            close([d[v.labels[v.term_mode].index(w)] for w in row['words']], np.sort(d[d > 0])[::-1][:3])


# --- order changes nothing but order ---


def facts(m):
    "All that the tables say, by names and not by place."
    v, out = m.view, {}

    def keep(table, t, *key):
        for r in t:
            out[table, *(r[x] for x in key)] = {
                name: frozenset(x) if isinstance(x, tuple) else x
                for name, x in r.items()
                if name not in ('rank', 'topic', 'feature') and not name.startswith('mostly')
            }

    keep('shares', tables.topic_shares(v, 99), 'name')
    keep('salient', tables.salient_terms(v, 'term', 99), 'term')
    named_only = lambda t: [{c.split(': ')[-1]: x for c, x in r.items()} for r in t]
    keep('samples', named_only(tables.sample_topics(v)), v.modes[0])
    for name in v.names:
        for mode in v.modes:
            keep(f'{name} in {mode}', tables.topic_terms(v, name, mode, 99), mode)
        keep(f'typical {name}', tables.typical_samples(v, name, 99, words=99), v.modes[0])
    for word in v.labels[v.term_mode]:
        topics = [r for r in tables.term_topics(v, word) if r['name'] in v.names]
        keep(f'term {word}', topics, 'name')
    for s in v.strata:
        t = tables.feature_table(v, s, 99)
        out['features', s] = sorted((r['share'], sorted(r['words'])) for r in t)
    return out


def same(a, b, what=()):
    if isinstance(a, dict):
        assert a.keys() == b.keys(), what
        return [same(a[key], b[key], (*what, key)) for key in a]
    if isinstance(a, float):
        assert a == pytest.approx(b, rel=1e-7, abs=1e-9), what
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b), what
        return [same(x, y, what) for x, y in zip(a, b)]
    else:
        assert a == b, what


@given(raw_models(), st.sampled_from(['topics', 'features', 'samples', 'strata', 'words', 'modes']))
@settings(max_examples=40)
def test_order_changes_nothing_but_order(raw, what):
    W, H, V, sizes, rng = raw
    samples, words = [f'{"abcdefghijkl"[i]} paper' for i in range(len(W))], labels_of(H)
    names, strata = NAMES[: W.shape[1]], STRATA[: len(sizes)]
    before = as_shown(W, H, V, sizes)
    turn = lambda values, at: [values[i] for i in at]
    if what == 'topics':
        at = rng.permutation(W.shape[1])
        W, H, names = W[:, at], [h[:, at] for h in H], turn(names, at)
    elif what == 'features':
        at = rng.permutation(V[0].shape[2])
        V = [v[:, :, at] for v in V]
    elif what == 'samples':
        at = np.concatenate([a + rng.permutation(n) for a, n in zip(np.cumsum([0, *sizes]), sizes)])
        W, samples = W[at], turn(samples, at)
    elif what == 'strata':
        at, start = rng.permutation(len(sizes)), np.cumsum([0, *sizes])
        rows = np.concatenate([np.arange(start[s], start[s + 1]) for s in at])
        W, V, samples, sizes, strata = (
            W[rows],
            [v[at] for v in V],
            turn(samples, rows),
            turn(sizes, at),
            turn(strata, at),
        )
    elif what == 'words':
        at = rng.permutation(len(H[-1]))
        H, V = [*H[:-1], H[-1][at]], [*V[:-1], V[-1][:, at]]
        words = words | dict(term=turn(words['term'], at))
    else:
        H, V, words = H[::-1], V[::-1], dict(reversed(words.items()))
    after = as_shown(W, H, V, sizes, names=names, strata=strata, labels=words, samples=samples)
    same(facts(before), facts(after))


@given(models(), st.randoms(use_true_random=False))
def test_put_in_the_order_of_another(m, random):
    "A view whose words and samples stand in another order, put back: every number as it was."
    v, shuffled = m.view, lambda n: random.sample(range(n), n)
    turned = v
    for k in range(len(v.modes)):
        other = replace(turned, labels=tuple(x if i != k else tuple(x[j] for j in shuffled(len(x)))
                                             for i, x in enumerate(turned.labels)))  # fmt: skip
        turned = in_order_of(turned, other, samples=True)
        assert turned.labels == other.labels
    names = [*v.labels[0]]
    close(turned.sample_masses, [v.sample_masses[names.index(n)] for n in turned.labels[0]])
    again = in_order_of(turned, v, samples=True)
    assert again.labels == v.labels and (again.stratum == v.stratum).all()
    pairs = [(again.weights, v.weights), *zip(again.topics, v.topics), *zip(again.features, v.features)]
    for a, b in [*pairs, *zip(again.corpus, v.corpus)]:
        np.testing.assert_array_equal(a, b)
    for k in range(len(v.modes)):
        at = [v.labels[k].index(w) for w in turned.labels[k]]
        close(turned.corpus[k], corpus(m, k)[at])


@given(raw_models())
def test_sizes_that_a_model_keeps_apart(raw):
    W, H, _, _, rng = raw
    sizes = rng.random(W.shape[1]) * 9
    apart, whole = view(CP((W, *H), sizes)), view([W * sizes, *H])
    close(apart.weights, whole.weights)
    close(apart.shares, whole.shares)


@given(st.integers(0, 2**32 - 1), st.lists(st.sampled_from('abc'), min_size=4, max_size=9))
@settings(max_examples=10)
def test_samples_of_strata_that_alternate(seed, labels):
    "They come back in the order of the data, each with its own weights, stratum and background."
    X = np.random.default_rng(seed).random((len(labels), 5))
    est = StratifiedNMF(2, strata_rank=1, random_state=seed % 100, max_iter=4).fit(X, strata=labels)
    v = view(est, X)
    assert [v.strata[s] for s in v.stratum] == labels
    place = dict.fromkeys('abc', 0)
    for i, s in enumerate(labels):
        model = est.reconstruct(s)[place[s]]
        weights = est.weights_[est.strata_.index(s)][place[s]] * est.topics_[0].sum(0)
        close(v.sample_masses[i], model.sum())
        close(v.weights[i], weights, atol=1e-9)
        place[s] += 1
    close(v.corpus[1], X.sum(0) / X.sum())


# --- two views ---


def cosine(a, b):
    n = np.linalg.norm(a) * np.linalg.norm(b)
    return a @ b / n if n else 0.0


@given(raw_models(), st.integers(2, 4), st.integers(1, 4))
def test_agreement_and_stability(raw, n, rank):
    W, H, V, sizes, rng = raw
    a = as_shown(W, H, V, sizes).view
    others = [
        view([random_factor(rng, 0.2, d, rank) for d in a.shape], labels=labels_of(H), names=NAMES[:rank])
        for _ in range(n)
    ]
    each = []
    for b in others:
        C = np.array(
            [
                [
                    math.prod(cosine(p[:, i], q[:, j]) for p, q in zip(a.topics, b.topics))
                    for j in range(b.rank)
                ]
                for i in range(a.rank)
            ]
        )
        close(tables.agreement(a, b), C)
        close(tables.agreement(b, a), C.T)
        t = tables.match_topics(a, b)
        pairs = [(r['topic'], r['partner']) for r in t if r['partner'] is not None]
        small, large = sorted((a.rank, b.rank))
        best = max(
            sum(C[i, j] if a.rank <= b.rank else C[j, i] for i, j in enumerate(p))
            for p in itertools.permutations(range(large), small)
        )
        assert len(pairs) == small == len({j for _, j in pairs})
        close(sum(C[i, j] for i, j in pairs), best)
        close(t['agreement'], [0.0 if r['partner'] is None else C[r['topic'], r['partner']] for r in t])
        assert all(r['partner'] is None or r['name of partner'] == b.names[r['partner']] for r in t)
        each.append(t['agreement'])
    t, each = tables.stability([a, *others]), np.array(each)
    close(t['mean agreement'], each.mean(0)[t['topic']])
    close(t['lowest'], each.min(0)[t['topic']])
    lowest, mean = np.array(t['lowest']), np.array(t['mean agreement'])
    assert (lowest <= mean + 1e-12).all() and (mean <= each.max(0)[t['topic']] + 1e-12).all()


@given(raw_models(), st.integers(1, 4))
def test_runs_compared_on_the_page(raw, rank):
    W, H, V, sizes, rng = raw
    a = as_shown(W, H, [v[:, :, :0] for v in V], [len(W)]).view
    b = view(
        [random_factor(rng, 0.2, d, rank) for d in a.shape], labels=labels_of(H), samples=list(a.labels[0])
    )
    page = page_data([a, b])
    for x, y in itertools.product(range(2), range(2)):
        close(page.similar[x][y], tables.agreement([a, b][x], [a, b][y]), rtol=0.06, atol=1e-9)
        partners = tables.match_topics([a, b][x], [a, b][y])['partner']
        assert page.match[x][y] == [-1 if p is None else p for p in partners]
    close(page.share, [*a.shares, *b.shares], rtol=1e-3)
    assert [(s['first'], s['count']) for s in page.sets] == [(0, a.rank), (a.rank, b.rank)]


@given(models(), models(), st.data())
def test_best_samples_of_every_run(a, b, draw):
    "Topics are numbered through all runs."
    j = draw.draw(st.integers(0, b.rank - 1))
    found = Samples((a.view, b.view)).best(a.rank + j, -1, 4)
    w = over(b.parts[j], 0)
    close([x['weight'] for x in found], np.sort(w[w > 0])[::-1][:4], rtol=1e-3)
    assert [x['name'] for x in found] == tables.typical_samples(b.view, j, 4)[b.view.modes[0]]


# --- merging ---


def joined(m, groups):
    "The same model with one component per group of topics."
    return m._replace(
        parts=np.array([*(sum(m.parts[j] for j in g) for g in groups), *m.parts[m.rank :]]), rank=len(groups)
    )


@given(models(), st.data())
def test_a_merged_topic_is_the_sum_of_its_parts(m, draw):
    at = draw.draw(st.lists(st.integers(0, 1), min_size=m.rank, max_size=m.rank))
    groups = [g for g in ([j for j in range(m.rank) if at[j] == x] for x in range(2)) if g]
    merged = put_together(m.view, groups)
    want = joined(m, groups)
    close(merged.mass, [p.sum() for p in want.parts[: want.rank]])
    close(merged.total, m.parts.sum())
    close(merged.weights, np.transpose([over(p, 0) for p in want.parts[: want.rank]]))
    for k in range(1, len(merged.modes)):
        close(merged.topics[k - 1], np.transpose([profile(want, j, k) for j in range(want.rank)]))
    for s in range(len(merged.strata)):
        close(merged.stratum_shares[s], [share(want, j, m.stratum == s) for j in range(want.rank)])
    largest = [max(g, key=lambda j: m.parts[j].sum()) for g in groups]
    assert [m.parts[j].sum() for j in largest] == [m.parts[m.view.names.index(n)].sum() for n in merged.names]


@given(raw_models(), st.data())
def test_summed_topics_keep_the_mass_and_mix_the_profiles(raw, draw):
    W, H, _, _, _ = raw
    assume(W.shape[1] > 1)
    topics = draw.draw(st.permutations(range(W.shape[1])))[: draw.draw(st.integers(2, W.shape[1]))]
    factors, at = summed_topics([W, *H], list(topics))
    old, new = (view(list(f)) for f in ([W, *H], factors))
    assert new.rank == W.shape[1] - len(topics) + 1 and len(set(at[j] for j in topics)) == 1
    close(new.mass, [old.mass[[j for j in range(old.rank) if at[j] == g]].sum() for g in range(new.rank)])
    g = at[topics[0]]
    part = ratio(old.mass[list(topics)], old.mass[list(topics)].sum())
    for k in range(len(H)):
        close(new.topics[k][:, g], old.topics[k][:, list(topics)] @ part)
    close(new.weights[:, g], old.weights[:, list(topics)].sum(1))
    for j in set(range(old.rank)) - set(topics):
        for F, G in zip([W, *H], factors):
            close(F[:, j], G[:, at[j]])


# --- over time ---


@given(models(), st.data())
def test_topics_and_background_are_one_whole_in_every_period(m, draw):
    v = m.view
    times = draw.draw(
        st.lists(st.sampled_from([1990, 1991, 1995, None]), min_size=v.shape[0], max_size=v.shape[0])
    )
    assume(any(t is not None for t in times))
    found = course_over_time(v, times)
    assert found['labels'] == sorted({str(t) for t in times if t is not None})
    for b, label in enumerate(found['labels']):
        at = np.array([str(t) == label for t in times])
        assert found['all'][b] == bool(m.parts[:, at].any())
        total = [found['total'][j][b] for j in range(m.rank)]
        close(total, [share(m, j, at) for j in range(m.rank)], rtol=5e-3, atol=1e-6)
        if m.parts[:, at].any():
            close(sum(total) + background(m, at), 1, rtol=1e-2)
        for s in range(len(v.strata)):
            inside = at & (m.stratum == s)
            assert found['has'][s][b] == bool(m.parts[:, inside].any())
            close(
                [found['v'][j][s][b] for j in range(m.rank)],
                [share(m, j, inside) for j in range(m.rank)],
                rtol=5e-3,
                atol=1e-6,
            )


# --- what travels to the page, and what stands there ---


@given(models())
def test_payload(m):
    v, page = m.view, page_data(m.view)
    S = range(len(v.strata))
    close(page.share, [share(m, j) for j in range(m.rank)], rtol=1e-3)
    close(page.shares, [[share(m, j, m.stratum == s) for j in range(m.rank)] for s in S], rtol=1e-3)
    assert page.names == list(v.names) and page.strata == list(v.strata)
    for of in page.modes:
        k = v.modes.index(of['name'])
        at = [v.labels[k].index(w) for w in of['items']]
        inside = [over(m.parts[:, m.stratum == s].sum(0), k) for s in S]
        if k == 0:
            inside = [np.where(m.stratum == s, over(m.parts.sum(0), 0), 0) for s in S]
        models_own = over(m.parts.sum(0), k)
        want = [corpus(m, k), *(inside if len(S) > 1 else []), models_own]
        close(of['corpus'][0], [ratio(w, w.sum())[at] for w in want], rtol=5e-3, atol=1e-9)
        for j, entries in enumerate(of['p']):
            p = profile(m, j, k)
            where = [at[x] for x in entries.get('at', range(len(at)))]
            close(entries['v'], p[where], rtol=5e-3)
            close(sum(entries['v']), p.sum(), rtol=5e-3)
    for s in S:
        found = page.features[0][s]
        want = [share(m, c, m.stratum == s) for c in features_of(m, s)]
        close([f['share'] for f in found], sorted((x for x in want if x > 0), reverse=True), rtol=1e-3)


@given(models())
def test_words_of_the_features_in_the_payload(m):
    "The largest feature first, each with the words of its own stratum."
    v, page = m.view, page_data(m.view)
    k = v.term_mode
    for s in range(len(v.strata)):
        of = sorted(features_of(m, s), key=lambda c: -share(m, c, m.stratum == s))
        for c, found in zip(of, page.features[0][s]):
            [words] = [x['top'] for x in found['modes'] if x and 'top' in x][:1] or [None]
            key = order_key(m, c, k, 'relevance', 0.6)
            if words is not None and v.modes[k] == page.modes[0]['name']:
                close([key[v.labels[k].index(w)] for w in words], first(key, 9))


@given(st.integers(1, 1200), st.integers(0, 99))
@settings(max_examples=20)
def test_a_long_mode_in_bins(d, seed):
    "Every index is in one bin, which is called after its first."
    rng = np.random.default_rng(seed)
    v = view([rng.random((3, 2)), rng.random((d, 2))], labels=dict(time=[f'{i} s' for i in range(d)]))
    [mode] = [x for x in page_data(v, kinds=dict(time='ordered')).modes if x['name'] == 'time']
    begin = [int(x.split()[0]) for x in mode['items']]
    assert begin[0] == 0 and begin == sorted(set(begin)) and len(begin) == min(d, 400)
    for j in range(2):
        close(mode['p'][j]['v'], [p.sum() for p in np.split(v.topics[0][:, j], begin[1:])], rtol=5e-3)
    close(mode['corpus'][0][0], [p.sum() for p in np.split(v.corpus[1], begin[1:])], rtol=5e-3)


@given(st.integers(2, 5), st.integers(2, 5), st.booleans(), st.integers(0, 99))
def test_a_picture_of_two_modes(high, wide, turned, seed):
    "Rows from above, columns from the left, whichever mode comes first; its curves are those two."
    rng = np.random.default_rng(seed)
    F = [rng.random((d, 2)) for d in (3, *((wide, high) if turned else (high, wide)))]
    names = dict(down=[f'{i} nm' for i in range(high)], along=[f'{i} s' for i in range(wide)])
    v = view(F, labels=dict(reversed(names.items())) if turned else names)
    page = page_data(v, kinds={('down', 'along'): None})
    [mode] = [x for x in page.modes if x['kind'] == 'image']
    down, along = (v.topics[v.modes.index(name) - 1] for name in ('down', 'along'))
    assert mode['shape'] == [high, wide]
    if 'across' in mode:
        assert [page.modes[k]['name'] for k in mode['across']] == ['down', 'along']
    for j in range(2):
        p = np.outer(down[:, j], along[:, j]).ravel()
        grey = np.frombuffer(base64.b64decode(mode['img'][j]), np.uint8)
        close(grey, 255 * p / p.max(), rtol=0, atol=0.5 + 1e-9)


@given(st.lists(st.integers(-300, 3000), min_size=1, max_size=60), st.booleans(), st.integers(2, 30))
def test_numbers_in_periods(times, halves, most):
    "Each is in the period whose name is the last that is not above it."
    times = [t + 0.5 for t in times] if halves else times
    labels, at, _ = periods(times, most)
    begin = [float(x) for x in labels]
    assert begin == sorted(begin) and len(labels) <= most + 1
    for t, b in zip(times, at):
        assert 0 <= b < len(labels)
        slack = 1e-5 * max(map(abs, [*begin, 1]))  # of six digits
        assert begin[b] - slack <= t and (b + 1 == len(begin) or t < begin[b + 1] + slack)


@given(st.lists(st.integers(0, 4000), min_size=2, max_size=40, unique=True), st.integers(2, 30))
def test_days_in_periods(days, most):
    "Weeks begin on Mondays, months on their first day; every day is in its own."
    dates = [str(np.datetime64('1999-12-01') + d) for d in days]
    labels, at, said = periods(dates, most)
    assert len(labels) <= most
    if not said:
        return
    begin = [np.datetime64(x) for x in labels]
    for d, b in zip(dates, at):
        assert begin[b] <= np.datetime64(d) and (b + 1 == len(begin) or np.datetime64(d) < begin[b + 1])
    if 'week' in said:
        assert all(np.datetime64(x).astype(object).weekday() == 0 for x in labels)


@given(st.integers(1, 80), st.integers(2, 20), st.randoms())
def test_counted_names_in_periods(n, most, random):
    names = [f'day {i}' for i in range(n)]
    given_names = names * 2
    random.shuffle(given_names)
    labels, at, _ = periods(given_names, most)
    begin = [names.index(x) for x in labels]
    assert begin[0] == 0 and begin == sorted(begin) and len(begin) <= most
    for name, b in zip(given_names, at):
        i = names.index(name)
        assert begin[b] <= i and (b + 1 == len(begin) or i < begin[b + 1])


@given(models())
def test_pictures_of_the_payload(m):
    "Grey is the share of the largest entry, in 255 steps."
    v = m.view
    k, d = v.term_mode, v.shape[v.term_mode]
    page = page_data(v, kinds={v.modes[k]: (1, d)})
    [mode] = [x for x in page.modes if x['kind'] == 'image']
    for j in range(m.rank):
        grey = np.frombuffer(base64.b64decode(mode['img'][j]), np.uint8)
        p = profile(m, j, k)
        close(grey, 255 * p / (p.max() or 1), rtol=0, atol=0.5 + 1e-9)
        close(mode['top'][j], p.max(), rtol=5e-3)


class Cells(HTMLParser):
    "The rows of all tables in HTML."

    def __init__(self, text):
        super().__init__()
        self.tables, self.inside = [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.inside = tag in ('td', 'span') and (self.inside or tag == 'td')
        if tag == 'tbody':
            self.tables.append([])
        elif tag == 'tr' and self.tables:
            self.tables[-1].append([])
        elif tag == 'td':
            self.tables[-1][-1].append('')

    def handle_endtag(self, tag):
        self.inside = self.inside and tag != 'td'

    def handle_data(self, text):
        if self.inside:
            self.tables[-1][-1][-1] += text


@given(models(), st.data())
@settings(max_examples=20)
def test_the_twin_without_javascript(m, draw):
    "Its words are in the order chosen, its shares those of the model, its strata compared both ways."
    v, b = m.view, TopicBrowser(m.view, front='core')
    lam, order = draw.draw(st.sampled_from([0.0, 0.6, 1.0])), draw.draw(st.integers(0, 2))
    j, s = draw.draw(st.integers(0, m.rank - 1)), draw.draw(st.integers(-1, len(v.strata) - 1))
    assert b.act('select', topic=j) and b.act('lam', value=lam) and b.act('order', order=order)
    assert b.act('stratum', stratum=s) and b.act('mode', mode=0)
    key = order_key(m, j, v.term_mode, ORDERS[order], lam)
    terms = list(filter(None, Cells(topic_html(b)).tables[0]))
    at = [v.labels[v.term_mode].index(row[0]) for row in terms]
    close(key[at], first(key, 16), rtol=1e-7, atol=1e-9)
    assert [row[1] for row in terms] == [f'{profile(m, j, v.term_mode)[i]:.2%}' for i in at]
    chosen = slice(None) if s < 0 else m.stratum == s
    w = np.where(m.stratum == s, over(m.parts[j], 0), 0) if s >= 0 else over(m.parts[j], 0)
    typical = re.findall(r'<p><b>([^<]*)</b> \(([^,]*), (\d+%)\)', topic_html(b))
    samples = [v.labels[0].index(name) for name, _, _ in typical] if len(m.stratum) > 1 else []
    close(w[samples], np.sort(w[w > 0])[::-1][:3] if len(m.stratum) > 1 else [])
    assert [t[1] for t in typical[: len(samples)]] == [v.strata[m.stratum[i]] for i in samples]
    assert all(abs(int(t[2][:-1]) - 100 * share(m, j, [i])) < 0.51 for t, i in zip(typical, samples))
    want = {i: share(m, i, chosen) for i in range(m.rank)}
    listed = b.listed()
    close([x for _, x in listed], [want[i] for i, _ in listed], rtol=1e-3)
    assert [x for _, x in listed] == sorted((x for _, x in listed), reverse=True)
    assert [label.split()[0] for label, _ in b.front.topics.options] == [str(i) for i, _ in listed]
    assert [label.split()[-1] for label, _ in b.front.topics.options] == [f'{x:.1%}' for _, x in listed]
    for x, y in itertools.permutations(range(len(v.strata)), 2):
        t, back = b.compare_strata(x, y), b.compare_strata(y, x)
        for r in t:
            there = next(q for q in back if q['topic'] == r['topic'])
            close(r['difference'], -there['difference'])
            close(
                r['difference'],
                share(m, r['topic'], m.stratum == x) - share(m, r['topic'], m.stratum == y),
                2e-3,
                2e-4,
            )
            close(
                [r[f'in {v.strata[x]}'], r[f'in {v.strata[y]}']], [there[f'in {v.strata[z]}'] for z in (x, y)]
            )
        assert t['difference'] == sorted(t['difference'], reverse=True)
    b.close()


@given(models(), st.data())
@settings(max_examples=20)
def test_edits_keep_what_they_do_not_touch(m, draw):
    "Merged: the sum. Hidden: gone, the others as they were. Taken back: as before."
    v = m.view
    assume(m.rank > 1)
    b = TopicBrowser(v, front='core')
    i, j = draw.draw(st.permutations(range(m.rank)))[:2]
    assert b.act('merge', topic=i, into=j)
    rest = [x for x in range(m.rank) if x != i]
    groups = [[x, i] if x == j else [x] for x in rest]
    want = joined(m, groups)
    for s in range(-1, len(v.strata)):
        at = slice(None) if s < 0 else m.stratum == s
        close([b.share(x, s) for x in rest], [share(want, g, at) for g in range(want.rank)], rtol=1e-3)
    edited = b.edited()
    close(edited.mass, [p.sum() for p in want.parts[: want.rank]])
    close(edited.topics[-1], np.transpose([profile(want, g, edited.term_mode) for g in range(want.rank)]))
    assert edited.names == tuple(v.names[x] for x in rest)
    assert b.act('undo') and b.act('hide', topic=i)
    close(b.edited().mass, [m.parts[x].sum() for x in rest])
    assert b.act('undo')
    close(b.edited().mass, v.mass)
    assert b.edited().names == v.names and b.state.merged == tuple(range(m.rank))
    b.close()


HARNESS = """
import {createInterface} from 'node:readline';
for await (const line of createInterface({input: process.stdin})) {
  const {data, commands, topics, mode} = JSON.parse(line);
  const state = commands.reduce((s, c) => m.reduce(data, s, c), m.initial(data));
  const each = topics.map(i => ({
    rows: m.rows(data, state, i, mode), share: m.share(data, state, i), members: m.members(state, i),
    profile: m.profile(data, state, i, mode),
    ...(data.up && {up: m.parents(data, i), down: m.children(data, i)}),
    ...(data.up && {own: m.nodeRows(data, state, i, mode)})}));
  console.log(JSON.stringify({each, listed: m.listed(data, state)}));
}
"""


@pytest.fixture(scope='module')
def page(tmp_path_factory):
    "Asks the page's own module what it would show."
    node = shutil.which('node') or pytest.skip('no node here, which runs the page')
    folder = tmp_path_factory.mktemp('page')
    uris = [
        Path(str(files('ntf_lit') / f'static/browser/{name}.js')).as_uri() for name in ('state', 'layout')
    ]
    modules = ', '.join(f"...await import('{uri}')" for uri in uris)
    (folder / 'ask.mjs').write_text(f'const m = {{{modules}}};\n{HARNESS}')
    process = subprocess.Popen(
        [node, folder / 'ask.mjs'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding='utf-8'
    )

    def ask(data, *commands, topics=None, mode=0):
        topics = list(range(len(data['share']))) if topics is None else topics
        process.stdin.write(json.dumps(dict(data=data, commands=commands, topics=topics, mode=mode)) + '\n')
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    yield ask
    process.communicate(timeout=10)


@given(models(), st.data())
def test_the_page_itself(page, m, draw):
    "Words, their order, shares and lists of the page are those of the model, stratum by stratum."
    v = m.view
    lam, order = draw.draw(st.sampled_from([0.0, 0.6, 1.0])), draw.draw(st.integers(0, 2))
    s, k = draw.draw(st.integers(-1, len(v.strata) - 1 if len(v.strata) > 1 else -1)), v.term_mode
    data = json.loads(json.dumps(page_data(v).to_dict()))
    found = page(
        data, dict(cmd='lam', value=lam), dict(cmd='order', order=order), dict(cmd='stratum', stratum=s)
    )
    at = slice(None) if s < 0 else m.stratum == s
    there = m._replace(data=m.parts[:, at].sum(0)) if s >= 0 else m
    for j, one in enumerate(found['each']):
        close(one['share'], share(m, j, at), rtol=1e-3)
        rows = [v.labels[k].index(data['modes'][0]['items'][r['item']]) for r in one['rows']]
        close([r['p'] for r in one['rows']], profile(m, j, k)[rows], rtol=1e-3)
        close([r['corpus'] for r in one['rows']], corpus(there, k)[rows], rtol=5e-3, atol=1e-9)
        key = order_key(there, j, k, ORDERS[order], lam)
        if order < 2:  # saliencies are small differences, and what travels has four digits
            close(key[rows], first(key, 99), rtol=1e-2, atol=1e-2)
        else:
            assert len(rows) == (key > -np.inf).sum()
    want = {j: share(m, j, at) for j in range(m.rank)}
    close([x['share'] for x in found['listed']], [want[x['id']] for x in found['listed']], rtol=1e-3)
    close([x['share'] for x in found['listed']], sorted(want.values(), reverse=True), rtol=1e-3)


@given(models(), st.data())
def test_topics_of_a_word(page, m, draw):
    "A search lists topics by their part of a word's mass in the whole model; page and Python say the same."
    v, k = m.view, m.view.term_mode
    word = draw.draw(st.sampled_from(v.labels[k]))
    contents = topic_contents(v, view_options={})
    mass = np.array([over(p, k)[v.labels[k].index(word)] for p in m.parts])
    found = dict(listed_topics(contents, first_state(contents.data), word))
    assert set(found) == {j for j in range(m.rank) if mass[j] > 0 or word in v.names[j]}
    close([found[j] for j in found], [ratio(mass[j], mass.sum()) for j in found])
    data = json.loads(json.dumps(page_data(v).to_dict()))
    listed = page(data, dict(cmd='query', value=word), topics=[])['listed']
    assert {x['id'] for x in listed} == set(found)
    close([x['share'] for x in listed], [found[x['id']] for x in listed], rtol=1e-2, atol=1e-4)


@given(models(), st.data())
def test_merging_on_the_page(page, m, draw):
    assume(m.rank > 1)
    v, k = m.view, m.view.term_mode
    i, j = draw.draw(st.permutations(range(m.rank)))[:2]
    word = draw.draw(st.sampled_from(v.labels[k]))
    data = json.loads(json.dumps(page_data(v).to_dict()))
    merge = dict(cmd='merge', topic=i, into=j)
    one = page(data, merge, topics=[j])['each'][0]
    want = joined(m, [[i, j], *([x] for x in range(m.rank) if x not in (i, j))])
    assert sorted(one['members']) == sorted((i, j))
    close(one['share'], share(want, 0), rtol=1e-3)
    where = [v.labels[k].index(data['modes'][0]['items'][x]) for x in one['profile']['at']]
    close(one['profile']['v'], profile(want, 0, k)[where], rtol=2e-3, atol=1e-9)
    listed = page(data, merge, dict(cmd='query', value=word), topics=[])['listed']
    mass = np.array([over(p, k)[v.labels[k].index(word)] for p in m.parts])
    groups = {x: [x, i] if x == j else [x] for x in range(m.rank) if x != i}
    assert {x['id'] for x in listed} == {x for x, g in groups.items() if mass[g].any() or word in v.names[x]}
    want = [ratio(mass[groups[x['id']]].sum(), mass.sum()) for x in listed]
    close([x['share'] for x in listed], want, rtol=1e-2, atol=1e-4)


# --- hierarchies ---


@st.composite
def hierarchies(draw):
    "(a tree, its layers): one link per mode or one for all, which are averaged."
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = [draw(st.integers(2, 4)), *([3] * draw(st.integers(0, 1))), draw(st.integers(2, 8))]
    ranks = draw(st.lists(st.integers(1, 4), min_size=2, max_size=3))
    one_link = draw(st.booleans())
    layers, F = [], tuple(random_factor(rng, 0.1, d, ranks[0]) for d in shape)
    layers.append(Layer(F))
    for below, rank in itertools.pairwise(ranks):
        links = [random_factor(rng, 0.3, below, rank) for _ in range(1 if one_link else len(F))]
        F = tuple(f @ L for f, L in zip(F, links * len(F) if one_link else links))
        layers.append(Layer(F, tuple(links)))
    labels = dict(
        zip(['place', 'term'][-len(shape) + 1 :], [*([PLACES[:3]] * (len(shape) - 2)), WORDS[: shape[-1]]])
    )
    names = [[f'{n} {l}' for n in NAMES[:r]] for l, r in enumerate(ranks)]
    return tree(Hierarchy(tuple(layers)), labels=labels, names=names), layers


def declared(layer):
    "How a layer divides the topics below, from its links: rows as shares, the mean of the modes."
    rows = [np.array([ratio(row, row.sum()) for row in L]) for L in layer.links]
    return sum(rows) / len(rows)


def layer_shares(layers):
    F = layers[0].factors
    mass = np.array([math.prod(f[:, j].sum() for f in F) for j in range(F[0].shape[1])])
    shares = [ratio(mass, mass.sum())]
    for layer in layers[1:]:
        shares.append(np.array([sum(shares[-1][i] * row[j] for i, row in enumerate(declared(layer)))
                                for j in range(layer.rank)]))  # fmt: skip
    return shares


@given(hierarchies())
def test_links_are_what_was_declared(h):
    t, layers = h
    shares = layer_shares(layers)
    for l, s in enumerate(shares):
        close(t.shares[l], s)
        rows = [r for r in tables.tree_table(t) if r['layer'] == l]
        close([r['share'] for r in rows], np.sort(s)[::-1])
        close([r['share'] for r in rows], [s[r['topic']] for r in rows])
        for r in rows if l + 1 < len(layers) else ():
            up = declared(layers[l + 1])[r['topic']]
            assert (r['mostly part of'] is None) == (not up.any())
            if up.any():
                close(up[t.views[l + 1].names.index(r['mostly part of'])], up.max())
    for l in range(1, len(layers)):
        close(t.links[l], declared(layers[l]))
        rows = [r for r in tables.tree_links(t) if r['layer'] == l - 1]
        assert len(rows) == (declared(layers[l]) > 0).sum()
        for r in rows:
            part = declared(layers[l])[r['topic'], r['goes to']]
            close([r['part'], r['share']], [part, shares[l - 1][r['topic']] * part])
            assert (r['name'], r['supertopic']) == (
                t.views[l - 1].names[r['topic']],
                t.views[l].names[r['goes to']],
            )
        least = np.median([r['share'] for r in rows]) if rows else 0
        kept = [r for r in tables.tree_links(t, least) if r['layer'] == l - 1]
        assert kept == [r for r in rows if r['share'] >= least]


@given(hierarchies())
def test_a_node_its_neighbours_and_its_words(h):
    t, layers = h
    shares = layer_shares(layers)
    for l, j in [(l, j) for l, layer in enumerate(layers) for j in range(layer.rank)]:
        v, rows = t.views[l], tables.node_links(t, l, j)
        up = declared(layers[l + 1])[j] if l + 1 < len(layers) else np.zeros(0)
        flow = shares[l - 1] * declared(layers[l])[:, j] if l else np.zeros(0)
        for what, part, at in (('part of', up, l + 1), ('made of', ratio(flow, flow.sum()), l - 1)):
            found = [r for r in rows if r['is'] == what]
            close([r['part'] for r in found], np.sort(part[part > 0])[::-1])
            close([r['part'] for r in found], [part[r['topic']] for r in found])
            assert all(r['layer'] == at and r['name'] == t.views[at].names[r['topic']] for r in found)
        p = profiles(layers[l].factors[-1])[0][:, j]
        part = up / (up.sum() or 1)
        above = sum((x * profiles(layers[l + 1].factors[-1])[0][:, i] for i, x in enumerate(part)), 0 * p)
        for order, key in dict(probability=p, own=p - np.minimum(p, above)).items():
            words = tables.node_words(t, l, j, 99, order)
            at = [v.labels[-1].index(w) for w in words['term']]
            close(words['probability'], p[at])
            close(words['inherited'], np.minimum(p, above)[at])
            close(words['own'], (p - np.minimum(p, above))[at])
            assert len(at) >= (key > 1e-12).sum()
            close(key[at], np.sort(key)[::-1][: len(at)])


@given(hierarchies())
@settings(max_examples=20)
def test_the_page_of_a_hierarchy(page, h):
    t, layers = h
    b, shares = HierarchyBrowser(t, front='core'), layer_shares(layers)
    data = json.loads(json.dumps(b.data.to_dict()))
    close(data['share'], np.concatenate(shares), rtol=1e-3)
    start = np.cumsum([0, *t.ranks])
    k, words = t.views[0].term_mode, data['modes'][data['term']]['items']
    found = page(data, mode=data['term'])['each']
    for l, j in [(l, j) for l, layer in enumerate(layers) for j in range(layer.rank)]:
        one = found[start[l] + j]
        up = declared(layers[l + 1])[j] if l + 1 < len(layers) else np.zeros(0)
        close([x for _, x in one['up']], np.sort(up[up > 1e-3])[::-1], rtol=1e-3)
        close([x for _, x in one['up']], [up[i - start[l + 1]] for i, _ in one['up']], rtol=1e-3)
        if l:
            flow = shares[l - 1] * declared(layers[l])[:, j]
            part = ratio(flow, flow.sum())
            close(
                [x for _, x in one['down']],
                [part[i - start[l - 1]] for i, _ in one['down']],
                rtol=2e-2,
                atol=2e-3,
            )
        p = profiles(layers[l].factors[-1])[0][:, j]
        at = [t.views[0].labels[k].index(words[r['item']]) for r in one['own']]
        close([r['p'] for r in one['own']], p[at], rtol=1e-3)
        close([r['own'] + r['inherited'] for r in one['own']], p[at], rtol=1e-3)
        twin = tables.node_words(t, l, j, 99)
        own = dict(zip(twin['term'], twin['own']))
        close(
            [r['own'] for r in one['own']], [own[words[r['item']]] for r in one['own']], rtol=1e-2, atol=5e-3
        )
    for node, depth in outline(b.data.up, b.data.share):
        assert (depth == 0) == (not b.data.up[node])
    assert sorted(node for node, _ in outline(b.data.up, b.data.share)) == list(range(len(data['share'])))
    b.close()


# --- figures show the numbers of the tables ---


def bars(ax, container=0):
    return ax.containers[container].patches


@given(models(), st.data())
@settings(max_examples=8)
def test_figures_of_terms(m, draw):
    v, c = m.view, draw.draw(st.integers(0, len(m.parts) - 1))
    lam, order = draw.draw(st.sampled_from([0.0, 0.6, 1.0])), draw.draw(st.sampled_from(ORDERS))
    s, f = (None, c) if c < m.rank else divmod(c - m.rank, v.sizes.shape[1])
    fig = plots.term_bars(v, f, None, 6, order, lam, stratum=s)
    ax, key = fig.axes[0], order_key(m, c, v.term_mode, order, lam)
    at = [v.labels[v.term_mode].index(x.get_text()) for x in ax.get_yticklabels()]
    close(key[at], first(key, 6), rtol=1e-7, atol=1e-9)
    close([b.get_width() for b in bars(ax)], profile(m, c, v.term_mode)[at])
    close(ax.lines[0].get_xdata(), corpus(m, v.term_mode)[at])
    assert ax.yaxis_inverted()
    for k in range(len(v.modes)):
        ax = plots.mode_bars(v, f, k, stratum=s).axes[0]
        close([b.get_height() for b in bars(ax)], profile(m, c, k))
        close(ax.lines[0].get_ydata(), corpus(m, k))
    plt.close('all')


@given(models(), st.data())
@settings(max_examples=8)
def test_figures_of_shares_and_weights(m, draw):
    v = m.view
    ax = plots.share_bars(v).axes[0]
    rows = [*v.order, *([-1] if v.sizes.shape[1] else [])]
    for s in range(len(v.strata)):
        at = m.stratum == s
        want = [share(m, j, at) if j >= 0 else background(m, at) for j in rows]
        close([b.get_width() for b in bars(ax, s)], want)
    assert [x.get_text() for x in ax.get_yticklabels()][: m.rank] == [v.names[j] for j in v.order]
    x = draw.draw(st.lists(st.integers(1900, 1999), min_size=v.shape[0], max_size=v.shape[0]))
    axes = plots.topics_over_time(v, x).axes
    means = [np.average(x, weights=over(p, 0)) if p.any() else 0 for p in m.parts[: m.rank]]
    for ax, j in zip(axes, sorted(range(m.rank), key=means.__getitem__)):
        assert ax.get_title() == v.names[j]
        for s, line in enumerate(ax.lines):
            at = m.stratum == s
            close(line.get_xdata(), np.array(x)[at])
            close(line.get_ydata(), over(m.parts[j], 0)[at])
    plt.close('all')


@given(models())
@settings(max_examples=8)
def test_figures_of_factors_and_features(m):
    v = m.view
    for ax, k in zip(plots.factor_grid(v).axes, range(len(v.modes))):
        P = np.transpose([profile(m, j, k) for j in v.order])
        close(np.asarray(ax.images[0].get_array()), P / np.where(P.max(0) > 0, P.max(0), 1))
        assert [int(x.get_text()) for x in ax.get_xticklabels()] == v.order
    M, ax = tables.term_matrix(v), plots.term_grid(v).axes[0]
    assert tuple(x.get_text() for x in ax.get_yticklabels()) == M.terms
    assert tuple(x.get_text() for x in ax.get_xticklabels()) == M.names
    for (x, y), size in zip(ax.collections[-1].get_offsets(), ax.collections[-1].get_sizes()):
        close(size / 260, M.values[int(y), int(x)] / M.values.max())
    if v.sizes.shape[1] and len(v.modes) == 3:
        axes = np.array(plots.strata_panels(v).axes).reshape(v.sizes.shape[1], -1)
        for s, column in enumerate(axes.T):
            for ax, f in zip(column, np.argsort(-v.sizes[s], kind='stable')):
                close([b.get_height() for b in ax.patches], profile(m, features_of(m, s)[f], 1))
        for s, ax in enumerate(plots.background_images(v).axes[: len(v.strata)]):
            image = np.asarray(ax.images[0].get_array())
            whole = sum(m.parts[c][m.stratum == s].sum(0) for c in features_of(m, s)) / (m.stratum == s).sum()
            close(image, whole)
    if len(v.modes) == 3:
        for ax, j in zip(plots.topic_images(v).axes, v.order):
            close(np.asarray(ax.images[0].get_array()), ratio(m.parts[j].sum(0), m.parts[j].sum()))
            assert ax.get_title() == v.names[j]
    plt.close('all')


@given(raw_models(), st.integers(1, 4))
@settings(max_examples=8)
def test_figure_of_agreement(raw, rank):
    W, H, V, sizes, rng = raw
    a = as_shown(W, H, V, sizes).view
    b = view([random_factor(rng, 0, d, rank) for d in a.shape], labels=labels_of(H), names=NAMES[:rank])
    ax, C = plots.agreement_map(a, b).axes[0], tables.agreement(a, b)
    rows = [a.names.index(x.get_text()) for x in ax.get_yticklabels()]
    columns = [b.names.index(x.get_text()) for x in ax.get_xticklabels()]
    close(np.asarray(ax.images[0].get_array()), C[np.ix_(rows, columns)])
    partner = tables.match_topics(a, b)['partner']
    n = min(a.rank, b.rank)
    assert [partner[i] for i in rows[:n]] == columns[:n]
    plt.close('all')


@given(hierarchies())
@settings(max_examples=6)
def test_figure_of_layers(h):
    t, layers = h
    ax, shares = plots.layer_graph(t, least=0).axes[0], layer_shares(layers)
    said = [x.get_text() for x in ax.texts if x.get_text().endswith('%')]
    assert sorted(said) == sorted(f'{x:.0%}' for s in shares for x in s)
    flows = sum(int((s[:, None] * declared(layer) > 0).sum()) for s, layer in zip(shares, layers[1:]))
    assert sum(type(p).__name__ == 'PathPatch' for p in ax.patches) == flows
    boxes = [p for p in ax.patches if type(p).__name__ == 'FancyBboxPatch']
    said = {x.get_position()[1]: [] for x in ax.texts}
    for x in ax.texts:
        said[x.get_position()[1]].append((x.get_position()[0], x.get_text()))
    heights = [{}, {}, {}]
    for b in boxes:
        at = next(y for y in said if abs(y - b.get_y() - b.get_height() / 2) < 1e-9
                  and any(abs(x - b.get_x() - 0.02) < 1e-9 for x, _ in said[y]))  # fmt: skip
        l = round(b.get_x())
        [name] = [n for x, n in said[at] if abs(x - l - 0.02) < 1e-9]
        [part] = [n for x, n in said[at] if abs(x - l - 0.51) < 1e-9]
        j = t.views[l].names.index(name.split('\n')[0])
        assert part == f'{shares[l][j]:.0%}'
        heights[l][j] = b.get_height()
    for l, s in enumerate(shares):
        by = np.array([heights[l][j] for j in range(len(s))]) / np.maximum(s, 0.024)
        close(by, by[0] + 0 * by, rtol=1e-6)
    wide = lambda p, a, b: p.get_path().vertices[a][1] - p.get_path().vertices[b][1]
    bands = [p for p in ax.patches if type(p).__name__ == 'PathPatch']
    for l in range(1, len(layers)):
        flow, here = shares[l - 1][:, None] * declared(layers[l]), []
        here = [p for p in bands if round(p.get_path().vertices[3][0]) == l]
        left = sum(heights[l - 1][i] for i in np.flatnonzero(flow.sum(1)))
        right = sum(heights[l][j] for j in np.flatnonzero(flow.sum(0)))
        close([sum(wide(p, 0, 7) for p in here), sum(wide(p, 3, 4) for p in here)], [left, right], rtol=1e-6)
    order = plots.layer_order(t)
    assert [sorted(o) for o in order] == [list(range(r)) for r in t.ranks]
    plt.close('all')


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=30))
@settings(max_examples=5)
def test_figure_of_losses(losses):
    line = plots.loss_curves(losses).axes[0].lines[0]
    close(line.get_ydata(), losses)
    close(line.get_xdata(), np.arange(len(losses)))
    timed = History(tuple(losses), tuple(np.cumsum(losses)))
    for x, want in dict(sweep=np.arange(len(losses)), seconds=timed.seconds).items():
        close(plots.loss_curves(timed, x).axes[0].lines[0].get_xdata(), want)
    plt.close('all')


# --- samples of two topics, small pictures ---


@given(models(), st.data())
@settings(max_examples=20)
def test_samples_of_two_topics_at_once(m, draw):
    "The first has the larger smaller amount of the two; its parts are what of it either topic is."
    assume(m.rank > 1)
    i, j = draw.draw(st.permutations(range(m.rank)))[:2]
    s = draw.draw(st.integers(-1, len(m.view.strata) - 1))
    found = Samples((m.view,)).of_both([i], [j], s, 99)
    one, two = over(m.parts[i], 0), over(m.parts[j], 0)
    both = np.where((s < 0) | (m.stratum == s), np.minimum(one, two), 0)
    at = [x['id'] for x in found]
    close(both[at], np.sort(both[both > 0])[::-1])
    close([x['weight'] for x in found], one[at], rtol=1e-3)
    close([x['parts'] for x in found] or np.zeros((0, 2)),
          [[share(m, i, [x]), share(m, j, [x])] for x in at] or np.zeros((0, 2)), rtol=1e-3)  # fmt: skip
    assert all(x['stratum'] == m.stratum[x['id']] for x in found)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 12), st.integers(0, 99))
@settings(max_examples=20)
def test_a_small_picture_has_the_means(high, wide, side, seed):
    picture = np.random.default_rng(seed).random((high, wide))
    step = math.ceil(max(high, wide) / side)
    blocks = [[picture[a : a + step, b : b + step].mean() for b in range(0, wide, step)]
              for a in range(0, high, step)]  # fmt: skip
    close(shrunk(picture, side), blocks)
    assert max(shrunk(picture, side).shape) <= side


@given(st.integers(0, 99))
@settings(max_examples=6)
def test_a_tensor_in_strata_with_its_data(seed):
    "Drivers of the samples of every stratum, peaks of features, what explains an index of any mode, lifts."
    rng, sizes = np.random.default_rng(seed), [2, 3]
    W, H = rng.random((5, 2)), [rng.random((3, 2)), rng.random((6, 2))]
    V = [rng.random((2, d, 2)) for d in (3, 6)]
    m = as_shown(W, H, V, sizes, rng, 'dense')
    v = m.view
    for i, j in itertools.product(range(5), range(2)):
        match = m.data[i] * np.outer(profile(m, j, 1), profile(m, j, 2))
        close(tables.drivers(v, j, i)[0], match.sum(1))
        close(tables.drivers(v, j, i)[1], match.sum(0))
    for r in tables.feature_table(v):
        p = profile(m, features_of(m, v.strata.index(r['stratum']))[r['feature']], 1)
        assert r['mostly at place'] == PLACES[int(p.argmax())]
    for i, place in enumerate(PLACES[:3]):
        part = np.array([over(p, 1)[i] for p in m.parts])
        close(tables.term_topics(v, place, 'place')['part'], np.sort(part / part.sum())[::-1])
    rare = [X * (np.arange(6) > 0) for X in v.data]
    t = tables.topic_terms(view(v_model(W, H, V), rare, labels=labels_of(H)), 0, n=6)
    assert {r['term']: r['lift'] for r in t}[WORDS[0]] == math.inf


def v_model(W, H, V):
    return Strata(tuple(V), W, tuple(H), (0, 2, 5))
