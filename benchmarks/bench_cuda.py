"""Large problems on a CUDA device by the same code as on the CPU: seconds, and shares of the device's limits.

    python benchmarks/bench_cuda.py [--quick] [--device cuda]

A sweep is compared with its bound: the longer of two times, that of its operations at the rate of a large
matrix product on this device, and that of reading its data at the rate of a dot product of long vectors.
Both rates are measured in the same run. Data and factors stay on the device; wall time, after the device has
finished. Less than four minutes. Without a CUDA device it says so and stops; `--device cpu` runs it on the
processor, for instance to see that it does run.
"""

import argparse
import gc
import time
from statistics import median

import numpy as np

from harness import cells, row

# samples per face, side of a cube, (texts, words), (rows, unknowns, columns), side of a square, entries
FULL = dict(times=100, side=800, text=(18846, 20000), layer=(2000, 50, 50000), square=8192, long=1 << 28)
QUICK = dict(times=10, side=200, text=(4000, 8000), layer=(1000, 20, 5000), square=4096, long=1 << 26)


def missing(device):
    "Why nothing can be measured on a device; None where it can."
    import torch

    if device.startswith('cuda') and not torch.cuda.is_available():
        return (
            'cuda is left out: this machine has no CUDA device that torch can use, and nothing was measured'
        )
    return None


# --- clocks and limits ---


def wait(device):
    "Until the device has done all that it was told to do."
    import torch

    if device.startswith('cuda'):
        torch.cuda.synchronize(device)


def timed(f, device, repeats=3):
    "Wall seconds of f() on a device, several times, after a call that is not counted."
    f()
    seconds = []
    for _ in range(repeats):
        gc.collect()
        wait(device)
        start = time.perf_counter()
        f()
        wait(device)
        seconds.append(time.perf_counter() - start)
    return seconds


def limits(device, size, dtype):
    "(seconds of an operation, seconds of a byte) on a device, at their best."
    import torch

    A = torch.rand(size['square'], size['square'], dtype=dtype, device=device)
    x = torch.rand(size['long'], dtype=dtype, device=device)
    flop = min(timed(lambda: A @ A, device)) / (2 * size['square'] ** 3)
    return flop, min(timed(lambda: x @ x, device)) / (x.itemsize * len(x))


def compared(name, seconds, work, limit, note):
    "A row: what was measured by its bound; `work` is (operations, bytes)."
    parts = [w * each for w, each in zip(work, limit)]
    bound = max(parts)
    share = bound / median(seconds)
    told = f'{work[0] / 1e9:.3g} Gflop at {1e-12 / limit[0]:.3g} T/s, {work[1] / 1e9:.3g} GB at '
    told += f'{1e-9 / limit[1]:.4g} GB/s; {share:.0%} of the limit ({("flops", "bytes")[parts.index(bound)]})'
    many = [bound] * len(seconds)
    return row(name, 'ours', 'bound', seconds, many, note=f'{told}; {note}', peer_by_ours=False)


# --- sweeps ---


def sweeps(model, device, n=10):
    "Seconds of a sweep, the mean of n of them, several times; from a drawn start past the warm-up."
    p = model.start(np.random.default_rng(0))
    for k in range(7):
        p, _ = model.sweep(p, k)

    def run():
        q = p
        for k in range(7, 7 + n):
            q, _ = model.sweep(q, k)

    return [s / n for s in timed(run, device)]


def faces(times, device):
    "Faces of 40 people, each many times over in another light and with noise: a list of strata, and a word."
    import torch

    from ntf_lit.datasets import DataUnavailable, olivetti_strata

    draw = torch.Generator(device).manual_seed(0)
    rand = lambda *shape: torch.rand(*shape, generator=draw, device=device)
    try:
        people, word = [torch.as_tensor(t, dtype=torch.float32) for t in olivetti_strata().tensors], 'faces'
    except DataUnavailable:
        people, word = torch.rand(40, 10, 64, 64).unbind(), 'STAND-IN for the faces: made data of that shape'
    light = lambda X: X * (0.5 + 0.5 * rand(len(X), 1, 1)) + 0.02 * rand(*X.shape)
    return [light(X.to(device).repeat(times, 1, 1)) for X in people], word


def strata_row(rule, size, device, limit):
    "Stratified-NTF of faces, ten times as many for each person's ten."
    from bench_strata import ROUNDS
    from ntf_lit.incoming import as_strata
    from ntf_lit.stratified import StrataModel

    (people, word), q, R = faces(size['times'], device), 15, 40
    data, offsets = as_strata(people)
    S, (N, *dims), D = len(people), data.shape, int(np.prod(data.shape[1:]))
    model = StrataModel(data, R, rule, strata_rank=(q,) * S, offsets=tuple(offsets), rounds=ROUNDS)
    coupling = 2 * (ROUNDS + 1) * sum(2 * d * S * q * R for d in dims)
    work = 4 * N * D * R + ROUNDS * 4 * S * D * q + coupling, 2 * 4 * N * D
    name = f'Stratified-NTF, {N} × {dims[0]} × {dims[1]}, {q}/{R}, float32: {rule.upper()} sweep by its bound'
    return compared(name, sweeps(model, device), work, limit, word)


def cube_row(rule, size, device, limit, rank=20):
    "NCPD of a planted cube."
    import torch

    from ntf_lit.incoming import as_data
    from ntf_lit.ncpd import NCPDModel

    d, draw = size['side'], torch.Generator(device).manual_seed(0)
    A, B, C = (torch.rand(d, rank, generator=draw, device=device) ** 3 for _ in range(3))
    X = A @ (B[:, None] * C).reshape(-1, rank).T
    X += 0.1 * X.mean() * torch.rand(X.shape, generator=draw, device=device)
    model = NCPDModel(as_data(X.reshape(d, d, d)), rank, rule)
    work = 4 * X.numel() * rank, 2 * 4 * X.numel()
    name = f'NCPD {d}^3, rank {rank}, float32: {rule.upper()} sweep by its bound'
    return compared(name, sweeps(model, device), work, limit, 'planted')


def text_row(rule, size, device, limit, rank=50):
    "NMF of counts of words, few of them not zero, which on a device lie there as a dense matrix."
    import torch

    from bench_sparse import words
    from ntf_lit.incoming import as_data
    from ntf_lit.ncpd import NCPDModel

    n, m = size['text']
    counts, _ = words(n, m, n * m // 200, rank, 0)
    X = torch.zeros(n, m, device=device)
    row_of = np.repeat(np.arange(n), np.diff(counts.indptr))
    place = (torch.as_tensor(i.astype(np.int64), device=device) for i in (row_of, counts.indices))
    X[tuple(place)] = torch.as_tensor(counts.data, device=device)
    work = 4 * n * m * rank, 2 * 4 * n * m
    name = f'NMF of text {n} × {m}, {counts.nnz / 1e6:.2g} M words, rank {rank}, float32: '
    name += f'{rule.upper()} sweep by its bound'
    note = 'held dense: sparse data are factorized on the processor'
    return compared(name, sweeps(NCPDModel(as_data(X), rank, rule), device), work, limit, note)


def layer_row(size, device, limit):
    "The NNLS layer, forward and backward; its bound is that of its four large products."
    import torch

    from bench_nnls import both_ways, problem
    from ntf_lit.nnls import nnls_layer

    m, k, n = size['layer']
    X, A, g = (torch.as_tensor(a, dtype=torch.float64, device=device) for a in problem(m, k, n))
    X.requires_grad_(), A.requires_grad_()
    seconds = timed(lambda: both_ways(nnls_layer, X, A, g), device, 2)
    work = 3 * 2 * m * k * n + 3 * 2 * k * k * n, 3 * 8 * m * n
    name = f'NNLS layer ({m}, {k}, {n}), float64, both ways, by the bound of its products'
    return compared(name, seconds, work, limit, 'exact and certified')


# --- the rows ---


def rows(quick=False, device='cuda', size=None):
    "dict(name, ours_seconds, peer_seconds, ratio, note, ...) of each problem; none without the device."
    import torch

    if why := missing(device):
        print(why, flush=True)
        return
    size = size or (QUICK if quick else FULL)
    single = limits(device, size, torch.float32)
    for make in (strata_row, cube_row, text_row):
        for rule in ('mu', 'hals'):
            yield make(rule, size, device, single)
    yield layer_row(size, device, limits(device, size, torch.float64))


def named(device):
    "What a device is called."
    import torch

    return torch.cuda.get_device_name(device) if device.startswith('cuda') else 'the processor'


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--quick', action='store_true', help='smaller problems')
    parser.add_argument('--device', default='cuda', help="torch's name of it")
    given = parser.parse_args()
    if why := missing(given.device):
        print(why)
        return
    print(f'{named(given.device)}, {time.strftime("%Y-%m-%d")}')
    for r in rows(given.quick, given.device):
        print(' | '.join(cells(r)), flush=True)


if __name__ == '__main__':
    main()
