"""The table of tests/README.md, from the first line of each file: python tools/list_tests.py [--check]

`--check` writes nothing and fails when the table is not what the files say.
"""

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TABLE = re.compile(r'(?<=<!-- files -->\n\n).*?(?=\n\n<!-- end -->)', re.S)


def first_line(path):
    "What a file says of itself: the first line of its docstring, or of its comment."
    text = path.read_text(encoding='utf-8')
    if path.suffix == '.py':
        return (ast.get_docstring(ast.parse(text)) or '').partition('\n')[0]
    return text.partition('\n')[0].strip('/*# ')


def render(root=ROOT):
    "The text of tests/README.md."
    files = sorted(p for p in (root / 'tests').iterdir() if p.suffix in ('.py', '.mjs'))
    rows = [f'| `{p.name}` | {first_line(p)} |' for p in files]
    table = '\n'.join(['| file | what it holds |', '|---|---|', *rows])
    return TABLE.sub(lambda m: table, (root / 'tests/README.md').read_text(encoding='utf-8'))


def main(root=ROOT, check=False):
    text, path = render(root), root / 'tests/README.md'
    if check:
        old = path.read_text(encoding='utf-8')
        return None if old == text else 'tests/README.md is out of date. Run tools/list_tests.py.'
    path.write_text(text, encoding='utf-8')


if __name__ == '__main__':
    sys.exit(main(check='--check' in sys.argv[1:]))
