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
    """The configuration that the file says now; None: it was refused and the old one stays."""
    error: str = ""


class LiveConfig:
    """The configuration in force.

    A change is in force when whoever uses it says so (`take`): a file that it names may be of no use (`refuse`).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        text = _read(path)
        self.current = parse(text, path)
        self._digest = _digest(text)
        """Of the text at the last look, whatever came of it."""
        self._pending = False
        """Whether that text is not in force: it was refused."""
        self.refused = 0

    def refresh(self, *, asked: bool = False) -> Change | None:
        """Look at the file; None: it is as it was at the last look, or says the same in other words.

        `asked`: a person asked for it, so a text that was refused is tried again, since what was wrong may be a file that
        it names. Where what was refused is taken back, the change is the configuration in force.
        """
        try:
            text = _read(self.path)
        except ConfigError as error:
            return self._refuse(error, "", asked=asked)
        if _digest(text) == self._digest and not (asked and self._pending):
            return None
        try:
            config = parse(text, self.path)
        except ConfigError as error:
            return self._refuse(error, text, asked=asked)
        was_refused, self._pending, self._digest = self._pending, False, _digest(text)
        return None if config == self.current and not was_refused else Change(config)

    def take(self, config: Config) -> None:
        """It is in force."""
        self.current = config

    def refuse(self) -> None:
        """What the last look found is of no use; it is tried again when the file changes or a person asks."""
        self._pending = True
        self.refused += 1

    def _refuse(self, error: ConfigError, text: str, *, asked: bool) -> Change | None:
        if self._digest == _digest(text) and not asked:
            return None
        self._digest = _digest(text)
        self.refuse()
        return Change(None, str(error))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("config_unreadable", f"it cannot be read: {error}", where=str(path)) from error


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
