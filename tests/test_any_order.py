"""Fits, refusals, files, resumed fits, merging and edits in any order: what was found stays true."""

import copy
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ntf_lit import NCPD, NMF, StratifiedNMF
from ntf_lit.files import LoadError
from ntf_lit.fit import Checkpoint, fit
from ntf_lit.incoming import as_data
from ntf_lit.merge_split import merge_topics, split_topic
from ntf_lit.ncpd import NCPDModel
from ntf_lit.result import leaves
from ntf_lit.saving import load, save
from ntf_lit.topic_browser import TopicBrowser
from ntf_lit.views import view

KINDS = dict(NMF=(NMF, (8, 5)), NCPD=(NCPD, (6, 4, 3)), StratifiedNMF=(StratifiedNMF, (8, 5)))


def found(est):
    "All that a fit left behind, copied."
    return {name: copy.deepcopy(v) for name, v in vars(est).items() if name.endswith('_')}


def same_bits(a, b):
    a, b = leaves(a), leaves(b)
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b))


def parameters(est):
    return est.cp_ if hasattr(est, 'cp_') else est.model_


class AnyOrder(RuleBasedStateMachine):
    "An estimator that is fitted, refused, saved, loaded, merged and split."

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()

    def teardown(self):
        self.folder.cleanup()

    @initialize(kind=st.sampled_from(list(KINDS)), seed=st.integers(0, 99))
    def begin(self, kind, seed):
        cls, shape = KINDS[kind]
        self.X = np.random.default_rng(seed).random(shape)
        self.kw = dict(strata=['a', 'b'] * (shape[0] // 2)) if kind == 'StratifiedNMF' else {}
        self.est = cls(3, random_state=seed, max_iter=15).fit(self.X, **self.kw)

    @property
    def path(self):
        return Path(self.folder.name) / 'file'

    def weights(self):
        return self.est.transform(self.X, **self.kw)

    @rule(seed=st.integers(0, 99), sweeps=st.integers(0, 20))
    def fit_anew(self, seed, sweeps):
        "The same settings give the same bits, whatever came before."
        self.est.set_params(random_state=seed, max_iter=sweeps, init='random').fit(self.X, **self.kw)
        other = type(self.est)(**self.est.get_params()).fit(self.X, **self.kw)
        assert same_bits(parameters(self.est), parameters(other))

    @rule(bad=st.sampled_from(['negative', 'NaN', 'rank', 'max_iter']))
    def refused(self, bad):
        "A fit that is refused leaves everything as it was."
        before, X, settings = found(self.est), self.X.copy(), self.est.get_params()
        if bad in ('negative', 'NaN'):
            X.flat[0] = dict(negative=-1, NaN=np.nan)[bad]
        else:
            self.est.set_params(**{bad: -1})
        with pytest.raises(ValueError):
            self.est.fit(X, **self.kw)
        self.est.set_params(**settings)
        after = found(self.est)
        assert before.keys() == after.keys() and same_bits(
            parameters(self.est), before.get('cp_', before.get('model_'))
        )

    @rule()
    def saved_and_loaded(self):
        save(self.path, self.est)
        again = load(self.path)
        assert again.get_params().keys() == self.est.get_params().keys()
        assert same_bits(parameters(again), parameters(self.est))
        W = self.weights()
        self.est = again
        assert same_bits(self.weights(), W)

    @rule(at=st.integers(0, 10**6), byte=st.integers(1, 255))
    def a_spoiled_file(self, at, byte):
        save(self.path, self.est)
        raw = bytearray(self.path.read_bytes())
        raw[at % len(raw)] ^= byte
        self.path.write_bytes(raw)
        with pytest.raises(LoadError):
            load(self.path)

    @rule()
    def transform_twice(self):
        before = found(self.est)
        assert same_bits(self.weights(), self.weights())
        assert before.keys() == found(self.est).keys()
        assert same_bits(parameters(self.est), before.get('cp_', before.get('model_')))

    @precondition(lambda self: 2 <= self.est.rank <= 4)
    @rule(draw=st.data())
    def merged(self, draw):
        pair = draw.draw(st.permutations(range(self.est.rank)))[:2]
        before = copy.deepcopy(parameters(self.est))
        new = merge_topics(self.est, self.X, list(pair), **self.kw)
        assert new.rank == self.est.rank - 1 and same_bits(parameters(self.est), before)
        self.est = new

    @precondition(lambda self: self.est.rank <= 3)
    @rule(draw=st.data())
    def split(self, draw):
        "One topic more explains at least as much."
        topic = draw.draw(st.integers(0, self.est.rank - 1))
        new = split_topic(self.est, self.X, topic, n_init=2, sweeps=5, random_state=0, **self.kw)
        assert new.rank == self.est.rank + 1
        assert new.objective_ <= self.est.objective_ * (1 + 1e-9) + 1e-12
        self.est = new

    @rule(draw=st.data())
    def edited_and_undone(self, draw):
        "Edits of a browser, as many times undone, are none."
        b = TopicBrowser(view(self.est), front='core')
        begin, edits = b.state, draw.draw(st.lists(st.sampled_from(['name', 'hide', 'merge']), max_size=4))
        for i, edit in enumerate(edits):
            topic, into = draw.draw(st.tuples(*[st.integers(0, self.est.rank - 1)] * 2))
            b.act(edit, **dict(name=dict(value=f'n{i}'), hide={}, merge=dict(into=into))[edit], topic=topic)
        for _ in b.state.undo:
            assert b.act('undo')
        assert (b.state.names_, b.state.hidden, b.state.merged) == (begin.names_, begin.hidden, begin.merged)
        np.testing.assert_allclose(b.edited().mass, view(self.est).mass, rtol=1e-12)
        b.close()

    @precondition(lambda self: hasattr(self.est, 'cp_'))
    @rule(k=st.integers(1, 6), more=st.integers(0, 6))
    def resumed(self, k, more):
        "So many sweeps, a file, and so many more are the sum of both; other data are refused."
        model = NCPDModel(as_data(self.X), self.est.rank)
        fit(model, max_iter=k, seed=1, callbacks=[Checkpoint(self.path)])
        whole = fit(model, max_iter=k + more, seed=1)
        assert same_bits(fit(model, max_iter=k + more, resume=self.path).params, whole.params)
        with pytest.raises(LoadError):
            fit(NCPDModel(as_data(self.X + 1), self.est.rank), max_iter=k, resume=self.path)

    @invariant()
    def it_is_a_model(self):
        if not hasattr(self, 'est'):
            return
        arrays = leaves(parameters(self.est))
        assert all(np.isfinite(a).all() and (a >= 0).all() for a in arrays)
        assert (
            abs(self.est.score(self.X, **self.kw) - (1 - self.est.relative_error_**2)) < 1e-6
            or self.est.n_iter_ == 0
        )


AnyOrder.TestCase.settings = settings(
    max_examples=12, stateful_step_count=8, deadline=None, suppress_health_check=list(HealthCheck)
)
TestAnyOrder = AnyOrder.TestCase
