"""What a person reads: plans, checks and explanations, as text and as JSON. Pure; printing is the caller's."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import datetime

from syncd.cli.checks import Check
from syncd.core.bundle import Cert, Fingerprint
from syncd.core.memory import certs_on_nodes
from syncd.core.model import (
    ClaimCluster,
    CloseProof,
    FixOwner,
    Hold,
    Known,
    Memory,
    NodeName,
    NodeSeen,
    Observed,
    OpenProof,
    Plan,
    PutFile,
    Remember,
    Report,
    Step,
)
from syncd.core.trust import Rotation, verifies

_NEWS = {
    Rotation.FIRST: "the first CA seen is taken as it is",
    Rotation.RENEWED_SAME_KEY: "the remote's CA was renewed with the same key; nothing breaks meanwhile",
    Rotation.CHANGED_SKI: "the remote's CA has ANOTHER SKI. New connections fail until the nodes trust it",
    Rotation.RECREATED: "the remote was MADE ANEW, with a new key. New connections fail until the nodes trust it",
    Rotation.NEW_KEY: "the remote's CA has a NEW KEY. New connections fail until the nodes trust it",
}


def plan_text(plan: Plan) -> Iterator[str]:
    """A plan as lines: news, steps that are grouped where they say the same, holds."""
    for alias, rotation in plan.rotations.items():
        yield f"{plan.cluster} / {alias}: {_NEWS[Rotation(rotation)]}."
    steps = (*plan.now, *(step for step, _ in plan.later))
    if not steps:
        yield f"{plan.cluster}: nothing to do."
    for number, (text, nodes) in enumerate(_grouped(steps), start=1):
        yield f"  {number:<3}{text}{'  on ' + ' '.join(nodes) if nodes else ''}"
    for hold in plan.holds:
        if hold.rule != "standby":  # a command that only looks holds no permit
            yield f"  hold  {hold.subject}: {hold.rule}: {hold.text}"
    if steps:
        yield "No restart is needed."


def _grouped(steps: Iterable[Step]) -> list[tuple[str, list[NodeName]]]:
    groups: dict[str, list[NodeName]] = defaultdict(list)
    for step in steps:
        text, node = _step(step)
        groups[text] += [node] if node else []
    return list(groups.items())


def _step(step: Step) -> tuple[str, NodeName | None]:
    match step:
        case PutFile():
            changes = [f"+ {_named(cert)}" for cert in step.added] + [f"- {_named(cert)}" for cert in step.removed]
            return f"write {step.path}   {', '.join(changes)}", step.node
        case FixOwner():
            return f"chown {step.path}   {step.why}", step.node
        case ClaimCluster():
            return "claim cluster.metadata.syncd.owner", None
        case OpenProof():
            return f"open   a proof by handshake: {', '.join(target.node for target in step.targets)}", None
        case CloseProof():
            return f"close  the proof by handshake   {step.why}", None
        case Remember():
            return "remember", None


def _named(cert: Cert) -> str:
    return f"{cert.short} ({cert.subject}, until {cert.not_after:%Y-%m-%d})"


def plan_document(plan: Plan) -> dict[str, object]:
    """A plan as JSON-able data."""
    waiting = [(step, "") for step in plan.now] + list(plan.later)
    return {
        "cluster": plan.cluster,
        "rotations": {alias: str(kind) for alias, kind in plan.rotations.items()},
        "steps": [_step_document(step, rule) for step, rule in waiting],
        "holds": [_hold_document(hold) for hold in plan.holds],
    }


def _step_document(step: Step, held_by: str) -> dict[str, object]:
    text, node = _step(step)
    body: dict[str, object] = {"step": type(step).__name__, "node": node, "text": text, "held_by": held_by or None}
    if isinstance(step, PutFile):
        body |= {"path": step.path, "added": [c.fingerprint for c in step.added]}
        body |= {"removed": [c.fingerprint for c in step.removed], "urgent": step.urgent}
    return body


def _hold_document(hold: Hold) -> dict[str, object]:
    return asdict(hold) | {"until": hold.until.isoformat() if hold.until else None}


def waits(plan: Plan) -> bool:
    """Whether a change waits."""
    return bool(plan.now or plan.later)


def report_text(report: Report) -> Iterator[str]:
    """What a pass did, and what it did not."""
    for outcome in report.outcomes:
        text, node = _step(outcome.step)
        if not isinstance(outcome.step, Remember) or outcome.result != "done":
            yield f"{report.cluster}: {outcome.result}: {text}{f' on {node}' if node else ''} {outcome.text}".rstrip()
    if not report.outcomes:
        yield f"{report.cluster}: nothing to do."
    yield from (f"  hold  {hold.subject}: {hold.rule}: {hold.text}" for hold in report.plan.holds)


def as_dict(check: Check) -> dict[str, str]:
    """A check as JSON-able data."""
    return asdict(check)


def explain_document(cert: Cert, plan: Plan) -> dict[str, object]:
    """An explanation as JSON-able data."""
    held = [
        {"node": node, "origin": claim.origin, "alias": claim.alias, "role": claim.role, "kept_by": claim.kept_by}
        for node, claims in plan.claims.items()
        for claim in claims
        if claim.cert == cert
    ]
    return {
        "fingerprint": cert.fingerprint,
        "subject": cert.subject,
        "not_before": cert.not_before.isoformat(),
        "not_after": cert.not_after.isoformat(),
        "held": held,
    }


def check_text(cluster: str, checks: Iterable[Check]) -> Iterator[str]:
    """Checks as lines, grouped as they come, each cure below what it cures."""
    signs = {"ok": "ok     ", "wrong": "WRONG  ", "unknown": "unknown"}
    group = ""
    for check in checks:
        if check.group != group:
            group = check.group
            yield f"{cluster}: {group}"
        yield f"  {signs[check.result]}  {check.what}{': ' + check.text if check.text else ''}"
        if check.cure:
            yield f"           cure: {check.cure}"


def explain_text(cert: Cert, seen: Observed, plan: Plan) -> Iterator[str]:
    """Who holds a certificate, since when, why, and what would take it out."""
    yield f"{cert.fingerprint}"
    yield f"  subject {cert.subject}, valid {cert.not_before:%Y-%m-%d} to {cert.not_after:%Y-%m-%d}"
    memory = seen.memory.value if isinstance(seen.memory, Known) else Memory()
    for record in (record for record in memory.cas if record.fingerprint == cert.fingerprint):
        yield f"  {record.alias}: {record.origin}, first seen {_day(record.first_seen)}{_past(record.superseded_at)}"
    for node, claims in plan.claims.items():
        for claim in claims:
            if claim.cert == cert:
                why = f", kept by {', '.join(claim.kept_by)}" if claim.kept_by else ""
                yield f"  {node}: {claim.origin} {claim.role}{f' of {claim.alias}' if claim.alias else ''}{why}"
    if any(claim.origin == "foreign" for claims in plan.claims.values() for claim in claims if claim.cert == cert):
        yield f"  syncd did not put it there and leaves it. An old CA of a remote? syncd adopt {cert.short} retires it"
        yield f"  by proof. Not wanted? syncd revoke {cert.short} takes it out at once."


def _past(superseded: datetime | None) -> str:
    return f", superseded {_day(superseded)}" if superseded else ", current"


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}Z"


def known_certs(seen: Observed) -> dict[Fingerprint, Cert]:
    """Every certificate that a fingerprint typed by a person may mean."""
    certs = certs_on_nodes(seen)
    for remote in seen.remotes.values():
        if isinstance(remote.published, Known):
            published = remote.published.value
            certs |= {cert.fingerprint: cert for cert in (published.ca, *published.echo)}
        certs |= {sight.leaf.fingerprint: sight.leaf for sight in remote.presented}
    return certs


def broken_by_removal(cert: Cert, seen: Observed, now: datetime) -> list[str]:
    """What stops working when a certificate is taken out of the files: for the consent to `syncd revoke`."""
    return [text for node in seen.nodes.values() for text in _broken_on(node, cert, seen, now)]


def _broken_on(node: NodeSeen, cert: Cert, seen: Observed, now: datetime) -> Iterator[str]:
    if not isinstance(node.file, Known):
        yield f"{node.name}: not known, its file cannot be read now"
        return
    before = node.file.value.trust.certs
    after = tuple(other for other in before if other != cert)
    for alias, remote in seen.remotes.items():
        for sight in remote.presented[-1:]:
            if verifies(sight.chain, before, now).ok and not verifies(sight.chain, after, now).ok:
                yield f"{node.name}: new connections to {alias} ({sight.address})"
