"""Every exercise of the course: its solution passes, its blank fails, and so do answers that are wrong."""

import ast
import builtins
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import course
import matplotlib
import nbformat
import numpy as np
import pytest
from IPython.core.inputtransformer2 import TransformerManager

import ntf_lit.course

LESSONS = {p.stem: nbformat.read(p, 4) for p in course.lessons()}

# For each exercise an answer that is easy to give, and a word of what it is told.
WRONG = {
    '1.1': ('def objective(X, W, H): return .5*((X - W@H)**2).sum()', 'stopped with ValueError'),
    '1.2': ('def gradient_W(X, W, H): return X@H - W@(H.T@H)', 'sign'),
    '1.3': (
        'def update_W(X, W, H):\n    W *= (X@H)/(W@H.T@H + (W@H.T@H == 0))\n    return W',
        'changes its arguments',
    ),
    '1.4': ('def majorizer(G, c, w0, w): return .5*w@G@w - c@w', 'quadratic term'),
    '2.1': ('def unfold(X, k): return np.moveaxis(X, k, 0).reshape(X.shape[k], -1).T', 'transpose'),
    '2.2': ('def khatri_rao(B, C): return np.kron(B, C)', 'Kronecker'),
    '2.3': (
        'def mttkrp(X, F, k):\n'
        '    B, C = [f for i, f in enumerate(F) if i != k]\n'
        '    return unfold(X, k)@khatri_rao(C, B)',
        'different orders',
    ),
    '2.4': ('def loss(xx, C, F): return .5*xx - np.sum(C*F[-1])', 'should be'),
    '2.5': ('def sweep(X, F): return [block(X, F, k) for k in range(3)]', 'newest|new factor at once'),
    '3.1': ('def stratum_model(v, W, H): return v[:, None] + W@H.T', 'stopped with ValueError'),
    '3.2': ('def update_v(total, n, v, w_sum, H): return v*total/(v + H@w_sum)', 'factor n'),
    '3.3': ('def gradient_W(a, v, W, H): return W@(H.T@H) - (a - 2*v)@H', 'term missing'),
    '3.4': (
        'def update_H(A, V, W, H): return H*(A[-1].T@W[-1])/((W[-1]@H.T + V[-1]).T@W[-1])',
        'last stratum',
    ),
    '4.1': ('def tv(P): return np.abs(np.diff(P, axis=0)).sum()', 'those across'),
    '4.2': (
        'def component_tv(w, a, b): return np.abs(np.diff(a)).sum() + np.abs(np.diff(b)).sum()',
        'dodged',
    ),
    '4.3': (
        'def tv_step(y, x0, lam):\n'
        '    D = np.diff(np.eye(len(y)), axis=0)\n'
        '    return np.linalg.solve(np.eye(len(y)) + lam*D.T@D, y)',
        'squared penalty',
    ),
    '5.1': ('def top_pictures(A): return A[0]@A[1]', 'may be more'),
    '5.2': (
        'def lifted(F, W): return np.einsum("ir,jr,kr->ijk", F[0]@W, F[1]@W, F[2]@W).T',
        'exchanged|transpose',
    ),
    '5.3': (
        'def loss(xx, T, G, W):\n'
        '    gram = np.prod([W.T@g@W for g in G], axis=0)\n'
        '    return xx - 2*np.einsum("abc,ar,br,cr->", T, W, W, W) + gram.sum()',
        '2 times',
    ),
    '5.4': ('def balance(F): return [f/np.linalg.norm(f, axis=0) for f in F]', 'sizes of the components'),
    '6.1': ('def violation(x, A, s): return np.abs(np.minimum(s, A.T@(x - A@s))).max()', 'wrong sign'),
    '6.2': (
        'def on_support(x, A, on): return np.linalg.solve(A[:, on].T@A[:, on], A[:, on].T@x)',
        r'shape is \(3,\)',
    ),
    '6.3': ('def all_supports(x, A): return np.linalg.lstsq(A, x, rcond=None)[0].clip(0)', 'certificate'),
    '6.4': (
        'def gradient_A(x, A, s, g):\n'
        '    u = np.linalg.solve(A.T@A, g)\n'
        '    return np.outer(x - A@s, u) - np.outer(A@u, s)',
        'on the support only',
    ),
    '7.1': ('def hidden_error(X, M, hidden): return np.linalg.norm(X - M)/np.linalg.norm(X)', 'all entries'),
    '7.2': ('def cosines(A, B): return A.T@B', 'length one'),
    '7.3': ('def best_match(C): return C.max(1).mean()', 'same partner'),
    '8.1': ('def document_share(counts): return counts.mean(0)', 'count passages'),
    '8.2': ('def tfidf(counts): return counts*np.log(1/(counts > 0).mean(axis=0))', 'length one'),
    '8.3': ('def relevance(p, c, lam=.6): return lam*np.log(p) + (1 - lam)*p/c', 'not the quotient'),
}

# More of them: (exercise, answer, a word of what it is told).
UPDATE_H = """def update_H(A, V, W, H):
    neg = sum({a}.T@w for a, v, w in zip(A, V, W))
    pos = H@sum(w.T@w for w in W) {background} {plus}
    return H*neg/np.where(pos > 0, pos, 1)"""
BACKGROUND = '+ sum(np.outer(v, w.sum(0)) for v, w in zip(V, W))'
ALSO_WRONG = [
    ('1.1', 'def objective(X, W, H): return .5*((X - W@H)**2).sum()', r'X \(7, 5\), W \(7, 3\), H \(5, 3\)'),
    (
        '1.3',
        'def update_W(X, W, H): return W*(X@H)/(W@(H.T@H) + 1e-12)',
        'small number is in the denominator',
    ),
    ('1.3', 'def update_W(X, W, H): return W*(X@H)/(W@(H.T@H) + 1e-9)', 'small number is in the denominator'),
    (
        '1.3',
        'def update_W(X, W, H): return W*(X@H)/np.maximum(W@(H.T@H), 1e-10)',
        'small number is in the denominator',
    ),
    (
        '3.2',
        'def update_v(total, n, v, w_sum, H): return v*total/(n*v + H@w_sum + 1e-12)',
        'small number is in the denominator',
    ),
    (
        '3.2',
        'def update_v(total, n, v, w_sum, H):\n'
        '    return v*np.maximum(total - H@w_sum, 0)/np.where(v > 0, n*v, 1)',
        'taken from the data',
    ),
    ('3.4', UPDATE_H.format(a='(a - v)', background='', plus=''), 'taken from the data'),
    (
        '3.4',
        UPDATE_H.format(a='a', background=BACKGROUND, plus='+ 1e-16'),
        'small number is in the denominator',
    ),
]
BY_LUCK = """def update_W(X, W, H):
    pos = W@(H.T@H)
    return W*np.divide(X@H, pos, where=pos > 0)"""
HINT_TAKEN = """def all_supports(x, A):
    import itertools
    best = np.zeros(A.shape[1])
    for on in itertools.product([False, True], repeat=A.shape[1]):
        s = on_support(x, A, np.array(on))
        if s.min() >= 0 and np.linalg.norm(x - A@s) < np.linalg.norm(x - A@best): best = s
    return best"""


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


def needed(nb):
    "The cells of the exercises, and those that they depend on."
    want, keep = set(), []
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
                exec(compile(cell.source, f'{lesson} {cell.id}', 'exec'), made[lesson])
        return made[lesson]

    return get


def verdict(space, answer, check):
    "What the check says to an answer: None if it is right."
    space = dict(space)
    exec(answer, space)
    try:
        exec(check.source, space)
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


@each
def test_wrong_answer_is_told_what_is_wrong(solved, lesson, number, answer, check):
    source, word = WRONG[number]
    said = verdict(solved(lesson), source, check)
    assert said and re.search(word, said), said


@pytest.mark.parametrize('number, source, word', ALSO_WRONG)
def test_more_wrong_answers(solved, number, source, word):
    lesson, check = next((lesson, check) for lesson, n, _, check in ALL if n == number)
    said = verdict(solved(lesson), source, check)
    assert said and re.search(word, said), said


@pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < '2.4.0', reason='older NumPy does not say so')
def test_division_that_is_right_by_luck(solved):
    check = next(check for _, n, _, check in ALL if n == '1.3')
    assert 'its `out=`' in verdict(solved('01_nmf'), BY_LUCK, check)


def test_the_hint_of_6_3_works(solved):
    check = next(check for _, n, _, check in ALL if n == '6.3')
    assert verdict(solved('06_nnls'), HINT_TAKEN, check) is None


@each
def test_every_foreseen_mistake_is_told_apart(solved, lesson, number, answer, check, monkeypatch):
    "Each wrong answer that a check knows gets its own sentence: it is not right, nor taken for another."
    kept = {}
    space = dict(solved(lesson))
    space['check'] = lambda name, *args, **kw: kept.update(name=name, args=args, kw=kw)
    exec(check.source, space)
    for sentence, several in (kept['kw'].get('mistakes') or {}).items():
        for wrong in several if isinstance(several, list) else [several]:
            with pytest.raises(ntf_lit.course.NotYet) as e:
                ntf_lit.course.check(kept['name'], wrong, *kept['args'][1:], **kept['kw'])
            assert str(e.value) == sentence


# --- The form of a lesson ---

each_lesson = pytest.mark.parametrize('name', LESSONS)


def test_there_are_lessons():
    assert len(LESSONS) >= 6


def test_wrong_answers_are_complete():
    assert {number for _, number, *_ in ALL} <= WRONG.keys()


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
    space = dict(
        input=lambda text: asked.append(text) or 'me/mine',
        get_ipython=lambda: SimpleNamespace(run_line_magic=lambda *line: ran.append(line)),
    )
    exec(TransformerManager().transform_cell(source), space)
    return asked, [(kind, line.replace('{repository}', space.get('repository', ''))) for kind, line in ran]


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
    assert len(asked) == (repo is None)
    assert ran == [('pip', f'install -q "ntf_lit[demo] @ git+https://github.com/{repo or "me/mine"}"')]


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


def test_main_writes_both(tmp_path, capsys):
    course.main(tmp_path)
    assert (
        {p.name for p in (tmp_path / 'student').iterdir()}
        == {f'{n}.ipynb' for n in LESSONS}
        == {p.name for p in (tmp_path / 'teacher').iterdir()}
    )
