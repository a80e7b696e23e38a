"""Files of fitted models: what comes back, what is refused, and that nothing runs."""

import gc
import json
import os
import pickle
import resource
import sys
import time

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from test_refits import ALL, FLAT, STRATA, data, fitted, made

import ntf_lit
from ntf_lit import TopicBrowser
from ntf_lit.checks import host
from ntf_lit.files import LoadError, load_arrays, save_arrays
from ntf_lit.fit import Checkpoint, fit
from ntf_lit.hierarchy_estimators import HNCPD
from ntf_lit.incoming import as_data
from ntf_lit.merge_split import merge_nodes
from ntf_lit.ncpd import NCPDModel
from ntf_lit.result import CP, Hierarchy, History, Strata, leaves
from ntf_lit.saving import _Reader, _written, load, save
from ntf_lit.tables import topic_shares, topic_terms

BY = dict.fromkeys(STRATA, dict(stratum='b'))
LABELLED = ['NMF', 'HNMF', 'MultiHNTF', 'NeuralNMF']


def equal(a, b):
    "The same settings and findings, to the last bit and kind."
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for k in a:
            equal(a[k], b[k])
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            equal(x, y)
    elif isinstance(a, np.ndarray | torch.Tensor):
        x, y = host(a), host(b)
        same = x.tolist() == y.tolist() if x.dtype == object else x.tobytes() == y.tobytes()
        assert x.dtype == y.dtype and x.shape == y.shape and same
    elif hasattr(a, '__dict__') and type(a).__module__.startswith('ntf_lit') and not hasattr(a, 'name'):
        own = {k: v for k, v in vars(a).items() if k not in ('penalties', 'init', 'labels')}
        equal(own, {k: v for k, v in vars(b).items() if k in own})
    elif isinstance(a, float):
        assert a == b or a != a and b != b
    else:
        assert a == b


def returned(m, tmp_path):
    save(tmp_path / 'm', m)
    return load(tmp_path / 'm')


FORMS = [(kind, form) for kind in ALL for form in ('float64', 'float32', 'torch')]
FORMS += [(kind, 'frame') for kind in ('NMF', 'StratifiedNMF', 'HNMF', 'NeuralNMF')]


@pytest.mark.parametrize('kind, form', FORMS)
def test_every_estimator_comes_back(kind, form, tmp_path):
    X = data(kind)
    make = dict(float64=lambda A: A, float32=lambda A: A.astype('f4'), torch=torch.from_numpy)
    X = make.get(form, lambda A: A)(X)
    if form == 'frame':
        X = pd.DataFrame(X, index=list('ABCDEFGHI'), columns=[f'w{i}' for i in range(X.shape[1])])
    how = dict(strata=list('aaabbbccc')) if kind in STRATA else {}
    m = made(kind).fit(X, **how)
    back = returned(m, tmp_path)
    equal(vars(m), vars(back))
    new = X[:4]
    W, V = (host(np.asarray(e.transform(new, **BY.get(kind, {})))) for e in (m, back))
    assert W.tobytes() == V.tobytes() and W.dtype == V.dtype
    if form != 'torch':
        shown = [e.layers_[-1].cp if hasattr(e, 'layers_') else e for e in (m, back)]
        assert topic_terms(shown[0], 0).rows == topic_terms(shown[1], 0).rows
        assert topic_shares(shown[0]).rows == topic_shares(shown[1]).rows


@pytest.mark.parametrize('kind', LABELLED)
def test_labels_come_back(kind, tmp_path):
    X, y = data(kind), np.array(['x', 'y', 'z'] * 3)
    m = made(kind, label_weight=1.0).fit(X, y)
    back = returned(m, tmp_path)
    equal(vars(m), vars(back))
    assert (m.predict(X) == back.predict(X)).all() and m.score(X, y) == back.score(X, y)


@pytest.mark.parametrize('kind', ALL)
def test_an_estimator_without_a_fit_comes_back(kind, tmp_path):
    m = made(kind)
    equal(vars(m), vars(returned(m, tmp_path)))


@pytest.mark.parametrize('kind', FLAT + STRATA)
def test_settings_of_every_kind_come_back(kind, tmp_path):
    start = fitted(kind)
    start = start.model_ if kind in STRATA else start.factors_
    m = made(kind, loss=1.5, fixed={1: [0]}, init=start, time_limit=9.5, tol=0)
    m.set_params(random_state=np.random.default_rng(7))
    back = returned(m, tmp_path)
    assert back.random_state.random() == m.random_state.random()
    equal(leaves([m.init]), leaves([back.init]))
    assert (back.loss, back.fixed, back.time_limit, back.tol) == (1.5, {1: [0]}, 9.5, 0)


def test_strata_of_every_name_come_back(tmp_path):
    X = data('StratifiedNTF')
    for names in (['a', 'é'], [1, 2], [2.5, 3.5], [True, False], [(1, 'a'), (2, 'b')],
                  list(pd.to_datetime(['2020-01-01', '2021-01-01'])),
                  list(np.array(['2020', '2021'], 'M8[Y]'))):  # fmt: skip
        m = made('StratifiedNTF').fit({names[0]: X[:4], names[1]: X[4:]})
        back = returned(m, tmp_path)
        assert back.strata_ == m.strata_ and list(map(type, back.strata_)) == list(map(type, m.strata_))


def test_results_of_the_functional_layer_come_back(tmp_path):
    X = data('NCPD')
    r = fit(NCPDModel(as_data(X), 2), seed=0, max_iter=30)
    for x in (r, r.params, r.history, fitted('StratifiedNTF').model_, fitted('HNMF').hierarchy_.layers[1],
              fitted('NeuralNCPD').hierarchy_, Hierarchy(fitted('HNMF').hierarchy_.layers)):  # fmt: skip
        back = returned(x, tmp_path)
        equal(leaves(getattr(x, 'params', x)), leaves(getattr(back, 'params', back)))
        assert repr(back) == repr(x)
    assert returned(r, tmp_path).model.data is None


def test_what_a_reader_chose_comes_back(tmp_path):
    m = fitted('StratifiedNTF')
    page = TopicBrowser(m)
    page.names_ = ['one', 'two']
    page.hidden, page.lam = (1,), 0.25
    save(tmp_path / 'page', page)
    other = TopicBrowser(m)
    other.take_state(load(tmp_path / 'page'))
    assert other.state == page.state and other.names_ == ('one', 'two')
    small = TopicBrowser(made('NCPD').set_params(rank=1).fit(data('NCPD')))
    before = small.state
    with pytest.raises(ValueError, match='names_ has 2 names'):
        small.take_state(load(tmp_path / 'page'))
    with pytest.raises(TypeError, match='state must be a PageState'):
        small.take_state(3)
    assert small.state == before


@pytest.mark.parametrize('unit', ['Y', 'M', 'W', 'D', 'h', 'm', 's', 'ms', 'us', 'ns', '10D', '15m'])
def test_dates_come_back_in_their_unit(unit):
    for when in (np.datetime64('2020-06-30', unit), np.datetime64('1969-12-31T23:59', unit)):
        arrays, told = _written(when)
        back = _Reader(arrays).value(json.loads(json.dumps(told)))
        assert back == when and back.dtype == when.dtype


@pytest.mark.parametrize('kind', ALL)
def test_each_factor_is_there_once(kind, tmp_path):
    X = np.random.default_rng(0).random((300, 200) if kind.endswith('NMF') else (300, 200, 4))
    X = X[:60, :40] if 'Neural' in kind else X  # of which no size is asked
    m = made(kind)
    m.set_params(**(dict(rank=20) if kind in FLAT + STRATA else dict(ranks=(20, 10))))
    m.set_params(**(dict(max_epochs=1, race_epochs=1) if 'Neural' in kind else dict(max_iter=2)))
    m.fit(X, **(dict(strata=list('ab') * 150) if kind in STRATA else {}))
    save(tmp_path / 'm', m)
    found = {id(a): a.nbytes for a in leaves([getattr(m, n, []) for n in ('cp_', 'model_', 'hierarchy_')])}
    size = sum(found.values())
    for n in (len(pickle.dumps(m)), (tmp_path / 'm').stat().st_size):
        if 'Neural' not in kind:  # which keep what was trained as well
            assert size < n < 1.03 * size + 8000, (kind, n, size)
            assert n < X.nbytes / 1.5


# --- files that are not what they should be ---


def header(path):
    raw = path.read_bytes()
    n = int.from_bytes(raw[:8], 'little')
    return json.loads(raw[8 : 8 + n]), raw[8 + n :]


def with_header(text, rest=b''):
    raw = text if isinstance(text, bytes) else json.dumps(text).encode()
    return len(raw).to_bytes(8, 'little') + raw + rest


class Hostile:
    def __reduce__(self):
        return os.system, ('touch it_ran',)


def entry(**kw):
    return dict(dtype='F64', shape=[2], data_offsets=[0, 16]) | kw


META = dict(sha256='0' * 64, about='{}')
RAW = {  # files that are none
    'empty': b'',
    'text': b'hello, this is not a model',
    'pickle': pickle.dumps(Hostile()),
    'pickle behind a length': with_header(pickle.dumps(Hostile())),
    'zip': b'PK\x03\x04' + b'\0' * 200,
    'npy': b'\x93NUMPY\x01\x00v\x00' + b' ' * 118,
    'a length only': (100).to_bytes(8, 'little'),
    'a length of 2^60': (2**60).to_bytes(8, 'little') + b'{}',
    'a length of -1': b'\xff' * 8 + b'{}',
    'a header of 3 MB': with_header(b'{' + b' ' * 3_000_000 + b'}'),
    'lists in lists': with_header(b'[' * 1_000_000),
    'many lists': with_header(b'{"a": [' + b'[],' * 340_000 + b'[]]}'),
    'dicts in dicts': with_header(b'{"a":' * 300_000),
    'not JSON': with_header(b'{"a": nope}'),
    'not UTF-8': with_header(b'{"a": "\xff\xfe"}'),
    'NaN': with_header(b'{"a": NaN}'),
    'doubled names': with_header(b'{"a": 1, "a": 2}'),
    'a list': with_header([1]),
    'a number of many digits': with_header(b'{"a": ' + b'9' * 100_000 + b'}'),
    'nothing of ours': with_header(dict(a=entry()), b'\0' * 16),
    'metadata of numbers': with_header(dict(__metadata__=dict(sha256=1, about=2))),
    'overlap': with_header(dict(__metadata__=META, a=entry(), b=entry()), b'\0' * 16),
    'gap': with_header(dict(__metadata__=META, a=entry(data_offsets=[8, 24])), b'\0' * 24),
    'bytes left over': with_header(dict(__metadata__=META, a=entry()), b'\0' * 17),
    'bytes too few': with_header(dict(__metadata__=META, a=entry()), b'\0' * 15),
    '2^40 numbers': with_header(dict(__metadata__=META, a=entry(shape=[2**40], data_offsets=[0, 2**43]))),
    'a negative shape': with_header(dict(__metadata__=META, a=entry(shape=[-2])), b'\0' * 16),
    'a shape that overflows': with_header(dict(__metadata__=META, a=entry(shape=[2**52] * 30))),
    'a shape of 100 dimensions': with_header(dict(__metadata__=META, a=entry(shape=[1] * 100))),
    'objects': with_header(dict(__metadata__=META, a=entry(dtype='O')), b'\0' * 16),
    'a wrong checksum': with_header(dict(__metadata__=META, a=entry()), b'\0' * 16),
}


def told(change):
    "A file whose checksum is right, and whose model is not."

    def make(arrays, about):
        value = change(about['value'], arrays)
        return arrays, about | dict(value=about['value'] if value is None else value)

    return make


def field(**kw):
    return told(lambda v, a: v | {'found': v['found'] | kw})


def setting(**kw):
    return told(lambda v, a: v | {'settings': v['settings'] | kw})


def arrays_as(change):
    return lambda arrays, about: ({k: change(a) for k, a in arrays.items()}, about)


CHANGED = {  # with a right checksum
    'another format': lambda a, t: (a, t | dict(format='x')),
    'a newer version': lambda a, t: (a, t | dict(version=2)),
    'version true': lambda a, t: (a, t | dict(version='1')),
    'a class of the system': told(lambda v, a: v | dict(estimator='os.system')),
    'a class with a path': told(lambda v, a: v | dict(estimator='ntf_lit.fit.fit')),
    'a record for an estimator': told(lambda v, a: v | dict(estimator='CP')),
    'another estimator': told(lambda v, a: v | dict(estimator='StratifiedNTF')),
    'no estimator': told(lambda v, a: [v]),
    'a setting more': setting(more=1),
    'a method as a finding': field(fit=1),
    'a property as a finding': field(__class__=1),
    'a finding that is none': field(set_params=1),
    'negative factors': arrays_as(lambda a: -a if a.dtype == np.float64 else a),
    'infinite factors': arrays_as(lambda a: a + np.inf if a.dtype == np.float64 else a),
    'whole factors': arrays_as(lambda a: a.astype(int)),
    'factors of other ranks': arrays_as(lambda a: a[:, :1] if a.ndim == 2 and len(a) == 9 else a),
    'factors of other sizes': arrays_as(lambda a: a[:3] if a.ndim == 2 else a),
    'an array more': lambda a, t: (a | dict(z=np.ones(3)), t),
    'an array less': lambda a, t: (dict(list(a.items())[1:]), t),
    'no model': field(cp_=None),
    'a status that is none': field(result_={'status': 'DONE'}),
    'a thing of code': field(n_iter_={'code': 'print(1)'}),
    'names for fewer indices': field(labels_=[None, ['a'], None]),
    'another shape': field(_shape={'tuple': [1, 2]}),
    'a generator of another name': setting(random_state={'generator': {'dict': [['bit_generator', 'os']]}}),
    'a date that is none': setting(tol={'time': '9' * 50, 'as': 'datetime'}),
    'texts of 2^30': setting(solver={'objects': ['a'], 'as': 'U1073741824'}),
}
WATCHED = ('exec', 'compile', 'import', 'os.system', 'os.posix_spawn', 'subprocess.Popen',
           'os.fork', 'socket.',
           'os.remove', 'os.rename', 'os.mkdir', 'pickle.find_class', 'ctypes.')  # fmt: skip
SEEN = []


def audit(event, args):
    if SEEN and (event.startswith(WATCHED) or event == 'open' and args[1] not in ('r', 'rb', None)):
        SEEN.append((event, args))


def refused(path):
    "Time, memory, and what was done besides reading."
    if not hasattr(sys, '_ntf_lit_audit'):
        sys.addaudithook(audit)
        sys._ntf_lit_audit = True
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    SEEN[:] = ['on']
    gc.freeze()  # what other tests have left is not this file's
    try:
        load(path)
        error = None
    except BaseException as e:
        error = e
    finally:
        did, SEEN[:] = SEEN[1:], []
        gc.unfreeze()
    seconds = time.process_time() - start
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert did == [] and seconds < 1 and grown < 100_000, (did, seconds, grown)
    return error


@pytest.fixture(scope='module')
def good(tmp_path_factory):
    path = tmp_path_factory.mktemp('files') / 'good'
    save(path, fitted('NCPD'))
    load(path)
    return path


@pytest.mark.parametrize('what', RAW)
def test_files_that_are_none(what, tmp_path):
    (tmp_path / 'f').write_bytes(RAW[what])
    assert isinstance(refused(tmp_path / 'f'), LoadError)
    assert not os.path.exists('it_ran')


@pytest.mark.parametrize('what', CHANGED)
def test_files_that_say_nonsense(what, good, tmp_path):
    save_arrays(tmp_path / 'f', *CHANGED[what](*load_arrays(good)))
    assert isinstance(refused(tmp_path / 'f'), LoadError)


def unfit():
    "Records whose parts do not fit together."
    cp, strata = fitted('NCPD').cp_, fitted('StratifiedNTF').model_
    W, *H = cp.factors
    layers = fitted('HNMF').hierarchy_.layers
    yield History((3.0, 2.0), (0.0,))
    yield History((3.0,), (0.0, 1.0))
    yield CP((W[:, 1:], *H))
    yield CP(cp.factors, np.ones(cp.rank + 1))
    yield replace(strata, W=strata.W[1:])
    yield replace(strata, W=strata.W[:, 1:])
    yield replace(strata, V=strata.V[1:])
    yield replace(strata, V=tuple(v[1:] for v in strata.V))
    yield replace(strata, offsets=(*strata.offsets[:-1], strata.offsets[-1] + 1))
    yield Hierarchy(layers[1:])
    yield Hierarchy((layers[0], replace(layers[1], links=tuple(M.T for M in layers[1].links))))
    yield replace(layers[1], names=('one',) * (layers[1].rank + 1))


def test_records_whose_parts_do_not_fit(tmp_path):
    for record in unfit():
        save(tmp_path / 'f', record)
        assert isinstance(refused(tmp_path / 'f'), LoadError)


def test_paths_that_are_no_files(tmp_path):
    assert isinstance(refused(tmp_path), LoadError)
    assert isinstance(refused(tmp_path / 'none'), LoadError)
    os.mkfifo(tmp_path / 'pipe')
    assert isinstance(refused(tmp_path / 'pipe'), LoadError)
    fit(NCPDModel(as_data(data('NCPD')), 2), max_iter=2, callbacks=[Checkpoint(tmp_path / 'c')])
    with pytest.raises(LoadError, match='a checkpoint is read by resume='):
        load(tmp_path / 'c')


def test_a_thousand_flips(good, tmp_path):
    "One byte is another: refused."
    raw, rng = good.read_bytes(), np.random.default_rng(0)
    for _ in range(1000):
        i = int(rng.integers(len(raw)))
        (tmp_path / 'f').write_bytes(raw[:i] + bytes([raw[i] ^ int(rng.integers(1, 256))]) + raw[i + 1 :])
        with pytest.raises(LoadError):
            load(tmp_path / 'f')


def test_refusing_takes_little_memory(tmp_path):
    "A file that says it holds a tebibyte, or has lists in lists without end: no more than its own bytes."
    import tracemalloc

    huge = entry(shape=[2**37], data_offsets=[0, 2**40])
    nested = b'{"a": ' + b'[' * 400_000 + b']' * 400_000 + b'}'
    for raw in (
        with_header({'__metadata__': META, 'a': huge}, b'\0' * 16),
        with_header(nested),
        RAW['a length of 2^60'],
    ):
        (tmp_path / 'f').write_bytes(raw)
        tracemalloc.start()
        try:
            with pytest.raises(LoadError):
                load(tmp_path / 'f')
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 50 * len(raw) + 200_000


def test_every_end_of_a_file(good, tmp_path):
    raw = good.read_bytes()
    for n in [*range(0, len(raw), 41), len(raw) - 1]:
        (tmp_path / 'f').write_bytes(raw[:n])
        with pytest.raises(LoadError):
            load(tmp_path / 'f')
    (tmp_path / 'f').write_bytes(raw + b'\0')
    with pytest.raises(LoadError):
        load(tmp_path / 'f')


def test_a_transposed_view_is_stored_as_it_is(tmp_path):
    F = np.arange(6.0).reshape(2, 3)
    cp = CP((F.T, np.asfortranarray(np.ones((4, 2)))[::-1]))
    back = returned(cp, tmp_path)
    assert (back.factors[0] == F.T).all() and back.factors[1].shape == (4, 2)


def test_a_failing_save_keeps_the_old_file(good, tmp_path):
    path = tmp_path / 'm'
    save(path, fitted('NCPD'))
    before = path.read_bytes()
    with pytest.raises(TypeError, match='NeuralNMF.optimizer is a function'):
        save(path, ntf_lit.NeuralNMF(optimizer=lambda p: p))
    with pytest.raises(TypeError, match='fitted is a list; save an estimator'):
        save(path, [fitted('NCPD')])
    assert path.read_bytes() == before and os.listdir(tmp_path) == ['m']


def test_the_front_has_both():
    assert ntf_lit.save is save and ntf_lit.load is load


@pytest.mark.parametrize('ends', [(0, 6, 3, 9), (0, 9, 9, 3), (1, 3, 6, 9), (0, 3, 6, 8), (0, 3, 6.0, 9)])
def test_strata_that_do_not_follow_each_other(ends, tmp_path):
    F = np.ones((9, 2)), np.ones((4, 2))
    good = Strata((np.ones((3, 4, 1)),), F[0], (F[1],), (0, 3, 6, 9))
    save(tmp_path / 'a', good)
    assert load(tmp_path / 'a').offsets == good.offsets
    save(tmp_path / 'a', Strata(good.V, good.W, good.H, ends))
    with pytest.raises(LoadError, match='strata do not fill the weights'):
        load(tmp_path / 'a')


def test_a_file_from_before_a_field(tmp_path):
    "An HNCPD was saved without A and S once: it is read, and what needs them says so."
    X = np.random.default_rng(0).random((6, 5, 4))
    m = HNCPD((3, 2), max_iter=5, random_state=0).fit(X)
    m.hierarchy_ = replace(m.hierarchy_, A=(), S=())
    save(tmp_path / 'new', m)
    arrays, about = load_arrays(tmp_path / 'new')
    assert '"A"' in json.dumps(about)

    def without(told):
        if isinstance(told, list):
            return [without(x) for x in told]
        if not isinstance(told, dict):
            return told
        gone = ('A', 'S') if told.get('record') == 'FittedHierarchy' else ()
        fields = {k: v for k, v in told.get('fields', {}).items() if k not in gone}
        return {k: without(fields if k == 'fields' else v) for k, v in told.items()}

    save_arrays(tmp_path / 'old', arrays, without(about))
    old = load(tmp_path / 'old')
    assert '"A"' not in json.dumps(without(about)) and old.hierarchy_.A == old.hierarchy_.S == ()
    for a, b in zip(leaves(old.layers_), leaves(m.layers_), strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match='files of earlier releases'):
        merge_nodes(old, X, [0, 1])
