"""A tensor on disk, streamed and compressed, beside a bare read of the file.

    python benchmarks/bench_scale.py [--gib 0.25] [--rank 20] [--sweeps 3] [--folder FOLDER]

makes a float32 tensor of that size in FOLDER, and deletes it in the end. `make bench-scale GIB=30` is the
size that this is about. Every way runs in a process of its own, whose peak memory is said. The file is
put out of the system's cache before a pass where the system allows that. A sweep reads and multiplies at the
same time, so it is bound by the slower of a bare read and its products with data in memory.
"""

import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from harness import row, set_threads, size_parser

WIDTH = 300, 400  # entries of a sample


def make(path, gib, rank=20, seed=0):
    "A tensor of low rank with noise, written some rows at a time; its number of rows."
    import numpy as np

    n = max(64, int(gib * 2**30 / 4 / (WIDTH[0] * WIDTH[1])))
    rng = np.random.default_rng(seed)
    K = np.einsum('ir,jr->rij', *(rng.gamma(0.5, size=(d, rank)) for d in WIDTH)).astype('f4')
    X = np.lib.format.open_memmap(path, 'w+', 'f4', (n, *WIDTH))
    for a in range(0, n, 64):
        W = rng.gamma(0.5, size=(min(64, n - a), rank)).astype('f4')
        X[a : a + 64] = np.tensordot(W, K, 1) + 0.1 * rng.random((len(W), *WIDTH), 'f4')
    X.flush()
    return n


def forget(path):
    "Put a file out of the system's cache, where that can be asked for."
    import os

    if hasattr(os, 'posix_fadvise'):
        with open(path, 'rb') as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def timed(f):
    began = time.perf_counter()
    f()
    return time.perf_counter() - began


def read(path, rank, sweeps):
    "Seconds to read the file once, 16 MB at a time."
    import numpy as np

    buffer = np.empty(1 << 24, 'u1')

    def whole():
        with open(path, 'rb', buffering=0) as file:
            while file.readinto(buffer):
                pass

    forget(path)
    return dict(seconds=timed(whole))


def stream(path, rank, sweeps):
    "Seconds of a sweep of HALS, which is one pass."
    import numpy as np

    from ntf_lit.ncpd import NCPDModel
    from ntf_lit.streamed import streamed

    data = streamed(np.load(path, mmap_mode='r'))
    model = NCPDModel(data, rank)
    state, seconds = [model.start(np.random.default_rng(0))], []
    for k in range(sweeps):
        forget(path)
        before = data.passes.count
        seconds.append(timed(lambda: state.append(model.sweep(state[-1], k)[0])))
        assert data.passes.count - before == 1
    return dict(seconds=sorted(seconds)[len(seconds) // 2])


def products(path, rank, sweeps):
    "Seconds of the two products of a sweep, with a block that lies in memory, for as many as the file has."
    import numpy as np

    from ntf_lit.streamed import rows_at_once

    X, rng = np.load(path, mmap_mode='r'), np.random.default_rng(0)
    n = min(len(X), rows_at_once(X))
    block = np.array(X[:n]).reshape(n, -1)
    K, W = rng.random((block.shape[1], rank), 'f4'), rng.random((n, rank), 'f4')
    seconds = [timed(lambda: (block @ K, np.ascontiguousarray(W.T) @ block)) for _ in range(4 * sweeps)]
    return dict(seconds=sorted(seconds)[len(seconds) // 2] * len(X) / n)


def compress(path, rank, sweeps):
    "Seconds of a whole fit on a core; of its passes each."
    import numpy as np

    from ntf_lit import NCPD
    from ntf_lit.streamed import streamed

    forget(path)
    data = streamed(np.load(path, mmap_mode='r'))
    data.passes.count = 0
    m = NCPD(rank, compress=True, max_iter=50, random_state=0)
    seconds = timed(lambda: m.fit(data))
    return dict(seconds=seconds / data.passes.count, passes=data.passes.count, error=m.relative_error_)


def measured(way, *args):
    "What a way says, and the most memory its process had."
    found = way(*args)
    unit = 1 if sys.platform == 'darwin' else 1024
    return found | dict(peak=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def compare(gib, rank, sweeps, folder=None, tell=lambda way, told: None):
    "{way: seconds a pass, peak memory, ...}; `tell` is called as soon as one is known."
    with tempfile.TemporaryDirectory(dir=folder) as made:
        path = str(Path(made) / 'X.npy')
        found = {}
        for way in (make, read, products, stream, compress):
            args = (path, gib) if way is make else (path, rank, sweeps)
            with ProcessPoolExecutor(1, get_context('spawn')) as pool:
                if way is make:
                    pool.submit(make, *args).result()
                else:
                    found[way.__name__] = pool.submit(measured, way, *args).result()
                    tell(way.__name__, found[way.__name__])
        return found


def rows(quick=False):
    "dict(name, ours_seconds, peer_seconds, ratio, note, ...) of a pass against a bare read."
    gib = 0.1 if quick else 0.5
    found = compare(gib, 20, 3)
    bare = found['read']['seconds']
    for way in ('stream', 'compress'):
        own = found[way]
        bound = max(bare, found['products']['seconds']) if way == 'stream' else bare
        peak = (
            f'peak memory of the process {own["peak"] / 2**20:.0f} MiB; '
            f'{own["seconds"] / bound:.2f} times the slower of the read and the products'
        )
        what = f'{gib} GiB on disk, rank 20: a pass'
        yield row(what, f'ntf_lit, {way}', 'bare read', [own['seconds']], [bare], '≥ 0.77', peak)


def main():
    parser = size_parser(__doc__, 0.25)
    parser.add_argument('--sweeps', type=int, default=3)
    parser.add_argument('--threads', type=int, default=1)
    given = parser.parse_args()
    set_threads(given.threads)
    found = compare(given.gib, given.rank, given.sweeps, given.folder, lambda *a: print(*a, flush=True))
    bare, flops = (found[way]['seconds'] for way in ('read', 'products'))
    print(f'{given.gib:g} GiB, rank {given.rank}: a bare read takes {bare:.2f} s, the products of a sweep')
    print(f'with data in memory {flops:.2f} s: a sweep cannot be faster than {max(bare, flops):.2f} s')
    for way, told in found.items():
        more = ''.join(f', {k} {v:.4g}' for k, v in told.items() if k not in ('seconds', 'peak'))
        print(
            f'{way:10} {told["seconds"]:8.2f} s a pass, {told["seconds"] / bare:5.2f} of the read, '
            f'peak {told["peak"] / 2**20:6.0f} MiB{more}'
        )


if __name__ == '__main__':
    main()
