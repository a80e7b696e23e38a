"""A training step of Neural NCPD next to the same step by scipy.optimize.nnls and pseudoinverses.

    OMP_NUM_THREADS=1 python benchmarks/bench_neural.py [--quick]

A step is forward, backward, Adam, projection. The peer's step has the same variables and the same loss; its
least squares answers come column by column, and its loss from the reconstructed tensor of each layer. That
tensor is a sum of outer products, one component after another, as in the published code; or, to see how much
of the ratio is due to that, one product. Both run in one process on the same data, in turn. The long tensor
is read from memory twice per step, so a busy machine takes more from ours there than from the peer.
"""

import argparse

import numpy as np
import torch

from bench_nnls import Loop
from harness import cells, in_turn, row, seconds
from ntf_lit.incoming import as_data
from ntf_lit.neural_ncpd import NeuralNCPDModel
from ntf_lit.nnls_layer import torch_data, unit_columns
from ntf_lit.training import TrainingRun

CASES = ((40, 40, 40), (7, 4, 2)), ((8, 10, 12721), (8, 4, 2))


def by_components(F):
    return sum(torch.einsum('i,j,k->ijk', *(f[:, p] for f in F)) for p in range(F[0].shape[1]))


def at_once(F):
    return torch.einsum('ir,jr,kr->ijk', *F)


def loop_loss(X, cp, A, layers, tensor):
    "The energy, from reconstructed tensors."
    N, S, top, total = len(cp), list(cp), [None] * len(cp), 0.0
    for l in range(layers):
        for k in range(N):
            a = A[k] if l == 0 else A[N + l - 1][k]
            S[k] = Loop.apply(S[k], a)
            top[k] = a if l == 0 else top[k] @ a
        total = total + 0.5 * ((X - tensor([t @ s for t, s in zip(top, S)])) ** 2).sum()
    return total


def problem(shape, ranks, seed=0):
    "A noisy tensor, its factors as the NCPD, random topics and links."
    rng = np.random.default_rng(seed)
    cp = [rng.random((d, ranks[0])) ** 2 for d in shape]
    X = np.einsum('ir,jr,kr->ijk', *cp)
    data = torch_data(as_data(X + 0.1 * X.mean() * rng.random(shape)))
    cp = tuple(torch.tensor(f * data.scale ** (1 / 3)) for f in cp)
    init = (
        *(unit_columns(torch.tensor(rng.random((d, ranks[1])))) for d in shape),
        *(unit_columns(torch.tensor(rng.random((len(shape), *r)))) for r in zip(ranks[1:], ranks[2:])),
    )
    return NeuralNCPDModel(data=data, cp=cp, init=init)


class LoopModel(NeuralNCPDModel):
    "The same model, its loss the peer's way."

    tensor = staticmethod(by_components)

    def loss_of(self, A):
        return loop_loss(
            self.data.arrays[0] * self.data.scale, self.cp, A, len(self.init) - len(self.cp) + 1, self.tensor
        )


class LoopAtOnce(LoopModel):
    "A kinder peer."

    tensor = staticmethod(at_once)


def a_step(live, n):
    "Seconds a step, of n."
    return seconds(lambda: [live.step() for _ in range(n)]) / n


def rows(quick=False):
    "dict(name, ours_seconds, peer_seconds, ratio, note, ...) of each case."
    for shape, ranks in CASES:
        model = problem(shape, ranks)
        for kind, how in ((LoopModel, 'components one by one'), (LoopAtOnce, 'components at once')):
            peer = kind(data=model.data, cp=model.cp, init=model.init)
            a, b = (TrainingRun(m, m.start(), 0) for m in (model, peer))
            pairs = zip(a.variables, b.variables)
            error = max(float((x.grad - y.grad).abs().max() / y.grad.abs().max()) for x, y in pairs)
            a.step(), b.step()
            times = in_turn(
                {'ours': lambda: a_step(a, 20), 'peer': lambda: a_step(b, 5 if max(shape) < 1000 else 1)},
                3 if quick else 9,
            )
            aim = '' if kind is LoopAtOnce else '≥ 4' if max(shape) < 1000 else '≥ 15'
            yield row(
                f'Neural NCPD step, {"x".join(map(str, shape))}, ranks {ranks}',
                'neural_ncpd',
                f'scipy and pinv by columns, {how}',
                *times.values(),
                aim,
                f'gradients agree to {error:.0e}',
            )


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--quick', action='store_true', help='three repeats')
    for r in rows(parser.parse_args().quick):
        print(' | '.join(cells(r)), flush=True)
