"""`syncd check`: each prerequisite is ok, wrong or unknown, with the exact cure. Pure: judged from one look."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from syncd.core.model import (
    Absent,
    ClusterState,
    Known,
    NodeSeen,
    Observed,
    Plan,
    Policy,
    Process,
    RemoteSeen,
    Seen,
    Unknown,
)
from syncd.core.proof import yml_text

_OLDEST = (8, 14)
"""The oldest Elasticsearch that syncd is tested with, and the first with the API-key model as GA."""
_LICENCES = frozenset({"trial", "enterprise"})
"""Cross-cluster API keys need one of these on both sides (elastic/elasticsearch PR #96307)."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of `syncd check`."""

    group: str
    what: str
    result: Literal["ok", "wrong", "unknown"]
    text: str = ""
    cure: str = ""


def checks(policy: Policy, seen: Observed, plan: Plan) -> tuple[Check, ...]:
    """All prerequisites of one cluster, grouped: the state, each remote, the cluster, each node, each link."""
    return (
        _state(seen),
        *(each for alias, remote in seen.remotes.items() for each in _remote(alias, remote)),
        *_cluster(seen.cluster, policy),
        *(each for node in seen.nodes.values() for each in _node(node, policy)),
        *_links(plan),
        *_strangers(seen),
    )


def _state(seen: Observed) -> Check:
    match seen.memory:
        case Unknown(text=text):
            return Check("state", "syncd's memory", "wrong", text, "Give syncd the right to read and write its state")
        case _:
            return Check("state", "syncd's memory", "ok")


def _remote(alias: str, remote: RemoteSeen) -> Iterator[Check]:
    group = f"remote {alias}"
    match remote.published:
        case Known(value=published):
            text = f"{published.ca.short}, until {published.ca.not_after:%Y-%m-%d}"
            yield Check(group, "the published CA is readable", "ok", text)
            for fault in published.echo_faults:
                yield Check(group, "the echo of the mirror", "wrong", fault, "Repair the ConfigMap that ECK was given")
        case Unknown(text=text):
            yield Check(group, "the published CA is readable", "wrong", text)
        case Absent():
            cure = "Check namespace and cluster of the source; ECK publishes <cluster>-es-transport-certs-public"
            yield Check(group, "the published CA is readable", "wrong", "there is no such Secret or file", cure)
    match remote.endpoints:
        case Known(value=count):
            yield Check(group, "the number of endpoints is known", "ok", f"{count}")
        case Unknown(text=text):
            cure = "Set trust.endpoints, or grant get on elasticsearches.elasticsearch.k8s.elastic.co; "
            yield Check(group, "the number of endpoints is known", "unknown", text, cure + "no CA retires without it")
        case Absent():
            pass
    leaves = len(remote.presented)
    text = f"{leaves} distinct certificates seen" if leaves else "no handshake succeeded yet"
    yield Check(group, "the remote presents its certificate", "ok" if leaves else "unknown", text)


def _cluster(cluster: Seen[ClusterState], policy: Policy) -> Iterator[Check]:
    if not isinstance(cluster, Known):
        text = cluster.text if isinstance(cluster, Unknown) else ""
        yield Check("cluster", "Elasticsearch answers", "wrong", text)
        return
    state = cluster.value
    yield Check("cluster", "Elasticsearch answers", "ok", f"{state.name}, {state.health}")
    fits = state.license in _LICENCES
    cure = "" if fits else "Cross-cluster API keys need an Enterprise or trial licence on both sides"
    yield Check("cluster", "the licence allows the API-key model", "ok" if fits else "wrong", state.license, cure)
    managed = {node.name for node in policy.nodes}
    others = sorted(set(state.nodes) - managed)
    cure = "Add them to `nodes`: they dial the remote with a trust file that nobody keeps" if others else ""
    yield Check("cluster", "every node is managed", "wrong" if others else "ok", ", ".join(others), cure)


def _node(node: NodeSeen, policy: Policy) -> Iterator[Check]:
    group, path = f"node {node.name}", policy.node(node.name).path
    yield _seen(group, "the host is reachable and its trust file readable", node.file)
    yield _seen(group, "the owner of the trust file can be decided", node.owner)
    yield _process(group, node.process)
    match node.trust_paths:
        case Known(value=paths) if path in paths:
            yield Check(group, "the running configuration names the trust file", "ok", path)
        case Known() | Absent():
            yield Check(group, "the running configuration names the trust file", "wrong", path, yml_text(path))
        case Unknown(text=text):
            yield Check(group, "the running configuration names the trust file", "unknown", text)


def _seen(group: str, what: str, seen: Seen[object]) -> Check:
    match seen:
        case Unknown(text=text):
            return Check(group, what, "wrong", text)
        case Absent():
            return Check(group, what, "ok", "not there yet")
        case Known():
            return Check(group, what, "ok")


def _process(group: str, process: Seen[Process]) -> Check:
    if not isinstance(process, Known):
        text = process.text if isinstance(process, Unknown) else ""
        return Check(group, "Elasticsearch answers at the node's own address", "unknown", text)
    version = tuple(int(part) for part in process.value.version.split("-")[0].split(".")[:2])
    if version < _OLDEST:
        text = f"version {process.value.version}"
        return Check(group, "the version is supported", "wrong", text, "The API-key model needs 8.14 or later")
    return Check(group, "Elasticsearch answers at the node's own address", "ok", f"version {process.value.version}")


def _links(plan: Plan) -> Iterable[Check]:
    results: dict[bool | None, Literal["ok", "wrong", "unknown"]] = {True: "ok", False: "wrong", None: "unknown"}
    for verdict in plan.verdicts:
        yield Check(f"remote {verdict.alias}", f"the link from {verdict.node}", results[verdict.up], verdict.text)


def _strangers(seen: Observed) -> Iterable[Check]:
    for alias, stranger in seen.strangers.items():
        if isinstance(stranger, Unknown):
            text = f"{stranger.text}; nothing is removed from a trust file while this is not known"
            yield Check("cluster", f"what the other alias {alias} presents is known", "unknown", text)
