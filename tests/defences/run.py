"""Takes one defence away at a time, in a copy of the tree, and sees whether its test notices."""

import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.defences.page import ROOT
from tests.defences.table import Defence

_LEFT_OUT = (".git", ".venv", "*.egg-info", "__pycache__", ".*_cache", ".hypothesis", "build", "bench")
_TEST_FAILED = 1
"""pytest's exit status; the others are faults of the run: nothing collected, interrupted, usage."""
_PATIENCE = 60.0
"""Seconds for one test: a hang is a failure, and long before anybody loses patience."""
_PATIENCE_SLOW = 540.0


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run of a defence's test came to."""

    word: str
    """`passed`, `failed`, `skipped`, `broken` (no test could be run)."""
    text: str = ""


@contextmanager
def copy_of_the_tree() -> Iterator[Path]:
    """A copy that may be broken, whose package is what the interpreter imports there."""
    with TemporaryDirectory(prefix="syncd-defences-") as folder:
        Path(folder).chmod(0o755)  # some tests log in as other users
        copy = Path(folder) / "tree"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*_LEFT_OUT))
        asked = [sys.executable, "-c", "import syncd; print(syncd.__file__)"]
        imported = subprocess.run(asked, cwd=copy, env=_environment(copy), capture_output=True, text=True, check=True)
        if not Path(imported.stdout.strip()).is_relative_to(copy):
            raise RuntimeError(f"not the copy's package is imported but {imported.stdout.strip()}")
        yield copy


@contextmanager
def removed(copy: Path, defence: Defence) -> Iterator[None]:
    """The tree without the defence."""
    path = copy / defence.file
    whole = path.read_text()
    path.write_text(whole.replace(defence.text, defence.instead))
    try:
        compile(path.read_text(), str(path), "exec")  # a removal that does not parse would be caught by any test
        yield
    finally:
        path.write_text(whole)


def run(copy: Path, defence: Defence) -> Ran:
    """Run the defence's test in the copy, as the copy is now."""
    junit = copy.parent / "junit.xml"
    junit.unlink(missing_ok=True)
    limit = _PATIENCE_SLOW if defence.slow else _PATIENCE
    pytest = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", f"--timeout={limit}"]
    argv = [*pytest, f"--junitxml={junit}", *defence.files, "-k", defence.select or defence.test]
    done = subprocess.run(argv, cwd=copy, env=_environment(copy), capture_output=True, text=True, check=False)
    if done.returncode not in (0, _TEST_FAILED) or not junit.exists():
        return Ran("broken", f"pytest ended with {done.returncode}: {_last(done.stdout)}")
    return _judged(ET.parse(junit).getroot(), done.stdout)  # noqa: S314 - pytest wrote it


def _judged(report: ET.Element, said: str) -> Ran:
    cases = list(report.iter("testcase"))
    if any(case.find("failure") is not None for case in cases):
        return Ran("failed", _last(said))
    if any(case.find("error") is not None for case in cases):
        return Ran("broken", f"a fixture failed: {_last(said)}")
    skipped = [found.get("message", "") for case in cases if (found := case.find("skipped")) is not None]
    if len(skipped) == len(cases):
        return Ran("skipped", "; ".join(dict.fromkeys(skipped)))
    return Ran("passed")


def _environment(copy: Path) -> dict[str, str]:
    """No byte code: a removal that leaves size and second as they were would not be seen."""
    return os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}


def _last(said: str) -> str:
    lines: Sequence[str] = [line for line in said.splitlines() if line.startswith(("FAILED", "ERROR"))] or [""]
    return lines[-1][:300]
