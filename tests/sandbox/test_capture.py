"""`fwctl capture`: what stands in its files is what was sent, with what was decided of it."""

import contextlib
import fcntl
import json
import os
import pathlib
import random
import signal
import socket
import stat
import struct
import subprocess
import time

import pytest
from scapy.all import ARP, ICMP, IP, TCP, UDP, Dot1Q, Ether, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, Raw, fragment

import netns
from cable import cable  # fixture: cable
from captured import LOST, PACKET, RECEIVED, TC_DROP, TC_NEXT, WRITTEN, XDP_DROP, XDP_PASS, blocks, capture, captures, read, statistics
from conftest import FWCTL, MODES, SPOOF, until
from listening import monitors, told

FLOOD = int(os.environ.get("FWCTL_FLOOD", 1_000_000))
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000
PASSED = {"native": ("xdp", XDP_PASS), "generic": ("xdp", XDP_PASS), "tc": ("tc", TC_NEXT)}
DROPPED = {"native": ("xdp", XDP_DROP), "generic": ("xdp", XDP_DROP), "tc": ("tc", TC_DROP)}


def drawn(rng, count, mac):
    """Frames of all sizes: both families, tags, fragments, headers that are cut off, what is not IP."""
    link = Ether(src="02:00:00:00:00:01", dst=mac)
    frames = []
    while len(frames) < count:
        body = Raw(rng.randbytes(rng.choice([0, 1, 2, 3, 17, 18, 255, 1000, 1400, 1430])))
        upper = rng.choice([UDP(sport=rng.randrange(65536), dport=rng.choice([9, 10])) / body, TCP(dport=9, flags="S") / body,
                            ICMP() / body])
        ipv4 = IP(src="10.9.0.1", dst="10.9.0.2", ttl=rng.randrange(1, 256), tos=rng.randrange(256)) / upper
        ipv6 = IPv6(src="fd00:9::1", dst="fd00:9::2", fl=rng.randrange(1 << 20))
        tags = rng.choice([[], [], [Dot1Q(vlan=rng.randrange(1, 4095))],
                           [Dot1Q(vlan=7, prio=rng.randrange(8), type=0x8100), Dot1Q(vlan=rng.randrange(1, 4095))]])
        head = link
        for tag in tags:
            head = head / tag
        made = rng.choice([
            [head / ipv4], [head / ipv6 / UDP(dport=9) / body], [head / ipv6 / IPv6ExtHdrDestOpt() / UDP(dport=10) / body],
            [head / ipv6 / IPv6ExtHdrFragment(offset=rng.randrange(8), m=1, id=rng.randrange(1 << 32)) / body],
            [head / part for part in fragment(ipv4, fragsize=576)], [head / ARP(psrc="10.9.0.1", pdst="10.9.0.2")]])
        for one in map(bytes, made):
            frames.append(one[: rng.randrange(34, len(one) + 1)] if rng.random() < 0.1 else one)
    return [frame for frame in frames if len(frame) <= 1514][:count]


@pytest.mark.parametrize("mode", MODES)
def test_what_is_captured_is_what_was_sent(cable, mode, request):
    bed = cable.bed
    bed.fwctl("b", "attach", "eth0", *mode)
    bed.fwctl("b", "deny", "udp/9")
    sent = drawn(random.Random(7), 1500, cable.mac)
    way = request.node.callspec.id
    with captures(bed, "b", [], ["--dropped"], ["--verdict", "pass", "-s", "60"], ["-c", "25"]) as (every, dropped, cut, counted):
        cable.send_all("a", sent, "in")
        assert counted.wait() == 0
        assert [one.end() for one in (every, dropped, cut)] == [0, 0, 0]
        packets = every.packets()
        assert [one.bytes for one in packets] == sent
        assert all((one.interface, one.direction, one.length) == ("eth0", "in", len(one.bytes)) for one in packets)
        assert {one.verdict for one in packets} == {PASSED[way], DROPPED[way]}
        # What it says of each is what was counted.
        reasons = {}
        for one in packets:
            verdict, _, reason = one.comment.partition(", ")[0].partition(" ")
            assert one.verdict == (DROPPED if verdict == "drop" else PASSED)[way]
            assert (reason == "rule-deny") == one.comment.endswith(', rule "deny-udp/9"')
            reasons[reason] = reasons.get(reason, 0) + 1
        assert reasons == {reason: number for reason, (number, _) in cable.counted("in").items() if number}
        assert reasons["rule-deny"] > 100 and reasons["default-allow"] > 500 and len(reasons) > 4
        lost = [one for one in packets if one.verdict == DROPPED[way]]
        assert dropped.packets() == lost
        kept = cut.packets()
        assert [(one.bytes, one.length) for one in kept] == [(one.bytes[:60], one.length) for one in packets if one not in lost]
        assert counted.packets() == packets[:25]
        assert statistics(every.path) == {0: {RECEIVED: len(sent), LOST: 0, WRITTEN: len(sent)}}
        assert every.notes()[-1] == "1,500 packets captured"


@pytest.mark.parametrize("filter", ["udp port 9", "vlan and udp", "ip6", "not ip and not ip6", "greater 1000 and tcp[tcpflags] & tcp-syn != 0",
                                    "icmp or arp", "udp[8:2] > 0x7fff"])
def test_a_filter_chooses_what_tcpdump_would(cable, filter):
    bed = cable.bed
    bed.fwctl("b", "attach", "eth0")
    sent = drawn(random.Random(8), 600, cable.mac)
    with captures(bed, "b", [], [filter], ["-s", "20", *filter.split()]) as (every, chosen, cut):
        cable.send_all("a", sent, "in")
        assert [one.end() for one in (every, chosen, cut)] == [0, 0, 0]
        right = pathlib.Path(every.folder.name, "right.pcap")
        subprocess.run(["tcpdump", "-r", every.path, "-w", right, filter], check=True, capture_output=True)
        wanted = subprocess.run(["tcpdump", "-r", right, "-xx", "-n", "-t"], check=True, capture_output=True, text=True).stdout
        found = subprocess.run(["tcpdump", "-r", chosen.path, "-xx", "-n", "-t"], check=True, capture_output=True, text=True).stdout
        assert found == wanted != ""
        packets = chosen.packets()
        assert 0 < len(packets) < len(sent)
        assert [one.bytes for one in cut.packets()] == [one.bytes[:20] for one in packets]
        assert statistics(chosen.path) == {0: {RECEIVED: len(sent), LOST: 0, WRITTEN: len(packets)}}


@contextlib.contextmanager
def tun_carrier(bed):
    with netns.inside(bed.name("b")), open("/dev/net/tun", "rb+", buffering=0) as reader:
        fcntl.ioctl(reader, TUNSETIFF, struct.pack("16sH22x", b"tun0", IFF_TUN | IFF_NO_PI))
        yield


def test_what_goes_out_and_devices_without_ethernet(cable):
    """Each interface has a block of its own, with its link layer; a filter is compiled for each."""
    bed = cable.bed
    bed.check("b", "ip", "tuntap", "add", "dev", "tun0", "mode", "tun")
    bed.check("b", "ip", "address", "add", "10.77.0.1/24", "dev", "tun0")
    bed.check("b", "ip", "link", "set", "dev", "tun0", "up")
    bed.fwctl("b", "attach", "eth0", "--hook", "tc-in,tc-out")
    bed.fwctl("b", "attach", "tun0", "--hook", "tc-in,tc-out")
    bed.fwctl("b", "deny", "udp/9", "out")
    with tun_carrier(bed), captures(bed, "b", ["udp"], ["ether host 02:00:00:00:00:01"]) as (every, by_mac):
        assert by_mac.notes()[0].startswith('interfaces without Ethernet are left out: the filter "ether host')
        cable.send_all("a", [cable.udp(9)], "in")
        with netns.inside(bed.name("b")), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            for port in (9, 10):
                try:
                    out.sendto(b"text", ("10.77.0.2", port))
                except PermissionError:
                    assert port == 9
        until(lambda: every.has(3))
        assert [every.end(), by_mac.end()] == [0, 0]
        assert [(one.interface, one.direction, one.verdict, one.comment) for one in every.packets()] == [
            ("eth0", "in", ("tc", TC_NEXT), "pass default-allow"),
            ("tun0", "out", ("tc", TC_DROP), 'drop rule-deny, rule "deny-udp/9-out"'),
            ("tun0", "out", ("tc", TC_NEXT), "pass default-allow")]
        first, *others = [one.bytes for one in every.packets()]
        assert first == cable.udp(9)
        for port, one in zip((9, 10), others):
            assert (IP(one).dst, IP(one)[UDP].dport, bytes(IP(one)[UDP].payload)) == ("10.77.0.2", port, b"text")
        assert [one.interface for one in by_mac.packets()] == ["eth0"]


def test_a_frame_as_large_as_the_kernel_makes_them(testbed):
    """What goes out before it is cut into segments, and comes in put together."""
    bed = testbed("pair")
    for role, hooks in {"a": "tc-out", "b": "tc-in"}.items():
        bed.fwctl(role, "attach", "eth0", "--hook", hooks)
    address = json.loads(bed.check("b", "ip", "-json", "-4", "address", "show", "eth0"))[0]["addr_info"][0]["local"]
    server = subprocess.Popen(bed.command("b", "iperf3", "-s", "-1", "-p", "5555"), stdout=subprocess.PIPE, text=True)
    try:
        until(lambda: "5555" in bed.check("b", "ss", "-lnt"))
        with capture(bed, "a", "tcp", "port", "5555") as out, capture(bed, "b", "-s", "1000") as cut:
            bed.check("a", "iperf3", "-c", address, "-p", "5555", "-n", "3M", "-w", "1M")
            assert [out.end(), cut.end()] == [0, 0]
            packets = out.packets()
            assert max(one.length for one in packets) > 20_000
            for one in packets:
                assert len(one.bytes) == one.length == IP(one.bytes[14:]).len + 14
            assert all(len(one.bytes) == min(one.length, 1000) for one in cut.packets())
    finally:
        server.kill()
        server.wait()


def test_into_a_pipe_as_it_happens(cable):
    bed = cable.bed
    bed.fwctl("b", "attach", "eth0")
    line = f"{FWCTL} capture -w - --netns {bed.name('b')} | tcpdump -r - -n -l -t"
    with subprocess.Popen(["bash", "-c", line], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as piped:
        assert "capturing; Ctrl-C ends it\n" in iter(piped.stderr.readline, "")  # tcpdump may say something first
        for port in (9, 10):
            cable.send_all("a", [cable.udp(port)], "in")
            assert piped.stdout.readline() == f"IP 10.9.0.1.40000 > 10.9.0.2.{port}: UDP, length 0\n"
        (pid,) = map(int, pathlib.Path(f"/proc/{piped.pid}/task/{piped.pid}/children").read_text().split()[:1])
        os.kill(pid, signal.SIGINT)
        assert piped.wait(timeout=30) == 0
        assert "2 packets captured\n" in piped.stderr.readlines()


def test_files(cable, tmp_path):
    bed = cable.bed
    bed.fwctl("b", "attach", "eth0")
    name = ["--netns", bed.name("b")]
    path = tmp_path / "made.pcapng"
    old = os.umask(0)
    try:
        with subprocess.Popen([FWCTL, "capture", "-w", path, *name], stderr=subprocess.PIPE, text=True) as killed:
            assert killed.stderr.readline() == "capturing; Ctrl-C ends it\n"
            cable.send_all("a", [cable.udp(9)] * 1000, "in")
            until(lambda: sum(1 for _ in blocks(path, PACKET)) == 1000)
            killed.kill()
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.bytes for one in read(path)] == [cable.udp(9)] * 1000  # though nobody ended it
    # One that is there is written over, when nothing else is wrong.
    path.chmod(0o640)
    assert subprocess.run([FWCTL, "capture", "-w", path, *name, "nonsense"], capture_output=True).returncode == 2
    assert len(read(path)) == 1000
    with subprocess.Popen([FWCTL, "capture", "-w", path, "-c", "1", *name], stderr=subprocess.PIPE, text=True) as again:
        assert again.stderr.readline() == "capturing; Ctrl-C ends it\n"
        cable.send_all("a", [cable.udp(10)] * 5, "in")
        assert again.wait(timeout=30) == 0
    assert [one.bytes for one in read(path)] == [cable.udp(10)]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_where_nothing_can_be_written(cable):
    bed = cable.bed
    bed.fwctl("b", "attach", "eth0")
    command = [FWCTL, "capture", "--netns", bed.name("b"), "-w"]
    full = subprocess.run([*command, "/dev/full"], capture_output=True, text=True, timeout=30)
    assert (full.returncode, full.stderr) == (1, "fwctl: cannot write to /dev/full: No space left on device\n")
    # A reader that goes away ends it; one that does not read is not waited for when somebody is in a hurry.
    with subprocess.Popen([*command, "-"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as left, \
            subprocess.Popen([*command, "-"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as stuck:
        for one in (left, stuck):
            assert one.stderr.readline() == "capturing; Ctrl-C ends it\n"
        left.stdout.close()
        cable.send_all("a", [cable.udp(9)] * 3000, "in")
        assert left.wait(timeout=30) == -signal.SIGPIPE
        until(lambda: "pipe" in pathlib.Path(f"/proc/{stuck.pid}/wchan").read_text())
        until(lambda: stuck.poll() is not None or stuck.send_signal(signal.SIGINT))
        assert stuck.returncode in (0, 1)
    # What a killed one left goes with the next command that changes something, once its time is over.
    until(lambda: bed.fwctl("b", "allow", "udp/5") and rooms(bed) == 0)


def rooms(bed):
    """How many captures have room in the kernel."""
    (pin,) = [pin for pin in bed.pins("b") if pin.endswith("/capture_rooms")]
    return len(netns.inner_maps(pin))


@pytest.mark.parametrize("mode", MODES)
def test_beside_three_monitors_in_a_flood(cable, mode):
    """Each shows every packet or says how many it did not, and the counters have all of them."""
    bed = cable.bed
    bed.fwctl("b", "attach", "eth0", *mode)
    bed.fwctl("b", "deny", "udp")
    dropped = lambda: cable.counted("in").get("rule-deny", (0, 0))[0]  # noqa: E731
    with monitors(bed, "b", ["--json"], ["--json"], ["--json", "--sample", 1000]) as listening, \
            captures(bed, "b", ["--dropped"], ["--dropped", "--point", "both"]) as (one, slow):
        flood = bed.command("a", SPOOF, "eth0", cable.mac, "10.9.0.2", "fd00:9::2", FLOOD, 1, "udp/7", "udp/8")
        with subprocess.Popen(flood, stdout=subprocess.DEVNULL) as sending:
            until(dropped)
            slow.process.send_signal(signal.SIGSTOP)
            time.sleep(4)  # its ring is full by then; far less than after which it is taken for dead
            slow.process.send_signal(signal.SIGCONT)
            assert sending.wait(timeout=600) == 0
        cable.send_all("a", [cable.udp(9)], "in")
        total = dropped()
        assert total >= FLOOD // 2
        until(lambda: all(sum(told(monitor)) == total for monitor in listening[:2]), bound=120)
        assert [monitor.end() for monitor in listening] == [0, 0, 0] and [one.end(), slow.end()] == [0, 0]
        for monitor in listening[:2]:
            assert sum(told(monitor)) == total
        for capture in (one, slow):
            (numbers,) = statistics(capture.path).values()
            assert numbers[WRITTEN] > 0 and numbers[RECEIVED] == numbers[WRITTEN] and numbers[WRITTEN] + numbers[LOST] == total
            assert sum(1 for _ in blocks(capture.path, PACKET)) == numbers[WRITTEN]
            said = [note for note in capture.notes() if "packets are not in" in note]
            assert [note.split(": they came")[0] for note in said] == (
                [f"fwctl: note: {numbers[LOST]:,} packets are not in {capture.path}"] if numbers[LOST] else [])
            print(f"{total} packets, captured {numbers[WRITTEN]}, lost {numbers[LOST]}")
    cable.send_all("a", [cable.udp(9)] * 100, "in")
    assert dropped() == total + 100


def test_programs_change_and_go_while_it_captures(cable):
    bed = cable.bed
    bed.fwctl("b", "attach", "eth0")
    frames = [cable.udp(port) for port in (9, 10)]
    with captures(bed, "b", [], ["--dropped"]) as (every, dropped):
        cable.send_all("a", frames, "in")
        bed.fwctl("b", "deny", "udp/9")
        cable.send_all("a", frames, "in")
        bed.fwctl("b", "detach", "eth0")
        bed.fwctl("b", "attach", "eth0", "--hook", "tc-in,tc-out")  # the state went with the last attachment
        for one in (every, dropped):
            assert one.wait() == 3
            assert one.notes()[-1] == "fwctl: nothing is attached any more"
        assert [one.comment.split(",")[0] for one in every.packets()] == [
            "pass default-allow", "pass default-allow", "drop rule-deny", "pass default-allow"]
        assert [one.bytes for one in dropped.packets()] == frames[:1]
        assert statistics(every.path) == {0: {RECEIVED: 4, LOST: 0, WRITTEN: 4}}
    bed.check("b", "ip", "link", "add", "other0", "type", "veth", "peer", "name", "other1")
    bed.fwctl("b", "attach", "other0", "--hook", "tc-in")
    with capture(bed, "b") as every:
        cable.send_all("a", frames, "in")
        bed.fwctl("b", "detach", "eth0")
        bed.fwctl("b", "attach", "eth0", "--mode", "generic")
        cable.send_all("a", frames, "in")
        assert every.end() == 0
        packets = every.packets()
        assert [one.bytes for one in packets] == frames * 2 and {one.interface for one in packets} == {"eth0"}
        assert [one.verdict[0] for one in packets] == ["tc", "tc", "xdp", "xdp"]
    until(lambda: rooms(bed) == 0)


def test_when_all_places_are_taken(cable, tmp_path):
    bed = cable.bed
    bed.fwctl("b", "attach", "eth0")
    path = tmp_path / "one.pcapng"
    path.write_text("what stood there")
    with captures(bed, "b", *[["-s", "100"]] * 16) as all_of_them:
        refused = bed.fwctl("b", "capture", "-w", path, expect=6)
        assert refused.stderr == "fwctl: 16 others listen to events already, and there is no room for more\n"
        assert path.read_text() == "what stood there"
        cable.send_all("a", [cable.udp(9)] * 20, "in")
        assert [one.end() for one in all_of_them] == [0] * 16
        assert {len(one.packets()) for one in all_of_them} == {20}
    assert rooms(bed) == 0
    # Whoever is killed is forgotten by the packets, and the next one has the place.
    with capture(bed, "b") as killed:
        killed.process.kill()
    until(lambda: not cable.send_all("a", [cable.udp(9)], "in") and heard_of(bed) == 0)


def heard_of(bed):
    """fw_control.heard."""
    (pin,) = [pin for pin in bed.pins("b") if pin.endswith("/control")]
    shown = json.loads(bed.check("b", "bpftool", "-j", "map", "dump", "pinned", pin))
    return int.from_bytes(bytes(int(byte, 16) for byte in shown[0]["value"][16:24]), "little")


def test_bad_usage(cable, tmp_path):
    bed = cable.bed
    path = tmp_path / "never.pcapng"
    refused = bed.fwctl("b", "capture", "-w", path, expect=3)
    assert refused.stderr == "fwctl: nothing is attached; start with: fwctl attach IF\n"
    bed.fwctl("b", "attach", "eth0")
    for words, says in {
        ("-w", path, "udp", "prot", "9"): 'fwctl: the filter "udp prot 9": can\'t parse filter expression: syntax error; see pcap-filter(7)\n',
        ("-w", path, "host", "nowhere.invalid"): 'the filter "host nowhere.invalid": ',
        ("-w", path, "inbound"): 'the filter "inbound": ', (): "--write", ("-w", path, "-s", 0): "--snaplen",
        ("-w", path, "-s", 65536): "--snaplen", ("-w", path, "-c", 0): "--count", ("-w", path, "--verdict", "deny"): "--verdict",
        ("-w", path, "--dropped", "--verdict", "pass"): "--dropped", ("-w", path, "--point", "here"): "--point",
        ("-w", path, "--json"): "a capture is pcapng, not JSON; see: fwctl monitor --json", ("-w", path, "--dry-run"): "--dry-run",
    }.items():
        done = bed.fwctl("b", "capture", *words, expect=2)
        assert done.stdout == "" and says in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert not path.exists() and heard_of(bed) == 0
    nowhere = tmp_path / "no" / "where"
    assert bed.fwctl("b", "capture", "-w", nowhere, expect=2).stderr == f"fwctl: cannot write to {nowhere}: No such file or directory\n"
    on_terminal = subprocess.run(["script", "-qec", f"{FWCTL} capture -w - --color never --netns {bed.name('b')}", "/dev/null"], capture_output=True,
                                 text=True, timeout=30)
    assert (on_terminal.returncode, on_terminal.stdout) == (
        2, "fwctl: a terminal shows no captures; give -w a file, or pipe into: tcpdump -r -\n")
