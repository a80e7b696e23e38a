"""tools/: the README that index.ipynb makes, and the check that everything is in step, on a toy package."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

ROOT = Path(__file__).resolve().parents[1]
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
    text = '[a](b.ipynb) [c](../d.md#e) ![f](images/g.png) [h](#i) [j](https://k.org/l) [m](/n) `x[0](y)` ```\nz[1](y)\n```'
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
