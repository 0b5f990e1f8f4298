"""The table of placed flows as it lies in memory, read past fwctl: include/fwctl/abi/service.h says how."""

import ctypes
import mmap
import os

import netns

BPF_MAP_GET_FD_BY_ID = 14
PAGE_BYTES = 1 << 20
WAYS, KEPT, TAG_SHIFT = 8, 6, 32


class _MapById(ctypes.Structure):  # union bpf_attr
    _fields_ = [("map_id", ctypes.c_uint32), ("next_id", ctypes.c_uint32), ("open_flags", ctypes.c_uint32),
                ("rest", ctypes.c_uint8 * 108)]


def _page(map_id):
    wanted = _MapById(map_id=map_id)
    descriptor = netns.libc.syscall(netns.BPF_SYSCALL, BPF_MAP_GET_FD_BY_ID, ctypes.byref(wanted), ctypes.sizeof(wanted))
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), f"map {map_id}")
    try:
        with mmap.mmap(descriptor, PAGE_BYTES, mmap.MAP_SHARED, mmap.PROT_READ) as page:
            return page[:]
    finally:
        os.close(descriptor)


def words(bed, role):
    """[(way, word)] of all that are not free."""
    (pin,) = [path for path in bed.pins(role) if path.endswith("/placed_pages")]
    found = []
    for map_id in netns.inner_maps(pin):
        page = memoryview(_page(map_id)).cast("Q")
        found += [(place % WAYS, word) for place, word in enumerate(page) if word]
    return found


def kept_tags(bed, role):
    """Of flows that stand where others do not push them out."""
    return {word >> TAG_SHIFT for way, word in words(bed, role) if way < KEPT}
