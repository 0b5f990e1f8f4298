"""What is loaded: rules, blocks and addresses, the same for fwctl and its peers, and the same each time.

Promises: each list is made once, in a file of the folder; what a subject makes of it, too.
"""

import pathlib
import random
import subprocess
import typing

SEED = 1
SUFFIXES = [(1_000_000, "M"), (1_000, "k")]


class Rule(typing.NamedTuple):
    """The words of ../content.cpp; "-" is any."""

    action: str
    source: str
    destination: str
    protocol: str
    source_ports: str
    ports: str
    icmp_type: str

    def families(self):
        """4 and 6, or the one that the rule holds for alone."""
        addresses = self.source if self.source != "-" else self.destination
        if addresses != "-":
            return [6 if ":" in addresses else 4]
        return {"icmp": [4], "icmp6": [6]}.get(self.protocol, [4, 6])


def short(number):
    """1000: "1k", as in the other tables."""
    for size, suffix in SUFFIXES:
        if number >= size and number % size == 0:
            return f"{number // size}{suffix}"
    return str(number)


class Content:
    def __init__(self, folder, build):
        self.folder = pathlib.Path(folder)
        self.program = f"{build}/tests/bench/fwctl_bench_content"

    def lines(self, kind, count):
        """The path of a list: "acl" and "firewall" of rules, "v4" and "v6" of blocks, "bans" of addresses."""
        if kind == "bans":
            return self.made(f"bans-{count}", lambda: self._addresses(count))
        path = self.folder / f"{kind}-{count}"
        if not path.exists():
            with path.open("wb") as file:
                subprocess.run([self.program, kind, str(count)], stdout=file, check=True, timeout=600)
        return path

    def rules(self, kind, count):
        with self.lines(kind, count).open() as file:
            return [Rule(*line.split()) for line in file]

    def members(self, kind, count):
        return self.lines(kind, count).read_text().split("\n")[:-1]

    def made(self, name, make):
        """The path of a file with the pieces of text that make() gives."""
        path = self.folder / name
        if not path.exists():
            with path.open("w") as file:
                file.writelines(make())
        return path

    @staticmethod
    def _addresses(count):
        """No two alike, in no order, of 11.0.0.0 to 191.255.255.255."""
        for number in random.Random(SEED).sample(range(11 << 24, 192 << 24), count):
            yield ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0)) + "\n"
