"""The browsers outside JupyterLab: pages of nbconvert, Voila, Notebook 7, marimo.

Voila, Notebook and marimo are not among the package's requirements. Each may stand in an environment of its
own: VOILA, JUPYTER_NOTEBOOK and MARIMO say where its program is, if not on the path. Its Python has to have
our version, and then finds the package and what this needs where our Python does.
"""

import os
import re
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from conftest import free_port
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from nbformat.v4 import new_code_cell, new_notebook
from test_browsers_e2e import HERE, SHOW_TRAITS, python_knows
from test_course_elsewhere import ALONG, program

expect = pytest.importorskip('playwright.sync_api', reason='needs playwright: pip install playwright').expect
KERNEL = {'kernelspec': {'name': 'python3', 'display_name': 'python3', 'language': 'python'}}


def notebook_of(path, *sources):
    cells = [new_code_cell(s) for s in (HERE, *sources)]
    nbformat.write(new_notebook(cells=cells, metadata=KERNEL), path)


def photograph(page, name):
    if folder := os.environ.get('SHOTS'):
        page.screenshot(path=Path(folder) / f'{name}.png', full_page=True)


@contextmanager
def page_offline(chromium, url):
    "A page that reaches `url` and nothing else: (the page, what else was asked for, errors)."
    outside, faults = [], []
    page = chromium.new_page(viewport=dict(width=1300, height=1000))
    page.on('pageerror', lambda e: faults.append(str(e)))
    here = url, url.replace('http', 'ws'), 'data:', 'blob:', 'about:'
    page.route(lambda u: not u.startswith(here), lambda r: (outside.append(r.request.url), r.abort()))
    yield page, outside, faults
    page.close()


@contextmanager
def served(command, folder):
    "A server with settings and files of its own, and its address; `{port}` in the command is filled in."
    own = {f'JUPYTER_{kind}_DIR': str(folder / kind) for kind in ('CONFIG', 'DATA', 'RUNTIME')}
    env = os.environ | own | dict(IPYTHONDIR=str(folder / 'ipython'), PYTHONPATH=ALONG)
    env['JUPYTER_PATH'] = str(Path(sys.prefix) / 'share/jupyter')  # where the widgets' scripts are
    port = free_port()
    with open(folder / 'log', 'w') as log:
        command = [c.format(port=port) for c in command]
        server = subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=subprocess.STDOUT)
    try:
        for _ in range(480):
            assert server.poll() is None, (folder / 'log').read_text()
            try:
                socket.create_connection(('127.0.0.1', port), 1).close()
                break
            except OSError:
                time.sleep(0.25)
        yield f'http://127.0.0.1:{port}'
    finally:
        server.terminate()
        server.wait(30)


# --- nbconvert ---


@pytest.mark.filterwarnings('ignore:Your element with mimetype')  # the widget, where its state was not kept
@pytest.mark.parametrize(
    'state', [pytest.param(True, marks=pytest.mark.slow), False], ids=['widget state', 'no widget state']
)
def test_nbconvert_shows_what_stands_for_the_widget(chromium, tmp_path, state):
    "Without a network, so that no manager of widgets comes: the twin is seen and answers."
    notebook_of(tmp_path / 'page.ipynb', "example('live')", "hierarchy_example('live')")
    nb = nbformat.read(tmp_path / 'page.ipynb', 4)
    NotebookClient(nb, timeout=300, store_widget_state=state).execute()
    assert ('widgets' in nb.metadata) == state
    text, _ = HTMLExporter().from_notebook_node(nb)
    (tmp_path / 'page.html').write_text(text, encoding='utf-8')
    with page_offline(chromium, 'file:') as (page, _, _):
        page.goto((tmp_path / 'page.html').as_uri())
        twins = page.locator('.ntf-twin')
        expect(twins).to_have_count(2)
        topics, layers = (page.frame_locator('.ntf-twin iframe').nth(i) for i in range(2))
        topics.get_by_role('button', name='Topics', exact=True).click()
        topics.locator('.ntf-list [role=option]').nth(2).click()
        expect(topics.locator('.ntf-samples article').first).to_be_visible()
        layers.locator('[data-id="3"]').click()
        expect(layers.locator('[data-id="3"]')).to_have_attribute('aria-selected', 'true')
        expect(page.locator('.ntf-still').first).to_be_hidden()
        expect(page.get_by_text(re.compile('^Error displaying widget'))).to_have_count(0)
        photograph(page, f'nbconvert_{state}')


# --- Voila ---


@pytest.mark.slow
def test_voila_serves_both_as_a_page(chromium, tmp_path):
    """Live, with a kernel.

    Voila's template asks a CDN for an icon font, which is turned away here, and for nothing else.
    """
    notebook_of(
        tmp_path / 'page.ipynb',
        SHOW_TRAITS,
        "t = example('live'); with_traits(t)",
        "h = hierarchy_example('live'); h",
    )
    command = [program('voila'), 'page.ipynb', '--no-browser', '--port={port}', '--Voila.ip=127.0.0.1']
    with served(command, tmp_path) as url, page_offline(chromium, url) as (page, outside, faults):
        page.goto(url)
        expect(page.locator('.ntf')).to_have_count(2, timeout=120_000)
        topics, layers = page.locator('.ntf').first, page.locator('.ntf').last
        topics.get_by_role('button', name='Topics', exact=True).click()
        topics.locator('.ntf-list').focus()
        page.keyboard.press('ArrowDown')
        number = topics.locator('[aria-selected=true] .ntf-number').inner_text()
        python_knows(page)(f'selected={number} ')
        expect(topics.locator('.ntf-samples article').first).to_be_visible()
        layers.get_by_label('Drawn as').select_option('tree')
        expect(layers.locator('.ntf-outline')).to_have_count(1)
        expect(page.locator('.ntf-twin').first).to_be_hidden()
        photograph(page, 'voila')
        assert faults == []
        assert all('font-awesome' in u or 'fontawesome' in u for u in outside), outside


# --- Notebook 7 ---


@pytest.mark.slow
def test_notebook_7_with_a_kernel(chromium, tmp_path):
    notebook_of(tmp_path / 'page.ipynb', SHOW_TRAITS, "t = example('live'); with_traits(t)")
    command = [program('jupyter-notebook'), '--no-browser', '--allow-root', '--ip=127.0.0.1']
    command += ['--port={port}', '--ServerApp.port_retries=0', '--IdentityProvider.token=']
    with served(command, tmp_path) as url, page_offline(chromium, url) as (page, *_):
        page.goto(f'{url}/notebooks/page.ipynb')
        page.locator('.jp-Notebook .jp-CodeCell').first.wait_for(timeout=120_000)
        running = lambda: [x['kernel'] for x in page.request.get(f'{url}/api/sessions').json()]
        for _ in range(120):  # Run asks which kernel, as long as there is none
            if any(k['execution_state'] == 'idle' for k in running()):
                break
            page.wait_for_timeout(500)
        page.get_by_role('menuitem', name='Run', exact=True).click()
        page.get_by_role('menuitem', name=re.compile('^Run All Cells')).click()
        box = page.locator('.ntf')
        expect(box).to_have_count(1, timeout=120_000)
        box.get_by_role('button', name='Topics', exact=True).click()
        box.locator('.ntf-list').focus()
        page.keyboard.press('ArrowDown')
        number = box.locator('[aria-selected=true] .ntf-number').inner_text()
        python_knows(page)(f'selected={number} ')
        expect(page.locator('.ntf-twin')).to_be_hidden()
        photograph(page, 'notebook_7')


# --- marimo ---

MARIMO_PAGE = f"""import marimo
app = marimo.App()

@app.cell
def _():
    import marimo as mo
    import sys
    sys.path.insert(0, {str(Path(__file__).parent)!r})
    from shown_examples import example, hierarchy_example
    b, h = example('live'), hierarchy_example('live')
    return b, h, mo

@app.cell
def _(b, mo):
    element = mo.ui.anywidget(b)
    element
    return (element,)

@app.cell
def _(h, mo):
    mo.ui.anywidget(h)
    return

@app.cell
def _(b):
    b
    return
"""


@pytest.mark.slow
def test_marimo_shows_a_browser_in_a_cell_and_as_an_element(chromium, tmp_path):
    "As `mo.ui.anywidget(b)` and as `b` itself: the two are one, and samples are asked for and come."
    (tmp_path / 'page.py').write_text(MARIMO_PAGE, encoding='utf-8')
    command = [program('marimo'), 'run', 'page.py', '--headless', '--port', '{port}', '--no-token']
    with served(command, tmp_path) as url, page_offline(chromium, url) as (page, _, faults):
        page.goto(url)
        expect(page.locator('.ntf')).to_have_count(3, timeout=120_000)
        first, layers, again = (page.locator('.ntf').nth(i) for i in range(3))
        first.get_by_role('button', name='Topics', exact=True).click()
        chosen = first.locator('.ntf-list [role=option]').nth(2)
        chosen.click()
        number = chosen.locator('.ntf-number').inner_text()
        expect(again.locator('.ntf-list [aria-selected=true] .ntf-number')).to_have_text(number)
        expect(first.locator('.ntf-samples article').nth(2)).to_be_visible()
        layers.locator('[data-id="3"]').click()
        expect(layers.locator('[data-id="3"]')).to_have_attribute('aria-selected', 'true')
        photograph(page, 'marimo')
        assert faults == []
