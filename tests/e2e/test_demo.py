"""`syncd demo --keep`: what a newcomer runs first."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

from tests.bed.sshd import alive, children
from tests.bed.waiting import wait_for


def test_the_demo_proves_every_rotation_and_stays_up_with_its_urls_until_it_is_ended(tmp_path: Path) -> None:
    log = tmp_path / "demo.log"
    with log.open("wb") as out:
        demo = subprocess.Popen([sys.executable, "-m", "syncd", "demo", "--keep"], stdout=out, stderr=out)
    try:
        wait_for(lambda: "Up until Ctrl-C" in log.read_text() or demo.poll() is not None, 100, "the end of the play")
        assert demo.poll() is None, log.read_text()
        text = log.read_text()
        url = re.search(r"http://127\.0\.0\.1:\d+/status", text)
        assert url, text
        with urlopen(url[0], timeout=5) as page:  # noqa: S310 - loopback
            rows = json.load(page)["clusters"][0]["rows"]
        assert {row["link"] for row in rows} == {"up"}
        assert re.search(r"fresh handshakes during both rotations +[1-9]\d+ ok, 0 failed", text)
        daemon, *_ = [pid for pid in children(demo.pid) if b"run" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        demo.send_signal(signal.SIGTERM)
        assert demo.wait(20) == 0
        assert not alive(daemon), "nothing stays behind"
    finally:
        demo.kill()
        demo.wait()
