"""An estate whose restarts go wrong: faults that are put into a node's unit or files, and what is seen of a restart."""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

from syncd.demo.pki import EckCa
from syncd.ports import now
from tests.bed.estate import ALIAS, Estate
from tests.bed.systemd_cluster import SystemdNode
from tests.bed.waiting import wait_for

ALLOCATION = "cluster.routing.allocation.enable"
RECORD, ENDED = "cluster.metadata.syncd.restart", "cluster.metadata.syncd.restarted"
OWNED_BY = "cluster.metadata.syncd.owner"
WRAPPER = "/usr/local/lib/bed/notify-elasticsearch.sh"
_FILES = ("elasticsearch.yml", "elasticsearch.keystore")
_LEFT = (".syncd-before", ".syncd-ours", ".syncd-refused")
_PAGE = 4096
_STAMP = re.compile(r"^\[(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d,\d{3})\]")


@dataclass
class Faulty(Estate):
    """The remote is not there: its CA is in a file, and no node is told where it is. Each change is a new interval."""

    interval: str = ""
    """What `resource.reload.interval.high` shall be."""
    _intervals: Iterator[int] = field(default_factory=lambda: count(1))
    _keystores: dict[str, bytes] = field(default_factory=dict)
    """As they were at first: a credential is a first one in each test, and comes with the restart."""

    def run(self, restart: dict[str, Any] | None = None, remote: dict[str, Any] | None = None, **options: Any) -> None:
        """Start the daemon with the change, which needs one restart of each node."""
        ca = self.folder / "eck-ca.pem"
        if not ca.exists():
            ca.write_bytes(EckCa.create(now()).pem)
        rolling = {"policy": "rolling", "unit": "elasticsearch@{node}.service", "join_timeout": "4m"}
        source = {"alias": ALIAS, "source": {"kind": "file", "path": str(ca)}} | (remote or {})
        options = {"restart": rolling | (restart or {}), "reload_interval": self.interval} | options
        self.configure([source], **options).start()

    def put_right(self) -> None:
        """Before and after a test, however it ended: no daemon, no fault, no open restart, a whole cluster; a new change."""
        self.interval = f"{next(self._intervals)}s"
        self.end()
        for node in self.cluster.nodes:
            self.without_fault(node)
            left = [str(node.config / f"{file}{end}") for file in _FILES for end in _LEFT]
            self.cluster.world.run("rm", "-f", *left)
            keystore = self.seen(node, "elasticsearch.keystore")
            keystore.write_bytes(self._keystores.setdefault(node.name, keystore.read_bytes()))
        for node in self.cluster.nodes:
            if self.cluster.unit_state(node).active in {"failed", "inactive"}:
                self.cluster.world.systemctl("reset-failed", node.unit)
                self.cluster.world.systemctl("start", "--no-block", node.unit)
        nothing = {RECORD: None, ENDED: None, ALLOCATION: None, OWNED_BY: None}
        body = {"persistent": nothing, "transient": {ALLOCATION: None}}
        wait_for(lambda: self.ask("PUT", "/_cluster/settings", body), 120, "an answering cluster")
        self.cluster.wait_green()

    def allocate(self, wanted: dict[str, str]) -> None:
        """Set allocation in these scopes, and in no other."""
        body = {scope: {ALLOCATION: wanted.get(scope)} for scope in ("persistent", "transient")}
        self.ask("PUT", "/_cluster/settings", body)

    # --- faults

    def fault(self, node: SystemdNode, *lines: str) -> None:
        """More lines of the node's unit, from its next start on."""
        self.cluster.world.write(f"/etc/systemd/system/{node.unit}.d/fault.conf", "\n".join(["[Service]", *lines, ""]))
        self.cluster.world.systemctl("daemon-reload")

    def without_fault(self, node: SystemdNode) -> None:
        """The unit as it was."""
        self.cluster.world.run("rm", "-rf", f"/etc/systemd/system/{node.unit}.d")
        self.cluster.world.systemctl("daemon-reload")

    def arguments(self, node: SystemdNode, arguments: str, marker: str = "") -> None:
        """Start the node with more arguments, while its elasticsearch.yml has the marker."""
        script = f"/usr/local/lib/bed/fault-{node.name}.sh"
        more = f"set -- {node.logs} {arguments}"
        text = f"#!/bin/bash\nset -- {node.logs}\ngrep -q '{marker}' {node.config}/elasticsearch.yml && {more}\n"
        self.cluster.world.write(script, f'{text}exec {WRAPPER} "$@"\n', 0o755)
        self.fault(node, "ExecStart=", f"ExecStart={script}")

    @contextmanager
    def full_disk(self, node: SystemdNode) -> Iterator[Path]:
        """Its config directory is a small file system without a free block; the path of what fills it.

        Files that the test takes from there have one page each, so do the blocks.
        """
        world, config, kept = self.cluster.world, str(node.config), str(node.folder / "kept")
        world.run("cp", "-aT", config, kept)
        world.run("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", config)
        try:
            world.run("cp", "-aT", kept, config)
            filler = self.seen(node, "filler")
            with suppress(OSError), filler.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(_PAGE))
            yield filler
            filler.unlink(missing_ok=True)
            world.run("cp", "-aT", config, kept)
        finally:
            world.run("umount", "--lazy", config)
            world.run("cp", "-aT", kept, config)
            world.run("rm", "-r", kept)

    def seen(self, node: SystemdNode, name: str) -> Path:
        """A file of its config directory as the world sees it."""
        return self.cluster.world.inside(str(node.config / name))

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """A REST call to whichever node answers; raises the last one's error."""
        error: Exception = RuntimeError("there are no nodes")
        for node in self.cluster.nodes:
            try:
                return self.cluster.api(method, path, body, node=node)
            except Exception as caught:  # noqa: BLE001 - it is down; the next one is asked
                error = caught
        raise error

    def all_settings(self) -> dict[str, dict[str, Any]]:
        """Persistent and transient settings of the cluster, flat."""
        found: dict[str, dict[str, Any]] = self.ask("GET", "/_cluster/settings?flat_settings=true")
        return found

    def allocation(self) -> dict[str, str]:
        """Allocation by scope, where it is set."""
        found = self.all_settings()
        return {scope: there[ALLOCATION] for scope, there in found.items() if ALLOCATION in there}

    def record(self) -> dict[str, Any]:
        """The open restart; empty: none."""
        text = self.all_settings()["persistent"].get(RECORD)
        found: dict[str, Any] = json.loads(text) if text else {}
        return found

    def open_node(self) -> str:
        """The node whose restart is open."""
        return str(self.record().get("node", ""))

    def at_hand(self, node: SystemdNode) -> str:
        """How far a node's restart is, in words."""
        record = "open" if self.open_node() == node.name else "not open"
        return f"{record}, {'' if self.edited(node) else 'not '}edited, {self.cluster.unit_state(node).active}"

    def ended(self) -> dict[str, Any]:
        """How restarts ended, by node."""
        text = self.all_settings()["persistent"].get(ENDED)
        found: dict[str, Any] = json.loads(text)["nodes"] if text else {}
        return found

    def done(self) -> set[str]:
        """Nodes whose last restart ended well."""
        return {name for name, end in self.ended().items() if end["result"] == "done"}

    def order(self) -> list[SystemdNode]:
        """The nodes as they are to be restarted: the elected master last."""
        master = self.ask("GET", "/_cat/master?h=node&format=json")[0]["node"]
        return sorted(self.cluster.nodes, key=lambda node: (node.name == master, node.name))

    def edited(self, node: SystemdNode) -> bool:
        """Whether its elasticsearch.yml has the change."""
        return f"interval.high: {self.interval}\n" in self.seen(node, "elasticsearch.yml").read_text()

    def running(self) -> dict[str, str]:
        """The interval that each member runs with; empty where it is the default."""
        nodes = self.ask("GET", "/_nodes/settings?flat_settings=true")["nodes"].values()
        return {node["name"]: node["settings"].get("resource.reload.interval.high", "") for node in nodes}

    def contents(self) -> dict[str, tuple[bytes, bytes]]:
        """elasticsearch.yml and keystore of each node."""
        found = {node.name: [self.seen(node, file).read_bytes() for file in _FILES] for node in self.cluster.nodes}
        return {name: (yml, keystore) for name, (yml, keystore) in found.items()}

    def keeps_refused(self, node: SystemdNode) -> bool:
        """Whether the refused settings are kept beside the ones from before."""
        text = self.seen(node, "elasticsearch.yml.syncd-refused").read_text()
        return f"interval.high: {self.interval}\n" in text

    def held(self, rule: str) -> dict[str, Any]:
        """The first hold of a rule; empty: none."""
        return next((hold for hold in self.status()["holds"] if hold.get("rule") == rule), {})

    def await_hold(self, rule: str, seconds: float) -> dict[str, Any]:
        """The hold of a rule, once it is there; what there is instead is told otherwise."""
        found: dict[str, Any] = self._await(lambda: self.held(rule), seconds, f"a hold {rule}")
        return found

    def await_changed(self, seconds: float) -> None:
        """Wait until all nodes run with the change, no restart is open and nothing more is needed."""
        self._await(self._changed, seconds, f"everybody with {self.interval}")

    def await_closed(self, seconds: float) -> None:
        """Wait until no restart is open."""
        self._await(lambda: not self.record(), seconds, "the end of the restart")

    def _changed(self) -> bool:
        members = self.running()
        return len(members) == self.cluster.size and set(members.values()) == {self.interval} and not self.record()

    def _await(self, look: Callable[[], Any], seconds: float, what: str) -> Any:
        try:
            return wait_for(look, seconds, what, 0.2)
        except TimeoutError as error:
            lines = [str(error)]
            with suppress(Exception):
                lines.append(f"record {self.record()}, ended {self.ended()}, allocation {self.allocation()}")
                lines.append(f"running {self.running()}, starts {self.starts()}")
            status = self.status()
            lines += [f"{hold.get('subject')}: {hold.get('rule')}: {hold.get('text')}" for hold in status["holds"]]
            lines += [f"failed: {failure}" for failure in status.get("failures", ())]
            raise TimeoutError("\n".join(lines)) from error

    def failures(self) -> str:
        """What failed in the last pass."""
        return "; ".join(str(failure["text"]) for failure in self.status().get("failures", ()))

    # --- what was written down by others

    def span(self, node: SystemdNode) -> "Span":
        """A node's latest restart, as systemd and the logs of the others have it.

        It has joined when the master has applied that, which it does last; whatever is asked of it meanwhile waits.
        """
        said = self.cluster.world.systemctl("show", "--property=ActiveExitTimestampMonotonic", "--value", node.unit)
        stopped = now().timestamp() - time.monotonic() + int(said) / 1e6
        peers = [list(_lines(other)) for other in self.cluster.nodes if other != node]
        lines, everybody = peers[0], [*peers[0], *peers[1], *_lines(node)]
        moved, added = f"updating [{ALLOCATION}] from", f"added {{{{{node.name}}}"
        applied = [[(at, text) for at, text in peer if "ClusterApplierService" in text] for peer in peers]
        begun = max(at for at, text in lines if f"{moved} [all] to [primaries]" in text and at <= stopped)
        joined = max(min(at for at, text in lines if added in text and at > stopped) for lines in applied)
        restored = min(at for at, text in lines if f"{moved} [primaries] to [all]" in text and at > joined)
        green = min(at for at, text in everybody if "to [GREEN]" in text and at > restored)
        return Span(node.name, begun, stopped, joined, restored, green)


@dataclass(frozen=True)
class Span:
    """One node's restart, in seconds of the clock."""

    node: str
    begun: float
    stopped: float
    joined: float
    restored: float
    green: float

    @property
    def own(self) -> float:
        """What nobody can shorten: from stop to joined, and until its shards are back."""
        return self.joined - self.stopped + self.green - self.restored

    def __str__(self) -> str:
        parts = ("begun", "stopped", "joined", "restored", "green")
        times = [getattr(self, part) for part in parts]
        steps = zip(parts[1:], times[1:], times, strict=False)
        return f"{self.node}: " + ", ".join(f"{name} +{after - before:.2f}" for name, after, before in steps)


def _lines(node: SystemdNode) -> Iterator[tuple[float, str]]:
    """The lines of its log, with their times."""
    for line in (node.logs / "onprem.log").read_text(errors="replace").splitlines():
        if stamp := _STAMP.match(line):
            yield datetime.strptime(stamp[1], "%Y-%m-%dT%H:%M:%S,%f").timestamp(), line  # noqa: DTZ007 - local time
