"""`test_close` and `test_eq` for the notebooks' examples, which refuse what only broadcasting makes equal."""

import itertools
from collections.abc import Iterable
from numbers import Number

import fastcore.test
import numpy as np

CLOSE, EQ = fastcore.test.test_close, fastcore.test.test_eq


def _listed(x):
    "Iterators as lists, so that they can be looked at and then compared."
    one_by_one = isinstance(x, Iterable) and not hasattr(x, '__len__') and not _is_array(x)
    return list(x) if one_by_one else x


def _is_array(x):
    return isinstance(getattr(x, 'shape', None), tuple) and not isinstance(x, type | np.dtype)


def shape(x):
    "The shape of an array or of nested lists; None where lists are uneven."
    if _is_array(x):
        return tuple(x.shape)
    try:
        return np.shape(x)
    except ValueError:
        return None


def same_shape(a, b):
    "Whether two values have the same shape; a plain number may stand for all entries of an array."
    for x, y in ((a, b), (b, a)):
        if isinstance(x, Number) and not isinstance(x, np.generic) and _is_array(y):
            return 0 not in y.shape
    if any(map(_is_array, (a, b))):
        return shape(a) == shape(b)
    if not all(isinstance(x, (list, tuple)) for x in (a, b)):
        return True
    return len(a) == len(b) and all(itertools.starmap(same_shape, zip(a, b)))


def check_shapes(a, b):
    assert same_shape(a, b), f'shapes differ, {shape(a)} and {shape(b)}:\n{a}\n{b}'


def strict_close(a, b, eps=1e-5):
    "`fastcore.test.test_close` of values of one shape."
    a, b = map(_listed, (a, b))
    check_shapes(a, b)
    CLOSE(a, b, eps)


def strict_eq(a, b):
    "`fastcore.test.test_eq` of values of one shape."
    a, b = map(_listed, (a, b))
    check_shapes(a, b)
    EQ(a, b)


def be_strict(monkeypatch):
    "Whoever imports the checks of fastcore from now on gets the strict ones."
    monkeypatch.setattr(fastcore.test, 'test_close', strict_close)
    monkeypatch.setattr(fastcore.test, 'test_eq', strict_eq)
