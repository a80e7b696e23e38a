"""What is found in other packages (findings/): each script stands alone, pins what it runs, and cleans up."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FINDINGS = sorted((ROOT / 'findings').glob('*.sh'))
each = pytest.mark.parametrize('path', FINDINGS, ids=lambda p: p.stem)


def test_there_are_some():
    assert len(FINDINGS) >= 5


@each
def test_its_form(path):
    text = path.read_text(encoding='utf-8')
    assert text.startswith('set -eu\n# ')
    assert 'folder=$(mktemp -d)' in text and """trap 'rm -rf "$folder"' EXIT""" in text
    joined = text.replace('\\\n', ' ')  # lines that go on
    [asked] = re.findall(r'pip" install (.*)', joined)
    packages = [word for word in asked.split() if not word.startswith('--')]
    assert packages and all(re.fullmatch(r'[\w.-]+==[\w.]+', word) for word in packages)
    assert not re.search(r'ntf_lit|\bimport os\b|https?://', text)
    assert max(map(len, text.splitlines())) <= 110
    program = re.search(r"<<'PYTHON'\n(.*)\nPYTHON\n", text, re.S)[1]
    compile(program, path.name, 'exec')
    assert 'Asked for:' in program and 'sys.exit(not ' in program


@each
def test_the_shell_reads_it(path):
    bash = shutil.which('bash') or pytest.skip('no bash here')
    assert subprocess.run([bash, '-n', str(path)], capture_output=True).returncode == 0


def test_every_night():
    assert 'for f in findings/*.sh; do bash "$f"' in (ROOT / '.github/workflows/nightly.yml').read_text()
