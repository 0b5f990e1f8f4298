"""`fwctl counters --rates`, `--reset`, when a rule was hit last, and `status -w`: against what a sender has sent."""

import collections
import datetime
import json
import os
import pty
import signal
import subprocess
import threading
import time

import pytest

import netns
from cable import BATCH, cable, send  # fixture: cable
from conftest import FWCTL, MODES, oldest_with_one, until

SENT = int(os.environ.get("FWCTL_SENT", 60_000))


def rows_of(shown):
    """{reason or rule: (packets, bytes)} of what is counted."""
    found = {row["reason"]: (row["packets"], row["bytes"]) for row in shown["counters"] if row["direction"] == "in"}
    found.update({"rule " + rule["name"]: (rule["packets"], rule["bytes"]) for rule in shown["rules"]})
    return {name: count for name, count in found.items() if count != (0, 0)}


def packets_of(picture):
    return sum(packets for name, (packets, _) in picture.items() if not name.startswith("rule "))


def added(pictures):
    sums = collections.defaultdict(lambda: (0, 0))
    for picture in pictures:
        for name, (packets, size) in picture.items():
            sums[name] = (sums[name][0] + packets, sums[name][1] + size)
    return dict(sums)


@pytest.mark.parametrize("mode", oldest_with_one(MODES))
def test_what_resets_print_and_the_rest_is_what_was_sent(cable, mode):
    bed = cable.bed
    bed.fwctl("b", "attach", "eth0", *mode)
    bed.fwctl("b", "deny", "udp/9")
    bed.fwctl("b", "allow", "udp/10")
    frames = [cable.udp(port) for port in (9, 10, 11)]
    done = threading.Event()
    printed = []

    def reset_again_and_again():
        while not done.is_set():
            printed.append(rows_of(bed.json("b", "counters", "--reset")))

    resetting = threading.Thread(target=reset_again_and_again)
    with netns.packet_socket(bed.name("a"), "eth0") as out:
        resetting.start()
        try:
            thirds = 0
            to_send = SENT // 4 if "native" in mode else SENT
            while 3 * thirds < to_send or sum(map(bool, printed)) < 3:
                thirds += 1
                for frame in frames:
                    send(out, frame)
                if "native" in mode and thirds % (BATCH // 3) == 0:  # its queue loses what comes too fast
                    until(lambda: sum(packets_of(picture) for picture in list(printed)) >= 3 * thirds)
        finally:
            done.set()
            resetting.join()
    length = len(frames[0])
    third = (thirds, thirds * length)
    expected = {"rule-deny": third, "rule-allow": third, "default-allow": third, "rule deny-udp/9": third, "rule allow-udp/10": third}
    until(lambda: added([*printed, rows_of(bed.json("b", "counters"))]) == expected)
    # Reading does not reset, and everything that shows counters begins at the same zero.
    last = rows_of(bed.json("b", "counters", "--reset"))
    assert rows_of(bed.json("b", "counters")) == {}
    assert added([*printed, last]) == expected
    assert all(rule["packets"] == 0 for rule in bed.json("b", "rule", "list")["rules"])
    assert bed.json("b", "status")["attachments"][0]["packets"] == {"passed": 0, "dropped": 0}


def test_names_choose_what_is_reset(cable):
    bed = cable.bed
    bed.check("b", "ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1")
    for end in ("v0", "v1"):
        bed.check("b", "ip", "link", "set", end, "up", "arp", "off")
    bed.fwctl("b", "attach", "eth0")
    bed.fwctl("b", "attach", "v0", "--hook", "tc-out")
    bed.fwctl("b", "deny", "udp/9")
    cable.send_all("a", [cable.udp(9)] * 7, "in")
    with netns.packet_socket(bed.name("b"), "v0") as out:
        send(out, cable.udp(9))
    packets = lambda shown: {row["interface"]: row["packets"] for row in shown["counters"] if row["packets"]}  # noqa: E731
    until(lambda: packets(bed.json("b", "counters")) == {"eth0": 7, "v0": 1})
    shown = bed.json("b", "counters", "eth*", "--reset")
    assert (packets(shown), shown["rules"]) == ({"eth0": 7}, [])
    assert packets(bed.json("b", "counters")) == {"v0": 1}
    (rule,) = [rule for rule in bed.json("b", "rule", "list")["rules"] if rule["name"] == "deny-udp/9"]
    assert rule["packets"] == 8
    assert "no1 is not attached" in bed.fwctl("b", "counters", "no1", "--reset", expect=3).stderr
    assert "excludes" in bed.fwctl("b", "counters", "--reset", "--rates", expect=2).stderr
    bed.fwctl("b", "counters", "--reset", "--dry-run", expect=2)
    # Counters that begin with a rule, or with an attachment, know nothing of former resets.
    bed.fwctl("b", "counters", "--reset")
    bed.fwctl("b", "rule", "remove", "deny-udp/9")
    bed.fwctl("b", "deny", "udp/10")
    bed.fwctl("b", "detach", "eth0")
    bed.fwctl("b", "attach", "eth0")
    cable.send_all("a", [cable.udp(10)] * 3, "in")
    shown = rows_of(bed.json("b", "counters", "eth0"))
    assert (shown["rule-deny"][0], shown["rule deny-udp/10"][0]) == (3, 3)


def test_rates(cable):
    bed = cable.bed
    bed.fwctl("b", "attach", "eth0")
    bed.fwctl("b", "deny", "udp/9")
    frame = cable.udp(9)
    cable.send_all("a", [frame] * 50, "in")  # before the first look
    quiet = bed.json("b", "counters", "--rates")
    assert quiet["seconds"] >= 1
    assert not any(row["packets_per_second"] for row in quiet["counters"] + quiet["rules"])
    done = threading.Event()

    def trickle():
        with netns.packet_socket(bed.name("a"), "eth0") as out:
            while not done.is_set():
                send(out, frame)
                time.sleep(0.001)

    sending = threading.Thread(target=trickle)
    sending.start()
    try:
        before = rows_of(bed.json("b", "counters"))["rule-deny"]
        shown = bed.json("b", "counters", "eth0", "--rates")
        text = bed.fwctl("b", "counters", "--rates").stdout
    finally:
        done.set()
        sending.join()
    after = rows_of(bed.json("b", "counters"))["rule-deny"]
    (row,) = [row for row in shown["counters"] if row["packets_per_second"]]
    assert (row["interface"], row["direction"], row["verdict"], row["reason"]) == ("eth0", "in", "drop", "rule-deny")
    counted = row["packets_per_second"] * shown["seconds"]
    assert abs(counted - round(counted)) < 1e-3 and 0 < counted <= after[0] - before[0]
    assert row["bytes_per_second"] == pytest.approx(row["packets_per_second"] * len(frame))
    lines = [line.split() for line in text.splitlines()]
    assert lines[0] == ["INTERFACE", "DIRECTION", "VERDICT", "REASON", "PACKETS/S", "BYTES/S"]
    assert lines[1][:4] == ["eth0", "in", "drop", "rule-deny"] and len(lines[1]) == 6
    assert lines[3] == ["RULE", "SAYS", "PACKETS/S", "BYTES/S"] and lines[4][0] == "deny-udp/9" and len(lines) == 5


def test_when_a_rule_was_hit_last(cable):
    bed = cable.bed
    bed.fwctl("b", "attach", "eth0")
    bed.fwctl("b", "deny", "udp/9")

    def last_hit():
        (rule,) = [rule for rule in bed.json("b", "rule", "list")["rules"] if rule["name"] == "deny-udp/9"]
        (same,) = [rule for rule in bed.json("b", "counters")["rules"] if rule["name"] == "deny-udp/9"]
        assert rule["last_hit"] == same["last_hit"]
        return rule["last_hit"] and datetime.datetime.fromisoformat(rule["last_hit"].replace("Z", "+00:00"))

    assert last_hit() is None
    assert "never" in bed.fwctl("b", "rule", "list", "--wide").stdout
    second = datetime.timedelta(seconds=1)
    for _ in range(2):
        began = datetime.datetime.now(datetime.timezone.utc)
        cable.send_all("a", [cable.udp(9)], "in")
        ended = datetime.datetime.now(datetime.timezone.utc)
        hit = last_hit()
        assert began - second <= hit <= ended
        time.sleep(1.1)
        assert abs(last_hit() - hit) <= second and last_hit() <= ended  # it does not move by itself
    bed.fwctl("b", "counters", "--reset")
    assert last_hit() is not None
    local = last_hit().astimezone().strftime("%Y-%m-%d %H:%M")
    assert local in bed.fwctl("b", "counters", "--wide").stdout and local in bed.fwctl("b", "rule", "show", "deny-udp/9").stdout


# --- status -w -------------------------------------------------------------------------------------


def watch(bed, *words, **options):
    return subprocess.Popen([FWCTL, "status", "-w", "--netns", bed.name("b"), *words], stdin=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True, **options)


def test_status_is_watched_as_lines_of_json_until_it_is_ended(cable):
    bed = cable.bed
    bed.fwctl("b", "attach", "eth0")
    watching = watch(bed, "--json", stdout=subprocess.PIPE)
    pictures = [json.loads(watching.stdout.readline()) for _ in range(2)]
    cable.send_all("a", [cable.udp(9)] * 10, "in")
    while pictures[-1]["attachments"][0]["packets"]["passed"] < 10:
        pictures.append(json.loads(watching.stdout.readline()))
    watching.send_signal(signal.SIGINT)
    assert (watching.wait(timeout=30), watching.stderr.read()) == (0, "")
    assert all(picture["schema"] == 1 for picture in pictures)
    assert sum(picture["attachments"][0]["packets_per_second"]["passed"] for picture in pictures) > 0


def test_a_watch_ends_with_its_reader_and_with_what_it_shows(cable):
    bed = cable.bed
    bed.fwctl("b", "attach", "eth0")
    watching = watch(bed, stdout=subprocess.PIPE)
    assert "PASSED/S" in watching.stdout.readline()
    watching.stdout.close()
    assert (watching.wait(timeout=30), watching.stderr.read()) == (-signal.SIGPIPE, "")
    watching = watch(bed, stdout=subprocess.PIPE)
    watching.stdout.readline()
    bed.fwctl("b", "detach", "--all")
    assert watching.wait(timeout=30) == 3 and "nothing is attached" in watching.stderr.read()


def test_a_watch_draws_in_place_on_a_terminal(cable):
    bed = cable.bed
    bed.fwctl("b", "attach", "eth0")
    ours, theirs = pty.openpty()
    watching = watch(bed, stdout=theirs)
    os.close(theirs)
    seen = b""
    while seen.count(b"INTERFACE") < 2:
        seen += os.read(ours, 65536)
    watching.send_signal(signal.SIGTERM)
    assert (watching.wait(timeout=30), watching.stderr.read()) == (0, "")
    assert seen.startswith(b"\x1b[H\x1b[J") and seen.count(b"\x1b[H\x1b[J") >= 2
    os.close(ours)
