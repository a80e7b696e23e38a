"""All benchmarks, side by side in one run: a table of ratios.

    python benchmarks/run.py [--quick] [--only NAMES] [--threads 1] [--against WHEEL] [--out bench_out]

NAMES are some of: browsers choosing compressed cuda hierarchies large ncpd neural nmf nnls scale sparse
strata workers. One thread and CPU time by default. Nothing here fails when something is slow: what is
aimed at stands beside what was measured.
"""

import argparse
import importlib
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

from harness import Worker, cells, machine, markdown, save, set_threads

HERE = Path(__file__).resolve().parent
OWN = (
    'browsers',
    'compressed',
    'large',
    'ncpd',
    'nmf',
    'scale',
    'sparse',
    'strata',
    'workers',
)  # These start processes themselves


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    known = sorted(p.stem.removeprefix('bench_') for p in HERE.glob('bench_*.py'))
    parser.add_argument(
        '--quick', action='store_true', help='smaller problems, fewer repetitions: a few minutes'
    )
    parser.add_argument(
        '--only', nargs='+', choices=known, default=known, metavar='NAME', help=f'some of {", ".join(known)}'
    )
    parser.add_argument(
        '--threads',
        type=int,
        default=1,
        help='threads of each process; with more than one, wall time is taken',
    )
    parser.add_argument(
        '--out', type=Path, default=HERE.parent / 'bench_out', help='folder of bench.json and bench.md'
    )
    parser.add_argument('--against', type=Path, metavar='WHEEL', help='another build of ntf_lit to race with')
    return parser.parse_args()


def unpacked(wheel, folder):
    "Another build in a folder of its own, from which its processes import."
    pip = [sys.executable, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--upgrade']
    subprocess.run([*pip, '--no-deps', '--target', folder, wheel], check=True)
    return str(folder.resolve())


def collect(name, quick):
    "All rows of a benchmark that does not start processes itself."
    return list(importlib.import_module(f'bench_{name}').rows(quick))


def rows_of(name, quick):
    "The rows of a benchmark, as they come."
    if name in OWN:
        yield from importlib.import_module(f'bench_{name}').rows(quick)
    else:
        with Worker() as worker:
            yield from worker(collect, name, quick)


def main():
    args = arguments()
    set_threads(args.threads)
    if args.against:
        os.environ['NTF_LIT_AGAINST'] = unpacked(args.against, args.out / 'against')
    warnings.simplefilter('ignore')  # Peers that are told to stop early say so
    where, rows, start = machine(args.threads), [], time.monotonic()
    for name in args.only:
        print(f'== {name} ==', flush=True)
        for r in rows_of(name, args.quick):
            rows.append(dict(benchmark=name, **r))
            print(' | '.join(cells(r)), flush=True)
            save(args.out, rows, where)
    minutes = (time.monotonic() - start) / 60
    print(f'\n{markdown(rows)}\n{len(rows)} comparisons in {minutes:.1f} minutes;', end=' ')
    print(f'also in {args.out}/bench.md and bench.json')


if __name__ == '__main__':
    sys.exit(main())
