"""What a run of the benchmark says of the machine and of the sources."""

import datetime
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[3]


def processor():
    found = re.search(r"^model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else os.uname().machine


def commit():
    """None where these sources are no clone. "-dirty" where they are not what was committed."""
    try:
        words = ["git", "-c", "safe.directory=*", "-C", ROOT, "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty"]
        return subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def description(quick):
    return {"kernel": os.uname().release, "processor": processor(), "processors": len(os.sched_getaffinity(0)), "commit": commit(),
            "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "run": "quick" if quick else "full"}
