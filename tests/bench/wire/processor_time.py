"""What soft interrupts take of the processor that sends and receives, and where the kernel books it."""

import gzip
import os
import pathlib
import time

from links import PROCESSOR, send


def books_interrupts_apart():
    """By the kernel's configuration; where it cannot be read: no, as Linux does by itself."""
    for path, opens in ((pathlib.Path("/proc/config.gz"), gzip.open), (pathlib.Path(f"/boot/config-{os.uname().release}"), open)):
        if path.exists():
            with opens(path, "rt") as file:
                return "CONFIG_IRQ_TIME_ACCOUNTING=y\n" in file
    return False


def soft_interrupts():
    """The file that tells how long the processor's thread for soft interrupts has run."""
    (found,) = [path for path in pathlib.Path("/proc").glob("[0-9]*/comm") if name_of(path) == f"ksoftirqd/{PROCESSOR}"]
    return found.with_name("schedstat")


def name_of(comm):
    try:
        return comm.read_text().strip()
    except OSError:  # has just ended
        return ""


BY_THE_WALL = books_interrupts_apart()
SOFT_INTERRUPTS = soft_interrupts()


def soft_interrupt_seconds():
    return int(SOFT_INTERRUPTS.read_text().split()[0]) / 1e9


def send_and_settle(bed, role, frames, packets, *flows):
    """Nanoseconds of the processor that it took to send and all that came of it, and those that passed meanwhile. The words are send()'s."""
    soft = soft_interrupt_seconds()
    took, of_processor = send(bed, role, frames, packets, *flows)
    time.sleep(0.05)  # what the thread for soft interrupts still has
    of_processor += soft_interrupt_seconds() - soft
    return (took if BY_THE_WALL else of_processor) * 1e9, took * 1e9
