"""The browser fixtures themselves: a notebook runs in JupyterLab, and a broken one is noticed."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook


@pytest.fixture
def written(lab):
    "Write a notebook of the given cells into JupyterLab's folder."

    def write(name, *sources):
        kernel = {'kernelspec': {'name': 'python3', 'display_name': 'python3', 'language': 'python'}}
        nbformat.write(
            new_notebook(cells=[new_code_cell(s) for s in sources], metadata=kernel), lab.root / name
        )
        return name

    return write


@pytest.mark.slow
def test_widget_lives(written, open_notebook):
    name = written(
        'toy_widget.ipynb',
        'import ipywidgets as W\nd = W.Dropdown(options=["a", "b"]); t = W.Label("a")',
        'd.observe(lambda change: setattr(t, "value", change.new * 3), "value")\nW.VBox([d, t])',
    )
    page = open_notebook(name)
    page.locator('.jp-OutputArea-output select').select_option('b')
    page.locator('.jp-OutputArea-output .widget-label', has_text='bbb').wait_for(timeout=10_000)


@pytest.mark.slow
def test_error_is_noticed(written, open_notebook):
    with pytest.raises(AssertionError, match='ZeroDivisionError'):
        open_notebook(written('toy_broken.ipynb', '1/0'))
