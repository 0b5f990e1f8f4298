"""State does not drift: commands, applies, trials and kill -9 in any order, beside a model that is a few lists.

After each step the packets that pass, the rules that `export` prints, those that `rule list` shows and what each has
counted equal those of the model. Everything comes from one seed, which a failure names, but for the instants at which
commands are killed: after these the model takes whichever of the old and the new state it finds, and no third.

    FWCTL_DRIFT_STEPS=5000 FWCTL_DRIFT_SEED=7 pytest test_drift.py      the long run
"""

import copy
import dataclasses
import os
import random
import time
import tomllib


import netns
from firewall import ATTACH, Firewall, firewall

STEPS = int(os.environ.get("FWCTL_DRIFT_STEPS", 300))
SEED = int(os.environ.get("FWCTL_DRIFT_SEED", 1))
PORTS = range(9, 17)
LAST = ("last", "allow", f"udp/{Firewall.LAST_PORT}")  # stands in each policy, and no live rule names that port


def matches(service, port):
    low, _, high = service.removeprefix("udp/").partition("-")
    return int(low) <= port <= int(high or low)


@dataclasses.dataclass
class State:
    """Rules are (name, action, service)."""

    panic: bool = False
    live: list = dataclasses.field(default_factory=list)
    file: list = dataclasses.field(default_factory=list)
    default: str = "allow"

    def names(self):
        return [rule[0] for rule in self.live + self.file]

    def decide(self, port):
        """The verdict, and the rule's name or None."""
        if self.panic:
            return "allow", None
        for name, action, service in self.live + self.file:
            if matches(service, port):
                return action, name
        return self.default, None

    def policy(self):
        text = f'{ATTACH}[defaults]\nin = "{self.default}"\n'
        return text + "".join(f'\n[[rule]]\nname = "{name}"\naction = "{action}"\nservice = "{service}"\n'
                              for name, action, service in self.file)


class Driver:
    def __init__(self, fw, chance):
        self.fw, self.chance = fw, chance
        self.now = State()
        self.counts = {}
        self.before = None  # what rollback goes back to
        self.said = []
        self.number = 0

    # --- the model's edits: each gives the words of the command, and the state that it makes -----------

    def service(self):
        low = self.chance.choice(PORTS)
        high = self.chance.choice([low, low, min(low + 3, PORTS[-1])])
        return f"udp/{low}" if low == high else f"udp/{low}-{high}"

    def add(self):
        action, service = self.chance.choice(["allow", "deny"]), self.service()
        new = copy.deepcopy(self.now)
        rule = (f"{action}-{service}", action, service)
        same = [one for one in new.live if one[2] == service]
        others = [one[0] for one in new.live if one[2] != service]
        words = [action, service]
        if others and self.chance.random() < 0.3:
            before = self.chance.choice(others)
            new.live = [one for one in new.live if one not in same]
            new.live.insert([one[0] for one in new.live].index(before), rule)
            words += ["--before", before]
        elif same:
            new.live[new.live.index(same[0])] = rule
        else:
            new.live.append(rule)
        return words, new

    def remove(self):
        new = copy.deepcopy(self.now)
        gone = new.live.pop(self.chance.randrange(len(new.live)))
        return ["rule", "remove", gone[0]], new

    def move(self):
        new = copy.deepcopy(self.now)
        rule = new.live.pop(self.chance.randrange(len(new.live)))
        words = ["rule", "move", rule[0]]
        if new.live and self.chance.random() < 0.6:
            before = self.chance.randrange(len(new.live))
            words += ["--before", new.live[before][0]]
            new.live.insert(before, rule)
        else:
            new.live.append(rule)
        return words, new

    def panic(self):
        new = copy.deepcopy(self.now)
        new.panic = not self.now.panic
        return ["panic", "open" if new.panic else "off"], new

    def another_policy(self):
        new = copy.deepcopy(self.now)
        names = self.chance.sample([f"rule {i}" for i in range(12)], self.chance.randint(0, 8))
        new.file = [LAST] + [(name, self.chance.choice(["allow", "deny"]), self.service()) for name in names]
        new.default = self.chance.choice(["allow", "deny"])
        self.number += 1
        return self.fw.file(new.policy(), f"{self.number % 8}.toml"), new

    def apply(self):
        path, new = self.another_policy()
        words = ["apply", path]
        if self.chance.random() < 0.2:
            words.append("--discard-live")
            new.live, new.panic = [], False
        return words, new

    def rollback(self):
        new = copy.deepcopy(self.now)
        new.file, new.default = self.before
        return ["rollback"], new

    # --- steps -----------------------------------------------------------------------------------------

    def take(self, new):
        """The new state holds."""
        if (new.file, new.default) != (self.now.file, self.now.default):
            self.before = self.now.file, self.now.default
        self.now = new
        self.counts = {name: self.counts.get(name, 0) for name in new.names()}

    def edit(self):
        edits = [self.add, self.add, self.apply, self.panic]
        if self.now.live:
            edits += [self.remove, self.move]
        if self.before:
            edits.append(self.rollback)
        return self.chance.choice(edits)()

    def step(self):
        kind = self.chance.choices(["done", "killed", "tried"], [6, 3, 1])[0]
        if kind == "tried":
            return self.trial()
        words, new = self.edit()
        self.said.append((kind, *map(str, words)))
        if kind == "done":
            self.fw.run(*words)
            return self.take(new)
        process = self.fw.start(*words)
        time.sleep(self.chance.random() * 0.06)
        process.kill()
        process.communicate()
        found = self.found()
        assert found in (self.now, new), "neither the old state nor the new one"
        return self.take(new) if found == new else None

    def trial(self):
        path, new = self.another_policy()
        keep = self.chance.random() < 0.5
        self.said.append(("tried", str(path), "kept" if keep else "rolled back"))
        process = self.fw.start("try", path, "--for", "60s")
        while not process.stdout.readline().endswith("ends it\n"):
            assert process.poll() is None, process.stderr.read()
        old, self.now = self.now, new
        self.counts = {name: self.counts.get(name, 0) for name in old.names() + new.names()}
        self.send()
        if keep:
            self.fw.run("confirm")
        else:
            self.fw.run("rollback")
        process.communicate(timeout=60)
        self.now = old
        self.take(new if keep else old)

    # --- what holds ------------------------------------------------------------------------------------

    def found(self):
        rules = self.fw.json("rule", "list")["rules"]
        live = [rule["name"] for rule in rules if rule["origin"] == "live"]
        exported = tomllib.loads(self.fw.export())
        listed = [(rule["name"], rule["action"], rule["service"]) for rule in exported.get("rule", [])]
        panic = "panic" in live
        live = [name for name in live if name != "panic"]
        assert [rule[0] for rule in listed[: len(live)]] == live
        return State(panic, listed[: len(live)], listed[len(live) :], exported.get("defaults", {}).get("in", "allow"))

    def send(self):
        ports = self.chance.sample(PORTS, len(PORTS))
        arrived = self.fw.passing(*ports)
        assert arrived == {port for port in ports if self.now.decide(port)[0] == "allow"}
        for port in (*ports, Firewall.LAST_PORT):
            name = self.now.decide(port)[1]
            if name:
                self.counts[name] += 1

    def agrees(self):
        self.send()
        assert self.found() == self.now
        assert {name: count for name, count in self.fw.counts().items() if name in self.counts} == self.counts


def test_state_does_not_drift(tmp_path):
    with firewall(tmp_path) as fw:
        driver = Driver(fw, random.Random(SEED))
        path, first = driver.another_policy()
        fw.run("apply", path)
        driver.take(first)
        driver.before = None
        try:
            for _ in range(STEPS):
                driver.step()
                driver.agrees()
        except AssertionError:
            print(f"seed {SEED}", *driver.said, sep="\n")
            raise
        fw.run("detach", "--all")
        assert netns.leftovers(fw.netns) == []
