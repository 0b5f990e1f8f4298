"""A cable on which nobody talks but the test, with fwctl at the end b."""

import errno
import json
import os

import pytest
from scapy.all import IP, UDP, Ether

import netns
from conftest import Testbed, until

ATTACH = {
    "native": ["attach", "eth0", "--mode", "native"],
    "generic": ["attach", "eth0", "--mode", "generic"],
    "tc": ["attach", "eth0", "--hook", "tc-in,tc-out"],
}

BATCH = 200  # less than the queue of a veth holds

# nftables' ingress hook comes behind XDP and TC ingress: it counts what fwctl let in, whatever the stack does with it.
BEHIND_FWCTL = "add table netdev t; add chain netdev t behind { type filter hook ingress device eth0 priority 0; }; " \
               "add rule netdev t behind counter"


class QuietCable:
    """The topology `pair`; the kernels of a and b say nothing of their own accord and answer nothing."""

    def __init__(self):
        self.bed = Testbed("pair")
        for role in ("a", "b"):
            self.bed.check(role, "sysctl", "-q", "-w", "net.ipv6.conf.all.disable_ipv6=1")
            self.bed.check(role, "ip", "address", "flush", "dev", "eth0")
            self.bed.check(role, "ip", "link", "set", "dev", "eth0", "arp", "off")
        self.bed.check("b", "ethtool", "-K", "eth0", "gro", "off")
        self.bed.check("b", "nft", BEHIND_FWCTL)
        self.mac = netns.mac_of(self.bed.name("b"), "eth0")
        self.cpus = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {max(self.cpus)})  # so that a sender does not run away from the receiver

    def udp(self, port, size=0, *, sender="10.9.0.1"):
        """A frame from a to b, with so many octets of data."""
        return bytes(Ether(src="02:00:00:00:00:01", dst=self.mac) / IP(src=sender, dst="10.9.0.2") /
                     UDP(sport=40000, dport=port) / bytes(size))

    def counted(self, direction):
        """{reason: (packets, bytes)} of b's eth0."""
        rows = self.bed.json("b", "counters", "eth0")["counters"]
        return {row["reason"]: (row["packets"], row["bytes"]) for row in rows if row["direction"] == direction}

    def counted_by_rules(self):
        """{rule: (packets, bytes)}, both directions together."""
        return {rule["name"]: (rule["packets"], rule["bytes"]) for rule in self.bed.json("b", "counters")["rules"]}

    def let_in(self):
        """How many frames have come past fwctl since the cable was made."""
        shown = json.loads(self.bed.check("b", "nft", "-j", "list", "table", "netdev", "t"))["nftables"]
        (rule,) = [entry["rule"] for entry in shown if "rule" in entry]
        return rule["expr"][0]["counter"]["packets"]

    def send_all(self, sender, frames, direction):
        """Sends batch by batch, waiting until each is counted: a queue that overflowed would lose some before fwctl."""
        packets = total(self.counted(direction))[0]
        with netns.packet_socket(self.bed.name(sender), "eth0") as out:
            for start in range(0, len(frames), BATCH):
                batch = frames[start : start + BATCH]
                for frame in batch:
                    send(out, frame)
                packets += len(batch)
                until(lambda: total(self.counted(direction))[0] >= packets)

    def down(self):
        os.sched_setaffinity(0, self.cpus)
        self.bed.down()


def send(out, frame):
    try:
        out.send(frame)
    except OSError as error:
        if error.errno != errno.ENOBUFS:  # dropped by TC egress
            raise


def total(counted):
    return sum(packets for packets, _ in counted.values()), sum(size for _, size in counted.values())


@pytest.fixture
def cable():
    made = QuietCable()
    yield made
    made.down()
