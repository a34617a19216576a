"""One step, one port call; what a restart takes is in `engine.handover`."""

from dataclasses import replace
from datetime import datetime
from typing import assert_never

from syncd.core.bundle import Digest
from syncd.core.errors import ClusterError, HostError, SyncdError
from syncd.core.memory.document import dump
from syncd.core.model import (
    BeginRestart,
    ClaimCluster,
    CloseProof,
    EckStep,
    EndRestart,
    FixOwner,
    FreeAllocation,
    HostStep,
    KeystoreStep,
    LogPosition,
    NodeName,
    NoteFault,
    OpenProof,
    Outcome,
    ProofStep,
    PutFile,
    PutMirror,
    PutResource,
    PutSecret,
    PutYml,
    RecordStep,
    ReloadSecure,
    Remember,
    RemoveFile,
    RemoveRemote,
    RemoveSecret,
    RestartNode,
    RollBack,
    Step,
    SweepCopies,
    Written,
)
from syncd.core.restarts.stopping import changed
from syncd.engine.acting.on_host import edit_keystore, perform_on_host
from syncd.engine.handshake_proofs import HandshakeProofs
from syncd.engine.reload import reload_keystores
from syncd.engine.world import World
from syncd.ports import Deadline, Host, now

_TOOLS = 60.0
"""Seconds for a step that starts Elasticsearch's keystore tool."""


class Performer:
    """Carries out the steps of one pass, each only while the permit is held."""

    def __init__(self, world: World, proofs: HandshakeProofs, cause_at: datetime) -> None:
        self._world = world
        self._proofs = proofs
        self._cause_at = cause_at
        self._edits: dict[NodeName, tuple[Digest, Digest]] = {}
        """What the keystores that this pass has edited were, and are."""

    def perform(self, step: Step) -> Outcome:
        """What came of the step; errors of ours become a failed outcome."""
        if not self._world.permit.valid():
            return _without_permit(step)
        try:
            if isinstance(step, BeginRestart | RestartNode):
                self._as_planned(step)
                if not self._world.permit.valid():  # the answer may have taken as long as a permit lasts
                    return _without_permit(step)
            return self._carry_out(step)
        except SyncdError as error:
            return Outcome(step, "failed", error.rule, str(error), now())

    def _carry_out(self, step: Step) -> Outcome:
        match step:
            case ReloadSecure():
                return reload_keystores(self._world, step)
            case PutFile():
                written = self._put_file(step, self._deadline())
                return Outcome(step, "done", at=now(), written=written)
            case FixOwner() | RemoveFile():
                self._on_file(step, self._deadline())
            case OpenProof() | CloseProof():
                self._on_proof(step)
            case PutMirror() | PutResource():
                self._on_eck(step, self._deadline())
            case Remember():
                text = dump(step.memory, self._world.policy.cluster)
                version = self._world.state.save(text, step.expect, self._deadline())
                return Outcome(step, "done", at=now(), version=version)
            case ClaimCluster() | RemoveRemote() | BeginRestart() | FreeAllocation() | NoteFault() | EndRestart():
                self._on_cluster(step, self._deadline())
            case PutSecret() | RemoveSecret():
                self._on_keystore(step)
            case PutYml() | RestartNode() | RollBack() | SweepCopies():
                perform_on_host(self._world, step, Deadline.after(self._seconds(step)))
            case _:
                assert_never(step)
        return Outcome(step, "done", at=now())

    def _deadline(self) -> Deadline:
        return Deadline.after(self._world.pace.call)

    def _put_file(self, step: PutFile, deadline: Deadline) -> Written:
        """Write the file, having noted how far the node's log was written before."""
        host = self._world.fleet.host(step.node)
        log = self._world.logs.get(step.node) or step.log
        position = _log_position(host, log, deadline) if log else None
        host.put(step.path, step.content, step.owner, step.expect, deadline)
        return Written(step.node, step.context, step.digest, now(), self._cause_at, position, step.running)

    def _on_file(self, step: FixOwner | RemoveFile, deadline: Deadline) -> None:
        host = self._world.fleet.host(step.node)
        if isinstance(step, FixOwner):
            host.fix_owner(step.path, step.owner, step.expect, deadline)
        else:
            host.remove(step.path, step.expect, deadline)

    def _on_keystore(self, step: KeystoreStep) -> None:
        """Of two edits of one keystore, the second finds what the first has made of it: the plan knew only what was there."""
        before, after = self._edits.get(step.node, (step.expect, step.expect))
        expect = after if step.expect == before else step.expect
        held = edit_keystore(self._world, replace(step, expect=expect), Deadline.after(_TOOLS))
        self._edits[step.node] = step.expect, held.digest

    def _seconds(self, step: HostStep) -> float:
        """For a step; the operator's own command may wait for the start, and is not to be ended before that may be."""
        own = isinstance(step, RestartNode | RollBack) and self._world.services[step.node].restart
        return _TOOLS + (self._world.policy.restart.join_timeout.total_seconds() if own else 0.0)

    def _on_proof(self, step: ProofStep) -> None:
        if isinstance(step, OpenProof):
            self._proofs.open(step)
        else:
            self._proofs.close(step)

    def _on_eck(self, step: EckStep, deadline: Deadline) -> None:
        if isinstance(step, PutMirror):
            mirror = self._world.mirrors[step.alias]
            mirror.write(step.content, step.contribution, step.expect, deadline, step.origins)
        else:
            self._world.resources[step.alias].apply(step.manifest, step.expect, deadline)

    def _on_cluster(self, step: ClaimCluster | RemoveRemote | RecordStep, deadline: Deadline) -> None:
        es = self._world.elasticsearch
        match step:
            case ClaimCluster():
                es.claim(step.owner, step.expect, deadline)
            case RemoveRemote():
                es.remove_remote(step.alias, deadline)
            case BeginRestart():
                es.begin_restart(step.record, deadline)
            case FreeAllocation():
                es.free_allocation(step.record, deadline)
            case NoteFault():
                es.note_fault(step.record, deadline)
            case EndRestart():
                es.end_restart(step.record, step.outcome, deadline)
            case _:
                assert_never(step)

    def _as_planned(self, step: BeginRestart | RestartNode) -> None:
        """Raise ClusterError `cluster_changed` where the cluster no longer allows what the plan saw it allow."""
        if step.peers is None:
            return
        if text := changed(step, self._world.elasticsearch.cluster(self._deadline())):
            raise ClusterError("cluster_changed", text, where=step.node, cure="Nothing was stopped; syncd looks again")


def _without_permit(step: Step) -> Outcome:
    return Outcome(step, "skipped", "standby", "the permit was lost before this step", now())


def _log_position(host: Host, path: str, deadline: Deadline) -> LogPosition | None:
    """None where the log cannot be read: trust is written all the same, and proven in another way."""
    try:
        return host.log_position(path, deadline)
    except HostError:
        return None
