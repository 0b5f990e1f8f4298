"""A thousand connections go on while SYNs and datagrams from sources that are not there arrive as fast as they can be sent.

    FWCTL_FLOOD=10000000 pytest test_flood.py      the long run
"""

import contextlib
import json
import os
import random
import resource
import socket
import subprocess

import pytest

import netns
from conftest import SPOOF, Testbed

PACKETS = int(os.environ.get("FWCTL_FLOOD", 500_000))
CONNECTIONS = 1000  # half of each family
BANNED = 2000
SERVER = {socket.AF_INET: "10.9.0.2", socket.AF_INET6: "fd00:9::2"}
CLIENT = {socket.AF_INET: "10.9.0.1", socket.AF_INET6: "fd00:9::1"}
TARGETS = ["tcp/7", "udp/53", "tcp/22", "udp/9"]  # of the flood: two that are open, one that is not, one that bans

POLICY = f"""version = 1
[defaults]
in = "deny"
[set.banned]
dynamic = true
size = {BANNED}
[[rule]]
name = "banned"
from = "@banned"
action = "deny"
[[rule]]
name = "replies"
state = ["established", "related"]
action = "allow"
[[rule]]
name = "who asks for discard"
service = "udp/9"
action = "deny"
direction = "in"
ban = {{ set = "banned", for = "1h" }}
[[rule]]
name = "open"
service = ["tcp/7", "udp/53"]
action = "allow"
[attach.eth0]
"""
WAYS = {"native": 'mode = "native"\nhooks = ["xdp", "tc-out"]\n', "generic": 'mode = "generic"\nhooks = ["xdp", "tc-out"]\n',
        "tc": 'mode = "tc"\nhooks = ["tc-in", "tc-out"]\n'}


@pytest.fixture(params=WAYS)
def bed(request, tmp_path):
    made = Testbed("pair")
    try:
        policy = tmp_path / "policy.toml"
        policy.write_text(POLICY + WAYS[request.param])
        made.fwctl("b", "apply", policy)
        yield made
        made.fwctl("b", "detach", "--all")
        assert netns.leftovers(made.name("b")) == []
    finally:
        made.down()


class Listener:
    """Of one machine, for both families."""

    def __init__(self, bed, role, addresses, port=0):
        with netns.inside(bed.name(role)):
            self.sockets = [socket.create_server((address, port), family=family, backlog=1000) for family, address in addresses.items()]

    def close(self):
        for one in self.sockets:
            one.close()


class Connections:
    """Both ends of each: what one says the other hears, and the other way around."""

    def __init__(self, bed, opener, listener, count):
        self.pairs = []
        for listening in listener.sockets:
            with netns.inside(bed.name(opener)):
                for _ in range(count // 2):
                    one = socket.create_connection(listening.getsockname()[:2], timeout=60)
                    other, peer = listening.accept()
                    other.settimeout(60)
                    self.pairs.append((one, other))
                    assert peer == one.getsockname()

    def close(self):
        for pair in self.pairs:
            for end in pair:
                end.close()

    def speak(self, chance):
        """Every connection says something of its own and is answered with something else."""
        for first, second in ((0, 1), (1, 0)):
            said = [chance.randbytes(chance.randint(1, 200)) for _ in self.pairs]
            for pair, text in zip(self.pairs, said):
                pair[first].sendall(text)
            for pair, text in zip(self.pairs, said):
                heard = b""
                while len(heard) < len(text):
                    more = pair[second].recv(len(text) - len(heard))
                    assert more, "a connection has ended"
                    heard += more
                assert heard == text

    def openers(self):
        return {one.getsockname()[:2] for one, _ in self.pairs}


@pytest.fixture
def open_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def maps(bed):
    """{id: bytes} of every map that is pinned for b, and of those in them."""
    found = {}
    for path in bed.pins("b"):
        shown = subprocess.run(["bpftool", "-j", "map", "show", "pinned", path], capture_output=True, text=True, timeout=60)
        if shown.returncode:
            continue  # a program or a directory
        one = json.loads(shown.stdout)
        found[one["id"]] = one["bytes_memlock"]
        if one["type"].endswith("_of_maps"):
            for inner in netns.inner_maps(path):
                shown = subprocess.run(["bpftool", "-j", "map", "show", "id", str(inner)], capture_output=True, text=True,
                                       check=True, timeout=60)
                found[inner] = json.loads(shown.stdout)["bytes_memlock"]
    return found


def conntrack(bed):
    return bed.json("b", "conntrack", "show")


def kept(bed):
    """(address, port) of those who have opened flows that are confirmed and established."""
    flows = bed.json("b", "conntrack", "list", "tcp")["flows"]
    return {(flow["from"], flow["from_port"]) for flow in flows if flow["confirmed"] and flow["state"] == "established"}


def banned(bed):
    return bed.json("b", "set", "list")["sets"][0]


def received(bed):
    """(packets of the flood that fwctl has seen, those of them that open flows)"""
    counted = bed.counters("b", "eth0")
    opening = bed.rule_packets("b", "open")
    return opening + bed.rule_packets("b", "who asks for discard") + counted.get(("in", "default-deny"), 0), opening


@contextlib.contextmanager
def flood(bed):
    command = bed.command("a", SPOOF, "eth0", netns.mac_of(bed.name("b"), "eth0"), SERVER[socket.AF_INET],
                          SERVER[socket.AF_INET6], PACKETS, 1, *TARGETS)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        yield process
        assert process.wait(timeout=600) == 0, process.stderr.read()
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_connections_outlive_a_flood(bed, open_files):
    chance = random.Random(1)
    with contextlib.ExitStack() as ends:
        def closing(made):
            ends.callback(made.close)
            return made

        inside, outside = closing(Listener(bed, "b", SERVER, 7)), closing(Listener(bed, "a", CLIENT))
        lasting = [closing(Connections(bed, "a", inside, CONNECTIONS - 100)), closing(Connections(bed, "b", outside, 100))]
        openers = set().union(*(one.openers() for one in lasting))
        for connections in lasting:
            connections.speak(chance)
        before, memory, members, rounds = conntrack(bed), maps(bed), [], 0
        assert before["confirmed"] == CONNECTIONS and kept(bed) == openers
        with flood(bed) as sender:
            while sender.poll() is None:
                late = [closing(Connections(bed, "a", inside, 2)), closing(Connections(bed, "b", outside, 2))]
                for connections in lasting + late:
                    connections.speak(chance)
                for connections in late:
                    connections.close()
                members.append(banned(bed)["members"])
                rounds += 1
        for connections in lasting:
            connections.speak(chance)

        after, (seen, opening) = conntrack(bed), received(bed)
        print(f"{seen} packets seen, {rounds} rounds, {after}, {banned(bed)}")
        assert rounds and seen >= PACKETS / 2, "too little of a flood"
        assert openers <= kept(bed)
        assert after["counts"]["opened"] >= opening * 0.99
        assert after["counts"]["displaced"] > 0, "there was room for all"
        assert after["counts"]["crowded"] == 0
        assert maps(bed) == memory
        assert max(members) <= BANNED and banned(bed)["members"] == BANNED
        assert len(bed.fwctl("b", "set", "show", "banned", "--json").stdout.splitlines()) == BANNED
