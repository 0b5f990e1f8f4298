"""Five hundred connections go on while the backends change under them, a balancer dies, and a flood comes.

Each says something several times a second and must hear it back. Which ones have ended is asked of the connections alone.
"""

import contextlib
import subprocess
import time

import pytest

import echo
import netns
import placed
from balancer import (ALL_WAYS, BALANCERS, CLIENT, CLIENT_HOSTS, FAMILIES, FORWARD, FULL_NAT, GUE, IPIP, L2, NAT, SERVERS, VIP, WAYS,
                      Balancer, backend, both, service, vip)
from conftest import SPOOF, until
from echo import ECHO
from router import WIRE

CONNECTIONS = 500
PACKETS = 300_000  # of a flood
BUDGET = 100  # new entries in a second
STATELESS = [L2, IPIP, GUE]
ALL_MODES = [*STATELESS, NAT, FULL_NAT]


def policy(weights, states=None, **more):
    """One [vip] for each mode, with these servers."""
    text = ""
    for number in ALL_MODES:
        backends = [backend(server, server, weight=weight, state=(states or {}).get(server, "ready"))
                    for server, weight in weights.items()]
        text += service(FORWARD[number], both(VIP, number), [f"tcp/{ECHO}", f"udp/{ECHO}"], FORWARD[number], backends, **more)
    return text


THREE = {"b1": 1, "b2": 1, "b3": 1}
FOUR = THREE | {"b4": 1}


class Scene:
    """The balancers, echo servers behind them, and connections through them."""

    def __init__(self, folder, way, ends):
        self.balancer = Balancer(folder, WAYS[way], ALL_MODES)
        ends.callback(self.balancer.down)
        self.bed = self.balancer.bed
        self.balancer.unpack()
        ends.callback(echo.Servers(self.bed, SERVERS, [ECHO]).close)
        self.connections = echo.Connections()
        ends.callback(self.connections.close)

    def connect(self, count, numbers):
        """To all addresses of these modes, from several of the client's."""
        targets = [(number, family) for number in numbers for family in FAMILIES]
        servers = set()
        for turn in range(count):
            number, family = targets[turn % len(targets)]
            host = CLIENT_HOSTS[turn // len(targets) % len(CLIENT_HOSTS)]
            one = echo.dial(self.bed, "client", vip(family, number), ECHO, CLIENT[family].format(host), timeout=60)
            servers.add(self.connections.add(one, sees_client=number != FULL_NAT))
        return servers

    def all_speak(self):
        """All that have not ended are heard of again, twice: by then resets have come in, too."""
        for _ in range(2):
            turn = self.connections.turn
            until(lambda: self.connections.all_heard_since(turn), 120)

    def ended(self):
        """The servers whose connections have ended, and how many."""
        counts = {}
        for server, _ in self.connections.ended.values():
            counts[server] = counts.get(server, 0) + 1
        return counts

    def new_ones_go_to(self, numbers=ALL_MODES):
        """Where forty new connections go; they end at once."""
        seen = set()
        for turn in range(40):
            number, family = numbers[turn % len(numbers)], FAMILIES[turn % 2]
            with echo.dial(self.bed, "client", vip(family, number), ECHO, timeout=60) as one:
                (server, *_), _ = echo.greeting(one)
                seen.add(server)
        return seen

    def until_kept(self, roles=BALANCERS):
        """Each connection has a place where it cannot be pushed out; answers them by role."""

        def kept():
            tags = {role: placed.kept_tags(self.bed, role) for role in roles}
            return sum(map(len, tags.values())) >= CONNECTIONS and tags

        return until(kept, 60)

    def kill(self, role):
        """The machine is gone: its link first, and then the router finds out."""
        self.bed.check("switch", "ip", "link", "set", role, "down")
        (other,) = BALANCERS.keys() - {role}
        self.balancer.through(other)


@pytest.fixture
def scene(request, tmp_path):
    with echo.many_files(), contextlib.ExitStack() as ends:
        yield Scene(tmp_path, request.param, ends)


def in_ways(*ways):
    return pytest.mark.parametrize("scene", WAYS if ALL_WAYS else ways, indirect=True)


@in_ways("native", "tc")
def test_only_connections_of_what_is_removed_end(scene):
    balancer, connections = scene.balancer, scene.connections
    balancer.balance(policy(THREE))
    assert scene.connect(CONNECTIONS, ALL_MODES) == THREE.keys()
    connections.start()
    scene.all_speak()

    balancer.balance(policy(FOUR))
    scene.all_speak()
    assert "b4" in scene.new_ones_go_to()
    balancer.balance(policy({"b1": 1, "b2": 7, "b3": 2, "b4": 5}))
    scene.all_speak()
    balancer.balance(policy(FOUR, {"b2": "drain"}))
    scene.all_speak()
    assert "b2" not in scene.new_ones_go_to()
    balancer.balance(policy(FOUR | {"b3": 0}, {"b2": "drain"}))
    scene.all_speak()
    assert scene.new_ones_go_to() == {"b1", "b4"}
    replace_the_program(scene)
    scene.all_speak()
    assert scene.ended() == {}

    had = connections.by_server()
    balancer.balance(policy(FOUR, {"b1": "maint"}))
    until(lambda: scene.ended().get("b1") == had["b1"], 120)
    scene.all_speak()
    balancer.balance(policy({"b1": 1, "b3": 1, "b4": 1}))
    until(lambda: scene.ended().get("b2") == had["b2"], 120)
    scene.all_speak()
    assert scene.ended() == {"b1": had["b1"], "b2": had["b2"]}


def replace_the_program(scene):
    """As another build of fwctl would, balancer by balancer."""
    for role in BALANCERS:
        before = scene.bed.program_ids(role, "eth0")
        scene.bed.check(role, WIRE, "eth0")
        assert not set(before.values()) & set(scene.bed.program_ids(role, "eth0").values())
        scene.all_speak()


@contextlib.contextmanager
def flood(bed, number):
    """Through the router, to both balancers: SYNs, datagrams, and segments of connections that are not there."""
    command = bed.command("client", SPOOF, "eth0", netns.mac_of(bed.name("router"), "in0"), vip(4, number), vip(6, number),
                          PACKETS, 1, f"tcp/{ECHO}", f"udp/{ECHO}", f"ack/{ECHO}")
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        yield process
        assert process.wait(timeout=600) == 0, process.stderr.read()
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


@in_ways("native", "tc")
def test_a_balancer_dies_in_the_middle_of_a_change(scene):
    """What the dead one had in its table the other one finds by where the slots were before; with TC alone in a flood."""
    balancer, connections = scene.balancer, scene.connections
    balancer.balance(policy(THREE))
    assert scene.connect(CONNECTIONS, STATELESS) == THREE.keys()
    connections.start()
    scene.all_speak()
    counted = {role: balancer.counted([role])["balanced"] for role in BALANCERS}
    assert min(counted.values()) > CONNECTIONS, "the router has sent all to one"

    with contextlib.nullcontext() if balancer.way.wire else flood(scene.bed, GUE):
        balancer.balance(policy({"b1": 1, "b2": 5, "b3": 1, "b4": 9}), ["lb2"])
        scene.kill("lb1")
        scene.all_speak()
        assert "b4" in scene.new_ones_go_to(STATELESS)
    scene.until_kept(["lb2"])
    balancer.balance(policy(FOUR, {"b3": "drain"}), ["lb2"])
    scene.all_speak()
    assert scene.ended() == {}

    had = connections.by_server()
    balancer.balance(policy({"b1": 1, "b2": 1, "b4": 1}), ["lb2"])
    until(lambda: scene.ended().get("b3") == had["b3"], 120)
    scene.all_speak()
    assert scene.ended() == {"b3": had["b3"]}


@in_ways("tc")
def test_a_flood_takes_nobodys_place(scene):
    balancer, connections = scene.balancer, scene.connections
    balancer.balance(policy(THREE, new_entries=BUDGET))
    assert scene.connect(CONNECTIONS, ALL_MODES) == THREE.keys()
    connections.start()
    tags = scene.until_kept()
    flood_within_the_budget(scene)
    balancer.balance(policy(FOUR))
    with flood(scene.bed, GUE) as sender:
        scene.all_speak()
        balancer.balance(policy({"b1": 1, "b2": 7, "b3": 2, "b4": 5}, {"b2": "drain"}))
        scene.all_speak()
        until(lambda: sender.poll() is not None, 300)
    for number in (NAT, FULL_NAT):  # whose tables are others
        with flood(scene.bed, number) as sender:
            scene.all_speak()
            until(lambda: sender.poll() is not None, 300)
    scene.all_speak()
    assert all(tags[role] <= placed.kept_tags(scene.bed, role) for role in BALANCERS)
    assert balancer.counted()["balanced"] > PACKETS, "too little of a flood"
    assert scene.ended() == {}


def flood_within_the_budget(scene):
    before = {role: len(placed.words(scene.bed, role)) for role in BALANCERS}
    begun = time.monotonic()
    with flood(scene.bed, GUE) as sender:
        scene.all_speak()
        until(lambda: sender.poll() is not None, 300)
    for role in BALANCERS:
        grown = len(placed.words(scene.bed, role)) - before[role]
        seconds = time.monotonic() - begun
        # What is saved up in a second comes on top; processors that ask at once may both get the last one.
        assert BUDGET / 2 < grown < 2 * BUDGET * (seconds + 2), (role, seconds)
