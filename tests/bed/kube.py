"""A real kube-apiserver over a real etcd, on loopback."""

import base64
import json
import os
import signal
import ssl
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from syncd.demo.free_ports import free_ports
from tests.bed import paths
from tests.bed.waiting import wait_for

ADMIN = "bed-admin-token"
ACCOUNT, ACCOUNT_TOKEN = "syncd", "syncd-token"
"""A user without rights at first, and a namespace of the same name."""
NAMESPACES = ("elastic", "syncd")
_CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {
        "name": "elasticsearches.elasticsearch.k8s.elastic.co",
        "annotations": {"api-approved.kubernetes.io": "unapproved, a stand-in for tests"},
    },
    "spec": {
        "group": "elasticsearch.k8s.elastic.co",
        "names": {"kind": "Elasticsearch", "plural": "elasticsearches", "singular": "elasticsearch"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                },
            }
        ],
    },
}


class Refused(Exception):
    """The API server answered with an error."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"HTTP {code}: {text[:300]}")
        self.code = code


@dataclass
class KubeApi:
    """One API server. `folder` holds its data, keys and logs; other tokens may be given roles."""

    folder: Path
    tokens: dict[str, str] = field(default_factory=dict)
    """User names by token, besides the administrator."""
    port: int = 0
    _etcd: subprocess.Popen[bytes] | None = None
    _api: subprocess.Popen[bytes] | None = None

    def start(self) -> "KubeApi":
        """Start both, make the namespaces and the kind Elasticsearch."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write_keys()
        peer, self._etcd_port, self.port = free_ports(3)
        command = [
            str(paths.etcd()), "--data-dir", f"{self.folder}/etcd", "--unsafe-no-fsync",
            "--listen-client-urls", self._etcd_url, "--advertise-client-urls", self._etcd_url,
            "--listen-peer-urls", f"http://127.0.0.1:{peer}",
        ]  # fmt: skip
        self._etcd = self._spawn("etcd", command)
        self.start_api()
        for name in NAMESPACES:
            self.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        self.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", _CRD)
        path = "/apis/elasticsearch.k8s.elastic.co/v1/namespaces/elastic/elasticsearches"
        wait_for(lambda: "items" in self.request("GET", path), 20, "the kind Elasticsearch")
        return self

    def start_api(self) -> None:
        """Start the API server alone: same port, same data."""
        command = [
            str(paths.kube_apiserver()), f"--etcd-servers={self._etcd_url}", f"--secure-port={self.port}",
            "--bind-address=127.0.0.1", f"--cert-dir={self.folder}/certs", "--service-cluster-ip-range=10.0.0.0/24",
            "--service-account-issuer=https://kubernetes.default.svc", "--authorization-mode=RBAC",
            f"--service-account-key-file={self.folder}/sa.key", f"--token-auth-file={self.folder}/tokens.csv",
            f"--service-account-signing-key-file={self.folder}/sa.key", "--disable-admission-plugins=ServiceAccount",
        ]  # fmt: skip
        self._api = self._spawn("api", command)
        wait_for(self._ready, 90, f"kube-apiserver, log {self.folder}/api.log")

    def stop_api(self) -> None:
        """End the API server alone."""
        if self._api:
            self._api.kill()
            self._api.wait()
            self._api = None

    def freeze(self) -> None:
        """Answer nothing, close nothing."""
        if self._api:
            os.kill(self._api.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Answer again."""
        if self._api:
            os.kill(self._api.pid, signal.SIGCONT)

    def freeze_store(self) -> None:
        """Stop etcd alone: the API server accepts requests and waits for it."""
        if self._etcd:
            os.kill(self._etcd.pid, signal.SIGSTOP)

    def thaw_store(self) -> None:
        """Let etcd go on."""
        if self._etcd:
            os.kill(self._etcd.pid, signal.SIGCONT)

    def stop(self) -> None:
        """End both."""
        self.stop_api()
        if self._etcd:
            self._etcd.kill()
            self._etcd.wait()
            self._etcd = None

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.kubeconfig_for(ADMIN)

    @property
    def authority(self) -> bytes:
        """The CA of its own certificate, PEM."""
        return (self.folder / "certs/apiserver.crt").read_bytes()

    def kubeconfig_for(self, token: str) -> Path:
        """A kubeconfig with a token."""
        ca = base64.b64encode(self.authority).decode()
        server = {"server": f"https://127.0.0.1:{self.port}", "certificate-authority-data": ca}
        body = {
            "apiVersion": "v1", "kind": "Config", "current-context": "bed",
            "clusters": [{"name": "bed", "cluster": server}],
            "users": [{"name": "bed", "user": {"token": token}}],
            "contexts": [{"name": "bed", "context": {"cluster": "bed", "user": "bed"}}],
        }  # fmt: skip
        path = self.folder / f"kubeconfig-{token}"
        path.write_text(json.dumps(body))
        return path

    # --- what an operator would do in it

    def put_secret(self, namespace: str, name: str, data: dict[str, bytes]) -> None:
        """Create or replace a Secret."""
        encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": encoded}
        self._put(f"/api/v1/namespaces/{namespace}/secrets", name, body)

    def delete_secret(self, namespace: str, name: str) -> None:
        """Delete a Secret."""
        self.request("DELETE", f"/api/v1/namespaces/{namespace}/secrets/{name}")

    def put_elasticsearch(self, namespace: str, name: str, available: int) -> None:
        """Create or replace an Elasticsearch resource with so many available nodes."""
        kind = "elasticsearch.k8s.elastic.co/v1"
        body = {"apiVersion": kind, "kind": "Elasticsearch", "metadata": {"name": name}}
        body |= {"status": {"availableNodes": available}}
        self._put(f"/apis/{kind}/namespaces/{namespace}/elasticsearches", name, body)

    def grant(self, namespace: str, user: str, rules: list[dict[str, Any]]) -> None:
        """Give a user a Role in a namespace."""
        base = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
        self._put(f"{base}/roles", user, {"metadata": {"name": user}, "rules": rules})
        binding = {
            "metadata": {"name": user},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": user},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        }
        self._put(f"{base}/rolebindings", user, binding)

    def request(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """A request as administrator; raises Refused."""
        request = urllib.request.Request(
            f"https://127.0.0.1:{self.port}{path}", method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={"authorization": f"Bearer {ADMIN}", "content-type": "application/json"},
        )  # fmt: skip
        context = ssl._create_unverified_context()  # noqa: S323 - our own server of this minute
        try:
            with urllib.request.urlopen(request, context=context, timeout=10) as answer:  # noqa: S310
                parsed: dict[str, Any] = json.load(answer)
                return parsed
        except urllib.error.HTTPError as error:
            with error:  # it holds the connection
                raise Refused(error.code, error.read().decode(errors="replace")) from error

    def _put(self, path: str, name: str, body: dict[str, Any]) -> None:
        try:
            self.request("PUT", f"{path}/{name}", body | {"metadata": body["metadata"] | self._version(path, name)})
        except Refused as error:
            if error.code != 404:
                raise
            self.request("POST", path, body)

    def _version(self, path: str, name: str) -> dict[str, str]:
        return {"resourceVersion": self.request("GET", f"{path}/{name}")["metadata"]["resourceVersion"]}

    @property
    def _etcd_url(self) -> str:
        return f"http://127.0.0.1:{self._etcd_port}"

    def _spawn(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log)

    def _write_keys(self) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        (self.folder / "sa.key").write_bytes(pem)
        users = "".join(f"{token},{user},{user}\n" for token, user in self.tokens.items())
        (self.folder / "tokens.csv").write_text(f'{ADMIN},admin,admin,"system:masters"\n{users}')

    def _ready(self) -> bool:
        request = urllib.request.Request(
            f"https://127.0.0.1:{self.port}/readyz", headers={"authorization": f"Bearer {ADMIN}"}
        )
        context = ssl._create_unverified_context()  # noqa: S323
        try:
            with urllib.request.urlopen(request, context=context, timeout=2) as answer:  # noqa: S310
                return bool(answer.read() == b"ok")
        except urllib.error.HTTPError as error:
            error.close()
            return False
