/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who sends most: a sketch of the sources of packets, for a listener (event.h) that wants one in the place of
 * events.
 *
 * A table has buckets, and a keyed hash gives each source one of them: who does not know the key cannot
 * choose sources that meet. Within a bucket it is Space-Saving: A. Metwally, D. Agrawal, A. El Abbadi,
 * "Efficient Computation of Frequent and Top-k Elements in Data Streams", ICDT 2005. A source that has no way
 * takes that with the fewest packets, whose number goes on with it, and is noted as `error`. So, of each
 * bucket, into which N packets have come, with FW_TALKER_WAYS ways:
 *
 *   the ways' packets together are N;
 *   packets - error <= what the source has sent <= packets, and error <= N / FW_TALKER_WAYS;
 *   a source of more than N / FW_TALKER_WAYS packets is there; one that is not has sent at most as many as
 * the smallest way says, which is not more than N / FW_TALKER_WAYS.
 *
 * Each processor has a table of its own and needs no lock. Added up, with the smallest way of a full bucket
 * for each processor that has not got the source, the same holds of the sums: an error is at most that of
 * each, so together at most N / FW_TALKER_WAYS for the N packets of that bucket on all processors (as in P.
 * Agarwal and others, "Mergeable Summaries", PODS 2012).
 *
 * There are two tables, of which packets fill one while the listener reads the other.
 */
#ifndef FWCTL_ABI_TALKERS_H
#define FWCTL_ABI_TALKERS_H

#include <linux/types.h>

#include "fwctl/abi/assert.h"
#include "fwctl/abi/packet.h"

enum {
	FW_TALKER_WAYS = 8,
	FW_TALKER_BUCKETS = 512, /* of each table and processor: a power of two */
	FW_TALKER_TABLES = 2,
};

struct fw_talker {
	struct fw_address source;
	__u64 packets; /* 0: the way is free */
	__u64 error;   /* of them so many may be others' */
	__u64 bytes;   /* since it has the way */
	__u64 dropped; /* packets, since it has the way */
	__u32 family;  /* enum fw_family */
	__u32 unused;
};

struct fw_talker_bucket {
	struct fw_talker ways[FW_TALKER_WAYS];
};
FW_ASSERT_SIZE(struct fw_talker_bucket, 8 * 56);

#endif
