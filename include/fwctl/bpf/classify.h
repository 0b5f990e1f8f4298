/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Second stage: the first rule that matches, and the rules before it that only count.
 *
 * Promises: what a walk over all rules in their order would give. A packet that is not IP matches no rule
 * with an address, a later fragment none with a port. include/fwctl/abi/image.h says how a rule is found.
 */
#ifndef FWCTL_BPF_CLASSIFY_H
#define FWCTL_BPF_CLASSIFY_H

#include <linux/in.h>
#include <linux/in6.h>

#include "fwctl/bpf/address.h"
#include "fwctl/bpf/count.h"
#include "fwctl/bpf/decision.h"
#include "fwctl/bpf/log.h"
#include "fwctl/bpf/rate.h"
#include "fwctl/bpf/row.h"

enum {
	FW_SCAN_ROWS = 16, /* of a leaf at a time */
	FW_MAX_SCANS = 1 << 20,
	FW_MAX_STEPS = 1 << 23, /* of a search that asks buckets: what bpf_loop() takes at most */
};

static __always_inline __u32 fw_traits_of(const struct fw_packet *packet)
{
	__u32 traits = packet->family << 8 | packet->protocol;

	if (packet->family != FW_FAMILY_NONE)
		traits |= FW_TRAITS_IP;
	if (fw_link == FW_LINK_ETHERNET)
		traits |= FW_TRAITS_ETHERNET;
	if (packet->flags & FW_PACKET_L4) {
		traits |= FW_TRAITS_L4;
		if (packet->protocol == IPPROTO_TCP || packet->protocol == IPPROTO_UDP ||
		    packet->protocol == IPPROTO_SCTP)
			traits |= FW_TRAITS_PORTS;
	}
	return traits;
}

static __always_inline __u32 fw_kind_of(const struct fw_packet *packet)
{
	if (!(packet->flags & FW_PACKET_L4))
		return FW_KIND_OTHER;
	switch (packet->protocol) {
	case IPPROTO_TCP:
		return FW_KIND_TCP;
	case IPPROTO_UDP:
		return FW_KIND_UDP;
	case IPPROTO_ICMP:
		return FW_KIND_ICMP;
	case IPPROTO_ICMPV6:
		return FW_KIND_ICMP6;
	default:
		return FW_KIND_SCTP;
	}
}

/* From an entry to the address of its rows. */
static __always_inline __u32 fw_rows_of(const struct fw_search *search, __u16 selector, __u32 entry)
{
	if ((entry & FW_ENTRY_TAG) == FW_ENTRY_KINDS)
		entry = fw_word_at(search->bank, (entry & ~FW_ENTRY_TAG) + search->kind);
	if ((entry & FW_ENTRY_TAG) == FW_ENTRY_TREE)
		entry = fw_tree_find_16(search->bank, entry, selector);
	return entry;
}

/* What a row that holds means. True: the leaf is done. */
static __always_inline bool fw_take_row(const struct fw_packet *packet, struct fw_search *search,
					const struct fw_row *row)
{
	bool rated = row->flags & FW_ROW_RATED;

	if (!search->counts_only) {
		search->best = row->priority;
		search->rule = row->rule;
		search->reason = row->reason;
		search->asks = rated ? FW_ASKS_DECIDING : FW_ASKS_NOTHING;
		return true;
	}
	if (row->priority == search->counted)
		return false;
	search->counted = row->priority;
	if (rated) {
		search->asks = FW_ASKS_COUNTING;
		return false;
	}
	fw_count_rule(row->rule, packet);
	if (row->flags & FW_ROW_LOGS && fw_hears(FW_RULE_LOGGED))
		search->asks = FW_ASKS_TELLING;
	return false;
}

/* The rows of the next leaf; 0: all are searched. */
static __always_inline __u32 fw_next_leaf(struct fw_search *search)
{
	__u32 leaf = search->leaf, rows;

	if (leaf >= FW_LEAVES)
		return 0;
	asm volatile("" : "+r"(leaf));
	leaf &= FW_LEAVES - 1;
	rows = search->leaves[leaf];
	search->leaf = leaf + !!rows;
	return rows;
}

/* Whether the search of a leaf ends with this row. */
static __always_inline bool fw_ends_leaf(const struct fw_packet *packet, struct fw_search *search,
					 const struct fw_row *row)
{
	enum fw_row_part part;

	if (row->priority >= search->best)
		return true;
	part = fw_row_holds(packet, search, row);
	if (fw_tracing && row->priority >= search->from)
		fw_trace_row(row->rule, part);
	if (part == FW_ROW_HELD && row->priority >= search->from && fw_take_row(packet, search, row))
		return true;
	return row->flags & FW_ROW_LAST;
}

/*
 * Compares the next rows, of one leaf behind the other; what is left when FW_SCAN_ROWS did not suffice is in
 * `next`. A global function: the verifier goes through it once. All leaves in one call: what a processor does
 * at each return so that nobody can mislead it costs as much as some rows.
 */
__noinline int fw_scan_rows(const struct fw_packet *packet, struct fw_search *search)
{
	const struct fw_page *page;
	__u32 address;

	if (!packet || !search)
		return 0;
	address = search->next;
	search->next = 0;
	page = fw_page_at(search->bank, address);
	if (!page)
		return 0;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < FW_SCAN_ROWS; i++) {
		bool ends = fw_ends_leaf(packet, search, (const void *)fw_words_on(page, address, 8));

		address = ends ? 0 : address + 8;
		/* As in fw_conditions_hold(). */
		asm volatile("" : "+r"(address));
		if (search->asks >= FW_ASKS_COUNTING)
			break;
		if (ends) {
			address = fw_next_leaf(search);
			if (!address)
				return 0;
		}
		if (ends || address % FW_PAGE_WORDS == 0) {
			page = fw_page_at(search->bank, address);
			if (!page)
				return 0;
		}
	}
	search->next = address;
	return 0;
}

struct fw_long_search {
	const struct fw_packet *packet;
	struct fw_search *search;
};

static long fw_scan_on(__u32 turn, struct fw_long_search *on)
{
	(void)turn;
	fw_scan_rows(on->packet, on->search);
	return on->search->next == 0 || on->search->asks >= FW_ASKS_COUNTING;
}

static __always_inline void fw_scan_leaves(const struct fw_packet *packet, struct fw_search *search)
{
	search->leaf = 0;
	search->next = fw_next_leaf(search);
	if (!search->next)
		return;
	fw_scan_rows(packet, search);
	if (search->next && search->asks < FW_ASKS_COUNTING) {
		struct fw_long_search on = {packet, search};

		bpf_loop(FW_MAX_SCANS, fw_scan_on, &on, 0);
	}
}

/* The leaf of two classes that are narrow together. */
static __always_inline __u32 fw_find_pair(const struct fw_tier *tier, __u32 source, __u32 destination)
{
	__u32 place = fw_pair_hash(source, destination);

#pragma clang loop unroll(disable)
	for (__u32 probe = 0; probe < FW_PAIR_PROBES; probe++, place++) {
		const struct fw_bucket *bucket = (const void *)fw_words_at(
			tier->bank, tier->pairs + (place & tier->pair_mask) * 16, 16);

		if (!bucket)
			return 0;
#pragma unroll
		for (__u32 i = 0; i < FW_BUCKET_PAIRS; i++)
			if (bucket->pairs[i].source == source && bucket->pairs[i].destination == destination)
				return bucket->pairs[i].leaf;
		if (!bucket->overflows)
			return 0;
	}
	return 0;
}

/* `leaf`: an entry; `count`: how many leaves there are already. */
static __always_inline void fw_put_leaf(const struct fw_packet *packet, struct fw_search *search,
					__u32 *count, __u32 leaf)
{
	__u32 rows = leaf ? fw_rows_of(search, packet->selector, leaf) : 0, at = *count;

	asm volatile("" : "+r"(at));
	at &= FW_LEAVES - 1;
	search->leaves[at] = rows;
	*count = at + !!rows;
}

static __always_inline void fw_begin_counting(const struct fw_packet *packet, struct fw_search *search,
					      const struct fw_tier *tier)
{
	search->counts_only = true;
	/* Those in front of a rule whose rate did not hold are reached, too. */
	search->from = 0;
	search->leaves[0] = fw_rows_of(search, packet->selector, tier->going_on);
	search->leaves[1] = search->leaf = 0;
}

/* Searches one tier, up to the first bucket that is to be asked. A global function: there are two tiers and
 * one verification. */
__noinline int fw_search_tier(const struct fw_packet *packet, struct fw_search *search,
			      const struct fw_tier *tier)
{
	struct fw_class source, destination;
	__u32 leaves = 0;

	if (!packet || !search || !tier)
		return 0;
	search->bank = tier->bank;
	source = fw_class_of(tier, FW_SOURCE, packet->family, &packet->source);
	search->checks[FW_SOURCE] = source.checks;
	destination = fw_class_of(tier, FW_DESTINATION, packet->family, &packet->destination);
	search->checks[FW_DESTINATION] = destination.checks;
	search->leaves[0] = search->leaves[1] = search->leaves[2] = search->leaves[3] = 0;
	if (source.pair && destination.pair)
		fw_put_leaf(packet, search, &leaves, fw_find_pair(tier, source.pair, destination.pair));
	fw_put_leaf(packet, search, &leaves, source.leaf);
	fw_put_leaf(packet, search, &leaves, destination.leaf);
	fw_put_leaf(packet, search, &leaves, tier->rest.leaf[search->kind & (FW_KINDS - 1)]);
	fw_scan_leaves(packet, search);
	if (tier->going_on && !search->asks) {
		fw_begin_counting(packet, search, tier);
		fw_scan_leaves(packet, search);
		/* Else fw_settle_rates() goes on. */
		if (!search->asks)
			search->counts_only = false;
	}
	return 0;
}

/* All leaves are searched. True: so is the tier. */
static __always_inline bool fw_end_leaves(const struct fw_packet *packet, struct fw_search *search,
					  const struct fw_tier *tier)
{
	search->leaf = 0;
	if (search->asks == FW_ASKS_DECIDING) {
		search->asks = FW_ASKS_NOTHING;
		if (!fw_ask_rate(packet, tier, search->best, false)) {
			search->from = search->best + 1;
			search->best = search->rule = FW_NO_RULE;
			return false;
		}
	} else if (search->counts_only) {
		search->counts_only = false;
		return true;
	}
	if (tier->going_on)
		fw_begin_counting(packet, search, tier);
	return !tier->going_on;
}

/* What a step of the search has come to, beside nothing. */
enum { FW_SETTLED_ALL = 1, FW_SETTLED_COUNT = 2 };

/*
 * One step of the search: a bucket is asked, or a piece of a leaf searched. FW_SETTLED_COUNT: the row of
 * search->counted is counted, which who listens may want to know. A global function: the verifier would go
 * through all values that the search may have.
 */
__noinline int fw_settle_step(const struct fw_packet *packet, struct fw_search *search,
			      const struct fw_tier *tier)
{
	__u8 asks;

	if (!packet || !search || !tier)
		return FW_SETTLED_ALL;
	asks = search->asks;
	if (asks >= FW_ASKS_COUNTING) {
		search->asks = FW_ASKS_NOTHING;
		if (asks == FW_ASKS_TELLING || fw_ask_rate(packet, tier, search->counted, true))
			return FW_SETTLED_COUNT;
	}
	if (!search->next)
		search->next = fw_next_leaf(search);
	if (!search->next)
		return fw_end_leaves(packet, search, tier);
	fw_scan_rows(packet, search);
	return 0;
}

struct fw_settling {
	const struct fw_packet *packet;
	struct fw_search *search;
	const struct fw_tier *tier;
};

static long fw_settle_on(__u32 turn, struct fw_settling *settling)
{
	int done = fw_settle_step(settling->packet, settling->search, settling->tier);

	(void)turn;
	/* Here rather than in the step, which has no room left on the stack of 6.1. */
	if (done == FW_SETTLED_COUNT)
		fw_log(settling->packet, settling->tier, settling->search->counted);
	/* The verifier knows nothing of what a global function answers, clang does. */
	asm volatile("" : "+r"(done));
	return done & FW_SETTLED_ALL;
}

/*
 * Goes on with a search that stopped at a rule with a rate: the bucket is asked, now that no rule before it
 * decides, and where the rate does not hold, the rules behind it are searched, until one decides that has no
 * rate or whose rate holds. Not inlined: packets that meet no rate have its stack for themselves.
 */
static __noinline void fw_settle_rates(const struct fw_packet *packet, struct fw_search *search,
				       const struct fw_tier *tier)
{
	struct fw_settling settling = {packet, search, tier};

	bpf_loop(FW_MAX_STEPS, fw_settle_on, &settling, 0);
}

/* Whether a tier has rules that a packet of that kind could meet. */
static __always_inline bool fw_tier_asks(const struct fw_tier *tier, __u32 kind)
{
	asm volatile("" : "+r"(kind));
	kind &= FW_KINDS - 1;
	return tier->asks_addresses & FW_TIER_FINDS || tier->going_on || tier->rest.leaf[kind];
}

/* Whether rows of one leaf are all that is to be searched: of addresses nothing is asked, and none counts and
 * goes on. */
static __always_inline bool fw_is_one_leaf(const struct fw_tier *tier, __u32 entry)
{
	return !(tier->asks_addresses | tier->going_on | (entry & FW_ENTRY_TAG));
}

/* Searches one tier, buckets and all. One leaf is searched from here, without a call for the way there. */
static __always_inline void fw_ask_tier(const struct fw_packet *packet, struct fw_search *search,
					const struct fw_tier *tier)
{
	__u32 kind = search->kind, entry;

	asm volatile("" : "+r"(kind));
	entry = tier->rest.leaf[kind & (FW_KINDS - 1)];
	if (fw_is_one_leaf(tier, entry)) {
		search->bank = tier->bank;
		search->checks[FW_SOURCE] = search->checks[FW_DESTINATION] = 0;
		search->leaves[0] = search->next = entry;
		search->leaves[1] = 0;
		search->leaf = 1;
		fw_scan_rows(packet, search);
	} else {
		fw_search_tier(packet, search, tier);
	}
	if (search->asks || search->next)
		fw_settle_rates(packet, search, tier);
}

static __always_inline struct fw_decision fw_search_tiers(const struct fw_packet *packet,
							  const struct fw_generation *generation,
							  __u32 direction, __u32 kind)
{
	const struct fw_attachment_policy *here =
		&generation->attachments[fw_slot & (FW_MAX_ATTACHMENTS - 1)];
	struct fw_search search = {
		.front = generation->tiers[FW_FRONT].bank,
		.traits = fw_traits_of(packet),
		.kind = kind,
		.best = FW_NO_RULE,
		.rule = FW_NO_RULE,
		.counted = FW_NO_RULE,
	};
	__u8 tier = FW_FRONT;

	if (fw_tier_asks(&generation->tiers[FW_FRONT], kind)) {
		search.where = here->where[FW_FRONT][direction];
		fw_ask_tier(packet, &search, &generation->tiers[FW_FRONT]);
	}
	if (search.rule == FW_NO_RULE && fw_tier_asks(&generation->tiers[FW_MAIN], kind)) {
		tier = FW_MAIN;
		search.where = here->where[FW_MAIN][direction];
		fw_ask_tier(packet, &search, &generation->tiers[FW_MAIN]);
	}
	if (search.rule == FW_NO_RULE)
		search.reason = generation->default_reason[direction];
	return (struct fw_decision){.reason = search.reason & FW_ROW_REASON,
				    .tier = tier,
				    .bans = search.reason & FW_ROW_BANS,
				    .varies = search.reason & FW_ROW_VARIES,
				    .rule = search.rule,
				    .priority = search.best};
}

static __always_inline struct fw_decision fw_classify(const struct fw_packet *packet,
						      const struct fw_generation *generation, __u32 direction)
{
	__u32 kind = fw_kind_of(packet);

	if (fw_tier_asks(&generation->tiers[FW_FRONT], kind) ||
	    fw_tier_asks(&generation->tiers[FW_MAIN], kind))
		return fw_search_tiers(packet, generation, direction, kind);
	return (struct fw_decision){
		.reason = generation->default_reason[direction], .rule = FW_NO_RULE, .priority = FW_NO_RULE};
}

#endif
