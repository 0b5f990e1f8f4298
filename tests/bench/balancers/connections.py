"""Connections through balancers, and requests: how many a second one processor carries, and how long answers take.

wrk asks, the router routes, and b1 to b4 answer with their names, all on one processor as the balancer is: so many a second says what
one costs altogether, and what it costs more than without a balancer is the balancer's part.
"""

import collections
import contextlib
import itertools
import json
import os
import pathlib
import resource
import signal
import socket
import subprocess
import tempfile
import time

import netns
from conftest import Testbed, until
from links import PROCESSOR
from processor_time import BY_THE_WALL, soft_interrupt_seconds
from proxies import BACKENDS, LB, QUICK, SERVERS, VIP, balancers
from filter import Refused

AT_ONCE = 16  # connections
ASKED = 64  # for the names of who answers
SCRIPT = pathlib.Path(__file__).with_name("wrk.lua")
ROWS = {"balance, connections of one request": ["-H", "Connection: close"], "balance, requests of kept connections": []}


class Subject:
    """A balancer on a bed of its own."""

    def __init__(self, balancer, folder):
        self.balancer = balancer
        self.turns = collections.defaultdict(list)  # by the name of the row
        self.bed = Testbed("lb", "--no-offload")
        try:
            self.set_up()
            balancer.put(self.bed, folder)
            self.check_balance()
        except BaseException:
            self.bed.down()
            raise

    def set_up(self):
        bed = self.bed
        bed.check("router", "ip", "route", "replace", "10.100.0.0/24", "via", self.balancer.via)
        bed.check("client", "sysctl", "-qw", "net.ipv4.ip_local_port_range=1024 65535")
        # The switch is a cable: netfilter has no part in its frames, where the kernel has that at all.
        bed.check("switch", "sysctl", "-eqw", "net.bridge.bridge-nf-call-iptables=0")
        bed.check("lb1", "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "net.ipv4.conf.all.send_redirects=0",
                  "net.ipv4.conf.eth0.send_redirects=0")
        self.servers = []
        for server, its in zip(SERVERS, BACKENDS):
            if self.balancer.answers_come_by:
                bed.check(server, "ip", "rule", "add", "from", its, "lookup", "100")
                bed.check(server, "ip", "route", "add", "default", "via", LB, "table", "100")
            self.servers += map(int, bed.run("client", "ip", "netns", "pids", bed.name(server)).stdout.split())
        for server in self.servers:
            os.sched_setaffinity(server, {PROCESSOR})

    def who_answers(self):
        with netns.inside(self.bed.name("client")), socket.create_connection((VIP, 80), timeout=10) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            said = b"".join(iter(lambda: connection.recv(4096), b""))
        return said.decode().split("hello from ")[1].strip()

    def check_balance(self):
        """Who sends all to one backend is not what is to be measured."""
        names = {self.who_answers() for _ in range(ASKED)}
        if names != (set(SERVERS) if self.balancer.balances else {"b1"}):
            raise AssertionError(f"{self.balancer.name}: who answers is {', '.join(sorted(names))}")

    def processor_seconds(self):
        """Of all that takes part but for wrk."""
        processes = [*self.servers, *self.balancer.processes()]
        return soft_interrupt_seconds() + sum(int(pathlib.Path(f"/proc/{one}/schedstat").read_text().split()[0]) / 1e9 for one in processes)

    def turn(self, words, seconds):
        """What wrk tells, and `cost`: microseconds of the processor for each request."""
        had, of_children = self.processor_seconds(), children_seconds()
        command = ["taskset", "-c", PROCESSOR, "wrk", "-t1", f"-c{AT_ONCE}", "-d60s", "-s", SCRIPT, *words, f"http://{VIP}/"]
        wrk = subprocess.Popen(self.bed.command("client", *command), stdout=subprocess.PIPE, text=True)
        until(lambda: wrk.poll() is not None or catches(wrk.pid, signal.SIGINT))  # before that it would die of it
        time.sleep(seconds)
        wrk.send_signal(signal.SIGINT)
        said, _ = wrk.communicate(timeout=60)
        spent = self.processor_seconds() - had + children_seconds() - of_children
        told = json.loads(said.splitlines()[-1])
        if not told["requests"] or told["errors"] > told["requests"] // 100:
            raise AssertionError(f"{self.balancer.name}: {told['errors']} errors beside {told['requests']} requests")
        took = told["duration"] / 1e6
        return told | {"rate": told["requests"] / took, "cost": (took if BY_THE_WALL else spent) / told["requests"] * 1e6}

    def measure(self, row, seconds):
        self.turns[row].append(self.turn(ROWS[row], seconds))

    def down(self):
        self.bed.down()
        self.balancer.over()


def catches(process, which):
    (mask,) = [line.split()[1] for line in pathlib.Path(f"/proc/{process}/status").read_text().splitlines() if line.startswith("SigCgt:")]
    return int(mask, 16) >> (which - 1) & 1


def children_seconds():
    """Of processes that this one has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def subjects_of(names, quick, folder, report):
    for number, balancer in enumerate(balancers()):
        if quick and balancer.name not in QUICK:
            continue
        its = folder / str(number)
        its.mkdir()
        try:
            yield Subject(balancer, its)
        except Refused as refused:
            for name in names:
                report.skip(f"{name}: {balancer.name}", str(refused))


def measure(only, quick, report):
    turns, seconds = (2, 0.2) if quick else (5, 0.8)
    names = [name for name in ROWS if only in name]
    if not names:
        return
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as ends:
        subjects = []
        for subject in subjects_of(names, quick, pathlib.Path(folder), report):
            ends.callback(subject.down)
            subjects.append(subject)
        # One row after the other in each turn, so that no figure is of one moment.
        for _, name, subject in itertools.product(range(turns), names, subjects):
            subject.measure(name, seconds)
        for name in names:
            report.begin_connections(name)
            for subject in subjects:
                report.add_connections(name, subject, subjects[0])
