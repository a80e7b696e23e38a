"""The course's student copies: python tools/course.py [folder]   (make course; the folder is course_out)

  student/  for people: every solution is a blank, outputs are gone
  teacher/  for nbgrader, as its `source/ntf_lit`: solutions, and metadata that says which cells are graded
  slides/   for a talk, with outputs: metadata that says where slides begin (make slides)

REPOSITORY=owner/name says where the package is on GitHub, for Binder and for the cell that installs it on
Colab. Without it, the remote called origin is asked; if that is not on GitHub, the cell asks whoever runs it.
STUDENT_COPIES=owner/name/tree/branch/folder says where the student copies are put, for links that open them
on Colab; lessons in the repository have their solutions, so no link in a student copy leads there.
"""

import copy
import os
import re
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / 'tools'))
from repository import repository

LESSONS = ROOT / 'nbs/course'
# nbgrader's own markers and stub, so that it makes the same blanks from the same lessons
SOLUTION = re.compile(r'^([ \t]*)### BEGIN SOLUTION.*?### END SOLUTION[ \t]*$', re.M | re.S)
STUB = r'\1# YOUR CODE HERE\n\1raise NotImplementedError()'
CHECK = re.compile(r"^check\('(\d+\.\d+)'", re.M)
EXERCISE = re.compile(r'^## (★+) Exercise (\d+\.\d+)', re.M)
DIRECTIVE = re.compile(r'^#\|.*\n', re.M)


def lessons(folder=LESSONS):
    return sorted(folder.glob('[0-9]*.ipynb'))


def copies():
    "owner/name/blob/branch/folder of the student copies on GitHub, or None."
    place = os.environ.get('STUDENT_COPIES', '').removeprefix('https://github.com/').strip('/')
    return (
        (place if place.count('/') > 1 else f'{place}/blob/main').replace('/tree/', '/blob/', 1)
        if place
        else None
    )


def colab(path):
    return f'[Colab](https://colab.research.google.com/github/{path})'


def binder(repo, path):
    return f'[Binder](https://mybinder.org/v2/gh/{repo}/main?labpath={path})'


def blanks(name, repo, place):
    "Links to the lesson with blanks: Binder makes the student copies itself (.binder/postBuild)."
    return [binder(repo, f'course_out/student/{name}.ipynb')] * bool(repo) + [
        colab(f'{place}/{name}.ipynb')
    ] * bool(place)


def links(name, repo, place=None):
    "Where a lesson can be opened, with blanks and with solutions; empty where nobody knows the repository."
    path = f'nbs/course/{name}.ipynb'
    solved = [binder(repo, path), colab(f'{repo}/blob/main/{path}')] if repo else []
    kinds = {'with blanks': blanks(name, repo, place), 'with solutions': solved}
    return ' · '.join(f'*Open {kind}:* ' + ' · '.join(found) for kind, found in kinds.items() if found)


def student_links(name, repo, place=None):
    "How a student opens this copy elsewhere, never the lesson with its solutions."
    here, upload = (
        blanks(name, repo, place),
        'upload this file to [Colab](https://colab.research.google.com) (*File* → *Upload notebook*)',
    )
    if not here:
        return ''
    return '*Open here:* ' + ' · '.join(here) + ('' if place else f'. Or {upload}.')


def blank(source):
    return SOLUTION.sub(STUB, source)


def stripped(nb):
    "A copy without outputs, metadata of cells and nbdev's directives."
    nb = copy.deepcopy(nb)
    for cell in nb.cells:
        cell.metadata = {}
        if cell.cell_type == 'code':
            cell.outputs, cell.execution_count, cell.source = [], None, DIRECTIVE.sub('', cell.source)
    return nb


def installing(nb, repo):
    "The lesson, whose first cell installs the package where it is missing, told where to find it."
    for cell in nb.cells:
        if repo and 'git+https://github.com/{repository}' in cell.source:
            cell.source = re.sub(r'^( *repository =) input\(.*', rf"\1 '{repo}'", cell.source, flags=re.M)
    return nb


def hidden(cell, number):
    "Only the output of a check is shown, in JupyterLab and on Colab: its lines know the answer."
    cell.metadata |= {'jupyter': {'source_hidden': True}, 'cellView': 'form'}
    cell.source = f'#@title The check of exercise {number}\n{cell.source}'


def student(nb, name='', repo=None, place=None):
    "The lesson with blanks."
    nb = installing(stripped(nb), repo)
    for cell in nb.cells:
        if cell.cell_type == 'code':
            cell.source = blank(cell.source)
            if found := CHECK.search(cell.source):
                hidden(cell, found[1])
    if line := student_links(name, repo, place):
        nb.cells[0].source += '\n\n' + line
    return nb


def graded(nb, repo=None):
    "The lesson with solutions and nbgrader's metadata: a point for every star."
    nb = installing(stripped(nb), repo)
    stars = {number: len(s) for cell in nb.cells for s, number in EXERCISE.findall(cell.source)}
    number = None
    for cell in nb.cells:
        if found := EXERCISE.search(cell.source):
            number = found[2]
        flags = dict(schema_version=3, task=False, grade=False, solution=False)
        if cell.cell_type == 'code' and SOLUTION.search(cell.source):
            cell.metadata['nbgrader'] = flags | dict(
                grade_id=f'answer-{number.replace(".", "-")}', locked=False, solution=True
            )
        elif found := CHECK.search(cell.source):
            cell.metadata['nbgrader'] = flags | dict(
                grade_id=f'check-{found[1].replace(".", "-")}',
                locked=True,
                grade=True,
                points=stars[found[1]],
            )
            hidden(cell, found[1])
    return nb


def slide_type(cell):
    "Where a cell of a lesson stands in a talk: headings begin slides, predictions appear, answers stay away."
    if cell.cell_type == 'code':
        away = SOLUTION.search(cell.source) or CHECK.search(cell.source) or 'ImportError' in cell.source
        return 'skip' if away else '-'
    return (
        'slide' if cell.source.startswith('#') else 'fragment' if '**Predict first.**' in cell.source else '-'
    )


def by_sections(cell):
    "A cell of text as one cell for each of its headings."
    if cell.cell_type == 'code':
        return [cell]
    return [nbformat.v4.new_markdown_cell(part) for part in re.split(r'\n+(?=## )', cell.source)]


def slides(nb):
    "The lesson as slides for nbconvert."
    nb = copy.deepcopy(nb)
    nb.cells = [part for cell in nb.cells for part in by_sections(cell)]
    for cell in nb.cells:
        cell.metadata = {'slideshow': {'slide_type': slide_type(cell)}}
        if cell.cell_type == 'code':
            cell.source = DIRECTIVE.sub('', cell.source)
    return nb


def main(out=ROOT / 'course_out'):
    repo, place = repository(), copies()
    for kind in 'student', 'teacher', 'slides':
        (Path(out) / kind).mkdir(parents=True, exist_ok=True)
    for path in lessons():
        nb = nbformat.read(path, 4)
        nbformat.write(student(nb, path.stem, repo, place), Path(out) / 'student' / path.name)
        nbformat.write(graded(nb, repo), Path(out) / 'teacher' / path.name)
        nbformat.write(slides(nb), Path(out) / 'slides' / path.name)
    print(
        f'{len(lessons())} lessons in {out}: student/ to hand out, teacher/ for nbgrader, slides/ for talks'
    )
    if not repo:
        print('No links to Binder and Colab: say where the package is with REPOSITORY=owner/name.')
    if not place:
        print('No links that open a student copy: say where they will be with', end=' ')
        print('STUDENT_COPIES=owner/name/tree/branch/folder.')


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
