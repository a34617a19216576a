"""What this machine lacks for the bed, each with the reason and what to do about it."""

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.bed import paths, systemd

BUILD = "run `make bed`"


def of(*parts: str) -> list[str]:
    """Say what is missing for these parts of the bed; an empty list means that they can be started."""
    lacks = [lack for part in parts for lack in PARTS[part]()]
    return list(dict.fromkeys(lacks))


def everything() -> list[str]:
    """Say what is missing for the whole bed."""
    return of(*PARTS)


def _root() -> Iterable[str]:
    if os.geteuid() != 0:
        yield "root: this user may not make users or servers of others; run the tests as root"


def _file(part: str, path: Path, cure: str) -> Iterable[str]:
    if not path.exists():
        yield f"{part}: {path} is not there; {cure}"


def _tool(part: str, name: str, package: str) -> Iterable[str]:
    if not shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"):
        yield f"{part}: no command {name}; install Debian's {package}"


def _kube() -> Iterable[str]:
    cure = "KUBEBUILDER_ASSETS names a folder without it" if os.environ.get("KUBEBUILDER_ASSETS") else BUILD
    yield from _file("kube", paths.etcd(), cure)
    yield from _file("kube", paths.kube_apiserver(), cure)


def _elasticsearch() -> Iterable[str]:
    yield from _root()
    if paths.java_home() is None:
        yield f"elasticsearch: no JDK {paths.OLDEST_JAVA} to {paths.NEWEST_JAVA}; install openjdk-17-jdk-headless"
    for version in paths.ELASTICSEARCH_VERSIONS:
        yield from _file("elasticsearch", paths.elasticsearch(version), BUILD)


def _sshd() -> Iterable[str]:
    yield from _root()
    yield from _file("sshd", paths.SSHD, "install Debian's openssh-server")
    yield from _file("sshd", paths.SFTP_SERVER, "install Debian's openssh-sftp-server")
    yield from _tool("sshd", "ssh-keygen", "openssh-client")


def _sudo() -> Iterable[str]:
    yield from _root()
    yield from _tool("sudo", "sudo", "sudo")


def _systemd() -> Iterable[str]:
    yield from _root()
    yield from _file("systemd", paths.SYSTEMD, "install Debian's systemd")
    yield from _file("systemd", paths.DBUS, "install Debian's dbus")
    if os.geteuid() == 0 and (lack := systemd.lack()):
        yield f"systemd: {lack}"


def _netns() -> Iterable[str]:
    yield from _root()
    yield from _tool("netns", "ip", "iproute2")


def _tun() -> Iterable[str]:
    yield from _netns()
    yield from _file("tun", paths.TUN, "load the kernel's module tun")


def _faketime() -> Iterable[str]:
    yield from _file("faketime", paths.FAKETIME, "install Debian's faketime")


PARTS: dict[str, Callable[[], Iterable[str]]] = {
    "root": _root,
    "kube": _kube,
    "elasticsearch": _elasticsearch,
    "sshd": _sshd,
    "sudo": _sudo,
    "systemd": _systemd,
    "netns": _netns,
    "tun": _tun,
    "faketime": _faketime,
}
