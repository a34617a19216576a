"""The ECK side: each remote, where its CA is published, what becomes trust, and what its ECK must have of ours."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from syncd.config.base import AbsolutePath, Duration, Mistake, Model, Name, checked_port, text_like


class SecretSource(Model):
    """ECK's public Secret, <cluster>-es-transport-certs-public."""

    kind: Literal["secret"]
    namespace: Name
    """Namespace of the Elasticsearch resource."""
    cluster: Name
    """Name of the Elasticsearch resource."""
    key: str = "ca.crt"
    """Key of the Secret."""


class FileSource(Model):
    """A file that other means keep, such as a mounted Secret."""

    kind: Literal["file"]
    path: AbsolutePath
    """Path of the PEM file on the host that syncd runs on."""


class NoSource(Model):
    """Nothing is published: a publicly trusted remote, or extra_ca_files alone."""

    kind: Literal["none"]


_PIN, _PIN_WORDS = r"^[0-9a-f]{64}$", "a SHA-256 fingerprint of 64 lower-case hex digits without colons"
_ADDRESS, _ADDRESS_WORDS = r"^\S+:\d+$", "host:port, such as eck.example:9443,"


class Trust(Model):
    """What becomes trust."""

    overlap: Duration = timedelta(hours=24)
    """How long an old CA stays at least after it was superseded."""
    accept: Literal["any", "same_key", "pinned", "approved"] = "any"
    """Which published CAs are taken without asking."""
    pins: tuple[Annotated[str, Field(pattern=_PIN), text_like(_PIN, _PIN_WORDS)], ...] = ()
    """SHA-256 fingerprints (lower-case hex) that are taken whatever `accept` says."""
    endpoints: int | None = Field(default=None, ge=1)
    """How many endpoints the remote has; null: status.availableNodes of the Elasticsearch resource."""

    @model_validator(mode="after")
    def _takes_something(self) -> "Trust":
        if self.accept == "pinned" and not self.pins:
            text = "pinned takes what is among the pins, and there are none: give pins, or say approved (syncd approve)"
            raise Mistake(text, "accept")
        return self


class Mirror(Model):
    """Certificate model: the ConfigMap in which ECK finds the self-managed CAs; it may be shared with other clusters."""

    name: Name = "remote-certs"
    """Name of the ConfigMap, in the namespace of the source."""
    key: Literal["ca.crt"] = "ca.crt"
    """Its key; ECK reads this one only."""


_Address = Annotated[str, Field(pattern=_ADDRESS), AfterValidator(checked_port), text_like(_ADDRESS, _ADDRESS_WORDS)]


class Remote(Model):
    """One remote cluster."""

    alias: Name
    """The alias in cluster.remote.<alias>.*"""
    security_model: Literal["api_key", "certificate"] = "api_key"
    """api_key: port 9443, one-way trust; certificate: port 9300, mutual TLS of the transport layer."""
    source: Annotated[SecretSource | FileSource | NoSource, Field(discriminator="kind")]
    """Where its CA is published."""
    extra_ca_files: tuple[AbsolutePath, ...] = ()
    """More CAs, for TLS that is ended by something in between."""
    trust: Trust = Trust()
    """Which CAs are taken, and how long an old one stays."""
    credential_file: str | None = None
    """api_key: file with the cross-cluster API key (the `encoded` form), which is put into every node's keystore."""
    mirror: Mirror = Mirror()
    """certificate: where ECK finds our CAs."""
    resource: Literal["observed", "managed"] = "observed"
    """managed: syncd applies spec.transport.tls.certificateAuthorities.configMapName and spec.remoteClusterServer.enabled of
    the Elasticsearch resource, which may restart the remote; observed: syncd prints the manifest to apply."""
    services: tuple[Name, ...] = ()
    """Services made by hand through which others reach the remote (ECK before 3.3 has no template for its own): their
    targetPort is looked at."""
    address: _Address | None = None
    """host:port; null: as the nodes dial it."""
    server_name: str | None = None
    """TLS name to ask for; null: as the nodes do."""

    @model_validator(mode="after")
    def _of_its_model(self) -> "Remote":
        certificate = self.security_model == "certificate"
        if certificate and self.credential_file is not None:
            text = "it belongs to security_model api_key, the certificate model has no API key: take it out"
            raise Mistake(text, "credential_file")
        if not certificate and self.mirror != Mirror():
            text = "it belongs to security_model certificate, the API-key model has no mirror: take it out"
            raise Mistake(text, "mirror")
        return self

    @model_validator(mode="after")
    def _of_its_source(self) -> "Remote":
        """Resource and Services are found by the source."""
        idle = "has no effect, as the source names no Elasticsearch resource: use source kind secret, or take it out"
        if not isinstance(self.source, SecretSource):
            if self.resource == "managed":
                raise Mistake(f"managed {idle}", "resource")
            if self.services:
                raise Mistake(f"it {idle}", "services")
        return self
