"""A port on loopback of the demo's servers."""

import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import cycle
from threading import Lock, Thread
from typing import Generic, TypeVar

C = TypeVar("C")


class Port(Generic[C]):
    """Each connection is answered in a thread of its own, with the next of the TLS contexts that are served in turn."""

    def __init__(self, answer: Callable[[socket.socket, C], None], port: int = 0) -> None:
        self._answer = answer
        self._lock = Lock()
        self._contexts: Iterator[C] = iter(())
        self._listener = socket.create_server(("127.0.0.1", port), backlog=100)
        self.port: int = self._listener.getsockname()[1]
        Thread(target=self._accept, name=f"port {self.port}", daemon=True).start()

    def turn_to(self, contexts: Iterable[C]) -> None:
        """New handshakes use these; open connections stay as they are. Until the first, connections are closed."""
        with self._lock:
            self._contexts = cycle(contexts)

    def stop(self) -> None:
        """Close the port."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                context = next(self._contexts, None)
            if context is None:
                connection.close()
            else:
                Thread(target=self._answer, args=(connection, context), daemon=True).start()
