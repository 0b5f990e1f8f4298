"""The policy of a web server, with real clients: what it offers and what it has asked for comes in, and nothing else."""

import hashlib
import os
import re
import socket
import struct
import time

import pytest
from scapy.all import ICMP, IP, TCP, UDP, ICMPv6PacketTooBig, ICMPv6TimeExceeded, IPv6, Raw

import netns
from conftest import until
from router import CLIENT, FAMILIES, SERVER, url
from web_server import BAN, GUESSERS, WAYS, WebServer, bound, reaches, serving

MEGABYTES = 8 << 20
TICK = 0.05  # the clock that programs read goes on every few milliseconds
each_family = pytest.mark.parametrize("family", FAMILIES)


@pytest.fixture(scope="module", params=WAYS)
def web(request, tmp_path_factory):
    made = WebServer(tmp_path_factory.mktemp("web"), request.param)
    try:
        yield made
    finally:
        made.down()


# --- what it offers and what it asks for ---------------------------------------------------------


@each_family
def test_pages_are_fetched_from_it_and_by_it(web, family):
    def answer(connection):
        while b"\r\n\r\n" not in connection.recv(65536):
            pass
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nhello from client")

    assert web.bed.curls("client", SERVER[family]) == "hello from server\n"
    with serving(bound(web.bed, "client", family, socket.SOCK_STREAM, 80), answer):
        assert web.bed.check("server", "curl", "-sSg", "-m", 10, url(CLIENT[family])) == "hello from client"
    assert not reaches(web.bed, "client", family, SERVER[family], 8080, patience=0.5)[0]


@each_family
def test_large_answers_to_its_questions_arrive_in_fragments(web, family):
    """As of DNS with EDNS: more than a frame holds. Later fragments have no ports: they come in with their first one."""
    def answer(listener):
        question, asker = listener.recvfrom(512)
        listener.sendto(long_answer(question), asker)

    def fragments_received():
        name = "IpReasmReqds" if family == 4 else "Ip6ReasmReqds"
        return int(re.search(rf"{name}\s+(\d+)", web.bed.check("server", "nstat", "-asz", name)).group(1))

    before = fragments_received()
    with serving(bound(web.bed, "client", family, socket.SOCK_DGRAM, 53), answer):
        for _ in range(20):
            with bound(web.bed, "server", family, socket.SOCK_DGRAM) as asking:
                question = os.urandom(40)
                asking.sendto(question, (CLIENT[family], 53))
                assert asking.recv(65535) == long_answer(question)
    assert fragments_received() - before == 20 * 3


def long_answer(question):
    return question[:2] + hashlib.shake_256(question).digest(3998)


@each_family
def test_ping_works_both_ways_and_only_politely(web, family):
    source = GUESSERS[family]
    assert web.bed.pings("server", CLIENT[family])
    assert web.bed.pings("client", SERVER[family])
    done = web.bed.run("client", "ping", "-n", "-I", source, "-c", 40, "-i", "0.01", "-W", "1", SERVER[family]).stdout
    seconds = int(re.search(r"time (\d+)ms", done).group(1)) / 1000
    answered = int(re.search(r"(\d+) received", done).group(1))
    assert 10 <= answered <= min(39, 10 + 10 * seconds), done
    done = web.bed.check("server", "ping", "-n", "-c", 40, "-i", "0.01", "-W", "5", CLIENT[family])
    assert "40 received" in done, "what it asks itself has no limit"


# --- related -------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["udp", "icmp"])
@each_family
def test_it_sees_the_way_of_its_packets(web, family, how):
    """Time exceeded, and port unreachable, of those whose probes they speak of."""
    options = [] if how == "udp" else ["-I"]
    shown = web.bed.check("server", "traceroute", f"-{family}", "-n", "-q", "1", "-m", "4", "-w", "3", *options, CLIENT[family])
    hops = re.findall(r"^ *\d+  (\S+)", shown, re.M)
    assert hops == [{4: "10.2.0.1", 6: "fd00:2::1"}[family], CLIENT[family]], shown


@each_family
def test_it_learns_how_large_a_packet_may_be(web, family):
    bed, sent = web.bed, os.urandom(MEGABYTES)

    def answer(connection):
        received = bytearray()
        while len(received) < len(sent):
            received += connection.recv(1 << 20)
        connection.sendall(hashlib.sha256(received).digest())

    bed.check("fw", "ip", "link", "set", "in0", "mtu", 1400)
    try:
        with serving(bound(bed, "client", family, socket.SOCK_STREAM, 8080), answer), \
                bound(bed, "server", family, socket.SOCK_STREAM) as out:
            out.connect((CLIENT[family], 8080))
            out.sendall(sent)
            assert out.recv(32) == hashlib.sha256(sent).digest()
        assert " mtu 1400" in bed.check("server", "ip", "route", "get", CLIENT[family])
    finally:
        bed.check("fw", "ip", "link", "set", "in0", "mtu", 1500)
        for flag in ("-4", "-6"):
            bed.check("server", "ip", flag, "route", "flush", "cache")


# --- what nobody asked for -----------------------------------------------------------------------


@each_family
def test_who_is_asked_to_call_back_does_not_get_in(web, family):
    """As with active FTP: the port is named in a connection that is let in, which no rule speaks of."""
    def call_back(connection):
        port = int(connection.makefile().readline().split()[1])
        reached, _, _ = reaches(web.bed, "client", family, SERVER[family], port, patience=0.5)
        connection.sendall(b"150\n" if reached else b"425\n")

    with bound(web.bed, "server", family, socket.SOCK_STREAM) as data, \
            serving(bound(web.bed, "client", family, socket.SOCK_STREAM, 21), call_back), \
            bound(web.bed, "server", family, socket.SOCK_STREAM) as control:
        data.listen()
        control.connect((CLIENT[family], 21))
        dropped = web.drops_from_now()
        control.sendall(b"PORT %d\n" % data.getsockname()[1])
        assert control.recv(100) == b"425\n"
        assert dropped() == {"default-deny": 1}


@each_family
def test_what_nobody_asked_for_is_dropped(web, family):
    """Datagrams, answers to no question, resets and errors that speak of no flow."""
    bed, count = web.bed, 20
    bed.fwctl("server", "conntrack", "flush")
    with bound(bed, "server", family, socket.SOCK_DGRAM, 5353) as listener:
        frames = [packet for port in range(count) for packet in uninvited(family, 40000 + port)]
        dropped, replies = web.drops_from_now(), web.packets("replies")
        send_from_the_router(bed, family, frames)
        until(lambda: sum(dropped().values()) >= len(frames))
        assert dropped() == {"default-deny": len(frames)}
        assert web.packets("replies") == replies
        listener.settimeout(0.2)
        with pytest.raises(TimeoutError):
            listener.recv(100)


def uninvited(family, port):
    """From the client to the server."""
    layer, source, destination = (IP, CLIENT[4], SERVER[4]) if family == 4 else (IPv6, CLIENT[6], SERVER[6])
    packet = layer(src=source, dst=destination)
    quoted = layer(src=destination, dst=source) / UDP(sport=port, dport=53) / Raw(b"nobody sent this")
    large = layer(src=destination, dst=source) / TCP(sport=port, dport=443, flags="A")
    if family == 4:
        errors = [ICMP(type=11, code=0) / quoted, ICMP(type=3, code=3) / quoted, ICMP(type=3, code=4, nexthopmtu=600) / large]
        pong = ICMP(type=0, id=port, seq=1)
    else:
        errors = [ICMPv6TimeExceeded() / quoted, ICMPv6PacketTooBig(mtu=1280) / large]
        pong = struct.pack("!BBHHH", 129, 0, 0, port, 1)
    return [packet / UDP(sport=53, dport=5353) / Raw(b"unasked"), packet / UDP(sport=port, dport=5353) / Raw(b"unasked"),
            packet / TCP(sport=443, dport=port, flags="R", seq=1), packet / TCP(sport=443, dport=port, flags="RA", seq=1, ack=1),
            packet / TCP(sport=443, dport=port, flags="SA", seq=1, ack=1),
            packet / pong if family == 4 else layer(src=source, dst=destination, nh=58) / Raw(pong),
            *(packet / error for error in errors)]


def send_from_the_router(bed, family, packets):
    head = bytes.fromhex(netns.mac_of(bed.name("server"), "eth0").replace(":", "")) + bytes(5) + b"\2" + \
        {4: b"\x08\x00", 6: b"\x86\xdd"}[family]
    with netns.packet_socket(bed.name("fw"), "out0") as out:
        for packet in packets:
            out.send(head + bytes(packet))


@each_family
def test_a_forged_reset_or_error_does_not_end_a_connection(web, family):
    """Resets of other numbers than the client's are refused; errors that speak of other ports are of no flow."""
    bed = web.bed

    def echo(connection):
        while data := connection.recv(100):
            connection.sendall(data)

    layer, source, destination = (IP, CLIENT[4], SERVER[4]) if family == 4 else (IPv6, CLIENT[6], SERVER[6])
    with serving(bound(bed, "client", family, socket.SOCK_STREAM, 7), echo), \
            bound(bed, "server", family, socket.SOCK_STREAM) as out:
        out.connect((CLIENT[family], 7))
        out.sendall(b"before")
        assert out.recv(100) == b"before"
        port = out.getsockname()[1]
        forged = [layer(src=source, dst=destination) / TCP(sport=7, dport=port, flags=flags, seq=seq, ack=1)
                  for flags in ("R", "RA") for seq in range(0, 1 << 32, 1 << 28)]
        send_from_the_router(bed, family, forged)
        out.sendall(b"after")
        assert out.recv(100) == b"after"


# --- guessers ------------------------------------------------------------------------------------


@each_family
def test_who_guesses_is_banned_and_released_on_time(web, family):
    bed, me, server = web.bed, GUESSERS[family], SERVER[family]
    with serving(bound(bed, "server", family, socket.SOCK_STREAM, 22), lambda connection: None):
        began, reached = time.monotonic(), 0
        while True:
            connected, before, _ = reaches(bed, "client", family, server, 22, source=me, patience=1.0)
            if not connected:
                break
            reached += 1
        left = web.banned()[me]
        behind = time.monotonic()
        assert 5 <= reached <= 5 + (behind - began) / 12, "five at once, and five a minute"
        assert 0 < left <= BAN
        assert reaches(bed, "client", family, server, 22)[0], "others are not concerned"
        sent, answered = probe(bed, family, me, until_time=behind + BAN + 1.5)
    for number, (first, last) in enumerate(sent):
        if last < before + BAN - TICK:
            assert number not in answered, f"released {before + BAN - last:.3f} s too soon"
        if first > behind + BAN + TICK:
            assert number in answered, f"still banned {first - behind - BAN:.3f} s after the end"
    assert 0 not in answered and len(sent) - 1 in answered
    assert me not in web.banned()


def probe(bed, family, source, until_time):
    """Asks for echoes less often than the limit; ([(when, at the latest when each was sent)], {numbers of those answered})."""
    with netns.inside(bed.name("client")):
        raw = socket.socket(*{4: (socket.AF_INET, socket.SOCK_RAW, 1), 6: (socket.AF_INET6, socket.SOCK_RAW, 58)}[family])
    with raw:
        raw.bind((source, 0))
        sent, answered, me = [], set(), os.getpid() & 0xFFFF

        def listen(seconds):
            end = time.monotonic() + seconds
            while (left := end - time.monotonic()) > 0:
                raw.settimeout(left)
                try:
                    packet = raw.recv(2048)
                except TimeoutError:
                    return
                message = packet[20:] if family == 4 else packet
                kind, _, _, identifier, number = struct.unpack("!BBHHH", message[:8])
                if (kind, identifier) == ({4: 0, 6: 129}[family], me):
                    answered.add(number)

        while time.monotonic() < until_time:
            message = struct.pack("!BBHHH", {4: 8, 6: 128}[family], 0, 0, me, len(sent))
            if family == 4:
                message = bytes(ICMP(message))[:2] + struct.pack("!H", internet_checksum(message)) + message[4:]
            first = time.monotonic()
            raw.sendto(message, (SERVER[family], 0))
            sent.append((first, time.monotonic()))
            listen(0.12)
        listen(1)
        return sent, answered


def internet_checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
