"""Elasticsearch's JSON to the nouns of the core.

An answer of another shape raises KeyError and its like, which `Client.read` tells as what it is.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from posixpath import join, normpath
from typing import Any, Literal

from syncd.core.model import Alias, Link, NodeName, Process, Shards

OWNER = "cluster.metadata.syncd.owner"
"""Any `cluster.metadata.<name>` is an accepted persistent setting."""
PROOF = "cluster.metadata.syncd.proof"
_KEY_ID = re.compile(r"authenticated by API key id \[(?P<id>[^\]]+)\]")
"""Of the cross-cluster key: where syncd itself has an API key on the local cluster, its id comes before, without that."""
_PLACES = ("persistent", "transient")
_STARTED = {"STARTED", "RELOCATING"}
"""A copy that moves is whole where it still is."""
_HEALTHS: Mapping[object, Literal["green", "yellow", "red"]] = {"green": "green", "yellow": "yellow", "red": "red"}


@dataclass(frozen=True, slots=True)
class NodeRow:
    """A node as `GET _nodes/http,jvm` lists it."""

    id: str
    name: NodeName
    roles: frozenset[str]
    started: int | None
    """`jvm.start_time_in_millis`; None: it is not told."""
    published: str | None
    """`http.publish_address`: `10.0.0.11:9200`, or `es-01.example/10.0.0.11:9200`."""

    def url(self, scheme: str) -> str | None:
        """Its own URL, by name where it has one, so that a certificate may name it."""
        if self.published is None:
            return None
        name, _, address = self.published.rpartition("/")
        return f"{scheme}://{name}:{address.rpartition(':')[2]}" if name else f"{scheme}://{address}"


def nodes(body: Any) -> tuple[NodeRow, ...]:
    """Of `GET _nodes/http,jvm`."""
    return tuple(
        NodeRow(
            id=node_id,
            name=NodeName(row["name"]),
            roles=frozenset(row.get("roles", ())),
            started=row.get("jvm", {}).get("start_time_in_millis"),
            published=row.get("http", {}).get("publish_address"),
        )
        for node_id, row in body["nodes"].items()
    )


def health(body: Any) -> tuple[str, Literal["green", "yellow", "red", "unknown"], Shards]:
    """(cluster name, health, shard counts) of `GET _cluster/health`."""
    shards = Shards(
        initializing=int(body["initializing_shards"]),
        relocating=int(body["relocating_shards"]),
        unassigned=int(body["unassigned_shards"]),
        delayed=int(body["delayed_unassigned_shards"]),
        pending=int(body["number_of_pending_tasks"]),
    )
    return body["cluster_name"], _HEALTHS.get(body["status"], "unknown"), shards


def persistent(body: Any) -> Mapping[str, Any]:
    """The persistent settings of `GET _cluster/settings?flat_settings=true`."""
    return dict(body["persistent"])


def owner(body: Any) -> str | None:
    """Of `GET _cluster/settings?flat_settings=true`."""
    keeper = persistent(body).get(OWNER)
    return None if keeper is None else str(keeper)


def proof_nodes(settings: Mapping[str, Any]) -> frozenset[NodeName] | None:
    """The nodes that a proof by handshake may have left something on; None: there is no record."""
    record = settings.get(PROOF)
    return None if record is None else frozenset(map(NodeName, json.loads(record)))


def alias_settings(body: Any, alias: str) -> Mapping[str, Any]:
    """All settings of a remote alias, persistent and transient."""
    both = {**body.get("transient", {}), **body["persistent"]}
    return {key: value for key, value in both.items() if key.startswith(f"cluster.remote.{alias}.")}


def without_remote(body: Any, alias: str) -> dict[str, dict[str, None]]:
    """The settings that remove all of a remote alias, by the place where they are; none: there are none."""
    prefix = f"cluster.remote.{alias}."
    found = {place: [key for key in body.get(place, {}) if key.startswith(prefix)] for place in _PLACES}
    return {place: dict.fromkeys(keys) for place, keys in found.items() if keys}


def sole_copies(body: Any, names: Mapping[str, NodeName]) -> Mapping[NodeName, tuple[str, ...]]:
    """Indices by node of which it holds the only started copy, of `GET _cluster/state/routing_table`."""
    alone: dict[NodeName, set[str]] = {}
    for index, row in body.get("routing_table", {}).get("indices", {}).items():
        for copies in row["shards"].values():
            started = [copy["node"] for copy in copies if copy["state"] in _STARTED]
            if len(started) == 1:
                alone.setdefault(names.get(started[0], NodeName(started[0])), set()).add(index)
    return {name: tuple(sorted(indices)) for name, indices in alone.items()}


def reloaded(body: Any) -> Mapping[NodeName, str]:
    """Of `POST _nodes/reload_secure_settings`: it answers 200 though nodes could not reload, or were not reached."""
    said = {row["name"]: row.get("reload_exception") for row in body["nodes"].values()}
    return {NodeName(name): str(error.get("reason", error))[:300] if error else "" for name, error in said.items()}


def key_id(body: Any, alias: str) -> str | None:
    """The API key id in the refusal that `GET _resolve/cluster` repeats."""
    found = _KEY_ID.search(str(body.get(alias, {}).get("error", "")))
    return found["id"] if found else None


def master(body: Any) -> tuple[str, str | None]:
    """(cluster uuid, id of the master) of `GET _cluster/state/master_node`."""
    return body["cluster_uuid"], body.get("master_node")


def license_type(body: Any) -> str:
    """Of `GET _license`."""
    return str(body["license"]["type"])


def process(body: Any) -> Process:
    """Of `GET _nodes/_local`."""
    (row,) = body["nodes"].values()
    return Process(
        name=NodeName(row["name"]),
        version=row["version"],
        roles=frozenset(row["roles"]),
        started=row["jvm"]["start_time_in_millis"],
        log_dir=row["settings"].get("path", {}).get("logs", "/var/log/elasticsearch"),
        cluster_name=row["settings"]["cluster"]["name"],
        transport_address=row.get("transport", {}).get("publish_address", "").rpartition("/")[2],
        reload_interval=_reload_interval(row["settings"]),
        reloads=str(_reload(row["settings"]).get("enabled", "true")) != "false",
    )


def _reload_interval(settings: Mapping[str, Any]) -> str | None:
    value = _reload(settings).get("interval", {}).get("high")
    return None if value is None else str(value)


def _reload(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = settings.get("resource", {}).get("reload", {})
    return found


def trust_paths(body: Any, folder: str) -> frozenset[str]:
    """The PEM files without a key of `GET _ssl/certificates`: a relative path is relative to the config directory."""
    rows = [row for row in body if row.get("format") == "PEM" and not row.get("has_private_key")]
    return frozenset(normpath(join(folder, row["path"])) for row in rows)


def links(body: Any) -> tuple[Link, ...]:
    """Of `GET _remote/info`, proxy and sniff mode."""
    return tuple(
        Link(
            alias=Alias(alias),
            connected=bool(row["connected"]),
            sockets=row.get("num_proxy_sockets_connected", row.get("num_nodes_connected", 0)),
            address=row.get("proxy_address") or next(iter(row.get("seeds", ())), ""),
            server_name=row.get("server_name") or None,
            has_credential="cluster_credentials" in row,
        )
        for alias, row in body.items()
    )
