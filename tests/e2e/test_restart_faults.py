"""Rolling restarts on real servers, with everything that can go wrong in them: three units of a real systemd.

One cluster serves all tests; each makes a change of its own, and leaves a whole cluster behind.
"""

import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from syncd.ports import now
from tests.bed.eck import EckRemote
from tests.bed.faulty import ALLOCATION, Faulty
from tests.bed.kube import KubeApi
from tests.bed.load import Load
from tests.bed.pytest_plugin import need
from tests.bed.systemd_cluster import SystemdCluster, SystemdNode
from tests.bed.waiting import wait_for

pytestmark = [pytest.mark.bed, pytest.mark.long, pytest.mark.timeout(1200)]
ROLLING = 600.0
"""Seconds for three restarts on a busy machine."""
ONE = 240.0
"""Seconds for one."""


@pytest.fixture(scope="module")
def cluster(request: pytest.FixtureRequest, open_folder_of_module: Path) -> Iterator[Faulty]:
    need(request, "systemd", "sshd", "sudo", "elasticsearch", "kube")
    kube: KubeApi = request.getfixturevalue("_kube_session")
    made = SystemdCluster(open_folder_of_module, network="127.0.8").create()
    try:
        made.start()
        Load(made).prepare()
        remote = EckRemote(open_folder_of_module / "eck", kube)  # never started: nothing is asked of it
        yield Faulty(open_folder_of_module, made, remote, kube, "api_key")
    finally:
        made.stop()


@pytest.fixture
def site(cluster: Faulty) -> Iterator[Faulty]:
    cluster.put_right()
    try:
        yield cluster
    finally:
        cluster.put_right()


def credential(site: Faulty, value: str) -> dict[str, Any]:
    """Of the remote: its API key, which the keystores do not hold yet."""
    (site.folder / "api-key").write_text(value)
    return {"credential_file": "api-key"}


def more(before: dict[str, int], nodes: dict[str, int]) -> dict[str, int]:
    """Counts with so many more for some nodes."""
    return {name: count + nodes.get(name, 0) for name, count in before.items()}


# --- killed

Step = Callable[[Faulty, SystemdNode, str], object]


def is_written_down(site: Faulty, node: SystemdNode, _: str) -> object:
    return site.open_node() == node.name


def has_new_settings(site: Faulty, node: SystemdNode, _: str) -> object:
    return site.edited(node)


def is_being_started(site: Faulty, node: SystemdNode, before: str) -> object:
    return site.cluster.unit_state(node).invocation != before


def has_joined(site: Faulty, node: SystemdNode, before: str) -> object:
    return is_being_started(site, node, before) and site.running().get(node.name) == site.interval


def has_ended(site: Faulty, node: SystemdNode, _: str) -> object:
    return node.name in site.ended() and not site.record()


PLAN: tuple[tuple[Step, ...], ...] = (
    (is_written_down, is_being_started, has_ended),
    (has_new_settings, has_joined, has_ended),
    (is_written_down, has_new_settings, is_being_started, has_joined, has_ended),
)


def test_killed_at_every_step_it_goes_on_and_restarts_each_node_once(site: Faulty) -> None:
    """Each node's restart begins with another allocation, which is there again in the end."""
    began, order = site.starts(), site.order()
    allocations: tuple[dict[str, str], ...] = ({}, {"persistent": "all"}, {"transient": "all"})
    struck: list[str] = []
    state = {"kind": "file", "path": str(site.folder / "state.json")}  # its lock ends with the process
    site.run(remote=credential(site, "a2V5LTA6c2VjcmV0"), state=state)
    for node, allocation, steps in zip(order, allocations, PLAN, strict=True):
        site.kill()
        site.allocate(allocation)
        before = site.cluster.unit_state(node).invocation
        for step in steps:
            site.start()
            wait_for(lambda step=step, node=node, before=before: step(site, node, before), ONE, step.__name__, 0.02)  # type: ignore[misc]
            site.kill()
            struck.append(f"{node.name} {step.__name__}: {site.at_hand(node)}")
        assert site.allocation() == allocation, struck
    site.start()
    site.await_changed(60)
    assert site.starts() == more(began, {node.name: 1 for node in order}), struck
    sys.stdout.write("killed: " + "; ".join(struck) + "\n")


# --- a change that the node does not start with


def test_a_node_that_refuses_its_new_settings_is_taken_back_and_the_change_goes_no_further(site: Faulty) -> None:
    """With the edit comes a setting that Elasticsearch does not know, on this node; and a credential."""
    first, *_ = site.order()
    site.arguments(first, "-E xpack.no.such.setting=1", marker=f"interval.high: {site.interval}$")
    before, began = site.contents(), site.starts()
    site.run(remote=credential(site, "a2V5LTE6c2VjcmV0"))
    taken_back(site, first, before, began)
    text = site.await_hold("restart_failed", 60)["text"]
    assert "did not start" in text
    assert f"syncd restart onprem --node {first.name}" in text
    assert f"interval.high: {site.interval}" in site.seen(first, "elasticsearch.yml.syncd-refused").read_text()
    site.without_fault(first)
    said = site.syncd("restart", "onprem", "--node", first.name, "--yes")
    assert said.returncode == 0, said.stderr
    wait_for(lambda: first.name in site.done(), ONE, "a restart that went well")
    assert site.running()[first.name] == site.interval
    assert site.starts()[first.name] == began[first.name] + 3
    assert "cluster.remote.eck-prod.credentials" in site.cluster.tool(first, "elasticsearch-keystore", "list")


def test_a_node_that_starts_and_never_joins_is_taken_back_after_its_time(site: Faulty) -> None:
    """The others cannot connect to the address that it tells them."""
    first, *_ = site.order()
    before, began = site.contents(), site.starts()
    site.arguments(first, "-E transport.publish_port=1", marker=f"interval.high: {site.interval}$")
    site.run(restart={"join_timeout": "75s"})
    taken_back(site, first, before, began)
    assert "no member after" in site.await_hold("restart_failed", 60)["text"]


def test_a_node_that_runs_with_other_settings_than_its_file_says_is_taken_back(site: Faulty) -> None:
    """Something of the unit overrides them: the hold names it."""
    first, *_ = site.order()
    before, began = site.contents(), site.starts()
    site.arguments(first, "-E resource.reload.interval.high=59s")
    site.run()
    taken_back(site, first, before, began)
    text = site.await_hold("restart_failed", 60)["text"]
    assert "yml_overridden" in text
    assert f"resource.reload.interval.high 59s instead of {site.interval}" in text
    assert "-E" in text


def test_a_node_that_is_kept_down_by_what_somebody_else_left_is_left_to_a_person(site: Faulty) -> None:
    """A line that was there before the change, and that nobody has restarted the node with: going back does not help."""
    first, *_ = site.order()
    yml, began = site.seen(first, "elasticsearch.yml"), site.starts()
    before = yml.read_bytes()
    yml.write_bytes(before + b"no.such.setting: 1\n")
    site.run()
    try:
        hold = site.await_hold("rollback_failed", ONE)
        assert hold["subject"] == first.name
        assert "Its log says what" in hold["text"]
        assert site.starts() == more(began, {first.name: 2}), "with the change and without it; no other node"
        assert yml.read_bytes() == before + b"no.such.setting: 1\n"
    finally:
        yml.write_bytes(before)
        site.cluster.world.systemctl("start", "--no-block", first.unit)
    site.await_closed(ONE)
    site.await_hold("restart_failed", 60)
    assert (site.starts(), site.allocation()) == (more(began, {first.name: 3}), {})


def taken_back(site: Faulty, first: SystemdNode, before: dict[str, tuple[bytes, bytes]], began: dict[str, int]) -> None:
    """The node was started with the change and without it; no other node was touched; the hold says so."""
    site.await_hold("restart_failed", ONE)
    site.await_closed(ONE)
    site.cluster.wait_green()
    assert site.contents() == before, "its settings and its keystore as before, the others' untouched"
    assert site.starts() == more(began, {first.name: 2})
    assert site.allocation() == {}
    assert {name: end["result"] for name, end in site.ended().items()} == {first.name: "failed"}
    assert site.await_hold("restart_failed", 60)["subject"] == first.name
    assert site.keeps_refused(first)
    assert site.await_hold("restart_pending", 60)


# --- a change that cannot be made


def test_a_full_disk_leaves_nothing_half_written_and_it_goes_on_when_there_is_room(site: Faulty) -> None:
    """The first node's configuration is on a disk that fills up at one write after the other."""
    first, *_ = site.order()
    before, began = site.contents(), site.starts()
    with site.full_disk(first) as filler:
        site.run(restart={"policy": "never", "join_timeout": "90s"})
        site.await_hold("policy", 60)
        site.syncd("restart", "onprem", "--node", first.name, "--yes")
        beside = (
            "elasticsearch.keystore.syncd-before",
            "elasticsearch.yml.syncd-ours",
            "elasticsearch.yml.syncd-before",
        )
        for place in (*beside, "elasticsearch.yml"):
            full = f"/{place}: the disk is full"
            wait_for(lambda full=full: full in site.failures(), 60, full)  # type: ignore[misc]  # bound at once
            assert site.contents() == before
            if place != "elasticsearch.yml":
                free_a_page(filler)
        site.await_hold("restart_failed", ONE)
        site.await_closed(30)
        assert (site.contents(), site.starts(), site.allocation()) == (before, began, {})
        filler.unlink()
        site.syncd("restart", "onprem", "--node", first.name, "--yes")
        wait_for(lambda: site.running().get(first.name) == site.interval, ONE, "a restarted node")
        site.await_closed(60)
    assert site.starts() == more(began, {first.name: 1})
    assert site.ended()[first.name]["result"] == "done"


def free_a_page(filler: Path) -> None:
    with filler.open("rb+") as file:
        file.truncate(filler.stat().st_size - 4096)


# --- somebody else


def test_what_somebody_else_writes_into_an_open_restart_is_not_overwritten(site: Faulty) -> None:
    first, *_ = site.order()
    before, began = site.contents(), site.starts()
    yml = site.seen(first, "elasticsearch.yml")
    site.run(restart={"join_timeout": "60s"}, remote=credential(site, f"a2V5LTI6c2VjcmV0{len(site.interval)}"))
    wait_for(lambda: site.edited(first), ONE, "new settings", 0.01)  # the credential takes a second more
    site.kill()
    assert site.starts() == began, "killed before the restart"
    theirs = before[first.name][0] + b"# by hand\n"
    yml.write_bytes(theirs)
    site.start()
    assert "elasticsearch.yml.syncd-before" in site.await_hold("yml_contested", 60)["text"]
    site.await_closed(120)
    assert site.await_hold("restart_failed", 60)["subject"] == first.name
    assert yml.read_bytes() == theirs
    assert (site.starts(), site.allocation()) == (began, {})


@pytest.mark.parametrize(("scope", "value"), [("persistent", "primaries"), ("transient", "none")])
def test_while_allocation_is_not_all_nothing_is_begun(site: Faulty, scope: str, value: str) -> None:
    before, began = site.contents(), site.starts()
    site.allocate({scope: value})
    site.run()
    text = site.await_hold("allocation", 60)["text"]
    assert f"{ALLOCATION} is {value} ({scope})" in text
    assert (site.contents(), site.starts(), site.record()) == (before, began, {})
    assert site.allocation() == {scope: value}
    site.allocate({scope: "all"})
    assert wait_for(site.open_node, 60, "a restart") == site.order()[0].name


def test_a_closed_window_holds_restarts_and_a_person_goes_through_it(site: Faulty) -> None:
    first, *_ = site.order()
    before, began = site.contents(), site.starts()
    opens = (now() + timedelta(days=2)).replace(hour=2, minute=0)
    site.run(restart={"windows": [f"{opens:%a} 02:00 for 1h"]})
    hold = site.await_hold("window", 60)
    assert f"{opens:%Y-%m-%d} 02:00Z" in hold["text"]
    assert hold["until"].startswith(f"{opens:%Y-%m-%d}T02:00:00")
    assert (site.contents(), site.starts(), site.record()) == (before, began, {})
    said = site.syncd("restart", "onprem", "--node", first.name, "--yes")
    assert said.returncode == 0, said.stderr
    wait_for(lambda: site.running().get(first.name) == site.interval, ONE, "a restarted node")
    site.await_closed(60)
    site.await_hold("window", 60)
    assert site.starts() == more(began, {first.name: 1}), "only the one that was asked for"


# --- numbers


def test_a_rolling_restart_takes_little_longer_than_what_the_nodes_take(site: Faulty) -> None:
    """Against the nodes' own times from stop to joined, and their recoveries, as systemd and Elasticsearch tell them."""
    site.run()
    site.await_changed(ROLLING)
    site.cluster.wait_green()
    spans = sorted((site.span(node) for node in site.cluster.nodes), key=lambda span: span.begun)
    wall, own = spans[-1].green - spans[0].begun, sum(span.own for span in spans)
    between = [f"{after.begun - before.green:.2f}" for before, after in pairwise(spans)]
    lines = [*map(str, spans), f"between: {between}", f"wall {wall:.1f} s, nodes {own:.1f} s, ratio {wall / own:.3f}"]
    sys.stdout.write("\n".join(lines) + "\n")
    assert wall <= 1.1 * own
