"""What attackers try: a policy that denies UDP to port 9, and every way around it that other filters have let pass.

The cases below are the table in docs/evasion.md. Each is sent as one raw frame, to native XDP, generic XDP and TC, and
must count under exactly one reason and one rule. What is let in must arrive behind the filter, what is dropped not.
"""

import dataclasses
import pathlib
from collections.abc import Callable

import pytest
from scapy.all import (GRE, IP, UDP, VXLAN, Dot1AD, Dot1Q, Ether, IPOption_NOP, IPOption_RR, IPv6, IPv6ExtHdrDestOpt,
                       IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, Raw)

import netns
from cable import ATTACH, QuietCable
from conftest import until
from frames import authentication, ipv6_chain

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "evasion.md"


# --- parts of frames -----------------------------------------------------------------------------


def to_port(number):
    return UDP(sport=40000, dport=number) / Raw(b"sixteen bytes ok")


def ip(family, payload, **fields):
    if family == 4:
        return IP(src="10.9.0.1", dst="10.9.0.2", **fields) / payload
    return ipv6_chain(an_ipv6(), [], payload, number=fields.get("proto"))


def an_ipv6(**fields):
    return IPv6(src="fd00:9::1", dst="fd00:9::2", **fields)


def behind(*headers):
    """The denied packet behind these extension headers of IPv6."""
    return lambda _: ipv6_chain(an_ipv6(), [header.copy() for header in headers], to_port(9))


def plain(family):
    return ip(family, to_port(9))


def tagged(*tags):
    def frame(family):
        stack = tags[0]()
        for tag in tags[1:]:
            stack /= tag()
        return stack / plain(family)

    return frame


def ipv4_with(**fields):
    return lambda _: ip(4, to_port(9), **fields)


def fragment(offset, more, payload, number=None):
    """Of IPv4 or IPv6, at an offset in units of 8 bytes; number: of the protocol, where the payload does not say it."""
    def frame(family):
        if family == 4:
            flags = "MF" if more else 0
            return IP(src="10.9.0.1", dst="10.9.0.2", id=7, frag=offset, flags=flags, proto=number or 17) / payload
        header = IPv6ExtHdrFragment(offset=offset, m=int(more), id=7)
        return ipv6_chain(an_ipv6(), [header], payload, number or 17)

    return frame


def cut_to(layer_4_bytes):
    """The header says that the packet ends there; the rest follows all the same."""
    def frame(family):
        if family == 4:
            return ip(4, to_port(9), len=20 + layer_4_bytes)
        packet = ip(6, to_port(9))
        packet.plen = layer_4_bytes
        return packet

    return frame


def inside(*outer, number):
    """The denied packet within a tunnel."""
    def frame(family):
        payload = plain(4)
        for header in reversed(outer):
            payload = header.copy() / payload
        return ip(family, payload, proto=number)

    return frame


def six_in_ip(family):
    return ip(family, plain(6), proto=41)


def wrong_udp(**fields):
    return lambda family: ip(family, UDP(sport=40000, dport=9, **fields) / Raw(b"sixteen bytes ok"), proto=17)


HOP, DESTINATION, ROUTING, ATOMIC = IPv6ExtHdrHopByHop(), IPv6ExtHdrDestOpt(), IPv6ExtHdrRouting(), IPv6ExtHdrFragment()
FIRST = IPv6ExtHdrFragment(m=1, id=7)
RECORD_ROUTE = IPOption_RR(length=39, routers=["0.0.0.0"] * 9)
FOUR_BYTES_OF_UDP, THE_REST_OF_TCP = Raw(b"\x9c\x40\x00\x09"), Raw(bytes(32))
VXLAN_OUTER = [UDP(sport=40000, dport=4789), VXLAN(vni=1), Ether(src="02:00:00:00:00:03", dst="02:00:00:00:00:04")]


# --- the cases -----------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Dropped:
    reason: str = "rule-deny"
    rule: str = "deny-udp/9"


@dataclasses.dataclass(frozen=True)
class Passes:
    denied_by: str = ""  # the words behind `fwctl deny` that stop it


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    frame: Callable  # of the family, all that is behind Ethernet's addresses
    outcome: Dropped | Passes
    families: tuple = (4, 6)


BOTH, IPV4, IPV6 = (4, 6), (4,), (6,)
MALFORMED = "malformed"

CASES = [
    Case("nothing: plain UDP to port 9", plain, Dropped()),
    Case("another port, which is not denied", lambda family: ip(family, to_port(10)), Passes("udp/10")),
    Case("one VLAN tag, 802.1Q", tagged(Dot1Q), Dropped()),
    Case("one VLAN tag, 802.1ad", tagged(Dot1AD), Dropped()),
    Case("two VLAN tags, 802.1ad and 802.1Q", tagged(Dot1AD, Dot1Q), Dropped()),
    Case("two VLAN tags, 802.1Q twice", tagged(Dot1Q, Dot1Q), Dropped()),
    Case("three VLAN tags", tagged(Dot1AD, Dot1Q, Dot1Q), Dropped("vlan-depth", "vlan-depth")),
    Case("four bytes of IPv4 options", ipv4_with(options=[IPOption_NOP()] * 4), Dropped(), IPV4),
    Case("40 bytes of IPv4 options", ipv4_with(options=[RECORD_ROUTE]), Dropped(), IPV4),
    Case("hop-by-hop options", behind(HOP), Dropped(), IPV6),
    Case("destination options", behind(DESTINATION), Dropped(), IPV6),
    Case("a routing header", behind(ROUTING), Dropped(), IPV6),
    Case("AH, IPv6", behind(authentication()), Dropped(), IPV6),
    Case("an atomic fragment", behind(ATOMIC), Dropped(), IPV6),
    Case("two fragment headers, first and atomic", behind(FIRST, ATOMIC), Dropped(), IPV6),
    Case("seven extension headers", behind(HOP, DESTINATION, ROUTING, *[DESTINATION] * 4), Dropped(), IPV6),
    Case("ten extension headers", behind(HOP, *[DESTINATION] * 8, ATOMIC), Dropped(), IPV6),
    Case("eleven extension headers", behind(HOP, *[DESTINATION] * 10), Dropped("header-chain", "header-chain"), IPV6),
    Case("hop-by-hop options, not first", behind(DESTINATION, HOP), Dropped("malformed-ipv6", MALFORMED), IPV6),
    Case("an extension header longer than the packet", behind(IPv6ExtHdrDestOpt(len=200)),
         Dropped("truncated-extension", MALFORMED), IPV6),
    Case("a first fragment", fragment(0, True, to_port(9)), Dropped()),
    Case("a first fragment of 4 bytes", fragment(0, True, FOUR_BYTES_OF_UDP), Dropped("truncated-l4", MALFORMED)),
    Case("a later fragment whose payload looks like the port", fragment(1, True, to_port(9)), Passes("udp")),
    Case("the last fragment, alike", fragment(100, False, to_port(9)), Passes("udp")),
    Case("a TCP fragment at offset 8", fragment(1, False, THE_REST_OF_TCP, number=6),
         Dropped("tiny-fragment", MALFORMED)),
    Case("a TCP fragment at offset 16", fragment(2, False, THE_REST_OF_TCP, number=6), Passes("tcp")),
    Case("IP says 4 bytes of UDP, more follow", cut_to(4), Dropped("truncated-l4", MALFORMED)),
    Case("IP says more than the frame holds, IPv4", ipv4_with(len=200), Dropped("truncated-ipv4", MALFORMED), IPV4),
    Case("IP says more than the frame holds, IPv6", lambda _: an_ipv6(plen=200, nh=17) / to_port(9),
         Dropped("truncated-ipv6", MALFORMED), IPV6),
    Case("an IPv4 header of 16 bytes", ipv4_with(ihl=4), Dropped("malformed-ipv4", MALFORMED), IPV4),
    Case("version 5", ipv4_with(version=5), Dropped("malformed-ipv4", MALFORMED), IPV4),
    Case("wrong checksums", wrong_udp(chksum=0x1234), Dropped()),
    Case("UDP says that it has no payload", wrong_udp(len=8), Dropped()),
    Case("AH, IPv4", lambda _: ip(4, authentication(nh=17) / to_port(9), proto=51), Passes("ah"), IPV4),
    Case("inside GRE", inside(GRE(), number=47), Passes("gre")),
    Case("inside IP (IPIP, 4in6)", inside(number=4), Passes("4")),
    Case("inside IPv6 (6in4, 6in6)", six_in_ip, Passes("41")),
    Case("inside VXLAN", inside(*VXLAN_OUTER, number=17), Passes("udp/4789")),
]


# --- the page ------------------------------------------------------------------------------------


def what_fwctl_does(outcome):
    if isinstance(outcome, Passes):
        return "passes", f"`fwctl deny {outcome.denied_by}`"
    if outcome.rule == "deny-udp/9":
        return f"drops: `{outcome.reason}`", "the rule itself"
    return f"drops: `{outcome.reason}`", f"none: built-in `{outcome.rule}`"


def rendered_cases():
    """The cases as a table in Markdown."""
    rows = [("attempt", "IP", "what fwctl does", "which rule changes it"), ("---", "---", "---", "---")]
    rows += [(case.name, "v4, v6" if case.families == BOTH else f"v{case.families[0]}", *what_fwctl_does(case.outcome))
             for case in CASES]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def test_the_page_holds_these_cases():
    page = PAGE.read_text()
    table = page[page.index("| attempt |") : page.rindex("|\n") + 2]
    assert table == rendered_cases()


# --- the wire ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cable():
    made = QuietCable()
    try:
        yield made
    finally:
        made.down()


@pytest.fixture(scope="module", params=ATTACH)
def filtering(request, cable):
    """b denies UDP to port 9, in one of the modes."""
    cable.bed.fwctl("b", *ATTACH[request.param])
    try:
        cable.bed.fwctl("b", "deny", "udp/9")
        with netns.packet_socket(cable.bed.name("a"), "eth0") as out:
            yield Filtering(cable, out)
    finally:
        cable.bed.fwctl("b", "detach", "--all")


class Filtering:
    def __init__(self, cable, out):
        self.cable = cable
        self.out = out

    def packets(self):
        by_reason = {reason: packets for reason, (packets, _) in self.cable.counted("in").items()}
        by_rule = {rule: packets for rule, (packets, _) in self.cable.counted_by_rules().items()}
        return by_reason, by_rule, self.cable.let_in()

    def what_happens_to(self, frame):
        """One frame: [the reasons] and [the rules] under which it was counted, and how many frames were let in."""
        before = self.packets()
        self.out.send(bytes(frame))
        until(lambda: sum(self.packets()[0].values()) > sum(before[0].values()), bound=10)
        after = self.packets()
        return grown(before[0], after[0]), grown(before[1], after[1]), after[2] - before[2]


def grown(before, after):
    """Names whose count has grown, as often as it has."""
    return [name for name in after for _ in range(after[name] - before.get(name, 0))]


def frame_of(case, family, cable):
    ethernet = Ether(src="02:00:00:00:00:01", dst=cable.mac) / case.frame(family)
    return bytes(ethernet).ljust(60, b"\0")  # as a card would send it


EACH = pytest.mark.parametrize(("case", "family"), [
    pytest.param(case, family, id=f"{case.name}-v{family}") for case in CASES for family in case.families])


@EACH
def test_attempt(filtering, case, family):
    seen = filtering.what_happens_to(frame_of(case, family, filtering.cable))
    if isinstance(case.outcome, Dropped):
        assert seen == ([case.outcome.reason], [case.outcome.rule], 0)
    else:
        assert seen == (["default-allow"], [], 1)


DENIABLE = [case for case in CASES if isinstance(case.outcome, Passes)]


@pytest.mark.parametrize(("case", "family"), [
    pytest.param(case, family, id=f"{case.name}-v{family}") for case in DENIABLE for family in case.families])
def test_what_passes_is_denied_by_the_rule_in_the_table(filtering, case, family):
    bed = filtering.cable.bed
    rule = bed.json("b", "deny", *case.outcome.denied_by.split())["rule"]
    try:
        seen = filtering.what_happens_to(frame_of(case, family, filtering.cable))
        assert seen == (["rule-deny"], [rule], 0)
    finally:
        bed.fwctl("b", "rule", "remove", rule)
