"""Which versions the bed runs, and where the built things are kept."""

import hashlib
import os
import re
import stat
import subprocess
from pathlib import Path

ETCD_VERSION = "v3.6.7"
KUBE_VERSION = "v1.36.3"
NEWEST = "8.19.21"
OLDEST = "8.14.3"
ELASTICSEARCH_VERSIONS = (NEWEST, OLDEST)
SHIM_SOURCE = Path(__file__).parent / "assets" / "AnalysisShim.java"
SFTP_SERVER = Path("/usr/lib/openssh/sftp-server")
SSHD = Path("/usr/sbin/sshd")
SYSTEMD = Path("/lib/systemd/systemd")
DBUS = Path("/usr/bin/dbus-daemon")
TUN = Path("/dev/net/tun")
FAKETIME = Path("/usr/bin/faketime")
OLDEST_JAVA, NEWEST_JAVA = 17, 23  # 8.14 to 8.17 rely on the security manager, which Java 24 removed


def cache() -> Path:
    """Give the folder that holds what was built.

    Elasticsearch runs as a user of its own, so the folder must be one that others may enter: a closed home
    directory (root's, on many machines) is passed over for /var/cache.
    """
    if chosen := os.environ.get("SYNCD_BED_CACHE"):
        return Path(chosen).absolute()
    home = Path.home()
    if os.geteuid() == 0 and not home.stat().st_mode & stat.S_IXOTH:
        return Path("/var/cache/syncd-bed")
    return home / ".cache" / "syncd-bed"


def _asset(name: str, version: str) -> Path:
    """Give a binary of the API server: a person's own envtest assets win over the cache."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    return Path(assets) / name if assets else cache() / f"{name}-{version}"


def etcd() -> Path:
    """Where the etcd binary is, or will be."""
    return _asset("etcd", ETCD_VERSION)


def kube_apiserver() -> Path:
    """Where the kube-apiserver binary is, or will be."""
    return _asset("kube-apiserver", KUBE_VERSION)


def elasticsearch(version: str) -> Path:
    """Where the unpacked distribution is; the shim's digest is in the name, so a changed shim rebuilds it."""
    shim = hashlib.sha256(SHIM_SOURCE.read_bytes()).hexdigest()[:8]
    return cache() / f"elasticsearch-{version}-{shim}"


def java_home() -> Path | None:
    """Find a JDK that every tested Elasticsearch accepts, or None."""
    named = [Path(os.environ[key]) for key in ("ES_JAVA_HOME", "JAVA_HOME") if os.environ.get(key)]
    installed = sorted(Path("/usr/lib/jvm").glob("*")) if Path("/usr/lib/jvm").is_dir() else []
    for home in [*named, *installed]:
        if (home / "bin/javac").exists() and OLDEST_JAVA <= _java_major(home) <= NEWEST_JAVA:
            return home
    return None


def _java_major(home: Path) -> int:
    release = home / "release"
    text = release.read_text() if release.exists() else ""
    if not text:
        done = subprocess.run([home / "bin/java", "-version"], capture_output=True, text=True, check=False)
        text = "JAVA_VERSION=" + done.stderr.partition("version ")[2]
    found = re.search(r'JAVA_VERSION="(\d+)', text)
    return int(found.group(1)) if found else 0
