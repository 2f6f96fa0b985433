"""The broker under test: a process of its own, stopped with SIGTERM and searched for sanitizer reports.

$SKEINMQD names the program. With $CONFORMANCE_ADDR=host:port an already running broker of any make is tested instead; tests that
need settings of their own then fail, unless they are deselected with `-m "not settings"`. $CONFORMANCE_SHARDS sets the shards (2).
"""

import os
import re

from support.broker import Broker as Process
from support.broker import BrokerError, wait_until

__all__ = ["Broker", "wait_until"]

SANITIZER = re.compile(r"^.*(ERROR: \w*Sanitizer|WARNING: ThreadSanitizer|runtime error:).*$", re.M)


class Broker(Process):
    """A running broker with `address`. Besides the exit code, `stop()` refuses a log with a sanitizer's report."""

    report = None

    @classmethod
    def start(cls, **settings):
        """Keys as in the configuration with dots as `__`: limits__receive_maximum=2."""
        external = os.environ.get("CONFORMANCE_ADDR")
        if external:
            if settings:
                raise BrokerError("an external broker cannot be given settings")
            host, _, port = external.rpartition(":")
            return cls((host, int(port)))
        shards = int(os.environ.get("CONFORMANCE_SHARDS", "2"))
        return super().start(shards=shards, settings={key.replace("__", "."): value for key, value in settings.items()})

    def stop(self, **arguments):
        super().stop(**arguments)
        if self.report:
            raise BrokerError(self.report)

    def _remove_folder(self):
        log = self.log()
        if SANITIZER.search(log):
            self.report = log
        super()._remove_folder()
