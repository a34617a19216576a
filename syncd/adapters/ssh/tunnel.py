"""Tunnels through an SSH session: a connection made from the host, and a port listened on there."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Thread, Timer

import paramiko
from paramiko import Channel, Transport

from syncd.adapters.ssh.trouble import told
from syncd.core.errors import HostError
from syncd.ports import Deadline, Stream

_LOOPBACK = "127.0.0.1"


class ChannelStream:
    """A tunnel as a byte stream."""

    def __init__(self, channel: Channel, where: str, closed: Callable[[], None] = lambda: None) -> None:
        self._channel = channel
        self._where = where
        self._closed = closed

    def send(self, data: bytes, deadline: Deadline) -> None:
        """See `ports.Stream.send`."""
        with self._timed(deadline):
            self._channel.sendall(data)

    def receive(self, limit: int, deadline: Deadline) -> bytes:
        """See `ports.Stream.receive`."""
        with self._timed(deadline):
            return self._channel.recv(limit)

    def close(self) -> None:
        """See `ports.Stream.close`."""
        self._channel.close()
        self._closed()

    @contextmanager
    def _timed(self, deadline: Deadline) -> Iterator[None]:
        self._channel.settimeout(max(0.01, deadline.left()))
        with told(self._where):
            yield


class ReverseTunnel:
    """A port on the loopback of the host, whose connections come here. One per session at a time."""

    def __init__(self, transport: Transport, port: int) -> None:
        self._transport = transport
        self._port = port
        self.closed: Callable[[], None] = lambda: None
        """Called when it is closed."""

    @classmethod
    def open(
        cls, transport: Transport, port: int, accept: Callable[[Stream], None], where: str, deadline: Deadline
    ) -> "ReverseTunnel":
        """Listen. Raises HostError `tunnel_refused`."""
        where = f"{_LOOPBACK}:{port} on {where}"

        def handle(channel: Channel, _origin: tuple[str, int], _server: tuple[str, int]) -> None:
            Thread(target=accept, args=(ChannelStream(channel, where),), daemon=True).start()

        late = Timer(max(0.01, deadline.left()), transport.close)  # paramiko waits for the answer without an end
        late.start()
        try:
            transport.request_port_forward(_LOOPBACK, port, handle)
        except (paramiko.SSHException, OSError, EOFError) as error:
            cure = "Check that nothing listens there (handshake.port), and sshd_config: AllowTcpForwarding yes"
            raise HostError("tunnel_refused", "sshd does not listen there for us", where=where, cure=cure) from error
        finally:
            late.cancel()
        return cls(transport, port)

    def close(self) -> None:
        """See `ports.Listening.close`."""
        with suppress(paramiko.SSHException, OSError, EOFError):
            self._transport.cancel_port_forward(_LOOPBACK, self._port)
        self.closed()
