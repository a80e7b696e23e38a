"The file of results is whole, holds what it should, and is what README shows."

import math
from pathlib import Path

import pytest

from ntf_lit.results import FIELDS, reached, rows, table

ROOT = Path(__file__).resolve().parents[1]
ROWS = rows(ROOT / 'nbs/results.json')
name = lambda r: f'{r["notebook"]}: {r["experiment"]}, {r["method"]}, {r["measure"]}'
each = pytest.mark.parametrize('row', ROWS, ids=name)


def test_there_are_rows():
    assert ROWS and len({name(r) for r in ROWS}) == len(ROWS)


@each
def test_fields(row):
    assert tuple(row) == FIELDS and row['source'] and (ROOT / f'nbs/{row["notebook"]}.ipynb').exists()
    for part in (row['ours'], row['best']):
        assert part['method'] and part['runs'] >= 1 and part['seconds'] > 0
        for least, mean, most in zip(part['min'], part['mean'], part['max'], strict=True):
            assert math.isfinite(mean) and least <= mean * (1 + 1e-5) and mean <= most * (1 + 1e-5)
        assert len(part['mean']) == len(row['published'])


@each
def test_errors_are_at_or_below_the_published(row):
    assert not row['error'] or reached(row)


def test_readme():
    text = (ROOT / 'README.md').read_text(encoding='utf-8')
    made = set(repr(table(path=ROOT / 'nbs/results.json')).splitlines())
    shown = text[: text.index('| ours, same method')].count('\n')
    lines = text.splitlines()[shown:]
    lines = lines[: next((i for i, l in enumerate(lines) if not l.startswith('|')), len(lines))]
    clean = lambda l: [c.strip() for c in l.strip('| ').split('|')]
    assert len(lines) > 2 and {tuple(clean(l)) for l in lines[2:]} <= {tuple(clean(l)) for l in made}
