"""What docs/hosts.md tells people to allow, as it stands there: the bed's clusters allow syncd nothing else."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_PAGE = Path(__file__).parents[2] / "docs/hosts.md"
_FOLDER = r"/usr/bin/env ES_PATH_CONF\=/etc/elasticsearch *"


def sudoers(folders: Sequence[str]) -> str:
    """The sudoers file, for nodes with these config directories. Raises ValueError if the page has none that names one."""
    text = _block("# /etc/sudoers.d/syncd")
    if text.count(_FOLDER) != 1:
        raise ValueError(f"the sudoers file in {_PAGE} does not allow {_FOLDER}")
    rules = (_FOLDER.replace("/etc/elasticsearch", folder) for folder in folders)
    return "#" + text.replace(_FOLDER, ", ".join(rules))


def role() -> dict[str, Any]:
    """The role in Elasticsearch, of 8.16 and later."""
    found: dict[str, Any] = json.loads(_block("PUT _security/role/syncd\n"))
    return found


def _block(begin: str) -> str:
    """From a line to the end of its block, without the line's beginning."""
    _, found, rest = _PAGE.read_text().partition(begin)
    if not found:
        raise ValueError(f"{_PAGE} has no block {begin!r}")
    return rest.split("```")[0]
