"""Plant the bugs one at a time in a copy of the project and see whether the tests catch them.

    python tests/mutants/run.py                 all of them, two at a time; goes on where it was stopped
    python tests/mutants/run.py --only tables   those whose file or description has this word
    python tests/mutants/run.py --sample 20     some of them
    python tests/mutants/run.py --fresh         forget what is known

For each the tests of its module run, the likeliest first, until one fails: properties on few examples, and if
all pass once more on all. The program ends with 1 if something survives that is not said to be equivalent.
"""

import argparse
import json
import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue

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


HEAVY = ['numpy', 'scipy.optimize', 'torch', 'sklearn.base', 'matplotlib.pyplot']


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
    sys.dont_write_bytecode = True
    import pytest

    sys.exit(pytest.main(['-x', '-q', '--no-header', '-p', 'no:cacheprovider', *args]))


def run_tests(folder, args, profile):
    "(whether the tests pass, which fails)."
    log = folder / '.tests.log'
    process = CONTEXT.Process(target=_pytest, args=(folder, args, log, profile))
    process.start()
    process.join(LIMIT)
    if process.is_alive():
        process.kill()
        return False, f'longer than {LIMIT} s'
    if process.exitcode in (0, 5):  # 5: nothing to run
        return True, ''
    said = log.read_text(encoding='utf-8', errors='replace')
    if process.exitcode in (3, 4):
        raise RuntimeError(f'pytest itself failed:\n{said[-2000:]}')
    if process.exitcode not in (1, 2):
        return False, f'exit status {process.exitcode}'
    failed = [line for line in said.splitlines() if line.startswith(('FAILED', 'ERROR', '____'))]
    return False, (failed or [said[-200:]])[0].strip('_ ')


def caught(mutant, folder):
    "The first test that fails with a mutant in the copy; None if all pass."
    path = folder / mutant.path
    original = path.read_bytes(), path.stat()
    mutant.apply(folder)
    try:
        tests = tests_of(mutant, folder)
        drawn = [args for args in tests if 'hypothesis' in (folder / args[0]).read_text(encoding='utf-8')]
        for args, profile in [(args, 'few') for args in tests] + [(args, 'glance') for args in drawn]:
            passed, said = run_tests(folder, args, profile)
            if not passed:
                return f'{Path(args[0]).stem}: {said}'
    finally:
        path.write_bytes(original[0])
        os.utime(path, (original[1].st_atime, original[1].st_mtime))  # or what numba compiled would be stale


def known_results(path):
    "What is known: key -> record."
    if not path.exists():
        return {}
    return {r['key']: r for r in map(json.loads, path.read_text(encoding='utf-8').splitlines())}


def run_all(wanted, workers, path):
    "Plant what is not known yet; one record per mutant."
    know = known_results(path)
    todo = [m for m in wanted if m.key not in know]
    with tempfile.TemporaryDirectory() as top, ThreadPoolExecutor(workers) as pool:
        copies = Queue()
        for i in range(workers):
            copies.put(project_copy(Path(top) / str(i)))

        def one(mutant):
            folder, begin = copies.get(), time.monotonic()
            try:
                by = caught(mutant, folder)
            finally:
                copies.put(folder)
            record = dict(key=mutant.key, path=mutant.path, kind=mutant.kind, why=mutant.why, by=by)
            record['seconds'] = round(time.monotonic() - begin, 1)
            with open(path, 'a', encoding='utf-8') as f:
                f.write(json.dumps(record, ensure_ascii=False) + '\n')
            print(
                f'{"caught" if by else "SURVIVED"} {mutant.path} {mutant.kind}: {mutant.why}  [{by}]',
                flush=True,
            )
            return record

        return know | {r['key']: r for r in pool.map(one, todo)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--only', default='', help='a word in the file name or the description')
    parser.add_argument('--sample', type=int, help='so many of them')
    parser.add_argument('--seed', type=int, default=0, help='which sample')
    parser.add_argument('--workers', type=int, default=2, help='how many at a time')
    parser.add_argument('--fresh', action='store_true', help='forget what is known')
    parser.add_argument('--known', type=Path, default=KNOWN, help='where it is kept what came of each')
    asked = parser.parse_args()
    if asked.fresh:
        asked.known.unlink(missing_ok=True)
    wanted = [m for m in all_mutants() if asked.only in f'{m.path} {m.kind}: {m.why}']
    if asked.sample is not None:
        wanted = random.Random(asked.seed).sample(wanted, min(asked.sample, len(wanted)))
    os.environ.update(dict.fromkeys(('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS'), '1'))
    CONTEXT.set_forkserver_preload(HEAVY)
    found = run_all(wanted, asked.workers, asked.known)
    survived = [m for m in wanted if not found[m.key]['by']]
    print(f'\n{len(wanted) - len(survived)} of {len(wanted)} caught')
    for m in survived:
        print(
            f'survived: {m.path} {m.kind}: {m.why}', f'(equivalent: {m.equivalent})' if m.equivalent else ''
        )
    sys.exit(any(not m.equivalent for m in survived))


if __name__ == '__main__':
    main()
