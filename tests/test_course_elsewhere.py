"""The lessons where else they are worked with: JupyterLite, marimo, and handed out and marked by nbgrader.

Neither is among the package's requirements. Each may stand in an environment of its own: NBGRADER and MARIMO
say where its program is, if not on the path. Its Python has to have our version, and then finds the package
and what this needs where our Python does.
"""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import course
import lite
import nbformat
import pytest

LESSONS = {p.stem: nbformat.read(p, 4) for p in course.lessons()}
ALONG = os.pathsep.join([str(course.ROOT), *filter(None, sys.path)])


def program(name):
    "Where a program is; the test is skipped where it is not."
    found = os.environ.get(name.upper().replace('-', '_')) or shutil.which(name)
    return found or pytest.skip(f'{name} is not installed')


def run(command, folder):
    "What a command says; it must end well."
    path = os.pathsep.join([str(Path(command[0]).parent), os.environ['PATH']])  # nbgrader calls alembic
    env = os.environ | dict(PATH=path, PYTHONPATH=ALONG, MPLBACKEND='Agg')
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


# --- JupyterLite ---

BROWSER = """
import sys, threading
import matplotlib
matplotlib.use('Agg')
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in ('torch', 'numba', 'dask', 'distributed', 'zarr', 'h5py'):
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)
sys.meta_path.insert(0, Missing())
def no_threads(self): raise RuntimeError("can't start new thread")
threading.Thread.start = no_threads
"""


def test_copies_for_a_browser_install_without_torch(tmp_path, capsys):
    lite.main(tmp_path)
    made = {p.stem: nbformat.read(p, 4) for p in course.lessons(tmp_path)}
    assert set(LESSONS) - set(made) == {'06_nnls', '10_more_than_memory'}
    assert '06_nnls (torch), 10_more_than_memory (threads)' in capsys.readouterr().out
    for nb in made.values():
        code = [c.source for c in nb.cells if c.cell_type == 'code']
        assert code[0].startswith('import piplite') and 'torch>=' not in code[0] and 'anywidget' in code[0]
        assert not any('ImportError' in c or 'BEGIN SOLUTION' in c for c in code)


@pytest.mark.slow
@pytest.mark.parametrize('name', [n for n, nb in LESSONS.items() if not lite.lacking(nb)])
def test_a_lesson_runs_without_torch_and_threads(name, tmp_path):
    "What a browser's Python has not is taken away; numba and the stores are not asked for."
    code = [course.DIRECTIVE.sub('', c.source) for c in LESSONS[name].cells if c.cell_type == 'code']
    (tmp_path / 'lesson.py').write_text('\n\n'.join([BROWSER, *code]), encoding='utf-8')
    run([sys.executable, 'lesson.py'], tmp_path)


# --- marimo ---


@pytest.mark.parametrize('name', LESSONS)
def test_no_magic_in_a_lesson(name):
    "Lines that only IPython knows; an indented one makes the whole lesson text for `marimo convert`."
    code = [c.source for c in LESSONS[name].cells if c.cell_type == 'code']
    for source in code:
        compile(source, name, 'exec')


@pytest.mark.slow
@pytest.mark.parametrize('name', LESSONS)
def test_marimo_runs_every_lesson(name, tmp_path):
    marimo = program('marimo')
    lesson = course.LESSONS / f'{name}.ipynb'
    run([marimo, 'convert', str(lesson), '-o', 'lesson.py'], tmp_path)
    text = (tmp_path / 'lesson.py').read_text(encoding='utf-8')
    assert '_unparsable_cell' not in text
    checks = sum(bool(course.CHECK.search(c.source)) for c in LESSONS[name].cells)
    assert text.count("check('") == checks
    run([str(Path(marimo).parent / 'python'), 'lesson.py'], tmp_path)


# --- nbgrader ---


def answers(nb):
    "Cells of answers by their names in the gradebook."
    return {
        c.metadata.nbgrader.grade_id: c
        for c in nb.cells
        if 'nbgrader' in c.metadata and c.metadata.nbgrader.solution
    }


@pytest.fixture(scope='module')
def handed_out(tmp_path_factory):
    "A course of nbgrader's, with its assignment made from the teacher's copies."
    nbgrader, folder = program('nbgrader'), tmp_path_factory.mktemp('course')
    course.main(folder / 'made')
    shutil.copytree(folder / 'made/teacher', folder / 'source/ntf_lit')
    run([nbgrader, 'generate_assignment', 'ntf_lit', '--create'], folder)
    return nbgrader, folder


@pytest.mark.slow
@pytest.mark.parametrize('name', LESSONS)
def test_nbgrader_makes_the_same_blanks(handed_out, name):
    _, folder = handed_out
    made = nbformat.read(folder / f'release/ntf_lit/{name}.ipynb', 4)
    ours = [c.source for c in course.student(LESSONS[name]).cells if 'NotImplementedError' in c.source]
    assert [c.source for c in answers(made).values()] == ours


@pytest.mark.slow
def test_full_marks_for_solutions_and_none_for_blanks(handed_out):
    nbgrader, folder = handed_out
    released = folder / 'release/ntf_lit'
    shutil.copytree(released, folder / 'submitted/blank/ntf_lit')
    for path in released.glob('*.ipynb'):
        nb, solved = nbformat.read(path, 4), answers(nbformat.read(folder / 'source/ntf_lit' / path.name, 4))
        for name, cell in answers(nb).items():
            cell.source = solved[name].source
        (folder / 'submitted/solved/ntf_lit').mkdir(parents=True, exist_ok=True)
        nbformat.write(nb, folder / 'submitted/solved/ntf_lit' / path.name)
    run([nbgrader, 'autograde', 'ntf_lit', '--create', '--ExecutePreprocessor.timeout=300'], folder)
    run([nbgrader, 'export'], folder)
    with open(folder / 'grades.csv', encoding='utf-8') as f:
        grades = {row['student_id']: row for row in csv.DictReader(f)}
    stars = sum(
        len(s) for nb in LESSONS.values() for c in nb.cells for s, _ in course.EXERCISE.findall(c.source)
    )
    assert float(grades['solved']['score']) == float(grades['solved']['max_score']) == stars
    assert float(grades['blank']['score']) == 0
