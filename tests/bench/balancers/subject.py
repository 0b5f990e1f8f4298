"""A balancer on a bed of its own, with its backends: what a packet takes there, turn by turn.

a sends, and gets back what b has balanced, all on one processor. There it is dropped as cheaply as what comes can be: what XDP has sent
by a program of XDP, and what the stack has sent by TC, before it has been an XDP frame once more.
"""

import json
import os
import pathlib
import subprocess
import time

from conftest import Testbed
from links import Lost, attach_trivial, received, repeated, send, take_frames
from peers import SENDER, address, mac
from processor_time import BY_THE_WALL, soft_interrupt_seconds
from traffic import BALANCER_MAC, CLIENT, CLIENT_MAC, FLOWS, OF_ANY_NUMBER, frame

FIRST, MOST = 16_384, 4_000_000  # packets: of the turn that tells how many the others have, and of any turn
TALLIED = 16_384  # packets
AT_ONCE = 1_024  # of them: of a longer burst a slow balancer may lose most
DROP = "add table netdev sink; add chain netdev sink in { type filter hook ingress device eth0 priority 0; policy drop; }"


class Bed(Testbed):
    def play_wire(self, role):
        """fwctl's XDP sends by itself on a veth that plays a wire."""
        self.check(role, pathlib.Path(os.environ["WIRE"]), "eth0")

    def attach(self, program):
        """Puts one of our programs of XDP at the backends' end, instead of what was there."""
        attach_trivial(self, "a", "eth0", program)

    def served(self):
        """Packets by backend, since `tally` was attached."""
        (link,) = json.loads(self.check("a", "ip", "-j", "-d", "link", "show", "eth0"))
        shown = json.loads(self.check("a", "bpftool", "-j", "prog", "show", "id", link["xdp"]["prog"]["id"]))
        for number in shown["map_ids"]:
            counts = json.loads(self.check("a", "bpftool", "-j", "map", "dump", "id", number))
            rows = [row["formatted"] for row in counts if "formatted" in row]
            if len(rows) == 256:
                return {row["key"]: row["value"] for row in rows if row["value"]}
        raise AssertionError("the program at the backends counts nothing")


class Subject:
    """A balancer for the packets of a row, all that is to be known of flows, and that they are balanced."""

    def __init__(self, balancer, row, folder):
        self.balancer, self.backends, self.protocol, self.kind = balancer, row.backends, row.protocol, row.kind
        self.next = FLOWS  # the first flow that was never seen
        self.costs, self.apart, self.lost = [], [], 0.0
        self.bed = Bed("pair", "--no-offload")
        try:
            self.set_up()
            balancer.prepare(self.bed, self.backends, folder)
            if balancer is not SENDER:
                self.make_known()
                self.check_balance()
                self.drop_what_comes_back()
        except BaseException:
            self.bed.down()
            raise

    def set_up(self):
        bed = self.bed
        take_frames(bed, ("b", "eth0"))
        for role, its in (("a", CLIENT_MAC), ("b", BALANCER_MAC)):
            bed.check(role, "ip", "link", "set", "dev", "eth0", "address", its)
        known = {"10.9.0.1": CLIENT_MAC} | {address(number): mac(number) for number in range(self.backends)}
        lines = [f"neigh replace {place} lladdr {its} dev eth0 nud permanent" for place, its in known.items()]
        bed.check("b", "ip", "-batch", "-", input="\n".join([*lines, "route add default via 10.9.0.1"]))
        for name in ("all", "eth0"):
            bed.check("b", "sysctl", "-qw", f"net.ipv4.conf.{name}.rp_filter=0", f"net.ipv4.conf.{name}.send_redirects=0")
        bed.check("b", "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        bed.check("a", "nft", DROP)

    def make_known(self):
        """Opens each flow, has it answered where that matters, and sends what follows."""
        if self.kind == "new":
            return
        self.bed.attach("answer" if self.balancer.remembers else "trivial")
        for opening in (True, False):
            send(self.bed, "a", frame(self.protocol, opening), FLOWS, 0, FLOWS)

    def check_balance(self):
        """Who sends all to one backend, or nothing, is not what is to be measured."""
        self.bed.attach("tally")
        for first in range(0, TALLIED, AT_ONCE):
            send(self.bed, "a", frame(self.protocol, self.kind == "new"), AT_ONCE, first, FLOWS)
        served = self.bed.served()
        fair = TALLIED / self.backends
        wanted = set(range(self.backends))
        if self.balancer.balances and not (set(served) == wanted and all(fair / 3 < count < fair * 3 for count in served.values())):
            raise AssertionError(f"{self.balancer.name}: of {TALLIED} packets to {self.backends} backends each had: {served}")

    def drop_what_comes_back(self):
        if self.balancer.sends_by == "xdp":
            self.bed.attach("trivial")
        else:
            self.bed.check("a", "ip", "link", "set", "dev", "eth0", "xdpdrv", "off")

    def turn(self):
        """Nanoseconds for each packet that was received: of the processor, and until the next one."""
        if self.balancer.shares_its_table:
            self.make_known()
            self.drop_what_comes_back()
        first, flows = (0, FLOWS) if self.kind == "known" else (self.next, OF_ANY_NUMBER)
        had, back, soft = received(self.bed, "b", "eth0"), received(self.bed, "a", "eth0"), soft_interrupt_seconds()
        took, of_processor = send(self.bed, "a", frame(self.protocol, self.kind == "new"), self.packets, first, flows)
        time.sleep(0.02)  # what the thread for soft interrupts still has
        of_processor += soft_interrupt_seconds() - soft
        had, back = received(self.bed, "b", "eth0") - had, received(self.bed, "a", "eth0") - back
        if self.balancer.shares_its_table:
            self.balancer.forget(self.bed)
        self.next = first + self.packets if self.kind == "new" else self.next
        self.judge(had, back)
        self.lost = max(self.lost, 1 - had / self.packets)
        if self.balancer is SENDER:
            had = self.packets
        return (took if BY_THE_WALL else of_processor) / had * 1e9, took / had * 1e9

    def judge(self, had, back):
        if self.balancer is not SENDER and had <= self.packets // 10:
            raise Lost(f"{self.balancer.name}: of {self.packets} packets {had} have come")
        right = had <= self.packets // 100 if self.balancer is SENDER else back >= had * 98 // 100
        if not right:
            raise AssertionError(f"{self.balancer.name}: of {self.packets} packets {had} came, and {back} were sent to backends")

    def find_pace(self, seconds):
        """How many packets a turn has, that is to take about so long."""
        most = MOST
        if self.kind == "new" and self.balancer.limit():
            most = self.balancer.limit()
        self.packets = min(FIRST, most)
        cost, _ = repeated(self.turn)
        self.packets = min(most, int(seconds * 1e9 / cost))

    def measure(self):
        cost, apart = repeated(self.turn)
        self.costs.append(cost)
        self.apart.append(apart)
