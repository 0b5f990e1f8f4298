"""fwctl and the programs of others on one interface: what it shows agrees with their tools, and what is theirs stays.

The others' programs are compiled here. Each counts the packets that it sees, so that a test can tell that it runs.
"""

import ctypes
import json
import re
import socket
import subprocess
import threading

import pytest

import netns
from conftest import KERNEL, extensions_refused, until

OTHERS = r"""
#include <linux/bpf.h>
#include <linux/in.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
} others_count SEC(".maps");

static void count(void)
{
    __u32 first = 0;
    __u64 *seen = bpf_map_lookup_elem(&others_count, &first);

    if (seen)
        __sync_fetch_and_add(seen, 1);
}

SEC("xdp")
int others_xdp(struct xdp_md *ctx)
{
    unsigned char *frame = (void *)(long)ctx->data;

    count();
    if ((void *)(frame + 24) > (void *)(long)ctx->data_end)
        return XDP_PASS;
    return DROPS_UDP && frame[12] == 8 && frame[13] == 0 && frame[23] == IPPROTO_UDP ? XDP_DROP : XDP_PASS;
}

SEC("tc")
int others_tc(struct __sk_buff *ctx)
{
    count();
    return -1; /* the next one decides */
}

char others_license[] SEC("license") = "GPL";
"""

BPF_SYSCALL = 321  # x86-64
BPF_OBJ_GET, BPF_LINK_CREATE = 7, 28
TCX_INGRESS = 46
BPF_F_BEFORE = 1 << 3

needs_tcx = pytest.mark.skipif(KERNEL < (6, 6), reason="this kernel has no TCX (Linux 6.6)")


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """others("pass") and others("drop-udp") are object files with one XDP and one TC program each."""
    directory = tmp_path_factory.mktemp("others")

    def compiled(name):
        target = directory / f"{name}.o"
        if not target.exists():
            subprocess.run(["clang", "-O2", "-g", "-target", "bpf", "-I/usr/include/x86_64-linux-gnu",
                            f"-DDROPS_UDP={int(name == 'drop-udp')}", "-x", "c", "-c", "-", "-o", target],
                           input=OTHERS, text=True, check=True)
        return target

    return compiled


def bpftool(*words):
    return json.loads(subprocess.run(["bpftool", "-j", *map(str, words)], check=True, capture_output=True).stdout)


def seen_by(program_id):
    """How many packets a program of others has counted."""
    (others_count,) = bpftool("prog", "show", "id", program_id)["map_ids"]
    return bpftool("map", "dump", "id", others_count)[0]["formatted"]["value"]


def xdp_loaded(bed, role, interface):
    """[(program name, id)] that xdp-loader shows on an interface: the dispatcher first, where there is one."""
    rows = {}
    device = None
    for line in bed.check(role, "xdp-loader", "status").split("\n"):
        if line and not line.startswith(" =>"):
            device = line.split()[0]
        if found := re.search(r"(\w+) +(?:(?:native|skb) +)?(\d+) +[0-9a-f]{16}", line):
            rows.setdefault(device, []).append((found[1], int(found[2])))
    return rows.get(interface, [])


def load_beside(bed, role, interface, mode, path):
    """Loads the XDP program of others through libxdp's dispatcher, and returns its id."""
    bed.check(role, "xdp-loader", "load", "-m", mode, "-n", "others_xdp", interface, path)
    return dict(xdp_loaded(bed, role, interface))["others_xdp"]


def xdp_of(bed, role, interface):
    """What `ip -d link` says of XDP on an interface, or None: its mode and the program's id and name."""
    (link,) = json.loads(bed.check(role, "ip", "-json", "-details", "link", "show", interface))
    if "prog" not in link.get("xdp", {}):
        return None
    mode = {1: "native", 2: "generic"}[link["xdp"]["mode"]]
    return mode, link["xdp"]["prog"]["id"], link["xdp"]["prog"]["name"]


def put_bare(bed, role, interface, keyword, path):
    """Attaches the XDP program of others alone, without dispatcher, and returns its id."""
    bed.check(role, "ip", "link", "set", "dev", interface, keyword, "obj", path, "section", "xdp")
    return xdp_of(bed, role, interface)[1]


# --- what is shown --------------------------------------------------------------------------------


@pytest.mark.parametrize("topology, role, interface, mode, asked", [
    pytest.param("bridge", "fw", "docker0", "generic", [], id="docker0"),
    pytest.param("pair", "a", "eth0", "native", ["--mode", "native"], id="native"),
    pytest.param("pair", "a", "eth0", "generic", ["--mode", "generic"], id="generic"),
])
def test_ip_bpftool_and_xdp_loader_agree_with_status(testbed, topology, role, interface, mode, asked):
    bed = testbed(topology)
    bed.fwctl(role, "attach", interface, *asked)
    xdp, tc_out = (bed.status(role, interface)["hooks"][hook] for hook in ("xdp", "tc-out"))
    shared = extensions_refused() is None
    assert (xdp["mode"], xdp["shared"]) == (mode, shared)

    loaded = xdp_loaded(bed, role, interface)
    assert loaded[-1] == ("fwctl_xdp", xdp["program_id"])
    assert len(loaded) == (2 if shared else 1)
    assert xdp_of(bed, role, interface)[:2] == (mode, loaded[0][1])
    (net,) = json.loads(bed.check(role, "bpftool", "-j", "net"))
    assert [(row["devname"], row["mode"], row["id"]) for row in net["xdp"]] == \
        [(interface, {"native": "driver"}.get(mode, mode), loaded[0][1])]
    if tc_out["via"] == "clsact":
        assert [(row["devname"], row["id"]) for row in net["tc"]] == [(interface, tc_out["program_id"])]
    else:
        assert (interface, "tcx-out", [tc_out["program_id"]]) in netns.hooked(bed.name(role))

    said = bed.fwctl(role, "status", "--wide").stdout.split("\n")
    (row,) = [line for line in said if line.startswith(interface)]
    assert f"XDP {mode}, {'shared' if shared else 'alone'}" in row
    assert row.endswith(f"xdp={xdp['program_id']} tc-out={tc_out['program_id']}")


# --- a program that does not share ----------------------------------------------------------------

OCCUPIED = [
    pytest.param("bridge", "fw", "docker0", "xdpgeneric", [], id="docker0"),
    pytest.param("pair", "a", "eth0", "xdp", ["--mode", "native"], id="native"),
    pytest.param("pair", "a", "eth0", "xdpgeneric", ["--mode", "generic"], id="generic"),
    pytest.param("pair", "a", "eth0", "xdp", ["--mode", "generic"], id="native-generic-asked"),
]


@pytest.mark.parametrize("topology, role, interface, keyword, asked", OCCUPIED)
def test_a_program_of_others_is_named_and_left_alone(testbed, others, topology, role, interface, keyword, asked):
    bed = testbed(topology)
    theirs = put_bare(bed, role, interface, keyword, others("pass"))
    before = bed.traces(role)
    refused = bed.fwctl(role, "attach", interface, *asked, expect=6)
    assert refused.stdout == ""
    assert refused.stderr == f"fwctl: {interface}: another XDP program is attached: others_xdp (id {theirs}); " \
        "--replace puts fwctl in its place\n"
    assert bed.traces(role) == before
    bed.fwctl(role, "status", expect=3)


@pytest.mark.parametrize("topology, role, interface, keyword, asked", OCCUPIED[:3])
def test_replace_takes_the_place_of_others(testbed, others, topology, role, interface, keyword, asked):
    bed = testbed(topology)
    before = bed.traces(role)
    theirs = put_bare(bed, role, interface, keyword, others("pass"))
    bed.fwctl(role, "attach", interface, *asked, "--replace")
    mode, there, name = xdp_of(bed, role, interface)
    ours = bed.status(role, interface)["hooks"]["xdp"]
    assert ours["present"] and ours["mode"] == mode == ("native" if keyword == "xdp" else "generic")
    assert theirs not in (there, ours["program_id"])
    assert name != "others_xdp"
    bed.fwctl(role, "detach", interface)
    assert bed.traces(role) == before


def test_nothing_passes_while_a_program_is_replaced(testbed, others):
    """Theirs drops UDP, our rule drops UDP, and a stream of it runs while ours takes the place of theirs."""
    bed = testbed("pair")
    bed.fwctl("b", "attach", "lo")  # so that there can be a rule
    bed.fwctl("b", "deny", "udp/9")
    theirs = put_bare(bed, "b", "eth0", "xdp", others("drop-udp"))
    with stream_of_udp(bed, "a", ("10.9.0.2", 9)):
        until(lambda: seen_by(theirs) > 1000)
        bed.fwctl("b", "attach", "eth0", "--mode", "native", "--replace")
        until(lambda: bed.rule_packets("b", "deny-udp/9") > 1000)
    assert bed.counters("b", "eth0")["in", "rule-deny"] > 1000
    assert udp_received(bed, "b") == 0


class stream_of_udp:
    """Sends small datagrams from a role as fast as it can, a bounded number of them, while the block runs."""

    def __init__(self, bed, role, address):
        with netns.inside(bed.name(role)):
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.address = address
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.send)

    def send(self):
        for _ in range(3_000_000):
            if self.ended.is_set():
                return
            self.socket.sendto(b"x", self.address)

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
        self.socket.close()


def udp_received(bed, role):
    """Datagrams that have reached the role's UDP, with a listener or without."""
    names, values = [line.split()[1:] for line in bed.check(role, "cat", "/proc/net/snmp").split("\n")
                     if line.startswith("Udp:")]
    counts = dict(zip(names, map(int, values)))
    return counts["InDatagrams"] + counts["NoPorts"] + counts["InErrors"]


# --- sharing by libxdp's dispatcher ---------------------------------------------------------------


def assert_both_run(bed, theirs):
    """Our rule drops ping on b's eth0, and the program of others sees what ours lets pass, such as ping6."""
    assert xdp_of(bed, "b", "eth0")[2] == "xdp_dispatcher"
    loaded = {program_id for _, program_id in xdp_loaded(bed, "b", "eth0")}
    assert loaded >= {theirs, bed.program_ids("b", "eth0")["xdp"]}
    seen = seen_by(theirs)
    dropped = bed.rule_packets("b", "deny-icmp")
    assert bed.ping_fails("a", "10.9.0.2")
    assert bed.rule_packets("b", "deny-icmp") == dropped + 1
    assert bed.pings("a", "fd00:9::2")
    assert seen_by(theirs) > seen


@pytest.fixture
def extensions():
    """Debian's 6.1 has extension programs, so there nothing may be skipped."""
    refused = extensions_refused()
    if refused and KERNEL != (6, 1):
        pytest.skip(f"doctor: {refused}; tested on 6.1")
    assert not refused


@pytest.mark.oldest
def test_fwctl_joins_a_program_of_others_and_leaves_it(testbed, others, extensions):
    bed = testbed("pair")
    theirs = load_beside(bed, "b", "eth0", "native", others("pass"))
    bed.fwctl("b", "attach", "eth0", "--mode", "native")
    bed.fwctl("b", "deny", "icmp")
    assert_both_run(bed, theirs)
    bed.fwctl("b", "detach", "eth0")
    assert dict(xdp_loaded(bed, "b", "eth0"))["others_xdp"] == theirs
    seen = seen_by(theirs)
    assert bed.pings("a", "10.9.0.2")
    assert seen_by(theirs) > seen


@pytest.mark.oldest
def test_others_join_fwctl_and_leave_it(testbed, others, extensions):
    bed = testbed("pair")
    before = bed.traces("b")
    bed.fwctl("b", "attach", "eth0", "--mode", "native")
    bed.fwctl("b", "deny", "icmp")
    theirs = load_beside(bed, "b", "eth0", "native", others("pass"))
    assert_both_run(bed, theirs)
    bed.check("b", "xdp-loader", "unload", "eth0", "-i", theirs)
    assert bed.status("b", "eth0")["broken"] is None
    assert bed.ping_fails("a", "10.9.0.2")
    bed.fwctl("b", "detach", "eth0")
    assert bed.pings("a", "10.9.0.2")
    assert bed.traces("b") == before


# --- TC -------------------------------------------------------------------------------------------


def clsact_programs(bed, role):
    """[(hook, program id)] of the filters on clsact."""
    (net,) = json.loads(bed.check(role, "bpftool", "-j", "net"))
    return [(row["kind"], row["id"]) for row in net["tc"]]


@pytest.mark.oldest
def test_filters_of_others_on_clsact_stay(testbed, others):
    bed = testbed("pair")
    bed.check("b", "tc", "qdisc", "add", "dev", "eth0", "clsact")
    bed.check("b", "tc", "filter", "add", "dev", "eth0", "ingress", "bpf", "direct-action",
              "object-file", others("pass"), "section", "tc")
    ((_, theirs),) = clsact_programs(bed, "b")
    before = bed.traces("b")
    bed.fwctl("b", "attach", "eth0", "--hook", "tc-in,tc-out")
    bed.fwctl("b", "deny", "icmp")
    seen = seen_by(theirs)
    assert bed.pings("a", "fd00:9::2")
    assert seen_by(theirs) > seen
    assert bed.ping_fails("a", "10.9.0.2")
    assert bed.rule_packets("b", "deny-icmp") == 1
    bed.fwctl("b", "detach", "eth0")
    assert bed.traces("b") == before
    seen = seen_by(theirs)
    assert bed.pings("a", "10.9.0.2")
    assert seen_by(theirs) > seen


@pytest.mark.parametrize("mode", [["--mode", "native"], ["--hook", "tc-in,tc-out"]])
def test_an_empty_clsact_qdisc_that_was_there_stays(testbed, mode):
    bed = testbed("pair")
    bed.check("b", "tc", "qdisc", "add", "dev", "eth0", "clsact")
    before = bed.traces("b")
    bed.fwctl("b", "attach", "eth0", *mode)
    bed.fwctl("b", "detach", "eth0")
    assert bed.traces("b") == before
    assert "clsact" in bed.check("b", "tc", "qdisc", "show", "dev", "eth0")


class PinnedPath(ctypes.Structure):  # union bpf_attr, for BPF_OBJ_GET
    _fields_ = [("path", ctypes.c_char_p), ("fd", ctypes.c_uint32), ("flags", ctypes.c_uint32)]


class LinkCreate(ctypes.Structure):  # union bpf_attr, for BPF_LINK_CREATE
    _fields_ = [("program", ctypes.c_uint32), ("ifindex", ctypes.c_uint32), ("attach_type", ctypes.c_uint32),
                ("flags", ctypes.c_uint32), ("rest", ctypes.c_uint8 * 48)]


def bpf(command, attributes):
    done = netns.libc.syscall(BPF_SYSCALL, command, ctypes.byref(attributes), ctypes.sizeof(attributes))
    assert done >= 0, f"bpf({command}): errno {ctypes.get_errno()}"
    return done


@pytest.fixture
def pinned(others, tmp_path):
    """The TC program of others, pinned: its path and id."""
    directory = f"/sys/fs/bpf/{tmp_path.name}"
    path = f"{directory}/others_tc"
    subprocess.run(["bpftool", "prog", "loadall", others("pass"), directory], check=True)
    yield path, bpftool("prog", "show", "pinned", path)["id"]
    subprocess.run(["rm", "-rf", directory], check=True)


@needs_tcx
def test_a_tcx_program_of_others_stays(testbed, pinned):
    path, theirs = pinned
    bed = testbed("pair")
    with netns.inside(bed.name("b")):
        program = bpf(BPF_OBJ_GET, PinnedPath(path.encode()))
        link = open(bpf(BPF_LINK_CREATE, LinkCreate(program, socket.if_nametoindex("eth0"), TCX_INGRESS)), "rb")
    with open(program, "rb"), link:
        before = bed.traces("b")
        assert ("eth0", "tcx-in", [theirs]) in netns.hooked(bed.name("b"))
        bed.fwctl("b", "attach", "eth0", "--hook", "tc-in,tc-out")
        bed.fwctl("b", "deny", "icmp")
        seen = seen_by(theirs)
        assert bed.pings("a", "fd00:9::2")
        assert seen_by(theirs) > seen
        assert bed.ping_fails("a", "10.9.0.2")
        bed.fwctl("b", "detach", "eth0")
        assert bed.traces("b") == before
        seen = seen_by(theirs)
        assert bed.pings("a", "10.9.0.2")
        assert seen_by(theirs) > seen


@needs_tcx
def test_attach_takes_the_first_place_of_tcx_again(testbed, pinned):
    path, theirs = pinned
    bed = testbed("pair")
    bed.fwctl("b", "attach", "eth0", "--hook", "tc-in,tc-out")
    bed.fwctl("b", "deny", "icmp")
    with netns.inside(bed.name("b")):
        program = bpf(BPF_OBJ_GET, PinnedPath(path.encode()))
        attributes = LinkCreate(program, socket.if_nametoindex("eth0"), TCX_INGRESS, BPF_F_BEFORE)
        link = open(bpf(BPF_LINK_CREATE, attributes), "rb")
    with open(program, "rb"), link:
        (warning,) = bed.status("b", "eth0")["warnings"]
        assert warning.endswith("to be the first again: fwctl attach eth0")
        assert bed.fwctl("b", "attach", "eth0").stdout.startswith("eth0: repaired, ")
        assert bed.status("b", "eth0")["warnings"] == []
        ours = bed.program_ids("b", "eth0")["tc-in"]
        assert ("eth0", "tcx-in", [ours, theirs]) in netns.hooked(bed.name("b"))
        assert bed.ping_fails("a", "10.9.0.2"), "the rules are still there"
        bed.fwctl("b", "detach", "eth0")
        assert bed.pins("b") == []
