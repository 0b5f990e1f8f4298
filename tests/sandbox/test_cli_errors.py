"""What goes wrong is said in one line on stderr, with the documented exit status, and changes nothing."""

import json
import subprocess

import pytest

import netns
from conftest import FWCTL, Testbed

FAILED, USAGE, NOT_ATTACHED, NO_PRIVILEGE, CONFLICT = 1, 2, 3, 4, 6

VERBS = [["attach"], ["detach"], ["status"], ["allow"], ["deny"], ["limit"], ["reject"], ["rule"], ["rule", "list"], ["rule", "show"],
         ["rule", "remove"], ["rule", "move"], ["set"], ["set", "list"], ["set", "show"], ["set", "add"], ["set", "del"],
         ["set", "replace"], ["set", "flush"], ["ban"], ["unban"],
         ["vip"], ["vip", "list"], ["vip", "show"], ["vip", "add"], ["vip", "remove"], ["vip", "enable"], ["vip", "disable"],
         ["backend"], ["backend", "add"], ["backend", "remove"], ["backend", "weight"], ["backend", "drain"], ["backend", "ready"],
         ["backend", "maint"], ["check"], ["fmt"], ["import"], ["import", "iptables-save"], ["import", "nft"],
         ["import", "ipset"], ["plan"], ["apply"], ["try"], ["confirm"], ["rollback"],
         ["history"], ["export"], ["save"], ["panic"], ["panic", "lockdown"], ["panic", "open"], ["panic", "off"], ["conntrack"], ["conntrack", "list"], ["conntrack", "show"],
         ["conntrack", "flush"], ["test"],
         ["explain"], ["counters"], ["top"], ["monitor"], ["capture"], ["agent"], ["page"], ["doctor"], ["completion"]]

AS_NOBODY = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", "--inh-caps=-all"]


def without(*capabilities):
    return ["setpriv", "--bounding-set=" + ",".join("-" + name for name in capabilities)]


def with_failing_bpf(error):
    return ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"inject=bpf:error={error}"]


@pytest.fixture(scope="module")
def host():
    """A namespace with eth0 and docker0, nothing attached."""
    bed = Testbed("bridge")
    try:
        yield Host(bed)
    finally:
        bed.down()


@pytest.fixture(scope="module")
def filtering_host():
    """The same with eth0 attached by TC, one live rule, deny-udp/9, and one live vip, web."""
    bed = Testbed("bridge")
    try:
        bed.fwctl("fw", "attach", "eth0")
        bed.fwctl("fw", "deny", "udp/9")
        bed.fwctl("fw", "vip", "add", "web", "--address", "203.0.113.10", "--service", "tcp/80", "--forward", "ipip",
                  "--backend", "web1=10.7.0.9")
        yield Host(bed)
    finally:
        bed.down()


class Host:
    def __init__(self, bed):
        self.netns = bed.name("fw")

    def run(self, *words, prefix=(), unshare=()):
        """fwctl in the namespace; prefix runs inside it, in front of fwctl."""
        command = ["nsenter", f"--net=/run/netns/{self.netns}", *unshare, *prefix, FWCTL, *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    def everything(self):
        """All that a command could have changed; packets that pass meanwhile are no change."""
        asked = [self.run(*words, "--json") for words in (["status"], ["rule", "list"], ["vip", "list"])]
        assert {done.returncode for done in asked} <= {0, NOT_ATTACHED}
        told = [json.loads(done.stdout or "null") for done in asked]
        return _without_counts(told), netns.hooked(self.netns), netns.pins(self.netns)


def _without_counts(told):
    if isinstance(told, list):
        return [_without_counts(entry) for entry in told]
    if isinstance(told, dict):
        return {key: _without_counts(value) for key, value in told.items() if key not in ("packets", "bytes", "last_hit")}
    return told


def assert_refuses(host, words, status, line, prefix=()):
    """fwctl says exactly this line, exits with this status and leaves all as it was."""
    before = host.everything()
    done = host.run(*words, prefix=prefix)
    assert (done.returncode, done.stderr, done.stdout) == (status, f"fwctl: {line}\n", "")
    assert host.everything() == before


def table(*rows):
    """Cases that are named by their command line."""
    return pytest.mark.parametrize(("command", "status", "line"), rows, ids=[row[0] or "(nothing)" for row in rows])


# In commands, a blank parts words and '' is an empty one.
def words_of(command):
    return [word if word != "''" else "" for word in command.split()]


NOTHING_ATTACHED = "nothing is attached; start with: fwctl attach IF"
NOT_AN_ADDRESS = "is not an IPv4 or IPv6 address or prefix (192.0.2.1, 192.0.2.0/24, 2001:db8::/32)"


@table(
    # Numbers and names of what is watched.
    ("monitor --count -3", USAGE, "--count: Value -3 not in range 1 to 1000000000000; see: fwctl monitor --help"),
    ("capture --count -3", USAGE, "--count: Value -3 not in range 1 to 1000000000000; see: fwctl capture --help"),
    ("monitor --rule ''", USAGE, "--rule: a name is missing; see: fwctl monitor --help"),
    ("monitor --service ''", USAGE, "--service: a name is missing; see: fwctl monitor --help"),
    # Interfaces.
    ("attach nosuch", FAILED, 'there is no interface "nosuch"'),
    ("attach eth0 nosuch", FAILED, 'there is no interface "nosuch"'),
    ("attach x*", FAILED, 'no interface matches "x*"'),
    ("doctor nosuch", FAILED, 'there is no interface "nosuch"'),
    # What the interface cannot do. eth0 could, but it is all of them or none.
    ("attach docker0 --mode native", FAILED,
     "docker0: native XDP: the device does not support XDP in this mode"),
    ("attach eth0 docker0 --mode native", FAILED,
     "docker0: native XDP: the device does not support XDP in this mode"),
    ("attach lo --mode native", FAILED, "lo: native XDP: the device does not support XDP in this mode"),
    ("attach --isolate-peers eth0", USAGE, "--isolate-peers is for bridges, and eth0 is none"),
    # Nothing is attached.
    ("status", NOT_ATTACHED, NOTHING_ATTACHED),
    ("status eth0", NOT_ATTACHED, NOTHING_ATTACHED),
    ("counters", NOT_ATTACHED, NOTHING_ATTACHED),
    ("rule list", NOT_ATTACHED, NOTHING_ATTACHED),
    ("rule show arp", NOT_ATTACHED, NOTHING_ATTACHED),
    ("rule remove nosuch", NOT_ATTACHED, NOTHING_ATTACHED),
    ("rule move nosuch", NOT_ATTACHED, NOTHING_ATTACHED),
    ("deny icmp", NOT_ATTACHED, NOTHING_ATTACHED),
    ("allow tcp/22", NOT_ATTACHED, NOTHING_ATTACHED),
    ("set list", NOT_ATTACHED, NOTHING_ATTACHED),
    ("set show banned", NOT_ATTACHED, NOTHING_ATTACHED),
    ("ban 192.0.2.1", NOT_ATTACHED, NOTHING_ATTACHED),
    ("unban 192.0.2.1", NOT_ATTACHED, NOTHING_ATTACHED),
    ("set flush banned", NOT_ATTACHED, NOTHING_ATTACHED),
    ("vip list", NOT_ATTACHED, NOTHING_ATTACHED),
    ("vip show web", NOT_ATTACHED, NOTHING_ATTACHED),
    ("vip add web --address 192.0.2.1 --service tcp/80 --forward gue", NOT_ATTACHED, NOTHING_ATTACHED),
    ("vip disable web", NOT_ATTACHED, NOTHING_ATTACHED),
    ("backend drain web/web1", NOT_ATTACHED, NOTHING_ATTACHED),
    ("conntrack list --service web", NOT_ATTACHED, NOTHING_ATTACHED),
    ("detach eth0", NOT_ATTACHED, NOTHING_ATTACHED),
    ("detach --all", NOT_ATTACHED, NOTHING_ATTACHED),
    # A mistake in the words comes before the state.
    ("deny icmp from 10.0.0.300", USAGE, f'"10.0.0.300" {NOT_AN_ADDRESS}'),
)
def test_with_nothing_attached(host, command, status, line):
    assert_refuses(host, words_of(command), status, line)
    assert netns.leftovers(host.netns) == []


@table(
    # Verbs.
    ("atach eth0", USAGE, 'unknown command "atach"; did you mean "attach"?'),
    ("dney icmp", USAGE, 'unknown command "dney"; did you mean "deny"?'),
    ("frobnicate", USAGE, 'unknown command "frobnicate"; see: fwctl --help'),
    ("--json staus", USAGE, 'unknown command "staus"; did you mean "status"?'),
    ("rule lst", USAGE, 'unknown command "lst"; did you mean "list"?'),
    ("rule frobnicate", USAGE, 'unknown command "frobnicate"; see: fwctl rule --help'),
    # Options.
    ("attach eth0 --mode fast", USAGE, "--mode: fast not in {auto,native,generic}; see: fwctl attach --help"),
    ("attach eth0 --hook foo", USAGE, "--hook: foo not in {xdp,tc-in,tc-out}; see: fwctl attach --help"),
    ("attach eth0 --hook tc-in --mode native", USAGE, "--mode is about XDP, which --hook leaves out"),
    ("attach eth0 --nosuch", USAGE,
     "The following argument was not expected: --nosuch; see: fwctl attach --help"),
    ("--color blue status", USAGE, "--color: blue not in {auto,always,never}; see: fwctl status --help"),
    ("completion tcsh", USAGE, "shell: tcsh not in {bash,zsh,fish}; see: fwctl completion --help"),
    ("detach", USAGE, "detach takes either interfaces or --all"),
    ("detach eth0 --all", USAGE, "detach takes either interfaces or --all"),
    # Keywords of a rule.
    ("deny icmp frmo 10.0.0.1", USAGE, 'unknown word "frmo"; did you mean "from"?'),
    ("deny icmp on", USAGE, '"on" without an interface behind it: write on eth0'),
    ("deny icmp from", USAGE, '"from" without an address behind it: write from 192.0.2.0/24'),
    ("deny icmp in out", USAGE, "in and out contradict; leave both out for both"),
    ("deny icmp from 10.0.0.1 from 10.0.0.2", USAGE, '"from" is there twice; one "from" takes several of them'),
    ("deny ''", USAGE, "deny what? name a service such as icmp or tcp/22, or any for every packet"),
    # Addresses.
    ("deny icmp from 10.0.0.300", USAGE, f'"10.0.0.300" {NOT_AN_ADDRESS}'),
    ("deny icmp from 2001:::1", USAGE, f'"2001:::1" {NOT_AN_ADDRESS}'),
    ("deny icmp to 192.0.2.0/33", USAGE,
     '"192.0.2.0/33": the length of an IPv4 prefix is a number from 0 to 32'),
    ("deny icmp from 192.0.2.1/24", USAGE,
     "192.0.2.1/24 has host bits set; did you mean 192.0.2.0/24 or 192.0.2.1?"),
    ("deny icmp from ::ffff:192.0.2.1", USAGE,
     "::ffff:192.0.2.1 is an IPv4 address written as IPv6; write 192.0.2.1"),
    ("deny icmp from 2001:db8::1", USAGE,
     "the rule can never match: its services and addresses are of different IP versions"),
    ("deny icmp from @admins", USAGE, 'live rule "deny-icmp-from-@admins": there is no set @admins in the policy'),
    ("deny @set", USAGE, '"@set" is an address: write from @set or to @set'),
    # Services.
    ("deny tcp/65536", USAGE, '"65536" in "tcp/65536" is not a port (0 to 65535)'),
    ("deny udp/20-10", USAGE, 'the range in "udp/20-10" runs backwards; did you mean "udp/10-20"?'),
    ("deny tcp/nosuch", USAGE,
     '"nosuch" in "tcp/nosuch" is neither a port (0 to 65535) nor a service of tcp in /etc/services'),
    ("deny tpc/22", USAGE, 'unknown service "tpc/22"; did you mean "tcp/22"?'),
    ("deny frobnicate", USAGE, 'unknown service "frobnicate"; a service is any, icmp, tcp/22, udp/1000-2000, or a '
                               "protocol's name or number"),
    ("deny 256", USAGE, '"256" is not a protocol number (0 to 255); a port is written tcp/22'),
    # Durations.
    ("deny icmp --for 5x", USAGE, '--for: "5x" is not a duration; write 90s, 10m, 1h, 2d or 1h30m'),
    ("deny icmp --for 0s", USAGE, '--for: "0s" is not a duration; write 90s, 10m, 1h, 2d or 1h30m'),
    # Rules by name.
    ("rule remove nosuch", USAGE, 'there is no rule "nosuch"; see: fwctl rule list'),
    ("rule remove deny-udp/8", USAGE, 'there is no rule "deny-udp/8"; did you mean "deny-udp/9"?'),
    ("rule remove deny-udp/9 nosuch", USAGE, 'there is no rule "nosuch"; see: fwctl rule list'),
    ("rule remove arp", USAGE, '"arp" is a built-in rule, which cannot be removed or moved'),
    ("rule show nosuch", USAGE, 'there is no rule "nosuch"; see: fwctl rule list'),
    ("rule move nosuch", USAGE, 'there is no rule "nosuch"; see: fwctl rule list'),
    ("rule move arp", USAGE, '"arp" is a built-in rule, which cannot be removed or moved'),
    ("rule move deny-udp/9 --before nosuch", USAGE, 'there is no rule "nosuch"; see: fwctl rule list'),
    ("deny icmp --before nosuch", USAGE, 'there is no rule "nosuch"; see: fwctl rule list'),
    # Vips and backends.
    ("vip show wbe", USAGE, 'there is no vip "wbe"; did you mean "web"?'),
    ("vip remove mail", USAGE, 'there is no vip "mail"; see: fwctl vip list'),
    ("vip enable mail", USAGE, 'there is no vip "mail"; see: fwctl vip list'),
    ("conntrack list --service mail", USAGE, 'there is no vip "mail"; see: fwctl vip list'),
    ("conntrack list --service web tcp/80", USAGE,
     "--service stands alone: the table of a service's flows knows no addresses"),
    ("vip add Web --address 192.0.2.1 --service tcp/80 --forward gue", USAGE,
     '"Web" is not a vip\'s name: 1 to 63 of a-z 0-9 _ -'),
    ("vip add www --address 192.0.2.300 --service tcp/80 --forward gue", USAGE, f'"192.0.2.300" {NOT_AN_ADDRESS}'),
    ("vip add www --address 224.0.0.1 --service tcp/80 --forward gue", USAGE,
     "224.0.0.1: a vip cannot have multicast addresses"),
    ("vip add www --address 192.0.2.1 --service icmp --forward gue", USAGE,
     "icmp is not balanced: a vip's services are of tcp, udp or sctp"),
    ("vip add www --address 192.0.2.1 --service tcp/80 --forward dnat", USAGE,
     '"dnat" is not a way to backends; write l2-dsr, ipip, gue, nat or full-nat'),
    ("vip add www --address 2001:db8::1 --service tcp/80 --forward nat --backend web1=10.7.0.9", USAGE,
     'backend "web1" of vip "www" has no IPv6 address, and nat does not change the IP version of what is for 2001:db8::1'),
    ("backend add web/web2 10.7.0.8 --port 8080", USAGE,
     'backend "web2" of vip "web": "port" goes with forward nat or full-nat alone, not with ipip'),
    ("vip add www --address 192.0.2.1 --service tcp/80 --forward gue --backend 10.7.0.9", USAGE,
     '"10.7.0.9" is not a backend; write web1=10.0.0.11 or web1=10.0.0.11,2001:db8::11*2'),
    ("vip add web --address 192.0.2.1 --service tcp/80 --forward gue", CONFLICT, 'there is a vip "web" already, another one'),
    ("vip add www --address 203.0.113.0/24 --service tcp --forward gue", CONFLICT,
     'vip "www" balances tcp/80 of 203.0.113.10, as vip "web" does'),
    ("backend drain web", USAGE, '"web" is not a backend; write VIP/NAME, as in web/web1'),
    ("backend drain wbe/web1", USAGE, 'there is no vip "wbe"; did you mean "web"?'),
    ("backend drain web/web2", USAGE, 'vip "web" has no backend "web2"; did you mean "web1"?'),
    ("backend remove web/mail", USAGE, 'vip "web" has no backend "mail"; see: fwctl vip show web'),
    ("backend weight web/web1 65536", USAGE, '"weight" is a number from 0 to 65535, not 65536'),
    ("backend weight web/web1 heavy", USAGE, '"weight" is a number from 0 to 65535, not heavy'),
    ("backend add web/web2 10.7.0.300", USAGE,
     '"10.7.0.300" is not an IPv4 or IPv6 address or prefix (192.0.2.1, 192.0.2.0/24, 2001:db8::/32)'),
    ("backend add web/web2 10.7.0.8 10.7.0.7", USAGE, "10.7.0.7: a backend has one address of each IP version at most"),
    ("backend add web/web2 10.7.0.9", CONFLICT, 'backend "web2" of vip "web" has the address 10.7.0.9, as "web1" does'),
    ("backend add web/web1 10.7.0.8", CONFLICT, 'vip "web" has a backend "web1" already, another one'),
    ("backend drain web/web1 --deadline 5m", USAGE, "--deadline requires --wait; see: fwctl backend drain --help"),
    ("backend drain web/web1 --wait --deadline 5x", USAGE,
     '--deadline: "5x" is not a duration; write 90s, 10m, 1h, 2d or 1h30m'),
    # Interfaces that carry no attachment.
    ("status lo", NOT_ATTACHED, "lo is not attached"),
    ("counters lo", NOT_ATTACHED, "lo is not attached"),
    ("detach lo", NOT_ATTACHED, "lo is not attached"),
    ("detach eth0 nosuch", NOT_ATTACHED, "nosuch is not attached"),
    # Policies.
    ("apply", USAGE, "name a file, or --saved for the policy that was applied last"),
    ("apply --saved policy.toml", USAGE, "name a file, or --saved for the policy that was applied last"),
    ("apply --saved", FAILED, "no policy was ever applied here"),
    ("rollback", USAGE, "there is no policy before the present one"),
    ("rollback 7", USAGE, "the history has no policy 7; see: fwctl history"),
    ("confirm", CONFLICT, "no policy is on trial"),
    ("try policy.toml --for 5x", USAGE, '--for: "5x" is not a duration; write 90s, 10m, 1h, 2d or 1h30m'),
    ("panic lockdown --for 5x", USAGE, '--for: "5x" is not a duration; write 90s, 10m, 1h, 2d or 1h30m'),
    ("save /nosuch/live.toml", FAILED, "cannot write /nosuch/live.toml: No such file or directory"),
    ("apply --dry-run policy.toml", USAGE, "--dry-run is for live edits; see: fwctl plan"),
    ("try --dry-run policy.toml", USAGE, "--dry-run is for live edits; see: fwctl plan"),
    *((f"{verb} --dry-run", USAGE, "--dry-run is for allow, deny, reject, limit, rule remove, rule move, panic, ban, unban and edits of sets, vips and backends")
      for verb in ("confirm", "rollback", "save live.toml")),
    # What is there already, and in another way.
    ("attach eth0 --mode native", CONFLICT, "eth0 is attached without XDP; to change that: fwctl detach eth0"),
    ("attach eth0 --hook tc-in", CONFLICT, "eth0 is attached at tc-in,tc-out; to change that: fwctl detach eth0"),
    ("attach docker0 nosuch", FAILED, 'there is no interface "nosuch"'),
    ("attach docker0 --mode native", FAILED,
     "docker0: native XDP: the device does not support XDP in this mode"),
)
def test_with_eth0_attached(filtering_host, command, status, line):
    assert_refuses(filtering_host, words_of(command), status, line)


@pytest.mark.parametrize(("command", "about"), [
    ("", "a command is missing; see: fwctl --help"),
    ("rule", "a command is missing; see: fwctl rule --help"),
    ("deny", "deny what? name a service such as icmp or tcp/22, or any for every packet"),
    ("attach", "see: fwctl attach --help"),
    ("rule show", "see: fwctl rule show --help"),
    ("deny icmp --for", "see: fwctl deny --help"),
])
def test_what_is_missing_on_the_line_is_a_usage_error_that_names_the_help(filtering_host, command, about):
    before = filtering_host.everything()
    done = filtering_host.run(*words_of(command))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (USAGE, "", 1)
    assert done.stderr.endswith(about + "\n")
    assert filtering_host.everything() == before


@pytest.mark.parametrize(("name", "status", "line"), [
    ("nosuch", FAILED, 'there is no network namespace "nosuch" (`ip netns` lists them)'),
    ("4194305", FAILED, 'there is no network namespace "4194305" (`ip netns` lists them)'),  # above any pid
    ("../nosuch", USAGE, '"../nosuch" is not a network namespace; give a name of `ip netns` or a process id'),
])
def test_an_unknown_namespace(host, name, status, line):
    assert_refuses(host, ["attach", "eth0", "--netns", name], status, line)


@pytest.mark.parametrize("words", [["attach", "eth0"], ["detach", "--all"], ["status"], ["deny", "icmp"],
                                   ["rule", "list"], ["counters"], ["doctor"]], ids=" ".join)
def test_without_privilege(filtering_host, words):
    verb = "rule list" if words[0] == "rule" else words[0]
    assert_refuses(filtering_host, words, NO_PRIVILEGE,
                   f"{verb} needs root: CAP_SYS_ADMIN, CAP_NET_ADMIN missing", prefix=AS_NOBODY)


@pytest.mark.parametrize(("dropped", "named"), [
    (["sys_admin"], "CAP_SYS_ADMIN"),
    (["net_admin"], "CAP_NET_ADMIN"),
    (["net_admin", "sys_admin"], "CAP_SYS_ADMIN, CAP_NET_ADMIN"),
], ids=str)
def test_root_without_a_capability(filtering_host, dropped, named):
    assert_refuses(filtering_host, ["attach", "eth0"], NO_PRIVILEGE, f"attach needs root: {named} missing",
                   prefix=without(*dropped))


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_help_needs_no_privilege(host, verb):
    done = host.run(*verb, "--help", prefix=AS_NOBODY)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"Usage: fwctl {' '.join(verb)}" in done.stdout


def test_every_verb_is_in_the_list_above(host):
    """The completion script knows them all: a new verb is to be tried here, too."""
    script = host.run("completion", "bash").stdout
    known = [line.split("'")[1] for line in script.splitlines() if line.lstrip().startswith("'") and "words=" in line]
    assert sorted(known) == sorted(["", *(" ".join(verb) for verb in VERBS)])


@pytest.mark.parametrize("error", ["ENOSYS", "EPERM", "EINVAL"])
def test_a_kernel_without_bpf(host, error):
    """bpf() is refused by a seccomp filter, or was not compiled in."""
    before = host.everything()
    done = host.run("attach", "eth0", prefix=with_failing_bpf(error))
    assert (done.returncode, done.stdout) == (FAILED, "")
    assert done.stderr.startswith("fwctl: ")
    assert done.stderr.count("\n") == 1, done.stderr
    assert host.everything() == before
    assert netns.leftovers(host.netns) == []


def without_bpffs(host, script, *options):
    """A shell in the namespace, with mounts of its own and no bpffs in them; "$@" is fwctl."""
    return subprocess.run(["nsenter", f"--net=/run/netns/{host.netns}", "unshare", "--mount", *options, "sh", "-c",
                           f"umount /sys/fs/bpf && {script}", "sh", FWCTL], capture_output=True, text=True, timeout=60)


def test_attach_mounts_the_bpffs(host):
    """Process 1 has the same mounts here, as it has on a machine that has just booted."""
    done = without_bpffs(host, """
        "$@" attach eth0 && mountpoint -q /sys/fs/bpf && "$@" status && "$@" detach --all && ls -A /sys/fs/bpf
    """, "--pid", "--fork", "--mount-proc")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("eth0: attached, ")
    assert done.stdout.endswith("eth0: detached\nmaps.debug\nprogs.debug\n")  # the kernel's own two files
    assert netns.leftovers(host.netns) == []


def test_attach_mounts_no_bpffs_that_would_not_last(host):
    """As `ip netns exec` has it: the pins would go with the mounts, and the filter with the pins."""
    done = without_bpffs(host, 'exec "$@" attach eth0')
    assert (done.returncode, done.stdout) == (FAILED, "")
    assert done.stderr == ("fwctl: there is no BPF file system at /sys/fs/bpf in this mount namespace, and one that is mounted "
                           "here would end with it; instead of `ip netns exec NAME`: fwctl --netns NAME\n")
    assert netns.leftovers(host.netns) == []


@pytest.mark.parametrize("words", ["status", "deny icmp", "rule list", "counters", "detach --all"])
def test_without_a_bpffs_nothing_is_attached(host, words):
    done = without_bpffs(host, f'{{ "$@" {words}; code=$?; mountpoint -q /sys/fs/bpf && exit 99; exit $code; }}',
                         "--pid", "--fork", "--mount-proc")
    assert (done.returncode, done.stderr, done.stdout) == (NOT_ATTACHED, f"fwctl: {NOTHING_ATTACHED}\n", "")


@pytest.mark.parametrize("words", ["status", "deny icmp", "rule list", "counters", "detach --all"])
def test_where_pins_are_out_of_sight_nothing_is_said_of_them(host, words):
    done = without_bpffs(host, f'exec "$@" {words}')
    assert (done.returncode, done.stdout) == (FAILED, "")
    assert done.stderr.startswith("fwctl: there is no BPF file system at /sys/fs/bpf in this mount namespace")
