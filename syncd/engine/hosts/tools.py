"""Where a node's own tools are, and running one as the user whose files it is to read or write."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from posixpath import join

from syncd.core.errors import HostError
from syncd.core.model import Ownership
from syncd.ports import CommandResult, Deadline, Host

_HIDDEN = "***"
_LONGEST = 200
_ERROR = ("error", "exception")
_TRACE = ("\tat ", "\t... ")


@dataclass(frozen=True, slots=True)
class Toolbox:
    """Where a node's tools are."""

    home: str = "/usr/share/elasticsearch"
    config_dir: str = "/etc/elasticsearch"
    java_home: str | None = None
    """For the tools; None: the JDK that came with Elasticsearch."""
    password: Callable[[], bytes] | None = field(default=None, repr=False)
    """Reads the password of a protected keystore; None: the keystore has none. Raises OSError: ask `unlock`."""

    def unlock(self) -> bytes | None:
        """The password of the keystore; None: none is configured. Raises HostError `keystore_password_unreadable`."""
        try:
            return self.password() if self.password else None
        except OSError as error:
            text = f"the password of the keystore cannot be read: {error.strerror}"
            cure = "Let syncd read the file that layout.keystore_password_file names"
            raise HostError("keystore_password_unreadable", text, where=self.keystore, cure=cure) from error

    @property
    def keystore(self) -> str:
        """Path of the keystore."""
        return join(self.config_dir, "elasticsearch.keystore")

    @property
    def keystore_tool(self) -> tuple[str, ...]:
        """How `elasticsearch-keystore` is called."""
        java = (f"ES_JAVA_HOME={self.java_home}",) if self.java_home else ()
        return ("env", f"ES_PATH_CONF={self.config_dir}", *java, join(self.home, "bin/elasticsearch-keystore"))

    @property
    def keytool(self) -> tuple[str, ...]:
        """How Java's `keytool` is called; in English, since its output is read."""
        tool = join(self.java_home or join(self.home, "jdk"), "bin/keytool")
        return (tool, "-J-Duser.language=en", "-J-Duser.country=US")


def run_as(
    host: Host, owner: Ownership, argv: Sequence[str], stdin: bytes, limit: int, deadline: Deadline
) -> CommandResult:
    """Run a tool as the owner of its file: what root may do there, a packaged file is root's for.

    Whoever may not change users is that user already, or is told by the tool what he may not do.
    """
    if owner.uid == 0:
        return host.run(argv, stdin, limit, deadline)
    become = ("setpriv", f"--reuid={owner.uid}", f"--regid={owner.gid}", "--clear-groups", "--")
    done = host.run((*become, *argv), stdin, limit, deadline)
    return host.run(argv, stdin, limit, deadline) if done.stderr.startswith(b"setpriv: ") else done


def last_line(done: CommandResult, secrets: Iterable[bytes] = ()) -> str:
    """The line that tells what went wrong, for people; whatever a tool has echoed, no secret is in it.

    Prompts go to one stream and errors to the other, and which is which differs by tool.
    """
    said = b"\n".join((done.stdout, done.stderr)).decode("utf-8", "replace")
    for secret in secrets:
        if text := secret.decode("utf-8", "replace"):
            said = said.replace(text, _HIDDEN)
    lines = [line.strip() for line in said.splitlines() if line.strip() and not line.startswith(_TRACE)]
    told = [line for line in lines if any(word in line.lower() for word in _ERROR)] or lines
    return told[-1][:_LONGEST] if told else "it said nothing"
