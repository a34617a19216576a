"""`syncd status`: the daemon's own page, as a table, and as an exit code."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from rich.console import Console
from rich.table import Table

from syncd.cli.exits import WAITING, WELL, WRONG
from syncd.config.model import Config
from syncd.core.errors import SyncdError
from syncd.ports import now

_COLUMNS = ("CLUSTER", "NODE", "REMOTE", "FILE", "LOADED", "LINK", "NOTE")
_UNBROKEN = 100_000
"""Columns where nobody looks at a screen: a line that is broken is not found by grep."""
_LATE = 3
"""So many re-read intervals after a pass, at the latest, there has been another one: or the daemon does not get on."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the daemon told, and what it is measured by."""

    document: dict[str, Any]
    faults: tuple[str, ...]
    """What the daemon says is wrong with itself."""
    at: datetime
    reread: timedelta
    names: tuple[str, ...]
    """The clusters of the configuration that are asked about."""

    @property
    def clusters(self) -> list[dict[str, Any]]:
        """Those of which it told."""
        found: list[dict[str, Any]] = self.document["clusters"]
        return found

    @property
    def untold(self) -> list[str]:
        """The clusters of the configuration that had no pass yet."""
        told = {cluster["cluster"] for cluster in self.clusters}
        return [name for name in self.names if name not in told]

    def age(self, cluster: dict[str, Any]) -> timedelta:
        """How long ago the pass ended of which is told."""
        return self.at - datetime.fromisoformat(cluster["at"])

    def is_old(self, cluster: dict[str, Any]) -> bool:
        """Whether another pass should have ended since."""
        return self.age(cluster) > _LATE * self.reread


def ask(whole: Config, names: tuple[str, ...]) -> Told:
    """What the daemon of a configuration tells now of some clusters. Raises SyncdError when none answers."""
    document = fetch(whole.telemetry.listen)
    if set(names) != {cluster.name for cluster in whole.clusters}:
        document["clusters"] = [cluster for cluster in document["clusters"] if cluster["cluster"] in names]
    return Told(document, faults(whole.telemetry.listen), now(), whole.intervals.reread, names)


def fetch(listen: str) -> dict[str, Any]:
    """The status page. Raises SyncdError when no daemon answers."""
    url = _url(listen, "/status")
    try:
        with urlopen(url, timeout=5) as answer:  # noqa: S310 - it is http
            document: dict[str, Any] = json.load(answer)
    except (URLError, OSError, ValueError) as error:
        cure = "Is syncd run running here, with this configuration? syncd check looks without it"
        raise SyncdError("no_daemon", f"no daemon answers: {error}", where=url, cure=cure) from error
    return document


def faults(listen: str) -> tuple[str, ...]:
    """What the daemon says is wrong with itself, as /healthz has it; nothing where it does not answer."""
    try:
        with urlopen(_url(listen, "/healthz"), timeout=5):  # noqa: S310 - it is http
            return ()
    except HTTPError as error:
        with error:
            return _faults(error.read())
    except (URLError, OSError):
        return ()  # /status tells that no daemon answers


def _faults(body: bytes) -> tuple[str, ...]:
    try:
        return tuple(map(str, json.loads(body)["faults"]))
    except (ValueError, KeyError, TypeError):
        return ("it is not healthy, and does not say why",)


def _url(listen: str, page: str) -> str:
    host, _, port = listen.rpartition(":")
    return f"http://{host if host not in ('', '0.0.0.0') else '127.0.0.1'}:{port}{page}"  # noqa: S104 - it is compared


def status_code(told: Told) -> int:
    """1 where something is broken, failed or not known for a failure, or nobody looks; 3 where something waits; else 0."""
    codes = {_code(cluster) for cluster in told.clusters}
    if told.faults or told.untold or any(map(told.is_old, told.clusters)) or WRONG in codes:
        return WRONG
    return WAITING if WAITING in codes else WELL


def _code(cluster: dict[str, Any]) -> int:
    rows, holds, restart = cluster["rows"], cluster["holds"], cluster["restart"]
    broken = any(row.get("link") == "down" or row.get("failed") for row in rows)
    if broken or cluster["failures"] or any(map(_is_grave, holds)):
        return WRONG
    unsettled = any("unknown" in (row["file"], row.get("link")) for row in rows)
    waits = unsettled or holds or cluster.get("waiting") or restart["open"] or restart["needed"]
    return WAITING if waits else WELL


def _is_grave(hold: dict[str, Any]) -> bool:
    return bool(hold.get("grave"))  # a daemon from before an upgrade does not tell


def status_text(told: Told) -> Iterator[str]:
    """The table, how old it is, and a line per remote."""
    table = Table(*_COLUMNS, box=None, pad_edge=False, header_style="")
    for cluster in told.clusters:
        for row in cluster["rows"]:
            cells = (row["remote"], row["file"], row["loaded"], row.get("link", ""), row.get("note", ""))
            table.add_row(cluster["cluster"], row["node"], *cells)
    console = Console(width=None if Console().is_terminal else _UNBROKEN)
    with console.capture() as text:
        console.print(table, highlight=False, markup=False)
    yield from (line.rstrip() for line in text.get().splitlines())
    yield from _freshness(told)
    for cluster in told.clusters:
        yield from _keeper(cluster)
        yield from (_remote(remote) for remote in cluster["remotes"])
        yield from _restarts(cluster)
        for hold in cluster["holds"]:
            yield f"{'GRAVE' if _is_grave(hold) else 'hold'}  {hold['subject']}: {hold['rule']}: {hold['text']}"
        yield from (f"FAILED  {failure['rule']}: {failure['text']}" for failure in cluster["failures"])


def _freshness(told: Told) -> Iterator[str]:
    for cluster in told.clusters:
        line, due = f"as of {_span(told.age(cluster))} ago", _span(told.reread)
        if told.is_old(cluster):
            line = (
                f"OLD, {line}, though there is a pass each {due}: the daemon does not get on. See its log; syncd check"
            )
        yield f"{cluster['cluster']}: {line}"
    for name in told.untold:
        yield f"{name}: NO PASS YET. The daemon has just started, or runs with another configuration: see its log"
    yield from (f"THE DAEMON IS NOT WELL  {fault}" for fault in told.faults)


def _span(span: timedelta) -> str:
    """In seconds, or in the largest unit of which there are two."""
    seconds = max(0.0, span.total_seconds())
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _keeper(cluster: dict[str, Any]) -> Iterator[str]:
    """Mode, permit and owner; a daemon from before an upgrade does not tell."""
    if "mode" in cluster:
        holder = cluster["permit"] or "nobody"
        owner = cluster["owner"] or "not known, or nobody"
        yield f"{cluster['cluster']}: mode {cluster['mode']}; permit held by {holder}; owner: {owner}."


def _restarts(cluster: dict[str, Any]) -> Iterator[str]:
    restart = cluster["restart"]
    if restart["open"]:
        yield f"{cluster['cluster']}: {restart['open']} is being restarted since {restart['since'][:19]}Z."
    elif last := restart.get("last"):
        how = f"{last['result']}{': ' + last['text'] if last['text'] else ''}"
        yield f"{cluster['cluster']}: the last restart, of {last['node']}, ended at {last['at'][:19]}Z: {how}."
    waiting = [row["node"] for row in restart["needed"] if row["node"] != restart["open"]]
    if waiting:
        yield f"{cluster['cluster']}: a restart is needed, in this order: {', '.join(waiting)}."
    if asked := [f"{wish['node']} (at {wish['at'][:19]}Z)" for wish in restart.get("asked", ())]:
        yield f"{cluster['cluster']}: a person has asked for a restart of {', '.join(asked)}."


def _remote(remote: dict[str, Any]) -> str:
    breaks = f" Breaks: not before {remote['breaks_at'][:16]}Z." if remote["breaks_at"] else ""
    cas = "; ".join(f"{ca['fingerprint'][:8]} {ca['role']}" for ca in remote["cas"])
    return f"{remote['remote']}: up from {remote['up']} of {remote['nodes']} nodes.{breaks} CAs: {cas or 'none'}"
