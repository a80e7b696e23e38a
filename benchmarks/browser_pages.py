"""Pages of the browsers by any build, and what Chromium takes to open them and to answer.

Nothing of ntf_lit is imported before a page is made, so that a process can make it with another build.
"""

import os
import shutil
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import numpy as np

FLAGS = '--no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run --disable-background-networking'
SYLLABLES = 'ba ko ri ta mu se lo ni fa du pe ga vo zi'.split()


# --- models ---


def invented(n):
    "n words; a syllable is part of many."
    s = len(SYLLABLES)
    return [
        ''.join(SYLLABLES[i // s**k % s] for k in range(4)) + (str(i // s**4) if i >= s**4 else '')
        for i in range(n)
    ]


def words_of_topics(n, rank, seed=0):
    "Words of topics: frequencies as in a language, each topic with words of its own."
    rng = np.random.default_rng(seed)
    return rng.random((n, rank)) ** 20 / (10 + rng.permutation(n))[:, None]


def texts_of(W, F, words, length=150, seed=0):
    "A text for every sample: of its words two thirds are of its largest topic."
    rng = np.random.default_rng(seed)
    main, all_words = W.argmax(1), F.sum(1) / F.sum()
    out = [''] * len(W)
    for j in range(W.shape[1]):
        of = np.flatnonzero(main == j)
        own = rng.choice(len(words), (len(of), length), p=F[:, j] / F[:, j].sum())
        others = rng.choice(len(words), (len(of), length), p=all_words)
        for i, line in zip(of, np.where(rng.random(own.shape) < 2 / 3, own, others)):
            out[i] = ' '.join(words[k] for k in line)
    return out


def topics(samples, n, rank, texts=False):
    "A topic browser of a made model, by the build at hand."
    from ntf_lit.topic_browser import TopicBrowser

    words, F = invented(n), words_of_topics(n, rank)
    W = np.random.default_rng(1).random((samples, rank)) ** 8
    told = (
        dict(samples=texts_of(W, F, words), sample_names=[f'text {i}' for i in range(samples)])
        if texts
        else {}
    )
    start = time.process_time()
    return TopicBrowser([W, F], labels=dict(term=words), title='Topics', front='core', **told), start


def layered(ranks, P):
    "Layers of topics, each mostly part of one above."
    from ntf_lit.result import Hierarchy, Layer

    rng = np.random.default_rng(1)
    factors = (rng.random((50, ranks[0])) ** 4, P)
    out = [Layer(factors)]
    for a, b in zip(ranks, ranks[1:]):
        L = rng.random((a, b)) ** 14
        L[np.arange(a), np.arange(a) % b] += 2
        L /= L.sum(1, keepdims=True)
        factors = tuple(F @ L for F in factors)
        out.append(Layer(factors, (L, L)))
    return Hierarchy(tuple(out))


def hierarchy(ranks, P, **labels):
    "A hierarchy browser of a made model."
    from ntf_lit.hierarchy_browser import HierarchyBrowser

    model, start = layered(ranks, P), time.process_time()
    return HierarchyBrowser(model, labels=labels, title='Layers', front='core'), start


def peaks(n):
    "n curves of a peak each, and the names of their 400 points."
    x = np.linspace(0, 1, 400)[:, None]
    P = np.exp(-((x - np.random.default_rng(0).random(n)) ** 2) / 0.002)
    return P, [f'{400 + 2 * i} nm' for i in range(400)]


def curves(ranks):
    P, names = peaks(ranks[0])
    return hierarchy(ranks, P, wavelength=names)


def layers(ranks):
    n = 2000
    return hierarchy(ranks, words_of_topics(n, ranks[0]), term=invented(n))


PAGES = {  # name: (how it is made, what is typed into its search)
    'hierarchy 100-30-10, words': (lambda quick: layers((100, 30, 10)), 'bako rita'),
    'hierarchy 100-30-10, curves of 400 points': (lambda quick: curves((100, 30, 10)), '600 45'),
    '60 topics with texts': (
        lambda quick: topics(*((4000, 5000) if quick else (18_846, 20_000)), 60, True),
        'bako rita',
    ),
    '200 topics': (lambda quick: topics(*((4000, 5000) if quick else (200_000, 50_000)), 200), 'bako rita'),
}


def write_page(name, path, quick=False):
    "Seconds of the processor until the browser stands, until its file is written too, and bytes of the file."
    b, start = PAGES[name][0](quick)
    built = time.process_time() - start
    b.to_html(path)
    return built, time.process_time() - start, Path(path).stat().st_size


# --- Chromium ---

# The time at which the first frame with the browser in it has been painted
OPENED = """{
  const {port1, port2} = new MessageChannel();
  port1.onmessage = () => (window.seenAt = performance.now());
  const look = () => document.querySelector('.ntf') ? port2.postMessage(0) : requestAnimationFrame(look);
  requestAnimationFrame(look);
}"""
# Milliseconds from each event until the frame after it has been painted; a tenth of a second between them
UNTIL_FRAMES = """async events => {
  const {port1, port2} = new MessageChannel(), took = [], wait = f => new Promise(f);
  for (const event of events) {
    await wait(done => setTimeout(done, 100));
    const start = performance.now();
    event();
    await wait(done => {
      port1.onmessage = done;
      requestAnimationFrame(() => port2.postMessage(0));
    });
    took.push(performance.now() - start);
  }
  return took;
}"""
CLICKS = f"""n => {{
  const all = [...document.querySelectorAll('.ntf-list [role=option], .ntf-graph [data-id]')];
  const one = k => all[Math.floor(((0.382 + 0.618 * k) % 1) * all.length)].dataset.id;
  const which = Array.from({{length: n}}, (_, k) => one(k));
  return ({UNTIL_FRAMES})(which.map(i => () => document.querySelector(`[data-id="${{i}}"]`).click()));
}}"""
KEYS = f"""typed => {{
  const find = document.querySelector('input[type=search]');
  const type = text => () => {{
    find.value = text;
    find.dispatchEvent(new Event('input', {{bubbles: true}}));
  }};
  return ({UNTIL_FRAMES})(typed.map(type));
}}"""


@contextmanager
def chromium():
    "A headless Chromium, or None with a word where there is none; the variable CHROMIUM names one."
    names = os.environ.get('CHROMIUM'), 'chromium', 'chromium-browser', 'google-chrome'
    path = next(filter(None, (shutil.which(n) for n in names if n)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        path = None
    if path is None:
        print('the pages are not opened: there is no Chromium here, or no playwright')
        yield None
        return
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=path, headless=True, args=FLAGS.split())
        yield browser
        browser.close()


def work(session):
    "Seconds of the processor that the page's main thread has taken so far."
    found = session.send('Performance.getMetrics')['metrics']
    return {m['name']: m['value'] for m in found}['TaskDuration']


def typed_in(text):
    "What stands in a field while words are typed into it, each taken back again."
    of = lambda word: [*range(1, len(word) + 1), *range(len(word) - 1, -1, -1)]
    return [word[:n] for word in text.split() for n in of(word)]


def opened(browser, path, text, clicks=7):
    """Seconds until a page is seen, until a click and a key are (medians); seconds of the processor for each.

    Of the opening, the processor's are those of a second and a half: what a page leaves for later is in them.
    """
    page = browser.new_page(viewport=dict(width=1280, height=1000))
    session = page.context.new_cdp_session(page)
    session.send('Performance.enable', dict(timeDomain='threadTicks'))
    page.add_init_script(OPENED)
    page.goto(Path(path).absolute().as_uri())
    page.wait_for_timeout(1500)
    page.wait_for_function('() => window.seenAt')
    out = {'opening': page.evaluate('window.seenAt') / 1000, 'opening, processor': work(session)}
    tab = page.get_by_role('button', name='Topics', exact=True)
    if tab.count():  # a page opens with all topics
        tab.click()
    for name, asked, n in ('click', CLICKS, clicks), ('key', KEYS, typed_in(text)):
        page.wait_for_timeout(300)
        before = work(session)
        took = page.evaluate(asked, n)
        out |= {name: median(took) / 1000, f'{name}, processor': (work(session) - before) / len(took)}
    page.close()
    return out
