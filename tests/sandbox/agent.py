"""`fwctl agent` in a role of a testbed, and what it says."""

import os
import signal
import subprocess
import tempfile

from conftest import FWCTL, until
from metrics import default_socket


class Agent:
    def __init__(self, bed, role):
        self.bed = bed
        self.role = role
        self.said = tempfile.TemporaryFile("w+")
        self.process = None

    def start(self, *options, **environment):
        self.process = subprocess.Popen([FWCTL, "agent", *options, "--netns", self.bed.name(self.role)], stderr=self.said,
                                        stdin=subprocess.DEVNULL, env=os.environ | environment)
        return self

    def lines(self):
        self.said.seek(0)
        return self.said.read().splitlines()

    def says(self, line, bound=30):
        """Waits for a line in which this is."""
        until(lambda: any(line in one for one in self.lines()) or self.process.poll() is not None, bound)
        assert any(line in one for one in self.lines()), (line, self.lines())

    def end(self, signal_number=signal.SIGTERM):
        """Its exit status."""
        if self.process is None:
            return None
        self.process.send_signal(signal_number)
        status = self.process.wait(timeout=10)
        self.process = None
        if signal_number == signal.SIGKILL:  # it could not do that itself
            default_socket(self.bed.name(self.role)).unlink(missing_ok=True)
        return status
