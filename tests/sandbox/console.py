"""The sessions that documents show: ```console blocks, run in their order on a testbed, and files that ```toml blocks give.

A ```toml block that begins with `# NAME` is the file NAME from there on. A command that ends with `&` is left running once it
has said that a policy is on trial, until `fwctl confirm`.
"""

import contextlib
import os
import pathlib
import pty
import re
import subprocess

from conftest import FWCTL


def read(document):
    """[("file", name, text) or ("command", command, output)] in their order."""
    for kind, block in re.findall(r"^```(toml|console)\n(.*?)^```", document.read_text(), re.M | re.S):
        if kind == "toml":
            if named := re.match(r"# (\S+\.toml)\n", block):
                yield "file", named.group(1), block
        else:
            for command, output in re.findall(r"^# (\S.*)\n((?:(?!# \S).*\n)*)", block, re.M):
                yield "command", command, output


class Session:
    """A shell at the role's terminal, whose current folder is `folder`."""

    def __init__(self, bed, role, folder):
        self.bed, self.role, self.folder = bed, role, folder
        self.trial = None

    def run(self, command):
        """What the terminal shows."""
        if command.endswith("&"):
            return self._start(command.removesuffix("&"))
        shown = _finish(*self._begin(command))[0]
        if self.trial and command == "fwctl confirm":
            assert _finish(*self.trial)[1] == 0
            self.trial = None
        return shown

    def _start(self, command):
        self.trial = self._begin(command)
        shown = b""
        while b"on trial for" not in shown or not shown.endswith(b"\n"):
            shown += os.read(self.trial[1], 4096)
        return _text(shown)

    def _begin(self, command):
        terminal, end = pty.openpty()
        words = self.bed.command(self.role, "bash", "-c", f"cd {self.folder}; {command}")
        environment = os.environ | {"PATH": f"{pathlib.Path(FWCTL).parent}:{os.environ['PATH']}", "NO_COLOR": "1"}
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=end, stderr=end, env=environment)
        os.close(end)
        return process, terminal


def _finish(process, terminal):
    """What the terminal shows until the process ends, and its exit status."""
    shown = b""
    with contextlib.suppress(OSError):  # the other end is closed
        while True:
            shown += os.read(terminal, 65536)
    os.close(terminal)
    return _text(shown), process.wait()


def _text(shown):
    return shown.decode().replace("\r\n", "\n")


def shape(output):
    """Without what differs each time: times, ids, counts, and the blanks of tables that they make."""
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME", output)
    text = re.sub(r"\b(?=[0-9a-f]*\d)[0-9a-f]{12}\b", "ID", text)
    text = re.sub(r"(another|every) \d+[smh\d]*", r"\1 WHILE", text)
    text = re.sub(r" +", " ", text)
    return re.sub(r"( [\d,]+)+( \d+[smh]\d*[sm]?)?$", "", text, flags=re.M)


def replay(document, session, before=None):
    """[(command, output that is shown, output that there was)]; before(command) is called first."""
    for kind, name, text in list(read(document)):
        if kind == "file":
            (session.folder / name).write_text(text)
            continue
        if before:
            before(name)
        yield name, text, session.run(name)
