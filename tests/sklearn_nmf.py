"""scikit-learn's own checks of NMF, with our NMF in its place.

`checks()` loads the test file of the installed scikit-learn while `sklearn.decomposition` names the adapter
below instead of its NMF. The adapter translates names, shapes, and what is said: our status that `max_iter`
came first into scikit-learn's warning, our errors about a start into its words. What our NMF has no setting
for skips itself, with the reason. Some checks go through several losses; of these, scikit-learn answers for
those of an order outside 0 to 2 itself, since ours refuses them, and the check is one of the others.
"""

import importlib.util
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import sklearn.decomposition as decomposition
import scipy.sparse as sp
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.decomposition import _nmf as theirs

import ntf_lit
import ntf_lit.batch_estimators
from ntf_lit.divergences import LOSSES, divergence
from ntf_lit.fit import fit
from ntf_lit.incoming import as_data
from ntf_lit.ncpd import NCPDModel, cp_weights
from ntf_lit.penalties import elastic_net, weight_prices
from ntf_lit.tensor import at_nonzeros

RULES = dict(cd='hals', mu='mu')
SAYS = {  # what our errors say, and what scikit-learn's do
    'start[0] must be nonnegative': 'Negative values in data passed to NMF (input W)',
    'start[1] must be nonnegative': 'Negative values in data passed to NMF (input H)',
    'is zero in factor 0': 'Array passed to NMF (input W) is full of zeros',
    'is zero in factor 1': 'Array passed to NMF (input H) is full of zeros',
    'needs data above zero': 'When beta_loss <= 0 and X contains zeros, the solver may diverge.',
}


def is_ours(loss):
    return 0 <= LOSSES.get(loss, loss) <= 2


@contextmanager
def in_their_words(W, X):
    "Our errors, as scikit-learn says them."
    try:
        yield
    except ValueError as e:
        said = [there for here, there in SAYS.items() if here in str(e)]
        if 'start[' in str(e) and 'has shape' in str(e):
            which = 'first' if len(W) != len(X) else 'second'
            said = [f'Array with wrong {which} dimension passed']
        raise ValueError(f'{"".join(said)}: {e}' if said else str(e)) from e


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
        if not is_ours(self.beta_loss):
            pytest.skip('beta-divergences from 0 to 2 only')
        if self.solver == 'cd' and LOSSES.get(self.beta_loss, self.beta_loss) != 2:
            # What the check is about: scikit-learn has no coordinate descent for this loss. Neither have we.
            pytest.xfail("solver='hals' stands for the one rule of the divergences, as documented")
        rank = self.n_components if self.n_components != 'auto' else X.shape[1] if H is None else len(H)
        start = [W, np.asarray(H).T] if self.init == 'custom' else start_of(self.init, X, rank)
        self._n_components = rank
        model = ntf_lit.NMF(
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
        )
        with in_their_words(W, X):
            self.ours_ = model.fit(X)
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


class MiniBatchNMF(NMF):
    "Our MiniBatchNMF behind the parameters of scikit-learn's, whose rule is the multiplicative one."

    def __init__(
        self,
        n_components='auto',
        *,
        init=None,
        batch_size=1024,
        beta_loss='frobenius',
        tol=1e-4,
        max_no_improvement=10,
        max_iter=200,
        alpha_W=0.0,
        alpha_H='same',
        l1_ratio=0.0,
        forget_factor=0.7,
        fresh_restarts=False,
        fresh_restarts_max_iter=30,
        transform_max_iter=None,
        random_state=None,
        verbose=0,
    ):
        for name, value in locals().copy().items():
            if name not in ('self', '__class__'):
                setattr(self, name, value)

    def made(self, X, W, H):
        if not is_ours(self.beta_loss):
            pytest.skip('beta-divergences from 0 to 2 only')
        rank = self.n_components if self.n_components != 'auto' else X.shape[1] if H is None else len(H)
        start = [W, np.asarray(H).T] if self.init == 'custom' else start_of(self.init, X, rank)
        self._n_components = rank
        names = 'batch_size tol max_no_improvement max_iter alpha_W alpha_H l1_ratio forget_factor'.split()
        how = {name: getattr(self, name) for name in [*names, 'fresh_restarts', 'random_state']}
        return ntf_lit.batch_estimators.MiniBatchNMF(
            rank, solver='mu', loss=self.beta_loss, init=start, inner=1, on_max_iter='warn', **how
        )

    def fit_transform(self, X, y=None, W=None, H=None):
        with in_their_words(W, X):
            self.ours_ = self.made(X, W, H).fit(X)
        return self.ours_.weights_

    def partial_fit(self, X, y=None, W=None, H=None):
        if not hasattr(self, 'ours_'):
            self.ours_ = self.made(X, W, H)
        self.ours_.partial_fit(X)
        return self

    @property
    def n_steps_(self):
        return self.ours_.n_steps_


def non_negative_factorization(
    X, W=None, H=None, n_components='auto', *, init=None, update_H=True, alpha_W=0.0, alpha_H='same', **kw
):
    "(W, H, sweeps), by the adapter; with `update_H=False` the topics stay."
    if not is_ours(kw.get('beta_loss', 2)):
        with np.errstate(all='ignore'):
            return theirs.non_negative_factorization(
                X, W, H, n_components, init=init, update_H=update_H, alpha_W=alpha_W, alpha_H=alpha_H, **kw
            )
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


def _beta_divergence(X, W, H, beta):
    "Our divergence; theirs for orders that ours refuses, 0 with zeros in the data among them."
    if not is_ours(beta) or beta == 0 and (X.nnz < np.prod(X.shape) if sp.issparse(X) else (X == 0).any()):
        with np.errstate(all='ignore'):
            return theirs._beta_divergence(X, W, H, beta)
    data = as_data(X)
    beta = float(LOSSES.get(beta, beta))
    return divergence(data, [W * data.scale, H.T], beta) / data.scale**beta


def _special_sparse_dot(W, H, X):
    "The model where X is not zero; everywhere for dense X."
    if not sp.issparse(X):
        return W @ H
    data, X = as_data(X), X.tocsr()
    return type(X)((at_nonzeros(data, [W, H.T]), X.indices, X.indptr), shape=X.shape)


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
    mine = _initialize_nmf, _beta_divergence, _special_sparse_dot
    module.nmf = type('Internals', (), {f.__name__: staticmethod(f) for f in mine})
    return {k: f for k, f in vars(module).items() if k.startswith('test_')}
