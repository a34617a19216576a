"""What a demo node has loaded of its TLS files: named by its elasticsearch.yml at its start, re-read by poll.

As Elasticsearch does it: files are compared by time and size, what cannot be loaded leaves the old trust in place, and
each reload is told in the log with the file's absolute path.
"""

import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from OpenSSL import SSL

from syncd.core import yml
from syncd.core.errors import BundleError
from syncd.demo.mutual import client_context, server_context

_CLIENT = "xpack.security.remote_cluster_client.ssl."
_TRANSPORT = "xpack.security.transport.ssl."
_INTERVAL = "resource.reload.interval.high"
Log = Callable[[str, str, str], None]
"""(level, logger, text)."""


@dataclass(frozen=True, slots=True)
class Named:
    """The files of one TLS context."""

    trust: tuple[str, ...]
    chain: str | None = None
    key: str | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.trust, *(path for path in (self.chain, self.key) if path))


@dataclass(frozen=True, slots=True)
class Start:
    """What an elasticsearch.yml says, as far as this node understands it."""

    client: Named
    transport: Named
    reload_interval: str | None = None

    @classmethod
    def read(cls, path: Path) -> "Start":
        """Of a file. Raises YmlError, OSError."""
        settings = yml.read(path.read_text())

        def named(prefix: str) -> Named:
            trust = [str(path.parent / item) for item in settings.items(f"{prefix}certificate_authorities")]
            own = [settings.get(f"{prefix}{part}") for part in ("certificate", "key")]
            chain, key = (str(path.parent / str(item)) if item else None for item in own)
            return Named(tuple(trust), chain, key)

        interval = settings.get(_INTERVAL)
        return cls(named(_CLIENT), named(_TRANSPORT), str(interval) if interval else None)


@dataclass
class TlsFiles:
    """One TLS context of a running process."""

    named: Named
    log: Log
    client: ssl.SSLContext | None = None
    server: SSL.Context | None = None
    """Only where a certificate is named."""
    _seen: Mapping[str, object] = field(default_factory=dict)

    def load(self) -> str:
        """Load the files; what is wrong with them, or nothing. Nothing changes where something is."""
        self._seen = _stamps(self.named)
        try:
            client = client_context(*self.named.trust, chain=self.named.chain, key=self.named.key)
            server = self._server()
        except (OSError, ValueError, BundleError, SSL.Error) as error:
            return str(error) or type(error).__name__
        self.client, self.server = client, server
        return ""

    def poll(self) -> bool:
        """Load again what has changed since; whether something was loaded."""
        stamps = _stamps(self.named)
        changed = [path for path, stamp in stamps.items() if stamp != self._seen.get(path)]
        if not changed:
            return False
        if wrong := self.load():
            trace = f"\norg.elasticsearch.common.ssl.SslConfigException: cannot load {changed}: {wrong}"
            self.log("WARN ", "o.e.w.ResourceWatcherService", f"cannot notify file changes listener{trace}")
            return False
        for path in changed:
            text = f"updated 1 ssl contexts in 6ms for prefix names [] using file [{path}]"
            self.log("INFO ", "o.e.x.c.s.SSLConfigurationReloader", text)
        return True

    def _server(self) -> SSL.Context | None:
        if not self.named.chain or not self.named.key:
            return None
        trust = b"".join(Path(path).read_bytes() for path in self.named.trust)
        return server_context(trust, Path(self.named.chain).read_bytes(), Path(self.named.key).read_bytes())


def _stamps(named: Named) -> dict[str, tuple[int, int] | None]:
    return {path: _stamp(path) for path in named.files}


def _stamp(path: str) -> tuple[int, int] | None:
    """Elasticsearch's FileWatcher compares time and size, not content."""
    with suppress(OSError):
        status = Path(path).stat()
        return status.st_mtime_ns // 1_000_000, status.st_size
    return None
