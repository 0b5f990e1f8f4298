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
static __always_inline bool fw_lock(__u32 *lock)
{
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < FW_LOCK_TRIES; i++) {
		__u32 seen = *(volatile __u32 *)lock;

		if (!(seen & 1) && __sync_val_compare_and_swap(lock, seen, seen + 1) == seen)
			return true;
	}
	return false;
}

/* For who had better wait than go without. Reading the clock is what takes the time of a turn. */
__noinline int fw_wait_for_lock(__u32 *lock)
{
	if (!lock)
		return false;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < FW_LOCK_WAITS; i++) {
		__u32 seen = *(volatile __u32 *)lock;

		if (!(seen & 1) && __sync_val_compare_and_swap(lock, seen, seen + 1) == seen)
			return true;
		bpf_ktime_get_ns();
	}
	return false;
}

static __always_inline bool fw_lock_patiently(__u32 *lock)
{
	return fw_lock(lock) || fw_wait_for_lock(lock);
}

/* An exchange, as adding without asking for the result orders nothing on arm64. */
static __always_inline void fw_unlock(__u32 *lock)
{
	__sync_lock_test_and_set(lock, *lock + 1);
}

#endif
