"""NCPD next to TensorLy (MU, HALS) and nn-fac (HALS), and our solvers next to each other."""

import os
from dataclasses import dataclass
from functools import reduce
from math import sqrt
from statistics import median

import numpy as np

from harness import Program, Race, present, row

WITHIN = 1e-3  # The target: an error at most 0.1 % above the best that anybody found


# --- the problem ---


def khatri_rao(factors):
    return reduce(lambda A, B: (A[:, None] * B[None]).reshape(-1, A.shape[1]), factors)


def relative_error(X, factors):
    "Norm of what is left over by the norm of the data; here, so that all are measured with one ruler."
    first, *rest = [np.asarray(f, float) for f in factors]
    cross = np.vdot(X.reshape(len(X), -1) @ khatri_rao(rest), first)
    size = reduce(np.multiply, [f.T @ f for f in (first, *rest)]).sum()
    return sqrt(max(1 + (size - 2 * cross) / np.vdot(X, X), 0))


def planted(shape, rank, noise, seed, shape_of_gamma=0.5):
    "A tensor of that rank with noise, and uniform factors of the right size to start from."
    rng = np.random.default_rng(seed)
    truth = [rng.gamma(shape_of_gamma, size=(d, rank)) for d in shape]
    X = (truth[0] @ khatri_rao(truth[1:]).T).reshape(shape)
    X += noise * sqrt((X**2).mean()) * abs(rng.standard_normal(shape))
    return X, sized(X, [rng.random((d, rank)) for d in shape])


def sized(X, factors):
    "The multiple of a model that is nearest to the data, shared out among the modes."
    first, *rest = factors
    cross = np.vdot(X.reshape(len(X), -1) @ khatri_rao(rest), first)
    a = (cross / reduce(np.multiply, [f.T @ f for f in factors]).sum()) ** (1 / len(factors))
    return [a * f for f in factors]


# --- the programs ---


@dataclass(frozen=True)
class Ours(Program):
    "ntf_lit, through its functional layer; the loss of every iteration is part of it."

    rule: str = 'hals'
    inner: int = 3
    kind: str = 'NumPy'  # or 'torch'
    dtype: str = 'float64'

    @property
    def name(self):
        rule = {'hals': f'HALS {self.inner}'}.get(self.rule, self.rule.upper())
        return f'ours, {rule}, {self.kind}{", float32" if self.dtype == "float32" else ""}'

    def prepare(self, X, start):
        X, start = X.astype(self.dtype), [f.astype(self.dtype) for f in start]
        if self.kind == 'NumPy':
            return X, start
        import torch

        return torch.from_numpy(X), [torch.from_numpy(f) for f in start]

    def model(self, X, start):
        from ntf_lit.incoming import as_data
        from ntf_lit.ncpd import NCPDModel

        return NCPDModel(as_data(X), start[0].shape[1], self.rule, self.inner, init=start)

    def run(self, X, start, n):
        from ntf_lit.fit import fit

        return fit(self.model(X, start), max_iter=n).params.factors

    def follow(self, X, start, n, enough):
        "Our HALS remembers where it came from, so it is watched from inside: by a stop rule."
        from ntf_lit.fit import fit

        model = self.model(X, start)
        out = lambda state: model.finish(state.params, state.objective)[0].factors
        fit(model, max_iter=n, stop=[lambda state: state.k and enough(out(state)) or None])


@dataclass(frozen=True)
class Before(Ours):
    "The same by the build that `--against` names, in a process of its own."

    @property
    def name(self):
        return f'the build before{super().name.removeprefix("ours")}'

    @property
    def folder(self):
        return os.environ.get('NTF_LIT_AGAINST')

    def missing(self):
        return [] if self.folder else ['its wheel (--against)']

    def model(self, X, start):
        "`as_data` has moved since."
        from ntf_lit import tensor
        from ntf_lit.ncpd import NCPDModel

        if not hasattr(tensor, 'as_data'):
            return super().model(X, start)
        return NCPDModel(tensor.as_data(X), start[0].shape[1], self.rule, self.inner, init=start)


@dataclass(frozen=True)
class TensorLy(Program):
    rule: str = 'hals'
    needs = ('tensorly',)

    @property
    def name(self):
        return f'TensorLy {self.rule.upper()}'

    def run(self, X, start, n):
        from tensorly.decomposition import non_negative_parafac, non_negative_parafac_hals

        solve = non_negative_parafac_hals if self.rule == 'hals' else non_negative_parafac
        copies = [f.copy() for f in start]  # It writes into them
        return solve(X, copies[0].shape[1], n_iter_max=n, init=(None, copies), tol=1e-300).factors


@dataclass(frozen=True)
class NNFac(Program):
    rule: str = 'hals'
    needs = 'nn_fac', 'tensorly'

    @property
    def name(self):
        return f'nn-fac {self.rule.upper()}'

    def run(self, X, start, n):
        from nn_fac.ntf import ntf

        k = len(start)
        return ntf(
            X,
            start[0].shape[1],
            init='custom',
            factors_0=[f.copy() for f in start],
            n_iter_max=n,
            tol=0,
            update_rule=self.rule,
            sparsity_coefficients=[None] * k,
            fixed_modes=[False] * k,
            normalize=[False] * k,
        )


OWN = [Ours(), Ours(inner=5), Ours('mu'), Ours(kind='torch'), Ours(dtype='float32')]
PEERS = [TensorLy(), TensorLy('mu'), NNFac()]


# --- the rows ---


def iteration_rows(own, peers, problem, what, aims, span, repeats):
    "Seconds per iteration: our first against every peer, then our others against the first peer."
    own, peers = present(own), present(peers)
    with Race([*own, *peers], problem) as race:
        t = race.an_iteration(*span, repeats)
    for ours, peer in pairs(own, peers):
        yield row(
            f'{what}: an iteration',
            ours.name,
            peer.name,
            t[ours],
            t[peer],
            aims.get(peer.name, '') if ours == own[0] else '',
        )


def target_rows(own, peers, problems, what, aims, limit, repeats):
    "Seconds to within 0.1 % of the best error of all, over several problems."
    own, peers = present(own), present(peers)
    times, reached, best = {}, {}, []
    for problem in problems:
        with Race([*own, *peers], problem) as race:
            t, n, b = race.to_target(relative_error, limit, WITHIN, repeats)
        best.append(b)
        for p in t:
            times.setdefault(p, []).extend(t[p])
            reached.setdefault(p, []).append(n[p])
    for ours, peer in pairs(own, peers):
        r = row(
            f'{what}: to 0.1 % of the best error',
            ours.name,
            peer.name,
            times[ours],
            times[peer],
            aims.get(peer.name, '') if ours == own[0] else '',
        )
        yield r | remarks(ours, peer, reached, limit, best)


def pairs(own, peers):
    return [(own[0], p) for p in peers] + [(p, peers[0]) for p in own[1:]]


def remarks(ours, peer, reached, limit, best):
    "How many iterations it took, and who met a limit before the target."
    count = lambda p: f'{median([n or limit(p) for n in reached[p]]):g}' + ('+' if None in reached[p] else '')
    note = f'{count(ours)} and {count(peer)} iterations; best error {median(best):.4f}'
    never = [p.name for p in (ours, peer) if None in reached[p]]
    sign = {(False, True): '> ', (True, False): '< ', (True, True): '? '}.get(
        (None in reached[ours], None in reached[peer]), ''
    )
    return dict(sign=sign, note=note + (f'; not always reached by {", ".join(never)}' if never else ''))


def limit(program):
    return 200 if isinstance(program, Ours) and program.rule == 'hals' else 120


def rows(quick=False):
    "dict(name, ours_seconds, peer_seconds, ratio, note, ...) of each comparison."
    shape, rank = ((100,) * 3, 10) if quick else ((200,) * 3, 20)
    what, problem = f'NCPD {shape[0]}^3, rank {rank}', lambda seed: (planted, shape, rank, 0.1, seed)
    yield from iteration_rows(
        OWN, PEERS, problem(0), what, {'TensorLy HALS': '≥ 3.5'}, (7, 19), 3 if quick else 11
    )
    aims = {'TensorLy HALS': '≥ 3', 'nn-fac HALS': '≥ 3', 'TensorLy MU': '≥ 15'}
    yield from target_rows(
        OWN, PEERS, [problem(s) for s in range(1 if quick else 3)], what, aims, limit, 1 if quick else 5
    )
    if not quick:
        yield from iteration_rows(
            OWN,
            PEERS,
            (planted, (40,) * 3, 7, 0.1, 0),
            'NCPD 40^3, rank 7',
            {'TensorLy HALS': '≥ 10'},
            (12, 112),
            7,
        )
