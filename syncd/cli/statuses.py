"""`syncd status`: the daemon's own page, as a table."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from rich.console import Console
from rich.table import Table

from syncd.core.errors import SyncdError

_COLUMNS = ("CLUSTER", "NODE", "REMOTE", "FILE", "LOADED", "LINK", "NOTE")


def fetch(listen: str) -> dict[str, Any]:
    """The status page. Raises SyncdError when no daemon answers."""
    host, _, port = listen.rpartition(":")
    url = f"http://{host if host not in ('', '0.0.0.0') else '127.0.0.1'}:{port}/status"  # noqa: S104 - it is compared
    try:
        with urlopen(url, timeout=5) as answer:
            document: dict[str, Any] = json.load(answer)
    except (URLError, OSError, ValueError) as error:
        cure = "Is syncd run running here, with this configuration? syncd check looks without it"
        raise SyncdError("no_daemon", f"no daemon answers: {error}", where=url, cure=cure) from error
    return document


def status_text(document: dict[str, Any]) -> Iterator[str]:
    """The table and a line per remote."""
    table = Table(*_COLUMNS, box=None, pad_edge=False, header_style="")
    for cluster in document["clusters"]:
        for row in cluster["rows"]:
            cells = (row["remote"], row["file"], row["loaded"], row.get("link", ""), row.get("note", ""))
            table.add_row(cluster["cluster"], row["node"], *cells)
    console = Console(width=None if Console().is_terminal else 200)
    with console.capture() as text:
        console.print(table, highlight=False, markup=False)
    yield from (line.rstrip() for line in text.get().splitlines())
    for cluster in document["clusters"]:
        yield from (_remote(remote) for remote in cluster["remotes"])
        yield from (f"hold  {hold['subject']}: {hold['rule']}: {hold['text']}" for hold in cluster["holds"])
        yield from (f"FAILED  {failure['rule']}: {failure['text']}" for failure in cluster["failures"])


def _remote(remote: dict[str, Any]) -> str:
    breaks = f" Breaks: not before {remote['breaks_at'][:16]}Z." if remote["breaks_at"] else ""
    cas = "; ".join(f"{ca['fingerprint'][:8]} {ca['role']}" for ca in remote["cas"])
    return f"{remote['remote']}: up from {remote['up']} of {remote['nodes']} nodes.{breaks} CAs: {cas or 'none'}"
