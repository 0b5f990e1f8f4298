"""`fwctl monitor`: what it prints is what happened, for each one who listens, and what it did not get it says."""

import collections
import contextlib
import datetime
import json
import os
import pathlib
import re
import signal
import subprocess

import pytest

import echo
from balancer import L2, VIP, WAYS, Balancer, backend, both, service, vip
from cable import cable  # fixture: cable
from conftest import FWCTL, MODES, SPOOF, oldest_with_one, until
from echo import ECHO
from listening import monitors, told

FLOOD = int(os.environ.get("FWCTL_FLOOD", 200_000))
LINE = re.compile(r'(\d\d:\d\d:\d\d\.\d{6}) (pass|drop|redirect) +([\w-]+) +(.*?)(?:, rule "([^"]+)")?(?:, backend (\S+))?')


def parsed(line):
    found = LINE.fullmatch(line)
    assert found, line
    return found.groups()


@pytest.mark.parametrize("mode", oldest_with_one(MODES))
def test_a_line_for_each_dropped_packet(cable, mode):
    bed = cable.bed
    bed.fwctl("b", "attach", "eth0", *mode)
    bed.fwctl("b", "deny", "udp/9")
    frames = [cable.udp(9), cable.udp(10), cable.udp(9)]
    with monitors(bed, "b", [], ["--json"], ["--verdict", "any"]) as (text, as_json, every):
        began = datetime.datetime.now(datetime.timezone.utc)
        cable.send_all("a", frames, "in")
        until(lambda: len(every.lines()) >= 3)
        assert [one.end() for one in (text, as_json, every)] == [0, 0, 0]
        packet = "udp 10.9.0.1:40000 > 10.9.0.2:{} on eth0 mac 02:00:00:00:00:01"
        assert [parsed(line)[1:] for line in text.lines()] == [("drop", "rule-deny", packet.format(9), "deny-udp/9", None)] * 2
        assert [parsed(line)[1:5] for line in every.lines()] == [
            ("drop", "rule-deny", packet.format(9), "deny-udp/9"), ("pass", "default-allow", packet.format(10), None),
            ("drop", "rule-deny", packet.format(9), "deny-udp/9")]
        first, second = map(json.loads, as_json.lines())
        time = datetime.datetime.fromisoformat(first.pop("time").replace("Z", "+00:00"))
        assert began <= time <= datetime.datetime.now(datetime.timezone.utc)
        assert first == {"interface": "eth0", "direction": "in", "verdict": "drop", "reason": "rule-deny", "rule": "deny-udp/9",
                         "vip": None, "backend": None, "length": 42, "packet": packet.format(9), "protocol": "udp",
                         "from": "10.9.0.1", "to": "10.9.0.2", "from_port": 40000, "to_port": 9}
        assert time <= datetime.datetime.fromisoformat(second.pop("time").replace("Z", "+00:00")) and second == first
        # What it prints, explain takes.
        told = bed.json("b", "explain", packet.format(9), expect=0)
        assert (told["verdict"], told["reason"], told["rule"]["name"]) == ("deny", "rule-deny", "deny-udp/9")


def test_filters(cable):
    bed = cable.bed
    bed.fwctl("b", "attach", "eth0", "--hook", "tc-in,tc-out")
    bed.fwctl("b", "deny", "udp/9")
    bed.fwctl("b", "deny", "udp/10", "from", "10.9.0.1")
    frames = [cable.udp(port, sender=sender) for port in (9, 10, 11) for sender in ("10.9.0.1", "10.9.0.3")]
    broken = cable.udp(9)[:30]
    wanted = {
        (): [9, 9, 10], ("udp/9",): [9, 9], ("from", "10.9.0.3"): [9], ("udp/10,udp/11", "to", "10.9.0.0/24"): [10],
        ("on", "eth*", "in"): [9, 9, 10], ("out",): [], ("on", "eth1"): [], ("--verdict", "pass"): [10, 11, 11],
        ("--rule", "deny-udp/10-from-10.9.0.1"): [10], ("--reason", "default-allow,rule-deny"): [9, 9, 10, 10, 11, 11],
        ("--reason", "rule-deny", "--verdict", "pass"): [], ("--reason", "rule-deny", "udp/9", "-c", 1): [9],
        ("--verdict", "any", "-c", 4): [9, 9, 10, 10], ("sport", "40000"): [9, 9, 10], ("sport", "7"): []}
    with monitors(bed, "b", *([*words, "--json"] for words in wanted), ["--reason", "truncated-ipv4"]) as made:
        cable.send_all("a", [*frames, broken], "in")
        until(lambda: made[-1].lines())
        assert [parsed(line)[1] for line in made[-1].lines()] == ["drop"]
        for one, (words, ports) in zip(made, wanted.items()):
            assert (one.wait() if "-c" in words else one.end()) == 0
            shown = [json.loads(line) for line in one.lines()]
            assert [event["to_port"] for event in shown if "to_port" in event] == ports, words


def test_a_rule_that_comes_has_its_name_and_one_that_goes_keeps_it(cable):
    bed = cable.bed
    bed.fwctl("b", "attach", "eth0")
    with monitors(bed, "b", ["--json"]) as (monitor,):
        bed.fwctl("b", "deny", "udp/9")
        cable.send_all("a", [cable.udp(9)], "in")
        until(lambda: len(monitor.lines()) == 1)
        bed.fwctl("b", "rule", "remove", "deny-udp/9")
        bed.fwctl("b", "deny", "udp/10")
        cable.send_all("a", [cable.udp(10)], "in")
        until(lambda: len(monitor.lines()) == 2)
        assert [json.loads(line)["rule"] for line in monitor.lines()] == ["deny-udp/9", "deny-udp/10"]
        bed.fwctl("b", "detach", "--all")
        assert monitor.wait() == 3
        assert monitor.notes()[-1] == "fwctl: nothing is attached any more"


LOGGING = """version = 1
[attach.eth0]
mode  = "{}"
hooks = {}
[[rule]]
name    = "all of it"
service = "udp/9-11"
direction = "in"
action  = "log"
[[rule]]
name    = "a few"
service = "udp/10"
rate    = "under 1/hour burst 3"
action  = "log"
[[rule]]
name    = "some"
service = "udp/11"
direction = "in"
action  = "log"
sample  = 10
[[rule]]
name    = "quietly"
service = "udp"
action  = "count"
[[rule]]
name    = "kept out"
service = "udp/10"
action  = "deny"
"""
HOOKS = {"native": '["xdp"]', "generic": '["xdp", "tc-in", "tc-out"]', "tc": '["tc-in", "tc-out"]'}


@pytest.mark.parametrize("mode", HOOKS)
def test_what_rules_log(cable, tmp_path, mode):
    """Told once for each rule, as often as it counts, and beside it the verdict."""
    bed, policy = cable.bed, tmp_path / "policy.toml"
    policy.write_text(LOGGING.format(mode, HOOKS[mode]))
    bed.fwctl("b", "apply", policy)
    wanted = {
        (): {("log", "all of it"): 100 + 20 + 2000, ("log", "a few"): 3, ("drop", "kept out"): 20},
        ("--log",): {("log", "all of it"): 100 + 20 + 2000, ("log", "a few"): 3},
        ("--log", "udp/10"): {("log", "all of it"): 20, ("log", "a few"): 3},
        ("--log", "--verdict", "drop"): {("log", "all of it"): 100 + 20 + 2000, ("log", "a few"): 3, ("drop", "kept out"): 20},
        ("--rule", "a few"): {("log", "a few"): 3},
        ("--verdict", "drop"): {("drop", "kept out"): 20},
        ("--reason", "default-allow", "udp/9"): {("pass", None): 100},
    }
    frames = [cable.udp(port) for port, count in ((9, 100), (10, 20), (11, 2000)) for _ in range(count)]
    with monitors(bed, "b", *([*words, "--json"] for words in wanted), ["--log"], ["--json", "--rule", "some"]) as made:
        cable.send_all("a", frames, "in")
        *others, text, sampled = made
        for one, (words, expected) in zip(others, wanted.items()):
            until(lambda: sum(tally(one, but="some").values()) >= sum(expected.values()))
            assert one.end() == 0
            assert tally(one, but="some") == expected, words
        assert text.end() == sampled.end() == 0
        assert {line.split(maxsplit=3)[1:3] == ["log", "rule-log"] for line in text.lines()} == {True}
        first = 'udp 10.9.0.1:40000 > 10.9.0.2:9 on eth0 mac 02:00:00:00:00:01, rule "all of it"'
        assert text.lines()[0].split(maxsplit=3)[3] == first
        # By chance one in 10: six deviations.
        assert abs(tally(sampled)["log", "some"] - 200) <= 6 * 2000 ** 0.5 * 0.3
    rules = {rule["name"]: rule["packets"] for rule in bed.json("b", "counters")["rules"]}
    assert (rules["all of it"], rules["a few"], rules["some"], rules["quietly"]) == (2120, 3, 2000, 2120)


def tally(monitor, but=None):
    """How many lines there are of each verdict or event, and rule."""
    lines = [json.loads(line) for line in monitor.lines() if line.endswith("}")]
    assert {line.get("event") for line in lines} <= {None, "rule-log"}
    return collections.Counter((line.get("verdict", "log"), line["rule"]) for line in lines if line["rule"] != but or but is None)


@pytest.mark.parametrize("mode", HOOKS)
def test_a_connection_from_its_first_packet_to_its_last(testbed, tmp_path, mode):
    bed, policy = testbed("pair"), tmp_path / "policy.toml"
    hooks = '["xdp", "tc-out"]' if mode == "native" else HOOKS[mode]
    policy.write_text(f"""version = 1
[attach.eth0]
mode  = "{mode}"
hooks = {hooks}
[[rule]]
name   = "known"
state  = "established"
action = "allow"
""")
    bed.fwctl("b", "apply", policy)
    with monitors(bed, "b", ["--flows", "--json", "tcp"], ["--flows", "tcp"], ["--flows", "udp"]) as (monitor, text, other):
        for address in ("10.9.0.2", "fd00:9::2"):
            assert bed.curls("a", address)
        until(lambda: len(monitor.lines()) >= 6)
        assert [one.end() for one in (monitor, text, other)] == [0, 0, 0]
        events = [json.loads(line) for line in monitor.lines()]
        for address, ours in (("10.9.0.1", "10.9.0.2"), ("fd00:9::1", "fd00:9::2")):
            its = [one for one in events if one["from"] == address]
            assert [one["event"] for one in its] == ["flow-opened", "flow-confirmed", "flow-closed"]
            assert {(one["to"], one["to_port"], one["protocol"], one["interface"]) for one in its} == {(ours, 80, "tcp", "eth0")}
            assert len({one["from_port"] for one in its}) == 1
            assert not any({"verdict", "reason", "packet", "length"} & set(one) for one in its)
        assert len(events) == 6 and other.lines() == []
        first = events[0]
        assert text.lines()[0].split(maxsplit=1)[1] == f"flow     flow-opened        tcp 10.9.0.1:{first['from_port']} > 10.9.0.2:80 on eth0"
    counts = bed.json("b", "conntrack", "show")["counts"]
    assert (counts["opened"], counts["confirmed"], counts["displaced"]) == (2, 2, 0)


@pytest.mark.parametrize("mode", MODES)
def test_in_a_flood_each_shows_every_packet_or_says_how_many_it_did_not(cable, mode):
    bed = cable.bed
    bed.fwctl("b", "attach", "eth0", *mode)
    bed.fwctl("b", "deny", "udp")
    dropped = lambda: cable.counted("in").get("rule-deny", (0, 0))[0]  # noqa: E731
    with monitors(bed, "b", ["--json"], ["--json", "udp/7"], ["--json", "--sample", 1000]) as made:
        every, half, sampled = made
        bed.check("a", SPOOF, "eth0", cable.mac, "10.9.0.2", "fd00:9::2", FLOOD, 1, "udp/7", "udp/8")
        cable.send_all("a", [cable.udp(9)], "in")
        total = dropped()
        until(lambda: sum(told(every)) == total)
        assert [one.end(signal.SIGTERM) for one in made] == [0, 0, 0]
    shown, lost = told(every)
    assert shown + lost == total and shown > 0
    shown, lost = told(half)
    assert shown <= total // 2 + 1 and total // 2 - 100 <= shown + lost  # the wire may lose some of either
    shown, lost = told(sampled)
    # By chance one in 1,000: six deviations.
    assert lost == 0 and abs(shown - total / 1000) <= 6 * (total / 1000) ** 0.5
    # Packets waited for nobody, and nothing is left of the listeners.
    assert total >= FLOOD // 2
    cable.send_all("a", [cable.udp(9)] * 100, "in")
    assert dropped() == total + 100


@pytest.mark.parametrize("way", ["tc", "native", "native-handing-on"])
def test_where_balanced_packets_go(tmp_path, way):
    lb = Balancer(tmp_path, WAYS[way], [L2])
    try:
        lb.balance(service("web", both(VIP, L2), [f"tcp/{ECHO}"], "l2-dsr", [backend("b1", "b1"), backend("b2", "b2")]) +
                   service("other", both(VIP, 77), [f"tcp/{ECHO}"], "l2-dsr", [backend("b3", "b3")]))
        lb.through("lb1")
        with contextlib.closing(echo.Servers(lb.bed, ["b1", "b2"], [ECHO])), \
                monitors(lb.bed, "lb1", ["--service", "web", "--json"], ["--service", "other"], ["--flows", "--json"]) as (web, other, placed):
            servers = []
            for family in (4, 6, 4, 6):
                with echo.dial(lb.bed, "client", vip(family, L2), ECHO) as one:
                    servers.append(echo.greeting(one)[0][0])
            until(lambda: len({one["from_port"] for one in web.objects()}) == 4)
            events = web.objects()
            assert {(one["vip"], one["reason"], one["verdict"]) for one in events} == {("web", "balanced", "redirect")}
            by_port = {one["from_port"]: one["backend"] for one in events}
            assert list(by_port.values()) == servers
            assert other.lines() == []
            until(lambda: len(placed.objects()) >= 4)
            told = placed.objects()
            assert [(one["event"], one["vip"], one["from_port"], one["backend"]) for one in told] == [
                ("flow-placed", "web", port, backend) for port, backend in by_port.items()]
            assert lb.bed.json("lb1", "vip", "show", "web")["flows"] == 4
    finally:
        lb.down()


def test_a_reader_that_does_not_read(cable):
    """Ctrl-C ends it while its pipe is full; and where nothing can be written, it says so."""
    bed = cable.bed
    bed.fwctl("b", "attach", "eth0")
    bed.fwctl("b", "deny", "udp/9")
    command = [FWCTL, "monitor", "--netns", bed.name("b")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as stuck, open("/dev/full", "w") as full:
        failing = subprocess.Popen(command, stdout=full, stderr=subprocess.PIPE, text=True)
        for one in (stuck, failing):
            assert one.stderr.readline() == "listening; Ctrl-C ends it\n"
        cable.send_all("a", [cable.udp(9)] * 3000, "in")
        assert failing.wait(timeout=30) == 1
        assert failing.stderr.read() == "fwctl: cannot write: No space left on device\n"
        until(lambda: "pipe" in pathlib.Path(f"/proc/{stuck.pid}/wchan").read_text())
        stuck.send_signal(signal.SIGINT)
        until(lambda: stuck.poll() is not None or stuck.send_signal(signal.SIGINT))
        assert (stuck.returncode, stuck.stderr.read()) == (0, "")


def test_bad_usage(cable):
    bed = cable.bed
    refused = bed.fwctl("b", "monitor", expect=3)
    assert refused.stderr == "fwctl: nothing is attached; start with: fwctl attach IF\n"
    bed.fwctl("b", "attach", "eth0")
    for words, says in {
        ("--verdict", "deny"): "--verdict", ("--reason", "nonsense"): "--reason", ("--sample", 0): "--sample",
        ("--rule", "nonsense"): 'there is no rule "nonsense"; see: fwctl rule list',
        ("--service", "web"): 'there is no vip "web"; see: fwctl vip list', ("from", "@bad"): '"@bad"',
        ("tcp/nonsense",): "nonsense", ("--dry-run",): "--dry-run", ("--flows", "--rule", "arp"): "--flows",
    }.items():
        done = bed.fwctl("b", "monitor", *words, expect=2)
        assert done.stdout == "" and says in done.stderr and done.stderr.count("\n") == 1, done.stderr
