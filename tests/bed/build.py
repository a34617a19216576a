"""Fill the cache: build or fetch each artefact that is missing, whole or not at all.

Each is made in a scratch folder of the cache and renamed into place, so that an interrupted build leaves nothing
that looks finished. A lock keeps two builds from doing the same work.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

from tests.bed import paths

MAVEN_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
ETCD_PACKAGE = "go.etcd.io/etcd/server/v3"
KUBE_MODULE = "k8s.io/kubernetes"


class BuildError(Exception):
    """An artefact could not be made; the message says which step failed and what it printed."""


def run() -> int:
    """Build what is missing; print one line per artefact; 1 if any could not be made."""
    cache = paths.cache()
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        results = [_ensure(path, make) for path, make in _artefacts()]
    return 0 if all(results) else 1


def _artefacts() -> list[tuple[Path, Callable[[Path], Path]]]:
    elasticsearch = [
        (paths.elasticsearch(version), lambda scratch, version=version: _elasticsearch(scratch, version))
        for version in paths.ELASTICSEARCH_VERSIONS
    ]
    return [(paths.etcd(), _etcd), (paths.kube_apiserver(), _kube_apiserver), *elasticsearch]


def _ensure(target: Path, make: Callable[[Path], Path]) -> bool:
    if target.exists():
        _say(f"{target.name}: there already ({target})")
        return True
    if not target.is_relative_to(paths.cache()):
        _say(f"{target.name}: {target} is not there: KUBEBUILDER_ASSETS must hold etcd and kube-apiserver")
        return False
    _say(f"{target.name}: building into {target} ...")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=".build-", dir=paths.cache()) as scratch:
        try:
            made = make(Path(scratch))
        except BuildError as error:
            _say(f"{target.name}: FAILED: {error}")
            return False
        made.chmod(0o755)
        made.rename(target)
    _say(f"{target.name}: built in {time.monotonic() - began:.0f} s")
    return True


def _etcd(scratch: Path) -> Path:
    """Debian's own etcd (3.4) lacks watch bookmarks, so a current one is built from its module."""
    _tools("go")
    (scratch / "go.mod").write_text(f"module bed\n\ngo {_go_version()}\n")
    _sh(scratch, "go", "get", "-tool", f"{ETCD_PACKAGE}@{paths.ETCD_VERSION}")
    _sh(scratch, "go", "build", "-ldflags", "-s -w", "-o", "out", ETCD_PACKAGE)
    return scratch / "out"


def _kube_apiserver(scratch: Path) -> Path:
    """Build through a small module that names the server as its tool.

    `go install` refuses it, since its module replaces the staging modules by folders; here they are replaced by
    their published versions (v1.X.Y is v0.X.Y there).
    """
    _tools("go")
    version = paths.KUBE_VERSION
    (scratch / "go.mod").write_text(f"module bed\n\ngo {_go_version()}\n")
    answer = _sh(scratch, "go", "mod", "download", "-json", f"{KUBE_MODULE}@{version}")
    found = re.search(r'"GoMod": "(.+)"', answer)
    if found is None:
        raise BuildError(f"`go mod download` did not say where go.mod of {KUBE_MODULE} is: {answer[-300:]}")
    (scratch / "go.mod").write_text(_kube_module(Path(found.group(1)).read_text(), version))
    _sh(scratch, "go", "mod", "tidy", "-e")
    stamp = f"-s -w -X k8s.io/component-base/version.gitVersion={version}"
    _sh(scratch, "go", "build", "-ldflags", stamp, "-o", "out", f"{KUBE_MODULE}/cmd/kube-apiserver")
    return scratch / "out"


def _kube_module(theirs: str, version: str) -> str:
    staging = re.findall(r"^\s+(k8s\.io/\S+) => \./staging", theirs, re.MULTILINE)
    go = re.search(r"^go (\S+)", theirs, re.MULTILINE)
    if go is None or not staging:
        raise BuildError(f"go.mod of {KUBE_MODULE} {version} has another shape than this build knows")
    replaced = "\n".join(f"\t{module} => {module} v0{version[2:]}" for module in staging)
    return (
        f"module bed\n\ngo {go.group(1)}\n\nrequire {KUBE_MODULE} {version}\n\n"
        f"tool {KUBE_MODULE}/cmd/kube-apiserver\n\nreplace (\n{replaced}\n)\n"
    )


def _go_version() -> str:
    return _sh(Path.cwd(), "go", "env", "GOVERSION").strip().removeprefix("go").partition(" ")[0]


def _elasticsearch(scratch: Path, version: str) -> Path:
    _tools("mvn")
    artifact = f"org.elasticsearch.distribution.integ-test-zip:elasticsearch:{version}:zip"
    _sh(scratch, "mvn", "-q", "-B", MAVEN_COPY, f"-Dartifact={artifact}", f"-DoutputDirectory={scratch}")
    _unzip(scratch / f"elasticsearch-{version}.zip", scratch)
    home = scratch / f"elasticsearch-{version}"
    _install_shim(scratch, home, version)
    _sh(scratch, "chmod", "-R", "a+rX", str(home))
    return home


def _unzip(archive: Path, into: Path) -> None:
    """Unpack with the modes kept: zipfile alone drops the execute bits."""
    with zipfile.ZipFile(archive) as packed:
        for member in packed.infolist():
            out = Path(packed.extract(member, into))
            if mode := (member.external_attr >> 16) & 0o777:
                out.chmod(mode)


def _install_shim(scratch: Path, home: Path, version: str) -> None:
    """Add the three analysis parts that the security index needs and this small distribution lacks."""
    java = paths.java_home()
    if java is None:
        raise BuildError("no JDK 17 to 23 found; install openjdk-17-jdk-headless or set ES_JAVA_HOME")
    plugin, classes = home / "plugins" / "syncd-analysis-shim", scratch / "classes"
    plugin.mkdir(parents=True)
    _sh(
        scratch,
        *(str(java / "bin/javac"), "--release", "17", "-cp", f"{home}/lib/*"),
        *("-d", str(classes), str(paths.SHIM_SOURCE)),
    )
    with zipfile.ZipFile(plugin / "shim.jar", "w") as jar:
        for compiled in sorted(classes.rglob("*.class")):
            jar.write(compiled, compiled.relative_to(classes))
    (plugin / "plugin-descriptor.properties").write_text(
        "description=what the security index needs of analysis-common\nversion=1\nname=syncd-analysis-shim\n"
        f"classname=syncdtest.AnalysisShim\njava.version=17\nelasticsearch.version={version}\n"
    )


def _tools(*names: str) -> None:
    for name in names:
        if not shutil.which(name):
            raise BuildError(f"no command {name} on the PATH; install it and run this again")


def _sh(folder: Path, *command: str) -> str:
    environment = {**os.environ, "GOFLAGS": "-mod=mod"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout)[-2000:]
        raise BuildError(f"`{' '.join(command)}` ended with {done.returncode}: {said}")
    return done.stdout


def _say(line: str) -> None:
    sys.stdout.write(f"bed: {line}\n")
    sys.stdout.flush()
