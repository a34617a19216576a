"""The keystore tool is given what it needs by stdin, and whatever it does to the file, the node can read it after."""

import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from syncd.adapters.local import LocalHost
from syncd.core.bundle import Digest, content_digest
from syncd.core.errors import ChangedUnderneath, HostError
from syncd.engine.hosts import keystore
from tests.bed.waiting import soon
from tests.fakes.tools import FakeTools

NAME = "cluster.remote.eck.credentials"
VALUE = b"canary-of-a-key"
PASSWORD = b"canary-of-the-keystore"
HOST = LocalHost()


@pytest.fixture
def tools(open_folder: Path) -> FakeTools:
    return FakeTools.create(open_folder)


@pytest.fixture
def protected(open_folder: Path) -> FakeTools:
    return FakeTools.create(open_folder, PASSWORD.decode())


def test_a_value_is_stored_and_read_and_removed(tools: FakeTools) -> None:
    box = tools.box()
    assert keystore.compare(HOST, box, {NAME: VALUE}, soon()) == {NAME: "absent"}
    keystore.add(HOST, box, NAME, VALUE, soon())
    assert keystore.show(HOST, box, NAME, soon()) == VALUE
    assert keystore.compare(HOST, box, {NAME: VALUE}, soon()) == {NAME: "wanted"}
    assert keystore.compare(HOST, box, {NAME: b"another"}, soon()) == {NAME: "other"}
    for _ in range(2):
        keystore.remove(HOST, box, NAME, soon())
    assert tools.settings() == {}


def test_no_secret_is_in_an_argument_or_the_environment(protected: FakeTools) -> None:
    """Promise 8."""
    box = protected.box(PASSWORD)
    keystore.add(HOST, box, NAME, VALUE, soon())
    assert keystore.compare(HOST, box, {NAME: VALUE}, soon()) == {NAME: "wanted"}
    keystore.remove(HOST, box, NAME, soon())
    calls = protected.calls()
    assert len(calls) == 6
    assert not [call for call in calls if "canary" in call]


def test_a_protected_keystore_needs_its_password_and_the_error_says_so_without_secrets(protected: FakeTools) -> None:
    """The tool took the value for the password, and may say it."""
    for box in (protected.box(), protected.box(b"canary-that-is-wrong")):
        with pytest.raises(HostError, match="password") as refused:
            keystore.add(HOST, box, NAME, VALUE, soon())
        assert "canary" not in str(refused.value)
        assert "keystore_password_file" in refused.value.cure


def test_a_password_is_never_stored_as_a_value(tools: FakeTools) -> None:
    """One that is configured for a keystore that has none would be the first line that the tool reads."""
    keystore.add(HOST, tools.box(PASSWORD), NAME, VALUE, soon())
    assert tools.settings() == {NAME: VALUE.decode()}
    assert not keystore.is_protected(HOST, tools.box(PASSWORD), soon())


@pytest.mark.parametrize("value", [b"", b"two\nlines", b"with\r", b"\xc3\xa9", b"nul\0", b"end\n"])
def test_a_value_that_the_tool_would_cut_or_change_is_refused_and_not_told(tools: FakeTools, value: bytes) -> None:
    with pytest.raises(HostError) as refused:
        keystore.add(HOST, tools.box(), NAME, value, soon())
    assert refused.value.rule == "keystore_value"
    assert tools.settings() == {}


def test_a_keystore_that_is_not_the_expected_one_is_left_alone(tools: FakeTools) -> None:
    """Promise 11."""
    with pytest.raises(ChangedUnderneath):
        keystore.add(HOST, tools.box(), NAME, VALUE, soon(), Digest("0" * 64))
    with pytest.raises(ChangedUnderneath):
        keystore.remove(HOST, tools.box(), NAME, soon(), Digest("0" * 64))
    assert tools.calls() == []
    state = keystore.add(HOST, tools.box(), NAME, VALUE, soon(), content_digest(tools.keystore.read_bytes()))
    assert state.digest == content_digest(tools.keystore.read_bytes())


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to own files by others")
@pytest.mark.parametrize(
    ("folder", "file", "after"),
    [
        pytest.param((0, 61_000, 0o2750), (0, 61_000, 0o660), (0, 61_000, 0o660), id="packages"),
        pytest.param((0, 61_000, 0o750), (0, 61_000, 0o640), (0, 61_000, 0o640), id="packages without setgid"),
        pytest.param((0, 61_000, 0o2750), (0, 0, 0o660), (0, 61_000, 0o660), id="one that root made anew"),
        pytest.param((61_001, 61_002, 0o750), (61_001, 61_002, 0o600), (61_001, 61_002, 0o600), id="archive"),
    ],
)
def test_owner_and_mode_are_what_the_node_needs_before_and_after(
    tools: FakeTools, folder: tuple[int, int, int], file: tuple[int, int, int], after: tuple[int, int, int]
) -> None:
    """Trap T31: a keystore that the Elasticsearch user cannot read keeps the node from starting."""
    for path, (uid, gid, mode) in ((tools.config, folder), (tools.keystore, file)):
        os.chown(path, uid, gid)
        path.chmod(mode)
    keystore.add(HOST, tools.box(), NAME, VALUE, soon())
    status = tools.keystore.stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == after
    assert {json.loads(call)["uid"] for call in tools.calls()} == {file[0]}, "run as who owns the file"


def test_a_tool_that_cannot_start_is_not_a_keystore_without_a_password(tools: FakeTools) -> None:
    """Both end with 1: the password would be stored as the value."""
    tool = tools.home / "bin" / "elasticsearch-keystore"
    tool.write_text(
        f"#!/bin/sh\necho $1 >> {tools.home}/calls\necho 'could not find java in bundled JDK' >&2\nexit 1\n"
    )
    with pytest.raises(HostError, match="could not find java") as refused:
        keystore.add(HOST, tools.box(PASSWORD), NAME, VALUE, soon())
    assert "java_home" in refused.value.cure
    assert tools.calls() == ["has-passwd"], "it was given no value"


def test_a_warning_of_java_is_no_trouble(tools: FakeTools) -> None:
    tool = tools.home / "bin" / "elasticsearch-keystore"
    real = tool.rename(tool.with_name("real"))
    tool.write_text(f'#!/bin/sh\necho "warning: ignoring JAVA_HOME=/x; using bundled JDK" >&2\nexec {real} "$@"\n')
    tool.chmod(0o755)
    keystore.add(HOST, tools.box(PASSWORD), NAME, VALUE, soon())
    assert tools.settings() == {NAME: VALUE.decode()}


def test_a_missing_keystore_is_told(tools: FakeTools) -> None:
    tools.keystore.unlink()
    assert keystore.read(HOST, tools.box(), soon()) is None
    with pytest.raises(HostError, match="no keystore"):
        keystore.add(HOST, tools.box(), NAME, VALUE, soon())


def test_a_password_file_that_cannot_be_read_is_told_as_what_it_is(protected: FakeTools) -> None:
    """Not as a fault of syncd's own, which hides the whole installation."""

    def gone() -> bytes:
        raise FileNotFoundError(2, "No such file or directory", "/canary")

    box = replace(protected.box(), password=gone)
    for work in (lambda: keystore.show(HOST, box, NAME, soon()), lambda: keystore.add(HOST, box, NAME, VALUE, soon())):
        with pytest.raises(HostError, match="No such file") as refused:
            work()
        assert (refused.value.rule, "canary" in str(refused.value)) == ("keystore_password_unreadable", False)
        assert "keystore_password_file" in refused.value.cure
