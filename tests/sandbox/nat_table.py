"""The tables of translated flows as they lie in memory, past fwctl: include/fwctl/abi/service.h says how."""

import ctypes
import os
import struct

import netns

LOOKUP, UPDATE, NEXT_KEY, FD_BY_ID = 1, 2, 4, 14
KEY_SIZE, FLOW_SIZE, SEEN_AT = 40, 56, 44
TABLES = 2


class _Element(ctypes.Structure):  # union bpf_attr
    _fields_ = [("map_fd", ctypes.c_uint32), ("key", ctypes.c_uint64), ("value", ctypes.c_uint64), ("flags", ctypes.c_uint64),
                ("rest", ctypes.c_uint8 * 96)]


def _bpf(command, *fields):
    attributes = _Element(*fields)
    return netns.libc.syscall(netns.BPF_SYSCALL, command, ctypes.byref(attributes), ctypes.sizeof(attributes))


def _keys(descriptor):
    key, following, found = None, ctypes.create_string_buffer(KEY_SIZE), []
    while _bpf(NEXT_KEY, descriptor, ctypes.addressof(key) if key else 0, ctypes.addressof(following)) == 0:
        found.append(ctypes.create_string_buffer(following.raw, KEY_SIZE))
        key = found[-1]
    return found


def let_pass(bed, role, ticks):
    """As if nothing had come for so long. How many entries there are in each table."""
    (pin,) = [path for path in bed.pins(role) if path.endswith("/nat_flows")]
    counts = []
    for map_id in netns.inner_maps(pin):
        descriptor = _bpf(FD_BY_ID, map_id)
        assert descriptor >= 0, os.strerror(ctypes.get_errno())
        flow = ctypes.create_string_buffer(FLOW_SIZE)
        keys = _keys(descriptor)
        for key in keys:
            assert _bpf(LOOKUP, descriptor, ctypes.addressof(key), ctypes.addressof(flow)) == 0
            (seen,) = struct.unpack_from("=I", flow, SEEN_AT)
            struct.pack_into("=I", flow, SEEN_AT, seen - ticks)
            assert _bpf(UPDATE, descriptor, ctypes.addressof(key), ctypes.addressof(flow), 0) == 0
        os.close(descriptor)
        counts.append(len(keys))
    assert len(counts) == TABLES
    return counts
