"""Stratified-NTF: an iteration next to what the machine allows; many strata next to one; HALS next to MU.

No other package has this model. What the multiplicative iteration is measured against is its bound: the time
in which this machine does its arithmetic at the rate of a large matrix product, or reads the data twice,
whichever is longer. Both rates are timed in the same run, in turn with the iterations.
"""

from functools import lru_cache
from math import inf, prod

import numpy as np

from harness import Worker, in_turn, row, seconds

ROUNDS = 2  # Rounds over the strata features in an iteration


# --- the data: lists of strata, and what to say about them ---


def olivetti():
    "Faces, one stratum per person."
    from ntf_lit.datasets import DataUnavailable, olivetti_strata

    try:
        return olivetti_strata().tensors, 'faces'
    except DataUnavailable:
        return made(40, 10, (64, 64)), 'STAND-IN for the faces: made data of the same shape'


def watermarks():
    "Watermarked digits in noise, two strata."
    from ntf_lit.synthetic import digits_watermarked

    try:
        return digits_watermarked('mnist', n=100).tensors, 'digits'
    except ImportError:
        return made(2, 200, (28, 28)), 'STAND-IN for the digits: made data of the same shape'


def made(strata, n, dims, seed=0):
    "Strata with a background each, four shared topics and noise."
    rng = np.random.default_rng(seed)
    topics, grounds = rng.random((4, prod(dims))) ** 4, rng.random((strata, 1, prod(dims))) ** 2
    return list(
        (rng.random((strata, n, 4)) @ topics + grounds + 0.1 * rng.random((strata, n, prod(dims)))).reshape(
            strata, n, *dims
        )
    )


def split_evenly(strata):
    return made(strata, 1024 // strata, (32, 32)), f'{strata} strata'


# name: (data, strata rank, topics)
SETTINGS = dict(
    olivetti=((olivetti,), 15, 40),
    watermarks=((watermarks,), 100, 100),
    **{f'{S} of 1024': ((split_evenly, S), 5, 20) for S in (1, 16, 256)},
)


# --- in a worker ---


@lru_cache
def strata(name):
    (make, *args), *_ = SETTINGS[name]
    return make(*args)


@lru_cache
def model(name, kind, rule):
    "The model on data of a kind; uniform starts, as in the paper."
    from ntf_lit.incoming import as_strata
    from ntf_lit.stratified import StrataModel

    _, q, R = SETTINGS[name]
    A = strata(name)[0]
    if kind == 'torch':
        import torch

        A = [torch.from_numpy(a) for a in A]
    data, offsets = as_strata(A)
    return StrataModel(
        data, R, rule, strata_rank=(q,) * len(A), offsets=tuple(offsets), rounds=ROUNDS, init='uniform'
    )


def fit_seconds(name, kind, rule, n):
    "Whole call, n iterations, loss included."
    from ntf_lit.fit import fit

    return seconds(lambda: fit(model(name, kind, rule), max_iter=n, seed=0))


def until(name, kind, rule, seed, target, n):
    "(seconds, loss, iterations) of a fit that stops when its loss is at the target, or after n iterations."
    from ntf_lit.fit import fit

    m, found = model(name, kind, rule), {}
    reached = lambda state: state.objective <= target * m.data.scale**2 or None
    t = seconds(lambda: found.update(r=fit(m, max_iter=n, seed=seed, stop=[reached])))
    r = found['r']
    return t, r.objective, r.n_iter


@lru_cache
def large(kind):
    "A matrix and a vector to find the machine's rates with."
    A, x = np.random.default_rng(0).random((2000, 2000)), np.ones(1 << 24)
    if kind == 'NumPy':
        return A, x
    import torch

    return torch.from_numpy(A), torch.from_numpy(x)


def flop_seconds(kind):
    "Of one operation in a product of two 2000 × 2000 matrices."
    A, _ = large(kind)
    return seconds(lambda: A @ A) / (2 * 2000**3)


def byte_seconds(kind):
    "Of one byte read from a vector of 128 MB."
    _, x = large(kind)
    return seconds(lambda: x @ x) / (8 * len(x))


def work(name):
    "(operations, bytes read) that an iteration cannot do without."
    _, q, R = SETTINGS[name]
    A = strata(name)[0]
    S, N, dims = len(A), sum(map(len, A)), A[0].shape[1:]
    products = (
        4 * N * prod(dims) * R + ROUNDS * 4 * S * prod(dims) * q
    )  # Data with topics, strata sums with strata features; each twice
    coupling = (
        2 * (ROUNDS + 1) * sum(2 * d * S * q * R for d in dims)
    )  # H'V, and its share in the denominators
    return products + coupling, 2 * 8 * N * prod(dims)


# --- the rows ---


def an_iteration(worker, name, kind, rule, span):
    "Two timings whose difference is what so many iterations cost."
    return {(name, rule, n): (lambda n=n: worker(fit_seconds, name, kind, rule, n)) for n in span}


def per_iteration(times, name, rule, span):
    return [(b - a) / (span[1] - span[0]) for a, b in zip(*(times[name, rule, n] for n in span))]


def bound_rows(name, kind, repeats, span):
    "An MU iteration next to its bound, and a HALS iteration next to an MU iteration."
    with Worker() as w:
        about, (flops, size) = w(strata, name)[1], w(work, name)
        for rule in ('mu', 'hals'):
            w(fit_seconds, name, kind, rule, span[0])  # Compiles
        calls = an_iteration(w, name, kind, 'mu', span) | an_iteration(w, name, kind, 'hals', span)
        t = in_turn(
            calls | dict(flop=lambda: w(flop_seconds, kind), byte=lambda: w(byte_seconds, kind)), repeats
        )
    bound = [max(flops * f, size * b) for f, b in zip(t['flop'], t['byte'])]
    mu, hals = (per_iteration(t, name, rule, span) for rule in ('mu', 'hals'))
    per_second = {kind: 1e-9 / np.median(t[kind]) for kind in ('flop', 'byte')}
    rates = f'{flops / 1e6:.0f} Mflop at {per_second["flop"]:.0f} G/s, '
    rates += f'{size / 1e6:.0f} MB at {per_second["byte"]:.1f} GB/s; {about}'
    yield row(
        f'Stratified-NTF {name}: an MU iteration by its bound',
        f'MU, {kind}',
        'bound',
        mu,
        bound,
        {'NumPy': '≤ 1.5', 'torch': '≤ 1.6'}[kind],
        rates,
        peer_by_ours=False,
    )
    yield row(
        f'Stratified-NTF {name}: a HALS iteration by one of MU',
        f'HALS, {kind}',
        f'MU, {kind}',
        hals,
        mu,
        '',
        about,
        peer_by_ours=False,
    )


def many_strata_rows(kind, repeats, span):
    "The same number of samples in more strata."
    names = [f'{S} of 1024' for S in (1, 16, 256)]
    with Worker() as w:
        calls = {}
        for name in names:
            w(fit_seconds, name, kind, 'mu', 3)
            calls |= an_iteration(w, name, kind, 'mu', span)
        t = in_turn(calls, repeats)
    one, *more = [per_iteration(t, name, 'mu', span) for name in names]
    for name, many, aim in zip(names[1:], more, ('', '≤ 1.3')):
        S = name.split()[0]
        yield row(
            f'Stratified-NTF 1024 × 32 × 32, 5/20: an MU iteration, {S} strata by one',
            f'{S} strata, {kind}',
            'one stratum',
            many,
            one,
            aim,
            peer_by_ours=False,
        )


def sooner_rows(name, kind, seeds, n):
    "When HALS reaches the loss that MU has after n iterations, from the same start."
    slow, fast, counts = [], [], []
    with Worker() as w:
        about = w(strata, name)[1]
        for rule in ('mu', 'hals'):
            w(fit_seconds, name, kind, rule, 12)  # Compiles
        for seed in range(seeds):
            t, loss, _ = w(until, name, kind, 'mu', seed, 0.0, n)
            s, reached, k = w(until, name, kind, 'hals', seed, loss, n)
            slow.append(t)
            fast.append(s if reached <= loss else inf)
            counts.append(k)
    note = f'{min(counts)} to {max(counts)} iterations, {seeds} seed{"s" * (seeds > 1)}; {about}'
    yield row(
        f"Stratified-NTF {name}: to MU's loss after {n} iterations",
        f'HALS, {kind}',
        f'MU, {kind}',
        fast,
        slow,
        '≥ 8',
        note,
    )


def rows(quick=False):
    "dict(name, ours_seconds, peer_seconds, ratio, note, ...) of each comparison."
    for name, span in dict(olivetti=(12, 42), watermarks=(12, 72)).items():
        for kind in ('NumPy', 'torch'):
            yield from bound_rows(name, kind, 3 if quick else 9, span)
    for kind in ('NumPy', 'torch'):
        yield from many_strata_rows(kind, 3 if quick else 9, (5, 35))
    for name in ('olivetti', 'watermarks'):
        yield from sooner_rows(name, 'NumPy', *((1, 200) if quick else (5, 1000)))
    if not quick:
        yield from sooner_rows('olivetti', 'torch', 5, 1000)
