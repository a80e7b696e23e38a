"""Every container through all that takes data; a refusal says what to do. Makes the table of the docs."""

import re
from pathlib import Path

import numpy as np
import pytest
from test_views_tables_plots import MATRICES, T12, TENSORS, WORDS8, X12

import ntf_lit as nl
from ntf_lit import tables
from ntf_lit.hierarchy_browser import HierarchyBrowser
from ntf_lit.result import leaves
from ntf_lit.topic_browser import TopicBrowser
from ntf_lit.views import tree, view

PAGE = Path(__file__).parents[1] / 'docs/howto/containers.md'
QUICK = dict(random_state=0, max_iter=5)
# Steps proportional to the gradient: Adam's take the sign of what is zero but for rounding
EPOCHS = dict(random_state=0, max_epochs=2, optimizer='sgd', lr=0.01)
FIRST = dict(n_init=1, race_epochs=1, first=dict(max_iter=5, n_init=1))
MODELS = {
    'NMF': lambda: nl.NMF(2, **QUICK),
    'NCPD': lambda: nl.NCPD(2, **QUICK),
    'StratifiedNMF': lambda: nl.StratifiedNMF(2, **QUICK),
    'StratifiedNTF': lambda: nl.StratifiedNTF(2, **QUICK),
    'HNMF': lambda: nl.HNMF((3, 2), **QUICK),
    'HNCPD': lambda: nl.HNCPD((3, 2), **QUICK),
    'HNTF': lambda: nl.HNTF((3, 2), **QUICK),
    'MultiHNTF': lambda: nl.MultiHNTF((3, 2), n_init=1, link_iter=20, **QUICK),
    'NeuralNMF': lambda: nl.NeuralNMF((3, 2), **EPOCHS),
    'NeuralNCPD': lambda: nl.NeuralNCPD((3, 2), **EPOCHS, **FIRST),
}
LAYERED = [name for name in MODELS if name.startswith(('H', 'Multi', 'Neural'))]
STRATIFIED = ['StratifiedNMF', 'StratifiedNTF']
SPARSE = {
    'anndata, sparse',
    'csr',
    'csc',
    'dok',
    'lil',
    'coo',
    'own coo',
    'pydata coo',
    'pydata gcxs',
    'pydata dok',
    'pyttb, sparse',
    'dask, sparse',
    'bag of words',
    'scipy coo',
    'sparse strata',
}
APART = {'list of strata', 'dict of strata', 'dict of frames', 'groupby', 'sparse strata'}
NAMED = {'frame', 'frame with no index', 'nullable frame', 'labelled', 'polars', 'anndata', 'anndata, sparse'}
NAMED |= {'dict of frames', 'groupby', 'data set'}
LABELS = np.repeat(['s', 't'], [5, 7])

# What is asked of a container, and which models it is asked of
ASKED = dict(
    fit=list(MODELS),
    transform=list(MODELS),
    fit_transform=list(MODELS),
    score=list(MODELS),
    labels=STRATIFIED,
    dict=STRATIFIED,
    mask=list(MODELS),
    view=list(MODELS),
    tables=list(MODELS),
    TopicBrowser=[name for name in MODELS if name not in LAYERED],
    HierarchyBrowser=LAYERED,
)
HEADS = dict(labels='strata by label', dict='strata in a dict')


def refused(container, asked, model='StratifiedNTF'):
    "What the message says if this is not possible; None if it is."
    if container in APART and model not in STRATIFIED:
        return 'of several tensors; use a stratified model'
    if asked == 'labels' and container in APART | {'data set'}:
        return 'strata= is for one tensor|strata= out|strata must hold one label per sample'
    if asked == 'mask' and model.startswith('Neural') and container not in SPARSE:
        return 'neural models need complete data'
    if asked == 'mask' and container in SPARSE:
        return 'mask= needs dense data; .* is sparse'
    return None


def plain(container, X):
    "The same data as arrays: in strata, if the container has any."
    return [X[:5], X[5:]] if container in APART | {'data set'} else X


def close(a, b, rtol=1e-6):
    for x, y in zip(leaves(a), leaves(b), strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=rtol, atol=1e-9)


def rounding(model, container):
    "How far rounding in torch leads a training of two epochs."
    return 1e-5 if (model, container) == ('NeuralNCPD', 'torch') else 1e-6


def fitted(model, X):
    return MODELS[model]().fit(X)


def as_strata(model, container, X):
    "The data as arrays in the form that the model takes."
    return plain(container, X) if model in STRATIFIED else X


def fit(model, container, X, Y):
    a, b = fitted(model, as_strata(model, container, X)), fitted(model, Y)
    close(a.relative_error_, b.relative_error_)
    assert container not in NAMED or b.labels_[-1] == WORDS8
    assert all(np.asarray(f).flags.c_contiguous for f in factors(b))


def factors(m):
    if hasattr(m, 'layers_'):
        return [f for layer in m.layers_ for f in (*layer.factors, *layer.links)]
    return leaves([m.weights_, m.topics_, m.strata_features_] if hasattr(m, 'topics_') else m.factors_)


def transform(model, container, X, Y):
    want = fitted(model, as_strata(model, container, X))
    want = want.transform(as_strata(model, container, X))
    close(fitted(model, Y).transform(Y), want, rounding(model, container))


def fit_transform(model, container, X, Y):
    want = MODELS[model]().fit_transform(as_strata(model, container, X))
    close(MODELS[model]().fit_transform(Y), want, rounding(model, container))


def score(model, container, X, Y):
    m = fitted(model, Y)
    close(m.score(Y), fitted(model, as_strata(model, container, X)).score(as_strata(model, container, X)))


def labels(model, container, X, Y):
    m = MODELS[model]().fit(Y, strata=LABELS)
    want = MODELS[model]().fit(X, strata=LABELS)
    close(m.weights_, want.weights_)
    close(m.transform(Y, strata=LABELS), want.transform(X, strata=LABELS))
    close(m.score(Y, strata=LABELS), want.score(X, strata=LABELS))


def dict_(model, container, X, Y):
    parts = Y if container in APART | {'data set'} else dict(s=Y, t=Y)
    m = MODELS[model]().fit(parts)
    want = MODELS[model]().fit(plain(container, X) if parts is Y else [X, X])
    close(m.weights_, want.weights_)
    close(m.transform(parts), want.weights_)


def mask(model, container, X, Y):
    seen = np.random.default_rng(0).random(X.shape) < 0.8
    parts = [seen[:5], seen[5:]]
    given = seen
    if container in APART:
        named = container in ('dict of strata', 'dict of frames', 'groupby')
        given = dict(s=parts[0], t=parts[1]) if named else parts
    m = MODELS[model]().fit(Y, mask=given)
    as_in_fit = as_strata(model, container, X)
    want = MODELS[model]().fit(as_in_fit, mask=parts if isinstance(as_in_fit, list) else seen)
    close(m.relative_error_, want.relative_error_)
    close(m.transform(Y, mask=given), MODELS[model]().fit_transform(Y, mask=given))
    assert np.isfinite(m.score(Y, mask=given))


def seen(model, Y):
    m = fitted(model, Y)
    return tree(m, Y).views if model in LAYERED else [view(m, Y)]


def view_(model, container, X, Y):
    for v in seen(model, Y):
        np.testing.assert_allclose(v.corpus[-1], X.sum(tuple(range(X.ndim - 1))) / X.sum())
        assert container not in NAMED or v.labels[-1] == tuple(WORDS8)


def tables_(model, container, X, Y):
    for v in seen(model, Y):
        assert len(tables.topic_terms(v, 1)) and len(tables.topic_shares(v))


def topic_browser(model, container, X, Y):
    b = TopicBrowser(fitted(model, Y), Y)
    assert container not in NAMED or set(WORDS8) & set(re.findall(r'\w+', str(b.data.modes)))


def hierarchy_browser(model, container, X, Y):
    HierarchyBrowser(fitted(model, Y), Y)


DO = dict(
    fit=fit,
    transform=transform,
    fit_transform=fit_transform,
    score=score,
    labels=labels,
    dict=dict_,
    mask=mask,
    view=view_,
    tables=tables_,
    TopicBrowser=topic_browser,
    HierarchyBrowser=hierarchy_browser,
)
ALL = [
    *((name, model, X12, MATRICES[name]) for name in MATRICES for model in MODELS),
    *((name, model, T12, TENSORS[name]) for name in TENSORS for model in MODELS if 'NMF' not in model),
]
ALL_CASES = [(asked, *case) for asked, models in ASKED.items() for case in ALL if case[1] in models]
# Every thirteenth by day: models, containers and what is asked of them all come up. The others by night.
DAY = 13
CASES = [
    pytest.param(
        *case, id=f'{case[0]}-{case[1]}-{case[3].ndim}-{case[2]}', marks=pytest.mark.slow if i % DAY else ()
    )
    for i, case in enumerate(ALL_CASES)
]


@pytest.mark.parametrize('place', range(3), ids=['what is asked', 'container', 'model'])
def test_by_day_every_kind_comes_up(place):
    assert {case[place] for case in ALL_CASES[::DAY]} == {case[place] for case in ALL_CASES}


@pytest.mark.parametrize('asked, container, model, X, make', CASES)
@pytest.mark.filterwarnings('ignore:mask hides', 'ignore:X has feature names', 'ignore:X does not have valid')
def test_containers(asked, container, model, X, make):
    words = refused(container, asked, model)
    if words is None:
        DO[asked](model, container, X, make(X))
        return
    with pytest.raises((TypeError, ValueError), match=words):
        DO[asked](model, container, X, make(X))


# --- What is no tensor yet ---

FOREIGN = {
    'texts': (['tax and war', 'peace'], 'text_tensor'),
    'array of texts': (np.array(['tax and war', 'peace']), 'text_tensor'),
    'complex numbers': (X12 * 1j, 'take its real part or modulus'),
}


@pytest.mark.parametrize('model', MODELS)
@pytest.mark.parametrize('what', FOREIGN)
def test_what_is_no_tensor_yet(model, what):
    X, cure = FOREIGN[what]
    with pytest.raises((TypeError, ValueError), match=cure):
        fitted(model, X)


@pytest.mark.parametrize('model', MODELS)
def test_a_long_table(model):
    pd = pytest.importorskip('pandas')
    with pytest.raises(TypeError, match='table_tensor'):
        fitted(model, pd.DataFrame(dict(who=['ann', 'bob'], word=['tax', 'war'], n=[1, 2])))


@pytest.mark.parametrize('fill', [1.0, np.nan])
@pytest.mark.parametrize('model', MODELS)
def test_a_fill_value_is_no_zero(model, fill):
    sparse = pytest.importorskip('sparse')
    X = sparse.COO(np.array([[0, 1], [0, 1]]), np.array([5.0, 5.0]), (3, 3), fill_value=fill)
    for data in [X, X.asformat('gcxs'), [X, X]] if model in STRATIFIED else [X, X.asformat('gcxs')]:
        with pytest.raises(ValueError, match='fill value .* only 0 may be left out'):
            fitted(model, data)


# --- Names of two sides ---


@pytest.mark.parametrize('model', STRATIFIED)
def test_strata_with_columns_in_another_order(model):
    df = MATRICES['frame'](X12)
    back = df[df.columns[::-1]]
    want = fitted(model, dict(a=df[:5], b=df[5:]))
    turned = fitted(model, dict(a=df[:5], b=back[5:]))
    np.testing.assert_allclose(turned.topics_[0], want.topics_[0], rtol=1e-12)
    np.testing.assert_allclose(turned.transform(dict(b=back[5:]))[0], want.weights_[1], rtol=1e-9, atol=1e-12)
    other = df.rename(columns={WORDS8[2]: 'other'})
    with pytest.raises(ValueError, match="mode 'column' differ: at index 2, 'other' in X"):
        fitted(model, dict(a=df[:5], b=other[5:]))
    with pytest.raises(ValueError, match="mode 'column' differ: at index 2, 'other' in X"):
        want.transform(dict(b=other))


@pytest.mark.parametrize('model', MODELS)
def test_samples_with_columns_in_another_order(model):
    df = MATRICES['frame'](X12)
    m = fitted(model, df)
    back = df[df.columns[::-1]]
    if 'NMF' in model:  # as everything in scikit-learn
        with pytest.raises(ValueError, match='Feature names must be in the same order'):
            m.transform(back)
        return
    close(m.transform(back), m.transform(df))
    with pytest.raises(ValueError, match="differ: at index 0, 'other' in X and '.*' in the fit"):
        m.transform(df.rename(columns={WORDS8[0]: 'other'}))


# --- The table of the docs ---


def table():
    "Which container can go where, as Markdown."
    lines = ['| container | ' + ' | '.join(HEADS.get(a, a) for a in ASKED) + ' |']
    lines.append('|---' * (len(ASKED) + 1) + '|')
    for name in [*MATRICES, *(name for name in TENSORS if name not in MATRICES)]:
        cells = []
        for asked, models in ASKED.items():
            words = [refused(name, asked, model) for model in models if not model.startswith('Neural')]
            cells.append('yes' if not any(words) else 'no' if all(words) else 'stratified models')
        lines.append(f'| {name} | ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines)


def test_the_table_of_the_docs():
    "`python tests/test_containers.py` writes it."
    assert table() in PAGE.read_text(encoding='utf-8')


if __name__ == '__main__':
    text = PAGE.read_text(encoding='utf-8')
    PAGE.write_text(re.sub(r'\| container \|(.|\n)*\|\n', lambda _: table() + '\n', text), encoding='utf-8')
