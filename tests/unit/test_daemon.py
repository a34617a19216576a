"""A configuration that changes while syncd runs: all of it comes into force, or nothing does, and it is told which."""

import json
import logging
import socket
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from syncd.cli.daemon import Daemon, _wire
from syncd.demo.free_ports import free_ports
from syncd.demo.pki import EckCa
from syncd.ports import now
from tests.bed.waiting import wait_for

KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "x",
    "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
    "clusters": [{"name": "x", "cluster": {"server": "http://127.0.0.1:1"}}],
    "users": [{"name": "x", "user": {"token": "x"}}],
}


class Lines(logging.Handler):
    """What is logged, whoever sets the root logger up."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append((record.levelname, record.getMessage()))

    def has(self, level: str, text: str) -> bool:
        return any(level == name and text in said for name, said in self.told)


class Kept:
    """A daemon over one cluster of one node on this machine, which does not run, without its signals."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "syncd.yaml"
        self.ports = free_ports(2)
        (folder / "eck.pem").write_bytes(EckCa.create(now()).pem)
        (folder / "es").mkdir()
        (folder / "es/elasticsearch.yml").touch()
        (folder / "key").write_text("a-key")
        (folder / "key").chmod(0o600)
        self.state = folder / "onprem.json"
        self.lines = Lines()
        self.write()

    def write(self, source: dict[str, str] | None = None, mode: str = "observe", **whole: Any) -> None:
        """The configuration file."""
        cluster = {
            "name": "onprem",
            "mode": mode,
            "elasticsearch": {"urls": ["https://127.0.0.1:1"], "api_key_file": "key"},
            "nodes": [{"name": "es-01"}],
            "layout": {"config_dir": str(self.folder / "es")},
            "transport": {"kind": "local"},
            "remotes": [{"alias": "eck", "source": source or {"kind": "file", "path": str(self.folder / "eck.pem")}}],
            "state": {"kind": "file", "path": str(self.state)},
        }
        listen = {"telemetry": {"listen": f"127.0.0.1:{self.ports[0]}"}}
        self.path.write_text(json.dumps({"clusters": [cluster]} | listen | whole))

    def start(self) -> None:
        self.daemon = Daemon(self.path)
        self.daemon._server.start()
        self.daemon._begin(self.daemon._wiring, _wire(self.daemon._wiring), {})
        self.daemon._introduce(self.daemon._live.current)

    def refresh(self, *, asked: bool = False) -> None:
        self.daemon._refresh(asked=asked)

    @property
    def mode(self) -> str:
        return self.daemon._live.current.clusters[0].mode

    def page(self, number: int, path: str = "/metrics") -> str:
        """What is served at one of the ports; empty: nobody serves it."""
        with suppress(OSError), urlopen(f"http://127.0.0.1:{self.ports[number]}{path}", timeout=5) as answer:
            return str(answer.read().decode())
        return ""


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    root, ours = logging.getLogger(), logging.getLogger("syncd")
    handlers, level = root.handlers[:], root.level
    made = Kept(tmp_path)
    ours.addHandler(made.lines)
    made.start()
    yield made
    made.daemon._end()
    made.daemon._server.stop()
    ours.removeHandler(made.lines)
    root.handlers[:] = handlers
    root.setLevel(level)


def test_all_of_telemetry_follows_a_change(kept: Kept) -> None:
    """Address, log and the patience of /healthz, which depends on how often sources are read."""
    listen = f"127.0.0.1:{kept.ports[1]}"
    telemetry = {"listen": listen, "log_level": "error", "log_format": "console"}
    before = logging.getLogger().handlers[0].formatter
    kept.write(telemetry=telemetry, intervals={"reread": "1h"})
    kept.refresh()
    assert 'syncd_config_reloads_total{result="taken"} 1.0' in kept.page(1)
    assert not kept.page(0)
    assert logging.getLogger().level == logging.ERROR
    assert logging.getLogger().handlers[0].formatter is not before
    assert kept.daemon._telemetry._patience == timedelta(seconds=120) + 3 * timedelta(hours=1)
    assert kept.daemon.port == kept.ports[1]


def test_a_change_to_an_address_that_is_taken_is_refused_whole(kept: Kept) -> None:
    with socket.create_server(("127.0.0.1", kept.ports[1])):
        kept.write(mode="act", telemetry={"listen": f"127.0.0.1:{kept.ports[1]}"})
        running = kept.daemon._running["onprem"]
        kept.refresh()
        assert kept.lines.has("ERROR", "cannot listen: Address already in use. Set telemetry.listen to")
        assert "syncd_config_last_reload_successful 0.0" in kept.page(0)
        assert (kept.mode, kept.daemon._running["onprem"]) == ("observe", running)
    kept.refresh(asked=True)
    assert kept.mode == "act"
    assert "syncd_config_last_reload_successful 1.0" in kept.page(1)


def test_what_was_refused_for_a_file_that_it_names_is_taken_when_that_is_mended_and_a_person_asks(kept: Kept) -> None:
    kubeconfig = kept.folder / "kubeconfig"
    source = {"kind": "secret", "namespace": "elastic", "cluster": "quickstart"}
    kept.write(source, kubernetes={"kubeconfig": str(kubeconfig)})
    kept.refresh()
    kept.refresh()
    kept.refresh(asked=True)
    assert len([said for level, said in kept.lines.told if level == "ERROR" and str(kubeconfig) in said]) == 2
    kubeconfig.write_text(json.dumps(KUBECONFIG))
    kept.refresh(asked=True)
    assert kept.lines.has("INFO", "the changed configuration is in force")
    assert "syncd_config_last_reload_successful 1.0" in kept.page(0)
    kept.refresh(asked=True)
    assert kept.lines.has("INFO", "SIGHUP: the configuration is as it was")


def test_taking_back_what_was_refused_begins_nothing_anew(kept: Kept) -> None:
    good, running = kept.path.read_text(), kept.daemon._running["onprem"]
    kept.write({"kind": "secret", "namespace": "elastic", "cluster": "x"}, kubernetes={"kubeconfig": "/not-there"})
    kept.refresh()
    assert "syncd_config_last_reload_successful 0.0" in kept.page(0)
    kept.path.write_text(good)
    kept.refresh()
    assert kept.daemon._running["onprem"] is running
    assert kept.lines.has("INFO", "the refused change was taken back")
    assert "syncd_config_last_reload_successful 1.0" in kept.page(0)
    assert "syncd_config_reloads_total{" not in kept.page(0).replace('{result="refused"} 1.0', "")


def test_two_objects_of_one_name_are_two_series(kept: Kept) -> None:
    """A page with one series twice is refused whole by whoever scrapes it."""
    kubeconfig = kept.folder / "kubeconfig"
    kubeconfig.write_text(json.dumps(KUBECONFIG))
    sources = [{"kind": "secret", "namespace": space, "cluster": "quickstart"} for space in ("one", "two")]
    kept.write(sources[0], kubernetes={"kubeconfig": str(kubeconfig)})
    whole = json.loads(kept.path.read_text())
    whole["clusters"][0]["remotes"].append({"alias": "second", "source": sources[1]})
    kept.path.write_text(json.dumps(whole))
    kept.refresh()
    series = [line.rpartition(" ")[0] for line in kept.page(0).splitlines() if line.startswith("syncd_watch_open{")]
    assert len(series) == len(set(series)) == 2


def test_who_only_looks_asks_for_no_permit(kept: Kept) -> None:
    """README: `mode: observe` changes nothing anywhere. The permit is a file of its own, or a Lease."""
    permit = Path(f"{kept.state}.permit")
    wait_for(lambda: "syncd_settled{" in kept.page(0), 20, "a pass")
    assert 'syncd_observing{cluster="onprem"} 1.0' in kept.page(0)
    assert not permit.exists()
    assert list(kept.folder.glob("*.json*")) == []
    kept.write(mode="act")
    kept.refresh()
    wait_for(permit.exists, 20, "the permit")


def test_the_mode_of_each_cluster_is_told_when_it_comes_into_force(kept: Kept) -> None:
    assert kept.lines.has("INFO", "keeps onprem: mode observe")
    kept.write(mode="act")
    (kept.folder / "key").chmod(0o644)
    kept.refresh()
    assert kept.lines.has("INFO", "keeps onprem: mode act")
    assert kept.lines.has("WARNING", f"chmod 0600 {kept.folder / 'key'}")
