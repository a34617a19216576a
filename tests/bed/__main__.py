"""The bed's command: `build` fills the cache, `missing` says what this machine lacks."""

import argparse
import sys

from tests.bed import build, missing


def main() -> int:
    """Run one of the two verbs; the exit code is 0 when all is there."""
    parser = argparse.ArgumentParser(prog="python -m tests.bed", description=__doc__)
    parser.add_argument("verb", choices=["build", "missing"])
    if parser.parse_args().verb == "build":
        return build.run()
    lacks = missing.everything()
    for lack in lacks:
        sys.stdout.write(f"{lack}\n")
    return 1 if lacks else 0


sys.exit(main())
