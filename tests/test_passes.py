"""How often a fit goes over its data: one look for checks and size, two products a sweep, one at the end."""

from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from ntf_lit import NCPD, NMF, StratifiedNTF, tensor
from ntf_lit.fit import fit
from ntf_lit.incoming import as_data
from ntf_lit.ncpd import NCPDModel
from ntf_lit.tensor import mttkrps

CUBE = (80, 60, 50)  # More entries than the compiled sweeps take
SWEEPS = 3
HOW = dict(max_iter=SWEEPS, tol=0, random_state=0)


def cube(scale=1.0):
    return scale * np.random.default_rng(0).gamma(0.5, size=CUBE)


def sparse():
    return sp.random_array((2000, 1500), density=0.05, rng=np.random.default_rng(0), format='csr')


def halves(X):
    return [X[:50], X[50:]]


FITS = {
    'NCPD, MU': lambda: NCPD(3, solver='mu', compress=False, **HOW).fit(cube()),
    'NCPD, HALS': lambda: NCPD(3, compress=False, **HOW).fit(cube()),
    'NCPD, float32': lambda: NCPD(3, compress=False, **HOW).fit(cube().astype('f4')),
    'NCPD, torch': lambda: NCPD(3, compress=False, **HOW).fit(torch.from_numpy(cube())),
    'NCPD, tiny numbers': lambda: NCPD(3, compress=False, **HOW).fit(cube(2.0**-900)),
    'NMF': lambda: NMF(3, compress=False, **HOW).fit(cube().reshape(400, -1)),
    'NMF, sparse': lambda: NMF(3, **HOW).fit(sparse()),
    'strata': lambda: StratifiedNTF(3, strata_rank=2, **HOW).fit(halves(cube())),
    'strata, smooth': lambda: StratifiedNTF(3, alpha=0.01, **HOW).fit(halves(cube())),
    'strata, torch': lambda: StratifiedNTF(3, **HOW).fit(halves(torch.from_numpy(cube()))),
}


@pytest.fixture
def products(monkeypatch):
    "The products with data that are made, by their names."
    made = []
    for kind in (tensor.DenseData, tensor.Sparse):
        for name in ('right', 'left'):
            own = getattr(kind, name)
            monkeypatch.setattr(
                kind, name, lambda self, F, own=own, name=name: made.append(name) or own(self, F)
            )
    return made


@pytest.mark.parametrize('name', FITS)
def test_products(name, products):
    "The first product serves the start's size, its objective and the first sweep; one more is for the end."
    FITS[name]()
    assert (products.count('right'), products.count('left')) == (SWEEPS + 1, SWEEPS)


@pytest.mark.parametrize('name', FITS)
def test_same_as_with_new_products(name, monkeypatch):
    handed = FITS[name]()
    monkeypatch.setattr(tensor, '_taken', lambda data, right: None)
    new = FITS[name]()
    eps = 1e-4 if name == 'NCPD, float32' else 1e-10
    assert handed.objective_ == pytest.approx(new.objective_, rel=eps)
    np.testing.assert_allclose(handed.history_.objective, new.history_.objective, rtol=eps)


def test_same_bits_from_a_start(products):
    "Whatever was done with the data before."
    data, rng = as_data(cube()), np.random.default_rng(1)
    model = NCPDModel(data, 3)
    start = model.start(rng)
    first = fit(model, start, max_iter=SWEEPS)
    model.objective(model.start(rng))
    again = fit(model, start, max_iter=SWEEPS)
    alone = fit(NCPDModel(as_data(cube()), 3), start, max_iter=SWEEPS)
    for other in (again, alone):
        assert other.history.objective == first.history.objective
        assert all((a == b).all() for a, b in zip(other.params.factors, first.params.factors))


@pytest.mark.parametrize('shape', [(400, 600), CUBE, (20, 30, 20, 30)], ids=str)
def test_the_product_of_a_start(shape, products):
    "Is that with the scaled factors."
    data = as_data(np.random.default_rng(0).random(shape))
    factors = list(NCPDModel(data, 3).start(np.random.default_rng(1)).factors)
    handed, new = (next(mttkrps(data, F))[1] for F in (factors, [f.copy() for f in factors]))
    np.testing.assert_allclose(handed, new, rtol=1e-12)
    assert products == ['right', 'right']


def test_factors_that_were_changed_in_place():
    "Get a product of their own."
    data = as_data(cube())
    model = NCPDModel(data, 3)
    cp = model.start(np.random.default_rng(1))
    before = model.objective(cp)
    cp.factors[-1][:] *= 2
    after = model.objective(cp)
    assert after != before and after == NCPDModel(as_data(cube()), 3).objective(cp)


@pytest.mark.parametrize('masked', [False, True])
@pytest.mark.parametrize('bad, message', [(-1.0, 'nonnegative'), (np.nan, 'NaN'), (np.inf, 'infinite')])
def test_bad_entries_anywhere(bad, message, masked, products):
    "In any run of the measure, and before any product."
    for at in ((0, 0, 0), (30, 20, 10), (59, 49, 39)):
        X = np.ones((60, 50, 40 * 3))
        X[at] = bad
        mask = np.ones(X.shape, bool) if masked else None
        if masked:
            mask[1, 1, 1] = False
        with pytest.raises(ValueError, match=f'{message}.*{", ".join(map(str, at))}'):
            NCPD(2).fit(X, mask=mask)
    assert not products


@pytest.mark.parametrize('kind', [np.asarray, torch.from_numpy], ids=['NumPy', 'torch'])
def test_size_of_far_apart_numbers(kind):
    "The norm of runs whose squares leave the floats, by exact fractions."
    X = np.zeros((4, 1 << 17))
    X[0, :3], X[1, 5], X[2, 7:9], X[3, 4] = 3e-320, 1e-170, 2e-165, 5e-165
    for Y in (X, X[:2], X[:1], X * 2.0**600, X * 2.0**900, X * 2.0**900 * 2.0**600):
        right = sum(Fraction(float(y)) ** 2 for y in Y[Y > 0])
        size = tensor.measured(kind(Y))
        assert abs(Fraction(size.square) * Fraction(4) ** size.exponent / right - 1) < 1e-14
