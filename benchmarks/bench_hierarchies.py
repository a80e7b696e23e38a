"""Multi-HNTF: the exact links, from r^N numbers, next to the published averaging, which goes over the data in every step.

    python benchmarks/bench_hierarchies.py [--quick]
"""
import argparse
import time
from functools import reduce
from statistics import median

import numpy as np

from ntf_lit.data import hierarchical_tensor
from ntf_lit.fit import fit
from ntf_lit.hnmf import balanced, first_layer, fit_flat
from ntf_lit.init import leading_vectors
from ntf_lit.multi_hntf import AverageModel, contracted, exact_link, halves
from ntf_lit.tensor import as_data

STEPS = 800 # Damped steps in the published experiments


# --- the published step, from its formulas, products from left to right as published ---

def khatri_rao(factors): return reduce(lambda A, B: (A[:, None]*B[None]).reshape(-1, A.shape[1]), factors)

def published_step(X, factors, W):
    "One multiplicative step a mode with the data in it, then half the way to their mean (Vendrow, Haddock & Needell 2022)."
    steps = []
    for i, F in enumerate(factors):
        Xi = np.moveaxis(X, i, 0).reshape(X.shape[i], -1)
        K = khatri_rao([f@W for k, f in enumerate(factors) if k != i])
        steps.append(W*(F.T@Xi@K)/(F.T@F@W@K.T@K + 1e-10))
    return (sum(steps) + X.ndim*W)/(2*X.ndim)


# --- clocks ---

def timed(f, times=1):
    "CPU seconds a call."
    start = time.process_time()
    for _ in range(times): f()
    return (time.process_time() - start)/times

def in_turn(calls, repeats):
    "Seconds of each call in each repetition, all once, then all again."
    out = [[] for _ in calls]
    for _ in range(repeats):
        for seen, (f, times) in zip(out, calls): seen.append(timed(f, times))
    return out

def row(name, ours, peer, ours_times, peer_times, aim='', note='', upside_down=False):
    ratios = sorted(o/p if upside_down else p/o for o, p in zip(ours_times, peer_times)); n = len(ratios)
    return dict(name=name, ours=ours, peer=peer, ours_seconds=median(ours_times), peer_seconds=median(peer_times), ratio=median(ratios),
                spread=[ratios[n//4], ratios[(3*n)//4]] if n > 3 else [ratios[0], ratios[-1]], aim=aim, note=note)


# --- problems ---

def cube(n, rank=7, seed=0):
    rng = np.random.default_rng(seed)
    X, F = rng.random((n,)*3), [rng.random((n, rank)) for _ in range(3)]
    return X, F, rng.random((rank, 4))

def papers(noise, seed):
    "The papers' tensor with their NCPD, balanced."
    X = hierarchical_tensor(noise, seed).X; D = as_data(X)
    cp = fit_flat(D, 7, rule='mu', init=lambda data, rank: [abs(leading_vectors(data, k, rank)) for k in range(3)], max_iter=100, tol=0).params
    return X, D, list(balanced(first_layer(D, 7, cp)[0]).factors)


# --- rows ---

def inner_iterations(sizes, repeats):
    "An inner iteration of the exact training, at several sizes, against a published step, and against itself."
    calls, problems = [], {}
    for n in sizes:
        X, F, W = problems[n] = cube(n); P = contracted(as_data(X), F)
        calls += [(lambda P=P, W=W: halves(P, W), 200), (lambda X=X, F=F, W=W: published_step(X, F, W), max(1, 2_000_000//n**3)), (lambda X=X, F=F: contracted(as_data(X), F), 1)]
    times = in_turn(calls, repeats)
    for i, n in enumerate(sizes):
        ours, peer, once = times[3*i:3*i + 3]
        yield row(f'7 to 4, {n}³', 'objective and gradient', 'a published step', ours, peer, '≥ 150' if n == 160 else '', f'core, once: {median(once)*1e3:.3g} ms')
    yield row(f'{sizes[-1]}³ by {sizes[0]}³', f'objective and gradient, {sizes[-1]}³', f'the same, {sizes[0]}³', times[3*len(sizes) - 3], times[0], '≤ 1.3', 'does not grow with the data', upside_down=True)


def averaged(step, W, steps):
    for _ in range(steps): W = step(W)
    return W

def arrival(P, q, aim):
    "The exact training, stopped after the first polishing step that is at `aim` or below."
    value = lambda k: float(halves(P, exact_link(P, q, np.random.default_rng(0), max_iter=k)[0])[0])
    steps = next(k for k in range(STEPS) if value(k) <= aim)
    return lambda: exact_link(P, q, np.random.default_rng(0), max_iter=steps)

def whole_layers(repeats, steps):
    "All of the exact training of a layer, core and ten starts included, against the published one."
    for noise, seed in ((.4, 14), (.1, 1)):
        X, D, F = papers(noise, seed)
        for q in (4, 2):
            P, r = contracted(D, F), F[0].shape[1]
            W0 = [np.random.RandomState(s).random_sample((r, q)) for s in range(10)]
            ends = [fit(AverageModel(P, q), (w,), max_iter=STEPS) for w in W0]; W = exact_link(P, q, np.random.default_rng(0))[0]
            there = arrival(P, q, min(e.objective for e in ends)*(1 + 1e-9)); error = lambda objective: float(np.sqrt(2*objective/P.square))
            peer = lambda: averaged(lambda W: published_step(D.scale*X, F, W), W0[0], steps)
            peer_core = lambda: fit(AverageModel(contracted(D, F), q), (W0[0],), max_iter=steps)
            reach, ours, slow, fast = in_turn([(lambda: (contracted(D, F), there()), 1), (lambda: exact_link(contracted(D, F), q, np.random.default_rng(0)), 1), (peer, 1), (peer_core, 1)], repeats)
            slow, fast = ([t*STEPS/steps for t in ts] for ts in (slow, fast)); name = f'noise {noise}, {r} to {q}'
            losses = [error(e.objective) for e in ends]; note = f'{STEPS} steps end at {min(losses):.5f} to {max(losses):.5f}, exact at {error(halves(P, W)[0]):.5f}'
            yield row(name, 'exact, ten starts, to the best of those', f'published, {STEPS} steps, one start', reach, slow, '≥ 20', note)
            yield row(name, 'exact, ten starts, to the end', f'published, {STEPS} steps, one start', ours, slow)
            yield row(name, 'exact, ten starts, to the end', f'published, {STEPS} steps, ten starts', ours, [10*t for t in slow], '≥ 20', 'one start timed')
            yield row(name, 'exact, ten starts, to the end', 'the same from our core, ten starts', ours, [10*t for t in fast], '≥ 20', 'one start timed')
            F = [f@W for f in F]


def rows(quick=False):
    "dict(name, ours_seconds, peer_seconds, ratio, note, ...) of each comparison."
    yield from inner_iterations((40, 160) if quick else (40, 160, 300), 3 if quick else 7)
    yield from whole_layers(3 if quick else 7, 100 if quick else STEPS)


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--quick', action='store_true', help='smaller problems, fewer repetitions')
    for r in rows(parser.parse_args().quick):
        print(f"{r['name']:20} {r['ours']:40} {r['ours_seconds']*1e3:9.3g} ms   {r['peer']:36} {r['peer_seconds']*1e3:9.3g} ms   {r['ratio']:8.3g} ({r['spread'][0]:.3g} to {r['spread'][1]:.3g}) {r['aim']:8} {r['note']}", flush=True)
