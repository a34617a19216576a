"""One REST request: TLS, credential, deadline, and errors that say what to do and hold no secret."""

import base64
import json
import re
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar
from urllib.parse import urlsplit

import elastic_transport
from elastic_transport.client_utils import url_to_node_config

from syncd.adapters.elasticsearch.node import TimedNode
from syncd.adapters.elasticsearch.settings import ElasticsearchSettings
from syncd.config.secrets import where_else
from syncd.core.errors import ClusterError
from syncd.ports import Deadline

T = TypeVar("T")
_JSON = {"accept": "application/json", "content-type": "application/json"}
_CURES = {
    "es_unauthorized": "Check api_key_file, or username and password_file",
    "es_forbidden": "Give syncd's user or key the cluster privileges monitor and manage, and view_index_metadata",
    "es_tls": "Check elasticsearch.ca_file, and that the certificate names the URL's host: else set the node's http_url, "
    "or verify_hostname: false",
    "es_unreachable": "Check the URL, the firewall, and whether the node runs",
    "es_unhealthy": "Look at the cluster's health and its log; syncd asks again by itself",
    "es_error": "Look at Elasticsearch's log; 400 or 404 is a version that lacks this API (syncd needs 8.14 or later)",
}
_ALIEN = "Check that the URL is Elasticsearch's own, not that of something in between"
_REFUSED = 401
_RULES = {_REFUSED: "es_unauthorized", 403: "es_forbidden"} | dict.fromkeys((408, 429, 502, 503, 504), "es_unhealthy")
_UNREAD = "encountered a failure"
"""What it says of an API key while it cannot read its own keys (8.14 to 8.19 for a moment after the start of a cluster)."""
_LATE = "it did not answer in time"
_PARALLEL = 8
"""Most requests to one URL at once; connections are made as they are needed."""


class Client:
    """Requests to any number of URLs of one cluster. Nothing is retried here."""

    def __init__(self, settings: ElasticsearchSettings) -> None:
        self._settings = settings
        self._lock = Lock()
        self._nodes: dict[str, TimedNode] = {}
        self._context: ssl.SSLContext | None = None
        self._ca_stamp: tuple[int, ...] = ()

    def read(self, url: str, path: str, deadline: Deadline, reader: Callable[[Any], T]) -> T:
        """What the reader makes of the answer. An answer of another shape is ClusterError `es_error`."""
        body = self.ask("GET", url, path, deadline)
        try:
            return reader(body)
        except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
            raise _error("es_error", url, path, f"the answer is not Elasticsearch's ({error!r})", _ALIEN) from error

    def ask(self, method: str, url: str, path: str, deadline: Deadline, body: object = None) -> Any:
        """The JSON that is answered. Raises ClusterError with the rules of `ports.Elasticsearch`."""
        headers = elastic_transport.HttpHeaders(_JSON | {"authorization": self._authorization()})
        node, data = self._node(url), json.dumps(body).encode() if body is not None else None
        if not deadline.left():
            raise _error("es_unreachable", url, path, "no time was left to ask it")
        try:
            status, raw = node.ask(method, path, data, headers, deadline.left())
        except elastic_transport.TlsError as error:
            raise _error("es_tls", url, path, _text(error)) from error
        except elastic_transport.TransportError as error:
            text = _text(error) if deadline.left() else _LATE
            raise _error("es_unreachable", url, path, text) from error
        if not deadline.left():  # what was cut off may look like a whole answer
            raise _error("es_unreachable", url, path, _LATE)
        return _body(url, path, status, raw)

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            for node in self._nodes.values():
                node.close()
            self._nodes.clear()

    def _node(self, url: str) -> TimedNode:
        with self._lock:
            context = self._shared_context() if url.startswith("https://") else None
            if url not in self._nodes:
                self._nodes[url] = TimedNode(_config(url, context))
            return self._nodes[url]

    def _shared_context(self) -> ssl.SSLContext:
        """One for all nodes (a hundred of their own would cost ninety megabytes), made anew when the CA file changes."""
        stamp = self._stamp()
        if self._context is None or stamp != self._ca_stamp:
            self._context, self._ca_stamp = self._make_context(), stamp
            self._nodes.clear()  # requests under way end by themselves
        return self._context

    def _stamp(self) -> tuple[int, ...]:
        try:
            status = Path(self._settings.ca_file).stat() if self._settings.ca_file else None
        except OSError:
            return ()  # making the context tells what is wrong with it
        return (status.st_mtime_ns, status.st_size, status.st_ino) if status else (0,)

    def _make_context(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self._settings.ca_file)
        except (OSError, ssl.SSLError) as error:
            text = f"the CA file cannot be used: {error}"
            where = self._settings.ca_file or ""
            cure = where_else(where) or _CURES["es_tls"]
            raise ClusterError("es_tls", text, where=where, cure=cure) from error
        context.check_hostname = self._settings.verify_hostname
        return context

    def _authorization(self) -> str:
        """From the files as they are now: a rotated secret needs no restart."""
        if self._settings.api_key_file:
            return f"ApiKey {_api_key(self._settings.api_key_file)}"
        password = _secret(self._settings.password_file or "").rstrip("\r\n")
        return "Basic " + base64.b64encode(f"{self._settings.username}:{password}".encode()).decode()


def _config(url: str, context: ssl.SSLContext | None) -> elastic_transport.NodeConfig:
    if "@" in urlsplit(url).netloc:
        host, cure = urlsplit(url).netloc.rpartition("@")[2], "Use username and password_file, or api_key_file"
        raise ClusterError(
            "es_unauthorized", "its URL holds a credential, which logs would show", where=host, cure=cure
        )
    options: dict[str, Any] = {"connections_per_node": _PARALLEL, "http_compress": False}
    if context is not None:
        options["ssl_context"] = context
    try:
        return url_to_node_config(url, use_default_ports_for_scheme=True).replace(**options)
    except ValueError as error:
        raise _error(
            "es_unreachable", url, "", f"it is not a URL such as https://es-01.example:9200 ({error})"
        ) from error


def _secret(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise _no_credential(path, error.strerror or type(error).__name__) from error
    except UnicodeDecodeError:
        raise _no_credential(path, "it is not text") from None  # the error holds the bytes


def _api_key(path: str) -> str:
    """One word of printable ASCII, as `encoded` is: what else a header may not hold would come back in an error's text."""
    key = _secret(path).strip()
    if not key or not all("!" <= letter <= "~" for letter in key):
        raise _no_credential(path, "it is not one line of base64, the `encoded` of an API key")
    return key


def _no_credential(path: str, why: str) -> ClusterError:
    cure = f"{_CURES['es_unauthorized']}. {where_else(path)}".removesuffix(". ")
    return ClusterError("es_unauthorized", f"the credential cannot be used: {why}", where=path, cure=cure)


def _body(url: str, path: str, status: int, raw: bytes) -> Any:
    try:
        body = json.loads(raw)
    except ValueError as error:
        if status < 300:  # noqa: PLR2004 - HTTP success
            raise _error("es_error", url, path, "the answer is not JSON", _ALIEN) from error
        body = raw.decode(errors="replace")
    if status < 300:  # noqa: PLR2004 - HTTP success
        return body
    reason = _reason(body)
    rule = "es_unhealthy" if status == _REFUSED and reason.endswith(_UNREAD) else _RULES.get(status, "es_error")
    raise _error(rule, url, path, f"HTTP {status}: {reason}")


def _reason(body: object) -> str:
    """What Elasticsearch says is wrong, without the request."""
    error = body.get("error") if isinstance(body, Mapping) else None
    if not isinstance(error, Mapping):
        return _plain(error or body)
    cause = error.get("caused_by")
    deeper = (
        cause.get("reason", "") if isinstance(cause, Mapping) else error.get("additional_unsuccessful_credentials", "")
    )
    return f"{error.get('type')}: {_plain(error.get('reason'))} {_plain(deeper)}".strip()


def _plain(said: object) -> str:
    """Somebody else's words, short and on one line."""
    return "".join(letter if letter.isprintable() else " " for letter in str(said)[:200])


def _error(rule: str, url: str, path: str, text: str, cure: str = "") -> ClusterError:
    place = f"{url}{path.partition('?')[0]}"
    return ClusterError(rule, text, where=place, cure=cure or _CURES[rule])


def _text(error: elastic_transport.TransportError) -> str:
    """The cause, without the name of the class that met it."""
    return re.sub(r"^_Https?\([^)]*\): ", "", _plain(error.message))
