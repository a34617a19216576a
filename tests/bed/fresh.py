"""Fresh connections of an alias, forced and used: what failed, and what only looked like it on a busy machine.

Open sockets survive broken trust for days, so a search that works proves nothing. A changed `proxy_socket_connections`
makes every node close all sockets of the alias and open new ones (elasticsearch `ProxyConnectionStrategy`).
"""

import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bed.elasticsearch import EsRefusedError
from tests.bed.waiting import wait_for

_ROUNDS, _TRIES = 5, 4
_OF_TRUST = re.compile(
    r"SSL\w*Exception|CertPath|PKIX|failed to establish trust|did not trust|bad_certificate|certificate_unknown|unknown_ca"
)
_BUSY = re.compile(
    r"process_cluster_event_timeout|es_rejected_execution|circuit_breaking|master_not_discovered|cluster_block"
)


@dataclass(frozen=True)
class End:
    """A node that opens connections to the remote."""

    name: str
    api: Callable[[str, str, object], Any]
    """Method, path, body."""
    log: Path


@dataclass(frozen=True)
class Ends:
    """All that open connections to an alias, and the log of whom they connect to."""

    nodes: tuple[End, ...]
    remote_log: Path
    alias: str
    index: str

    def fresh(self, number: int) -> list[str]:
        """Force new connections on every node and use them; what failed, by node.

        What REST itself refuses says nothing of a connection: that round is made again, and the last one's error raised.
        """
        for _ in range(_ROUNDS - 1):
            try:
                return self.once(number)
            except (OSError, EsRefusedError) as error:
                if not is_busy(error):
                    raise
                _note(f"the round is made again: {error!r}")
                number += 1
        return self.once(number)

    def once(self, number: int) -> list[str]:
        """The same in one round; raises OSError or EsRefusedError where REST itself refuses."""
        marks = {log: log.stat().st_size for log in (self.remote_log, *(node.log for node in self.nodes))}
        setting = f"cluster.remote.{self.alias}.proxy_socket_connections"
        self.nodes[0].api("PUT", "/_cluster/settings", {"persistent": {setting: 1 + number % 2}})
        failed = [(node, error) for node in self.nodes if (error := self._tries(node))]
        return [f"{node.name}: {text}" for node, error in failed if (text := self._judged(node, error, marks))]

    def _judged(self, node: End, error: str, marks: dict[Path, int]) -> str:
        """A failure that the logs put down to trust is one; else the node is asked once more."""
        for log in (node.log, self.remote_log):
            if told := of_trust(log, marks[log]):
                return f"{error}; {log}: {told}"
        if again := self._tries(node):
            return again
        _note(f"{node.name} failed once, and no log says for trust: {error}")
        return ""

    def _tries(self, node: End) -> str:
        """A few tries, since the old sockets close while the new ones open; broken trust fails them all."""
        error = ""
        for _ in range(_TRIES):
            try:
                answer = node.api("GET", f"/_resolve/cluster/{self.alias}:{self.index}", None)
                if answer[self.alias].get("connected"):
                    node.api("GET", f"/{self.alias}:{self.index}/_search?size=1", None)
                    return ""
                error = str(answer[self.alias])
            except EsRefusedError as refused:
                error = str(refused)
        return error


@dataclass
class FreshConnections:
    """Rounds of them, one after the other, by a thread beside the test."""

    fresh: Callable[[int], list[str]]
    failures: list[str] = field(default_factory=list)
    rounds: int = 0
    """How many are complete."""

    @contextmanager
    def going_on(self) -> Iterator["FreshConnections"]:
        """One each second while the block runs; what failed stays noted."""
        done = threading.Event()

        def go_on() -> None:
            number = 0
            while not done.wait(1):
                number, stamp = number + 1, time.strftime("%H:%M:%S")
                try:
                    failed = self.fresh(number)
                except Exception as error:  # noqa: BLE001 - a thread that ends unseen would prove nothing
                    failed = [repr(error)]
                self.failures += [f"{stamp} {failure}" for failure in failed]
                self.rounds += 1

        worker = threading.Thread(target=go_on)
        worker.start()
        try:
            yield self
        finally:
            done.set()
            worker.join()

    def good(self, rounds: int) -> bool:
        """Whether so many rounds that begin from now on come, and none has failed ever."""
        wanted = self.rounds + rounds + 1
        wait_for(lambda: self.failures or self.rounds >= wanted, 60 + 10 * rounds, f"{rounds} rounds", 0.1)
        return not self.failures


def is_busy(error: Exception) -> bool:
    """Whether REST itself could not answer; nothing is known of a connection then."""
    return not isinstance(error, EsRefusedError) or error.code == 429 or bool(_BUSY.search(error.text))


def of_trust(log: Path, since: int) -> str:
    """The first line of a log from a position on that tells of a handshake that failed; empty: none."""
    with log.open("rb") as file:
        file.seek(since if since <= log.stat().st_size else 0)
        lines = file.read().decode(errors="replace").splitlines()
    return next((line for line in lines if _OF_TRUST.search(line)), "")


def _note(text: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} fresh connections: {text}\n")
