/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One generation of the policy, as the programs read it.
 *
 * The map `policy` holds two of these, the map `control` one word. A packet reads the word once and then only
 * the generation that it names, so it never sees a mix. A writer fills the other one, stores the word, and
 * waits for a grace period of the kernel before it fills again.
 *
 * The rules stand in two tiers, each compiled by itself and asked one after the other: the front, with the
 * built-in and the live rules, which is small and written anew with each edit; and the main one, the policy
 * that was applied. A live edit so never touches the policy, however large that is.
 */
#ifndef FWCTL_ABI_POLICY_H
#define FWCTL_ABI_POLICY_H

#include <linux/types.h>

#include "fwctl/abi/assert.h"
#include "fwctl/abi/flow.h"
#include "fwctl/abi/image.h"
#include "fwctl/abi/limits.h"
#include "fwctl/abi/members.h"
#include "fwctl/abi/packet.h"
#include "fwctl/abi/service.h"

enum fw_tier_needs {
	FW_TIER_FOLLOWS = 1 << 0,  /* a rule has `state` */
	FW_TIER_REWRITES = 1 << 1, /* a rule rejects or redirects */
};

enum fw_tier_addresses {
	FW_TIER_FINDS = 1 << 0,	   /* an end finds rules */
	FW_TIER_COMPARES = 1 << 1, /* a row asks what the class of an end is part of */
};

struct fw_tier {
	__u32 bank; /* its first page: an index of the map `pages` */
	struct fw_address_index addresses[FW_SIDES];
	__u32 pairs;	 /* address of struct fw_bucket[pair_mask + 1]; 0: no rule names both ends narrowly */
	__u32 pair_mask; /* buckets - 1 */
	__u32 asks_addresses; /* enum fw_tier_addresses */
	struct fw_kinds rest; /* the rules that neither end finds */
	__u32 going_on; /* entry: rules that count or log; all that match in front of the verdict hold */
	__u32 varying;	/* entry: the rows with FW_ROW_VARIES, which are also in the leaves above */
	__u32 first_priority; /* of the first rule */
	__u32 actions; /* address: for each rule the address of its struct fw_action, or 0; 0: none has one */
	__u32 counters; /* address: for each rule the index of its counters */
	/* What the programs do not read: see ctl/compile/tier.h. */
	__u32 needs; /* enum fw_tier_needs */
	__u32 words; /* of the bank that are used; 0: the tier has no rules */
	__u32 rule_count;
	__u32 names;  /* address: a hash of each rule's name, 64 bits, ascending */
	__u32 places; /* address and bytes of the text that says what each bit of `where` means */
	__u32 places_size;
	__u32 outputs; /* address and bytes of the names of fw_generation.outputs */
	__u32 outputs_size;
};

enum fw_tier_number {
	FW_FRONT = 0,
	FW_MAIN = 1,
	FW_TIERS = 2,
};

/* How an attachment takes part in a generation. */
struct fw_attachment_policy {
	__u32 where[FW_TIERS]
		   [FW_DIRECTIONS]; /* address, in the bank of the front, of the bits of fw_row.where */
	__u8 enabled;		    /* 0: the programs pass every packet, uncounted */
	__u8 routed;		    /* not 0: the kernel routes what it receives, so that the fast path may */
	__u8 mac[6];		    /* of the interface: only frames to it are routed */
	__u8 asymmetric;	    /* not 0: it sees one way of flows alone */
	__u8 unused[7];
};
FW_ASSERT_SIZE(struct fw_attachment_policy, 32);

/* Which of the packets that are let in pass by the stack. */
enum fw_forwarding {
	FW_FORWARD_STACK = 0, /* none */
	FW_FORWARD_TABLE = 1, /* those that the map `routes` has a next hop for */
	FW_FORWARD_FIB = 2,   /* those that the kernel's own tables have one for */
};

/* Where its rules came from, and what is not part of their text. */
struct fw_rule_state {
	__u64 expires; /* nanoseconds of CLOCK_MONOTONIC; 0: never */
	__u32 counter; /* index in `rule_counters` */
	__u32 unused;
};
FW_ASSERT_SIZE(struct fw_rule_state, 16);

/* A dynamic set of the policy that was applied; its index is its number. What is in it: struct fw_set. */
struct fw_set_state {
	char name[64]; /* empty: free */
	__u32 timeout; /* seconds that a member stays of which nothing else is said; 0: for ever */
	__u32 size;    /* members that there may be */
};
FW_ASSERT_SIZE(struct fw_set_state, 72);

struct fw_generation {
	struct fw_tier tiers[FW_TIERS];
	__u8 default_reason[FW_DIRECTIONS];
	__u8 disabled_parser_rules; /* bit i: enum fw_parser_rule i lets pass */
	__u8 forward;		    /* enum fw_forwarding */
	__u8 follows;		    /* not 0: flows are followed, as rules ask for their state */
	__u8 unused[3];
	__u32 timeouts[FW_TIMEOUTS]; /* by enum fw_flow_timeout, in ticks */
	__u32 flow_pages;	     /* that the flow table is to have; not read by the programs */
	struct fw_services services;
	__u32 outputs[FW_TIERS][FW_MAX_OUTPUTS]; /* ifindex; 0: it is not there */
	struct fw_attachment_policy attachments[FW_MAX_ATTACHMENTS];
	struct fw_set_state sets[FW_MAX_SETS];

	/* What the programs do not read. */
	char snapshot[FW_SNAPSHOT_NAME_SIZE]; /* of the policy that was applied; empty: none was */
	/* The live rules as text, and for each, in its order, the rest. */
	struct fw_rule_state rules[FW_MAX_LIVE_RULES];
	__u32 rule_count;
	__u32 text_size; /* bytes before the NUL */
	char text[FW_POLICY_TEXT_SIZE];
};

/*
 * The one word that switches. Its lower half is the generation's number, whose lowest bit is the half of
 * `policy` that holds. Its upper half, when it is not zero, is a deadline: a policy on trial. From then on,
 * in units of 2^30 nanoseconds of CLOCK_MONOTONIC, the other half holds, whoever is there to notice.
 */
struct fw_control {
	__u64 word;
	/* Random: tells our marks from those of others (include/fwctl/abi/mark.h). Its lower half is never 0,
	 * nor the mark of a health check, and no check has the mark 0. */
	__u64 secret;
	/* Bit i: somebody may want to hear of packets with reason i (include/fwctl/abi/event.h). All that a
	 * packet reads of it while nobody does. */
	__u64 heard;
	/*
	 * What the programs do not read: the ids of the inner maps of `pages`, `rule_counters` and `buckets`;
	 * 0: there is none. An id is written before its map is put in and erased after that is taken out, so
	 * that after a crash it may name a map that is gone. Kept because asking a map of maps waits for a
	 * grace period before Linux 6.8.
	 */
	__u32 pages[FW_BANKS * FW_BANK_PAGES];
	__u32 counter_pages[FW_COUNTER_PAGES];
	__u32 rule_bases[FW_COUNTER_PAGES];
	__u32 bucket_pages[FW_BUCKET_PAGES];
	__u32 flow_pages[FW_FLOW_PAGES];
	__u32 placed_pages[FW_PLACED_PAGES];
	__u32 nat_flows[FW_NAT_TABLES];
	struct fw_flow_table flows;
};
enum { FW_DEADLINE_SHIFT = 30 };

static inline __u32 fw_half_of(__u64 word, __u64 now)
{
	__u64 deadline = word >> 32;

	return (__u32)(word & 1) ^ (deadline != 0 && now >> FW_DEADLINE_SHIFT >= deadline);
}

/*
 * Key of the prefixes of dynamic sets. The trie compares bits from `set` on, so the four bytes before the
 * address, always compared in full (prefix_length counts 32 bits for them), make it a trie for each set and
 * family.
 */
struct fw_member_key {
	__u32 prefix_length; /* 32 + bits of the address, host byte order */
	__u16 set;	     /* fw_trie_number() */
	__u8 family;	     /* 4 or 6 */
	__u8 unused;
	__u8 address[16]; /* network byte order; IPv4 in the first four bytes */
};
FW_ASSERT_SIZE(struct fw_member_key, 24);
enum { FW_MEMBER_KEY_FIXED_BITS = 32 };

/*
 * Key of the forwarding table: as fw_member_key, with a table for each of the banks that the main tier lies
 * in by turns.
 */
struct fw_route_key {
	__u32 prefix_length; /* 32 + bits of the address, host byte order */
	__u16 table;	     /* fw_tier.bank / FW_BANK_PAGES */
	__u8 family;	     /* 4 or 6 */
	__u8 unused;
	__u8 address[16];
};
FW_ASSERT_SIZE(struct fw_route_key, 24);
enum { FW_ROUTE_KEY_FIXED_BITS = 32 };

struct fw_member {
	__u64 expires; /* nanoseconds of CLOCK_MONOTONIC; 0: never */
	__u32 bits;    /* of the address that its own key has */
	__u32 unused;
};
FW_ASSERT_SIZE(struct fw_member, 16);

/* A look-up by the programs. */
struct fw_member_query {
	struct fw_host_query host;
	__u64 state; /* of the set, read once */
	struct fw_member_key key;
	__u32 set;
	__u32 unused;
};
FW_ASSERT_SIZE(struct fw_member_query, 88);

#endif
