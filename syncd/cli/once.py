"""One look, or one pass, in the foreground: what `plan`, `check`, `explain`, `status` and `once` share."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import sleep

from syncd.cli.wiring import Wiring
from syncd.config import model as config
from syncd.core.model import Observed, Plan, Policy, Report
from syncd.engine.crew import Crew
from syncd.engine.desk import Desk
from syncd.engine.prove import Prover
from syncd.engine.reconcile import Reconciler
from syncd.engine.world import World
from syncd.ports import Deadline, now

_PATIENT = 20.0
"""Seconds that a person waits for a slow node, where the daemon would go on without it."""
_PERMIT_SECONDS = 5.0
_STEP = 0.05


@dataclass(frozen=True, slots=True)
class Sight:
    """What one look gave."""

    policy: Policy
    seen: Observed
    plan: Plan


class Foreground:
    """One cluster, looked at by a command."""

    def __init__(self, wiring: Wiring, cluster: config.Cluster) -> None:
        wired = wiring.cluster(cluster)
        pace = replace(wired.world.pace, look=_PATIENT, act=_PATIENT)
        self.world: World = replace(wired.world, pace=pace)
        self._crew = Crew("look", 32, lambda _: None)
        self._proving = Crew("prove", 32, lambda _: None)
        desk = Desk(self.world, lambda _: None, able=False)
        self._reconciler = Reconciler(self.world, self._crew, desk)
        self._prover = Prover(self.world, self._proving, desk, lambda _: None)

    def look(self) -> Sight:
        """Look at everything, change nothing."""
        looked, plan = self._reconciler.plan(self._prover.sweep(), now())
        return Sight(self.world.policy, looked.seen, plan)

    def make_pass(self) -> Report:
        """A whole pass, with what is known of Elasticsearch looked at before."""
        report = self._reconciler.run(self._prover.sweep(), ("command",), now())
        self._prover.tell(report)
        return report

    def try_permit(self) -> bool:
        """Take the permit if nobody holds it."""
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


@contextmanager
def foreground(wiring: Wiring, cluster: config.Cluster) -> Iterator[Foreground]:
    """A cluster for the time of a command."""
    front = Foreground(wiring, cluster)
    try:
        yield front
    finally:
        front.close()
