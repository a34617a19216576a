"""Whether a node may be restarted now: a table of named rules, all of which must be content.

A rule returns the text of what holds the restart, with what would lift it, or None. "Not known" holds it. A person who
asks with `syncd restart` is not held by the policy and the windows; nothing else gives way to a request, except that it
lets a change be tried again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from syncd.core.model import (
    Absent,
    ClusterState,
    FileState,
    Hold,
    Known,
    Need,
    NodeName,
    NodeSeen,
    Observed,
    Policy,
    Restarted,
    Seen,
    Unknown,
)
from syncd.core.restarts.health import unrecovered, unwell
from syncd.core.restarts.keystores import edited, unstartable
from syncd.core.windows import is_open, next_opening

_SPARE_MASTERS = 3
"""Of so many master-eligible nodes one may be away."""
_SHOWN = 3
"""Most indices that a text names."""


@dataclass(frozen=True, slots=True)
class Case:
    """A node that needs a restart and all that the rules judge it by."""

    need: Need
    policy: Policy
    seen: Observed
    cluster: ClusterState
    needs: Mapping[NodeName, Need]
    """Of all nodes."""
    now: datetime

    @property
    def node(self) -> NodeSeen:
        """The node as it was seen."""
        return self.seen.nodes[self.need.node]

    @property
    def peers(self) -> tuple[NodeSeen, ...]:
        """All other managed nodes."""
        managed = (self.seen.nodes.get(node.name) for node in self.policy.nodes if node.name != self.need.node)
        return tuple(node for node in managed if node is not None)


def _owned(case: Case) -> str | None:
    keeper, ours = case.cluster.owner, case.policy.owner
    if keeper == ours and ours:
        return None
    if keeper and ours:
        return f"another syncd ({keeper}) keeps this cluster"
    return "this cluster is not claimed yet; it is claimed first, by itself"


def _policy(case: Case) -> str | None:
    if case.need.asked or case.policy.restart.policy == "rolling":
        return None
    return f"restarts are for a person to ask for: run `syncd restart {case.policy.cluster}`, or set restart.policy: rolling"


def _window(case: Case) -> str | None:
    windows = case.policy.restart.windows
    if case.need.asked or not windows or is_open(windows, case.now):
        return None
    return f"until {_opening(case)}; `syncd restart {case.policy.cluster}` does not wait for it"


def _opening(case: Case) -> str:
    opening = next_opening(case.policy.restart.windows, case.now)
    return f"the next window opens at {opening:%Y-%m-%d %H:%M}Z" if opening else "a window opens"


def _change_tried(case: Case) -> str | None:
    """A change that was proven once and is needed again was taken back by somebody: there is one restart for each."""
    tried = _tried(case, case.need.node)
    if tried is None or tried.result != "done":
        return None
    return (
        f"it was restarted for this very change at {tried.at:%Y-%m-%d %H:%M}Z, and needs it again: something else "
        f"(Ansible, Puppet, a person) takes it back. Put it there too, then {_again(case)}"
    )


def _failed_before(case: Case) -> str | None:
    for name in (case.need.node, *(node.name for node in case.peers)):
        tried = _tried(case, name)
        if tried is not None and tried.result == "failed":
            when = f"{name} was restarted for this at {tried.at:%Y-%m-%d %H:%M}Z, which failed"
            return f"{when}: {tried.text}. It goes no further; mend the cause, then {_again(case)}"
    return None


def _again(case: Case) -> str:
    return f"run `syncd restart {case.policy.cluster} --node {case.need.node}`"


def _tried(case: Case, name: NodeName) -> Restarted | None:
    """How a node's last restart for the change ended, unless a person asked for another one later.

    On another node the change may go by another name, since it is made of that node's own settings.
    """
    last = case.cluster.restarted.get(name)
    own = case.needs.get(name)
    same = last is not None and last.change in {case.need.change, own.change if own else case.need.change}
    asked_later = last is not None and case.need.asked is not None and case.need.asked > last.at
    return last if same and not asked_later else None


def _no_other_restart(case: Case) -> str | None:
    record = case.cluster.restart
    return f"{record.node} is being restarted" if record else None


def _allocation(case: Case) -> str | None:
    there = case.cluster.allocation
    if there.value.lower() == "all":
        return None
    place = "in elasticsearch.yml" if there.scope == "unset" else there.scope
    return (
        f"cluster.routing.allocation.enable is {there.value} ({place}), which somebody set: a restarted node would get "
        f"no shards back. Set it to all when that work is done"
    )


def _every_node_joined(case: Case) -> str | None:
    away = [node.name for node in case.policy.nodes if node.name not in case.cluster.nodes]
    return f"not in the cluster: {', '.join(away)}. Start them, or take them out of the configuration" if away else None


def _no_unmanaged_node(case: Case) -> str | None:
    others = case.policy.unmanaged(case.cluster.nodes)
    return f"the cluster has nodes that the configuration lacks: {', '.join(others)}. Add them" if others else None


def _stable_master(case: Case) -> str | None:
    return None if case.cluster.master else "the cluster has no master at the moment; lifted when it has elected one"


def _quorum(case: Case) -> str | None:
    masters = [name for name, roles in case.cluster.nodes.items() if "master" in roles]
    mine = case.need.node in masters
    if not mine or len(masters) >= _SPARE_MASTERS or case.policy.restart.accept_outage:
        return None
    number = f"it is one of {len(masters)} master-eligible nodes" if len(masters) > 1 else "it is the only master"
    return f"{number}: without it the cluster may have no master and answer nothing. {_ACCEPT}"


_ACCEPT = "Set restart.accept_outage: true to accept that"


def _shards_known(case: Case) -> str | None:
    if case.cluster.sole_copies is not None or case.policy.restart.accept_outage:
        return None
    return "where the only copies of shards are has not been asked yet; it is asked next, by itself"


def _sole_copy(case: Case) -> str | None:
    alone = (case.cluster.sole_copies or {}).get(case.need.node, ())
    if not alone or case.policy.restart.accept_outage:
        return None
    more = f" and {len(alone) - _SHOWN} more" if len(alone) > _SHOWN else ""
    names = ", ".join(alone[:_SHOWN])
    return f"it holds the only started copy of a shard of {names}{more}: give them a replica. {_ACCEPT}"


def _node_fine(case: Case) -> str | None:
    """A restart record names the process and the start of the unit that are to end, so both must have been seen."""
    unit = case.node.unit
    if isinstance(case.node.process, Unknown):
        return f"its process cannot be asked: {case.node.process.text}"
    if isinstance(unit, Unknown):
        return f"its unit cannot be looked at: {unit.text}"
    if not isinstance(unit, Known) or not isinstance(case.node.process, Known):
        return f"there is no unit {case.policy.node(case.need.node).unit}: check restart.unit"
    return None if unit.value.active == "active" else f"its unit is {unit.value.active}; lifted when it is active"


def _peers_fine(case: Case) -> str | None:
    for node in case.peers:
        unit = node.unit
        if isinstance(unit, Known) and unit.value.active != "active":
            return f"the unit of {node.name} is {unit.value.active}; lifted when it is active"
        if not isinstance(node.process, Known):
            why = f": {node.process.text}" if isinstance(node.process, Unknown) else ""
            return f"the process of {node.name} cannot be asked{why}; lifted when it answers"
    unseen = [node.name for node in case.policy.nodes if node.name not in case.seen.nodes]
    return f"not looked at yet: {', '.join(unseen)}" if unseen else None


def _trust_file_there(case: Case) -> str | None:
    ours = {path: context for context, path in case.policy.node(case.need.node).paths.items()}
    for path in sorted(case.need.paths & ours.keys()):
        text = _why_not_there(case.node.files.get(ours[path]))
        if text:
            return f"{path} {text}; the node would not start with it. It is written first, by itself"
    return None


def _keystore_passphrase(case: Case) -> str | None:
    return unstartable(case.node, case.policy.node(case.need.node).unit)


def _why_not_there(file: Seen[FileState] | None) -> str:
    match file:
        case Known(value=state):
            return "" if state.trust.certs else "holds no certificate"
        case Unknown(text=text):
            return f"cannot be read ({text})"
        case Absent() | None:
            return "is not there"


Rule = tuple[str, Callable[[Case], str | None]]

SAFETY: tuple[Rule, ...] = (
    ("unmanaged_node", _no_unmanaged_node),
    ("every_node_joined", _every_node_joined),
    ("stable_master", _stable_master),
    ("health", lambda case: unwell(case.cluster)),
    ("peers_fine", _peers_fine),
    ("quorum", _quorum),
    ("shards_unknown", _shards_known),
    ("sole_copy", _sole_copy),
    ("trust_file_there", _trust_file_there),
    ("keystore_passphrase", _keystore_passphrase),
)
"""Asked again right before a node is stopped, since a restart that was begun may be gone on with much later."""

RULES: tuple[Rule, ...] = (
    ("not_claimed", _owned),
    ("policy", _policy),
    ("window", _window),
    ("yml_contested", _change_tried),
    ("restart_failed", _failed_before),
    ("other_restart", _no_other_restart),
    ("node_fine", _node_fine),
    ("allocation", _allocation),
    ("recovered", lambda case: unrecovered(case.cluster, case.now)),
    ("keystore_busy", lambda case: edited(case.need.node, case.seen, case.now)),
    *SAFETY,
)
"""Asked before a restart is begun."""


WAITING_RULES = frozenset(name for name, _ in RULES) | {
    "restart_pending",
    "restart_stuck",
    "restart_under_way",
    "shards_unknown",
}
"""The rules for which a restart that is due, or under way, waits."""


def holds(case: Case, rules: tuple[Rule, ...] = RULES) -> tuple[Hold, ...]:
    """What holds the node's restart; empty: it may be restarted."""
    found = []
    for rule, judge in rules:
        text = judge(case)
        if text is not None:
            until = next_opening(case.policy.restart.windows, case.now) if rule == "window" else None
            found.append(Hold(case.need.node, rule, f"restart for {case.need.why}: {text}", until))
    return tuple(found)
