"""Attaching and what happens around it: twice, by pattern, at once, undone, repaired."""

import contextlib
import fcntl
import os
import pathlib
import select
import signal
import socket
import struct
import subprocess

import pytest

import netns
from conftest import FWCTL, KERNEL, MODES, program_exists, until

WEB, B = "172.17.0.2", "10.9.0.2"

# --- attaching ------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_attaching_twice_changes_nothing(testbed, mode):
    bed = testbed("pair")
    bed.fwctl("b", "attach", "eth0", *mode)
    bed.fwctl("b", "deny", "icmp")
    before = bed.traces("b")
    for again in ([], mode):
        said = bed.fwctl("b", "attach", "eth0", *again)
        assert said.stdout.startswith("eth0: already attached, in by ")
        assert bed.traces("b") == before
    assert bed.rule_names("b") == ["deny-icmp"]
    assert bed.ping_fails("a", B)


@pytest.mark.parametrize("first, other", [
    (["--mode", "native"], ["--mode", "generic"]),
    (["--mode", "generic"], ["--mode", "native"]),
    (["--hook", "tc-in,tc-out"], ["--hook", "xdp,tc-out"]),
    (["--hook", "tc-in,tc-out"], ["--mode", "native"]),
])
def test_attaching_otherwise_asks_for_a_detach(testbed, first, other):
    bed = testbed("pair")
    bed.fwctl("b", "attach", "eth0", *first)
    before = bed.traces("b")
    refused = bed.fwctl("b", "attach", "eth0", *other, expect=6)
    assert refused.stderr.endswith("; to change that: fwctl detach eth0\n")
    assert refused.stderr.count("\n") == 1
    assert bed.traces("b") == before


def test_a_pattern_attaches_all_that_match(testbed):
    bed = testbed("bridge")
    before = bed.traces("fw")
    bed.fwctl("fw", "attach", "veth*")
    assert bed.attached("fw") == {"vethweb", "vethclient"}
    bed.fwctl("fw", "attach", "?th0")
    assert bed.attached("fw") == {"vethweb", "vethclient", "eth0"}
    bed.fwctl("fw", "detach", "veth*")
    assert bed.attached("fw") == {"eth0"}
    bed.fwctl("fw", "detach", "--all")
    assert bed.traces("fw") == before


def test_a_pattern_that_matches_nothing_is_an_error(testbed):
    bed = testbed("pair")
    before = bed.traces("b")
    refused = bed.fwctl("b", "attach", "wlan*", expect=1)
    assert refused.stderr == 'fwctl: no interface matches "wlan*"\n'
    assert bed.traces("b") == before


def test_all_interfaces_or_none(testbed):
    bed = testbed("bridge")
    before = bed.traces("fw")
    assert bed.fwctl("fw", "attach", "docker0", "wlan0", expect=1).stderr == 'fwctl: there is no interface "wlan0"\n'
    assert bed.traces("fw") == before
    bed.fwctl("fw", "attach", "eth0")
    before = bed.traces("fw")
    bed.fwctl("fw", "attach", "docker0", "eth0", "wlan0", expect=1)
    assert bed.traces("fw") == before
    # Refused only when docker0 has been prepared already: eth0 is attached in another way.
    bed.fwctl("fw", "attach", "docker0", "eth0", "--mode", "generic", expect=6)
    assert bed.traces("fw") == before
    assert bed.attached("fw") == {"eth0"}


def test_a_device_that_refuses_takes_the_others_back_with_it(testbed):
    """docker0 cannot have native XDP, and by then eth0 has it."""
    bed = testbed("bridge")
    before = bed.traces("fw")
    refused = bed.fwctl("fw", "attach", "eth0", "docker0", "--mode", "native", expect=1)
    assert refused.stderr.startswith("fwctl: docker0: native XDP: ") and refused.stderr.count("\n") == 1
    assert bed.traces("fw") == before


# --- bridges --------------------------------------------------------------------------------------


def test_isolate_peers_filters_between_containers(testbed):
    bed = testbed("bridge")
    before = bed.traces("fw")
    bed.fwctl("fw", "attach", "docker0")
    bed.fwctl("fw", "deny", "icmp")
    assert bed.pings("client", WEB)  # the bridge passes it from port to port
    (warning,) = bed.status("fw", "docker0")["warnings"]
    assert warning == "traffic between its ports (vethweb, vethclient) does not pass here; to filter it, too: " \
        "fwctl attach --isolate-peers docker0"
    assert warning in bed.fwctl("fw", "status").stdout

    bed.fwctl("fw", "attach", "--isolate-peers", "docker0")
    assert bed.attached("fw") == {"docker0", "vethweb", "vethclient"}
    assert bed.status("fw", "docker0")["warnings"] == []
    assert bed.ping_fails("client", WEB)
    assert bed.counters("fw", "vethclient")["in", "rule-deny"] == 1
    assert bed.curls("client", WEB) == "hello from web\n"
    assert bed.ping_fails("fw", WEB)
    assert bed.curls("outside", WEB) == "hello from web\n"

    bed.fwctl("fw", "detach", "docker0")
    assert bed.pings("client", WEB)
    assert bed.traces("fw") == before


def test_status_warns_of_ports_that_come_later(testbed):
    bed = testbed("bridge")
    bed.fwctl("fw", "attach", "--isolate-peers", "docker0")
    bed.check("fw", "ip", "link", "add", "vethlate", "type", "veth", "peer", "name", "late")
    bed.check("fw", "ip", "link", "set", "vethlate", "master", "docker0", "up")
    (warning,) = bed.status("fw", "docker0")["warnings"]
    assert warning == "new ports are not filtered among each other yet: vethlate; again: " \
        "fwctl attach --isolate-peers docker0"
    bed.fwctl("fw", "attach", "--isolate-peers", "docker0")
    assert bed.status("fw", "docker0")["warnings"] == []
    assert "vethlate" in bed.attached("fw")


def test_isolate_peers_is_for_bridges(testbed):
    bed = testbed("pair")
    refused = bed.fwctl("b", "attach", "--isolate-peers", "eth0", expect=2)
    assert refused.stderr == "fwctl: --isolate-peers is for bridges, and eth0 is none\n"
    assert bed.pins("b") == []


# --- what goes missing ----------------------------------------------------------------------------


def make_docker0(bed):
    for line in ("link add docker0 address 02:42:ac:11:00:01 type bridge", "link set vethweb master docker0",
                 "link set vethclient master docker0", "link set docker0 up", "address add 172.17.0.1/16 dev docker0",
                 "address add fd00:17::1/64 dev docker0 nodad"):
        bed.check("fw", "ip", *line.split())


def test_a_bridge_that_was_made_again_is_repaired_by_attach(testbed):
    bed = testbed("bridge")
    bed.fwctl("fw", "attach", "docker0")
    bed.fwctl("fw", "deny", "icmp")
    bed.check("fw", "ip", "link", "delete", "docker0")
    assert bed.status("fw", "docker0", expect=3)["broken"].startswith("docker0 is gone: nothing is filtered; ")
    make_docker0(bed)
    until(lambda: bed.curls("fw", WEB))
    assert bed.pings("fw", WEB)
    broken = "docker0 was deleted and made again: nothing is filtered; repair: fwctl attach docker0"
    assert bed.status("fw", "docker0", expect=3)["broken"] == broken
    assert f"NOT FILTERED: {broken}\n" in bed.fwctl("fw", "status", expect=3).stdout
    bed.fwctl("fw", "doctor", expect=3)

    assert bed.fwctl("fw", "attach", "docker0").stdout.startswith("docker0: repaired, ")
    assert bed.status("fw", "docker0")["broken"] is None
    assert bed.ping_fails("fw", WEB)
    assert bed.curls("fw", WEB) == "hello from web\n"
    bed.fwctl("fw", "detach", "docker0")
    assert bed.pings("fw", WEB)
    assert bed.pins("fw") == []


@pytest.mark.parametrize("mode", MODES)
def test_a_device_that_is_gone_can_be_detached(testbed, mode):
    bed = testbed("pair")
    bed.check("b", "ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1")
    bed.fwctl("b", "attach", "v0", *mode)
    bed.check("b", "ip", "link", "delete", "v0")
    bed.fwctl("b", "status", expect=3)
    bed.fwctl("b", "detach", "v0")
    assert bed.pins("b") == []


@pytest.mark.parametrize("mode, taken_off", [
    (["--mode", "native"], ["ip", "link", "set", "dev", "eth0", "xdp", "off"]),
    (["--mode", "generic"], ["ip", "link", "set", "dev", "eth0", "xdpgeneric", "off"]),
])
def test_an_xdp_program_that_someone_took_off_is_put_back_by_attach(testbed, mode, taken_off):
    bed = testbed("pair")
    bed.fwctl("b", "attach", "eth0", *mode)
    bed.fwctl("b", "deny", "icmp", "in")
    assert bed.ping_fails("a", B)
    bed.check("b", *taken_off)
    assert bed.pings("a", B)
    broken = "its xdp program is gone: what comes in is not filtered; repair: fwctl attach eth0"
    status = bed.status("b", "eth0", expect=3)
    assert (status["broken"], status["hooks"]["xdp"]["present"]) == (broken, False)
    assert "MISSING" in bed.fwctl("b", "status", expect=3).stdout

    assert bed.fwctl("b", "attach", "eth0").stdout.startswith(f"eth0: repaired, in by XDP {mode[1]}, ")
    assert bed.status("b", "eth0")["broken"] is None
    assert bed.ping_fails("a", B)


def test_an_interface_that_is_renamed_stays_attached(testbed):
    bed = testbed("pair")
    bed.check("b", "ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1")
    bed.fwctl("b", "attach", "v0", "--mode", "native")
    programs = bed.program_ids("b", "v0")
    bed.check("b", "ip", "link", "set", "v0", "name", "wan0")
    assert "wan0" in bed.fwctl("b", "status").stdout
    assert bed.fwctl("b", "attach", "wan0").stdout.startswith("wan0: already attached, ")
    assert bed.program_ids("b", "wan0") == programs
    bed.fwctl("b", "detach", "wan0")
    assert netns.leftovers(bed.name("b")) == []


# --- without a process ----------------------------------------------------------------------------


def processes_inside(bed, role):
    """The names of the processes in the role's network namespace."""
    space = os.stat(f"/run/netns/{bed.name(role)}").st_ino
    names = set()
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "ns/net").stat().st_ino == space:
                names.add((process / "comm").read_text().strip())
    return names


def test_filtering_needs_no_process(testbed):
    bed = testbed("pair")
    bed.fwctl("b", "attach", "eth0", "--mode", "native")
    bed.fwctl("b", "deny", "icmp")
    assert processes_inside(bed, "b") == {"nginx"}
    assert bed.ping_fails("a", B)
    assert bed.curls("a", B) == "hello from b\n"


def test_filtering_survives_a_killed_command(testbed):
    bed = testbed("pair")
    bed.fwctl("b", "attach", "eth0")
    bed.fwctl("b", "deny", "icmp")
    before = bed.traces("b")
    for milliseconds in range(1, 21):
        deny = [FWCTL, "deny", "tcp/9999", "--netns", bed.name("b")]
        killed = subprocess.run(["timeout", "-s", "KILL", f"0.{milliseconds:03}", *deny], capture_output=True)
        assert killed.returncode in (0, -signal.SIGKILL, 128 + signal.SIGKILL)
        assert bed.rule_names("b") in (["deny-icmp"], ["deny-icmp", "deny-tcp/9999"])
        bed.fwctl("b", "allow", "udp/1")
        bed.fwctl("b", "rule", "remove", *[name for name in bed.rule_names("b") if name != "deny-icmp"])
    assert bed.ping_fails("a", B)
    assert bed.traces("b") == before


def test_twenty_commands_at_once_all_take_effect(testbed):
    bed = testbed("pair")
    bed.fwctl("b", "attach", "eth0")
    ports = range(10001, 10021)
    commands = [subprocess.Popen([FWCTL, "deny", f"tcp/{port}", "--netns", bed.name("b")], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True) for port in ports]
    ended = [(command.communicate(timeout=60), command.returncode) for command in commands]
    assert [end for end in ended if end[1] != 0] == []
    assert sorted(bed.rules("b")) == [f"deny-tcp/{port}" for port in ports]


def test_attaching_from_twenty_processes_at_once_attaches_once(testbed):
    bed = testbed("pair")
    commands = [subprocess.Popen([FWCTL, "attach", "eth0", "--netns", bed.name("b")], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True) for _ in range(20)]
    said = [command.communicate(timeout=60) for command in commands]
    assert [command.returncode for command in commands] == [0] * 20, said
    assert sum(out.startswith("eth0: attached") for out, _ in said) == 1
    assert sum(out.startswith("eth0: already attached") for out, _ in said) == 19
    tcx = [programs for _, hook, programs in netns.hooked(bed.name("b")) if hook.startswith("tcx")]
    assert [len(programs) for programs in tcx] == ([1, 1] if KERNEL >= (6, 6) else [])
    bed.fwctl("b", "detach", "eth0")
    assert netns.leftovers(bed.name("b")) == []


def test_programs_are_gone_after_detach(testbed):
    bed = testbed("bridge")
    bed.fwctl("fw", "attach", "--isolate-peers", "docker0")
    programs = [number for name in bed.attached("fw") for number in bed.program_ids("fw", name).values()]
    assert len(programs) == 4 and all(map(program_exists, programs))
    bed.fwctl("fw", "detach", "docker0")
    until(lambda: not any(map(program_exists, programs)))


# --- devices without Ethernet ---------------------------------------------------------------------

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
HERE, BEYOND = "10.99.0.1", "10.99.0.2"


class Tunnel:
    """tun0 in a role's namespace; this end of it plays the network beyond."""

    def __init__(self, bed, role):
        bed.check(role, "ip", "tuntap", "add", "dev", "tun0", "mode", "tun")
        with netns.inside(bed.name(role)):
            self.device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(self.device, TUNSETIFF, struct.pack("16sH22x", b"tun0", IFF_TUN | IFF_NO_PI))
        bed.check(role, "ip", "address", "add", f"{HERE}/24", "dev", "tun0")
        bed.check(role, "ip", "link", "set", "tun0", "up")

    def send(self, packet):
        os.write(self.device, bytes(packet))

    def receives(self, wanted, bound=10):
        """Whether a packet comes out for which wanted() is true; it stops waiting after the bound."""
        from scapy.layers.inet import IP  # slow to import, and only needed here

        while select.select([self.device], [], [], bound)[0]:
            data = os.read(self.device, 65536)
            if data[0] >> 4 == 4 and wanted(IP(data)):
                return True
        return False

    def close(self):
        os.close(self.device)


@pytest.mark.parametrize("mode", [pytest.param([], id="auto"), *MODES[1:]])
def test_a_tunnel_without_ethernet_is_filtered(testbed, mode):
    from scapy.layers.inet import ICMP, IP, UDP

    def is_echo(kind):
        return lambda packet: ICMP in packet and packet[ICMP].type == kind

    bed = testbed("pair")
    request = IP(src=BEYOND, dst=HERE) / ICMP(type=8, id=1, seq=1) / b"ping"
    with contextlib.closing(Tunnel(bed, "b")) as tunnel:
        with netns.inside(bed.name("b")):
            listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            listener.bind((HERE, 5000))
            listener.settimeout(10)
        with listener:
            bed.fwctl("b", "attach", "tun0", *mode)
            tunnel.send(request)
            assert tunnel.receives(is_echo(0))
            assert bed.ping_fails("b", BEYOND)  # nobody answers, but the request comes out
            assert tunnel.receives(is_echo(8))

            bed.fwctl("b", "deny", "icmp")
            tunnel.send(request)
            assert not tunnel.receives(is_echo(0), bound=0.3)
            assert bed.counters("b", "tun0")["in", "rule-deny"] == 1
            assert bed.ping_fails("b", BEYOND)
            assert not tunnel.receives(is_echo(8), bound=0.3)
            assert bed.counters("b", "tun0")["out", "rule-deny"] > 0

            tunnel.send(IP(src=BEYOND, dst=HERE) / UDP(sport=5000, dport=5000) / b"passes")
            assert listener.recv(100) == b"passes"
            listener.sendto(b"answer", (BEYOND, 5000))
            assert tunnel.receives(lambda packet: UDP in packet and bytes(packet[UDP].payload) == b"answer")
        reasons = {reason for _, reason in bed.counters("b", "tun0")}
        assert reasons <= {"default-allow", "rule-allow", "rule-deny"}  # nothing was taken for malformed
        bed.fwctl("b", "detach", "tun0")
        tunnel.send(request)
        assert tunnel.receives(is_echo(0))
