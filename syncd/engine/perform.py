"""One step, one port call."""

from datetime import datetime
from typing import assert_never

from syncd.core.errors import HostError, SyncdError
from syncd.core.memory import dump
from syncd.core.model import (
    ClaimCluster,
    CloseProof,
    Context,
    FixOwner,
    LogPosition,
    OpenProof,
    Outcome,
    PutFile,
    Remember,
    Step,
    Written,
)
from syncd.engine.desk import Desk
from syncd.engine.world import World
from syncd.ports import Deadline, Host, now


class Performer:
    """Carries out the steps of one pass, each only while the permit is held."""

    def __init__(self, world: World, desk: Desk, cause_at: datetime) -> None:
        self._world = world
        self._desk = desk
        self._cause_at = cause_at

    def perform(self, step: Step) -> Outcome:
        """What came of the step; errors of ours become a failed outcome."""
        if not self._world.permit.valid():
            return Outcome(step, "skipped", "standby", "the permit was lost before this step", now())
        try:
            written = self._carry_out(step)
        except SyncdError as error:
            return Outcome(step, "failed", error.rule, str(error), now())
        return Outcome(step, "done", at=now(), written=written)

    def _carry_out(self, step: Step) -> Written | None:
        deadline = Deadline.after(self._world.pace.call)
        match step:
            case PutFile():
                return self._put_file(step, deadline)
            case FixOwner():
                host = self._world.fleet.host(step.node)
                host.fix_owner(step.path, step.owner, step.expect, deadline)
            case ClaimCluster():
                self._world.elasticsearch.claim(step.owner, step.expect, deadline)
            case OpenProof():
                self._desk.open(step)
            case CloseProof():
                self._desk.close(step)
            case Remember():
                state, text = self._world.state, dump(step.memory, self._world.policy.cluster)
                state.save(text, step.expect, deadline)
            case _:
                assert_never(step)
        return None

    def _put_file(self, step: PutFile, deadline: Deadline) -> Written:
        """Write the file, having noted how far the node's log was written before."""
        host = self._world.fleet.host(step.node)
        log = self._world.logs.get(step.node) or step.log
        position = _log_position(host, log, deadline) if log else None
        host.put(step.path, step.content, step.owner, step.expect, deadline)
        context = Context.REMOTE_CLUSTER_CLIENT
        return Written(step.node, context, step.digest, now(), self._cause_at, position, step.running)


def _log_position(host: Host, path: str, deadline: Deadline) -> LogPosition | None:
    """None where the log cannot be read: trust is written all the same, and proven in another way."""
    try:
        return host.log_position(path, deadline)
    except HostError:
        return None
