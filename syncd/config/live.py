"""A configuration that may change while syncd runs: a valid change is taken, an invalid one is refused and counted."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from syncd.config.load import parse
from syncd.config.model import Config
from syncd.core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Change:
    """What a look at the file found."""

    config: Config | None
    """The new configuration; None: it was refused and the old one stays."""
    error: str = ""


class LiveConfig:
    """The configuration in force."""

    def __init__(self, path: Path) -> None:
        self.path = path
        text = _read(path)
        self.current = parse(text, path)
        self._digest = _digest(text)
        self.refused = 0

    def refresh(self) -> Change | None:
        """Look at the file; None: it is as it was at the last look."""
        try:
            text = _read(self.path)
        except ConfigError as error:
            return self._refuse(error, "")
        if _digest(text) == self._digest:
            return None
        try:
            config = parse(text, self.path)
        except ConfigError as error:
            return self._refuse(error, text)
        self._digest = _digest(text)
        if config == self.current:  # the same in other words, or a mistake that was taken back
            return None
        self.current = config
        return Change(config)

    def _refuse(self, error: ConfigError, text: str) -> Change | None:
        if self._digest == _digest(text):
            return None
        self._digest = _digest(text)
        self.refused += 1
        return Change(None, str(error))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("config_unreadable", f"it cannot be read: {error}", where=str(path)) from error


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
