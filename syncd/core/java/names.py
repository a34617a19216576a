"""Names of certificates as Java compares them, and what name constraints make of them.

Java's names are equal in any case and spacing, and in either of the two string types in use (`X500Principal.equals`); a
remote's CA is found by its name, so another reading of names would find another CA, or none.
"""

import re
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from ipaddress import ip_address
from typing import TypeAlias

from cryptography import x509
from cryptography.x509.oid import NameOID

Canonical: TypeAlias = tuple[tuple[tuple[bytes, int, bytes | str], ...], ...]
"""A name's parts, most significant first: equal where Java says so."""

_FOLDED = {0x0C, 0x13}
"""UTF8String and PrintableString; Java compares all other types byte by byte."""
_HOST = re.compile(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*")
_JUDGED = (x509.DNSName, x509.IPAddress, x509.DirectoryName)


@lru_cache(maxsize=4096)  # pure; few names, compared in every pass
def canonical(name: bytes) -> Canonical:
    """A name's canonical form, from its DER."""
    (outer,) = _values(name)
    return tuple(tuple(sorted(_part(pair) for _, pair in _values(part))) for _, part in _values(outer[1]))


def permits(constraints: x509.NameConstraints, cert: x509.Certificate) -> bool:
    """Whether a CA's name constraints permit a certificate below it, by Java's reading of the certificate's names.

    Kinds of names that are not judged here (e-mail, URI and others) are not permitted where they are constrained.
    """
    names = _names_of(cert)
    excluded, permitted = constraints.excluded_subtrees or [], constraints.permitted_subtrees or []
    if any(not isinstance(rule, _JUDGED) and _has_kind(names, cert, type(rule)) for rule in (*excluded, *permitted)):
        return False
    return all(_allowed(name, excluded, permitted) for name in names)


def _allowed(
    name: x509.GeneralName, excluded: Iterable[x509.GeneralName], permitted: Iterable[x509.GeneralName]
) -> bool:
    if any(_within(name, rule) or _may_become(name, rule) for rule in excluded):
        return False
    same_kind = [rule for rule in permitted if type(rule) is type(name)]
    return not same_kind or any(_within(name, rule) for rule in same_kind)


def _within(name: x509.GeneralName, rule: x509.GeneralName) -> bool:
    match name, rule:
        case x509.DNSName(value=text), x509.DNSName(value=above):
            text, above = text.lower(), above.lower()
            return bool(above) and (text == above or text.endswith(above if above[0] == "." else f".{above}"))
        case x509.IPAddress(value=address), x509.IPAddress(value=network):
            return address in network  # type: ignore[operator]  # a constraint is a network, a name an address
        case x509.DirectoryName(value=own), x509.DirectoryName(value=above_it):
            parts = canonical(above_it.public_bytes())
            return canonical(own.public_bytes())[: len(parts)] == parts
    return False


def _may_become(name: x509.GeneralName, rule: x509.GeneralName) -> bool:
    """Whether a wildcard stands for an excluded host, or the rule excludes all hosts: newer JDKs refuse these."""
    match name, rule:
        case x509.DNSName(value=text), x509.DNSName(value=host):
            return not host or (text.startswith("*.") and host.lower().endswith(text[1:].lower()))
    return False


def _names_of(cert: x509.Certificate) -> list[x509.GeneralName]:
    """Subject and alternative names; the last common name counts as a host or address where there is none of these."""
    names: list[x509.GeneralName] = []
    with suppress(x509.ExtensionNotFound):
        names += cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    common = [part.value for part in cert.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    stand_in = _as_host(str(common[-1])) if common else None
    if stand_in and not any(type(name) is type(stand_in) for name in names):
        names.append(stand_in)
    return [x509.DirectoryName(cert.subject), *names] if list(cert.subject) else names


def _as_host(text: str) -> x509.GeneralName | None:
    with suppress(ValueError):
        return x509.IPAddress(ip_address(text))
    return x509.DNSName(text) if _HOST.fullmatch(text) else None


def _has_kind(names: Iterable[x509.GeneralName], cert: x509.Certificate, kind: type[x509.GeneralName]) -> bool:
    in_subject = kind is x509.RFC822Name and bool(cert.subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS))
    return in_subject or any(type(name) is kind for name in names)


def _part(pair: bytes) -> tuple[bytes, int, bytes | str]:
    (_, oid), (tag, value) = _values(pair)
    if tag not in _FOLDED:
        return oid, tag, value
    text = unicodedata.normalize("NFKD", value.decode(errors="surrogateescape")).upper().lower()
    return oid, 0, " ".join(text.split())


def _values(der: bytes) -> list[tuple[int, bytes]]:
    """(tag, content) of each DER value in a row of them; the library has parsed the whole before."""
    found = []
    while der:
        size, begin = der[1], 2
        if size & 0x80:
            begin += size & 0x7F
            size = int.from_bytes(der[2:begin], "big")
        found.append((der[0], der[begin : begin + size]))
        der = der[begin + size :]
    return found
