"""What every benchmark needs: a process for each program, turns, medians, a table.

A *program* is a record with a name and two methods (see `Program`). Programs run in processes of their own,
one at a time, in turn. What is timed is always a whole public call, from the same start, for a given number
of iterations.
"""

import argparse
import gc
import importlib.util
import json
import os
import platform
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from math import inf
from multiprocessing import get_context
from pathlib import Path
from statistics import median, quantiles

THREADS = (
    'OMP_NUM_THREADS',
    'OPENBLAS_NUM_THREADS',
    'MKL_NUM_THREADS',
    'VECLIB_MAXIMUM_THREADS',
    'NUMBA_NUM_THREADS',
)


# --- processes and clocks ---


def set_threads(n=1):
    "For this process and those it starts; to be called before NumPy is imported."
    os.environ.update({v: str(n) for v in THREADS})


def look_first(folder):
    "Import from a folder before anything else; what a worker does that runs another build of ntf_lit."
    if folder:
        sys.path.insert(0, folder)


class Worker:
    "A process that keeps what it has loaded. Libraries share none: their thread pools would clash."

    def __init__(self, folder=None):
        self.pool = ProcessPoolExecutor(
            1, mp_context=get_context('spawn'), initializer=look_first, initargs=(folder,)
        )

    def __call__(self, f, *args):
        return self.pool.submit(f, *args).result()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.pool.shutdown()


def clock():
    "CPU time of this process, which others on the machine disturb little; with several threads, wall time."
    return time.process_time() if os.environ.get('OMP_NUM_THREADS') == '1' else time.perf_counter()


def seconds(f, *args):
    gc.collect()
    start = clock()
    f(*args)
    return clock() - start


def in_turn(calls, repeats):
    "{name: seconds of each repetition}, all once, then all again: what slows the machine slows all."
    times = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            times[name].append(call())
    return times


# --- programs ---


class Program:
    "A solver that can be told how many iterations to make; a base of frozen records with `name` and `needs`."

    needs = ()  # Modules without which it is left out
    folder = None  # What its process imports from first

    def prepare(self, X, start):
        return X, start

    def run(self, X, start, n):
        raise NotImplementedError  # The whole public call: n iterations; returns the factors

    def follow(self, X, start, n, enough):
        "Call `enough(factors)` after each of n iterations until it says yes; each goes on from the last."
        for _ in range(n):
            start = self.run(X, start, 1)
            if enough(start):
                return

    def missing(self):
        return [m for m in self.needs if importlib.util.find_spec(m) is None]


def present(programs):
    "Those that are installed; the others are named."
    for p in programs:
        if p.missing():
            print(f'{p.name} is left out: {", ".join(p.missing())} is not installed', flush=True)
    return [p for p in programs if not p.missing()]


# These three run inside a worker. A problem is (make, arguments) with make(*arguments) -> (X, start).


@lru_cache(maxsize=1)
def _problem(problem):
    return problem[0](*problem[1:])


@lru_cache(maxsize=1)
def _prepared(program, problem):
    return program.prepare(*_problem(problem))


def time_of(program, problem, n):
    return seconds(program.run, *_prepared(program, problem), n)


def errors(program, problem, error, n):
    "The error after 1 to n iterations, looked at from outside and not timed."
    X, seen = _problem(problem)[0], []
    program.follow(*_prepared(program, problem), n, lambda factors: seen.append(error(X, factors)))
    return seen


# --- races ---


class Race:
    "Several programs on one problem, each in its process."

    def __init__(self, programs, problem):
        self.programs, self.problem = programs, problem
        self.workers = {p: Worker(p.folder) for p in programs}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for w in self.workers.values():
            w.pool.shutdown()

    def times(self, iterations, repeats):
        "{program: seconds of each repetition} of whole calls with so many iterations, {program: n}."
        call = lambda p, n: lambda: self.workers[p](time_of, p, self.problem, n)
        return in_turn({p: call(p, n) for p, n in iterations.items()}, repeats)

    def an_iteration(self, first, last, repeats):
        "{program: seconds per iteration}: what `last` take more than `first`; compiling is not counted."
        self.times({p: first for p in self.programs}, 1)
        runs = in_turn(
            {
                (p, n): (lambda p=p, n=n: self.workers[p](time_of, p, self.problem, n))
                for p in self.programs
                for n in (first, last)
            },
            repeats,
        )
        return {
            p: [(b - a) / (last - first) for a, b in zip(runs[p, first], runs[p, last])]
            for p in self.programs
        }

    def to_target(self, error, limit, within, repeats):
        "({program: seconds to the target}, {program: iterations to it or None}, the best error)."
        seen = {p: self.workers[p](errors, p, self.problem, error, limit(p)) for p in self.programs}
        best = min(min(e) for e in seen.values())
        reach = {
            p: next((i for i, e in enumerate(es, 1) if e <= best * (1 + within)), None)
            for p, es in seen.items()
        }
        return self.times({p: reach[p] or limit(p) for p in self.programs}, repeats), reach, best


# --- rows ---


def size_parser(doc, gib):
    "A parser of arguments for a tensor on disk: its size, its rank, its folder."
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--gib', type=float, default=gib, help='size of the tensor in GiB')
    parser.add_argument('--rank', type=int, default=20)
    parser.add_argument('--folder', type=Path, help='where to make it; a folder for temporary files without')
    return parser


def row(name, ours, peer, ours_times, peer_times, aim='', note='', peer_by_ours=True):
    "One comparison: medians, and the median of the ratios of runs that stood next to each other."
    pairs = list(zip(ours_times, peer_times))
    ratios = [p / o if peer_by_ours else o / p for o, p in pairs]
    low, _, high = quantiles(ratios, n=4) if len(ratios) > 2 else (min(ratios), 0, max(ratios))
    return dict(
        name=name,
        ours=ours,
        peer=peer,
        ours_seconds=median(ours_times),
        peer_seconds=median(peer_times),
        ratio=median(ratios),
        spread=[low, high],
        aim=aim,
        note=note,
    )


def missed(r):
    "Whether a ratio is on the wrong side of what is aimed at."
    if not r.get('aim'):
        return False
    sign, value = r['aim'].split()
    return r['ratio'] < float(value) if sign == '≥' else r['ratio'] > float(value)


def show_time(s):
    return '–' if s is None or s == inf else f'{s:.2f} s' if s >= 1 else f'{s * 1e3:.3g} ms'


def cells(r):
    "A row as the texts of its columns."
    spread = ' ({:.2g} to {:.2g})'.format(*r['spread']) if r.get('spread') else ''
    aim = r.get('aim', '') + (' missed' if missed(r) else '')
    return [
        r['name'],
        r.get('ours', ''),
        r.get('peer', ''),
        show_time(r['ours_seconds']),
        show_time(r['peer_seconds']),
        f'{r.get("sign", "")}{r["ratio"]:.3g}{spread}',
        aim,
        r.get('note', ''),
    ]


HEAD = ['what', 'ours', 'against', 'ours takes', 'the other takes', 'ratio (quartiles)', 'aimed at', 'note']


def markdown(rows):
    "All rows as a Markdown table."
    lines = [HEAD, ['---'] * len(HEAD), *map(cells, rows)]
    return '\n'.join('| ' + ' | '.join(line) + ' |' for line in lines) + '\n'


def installed(package):
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def machine(threads):
    "Where and with what it was measured."
    packages = 'ntf_lit', 'numpy', 'scipy', 'torch', 'numba', 'tensorly', 'nn-fac', 'scikit-learn'
    try:
        cpu = next(
            line.split(':')[1].strip() for line in open('/proc/cpuinfo') if line.startswith('model name')
        )
    except (OSError, StopIteration):
        cpu = platform.processor() or platform.machine()
    load = os.getloadavg()[0] if hasattr(os, 'getloadavg') else None
    return dict(
        cpu=cpu,
        cores=os.cpu_count(),
        threads=threads,
        load=load,
        python=platform.python_version(),
        versions={p: installed(p) for p in packages},
    )


def save(folder, rows, where):
    "bench.json and bench.md, written again after every row, so that an interrupted run leaves what it found."
    folder.mkdir(exist_ok=True)
    (folder / 'bench.json').write_text(json.dumps(dict(machine=where, rows=rows), indent=1))
    about = f'{where["cpu"]}, {where["threads"]} thread{"s" if where["threads"] > 1 else ""}, ' + ', '.join(
        f'{k} {v}' for k, v in where['versions'].items() if v
    )
    (folder / 'bench.md').write_text(f'{about}\n\n{markdown(rows)}')
