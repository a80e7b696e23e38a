"""Plant the bugs one at a time in a copy of the project and see whether the tests catch them.

    python tests/mutants/run.py                 all of them, two at a time; goes on where it was stopped
    python tests/mutants/run.py --only tables   those whose file or description has this word
    python tests/mutants/run.py --sample 20     some of them
    python tests/mutants/run.py --fresh         forget what is known

For each the tests of its module run, the likeliest first, until one fails. What survives is written down; the
program ends with 1 if something does that is not said to be equivalent.
"""

import argparse
import json
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

KNOWN = HERE / 'known.jsonl'  # What came of each, by its key; not in git
LIMIT = 600  # Seconds of one file of tests: what takes longer is caught, since it takes a minute or two
ONE_THREAD = dict.fromkeys(('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS'), '1')


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


def run_tests(folder, args):
    "(whether the tests pass, the last lines of what they say)."
    env = os.environ | ONE_THREAD | dict(
        PYTHONPATH=str(folder), PYTHONDONTWRITEBYTECODE='1', NUMBA_CACHE_DIR=str(folder / '.numba')
    )  # fmt: skip
    command = [sys.executable, '-m', 'pytest', '-x', '-q', '--no-header', '-p', 'no:cacheprovider', *args]
    try:
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        return False, f'{args[0]}: longer than {LIMIT} s'
    if done.returncode in (0, 5):
        return True, ''
    if done.returncode != 1:
        raise RuntimeError(f'pytest itself failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}')
    failed = [line for line in done.stdout.splitlines() if line.startswith(('FAILED', 'ERROR', '____'))]
    return False, (failed or [args[0]])[0].strip('_ ')


def caught(mutant, folder):
    "The first test that fails with a mutant in the copy; None if all pass."
    path = folder / mutant.path
    original = path.read_bytes(), path.stat()
    mutant.apply(folder)
    try:
        for args in tests_of(mutant, folder):
            passed, said = run_tests(folder, args)
            if not passed:
                return f'{Path(args[0]).stem}: {said}'
    finally:
        path.write_bytes(original[0])
        os.utime(path, (original[1].st_atime, original[1].st_mtime))  # or what numba compiled would be stale


def known_results():
    "What is known: key -> record."
    if not KNOWN.exists():
        return {}
    return {r['key']: r for r in map(json.loads, KNOWN.read_text(encoding='utf-8').splitlines())}


def run_all(wanted, workers, know):
    "Plant what is not known yet; one record per mutant."
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
            with open(KNOWN, 'a', encoding='utf-8') as f:
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
    asked = parser.parse_args()
    if asked.fresh:
        KNOWN.unlink(missing_ok=True)
    wanted = [m for m in all_mutants() if asked.only in f'{m.path} {m.kind}: {m.why}']
    if asked.sample is not None:
        wanted = random.Random(asked.seed).sample(wanted, min(asked.sample, len(wanted)))
    found = run_all(wanted, asked.workers, known_results())
    survived = [m for m in wanted if not found[m.key]['by']]
    print(f'\n{len(wanted) - len(survived)} of {len(wanted)} caught')
    for m in survived:
        print(
            f'survived: {m.path} {m.kind}: {m.why}', f'(equivalent: {m.equivalent})' if m.equivalent else ''
        )
    sys.exit(any(not m.equivalent for m in survived))


if __name__ == '__main__':
    main()
