"""A packet is judged by one policy or by the other, never by a mix, while a thousand applies switch between two.

Two policies differ in everything: rules, order, sets, defaults. Each kind of packet is made so that both policies pass
it, or both drop it, and that a mix of them would not:

    port   policy A                             policy B                             a mix
    7001   rule allows it, default denies       no rule, default allows              B's rules with A's default drop it
    7002   no rule, default denies              rule denies it, default allows       A's rules with B's default let it in
    7003   denied from @s, which has the sender; allowed from @s, which has it not;  the sets of one with the rules of the
           then allowed                         then denied                          other let it in
    7004   allowed, then a wider rule denies    allowed by a rule of the same name,  half of the rules drop it
           behind it                            at another place, in other words
    7005   allowed                              denied                               (this one shows that both have held)

What XDP, TC ingress and TC egress let pass is counted by nftables, which comes behind them.
"""

import itertools
import json
import multiprocessing
import os
import subprocess

import pytest
from scapy.all import IP, UDP, Ether, IPv6, raw

import netns
from cable import send
from conftest import FWCTL, Testbed, until

APPLIES = 1000
PASS, DROP, KEPT, EITHER = (7001, 7004), (7002, 7003), 7004, 7005
SENDERS = {4: "192.0.2.1", 6: "2001:db8::1"}
TAGS = {"in0": 1, "out0": 2, "egress": 3}  # of the way; added to the source port

ATTACH = """version = 1
[attach.wan]
device = "in0"
mode = "generic"
[attach.lan]
device = "out0"
mode = "tc"
"""

POLICY_A = ATTACH + """
[defaults]
in = "deny"
out = "deny"
[set.s]
elements = ["192.0.2.0/28", "198.51.100.0/24", "2001:db8::/64"]
[set.d]
dynamic = true
[[rule]]
name = "counted"
action = "count"
service = "udp/7000-7100"
[[rule]]
name = "not from s"
action = "deny"
service = "udp/7003"
from = "@s"
[[rule]]
name = "kept"
action = "allow"
service = "udp/7004"
[[rule]]
name = "never from d"
action = "deny"
service = "udp/7004"
from = "@d"
[[rule]]
name = "behind kept"
action = "deny"
service = "udp/7004-7100"
to = "203.0.113.0/24"
length = "2000-3000"
[[rule]]
name = "some"
action = "allow"
service = ["udp/7001", "udp/7003", "udp/7005"]
"""

POLICY_B = ATTACH + """
[set.other]
elements = ["198.51.100.0/24", "2001:db8:9::/48"]
[set.s]
elements = ["203.0.113.0/24", "2001:db8:1::/48"]
[set.another]
dynamic = true
[[rule]]
name = "counted"
action = "count"
service = "udp"
length = "40-100"
[[rule]]
name = "from s"
action = "allow"
service = "udp/7003"
from = "@s"
[[rule]]
name = "no others"
action = "deny"
service = ["udp/7002", "udp/7003", "udp/7005"]
[[rule]]
name = "far"
action = "deny"
from = ["@other", "@another"]
[[rule]]
name = "kept"
action = "allow"
service = "udp/7004"
from = ["192.0.2.0/24", "2001:db8::/32"]
sport = "1-60000"
[[rule]]
name = "behind it"
action = "deny"
service = "udp/7004"
"""


def frames_to(mac, way):
    """A burst: each kind once, in both families."""
    burst = []
    for port in (*PASS, *DROP, EITHER):
        for family, sender in SENDERS.items():
            ip = IP(src=sender, dst="192.0.2.200") if family == 4 else IPv6(src=sender, dst="2001:db8:2::1")
            burst.append(raw(Ether(dst=mac, src="02:00:00:00:00:01") / ip / UDP(sport=40000 + TAGS[way], dport=port) / bytes(20)))
    return burst


def keep_sending(ways, stop, sent):
    """Bursts on every way in turn, from one processor: the softirq that judges runs on it too, so no queue overflows."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    while not stop.is_set():
        for _ in range(20):
            for out, burst in ways:
                for frame in burst:
                    send(out, frame)
        sent.value += 20


class Wires:
    """fw of the topology `router`, whose own kernels say nothing; client, server and fw send, nftables counts."""

    def __init__(self):
        self.bed = Testbed("router")
        for role in ("client", "fw", "server"):
            self.bed.check(role, "sysctl", "-q", "-w", "net.ipv6.conf.all.disable_ipv6=1")
            for link in json.loads(self.bed.check(role, "ip", "-json", "link")):
                if link["ifname"] != "lo":
                    self.bed.check(role, "ip", "address", "flush", "dev", link["ifname"])
                    self.bed.check(role, "ip", "link", "set", "dev", link["ifname"], "arp", "off")
        self.counters = {"in0": ("fw", "in0"), "out0": ("fw", "out0"), "egress": ("client", "eth0")}
        for way, (role, device) in self.counters.items():
            rules = "".join(f"add rule netdev {way} c udp sport {40000 + TAGS[way]} udp dport {port} counter; "
                            for port in (*PASS, *DROP, EITHER))
            chain = f"{{ type filter hook ingress device {device} priority 0; }}"
            self.bed.check(role, "nft", f"add table netdev {way}; add chain netdev {way} c {chain}; {rules}")
        self.ways = [(netns.packet_socket(self.bed.name(role), device), frames_to(netns.mac_of(self.bed.name(peer), seen), way))
                     for way, role, device, peer, seen in (("in0", "client", "eth0", "fw", "in0"),
                                                           ("out0", "server", "eth0", "fw", "out0"),
                                                           ("egress", "fw", "in0", "client", "eth0"))]

    def passed(self):
        """{way: {port: packets}}"""
        counted = {}
        for way, (role, _) in self.counters.items():
            shown = json.loads(self.bed.check(role, "nft", "-j", "list", "table", "netdev", way))
            rules = [entry["rule"]["expr"] for entry in shown["nftables"] if "rule" in entry]
            counted[way] = {}
            for expressions in rules:
                *_, port, counter = expressions
                counted[way][port["match"]["right"]] = counter["counter"]["packets"]
        return counted

    def judged(self):
        """{way: packets}, by the reasons of fwctl."""
        rows = self.bed.json("fw", "counters")["counters"]
        names = {("in0", "in"): "in0", ("out0", "in"): "out0", ("in0", "out"): "egress"}
        sums = dict.fromkeys(names.values(), 0)
        for row in rows:
            if (way := names.get((row["interface"], row["direction"]))) is not None:
                sums[way] += row["packets"]
        return sums

    def down(self):
        for out, _ in self.ways:
            out.close()
        self.bed.down()


@pytest.fixture
def wires():
    made = Wires()
    yield made
    made.down()


def test_a_thousand_applies_under_a_stream(wires, tmp_path):
    policies = [tmp_path / "a.toml", tmp_path / "b.toml"]
    policies[0].write_text(POLICY_A)
    policies[1].write_text(POLICY_B)

    def apply(path):
        subprocess.run([FWCTL, "apply", "--quiet", path, "--netns", wires.bed.name("fw")], check=True, capture_output=True, timeout=60)

    apply(policies[1])
    before = {name: rule["packets"] for name, rule in rules(wires).items()}
    assert wires.bed.status("fw", "in0")["hooks"]["xdp"]["mode"] == "generic"
    forked = multiprocessing.get_context("fork")
    stop, sent = forked.Event(), forked.Value("Q", 0)
    sender = forked.Process(target=keep_sending, args=(wires.ways, stop, sent), daemon=True)
    sender.start()
    try:
        until(lambda: sent.value > 0)
        for path in itertools.islice(itertools.cycle(policies), APPLIES):
            apply(path)
        held = sent.value
    finally:
        stop.set()
        sender.join(60)
    assert sender.exitcode == 0

    each = sent.value * len(SENDERS)  # packets of a kind on a way
    assert held > APPLIES, "more bursts than applies"
    everything = each * (len(PASS) + len(DROP) + 1)
    assert wires.judged() == dict.fromkeys(TAGS, everything), "each packet was judged once"
    for way, passed in wires.passed().items():
        assert {port: passed[port] for port in PASS} == dict.fromkeys(PASS, each), f"{way}: lost to a verdict"
        assert {port: passed[port] for port in DROP} == dict.fromkeys(DROP, 0), f"{way}: let in"
        assert 0.1 * each < passed[EITHER] < 0.9 * each, f"{way}: both policies have held"
    # A rule that is in both goes on counting.
    counted = {name: rule["packets"] - before[name] for name, rule in rules(wires).items() if name in ("kept", "counted")}
    assert counted == {"kept": 3 * each, "counted": 3 * everything}


def rules(wires):
    return {rule["name"]: rule for rule in wires.bed.json("fw", "rule", "list")["rules"]}
