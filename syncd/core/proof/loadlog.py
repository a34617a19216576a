"""What a node's own log says about a reload of its trust file.

The lines are those of `o.e.x.c.s.SSLConfigurationReloader` (Elasticsearch 8.6 and later, and the older form) and the
WARN of the resource watcher, whose stack trace names the file that would not load.
"""

import re
from dataclasses import dataclass

_LOADED = re.compile(rb"updated \d+ ssl contexts .*using file \[(?P<new>[^\]]+)\]|reloaded \[(?P<old>[^\]]+)\]")
_REFUSED = re.compile(rb"cannot notify file changes listener")
_REASON = re.compile(rb"(?:SslConfigException|CertificateException|failed to parse)[^\r\n]*")
_TRACE = 4096
"""How much of the log after the WARN belongs to it."""


@dataclass(frozen=True, slots=True)
class Reload:
    """The last thing that the log says about the file."""

    loaded: bool
    reason: str = ""


def last_reload(text: bytes, path: str) -> Reload | None:
    """The last reload of a file that the appended part of a log tells of; None: it tells of none."""
    wanted = path.encode()
    loaded = [match.end() for match in _LOADED.finditer(text) if wanted in (match["new"], match["old"])]
    refused = [match.start() for match in _REFUSED.finditer(text) if wanted in text[match.start() :][:_TRACE]]
    if refused and (not loaded or refused[-1] > loaded[-1]):
        return Reload(loaded=False, reason=_reason(text[refused[-1] :][:_TRACE]))
    return Reload(loaded=True) if loaded else None


def whole_lines(text: bytes) -> bytes:
    """The text up to its last line end: what follows is still being written."""
    return text[: text.rfind(b"\n") + 1]


def _reason(trace: bytes) -> str:
    match = _REASON.search(trace)
    return (match[0] if match else trace.splitlines()[0]).decode("utf-8", "replace")[:300]
