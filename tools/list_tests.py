"""The tables of tests/README.md, made from the tests themselves: python tools/list_tests.py [--check]

`--check` writes nothing and fails when the tables are not what the files say.
"""

import ast
import functools
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLACE = r'(?<=<!-- {} -->\n\n).*?(?=\n\n<!-- end -->)'
CHECKS = r'\b(?:test_(?:eq|close|is|ne|fail|warns|stdout)|expect_fail|close_arrays)\(|^\s*assert '
PAGE = {'shown', 'notebook', 'open_notebook', 'chromium', 'voila', 'page_of', 'browser_path'}  # fixtures


def first_line(path):
    "What a file says of itself: the first line of its docstring, or of its comment."
    text = path.read_text(encoding='utf-8')
    return about(text)[0] if path.suffix == '.py' else text.partition('\n')[0].strip('/*# ')


def functions(path):
    "The test functions of a file: (name, names of its arguments, its decorators as text)."
    return about(path.read_text(encoding='utf-8'))[1]


@functools.cache  # both are asked for, and to read a long file takes a while
def about(text):
    "(first line of the docstring, test functions) of a file of Python."
    tree = ast.parse(text)
    found = [
        (node.name, {a.arg for a in node.args.args}, '\n'.join(map(ast.unparse, node.decorator_list)))
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name.startswith('test')
    ]
    return (ast.get_docstring(tree) or '').partition('\n')[0], found


def notebook_checks(root):
    "How many checks stand in the cells of the notebooks."
    cells = [
        c for p in (root / 'nbs').glob('*.ipynb') for c in json.loads(p.read_text(encoding='utf-8'))['cells']
    ]
    return sum(len(re.findall(CHECKS, ''.join(c['source']), re.M)) for c in cells if c['cell_type'] == 'code')


def kinds(root=ROOT):
    "Rows of (kind, how many, where)."
    found = {p: list(functions(p)) for p in sorted((root / 'tests').glob('test_*.py'))}
    few = lambda files: (
        ', '.join(f'`{p.name}`' for p in files[:4]) + (f' and {len(files) - 4} more' if files[4:] else '')
    )

    def row(kind, holds):
        count = {p: sum(holds(p, *f) for f in fs) for p, fs in found.items()}
        files = sorted(filter(count.get, found), key=lambda p: (-count[p], p.name))
        return kind, sum(count.values()), few(files)

    patches = [p for p in sorted((root / 'tests').glob('mutants/*.patches'))]
    planted = sum(len(re.findall('^@@ ', p.read_text(encoding='utf-8'), re.M)) for p in patches)
    return [
        row('functions in all; many run on a table of cases', lambda *f: True),
        row('properties, on examples that Hypothesis draws', lambda p, n, a, d: 'given(' in d),
        row('faults by their number', lambda p, n, a, d: bool(re.match(r'test_f\d\d', n))),
        row('in a real browser', lambda p, n, a, d: bool(a & PAGE)),
        row('slow', lambda p, n, a, d: 'mark.slow' in d),
        ('checks that readers see', notebook_checks(root), 'the notebooks'),
        ('planted bugs', planted, 'tests/mutants'),
    ]


def as_table(head, rows):
    lines = [head, ['---'] * len(head), *rows]
    return (
        '\n'.join('| ' + ' | '.join(map(str, line)) + ' |' for line in lines)
        .replace('| --- ', '|---')
        .replace('--- |', '---|')
    )


def render(root=ROOT):
    "The text of tests/README.md."
    files = sorted(p for p in (root / 'tests').iterdir() if p.suffix in ('.py', '.mjs'))
    rows = [(f'`{p.name}`', first_line(p)) for p in files]
    tables = dict(files=as_table(['file', 'what it holds'], rows))
    tables['kinds'] = as_table(['kind', 'how many', 'where'], kinds(root))
    text = (root / 'tests/README.md').read_text(encoding='utf-8')
    for name, table in tables.items():
        text = re.sub(PLACE.format(name), lambda m, table=table: table, text, flags=re.S)
    return text


def main(root=ROOT, check=False):
    text, path = render(root), root / 'tests/README.md'
    if check:
        old = path.read_text(encoding='utf-8')
        return None if old == text else 'tests/README.md is out of date. Run tools/list_tests.py.'
    path.write_text(text, encoding='utf-8')


if __name__ == '__main__':
    sys.exit(main(check='--check' in sys.argv[1:]))
