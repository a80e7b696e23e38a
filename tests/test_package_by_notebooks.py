"""Every notebook's examples, run against the installed package.

Each exported cell is replaced by the names of the module it goes to; all other cells run as they stand. So a
name that only the notebook has, an import in a cell that is not exported for one, fails here though it passes
in nbdev-test. And `test_close` and `test_eq` compare shapes here, which fastcore's own do not.
"""

import importlib
import re
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import pytest
from execnb.shell import CaptureShell
from fastcore.xtras import working_directory
from IPython.core.interactiveshell import InteractiveShell
from nbdev.config import get_config
from nbdev.process import NBProcessor
from nbdev.test import nb_test_cells
from nbformat.v4 import new_code_cell, new_notebook
from shapes import be_strict

CONFIG = get_config(Path(__file__))
EXPORTS = 'export', 'exports', 'exporti'
USE_MODULE = """
from importlib import import_module as _import
globals().update({k: v for k, v in vars(_import('%s')).items() if k[:2] != '__' and v is not None})
"""  # a patched method leaves its name in the module, for nothing


def notebooks(root):
    "The notebooks that nbdev sees and that export something: the lessons do not."
    return [
        p
        for p in sorted(root.rglob('*.ipynb'))
        if p.parent.name != 'course' and not any(part[0] in '_.' for part in p.relative_to(root).parts)
    ]


def run_examples(path, package, flags=()):
    "Run the cells that nbdev-test runs, the exported ones from `package`; tracebacks of those that failed."
    run = {cell.id for cell in nb_test_cells(path, CONFIG.tst_flags.split(), flags)}
    nb = NBProcessor(path, rm_directives=False, process=True).nb
    home = next((c.directives_['default_exp'] for c in nb.cells if 'default_exp' in c.directives_), None)

    def left_out(cell):
        if cell.id not in run:
            return True
        goes = [cell.directives_[kind] for kind in EXPORTS if kind in cell.directives_]
        if goes:
            cell.source = USE_MODULE % f'{package}.{home if goes[0] in ("", "true") else goes[0].split()[0]}'

    shell = CaptureShell(path)
    try:
        with working_directory(path.parent):
            shell.run_all(nb, preproc=left_out, cell_timeout=CONFIG.cell_timeout)
    finally:
        shell.close()
    errors = [o for cell in nb.cells for o in cell.get('outputs', []) if o.output_type == 'error']
    return [re.sub(r'\x1b\[[\d;]*m', '', ''.join(e.traceback)) for e in errors]


@pytest.fixture(autouse=True)
def own_shell(monkeypatch):
    "A notebook's shell leaves nothing to the next test."
    monkeypatch.setenv('IN_TEST', '1')  # nbdev_export() in a last cell does nothing then
    monkeypatch.setitem(sys.modules, '__main__', sys.modules['__main__'])
    monkeypatch.setattr(InteractiveShell, '_instance', None)
    monkeypatch.setattr(sys, 'path', [*sys.path])
    be_strict(monkeypatch)
    with plt.rc_context():
        yield
    plt.close('all')


NOTEBOOKS = notebooks(CONFIG.nbs_path)
# nbdev-test runs all in `make test`; what takes half a second or so here, too, the others by night.
SHORT = set(
    """
    00_checks 00a_names 01a_incoming 02_result 02a_files 12_fit 13_init 27_heldout 50_estimators 53_saving
    59_shown_data 59a_model_parts 61b_reading 62_browser_data 62a_browser_state 64_results
    71_newsgroups 80_course
    """.split()
)
EXAMPLES = [p if p.stem in SHORT else pytest.param(p, marks=pytest.mark.slow) for p in NOTEBOOKS]
assert {p.stem for p in NOTEBOOKS} >= SHORT
SLOW = [p for p in NOTEBOOKS if re.search(r'#\s*\|\s*slow', p.read_text(encoding='utf-8'))]
by_name = {'ids': lambda p: p.stem}
as_in_jupyter = pytest.mark.filterwarnings('default')  # a notebook shows its warnings


@as_in_jupyter
@pytest.mark.parametrize('path', EXAMPLES, **by_name)
def test_examples(path):
    errors = run_examples(path, CONFIG.lib_path.name)
    assert not errors, errors[0]


@pytest.mark.slow
@as_in_jupyter
@pytest.mark.parametrize('path', SLOW, **by_name)
def test_examples_slow(path):
    errors = run_examples(path, CONFIG.lib_path.name, ['slow'])
    assert not errors, errors[0]


def test_name_that_only_the_notebook_has(tmp_path, monkeypatch):
    "The module lacks an import that the notebook makes in a cell of its own: what the other tests look for."
    cells = (
        '#| default_exp toy',
        'import math',
        '#| export\ndef tau(): return 2*math.pi',
        'tau()',
        '#| slow\n1/0',
        '#| eval: false\n1/0',
    )
    nbformat.write(new_notebook(cells=[new_code_cell(c) for c in cells]), tmp_path / '00_toy.ipynb')
    (tmp_path / 'toypkg').mkdir()
    (tmp_path / 'toypkg/__init__.py').touch()
    module = tmp_path / 'toypkg/toy.py'
    module.write_text('def tau(): return 2*math.pi')
    monkeypatch.syspath_prepend(tmp_path)
    [error] = run_examples(tmp_path / '00_toy.ipynb', 'toypkg')
    assert "NameError: name 'math' is not defined" in error
    module.write_text('import math\ndef tau(): return 2*math.pi\n')
    importlib.reload(sys.modules['toypkg.toy'])
    assert run_examples(tmp_path / '00_toy.ipynb', 'toypkg') == []
