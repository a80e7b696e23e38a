"""Plant the bugs one at a time in a copy of the project and see whether the tests catch them.

    python tests/mutants/run.py                 all of them, two at a time; goes on where it was stopped
    python tests/mutants/run.py --only tables   those whose file or description has this word, or one of these
    python tests/mutants/run.py --minutes 7     begin none after so many minutes
    python tests/mutants/run.py --sample 20     some of them
    python tests/mutants/run.py --few           properties on few examples alone: what survives is not kept
    python tests/mutants/run.py --fresh         forget what is known

For each the tests of its module run, the likeliest first, until one fails: properties on few examples, and if
all pass once more on all. The test that fails is run where nothing is planted, too, and must pass there. The
program ends with 1 if something survives that is not said to be equivalent.
"""

import argparse
import json
import multiprocessing
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from typing import NamedTuple

from mutants import HERE, ROOT, all_mutants, tests_of

KNOWN = (
    HERE / 'known.jsonl'
)  # What came of each, by its key; not in git, and stale when tests change: --fresh
LIMIT = 900  # Seconds of one file of tests, which takes a minute or two: what takes longer is caught
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


def _pytest(folder, args, log, profile):
    "In a process of its own: the tests of a copy of the project."
    with open(log, 'w') as out:
        for stream in (1, 2):
            os.dup2(out.fileno(), stream)
    os.chdir(folder)
    sys.path[:0] = [str(folder)]
    os.environ.update(
        PYTHONPATH=str(folder), NUMBA_CACHE_DIR=str(folder / '.numba'), HYPOTHESIS_PROFILE=profile
    )
    import pytest

    sys.exit(pytest.main([*QUIET, *args]))


# Modules that are loaded already are no fault of a test
QUIET = '-x -q --no-header -rfE -p no:cacheprovider -W ignore::pytest.PytestAssertRewriteWarning'.split()


class Run(NamedTuple):
    "What came of some tests."

    passed: bool
    said: str = ''  # What failed, in a line
    node: str = ''  # Its name for pytest; empty where the process died or took too long


def run_tests(folder, args, profile):
    "Run tests of a copy until one fails; `RuntimeError` where it is pytest itself that fails."
    log = folder / '.tests.log'
    process = CONTEXT.Process(target=_pytest, args=(folder, args, log, profile))
    process.start()
    process.join(LIMIT)
    if process.is_alive():
        process.kill()
        return Run(False, f'longer than {LIMIT} s')
    if process.exitcode in (0, 5):  # 5: nothing to run
        return Run(True)
    if process.exitcode < 0:
        return Run(False, f'ended by signal {-process.exitcode}')
    said = log.read_text(encoding='utf-8', errors='replace')
    failed = re.findall(r'^(?:FAILED|ERROR) (\S+?\.py(?:::.+?)?)(?: - .*)?$', said, re.M)
    if not failed:
        raise RuntimeError(f'no test failed, but pytest ended with {process.exitcode}:\n{said[-2000:]}')
    return Run(False, failed[0].removeprefix('tests/test_'), failed[0])


def forget_compiled(path):
    "What Python keeps of a module goes: two versions of it may have one size and one second."
    for kept in path.parent.glob(f'__pycache__/{path.stem}.*'):
        kept.unlink()


SOUND = set()  # Tests that were seen to pass where nothing is planted


def check_sound(folder, node, profile):
    "`RuntimeError` unless a test passes where nothing is planted: else it catches nothing."
    if not node or (node, profile) in SOUND:
        return
    found = run_tests(folder, [node], profile)
    if not found.passed:
        raise RuntimeError(f'{node} fails where nothing is planted')
    SOUND.add((node, profile))


def caught(mutant, folder, few=False):
    "The first test that fails with a mutant in the copy, and passes without; None if all pass."
    path = folder / mutant.path
    original = path.read_bytes(), path.stat()
    tests = tests_of(mutant, folder)
    drawn = [a for a in tests if not few and 'hypothesis' in (folder / a[0]).read_text(encoding='utf-8')]
    forget_compiled(path)
    mutant.apply(folder)
    try:
        for args, profile in [(args, 'few') for args in tests] + [(args, 'glance') for args in drawn]:
            found = run_tests(folder, args, profile)
            if not found.passed:
                break
    finally:
        forget_compiled(path)
        path.write_bytes(original[0])
        os.utime(path, (original[1].st_atime, original[1].st_mtime))  # or what numba compiled would be stale
    if not found.passed:
        check_sound(folder, found.node, profile)
        return found.said


def known_results(path):
    "What is known: key -> record."
    if not path.exists():
        return {}
    return {r['key']: r for r in map(json.loads, path.read_text(encoding='utf-8').splitlines())}


def run_all(wanted, workers, path, minutes=float('inf'), few=False):
    "Plant what is not known yet, none after so many minutes; one record per mutant."
    until = time.monotonic() + 60 * minutes
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
                by = caught(mutant, folder, few)
            finally:
                copies.put(folder)
            record = dict(key=mutant.key, path=mutant.path, kind=mutant.kind, why=mutant.why, by=by)
            record['seconds'] = round(time.monotonic() - begin, 1)
            if by or not few:
                with open(path, 'a', encoding='utf-8') as f:
                    f.write(json.dumps(record, ensure_ascii=False) + '\n')
            print(
                f'{"caught" if by else "SURVIVED"} {mutant.path} {mutant.kind}: {mutant.why}  [{by}]',
                flush=True,
            )
            return record

        return know | {r['key']: r for r in pool.map(one, todo) if r}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--only', nargs='+', default=[''], help='a word in the file name or the description')
    parser.add_argument('--minutes', type=float, default=float('inf'), help='begin none after so many')
    parser.add_argument('--sample', type=int, help='so many of them')
    parser.add_argument('--seed', type=int, default=0, help='which sample')
    parser.add_argument('--workers', type=int, default=2, help='how many at a time')
    parser.add_argument('--few', action='store_true', help='properties on few examples, never on all')
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
    found = run_all(wanted, asked.workers, asked.known, asked.minutes, asked.few)
    ran = [m for m in wanted if m.key in found]
    survived = [m for m in ran if not found[m.key]['by']]
    print(f'\n{len(ran) - len(survived)} of {len(ran)} caught, {len(wanted) - len(ran)} not run yet')
    for m in survived:
        print(
            f'survived: {m.path} {m.kind}: {m.why}', f'(equivalent: {m.equivalent})' if m.equivalent else ''
        )
    sys.exit(any(not m.equivalent for m in survived))


if __name__ == '__main__':
    main()
