"""Metrics of `fwctl agent`: what they say is what was sent, whoever asks, however slowly and often."""

import contextlib
import grp
import os
import pwd
import re
import select
import signal
import socket
import stat
import subprocess
import threading
import time

import pytest
from scapy.all import IP, UDP, Ether

import metrics
import netns
from agent import Agent
from cable import ATTACH, QuietCable
from conftest import FWCTL, ROOT, until
from metrics import KEPT, Scrape, ask, default_socket, promtool

USAGE, CONFLICT = 2, 6


@contextlib.contextmanager
def agent_of(bed, role, *options):
    made = Agent(bed, role).start(*options)
    path = options[options.index("--socket") + 1] if "--socket" in options else default_socket(bed.name(role))
    try:
        until(lambda: metrics.is_served(path) or made.process.poll() is not None)
        assert made.process.poll() is None, made.lines()
        yield made, path
    finally:
        made.end(signal.SIGKILL)


@pytest.fixture
def cable():
    made = QuietCable()
    yield made
    made.down()


def udp(cable, port, size=0):
    return bytes(Ether(src="02:00:00:00:00:01", dst=cable.mac) / IP(src="10.9.0.1", dst="10.9.0.2") /
                 UDP(sport=40000, dport=port) / bytes(size))


# --- what they say ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ATTACH)
def test_the_sums_are_what_was_sent(cable, mode):
    bed = cable.bed
    bed.fwctl("b", *ATTACH[mode])
    bed.fwctl("b", "deny", "udp/9")
    frames = [udp(cable, port, size) for port, size in [(9, 0), (10, 100), (9, 200), (9, 1), (11, 18)] * 40]
    with agent_of(bed, "b") as (_, path):
        cable.send_all("a", frames, "in")
        scrape = Scrape(path)
        assert scrape.sum("fwctl_packets_total", direction="in") == len(frames)
        assert scrape.sum("fwctl_bytes_total", direction="in") == sum(map(len, frames))
        dropped = [frame for frame in frames if frame[36:38] == (9).to_bytes(2, "big")]
        labels = {"interface": "eth0", "direction": "in", "verdict": "drop", "reason": "rule-deny"}
        assert scrape.one("fwctl_packets_total", **labels) == len(dropped) == 120
        assert scrape.one("fwctl_bytes_total", **labels) == sum(map(len, dropped))
        assert scrape.one("fwctl_rule_packets_total", rule="deny-udp/9", origin="live") == len(dropped)
        assert scrape.one("fwctl_rule_bytes_total", rule="deny-udp/9") == sum(map(len, dropped))
        as_counters_has_it(bed, "b", scrape)
        assert promtool("check", "metrics", text=scrape.text) == ""
        (attachment, one), = scrape.all("fwctl_attachment_info")
        assert one == 1 and attachment["interface"] == "eth0"
        assert attachment["ingress"] == mode and scrape.one("fwctl_attachment_protects", interface="eth0") == 1
        assert (scrape.one("fwctl_attached"), scrape.sum("fwctl_trial_remaining_seconds")) == (1, 0)


def test_a_reset_of_the_counters_does_not_show(cable):
    bed = cable.bed
    bed.fwctl("b", "attach", "eth0")
    bed.fwctl("b", "deny", "udp/9")
    with agent_of(bed, "b") as (_, path):
        cable.send_all("a", [udp(cable, 9)] * 5, "in")
        bed.fwctl("b", "counters", "--reset")
        assert bed.counters("b", "eth0").get(("in", "rule-deny"), 0) == 0
        scrape = Scrape(path)
        assert scrape.one("fwctl_packets_total", direction="in", reason="rule-deny") == 5
        assert scrape.one("fwctl_rule_packets_total", rule="deny-udp/9") == 5


def as_counters_has_it(bed, role, scrape):
    """Interface by interface, reason by reason, rule by rule."""
    shown = bed.json(role, "counters")
    for row in shown["counters"]:
        labels = {key: row[key] for key in ("interface", "direction", "verdict", "reason")}
        assert scrape.one("fwctl_packets_total", **labels) == row["packets"], labels
        assert scrape.one("fwctl_bytes_total", **labels) == row["bytes"], labels
    assert len(shown["counters"]) == len(scrape.all("fwctl_packets_total"))
    assert {labels["rule"]: number for labels, number in scrape.all("fwctl_rule_packets_total")} == {
        rule["name"]: rule["packets"] for rule in shown["rules"]}


def test_a_namespace_without_attachments(cable):
    with agent_of(cable.bed, "b") as (_, path):
        scrape = Scrape(path)
        assert scrape.one("fwctl_attached") == 0 and not scrape.all("fwctl_packets_total")
        assert scrape.one("fwctl_health_checks_total", result="good") == 0
        assert promtool("check", "metrics", text=scrape.text) == ""
        cable.bed.fwctl("b", "attach", "eth0")
        assert Scrape(path).one("fwctl_attached") == 1
        cable.bed.fwctl("b", "detach", "--all")
        assert Scrape(path).one("fwctl_attached") == 0


def policy(rules, more=""):
    text = f'version = 1\n[attach.wan]\ndevice = "eth0"\n{more}'
    for number in range(rules):
        text += f'[[rule]]\nname = "r{number}"\naction = "deny"\nservice = "udp/{1000 + number}"\n'
    return text


def test_of_many_rules_the_others_are_summed(cable, tmp_path):
    bed = cable.bed
    file = tmp_path / "policy.toml"
    file.write_text(policy(1100))
    bed.fwctl("b", "apply", file)
    bed.fwctl("b", "deny", "udp/9")
    with agent_of(bed, "b") as (_, path):
        assert Scrape(path).one("fwctl_other_rules_packets_total") == 0
        cable.send_all("a", [udp(cable, port) for port in (9, 1000, 1999, 2000, 2000, 2099)], "in")
        scrape = Scrape(path)
        told = {labels["rule"]: number for labels, number in scrape.all("fwctl_rule_packets_total")}
        assert (told["deny-udp/9"], told["r0"], told["r999"]) == (1, 1, 1) and "r1000" not in told
        assert scrape.one("fwctl_other_rules_packets_total") == 3
        assert scrape.one("fwctl_other_rules_bytes_total") == 3 * 42
        assert (scrape.one("fwctl_rules", told="each"), scrape.one("fwctl_rules", told="together")) == (len(told), 100)
        (info, _), = scrape.all("fwctl_policy_info")
        assert info["path"] == str(file)
        # Neither what they have counted goes, nor does what another rule has counted before come.
        cable.send_all("a", [udp(cable, 1999)] * 50, "in")
        bed.fwctl("b", "allow", "udp/9999")
        file.write_text(policy(1050).replace('name = "r0"', 'name = "new"\naction = "deny"\nservice = "udp/9"\n[[rule]]\nname = "r0"'))
        bed.fwctl("b", "apply", file)
        scrape = Scrape(path)
        assert "r999" not in {labels["rule"] for labels, _ in scrape.all("fwctl_rule_packets_total")}
        assert (scrape.one("fwctl_rules", told="together"), scrape.one("fwctl_other_rules_packets_total")) == (51, 3)
        cable.send_all("a", [udp(cable, 1999)] * 2, "in")
        assert Scrape(path).one("fwctl_other_rules_packets_total") == 5


def test_the_same_answer_for_all_who_ask_at_once(cable):
    bed = cable.bed
    bed.fwctl("b", "attach", "eth0")
    with agent_of(bed, "b") as (_, path):
        for asked, kind in (("/metrics", "text/plain; version=0.0.4; charset=utf-8"), ("/state", "application/json")):
            # What is read anew has another time in it.
            made = set()
            for _ in range(50):
                status, headers, body = ask(metrics.OverSocket(path), path=asked)
                assert (status, headers["Content-Type"]) == (200, kind)
                made.add(body)
            assert len(made) < 25, asked


def test_no_name_ends_its_line(cable, tmp_path):
    file = tmp_path / 'a"} 1\nfwctl_attached 7 \\.toml'
    file.write_text(policy(1))
    cable.bed.fwctl("b", "apply", file)
    with agent_of(cable.bed, "b") as (_, path):
        scrape = Scrape(path)
        (info, _), = scrape.all("fwctl_policy_info")
        assert info["path"] == str(file) and scrape.one("fwctl_attached") == 1
        assert promtool("check", "metrics", text=scrape.text) == ""


def test_a_broken_attachment(cable):
    bed = cable.bed
    bed.fwctl("b", "attach", "eth0", "--hook", "tc-in,tc-out")
    with agent_of(bed, "b") as (_, path):
        assert Scrape(path).one("fwctl_attachment_protects", interface="eth0") == 1
        bed.check("b", "ip", "link", "delete", "eth0")
        until(lambda: Scrape(path).one("fwctl_attachment_protects", interface="eth0") == 0)
        (info, _), = Scrape(path).all("fwctl_attachment_info")
        assert info == {"interface": "eth0", "ingress": "missing", "egress": "missing"}


def test_sets_and_flows_and_listeners(cable, tmp_path):
    bed = cable.bed
    file = tmp_path / "policy.toml"
    file.write_text(policy(0, '[set.banned]\ndynamic = true\nsize = 4\n') +
                    '[[rule]]\nname = "banned"\naction = "deny"\nfrom = "@banned"\n'
                    '[[rule]]\nname = "known"\naction = "allow"\nstate = "established"\n')
    bed.fwctl("b", "apply", file)
    with agent_of(bed, "b") as (_, path):
        bed.fwctl("b", "ban", "192.0.2.1", "192.0.2.2")
        cable.send_all("a", [udp(cable, 5000 + port) for port in range(7)], "in")
        scrape = Scrape(path)
        assert (scrape.one("fwctl_set_members", set="banned"), scrape.one("fwctl_set_member_limit", set="banned")) == (2, 4)
        shown = bed.json("b", "conntrack", "show")["counts"]
        assert scrape.one("fwctl_conntrack_opened_total") == shown["opened"] == 7
        assert scrape.one("fwctl_conntrack_flows", state="new") == 7
        assert scrape.one("fwctl_conntrack_flow_limit") > 0 and scrape.one("fwctl_listeners") == 0
        monitor = subprocess.Popen([FWCTL, "monitor", "--netns", bed.name("b")], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        try:
            until(lambda: Scrape(path).one("fwctl_listeners") == 1)
            assert Scrape(path).sum("fwctl_listener_lost_events_total") == 0
        finally:
            monitor.kill()
            monitor.wait()


# --- who may ask, and how --------------------------------------------------------------------------------------------


def test_only_root_may_use_the_socket_unless_a_group_is_named(cable, tmp_path):
    bed = cable.bed
    with agent_of(bed, "b") as (agent, path):
        there = os.stat(path)
        assert (stat.S_IMODE(there.st_mode), there.st_uid, there.st_gid) == (0o600, 0, 0)
        assert agent.end() == 0 and not path.exists()
    group = grp.getgrnam("nogroup")
    path = tmp_path / "own.sock"
    with agent_of(bed, "b", "--socket", str(path), "--group", group.gr_name):
        there = os.stat(path)
        assert (stat.S_IMODE(there.st_mode), there.st_uid, there.st_gid) == (0o660, 0, group.gr_gid)
        for parent in (tmp_path, *tmp_path.parents):
            os.chmod(parent, os.stat(parent).st_mode | 0o011)
        assert may_connect(path, group.gr_gid) and not may_connect(path, grp.getgrnam("games").gr_gid)


def may_connect(path, gid):
    """As nobody of that group."""
    code = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
    done = subprocess.run(["setpriv", "--reuid", str(pwd.getpwnam("nobody").pw_uid), "--regid", str(gid), "--clear-groups",
                           "/usr/bin/python3", "-c", code, path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 or "PermissionError" in done.stderr, done.stderr
    return done.returncode == 0


def over_tcp(bed, role, address, port, **asked):
    """Connected in the namespace."""
    connection = metrics.http.client.HTTPConnection(address, port, timeout=30)
    with netns.inside(bed.name(role)):
        connection.connect()
    return ask(connection, **asked)


def test_by_tcp_a_request_has_to_name_this_host(testbed):
    bed = testbed("pair")
    # The last one of an address that comes later.
    options = ["--listen", "10.9.0.2:9105", "--listen", "[::1]:9106", "--listen", "10.9.0.7:9105", "--host", "fw1.example.net"]
    with agent_of(bed, "b", *options):
        bed.check("b", "ip", "address", "add", "10.9.0.7/24", "dev", "eth0")
        assert over_tcp(bed, "b", "10.9.0.7", 9105)[0] == 200
        for host in ("10.9.0.2", "10.9.0.2:9105", "localhost", "fw1.example.net:9105"):
            assert over_tcp(bed, "a", "10.9.0.2", 9105, headers={"Host": host})[0] == 200, host
        assert over_tcp(bed, "b", "::1", 9106)[0] == 200
        for host in ("evil.example", "10.9.0.1", "[::1]:9105", ""):
            status, _, body = over_tcp(bed, "a", "10.9.0.2", 9105, headers={"Host": host})
            assert (status, "fwctl" in body) == (421, False), host
        for request, status in ((b"GET /metrics HTTP/1.1\r\n\r\n", b"400"),
                                (b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", b"400")):
            with netns.inside(bed.name("a")), socket.create_connection(("10.9.0.2", 9105), timeout=30) as raw:
                raw.sendall(request)
                assert raw.makefile("rb").readline().split()[1] == status


def test_one_address_cannot_take_all_connections(testbed):
    bed = testbed("pair")
    with agent_of(bed, "b", "--listen", "10.9.0.2:9105"):
        with contextlib.ExitStack() as hanging:
            opened = []
            for _ in range(33):
                with netns.inside(bed.name("a")):
                    opened.append(hanging.enter_context(socket.create_connection(("10.9.0.2", 9105), timeout=30)))
            # Who says nothing is cut off, too, but those who came first before the others.
            ended, _, _ = select.select(opened, [], [], 30)
            assert ended == [opened[-1]] and opened[-1].recv(1) == b""
            assert over_tcp(bed, "b", "10.9.0.2", 9105)[0] == 200

        def has_room_again():
            try:
                return over_tcp(bed, "a", "10.9.0.2", 9105)[0] == 200
            except OSError:
                return False

        until(has_room_again)


def test_what_is_answered(cable):
    with agent_of(cable.bed, "b") as (_, path):
        connection = lambda: metrics.OverSocket(path)  # noqa: E731
        status, headers, body = ask(connection(), method="HEAD")
        assert (status, body) == (200, "") and int(headers["Content-Length"]) > 100
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE"):
            status, headers, _ = ask(connection(), method=method)
            assert (status, headers.get("Allow")) == (405, "GET, HEAD"), method
        for other in ("/", "/metrics/", "/metrics/../etc/passwd", "//metrics", "/%2e%2e/etc/passwd"):
            assert ask(connection(), path=other)[0] == 404, other
        assert ask(connection(), path="/metrics?x=1")[0] == 200
        assert ask(connection(), headers={"X-Long": "x" * 100_000})[0] in (413, 431)


@pytest.mark.parametrize("words, said", [
    (["--listen", "localhost:9105"], '"localhost:9105" is no address to listen on; give ADDRESS:PORT, as 127.0.0.1:9105 or [::1]:9105'),
    (["--host", "a:1"], '"a:1" is no name of a host; --host takes letters, digits, dots and hyphens'),
    (["--socket", "here"], '"here" is no path for a socket: it begins with / and has at most 107 bytes'),
    (["--group", "no-such"], 'there is no group "no-such"')])
def test_options_that_are_refused(testbed, words, said):
    bed = testbed("pair")
    done = bed.fwctl("b", "agent", *words, expect=USAGE)
    assert (done.stdout, done.stderr) == ("", f"fwctl: {said}\n")


def test_two_namespaces_at_once(testbed):
    bed = testbed("pair")
    for role in ("a", "b"):
        bed.fwctl(role, "attach", "eth0")
    with agent_of(bed, "a") as (_, one), agent_of(bed, "b") as (_, other):
        assert one != other
        bed.fwctl("a", "deny", "icmp")
        assert bed.ping_fails("a", "10.9.0.2")
        denied = lambda path: Scrape(path).sum("fwctl_packets_total", reason="rule-deny")  # noqa: E731
        assert denied(one) > 0 and denied(other) == 0


def test_a_socket_that_somebody_uses_stays_his(testbed, tmp_path):
    bed = testbed("pair")
    path = tmp_path / "x.sock"
    with agent_of(bed, "a", "--socket", str(path)):
        second = Agent(bed, "b").start("--socket", str(path))
        assert second.process.wait(timeout=30) == CONFLICT
        assert second.lines() == [f"fwctl agent: another process listens on {path} already"]
        assert metrics.is_served(path)


# --- what keeps it from nothing --------------------------------------------------------------------------------------


def test_while_policies_are_applied(cable, tmp_path):
    bed = cable.bed
    files = []
    for number in (1, 300):
        file = tmp_path / f"{number}.toml"
        file.write_text(policy(number))
        files.append(file)
    bed.fwctl("b", "apply", files[0])
    with agent_of(bed, "b") as (agent, path):
        done = threading.Event()

        def apply():
            for turn in range(16):
                bed.fwctl("b", "apply", files[(turn + 1) % 2])
                time.sleep(KEPT / 4)  # else all are over within what a single answer is kept for
            done.set()

        worker = threading.Thread(target=apply)
        worker.start()
        scrapes = 0
        before = Scrape(path)
        while not done.is_set():
            now = Scrape(path)
            assert now.one("fwctl_attachment_protects", interface="eth0") == 1
            never_back(before, now)
            before = now
            scrapes += 1
        worker.join()
        assert scrapes > 1
        until(lambda: sum("number" in line and "of the history" in line for line in agent.lines()) == 16)
        assert f"apply of {files[0]} by root: 1 rules, number 17 of the history" in agent.lines()


def never_back(before, now):
    """What both have, but for rules' own: those of a policy that comes back begin anew."""
    later = now.counters()
    for key, number in before.counters().items():
        if key[0].startswith("fwctl_rule_"):
            continue
        assert later.get(key, number) >= number, key


CHECKED = """version = 1
[attach.wan]
device = "eth0"
[vip.web]
address = "10.9.0.100"
service = "tcp/80"
forward = "l2-dsr"
health = { tcp = true, port = 8080, every = "100ms", timeout = "90ms", rise = 1, fall = 1 }
[[vip.web.backend]]
name = "b1"
address = "10.9.0.1"
"""


def test_clients_that_hang_keep_no_check_waiting(testbed, tmp_path):
    bed = testbed("pair")
    file = tmp_path / "policy.toml"
    file.write_text(CHECKED)
    bed.fwctl("b", "apply", file)
    with agent_of(bed, "b", "--listen", "10.9.0.2:9105") as (agent, path):
        up = lambda: [number for _, number in Scrape(path).all("fwctl_backend_up")]  # noqa: E731
        until(lambda: up() == [0])
        hanging = []
        try:
            for number in range(100):
                one = socket.socket(socket.AF_UNIX)
                one.connect(str(path))
                one.sendall([b"", b"GET /metr", b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX"][number % 3])
                hanging.append(one)
                with netns.inside(bed.name("a")):
                    hanging.append(socket.create_connection(("10.9.0.2", 9105), timeout=30))
                hanging[-1].sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" if number % 2 else b"GET")  # and reads nothing
            checks = Scrape(path).sum("fwctl_health_checks_total")
            with netns.inside(bed.name("a")):
                server = socket.create_server(("10.9.0.1", 8080), backlog=4096)
            agent.says("vip web: backend b1 is up")
            until(lambda: up() == [1])
            until(lambda: Scrape(path).sum("fwctl_health_checks_total") >= checks + 10)
            # From an address that has fewer connections than one may have.
            assert over_tcp(bed, "b", "10.9.0.2", 9105)[0] == 200
            server.close()
            agent.says("vip web: backend b1 is down")
            # Who says nothing is cut off.
            hanging[0].settimeout(60)
            assert hanging[0].recv(100) == b""
        finally:
            for one in hanging:
                one.close()
        scrape = Scrape(path)
        took = {labels["le"]: number for labels, number in scrape.all("fwctl_health_check_duration_seconds_bucket")}
        assert took["+Inf"] == scrape.one("fwctl_health_check_duration_seconds_count") > 10


# capabilities(7)
SYS_ADMIN = 21


def test_what_reports_has_given_up_what_it_does_not_need(cable, tmp_path):
    bed = cable.bed
    file = tmp_path / "policy.toml"
    file.write_text(policy(1, "[set.banned]\ndynamic = true\n") + '[[rule]]\nname = "banned"\naction = "deny"\nfrom = "@banned"\n')
    bed.fwctl("b", "apply", file)
    with agent_of(bed, "b") as (agent, path):
        # The agent has another one for a moment, when it follows interfaces.
        (reporter,) = until(lambda: (found := metrics.children(agent.process.pid)) and len(found) == 1 and found)
        with open(f"/proc/{reporter}/status") as lines:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in lines)
        kept = 1 << SYS_ADMIN
        assert {int(status[key], 16) for key in ("CapPrm", "CapEff", "CapBnd")} == {kept}
        assert {int(status[key], 16) for key in ("CapInh", "CapAmb")} == {0} and status["NoNewPrivs"] == "1"
        # The numbers of the agent's checks, the only memory that both have.
        with open(f"/proc/{reporter}/maps") as lines:
            shared = [line for line in lines if "/dev/zero" in line]
        assert shared and all(line.split()[1] == "r--s" for line in shared), shared
        # And can do with that all that it is for.
        bed.fwctl("b", "ban", "192.0.2.1", "192.0.2.0/24")
        agent.says("set banned: 192.0.2.1 is a member now")
        agent.says("set banned: 192.0.2.0/24 is a member now")
        scrape = Scrape(path)
        assert scrape.one("fwctl_set_members", set="banned") == 2
        assert scrape.one("fwctl_attachment_protects", interface="eth0") == 1
        (info, _), = scrape.all("fwctl_policy_info")
        assert info["path"] == str(file)


def test_what_reports_comes_back_and_ends_with_the_agent(cable):
    bed = cable.bed
    bed.fwctl("b", "attach", "eth0")
    with agent_of(bed, "b") as (agent, path):
        cable.send_all("a", [udp(cable, 9)] * 3, "in")
        (reporter,) = metrics.children(agent.process.pid)
        os.kill(reporter, signal.SIGKILL)
        agent.says("reporting has ended by signal 9, and begins again")
        until(lambda: metrics.is_served(path))
        assert Scrape(path).sum("fwctl_packets_total", direction="in") == 3
        (reporter,) = metrics.children(agent.process.pid)
        os.kill(agent.process.pid, signal.SIGKILL)
        until(lambda: not metrics.is_alive(reporter))
        # What it left behind is in nobody's way.
        agent.process.wait()
        agent.process = None
        assert path.exists()
    with agent_of(bed, "b") as (agent, path):
        assert Scrape(path).sum("fwctl_packets_total", direction="in") == 3
        assert agent.end() == 0


# --- what it tells the journal ---------------------------------------------------------------------------------------


def test_bans_are_told(cable, tmp_path):
    bed = cable.bed
    file = tmp_path / "policy.toml"
    file.write_text(policy(0, "[set.banned]\ndynamic = true\n") +
                    '[[rule]]\nname = "banned"\naction = "deny"\nfrom = "@banned"\n'
                    '[[rule]]\nname = "guesses"\naction = "deny"\nservice = "udp/9"\nban = { set = "banned", for = "1h" }\n')
    bed.fwctl("b", "apply", file)
    bed.fwctl("b", "ban", "198.51.100.7")
    with agent_of(bed, "b") as (agent, path):
        cable.send_all("a", [udp(cable, 9)], "in")
        agent.says("set banned: 10.9.0.1 is a member now")
        bed.fwctl("b", "ban", "192.0.2.0/24")
        agent.says("set banned: 192.0.2.0/24 is a member now")
        bed.fwctl("b", "ban", *(f"203.0.113.{number}" for number in range(50)))
        agent.says("set banned: 30 more members are new")
        assert not any("198.51.100.7" in line for line in agent.lines())
        assert Scrape(path).one("fwctl_set_banned_total", set="banned") == 1
        (refused,) = [line for line in agent.lines() if "203.0.113.0 " in line]
        assert re.fullmatch(r"set banned: 203\.0\.113\.0 is a member now", refused)
