"""The process of `fwctl agent` that reports: what keeps it from nothing, what it has given up, and what it tells the journal."""

import os
import re
import signal
import socket
import threading
import time

import metrics
import netns
from agent import agent_of
from cable import cable  # fixture: cable
from conftest import until
from metrics import KEPT, Scrape, over_tcp, policy


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
        cable.send_all("a", [cable.udp(9)] * 3, "in")
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


def test_bans_are_told(cable, tmp_path):
    bed = cable.bed
    file = tmp_path / "policy.toml"
    file.write_text(policy(0, "[set.banned]\ndynamic = true\n") +
                    '[[rule]]\nname = "banned"\naction = "deny"\nfrom = "@banned"\n'
                    '[[rule]]\nname = "guesses"\naction = "deny"\nservice = "udp/9"\nban = { set = "banned", for = "1h" }\n')
    bed.fwctl("b", "apply", file)
    bed.fwctl("b", "ban", "198.51.100.7")
    with agent_of(bed, "b") as (agent, path):
        cable.send_all("a", [cable.udp(9)], "in")
        agent.says("set banned: 10.9.0.1 is a member now")
        bed.fwctl("b", "ban", "192.0.2.0/24")
        agent.says("set banned: 192.0.2.0/24 is a member now")
        bed.fwctl("b", "ban", *(f"203.0.113.{number}" for number in range(50)))
        agent.says("set banned: 30 more members are new")
        assert not any("198.51.100.7" in line for line in agent.lines())
        assert Scrape(path).one("fwctl_set_banned_total", set="banned") == 1
        (refused,) = [line for line in agent.lines() if "203.0.113.0 " in line]
        assert re.fullmatch(r"set banned: 203\.0\.113\.0 is a member now", refused)
