"""The cluster's own side: its REST API, its nodes, how their files are reached and where those are."""

import re
from datetime import timedelta
from posixpath import isabs, join, normpath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from syncd.config.base import AbsolutePath, Duration, Mistake, Model, Name, Positive, checked_port, text_like
from syncd.core.model import Context

_URL = re.compile(r"https?://(\[[^\]\s/]+\]|[^\s/:?#]+)(?P<port>:\d+)?/?")


class Elasticsearch(Model):
    """The self-managed cluster's REST API. Needs `monitor`, and `manage` to mark the cluster as kept."""

    urls: tuple[str, ...] = Field(min_length=1)
    """One or more nodes' URLs."""
    ca_file: str | None = None
    """PEM file of the CA of the REST certificates; null: the system's CAs."""
    verify_hostname: bool = True
    """Whether names in REST certificates must match; certificates themselves are always verified."""
    api_key_file: str | None = None
    """File with an API key (the `encoded` form)."""
    username: str | None = None
    """User, with password_file."""
    password_file: str | None = None
    """File with the user's password."""

    @model_validator(mode="after")
    def _one_credential(self) -> "Elasticsearch":
        basic = self.username is not None and self.password_file is not None
        if (self.username is None) != (self.password_file is None):
            raise ValueError("username and password_file belong together")
        if basic == (self.api_key_file is not None):
            raise ValueError("exactly one of api_key_file, or username with password_file, is expected")
        for at, url in enumerate(self.urls):
            _must_be_url(url, "urls", at)
        return self


def _must_be_url(url: str, *at: str | int) -> None:
    """Scheme, host and port, no path and no credential: what is in a URL is in logs, too."""
    if "@" in url:
        raise Mistake("a URL must hold no credential; use api_key_file, or username with password_file", *at)
    parts = _URL.fullmatch(url)
    if parts is None:
        raise Mistake("a URL of scheme, host and port, no more, is expected, such as https://es-01.example:9200", *at)
    try:
        checked_port(parts["port"] or ":443")
    except ValueError as error:
        raise Mistake(str(error), *at) from None


class Owner(Model):
    """Numeric owner of the trust file."""

    uid: int = Field(ge=0)
    """User id."""
    gid: int = Field(ge=0)
    """Group id."""


_MODE, _MODE_WORDS = r"^0?[0-7]{3}$", 'an octal mode in quotes, such as "0640",'


def _ours_to_write(mode: str) -> str:
    if int(mode, 8) & 0o022:
        text = 'a mode by which only the owner may write is expected, such as "0640"'
        raise ValueError(f"{text}: whoever writes the file decides whom the node trusts")
    return mode


class Layout(Model):
    """Folders and files of a node."""

    config_dir: AbsolutePath = "/etc/elasticsearch"
    """The folder of elasticsearch.yml."""
    home: AbsolutePath = "/usr/share/elasticsearch"
    """Where Elasticsearch and its tools are."""
    java_home: AbsolutePath | None = None
    """JDK for the tools; null: the one that came with Elasticsearch."""
    bundle_dir: str = "."
    """Folder of the trust file, below config_dir: Elasticsearch reads no certificates outside it."""
    log_file: AbsolutePath | None = None
    """The server log; null: <path.logs>/<cluster.name>.log."""
    owner: Owner | None = None
    """Owner of the trust file; null: as elasticsearch.yml has it (bundle_dir ".") or as the folder has it."""
    file_mode: (
        Annotated[str, Field(pattern=_MODE), AfterValidator(_ours_to_write), text_like(_MODE, _MODE_WORDS)] | None
    ) = None
    """Mode of the trust file, such as "0640"; null: as elasticsearch.yml has it, or 0644 in a folder of its own."""

    own_ca_file: AbsolutePath | None = None
    """PEM file on the node with the cluster's own transport CAs; null: what elasticsearch.yml names."""
    keystore_password_file: str | None = None
    """File, where syncd runs, with the password of elasticsearch.keystore; null: it has none."""

    @model_validator(mode="after")
    def _below(self) -> "Layout":
        if isabs(self.bundle_dir) or normpath(join("/x", self.bundle_dir)).split("/")[1:2] != ["x"]:
            raise Mistake("bundle_dir must be a folder below config_dir, given relative to it", "bundle_dir")
        return self

    @property
    def trust_file(self) -> str:
        """Absolute path of the managed file of the remote_cluster_client context."""
        return normpath(join(self.config_dir, self.bundle_dir, Context.REMOTE_CLUSTER_CLIENT.file_name))

    @property
    def transport_file(self) -> str:
        """Absolute path of the managed file of the transport context."""
        return normpath(join(self.config_dir, self.bundle_dir, Context.TRANSPORT.file_name))


class Node(Model):
    """One Elasticsearch node and its host."""

    name: Name
    """`node.name`."""
    address: str | None = None
    """Host name or IP address for SSH; null only with transport kind local."""
    port: int = Field(default=22, ge=1, le=65535)
    """Port of sshd."""
    http_url: str | None = None
    """The node's own REST URL; null: its http.publish_address as the cluster tells it."""
    layout: Layout | None = None
    """What is elsewhere on this node: each key given here replaces that of the cluster's layout (null: by its default), all
    others stay as there."""

    @model_validator(mode="after")
    def _plain_url(self) -> "Node":
        if self.http_url is not None:
            _must_be_url(self.http_url, "http_url")
        return self

    def within(self, shared: Layout) -> "Node":
        """The same with its layout made whole by that of its cluster."""
        if self.layout is None:
            return self
        own = {key: getattr(self.layout, key) for key in self.layout.model_fields_set}
        return self.model_copy(update={"layout": shared.model_copy(update=own)})


class Ssh(Model):
    """Hosts over SSH."""

    kind: Literal["ssh"]
    user: str = "root"
    """The user to log in as."""
    key_file: str | None = None
    """Private key; null: the SSH agent's keys."""
    passphrase_file: str | None = None
    """File with the key's passphrase."""
    known_hosts_file: str = "~/.ssh/known_hosts"
    """Host keys come from here only."""
    become: Literal["sudo"] | None = None
    """sudo: start the SFTP server under sudo -n."""
    sftp_server: AbsolutePath | None = None
    """Path of the SFTP server, for sudo; null: looked for."""
    connect_timeout: Positive = timedelta(seconds=10)
    """For each of TCP connect, key exchange and authentication."""
    keepalive: Duration = timedelta(seconds=30)
    """Between keepalives of warm sessions."""
    parallel: int = Field(default=64, ge=1, le=512)
    """Nodes spoken to at once."""
    warm_sessions: int = Field(default=100, ge=0)
    """Most sessions kept open; the rest connect on demand."""


class Local(Model):
    """All nodes run on the host that syncd runs on."""

    kind: Literal["local"]
