"""The course's student copies: python tools/course.py [folder]   (make course; the folder is course_out)

  student/  for people: every solution is a blank, outputs are gone, links open the lesson elsewhere
  teacher/  for nbgrader, as its `source/ntf_lit`: solutions, and the metadata that says which cells are graded

Links to Binder and Colab need to know where the repository is: REPOSITORY=owner/name make course.
Without it, the remote called origin is asked; if that is not on GitHub, there are no links.
"""
import copy
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
LESSONS = ROOT/'nbs/course'
# nbgrader's own markers and stub, so that it makes the same blanks from the same lessons
SOLUTION = re.compile(r'^([ \t]*)### BEGIN SOLUTION.*?### END SOLUTION[ \t]*$', re.M | re.S)
STUB = r'\1# YOUR CODE HERE\n\1raise NotImplementedError()'
CHECK = re.compile(r"^check\('(\d+\.\d+)'", re.M)
EXERCISE = re.compile(r'^## (★+) Exercise (\d+\.\d+)', re.M)
DIRECTIVE = re.compile(r'^#\|.*\n', re.M)


def lessons(folder=LESSONS): return sorted(folder.glob('[0-9]*.ipynb'))


def repository(root=ROOT):
    "owner/name on GitHub, or None."
    if name := os.environ.get('REPOSITORY'): return name
    try: url = subprocess.run(['git', 'remote', 'get-url', 'origin'], cwd=root, capture_output=True, text=True).stdout
    except OSError: return None
    found = re.search(r'github\.com[:/]([\w.-]+/[\w.-]+?)(?:\.git)?\s*$', url)
    return found[1] if found else None


def links(name, repo):
    "A line that opens a lesson elsewhere; empty where nobody knows the repository."
    if not repo: return ''
    path = f'nbs/course/{name}.ipynb'
    return (f'*Open here:* [Binder](https://mybinder.org/v2/gh/{repo}/main?labpath={path}) · '
            f'[Colab](https://colab.research.google.com/github/{repo}/blob/main/{path})')


def colab_cell(repo):
    "What a lesson needs first on Colab; it does nothing elsewhere."
    return nbformat.v4.new_code_cell(f"import sys\nif 'google.colab' in sys.modules:\n    %pip install -q \"ntf_lit[demo] @ git+https://github.com/{repo}\"", id='colab-install')


def blank(source): return SOLUTION.sub(STUB, source)


def stripped(nb):
    "A copy without outputs, metadata of cells and nbdev's directives."
    nb = copy.deepcopy(nb)
    for cell in nb.cells:
        cell.metadata = {}
        if cell.cell_type == 'code': cell.outputs, cell.execution_count, cell.source = [], None, DIRECTIVE.sub('', cell.source)
    return nb


def student(nb, name='', repo=None):
    "The lesson with blanks."
    nb = stripped(nb)
    for cell in nb.cells:
        if cell.cell_type == 'code': cell.source = blank(cell.source)
    if repo:
        nb.cells[0].source += '\n\n' + links(name, repo)
        nb.cells.insert(1, colab_cell(repo))
    return nb


def graded(nb):
    "The lesson with solutions and nbgrader's metadata: a point for every star."
    nb = stripped(nb)
    stars = {number: len(s) for cell in nb.cells for s, number in EXERCISE.findall(cell.source)}
    number = None
    for cell in nb.cells:
        if found := EXERCISE.search(cell.source): number = found[2]
        flags = dict(schema_version=3, task=False, grade=False, solution=False)
        if cell.cell_type == 'code' and SOLUTION.search(cell.source):
            cell.metadata['nbgrader'] = flags | dict(grade_id=f'answer-{number}', locked=False, solution=True)
        elif found := CHECK.search(cell.source):
            cell.metadata['nbgrader'] = flags | dict(grade_id=f'check-{found[1]}', locked=True, grade=True, points=stars[found[1]])
    return nb


def main(out=ROOT/'course_out'):
    repo = repository()
    for kind in 'student', 'teacher': (Path(out)/kind).mkdir(parents=True, exist_ok=True)
    for path in lessons():
        nb = nbformat.read(path, 4)
        nbformat.write(student(nb, path.stem, repo), Path(out)/'student'/path.name)
        nbformat.write(graded(nb), Path(out)/'teacher'/path.name)
    print(f'{len(lessons())} lessons in {out}: student/ to hand out, teacher/ for nbgrader')
    if not repo: print('No links to Binder and Colab: say where the repository is with REPOSITORY=owner/name.')


if __name__ == '__main__': sys.exit(main(*sys.argv[1:]))
