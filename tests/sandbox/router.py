"""The topology `router` with fwctl between client and server, in every way in which it can send packets on."""

import json
import os
import pathlib
import subprocess

import pytest

from conftest import ROOT, Testbed

WIRE = os.environ.get("WIRE", str(ROOT / "build" / "release" / "tests" / "wire"))
SERVER = {4: "10.2.0.2", 6: "fd00:2::2"}
CLIENT = {4: "10.1.0.2", 6: "fd00:1::2"}
ROUTER = {4: "10.1.0.1", 6: "fd00:1::1"}  # as the client knows it
FAMILIES = [4, 6]


class Way:
    """How fwctl is attached, and what plays a wire for it."""

    def __init__(self, mode, hooks, options=(), wire=False):
        self.attach = f'mode = "{mode}"\nhooks = {json.dumps(hooks)}\n'
        self.options = options
        self.wire = wire


WIRED = ["--no-offload"]
WAYS = {
    "native": Way("native", ["xdp"], WIRED, wire=True),
    "native-and-tc": Way("native", ["xdp", "tc-in"], WIRED, wire=True),
    "native-handing-on": Way("native", ["xdp", "tc-in", "tc-out"]),
    "native-handing-on-no-offload": Way("native", ["xdp", "tc-in", "tc-out"], WIRED),
    "generic": Way("generic", ["xdp", "tc-in", "tc-out"]),
    "generic-no-offload": Way("generic", ["xdp", "tc-in", "tc-out"], WIRED),
    "tc": Way("tc", ["tc-in", "tc-out"]),
    "tc-no-offload": Way("tc", ["tc-in", "tc-out"], WIRED),
}
# FWCTL_ALL_WAYS=1: each test in every way, half an hour. Else in those that differ most.
ALL_WAYS = "FWCTL_ALL_WAYS" in os.environ
USUAL = list(WAYS) if ALL_WAYS else ["native", "native-handing-on", "generic", "generic-no-offload", "tc"]
every_way = pytest.mark.parametrize("way", [pytest.param(WAYS[name], id=name) for name in USUAL])
resolving_ways = pytest.mark.parametrize("way", [pytest.param(WAYS[name], id=name) for name in USUAL if name != "native"])


class Router:
    def __init__(self, folder, way):
        self.bed = Testbed("router", *way.options)
        self.way = way
        self.policy = pathlib.Path(folder) / "policy.toml"
        if way.wire:
            for role in ("client", "server"):
                self.bed.check(role, WIRE, "--far", "eth0")

    def apply(self, defaults="", rules=""):
        text = f"version = 1\n[defaults]\n{defaults}\n"
        for interface in ("in0", "out0"):
            text += f'[attach.{interface}]\n{self.way.attach}'
        self.policy.write_text(text + rules)
        done = self.bed.fwctl("fw", "apply", self.policy)
        if self.way.wire:
            for interface in ("in0", "out0"):
                self.bed.check("fw", WIRE, interface)
        return done

    def forget_neighbours(self):
        for role in ("client", "fw", "server"):
            self.bed.check(role, "ip", "neigh", "flush", "all")

    def counted(self, *reasons):
        """Packets of these reasons on both interfaces."""
        counters = [self.bed.counters("fw", interface) for interface in ("in0", "out0")]
        return sum(packets for one in counters for (_, reason), packets in one.items() if reason in reasons)

    def dropped(self):
        rows = [row for interface in ("in0", "out0") for row in self.bed.json("fw", "counters", interface)["counters"]]
        return {(row["interface"], row["reason"]): row["packets"]
                for row in rows if row["verdict"] == "drop" and row["packets"]}

    def down(self):
        self.bed.down()


def url(address, page=""):
    return f"http://[{address}]/{page}" if ":" in address else f"http://{address}/{page}"


def errors(bed, role, *names):
    """The sum of these counters of the kernel (nstat)."""
    shown = json.loads(bed.check(role, "nstat", "-ajz", *names))["kernel"]
    return sum(shown.values())
