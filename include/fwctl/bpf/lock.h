/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Locks of a few instructions, in memory that programs on all processors share: maps of maps have no room for
 * those of the kernel.
 *
 * Promises: nobody waits for long: who does not get the lock in so many tries goes without. The holder is
 * done in less than a microsecond, unless its processor was taken away: by the hypervisor, or, where fwctl
 * runs the program (fwctl_flows, fwctl_sets), by an interrupt and the packets that it brings. Packets do not
 * interrupt each other on one processor, and no program ends with a lock held. fwctl itself never takes one,
 * as it can be killed.
 */
#ifndef FWCTL_BPF_LOCK_H
#define FWCTL_BPF_LOCK_H

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

enum {
	FW_LOCK_TRIES = 512,  /* about a microsecond */
	FW_LOCK_WAITS = 1024, /* some 30: as long as an interrupt keeps the holder */
};

/* The word is odd while it is taken, and grows by two each time: who only reads sees that something changed.
 */
static __always_inline bool fw_try_lock(__u32 *lock)
{
	__u32 seen = *(volatile __u32 *)lock;

	return !(seen & 1) && __sync_val_compare_and_swap(lock, seen, seen + 1) == seen;
}

struct fw_waiting {
	__u32 *lock;
	bool has_it;
};

static long fw_wait_a_turn(__u32 turn, struct fw_waiting *waiting)
{
	/* Reading the clock is what takes the time of a turn. */
	if (turn >= FW_LOCK_TRIES)
		bpf_ktime_get_ns();
	waiting->has_it = fw_try_lock(waiting->lock);
	return waiting->has_it;
}

/* A global function, and a loop of the kernel's own: verified once. */
__noinline int fw_wait_for_lock(__u32 *lock)
{
	struct fw_waiting waiting = {.lock = lock};

	if (!lock)
		return false;
	bpf_loop(FW_LOCK_TRIES + FW_LOCK_WAITS, fw_wait_a_turn, &waiting, 0);
	return waiting.has_it;
}

static __always_inline bool fw_lock(__u32 *lock)
{
	return fw_try_lock(lock) || fw_wait_for_lock(lock);
}

/* An exchange, as adding without asking for the result orders nothing on arm64. */
static __always_inline void fw_unlock(__u32 *lock)
{
	__sync_lock_test_and_set(lock, *lock + 1);
}

#endif
