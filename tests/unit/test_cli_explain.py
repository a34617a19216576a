"""`syncd explain` looks at all clusters before it says that nobody knows a certificate, and prints one document."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from syncd.cli.show import explain_document, explain_text
from syncd.demo.pki import EckCa
from syncd.ports import now
from tests.fakes.world import Bench, Syncd
from tests.unit.test_cli_verbs import CA, NODES, Desk

FOREIGN, SHARED = EckCa.create(now(), cluster="foreign"), EckCa.create(now(), cluster="shared")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Two clusters: a certificate that the second one's files hold alone, and one that both hold."""
    made = Desk(tmp_path)
    made.configure_all({"first": {}, "second": {}})
    (made.home("first", NODES[0]) / "remote-cluster-ca.crt").write_bytes(SHARED.pem)
    (made.home("second", NODES[0]) / "remote-cluster-ca.crt").write_bytes(SHARED.pem + FOREIGN.pem)
    return made


def test_a_certificate_that_only_a_later_cluster_knows_is_explained(desk: Desk) -> None:
    code, said = desk.types("explain", FOREIGN.cert.short)
    assert code == 0, said
    assert said.startswith("second:\n")
    assert "foreign kept" in said
    assert "first" not in said.splitlines()[0]


def test_the_answer_is_one_json_document_whatever_the_number_of_clusters(desk: Desk) -> None:
    _, said = desk.types("explain", FOREIGN.cert.short, "-o", "json")
    assert json.loads(said)["cluster"] == "second"
    assert [held["node"] for held in json.loads(said)["held"]] == [NODES[0]]
    _, said = desk.types("explain", SHARED.cert.short, "-o", "json")
    assert [document["cluster"] for document in json.loads(said)] == ["first", "second"]


def test_each_cluster_that_knows_it_is_named(desk: Desk) -> None:
    code, said = desk.types("explain", CA.cert.short)
    assert code == 0
    assert [line for line in said.splitlines() if line.endswith(":")] == ["first:", "second:"]
    _, said = desk.types("explain", CA.cert.short, "--cluster", "second")
    assert "second:" not in said, "one that was named need not be"


def test_what_no_cluster_knows_is_a_mistake_and_what_is_known_anywhere_is_listed(desk: Desk) -> None:
    code, said = desk.types("explain", "0000")
    assert code == 2
    assert FOREIGN.cert.short in said
    assert SHARED.cert.short in said


def test_what_keeps_an_old_ca_is_told_with_its_end(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "bench", overlap=timedelta(hours=24))
    syncd = Syncd(bench)
    syncd.turn(2)
    old = bench.ca.cert
    bench.publish(bench.ca.rekey(now()))
    report = syncd.turn(2)
    syncd.end()
    (overlap,) = [hold for hold in report.plan.holds if hold.rule == "overlap"]
    assert overlap.until
    said = "\n".join(explain_text(old, report.seen, report.plan))
    assert f"  overlap: {overlap.text} (it ends at {overlap.until:%Y-%m-%d %H:%M}Z)" in said
    document = json.loads(json.dumps(explain_document(old, report.plan)))
    assert [hold["until"] for hold in document["holds"] if hold["rule"] == "overlap"] == [overlap.until.isoformat()]
    assert "overlap" not in "\n".join(explain_text(bench.ca.cert, report.seen, report.plan))
