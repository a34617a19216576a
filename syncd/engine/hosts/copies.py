"""Copies of elasticsearch.yml and the keystore from before a change, until a restart has proven it; and back again.

The copy of the yml is made last and removed last: while it is there, both copies are of one change that is still open.
Every function may be cut at any point and done again.
"""

from contextlib import suppress

from syncd.core.bundle import MAX_BYTES, Digest, content_digest
from syncd.core.errors import ChangedUnderneath, HostError
from syncd.core.model import NodePolicy
from syncd.ports import Deadline, Found, Host


def copy_of(path: str) -> str:
    """Where the copy of a file is."""
    return f"{path}.syncd-before"


def ours_of(path: str) -> str:
    """Where it is noted what an edit of ours made of a file: whoever cannot ask the cluster for its record goes by it."""
    return f"{path}.syncd-ours"


def refused_of(path: str) -> str:
    """Where the settings that a node did not start with are kept for a person to look at."""
    return f"{path}.syncd-refused"


def save_copies(host: Host, node: NodePolicy, wrote: Digest, deadline: Deadline) -> None:
    """Copy both files, with owner and mode, before the first edit of a change. Copies of an older one are swept before.

    `wrote`: SHA-256 of the elasticsearch.yml that the change makes, to tell whether it has been made already.
    Raises HostError `copy_in_the_way` where the copy is of another change.
    """
    yml, copied = _there(host, node.yml, deadline), host.read(copy_of(node.yml), MAX_BYTES, deadline)
    if copied is None:
        _save_keystore(host, node, deadline, anew=True)
        _note(host, node.yml, wrote, yml, deadline)
        host.put(copy_of(node.yml), yml.content, yml.owner, None, deadline)
    elif _sha(copied) == _sha(yml):
        _save_keystore(host, node, deadline, anew=False)
        _note(host, node.yml, wrote, yml, deadline)
    elif _sha(yml) != wrote:
        text = "it is the copy of another change, and elasticsearch.yml is neither of the two"
        raise HostError("copy_in_the_way", text, where=copy_of(node.yml), cure="Compare them; then move the copy away")


def _save_keystore(host: Host, node: NodePolicy, deadline: Deadline, *, anew: bool) -> None:
    """`anew`: no change is open, so what lies there is a left-over; else it is the copy, and the keystore may be edited."""
    path = _keystore(node)
    held, copied = host.read(path, MAX_BYTES, deadline), host.read(copy_of(path), MAX_BYTES, deadline)
    if held and (copied is None or (anew and (copied.content, copied.owner) != (held.content, held.owner))):
        host.put(copy_of(path), held.content, held.owner, _digest(copied), deadline)


def note_keystore(host: Host, node: NodePolicy, before: Digest | None, digest: Digest, deadline: Deadline) -> None:
    """Note what the keystore is after an edit of ours within a change: only that one is ever taken back.

    `before`: what was edited. Unless that is the copy, or an edit of ours of it, the copy lacks what somebody put in since.
    """
    path = _keystore(node)
    copied, noted = host.read(copy_of(path), MAX_BYTES, deadline), host.read(ours_of(path), MAX_BYTES, deadline)
    ours = noted.content.decode("ascii", "replace") if noted else None
    if before is not None and before in (_digest(copied), ours):
        _note(host, path, digest, _there(host, path, deadline), deadline)


def _note(host: Host, path: str, digest: Digest, there: Found, deadline: Deadline) -> None:
    """Note beside a file what it is after an edit of ours."""
    noted = host.read(ours_of(path), MAX_BYTES, deadline)
    if noted is None or noted.content != digest.encode():
        host.put(ours_of(path), digest.encode(), there.owner, _digest(noted), deadline)


def roll_back(host: Host, node: NodePolicy, wrote: Digest | None, deadline: Deadline) -> str:
    """Put both files back as they were before the change. `wrote`: as for `save_copies`; None: the yml was not edited.

    The refused settings are kept beside it. Raises ChangedUnderneath where the elasticsearch.yml is not the one that we
    wrote (it stays), HostError `copy_missing` where there is nothing to put back. What it returns is why the keystore
    was not put back, empty where all is: a node can be started with a keystore that holds more than before.
    """
    if wrote is not None:
        _yml_back(host, node, wrote, deadline)
    try:
        _keystore_back(host, node, deadline)
    except ChangedUnderneath as error:
        return str(error)
    return ""


def sweep_copies(host: Host, node: NodePolicy, deadline: Deadline) -> None:
    """Remove both copies: the change has proven itself, or has been taken back."""
    for path in (copy_of(_keystore(node)), ours_of(_keystore(node)), ours_of(node.yml), copy_of(node.yml)):
        _remove(host, path, deadline)


def _yml_back(host: Host, node: NodePolicy, wrote: Digest, deadline: Deadline) -> None:
    yml, copy = _there(host, node.yml, deadline), host.read(copy_of(node.yml), MAX_BYTES, deadline)
    if copy and _sha(yml) == _sha(copy):
        return
    if _sha(yml) != wrote:
        raise ChangedUnderneath("changed", "somebody has edited it since; it stays as it is", where=node.yml)
    if copy is None:
        cure = "Put the settings back as they were by hand"
        raise HostError("copy_missing", "there is no copy to put back", where=copy_of(node.yml), cure=cure)
    with suppress(HostError):  # for a person to look at: no reason to leave a node down
        refused = refused_of(node.yml)
        host.put(refused, yml.content, yml.owner, _digest(host.read(refused, MAX_BYTES, deadline)), deadline)
    host.put(node.yml, copy.content, copy.owner, wrote, deadline)


def _keystore_back(host: Host, node: NodePolicy, deadline: Deadline) -> None:
    path = _keystore(node)
    held, copy = host.read(path, MAX_BYTES, deadline), host.read(copy_of(path), MAX_BYTES, deadline)
    if copy is None or _digest(held) == _digest(copy) or host.read(copy_of(node.yml), MAX_BYTES, deadline) is None:
        return  # without the copy of the yml, what lies there is left over from another change
    ours = host.read(ours_of(path), MAX_BYTES, deadline)
    if ours is None or ours.content.decode("ascii", "replace") != _digest(held):
        text = "it is not known to be as syncd left it; it stays as it is"
        raise ChangedUnderneath("keystore_changed", text, where=path, cure=f"Compare it with {copy_of(path)}")
    host.put(path, copy.content, copy.owner, _digest(held), deadline)


def _remove(host: Host, path: str, deadline: Deadline) -> None:
    if found := host.read(path, MAX_BYTES, deadline):
        host.remove(path, _sha(found), deadline)


def _there(host: Host, path: str, deadline: Deadline) -> Found:
    found = host.read(path, MAX_BYTES, deadline)
    if found is None:
        raise HostError("io", "it is not there", where=path, cure="Check layout.config_dir")
    return found


def _keystore(node: NodePolicy) -> str:
    return f"{node.config_dir}/elasticsearch.keystore"


def _digest(found: Found | None) -> Digest | None:
    return _sha(found) if found else None


def _sha(found: Found) -> Digest:
    return content_digest(found.content)
