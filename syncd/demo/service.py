"""The service of a demo node, without systemd: keeps its process, starts it anew when told, tells how it is.

`service.py run FOLDER COMMAND...` is the keeper; `restart` and `status`, in that folder, are the two commands that syncd
is given. It imports nothing of syncd, since each of these is a process of its own.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

_RUNS, _FAILED, _STOPPED = 0, 1, 3
_PID, _STATE, STARTS = "service.pid", "service.state", "service.starts"
"""Who keeps it; how it is; a line for each start, which nobody but the keeper writes."""


class Keeper:
    """Keeps one process, until SIGTERM; SIGHUP ends it and starts it anew."""

    def __init__(self, folder: Path, command: list[str]) -> None:
        self._folder = folder
        self._command = command
        self._child: subprocess.Popen[bytes] | None = None
        self._again = self._ending = False

    def run(self) -> None:
        """Until it is ended."""
        signal.signal(signal.SIGHUP, lambda *_: self._end_child(again=True))
        signal.signal(signal.SIGTERM, lambda *_: self._end_child(again=False))
        _write(self._folder / _PID, str(os.getpid()))
        while not self._ending:
            self._start().wait()
            if not self._again and not self._ending:
                _write(self._folder / _STATE, "failed")
            while not self._again and not self._ending:
                time.sleep(0.1)
            self._again = False

    def _start(self) -> subprocess.Popen[bytes]:
        with (self._folder / STARTS).open("a") as starts:
            starts.write(f"{time.monotonic():.3f}\n")
        _write(self._folder / _STATE, "active")
        self._child = subprocess.Popen(self._command)  # noqa: S603 - of whoever started the keeper
        if self._ending:  # told while it was being started
            self._child.terminate()
        return self._child

    def _end_child(self, *, again: bool) -> None:
        self._again, self._ending = again, self._ending or not again
        if self._child:
            self._child.terminate()


def restart(folder: Path) -> int:
    """Tell the keeper, without waiting."""
    os.kill(int((folder / _PID).read_text()), signal.SIGHUP)
    return 0


def status(folder: Path) -> int:
    """0: it runs or is being started; 1: its process ended by itself; 3: nobody keeps it."""
    try:
        os.kill(int((folder / _PID).read_text()), 0)
    except (OSError, ValueError):
        return _STOPPED
    return _RUNS if (folder / _STATE).read_text() == "active" else _FAILED


def _write(path: Path, text: str) -> None:
    temp = path.with_suffix(".new")
    temp.write_text(text)
    temp.rename(path)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["run", folder, *command]:
            Keeper(Path(folder), command).run()
        case ["restart"]:
            sys.exit(restart(Path()))
        case ["status"]:
            sys.exit(status(Path()))
        case _:
            sys.exit("run FOLDER COMMAND... | restart | status")
