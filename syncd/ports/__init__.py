"""The sockets in the wall: what the engine needs of the world, and nothing of how it is done.

Each port has one contract-test class in tests/contract that every implementation passes, fakes included. Errors are
those of `syncd.core.errors`; a library's own exception never crosses a port. Every call takes a Deadline and returns or
raises by then; what hangs inside a library is unblocked by closing its connection from outside.
"""

from syncd.ports.clock import Deadline, now
from syncd.ports.eck import Mirror, Resource
from syncd.ports.elasticsearch import Elasticsearch, NodeAnswer
from syncd.ports.host import CommandResult, Fleet, Found, Host, Listening, Marker, Stream, without_remarks
from syncd.ports.kubernetes import Bell, NoticeKind, Notices, Permit, Reading, Ring, Source, StateStore, Stored
from syncd.ports.tls import Handshakes

__all__ = [
    "Bell",
    "CommandResult",
    "Deadline",
    "Elasticsearch",
    "Fleet",
    "Found",
    "Handshakes",
    "Host",
    "Listening",
    "Marker",
    "Mirror",
    "NodeAnswer",
    "NoticeKind",
    "Notices",
    "Permit",
    "Reading",
    "Resource",
    "Ring",
    "Source",
    "StateStore",
    "Stored",
    "Stream",
    "now",
    "without_remarks",
]
