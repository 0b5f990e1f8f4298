"""`fwctl top` in a real terminal, tmux's: what it shows, which keys it knows, what it leaves behind."""

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import threading
import time

import pytest

import netns
from cable import QuietCable, send
from conftest import FWCTL, until


class Terminal:
    """A tmux of its own with one shell in it."""

    def __init__(self, folder, width, height, term="screen"):
        self.socket = str(folder / "tmux")
        config = folder / "tmux.conf"
        config.write_text(f"set -g default-terminal {term}\nset -g status off\nset -sg escape-time 0\n")
        self.environment = {name: value for name, value in os.environ.items() if name not in ("TMUX", "LANG", "LC_ALL")}
        self.tmux("-f", config, "new-session", "-d", "-x", width, "-y", height, "env", "PS1=ready$ ", "bash", "--norc")
        until(lambda: "ready$" in self.screen())

    def tmux(self, *words):
        done = subprocess.run(["tmux", "-S", self.socket, *map(str, words)], capture_output=True, text=True, timeout=30,
                              env=self.environment)
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout

    def screen(self):
        return self.tmux("capture-pane", "-p")

    def lines(self):
        return self.screen().rstrip("\n").split("\n")

    def type(self, *keys):
        self.tmux("send-keys", *keys)

    def run(self, line):
        self.tmux("send-keys", "-l", line)
        self.type("Enter")

    def resize(self, width, height):
        self.tmux("resize-window", "-x", width, "-y", height)

    def shows(self, *texts):
        def all_there():
            screen = self.screen()
            return all(text in screen for text in texts) and screen
        try:
            return until(all_there, 12)
        except AssertionError:
            raise AssertionError(f"{texts} not in\n{self.screen()}")

    def state(self):
        """Of the terminal, as its shell sees it."""
        return self.tmux("display", "-p", "#{alternate_on} #{cursor_flag} #{keypad_flag}").strip()

    def down(self):
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], capture_output=True, env=self.environment)


@pytest.fixture
def terminal(tmp_path):
    with contextlib.ExitStack() as ends:
        def make(*size, **options):
            made = Terminal(tmp_path, *size, **options)
            ends.callback(made.down)
            return made
        yield make


@pytest.fixture(scope="module")
def cable():
    made = QuietCable()
    made.bed.fwctl("b", "attach", "eth0")
    for port in range(100, 140):
        made.bed.fwctl("b", "deny", f"udp/{port}")
    made.bed.fwctl("b", "allow", "udp/9")
    with flood(made):
        yield made
    made.down()


@contextlib.contextmanager
def flood(cable):
    """Of udp/9 three in four, which is let in; the rest is denied."""
    frames = [cable.udp(9), cable.udp(9), cable.udp(9), cable.udp(100), cable.udp(9), cable.udp(9), cable.udp(9), cable.udp(101)]
    done = threading.Event()

    def flow():
        with netns.packet_socket(cable.bed.name("a"), "eth0") as out:
            while not done.is_set():
                for frame in frames:
                    send(out, frame)
                time.sleep(0.005)

    flowing = threading.Thread(target=flow)
    flowing.start()
    try:
        yield
    finally:
        done.set()
        flowing.join()


def top(cable, *words):
    return shlex.join([FWCTL, "top", *words, "--netns", cable.bed.name("b")])


def rate(line):
    return float(line.split()[0].replace(",", ""))


def rows_of(screen):
    """The lines of the table."""
    lines = screen.rstrip("\n").split("\n")
    (start,) = [i for i, line in enumerate(lines) if line.split()[:2] == ["PACKETS/S", "BYTES/S"]]
    return [line for line in lines[start + 1:-1] if line.strip()]


@pytest.mark.parametrize("width, height", [(80, 24), (200, 50)])
def test_the_first_screen(cable, terminal, width, height):
    term = terminal(width, height)
    term.run(top(cable))
    screen = term.shows("fwctl top rules", "allow-udp/9", "deny-udp/100", "q quit")
    until(lambda: rate(rows_of(term.screen())[0]) > 0)
    screen = term.screen()
    lines = screen.rstrip("\n").split("\n")
    assert len(lines) == height and max(map(len, lines)) <= width
    assert lines[1].startswith("eth0") and "passed/s" in lines[1] and "dropped/s" in lines[1]
    rows = rows_of(screen)
    assert "allow-udp/9" in rows[0] and {"deny-udp/100", "deny-udp/101"} <= {row.split()[3] for row in rows}
    rates = [rate(row) for row in rows]
    assert rates == sorted(rates, reverse=True)
    term.type("q")
    until(lambda: "q quit" not in term.screen())


def test_keys(cable, terminal):
    term = terminal(80, 24)
    term.run(top(cable))
    term.shows("allow-udp/9", "deny-udp/100")
    term.type("n")
    term.shows("by name")
    names = [row.split()[3] for row in rows_of(term.screen())]
    assert names == sorted(names)
    term.type("t")
    term.shows("by total")
    term.type("b")
    term.shows("by bytes/s")
    term.type("p")
    term.shows("by packets/s")
    term.type("/", "U", "D", "P", "/", "1", "0", "0", "0")
    term.shows("filter: UDP/1000_", "0 by packets/s")
    term.type("BSpace")
    screen = term.shows("filter: UDP/100_", "1 by packets/s")
    assert [row.split()[3] for row in rows_of(screen)] == ["deny-udp/100"]
    term.type("Enter")
    term.shows('1 by packets/s, with "UDP/100"', "q quit")
    term.type("Escape")
    term.shows("allow-udp/9", "deny-udp/101")
    term.type("2")
    screen = term.shows("fwctl top reasons", "rule-allow", "rule-deny", "eth0")
    until(lambda: rate(rows_of(term.screen())[0]) > 0)
    assert rows_of(term.screen())[0].split()[3:] == ["pass", "rule-allow", "eth0", "in"]
    term.type("3")
    term.shows("fwctl top talkers", "10.9.0.1")
    term.type("5")
    term.shows("fwctl top sets", "MEMBERS")
    term.type("4")
    term.shows("fwctl top services", "BACKEND")
    term.type("1")
    term.shows("fwctl top rules", "allow-udp/9")
    term.type("Space")
    first = term.shows("PAUSED")
    time.sleep(1.5)
    assert term.screen() == first
    term.type("Space")
    until(lambda: "PAUSED" not in term.screen())
    term.type("q")
    term.shows("ready$")


def test_it_fits_itself_into_another_size(cable, terminal):
    term = terminal(80, 24)
    term.run(top(cable))
    term.shows("allow-udp/9")
    for width, height in ((200, 50), (30, 8), (80, 24), (10, 3), (100, 30)):
        term.resize(width, height)
        bottom = "1 rules 2 reasons"[:width].rstrip()
        until(lambda: len(term.lines()) == height and term.lines()[-1].startswith(bottom), 30)
        assert max(map(len, term.lines())) <= width
    term.shows("allow-udp/9", "q quit")
    term.type("q")
    term.shows("ready$")


@pytest.mark.parametrize("name", ["xterm", "tmux", "linux", "vt100", "dumb"])
def test_terminals(cable, terminal, name):
    term = terminal(80, 24)
    term.run(f"TERM={name} " + top(cable))
    if name == "dumb":
        term.shows('of the kind "dumb"', "--once")
        return
    term.shows("fwctl top rules", "allow-udp/9", "q quit")
    term.type("q")
    until(lambda: term.lines()[-1].startswith("ready$") or "ready$" in term.screen())


@pytest.mark.parametrize("how", ["q", "C-c", signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_what_it_leaves_of_the_terminal(cable, terminal, how):
    term = terminal(80, 24)
    term.run("echo said before; stty -a > before")
    before = term.state()
    term.run(top(cable))
    term.shows("allow-udp/9", "q quit")
    assert term.state() != before
    if isinstance(how, str):
        term.type(how)
    else:
        shell = term.tmux("display", "-p", "#{pane_pid}").strip()
        (child,) = subprocess.run(["pgrep", "-P", shell], capture_output=True, text=True, check=True).stdout.split()
        os.kill(int(child), how)
    until(lambda: term.state() == before)
    term.run("echo status $?; stty -a | cmp - before && echo as before; rm before")
    screen = term.shows("status 0", "as before")
    assert "said before" in screen and "q quit" not in screen


def test_names_are_shown_as_text(cable, terminal):
    """Names of interfaces may have anything but blanks and slashes in them."""
    bed = cable.bed
    name, shown = "v\x1b[7m\u202e<b>", re.compile(r"v\?\[7m\?{1,3}<b>")  # by the locale one character, or three
    bed.check("b", "ip", "link", "add", name, "type", "veth", "peer", "name", "v1")
    try:
        bed.fwctl("b", "attach", name, "--hook", "tc-in")
        term = terminal(80, 24)
        term.run(top(cable))
        until(lambda: shown.search(term.screen()))
        term.type("q")
        term.shows("ready$")
        assert shown.search(bed.fwctl("b", "top", "--once").stdout)
        assert name in [one["interface"] for one in bed.json("b", "top", "--once")["interfaces"]]
    finally:
        bed.fwctl("b", "detach", name)
        bed.check("b", "ip", "link", "del", "v1")


def test_once(cable):
    bed = cable.bed
    lines = bed.fwctl("b", "top", "reasons", "--once").stdout.splitlines()
    assert lines[0].startswith("fwctl top reasons") and lines[1].startswith("eth0")
    assert lines[3].split() == ["PACKETS/S", "BYTES/S", "PACKETS", "VERDICT", "REASON", "INTERFACE", "DIRECTION"]
    assert lines[4].split()[3:] == ["pass", "rule-allow", "eth0", "in"] and rate(lines[4]) > 0
    shown = bed.json("b", "top", "rules", "--once")
    assert (shown["schema"], shown["seconds"] >= 1) == (1, True)
    assert shown["rules"][0]["rule"] == "allow-udp/9" and shown["rules"][0]["packets_per_second"] > 0
    assert shown["interfaces"][0]["packets_per_second"]["dropped"] > 0
    assert "--once" in bed.fwctl("b", "top", expect=2).stderr
    assert "--once" in bed.fwctl("b", "top", "--json", expect=2).stderr
    assert "nonsense" in bed.fwctl("b", "top", "nonsense", expect=2).stderr
    assert "nothing is attached" in bed.fwctl("a", "top", "--once", expect=3).stderr


def test_who_talks_most(cable):
    """Several look at a time; each shows what the counters say of the one who sends."""
    bed = cable.bed
    command = [FWCTL, "top", "talkers", "--once", "--json", "--netns", bed.name("b")]
    looking = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for one in looking:
        shown = json.loads(one.communicate(timeout=60)[0])
        (talker,) = shown["talkers"]
        counted = sum(sum(row["packets_per_second"].values()) for row in shown["interfaces"])
        assert (talker["source"], talker["more_per_second"]) == ("10.9.0.1", 0)
        # The two looks are not of one instant.
        assert talker["packets_per_second"] == pytest.approx(counted, rel=0.3)
        assert talker["dropped_per_second"] == pytest.approx(talker["packets_per_second"] / 4, rel=0.1)
        assert talker["bytes_per_second"] == pytest.approx(talker["packets_per_second"] * 42)
    text = bed.fwctl("b", "top", "talkers", "--once").stdout.splitlines()
    assert text[3].split() == ["PACKETS/S", "OR", "MORE", "BYTES/S", "DROPPED/S", "SOURCE"] and text[4].split()[-1] == "10.9.0.1"


def test_it_ends_with_what_it_shows(terminal):
    cable = QuietCable()
    try:
        cable.bed.fwctl("b", "attach", "eth0")
        term = terminal(80, 24)
        term.run(top(cable))
        term.shows("q quit")
        cable.bed.fwctl("b", "detach", "--all")
        term.shows("nothing is attached", "ready$")
        term.run("echo status $?")
        term.shows("status 3")
    finally:
        cable.down()
