"""`fwctl agent` in a role of a testbed, and what it says."""

import contextlib
import os
import signal
import subprocess
import tempfile

from conftest import FWCTL, lines_of, until
from metrics import default_socket, is_served


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
        return lines_of(self.said)

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


@contextlib.contextmanager
def agent_of(bed, role, *options):
    made = Agent(bed, role).start(*options)
    path = options[options.index("--socket") + 1] if "--socket" in options else default_socket(bed.name(role))
    try:
        until(lambda: is_served(path) or made.process.poll() is not None)
        assert made.process.poll() is None, made.lines()
        yield made, path
    finally:
        made.end(signal.SIGKILL)
