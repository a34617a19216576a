"""One look, or passes, in the foreground: what `plan`, `check`, `explain`, `once` and the verbs share."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from time import sleep

from syncd.cli.due import without_a_new_restart
from syncd.cli.wiring import Wiring
from syncd.config import model as config
from syncd.core.errors import SyncdError
from syncd.core.model import Known, Observed, Plan, Policy, Report
from syncd.core.restarts.rules import WAITING_RULES
from syncd.engine.crew import Crew
from syncd.engine.handshake_proofs import HandshakeProofs
from syncd.engine.looking.look import Looked
from syncd.engine.looking.page import Page
from syncd.engine.looking.prove import Prover
from syncd.engine.reconcile import Reconciler
from syncd.engine.world import World
from syncd.ports import Deadline, now

_PATIENT = 20.0
"""Seconds that a person waits for a slow node, where the daemon would go on without it."""
_PERMIT_SECONDS = 5.0
_STEP = 0.05
_BETWEEN = 0.3
_PATIENCE = 300.0
_PASSING = frozenset(
    {"not_claimed", "restart_pending", "restart_under_way", "shards_unknown", "recovered", "health", "sole_copy"}
)
"""Holds of a restart that pass by themselves once the node before has recovered."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What one look gave."""

    policy: Policy
    seen: Observed
    plan: Plan


class _BeginsNoRestart(Reconciler):
    """The pass of a command that is about something else: a node that is due is left to the daemon, or to `syncd once`."""

    def plan(self, page: Page, at: datetime, *, anew: bool = True) -> tuple[Looked, Plan]:
        """See `Reconciler.plan`."""
        looked, plan = super().plan(page, at, anew=anew)
        return looked, without_a_new_restart(plan)


class Foreground:
    """One cluster, looked at by a command. `restarts`: whether its passes may begin one."""

    def __init__(self, wiring: Wiring, cluster: config.Cluster, *, restarts: bool = True) -> None:
        wired = wiring.cluster(cluster)
        self.listen = wiring.whole.telemetry.listen
        pace = replace(wired.world.pace, look=_PATIENT, act=_PATIENT)
        self.world: World = replace(wired.world, pace=pace)
        self._crew = Crew("look", 32, lambda _: None)
        self._proving = Crew("prove", 32, lambda _: None)
        proofs = HandshakeProofs(self.world, lambda _: None, able=False)
        self.restarts = restarts
        self._reconciler = (Reconciler if restarts else _BeginsNoRestart)(self.world, self._crew, proofs)
        self._prover = Prover(self.world, self._proving, proofs, lambda _: None)
        self._last: Report | None = None
        self._under_way = False

    def look(self) -> Sight:
        """Look at everything, change nothing."""
        looked, plan = self._reconciler.plan(self._prover.sweep(), now())
        return Sight(self.world.policy, looked.seen, plan)

    def make_pass(self) -> Report:
        """A whole pass, with what is known of Elasticsearch looked at before."""
        page = self._prover.sweep()
        self._under_way = True
        self._last = report = self._reconciler.run(page, ("command",), now())
        self._under_way = False
        self._prover.tell(report)
        return report

    def finish(self, report: Report, tell: Callable[[Report], None]) -> Report:
        """Further passes until no restart is open and none is due that only waits for the cluster.

        What a command began it does not leave behind with allocation restricted; on a cluster that does not recover, and in
        which nothing is open, it waits for some minutes only. `tell` is given each pass.
        """
        patience = Deadline.after(_PATIENCE)
        while _is_open(report) or (_waits(report) and patience.left()):
            sleep(_BETWEEN)
            report = self.make_pass()
            tell(report)
            if report.outcomes:
                patience = Deadline.after(_PATIENCE)
        return report

    def left_open(self) -> str:
        """What the passes that were made leave open if the command ends now, as the cluster tells; empty: nothing."""
        if not self._under_way and (self._last is None or not _is_open(self._last)):
            return ""
        name, cure = self.world.policy.cluster, "`syncd once` (or the daemon) ends it"
        try:
            cluster = self.world.elasticsearch.cluster(Deadline.after(_PERMIT_SECONDS))
        except SyncdError as error:
            return f"{name}: whether a restart is open, with allocation restricted, is not known ({error.text}): {cure}"
        if cluster.restart is None:
            return ""
        restricted = " and allocation restricted" if cluster.allocation == cluster.restart.restricted else ""
        return f"{name}: the restart of {cluster.restart.node} is open{restricted}: {cure}"

    def try_permit(self) -> bool:
        """Take the permit if nobody holds it. What only looks needs none: it is a Lease or a file of its own."""
        if self.world.policy.observe:
            return True
        self.world.permit.start(lambda _: None)
        deadline = Deadline.after(_PERMIT_SECONDS)
        while deadline.left():
            if self.world.permit.valid():
                return True
            if self.world.permit.holder():
                return False
            sleep(_STEP)
        return False

    def close(self) -> None:
        """Let go of everything."""
        self._crew.close()
        self._proving.close()
        self.world.permit.stop()
        self.world.fleet.close()
        self.world.elasticsearch.close()


def _is_open(report: Report) -> bool:
    """Whether a restart is open, or may be, as long as the cluster has not been looked at since the last step."""
    cluster, acted = report.seen.cluster, report.seen.acted
    if not isinstance(cluster, Known):
        return acted is not None  # perhaps it is being restarted: a cluster of one node
    return cluster.value.restart is not None or (acted is not None and cluster.at <= acted)


def _waits(report: Report) -> bool:
    """Whether a restart is due that waits for nothing but the cluster."""
    rules = {hold.rule for hold in report.plan.holds} & WAITING_RULES
    return bool(rules) and rules <= _PASSING


@contextmanager
def foreground(wiring: Wiring, cluster: config.Cluster, *, restarts: bool = True) -> Iterator[Foreground]:
    """A cluster for the time of a command."""
    front = Foreground(wiring, cluster, restarts=restarts)
    try:
        yield front
    finally:
        front.close()
