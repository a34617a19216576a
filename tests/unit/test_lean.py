"""What a daemon loads costs memory for as long as it runs."""

import subprocess
import sys


def test_the_daemon_does_not_load_what_it_never_uses() -> None:
    code = "import sys, syncd.cli.daemon; print(*sorted({'aiohttp', 'invoke'} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert loaded == []
