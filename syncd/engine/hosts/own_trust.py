"""The CAs by which a node trusts its own peers, read on the node from the files that its elasticsearch.yml names."""

from syncd.core.bundle import MAX_BYTES, Cert, read_trust_file
from syncd.core.errors import BundleError, HostError
from syncd.core.model import OwnTrust
from syncd.core.nodes.own_trust import Named, Store
from syncd.core.nodes.stores import read_listing
from syncd.engine.hosts import keystore
from syncd.engine.hosts.tools import Toolbox, last_line, run_as
from syncd.ports import Deadline, Found, Host

_LISTING = 8 * MAX_BYTES
"""Most bytes of keytool's output."""
_CURE = "Say where the CAs are as PEM on the node (own_ca_file)"


def from_files(host: Host, paths: tuple[str, ...], deadline: Deadline) -> tuple[Cert, ...]:
    """The certificates of PEM files, each once. Raises HostError."""
    certs: dict[Cert, None] = {}
    for path in paths:
        found = there(host, path, deadline)
        try:
            certs |= dict.fromkeys(read_trust_file(found.content).certs)
        except BundleError as error:
            raise HostError(f"own_ca_{error.rule}", error.text, where=path, cure=error.cure or _CURE) from error
    return tuple(certs)


def from_store(host: Host, box: Toolbox, store: Store, found: Found, deadline: Deadline) -> tuple[Cert, ...]:
    """The trusted certificates of a PKCS#12 or JKS store, by the node's own keytool. Raises HostError."""
    password = _password(host, box, store, deadline)
    if not password:
        text = "it has no password, and without one keytool may leave out certificates"
        raise HostError("store_password", text, where=store.path, cure=_CURE)
    argv = (*box.keytool, "-list", "-rfc", "-keystore", store.path, "-storetype", store.type)
    done = run_as(host, found.owner, argv, password + b"\n", _LISTING, deadline)
    if done.exit_code or len(done.stdout) >= _LISTING:
        text = f"keytool ended with {done.exit_code}: {last_line(done, (password,))}"
        cure = f"Check {store.secure_setting} in the node's keystore, layout.home and layout.java_home. {_CURE}"
        raise HostError("store_unreadable", text, where=store.path, cure=cure)
    try:
        return read_listing(done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))
    except BundleError as error:
        raise HostError(error.rule, error.text, where=store.path, cure=error.cure or _CURE) from error


def checked(named: Named, certs: tuple[Cert, ...], paths: tuple[str, ...]) -> OwnTrust:
    """What was found. Elasticsearch does not start with a trust store that trusts nobody, so none was read wrongly."""
    if named.kind == "truststore" and not certs:
        text = "keytool finds no trusted certificate in it"
        raise HostError("store_empty", text, where=" ".join(paths), cure=_CURE)
    return OwnTrust(certs, named.kind, paths)


def there(host: Host, path: str, deadline: Deadline) -> Found:
    """A file that the settings name. Raises HostError."""
    try:
        found = host.read(path, MAX_BYTES, deadline)
    except HostError as error:
        if error.rule != "not_a_file":
            raise
        raise HostError(error.rule, error.text, where=path, cure=f"syncd follows no links. {_CURE}") from error
    if found is None:
        raise HostError("own_ca_missing", "elasticsearch.yml names it, and it is not there", where=path, cure=_CURE)
    return found


def _password(host: Host, box: Toolbox, store: Store, deadline: Deadline) -> bytes | None:
    if store.password is not None:
        return store.password.encode()
    return keystore.show(host, box, store.secure_setting, deadline)
