"""Java's trust stores as its own keytool lists them (`keytool -list -rfc`); pure."""

import re

from syncd.core.bundle import Cert, read_trust_file
from syncd.core.errors import BundleError

_PKCS12 = (".p12", ".pfx", ".pkcs12")
_ENTRIES = re.compile(r"^Your keystore contains (\d+) entr(?:y|ies)$", re.MULTILINE)
_KIND = re.compile(r"^Entry type: *(.*?)$", re.MULTILINE)
_TRUSTED = "trustedCertEntry"
_UNVERIFIED = "has NOT been verified"


def store_type(path: str, told: str | None) -> str:
    """The type that Elasticsearch takes a store for: as configured, else by its name (`KeyStoreUtil.inferKeyStoreType`)."""
    return told or ("PKCS12" if path.lower().endswith(_PKCS12) else "jks")


def read_listing(listing: str, warnings: str = "") -> tuple[Cert, ...]:
    """The certificates that keytool calls trusted, and no other: chains of private keys are left out.

    Without its password keytool lists a store all the same, as empty as it seems then; that is told, and refused here.

    Raises BundleError `store_unverified`, `store_listing`, or one of `read_trust_file`.
    """
    if _UNVERIFIED in listing or _UNVERIFIED in warnings:
        raise BundleError("store_unverified", "keytool could not verify it, so it may have left out certificates")
    kinds = list(_KIND.finditer(listing))
    told = _ENTRIES.search(listing)
    if told is None or int(told[1]) != len(kinds):
        raise BundleError("store_listing", f"keytool's listing cannot be read: {len(kinds)} entries were found in it")
    ends = [*(kind.start() for kind in kinds[1:]), len(listing)]
    trusted = [listing[kind.end() : end] for kind, end in zip(kinds, ends, strict=True) if kind[1] == _TRUSTED]
    return read_trust_file("\n".join(trusted).encode()).certs if trusted else ()
