"""One machine of a testbed that a policy is applied on, and packets that tell which policy holds."""

import contextlib
import json
import os
import pathlib
import socket
import struct
import subprocess

import pytest

import netns
from conftest import FWCTL, Testbed

LIBRARY = pathlib.Path("/var/lib/fwctl")

ATTACH = """version = 1

[attach.wan]
device = "eth0"
"""


def deny(name, service, more=""):
    return f'\n[[rule]]\nname = "{name}"\naction = "deny"\nservice = "{service}"\n{more}'


def allow(name, service, more=""):
    return f'\n[[rule]]\nname = "{name}"\naction = "allow"\nservice = "{service}"\n{more}'


class Firewall:
    """b of the topology `pair`; a sends to it."""

    ADDRESS = "10.9.0.2"
    LAST_PORT = 7  # no rule names it: when this one has arrived, those before have or never will

    def __init__(self, folder):
        self.bed = Testbed("pair")
        self.netns = self.bed.name("b")
        self.folder = folder
        self.count = 0
        self.prefix = []  # in front of fwctl
        with netns.inside(self.bed.name("a")):
            self.sender = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
        with netns.inside(self.netns):
            self.receiver = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
        self.receiver.settimeout(10)

    def down(self):
        self.sender.close()
        self.receiver.close()
        self.bed.down()

    # --- fwctl -------------------------------------------------------------------------------------

    def file(self, text, name="policy.toml"):
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    def command(self, *words):
        return [*self.prefix, FWCTL, *map(str, words), "--netns", self.netns]

    def run(self, *words, expect=0, stdin=None, **options):
        done = subprocess.run(self.command(*words), capture_output=True, text=True, input=stdin, timeout=60, **options)
        said = f"fwctl {' '.join(map(str, words))}: {done.returncode}\n{done.stdout}{done.stderr}"
        assert expect in (None, done.returncode), said
        return done

    def start(self, *words):
        """fwctl under way; the caller waits for it."""
        return subprocess.Popen(self.command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def json(self, *words, **options):
        return json.loads(self.run(*words, "--json", **options).stdout)

    def apply(self, text, *options, expect=0):
        return self.run("apply", self.file(text), *options, expect=expect)

    def plan(self, text, *options):
        """The changes."""
        return self.json("plan", "-", *options, stdin=text)["changes"]

    def export(self):
        return self.run("export").stdout

    def history(self):
        return self.json("history")["history"]

    def rules(self, origin):
        """The names of the rules, in their order."""
        return [rule["name"] for rule in self.json("rule", "list")["rules"] if rule["origin"] == origin]

    def counts(self):
        """Packets by the name of the rule."""
        return {rule["name"]: rule["packets"] for rule in self.json("rule", "list")["rules"]}

    def attached(self, expect=0):
        """{interface: {hook: how}} of what is attached."""
        shown = self.json("status", expect=expect)["attachments"]
        return {one["interface"]: sorted(hook["hook"] for hook in one["hooks"]) for one in shown}

    # --- what it leaves ----------------------------------------------------------------------------

    def kept_directory(self):
        """The directory on the disk, or None."""
        with netns.inside(self.netns), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            cookie = int.from_bytes(any_socket.getsockopt(socket.SOL_SOCKET, netns.SO_NETNS_COOKIE, 8), "little")
        directory = LIBRARY / f"net-{cookie}"
        return directory if directory.exists() else None

    def kept_files(self):
        """What is on the disk, but for the history."""
        directory = self.kept_directory()
        return sorted(str(path.relative_to(directory)) for path in directory.rglob("*")) if directory else []

    def map(self, name):
        """The path of a pinned map."""
        (path,) = [pin for pin in netns.pins(self.netns) if pin.endswith("/" + name)]
        return path

    def pages(self):
        """How many pages the compiled policy has, and are left for the next: what stands in the map of maps."""
        dumped = subprocess.run(["bpftool", "-j", "map", "dump", "pinned", self.map("pages")], capture_output=True,
                                text=True, check=True, timeout=60).stdout
        return sum("error" not in entry["value"] for entry in json.loads(dumped))

    # --- packets -----------------------------------------------------------------------------------

    def passing(self, *ports, source_port=40000):
        """Which of these UDP ports b can be reached at from a."""
        all_cpus = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(all_cpus)})  # one queue: what is sent first arrives first
        try:
            self.count += 1
            for port in (*ports, self.LAST_PORT):
                token = struct.pack("!8sIH", b"fwctl-is", self.count, port)
                self.sender.sendto(struct.pack("!4H", source_port, port, 8 + len(token), 0) + token, (self.ADDRESS, 0))
            return self._arrived()
        finally:
            os.sched_setaffinity(0, all_cpus)

    def _arrived(self):
        arrived = set()
        while True:
            packet = self.receiver.recv(2048)
            found = packet.find(b"fwctl-is")
            if found < 0:
                continue
            count, port = struct.unpack("!IH", packet[found + 8 : found + 14])
            if count == self.count and port == self.LAST_PORT:
                return arrived
            if count == self.count:
                arrived.add(port)

    def passes(self, port):
        return port in self.passing(port)


@contextlib.contextmanager
def firewall(folder):
    made = Firewall(folder)
    try:
        yield made
    finally:
        made.down()


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """For all tests of a file."""
    with firewall(tmp_path_factory.mktemp("policies")) as made:
        yield made


@pytest.fixture
def fw(machine):
    """Nothing is attached when a test begins, and nothing is left when all is detached."""
    yield machine
    machine.run("detach", "--all", expect=None)
    assert netns.leftovers(machine.netns) == []
    assert machine.kept_directory() is None
