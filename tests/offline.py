"""No test but the slow ones reaches the network: what asks for another machine is refused, its test fails.

A pytest plugin; conftest.py loads it. Local servers and sockets between processes are let through.
"""

import socket

import pytest

LOCAL = {None, '', 'localhost', '127.0.0.1', '::1', '0.0.0.0', '::'}


def host_of(address):
    "The host of a socket's address; a path (between processes) and a bound port count as here."
    host = address[0] if isinstance(address, tuple) else None
    return host.decode() if isinstance(host, bytes) else host


@pytest.fixture(autouse=True)
def offline(request, monkeypatch):
    "Refuse, note, and fail the test in the end: code that tries again or does without would hide it."
    if request.node.get_closest_marker('slow'):
        yield
        return
    asked = []

    def guarded(real, host):
        def ask(*args, **kw):
            if (name := host(*args, **kw)) in LOCAL:
                return real(*args, **kw)
            asked.append(name)
            raise OSError(f'{name} was asked for; tests are offline (mark those that download as slow)')

        return ask

    for name in 'connect', 'connect_ex':
        real = getattr(socket.socket, name)
        monkeypatch.setattr(socket.socket, name, guarded(real, lambda self, address: host_of(address)))
    named = lambda host, *args, **kw: host_of((host,))
    monkeypatch.setattr(socket, 'getaddrinfo', guarded(socket.getaddrinfo, named))
    yield
    assert asked == [], f'asked the network for {", ".join(map(str, asked))}'
