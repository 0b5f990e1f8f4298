/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Token buckets: what a rule with `rate` asks.
 *
 * A bucket is one number, the time at which it will be full again: the generic cell rate algorithm in its
 * virtual-scheduling form (ITU-T I.371, annex A; ATM Forum TM 4.1, 4.4.2), which gives the same answers as a
 * token bucket (J. Turner, "New directions in communications", 1986; RFC 2697 has its terms). A packet finds
 * its tokens when taking them leaves the bucket at most empty: when
 *
 *     max(full, now) + cost <= now + capacity
 *
 * and then that sum is the new time. So one 64-bit compare-and-swap takes tokens, whichever processors ask.
 *
 * Promises, with N and B the rule's rate and burst:
 * - Over any time t one bucket gives at most B + N * t, and one token more for each processor but one: after
 *   FW_BUCKET_TRIES exchanges that others have won, a packet adds its cost without another look. The cost is
 *   not lost, so that the average holds all the same.
 * - The cost of a packet is cut to FW_TICKS_PER_NANOSECOND: less than 1/64 ns is lost, 0.02 % of ten million
 *   packets a second.
 * - Memory does not grow. Buckets for sources, flows and so on stand in FW_KEYED_LINES lines of one cache
 * line with four each. When a new one finds its line full, it takes the place of the bucket that is nearest
 * to being full. A full bucket says nothing, so nothing is lost while that one is full. Else its owner finds
 * a full bucket the next time: a flood of spoofed sources makes limits lenient, by at most one burst for each
 *   such eviction, and of the least charged bucket first. It never makes them stricter.
 * - Nobody is limited by another's packets, unless their keys have one 64-bit tag. The tag is a mix of the
 * rule, the key and a secret of this boot, so that nobody outside can choose such keys; with all 524,288
 * buckets in use, a new key has the tag of one of them with a chance of 2^-45.
 */
#ifndef FWCTL_ABI_BUCKET_H
#define FWCTL_ABI_BUCKET_H

#include <linux/types.h>

#include "fwctl/abi/assert.h"
#include "fwctl/abi/limits.h"

/* Times are counted in ticks, so that the cost of a packet can be told finely; they wrap after nine years. */
enum { FW_TICKS_PER_NANOSECOND = 64, FW_TICK_SHIFT = 6 };

/*
 * `state` is `tag` plus the time at which the bucket will be full. A state that was left by another tag so
 * reads as one of a time far away, which stands for a full bucket: whoever claims an entry, and whoever still
 * writes to it for its former owner, can only make it fuller.
 */
struct fw_bucket_entry {
	__u64 tag; /* 0: free */
	__u64 state;
};
enum { FW_LINE_BUCKETS = 4 };
struct fw_bucket_line {
	struct fw_bucket_entry entries[FW_LINE_BUCKETS]; /* of a rule's own line, the first */
};
FW_ASSERT_SIZE(struct fw_bucket_line, 64);

struct fw_bucket_page {
	struct fw_bucket_line lines[FW_BUCKET_PAGE_LINES];
};

enum {
	FW_BUCKET_PAGES = FW_RULE_BUCKET_PAGES + FW_KEYED_BUCKET_PAGES,
	FW_KEYED_LINES = FW_KEYED_BUCKET_PAGES * FW_BUCKET_PAGE_LINES,
	FW_BUCKET_TRIES = 8,
};

/* Whose bucket it is. */
enum fw_per {
	FW_PER_RULE = 0,
	FW_PER_SOURCE = 1,
	FW_PER_DESTINATION = 2,
	FW_PER_SERVICE = 3, /* destination, protocol and port */
	FW_PER_FLOW = 4,    /* both ends, protocol and ports, both ways alike */
};

enum fw_rate_flags {
	FW_RATE_UNDER = 1 << 0, /* holds for a packet that finds its tokens; else for one that does not */
	FW_RATE_BYTES = 1 << 1, /* a token is a byte from layer 3 on; else a packet */
};

struct fw_rate {
	__u64 identity; /* of the rule and of what its rate says: other rates have other buckets */
	__u64 cost;	/* of a token: ticks << shift */
	__u64 burst;	/* tokens; burst * cost is below 2^63 */
	__u64 capacity; /* ticks: the cost of the burst */
	__u32 rule;	/* index of its counters, and of its own bucket */
	__u8 shift;
	__u8 flags; /* enum fw_rate_flags */
	__u8 per;   /* enum fw_per */
	__u8 bits4; /* of an IPv4 address that the key has: 1 to 32 */
	__u8 bits6; /* of an IPv6 address: 1 to 128 */
	__u8 unused[23];
};
FW_ASSERT_SIZE(struct fw_rate, 64);

#endif
