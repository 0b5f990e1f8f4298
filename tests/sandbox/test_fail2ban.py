"""Others who ban through fwctl: the real fail2ban, and what CrowdSec's custom bouncer runs."""

import os
import shutil
import subprocess

import pytest

from conftest import FWCTL, ROOT, until
from firewall import ATTACH, deny, firewall
from test_sets import ME, dynamic, members

POLICY = ATTACH + dynamic("banned") + dynamic("crowdsec") + deny("banned", "udp/9", 'from = ["@banned", "@crowdsec"]\n')


@pytest.fixture(scope="module")
def fw(tmp_path_factory):
    with firewall(tmp_path_factory.mktemp("fail2ban")) as made:
        made.apply(POLICY)
        yield made


class Fail2ban:
    """A server of its own, in one directory: configuration, socket, pid file, database, and the log that it reads."""

    def __init__(self, folder, netns, more=""):
        self.folder = folder
        self.log = folder / "auth.log"
        self.log.touch()
        config = folder / "config"
        for name in ("action.d", "filter.d"):
            (config / name).mkdir(parents=True)
        shutil.copy(ROOT / "packaging" / "fail2ban" / "action.d" / "fwctl.conf", config / "action.d")
        (config / "filter.d" / "guess.conf").write_text("[Definition]\nfailregex = ^.* guess from <HOST>$\n")
        (config / "fail2ban.conf").write_text(
            f"[Definition]\nloglevel = INFO\nlogtarget = {folder}/fail2ban.log\nsyslogsocket = auto\nsocket = {folder}/socket\n"
            f"pidfile = {folder}/pid\ndbfile = {folder}/database.sqlite3\ndbpurgeage = 1d\nallowipv6 = auto\n")
        (config / "jail.conf").write_text(
            f"[DEFAULT]\nbackend = polling\nusedns = no\nlogpath = {self.log}\nfilter = guess\nmaxretry = 2\nfindtime = 10m\n"
            f"bantime = 4s\nenabled = true\naction = fwctl[fwctl='{FWCTL} --netns {netns}'{more}]\n\n[guess]\n")
        self.server = subprocess.Popen(["fail2ban-server", "-f", "-c", config, "-s", folder / "socket", "-p", folder / "pid", "start"],
                                       stdout=(folder / "out").open("w"), stderr=subprocess.STDOUT)
        until(lambda: self.client("ping").returncode == 0)

    def client(self, *words):
        return subprocess.run(["fail2ban-client", "-s", self.folder / "socket", *words], capture_output=True, text=True, timeout=60)

    def guess(self, address, times=3):
        with self.log.open("a") as log:
            for _ in range(times):
                log.write(subprocess.run(["date", "+%b %d %H:%M:%S"], capture_output=True, text=True, check=True).stdout.strip() +
                          f" host sshd[1]: guess from {address}\n")

    def said(self):
        return (self.folder / "fail2ban.log").read_text() + (self.folder / "out").read_text()

    def down(self):
        self.server.terminate()
        self.server.wait(timeout=60)


@pytest.fixture
def fail2ban(fw, tmp_path):
    made = Fail2ban(tmp_path, fw.netns)
    try:
        yield made
    finally:
        made.down()


def test_fail2ban_bans_and_releases(fw, fail2ban):
    assert fw.passes(9)
    fail2ban.guess(ME)
    until(lambda: ME in members(fw) or "ERROR" in fail2ban.said())
    assert not fw.passes(9), fail2ban.said()
    assert 1 <= members(fw)[ME] <= 5, "with the jail's own time"
    until(lambda: fw.passes(9))
    until(lambda: f"Unban {ME}" in fail2ban.said())
    assert "ERROR" not in fail2ban.said(), fail2ban.said()
    assert members(fw) == {}


def test_a_ban_of_fail2ban_ends_without_it(fw, fail2ban):
    fail2ban.client("set", "guess", "bantime", "6")
    fail2ban.guess("198.51.100.9")
    until(lambda: "198.51.100.9" in members(fw))
    fail2ban.server.kill()
    fail2ban.server.wait()
    assert "198.51.100.9" in members(fw)
    until(lambda: members(fw) == {})


def test_bans_stay_when_a_jail_stops_if_so_told(fw, fail2ban, tmp_path_factory):
    """By the words above actionflush."""
    for more, stays in (("", False), (", actionflush=true", True)):
        other = Fail2ban(tmp_path_factory.mktemp("other"), fw.netns, more)
        try:
            other.client("set", "guess", "bantime", "600")
            other.client("set", "guess", "banip", "192.0.2.55")
            until(lambda: "192.0.2.55" in members(fw))
        finally:
            other.down()
        assert ("192.0.2.55" in members(fw)) == stays, other.said()
        assert "ERROR" not in other.said(), other.said()
    fw.run("set", "flush", "banned")


def test_an_address_can_be_taken_out_through_fail2ban(fw, fail2ban):
    fail2ban.client("set", "guess", "bantime", "600")
    assert fail2ban.client("set", "guess", "banip", "2001:db8::7").stdout.strip() == "1"
    until(lambda: "2001:db8::7" in members(fw))
    fail2ban.client("set", "guess", "unbanip", "2001:db8::7")
    until(lambda: members(fw) == {})
    assert "ERROR" not in fail2ban.said(), fail2ban.said()


def test_a_permanent_ban_of_fail2ban_is_one_in_any_set(fw, fail2ban):
    fw.apply(POLICY.replace("dynamic = true\n", 'dynamic = true\ntimeout = "10m"\n'))
    try:
        fail2ban.client("set", "guess", "bantime", "-1")
        fail2ban.client("set", "guess", "banip", "192.0.2.66")
        until(lambda: "192.0.2.66" in members(fw) or "ERROR" in fail2ban.said())
        assert members(fw)["192.0.2.66"] is None, fail2ban.said()
        fail2ban.client("set", "guess", "unbanip", "192.0.2.66")
        until(lambda: members(fw) == {})
    finally:
        fw.apply(POLICY)


# --- CrowdSec ------------------------------------------------------------------------------------


def bouncer(fw, *words, expect=0):
    """As CrowdSec's custom bouncer calls it."""
    script = fw.folder / "fwctl-in-netns"
    script.write_text(f'#!/bin/sh\nexec {FWCTL} --netns {fw.netns} "$@"\n')
    script.chmod(0o755)
    done = subprocess.run([ROOT / "packaging" / "crowdsec" / "fwctl-bouncer", *words], capture_output=True, text=True, timeout=60,
                          env=os.environ | {"FWCTL": str(script)})
    assert done.returncode == expect, done.stderr
    assert expect or (done.stdout, done.stderr) == ("", "")


def test_decisions_of_crowdsec_are_carried_out(fw):
    decision = '{"duration":"3h59m58.5s","origin":"crowdsec","scenario":"crowdsecurity/ssh-bf","type":"ban"}'
    bouncer(fw, "add", ME, "14398", "crowdsecurity/ssh-bf", decision)
    assert not fw.passes(9)
    bouncer(fw, "add", "2001:db8::/48", "3h59m58.54s", "list", decision)
    left = members(fw, "crowdsec")
    assert 14390 < left[ME] <= 14399 and 14390 < left["2001:db8::/48"] <= 14399
    bouncer(fw, "add", "192.0.2.1", "-5", "over already", decision)
    bouncer(fw, "del", ME, "14398", "crowdsecurity/ssh-bf", decision)
    bouncer(fw, "del", "192.0.2.77", "0", "not there", decision)
    assert set(members(fw, "crowdsec")) == {"2001:db8::/48"} and fw.passes(9)
    bouncer(fw, "frobnicate", ME, expect=2)


@pytest.mark.parametrize("lasts", ["0", "0s", "0.5s", "500ms", "999.99ms", "1.5µs", "100ns", "0h0m0.9s", "-3s"])
def test_a_decision_that_is_over_bans_nobody(fw, lasts):
    bouncer(fw, "add", "192.0.2.1", lasts, "over", "{}")
    assert "192.0.2.1" not in members(fw, "crowdsec")


def test_values_of_decisions_are_addresses_and_ranges(fw):
    fw.run("set", "flush", "crowdsec")
    bouncer(fw, "add", "198.51.100.9/24", "1m0.5s", "list", "{}")
    assert set(members(fw, "crowdsec")) == {"198.51.100.0/24"}
    bouncer(fw, "del", "198.51.100.9/24", "1m", "list", "{}")
    assert members(fw, "crowdsec") == {}
    for value in ("-", "--help", "--", "", "192.0.2.1 192.0.2.2", "192.0.2.1\n192.0.2.2", "example.net", "192.0.2.300"):
        for verb in ("add", "del"):
            bouncer(fw, verb, value, "1h", "odd", "{}", expect=2)
    assert members(fw, "crowdsec") == {}
