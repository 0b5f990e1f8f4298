"""Policies as people write them, made by chance: sets, ranges, fields, negation, directions."""

PREFIXES = ["192.0.2.0/24", "192.0.2.77", "198.51.100.4-198.51.100.9", "10.0.0.0/8", "2001:db8::/32", "2001:db8:1::1", "fd00::/8"]
EXCEPTED = ["192.0.2.80", "10.1.0.0/16", "2001:db8:2::/48", "@live"]  # none of those above lies within them
SERVICES = ["tcp/22", "udp/1000-2000", "tcp/80-81", "icmp", "icmp6/echo-request", "47", "sctp/5000", "udp", "icmp/3-4"]
FIELDS = [('sport = "1024-65535"', ("tcp/22", "tcp/80-81", "udp/1000-2000", "udp", "sctp/5000")), ('flags = "syn"', ("tcp/22", "tcp/80-81")),
          ('length = "100-200"', SERVICES), ('ttl = ["1-5", "64"]', SERVICES), ('dscp = "46"', SERVICES), ('vlan = "12"', SERVICES),
          ('mac = "02:00:00:00:00:01"', SERVICES), ('fragment = "first"', SERVICES)]
ACTIONS = ["allow", "deny", "deny", "count"]


def random_policy(chance):
    """The text behind `version` and [attach]; `chance` is a random.Random."""
    text = "[defaults]\n" + chance.choice(["", 'in = "deny"\n', 'in = "deny"\nout = "deny"\n'])
    if chance.random() < 0.5:
        text += 'lockout = { from = ["@s0", "192.0.2.0/24"], service = ["tcp/22", "tcp/80"] }\n'
    if chance.random() < 0.5:
        text += "[builtin]\ndhcp-replies = false\n"
    sets = [f"s{i}" for i in range(3)] + ["live"]
    for name in sets[:-1]:
        text += f"[set.{name}]\nelements = {_list(chance.sample(PREFIXES, chance.randint(0, 4)))}\n"
    text += '[set.live]\ndynamic = true\ntimeout = "10m"\nsize = 1000\n'
    return text + "".join(_rule(chance, number, sets) for number in range(chance.randint(0, 25)))


def _rule(chance, number, sets):
    services = chance.sample(SERVICES, chance.randint(0, 2))
    lines = [f'name = "{chance.choice(["rule", "a rule, named", "r/x:y"])} {number}"', f'action = "{chance.choice(ACTIONS)}"']
    if services:
        lines.append(f"service = {_list(services)}")
    for key, prefixes in (("from", PREFIXES), ("to", [])):  # sets alone, so that the families fit
        if chance.random() < 0.4 and not any(service.startswith("icmp") for service in services):
            lines.append(f"{key} = {_list(_addresses(chance, prefixes, sets))}")
    field, needed = chance.choice(FIELDS)
    if services and chance.random() < 0.5 and all(service in needed for service in services):
        lines.append(field)
    if chance.random() < 0.2:
        lines.append(f'on = {_list(chance.sample(["wan", "eth0", "veth*"], 2))}')
    if chance.random() < 0.3:
        lines.append(f'direction = "{chance.choice(["in", "out"])}"')
    if chance.random() < 0.2:
        lines.append('comment = "says \\"why\\""')
    return "\n[[rule]]\n" + "\n".join(lines) + "\n"


def _addresses(chance, prefixes, sets):
    parts = chance.sample(prefixes + [f"@{name}" for name in sets if name != "live"], chance.randint(0, 2))
    excepted = chance.sample(EXCEPTED, chance.randint(0 if parts else 1, 2))
    return parts + [f"!{part}" for part in excepted]


def _list(words):
    return "[" + ", ".join(f'"{word}"' for word in words) + "]"
