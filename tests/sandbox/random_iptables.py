#!/usr/bin/python3
"""Random input for iptables-restore or ip6tables-restore, and packets that meet its rules.

    random_iptables.py [--seed N] [--ipv6] [--rules N]    prints a ruleset

The rules use what `fwctl import iptables-save` translates, so that an original and its translation can be given the same
packets. Values are few, so that rules and packets often meet. What INPUT cannot see is not asked for: fragments, which the
kernel has put together before.

ruleset() gives the text, packets() gives scapy packets without their link layer. The same seed gives the same. Some packets
are answers to what questions() lists, which the host has to send before, and errors about it: they are of flows that are
known.
"""

import argparse
import random

from scapy.all import GRE, ICMP, IP, IPv6, SCTP, TCP, UDP, ICMPv6DestUnreach, ICMPv6EchoRequest, Raw, SCTPChunkInit

PORTS = (22, 23, 53, 80, 1023, 1024, 8080)
STATES = ("INVALID", "NEW", "RELATED", "ESTABLISHED", "UNTRACKED")
FLAGS = ("FIN", "SYN", "RST", "PSH", "ACK", "URG")
NETWORKS = {
    4: ("10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32", "192.0.2.128/25", "198.51.100.7/32"),
    6: ("2001:db8::/32", "2001:db8:1::/48", "2001:db8:1::3/128", "2001:db8:2::/64", "2001:db8:f::7/128"),
}
SOURCES = {
    4: ("10.0.0.1", "10.1.0.1", "10.1.2.3", "10.1.2.4", "192.0.2.200", "192.0.2.2", "198.51.100.7"),
    6: ("2001:db8::1", "2001:db8:1::1", "2001:db8:1::3", "2001:db8:2::4", "2001:db8:f::7", "2001:db9::1"),
}
ASKED = {family: sources[1::2] for family, sources in SOURCES.items()}
ICMP_TYPES = {4: (0, 3, 8, 13), 6: (128, 129, 144)}
REJECTS = {
    4: ("icmp-port-unreachable", "icmp-host-unreachable", "icmp-admin-prohibited", "icmp-net-unreachable"),
    6: ("icmp6-port-unreachable", "icmp6-addr-unreachable", "icmp6-adm-prohibited", "icmp6-no-route"),
}


class Generator:
    def __init__(self, chance, family):
        self.random = chance
        self.family = family

    def one_in(self, number):
        return self.random.randrange(number) == 0

    def sign(self):
        return "! " if self.one_in(4) else ""

    def port_span(self):
        first, last = sorted(self.random.choices(PORTS, k=2))
        return str(first) if first == last or self.one_in(2) else f"{first}:{last}"

    def ports(self, protocol):
        kind = self.random.choice(("sport", "dport", "both", "sports", "dports", "ports"))
        if kind in ("sport", "dport"):
            return f"-m {protocol} {self.sign()}--{kind} {self.port_span()}"
        if kind == "both":
            return f"-m {protocol} {self.sign()}--sport {self.port_span()} {self.sign()}--dport {self.port_span()}"
        spans = ",".join(self.port_span() for _ in range(self.random.randint(1, 3)))
        return f"-m multiport {self.sign()}--{kind} {spans}"

    def flags(self):
        mask = self.random.sample(FLAGS, self.random.randint(1, 4))
        value = [flag for flag in mask if self.one_in(2)]
        return f"-m tcp {self.sign()}--tcp-flags {','.join(mask)} {','.join(value) or 'NONE'}"

    def protocol(self):
        """A test of the protocol, and the protocol itself when others can build on it."""
        icmp = "icmp" if self.family == 4 else "ipv6-icmp"
        name = self.random.choice(("tcp", "tcp", "udp", "udp", "sctp", icmp, "gre"))
        if self.one_in(5):
            return [f"! -p {name}"], None
        tests = [f"-p {name}"]
        if name in ("tcp", "udp", "sctp") and self.one_in(2):
            tests.append(self.ports(name))
        if name == "tcp" and self.one_in(4):
            tests.append(self.flags())
        if name == icmp and self.one_in(2):
            kind = self.random.choice(ICMP_TYPES[self.family])
            tests.append(f"-m icmp {self.sign()}--icmp-type {kind}" if self.family == 4 else
                         f"-m icmp6 {self.sign()}--icmpv6-type {kind}")
        return tests, name

    def tests(self):
        found, name = self.protocol() if self.one_in(2) else ([], None)
        if self.one_in(2):
            found.insert(0, f"{self.sign()}-s {self.random.choice(NETWORKS[self.family])}")
        if self.one_in(8):
            found.append(f"-m length {self.sign()}--length {self.random.choice(('0:60', '61:90', '91:65535'))}")
        if self.one_in(8):
            hops = self.random.choice(("lt 40", "gt 64", "eq 64"))
            found.append(f"-m ttl --ttl-{hops}" if self.family == 4 else f"-m hl --hl-{hops}")
        if self.one_in(8):
            found.append(f"-m dscp {self.sign()}--dscp {self.random.choice(('0x00', '0x0a', '0x2e'))}")
        if self.one_in(3):
            states = ",".join(self.random.sample(STATES, self.random.randint(1, 3)))
            found.append(self.random.choice((f"-m conntrack {self.sign()}--ctstate ", f"-m state {self.sign()}--state "))
                         + states)
        if self.one_in(10) and self.family == 4:
            found.append(f"-m iprange {self.sign()}--src-range 10.1.0.0-10.1.2.{self.random.choice((3, 200))}")
        return found, name

    def rule(self, chain, later):
        tests, name = self.tests()
        target = self.random.choice(["-j ACCEPT", "-j ACCEPT", "-j DROP", "-j DROP", "-j RETURN", "-j REJECT"]
                                    + [f"-j {other}" for other in later] + [f"-g {other}" for other in later])
        if target == "-j REJECT":
            answer = "tcp-reset" if name == "tcp" and self.one_in(2) else self.random.choice(REJECTS[self.family])
            target += f" --reject-with {answer}"
        return " ".join([f"-A {chain}", *tests, target])

    def text(self, rules):
        chains = ("INPUT", "ONE", "TWO", "THREE")
        lines = [f":{chain} - [0:0]" for chain in chains[1:]]
        for index, chain in enumerate(chains):
            lines += [self.rule(chain, chains[index + 1:]) for _ in range(self.random.randint(1, rules))]
        policy = self.random.choice(("ACCEPT", "DROP"))
        head = "# Generated by ip6tables-save\n" if self.family == 6 else ""
        return f"{head}*filter\n:INPUT {policy} [0:0]\n" + "\n".join(lines) + "\nCOMMIT\n"

    def layer4(self):
        kind = self.random.choice(("tcp", "tcp", "udp", "udp", "sctp", "icmp", "gre"))
        ports = {"sport": self.random.choice(PORTS), "dport": self.random.choice(PORTS)}
        if kind == "tcp":
            return TCP(flags="".join(flag[0] for flag in FLAGS if self.one_in(3)), **ports)
        if kind == "udp":
            return UDP(**ports)
        if kind == "sctp":
            return SCTP(**ports) / SCTPChunkInit()
        if kind == "gre":
            return GRE(proto=0x88be)
        if self.family == 4:
            return ICMP(type=self.random.choice(ICMP_TYPES[4]))
        return ICMPv6EchoRequest(type=self.random.choice(ICMP_TYPES[6]))

    def answer(self, source, destination):
        """What stands behind the IP header of an answer, or of an error, to one of questions()."""
        port, other = self.random.choice(PORTS), self.random.choice(PORTS)
        if self.one_in(2):
            return UDP(sport=other, dport=port) / Raw(b"x")
        question = UDP(sport=port, dport=other) / Raw(b"x" * 20)
        if self.family == 4:
            return ICMP(type=3, code=1) / IP(src=destination, dst=source) / question
        return ICMPv6DestUnreach(code=3) / IPv6(src=destination, dst=source) / question

    def packet(self, destination):
        source = self.random.choice(SOURCES[self.family])
        hops = self.random.choice((30, 64, 200))
        service = self.random.choice((0, 0x0a, 0x2e)) << 2
        if self.family == 4:
            header = IP(src=source, dst=destination, ttl=hops, tos=service)
        else:
            header = IPv6(src=source, dst=destination, hlim=hops, tc=service)
        if source in ASKED[self.family] and self.one_in(2):
            return header / self.answer(source, destination)
        packet = header / self.layer4()
        return packet if SCTP in packet else packet / Raw(b"x" * self.random.choice((0, 20, 60)))


def ruleset(seed, family=4, rules=6):
    """The text of a table filter with INPUT and three chains that it asks; at most so many rules in each."""
    return Generator(random.Random(seed), family).text(rules)


def packets(seed, destination, family=4, count=100):
    """Packets to that address of this host."""
    generator = Generator(random.Random(seed), family)
    return [generator.packet(destination) for _ in range(count)]


def questions(family=4):
    """What the host sends: UDP, as (its port, address, port there). About half of the ports get no question."""
    return [(port, address, other) for address in ASKED[family] for port in PORTS for other in PORTS
            if (port + other) % 2]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ipv6", action="store_true")
    parser.add_argument("--rules", type=int, default=6)
    arguments = parser.parse_args()
    print(ruleset(arguments.seed, 6 if arguments.ipv6 else 4, arguments.rules), end="")


if __name__ == "__main__":
    main()
