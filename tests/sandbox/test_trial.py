"""try, confirm and rollback: a policy on trial ends at its deadline, whoever was killed meanwhile."""

import json
import signal
import time

import pytest

import netns
from conftest import until
from firewall import ATTACH, allow, deny, firewall, machine  # the last one is a fixture

USAGE, NOT_ATTACHED, CONFLICT, ROLLED_BACK = 2, 3, 6, 12

OLD, NEW = ATTACH + deny("nine", "udp/9"), ATTACH + deny("ten", "udp/10")
OLD_PASSES, NEW_PASSES = {10}, {9}
UNIT = 1.08  # seconds in which a deadline is kept: 2^30 ns


@pytest.fixture
def fw(machine):
    yield machine
    machine.run("rollback", expect=None)
    machine.run("detach", "--all", expect=None)
    assert netns.leftovers(machine.netns) == []
    assert machine.kept_directory() is None


class Trial:
    """fwctl try under way."""

    def __init__(self, fw, text, lasts, *options):
        self.fw = fw
        self.started = time.monotonic()
        self.process = fw.start("try", fw.file(text, "trial.toml"), "--for", lasts, *options)
        self.said = ""
        while not self.said.endswith("ends it\n"):
            line = self.process.stdout.readline()
            assert line, self.said + self.process.stderr.read()
            self.said += line

    def ends(self):
        """Its exit status, and the last that it says."""
        out, err = self.process.communicate(timeout=30)
        assert err == "" or "live rules" in err
        return self.process.returncode, out

    def kill(self):
        self.process.kill()
        self.process.wait()


OVER = (ROLLED_BACK, "rolled back: the policy before holds again\n")
KEPT = (0, "confirmed: the policy stays\n")


def everything(fw):
    return fw.export(), fw.history(), fw.kept_files(), fw.pages(), fw.attached(), netns.hooked(fw.netns)


# --- how it ends ---------------------------------------------------------------------------------


def test_it_ends_at_its_deadline(fw):
    for policy in (NEW, OLD):  # both have had their pages
        fw.apply(policy)
    before = everything(fw)
    trial = Trial(fw, NEW, "8s")
    assert trial.said.startswith('  - rule "nine": deny udp/9\n  + rule "ten": deny udp/10\n')
    assert trial.said.endswith("on trial for 8s: fwctl confirm keeps it; fwctl rollback, or Ctrl-C here, ends it\n")
    assert fw.passing(9, 10) == NEW_PASSES
    assert fw.rules("policy") == ["ten"]
    assert trial.ends() == OVER
    assert 8 <= time.monotonic() - trial.started < 8 + UNIT + 5
    assert fw.passing(9, 10) == OLD_PASSES
    assert everything(fw) == before


def test_it_is_confirmed(fw):
    fw.apply(OLD)
    trial = Trial(fw, NEW, "60s")
    assert fw.run("confirm").stdout == KEPT[1]
    assert trial.ends() == KEPT
    assert fw.passing(9, 10) == NEW_PASSES
    assert [(entry["what"], entry["file"]) for entry in fw.history()] == \
        [("apply", str(fw.folder / "policy.toml")), ("try", str(fw.folder / "trial.toml"))]
    assert fw.run("apply", fw.folder / "trial.toml").stdout.endswith("nothing changed\n")
    fw.run("rollback")
    assert fw.passing(9, 10) == OLD_PASSES


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_it_ends_when_it_is_interrupted(fw, number):
    for policy in (NEW, OLD):  # both have had their pages
        fw.apply(policy)
    before = everything(fw)
    trial = Trial(fw, NEW, "60s")
    assert fw.passing(9, 10) == NEW_PASSES
    trial.process.send_signal(number)
    assert trial.ends() == OVER
    assert fw.passing(9, 10) == OLD_PASSES
    assert everything(fw) == before


def test_it_is_ended_from_elsewhere(fw):
    for policy in (NEW, OLD):  # both have had their pages
        fw.apply(policy)
    before = everything(fw)
    trial = Trial(fw, NEW, "60s")
    assert fw.run("rollback").stdout == OVER[1]
    assert fw.passing(9, 10) == OLD_PASSES
    assert trial.ends() == OVER
    assert everything(fw) == before


@pytest.mark.parametrize("command", [("deny", "udp/11"), ("apply", "--saved")], ids=" ".join)
def test_the_programs_end_it_when_it_was_killed(fw, command):
    """No process of fwctl runs when the deadline comes."""
    for policy in (NEW, OLD):  # both have had their pages
        fw.apply(policy)
    before = everything(fw)
    trial = Trial(fw, NEW, "2s")
    trial.kill()
    assert fw.passing(9, 10) == NEW_PASSES
    until(lambda: fw.passing(9, 10) == OLD_PASSES, bound=10)
    assert 2 <= time.monotonic() - trial.started < 2 + UNIT + 2
    fw.run(*command)  # whatever comes next finds the old policy
    assert fw.pages() == before[3], "and tidies up"
    assert fw.rules("policy") == ["nine"]
    assert fw.passing(9, 10) == OLD_PASSES
    fw.apply(NEW)
    assert fw.passing(9, 10) == NEW_PASSES


def test_it_is_confirmed_after_it_was_killed(fw):
    fw.apply(OLD)
    Trial(fw, NEW, "60s").kill()
    fw.run("confirm")
    assert fw.passing(9, 10) == NEW_PASSES
    assert [entry["what"] for entry in fw.history()] == ["apply", "try"]
    fw.run("deny", "udp/11")


def test_it_is_confirmed_and_edited_at_once(fw):
    fw.apply(OLD)
    trial = Trial(fw, NEW, "60s")
    trial.process.send_signal(signal.SIGSTOP)
    fw.run("confirm")
    fw.run("deny", "udp/11")
    trial.process.send_signal(signal.SIGCONT)
    assert trial.ends() == KEPT
    assert fw.passing(9, 10, 11) == NEW_PASSES


def test_there_is_nothing_to_confirm(fw):
    assert fw.run("confirm", expect=NOT_ATTACHED).stderr == "fwctl: nothing is attached; start with: fwctl attach IF\n"
    fw.apply(OLD)
    assert fw.run("confirm", expect=CONFLICT).stderr == "fwctl: no policy is on trial\n"
    Trial(fw, NEW, "1s").kill()
    until(lambda: fw.passing(9, 10) == OLD_PASSES, bound=10)
    assert fw.run("confirm", expect=CONFLICT).stderr == "fwctl: no policy is on trial\n"
    assert fw.passing(9, 10) == OLD_PASSES


@pytest.mark.parametrize("mode, pings", [("lockdown", False), ("open", True)])
def test_panic_does_not_wait_for_the_end(fw, mode, pings):
    fw.apply(OLD)
    trial = Trial(fw, NEW, "60s")
    assert fw.run("-n", "panic", mode, expect=CONFLICT).stderr.startswith("fwctl: a policy is on trial")
    assert fw.run("panic", mode).stderr == "note: the policy on trial was rolled back\n"
    assert fw.bed.pings("a", fw.ADDRESS) == pings
    assert trial.ends() == OVER
    fw.run("panic", "off")
    assert fw.passing(9, 10) == OLD_PASSES


def test_as_json(fw):
    fw.apply(OLD)
    done = fw.run("try", fw.file(NEW), "--for", "1s", "--json", expect=ROLLED_BACK)
    assert json.loads(done.stdout)["result"] == "rolled back"


def test_durations(fw):
    fw.apply(OLD)
    assert fw.run("try", fw.file(NEW), "--for", "0s", expect=USAGE).stderr == \
        'fwctl: --for: "0s" is not a duration; write 90s, 10m, 1h, 2d or 1h30m\n'
    assert fw.passing(9, 10) == OLD_PASSES


# --- meanwhile -----------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [
    "deny udp/11", "allow udp/9", "rule remove deny-udp/12", "rule move deny-udp/12", "panic off", "attach eth0",
    "detach --all", "apply --saved", "rollback 1", "try {other} --for 5s", "apply {other}",
])
def test_nothing_is_edited_meanwhile(trial_under_way, command):
    fw = trial_under_way
    before = everything(fw)
    words = command.format(other=fw.folder / "other.toml").split()
    line = fw.run(*words, expect=CONFLICT).stderr
    assert line.startswith("fwctl: a policy is on trial for another ")
    assert line.endswith(": fwctl confirm keeps it, fwctl rollback ends it\n")
    assert everything(fw) == before
    assert fw.passing(9, 10, 12) == NEW_PASSES


@pytest.fixture(scope="module")
def trial_under_way(tmp_path_factory):
    with firewall(tmp_path_factory.mktemp("policies")) as fw:
        fw.apply(OLD)
        fw.run("deny", "udp/12")
        fw.file(ATTACH, "other.toml")
        trial = Trial(fw, NEW, "10m")
        yield fw
        fw.run("rollback")
        assert trial.ends()[0] == ROLLED_BACK


def test_what_only_looks_works_meanwhile(trial_under_way):
    fw = trial_under_way
    for words in (["status"], ["rule", "list"], ["counters"], ["history"], ["plan", fw.folder / "other.toml"], ["export"]):
        fw.run(*words)


# --- what is there again -------------------------------------------------------------------------


def test_the_first_policy_leaves_nothing(fw):
    trial = Trial(fw, NEW, "60s")
    assert fw.passing(9, 10) == NEW_PASSES
    trial.process.send_signal(signal.SIGINT)
    assert trial.ends() == OVER
    assert netns.leftovers(fw.netns) == [] and fw.kept_directory() is None
    assert fw.passing(9, 10) == {9, 10}

    trial = Trial(fw, NEW, "1s")
    trial.kill()
    until(lambda: fw.passing(9, 10) == {9, 10}, bound=10)
    fw.run("deny", "udp/9", expect=NOT_ATTACHED)
    assert netns.leftovers(fw.netns) == [] and fw.kept_directory() is None


@pytest.fixture
def lan(fw):
    fw.bed.check("b", "ip", "link", "add", "lan0", "up", "type", "veth", "peer", "name", "lan0-peer")
    yield
    fw.run("rollback", expect=None)
    fw.run("detach", "--all", expect=None)
    fw.bed.run("b", "ip", "link", "del", "lan0")


@pytest.mark.parametrize("end", ["interrupted", "killed", "confirmed"])
def test_interfaces(fw, lan, end):
    """The policy on trial attaches lan0 and detaches eth0."""
    fw.apply(OLD)
    trial = Trial(fw, "version = 1\n[attach.lan0]\n" + deny("ten", "udp/10"), "2s" if end == "killed" else "60s")
    assert "lan0: attached\neth0: detached\n" in trial.said
    assert fw.passing(9, 10) == {9, 10}, "nothing judges on eth0"
    if end == "interrupted":
        trial.process.send_signal(signal.SIGINT)
        assert trial.ends() == OVER
    elif end == "killed":
        trial.kill()
        until(lambda: fw.passing(9, 10) == OLD_PASSES, bound=10)
        fw.run("deny", "udp/11")
    else:
        fw.run("confirm")
        assert trial.ends() == KEPT
    stays = "lan0" if end == "confirmed" else "eth0"
    assert set(fw.attached()) == {stays}
    assert {name for name, *_ in netns.hooked(fw.netns)} == {stays}
    assert fw.passing(9, 10) == ({9, 10} if end == "confirmed" else OLD_PASSES)


@pytest.mark.parametrize("confirmed", [False, True])
def test_interfaces_that_were_attached_by_hand(fw, lan, confirmed):
    """A policy on trial gives eth0 a name of its own, and with it the right to detach it, once it is confirmed."""
    fw.run("attach", "eth0", "lan0")
    trial = Trial(fw, ATTACH + deny("nine", "udp/9", 'on = "wan"\n'), "60s")
    assert fw.passing(9, 10) == {10}
    if confirmed:
        fw.run("confirm")
        trial.ends()
        fw.run("deny", "udp/10", "on", "wan")
        assert fw.passing(9, 10) == set()
    else:
        trial.process.send_signal(signal.SIGINT)
        trial.ends()
    fw.apply("version = 1\n", "--discard-live")
    assert set(fw.attached()) == ({"lan0"} if confirmed else {"eth0", "lan0"})


def test_counters_members_and_live_rules(fw):
    fw.apply(NEW)  # both have had their pages
    fw.apply(OLD + '[set.banned]\ndynamic = true\n' + deny("banned", "udp/12", 'from = "@banned"\n'))
    fw.run("deny", "udp/11")
    fw.run("ban", "10.9.0.1")
    fw.passing(9, 11, 12)
    before = everything(fw), fw.counts()["nine"], fw.counts()["deny-udp/11"]
    trial = Trial(fw, NEW + '[set.another]\ndynamic = true\n' + deny("another", "udp/13", 'from = "@another"\n'), "60s",
                  "--discard-live")
    assert fw.passing(9, 10, 11, 12, 13) == {9, 11, 12, 13}
    trial.process.send_signal(signal.SIGINT)
    assert trial.ends() == OVER
    assert (everything(fw), fw.counts()["nine"], fw.counts()["deny-udp/11"]) == before
    assert fw.passing(9, 10, 11, 12, 13) == {10, 13}
    assert (fw.counts()["nine"], fw.counts()["deny-udp/11"]) == (2, 2)


def test_a_policy_that_was_rolled_back_never_comes_again(fw):
    """Neither by `apply --saved`, as after a boot, nor by `rollback`."""
    fw.apply(ATTACH + deny("first", "udp/11"))
    fw.apply(OLD)
    trial = Trial(fw, NEW, "60s")
    fw.run("rollback")
    trial.ends()
    fw.run("apply", "--saved")
    assert fw.passing(9, 10, 11) == {10, 11}
    fw.run("rollback")
    assert fw.passing(9, 10, 11) == {9, 10}


def test_a_lockout_guard_comes_and_goes(fw):
    """What stands before all rules is part of the trial, too."""
    fw.apply(ATTACH + '[defaults]\nin = "deny"\nlockout = { from = "10.9.0.1", service = "tcp/80" }\n')
    trial = Trial(fw, ATTACH + '[defaults]\nin = "deny"\n' + allow("last", "udp/7"), "2s")
    assert fw.bed.curl_fails("a", fw.ADDRESS)
    assert trial.ends() == OVER
    assert fw.bed.curls("a", fw.ADDRESS)
