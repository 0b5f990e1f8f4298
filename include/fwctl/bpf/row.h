/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whether one row of a leaf holds for a packet.
 *
 * Promises: everything that the way to the leaf did not decide is compared here, and exactly.
 */
#ifndef FWCTL_BPF_ROW_H
#define FWCTL_BPF_ROW_H

#include "fwctl/abi/trace.h"
#include "fwctl/bpf/bank.h"
#include "fwctl/bpf/members.h"

/* By its two ends together, by each of them, and by none. */
enum { FW_LEAVES = 4 };

/* Whether the search stopped to ask a bucket (classify.h). */
enum fw_asks {
	FW_ASKS_NOTHING = 0,
	FW_ASKS_DECIDING = 1, /* whether the best row holds, when all leaves are searched */
	FW_ASKS_COUNTING = 2, /* whether the row that was counted last is, before the next */
	FW_ASKS_TELLING = 3,  /* the same of one that is counted already: who listens is told */
};

/* One packet's search through one tier. */
struct fw_search {
	__u32 bank;
	__u32 front;		 /* the bank that has the bits of `where` */
	__u32 where;		 /* address */
	__u32 checks[2];	 /* by side: address of what the class of the address is part of */
	__u32 traits;		 /* of the packet: enum in image.h */
	__u32 leaves[FW_LEAVES]; /* addresses of their rows; 0: there is none, nor any behind it */
	__u32 best;		 /* priority below which rows are still of interest */
	__u32 rule;		 /* of the best row so far; FW_NO_RULE: none */
	__u32 next;		 /* the row to go on with; 0: that of the next leaf */
	__u32 counted;		 /* priority of the rule that was counted last: it has several rows */
	__u32 from;	  /* priority from which on rows are of interest: those before have been asked */
	__u8 reason;	  /* of the best row */
	__u8 counts_only; /* rows that hold are counted, and the search goes on */
	__u8 asks;	  /* enum fw_asks */
	__u8 kind : 4;	  /* enum fw_kind */
	__u8 leaf : 4;	  /* how many of the leaves are begun */
};

static __always_inline bool fw_is_in_prefix(struct fw_member_key *key)
{
	__u32 bits = key->family == FW_FAMILY_IPV4 ? 32 : 128;

	/* A member whose time is over hides the longer-lived block around it: look behind it. */
#pragma clang loop unroll(disable)
	for (__u32 turn = 0; turn < 8; turn++) {
		const struct fw_member *member;

		key->prefix_length = FW_MEMBER_KEY_FIXED_BITS + bits;
		member = bpf_map_lookup_elem(&members, key);
		if (!member)
			return false;
		if (member->expires == 0 || bpf_ktime_get_coarse_ns() < member->expires)
			return true;
		if (member->bits == 0 || member->bits > bits)
			return false;
		bits = member->bits - 1;
	}
	return false;
}

/*
 * The look-up in a set comes in two pieces, which hand over what they know in room of their own: the stack
 * has none, and each piece needs less of it than both together.
 */
static __always_inline int fw_seek_member(const struct fw_packet *packet, __u32 number, __u8 side)
{
	const struct fw_address *address = side == FW_SOURCE ? &packet->source : &packet->destination;
	struct fw_member_query *query;
	const struct fw_set *set;
	struct fw_sets *all;
	__u32 zero = 0;

	all = bpf_map_lookup_elem(&sets, &zero);
	query = bpf_map_lookup_elem(&member_queries, &zero);
	if (!all || !query)
		return 0;
	asm volatile("" : "+r"(number));
	number &= FW_MAX_SETS - 1;
	set = &all->by_number[number];
	query->state = FW_READ(set->state);
	query->set = number;
	query->key.set = fw_trie_number(number, query->state);
	query->key.family = packet->family;
	__builtin_memcpy(query->key.address, address->bytes, sizeof(query->key.address));
	__builtin_memcpy(&query->host.high, address->bytes, 8);
	__builtin_memcpy(&query->host.low, address->bytes + 8, 8);
	query->host.now = bpf_ktime_get_coarse_ns() >> FW_HOST_TICK_SHIFT;
	fw_seek_host(&query->host, set->key, packet->family);
	return 1;
}

__noinline int fw_find_member(void)
{
	__u32 zero = 0, number;
	const struct fw_sets *all = bpf_map_lookup_elem(&sets, &zero);
	struct fw_member_query *query = bpf_map_lookup_elem(&member_queries, &zero);

	if (!all || !query)
		return false;
		/* First where hosts are moved from: what is missing there has come to the other table before.
		 */
#pragma clang loop unroll(disable)
	for (__u32 turn = query->state & FW_SET_MOVING ? 0 : 1; turn < 2; turn++) {
		const struct fw_set *set;
		__u32 place;

		number = FW_READ(query->set);
		asm volatile("" : "+r"(number));
		number &= FW_MAX_SETS - 1;
		set = &all->by_number[number];
		place = FW_READ(query->state) ^ turn ^ 1;
		asm volatile("" : "+r"(place));
		place &= FW_SET_TABLE;
		if (!FW_READ(set->tables[place].hosts))
			continue;
		query->host.first_page = FW_READ(set->tables[place].first_page);
		query->host.mask = FW_READ(set->tables[place].mask);
		if (!fw_is_over(fw_find_host(&query->host), FW_READ(query->host.now)))
			return true;
	}
	return FW_READ(query->state) & FW_SET_PREFIXES && fw_is_in_prefix(&query->key);
}

/*
 * One condition: whether it holds, and its flags, of which FW_CONDITION_NOT is dealt with but for
 * FW_CONDITION_SEEKS, which leaves it to fw_find_member(). Global, as what follows asks for many.
 */
enum {
	FW_CONDITION_HOLDS = 1 << 8,
	FW_CONDITION_SEEKS = 1 << 9,
};

__noinline int fw_ask_condition(const struct fw_packet *packet, __u32 bank, __u32 address)
{
	const struct fw_condition *condition = (const void *)fw_words_at(bank, address, 8);
	bool holds = false;
	__u64 value;
	__u32 word;

	if (!packet || !condition)
		return FW_CONDITION_GROUP_ENDS | FW_CONDITION_LIST_ENDS;
	switch (condition->kind) {
	case FW_CONDITION_MEMBER:
		if (packet->family != FW_FAMILY_NONE &&
		    fw_seek_member(packet, condition->set, condition->word))
			return condition->flags | FW_CONDITION_SEEKS;
		break;
	case FW_CONDITION_EXPIRES:
		holds = bpf_ktime_get_coarse_ns() < condition->last;
		break;
	case FW_CONDITION_FIELD:
		word = condition->word;
		asm volatile("" : "+r"(word));
		if (word < sizeof(*packet) / sizeof(value)) {
			value = ((const __u64 *)packet)[word] >> (condition->shift & 63) & condition->mask;
			holds = condition->first <= value && value <= condition->last;
		}
		break;
	}
	return condition->flags | (holds ? FW_CONDITION_HOLDS : 0);
}

__noinline int fw_conditions_hold(const struct fw_packet *packet, __u32 bank, __u32 address)
{
	int group = 0;

	if (!packet)
		return false;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < FW_MAX_CONDITIONS; i++) {
		int answer = fw_ask_condition(packet, bank, address);

		if (answer & FW_CONDITION_SEEKS && !fw_find_member() == !!(answer & FW_CONDITION_NOT))
			answer |= FW_CONDITION_HOLDS;
		group |= answer & FW_CONDITION_HOLDS;
		if (answer & FW_CONDITION_GROUP_ENDS) {
			if (!group || answer & FW_CONDITION_LIST_ENDS)
				return group != 0;
			group = 0;
		}
		address += 8;
		/* Without it clang 14 counts the turns by the address, whose bounds the verifier does not
		 * know. */
		asm volatile("" : "+r"(address));
	}
	return false;
}

/* What few rows ask; a function of its own, so that the scan stays small. */
__noinline int fw_row_is_here(const struct fw_search *search, __u32 where)
{
	return search && fw_bit_at(search->front, search->where, where);
}

static __always_inline bool fw_is_part(const struct fw_search *search, enum fw_side side, __u16 check)
{
	return !check || (search->checks[side] && fw_bit_at(search->bank, search->checks[side], check - 1u));
}

static __always_inline enum fw_row_part fw_row_holds(const struct fw_packet *packet,
						     const struct fw_search *search, const struct fw_row *row)
{
	if ((row->traits ^ search->traits) & row->traits_mask)
		return FW_ROW_TRAITS;
	if (packet->selector < row->selector_first || packet->selector > row->selector_last)
		return FW_ROW_SELECTOR;
	if (!fw_is_part(search, FW_SOURCE, row->checks[FW_SOURCE]))
		return FW_ROW_SOURCE;
	if (!fw_is_part(search, FW_DESTINATION, row->checks[FW_DESTINATION]))
		return FW_ROW_DESTINATION;
	if (!(row->conditions | row->where))
		return FW_ROW_HELD;
	if (row->where && !fw_row_is_here(search, row->where))
		return FW_ROW_WHERE;
	if (row->conditions && !fw_conditions_hold(packet, search->bank, row->conditions))
		return FW_ROW_CONDITIONS;
	return FW_ROW_HELD;
}

#endif
