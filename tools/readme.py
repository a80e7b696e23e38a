"""README.md from nbs/index.ipynb, without quarto: python tools/readme.py [--check]

Pictures go to docs/images/README_*.png; `#| fig-alt: what it shows` in a cell becomes the picture's text.
`--check` writes nothing and fails when README.md or a picture is not what the notebook makes.
"""

import posixpath
import re
import sys
from pathlib import Path

import nbformat
from fastcore.nbio import nb2str
from nbconvert import MarkdownExporter
from nbconvert.filters import strip_ansi
from nbdev.process import NBProcessor
from traitlets.config import Config

ROOT = Path(__file__).resolve().parents[1]
NOTE = '<!-- Made from nbs/index.ipynb by tools/readme.py: edit the notebook. -->\n\n'
IMAGES = 'docs/images'
# What a code host shows, best first; of an HTML table or a widget it takes the text beside it.
SHOWN = ['text/markdown', 'image/svg+xml', 'image/png', 'image/jpeg', 'text/plain']


def relink(text):
    "Links relative to nbs/, made relative to the repository; addresses, anchors and code stay as they are."
    move = lambda m: f']({posixpath.normpath(f"nbs/{m[1]}")}'
    parts = re.split(r'(```.*?```|`[^`]*`)', text, flags=re.S)
    parts[::2] = [re.sub(r'\]\((?![#/]|\w+:)([^)\s#]+)', move, part) for part in parts[::2]]
    return ''.join(parts)


def visible(cell):
    "A processor that drops what nbdev's directives hide."
    flags = cell.directives_
    if cell.cell_type == 'raw' or {'hide', 'default_exp'} & flags.keys() or flags.get('include') == 'false':
        del cell['source']
    elif cell.cell_type == 'code':
        cell.metadata['alt'] = flags.get('fig-alt', 'figure').strip('"\'')
        cell.metadata['transient'] = {'remove_source': flags.get('echo') == 'false'}
        if flags.get('output') == 'false':
            cell.outputs = []


def render(root=ROOT):
    "The README's text and its pictures, as {path: bytes}."
    nb = NBProcessor(root / 'nbs/index.ipynb', procs=[visible], rm_directives=True, process=True).nb
    nb = nbformat.reads(nb2str(nb), 4)
    for cell in nb.cells:
        if cell.cell_type == 'markdown':
            cell.source = relink(cell.source)
    nb.metadata['language_info'] = {'name': 'python'}
    exporter = MarkdownExporter(config=Config(NbConvertBase={'display_data_priority': SHOWN}))
    text, found = exporter.from_notebook_node(nb, {'unique_key': 'README', 'output_files_dir': IMAGES})
    alt = lambda m: f'![{nb.cells[int(m[2])].metadata["alt"]}]({m[1]})'
    text = re.sub(rf'!\[\w+\]\(({IMAGES}/README_(\d+)_\d+\.\w+)\)', alt, text)
    text = re.sub(r'\n([ \t]*\n){2,}', '\n\n', strip_ansi(text))
    return NOTE + text.strip() + '\n', dict(found['outputs'])


def stale(root, text, images):
    "The files that are not what the notebook makes."
    made = {'README.md': text.encode(), **images}
    old = {p.relative_to(root).as_posix() for p in (root / IMAGES).glob('README_*')} - made.keys()
    return sorted(
        old
        | {
            name
            for name, data in made.items()
            if not (root / name).exists() or (root / name).read_bytes() != data
        }
    )


def main(root=ROOT, check=False):
    text, images = render(root)
    changed = stale(root, text, images)
    if check:
        return (
            f'Not what nbs/index.ipynb makes: {", ".join(changed)}. Run tools/readme.py.' if changed else None
        )
    for name in changed:
        (root / name).unlink(missing_ok=True)
    for name, data in images.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    (root / 'README.md').write_text(text, encoding='utf-8')


if __name__ == '__main__':
    sys.exit(main(check='--check' in sys.argv[1:]))
