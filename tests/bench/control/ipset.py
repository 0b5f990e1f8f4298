"""ipset: sets alone, hash:net of blocks and hash:ip of addresses. No rule of iptables asks them here."""

import re
import shutil

from stopwatch import Command
from task import Task

ROOM = 2  # as fwctl.py has it: a set has a size that it keeps


class Ipset:
    name = "ipset"

    def __init__(self, content, _build):
        self.content = content
        self.missing = None if shutil.which("ipset") else "ipset is not installed (apt-get install ipset)"

    def empty(self):
        return [Command(["ipset", "destroy"])]

    def kernel_megabytes(self, stopwatch):
        """As it says itself: its memory is counted for no control group."""
        stopwatch.run(Command(["ipset", "list", "-terse"]), seconds=60)
        return sum(map(int, re.findall(r"^Size in memory: (\d+)", stopwatch.output(), re.MULTILINE))) / (1 << 20)

    def create(self, kind, count):
        of = "hash:ip" if kind == "bans" else "hash:net"
        return f"create banned {of} family {'inet6' if kind == 'v6' else 'inet'} maxelem {ROOM * count}\n"

    def adding(self, kind, count):
        return (f"add banned {member}\n" for member in self.content.members(kind, count))

    def restore(self, name, make):
        return Command(["ipset", "restore"], self.content.made(f"{name}.ipset", make))

    def whole(self, kind, count):
        return self.restore(f"{kind}-{count}", lambda: [self.create(kind, count), *self.adding(kind, count)])

    def apply_list(self, kind, count):
        return Task({"": self.whole(kind, count)}, clear=self.empty())

    def member(self, kind, count, one):
        return Task({"put in": Command(["ipset", "add", "banned", one]), "taken out": Command(["ipset", "del", "banned", one])},
                    [*self.empty(), self.whole(kind, count)])

    def bans(self, kind, count):
        declare = Command(["ipset", *self.create(kind, count).split()])
        return Task({"": self.restore(f"{kind}-{count}.add", lambda: self.adding(kind, count))}, clear=self.empty(), declare=[declare])
