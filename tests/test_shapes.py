"""The notebooks' checks as the tests run them: equal numbers in other shapes are refused."""

import fastcore.test
import numpy as np
import pytest
import torch
from shapes import strict_close, strict_eq

X = np.arange(6.0).reshape(2, 3)


@pytest.mark.parametrize(
    'a, b',
    [
        (np.ones((2, 1)), np.ones(2)),
        (np.ones((3, 1)), np.ones((1, 3))),
        (np.ones(2), np.float64(1)),
        (np.ones(3), np.ones(())),
        (np.zeros((0, 3)), 1.0),
        (torch.ones(2, 1), torch.ones(2)),
        ([1.0, 2.0], np.array([[1.0], [2.0]])),
        ([np.ones(2), np.ones(2)], [np.ones(2), np.ones((2, 1))]),
        ([1, 2, 3], [1, 2]),
        (iter([1, 2, 3]), [1, 2]),
        ((x for x in [1, 2]), [1, 2, 3]),
    ],
    ids=lambda x: type(x).__name__,
)
def test_what_only_broadcasting_makes_equal(a, b):
    a, b = (list(x) if hasattr(x, '__next__') else x for x in (a, b))
    for check in (strict_close, strict_eq):
        with pytest.raises(AssertionError):
            check(a, b)
        with pytest.raises(AssertionError):
            check(b, a)


def test_fastcore_takes_them():
    "Or none of this were needed."
    fastcore.test.test_close(np.ones((2, 1)), np.ones(2))
    fastcore.test.test_close([1, 2, 3], [1, 2])


@pytest.mark.parametrize(
    'a, b',
    [
        (X, X.copy()),
        (X, X.tolist()),
        (np.ones(4), 1),
        (1.0, 1),
        ([X, 1.0], [X.copy(), 1.0]),
        ((x for x in (1, 2)), [1, 2]),
        (np.float64(1), torch.tensor(1.0)),
    ],
    ids=lambda x: type(x).__name__,
)
def test_what_is_equal(a, b):
    strict_close(a, b)


def test_other_things_are_compared_as_ever():
    strict_eq(X.dtype, np.float64)
    strict_eq({'a': 1}, {'a': 1})
    strict_eq('ab', 'ab')
    with pytest.raises(AssertionError):
        strict_eq(X, X + 1)
