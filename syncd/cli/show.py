"""What a person reads: plans, checks and explanations, as text and as JSON. Pure; printing is the caller's."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import datetime

from syncd.cli.check import Check
from syncd.cli.due import due_text
from syncd.cli.steps import step_text
from syncd.core.bundle import Cert, Fingerprint
from syncd.core.java.trust import Rotation
from syncd.core.model import (
    BeginRestart,
    Hold,
    Known,
    NodeName,
    Observed,
    Plan,
    PutFile,
    Remember,
    Report,
    RestartNode,
    Step,
    Unknown,
)
from syncd.core.restarts.rules import WAITING_RULES

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
        yield f"{plan.cluster}: {'no step can be taken; this waits:' if waits(plan) else 'nothing to do.'}"
    for number, (text, nodes) in enumerate(_grouped(steps), start=1):
        yield f"  {number:<3}{text}{'  on ' + ' '.join(nodes) if nodes else ''}"
    yield from _needs(plan)
    yield from (f"  hold  {hold.subject}: {hold.rule}: {hold.text}" for hold in _held(plan))
    if steps and not plan.needs and not _held(plan):  # what is held may be that a node could not be looked at
        yield "No restart is needed."


def _held(plan: Plan) -> list[Hold]:
    """What is held back, but for want of a permit: a command that only looks holds none."""
    return [hold for hold in plan.holds if hold.rule != "standby"]


def restart_text(plan: Plan, seen: Observed) -> Iterator[str]:
    """What a plan has about restarts: the nodes in order, why, the edits, what holds them, what is unknown."""
    steps = [step for step in (*plan.now, *(s for s, _ in plan.later)) if isinstance(step, BeginRestart | RestartNode)]
    for text, nodes in _grouped(steps):
        yield f"  now   {text}  on {' '.join(nodes)}"
    yield from _needs(plan)
    about = [hold for hold in plan.holds if hold.rule in WAITING_RULES or _keeps_an_edit(hold)]
    yield from (f"  hold  {hold.subject}: {hold.rule}: {hold.text}" for hold in about)
    unknown = list(_unknown_needs(plan.cluster, seen))
    yield from (f"what the nodes need is not known: {line}" for line in unknown)
    if not (steps or plan.needs or about or unknown):
        yield f"{plan.cluster}: no node lacks anything that a restart would bring."


def _keeps_an_edit(hold: Hold) -> bool:
    """Whether a node does not get what it lacks: a plan has no need of it then."""
    unsafe = ("own_trust_unknown", "peer_unseen", "alias_unseen", "guard_orphans_peer", "guard_public_roots")
    return hold.rule in unsafe or hold.rule.startswith("yml_")


def _unknown_needs(cluster: str, seen: Observed) -> Iterator[str]:
    """What could not be asked: what a process runs with is derived from nothing else."""
    if isinstance(seen.cluster, Unknown):
        yield f"{cluster}: {seen.cluster.text}"
    for node in seen.nodes.values():
        unread = next((each for each in (node.process, node.trust_paths, node.yml) if isinstance(each, Unknown)), None)
        if unread is not None:
            yield f"{node.name}: {unread.text}"


def _needs(plan: Plan) -> Iterator[str]:
    for number, (name, why) in enumerate(plan.needs.items(), start=1):
        yield f"  restart {number} of {len(plan.needs)}: {name}: for {why}"
        yield from (f"      elasticsearch.yml: {line}" for line in plan.edits.get(name, ()))


def _grouped(steps: Iterable[Step]) -> list[tuple[str, list[NodeName]]]:
    groups: dict[str, list[NodeName]] = defaultdict(list)
    for step in steps:
        text, node = step_text(step)
        groups[text] += [node] if node else []
    return list(groups.items())


def plan_document(plan: Plan) -> dict[str, object]:
    """A plan as JSON-able data."""
    waiting = [(step, "") for step in plan.now] + list(plan.later)
    return {
        "cluster": plan.cluster,
        "rotations": {alias: str(kind) for alias, kind in plan.rotations.items()},
        "steps": [_step_document(step, rule) for step, rule in waiting],
        "restarts": [
            {"node": name, "why": why, "edit": list(plan.edits.get(name, ()))} for name, why in plan.needs.items()
        ],
        "holds": [_hold_document(hold) for hold in plan.holds],
    }


def _step_document(step: Step, held_by: str) -> dict[str, object]:
    text, node = step_text(step)
    body: dict[str, object] = {"step": type(step).__name__, "node": node, "text": text, "held_by": held_by or None}
    if isinstance(step, PutFile):
        body |= {"path": step.path, "added": [c.fingerprint for c in step.added]}
        body |= {"removed": [c.fingerprint for c in step.removed], "urgent": step.urgent}
    return body


def _hold_document(hold: Hold) -> dict[str, object]:
    return asdict(hold) | {"until": hold.until.isoformat() if hold.until else None}


def waits(plan: Plan) -> bool:
    """Whether anything waits: a step, a restart, or what is held back, be it for something that cannot be read."""
    return bool(plan.now or plan.later or plan.needs or _held(plan))


def report_text(report: Report) -> Iterator[str]:
    """What a pass did, and what it did not."""
    yield from progress_text(report)
    if not report.outcomes:
        yield f"{report.cluster}: {'nothing could be done; this waits:' if report.plan.holds else 'nothing to do.'}"
    yield from (f"  hold  {hold.subject}: {hold.rule}: {hold.text}" for hold in report.plan.holds)


def progress_text(report: Report) -> Iterator[str]:
    """What one of several passes did, and which restart it left to others."""
    for outcome in report.outcomes:
        text, node = step_text(outcome.step)
        if not isinstance(outcome.step, Remember) or outcome.result != "done":
            yield f"{report.cluster}: {outcome.result}: {text}{f' on {node}' if node else ''} {outcome.text}".rstrip()
    yield from due_text(report.plan)


def explain_document(cert: Cert, plan: Plan) -> dict[str, object]:
    """An explanation as JSON-able data."""
    held = [
        {"node": node, "origin": claim.origin, "alias": claim.alias, "role": claim.role, "kept_by": claim.kept_by}
        for part in plan.trust.values()
        for node, claims in part.claims.items()
        for claim in claims
        if claim.cert == cert
    ]
    return {
        "cluster": plan.cluster,
        "fingerprint": cert.fingerprint,
        "subject": cert.subject,
        "not_before": cert.not_before.isoformat(),
        "not_after": cert.not_after.isoformat(),
        "held": held,
        "holds": [_hold_document(hold) for hold in _keeping(cert, plan)],
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
    memory = seen.remembered
    for record in (record for record in memory.cas if record.fingerprint == cert.fingerprint):
        yield f"  {record.alias}: {record.origin}, first seen {_day(record.first_seen)}{_past(record.superseded_at)}"
    foreign = False
    for node, claim in ((n, c) for part in plan.trust.values() for n, claims in part.claims.items() for c in claims):
        if claim.cert == cert:
            why = f", kept by {', '.join(claim.kept_by)}" if claim.kept_by else ""
            yield f"  {node}: {claim.origin} {claim.role}{f' of {claim.alias}' if claim.alias else ''}{why}"
            foreign = foreign or claim.origin == "foreign"
    yield from (f"  {hold.rule}: {hold.text}{_ends(hold)}" for hold in _keeping(cert, plan))
    if foreign:
        yield f"  syncd did not put it there and leaves it. An old CA of a remote? syncd adopt {cert.short} retires it"
        yield f"  by proof. Not wanted? syncd revoke {cert.short} takes it out at once."


def _keeping(cert: Cert, plan: Plan) -> list[Hold]:
    """The holds by which a retiring certificate is kept: those of its remote that name it."""
    claims = [c for part in plan.trust.values() for each in part.claims.values() for c in each if c.cert == cert]
    kept = {(claim.alias, rule) for claim in claims for rule in claim.kept_by}
    return [hold for hold in plan.holds if (hold.subject, hold.rule) in kept and cert.short in hold.text]


def _ends(hold: Hold) -> str:
    return f" (it ends at {_day(hold.until)})" if hold.until else ""


def _past(superseded: datetime | None) -> str:
    return f", superseded {_day(superseded)}" if superseded else ", current"


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}Z"


def known_certs(seen: Observed) -> dict[Fingerprint, Cert]:
    """Every certificate that a fingerprint typed by a person may mean."""
    certs = seen.certs_of_all_contexts
    for remote in seen.remotes.values():
        if isinstance(remote.published, Known):
            published = remote.published.value
            certs |= {cert.fingerprint: cert for cert in (published.ca, *published.echo)}
        certs |= {sight.leaf.fingerprint: sight.leaf for sight in remote.presented}
    return certs
