"""kill -9 in the middle of any command leaves the old state or the new one, and the next command works.

Each command is traced once. Then it is killed on the way into one system call after another: every one that changes
something, the one behind it (whatever was stored in mapped memory between the two has then happened), and a sample of
all others; of these one in FWCTL_EVERY is taken, by default one in five. After each kill packets are sent on every
path, and they and `fwctl status` must agree on one of the two states.
"""

import contextlib
import dataclasses
import errno
import json
import multiprocessing
import os
import re
import socket
import struct
import subprocess
import tempfile
from concurrent.futures import ProcessPoolExecutor

import pytest

import netns
from conftest import FWCTL, Testbed

CHANGES = re.compile(r"bpf\(BPF_(OBJ_PIN|LINK_|MAP_UPDATE|MAP_DELETE)|send(to|msg)\(|mkdir|unlink|rmdir|mount|flock")
CLONE_NEWNS = 0x00020000
WORKERS = 4
EVERY = int(os.environ.get("FWCTL_EVERY", "5"))
SAMPLED = 10  # calls that only read, evenly spread over the command

WEB, CLIENT, DOCKER0, FW, OUTSIDE = "172.17.0.2", "172.17.0.3", "172.17.0.1", "10.7.0.1", "10.7.0.2"


@dataclasses.dataclass(frozen=True)
class Scenario:
    command: str
    before: tuple = ()  # the commands that make the old state
    foreign: bool = False  # eth0 carries another's XDP program
    half_done: str = ""  # where two steps cannot be one: what status then says
    goes_on: str = ""  # and the command that it names
    repeated: int = 0  # the exit status of the command, when it is repeated and had already got through

    def __str__(self):
        return self.command.replace(" ", "_")


# One rule with an address: prefixes are edited element by element.
SOME_RULES = ("attach docker0", "deny udp/9", "deny udp/10 from 172.17.0.0/24")

SCENARIOS = [
    Scenario("attach docker0"),
    Scenario("attach eth0 --mode native", before=SOME_RULES),
    Scenario("attach --isolate-peers docker0", before=SOME_RULES),
    Scenario("attach eth0 --mode generic --replace", before=SOME_RULES, foreign=True,
             half_done="another XDP program is still in the place of ours on eth0; to go on: fwctl attach eth0",
             goes_on="attach eth0"),
    Scenario("deny icmp", before=SOME_RULES),
    # Exchanges programs that only pass and drop for such as can reject.
    Scenario("reject udp/11", before=("attach docker0 --hook tc-in,tc-out", "deny udp/9")),
    Scenario("rule remove deny-udp/9", before=SOME_RULES, repeated=2),
    Scenario("rule move allow-udp/1-20 --before deny-udp/9", before=(*SOME_RULES, "allow udp/1-20")),
    Scenario("detach eth0", before=(*SOME_RULES, "attach eth0"), repeated=3),
    Scenario("detach --all", before=(*SOME_RULES, "attach eth0"), repeated=3),
]


# --- packets -------------------------------------------------------------------------------------


class Wires:
    """Sends every kind of packet on every path through the firewall, and says which arrive."""

    # The way, where it is sent, to which address.
    PATHS = [("web>fw", "web", DOCKER0), ("fw>web", "fw", WEB), ("outside>fw", "outside", FW),
             ("fw>outside", "fw", OUTSIDE), ("web>client", "web", CLIENT), ("outside>web", "outside", WEB)]
    # The way, where it is sent, where it is seen: by a tap, which comes behind XDP and egress, but before TC ingress.
    FRAMES = [("web>fw", ("web", "eth0"), ("fw", "docker0")), ("fw>web", ("fw", "docker0"), ("web", "eth0")),
              ("web>client", ("web", "eth0"), ("client", "eth0"))]
    PORTS = (9, 10, 11)
    LAST_PORT = 7  # no rule names it: when this one has arrived, those before have or never will
    LAST_FRAME = 0x88b5  # an ethertype for experiments

    def __init__(self, bed):
        self.count = 0
        self.udp, self.icmp = {}, {}
        for role in ("fw", "outside", "web", "client"):
            with netns.inside(bed.name(role)):
                self.udp[role] = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
                self.icmp[role] = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self.frames = [(way, netns.packet_socket(bed.name(sender), out), netns.mac_of(bed.name(receiver), seen),
                        netns.packet_socket(bed.name(receiver), seen, protocol=3))  # ETH_P_ALL
                       for way, (sender, out), (receiver, seen) in self.FRAMES]

    def passing(self):
        """Names such as "web>fw udp/9" of what arrived."""
        self.sent, self.arrived = {}, set()
        all_cpus = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(all_cpus)})  # one queue: what is sent first arrives first
        try:
            for way, sender, address in self.PATHS:
                receiver = way.split(">")[1]
                for port in self.PORTS:
                    self.send_udp(sender, address, port, self.token(f"{way} udp/{port}"))
                self.send_ping(sender, address, self.token(f"{way} icmp"))
                last = self.token("last")
                self.send_udp(sender, address, self.LAST_PORT, last)
                self.drain(self.udp[receiver], until=last)
                self.drain(self.icmp[receiver])
            for way, out, mac, tap in self.frames:
                self.send_frame(out, mac, 0x0800, self.token(f"{way} truncated IPv4"))
                last = self.token("last")
                self.send_frame(out, mac, self.LAST_FRAME, last)
                self.drain(tap, until=last)
        finally:
            os.sched_setaffinity(0, all_cpus)
        return frozenset(name for token, name in self.sent.items() if token in self.arrived and name != "last")

    def token(self, name):
        self.count += 1
        token = struct.pack("!8sI", b"fwctl-is", self.count)
        self.sent[token] = name
        return token

    def send_udp(self, role, address, port, token):
        self.udp[role].sendto(struct.pack("!4H", 40000, port, 8 + len(token), 0) + token, (address, 0))

    def send_ping(self, role, address, token):
        words = struct.unpack("!6H", token)
        total = 8 << 8
        for word in words:
            total += word
        total = (total & 0xFFFF) + (total >> 16)
        total = (total & 0xFFFF) + (total >> 16)
        self.icmp[role].sendto(struct.pack("!BBHHH", 8, 0, total ^ 0xFFFF, 0, 0) + token, (address, 0))

    @staticmethod
    def send_frame(out, mac, ethertype, token):
        somebody = bytes.fromhex("020000000001")
        try:
            out.send(bytes.fromhex(mac.replace(":", "")) + somebody + struct.pack("!H", ethertype) + token)
        except OSError as error:
            if error.errno != errno.ENOBUFS:  # dropped by TC egress
                raise

    def drain(self, receiver, until=None):
        receiver.settimeout(10 if until else 0)
        while True:
            try:
                packet = receiver.recv(2048)
            except (BlockingIOError, TimeoutError):
                assert until is None, f"what no rule denies did not arrive behind {list(self.sent.values())[-2]}"
                return
            found = packet.find(b"fwctl-is")
            if found >= 0:
                self.arrived.add(packet[found : found + 12])
                if packet[found : found + 12] == until:
                    return

    def close(self):
        for one in [*self.udp.values(), *self.icmp.values()]:
            one.close()
        for _, out, _, tap in self.frames:
            out.close()
            tap.close()


# --- one machine ---------------------------------------------------------------------------------


class Machine:
    """A Docker host whose fwctl can be traced and killed."""

    def __init__(self, bed, foreign_object):
        self.bed = bed
        self.netns = bed.name("fw")
        self.foreign_object = foreign_object
        self.wires = Wires(self.bed)

    def command(self, words):
        return [FWCTL, *words.split(), "--netns", self.netns]

    def fwctl(self, words, expect=(0,)):
        done = subprocess.run(self.command(words), capture_output=True, text=True, timeout=60)
        assert done.returncode in expect, f"fwctl {words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def prepare(self, scenario):
        if scenario.foreign:
            self.bed.check("fw", "ip", "link", "set", "dev", "eth0", "xdpgeneric", "object", self.foreign_object,
                           "section", "xdp")
        for words in scenario.before:
            self.fwctl(words)

    def clean_up(self):
        """detach --all, which works whatever was killed, and leaves nothing of fwctl's."""
        self.fwctl("detach --all", expect=(0, 3))
        self.bed.run("fw", "ip", "link", "set", "dev", "eth0", "xdpgeneric", "off")
        assert netns.leftovers(self.netns) == []

    def state(self):
        """What the packets say, and what fwctl says."""
        return self.wires.passing(), self.told()

    def told(self):
        status = self.bed_json("status", expect=(0, 3))
        attached = [(one["interface"], one["broken"], *[(hook["hook"], hook["present"]) for hook in one["hooks"]])
                    for one in status["attachments"]]
        if not attached:
            return "nothing is attached"
        rules = [rule["name"] for rule in self.bed_json("rule list")["rules"] if rule["origin"] == "live"]
        return f"attached: {attached}, rules: {rules}"

    def bed_json(self, words, expect=(0,)):
        return json.loads(self.fwctl(words + " --json", expect).stdout)

    def calls_of(self, words):
        """The system calls of a whole run from the entry to the namespace on: [(name, how many of that name, text)]."""
        with tempfile.NamedTemporaryFile("r") as log:
            subprocess.run(["strace", "-qq", "-o", log.name, *self.command(words)], check=True, capture_output=True,
                           timeout=60)
            lines = log.read().splitlines()
        seen, calls = {}, []
        for line in lines:
            name, bracket, _ = line.partition("(")
            if bracket and name.isidentifier():
                seen[name] = seen.get(name, 0) + 1
                calls.append((name, seen[name], line))
        entered = next(place for place, call in enumerate(calls) if call[0] == "setns")
        return calls[entered + 1 :]

    def kill_on_the_way_into(self, words, name, number):
        """Whether it was killed: a run that makes fewer calls ends unharmed."""
        killed = subprocess.run(["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={name}", "-e",
                                 f"inject={name}:signal=KILL:when={number}", *self.command(words)],
                                capture_output=True, timeout=60)
        return killed.returncode == -9

    def close(self):
        self.wires.close()
        self.clean_up()


@dataclasses.dataclass
class Outcome:
    before: tuple
    after: tuple
    points: int = 0
    killed: int = 0
    wrong: list = dataclasses.field(default_factory=list)


def kill_everywhere(machine, scenario):
    machine.prepare(scenario)
    before = machine.state()
    calls = machine.calls_of(scenario.command)
    outcome = Outcome(before, after=machine.state())
    machine.clean_up()

    for name, number, text in points_of(calls):
        machine.prepare(scenario)
        outcome.killed += machine.kill_on_the_way_into(scenario.command, name, number)
        outcome.points += 1
        state = machine.state()
        half_done = scenario.half_done and is_between(before, state, outcome.after) and scenario.half_done in state[1]
        if state not in (before, outcome.after) and not half_done:
            outcome.wrong.append((f"{name} number {number}: {text[:150]}", state))
        if outcome.points % 3 != 0:  # else detach --all is the next command
            again = scenario.goes_on if half_done and outcome.points % 3 == 1 else scenario.command
            machine.fwctl(again, expect=(0, scenario.repeated) if state == outcome.after else (0,))
            assert machine.state() == outcome.after, f"repeated after a kill in {text}"
        machine.clean_up()
    return outcome


def is_between(before, state, after):
    """Every way through the firewall is wholly the old or wholly the new one."""
    def on(way, passing):
        return {name for name in passing if name.startswith(way)}

    return all(on(way, state[0]) in (on(way, before[0]), on(way, after[0])) for way, *_ in Wires.PATHS)


def points_of(calls):
    """Where to kill: [(name, number of that name, what it is)]."""
    chosen = set(range(0, len(calls), max(1, len(calls) // SAMPLED)))
    for place, call in enumerate(calls):
        if CHANGES.match(call[2]):
            chosen |= {place, min(place + 1, len(calls) - 1)}
    return [calls[place] for place in sorted(chosen)[::EVERY]]


# Drops UDP to port 11, and nothing else.
FOREIGN = """
typedef unsigned char u8; typedef unsigned int u32;
struct xdp_md { u32 data, data_end; };
__attribute__((section("xdp"), used)) int foreign(struct xdp_md *ctx)
{
    u8 *frame = (u8 *)(long)ctx->data;
    if (frame + 42 > (u8 *)(long)ctx->data_end || frame[12] != 8 || frame[13] != 0 || frame[23] != 17)
        return 2;
    return frame[36] == 0 && frame[37] == 11 ? 1 : 2;
}
char LICENSE[] __attribute__((section("license"), used)) = "GPL";
"""


# --- many at a time ------------------------------------------------------------------------------

# Most of the time goes by in grace periods of the kernel. fwctl's lock is one for a bpffs, so each worker has its own.

_bed = None  # of this worker


def start_worker(beds):
    global _bed
    assert netns.libc.unshare(CLONE_NEWNS) == 0
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "-t", "bpf", "bpf", "/sys/fs/bpf"], check=True)
    _bed = beds.get()


def run_in_worker(scenario, foreign_object):
    machine = Machine(_bed, foreign_object)
    try:
        return kill_everywhere(machine, scenario)
    finally:
        machine.close()


@pytest.fixture(scope="module")
def outcomes(foreign_object):
    """{scenario: what will have become of it}; all of them are under way."""
    forked = multiprocessing.get_context("fork")
    with contextlib.ExitStack() as ends:
        beds = forked.SimpleQueue()
        for _ in range(WORKERS):
            bed = Testbed("bridge")
            ends.callback(bed.down)
            beds.put(bed)
        pool = ends.enter_context(ProcessPoolExecutor(WORKERS, forked, start_worker, (beds,)))
        yield {scenario: pool.submit(run_in_worker, scenario, foreign_object) for scenario in SCENARIOS}
        pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="module")
def foreign_object(tmp_path_factory):
    folder = tmp_path_factory.mktemp("foreign")
    source, program = folder / "foreign.c", folder / "foreign.o"
    source.write_text(FOREIGN)
    subprocess.run(["clang", "-O2", "-g", "-target", "bpf", "-c", source, "-o", program], check=True, timeout=60)
    return program


# --- the tests -----------------------------------------------------------------------------------


def test_strace_kills_before_the_call_has_an_effect(tmp_path):
    target = tmp_path / "made"
    strace = ["strace", "-qq", "-o", "/dev/null", "-e", "inject=mkdir:signal=KILL:when=1"]
    killed = subprocess.run([*strace, "mkdir", target])
    assert killed.returncode == -9
    assert not target.exists()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_killed_anywhere(outcomes, scenario):
    outcome = outcomes[scenario].result()
    assert outcome.before[1] != outcome.after[1]
    assert outcome.wrong == [], f"neither {outcome.before}\nnor {outcome.after}"
    assert outcome.killed >= 0.9 * outcome.points


@pytest.mark.parametrize(("name", "number"), [("mount", 1), ("mkdir", 1)], ids=["before the mount", "behind it"])
def test_killed_while_it_mounts_the_bpffs(testbed, name, number):
    """In mounts of its own, which end with the shell; process 1 has the same, as on a machine that has just booted."""
    script = f"""
        umount /sys/fs/bpf || exit 101
        strace -qq -o /dev/null -e inject={name}:signal=KILL:when={number} "$@" attach docker0
        [ $? = 137 ] || exit 102
        "$@" status; [ $? = 3 ] || exit 103
        "$@" attach docker0 && "$@" status docker0 && "$@" detach --all
    """
    own_mounts = ["unshare", "--mount", "--pid", "--fork", "--mount-proc"]
    done = testbed("bridge").run("fw", *own_mounts, "sh", "-c", script, "sh", FWCTL)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("docker0: detached\n")
