"""What every Host must do, whatever its transport: the properties that writing as root on a production node needs."""

import os
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from queue import SimpleQueue

import pytest

from syncd.core.bundle import Digest
from syncd.core.errors import ChangedUnderneath, HostError
from syncd.core.model import Ownership
from syncd.demo.free_ports import free_ports
from syncd.ports import Deadline, Host, Stream
from tests.bed.waiting import soon, wait_for

LIMIT = 10_000


def digest(content: bytes) -> Digest:
    return Digest(sha256(content).hexdigest())


class HostContract:
    """Subclasses give the fixture `host` and see the same files under `tmp_path`."""

    @pytest.fixture
    def owner(self) -> Ownership:
        return Ownership(os.getuid(), os.getgid(), 0o640)

    @pytest.fixture
    def target(self, tmp_path: Path) -> Path:
        return tmp_path / "remote-cluster-ca.crt"

    def test_what_is_not_there_is_none(self, host: Host, target: Path) -> None:
        assert host.read(str(target), LIMIT, soon()) is None
        assert host.owner(str(target), soon()) is None

    def test_a_new_file_has_content_owner_and_mode_and_is_read_back(
        self, host: Host, target: Path, owner: Ownership
    ) -> None:
        """Promise 7."""
        found = host.put(str(target), b"content", owner, None, soon())
        assert (found.content, found.owner) == (b"content", owner)
        assert target.read_bytes() == b"content"
        assert stat.S_IMODE(target.stat().st_mode) == 0o640
        assert list(target.parent.iterdir()) == [target], "no temp file is left"

    def test_a_file_is_replaced_only_if_it_is_what_was_expected(
        self, host: Host, target: Path, owner: Ownership
    ) -> None:
        """Promise 11: a writer that wakes up late does no harm."""
        target.write_bytes(b"somebody was here")
        for expect in (None, digest(b"old")):
            with pytest.raises(ChangedUnderneath):
                host.put(str(target), b"new", owner, expect, soon())
        assert target.read_bytes() == b"somebody was here"
        assert list(target.parent.iterdir()) == [target]
        host.put(str(target), b"new", owner, digest(b"somebody was here"), soon())
        assert target.read_bytes() == b"new"

    def test_a_file_that_vanished_is_not_made_anew_by_a_late_writer(
        self, host: Host, target: Path, owner: Ownership
    ) -> None:
        with pytest.raises(ChangedUnderneath):
            host.put(str(target), b"new", owner, digest(b"old"), soon())
        assert not target.exists()

    @pytest.mark.parametrize("kind", ["symlink", "dangling", "folder", "fifo"])
    def test_what_is_not_a_regular_file_is_refused_and_left_alone(
        self, host: Host, target: Path, owner: Ownership, kind: str
    ) -> None:
        other = target.with_name("other")
        other.write_bytes(b"precious")
        if kind == "folder":
            target.mkdir()
        elif kind == "fifo":
            os.mkfifo(target)
        else:
            target.symlink_to(other if kind == "symlink" else target.with_name("nowhere"))
        before = target.lstat()
        with pytest.raises(HostError) as read:
            host.read(str(target), LIMIT, soon())
        assert read.value.rule == "not_a_file"
        with pytest.raises(HostError):
            host.put(str(target), b"new", owner, None, soon())
        assert target.lstat() == before
        assert other.read_bytes() == b"precious"

    def test_a_file_over_the_limit_is_refused_by_name(self, host: Host, target: Path) -> None:
        target.write_bytes(b"x" * (LIMIT + 1))
        with pytest.raises(HostError) as refused:
            host.read(str(target), LIMIT, soon())
        assert refused.value.rule == "too_large"

    def test_a_missing_folder_is_a_clear_error(self, host: Host, target: Path, owner: Ownership) -> None:
        with pytest.raises(HostError) as refused:
            host.put(str(target.parent / "missing" / "file"), b"new", owner, None, soon())
        assert "missing" in str(refused.value)

    def test_owner_and_mode_are_repaired_without_touching_content_or_time(
        self, host: Host, target: Path, owner: Ownership
    ) -> None:
        target.write_bytes(b"content")
        os.utime(target, (1_000_000, 1_000_000))
        target.chmod(0o600)
        host.fix_owner(str(target), owner, digest(b"content"), soon())
        assert stat.S_IMODE(target.stat().st_mode) == owner.mode
        assert (target.read_bytes(), target.stat().st_mtime) == (b"content", 1_000_000)
        with pytest.raises(ChangedUnderneath):
            host.fix_owner(str(target), owner, digest(b"other"), soon())

    def test_only_the_file_that_was_expected_is_removed(self, host: Host, target: Path) -> None:
        """Promise 11, for what goes as for what comes."""
        target.write_bytes(b"somebody was here")
        with pytest.raises(ChangedUnderneath):
            host.remove(str(target), digest(b"old"), soon())
        assert target.read_bytes() == b"somebody was here"
        host.remove(str(target), digest(b"somebody was here"), soon())
        assert list(target.parent.iterdir()) == []

    def test_what_is_gone_already_is_removed(self, host: Host, target: Path) -> None:
        host.remove(str(target), digest(b"old"), soon())
        assert list(target.parent.iterdir()) == []

    @pytest.mark.parametrize("kind", ["symlink", "dangling", "folder", "fifo"])
    def test_what_is_not_a_regular_file_is_not_removed(self, host: Host, target: Path, kind: str) -> None:
        other = target.with_name("other")
        other.write_bytes(b"precious")
        if kind == "folder":
            target.mkdir()
        elif kind == "fifo":
            os.mkfifo(target)
        else:
            target.symlink_to(other if kind == "symlink" else target.with_name("nowhere"))
        with pytest.raises(HostError) as refused:
            host.remove(str(target), digest(b"precious"), soon())
        assert refused.value.rule == "not_a_file"
        assert other.read_bytes() == b"precious"
        assert os.path.lexists(target)

    def test_a_removal_takes_what_crashed_writes_of_that_file_left(
        self, host: Host, target: Path, owner: Ownership
    ) -> None:
        """And nothing that a writer of this moment, or of another file, has there."""
        host.put(str(target), b"content", owner, None, soon())
        old, young = (target.with_name(f".{target.name}.syncd-{number}") for number in (0, 1))
        other = target.with_name(".other.syncd-0")
        for path in (old, young, other):
            path.write_bytes(b"half")
        for path in (old, other):
            os.utime(path, (1_000_000, 1_000_000))
        host.remove(str(target), digest(b"content"), soon())
        assert set(target.parent.iterdir()) == {young, other}

    def test_each_files_left_overs_are_swept_though_they_share_a_folder(
        self, host: Host, target: Path, owner: Ownership
    ) -> None:
        for path in (target, target.with_name("second.crt")):
            left = path.with_name(f".{path.name}.syncd-0")
            left.write_bytes(b"half")
            os.utime(left, (1_000_000, 1_000_000))
            host.put(str(path), b"content", owner, None, soon())
            assert not left.exists(), path.name

    def test_readers_see_the_old_or_the_new_file_and_never_a_part(
        self, host: Host, target: Path, owner: Ownership
    ) -> None:
        old, new = b"a" * 200_000, b"b" * 200_000
        host.put(str(target), old, owner, None, soon())
        with reading(target) as seen:
            for before, after in ((old, new), (new, old), (old, new)):
                host.put(str(target), after, owner, digest(before), soon())
        assert seen <= {old, new}

    def test_a_log_is_read_on_from_where_it_was(self, host: Host, target: Path) -> None:
        assert host.log_position(str(target), soon()) is None
        target.write_bytes(b"before\n")
        position = host.log_position(str(target), soon())
        assert position
        with target.open("ab") as log:
            log.write(b"after\n")
        text, position = host.log_since(position, LIMIT, soon())
        assert text == b"after\n"
        assert host.log_since(position, LIMIT, soon())[0] == b""
        target.unlink()
        target.write_bytes(b"new\n")
        assert host.log_since(position, LIMIT, soon())[0] == b"new\n", "a rotated log is read from its beginning"

    def test_a_command_gets_stdin_and_its_output_is_bounded(self, host: Host) -> None:
        result = host.run(["cat"], b"hello", 3, soon())
        assert (result.exit_code, result.stdout) == (0, b"hel")
        result = host.run(["sh", "-c", "echo wrong >&2; exit 3"], b"", LIMIT, soon())
        assert (result.exit_code, result.stderr) == (3, b"wrong\n")

    def test_what_sshd_and_sudo_remark_on_the_way_is_not_said_by_the_command(self, host: Host) -> None:
        """Whose home is not there, and whose host is in no hosts file, hears so at each command."""
        remarks = (
            "sudo: unable to resolve host es-01: Name or service not known",
            "Could not chdir to home directory /nonexistent: No such file or directory",
        )
        script = 'printf "%s\n" "$@" >&2; exit 1'
        result = host.run(["sh", "-c", script, "sh", *remarks, "its own words", ""], b"", LIMIT, soon())
        assert (result.exit_code, result.stderr) == (1, b"its own words\n\n")

    def test_a_command_that_does_not_end_is_ended(self, host: Host) -> None:
        host.run(["true"], b"", LIMIT, soon())  # a session that is there: the time is the command's alone
        with pytest.raises(HostError) as late:
            host.run(["sleep", "30"], b"", LIMIT, Deadline.after(1))
        assert late.value.rule == "timeout"

    def test_dialing_reaches_what_listens_and_says_what_does_not(self, host: Host, echo_port: int) -> None:
        stream = host.dial("127.0.0.1", echo_port, soon())
        stream.send(b"ping", soon())
        assert stream.receive(10, soon()) == b"ping"
        stream.close()
        with pytest.raises(HostError) as refused:
            host.dial("127.0.0.1", 1, soon())
        assert refused.value.rule == "dial_refused"

    def test_a_port_of_the_hosts_own_loopback_is_listened_on_until_it_is_closed(self, host: Host) -> None:
        port = free_ports(1)[0]
        heard: SimpleQueue[bytes] = SimpleQueue()

        def accept(stream: Stream) -> None:
            heard.put(stream.receive(10, soon()))
            stream.send(b"pong", soon())
            stream.close()

        listening = host.listen(port, accept, soon())
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", port), 20) as peer:
                peer.sendall(b"ping")
                assert heard.get(timeout=20) == b"ping"
                assert peer.recv(10) == b"pong"
        with pytest.raises(HostError) as taken:
            host.listen(port, accept, soon())
        assert taken.value.rule == "tunnel_refused"
        listening.close()
        wait_for(lambda: not _connects(port), 20, "the port to be closed")


def _connects(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@contextmanager
def reading(path: Path) -> Iterator[set[bytes]]:
    """All contents that a reader of the file ever saw."""
    seen: set[bytes] = set()
    done = threading.Event()

    def read() -> None:
        while not done.wait(0.001):
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield seen
    finally:
        done.set()
        reader.join()
