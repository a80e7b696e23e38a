"""The browsers without a page: hostile words, commands, links between browsers, bad input, what travels.

The tests of the JavaScript are run from here too.
"""

import base64
import json
import logging
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import traitlets as T
from pages import Found
from shown_examples import ODD, PAYLOADS, hierarchy, hostile, hostile_hierarchy

from ntf_lit.browser_data import MODULES, html_page, page_module, safe_json
from ntf_lit.browser_state import COMMANDS, checked_command, sizes
from ntf_lit.consensus import Consensus
from ntf_lit.cp_estimators import NCPD, NMF
from ntf_lit.strata_estimators import StratifiedNMF
from ntf_lit.hierarchy_estimators import HNCPD, HNMF
from ntf_lit.hierarchy_browser import HierarchyBrowser
from ntf_lit.result import CP, Hierarchy, Layer, Strata
from ntf_lit.tensor import COO
from ntf_lit.topic_browser import STATE, TopicBrowser, live_class
from ntf_lit.views import view

ROOT = Path(__file__).resolve().parents[1]


def browsers(words, front):
    yield TopicBrowser(**hostile(words), front=front)
    yield hostile_hierarchy(words, front, note=words[-1])


SAFE_TAGS = {
    'div',
    'p',
    'span',
    'b',
    'mark',
    'h4',
    'table',
    'caption',
    'thead',
    'tbody',
    'tr',
    'th',
    'td',
    'svg',
    'rect',
    'title',
    'img',
}


@pytest.mark.parametrize('words', [PAYLOADS, ODD], ids=['payloads', 'odd'])
def test_words_are_text_in_plain_widgets(words):
    for b in browsers(words, 'core'):
        for topic in range(len(words)):
            b.act('select', topic=topic)
            for mode in range(len(b.data.modes)):
                b.act('mode', mode=mode)
                found = Found(b.front.body.value)
                assert set(found.tags) <= SAFE_TAGS and not [a for a, _ in found.attrs if a.startswith('on')]
        b.close()


@pytest.mark.parametrize('words', [PAYLOADS, ODD], ids=['payloads', 'odd'])
def test_words_are_data_in_the_file(words):
    for b in browsers(words, 'core'):
        text = b.html()
        found = Found(text)
        assert found.tags == [
            'html',
            'head',
            'meta',
            'meta',
            'meta',
            'title',
            'style',
            'body',
            'main',
            'script',
            'script',
        ]
        data = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)[1]
        assert not set('<>&\u2028\u2029') & set(data) and json.loads(data)['kind'] in ('topics', 'hierarchy')
        text.encode()
        assert set(Found(b.twin()).tags) <= {'iframe', 'style', *SAFE_TAGS}
        b.close()


@pytest.mark.parametrize('payload', PAYLOADS)
def test_words_are_text_in_markdown(payload):
    for b in browsers([payload, 'tax', 'war'], 'core'):
        md = b.to_markdown().split('\n', 2)[-1]
        assert (
            not set('<>`[]$\\') & set(md.replace('<span>', '').replace('</span>', ''))
            and set(Found(md).tags) <= {'span'}
            and Found(md).attrs == []
        )
        if isinstance(b, TopicBrowser):
            assert set(Found(b.compare_strata(0, 1).to_html()).tags) <= SAFE_TAGS
        b.close()


def test_text_of_the_page_never_becomes_markup():
    js = '\n'.join(path.read_text() for path in (ROOT / 'ntf_lit/static/browser').glob('*.js'))
    assert js.count('createTextNode') == 1
    for word in (
        'innerHTML',
        'outerHTML',
        'insertAdjacentHTML',
        'document.write',
        'eval(',
        'new Function',
        'fetch(',
        'XMLHttpRequest',
        'import(',
        'srcdoc',
        '</script',
    ):
        assert word not in js
    assert (
        'http' not in js.replace('http://www.w3.org/2000/svg', '')
        and 'http' not in (ROOT / 'ntf_lit/static/browser.css').read_text()
    )


def test_every_module_is_in_the_page():
    folder = ROOT / 'ntf_lit/static/browser'
    assert sorted(path.stem for path in folder.glob('*.js')) == sorted(MODULES)
    for name in MODULES:
        for line in re.findall(r'^import .*?;', (folder / f'{name}.js').read_text(), flags=re.M | re.S):
            assert re.fullmatch(r"import \{[\w, \n]+\} from '\./(\w+)\.js';", line), line
    assert page_module().count('export') == 1


def test_json_comes_back():
    for x in PAYLOADS + ODD[:-2]:
        assert json.loads(safe_json({x: [x]})) == {x: [x]}


# --- Commands ---


@pytest.fixture
def small():
    rng = np.random.default_rng(1)
    b = TopicBrowser(
        [rng.random((8, 4)), rng.random((6, 4)), rng.random((3, 4))],
        labels=dict(term=list('abcdef'), part=['1', '2', '3']),
        strata=list('aabbccab'),
        samples=list('abcdefab'),
    )
    yield b
    b.close()


def test_fuzzed_messages_do_no_harm(small, caplog):
    logging.getLogger('ntf_lit.browser').setLevel(logging.WARNING)
    rng = np.random.default_rng(2)
    junk = [
        None,
        True,
        -1,
        0,
        1,
        3,
        4,
        10**30,
        0.5,
        float('nan'),
        float('inf'),
        '',
        'x',
        'x' * 300,
        [],
        {},
        [0],
        {'a': 1},
        'selected',
        '__class__',
        b'x',
    ]
    names = [*COMMANDS, 'eval', '_do_name', 'close', '__init__', 'names_', 'data', '', 'act', 'undo ']
    keys = [
        'topic',
        'stratum',
        'mode',
        'value',
        'order',
        'panel',
        'set',
        'layer',
        'shape',
        'into',
        'seq',
        'page',
        'cmd',
        'x',
    ]
    data = json.dumps(small.data.to_dict())
    for _ in range(3000):
        message = {'cmd': names[rng.integers(len(names))]} | {
            keys[rng.integers(len(keys))]: junk[rng.integers(len(junk))] for _ in range(rng.integers(4))
        }
        small.receive(small.front, message)
    for message in junk:
        small.receive(small.front, message)
    assert (
        json.dumps(small.data.to_dict()) == data
        and len(small.names_) == 4
        and -1 <= small.stratum < 3
        and 0 <= small.lam <= 1
        and all(0 <= j < 4 for j in (*small.hidden, *small.merged))
        and len(small.undo) <= 50
    )
    assert any('ignored' in r.message for r in caplog.records)
    json.dumps(small.state.to_dict())


def test_the_last_fifty_edits_can_be_undone(small):
    for i in range(60):
        small.act('name', topic=0, value=f'n{i}')
    for i in range(58, 8, -1):
        assert small.act('undo') and small.names_[0] == f'n{i}'
    small.act('undo')
    assert small.names_[0] == 'n9'


@pytest.mark.parametrize('cmd', [cmd for cmd, args in COMMANDS.items() if args])
def test_true_is_no_number_in_a_command(small, cmd):
    size = sizes(small.data)
    fits = {str: 'x', list: [0]}
    good = {
        name: fits.get(low, max(0, low) if low not in (str, list) else 0) for name, low, _ in COMMANDS[cmd]
    }
    assert checked_command(dict(cmd=cmd, **good), size)
    for name, low, _ in COMMANDS[cmd]:
        bad = [True] if low is list else True
        assert checked_command(dict(cmd=cmd, **good | {name: bad}), size) is None


def test_a_page_cannot_set_traits(small):
    before = small.front.data, small.front.state
    small.front.set_state({'data': {}, 'state': {'selected': 3}})
    small.front._handle_msg({'content': {'data': {'method': 'update', 'state': {'data': {}}}}, 'buffers': []})
    assert (small.front.data, small.front.state) == before


def test_samples_come_when_asked(small):
    sent = []
    small.front.send = lambda x, buffers=None: sent.append(x)
    small.receive(small.front, dict(cmd='samples', topic=2, stratum=1))
    small.receive(small.front, dict(cmd='samples', topic=2, stratum=9))
    assert len(sent) == 1 and sent[0]['key'] == '2/1'
    assert {s['stratum'] for s in sent[0]['list']} == {1}
    weights = [s['weight'] for s in sent[0]['list']]
    assert weights == sorted(weights, reverse=True)


def test_names_stay_with_numbers(small):
    small.act('name', topic=2, value='third')
    order = [j for j, _ in small.listed()]
    for s in (-1, 0, 1, 2):
        small.act('stratum', stratum=s)
        assert small.names_[2] == 'third' and sorted(j for j, _ in small.listed()) == sorted(order)
    small.act('merge', topic=1, into=2)
    small.act('hide', topic=0)
    assert set(small.edited().names) == {'third', small.names_[3]}
    np.testing.assert_allclose(small.edited().weights.sum(), small.views[0].weights[:, 1:].sum())


def listeners(b):
    "How many functions are called when something is chosen."
    return sum(len(b._trait_notifiers.get(name, {}).get('change', ())) for name in STATE)


def test_closing_lets_go():
    a, b = (TopicBrowser(np.random.default_rng(0).random((5, 3)), front=f) for f in ('live', 'core'))
    for w in (a, b):
        front = w.front
        assert listeners(w) == len(STATE)
        w.close()
        w.close()
        assert w.front is None and listeners(w) == 0 and w.comm is None and front.comm is None
    a.lam = 0.1  # nobody listens, nothing fails
    assert a.lam == 0.1


# --- Links between browsers ---


def test_linked_browsers_agree():
    h = hierarchy(['a', 'b', 'c', 'd'])
    pair = TopicBrowser(h, front='core'), HierarchyBrowser(h)
    links = [T.link((pair[0], n), (pair[1], n)) for n in ('selected', 'names_', 'mode', 'lam')]
    pair[1].receive(pair[1].front, dict(cmd='name', topic=5, value='top', seq=1, page=1))
    pair[1].receive(pair[1].front, dict(cmd='select', topic=5, seq=2, page=1))
    assert (
        pair[0].selected == 5
        and pair[0].set_ == 1
        and pair[0].names_[5] == 'top'
        and pair[0].front.name.value == 'top'
    )
    pair[0].front.name.value = 'again'
    assert pair[1].names_[5] == 'again' and pair[1].front.state['names'][5] == 'again'
    for link in links:
        link.unlink()


def test_what_was_chosen_comes_back(small):
    "The traits of one browser, given to another of the same model, are its state; undo too."
    small.act('merge', topic=0, into=1)
    small.act('name', topic=2, value='third')
    small.act('stratum', stratum=1)
    small.act('select', topic=3)
    again = type(small)(small.views[0], front='core', **{name: getattr(small, name) for name in STATE})
    assert again.state == small.state
    for _ in range(2):
        again.act('undo')
    assert again.names_ == small.views[0].names and again.merged == (0, 1, 2, 3)
    again.close()


def test_strata_compared_in_a_hierarchy():
    h = HierarchyBrowser(hierarchy(list('abcd')), strata=list('NNSS'), front='core')
    table = h.compare_strata(0, 1)
    assert sorted(table['topic']) == [0, 1] and table['name'] == [h.names_[4 + j] for j in table['topic']]
    h.close()


# --- Input ---


class Framed(np.ndarray):
    "Data with the attributes of a `Dataset` that mean something else, as those of a frame."

    texts, passages, name = 'text', 5, 'not a title'

    def info(self):
        raise AssertionError('asked for facts')


def test_facts_come_from_a_dataset_only():
    X = (W @ F.T).view(Framed)
    for b in (TopicBrowser([W, F], X), HierarchyBrowser([Layer((W, F))], X)):
        assert b.data.title == '' and b.data.course is None
        assert b.samples is None or b.samples.texts is b.samples.passages is None
        b.close()


W, F = np.random.default_rng(3).random((6, 3)), np.random.default_rng(4).random((5, 3))


@pytest.mark.parametrize(
    'kwargs, message',
    [
        (dict(labels=dict(term=list('abcd'))), "labels['term'] has 4 names for a mode of 5 indices"),
        (dict(labels=dict(a=list('abcde'), b=list('abcdef'), c=[])), 'labels names 3 modes; the model has 2'),
        (dict(names=['a']), 'names has 1 names for a mode of 3 indices'),
        (dict(samples=['a']), 'samples has 1 texts for 6 samples'),
        (dict(sample_names=['a']), 'has 1 names for a mode of 6'),
        (dict(images=np.ones((2, 4, 4))), 'images has 2 pictures for 6 samples; give one per sample'),
        (dict(images=[np.ones((4, 4))] * 5 + [np.ones((4, 3))]), 'pictures of one size, height x width, not'),
        (
            dict(images=-np.ones((6, 4, 4))),
            'images must be nonnegative finite numbers; images - images.min()',
        ),
        (dict(samples=[np.full((4, 4), np.nan)] * 6), 'images must be nonnegative finite numbers'),
        (dict(times=[1, 2]), 'times has 2 entries for 6 samples'),
        (dict(strata=['a']), 'strata has 1 names for a mode of 6'),
        (dict(front='web'), "front must be one of 'auto', 'live', 'core', not 'web'"),
        (dict(kinds={'nope': 'words'}), "kinds speaks of ['nope']; the modes are sample, mode 2"),
        (dict(kinds={'mode 2': (2, 2)}), '2 x 2 pixels, but the mode has 5 indices'),
        (dict(model=[W, np.where(F == F[1, 1], np.nan, F)]), 'factor 1 has NaN at (1, 1)'),
        (dict(model=[W, F[:, :2]]), 'factors have 3, 2 columns'),
        (dict(model=[W, -F]), 'must be nonnegative'),
    ],
)
def test_bad_input_says_why(kwargs, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        TopicBrowser(**(dict(model=[W, F]) | kwargs))


@pytest.mark.parametrize('front', ['live', 'core'])
@pytest.mark.parametrize(
    'model',
    [
        [np.ones((3, 0)), np.ones((4, 0))],
        [np.zeros((3, 2)), np.zeros((4, 2))],
        [np.ones((3, 2)), np.array([[1.0, 0], [1, 0]])],
        [np.ones((1, 1)), np.ones((1, 1))],
        np.ones((4, 2)),
        [1e-200 * W, 1e-200 * F],
        [1e200 * W, 1e150 * F],
        [W.astype(np.float32), F.astype(np.float32)],
        CP((W, F)),
        [W, F, np.ones((1, 3))],
    ],
)
def test_sane_views_of_odd_models(model, front):
    b = TopicBrowser(model, front=front)
    json.loads(safe_json(b.data.to_dict()))
    b.html()
    assert b.table.to_html()
    for topic in range(len(b.data.share)):
        b.act('select', topic=topic)
    b.act('query', value='1')
    b.act('stratum', stratum=0)
    b.close()
    l = HierarchyBrowser([Layer(tuple(view(model).topics[0] for _ in range(2)))], front=front)
    l.html()
    assert l.table.to_html()
    l.close()


def test_strata_of_different_kinds():
    rng = np.random.default_rng(5)
    V, H = tuple(rng.random((2, d, 2)) for d in (4, 6)), tuple(rng.random((d, 3)) for d in (4, 6))
    for b in (
        TopicBrowser(
            Strata(V, rng.random((7, 3)), H, (0, 3, 7)),
            labels=dict(row=list('abcd'), column=list('abcdef')),
            strata=['N', 'S'],
            kinds={('row', 'column'): 'image'},
            front=f,
        )
        for f in ('live', 'core')
    ):
        assert (
            b.data.modes[0]['kind'] == 'image'
            and b.data.modes[0]['shape'] == [4, 6]
            and 'img' in b.data.features[0][0][0]['modes'][0]
        )
        np.testing.assert_allclose(
            sum(b.share(j, 0) for j in range(3)) + sum(f['share'] for f in b.data.features[0][0]),
            1,
            atol=2e-3,
        )


def test_the_stability_of_a_consensus_beside_others():
    "Wherever it stands: first, in a list or dict, behind layers; None for those that know none."
    rng = np.random.default_rng(8)
    X = rng.random((30, 9)) ** 3
    sure = Consensus(NMF(3), n_runs=4, threshold=2, random_state=0).fit(X)
    plain, layers = NMF(2, random_state=0).fit(X), HNMF((4, 2), random_state=0).fit(X)
    s = [pytest.approx(x, abs=0.006) for x in sure.stability_]
    for model, others, known in [
        (sure, None, s),
        (sure, [plain], [*s, None, None]),
        (plain, [sure], [None, None, *s]),
        (plain, {'sure': sure}, [None, None, *s]),
        (plain, (m for m in [layers, sure]), [None] * 8 + s),
        (layers, dict(sure=sure, plain=plain), [None] * 6 + s + [None] * 2),
        ({2: plain, 3: sure}, None, [None, None, *s]),
        (plain, [layers], None),
    ]:
        b = TopicBrowser(model, X, others=others, front='core')
        assert b.data.stability == known and (known is None or len(known) == len(b.data.share))


def test_runs_of_every_kind_compared():
    "Models with strata and without, with layers and without, beside each other in both orders."
    rng = np.random.default_rng(8)
    H = rng.random((5, 3))
    V = (rng.random((2, 5, 2)),)
    stratified, plain = (
        Strata(V, rng.random((6, 3)), (H,), (0, 2, 6)),
        [rng.random((6, 4)), rng.random((5, 4))],
    )
    L = rng.random((4, 2))
    layers = Hierarchy((Layer(tuple(plain)), Layer(tuple(f @ L for f in plain), (L, L))))
    for model, others, sets, own in [
        (
            stratified,
            {'flat': plain, 'tall': layers},
            ['this run', 'flat', 'tall, layer 0', 'tall, layer 1'],
            [2, 0, 0, 0],
        ),
        (plain, [stratified], ['this run', 'run 2'], [0, 2]),
        (
            layers,
            [plain, stratified],
            ['this run, layer 0', 'this run, layer 1', 'run 2', 'run 3'],
            [0, 0, 0, 2],
        ),
    ]:
        for front in ('live', 'core'):
            b = TopicBrowser(
                model,
                others=others,
                labels=dict(term=list('abcde')),
                strata=['N', 'S'] if model is stratified else None,
                front=front,
            )
            assert (
                [s['name'] for s in b.data.sets] == sets
                and len(b.data.strata) == 2
                and b.data.axis == 'Run'
                and [len(f[0]) for f in b.data.features] == own
            )
            for i, s in enumerate(b.data.sets):
                b.act('set', set=i)
                assert s['first'] <= b.selected < s['first'] + s['count']
                for t in (0, 1):
                    np.testing.assert_allclose(
                        sum(b.share(j, t) for j in range(s['first'], s['first'] + s['count']))
                        + sum(f['share'] for f in b.data.features[i][t]),
                        1,
                        atol=2e-3,
                    )
            json.loads(safe_json(b.file_data()))
            b.close()
    with pytest.raises(ValueError, match='run 2 divides its 6 samples otherwise'):
        TopicBrowser(stratified, others=[Strata(V, rng.random((6, 3)), (H,), (0, 3, 6))])
    with pytest.raises(
        ValueError,
        match=re.escape(
            'run 2 has shape (6, 4), another run (6, 5); only runs over the same indices can be compared'
        ),
    ):
        TopicBrowser(plain, others=[[W, F[:4]]])


@pytest.mark.parametrize(
    'kwargs, error, message',
    [
        (
            dict(labels=dict(term=list('ab'))),
            ValueError,
            "labels['term'] has 2 names for a mode of 3 indices",
        ),
        (dict(names=[list('ab'), list('ab')]), ValueError, 'names has 2 names for a mode of 3 indices'),
        (dict(sample_names=['a']), ValueError, 'has 1 names for a mode of 3'),
        (dict(times=[1]), ValueError, 'times has 1 entries for 3 samples'),
        (dict(model=[np.ones((3, 2))]), TypeError, 'a hierarchy has layers'),
        (
            dict(model=[Layer((np.ones((3, 2)), np.array([[1, np.nan], [1, 1]])))]),
            ValueError,
            'factor 1 has NaN at (0, 1)',
        ),
        (dict(model=[]), TypeError, 'a hierarchy has layers'),
        (dict(front='web'), ValueError, 'front must be one of'),
    ],
)
def test_bad_hierarchies_say_why(kwargs, error, message):
    with pytest.raises(error, match=re.escape(message)):
        HierarchyBrowser(**(dict(model=hierarchy(list('abc'))) | kwargs))


@pytest.mark.parametrize('front', ['live', 'core'])
def test_modes_and_words_without_names(front):
    b = TopicBrowser([W, F, np.ones((2, 3))], front=front)
    assert [m['name'] for m in b.data.modes] == ['mode 3', 'mode 2', 'sample'] and b.data.modes[1]['items'][
        0
    ] == 'mode 2 1'
    b.close()
    b = TopicBrowser([W, F], labels={'': ['', ' ', 'x' * 10_000, 'שלום', '\n']}, front=front)
    words = next(m for m in b.data.modes if m['kind'] == 'words')
    assert words['name'] == '' or words['name'] == '(empty)'
    assert [w for w in words['items'] if w == '(empty)'] == ['(empty)'] * 3 and max(
        map(len, words['items'])
    ) <= 80
    b.html()
    b.close()
    b = TopicBrowser([np.ones((3, 2)), np.array([[1.0, 0], [1, 0]])], front=front)
    assert b.names_ == ('topic 0', 'topic 1 (empty)') and b.data.share == [1, 0]
    b.act('select', topic=1)
    assert b.data.modes[0]['p'][1].get('v', []) in ([], [0, 0])
    b.close()


def test_runs_compared():
    b = TopicBrowser([W, F], others={'shuffled': [W[:, ::-1], F[:, ::-1]]})
    assert b.data.match[0][1] == [2, 1, 0] and b.data.axis == 'Run' and len(b.data.share) == 6
    b.act('select', topic=4)
    assert b.set_ == 1
    b.act('set', set=0)
    assert b.selected < 3
    b.close()


@pytest.fixture
def no_anywidget(monkeypatch):
    live_class.cache_clear()
    monkeypatch.setitem(sys.modules, 'anywidget', None)
    yield
    live_class.cache_clear()


def test_without_anywidget(no_anywidget):
    assert (
        type(TopicBrowser([W, F]).front).__name__ == 'TopicCore'
        and type(HierarchyBrowser(hierarchy(list('abc'))).front).__name__ == 'HierarchyCore'
    )
    with pytest.raises(ImportError, match='pip install anywidget'):
        TopicBrowser([W, F], front='live')


# --- What people bring ---

VOCABULARY = ['tax', 'war', 'gold', 'peace', 'farm', 'ship', 'bank', 'law']


def frame(n=12, columns=VOCABULARY, seed=6):
    pd = pytest.importorskip('pandas')
    return pd.DataFrame(np.random.default_rng(seed).random((n, len(columns))) ** 3, columns=columns)


def both_browsers(df, data=None, **kwargs):
    "The topic browser of three models, and both of a hierarchy."
    quick = dict(random_state=0, max_iter=10)
    data = df if data is None else data
    layers = HNMF((3, 2), **quick).fit(df)
    for model in (NMF(3, **quick).fit(df), NCPD(3, **quick).fit(df), layers):
        yield TopicBrowser(model, data, **kwargs)
    yield HierarchyBrowser(layers, data, **kwargs)


def kinds_of(b):
    return {m['name']: m['kind'] for m in b.data.modes}


@pytest.mark.parametrize(
    'columns',
    [
        VOCABULARY,
        ['labels', 'samples', 'strata', 'unit', 'tensors', 'info', 'texts', 'name'],
        ['layers', 'layers_', 'params', 'W', 'H', 'V', 'offsets', 'names'],
        ['w1', 'w2', 'w3', 'w4', 'w5', 'w6', 'w7', 'w8'],
    ],
    ids=['words', 'facts', 'parts', 'numbered'],
)
@pytest.mark.parametrize('front', ['live', 'core'])
def test_a_frame_of_words_shows_words(columns, front):
    "Rows and columns without names are samples and terms, and no picture."
    df = frame(columns=columns)
    for b in both_browsers(df, front=front):
        assert kinds_of(b) == dict(term='words', sample='labels') and b.data.term == 0
        assert b.data.modes[0]['items'] == columns and b.data.course is None and b.data.title == ''
        b.html()
        b.close()
    b = TopicBrowser(df.T.set_axis(columns), front=front)  # a model that is a frame
    assert kinds_of(b) == dict(term='words')
    b.close()


@pytest.mark.parametrize(
    'brought',
    [
        lambda df: df.iloc[:, ::-1],
        lambda df: df.iloc[::-1],
        lambda df: df.to_numpy(),
        lambda df: df.convert_dtypes(),
        lambda df: [df[:5], df.iloc[5:, ::-1]],
        lambda df: dict(a=df[:5], b=df[5:]),
        lambda df: df.groupby(np.repeat(['a', 'b'], [5, 7])),
        lambda df: sp.dok_array(df.to_numpy()),
        lambda df: pytest.importorskip('sparse').COO(df.to_numpy()),
        lambda df: np.ma.masked_array(df, df < 0),
    ],
)
def test_the_same_page_of_every_container(brought):
    df = frame()
    for b, want in zip(both_browsers(df, brought(df)), both_browsers(df), strict=True):
        assert b.data.to_dict() == want.data.to_dict()
        for j in range(3):
            assert (
                [s['id'] for s in b.samples.best(j)] == [s['id'] for s in want.samples.best(j)]
                if b.samples
                else True
            )
        b.close()
        want.close()


def test_what_was_not_observed_in_browsers():
    df = frame()
    hidden = np.random.default_rng(1).random(df.shape) < 0.3
    want = [b.data.to_dict() for b in both_browsers(df, df.mask(hidden, 0))]
    for data, mask in ((df.mask(hidden), None), (df, ~hidden), (np.ma.masked_array(df, hidden), None)):
        found = [b.data.to_dict() for b in both_browsers(df, data, mask=mask)]
        assert found == want and 'null' not in json.dumps(found[0]['modes'][0]['corpus'])


@pytest.mark.parametrize('kind', ['own', 'scipy', 'coo', 'gcxs', 'dok', 'dense'])
def test_tensors_of_every_kind_in_browsers(kind):
    X = np.random.default_rng(2).random((6, 4, 5)) * (np.random.default_rng(3).random((6, 4, 5)) < 0.5)
    sparse = pytest.importorskip('sparse')
    made = dict(
        own=lambda: COO(np.array(X.nonzero()), X[X > 0], X.shape),
        scipy=lambda: sp.coo_array(X),
        coo=lambda: sparse.COO(X),
        gcxs=lambda: sparse.GCXS(sparse.COO(X)),
        dok=lambda: sparse.DOK.from_numpy(X),
        dense=lambda: X,
    )
    cp = NCPD(2, random_state=0, max_iter=10).fit(X)
    layers = HNCPD((3, 2), random_state=0, max_iter=10).fit(X)
    for browser, model in ((TopicBrowser, cp), (TopicBrowser, layers), (HierarchyBrowser, layers)):
        b, want = browser(model, made[kind]()), browser(model, X)
        assert b.data.to_dict() == want.data.to_dict()
        b.close()
        want.close()


def test_a_page_of_600_posts_and_5000_words():
    rng = np.random.default_rng(9)
    words = sorted({''.join(rng.choice(list('abcdefghij'), 7)) for _ in range(5100)})[:5000]
    df = frame(600, words)
    b = TopicBrowser(NMF(8, random_state=0, max_iter=5).fit(df), df, front='core')
    assert kinds_of(b) == dict(term='words', sample='labels')
    assert len(b.html()) < 1_000_000 and set(b.data.modes[0]['items']) <= set(words)
    assert all(set(name.split(' · ')) <= set(words) for name in b.names_)
    b.close()


def test_pictures_are_drawn_where_they_are_meant():
    df = frame()
    m = NMF(3, random_state=0, max_iter=10).fit(df)
    asked = TopicBrowser(m, df, kinds={('sample', 'term'): 'image'}, front='core')
    assert kinds_of(asked) == {'sample × term': 'image'} and asked.data.modes[0]['shape'] == [12, 8]
    faces = NCPD(2, random_state=0, max_iter=10).fit(np.random.default_rng(0).random((5, 4, 3)))
    b = TopicBrowser(faces, labels=dict(row=list('abcd'), column=list('xyz')), front='core')
    assert kinds_of(b) == {'row × column': 'image', 'sample': 'labels'}
    for browser in (asked, b):
        browser.close()


@pytest.mark.parametrize('n', [400, 441])
def test_kinds_are_obeyed(n):
    side = int(n**0.5)
    df = frame(n)
    m = NMF(2, random_state=0, max_iter=5).fit(df)
    for kind, shown in (
        ((side, side), 'image'),
        ('ordered', 'ordered'),
        ('words', 'words'),
        ('labels', 'labels'),
    ):
        b = TopicBrowser(m, df, unit='pixel', kinds={'pixel': kind}, front='core')
        assert kinds_of(b)['pixel'] == shown
        b.html()
        b.close()
    for bad in ((3, 3), (side, side, 1), 'nonsense', 7, None):
        if bad is not None:
            with pytest.raises((ValueError, TypeError), match=r"kinds\['pixel'\]"):
                TopicBrowser(m, df, unit='pixel', kinds={'pixel': bad}, front='core')
    one = dict(model=np.ones((4, 2)), front='core')  # there is one sample, and no mode of samples to show
    with pytest.raises(ValueError, match=r"kinds\['sample'\] is 2 x 2 pixels, but the mode has 1"):
        TopicBrowser(kinds=dict(sample=(2, 2)), **one)


SORTED = {
    'Ensembl': [f'ENSG{i:011d}' for i in range(8)],
    'cells': [f'cell_{i}' for i in range(8)],
    'words': [f'word{i}' for i in range(8)],
    'uneven': ['1001', '1002', '1459', '1460', '2200', '8001', '8002', '9999'],
    'numbered': [f'neuron {i}' for i in range(8)],
}


@pytest.mark.parametrize('names', SORTED)
def test_sorted_names_are_no_axis_unless_somebody_says_so(names):
    df = frame()
    labels = dict(gene=SORTED[names])
    m = NMF(3, random_state=0, max_iter=10).fit(df.to_numpy())
    b = TopicBrowser(m, df.to_numpy(), labels=labels, front='core')
    mode = b.data.modes[0]
    assert (mode['name'], mode['kind']) == ('gene', 'words')
    assert "kinds={'gene': 'ordered'}" in mode['hint']
    asked = TopicBrowser(m, df.to_numpy(), labels=labels, kinds=dict(gene='ordered'), front='core')
    assert asked.data.modes[0]['kind'] == 'ordered' and 'hint' not in asked.data.modes[0]
    b.close()
    asked.close()


def test_peaks_name_what_is_measured_and_pixels_name_nothing():
    bump = lambda n, at: np.exp(-((np.arange(n)[:, None] - np.array(at)) ** 2) / 8)
    factors = [W, bump(20, [3, 9, 14]), bump(30, [5, 15, 25])]
    nm = lambda start, step, n: [f'{start + step * i} nm' for i in range(n)]
    labels = dict(excitation=nm(250, 5, 20), emission=nm(300, 10, 30))
    want = ('ex 265 / em 350 nm', 'ex 295 / em 450 nm', 'ex 320 / em 550 nm')
    pair = {('emission', 'excitation'): None}
    for kinds in (None, pair):
        b = TopicBrowser(factors, labels=labels, kinds=kinds, front='core')
        assert b.names_ == want and b.edited().names == want
        b.close()
    assert b.data.modes[0]['across'] == [1, 2]
    assert [b.data.modes[k]['name'] for k in (1, 2)] == ['emission', 'excitation']
    assert (b.data.modes[1]['title'], b.data.modes[1]['unit']) == ('emission', 'nm')
    for names in (range(20), [f'at {i}' for i in range(20)]):
        b = TopicBrowser(factors[:2], labels=dict(pixel=names), kinds=dict(pixel=(4, 5)), front='core')
        assert b.names_ == ('topic 0', 'topic 1', 'topic 2')
        b.close()
    mine = TopicBrowser(factors, labels=labels, names=['a', 'b', 'c'], kinds=pair, front='core')
    assert mine.names_ == ('a', 'b', 'c')
    mine.close()


def test_pictures_of_samples_are_small_and_within_a_budget():
    rng = np.random.default_rng(0)
    images = rng.random((30, 100, 80))
    m = [rng.random((30, 60)), rng.random((12, 60))]
    plain = TopicBrowser(m, front='core')
    b = TopicBrowser(m, images=list(images), samples=['a text'] * 30, front='core')
    sample = b.samples.best(0)[0]
    assert sample['text'] == 'a text' and max(sample['image_shape']) <= 64
    assert len(b.html()) - len(plain.html()) < 600_000
    X = rng.random((30, 12))
    own = TopicBrowser(m, X, kinds={'mode 2': (3, 4)}, front='core')
    first = own.samples.best(0)[0]
    shades = np.frombuffer(base64.b64decode(first['image']), np.uint8)
    row = X[first['id']]
    assert first['image_shape'] == [3, 4] and np.abs(shades - 255 * row / row.max()).max() <= 0.5
    for browser in (plain, b, own):
        browser.close()


def dates(n, **kwargs):
    return pytest.importorskip('pandas').date_range('2019-01-01', periods=n, **kwargs)


AXES = {
    'months': lambda pd: (dates(8, freq='MS'), '2019-01'),
    'days': lambda pd: (dates(8), '2019-01-01'),
    'hours': lambda pd: (dates(8, freq='h'), '2019-01-01 00:00'),
    'years': lambda pd: (dates(8, freq='YS'), '2019'),
    'periods': lambda pd: (pd.period_range('2019-01', periods=8, freq='M'), '2019-01'),
    'quarters': lambda pd: (pd.period_range('2019Q1', periods=8, freq='Q'), '2019Q1'),
    'weeks': lambda pd: (pd.period_range('2019-01-07', periods=8, freq='W'), '2019-01-07'),
    'written': lambda pd: ([f'2019-{i:02}' for i in range(5, 13)], '2019-05'),
    'spans': lambda pd: (pd.timedelta_range('0h', periods=8, freq='h'), '00:00:00'),
    'countdown': lambda pd: (range(8, 0, -1), '8'),
    'names of months': lambda pd: (['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug'], 'Jan'),
    'backwards': lambda pd: (dates(8)[::-1], '2019-01-08'),
}


@pytest.mark.parametrize('axis', AXES)
def test_axes_of_dates_have_an_order_and_are_short(axis):
    columns, first = AXES[axis](pytest.importorskip('pandas'))
    df = frame().set_axis(list(columns), axis=1)
    for b in both_browsers(df, front='core'):
        mode = next(m for m in b.data.modes if m['name'] == 'term')
        assert mode['kind'] == 'ordered' and mode['items'][0] == first and len(mode['items']) == 8
        assert all(len(name) < 60 for name in b.names_)
        b.close()


def course(n, times, **kwargs):
    b = TopicBrowser([np.ones((n, 2)), np.eye(2)], times=times, front='core', **kwargs)
    b.close()
    return b.data.course


@pytest.mark.parametrize('n', [13, 90, 91, 200])
@pytest.mark.parametrize('freq', ['s', 'h', 'D', 'W', 'MS', 'QS'])
@pytest.mark.parametrize('written', ['Timestamp', 'NumPy', 'text', 'Period', 'date'])
def test_any_number_of_dates_is_drawn(n, freq, written):
    at = dates(n, freq=freq)
    forms = dict(
        NumPy=at.to_numpy,
        text=lambda: list(map(str, at)),
        Period=lambda: at.to_period('D'),
        date=lambda: at.date,
    )
    c = course(n, {'date': forms.get(written, lambda: at)()})
    assert 1 <= len(c['labels']) <= 90 and c['labels'] == sorted(c['labels'])
    assert len(set(c['labels'])) == len(c['labels'])
    binned = len(set(map(str, forms.get(written, lambda: at)()))) > 90
    assert c['name'].startswith('date (in ') if binned else c['name'] == 'date'
    np.testing.assert_allclose([t for t, here in zip(c['total'][0], c['all'], strict=True) if here], 0.5)


def test_thousands_of_days():
    c = course(5000, {'date': dates(5000)})
    assert (c['name'], c['labels'][0], len(c['labels'])) == ('date (in quarters)', '2019-01', 55)


def test_few_periods_for_many_topics_and_strata():
    "30 months, 40 topics, 10 strata."
    rng = np.random.default_rng(0)
    b = TopicBrowser(
        [rng.random((300, 40)), rng.random((5, 40))],
        times={'month': [f'{2019 + i // 12}-{i % 12 + 1:02}' for i in range(30)] * 10},
        strata=list(range(10)) * 30,
        front='core',
    )
    assert b.data.course['name'] == 'month (in quarters)' and b.data.course['labels'][0] == '2019-01'
    assert b.data.strata == [str(i) for i in range(10)]
    b.close()


MISSING = [None, float('nan'), np.datetime64('NaT'), 'NaT', 'NA']


@pytest.mark.parametrize('missing', MISSING, ids=str)
@pytest.mark.parametrize('known', ['years', 'dates', 'texts'])
def test_missing_times_are_left_out_and_counted(missing, known):
    pd = pytest.importorskip('pandas')
    missing = {'NaT': pd.NaT, 'NA': pd.NA}.get(missing, missing) if isinstance(missing, str) else missing
    made = dict(
        years=range(1990, 2000), dates=dates(10, freq='YS'), texts=[f'19{i}-01' for i in range(90, 100)]
    )
    times = list(made[known])
    times[3] = times[7] = missing
    c = course(10, {'year': times})
    assert c['name'] == 'year (2 without left out)' and len(c['labels']) == 8
    assert c['labels'] == sorted(set(c['labels']))
    if known == 'dates':  # as a frame's column holds them
        assert course(10, pd.Series(pd.to_datetime(pd.Series(times)), name='year')) == c


def test_times_that_cannot_be_drawn_are_warned_of():
    for times in ([None] * 20, [f'{a}{b}' for a in 'abcdefghij' for b in 'abcdefghij']):
        with pytest.warns(UserWarning, match='there is no course over time'):
            assert course(len(times), times) is None


@pytest.mark.parametrize(
    'times, name',
    [
        (lambda pd: pd.Series([1991, 1990, 1992]), 'time'),
        (lambda pd: pd.Series([1990, 1991, 1992], index=['b', 'a', 'c'], name='year'), 'year'),
        (lambda pd: pd.DataFrame({'year': [1990, 1991, 1992]}, index=['b', 'a', 'c']), 'year'),
        (lambda pd: dict(b=1990, a=1991, c=1992), 'time'),
        (lambda pd: dict(year=[1991, 1990, 1992]), 'year'),
        (lambda pd: dict(year=pd.Series([1992, 1991, 1990], index=['c', 'a', 'b'])), 'year'),
        (lambda pd: ('year', [1991, 1990, 1992]), 'year'),
        (lambda pd: [[1991], [1990, 1992]], 'time'),
    ],
)
def test_times_in_every_form(times, name):
    pd = pytest.importorskip('pandas')
    c = TopicBrowser(
        [np.array([[1, 0], [0, 1], [1, 1.0]]), np.eye(2)],
        times=times(pd),
        sample_names=list('abc'),
        front='core',
    ).data.course
    assert (
        c['name'] == name
        and c['labels'] == ['1990', '1991', '1992']
        and c['total'] == [[0, 1, 0.5], [1, 0, 0.5]]
    )


def test_texts_by_the_names_of_their_samples():
    pd = pytest.importorskip('pandas')
    for texts in (pd.Series(['at b', 'at a'], index=['b', 'a']), dict(b='at b', a='at a'), ['at a', 'at b']):
        b = TopicBrowser([np.eye(2), np.eye(2)], samples=texts, sample_names=list('ab'), front='core')
        assert b.samples.texts == ['at a', 'at b']
        b.close()


def test_a_pipeline_and_its_texts():
    from sklearn.decomposition import NMF as SkNMF
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline

    docs = ['zebra zebra apple', 'zebra zebra', 'mango apple', 'mango mango']
    for model in (NMF(2, random_state=0), SkNMF(2, random_state=0)):
        b = TopicBrowser(make_pipeline(TfidfVectorizer(), model).fit(docs), docs, front='core')
        assert kinds_of(b)['term'] == 'words' and sorted(b.data.modes[0]['items']) == [
            'apple',
            'mango',
            'zebra',
        ]
        assert b.samples.texts == docs and b.samples.best(0)[0]['text'] in docs
        b.close()
    fitted = make_pipeline(TfidfVectorizer(), HNMF((2, 1), random_state=0)).fit(docs)
    for browser in (TopicBrowser, HierarchyBrowser):
        b = browser(fitted, docs, front='core')
        assert len(b.data.sets) == 2 and b.samples.texts == docs
        b.close()


def test_new_documents_with_an_old_model():
    df = frame()
    new = frame(4, seed=8).set_axis(list('wxyz'))
    for b in both_browsers(df, new, front='core'):
        samples = next(m for m in b.data.modes if m['name'] == 'sample')
        assert samples['items'] == list('wxyz') and b.data.modes[0]['items'] == VOCABULARY
        b.close()
    strata = StratifiedNMF(2, strata_rank=1, random_state=0, max_iter=10).fit(dict(a=df[:5], b=df[5:]))
    b = TopicBrowser(strata, dict(b=new), front='core')
    assert b.data.strata == ['a', 'b'] and {s['stratum'] for s in b.samples.best(0)} <= {1}
    b.close()
    b = TopicBrowser(NMF(2, random_state=0).fit(df), df.to_numpy()[::-1], new_samples=True, front='core')
    np.testing.assert_allclose(
        b.views[0].weights[::-1], TopicBrowser(NMF(2, random_state=0).fit(df)).views[0].weights
    )
    b.close()


def test_runs_are_compared_by_their_words():
    df = frame()
    fit = lambda X: NMF(3, random_state=0, tol=1e-9, max_iter=3000).fit(X)
    a, b = fit(df), fit(df.iloc[:, ::-1])
    page = TopicBrowser(a, df, others=[b], front='core')
    same = TopicBrowser(a, df, others=[[b.weights_, b.components_.T[::-1]]], front='core')
    assert page.data.match == same.data.match and page.data.similar == same.data.similar
    assert page.views[1].labels[1] == tuple(VOCABULARY)
    for other in (page, same):
        other.close()
    with pytest.raises(ValueError, match="at index 0, 'z' in run 2 and 'tax' in another run"):
        TopicBrowser(a, others=[fit(df.rename(columns=dict(tax='z')))])


@pytest.mark.parametrize('browser, model', [(TopicBrowser, [W, F]), (HierarchyBrowser, [Layer((W, F))])])
@pytest.mark.parametrize(
    'wrong, right',
    [('tittle', 'title'), ('label', 'labels'), ('smaples', 'samples'), ('time', 'times'), ('lamb', 'lam')],
)
def test_unknown_keywords_are_refused(browser, model, wrong, right):
    with pytest.raises(TypeError, match=f"{browser.__name__} has no keyword '{wrong}'; did you mean {right}"):
        browser(model, **{wrong: 1})


@pytest.mark.parametrize(
    'times, error, message',
    [
        ({}, ValueError, 'times is empty'),
        ('year', ValueError, "times must hold one entry per sample, not the text 'year'"),
        ({1990, 1991}, TypeError, 'times is a set, which has no order'),
        (dict(a=1, b=2), ValueError, 'times has 2 entries for 6 samples'),
    ],
)
def test_what_is_no_list_of_times(times, error, message):
    with pytest.raises(error, match=re.escape(message)):
        TopicBrowser([W, F], times=times)


def test_a_word_that_is_not_there():
    words = [f'{a}{b}' for a in 'bcdfg' for b in ('aron', 'eeper', 'ishes')]
    b = TopicBrowser(np.random.default_rng(0).random((15, 2)), labels=dict(term=words), front='core')
    with pytest.raises(ValueError, match="there is no term 'Keeper'; nearest: "):
        b.search('Keeper')
    b.close()


# --- What travels ---


@pytest.fixture
def wire(monkeypatch):
    "The size of every message to the page, as it goes out."
    import comm.base_comm

    sent = []

    def publish(self, msg_type, data=None, metadata=None, buffers=None, **keys):
        sent.append(len(json.dumps(data)) + sum(memoryview(b).nbytes for b in buffers or ()))

    monkeypatch.setattr(comm.base_comm.BaseComm, 'publish_msg', publish)
    monkeypatch.setattr(comm.DummyComm, 'publish_msg', publish)
    return sent


def test_a_large_model_sends_little(wire):
    "10,000 words, 100 topics, 100,000 samples: all that goes over the wire, the JavaScript too."
    rng = np.random.default_rng(6)
    W, F = rng.random((100_000, 100), np.float32) ** 8, rng.random((10_000, 100), np.float32) ** 20
    b = TopicBrowser(
        [W, F],
        labels=dict(term=[f'word{i}' for i in range(10_000)]),
        samples=['some text about nothing'] * 100_000,
    )
    opened = sum(wire)
    assert 100_000 < opened < 1_000_000
    del wire[:]
    for message in (
        dict(cmd='select', topic=7),
        dict(cmd='lam', value=0.3),
        dict(cmd='samples', topic=7, stratum=-1),
        dict(cmd='name', topic=7, value='x'),
        dict(cmd='merge', topic=7, into=8),
    ):
        b.receive(b.front, message)
    assert len(wire) == 5 and max(wire) < 20_000
    print(f'{opened / 1e3:.0f} kB to open, {max(wire) / 1e3:.1f} kB for a command')
    b.close()


@pytest.mark.parametrize('strata', [False, True])
def test_opening_computes_nothing_per_topic(monkeypatch, strata):
    "The same passes over everything for 4 topics as for 40; what is done for one topic looks at it alone."
    from ntf_lit import browser_data

    # the modules that make the views, the tables and the data of a page
    modules = {sys.modules[f.__module__] for f in (view, browser_data.match_topics, browser_data.page_data)}
    everything = 'components', 'profiles', '_index_names', 'saliencies', '_model_corpus', 'stratum_corpus'

    def named(f):
        return getattr(f, '__name__', None) in everything

    def count(rank, n=300, d=200):
        rng, calls, looked = np.random.default_rng(rank), dict.fromkeys(everything, 0), [0]

        def counted(name, f):
            def g(*args):
                calls[name] += 1
                return f(*args)

            return g

        def relevance(p, *args, **kwargs):
            looked[0] += p.size
            return plain(p, *args, **kwargs)

        with monkeypatch.context() as m:
            plain = browser_data.relevance
            wrapped = {
                f: counted(f.__name__, f) for module in modules for f in vars(module).values() if named(f)
            }
            for module in modules:
                m.setattr(module, 'relevance', relevance, raising=False)
                for name, f in list(vars(module).items()):
                    if named(f):
                        m.setattr(module, name, wrapped[f])
            F = rng.random((6, rank)), rng.random((d, rank))
            V = tuple(rng.random((2, k, 1)) for k in (6, d))
            W = rng.random((n, rank))
            labels = dict(part=[f'p{i}' for i in range(6)], term=[f'w{i}' for i in range(d)])
            TopicBrowser(Strata(V, W, F, (0, 100, n)) if strata else [W, *F], labels=labels).close()
        return calls, looked[0]

    (few, _), (many, looked) = count(4), count(40)
    assert few == many and many['components'] == many['saliencies'] == 0 and many['profiles'] <= 6
    assert many['stratum_corpus'] > 0
    assert looked <= 3 * (200 + 6 + 300) * 40 + 4 * (200 + 6)


def test_opening_needs_little_memory():
    "Beyond what it is given: the weights in normal form, and one more array of their size for a moment."
    import tracemalloc

    rng = np.random.default_rng(7)
    W, F = rng.random((40_000, 50)), rng.random((500, 50))
    TopicBrowser([W[:50], F]).close()
    tracemalloc.start()
    b = TopicBrowser([W, F])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    b.close()
    assert peak < 3 * W.nbytes


def test_the_twin_is_small_too():
    rng = np.random.default_rng(6)
    words = [f'word{i}' for i in range(10_000)]
    v = view([rng.random((2000, 100)) ** 8, rng.random((10_000, 100)) ** 20], labels=dict(term=words))
    b = TopicBrowser(v, samples=['some text about nothing'] * 2000)
    small, whole = len(b.html(texts_bytes=0)), len(b.html())
    assert len(b.twin()) < 450_000 and small < 1_000_000 and small < whole <= small + 1_000_000
    b.close()


def test_a_saved_page_lets_nothing_in(small):
    "Its policy: nothing but what is in the page; and it names no other address."
    text = small.html()
    [policy] = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', text)
    allowed = dict(part.strip().split(' ', 1) for part in policy.split(';'))
    assert allowed['default-src'] == "'none'"
    for kind, sources in allowed.items():
        assert kind.endswith('-src') and set(sources.split()) <= {"'none'", "'unsafe-inline'", 'data:'}
    assert text.index('Content-Security-Policy') < text.index('<script')
    assert not re.search(r'(?:src|href|url\(|import)\W{0,3}https?:|@import|<link|<base', text)


def test_assets_are_in_the_package():
    text = html_page(dict(title='t', kind='topics'))
    assert text.count('<script') == 2 and 'export default' in text
    assert 'recursive-include ntf_lit/static *' in (ROOT / 'MANIFEST.in').read_text()


def test_javascript():
    node = shutil.which('node') or pytest.skip('no node here, which runs tests/browser.test.mjs')
    done = subprocess.run(
        [node, '--test', str(ROOT / 'tests/browser.test.mjs')],
        capture_output=True,
        text=True,
        env=os.environ | dict(PYTHON=sys.executable),
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout[-3000:]
