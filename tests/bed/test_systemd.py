"""The systemd world ends whole, and the cluster in it behaves as one that was installed from packages."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from syncd.core.model import NodeName
from syncd.engine.hosts.service import Service, restart
from syncd.ports import CommandResult, Deadline, Host
from tests.bed.pytest_plugin import need
from tests.bed.sshd import alive, end_family
from tests.bed.systemd import SystemdWorld, WorldError
from tests.bed.systemd_cluster import HTTP_PORT, SystemdCluster, SystemdNode
from tests.bed.waiting import wait_for

pytestmark = [pytest.mark.bed, pytest.mark.usefixtures("need_sudo_hosts")]
_SLEEPER = "[Service]\nExecStart=/bin/sleep 1000\n"


def inhabitants(init: int) -> list[int]:
    """All processes of a world, as the host sees them."""
    namespace = _namespace(init)
    pids = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    return [pid for pid in pids if _namespace(pid) == namespace]


def _namespace(pid: int) -> int:
    try:
        return Path(f"/proc/{pid}/ns/pid").stat().st_ino
    except OSError:  # it ended
        return 0


def mounts_of_all() -> str:
    """The mounts that any process of this machine sees."""
    return "".join(_text(path) for path in Path("/proc").glob("[0-9]*/mountinfo"))


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it ended
        return ""


def groups() -> set[str]:
    """The control groups that hold a world, as the world's own way of mounting them shows."""
    script = 'd=$(mktemp -d); mount -t cgroup2 c "$d"; ls "$d" | grep syncd-bed; umount "$d"; rmdir "$d"'
    done = subprocess.run(["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, check=False)
    return set(done.stdout.split())


def with_a_sleeper(world: SystemdWorld) -> list[int]:
    """Something that daemonises inside the world, and all processes there."""
    world.write("/etc/systemd/system/sleeper.service", _SLEEPER)
    world.systemctl("start", "sleeper.service")
    return inhabitants(world.init)


def test_a_world_ends_with_all_its_processes_mounts_and_control_groups(tmp_path: Path) -> None:
    mine, groups_before = Path("/proc/self/mountinfo").read_text(), groups()
    world = SystemdWorld(tmp_path / "world").start()
    family = with_a_sleeper(world)
    assert len(family) >= 3, "systemd, the journal and the sleeper"
    assert str(tmp_path) in mounts_of_all(), "its mounts are seen by those who live in it"
    assert Path("/proc/self/mountinfo").read_text() == mine, "and by nobody else"
    world.stop()
    assert not any(map(alive, family))
    assert str(tmp_path) not in mounts_of_all()
    assert groups() <= groups_before
    assert not list((tmp_path / "world" / "world").iterdir())


@pytest.mark.parametrize("victim", ["test run", "keeper"])
def test_a_world_ends_when_the_test_run_or_the_keeper_is_killed(tmp_path: Path, victim: str) -> None:
    script = (
        "import sys, time; from pathlib import Path; from tests.bed.systemd import SystemdWorld\n"
        f"world = SystemdWorld(Path({str(tmp_path / 'world')!r})).start()\n"
        "print(world.init, world._keeper.pid, flush=True); time.sleep(1000)"
    )
    before = groups()
    run = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert run.stdout
    try:
        init, keeper = map(int, run.stdout.readline().split())
        family = inhabitants(init)
        os.kill(run.pid if victim == "test run" else keeper, signal.SIGKILL)
        wait_for(lambda: not any(map(alive, family)), 30, f"the end of {family}")
        wait_for(lambda: str(tmp_path) not in mounts_of_all(), 30, "the end of the mounts")
    finally:
        run.stdout.close()
        end_family(run)
    SystemdWorld(tmp_path / "next").start().stop()
    assert groups() <= before, "what a killed keeper could not remove, the next one does"


def test_a_world_changes_nothing_of_the_machine_but_what_is_shared(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    world = SystemdWorld(tmp_path / "world", (shared,)).start()
    try:
        world.run("useradd", "somebody-of-the-bed")
        world.run("touch", "/tmp/of-the-bed", "/dev/of-the-bed", "/usr/of-the-bed", f"{shared}/of-the-bed")
        with pytest.raises(WorldError, match="ead-only"):
            world.run("sh", "-c", "cat /proc/sys/vm/swappiness | tee /proc/sys/vm/swappiness")
    finally:
        world.stop()
    assert "somebody-of-the-bed" not in Path("/etc/passwd").read_text()
    assert [p for p in ("/tmp", "/dev", "/usr", str(shared)) if Path(p, "of-the-bed").exists()] == [str(shared)]


# --- the cluster: a start of three nodes on two busy cores may take more than a test's usual time


@pytest.fixture(scope="module")
def cluster(request: pytest.FixtureRequest, open_folder_of_module: Path) -> Iterator[SystemdCluster]:
    """Laid out, not started."""
    need(request, "systemd", "sshd", "sudo", "elasticsearch")
    made = SystemdCluster(open_folder_of_module).create()
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def running(cluster: SystemdCluster) -> SystemdCluster:
    return cluster.start()


def listens(node: SystemdNode) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((node.address, HTTP_PORT)) == 0


@contextmanager
def over_ssh(cluster: SystemdCluster, node: SystemdNode, *, sudo: bool = True) -> Iterator[Host]:
    """The host as syncd reaches it: with sudo it may do what docs/hosts.md allows."""
    fleet = cluster.hosts.fleet(sudo=sudo)
    try:
        yield fleet.host(NodeName(node.address))
    finally:
        fleet.close()


def runs(host: Host, *argv: str) -> CommandResult:
    return host.run(argv, b"", 10_000, Deadline.after(20))


def owners(cluster: SystemdCluster, *files: Path) -> list[str]:
    return cluster.world.run("stat", "-c", "%U:%G %a", *map(str, files)).splitlines()


@pytest.mark.timeout(400)
def test_a_unit_is_activating_until_elasticsearch_listens(cluster: SystemdCluster) -> None:
    node, began = cluster.nodes[0], time.monotonic()
    assert cluster.unit_state(node).invocation == ""
    cluster.world.systemctl("start", "--no-block", *(each.unit for each in cluster.nodes))
    wait_for(lambda: cluster.unit_state(node).active == "activating", 30, "the start")
    seen: list[tuple[str, bool]] = []

    def look() -> bool:
        seen.append((cluster.unit_state(node).active, listens(node)))
        return seen[-1][1]

    wait_for(look, 200, "a node that listens", 0.1)
    assert {state for state, up in seen if not up} == {"activating"}
    assert len(seen) > 20, "it was looked at all the while"
    wait_for(lambda: cluster.unit_state(node).active == "active", 60, "the unit is active", 0.1)
    assert len(cluster.unit_state(node).invocation) == 32
    cluster.wait_green()
    sys.stdout.write(f"three nodes, from a cold start to green: {time.monotonic() - began:.1f} s\n")


@pytest.mark.timeout(400)
def test_a_restart_over_ssh_is_a_new_invocation_and_the_node_comes_back(running: SystemdCluster) -> None:
    node = running.nodes[2]
    before = running.unit_state(node).invocation
    with over_ssh(running, node) as host:
        restart(host, Service(unit=node.unit), before, Deadline.after(20))
    wait_for(lambda: running.unit_state(node).active == "activating", 30, "the start")
    during = running.unit_state(node).invocation
    assert during != before
    wait_for(lambda: running.unit_state(node).active == "active", 240, "the unit is active", 0.1)
    running.wait_green()
    assert running.unit_state(node).invocation == during
    assert [running.unit_state(other).sub for other in running.nodes] == ["running"] * 3


@pytest.mark.timeout(400)
def test_the_login_may_neither_restart_nor_read_the_keystore_without_sudo(running: SystemdCluster) -> None:
    node = running.nodes[0]
    keystore = node.config / "elasticsearch.keystore"
    before = running.unit_state(node)
    with over_ssh(running, node, sudo=False) as host:
        assert runs(host, "cat", str(keystore)).exit_code != 0
        refused = runs(host, "systemctl", "restart", "--no-block", node.unit)
    assert refused.exit_code != 0
    assert b"denied" in refused.stderr or b"authentication required" in refused.stderr
    assert running.unit_state(node) == before
    with over_ssh(running, node) as host:
        found = host.read(str(keystore), 1_000_000, Deadline.after(20))
    assert found is not None
    assert found.content == keystore.read_bytes()
    assert owners(running, node.config, keystore) == ["root:elasticsearch 2750", "root:elasticsearch 660"]


@pytest.mark.timeout(400)
def test_the_keystore_tool_works_over_ssh_and_keeps_owner_and_mode(running: SystemdCluster) -> None:
    node = running.nodes[1]
    tool = ["env", f"ES_PATH_CONF={node.config}", "/usr/share/elasticsearch/bin/elasticsearch-keystore", "list"]
    with over_ssh(running, node) as host:
        assert runs(host, *tool).stdout.split() == [b"keystore.seed"]
    running.tool(node, "elasticsearch-keystore", "add", "-x", "-f", "bootstrap.password", stdin="of-the-bed")
    assert owners(running, node.config / "elasticsearch.keystore") == ["root:elasticsearch 660"]


@pytest.mark.timeout(400)
def test_all_nodes_present_leaves_of_the_clusters_own_ca_on_both_ports(running: SystemdCluster) -> None:
    listed = running.api("GET", "/_nodes/http,transport")["nodes"].values()
    assert {each["transport"]["publish_address"] for each in listed} == {f"{n.address}:9300" for n in running.nodes}
    for node in running.nodes:
        assert running.api("GET", "/_cluster/health", node=node)["number_of_nodes"] == 3
    certificates = running.api("GET", "/_ssl/certificates")
    assert {each["path"] for each in certificates} >= {
        "certs/transport-ca.crt",
        "certs/transport.crt",
        "certs/http.crt",
    }


@pytest.mark.timeout(400)
def test_a_yml_that_elasticsearch_refuses_fails_the_unit_and_is_told_at_once(running: SystemdCluster) -> None:
    node = running.nodes[2]
    yml = node.config / "elasticsearch.yml"
    good = yml.read_text()
    yml.write_text(good + "xpack.no.such.setting: 1\n")
    running.world.systemctl("restart", "--no-block", node.unit)
    wait_for(lambda: running.unit_state(node).active == "failed", 120, "the failure", 0.2)
    with pytest.raises(RuntimeError, match=r"(?s)elasticsearch@es-3.*unknown setting.*xpack\.no\.such\.setting"):
        running.wait_green()
    yml.write_text(good)
    running.start()
    assert running.unit_state(node).active == "active"
