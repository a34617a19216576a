"""Print the tables of docs/trust.md."""

import sys

from tests.java_rules import tables

sys.stdout.write(tables())
