"""`fwctl page` and who looks at it: a browser, a reader of its stream of messages; and an agent that says what it is told to."""

import contextlib
import grp
import json
import os
import pathlib
import re
import socket
import subprocess
import tempfile
import threading

import pytest

import metrics
from agent import agent_of
from browser import Browser
from conftest import FWCTL, lines_of, until

GROUP = "nogroup"
PICTURES = os.environ.get("FWCTL_PICTURES")  # a folder for screenshots
ADDRESS = "127.0.0.1:9180"
NASTY = "<img src=x onerror=alert(1)>"


@pytest.fixture
def bed(testbed):
    return testbed("pair")


@pytest.fixture
def agent(bed):
    with agent_of(bed, "b", "--group", GROUP) as (made, _):
        yield made


def apply(bed, tmp_path, text, name="policy.toml"):
    file = tmp_path / name
    file.write_text(text)
    bed.fwctl("b", "apply", file)
    return file


class PageServer:
    def __init__(self, bed, role, *options):
        self.said = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([FWCTL, "page", *options, "--netns", bed.name(role)], stderr=self.said,
                                        stdin=subprocess.DEVNULL)

    def lines(self):
        return lines_of(self.said)

    def end(self):
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def page_of(bed, role, *options):
    made = PageServer(bed, role, *options)
    try:
        until(lambda: f"http://{ADDRESS}/" in made.lines() or made.process.poll() is not None)
        yield made
    finally:
        made.end()


def ask(bed, **asked):
    return metrics.over_tcp(bed, "b", "127.0.0.1", 9180, **asked)


@contextlib.contextmanager
def a_browser(bed, role):
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        browser = Browser(bed, role, folder)
        try:
            yield browser
        finally:
            browser.end()


def choose(browser, selector, value):
    """In a field, as a person would."""
    browser.value(f"(one => {{ one.value = {json.dumps(value)}; one.dispatchEvent(new Event('input')); }})"
                  f"(document.querySelector({json.dumps(selector)}))")


def save(browser, name):
    if PICTURES:
        browser.picture(pathlib.Path(PICTURES) / f"{name}.png")


def number(text):
    """"1.2K" as 1200."""
    digits, unit = re.fullmatch(r"([\d.,]*)([KMB]?)", text).groups()
    return float(digits.replace(",", "") or 0) * {"": 1, "K": 1e3, "M": 1e6, "B": 1e9}[unit]


class FalseAgent:
    """Says what it is told to, by a socket like an agent's."""

    def __init__(self, said):
        self.folder = tempfile.TemporaryDirectory()
        os.chmod(self.folder.name, 0o711)
        self.path = f"{self.folder.name}/agent.sock"
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(self.path)
        os.chown(self.path, 0, grp.getgrnam(GROUP).gr_gid)
        os.chmod(self.path, 0o660)
        self.socket.listen()
        self.answer = b"HTTP/1.0 200 OK\r\n\r\n" + said.encode()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self.socket.accept()
                with caller:
                    caller.recv(1000)
                    caller.sendall(self.answer)

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.folder.cleanup()


def renamed(value):
    """The same with such a name in the place of each text."""
    if isinstance(value, dict):
        return {key: renamed(one) for key, one in value.items()}
    if isinstance(value, list):
        return [renamed(one) for one in value]
    return NASTY if isinstance(value, str) else value


def messages(source, count):
    """[(id, event, data)] of server-sent events."""
    found, now = [], {}
    while len(found) < count:
        line = source.readline().decode().rstrip("\n")
        assert line or now or source.peek(1), "the stream has ended"
        if line:
            key, value = line.split(": ", 1)
            now[key] = value
        elif "event" in now:
            found.append((int(now["id"]), now["event"], now["data"]))
            now = {}
        else:
            now = {}
    return found


def leave(connection, source):
    """Each has the socket open by itself."""
    source.close()
    connection.close()


def listen(bed, last=None):
    connection = metrics.connected(bed, "b", "127.0.0.1", 9180)
    connection.request("GET", "/stream", headers={"Last-Event-ID": str(last)} if last else {})
    return connection, connection.getresponse()
