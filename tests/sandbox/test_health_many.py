"""Thousands of backends, checked by one agent: as many as fwctl has numbers for, and a host that plays them all.

What is counted are the checks that the host sees. No time is judged: how long a round takes is the machine's affair.
"""

import collections
import contextlib
import os
import pathlib
import resource
import selectors
import signal
import socket
import threading

import pytest

import netns
from agent import Agent
from conftest import Testbed, until

SERVICES, EACH = 8, 500  # every other one is asked by HTTP
EVERY = 2
HTTP, TCP = 8080, 8081
COUNT = SERVICES * EACH
LIMIT = COUNT + 100  # descriptors
PATIENCE = 240
PAGE = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"


def address(number):
    return f"10.64.{number >> 8}.{number & 255}"


def policy():
    text = 'version = 1\n[attach.lan]\ndevice = "eth0"\n'
    for service in range(SERVICES):
        check = f'http = "/", port = {HTTP}' if service % 2 else f"tcp = true, port = {TCP}"
        text += f'[vip.v{service}]\naddress = "10.100.0.{service + 1}"\nservice = "tcp/80"\nforward = "ipip"\n'
        text += f'health = {{ {check}, every = "{EVERY}s" }}\n'
        for number in range(service * EACH, (service + 1) * EACH):
            text += f'[[vip.v{service}.backend]]\nname = "n{number}"\naddress = "{address(number)}"\n'
    return text


class Host:
    """All backends: counts connections by the address that they came to."""

    def __init__(self, bed, role):
        self.asked = collections.Counter()
        self.ready = selectors.DefaultSelector()
        self.ends, self.wake = socket.socketpair()
        self.ready.register(self.ends, selectors.EVENT_READ)
        with netns.inside(bed.name(role)):
            for port in (HTTP, TCP):
                listener = socket.create_server(("", port), backlog=4096)
                listener.setblocking(False)
                self.ready.register(listener, selectors.EVENT_READ, self.accept)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def accept(self, listener):
        with contextlib.suppress(BlockingIOError):
            while True:
                one, _ = listener.accept()
                with contextlib.suppress(OSError):  # of a check by TCP it is reset by then
                    (here, port) = one.getsockname()
                    self.asked[here] += 1
                    if port == HTTP:
                        one.setblocking(False)
                        self.ready.register(one, selectors.EVENT_READ, self.answer)
                        continue
                one.close()

    def answer(self, one):
        self.ready.unregister(one)
        with one, contextlib.suppress(OSError):
            if one.recv(4096):
                one.sendall(PAGE)

    def run(self):
        while True:
            for key, _ in self.ready.select():
                if key.data is None:
                    return
                key.data(key.fileobj)

    def close(self):
        self.wake.close()
        self.thread.join()
        for key in list(self.ready.get_map().values()):
            key.fileobj.close()


class Watched:
    """What the agent takes of the machine."""

    def __init__(self, process):
        self.proc = pathlib.Path(f"/proc/{process.pid}")

    def threads(self):
        return len(list((self.proc / "task").iterdir()))

    def descriptors(self):
        return len(os.listdir(self.proc / "fd"))

    def memory(self):
        """Resident, in megabytes."""
        return int((self.proc / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20

    def seconds(self):
        """Of processors."""
        fields = (self.proc / "stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.fixture
def bed(tmp_path):
    made = Testbed("lb")
    try:
        made.check("b1", "ip", "route", "add", "local", "10.64.0.0/16", "dev", "lo")
        made.check("lb1", "ip", "route", "add", "10.64.0.0/16", "via", "10.2.0.21")
        file = tmp_path / "policy.toml"
        file.write_text(policy())
        made.fwctl("lb1", "apply", file)
        yield made
        made.fwctl("lb1", "detach", "--all")
    finally:
        made.down()


@pytest.fixture
def agent(bed):
    """With a descriptor for each check, as its service has it."""
    former = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (former[1], former[1]))
    made = Agent(bed, "lb1").start()
    try:
        yield made
    finally:
        made.end(signal.SIGKILL)
        resource.setrlimit(resource.RLIMIT_NOFILE, former)


def test_all_are_checked_in_turn_by_one_thread(bed, agent):
    watched = Watched(agent.process)
    with contextlib.closing(Host(bed, "b1")) as host:

        def rounds():
            """How often the one was asked that was asked least."""
            assert watched.threads() == 1
            assert watched.descriptors() < LIMIT
            return min((host.asked[address(number)] for number in range(COUNT)), default=0)

        def all_are(health):
            """The agent has found them all to be that."""
            listed = [bed.json("lb1", "vip", "show", f"v{service}")["backends"] for service in range(SERVICES)]
            return {one["health"] for backends in listed for one in backends} == {health}

        until(lambda: rounds() >= 2, PATIENCE)
        until(lambda: all_are("up"), PATIENCE)
        assert not any("down" in line or "cannot" in line for line in agent.lines())
        host.asked.clear()
        until(lambda: rounds() >= 6, PATIENCE)
        # Nobody is asked more often because others are slow: periods differ by a tenth, one way or the other.
        assert max(host.asked.values()) <= 7 * 1.1 / 0.9 + 2

        memory = []
        for _ in range(2):
            bed.check("switch", "ip", "link", "set", "b1", "down")
            until(lambda: all_are("down"), PATIENCE)
            assert watched.threads() == 1 and watched.descriptors() < LIMIT
            bed.check("switch", "ip", "link", "set", "b1", "up")
            host.asked.clear()
            until(lambda: all_are("up"), PATIENCE)
            until(lambda: rounds() >= 2, PATIENCE)
            until(lambda: watched.descriptors() < 100, PATIENCE)  # all the others were closed
            memory.append(watched.memory())
        assert memory[1] < 1.25 * memory[0] < 125, memory
        print(f"{watched.seconds()} s of processors, {memory} MB")
