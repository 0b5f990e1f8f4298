"""Nothing is lost silently: what comes in and what goes out is counted under one reason each, in packets and in bytes.

Thousands of frames of every kind, whole, cut short and spoiled, are sent over a cable on which nobody else talks.
"""

import logging
import random

import pytest
from scapy.all import (ARP, GRE, ICMP, IP, LLC, SCTP, SNAP, TCP, UDP, VXLAN, Dot1AD, Dot1Q, Ether,
                       ICMPv6EchoRequest, ICMPv6ND_NS, IPOption_NOP, IPOption_RR, IPv6, IPv6ExtHdrDestOpt,
                       IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, Raw)

from cable import ATTACH, QuietCable, total
from frames import authentication, ipv6_chain

logging.getLogger("scapy.runtime").setLevel(logging.ERROR)  # some checksums are meant to be missing

SEED = 2
FRAMES = 6000

SHORTEST, LONGEST = 14, 1514  # what a packet socket takes on this cable
VLAN_TAG = 4
TAGGED = 14 + VLAN_TAG

RULES = ["deny udp/9", "deny icmp", "allow tcp/80 from 10.9.0.0/24", "deny tcp/1-1023", "deny gre in", "deny sctp out",
         "deny udp/50-60 from fd00:9::/64", "allow any to 10.9.0.128/25"]


# --- the frames ----------------------------------------------------------------------------------


def payloads(rng):
    def ports():
        return {"sport": rng.choice([9, 40000]), "dport": rng.choice([9, 22, 55, 80, 4789, 50000])}

    return [
        UDP(**ports()) / Raw(rng.randbytes(rng.randrange(600))),
        TCP(**ports(), flags=rng.choice(["S", "SA", "R", "FPU", ""])) / Raw(rng.randbytes(rng.randrange(600))),
        TCP(**ports(), options=[("MSS", 1460), ("NOP", None), ("WScale", 7)]),
        SCTP(**ports()),
        ICMP(type=rng.choice([0, 3, 8, 11]), code=rng.choice([0, 4])) / Raw(rng.randbytes(rng.randrange(40))),
        ICMPv6EchoRequest(),
        ICMPv6ND_NS(),
        GRE() / IP(src="10.8.0.1", dst="10.8.0.2") / UDP(dport=9),
        UDP(dport=4789) / VXLAN() / Ether(dst="ff:ff:ff:ff:ff:ff") / IP() / UDP(dport=9),
        IP(src="10.8.0.1", dst="10.8.0.2") / UDP(dport=9),
        Raw(rng.randbytes(rng.randrange(64))),
    ]


def some_protocol(rng):
    """With a payload that is often too short for it."""
    return rng.choice([1, 6, 17, 58, 132, rng.randrange(256)])


def ipv4(rng, payload):
    options = rng.choice([[], [], [IPOption_NOP()] * 4, [IPOption_RR(length=11, routers=["0.0.0.0"] * 2)]])
    fragment = rng.choice([{}, {}, {"flags": "MF"}, {"frag": rng.choice([1, 2, 100])}])
    numbers = {"proto": some_protocol(rng)} if isinstance(payload, Raw) else {}
    return IP(src=f"10.9.0.{rng.choice([1, 77, 200])}", dst=f"10.9.0.{rng.choice([2, 177, 255])}", options=options,
              ttl=rng.randrange(256), tos=rng.randrange(256), **fragment, **numbers) / payload


def ipv6(rng, payload):
    packet = IPv6(src=rng.choice(["fd00:9::1", "fd00:99::1"]), dst=rng.choice(["fd00:9::2", "ff02::1"]))
    headers = [IPv6ExtHdrHopByHop()] if rng.randrange(4) == 0 else []
    for _ in range(rng.choice([0, 0, 1, 2, 3, 7, 9, 10, 11, 14])):
        kinds = [IPv6ExtHdrDestOpt, IPv6ExtHdrRouting, authentication, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop]
        header = rng.choices(kinds, weights=[8, 8, 8, 2, 1])[0]()
        if isinstance(header, IPv6ExtHdrFragment):
            header.offset, header.m = rng.choice([0, 0, 1, 99]), rng.randrange(2)
        headers.append(header)
    return ipv6_chain(packet, headers, payload, some_protocol(rng) if isinstance(payload, Raw) else None)


def whole_frame(rng):
    receiver = rng.choice(["02:00:00:00:00:02", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:fb"])
    ethernet = Ether(src="02:00:00:00:00:01", dst=receiver)
    for _ in range(rng.choice([0, 0, 0, 1, 2, 3])):
        ethernet /= rng.choice([Dot1Q, Dot1AD])(vlan=rng.randrange(4096), prio=rng.randrange(8))
    kind = rng.randrange(10)
    if kind == 0:
        return ethernet / rng.choice([ARP(pdst="10.9.0.2"), LLC() / SNAP() / Raw(b"snap"), Raw(rng.randbytes(50))])
    build = ipv4 if kind < 6 else ipv6
    return ethernet / build(rng, rng.choice(payloads(rng)))


def spoil(rng, frame):
    """As it is, cut short, with wrong bytes in the headers, with bytes behind it, or nothing but noise."""
    frame = bytearray(frame[:LONGEST])
    how = rng.randrange(8)
    if how == 0:
        del frame[rng.randrange(SHORTEST, max(len(frame), SHORTEST + 1)):]
    elif how == 1:
        del frame[rng.randrange(SHORTEST, 60):]
    elif how in (2, 3):
        for _ in range(rng.randrange(1, 5)):
            place = rng.randrange(12, min(len(frame), 80)) if len(frame) > 12 else 0
            frame[place] = rng.randrange(256)
    elif how == 4:
        frame += rng.randbytes(rng.randrange(LONGEST - len(frame) + 1))
    elif how == 5 and rng.randrange(4) == 0:
        frame = bytearray(rng.randbytes(rng.randrange(SHORTEST, LONGEST)))
    return bytes(frame.ljust(SHORTEST, b"\0"))


@pytest.fixture(scope="module")
def frames():
    rng = random.Random(SEED)
    whole = [bytes(whole_frame(rng)) for _ in range(1200)]
    spoiled = [spoil(rng, rng.choice(whole)) for _ in range(FRAMES)]
    # A tag that is whole and has nothing behind it: fwctl lets it in by XDP, and the kernel drops it a little later.
    return [frame for frame in spoiled if reaches_tc_ingress(frame) or len(frame) < TAGGED]


def is_tagged(frame):
    return frame[12:14] in (b"\x81\x00", b"\x88\xa8")


def reaches_tc_ingress(frame):
    """The kernel takes the outer VLAN tag off before, and itself drops what is too short for that."""
    return not is_tagged(frame) or len(frame) >= TAGGED + 2


def as_seen_by_tc_ingress(frame):
    return frame[:12] + frame[12 + VLAN_TAG :] if is_tagged(frame) else frame


# --- the cable -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cable():
    made = QuietCable()
    try:
        yield made
    finally:
        made.down()


@pytest.fixture(params=ATTACH)
def mode(request, cable):
    cable.bed.fwctl("b", *ATTACH[request.param])
    try:
        for rule in RULES:
            cable.bed.fwctl("b", *rule.split())
        yield request.param
    finally:
        cable.bed.fwctl("b", "detach", "--all")


# --- the tests -----------------------------------------------------------------------------------


def assert_all_counted(cable, frames, direction):
    counted = cable.counted(direction)
    size = sum(map(len, frames))
    assert total(counted) == (len(frames), size), f"seed {SEED}: {counted}"
    # A rule, built-in or live, decided all but what the default did: no other direction was used.
    packets, size_by_default = counted["default-allow"]
    assert total(cable.counted_by_rules()) == (len(frames) - packets, size - size_by_default), f"seed {SEED}: {counted}"
    # The frames were of every kind. A packet socket sends none that ends within its Ethernet header; the default allows.
    # Nothing is answered or sent on, and there are no services: test_reject.py, test_forward.py and test_balance.py count that.
    unused = [reason for reason, (packets, _) in counted.items() if packets == 0]
    assert unused[:2] == ["truncated-ethernet", "default-deny"]
    assert unused[2:] == ["rule-reject", "reject-silent", "reject-limited", "rule-redirect", "redirect-kernel", "redirect-failed",
                          "forwarded", "own-answer", "rule-synproxy", "syn-cookie", "cookie-accepted", "cookie-invalid",
                          "synproxy-failed", "balanced", "no-backend", "balance-too-long", "balance-failed", "backend-down",
                          "echo-answered", "health-check"]


def test_all_that_comes_in_is_counted(cable, mode, frames):
    seen = frames
    if mode == "tc":
        frames = list(filter(reaches_tc_ingress, frames))
        seen = list(map(as_seen_by_tc_ingress, frames))
    let_in = cable.let_in()
    cable.send_all("a", frames, "in")
    assert_all_counted(cable, seen, "in")
    counted = cable.counted("in")
    assert cable.let_in() - let_in == counted["default-allow"][0] + counted["rule-allow"][0]
    assert total(cable.counted("out")) == (0, 0)


def test_all_that_goes_out_is_counted(cable, mode, frames):
    cable.send_all("b", frames, "out")
    assert_all_counted(cable, frames, "out")
    assert total(cable.counted("in")) == (0, 0)
