"""Requests to the Kubernetes API: the official client's rules for where and who, and its connection pool, nothing more.

Its typed APIs cost forty megabytes, retry a PUT against itself, and let three kinds of exception through; here there is
one request, one deadline, one kind of error.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import urllib3
from kubernetes.client.api_client import ApiClient
from kubernetes.client.configuration import Configuration
from kubernetes.config.config_exception import ConfigException
from kubernetes.config.incluster_config import load_incluster_config
from kubernetes.config.kube_config import load_kube_config

from syncd.core.errors import ConfigError
from syncd.ports import Deadline

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
_STEP = 10.0
"""Most seconds for one request, whatever the caller's deadline."""


class KubeError(Exception):
    """A request failed: `status` as HTTP has it, 0 where the server could not be reached."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


@dataclass(frozen=True, slots=True)
class Answer:
    """A JSON answer."""

    body: dict[str, Any]

    @property
    def version(self) -> str:
        """`metadata.resourceVersion`."""
        return str(self.body.get("metadata", {}).get("resourceVersion", ""))

    @property
    def uid(self) -> str:
        """`metadata.uid`."""
        return str(self.body.get("metadata", {}).get("uid", ""))


class KubeClient:
    """One API server and account."""

    def __init__(self, kubeconfig: str | None, context: str | None) -> None:
        self._configuration = _configuration(kubeconfig, context)
        self._pool = ApiClient(self._configuration).rest_client.pool_manager

    @property
    def host(self) -> str:
        """The server's URL."""
        return str(self._configuration.host)

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
        """One request. Raises KubeError."""
        response = self._send(method, path, query, body, kind, deadline.at_most(_STEP).left())
        data = response.data
        if response.status >= 300:  # noqa: PLR2004 - HTTP success
            raise KubeError(response.status, _message(response.status, data))
        try:
            parsed = json.loads(data)
        except ValueError as error:
            raise KubeError(0, "the answer is not JSON; is this a Kubernetes API server?") from error
        return Answer(parsed)

    def stream(self, path: str, query: Mapping[str, str], read_timeout: float) -> urllib3.BaseHTTPResponse:
        """An open answer that is read as it comes. Raises KubeError."""
        timeout = urllib3.Timeout(connect=_STEP, read=read_timeout)
        response = self._open("GET", path, query, None, "application/json", timeout, preload=False)
        if response.status >= 300:  # noqa: PLR2004
            data = response.read(4096)
            response.close()
            raise KubeError(response.status, _message(response.status, data))
        return response

    def _send(
        self, method: str, path: str, query: Mapping[str, str] | None, body: object, kind: str, seconds: float
    ) -> urllib3.BaseHTTPResponse:
        timeout = urllib3.Timeout(total=max(0.05, seconds))
        return self._open(method, path, query or {}, body, kind, timeout, preload=True)

    def _open(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: object,
        kind: str,
        timeout: urllib3.Timeout,
        *,
        preload: bool,
    ) -> urllib3.BaseHTTPResponse:
        url = f"{self.host}{path}" + (f"?{urlencode(query)}" if query else "")
        data = json.dumps(body).encode() if body is not None else None
        headers = {"accept": "application/json", "content-type": kind, "user-agent": "syncd", **self._account()}
        try:
            answer: urllib3.BaseHTTPResponse = self._pool.request(
                method, url, body=data, headers=headers, timeout=timeout, retries=False, preload_content=preload
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise KubeError(0, f"{self.host} cannot be reached: {_cause(error)}") from error
        return answer

    def _account(self) -> dict[str, str]:
        """The credential of this moment: service account tokens end within the hour and are read anew."""
        accounts: Mapping[str, Any] = self._configuration.auth_settings()
        return {item["key"]: item["value"] for item in accounts.values() if item["value"]}


def _configuration(kubeconfig: str | None, context: str | None) -> Configuration:
    configuration = Configuration()
    configuration.retries = False
    try:
        if kubeconfig is None and "KUBERNETES_SERVICE_HOST" in os.environ and not context:
            load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]  # as the client is
        else:
            load_kube_config(kubeconfig, context, configuration)  # type: ignore[no-untyped-call]  # as the client is
    except (ConfigException, OSError, ValueError, KeyError, TypeError) as error:
        cure = "Set kubernetes.kubeconfig to a file that syncd can read, or run in a pod with an account"
        raise ConfigError("kubernetes", f"{error}", where=kubeconfig or "kubernetes", cure=cure) from error
    return configuration


def _message(status: int, data: bytes) -> str:
    """The Status message; other bodies may hold anything and are not repeated."""
    try:
        body = json.loads(data)
    except ValueError:
        body = {}
    said = body.get("message") if isinstance(body, dict) and body.get("kind") == "Status" else None
    return f"HTTP {status}: {str(said)[:256]}" if said else f"HTTP {status}"


def _cause(error: BaseException) -> str:
    reason = getattr(error, "reason", None) or error
    return str(reason)[:256]
