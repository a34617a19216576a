"""Whether a start of a node would be given the password of its keystore.

Elasticsearch's packages take it from a file that an environment variable of the unit names (`systemd-entrypoint`). As
documented, that file is deleted once the node runs, so the next start would fail, and the one that takes it back, too.
"""

import shlex
from collections.abc import Iterator

from syncd.core.errors import HostError
from syncd.ports import Deadline, Host

_VARIABLE = "ES_KEYSTORE_PASSPHRASE_FILE"
_ENTRY = "systemd-entrypoint"
_OUTPUT = 100_000
_SHOW = 'systemctl show --property=ExecStart,Environment,EnvironmentFiles -- "$1" && echo && systemctl show-environment'


def lacking(host: Host, unit: str, deadline: Deadline) -> str:
    """Why a start of a protected node would fail; empty: it would not. Raises HostError `unit_unknown`.

    Who starts it by another command sees to the password there.
    """
    done = host.run(("sh", "-c", _SHOW, "sh", unit), b"", _OUTPUT, deadline)
    if done.exit_code:
        said = done.stderr.decode("utf-8", "replace").strip()[:200]
        raise HostError("unit_unknown", f"systemctl ended with {done.exit_code}: {said}", where=unit)
    shown, _, manager = done.stdout.decode("utf-8", "replace").partition("\n\n")
    lines = [line.partition("=")[::2] for line in shown.splitlines()]
    if not any(name == "ExecStart" and _ENTRY in value for name, value in lines):
        return ""
    path = ""
    for value in (*_assigned(manager), *_of_unit(host, lines, deadline)):
        path = value  # a later one counts: the manager's, the unit's, its files'
    if not path:
        return f"its unit has no {_VARIABLE}"
    return "" if host.owner(path, deadline) else f"{path}, which {_VARIABLE} names, is not there"


def _of_unit(host: Host, lines: list[tuple[str, str]], deadline: Deadline) -> Iterator[str]:
    for name, value in lines:
        if name == "Environment":
            yield from _assigned(value)
    for name, value in lines:
        path = value.partition(" (")[0]
        found = host.read(path, _OUTPUT, deadline) if name == "EnvironmentFiles" and path else None
        if found:
            yield from _assigned(found.content.decode("utf-8", "replace"))


def _assigned(text: str) -> Iterator[str]:
    """Values of the variable, in any of systemd's forms: one to a line, or many, with quotes around any part."""
    for line in text.splitlines():
        if line.lstrip().startswith(("#", ";")):
            continue
        try:
            words = shlex.split(line)
        except ValueError:
            words = []  # of another variable: a path has no lone quote
        yield from (word.partition("=")[2] for word in words if word.startswith(f"{_VARIABLE}="))
