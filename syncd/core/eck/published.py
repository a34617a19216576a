"""What the Secret that ECK publishes says: its own CA, held to the strictest reading, and the mirror's echo behind it."""

import re

from syncd.core.bundle import Cert, Published, read_trust_file, refuse_unsafe
from syncd.core.eck.mirror_text import read_mirror
from syncd.core.errors import BundleError

_EDGE = re.compile(rb"-----(?P<end>BEGIN|END) (?P<label>[^-\r\n]*)-----")


def read_published(data: bytes) -> Published:
    """What the Secret's `ca.crt` says.

    The first block is ECK's CA; what follows is the byte-for-byte echo of the ConfigMap that ECK was given
    (cloud-on-k8s `transport/public_secret.go`). ECK does not parse it, so whatever somebody saved there stands behind a CA
    that is whole: it is noted, and keeps no new CA of ECK from the nodes. Only a private key refuses the Secret as a whole.

    Raises BundleError naming what is wrong; then nothing may be derived from this source.
    """
    refuse_unsafe(data)
    end = _end_of_first(data)
    ca = _eck_ca(data[:end])
    if not (ca.is_ca and ca.signs):
        raise BundleError(
            "not_a_ca",
            f"the first certificate ({ca.subject}, {ca.short}) is not a CA",
            cure="Check which Secret the source names: <cluster>-es-transport-certs-public holds ECK's transport CA",
        )
    echo = read_mirror(data[end:].decode(errors="replace"))
    return Published(ca, echo.certs, echo.faults)


def _end_of_first(data: bytes) -> int:
    """Where the first block ends: its beginning and its end are the first two edges. Without any, the end of all."""
    first = _EDGE.search(data)
    if first is None:
        return len(data)
    last = _EDGE.search(data, first.end())
    if last is None or (first["end"], last["end"]) != (b"BEGIN", b"END") or first["label"] != last["label"]:
        raise BundleError(
            "truncated", "the first block (ECK's CA) has a beginning without an end, or the other way round"
        )
    return last.end()


def _eck_ca(data: bytes) -> Cert:
    try:
        found = read_trust_file(data)
    except BundleError as error:
        raise BundleError(error.rule, f"ECK's CA: {error.text}", cure=error.cure) from error
    return (found.certs + found.markers)[0]
