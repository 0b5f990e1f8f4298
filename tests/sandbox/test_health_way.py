"""Health checks that go to the address of a service, by its way to the one backend that is asked (`via = "vip"`).

Both servers answer on their own addresses throughout: what they lack is what the service needs of them.
"""

import contextlib
import json
import signal

import pytest

import echo
from agent import Agent
from balancer import CROSSED, FAMILIES, FORWARD, GUE, IPIP, IPIP_CROSSED, L2, VIP, Balancer, Way, backend, both, service, vip
from conftest import until
from echo import ECHO
from router import WIRED

SERVERS = ["b1", "b2"]
# What is asked of the service: its own port, and one that it does not name.
CHECKS = {
    L2: {"http": "/", "body": "hello"},
    IPIP: {"tcp": True, "port": ECHO},
    GUE: {"udp": "ping", "answer": "ping", "port": ECHO},
    IPIP_CROSSED: {"tcp": True},
}
WAYS = {
    "native": Way("native", ["xdp", "tc-in", "tc-out"], WIRED, wire=True, forwarding=True),
    "tc": Way("tc", ["tc-in", "tc-out"]),
}
NOT_BY_US = "its packets do not leave by an attached interface (tc-out)"
UP = {"b1": "up", "b2": "up"}
DOWN = {"b1": "up", "b2": "down"}
every_way = pytest.mark.parametrize("lb", WAYS, indirect=True, scope="module")


def services(via="vip"):
    text = ""
    for number, check in CHECKS.items():
        families = [FAMILIES] * 2 if number not in CROSSED else [[4], [6]]
        backends = [backend(server, server, its) for server, its in zip(SERVERS, families)]
        made = service(f"by-{number}", both(VIP, number), ["tcp/80"], FORWARD[number], backends)
        check = check | {"via": via, "every": "200ms", "rise": 1, "fall": 2}
        health = ", ".join(f"{key} = {json.dumps(value)}" for key, value in check.items())
        text += made.replace("[[", f"health = {{ {health} }}\n[[", 1)
    return text


class Checked(Balancer):
    def health(self):
        shown = {number: self.bed.json("lb1", "vip", "show", f"by-{number}")["backends"] for number in CHECKS}
        return {number: {one["name"]: one["health"] for one in backends} for number, backends in shown.items()}

    def becomes(self, **said):
        """Waits until the services' backends are that; those that are not named are up."""
        expected = dict.fromkeys(CHECKS, UP) | said.get("by", {})
        try:
            until(lambda: self.health() == expected)
        except AssertionError:
            raise AssertionError((self.health(), expected)) from None

    def sent(self):
        return self.bed.counters("lb1", "eth0").get(("out", "health-check"), 0)

    @contextlib.contextmanager
    def without(self, address, role="b2"):
        self.bed.check(role, "ip", "address", "del", address, "dev", "lo")
        try:
            yield
        finally:
            self.bed.check(role, "ip", "address", "add", address, "dev", "lo")


@pytest.fixture(scope="module")
def lb(request, tmp_path_factory):
    made = Checked(tmp_path_factory.mktemp("policies"), WAYS[request.param], CHECKS)
    try:
        made.apply("lb1", services())
        made.unpack(SERVERS)
        addresses = [vip(family, GUE) for family in FAMILIES]
        with contextlib.closing(echo.Servers(made.bed, SERVERS, [ECHO], lambda _: addresses)):
            yield made
    finally:
        made.down()


@pytest.fixture
def agent(lb):
    made = Agent(lb.bed, "lb1").start()
    try:
        lb.becomes()
        yield made
    finally:
        made.end(signal.SIGKILL)


@every_way
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("number", CHECKS, ids=lambda number: FORWARD[number] + "-crossed" * (number in CROSSED))
def test_a_server_without_the_address_is_down(lb, agent, number, family):
    with lb.without(vip(family, number)):
        lb.becomes(by={number: DOWN})
    lb.becomes()


@every_way
def test_a_server_that_does_not_unpack_is_down(lb, agent):
    lb.bed.fwctl("b2", "detach", "--all")
    lb.becomes(by=dict.fromkeys([IPIP, GUE, IPIP_CROSSED], DOWN))
    lb.unpack(["b2"])
    lb.becomes()


@every_way
def test_its_own_address_proves_none_of_that(lb, agent):
    """Which is why there is another way to ask. The datagrams go to a server that listens at the service's address alone."""
    lb.apply("lb1", services(via="backend"))
    lb.bed.fwctl("b2", "detach", "--all")
    with lb.without(vip(4, L2)):
        lb.becomes(by={GUE: {"b1": "down", "b2": "down"}})
    lb.unpack(["b2"])
    lb.apply("lb1", services())
    lb.becomes()


@every_way
def test_checks_are_nobodys_packets(lb, agent):
    """Neither do those come back that have to wait until the backend's MAC address is known. What does come back are resets by
    the kernel, when an answer comes too late."""
    for _ in range(20):
        before = lb.sent()
        lb.bed.check("lb1", "ip", "neigh", "flush", "all")
        until(lambda: lb.sent() > before + 10)
    for number in CHECKS:
        shown = lb.bed.json("lb1", "vip", "show", f"by-{number}")
        assert shown["flows"] == 0, shown


@every_way
def test_no_rule_for_what_goes_out_loses_them(lb, agent):
    """Answers come in as those of what the host itself sends."""
    answers = '[[rule]]\nname = "answers"\nstate = "established"\ndirection = "in"\naction = "allow"\n'
    lb.apply("lb1", '[defaults]\nin = "deny"\nout = "deny"\n' + answers + services())
    with lb.without(vip(4, IPIP)):
        lb.becomes(by={IPIP: DOWN})
    lb.becomes()
    lb.apply("lb1", services())


@every_way
def test_what_does_not_leave_by_us_says_nothing(lb, agent):
    """As the address is one of this host, or its route another one: the backends stay what they are."""
    where = vip(4, L2)
    sent = lb.sent()
    lb.bed.check("lb1", "ip", "address", "add", where, "dev", "lo")
    try:
        for server in SERVERS:
            agent.says(f"vip by-{L2}: backend {server} cannot be checked at {where}: {NOT_BY_US}: connection refused")
    finally:
        lb.bed.check("lb1", "ip", "address", "del", where, "dev", "lo")
    lb.bed.check("lb1", "ip", "link", "add", "aside", "type", "veth", "peer", "name", "nobody")
    try:
        lb.bed.check("lb1", "ip", "link", "set", "aside", "arp", "off", "up")
        lb.bed.check("lb1", "ip", "route", "add", vip(4, IPIP), "dev", "aside")
        for server in SERVERS:
            agent.says(f"vip by-{IPIP}: backend {server} cannot be checked at {vip(4, IPIP)}: {NOT_BY_US}: no answer within 200ms")
    finally:
        lb.bed.check("lb1", "ip", "link", "del", "aside")
    assert lb.sent() > sent
    lb.becomes()
    assert not any(" is down: " in line for line in agent.lines())
