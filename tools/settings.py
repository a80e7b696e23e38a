"""settings.ini from pyproject.toml: python tools/settings.py [--check]

pyproject.toml is the source; settings.ini is for what still reads nbdev's older form.
`--check` writes nothing and fails when settings.ini is not what pyproject.toml makes.
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOTE = '# Made from pyproject.toml by tools/settings.py: edit that.'


def render(root=ROOT):
    "The text of settings.ini."
    tables = tomllib.loads((root / 'pyproject.toml').read_text(encoding='utf-8'))
    project, nbdev = tables['project'], tables['tool']['nbdev']
    front = (root / nbdev['lib_path'] / '__init__.py').read_text(encoding='utf-8')
    author = project['authors'][0]
    values = {
        'lib_name': project['name'],
        'lib_path': nbdev['lib_path'],
        'nbs_path': nbdev['nbs_path'],
        'version': re.search(r'^__version__ = "(.+)"', front, re.M)[1],
        'description': project['description'],
        'keywords': ', '.join(project['keywords']),
        'author': author['name'],
        'author_email': author['email'],
        'license': project['license'],
        'min_python': project['requires-python'].removeprefix('>='),
        'requirements': ' '.join(project['dependencies']),
    }
    for extra, names in project['optional-dependencies'].items():
        values[f'{extra}_requirements'] = ' '.join(names)
    return '\n'.join(['[DEFAULT]', NOTE, *(f'{key} = {value}' for key, value in values.items()), ''])


def main(root=ROOT, check=False):
    text, path = render(root), root / 'settings.ini'
    if check:
        old = path.read_text(encoding='utf-8') if path.exists() else ''
        return None if old == text else 'settings.ini is out of date. Run tools/settings.py.'
    path.write_text(text, encoding='utf-8')


if __name__ == '__main__':
    sys.exit(main(check='--check' in sys.argv[1:]))
