"""Requests to the Kubernetes API: the official client's rules for where and who, and its connection pool, nothing more.

Its typed APIs cost forty megabytes, retry a PUT against itself, and let three kinds of exception through; here there is
one request, one deadline, one kind of error.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any
from urllib.parse import urlencode

import urllib3
from kubernetes.client.api_client import ApiClient
from kubernetes.client.configuration import Configuration
from kubernetes.config.config_exception import ConfigException
from kubernetes.config.incluster_config import load_incluster_config
from kubernetes.config.kube_config import load_kube_config
from yaml import YAMLError

from syncd.core.errors import ConfigError
from syncd.ports import Deadline

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
_STEP = 10.0
"""Most seconds for one request, whatever the caller's deadline."""
_MOST_BYTES = 8 * 1024 * 1024
"""Most of an answer that is read: an object has about a mebibyte, in JSON and base64 some more."""
_FAULTS = {
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    409: "conflict",
    410: "expired",
    413: "too_large",
    429: "busy",
}
_UNLOADABLE = (ConfigException, YAMLError, OSError, ValueError, KeyError, TypeError, AttributeError)
"""What the client's loaders raise for a kubeconfig or an account that is not as it should be."""
_NOT_IN_A_HEADER = re.compile(r"[^\x20-\x7e]")


class KubeError(Exception):
    """A request failed.

    `fault` is the short name that rules are made of: unreachable, timeout, unauthorized, forbidden, not_found, conflict,
    expired, too_large, busy (429 and 5xx), refused (any other status).
    """

    def __init__(self, fault: str, text: str) -> None:
        super().__init__(text)
        self.fault = fault
        self.text = text


@dataclass(frozen=True, slots=True)
class Answer:
    """A JSON object."""

    body: dict[str, Any]

    def part(self, name: str) -> dict[str, Any]:
        """`metadata`, `spec`, `data`, ...; empty where there is none."""
        found = self.body.get(name)
        return found if isinstance(found, dict) else {}

    @property
    def version(self) -> str:
        """`metadata.resourceVersion`."""
        return str(self.part("metadata").get("resourceVersion", ""))

    @property
    def uid(self) -> str:
        """`metadata.uid`."""
        return str(self.part("metadata").get("uid", ""))


@dataclass(frozen=True, slots=True)
class _Access:
    """Where the server is, who we are, and connections to it."""

    configuration: Configuration
    pool: urllib3.PoolManager


class KubeClient:
    """One API server and account. Raises ConfigError `kubernetes` where neither can be found."""

    def __init__(self, kubeconfig: str | None, context: str | None) -> None:
        self._kubeconfig = kubeconfig
        self._context = context
        self._lock = Lock()
        self._access = self._load()

    @property
    def host(self) -> str:
        """The server's URL."""
        return str(self._access.configuration.host)

    def request(
        self,
        method: str,
        path: str,
        deadline: Deadline,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        kind: str = "application/json",
    ) -> Answer:
        """One request; tried again with a credential read anew when the server does not know ours. Raises KubeError."""
        ends = deadline.at_most(_STEP)
        try:
            return self._request(method, path, ends, query or {}, body, kind)
        except KubeError as error:
            if error.fault != "unauthorized":
                raise
        self._reload()
        return self._request(method, path, ends, query or {}, body, kind)

    def find(self, path: str, deadline: Deadline) -> Answer | None:
        """An object by name; None: there is none. Raises KubeError."""
        try:
            return self.request("GET", path, deadline)
        except KubeError as error:
            if error.fault == "not_found":
                return None
            raise

    def stream(self, path: str, query: Mapping[str, str], read_timeout: float) -> urllib3.BaseHTTPResponse:
        """An open answer that is read as it comes, with so many seconds of silence at most. Raises KubeError."""
        timeout = urllib3.Timeout(connect=_STEP, read=read_timeout)
        response = self._open("GET", path, query, None, "application/json", timeout)
        if response.status < 300:  # noqa: PLR2004 - HTTP success
            return response
        data = _read(response, Deadline.after(_STEP), self.host)
        raise _refusal(response.status, data)

    def _request(
        self, method: str, path: str, deadline: Deadline, query: Mapping[str, str], body: object, kind: str
    ) -> Answer:
        timeout = urllib3.Timeout(total=max(0.05, deadline.left()))
        response = self._open(method, path, query, body, kind, timeout)
        data = _read(response, deadline, self.host)
        if response.status >= 300:  # noqa: PLR2004 - HTTP success
            raise _refusal(response.status, data)
        parsed = _parse(data)
        if not isinstance(parsed, dict):
            raise KubeError("unreachable", f"{self.host} does not answer as a Kubernetes API server does")
        return Answer(parsed)

    def _open(
        self, method: str, path: str, query: Mapping[str, str], body: object, kind: str, timeout: urllib3.Timeout
    ) -> urllib3.BaseHTTPResponse:
        access = self._access
        url = f"{access.configuration.host}{path}" + (f"?{urlencode(query)}" if query else "")
        data = json.dumps(body).encode() if body is not None else None
        headers = {"accept": "application/json", "content-type": kind, "user-agent": "syncd", **_account(access)}
        try:
            answer: urllib3.BaseHTTPResponse = access.pool.request(
                method, url, body=data, headers=headers, timeout=timeout, retries=False, preload_content=False
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _unanswered(self.host, error) from error
        return answer

    def _load(self) -> _Access:
        configuration = _configuration(self._kubeconfig, self._context)
        try:
            return _Access(configuration, ApiClient(configuration).rest_client.pool_manager)
        except (urllib3.exceptions.HTTPError, *_UNLOADABLE) as error:
            raise _config_error(self._kubeconfig, error) from error

    def close(self) -> None:
        """Close the connections that nobody uses now; the others end with their requests."""
        self._access.pool.clear()

    def _reload(self) -> None:
        """Read kubeconfig anew: a token file or a client certificate in it may have been renewed."""
        with self._lock:
            before = self._access
            try:
                self._access = self._load()
            except ConfigError as error:
                raise KubeError(
                    "unauthorized", f"HTTP 401, and the account cannot be read anew: {error.text}"
                ) from error
            before.pool.clear()


def _configuration(kubeconfig: str | None, context: str | None) -> Configuration:
    configuration = Configuration()
    configuration.retries = False
    try:
        if kubeconfig is None and "KUBERNETES_SERVICE_HOST" in os.environ and not context:
            load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]  # as the client is
        else:
            load_kube_config(kubeconfig, context, configuration)  # type: ignore[no-untyped-call]  # as the client is
    except _UNLOADABLE as error:
        raise _config_error(kubeconfig, error) from error
    return configuration


def _config_error(kubeconfig: str | None, error: Exception) -> ConfigError:
    cure = "Set kubernetes.kubeconfig to a file that syncd can read, or run in a pod with an account"
    said = str(error) if isinstance(error, ConfigException | OSError) else f"it is malformed ({type(error).__name__})"
    return ConfigError("kubernetes", said, where=kubeconfig or "kubernetes", cure=cure)


def _account(access: _Access) -> dict[str, str]:
    """The credential of this moment: service account tokens end within the hour and are read anew each minute."""
    try:
        accounts: Mapping[str, Any] = access.configuration.auth_settings()
    except _UNLOADABLE as error:
        raise KubeError("unauthorized", f"the account's credential cannot be read ({type(error).__name__})") from error
    headers = {str(item["key"]): str(item["value"]).strip() for item in accounts.values() if item["value"]}
    if any(_NOT_IN_A_HEADER.search(value) for value in headers.values()):
        raise KubeError("unauthorized", "the account's token holds characters that no token has")  # never the token
    return headers


def _read(response: urllib3.BaseHTTPResponse, deadline: Deadline, host: str) -> bytes:
    """The whole answer, bounded in size and time: a peer that drips keeps each single read happy."""
    try:
        data = b"".join(_bounded(response, deadline, host))
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise _unanswered(host, error) from error
    except KubeError:
        response.close()  # what was not read must not meet the next request
        raise
    response.release_conn()
    return data


def _bounded(response: urllib3.BaseHTTPResponse, deadline: Deadline, host: str) -> Iterator[bytes]:
    size = 0
    while part := response.read1(65536, decode_content=True):
        size += len(part)
        if size > _MOST_BYTES:
            raise KubeError("too_large", f"{host} answers with more than {_MOST_BYTES} bytes")
        if not deadline.left():
            raise KubeError("timeout", f"{host} did not finish its answer in time")
        yield part


def _unanswered(host: str, error: Exception) -> KubeError:
    refused = isinstance(error, urllib3.exceptions.NewConnectionError)  # which is a TimeoutError to urllib3
    if isinstance(error, urllib3.exceptions.TimeoutError) and not refused:
        return KubeError("timeout", f"{host} did not answer in time")
    reason = getattr(error, "reason", None) or error
    return KubeError("unreachable", f"{host} cannot be reached: {str(reason)[:256]}")


def _refusal(status: int, data: bytes) -> KubeError:
    """With the Status message; other bodies may hold anything and are not repeated."""
    body = _parse(data)
    said = body.get("message") if isinstance(body, dict) and body.get("kind") == "Status" else None
    fault = _FAULTS.get(status) or ("busy" if status >= 500 else "refused")  # noqa: PLR2004 - HTTP server errors
    return KubeError(fault, f"HTTP {status}: {str(said)[:256]}" if said else f"HTTP {status}")


def _parse(data: bytes) -> object:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None
