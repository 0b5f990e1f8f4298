"""A process of its own that sends UDP frames to an interface until it is killed.

    flood.py NETNS INTERFACE MAC CPU BYTES

BYTES is the length from the IP header on. Some twenty thousand frames a second at most, so that others can work, too.
"""

import os
import sys
import time

from scapy.all import IP, UDP, Ether, Raw

import cable
import netns

BURST, PAUSE = 40, 0.002


def frame(mac, size):
    payload = Raw(bytes(size - 28))
    return bytes(Ether(src="02:00:00:00:00:01", dst=mac) / IP(src="10.9.0.1", dst="10.9.0.2") / UDP(sport=40000, dport=9) / payload)


def main(name, interface, mac, cpu, size):
    os.sched_setaffinity(0, {int(cpu)})
    sent = frame(mac, int(size))
    with netns.packet_socket(name, interface) as out:
        while True:
            for _ in range(BURST):
                cable.send(out, sent)
            time.sleep(PAUSE)


if __name__ == "__main__":
    main(*sys.argv[1:])
