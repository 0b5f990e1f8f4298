"""The packets that are balanced: 64 bytes on the wire, UDP or TCP to a service, from ports that the sender varies."""

import struct

VIP = "10.100.0.1"
CLIENT = "198.18.0.1"
# From 65,536 flows on the sender takes further ports of the service, too.
PORTS = range(7936, 8000)
FLOWS = 1 << 16  # of one port
OF_ANY_NUMBER = FLOWS * len(PORTS)
BALANCER_MAC, CLIENT_MAC = "02:00:00:00:00:01", "02:00:00:00:00:02"
SYN, PUSH_ACK = 0x02, 0x18
SEQUENCE = 1000


def octets(address):
    return bytes(map(int, address.split(".")))


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    return struct.pack("!H", ~(total + (total >> 16)) & 0xffff)


def frame(protocol, opening=False):
    """As hexadecimal. The first of its flow, or one of a flow that is known; UDP has no checksum, and that of TCP is of the first port."""
    ports = struct.pack("!2H", 4000, PORTS[0])
    if protocol == "UDP":
        layer4 = ports + struct.pack("!2H", 26, 0) + bytes(18)
    else:
        numbers = (SEQUENCE, 0, 0x50, SYN) if opening else (SEQUENCE + 1, SEQUENCE + 1, 0x50, PUSH_ACK)
        layer4 = ports + struct.pack("!2I2BH", *numbers, 0xffff) + bytes(4) + bytes(6)
        pseudo = octets(CLIENT) + octets(VIP) + struct.pack("!2H", 6, len(layer4))
        layer4 = layer4[:16] + checksum(pseudo + layer4) + layer4[18:]
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(layer4), 0, 0, 64, {"UDP": 17, "TCP": 6}[protocol], 0) + octets(CLIENT) + octets(VIP)
    header = header[:10] + checksum(header) + header[12:]
    macs = bytes.fromhex((BALANCER_MAC + CLIENT_MAC).replace(":", ""))
    return (macs + b"\x08\0" + header + layer4).hex()
