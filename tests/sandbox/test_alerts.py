"""The alert rules, the dashboard and the page on metrics, against what an agent has told in a good hour and in a bad one.

What is recorded here is fed to `promtool test rules`, a scrape a minute.
"""

import json
import re
import signal
import socket

import pytest

import metrics
import netns
from agent import Agent
from conftest import ROOT, SPOOF, Testbed, until
from metrics import Scrape, default_socket, promtool

RULES = ROOT / "packaging" / "prometheus" / "fwctl.rules.yml"
DASHBOARD = ROOT / "packaging" / "grafana" / "fwctl.json"
PAGE = ROOT / "docs" / "metrics.md"
FLOOD = 900_000  # so many in one of five minutes are 1,000 a second, even where the wire loses half
FLOWS = 31_000

POLICY = """version = 1
[attach.wan]
device = "eth0"
hooks = ["tc-in", "tc-out"]
[attach.other]
device = "other0"
[conntrack]
size = 1000
[set.banned]
dynamic = true
size = 4
[[rule]]
name = "flood"
action = "deny"
service = "udp/7"
ban = { set = "banned", for = "1h" }
[[rule]]
name = "known"
action = "allow"
state = "established"
"""
HEALTH = 'health = {{ {check}, every = "100ms", timeout = "90ms", rise = 1, fall = 1 }}\n'


def service(name, number, check, backends):
    text = f'[vip.{name}]\naddress = "10.9.0.{number}"\nservice = "tcp/80"\nforward = "l2-dsr"\n' + HEALTH.format(check=check)
    for address, fallback in backends:
        text += f'[[vip.{name}.backend]]\nname = "b{address}"\naddress = "10.9.0.{address}"\nfallback = {fallback}\n'
    return text


class Recorded:
    """A scrape a minute, as Prometheus would keep it."""

    LABELS = {"instance": "fw1", "job": "fwctl"}

    def __init__(self, path):
        self.path = path
        self.minutes = []

    def minute(self, count=1):
        for _ in range(count):
            try:
                self.minutes.append(Scrape(self.path).samples | {("up", ()): 1})
            except OSError:
                self.minutes.append({("up", ()): 0})

    def series(self):
        for name, labels in dict.fromkeys(key for minute in self.minutes for key in minute):
            said = ", ".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in (dict(labels) | self.LABELS).items())
            values = " ".join(str(minute.get((name, labels), "stale")) for minute in self.minutes)
            yield {"series": f"{name}{{{said}}}", "values": values}

    def test(self, folder, firing):
        """`firing`: {minute: alerts}."""
        asked = [{"eval_time": f"{minute}m", "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                  "exp_samples": [{"labels": f'{{alertname="{alert}"}}', "value": value} for alert, value in alerts.items()]}
                 for minute, alerts in firing.items()]
        file = folder / "recorded.yml"  # JSON is YAML
        file.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [
            {"interval": "1m", "input_series": list(self.series()), "promql_expr_test": asked}]}))
        assert "SUCCESS" in promtool("test", "rules", file)


@pytest.fixture(scope="module")
def bed():
    made = Testbed("pair")
    try:
        yield made
    finally:
        made.down()


def confirm_flows(bed):
    """Exchanges by UDP that go on after an answer, until three quarters of the smallest table are full."""
    with netns.inside(bed.name("b")):
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("10.9.0.2", 5000))
    server.settimeout(10)
    with netns.inside(bed.name("a")):
        for port in range(20_000, 20_000 + FLOWS):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.settimeout(10)
                client.bind(("10.9.0.1", port))
                client.connect(("10.9.0.2", 5000))
                client.send(b"1")
                server.sendto(b"2", server.recvfrom(10)[1])
                client.recv(10)
                client.send(b"3")
                server.recv(10)
    server.close()


@pytest.fixture(scope="module")
def recorded(bed, tmp_path_factory):
    """Four good minutes, twelve bad ones, four without an attachment, four without an agent; and what all of it was told by."""
    folder = tmp_path_factory.mktemp("alerts")
    bed.check("b", "ip", "link", "add", "other0", "type", "veth", "peer", "other1")
    bed.check("b", "ip", "link", "set", "other0", "up")
    with netns.inside(bed.name("a")):
        servers = [socket.create_server(("10.9.0.1", port), backlog=4096) for port in (8001, 8002)]
    file = folder / "policy.toml"
    file.write_text(POLICY + service("one", 101, "tcp = true, port = 8001", [(1, "false")]) +
                    service("two", 102, "tcp = true, port = 8002", [(1, "true"), (9, "false")]) +
                    service("three", 103, "ping = true", [(1, "false")]))
    bed.check("a", "ip", "address", "add", "10.9.0.9/24", "dev", "eth0")
    with netns.inside(bed.name("a")):
        ninth = socket.create_server(("10.9.0.9", 8002), backlog=4096)
    bed.fwctl("b", "apply", file)
    agent = Agent(bed, "b").start()
    path = default_socket(bed.name("b"))
    made = Recorded(path)
    try:
        until(lambda: metrics.is_served(path))
        until(lambda: [number for _, number in Scrape(path).all("fwctl_backend_up")] == [1] * 4)
        made.minute(4)
        servers[0].close()
        ninth.close()
        bed.check("b", "nft", "add table t; add chain t o { type filter hook output priority 0; }; add rule t o ip protocol icmp drop")
        bed.check("b", "ip", "link", "delete", "other0")
        bed.check("a", SPOOF, "eth0", netns.mac_of(bed.name("b"), "eth0"), "10.9.0.2", "fd00:9::2", FLOOD, 1, "udp/7")
        confirm_flows(bed)
        until(lambda: Scrape(path).sum("fwctl_backend_up") == 2)
        for _ in range(12):
            before = Scrape(path).one("fwctl_health_checks_total", result="not made")
            until(lambda: Scrape(path).one("fwctl_health_checks_total", result="not made") > before)
            made.minute()
        made.everything = Scrape(path)
        bed.fwctl("b", "detach", "--all")
        made.minute(4)
        agent.end(signal.SIGKILL)
        made.minute(4)
        yield made
    finally:
        agent.end(signal.SIGKILL)
        for one in (*servers, ninth):
            one.close()


def test_the_rules_are_right():
    assert "SUCCESS" in promtool("check", "rules", RULES)


STAYS = {"FwctlInterfaceUnprotected": 1, "FwctlServiceDown": 1, "FwctlServiceStrained": 1, "FwctlBackendDown": 2, "FwctlFlowTableFull": 1}
FLOODED = {"FwctlMostPacketsDropped": 1, "FwctlSetFull": 1}  # while the flood is within five minutes
UNCHECKED = {"FwctlChecksNotMade": 1}  # takes five minutes to fire, and to end
DETACHED = {"FwctlNothingAttached": 1}
GONE = {"FwctlAgentGone": 1}


def test_each_alert_fires_when_it_should_and_not_before(recorded, tmp_path):
    recorded.test(tmp_path, {3: {}, 8: STAYS | FLOODED, 15: STAYS | UNCHECKED, 19: DETACHED | UNCHECKED, 23: GONE})
    assert set(re.findall(r"- alert: (\w+)", RULES.read_text())) == {*STAYS, *FLOODED, *UNCHECKED, *DETACHED, *GONE}


def expressions(node):
    """All in the dashboard."""
    if isinstance(node, dict):
        yield from (value for key, value in node.items() if key == "expr")
        node = list(node.values())
    for one in node if isinstance(node, list) else []:
        yield from expressions(one)


def test_the_dashboard_asks_for_what_there_is(recorded, tmp_path):
    board = json.loads(DASHBOARD.read_text())
    asked = list(expressions(board))
    assert len(asked) > 25
    known = {name for name, _ in recorded.everything.samples}
    plain = [one.replace("$__rate_interval", "1m").replace("$instance", ".*").replace("$interface", ".*") for one in asked]
    for text in (*plain, RULES.read_text(), *(one["query"] for one in board["templating"]["list"])):
        assert set(re.findall(r"\bfwctl_\w+", text)) <= known | {"fwctl_trial_remaining_seconds"}, text
    file = tmp_path / "dashboard.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": [
        {"record": f"panel:{number}", "expr": one} for number, one in enumerate(plain)]}]}))
    assert f"{len(plain)} rules found" in promtool("check", "rules", file)


def test_the_page_lists_all_metrics_with_their_kinds_and_labels(recorded):
    listed = {}
    for row in re.findall(r"^\| (`fwctl_.*)", PAGE.read_text(), re.M):
        names, kind, labels = (cell.strip() for cell in row.split("|")[:3])
        for name in re.findall(r"`(\w+)`", names):
            listed[name] = (kind, set(re.findall(r"`(\w+)`", labels)))
    listed["fwctl_conntrack_flow_limit"] = ("gauge", set())  # its row says so in words
    told = {}
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)", recorded.everything.text, re.M))
    for (name, labels), _ in recorded.everything.samples.items():
        base = name if name in kinds else re.sub("_(bucket|sum|count)$", "", name)
        told.setdefault(base, (kinds[base], set()))[1].update(label for label, _ in labels)
    missing = {"fwctl_trial_remaining_seconds", "fwctl_listener_lost_events_total"}  # nobody tries or listens
    assert {name: row for name, row in listed.items() if name not in missing} == told
