"""Whether a node's process has loaded its file: by evidence about this very process and this very content.

No Elasticsearch API shows the trust in memory. What counts: the process's own log line after the write, a start after
the file was in place, or (weakest) the poll interval having passed over a file that the process is known to watch.
"""

import re
from datetime import timedelta

from syncd.core.bundle import Digest, bundle_digest
from syncd.core.model import Context, FileState, Hold, Known, NodeSeen, Observed, Policy, Process, Sighting, Unknown
from syncd.core.yml.names import trust_setting

_BY_PROCESS = frozenset({"handshake", "names", "started_after"})
"""Evidence that the process itself gives of its loaded trust."""


def prove(node: NodeSeen, seen: Observed, policy: Policy, context: Context) -> Sighting | Hold | None:
    """The evidence that a node's process has loaded its file of a context, or the hold that says what is missing.

    None: there is nothing to prove, since there is no file yet or the node dials no remotes.
    """
    if not isinstance(node.file, Known):
        return None
    match node.process:
        case Known(value=process) if process.uses(context):
            return _of_process(node, node.file, process, seen, policy, context)
        case Known():
            return None
        case Unknown(rule=rule, text=text):
            return Hold(node.name, rule, f"the process cannot be asked what it has loaded: {text}")
        case _:
            return None


def _of_process(
    node: NodeSeen, file: Known[FileState], process: Process, seen: Observed, policy: Policy, context: Context
) -> Sighting | Hold:
    path = policy.node(node.name).path
    named = _is_named(node, path, policy, context)
    if named is not None:
        return named
    digest = bundle_digest(file.value.trust.certs)
    on_its_clock = process.started >= (file.value.modified + 1) * 1000  # both times are the node's own
    if on_its_clock and not _ran_before_the_write(node, digest, process, seen, context):
        return Sighting(node.name, context, digest, process.started, "started_after", file.at)
    evidence = _evidence(node, digest, process, seen, policy, context)
    if evidence is None and not process.reloads:
        cure = "Restart the node (syncd restart --node), or let it look at its files"
        return Hold(node.name, "reload_disabled", f"the node runs with resource.reload.enabled: false. {cure}")
    if evidence is None:
        wait = f"Elasticsearch looks at its files every {_seconds(poll_of(process, policy))}"
        return Hold(node.name, "awaiting_load", f"{path} is in place; {wait}; no sign yet that it was loaded")
    if evidence.refused:
        cure = "The process keeps its old trust and will not try again until the file changes"
        return Hold(node.name, "load_refused", f"{path} was refused by the process: {evidence.refused}. {cure}")
    return evidence


def _ran_before_the_write(node: NodeSeen, digest: Digest, process: Process, seen: Observed, context: Context) -> bool:
    """Whether this process is known to have run before its file was written: the node's clock may have been set back."""
    writes = seen.remembered.writes
    mine = (node.name, context, digest, process.started)
    return mine in {(write.node, write.context, write.digest, write.running) for write in writes}


def _is_named(node: NodeSeen, path: str, policy: Policy, context: Context) -> Hold | None:
    """None when the running configuration names the managed file."""
    match node.trust_paths:
        case Known(value=paths) if path in paths:
            return None
        case Unknown(rule=rule, text=text):
            return Hold(node.name, rule, f"whether the node's configuration names {path} is not known: {text}")
        case _:
            cure = "A restart by syncd brings it" if policy.yml == "managed" else yml_text(path, context)
            return Hold(node.name, "not_configured", f"the running configuration does not name {path}. {cure}")


def yml_text(path: str, context: Context) -> str:
    """What an operator must add to elasticsearch.yml, once; every setting of this family needs a restart."""
    if context is Context.TRANSPORT:
        return f'Append "{path}" to {trust_setting(context)} in elasticsearch.yml, then restart the node'
    return f'Add to elasticsearch.yml: {trust_setting(context)}: ["{path}"], then restart the node'


def _evidence(
    node: NodeSeen, digest: Digest, process: Process, seen: Observed, policy: Policy, context: Context
) -> Sighting | None:
    """The latest evidence about this process and this content; a refusal is forgotten once it loaded.

    Where the operator asked for handshakes, nothing weaker proves a load; a log may still tell of a refusal.
    """
    remembered = seen.remembered.proofs
    matching = [
        sight
        for sight in (*remembered, *seen.sightings)
        if (sight.node, sight.context, sight.digest, sight.process_started)
        == (node.name, context, digest, process.started)
        and (policy.proof != "handshake" or sight.by in _BY_PROCESS or sight.refused)
    ]
    return max(matching, key=lambda sight: sight.at, default=None)


def poll_of(process: Process, policy: Policy) -> timedelta:
    """How long a process lets pass between two looks at its files, at most, as far as is known."""
    found = _TIME_VALUE.fullmatch(process.reload_interval or "")
    told = timedelta(milliseconds=int(found["count"]) * _MILLISECONDS[found["unit"]]) if found else timedelta(0)
    return max(told, policy.poll)


_MILLISECONDS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_TIME_VALUE = re.compile(r"(?P<count>\d{1,9})(?P<unit>ms|s|m|h|d)")


def _seconds(span: timedelta) -> str:
    return f"{span.total_seconds():g} s"
