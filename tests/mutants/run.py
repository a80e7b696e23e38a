"""Plant the bugs one at a time in a copy of the project and see whether the tests catch them.

    python tests/mutants/run.py                 all of them, two at a time; goes on where it was stopped
    python tests/mutants/run.py --only tables   those whose file or description has this word, or one of these
    python tests/mutants/run.py --minutes 7     begin none after so many minutes
    python tests/mutants/run.py --sample 20     some of them
    python tests/mutants/run.py --few           the first round alone: what survives is not kept
    python tests/mutants/run.py --fresh         forget what is known

For each the tests of its module run until one fails: first those that caught another in this module, then
one case of every test, then the other cases. A first round gives each a minute, with properties on few
examples; a second runs for what is left all tests, and then once more all properties on more examples. The
test that fails is run alone, with the bug, where it must fail again, and where nothing is planted, where it
must pass. The program ends with 1 if something survives that is not said to be equivalent.
"""

import argparse
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from typing import NamedTuple

from mutants import HERE, ROOT, all_mutants, tests_of

# What came of each, by its key; not in git, and stale when tests change: --fresh
KNOWN = HERE / 'known.jsonl'
# Seconds of one test, or of loading all, which take one minute at most: what takes longer is caught
LIMIT = 300
ALL = float('inf')  # Seconds: as many as all tests take
CONTEXT = multiprocessing.get_context('forkserver')  # what is heavy to load is loaded once


def project_copy(folder):
    "A copy of the project's own files."
    names = subprocess.run(
        ['git', 'ls-files', '--cached', '--others', '--exclude-standard'],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split('\n')  # fmt: skip
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


HEAVY = """
numpy scipy.optimize scipy.cluster.hierarchy torch.nn sklearn.base sklearn.decomposition pandas joblib numba
matplotlib.pyplot pytest hypothesis.strategies IPython ipywidgets anywidget nbdev.process execnb.shell
""".split()


class Order:
    "A plugin of pytest: first what caught `before`, then one case of every test; a limit of time."

    def __init__(self, folder, before, seconds):
        self.kept, self.before, self.until = folder / '.seconds.json', before, time.monotonic() + seconds
        self.took = json.loads(self.kept.read_text(encoding='utf-8')) if self.kept.exists() else {}

    def pytest_collection_modifyitems(self, items):
        case = Counter()

        def place(item):
            name = item.nodeid.split('[')[0]
            case[name] += 1
            return item.nodeid not in self.before, case[name], self.took.get(item.nodeid, 0) > 1

        items.sort(key=place)

    def pytest_runtest_setup(self, item):
        signal.alarm(LIMIT)

    def pytest_runtest_logreport(self, report):
        if report.when == 'call':
            self.took[report.nodeid] = report.duration

    def pytest_runtest_teardown(self, item):
        if time.monotonic() > self.until:
            item.session.shouldstop = 'no time is left'

    def pytest_sessionfinish(self):
        self.kept.write_text(json.dumps(self.took), encoding='utf-8')


def _pytest(folder, args, log, profile, before, seconds):
    "In a process of its own: the tests of a copy of the project."
    with open(log, 'w') as out:
        for stream in (1, 2):
            os.dup2(out.fileno(), stream)
    signal.alarm(LIMIT)  # which ends this process, whatever it is at
    os.chdir(folder)
    sys.path[:0] = [str(folder)]
    os.environ.update(
        PYTHONPATH=str(folder), NUMBA_CACHE_DIR=str(folder / '.numba'), HYPOTHESIS_PROFILE=profile
    )
    import pytest

    sys.exit(pytest.main([*QUIET, *args], plugins=[Order(folder, before, seconds)]))


# Modules that are loaded already are no fault of a test
QUIET = '-x -q --no-header -rfE -p no:cacheprovider -W ignore::pytest.PytestAssertRewriteWarning'.split()


class Run(NamedTuple):
    "What came of some tests."

    passed: bool
    said: str = ''  # What failed, in a line
    node: str = ''  # Its name for pytest; empty where the process died or took too long


def run_tests(folder, args, profile, before=(), seconds=ALL):
    """Run tests of a copy until one fails, none after so many seconds, those first that caught `before`.

    `RuntimeError` where it is pytest itself that fails.
    """
    log = folder / '.tests.log'
    process = CONTEXT.Process(target=_pytest, args=(folder, args, log, profile, before, seconds))
    process.start()
    process.join()
    if process.exitcode in (0, 5):  # 5: nothing to run
        return Run(True)
    if process.exitcode == -signal.SIGALRM:
        return Run(False, f'longer than {LIMIT} s')
    if process.exitcode < 0:
        return Run(False, f'ended by signal {-process.exitcode}')
    said = log.read_text(encoding='utf-8', errors='replace')
    if process.exitcode == 2 and 'no time is left' in said:
        return Run(True)
    failed = re.findall(r'^(?:FAILED|ERROR) (\S+?\.py(?:::.+?)?)(?: - .*)?$', said, re.M)
    if not failed:
        raise RuntimeError(f'no test failed, but pytest ended with {process.exitcode}:\n{said[-2000:]}')
    return Run(False, failed[0].removeprefix('tests/test_'), failed[0])


def forget_compiled(path):
    "What Python keeps of a module goes: two versions of it may have one size and one second."
    for kept in path.parent.glob(f'__pycache__/{path.stem}.*'):
        kept.unlink()


UNDECIDED = set()  # Keys of those whose tests could not be run, or fail where nothing is planted
SOUND = set()  # Tests that were seen to pass where nothing is planted


def check_sound(folder, node, profile):
    "`RuntimeError` unless a test passes where nothing is planted: else it catches nothing."
    if not node or (node, profile) in SOUND:
        return
    found = run_tests(folder, [node, '-m', ''], profile)
    if not found.passed:
        raise RuntimeError(f'{node} fails where nothing is planted')
    SOUND.add((node, profile))


def properties(args, folder):
    "The files among arguments of pytest that have properties; nothing where none has."
    files = [a for a in args if a.endswith('.py')]
    drawn = [a for a in files if 'hypothesis' in (folder / a).read_text(encoding='utf-8')]
    return drawn and drawn + [a for a in args if not a.endswith('.py')]


def rounds(tests, folder, quick):
    "Arguments of pytest, the profile of Hypothesis and seconds: the first round alone, or all there is."
    if quick:
        return [(args, 'few', quick) for args in tests]
    more = [(drawn, 'glance', ALL) for args in tests if (drawn := properties(args, folder))]
    return [(args, 'few', ALL) for args in tests] + more


def caught(mutant, folder, quick=0, before=()):
    "The first test that fails with a mutant in the copy, and passes without; one that passed if all do."
    path = folder / mutant.path
    original = path.read_bytes(), path.stat()
    tests = tests_of(mutant, folder)
    forget_compiled(path)
    mutant.apply(folder)
    try:
        for args, profile, seconds in rounds(tests, folder, quick):
            found = run_tests(folder, args, profile, before, seconds)
            if found.node and run_tests(folder, [found.node, '-m', ''], profile).passed:
                print(f'{found.node} failed after others, not alone: counted as passed', flush=True)
                found = Run(True)
            if not found.passed:
                break
    finally:
        forget_compiled(path)
        path.write_bytes(original[0])
        os.utime(path, (original[1].st_atime, original[1].st_mtime))  # or what numba compiled would be stale
    if not found.passed:
        check_sound(folder, found.node, profile)
    return found


def known_results(path):
    "What is known: key -> record."
    if not path.exists():
        return {}
    return {r['key']: r for r in map(json.loads, path.read_text(encoding='utf-8').splitlines())}


def run_all(wanted, workers, path, until=ALL, quick=0):
    "Plant what is not known yet, none after `until`; one record per mutant. `quick`: seconds of a round."
    know = known_results(path)
    todo = [m for m in wanted if m.key not in know]
    with tempfile.TemporaryDirectory() as top, ThreadPoolExecutor(workers) as pool:
        copies = Queue()
        for i in range(workers):
            copies.put(project_copy(Path(top) / str(i)))

        def one(mutant):
            folder, begin = copies.get(), time.monotonic()
            if begin > until:
                return copies.put(folder)
            try:
                before = [r['node'] for r in [*know.values()] if r['path'] == mutant.path and r.get('node')]
                found = caught(mutant, folder, quick, before)
                UNDECIDED.discard(mutant.key)
            except RuntimeError as error:  # no reason not to go on with the others
                UNDECIDED.add(mutant.key)
                return print(f'UNDECIDED {mutant.path} {mutant.kind}: {mutant.why}  [{error}]', flush=True)
            finally:
                copies.put(folder)
            record = dict(key=mutant.key, path=mutant.path, kind=mutant.kind, why=mutant.why)
            by = None if found.passed else found.said
            record.update(by=by, node=found.node)
            record['seconds'] = round(time.monotonic() - begin, 1)
            if by or not quick:
                know[mutant.key] = record
                with open(path, 'a', encoding='utf-8') as f:
                    f.write(json.dumps(record, ensure_ascii=False) + '\n')
            came = 'caught' if by else 'left' if quick else 'SURVIVED'
            print(
                f'{came} {record["seconds"]} s {mutant.path} {mutant.kind}: {mutant.why}  [{by}]',
                flush=True,
            )
            return record

        list(pool.map(one, todo))
        return know


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--only', nargs='+', default=[''], help='a word in the file name or the description')
    parser.add_argument('--minutes', type=float, default=ALL, help='begin none after so many')
    parser.add_argument('--sample', type=int, help='so many of them')
    parser.add_argument('--seed', type=int, default=0, help='which sample')
    parser.add_argument('--workers', type=int, default=2, help='how many at a time')
    parser.add_argument('--few', action='store_true', help='the first round alone')
    parser.add_argument('--seconds', type=float, default=60, help='of the tests of one in the first round')
    parser.add_argument('--fresh', action='store_true', help='forget what is known')
    parser.add_argument('--known', type=Path, default=KNOWN, help='where it is kept what came of each')
    asked = parser.parse_args()
    if asked.fresh:
        asked.known.unlink(missing_ok=True)
    wanted = [m for m in all_mutants() if any(w in f'{m.path} {m.kind}: {m.why}' for w in asked.only)]
    if asked.sample is not None:
        wanted = random.Random(asked.seed).sample(wanted, min(asked.sample, len(wanted)))
    os.environ.update(dict.fromkeys(('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS'), '1'))
    CONTEXT.set_forkserver_preload(HEAVY)
    until = time.monotonic() + 60 * asked.minutes
    for seconds in [asked.seconds] if asked.few else [asked.seconds, 0]:
        found = run_all(wanted, asked.workers, asked.known, until, seconds)
    ran = [m for m in wanted if m.key in found]
    survived = [m for m in ran if not found[m.key]['by']]
    print(f'\n{len(ran) - len(survived)} of {len(ran)} caught, {len(wanted) - len(ran)} not run yet')
    for m in survived:
        print(
            f'survived: {m.path} {m.kind}: {m.why}', f'(equivalent: {m.equivalent})' if m.equivalent else ''
        )
    sys.exit(bool(UNDECIDED) or any(not m.equivalent for m in survived))


if __name__ == '__main__':
    main()
