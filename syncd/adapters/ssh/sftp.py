"""SFTP with several requests in one message: for small files the round trips cost more than what they carry.

The server works through requests in their order, so what a later one needs may be done by an earlier one of the same
batch. Only what must be known before the next step waits for an answer.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from paramiko import Message, SFTPAttributes, SFTPClient
from paramiko.sftp import (
    CMD_CLOSE,
    CMD_EXTENDED,
    CMD_FSETSTAT,
    CMD_LSTAT,
    CMD_OPEN,
    CMD_READ,
    CMD_WRITE,
    SFTP_FLAG_CREATE,
    SFTP_FLAG_EXCL,
    SFTP_FLAG_READ,
    SFTP_FLAG_WRITE,
    int64,
)

from syncd.core.model import Ownership

Request = tuple[object, ...]
"""A command and its arguments."""
_CHUNK = 32_768
"""Bytes that every server reads or writes at once."""
_IN_FLIGHT = 32
"""Most chunks under way at once."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one request of a batch; each accessor raises what the server refused it with."""

    message: Message | None
    error: OSError | EOFError | None

    def done(self) -> Message:
        """The answer. Raises OSError, or EOFError at the end of a file."""
        if self.error is not None:
            raise self.error
        return self.message or Message()

    def attributes(self) -> SFTPAttributes:
        """Of an LSTAT."""
        found: SFTPAttributes = SFTPAttributes._from_msg(self.done())  # type: ignore[attr-defined]  # noqa: SLF001
        return found

    def handle(self) -> bytes:
        """Of an OPEN."""
        return self.done().get_binary()

    def data(self) -> bytes:
        """Of a READ; b"" at the end of the file."""
        return b"" if isinstance(self.error, EOFError) else self.done().get_binary()


class Sftp(SFTPClient):
    """paramiko's client and its way of packing, with batches."""

    def batch(self, *requests: Request) -> tuple[Answer, ...]:
        """The answers to several requests, which leave in one message. Raises SSHException when the connection is lost."""
        packed: list[bytes] = []
        inner: Any = self  # its methods for raw requests are not public
        inner._write_all = packed.append  # noqa: SLF001
        try:
            numbers = [inner._async_request(type(None), *request) for request in requests]  # noqa: SLF001
        finally:
            del inner._write_all  # noqa: SLF001
        inner._write_all(b"".join(packed))  # noqa: SLF001
        return tuple(self._answer(number) for number in numbers)

    def _answer(self, number: int) -> Answer:
        try:
            _, message = self._read_response(number)  # type: ignore[attr-defined]
        except (OSError, EOFError) as error:
            if isinstance(error, TimeoutError):
                raise
            return Answer(None, error)
        return Answer(message, None)


def lstat(path: str) -> Request:
    """Attributes of what is there, a link itself."""
    return (CMD_LSTAT, path.encode())


def open_to_read(path: str) -> Request:
    """A handle; only after lstat has shown a regular file, since opening a FIFO would hang the server."""
    return (CMD_OPEN, path.encode(), SFTP_FLAG_READ, SFTPAttributes())


def open_to_change(path: str) -> Request:
    """A handle of an existing file."""
    return (CMD_OPEN, path.encode(), SFTP_FLAG_READ | SFTP_FLAG_WRITE, SFTPAttributes())


def create(path: str) -> Request:
    """A handle of a new file that nobody else may read yet."""
    private = SFTPAttributes()
    private.st_mode = 0o600
    return (CMD_OPEN, path.encode(), SFTP_FLAG_WRITE | SFTP_FLAG_CREATE | SFTP_FLAG_EXCL, private)


def give(handle: bytes, owner: Ownership) -> Request:
    """Owner and mode in one request; OpenSSH sets the mode last, as chown may clear bits of it."""
    attributes = SFTPAttributes()
    attributes.st_uid, attributes.st_gid, attributes.st_mode = owner.uid, owner.gid, owner.mode
    return (CMD_FSETSTAT, handle, attributes)


def write(handle: bytes, content: bytes) -> Iterable[Request]:
    """All of the content."""
    for start in range(0, len(content), _CHUNK):
        yield (CMD_WRITE, handle, int64(start), content[start : start + _CHUNK])


def fsync(handle: bytes) -> Request:
    """OpenSSH's extension."""
    return (CMD_EXTENDED, b"fsync@openssh.com", handle)


def rename(temp: str, path: str) -> Request:
    """OpenSSH's extension, which replaces what is there."""
    return (CMD_EXTENDED, b"posix-rename@openssh.com", temp.encode(), path.encode())


def close(handle: bytes) -> Request:
    """Let go of a handle."""
    return (CMD_CLOSE, handle)


def content_of(sftp: Sftp, handle: bytes, size: int) -> bytes:
    """So many bytes of an open file, or as many as there are; closes it."""
    if size <= _CHUNK:
        answer, closed = sftp.batch(_read(handle, 0, size), close(handle))
        closed.done()
        return answer.data() if size else b""
    content = bytearray()
    while len(content) < size:
        starts = range(len(content), size, _CHUNK)[:_IN_FLIGHT]
        before = len(content)
        for start, answer in zip(starts, sftp.batch(*(_read(handle, at, size) for at in starts)), strict=True):
            if start == len(content):  # else an earlier answer was short, and the next turn goes on from there
                content += answer.data()
        if len(content) == before:
            break
    sftp.batch(close(handle))
    return bytes(content)


def _read(handle: bytes, start: int, size: int) -> Request:
    return (CMD_READ, handle, int64(start), min(_CHUNK, max(1, size - start)))
