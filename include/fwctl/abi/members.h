/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The members of dynamic sets.
 *
 * Single addresses, the *hosts*, stand in tables, so that the data plane can put them in while it is under
 * fire; longer blocks, the *prefixes*, stand in the trie `members`, which the command alone edits. A set has
 * two tables and two numbers in the trie, and one word says which of them hold: a whole set is replaced, or
 * moved to a larger table, by one store.
 *
 * A table is buckets of FW_BUCKET_HOSTS ways, a power of two of them, on pages of a map of maps. A host is
 * sought in the bucket that its hash names and, as long as `passed` is not zero, in the next ones,
 * FW_HOST_PROBES at most. With the buckets half full, as they are at most, a ninth bucket is needed once in
 * e^44 members (the backlog of a queue with batches of 5).
 *
 * Readers take no lock. What they rely on: `what` of a way is one 64-bit word, which says at once whose hash
 * it is and when it ends. Whoever changes the address first makes `what` FW_HOST_TAKEN by compare-and-swap,
 * writes the address, and writes `what` last; a reader reads `what`, compares it, reads and compares the
 * address, and sees `what` unchanged. So an address and an end that do not belong together are taken for a
 * member only if within one look-up the way is given to another and back with the very same end, and the two
 * addresses, mixed by a secret, have the same 23 bits: were the processor to reorder loads and stores, which
 * x86 does not, the same bits would have to agree as well.
 */
#ifndef FWCTL_ABI_MEMBERS_H
#define FWCTL_ABI_MEMBERS_H

#include <linux/types.h>

#include "fwctl/abi/assert.h"
#include "fwctl/abi/limits.h"

enum {
	FW_BUCKET_HOSTS = 5,
	FW_HOST_PROBES = 8,
	FW_HOST_TICK_SHIFT = 20, /* ends are in units of 2^20 ns of CLOCK_MONOTONIC, rounded up */
	FW_HOST_TICK_BITS = 40,	 /* 36 years */
	FW_PAGE_BUCKETS = 1024,
	FW_SET_PAGES = 1 << 14, /* of all sets together: 2 GB */
	FW_SWEEP_BUCKETS = 64,	/* that a packet which finds the set full tidies up, once in a tick */
};

/* In fw_host_bucket.what: the end, and above it the family and some of the hash. */
#define FW_HOST_END_MASK ((1ull << FW_HOST_TICK_BITS) - 1)
#define FW_HOST_FOR_EVER FW_HOST_END_MASK
#define FW_HOST_IPV6 (1ull << FW_HOST_TICK_BITS)
enum {
	FW_HOST_FREE = 0,
	FW_HOST_TAKEN = 1, /* is being written; readers see an end that is long over */
};

/* The first 64 bytes decide nearly every look-up that finds nothing. */
struct fw_host_bucket {
	__u32 lock;   /* odd (bpf/lock.h): somebody puts a host in, or takes one out, whose hash names this
			 bucket */
	__u32 passed; /* hosts that stand further on, and whose hash names this bucket or one before */
	__u64 what[FW_BUCKET_HOSTS];
	__u64 address[FW_BUCKET_HOSTS][2]; /* as in struct fw_address */
};
FW_ASSERT_SIZE(struct fw_host_bucket, 128);

struct fw_host_page {
	struct fw_host_bucket buckets[FW_PAGE_BUCKETS];
};
FW_ASSERT_SIZE(struct fw_host_page, 128 * 1024);

struct fw_host_table {
	__u32 first_page; /* of the map `set_pages` */
	__u32 mask;	  /* buckets - 1 */
	__u32 buckets;	  /* 0: there is no table */
	__u32 unused;
	__u64 hosts; /* that stand in it, also those whose time is over and that nobody has taken out */
};
FW_ASSERT_SIZE(struct fw_host_table, 24);

/* fw_set.state */
enum {
	FW_SET_TABLE = 1 << 0,	  /* the number of the table that holds */
	FW_SET_MOVING = 1 << 1,	  /* the other table has hosts, too, that are being moved */
	FW_SET_PREFIXES = 1 << 2, /* there are prefixes */
	FW_SET_TRIE = 1 << 3,	  /* which of the two numbers they have in the trie */
};

/* A dynamic set, by its number. The first 64 bytes are what look-ups read. */
struct fw_set {
	__u64 state;	/* the word that switches */
	__u64 key[2];	/* secret of the hash; 0: the set was never used */
	__u64 prefixes; /* in the trie */
	__u64 editing;	/* the command alone: not 0 while it edits, and when it was killed */
	__u64 unused[3];

	struct fw_host_table tables[2];
	__u64 swept; /* tick in which a packet tidied up last */
	__u64 hand;  /* bucket where it goes on */

	/* What is counted since the set is there. */
	__u64 put;	/* hosts that rules have put in */
	__u64 replaced; /* hosts that gave way to others while the set was full */
	__u64 refused;	/* hosts that found no room */
	__u64 busy;	/* hosts that were not put in as the bucket was locked for too long */
	__u64 padding[4];
};
FW_ASSERT_SIZE(struct fw_set, 192);

struct fw_sets {
	struct fw_set by_number[FW_MAX_SETS];
	/* What the programs do not read: the ids of the inner maps of `set_pages`, as in struct fw_control.
	 */
	__u32 pages[FW_SET_PAGES];
};

/* The set's number in the trie. */
static inline __u32 fw_trie_number(__u32 set, __u64 state)
{
	return set * 2 + ((state & FW_SET_TRIE) != 0);
}

/*
 * Where a host stands and what tells it from others: a keyed mix of 64 bits (after the finalizer of A.
 * Appleby's MurmurHash3). An attacker who knows neither key nor hashes cannot choose addresses that meet.
 */
static inline __u64 fw_host_hash(const __u64 key[2], __u64 high, __u64 low, __u64 family_bit)
{
	__u64 hash = (high ^ key[0]) * 0xff51afd7ed558ccdull;

	hash = (hash ^ hash >> 32 ^ low ^ key[1] ^ family_bit) * 0xc4ceb9fe1a85ec53ull;
	hash = (hash ^ hash >> 29) * 0x9e3779b97f4a7c15ull;
	return hash ^ hash >> 32;
}

/* `what` of a host but for its end. */
static inline __u64 fw_host_tag(__u64 hash, __u64 family_bit)
{
	return (hash >> (FW_HOST_TICK_BITS + 1) << (FW_HOST_TICK_BITS + 1)) | family_bit;
}

/* What a look-up knows of the host that it seeks: never in a map that others read. */
struct fw_host_query {
	__u64 high; /* the address */
	__u64 low;
	__u64 tag;  /* fw_host_tag() */
	__u64 now;  /* in ticks */
	__u32 home; /* number of its bucket, but for the mask */
	__u32 first_page;
	__u32 mask;
	__u32 unused;
};
FW_ASSERT_SIZE(struct fw_host_query, 48);

/* What the command asks the program of sets to do, FW_MAX_SET_REQUESTS at a time. */
enum fw_set_command {
	FW_SET_ADD =
		1, /* put each host of the requests in; one that is there is prolonged, never shortened */
	FW_SET_DELETE = 2, /* take each out */
	FW_SET_FIND = 3,   /* say when each ends */
	FW_SET_LIST =
		4, /* the other way round: `first` is a bucket, the requests are filled with its hosts */
	FW_SET_SWEEP = 5, /* take out the hosts whose time is over, from bucket `first` on */
	FW_SET_MOVE = 6,  /* put the hosts of the other table, from bucket `first` on, in this one */
	FW_SET_EMPTY = 7, /* take all out, from bucket `first` on */
};
enum fw_set_result {
	FW_SET_DONE = 1,      /* it was put in or taken out */
	FW_SET_PROLONGED = 2, /* it was there, and ends later now */
	FW_SET_UNCHANGED = 3, /* it was there and ends later anyway; or was not there to be taken out */
	FW_SET_REPLACED = 4,  /* another one gave way */
	FW_SET_REFUSED = 5,   /* there is no room */
	FW_SET_BUSY = 6,      /* try again */
};
enum { FW_MAX_SET_REQUESTS = 4096 };
struct fw_set_request {
	__u64 address[2];
	__u64 end;   /* in ticks; FIND: 0 when it is not there */
	__u8 family; /* 4 or 6 */
	__u8 result; /* enum fw_set_result */
	__u8 unused[6];
};
FW_ASSERT_SIZE(struct fw_set_request, 32);

/* The context of that program. */
struct fw_set_job {
	__u32 command; /* enum fw_set_command */
	__u32 set;
	__u32 table;  /* 0 or 1 */
	__u32 count;  /* of requests, or of buckets */
	__u32 first;  /* bucket */
	__u32 filled; /* out: LIST: requests; else hosts that were taken out or moved */
	__u64 now;    /* in ticks */
	__u64 limit;  /* how many hosts the table may have */
};
FW_ASSERT_SIZE(struct fw_set_job, 40);

#endif
