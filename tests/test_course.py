"""Every exercise of the course: its solution passes, its blank fails, and so do answers that are wrong."""

import ast
import builtins
import itertools
import linecache
import re
import subprocess
import sys
import textwrap
import warnings
from collections import Counter
from copy import deepcopy
from pathlib import Path

import course
import matplotlib
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
import scipy.optimize
from IPython.core.inputtransformer2 import TransformerManager
from sklearn.base import BaseEstimator

import ntf_lit.course
from ntf_lit import _home

LESSONS = {p.stem: nbformat.read(p, 4) for p in course.lessons()}

# Answers to every exercise, with what each must be told; `…` stands for anything.
GENERIC = {
    'numbers are not yet': 'the shape is right, the numbers are not yet',
    'shapes differ': r'the shape is \(.*, but should be|is wanted, but your function gives',
    'some are wrong': 'entr(y|ies) (is|are) wrong',
    'negative': 'and none may be|must not be',
    'NaN': 'a NaN or an infinite number',
    'factor': 'a constant factor is off',
    'sign': 'it is minus what is wanted',
    'transpose': 'it is the transpose of what is wanted',
    'in small units': 'but not in small units',
    'nothing': 'gives nothing back',
    'changes': 'changes its arguments',
}
MOST = 15  # times that a sentence may be told which would suit any exercise


def read_answers(text):
    "(exercise, lines of the answer, what it must be told)."
    for part in re.split('^=== ', text, flags=re.M)[1:]:
        number, rest = part.split('\n', 1)
        for answer in rest.strip('\n').split('\n\n'):
            body, told = answer.rsplit('\n>>> ', 1)
            yield number, body, told


ANSWERS = list(read_answers((Path(__file__).parent / 'course_answers.txt').read_text(encoding='utf-8')))
WRONG = [answer for answer in ANSWERS if answer[2] != 'right']
RIGHT = [answer for answer in ANSWERS if answer[2] == 'right']


# --- A lesson's exercises ---


def names(cell):
    "What a cell uses, and what it defines."
    tree = ast.parse(TransformerManager().transform_cell(cell.source))
    used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    made = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    made |= {n.name for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
    return used, made | {
        a.asname or a.name.split('.')[0]
        for n in ast.walk(tree)
        if isinstance(n, (ast.Import, ast.ImportFrom))
        for a in n.names
    }


def needed(nb, want=()):
    "The cells of the exercises, and those that they depend on, and that other names do."
    want, keep = set(want), []
    for cell in reversed([c for c in nb.cells if c.cell_type == 'code']):
        used, made = names(cell)
        if course.CHECK.search(cell.source) or course.SOLUTION.search(cell.source) or made & want:
            keep.append(cell)
            want |= used - set(dir(builtins))
    return keep[::-1]


def exercises(nb):
    "(number, answer cell, check cell) in order."
    answer = None
    for cell in nb.cells:
        if cell.cell_type != 'code':
            continue
        if course.SOLUTION.search(cell.source):
            answer = cell
        if found := course.CHECK.search(cell.source):
            yield found[1], answer, cell


@pytest.fixture(scope='module')
def solved():
    "Each lesson's names after its solutions, made once."
    matplotlib.use('Agg')
    made = {}

    def get(lesson):
        if lesson not in made:
            made[lesson] = {}
            for cell in needed(LESSONS[lesson]):
                run(cell.source, made[lesson])
        return made[lesson]

    return get


def run(source, space):
    "Run a cell whose lines can be looked up, as those of a notebook can."
    name = f'<cell {len(linecache.cache)}>'
    linecache.cache[name] = len(source), None, source.splitlines(True), name
    exec(compile(source, name, 'exec'), space)
    plt.close('all')


def written(body, answer):
    "A body below the first line of the exercise's function."
    head = re.search('^def .*:$', answer.source, re.M)[0]
    return f'{head}\n{textwrap.indent(body, "    ")}\n'


def separate(space):
    "A lesson's names, for one answer: what is drawn at random is the same for each."
    return space | {name: deepcopy(value) for name, value in space.items() if name == 'rng'}


def verdict(space, answer, check):
    "What the check says to an answer: None if it is right."
    space = separate(space)
    run(answer, space)
    try:
        run(check.source, space)
    except ntf_lit.course.NotYet as e:
        return str(e)


ALL = [(lesson, *exercise) for lesson, nb in LESSONS.items() for exercise in exercises(nb)]
each = pytest.mark.parametrize('lesson, number, answer, check', ALL, ids=[number for _, number, *_ in ALL])


@each
def test_solution_passes(solved, lesson, number, answer, check):
    assert verdict(solved(lesson), answer.source, check) is None


@each
def test_blank_fails(solved, lesson, number, answer, check):
    assert 'nothing here yet' in verdict(solved(lesson), course.blank(answer.source), check)


def exercise(number):
    return next((lesson, answer, check) for lesson, n, answer, check in ALL if n == number)


def told_to(solved, number, body):
    lesson, answer, check = exercise(number)
    return verdict(solved(lesson), written(body, answer), check)


def label(answers):
    return [f'{number} {body.splitlines()[-1][:50]}' for number, body, _ in answers]


BY_DAY = WRONG[::4]  # the others by night


@pytest.mark.parametrize(
    'number, body, told',
    [pytest.param(*a, marks=() if i % 4 == 0 else pytest.mark.slow) for i, a in enumerate(WRONG)],
    ids=label(WRONG),
)
def test_wrong_answer_is_told_what_is_wrong(solved, number, body, told):
    if 'its `out=`' in told and np.lib.NumpyVersion(np.__version__) < '2.4.0':
        pytest.skip('older NumPy does not say so')
    said = told_to(solved, number, body)
    assert said and re.fullmatch(re.escape(told).replace('…', '.*'), said, re.S), said


@pytest.mark.parametrize('number, body, told', RIGHT, ids=label(RIGHT))
def test_right_answer_in_another_style(solved, number, body, told):
    assert told_to(solved, number, body) is None


@pytest.mark.filterwarnings('ignore::UserWarning')  # of NumPy 2.4, which here is not an error
@pytest.mark.parametrize('number', ['1.3', '2.5', '3.2', '3.4'])
def test_division_that_is_right_by_luck(solved, number, monkeypatch):
    "Also where NumPy is too old to say so: there the memory that is not written to holds NaN."
    lesson, answer, check = exercise(number)
    by_luck = re.sub(r', out=np\.zeros_like\(pos\)', '', answer.source)
    assert by_luck != answer.source
    said = verdict(solved(lesson), by_luck, check)
    assert said and ('its `out=`' in said or 'NaN' in said)


def test_there_are_enough_answers():
    assert len(WRONG) >= 800 and {number for number, *_ in BY_DAY} == {number for number, *_ in WRONG}
    wrong, right = (Counter(number for number, *_ in answers) for answers in (WRONG, RIGHT))
    for _, number, *_ in ALL:
        assert wrong[number] >= 10 and right[number] >= 3, number
    assert len({(number, body) for number, body, _ in ANSWERS}) == len(ANSWERS)


@pytest.mark.parametrize('name', GENERIC)
def test_no_generic_sentence_is_told_often(name):
    "Where a place in the answer's own lines is named as well, it is not the same sentence."
    bare = [told for *_, told in WRONG if re.search(GENERIC[name], told) and 'One change away' not in told]
    assert len(bare) <= MOST


def test_where_a_function_stops_the_operation_is_named():
    stopped = [told for *_, told in WRONG if 'stopped' in told]
    assert len(stopped) > 100 and all('stopped at `' in told for told in stopped)


@each
def test_every_foreseen_mistake_is_told_apart(solved, lesson, number, answer, check, monkeypatch):
    "Each wrong answer that a check knows gets its own sentence: it is not right, nor taken for another."
    kept = {}
    space = separate(solved(lesson))
    space['check'] = lambda name, *args, **kw: kept.update(name=name, args=args, kw=kw)
    run(check.source, space)
    for sentence, several in (kept['kw'].get('mistakes') or {}).items():
        for wrong in several if isinstance(several, list) else [several]:
            with pytest.raises(ntf_lit.course.NotYet) as e:
                ntf_lit.course.check(kept['name'], wrong, *kept['args'][1:], **kept['kw'])
            assert str(e.value) == sentence


# --- The form of a lesson ---

each_lesson = pytest.mark.parametrize('name', LESSONS)


def test_there_are_lessons():
    assert len(LESSONS) >= 11


@each_lesson
def test_form(name):
    nb = LESSONS[name]
    text = '\n'.join(c.source for c in nb.cells if c.cell_type == 'markdown')
    for part in (
        "**What you'll do.**",
        "**What you'll learn.**",
        "**What you'll need.**",
        '## Remember',
        '## On your own',
        '## Further reading',
    ):
        assert part in text, part
    found = course.EXERCISE.findall(text)
    assert 3 <= len(found) <= 5 and {len(s) for s, _ in found} <= {1, 2, 3}
    assert [number for _, number in found] == [number for number, *_ in exercises(nb)]
    assert text.count('**Predict first.**') >= 2
    figures = [
        i
        for i, c in enumerate(nb.cells)
        if any('image/png' in o.get('data', {}) for o in c.get('outputs', []))
    ]
    assert figures and figures[0] <= 8, 'a figure near the top'


@each_lesson
def test_text_needs_no_answers(name):
    "Cells between the exercises use nothing that a student is to write."
    answers = {
        f.name
        for _, answer, _ in exercises(LESSONS[name])
        for f in ast.parse(answer.source).body
        if isinstance(f, ast.FunctionDef)
    }
    assert answers
    for cell in LESSONS[name].cells:
        if (
            cell.cell_type != 'code'
            or course.SOLUTION.search(cell.source)
            or course.CHECK.search(cell.source)
        ):
            continue
        used, made = names(cell)
        answers -= made
        assert not used & answers, cell.source


# --- Code in the text of a lesson ---

CODE = re.compile('(?<!`)`([^`\\n]+)`(?!`)')
NOT_PYTHON = re.compile(r'pip install (\w+)')
NOTEBOOK = re.compile(r'\d\d[a-z]?_\w+')
ESTIMATORS = {name: getattr(ntf_lit, name) for name in dir(ntf_lit) if name[0] != '_'}
# What a fragment speaks of that only an exercise's function knows, or that it tells to import
GIVEN = dict(a=np.ones(2), b=np.array([0.0, 1]), k=2, on=(True, False), C=np.eye(2))
GIVEN |= dict(np=np, itertools=itertools, scipy=scipy, ntf_lit=ntf_lit)


def fragments(nb):
    "Pieces of code in the text."
    texts = [c.source for c in nb.cells if c.cell_type == 'markdown']
    return list(dict.fromkeys(piece for text in texts for piece in CODE.findall(text)))


def spoken_of(piece):
    "The names in a piece of code."
    tree = ast.parse(piece)
    return {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}


def given_data(model):
    "Data of the kind that an estimator fits."
    rng = np.random.default_rng(0)
    if 'NTF' in type(model).__name__ or 'CP' in type(model).__name__:
        tensors = [rng.random((9, 8, 7)), rng.random((6, 8, 7))]
        return tensors if 'Stratified' in type(model).__name__ else tensors[0]
    return rng.random((12, 9))


def fitted(model):
    "An estimator that is only made says nothing of its settings: fit it, with few sweeps."
    short = {k: v for k, v in dict(max_iter=2, max_epochs=2).items() if k in model.get_params()}
    labels = [np.arange(12) % 2] if model.get_params().get('label_weight') else []
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        return model.set_params(**short).fit(given_data(model), *labels)


@each_lesson
def test_code_in_the_text_runs(name, monkeypatch):
    matplotlib.use('Agg')
    nb, space, root = LESSONS[name], {}, Path(course.ROOT)
    run_it = [f for f in fragments(nb) if not NOTEBOOK.fullmatch(f) and not NOT_PYTHON.fullmatch(f)]
    for cell in needed(nb, set().union(*map(spoken_of, run_it))):
        run(cell.source, space)
    lesson = '\n'.join(c.source for c in nb.cells if c.cell_type == 'code')
    for piece in fragments(nb):
        if NOTEBOOK.fullmatch(piece):
            assert (root / f'nbs/{piece}.ipynb').exists(), piece
        elif found := NOT_PYTHON.fullmatch(piece):
            assert found[1] in (root / 'pyproject.toml').read_text(encoding='utf-8'), piece
        elif re.fullmatch(r'\w+', piece):
            assert re.search(rf'\b{piece}\b', lesson) or _home(piece) or hasattr(ntf_lit, piece), piece
        elif piece not in lesson:
            if piece.startswith(('import ', 'from ')):
                exec(piece, space)
                continue
            value = eval(piece, ESTIMATORS | GIVEN | space)
            if isinstance(value, BaseEstimator) and not hasattr(value, 'n_iter_'):
                fitted(value)


PLACES = [
    (None, None),
    ('someone/ntf_lit', None),
    ('someone/ntf_lit', 'a/copies/blob/main'),
    (None, 'a/copies/blob/main'),
]


@each_lesson
@pytest.mark.parametrize('repo, place', PLACES)
def test_student_copy(name, repo, place):
    nb = course.student(LESSONS[name], name, repo, place)
    nbformat.validate(nb)
    code = [c for c in nb.cells if c.cell_type == 'code']
    assert not any('SOLUTION' in c.source or '#|' in c.source or c.outputs for c in code)
    assert sum('raise NotImplementedError()' in c.source for c in code) == len(list(exercises(LESSONS[name])))
    checks = [c for c in code if course.CHECK.search(c.source)]
    assert all(c.metadata == dict(jupyter=dict(source_hidden=True), cellView='form') for c in checks)
    assert all(c.source.startswith('#@title The check of exercise ') for c in checks)
    head = nb.cells[0].source
    assert 'nbs/course' not in head, 'a link to the solutions'
    assert (f'colab.research.google.com/github/a/copies/blob/main/{name}.ipynb' in head) == bool(place)
    assert (
        f'mybinder.org/v2/gh/someone/ntf_lit/main?labpath=course_out/student/{name}.ipynb' in head
    ) == bool(repo)
    assert ('upload' in head) == bool(repo and not place)


def run_install(source, monkeypatch, here):
    "What the first cell asks and what it installs, with and without the package."
    asked, ran = [], []
    monkeypatch.setitem(sys.modules, 'ntf_lit', ntf_lit if here else None)  # None: not to be found
    monkeypatch.setattr(subprocess, 'run', lambda command, check: ran.append(command))
    exec(source, dict(input=lambda text: asked.append(text) or 'me/mine'))
    return asked, ran


@each_lesson
@pytest.mark.parametrize('repo', [None, 'someone/ntf_lit'])
@pytest.mark.parametrize('made', ['student', 'teacher'])
def test_the_package_is_installed_only_where_it_is_missing(name, repo, made, monkeypatch):
    nb = (
        course.student(LESSONS[name], name, repo) if made == 'student' else course.graded(LESSONS[name], repo)
    )
    first = next(c.source for c in nb.cells if c.cell_type == 'code')
    assert run_install(first, monkeypatch, True) == ([], [])
    asked, ran = run_install(first, monkeypatch, False)
    package = f'ntf_lit[demo] @ git+https://github.com/{repo or "me/mine"}'
    assert len(asked) == (repo is None)
    assert ran == [[sys.executable, '-m', 'pip', 'install', '-q', package]]


@pytest.mark.parametrize(
    'given, place',
    [
        ('', None),
        ('a/b', 'a/b/blob/main'),
        ('a/b/', 'a/b/blob/main'),
        ('a/b/tree/fall/x', 'a/b/blob/fall/x'),
        ('https://github.com/a/b/tree/main/tree', 'a/b/blob/main/tree'),
    ],
)
def test_where_student_copies_are(given, place, monkeypatch):
    monkeypatch.setenv('STUDENT_COPIES', given)
    assert course.copies() == place


def test_links_of_the_site_say_what_they_open():
    assert course.links('01_nmf', None) == ''
    solved, both = course.links('01_nmf', 'me/mine'), course.links('01_nmf', 'me/mine', 'a/copies/blob/main')
    assert (
        solved.index('with blanks')
        < solved.index('labpath=course_out/student/01_nmf.ipynb')
        < solved.index('with solutions')
        < solved.index('labpath=nbs/course/01_nmf.ipynb')
    )
    assert (
        both.index('with blanks')
        < both.index('a/copies/blob/main/01_nmf.ipynb')
        < both.index('with solutions')
        and 'a/copies' not in solved
    )
    assert 'tools/course.py' in (Path(course.ROOT) / '.binder/postBuild').read_text(
        encoding='utf-8'
    )  # which makes what the first link opens


@each_lesson
def test_teacher_copy(name):
    cells = [c for c in course.graded(LESSONS[name]).cells if 'nbgrader' in c.metadata]
    flags = [c.metadata['nbgrader'] for c in cells]
    assert len({f['grade_id'] for f in flags}) == len(flags) == 2 * len(list(exercises(LESSONS[name])))
    assert all(
        f['solution'] != f['grade'] and re.fullmatch(r'[\w-]+', f['grade_id'], re.A) for f in flags
    )  # the form that nbgrader asks for
    assert [f['points'] for f in flags if f['grade']] == [
        len(s) for c in LESSONS[name].cells for s, _ in course.EXERCISE.findall(c.source)
    ]


@each_lesson
def test_slides(name):
    "Sections begin slides, and no answer is shown."
    nb = course.slides(LESSONS[name])
    nbformat.validate(nb)
    kinds = [(c.metadata.slideshow.slide_type, c) for c in nb.cells]
    text = '\n'.join(c.source for c in LESSONS[name].cells if c.cell_type == 'markdown')
    heads = len(re.findall('^##? ', text, re.M))
    assert sum(kind == 'slide' for kind, _ in kinds) == heads > 8
    assert not any('SOLUTION' in c.source or 'check(' in c.source for kind, c in kinds if kind != 'skip')


@each_lesson
def test_instructors_have_a_question_for_each_section(name):
    page = (Path(course.ROOT) / 'docs/instructors.md').read_text(encoding='utf-8')
    number = int(name[:2])
    asked = re.search(rf'^### {number} .*?(?=^### |\Z)', page, re.M | re.S)[0]
    own = ('★', 'Remember', 'On your own', 'Further reading')
    texts = [c.source for c in LESSONS[name].cells if c.cell_type == 'markdown']
    sections = [h for text in texts for h in re.findall('^## (.*)', text, re.M) if not h.startswith(own)]
    assert re.findall(r'^- \*(.*?)[.?]?\* ', asked, re.M) == [h.rstrip('?') for h in sections]


def test_what_the_instructors_page_counts():
    page = (Path(course.ROOT) / 'docs/instructors.md').read_text(encoding='utf-8')
    for name, nb in LESSONS.items():
        stars = [len(s) for c in nb.cells for s, _ in course.EXERCISE.findall(c.source)]
        assert re.search(rf'^\| {int(name[:2])} \| \d+ \| \d+ \| {len(stars)} \| {sum(stars)} \|', page, re.M)


def test_main_writes_all(tmp_path, capsys):
    course.main(tmp_path)
    assert (
        {p.name for p in (tmp_path / 'student').iterdir()}
        == {f'{n}.ipynb' for n in LESSONS}
        == {p.name for p in (tmp_path / 'teacher').iterdir()}
        == {p.name for p in (tmp_path / 'slides').iterdir()}
    )
