"""What the documents say is so: verbs and options of the man page, examples, sessions and their output, completion, links."""

import functools
import pathlib
import re
import shutil
import subprocess

import pytest

import console
from conftest import FWCTL, ROOT, Testbed, until

PAGE = ROOT / "docs" / "fwctl.8"
DOCUMENTS = sorted(ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "tests/README.md",
                                            "netns-testbed/README.md", "policies/README.md")) + sorted((ROOT / "docs").glob("*.md"))
EVERYWHERE = {"--help"}


@functools.cache
def help_of(*verbs):
    done = subprocess.run([FWCTL, *verbs, "--help"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, ""), verbs
    return done.stdout


def verbs_below(*verbs):
    """All verbs that help lists, as ("rule", "list")."""
    _, _, listed = help_of(*verbs).partition("\nSubcommands:\n")
    for name in re.findall(r"^  (\S+)", listed, re.M):
        below = list(verbs_below(*verbs, name))
        yield from below or [(*verbs, name)]


def options(*verbs):
    return long_options(help_of(*verbs))


def long_options(text):
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text))


VERBS = list(verbs_below())
GLOBAL = options()


def page():
    """The source of the man page with its hyphens, quotes and flags as they are printed."""
    text = re.sub(r'^\.\\".*\n', "", PAGE.read_text(), flags=re.M)
    text = text.replace("\\-", "-").replace("\\(aq", "'").replace("\\&", "")
    return re.sub(r"\bFl (-\w)", r"-\1", re.sub(r"\bFl (\w)", r"-\1", text))


def section(name, macro="Sh"):
    """The part of the page under a heading."""
    ends = r"^\.S[hs] |\Z" if macro == "Ss" else r"^\.Sh |\Z"
    return re.search(rf"^\.{macro} {re.escape(name)}\n(.*?)(?={ends})", page(), re.M | re.S).group(1)


def terms(text):
    """The literal words that head the entries of a list."""
    for line in re.findall(r"^\.It Cm (.*)", text, re.M):
        yield from (word for word in line.split() if word not in (",", "|"))


def test_help_lists_the_verbs():
    assert {("attach",), ("rule", "list"), ("completion",)} <= set(VERBS)
    assert "--netns" in GLOBAL


@pytest.mark.skipif(shutil.which("groff") is None, reason="no groff")
def test_the_page_is_set_without_a_warning():
    done = subprocess.run(["groff", "-ww", "-mandoc", "-Tutf8", PAGE], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_a_verb_has_its_section_with_all_of_its_options_and_no_other(verb):
    in_page = long_options(section(" ".join(verb), "Ss"))
    in_help = options(*verb) - EVERYWHERE
    assert in_help - in_page == set()
    assert in_page - in_help - GLOBAL == set()


def test_the_page_has_no_verb_that_does_not_exist():
    verbs = [" ".join(verb) for verb in VERBS]
    assert re.findall(r"^\.Ss (.*)", page(), re.M) == verbs
    synopsis = " ".join(re.findall(r"^\.Nm\n\.Cm (.*)", section("SYNOPSIS"), re.M))
    assert synopsis.replace(" |", "").split() == " ".join(verbs).split()


def test_the_page_has_the_options_of_all_commands_and_no_other():
    assert long_options(section("OPTIONS")) == GLOBAL
    shorts = set(re.findall(r"^  -(\w),--", help_of(), re.M))
    assert set(re.findall(r"^\.It -(\w) ,", section("OPTIONS"), re.M)) == shorts


def test_no_option_in_the_page_is_made_up():
    assert long_options(page()) <= GLOBAL.union(*(options(*verb) for verb in VERBS))
    synopsis = long_options(section("SYNOPSIS"))
    assert synopsis == set().union(*(options(*verb) for verb in VERBS)) - EVERYWHERE


@pytest.mark.parametrize("option", ["--mode", "--hook"])
def test_the_page_has_every_value_of_an_option(option):
    refused = subprocess.run([FWCTL, "attach", "eth0", option, "nosuch"], capture_output=True, text=True, timeout=60)
    for value in re.search(r"not in \{(.*)\}", refused.stderr).group(1).split(","):
        assert re.search(rf"^\.Cm {value}\b", section("attach", "Ss"), re.M), value


@pytest.fixture(scope="module")
def attached():
    """A Docker host with docker0 attached."""
    bed = Testbed("bridge")
    try:
        bed.fwctl("fw", "attach", "docker0")
        yield bed
    finally:
        bed.down()


def test_the_page_has_the_built_in_rules(attached):
    listed = attached.json("fw", "rule", "list")["rules"]
    builtin = [rule["name"] for rule in listed if rule["origin"] == "built-in"]
    assert list(terms(section("BUILT-IN RULES"))) == builtin


def test_the_page_has_the_reasons(attached):
    counted = {row["reason"] for row in attached.json("fw", "counters")["counters"]}
    assert set(terms(section("REASONS"))) == counted


@pytest.mark.parametrize("service", list(terms(section("SERVICES"))))
def test_a_service_of_the_page_is_one(attached, service):
    attached.fwctl("fw", "deny", service, "--dry-run")


class Shell:
    """Commands as they are typed, in the namespace of fw, with the fwctl under test in the PATH."""

    def __init__(self, bed, folder):
        self.bed, self.folder = bed, folder
        self.trial = None

    def run(self, command):
        words = ["bash", "-c", f"cd {self.folder}; PATH={pathlib.Path(FWCTL).parent}:$PATH; {command}"]
        if command.startswith("fwctl try "):  # waits until another command confirms it
            self.trial = subprocess.Popen(self.bed.command("fw", *words), stdout=subprocess.DEVNULL)
            until(lambda: "on trial" in self.bed.fwctl("fw", "status").stdout)
            return
        self.bed.check("fw", *words)
        if self.trial and command == "fwctl confirm":
            assert self.trial.wait() == 0
            self.trial = None


def test_the_examples_of_the_page_work(testbed, tmp_path):
    bed = testbed("bridge")
    policy = re.search(r"^\.Bd -literal[^\n]*\n(.*?)^\.Ed", section("POLICIES"), re.M | re.S).group(1)
    (tmp_path / "policy.toml").write_text(policy)
    shell = Shell(bed, tmp_path)
    examples = re.findall(r"^\.Dl (.*)", section("EXAMPLES"), re.M)
    assert len(examples) > 15
    for command in examples:
        if "docker inspect" not in command:  # there is no Docker here
            shell.run(command)
    assert bed.fwctl("fw", "status", expect=3).stdout == ""


def readme_commands():
    """The first column of the table under "Use", each command with its verb in front; shortened ones are completed."""
    use = (ROOT / "README.md").read_text().partition("\n## Use\n")[2].partition("\n## ")[0]
    for row in re.findall(r"^\| (`.*?) \|", use, re.M):
        before = ""
        for command in re.findall(r"`([^`]+)`", row):
            words = command.removeprefix("fwctl ")
            if before == "rule" and words.split()[0] in RULE_VERBS:
                words = "rule " + words
            before = words.split()[0]
            yield words


RULE_VERBS = {verb[1] for verb in VERBS if verb[0] == "rule"}

# What the table leaves to the reader: names of rules that are there when the commands have run in their order.
COMPLETED = {"rule show": "rule show arp", "rule remove": "rule remove deny-icmp-icmp6",
             "rule move": "rule move deny-udp/1000-2000-from-198.51.100.0/24", "import nft": "import nft ruleset.nft",
             "import ipset": "import ipset sets.ipset",
             # It runs until it is ended.
             **{words: f"{words} & sleep 0.5; kill $! && wait $!"
                for words in ("agent", "agent --listen 127.0.0.1:9105", "capture -w drops.pcapng --dropped udp port 53", "monitor", "monitor --flows", "monitor --verdict any tcp/443 from 203.0.113.0/24")},
             "top reasons": "top reasons --once", "top talkers": "top talkers --once",  # there is no terminal
             # It shows what an agent tells that others than root may ask.
             "page": "agent --group nogroup & sleep 1; timeout -p 1 fwctl page; test $? = 124; kill $! && wait $!",
             "monitor --rule deny-icmp-icmp6": "monitor --rule arp & sleep 0.5; kill $! && wait $!",
             # The README's own policy bans nobody.
             "ban 203.0.113.9 --for 1h": "apply banned.toml && fwctl ban 203.0.113.9 --for 1h"}


def test_the_commands_of_the_readme_work(testbed, tmp_path):
    bed = testbed("bridge")
    commands = list(readme_commands())
    assert {"attach eth0", "rule list", "rule show", "detach --all"} <= set(commands)
    verbs = {words.split()[0] for words in commands}
    assert verbs == {verb[0] for verb in VERBS} - {"completion"}
    for name, text in files_of(ROOT / "README.md"):
        (tmp_path / name).write_text(text)
    bed.fwctl("fw", "attach", "eth0")  # so that there is something before the policy, to go back to
    bed.check("fw", "bash", "-c", f"cd {tmp_path}; sed s/80/8080/ web.toml > before.toml; {FWCTL} apply before.toml")
    (tmp_path / "banned.toml").write_text((tmp_path / "web.toml").read_text() + """
[set.banned]
dynamic = true

[[rule]]
name = "banned"
action = "deny"
from = "@banned"
""")
    (tmp_path / "feed.txt").write_text("203.0.113.0/24\n")
    (tmp_path / "policy.d").mkdir()
    bed.check("fw", "bash", "-c", f"cd {tmp_path}; iptables -A INPUT -p tcp --dport 23 -j DROP; ipset create bad hash:net;"
                                  "iptables-save > rules.v4; nft list ruleset > ruleset.nft; ipset save > sets.ipset")
    shell = Shell(bed, tmp_path)
    for words in commands:
        shell.run(f"fwctl {COMPLETED.get(words, words)}")
    assert bed.fwctl("fw", "status", expect=3).stdout == ""


def files_of(document):
    return [(name, text) for kind, name, text in console.read(document) if kind == "file"]


def send_something(bed):
    """What the README's counters have counted: two pings and a knock at a closed door."""
    bed.check("outside", "ping", "-c", "2", "-W", "1", "10.7.0.1")
    assert bed.run("outside", "curl", "-s", "-m", "0.5", "http://10.7.0.1:23/").returncode != 0


@pytest.mark.parametrize("document, verb", [("README.md", "apply"), ("docs/apply.md", "apply"), ("docs/policy.md", "check")])
def test_a_session_shows_what_there_is_to_see(testbed, tmp_path, document, verb):
    bed = testbed("bridge")
    session = console.Session(bed, "fw", tmp_path)
    commands = set()
    for command, shown, there_was in console.replay(
            ROOT / document, session, lambda command: command == "fwctl counters" and send_something(bed)):
        commands.add(command.split()[1])
        if command == "fwctl counters":  # what neighbours and routers say comes when it comes
            assert set(console.shape(shown).split("\n")) <= set(console.shape(there_was).split("\n")), there_was
        else:
            assert console.shape(shown) == console.shape(there_was), command
    assert verb in commands


def test_the_apply_page_shows_every_verb_of_policies():
    text = (ROOT / "docs" / "apply.md").read_text()
    for verb in ("check", "test", "plan", "apply", "try", "confirm", "rollback", "history", "save", "export", "panic"):
        assert f"\n# fwctl {verb}" in text, verb


def completion(shell):
    done = subprocess.run([FWCTL, "completion", shell], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip()
    return done.stdout


# A shell that is not installed cannot judge its script; there must be one all the same.
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_accepts_its_completion(shell):
    script = completion(shell)
    if shutil.which(shell):
        done = subprocess.run([shell, "-n", "/dev/stdin"], input=script, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")


def test_the_completion_of_fish_closes_its_quotes():
    for line in completion("fish").splitlines():
        assert re.fullmatch(r"(?:[^'\\]|\\.|'(?:[^'\\]|\\.)*')*", line), line


def completed(*words):
    """What bash offers for the last of the words."""
    script = f"""
        {completion("bash")}
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _fwctl
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", script, "bash", *words], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


@pytest.mark.parametrize(("words", "expected"), [
    (["fwctl", "at"], ["attach"]),
    (["fwctl", "rule", "re"], ["remove"]),
    (["fwctl", "--json", "rule", "re"], ["remove"]),
    (["fwctl", "--netns", "blue", "rule", "re"], ["remove"]),
    (["fwctl", "attach", "--iso"], ["--isolate-peers"]),
    (["fwctl", "attach", "eth0", "--iso"], ["--isolate-peers"]),
    (["fwctl", "detach", "--al"], ["--all"]),
    (["fwctl", "nosuch", "--netn"], ["--netns"]),
], ids=lambda value: " ".join(value))
def test_bash_completes(words, expected):
    assert completed(*words) == expected


def test_bash_completes_interfaces():
    assert "lo" in completed("fwctl", "status", "l")


def test_bash_completes_every_verb():
    assert set(completed("fwctl", "")) >= {verb[0] for verb in VERBS} | GLOBAL
    assert {verb[1] for verb in VERBS if verb[0] == "rule"} <= set(completed("fwctl", "rule", ""))


def links(document):
    """[(target, heading)] of relative links; code is left out."""
    text = re.sub(r"^(```.*?^```|    .*?$)", "", document.read_text(), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", text)):
        if not re.match(r"[a-z]+:", target):
            path, _, heading = target.partition("#")
            yield path, heading


def headings(document):
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-")
            for line in re.findall(r"^#+ (.*)", document.read_text(), re.M)}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document):
    for path, heading in links(document):
        target = document.parent / path if path else document
        assert target.exists(), path
        assert not heading or heading in headings(target), f"{path}#{heading}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_scripts_and_files_that_are_named_exist(document):
    """Paths of the source that stand as code, such as `scripts/test` or `ctl/kernel/grace.h`."""
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name not in ("build", ".git")}
    for path in re.findall(r"`([\w.-]+/[\w./-]*\w)`", document.read_text()):
        if path.split("/")[0] in folders:
            assert (ROOT / path).exists(), path


def test_every_document_can_be_reached_from_the_readme():
    seen, waiting = set(), [ROOT / "README.md"]
    while waiting:
        document = waiting.pop().resolve()
        if document in seen or document.suffix != ".md" or not document.exists():
            continue
        seen.add(document)
        waiting += [document.parent / path for path, _ in links(document) if path]
    assert {path for path in DOCUMENTS if path.parent.name == "docs"} <= seen


def test_the_dependencies_are_packages():
    listed = subprocess.run([ROOT / "scripts" / "install-deps.sh", "--list"], capture_output=True, text=True, check=True)
    names = listed.stdout.split()
    assert {"clang-14", "libbpf-dev", "python3-pytest"} <= set(names)
    if not any(pathlib.Path("/var/lib/apt/lists").glob("*_Packages*")):
        pytest.skip("apt has no lists")
    done = subprocess.run(["apt-cache", "show", *names], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert set(names) - set(re.findall(r"^Package: (\S+)", done.stdout, re.M)) == set()
