"""Frames for a balancer, and what is to leave it, as scapy makes them.

A Case is one packet of a client to a service. Its inner packet is scapy's, with whatever a balancer must not touch: options,
extension headers, wrong checksums, padding. outer() puts in front of it what scapy makes of the outer headers.
"""

import struct

from scapy.all import (IP, SCTP, TCP, UDP, IPOption_NOP, IPOption_RR, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment,
                       IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, PadN, Raw, SCTPChunkData)

from frames import authentication, ipv6_chain

GUE_PORT = 6080
LONGEST = 1448  # that fits into 1,500 bytes with IPv6, UDP and GUE in front
OUTER = {("ipip", 4): 20, ("ipip", 6): 40, ("gue", 4): 32, ("gue", 6): 52, ("l2-dsr", 4): 0, ("l2-dsr", 6): 0}


class Case:
    """One packet: `packet` from layer 3 on, `padding` behind its end, `flow` what tells flows apart."""

    def __init__(self, family, packet, padding, traffic_class, flow):
        self.family = family
        self.packet = packet
        self.padding = padding
        self.traffic_class = traffic_class
        self.flow = flow


def transport(rng, size):
    """TCP, UDP or SCTP with a payload of so many bytes, and what tells its flow apart."""
    source, destination = rng.randrange(65536), rng.randrange(65536)
    payload = Raw(rng.randbytes(size))
    kind = rng.choice(["tcp", "tcp", "udp", "sctp"])
    wrong = {"chksum": rng.randrange(65536)} if rng.random() < 0.2 else {}
    if kind == "udp":
        return UDP(sport=source, dport=destination, **wrong) / payload, (17, source, destination)
    if kind == "sctp":
        wrong = {"chksum": rng.randrange(1 << 32)} if wrong else {}
        chunk = SCTPChunkData(data=payload.load) if size else Raw(b"")
        return SCTP(sport=source, dport=destination, tag=rng.randrange(1 << 32), **wrong) / chunk, (132, source, destination)
    options = rng.choice([[], [], [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (7, 0)), ("NOP", None), ("WScale", 7)],
                          [("NOP", None), ("NOP", None), ("Timestamp", (rng.randrange(1 << 32), 9))]])
    flags = rng.choice(["S", "A", "PA", "FA", "R", "SEC", "A", rng.randrange(256)])
    segment = TCP(sport=source, dport=destination, seq=rng.randrange(1 << 32), ack=rng.randrange(1 << 32), flags=flags,
                  window=rng.randrange(65536), options=options, **wrong)
    return segment / payload, (6, source, destination)


def ipv4_packets(rng, source, destination, body, protocol, traffic_class):
    """The packet, or its first fragment and the one behind it."""
    options = rng.choice([[], [], [], [IPOption_NOP()] * rng.randrange(1, 9), [IPOption_RR(length=7, routers=["0.0.0.0"])]])
    fields = dict(src=source, dst=destination, tos=traffic_class, ttl=rng.randrange(1, 256), id=rng.randrange(65536),
                  options=options)
    if rng.random() < 0.1:
        fields["chksum"] = rng.randrange(65536)  # not the balancer's to judge
    whole = bytes(body)
    if len(whole) >= 64 and rng.random() < 0.1:
        cut = rng.randrange(5, len(whole) // 8 + 1) * 8
        first = IP(flags="MF", proto=protocol, **fields) / Raw(whole[:cut])
        return [first, IP(frag=cut // 8, proto=protocol, **fields) / Raw(whole[cut:])] if whole[cut:] else [first]
    return [IP(flags=rng.choice(["DF", 0]), proto=protocol, **fields) / Raw(whole)]


def extensions(rng):
    """An order that RFC 8200 allows."""
    chain = [IPv6ExtHdrHopByHop(options=[PadN(optdata=bytes(rng.choice([4, 12])))])] if rng.random() < 0.3 else []
    if rng.random() < 0.3:
        chain.append(IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(4))]))
    if rng.random() < 0.2:
        chain.append(IPv6ExtHdrRouting(addresses=["2001:db8:5::5"]))
    if rng.random() < 0.2:
        chain.append(authentication())
    return chain


def ipv6_packets(rng, source, destination, body, protocol, traffic_class):
    outer = IPv6(src=source, dst=destination, tc=traffic_class, fl=rng.randrange(1 << 20), hlim=rng.randrange(1, 256))
    chain = extensions(rng) if rng.random() < 0.4 else []
    whole = bytes(body)
    kind = rng.random()
    if len(whole) >= 64 and kind < 0.1:
        cut, number = rng.randrange(5, len(whole) // 8 + 1) * 8, rng.randrange(1 << 32)
        chain = [header for header in chain if not header.name.startswith("AH")]
        parts = [(0, 1, whole[:cut]), (cut // 8, 0, whole[cut:])]
        return [ipv6_chain(outer.copy(), [header.copy() for header in chain] + [IPv6ExtHdrFragment(offset=at, m=more, id=number)],
                           Raw(part), protocol) for at, more, part in parts if part]
    if kind < 0.15:
        chain.append(IPv6ExtHdrFragment(id=rng.randrange(1 << 32)))  # an atomic one
    return [ipv6_chain(outer, chain, Raw(whole), protocol)]


def with_checksums(family, source, destination, body):
    """The transport's bytes: scapy sums over addresses that it has to be told."""
    if family == 4:
        return stacked(IP(src=source, dst=destination), body)[20:]
    return stacked(IPv6(src=source, dst=destination), body)[40:]


def draw(rng, family, destination):
    """The cases of one packet."""
    source = f"198.51.{rng.randrange(256)}.{rng.randrange(1, 255)}" if family == 4 else f"2001:db8:{rng.randrange(1, 65536):x}::7"
    size = rng.choice([0, 1, 2, 3, 5, 6, 7, rng.randrange(64), rng.randrange(1401), 1400])
    traffic_class = rng.choice([0, 1, 2, 3, 0xB8, 0xBA, 0xFF, rng.randrange(256)])
    body, flow = transport(rng, size)
    whole = with_checksums(family, source, destination, body)
    packets = ipv4_packets if family == 4 else ipv6_packets
    made = [bytes(packet) for packet in packets(rng, source, destination, Raw(whole), flow[0], traffic_class)]
    cases = []
    for number, packet in enumerate(made):
        if len(packet) > LONGEST:
            return draw(rng, family, destination)
        padding = b""
        if len(packet) < 46 and rng.random() < 0.8:
            padding = bytes(46 - len(packet)) if rng.random() < 0.8 else rng.randbytes(46 - len(packet))
        cases.append(Case(family, packet, padding, traffic_class, (source, destination, *flow, number)))
    return cases


def stacked(*layers):
    """The layers' bytes. Each has one value in each field, so that scapy need not look for several: a third of the time."""
    for above, below in zip(layers, layers[1:]):
        above.add_payload(below)
    for layer in layers:
        layer.explicit = 1
    return bytes(layers[0])


def outer(mode, us, backend, case, mark):
    """The outer headers and the packet; `mark` is the flow label and the source port."""
    is_ipv4 = ":" not in backend
    carried = 4 if case.family == 4 else 41
    inside = [Raw(case.packet)]
    if mode == "gue":
        inside = [UDP(sport=mark[1], dport=GUE_PORT, chksum=0), Raw(bytes([0, carried, 0, 0]) + case.packet)]
    number = 17 if mode == "gue" else carried
    if is_ipv4:
        return stacked(IP(src=us, dst=backend, tos=case.traffic_class, ttl=64, id=0, flags="DF", proto=number), *inside)
    return stacked(IPv6(src=us, dst=backend, tc=case.traffic_class, fl=mark[0], hlim=64, nh=number), *inside)


def write_frames(path, frames):
    with open(path, "wb") as file:
        file.write(struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for frame in frames:
            file.write(struct.pack("=IIII", 0, 0, len(frame), len(frame)))
            file.write(frame)


def read_results(path):
    """[(what the program returned, the frame)], as the tool `through` writes them."""
    data = path.read_bytes()
    results, at = [], 24
    while at < len(data):
        action, _, size, _ = struct.unpack_from("=iIII", data, at)
        results.append((action, data[at + 16 : at + 16 + size]))
        at += 16 + size
    return results
