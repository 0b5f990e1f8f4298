/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What packets tell those who listen: one event for each packet that an attachment has decided about.
 *
 * A listener claims a slot, puts a ring buffer of its own at the same index of `event_rings`, adds its
 * reasons to fw_control.heard, and goes on moving its deadline while it reads. Nobody has to clean up behind
 * one that is gone, however it ended: the next packet that would be told to it takes the reasons away that
 * nobody else wants, and the slot is free.
 *
 * Packets do not wake listeners, which would cost them more than all the rest: these look now and then.
 */
#ifndef FWCTL_ABI_EVENT_H
#define FWCTL_ABI_EVENT_H

#include <linux/types.h>

#include "fwctl/abi/assert.h"
#include "fwctl/abi/limits.h"
#include "fwctl/abi/packet.h"
#include "fwctl/abi/reason.h"

struct fw_listener {
	__u64 until;   /* nanoseconds of CLOCK_MONOTONIC; in the past: the slot is free */
	__u64 reasons; /* bit i: packets with reason i are told */
	__u32 one_of;  /* of so many of them one, by chance; not 0 */
	__u32 talkers; /* 0: events; 1 or 2: which table of its own is filled instead (talkers.h) */
};

/* The only element of `listeners`. */
struct fw_listeners {
	struct fw_listener each[FW_MAX_LISTENERS];
};

struct fw_event {
	__u64 time;		 /* nanoseconds of CLOCK_MONOTONIC */
	struct fw_packet packet; /* as it was before anything was rewritten */
	__u32 rule;		 /* index of its counters, or FW_NO_RULE */
	__u32 backend;		 /* number of the one that it went to; 0: none */
	__u16 slot;		 /* of the attachment */
	__u8 direction;		 /* enum fw_direction */
	__u8 reason;		 /* enum fw_reason */
	__u32 generation;	 /* that judged: its number shifted left by one, and the half */
};
FW_ASSERT_SIZE(struct fw_event, 112);

FW_ASSERT(FW_REASON_COUNT <= 64, "fw_listener.reasons has a bit for each");

#endif
