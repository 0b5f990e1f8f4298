/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is counted, and what fwctl remembers of an attachment.
 */
#ifndef FWCTL_ABI_STATE_H
#define FWCTL_ABI_STATE_H

#include <linux/types.h>

#include "fwctl/abi/assert.h"
#include "fwctl/abi/limits.h"
#include "fwctl/abi/packet.h"
#include "fwctl/abi/reason.h"

/* A frame counts once with the length that its hook sees, link header included: a GSO or GRO packet is one.
 */
struct fw_count {
	__u64 packets;
	__u64 bytes;
};

/* The same of a rule. */
struct fw_rule_count {
	__u64 packets;
	__u64 bytes;
	__u64 last; /* when there was one, in ticks of the kernel: struct fw_clock_reading; 0: never */
};
FW_ASSERT_SIZE(struct fw_rule_count, 24);

/* An instant: by the kernel's ticks, which cost a packet nothing to read, and by CLOCK_MONOTONIC. */
struct fw_clock_reading {
	__u64 ticks;
	__u64 nanoseconds;
};
FW_ASSERT_SIZE(struct fw_clock_reading, 16);

/*
 * One element, per CPU, of an attachment's `counters`; the index is the direction. Behind those of the
 * directions stand, in their order, the bases: what was counted when a person last began anew at zero, all of
 * it with the first CPU. Programs go on adding to counters, so that none is ever cleared while they may.
 */
struct fw_counters {
	struct fw_count by_reason[FW_REASON_COUNT];
};
enum { FW_COUNTERS_BASES = FW_DIRECTIONS };

/* The bases of a page of the rules' counters; only fwctl reads and writes them. */
struct fw_rule_bases {
	struct fw_count by_counter[FW_COUNTER_PAGE_SIZE];
};

/*
 * Room for the answer to a rejected packet, one for each processor. The transport header always stands in the
 * same place, what goes in front of it ends there.
 */
enum {
	FW_ANSWER_TRANSPORT = 64,
	FW_ANSWER_SIZE = 2048,
};
struct fw_answering {
	__u64 full;    /* token bucket: when it will be full again, nanoseconds of CLOCK_MONOTONIC */
	__u32 link;    /* bytes of the link header */
	__u32 body;    /* bytes from the transport header on */
	__u32 left;    /* in `bytes`: of a checksum that the device will fill in; 0: there is none */
	__u8 protocol; /* of the answer */
	__u8 family;   /* enum fw_family */
	__u8 unused[2];
	__u8 bytes[FW_ANSWER_SIZE];
};
FW_ASSERT_SIZE(struct fw_answering, 24 + FW_ANSWER_SIZE);

enum fw_hook {
	FW_HOOK_XDP = 1 << 0,
	FW_HOOK_TC_IN = 1 << 1,
	FW_HOOK_TC_OUT = 1 << 2,
};

enum fw_attachment_flags {
	FW_ATTACHMENT_CLSACT_OURS = 1 << 0, /* we made the clsact qdisc, so we remove it */
	FW_ATTACHMENT_REPLACES = 1 << 1,    /* --replace: another's XDP program may have to go yet */
	FW_ATTACHMENT_WIRE = 1 << 2, /* hardware: what comes in came from a wire, with whole checksums */
	FW_ATTACHMENT_HOOKS_NAMED = 1 << 3, /* by the user: they stay as they are */
	FW_ATTACHMENT_REWRITES = 1 << 4,    /* its programs do more than pass and drop */
};

/*
 * An element of `attachments`, written before anything touches the interface and zeroed after the last trace
 * is gone, so that the next command can clean up behind one that was killed. Whether it filters is not said
 * here but in the generation. Only fwctl reads it.
 */
struct fw_attachment {
	__u32 ifindex; /* 0: free */
	__u32 flags;   /* enum fw_attachment_flags */
	__u32 peer_of; /* ifindex of the bridge whose --isolate-peers brought this port; 0: none */
	__u8 hooks;    /* enum fw_hook, those that were asked for */
	__u8 xdp_mode; /* XDP_FLAGS_*_MODE of linux/if_link.h, shifted right by one; 0 without XDP */
	__u8 link;     /* enum fw_link */
	__u8 unused;
	__u64 build; /* of the programs: another one, or 0, means that they are to be exchanged */
	char name[FW_INTERFACE_NAME_SIZE];
	char label[FW_LABEL_SIZE]; /* what the policy calls it; empty: attached by hand */
};
FW_ASSERT_SIZE(struct fw_attachment, 72);

#endif
