"""The repository keeps to the rules of form: classes, width, checks, documents. tests/rules.py has them."""

from pathlib import Path

import pytest
import report


@pytest.fixture(scope='module')
def checkout():
    return report.Checkout(Path(__file__).resolve().parents[1])


@pytest.mark.xdist_group('form')  # which read the checkout once
@pytest.mark.parametrize('rule', list(report.RULES))
def test_form(rule, checkout):
    assert report.RULES[rule](checkout) == []
