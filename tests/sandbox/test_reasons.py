"""Each reason has a packet that causes it, and all views name it alike: as often as the packet was sent."""

import collections
import json
import time

import pytest

from agent import agent_of
from captured import capture, comments
from causes import CAUSES, Place
from conftest import until
from listening import monitors
from metrics import KEPT, Scrape
from page import GROUP, leave, listen, messages, page_of

PLACES = {
    "tc": 'mode = "tc"\nhooks = ["tc-in", "tc-out"]\n',
    "generic-handing-on": 'mode = "generic"\nhooks = ["xdp", "tc-in", "tc-out"]\n',
}


VERDICTS = {}  # by reasons, as counters lists them


class Counters:
    def __init__(self, place):
        self.bed = place.bed

    def packets(self):
        """{(direction, reason): packets} so far."""
        return self.bed.counters("b", "eth0")


class Monitor:
    def __init__(self, monitor):
        self.monitor = monitor

    def packets(self):
        lines = [json.loads(line) for line in self.monitor.lines() if line.endswith("}")]
        assert not any("lost" in line for line in lines)
        return collections.Counter((line["direction"], line["reason"]) for line in lines)


class Capture:
    """A packet that fwctl changes or sends on stands there twice, as it came and as it left: the second one says so, and is none of its own."""

    def __init__(self, capture):
        self.capture = capture
        self.size = None
        self.known = collections.Counter()
        self.left = collections.Counter()  # the second ones, by their reasons

    def packets(self):
        size = self.capture.path.stat().st_size
        if size != self.size:
            self.known, self.left = collections.Counter(), collections.Counter()
            for comment, direction, interface in comments(self.capture.path):
                words = comment.split(", ")
                verdict, reason = words[0].split()
                assert verdict == VERDICTS[reason] and interface == "eth0"
                if words[-1] == "after":
                    assert direction is None
                    self.left[reason] += 1
                else:
                    self.known[direction, reason] += 1
            self.size = size
        return collections.Counter(self.known)


@pytest.fixture(scope="module", params=PLACES)
def place(request, tmp_path_factory):
    made = Place(tmp_path_factory.mktemp("policies"), PLACES[request.param])
    try:
        yield made
    finally:
        made.down()


@pytest.fixture(scope="module")
def views(place):
    """By their names; each says how many packets there were of each reason."""
    VERDICTS.update({row["reason"]: row["verdict"] for row in place.bed.json("b", "counters", "eth0")["counters"]})
    with monitors(place.bed, "b", ["--verdict", "any", "--json"]) as (monitor,), capture(place.bed, "b", "--point", "both") as captured:
        yield {"counters": Counters(place), "monitor": Monitor(monitor), "capture": Capture(captured)}


def more(before, after):
    return {key: count - before.get(key, 0) for key, count in after.items() if count != before.get(key, 0)}


def test_every_reason_has_a_cause(place):
    listed = [row["reason"] for row in place.bed.json("b", "counters", "eth0")["counters"] if row["direction"] == "in"]
    assert sorted(listed) == sorted(one.reason for one in CAUSES)


@pytest.mark.parametrize("one", CAUSES, ids=lambda one: one.reason)
def test_a_packet_of_each_reason(place, views, one):
    before = {name: view.packets() for name, view in views.items()}
    caused = one.cause(place, one.reason)
    assert one.reason in {reason for _, reason in caused}
    shown = {}

    def agree():
        shown.update({name: more(before[name], view.packets()) for name, view in views.items()})
        return all(sum(those.values()) >= sum(caused.values()) for those in shown.values())

    try:
        until(agree)
    except AssertionError:
        pass  # what they show says more
    assert shown == dict.fromkeys(views, caused)


def test_what_a_capture_has_twice(views):
    """Of a reason never more than came: what was changed, sent on or answered. How many of them were so, counters do not say."""
    came = collections.Counter()
    for (_, reason), packets in views["capture"].packets().items():
        came[reason] += packets
    left = views["capture"].left
    assert left <= came and left["balanced"] == came["balanced"] and left["rule-reject"] == came["rule-reject"]
    assert left.keys().isdisjoint({"default-allow", "default-deny", "rule-deny", "no-backend", "reject-silent"})


def told_by_metrics(path):
    rows = Scrape(path).all("fwctl_packets_total")
    return {(labels["direction"], labels["reason"]): number for labels, number in rows if number and labels["interface"] == "eth0"}


def told_by_the_page(bed):
    time.sleep(KEPT)
    connection, source = listen(bed)
    try:
        state = until(lambda: [json.loads(data) for _, event, data in messages(source, 1) if event == "state"])[0]
    finally:
        leave(connection, source)
    (interface,) = [one for one in state["interfaces"] if one["name"] == "eth0"]
    return {(row["direction"], row["reason"]): row["packets"] for row in interface["counts"]}


def test_metrics_and_the_page_name_them_alike(place, views):
    """Behind the others, which have caused them all. While the agent makes checks, numbers lie between what counters says before and after."""
    counters = views["counters"]
    with agent_of(place.bed, "b", "--group", GROUP) as (_, path), page_of(place.bed, "b"):
        for told in (lambda: told_by_metrics(path), lambda: told_by_the_page(place.bed)):
            before, said, after = counters.packets(), told(), counters.packets()
            assert {reason for _, reason in said} == {one.reason for one in CAUSES}
            assert before.keys() <= said.keys() <= after.keys()
            assert all(before.get(key, 0) <= number <= after[key] for key, number in said.items())
