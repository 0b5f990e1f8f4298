/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One generation of the policy, as the programs read it.
 *
 * The map `policy` holds two of these, the map `control` one word. A packet reads the word once and then only
 * the generation that it names, so it never sees a mix. A writer fills the other one, stores the word, and
 * waits for a grace period of the kernel before it fills again.
 *
 * Finding the first match: every source prefix, destination prefix and attachment names the matches that
 * hold for it as a set of bits; the matches in all three sets are then compared one by one, lowest bit first.
 */
#ifndef FWCTL_ABI_POLICY_H
#define FWCTL_ABI_POLICY_H

#include <linux/types.h>

#include "fwctl/abi/assert.h"
#include "fwctl/abi/limits.h"
#include "fwctl/abi/packet.h"

/* The set of matches that hold: bit i of word i / 64 is match i. */
struct fw_match_set {
	__u64 words[FW_MATCH_WORDS];
};

/*
 * What a packet is, in one word, so that a match compares it under a mask, without a branch for each field:
 * ethertype << 32 | flags << 16 | family << 8 | protocol.
 */
enum {
	FW_TRAITS_PROTOCOL = 0xff,
	FW_TRAITS_FAMILY = 0xff << 8,
	FW_TRAITS_IP = 1 << 16, /* either family */
	FW_TRAITS_L4 = 1 << 17, /* ports or type and code are known */
};
#define FW_TRAITS_ETHERTYPE_SHIFT 32

/* One row of the ordered list; a rule with several services takes several rows. Ranges hold both ends, host
 * byte order. */
struct fw_match {
	__u64 traits;
	__u64 traits_mask;    /* the bits of `traits` that must be equal */
	__u64 expires;	      /* nanoseconds of CLOCK_MONOTONIC; 0: never */
	__u16 selector_first; /* of fw_packet.selector: destination port, or ICMP type << 8 | code */
	__u16 selector_last;  /* 0 to 65535 where it does not matter: then a packet without ports passes, too
			       */
	__u16 source_port_first;
	__u16 source_port_last;
	__u16 rule;  /* index of its counters in `rule_counters` */
	__u8 reason; /* FW_REASON_RULE_ALLOW or FW_REASON_RULE_DENY: gives the verdict */
	__u8 unused[5];
};
FW_ASSERT_SIZE(struct fw_match, 40);

/* Which end of the packet a prefix is compared with. */
enum fw_side {
	FW_SOURCE = 0,
	FW_DESTINATION = 1,
	FW_SIDES = 2,
};

/*
 * Key of the prefix trie. The trie compares bits from `half` on, so the three bytes before the address,
 * always compared in full (prefix_length counts 24 bits for them), make it twelve tries in one.
 */
struct fw_prefix_key {
	__u32 prefix_length; /* 24 + bits of the address, host byte order */
	__u8 half;	     /* generation & 1 */
	__u8 side;	     /* enum fw_side */
	__u8 family;	     /* 4 or 6 */
	__u8 address[16];    /* network byte order; IPv4 in the first four bytes */
	__u8 unused;	     /* beyond any prefix: pads the key */
};
FW_ASSERT_SIZE(struct fw_prefix_key, 24);
enum { FW_PREFIX_KEY_FIXED_BITS = 24 };

/* How an attachment takes part in a generation. */
struct fw_attachment_policy {
	struct fw_match_set matches[FW_DIRECTIONS]; /* whose direction and `on` hold here */
	__u64 enabled;				    /* 0: the programs pass every packet, uncounted */
};
FW_ASSERT_SIZE(struct fw_attachment_policy, 72);

/* Where its rules came from, and what is not part of their text. */
struct fw_rule_state {
	__u64 expires; /* as in fw_match */
	__u16 counter; /* index in `rule_counters` */
	__u8 unused[6];
};
FW_ASSERT_SIZE(struct fw_rule_state, 16);

struct fw_generation {
	struct fw_match matches[FW_MAX_MATCHES];
	/*
	 * The matches that hold for an address that no prefix covers, by side: those whose rule does not name
	 * that side. Packets that are not IP take these. `has_prefixes` says, by side and family, whether the
	 * trie must be asked.
	 */
	struct fw_match_set unrestricted[FW_SIDES];
	__u8 has_prefixes[FW_SIDES][2]; /* second index: 0 for IPv4, 1 for IPv6 */
	__u8 unused[4];
	struct fw_attachment_policy attachments[FW_MAX_ATTACHMENTS];

	/* What the programs do not read: the live rules as text, and for each, in its order, the rest. */
	struct fw_rule_state rules[FW_MAX_RULES];
	__u32 rule_count;
	__u32 text_size; /* bytes before the NUL */
	char text[FW_POLICY_TEXT_SIZE];
};

/* The one word that switches: its lowest bit is the half of `policy` that holds. */
struct fw_control {
	__u64 generation;
};

#endif
