"""The repository keeps to its rules (tests/rules.py), and each rule is shown to find what it is for."""

import ast
import configparser
import contextlib
import functools
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_bytes
from importlib import metadata
from pathlib import Path

import pytest
import rules
import yaml

import ntf_lit

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / 'tools'))
PACKAGE = ROOT / 'ntf_lit'
FILES = rules.project_files(ROOT)
NOTEBOOKS = {
    p: json.loads(p.read_text(encoding='utf-8'))
    for p in FILES
    if p.suffix == '.ipynb' and p.is_relative_to(ROOT / 'nbs')
}
MODULES = sorted(p.stem for p in PACKAGE.glob('*.py') if p.stem[0] != '_')
TABLES = tomllib.loads((ROOT / 'pyproject.toml').read_text(encoding='utf-8'))
PROJECT = TABLES['project']
LOCK = [line for line in (ROOT / 'requirements.lock').read_text().splitlines() if not line.startswith('#')]

short = {'ids': lambda v: v.relative_to(ROOT).as_posix() if isinstance(v, Path) else None}
each_notebook = pytest.mark.parametrize('path', list(NOTEBOOKS), **short)


def found(rule, *args, **kw):
    return list(rule(*args, **kw))


# --- Metadata ---


def test_pyproject_tables():
    "What uv, pip and nbdev look for; no dependency is left to be found out by running setup.py."
    assert TABLES.keys() == {'build-system', 'project', 'tool'}
    assert TABLES['tool'].keys() == {'setuptools', 'nbdev'}
    assert PROJECT['dynamic'] == ['version', 'readme', 'urls']


def test_settings_say_the_same():
    "settings.ini is what pyproject.toml makes; version and citation are those of the package."
    from settings import main

    assert main(ROOT, check=True) is None
    ini = configparser.ConfigParser(delimiters=['='])
    ini.read(ROOT / 'settings.ini', encoding='utf-8')
    assert ini['DEFAULT']['version'] == ntf_lit.__version__
    assert ini['DEFAULT']['requirements'].split() == PROJECT['dependencies']
    assert f'\nversion: {ntf_lit.__version__}\n' in (ROOT / 'CITATION.cff').read_text(encoding='utf-8')


def test_readme_lists_the_tests():
    from list_tests import first_line, main

    assert main(ROOT, check=True) is None
    assert [p.name for p in (ROOT / 'tests').glob('*.py') if not first_line(p)] == []


def test_every_promise_of_security_names_its_test():
    "And the tests are there."
    holds = (ROOT / 'SECURITY.md').read_text(encoding='utf-8').split('## What holds')[1].split('\n## ')[0]
    promises = re.split(r'^- ', holds, flags=re.M)[1:]
    assert len(promises) >= 7
    for promise in promises:
        named = re.findall(r'`(tests/\w+\.py)::(\w+)`', promise)
        assert named, promise.partition('\n')[0]
        for file, test in named:
            assert f'\ndef {test}(' in (ROOT / file).read_text(encoding='utf-8'), f'{file}::{test}'


def test_hooks_are_what_make_test_runs():
    "Hooks are the environment's own programs, so they need no network and have the versions of the lock."
    config = yaml.safe_load((ROOT / '.pre-commit-config.yaml').read_text(encoding='utf-8'))
    [local] = config['repos']
    assert local['repo'] == 'local' and {hook['language'] for hook in local['hooks']} == {'system'}
    makefile = (ROOT / 'Makefile').read_text(encoding='utf-8')
    checked = makefile + (ROOT / 'tools/check_sync.py').read_text(encoding='utf-8')
    for hook in local['hooks']:
        program = re.sub(r'^\.venv/bin/(python tools/)?', '', hook['entry']).removesuffix(' --force-exclude')
        assert program.removesuffix('.py') in checked


@pytest.mark.parametrize('repo', ['me/mine', None])
def test_links_of_the_readme_anywhere(repo):
    from repository import absolute

    text = '[a](b.ipynb#c) ![d](e/f.png) [g](https://h.org) [i](#j) `k[l](m)` [`n`](../o) <this repository>'
    home = 'https://github.com/me/mine'
    assert absolute(text, repo) == (
        f'[a]({home}/blob/HEAD/b.ipynb#c) ![d]({home}/raw/HEAD/e/f.png) [g](https://h.org) [i](#j) '
        f'`k[l](m)` [`n`]({home}/blob/HEAD/../o) {home}'
        if repo
        else 'a *d* [g](https://h.org) [i](#j) `k[l](m)` `n` <this repository>'
    )


def test_repository(monkeypatch, tmp_path):
    from repository import repository

    monkeypatch.setenv('REPOSITORY', 'me/mine')
    assert repository(tmp_path) == 'me/mine'
    monkeypatch.delenv('REPOSITORY')
    monkeypatch.setenv('GIT_CEILING_DIRECTORIES', str(tmp_path.parent))
    assert repository(tmp_path) is None
    for url in 'git@github.com:me/mine.git', 'https://github.com/me/mine', 'https://elsewhere.org/me/mine':
        shutil.rmtree(tmp_path / '.git', ignore_errors=True)
        for cmd in ['init', '-q'], ['remote', 'add', 'origin', url]:
            subprocess.run(['git', *cmd], cwd=tmp_path, check=True)
        assert repository(tmp_path) == ('me/mine' if 'github' in url else None)


@pytest.fixture(scope='module')
def built(tmp_path_factory):
    "The source archive, and the wheel made from it: their files, and the metadata."
    root, out = tmp_path_factory.mktemp('built') / 'copy', tmp_path_factory.mktemp('dist')
    for path in FILES:
        if path.relative_to(ROOT).parts[0] not in ('nbs', 'benchmarks', 'docs'):
            (root / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, root / path.relative_to(ROOT))
    (root / 'ntf_lit/static/below').mkdir()
    (root / 'ntf_lit/static/below/page.html').touch()
    cmd = [sys.executable, '-m', 'build', '--no-isolation', '--outdir', out, root]
    done = subprocess.run(cmd, env=os.environ | {'REPOSITORY': 'me/mine'}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(next(out.glob('*.whl'))) as wheel:
        [about] = [name for name in wheel.namelist() if name.endswith('METADATA')]
        return wheel.namelist(), message_from_bytes(wheel.read(about))


def test_what_is_built(built):
    "All modules, static files also in folders, the mark that types are given; no tests and no tools."
    names, about = built
    files = {p.relative_to(ROOT).as_posix() for p in FILES if p.is_relative_to(PACKAGE)}
    made = {name for name in names if '.dist-info' not in name}
    assert made == files | {'ntf_lit/static/below/page.html', 'ntf_lit/py.typed'}
    assert about['Version'] == ntf_lit.__version__ and about['License-Expression'] == PROJECT['license']
    assert about['Requires-Python'] == PROJECT['requires-python']
    asked = about.get_all('Requires-Dist')
    assert len([r for r in asked if 'extra ==' not in r]) == len(PROJECT['dependencies'])
    assert set(about.get_all('Provides-Extra')) == PROJECT['optional-dependencies'].keys()
    assert 'Repository, https://github.com/me/mine' in about.get_all('Project-URL')


def test_links_of_the_built_readme(built):
    text = re.sub(r'```.*?```|`[^`\n]*`(?!\])', '', built[1].get_payload(), flags=re.S)
    links = re.findall(r'\]\(([^)\s]+)', text)
    assert len(links) > 20 and [link for link in links if not re.match(r'https://|#', link)] == []


def test_lock_is_plain():
    assert rules.loose_pins(LOCK) == []


def test_requirements_are_locked():
    wanted = PROJECT['dependencies'] + [
        r for names in PROJECT['optional-dependencies'].values() for r in names
    ]
    assert found(rules.unlocked, wanted, LOCK) == []


def test_the_oldest_python_will_do():
    "The first release of our oldest Python can install what is locked, as far as it is installed here."
    oldest, installed = PROJECT['requires-python'].removeprefix('>=') + '.0', {}
    for line in LOCK:
        with contextlib.suppress(metadata.PackageNotFoundError):
            about = metadata.metadata(line.split('==')[0])
            if about['Version'].split('+')[0] == line.split('==')[1]:
                installed[line] = about.get('Requires-Python')
    assert len(installed) > 100 and found(rules.too_new, installed, oldest) == []


# --- Layers ---


def exported_to(nb):
    "The module that a notebook makes, from its `#| default_exp`."
    lines = [line for c in rules.code_cells(nb) for line in rules.source(c).splitlines()]
    return next(
        (
            line.split('default_exp')[1].strip()
            for line in lines
            if line.startswith('#|') and 'default_exp' in line
        ),
        None,
    )


@functools.cache
def names_of_modules():
    "The module of each exported name."
    from ntf_lit._modidx import d

    full = (name.split('.') for names in d['syms'].values() for name in names)
    return {parts[-1]: parts[1] for parts in full if len(parts) == 3}


LAYERS = {exported_to(nb): rules.layer(path) for path, nb in NOTEBOOKS.items() if exported_to(nb)}


# To show what a model looks like, a notebook may open it in a browser, which stands above it; what it exports
# may not.
BROWSERS = 'topic_browser', 'hierarchy_browser'


@each_notebook
@pytest.mark.parametrize(
    'cells, readers', [(rules.code_cells, BROWSERS), (rules.exported_cells, ())], ids=['all', 'exported']
)
def test_imports_from_below(path, cells, readers):
    assert (
        found(
            rules.upward_imports,
            rules.notebook_tree(NOTEBOOKS[path], cells, 'import'),
            rules.layer(path),
            LAYERS,
            names_of_modules(),
            readers=readers,
        )
        == []
    )


# Modules that are slow to import stay out until they are needed.
HEAVY = {'torch', 'matplotlib', 'ipywidgets'}
MAY_BRING = {  # By the number of the notebook
    'torch': range(40, 50),  # gradients
    'matplotlib': [61],  # figures
    'ipywidgets': [62, 63, (64, 'a')],  # browsers, and what opens one
}


def may_bring(module):
    "The heavy modules that one of ours may bring; the package itself none."
    number, letter = LAYERS[module] if module else (None, '')
    return frozenset(k for k, at in MAY_BRING.items() if number in at or (number, letter) in at)


def brought_in(modules, *groups):
    """The heavy modules that a fresh interpreter has after each of some imports; the last has those of all.

    With further groups a list for each: all follow upon the first, and none upon another.
    """
    code = f"""import sys, importlib, os
def bring(names):
    for name in names:
        importlib.import_module(name)
        print(*sorted({HEAVY} & sys.modules.keys()), sep=' ', flush=True)
bring({modules})
for names in {groups}:
    print('---', flush=True)
    if os.fork():
        assert os.wait()[1] == 0
    else:
        bring(names)
        sys.exit()"""
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True, cwd=ROOT)
    found = [[set(line.split()) for line in part.splitlines()] for part in done.stdout.split('---\n')]
    return found if groups else found[0]


GROUPS = sorted({may_bring(m) for m in [None, *MODULES]}, key=sorted)


def test_light_import():
    "First those that bring nothing heavy, then in copies of that interpreter the others."
    of_group = lambda allowed: [m for m in [None, *MODULES] if may_bring(m) == allowed]
    names = [[f'ntf_lit.{m}' if m else 'ntf_lit' for m in of_group(allowed)] for allowed in GROUPS]
    assert GROUPS[0] == frozenset() and len(GROUPS) == len(HEAVY) + 1
    found = brought_in(*names)
    assert list(map(len, found)) == list(map(len, names)) and all(names)
    for allowed, group, after in zip(GROUPS, names, found):
        assert [name for name, brought in zip(group, after) if not brought <= allowed] == []


# --- Notebooks ---


def test_there_are_notebooks():
    assert len(NOTEBOOKS) > 0 and LAYERS


@each_notebook
def test_size(path):
    assert path.stat().st_size <= rules.MAX_BYTES


@each_notebook
@pytest.mark.parametrize(
    'rule', [rules.bad_ids, rules.bad_outputs, rules.long_cells], ids=lambda r: r.__name__
)
def test_notebook(path, rule):
    assert found(rule, NOTEBOOKS[path]) == []


@each_notebook
def test_outputs_leak_nothing(path):
    text = '\n'.join(map(rules.output_text, rules.outputs(NOTEBOOKS[path])))
    assert found(rules.leaks, text, [rules.SCRIPT, rules.MACHINE_PATH, rules.EMAIL, rules.TOKEN]) == []


# --- All files ---


@pytest.mark.parametrize('path', [*NOTEBOOKS, *PACKAGE.rglob('*.py')], **short)
def test_loads_run_no_code(path):
    nb, text = NOTEBOOKS.get(path), rules.text_outside_outputs(path)
    if rules.SUSPICIOUS.search(text):
        assert found(rules.code_running_loads, rules.notebook_tree(nb) if nb else ast.parse(text)) == []


def test_files_name_no_machine():
    kinds = rules.MACHINE_PATH, rules.TOKEN, rules.REGISTRY
    bad = {
        p.relative_to(ROOT).as_posix(): found(rules.leaks, rules.text_outside_outputs(p), kinds)
        for p in FILES
    }
    assert {name: complaints for name, complaints in bad.items() if complaints} == {}


def is_patched(path, line):
    "Whether the function that begins in a line is patched onto a class: its name is no name of the module."
    functions = (n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, rules.FUNCTION))
    return any(n.lineno == int(line) and rules.patched(n) for n in functions)


def undefined_names(folder):
    "Names without a definition, and definitions made twice, as ruff sees them."
    options = '--isolated', '--no-cache', '--output-format=concise', '--select=F821,F811'
    cmd = [sys.executable, '-m', 'ruff', 'check', *options, '.']
    done = subprocess.run(cmd, cwd=folder, capture_output=True, text=True)
    found = re.findall(r'^((.+):(\d+):\d+: (\S+) .*\n)', done.stdout, re.M)
    return ''.join(
        t for t, name, line, rule in found if rule != 'F811' or not is_patched(folder / name, line)
    )


def test_names_are_defined():
    assert undefined_names(PACKAGE) == ''


# --- Each rule finds what it is for ---


def notebook(*cells, **metadata):
    return {'cells': list(cells), 'metadata': metadata}


def code(text='1', id='a1', **output):
    return {'cell_type': 'code', 'id': id, 'source': text, 'outputs': [output] if output else []}


def shows(text):
    return {'output_type': 'stream', 'text': text}


WIDGET = 'application/vnd.jupyter.widget-view+json'
LONG = '\n'.join(f'x{i} = {i}' for i in range(26))


@pytest.mark.parametrize(
    'rule, bad, good',
    [
        (
            rules.long_cells,
            notebook(code(f'#| export\n{LONG}')),
            notebook(code(LONG), code(f'#| export\n#| slow\n\n{LONG[7:]}')),
        ),
        (rules.long_cells, notebook(code(f'#|exporti\n{LONG}')), notebook()),
        (rules.long_cells, notebook(code('#| export\n' + LONG[7:].replace('\n', '\n\n', 1))), notebook()),
        (
            rules.loose_checks,
            notebook(code('assert np.allclose(a, b)')),
            notebook(
                code('from fastcore.test import test_close\nassert not np.allclose(a, b)\ntest_close(a, b)')
            ),
        ),
        (rules.loose_checks, notebook(code('from numpy.testing import test_eq')), notebook()),
        (rules.loose_checks, notebook(code('def test_close(a, b): pass')), notebook()),
        (rules.bad_ids, notebook(code(), code()), notebook(code(), code(id='b-2'))),
        (rules.bad_ids, notebook(code(id=None)), notebook()),
        (rules.bad_outputs, notebook(code()), notebook(code(**shows('1')))),
        (rules.bad_outputs, notebook(code(output_type='error', ename='ValueError')), notebook()),
        (
            rules.bad_outputs,
            notebook(code(**shows('1')), widgets={'state': {}}),
            notebook(code(**shows('1'))),
        ),
        (rules.bad_outputs, notebook(code(output_type='display_data', data={WIDGET: {}})), notebook()),
    ],
)
def test_notebook_rules(rule, bad, good):
    assert found(rule, bad) and not found(rule, good)


# Put together here, so that this file itself keeps to the rules
@pytest.mark.parametrize(
    'kind, bad, good',
    [
        ('SCRIPT', ['<script>', '<SCRIPT src'], ['&lt;script&gt;', 'description']),
        (
            'MACHINE_PATH',
            ['/' + 'work/main', 'File "/' + 'root/x.py"', 'in\n/' + 'tmp/ipykernel_3', 'C:' + r'\Users\a'],
            ['http://a.org/home/x', '../work/x', 'a/tmp/b'],
        ),
        (
            'EMAIL',
            ['someone.else@example.org', '<a@b.co.uk>'],
            ['W@H.T', 'X @ H.mT', 'A@B.sum()', '@dataclass'],
        ),
        ('TOKEN', ['ghp_' + 'a1' * 15, 'hf_' + 'Ab' * 17, 'AKIA' + 'Z9' * 8], ['hf_hub', 'risk-averse']),
        (
            'REGISTRY',
            ['https://' + 'pypi' + '.org/simple', 'registry.' + 'npmjs' + '.com'],
            ['pip install ntf_lit', 'npm'],
        ),
    ],
)
def test_leak_rules(kind, bad, good):
    leaks = lambda text: found(rules.leaks, rules.output_text(shows(text)), [getattr(rules, kind)])
    assert all(map(leaks, bad)) and not any(map(leaks, good))


def test_output_text():
    data = {'text/html': 'e', 'image/png': 'f', 'application/json': {'g': 1}}
    assert (
        rules.output_text({'text': ['a\n', 'b'], 'traceback': ['c', 'd'], 'data': data})
        == 'a\nb\ncd\ne\n{"g": 1}'
    )


@pytest.mark.parametrize(
    'text',
    [
        'import pickle',
        'from pickle import loads',
        'import joblib as j',
        '__import__("dill")',
        'import importlib\nimportlib.import_module("marshal")',
        'eval("1")',
        'f = exec',
        'import builtins\nbuiltins.eval("1")',
        'import torch as t\nt.load("a")',
        'from torch import load\nload("a")',
        'import yaml\nyaml.load("a")',
        'import pandas as pd\npd.read_pickle("a")',
        'import numpy as np\nnp.load("a", allow_pickle=True)',
        'import numpy as np\nnp.load("a", allow_pickle=flag)',
        'import numpy as np\nnp.load("a", None, True)',
    ],
)
def test_code_running_loads(text):
    assert rules.SUSPICIOUS.search(text) and found(rules.code_running_loads, ast.parse(text))


@pytest.mark.parametrize(
    'text',
    [
        'model.eval()',
        'np.load("a")',
        'import numpy as np\nnp.load("a", allow_pickle=False)',
        'import json\njson.load(f)',
        'import yaml\nyaml.safe_load("a")',
        'import torch\ntorch.save(a, f)',
    ],
)
def test_harmless_loads(text):
    assert not found(rules.code_running_loads, ast.parse(text))


def upward(text, own):
    layers = {'checks': (0, ''), 'nnls': (11, ''), 'fit': (12, ''), 'ncpd': (20, '')}
    return found(
        rules.upward_imports,
        ast.parse(text),
        own,
        layers,
        {'NCPD': 'ncpd', 'check': 'checks'},
        readers=('topic_browser',),
    )


@pytest.mark.parametrize(
    'text',
    [
        'from ntf_lit.checks import check',
        'from ntf_lit import checks',
        'from ntf_lit import check',
        'import numpy, ntf_literal',
        'from ntf_lit.topic_browser import TopicBrowser',
    ],
)
def test_imports_from_below_pass(text):
    assert not upward(text, (11, ''))


@pytest.mark.parametrize(
    'text',
    [
        'from ntf_lit.nnls import q',
        'from ntf_lit.fit import fit',
        'import ntf_lit.fit as f',
        'from ntf_lit import fit',
        'from ntf_lit import NCPD',
        'import ntf_lit',
        'from .fit import fit',
        'from . import fit',
        'def f():\n    from ntf_lit.fit import fit',
        'from ntf_lit.unknown import x',
    ],
)
def test_imports_from_above_fail(text):
    assert upward(text, (11, '')) and not upward(text, None)


def test_layer():
    layers = [
        rules.layer(Path(f'nbs/{name}.ipynb'))
        for name in ('03_data', '03a_more', '11_nnls', 'index', 'course/01_first')
    ]
    assert layers == [(3, ''), (3, 'a'), (11, ''), None, None]


def test_magics_are_code():
    cells = '%matplotlib inline\nimport pickle', '!ls', '%%time\nx = 1', 'await f()'
    assert len(found(rules.code_running_loads, rules.notebook_tree(notebook(*map(code, cells))))) == 1


def test_lock_rules():
    lock = ['numpy==2.4', 'array-api-compat==1.2', 'torch==2.13.0']
    assert found(rules.unlocked, ['numpy>=2', 'Array.API_compat>=1'], lock) == []
    assert found(rules.unlocked, ['torch>=3'], lock) == ['torch>=3, but requirements.lock has 2.13.0']
    assert found(rules.unlocked, ['absent'], lock) == ['absent is not in requirements.lock']
    loose = ['b>=2', 'torch==2.13.0+cpu', 'c @ file://x', '-e .']
    assert rules.loose_pins(['a==1', *loose]) == loose
    assert len(found(rules.too_new, {'a': '>=3.11.5', 'b': '>=3.11', 'c': None}, '3.11.0')) == 1


def test_undefined_names(tmp_path):
    (tmp_path / 'a.py').write_text('def f(): return np\ndef f(): return 1\n')
    assert 'F821' in undefined_names(tmp_path) and 'F811' in undefined_names(tmp_path)
    (tmp_path / 'a.py').write_text('@patch\ndef f(self:A): return 0\n@patch\ndef f(self:B): return 1\n')
    assert 'F811' not in undefined_names(tmp_path)


def test_brought_in():
    assert brought_in(['json', 'matplotlib', 'json']) == [set(), {'matplotlib'}, {'matplotlib'}]
    assert brought_in(['json'], ['matplotlib'], ['csv']) == [[set()], [{'matplotlib'}], [set()]]
