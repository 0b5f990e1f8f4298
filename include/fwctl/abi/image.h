/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The compiled rules, as the programs read them: a bank of 32-bit words in which everything is found by its
 * place.
 *
 * How a packet finds its rule. The source address is looked up in an index, which gives a class: all
 * addresses for which the same rules hold at that end. So is the destination. Each rule is found on one of
 * four ways, by what its addresses are:
 *
 *     narrow source and narrow destination   by the two classes together, in a hash table of pairs
 *     narrow source alone                    by the class of the source
 *     narrow destination alone               by the class of the destination
 *     neither                                in one list that every packet asks
 *
 * where narrow means that few classes make up the rule's addresses. Each way ends in a leaf: rows in the
 * order of the rules, cut by protocol and port where there are many. A row compares what the way did not.
 * The first row of the four leaves wins (after P. Gupta, N. McKeown, "Packet classification on multiple
 * fields", SIGCOMM 1999, for the classes; B. Vamanan, G. Voskuilen, T. N. Vijaykumar, "EffiCuts", SIGCOMM
 * 2010, for parting the rules by breadth).
 *
 * Words are in host byte order. An address in the bank is the number of a word; 0 stands for nothing. What
 * is aligned never crosses a page.
 */
#ifndef FWCTL_ABI_IMAGE_H
#define FWCTL_ABI_IMAGE_H

#include <linux/types.h>

#include "fwctl/abi/assert.h"
#include "fwctl/abi/bucket.h"
#include "fwctl/abi/limits.h"
#include "fwctl/abi/packet.h"

struct fw_page {
	__u32 words[FW_PAGE_WORDS];
};

/*
 * The lowest bits of an entry say what it points at. All things that an entry points at stand on a multiple
 * of four words.
 */
enum fw_entry_tag {
	FW_ENTRY_ROWS = 0,  /* struct fw_row, one behind the other up to one with FW_ROW_LAST */
	FW_ENTRY_KINDS = 1, /* struct fw_kinds */
	FW_ENTRY_TREE = 2,  /* struct fw_tree with 16-bit keys, asked for the selector; values are entries */
	FW_ENTRY_TAG = 3,
};

/*
 * An address index is a table of 65,536 entries, one for each value of the address's first 16 bits, on a
 * page of its own. An entry is the address of a struct fw_class, or of a struct fw_tree with the lowest bit
 * set. IPv4: the tree has 16-bit keys, for the rest of the address. IPv6: it has 64-bit keys, for bits 0 to
 * 63; its values, again, are classes or trees: for bits 64 to 127.
 */
enum { FW_INDEX_IS_TREE = 1 };

/* What the rules know of an address. */
struct fw_class {
	__u32 pair;   /* its number in the keys of the pairs; 0: in none */
	__u32 leaf;   /* entry: rules that name this end narrowly, and the other not */
	__u32 checks; /* address of bits, by fw_row.check: which broad addresses it is part of; 0: none */
	__u32 unused;
};
FW_ASSERT_SIZE(struct fw_class, 16);

/*
 * A static search tree of nine branches (S. Khuong, P. Morin, "Array layouts for comparison-based
 * searching", 2017): node k has eight sorted keys, its children are the nodes 9k + 1 to 9k + 9. The last key
 * that is not above the sought one gives the value; below all keys holds `below`. Unused keys are the
 * largest there is, and their values are that of the last used one.
 */
struct fw_tree {
	__u32 below;
	__u32 nodes;  /* how many */
	__u32 keys;   /* address: 16-bit keys behind the tree, on its page; 64-bit keys on a multiple of 16
			 words */
	__u32 values; /* address: eight for each node */
};
FW_ASSERT_SIZE(struct fw_tree, 16);
enum {
	FW_TREE_KEYS = 8,
	FW_TREE_LEVELS_16 = 6, /* (9^6 - 1) / 8 nodes have room for 531,440 keys */
	FW_TREE_LEVELS_64 = 8, /* 43,046,720 keys */
};

/* A bucket of the pairs. Pairs that it has no room for are in the next ones, at most FW_PAIR_PROBES on. */
enum {
	FW_BUCKET_PAIRS = 5,
	FW_PAIR_PROBES = 8,
};
struct fw_pair {
	__u32 source; /* fw_class.pair; 0: free */
	__u32 destination;
	__u32 leaf; /* entry */
};
struct fw_bucket {
	struct fw_pair pairs[FW_BUCKET_PAIRS];
	__u32 overflows; /* not 0: the next bucket is to be asked as well */
};
FW_ASSERT_SIZE(struct fw_bucket, 64);

/* Which bucket to ask first: a multiplicative hash (D. Knuth, TAOCP 3, 6.4). Only the compiler's own class
 * numbers go in, so that nobody outside can choose them. */
static inline __u32 fw_pair_hash(__u32 source, __u32 destination)
{
	__u64 mixed = ((__u64)source << 32 | destination) * 0x9e3779b97f4a7c15ull;

	return (__u32)((mixed ^ mixed >> 29) >> 24);
}

/* The protocols that a leaf is cut by. */
enum fw_kind {
	FW_KIND_OTHER = 0, /* not IP, without ports or type, or another protocol */
	FW_KIND_TCP = 1,
	FW_KIND_UDP = 2,
	FW_KIND_ICMP = 3,
	FW_KIND_ICMP6 = 4,
	FW_KIND_SCTP = 5,
	FW_KINDS = 8,
};
struct fw_kinds {
	__u32 leaf[FW_KINDS]; /* entries */
};

/*
 * What a packet is, in one word, so that a row compares it under a mask, without a branch for each field.
 */
enum {
	FW_TRAITS_PROTOCOL = 0xff,
	FW_TRAITS_FAMILY = 0xff << 8,
	FW_TRAITS_IP = 1 << 16,	      /* either family */
	FW_TRAITS_L4 = 1 << 17,	      /* ports, or type and code, are known */
	FW_TRAITS_PORTS = 1 << 18,    /* ports are known */
	FW_TRAITS_ETHERNET = 1 << 19, /* has hardware addresses */
};

enum fw_row_flags {
	FW_ROW_LAST = 1 << 0,  /* no row of this leaf follows */
	FW_ROW_RATED = 1 << 1, /* the rule has a rate: its bucket is asked when all before it is known */
	FW_ROW_LOGS = 1 << 2,  /* who listens is told: see struct fw_action */
};

/* One service of one rule. */
struct fw_row {
	__u32 priority; /* place of the rule in the order: smaller is asked first */
	__u32 rule;	/* index of its counters */
	__u32 traits;
	__u32 traits_mask;    /* the bits of `traits` that must be equal */
	__u16 selector_first; /* of fw_packet.selector, both ends, host byte order */
	__u16 selector_last;  /* 0 to 65535 where it does not matter */
	__u32 conditions;     /* address of struct fw_condition; 0: none */
	__u16 checks[2];      /* by enum fw_side: the bit of fw_class.checks, plus one; 0: none */
	__u16 where;	      /* the bit of the attachment's `where`; 0: holds everywhere */
	__u8 reason;	      /* enum fw_reason: gives the verdict; and FW_ROW_VARIES, FW_ROW_BANS */
	__u8 flags;	      /* enum fw_row_flags */
};
FW_ASSERT_SIZE(struct fw_row, 32);
enum {
	/* With `reason`, which is below 64. */
	FW_ROW_VARIES = 0x40, /* it may hold for one packet of a way of a flow and not for the next */
	FW_ROW_BANS = 0x80,   /* the rule puts the source into a set: see struct fw_action */
	FW_ROW_REASON = 0x3f,
};

/* Where a packet is sent on. */
struct fw_next_hop {
	__u32 output; /* number in fw_generation.outputs; 0: the one that the route to `via` names */
	__u8 family;  /* enum fw_family of `via`; none: the frame as it is */
	__u8 unused[3];
	struct fw_address via;
};
FW_ASSERT_SIZE(struct fw_next_hop, 24);

/* What the sender of a rejected packet is told. */
enum fw_answer {
	FW_ANSWER_AUTO = 0, /* a reset for TCP, port unreachable for the rest */
	FW_ANSWER_TCP_RESET = 1,
	FW_ANSWER_PORT_UNREACHABLE = 2,
	FW_ANSWER_HOST_UNREACHABLE = 3,
	FW_ANSWER_ADMIN_PROHIBITED = 4,
};

/* What a rule says of its action: see fw_tier.actions. */
struct fw_action {
	__u8 answer; /* enum fw_answer */
	__u8 unused;
	__u16 ban_set;	  /* number, plus one, of the dynamic set that the source is put into; 0: none */
	__u32 ban_for;	  /* seconds; 0: as long as the set says */
	__u32 rate;	  /* address of struct fw_rate; 0: the rule has none */
	__u32 log_one_of; /* of so many packets that are counted one is told, by chance; 0: none is */
	__u32 padding[6];
	struct fw_next_hop next_hop;
};
FW_ASSERT_SIZE(struct fw_action, 64);
enum { FW_ACTION_WORDS = 16 };

/*
 * What else has to hold. Conditions stand in a list; those of one group are alternatives.
 */
enum fw_condition_kind {
	FW_CONDITION_FIELD = 0,	  /* a piece of struct fw_packet lies between two values */
	FW_CONDITION_MEMBER = 1,  /* an address is in a dynamic set */
	FW_CONDITION_EXPIRES = 2, /* CLOCK_MONOTONIC in nanoseconds is below `last` */
};
enum fw_condition_flags {
	FW_CONDITION_NOT = 1 << 0,	  /* holds when it would not */
	FW_CONDITION_GROUP_ENDS = 1 << 1, /* the next one belongs to another group */
	FW_CONDITION_LIST_ENDS = 1 << 2,
};
enum { FW_MAX_CONDITIONS = 64 }; /* of one row */
struct fw_condition {
	__u8 kind;
	__u8 flags;
	__u8 word;  /* FIELD: the 64-bit word of the packet; MEMBER: enum fw_side */
	__u8 shift; /* FIELD: how far to the right */
	__u32 set;  /* MEMBER: its number */
	__u64 mask; /* FIELD */
	__u64 first;
	__u64 last;
};
FW_ASSERT_SIZE(struct fw_condition, 32);

/* Which end of the packet an address belongs to. */
enum fw_side {
	FW_SOURCE = 0,
	FW_DESTINATION = 1,
	FW_SIDES = 2,
};

/* Where to look an address up; struct fw_class is what comes out. */
struct fw_address_index {
	__u32 ipv4;	  /* address of the table; 0: no rule names IPv4 addresses at this end */
	__u32 ipv4_known; /* address of a bit for each /24: whether it is more than `outside`; 0: none kept */
	__u32 ipv6;
	/* The class of everything else: of packets that are not IP, of IPv4 and of IPv6 ones. */
	__u32 outside[3];
};

#endif
