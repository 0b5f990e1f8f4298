"""What the kernel says of the links of a testbed."""

import json


def link(bed, role, device):
    return json.loads(bed.check(role, "ip", "-j", "-s", "link", "show", device))[0]


def arrived(bed):
    """Packets that the server has received."""
    return link(bed, "server", "eth0")["stats64"]["rx"]["packets"]
