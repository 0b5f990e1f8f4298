"""An apply that is killed or fails at any step: the old policy holds or the new one, and the next apply works.

One apply is traced, then repeated with a fault in one system call after another: every one that changes something, the
one behind it (whatever was stored in mapped memory between the two has then happened), and a sample of all others.
Of these one in FWCTL_EVERY is taken, by default one in five.
"""

import contextlib
import itertools
import os
import re
import subprocess
import tempfile

import pytest

import netns
from firewall import ATTACH, LIBRARY, deny, firewall

FAILED, USAGE, IN_PART = 1, 2, 13

# What stays when the process ends.
CHANGES = re.compile(r"bpf\(BPF_(OBJ_PIN|LINK_|MAP_UPDATE|MAP_DELETE)|send(to|msg)\(|mkdir|unlink|rmdir|rename|openat\(.*O_CREAT|flock")
ON_MAPS = re.compile(r"bpf\(BPF_MAP_(CREATE|UPDATE|DELETE)")
# While another command holds the machine's lock, as that of a test beside this one may: each time it is another number.
WAITS = re.compile(r"flock\(.*EAGAIN|clock_nanosleep\(")
EVERY = int(os.environ.get("FWCTL_EVERY", "5"))
SAMPLED = 10  # calls that only read, evenly spread over the command

OLD = ATTACH + deny("nine", "udp/9") + deny("both", "udp/11")
NEW = ATTACH + "[attach.lan0]\n" + '[set.s]\nelements = ["10.9.0.1", "2001:db8::/32"]\n' + deny("both", "udp/11") + \
    deny("ten", "udp/10", 'from = "@s"\n')
OLD_PASSES, NEW_PASSES = {10}, {9}


@pytest.fixture(scope="module")
def fw(tmp_path_factory):
    with firewall(tmp_path_factory.mktemp("policies")) as made:
        made.bed.check("b", "ip", "link", "add", "lan0", "up", "type", "veth", "peer", "name", "lan0-peer")
        made.old, made.new = made.file(OLD, "old.toml"), made.file(NEW, "new.toml")
        yield made


@pytest.fixture
def both(fw):
    """Both policies have held, so that their texts are kept; the old one does."""
    fw.run("apply", fw.old)
    fw.run("apply", fw.new)
    fw.run("apply", fw.old)
    yield fw
    fw.run("detach", "--all")
    assert netns.leftovers(fw.netns) == []
    assert fw.kept_directory() is None


def state(fw):
    """What holds, by packets and by fwctl; a history goes on with each apply."""
    return fw.passing(9, 10, 11), fw.export(), fw.attached()


def traces(fw):
    """What an apply could leave: hooks, pins, pages and texts."""
    return {"hooks": [(name, hook) for name, hook, _ in netns.hooked(fw.netns)], "pins": netns.pins(fw.netns),
            "pages": fw.pages(), "files": fw.kept_files()}


def calls_of(command):
    """The system calls of a run from the entry to the namespace on: [(name, how many of that name, text)]."""
    with tempfile.NamedTemporaryFile("r") as log:
        subprocess.run(["strace", "-qq", "-o", log.name, *command], check=True, capture_output=True, timeout=60)
        lines = log.read().splitlines()
    seen, calls = {}, []
    for line in lines:
        name, bracket, _ = line.partition("(")
        if bracket and name.isidentifier() and not WAITS.match(line):
            seen[name] = seen.get(name, 0) + 1
            calls.append((name, seen[name], line))
    entered = next(place for place, call in enumerate(calls) if call[0] == "setns")
    return calls[entered + 1 :]


def points_of(calls):
    chosen = set(range(0, len(calls), max(1, len(calls) // SAMPLED)))
    for place, call in enumerate(calls):
        if CHANGES.search(call[2]):
            chosen |= {place, min(place + 1, len(calls) - 1)}
    return [calls[place] for place in sorted(chosen)[::EVERY]]


def with_fault(command, name, number, fault):
    return subprocess.run(["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={name}", "-e",
                           f"inject={name}:{fault}:when={number}", *command], capture_output=True, text=True, timeout=60)


# --- killed --------------------------------------------------------------------------------------


def test_killed_anywhere(both):
    """The new policy attaches lan0, the old one detaches it."""
    fw = both
    states, left, points = {}, {}, {}
    for policy in (fw.new, fw.old, fw.new, fw.old):
        points[policy] = points_of(calls_of(fw.command("apply", policy)))
        states[policy], left[policy] = state(fw), traces(fw)
    assert states[fw.old][0] != states[fw.new][0] and states[fw.old][2] != states[fw.new][2]

    killed = {"before the switch": 0, "behind it": 0}
    for pair in itertools.zip_longest(points[fw.new], points[fw.old]):
        for policy, before, point in zip((fw.new, fw.old), (fw.old, fw.new), pair):
            if point is not None:
                name, number, text = point
                done = with_fault(fw.command("apply", policy), name, number, "signal=KILL")
                now = state(fw)
                assert now in (states[before], states[policy]), f"killed in {text}"
                killed["before the switch" if now == states[before] else "behind it"] += done.returncode == -9
            fw.run("apply", policy)
            assert (state(fw), traces(fw)) == (states[policy], left[policy]), f"applied again after a kill in {text}"
            assert fw.history()[-1]["file"] == str(policy), f"applied again after a kill in {text}"
    assert sum(killed.values()) >= 0.8 * sum(map(len, points.values()))
    assert all(killed.values()), killed


def test_a_detach_killed_anywhere(fw):
    """What is left attached is as it was; where nothing is, the next attach begins with no policy."""
    fw.run("apply", fw.new)
    points = points_of(calls_of(fw.command("detach", "--all")))
    from_nothing = 0
    for name, number, text in points[::2]:
        fw.run("apply", fw.new)
        with_fault(fw.command("detach", "--all"), name, number, "signal=KILL")
        had_any = bool(fw.attached(expect=None))
        fw.run("attach", "eth0", expect=None)
        fw.run("rule", "list")
        assert fw.passing(9, 10, 11) == (NEW_PASSES if had_any else {9, 10, 11}), f"killed in {text}"
        from_nothing += not had_any
        fw.run("detach", "--all")
        assert netns.leftovers(fw.netns) == [] and fw.kept_directory() is None, f"killed in {text}"
    assert 0 < from_nothing < len(points[::2])


def test_the_first_apply_killed_anywhere(fw):
    assert fw.kept_directory() is None
    points = points_of(calls_of(fw.command("apply", fw.new)))
    after = state(fw)
    fw.run("detach", "--all")
    for name, number, text in points[::2]:
        with_fault(fw.command("apply", fw.new), name, number, "signal=KILL")
        assert fw.passing(9, 10, 11) in ({9, 10, 11}, NEW_PASSES), f"killed in {text}"
        if number % 2:
            fw.run("apply", fw.new)
            assert state(fw) == after, f"applied again after a kill in {text}"
        fw.run("detach", "--all", expect=None)
        assert netns.leftovers(fw.netns) == [] and fw.kept_directory() is None, f"killed in {text}"


# --- the kernel refuses --------------------------------------------------------------------------


def test_the_kernel_has_no_memory(both):
    """Each call that makes or changes a map fails once."""
    fw = both
    calls = calls_of(fw.command("apply", fw.new))
    after = state(fw)
    fw.run("apply", fw.old)
    before = state(fw), traces(fw)
    seen = set()
    for name, number, text in [call for call in calls if ON_MAPS.match(call[2])]:
        history = fw.history()
        done = with_fault(fw.command("apply", fw.new), name, number, "error=ENOMEM")
        seen.add(done.returncode)
        if done.returncode == FAILED:
            assert (state(fw), traces(fw), fw.history()) == (*before, history), text
            assert re.fullmatch(r"fwctl: .*\n", done.stderr), (text, done.stderr)
            fw.run("apply", fw.new)
        assert state(fw) == after, f"{text}: {done.stderr}"
        fw.run("apply", fw.old)
        assert (state(fw), traces(fw)) == before, text
    assert FAILED in seen and seen <= {0, FAILED}, seen


# --- the disk is full ----------------------------------------------------------------------------


def test_a_file_cannot_be_renamed(both):
    """The last one is the history: the policy holds by then, and the next apply notes it."""
    fw = both
    before, statuses = (state(fw), traces(fw)), []
    calls = [call for call in calls_of(fw.command("apply", fw.new)) if call[0] == "rename"]
    after = state(fw)
    fw.run("apply", fw.old)
    for name, number, text in calls:
        noted = fw.history()
        done = with_fault(fw.command("apply", fw.new), name, number, "error=ENOSPC")
        statuses.append(done.returncode)
        assert fw.history() == noted
        if done.returncode == FAILED:
            assert (state(fw), traces(fw)) == before
        else:
            assert state(fw) == after
            assert done.stderr.startswith("fwctl: the policy holds, but not all is done: cannot write /var/lib/fwctl/")
        fw.run("apply", fw.new)
        assert state(fw) == after
        assert [entry["file"] for entry in fw.history()[-2:]] == [str(fw.old), str(fw.new)]
        fw.run("apply", fw.old)
    assert statuses[0] == FAILED and statuses[-1] == IN_PART and set(statuses) == {FAILED, IN_PART}


@contextlib.contextmanager
def small_disk(fw):
    """fwctl finds a disk of its own under /var/lib/fwctl: yields its folder, as it is seen from here."""
    # A directory that is removed takes what other mount namespaces have mounted there with it, and the filler would fill
    # the machine's own disk: something has to stay in it.
    kept = LIBRARY / f"kept-{os.getpid()}"
    kept.mkdir(parents=True)
    holder = subprocess.Popen(["unshare", "--mount", "sh", "-c", "mkdir -p /var/lib/fwctl && "
                               "mount -t tmpfs -o size=256k none /var/lib/fwctl && echo mounted && exec sleep 600"],
                              stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "mounted\n"
        fw.prefix = ["nsenter", f"--mount=/proc/{holder.pid}/ns/mnt"]
        yield f"/proc/{holder.pid}/root/var/lib/fwctl"
        fw.run("detach", "--all")
    finally:
        fw.prefix = []
        holder.kill()
        holder.wait()
        kept.rmdir()


def test_the_disk_is_full(fw):
    with small_disk(fw) as disk:
        fw.run("apply", fw.new)
        after = state(fw)
        fw.run("apply", fw.old)
        before = state(fw)
        seen = []
        for free in range(0, 12, 2):  # pages that are left
            changed = fw.file(NEW + f"# {free}\n", "changed.toml")
            free_pages(disk, free)
            kept = files_of(disk)
            done = fw.run("apply", changed, expect=None)
            seen.append(done.returncode)
            if done.returncode == FAILED:
                assert re.fullmatch(r"fwctl: the policy's text cannot be kept, so it is not applied: cannot write /var/lib/fwctl/\S+: "
                                    r"No space left on device\n", done.stderr), done.stderr
                assert state(fw) == before
                assert files_of(disk) == kept
            else:
                assert state(fw) == after, done.stderr
            os.unlink(f"{disk}/filler")
            fw.run("apply", changed)
            assert state(fw) == after
            assert fw.history()[-1]["file"] == str(changed)
            fw.run("apply", fw.old)
            assert state(fw) == before
        assert seen[0] == FAILED and seen[-1] == 0 and seen == sorted(seen, key=[FAILED, IN_PART, 0].index), seen


SMALL = 256 * 1024


def free_pages(disk, pages):
    size = os.statvfs(disk)
    assert size.f_frsize * size.f_blocks <= SMALL, "this is not the small disk"
    with open(f"{disk}/filler", "wb", buffering=0) as filler:
        with contextlib.suppress(OSError):
            while filler.tell() < SMALL:
                filler.write(bytes(4096))
        filler.truncate(max(0, os.fstat(filler.fileno()).st_size - 4096 * pages))


def files_of(disk):
    return sorted(os.path.join(folder, name) for folder, _, names in os.walk(disk) for name in names)


# --- too big -------------------------------------------------------------------------------------


def test_too_many_dynamic_sets(both):
    fw = both
    before = state(fw), traces(fw), fw.history()
    sets = "".join(f"[set.s{i}]\ndynamic = true\n" for i in range(1025))
    assert fw.apply(OLD + sets, expect=FAILED).stderr == "fwctl: more dynamic sets than the limit of 1024\n"
    assert (state(fw), traces(fw), fw.history()) == before
    fw.apply(NEW)
    assert fw.passing(9, 10, 11) == NEW_PASSES


def test_a_set_that_live_rules_cannot_carry(both):
    """What live rules name stands beside them, and is found to be too big when the policy's pages are written."""
    fw = both
    fw.run("apply", "-", stdin=OLD + '[set.big]\nelements = ["192.0.2.1"]\n')
    fw.run("deny", "udp/12", "from", "@big")
    before = state(fw), traces(fw), fw.history()
    addresses = ", ".join(f'"100.{i >> 14 & 255}.{i >> 6 & 255}.{i << 2 & 255}"' for i in range(80000))
    done = fw.apply(NEW + f"[set.big]\nelements = [{addresses}]\n", expect=FAILED)
    assert re.fullmatch(r"fwctl: the live rules and their sets are \d+ bytes as text, the limit is 1048575.*\n", done.stderr)
    assert (state(fw), traces(fw), fw.history()) == before
    fw.run("rule", "remove", "deny-udp/12-from-@big")
    fw.run("apply", fw.folder / "policy.toml")
    assert fw.passing(9, 10, 11) == NEW_PASSES


def test_a_long_name_of_an_attachment(both):
    fw = both
    before = state(fw), traces(fw), fw.history()
    fw.apply(OLD + f'[attach.{"x" * 40}]\ndevice = "lan0"\n', expect=USAGE)
    assert (state(fw), traces(fw), fw.history()) == before
