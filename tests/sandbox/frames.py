"""What scapy does not do by itself when frames are built."""

from scapy.all import (AH, GRE, ICMP, IP, SCTP, TCP, UDP, ICMPv6EchoRequest, ICMPv6ND_NS, IPv6, IPv6ExtHdrDestOpt,
                       IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting)

NUMBERS = {IPv6ExtHdrHopByHop: 0, ICMP: 1, IP: 4, TCP: 6, UDP: 17, IPv6: 41, IPv6ExtHdrRouting: 43,
           IPv6ExtHdrFragment: 44, GRE: 47, AH: 51, ICMPv6EchoRequest: 58, ICMPv6ND_NS: 58, IPv6ExtHdrDestOpt: 60,
           SCTP: 132}


def authentication(**fields):
    """AH of 24 bytes, as with HMAC-SHA1-96; its length is counted in words without the first two."""
    return AH(payloadlen=4, icv=bytes(12), **fields)


def ipv6_chain(packet, headers, payload, number=None):
    """IPv6, these extension headers, the payload: with all next-header numbers; scapy knows some pairs alone."""
    last = NUMBERS[type(payload)] if number is None else number
    numbers = [NUMBERS[type(header)] for header in headers] + [last]
    packet.nh = numbers[0]
    for header, following in zip(headers, numbers[1:]):
        header.nh = following
        packet /= header
    return packet / payload
