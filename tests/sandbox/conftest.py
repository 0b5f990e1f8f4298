"""Fixtures of the sandbox tests: a testbed of network namespaces, and the fwctl that was built.

FWCTL names the executable (tests/CMakeLists.txt sets it); without it, build/release is taken.
"""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import time
import uuid

import pytest

import netns

ROOT = pathlib.Path(__file__).resolve().parents[2]
AFTER_DEATH = pathlib.Path(__file__).with_name("after-death")
TESTBED = ROOT / "netns-testbed" / "testbed"
FWCTL = os.environ.get("FWCTL", str(ROOT / "build" / "release" / "ctl" / "cli" / "fwctl"))
SPOOF = os.environ.get("SPOOF", str(ROOT / "build" / "release" / "tests" / "spoof"))
BPFFS = pathlib.Path("/sys/fs/bpf")
MODES = [
    pytest.param(["--mode", "native"], id="native"),
    pytest.param(["--mode", "generic"], id="generic"),
    pytest.param(["--hook", "tc-in,tc-out"], id="tc"),
]


def oldest_with_one(values, ids=None):
    """The values of a parameter; the oldest kernel, which is emulated, gets the first one alone."""
    values = list(values)
    ids = ids or [getattr(value, "id", None) for value in values]
    bare = [value.values if hasattr(value, "values") and hasattr(value, "marks") else (value if isinstance(value, tuple) else (value,))
            for value in values]
    return [pytest.param(*value, id=name, marks=[] if number else [pytest.mark.oldest]) for number, (value, name) in enumerate(zip(bare, ids))]


KERNEL = tuple(map(int, os.uname().release.split("-")[0].split(".")[:2]))


def until(happens, bound=30):
    """Asks again and again until the answer is truthy, and returns it; fails when that takes longer than the bound."""
    end = time.monotonic() + bound
    while True:
        answer = happens()
        if answer:
            return answer
        assert time.monotonic() < end, f"not within {bound} s: {happens.__doc__ or happens}"
        time.sleep(0.02)


def lines_of(file):
    """All that a command has written to it. Not by seek() and read(): the command shares the place in the file, and moves it."""
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode().splitlines()


def program_exists(program_id):
    return subprocess.run(["bpftool", "prog", "show", "id", str(program_id)], capture_output=True).returncode == 0


def extensions_refused():
    """What doctor says where the kernel has no extension programs, by which libxdp shares an interface; else None."""
    done = subprocess.run([FWCTL, "doctor", "--json"], capture_output=True, text=True, timeout=60)
    texts = [finding["text"] for finding in json.loads(done.stdout)["findings"]]
    (refused,) = [text for text in texts if "extension programs" in text] or [None]
    assert (refused is None) == any("libxdp's dispatcher" in text for text in texts), texts
    return refused


class Testbed:
    """One running topology; its roles' namespaces are entered by name."""

    __test__ = False

    def __init__(self, topology, *options):
        self.id = "p" + uuid.uuid4().hex[:6]
        self.after_death = subprocess.Popen([AFTER_DEATH, str(os.getpid()), self.id, TESTBED, FWCTL],
                                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        subprocess.run([TESTBED, "up", topology, "--id", self.id, *options], check=True, stdout=subprocess.DEVNULL)

    def __getstate__(self):
        """For workers in processes of their own: the testbed stays this process's to remove."""
        return {"id": self.id}

    def name(self, role):
        return f"fwt-{self.id}-{role}"

    def command(self, role, *words):
        return ["nsenter", f"--net=/run/netns/{self.name(role)}", *map(str, words)]

    def run(self, role, *words, **options):
        """Runs a program in the role's namespace; the result has returncode, stdout and stderr."""
        options.setdefault("timeout", 60)
        return subprocess.run(self.command(role, *words), capture_output=True, text=True, **options)

    def check(self, role, *words, **options):
        done = self.run(role, *words, **options)
        said = f"{' '.join(map(str, words))} in {role}: {done.returncode}\n{done.stdout}{done.stderr}"
        assert done.returncode == 0, said
        return done.stdout

    def fwctl(self, role, *words, expect=0):
        """Runs fwctl on the role's namespace by --netns, and checks its exit status."""
        command = [FWCTL, *map(str, words), "--netns", self.name(role)]
        # An emulated processor verifies the programs for the better part of a minute, and longer where it is busy.
        done = subprocess.run(command, capture_output=True, text=True, timeout=240)
        said = f"fwctl {' '.join(map(str, words))}: {done.returncode}\n{done.stdout}{done.stderr}"
        assert done.returncode == expect, said
        return done

    def json(self, role, *words, expect=0):
        return json.loads(self.fwctl(role, *words, "--json", expect=expect).stdout)

    def traces(self, role):
        """All that an attachment could leave behind, as a value to compare."""
        links = json.loads(self.check(role, "ip", "-json", "-details", "link"))
        kept = ("ifname", "ifindex", "flags", "mtu", "qdisc", "xdp", "promiscuity")  # the others have timers among them
        return {
            "pins and programs": netns.leftovers(self.name(role)),
            "ip -d link": [{key: link.get(key) for key in kept} for link in links],
            "bpftool net": json.loads(self.check(role, "bpftool", "-j", "net")),
            "tc qdisc": self.check(role, "tc", "qdisc", "show"),
            "dispatchers": sorted(path.name for path in BPFFS.glob("xdp/dispatch-*")),
        }

    def pins(self, role):
        return netns.pins(self.name(role))

    def status(self, role, interface, expect=0):
        """What `fwctl status` says of one attachment; its hooks are a mapping by name."""
        (attachment,) = self.json(role, "status", interface, expect=expect)["attachments"]
        return attachment | {"hooks": {hook["hook"]: hook for hook in attachment["hooks"]}}

    def program_ids(self, role, interface):
        return {name: hook["program_id"] for name, hook in self.status(role, interface)["hooks"].items()}

    def attached(self, role):
        """The names of the interfaces that status lists."""
        return {one["interface"] for one in self.json(role, "status")["attachments"]}

    def rule_names(self, role):
        return list(self.rules(role))

    def rules(self, role):
        """The live rules in their order, by name."""
        listed = self.json(role, "rule", "list")["rules"]
        return {rule["name"]: rule for rule in listed if rule["origin"] == "live"}

    def rule_packets(self, role, name):
        """How many packets the rule, live or built-in, has decided."""
        return {rule["name"]: rule["packets"] for rule in self.json(role, "counters")["rules"]}[name]

    def pings(self, role, address):
        return self.run(role, "ping", "-c", "1", "-W", "1", address).returncode == 0

    def ping_fails(self, role, address):
        """No answer in a moment: shorter than pings() waits for one, so that tests of blocked traffic are quick."""
        return self.run(role, "ping", "-c", "1", "-W", "0.3", address).returncode == 1

    def curls(self, role, address, patience=5):
        """The page at the address, or None."""
        host = f"[{address}]" if ":" in address else address
        done = self.run(role, "curl", "-s", "-g", "-m", str(patience), f"http://{host}/")
        return done.stdout if done.returncode == 0 else None

    def curl_fails(self, role, address):
        return self.curls(role, address, patience=0.7) is None

    def counters(self, role, interface):
        """Packets by (direction, reason) of one interface; those at zero are left out."""
        rows = self.json(role, "counters", interface)["counters"]
        return {(row["direction"], row["reason"]): row["packets"] for row in rows if row["packets"]}

    def down(self):
        try:
            for role in filter(netns.pins, self.roles()):
                subprocess.run([FWCTL, "detach", "--all", "--netns", role], capture_output=True, timeout=60)
        finally:
            subprocess.run([TESTBED, "down", "--id", self.id], check=True, stdout=subprocess.DEVNULL)
            os.killpg(self.after_death.pid, signal.SIGKILL)
            self.after_death.wait()

    def roles(self):
        names = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout.split("\n")
        return [line.split()[0] for line in names if line.startswith(f"fwt-{self.id}-")]


@pytest.fixture
def testbed():
    """testbed("bridge", "--no-offload") makes a topology that ends with the test."""
    with contextlib.ExitStack() as ends:

        def make(topology, *options):
            bed = Testbed(topology, *options)
            ends.callback(bed.down)
            return bed

        yield make
