/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every size that the data plane and the command agree on.
 *
 * Promises: one place per bound; a bound that is reached is an error with a message, never a silent cut.
 */
#ifndef FWCTL_ABI_LIMITS_H
#define FWCTL_ABI_LIMITS_H

enum {
	FW_MAX_ATTACHMENTS = 1024,     /* interfaces that carry our programs, per network namespace */
	FW_POLICY_TEXT_SIZE = 1 << 20, /* bytes of the live rules and their sets as TOML, with a NUL */
	FW_MAX_LIVE_RULES = 256,
	FW_INTERFACE_NAME_SIZE = 16, /* IFNAMSIZ */
	FW_LABEL_SIZE = 32,
	FW_SNAPSHOT_NAME_SIZE = 72, /* of the policy that was applied; a hash in hexadecimal and a NUL */

	/* Rules are counted in pages that are made as rules come: 1,048,576 rules. */
	FW_COUNTER_PAGE_SIZE = 1024,
	FW_COUNTER_PAGES = 1024,

	/* The compiled policy lies in pages, too: 256 KB each, 256 MB in each of four banks. */
	FW_PAGE_WORDS = 65536,
	FW_BANK_PAGES = 1024,
	FW_BANKS = 4,

	/*
	 * Token buckets (bucket.h): in pages of 256 KB that are made when the first rate needs them. One line
	 * for each rule, and 131,072 lines, 8 MB, for all sources, flows and so on of all rules.
	 */
	FW_BUCKET_PAGE_LINES = 4096,
	FW_RULE_BUCKET_PAGES = 256,
	FW_KEYED_BUCKET_PAGES = 32,

	FW_MAX_OUTPUTS = 64,	 /* interfaces that the rules and routes of a tier send to, and one */
	FW_MAX_ROUTES = 1 << 20, /* of the forwarding table */
	FW_MAX_DEVICES = 1024,	 /* interfaces that take frames from XDP */

	/* Answers to rejected packets, by each processor: a token bucket. */
	FW_ANSWERS_PER_SECOND = 1000,
	FW_ANSWER_BURST = 100,

	FW_FLOW_PAGE_BUCKETS = 4096, /* of the flow table; 8 MB, 40,960 confirmed flows at most */
	FW_FLOW_PAGES = 256,	     /* half of them for a table, half for the one that takes its place */

	FW_MAX_BACKENDS = 4096,	      /* and one: number 0 is nobody's */
	FW_MAX_SERVICES = 1024,	      /* as the policy has them: [vip.NAME] */
	FW_MAX_SERVICE_ROWS = 64,     /* protocols and ranges of ports of one address */
	FW_PLACED_PAGE_LINES = 16384, /* of the table of placed flows; 1 MB, 131,072 flows */
	FW_PLACED_PAGES = 8,
	FW_MAX_FRAGMENT_WAYS = 16384, /* packets in fragments that are balanced at a time */
	/* Translated flows; with full-nat each takes two. */
	FW_MAX_NEW_NAT = 65536,
	FW_MAX_CONFIRMED_NAT = 262144,

	FW_MAX_SETS = 1024,	  /* dynamic sets */
	FW_MAX_MEMBERS = 1 << 22, /* prefixes of all dynamic sets together; a set is replaced beside itself */

	FW_MAX_LISTENERS = 16,	 /* to events */
	FW_MAX_CAPTURED = 65535, /* bytes of a packet: what XDP's helper reads at a time */

	FW_MAX_VLAN_TAGS = 2, /* tags that are looked through; a third is judged by `vlan-depth` */
	FW_MAX_EXTENSION_HEADERS =
		10, /* IPv6 headers that are walked; one more is judged by `header-chain` */
};

#endif
