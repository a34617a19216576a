"""By which CAs a node trusts its own peers: what its elasticsearch.yml names, and a trust store made into PEM; pure.

What Elasticsearch does with it (`SslConfigurationLoader.buildTrustConfig`, `StoreKeyConfig.asTrustConfig`):

* `certificate_authorities` are the whole trust; an empty list counts as none;
* else `truststore.path` is, of which Java trusts each trusted entry and the first certificate of each private key;
* with neither, it is the JDK's public roots, and what the store of `keystore.path` holds too.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from posixpath import join, normpath
from typing import Literal

from cryptography import x509

from syncd.core.bundle import Cert, render
from syncd.core.errors import YmlError
from syncd.core.java.names import Canonical, canonical
from syncd.core.java.paths import find
from syncd.core.model import OwnTrust, Shown
from syncd.core.nodes.stores import store_type
from syncd.core.yml import Settings, read
from syncd.core.yml.edit import Wanted
from syncd.core.yml.names import TRANSPORT_SSL, trust_setting

OWN_CA_FILE = "transport-own-ca.crt"
"""The PEM file, beside the managed ones, that the CAs of a trust store are exported to."""

_CAS = trust_setting("transport")
_OF_STORE = ("path", "type", "algorithm", "password")
_CURE = "Say where the CAs are as PEM on the node (own_ca_file)"


@dataclass(frozen=True, slots=True)
class Store:
    """A PKCS#12 or JKS store that the settings name."""

    path: str
    """Absolute."""
    type: str
    password: str | None = field(repr=False)
    """As the settings have it in clear; None: the keystore may hold it."""
    secure_setting: str
    """The keystore entry that holds it."""


@dataclass(frozen=True, slots=True)
class Named:
    """What an elasticsearch.yml names as the trust of its transport layer."""

    kind: Literal["pem", "truststore", "none"]
    files: tuple[str, ...] = ()
    """PEM files, as absolute paths."""
    store: Store | None = None
    """The trust store, or the store of the node's own key where neither is named."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """A trust store as PEM."""

    content: bytes = field(repr=False)
    """Of the file for the cluster's own CAs."""
    certs: tuple[Cert, ...]
    wanted: Wanted
    """The settings that come and go."""


def named(text: str, config_dir: str) -> Named:
    """What the text of an elasticsearch.yml names.

    Raises YmlError as `yml.read` does, and `placeholder` where a value comes from the environment.
    """
    settings = read(text)
    if files := tuple(item for item in settings.items(_CAS) if item):
        return Named("pem", tuple(_path(_CAS, item, config_dir) for item in files))
    for part in ("truststore", "keystore"):
        if store := _store(settings, f"{TRANSPORT_SSL}{part}.", config_dir):
            return Named("truststore" if part == "truststore" else "none", store=store)
    return Named("none")


def key_file(text: str, config_dir: str) -> str | None:
    """The file, as an absolute path, that holds the node's own certificate; None: none is named.

    Raises YmlError as `named` does.
    """
    settings = read(text)
    for name in ("certificate", "keystore.path"):
        if path := _word(settings, TRANSPORT_SSL + name):
            return _path(TRANSPORT_SSL + name, path, config_dir)
    return None


def kind_of(text: str) -> Literal["pem", "truststore", "none"]:
    """The kind of trust that a text names, whatever its paths are. Raises YmlError as `yml.read` does."""
    settings = read(text)
    if any(settings.items(_CAS)):
        return "pem"
    return "truststore" if settings.get(f"{TRANSPORT_SSL}truststore.path") else "none"


def conversion(text: str, own: OwnTrust, shown: Shown, loaded: Iterable[Cert], named_as: tuple[str, ...]) -> Conversion:
    """The PEM file for the CAs of a node's trust store, and the settings that name it instead of the store.

    `loaded`: what else the process has loaded, with markers: our own file. `named_as`: the items of
    `certificate_authorities` that are to be there. Raises YmlError `truststore_differs` unless the subjects are exactly
    those that the transport port shows, and `no_truststore` where there is none.
    """
    if own.kind != "truststore" or not own.certs:
        cure = f"By hand: name the CAs of all nodes in {_CAS}"
        raise YmlError("no_truststore", "it names no trust store whose CAs could be kept", cure=cure)
    _must_be_all(own.certs, (*own.certs, *loaded), shown)
    settings = read(text)
    gone = [f"{TRANSPORT_SSL}truststore.{part}" for part in _OF_STORE]
    wanted: dict[str, tuple[str, ...] | None] = {path: None for path in gone if settings.get(path) is not None}
    return Conversion(render(own.certs), own.certs, {**wanted, _CAS: named_as})


def _must_be_all(own: tuple[Cert, ...], certs: tuple[Cert, ...], shown: Shown) -> None:
    """Refuse unless the certificates are what the process has loaded.

    A store that holds the node's own key makes Java trust the node's own leaf too, which is not trust in anybody else:
    it may go, where the CAs that stay hold that leaf.
    """
    there, known = {_comparable(name): name for name in shown.accepted}, {_comparable(c.subject): c for c in certs}
    leaf = _comparable(shown.presented.leaf.subject)
    more = [name for key, name in there.items() if key not in known]
    if leaf in there and leaf not in known and find(shown.presented.chain, frozenset(own)).paths:
        more.remove(there[leaf])
    fewer = [cert.subject for key, cert in known.items() if key not in there]
    if more or fewer:
        text = f"the process trusts also [{'; '.join(sorted(more))}], and not [{'; '.join(sorted(fewer))}]"
        cure = "Restart the node if its trust store was changed since its start; else convert it by hand"
        raise YmlError("truststore_differs", f"its trust store is not what the process has loaded: {text}", cure=cure)


def _comparable(subject: str) -> Canonical | str:
    """A subject as Java compares it: two spellings of one name are one."""
    try:
        return canonical(x509.Name.from_rfc4514_string(subject).public_bytes())
    except ValueError:
        return subject


def _store(settings: Settings, prefix: str, config_dir: str) -> Store | None:
    path = _word(settings, prefix + "path")
    if not path:
        return None
    return Store(
        _path(prefix + "path", path, config_dir),
        store_type(path, _word(settings, prefix + "type")),
        _word(settings, prefix + "password"),
        prefix + "secure_password",
    )


def _word(settings: Settings, path: str) -> str | None:
    value = settings.get(path)
    if isinstance(value, tuple):
        raise YmlError("not_a_setting", f"{path} is a list", cure="Give it one value")
    if value and "${" in value:
        raise _placeholder(path)
    return value or None


def _path(setting: str, item: str, config_dir: str) -> str:
    if "${" in item:
        raise _placeholder(setting)
    return normpath(join(config_dir, item))


def _placeholder(setting: str) -> YmlError:
    text = f"{setting} takes a value from the node's environment, which only the node itself can tell"
    return YmlError("placeholder", text, cure=_CURE)
