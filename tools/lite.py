"""Student copies for JupyterLite, where Python runs in the reader's browser: python tools/lite.py folder

make lite turns them into a site of plain files, for any web server. A browser's Python has neither torch nor
threads: lessons that need one of them are left out. The package imports torch only where it is used.
"""

import re
import sys
import tomllib
from pathlib import Path

import course
import nbformat

NEEDS = {'torch': 'import torch|nnls_layer', 'threads': r'\.streamed'}


def needed(pyproject=course.ROOT / 'pyproject.toml'):
    "What a browser has to install beside the package: its requirements but torch, data and browsers too."
    project = tomllib.loads(pyproject.read_text(encoding='utf-8'))['project']
    extra = project['optional-dependencies']
    return [r for r in [*project['dependencies'], *extra['browser'], *extra['demo']] if 'torch' not in r]


def lacking(nb):
    "What a lesson needs that a browser has not."
    code = '\n'.join(c.source for c in nb.cells if c.cell_type == 'code')
    return [what for what, sign in NEEDS.items() if re.search(sign, code)]


def lite(nb):
    "The lesson with blanks, whose first cell installs the package from the site itself."
    nb = course.student(nb)
    cell = next(c for c in nb.cells if 'ImportError' in c.source)
    cell.source = (
        'import piplite\n'
        f'await piplite.install({needed()})\n'
        "await piplite.install('ntf_lit', deps=False)   # its other requirements are here now, torch is not"
    )
    return nb


def main(out):
    "Write the copies; say which lessons stay away."
    Path(out).mkdir(parents=True, exist_ok=True)
    away = []
    for path in course.lessons():
        nb = nbformat.read(path, 4)
        if lack := lacking(nb):
            away.append(f'{path.stem} ({", ".join(lack)})')
        else:
            nbformat.write(lite(nb), Path(out) / path.name)
    print(f'Lessons for JupyterLite in {out}; not in it, for what they need: {", ".join(away)}.')


if __name__ == '__main__':
    main(*sys.argv[1:])
