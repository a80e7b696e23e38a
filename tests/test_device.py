"""Computing on a device: nothing comes back to the host in a sweep; and its benchmark, on the processor.

A tensor on torch's device 'meta' has a shape and no numbers: whoever asks for them fails. So a sweep that
runs there would run on any device without a copy of an array to the host. The few numbers that a sweep does
look at, its objective, are counted.
"""

import importlib
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ntf_lit.incoming import as_data, as_strata
from ntf_lit.ncpd import NCPDModel
from ntf_lit.penalties import L1, L2
from ntf_lit.result import leaves, rebuild
from ntf_lit.stratified import StrataModel

DEVICE = 'meta'


class Watched(TorchDispatchMode):
    "Counts the single numbers that are looked at, and notes every tensor that changes its device."

    def __init__(self):
        super().__init__()
        self.numbers, self.moves = 0, []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func is torch.ops.aten._local_scalar_dense.default:
            self.numbers += 1
            return 1.0
        out = func(*args, **(kwargs or {}))
        self.moves += self.moved(args, out if isinstance(out, (tuple, list)) else [out])
        return out

    def moved(self, args, out):
        "(from, to, how many numbers) of what comes out on another device than what went in."
        came = {a.device.type for a in args if isinstance(a, torch.Tensor)}
        tensors = [o for o in out if isinstance(o, torch.Tensor)]
        return [(came, o.device.type, o.numel()) for o in tensors if came and came != {o.device.type}]


def on_device(model, params):
    "The same model and parameters, on the device."
    data = replace(model.data, arrays=tuple(a.to(DEVICE) for a in model.data.arrays))
    return replace(model, data=data), rebuild(params, [a.to(DEVICE) for a in leaves(params)])


def sweeps(model, n=2):
    "(numbers looked at, moves) in each of some sweeps past the warm-up, after one that makes what is kept."
    params, _ = model.sweep(model.start(np.random.default_rng(0)), 0)
    model, params = on_device(model, params)
    for k in range(10, 11 + n):
        with Watched() as seen:
            params, _ = model.sweep(params, k)
        if k > 10:
            yield seen.numbers, seen.moves


def cp(order, rule='hals', **kw):
    rng = np.random.default_rng(1)
    return NCPDModel(as_data(torch.tensor(rng.random(order))), 3, rule, **kw)


def strata(sizes, dims, rule):
    rng = np.random.default_rng(2)
    data, offsets = as_strata([torch.tensor(rng.random((n, *dims))) for n in sizes])
    return StrataModel(data, 3, rule, strata_rank=(2,) * len(sizes), offsets=tuple(offsets))


CP = {
    f'{rule} {len(order)}': lambda order=order, rule=rule: cp(order, rule)
    for rule in ('mu', 'hals')
    for order in ((8, 7), (6, 5, 4), (5, 4, 3, 3))
}
STRATA = {
    f'{rule} {sizes} {len(dims)}': lambda sizes=sizes, dims=dims, rule=rule: strata(sizes, dims, rule)
    for rule in ('mu', 'hals')
    for sizes in ((4, 4), (4, 3))
    for dims in ((5,), (5, 6), (5, 4, 3))
}
CP['prices'] = lambda: cp((6, 5, 4), penalties=(L2((0.1,) * 3), L1((0.1,) * 3)))


@pytest.mark.parametrize('name', [*CP, *STRATA])
def test_nothing_comes_back_but_the_objective(name):
    "Three numbers, two more with strata, four per price; to the device goes one number per stratum."
    for numbers, moves in sweeps((CP | STRATA)[name]()):
        assert numbers <= (11 if name == 'prices' else 3 if name in CP else 5), numbers
        assert all(to == DEVICE and size <= 2 for _, to, size in moves), moves


def test_watch_sees_a_copy():
    "What is looked for is found: a number that is read, and an array that moves."
    with Watched() as seen:
        float(torch.ones(3).sum())
        torch.ones(2, 3).to(DEVICE)
    assert seen.numbers == 1 and seen.moves == [({'cpu'}, DEVICE, 6)]
    with pytest.raises(NotImplementedError):
        torch.ones(3, device=DEVICE).cpu()


# --- the benchmark ---

TINY = dict(times=1, side=12, text=(60, 80), layer=(30, 5, 40), square=64, long=1 << 12)


@pytest.fixture
def bench():
    "The module benchmarks/bench_cuda.py."
    return importlib.import_module('bench_cuda')


@pytest.mark.slow
def test_benchmark_on_the_processor(bench, monkeypatch):
    "Every row is made, with its bound and its share of it."
    few = lambda: [np.random.default_rng(s).random((3, 8, 9)) for s in range(4)]
    monkeypatch.setattr('ntf_lit.datasets.olivetti_strata', lambda: type('', (), dict(tensors=few())))
    rows = list(bench.rows(device='cpu', size=TINY))
    names = [r['name'].split(',')[0] for r in rows]
    assert names == [
        *['Stratified-NTF'] * 2,
        *['NCPD 12^3'] * 2,
        *['NMF of text 60 × 80'] * 2,
        'NNLS layer (30',
    ]
    for r in rows:
        assert r['ours_seconds'] > 0 and r['peer_seconds'] > 0 and 'of the limit' in r['note']
        assert r['ratio'] == pytest.approx(r['ours_seconds'] / r['peer_seconds'])


@pytest.mark.skipif(torch.cuda.is_available(), reason='there is a CUDA device here')
def test_benchmark_without_a_device(bench, monkeypatch, capsys):
    "It says so, and stops."
    assert list(bench.rows()) == []
    monkeypatch.setattr(sys, 'argv', ['bench_cuda.py'])
    bench.main()
    first, second = capsys.readouterr().out.splitlines()
    assert first == second and 'has no CUDA device' in first
