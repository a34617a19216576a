"""Plain files as source, state and permit: for a Secret that other means mount, and for hosts without Kubernetes."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from threading import Event, Thread

from syncd.core.bundle import MAX_BYTES
from syncd.core.errors import SourceError, StateConflict, StateError
from syncd.ports import Deadline, Reading, Ring, Stored


class FileSource:
    """A PEM file. Links are followed: a mounted Secret is one."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    @property
    def name(self) -> str:
        """See `ports.Source.name`."""
        return f"file {self._path}"

    def read(self, deadline: Deadline) -> Reading:  # noqa: ARG002 - a local read is quick
        """See `ports.Source.read`."""
        try:
            with self._path.open("rb") as file:
                content = file.read(MAX_BYTES + 1)
        except FileNotFoundError as error:
            raise SourceError("source_not_found", "there is no such file", where=self.name) from error
        except PermissionError as error:
            cure = "Let syncd's user read it"
            raise SourceError("source_forbidden", "permission denied", where=self.name, cure=cure) from error
        except OSError as error:
            raise SourceError("source_unreadable", str(error.strerror), where=self.name) from error
        if len(content) > MAX_BYTES:
            raise SourceError("source_too_large", f"it has more than {MAX_BYTES} bytes", where=self.name)
        return Reading(content, sha256(content).hexdigest())

    def endpoints(self, deadline: Deadline) -> int:  # noqa: ARG002
        """See `ports.Source.endpoints`: a file does not know."""
        cure = "Set trust.endpoints to the number of Elasticsearch nodes of the remote"
        raise SourceError("endpoints_not_told", "a file cannot tell", where=self.name, cure=cure)


_FOLDER = "The folder must exist and belong to syncd's user (state.path)"


class FileStateStore:
    """One JSON file, 0600, replaced whole; its version is the digest of its text."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    @property
    def name(self) -> str:
        """See `ports.StateStore.name`."""
        return f"file {self._path}"

    def load(self, deadline: Deadline) -> Stored:  # noqa: ARG002
        """See `ports.StateStore.load`."""
        try:
            text = self._path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError as error:
            if not self._path.parent.is_dir():
                raise self._error(error) from error  # else it would look like a first start, with nothing to be saved
            return Stored(None, None)
        except OSError as error:
            raise self._error(error) from error
        return Stored(text, _digest(text))

    def save(self, text: str, expect: str | None, deadline: Deadline) -> str:
        """See `ports.StateStore.save`."""
        try:
            with _locked(self._path.with_name(f".{self._path.name}.lock")):
                if self.load(deadline).version != expect:
                    raise StateConflict("state_conflict", "somebody else wrote it first", where=self.name)
                self._replace(text)
        except OSError as error:
            raise self._error(error) from error
        return _digest(text)

    def _replace(self, text: str) -> None:
        temp = self._path.with_name(f".{self._path.name}.new")  # saves hold the lock: one name, and none left to sweep
        try:
            temp.unlink(missing_ok=True)
            descriptor = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(descriptor)
            temp.rename(self._path)
        finally:
            temp.unlink(missing_ok=True)
        _sync(self._path.parent)

    def _error(self, error: OSError) -> StateError:
        rule = "state_forbidden" if isinstance(error, PermissionError) else "state_unreachable"
        return StateError(rule, f"{error.strerror}", where=self.name, cure=_FOLDER)


class FilePermit:
    """A lock on a file, held for as long as this process lives; the kernel takes it back from a dead one."""

    def __init__(self, path: str, retry: float = 2.0) -> None:
        self._path = Path(path)
        self._retry = retry
        self._descriptor: int | None = None
        self._trouble = ""
        self._stopping = Event()
        self._thread: Thread | None = None

    @property
    def owner(self) -> str:
        """This machine and this file: the same after a restart."""
        return f"file/{_machine()}{self._path}"

    def start(self, ring: Ring) -> None:
        """See `ports.Permit.start`."""
        if self._try():
            ring("permit")
            return
        self._thread = Thread(target=self._wait, args=(ring,), name="permit", daemon=True)
        self._thread.start()

    def valid(self) -> bool:
        """See `ports.Permit.valid`."""
        return self._descriptor is not None

    def holder(self) -> str:
        """See `ports.Permit.holder`."""
        if self.valid():
            return f"pid {os.getpid()}"
        with suppress(OSError):
            return self._path.read_text().strip()
        return ""

    def trouble(self) -> str:
        """See `ports.Permit.trouble`."""
        return self._trouble

    def stop(self) -> None:
        """See `ports.Permit.stop`."""
        self._stopping.set()
        if self._thread:
            self._thread.join(2)
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def _wait(self, ring: Ring) -> None:
        while not self._stopping.wait(self._retry):
            if self._try():
                ring("permit")
                return

    def _try(self) -> bool:
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            self._trouble = f"file {self._path}: {error.strerror}. {_FOLDER}"
            return False
        self._trouble = ""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"pid {os.getpid()}\n".encode())
        self._descriptor = descriptor
        return True


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """An exclusive lock for as long as a save takes."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _machine() -> str:
    """A name for this machine that a restart does not change."""
    with suppress(OSError):
        return Path("/etc/machine-id").read_text().strip()
    return os.uname().nodename


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
