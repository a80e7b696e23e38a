"""The guard of offline.py: what asks for another machine is refused and told; this machine may be asked."""

import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

pytest_plugins = ['pytester']
ASKS = """
import socket
import urllib.request
import pytest

def swallow(f):
    try: f()
    except OSError: pass

def test_url(): swallow(lambda: urllib.request.urlopen('http://a.invalid'))
def test_address(): swallow(lambda: socket.create_connection(('192.0.2.1', 80), 1))
def test_socket(): swallow(lambda: socket.socket().connect(('192.0.2.1', 80)))
def test_nothing(): pass
@pytest.mark.slow
def test_slow(): swallow(lambda: socket.create_connection(('127.0.0.2', 9), .1))
"""


def test_askers_fail(pytester, monkeypatch):
    monkeypatch.setenv('PYTHONPATH', str(Path(__file__).parent))
    pytester.makepyfile(ASKS)
    pytester.makeini('[pytest]\nmarkers =\n    slow: takes minutes')
    done = pytester.runpytest_subprocess('-p', 'offline')
    done.assert_outcomes(passed=5, errors=3)
    done.stdout.fnmatch_lines(['*asked the network for a.invalid*'])


def test_this_machine_may_be_asked():
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args):
            pass

    with HTTPServer(('127.0.0.1', 0), Answer) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        assert urllib.request.urlopen(f'http://localhost:{server.server_port}').status == 204
