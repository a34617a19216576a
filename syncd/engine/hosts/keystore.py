"""Secure settings of a node, through Elasticsearch's own keystore tool: a value goes by stdin, never in an argument.

The tool replaces the whole file. Who owns it is looked at before and after: a keystore that the Elasticsearch user may
not read keeps a node from starting.
"""

from collections.abc import Mapping
from dataclasses import replace
from hmac import compare_digest
from posixpath import dirname
from typing import Literal, TypeAlias

from syncd.core.bundle import Digest, content_digest
from syncd.core.errors import ChangedUnderneath, HostError
from syncd.core.model import KeystoreState, Ownership
from syncd.engine.hosts.tools import Toolbox, last_line, run_as
from syncd.ports import CommandResult, Deadline, Found, Host

__all__ = ["Held", "Toolbox", "add", "compare", "is_protected", "read", "remove", "show"]

Held: TypeAlias = Literal["wanted", "other", "absent"]

_OUTPUT = 100_000
_LARGEST = 1_048_576
_DONE = 0
_NOT_PROTECTED = 1
"""Exit status of `has-passwd` for a keystore without a password."""
_HEADER = b"\x3f\xd7\x6c\x17\x16elasticsearch.keystore"
"""Of each version (`KeyStoreWrapper.load`): Lucene's magic number, this name, four bytes of the version, one if protected."""
_PROTECTED = len(_HEADER) + 4
_NOT_THERE = 78
"""Exit status of `remove` and `show` for a setting that is not there."""


def add(
    host: Host, box: Toolbox, name: str, value: bytes, deadline: Deadline, expect: Digest | None = None
) -> KeystoreState:
    """Set a secure setting; the process uses it after `reload_secure_settings`. What the file is then.

    Raises HostError `keystore`, `keystore_value`; ChangedUnderneath if the file is not the expected one (SHA-256).
    """
    if not value.isascii() or not value.decode("ascii").isprintable() or not value:
        cure = "The file must hold the value and nothing else: one line of printable ASCII"
        raise HostError("keystore_value", f"the value for {name} would not be stored as it is", cure=cure)
    return _change(host, box, ("add", "-x", "-f", name), value, expect, deadline)


def remove(host: Host, box: Toolbox, name: str, deadline: Deadline, expect: Digest | None = None) -> KeystoreState:
    """Remove a secure setting; one that is not there is no error. Raises as `add` does."""
    return _change(host, box, ("remove", name), b"", expect, deadline)


def show(host: Host, box: Toolbox, name: str, deadline: Deadline) -> bytes | None:
    """The value of a secure setting on disk; None: it is not there. Raises HostError `keystore`."""
    before = _there(host, box, deadline)
    done, secrets = _run(host, box, before.owner, ("show", name), b"", deadline)
    if done.exit_code == _NOT_THERE:
        return None
    _must_be_done(done, "show", box, secrets)
    return done.stdout.removesuffix(b"\n").removesuffix(b"\r")


def compare(host: Host, box: Toolbox, wanted: Mapping[str, bytes], deadline: Deadline) -> dict[str, Held]:
    """Whether each secure setting has the value that it should have. Raises HostError `keystore`."""
    found: dict[str, Held] = {}
    for name, value in wanted.items():
        there = show(host, box, name, deadline)
        found[name] = "absent" if there is None else "wanted" if compare_digest(there, value) else "other"
    return found


def read(host: Host, box: Toolbox, deadline: Deadline) -> KeystoreState | None:
    """The file, without what it holds; None: there is none."""
    found = host.read(box.keystore, _LARGEST, deadline)
    return KeystoreState(_digest(found), found.owner, modified=found.modified) if found else None


def is_protected(host: Host, box: Toolbox, deadline: Deadline) -> bool:
    """Whether the keystore has a password: its header tells, else the tool. Raises HostError `keystore`."""
    found = _there(host, box, deadline)
    if found.content.startswith(_HEADER) and len(found.content) > _PROTECTED:
        return found.content[_PROTECTED] == 1
    return _has_password(host, box, found.owner, deadline)


def _change(
    host: Host, box: Toolbox, argv: tuple[str, ...], value: bytes, expect: Digest | None, deadline: Deadline
) -> KeystoreState:
    before = _there(host, box, deadline)
    if expect is not None and _digest(before) != expect:
        raise ChangedUnderneath("changed", "the keystore is no longer what the plan was made from", where=box.keystore)
    owner = _right_owner(host, box, before.owner, deadline)
    done, secrets = _run(host, box, before.owner, argv, value, deadline)
    after = _with_owner(host, box, owner, deadline)
    if done.exit_code != _NOT_THERE or argv[0] != "remove":
        _must_be_done(done, argv[0], box, secrets)
    return after


def _there(host: Host, box: Toolbox, deadline: Deadline) -> Found:
    found = host.read(box.keystore, _LARGEST, deadline)
    if found is None:
        raise HostError("keystore", "there is no keystore", where=box.keystore, cure="Check layout.config_dir")
    return found


def _run(
    host: Host, box: Toolbox, owner: Ownership, argv: tuple[str, ...], value: bytes, deadline: Deadline
) -> tuple[CommandResult, tuple[bytes, ...]]:
    """What the tool did, and what must not be in any text about it."""
    lines = (value,) if value else ()
    password = box.unlock()
    if password is not None and _has_password(host, box, owner, deadline):  # else it would be stored as the value
        lines = (password, *lines)
    stdin = b"".join(line + b"\n" for line in lines)
    return run_as(host, owner, (*box.keystore_tool, *argv), stdin, _OUTPUT, deadline), lines


def _has_password(host: Host, box: Toolbox, owner: Ownership, deadline: Deadline) -> bool:
    done = run_as(host, owner, (*box.keystore_tool, "has-passwd", "--silent"), b"", _OUTPUT, deadline)
    said = [line for line in done.stderr.splitlines() if b"warning" not in line.lower()]
    if done.exit_code not in (_DONE, _NOT_PROTECTED) or (done.exit_code and said):  # 1 is also: no Java
        _must_be_done(done, "has-passwd", box, ())
    return done.exit_code == _DONE


def _must_be_done(done: CommandResult, verb: str, box: Toolbox, secrets: tuple[bytes, ...]) -> None:
    if done.exit_code == _DONE:
        return
    text = f"elasticsearch-keystore {verb} ended with {done.exit_code}: {last_line(done, secrets)}"
    cure = "See layout.home and layout.java_home; a keystore with a password needs layout.keystore_password_file"
    raise HostError("keystore", text, where=box.keystore, cure=cure)


def _right_owner(host: Host, box: Toolbox, before: Ownership, deadline: Deadline) -> Ownership:
    """Its owner; but the folder's group for a file of root's own group, which no Elasticsearch user can read."""
    folder = host.owner(dirname(box.keystore), deadline)
    return replace(before, gid=folder.gid) if folder and (before.uid, before.gid) == (0, 0) else before


def _with_owner(host: Host, box: Toolbox, owner: Ownership, deadline: Deadline) -> KeystoreState:
    """The tool replaces the file; where the folder does not hand down the group, the process could not read it."""
    found = _there(host, box, deadline)
    if found.owner != owner:
        host.fix_owner(box.keystore, owner, _digest(found), deadline)
    return KeystoreState(_digest(found), owner)


def _digest(found: Found) -> Digest:
    return content_digest(found.content)
