/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Locks of a few instructions, in memory that programs on all processors share: maps of maps have no room for
 * those of the kernel.
 *
 * Promises: nobody waits for long: who does not get the lock in FW_LOCK_TRIES goes without. The holder is
 * done in less than a microsecond, unless the hypervisor took its processor away; programs are not
 * interrupted by each other on one processor, and none ends with a lock held. fwctl itself never takes one,
 * as it can be killed.
 */
#ifndef FWCTL_BPF_LOCK_H
#define FWCTL_BPF_LOCK_H

#include <linux/types.h>
#include <stdbool.h>

enum { FW_LOCK_TRIES = 512 };

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

/* An exchange, as adding without asking for the result orders nothing on arm64. */
static __always_inline void fw_unlock(__u32 *lock)
{
	__sync_lock_test_and_set(lock, *lock + 1);
}

#endif
