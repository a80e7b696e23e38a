"""`fit(..., resume=path)`: a fit that was stopped goes on from its file, bit for bit."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from test_faults import corrupt
from test_properties import good

from ntf_lit import HNCPD, HNMF, HNTF, NCPD, NMF, MultiHNTF, StratifiedNMF, StratifiedNTF
from ntf_lit import NeuralNCPD, NeuralNMF
from ntf_lit.compressed import fit_compressed
from ntf_lit.files import LoadError, load_arrays, save_arrays
from ntf_lit.fit import Callback, Checkpoints, best_of, fit
from ntf_lit.incoming import as_data
from ntf_lit.ncpd import NCPDModel
from ntf_lit.reading import in_context, word_pattern
from ntf_lit.result import Status, leaves

RNG = np.random.default_rng(0)
MATRIX, TENSOR = RNG.random((24, 14)), RNG.random((14, 9, 7))
SPARSE = sp.random_array((30, 20), density=0.3, rng=0, format='csr')
APART = [MATRIX[:10], MATRIX[10:]]
HOW = dict(max_iter=30, tol=0.0, random_state=0)
TRAINED = dict(max_epochs=25, tol=0.0, random_state=0)
CASES = {
    'NMF': (NMF, dict(rank=3, **HOW), MATRIX, {}),
    'NMF, three starts': (NMF, dict(rank=3, n_init=3, **HOW), MATRIX, {}),
    'NMF, a race': (NMF, dict(rank=3, n_init=2, **HOW | dict(max_iter=120)), MATRIX, {}),
    'NMF, counts': (NMF, dict(rank=3, loss='kullback-leibler', **HOW), SPARSE, {}),
    'NMF, labels': (NMF, dict(rank=3, label_weight=1.0, **HOW), MATRIX, dict(y=np.arange(24) % 3)),
    'NCPD, sparse': (NMF, dict(rank=3, **HOW), SPARSE, {}),
    'NCPD, compressed': (NCPD, dict(rank=3, compress=5, n_init=2, **HOW), TENSOR, {}),
    'NCPD, torch': (NCPD, dict(rank=3, **HOW), torch.from_numpy(TENSOR), {}),
    'NCPD, weights': (NCPD, dict(rank=2, **HOW), TENSOR, dict(weights=RNG.random(TENSOR.shape))),
    'NCPD, masked': (NCPD, dict(rank=2, **HOW), TENSOR, dict(mask=TENSOR < 0.8)),
    'StratifiedNMF': (StratifiedNMF, dict(rank=2, n_init=3, **HOW), APART, {}),
    'StratifiedNTF': (StratifiedNTF, dict(rank=2, **HOW), TENSOR, dict(strata=np.arange(14) % 2)),
    'HNMF': (HNMF, dict(ranks=(4, 2), n_init=2, **HOW), MATRIX, {}),
    'HNCPD': (HNCPD, dict(ranks=(4, 2), **HOW), TENSOR, {}),
    'HNTF': (HNTF, dict(ranks=(4, 2), **HOW), TENSOR, {}),
    'MultiHNTF': (MultiHNTF, dict(ranks=(4, 2), n_init=2, link_iter=50, **HOW), TENSOR, {}),
    'NeuralNMF': (NeuralNMF, dict(ranks=(4, 2), n_init=2, **TRAINED), MATRIX, {}),
    'NeuralNCPD': (NeuralNCPD, dict(ranks=(3, 2), first=dict(n_init=1), **TRAINED), TENSOR, {}),
}
every_case = pytest.mark.parametrize('name', list(CASES))


class Stop(Callback):
    "Presses Ctrl-C at a sweep, counted over all fits; 0 for never."

    def __init__(self, at=0):
        self.at, self.seen = at, 0

    def after_sweep(self, state):
        self.seen += 1
        if self.seen == self.at:
            raise KeyboardInterrupt


def fitted(name, at=0, path=None, X=None, **other):
    "(estimator, sweeps that were made)."
    build, how, data, beside = CASES[name]
    stop = Stop(at)
    est = build(**how | dict(callbacks=[stop]) | other)
    return est.fit(data if X is None else X, **beside, resume=path), stop.seen


def numbers(est):
    "All that was found, without the clock."
    if hasattr(est, 'layers_'):
        found = [f for layer in est.layers_ for f in (*layer.factors, *layer.links)]
    else:
        found = leaves(est.result_.params)
    past = est.history_ if isinstance(est.history_, list) else [est.history_]
    return [*map(np.asarray, found), *(np.array(h.objective) for h in past if h is not None)]


def same(a, b):
    A, B = numbers(a), numbers(b)
    assert [x.shape for x in A] == [x.shape for x in B] and all(map(np.array_equal, A, B))
    assert a.n_iter_ == b.n_iter_ and a.status_ == b.status_


# By day each at one of the places, by night at all.
@pytest.mark.parametrize(
    'part, name',
    [
        pytest.param(part, name, marks=() if i % 3 == j else pytest.mark.slow)
        for j, part in enumerate([0.1, 0.6, 0.9])
        for i, name in enumerate(CASES)
    ],
)
def test_a_fit_goes_on_where_it_was_stopped(name, part, tmp_path):
    path = tmp_path / 'fit.state'
    whole, sweeps = fitted(name, path=tmp_path / 'another')
    cut, done = fitted(name, at := int(part * sweeps), path)
    states = cut.status_ if isinstance(cut.status_, list) else [cut.status_]
    assert done >= at and (Status.INTERRUPTED in states or name == 'HNCPD')
    again, rest = fitted(name, 0, path)
    same(again, whole)
    assert rest <= sweeps - at and (name == 'HNCPD' or rest == sweeps - at)  # HNCPD: other modes went on
    once_more, none = fitted(name, 0, path)
    same(once_more, whole)
    assert none == 0 and path.exists()


@every_case
def test_resume_changes_nothing(name, tmp_path):
    same(fitted(name)[0], fitted(name, path=tmp_path / 'a')[0])


@pytest.mark.parametrize('at', [35, 59, 60, 61, 89])
def test_interrupted_in_one_of_three_starts(at, tmp_path):
    name = 'NMF, three starts'
    assert fitted(name, at, tmp_path / 'a')[0].status_ is Status.INTERRUPTED
    again, rest = fitted(name, 0, tmp_path / 'a')
    same(again, fitted(name)[0])
    assert rest == 90 - at


def test_stopped_again_and_again(tmp_path):
    name = 'NCPD, compressed'
    whole, sweeps = fitted(name)
    seen = 0
    for _ in range(100):
        est, n = fitted(name, 7, tmp_path / 'a')
        seen += n
        if est.status_ is not Status.INTERRUPTED:
            break
    same(est, whole)
    assert seen == sweeps and est.n_iter_ > 7


def test_an_error_leaves_the_state_and_no_attribute(tmp_path):
    class Fails(Stop):
        def after_sweep(self, state):
            if state.k == 9:
                raise RuntimeError('the lights went out')

    est = NMF(3, **HOW, callbacks=[Fails()])
    before = dict(vars(est))
    with pytest.raises(RuntimeError, match='lights'):
        est.fit(MATRIX, resume=tmp_path / 'a')
    assert vars(est) == before
    again, rest = fitted('NMF', 0, tmp_path / 'a')
    same(again, fitted('NMF')[0])
    assert rest == 30 - 9 and '_checkpoints' not in vars(again)


def test_killed_at_any_sweep(tmp_path):
    "What stands in the file while a fit runs is enough to go on from."
    file, model = tmp_path / 'a', NCPDModel(as_data(TENSOR), 3)

    class Copies(Callback):
        n = 0

        def after_sweep(self, state):
            Copies.n += 1
            shutil.copy(file, tmp_path / f'at{Copies.n}')

    run = lambda path, *calls: best_of(
        model, 2, seed=0, max_iter=8, callbacks=[Checkpoints(path, pause=0.0), *calls]
    )
    whole = run(file, Copies())
    assert Copies.n == 16
    for n in range(1, 17):
        stop = Stop()
        again = run(tmp_path / f'at{n}', stop)
        assert stop.seen == 16 - n and again.history.objective == whole.history.objective
        assert all(map(np.array_equal, leaves(again.params), leaves(whole.params)))


def test_it_is_written_so_often(tmp_path, monkeypatch):
    import ntf_lit.fit as fitting

    writes, plain, clock = [], fitting._write_series, iter(range(10**6))
    monkeypatch.setattr(fitting, '_write_series', lambda *a: writes.append(1) or plain(*a))
    monkeypatch.setattr(fitting.time, 'monotonic', lambda: next(clock))  # a second per look
    model, how = NCPDModel(as_data(TENSOR), 3), dict(seed=0, max_iter=40)
    fit(model, **how, callbacks=[Checkpoints(tmp_path / 'a', pause=1e6)])
    assert len(writes) == 2  # at the beginning, and at the end
    fit(model, **how, callbacks=[Checkpoints(tmp_path / 'b', pause=10)])
    assert 5 <= len(writes) - 2 <= 20


# --- What does not belong ---


@every_case
def test_other_data_are_refused(name, tmp_path):
    X = CASES[name][2]
    change = lambda A: np.concatenate([A[:3] * 1.01, A[3:]])
    if isinstance(X, list):
        X = [change(X[0]), X[1]]
    elif isinstance(X, torch.Tensor):
        X = torch.from_numpy(change(X.numpy()))
    else:
        X = X * 1.01 + X.multiply(X) if sp.issparse(X) else change(X)
    before = (fitted(name, 5, tmp_path / 'a'), (tmp_path / 'a').read_bytes())[1]
    with pytest.raises(LoadError, match='resume: .* belongs to a fit of other data'):
        fitted(name, 0, tmp_path / 'a', X)
    assert (tmp_path / 'a').read_bytes() == before


@pytest.mark.parametrize(
    'other, words',
    [
        (dict(rank=2), 'rank=3, and here rank=2'),
        (dict(loss='kullback-leibler'), "loss='frobenius', and here loss='kullback-leibler'"),
        (dict(alpha_W=0.1), 'alpha_W=0.0, and here alpha_W=0.1'),
        (dict(solver='mu'), "solver='hals', and here solver='mu'"),
        (dict(random_state=1), 'random_state=0, and here random_state=1'),
        (dict(max_iter=31), 'max_iter=30, and here max_iter=31'),
    ],
)
def test_other_settings_are_refused(other, words, tmp_path):
    fitted('NMF', 5, tmp_path / 'a')
    with pytest.raises(LoadError, match=f'belongs to another fit: {words}; give another path'):
        fitted('NMF', 0, tmp_path / 'a', **other)


def test_other_labels_weights_and_masks_are_refused(tmp_path):
    fitted('NMF, labels', 5, tmp_path / 'a')
    fitted('NCPD, masked', 5, tmp_path / 'b')
    with pytest.raises(LoadError, match='other data'):
        NMF(3, label_weight=1.0, **HOW).fit(MATRIX, np.arange(24) % 2, resume=tmp_path / 'a')
    with pytest.raises(LoadError, match='other data'):
        NCPD(2, **HOW).fit(TENSOR, mask=TENSOR < 0.7, resume=tmp_path / 'b')


def test_settings_that_change_no_number_may_change(tmp_path):
    fitted('NMF', 5, tmp_path / 'a', time_limit=1e6)
    same(fitted('NMF', 0, tmp_path / 'a', on_max_iter='ignore')[0], fitted('NMF')[0])


def test_another_estimator_is_refused(tmp_path):
    fitted('NMF', 5, tmp_path / 'a')
    with pytest.raises(LoadError, match='estimator=NMF.*, and here estimator=NCPD'):
        fitted('NCPD, torch', 0, tmp_path / 'a')


REFUSED = {
    'number': (dict(), 3, TypeError, 'resume must be None or the path of a file, not 3'),
    'True': (dict(), True, TypeError, 'resume must be None or the path of a file, not True'),
    'no seed': (dict(random_state=None), 'a', ValueError, 'resume= needs a whole number as random_state='),
    'generator': (
        dict(random_state=np.random.default_rng(0)),
        'a',
        ValueError,
        'resume= needs a whole number as random_state=, .*, not Generator',
    ),
    'jobs': (dict(n_jobs=2), 'a', ValueError, 'n_jobs=2 runs starts in other processes, .* set n_jobs=None'),
    'no folder': (dict(), 'none/a', OSError, 'none'),
    'a folder': (dict(), '.', LoadError, 'cannot be read: it is no regular file'),
}


@pytest.mark.parametrize('what', list(REFUSED))
@pytest.mark.parametrize('kind', ['NMF', 'NCPD', 'StratifiedNMF', 'StratifiedNTF', 'HNMF', 'HNCPD'])
def test_bad_resume(kind, what, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    how, path, error, words = REFUSED[what]
    build = dict(HNMF=HNMF, HNCPD=HNCPD).get(kind) or globals()[kind]
    X = MATRIX if kind == 'HNMF' else TENSOR if kind == 'HNCPD' else good(kind)
    stop = Stop()
    est = build(**dict(random_state=0, callbacks=[stop]) | how)
    before = dict(vars(est))
    with pytest.raises(error, match=words):
        est.fit(X, resume=path)
    assert vars(est) == before and stop.seen == 0 and not os.listdir(tmp_path)


def test_a_first_layer_that_is_not_fitted(tmp_path):
    with pytest.raises(ValueError, match='resume= does not reach into first; fit first by itself'):
        MultiHNTF((3, 2), first=NCPD(3), random_state=0).fit(TENSOR, resume=tmp_path / 'a')
    first = NCPD(3, random_state=0).fit(TENSOR, resume=tmp_path / 'b')
    h = MultiHNTF((3, 2), first=first, random_state=0, link_iter=20)
    same(h.fit(TENSOR, resume=tmp_path / 'c'), MultiHNTF(**h.get_params(deep=False)).fit(TENSOR))


# --- Broken files ---


def test_broken_files(tmp_path):
    "A file is what was written, or it is refused, and stays as it is."
    file = tmp_path / 'a'
    whole, _ = fitted('NMF', path=file)
    data, wrong = file.read_bytes(), []
    for what, broken in corrupt(data, np.random.default_rng(0)):
        file.write_bytes(broken)
        try:
            fitted('NMF', 0, file)
        except LoadError:
            assert file.read_bytes() == broken
        except Exception as e:
            wrong.append((what, repr(e)))
        else:
            wrong.append((what, 'was read'))
    assert not wrong


def changed(i, **new):
    "The numbers of a fit in the file replaced."

    def change(arrays, about):
        about['fits'][i][1] |= new
        return arrays, about

    return change


def with_arrays(**new):
    return lambda arrays, about: (arrays | {name.replace('__', '.'): a for name, a in new.items()}, about)


def without(key):
    return lambda arrays, about: (arrays, {name: v for name, v in about.items() if name != key})


NONSENSE = {
    'no list': lambda arrays, about: (arrays, about | dict(fits=3)),
    'no pairs': lambda arrays, about: (arrays, about | dict(fits=[3])),
    'no key': without('key'),
    'no format': without('format'),
    'another version': lambda arrays, about: (arrays, about | dict(version=2)),
    'nothing said': lambda arrays, about: (arrays, None),
    'no numbers': lambda arrays, about: (arrays, about | dict(fits=[[about['fits'][0][0], None]])),
    'iterations': changed(0, k=7),
    'momentum': changed(0, momentum=7.0),
    'objective': changed(0, objective=0.0),
    'an array more': with_arrays(**{'0__secret': np.ones(3)}),
    'not finite': with_arrays(**{'0__params.0': np.full((24, 3), np.nan)}),
    'negative': with_arrays(**{'0__params.0': np.full((24, 3), -1.0)}),
    'another shape': with_arrays(**{'0__params.0': np.ones((3, 3))}),
}


@pytest.mark.parametrize('what', list(NONSENSE))
def test_files_that_say_nonsense(what, tmp_path):
    "The checksum of these files is right."
    file = tmp_path / 'a'
    fitted('NMF', 9, file)
    arrays, about = load_arrays(file)
    save_arrays(file, *NONSENSE[what](arrays, about))
    with pytest.raises(LoadError, match='resume: '):
        fitted('NMF', 0, file)


def test_a_checkpoint_of_one_fit_is_not_one_of_a_series(tmp_path):
    from ntf_lit.fit import Checkpoint

    fit(NCPDModel(as_data(MATRIX), 3), seed=0, max_iter=5, callbacks=[Checkpoint(tmp_path / 'a')])
    with pytest.raises(LoadError, match='is not a file of a fit with resume='):
        fitted('NMF', 0, tmp_path / 'a')
    fitted('NMF', 5, tmp_path / 'b')
    with pytest.raises(LoadError, match='is not a checkpoint of this model'):
        fit(NCPDModel(as_data(MATRIX), 3), seed=0, resume=tmp_path / 'b')


def test_vocabularies_and_functions_as_settings(tmp_path):
    "A setting of any length has its place in the header; a function is known by its name."
    words = [f'word{i}' for i in range(14)]
    make = lambda last: NMF(2, seeds=[['word1'], ['word2']], vocabulary=[*words[:-1], last], **HOW)
    make('z' * 10**6).fit(MATRIX, resume=tmp_path / 'a')
    with pytest.raises(LoadError, match='vocabulary=.*sha256'):
        make('y' * 10**6).fit(MATRIX, resume=tmp_path / 'a')
    assert Path(tmp_path / 'a').stat().st_size < 20000


# --- Beside it ---


@pytest.mark.parametrize('sweeps', [0, 1, 2, 3, 10])
def test_a_compressed_fit_makes_no_more_sweeps_than_it_may(sweeps):
    model = NCPDModel(as_data(TENSOR), 2)
    assert fit_compressed(model, compress=5, seed=0, max_iter=sweeps)[0].n_iter <= sweeps
    assert NCPD(2, compress=5, max_iter=sweeps, tol=0.0, random_state=0).fit(TENSOR).n_iter_ <= sweeps


@pytest.mark.parametrize('width', range(1, 40))
def test_context_is_of_whole_words(width):
    text = 'incomprehensibilities   of a  star   and\n\n electroencephalographically speaking, far away'
    known = set(text.split())
    for before, word, after in in_context(text, word_pattern('star'), width)[0]:
        assert word == 'star' and set(before.split()) <= known and set(after.split()) <= known
        assert len(before.strip()) <= width and len(after.strip()) <= width
