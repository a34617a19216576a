"""The REST of many nodes in one process of its own, which counts what it is asked: `python -m bench.nodes CONFIG.json`.

In the bench's process they would take its time from the loop that watches the files.
"""

import json
import subprocess
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from threading import Lock
from typing import Any, ClassVar
from urllib.request import Request, urlopen

from syncd.demo.node import Node, NodeConfig, _Http
from tests.bed.waiting import wait_for

_COUNTED = "bench/requests"


class Servers:
    """The process, as the bench sees it."""

    def __init__(self, folder: Path, configs: list[NodeConfig]) -> None:
        self._first = configs[0]
        (folder / "nodes.json").write_text(json.dumps([asdict(config) for config in configs]))
        with (folder / "nodes.log").open("wb") as log:
            command = [sys.executable, "-m", "bench.nodes", str(folder / "nodes.json")]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)

    def wait(self) -> "Servers":
        """Until they answer."""
        wait_for(lambda: self.requests() is not None, 60, "the nodes' REST")
        return self

    def stop(self) -> None:
        """End all of them."""
        self._process.kill()
        self._process.wait()

    def requests(self) -> "Counter[str]":
        """How often each method was used on all nodes together."""
        request = Request(
            f"http://127.0.0.1:{self._first.http_port}/{_COUNTED}",
            headers={"authorization": f"ApiKey {self._first.password}"},
        )
        with urlopen(request, timeout=30) as answer:  # noqa: S310
            return Counter(json.load(answer))


class _Quiet(Node):
    """A node that only answers REST: the handshakes of so many would measure themselves."""

    counted: ClassVar[Counter[str]] = Counter()
    lock: ClassVar[Lock] = Lock()

    def connected(self) -> bool:
        """As if it were."""
        return True

    def answer(self, method: str, path: str, body: dict[str, Any]) -> Any:
        """The answer, counted for all nodes together."""
        with self.lock:
            if path.strip("/") == _COUNTED:
                return dict(self.counted)
            self.counted[method] += 1
        return super().answer(method, path, body)


def main(path: Path) -> None:
    """One selector for all ports; a thread for each connection."""
    selector = DefaultSelector()
    for each in json.loads(path.read_text()):
        config = NodeConfig(**each)
        server = _Http(("127.0.0.1", config.http_port), _Quiet(config))
        server.timeout = 0  # a client that is gone again is not waited for
        selector.register(server, EVENT_READ)
    while True:
        for key, _ in selector.select():
            if isinstance(key.fileobj, _Http):
                key.fileobj.handle_request()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
