"""Multi-HNTF: the exact links, from r^N numbers, next to the published averaging.

The averaging goes over the data in every step.
Over strata the search for links does not grow with the samples.

python benchmarks/bench_hierarchies.py [--quick]
"""

import argparse
from statistics import median

import numpy as np

from bench_ncpd import khatri_rao
from harness import cells, in_turn, row, seconds
from ntf_lit.synthetic import hierarchical_tensor, random_strata
from ntf_lit.fit import fit
from ntf_lit.hnmf import balanced, first_layer, published_ncpd
from ntf_lit.incoming import as_data, as_strata
from ntf_lit.multi_hntf import AverageModel, contracted, exact_link, objective_parts
from ntf_lit.strata_hierarchies import check_bottom, even, strata_problem
from ntf_lit.stratified import StrataModel

STEPS = 800  # Damped steps in the published experiments


# --- the published step, from its formulas, products from left to right as published ---


def published_step(X, factors, W):
    "A multiplicative step per mode, with the data, then half the way to their mean (Vendrow et al. 2022)."
    steps = []
    for i, F in enumerate(factors):
        Xi = np.moveaxis(X, i, 0).reshape(X.shape[i], -1)
        K = khatri_rao([f @ W for k, f in enumerate(factors) if k != i])
        steps.append(W * (F.T @ Xi @ K) / (F.T @ F @ W @ K.T @ K + 1e-10))
    return (sum(steps) + X.ndim * W) / (2 * X.ndim)


def each(f, times=1):
    "Seconds a call, of so many."
    return lambda: seconds(lambda: [f() for _ in range(times)]) / times


# --- problems ---


def cube(n, rank=7, seed=0):
    rng = np.random.default_rng(seed)
    X, F = rng.random((n,) * 3), [rng.random((n, rank)) for _ in range(3)]
    return X, F, rng.random((rank, 4))


def papers(noise, seed):
    "The papers' tensor with their NCPD, balanced."
    X = hierarchical_tensor(noise, seed).X
    D = as_data(X)
    return X, D, list(balanced(first_layer(D, 7, published_ncpd(X))[0]).factors)


# --- rows ---


def inner_iterations(sizes, repeats):
    "An inner iteration of the exact training, at several sizes, against a published step and itself."
    calls = {}
    for n in sizes:
        X, F, W = cube(n)
        P = contracted(as_data(X), F)
        calls |= {
            (n, 'ours'): each(lambda P=P, W=W: objective_parts(P, W), 200),
            (n, 'peer'): each(lambda X=X, F=F, W=W: published_step(X, F, W), max(1, 2_000_000 // n**3)),
            (n, 'once'): each(lambda X=X, F=F: contracted(as_data(X), F)),
        }
    times = in_turn(calls, repeats)
    for n in sizes:
        ours, peer, once = (times[n, kind] for kind in ('ours', 'peer', 'once'))
        yield row(
            f'7 to 4, {n}³',
            'objective and gradient',
            'a published step',
            ours,
            peer,
            '≥ 150' if n == 160 else '',
            f'core, once: {median(once) * 1e3:.3g} ms',
        )
    yield row(
        f'{sizes[-1]}³ by {sizes[0]}³',
        f'objective and gradient, {sizes[-1]}³',
        f'the same, {sizes[0]}³',
        times[sizes[-1], 'ours'],
        times[sizes[0], 'ours'],
        '≤ 1.3',
        'does not grow with the data',
        peer_by_ours=False,
    )


def averaged(step, W, steps):
    for _ in range(steps):
        W = step(W)
    return W


def arrival(P, q, aim):
    "The exact training, stopped after the first polishing step that is at `aim` or below."
    value = lambda k: float(objective_parts(P, exact_link(P, q, np.random.default_rng(0), max_iter=k)[0])[0])
    steps = next(k for k in range(STEPS) if value(k) <= aim)
    return lambda: exact_link(P, q, np.random.default_rng(0), max_iter=steps)


def whole_layers(repeats, steps):
    "All of the exact training of a layer, core and ten starts included, against the published one."
    for noise, seed in ((0.4, 14), (0.1, 1)):
        X, D, F = papers(noise, seed)
        for q in (4, 2):
            P, r = contracted(D, F), F[0].shape[1]
            W0 = [np.random.RandomState(s).random_sample((r, q)) for s in range(10)]
            ends = [fit(AverageModel(P, q), (w,), max_iter=STEPS) for w in W0]
            W = exact_link(P, q, np.random.default_rng(0))[0]
            there = arrival(P, q, min(e.objective for e in ends) * (1 + 1e-9))
            error = lambda objective: float(np.sqrt(2 * objective / P.square))
            peer = lambda: averaged(lambda W: published_step(D.scale * X, F, W), W0[0], steps)
            peer_core = lambda: fit(AverageModel(contracted(D, F), q), (W0[0],), max_iter=steps)
            calls = dict(
                reach=lambda: (contracted(D, F), there()),
                ours=lambda: exact_link(contracted(D, F), q, np.random.default_rng(0)),
                peer=peer,
                peer_core=peer_core,
            )
            reach, ours, slow, fast = in_turn({k: each(f) for k, f in calls.items()}, repeats).values()
            slow, fast = ([t * STEPS / steps for t in ts] for ts in (slow, fast))
            name = f'noise {noise}, {r} to {q}'
            losses = [error(e.objective) for e in ends]
            note = f'{STEPS} steps end at {min(losses):.5f} to {max(losses):.5f}, '
            note += f'exact at {error(objective_parts(P, W)[0]):.5f}'
            yield row(
                name,
                'exact, ten starts, to the best of those',
                f'published, {STEPS} steps, one start',
                reach,
                slow,
                '≥ 20',
                note,
            )
            yield row(
                name, 'exact, ten starts, to the end', f'published, {STEPS} steps, one start', ours, slow
            )
            yield row(
                name,
                'exact, ten starts, to the end',
                f'published, {STEPS} steps, ten starts',
                ours,
                [10 * t for t in slow],
                '≥ 20',
                'one start timed',
            )
            yield row(
                name,
                'exact, ten starts, to the end',
                'the same from our core, ten starts',
                ours,
                [10 * t for t in fast],
                '≥ 20',
                'one start timed',
            )
            F = [f @ W for f in F]


def strata(samples, rank=7):
    "(the pass over the data, the core it makes) of five strata with two features each."
    d = random_strata((samples // 5,) * 5, (12, 10), rank, 2, seed=0, noise=0.1, coherence=0.9)
    data, offsets = as_strata(d.tensors)
    flat = StrataModel(data, rank, strata_rank=(2,) * 5, offsets=tuple(offsets))
    p = even(check_bottom(flat, d.truth['model'], (rank, 4)))
    once = lambda: strata_problem(p)(data, [p.W, *p.H])
    return once, once()


def over_strata(few, many, repeats):
    "Exact links over strata, ten starts, once the core is there; and the pass that makes it."
    calls = {}
    for n in (few, many):
        once, P = strata(n)
        calls |= {
            (n, 'links'): each(lambda P=P: [exact_link(P, 4, np.random.default_rng(s)) for s in range(10)]),
            (n, 'pass'): each(once),
        }
    times = in_turn(calls, repeats)
    note = ', '.join(f'{n:,} samples: {median(times[n, "pass"]) * 1e3:.3g} ms' for n in (few, many))
    yield row(
        'strata, 7 to 4',
        f'exact links over strata, {many:,} samples',
        f'the same, {few:,} samples',
        times[many, 'links'],
        times[few, 'links'],
        '≤ 1.3',
        f'core, once, {note}',
        peer_by_ours=False,
    )


def rows(quick=False):
    "dict(name, ours_seconds, peer_seconds, ratio, note, ...) of each comparison."
    yield from inner_iterations((40, 160) if quick else (40, 160, 300), 3 if quick else 7)
    yield from whole_layers(3 if quick else 7, 100 if quick else STEPS)
    yield from over_strata(1000, 20_000 if quick else 100_000, 3 if quick else 7)


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--quick', action='store_true', help='smaller problems, fewer repetitions')
    for r in rows(parser.parse_args().quick):
        print(' | '.join(cells(r)), flush=True)
