"""Where the project is on GitHub, and texts that lead there.

REPOSITORY=owner/name says it, or else the git remote `origin`.
This needs nothing but Python: setup.py reads it before anything is installed.
"""

import os
import posixpath
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAPERS = {
    'Paper (Stratified-NTF)': 'https://arxiv.org/abs/2411.18805',
    'Paper (Stratified-NMF)': 'https://arxiv.org/abs/2311.10789',
}
LINK = re.compile(r'(!?)\[([^\[\]]*)\]\((?![#/]|\w+:)([^)\s#]+)([^)\s]*)\)')


def repository(root=ROOT):
    "owner/name on GitHub, or None."
    if name := os.environ.get('REPOSITORY'):
        return name
    try:
        cmd = ['git', 'remote', 'get-url', 'origin']
        url = subprocess.run(cmd, cwd=root, capture_output=True, text=True).stdout
    except OSError:
        return None
    found = re.search(r'github\.com[:/]([\w.-]+/[\w.-]+?)(?:\.git)?\s*$', url)
    return found[1] if found else None


def absolute(
    text,  # Markdown whose links are relative to the repository's root
    repo,  # owner/name, or None
):
    "The text with links that lead somewhere from anywhere; where nobody knows the repository, without them."
    home = f'https://github.com/{repo}'

    def lead(m):
        picture, words, path, anchor = m.groups()
        if not repo:
            return f'*{words}*' if picture else words
        kind = 'raw' if picture else 'blob'
        return f'{picture}[{words}]({home}/{kind}/HEAD/{posixpath.normpath(path)}{anchor})'

    parts = re.split(r'(```.*?```|`[^`\n]*`(?!\]))', text, flags=re.S)
    parts[::2] = [LINK.sub(lead, part) for part in parts[::2]]
    text = ''.join(parts)
    return text.replace('<this repository>', home) if repo else text


def addresses(repo):
    "The links of a project's page: the papers, and the repository where it is known."
    if not repo:
        return PAPERS
    home = f'https://github.com/{repo}'
    here = {
        'Repository': home,
        'Issues': f'{home}/issues',
        'Changelog': f'{home}/blob/HEAD/CHANGELOG.md',
        'Course': f'{home}/tree/HEAD/nbs/course',
    }
    return here | PAPERS
