"""What is told where there is no Kubernetes to tell it to: the log."""

import logging

from syncd.ports import NoticeKind

_LOG = logging.getLogger("syncd.notice")


class LogNotices:
    """See `ports.Notices`."""

    def tell(self, kind: NoticeKind, reason: str, text: str) -> None:
        """One line."""
        _LOG.log(logging.WARNING if kind == "Warning" else logging.INFO, "%s: %s", reason, text)

    def stop(self) -> None:
        """Nothing waits."""
