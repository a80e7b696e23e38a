"""How often `RankSearchCV` finds ranks that are known, and what it costs in ordinary fits.

    python benchmarks/bench_choosing.py [--quick] [--seeds 10] [--first 0] [--only KINDS] [--out FILE]

Sixteen kinds of data (eight each for matrices and tensors), and two ranks at once in strata; every kind is
drawn with `seeds` seeds from `first` on. What was found is kept in FILE data set by data set, and a call with
the same FILE goes on from there, so take another one for another build. A line for each kind:

* found: the right rank was chosen. Noise that is cut at zero has a mean, so a background is really there,
  and a rank one higher is right too (exactly: without it); noise of the other kinds has none.
* off: by how much the rank was missed, in the mean.
* among: a right rank is among the candidates; then how many candidates there are.
* fits a rank: CPU time of the five folds, in ordinary fits (the mean of one fit over the same ranks) per
  rank that is tried; fits a candidate: that of all halves, per candidate, where halves were asked.
"""

import argparse
import json
import time
import warnings
from dataclasses import dataclass
from math import nan
from pathlib import Path
from statistics import fmean

import numpy as np

from threadpoolctl import threadpool_limits

from harness import row

OUT = Path(__file__).resolve().parent.parent / 'bench_out' / 'choosing.jsonl'


# --- the data ---


@dataclass(frozen=True)
class Kind:
    "Data of a known rank."

    noise: str  # 'cut' at zero, 'correlated' (and cut), 'counts', 'multiplicative'
    rank: int
    level: float  # Of the noise; of counts their mean
    cosine: float = None  # Of any two columns of a factor
    falling: bool = False  # Do the sizes of components fall to a tenth?
    aim: float = 0.0  # Which share is to be found

    @property
    def loss(self):
        return 'frobenius' if self.noise in ('cut', 'correlated') else 'kullback-leibler'

    @property
    def right(self):
        "Ranks that are right answers."
        return (self.rank, self.rank + 1) if self.loss == 'frobenius' else (self.rank,)


KINDS = {
    'cut at zero, rank 3': Kind('cut', 3, 0.3, aim=0.88),
    'cut at zero, rank 5': Kind('cut', 5, 0.3, aim=0.88),
    'cut at zero, rank 10': Kind('cut', 10, 0.2, aim=0.88),
    'correlated': Kind('correlated', 5, 0.3, aim=0.8),
    'collinear': Kind('cut', 5, 0.03, cosine=0.9, aim=0.88),
    'counts, thinned': Kind('counts', 5, 3.0, aim=0.88),
    'multiplicative': Kind('multiplicative', 6, 0.5, aim=0.88),
    'sizes falling': Kind('multiplicative', 6, 0.3, falling=True),
}
SHAPES = {'NMF': (60, 50), 'CP': (20, 18, 16)}
PAIRS = (2, 1), (4, 1), (4, 2), (3, 3)  # topics, features of each of three strata


def columns(d, kind, rng):
    "Nonnegative columns of a factor."
    from ntf_lit.synthetic import _collinear_columns, spread_columns

    if kind.cosine:
        return _collinear_columns(d, kind.rank, kind.cosine, rng)
    return spread_columns(d, kind.rank, rng, 0.7 if d > 2 * kind.rank else 0.95)


def clean_data(shape, kind, rng):
    "What is there besides the noise; its mean is one."
    from ntf_lit.result import CP

    F = [columns(d, kind, rng) for d in shape]
    F[0] = F[0] * (np.geomspace(1, 0.1, kind.rank) if kind.falling else rng.uniform(1, 2, kind.rank))
    M = CP(tuple(F)).full()
    return M / M.mean()


def uneven(M, level, rng):
    "Noise in proportion to the signal, without a mean."
    return M * rng.gamma(1 / level**2, level**2, M.shape)


def with_noise(M, kind, rng):
    if kind.noise == 'counts':
        return rng.poisson(kind.level * M).astype(float)
    if kind.noise == 'multiplicative':
        return uneven(M, kind.level, rng)
    N = rng.standard_normal(M.shape)
    if kind.noise == 'correlated':
        for i in range(1, M.shape[-1]):
            N[..., i] = 0.9 * N[..., i - 1] + 0.19**0.5 * N[..., i]
    return np.maximum(M + N * kind.level * np.linalg.norm(M) / np.linalg.norm(N), 0)


def drawn(kind, shape, seed):
    "Data of a kind."
    rng = np.random.default_rng(seed)
    return with_noise(clean_data(shape, kind, rng), kind, rng)


# --- a search ---


@dataclass(frozen=True)
class Size:
    "How much is tried."

    beyond: int = 4  # Ranks above the right one
    max_iter: int = 300
    shapes: tuple = tuple(SHAPES.items())
    kinds: tuple = tuple(KINDS)
    pairs: tuple = PAIRS
    stratum: tuple = (20, 15, 12)  # Shape of each of three strata
    most: tuple = (7, 4)  # The largest ranks that are tried together


FULL = Size()
QUICK = Size(1, 30, (('NMF', (20, 16)), ('CP', (8, 7, 6))), tuple(KINDS)[:1], PAIRS[:1], (6, 5, 4), (2, 1))


def tried(kind, model, shape, seed, size=FULL):
    "What a search finds, and the seconds of its parts."
    import ntf_lit
    from ntf_lit.choosing import RankSearchCV, _begun

    X, ranks = drawn(kind, shape, seed), range(1, kind.rank + size.beyond + 1)
    make = lambda **kw: getattr(ntf_lit, dict(CP='NCPD').get(model, model))(
        loss=kind.loss, max_iter=size.max_iter, **kw
    )
    for mask in (None, X < X.max()):  # Compiles what is compiled
        make(rank=1, random_state=0).fit(X, mask=mask)
    clock = [time.process_time()]
    for k in ranks:
        make(rank=k, random_state=0).fit(X)
    clock.append(time.process_time())
    search = _begun(RankSearchCV(make(), ranks, random_state=0), X, None, None)[0]
    path = [dict(rank=k) for k in ranks]
    search.try_path(path)
    clock.append(time.process_time())
    t, at = search.choose(search.trials(path), 'auto')
    clock.append(time.process_time())
    ordinary, folds, halves = np.diff(clock).tolist()
    asked = t.stability is not None and len(t.candidates()) > 1
    return dict(
        rank=ranks[at],
        right=kind.right,
        candidates=[ranks[i] for i in t.candidates()],
        ordinary=ordinary / len(ranks),
        folds=folds / len(ranks),
        halves=halves / len(t.candidates()) if asked else None,
    )


def pair_tried(pair, seed, size=FULL):
    "What a search for two ranks finds, and how many of all cells it tries."
    from ntf_lit import StratifiedNTF
    from ntf_lit.choosing import RankSearchCV
    from ntf_lit.synthetic import random_strata

    rng, (n, *dims), (r, q) = np.random.default_rng(seed), size.stratum, size.most
    d = random_strata([n] * 3, dims, *pair, seed=seed)
    est = StratifiedNTF(max_iter=size.max_iter)
    search = RankSearchCV(est, range(1, r + 1), strata_rank=range(q + 1), refit=False, random_state=0)
    search.fit([uneven(A, 0.3, rng) for A in d.tensors])
    best = search.best_params_
    found = (best['rank'], best['strata_rank'])
    return dict(pair=found, right=pair, cells=len(search.cv_results_['params']), grid=r * (q + 1))


# --- all of them ---


def data_sets(size, seeds):
    "(name of a kind, a call that tries a data set of it, seed), seed by seed."
    for seed in seeds:
        for name in size.kinds:
            for model, shape in size.shapes:
                yield f'{name}, {model}', lambda a=(KINDS[name], model, shape): tried(*a, seed, size), seed
        for pair in size.pairs:
            yield f'topics and features {pair}', lambda p=pair: pair_tried(p, seed, size), seed


def collected(path, size, seeds, only=None):
    "{kind: what was found for each seed}, read from a file as far as it goes, and added to it."
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = path.read_text().splitlines() if path.exists() else []
    known = {(r['kind'], r['seed']): r for r in map(json.loads, lines)}
    found = {}
    for name, call, seed in data_sets(size, seeds):
        if only and not any(part in name for part in only):
            continue
        if (name, seed) not in known:
            with warnings.catch_warnings():
                warnings.simplefilter('ignore')
                known[name, seed] = dict(kind=name, seed=seed) | json.loads(json.dumps(call()))
            with path.open('a') as file:
                file.write(json.dumps(known[name, seed]) + '\n')
        found.setdefault(name, []).append(known[name, seed])
    return found


# --- the table ---


def off(r):
    "By how much the chosen rank misses the nearest right one."
    return min(abs(r['rank'] - k) for k in r['right'])


def summed(rows):
    "What the data sets of a kind say together."
    cost = lambda part: [r[part] / r['ordinary'] for r in rows if r[part] is not None]
    return dict(
        found=fmean(off(r) == 0 for r in rows),
        exactly=fmean(r['rank'] == r['right'][0] for r in rows),
        off=fmean(map(off, rows)),
        among=fmean(bool(set(r['right']) & set(r['candidates'])) for r in rows),
        candidates=fmean(len(r['candidates']) for r in rows),
        folds=fmean(cost('folds')),
        halves=fmean(cost('halves') or [nan]),
    )


def line(name, n, found, exactly, off, among, candidates, folds, halves, aim=0.0):
    "A row of the table."
    aimed = f' of {aim:.0%}' + (' missed' if found < aim else '') if aim else ''
    share = f'{found:.0%}{aimed}'
    at = f'{halves:.1f}' if halves == halves else '–'
    numbers = f'{exactly:.0%} | {off:.2f} | {among:.0%} | {candidates:.1f} | {folds:.1f}'
    return f'| {name} | {n} | {share} | {numbers} | {at} |'


HEAD = (
    '| data | sets | found | exactly | off | among | candidates | fits a rank | fits a candidate |\n'
    '|---|---|---|---|---|---|---|---|---|'
)


def misses(rows):
    "The wrong answers: seed, what was chosen, of which candidates."
    wrong = [(r['seed'], r['rank'], r['candidates']) for r in rows if off(r)]
    return '; '.join(f'seed {s}: {k} of {c}' for s, k, c in wrong)


def table(found):
    "All kinds, all together, the wrong answers, and both ranks at once."
    single = {name: rows for name, rows in found.items() if 'rank' in rows[0]}
    pairs = [r for name, rows in found.items() if name not in single for r in rows]
    aims = {name: KINDS[name.rpartition(', ')[0]].aim for name in single}
    lines = [HEAD] if single else []
    lines += [line(name, len(rows), **summed(rows), aim=aims[name]) for name, rows in single.items()]
    if single:
        every = sum(single.values(), [])
        lines.append(line('all', len(every), **summed(every), aim=0.8))
    lines += ['', *(f'{name}: {misses(rows)}' for name, rows in single.items() if misses(rows))]
    if pairs:
        hits = sum(r['pair'] == r['right'] for r in pairs)
        share = fmean(r['cells'] / r['grid'] for r in pairs)
        lines.append(f'Topics and features: {hits} of {len(pairs)} pairs found on {share:.0%} of the grid')
    return '\n'.join(lines)


def rows(quick=False):
    "dict(name, ours_seconds, peer_seconds, ratio, note, ...) of each kind: folds against an ordinary fit."
    seeds = range(1 if quick else 3)
    found = collected(OUT.with_stem(f'choosing_{time.time_ns()}'), QUICK if quick else FULL, seeds)
    for name, of_kind in found.items():
        if 'rank' not in of_kind[0]:
            continue
        ours, fit = ([r[part] for r in of_kind] for part in ('folds', 'ordinary'))
        s = summed(of_kind)
        note = f'found {s["found"]:.0%}, off by {s["off"]:.2f}, among {s["candidates"]:.1f} candidates'
        yield row(f'{name}: five folds of a rank', 'RankSearchCV', 'a fit', ours, fit, '≤ 10', note, False)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--quick', action='store_true', help='small data, one kind of each')
    parser.add_argument('--seeds', type=int, default=10, help='how many data sets of each kind')
    parser.add_argument('--first', type=int, default=0, help='the first seed')
    parser.add_argument('--only', nargs='+', metavar='KIND', help='kinds whose names contain one of these')
    parser.add_argument('--out', type=Path, default=OUT, help='what was found; goes on from there')
    given = parser.parse_args()
    threadpool_limits(1)
    seeds = range(given.first, given.first + given.seeds)
    found = collected(given.out, QUICK if given.quick else FULL, seeds, given.only)
    print(f'{time.strftime("%Y-%m-%d")}, seeds {seeds[0]} to {seeds[-1]}\n\n{table(found)}')


if __name__ == '__main__':
    main()
