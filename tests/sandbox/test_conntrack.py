"""The flow table as the operator sees it: listed, flushed, with times of its own, of another size while flows go on."""

import random
import socket
import struct
import subprocess
import time

import pytest

import netns
from conftest import until
from firewall import fw, machine  # fixtures

CLIENT, SERVER = "10.9.0.1", "10.9.0.2"
REPLIES = '\n[[rule]]\nname = "replies"\nstate = "established"\naction = "allow"\n'
OPEN = '\n[[rule]]\nname = "open"\nservice = "udp/7000-7999"\naction = "allow"\n'
STRICT = "[defaults]\nin = \"deny\"\n"


def policy(*parts, conntrack="", strict=True, attach='[attach.wan]\ndevice = "eth0"\n'):
    table = f"[conntrack]\n{conntrack}\n" if conntrack else ""
    return "version = 1\n" + (STRICT if strict else "") + table + attach + "".join(parts)


class Flows:
    """Of UDP, opened by a: each end hears what the other one says."""

    def __init__(self, fw, count):
        self.pairs = []
        for number in range(count):
            with netns.inside(fw.bed.name("a")):
                client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            with netns.inside(fw.netns):
                server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            client.bind((CLIENT, 0))
            server.bind((SERVER, 7000 + number))
            client.connect(server.getsockname())
            server.connect(client.getsockname())
            for end in (client, server):
                end.settimeout(5)
            self.pairs.append((client, server))

    def close(self):
        for pair in self.pairs:
            for end in pair:
                end.close()

    def speak(self):
        for number, (client, server) in enumerate(self.pairs):
            client.send(b"%d" % number)
            assert server.recv(100) == b"%d" % number
            server.send(b"answer %d" % number)
            assert client.recv(100) == b"answer %d" % number


@pytest.fixture
def flows(fw):
    made = Flows(fw, 200)
    yield made
    made.close()


def listed(fw, *words):
    return fw.json("conntrack", "list", *words)["flows"]


def test_flows_are_listed_shown_and_flushed(fw, flows):
    fw.apply(policy(REPLIES, OPEN))
    flows.speak()
    flows.speak()
    all_of_them = listed(fw, "udp/7000-7999")
    assert {one["to_port"] for one in all_of_them} == set(range(7000, 7200))
    assert all(one["confirmed"] and one["from"] == CLIENT and one["to"] == SERVER for one in all_of_them)
    assert len(listed(fw, "udp/7003")) == 1
    assert listed(fw, "tcp") == [] and listed(fw, "udp/7000-7999", "from", "192.0.2.1") == []
    text = fw.run("conntrack", "list", "udp/7003").stdout
    assert text.splitlines()[1].split()[0] == "udp" and f"{SERVER}:7003" in text
    shown = fw.json("conntrack", "show")
    assert shown["confirmed"] >= 200 and shown["counts"]["displaced"] == 0

    fw.apply(policy(REPLIES))  # nothing opens any more
    flows.speak()
    assert fw.json("conntrack", "flush", "udp/7003")["flushed"] == 1
    client, server = flows.pairs[3]
    client.send(b"again")
    server.settimeout(0.3)
    with pytest.raises(TimeoutError):
        server.recv(100)
    flows.pairs.pop(3)
    flows.speak()


def test_a_policy_that_asks_for_no_state_follows_nothing(fw, flows):
    fw.apply(policy(OPEN, strict=False))
    flows.speak()
    assert listed(fw) == [] and fw.json("conntrack", "show")["room"] == 0
    assert fw.run("conntrack", "show").stdout == "no rule asks for the state of flows, so none is followed\n"
    fw.apply(policy(REPLIES, OPEN))
    flows.speak()
    assert len(listed(fw, "udp/7000-7999")) == 200
    fw.apply(policy(OPEN, strict=False))
    assert fw.json("conntrack", "show")["room"] == 0


def test_flows_end_by_their_times(fw, flows):
    fw.apply(policy(REPLIES, OPEN, conntrack='udp-stream = "2s"'))
    flows.speak()
    flows.speak()
    left = [one["seconds_left"] for one in listed(fw, "udp/7000-7999")]
    assert len(left) == 200 and max(left) <= 2
    until(lambda: listed(fw, "udp/7000-7999") == [])
    fw.apply(policy(REPLIES, conntrack='udp-stream = "2s"'))
    client, server = flows.pairs[0]
    client.send(b"late")
    server.settimeout(0.3)
    with pytest.raises(TimeoutError):
        server.recv(100)


SIZES = [40_000, 1, 100_000, 40_000, 250_000, 20_480, 20_481, 40_000]


def test_another_size_loses_no_flow(fw, flows):
    """Only what is established passes: a packet that did not find its flow would be missed."""
    fw.apply(policy(REPLIES, OPEN))
    flows.speak()
    flows.speak()
    for size in SIZES:
        running = subprocess.Popen(fw.command("apply", fw.file(policy(REPLIES, conntrack=f"size = {size}"))),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while running.poll() is None:
            flows.speak()
        assert running.returncode == 0, running.communicate()
        flows.speak()
        pages = -(-size // 20_480)
        assert fw.json("conntrack", "show")["room"] == pages * 4096 * 10
        assert len(listed(fw, "udp/7000-7999")) == 200


def test_a_command_that_is_killed_while_flows_move_loses_none(fw, flows):
    chance = random.Random(4)
    fw.apply(policy(REPLIES, OPEN))
    flows.speak()
    flows.speak()
    took = time.monotonic()
    fw.apply(policy(REPLIES, conntrack="size = 100000"))
    took = time.monotonic() - took
    for turn in range(12):
        size = [400_000, 30_000][turn % 2]
        running = subprocess.Popen(fw.command("apply", fw.file(policy(REPLIES, conntrack=f"size = {size}"))),
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0.3, 1) * took)
        running.kill()
        running.wait()
        flows.speak()
        assert len(listed(fw, "udp/7000-7999")) == 200
    fw.apply(policy(REPLIES, conntrack="size = 40000"))
    flows.speak()
    assert fw.json("conntrack", "show")["room"] == 2 * 4096 * 10


def test_a_trial_changes_the_size_when_it_is_kept(fw, flows):
    fw.apply(policy(REPLIES, OPEN))
    flows.speak()
    flows.speak()
    room = fw.json("conntrack", "show")["room"]
    trial = fw.start("try", fw.file(policy(REPLIES, conntrack="size = 200000")), "--for", "1m")
    until(lambda: fw.run("confirm", expect=None).returncode == 0)
    trial.wait(60)
    trial.communicate()
    flows.speak()
    assert fw.json("conntrack", "show")["room"] > room


def segment(flags, sequence):
    """TCP to port 7001; nobody looks at its checksum before fwctl."""
    return struct.pack("!HHIIBBHHH", 40000, 7001, sequence, 77, 5 << 4, flags, 1000, 0, 0)


def test_one_way_of_a_connection_is_enough_where_that_is_said(fw):
    """fwctl sees what a sends alone, as b's answers take another path."""
    begun = '\n[[rule]]\nname = "begun"\nservice = "tcp/7001"\nstate = "new"\naction = "allow"\n'
    impossible = '\n[[rule]]\nname = "impossible"\nstate = "invalid"\naction = "deny"\n'
    with netns.inside(fw.bed.name("a")):
        sender = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
    with sender:
        for said, expected in (("", {"replies": 0, "impossible": 3, "begun": 1}),
                               ('asymmetric = "wan"', {"replies": 3, "impossible": 0, "begun": 1})):
            fw.run("detach", "--all", expect=None)
            fw.apply(policy(REPLIES, impossible, begun, conntrack=said,
                            attach='[attach.wan]\ndevice = "eth0"\nhooks = ["xdp"]\n'))
            for flags, sequence in ((0x02, 1000), (0x10, 1001), (0x18, 1001), (0x18, 900_000_000)):
                sender.sendto(segment(flags, sequence), (SERVER, 0))
            until(lambda: sum(fw.counts()[name] for name in expected) == 4)
            assert {name: fw.counts()[name] for name in expected} == expected


def test_mistakes_are_said(fw):
    for text, said in (('size = 0', '"size" is a number from 1 to 2500000, not 0'), ('udp = "400d"', "at most 365d"),
                       ('size = 9999999', '"size" is a number from 1 to 2500000'),
                       ('asymmetric = "a/b"', "asymmetric"), ('tcp = "1s"', 'unknown key "tcp"')):
        done = fw.apply(policy(conntrack=text), expect=2)
        assert said in done.stderr, done.stderr
