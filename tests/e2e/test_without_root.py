"""What docs/hosts.md promises without root, on a real node.

An account of its own keeps the trust file, and nothing more; the user that Elasticsearch runs as does everything, with
commands of the operator's own to restart the node, as docs/restarts.md has them.
"""

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
from tests.bed.estate import ALIAS, Estate, replace_file
from tests.bed.faulty import Faulty
from tests.bed.pytest_plugin import need
from tests.bed.systemd_cluster import HOME, OWNER, SystemdCluster
from tests.bed.waiting import wait_for

pytestmark = [pytest.mark.bed, pytest.mark.timeout(600)]


@pytest.fixture
def site(request: pytest.FixtureRequest, open_folder: Path) -> Iterator[Faulty]:
    need(request, "systemd", "sshd", "sudo", "elasticsearch", "kube")
    made = SystemdCluster(open_folder, size=1, network="127.0.10", yml=QUICK_RELOAD).create()
    remote = EckRemote(open_folder / "eck", request.getfixturevalue("_kube_session"))  # never started
    estate = Faulty(open_folder, made, remote, remote.kube, "api_key")
    try:
        yield estate
    finally:
        estate.end()
        made.stop()


def test_every_rotation_is_written_and_proven_without_root(site: Faulty) -> None:
    site.cluster.start()
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


@pytest.fixture(params=["a unit", "an archive"])
def service(request: pytest.FixtureRequest, site: Faulty) -> dict[str, list[str]]:
    """The node runs and all of its files are its user's own, who may log in; how that user restarts it."""
    (node,), world = site.cluster.nodes, site.cluster.world
    world.write("/etc/sudoers.d/syncd", "", 0o440)
    world.run("usermod", "--password", "*", "--shell", "/bin/sh", OWNER)
    world.run("chown", "-R", f"{OWNER}:{OWNER}", str(node.folder))
    if request.param == "a unit":
        line, said = documented.of_its_user(node.unit)
        world.write("/etc/sudoers.d/syncd-restart", line, 0o440)
        site.cluster.start()
        return said
    scripts = documented.of_an_archive(str(node.folder), HOME, str(node.config))
    for name, text in scripts.items():
        world.write(str(node.folder / name), text, 0o755)
    restart, status = (str(node.folder / name) for name in scripts)
    world.run("setpriv", f"--reuid={OWNER}", f"--regid={OWNER}", "--init-groups", restart)
    site.cluster.wait_green()
    return {"restart": [restart], "status": [status]}


def test_elasticsearchs_own_user_does_everything_with_commands_of_the_operators_own(
    site: Faulty, service: dict[str, list[str]]
) -> None:
    """Trust, settings, a credential and the restart; its home is not there, as with the packages' user."""
    (node,) = site.cluster.nodes
    replace_file(site.folder / "api-key", "aWQ6a2V5")
    site.interval = "2s"
    options: dict[str, Any] = {"transport": site.transport | {"user": OWNER, "become": None}, "service": service}
    restart = {"accept_outage": True, "join_timeout": "3m"}
    site.run(restart=restart, remote={"credential_file": "api-key"}, **options)
    site.await_changed(120)
    assert site.done() == {node.name}, "with one restart, and never taken back"
    assert wait_for(lambda: loaded(site), 60, "the proof", 0.5)
    assert f"cluster.remote.{ALIAS}.credentials" in site.cluster.tool(node, "elasticsearch-keystore", "list")
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in node.config.iterdir()}
    assert owners == {(node.folder.stat().st_uid, node.folder.stat().st_gid)}
    assert not list(node.config.glob("*.syncd-*"))
    log = (site.folder / "syncd.log").read_text()
    assert "es_unauthorized" not in log, "while the cluster starts it knows no key, and says so in a way of its own"


@pytest.mark.parametrize("service", ["an archive"], indirect=True)
def test_a_start_that_fails_is_taken_back_by_what_the_status_command_says(
    site: Faulty, service: dict[str, list[str]]
) -> None:
    """The only node of its cluster: nobody can be asked for the record of the restart meanwhile."""
    (node,) = site.cluster.nodes
    before = site.contents()
    site.interval = "2s"
    script = Path(service["restart"][0])
    refused = f"$(grep -q '{site.interval}' {node.config}/elasticsearch.yml && echo -E no.such.setting=1)"
    script.write_text(script.read_text().replace(" -d -p", f" {refused} -d -p"))
    options: dict[str, Any] = {"transport": site.transport | {"user": OWNER, "become": None}, "service": service}
    site.run(restart={"accept_outage": True, "join_timeout": "15m"}, **options)
    site.await_hold("restart_failed", 240)
    wait_for(lambda: site.ended()[node.name]["result"] == "failed", 120, "the end of the restart", 0.5)
    assert site.contents() == before
    assert site.keeps_refused(node)
    assert set(site.running().values()) == {"1s"}


def to_add(site: Estate) -> list[str]:
    """The lines that an operator is told to add."""
    holds = [hold["text"] for hold in site.status()["holds"] if hold.get("rule") == "yml_observed"]
    return [line for text in holds for line in text.partition("(yml: observed): ")[2].split("; ")]


def loaded(site: Estate) -> str:
    rows = site.status()["rows"]
    return str(rows[0]["loaded"]) if rows and rows[0]["file"] == "in step" else ""
