"""What `fwctl explain` says comes true, for real packets on real attachments; asking leaves no trace.

`fwctl test` runs the tests of a policy in the same way, and `apply` neither takes a policy that fails its own nor one
that cuts the SSH session it is applied from.
"""

import collections
import contextlib
import os
import pathlib
import random
import socket
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest
from scapy.all import (ARP, GRE, ICMP, IP, SCTP, TCP, UDP, Dot1Q, Ether, ICMPv6EchoReply,
                       ICMPv6EchoRequest, in6_chksum, IPv6, PcapNgWriter, Raw, raw, wrpcap)

import netns
from cable import ATTACH, QuietCable
from conftest import FWCTL, until

PROGRAM_TESTS = pathlib.Path(FWCTL).resolve().parents[2] / "tests" / "program_tests"
SEED = 4

POLICY = """version = 1
[defaults]
in = "deny"
[set.friends]
elements = ["10.9.0.0/25", "fd00:9::/64"]
[[rule]]
name = "count tcp"
service = "tcp"
action = "count"
[[rule]]
name = "tagged"
vlan = "7-20"
action = "deny"
[[rule]]
name = "dying"
ttl = "0-3"
action = "deny"
[[rule]]
name = "web"
service = ["tcp/80", "tcp/8000-8100"]
from = "@friends"
action = "allow"
[[rule]]
name = "no new ones"
service = "tcp"
flags = "syn+!ack"
action = "deny"
[[rule]]
name = "names"
service = ["udp/53", "sctp/53"]
action = "allow"
[[rule]]
name = "ping"
service = ["icmp/echo-request", "icmp6/echo-request"]
from = "!10.9.0.77"
action = "allow"
[[rule]]
name = "tunnels"
service = "gre"
direction = "out"
action = "deny"
[[rule]]
name = "sealed"
service = "esp"
on = "eth1"
action = "deny"
"""


def write(directory, text, name="policy.toml"):
    path = directory / name
    path.write_text(text)
    return path


def frames(rng, mac, count):
    """[(words, frame)]: the same packet for explain, in its own spelling without the place, and for the wire."""
    made = [(("arp", "length 28"), raw(Ether(src="02:00:00:00:00:01", dst=mac) / ARP()))]
    while len(made) < count:
        four = rng.randrange(3) > 0
        source = rng.choice(["10.9.0.1", "10.9.0.77", "10.9.0.200"] if four else ["fd00:9::1", "fd00:77::1"])
        destination = "10.9.0.2" if four else "fd00:9::2"
        ttl = rng.choice([1, 3, 4, 64])
        ip = IP(src=source, dst=destination, ttl=ttl) if four else IPv6(src=source, dst=destination, hlim=ttl)
        sport, dport = rng.choice([53, 40000]), rng.choice([22, 53, 80, 8000, 8101])
        kind = rng.choice(["tcp", "udp", "sctp", "echo-request", "echo-reply", "gre"])
        flags = rng.choice(["S", "SA", "A"])
        if kind in ("tcp", "udp", "sctp"):
            last = {"tcp": TCP(flags=flags), "udp": UDP(), "sctp": SCTP()}[kind]
            last.sport, last.dport = sport, dport
            ends = [f"{source}:{sport}", f"{destination}:{dport}"] if four else \
                [f"[{source}]:{sport}", f"[{destination}]:{dport}"]
        else:
            ends = [source, destination]
            last = GRE() / Raw(bytes(8)) if kind == "gre" else \
                {"echo-request": ICMP(type=8), "echo-reply": ICMP(type=0)}[kind] if four else \
                {"echo-request": ICMPv6EchoRequest(), "echo-reply": ICMPv6EchoReply()}[kind]
        protocol = f"icmp{'' if four else '6'}/{kind}" if kind.startswith("echo") else kind
        head = f"{protocol} {ends[0]} > {ends[1]}"
        if kind == "tcp":
            head += "".join({"S": " syn", "A": " ack"}[flag] for flag in flags)
        tag = rng.choice([None, None, None, 6, 7, 20, 21])
        tail = [f"vlan {tag}"] * (tag is not None) + [f"ttl {ttl}"] * (ttl != 64)
        tail += [f"length {32 if four else 52}"] * (kind == "gre")
        ethernet = Ether(src="02:00:00:00:00:01", dst=mac)
        made.append(((head, " ".join(tail)), raw((ethernet / Dot1Q(vlan=tag) if tag else ethernet) / ip / last)))
    return made


def words_on(place, packet):
    head, tail = packet
    return f"{head} {place} {tail}".rstrip()


def exchange(cable, role, packets, direction):
    """Sends the frames; what each rule and reason has counted since, in packets."""
    rules, reasons = cable.counted_by_rules(), cable.counted(direction)
    cable.send_all(role, [frame for _, frame in packets], direction)
    by_rule = {name: count[0] - rules[name][0] for name, count in cable.counted_by_rules().items()}
    by_reason = {name: count[0] - reasons[name][0] for name, count in cable.counted(direction).items()}
    return strip(by_rule), strip(by_reason)


def strip(counts):
    return {name: count for name, count in counts.items() if count}


@contextlib.contextmanager
def filtering_cable(mode, directory):
    cable = QuietCable()
    try:
        cable.bed.fwctl("b", *ATTACH[mode])
        cable.bed.fwctl("b", "apply", write(directory, POLICY))
        cable.bed.fwctl("b", "deny", "udp/53", "from", "10.9.0.200")
        yield cable
    finally:
        cable.down()


@pytest.mark.parametrize("direction", ["in", "out"])
@pytest.mark.parametrize("mode", list(ATTACH))
def test_what_explain_says_comes_true(mode, direction, tmp_path):
    with filtering_cable(mode, tmp_path) as cable:
        packets = frames(random.Random(SEED), cable.mac, 400)
        capture = tmp_path / "frames.pcap"
        wrpcap(str(capture), [Ether(frame) for _, frame in packets])
        before = cable.counted_by_rules(), cable.counted(direction)
        said = cable.bed.json("b", "explain", "--pcap", capture, "on", "eth0", direction)
        place = "on eth0" if direction == "in" else "on eth0 out"
        for (packet, _), of_frame in zip(packets[:8], said["packets"]):
            of_words = cable.bed.json("b", "explain", words_on(place, packet))
            assert [of_words[key] for key in ("packet", "verdict", "reason", "rule")] == \
                [words_on(place, packet), of_frame["verdict"], of_frame["reason"], of_frame["rule"]]
        assert (cable.counted_by_rules(), cable.counted(direction)) == before, "explain counts nothing"

        judged = said["packets"]
        assert [one["packet"] for one in judged] == [words_on(place, packet) + " mac 02:00:00:00:00:01"
                                                     for packet, _ in packets]
        passed = cable.let_in()
        by_rule, by_reason = exchange(cable, "a" if direction == "in" else "b", packets, direction)
        assert by_reason == strip(collections.Counter(one["reason"] for one in judged))
        by_rule.pop("count tcp")
        assert by_rule == strip(collections.Counter(one["rule"]["name"] for one in judged if one["rule"]))
        assert len(by_rule) >= (7 if direction == "in" else 6), by_rule
        if direction == "in":
            assert cable.let_in() - passed == said["by_verdict"]["allow"]


def test_explain_tells_the_way(tmp_path):
    with filtering_cable("tc", tmp_path) as cable:
        policy = tmp_path / "policy.toml"
        text = cable.bed.fwctl("b", "explain", "tcp 10.9.0.1:40000 > 10.9.0.2:80 syn on eth0").stdout.splitlines()
        assert text[:4] == [
            "tcp 10.9.0.1:40000 > 10.9.0.2:80 syn on eth0",
            "allow, rule-allow: a rule with action allow matched",
            f'by rule "web" ({policy}:18): allow tcp/80, tcp/8000-8100 from @friends',
            "looked at before:"]
        # Which rules are compared is the compiler's affair; these are in every packet's way.
        assert [line for line in text[4:-3] if "built-in" not in line] == [
            f'  "count tcp" ({policy}:6): counted, and the next rules were asked',
            f'  "tagged" ({policy}:10): its vlan is 7-20, the packet has none',
            f'  "dying" ({policy}:14): its ttl is 0-3, the packet has 64']
        assert text[-3].startswith("  not compared, as for other addresses or services: ")
        assert text[-2:] == ["source is in @friends by 10.9.0.0/25", "destination is in @friends by 10.9.0.0/25"]
        web = cable.bed.json("b", "explain", "tcp 10.9.0.1:40000 > 10.9.0.2:80 syn")["rule"]
        assert (web["name"], web["origin"], web["place"]) == ("web", "policy", f"{policy}:18")
        live = cable.bed.json("b", "explain", "udp 10.9.0.200 > 10.9.0.2:53")
        assert (live["verdict"], live["rule"]["name"], live["rule"]["origin"], live["rule"]["place"]) == \
            ("deny", "deny-udp/53-from-10.9.0.200", "live", None)
        assert cable.bed.json("b", "explain", "sctp 10.9.0.200 > 10.9.0.2:54")["rule"] is None


# --- questions without an attachment -------------------------------------------------------------


@pytest.fixture(scope="module")
def alone():
    """A namespace in which nothing is attached."""
    cable = QuietCable()
    yield cable.bed
    cable.down()


def test_a_policy_is_asked_without_an_attachment_and_without_a_trace(alone, tmp_path):
    path = write(tmp_path, POLICY)
    before = alone.traces("b")
    words = "tcp 10.9.0.1:40000 > 10.9.0.2:80 on eth0"
    assert alone.json("b", "explain", words, "--policy", path)["rule"]["name"] == "web"
    assert alone.fwctl("b", "explain", words, "--policy", path, "--expect", "allow").stderr == ""
    wrong = alone.fwctl("b", "explain", words, "--policy", path, "--expect", "deny", expect=11)
    assert wrong.stderr == "expected deny\n"
    assert alone.fwctl("b", "explain", words, expect=3).stderr == \
        "fwctl: nothing is attached; start with: fwctl attach IF\n"
    assert alone.traces("b") == before


def test_a_mistake_in_a_packet_has_a_caret(alone):
    said = alone.fwctl("b", "explain", "tcp 10.9.0.1 > 10.9.0.2:80 sin on eth0", expect=2).stderr
    assert said == """\
fwctl: packet:1:28: error: unknown word "sin"
   1 | tcp 10.9.0.1 > 10.9.0.2:80 sin on eth0
     |                            ^~~
  hint: did you mean "in"?
"""


@pytest.mark.parametrize("ng", [False, True], ids=["pcap", "pcapng"])
def test_a_capture_is_judged_packet_by_packet(alone, tmp_path, ng):
    path = write(tmp_path, POLICY)
    capture = tmp_path / "capture"
    packets = [Ether(frame) for _, frame in frames(random.Random(SEED), "02:00:00:00:00:02", 20)]
    if ng:
        with PcapNgWriter(str(capture)) as writer:
            writer.write(packets)
    else:
        wrpcap(str(capture), packets, snaplen=54)  # headers alone: the rest is filled up
    said = alone.json("b", "explain", "--pcap", capture, "on", "eth0", "--policy", path)
    assert len(said["packets"]) == len(packets) == sum(said["by_verdict"].values())
    assert not [one for one in said["packets"] if one["reason"].startswith("truncated")]
    lines = alone.fwctl("b", "explain", "--pcap", capture, "on", "eth0", "--policy", path).stdout.splitlines()
    assert len(lines) == len(packets) + 1
    assert lines[-1] == f"{len(packets)} packets: " + ", ".join(
        f"{count} {verdict}" for verdict, count in said["by_verdict"].items())
    alone.fwctl("b", "explain", "--pcap", capture, "on", "eth0", "--policy", path, "--expect", "allow", expect=11)


def test_a_capture_of_another_link_layer_is_refused(alone, tmp_path):
    capture = tmp_path / "capture"
    wrpcap(str(capture), [IP(src="10.9.0.1", dst="10.9.0.2") / UDP(dport=53)], linktype=101)
    path = write(tmp_path, POLICY)
    said = alone.fwctl("b", "explain", "--pcap", capture, "on", "eth0", "--policy", path, expect=2).stderr
    assert said == f"fwctl: {capture} has no Ethernet headers, the packets of eth0 do\n"
    wrpcap(str(capture), [IP(src="10.9.0.1", dst="10.9.0.2") / UDP(dport=53)], linktype=147)
    said = alone.fwctl("b", "explain", "--pcap", capture, "on", "eth0", "--policy", path, expect=2).stderr
    assert "Ethernet and raw IP are read" in said
    alone.fwctl("b", "explain", "--pcap", tmp_path / "nosuch", "on", "eth0", "--policy", path, expect=2)


TESTS = POLICY + """
[[test]]
packet = "tcp 10.9.0.1 > 10.9.0.2:80 on eth0"
expect = "allow"
because = "web"
[[test]]
packet = "tcp 10.9.0.200 > 10.9.0.2:80 on eth0"
expect = "allow"
"""
PROBLEM = 'expected allow, got deny by rule "no new ones"'


def test_the_tests_of_a_policy_are_run(alone, tmp_path):
    path = write(tmp_path, TESTS)
    line = 1 + TESTS.splitlines().index("[[test]]")
    text = alone.fwctl("b", "test", path, expect=11).stdout.splitlines()
    assert text[0] == f'{path}:{line}: ok tcp 10.9.0.1 > 10.9.0.2:80 on eth0: allow by rule "web" ({path}:18)'
    assert text[1].startswith(f"{path}:{line + 4}: FAILED tcp 10.9.0.200 > 10.9.0.2:80 on eth0: {PROBLEM}")
    assert text[2:] == ["2 tests, 1 failed"]
    tap = alone.fwctl("b", "test", path, "--tap", expect=11).stdout.splitlines()
    assert [words.split(" - ")[0] for words in tap[:4]] == ["TAP version 13", "1..2", "ok 1", "not ok 2"]
    assert tap[4].startswith(f"# {PROBLEM}")
    report = tmp_path / "junit.xml"
    alone.fwctl("b", "test", path, "--junit", report, expect=11)
    (suite,) = ElementTree.parse(report).getroot().findall("testsuite")
    assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == (str(path), "2", "1")
    assert [case.get("name") for case in suite.iter("testcase")] == [
        "tcp 10.9.0.1 > 10.9.0.2:80 on eth0", "tcp 10.9.0.200 > 10.9.0.2:80 on eth0"]
    (failure,) = suite.iter("failure")
    assert failure.get("message").startswith(PROBLEM)
    said = alone.json("b", "test", path, expect=11)
    assert (said["failed"], said["tests"][0]["problem"]) == (1, None)
    alone.fwctl("b", "test", write(tmp_path, POLICY, "none.toml"))


# --- apply ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def attached():
    cable = QuietCable()
    cable.bed.fwctl("b", "attach", "eth0")
    yield cable.bed
    cable.down()


def test_apply_refuses_a_policy_that_fails_its_own_tests(attached, tmp_path):
    path = write(tmp_path, TESTS)
    said = attached.fwctl("b", "apply", path, expect=11).stderr
    assert said.startswith("fwctl: 1 of the policy's own 2 tests failed; --force applies it all the same\n")
    assert attached.json("b", "explain", "tcp 10.9.0.200 > 10.9.0.2:80")["reason"] == "default-allow"
    attached.fwctl("b", "apply", path, "--force")
    assert attached.json("b", "explain", "tcp 10.9.0.200 > 10.9.0.2:80")["verdict"] == "deny"
    attached.fwctl("b", "apply", write(tmp_path, "version = 1\n"))


CUTS = 'version = 1\n[defaults]\nin = "deny"\n'
KEEPS = CUTS + 'lockout = { from = "10.9.0.0/24", service = "tcp/22" }\n'
CONNECTION = "SSH_CONNECTION=10.9.0.1 50000 10.9.0.2 22"
REFUSED = "fwctl: this would cut the SSH session from 10.9.0.1 port 50000 to 10.9.0.2 port 22: default-deny"


def apply_in_shell(bed, script, path, expect):
    """`$APPLY` in the script is the command."""
    environment = {name: value for name, value in os.environ.items() if name != "SSH_CONNECTION"}
    environment["APPLY"] = f"{FWCTL} apply {path} --netns {bed.name('b')}"
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == expect, done.stderr
    return done.stderr


@pytest.mark.parametrize("script", [
    f"env '{CONNECTION}' $APPLY",
    f"env '{CONNECTION}' bash -c 'env -u SSH_CONNECTION $APPLY; exit $?'",
], ids=["own environment", "behind sudo"])
def test_apply_does_not_cut_the_session_that_it_runs_in(attached, tmp_path, script):
    attached.check("b", "ip", "address", "replace", "10.9.0.2/24", "dev", "eth0")
    assert apply_in_shell(attached, script, write(tmp_path, CUTS), 6).startswith(REFUSED)
    assert attached.json("b", "explain", "tcp 10.9.0.1 > 10.9.0.2:22")["reason"] == "default-allow"
    apply_in_shell(attached, script, write(tmp_path, KEEPS), 0)
    apply_in_shell(attached, script.replace("$APPLY", "$APPLY --force"), write(tmp_path, CUTS), 0)
    attached.fwctl("b", "apply", write(tmp_path, "version = 1\n"))


SSHD = """
import socket, sys
listener = socket.create_server(("10.9.0.2", 22))
print("listens", flush=True)
connection, _ = listener.accept()
connection.recv(1)
"""


def test_apply_does_not_cut_what_is_established_with_sshd(testbed, tmp_path):
    bed = testbed("pair")
    bed.fwctl("b", "attach", "eth0")
    sshd = tmp_path / "sshd"  # which names the process
    sshd.symlink_to("/usr/bin/python3")
    with subprocess.Popen(bed.command("b", sshd, "-c", SSHD), stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout.readline() == "listens\n"
            with netns.inside(bed.name("a")):
                client = socket.create_connection(("10.9.0.2", 22), timeout=10)
            port = client.getsockname()[1]
            refused = apply_in_shell(bed, "$APPLY", write(tmp_path, CUTS), 6)
            assert refused.startswith(f"fwctl: this would cut the SSH session from 10.9.0.1 port {port} to 10.9.0.2 port 22: ")
            apply_in_shell(bed, "$APPLY", write(tmp_path, KEEPS), 0)
            client.close()
        finally:
            server.kill()
    until(lambda: apply_when_alone(bed, tmp_path))


def apply_when_alone(bed, directory):
    """With the session gone, nothing is in the way."""
    done = subprocess.run([FWCTL, "apply", write(directory, CUTS), "--netns", bed.name("b")], capture_output=True,
                          timeout=60, env={name: value for name, value in os.environ.items() if name != "SSH_CONNECTION"})
    return done.returncode == 0


# --- the frames that words stand for -------------------------------------------------------------


# What is calculated, and how long the headers are in front of what may look like anything.
CALCULATED = {IP: ["len", "chksum"], IPv6: ["plen"], TCP: ["chksum"], UDP: ["len", "chksum"], SCTP: ["chksum"],
              ICMP: ["chksum"]}
SIZES = {TCP: 20, UDP: 8, SCTP: 12, ICMP: 8}


def check_message(packet):
    """ICMPv6 becomes plain bytes, its checksum looked at: scapy has headers of its own for some types, and none for the rest."""
    layer = packet
    while layer.payload and not type(layer.payload).__name__.startswith("ICMPv6"):
        layer = layer.payload
    if not layer.payload:
        return False
    message = layer.payload.original
    size = packet[IPv6].plen - (len(packet[IPv6].original) - 40 - len(message))
    assert in6_chksum(58, layer, message[:2] + bytes(2) + message[4:size]) == int.from_bytes(message[2:4], "big"), message.hex()
    layer.remove_payload()
    layer.add_payload(Raw(message))
    return True


def test_scapy_builds_the_same_frames(tmp_path):
    """Lengths and checksums, calculated anew by scapy, are those that were there."""
    path = tmp_path / "frames"
    subprocess.run([PROGRAM_TESTS, "--gtest_filter=FrameTest.WritesASample"], check=True, capture_output=True,
                   env=os.environ | {"FWCTL_FRAMES": str(path)}, timeout=60)
    lines = path.read_text().splitlines()
    assert len(lines) > 200
    kinds = collections.Counter()
    for line in lines:
        words, text = line.split("\t")
        frame = bytes.fromhex(text)
        packet = Ether(frame)
        kinds["ICMPv6"] += check_message(packet)
        for kind, fields in CALCULATED.items():
            if layer := packet.getlayer(kind):
                kinds[kind] += 1
                if size := SIZES.get(kind):
                    if kind is ICMP:  # scapy has headers of its own for some types
                        size = len(raw(ICMP(type=layer.type)))
                    body = layer.original[size:]
                    layer.remove_payload()
                    layer.add_payload(Raw(body))
                for field in fields:
                    layer.delfieldval(field)
        packet.clear_cache()
        assert raw(packet) == frame, words
    assert all(kinds[kind] for kind in [*CALCULATED, "ICMPv6"]), kinds
