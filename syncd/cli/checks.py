"""`syncd check`: each prerequisite is ok, wrong or unknown, with the exact cure. Pure: judged from one look."""

from collections.abc import Iterable, Iterator
from typing import Literal

from syncd.cli.check import Check, looked_once, put_together
from syncd.cli.checks_setup import node_checks, reload_checks, remote_checks
from syncd.core.model import (
    Absent,
    ClusterState,
    Context,
    Known,
    Memory,
    NodeSeen,
    Observed,
    Plan,
    Policy,
    Process,
    RemoteSeen,
    Seen,
    Unknown,
)
from syncd.core.nodes.leave import without_the_dead
from syncd.core.proof.loaded import yml_text

_OLDEST = (8, 14)
"""The oldest Elasticsearch that syncd is tested with, and the first with the API-key model as GA."""
_LICENCES = frozenset({"trial", "enterprise"})
"""Cross-cluster API keys need one of these on both sides (elastic/elasticsearch PR #96307)."""


def checks(policy: Policy, seen: Observed, plan: Plan) -> tuple[Check, ...]:
    """All prerequisites of one cluster, grouped: the state, each remote with its links, the cluster, each node."""
    found = (
        _state(seen),
        *(each for alias, remote in seen.remotes.items() for each in _remote(alias, remote)),
        *_cluster(seen.cluster, policy),
        *_members(seen, policy),
        *reload_checks(seen, policy),
        *(each for remote in policy.remotes for each in remote_checks(remote, seen, policy, plan)),
        *(each for node in seen.nodes.values() for each in (*_node(node, policy), *node_checks(node, policy, plan))),
        *_links(plan),
        *_strangers(seen),
    )
    return put_together(found, frozenset(_causes(seen)))


def _causes(seen: Observed) -> Iterator[str]:
    """Why things of the nodes could not be looked at: one host that is away hides many."""
    for node in seen.nodes.values():
        parts: list[Seen[object]] = [*node.files.values(), node.owner, node.process, node.trust_paths, node.site]
        if isinstance(node.site, Known):
            site = node.site.value
            parts += [site.yml, site.unit, site.keystore, site.trust, site.shown]
        yield from (looked_once(part.text) for part in parts if isinstance(part, Unknown) and part.text)


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
    fits = state.license in _LICENCES or not any(remote.model == "api_key" for remote in policy.remotes)
    cure = "" if fits else "Cross-cluster API keys need an Enterprise or trial licence on both sides"
    yield Check("cluster", "the licence allows the API-key model", "ok" if fits else "wrong", state.license, cure)
    managed = {node.name for node in policy.nodes}
    others = sorted(set(state.nodes) - managed)
    cure = "Add them to `nodes`: they dial the remote with a trust file that nobody keeps" if others else ""
    yield Check("cluster", "every node is managed", "wrong" if others else "ok", ", ".join(others), cure)


def _members(seen: Observed, policy: Policy) -> Iterator[Check]:
    """A node that is down and one with another name look the same; in both cases old CAs stay and restarts wait."""
    if not isinstance(seen.cluster, Known):
        return  # its members are not known; that it does not answer is a check of its own
    memory = seen.memory.value if isinstance(seen.memory, Known) else Memory()
    alive, _, _ = without_the_dead(policy, seen, memory)
    away = [node.name for node in alive.nodes if node.name not in seen.cluster.value.nodes]
    what = "every configured node is a member of the cluster"
    if not away:
        yield Check("cluster", what, "ok")
        return
    cure = "Start it, or give nodes[].name as node.name has it; if it is gone for good: syncd forget --node NAME"
    yield Check("cluster", what, "wrong", ", ".join(away), cure)


def _node(node: NodeSeen, policy: Policy) -> Iterator[Check]:
    group = f"node {node.name}"
    contexts = sorted({remote.context for remote in policy.remotes})
    for context in contexts:
        yield _seen(group, f"the host is reachable and its {context} trust file readable", node.files[context])
    yield _seen(group, "the owner of the trust file can be decided", node.owner)
    yield _process(group, node.process)
    for context in filter(node.may_use, contexts):
        yield _named(group, node, policy.node(node.name).paths[context], context)


def _named(group: str, node: NodeSeen, path: str, context: Context) -> Check:
    what = "the running configuration names the trust file"
    match node.trust_paths:
        case Known(value=paths) if path in paths:
            return Check(group, what, "ok", path)
        case Known() | Absent():
            return Check(group, what, "wrong", path, yml_text(path, context))
        case Unknown(text=text):
            return Check(group, what, "unknown", text)


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
        cure = "" if verdict.up else _LINK_CURES[verdict.reason]
        yield Check(f"remote {verdict.alias}", f"the link from {verdict.node}", results[verdict.up], verdict.text, cure)


_LINK_CURES = {
    "ok": "",
    "untrusted": "syncd plan says whether the CA comes, and what holds it; one that ECK does not publish: extra_ca_files",
    "expired": "The remote must present a certificate that is still valid: see the log of the ECK operator",
    "network": "Let the node's host reach the remote's address: name, firewall, Service, port",
    "disconnected": "Set cluster.remote.<alias>.* as docs/models.md has it; if it is set, the node's log says why",
    "no_credential": "Set credential_file, or put the key into the keystore by hand and reload it (docs/models.md)",
    "wrong_model": "Take the setting out of the keystore and reload it, or set security_model: api_key",
    "refused_there": "ECK must trust the nodes' own CAs: syncd plan says whether the mirror has them (docs/mirror.md)",
    "unknown": "See what is said of the node below",
}
"""What to do about a link, by the reason of its verdict."""


def _strangers(seen: Observed) -> Iterable[Check]:
    for (_, alias), stranger in seen.strangers.items():
        if isinstance(stranger, Unknown):
            text = f"{stranger.text}; nothing is removed from a trust file while this is not known"
            yield Check("cluster", f"what the other alias {alias} presents is known", "unknown", text)
