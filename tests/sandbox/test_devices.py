"""Devices that come, go, change their name or their namespace, and others who get in the way while fwctl is attached."""

import fcntl
import struct
import subprocess
import threading

import pytest

import netns
from conftest import FWCTL, KERNEL


def add_veth(bed, role, name, peer):
    bed.check(role, "ip", "link", "add", name, "type", "veth", "peer", "name", peer)
    bed.check(role, "ip", "link", "set", name, "up")
    bed.check(role, "ip", "link", "set", peer, "up")


def slots(bed, role):
    return {path.rsplit("-", 1)[1] for path in bed.pins(role) if "counters-" in path}


def test_a_new_device_under_an_old_name_is_another_attachment(testbed):
    bed = testbed("pair")
    add_veth(bed, "b", "v0", "v1")
    bed.fwctl("b", "attach", "v0", "--mode", "generic")
    first = bed.program_ids("b", "v0")
    bed.check("b", "ip", "link", "set", "v0", "down")
    bed.check("b", "ip", "link", "set", "v0", "name", "wan0")
    add_veth(bed, "b", "v0", "v2")
    assert bed.fwctl("b", "attach", "v0", "--mode", "generic").stdout.startswith("v0: attached, ")
    assert bed.program_ids("b", "wan0") == first, "the old device keeps its own"
    assert not set(bed.program_ids("b", "v0").values()) & set(first.values())
    bed.fwctl("b", "detach", "v0")
    assert bed.status("b", "wan0")["broken"] is None
    bed.fwctl("b", "detach", "--all")
    assert netns.leftovers(bed.name("b")) == []


def test_a_program_that_left_with_its_device_is_never_judged_by_the_rules_of_others(testbed):
    bed = testbed("pair")
    add_veth(bed, "b", "v0", "v1")
    bed.fwctl("b", "attach", "eth0")
    bed.fwctl("b", "attach", "v0", "--mode", "generic")
    before = slots(bed, "b")
    bed.check("b", "ip", "link", "set", "v0", "netns", bed.name("a"))
    assert "v0 is gone" in bed.status("b", "v0", expect=3)["broken"]
    bed.fwctl("b", "detach", "v0")
    (freed,) = before - slots(bed, "b")
    add_veth(bed, "b", "w0", "w1")
    bed.fwctl("b", "attach", "w0", "--mode", "generic")
    assert freed not in slots(bed, "b"), "its slot is not given to another attachment"
    bed.fwctl("b", "detach", "--all")


def test_the_ports_of_a_bridge_that_was_made_again_go_with_it(testbed):
    bed = testbed("pair")
    for name, peer in (("p1", "q1"), ("p2", "q2")):
        add_veth(bed, "b", name, peer)

    def make_bridge():
        bed.check("b", "ip", "link", "add", "br0", "type", "bridge")
        for port in ("p1", "p2"):
            bed.check("b", "ip", "link", "set", port, "master", "br0")

    make_bridge()
    bed.fwctl("b", "attach", "--isolate-peers", "br0")
    bed.check("b", "ip", "link", "del", "br0")
    make_bridge()
    bed.fwctl("b", "attach", "--isolate-peers", "br0")
    bed.fwctl("b", "detach", "br0")
    assert netns.leftovers(bed.name("b")) == []


def test_a_port_that_is_attached_by_name_is_filtered_both_ways(testbed):
    bed = testbed("bridge")
    bed.fwctl("fw", "attach", "--isolate-peers", "docker0")
    assert set(bed.status("fw", "vethweb")["hooks"]) == {"tc-in"}
    bed.fwctl("fw", "attach", "vethweb")
    assert set(bed.status("fw", "vethweb")["hooks"]) == {"tc-in", "tc-out"}
    bed.fwctl("fw", "deny", "icmp", "on", "vethweb", "out")
    assert not bed.pings("client", "172.17.0.2")
    bed.fwctl("fw", "detach", "docker0")
    assert bed.status("fw", "vethweb")["broken"] is None, "it is not a mere port of the bridge any more"


def test_who_looks_meanwhile_sees_the_old_or_the_new_state(testbed):
    bed = testbed("pair")
    stop = threading.Event()
    answers = []

    def look():
        while not stop.is_set():
            for verb in (["status"], ["counters"], ["rule", "list"]):
                done = subprocess.run([FWCTL, *verb, "--netns", bed.name("b")], capture_output=True, text=True, timeout=60)
                answers.append((done.returncode, done.stdout + done.stderr))

    watchers = [threading.Thread(target=look) for _ in range(2)]
    for watcher in watchers:
        watcher.start()
    for _ in range(15):
        bed.fwctl("b", "attach", "eth0")
        bed.fwctl("b", "deny", "icmp")
        bed.fwctl("b", "detach", "eth0")
    stop.set()
    for watcher in watchers:
        watcher.join()
    assert {code for code, _ in answers} == {0, 3}
    assert not [text for code, text in answers if "NOT FILTERED" in text or (code == 3 and "nothing is attached" not in text)]


PASSING = r"""
#include <linux/bpf.h>
#define SEC(name) __attribute__((section(name), used))
SEC("xdp") int others_xdp(struct xdp_md *ctx) { return XDP_PASS; }
SEC("tc") int others_tc(struct __sk_buff *ctx) { return 0; /* let it pass for good */ }
char others_license[] SEC("license") = "GPL";
"""


@pytest.fixture
def passing(tmp_path):
    target = tmp_path / "passing.o"
    subprocess.run(["clang", "-O2", "-g", "-target", "bpf", "-I/usr/include/x86_64-linux-gnu", "-x", "c", "-c", "-", "-o", target],
                   input=PASSING, text=True, check=True)
    return target


@pytest.mark.oldest
@pytest.mark.skipif(KERNEL >= (6, 6), reason="this kernel has TCX, which asks our link before any filter")
def test_a_filter_that_came_in_front_is_told(testbed, passing):
    bed = testbed("pair")
    bed.fwctl("b", "attach", "eth0")
    assert bed.status("b", "eth0")["warnings"] == []
    bed.check("b", "tc", "filter", "add", "dev", "eth0", "ingress", "prio", "1", "bpf", "da", "obj", passing, "sec", "tc")
    (warning,) = bed.status("b", "eth0")["warnings"]
    assert "another TC program is asked before ours at tc-in" in warning
    bed.fwctl("b", "detach", "eth0")
    assert "others_tc" in bed.check("b", "tc", "filter", "show", "dev", "eth0", "ingress"), "it is not ours to remove"


@pytest.mark.oldest
@pytest.mark.skipif(KERNEL >= (6, 6), reason="this kernel has TCX, which needs no qdisc")
def test_an_ingress_qdisc_in_the_way_is_a_conflict(testbed):
    bed = testbed("pair")
    bed.check("b", "tc", "qdisc", "add", "dev", "eth0", "ingress")
    refused = bed.fwctl("b", "attach", "eth0", expect=6)
    assert refused.stderr == "fwctl: eth0: an ingress qdisc that is not clsact is in the way (tc qdisc show)\n"
    assert "qdisc ingress" in bed.check("b", "tc", "qdisc", "show", "dev", "eth0")
    assert bed.pins("b") == []


def test_replacing_on_several_interfaces_is_all_or_none(testbed, passing):
    """The second program is in another mode than the one asked for: the first one must stay what it was."""
    bed = testbed("pair")
    for name, peer in (("v0", "w0"), ("v1", "w1")):
        add_veth(bed, "b", name, peer)
    bed.check("b", "ip", "link", "set", "dev", "v0", "xdpgeneric", "obj", passing, "sec", "xdp")
    bed.check("b", "ip", "link", "set", "dev", "v1", "xdpdrv", "obj", passing, "sec", "xdp")
    before = [line for line in bed.check("b", "ip", "link", "show").split("\n") if "xdp" in line]
    bed.fwctl("b", "attach", "v0", "v1", "--mode", "generic", "--replace", expect=6)
    assert [line for line in bed.check("b", "ip", "link", "show").split("\n") if "xdp" in line] == before
    assert bed.pins("b") == []


def test_replace_leaves_xdp_alone_where_the_attachment_is_by_tc(testbed, passing):
    bed = testbed("pair")
    bed.check("b", "ip", "link", "set", "dev", "eth0", "xdpgeneric", "obj", passing, "sec", "xdp")
    bed.fwctl("b", "attach", "eth0", "--replace")
    assert "others_xdp" in bed.check("b", "bpftool", "prog", "show"), "theirs runs on"
    bed.fwctl("b", "detach", "eth0")
    assert "xdpgeneric" in bed.check("b", "ip", "link", "show", "eth0")


def test_rules_go_on_holding_on_a_device_that_was_renamed(testbed):
    bed = testbed("pair")
    bed.fwctl("b", "attach", "eth0")
    bed.fwctl("b", "deny", "icmp", "on", "eth0")
    bed.check("b", "ip", "link", "set", "eth0", "name", "wan0")
    assert not bed.pings("a", "10.9.0.2")
    bed.fwctl("b", "deny", "tcp/1")
    assert not bed.pings("a", "10.9.0.2"), "an edit does not open what a rule has closed"
    assert bed.status("b", "wan0")["warnings"] == ["it is called wan0 now; rules know it as eth0"]
    bed.fwctl("b", "detach", "eth0")
    assert netns.leftovers(bed.name("b")) == []


def test_replace_is_said_once_and_not_remembered(testbed, passing):
    bed = testbed("pair")
    bed.fwctl("b", "attach", "eth0", "--mode", "generic", "--replace")
    bed.check("b", "ip", "link", "set", "dev", "eth0", "xdpgeneric", "off")
    bed.check("b", "ip", "link", "set", "dev", "eth0", "xdpgeneric", "obj", passing, "sec", "xdp")
    assert "another XDP program is attached: others_xdp" in bed.fwctl("b", "attach", "eth0", expect=6).stderr
    assert "others_xdp" in bed.check("b", "bpftool", "prog", "show")


def names(bed, role):
    return sorted(one["interface"] for one in bed.json(role, "status")["attachments"])


def test_attaching_a_renamed_device_by_its_new_name_takes_the_name(testbed):
    bed = testbed("pair")
    bed.fwctl("b", "attach", "eth0")
    bed.fwctl("b", "deny", "icmp", "on", "wan0")
    bed.check("b", "ip", "link", "set", "eth0", "name", "wan0")
    assert "it was called eth0: rules on eth0 do not hold here any more" in bed.fwctl("b", "attach", "wan0").stderr
    assert not bed.pings("a", "10.9.0.2")


def test_two_attached_devices_that_swapped_their_names(testbed):
    bed = testbed("pair")
    for name, peer in (("v0", "w0"), ("x0", "y0")):
        add_veth(bed, "b", name, peer)
    bed.fwctl("b", "attach", "v0", "x0")
    for old, new in (("v0", "tt"), ("x0", "v0"), ("tt", "x0")):
        bed.check("b", "ip", "link", "set", old, "name", new)
    bed.fwctl("b", "attach", "v0")
    assert names(bed, "b") == ["v0", "x0"]
    assert all(one["warnings"] == [] and one["broken"] is None for one in bed.json("b", "status")["attachments"])
    bed.fwctl("b", "detach", "--all")
    assert netns.leftovers(bed.name("b")) == []


def test_a_device_that_takes_the_name_of_a_dead_one(testbed):
    bed = testbed("pair")
    for name, peer in (("v0", "w0"), ("x0", "y0")):
        add_veth(bed, "b", name, peer)
    bed.fwctl("b", "attach", "v0", "x0")
    bed.check("b", "ip", "link", "del", "v0")
    bed.check("b", "ip", "link", "set", "x0", "name", "v0")
    bed.fwctl("b", "attach", "v0")
    assert names(bed, "b") == ["v0"]
    assert bed.status("b", "v0")["broken"] is None
    bed.fwctl("b", "detach", "--all")
    assert netns.leftovers(bed.name("b")) == []


def test_another_kind_of_device_under_an_old_name_is_read_as_what_it_is(testbed):
    bed = testbed("pair")
    add_veth(bed, "b", "v0", "v1")
    bed.fwctl("b", "attach", "v0")
    bed.fwctl("b", "deny", "icmp", "out")
    bed.check("b", "ip", "link", "del", "v0")
    bed.check("b", "ip", "tuntap", "add", "v0", "mode", "tun")
    bed.check("b", "ip", "addr", "add", "10.99.0.1/24", "dev", "v0")
    bed.check("b", "ip", "link", "set", "v0", "up")
    with open("/dev/net/tun", "rb+", buffering=0) as reader:  # gives the device a carrier
        with netns.inside(bed.name("b")):
            fcntl.ioctl(reader, 0x400454CA, struct.pack("16sH22x", b"v0", 0x1001))  # TUNSETIFF, IFF_TUN | IFF_NO_PI
        assert bed.fwctl("b", "attach", "v0").stdout.startswith("v0: repaired")
        bed.run("b", "ping", "-c", "1", "-W", "1", "10.99.0.2")
        assert bed.counters("b", "v0")[("out", "rule-deny")] >= 1
    bed.fwctl("b", "detach", "--all")
    assert netns.leftovers(bed.name("b")) == []


def test_a_device_with_the_index_of_one_that_was_moved_is_not_taken_for_it(testbed):
    bed = testbed("pair")
    bed.check("b", "ip", "link", "add", "v0", "index", "77", "type", "veth", "peer", "name", "v1")
    bed.fwctl("b", "attach", "v0")
    bed.check("b", "ip", "link", "set", "v0", "netns", bed.name("a"))
    bed.check("b", "ip", "link", "add", "v0", "index", "77", "type", "veth", "peer", "name", "v2")
    assert bed.status("b", "v0", expect=3)["broken"]
    assert bed.fwctl("b", "attach", "v0").stdout.startswith("v0: repaired")
    assert bed.status("b", "v0")["broken"] is None
    bed.fwctl("b", "detach", "--all")
    assert netns.leftovers(bed.name("b")) == []


def test_a_port_is_detached_behind_its_bridge(testbed):
    """The kernel takes no XDP program off a port while the bridge above it has one: no order of the two may get stuck."""
    bed = testbed("pair")
    add_veth(bed, "b", "v0", "v1")
    bed.check("b", "ip", "link", "add", "name", "br0", "type", "bridge")
    bed.check("b", "ip", "link", "set", "v0", "master", "br0")
    for interface in ("v0", "br0"):
        bed.fwctl("b", "attach", interface, "--mode", "generic")
    bed.fwctl("b", "detach", "--all")
    assert netns.leftovers(bed.name("b")) == []

    for interface in ("v0", "br0"):
        bed.fwctl("b", "attach", interface, "--mode", "generic")
    assert bed.fwctl("b", "detach", "v0", expect=1).stderr == \
        "fwctl: v0: cannot detach from XDP while an interface above it, a VLAN or a bridge, has an XDP program\n"
    assert bed.attached("b") == {"br0"}
    bed.fwctl("b", "attach", "v1", "--mode", "generic")
    bed.fwctl("b", "deny", "icmp")
    bed.fwctl("b", "detach", "v1")
    bed.fwctl("b", "detach", "br0")
    assert netns.leftovers(bed.name("b")) == []
