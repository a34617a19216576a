"""One trust context: what its file should hold on each node, the steps to that, and what is proven of it.

Policy, observations and memory come with this context in view (`within`): nothing here knows of the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from syncd.core import verdict
from syncd.core.bundle import Cert, Fingerprint, bundle_digest, render
from syncd.core.memory import history
from syncd.core.model import (
    Alias,
    Claim,
    Context,
    FileState,
    FixOwner,
    Hold,
    Known,
    Memory,
    NodeName,
    NodeSeen,
    Observed,
    Ownership,
    Policy,
    PutFile,
    Seen,
    Sighting,
    Step,
    TrustPlan,
    Unknown,
    Verdict,
)
from syncd.core.proof import handshake, loaded
from syncd.core.proof.markers import MarkerSource, marker_for, name_marker
from syncd.core.trustfile import desired, retire


@dataclass(frozen=True, slots=True)
class Part:
    """What one trust context brings to the plan."""

    steps: tuple[Step, ...]
    holds: tuple[Hold, ...]
    verdicts: tuple[Verdict, ...]
    trust: TrustPlan
    rotations: Mapping[Alias, str]
    memory: Memory
    waiting: frozenset[str]
    """Nodes whose load is not proven yet."""


def plan_trust(
    context: Context, policy: Policy, seen: Observed, memory: Memory, now: datetime, fresh: MarkerSource
) -> Part:
    """The part of the decision that is about one trust context, in the order of docs/flow.md."""
    currents = _judge_published(policy, seen, memory)
    memory = _note_currents(memory, currents, now, context)
    proofs, proof_holds = _proofs(policy, seen, context)
    verdicts = _verdicts(policy, seen, now)
    memory, keeping = _retire(_Scene(policy, seen, memory, currents, proofs, verdicts, now))
    shared = desired.shared_claims(policy, seen, memory, currents, keeping)
    claims = {node.name: _claims(seen.nodes[node.name], shared, memory) for node in policy.nodes}
    waiting = frozenset(hold.subject for hold in proof_holds if hold.rule == "awaiting_load")
    markers = _markers(context, policy, seen, claims, waiting, fresh)
    files, file_holds = _file_steps(context, policy, seen, claims, currents, markers)
    holds = [current.hold for current in currents.values() if current.hold]
    holds += [hold for kept in keeping.values() for hold in kept]
    holds += [hold for alias, remote in seen.remotes.items() if (hold := _extra_unread(alias, remote.extra))]
    return Part(
        steps=tuple(files),
        holds=(*holds, *proof_holds, *file_holds),
        verdicts=verdicts,
        trust=TrustPlan(claims, proofs),
        rotations={alias: current.rotation for alias, current in currents.items() if current.rotation},
        memory=history.note_proofs(memory, proofs),
        waiting=waiting,
    )


def _extra_unread(alias: Alias, extra: Seen[tuple[Cert, ...]]) -> Hold | None:
    if not isinstance(extra, Unknown):
        return None
    text = f"a file of extra_ca_files cannot be used: {extra.text}. What the nodes hold of it stays, nothing is added"
    return Hold(alias, "extra_unread", text)


def _judge_published(policy: Policy, seen: Observed, memory: Memory) -> dict[Alias, desired.Current]:
    on_nodes = seen.certs.values()
    return {
        remote.alias: desired.judge_published(remote, seen.remotes[remote.alias], memory, on_nodes)
        for remote in policy.remotes
    }


def _note_currents(
    memory: Memory, currents: Mapping[Alias, desired.Current], now: datetime, context: Context
) -> Memory:
    for alias, current in currents.items():
        if current.ca:
            memory = history.note_published(memory, alias, current.ca, now, current.source_uid, context)
    return memory


def _proofs(policy: Policy, seen: Observed, context: Context) -> tuple[dict[NodeName, Sighting | None], list[Hold]]:
    proofs: dict[NodeName, Sighting | None] = {}
    holds = []
    for node in seen.nodes.values():
        result = loaded.prove(node, seen, policy, context)
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
    on_nodes = scene.seen.certs
    remotes = {remote.alias: remote for remote in scene.policy.remotes}
    for record in memory.cas:
        cert = on_nodes.get(record.fingerprint)
        if not record.superseded_at or cert is None or record.alias not in remotes:
            continue
        if record.retired_at and not _everywhere(cert, scene.seen):
            continue  # it is leaving: put back where it is gone already, it would come and go
        successor = scene.currents[record.alias].ca
        remote = remotes[record.alias]
        case = retire.Case(
            record, cert, successor, remote, scene.policy, scene.seen, scene.proofs, scene.verdicts, scene.now
        )
        holds = retire.keeps(case)
        if holds:
            keeping[cert.fingerprint] = keeping.get(cert.fingerprint, ()) + holds
            memory = history.note_kept(memory, record.alias, cert.fingerprint)
        elif isinstance(scene.seen.memory, Known):
            memory = history.note_retired(memory, record.alias, cert.fingerprint, scene.now)
    return memory, keeping


def _everywhere(cert: Cert, seen: Observed) -> bool:
    """Whether no file that could be read lacks it: then a retirement has not been carried out anywhere."""
    files = [node.file for node in seen.nodes.values() if not isinstance(node.file, Unknown)]
    return all(isinstance(file, Known) and cert in file.value.trust.certs for file in files)


def _claims(node: NodeSeen, shared: tuple[Claim, ...], memory: Memory) -> tuple[Claim, ...]:
    held = node.file.value.trust.certs if isinstance(node.file, Known) else ()
    return desired.node_claims(shared, held, memory)


def _markers(
    context: Context,
    policy: Policy,
    seen: Observed,
    claims: Mapping[NodeName, tuple[Claim, ...]],
    waiting: frozenset[str],
    fresh: MarkerSource,
) -> dict[NodeName, Cert]:
    """The markers that files need, by which the processes can be asked what they have loaded."""
    if context is Context.TRANSPORT:
        return {
            node.name: name_marker(_file(node), certs, fresh)
            for node in seen.nodes.values()
            if (certs := {claim.cert for claim in claims[node.name]})
        }
    markers = {}
    for node in seen.nodes.values() if policy.proof == "handshake" and seen.proof.able else ():
        certs = {claim.cert for claim in claims[node.name]}
        file = _file(node)
        differs = file is None or set(file.trust.certs) != certs
        if certs and handshake.dials(node) and (differs or node.name in waiting):
            markers[node.name] = marker_for(file, certs, seen.proof, fresh)
    return markers


def _file(node: NodeSeen) -> FileState | None:
    return node.file.value if isinstance(node.file, Known) else None


def _file_steps(
    context: Context,
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
        if not policy.remotes and not claims[node.name]:
            continue  # the last remote of the context is being left: the file goes, when nothing names it any more
        marker = markers.get(node.name)
        result = _file_step(context, seen.nodes[node.name], node.path, claims[node.name], marker, urgent=urgent)
        if isinstance(result, Hold):
            holds.append(result)
        elif result is not None:
            steps.append(result)
    return steps, holds


def _file_step(
    context: Context, node: NodeSeen, path: str, claims: tuple[Claim, ...], marker: Cert | None, *, urgent: bool
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
        return _fix_owner(context, node, path, node.owner.value)
    return _put_file(context, node, path, certs, marker, node.owner.value, urgent=urgent)


def _has_marker(node: NodeSeen, marker: Cert | None) -> bool:
    return marker is None or (isinstance(node.file, Known) and marker in node.file.value.trust.markers)


def _fix_owner(context: Context, node: NodeSeen, path: str, owner: Ownership) -> Step | None:
    if not isinstance(node.file, Known) or node.file.value.owner == owner:
        return None
    file = node.file.value
    return FixOwner(node.name, context, path, owner, file.content, f"{file.owner} should be {owner}")


def _put_file(
    context: Context,
    node: NodeSeen,
    path: str,
    certs: tuple[Cert, ...],
    marker: Cert | None,
    owner: Ownership,
    *,
    urgent: bool,
) -> PutFile:
    held = _file(node)
    before = set(held.trust.certs) if held else set()
    added, removed = sorted(set(certs) - before), sorted(before - set(certs))
    changes = [f"+{cert.short}" for cert in added] + [f"-{cert.short}" for cert in removed]
    return PutFile(
        node=node.name,
        context=context,
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
