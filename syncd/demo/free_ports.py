"""Ports for servers that are started later: of the demo, the bed and the bench."""

import random
import socket
from contextlib import ExitStack, suppress


def free_ports(count: int, address: str = "127.0.0.1") -> list[int]:
    """Distinct ports that nobody listens on, below those that the kernel gives to outgoing connections.

    Their servers bind them seconds later; one of the kernel's might be somebody's by then.
    """
    with ExitStack() as held:
        ports: list[int] = []
        while len(ports) < count:
            probe = held.enter_context(socket.socket())
            with suppress(OSError):
                port = random.randint(20_000, 32_000)  # noqa: S311 - guards nothing
                probe.bind((address, port))
                ports.append(port)
        return ports
