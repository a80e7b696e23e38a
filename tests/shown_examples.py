"""Browsers that the tests show, with words of every kind; light to import, as kernels import it too."""

import numpy as np

from ntf_lit.hierarchy_browser import HierarchyBrowser
from ntf_lit.result import Hierarchy, Layer, Strata
from ntf_lit.topic_browser import TopicBrowser

WORDS = [
    'tax',
    'war',
    'gold',
    'peace',
    'treaty',
    'silver',
    'farm',
    'school',
    'army',
    'navy',
    'union',
    'budget',
]


def example(front='core', **kwargs):
    "Four topics of twelve words in six parts, two strata with a feature each."
    rng = np.random.default_rng(0)
    H = np.kron(np.eye(4), np.array([[5.0], [3], [2]])) + 0.2 * rng.random((12, 4))
    V = tuple(rng.random((2, d, 1)) ** 4 for d in (6, 12))
    W = rng.random((20, 4)) ** 3 * np.array([4, 3, 2, 1.0])
    m = Strata(V, W, (rng.random((6, 4)), H), (0, 9, 20))
    texts = [f'In {1900 + i} the {WORDS[int(W[i].argmax()) * 3]} was much spoken of.' for i in range(20)]
    return TopicBrowser(
        m,
        labels=dict(part=[f'part {i + 1}' for i in range(6)], term=WORDS),
        strata=['North', 'South'],
        samples=texts,
        times={'year': range(1900, 1920)},
        title='Example',
        front=front,
        **kwargs,
    )


def hierarchy_example(front='core', **kwargs):
    return HierarchyBrowser(
        hierarchy(WORDS[:6]), labels=dict(term=WORDS[:6]), title='Layers', front=front, **kwargs
    )


def hostile_hierarchy(words, front, **kwargs):
    "A hierarchy whose every word, text, name and title is one of the given."
    return HierarchyBrowser(
        hierarchy(words),
        labels=dict(term=words),
        samples=words,
        sample_names=words,
        names=[words, words[:2]],
        title=words[0],
        front=front,
        **kwargs,
    )


# --- Hostile and odd words ---

MARKUP = [  # what every page may be given
    '<script>alert(1)</script>',
    '</script><script>alert(1)</script>',
    '<img src=x onerror=alert(1)>',
    '<svg onload=alert(1)>',
    '"><script>alert(1)</script>',
    "'><img src=x onerror=alert(1)>",
]
PAYLOADS = [
    *MARKUP,
    '<iframe src=javascript:alert(1)>',
    '<a href="javascript:alert(1)">x</a>',
    '<body onload=alert(1)>',
    '<!--',
    '-->',
    '<![CDATA[x]]>',
    ']]>',
    '</style><script>alert(1)</script>',
    '</title><script>alert(1)</script>',
    '</iframe><script>alert(1)</script>',
    '&lt;script&gt;alert(1)&lt;/script&gt;',
    '&#60;b&#62;',
    '\u2028alert(1)\u2029',
    '{{constructor.constructor("alert(1)")()}}',
    '${alert(1)}',
    '`alert(1)`',
    '[x](javascript:alert(1))',
    '![x](http://x.y/z.png)',
    '| a | b |',
    '$\\href{javascript:alert(1)}{x}$',
    '\x1b[31mred\x1b[0m',
    '\u202egnirts\u202c',
    '../../etc/hosts',
    '__proto__',
    '<math><mi//xlink:href="data:x,<script>alert(1)</script>">',
    '<details open ontoggle=alert(1)>',
]
ODD = ['', ' ', 'x' * 10_000, 'שלום', 'مرحبا', '🙂👩‍👩‍👧', 'a\x00b', '\ud800', 'e\u0301' * 50]


def hostile(words, **kwargs):
    "A model whose every word, text, name and title is one of the given."
    n, rng = len(words), np.random.default_rng(0)
    made = dict(
        model=[rng.random((n, n)), np.eye(n) + 0.1 * rng.random((n, n)), rng.random((2, n))],
        labels=dict(term=words, place=words[:2]),
        samples=words,
        sample_names=words,
        strata=[words[i % 2] for i in range(n)],
        names=words,
        title=words[0],
        note=words[-1],
        terms='term',
    )
    return made | kwargs


def hierarchy(words):
    n, rng = len(words), np.random.default_rng(0)
    F, L = (rng.random((n, n)), np.eye(n) + 0.1 * rng.random((n, n))), rng.random((n, 2))
    return Hierarchy((Layer(F), Layer(tuple(f @ L for f in F), (L, L))))
