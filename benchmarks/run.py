"""All benchmarks, side by side in one run: a table of ratios.

    python benchmarks/run.py [--quick] [--only NAMES] [--threads 1] [--out bench_out]

NAMES are some of: ncpd nmf strata nnls hierarchies neural browsers. One thread and CPU time by default.
Nothing here fails when something is slow: what is aimed at stands beside what was measured.
"""

import argparse
import importlib
import sys
import time
import warnings
from pathlib import Path

from harness import Worker, cells, machine, markdown, save, set_threads

HERE = Path(__file__).resolve().parent
OWN = 'ncpd', 'nmf', 'strata'  # These start processes themselves


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
    return parser.parse_args()


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
