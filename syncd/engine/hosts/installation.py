"""A node's installation as it is: settings, service, keystore, its own transport trust, what its transport port shows.

Each part is looked at by itself: one that cannot be seen does not hide the others.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from hashlib import blake2b
from secrets import token_bytes
from time import monotonic
from typing import TypeVar

from syncd.core.bundle import Cert, Digest, content_digest
from syncd.core.errors import HostError, SyncdError
from syncd.core.model import (
    Absent,
    KeystoreState,
    Known,
    NodeName,
    NodePolicy,
    OwnTrust,
    Process,
    Seen,
    Shown,
    Site,
    UnitState,
    Unknown,
    YmlState,
)
from syncd.core.nodes.own_trust import Named, Store, key_file, kind_of, named
from syncd.engine.hosts import keystore, own_trust, passphrase
from syncd.engine.hosts.copies import copy_of, ours_of
from syncd.engine.hosts.keystore import Held
from syncd.engine.hosts.service import Service, look_at_unit
from syncd.engine.hosts.tools import Toolbox
from syncd.ports import Deadline, Handshakes, Host, now

T = TypeVar("T")

_YML_LIMIT = 1_048_576
_SHOWN_FOR = timedelta(minutes=10)
"""For how long what a transport port showed is good, while nothing changes that it shows."""


@dataclass(frozen=True, slots=True)
class Installation:
    """Where the parts of a node are, and what its keystore should hold."""

    node: NodePolicy
    box: Toolbox = Toolbox()  # noqa: RUF009 - it is frozen
    service: Service = Service()  # noqa: RUF009 - it is frozen
    secrets: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """Secure settings that syncd keeps, with the values that they should have."""
    managed: frozenset[str] = frozenset()
    """Absolute paths of our own trust files: what they hold is not the cluster's own trust."""
    own_ca: str | None = None
    """A PEM file on the node with the cluster's own CAs; None: they are found by elasticsearch.yml."""
    transport: bool = True
    """Whether the transport layer matters: whoever looks at its port leaves a WARN in the node's log."""


_REFUSED_FOR = 60.0
"""Seconds for which a tool that cannot open a keystore is not started again: another look would be told the same."""


class ToolMemory:
    """What Java's tools said of files that are the same since: each start of one costs a second of the node's.

    Of secret values it keeps only digests under a key of its own.
    """

    def __init__(self) -> None:
        self._key = token_bytes(32)
        self._said: dict[tuple[NodeName, str], tuple[object, object]] = {}
        self._refused: dict[tuple[NodeName, str], tuple[object, HostError, float]] = {}

    def recall(self, node: NodeName, what: str, basis: object, ask: Callable[[], T]) -> T:
        """What was said, if it was of the same basis; else it is asked. What the tool refused, it refuses for a while."""
        known = self._said.get((node, what))
        if known is None or known[0] != basis:
            known = (basis, self._ask((node, what), basis, ask))
            self._said[node, what] = known
        return known[1]  # type: ignore[return-value]  # one kind of answer for each `what`

    def _ask(self, key: tuple[NodeName, str], basis: object, ask: Callable[[], T]) -> T:
        refused = self._refused.get(key)
        if refused and refused[0] == basis and monotonic() < refused[2]:
            raise refused[1]
        try:
            return ask()
        except HostError as error:
            if error.rule == "keystore":  # not one of the host, which may answer the next time
                self._refused[key] = (basis, error, monotonic() + _REFUSED_FOR)
            raise

    def digest(self, values: Mapping[str, bytes]) -> frozenset[tuple[str, bytes]]:
        """A basis that tells other values apart without holding them."""
        return frozenset((name, blake2b(value, key=self._key).digest()) for name, value in values.items())


@dataclass(frozen=True, slots=True)
class _Look:
    """One look at one node."""

    host: Host
    place: Installation
    tools: ToolMemory
    deadline: Deadline


def look_at_site(
    host: Host,
    place: Installation,
    process: Process | None,
    handshakes: Handshakes,
    tools: ToolMemory,
    deadline: Deadline,
    before: Site | None = None,
) -> Site:
    """All parts of a node's installation. `process`: what its REST API told of it; None: it does not answer.

    `before`: an earlier look at the same process. What its transport port showed then is good for a while, as long as the
    files that it shows something of are the same: each look at it leaves a WARN in the node's log.
    """
    look = _Look(host, place, tools, deadline)
    yml = _seen(lambda: _yml(look))
    held = _seen(lambda: _keystore(look))
    unit: Seen[UnitState] = _seen(lambda: look_at_unit(host, place.service, deadline))
    if not place.transport:
        unasked = Unknown("not_asked", "no remote of the certificate model is configured", now())
        return Site(yml, unit, held, unasked, unasked)
    trust = _seen(lambda: _trust(look, yml, held))
    key = _seen(lambda: _key(look, yml))
    if before and _same(trust, before.trust) and _same(key, before.key) and _is_recent(before.shown):
        return Site(yml, unit, held, trust, before.shown, key)
    return Site(yml, unit, held, trust, _seen(lambda: _shown(look, process, handshakes)), key)


def _same(one: Seen[T], other: Seen[T]) -> bool:
    return isinstance(one, Known) and isinstance(other, Known) and one.value == other.value


def _is_recent(shown: Seen[Shown]) -> bool:
    return isinstance(shown, Known) and now() - shown.value.presented.at < _SHOWN_FOR


def _seen(look: Callable[[], T | None]) -> Seen[T]:
    try:
        found = look()
    except SyncdError as error:
        return Unknown(error.rule, str(error), now())
    return Absent(now()) if found is None else Known(found, now())


def _yml(look: _Look) -> YmlState | None:
    path = look.place.node.yml
    found = look.host.read(path, _YML_LIMIT, look.deadline)
    if found is None:
        return None
    try:
        text = found.content.decode()
    except UnicodeDecodeError as error:
        raise HostError("yml_encoding", "it is not UTF-8", where=path, cure="Mend it by hand") from error
    digest, copy = content_digest(found.content), look.host.read(copy_of(path), _YML_LIMIT, look.deadline)
    if copy is None:
        return YmlState(digest, text, found.owner)
    noted = look.host.read(ours_of(path), _YML_LIMIT, look.deadline)
    ours = Digest(noted.content.decode("ascii", "replace").strip()) if noted else None
    return YmlState(digest, text, found.owner, content_digest(copy.content), ours)


def _keystore(look: _Look) -> KeystoreState | None:
    found = keystore.read(look.host, look.place.box, look.deadline)
    if found is None:
        return None
    held = {name: _held(look, name, value, found.digest) for name, value in look.place.secrets.items()}
    return replace(found, settings=held, locked=_locked(look, found.digest))


def _locked(look: _Look, digest: Digest) -> str:
    """Why a start would not be given the keystore's password, if it has one; the operator's own commands see to it."""
    place = look.place
    if place.service.own:
        return ""

    def ask() -> bool:
        return keystore.is_protected(look.host, place.box, look.deadline)

    try:
        protected = look.tools.recall(place.node.name, "protected", digest, ask)
        return passphrase.lacking(look.host, place.service.unit, look.deadline) if protected else ""
    except SyncdError as error:
        return f"whether it has one, and is given it, is not known: {error}"


def _held(look: _Look, name: str, value: bytes, digest: Digest) -> Held:
    """Each setting by itself: of many, some are remembered even if the deadline comes."""
    wanted = {name: value}
    basis = (digest, look.tools.digest(wanted))

    def ask() -> Held:
        return keystore.compare(look.host, look.place.box, wanted, look.deadline)[name]

    return look.tools.recall(look.place.node.name, name, basis, ask)


def _trust(look: _Look, yml: Seen[YmlState], held: Seen[KeystoreState]) -> OwnTrust:
    if not isinstance(yml, Known):
        text = yml.text if isinstance(yml, Unknown) else "there is none"
        raise HostError("yml_unknown", f"the trust that it names is not known: {text}", where=look.place.node.yml)
    host, place = look.host, look.place
    if place.own_ca:
        certs = own_trust.from_files(host, (place.own_ca,), look.deadline)
        return OwnTrust(certs, kind_of(yml.value.text), (place.own_ca,))
    found = named(yml.value.text, place.node.config_dir)
    if found.store:
        return _from_store(look, found, found.store, held)
    files = tuple(path for path in found.files if path not in place.managed)
    return OwnTrust(own_trust.from_files(host, files, look.deadline), found.kind, files)


def _key(look: _Look, yml: Seen[YmlState]) -> Digest | None:
    """Of the file with the node's own certificate."""
    path = key_file(yml.value.text, look.place.node.config_dir) if isinstance(yml, Known) else None
    found = look.host.read(path, _YML_LIMIT, look.deadline) if path else None
    return content_digest(found.content) if found else None


def _from_store(look: _Look, found: Named, store: Store, held: Seen[KeystoreState]) -> OwnTrust:
    file = own_trust.there(look.host, store.path, look.deadline)
    password = {"password": (store.password or "").encode()}
    digest: Digest | None = held.value.digest if isinstance(held, Known) else None
    basis = (store.path, store.type, content_digest(file.content), digest, look.tools.digest(password))

    def ask() -> tuple[Cert, ...]:
        return own_trust.from_store(look.host, look.place.box, store, file, look.deadline)

    certs = look.tools.recall(look.place.node.name, "store", basis, ask)
    return own_trust.checked(found, certs, (store.path,))


def _shown(look: _Look, process: Process | None, handshakes: Handshakes) -> Shown:
    if process is None or not process.transport_address:
        raise HostError("no_address", "the node does not tell the address of its transport port")
    address = process.transport_address
    name, _, port = address.rpartition(":")
    if not port.isdecimal():
        raise HostError("no_address", f"the node tells {address!r} as the address of its transport port")
    name = name.rpartition("/")[2].strip("[]")  # of a publish host that is a name, Elasticsearch tells `name/address`
    stream = look.host.dial(name, int(port), look.deadline)
    try:
        return handshakes.shown(stream, address, look.deadline)
    finally:
        stream.close()
