"""From what is seen to what to do: pure, so `syncd plan` is this function, printed."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from syncd.core import credential
from syncd.core.eck.mirror import mirror_steps
from syncd.core.eck.resource import resource_steps
from syncd.core.eck.writes import without_withdrawn
from syncd.core.guard import guard
from syncd.core.memory import history
from syncd.core.model import (
    Absent,
    BeginRestart,
    ClaimCluster,
    Context,
    EndRestart,
    FixOwner,
    FreeAllocation,
    Hold,
    KeystoreStep,
    Known,
    Memory,
    Need,
    NodeName,
    NoteFault,
    Observed,
    Plan,
    Policy,
    PutFile,
    PutMirror,
    PutSecret,
    PutYml,
    RestartNode,
    RollBack,
    Step,
    TrustPlan,
    Unknown,
)
from syncd.core.nodes import leave, settings
from syncd.core.nodes.secrets import secret_steps
from syncd.core.proof import handshake
from syncd.core.proof.markers import MarkerSource
from syncd.core.requests import carry_out
from syncd.core.restarts.rolling import in_order, restart_steps
from syncd.core.restarts.underway import left_open
from syncd.core.trustfile.plan import Part, plan_trust

STOPPING = frozenset({"observe", "standby", "permit_unavailable", "other_owner"})
"""Brakes under which nothing at all is done; under the others what must not stop half way goes on."""


def guarded_plan(seen: Observed, policy: Policy, now: datetime, fresh: MarkerSource) -> Plan:
    """The decision, and the last look at it: of the same world, in which nobody waits for nodes that were declared dead."""
    _, alive, _ = leave.without_the_dead(policy, seen, seen.remembered)
    return guard(make_plan(seen, policy, now, fresh), alive, now)


def make_plan(seen: Observed, policy: Policy, now: datetime, fresh: MarkerSource) -> Plan:
    """The whole decision of a pass, in the order of docs/flow.md. `fresh` mints markers."""
    holds = _past(seen)
    policy, seen, past = leave.without_the_dead(policy, seen, seen.remembered)
    carried = carry_out(past, policy, seen, now)
    kept, back = leave.without_the_returned(policy, seen, without_withdrawn(policy, carried.memory))
    memory = leave.note_left(policy, seen, history.note_restarts(kept, seen, now), now)
    parts: dict[Context, Part] = {}
    for context in Context:
        view = policy.within(context), seen.within(context), memory.within(context)
        parts[context] = plan_trust(context, *view, now, fresh)
        memory = memory.after(context, parts[context].memory)
    trust = {context: part.trust for context, part in parts.items()}
    owner, owner_holds = _claim_cluster(policy, seen, take_over=carried.take_over)
    leaving = leave.leaving_steps(policy, seen, memory, now)
    restarts, needed = _restarts(policy, seen, memory, now, leaving[0])
    client = Context.REMOTE_CLUSTER_CLIENT
    proofs = handshake.proof_steps(policy, seen.within(client), parts[client].waiting, now)
    rooms = (
        mirror_steps(policy, seen, now, fresh),
        resource_steps(policy, seen, now),
        restarts,
        leaving,
        proofs_last([*restarts[0], *leaving[0]], proofs, policy, seen),
    )
    holds += [hold for part in parts.values() for hold in part.holds]
    holds += [hold for _, room_holds in rooms for hold in room_holds]
    holds += [
        *back,
        *owner_holds,
        *credential.differing(seen),
        *_left_behind(policy, memory, trust),
        *_unmanaged(policy, seen),
        *_left_open(policy, seen),
    ]
    plan = Plan(
        cluster=policy.cluster,
        now=(*owner, *(s for part in parts.values() for s in part.steps), *(s for steps, _ in rooms for s in steps)),
        holds=tuple(dict.fromkeys(holds)),
        verdicts=tuple(verdict for part in parts.values() for verdict in part.verdicts),
        needs={name: need.why for name, need in needed.items()},
        edits={name: need.yml.settings for name, need in needed.items() if need.yml},
        trust=trust,
        rotations={alias: kind for part in parts.values() for alias, kind in part.rotations.items()},
        memory=None if isinstance(seen.memory, Unknown) else leave.note_gone(policy, seen, memory, trust),
        wake_at=min((hold.until for hold in holds if hold.until and hold.until > now), default=None),
    )
    return _braked(plan, seen, policy, kept, now)


def _restarts(
    policy: Policy, seen: Observed, memory: Memory, now: datetime, leaving: Iterable[Step]
) -> tuple[tuple[list[Step], list[Hold]], Mapping[NodeName, Need]]:
    """What the keystores and the running configurations lack, the rolling restart that brings it, and its order."""
    found, holds = settings.needs(policy, seen, memory, now)
    secret, secret_holds, found = secret_steps(policy, seen, found, now)
    steps, restart_holds = after_keystores([*secret, *leaving], *restart_steps(policy, seen, found, now))
    if seen.open_restart:
        holds = []  # what keeps the others from their restarts is asked again when this one is over
    needed = {name: found[name] for name in in_order(seen.cluster, found)}
    return ([*secret, *steps], [*holds, *secret_holds, *restart_holds]), needed


def after_keystores(edits: Iterable[Step], steps: list[Step], holds: list[Hold]) -> tuple[list[Step], list[Hold]]:
    """One tool at a time edits a keystore: what needs no restart comes before one begins, which may copy or edit it, too."""
    edited = {step.node for step in edits if isinstance(step, KeystoreStep)}
    begun = {step.record.node for step in steps if isinstance(step, BeginRestart)} & edited
    if not begun:
        return steps, holds
    text = "its keystore is being edited now; the restart is begun after that"
    return [], [*holds, *(Hold(name, "restart_pending", text) for name in begun)]


def proofs_last(
    others: Iterable[Step], proofs: tuple[list[Step], list[Hold]], policy: Policy, seen: Observed
) -> tuple[list[Step], list[Hold]]:
    """A proof by handshake edits keystores, too: in the next pass, where this one edits them or begins a restart."""
    steps, holds = proofs
    busy = seen.editing or any(isinstance(step, KeystoreStep | BeginRestart) for step in others)
    return ([], [*holds, handshake.deferred(policy)]) if steps and busy else proofs


def _past(seen: Observed) -> list[Hold]:
    """What is to be said of the memory."""
    if seen.damage:
        kept = "as this process read it last" if isinstance(seen.memory, Known) else "with caution, from nothing"
        return [Hold("state", "state_damaged", f"{seen.damage}. It is made anew {kept}")]
    return [_unread(seen.memory, blind=seen.blind)] if isinstance(seen.memory, Unknown) else []


def _unread(memory: Unknown, *, blind: bool) -> Hold:
    known = "What was read of it before holds: nothing is retired"
    if blind:
        known = (
            "Whether somebody paused, approved or revoked is not known: only trust is added, and no node is restarted"
        )
    return Hold("state", memory.rule, f"{memory.text}. {known}")


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
    cure = f"If that one is gone: syncd take-over {policy.cluster}"
    return Hold(policy.cluster, "other_owner", f"another syncd ({owner}) keeps this cluster. {cure}")


def _left_behind(policy: Policy, memory: Memory, trust: Mapping[Context, TrustPlan]) -> Iterable[Hold]:
    """Certificates of remotes that the configuration no longer has: deleting trust by a config edit is not done."""
    accounted = policy.pairs | {(forgotten.alias, forgotten.context) for forgotten in memory.forgotten}
    aliases = {remote.alias for remote in policy.remotes}
    claims = {(context, claim) for context, part in trust.items() for each in part.claims.values() for claim in each}
    left = {
        (claim.alias, claim.cert.short)
        for context, claim in claims
        if claim.alias and (claim.alias, context) not in accounted
    }
    for alias, short in sorted(left):
        text = (
            f"{short} came from {alias}, which the configuration no longer has; syncd forget {alias} leaves it for good"
        )
        if alias in aliases:
            text = (
                f"{short} came from {alias} by another security model than the configuration has now; "
                f"syncd forget {alias} leaves that model for good, and nothing else of it"
            )
        yield Hold(alias, "remote_removed", text)


def _unmanaged(policy: Policy, seen: Observed) -> Iterable[Hold]:
    """Nodes of the cluster that syncd was not told of: they dial the remote too, with a file that nobody keeps."""
    for name in policy.unmanaged(seen.cluster.value.nodes) if isinstance(seen.cluster, Known) else ():
        yield Hold(name, "unmanaged_node", "the cluster has this node and the configuration does not: add it")


def _left_open(policy: Policy, seen: Observed) -> Iterable[Hold]:
    """A restart of ours that is open while nothing may be changed: whoever else keeps the cluster ends it."""
    cluster = seen.cluster.value if isinstance(seen.cluster, Known) else None
    if policy.observe and cluster and cluster.restart and cluster.owner == policy.owner:
        yield left_open(cluster.restart, cluster.allocation)


def _braked(plan: Plan, seen: Observed, policy: Policy, memory: Memory, now: datetime) -> Plan:
    """The plan with every step put off, where something says that nothing may be changed."""
    brake = _brake(plan, seen, policy, memory, now)
    if brake is None:
        return plan
    holds = plan.holds if brake in plan.holds else (*plan.holds, brake)
    wake = min((at for at in (plan.wake_at, brake.until) if at), default=None)
    # a pause must be able to end: requests are still answered. What is decided now is decided again after it
    keep = replace(memory, proofs=plan.memory.proofs) if brake.rule == "paused" and plan.memory else None
    going_on = tuple(step for step in plan.now if _goes_on(step, brake, seen))
    later = tuple((step, brake.rule) for step in plan.now if step not in going_on)
    return replace(plan, now=going_on, later=later, holds=holds, memory=keep, wake_at=wake)


def _goes_on(step: Step, brake: Hold, seen: Observed) -> bool:
    if brake.rule in STOPPING:
        return False
    return _ends_a_restart(step, seen) or (seen.blind and _only_adds(step))


def _only_adds(step: Step) -> bool:
    """Promise 1: a CA that is published reaches the nodes whatever else is not known."""
    match step:
        case PutFile(removed=()) | FixOwner() | PutMirror(removed=()) | ClaimCluster():
            return True
        case _:
            return False


def _ends_a_restart(step: Step, seen: Observed) -> bool:
    """A pause begins no restart, but one that is open goes on to its end: allocation must not stay restricted.

    A node that is taken back is down, or its restart is open, also where its cluster cannot be asked for the record.
    """
    if isinstance(step, RollBack):
        return True
    is_open = seen.open_restart is not None
    within = isinstance(step, PutSecret) and step.within_restart
    return is_open and (within or isinstance(step, PutYml | RestartNode | FreeAllocation | NoteFault | EndRestart))


def _brake(plan: Plan, seen: Observed, policy: Policy, memory: Memory, now: datetime) -> Hold | None:
    if policy.observe:
        return Hold(policy.cluster, "observe", "mode: observe changes nothing")
    if seen.barred:
        return Hold(policy.cluster, "permit_unavailable", f"the right to change anything cannot be had: {seen.barred}")
    if seen.standby:
        return Hold(policy.cluster, "standby", f"{seen.standby} holds the permit")
    if memory.paused_until and memory.paused_until > now:
        text = f"paused until {memory.paused_until:%Y-%m-%d %H:%M}Z; syncd resume {policy.cluster} ends it"
        return Hold(policy.cluster, "paused", text, memory.paused_until)
    other = next((hold for hold in plan.holds if hold.rule == "other_owner"), None)
    return other or (_unread(seen.memory, blind=True) if isinstance(seen.memory, Unknown) and seen.blind else None)
