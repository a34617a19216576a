"""A restart that was begun, as it is seen: what is on disk, what runs, what the cluster says."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias

from syncd.core.model import (
    Allocation,
    ClusterState,
    EndRestart,
    FreeAllocation,
    Hold,
    Known,
    Need,
    NodeName,
    NodeSeen,
    Observed,
    Policy,
    Process,
    Restarted,
    RestartRecord,
    Seen,
    Step,
    SweepCopies,
    UnitState,
    Unknown,
    YmlState,
    is_from_before,
)

Decision: TypeAlias = tuple[list[Step], list[Hold]]
_UNSEEN = Unknown("not_looked", "the node has not been looked at yet", datetime.min.replace(tzinfo=UTC))
FOREIGN = (
    "somebody else wrote its elasticsearch.yml while it was being restarted, and that is not overwritten. Its content from "
    "before is in elasticsearch.yml.syncd-before beside it: put the right one in place, and start the node if it is down"
)


@dataclass(frozen=True, slots=True)
class Open:
    """An open restart and all that it is judged by."""

    record: RestartRecord
    policy: Policy
    seen: Observed
    cluster: ClusterState
    needs: Mapping[NodeName, Need]
    now: datetime

    @property
    def name(self) -> NodeName:
        """The node."""
        return self.record.node

    @property
    def node(self) -> NodeSeen | None:
        """The node as it was seen."""
        return self.seen.nodes.get(self.name)

    @property
    def need(self) -> Need | None:
        """What the restart is for, unless that is another change by now."""
        need = self.needs.get(self.name)
        return need if need is not None and need.change == self.record.change else None

    @property
    def member(self) -> bool:
        """Whether the cluster counts the node as its own."""
        return self.name in self.cluster.nodes

    @property
    def is_back(self) -> bool:
        """Whether what the cluster counts is the new process."""
        return self.member and self.cluster.processes.get(self.name) not in {None, self.record.started}

    @property
    def came_back(self) -> bool:
        """Whether what the cluster counts has followed the process that was to be taken back, too, and does not end."""
        ends = self.active in {"deactivating", "failed", "inactive"}
        return self.is_back and self.cluster.processes[self.name] != self.record.refused_process and not ends

    @property
    def serves(self) -> bool:
        """Whether a process that followed the recorded one is a member, which a stop would take from the cluster."""
        return self.member and self.restarted and self.active not in {"failed", "inactive"}

    @property
    def unit(self) -> Seen[UnitState]:
        """Its service."""
        return self.node.unit if self.node else _UNSEEN

    @property
    def yml(self) -> Seen[YmlState]:
        """Its settings on disk."""
        return self.node.yml if self.node else _UNSEEN

    @property
    def process(self) -> Process | None:
        """Its process, where it answers."""
        return self.node.process.value if self.node and isinstance(self.node.process, Known) else None

    @property
    def active(self) -> str:
        """State of its unit; empty while that is not known.

        A service that counts no starts tells that it does not run, and not whether it is on its way (so does `systemctl
        is-active`): for as long as any start is waited for, it is.
        """
        told = self.unit.value.active if isinstance(self.unit, Known) else ""
        on_its_way = told == "inactive" and not self.counts_starts and self.restarted and self.now < joins_until(self)
        return "activating" if on_its_way else told

    @property
    def counts_starts(self) -> bool:
        """Whether its service is a unit of systemd, whose starts can be told apart."""
        return bool(self.record.invocation)

    @property
    def invocation(self) -> str:
        """The unit's start; empty while that is not known, or where services have none."""
        return self.unit.value.invocation if isinstance(self.unit, Known) else ""

    @property
    def disk(self) -> Literal["not_edited", "wanted", "before", "original", "foreign", "unknown"]:
        """What elasticsearch.yml is. `before`: as its copy; `original`: there is no copy, and it is not what is wanted."""
        if self.record.yml is None:
            return "not_edited"
        if not isinstance(self.yml, Known):
            return "unknown"
        file = self.yml.value
        if file.digest == self.record.yml:
            return "wanted"
        if file.copy is None:
            return "original"
        return "before" if file.digest == file.copy else "foreign"

    @property
    def restarted(self) -> bool:
        """Whether another process, or another start of the unit, has followed the recorded one."""
        if self.process is not None and self.process.started != self.record.started:
            return True
        if self.counts_starts:
            return self.invocation not in {"", self.record.invocation}
        uncounted = self.process is None  # a service that counts no starts
        return uncounted and (bool(self.record.fault) or self.disk not in {"original", "before"})

    @property
    def late(self) -> bool:
        """Whether it was begun too long ago."""
        return self.now >= self.record.at + self.policy.restart.join_timeout

    @property
    def overdue(self) -> bool:
        """Whether shards have waited for the node for longer than any start is waited for, and still do."""
        waits = self.cluster.allocation == self.record.restricted and self.cluster.master is not None
        return waits and self.long_open

    @property
    def long_open(self) -> bool:
        """Whether it has lasted for longer than any start is waited for.

        A unit that starts over and over is not waited for longer: its latest start counts for so long at most.
        """
        patience = 2 * self.policy.restart.join_timeout
        since = max(self.record.at, self.record.noted or self.record.at)
        since = min(max(since, self.started or since), since + patience)
        return self.now >= since + patience

    @property
    def started(self) -> datetime | None:
        """When its unit's start was begun; None: not told."""
        if not isinstance(self.unit, Known) or self.unit.value.age is None:
            return None
        return self.unit.at - timedelta(seconds=self.unit.value.age)


def is_stale(seen: Observed, node: NodeSeen | None, now: datetime) -> bool:
    """Whether what was seen of the cluster or the node is from before the last step of this very process."""
    parts: list[Seen[object]] = [seen.cluster]
    if node is not None:
        parts += [node.site, node.process]
    if node is not None and isinstance(node.site, Known):
        parts += [node.site.value.yml, node.site.value.unit]
    return any(is_from_before(part.at, seen.acted, now) for part in parts if not isinstance(part, Unknown))


def looking(subject: str) -> Decision:
    """Nothing, until the world has been looked at again."""
    return [], [Hold(subject, "restart_under_way", "a step was just taken: looking at what came of it")]


def end(case: Open, result: Literal["done", "failed", "given_up"], text: str) -> list[Step]:
    """End the restart, and sweep copies that nothing needs any more. One that had failed by then has failed."""
    if case.record.fault and result != "failed":
        return end(case, "failed", f"{case.record.fault}; {text}")
    outcome = Restarted(case.record.change, result, case.record.unassigned, case.now, "" if result == "done" else text)
    steps: list[Step] = [EndRestart(case.record, outcome, f"restart of {case.name}: {text}")]
    copied = isinstance(case.yml, Known) and case.yml.value.copy is not None
    if copied and (case.disk == "before" or (result == "done" and case.disk != "foreign")):
        steps.append(SweepCopies(case.name, "the settings in place have proven themselves"))
    return steps


def freed(case: Open) -> list[Step]:
    """Allocation as it was, as soon as the node is back: its shards need not wait for what is still to come."""
    if case.is_back and case.cluster.allocation == case.record.restricted:
        return [FreeAllocation(case.record, f"{case.name} is a member again")]
    return []


def unreachable(case: Open) -> Decision:
    """The allocation of shards does not wait for ever for a host that cannot be reached."""
    away = next((part for part in (case.unit, case.yml) if isinstance(part, Unknown)), _UNSEEN)
    since = case.now - away.since
    if case.late and case.record.at <= away.since and since >= case.policy.restart.join_timeout:
        return end(case, "given_up", f"its host could not be looked at for {lasted(case)}: {away.text}"), []
    return wait(case, "node_unreachable", f"its restart was begun, and its host cannot be looked at: {away.text}")


def joins_until(case: Open) -> datetime:
    """When it should be a member: by its host's own clock; a unit that starts over and over is not waited for longer."""
    timeout = case.policy.restart.join_timeout
    until = (case.started or case.record.noted or case.record.at) + timeout
    return min(until, max(case.seen.acted, case.record.at) + 2 * timeout) if case.seen.acted else until


def begun_by(case: Open) -> str:
    """By whom and when it was begun, in words."""
    return f"begun by {case.record.owner} at {case.record.at:%Y-%m-%d %H:%M:%S}Z"


def left_open(record: RestartRecord, allocation: Allocation) -> Hold:
    """Nobody ends it, since `mode: observe` was set in the middle of it."""
    back = "null" if record.allocation.scope == "unset" else f'"{record.allocation.value}"'
    scope = record.restricted.scope
    text = (
        f"mode: observe was set while its restart is open (begun by {record.owner} at {record.at:%Y-%m-%d %H:%M:%S}Z), and "
        f"nobody ends it. cluster.routing.allocation.enable is {allocation.value}, and is to go back to "
        f"{record.allocation.value}. Set mode: act until it has ended; or see that the node runs, and end it by hand: PUT "
        f'_cluster/settings {{"persistent": {{"cluster.metadata.syncd.restart": null}}}} and {{"{scope}": '
        f'{{"cluster.routing.allocation.enable": {back}}}}}'
    )
    return Hold(record.node, "restart_left_open", text)


def wait(case: Open, rule: str, text: str, until: datetime | None = None) -> Decision:
    """No step, and the hold that says why."""
    return [], [Hold(case.name, rule, text, until)]


def lasted(case: Open) -> str:
    """For how long it has been open, in words."""
    return minutes(case.now - case.record.at)


def minutes(span: timedelta) -> str:
    """A span in words."""
    return f"{round(span.total_seconds() / 60)} minutes"
