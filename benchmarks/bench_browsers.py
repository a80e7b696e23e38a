"""The browsers: seconds until a model stands on the screen, and what is sent; and beside another build.

python benchmarks/bench_browsers.py [--quick]

With another build (`python benchmarks/run.py --only browsers --against WHEEL`) both make the pages of
`browser_pages.py`, and one Chromium opens them in turns, clicks and types. The least of several counts.
"""

import argparse
import json
import os
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
from browser_pages import PAGES, chromium, opened, write_page
from harness import Worker, in_turn

from ntf_lit.browser_data import page_data
from ntf_lit.hierarchy_browser import HierarchyBrowser
from ntf_lit.result import Hierarchy, Layer, Strata
from ntf_lit.topic_browser import TopicBrowser
from ntf_lit.tables import topic_shares
from ntf_lit.views import view

LIMIT = 2.0  # Seconds


def sent(b):
    "Bytes of the first message to the page, its JavaScript and style included."
    return len(json.dumps(b.front.get_state(['data', 'state']))) + len(b.front._esm) + len(b.front._css)


def seconds(f, repeats):
    "Seconds of each call, and what the last one gave."
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        out = f()
        times.append(time.perf_counter() - start)
    return times, out


def row(name, what, f, repeats, aim='', note=lambda out: ''):
    "One measurement, against the two seconds that a reader may have to wait."
    times, out = seconds(f, repeats)
    ratios = sorted(LIMIT / t for t in times)
    return dict(
        name=name,
        ours=what,
        peer='two seconds',
        ours_seconds=median(times),
        peer_seconds=LIMIT,
        ratio=median(ratios),
        spread=[ratios[0], ratios[-1]],
        aim=aim,
        note=note(out),
    )


def own_rows(quick=False):
    "Each measurement of this build alone."
    n, d, rank, repeats = (20_000, 2_000, 40, 3) if quick else (100_000, 10_000, 100, 5)
    size = f'{d} words, {rank} topics, {n} samples'
    rng = np.random.default_rng(0)
    W, F = rng.random((n, rank)) ** 8, rng.random((d, rank)) ** 20
    words = [f'word{i}' for i in range(d)]
    kb = lambda b: f'{sent(b) / 1e3:.0f} kB sent'
    aim = '' if quick else '≥ 1'
    yield row('view', size, lambda: view([W, F], labels=dict(term=words)), repeats)
    v = view([W, F], labels=dict(term=words))
    yield row('page_data', size, lambda: page_data(v), repeats)
    yield row('topic_shares', size, lambda: topic_shares(v), repeats)
    yield row('TopicBrowser', size, lambda: TopicBrowser([W, F], labels=dict(term=words)), repeats, aim, kb)
    V = tuple(rng.random((2, k, 3)) for k in (8, d))
    m = Strata(V, W, (rng.random((8, rank)), F), (0, n // 3, n))
    yield row(
        'TopicBrowser',
        size + ', 2 strata, 8 parts',
        lambda: TopicBrowser(
            m, labels=dict(part=[f'part {i}' for i in range(8)], term=words), times=np.arange(n) % 150 + 1860
        ),
        repeats,
        aim,
        kb,
    )
    L = rng.random((rank, 10)) ** 4
    h = Hierarchy((Layer((W, F)), Layer((W @ L, F @ L), (L, L))))
    yield row(
        'HierarchyBrowser',
        size + ', and 10 above',
        lambda: HierarchyBrowser(h, labels=dict(term=words)),
        repeats,
        aim,
        kb,
    )


def measured(quick):
    return list(own_rows(quick))


def beside(name, page, ours, theirs, note=''):
    "The least of one build by the least of the other."
    ratios = sorted(b / a for a, b in zip(ours, theirs))
    return dict(
        name=name,
        ours=page,
        peer='the other build',
        ours_seconds=min(ours),
        peer_seconds=min(theirs),
        ratio=min(theirs) / min(ours),
        spread=[ratios[0], ratios[-1]],
        aim=AIMS.get((name, page), ''),
        note=note,
    )


def written_rows(page, workers, paths, quick, repeats):
    "What Python takes, of the processor's time: until the browser stands, and until its file is written."
    calls = {who: lambda who=who: workers[who](write_page, page, str(paths[who]), quick) for who in workers}
    took = in_turn(calls, repeats)
    sizes = ' by '.join(f'{took[who][0][2] / 1e3:.0f}' for who in took)
    for k, name in enumerate(('build', 'with its file')):
        yield beside(name, page, *([x[k] for x in took[who]] for who in took), note=k * f'{sizes} kB')


def opened_rows(page, browser, paths, repeats):
    "What Chromium takes; what is called its processor is the time of the page's main thread alone."
    took = in_turn({who: lambda p=p: opened(browser, p, PAGES[page][1]) for who, p in paths.items()}, repeats)
    for name in took['ours'][0]:
        yield beside(name, page, *([x[name] for x in took[who]] for who in took))


AIMS = {
    ('opening', 'hierarchy 100-30-10, curves of 400 points'): '≥ 4',
    ('click', 'hierarchy 100-30-10, words'): '≥ 2',
    ('click', 'hierarchy 100-30-10, curves of 400 points'): '≥ 6',
    ('opening', '200 topics'): '≥ 1',
    ('click', '200 topics'): '≥ 1',
    ('key', '200 topics'): '≥ 1',
}


def rows(quick=False):
    "dict(name, ours_seconds, note, ...) of each measurement."
    other = os.environ.get('NTF_LIT_AGAINST')
    with Worker() as ours:
        yield from ours(measured, quick)
        if not other:
            print('pages are not opened beside those of another build: --against names its wheel', flush=True)
            return
        with Worker(other) as theirs, TemporaryDirectory() as folder, chromium() as browser:
            for n, page in enumerate(PAGES):
                paths = {who: Path(folder) / f'{who}{n}.html' for who in ('ours', 'theirs')}
                yield from written_rows(page, dict(ours=ours, theirs=theirs), paths, quick, 2 if quick else 3)
                if browser:
                    yield from opened_rows(page, browser, paths, 2 if quick else 5)


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--quick', action='store_true', help='smaller problems, fewer repetitions')
    for r in rows(parser.parse_args().quick):
        print(
            f'{r["name"]:20} {r["ours"]:70} {r["ours_seconds"]:9.3g} s   {r["aim"]:8} {r["note"]}', flush=True
        )
