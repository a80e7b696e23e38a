"""NMF next to scikit-learn (cd, mu) and nn-fac (HALS), on dense matrices."""

from dataclasses import dataclass

import bench_ncpd
from bench_ncpd import OWN, iteration_rows, planted, sized, target_rows
from harness import Program


@dataclass(frozen=True)
class ScikitLearn(Program):
    solver: str = 'cd'
    needs = ('sklearn',)

    @property
    def name(self):
        return f'scikit-learn {self.solver}'

    def run(self, X, start, n):
        import warnings
        from sklearn.decomposition import non_negative_factorization

        W, H = start[0].copy(), start[1].T.copy()  # It writes into them
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # That n iterations were not enough
            W, H, _ = non_negative_factorization(
                X, W, H, n_components=len(H), init='custom', solver=self.solver, tol=0, max_iter=n
            )
        return [W, H.T]


@dataclass(frozen=True)
class NNFac(bench_ncpd.NNFac):
    def run(self, X, start, n):
        from nn_fac.nmf import nmf

        W, H = nmf(
            X,
            start[0].shape[1],
            init='custom',
            U_0=start[0],
            V_0=start[1].T,
            n_iter_max=n,
            tol=0,
            update_rule=self.rule,
        )
        return [W, H.T]


def faces(rank, seed):
    "400 faces of 64 × 64 pixels, one face per row; a stand-in of that shape where they cannot be had."
    import numpy as np
    from ntf_lit.datasets import DataUnavailable, olivetti_strata

    try:
        X = olivetti_strata().X.reshape(400, -1)
    except DataUnavailable:
        return planted((400, 4096), rank, 0.2, seed)
    rng = np.random.default_rng(seed)
    return X, sized(X, [rng.random((d, rank)) for d in X.shape])


PEERS = [ScikitLearn(), ScikitLearn('mu'), NNFac()]


def limit(n):
    "How far each is followed: our HALS n iterations, `cd` three times as many; what is slow not as far."

    def of(program):
        if isinstance(program, NNFac):
            return 40
        if 'mu' in program.name.lower():
            return 100
        return 3 * n if isinstance(program, ScikitLearn) else n

    return of


def rows(quick=False):
    "dict(name, ours_seconds, peer_seconds, ratio, note, ...) of each comparison."
    wide = (200, 4000 if quick else 40000)
    problems = {
        f'NMF {wide[0]} × {wide[1]}, rank 20': (lambda seed: (planted, wide, 20, 0.1, seed), 200, '≥ 4'),
        'NMF faces 400 × 4096, rank 40': (lambda seed: (faces, 40, seed), 300, '≥ 2'),
    }
    for what, (problem, n, aim) in problems.items():
        if not quick:
            yield from iteration_rows(OWN, PEERS, problem(0), what, {}, (7, 27), 5)
        yield from target_rows(
            OWN,
            PEERS,
            [problem(s) for s in range(1 if quick else 3)],
            what,
            {'scikit-learn cd': aim},
            limit(n),
            1 if quick else 3,
        )
