"""The same verbs through TLS: its sockets know other waits, and hide bytes that poll() cannot see.

The servers at hand are built without TLS, so a small proxy in front of one speaks it.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator

import pytest
import redis
from tests.servers import shared_server
from tests.transport.commits import commit_of, lease_of, log, settle, statuses, task

from drumline_protocol.errors import NoBroker
from drumline_transport import connect
from drumline_transport.broker import START


def _certificate(folder):
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl program to make a certificate with")
    key, cert = folder / "key.pem", folder / "cert.pem"
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    words += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(cert)]
    subprocess.run([openssl, *words], check=True, capture_output=True)
    return key, cert


def _pump(source, target):
    try:
        while chunk := source.recv(65536):
            target.sendall(chunk)
    except OSError:
        pass
    finally:
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


@pytest.fixture(scope="module")
def tls_url(tmp_path_factory) -> Iterator[str]:
    server = shared_server("valkey9")
    key, cert = _certificate(tmp_path_factory.mktemp("tls"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                plain, _ = listener.accept()
                secure = context.wrap_socket(plain, server_side=True)
            except ssl.SSLError:
                continue
            except OSError:
                return
            upstream = socket.create_connection(("127.0.0.1", server.port))
            for pair in ((secure, upstream), (upstream, secure)):
                threading.Thread(target=_pump, args=pair, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield f"rediss://localhost:{listener.getsockname()[1]}/0?ssl_ca_certs={cert}"
    listener.close()
    redis.Redis(port=server.port, protocol=2).flushall()


def test_all_kinds_of_waits_through_tls(tls_url):
    broker = connect(tls_url, prefix="tls", create=True)
    broker.ensure_pool("a")
    lease = lease_of(broker)
    big = b"x" * 3_000_000
    commits = [commit_of(lease, n, logs=[log("r", n, n, big)], tasks=[task("r", f"s{n}", pool="a")]) for n in (1, 2)]
    assert statuses(settle(broker, *commits)) == [(1, "applied"), (2, "applied")]
    assert len(broker.take(["a"], "w", 5, 1000)) == 2
    broker.publish([(0, "", b"event"), (0, "", b"result")], [])
    assert len(broker.read_inbox({0: START}, 5, 1000)) == 2
    assert broker.read_ctl("0-0", 5) == []
    reader = broker.log_reader(0, "r")
    assert [len(e.data) for e in reader.read("-", 5, 1000)] == [3_000_000] * 2
    reader.close()

    async def read():
        late = broker.alog_reader(0, "r")
        assert [len(e.data) for e in await late.read("-", 5, 0)] == [3_000_000] * 2
        waiting = asyncio.create_task(late.read(f"{lease.epoch}-2", 5, 9_000))
        await asyncio.sleep(0)
        settle(broker, commit_of(lease, 3, logs=[log("r", 3, 3)]))
        assert [e.first for e in await waiting] == [3]
        await late.close()

    asyncio.run(read())
    broker.close()


def test_a_certificate_that_nobody_vouches_for_is_refused(tls_url):
    with pytest.raises(NoBroker, match=r"(?i)certificate"):
        connect(tls_url.partition("?")[0])
