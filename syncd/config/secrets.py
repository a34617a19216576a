"""Where files with secrets are, and what to say of one that is not there."""

import os
from pathlib import Path

_BY_HAND = (
    "systemd gives credentials to its own unit only: by hand, name each one (systemd-run -P -p LoadCredential=NAME:PATH "
    "syncd ...), or give absolute paths in the configuration"
)


def secret_path(name: str, config: Path) -> str:
    """Where a secret file is: absolute as it is, else in `$CREDENTIALS_DIRECTORY`, else beside the configuration."""
    if name.startswith(("/", "~")):
        return str(Path(name).expanduser())
    folder = _folder()
    credential = Path(folder) / name if folder else None
    return str(credential if credential and credential.exists() else config.parent / name)


def where_else(path: str) -> str:
    """Of a file that `secret_path` has told: where it was looked for besides, where it is in neither place."""
    if Path(path).exists():
        return ""
    folder = _folder()
    first = f"in {folder} ($CREDENTIALS_DIRECTORY)" if folder else "in $CREDENTIALS_DIRECTORY, which is not set"
    return f"A relative name is looked for {first}, then beside the configuration file. {_BY_HAND}"


def _folder() -> str | None:
    return os.environ.get("CREDENTIALS_DIRECTORY")
