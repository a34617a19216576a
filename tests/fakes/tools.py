"""Elasticsearch's keystore tool and Java's keytool as small scripts, for speed: their stores are JSON, their manners real.

What they do is what tests/e2e/test_site.py sees the real ones do.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from syncd.core.bundle import Cert
from syncd.engine.hosts.tools import Toolbox

_COMMON = """\
#!/usr/bin/python3
import json, os, sys
home = os.path.dirname(os.path.dirname(os.path.abspath(sys.argv[0])))
with open(os.path.join(home, "calls"), "a") as calls:
    calls.write(json.dumps({"argv": sys.argv[1:], "environment": dict(os.environ), "uid": os.getuid()}) + "\\n")

def end(code, said=""):
    sys.stderr.write(said)
    sys.exit(code)
"""
_KEYSTORE = (
    _COMMON
    + """
path = os.environ["ES_PATH_CONF"] + "/elasticsearch.keystore"
verb, name = sys.argv[1], sys.argv[-1]
with open(path) as file:
    store = json.load(file)
if verb == "has-passwd":
    end(0 if store["password"] else 1)
if store["password"]:
    said = sys.stdin.readline().rstrip("\\n")
    if said != store["password"]:
        end(65, f"ERROR: Provided keystore password was incorrect, with exit code 65: {said}\\n")
settings = store["settings"]
if verb == "show":
    if name not in settings:
        end(78, "ERROR: Setting [] does not exist in the keystore.\\n")
    sys.stdout.write(settings[name])
    end(0)
if verb == "add":
    settings[name] = sys.stdin.readline().rstrip("\\n")
elif name not in settings:
    end(78, "ERROR: Setting [] does not exist in the keystore.\\n")
else:
    del settings[name]
with open(path + ".tmp", "w") as file:
    json.dump(store, file)
os.chmod(path + ".tmp", 0o660)
os.rename(path + ".tmp", path)
"""
)
_KEYTOOL = (
    _COMMON
    + """
path = sys.argv[sys.argv.index("-keystore") + 1]
with open(path) as file:
    store = json.load(file)
sys.stderr.write("Enter keystore password:  ")
said = sys.stdin.readline().rstrip("\\n")
entries = store["entries"]
if not said:
    sys.stderr.write("* The integrity of the information stored in your keystore  *\\n* has NOT been verified!  ...\\n")
    entries = [entry for entry in entries if entry[1] != "trustedCertEntry"]
elif said != store["password"]:
    print("keytool error: java.io.IOException: keystore password was incorrect, " + said)
    sys.exit(1)
print(f"Keystore type: PKCS12\\n\\nYour keystore contains {len(entries)} entr{'y' if len(entries) == 1 else 'ies'}\\n")
for alias, kind, pems in entries:
    print(f"Alias name: {alias}\\nCreation date: Nov 25, 2026\\nEntry type: {kind}")
    print("\\n".join(["", *pems, "", "*" * 43, "*" * 43, "", ""]))
"""
)


@dataclass(frozen=True)
class FakeTools:
    """A home with both tools, and a config directory with a keystore."""

    home: Path
    config: Path

    @classmethod
    def create(cls, folder: Path, password: str = "") -> "FakeTools":
        """All of it, below a folder that the tools' users may enter."""
        made = cls(folder / "home", folder / "config")
        for path, text in (("bin/elasticsearch-keystore", _KEYSTORE), ("jdk/bin/keytool", _KEYTOOL)):
            tool = made.home / path
            tool.parent.mkdir(parents=True)
            tool.write_text(text)
            tool.chmod(0o755)
        for calls in (made.home / "calls", made.home / "jdk" / "calls"):
            calls.write_text("")
            calls.chmod(0o666)
        made.config.mkdir()
        made.keystore.write_text(json.dumps({"password": password, "settings": {}}))
        made.keystore.chmod(0o660)
        return made

    @property
    def keystore(self) -> Path:
        """The keystore file."""
        return self.config / "elasticsearch.keystore"

    def box(self, password: bytes | None = None) -> Toolbox:
        """How syncd calls them."""
        return Toolbox(str(self.home), str(self.config), password=None if password is None else lambda: password)

    def settings(self) -> dict[str, str]:
        """What the keystore holds."""
        held: dict[str, str] = json.loads(self.keystore.read_text())["settings"]
        return held

    def store(self, name: str, password: str, trusted: Iterable[Cert], keys: Iterable[Cert] = ()) -> Path:
        """A store of keytool's: trusted certificates, and private keys with their chains."""
        entries = [[cert.short, "trustedCertEntry", [cert.pem.decode()]] for cert in trusted]
        entries += [["instance", "PrivateKeyEntry", [cert.pem.decode() for cert in keys]]] if keys else []
        path = self.config / name
        path.write_text(json.dumps({"password": password, "entries": entries}))
        return path

    def calls(self) -> list[str]:
        """Every call of both tools, with arguments and environment."""
        texts = [(self.home / part / "calls").read_text() for part in ("", "jdk")]
        return [line for text in texts for line in text.splitlines()]
