"""Dynamic sets: bans that hold and end, from the command line, from rules, from feeds; what outlives what."""

import ipaddress
import json
import random
import signal
import subprocess
import time

import pytest

from conftest import until
from firewall import ATTACH, allow, deny, firewall

ME = "10.9.0.1"  # a, who sends
FAILED, USAGE, CONFLICT, IN_PART = 1, 2, 6, 13


def dynamic(name, more=""):
    return f"\n[set.{name}]\ndynamic = true\n{more}"


POLICY = ATTACH + dynamic("banned") + deny("banned", "udp/9", 'from = "@banned"\n')


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    with firewall(tmp_path_factory.mktemp("sets")) as made:
        yield made


@pytest.fixture
def fw(machine):
    """With POLICY, and nobody banned."""
    machine.apply(POLICY)
    machine.run("set", "flush", "banned")
    return machine


def members(fw, name="banned"):
    """{member: seconds left}"""
    lines = fw.run("set", "show", name, "--json").stdout.splitlines()
    shown = [json.loads(line) for line in lines]
    assert all(one["schema"] == 1 and one["set"] == name for one in shown)
    return {one["member"]: one["seconds_left"] for one in shown}


def listed(fw, name="banned"):
    (found,) = [one for one in fw.json("set", "list")["sets"] if one["name"] == name]
    return found


# --- the command ---------------------------------------------------------------------------------


def test_a_ban_holds_until_it_is_lifted(fw):
    assert fw.passing(9, 10) == {9, 10}
    assert fw.run("ban", ME).stdout == "banned: 10.9.0.1: 1 added for ever\n"
    assert fw.passing(9, 10) == {10}
    assert fw.run("ban", ME).stdout == "banned: 10.9.0.1: 1 there already for as long\n"
    assert fw.run("unban", ME).stdout == "banned: 10.9.0.1: 1 removed\n"
    assert fw.passing(9, 10) == {9, 10}
    assert fw.run("unban", ME).stdout == "banned: 10.9.0.1: 1 not there\n"


def test_a_block_is_a_member_too(fw):
    fw.run("ban", "10.9.0.0/30", "2001:db8::/32")
    assert not fw.passes(9)
    assert set(members(fw)) == {"10.9.0.0/30", "2001:db8::/32"}
    fw.run("ban", ME)
    fw.run("unban", "10.9.0.0/30")
    assert not fw.passes(9), "the address stays when the block goes"
    fw.run("unban", ME)
    assert fw.passes(9)


def test_a_ban_ends_by_itself(fw):
    """Without any process of ours."""
    fw.run("ban", ME, "10.9.0.0/29", "--for", "2s")
    assert not fw.passes(9)
    until(lambda: fw.passes(9))
    assert members(fw) == {}
    fw.run("ban", ME, "--for", "1h")
    assert not fw.passes(9), "the place of one whose time is over is taken again"


def test_a_member_stays_longer_and_never_shorter(fw):
    fw.run("ban", ME, "10.8.0.0/16", "--for", "1h")
    assert fw.json("ban", ME, "10.8.0.0/16", "--for", "10s") | {"unchanged": 2} == fw.json("ban", ME, "10.8.0.0/16", "--for", "10s")
    assert min(members(fw).values()) > 3500
    assert fw.json("ban", ME, "10.8.0.0/16", "--for", "2h")["prolonged"] == 2
    assert min(members(fw).values()) > 7000
    fw.run("ban", ME)
    assert members(fw)[ME] is None


def test_the_timeout_is_the_sets(fw):
    fw.apply(POLICY.replace("dynamic = true\n", 'dynamic = true\ntimeout = "10m"\n'))
    fw.run("ban", "192.0.2.1")
    fw.run("ban", "192.0.2.2", "--for", "5m")
    left = members(fw)
    assert fw.run("ban", "192.0.2.3", "--for", "ever").stdout == "banned: 192.0.2.3: 1 added for ever\n"
    fw.run("ban", "192.0.2.1", "192.0.2.3", "--for", "5m")
    assert members(fw)["192.0.2.3"] is None
    assert 590 <= left["192.0.2.1"] <= 601 and 290 <= left["192.0.2.2"] <= 301
    assert listed(fw)["timeout"] == 600


def test_lists_come_from_standard_input(fw):
    text = "# from the log\n192.0.2.1\n192.0.2.8/29 ; a remark\n\n2001:db8::1 # another\n192.0.2.20 - 192.0.2.21\n"
    assert fw.json("ban", "-", stdin=text) == {"schema": 1, "set": "banned", "added": 4, "prolonged": 0, "unchanged": 0,
                                               "replaced": 0, "refused": 0, "dry_run": False}
    assert set(members(fw)) == {"192.0.2.1", "192.0.2.8/29", "2001:db8::1", "192.0.2.20/31"}
    assert fw.json("unban", "-", stdin=text)["removed"] == 4


def test_one_wrong_line_and_nothing_is_changed(fw):
    done = fw.run("ban", "-", stdin="192.0.2.1\n192.0.2.300\nfoo\n", expect=USAGE)
    assert "<stdin>:2:1: error:" in done.stderr and "<stdin>:3:1: error:" in done.stderr and done.stdout == ""
    done = fw.run("ban", "192.0.2.1", "192.0.2.300", "192.0.2.1/24", expect=USAGE)
    assert '"192.0.2.300" is not an IPv4' in done.stderr and "192.0.2.1/24" in done.stderr
    fw.run("ban", "192.0.2.1", "-", expect=USAGE)
    done = fw.run("ban", "192.0.2.1", "--for", "soon", expect=USAGE)
    assert done.stderr == 'fwctl: --for: "soon" is not a duration; write 90s, 10m, 1h, 2d or 1h30m; or ever, or listed\n'
    assert members(fw) == {}


def test_a_dry_run_changes_nothing(fw):
    fw.run("ban", ME)
    assert fw.json("ban", ME, "192.0.2.1", "--dry-run") == \
        {"schema": 1, "set": "banned", "added": 1, "prolonged": 0, "unchanged": 1, "replaced": 0, "refused": 0, "dry_run": True}
    assert fw.run("unban", ME, "--dry-run").stdout == "banned: 10.9.0.1: 1 removed (dry run: nothing changed)\n"
    assert fw.json("set", "flush", "banned", "--dry-run")["removed"] == 1
    fw.run("set", "replace", "banned", "-", "--dry-run", stdin="192.0.2.1\n")
    assert set(members(fw)) == {ME}


def test_what_cannot_be_edited_says_why(fw):
    fw.apply(ATTACH + '\n[set.fixed]\nelements = ["192.0.2.1"]\n' + dynamic("other") +
             deny("fixed", "udp/9", 'from = ["@fixed", "@other"]\n'))
    done = fw.run("ban", ME, expect=USAGE)
    assert 'no dynamic set "banned" to put bans into; add to it, and apply it:\n    [set.banned]\n    dynamic = true\n' in done.stderr
    assert fw.run("set", "add", "fixed", ME, expect=USAGE).stderr == \
        'fwctl: the set "fixed" is not dynamic: change its elements in the policy and apply the policy\n'
    assert fw.run("set", "add", "othr", ME, expect=USAGE).stderr == \
        'fwctl: the running policy has no set "othr"; did you mean "other"?\n'
    assert members(fw, "fixed") == {"192.0.2.1": None}
    assert [(one["name"], one["kind"], one["members"]) for one in fw.json("set", "list")["sets"]] == \
        [("fixed", "elements", 1), ("other", "dynamic", 0)]
    fw.run("ban", ME, "--set", "other")
    assert not fw.passes(9)


# --- size and replacing --------------------------------------------------------------------------


def addresses(count, seed=1):
    numbers = random.Random(seed)
    return {str(ipaddress.ip_address(numbers.getrandbits(32) | 1 << 31)) for _ in range(count)}


def test_a_set_that_is_full_refuses(fw):
    fw.apply(ATTACH + dynamic("banned", "size = 100\n") + deny("banned", "udp/9", 'from = "@banned"\n'))
    text = "\n".join(sorted(addresses(150)))
    done = fw.run("ban", "-", stdin=text, expect=IN_PART)
    assert done.stderr == 'fwctl: of 150 members 50 found no room in the set "banned"; its size is 100, and it is full\n'
    assert (listed(fw)["members"], listed(fw)["size"]) == (100, 100)
    fw.run("ban", "192.0.2.0/24", expect=FAILED)
    fw.run("set", "flush", "banned")
    # Those that end soon give way to those that end late, and what is over makes room for all.
    fw.run("ban", "-", "--for", "2s", stdin=text, expect=IN_PART)
    until(lambda: listed(fw)["members"] == 0)
    assert fw.json("ban", "-", stdin="\n".join(sorted(addresses(100, seed=2))))["added"] == 100


def test_a_set_grows_with_its_size_and_keeps_its_members(fw):
    wanted = addresses(1000)
    fw.apply(POLICY.replace("dynamic = true\n", "dynamic = true\nsize = 1000\n"))
    fw.run("ban", "-", stdin="\n".join(wanted))
    fw.run("ban", ME, expect=FAILED)
    fw.apply(POLICY.replace("dynamic = true\n", "dynamic = true\nsize = 100_000\n"))
    assert set(members(fw)) == wanted
    fw.run("ban", ME)
    assert not fw.passes(9)


def test_a_size_below_what_a_set_has_is_refused(fw):
    wanted = addresses(500) | {"10.8.0.0/16", "10.9.0.0/30", ME}
    small = POLICY.replace("dynamic = true\n", "dynamic = true\nsize = 10\n")
    fw.run("ban", "-", stdin="\n".join(wanted))
    memory = listed(fw)["bytes"]
    assert fw.plan(small) == ["~ set banned: size 65536 -> 10"]
    for words in (["apply"], ["try", "--for", "5s"]):
        done = fw.run(*words, fw.file(small), expect=CONFLICT)
        assert done.stderr.startswith('fwctl: the set "banned" has 503 members, and its size is to be 10: each new one would ')
    assert listed(fw)["size"] == 65536 and set(members(fw)) == wanted
    fw.apply(small, "--force")
    shown = listed(fw)
    assert (shown["size"], shown["members"]) == (10, 503) and shown["bytes"] < memory
    fw.run("ban", "192.0.2.1", expect=FAILED)
    assert set(members(fw)) == wanted and not fw.passes(9)
    fw.apply(POLICY)
    fw.run("set", "flush", "banned")
    fw.run("ban", "-", "--for", "1s", stdin="\n".join(wanted))
    until(lambda: members(fw) == {})
    fw.apply(small)  # those whose time is over do not count


def test_members_that_would_be_lost_are_told(fw):
    fw.run("ban", "-", stdin="\n".join(addresses(320)))
    fixed = ATTACH + '\n[set.banned]\nelements = ["1.2.3.4"]\n' + deny("banned", "udp/9", 'from = "@banned"\n')
    said = "~ set banned: no longer filled live, its 320 members are lost: +1 -0"
    assert fw.plan(fixed) == [said]
    assert "- set banned: filled live, its 320 members are lost" in fw.plan(ATTACH)
    assert said in fw.apply(fixed).stdout
    assert fw.plan(POLICY) == ["~ set banned: filled live from now on: +0 -1"]


def test_a_feed_takes_the_place_of_all_members(fw):
    fw.run("ban", ME, "10.8.0.0/16")
    wanted = addresses(5000)
    path = fw.file("\n".join(wanted) + "\n10.9.0.0/30\n", "feed.txt")
    assert fw.run("set", "replace", "banned", path).stdout == "banned: holds the 5,001 of the list now\n"
    assert set(members(fw)) == wanted | {"10.9.0.0/30"}
    assert not fw.passes(9)
    fw.run("set", "replace", "banned", "-", stdin="192.0.2.1\n")
    assert set(members(fw)) == {"192.0.2.1"} and fw.passes(9)
    fw.apply(POLICY.replace("dynamic = true\n", "dynamic = true\nsize = 10\n"))
    fw.run("set", "replace", "banned", path, expect=USAGE)
    assert set(members(fw)) == {"192.0.2.1"}


def test_an_empty_list_is_no_feed(fw):
    """As when the command before the pipe has failed."""
    fw.run("ban", ME)
    for text in ("", "# nothing today\n\n"):
        for options in ([], ["--dry-run"]):
            done = fw.run("set", "replace", "@banned", "-", *options, stdin=text, expect=USAGE)
            assert done.stderr == "fwctl: the list is empty; to empty the set: fwctl set flush banned\n" and done.stdout == ""
    assert set(members(fw)) == {ME} and not fw.passes(9)


def test_a_dry_run_says_what_would_fail(fw):
    fw.apply(POLICY.replace("dynamic = true\n", "dynamic = true\nsize = 100\n"))
    big = "\n".join(sorted(addresses(150)))
    done = fw.run("set", "replace", "banned", "-", "--dry-run", stdin=big, expect=USAGE)
    assert "the list has 150 members, the set may have 100" in done.stderr and done.stdout == ""
    for words in (["--dry-run"], []):
        counts = fw.json("ban", "-", *words, stdin=big + "\n10.8.0.0/16\n", expect=IN_PART)
        assert (counts["added"], counts["refused"], counts["replaced"]) == (100, 51, 0)
    assert listed(fw)["refused"] == 51, "what the command refused is counted, too, once"
    fw.run("set", "flush", "banned")
    fw.run("ban", "-", "--for", "1h", stdin=big, expect=IN_PART)
    for words in (["--dry-run"], []):
        counts = fw.json("ban", "192.0.2.0/24", "192.0.2.1", "192.0.2.2", "--for", "2h", *words, expect=IN_PART)
        assert (counts["added"], counts["refused"], counts["replaced"]) == (2, 1, 2)


def test_members_can_be_kept_over_a_reboot(fw):
    fw.apply(POLICY.replace("dynamic = true\n", 'dynamic = true\ntimeout = "10m"\n'))
    fw.run("ban", "192.0.2.1", "10.8.0.0/16", "2001:db8::/32", "--for", "ever")
    fw.run("ban", "192.0.2.2", "10.7.0.0/16", "2001:db8::1", "--for", "2h")
    before = members(fw)
    kept = fw.run("set", "show", "@banned").stdout
    fw.run("set", "flush", "@banned")
    assert fw.run("set", "add", "banned", "-", "--for", "listed", stdin=kept).stdout .endswith(": 6 added for as long as listed\n")
    after = members(fw)
    assert after.keys() == before.keys() and all(
        after[one] == before[one] if before[one] is None else before[one] - 60 <= after[one] <= before[one] for one in before)
    fw.run("set", "replace", "banned", "-", "--for", "listed", stdin="192.0.2.1 5m\n192.0.2.1\n192.0.2.2 1h\n192.0.2.2 2h\n")
    assert members(fw)["192.0.2.1"] is None and members(fw)["192.0.2.2"] > 7000
    done = fw.run("set", "add", "banned", "-", "--for", "listed", stdin="192.0.2.1 soon\n", expect=USAGE)
    assert '<stdin>:1:11: error: "soon" is not a duration' in done.stderr
    done = fw.run("ban", "192.0.2.1", "--for", "listed", expect=USAGE)
    assert done.stderr == "fwctl: --for listed needs a list, from a file or from standard input\n"


def test_a_block_that_keeps_an_address_in_is_named(fw):
    fw.run("ban", "10.0.0.0/8", "10.9.0.0/30", ME)
    note = "  note: 10.9.0.1 stays in the set, by its block {}\n"
    assert fw.run("unban", ME).stderr == note.format("10.9.0.0/30")
    done = fw.run("unban", ME)
    assert done.stdout == "banned: 10.9.0.1: 1 not there\n" and done.stderr == note.format("10.9.0.0/30")
    assert not fw.passes(9)
    assert fw.run("unban", ME, "10.9.0.0/30", "--dry-run").stderr == "  note: 10.9.0.0/30 stays in the set, by its block 10.0.0.0/8\n"
    assert fw.json("unban", "10.9.0.0/30")["covered"] == [{"member": "10.9.0.0/30", "by": "10.0.0.0/8"}]
    assert fw.run("unban", ME, "10.0.0.0/8").stderr == "" and fw.passes(9)


def blocks_in_the_trie(fw):
    dumped = subprocess.run(["bpftool", "-j", "map", "dump", "pinned", fw.map("members")], capture_output=True, text=True,
                            check=True, timeout=60).stdout
    return len(json.loads(dumped))


def test_an_edit_tidies_up_behind_killed_ones_of_all_sets(fw):
    fw.apply(POLICY + dynamic("feed") + deny("feed", "udp/10", 'from = "@feed"\n'))
    text = "".join(f"10.{i // 256}.{i % 256}.0/24\n" for i in range(20_000))
    path = fw.file(text, "feed.txt")
    left_behind, patience = 0, 0.1
    for _ in range(40):
        process = subprocess.Popen(fw.command("set", "replace", "feed", path), stdout=subprocess.DEVNULL)
        time.sleep(patience)
        patience *= 1.25 if process.poll() is None else 0.6  # machines differ in when it is in the midst of it
        process.send_signal(signal.SIGKILL)
        process.wait()
        left_behind += blocks_in_the_trie(fw) not in (0, 20_000)
        fw.run("ban", "192.0.2.1")
        assert blocks_in_the_trie(fw) == listed(fw, "feed")["members"]
        if left_behind == 3:
            break
    assert left_behind == 3, "the turns showed nothing"
    fw.apply(POLICY)


@pytest.mark.parametrize("what", ["ban", "replace"])
def test_a_command_that_is_killed_leaves_no_half_state(fw, what):
    """At random instants: what a member is, packets and `set show` agree, and the next command works."""
    numbers = random.Random(7)
    text = "\n".join(sorted(addresses(20_000))) + "\n" + "\n".join(f"10.{i}.0.0/16" for i in range(100, 200))
    path = fw.file(text, "feed.txt")
    words = ["set", "replace", "banned", path] if what == "replace" else ["set", "add", "banned", "-"]
    for turn in range(12):
        fw.run("set", "flush", "banned")
        fw.run("ban", ME)
        process = subprocess.Popen(fw.command(*words), stdin=path.open(), stdout=subprocess.DEVNULL)
        time.sleep(numbers.uniform(0.005, 0.12))
        process.send_signal(signal.SIGKILL)
        process.wait()
        held = members(fw)
        if what == "replace":
            assert len(held) in (1, 20_100), "never a mix"
            assert fw.passes(9) == (ME not in held)
        else:
            assert ME in held and not fw.passes(9)
        fw.run("ban", ME)
        fw.run("unban", "10.150.0.0/16")
        assert ME in members(fw) and not fw.passes(9)
    fw.run("set", "flush", "banned")
    assert members(fw) == {} and fw.passes(9)
    assert fw.json("set", "replace", "banned", path)["members"] == 20_100


# --- what rules put in ---------------------------------------------------------------------------


BANNING = ATTACH + dynamic("banned") + deny("banned", "udp/9-12", 'from = "@banned"\n') + \
    allow("trap", "udp/12", 'ban = { set = "banned", for = "2s" }\n')


@pytest.mark.oldest
@pytest.mark.parametrize("mode", ["auto", "tc"])
def test_a_rule_bans_and_the_ban_ends(fw, mode):
    policy = BANNING.replace('device = "eth0"\n', f'device = "eth0"\nmode = "{mode}"\n')
    fw.apply(policy.replace('"2s"', '"1h"'))
    fw.run("set", "flush", "banned")
    before = listed(fw)["banned_by_rules"]
    assert fw.passing(9, 10, 11) == {9, 10, 11}
    assert fw.passing(12, 9) == {12}, "the rule's own verdict holds, and the next packet meets the ban"
    assert set(members(fw)) == {ME}
    assert listed(fw)["banned_by_rules"] == before + 1
    fw.run("unban", ME)
    fw.apply(policy)
    assert fw.passes(12)
    until(lambda: fw.passes(9))
    assert members(fw) == {}


def test_questions_ban_nobody(fw):
    fw.apply(BANNING)
    fw.run("set", "flush", "banned")
    before = listed(fw)
    said = fw.json("explain", f"udp {ME}:40000 > {fw.ADDRESS}:12 on eth0")
    assert "trap" in json.dumps(said)
    assert members(fw) == {} and listed(fw) == before
    # The tests of a policy have sets of their own, in which they ban.
    packet = f"udp 198.51.100.7:40000 > {fw.ADDRESS}:12 on wan"
    tests = f'\n[[test]]\npacket = "{packet}"\nexpect = "allow"\n[[test]]\npacket = "{packet}"\nrepeat = 20\nexpect = "deny"\nbecause = "banned"\n'
    fw.apply(BANNING + tests)
    assert members(fw) == {}


def test_a_ban_that_makes_no_sense_is_refused(fw):
    for rule, said in (
            (deny("out", "udp/9", 'direction = "out"\nban = { set = "banned" }\n'), "it bans nobody"),
            ('\n[[rule]]\nname = "c"\naction = "count"\nban = { set = "banned" }\n', "an action that decides"),
            (deny("none", "udp/9", 'ban = { set = "nosuch" }\n'), 'there is no set "nosuch"'),
            (deny("fixed", "udp/9", 'ban = { set = "fixed" }\n'), 'the set "fixed" is not dynamic'),
            (deny("what", "udp/9", 'ban = { for = "1h" }\n'), 'needs the key "set"')):
        done = fw.run("check", "-", stdin=POLICY + '\n[set.fixed]\nelements = ["192.0.2.1"]\n' + rule, expect=USAGE)
        assert said in done.stderr, done.stderr


# --- what outlives what --------------------------------------------------------------------------


def test_members_outlive_policies_and_trials(fw):
    fw.run("ban", ME, "10.8.0.0/16")
    before = members(fw)
    fw.apply(POLICY + dynamic("another") + deny("ten", "udp/10", 'from = "@another"\n'))
    assert members(fw) == before and not fw.passes(9)
    trial = fw.start("try", fw.file(POLICY + deny("eleven", "udp/11"), "new.toml"), "--for", "60s")
    until(lambda: "eleven" in fw.rules("policy"))
    fw.run("ban", "192.0.2.1")  # also while a policy is on trial
    fw.run("rollback")
    trial.communicate(timeout=60)
    assert set(members(fw)) == {*before, "192.0.2.1"}
    assert fw.plan(POLICY + dynamic("another") + deny("ten", "udp/10", 'from = "@another"\n')) == []
    exported = fw.export()
    assert "192.0.2.1" not in exported and "[set.banned]\ndynamic = true\n" in exported


def test_a_set_that_goes_takes_its_memory_and_members_with_it(fw):
    fw.run("ban", ME, "10.8.0.0/16")

    def pages():
        dumped = subprocess.run(["bpftool", "-j", "map", "dump", "pinned", fw.map("set_pages")], capture_output=True,
                                text=True, check=True, timeout=60).stdout
        return sum("error" not in entry["value"] for entry in json.loads(dumped))

    assert pages() == 32  # 65,536 hosts
    fw.apply(ATTACH)
    assert pages() == 0
    fw.apply(POLICY)
    assert members(fw) == {} and fw.passes(9) and pages() == 32
