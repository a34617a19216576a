"""Whether a node's process has loaded its file: by evidence about this very process and this very content.

No Elasticsearch API shows the trust in memory. What counts: the process's own log line after the write, a start after
the file was in place, or (weakest) the poll interval having passed over a file that the process is known to watch.
"""

from datetime import timedelta

from syncd.core.bundle import Digest, bundle_digest
from syncd.core.model import Context, FileState, Hold, Known, NodeSeen, Observed, Policy, Process, Sighting, Unknown

_CONTEXT = Context.REMOTE_CLUSTER_CLIENT


def prove(node: NodeSeen, seen: Observed, policy: Policy) -> Sighting | Hold | None:
    """The evidence that a node's process has loaded its file, or the hold that says what is missing.

    None: there is nothing to prove, since there is no file yet or the node dials no remotes.
    """
    if not isinstance(node.file, Known):
        return None
    match node.process:
        case Known(value=process) if process.dials:
            return _of_process(node, node.file, process, seen, policy)
        case Known():
            return None
        case Unknown(rule=rule, text=text):
            return Hold(node.name, rule, f"the process cannot be asked what it has loaded: {text}")
        case _:
            return None


def _of_process(
    node: NodeSeen, file: Known[FileState], process: Process, seen: Observed, policy: Policy
) -> Sighting | Hold:
    path = policy.node(node.name).path
    named = _is_named(node, path)
    if named is not None:
        return named
    digest = bundle_digest(file.value.trust.certs)
    on_its_clock = process.started >= (file.value.modified + 1) * 1000  # both times are the node's own
    if on_its_clock and not _ran_before_the_write(node, digest, process, seen):
        return Sighting(node.name, _CONTEXT, digest, process.started, "started_after", file.at)
    evidence = _evidence(node, digest, process, seen, policy)
    if evidence is None:
        wait = f"Elasticsearch looks at its files every {_seconds(policy.poll)}"
        return Hold(node.name, "awaiting_load", f"{path} is in place; {wait}; no sign yet that it was loaded")
    if evidence.refused:
        cure = "The process keeps its old trust and will not try again until the file changes"
        return Hold(node.name, "load_refused", f"{path} was refused by the process: {evidence.refused}. {cure}")
    return evidence


def _ran_before_the_write(node: NodeSeen, digest: Digest, process: Process, seen: Observed) -> bool:
    """Whether this process is known to have run before its file was written: the node's clock may have been set back."""
    writes = seen.memory.value.writes if isinstance(seen.memory, Known) else ()
    return (node.name, digest, process.started) in {(w.node, w.digest, w.running) for w in writes}


def _is_named(node: NodeSeen, path: str) -> Hold | None:
    """None when the running configuration names the managed file."""
    match node.trust_paths:
        case Known(value=paths) if path in paths:
            return None
        case Known():
            return Hold(
                node.name, "not_configured", f"the running configuration does not name {path}. {yml_text(path)}"
            )
        case Unknown(rule=rule, text=text):
            return Hold(node.name, rule, f"whether the node's configuration names {path} is not known: {text}")
        case _:
            return Hold(node.name, "not_configured", f"no trust file is configured. {yml_text(path)}")


def yml_text(path: str) -> str:
    """What an operator must add to elasticsearch.yml, once; every setting of this family needs a restart."""
    setting = "xpack.security.remote_cluster_client.ssl.certificate_authorities"
    return f'Add to elasticsearch.yml: {setting}: ["{path}"], then restart the node'


def _evidence(node: NodeSeen, digest: Digest, process: Process, seen: Observed, policy: Policy) -> Sighting | None:
    """The latest evidence about this process and this content; a refusal is forgotten once it loaded.

    Where the operator asked for handshakes, nothing weaker proves a load; a log may still tell of a refusal.
    """
    remembered = seen.memory.value.proofs if isinstance(seen.memory, Known) else ()
    matching = [
        sight
        for sight in (*remembered, *seen.sightings)
        if (sight.node, sight.digest, sight.process_started) == (node.name, digest, process.started)
        and (policy.proof != "handshake" or sight.by in ("handshake", "started_after") or sight.refused)
    ]
    return max(matching, key=lambda sight: sight.at, default=None)


def _seconds(span: timedelta) -> str:
    return f"{span.total_seconds():g} s"
