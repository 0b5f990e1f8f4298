"""Seeded sequences of packets between two ends: what ends do, what the network makes of it, and what neither would do.

A packet is (end, bytes from the IP header on): end 0 opens. Checksums are right.
"""

import ipaddress
import struct

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
MOST = 1 << 32
TCP, UDP, ICMP, ICMP6, SCTP, GRE = 6, 17, 1, 58, 132, 47


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


class Between:
    """Two addresses, and IP packets from one to the other."""

    def __init__(self, family, ends):
        self.family = family
        self.ends = [ipaddress.ip_address(end).packed for end in ends]

    def ip(self, end, protocol, payload):
        source, destination = self.ends[end], self.ends[1 - end]
        if self.family == 4:
            head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, protocol, 0, source, destination)
            return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload
        return struct.pack("!IHBB16s16s", 6 << 28, len(payload), protocol, 64, source, destination) + payload

    def summed(self, end, protocol, payload, place):
        """With the checksum over the pseudo header at that place."""
        pseudo = self.ends[end] + self.ends[1 - end] + struct.pack("!II", len(payload), protocol)
        return payload[:place] + struct.pack("!H", checksum(pseudo + payload) or 0xffff) + payload[place + 2 :]

    def tcp(self, end, ports, seq, ack, flags, window, options=b"", data=b""):
        options += b"\1" * (-len(options) % 4)
        head = struct.pack("!HHIIBBHHH", ports[end], ports[1 - end], seq % MOST, ack % MOST,
                           (5 + len(options) // 4) << 4, flags, window, 0, 0)
        return self.ip(end, TCP, self.summed(end, TCP, head + options + data, 16))

    def udp(self, end, ports, data=b"x"):
        head = struct.pack("!HHHH", ports[end], ports[1 - end], 8 + len(data), 0)
        return self.ip(end, UDP, self.summed(end, UDP, head + data, 6))

    def icmp(self, end, kind, code, rest, data=b""):
        message = struct.pack("!BBHI", kind, code, 0, rest) + data
        if self.family == 6:
            return self.ip(end, ICMP6, self.summed(end, ICMP6, message, 2))
        return self.ip(end, ICMP, message[:2] + struct.pack("!H", checksum(message)) + message[4:])

    def error(self, end, quoted, chance):
        """An ICMP error from `end` to the one that has sent the quoted packet."""
        kind, code = chance.choice([(3, 1), (3, 3), (11, 0), (12, 0), (3, 4)] if self.family == 4 else
                                   [(1, 1), (1, 4), (3, 0), (4, 0), (2, 0)])
        return self.icmp(end, kind, code, 1280, quoted[: chance.choice([28 if self.family == 4 else 48, 200])])


class Side:
    def __init__(self, chance, wild):
        self.next = chance.choice([chance.randrange(MOST), MOST - chance.randrange(3000)])  # often near the wrap
        self.expects = 0
        self.window = chance.choice([0, 1, 500, 8192, 29200, 65535] if wild else [8192, 29200, 65535])
        self.scale = chance.choice([None, 0, 2, 7, 14])
        self.closed = False

    def options(self):
        return b"" if self.scale is None else bytes([3, 3, self.scale])


class Connection:
    """TCP as two ends speak; a wild one also with windows that are shut, simultaneous opens, and what no end would send."""

    def __init__(self, between, ports, chance, wild):
        self.between, self.ports, self.chance, self.wild = between, ports, chance, wild
        self.sides = [Side(chance, wild), Side(chance, wild)]
        self.sent = []
        self.stage = chance.choice(["syn"] * 12 + (["both", "middle"] if wild else ["middle"]))

    def send(self, end, flags, data=0, seq=None, ack=None, window=None):
        me = self.sides[end]
        start = me.next if seq is None else seq
        options = me.options() if flags & SYN else b""
        packet = self.between.tcp(end, self.ports, start, (me.expects if flags & ACK else 0) if ack is None else ack, flags,
                                  me.window if window is None else window, options, bytes(data))
        if seq is None:
            me.next = (me.next + data + bool(flags & SYN) + bool(flags & FIN)) % MOST
        self.sent.append((end, packet))
        return end, packet

    def hear(self, end):
        self.sides[end].expects = self.sides[1 - end].next

    def natural(self):
        chance = self.chance
        if self.stage == "syn":
            self.stage = "syn-ack"
            return self.send(0, SYN)
        if self.stage == "syn-ack":
            self.hear(1)
            self.stage = chance.choice(["ack"] * 9 + ["refused"])
            return self.send(1, SYN | ACK) if self.stage == "ack" else self.send(1, RST | ACK, seq=0)
        if self.stage == "both":
            self.stage = "both-2"
            return self.send(0, SYN)
        if self.stage == "both-2":
            self.stage = "both-3"
            return self.send(1, SYN)
        if self.stage == "both-3":
            self.hear(0), self.hear(1)
            self.stage = "both-4"
            return self.send(0, SYN | ACK, seq=self.sides[0].next - 1)
        if self.stage == "both-4":
            self.stage = "open"
            return self.send(1, SYN | ACK, seq=self.sides[1].next - 1)
        if self.stage == "middle":
            self.hear(0), self.hear(1)
            self.stage = "open"
            return self.send(chance.randrange(2), ACK, data=chance.choice([0, 100]))
        if self.stage == "ack":
            self.hear(0)
            self.stage = "open"
            return self.send(0, ACK)
        if self.stage == "refused":
            self.stage = chance.choice(["syn", "refused"])
            return self.send(0, SYN, seq=self.sides[0].next - 1)
        return self.speak()

    def speak(self):
        chance = self.chance
        end = chance.randrange(2)
        me = self.sides[end]
        self.hear(end)
        what = chance.random()
        if me.closed or what < 0.3:
            if me.closed and self.sides[1 - end].closed and chance.random() < 0.4:
                self.sides = [Side(chance, self.wild), Side(chance, self.wild)]  # the next connection between the same ports
                self.stage = "syn"
                return self.natural()
            return self.send(end, ACK)
        if what < 0.72:
            room = max(1, min(1400, self.sides[1 - end].window))
            return self.send(end, ACK | chance.choice([0, PSH]), data=chance.randint(1, room))
        if what < 0.8:
            return self.send(end, ACK, data=chance.choice([0, 1]), seq=me.next - 1)  # a keepalive
        if what < 0.95:
            me.closed = True
            return self.send(end, FIN | ACK)
        me.closed = self.sides[1 - end].closed = True
        return self.send(end, chance.choice([RST, RST | ACK]))

    def strange(self):
        """What no end would send, or what would come at another time."""
        chance = self.chance
        end = chance.randrange(2)
        me = self.sides[end]
        off = chance.choice([0, 1, -1, 100, -100, 3000, -3000, 70000, -70000, 1 << 20, -(1 << 20), 1 << 31])
        flags = chance.choice([SYN, SYN | ACK, ACK, ACK, RST, RST | ACK, FIN | ACK, FIN, 0, SYN | FIN, FIN | PSH | URG, SYN | RST,
                               ACK | URG])
        return self.send(end, flags, data=chance.choice([0, 0, 1, 100]), seq=me.next + off,
                         ack=(me.expects + chance.choice([0, 0, 1, -1, 500, -500, 100000, -100000, 1 << 31])) if flags & ACK else 0)

    def step(self):
        chance = self.chance.random()
        if self.sent and chance < 0.12:
            return self.chance.choice(self.sent[-6 if self.wild else -2 :])
        if self.sent and chance < 0.18:
            end, quoted = self.chance.choice(self.sent)
            return 1 - end, self.between.error(1 - end, quoted, self.chance)
        return self.strange() if self.wild and chance < 0.3 else self.natural()


class Datagrams:
    """UDP, ICMP queries, and what has no ports."""

    def __init__(self, between, ports, chance, _):
        self.between, self.ports, self.chance = between, ports, chance
        self.kind = chance.choice(["udp", "udp", "echo", "echo", "other"])
        self.sent = []

    def step(self):
        chance, between = self.chance, self.between
        end = chance.choice([0, 0, 1])
        if self.sent and chance.random() < 0.2:
            by, quoted = chance.choice(self.sent)
            return 1 - by, between.error(1 - by, quoted, chance)
        if self.kind == "udp":
            packet = between.udp(end, self.ports, bytes(chance.choice([0, 1, 100])))
        elif self.kind == "echo":
            question, answer = (8, 0) if between.family == 4 else (128, 129)
            kind = chance.choice([question] * 6 + [answer] * 6 + ([13, 14, 9, 40] if between.family == 4 else [200, 150]))
            packet = between.icmp(end, kind, 0, self.ports[0] << 16 | chance.randrange(5))
        else:
            packet = between.ip(end, chance.choice([50, 51 if between.family == 4 else 50, 103]), bytes(40))
        self.sent.append((end, packet))
        return end, packet


def sequence(between, ports, chance, wild):
    made = (Connection if chance.random() < 0.75 else Datagrams)(between, ports, chance, wild)
    return [made.step() for _ in range(chance.randint(4, 25))]
