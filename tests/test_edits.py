"""Edits that outlive page and fit, what stands for a browser without a kernel, and reading on demand."""

import functools
import json
import os
import re
import warnings
from html import unescape
from pathlib import Path

import nbformat
import numpy as np
import pytest
from hypothesis import given, strategies as st
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook
from pages import Found
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.pipeline import make_pipeline
from shown_examples import PAYLOADS, WORDS, example, hierarchy_example, hostile
from test_browsers import SAFE_TAGS
from test_browsers_e2e import HERE

from ntf_lit.browser_data import POLICY
from ntf_lit.cp_estimators import NMF
from ntf_lit.edits import LIMIT, Edits, as_edits, carried, model_key, outlines
from ntf_lit.files import LoadError
from ntf_lit.hierarchy_browser import HierarchyBrowser
from ntf_lit.hierarchy_estimators import HNCPD, HNMF, HNTF, MultiHNTF
from ntf_lit.merge_split import merge_nodes, merge_topics, split_node
from ntf_lit.neural_estimators import NeuralNCPD, NeuralNMF
from ntf_lit.reading import concordance
from ntf_lit.strata_estimators import StratifiedNMF
from ntf_lit.topic_browser import TopicBrowser
from ntf_lit.views import view


def posts(n=60, seed=0):
    "Counts of twelve words in n posts, four topics of three words each."
    rng = np.random.default_rng(seed)
    H = np.kron(np.eye(4), np.array([[5.0], [3], [2]])) + 0.05 * rng.random((12, 4))
    return rng.random((n, 4)) ** 3 @ H.T


@functools.cache
def fitted(rank, seed, shape, data):
    "A fit, the same one for the same data."
    return NMF(rank, random_state=seed, n_init=3).fit(np.frombuffer(data).reshape(shape))


def browser(X, rank=4, seed=0, words=WORDS, **kwargs):
    model = fitted(rank, seed, X.shape, X.tobytes())
    return TopicBrowser(model, X, labels=dict(term=list(words)), front='core', **kwargs)


def edited(**kwargs):
    b = browser(posts(), **kwargs)
    for cmd, args in [
        ('name', dict(topic=0, value='Nought')),
        ('name', dict(topic=1, value='One')),
        ('note', dict(topic=1, value='as in the papers')),
        ('merge', dict(topic=2, into=3)),
        ('hide', dict(topic=1)),
        ('arrange', dict(topics=[1, 0, 3])),
    ]:
        assert b.act(cmd, **args)
    return b


def first_word(b, topic):
    v, j = b.view_of(topic)
    return v.labels[1][int(v.topics[0][:, j].argmax())]


# --- The way there and back ---


def test_edits_come_back_from_a_file(tmp_path):
    b = edited()
    b.save(tmp_path / 'edits.json')
    again = browser(posts(), edits=tmp_path / 'edits.json')
    assert again.left_out == ()
    for name in ('names_', 'merged', 'hidden', 'notes', 'own_order'):
        assert getattr(again, name) == getattr(b, name), name
    assert again.table['name'] == b.table['name'] and again.edited().names == b.edited().names
    assert [j for j, _ in again.listed()] == [0, 3, 1]
    assert browser(posts(), edits=b.edits).state == again.state
    assert browser(posts(), edits=b.edits.to_dict()).state == again.state


def test_all_taken_edits_are_undone_at_once():
    b, plain = browser(posts(), edits=edited().edits), browser(posts())
    assert b.act('undo')
    assert b.edits == plain.edits


@pytest.mark.parametrize('seed', [1, 2, 3])
def test_edits_follow_their_topics_to_another_fit(seed):
    """The topics of the new fit stand in another order; names go to those with the same words."""
    b, X = edited(), posts(80, seed=9)[:, np.random.default_rng(seed).permutation(12)]
    words = [WORDS[i] for i in np.random.default_rng(seed).permutation(12)]
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        new = browser(X, seed=seed, words=words, edits=b.edits)
    at = {first_word(new, j): j for j in range(4)}
    to = [at[first_word(b, j)] for j in range(4)]
    assert [new.names_[to[j]] for j in (0, 1)] == ['Nought', 'One']
    assert new.merged[to[2]] == to[3] and new.hidden == (to[1],) and new.notes[to[1]] == 'as in the papers'
    assert new.own_order == (to[1], to[0], to[3])


def test_what_cannot_be_carried_is_listed():
    b, X = edited(), posts()
    X = (
        X[:, 3:]
        if first_word(b, 0) in WORDS[:3]
        else X[:, [i for i in range(12) if WORDS[i] not in top_three(b, 0)]]
    )
    words = [w for w in WORDS if w not in top_three(b, 0)]
    with pytest.warns(UserWarning, match='some edits have no topic here: the name of topic 0'):
        new = browser(X, rank=3, words=words, edits=b.edits)
    assert 'Nought' not in new.names_ and 'One' in new.names_
    assert [x for x in new.left_out if x.startswith('the name of topic 0 (Nought)')]


def top_three(b, topic):
    v, j = b.view_of(topic)
    return {v.labels[1][i] for i in np.argsort(-v.topics[0][:, j])[:3]}


def test_edits_of_another_model_are_named_and_not_applied():
    other = [f'wort{i}' for i in range(12)]
    with pytest.warns(UserWarning, match='the edits are of another model, and none applies'):
        b = browser(posts(seed=5), words=other, edits=edited().edits)
    assert b.edits == browser(posts(seed=5), words=other).edits
    assert len(b.left_out) == 6


# --- A file is believed in nothing ---

GOOD = dict(ntf_lit='edits', version=1, key='k', sets=[4], names={'0': 'x'})
BAD = {
    'no object': ([], 'it holds no edits'),
    'another file': (dict(a=1), 'it holds no edits'),
    'another version': (GOOD | dict(version=2), "version '2'; this reads 1"),
    'an unknown entry': (GOOD | dict(eval='1'), 'unknown entries: eval'),
    'a long name': (GOOD | dict(names={'0': 'x' * 201}), 'at most 200 characters'),
    'a name that is none': (GOOD | dict(names={'0': 3}), 'at most 200 characters'),
    'no such topic': (GOOD | dict(names={'4': 'x'}), "no topic '4'"),
    'a topic that is none': (GOOD | dict(names={'__proto__': 'x'}), "no topic '__proto__'"),
    'hidden too large': (GOOD | dict(hidden=[4]), 'hidden is no list of different topics'),
    'hidden twice': (GOOD | dict(hidden=[1, 1]), 'hidden is no list of different topics'),
    'order of truths': (GOOD | dict(order=[True]), 'order is no list of different topics'),
    'merged into nothing': (GOOD | dict(merged={'0': 9}), 'merged names no topic'),
    'too many topics': (GOOD | dict(sets=[10**9]), 'how many topics'),
    'outlines of others': (GOOD | dict(outlines=[{}]), 'outlines are not one per topic'),
    'an outline of words': (GOOD | dict(outlines=[{'term': {'a': 'b'}}] * 4), 'no part of 1'),
    'an outline too deep': (GOOD | dict(outlines=[{'term': {'a': {'b': 1}}}] * 4), 'no part of 1'),
}


@pytest.mark.parametrize('what', BAD)
def test_bad_edits_are_refused(what, tmp_path):
    told, why = BAD[what]
    path = tmp_path / 'edits.json'
    path.write_text(json.dumps(told))
    with pytest.raises(LoadError, match=re.escape(why)):
        as_edits(path)


@pytest.mark.parametrize(
    'text', ['{"ntf_lit"', '[' * 100_000, ' ' * (LIMIT + 1), '{"a": NaN}', '{"a":1,"a":2}']
)
def test_files_that_are_none(text, tmp_path):
    path = tmp_path / 'edits.json'
    path.write_text(text)
    with pytest.raises(LoadError, match='cannot be read'):
        as_edits(path)
    with pytest.raises(LoadError, match='cannot be read'):
        as_edits(tmp_path / 'nothing.json')


def test_edits_that_go_in_circles_change_nothing():
    b = browser(posts())
    before = b.state
    told = b.edits.to_dict()
    for merged in ({'0': 1, '1': 0}, {'0': 1, '1': 2, '2': 0}):
        with pytest.raises(Exception, match='without circles'):
            b.take_edits(told | dict(merged=merged))
    assert b.state == before


def test_a_file_where_nothing_can_be_written(tmp_path):
    (tmp_path / 'edits.json').mkdir()
    with pytest.raises(OSError):
        browser(posts()).save(tmp_path / 'edits.json')
    assert [p.name for p in tmp_path.iterdir()] == ['edits.json']
    for write in (browser(posts()).save, browser(posts()).to_html):
        with pytest.raises(FileNotFoundError, match="none.file'$"):  # the name that was asked for
            write(tmp_path / 'none/file')


@pytest.mark.parametrize('payload', PAYLOADS)
def test_late_strings_are_cleaned_as_early_ones(payload):
    "Names and notes, from a command, a trait or a file: the same as names given to begin with."
    X = posts()
    early = browser(X, names={0: payload}).names_[0]
    b = browser(X)
    b.act('name', topic=0, value=payload[:200])
    b.act('note', topic=0, value=payload[:200])
    assert b.names_[0] == early and b.notes[0] == early
    file = b.edits.to_dict() | dict(names={'1': payload[:200]}, notes={'1': payload[:200]})
    b.take_edits(file)
    assert b.names_[1] == early and b.notes[1] == early
    b.notes = (payload[:200],) * 4
    assert b.notes == (early,) * 4
    page = b.html()
    assert '<script>alert' not in page and '<img src=x' not in page


# --- Fitted anew ---


def test_a_refit_is_the_one_of_merge_topics():
    b, X = browser(posts()), posts()
    b.act('name', topic=1, value='One')
    b.act('merge', topic=0, into=2)
    whole = b.model
    b.refit()
    wanted = merge_topics(whole, X, [0, 2])
    assert b.model.rank == 3 and np.allclose(b.model.factors_[1], wanted.factors_[1])
    assert np.allclose(view(b.views[0]).mass, view(wanted, X).mass)
    assert b.names_[1] == 'One' and b.merged == (0, 1, 2)
    assert b.act('undo') and b.model is whole and b.merged == (2, 1, 2, 3) and b.names_[1] == 'One'


def test_pictures_of_samples_stay_when_a_model_is_fitted_anew():
    X = posts()
    b = browser(X, images=np.random.default_rng(0).random((len(X), 5, 4)))
    b.act('merge', topic=0, into=2)
    b.refit()
    assert b.samples.best(0, n=1)[0]['image_shape'] == [5, 4]
    b.divide(1)
    assert b.model.rank == 4 and b.samples.best(3, n=1)[0]['image_shape'] == [5, 4]


def test_two_groups_are_refitted_together():
    b = browser(posts())
    b.act('note', topic=1, value='the second pair')
    b.act('merge', topic=0, into=3)
    b.act('merge', topic=2, into=1)
    b.refit()
    assert b.model.rank == 2 and b.notes == ('', 'the second pair')
    b.divide(1)
    assert b.model.rank == 3 and b.notes == ('', 'the second pair', '')


def test_a_page_may_ask_for_a_fit_and_hears_why_not():
    X = posts()
    b = TopicBrowser(NMF(4, random_state=0).fit(X), X, front='live')
    heard = []
    b.front.send = lambda content, buffers=None: heard.append(content)
    b.receive(b.front, dict(cmd='refit'))
    assert heard == [dict(kind='said', text='refit: no topics are merged; merge two first')]
    assert b.front.data['refit'] is True
    b.act('merge', topic=0, into=1)
    b.receive(b.front, dict(cmd='refit'))
    assert b.model.rank == 3 and len(b.front.data['share']) == 3 and b.children == (b.front,)
    b.receive(b.front, dict(cmd='divide', topic=1))
    assert b.model.rank == 4
    b.close()


# --- Nodes of a hierarchy fitted anew ---

RANKS, HALVES = (6, 4, 2), np.repeat(['N', 'S'], 30)
NODES = sum(RANKS)


@functools.cache
def counts():
    "Posts with chance in them, so that there are six topics to find."
    return posts() + np.random.default_rng(1).random((60, 12))


@functools.cache
def grown(over, **settings):
    "Layers of topics of the posts, over strata or not."
    first = StratifiedNMF(RANKS[0], strata_rank=1, random_state=0) if over else None
    model = MultiHNTF(RANKS, first=first, random_state=0, **settings)
    return model.fit(counts(), **(dict(strata=HALVES) if over else {}))


def nodes(over=False, front='core', make=HierarchyBrowser, **kwargs):
    how = dict(strata=HALVES) if over else {}
    return make(grown(over), counts(), labels=dict(term=WORDS), front=front, **how, **kwargs)


def named_and_noted(over, make=HierarchyBrowser):
    "Every node named by its number, one with a note, one hidden."
    b = nodes(over, make=make)
    for j in range(NODES):
        b.act('name', topic=j, value=f'n{j}')
    b.act('note', topic=7, value='as in the papers')
    b.act('hide', topic=11)
    return b


def edited_names(b):
    "(all names, those with a note, those hidden)."
    noted = [b.names_[j] for j, note in enumerate(b.notes) if note]
    return list(b.names_), noted, [b.names_[j] for j in b.hidden]


def same_fit(model, other):
    pairs = zip([*model.W_[1:], *model.layers_[0].factors], [*other.W_[1:], *other.layers_[0].factors])
    return all(a.shape == b.shape and np.allclose(a, b, rtol=1e-9, atol=1e-12) for a, b in pairs)


both = pytest.mark.parametrize('make', [HierarchyBrowser, TopicBrowser])


def in_turn(names, cases):
    "Each case with one of the browsers by day, in turn, and with both by night."
    found = [
        pytest.param(*case, make, marks=() if i % 2 == j else pytest.mark.slow)
        for i, case in enumerate(cases)
        for j, make in enumerate((HierarchyBrowser, TopicBrowser))
    ]
    return pytest.mark.parametrize(f'{names}, make', found)


def over_strata(*cases):
    return [(*case, over) for i, case in enumerate(cases) for over in ((False, True), (True, False))[i % 2]]


@in_turn('layer, pair, over', over_strata((0, (1, 3)), (1, (7, 9)), (2, (10, 11))))
def test_a_refit_of_nodes_is_the_one_of_merge_nodes(layer, pair, over, make):
    b = named_and_noted(over, make)
    before, whole = edited_names(b), b.model
    into, gone = pair
    b.act('merge', topic=gone, into=into)
    b.refit()
    first, how = sum(RANKS[:layer]), dict(strata=HALVES) if over else {}
    wanted = merge_nodes(whole, counts(), [j - first for j in pair], layer=layer, **how)
    assert same_fit(b.model, wanted) and b.merged == tuple(range(NODES - 1))
    left = [name for j, name in enumerate(before[0]) if j != gone]
    assert edited_names(b) == (left, ['n7'], [] if gone == 11 else ['n11'])
    assert b.act('undo') and b.model is whole and b.merged[gone] == into
    assert b.act('undo') and edited_names(b) == before


@both
def test_nodes_of_two_layers_are_refitted_together(make):
    b = named_and_noted(False, make)
    for topic, into in ((9, 8), (5, 0), (3, 0)):
        assert b.act('merge', topic=topic, into=into)
    b.refit()
    wanted = merge_nodes(
        grown(False), counts(), [2, 3], layer=1
    )  # else a layer would have as many as the next
    wanted = merge_nodes(wanted, counts(), [0, 3, 5])
    assert same_fit(b.model, wanted)
    assert edited_names(b) == ([f'n{j}' for j in (0, 1, 2, 4, 6, 7, 8, 10, 11)], ['n7'], ['n11'])


@in_turn('topic, layer, over', over_strata((2, 0), (7, 1), (10, 2)))
def test_a_node_in_two_is_the_one_of_split_node(topic, layer, over, make):
    b = named_and_noted(over, make)
    whole, before, how = b.model, edited_names(b), dict(strata=HALVES) if over else {}
    b.divide(topic)
    wanted = split_node(whole, counts(), topic - sum(RANKS[:layer]), layer=layer, random_state=0, **how)
    assert same_fit(b.model, wanted)
    names, *rest = edited_names(b)
    del names[sum(RANKS[: layer + 1])]  # the second half stands at the end of its layer
    assert (names, *rest) == before
    assert b.act('undo') and b.model is whole and edited_names(b) == before


@both
def test_names_given_to_nodes_go_through_a_fit(make):
    b = nodes(make=make, names=[{1: 'mine'}, None, ['a', 'b']])
    b.act('merge', topic=9, into=6)
    b.refit()
    assert (b.names_[1], b.names_[9:]) == ('mine', ('a', 'b'))
    same = [j for j, name in enumerate(b.data.names) if b.names_[j] == name]
    assert same == [0, *range(2, 9)]  # all others have the words of now


@both
def test_the_page_of_a_hierarchy_asks_for_fits(make):
    b, heard = nodes(front='live', make=make), []
    assert b.front.data['refit'] is True and 'grows' not in b.front.data
    b.front.send = lambda content, buffers=None: heard.append(content['text'])
    b.receive(b.front, dict(cmd='refit'))
    assert heard.pop() == 'refit: no topics are merged; merge two first'
    assert b.act('merge', topic=6, into=7) and b.act('merge', topic=8, into=7)
    b.receive(b.front, dict(cmd='refit'))
    assert 'ranks must decrease' in heard.pop() and b.model is grown(False)
    b.act('undo')
    b.receive(b.front, dict(cmd='refit'))
    assert b.model.hierarchy_.ranks == (6, 3, 2) and b.front.state['said'] == 'The model is fitted anew.'
    assert b.children == (b.front,) and len(b.front.data['share']) == 11
    b.receive(b.front, dict(cmd='divide', topic=0))
    assert b.model.hierarchy_.ranks == (7, 3, 2) and 'last topic of its layer' in b.front.state['said']
    for seq in (1, 2, 3):
        b.receive(b.front, dict(cmd='undo', seq=seq, page=1))
    assert 'said' not in b.front.state
    assert b.model is grown(False) and len(b.front.data['share']) == 12 and b.merged == tuple(range(12))
    b.close()


@both
def test_what_cannot_be_fitted_anew_is_added_up(make):
    X, settings = counts(), dict(random_state=0, max_iter=5)
    labelled = MultiHNTF(RANKS, label_weight=1.0, **settings).fit(X, np.arange(60) % 2)
    whole = grown(False)
    unfit = [labelled, whole.hierarchy_]
    for model, data in [*((m, X) for m in unfit), (whole, None)]:
        b = make(model, data, front='live')
        assert b.front.data['refit'] is False
        assert b.act('merge', topic=0, into=1) and b.share(1) == pytest.approx(sum(b.data.share[:2]))
        for ask in (b.refit, lambda b=b: b.divide(2)):
            with pytest.raises(ValueError, match='needs one fitted .*hierarchy without labels and its data'):
                ask()
        b.close()


@in_turn('kind', [(kind,) for kind in (HNMF, HNCPD, HNTF, NeuralNMF, NeuralNCPD)])
def test_nodes_of_every_kind_are_fitted_anew(kind, make):
    "The buttons are there, and do what `merge_nodes` and `split_node` do; undo brings the model back."
    quick = dict(max_epochs=5, race_epochs=2) if kind in (NeuralNMF, NeuralNCPD) else dict(max_iter=20)
    whole = kind((5, 4, 2), random_state=0, **quick).fit(counts())
    b = make(whole, counts(), front='live')
    assert b.front.data['refit'] is True
    assert b.act('name', topic=6, value='law') and b.act('merge', topic=7, into=6)
    b.receive(b.front, dict(cmd='refit'))
    wanted = merge_nodes(whole, counts(), [1, 2], layer=1)
    assert b.model.hierarchy_.ranks == wanted.hierarchy_.ranks == (5, 3, 2) and b.names_[6] == 'law'
    assert same_layers(b.model, wanted)
    b.receive(b.front, dict(cmd='divide', topic=6))
    assert same_layers(b.model, split_node(wanted, counts(), 1, layer=1, random_state=0))
    assert b.act('undo') and b.act('undo') and b.model is whole
    b.close()


def same_layers(model, other):
    pairs = zip(model.layers_, other.layers_)
    return all(
        np.allclose(f, g, rtol=1e-9, atol=1e-12) for a, b in pairs for f, g in zip(a.factors, b.factors)
    )


@both
def test_layers_may_grow_where_the_model_says_so(make):
    grows = MultiHNTF((4, 3, 2), allow_growth=True, random_state=0).fit(counts())
    b = make(grows, counts(), front='live')
    assert b.front.data['grows'] is True and b.divide(4).model.hierarchy_.ranks == (4, 4, 2)
    b.close()


@pytest.mark.parametrize(
    'topic, kind, says',
    [
        (12, ValueError, 'topic must be a number from 0 to 11, not 12'),
        (-1, ValueError, 'topic must be at least 0'),
        (True, TypeError, 'topic must be a whole number'),
        ('tax', TypeError, 'topic must be a whole number'),
    ],
)
def test_what_is_no_node_is_not_divided(topic, kind, says):
    b = nodes()
    with pytest.raises(kind, match=says):
        b.divide(topic)
    assert b.model is grown(False) and b.undo == ()


# --- Pipelines fitted anew ---


def test_a_model_in_a_pipeline_stays_in_it():
    texts = [
        'tax and gold',
        'gold and silver',
        'war and peace',
        'peace at last',
        'the farm',
        'farm and tax',
    ] * 5
    pipe = make_pipeline(CountVectorizer(), NMF(3, random_state=0)).fit(texts)
    b = TopicBrowser(pipe, texts, names={2: 'mine'}, front='core')
    b.act('merge', topic=0, into=1)
    wanted = merge_topics(pipe[1], pipe[0].transform(texts), [0, 1])
    b.refit()
    assert b.model[0] is pipe[0] and np.allclose(b.model[1].components_, wanted.components_)
    b.divide(0)
    assert b.model[1].rank == 3 and b.names_[1] == 'mine' and pipe[1].rank == 3
    assert b.act('undo') and b.act('undo') and b.model is pipe


# --- What is saved with a notebook ---


def twins_of(tmp_path, *sources, bring='shown_examples'):
    "Run cells in a kernel of its own, the first of which shows a browser: what a saved notebook has of it."
    first = f'import sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\nfrom {bring} import *'
    cells = [new_code_cell(s) for s in (first, *sources)]
    nb = new_notebook(cells=cells, metadata={'kernelspec': {'name': 'python3', 'display_name': 'python3'}})
    NotebookClient(nb, timeout=300, resources=dict(metadata=dict(path=str(tmp_path)))).execute()
    shown = [o.data for c in nb.cells for o in c.outputs if 'data' in o and 'text/html' in o.data]
    return shown, [o for c in nb.cells for o in c.outputs if o.output_type == 'error']


def test_a_saved_notebook_has_the_edits(tmp_path):
    "All that a cell changes, in all places where the browser was shown."
    edits = (
        "b.act('name', topic=1, value='Mine'); b.act('merge', topic=2, into=3)\nb.notes = ('why', '', '', '')"
    )
    shown, _ = twins_of(tmp_path, 'b = example(); b', 'b', edits, "b.act('hide', topic=0)")
    assert len(shown) == 2 and shown[0] == shown[1]
    page = shown[0]['text/html']
    assert 'Mine' in Found(page).text and page.count('Mine') > 1  # in the table, and in the frame's page
    state = json.loads(re.search(r'"state": ?({.*?"undo")', unescape(page))[1].rsplit(',', 1)[0] + '}')
    assert (state['into'], state['hidden'], state['notes'][0]) == ([0, 1, 3, 3], [0], 'why')


@pytest.mark.slow
@pytest.mark.parametrize('make', ['TopicBrowser', 'HierarchyBrowser'])
def test_a_notebook_saved_after_a_fit_has_the_new_model(tmp_path, make):
    show = f"b = nodes(make={make}); b.act('merge', topic=8, into=7); b"
    shown, _ = twins_of(tmp_path, show, 'b.refit(); b.close()', bring='test_edits')
    assert f'{make}(11 topics' in shown[0]['text/plain']
    shown, _ = twins_of(tmp_path, show, "b.refit()\nb.act('undo')\nNone", bring='test_edits')
    assert f'{make}(12 topics' in shown[0]['text/plain'] and len(shown) == 1


# --- Reading on demand ---


def test_every_place_of_a_word_is_counted():
    b = example()
    for word in ('war', 'tax', 'spoken', 'In'):
        found = b.passages(word)
        texts = b.samples.texts
        assert found['total'] == sum(len(re.findall(rf'(?i)\b{word}\b', t)) for t in texts)
        for line in found['list']:
            assert line['before'] + line['word'] + line['after'] in texts[line['sample']]
    assert sum(b.passages('war', s)['total'] for s in (0, 1)) == b.passages('war')['total']
    assert len(b.passages('spoken', most=5)['list']) == 5 and b.passages('spoken', most=5)['total'] == 20


def test_shares_of_a_sample_are_those_of_the_view():
    b = example(others={'again': example().views[0]})
    for i in (0, 7, 19):
        parts = np.concatenate([v.weights[i] / v.sample_masses[i] for v in b.views])
        assert np.allclose(b.read(i)['shares'], parts, rtol=1e-2, atol=1e-3)
        assert b.read(i)['text'] == b.samples.texts[i]


@pytest.mark.parametrize('budget', [0, 500, 1500, 1_000_000])
def test_texts_of_a_file_stay_in_their_budget(budget):
    b = example()
    texts = b.file_data(texts_bytes=budget)['texts']
    assert len(json.dumps(texts, ensure_ascii=False)) <= budget + 2
    assert len(texts) == 20 if budget == 1_000_000 else len(texts) < 20
    best = [b.samples.best(j)[0]['id'] for j in range(4)]
    assert budget < 1500 or {str(i) for i in best} <= set(texts)


def test_a_page_gets_what_it_asks_for_and_nothing_else():
    b = example('live')
    heard = []
    b.front.send = lambda content, buffers=None: heard.append(content)
    before = b.state
    b.receive(b.front, dict(cmd='read', sample=3))
    item = b.data.modes[0]['items'].index('war')
    b.receive(b.front, dict(cmd='passages', mode=0, item=item, stratum=1))
    assert heard[0]['kind'] == 'text' and heard[0]['text'] == b.samples.texts[3]
    assert heard[1]['key'] == f'0/{item}/1' and {x['stratum'] for x in heard[1]['list']} <= {1}
    for bad in (-1, 1.0, True, '3', None, 2**31, [3]):
        b.receive(b.front, dict(cmd='read', sample=bad))
        b.receive(b.front, dict(cmd='passages', mode=0, item=bad, stratum=-1))
        b.receive(b.front, dict(cmd='passages', mode=bad, item=0, stratum=-1))
    assert len(heard) == 2
    b.receive(b.front, dict(cmd='read', sample=20))
    assert heard[-1] == dict(kind='said', text='sample must be 0 to 19, not 20')
    assert b.state == before
    b.close()


# --- What stands for the widget ---


@pytest.mark.parametrize('make', [example, hierarchy_example])
@pytest.mark.parametrize('most', [450_000, 1000])
def test_a_twin_always_has_a_table_and_a_drawing(make, most):
    b = make()
    parts = Found(b.twin(most=most))
    tags = parts.tags
    assert ('iframe' in tags) == (most > 1000) and 'table' in tags and 'script' not in tags
    drawing = dict(next(a for tag, a in parts.elements if tag == 'img'))
    assert drawing['src'].startswith('data:image/svg+xml;base64,') and drawing['alt']
    for name in b.names_:
        assert name in parts.text


def test_hostile_words_are_text_in_the_twin():
    b = TopicBrowser(**hostile(PAYLOADS), front='core')
    for most in (450_000_000, 1000):
        assert set(Found(b.twin(most=most)).tags) <= SAFE_TAGS | {'style', 'iframe', 'code'}
    b.close()


def test_a_large_twin_is_not_made_to_be_thrown_away(monkeypatch):
    b = example()
    monkeypatch.setattr(TopicBrowser, 'html', lambda *args, **kw: pytest.fail('the page was made'))
    assert '<iframe' not in b.twin(most=100_001)


def test_a_page_lets_nothing_in():
    "Each source of the policy is named; nothing comes from anywhere but the page itself."
    rules = dict(rule.split(' ', 1) for rule in POLICY.split('; '))
    assert rules.pop('default-src') == "'none'"
    assert {'style-src': "'unsafe-inline'", 'script-src': "'unsafe-inline'", 'img-src': 'data:'} == rules
    for b in (example(), hierarchy_example()):
        text = b.html()
        assert text.index('Content-Security-Policy') < text.index('<style') < text.index('<script')
        assert text.count(f'content="{POLICY}"') == 1


# --- In a browser ---

expect = pytest.importorskip('playwright.sync_api', reason='needs playwright: pip install playwright').expect


def photograph(page, name):
    if folder := os.environ.get('SHOTS'):
        page.screenshot(path=Path(folder) / f'{name}.png')


def test_edits_from_page_to_python_and_back(chromium, tmp_path):
    "A file on the page: name, note, merge, order, save; load them in Python, and in a fresh page."
    b = example()
    b.to_html(tmp_path / 'page.html')
    page = chromium.new_page(viewport=dict(width=1280, height=1000))
    page.goto((tmp_path / 'page.html').as_uri())
    page.get_by_role('button', name='Topics', exact=True).click()
    page.locator('.ntf-title .ntf-name').first.fill('Named here')
    page.get_by_label('Note on this topic').fill('why')
    page.get_by_label('Move the topic down').click()
    with page.expect_download() as caught:
        page.get_by_role('button', name='Save edits').click()
    caught.value.save_as(tmp_path / 'edits.json')
    photograph(page, 'edits_on_the_page')
    again = example(edits=tmp_path / 'edits.json')
    assert again.left_out == () and 'Named here' in again.names_ and 'why' in again.notes
    assert [j for j, _ in again.listed()] == [
        int(x) for x in page.locator('.ntf-list .ntf-number').all_inner_texts()
    ]
    page.reload()
    expect(page.get_by_text('Named here')).to_have_count(0)
    page.locator('input[type=file]').set_input_files(tmp_path / 'edits.json')
    expect(page.locator('.ntf-kept .ntf-note')).to_have_text('The edits are taken.')
    expect(page.locator('.ntf-list').get_by_text('Named here')).to_have_count(1)
    bad = json.loads((tmp_path / 'edits.json').read_text()) | dict(key='0' * 16)
    (tmp_path / 'bad.json').write_text(json.dumps(bad))
    page.locator('input[type=file]').set_input_files(tmp_path / 'bad.json')
    expect(page.locator('.ntf-kept .ntf-note')).to_contain_text('of another model')
    page.close()


def notebook_of(path, *sources, **metadata):
    kernel = {'kernelspec': {'name': 'python3', 'display_name': 'python3', 'language': 'python'}}
    nbformat.write(
        new_notebook(cells=[new_code_cell(s) for s in (HERE, *sources)], metadata=kernel | metadata), path
    )


def stop_kernels(page, lab):
    "End all kernels, as their page would."
    token = next(c['value'] for c in page.context.cookies() if c['name'] == '_xsrf')
    for _ in range(20):  # a page that has just opened may begin another
        running = page.request.get(f'{lab.url}/api/sessions').json()
        if not running:
            return
        for s in running:
            page.request.delete(f'{lab.url}/api/sessions/{s["id"]}', headers={'X-XSRFToken': token})
        page.wait_for_timeout(500)
    raise AssertionError(running)


@pytest.mark.slow
def test_a_saved_notebook_is_alive_again(lab, chromium, open_notebook):
    "With a kernel, opened again without one, and where nobody trusts it yet."
    notebook_of(lab.root / 'alive.ipynb', "example('live')")
    page = open_notebook('alive.ipynb')
    expect(page.locator('.ntf')).to_be_visible()
    expect(page.locator('.ntf-twin')).to_be_hidden()
    photograph(page, 'alive_1_kernel')
    page.keyboard.press('Control+s')
    expect(page.locator('.jp-NotebookPanel .jp-mod-dirty')).to_have_count(0)
    page.wait_for_timeout(1500)
    stop_kernels(page, lab)
    page.goto('about:blank')
    saved = nbformat.read(lab.root / 'alive.ipynb', 4)
    kinds = [sorted(o['data']) for o in saved.cells[1].outputs]
    assert kinds == [['application/vnd.jupyter.widget-view+json'], ['text/html', 'text/plain']]
    page = chromium.new_page(viewport=dict(width=1300, height=1000))
    page.goto(f'{lab.url}/lab/tree/alive.ipynb?reset')
    expect(page.frame_locator('.ntf-twin iframe').locator('.ntf-list')).to_be_visible(timeout=60_000)
    dead = page.get_by_text(re.compile('^(Error displaying widget|Loading widget)'))
    expect(dead).to_have_count(1)
    expect(dead).to_be_hidden()
    expect(page.locator('.ntf-still')).to_be_hidden()
    photograph(page, 'alive_2_opened_again')
    page.close()
    saved.cells[1].source += '  # a clone: nobody has signed this'
    nbformat.write(saved, lab.root / 'clone.ipynb')
    page = chromium.new_page(viewport=dict(width=1300, height=1000))
    page.goto(f'{lab.url}/lab/tree/clone.ipynb?reset')
    expect(page.get_by_text('Its topics as a table')).to_be_visible(timeout=60_000)
    expect(page.locator('.ntf-twin iframe')).to_have_count(0)
    expect(page.locator('.jp-OutputArea table')).to_be_visible()
    photograph(page, 'alive_3_untrusted')
    stop_kernels(page, lab)
    page.close()


# --- properties ---


def spread(shape, ranks, rng):
    "Views of several fits, whose topics have words and places of their own."
    labels = dict(place=[f'place {i}' for i in range(shape[1])], term=[f'word {i}' for i in range(shape[2])])
    found = []
    for rank in ranks:
        F = [rng.random((d, rank)) ** 6 + 1e-6 for d in shape]
        for f in F[1:]:
            f[(np.arange(rank) + rng.integers(99)) % len(f), np.arange(rank)] += 3
        found.append(F)
    return found, lambda Fs: [view(list(F), labels=labels) for F in Fs]


@st.composite
def edits_of(draw, n):
    "Any edits of n topics, merged within sets apart from this test."
    some = lambda: sorted(draw(st.sets(st.integers(0, n - 1), max_size=n)))
    names = {j: f'name {j}' for j in some()}
    order = draw(st.permutations(range(n)))[: draw(st.integers(0, n))]
    return names, tuple(some()), tuple(order), {j: f'note {j}' for j in some()}


@given(st.lists(st.integers(1, 4), min_size=1, max_size=2), st.integers(0, 999), st.data())
def test_edits_follow_topics_wherever_they_stand(ranks, seed, draw):
    "Another fit has the same topics in another order: every edit is at the new number, and nothing is lost."
    rng = np.random.default_rng(seed)
    Fs, views = spread((6, 5, 9), ranks, rng)
    old = views(Fs)
    moves = [draw.draw(st.permutations(range(r))) for r in ranks]  # new topic p is the old topic move[p]
    new = views([[1.01 * f[:, list(m)] for f in F] for F, m in zip(Fs, moves)])
    ends = np.cumsum([0, *ranks])
    to = {int(a) + m[p]: int(a) + p for a, m in zip(ends, moves) for p in range(len(m))}
    names, hidden, order, notes = draw.draw(edits_of(sum(ranks)))
    merged = {int(a): int(a) + 1 for a, r in zip(ends, ranks) if r > 1}
    mine = Edits(names, merged, hidden, order, notes, model_key(old), tuple(ranks), outlines(old))
    assert as_edits(mine) == mine and as_edits(json.loads(json.dumps(mine.to_dict()))) == mine
    found, lost = carried(mine, new)
    assert lost == [] and found.key == model_key(new) != mine.key
    assert found.names == {to[j]: x for j, x in names.items()}
    assert found.notes == {to[j]: x for j, x in notes.items()}
    assert found.merged == {to[j]: to[k] for j, k in merged.items()}
    assert (found.hidden, found.order) == tuple(tuple(to[j] for j in x) for x in (hidden, order))
    assert found.sets == tuple(ranks) and found.outlines == outlines(new)
    assert carried(mine, old)[0] == mine  # the same model: by number


@given(st.integers(2, 4), st.integers(0, 999), st.data())
def test_edits_of_topics_that_are_gone_are_told(rank, seed, draw):
    "Edits of a topic that the new fit does not have are listed by its old number, the others kept."
    rng = np.random.default_rng(seed)
    [F], views = spread((6, 5, 12), [rank], rng)
    gone = draw.draw(st.integers(0, rank - 1))
    G = [f.copy() for f in F]
    for f in G[1:]:
        f[:, gone] = 1e-9
        f[-1 if f is G[2] else 0, gone] = 1.0
    G[2][:, gone] = np.eye(len(G[2]))[(F[2][:, gone].argmax() + 5) % len(G[2])]
    old, new = views([F]), views([[f[:, ::-1] for f in G]])
    names = {j: f'name {j}' for j in range(rank)}
    mine = Edits(names, {}, (gone,), (), {gone: 'x'}, model_key(old), (rank,), outlines(old))
    found, lost = carried(mine, new, 0.5)
    at = lambda j: rank - 1 - j
    assert found.names == {at(j): x for j, x in names.items() if j != gone}
    assert lost == [f'the {what} of topic {gone} (name {gone})' for what in ('name', 'note', 'hiding')]
    assert found.hidden == () and found.notes == {}


@given(st.integers(1, 3), st.integers(0, 999), st.integers(1, 6))
def test_what_a_topic_looks_like(rank, seed, n):
    "The largest entries of every mode by their names; a key that sees profiles and masses."
    rng = np.random.default_rng(seed)
    [F], views = spread((6, 5, 9), [rank], rng)
    [v] = views([F])
    for j, look in enumerate(outlines([v], n)):
        assert list(look) == list(v.modes[1:])
        for k, mode in enumerate(v.modes[1:], 1):
            p = dict(zip(v.labels[k], v.topics[k - 1][:, j]))
            first = sorted(p, key=p.get, reverse=True)[:n]
            assert list(look[mode]) == first
            np.testing.assert_allclose(list(look[mode].values()), [p[w] for w in first], rtol=1e-3)
    heavier = [f.copy() for f in F]
    heavier[0][:, 0] *= 2
    other = [f.copy() for f in F]
    other[1][:, 0] = np.roll(other[1][:, 0], 1)
    assert len({model_key(views([G])) for G in (F, heavier, other)}) == 3


TEXTS = st.lists(st.one_of(st.none(), st.lists(
    st.sampled_from(['tax', 'Tax,', 'taxes', 'a', 'pre-tax', 'syntax', 'TAX\n', 'und', 'gold;']), max_size=60,
).map(' '.join)), max_size=6)  # fmt: skip


@given(TEXTS, st.integers(1, 9), st.integers(1, 4), st.integers(12, 40))
def test_places_of_a_word_are_counted_and_cut_at_words(texts, most, each, width):
    numbered = [(10 * i + 3, t) for i, t in enumerate(texts)]
    lines, total = concordance(numbered, 'tax', most, each, width)
    whole = {i: re.findall(r'(?i)(?<![\w])tax(?![\w])', t or '') for i, t in numbered}
    assert total == sum(map(len, whole.values()))
    want = []
    for i, found in whole.items():
        want += [i] * min(len(found), each, most - len(want))
    assert [line['sample'] for line in lines] == want
    plain = {i: ' '.join((t or '').split()) for i, t in numbered}
    for line in lines:
        before, word, after = (line[x] for x in ('before', 'word', 'after'))
        said = ' '.join(f'{before}{word}{after}'.split())
        assert word.lower() == 'tax' and said in plain[line['sample']]
        assert max(len(before), len(after)) <= width + 1
        text = f' {plain[line["sample"]]}'
        begins = {text[m.start() - 1] for m in re.finditer(re.escape(said), text)}
        assert ' ' in begins or not before.strip()
