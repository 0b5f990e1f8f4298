"""history and rollback: who applied what, and back to it."""

import os
import time

from firewall import ATTACH, deny, fw, machine  # the last two are fixtures

FAILED, USAGE = 1, 2


def test_the_history_tells_who_applied_what(fw):
    begun = int(time.time())
    fw.apply(ATTACH + deny("nine", "udp/9"))
    fw.apply(ATTACH)
    fw.run("apply", fw.file(ATTACH + deny("nine", "udp/9") + deny("ten", "udp/10"), "other.toml"),
           env=os.environ | {"SUDO_USER": "alice"})
    fw.run("rollback")
    history = fw.history()
    assert all(begun <= entry.pop("time") <= time.time() for entry in history)
    policy, other = str(fw.folder / "policy.toml"), str(fw.folder / "other.toml")
    assert history == [
        {"number": 1, "who": "root", "what": "apply", "rules": 1, "file": policy},
        {"number": 2, "who": "root", "what": "apply", "rules": 0, "file": policy},
        {"number": 3, "who": "alice (sudo)", "what": "apply", "rules": 2, "file": other},
        {"number": 4, "who": "root", "what": "rollback", "rules": 0, "file": policy},
    ]


def test_back_to_a_policy_of_the_history(fw):
    for port in (8, 9, 10):
        fw.apply(ATTACH + deny("one", f"udp/{port}"))
    fw.file("this is no policy", "policy.toml")  # its text was kept
    fw.run("rollback")
    assert fw.passing(8, 9, 10) == {8, 10}
    fw.run("rollback", 1)
    assert fw.passing(8, 9, 10) == {9, 10}
    assert [entry["what"] for entry in fw.history()] == ["apply"] * 3 + ["rollback", "rollback to 1"]
    assert fw.run("rollback", 99, expect=USAGE).stderr == "fwctl: the history has no policy 99; see: fwctl history\n"
    fw.run("apply", "--saved")
    assert fw.passing(8, 9, 10) == {9, 10}


def test_the_same_policy_from_another_file_is_not_the_one_before(fw):
    fw.apply(ATTACH + deny("nine", "udp/9"))
    fw.apply(ATTACH)
    fw.run("apply", fw.file(ATTACH, "moved.toml"))
    fw.run("rollback")
    assert fw.passing(9, 10) == {10}


def test_back_from_a_policy_whose_text_is_gone(fw):
    fw.apply(ATTACH + deny("nine", "udp/9"))
    before = set(fw.kept_files())
    fw.apply(ATTACH + deny("ten", "udp/10"))
    (gone,) = [path for path in set(fw.kept_files()) - before if path.startswith("snapshots/")]
    (fw.kept_directory() / gone).unlink()
    fw.run("rollback")
    assert fw.passing(9, 10) == {10}


def test_there_is_nothing_to_go_back_to(fw):
    assert fw.run("rollback", expect=USAGE).stderr == "fwctl: there is no policy before the present one\n"
    assert fw.run("apply", "--saved", expect=FAILED).stderr == "fwctl: no policy was ever applied here\n"
    fw.apply(ATTACH)
    assert fw.run("rollback", expect=USAGE).stderr == "fwctl: there is no policy before the present one\n"


def test_the_history_forgets_the_oldest_and_their_texts(fw):
    for port in range(100, 123):
        fw.apply(ATTACH + deny("one", f"udp/{port}"))
    assert [entry["number"] for entry in fw.history()] == list(range(4, 24))
    texts = [name for name in fw.kept_files() if name.startswith("texts/")]
    assert len(texts) == 20
    fw.run("rollback", 4)
    assert fw.passing(102, 103, 104) == {102, 104}
