"""scikit-learn's own checks of NMF, with our NMF in its place.

`checks()` loads the test file of the installed scikit-learn while `sklearn.decomposition` names the adapter
below instead of its NMF. What our NMF has no setting for skips itself, with the reason.
"""

import importlib.util
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import sklearn.decomposition as decomposition
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin

import ntf_lit
from ntf_lit.divergences import LOSSES
from ntf_lit.fit import fit
from ntf_lit.incoming import as_data
from ntf_lit.ncpd import NCPDModel, cp_weights
from ntf_lit.penalties import elastic_net, weight_prices

RULES = dict(cd='hals', mu='mu')


def start_of(init, X, rank):
    "The name of our start for one of scikit-learn's."
    if init is None:
        return 'nndsvd' if rank <= min(X.shape) else 'random'
    return 'nndsvd' if init.startswith('nndsvd') else init


class NMF(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    "Our NMF behind the parameters of scikit-learn's."

    def __init__(
        self,
        n_components='auto',
        *,
        init=None,
        solver='cd',
        beta_loss='frobenius',
        tol=1e-4,
        max_iter=200,
        random_state=None,
        alpha_W=0.0,
        alpha_H='same',
        l1_ratio=0.0,
        verbose=0,
        shuffle=False,
    ):
        for name, value in locals().copy().items():
            if name not in ('self', '__class__'):
                setattr(self, name, value)

    def fit(self, X, y=None, W=None, H=None):
        self.fit_transform(X, W=W, H=H)
        return self

    def fit_transform(self, X, y=None, W=None, H=None):
        beta = LOSSES.get(self.beta_loss, self.beta_loss)
        if not 0 <= beta <= 2:
            pytest.skip('beta-divergences from 0 to 2 only')
        if beta != 2 and (self.alpha_W or self.alpha_H not in (0.0, 'same')):
            pytest.skip('no alpha_W, alpha_H but for squares')
        if self.solver == 'cd' and beta != 2:
            # What the check is about: scikit-learn has no coordinate descent for this loss. Neither have we.
            pytest.xfail("solver='hals' stands for the one rule of the divergences, as documented")
        rank = self.n_components if self.n_components != 'auto' else X.shape[1] if H is None else len(H)
        start = [W, np.asarray(H).T] if self.init == 'custom' else start_of(self.init, X, rank)
        self._n_components = rank
        self.ours_ = ntf_lit.NMF(
            rank,
            solver=RULES[self.solver],
            loss=self.beta_loss,
            init=start,
            tol=self.tol,
            max_iter=self.max_iter,
            random_state=self.random_state,
            alpha_W=self.alpha_W,
            alpha_H=self.alpha_H,
            l1_ratio=self.l1_ratio,
            on_max_iter='warn',
        ).fit(X)
        return self.ours_.weights_

    def transform(self, X):
        return self.ours_.transform(X)

    def inverse_transform(self, W):
        return self.ours_.inverse_transform(W)

    @property
    def components_(self):
        return self.ours_.components_

    @property
    def n_iter_(self):
        return self.ours_.n_iter_

    @property
    def reconstruction_err_(self):
        return np.sqrt(2 * self.ours_.objective_)

    @property
    def _n_features_out(self):
        return self._n_components


class MiniBatchNMF:
    def __init__(self, *args, **kw):
        pytest.skip('no MiniBatchNMF')


def non_negative_factorization(
    X, W=None, H=None, n_components='auto', *, init=None, update_H=True, alpha_W=0.0, alpha_H='same', **kw
):
    "(W, H, sweeps), by the adapter; with `update_H=False` the topics stay."
    if update_H:
        model = NMF(n_components, init=init, alpha_W=alpha_W, alpha_H=alpha_H, **kw)
        W = model.fit_transform(X, W=W, H=H)
        return W, model.components_, model.n_iter_
    data, H = as_data(X), np.asarray(H)
    alphas = alpha_W, alpha_W if alpha_H == 'same' else alpha_H
    costs = elastic_net(data, alphas, kw.get('l1_ratio', 0.0), relative=False)
    return cp_weights(data, [H.T], prices=weight_prices(data, costs)), H, 0


def _initialize_nmf(X, n_components, init=None, eps=1e-6, random_state=None):
    "(W, H) of our starts."
    start = start_of(init, X, n_components)
    r = fit(NCPDModel(as_data(X), n_components, 'hals', 3, start), seed=random_state, max_iter=0)
    W, H = r.params.factors
    return W, H.T


@contextmanager
def ours():
    "While it lasts, `sklearn.decomposition` names the adapter."
    named = dict(NMF=NMF, MiniBatchNMF=MiniBatchNMF, non_negative_factorization=non_negative_factorization)
    kept = {name: getattr(decomposition, name) for name in named}
    for name, thing in named.items():
        setattr(decomposition, name, thing)
    try:
        yield
    finally:
        for name, thing in kept.items():
            setattr(decomposition, name, thing)


def checks():
    "The test functions of scikit-learn's file, by name, that are about the estimator."
    path = Path(decomposition.__file__).parent / 'tests' / 'test_nmf.py'
    if not path.exists():
        return {}
    spec = importlib.util.spec_from_file_location('sklearn_test_nmf', path)
    module = importlib.util.module_from_spec(spec)
    with ours():
        spec.loader.exec_module(module)
    sys.modules[spec.name] = module
    module.nmf = type('Internals', (), dict(_initialize_nmf=staticmethod(_initialize_nmf)))
    private = {'test_beta_divergence', 'test_special_sparse_dot', 'test_nmf_underflow', 'test_nmf_decreasing'}
    return {k: f for k, f in vars(module).items() if k.startswith('test_') and k not in private}
