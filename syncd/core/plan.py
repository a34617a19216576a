"""From what is seen to what to do: pure, so `syncd plan` is this function, printed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from syncd.core import credential, desired, handshake, proof, retire, verdict
from syncd.core import memory as history
from syncd.core.bundle import Cert, Fingerprint, bundle_digest, render
from syncd.core.model import (
    Absent,
    Alias,
    Claim,
    ClaimCluster,
    FixOwner,
    Hold,
    Known,
    Memory,
    NodeName,
    NodeSeen,
    Observed,
    Ownership,
    Plan,
    Policy,
    PutFile,
    Sighting,
    Step,
    Unknown,
    Verdict,
)
from syncd.core.requests import carry_out


def make_plan(seen: Observed, policy: Policy, now: datetime, fresh: handshake.MarkerSource) -> Plan:
    """The whole decision of a pass, in the order of docs/flow.md. `fresh` mints markers for proofs by handshake."""
    past, holds = _past(seen)
    carried = carry_out(past, seen, now)
    currents = _judge_published(policy, seen, carried.memory)
    memory = _note_currents(carried.memory, currents, now)
    proofs, proof_holds = _proofs(policy, seen)
    verdicts = _verdicts(policy, seen, now)
    memory, keeping = _retire(_Scene(policy, seen, memory, currents, proofs, verdicts, now))
    shared = desired.shared_claims(policy, seen, memory, currents, keeping)
    claims = {node.name: _claims(seen.nodes[node.name], shared, memory) for node in policy.nodes}
    waiting = frozenset(hold.subject for hold in proof_holds if hold.rule == "awaiting_load")
    markers = _markers(policy, seen, claims, waiting, fresh)
    files, file_holds = _file_steps(policy, seen, claims, currents, markers)
    proving, proving_holds = handshake.proof_steps(policy, seen, waiting, now)
    owner, owner_holds = _claim_cluster(policy, seen, take_over=carried.take_over)
    holds += [current.hold for current in currents.values() if current.hold]
    holds += [hold for kept in keeping.values() for hold in kept]
    holds += [*proof_holds, *proving_holds, *file_holds, *owner_holds, *credential.differing(seen)]
    holds += [*_left_behind(policy, claims), *_unmanaged(policy, seen)]
    plan = Plan(
        cluster=policy.cluster,
        now=(*owner, *files, *proving),
        holds=tuple(holds),
        verdicts=verdicts,
        claims=claims,
        proven=proofs,
        rotations={alias: current.rotation for alias, current in currents.items() if current.rotation},
        memory=None if isinstance(seen.memory, Unknown) else history.note_proofs(memory, proofs),
        wake_at=min((hold.until for hold in holds if hold.until and hold.until > now), default=None),
    )
    return _braked(plan, seen, policy, carried.memory, now)


def _past(seen: Observed) -> tuple[Memory, list[Hold]]:
    match seen.memory:
        case Known(value=memory):
            return memory, []
        case Absent():
            return Memory(), []
        case Unknown(rule=rule, text=text):
            text = f"{text}; trust is still added, but nothing is retired"
            return Memory(), [Hold("state", rule, text)]


def _judge_published(policy: Policy, seen: Observed, memory: Memory) -> dict[Alias, desired.Current]:
    return {
        remote.alias: desired.judge_published(remote, seen.remotes[remote.alias], memory) for remote in policy.remotes
    }


def _note_currents(memory: Memory, currents: Mapping[Alias, desired.Current], now: datetime) -> Memory:
    for alias, current in currents.items():
        if current.ca:
            memory = history.note_published(memory, alias, current.ca, now, current.source_uid)
    return memory


def _proofs(policy: Policy, seen: Observed) -> tuple[dict[NodeName, Sighting | None], list[Hold]]:
    proofs: dict[NodeName, Sighting | None] = {}
    holds = []
    for node in seen.nodes.values():
        result = proof.prove(node, seen, policy)
        if isinstance(result, Hold):
            holds.append(result)
        if result is not None:
            proofs[node.name] = result if isinstance(result, Sighting) else None
    return proofs, holds


def _verdicts(policy: Policy, seen: Observed, now: datetime) -> tuple[Verdict, ...]:
    pairs = ((node, remote.alias) for remote in policy.remotes for node in seen.nodes.values())
    judged = (verdict.judge(node, alias, seen.remotes[alias], now) for node, alias in pairs)
    return tuple(each for each in judged if each is not None)


@dataclass(frozen=True, slots=True)
class _Scene:
    policy: Policy
    seen: Observed
    memory: Memory
    currents: Mapping[Alias, desired.Current]
    proofs: Mapping[NodeName, Sighting | None]
    verdicts: tuple[Verdict, ...]
    now: datetime


def _retire(scene: _Scene) -> tuple[Memory, dict[Fingerprint, tuple[Hold, ...]]]:
    """Retire what is proven unneeded, and name what keeps the rest."""
    memory = scene.memory
    keeping: dict[Fingerprint, tuple[Hold, ...]] = {}
    on_nodes = history.certs_on_nodes(scene.seen)
    remotes = {remote.alias: remote for remote in scene.policy.remotes}
    for record in memory.cas:
        cert = on_nodes.get(record.fingerprint)
        if not record.superseded_at or record.retired_at or cert is None or record.alias not in remotes:
            continue
        successor = scene.currents[record.alias].ca
        remote = remotes[record.alias]
        case = retire.Case(
            record, cert, successor, remote, scene.policy, scene.seen, scene.proofs, scene.verdicts, scene.now
        )
        holds = retire.keeps(case)
        if holds:
            keeping[cert.fingerprint] = keeping.get(cert.fingerprint, ()) + holds
        elif isinstance(scene.seen.memory, Known):
            memory = history.note_retired(memory, record.alias, cert.fingerprint, scene.now)
    return memory, keeping


def _claims(node: NodeSeen, shared: tuple[Claim, ...], memory: Memory) -> tuple[Claim, ...]:
    held = node.file.value.trust.certs if isinstance(node.file, Known) else ()
    return desired.node_claims(shared, held, memory)


def _markers(
    policy: Policy,
    seen: Observed,
    claims: Mapping[NodeName, tuple[Claim, ...]],
    waiting: frozenset[str],
    fresh: handshake.MarkerSource,
) -> dict[NodeName, Cert]:
    """The markers that files need: where a load is to be proven by handshake, now or after the write."""
    markers = {}
    for node in seen.nodes.values() if policy.proof == "handshake" and seen.proof.able else ():
        certs = {claim.cert for claim in claims[node.name]}
        file = node.file.value if isinstance(node.file, Known) else None
        differs = file is None or set(file.trust.certs) != certs
        if certs and handshake.dials(node) and (differs or node.name in waiting):
            markers[node.name] = handshake.marker_for(file, certs, seen.proof, fresh)
    return markers


def _file_steps(
    policy: Policy,
    seen: Observed,
    claims: Mapping[NodeName, tuple[Claim, ...]],
    currents: Mapping[Alias, desired.Current],
    markers: Mapping[NodeName, Cert],
) -> tuple[list[Step], list[Hold]]:
    urgent = any(current.rotation and current.rotation.urgent for current in currents.values())
    steps: list[Step] = []
    holds: list[Hold] = []
    for node in policy.nodes:
        marker = markers.get(node.name)
        result = _file_step(seen.nodes[node.name], node.path, claims[node.name], marker, urgent=urgent)
        if isinstance(result, Hold):
            holds.append(result)
        elif result is not None:
            steps.append(result)
    return steps, holds


def _file_step(
    node: NodeSeen, path: str, claims: tuple[Claim, ...], marker: Cert | None, *, urgent: bool
) -> Step | Hold | None:
    if isinstance(node.file, Unknown):
        return Hold(node.name, node.file.rule, node.file.text)
    certs = tuple(claim.cert for claim in claims)
    held = node.file.value.trust.certs if isinstance(node.file, Known) else ()
    if not certs:
        if not held:
            return None  # nothing is published that could be written; the source's own hold says why
        return Hold(node.name, "would_be_empty", f"{path} would hold nothing, and the node would refuse to start")
    if not isinstance(node.owner, Known):
        text = (
            node.owner.text if isinstance(node.owner, Unknown) else "elasticsearch.yml is not there: check config_dir"
        )
        return Hold(node.name, "owner_unknown", f"the owner of {path} cannot be decided: {text}")
    if set(certs) == set(held) and _has_marker(node, marker):
        return _fix_owner(node, path, node.owner.value)
    return _put_file(node, path, certs, marker, node.owner.value, urgent=urgent)


def _has_marker(node: NodeSeen, marker: Cert | None) -> bool:
    return marker is None or (isinstance(node.file, Known) and marker in node.file.value.trust.markers)


def _fix_owner(node: NodeSeen, path: str, owner: Ownership) -> Step | None:
    if not isinstance(node.file, Known) or node.file.value.owner == owner:
        return None
    file = node.file.value
    return FixOwner(node.name, path, owner, file.content, f"{file.owner} should be {owner}")


def _put_file(
    node: NodeSeen, path: str, certs: tuple[Cert, ...], marker: Cert | None, owner: Ownership, *, urgent: bool
) -> PutFile:
    held = node.file.value if isinstance(node.file, Known) else None
    before = set(held.trust.certs) if held else set()
    added, removed = sorted(set(certs) - before), sorted(before - set(certs))
    changes = [f"+{cert.short}" for cert in added] + [f"-{cert.short}" for cert in removed]
    return PutFile(
        node=node.name,
        path=path,
        content=render((*certs, marker) if marker else certs),
        digest=bundle_digest(certs),
        owner=owner,
        expect=held.content if held else None,
        added=tuple(added),
        removed=tuple(removed),
        why=" ".join(changes) or "a marker, by which the process can be asked what it has loaded",
        urgent=urgent,
        log=_log_file(node),
        running=node.process.value.started if isinstance(node.process, Known) else None,
    )


def _log_file(node: NodeSeen) -> str | None:
    """The server log of a node: `<path.logs>/<cluster.name>.log` (Elasticsearch's log4j2.properties)."""
    if not isinstance(node.process, Known):
        return None
    process = node.process.value
    return f"{process.log_dir}/{process.cluster_name}.log"


def _claim_cluster(policy: Policy, seen: Observed, *, take_over: bool) -> tuple[list[Step], list[Hold]]:
    match seen.cluster:
        case Known(value=cluster, at=at):
            if cluster.owner == policy.owner or not policy.owner or (seen.claimed and at < seen.claimed):
                return [], []
            if cluster.owner is None or take_over:
                return [ClaimCluster(policy.owner, cluster.owner, "this cluster is ours to keep")], []
            return [], [_other_owner(policy, cluster.owner)]
        case Unknown(rule=rule, text=text):
            return [], [Hold(policy.cluster, rule, text)]
        case Absent():
            return [], []


def _other_owner(policy: Policy, owner: str) -> Hold:
    cure = f"If that one is gone: syncd adopt --owner {policy.cluster}"
    return Hold(policy.cluster, "other_owner", f"another syncd ({owner}) keeps this cluster. {cure}")


def _left_behind(policy: Policy, claims: Mapping[NodeName, tuple[Claim, ...]]) -> Iterable[Hold]:
    """Certificates of remotes that the configuration no longer has: deleting trust by a config edit is not done."""
    aliases = {remote.alias for remote in policy.remotes}
    left = {(c.alias, c.cert.short) for each in claims.values() for c in each if c.alias and c.alias not in aliases}
    for alias, short in sorted(left):
        text = f"{short} came from {alias}, which the configuration no longer has; syncd revoke {short} takes it out"
        yield Hold(alias, "remote_removed", text)


def _unmanaged(policy: Policy, seen: Observed) -> Iterable[Hold]:
    """Nodes of the cluster that syncd was not told of: they dial the remote too, with a file that nobody keeps."""
    managed = {node.name for node in policy.nodes}
    for name in seen.cluster.value.nodes if isinstance(seen.cluster, Known) else ():
        if name not in managed:
            yield Hold(name, "unmanaged_node", "the cluster has this node and the configuration does not: add it")


def _braked(plan: Plan, seen: Observed, policy: Policy, memory: Memory, now: datetime) -> Plan:
    """The plan with every step put off, where something says that nothing may be changed."""
    brake = _brake(plan, seen, policy, memory, now)
    if brake is None:
        return plan
    holds = plan.holds if brake in plan.holds else (*plan.holds, brake)
    wake = min((at for at in (plan.wake_at, brake.until) if at), default=None)
    keep = plan.memory if brake.rule == "paused" else None  # a pause must be able to end: requests are still answered
    return replace(plan, now=(), later=tuple((s, brake.rule) for s in plan.now), holds=holds, memory=keep, wake_at=wake)


def _brake(plan: Plan, seen: Observed, policy: Policy, memory: Memory, now: datetime) -> Hold | None:
    if policy.observe:
        return Hold(policy.cluster, "observe", "mode: observe changes nothing")
    if seen.standby:
        return Hold(policy.cluster, "standby", f"{seen.standby} holds the permit")
    if memory.paused_until and memory.paused_until > now:
        text = f"paused until {memory.paused_until:%Y-%m-%d %H:%M}Z; syncd resume {policy.cluster} ends it"
        return Hold(policy.cluster, "paused", text, memory.paused_until)
    return next((hold for hold in plan.holds if hold.rule == "other_owner"), None)
