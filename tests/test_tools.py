"""tools/: the README that index.ipynb makes, and the check that everything is in step, on a toy package.

And the rules of form in tests/rules.py: each finds what it is for.
"""

import ast
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import report
import rules
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.xdist_group('tools')  # the small package is made once
PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=='


def tool(name):
    "The module tools/name.py."
    spec = importlib.util.spec_from_file_location(name, ROOT / 'tools' / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


readme, check_sync = tool('readme'), tool('check_sync')


def write(path, *cells):
    kernel = {'kernelspec': {'name': 'python3', 'display_name': 'python3', 'language': 'python'}}
    for i, cell in enumerate(cells):
        cell['id'] = f'cell{i}'
    nbformat.write(new_notebook(cells=list(cells), metadata=kernel), path)


def picture(text):
    return new_code_cell(
        text, outputs=[new_output('display_data', {'image/png': PIXEL, 'text/plain': 'Figure'})]
    )


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    "A small package in step with its notebooks."
    root = tmp_path_factory.mktemp('made')
    (root / 'nbs').mkdir()
    (root / 'ntf_lit').mkdir()
    for name in 'pyproject.toml', 'settings.ini', 'tools':
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, root / name)
    write(
        root / 'nbs/00_toy.ipynb',
        new_code_cell('#| default_exp toy'),
        new_code_cell('#| export\ndef one(): return 1'),
    )
    write(
        root / 'nbs/index.ipynb',
        new_markdown_cell('# Toy\n\nSee [toy](00_toy.ipynb#one), [licence](../LICENSE).'),
        new_code_cell('#| hide\nsecret = 1'),
        picture('#| fig-alt: "A dot"\ndraw()'),
        picture('#| echo: false\nquiet()'),
        new_code_cell(
            '2', outputs=[new_output('execute_result', {'text/html': '<b>2</b>', 'text/plain': '2'})]
        ),
    )
    check_sync.remake(root)
    return root


@pytest.fixture
def toy(made, tmp_path):
    "A copy of it to spoil."
    return shutil.copytree(made, tmp_path / 'toy')


def test_readme(toy):
    text = (toy / 'README.md').read_text()
    assert text.startswith('<!-- Made from') and '# Toy' in text
    assert '[toy](nbs/00_toy.ipynb#one), [licence](LICENSE)' in text
    assert '```python\ndraw()\n```\n\n![A dot](docs/images/README_1_0.png)' in text
    assert '\n    2\n' in text and not any(hidden in text for hidden in ('secret', 'quiet', '#|', '<b>'))
    assert [p.name for p in sorted((toy / 'docs/images').iterdir())] == ['README_1_0.png', 'README_2_0.png']
    assert readme.main(toy, check=True) is None


def test_readme_check(toy):
    (toy / 'docs/images/README_9_0.png').touch()
    with (toy / 'README.md').open('a') as f:
        f.write('by hand')
    assert 'README.md, docs/images/README_9_0.png' in readme.main(toy, check=True)
    readme.main(toy)
    assert readme.main(toy, check=True) is None


def test_relink():
    text = '[a](b.ipynb) [c](../d.md#e) ![f](images/g.png) [h](#i) [j](https://k.org/l) [m](/n) '
    text += '`x[0](y)` ```\nz[1](y)\n```'
    assert readme.relink(text) == (
        '[a](nbs/b.ipynb) [c](d.md#e) ![f](nbs/images/g.png) [h](#i) [j](https://k.org/l) [m](/n) '
        '`x[0](y)` ```\nz[1](y)\n```'
    )


def test_in_step(toy, capsys):
    before = check_sync.contents(toy)
    assert check_sync.main(toy) is None and 'In step' in capsys.readouterr().out
    assert check_sync.contents(toy) == before


def test_out_of_step(toy):
    with (toy / 'ntf_lit/toy.py').open('a') as f:
        f.write('by_hand = 1\n')
    with (toy / 'README.md').open('a') as f:
        f.write('by hand')
    (toy / 'ntf_lit/gone.py').write_text(f'{check_sync.MADE_BY_NBDEV} File to edit: ../nbs/gone.ipynb.\n')
    (toy / 'ntf_lit/plain.py').write_text('written_by_hand = True\n')
    write(
        toy / 'nbs/01_new.ipynb',
        new_code_cell('#| default_exp new', execution_count=3),
        new_code_cell('#| export\ntwo = 2'),
    )
    before = check_sync.contents(toy)
    found = check_sync.main(toy)
    for line in (
        'README.md: out of date',
        'nbs/01_new.ipynb: not clean',
        'ntf_lit/gone.py: no notebook makes it',
        'ntf_lit/new.py: missing',
        'ntf_lit/toy.py: out of date',
    ):
        assert line in found
    assert 'plain.py' not in found
    assert check_sync.contents(toy) == before


def test_broken_notebook_ends_the_check(toy):
    write(
        toy / 'nbs/01_new.ipynb',
        new_code_cell('#| default_exp new'),
        new_code_cell('#| export\ndef two(: pass'),
    )
    with pytest.raises(SystemExit, match='nbdev-export failed'):
        check_sync.main(toy)


def test_command_line(toy):
    (toy / 'README.md').write_text('by hand')
    done = subprocess.run([sys.executable, 'tools/check_sync.py'], cwd=toy, capture_output=True, text=True)
    assert done.returncode == 1 and 'README.md' in done.stderr


# --- The rules of form: each finds what it is for ---


def notebook(*cells):
    return new_notebook(cells=list(cells))


def cells(*texts):
    return notebook(*map(new_code_cell, texts))


WIDE = 'x = 1  # ' + 102 * '.'


@pytest.mark.parametrize(
    'rule, bad, good',
    [
        (rules.wide_lines, WIDE, WIDE[:-1]),
        (rules.wide_cells, cells('#| hide', f'1\n#| fig-alt: {WIDE}'), cells(WIDE[:-1])),
        (rules.wide_cells, cells(f'"""\n{WIDE}"""'), notebook(new_markdown_cell(WIDE))),
        (rules.joined_statements, 'a = 1; b = 2', "a = 'x; y'  # ; z\nplot();\nplot(); # quiet"),
        (rules.joined_statements, 'for i in y: f(i); g(i)', 'for i in y: f(i)'),
        (rules.joined_in_cells, cells('1', '%matplotlib inline\na = 1; b = 2'), cells('!ls; ls', 'plot();')),
        (rules.unspoken_figures, notebook(picture('draw()')), notebook(picture('#| fig-alt: A dot\ndraw()'))),
        (rules.unspoken_figures, notebook(picture('#| fig-alt:\ndraw()')), cells('1')),
        (
            rules.crowded,
            cells(*['#| export\n1'] * 3),
            cells('#| export\n1', '#| exporti\n1', '2', '#| export\n1'),
        ),
    ],
)
def test_rules_of_cells(rule, bad, good):
    assert list(rule(bad)) and not list(rule(good))


def test_checks():
    four = '#| export\n#| slow\n\na\nb\nc\nd'
    for check in (
        'assert x',
        'test_eq(1, 1)',
        'with expect_fail(ValueError): f()',
        'def f():\n    test_is(a, b)',
    ):
        assert not list(rules.few_checks(cells(four, check)))
        assert list(rules.few_checks(cells(four + '\ne', check)))
    assert list(rules.few_checks(cells(four, 'tested = 1', '# assert x'))) and not list(
        rules.few_checks(cells('1'))
    )
    assert list(rules.few_checks(cells(four + '\nassert x')))  # what is exported is no check of itself


BASE = """class Base:
    size = 1
    width: int
    def f(self): return 1
    def g(self): pass
    def __repr__(self): return "x"
"""
LOW = 'from .low import Base\n'


@pytest.mark.parametrize(
    'rule, bad, good',
    [
        (rules.deep_classes, LOW + 'class A(Base): 1\nclass B(A): 1', LOW + 'class A(Base, list): 1'),
        (
            rules.deep_classes,
            'from . import low as l\nclass A(l.Base): 1\nclass B(Mixin, A[int]): 1',
            'class Base: 1\nclass A(Base): 1',
        ),
        (
            rules.deep_classes,
            'from toy.front import Base as C\nclass A(C): 1\nclass B(A): 1',
            'from elsewhere import Base as C\nclass A(C): 1\nclass B(A): 1',
        ),
        (rules.made_bases, LOW + 'class A(Base): 1\ndef f(): return Base()', LOW + 'class A(Base): 1\nA()'),
        (rules.made_bases, LOW + 'class A(Base): 1\nlow.x(Base(1))', LOW + 'Base()'),
        (
            rules.overridden,
            LOW + 'class A(Base):\n    def f(self): return 2',
            LOW + 'class A(Base):\n    def h(self): 1',
        ),
        (
            rules.overridden,
            LOW + 'class A(Base):\n    f = None',
            LOW
            + 'class A(Base):\n    width = 2\n    def g(self): return 2\n    def __repr__(self): return "y"',
        ),
        (
            rules.overridden,
            LOW + 'class A(Base):\n    def size(self): return 2',
            LOW + 'class A(Base):\n    size = 2',
        ),
        (
            rules.overridden,
            LOW + '@patch\ndef f(self:Base): return 2',
            LOW + '@patch\ndef h(self:Base): return 2',
        ),
        (
            rules.overridden,
            LOW + 'class A(Base): 1\n@patch(as_prop=True)\ndef f(self:A): return 2',
            LOW + 'class A(Base): 1\n@patch\ndef f(self:Other): return 2',
        ),
        (
            rules.overridden,
            LOW + 'class A(Base): 1\n@patch\ndef h(self:Base): return 2\n@patch_to(A)\ndef h(x): return 3',
            'class A(list):\n    def f(self): return 2\n@patch\ndef h(self:A|Other): return 3',
        ),
        (rules.put_on_classes, LOW + 'Base.f = lambda x: x', LOW + 'b = Base()\nb.f = 2'),
        (rules.put_on_classes, LOW + 'Base.f, Base.h = 1, 2', LOW + 'Base.f()\nx = Base.f\nOther.f = 1'),
        (rules.put_on_classes, LOW + 'def f():\n    setattr(Base, "f", 1)', LOW + 'setattr(Base(), "f", 1)'),
        (rules.put_on_classes, LOW + 'Base.size += 1', LOW + 'class A(Base):\n    size = 2'),
        (rules.free_self, 'def f(self): return 1', 'class A:\n    def f(self): return 1'),
        (rules.free_self, 'f = lambda self: 1', '@patch\ndef f(self:A): return 1'),
        (rules.free_self, 'def f(x, *, self=None): 1', '@patch(as_prop=True)\ndef f(self:A|B): return 1'),
        (rules.free_self, 'class A:\n    def f(x):\n        def g(self): 1', 'def f(x): return x.self'),
        (rules.free_self, '@property\ndef f(self): return 1', '@patch_to(A)\ndef f(self): return 1'),
    ],
)
def test_rules_of_classes(rule, bad, good):
    def found(text):
        modules = {'low': BASE, 'front': LOW, 'top': text}
        return list(rule(rules.Package({name: ast.parse(text) for name, text in modules.items()}, 'toy')))

    assert {module for module, _ in found(bad)} == {'top'} and not found(good)


ALL = '__all__ = ["f", "A"]\n'


@pytest.mark.parametrize(
    'text, missing',
    [
        ('def f(): return 1', 'docstring; description of what it returns'),
        ('def f():\n    "One."\n    return 1', 'description of what it returns'),
        ('def f()->int:\n    "One."\n    return 1', 'description of what it returns'),
        ('def f(\n): # One\n    "One."\n    return 1', 'description of what it returns'),
        ('def f(\n)->int: # One\n    "One."\n    return 1', ''),
        ('def f():\n    "None."\n    def g(): return 1', ''),
        ('def f():\n    "All."\n    yield 1', 'description of what it returns'),
        ('def f(x, y): # Two\n    "None."', 'comment beside x'),
        ('def f(\n  x,\n  y, # Two\n):\n    "None."', 'comment beside x'),
        ('def f(\n  x, # One\n  # Two,\n  y, *,\n  z=1, # Three\n  **kw):\n    "None."', ''),
        ('def _f(): return 1', ''),
        ('def g(): return 1', ''),
    ],
)
def test_undocumented(text, missing):
    found = list(rules.undocumented(ast.parse(ALL + text), ALL + text))
    assert bool(found) == bool(missing) and missing in ''.join(found)


METHODS = """__all__ = ["A"]
class A:
    def f(self): return 1
    def _g(self): return 1
    @property
    def h(self): return 1
@patch
def k(self:A): return 1
@patch(as_prop=True)
def m(self:A): return 1
@patch
def n(self:B): return 1
"""


def test_undocumented_methods():
    found = list(rules.undocumented(ast.parse(METHODS), METHODS, methods=True))
    assert [complaint.split()[0] for complaint in found] == ['f', 'k']


def test_private_exports():
    assert list(rules.private_exports(ast.parse('__all__ = ["a", "_b"]'))) == ['_b is in __all__']


def test_report(tmp_path, capsys):
    "What the report says of a small checkout."
    for name in 'nbs', 'ntf_lit', 'tests':
        (tmp_path / name).mkdir()
    write(tmp_path / 'nbs/00_toy.ipynb', new_code_cell('#| export\nx = 1'), new_code_cell('y = 1; z = 2'))
    (tmp_path / 'ntf_lit/toy.py').write_text(
        '__all__ = ["one"]\nclass _A: 1\nclass B(_A): 1\ndef one(): return 1\n'
    )
    (tmp_path / 'tests/test_toy.py').write_text(WIDE)
    report.main(tmp_path)
    text = capsys.readouterr().out
    for name in 'nbs/00_toy.ipynb', 'ntf_lit/toy.py', 'tests/test_toy.py', 'all', 'deepest own chain':
        assert f'\n{name} ' in text
    report.main(tmp_path, 'joined')
    assert 'nbs/00_toy.ipynb: joined: cell cell1, line 1 has a second statement' in capsys.readouterr().out


def test_exported_from_another_directory(toy, tmp_path, monkeypatch):
    "What is made does not depend on where one stands, nor on whether it was made before."
    made = {p.name: p.read_bytes() for p in (toy / 'ntf_lit').glob('*.py')}
    elsewhere = tmp_path / 'elsewhere'
    elsewhere.mkdir()
    for folder in (toy, toy / 'nbs', elsewhere):
        monkeypatch.chdir(folder)
        done = subprocess.run(
            [sys.executable, '-c', 'import sys; from nbdev.export import nb_export; '
             'from nbdev.doclinks import nbdev_export; nbdev_export(path=sys.argv[1])', str(toy / 'nbs')],
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert {p.name: p.read_bytes() for p in (toy / 'ntf_lit').glob('*.py')} == made
