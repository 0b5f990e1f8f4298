"""What the filters on the wire are told to drop, said in the language of each, and packets that it is about and that it is not about.

A policy is drawn with the same seed in each run. It says itself by `toml` (fwctl), `nft`, `iptables`, `ipset` and `xdp_filter`;
None: that language has no words for it, or none that anyone would use at this size.
"""

import bisect
import ipaddress
import random
import typing

NETWORK = ipaddress.ip_network("10.64.0.0/12")  # the router's, or behind it: all packets go there
PORT = 9  # of packets that only their addresses tell apart
SEED = 1
PACKETS = 1 << 16  # so many different ones

# Shares in a hundred of the lengths of a published list, as tests/generate/prefixes.cpp has them for the benchmarks in C++; but for
# the widest, which cover so many others that a million would not fit beside them.
LENGTHS = [32] * 82 + [24] * 10 + [29] * 2 + [28] * 2 + [23] * 2 + [22, 21]
RESERVED = {0, 10, 127, 169, *range(224, 256)}  # first octets of what is no source, or the router's own


def text(prefix):
    address, length = prefix
    return f"{ipaddress.IPv4Address(address)}/{length}"


def within(draw, prefix):
    """An address of the prefix."""
    address, length = prefix
    return address | draw.getrandbits(32 - length) if length < 32 else address


def any_source(draw):
    """An address that a packet can come from."""
    while True:
        address = draw.getrandbits(32)
        if address >> 24 not in RESERVED:
            return address


def block(address, length):
    return address & ~((1 << 32 - length) - 1), length


def disjoint(prefixes):
    """Those of them that no other one covers, sorted."""
    kept, end = [], -1
    for address, length in sorted(prefixes):
        if address > end:
            kept.append((address, length))
            end = address + (1 << 32 - length) - 1
    return kept


def draw_entry(draw, networks):
    length = draw.choice(LENGTHS)
    return block(any_source(draw) if length <= 24 else draw.choice(networks) | draw.getrandbits(8), length)


def draw_list(draw, count):
    """A list of so many prefixes, most of them hosts of few networks, none within another: interval sets take no others."""
    kept = []
    while len(kept) < count:
        networks = [any_source(draw) & ~0xff for _ in range(count // 6 + 1)]
        kept = disjoint(kept + [draw_entry(draw, networks) for _ in range(count)])
    return sorted(draw.sample(kept, count))


class OneRule:
    """All of one port."""

    def __init__(self, draw):
        self.hits = [(any_source(draw), within(draw, block(int(NETWORK[0]), 12)), 4000, PORT) for _ in range(PACKETS)]
        self.misses = [(source, to, port, PORT + 1) for source, to, port, _ in self.hits]

    def toml(self, folder):
        return f'[[rule]]\nname = "port"\nservice = "udp/{PORT}"\naction = "deny"\n'

    def nft(self):
        """Sets, and the rule."""
        return "", f"udp dport {PORT} drop"

    def iptables(self):
        return [f"-p udp --dport {PORT} -j DROP"]

    def ipset(self):
        return None

    def xdp_filter(self):
        return [["port", "-m", "dst", "-p", "udp", str(PORT)]]


class Listed:
    """All from a list of prefixes."""

    def __init__(self, draw, count):
        self.prefixes = draw_list(draw, count)
        self.hits = [self.packet(draw, within(draw, draw.choice(self.prefixes))) for _ in range(PACKETS)]
        self.misses = [self.packet(draw, self.unlisted(draw)) for _ in range(PACKETS)]

    @staticmethod
    def packet(draw, source):
        return source, within(draw, block(int(NETWORK[0]), 12)), 4000, PORT

    def unlisted(self, draw):
        while True:
            address = any_source(draw)
            first, length = self.prefixes[bisect.bisect_right(self.prefixes, (address, 33)) - 1]
            if block(address, length)[0] != first:
                return address

    def toml(self, folder):
        (folder / "listed.txt").write_text("".join(f"{text(one)}\n" for one in self.prefixes))
        return '[set.listed]\nfile = "listed.txt"\n[[rule]]\nname = "listed"\nfrom = "@listed"\naction = "deny"\n'

    def nft(self):
        elements = ",".join(map(text, self.prefixes))
        return f"set listed {{ type ipv4_addr; flags interval; elements = {{ {elements} }}; }}", "ip saddr @listed drop"

    def iptables(self):
        return None

    def ipset(self):
        return [text(one) for one in self.prefixes]

    def xdp_filter(self):
        return None


class Fields:
    """Rules about source, destination, protocol and destination port, no two of which meet: ranges that are put together take no others."""

    def __init__(self, draw, count):
        sources = draw_list(draw, count // 5)
        addresses = [(block(within(draw, block(int(NETWORK[0]), 12)), draw.choice((24, 26, 28, 32)))) for _ in range(count // 10)]
        services = [(protocol, first, first + draw.choice((0, 0, 0, 15, 99)))
                    for protocol in ("tcp", "udp") for first in range(1000, 9000, 250)]
        triples, destinations = set(), disjoint(addresses)
        while len(triples) < count:
            triples.add((draw.choice(sources), draw.choice(destinations), draw.choice(services)))
        self.rules = sorted(triples)
        draw.shuffle(self.rules)
        of_udp = [rule for rule in self.rules if rule[2][0] == "udp"]
        self.hits = [self.packet(draw, draw.choice(of_udp), 0) for _ in range(PACKETS)]
        # Ports between those of the rules: it is the last field that tells.
        self.misses = [self.packet(draw, draw.choice(of_udp), 125) for _ in range(PACKETS)]

    @staticmethod
    def packet(draw, rule, beside):
        source, to, (_, first, last) = rule
        return within(draw, source), within(draw, to), 4000, draw.randint(first, last) + beside

    def toml(self, folder):
        return "".join(f'[[rule]]\nname = "rule {number}"\nfrom = "{text(source)}"\nto = "{text(to)}"\n'
                       f'service = "{protocol}/{first}-{last}"\naction = "deny"\n'
                       for number, (source, to, (protocol, first, last)) in enumerate(self.rules))

    def nft(self):
        elements = ",".join(f"{text(source)} . {text(to)} . {protocol} . {first}-{last}"
                            for source, to, (protocol, first, last) in self.rules)
        return (f"set rules {{ type ipv4_addr . ipv4_addr . inet_proto . inet_service; flags interval; elements = {{ {elements} }}; }}",
                "ip saddr . ip daddr . meta l4proto . th dport @rules drop")

    def iptables(self):
        return [f"-s {text(source)} -d {text(to)} -p {protocol} --dport {first}:{last} -j DROP"
                for source, to, (protocol, first, last) in self.rules]

    def ipset(self):
        return None

    def xdp_filter(self):
        return None


class Row(typing.NamedTuple):
    """A policy of `size` of something; rows with the same `of` are points of one curve."""

    name: str
    make: typing.Callable
    of: str
    size: int
    quick: bool = False  # part of --quick


def listed(name, count, quick=False):
    return Row(f"{name} prefixes", lambda draw: Listed(draw, count), "prefixes", count, quick)


def fields(name, count, quick=False):
    return Row(f"{name} rules of several fields", lambda draw: Fields(draw, count), "rules of several fields", count, quick)


ROWS = [Row("one rule", OneRule, "", 1, quick=True), listed("10k", 10_000, quick=True), listed("1M", 1_000_000),
        fields("1k", 1_000, quick=True), fields("10k", 10_000)]


def policy(row):
    return row.make(random.Random(SEED))
