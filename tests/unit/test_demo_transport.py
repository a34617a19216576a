"""The demo's transport ports do what 9300 does, and its keeper restarts what it keeps."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from syncd.adapters.local import dial
from syncd.adapters.tls import TlsHandshakes
from syncd.demo import service
from syncd.demo.contexts import Start, TlsFiles
from syncd.demo.mutual import DOWN, TransportPort, client_context, look, server_context, shake
from syncd.demo.own import YML, OwnCas
from syncd.demo.pki import EckCa
from syncd.ports import Deadline, now
from tests.bed.waiting import wait_for

OURS, THEIRS, OTHER = (EckCa.create(now(), name) for name in ("onprem", "partner", "other"))


@pytest.fixture
def port() -> Iterator[TransportPort]:
    made = TransportPort()
    leaf = THEIRS.leaf()
    made.turn_to([server_context(THEIRS.pem + OURS.pem, leaf.chain_pem, leaf.key_pem)])
    yield made
    made.stop()


def shaken(folder: Path, port: TransportPort, trust: EckCa, issuer: EckCa | None) -> str:
    """The error of a handshake of who trusts one CA and presents a leaf of another; empty: there was none."""
    leaf = (issuer or OURS).leaf("es-01")
    for name, content in (("trust", trust.pem), ("chain", leaf.cert.pem), ("key", leaf.key_pem)):
        (folder / name).write_bytes(content)
    own = {"chain": str(folder / "chain"), "key": str(folder / "key")} if issuer else {}
    return shake(port.port, client_context(str(folder / "trust"), **own), mutual=True)


def test_a_transport_port_trusts_and_is_trusted_or_there_is_no_connection(tmp_path: Path, port: TransportPort) -> None:
    assert shaken(tmp_path, port, THEIRS, OURS) == ""
    assert "verify failed" in shaken(tmp_path, port, OTHER, OURS)
    assert "unknown ca" in shaken(tmp_path, port, THEIRS, OTHER)
    assert "certificate required" in shaken(tmp_path, port, THEIRS, None)
    port.stop()
    assert shaken(tmp_path, port, THEIRS, OURS) == DOWN


def test_a_transport_port_names_all_whom_it_trusts_as_syncd_sees_it(port: TransportPort) -> None:
    stream = dial("127.0.0.1", port.port, Deadline.after(10))
    try:
        shown = TlsHandshakes().shown(stream, "there", Deadline.after(10))
    finally:
        stream.close()
    assert shown.accepted == {OURS.cert.subject, THEIRS.cert.subject} == look(port.port).accepted
    assert shown.presented.leaf.issuer == THEIRS.cert.subject == look(port.port).issuer


def test_settings_are_read_once_and_files_again_and_what_will_not_load_changes_nothing(tmp_path: Path) -> None:
    yml, said = tmp_path / "elasticsearch.yml", list[str]()
    own = OwnCas({"es-01": tmp_path})
    yml.write_text(YML + "resource.reload.interval.high: 1s\n")
    start = Start.read(yml)
    assert start.reload_interval == "1s"
    assert start.transport.files == tuple(str(tmp_path / name) for name in ("own-ca.crt", "own.crt", "own.key"))
    files = TlsFiles(start.transport, lambda *told: said.append(told[2]))
    assert files.load() == ""
    assert not files.poll()
    first = files.server
    (tmp_path / "own.key").write_bytes(OTHER.leaf().key_pem + b"\n")
    assert not files.poll()
    assert "cannot notify file changes listener" in said[-1]
    assert files.server is first
    own.announce()
    own.issue()
    assert files.poll()
    assert f"using file [{tmp_path / 'own-ca.crt'}]" in "".join(said)
    assert files.server is not first


def test_a_keeper_restarts_its_process_when_told_and_tells_one_that_ended_by_itself(tmp_path: Path) -> None:
    command = [sys.executable, "-IS", service.__file__, "run", str(tmp_path), "sh", "-c", 'echo $$ > "$0"; sleep 60']
    keeper = subprocess.Popen([*command, str(tmp_path / "kept")])
    try:
        first = wait_for((tmp_path / "kept").read_text, 20, "the process")
        assert service.status(tmp_path) == 0
        service.restart(tmp_path)
        second = wait_for(lambda: (tmp_path / "kept").read_text().replace(first, ""), 20, "the next one")
        subprocess.run(["kill", "-9", second.strip()], check=True)
        wait_for(lambda: service.status(tmp_path) == 1, 20, "the failure")
        assert len((tmp_path / service.STARTS).read_text().splitlines()) == 2
    finally:
        keeper.send_signal(signal.SIGTERM)
        keeper.wait(20)
    assert service.status(tmp_path) == 3
