"""What the page shows of packets: who sends most, and a sample of what is dropped or logged; and that packets pay for it only while somebody looks."""

import contextlib
import json
import socket
import subprocess
import threading

import pytest

import metrics
import netns
from conftest import FWCTL, SPOOF, until
from page import ADDRESS, a_browser, agent, apply, bed, choose, leave, listen, messages, number, page_of, save  # fixtures: agent, bed

POLICY = """version = 1
[attach.eth0]
[[rule]]
name = "watched"
action = "log"
service = "udp/8"
[[rule]]
name = "flood"
action = "deny"
service = ["udp/7", "udp/8"]
"""
SET = """[set.SET]
dynamic = true
[[rule]]
name = "from set"
action = "deny"
from = "@SET"
"""


def listeners(bed):
    return metrics.Scrape(metrics.default_socket(bed.name("b"))).one("fwctl_listeners")


class Sender:
    """Sends datagrams from a's own address, until it is left."""

    def __init__(self, bed, *ports):
        with netns.inside(bed.name("a")):
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.ports = ports
        self.ends = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.ends.wait(0.005):
            self.send(4)

    def send(self, each):
        for port in self.ports:
            for _ in range(each):
                self.socket.sendto(b"text", ("10.9.0.2", port))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ends.set()
        self.thread.join()
        self.socket.close()


def rows(browser, section):
    """The texts of a table's cells."""
    return browser.value(f"[...document.querySelectorAll('#{section} tbody tr')].map(row => [...row.cells].map(cell => cell.innerText))")


def test_an_attack_by_its_sources_and_packets(bed, agent, tmp_path):
    apply(bed, tmp_path, POLICY + SET.replace("SET", "banned"))
    assert listeners(bed) == 0
    with page_of(bed, "b"), contextlib.ExitStack() as stack:
        with a_browser(bed, "b") as browser, Sender(bed, 7, 8):
            browser.open(f"http://{ADDRESS}/")
            browser.becomes("#talkers", "10.9.0.1", "fwctl ban 10.9.0.1")
            until(lambda: [row for row in rows(browser, "talkers") if row[0] == "10.9.0.1" and number(row[3]) > 100])
            (row,) = [row for row in rows(browser, "talkers") if row[0] == "10.9.0.1"]
            packets, size, dropped = map(number, row[1:4])
            assert dropped <= packets and size == pytest.approx(packets * (14 + 20 + 8 + 4), rel=0.1)
            assert listeners(bed) == 2
            # Packets, each with all that is known of it, and what was left out.
            browser.becomes("#events", "rule-deny", "rule-log", "udp 10.9.0.1:")
            for event, rule, port in (("rule-deny", "flood", 7), ("rule-deny", "flood", 8), ("rule-log", "watched", 8)):
                until(lambda: [row for row in rows(browser, "events")  # noqa: B023
                               if row[1:4] == [event, "eth0", rule] and f"> 10.9.0.2:{port} " in f"{row[4]} "])  # noqa: B023
            browser.becomes("#event-note", "more of the same seconds were not shown")
            # The filter, by kind and by words.
            bed.fwctl("b", "ban", "203.0.113.9")
            choose(browser, "#event-kind", "news")
            browser.becomes("#events", "set banned: 203.0.113.9 is a member now")
            assert {row[1] for row in rows(browser, "events")}.isdisjoint({"rule-deny", "rule-log"})
            assert browser.text("#event-note") == ""
            choose(browser, "#event-kind", "log")
            assert {(row[1], row[3]) for row in rows(browser, "events")} == {("rule-log", "watched")}
            choose(browser, "#event-kind", "drop")
            choose(browser, "#event-filter", "FLOOD 10.9.0.2:7")
            found = rows(browser, "events")
            assert found and all(row[1] == "rule-deny" and "> 10.9.0.2:7" in row[4] for row in found)
            choose(browser, "#event-filter", "10.9.0.2:7 watched")
            assert rows(browser, "events") == []
            choose(browser, "#event-kind", "")
            choose(browser, "#event-filter", "")
            # A flood from everywhere hides neither the source nor the rule that logs.
            flood = subprocess.Popen(bed.command("a", SPOOF, "eth0", netns.mac_of(bed.name("b"), "eth0"), "10.9.0.2", "fd00:9::2",
                                                 "30000000", "1", "udp/7"))
            stack.callback(lambda: (flood.kill(), flood.wait()))
            browser.becomes("#event-note", "about ")
            browser.becomes("#talker-note", "No other source has sent more than")
            until(lambda: rows(browser, "talkers")[0][0] == "10.9.0.1")
            bed.fwctl("b", "ban", "203.0.113.10")
            browser.becomes("#events", "203.0.113.10", "rule-log")
            browser.becomes("#link", "live")
            for name, width, dark in (("packets-light", 1280, False), ("packets-dark", 1280, True), ("packets-narrow", 375, True)):
                browser.looks(width, 2600, dark)
                browser.becomes("#link", "live")
                assert browser.value("document.documentElement.scrollWidth") <= width
                save(browser, name)
            assert browser.told == []
            assert listeners(bed) == 2
        # The last one who looked has gone, while the flood goes on.
        until(lambda: listeners(bed) == 0)
        assert flood.poll() is None


def test_every_packet_is_shown_or_counted(bed, agent, tmp_path):
    apply(bed, tmp_path, POLICY)
    with page_of(bed, "b"):
        connection, source = listen(bed)
        until(lambda: messages(source, 1) and listeners(bed) == 2)
        heard, told = [], 0
        sender = Sender(bed, 7, 8)
        with contextlib.closing(sender.socket):
            sender.send(3)
            sender.send(500)
        # Each to udp/8 is logged, and dropped.
        while told < 3 * 503:
            heard += messages(source, 1)
            if heard[-1][1] == "packets":
                second = json.loads(heard[-1][2])
                assert len(second["packets"]) <= 20 and not second["estimate"] and not second["stood_still"]
                told += len(second["packets"]) + second["more"]
        assert told == 3 * 503
        numbers = [one[0] for one in heard]
        assert numbers == sorted(set(numbers))
        leave(connection, source)
        # Who comes back is told of what he missed alone.
        back, source = listen(bed, last=numbers[-1])
        assert messages(source, 1)[0][1] == "state"
        leave(back, source)
        fresh, source = listen(bed)
        samples, again = [one for one in heard if one[1] == "packets"], []
        until(lambda: again.extend(one for one in messages(source, 1) if one[1] == "packets") or len(again) == len(samples))
        assert again == samples
        leave(fresh, source)


@pytest.mark.parametrize("set_text, command", [("", "fwctl deny any from 10.9.0.1"), (SET.replace("SET", "crowd"), "fwctl ban 10.9.0.1 --set crowd")],
                         ids=["no-set", "another-set"])
def test_the_command_against_a_source_works(bed, agent, tmp_path, set_text, command):
    apply(bed, tmp_path, POLICY + set_text)
    with page_of(bed, "b"), a_browser(bed, "b") as browser, Sender(bed, 9):
        browser.open(f"http://{ADDRESS}/")
        browser.becomes("#talkers", command)
        bed.check("b", "sh", "-c", command.replace("fwctl", FWCTL, 1))
        until(lambda: [row for row in rows(browser, "talkers") if row[0] == "10.9.0.1" and number(row[3]) > 100])


def test_what_is_attached_anew_is_looked_at_again(bed, agent, tmp_path):
    apply(bed, tmp_path, POLICY)
    with page_of(bed, "b"), a_browser(bed, "b") as browser, Sender(bed, 7):
        browser.open(f"http://{ADDRESS}/")
        browser.becomes("#talkers", "10.9.0.1")
        bed.fwctl("b", "detach", "--all")
        browser.becomes("#warnings", "nothing is attached")
        assert "10.9.0.1" not in browser.text("#talkers")
        apply(bed, tmp_path, POLICY)
        browser.becomes("#talkers", "10.9.0.1")


def test_where_sixteen_listen_already(bed, agent, tmp_path):
    apply(bed, tmp_path, POLICY)
    with page_of(bed, "b"), contextlib.ExitStack() as stack:
        for _ in range(16):
            one = subprocess.Popen(bed.command("b", FWCTL, "monitor"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            stack.callback(lambda one=one: (one.kill(), one.wait()))
        until(lambda: listeners(bed) == 16)
        browser = stack.enter_context(a_browser(bed, "b"))
        browser.open(f"http://{ADDRESS}/")
        browser.becomes("#warnings", "sources and packets are not shown here: 16 others listen to events already")
        browser.becomes("#link", "live")
