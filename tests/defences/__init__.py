"""Each defence that docs/faults.md tells of, and the proof that its test fails without it: `python -m tests.defences`."""
