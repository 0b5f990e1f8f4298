/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What packets tell those who listen: one event for each packet that an attachment has decided about, and
 * those of enum fw_happening.
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

/*
 * What is told beside verdicts: it stands in the reason's place and has its bit in the listener's reasons,
 * above those of them all.
 */
enum fw_happening {
	/* To flows of the flow table: the packet of the event is one of the flow's opener, as far as that is
	 * known, without its length and its fields. What ends by its time-out is not told. */
	FW_HAPPENED_CONFIRMED = 57,
	FW_HAPPENED_CLOSED = 58,     /* a connection of TCP has ended, or a new policy denies the flow */
	FW_HAPPENED_PUSHED_OUT = 59, /* by one that opened */
	FW_HAPPENED_OPENED = 60,
	FW_HAPPENED_PLACED = 61, /* the packet is the first of a flow of a service, and has got its backend */
	FW_FIRST_HAPPENING = FW_HAPPENED_CONFIRMED,
	FW_RULE_LOGGED = 62, /* the packet has met a rule with action log; its verdict is told as well */
	FW_LAST_HAPPENING = FW_RULE_LOGGED,
};
/* The bits of them all. */
#define FW_HAPPENINGS (((__u64)2 << FW_LAST_HAPPENING) - ((__u64)1 << FW_FIRST_HAPPENING))
/* And those of all reasons. */
#define FW_REASONS_MASK (((__u64)1 << FW_REASON_COUNT) - 1)

/* At which a packet's bytes are taken. */
enum fw_point {
	FW_BEFORE =
		1 << 0,	   /* as it came to the program that decided, but without what it was unpacked from */
	FW_AFTER = 1 << 1, /* what leaves in its place, where it was changed or sent on */
};

struct fw_listener {
	__u64 until;   /* nanoseconds of CLOCK_MONOTONIC; in the past: the slot is free */
	__u64 reasons; /* bit i: packets with reason i are told; and enum fw_happening */
	__u32 one_of;  /* of so many of them one, by chance; not 0 */
	__u32 bytes;   /* of each packet, FW_MAX_CAPTURED at most; 0: the event alone */
	__u32 points;  /* enum fw_point */
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
	__u8 reason;		 /* enum fw_reason, or enum fw_happening */
	__u32 generation;	 /* that judged: its number shifted left by one, and the half */
};
FW_ASSERT_SIZE(struct fw_event, 112);

/* What a listener that wants bytes gets in place of the event alone: this, and then the bytes. */
struct fw_capture {
	struct fw_event event;
	__u32 length; /* of the frame at this point, with a VLAN tag that the device has stripped in its place
		       */
	__u32 captured; /* of them the first so many follow */
	__s32 action;	/* that the hook was answered: XDP_*, TC_ACT_* */
	__u8 hook;	/* enum fw_hook of state.h */
	__u8 link;	/* enum fw_link */
	__u8 point;	/* enum fw_point */
	__u8 unused;
};
FW_ASSERT_SIZE(struct fw_capture, 128);

/* Where a processor puts it together: `capture_rooms` has for each listener that wants bytes an array of
 * these, by the number of the processor, which the listener brings along as its ring. */
struct fw_capture_room {
	struct fw_capture head;
	__u8 bytes[FW_MAX_CAPTURED + 1];
};
FW_ASSERT_SIZE(struct fw_capture_room, 128 + 65536);

/* Of fw_control.heard: somebody may want bytes, so that what is about to be changed is to be put aside. */
#define FW_HEARD_BYTES ((__u64)1 << 63)

FW_ASSERT((int)FW_LAST_HAPPENING < 63, "FW_HEARD_BYTES has the last bit for itself");

/* Whose packet it is, for what is told before its verdict; by processor. */
struct fw_telling {
	__u32 generation; /* as fw_event has it */
	__u8 direction;
	__u8 listens; /* somebody wants to hear of more than verdicts */
	__u8 unused[2];
	struct fw_packet flow; /* room for what is told of one */
};

FW_ASSERT((int)FW_REASON_COUNT <= (int)FW_FIRST_HAPPENING, "fw_listener.reasons has a bit for each");

#endif
