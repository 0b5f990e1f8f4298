"""A process of its own that sends SYNs from addresses that nobody has, until it is killed.

    syn_flood.py NETNS INTERFACE MAC ADDRESS PORT

The sources are of 198.18.0.0/15 (RFC 2544), or of 2001:db8:bad::/48 where ADDRESS is of IPv6. Checksums are right: nothing but
the cookie tells these SYNs from others.
"""

import random
import socket
import struct
import sys

import cable
import netns

OPTIONS = bytes.fromhex("020405b4 0402080a 00001000 00000000 01030307")


def folded(total):
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def sum_of(data):
    return sum(struct.unpack(f"!{len(data) // 2}H", data))


def frames(mac, address, port, seed=1):
    """SYNs without end."""
    drawn = random.Random(seed)
    family = 6 if ":" in address else 4
    to = socket.inet_pton(socket.AF_INET6 if family == 6 else socket.AF_INET, address)
    link = bytes.fromhex(mac.replace(":", "")) + bytes.fromhex("020000000bad") + (b"\x86\xdd" if family == 6 else b"\x08\x00")
    size = 20 + len(OPTIONS)
    fixed = sum_of(to) + 6 + size + sum_of(OPTIONS) + port + (size // 4 << 12 | 2) + 64240
    ip = struct.pack("!IHBB", 0x60000000, size, 6, 60) if family == 6 else struct.pack("!HHIBB", 0x4500, 20 + size, 0x00004000, 60, 6)
    ip_sum = sum_of(ip) + sum_of(to) if family == 4 else 0
    while True:
        source, sequence = drawn.getrandbits(17), drawn.getrandbits(32)
        sport = 1024 + (sequence >> 7) % 60000
        sender = struct.pack("!I", 0xC6120000 | source) if family == 4 else bytes.fromhex("20010db80bad0000") + struct.pack("!Q", source)
        of_sender = sum_of(sender)
        check = ~folded(fixed + of_sender + sport + (sequence >> 16) + (sequence & 0xFFFF)) & 0xFFFF
        head = ip + struct.pack("!H", ~folded(ip_sum + of_sender) & 0xFFFF) if family == 4 else ip
        yield (link + head + sender + to
               + struct.pack("!HHIIHHHH", sport, port, sequence, 0, size // 4 << 12 | 2, 64240, check, 0) + OPTIONS)


def main(name, interface, mac, address, port):
    with netns.packet_socket(name, interface) as out:
        for frame in frames(mac, address, int(port)):
            cable.send(out, frame)


if __name__ == "__main__":
    main(*sys.argv[1:])
