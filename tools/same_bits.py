"""Does another build give the same bits?  python tools/same_bits.py OTHER.whl [--sweeps 15] [--json FILE]

Every estimator is fitted by both builds, this checkout and the wheel, each in a process of its own, on one
thread, from the same starts: rules by kinds of data by losses, penalties and labels. Compared are all arrays
that a fit leaves, the objective of every sweep, the status, and what `transform`, `predict` and `score` say.
Exits with 1 on a difference.
"""

import argparse
import hashlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
ONE_THREAD = dict.fromkeys(('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS'), '1')
RULES = 'mu', 'hals', 'nnls'


# --- Data: the same numbers in every form that is taken ---


def low_rank(shape, rank, seed):
    "A nonnegative tensor of low rank with some noise and a zero here and there."
    rng = np.random.default_rng(seed)
    letters = 'abcdefgh'[: len(shape)]
    factors = [rng.gamma(1.0, 1.0, (d, rank)) for d in shape]
    X = np.einsum(','.join(f'{c}z' for c in letters) + '->' + letters, *factors)
    X = X * rng.uniform(0.5, 1.5, shape)
    X[rng.random(shape) < 0.15] = 0.0
    return X


def torch_of(X):
    import torch

    return torch.from_numpy(np.array(X))


def sparse_of(X):
    "Most entries dropped: CSR for matrices, coordinates for tensors."
    import scipy.sparse as sp

    thin = np.where(np.random.default_rng(5).random(X.shape) < 0.3, X, 0.0)
    if X.ndim == 2:
        return sp.csr_array(thin)
    from ntf_lit.tensor import COO

    at = np.nonzero(thin)
    return COO(np.stack(at), thin[at], X.shape)


KINDS = {
    'dense': lambda X: X,
    'float32': lambda X: X.astype(np.float32),
    'integers': lambda X: np.round(X).astype(np.int64),
    'torch': torch_of,
    'torch32': lambda X: torch_of(X.astype(np.float32)),
    'sparse': sparse_of,
    'tiny': lambda X: X * 1e-20,
}


def mask_of(X, seed=6):
    return np.random.default_rng(seed).random(X.shape) < 0.8


def frame_of(X):
    import pandas as pd

    return pd.DataFrame(X, columns=[f'term {j}' for j in range(X.shape[1])])


# --- Cases: (family, name, estimator, arguments of fit) ---


def flat_cases(n):
    import ntf_lit as nl

    for shape in (30, 14), (12, 10, 9), (7, 6, 5, 8):
        X = low_rank(shape, 3, len(shape))
        make = nl.NMF if len(shape) == 2 else nl.NCPD
        kw = dict(rank=4, max_iter=n, tol=0, random_state=3)
        for rule, (kind, f) in itertools.product(RULES, KINDS.items()):
            yield 'flat', f'{len(shape)} modes, {rule}, {kind}', make(solver=rule, **kw), (f(X),), {}
        for rule in RULES:
            yield (
                'flat, mask',
                f'{len(shape)} modes, {rule}',
                make(solver=rule, **kw),
                (X,),
                dict(mask=mask_of(X)),
            )
            given = [np.random.default_rng(7).random((d, 4)) for d in shape]
            for init in 'uniform', 'nndsvd', given:
                name = init if isinstance(init, str) else 'given'
                yield (
                    'flat, starts',
                    f'{len(shape)} modes, {rule}, {name}',
                    make(solver=rule, init=init, **kw),
                    (X,),
                    {},
                )
            yield (
                'flat, starts',
                f'{len(shape)} modes, {rule}, 3 starts',
                make(solver=rule, n_init=3, **kw),
                (X,),
                {},
            )
        for kind, f in KINDS.items():
            made = make(solver='mu', loss='kullback-leibler', **kw)
            yield 'Kullback-Leibler', f'{len(shape)} modes, {kind}', made, (f(X),), {}
        masked = make(solver='mu', loss='kullback-leibler', **kw)
        yield 'Kullback-Leibler', f'{len(shape)} modes, mask', masked, (X,), dict(mask=mask_of(X))
    X = low_rank((30, 14), 3, 2)
    y = np.arange(30) % 3
    y[::4] = -1
    for rule, kind in itertools.product(RULES, ('dense', 'float32', 'torch', 'sparse')):
        made = nl.NMF(4, solver=rule, label_weight=2.0, max_iter=n, tol=0, random_state=3)
        yield 'labels', f'{rule}, {kind}', made, (KINDS[kind](X), y), {}
    yield 'flat', 'frame', nl.NMF(4, max_iter=n, tol=0, random_state=3), (frame_of(X),), {}


def strata_cases(n):
    import ntf_lit as nl

    for dims in (14,), (10, 9), (6, 5, 8):
        sizes = 9, 4, 6
        Xs = [low_rank((m, *dims), 3, m) for m in sizes]
        make = nl.StratifiedNMF if len(dims) == 1 else nl.StratifiedNTF
        order = f'{len(dims) + 1} modes'
        kw = dict(rank=4, strata_rank=2, max_iter=n, tol=0, random_state=3)
        for rule, (kind, f) in itertools.product(RULES, KINDS.items()):
            yield 'strata', f'{order}, {rule}, {kind}', make(solver=rule, **kw), ([f(X) for X in Xs],), {}
        for rule in RULES:
            masks = [mask_of(X, i) for i, X in enumerate(Xs)]
            yield 'strata, mask', f'{order}, {rule}', make(solver=rule, **kw), (Xs,), dict(mask=masks)
            ragged = make(solver=rule, **kw | dict(strata_rank=(2, 1, 3)))
            yield 'strata', f'{order}, {rule}, ranks of their own', ragged, (Xs,), {}
            none = make(solver=rule, **kw | dict(strata_rank=0))
            yield 'strata', f'{order}, {rule}, no features', none, (Xs,), {}
            whole, labels = np.concatenate(Xs), np.repeat(list('abc'), sizes)
            mixed = np.random.default_rng(8).permutation(len(whole))
            by_label = dict(strata=labels[mixed])
            yield 'strata', f'{order}, {rule}, labels', make(solver=rule, **kw), (whole[mixed],), by_label
            yield 'strata', f'{order}, {rule}, dict', make(solver=rule, **kw), (dict(zip('abc', Xs)),), {}
            once = make(solver=rule, **kw | dict(rounds=1, inner=1, init='uniform'))
            yield 'strata', f'{order}, {rule}, uniform, one round', once, (Xs,), {}
        for tv, rule, kind in itertools.product(
            ('component', 'normalized', 'paper'), RULES, ('dense', 'torch', 'float32')
        ):
            if tv == 'paper' and rule != 'mu':
                continue
            made = make(solver=rule, tv=tv, tv_weight=0.02, **kw)
            yield 'strata, TV', f'{order}, {tv}, {rule}, {kind}', made, ([KINDS[kind](X) for X in Xs],), {}
        for tv, rule in itertools.product(('component', 'normalized'), RULES):
            made = make(solver=rule, tv=tv, tv_weight=0.02, tv_modes=1, **kw | dict(strata_rank=0))
            yield 'strata, TV', f'{order}, {tv}, {rule}, no features', made, (Xs,), {}
            made = make(solver=rule, tv=tv, tv_weight=0.02, **kw)
            yield (
                'strata, TV',
                f'{order}, {tv}, {rule}, mask',
                made,
                (Xs,),
                dict(mask=[mask_of(X) for X in Xs]),
            )
            made = make(solver=rule, tv=tv, tv_weight=0.02, **kw)
            yield 'strata, TV', f'{order}, {tv}, {rule}, sparse', made, ([sparse_of(X) for X in Xs],), {}


def hierarchy_cases(n):
    import ntf_lit as nl

    X = low_rank((30, 14), 3, 2)
    y = np.arange(30) % 3
    y[::4] = -1
    kw = dict(ranks=(5, 3, 2), max_iter=n, tol=0, random_state=3)
    for rule, kind in itertools.product(RULES, ('dense', 'float32', 'torch', 'sparse')):
        yield 'HNMF', f'{rule}, {kind}', nl.HNMF(solver=rule, **kw), (KINDS[kind](X),), {}
        yield (
            'HNMF',
            f'{rule}, {kind}, labels',
            nl.HNMF(solver=rule, label_weight=2.0, **kw),
            (KINDS[kind](X), y),
            {},
        )
    for shape in (12, 10, 9), (7, 6, 5, 8):
        T = low_rank(shape, 3, len(shape))
        for kind in 'dense', 'float32', 'torch', 'sparse':
            order = f'{len(shape)} modes, {kind}'
            D = KINDS[kind](T)
            for rule in RULES:
                yield 'HNCPD', f'{order}, {rule}', nl.HNCPD(solver=rule, **kw), (D,), {}
                for mode in 0, 1:
                    yield (
                        'HNTF',
                        f'{order}, {rule}, mode {mode}',
                        nl.HNTF(solver=rule, mode=mode, **kw),
                        (D,),
                        {},
                    )
            for train in 'exact', 'average':
                made = nl.MultiHNTF(train=train, n_init=3, link_iter=40, **kw)
                yield 'Multi-HNTF', f'{order}, {train}', made, (D,), {}
                labels = np.arange(shape[0]) % 2
                made = nl.MultiHNTF(train=train, n_init=3, link_iter=40, label_weight=0.5, **kw)
                yield 'Multi-HNTF', f'{order}, {train}, labels', made, (D, labels), {}
        made = nl.MultiHNTF(train='exact', n_init=3, link_iter=40, **kw)
        yield 'Multi-HNTF', f'{len(shape)} modes, mask', made, (T,), dict(mask=mask_of(T))


def neural_cases(n):
    import ntf_lit as nl

    X = low_rank((30, 14), 3, 2)
    y = np.arange(30) % 3
    kw = dict(ranks=(5, 3, 2), max_epochs=n, race_epochs=4, random_state=3, optimizer='adam')
    for loss, kind in itertools.product(('energy', 'reconstruction'), ('dense', 'float32', 'torch')):
        yield 'Neural NMF', f'{loss}, {kind}', nl.NeuralNMF(loss=loss, n_init=2, **kw), (KINDS[kind](X),), {}
        for label_loss in 'squared', 'cross-entropy':
            made = nl.NeuralNMF(loss=loss, label_weight=1.0, label_loss=label_loss, **kw)
            yield 'Neural NMF', f'{loss}, {kind}, {label_loss}', made, (KINDS[kind](X), y), {}
        yield (
            'Neural NMF',
            f'{loss}, {kind}, l1',
            nl.NeuralNMF(loss=loss, l1=0.01, init='random', **kw),
            (KINDS[kind](X),),
            {},
        )
    first = dict(max_iter=n, n_init=2)
    for shape in (12, 10, 9), (7, 6, 5, 8):
        T = low_rank(shape, 3, len(shape))
        cases = itertools.product(('energy', 'reconstruction', 'factors'), ('dense', 'torch'), (False, True))
        for loss, kind, together in cases:
            made = nl.NeuralNCPD(loss=loss, train_factors=together, first=first, n_init=2, **kw)
            name = f'{len(shape)} modes, {loss}, {kind}{", factors too" if together else ""}'
            yield 'Neural NCPD', name, made, (KINDS[kind](T),), {}
        made = nl.MultiHNTF(
            ranks=(5, 3, 2), train='joint', n_init=2, link_iter=20, max_iter=n, random_state=3
        )
        yield 'Multi-HNTF', f'{len(shape)} modes, joint', made, (T,), {}


def cases(n):
    for family in flat_cases, strata_cases, hierarchy_cases, neural_cases:
        yield from family(n)


# --- What a fit leaves, as text ---

FITTED = (
    'weights_',
    'factors_',
    'topics_',
    'strata_features_',
    'label_components_',
    'W_',
    'A_',
    'S_',
    'classes_',
)
NUMBERS = 'objective_', 'relative_error_', 'n_iter_'


def digest(value):
    "A short text that is the same only for the same bits."
    if value is None or isinstance(value, (bool, int, str)):
        return repr(value)
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, dict):
        return {str(k): digest(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [digest(v) for v in value]
    if hasattr(value, 'detach'):
        value = value.detach().numpy()
    a = np.ascontiguousarray(value)
    head = f'{a.dtype} {a.shape}'
    data = repr(a.tolist()).encode() if a.dtype == object else a.tobytes()
    return f'{head} {hashlib.sha256(data).hexdigest()[:16]}'


def status_of(status):
    return (
        [status_of(s) for s in status] if isinstance(status, (list, tuple)) else getattr(status, 'name', None)
    )


def history_of(history):
    if isinstance(history, (list, tuple)):
        return [history_of(h) for h in history]
    return None if history is None else digest([float(v) for v in history.objective])


def layers_of(layers):
    return [digest([layer.factors, layer.links, layer.relative_error]) for layer in layers]


def asked(estimator, X, fit_kw):
    "What a fitted estimator says of its data."
    out = {}
    kw = {k: v for k, v in fit_kw.items() if k in ('mask', 'strata')}
    for verb in 'transform', 'score', 'predict':
        try:
            out[verb] = digest(getattr(estimator, verb)(X, **(kw if verb == 'transform' else {})))
        except Exception as e:  # what is refused must be refused by both
            out[verb] = type(e).__name__
    return out


def outcome(estimator, args, kw):
    try:
        estimator.fit(*args, **kw)
    except Exception as e:
        return {'raised': f'{type(e).__name__}: {e}'}
    out = {k: digest(getattr(estimator, k)) for k in FITTED + NUMBERS if hasattr(estimator, k)}
    out['status'], out['history'] = status_of(estimator.status_), history_of(estimator.history_)
    if hasattr(estimator, 'layers_'):
        out['layers'] = layers_of(estimator.layers_)
    return out | asked(estimator, args[0], kw)


def run(sweeps):
    "Fit everything with the `ntf_lit` that Python finds; the outcomes go to standard output."
    warnings.simplefilter('ignore')
    import ntf_lit

    found = {f'{family}: {name}': outcome(*rest) for family, name, *rest in cases(sweeps)}
    json.dump(dict(home=str(Path(ntf_lit.__file__).parent), found=found), sys.stdout)


# --- Both builds side by side ---


def ran(where, sweeps):
    env = os.environ | ONE_THREAD | dict(PYTHONPATH=str(where), PYTHONHASHSEED='0')
    cmd = [sys.executable, __file__, '--run', '--sweeps', str(sweeps)]
    done = subprocess.run(
        cmd, env=env, cwd=tempfile.gettempdir(), stdout=subprocess.PIPE, text=True, check=True
    )
    out = json.loads(done.stdout)
    if Path(out['home']).parent.resolve() != Path(where).resolve():
        sys.exit(f'{where} was asked for, {out["home"]} came')
    return out['found']


def differing(a, b):
    return [k for k in sorted(a.keys() | b.keys()) if a.get(k) != b.get(k)]


def table(here, there):
    "A line per family: cases, equal ones; then what differs."
    total, equal, lines = Counter(), Counter(), []
    for name in here.keys() | there.keys():
        family = name.split(':')[0]
        total[family] += 1
        parts = differing(here.get(name, {}), there.get(name, {}))
        equal[family] += not parts
        if parts:
            lines.append(f'  {name}: {", ".join(parts)}')
    rows = [f'{family:20}{total[family]:7}{equal[family]:7}' for family in sorted(total)]
    rows.append(f'{"all":20}{sum(total.values()):7}{sum(equal.values()):7}')
    return '\n'.join([f'{"":20}{"cases":>7}{"equal":>7}', *rows, *sorted(lines)]), not lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('wheel', nargs='?')
    parser.add_argument('--sweeps', type=int, default=15)
    parser.add_argument('--json')
    parser.add_argument('--run', action='store_true', help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run:
        return run(args.sweeps)
    if not args.wheel:
        parser.error('name the wheel of the other build')
    with tempfile.TemporaryDirectory() as other:
        pip = [sys.executable, '-m', 'pip', 'install', '-q', '--no-deps', '--target', other, args.wheel]
        subprocess.run(pip, check=True)
        here, there = ran(ROOT, args.sweeps), ran(other, args.sweeps)
    if args.json:
        Path(args.json).write_text(json.dumps(dict(here=here, there=there), indent=1))
    text, same = table(here, there)
    print(text)
    return int(not same)


if __name__ == '__main__':
    sys.exit(main())
