"""The last look at the steps of a restart; pure, and it trusts nothing that made them.

They are one chain: where one of them is not safe, none is taken.
"""

from collections.abc import Sequence

from syncd.core import yml
from syncd.core.errors import UnsafePlan, YmlError
from syncd.core.model import (
    BeginRestart,
    Context,
    Known,
    NodeName,
    NoteFault,
    Observed,
    PutSecret,
    PutYml,
    RestartNode,
    RollBack,
    Step,
)
from syncd.core.yml.names import RELOAD_INTERVAL, TRANSPORT_SSL, trust_setting

CHAINED = BeginRestart | PutYml | RestartNode
_OURS = frozenset({*(trust_setting(context) for context in Context), RELOAD_INTERVAL})


def of_restart(step: Step) -> bool:
    """Whether a step is only taken within a restart."""
    return isinstance(step, CHAINED | NoteFault | RollBack) or (isinstance(step, PutSecret) and step.within_restart)


def check_restart(steps: Sequence[Step], seen: Observed) -> None:
    """Raise UnsafePlan where the steps would take down more than one node, or change a setting that is not ours."""
    chain = [step for step in steps if isinstance(step, CHAINED)]
    nodes = {step.record.node if isinstance(step, BeginRestart) else step.node for step in chain}
    if len(nodes) > 1:
        raise UnsafePlan("two_restarts", f"{', '.join(sorted(nodes))} would be restarted at once")
    for name in nodes:
        _record_names_it(name, chain, seen)
        _others_are_members(name, seen)
    for step in chain:
        if isinstance(step, PutYml):
            _only_ours(step, seen)
    for back in steps:
        if isinstance(back, RollBack) and back.start and not _is_down(back.node, seen):
            _others_are_members(back.node, seen)


def _is_down(name: NodeName, seen: Observed) -> bool:
    """Whether a stop of it takes nothing from the cluster."""
    unit = seen.nodes[name].unit
    if isinstance(unit, Known) and unit.value.active in {"failed", "inactive"}:
        return True
    return isinstance(seen.cluster, Known) and name not in seen.cluster.value.nodes


def _record_names_it(name: NodeName, chain: list[BeginRestart | PutYml | RestartNode], seen: Observed) -> None:
    record = seen.open_restart
    if isinstance(chain[0], BeginRestart):
        if record is not None:
            raise UnsafePlan("restart_open", f"the restart of {record.node} is open")
    elif record is None or record.node != name:
        raise UnsafePlan("no_record", f"no record of a restart of {name} was seen in the cluster")


def _others_are_members(name: NodeName, seen: Observed) -> None:
    there = seen.cluster.value.nodes if isinstance(seen.cluster, Known) else {}
    if away := [other for other in seen.nodes if other != name and other not in there]:
        raise UnsafePlan("node_away", f"{', '.join(away)} is not a member of the cluster now")


def _only_ours(step: PutYml, seen: Observed) -> None:
    """The text differs from what was seen in our settings alone, and no list of CAs lost what is not ours."""
    site = seen.nodes[step.node].site
    now = site.value.yml if isinstance(site, Known) else site
    if not isinstance(now, Known) or now.value.digest != step.expect:
        raise UnsafePlan("yml_unseen", f"{step.path} is not the one that was seen")
    try:
        before, after = yml.read(now.value.text), yml.read(step.content.decode())
    except (YmlError, UnicodeDecodeError) as error:
        raise UnsafePlan("yml_unreadable", f"{step.path} would not read back") from error
    differs = {p for p in {*before.values, *after.values} if before.get(p) != after.get(p)}
    if foreign := [path for path in differs - _OURS if not path.startswith(f"{TRANSPORT_SSL}truststore.")]:
        raise UnsafePlan("foreign_setting", f"{min(foreign)} in {step.path} is not ours to change")
    own = trust_setting(Context.TRANSPORT)
    lost = [item for item in before.items(own) if item not in after.items(own) and not _is_ours(item)]
    if lost:
        raise UnsafePlan(
            "own_ca_lost", f"{step.path} would no longer name {lost[0]}, by which the nodes trust each other"
        )


def _is_ours(path: str) -> bool:
    """Whether it is syncd's own file, by its whole name: `old-remote-transport-ca.crt` is somebody else's."""
    return path.rsplit("/", 1)[-1] == Context.TRANSPORT.file_name
