"""What a person types, on an embedded world: the same commands as in the field, and no secret in any output."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from syncd.demo.world import NAMES, World
from syncd.ports import now
from tests.bed.waiting import wait_for

CANARY = "ZGVtbzpub3QtYS1yZWFsLWtleQ=="
"""The API key of the embedded world."""
PATIENCE = 90
"""Seconds at most for what takes one or ten on a machine that has nothing else to do."""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, overlap="2s")
    made.start_nodes()
    yield made
    made.stop()


def syncd(world: World, *argv: str, code: int | tuple[int, ...] = 0) -> str:
    command = [sys.executable, "-m", "syncd", *argv, "--config", str(world.config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    said = done.stdout + done.stderr
    assert done.returncode in (code if isinstance(code, tuple) else (code,)), said
    assert CANARY not in said
    return said


def test_plan_tells_real_differences_and_changes_nothing(world: World) -> None:
    before = [world.trust_file(name).read_bytes() for name in NAMES]
    wait_for(lambda: _answers(world), PATIENCE, "the nodes")
    said = syncd(world, "plan", code=3)
    assert "write" in said
    assert NAMES[2] in said
    assert "on es-01" not in said, "what is in step needs no step"
    document = json.loads(syncd(world, "plan", "-o", "json", code=3))
    assert [step["node"] for step in document[0]["steps"] if step["step"] == "PutFile"] == [NAMES[2]]
    assert [world.trust_file(name).read_bytes() for name in NAMES] == before


def test_check_names_what_is_wrong_with_its_cure(world: World) -> None:
    wait_for(lambda: _answers(world), PATIENCE, "the nodes")
    world.hosts[NAMES[1]].stop()
    said = syncd(world, "check", code=1)
    assert "WRONG" in said
    assert "sshd" in said
    assert "the licence allows the API-key model: trial" in said


def test_once_is_a_whole_pass_by_the_same_functions(world: World) -> None:
    wait_for(lambda: _answers(world), PATIENCE, "the nodes")
    said = syncd(world, "once", code=(0, 3))  # 3 where the proof of the others' files is still awaited
    assert f"done: write {world.trust_file(NAMES[2])}" in said
    assert all(world.ca.pem.split(b"\n")[1] in world.trust_file(name).read_bytes() for name in NAMES)
    said = syncd(world, "plan", code=3)
    assert "awaiting_load" in said, "what is not proven yet is not done"
    assert "write" not in said
    assert "nothing to do" not in said
    world.start_daemon()
    wait_for(lambda: _settled(world), PATIENCE, "the proof")
    assert "nothing to do" in syncd(world, "plan")


def test_observe_changes_nothing_on_any_server(world: World) -> None:
    """Seen from the servers' side: no file, no object, no setting of any of them changed."""
    wait_for(lambda: _answers(world), PATIENCE, "the nodes")
    config = json.loads(world.config.read_text())
    config["clusters"][0]["mode"] = "observe"
    world.config.write_text(json.dumps(config))
    files = {path: path.stat().st_mtime_ns for path in world.folder.glob("es-*/config/*")}
    objects = dict(world.kube.store.objects)
    world.start_daemon()
    wait_for(lambda: _rules(world) >= {"observe"} and "down" in _links(world), PATIENCE, "a pass that knows the links")
    assert "as of " in syncd(world, "status", code=1), "the third node lacks the CA"
    assert "Set mode: act" in syncd(world, "restart", "onprem", "--yes", code=2)
    assert {path: path.stat().st_mtime_ns for path in world.folder.glob("es-*/config/*")} == files
    assert {key: body for key, body in world.kube.store.objects.items() if key[0] != "events"} == objects
    (rotation,) = [line for line in (world.folder / "syncd.log").read_text().splitlines() if "rotation" in line]
    assert "[info" in rotation
    assert "it would be taken" in rotation
    assert not (world.folder / "settings.json").exists()


def test_people_steer_a_running_daemon(world: World) -> None:
    """pause, resume, explain, revoke: each is a request that the daemon carries out."""
    world.start_daemon()
    wait_for(lambda: world.ca.cert.der and _settled(world), PATIENCE, "onboarding")
    wait_for(
        lambda: _links(world) == {"up"}, PATIENCE, "the link of the node that was behind, which comes after its proof"
    )
    syncd(world, "status")
    assert "foreign kept" in syncd(world, "explain", world.company.short)
    assert "paused until" in syncd(world, "pause", "onprem", "--for", "4h")
    renewed = world.ca.renew(now())
    world.publish(renewed)
    wait_for(lambda: "paused" in _rules(world), PATIENCE, "the pause")
    assert renewed.pem not in world.trust_file(NAMES[0]).read_bytes()
    syncd(world, "status", code=3)
    assert "resumed" in syncd(world, "resume", "onprem")
    wait_for(lambda: renewed.pem in world.trust_file(NAMES[0]).read_bytes(), PATIENCE, "the write after the pause")
    said = syncd(world, "revoke", world.company.short, "--yes")
    assert "Nothing that was seen needs it" in said
    wait_for(lambda: all(world.company.pem not in world.trust_file(n).read_bytes() for n in NAMES), PATIENCE, "revoked")


def test_a_policy_of_approval_holds_a_new_key_until_a_person_says_so(world: World) -> None:
    config = json.loads(world.config.read_text())
    config["clusters"][0]["remotes"][0]["trust"]["accept"] = "approved"
    world.config.write_text(json.dumps(config))
    world.start_daemon()
    wait_for(lambda: _settled(world), PATIENCE, "onboarding")
    rekeyed = world.ca.rekey(now())
    world.publish(rekeyed)
    wait_for(lambda: "not_approved" in _rules(world), PATIENCE, "the hold")
    assert rekeyed.pem not in world.trust_file(NAMES[0]).read_bytes()
    assert "approved" in syncd(world, "approve", rekeyed.cert.short, "--yes")
    wait_for(lambda: rekeyed.pem in world.trust_file(NAMES[0]).read_bytes(), PATIENCE, "the write")


def test_no_secret_is_in_any_log_metric_status_or_state(world: World) -> None:
    """Promise 8."""
    world.start_daemon()
    wait_for(lambda: _settled(world), PATIENCE, "onboarding")
    key = (world.folder / "client").read_text().splitlines()[3]
    stores = json.dumps([body for (kind, _, _), body in world.kube.store.objects.items() if kind != "secrets"])
    told = [stores, (world.folder / "syncd.log").read_text(), world.page("/metrics"), world.page("/status")]
    for text in told:
        assert text
        assert CANARY not in text
        assert world.kube.token not in text
        assert key not in text


def test_a_bad_change_of_the_configuration_is_refused_and_the_old_one_stays(world: World) -> None:
    world.start_daemon()
    wait_for(lambda: _settled(world), PATIENCE, "onboarding")
    good = world.config.read_text()
    world.config.write_text(good.replace('"overlap": "2s"', '"overlap": "soon"'))
    wait_for(
        lambda: 'syncd_config_reloads_total{result="refused"} 1.0' in world.page("/metrics"), PATIENCE, "the refusal"
    )
    assert "a duration such as" in (world.folder / "syncd.log").read_text()
    assert world.page("/healthz")
    world.config.write_text(good.replace('/kubeconfig"', '/not-there"'))  # valid, and yet of no use
    wait_for(
        lambda: 'syncd_config_reloads_total{result="refused"} 2.0' in world.page("/metrics"), PATIENCE, "the refusal"
    )
    assert "the old one stays" in (world.folder / "syncd.log").read_text()
    renewed = world.ca.renew(now())
    world.publish(renewed)
    wait_for(
        lambda: all(renewed.pem in world.trust_file(name).read_bytes() for name in NAMES),
        PATIENCE,
        "the old one at work",
    )
    world.config.write_text(good.replace('"overlap": "2s"', '"overlap": "3s"'))
    wait_for(lambda: 'syncd_config_reloads_total{result="taken"} 1.0' in world.page("/metrics"), PATIENCE, "the change")


def test_a_configuration_that_changes_again_and_again_leaves_nothing_open(world: World) -> None:
    world.start_daemon()
    wait_for(lambda: _settled(world), PATIENCE, "onboarding")
    good = world.config.read_text()

    def change(number: int) -> int:
        """Take another configuration; how many descriptors the daemon has once all is settled again."""
        world.config.write_text(good.replace('"overlap": "2s"', f'"overlap": "{number}s"'))
        taken = f'syncd_config_reloads_total{{result="taken"}} {number - 2}.0'
        wait_for(lambda: taken in world.page("/metrics") and _settled(world), PATIENCE, "the change")
        assert world.daemon
        return len(list(Path(f"/proc/{world.daemon.pid}/fd").iterdir()))

    change(3)
    counts = [change(number) for number in range(4, 8)]
    assert min(counts[1:]) <= counts[0] + 1, "an ended world keeps no connection"


def _answers(world: World) -> bool:
    return world.handshakes()[0] > 0


def _rules(world: World) -> set[str]:
    return {hold["rule"] for cluster in world.status().get("clusters", []) for hold in cluster["holds"]}


def _links(world: World) -> set[str]:
    return {row["link"] for cluster in world.status().get("clusters", []) for row in cluster["rows"]}


def _settled(world: World) -> bool:
    clusters = world.status().get("clusters", [])
    return bool(clusters) and all(cluster["settled"] for cluster in clusters)
