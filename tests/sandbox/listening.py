"""Who listens to packets, `fwctl monitor` and `fwctl capture`: begun, and waited for until it hears."""

import contextlib
import json
import signal
import subprocess
import tempfile

from conftest import FWCTL, lines_of, until


class Listening:
    """A command that goes on until it is ended."""

    def __init__(self, bed, role, verb, *words, stdout=subprocess.DEVNULL):
        self.said = tempfile.TemporaryFile("w+")
        command = [FWCTL, verb, "--netns", bed.name(role), *map(str, words)]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=self.said)

    def notes(self):
        return lines_of(self.said)

    def is_ready(self):
        return any(note.endswith("; Ctrl-C ends it") for note in self.notes())

    def end(self, number=signal.SIGINT):
        self.process.send_signal(number)
        return self.wait()

    def wait(self):
        return self.process.wait(timeout=60)

    def close(self):
        self.process.kill()
        self.wait()


@contextlib.contextmanager
def all_ready(made):
    try:
        until(lambda: all(one.is_ready() for one in made))
        yield made
    finally:
        for one in made:
            one.close()


class Monitor(Listening):
    """Prints to a file."""

    def __init__(self, bed, role, *words):
        self.printed = tempfile.TemporaryFile("w+")
        super().__init__(bed, role, "monitor", *words, stdout=self.printed)

    def lines(self):
        return lines_of(self.printed)

    def objects(self):
        """With --json; a line that is being written is left out."""
        return [json.loads(line) for line in self.lines() if line.endswith("}")]


def monitors(bed, role, *all_words):
    return all_ready([Monitor(bed, role, *words) for words in all_words])


def told(monitor):
    """How many packets it shows, and how many it says it does not; of one with --json."""
    objects = monitor.objects()
    return sum("reason" in one for one in objects), sum(one.get("lost") or 0 for one in objects)
