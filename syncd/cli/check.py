"""One line of `syncd check`."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Check:
    """One line of `syncd check`."""

    group: str
    what: str
    result: Literal["ok", "wrong", "unknown"]
    text: str = ""
    cure: str = ""
