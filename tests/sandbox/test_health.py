"""The agent: backends of 10.100.0.10 that fail, and come back, under lb1; and interfaces that appear.

A check is made every 200 ms; a backend is out after two bad ones and back after two good ones.
"""

import collections
import contextlib
import os
import signal
import socket
import time

import pytest

import netns
from agent import Agent
from conftest import Testbed, program_exists, until

VIP = "10.100.0.10"
BASE = "/run/fwctl-testbed"
EVERY, RISE, FALL = 0.2, 2, 2
HEALTH = f'health = {{ http = "/", every = "{int(EVERY * 1000)}ms", timeout = "150ms", rise = {RISE}, fall = {FALL} }}\n'
# A check more, as its time varies by a tenth, and a look; and what a busy machine takes.
SOON = FALL * EVERY * 1.1 + EVERY + 3


def policy(servers=(1, 2, 3), more="", health=HEALTH, fallback=(), attach='[attach.lan]\ndevice = "eth0"\n'):
    text = f'version = 1\n{attach}[vip.web]\naddress = "{VIP}"\nservice = "tcp/80"\nforward = "l2-dsr"\n{health}{more}'
    for server in servers:
        text += f'[[vip.web.backend]]\nname = "b{server}"\naddress = "10.2.0.2{server}"\n'
        text += "fallback = true\n" * (server in fallback)
    return text


class Balancer:
    def __init__(self, bed, folder):
        self.bed = bed
        self.folder = folder

    def apply(self, text):
        file = self.folder / "policy.toml"
        file.write_text(text)
        return self.bed.fwctl("lb1", "apply", file)

    def shown(self):
        return self.bed.json("lb1", "vip", "show", "web")

    def health(self):
        return {one["name"]: one["health"] for one in self.shown()["backends"]}

    def becomes(self, bound=SOON, **health):
        """Waits until the backends' health is that."""
        try:
            until(lambda: self.health() == health, bound)
        except AssertionError:
            raise AssertionError((self.health(), health)) from None

    def serving(self, count=20):
        """Which servers answer that many connections; "none" is one that nobody answers."""
        words = ["curl", "-s", "-m", "10", "--connect-timeout", "1", "-H", "Connection: close"]
        said = self.bed.run("client", *words, *[f"http://{VIP}/"] * count).stdout.splitlines()
        return {line.split()[-1] for line in said} | ({"none"} if len(said) < count else set())

    def serve(self, server):
        """nginx, once more."""
        folder = f"{BASE}/{self.bed.id}/{server}"
        configuration = os.path.join(os.path.dirname(__file__), "..", "..", "netns-testbed", "nginx.conf")
        with contextlib.suppress(FileNotFoundError):
            os.remove(f"{folder}/nginx.pid")
        self.bed.check(server, "env", f"FWCTL_TESTBED={self.bed.id}", "sh", "-c",
                       f"cd {folder} && exec nginx -p {folder}/ -c {os.path.abspath(configuration)} -e {folder}/error.log")
        until(lambda: os.path.exists(f"{folder}/nginx.pid") and open(f"{folder}/nginx.pid").read().strip())

    def stop_serving(self, server):
        """Ends its nginx with all connections, at once."""
        with open(f"{BASE}/{self.bed.id}/{server}/nginx.pid") as file:
            pid = int(file.read())
        os.kill(pid, signal.SIGTERM)
        until(lambda: not os.path.exists(f"/proc/{pid}"))

    @contextlib.contextmanager
    def not_serving(self, *servers):
        for server in servers:
            self.stop_serving(server)
        try:
            yield
        finally:
            for server in servers:
                self.serve(server)

    @contextlib.contextmanager
    def cut_off(self, server):
        """Its host answers nobody any more, and says nothing."""
        self.bed.check("switch", "ip", "link", "set", server, "down")
        try:
            yield
        finally:
            self.bed.check("switch", "ip", "link", "set", server, "up")

    def hold(self):
        """A connection with a request that is not over, and its backend."""
        before = self.flows()
        with netns.inside(self.bed.name("client")):
            held = socket.create_connection((VIP, 80), timeout=10)
        held.sendall(b"GET / HTTP/1.0\r\n")
        (server,) = until(lambda: [name for name, count in self.flows().items() if count > before[name]])
        return held, server

    def flows(self):
        return collections.Counter({one["name"]: one["flows"] for one in self.shown()["backends"]})


def fate(held, bound=5):
    """What becomes of a held connection whose client goes on: "reset", or its page, or "nothing" within the bound."""
    held.settimeout(bound)
    try:
        held.sendall(b"\r\n")
        return held.makefile().read().split()[-1]
    except ConnectionResetError:
        return "reset"
    except TimeoutError:
        return "nothing"


@pytest.fixture(scope="module")
def bed():
    made = Testbed("lb")
    try:
        for route in ("10.100.0.0/24 via 10.2.0.11",):
            made.check("router", "ip", "route", "replace", *route.split())
        yield made
    finally:
        made.down()


@pytest.fixture
def lb(bed, tmp_path):
    made = Balancer(bed, tmp_path)
    made.apply(policy())
    yield made
    bed.fwctl("lb1", "detach", "--all")


@pytest.fixture
def agent(bed):
    made = Agent(bed, "lb1").start()
    try:
        yield made
    finally:
        made.end(signal.SIGKILL)


def test_a_server_that_ends_is_out_and_comes_back(lb, agent):
    lb.becomes(b1="up", b2="up", b3="up")
    assert lb.serving() == {"b1", "b2", "b3"}
    held = [lb.hold() for _ in range(4)]
    began = time.monotonic()
    with lb.not_serving("b1"):
        lb.becomes(b1="down", b2="up", b3="up")
        assert time.monotonic() - began < SOON
        agent.says("vip web: backend b1 is down: connection refused")
        assert lb.serving() == {"b2", "b3"}
        assert "vip web: b1 down" in lb.bed.fwctl("lb1", "status").stdout
        for one, server in held:
            if server != "b1":
                assert fate(one) == server
    lb.becomes(b1="up", b2="up", b3="up")
    agent.says("vip web: backend b1 is up")
    assert lb.serving() == {"b1", "b2", "b3"}
    assert agent.end() == 0
    assert lb.health() == {"b1": "up", "b2": "up", "b3": "up"}


def test_a_host_that_is_cut_off_is_out(lb, agent):
    lb.becomes(b1="up", b2="up", b3="up")
    with lb.cut_off("b2"):
        lb.becomes(b1="up", b2="down", b3="up")
        assert lb.serving() == {"b1", "b3"}
    lb.becomes(b1="up", b2="up", b3="up")


def test_a_panic(lb, agent):
    lb.apply(policy(more="panic = 50\n"))
    lb.becomes(b1="up", b2="up", b3="up")
    with lb.not_serving("b1", "b2"):
        lb.becomes(b1="fails, used", b2="fails, used", b3="up")
        agent.says("vip web: panic")
        assert lb.shown()["health"] == "panic"
        assert lb.serving(40) == {"none", "b3"}
    lb.becomes(b1="up", b2="up", b3="up")
    agent.says("vip web: the panic is over")
    assert lb.shown()["health"] == "normal"


def test_a_fallback(lb, agent):
    lb.apply(policy(fallback=[3]))
    lb.becomes(b1="up", b2="up", b3="up")
    assert lb.serving() == {"b1", "b2"}
    with lb.not_serving("b1", "b2"):
        lb.becomes(b1="down", b2="down", b3="up")
        assert lb.shown()["health"] == "fallback"
        agent.says("vip web: all backends are down; its fallback backends take their place")
        assert lb.serving() == {"b3"}
    lb.becomes(b1="up", b2="up", b3="up")
    assert lb.serving() == {"b1", "b2"}


def test_without_its_agent_all_goes_on(lb, agent):
    lb.becomes(b1="up", b2="up", b3="up")
    with lb.not_serving("b1"):
        lb.becomes(b1="down", b2="up", b3="up")
        agent.end(signal.SIGKILL)
        assert lb.health() == {"b1": "down", "b2": "up", "b3": "up"}
        assert lb.serving() == {"b2", "b3"}
        findings = [one for one in lb.bed.json("lb1", "doctor")["findings"] if "no agent runs" in one["text"]]
        assert [one["verdict"] for one in findings] == ["note"]
        again = Agent(lb.bed, "lb1").start()
        try:
            until(lambda: "the agent runs" in lb.bed.fwctl("lb1", "doctor").stdout)
            assert lb.health()["b1"] == "down"
            lb.serve("b1")
            lb.becomes(b1="up", b2="up", b3="up")
            again.says("vip web: backend b1 is up")
            lb.stop_serving("b1")
        finally:
            again.end()


@pytest.mark.parametrize(("down", "expected"), [("reset", "reset"), ("keep", "kept"), ("move", "reset")])
def test_what_becomes_of_connections(lb, agent, down, expected):
    """The host is cut off, so that nobody but the balancer and the others can answer."""
    lb.apply(policy(more=f'down = "{down}"\n'))
    lb.becomes(b1="up", b2="up", b3="up")
    held, server = lb.hold()
    with lb.cut_off(server):
        lb.becomes(**({"b1": "up", "b2": "up", "b3": "up"} | {server: "down"}))
        if expected == "reset":
            assert fate(held) == "reset"
        else:
            assert fate(held, 0.5) == "nothing"
    lb.becomes(b1="up", b2="up", b3="up")
    if expected == "kept":
        held.settimeout(10)
        assert held.makefile().read().split()[-1] == server


@pytest.mark.parametrize("ends", [False, True], ids=["beside-its-agent", "behind-its-agent"])
def test_what_is_not_checked_has_no_condition(lb, agent, ends):
    lb.becomes(b1="up", b2="up", b3="up")
    with lb.not_serving("b1"):
        lb.becomes(b1="down", b2="up", b3="up")
        if ends:
            agent.end(signal.SIGKILL)
        lb.apply(policy(health=""))
        lb.becomes(b1="unchecked", b2="unchecked", b3="unchecked")
        until(lambda: "none" in lb.serving())


def test_a_second_agent_ends(lb, agent):
    until(lambda: "the agent runs" in lb.bed.fwctl("lb1", "doctor").stdout)
    done = lb.bed.fwctl("lb1", "agent", expect=6)
    assert done.stderr == f"fwctl agent: there is an agent in this network namespace already: process {agent.process.pid}\n"


def test_what_it_tells_the_service_manager(lb, tmp_path):
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(10)
        one = Agent(lb.bed, "lb1").start(NOTIFY_SOCKET=path, WATCHDOG_USEC="300000")
        try:
            assert [manager.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]
            assert one.end() == 0
            last = manager.recv(100)
            assert (last if last != b"WATCHDOG=1" else manager.recv(100)) == b"STOPPING=1"
        finally:
            one.end(signal.SIGKILL)


def test_state_that_is_removed_and_made_again(lb, agent):
    lb.becomes(b1="up", b2="up", b3="up")
    lb.bed.fwctl("lb1", "detach", "--all")
    lb.apply(policy())
    lb.becomes(b1="up", b2="up", b3="up")


def test_slow_start(lb, agent):
    lb.apply(policy(more='slow_start = "2s"\n'))
    lb.becomes(b1="up", b2="up", b3="up")
    with lb.not_serving("b1"):
        lb.becomes(b1="down", b2="up", b3="up")
    lb.becomes(b1="starting", b2="up", b3="up")
    lb.becomes(b1="up", b2="up", b3="up", bound=10)


def filters(bed, interface):
    hooks = bed.status("lb1", interface)["hooks"].values()
    return bool(hooks) and all(hook["present"] and program_exists(hook["program_id"]) for hook in hooks)


def test_an_interface_that_appears_is_attached(lb, agent):
    both = '[attach.lan]\ndevice = "eth0"\n[attach.more]\ndevice = "more*"\nmode = "tc"\n'
    lb.bed.check("lb1", "ip", "link", "add", "more0", "type", "veth", "peer", "name", "far0")
    try:
        lb.apply(policy(attach=both))
        assert lb.bed.attached("lb1") == {"eth0", "more0"}
        history = lb.bed.json("lb1", "history")
        lb.bed.check("lb1", "ip", "link", "add", "more1", "type", "veth", "peer", "name", "far1")
        agent.says("interface more1: attached")
        assert lb.bed.attached("lb1") == {"eth0", "more0", "more1"} and filters(lb.bed, "more1")
        lb.bed.check("lb1", "ip", "link", "del", "more0")
        lb.bed.check("lb1", "ip", "link", "add", "more0", "type", "veth", "peer", "name", "far0")
        agent.says("interface more0: attached")
        assert lb.bed.attached("lb1") == {"eth0", "more0", "more1"} and filters(lb.bed, "more0")
        assert lb.bed.json("lb1", "history") == history
    finally:
        for name in ("more0", "more1"):
            lb.bed.run("lb1", "ip", "link", "del", name)
