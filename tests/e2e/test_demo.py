"""`syncd demo --keep`: what a newcomer runs first."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from syncd.demo.world import ALIAS, CERT_ALIAS, NAMES
from tests.bed.sshd import alive, children
from tests.bed.waiting import wait_for

_CERTIFICATE_MODEL = (
    r"our own CA is in the mirror",
    r"the Elasticsearch resource names the mirror",
    r"ECK's CA is on every disk, in remote-transport-ca\.crt",
    *(rf"es-0\d restarted \({number} of 3\)" for number in (1, 2, 3)),
    r"allocation is as it was before, no restart is open",
    r"the transport port of each node names CN=partner-transport,OU=partner",
    r"the transport port of ECK's node names CN=Our transport CA",
    r"the link is up from every node, proven",
    r"on every disk and proven loaded",
    r"ECK's old CA is out of every file",
    r"it is in the mirror, ahead of any certificate",
    r"ECK's node names it: it has loaded it",
    r"every node presents a new certificate",
    r"the old CA is out of the mirror, by proof",
)
"""What the acts of the certificate model claim, in this order; each is awaited in the world before it is printed."""
_FIGURES = (
    r"fresh handshakes during both rotations +[1-9]\d+ ok, 0 failed",
    r"certificate model: rolling restart of 3 nodes +[\d.]+ s, each node once",
    r"API-key handshakes failed since those restarts +0\n",
    r"certificate model, fresh handshakes to ECK +[1-9]\d+ ok, 0 failed",
    r"certificate model, fresh handshakes from ECK +[1-9]\d* ok, 0 failed",
)
pytestmark = pytest.mark.timeout(400)


def test_the_demo_proves_every_rotation_and_stays_up_with_its_urls_until_it_is_ended(tmp_path: Path) -> None:
    log = tmp_path / "demo.log"
    with log.open("wb") as out:
        demo = subprocess.Popen([sys.executable, "-m", "syncd", "demo", "--keep"], stdout=out, stderr=out)
    try:
        wait_for(lambda: "Up until Ctrl-C" in log.read_text() or demo.poll() is not None, 350, "the end of the play")
        assert demo.poll() is None, log.read_text()
        text = log.read_text()
        _says_in_order(text, _CERTIFICATE_MODEL)
        assert [figure for figure in _FIGURES if not re.search(figure, text)] == [], text
        _stands(text)
        running = [pid for pid in children(demo.pid) if b"\0run\0" in _command(pid)]
        (daemon,) = [pid for pid in running if b"syncd.yaml" in _command(pid)]
        keepers = [pid for pid in running if pid != daemon]
        nodes = [pid for keeper in keepers for pid in children(keeper)]
        assert (len(keepers), len(nodes)) == (3, 3)
        demo.send_signal(signal.SIGTERM)
        assert demo.wait(30) == 0
        assert not any(alive(pid) for pid in (daemon, *keepers, *nodes)), "nothing stays behind"
    finally:
        demo.terminate()  # it ends what it started
        demo.wait(30)


def _says_in_order(text: str, claims: tuple[str, ...]) -> None:
    at = 0
    for claim in claims:
        found = re.compile(rf"✓ {claim}").search(text, at)
        assert found, f"not said after what comes before it: {claim}\n{text}"
        at = found.end()


def _stands(text: str) -> None:
    """What was claimed is so at the end: on the daemon's page, in the nodes' settings, with their keepers."""
    url, config = re.search(r"http://127\.0\.0\.1:\d+/status", text), re.search(r"--config (\S+)", text)
    assert url, text
    assert config, text
    with urlopen(url[0], timeout=5) as page:  # noqa: S310 - loopback
        rows = json.load(page)["clusters"][0]["rows"]
    assert {(row["node"], row["remote"], row["link"]) for row in rows} == {
        (name, alias, "up") for name in NAMES for alias in (ALIAS, CERT_ALIAS)
    }
    folder = Path(config[1]).parent
    for name in NAMES:
        assert len((folder / name / "service.starts").read_text().splitlines()) == 2, "started, and restarted once"
        yml = (folder / name / "config" / "elasticsearch.yml").read_text()
        assert f'["own-ca.crt", "{folder}/{name}/config/remote-transport-ca.crt"]   # our own nodes' in yml
    settings = json.loads((folder / "settings.json").read_text())["persistent"]
    assert "cluster.routing.allocation.enable" not in settings


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""  # a status command, which is over
