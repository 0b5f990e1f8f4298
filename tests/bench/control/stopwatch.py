"""Runs commands as a user types them: how long one takes, what it takes of memory, and what it leaves in the kernel."""

import contextlib
import ctypes
import os
import pathlib
import subprocess
import time
import typing

CHANGE, SETTLED, PATIENCE = 0.03, 6, 20  # the kernel frees late: asked so often, until the answer is the same so many times; seconds
MEMBARRIER, MEMBARRIER_CMD_GLOBAL = 324, 1  # x86-64
TIMED_OUT = 128 + 9  # what ../stopwatch.cpp says of a command that it had to end

libc = ctypes.CDLL(None, use_errno=True)


class Command(typing.NamedTuple):
    words: list
    stdin: typing.Optional[pathlib.Path] = None


class Cost(typing.NamedTuple):
    milliseconds: float
    cpu: float  # milliseconds of processors: where it is less, the command has waited, for a disk or for the kernel
    megabytes: float


class Failed(Exception):
    """A command that failed, or took too long; str() is for the one who reads the table."""


class Group:
    """A control group, which is told of all memory that the kernel takes for its processes: maps, sets, tables of rules.

    None where the kernel does not count it: `why` says so.
    """

    why = "the kernel's memory is not counted: no control group of `memory` can be made"

    def __init__(self, name):
        self.path = None
        first, second = pathlib.Path("/sys/fs/cgroup"), pathlib.Path("/sys/fs/cgroup/memory")
        for root in (first, second):
            path = root / name
            with contextlib.suppress(OSError):
                path.mkdir()
                self.path = path
                self.kilobytes()
                return
            if self.path:
                self.path.rmdir()
            self.path = None

    def kilobytes(self):
        """Of the kernel's own memory, not that of processes."""
        with contextlib.suppress(FileNotFoundError):  # version 1
            return int((self.path / "memory.kmem.usage_in_bytes").read_text()) / 1024
        lines = (self.path / "memory.stat").read_text().splitlines()  # version 2; `kernel` is there since 5.18
        found = [line.split()[1] for line in lines if line.startswith("kernel ")]
        if not found:
            raise FileNotFoundError("memory.stat: kernel")
        return int(found[0]) / 1024

    def settled(self):
        """What is there when the kernel has freed what it was about to free; after PATIENCE, what is there then."""
        wait_for_readers()
        if not self.path:
            return 0
        seen = [self.kilobytes()]
        while len(seen) < PATIENCE / CHANGE and len(set(seen[-SETTLED:])) + (len(seen) < SETTLED) > 1:
            time.sleep(CHANGE)
            seen.append(self.kilobytes())
        return seen[-1]


class Stopwatch:
    def __init__(self, build, folder, netns, group):
        self.program = f"{build}/tests/bench/fwctl_bench_stopwatch"
        self.said = pathlib.Path(folder) / f"{netns}.said"
        self.netns = netns
        self.group = group

    def run(self, command, seconds):
        """The Cost of a command that has to end well within that time."""
        members = self.group.path / "cgroup.procs" if self.group.path else "-"
        words = [self.program, f"/run/netns/{self.netns}", members, seconds, *command.words]
        stdin = command.stdin.open("rb") if command.stdin else None
        with self.said.open("wb") as said, stdin or contextlib.nullcontext(subprocess.DEVNULL) as source:
            done = subprocess.run(list(map(str, words)), stdin=source, stdout=said, stderr=subprocess.PIPE, text=True, env=quiet())
        if done.returncode != 0:
            raise Failed(f"the stopwatch failed: {done.stderr.strip()}")
        nanoseconds, cpu, kilobytes, status = map(int, done.stderr.split())
        if status == TIMED_OUT:
            raise Failed(f"not done within {seconds} s")
        if status != 0:
            raise Failed(f"`{' '.join(map(str, command.words))}`: exit status {status}: {self.complaint()}")
        return Cost(nanoseconds / 1e6, cpu / 1e3, kilobytes / 1024)

    def output(self):
        """What the last command said."""
        return self.said.read_text(errors="replace")

    def complaint(self):
        """Where the last command said what is wrong, most likely."""
        lines = self.output().strip().splitlines()
        said = [line for line in lines if "rror" in line][:1] or lines[-1:]
        return "".join(line[:240] for line in said)


def wait_for_readers():
    """A grace period of RCU: until then the kernel frees no rule and no set."""
    if libc.syscall(MEMBARRIER, MEMBARRIER_CMD_GLOBAL, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "membarrier")


def quiet():
    """No session to look after: fwctl would look for the one that runs it."""
    return {name: value for name, value in os.environ.items() if not name.startswith("SSH_")}
