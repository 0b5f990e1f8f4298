"""A network namespace seen from outside: entering it for a moment, and what the kernel, not fwctl, says is in it."""

import contextlib
import ctypes
import json
import os
import pathlib
import socket
import subprocess

PINS = pathlib.Path("/sys/fs/bpf/fwctl")

SO_NETNS_COOKIE = 71
CLONE_NEWNET = 0x40000000
BPF_SYSCALL = 321  # x86-64
BPF_PROG_QUERY = 16
TCX_HOOKS = {"tcx-in": 46, "tcx-out": 47}

libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def inside(netns):
    """Sockets made and processes started in this block belong to the namespace; sockets stay there for good."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{netns}", os.O_RDONLY)
    try:
        _enter(there)
        yield
    finally:
        _enter(home)
        os.close(there)
        os.close(home)


def _enter(descriptor):
    if libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def packet_socket(netns, interface, protocol=0):
    """Raw frames of one interface; with protocol 0 for sending alone."""
    with inside(netns):
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
        raw.bind((interface, protocol))
        return raw


def inner_maps(pin):
    """The ids of the maps in a pinned map of maps."""
    entries = json.loads(subprocess.run(["bpftool", "-j", "map", "dump", "pinned", pin], check=True, capture_output=True, text=True,
                                        timeout=60).stdout)
    return [int.from_bytes(bytes(int(byte, 16) for byte in entry["value"]), "little") for entry in entries if "value" in entry]


def mac_of(netns, interface):
    with inside(netns):
        return _json("ip", "link", "show", interface)[0]["address"]


def pins(netns):
    """The names of everything pinned for the namespace: [] when nothing is."""
    with inside(netns), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        cookie = int.from_bytes(any_socket.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8), "little")
    directory = PINS / f"net-{cookie}"
    return sorted([str(directory)] + [str(path) for path in directory.rglob("*")]) if directory.exists() else []


def hooked(netns):
    """[(interface, hook, what)] of all programs on XDP, TCX and clsact, and of clsact qdiscs: [] when nothing is."""
    found = []
    with inside(netns):
        for link in _json("ip", "-d", "link", "show"):
            name = link["ifname"]
            if "xdp" in link:
                found.append((name, "xdp", _xdp_programs(link["xdp"])))
            for hook, attach_type in TCX_HOOKS.items():
                if ids := _tcx_programs(link["ifindex"], attach_type):
                    found.append((name, hook, ids))
        for qdisc in _json("tc", "qdisc", "show"):
            if qdisc["kind"] == "clsact":
                found.append((qdisc["dev"], "clsact", _filters(qdisc["dev"])))
    return sorted(found)


def leftovers(netns):
    """All that a filter could have left in the namespace."""
    return pins(netns) + hooked(netns)


def _json(*words):
    out = subprocess.run([words[0], "-j", *words[1:]], check=True, capture_output=True, text=True).stdout
    return json.loads(out or "[]")


def _xdp_programs(xdp):
    programs = xdp.get("attached", [xdp])
    return [(program.get("mode"), program["prog"]["id"]) for program in programs if "prog" in program]


def _filters(interface):
    shown = [_json("tc", "filter", "show", "dev", interface, way) for way in ("ingress", "egress")]
    return [entry["options"].get("bpf_name", entry["kind"]) for way in shown for entry in way if "options" in entry]


class _ProgramQuery(ctypes.Structure):  # union bpf_attr, member query
    _fields_ = [("ifindex", ctypes.c_uint32), ("attach_type", ctypes.c_uint32), ("query_flags", ctypes.c_uint32),
                ("attach_flags", ctypes.c_uint32), ("ids", ctypes.c_uint64), ("count", ctypes.c_uint32),
                ("rest", ctypes.c_uint8 * 36)]


def _tcx_programs(ifindex, attach_type):
    ids = (ctypes.c_uint32 * 64)()
    query = _ProgramQuery(ifindex, attach_type, 0, 0, ctypes.addressof(ids), len(ids))
    if libc.syscall(BPF_SYSCALL, BPF_PROG_QUERY, ctypes.byref(query), ctypes.sizeof(query)) != 0:
        return []  # a kernel before 6.6
    return list(ids[: query.count])
