"""Tables and figures of a model: hostile words, every form of model and data, bad input, extreme numbers."""

import dataclasses
import io
import itertools
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import matplotlib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, strategies as st
from pages import Found

matplotlib.use('Agg')
import matplotlib.pyplot as plt

from ntf_lit import plots, tables, views
from ntf_lit.synthetic import Dataset
from ntf_lit.cp_estimators import NCPD, NMF
from ntf_lit.strata_estimators import StratifiedNMF, StratifiedNTF
from ntf_lit.hierarchy_estimators import HNCPD, HNMF, HNTF, MultiHNTF
from ntf_lit.hnmf import flow, named, ordered
from ntf_lit.neural_estimators import NeuralNCPD, NeuralNMF
from ntf_lit.result import CP, Hierarchy, Layer, Strata
from ntf_lit.shown_data import shown_data
from ntf_lit.tensor import COO
from ntf_lit.tables import Table
from ntf_lit.views import tree, view
from shown_examples import MARKUP

PAYLOADS = [
    *MARKUP,
    '<iframe src=javascript:alert(1)>',
    '<a href="javascript:alert(1)">x</a>',
    '<!--',
    '-->',
    '</td></tr></table><b>',
    '</style>',
    '&lt;b&gt;',
    '&#60;b&#62;',
    '\u2028x\u2029',
    '{{7*7}}',
    '${alert(1)}',
    '`x`',
    '``` x',
    '[x](javascript:alert(1))',
    '![x](http://x.y/z.png)',
    '[x]: http://x.y',
    '| a | b |',
    '|',
    '$x$',
    '$$',
    '$\\frac{1}',
    '\\',
    '\\(x\\)',
    '\\href{x}',
    '**b**',
    '__b__',
    '~~b~~',
    '# h',
    '- x',
    '1. x',
    '> q',
    '@@0@@',
    '@someone',
    '^x^',
    '%s {0} {x!r}',
    '\x1b[31mred\x1b[0m',
    '\x07',
    '\u202egnirts',
    'a\x00b',
    'a\r\nb',
    '\ud800',
    '../../etc/hosts',
    '__proto__',
]
ODD = ['', ' ', '\t', 'x' * 10_000, 'שלום', 'مرحبا', '🙂👩‍👩‍👧', 'e\u0301' * 50, '\u200b', 'ﷺ']
WORDS = PAYLOADS + ODD


def hostile(words=WORDS, **kwargs):
    "A stratified view in which every name is one of the words."
    n, rng = len(words), np.random.default_rng(0)
    V = tuple(rng.random((2, d, 1)) for d in (2, n))
    model = Strata(V, rng.random((n, 2)), (rng.random((2, 2)), rng.random((n, 2))), (0, n // 2, n))
    return view(
        model,
        **(
            dict(
                labels={words[0]: words[:2], words[1] + ' ': words},
                samples=words,
                strata=words[2:4],
                names=words[4:6],
                terms=2,
                unit=words[6],
            )
            | kwargs
        ),
    )


def hierarchy(words=WORDS):
    n, rng = len(words), np.random.default_rng(0)
    F, L = (rng.random((3, 4)), rng.random((n, 4))), rng.random((4, 2))
    return tree(
        Hierarchy((Layer(F), Layer(tuple(f @ L for f in F), (L, L)))),
        labels={'term': words},
        names=[words[:4], words[4:6]],
    )


def all_tables(v, t):
    "All tables there are."
    for order in views.ORDERS:
        yield tables.topic_terms(v, 0, n=1000, order=order)
    yield from (
        tables.topic_terms(v, 1, 0, n=1000),
        tables.feature_terms(v, 0, 0, n=1000),
        tables.term_topics(v, 0),
        tables.salient_terms(v, n=1000),
        tables.topic_shares(v),
        tables.feature_table(v),
        tables.sample_topics(v),
        tables.typical_samples(v, 0, 1000),
        tables.match_topics(v, v),
        tables.stability([v, v]),
    )
    yield from (
        tables.tree_table(t),
        tables.tree_links(t),
        tables.node_links(t, 0, 0),
        tables.node_words(t, 0, 0, 1000),
    )


# --- words are not to be trusted ---

TABLE_TAGS = {'span', 'table', 'caption', 'thead', 'tbody', 'tr', 'th', 'td'}


def test_html_of_tables():
    for t in all_tables(hostile(), hierarchy()):
        found = Found(t.to_html())
        assert set(found.tags) <= TABLE_TAGS and {name for name, _ in found.attrs} <= {'class', 'scope'}
        assert found.tags.count('tr') == len(t) + 1 and found.tags.count('td') == len(t) * len(t.columns)
        t.to_html().encode('utf-8')


def test_markdown_of_tables():
    renderer = (
        pytest.importorskip('markdown_it')
        .MarkdownIt('commonmark', dict(html=True))
        .enable('table')
        .enable('strikethrough')
    )
    for t in all_tables(hostile(), hierarchy()):
        text = t.to_markdown()
        text.encode('utf-8')
        assert all(re.search(r'^\| .* \|$', line) for line in text.splitlines()[2 * bool(t.title) :])
        found = Found(renderer.render(text))
        assert set(found.tags) <= TABLE_TAGS | {'p', 'strong'} and found.tags.count('td') == len(t) * len(
            t.columns
        )


def test_markdown_shows_the_word():
    renderer = pytest.importorskip('markdown_it').MarkdownIt('commonmark', dict(html=True)).enable('table')
    for w in WORDS:
        text = Found(renderer.render(Table(('a', 'b'), [(w, 1)]).to_markdown())).text.split()
        assert ' '.join(text[2:-1]) == ' '.join(views.shown(w).split()), w


def test_no_formula_in_markdown():
    "Characters that start a formula in JupyterLab or on GitHub are gone."
    for w in WORDS:
        assert not set('$\\`<>|[]*_~@"\'') & set(
            re.sub('<span>(&#(?:36|92);)</span>', r'\1', tables.markdown(w))
        )
    for w in WORDS:
        assert not re.search(r'[$\\](?!</span>)', Table(('a',), [(w,)]).to_html())


def test_no_link_by_itself_in_markdown():
    for w in ('http://x.y', 'HTTPS://x.y', 'www.x.y', 'WWW.x.y', 'ftp://x', 'a@b.c'):
        assert not re.search(r'://|www\.|@', tables.markdown(w), re.I)


def test_terminal_gets_no_control_characters():
    for t in all_tables(hostile(), hierarchy()):
        assert (
            not re.search(
                r'[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029\ud800-\udfff]', repr(t)
            )
            and max(map(len, repr(t).splitlines())) < 2000
        )
        repr(t).encode('utf-8')


@given(st.text(st.characters(), max_size=80))
def test_shown_is_one_short_line(word):
    out = views.shown(word, 20)
    assert (
        0 < len(out) <= 20
        and out.replace('\u200c', '').replace('\u200d', '').isprintable()
        and out.encode('utf-8')
        and len(out.splitlines()) == 1
    )


def test_values_stay_as_they_are():
    assert sorted(
        tables.topic_terms(hostile(), 0, n=1000, order='probability')[hostile().modes[2]]
    ) == sorted(WORDS)
    assert (
        list(tables.topic_terms(hostile(), 0, n=1000).to_frame().iloc[:, 0])
        == tables.topic_terms(hostile(), 0, n=1000)[hostile().modes[2]]
    )


def all_figures(v, t):
    "All figures there are, as functions."
    p = plots
    for k in range(3):
        yield from (
            lambda: p.term_bars(v, 0, k, 30),
            lambda: p.mode_bars(v, 0, k),
            lambda: p.term_bars(v, 0, k, stratum=0),
            lambda: p.mode_bars(v, 0, k, stratum=1),
        )
    yield from (
        lambda: p.topic_over_time(v, 0),
        lambda: p.topics_over_time(v),
        lambda: p.share_bars(v),
        lambda: p.strata_panels(v),
        lambda: p.strata_panels(v, 2),
        lambda: p.term_grid(v, 60),
        lambda: p.factor_grid(v),
        lambda: p.topic_images(v),
        lambda: p.background_images(v),
        lambda: p.layer_graph(t),
        lambda: p.agreement_map(v, v),
        lambda: p.topic_sheet(v, 1),
        lambda: p.loss_curves({w: [3.0, 2.0] for w in WORDS[:20]}, 'seconds'),
    )


@pytest.mark.parametrize(
    'words',
    [WORDS, ['$\\frac{', '\\', '$', '', '\ud800', '\x1b[0m', '🙂', '<b>&', '%', '_^{}']],
    ids=['all', 'formulas'],
)
def test_words_in_figures(words):
    """Nothing is taken for a formula and nothing warns (a warning is an error here).

    A saved figure is well-formed, with text and not markup.
    """
    for draw in all_figures(hostile(words), hierarchy(words)):
        fig = draw()
        out = io.BytesIO()
        with matplotlib.rc_context({'svg.fonttype': 'none'}):
            fig.savefig(out, format='svg')
        plt.close('all')
        assert not {
            e.tag.split('}')[-1] for e in ET.fromstring(out.getvalue()).iter() if isinstance(e.tag, str)
        } & {'script', 'img', 'iframe', 'foreignObject', 'b'}


@pytest.mark.parametrize(
    'x',
    [
        lambda pd: pd.date_range('2019-01-31', periods=12, freq='MS'),
        lambda pd: [f'2019-{i:02}-05' for i in range(1, 12)] + [None],
        lambda pd: pd.Series(range(1990, 2002), index=ROWS12[::-1]),
        lambda pd: dict(zip(ROWS12, range(1990, 2002))),
        lambda pd: [1990.0, float('nan'), *range(1992, 2002)],
        lambda pd: [list(range(5)), list(range(7))],
    ],
    ids=['dates', 'written, one missing', 'Series', 'dict', 'NaN', 'per stratum'],
)
def test_figures_over_dates(x):
    v = view(NMF(2, random_state=0).fit(frame()), strata=list('ab') * 6)
    times = x(pytest.importorskip('pandas'))
    for fig in (
        plots.topic_over_time(v, 0, times),
        plots.topics_over_time(v, times),
        plots.topic_sheet(v, 0, times),
    ):
        fig.canvas.draw()
        drawn = [line.get_xdata() for ax in fig.axes for line in ax.lines]
        assert drawn
        plt.close(fig)
    with pytest.raises(ValueError, match="x must hold numbers or dates, not 'spring'"):
        plots.topic_over_time(v, 0, ['spring'] * 12)
    with pytest.raises(ValueError, match="'new speech' in x and 'a speech' in the samples"):
        plots.topic_over_time(v, 0, dict.fromkeys(['new speech', *ROWS12[1:]], 1))


def test_figures_draw_on_given_axes():
    v = hostile()
    fig, axes = plt.subplots(1, 5)
    for ax, f in zip(
        axes,
        (
            lambda ax: plots.term_bars(v, 0, ax=ax),
            lambda ax: plots.mode_bars(v, 0, ax=ax),
            lambda ax: plots.topic_over_time(v, 0, ax=ax),
            lambda ax: plots.share_bars(v, ax=ax),
            lambda ax: plots.term_grid(v, ax=ax),
        ),
    ):
        assert f(ax) is fig and ax.get_xlabel() and ax.get_ylabel()
    plt.close('all')


# --- every form of model and data ---

RNG = np.random.default_rng(0)
A = [RNG.random((n, 4, 6)) for n in (5, 7)]


def test_same_data_in_every_form():
    m = StratifiedNTF(3, strata_rank=2, random_state=0, max_iter=20).fit(A)
    X = np.concatenate(A)
    coo = COO(np.array(X.nonzero()), X[X > 0], X.shape)
    d = Dataset('d', A, dict(part=list('abcd'), term=list('uvwxyz')), strata=['s', 't'])
    want = view(m, A)
    for data in (X, coo, torch.from_numpy(X), [torch.from_numpy(a) for a in A], dict(s=A[0], t=A[1]), d):
        v = view(m, data)
        for a, b in zip(v.corpus, want.corpus):
            np.testing.assert_allclose(a, b, rtol=1e-12)
        for a, b in zip(tables.drivers(v, 1, 8), tables.drivers(want, 1, 8)):
            np.testing.assert_allclose(a, b, rtol=1e-12)
    assert (
        view(m, d).strata == ('s', 't')
        and view(m, d).modes == ('sample', 'part', 'term')
        and view(m, d).term_mode == 2
    )
    assert view(m.result_).shape == view(m.model_).shape == want.shape


def test_every_estimator():
    M = [a.reshape(len(a), -1) for a in A]
    X = np.concatenate(M)
    for m, n, q in [
        (StratifiedNTF(2, strata_rank=[1, 0], random_state=0).fit(A), 3, 1),
        (StratifiedNTF(2, strata_rank=0, random_state=0).fit(A), 3, 0),
        (StratifiedNMF(2, strata_rank=1, random_state=0).fit(dict(a=M[0], b=M[1])), 2, 1),
        (NMF(2, random_state=0).fit(X), 2, 0),
        (NCPD(2, random_state=0).fit(A[0]), 3, 0),
    ]:
        v = view(m)
        assert len(v.modes) == n and v.sizes.shape[1] == q
        total = (
            sum(m.reconstruct(s).sum() for s in m.strata_)
            if hasattr(m, 'reconstruct')
            else m.cp_.full().sum()
        )
        np.testing.assert_allclose(v.total, total, rtol=1e-9)
        np.testing.assert_allclose(sum(tables.topic_shares(v)['share']), 1)
        np.testing.assert_allclose([sum(x for x in row[2:]) for row in tables.sample_topics(v).rows], 1)


def test_sparse_matrix():
    X = sp.random(9, 12, 0.4, random_state=0, format='csr')
    m = NMF(3, random_state=0).fit(X)
    v = view(m, X, labels=dict(term=[f'w{i}' for i in range(12)]))
    np.testing.assert_allclose(v.corpus[1], np.asarray(X.sum(0)).ravel() / X.sum())
    assert set(tables.typical_samples(v, v.order[0], 1)[0]['words']) <= {
        f'w{i}' for i in X[int(tables.typical_samples(v, v.order[0], 1)[0]['sample'].split()[1]) - 1].indices
    }


# Attributes that views ask a `Dataset`, a model or an array for, as the columns of a data frame.
FACTS = ['labels', 'samples', 'strata', 'unit', 'tensors', 'stratum', 'info', 'texts', 'passages', 'name']
PARTS = [
    'params',
    'model_',
    'V',
    'W',
    'H',
    'offsets',
    'layers',
    'cp_',
    'components_',
    'factors',
    'names',
    'labels_',
]


@pytest.mark.parametrize('columns', [FACTS, PARTS], ids=['of a data set', 'of a model'])
def test_a_data_frame_is_asked_for_nothing_but_its_numbers(columns):
    "Its columns are attributes too, and may have any name."
    pd = pytest.importorskip('pandas')
    df = pd.DataFrame(RNG.random((7, len(columns))), columns=columns)
    m = NMF(2, random_state=0, max_iter=20).fit(df)
    for data in (df, [df[:3], df[3:]], dict(a=df[:3], b=df[3:])):
        v = view(m, data)
        assert v.labels[1] == tuple(columns) and v.shape == df.shape and v.strata == ('all',)
        np.testing.assert_allclose(v.corpus[1], df.sum() / df.sum().sum())
        tables.typical_samples(v, 0)
        tables.drivers(v, 0, 4)
    assert view(df.T).shape == (1, len(columns)) and view(df.T).rank == 7
    parts = dict(a=df[:3], b=df[3:])
    v = view(StratifiedNMF(2, strata_rank=1, random_state=0, max_iter=20).fit(parts), parts)
    assert v.strata == ('a', 'b') and v.labels[1] == tuple(columns)


def test_only_a_data_set_is_asked_for_facts():
    class Looks(np.ndarray):
        labels, samples, strata, unit = dict(term=['x']), ['y'], ['z'], 'speech'

    X = RNG.random((5, 4)).view(Looks)
    v = view(F2, X)
    assert v.modes == ('sample', 'mode 2') and v.strata == ('all',) and v.labels[0][0] == 'sample 1'


def test_one_matrix_in_every_form():
    pd = pytest.importorskip('pandas')
    M = RNG.random((6, 3))
    for same in (M, torch.from_numpy(M), pd.DataFrame(M), [M], CP((M,))):
        np.testing.assert_array_equal(view(same).topics[0], view(M).topics[0])


def test_samples_as_terms():
    "Where the samples are the words, their table has a cell for every column."
    X = F2[0] @ F2[1].T
    t = tables.typical_samples(view(F2, X, terms=0), 0)
    assert all(len(row) == len(t.columns) for row in t.rows) and 'words' not in t.columns
    assert t.to_frame().shape == (5, len(t.columns))


def test_masses_are_kept():
    v = view(F2)
    assert v.masses is v.masses and v.sample_masses is v.sample_masses
    assert dataclasses.replace(v, weights=2 * v.weights).total == pytest.approx(2 * v.total)


def test_a_view_is_frozen_and_copies_nothing_of_the_data():
    F = [RNG.random((5, 2)), RNG.random((4, 2))]
    before = [f.copy() for f in F]
    X = F[0] @ F[1].T
    v = view(F, X)
    assert v.data[0] is X
    with pytest.raises(dataclasses.FrozenInstanceError):
        v.names = ()
    for f, b in zip(F, before):
        np.testing.assert_array_equal(f, b)
    assert (
        view(v) is not None
        and views.named(v, ['a', 'b']).names == ('a', 'b')
        and v.names == ('topic 0', 'topic 1')
    )


def test_names_stay_with_their_topics():
    F = [RNG.random((6, 3)), RNG.random((5, 3))]
    v = view(F, names={1: 'one'})
    order = [2, 0, 1]
    u = view([f[:, order] for f in F])
    assert tables.carry_names(v, u).names[2] == 'one' and v.names[1] == 'one'
    shares = tables.topic_shares(v)
    assert dict(zip(shares['topic'], shares['name']))[1] == 'one'


def test_relevance_by_hand():
    v = view(
        [np.array([[1.0, 1]]), np.array([[0.6, 0.2], [0.4, 0], [0, 0.8]])], labels=dict(term=list('abc'))
    )
    t = tables.topic_terms(v, 0, lam=0.6)
    np.testing.assert_allclose(
        t['relevance'], [np.log(0.6) - 0.4 * np.log(0.4), np.log(0.4) - 0.4 * np.log(0.2)], rtol=1e-12
    )
    assert t['term'] == ['a', 'b']
    assert tables.topic_terms(v, 0, lam=1)['term'] == ['a', 'b'] and tables.topic_terms(v, 0, lam=0)[
        'term'
    ] == ['b', 'a']


@given(st.floats(0, 1), st.integers(0, 10**6))
def test_lambda_one_is_probability(lam, seed):
    P = np.random.default_rng(seed).random(8) * (np.random.default_rng(seed + 1).random(8) < 0.7)
    c = np.random.default_rng(seed + 2).random(8)
    assert (
        np.argsort(-views.relevance(P, c, 1.0), kind='stable')[: (P > 0).sum()]
        == np.argsort(-P, kind='stable')[: (P > 0).sum()]
    ).all()
    assert ((views.relevance(P, c, lam) == -np.inf) == (P == 0)).all()


# --- numbers at the end of the range, topics that are nothing ---


@pytest.mark.parametrize('c', [5e-324, 1e-300, 1e-150, 1e150, 1e300])
def test_scale_does_not_matter(c):
    F = [RNG.random((5, 3)) for _ in range(3)]
    G = [np.maximum(f, 0.1) * c for f in F]
    with np.errstate(all='raise', under='ignore'):
        v = view(G)
    assert all(np.isfinite(x).all() for x in (v.weights, *v.topics, *v.corpus)) and v.weights.any()
    if c > 1e-310:
        np.testing.assert_allclose(
            tables.topic_shares(v)['share'],
            tables.topic_shares(view([np.maximum(f, 0.1) for f in F]))['share'],
            rtol=1e-8,
        )
    assert repr(tables.topic_shares(v)) and repr(tables.topic_terms(v, 0))


@pytest.mark.parametrize(
    'factors',
    [
        [np.ones((3, 0)), np.ones((4, 0))],
        [np.zeros((3, 2)), np.zeros((4, 2))],
        [np.ones((3, 2)), np.array([[1.0, 0]] * 4)],
        [np.ones((1, 1))] * 3,
        np.ones((4, 2)),
    ],
    ids=['no topics', 'all zero', 'a zero column', 'single entry', 'one matrix'],
)
def test_degenerate_models(factors):
    v = view(factors)
    t = tree([Layer(tuple(factors) if isinstance(factors, list) else (factors,))])
    assert len(tables.topic_shares(v)) == v.rank and len(tables.sample_topics(v)) == v.shape[0]
    for j in range(v.rank):
        tables.topic_terms(v, j)
        tables.typical_samples(v, j)
    tables.salient_terms(v)
    tables.term_matrix(v)
    tables.match_topics(v, v)
    tables.tree_table(t)
    tables.tree_links(t)
    assert all(x is None or np.isfinite(x) for x in tables.topic_shares(v)['share'])
    for f in (
        plots.share_bars,
        plots.term_grid,
        plots.factor_grid,
        plots.topics_over_time,
        lambda v: plots.agreement_map(v, v),
    ):
        f(v).canvas.draw()
        plt.close('all')


# --- what people bring ---

WORDS8 = ['tax', 'war', 'gold', 'peace', 'farm', 'ship', 'bank', 'law']
ROWS12 = [f'{c} speech' for c in 'abcdefghijkl']
T12 = RNG.random((12, 5, 8)) * (RNG.random((12, 5, 8)) < 0.6)
X12 = T12.sum(1)


def frame(X=X12, rows=ROWS12, columns=WORDS8):
    return pytest.importorskip('pandas').DataFrame(X, index=rows, columns=columns)


class Labelled:
    "An array with names, as xarray has it."

    dims = coords = None

    def __init__(self, X, dims, coords):
        self.values, self.dims, self.coords = X, dims, coords

    shape = property(lambda self: self.values.shape)

    def to_numpy(self):
        return self.values


class Polars:
    "A frame without an index, as polars has it."

    columns = property(lambda self: list(self._columns))

    def __init__(self, X, columns):
        self._X, self._columns, self.shape = X, columns, X.shape

    def to_numpy(self):
        return self._X


class Anndata:
    "Cells by genes, as anndata has it; its `layers` are no hierarchy."

    layers, obs_names, var_names = {}, property(lambda self: self.rows), property(lambda self: self.columns)

    def __init__(self, X, rows, columns):
        self.X, self.rows, self.columns, self.shape = X, rows, columns, X.shape


class Sptensor:
    "As pyttb has it."

    def __init__(self, X):
        self.subs, self.vals, self.shape = np.array(X.nonzero()).T, X[X != 0][:, None], X.shape


class Tensor:
    "As pyttb has it."

    ndims = None

    def __init__(self, X):
        self.X, self.shape = X, X.shape

    def double(self):
        return self.X


def strata_of(X, kind=dict):
    parts = dict(s=X[:5], t=X[5:])
    return parts if kind is dict else list(parts.values())


MATRICES = {
    'array': lambda X: X,
    'nested lists': lambda X: X.tolist(),
    'torch': torch.from_numpy,
    'frame': frame,
    'frame with no index': lambda X: frame(X, rows=None),
    'nullable frame': lambda X: frame(X).convert_dtypes(),
    'labelled': lambda X: Labelled(X, ('doc', 'term'), dict(doc=ROWS12, term=WORDS8)),
    'polars': lambda X: Polars(X, WORDS8),
    'anndata': lambda X: Anndata(X, ROWS12, WORDS8),
    'anndata, sparse': lambda X: Anndata(sp.csr_matrix(X), ROWS12, WORDS8),
    'csr': sp.csr_matrix,
    'csc': sp.csc_array,
    'dok': sp.dok_array,
    'lil': sp.lil_matrix,
    'coo': sp.coo_array,
    'own coo': lambda X: COO(np.array(X.nonzero()), X[X != 0], X.shape),
    'pydata coo': lambda X: pytest.importorskip('sparse').COO(X),
    'pydata gcxs': lambda X: pytest.importorskip('sparse').GCXS(X),
    'pydata dok': lambda X: pytest.importorskip('sparse').DOK.from_numpy(X),
    'pyttb': Tensor,
    'pyttb, sparse': Sptensor,
    'dask, sparse': lambda X: pytest.importorskip('dask.array').from_array(X, 5).map_blocks(sp.csr_array),
    'bag of words': lambda X: [[(int(j), x[j]) for j in np.flatnonzero(x)] for x in X],
    'list of strata': lambda X: strata_of(X, list),
    'dict of strata': strata_of,
    'dict of frames': lambda X: strata_of(frame(X)),
    'groupby': lambda X: frame(X).groupby(np.repeat(['s', 't'], [5, 7])),
    'data set': lambda X: Dataset('d', strata_of(X, list), dict(term=WORDS8), ['s', 't']),
}
TENSORS = {
    name: MATRICES[name]
    for name in (
        'array',
        'torch',
        'own coo',
        'pydata coo',
        'pydata gcxs',
        'pydata dok',
        'pyttb',
        'pyttb, sparse',
    )
} | {
    'scipy coo': sp.coo_array,
    'labelled': lambda X: Labelled(X, ('doc', 'part', 'term'), dict(term=WORDS8)),
    'list of strata': lambda X: strata_of(X, list),
    'sparse strata': lambda X: [sp.coo_array(x) for x in strata_of(X, list)],
}


def same_as_array(model, X, brought):
    "A view of data as somebody brings them tells what one of a plain array tells."
    v, want = view(model, brought), view(model, X)
    for a, b in zip(v.corpus, want.corpus):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    for a, b in zip(tables.drivers(v, 1, 8), tables.drivers(want, 1, 8)):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    for j in range(v.rank):
        tables.typical_samples(v, j)
    return v


@pytest.mark.parametrize('kind', MATRICES)
@pytest.mark.parametrize('fitted_to', ['array', 'frame'])
def test_a_matrix_in_every_container(kind, fitted_to):
    brought = MATRICES[kind](X12)
    m = NMF(2, random_state=0, max_iter=20).fit(frame() if fitted_to == 'frame' else X12)
    v = same_as_array(m, X12, brought)
    named = fitted_to == 'frame' or kind in ('frame', 'labelled', 'polars', 'anndata', 'groupby', 'data set')
    assert not named or v.labels[1] == tuple(WORDS8)
    assert v.modes == ('doc' if kind == 'labelled' else 'sample', 'term') or not named
    assert fitted_to != 'frame' or v.labels[0] == tuple(ROWS12)
    m = StratifiedNMF(2, strata_rank=1, random_state=0, max_iter=20).fit(strata_of(X12))
    assert same_as_array(m, X12, brought).strata == ('s', 't')
    for layer in tree(HNMF((3, 2), random_state=0, max_iter=20).fit(X12), brought).views:
        np.testing.assert_allclose(layer.corpus[1], X12.sum(0) / X12.sum())


@pytest.mark.parametrize('kind', TENSORS)
def test_a_tensor_in_every_container(kind):
    m = NCPD(2, random_state=0, max_iter=20).fit(T12)
    v = same_as_array(m, T12, TENSORS[kind](T12))
    assert kind != 'labelled' or v.labels[2] == tuple(WORDS8)
    m = StratifiedNTF(2, random_state=0, max_iter=20).fit(strata_of(T12, list))
    same_as_array(m, T12, TENSORS[kind](T12))


PERMUTED = list(RNG.permutation(8))
TURNED = {
    'frame': lambda: frame()[[WORDS8[i] for i in PERMUTED]],
    'rows, too': lambda: frame().iloc[::-1, PERMUTED],
    'polars': lambda: Polars(X12[:, PERMUTED], [WORDS8[i] for i in PERMUTED]),
    'anndata': lambda: Anndata(sp.csr_array(X12[:, PERMUTED]), ROWS12, [WORDS8[i] for i in PERMUTED]),
    'labelled': lambda: Labelled(
        X12.T[PERMUTED], ('term', 'doc'), dict(doc=ROWS12, term=[WORDS8[i] for i in PERMUTED])
    ),
    'dict': lambda: strata_of(frame()[[WORDS8[i] for i in PERMUTED]]),
    'strata unlike each other': lambda: [frame()[:5], frame().iloc[5:, PERMUTED]],
    'groups, other rows': lambda: frame().groupby(np.tile(['s', 't'], 6)),
    'data set': lambda: Dataset(
        'd', [X12[:, PERMUTED]], dict(term=[WORDS8[i] for i in PERMUTED]), samples=[ROWS12], unit='doc'
    ),
}


@pytest.mark.parametrize('kind', TURNED)
def test_data_in_another_order_are_put_in_that_of_the_model(kind):
    "Names are known on both sides, and more than sizes are compared."
    names = dict(doc=ROWS12, term=WORDS8)
    m = NMF(2, random_state=0, max_iter=20)
    m.fit(frame())
    m.mode_names_, m.labels_ = list(names) if kind == 'labelled' else m.mode_names_, [ROWS12, WORDS8]
    v = same_as_array(m, X12, TURNED[kind]())
    assert v.labels == (tuple(ROWS12), tuple(WORDS8))


def test_modes_in_another_order():
    "Two modes of equal size are told apart by their names."
    cube = RNG.random((4, 4, 4))
    dims = ('a', 'b', 'c')
    m = NCPD(2, random_state=0, max_iter=20).fit(Labelled(cube, dims, {}))
    v = view(m, Labelled(cube.transpose(2, 0, 1), ('c', 'a', 'b'), {}))
    np.testing.assert_array_equal(v.data[0], cube)
    with pytest.raises(
        ValueError, match="the names of the modes differ: at index 2, 'z' in the data and 'c'"
    ):
        view(m, Labelled(cube, ('a', 'b', 'z'), {}))


def test_what_is_missing_is_turned_with_the_data():
    cube = RNG.random((3, 4, 5))
    cube[RNG.random(cube.shape) < 0.3] = np.nan
    for order in itertools.permutations(range(3)):
        dims = [('a', 'b', 'c')[k] for k in order]
        found = shown_data(Labelled(cube.transpose(order), dims, {})).transposed(['a', 'b', 'c'])
        np.testing.assert_array_equal(found.arrays[0], np.nan_to_num(cube))
        np.testing.assert_array_equal(found.observed[0], ~np.isnan(cube))


def test_strata_by_their_keys():
    parts = strata_of(frame())
    m = StratifiedNMF(2, strata_rank=1, random_state=0, max_iter=20).fit(parts)
    same_as_array(m, X12, dict(t=parts['t'], s=parts['s']))
    with pytest.raises(
        ValueError, match="the names of mode 'stratum' differ: at index 1, 'u' in the data and 't'"
    ):
        view(m, dict(s=parts['s'], u=parts['t']))


def test_names_of_the_fit_are_in_every_layer():
    estimators = HNMF, HNCPD, HNTF, MultiHNTF
    for E in estimators:
        t = tree(E((3, 2), random_state=0, max_iter=10).fit(frame()))
        assert all(
            v.labels == (tuple(ROWS12), tuple(WORDS8)) and v.modes == ('sample', 'term') for v in t.views
        )
    dims, coords = ('doc', 'part', 'term'), dict(doc=ROWS12, term=WORDS8)
    for E in estimators[1:]:
        t = tree(E((3, 2), random_state=0, max_iter=10).fit(Labelled(T12, dims, coords)))
        assert all(v.modes == dims and v.labels[2] == tuple(WORDS8) for v in t.views)
        assert t.views[1].labels[1][0] == 'part 1'


def layered(data):
    "Hierarchies of all kinds, fitted to a matrix or a tensor."
    flat = len(data.shape) == 2
    kinds = [MultiHNTF, HNMF if flat else HNCPD, NeuralNMF if flat else NeuralNCPD]
    for E in kinds if flat else (*kinds, HNTF):
        how = dict(max_epochs=4) if E in (NeuralNMF, NeuralNCPD) else dict(max_iter=10)
        yield E((4, 3, 2), random_state=0, **how).fit(data)
    first = (StratifiedNMF if flat else StratifiedNTF)(4, strata_rank=1, max_iter=10, random_state=0)
    for train in ('exact', 'joint'):
        est = MultiHNTF((4, 3, 2), first=first, train=train, random_state=0, max_iter=5)
        yield est.fit(data, strata=np.repeat([0, 1], 6))


@pytest.mark.parametrize('order', [2, 3])
def test_names_and_order_go_through_every_layer(order):
    "Neural and stratified layers too: what is named by its words is so wherever it is put."
    dims, coords = ('doc', 'part', 'term'), dict(doc=ROWS12, term=WORDS8)
    for m in layered(frame() if order == 2 else Labelled(T12, dims, coords)):
        assert list(m.labels_[-1]) == list(WORDS8)
        h = named(m.hierarchy_, m.labels_[-1])
        o = ordered(h)
        again = named(o, WORDS8)
        assert o.ranks == (4, 3, 2) and [x.names for x in o.layers] == [x.names for x in again.layers]
        for a, b in zip(h.layers, o.layers):
            assert sorted(a.names) == sorted(b.names) and len(b.names) == b.rank
            for f, g in zip(a.factors, b.factors):
                assert np.allclose(np.sort(f, 1), np.sort(g, 1))
            assert np.allclose(a.cp.full(), b.cp.full())
        flows = [flow(o, l) for l in (1, 2)]
        assert (np.diff(flows[1].argmax(1)) >= 0).all() and (np.diff(flows[0].argmax(1)) >= 0).all()
        assert [v.names for v in tree(o).views] == [x.names for x in o.layers]
        assert all(tuple(v.labels[order - 1]) == tuple(WORDS8) for v in tree(m).views)


def test_names_in_factors():
    "A model that is a frame, or a list or a dict of frames."
    H, W = frame(RNG.random((8, 2)), WORDS8, ['x', 'y']), frame(RNG.random((12, 2)), ROWS12, None)
    assert view(H).labels[1] == view([H]).labels[1] == tuple(WORDS8)
    assert view([W, H]).labels == view(dict(doc=W, term=H)).labels == (tuple(ROWS12), tuple(WORDS8))
    assert view(dict(doc=W, term=H)).modes == ('doc', 'term')
    assert view([H, W], sample_mode=1).labels == (tuple(ROWS12), tuple(WORDS8))
    assert view(Labelled(H.to_numpy(), ('gene', 'k'), dict(gene=WORDS8))).labels[1] == tuple(WORDS8)


HIDDEN = RNG.random(X12.shape) < 0.2
NOT_OBSERVED = {
    'NaN': lambda: dict(data=np.where(HIDDEN, np.nan, X12)),
    'masked': lambda: dict(data=np.ma.masked_array(X12, HIDDEN)),
    'NaN in a frame': lambda: dict(data=frame().mask(HIDDEN)),
    'NA in a frame': lambda: dict(data=frame().mask(HIDDEN).convert_dtypes()),
    'mask': lambda: dict(data=X12, mask=~HIDDEN),
    'mask of ones': lambda: dict(data=X12, mask=(~HIDDEN).astype(int)),
    'mask with names': lambda: dict(data=frame(), mask=frame(~HIDDEN).iloc[:, ::-1]),
    'both': lambda: dict(data=np.where(HIDDEN & (np.arange(8) < 4), np.nan, X12), mask=~HIDDEN),
    'torch': lambda: dict(data=torch.from_numpy(np.where(HIDDEN, np.nan, X12))),
    'strata': lambda: dict(data=strata_of(np.where(HIDDEN, np.nan, X12))),
    'strata with masks': lambda: dict(data=strata_of(X12), mask=strata_of(~HIDDEN)),
    'list of strata with masks': lambda: dict(data=strata_of(X12, list), mask=strata_of(~HIDDEN, list)),
    'strata with one mask': lambda: dict(data=strata_of(X12, list), mask=~HIDDEN),
}


@pytest.mark.parametrize('kind', NOT_OBSERVED)
def test_what_was_not_observed_counts_for_nothing(kind):
    seen = np.where(HIDDEN, 0, X12)
    for m in (
        NMF(2, random_state=0, max_iter=20).fit(X12, mask=~HIDDEN),
        StratifiedNMF(2, strata_rank=1, random_state=0, max_iter=20).fit(strata_of(X12)),
    ):
        v = view(m, **NOT_OBSERVED[kind]())
        np.testing.assert_allclose(v.corpus[1], seen.sum(0) / seen.sum())
        np.testing.assert_allclose(v.corpus[0], seen.sum(1) / seen.sum())
        assert all(np.isfinite(x) for x in tables.topic_terms(v, 0)['lift'])
        assert all(tables.typical_samples(v, 0)['words'])
    t = tree(HNMF((3, 2), random_state=0, max_iter=20).fit(X12), **NOT_OBSERVED[kind]())
    np.testing.assert_allclose(t.views[1].corpus[1], seen.sum(0) / seen.sum())


def test_other_samples_than_those_of_the_fit():
    "By their number or their names, and where neither tells by `new_samples`."
    m = NMF(2, random_state=0).fit(frame())
    for new in (
        X12[:3],
        frame()[:3],
        sp.csr_array(X12[:3]),
        frame(X12[:3], list('xyz')),
        frame().iloc[2::-1, ::-1],
    ):
        v = view(m, new)
        assert v.shape == (3, 8) and v.labels[1] == tuple(WORDS8)
        rows = slice(2, None, -1) if v.labels[0][0] == ROWS12[2] else slice(3)
        np.testing.assert_allclose(v.weights, view(m).weights[rows], rtol=1e-6, atol=1e-9)
    renamed = frame(X12[::-1], [f'new {r}' for r in ROWS12])
    np.testing.assert_allclose(view(m, renamed).weights, view(m).weights[::-1], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(
        view(m, X12[::-1], new_samples=True).weights, view(m).weights[::-1], rtol=1e-6, atol=1e-9
    )
    holes = np.where(HIDDEN, np.nan, X12)[:4]
    np.testing.assert_allclose(
        view(m, holes).weights.sum(0) / view(m).topics[0].sum(0),
        (m.transform(frame(np.nan_to_num(holes), ROWS12[:4]), mask=~HIDDEN[:4]) * m.components_.sum(1)).sum(
            0
        ),
        rtol=1e-6,
    )
    with pytest.raises(ValueError, match=re.escape('the data have shape (3, 8), the model (12, 8)')):
        view(m.cp_, X12[:3])


@pytest.mark.parametrize('kind', ['NumPy', 'torch, double', 'torch, single'])
def test_other_samples_of_a_model_of_any_library(kind):
    to = dict(NumPy=np.asarray).get(
        kind, lambda x: torch.tensor(x, dtype=getattr(torch, f'float{64 - 32 * ("single" in kind)}'))
    )
    quick = dict(random_state=0, max_iter=20)
    for new in (T12[:3], to(T12[:3])):
        assert view(NCPD(2, **quick).fit(to(T12)), new).shape == (3, 5, 8)
        assert [v.shape for v in tree(HNCPD((3, 2), **quick).fit(to(T12)), new).views] == [(3, 5, 8)] * 2
        strata = StratifiedNTF(2, **quick).fit(dict(s=to(T12[:5]), t=to(T12[5:])))
        assert view(strata, dict(t=new)).shape == (3, 5, 8)


def test_other_samples_of_strata_and_layers():
    parts = strata_of(frame())
    m = StratifiedNMF(2, strata_rank=1, random_state=0).fit(parts)
    new = frame(X12[5:9], list('wxyz'))
    alone, both = view(m, dict(t=new)), view(m, dict(t=new, s=frame(X12[:2], list('uv'))))
    assert list(alone.stratum) == [1] * 4 and alone.strata == ('s', 't') and alone.labels[0] == tuple('wxyz')
    assert list(both.stratum) == [0, 0, 1, 1, 1, 1] and both.labels[0] == tuple('uvwxyz')
    np.testing.assert_allclose(alone.weights, both.weights[2:])
    np.testing.assert_allclose(alone.weights, view(m).weights[5:9], rtol=1e-6, atol=1e-9)
    mixed = view(m, frame(X12[[5, 0, 6]], list('abc')), strata=['t', 's', 't'])
    assert list(mixed.stratum) == [1, 0, 1] and mixed.strata == ('s', 't')
    np.testing.assert_allclose(mixed.weights, view(m).weights[[5, 0, 6]], rtol=1e-6, atol=1e-9)
    t = tree(HNMF((3, 2), random_state=0).fit(frame()), new)
    assert [v.labels[0] for v in t.views] == [tuple('wxyz')] * 2


def words_by_columns():
    from sklearn.feature_extraction.text import CountVectorizer

    docs = ['zebra zebra apple', 'zebra zebra', 'mango apple', 'mango mango']
    vectorizer = CountVectorizer()
    return docs, vectorizer, vectorizer.fit_transform(docs)


class Dictionary(dict):
    "As gensim has it."

    token2id = dict(zebra=2, apple=0, mango=1)


@pytest.mark.parametrize(
    'form',
    [
        lambda v: v,
        lambda v: v.vocabulary_,
        lambda v: v.get_feature_names_out(),
        lambda v: list(v.get_feature_names_out()),
        lambda v: pytest.importorskip('pandas').Series(v.get_feature_names_out(), index=[5, 3, 4]),
        lambda v: pytest.importorskip('pandas').Series(v.vocabulary_),
        lambda v: pytest.importorskip('pandas').Index(v.get_feature_names_out()),
        lambda v: v.get_feature_names_out().astype('S'),
        lambda v: Dictionary({2: 'zebra', 0: 'apple', 1: 'mango'}),
        lambda v: {2: 'zebra', 0: 'apple', 1: 'mango'},
        lambda v: (w for w in v.get_feature_names_out()),
    ],
)
def test_a_vocabulary_in_every_form(form):
    from sklearn.decomposition import NMF as SkNMF

    _, vectorizer, X = words_by_columns()
    m = NMF(2, random_state=0).fit(X)
    assert view(m, X, labels={'term': form(vectorizer)}).names == ('zebra · apple', 'mango · apple')
    sk = SkNMF(2, max_iter=500).fit(X)
    assert view(sk, labels={'term': form(vectorizer)}).labels[1] == ('apple', 'mango', 'zebra')
    t = tree(HNMF((2, 1), random_state=0).fit(X), labels={'term': vectorizer.vocabulary_})
    assert t.views[1].labels[1] == ('apple', 'mango', 'zebra')


@pytest.mark.parametrize('kind', ['NMF', 'MiniBatchNMF', 'LatentDirichletAllocation'])
def test_models_of_scikit_learn(kind):
    from sklearn import decomposition
    from sklearn.pipeline import make_pipeline

    docs, vectorizer, X = words_by_columns()
    E = getattr(decomposition, kind)(2, random_state=0)
    fitted = E.fit(X)
    v = view(fitted, X, labels=dict(term=vectorizer))
    W, H = fitted.transform(X), fitted.components_
    if kind == 'LatentDirichletAllocation':  # shares of topics, and profiles
        W, H = W * X.toarray().sum(1)[:, None], H / H.sum(1, keepdims=True)
    np.testing.assert_allclose(v.weights, W * H.sum(1))
    np.testing.assert_allclose(sum(tables.topic_shares(v)['share']), 1)
    assert tables.topic_terms(fitted, 0).rows and view(fitted).shape == (1, 3)
    whole = make_pipeline(type(vectorizer)(), E).fit(docs)
    again = view(whole, docs)
    assert again.labels[1] == ('apple', 'mango', 'zebra') and again.shape == (4, 3)
    np.testing.assert_allclose(again.corpus[1], v.corpus[1])


def test_pipelines_with_our_models():
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline

    docs, vectorizer, X = words_by_columns()
    pipe = make_pipeline(type(vectorizer)(), NMF(2, random_state=0)).fit(docs)
    assert view(pipe, docs).names == ('zebra · apple', 'mango · apple')
    assert view(pipe, docs[:1]).shape == (1, 3) and view(pipe).labels[1] == ('apple', 'mango', 'zebra')
    layered = make_pipeline(type(vectorizer)(), HNMF((2, 1), random_state=0)).fit(docs)
    assert tree(layered, docs).views[1].labels[1] == ('apple', 'mango', 'zebra')
    search = GridSearchCV(NMF(2, random_state=0), dict(rank=[2]), cv=2).fit(X)
    assert view(search, X).rank == 2


def test_models_of_other_libraries_by_what_they_have():
    from types import SimpleNamespace

    F = [RNG.random((d, 2)) for d in (4, 3, 5)]
    ktensor = SimpleNamespace(weights=np.array([1.0, 2]), factor_matrices=F)
    np.testing.assert_allclose(
        view(ktensor, RNG.random((4, 3, 5))).weights, view((ktensor.weights, F)).weights
    )

    class Gensim:
        id2word = {2: 'zebra', 0: 'apple', 1: 'mango'}

        def get_topics(self):
            return np.array([[0.5, 0, 0.5], [0.25, 0.75, 0]])

        def __getitem__(self, document):
            return [(1, 0.25), (0, 0.75)]

    v = view(Gensim(), [[(0, 2), (2, 1)], [(1, 4)]])
    np.testing.assert_allclose(v.weights, [[2.25, 0.75], [3, 1]])
    assert v.labels[1] == ('apple', 'mango', 'zebra') and view(Gensim()).names[1].startswith('mango')


@pytest.mark.parametrize(
    'given, names, stratum',
    [
        (['b', None, 'a', 'b'], ('a', 'b', 'not known'), [1, 2, 0, 1]),
        ([2.0, np.nan, 10.0, 2.0], ('2.0', '10.0', 'not known'), [0, 2, 1, 0]),
        (
            np.array(['2020-01-01', 'NaT', '2019-01-01', '2020-01-01'], 'M8[ns]'),
            ('2019', '2020', 'not known'),
            None,
        ),
        ([10, 9, 10, 9], ('9', '10'), [1, 0, 1, 0]),
        (dict(z=1, y=0, x=1, w=0), ('0', '1'), [0, 1, 0, 1]),
    ],
)
def test_strata_of_samples(given, names, stratum):
    v = view([np.ones((4, 2)), np.ones((3, 2))], samples=list('wxyz'), strata=given)
    assert v.strata == names and (stratum is None or list(v.stratum) == stratum)


def test_tables_are_copied_and_pickled():
    import copy
    import pickle

    for t in all_tables(hostile(), hierarchy()):
        for again in (copy.deepcopy(t), pickle.loads(pickle.dumps(t))):
            assert again.rows == t.rows and again.columns == t.columns and repr(again) == repr(t)


def test_tables_take_models():
    m, h = NMF(2, random_state=0).fit(frame()), HNMF((3, 2), random_state=0).fit(frame())
    assert tables.topic_terms(m, 0).rows == tables.topic_terms(view(m), 0).rows
    assert tables.topic_shares(m).rows == tables.topic_shares(view(m)).rows
    assert tables.tree_table(h).rows == tables.tree_table(tree(h)).rows
    assert tables.match_topics(m, m)['agreement'] == pytest.approx([1, 1])


def test_topics_are_matched_by_the_words_that_two_fits_share():
    "Two corpora of the same three topics, over words 0 to 59 and 20 to 79: partners are found again."
    rng = np.random.default_rng(0)
    topics = rng.gamma(0.2, size=(3, 80))
    words = [f'w{i}' for i in range(80)]
    corpus = lambda n: rng.poisson(30 * rng.dirichlet(np.full(3, 0.3), n) @ topics).astype(float)
    X, Y = pd.DataFrame(corpus(80), columns=words), pd.DataFrame(corpus(90), columns=words)
    here, there = words[:60], list(rng.permutation(words[20:]))
    a, b = (NMF(3, n_init=3, random_state=0).fit(x) for x in (X[here], Y[there]))
    C = tables.agreement(a, b, shared=True)
    both = [w for w in here if w in there]
    P, Q = (pd.DataFrame(m.cp_.factors[1], index=w) for m, w in ((a, here), (b, there)))
    length = lambda D: np.linalg.norm(D, axis=0)
    want = P.loc[both].to_numpy().T @ Q.loc[both].to_numpy() / np.outer(length(P), length(Q))
    np.testing.assert_allclose(C, want, atol=1e-12)
    truth = lambda D: [int(np.argmax(topics[:, [words.index(w) for w in D.index]] @ D[j])) for j in D]
    partner = tables.match_topics(a, b, shared=True)['partner']
    assert [truth(Q)[k] for k in partner] == truth(P)
    carried = tables.carry_names(view(a, names=list('xyz')), view(b), 0.1, shared=True)
    assert [carried.names[k] for k in partner] == list('xyz')
    assert np.array_equal(tables.agreement(a, a, shared=True), tables.agreement(a, a))
    with pytest.raises(ValueError, match='with shared=True, over the names that both have'):
        tables.match_topics(a, NMF(3, max_iter=3).fit(Y[there[:9]]))
    with pytest.raises(ValueError, match="the views share no names of 'term'"):
        tables.match_topics(a, NMF(3, max_iter=3).fit(Y[words[60:]]), shared=True)


def test_topics_of_frames_are_matched_by_their_words():
    "Columns in another order are another order of the same words."
    a = NMF(2, random_state=0, tol=1e-10).fit(frame())
    b = NMF(2, random_state=0, tol=1e-10).fit(frame().iloc[:, PERMUTED])
    assert min(tables.match_topics(a, b)['agreement']) > 0.9
    lead = view(a, names=['one', 'two'])
    carried = tables.carry_names(lead, view(b))
    for j, name in enumerate(carried.names):
        k = lead.names.index(name)
        first = lambda v, j: tables.topic_terms(v, j, n=1)['term']
        assert first(carried, j) == first(lead, k)
    with pytest.raises(ValueError, match="at index 0, 'x' in the second and 'tax' in the first"):
        tables.agreement(a, NMF(2).fit(frame(columns=['x', *WORDS8[1:]])))
    assert min(tables.stability([view(a), view(b)])['lowest']) > 0.9


# --- bad input ---

F2 = [np.ones((5, 2)), np.ones((4, 2))]
STRATA = view(Strata((np.ones((2, 4, 2)),), np.ones((5, 2)), (np.ones((4, 2)),), (0, 2, 5)))
BAD = [
    (
        lambda: view(F2, labels=dict(term=list('abc'))),
        ValueError,
        "labels['term'] has 3 names for a mode of 4 indices",
    ),
    (
        lambda: view(F2, samples=list('abc')),
        ValueError,
        "labels['sample'] has 3 names for a mode of 5 indices",
    ),
    (lambda: view(F2, names=list('abc')), ValueError, 'names has 3 names for a mode of 2 indices'),
    (lambda: view(F2, names={7: 'x'}), ValueError, 'topic must be a number from 0 to 1'),
    (lambda: view(F2, strata=list('ab')), ValueError, 'strata has 2 names for a mode of 5 indices'),
    (lambda: view(F2, labels=list('abcd')), ValueError, 'labels names 4 modes; the model has 2'),
    (lambda: view(F2, labels=np.array(list('abcd'))), ValueError, "one mode pass labels={'term': words}"),
    (lambda: view(F2, labels=dict(a=0, b=1, c=2, d=3)), ValueError, "one mode pass labels={'term': words}"),
    (
        lambda: view(F2, labels=dict(term=set('abcd'))),
        TypeError,
        "labels['term'] is a set, which has no order",
    ),
    (
        lambda: view(F2, labels=dict(term=dict(a=1).keys())),
        TypeError,
        "['term'] is a dict_keys, which has no",
    ),
    (
        lambda: view(F2, labels=dict(term='abcd')),
        TypeError,
        "labels['term'] is one text, 'abcd'; give a list",
    ),
    (
        lambda: view(F2, labels=dict(term=dict(a=1, b=2, c=3, d=4))),
        ValueError,
        "labels['term'] is a dict that does not number its words from 0 to 3",
    ),
    (lambda: view(F2, samples=set('abcde')), TypeError, "labels['sample'] is a set, which has no order"),
    (lambda: view(F2, strata=set('abcde')), TypeError, 'strata is a set, which has no order'),
    (lambda: view(F2, strata=dict(a=1, b=2)), ValueError, 'strata has 2 names for a mode of 5 indices'),
    (
        lambda: view(F2, mask=np.ones((5, 4))),
        ValueError,
        'mask= says what was observed of the data; pass data=',
    ),
    (
        lambda: view(F2, sp.eye(5, 4), mask=np.ones((5, 4))),
        TypeError,
        'mask= needs dense data; data is sparse',
    ),
    (
        lambda: view(F2, np.ones((5, 4)), mask=np.ones((5, 3))),
        ValueError,
        'mask has shape (5, 3), data has (5, 4)',
    ),
    (
        lambda: view(F2, ['a text', 'another']),
        TypeError,
        'the data are texts; pass what the vectorizer makes',
    ),
    (
        lambda: view(F2, frame().iloc[:, 0].map(str)),
        TypeError,
        'the data are texts; pass what the vectorizer',
    ),
    (
        lambda: view(NMF(2).fit(frame()), frame().assign(law='x')),
        TypeError,
        "column 'law' of data must hold real numbers; leave it out",
    ),
    (
        lambda: view(StratifiedNMF(2).fit(strata_of(X12)), X12[:3]),
        ValueError,
        'the data have 3 samples, the model 12; for other samples of its 2 strata pass a dict by stratum',
    ),
    (lambda: view(F2, []), ValueError, 'the data are an empty list; give one array per stratum'),
    (
        lambda: tree([Layer(tuple(F2))], label=[]),
        TypeError,
        "tree has no keyword 'label'; did you mean labels?",
    ),
    (
        lambda: tables.term_topics(view(F2, labels=dict(term=['tax', 'war', 'gold', 'farm'])), 'taxes'),
        ValueError,
        'term must be a number from 0 to 3 or one of tax, war, gold, farm',
    ),
    (
        lambda: tables.term_topics(
            view(np.ones((20, 2)), labels=dict(term=[*map(chr, range(97, 116)), 'tax'])), 'Taxes'
        ),
        ValueError,
        "there is no term 'Taxes'; nearest: tax",
    ),
    (
        lambda: view([*F2, np.ones((4, 2))], labels=dict(term=list('abcd'))),
        ValueError,
        '2 modes of (5, 4, 4) have that size; name all modes, in order',
    ),
    (lambda: view([-np.ones((5, 2)), F2[1]]), ValueError, 'factor 0 must be nonnegative'),
    (lambda: view([np.full((5, 2), np.nan), F2[1]]), ValueError, 'factor 0 has NaN'),
    (lambda: view([F2[0], np.full((4, 2), np.inf)]), ValueError, 'factor 1 has an infinite entry'),
    (
        lambda: view([np.ones(5), F2[1]]),
        ValueError,
        'factor 0 must be a matrix, indices x topics, not of shape (5,)',
    ),
    (lambda: view([F2[0] * 1j, F2[1]]), TypeError, 'factor 0 must hold real numbers'),
    (
        lambda: view('model'),
        TypeError,
        'a CP model is a CP, (weights, factors) or a list of factors, not str',
    ),
    (lambda: view(F2, np.ones((5, 3))), ValueError, 'the data have shape (5, 3), the model (5, 4)'),
    (
        lambda: view(F2, terms='word'),
        ValueError,
        "mode must be a number from 0 to 1 or one of sample, mode 2; not 'word'",
    ),
    (lambda: view(F2, sample_mode=2), ValueError, 'sample_mode must be 0 to 1, not 2'),
    (
        lambda: view([np.ones((4, 3)), np.ones((3, 6))]),
        ValueError,
        'transpose factor 1 (.T): a factor is index x topic',
    ),
    (lambda: tables.topic_terms(view(F2), 'x'), ValueError, 'topic must be a number from 0 to 1'),
    (lambda: tables.topic_terms(view(F2), -1), ValueError, 'not -1'),
    (lambda: tables.topic_terms(view(F2), True), ValueError, 'not True'),
    (lambda: tables.topic_terms(view(F2), 0, n=0), ValueError, 'n must be at least 1, not 0'),
    (
        lambda: tables.topic_terms(view(F2), 0, lam=1.5),
        ValueError,
        'lam must be a finite number of at least 0 and at most 1',
    ),
    (
        lambda: tables.topic_terms(view(F2), 0, order='tf'),
        ValueError,
        "order must be one of 'relevance', 'probability', 'saliency'",
    ),
    (lambda: tables.feature_terms(view(F2), 0, 0), ValueError, 'there is no feature'),
    (
        lambda: plots.mode_bars(STRATA, 2, stratum=0),
        ValueError,
        'feature must be a number from 0 to 1 or one of feature 0, feature 1; not 2',
    ),
    (
        lambda: plots.mode_bars(STRATA, -1, stratum=0),
        ValueError,
        'feature must be a number from 0 to 1 or one of feature 0, feature 1; not -1',
    ),
    (lambda: plots.mode_bars(STRATA, 0, stratum=5), ValueError, 'stratum must be a number from 0 to 1'),
    (lambda: plots.mode_bars(view(F2), 0, stratum=0), ValueError, 'there is no feature'),
    (lambda: tables.term_topics(view(F2), 'tax'), ValueError, 'mode 2 must be a number from 0 to 3'),
    (lambda: tables.drivers(view(F2), 0, 0), ValueError, 'pass data= to view'),
    (
        lambda: tables.match_topics(view(F2), view([F2[0], np.ones((3, 2))])),
        ValueError,
        'only topics over the same indices can be matched',
    ),
    (lambda: tables.stability([view(F2)]), ValueError, 'two fits at least'),
    (lambda: tree(F2), TypeError, 'a hierarchy has layers with factors and links, not list'),
    (lambda: tree(CP(tuple(F2))), TypeError, 'CP'),
    (
        lambda: tree([Layer(tuple(F2)), Layer(tuple(f[:, :1] for f in F2))]),
        ValueError,
        'layer 1 has no links to the layer before it',
    ),
    (
        lambda: tree([Layer(tuple(F2)), Layer(tuple(f[:, :1] for f in F2), (-np.ones((2, 1)),))]),
        ValueError,
        'links of layer 1 must be nonnegative',
    ),
    (
        lambda: tables.node_words(tree([Layer(tuple(F2))]), 1, 0),
        ValueError,
        'layer must be a number from 0 to 0, not 1',
    ),
    (
        lambda: plots.topic_over_time(view(F2), 0, [1, 2]),
        ValueError,
        'x has shape (2,); give one number for each of the 5 samples',
    ),
    (lambda: plots.strata_panels(view(F2)), ValueError, 'no strata features'),
    (lambda: plots.topic_images(view(F2), (3, 3)), ValueError, 'pictures need two modes besides the samples'),
    (lambda: plots.loss_curves([1, 2], x='days'), ValueError, "x must be one of 'sweep', 'seconds'"),
    (
        lambda: plots.layer_graph(tree([Layer(tuple(F2))]), least=2),
        ValueError,
        'least must be a finite number of at least 0 and at most 1',
    ),
]


@pytest.mark.parametrize('call,error,message', BAD, ids=[m for *_, m in BAD])
def test_bad_input(call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        call()
    plt.close('all')


HEAVY = {'matplotlib', 'ipywidgets', 'pandas', 'torch'}


def test_tables_bring_no_matplotlib():
    code = f'import sys, ntf_lit.tables; bad = {HEAVY} & set(sys.modules); assert not bad, bad'
    subprocess.run([sys.executable, '-c', code], check=True)
