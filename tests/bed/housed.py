"""The daemon on the very machine that the nodes run on, as root and as a unit: `transport: {kind: local}`."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bed.estate import Estate

SHARES = (Path(__file__).parents[2], Path(sys.prefix))
"""What the world must show of this one: syncd and its libraries."""
_UNIT = "syncd.service"


@dataclass
class Housed(Estate):
    """Its cluster must have been made with `SHARES`. Commands are not typed there."""

    @property
    def transport(self) -> dict[str, Any]:
        """No SSH, no sudo."""
        return {"kind": "local"}

    @property
    def kubeconfig(self) -> Path:
        """A copy in a folder that the world has."""
        path = self.folder / "kubeconfig"
        path.write_bytes(super().kubeconfig.read_bytes())
        return path

    def start(self) -> None:
        """Start the unit."""
        command = f"{sys.executable} -m syncd run --config {self.config}"
        log = f"append:{self.folder}/syncd.log"
        lines = (
            f"ExecStart={command}",
            f"StandardOutput={log}",
            f"StandardError={log}",
            f"WorkingDirectory={SHARES[0]}",
        )
        text = "\n".join(["[Service]", *lines, "Environment=PYTHONDONTWRITEBYTECODE=1", ""])
        self.cluster.world.write(f"/etc/systemd/system/{_UNIT}", text)
        self.cluster.world.systemctl("daemon-reload")
        self.cluster.world.systemctl("start", _UNIT)

    def kill(self) -> None:
        """End it at once; the world's end ends it too."""
        if self.cluster.world.init:
            self.cluster.world.ask("systemctl", "kill", "--signal=KILL", _UNIT)

    def end(self) -> None:
        """Stop the unit."""
        self.cluster.world.ask("systemctl", "stop", _UNIT)
