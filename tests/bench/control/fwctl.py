"""fwctl: a policy in TOML, attached to one interface."""

from stopwatch import Command
from task import Task

HEAD = "version = 1\n[attach.eth0]\n"
ROOM = 2  # a set is made for so many times its members: it has a size that it keeps


def rule(number, one):
    keys = {"from": one.source, "to": one.destination, "sport": one.source_ports}
    text = f'[[rule]]\nname = "rule {number}"\naction = "{one.action}"\n'
    text += "".join(f'{key} = "{value}"\n' for key, value in keys.items() if value != "-")
    return text if one.protocol == "-" else text + f'service = "{service(one)}"\n'


def service(one):
    name = {"6": "tcp", "17": "udp", "132": "sctp"}.get(one.protocol, one.protocol)
    selector = one.icmp_type if one.icmp_type != "-" else one.ports
    return name if selector == "-" else f"{name}/{selector}"


def denied(name, words):
    return f'[set.{name}]\n{words}\n[[rule]]\nname = "{name}"\naction = "deny"\nfrom = "@{name}"\n'


class Fwctl:
    name = "fwctl"
    missing = None

    def __init__(self, content, build):
        self.content = content
        self.program = f"{build}/ctl/cli/fwctl"

    def command(self, *words, stdin=None):
        return Command([self.program, *words], stdin)

    def empty(self):
        """Two policies: the second writes over the half of the maps in which the one before the first still lies."""
        nothing = [self.content.made(f"nothing-{number}.toml", lambda: [HEAD, f'[[rule]]\nname = "{number}"\nservice = "udp/9"\n'
                                                                       'action = "allow"\n']) for number in (1, 2)]
        return [self.command("apply", path) for path in nothing]

    def rules_file(self, kind, count):
        return self.content.made(f"{kind}-{count}.toml", lambda: [HEAD] + [rule(number, one) for number, one in
                                                                          enumerate(self.content.rules(kind, count), 1)])

    def list_file(self, kind, count):
        path = self.content.lines(kind, count)
        return self.content.made(f"{kind}-{count}.toml", lambda: [HEAD, denied("listed", f'file = "{path.name}"')])

    def dynamic(self, count):
        return self.content.made(f"dynamic-{count}.toml", lambda: [HEAD, denied("banned", f"dynamic = true\nsize = {ROOM * count}")])

    def filled(self, kind, count):
        fill = self.command("set", "add", "banned", "-", stdin=self.content.lines(kind, count))
        return [*self.empty(), self.command("apply", self.dynamic(count)), fill]

    def on_file(self, verb, path):
        return Task({"": self.command(verb, path)}, before=self.empty())

    def check_rules(self, kind, count):
        return self.on_file("check", self.rules_file(kind, count))

    def check_list(self, kind, count):
        return self.on_file("check", self.list_file(kind, count))

    def plan_rules(self, kind, count):
        return self.on_file("plan", self.rules_file(kind, count))

    def plan_list(self, kind, count):
        return self.on_file("plan", self.list_file(kind, count))

    def apply_rules(self, kind, count):
        return Task({"": self.command("apply", self.rules_file(kind, count))}, clear=self.empty())

    def apply_list(self, kind, count):
        return Task({"": self.command("apply", self.list_file(kind, count))}, clear=self.empty())

    def edit(self, kind, count):
        before = [*self.empty(), self.command("apply", self.rules_file(kind, count))]
        return Task({"added": self.command("deny", "udp/9"), "removed": self.command("rule", "remove", "deny-udp/9")}, before)

    def member(self, kind, count, one):
        return Task({"put in": self.command("set", "add", "banned", one), "taken out": self.command("set", "del", "banned", one)},
                    self.filled(kind, count))

    def bans(self, kind, count):
        *_, fill = self.filled(kind, count)
        return Task({"": fill}, clear=self.empty(), declare=[self.command("apply", self.dynamic(count))])
