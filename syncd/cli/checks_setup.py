"""`syncd check` on what each security model takes besides trust: settings, keystores, services, mirror, resource. Pure."""

from collections.abc import Iterator

from syncd.cli.check import Check
from syncd.core.eck.mirror_retire import loaded
from syncd.core.model import (
    Absent,
    Context,
    Known,
    NodeSeen,
    Observed,
    Plan,
    Policy,
    RemotePolicy,
    Seen,
    Site,
    Unknown,
)


def node_checks(node: NodeSeen, policy: Policy, plan: Plan) -> Iterator[Check]:
    """What a restart or a credential would take on one node."""
    group = f"node {node.name}"
    if not isinstance(node.site, Known):
        text = node.site.text if isinstance(node.site, Unknown) else ""
        yield Check(group, "the installation can be looked at", "unknown", text)
        return
    site = node.site.value
    yield _part(group, "elasticsearch.yml can be read", site.yml)
    if isinstance(site.unit, Unknown):
        yield Check(group, "the service is known", "unknown", site.unit.text, "It is needed for restarts only")
    else:
        yield _part(group, "the service is known", site.unit)
    if node.name in plan.needs:
        asks = policy.restart.policy == "never"
        cure = (
            f"syncd restart {policy.cluster}, or restart.policy: rolling" if asks else "It comes by itself: syncd plan"
        )
        yield Check(
            group, "the running process has what it needs", "wrong", f"a restart for {plan.needs[node.name]}", cure
        )
    if any(remote.credential for remote in policy.remotes) and node.may_use(Context.REMOTE_CLUSTER_CLIENT):
        yield from _keystore(group, site)
    if any(remote.context is Context.TRANSPORT for remote in policy.remotes):
        yield _part(group, "the CAs of its own transport layer are known", site.trust)
        yield _part(group, "its transport port answers", site.shown)


def reload_checks(seen: Observed, policy: Policy) -> Iterator[Check]:
    """How soon a new CA is loaded: nothing is wrong with five seconds, but one wins the race of a new key."""
    slow = [
        n
        for n, node in seen.nodes.items()
        if isinstance(node.process, Known) and not node.process.value.reload_interval
    ]
    if slow and policy.reload_interval is None:
        cure = "reload_interval: 1s lets your side be first when ECK issues a new key; it comes with a restart"
        yield Check("cluster", "new CAs are loaded at once", "ok", "within 5 s, Elasticsearch's default", cure)


def _part(group: str, what: str, seen: Seen[object]) -> Check:
    match seen:
        case Known():
            return Check(group, what, "ok")
        case Unknown(text=text):
            return Check(group, what, "wrong", text)
        case _:
            return Check(group, what, "wrong", "it is not there", "Check layout.config_dir")


def _keystore(group: str, site: Site) -> Iterator[Check]:
    if not isinstance(site.keystore, Known):
        yield _part(group, "the keystore can be read", site.keystore)
        return
    for setting, state in site.keystore.value.settings.items():
        text = {"wanted": "", "other": "it holds another value", "absent": "it does not hold it"}[state]
        cure = "syncd puts the key of credential_file there: syncd plan says when, and what holds it" if text else ""
        yield Check(group, f"the keystore holds {setting}", "wrong" if text else "ok", text, cure)


def remote_checks(remote: RemotePolicy, seen: Observed, policy: Policy, plan: Plan) -> Iterator[Check]:
    """What ECK must have of ours, and the resource that must let it in."""
    group, there = f"remote {remote.alias}", seen.remotes[remote.alias]
    if remote.mirror:
        yield _mirror(group, remote, seen)
        yield from _loaded(group, remote, seen, policy)
    if remote.eck:
        yield _part(group, "the Elasticsearch resource can be read", there.resource)
    for hold in plan.holds:
        if hold.subject == remote.alias and hold.rule in _OF_RESOURCE:
            text, _, cure = hold.text.partition(". ")
            yield Check(group, "the Elasticsearch resource lets us in", "wrong", text, cure)


_OF_RESOURCE = frozenset(
    {"resource_absent", "resource_contested", "resource_field", "resource_remote_clusters"}
    | {"mirror_elsewhere", "wrong_target_port"}
)


def _mirror(group: str, remote: RemotePolicy, seen: Observed) -> Check:
    what = f"the mirror {remote.mirror.namespace}/{remote.mirror.name} can be read" if remote.mirror else ""
    match seen.remotes[remote.alias].mirror:
        case Known():
            return Check(group, what, "ok")
        case Absent():
            return Check(group, what, "wrong", "there is none", "syncd makes it: see syncd plan")
        case Unknown(text=text):
            return Check(group, what, "wrong", text)


def _loaded(group: str, remote: RemotePolicy, seen: Observed, policy: Policy) -> Iterator[Check]:
    """Whether ECK's nodes have shown our marker. `at` of the mirror is the moment of this look."""
    there = seen.remotes[remote.alias]
    mirror = there.mirror
    if not isinstance(mirror, Known):
        return
    for marker in (cert for cert in mirror.value.markers if cert.fingerprint in (mirror.value.ours or ())):
        found = loaded(remote, there, marker, policy, mirror.at)
        text = f"{found.shown} of {found.expected if found.expected is not None else 'an unknown number of'} nodes"
        yield Check(group, "ECK's nodes have loaded our CAs", "ok" if found.proven else "unknown", text)
