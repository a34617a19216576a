"""Ports for servers that are started later: of the demo, the bed and the bench."""

import random
import socket
from collections import deque
from contextlib import ExitStack, suppress

_handed_out: deque[int] = deque(maxlen=3000)
"""Of late, in this process: what was asked for is not bound yet, and looks free to who asks next."""


def free_ports(count: int, address: str = "127.0.0.1") -> list[int]:
    """Distinct ports that nobody listens on, nor was given here, below those of the kernel for outgoing connections.

    Their servers bind them seconds later; one of the kernel's might be somebody's by then.
    """
    with ExitStack() as held:
        ports: list[int] = []
        while len(ports) < count:
            probe = held.enter_context(socket.socket())
            with suppress(OSError):
                port = random.randint(20_000, 32_000)  # noqa: S311 - guards nothing
                probe.bind((address, port))
                if port not in _handed_out:
                    _handed_out.append(port)
                    ports.append(port)
        return ports
