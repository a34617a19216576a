"""The client library's HTTP node, held to what syncd promises: a deadline for the whole answer, and no other CAs.

A socket's timeout starts anew with each byte, so a peer that sends one byte a second holds a request for ever; here the
socket is shut from outside when the time is over. And the library adds certifi's public CAs to any context that it is
given, which would let every public CA stand in for the operator's own.
"""

import socket
from contextlib import AbstractContextManager, suppress
from functools import partial

from elastic_transport import HttpHeaders, NodeConfig, Urllib3HttpNode
from urllib3 import HTTPResponse, HTTPSConnectionPool, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection

from syncd.adapters.elasticsearch.watchdog import Watchdog


class TimedNode(Urllib3HttpNode):
    """One URL's connections."""

    def __init__(self, config: NodeConfig) -> None:
        super().__init__(config)
        self.pool.ConnectionCls = _Http
        if isinstance(self.pool, HTTPSConnectionPool):
            self.pool.ConnectionCls = _Https
            self.pool.ca_certs = None
            if config.ssl_context is not None and not config.ssl_context.check_hostname:
                self.pool.assert_hostname = False  # else urllib3 compares names itself

    def ask(
        self, method: str, target: str, body: bytes | None, headers: HttpHeaders, seconds: float
    ) -> tuple[int, bytes]:
        """Status and body of one request, answered whole within so many seconds. Raises the library's TransportError."""
        limit = Timeout(total=seconds)  # of connecting and answering together; a bare number would be for each
        answer = self.perform_request(method, target, body, headers, limit)  # type: ignore[arg-type]  # urllib3 takes it
        return answer.meta.status, answer.body


class _Http(HTTPConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3's own does
        with _cut_after(self.timeout, self.sock):
            return super().getresponse()


class _Https(HTTPSConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3's own does
        with _cut_after(self.timeout, self.sock):
            return super().getresponse()


_WATCHDOG = Watchdog()


def _cut_after(seconds: float | None, connected: socket.socket) -> AbstractContextManager[None]:
    return _WATCHDOG.after(seconds or 0.0, partial(_cut, connected))


def _cut(connected: socket.socket) -> None:
    with suppress(OSError):
        socket.socket.shutdown(connected, socket.SHUT_RDWR)  # not SSLSocket's own, which forgets its TLS state
