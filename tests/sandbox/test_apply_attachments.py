"""[attach.NAME] in a policy: what apply attaches, names anew and detaches."""

import pytest

import netns
from firewall import ATTACH, deny, fw, machine  # the last two are fixtures

FAILED, USAGE, NOT_ATTACHED = 1, 2, 3


def add_links(fw, *names):
    for name in names:
        fw.bed.check("b", "ip", "link", "add", name, "up", "type", "veth", "peer", "name", f"{name}-peer")


@pytest.fixture
def links(fw):
    names = ("lan0", "lan1", "dmz0")
    add_links(fw, *names)
    yield names
    fw.run("detach", "--all", expect=None)
    for name in names:
        fw.bed.run("b", "ip", "link", "del", name)


def test_a_policy_attaches_and_detaches(fw, links):
    text = "version = 1\n"
    fw.apply(text + '[attach.wan]\ndevice = "eth0"\n[attach.lan]\ndevice = "lan?"\n[attach.dmz0]\nmode = "generic"\n')
    assert fw.attached() == {"eth0": ["tc-in", "tc-out"], "lan0": ["tc-in", "tc-out"], "lan1": ["tc-in", "tc-out"],
                             "dmz0": ["tc-out", "xdp"]}
    assert fw.bed.status("b", "dmz0")["hooks"]["xdp"]["mode"] == "generic"
    before = fw.bed.program_ids("b", "eth0")
    done = fw.apply(text + '[attach.wan]\ndevice = "eth0"\n[attach.lan]\ndevice = "lan1"\n' + deny("nine", "udp/9"))
    assert "lan0: detached\n" in done.stdout and "dmz0: detached\n" in done.stdout
    assert fw.attached() == {"eth0": ["tc-in", "tc-out"], "lan1": ["tc-in", "tc-out"]}
    assert {name for name, *_ in netns.hooked(fw.netns)} == {"eth0", "lan1"}
    assert fw.bed.program_ids("b", "eth0") == before
    assert not fw.passes(9)


@pytest.mark.parametrize(("settings", "hooks"), [
    ('mode = "native"', ["tc-out", "xdp"]),
    ('mode = "generic"', ["tc-out", "xdp"]),
    ('mode = "tc"', ["tc-in", "tc-out"]),
    ('mode = "generic"\nhooks = ["xdp"]', ["xdp"]),
    ('hooks = ["tc-in"]', ["tc-in"]),
    ('hooks = ["tc-out"]', ["tc-out"]),
], ids=str)
def test_modes_and_hooks(fw, settings, hooks):
    policy = ATTACH + settings + "\n" + deny("nine", "udp/9", 'direction = "in"\n')
    fw.apply(policy)
    assert fw.attached() == {"eth0": hooks}
    assert fw.passes(9) == (hooks == ["tc-out"])
    assert fw.apply(policy).stdout.endswith("nothing changed\n")


def test_interfaces_that_were_attached_by_hand_stay(fw, links):
    fw.run("attach", "lan0")
    fw.apply(ATTACH)
    assert set(fw.attached()) == {"eth0", "lan0"}
    fw.apply("version = 1\n")
    assert set(fw.attached()) == {"lan0"}


def test_rules_name_attachments(fw, links):
    fw.apply(ATTACH + '[attach.lan]\ndevice = "lan*"\n' + deny("wan alone", "udp/9", 'on = "wan"\n') +
             deny("lan alone", "udp/10", 'on = "lan"\n') + deny("its device", "udp/11", 'on = "eth0"\n'))
    assert fw.passing(9, 10, 11) == {10}
    fw.run("deny", "udp/10", "on", "wan")
    assert fw.passing(9, 10, 11) == set()
    fw.run("rule", "remove", "deny-udp/10-on-wan")
    fw.apply(ATTACH.replace("wan", "uplink") + deny("wan alone", "udp/9", 'on = "wan"\n'))
    assert fw.passing(9, 10, 11) == {9, 10, 11}
    assert set(fw.attached()) == {"eth0"}


def test_an_interface_that_is_not_there(fw):
    before = fw.kept_files()
    assert fw.apply(ATTACH + '[attach.lan]\ndevice = "lan0"\n', expect=FAILED).stderr == 'fwctl: there is no interface "lan0"\n'
    assert netns.leftovers(fw.netns) == [] and fw.kept_files() == before
    fw.apply(ATTACH + deny("nine", "udp/9"))
    fw.apply(ATTACH + '[attach.lan]\ndevice = "lan0"\n', expect=FAILED)
    assert set(fw.attached()) == {"eth0"}
    assert not fw.passes(9)


def test_an_interface_that_cannot_be_attached_so(fw, links):
    fw.apply(ATTACH + deny("nine", "udp/9"))
    fw.bed.check("b", "ip", "link", "add", "plain", "type", "bridge")
    try:
        done = fw.apply(ATTACH + '[attach.lan]\ndevice = "lan*"\n[attach.plain]\nmode = "native"\n', expect=FAILED)
        assert done.stderr == "fwctl: plain: native XDP: the device does not support XDP in this mode\n"
    finally:
        fw.bed.check("b", "ip", "link", "del", "plain")
    assert set(fw.attached()) == {"eth0"}
    assert {name for name, *_ in netns.hooked(fw.netns)} == {"eth0"}
    assert not fw.passes(9)


def test_one_interface_in_two_attachments_is_a_mistake(fw):
    assert fw.apply(ATTACH + '[attach.all]\ndevice = "eth*"\n', expect=USAGE).stderr == \
        "fwctl: eth0 belongs to [attach.all] and to [attach.wan]; name it in one of them\n"
    assert netns.leftovers(fw.netns) == []


def test_without_anything_attached_a_policy_cannot_hold(fw):
    assert fw.apply("version = 1\n" + deny("nine", "udp/9"), expect=NOT_ATTACHED).stderr == \
        "fwctl: nothing is attached; start with: fwctl attach IF\n"
    fw.apply(ATTACH)
    assert fw.apply("version = 1\n", expect=NOT_ATTACHED).stderr == \
        "fwctl: nothing is attached, and the policy has no [attach.NAME]; start with: fwctl attach IF\n"
    assert set(fw.attached()) == {"eth0"}
