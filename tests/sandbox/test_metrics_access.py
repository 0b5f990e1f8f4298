"""Who may ask `fwctl agent` for metrics, and what he is answered."""

import contextlib
import grp
import os
import pwd
import select
import socket
import stat
import subprocess

import pytest

import metrics
import netns
from agent import Agent, agent_of
from cable import cable  # fixture: cable
from conftest import until
from metrics import Scrape, ask, over_tcp

USAGE, CONFLICT = 2, 6


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
