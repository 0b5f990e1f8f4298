"""What nat and full-nat make of frames, there and back, byte by byte beside a slow reference.

    FWCTL_CASES=100000 FWCTL_SEED=7 pytest test_nat_frames.py      the long run

The reference rewrites the addresses and ports of scapy's packets and mends checksums by RFC 1624 (equation 3); where a packet
is whole and was right, it has to be right for scapy, too.
"""

import ipaddress
import random
import struct

import pytest
from scapy.all import ICMP, IP, TCP, UDP, ICMPv6DestUnreach, ICMPv6PacketTooBig, IPv6, Raw

from balance_frames import draw, transport, with_checksums
from test_balance_frames import (BACKENDS, CASES, CLIENT_MAC, SEED, TC_NEXT, TC_REDIRECT, US, XDP_PASS, XDP_TX, Balancer, link,
                                 mac_of_backend)

MODES = ["nat", "full-nat"]
PORTS = [None, 8080]
WAYS = [(mode, port) for mode in MODES for port in PORTS]
NAT_PORTS = range(16384, 32768)
TCP_NUMBER, UDP_NUMBER, SCTP_NUMBER = 6, 17, 132
CHECKSUM_AT = {TCP_NUMBER: 16, UDP_NUMBER: 6}


def vip(way, family):
    number = 50 + WAYS.index(way)
    return f"203.0.113.{number}" if family == 4 else f"2001:db8:10::{number}"


def services():
    text = ""
    for way in WAYS:
        mode, port = way
        kinds = ["tcp", "udp"] + ["sctp"] * (port is None)
        text += f'[vip.{mode}-{port or 0}]\naddress = ["{vip(way, 4)}", "{vip(way, 6)}"]\nservice = {kinds}\nforward = "{mode}"\n'
        for number in range(3):
            text += (f'[[vip.{mode}-{port or 0}.backend]]\nname = "w{number}"\naddress = ["{BACKENDS[4][number]}", '
                     f'"{BACKENDS[6][number]}"]\n' + f"port = {port}\n" * (port is not None))
    return text.replace("'", '"')


# --- the reference -------------------------------------------------------------------------------------------------------


def packed(address):
    return ipaddress.ip_address(address).packed


def mended(checksum, before, after):
    """HC' = ~(~HC + ~m + m')."""
    total = ~checksum & 0xFFFF
    for (old,), (new,) in zip(struct.iter_unpack("!H", before), struct.iter_unpack("!H", after)):
        total += (~old & 0xFFFF) + new
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def transport_at(family, packet):
    """Where the transport header begins, and whether it is there: not in a later fragment."""
    if family == 4:
        return (packet[0] & 15) * 4, not struct.unpack_from("!H", packet, 6)[0] & 0x1FFF
    at, following, here = 40, packet[6], True
    while following in (0, 43, 44, 51, 60):
        if following == 44 and struct.unpack_from("!H", packet, at + 2)[0] >> 3:
            here = False
        size = 8 if following == 44 else (packet[at + 1] + 2) * 4 if following == 51 else (packet[at + 1] + 1) * 8
        following, at = packet[at], at + size
    return at, here


def with_ends(family, packet, number, after, ttl_less=1, mends_transport=True):
    """The packet with other ends: (source, destination, source port, destination port)."""
    data = bytearray(packet)
    ends = slice(12, 20) if family == 4 else slice(8, 40)
    addresses = packed(after[0]) + packed(after[1])
    before = bytes(data[ends])
    data[ends] = addresses
    if family == 4:
        old = bytes(data[8:10])
        data[8] -= ttl_less
        checksum = mended(struct.unpack_from("!H", data, 10)[0], before + old, addresses + bytes(data[8:10]))
        struct.pack_into("!H", data, 10, checksum)
    else:
        data[7] -= ttl_less
    at, has_ports = transport_at(family, packet)
    if not has_ports:
        return bytes(data)
    old, new = bytes(data[at : at + 4]), struct.pack("!HH", after[2], after[3])
    data[at : at + 4] = new
    place = at + CHECKSUM_AT.get(number, 0)
    if number in CHECKSUM_AT and mends_transport:
        (checksum,) = struct.unpack_from("!H", data, place)
        if number == TCP_NUMBER or checksum:
            checksum = mended(checksum, before + old, addresses + new)
            struct.pack_into("!H", data, place, 0xFFFF if number == UDP_NUMBER and not checksum else checksum)
    return bytes(data)


def is_right(family, packet):
    """Whether scapy would send the same checksums; None: it cannot tell, as it is a part."""
    parsed = (IP if family == 4 else IPv6)(packet)
    layer = parsed.getlayer(TCP) or parsed.getlayer(UDP)
    if layer is None or family == 4 and (parsed.flags.MF or parsed.frag) or family == 6 and parsed.nh not in (6, 17):
        return None
    again = parsed.copy()
    del (again.getlayer(TCP) or again.getlayer(UDP)).chksum
    if family == 4:
        del again.chksum
    return bytes(again) == packet


# --- packets -------------------------------------------------------------------------------------------------------------


def lives(case):
    return case.packet[8 if case.family == 4 else 7] > 1


def cases_of(rng, count):
    drawn = []
    while len(drawn) < count:
        for way in WAYS:
            for family in (4, 6):
                cases = draw(rng, family, vip(way, family))
                if all(map(lives, cases)) and (way[1] is None or cases[0].flow[2] != SCTP_NUMBER):
                    drawn += [(way, case) for case in cases]
    return drawn


class Flow:
    """How a flow is translated, as its first packet has shown."""

    def __init__(self, way, case, frame):
        family = case.family
        at, has_ports = transport_at(family, frame[14:])
        assert has_ports
        ends = frame[26:34] if family == 4 else frame[22:54]
        middle = len(ends) // 2
        self.way, self.family, self.number = way, family, case.flow[2]
        self.client, self.vip = (case.flow[0], case.flow[3]), (case.flow[1], case.flow[4])
        source, destination = struct.unpack_from("!HH", frame, 14 + at)
        self.ours = (str(ipaddress.ip_address(ends[:middle])), source)
        self.backend = (str(ipaddress.ip_address(ends[middle:])), destination)

    def check(self):
        mode, port = self.way
        assert self.backend[0] in BACKENDS[self.family]
        assert self.backend[1] == (port or self.vip[1])
        if mode == "nat":
            assert self.ours == self.client
        else:
            assert self.ours[0] == US[self.family]
            assert self.ours[1] == self.client[1] if self.number == SCTP_NUMBER else self.ours[1] in NAT_PORTS

    def forth(self):
        return self.ours[0], self.backend[0], self.ours[1], self.backend[1]

    def back(self):
        return self.vip[0], self.client[0], self.vip[1], self.client[1]


def answer_of(rng, flow):
    """A packet of the backend, and as it comes to the client."""
    body, _ = transport(rng, rng.randrange(64))
    while {"TCP": 6, "UDP": 17, "SCTP": 132}[body.name] != flow.number:
        body, _ = transport(rng, rng.randrange(64))
    body.sport, body.dport = flow.backend[1], flow.ours[1]
    whole = with_checksums(flow.family, flow.backend[0], flow.ours[0], body)
    make = IP if flow.family == 4 else IPv6
    fields = {"ttl": rng.randrange(2, 256), "proto": flow.number} if flow.family == 4 else {"hlim": rng.randrange(2, 256), "nh": flow.number}
    packet = bytes(make(src=flow.backend[0], dst=flow.ours[0], **fields) / Raw(whole))
    return packet, with_ends(flow.family, packet, flow.number, flow.back())


def error_about(rng, flow, quoted_ends, quoted_after, sender, sender_after, receiver, receiver_after):
    """An ICMP error that quotes a packet with those ends, and as it is to be sent on."""
    body, _ = transport(rng, 8)
    while {"TCP": 6, "UDP": 17, "SCTP": 132}[body.name] != flow.number:
        body, _ = transport(rng, 8)
    body.sport, body.dport = quoted_ends[2], quoted_ends[3]
    whole = with_checksums(flow.family, quoted_ends[0], quoted_ends[1], body)
    if flow.family == 4:
        whole = whole[: rng.choice([8, len(whole)])]  # RFC 792 asks for 8 octets
        quoted = bytes(IP(src=quoted_ends[0], dst=quoted_ends[1], ttl=9, proto=flow.number) / Raw(whole))
        packet = bytes(IP(src=sender, dst=receiver, ttl=33) / ICMP(type=3, code=rng.choice([3, 4]), nexthopmtu=1400) / Raw(quoted))
    else:
        quoted = bytes(IPv6(src=quoted_ends[0], dst=quoted_ends[1], nh=flow.number) / Raw(whole))
        kind = rng.choice([ICMPv6DestUnreach(code=4), ICMPv6PacketTooBig(mtu=1400)])
        packet = bytes(IPv6(src=sender, dst=receiver, hlim=33) / kind / Raw(quoted))
    return packet, rebuilt(flow, packet, quoted, quoted_after, sender_after, receiver_after)


def rebuilt(flow, packet, quoted, quoted_after, sender, receiver):
    """The error as it is to be, with the quote as raw octets: scapy sums over them and mends nothing in them."""
    inside = Raw(with_ends(flow.family, quoted, flow.number, quoted_after, ttl_less=0, mends_transport=False))
    if flow.family == 4:
        return bytes(IP(src=sender, dst=receiver, ttl=32) / ICMP(type=3, code=IP(packet)[ICMP].code, nexthopmtu=1400) / inside)
    kind = type(IPv6(packet).payload)
    fields = {"mtu": 1400} if kind is ICMPv6PacketTooBig else {"code": 4}
    return bytes(IPv6(src=sender, dst=receiver, hlim=32) / kind(**fields) / inside)


# --- the tests -----------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["xdp", "tc-in"])
def balancer(request, tmp_path):
    made = Balancer(tmp_path, request.param)
    for family, network in ((4, "198.51.0.0/16"), (6, "2001:db8::/32")):
        gateway = BACKENDS[family][0][:-2] + "99"
        made.bed.check("b", "ip", "neigh", "replace", gateway, "lladdr", CLIENT_MAC, "dev", "eth0", "nud", "permanent")
        made.bed.check("b", "ip", "route", "add", network, "via", gateway, "dev", "eth0")
    made.apply(services())
    yield made
    made.bed.down()


def sent_on(balancer, results):
    action = XDP_TX if balancer.hook == "xdp" else TC_REDIRECT
    for what, (returned, frame) in results:
        assert returned == action, what
        yield what, frame


def flows_of(balancer, rng, count):
    """Sends packets of clients, compares what leaves, and answers the flows that began."""
    cases = cases_of(rng, count)
    cases += rng.sample([one for one in cases if one[1].flow[-1] == 0], len(cases) // 20)  # of a flow that was there
    frames = [link(balancer.mac, CLIENT_MAC, case.family) + case.packet + case.padding for _, case in cases]
    flows, right = {}, 0
    for (way, case), frame in sent_on(balancer, zip(cases, balancer.through(frames))):
        is_first = case.flow[-1] == 0
        if is_first:
            flow = flows.setdefault(case.flow, Flow(way, case, frame))
            flow.check()
        else:
            flow = flows[case.flow[:-1] + (0,)]
        expected = with_ends(case.family, case.packet, flow.number, flow.forth()) + case.padding
        assert frame[14:] == expected, (way, case.packet.hex(), frame.hex(), expected.hex())
        if balancer.hook == "xdp":
            assert frame[:14] == link(mac_of_backend(flow.backend[0]), balancer.mac, case.family)
        if is_first and is_right(case.family, case.packet):
            assert is_right(case.family, expected)
            right += 1
    assert right > len(cases) // 10
    ends = [(flow.number, flow.ours, flow.backend) for flow in flows.values()]
    assert len(set(ends)) == len(ends), "two flows have the same ends"
    for way in WAYS:
        assert {flow.backend[0] for flow in flows.values() if flow.way == way} == set(BACKENDS[4] + BACKENDS[6]), way
    return list(flows.values())


AT_ONCE = 20_000  # cases: the table of flows that nobody has answered holds all of them


def test_what_is_translated_there_and_back(balancer):
    rng = random.Random(SEED)
    for begun in range(0, CASES // 2, AT_ONCE):
        balancer.apply("")  # which empties the tables
        balancer.apply(services())
        there_and_back(balancer, rng, min(AT_ONCE, CASES // 2 - begun))


def there_and_back(balancer, rng, count):
    flows = flows_of(balancer, rng, count)
    answers = [answer_of(rng, flow) for flow in flows]
    frames = [link(balancer.mac, mac_of_backend(flow.backend[0]), flow.family) + packet for flow, (packet, _) in zip(flows, answers)]
    for (flow, (packet, expected)), frame in sent_on(balancer, zip(zip(flows, answers), balancer.through(frames))):
        assert frame[14:] == expected, (flow.way, packet.hex(), frame.hex(), expected.hex())
        if balancer.hook == "xdp":
            assert frame[:14] == link(CLIENT_MAC, balancer.mac, flow.family)
    some = rng.sample(flows, min(len(flows), 1000))
    told = []
    for flow in some:
        forth, back = flow.forth(), flow.back()
        router = "192.0.2.77" if flow.family == 4 else "2001:db8:77::1"
        by_client = rng.random() < 0.5
        sender = flow.client[0] if by_client else router
        told.append((flow, error_about(rng, flow, back, (forth[1], forth[0], forth[3], forth[2]), sender,
                                       flow.ours[0] if by_client else router, flow.vip[0], flow.backend[0])))
        by_backend = rng.random() < 0.5
        sender = flow.backend[0] if by_backend else router
        told.append((flow, error_about(rng, flow, forth, (back[1], back[0], back[3], back[2]), sender,
                                       flow.vip[0] if by_backend else router, flow.ours[0], flow.client[0])))
    frames = [link(balancer.mac, CLIENT_MAC, flow.family) + packet for flow, (packet, _) in told]
    for (flow, (packet, expected)), frame in sent_on(balancer, zip(told, balancer.through(frames))):
        assert frame[14:] == expected, (flow.way, packet.hex(), frame.hex(), expected.hex())
    print(f"{len(flows)} flows at {balancer.hook}")


def test_what_belongs_to_no_flow_is_not_touched(balancer):
    """What a backend sends from other ports, and to others; and answers, once the policy has no service."""
    rng = random.Random(SEED + 1)
    known = flows_of(balancer, rng, min(CASES // 2, AT_ONCE))
    balanced = {(flow.number, flow.backend, flow.ours) for flow in known}
    flows = rng.sample(known, 200)
    strangers = []
    for flow in flows:
        for change in ("backend", "ours"):
            kept = getattr(flow, change)
            setattr(flow, change, (kept[0], (kept[1] + 1) % 65536))
            if (flow.number, flow.backend, flow.ours) not in balanced:
                strangers.append((flow.family, answer_of(rng, flow)[0]))
            setattr(flow, change, kept)
    assert len(strangers) > 300
    frames = [link(balancer.mac, CLIENT_MAC, family) + packet for family, packet in strangers]
    passes = XDP_PASS if balancer.hook == "xdp" else TC_NEXT
    for (family, packet), (returned, frame) in zip(strangers, balancer.through(frames)):
        assert (returned, frame[14:]) == (passes, packet)
    balancer.apply("")
    answers = [(flow, answer_of(rng, flow)[0]) for flow in flows]
    frames = [link(balancer.mac, CLIENT_MAC, flow.family) + packet for flow, packet in answers]
    for (_, packet), (returned, frame) in zip(answers, balancer.through(frames)):
        assert (returned, frame[14:]) == (passes, packet)
