/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The short cut of the second stage: what was decided of a packet holds for the next one of the same flow,
 * the same way and the same attachment.
 *
 * Promises: the decision that fw_classify() would come to. One is kept when the rule that decided holds for
 * all packets of its kind (FW_ROW_VARIES) and no rule that counts stands before it. Rules before it that may
 * hold for one packet and not for another are asked each time; there may be FW_RECALL_ROWS of them. When a
 * rule of a new generation denies what was let pass, the flow is over.
 */
#ifndef FWCTL_BPF_RECALL_H
#define FWCTL_BPF_RECALL_H

#include "fwctl/bpf/classify.h"
#include "fwctl/bpf/flow_table.h"

enum { FW_RECALL_ROWS = 16 };

/* Room for what would not fit on the stack; by processor. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fw_search);
} recall_room SEC(".maps");

/*
 * Of ICMP a flow does not say the code, on which rules may depend. A later fragment has its state from the
 * first one, and an assumed one is nobody's: they were not looked up.
 */
static __always_inline bool fw_may_recall(const struct fw_packet *packet)
{
	if (fw_tracing && fw_last.assumed_state)
		return false;
	return !fw_silent && packet->state == FW_STATE_ESTABLISHED && !(packet->flags & FW_PACKET_PROXIED) &&
	       packet->fragment != FW_FRAGMENT_LATER && packet->protocol != IPPROTO_ICMP &&
	       packet->protocol != IPPROTO_ICMPV6;
}

/* Whether the row may hold: the classes of the addresses are not known here. */
static __always_inline bool fw_row_may_hold(const struct fw_packet *packet, const struct fw_search *search,
					    const struct fw_row *row)
{
	if ((row->traits ^ search->traits) & row->traits_mask || packet->selector < row->selector_first ||
	    packet->selector > row->selector_last)
		return false;
	return (!row->where || fw_row_is_here(search, row->where)) &&
	       (!row->conditions || fw_conditions_hold(packet, search->bank, row->conditions));
}

/* Whether no row of the leaf search->next, of those before a priority, may hold for this packet. */
__noinline int fw_none_may_hold(const struct fw_packet *packet, const struct fw_search *search, __u32 before)
{
	const struct fw_page *page;
	__u32 address;

	if (!packet || !search)
		return false;
	address = search->next;
	page = fw_page_at(search->bank, address);
	if (!page)
		return false;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < FW_RECALL_ROWS; i++) {
		const struct fw_row *row = (const void *)fw_words_on(page, address, 8);

		if (row->priority >= before)
			return true;
		if (fw_row_may_hold(packet, search, row))
			return false;
		if (row->flags & FW_ROW_LAST)
			return true;
		address += 8;
		/* As in fw_conditions_hold(). */
		asm volatile("" : "+r"(address));
		if (address % FW_PAGE_WORDS == 0)
			return false;
	}
	return false;
}

static __always_inline struct fw_search *fw_search_of(const struct fw_packet *packet,
						      const struct fw_generation *generation)
{
	__u32 zero = 0;
	struct fw_search *search = bpf_map_lookup_elem(&recall_room, &zero);

	if (!search)
		return NULL;
	search->front = generation->tiers[FW_FRONT].bank;
	search->traits = fw_traits_of(packet);
	search->kind = fw_kind_of(packet);
	return search;
}

/* The rows of a leaf of a tier that packets of this kind and port ask. */
static __always_inline bool fw_seek_rows(const struct fw_packet *packet, struct fw_search *search,
					 const struct fw_tier *tier, __u32 leaf)
{
	search->bank = tier->bank;
	search->next = leaf ? fw_rows_of(search, packet->selector, leaf) : 0;
	return search->next;
}

/* Up to which priority rules of a tier stand before the one that decided. */
static __always_inline __u32 fw_before(__u8 decided_in, __u32 priority, __u8 tier)
{
	return decided_in == tier ? priority : FW_NO_RULE;
}

/* True: the decision is known. */
__noinline int fw_recall(const struct fw_packet *packet, const struct fw_generation *generation, __u32 number,
			 __u32 direction, struct fw_decision *decision)
{
	__u32 zero = 0;
	const struct fw_flow_room *room = bpf_map_lookup_elem(&flow_room, &zero);
	const struct fw_attachment_policy *here;
	const struct fw_flow_verdict *kept;
	struct fw_search *search;

	if (!packet || !generation || !decision || !room)
		return false;
	kept = &room->verdict;
	if (kept->generation != number || kept->place != fw_place_of(fw_slot, direction))
		return false;
	search = fw_search_of(packet, generation);
	if (!search)
		return false;
	here = &generation->attachments[fw_slot & (FW_MAX_ATTACHMENTS - 1)];
	search->where = here->where[FW_FRONT][direction & 1];
	if (fw_seek_rows(packet, search, &generation->tiers[FW_FRONT], generation->tiers[FW_FRONT].varying) &&
	    !fw_none_may_hold(packet, search, fw_before(kept->tier, kept->priority, FW_FRONT)))
		return false;
	if (kept->tier == FW_MAIN) {
		search->where = here->where[FW_MAIN][direction & 1];
		if (fw_seek_rows(packet, search, &generation->tiers[FW_MAIN],
				 generation->tiers[FW_MAIN].varying) &&
		    !fw_none_may_hold(packet, search, kept->priority))
			return false;
	}
	*decision = (struct fw_decision){
		.reason = kept->reason, .tier = kept->tier, .rule = kept->rule, .priority = kept->priority};
	return true;
}

/* Whether a rule that counts may stand before the decision. */
static __always_inline bool fw_may_count(const struct fw_packet *packet, struct fw_search *search,
					 const struct fw_tier *tier, __u32 before)
{
	const struct fw_row *first;

	if (!fw_seek_rows(packet, search, tier, tier->going_on))
		return false;
	first = (const void *)fw_words_at(search->bank, search->next, 8);
	return !first || first->priority < before;
}

__noinline int fw_counts_nothing(const struct fw_packet *packet, const struct fw_generation *generation,
				 const struct fw_decision *decision)
{
	struct fw_search *search;

	if (!packet || !generation || !decision)
		return false;
	search = fw_search_of(packet, generation);
	if (!search || fw_may_count(packet, search, &generation->tiers[FW_FRONT],
				    fw_before(decision->tier, decision->priority, FW_FRONT)))
		return false;
	return decision->tier == FW_FRONT ||
	       !fw_may_count(packet, search, &generation->tiers[FW_MAIN], decision->priority);
}

/* Keeps a verdict with its flow; or ends the flow. */
__noinline int fw_keep_verdict(const struct fw_flow_table *table, const struct fw_following *following,
			       const struct fw_flow_verdict *verdict, __u32 ends)
{
	struct fw_flow_bucket *bucket;
	__u32 tag, way, sender;
	__u64 hash;

	if (!table || !following || !verdict)
		return 0;
	hash = following->hash;
	tag = fw_flow_tag(hash);
	bucket = fw_flow_bucket_of(table, hash);
	if (!bucket || !fw_lock(&bucket->lock))
		return 0;
	way = fw_find_way(bucket, &following->key, tag);
	sender = following->sender;
	asm volatile("" : "+r"(sender));
	if (way != FW_NO_WAY && ends) {
		if (!fw_tcp_is_over(fw_flow_at(bucket, way)->state))
			fw_note_flow(FW_HAPPENED_CLOSED,
				     fw_flow_at(bucket, way)->flags & FW_FLOW_OPENED_BY_SECOND);
		fw_set_tag(bucket, way, 0);
	} else if (way != FW_NO_WAY)
		fw_flow_at(bucket, way)->verdicts[sender & 1] = *verdict;
	fw_unlock(&bucket->lock);
	return 0;
}

/* Keeps the decision when it will be the same for the next packet. What another attachment has kept stays. */
__noinline int fw_remember(const struct fw_packet *packet, const struct fw_generation *generation,
			   __u32 number, __u32 direction, const struct fw_decision *decision)
{
	__u32 zero = 0;
	const struct fw_control *held = bpf_map_lookup_elem(&control, &zero);
	struct fw_flow_room *room = bpf_map_lookup_elem(&flow_room, &zero);
	struct fw_flow_verdict *kept;
	bool ends;

	if (!packet || !generation || !decision || !held || !room)
		return 0;
	kept = &room->verdict;
	if (decision->varies || decision->bans || kept->generation == number)
		return 0;
	ends = kept->generation && kept->place == fw_place_of(fw_slot, direction) &&
	       fw_verdict_of(kept->reason) != FW_DROP && fw_verdict_of(decision->reason) == FW_DROP;
	if (!ends && !fw_counts_nothing(packet, generation, decision))
		return 0;
	*kept = (struct fw_flow_verdict){
		.generation = number,
		.rule = decision->rule,
		.priority = decision->priority,
		.place = fw_place_of(fw_slot, direction),
		.reason = decision->reason,
		.tier = decision->tier,
	};
	return fw_keep_verdict(&held->flows, &room->following, kept, ends);
}

#endif
