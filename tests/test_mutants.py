"""The planted bugs of tests/mutants: each still fits into the code; a sample of them is caught."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / 'tests/mutants'))
import mutants
import run

MUTANTS = mutants.all_mutants()


def test_there_are_enough_and_none_is_there_twice():
    assert len(MUTANTS) >= 120
    assert len({m.key for m in MUTANTS}) == len(MUTANTS)


def test_every_module_with_a_mutant_has_tests():
    for m in MUTANTS:
        for args in mutants.tests_of(m, ROOT):
            for name in (a for a in args if a.startswith('tests/')):
                assert (ROOT / name).is_file(), args


@pytest.mark.parametrize('m', MUTANTS, ids=lambda m: f'{Path(m.path).stem}, {m.kind}, {m.key}')
def test_it_fits(m):
    "Its text is there once, and another stands there then; Python still reads it."
    text = (ROOT / m.path).read_text(encoding='utf-8')
    assert text.count(m.old) == 1 and m.new != m.old
    if m.path.endswith('.py'):
        compile(text.replace(m.old, m.new), m.path, 'exec')


def test_what_is_no_patch_is_refused(tmp_path):
    (tmp_path / 'a.py').write_text('x = 1\nx = 1\n')
    twice = mutants.Mutant('a.py', 'sign', 'none', 'x = 1', 'x = 2', '')
    with pytest.raises(ValueError, match='there 2 times'):
        twice.apply(tmp_path)
    with pytest.raises(ValueError, match='neither -, \\+ nor ='):
        list(mutants.parsed('@@ a.py sign: none\n x = 1\n'))


def test_what_fails_where_nothing_is_planted_catches_nothing(tmp_path):
    "Neither a test that always fails, nor pytest itself."
    (tmp_path / 'test_a.py').write_text('def test_no(): assert 0\ndef test_yes(): pass\n')
    assert run.run_tests(tmp_path, ['test_a.py'], 'few').node == 'test_a.py::test_no'
    assert run.check_sound(tmp_path, 'test_a.py::test_yes', 'few') is None
    with pytest.raises(RuntimeError, match='test_no fails where nothing is planted'):
        run.check_sound(tmp_path, 'test_a.py::test_no', 'few')
    with pytest.raises(RuntimeError, match='no test failed, but pytest ended with 4'):
        run.run_tests(tmp_path, ['--there-is-no-such-option'], 'few')


def toy(folder, text):
    "A project of one module and its tests, and a bug of it."
    (folder / 'toy.py').write_text('seen = []\nis_one = lambda x: x == 1\n')
    (folder / 'test_toy.py').write_text('import toy\n' + text)
    return mutants.Mutant('toy.py', 'sign', 'none', 'x == 1', 'x != 1', '')


@pytest.mark.slow
def test_only_what_fails_alone_catches(tmp_path, monkeypatch, capfd):
    "A test that fails because of others before it catches nothing, with a bug or without."
    monkeypatch.setattr(run, 'tests_of', lambda mutant, root: [['test_toy.py']])
    first = 'def test_a(): toy.seen.append(1)\ndef test_b(): assert not toy.seen\n'
    found = run.caught(toy(tmp_path, first), tmp_path, quick=60)
    assert found.passed and 'test_b failed after others' in capfd.readouterr().out
    found = run.caught(toy(tmp_path, 'def test_c(): assert toy.is_one(1)\n'), tmp_path, quick=60)
    assert (found.passed, found.node) == (False, 'test_toy.py::test_c')
    assert 'x == 1' in (tmp_path / 'toy.py').read_text()
    assert run.run_tests(tmp_path, ['test_toy.py'], 'few', seconds=0.0).passed
    assert 'no time is left' in (tmp_path / '.tests.log').read_text()


def test_what_caught_before_comes_first(tmp_path):
    "Then one case of every test, the quick ones first."
    (tmp_path / '.seconds.json').write_text('{"t.py::a[p]": 9.0}')
    items = [SimpleNamespace(nodeid=f't.py::{name}') for name in ('a[p]', 'a[q]', 'b', 'c[p]', 'c[q]')]
    run.Order(tmp_path, ['t.py::c[q]'], run.ALL).pytest_collection_modifyitems(items)
    assert [i.nodeid[6:] for i in items] == ['c[q]', 'b', 'c[p]', 'a[p]', 'a[q]']


@pytest.mark.slow
def test_a_sample_is_caught(tmp_path):
    run = [sys.executable, str(ROOT / 'tests/mutants/run.py'), '--sample', '20', '--workers', '1']
    run += ['--known', str(tmp_path / 'known.jsonl')]
    done = subprocess.run(run, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
