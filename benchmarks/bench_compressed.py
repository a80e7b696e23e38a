"""Dense data of low rank, fitted in their own subspaces, next to TensorLy and to sweeps over the data."""

import tracemalloc
from dataclasses import dataclass

import numpy as np

from bench_ncpd import Before, Ours, TensorLy, planted, sized, target_rows
from harness import Race, Worker, in_turn, present, row, time_of


@dataclass(frozen=True)
class Compressed(Ours):
    "ntf_lit, the sketch included; n sweeps on the core and on the data together."

    starts: int = 1

    @property
    def name(self):
        return f'{super().name}, compressed' + (f', best of {self.starts}' if self.starts > 1 else '')

    def run(self, X, start, n):
        from dataclasses import replace

        from ntf_lit.compressed import fit_compressed
        from ntf_lit.fit import Tolerance

        model = self.model(X, start)
        if self.starts > 1 or n < 0:  # -n: random starts, to the tolerance
            model, stop, n = replace(model, init='random'), [Tolerance(1e-6)], abs(n)
        else:
            stop = []
        r, _ = fit_compressed(model, self.starts, compress=True, seed=0, max_iter=n, stop=stop)
        return r.params.factors

    def follow(self, X, start, n, enough):
        "Each number of sweeps from the start: the end of a fit is not a sweep like others."
        any(enough(self.run(X, start, i)) for i in range(1, n + 1))


def uniform(shape, rank, noise, seed):
    "Uniform factors, which are nearly collinear: a long way to go."
    rng = np.random.default_rng(seed)
    truth = [rng.random((d, rank)) for d in shape]
    X = np.einsum('ir,jr,kr->ijk', *truth, optimize=True)
    X += noise * np.sqrt((X**2).mean()) * abs(rng.standard_normal(shape))
    return X, sized(X, [rng.random((d, rank)) for d in shape])


def face_stack(rank, seed):
    "400 faces of 64 × 64 pixels as an order-3 tensor, or made data of that shape where they cannot be had."
    from ntf_lit.datasets import DataUnavailable, olivetti_strata

    rng = np.random.default_rng(seed)
    try:
        X = np.asarray(olivetti_strata().X, float).reshape(400, 64, 64)
    except DataUnavailable:
        return planted((400, 64, 64), rank, 0.2, seed)
    return X, sized(X, [rng.random((d, rank)) for d in X.shape])


def peak(program, problem, n):
    "The most memory beside the data, as a part of them."
    X, start = program.prepare(*problem[0](*problem[1:]))
    program.run(X, start, 2)
    tracemalloc.start()
    program.run(X, start, n)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most / X.nbytes


def ten_rows(problem, what, repeats):
    "Ten starts on one sketch, by one start."
    one, ten = Compressed(), Compressed(starts=10)
    with Race([one, ten], problem) as race:
        call = lambda p: lambda: race.workers[p](time_of, p, problem, -300)
        t = in_turn({one: call(one), ten: call(ten)}, repeats + 1)
    yield row(f'{what}: ten starts by one', ten.name, one.name, t[ten][1:], t[one][1:], '≤ 2', '', False)


def torch_rows(problem, what, repeats):
    "torch on the CPU by NumPy: the estimators' way."
    own = Compressed(kind='torch'), Compressed()
    with Race(own, problem) as race:
        t = race.times(dict.fromkeys(own, 20), repeats + 1)
    yield row(
        f'{what}: torch by NumPy', own[0].name, own[1].name, t[own[0]][1:], t[own[1]][1:], '≤ 1', '', False
    )


def rows(quick=False):
    "dict(name, ours_seconds, peer_seconds, ratio, note, ...) of each comparison."
    d, rank, repeats = (100, 10, 1) if quick else (200, 20, 5)
    seeds = range(1 if quick else 3)
    limit = lambda program: 60
    easy = lambda seed: (planted, (d,) * 3, rank, 0.1, seed)
    what, aims = f'NCPD {d}^3, rank {rank}', {'TensorLy HALS': '≥ 20', Before().name: '≥ 6'}
    peers = [TensorLy(), Before()]
    yield from target_rows([Compressed()], peers, [easy(s) for s in seeds], what, aims, limit, repeats)
    yield from ten_rows(easy(0), what, repeats)
    yield from torch_rows(easy(0), what, repeats)
    if quick:
        return
    before, far = {Before().name: '≥ 2.5'}, lambda program: 250
    hard = (uniform, (200,) * 3, 20, 0.1, 0)
    yield from target_rows([Compressed()], [Before()], [hard], f'{what}, uniform factors', before, far, 3)
    for shape, r, dtype, aim in (
        ((145, 145, 200), 16, 'float64', '≥ 4'),
        ((320,) * 3, 20, 'float32', '≥ 6'),
    ):
        problem, own, other = (planted, shape, r, 0.1, 0), Compressed(dtype=dtype), Before(dtype=dtype)
        what = f'NCPD {" × ".join(map(str, shape))}, rank {r}, {dtype}'
        made = target_rows([own], [other], [problem], what, {other.name: aim}, limit, 3)
        for found in made:
            with Worker() as worker:
                part = worker(peak, own, problem, 20)
            yield found | dict(note=f'{found["note"]}; memory beside the data {part:.0%} of them')
    faces = target_rows(
        [Compressed()], [Before()], [(face_stack, 40, 0)], 'NCPD faces', {Before().name: '≥ 4'}, far, 3
    )
    yield from faces if present([Before()]) else ()
