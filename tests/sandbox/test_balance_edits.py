"""Live edits of balanced services, on real traffic: lb1 balances what the client asks of 10.100.0.10 and fd00:100::10."""

import collections
import json
import re
import socket
import subprocess
import time

import pytest

import netns
from conftest import FWCTL, Testbed, until

VIP, VIP6 = "10.100.0.10", "fd00:100::10"
NEED = ["ip address add 10.100.0.10 dev lo", "sysctl net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2"]

HEAD = """version = 1

[attach.lan]
device = "eth0"
"""


def vip(name, address, *backends):
    head = f'\n[vip.{name}]\naddress = "{address}"\nservice = "tcp/80"\nforward = "l2-dsr"\n'
    return head + "".join(f"[[vip.{name}.backend]]\n{backend}" for backend in backends)


def backend(number, more=""):
    return f'name = "b{number}"\naddress = ["10.2.0.2{number}", "fd00:2::2{number}"]\n{more}'


def policy(*of_web, more_of_slow='state = "drain"\n'):
    """web over b1 and b2 unless said; other; slow, whose backend drains all the while."""
    return (HEAD + vip("other", "10.100.0.98", backend(3)) + vip("slow", VIP6, backend(4, more_of_slow))
            + vip("web", VIP, *(of_web or (backend(1), backend(2)))))


class Balancer:
    def __init__(self, bed, folder):
        self.bed = bed
        self.folder = folder

    def file(self, text, name="policy.toml"):
        path = self.folder / name
        path.write_text(text)
        return path

    def run(self, *words, expect=0):
        return self.bed.fwctl("lb1", *words, expect=expect)

    def json(self, *words, **options):
        return self.bed.json("lb1", *words, **options)

    def apply(self, text, *options):
        return self.run("apply", self.file(text), *options)

    def plan(self, text):
        return self.json("plan", self.file(text, "plan.toml"))

    def start(self, *words):
        command = [FWCTL, *words, "--netns", self.bed.name("lb1")]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def backends(self, name="web"):
        return {one["name"]: one for one in self.json("vip", "show", name)["backends"]}

    def states(self):
        return {name: (one["state"], one["weight"]) for name, one in self.backends().items()}

    def live(self, name="web"):
        return self.json("vip", "show", name)["live"]

    def serving(self, count=24):
        """Which servers answer that many connections; None is one that nobody answers."""
        loop = f"for i in $(seq {count}); do curl -s -m 2 http://{VIP}/ || echo none; done"
        said = self.bed.run("client", "sh", "-c", loop).stdout.split("\n")[:-1]
        return collections.Counter(line.split()[-1] for line in said)

    def connect(self, address=VIP):
        """A request that is not over yet."""
        with netns.inside(self.bed.name("client")):
            held = socket.create_connection((address, 80), timeout=10)
        held.sendall(b"GET / HTTP/1.0\r\n")
        return held


def answer(held):
    """Who answers it."""
    held.sendall(b"\r\n")
    return held.makefile().read().split()[-1]


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """The balancer, and `backend drain --wait` on a backend with a connection that has just ended."""
    bed = Testbed("lb")
    try:
        for route in ("10.100.0.0/24 via 10.2.0.11", "fd00:100::/64 via fd00:2::11"):
            bed.check("router", "ip", "route", "replace", *route.split())
        lb = Balancer(bed, tmp_path_factory.mktemp("policies"))
        lb.apply(policy(more_of_slow=""))
        held = lb.connect(VIP6)
        lb.apply(policy())
        waiting = lb.start("backend", "drain", "slow/b4", "--wait")
        time.sleep(2.5)
        assert waiting.poll() is None
        assert answer(held) == "b4"
        held.close()
        yield lb, waiting
        waiting.kill()
        waiting.communicate()
    finally:
        bed.down()


@pytest.fixture
def lb(started):
    """Nothing edited live."""
    started[0].apply(policy(), "--discard-live")
    return started[0]


# --- backends --------------------------------------------------------------------------------------------------------


def moved(said, subject, done):
    """The share of new flows that it says to move, in per cent."""
    return float(re.fullmatch(rf"{subject}: {done}; (\d+\.\d) % of new flows move\n", said.stdout).group(1))


def test_a_drained_backend_gets_nothing_new_until_it_is_ready(lb):
    assert set(lb.serving()) == {"b1", "b2"}
    assert 49 < moved(lb.run("backend", "drain", "web/b1"), "web/b1", "drained") < 51
    assert lb.serving() == {"b2": 24}
    assert lb.run("backend", "drain", "web/b1").stdout == "web/b1: drained already, no change\n"
    assert 49 < moved(lb.run("backend", "ready", "web/b1"), "web/b1", "ready") < 51
    assert set(lb.serving()) == {"b1", "b2"}
    assert lb.live() == []


def test_a_backend_in_maintenance_loses_its_flows_and_a_draining_one_keeps_them(lb):
    lb.run("backend", "drain", "web/b2")
    held = lb.connect()
    lb.run("backend", "ready", "web/b2")
    lb.run("backend", "drain", "web/b1")
    assert answer(held) == "b1"
    held = lb.connect()  # to b2
    lb.run("backend", "maint", "web/b2")
    lb.run("backend", "ready", "web/b1")
    with pytest.raises(OSError):  # b1 knows nothing of it
        answer(held)
    assert lb.states() == {"b1": ("ready", 1), "b2": ("maint", 1)}


def test_weights_share_new_flows_out(lb):
    assert 24 < moved(lb.run("backend", "weight", "web/b1", "3"), "web/b1", "weight 3") < 26
    assert abs(lb.backends()["b1"]["share"] - 0.75) < 0.01
    assert lb.run("backend", "weight", "web/b1", "3").stdout == "web/b1: weight 3 already, no change\n"
    lb.run("backend", "weight", "web/b1", "0")
    assert lb.serving() == {"b2": 24}


def test_backends_come_and_go(lb):
    added = lb.run("backend", "add", "web/b3", "10.2.0.23", "fd00:2::23", "--weight", "2")
    assert 49 < moved(added, "web/b3", "added") < 51
    assert set(lb.serving(40)) == {"b1", "b2", "b3"}
    assert lb.backends()["b3"]["live"] == ["added"]
    for name in ("b1", "b2"):
        lb.run("backend", "remove", f"web/{name}")
    assert lb.serving() == {"b3": 24}
    assert lb.run("backend", "remove", "web/b3").stdout == "web/b3: removed; 100.0 % of new flows move\n"
    assert lb.serving(1) == {"none": 1}
    assert lb.live() == ["web/b1: removed", "web/b2: removed"]


def test_drain_says_at_the_deadline_how_many_flows_are_left(lb):
    lb.run("backend", "drain", "web/b2")
    held = lb.connect()
    left = lb.run("backend", "drain", "web/b1", "--wait", "--deadline", "1s", expect=13)
    assert re.fullmatch(r"  waiting for \d+ placed flows?\n"
                        r"fwctl: web/b1: \d+ placed flow(s are| is) left after 1s\n", left.stderr)
    told = lb.json("backend", "drain", "web/b1", "--wait", "--deadline", "1s", expect=13)
    assert (told["changed"], told["flows_left"] > 0) == (False, True)
    assert answer(held) == "b1"
    (b1, b2) = lb.json("conntrack", "list", "--service", "web")["placed"]
    assert (b1["backend"], b2["backend"]) == ("b1", "b2")
    assert b1["proven"] + b1["new"] > 0 and 0 <= b1["idle_seconds"] < 60
    listed = lb.run("conntrack", "list", "--service", "web").stdout.split("\n")
    assert listed[0].split() == ["BACKEND", "PROVEN", "NEW", "IDLE"]


def test_waiting_ends_when_the_backend_is_ready_again(lb):
    held = lb.connect()
    drained = [name for name, one in lb.backends().items() if one["placed"]["new"] + one["placed"]["proven"]][0]
    waiting = lb.start("backend", "drain", f"web/{drained}", "--wait")
    until(lambda: lb.states()[drained][0] == "drain")
    lb.run("backend", "ready", f"web/{drained}")
    assert waiting.communicate(timeout=10)[1].endswith(f"fwctl: web/{drained} does not drain any more\n")
    assert waiting.returncode == 6
    held.close()


# --- vips ------------------------------------------------------------------------------------------------------------


def test_a_vip_that_is_disabled_is_not_balanced(lb):
    assert lb.run("vip", "disable", "web").stdout == "web: disabled\n"
    assert lb.run("vip", "disable", "web").stdout == "web: disabled already, no change\n"
    assert lb.serving(1) == {"none": 1}
    assert " disabled " in lb.run("vip", "list").stdout
    assert lb.run("vip", "enable", "web").stdout == "web: enabled\n"
    assert set(lb.serving()) == {"b1", "b2"}


def test_a_vip_is_removed_and_another_one_added(lb):
    assert lb.run("vip", "remove", "web").stdout == "web: removed\n"
    assert lb.serving(1) == {"none": 1}
    listed = lb.run("vip", "list")
    assert listed.stderr == "removed live, though the policy has them: web\n"
    new = ["vip", "add", "www", "--address", VIP, "--service", "tcp/80", "--forward", "l2-dsr"]
    backends = ["--backend", "x=10.2.0.23", "y=10.2.0.24,fd00:2::24*3"]
    assert lb.run(*new, *backends).stdout == "www: added\n"
    assert lb.run(*new, *backends).stdout == "www: added already, no change\n"
    assert lb.run(*new, expect=6).stderr == 'fwctl: there is a vip "www" already, another one\n'
    assert set(lb.serving()) == {"b3", "b4"}
    shown = lb.json("vip", "show", "www")
    assert (shown["origin"], shown["live"]) == ("live", ["www: added"])
    assert [(one["name"], one["weight"]) for one in shown["backends"]] == [("x", 1), ("y", 3)]


def test_list_and_show_say_what_there_is(lb):
    before = lb.backends()
    lb.serving()
    lb.run("backend", "drain", "web/b1")
    (web,) = [one for one in lb.json("vip", "list")["vips"] if one["name"] == "web"]
    assert (web["address"], web["service"], web["forward"]) == ([VIP], ["tcp/80"], "l2-dsr")
    assert (web["ready"], web["origin"], web["enabled"]) == (1, "policy", True)
    assert web["live"] == ["web/b1: state drain"]
    assert web["ring"] > 100 and 590 < web["transition_seconds_left"] <= 602
    assert sum(one["flows"] for one in web["backends"]) == web["flows"] >= 24
    assert sum(one["flows"] - before[one["name"]]["flows"] for one in web["backends"]) == 24
    assert sum(one["packets"] for one in web["backends"]) == web["packets"] > 24 * 4
    shown = lb.run("vip", "show", "web").stdout
    assert re.search(r"^  .*policy\.toml:\d+, live\n  live: web/b1: state drain\n", shown, re.M)
    assert re.search(r"^b1 +10\.2\.0\.21, fd00:2::21 +drain +unchecked +1 +0\.0 % ", shown, re.M)
    assert lb.json("vip", "show", "web")["backends_need"] == NEED
    listed = lb.run("vip", "list").stdout.split("\n")
    assert listed[0].split() == "NAME ORIGIN ADDRESS SERVICE FORWARD READY HEALTH PACKETS BYTES FLOWS".split()
    assert re.match(rf"web +.*policy\.toml:\d+, live +{re.escape(VIP)} +tcp/80 +l2-dsr +1/2 ", listed[3])


def test_a_dry_run_changes_nothing(lb):
    before = lb.json("status")["generation"], lb.states()
    assert lb.run("backend", "maint", "web/b1", "-n").stdout.endswith(" % of new flows move (dry run: nothing changed)\n")
    for words in (["vip", "remove", "web"], ["vip", "disable", "web"], ["backend", "drain", "web/b1", "--wait"],
                  ["backend", "add", "web/b3", "10.2.0.23"], ["backend", "remove", "web/b1"],
                  ["backend", "weight", "web/b1", "9"], ["backend", "maint", "web/b1"],
                  ["vip", "add", "a", "--address", "10.100.0.99", "--service", "udp/53", "--forward", "gue"]):
        told = lb.json(*words, "-n")
        assert (told["dry_run"], told["changed"]) == (True, True)
    assert (lb.json("status")["generation"], lb.states()) == before


def test_a_trial_refuses_live_edits(lb):
    trial = lb.start("try", str(lb.file(policy(backend(1)))), "--for", "60s")
    until(lambda: list(lb.backends()) == ["b1"])
    refused = lb.run("backend", "drain", "web/b1", expect=6)
    assert refused.stderr.startswith("fwctl: a policy is on trial for another ")
    lb.run("rollback")
    assert trial.wait(timeout=10) == 12
    trial.communicate()
    assert lb.states() == {"b1": ("ready", 1), "b2": ("ready", 1)}


def test_live_edits_stay_when_a_trial_is_confirmed(lb):
    lb.run("backend", "drain", "web/b1")
    trial = lb.start("try", str(lb.file(policy(backend(1), backend(2, "weight = 2\n")))), "--for", "60s")
    until(lambda: lb.states() == {"b1": ("drain", 1), "b2": ("ready", 2)})
    lb.run("confirm")
    assert trial.wait(timeout=10) == 0
    trial.communicate()
    assert lb.states() == {"b1": ("drain", 1), "b2": ("ready", 2)}
    assert lb.live() == ["web/b1: state drain"]


# --- policies --------------------------------------------------------------------------------------------------------


def test_live_edits_stay_when_a_policy_is_applied(lb):
    lb.run("backend", "drain", "web/b1")
    lb.run("backend", "add", "web/b3", "10.2.0.23")
    edits = ["web/b1: state drain", "web/b3: added"]
    again = lb.apply(policy())
    assert again.stderr == f"  live edits of vips that stay: {', '.join(edits)}\n"
    assert again.stdout.endswith("applied, nothing changed\n")
    assert lb.live() == edits

    heavier = policy(backend(1), backend(2, "weight = 2\n"))
    planned = lb.plan(heavier)
    assert planned["changes"] == ["~ vip web: backend b2 weight 1 -> 2"]
    assert planned["live_edits_kept"] == edits
    assert abs(planned["new_flows_moved"]["web"] - 1 / 6) < 0.01
    said = lb.run("plan", lb.folder / "plan.toml").stdout
    assert re.search(r"^  vip web: 1\d\.\d % of new flows move\n", said, re.M)
    lb.apply(heavier)
    assert lb.states() == {"b1": ("drain", 1), "b2": ("ready", 2), "b3": ("ready", 1)}
    assert set(lb.serving()) == {"b2", "b3"}
    assert lb.live() == edits


def test_a_policy_takes_edits_in_or_overrules_them(lb):
    lb.run("backend", "drain", "web/b1")
    lb.run("backend", "weight", "web/b2", "7")
    said = lb.apply(policy(backend(1, 'state = "drain"\n'), backend(2, "weight = 5\n"))).stderr
    assert said == ("  live edits of vips that the policy has taken in: web/b1: state drain\n"
                    "  live edits of vips that the policy overrules: web/b2: weight 7\n")
    assert lb.states() == {"b1": ("drain", 1), "b2": ("ready", 5)}
    assert lb.live() == []

    lb.run("backend", "ready", "web/b1")
    lb.run("vip", "disable", "other")
    dropped = lb.apply(policy(), "--discard-live").stderr
    assert dropped == ("  live edits of vips that the policy has taken in: web/b1: state ready\n"
                       "  live edits of vips that are dropped: other: disabled\n")
    assert lb.json("vip", "show", "other")["enabled"]


def test_edits_that_the_policy_leaves_no_room_for_are_a_conflict(lb):
    lb.run("vip", "add", "www", "--address", VIP, "--service", "tcp/81", "--forward", "ipip", "--backend", "x=10.2.0.23")
    before = lb.json("status")["generation"]
    refused = lb.run("apply", lb.file(policy().replace('service = "tcp/80"', 'service = "tcp"')), expect=6)
    assert refused.stderr == ('fwctl: with what was edited live, vip "www" balances tcp/81 of 10.100.0.10, as vip "web" does; '
                              "undo that, or drop all of it with --discard-live\n")
    assert lb.json("status")["generation"] == before


def test_what_is_exported_plans_no_change_and_takes_edits_in(lb):
    lb.run("backend", "drain", "web/b1")
    lb.run("vip", "remove", "other")
    lb.run("vip", "add", "www", "--address", "10.100.0.99", "--service", "udp/53", "--forward", "gue",
           "--backend", "x=10.2.0.23*3")
    exported = lb.run("export").stdout
    planned = lb.plan(exported)
    assert (planned["changes"], planned["new_flows_moved"], planned["live_edits_kept"]) == ([], {}, [])
    lb.apply(exported)
    assert lb.json("vip", "list")["removed_live"] == []
    assert {one["name"]: one["live"] for one in lb.json("vip", "list")["vips"]} == {"slow": [], "web": [], "www": []}
    assert lb.run("export").stdout == exported


def test_vips_are_saved_and_edits_of_the_policys_own_are_named(lb):
    path = lb.folder / "live.toml"
    lb.run("backend", "drain", "web/b1")
    refused = lb.run("save", path, expect=1)
    assert refused.stderr == ("  not in it, as the policy's own file says otherwise: web/b1: state drain\n"
                              "fwctl: there are no live rules or vips that last\n")
    lb.run("vip", "add", "www", "--address", "10.100.0.99", "--service", "udp/53", "--forward", "gue",
           "--backend", "x=10.2.0.23")
    assert lb.run("save", path).stdout == f"{path}: 0 rules, 1 vip\n"
    assert path.read_text().startswith("version = 1\n\n[vip.www]\n")


# --- whatever happens ------------------------------------------------------------------------------------------------


def test_kill_9_leaves_the_old_state_or_the_new_one(lb):
    """On the way into the first bpf(), into those that write, and when all is done but the end."""
    def traced(*options):
        command = ["strace", "-f", "-qq", "-o", lb.folder / "trace", *options,
                   FWCTL, "backend", "drain", "web/b1", "--netns", lb.bed.name("lb1")]
        return subprocess.run(command, capture_output=True, timeout=60).returncode

    lb.run("backend", "drain", "web/b1")
    lb.run("backend", "ready", "web/b1")  # both halves have their pages
    assert traced("-e", "trace=bpf") == 0
    calls = (lb.folder / "trace").read_text().count("bpf(")
    seen = []
    for call in ("bpf", 1), ("bpf", calls - 4), ("bpf", calls - 1), ("exit_group", 1):
        lb.run("backend", "ready", "web/b1")
        assert traced("-e", f"inject={call[0]}:signal=KILL:when={call[1]}") == -9
        seen.append(lb.states()["b1"])
        assert seen[-1] in (("ready", 1), ("drain", 1))
        assert ("b1" in lb.serving(12)) == (seen[-1] == ("ready", 1))
    assert (seen[0], seen[-1]) == (("ready", 1), ("drain", 1))


def test_drain_waits_for_the_last_flow(started):
    """The one of the fixture: closing, it counts for another minute."""
    lb, waiting = started
    out, err = waiting.communicate(timeout=80)
    assert (waiting.returncode, out) == (0, "slow/b4: drained already, no change\nslow/b4: no placed flow is left\n")
    assert err == "  waiting for 1 placed flow\n"
    assert json.loads(lb.run("backend", "drain", "slow/b4", "--wait", "--json").stdout)["flows_left"] == 0


def test_detach_names_the_edits_that_it_forgets(lb):
    lb.run("backend", "drain", "web/b1")
    forgotten = lb.run("detach", "--all").stderr
    assert forgotten.startswith("forgotten with the last attachment, live edits of vips: web/b1: state drain\n")
