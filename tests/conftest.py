"""Shared by all tests: how hard Hypothesis tries, and JupyterLab in a headless Chromium."""

import gc
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, settings
from offline import offline  # noqa: F401  every test has it

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / 'tools'))  # tests import the tools by their names

# Thousands of modules and tests are made and stay: nothing is to be collected until they are all there.
gc.disable()
sys.modules.setdefault('rfc3987_syntax', None)  # builds parsers for seconds, for addresses that nobody checks

# HYPOTHESIS_PROFILE=nightly pytest tests: other examples each night, and many more of them
settings.register_profile(
    'ci', max_examples=50, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    'nightly', max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
for name, examples in dict(glance=50, few=8).items():  # what is found is not made smaller
    settings.register_profile(
        name,
        max_examples=examples,
        deadline=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile(os.environ.get('HYPOTHESIS_PROFILE', 'ci'))


def pytest_collection_finish():
    "What is there now is not looked through again each time that something is collected."
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()


def pytest_collection_modifyitems(items):
    "The browser tests share one server, so they go to one worker."
    for item in items:
        if 'browser_path' in item.fixturenames:
            item.add_marker(pytest.mark.xdist_group('browser'))


# --- JupyterLab in a browser ---

FLAGS = [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--disable-dev-shm-usage',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
]
USER_SETTINGS = {
    'notebook-extension/tracker': '{"windowingMode": "none"}',  # cells off the screen stay in the page
    # no pop-up over a corner
    'apputils-extension/notification': '{"fetchNews": "false", "checkForUpdates": false}',
}
CELLS_RAN = r"""() => {
    const cells = [...document.querySelectorAll('.jp-Notebook .jp-CodeCell .jp-InputPrompt')];
    const prompts = cells.map(e => e.textContent);
    return prompts.some(p => /\[\d+\]/.test(p)) && !prompts.some(p => p.includes('*'));
}"""


class Lab(NamedTuple):
    "A running JupyterLab."

    url: str
    root: Path  # the folder it shows: a copy of nbs/


@pytest.fixture(scope='session')
def browser_path():
    "The browser's program; the variable CHROMIUM names another."
    names = os.environ.get('CHROMIUM'), 'chromium', 'chromium-browser', 'google-chrome'
    path = next(filter(None, (shutil.which(n) for n in names if n)), None)
    return path or pytest.skip('no Chromium here (on Debian: apt-get install chromium)')


@pytest.fixture(scope='module')
def chromium(browser_path):
    "A headless Chromium."
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=browser_path, headless=True, args=FLAGS)
        yield browser
        browser.close()


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def start_lab(home, port):
    "JupyterLab over a copy of the notebooks, its settings and files all below `home`."
    shutil.copytree(ROOT / 'nbs', home / 'nbs', ignore=shutil.ignore_patterns('.*'))
    for name, text in USER_SETTINGS.items():
        path = home / 'user/@jupyterlab' / f'{name}.jupyterlab-settings'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    own = {f'JUPYTER_{kind}_DIR': str(home / kind) for kind in ('CONFIG', 'DATA', 'RUNTIME')}
    env = os.environ | own | {'IPYTHONDIR': str(home / 'ipython'), 'IN_TEST': '1'}
    args = [
        '--no-browser',
        '--allow-root',
        '--ip=127.0.0.1',
        f'--port={port}',
        '--ServerApp.port_retries=0',
        '--IdentityProvider.token=',
        f'--ServerApp.root_dir={home / "nbs"}',
        '--LabApp.extension_manager=readonly',
        f'--LabApp.workspaces_dir={home / "workspaces"}',
        f'--LabApp.user_settings_dir={home / "user"}',
    ]
    with open(home / 'log', 'w') as log:
        return subprocess.Popen(
            [sys.executable, '-m', 'jupyter', 'lab', *args], env=env, stdout=log, stderr=subprocess.STDOUT
        )


@pytest.fixture(scope='session')
def lab(browser_path, tmp_path_factory):
    "JupyterLab, once per session."
    home, port = tmp_path_factory.mktemp('lab'), free_port()
    server, url = start_lab(home, port), f'http://127.0.0.1:{port}'
    try:
        for _ in range(240):
            if server.poll() is not None:
                raise RuntimeError((home / 'log').read_text())
            try:
                urllib.request.urlopen(f'{url}/api/status', timeout=1).close()
            except OSError:
                time.sleep(0.25)
            else:
                break
        else:
            raise TimeoutError((home / 'log').read_text())
        yield Lab(url, home / 'nbs')
    finally:
        server.terminate()
        server.wait(30)


def run_cells(page, timeout):
    "Run all cells of the notebook on the page, and fail with its last lines if one raised."
    from playwright.sync_api import expect

    page.locator('.jp-Notebook .jp-CodeCell').first.wait_for(timeout=timeout)
    # The toolbar's circle says idle before there is a kernel, so ask the status bar
    expect(page.locator('.jp-StatusBar-Left')).to_have_text(
        re.compile(r'^(?!.*No Kernel).*\| Idle'), timeout=timeout
    )
    page.get_by_role('menuitem', name='Run', exact=True).click()
    page.get_by_role('menuitem', name=re.compile('^Run All Cells')).click()
    page.wait_for_function(CELLS_RAN, timeout=timeout)
    # An error has the type of stderr in JupyterLab 4.6, so look for its words
    errors = page.locator(
        '.jp-Notebook .jp-OutputArea-output', has_text='Traceback (most recent call last)'
    ).all_text_contents()
    assert not errors, errors[0][-800:]


@pytest.fixture
def open_notebook(lab, chromium, request):
    """`open_notebook('62b_topic_browser.ipynb')` opens it, runs all its cells and gives the page.

    At the end no request may have left the machine. With SHOTS=folder each page is photographed there.
    """
    pages, outside = [], []
    here = lab.url, lab.url.replace('http', 'ws'), 'data:', 'blob:'

    def opened(name, timeout=180_000):
        page = chromium.new_page(viewport={'width': 1300, 'height': 1000})
        pages.append(page)
        page.on('request', lambda r: None if r.url.startswith(here) else outside.append(r.url))
        page.goto(f'{lab.url}/lab/tree/{name}?reset', timeout=timeout)
        run_cells(page, timeout)
        return page

    yield opened
    for i, page in enumerate(pages):
        if folder := os.environ.get('SHOTS'):
            page.screenshot(path=Path(folder) / f'{request.node.name}-{i}.png')
        page.close()
    assert outside == []
