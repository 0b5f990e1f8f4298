"""The balancer's own address changes under it: packets to backends leave from the new one, once the agent has seen it.

The servers unpack what comes from the new address alone.
"""

import contextlib
import json
import signal
import subprocess

import pytest

import echo
from agent import Agent
from balancer import FAMILIES, GUE, IPIP, L2, SEGMENT, SERVERS, VIP, Balancer, Way, backend, both, service, vip
from conftest import FWCTL, until
from echo import ECHO

OLD, NEW = 11, 31
NUMBERS = {L2: "l2-dsr", IPIP: "ipip", GUE: "gue"}
WIDTH = {4: 24, 6: 64}


def source(family, number):
    return SEGMENT[family].format(number)


def services():
    return "".join(service(f"by-{number}", both(VIP, number), [f"tcp/{ECHO}"], forward, [backend(name, name) for name in SERVERS])
                   for number, forward in NUMBERS.items())


class Moving(Balancer):
    def move(self, former, number):
        """Another address in the place of the former one, as a new lease brings it; and clients come by it."""
        for family in FAMILIES:
            ip = ("ip", f"-{family}")
            here = f"{source(family, number)}/{WIDTH[family]}"
            self.bed.check("lb1", *ip, "address", "del", f"{source(family, former)}/{WIDTH[family]}", "dev", "eth0")
            self.bed.check("lb1", *ip, "address", "add", here, "dev", "eth0", *(["nodad"] if family == 6 else []))
            self.bed.check("lb1", *ip, "route", "replace", "default", "via", source(family, 1))
            prefix = VIP[family].format("0/24" if family == 4 else "/64")
            self.bed.check("router", *ip, "route", "replace", prefix, "via", source(family, number))

    def dials(self, number, family):
        """Whether a new connection is answered."""
        with contextlib.suppress(OSError), echo.dial(self.bed, "client", vip(family, number), ECHO, timeout=0.5) as one:
            return echo.greeting(one)[0][0] in SERVERS
        return False

    def all_are_served(self):
        """Everyone is."""
        return all(self.dials(number, family) for number in NUMBERS for family in FAMILIES)

    def doctor(self, expect=0):
        findings = self.bed.json("lb1", "doctor", expect=expect)["findings"]
        return [one["text"] for one in findings if one["verdict"] == "BAD"]

    def shown(self):
        """What no change of addresses changes."""
        list_ = [self.bed.json("lb1", "vip", "show", f"by-{number}") for number in NUMBERS]
        return [(one["ring"], one["transition_seconds_left"], [(its["name"], its["share"]) for its in one["backends"]]) for one in list_]


@pytest.fixture
def lb(tmp_path):
    made = Moving(tmp_path, Way("tc", ["tc-in", "tc-out"]), NUMBERS)
    try:
        made.apply("lb1", services())
        made.through("lb1")
        for server in SERVERS:
            made.apply(server, f"[decapsulate]\nfrom = {json.dumps(both(SEGMENT, NEW))}\n")
        with contextlib.closing(echo.Servers(made.bed, SERVERS, [ECHO])):
            yield made
    finally:
        made.down()


@contextlib.contextmanager
def agent_of(lb):
    made = Agent(lb.bed, "lb1").start()
    try:
        yield made
    finally:
        made.end(signal.SIGKILL)


def test_the_agent_follows_the_address(lb):
    before = lb.shown()
    generation = lb.bed.json("lb1", "status")["generation"]
    assert lb.dials(L2, 4) and not lb.dials(IPIP, 4)
    with agent_of(lb) as agent:
        lb.move(OLD, NEW)
        until(lb.all_are_served)
        # It tells what it saw before it wrote: what changed while it did so is in the generation, too, and not told.
        agent.says(": backend b1 is sent to from ")
        assert lb.doctor() == []
        assert lb.shown() == before
        # Two events in a swarm may be told by two generations, but nothing goes on making them.
        settled = lb.bed.json("lb1", "status")["generation"]
        assert generation < settled <= generation + 4
        held = echo.dial(lb.bed, "client", vip(4, IPIP), ECHO)
        (server, *_), _ = echo.greeting(held)
        for link in ("down", "up"):  # takes the routes of IPv4 and both families' default routes away
            lb.bed.check("lb1", "ip", "link", "set", "eth0", link)
        for family in FAMILIES:
            lb.bed.check("lb1", "ip", f"-{family}", "address", "replace", f"{source(family, NEW)}/{WIDTH[family]}", "dev", "eth0")
            lb.bed.check("lb1", "ip", f"-{family}", "route", "replace", "default", "via", source(family, 1))
        until(lb.all_are_served)
        held.sendall(b"still there")
        assert held.recv(100) == b"still there"
        assert lb.shown() == before


def test_without_the_agent_doctor_says_so(lb):
    lb.move(OLD, NEW)
    lost = [f"vip by-{number}: backend {server} is sent to from {source(family, OLD)}, which is no address of this host any more; "
            "fwctl agent mends that, or fwctl apply" for number in (GUE, IPIP) for server in SERVERS for family in FAMILIES]
    assert sorted(lb.doctor(expect=1)) == sorted(lost)
    assert lb.dials(L2, 4) and not lb.dials(IPIP, 4)
    with agent_of(lb):
        until(lb.all_are_served)
    assert lb.doctor() == []


def test_a_trial_is_left_alone(lb):
    """Nothing may be written then: the ways are mended when it is over."""
    policy = lb.folder / "lb1.toml"
    with agent_of(lb) as agent:
        command = [FWCTL, "try", str(policy), "--for", "60s", "--netns", lb.bed.name("lb1")]
        trial = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: lb.bed.json("lb1", "status")["trial_seconds_left"])
        lb.move(OLD, NEW)
        agent.says("following interfaces: a policy is on trial")
        lb.bed.fwctl("lb1", "confirm")
        assert trial.wait(timeout=30) == 0
        until(lb.all_are_served)
