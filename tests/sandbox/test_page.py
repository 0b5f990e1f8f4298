"""`fwctl page` in a browser: it shows what happens, and shows names as text; it has no privilege, and forgives an agent that dies."""

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess

import metrics
import netns
from agent import agent_of
from conftest import SPOOF, until
from page import (ADDRESS, GROUP, NASTY, FalseAgent, a_browser, agent, apply, ask, bed, choose, leave, listen, messages, number, page_of,
                  renamed, save)  # fixtures: agent, bed

POLICY = """version = 1
[attach.wan]
device = "eth0"
[set.banned]
dynamic = true
[[rule]]
name = "flood"
action = "deny"
service = "udp/7"
[[rule]]
name = "banned"
action = "deny"
from = "@banned"
[[rule]]
name = "known"
action = "allow"
state = "established"
[vip.web]
address = "10.9.0.100"
service = "tcp/80"
forward = "l2-dsr"
health = { tcp = true, port = 8001, every = "200ms", timeout = "150ms", rise = 1, fall = 1 }
[[vip.web.backend]]
name = "web1"
address = "10.9.0.1"
[[vip.web.backend]]
name = "web2"
address = "10.9.0.9"
"""


def test_in_a_browser(bed, agent, tmp_path):
    bed.check("a", "ip", "address", "add", "10.9.0.9/24", "dev", "eth0")
    with netns.inside(bed.name("a")):
        first, second = (socket.create_server((address, 8001), backlog=4096) for address in ("10.9.0.1", "10.9.0.9"))
    file = apply(bed, tmp_path, POLICY, f"policy {NASTY.replace('/', '')}.toml")
    with page_of(bed, "b"), a_browser(bed, "b") as browser:
        browser.open(f"http://{ADDRESS}/")
        browser.becomes("#link", "live")
        browser.becomes("#interfaces", "eth0", "filtered", "fwctl detach eth0")
        browser.becomes("#services", "web (normal)", "web1", "web2", "up", "fwctl backend drain web/web1")
        browser.becomes("#facts", "eth0", file.name, "generation")
        browser.becomes("#sets", "set banned", "fwctl set add banned ADDRESS", "flows that are followed")
        # A name is text, whatever it looks like.
        assert browser.value("document.images.length") == 0 and NASTY.replace("/", "") in browser.text("#facts")
        # An attack, and its way into the tables and charts.
        dropped = lambda: number(browser.value("document.querySelector('#interfaces tbody td:nth-child(6)').innerText"))  # noqa: E731
        attack = subprocess.Popen(bed.command("a", SPOOF, "eth0", netns.mac_of(bed.name("b"), "eth0"), "10.9.0.2", "fd00:9::2",
                                              "3000000", "1", "udp/7"))
        try:
            until(lambda: dropped() > 100)
            browser.becomes("#drops", "rule-deny")
            browser.becomes("#verdicts", "drop in")
            passed = lambda: number(browser.value("document.querySelector('#interfaces tbody td:nth-child(5)').innerText"))  # noqa: E731
            until(lambda: bed.curls("a", "10.9.0.2") and passed() > 0)
            browser.becomes("#verdicts", "pass in", "pass out")
            assert number(browser.value("[...document.querySelectorAll('#rules tr')].find(one => one.innerText.startsWith('flood'))"
                                        ".querySelectorAll('.number')[2].innerText")) > 100
            browser.looks(1280, 1000)
            browser.value("document.querySelector('#rule-filter').focus()")
            save(browser, "attack")
        finally:
            attack.kill()
            attack.wait()
        # What happens is told, and can be sought.
        bed.fwctl("b", "ban", "203.0.113.9")
        browser.becomes("#events", "set banned: 203.0.113.9 is a member now")
        second.close()
        browser.becomes("#events", "vip web: backend web2 is down")
        browser.becomes("#services", "down")
        choose(browser, "#event-filter", "web2")
        assert "web2" in browser.text("#events .table") and "203.0.113.9" not in browser.text("#events .table")
        choose(browser, "#event-filter", "")
        # The agent dies, and comes back.
        agent.end(signal.SIGKILL)
        browser.becomes("#link", "no agent runs")
        save(browser, "gone")
        agent.start("--group", GROUP)
        browser.becomes("#link", "live")
        bed.fwctl("b", "ban", "203.0.113.10")
        browser.becomes("#events", "203.0.113.10", "203.0.113.9")
        (reporter,) = metrics.children(agent.process.pid)
        os.kill(reporter, signal.SIGSTOP)
        browser.becomes("#link", "the agent does not answer")
        os.kill(reporter, signal.SIGCONT)
        browser.becomes("#link", "live")
        # As wide as a telephone, nothing is wider than the window; in the dark nothing is white.
        for name, width, dark in (("wide-light", 1280, False), ("wide-dark", 1280, True), ("narrow-dark", 375, True), ("narrow-light", 375, False)):
            browser.looks(width, 2200, dark)
            browser.becomes("#link", "live")
            assert browser.value("document.documentElement.scrollWidth") <= width
            browser.value("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
            save(browser, name)
        assert browser.value("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
        # The keyboard reaches all that can be used.
        reached = [browser.value("document.querySelectorAll('a, input, select').length")]
        assert browser.value("[...document.querySelectorAll('a, input, select')].every(one => one.tabIndex === 0)") and reached[0] >= 11
        complaints = [one for one in browser.told if "Failed to load resource" not in str(one) and "ERR_" not in str(one)]
        assert complaints == []
        first.close()


def test_names_are_text_wherever_they_come_from(bed, agent, tmp_path):
    """Rules and backends cannot have such names; a page that trusted in that would be one mistake away from a script."""
    apply(bed, tmp_path, POLICY)

    def told(*parts):
        """Of everything one."""
        bed.run("a", "bash", "-c", "echo > /dev/udp/10.9.0.2/7")
        state = json.loads(metrics.ask(metrics.OverSocket(metrics.default_socket(bed.name("b"))), path="/state")[2])
        return state if all(state[part] for part in parts) else None

    packets = until(lambda: told("talkers", "packets"))
    bed.check("b", "ip", "link", "delete", "eth0")  # a warning
    state = renamed(until(lambda: told("interfaces", "rules", "services", "sets", "warnings", "events")) |
                    {part: packets[part] for part in ("talkers", "packets")})
    with contextlib.closing(FalseAgent(json.dumps(state))) as false_agent, page_of(bed, "b", "--socket", false_agent.path), \
            a_browser(bed, "b") as browser:
        browser.open(f"http://{ADDRESS}/")
        browser.becomes("#link", "live")
        for part in ("facts", "warnings", "interfaces", "talkers", "services", "rules", "sets", "events"):
            browser.becomes(f"#{part}", NASTY)
        # A packet's interface and rule, too.
        until(lambda: [NASTY, NASTY] in browser.value(
            "[...document.querySelectorAll('#events tbody tr')].map(row => [row.cells[2].innerText, row.cells[3].innerText])"))
        assert browser.value("document.querySelectorAll('img, iframe, main script, [onerror]').length") == 0
        assert [one for one in browser.told if "Failed to load resource" not in str(one)] == []


def test_what_it_answers(bed, agent):
    bed.fwctl("b", "attach", "eth0")
    with page_of(bed, "b"):
        status, headers, body = ask(bed, path="/")
        assert status == 200 and headers["Content-Type"] == "text/html; charset=utf-8" and "<title>fwctl</title>" in body
        assert headers["Content-Security-Policy"].startswith("default-src 'self';")
        size = len(body)
        for path in re.findall(r'(?:src|href)="(/[^"]+)"', body) + ["/dom.js", "/chart.js", "/events.js"]:
            status, headers, text = ask(bed, path=path)
            assert status == 200 and headers["X-Content-Type-Options"] == "nosniff", path
            size += len(text)
            assert "innerHTML" not in text and "http://" not in text.replace("http://www.w3.org/", ""), path
        assert size < 100_000
        for path in ("/metrics", "/state", "/../main.js", "/etc/passwd"):
            assert ask(bed, path=path)[0] == 404, path
        for host in ("evil.example", "evil.example:9180", "10.9.0.2"):
            assert ask(bed, headers={"Host": host})[0] == 421
        assert ask(bed, method="POST")[0] == 405


def test_it_has_no_privilege(bed, agent):
    with page_of(bed, "b") as page:
        until(lambda: ask(bed, path="/")[0] == 200)
        status = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{page.process.pid}/status").read_text().splitlines())
        assert {int(status[key], 16) for key in ("CapPrm", "CapEff", "CapInh", "CapAmb")} == {0}
        assert 0 not in map(int, status["Uid"].split() + status["Gid"].split()) and status["NoNewPrivs"].strip() == "1"
        assert status["Groups"].strip() == ""


def test_a_socket_that_is_roots_alone(bed):
    with agent_of(bed, "b"):
        done = bed.fwctl("b", "page", expect=4)
        assert done.stderr.splitlines()[-1].endswith("fwctl agent --group NAME")


def test_who_comes_back_is_told_what_he_missed_and_not_more(bed, agent, tmp_path):
    apply(bed, tmp_path, POLICY)
    with page_of(bed, "b"):
        connection, source = listen(bed)
        heard = []
        # The agent has to know the set before somebody can be new in it.
        bans = (bed.fwctl("b", "ban", f"198.51.100.{host}") for host in range(100))
        until(lambda: heard.extend(messages(source, 1)) or next(bans) and any(event == "news" for _, event, _ in heard))
        numbers = [number for number, _, _ in heard]
        assert numbers == sorted(set(numbers))
        leave(connection, source)
        other, still = listen(bed)
        bed.fwctl("b", "ban", "203.0.113.2")
        until(lambda: any("203.0.113.2 " in data for _, event, data in messages(still, 1) if event == "news"))
        back, source = listen(bed, last=numbers[-1])
        missed = []
        until(lambda: missed.extend(messages(source, 1)) or "203.0.113.2 " in missed[-1][2])
        assert all(number > numbers[-1] and event == "news" for number, event, _ in missed)
        assert not {data for _, event, data in heard if event == "news"} & {data for _, _, data in missed}
        leave(other, still)
        leave(back, source)


def test_sixteen_look_at_once_and_no_more(bed, agent):
    bed.fwctl("b", "attach", "eth0")
    with page_of(bed, "b"):
        made = [listen(bed) for _ in range(16)]
        assert all(source.status == 200 for _, source in made)
        more, refused = listen(bed)
        assert refused.status == 503
        leave(more, refused)
        assert ask(bed, path="/")[0] == 200
        # One that reads nothing is no burden to the others, and those who have left make room.
        for one in made[1:]:
            leave(*one)
        until(lambda: comes_in(bed))
        leave(*made[0])


def comes_in(bed):
    connection, source = listen(bed)
    leave(connection, source)
    return source.status == 200
