"""fwctl import: what iptables and nftables let in and keep out, fwctl lets in and keeps out with the translated policy.

The same frames go to the same machine twice: once with the original rules in the kernel, once with fwctl in front of it. What
got to the stack is noted by nftables behind the rules: the frame's source MAC address is its number.
"""

import contextlib
import ipaddress
import json
import random
import re
import socket
import struct
import subprocess

import pytest
from scapy.all import IP, UDP, Ether, Raw

import netns
import random_iptables
from conftest import FWCTL, ROOT, Testbed, until

ADDRESS = {4: "10.9.0.2", 6: "fd00:9::2"}
IN_NFT = {4: "ip", 6: "ip6"}
PREFIX = {4: "", 6: "6"}

# Notes the frames that came, before the rules of the original, and those that got past them. The host's stack says nothing
# to them, as its answers would make flows; what is marked is sent by the test.
SEEN = """
table inet seen {
    set came { type ether_addr; flags dynamic; size 65535; }
    set passed { type ether_addr; flags dynamic; size 65535; }
    chain before { type filter hook prerouting priority -500; add @came { ether saddr }; }
    chain behind { type filter hook input priority 500; add @passed { ether saddr }; }
    chain silent { type filter hook output priority -400; meta mark != 7 drop; }
}
"""


def translate(kind, text, expect=0):
    """What import prints. It has to be a policy, whatever it lacks."""
    done = subprocess.run([FWCTL, "import", *kind.split(), "-"], input=text, capture_output=True, text=True, timeout=60)
    assert expect in (None, done.returncode), done.stderr
    assert done.returncode in (0, 13), done.stderr
    checked = subprocess.run([FWCTL, "check", "-"], input=done.stdout, capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0, checked.stderr + done.stdout
    return done


class Machine:
    """b of the topology `pair`, where a says nothing but what the test sends."""

    def __init__(self):
        self.bed = Testbed("pair")
        self.bed.check("a", "sysctl", "-q", "-w", "net.ipv6.conf.all.disable_ipv6=1")
        self.bed.check("a", "ip", "address", "flush", "dev", "eth0")
        self.bed.check("a", "ip", "link", "set", "dev", "eth0", "arp", "off")
        self.bed.check("b", "sysctl", "-q", "-w", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.eth0.rp_filter=0")
        self.bed.check("b", "ethtool", "-K", "eth0", "gro", "off")
        self.bed.check("b", "ip", "route", "add", "default", "dev", "eth0")
        self.bed.check("b", "ip", "-6", "route", "replace", "default", "dev", "eth0")
        self.mac = netns.mac_of(self.bed.name("b"), "eth0")
        there = netns.mac_of(self.bed.name("a"), "eth0")
        for address in [one for family in ADDRESS for one in random_iptables.ASKED[family]]:
            self.bed.check("b", "ip", "neigh", "add", address, "lladdr", there, "dev", "eth0", "nud", "permanent")

    def nft(self, text):
        self.bed.check("b", "nft", "-f", "-", input=text)

    def noted(self, name):
        shown = json.loads(self.bed.check("b", "nft", "-j", "list", "set", "inet", "seen", name))["nftables"]
        (found,) = [entry["set"] for entry in shown if "set" in entry]
        return {int(mac[-5:].replace(":", ""), 16) for mac in found.get("elem", [])}

    def forget_flows(self):
        """Those of the kernel's own: IPCTNL_MSG_CT_DELETE of all."""
        with netns.inside(self.bed.name("b")):
            netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
        with netlink:
            netlink.send(struct.pack("=IHHIIBBH", 20, 1 << 8 | 2, 1 | 4, 1, 0, 0, 0, 0))
            assert struct.unpack_from("=i", netlink.recv(4096), 16)[0] == 0

    def ask(self, family):
        """Sends the questions, whose answers are among the packets."""
        kind = {4: socket.AF_INET, 6: socket.AF_INET6}[family]
        with contextlib.ExitStack() as ends:
            for port in random_iptables.PORTS:
                with netns.inside(self.bed.name("b")):
                    end = ends.enter_context(socket.socket(kind, socket.SOCK_DGRAM))
                end.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 7)
                end.bind((ADDRESS[family], port))
                for own, address, other in random_iptables.questions(family):
                    if own == port:
                        end.sendto(b"x", (address, other))

    def send(self, packets, came):
        """Sends, and waits until all have come."""
        with netns.packet_socket(self.bed.name("a"), "eth0") as out:
            for number, packet in enumerate(packets):
                source = f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}"
                out.send(bytes(Ether(src=source, dst=self.mac) / packet))
        until(lambda: came() >= len(packets))

    def passed_by_original(self, packets, asks=None):
        self.nft(SEEN)
        if asks:
            self.forget_flows()
            self.ask(asks)
        self.send(packets, lambda: len(self.noted("came")))
        passed = self.noted("passed")
        self.nft("flush ruleset")
        return passed

    def passed_by_fwctl(self, policy, packets, asks=None):
        self.nft(SEEN)
        policy += "\n[builtin]\nicmp6-essential = false\npacket-too-big = false\n"  # they would decide before
        applied = subprocess.run([FWCTL, "apply", "-", "--netns", self.bed.name("b")], input=policy, capture_output=True,
                                 text=True, timeout=60)
        assert applied.returncode == 0, applied.stderr + policy
        if asks:
            self.ask(asks)
        before = self.judged()
        self.send(packets, lambda: self.judged() - before)
        until(lambda: self.noted("passed") == self.noted("came"))  # what fwctl lets in, nothing else keeps out
        passed = self.noted("passed")
        self.nft("flush ruleset")
        return passed

    def judged(self):
        rows = self.bed.json("b", "counters", "eth0")["counters"]
        return sum(row["packets"] for row in rows if row["direction"] == "in")


@pytest.fixture
def machine():
    made = Machine()
    try:
        yield made
    finally:
        made.bed.down()


def in_iptables(machine, text, family):
    """Loads the rules; what iptables-save makes of them."""
    machine.bed.check("b", f"ip{PREFIX[family]}tables-restore", input=text)
    return "iptables-save", machine.bed.check("b", f"ip{PREFIX[family]}tables-save", "-t", "filter")


def in_nftables(machine, text, family):
    """Loads the rules in nftables' own words; what nft lists. None where they are too few, or such as nft refuses."""
    words = machine.bed.check("b", f"ip{PREFIX[family]}tables-restore-translate", "-f", "/dev/stdin", input=text)
    rules = [line for line in words.splitlines() if not line.startswith("# ")]
    refused = machine.bed.run("b", "nft", "-f", "-", input="\n".join(rules) + "\n").returncode != 0
    if refused or any(line.startswith("#") for line in rules):
        return None
    return "nft", machine.bed.check("b", "nft", "list", "table", IN_NFT[family], "filter")


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("load", [in_iptables, in_nftables])
def test_random_rules_keep_their_verdicts(machine, load, family):
    compared = passed_some = kept_some_out = with_states = 0
    for seed in range(60):
        packets = random_iptables.packets(seed, ADDRESS[family], family)
        loaded = load(machine, random_iptables.ruleset(seed, family), family)
        translated = translate(*loaded, expect=None) if loaded else None
        if not loaded or translated.returncode != 0:
            machine.nft("flush ruleset")
            continue
        original = machine.passed_by_original(packets, family)
        machine.bed.fwctl("b", "attach", "eth0")
        ours = machine.passed_by_fwctl(translated.stdout, packets, family)
        machine.bed.fwctl("b", "detach", "--all")
        differ = [packets[number].summary() for number in sorted(original ^ ours)]
        assert not differ, f"seed {seed}\n{loaded[1]}{translated.stdout}"
        passed_some += 0 < len(original)
        kept_some_out += len(original) < len(packets)
        with_states += "\nstate = " in translated.stdout
        compared += 1
        if compared == 10:
            break
    assert compared == 10 and passed_some >= 3 and kept_some_out >= 3 and with_states >= 3


@pytest.mark.parametrize("family", [4, 6])
def test_packets_have_the_states_that_the_kernel_gives_them(machine, family):
    packets = random_iptables.packets(1, ADDRESS[family], family)
    for states in ("NEW", "ESTABLISHED", "RELATED", "INVALID"):
        text = f"*filter\n:INPUT DROP [0:0]\n-A INPUT -m conntrack --ctstate {states} -j ACCEPT\nCOMMIT\n"
        translated = translate(*in_iptables(machine, text, family))
        original = machine.passed_by_original(packets, family)
        machine.bed.fwctl("b", "attach", "eth0")
        ours = machine.passed_by_fwctl(translated.stdout, packets, family)
        machine.bed.fwctl("b", "detach", "--all")
        assert original and ours == original, (states, [packets[number].summary() for number in sorted(original ^ ours)])


def test_sets_of_ipset_keep_their_members(machine):
    chance = random.Random(1)
    addresses = [f"10.{chance.randrange(4)}.{chance.randrange(256)}.{chance.randrange(256)}" for _ in range(60)]
    machine.bed.check("b", "ipset", "create", "listed", "hash:net")
    for address in addresses[:12]:
        block = ipaddress.ip_network(f"{address}/{chance.randint(16, 32)}", strict=False)
        machine.bed.run("b", "ipset", "-exist", "add", "listed", str(block))
    saved = machine.bed.check("b", "ipset", "save")
    policy = translate("ipset", saved).stdout
    policy += '\n[[rule]]\nname = "listed"\naction = "deny"\nfrom = "@listed"\ndirection = "in"\n'

    packets = [IP(src=address, dst=ADDRESS[4]) / UDP(sport=1, dport=2) / Raw(b"x" * 40) for address in addresses]
    machine.bed.check("b", "iptables", "-A", "INPUT", "-m", "set", "--match-set", "listed", "src", "-j", "DROP")
    original = machine.passed_by_original(packets)
    assert 0 < len(original) < len(packets)
    machine.bed.fwctl("b", "attach", "eth0")
    assert machine.passed_by_fwctl(policy, packets) == original


def run(*words, text=""):
    return subprocess.run([FWCTL, "import", *words], input=text, capture_output=True, text=True, timeout=60)


def test_the_page_shows_what_is_printed(tmp_path):
    page = (ROOT / "docs" / "import.md").read_text()
    rules, policy = (re.search(rf"^```{kind}\n(.*?)^```", page, re.M | re.S).group(1) for kind in ("text", "toml"))
    (tmp_path / "rules.v4").write_text(rules)
    done = subprocess.run([FWCTL, "import", "iptables-save", "rules.v4"], cwd=tmp_path, capture_output=True, text=True,
                          timeout=60)
    assert done.stdout == policy


def test_the_rules_of_the_page_let_replies_in(testbed):
    """What the host asks others for comes back, and what others ask it for does not come in: as with the original."""
    rules = re.search(r"^```text\n(.*?)^```", (ROOT / "docs" / "import.md").read_text(), re.M | re.S).group(1)
    bed = testbed("pair")

    def works():
        assert bed.curls("a", ADDRESS[4]) == "hello from b\n" and bed.pings("a", ADDRESS[4])
        assert bed.ping_fails("b", "10.9.0.1")

    bed.check("a", "iptables-restore", input=rules)
    works()
    policy = translate("iptables-save", bed.check("a", "iptables-save", "-t", "filter")).stdout
    bed.check("a", "iptables-restore", input="*filter\n:INPUT ACCEPT\nCOMMIT\n")
    assert "WARNING" not in policy and bed.pings("b", "10.9.0.1")
    applied = subprocess.run([FWCTL, "apply", "-", "--netns", bed.name("a")], text=True, capture_output=True, timeout=60,
                             input=f'{policy}\n[attach.wan]\ndevice = "eth0"\n')
    assert applied.returncode == 0, applied.stderr
    works()


RULES = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp -m tcp --dport 0:22 -j DROP\n{}COMMIT\n"


def test_what_is_left_out_is_said(tmp_path):
    file = tmp_path / "rules.v4"
    file.write_text(RULES.format("-A INPUT -m recent --set --name x --rsource -j DROP\n"))
    done = run("iptables-save", file)
    assert done.returncode == 13
    reason = "the match `recent` has no counterpart"
    assert f"# {file}:4: -A INPUT -m recent --set --name x --rsource -j DROP: {reason}\n" in done.stdout
    assert done.stderr == f"{file}: 1 translated, 1 left out: the comments say why\n"
    shown = json.loads(run("iptables-save", file, "--json").stdout)
    assert (shown["translated"], shown["left_out"], shown["policy"]) == (1, 1, done.stdout)


def test_all_of_it_is_translated():
    done = run("iptables-save", "-", text=RULES.format(""))
    assert (done.returncode, done.stderr) == (0, "")
    assert 'service = "tcp/0-22"\nethertype = "ip"\n' in done.stdout
    assert 'ethertype = "ip6"' in run("iptables-save", "-", "--family", "ipv6", text=RULES.format("")).stdout


@pytest.mark.parametrize("words, text, said", [
    (("nft", "-"), "table inet t {\n  chain c {\n", "<stdin>:"),
    (("iptables-save", "-"), "hello\n", "<stdin>:1:"),
    (("ipset", "-"), "hello\n", "<stdin>:1:"),
    (("iptables-save", "/nowhere"), "", "/nowhere: No such file or directory"),
    (("ufw", "-"), "", 'unknown command "ufw"'),
    ((), "", "a command is missing; see: fwctl import --help"),
])
def test_what_is_no_ruleset_is_refused(words, text, said):
    done = run(*words, text=text)
    assert (done.returncode, done.stdout) == (2 if words[-1:] != ("/nowhere",) else 1, "")
    assert said in done.stderr
