"""apply, plan, export, save and panic: what holds afterwards, told by packets.

History and rollback are in test_history.py, [attach] in test_apply_attachments.py. What holds while it changes is in
test_switch.py, what is left when it fails in test_apply_faults.py, and policies on trial in test_trial.py.
"""

import random
import re

import pytest

import netns
from conftest import until
from firewall import ATTACH, allow, deny, fw, machine  # the last two are fixtures
from random_policy import random_policy

FAILED, USAGE, CONFLICT, DIFFERENCES = 1, 2, 6, 10


# --- a policy takes the place of another ---------------------------------------------------------


def test_a_policy_holds_until_the_next_one(fw):
    done = fw.apply(ATTACH + deny("first", "udp/9"))
    assert done.stdout == (f'eth0: attached\n  + attach wan: eth0\n  + rule "first": deny udp/9\n'
                           f'{fw.folder}/policy.toml: applied, 1 rule\n')
    assert fw.passing(9, 10, 11) == {10, 11}
    done = fw.apply(ATTACH + deny("second", "udp/10") + deny("third", "udp/11"))
    assert done.stdout == ('  - rule "first": deny udp/9\n  + rule "second": deny udp/10\n  + rule "third": deny udp/11\n'
                           f'{fw.folder}/policy.toml: applied, 2 rules\n')
    assert fw.passing(9, 10, 11) == {9}


def test_applying_again_changes_nothing(fw):
    policy = ATTACH + deny("nine", "udp/9")
    fw.apply(policy)
    fw.passing(9)
    before = fw.history(), fw.counts()["nine"], fw.bed.program_ids("b", "eth0")
    done = fw.apply(policy)
    assert done.stdout == f"{fw.folder}/policy.toml: applied, nothing changed\n"
    assert (fw.history(), fw.counts()["nine"], fw.bed.program_ids("b", "eth0")) == before


def test_the_default_decides_what_no_rule_names(fw):
    fw.apply(ATTACH + '[defaults]\nin = "deny"\n' + allow("last", "udp/7") + allow("nine", "udp/9"))
    assert fw.passing(9, 10) == {9}
    assert fw.bed.ping_fails("a", fw.ADDRESS)
    fw.apply(ATTACH + deny("nine", "udp/9"))
    assert fw.passing(9, 10) == {10}
    assert fw.bed.pings("a", fw.ADDRESS)


def test_a_large_policy_gives_its_pages_back(fw):
    """But for as many as the one in force has. Its text, of more than a megabyte, is kept."""
    for name in ("first", "second"):
        fw.apply(ATTACH + deny(name, "udp/9"))
    small = fw.pages()
    fw.file("".join(f"11.{n >> 15}.{n >> 7 & 255}.{n << 1 & 255}\n" for n in range(100_000)), "large.txt")
    fw.apply(ATTACH + '[set.large]\nfile = "large.txt"\n' + deny("large", "udp/10", 'from = "@large"\n'))
    large = fw.pages()
    assert large > 2 * small
    fw.apply(ATTACH + deny("first", "udp/9"))
    assert fw.pages() == small
    fw.run("rollback")
    assert fw.rules("policy") == ["large"] and fw.pages() == large
    fw.apply(ATTACH + deny("second", "udp/9"))
    assert fw.pages() == small and fw.passing(9, 10) == {10}


def test_sets_and_included_folders(fw):
    fw.file("10.9.0.1\n", "listed.txt")
    fw.file(deny("from a folder", "udp/10", 'from = "@listed"\n').replace("\n[[rule]]", "version = 1\n[[rule]]", 1),
            "more.d/ten.toml")
    fw.apply('include = "more.d"\n' + ATTACH + '[set.listed]\nfile = "listed.txt"\n' + deny("here", "udp/9", 'from = "@listed"\n'))
    assert fw.passing(9, 10, 11) == {11}
    assert fw.rules("policy") == ["here", "from a folder"]
    fw.file("10.9.0.99\n", "listed.txt")
    fw.run("apply", fw.folder / "policy.toml")
    assert fw.passing(9, 10, 11) == {9, 10, 11}


def test_from_the_standard_input(fw):
    policy = ATTACH + deny("nine", "udp/9")
    assert fw.run("apply", "-", stdin=policy).stdout.endswith("-: applied, 1 rule\n")
    assert not fw.passes(9)
    assert fw.history()[-1]["file"] == "-"
    fw.apply(ATTACH)
    fw.run("rollback")
    assert not fw.passes(9)
    assert fw.plan(policy) == []


def test_many_at_once(fw):
    """Each takes effect whole, one after the other; live edits between them stay."""
    fw.apply(ATTACH)
    files = [fw.file(ATTACH + deny(f"p{i}", f"udp/{100 + i}") + deny("all", f"udp/{200 + i}"), f"{i}.toml") for i in range(8)]
    running = [fw.start("apply", path) for path in files] + [fw.start("deny", f"udp/{300 + i}") for i in range(4)]
    assert [process.wait(60) for process in running] == [0] * 12
    history = fw.history()
    assert sorted(entry["file"] for entry in history[1:]) == sorted(map(str, files))
    last = files.index(fw.folder / history[-1]["file"])
    assert fw.rules("policy") == [f"p{last}", "all"]
    assert fw.passing(*range(100, 108), *range(200, 208), *range(300, 304)) == \
        {*range(100, 108), *range(200, 208)} - {100 + last, 200 + last}


# --- what goes on --------------------------------------------------------------------------------


def test_counters_of_rules_that_keep_their_names_go_on(fw):
    fw.apply(ATTACH + deny("gone", "udp/9") + deny("kept", "udp/10") + deny("other", "udp/11"))
    for _ in range(3):
        fw.passing(9, 10, 11)
    fw.apply(ATTACH + deny("new", "udp/9") + deny("kept", "udp/10-12") + deny("before", "udp/99"))
    assert {name: fw.counts()[name] for name in ("new", "kept", "before")} == {"new": 0, "kept": 3, "before": 0}
    fw.passing(9, 10, 12)
    assert {name: fw.counts()[name] for name in ("new", "kept", "before")} == {"new": 1, "kept": 5, "before": 0}
    fw.apply(ATTACH + deny("kept", "udp/10") + deny("gone", "udp/9"))
    assert {name: fw.counts()[name] for name in ("kept", "gone")} == {"kept": 5, "gone": 0}


def test_members_of_a_dynamic_set_stay(fw):
    def policy(*sets):
        text = "".join(f"[set.{name}]\ndynamic = true\n" for name in sets)
        return ATTACH + text + deny("banned", "udp/9", 'from = "@banned"\n')

    fw.apply(policy("banned"))
    assert fw.passes(9)
    fw.run("ban", "10.9.0.1")
    assert not fw.passes(9)
    fw.apply(policy("another", "banned", "more"))
    assert not fw.passes(9)
    fw.apply(policy("banned") + deny("ten", "udp/10"))
    assert fw.passing(9, 10, 11) == {11}


def test_a_new_dynamic_set_has_no_members_of_one_that_went(fw):
    def policy(name):
        return ATTACH + f"[set.{name}]\ndynamic = true\n" + deny("listed", "udp/9", f'from = "@{name}"\n')

    fw.apply(policy("first"))
    fw.run("set", "add", "first", "10.9.0.1")
    assert not fw.passes(9)
    for name in ("second", "third"):  # numbers are used again after the next policy
        fw.apply(policy(name))
        assert fw.passes(9), name


# --- live rules ----------------------------------------------------------------------------------


def test_live_rules_stay_in_front(fw):
    fw.apply(ATTACH + deny("nine", "udp/9"))
    fw.run("allow", "udp/9-10")
    done = fw.apply(ATTACH + deny("nine", "udp/9") + deny("ten", "udp/10-11"))
    assert "  live rules that stay in front of the policy's: allow-udp/9-10\n" in done.stdout + done.stderr
    assert fw.passing(9, 10, 11) == {9, 10}
    assert fw.json("plan", fw.folder / "policy.toml")["live_rules_kept"] == ["allow-udp/9-10"]


def test_a_live_rule_that_the_policy_says_too_is_taken_in(fw):
    fw.apply(ATTACH)
    fw.run("deny", "udp/9")
    fw.passing(9)
    done = fw.apply(ATTACH + deny("deny-udp/9", "udp/9"))
    assert "  live rules that the policy has taken in: deny-udp/9\n" in done.stdout + done.stderr
    assert fw.rules("live") == []
    assert fw.counts()["deny-udp/9"] == 1, "the counters of the live rule go on"
    assert not fw.passes(9)
    assert fw.counts()["deny-udp/9"] == 2


def test_a_live_rule_of_the_same_name_that_differs_is_a_conflict(fw):
    fw.apply(ATTACH + deny("ten", "udp/10"))
    fw.run("deny", "udp/9")
    before = fw.export()
    policy = ATTACH + deny("deny-udp/9", "udp/9-11")
    line = ('fwctl: a live rule and one of the policy are both called "deny-udp/9" and differ; remove the live one, or drop '
            "all of them with --discard-live\n")
    assert fw.apply(policy, expect=CONFLICT).stderr == line
    assert fw.run("plan", "-", stdin=policy, expect=CONFLICT).stderr == line
    assert fw.export() == before
    assert fw.passing(9, 10, 11) == {11}
    fw.apply(policy, "--discard-live")
    assert fw.rules("live") == []
    assert fw.passing(9, 10, 11) == set()


def test_live_rules_are_dropped_when_asked(fw):
    fw.apply(ATTACH + deny("nine", "udp/9"))
    fw.run("deny", "udp/10")
    fw.run("deny", "udp/11")
    done = fw.run("apply", fw.folder / "policy.toml", "--discard-live")
    assert "  live rules that are dropped: deny-udp/10, deny-udp/11\n" in done.stdout + done.stderr
    assert fw.passing(9, 10, 11) == {10, 11}
    assert fw.run("apply", fw.folder / "policy.toml", "--discard-live").stdout.endswith("nothing changed\n")


def test_a_live_rule_whose_time_is_over_is_no_conflict(fw):
    fw.apply(ATTACH)
    fw.run("deny", "udp/9", "--for", "1s")
    until(lambda: fw.passes(9))
    policy = ATTACH + deny("deny-udp/9", "udp/10")
    assert fw.plan(policy) == ['+ rule "deny-udp/9": deny udp/10']
    fw.apply(policy)
    assert fw.passing(9, 10) == {9}


def test_a_live_rule_names_a_set_of_the_policy(fw):
    fw.apply(ATTACH + '[set.admins]\nelements = ["10.9.0.1"]\n')
    fw.run("deny", "udp/9", "from", "@admins")
    assert not fw.passes(9)
    fw.apply(ATTACH + '[set.admins]\nelements = ["10.9.0.77"]\n')
    assert fw.passes(9)
    before = fw.export()
    assert fw.apply(ATTACH, expect=USAGE).stderr == \
        'fwctl: live rule "deny-udp/9-from-@admins": there is no set @admins in the policy\n'
    assert fw.export() == before


def test_a_live_rule_has_no_name_of_the_policy(fw):
    fw.apply(ATTACH + deny("deny-udp/9", "udp/10"))
    assert fw.run("deny", "udp/9", expect=CONFLICT).stderr == \
        'fwctl: the policy has a rule "deny-udp/9" already; change the policy\'s file and apply it\n'
    assert fw.run("rule", "remove", "deny-udp/9", expect=USAGE).stderr == \
        'fwctl: "deny-udp/9" is a rule of the policy; change its file and apply it\n'
    assert fw.passing(9, 10) == {9}


# --- what holds, as text -------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_applying_an_export_changes_nothing(fw, seed):
    chance = random.Random(seed)
    fw.apply(ATTACH + random_policy(chance))
    for words in chance.sample([("deny", "udp/9"), ("allow", "tcp/22", "from", "192.0.2.0/24"), ("deny", "icmp6", "in")],
                               chance.randrange(4)):
        fw.run(*words)
    exported = fw.export()
    assert fw.plan(exported) == [], exported
    assert fw.run("plan", "-", "--detailed", stdin=exported).stdout.endswith("nothing changes\n")
    done = fw.run("apply", "-", stdin=exported)
    assert done.stdout.endswith("applied, nothing changed\n"), done.stdout
    assert fw.export() == exported
    assert fw.rules("live") == []
    assert fw.run("fmt", "-", stdin=exported).stdout == exported


def test_an_export_leaves_out_what_will_expire(fw):
    fw.apply(ATTACH + deny("nine", "udp/9"))
    before = fw.export()
    fw.run("deny", "udp/10", "--for", "1h")
    done = fw.run("export")
    assert (done.stdout, done.stderr) == (before, "note: 1 live rule that will expire is left out\n")


def test_saved_live_rules_that_are_included_change_nothing(fw):
    policy = ATTACH.replace("version = 1\n", 'version = 1\ninclude = "live.d"\n')
    (fw.folder / "live.d").mkdir(exist_ok=True)
    fw.apply(policy)
    fw.run("deny", "udp/9")
    fw.run("deny", "tcp/81", "from", "192.0.2.0/24,2001:db8::/32")
    saved = fw.folder / "live.d" / "saved.toml"
    try:
        assert fw.run("save", saved).stdout == f"{saved}: 2 rules\n"
        assert fw.run("save", saved, expect=CONFLICT).stderr == f"fwctl: {saved} exists; -y writes over it\n"
        fw.run("save", saved, "--yes")
        assert fw.run("plan", fw.folder / "policy.toml", "--detailed").stdout.endswith("nothing changes\n")
        fw.run("apply", fw.folder / "policy.toml")
        assert fw.rules("live") == []
        assert fw.passing(9, 10) == {10}
        assert fw.run("rule", "list").stdout.count(f"{saved}:") == 2, "rules tell their place"
    finally:
        saved.unlink(missing_ok=True)


# --- plans ---------------------------------------------------------------------------------------


def test_a_plan_tells_and_changes_nothing(fw):
    first, second = ATTACH + deny("nine", "udp/9"), ATTACH + deny("ten", "udp/10")
    assert fw.run("plan", "-", "--detailed", stdin=first, expect=DIFFERENCES).stdout.startswith("  + attach wan: eth0\n")
    assert netns.leftovers(fw.netns) == [] and fw.kept_directory() is None
    fw.apply(first)
    before = fw.export(), fw.history(), fw.kept_files(), netns.leftovers(fw.netns)
    assert fw.run("plan", "-", stdin=second).returncode == 0
    fw.run("plan", "-", "--detailed", stdin=second, expect=DIFFERENCES)
    fw.run("plan", "-", "--detailed", stdin=first)
    assert (fw.export(), fw.history(), fw.kept_files(), netns.leftovers(fw.netns)) == before
    assert not fw.passes(9)


def test_a_plan_that_was_looked_at_is_applied(fw):
    path = fw.file(ATTACH + deny("nine", "udp/9"))
    fw.run("apply", path, "--plan", fw.json("plan", path)["plan"])
    path = fw.file(ATTACH + deny("ten", "udp/10"))
    fw.run("apply", path, "--plan", fw.json("plan", path)["plan"])
    assert fw.passing(9, 10) == {9}


STALE = "fwctl: the plan is out of date: the running policy or the file has changed since; plan again\n"


def test_a_stale_plan_is_refused(fw):
    first, second = ATTACH + deny("nine", "udp/9"), ATTACH + deny("ten", "udp/10")
    path = fw.file(first)
    assert fw.run("apply", path, "--plan", "0123456789ab", expect=CONFLICT).stderr == STALE
    assert netns.leftovers(fw.netns) == [] and fw.kept_directory() is None
    fw.run("apply", path)

    def refused():
        return fw.run("apply", path, "--plan", plan, expect=CONFLICT).stderr == STALE

    path = fw.file(second)
    plan = fw.json("plan", path)["plan"]
    fw.file(second + "\n")
    assert refused(), "the file is another"
    fw.file(second)
    fw.run("deny", "udp/11")
    assert refused(), "there is another live rule"
    plan = fw.json("plan", path)["plan"]
    fw.run("apply", "-", stdin=first + deny("eight", "udp/8"))
    assert refused(), "another policy holds"
    assert fw.passing(8, 9, 10) == {10}


# --- mistakes ------------------------------------------------------------------------------------

BROKEN = ATTACH + """
[[rule]]
name = "one"
action = "deny"
service = "tpc/9"
[[rule]]
name = "two"
action = "permit"
form = "192.0.2.0/24"
[[rule]]
name = "one"
action = "deny"
from = "@nobody"
"""


@pytest.mark.parametrize("verb", ["check", "fmt", "plan", "apply", "try"])
def test_every_mistake_is_told_at_its_place(fw, verb):
    fw.apply(ATTACH + deny("nine", "udp/9"))
    before = fw.export(), fw.history(), fw.kept_files(), netns.leftovers(fw.netns)
    path = fw.file(BROKEN)
    done = fw.run(verb, path, expect=USAGE)
    places = re.findall(rf"^{re.escape(str(path))}:(\d+):(\d+): error", done.stderr, re.MULTILINE)
    assert places == [("9", "11"), ("12", "10"), ("13", "1"), ("15", "8"), ("17", "8")], done.stderr
    assert done.stderr.endswith(f"fwctl: 5 mistakes in {path}; nothing changed\n")
    assert done.stdout == ""
    assert (fw.export(), fw.history(), fw.kept_files(), netns.leftovers(fw.netns)) == before
    assert not fw.passes(9)


def test_a_file_that_is_not_there(fw):
    done = fw.run("apply", fw.folder / "nosuch.toml", expect=USAGE)
    assert "nosuch.toml" in done.stderr and "No such file or directory" in done.stderr


# --- panic ---------------------------------------------------------------------------------------

GUARDED = ATTACH + """
[defaults]
lockout = { from = "10.9.0.1", service = "tcp/80" }
"""


@pytest.mark.parametrize("policy", ["", '[[rule]]\nname = "nothing"\naction = "deny"\n'], ids=["open", "closed"])
def test_the_lockout_guard_keeps_its_way_open(fw, policy):
    fw.apply(GUARDED + policy)
    assert fw.bed.curls("a", fw.ADDRESS)
    assert fw.bed.pings("a", fw.ADDRESS) == (policy == "")
    fw.run("panic", "lockdown")
    assert fw.bed.ping_fails("a", fw.ADDRESS)
    assert fw.bed.curls("a", fw.ADDRESS), "the lockout guard holds"
    fw.run("deny", "any")
    assert fw.bed.curls("a", fw.ADDRESS)


def test_panic_and_back(fw):
    fw.apply(ATTACH + deny("nine", "udp/9"))
    fw.run("deny", "udp/10")
    fw.run("panic", "lockdown")
    assert fw.rules("live") == ["panic", "deny-udp/10"]
    assert fw.bed.ping_fails("a", fw.ADDRESS)
    assert fw.bed.curl_fails("a", fw.ADDRESS)
    fw.run("panic", "open")
    assert fw.passing(9, 10, 11) == {9, 10, 11}
    fw.run("panic", "off")
    assert fw.rules("live") == ["deny-udp/10"]
    assert fw.passing(9, 10, 11) == {11}
    fw.run("panic", "off")


def test_panic_ends_by_itself(fw):
    fw.apply(ATTACH + deny("nine", "udp/9"))
    fw.run("panic", "lockdown", "--for", "1s")
    assert fw.bed.ping_fails("a", fw.ADDRESS)
    until(lambda: fw.bed.pings("a", fw.ADDRESS), bound=5)
    fw.run("panic", "open", "--for", "1s")
    assert fw.passes(9)
    until(lambda: not fw.passes(9), bound=5)
    assert fw.rules("live") == []


def test_a_dry_run_of_panic_changes_nothing(fw):
    fw.apply(ATTACH)
    fw.run("panic", "lockdown", "--dry-run")
    assert fw.rules("live") == []
    assert fw.bed.pings("a", fw.ADDRESS)


def test_panic_is_no_part_of_an_export(fw):
    """Applied again, it would be a rule that `panic off` does not find."""
    fw.apply(ATTACH)
    before = fw.export()
    fw.run("panic", "open")
    assert fw.export() == before
    fw.run("save", fw.folder / "saved.toml", expect=FAILED)
