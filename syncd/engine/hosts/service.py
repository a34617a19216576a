"""A node's service: as systemd tells and does it, or by the operator's own commands."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from syncd.core.errors import HostError
from syncd.core.model import UnitState
from syncd.ports import CommandResult, Deadline, Host

Active: TypeAlias = Literal["active", "activating", "deactivating", "inactive", "failed"]

_OUTPUT = 10_000
_STARTED = ("InactiveExitTimestampMonotonic", "ExecMainStartTimestampMonotonic")
"""When a start was begun; and when its process was, which is later where systemd starts a failed one again."""
_PROPERTIES = ",".join(("LoadState", "ActiveState", "SubState", "InvocationID", *_STARTED))
_SHOW = f'systemctl show --property={_PROPERTIES} -- "$1" && cat /proc/uptime'
"""Both in one breath, or the age of a start would be off by what lies between."""
_ANOTHER, _INVOCATION = 75, b"InvocationID="
"""How the command below ends, and what it says, where the unit was started by somebody else."""
_IF_EXPECTED = (
    'now=$(systemctl show --property=InvocationID -- "$1") || exit; now=${{now#InvocationID=}}; '
    'case "$now" in "$2"|"$3") ;; *) echo "InvocationID=$now"; exit 75;; esac; {first}shift 3; exec "$@"'
)
"""$1 is the unit, $2 and $3 are the starts that are expected, what follows is done then and only then. systemctl has no such
condition of its own. A systemd that knows no InvocationID shows nothing, or nothing after the name."""
_RESET = 'systemctl reset-failed -- "$1" 2>/dev/null; '
"""It fails where nothing has failed."""
_ACTIVE: dict[str, Active] = {
    "active": "active",
    "reloading": "active",
    "refreshing": "active",
    "activating": "activating",
    "deactivating": "deactivating",
    "inactive": "inactive",
    "maintenance": "inactive",
    "failed": "failed",
}
_FAILED_ONCE = ("auto-restart", "auto-restart-queued")
"""systemd calls a unit with `Restart=` that has failed and is about to be started again `activating`."""
_RUNS, _STOPPED = 0, 3
_TELLS_NOTHING = (4, 126, 127)
"""Exit statuses of a status command that could not find out, cannot be run, is not there."""


@dataclass(frozen=True, slots=True)
class Service:
    """How a node's service is looked at and restarted."""

    unit: str = "elasticsearch.service"
    """Its systemd unit."""
    restart: tuple[str, ...] = ()
    """The operator's own command, which may wait for the start (then it needs the deadline for it); empty: systemctl."""
    status: tuple[str, ...] = ()
    """The operator's own command: exit status 0 when it runs, 3 when it does not (yet), else it failed; empty: systemctl."""

    @property
    def own(self) -> bool:
        """Whether the operator's own commands stand for systemd."""
        return bool(self.restart or self.status)


def look_at_unit(host: Host, service: Service, deadline: Deadline) -> UnitState:
    """What state it is in. Raises HostError `unit_unknown` where that cannot be told."""
    if service.status:
        return UnitState(_own_status(host, service, deadline), "")
    done = host.run(("sh", "-c", _SHOW, "sh", service.unit), b"", _OUTPUT, deadline)
    if done.exit_code:
        raise _unknown(service.unit, _said(done))
    *lines, uptime = done.stdout.decode("utf-8", "replace").splitlines()
    return _state(dict(line.partition("=")[::2] for line in lines), uptime, service.unit)


def restart(host: Host, service: Service, expect_invocation: str, deadline: Deadline) -> None:
    """Restart it without waiting, if it is still the start that was expected.

    Compared and restarted in one command on the host: whoever stood still in between, with the permit lost meanwhile,
    restarts nothing. Raises HostError `unit_changed` when somebody else has started it, `unit_refused` when the command
    fails.
    """
    _restart(host, service, (expect_invocation,), deadline)


def start_again(host: Host, service: Service, expect_invocation: str, deadline: Deadline) -> None:
    """Start one that failed, or that runs and does not join, whatever limit of starts systemd has counted up to.

    systemd may forget the InvocationID of a failed unit together with the failure, so none is no other one.
    Raises HostError as `restart` does.
    """
    _restart(host, service, (expect_invocation, ""), deadline, first="" if service.restart else _RESET)


def _restart(host: Host, service: Service, expected: tuple[str, ...], deadline: Deadline, first: str = "") -> None:
    command = service.restart or ("systemctl", "restart", "--no-block", "--", service.unit)
    argv = command
    if service.status:
        _expect(host, service, expected, deadline)  # it counts no starts
    else:
        script = _IF_EXPECTED.format(first=first)
        argv = ("sh", "-c", script, "sh", service.unit, expected[0], expected[-1], *command)
    done = host.run(argv, b"", _OUTPUT, deadline)
    if done.exit_code == _ANOTHER and done.stdout.startswith(_INVOCATION):
        raise _another(service, done.stdout.decode("utf-8", "replace").strip().partition("=")[2], expected)
    if done.exit_code:
        cure = "Let the user that syncd works as run this command (transport.become, or service.restart)"
        text = f"`{' '.join(command)}` ended with {done.exit_code}: {_said(done)}"
        raise HostError("unit_refused", text, where=service.unit, cure=cure)


def expect_start(host: Host, service: Service, invocation: str, deadline: Deadline) -> None:
    """Raise HostError `unit_changed` where it is another start than the expected one."""
    _expect(host, service, (invocation,), deadline)


def _expect(host: Host, service: Service, expected: tuple[str, ...], deadline: Deadline) -> None:
    there = look_at_unit(host, service, deadline)
    if there.invocation not in expected:
        raise _another(service, there.invocation, expected)


def _another(service: Service, invocation: str, expected: tuple[str, ...]) -> HostError:
    text = f"somebody else has started it: its InvocationID is {invocation or 'unset'}, not {expected[0] or 'unset'}"
    return HostError("unit_changed", text, where=service.unit, cure="Nothing was done; syncd looks again")


def _own_status(host: Host, service: Service, deadline: Deadline) -> Active:
    done = host.run(service.status, b"", _OUTPUT, deadline)
    if done.exit_code < 0 or done.exit_code in _TELLS_NOTHING or done.stderr.startswith(b"sudo: "):
        raise _unknown(" ".join(service.status), f"it ended with {done.exit_code}: {_said(done)}")
    if done.exit_code == _RUNS:
        return "active"
    return "inactive" if done.exit_code == _STOPPED else "failed"


def _state(told: dict[str, str], uptime: str, unit: str) -> UnitState:
    active = _ACTIVE.get(told.get("ActiveState", ""))
    if active is None:
        raise _unknown(unit, f"systemd calls its state {told.get('ActiveState')!r}")
    if told.get("LoadState") == "not-found" and active == "inactive":
        raise _unknown(unit, "systemd knows no such unit")
    if told.get("SubState") in _FAILED_ONCE:
        active = "failed"
    return UnitState(active, told.get("InvocationID", ""), _age(told, uptime))


def _age(told: dict[str, str], uptime: str) -> float | None:
    try:
        started = max(int(told.get(name) or 0) for name in _STARTED) / 1e6
        now = float(uptime.split(maxsplit=1)[0])
    except (ValueError, IndexError):
        return None
    return max(0.0, now - started) if started else None


def _unknown(where: str, text: str) -> HostError:
    cure = "Name the unit (restart.unit), or where there is no systemd the commands (service.restart, service.status)"
    return HostError("unit_unknown", f"the state of the service cannot be told: {text}", where=where, cure=cure)


def _said(done: CommandResult) -> str:
    lines = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:200] if lines else "it said nothing"
