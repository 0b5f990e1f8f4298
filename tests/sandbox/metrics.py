"""What `fwctl agent` serves, read by Python's own HTTP client, and taken apart by a reader of its own."""

import http.client
import os
import pathlib
import re
import socket
import subprocess
import time

import netns

KEPT = 1.05  # seconds: for how long all who ask get the same answer, and a little more

LINE = re.compile(r'([a-z_]+)(?:\{(.*)\})? (\S+)')
LABEL = re.compile(r'([a-z]+)="((?:[^"\\]|\\.)*)"(,|$)')
ESCAPED = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


class OverSocket(http.client.HTTPConnection):
    """By a socket of the file system."""

    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(str(self.path))


def default_socket(namespace):
    with netns.inside(namespace), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        cookie = int.from_bytes(any_socket.getsockopt(socket.SOL_SOCKET, netns.SO_NETNS_COOKIE, 8), "little")
    return pathlib.Path(f"/run/fwctl/agent-{cookie}.sock")


def ask(connection, path="/metrics", method="GET", headers=()):
    """The status, the headers and the body."""
    try:
        connection.request(method, path, headers=dict(headers))
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()
    finally:
        connection.close()


def connected(bed, role, address, port):
    """By TCP, from within the namespace."""
    connection = http.client.HTTPConnection(address, port, timeout=30)
    with netns.inside(bed.name(role)):
        connection.connect()
    return connection


def over_tcp(bed, role, address, port, **asked):
    return ask(connected(bed, role, address, port), **asked)


def text_of(path):
    status, headers, body = ask(OverSocket(path))
    assert (status, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8"), (status, body)
    return body


def is_served(path):
    try:
        return ask(OverSocket(path))[0] == 200
    except OSError:
        return False


def unescaped(text):
    return re.sub(r"\\.", lambda found: ESCAPED[found.group()], text)


def samples(text):
    """{(name, ((label, value), …)): number}; each line once."""
    found = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        name, labels, number = LINE.fullmatch(line).groups()
        parts = LABEL.findall(labels or "")
        assert "".join(f'{key}="{value}"{end}' for key, value, end in parts) == (labels or ""), line
        key = (name, tuple((label, unescaped(value)) for label, value, _ in parts))
        assert key not in found, line
        found[key] = float(number) if "." in number or "e" in number else int(number)
    return found


class Scrape:
    """All that was before it is in it."""

    def __init__(self, path):
        time.sleep(KEPT)
        self.text = text_of(path)
        self.samples = samples(self.text)

    def all(self, name):
        """[({label: value}, number)] of one metric."""
        return [(dict(labels), number) for (metric, labels), number in self.samples.items() if metric == name]

    def one(self, name, **labels):
        """The only sample with these labels, and maybe more."""
        (number,) = [number for found, number in self.all(name) if labels.items() <= found.items()]
        return number

    def sum(self, name, **labels):
        return sum(number for found, number in self.all(name) if labels.items() <= found.items())

    def names(self):
        """Of the metrics, as HELP and TYPE have them."""
        return set(re.findall(r"^# TYPE (\S+)", self.text, re.M))

    def counters(self):
        """The samples that never go back."""
        kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)", self.text, re.M))
        return {key: number for key, number in self.samples.items()
                if kinds.get(re.sub("_(bucket|sum|count)$", "", key[0]), kinds.get(key[0])) != "gauge"}


def policy(rules, more=""):
    """One of so many rules."""
    text = f'version = 1\n[attach.wan]\ndevice = "eth0"\n{more}'
    for number in range(rules):
        text += f'[[rule]]\nname = "r{number}"\naction = "deny"\nservice = "udp/{1000 + number}"\n'
    return text


def promtool(*words, text=None):
    """What promtool says, when it is content."""
    done = subprocess.run(["promtool", *map(str, words)], input=text, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def children(pid):
    """Their process ids."""
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(one) for one in file.read().split()]


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()[0] != "Z"
