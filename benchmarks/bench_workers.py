"""Two workers of Dask beside one process, and interleaved strata in zarr beside sorted memory maps.

    python benchmarks/bench_workers.py [--gib 4] [--rank 20] [--turns 3] [--folder FOLDER]

Wall time of an iteration: of a fit of 12 iterations less that of one of 2, by 10, in turns, the least of
each. One thread of linear algebra in each process, so that the machine must have two cores that are
otherwise idle. The file is made in FOLDER and deleted in the end.
"""

import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from harness import row, set_threads, size_parser

LABELS = 6  # strata
WORKERS = 'NCPD, mu', 'NCPD, hals', 'StratifiedNTF, hals'


def an_iteration(fit):
    "Seconds of an iteration of `fit(iterations)`."
    fit(2)  # what is compiled or imported at first
    took = {}
    for n in (2, 12):
        began = time.perf_counter()
        fit(n)
        took[n] = time.perf_counter() - began
    return (took[12] - took[2]) / 10


def in_turns(ways, turns):
    "[seconds] of an iteration, one list per way."
    return [list(way) for way in zip(*[[an_iteration(way) for way in ways] for _ in range(turns)])]


def estimator(name, rank):
    from ntf_lit import NCPD, StratifiedNTF

    kw = dict(tol=0, random_state=0)
    if name not in WORKERS[:2]:
        return StratifiedNTF(rank, **kw)
    return NCPD(rank, solver=name.split(', ')[1], compress=False, **kw)


def workers(path, rank, turns, name):
    "([seconds with two workers], [seconds in one process]) of an iteration, data in memory in both."
    import numpy as np
    from distributed import Client, LocalCluster

    from ntf_lit.cluster import fit_on_workers

    stored, est = np.load(path, mmap_mode='r'), estimator(name, rank)
    labels = np.arange(len(stored)) * LABELS // len(stored)
    kw = dict(strata=labels) if 'Stratified' in name else {}
    X = np.array(stored)
    how = dict(n_workers=2, threads_per_worker=1, dashboard_address=':0', memory_limit=0)
    with LocalCluster(**how) as cluster, Client(cluster) as client:
        ways = (
            lambda n: fit_on_workers(est.set_params(max_iter=n), stored, client=client, **kw),
            lambda n: est.set_params(max_iter=n).fit(X, **kw),
        )
        return in_turns(ways, turns)


def stores(path, rank, turns, name):
    "([seconds interleaved in zarr], [seconds sorted in maps]) of an iteration of StratifiedNTF, streamed."
    import numpy as np
    import zarr

    stored, est = np.load(path, mmap_mode='r'), estimator(name, rank)
    n = len(stored) - len(stored) % LABELS
    per, shape = n // LABELS, stored.shape[1:]
    how = dict(chunks=(32, *shape), dtype='f4', compressors=None)
    mixed = zarr.create_array(store=str(path) + '.zarr', shape=(n, *shape), **how)
    for a in range(0, per, 64):
        b = min(a + 64, per)
        part = np.stack([stored[s * per + a : s * per + b] for s in range(LABELS)], 1)
        mixed[a * LABELS : b * LABELS] = part.reshape(-1, *shape)
    apart = {s: stored[s * per : (s + 1) * per] for s in range(LABELS)}
    ways = (
        lambda k: est.set_params(max_iter=k).fit(mixed, strata=np.arange(n) % LABELS),
        lambda k: est.set_params(max_iter=k).fit(apart),
    )
    return in_turns(ways, turns)


def compare(gib, rank, turns, folder=None):
    "Yield (name, ([seconds], [seconds of the peer]))."
    from bench_scale import make

    with tempfile.TemporaryDirectory(dir=folder) as made:
        path = str(Path(made) / 'X.npy')
        make(path, gib)
        for way, name in [*((workers, name) for name in WORKERS), (stores, 'interleaved in zarr')]:
            with ProcessPoolExecutor(1, get_context('spawn')) as pool:
                yield name, pool.submit(way, path, rank, turns, name).result()


def rows(quick=False):
    "dict(name, ours_seconds, peer_seconds, ratio, note, ...) of an iteration."
    gib = 0.05 if quick else 0.5
    for name, (ours, peer) in compare(gib, 20, 1 if quick else 3):
        far = name in WORKERS
        what = f'{gib} GiB, rank 20: an iteration, {name}'
        beside = ('two workers', 'one process') if far else ('streamed', 'sorted memory maps')
        yield row(what, *beside, ours, peer, '≥ 1.6' if far else '≥ 0.67', 'wall time')


def main():
    parser = size_parser(__doc__, 4)
    parser.add_argument('--turns', type=int, default=3)
    given = parser.parse_args()
    set_threads(1)
    for name, (ours, peer) in compare(given.gib, given.rank, given.turns, given.folder):
        told = f'{min(ours):.3f} s an iteration, the other {min(peer):.3f}: {min(peer) / min(ours):.2f}'
        print(f'{name:22} {told}', flush=True)


if __name__ == '__main__':
    main()
