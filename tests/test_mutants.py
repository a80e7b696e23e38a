"""The planted bugs of tests/mutants: each still fits into the code; a sample of them is caught."""

import subprocess
import sys
from pathlib import Path

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
            assert (ROOT / args[0]).is_file(), args


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


@pytest.mark.slow
def test_a_sample_is_caught(tmp_path):
    run = [sys.executable, str(ROOT / 'tests/mutants/run.py'), '--sample', '20', '--workers', '1']
    run += ['--known', str(tmp_path / 'known.jsonl')]
    done = subprocess.run(run, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
