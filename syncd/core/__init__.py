"""The pure part: no clock, no I/O, no threads. What is seen goes in, what to do comes out.

Its rooms stand on each other, which import-linter holds; from the top: `plan` puts all together, `guard` looks at it once
more, `restarts` and `nodes` are about what a node must have, `trustfile` about the CAs in a file, `eck` about the other
side, `proof` about what a process has loaded, `java` about what verifies, `model` has the nouns, `yml` the text of a node.
"""
