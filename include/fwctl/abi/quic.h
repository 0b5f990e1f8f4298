/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which backend of a service has a server id: what connection ids of QUIC carry
 * (draft-ietf-quic-load-balancers, without encryption).
 *
 * A connection id that a server has made begins with an octet whose three highest bits name a configuration;
 * behind it stands the server id, as long as that configuration says. Ids stand in a hash table of the
 * front's bank; one that is not found in FW_SERVER_PROBES places, one behind the other, or in front of a free
 * one, is not there. docs/balance.md says what becomes of packets.
 */
#ifndef FWCTL_ABI_QUIC_H
#define FWCTL_ABI_QUIC_H

#include <linux/types.h>

#include "fwctl/abi/assert.h"

enum {
	FW_QUIC_CONFIGS = 8,	  /* that three bits can name; the last one stands for "none" */
	FW_MAX_SERVER_ID = 15,	  /* octets: one and four more have to fit into the 20 of an id */
	FW_SERVER_PROBES = 8,	  /* places that are asked for an id */
	FW_QUIC_CONFIG_SHIFT = 5, /* of its first octet */
};

/* Four words, on a multiple of them. */
struct fw_quic {
	__u8 id_length[FW_QUIC_CONFIGS]; /* octets of a server id, by configuration; 0: nobody uses that */
	__u32 servers;			 /* address of struct fw_server[server_mask + 1] */
	__u32 server_mask;		 /* how many there is room for, a power of two, minus one */
};
FW_ASSERT_SIZE(struct fw_quic, 16);

/* Eight words, on a multiple of them. */
struct fw_server {
	__u8 id[FW_MAX_SERVER_ID]; /* zeros behind it */
	__u8 length;
	__u32 backend; /* its number; 0: the place is free */
	__u32 unused[3];
};
FW_ASSERT_SIZE(struct fw_server, 32);

/*
 * Which place to ask first, for the two halves of `id` and `length` as they lie in memory: the finalizer of
 * SplitMix64 (G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators", 2014). Only ids
 * of the policy go into the table, so that nobody outside can fill places.
 */
static inline __u32 fw_server_hash(__u64 first, __u64 second)
{
	__u64 mixed = first * 0x9e3779b97f4a7c15ull ^ second;

	mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9ull;
	mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebull;
	return (__u32)(mixed ^ mixed >> 31);
}

#endif
