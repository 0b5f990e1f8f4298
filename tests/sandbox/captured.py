"""`fwctl capture` at work, and what other programs read in the files that it writes."""

import contextlib
import dataclasses
import pathlib
import struct
import subprocess
import tempfile

from scapy.utils import RawPcapNgReader

from listening import Listening, all_ready

XDP_DROP, XDP_PASS, XDP_TX = 1, 2, 3
TC_NEXT, TC_DROP, TC_REDIRECT = -1, 2, 7
FIELDS = {"comment": "frame.comment", "interface": "frame.interface_name", "direction": "frame.packet_flags_direction",
          "xdp": "frame.verdict.ebpf_xdp", "tc": "frame.verdict.ebpf_tc", "length": "frame.len"}


@dataclasses.dataclass
class Captured:
    """A packet: its bytes as scapy reads them, the rest as tshark does."""

    bytes: bytes
    comment: str
    interface: str
    direction: str
    verdict: tuple
    length: int


DIRECTIONS = {"": None, "0x00000001": "in", "0x00000002": "out"}


def shown_by_tshark(path, fields):
    """For each packet {field: text}."""
    names = [word for field in fields for word in ("-e", FIELDS[field])]
    shown = subprocess.run(["tshark", "-r", path, "-o", "frame.generate_md5_hash:FALSE", "-T", "fields", "-E", "separator=|", *names],
                           capture_output=True, text=True, check=True)
    assert "cut short" not in shown.stderr and "damaged" not in shown.stderr, shown.stderr
    return [dict(zip(fields, line.split("|"))) for line in shown.stdout.splitlines()]


def read(path):
    rows = shown_by_tshark(path, FIELDS)
    frames = [data for data, _ in RawPcapNgReader(str(path))]
    assert len(frames) == len(rows)
    return [Captured(frame, row["comment"], row["interface"], DIRECTIONS[row["direction"]],
                     ("xdp", int(row["xdp"])) if row["xdp"] else ("tc", int(row["tc"])), int(row["length"]))
            for frame, row in zip(frames, rows)]


def comments(path):
    """(comment, direction, interface) of each packet, without the packets."""
    for row in shown_by_tshark(path, ["comment", "direction", "interface"]):
        yield row["comment"], DIRECTIONS[row["direction"]], row["interface"]


PACKET, STATISTICS = 6, 5  # types of blocks
RECEIVED, LOST, WRITTEN = 4, 5, 8  # options of statistics


def blocks(path, wanted):
    """The whole blocks of that type."""
    data, at = pathlib.Path(path).read_bytes(), 0
    while at + 12 <= len(data):
        kind, length = struct.unpack_from("=II", data, at)
        if at + length > len(data):
            return
        assert struct.unpack_from("=I", data, at + length - 4) == (length,)
        if kind == wanted:
            yield data[at : at + length]
        at += length


def statistics(path):
    """{number of an interface: {option: value}} of what stands at the end."""
    found = {}
    for block in blocks(path, STATISTICS):
        (number,), at = struct.unpack_from("=I", block, 8), 20
        values = found.setdefault(number, {})
        while (code := struct.unpack_from("=HH", block, at))[0]:
            if code[0] in (RECEIVED, LOST, WRITTEN):
                (values[code[0]],) = struct.unpack_from("=Q", block, at + 4)
            at += 4 + (code[1] + 3) // 4 * 4
    return found


class Capture(Listening):
    """Writes to a file of its own."""

    def __init__(self, bed, role, *words):
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name, "capture.pcapng")
        super().__init__(bed, role, "capture", "-w", self.path, *words)

    def packets(self):
        return read(self.path)

    def has(self, count):
        """Whether so many packets are written."""
        return sum(1 for _ in blocks(self.path, PACKET)) >= count

    def close(self):
        super().close()
        self.folder.cleanup()


def captures(bed, role, *all_words):
    return all_ready([Capture(bed, role, *words) for words in all_words])


@contextlib.contextmanager
def capture(bed, role, *words):
    with captures(bed, role, words) as (one,):
        yield one
