"""What docs/hosts.md promises without root: an account of its own keeps the trust file, on a real node, and nothing more."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from syncd.core.bundle import read_trust_file
from syncd.demo.pki import EckCa
from syncd.ports import now
from tests.bed import documented
from tests.bed.eck import EckRemote
from tests.bed.elasticsearch import QUICK_RELOAD
from tests.bed.estate import Estate, replace_file
from tests.bed.faulty import Faulty
from tests.bed.pytest_plugin import need
from tests.bed.systemd_cluster import SystemdCluster
from tests.bed.waiting import wait_for

pytestmark = [pytest.mark.bed, pytest.mark.timeout(600)]


@pytest.fixture
def site(request: pytest.FixtureRequest, open_folder: Path) -> Iterator[Faulty]:
    need(request, "systemd", "sshd", "sudo", "elasticsearch", "kube")
    made = SystemdCluster(open_folder, size=1, network="127.0.10", yml=QUICK_RELOAD).create()
    remote = EckRemote(open_folder / "eck", request.getfixturevalue("_kube_session"))  # never started
    estate = Faulty(open_folder, made, remote, remote.kube, "api_key")
    try:
        made.start()
        yield estate
    finally:
        estate.end()
        made.stop()


def test_every_rotation_is_written_and_proven_without_root(site: Faulty) -> None:
    (node,), world = site.cluster.nodes, site.cluster.world
    world.write("/etc/sudoers.d/syncd", "", 0o440)
    for command in documented.without_root():
        world.run(*shlex.split(command.replace("/etc/elasticsearch", str(node.config)), comments=True))
    options: dict[str, Any] = {
        "layout": {"bundle_dir": "syncd"},
        "yml": "observed",
        "transport": site.transport | {"become": None},
        "reload_interval": None,
    }
    site.run(restart={"policy": "never"}, **options)
    path = node.config / "syncd" / "remote-cluster-ca.crt"
    (line,) = wait_for(lambda: to_add(site), 60, "the line for elasticsearch.yml", 0.5)
    assert str(path) in line
    there, folder = path.stat(), path.parent.stat()
    assert (there.st_uid, there.st_gid, there.st_mode & 0o777) == (folder.st_uid, folder.st_gid, 0o644)

    yml = node.config / "elasticsearch.yml"
    yml.write_text(f"{yml.read_text()}{line}\n")
    world.systemctl("restart", node.unit)
    wait_for(lambda: loaded(site) == "proven by started_after", 120, "proven by the start", 0.5)

    ca = EckCa.create(now())
    replace_file(site.folder / "eck-ca.pem", ca.pem.decode())
    wait_for(lambda: ca.cert in read_trust_file(path.read_bytes()).certs, 60, "the new CA in the file", 0.1)
    wait_for(lambda: loaded(site) == "proven by log", 60, "proven by the node's own log", 0.2)
    grave = [hold for hold in site.status()["holds"] if hold["grave"]]
    assert not grave, "nothing calls for a person"


def to_add(site: Estate) -> list[str]:
    """The lines that an operator is told to add."""
    holds = [hold["text"] for hold in site.status()["holds"] if hold.get("rule") == "yml_observed"]
    return [line for text in holds for line in text.partition("(yml: observed): ")[2].split("; ")]


def loaded(site: Estate) -> str:
    rows = site.status()["rows"]
    return str(rows[0]["loaded"]) if rows and rows[0]["file"] == "in step" else ""
