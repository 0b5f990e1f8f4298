/* SPDX-License-Identifier: GPL-2.0-only */
/* The table of placed flows: include/fwctl/abi/service.h says how it is laid out. */
#ifndef FWCTL_BPF_PLACED_H
#define FWCTL_BPF_PLACED_H

#include "fwctl/abi/flow.h"
#include "fwctl/bpf/service.h"

enum { FW_NOT_PLACED = FW_PLACED_WAYS };

static __always_inline __u32 fw_placed_backend(__u64 word)
{
	return word >> FW_PLACED_BACKEND_SHIFT & (FW_MAX_BACKENDS - 1);
}

/* Ticks since the flow was active, or since it began where it is not proven yet. */
static __always_inline __u32 fw_placed_age(__u64 word, __u32 now)
{
	const __u32 all = (1u << FW_PLACED_TIME_BITS) - 1;
	__u32 age = (now - (__u32)word) & all;

	/* Who reads its clock a little later than another processor (fw_tick()) is a tick behind it. */
	return age == all ? 0 : age;
}

static __always_inline __u64 fw_placed_word(__u32 tag, __u32 backend, __u32 closing, __u32 now)
{
	return (__u64)tag << FW_PLACED_TAG_SHIFT | backend << FW_PLACED_BACKEND_SHIFT | closing |
	       (now & ((1u << FW_PLACED_TIME_BITS) - 1));
}

/* After how many ticks without a packet a flow is over. */
static __always_inline __u32 fw_placed_timeout(bool is_new, bool closes, __u8 protocol)
{
	if (is_new)
		return FW_PLACED_NEW_TIMEOUT;
	if (closes)
		return FW_PLACED_CLOSING_TIMEOUT;
	return protocol == IPPROTO_TCP ? FW_PLACED_TCP_TIMEOUT : FW_PLACED_UDP_TIMEOUT;
}

static __always_inline bool fw_is_placed_over(__u64 word, __u32 way, __u32 now, __u8 protocol)
{
	return fw_placed_age(word, now) >
	       fw_placed_timeout(way >= FW_PLACED_KEPT, word & FW_PLACED_CLOSING, protocol);
}

static __always_inline __u64 *fw_placed_at(struct fw_placed_line *line, __u32 way)
{
	asm volatile("" : "+r"(way));
	way &= FW_PLACED_WAYS - 1;
	return &line->words[way];
}

/* Made once for a packet. False: there is no state. */
static __always_inline bool fw_hash_flow(struct fw_balance_room *room)
{
	__u32 zero = 0;
	const struct fw_control *held;
	struct fw_flow_key key;

	if (room->is_hashed)
		return true;
	held = bpf_map_lookup_elem(&control, &zero);
	if (!held)
		return false;
	fw_put_end(key.ends[0], &room->client);
	fw_put_end(key.ends[1], &room->vip);
	key.rest = fw_flow_rest(room->client_port, room->vip_port, room->protocol, room->family);
	room->flow_hash = fw_flow_hash(&key, held->flows.keys);
	room->is_hashed = true;
	return true;
}

/* The line of a flow, and its tag; NULL: the table is not there. */
static __always_inline struct fw_placed_line *fw_placed_line_of(struct fw_balance_room *room, __u32 *tag)
{
	__u32 zero = 0, page_number, place;
	struct fw_placed_page *page;
	__u64 hash;
	void *inner;

	if (!fw_hash_flow(room))
		return NULL;
	hash = room->flow_hash;
	*tag = fw_flow_tag(hash);
	page_number = hash >> 32 & (FW_PLACED_PAGES - 1);
	place = hash >> 40 & (FW_PLACED_PAGE_LINES - 1);
	inner = bpf_map_lookup_elem(&placed_pages, &page_number);
	page = inner ? bpf_map_lookup_elem(inner, &zero) : NULL;
	if (!page)
		return NULL;
	asm volatile("" : "+r"(place));
	place &= FW_PLACED_PAGE_LINES - 1;
	return &page->lines[place];
}

static __always_inline void fw_trace_choice(const struct fw_balance_room *room)
{
	if (!fw_tracing)
		return;
	fw_last.backend = room->backend;
	fw_last.slot = room->slot;
	fw_last.placed_why = room->why;
}

/* FW_NOT_PLACED: it is not there. */
static __always_inline __u32 fw_find_placed(const struct fw_placed_line *line, __u32 tag)
{
	__u32 found = FW_NOT_PLACED;

#pragma unroll
	for (__u32 way = 0; way < FW_PLACED_WAYS; way++)
		if (line->words[way] >> FW_PLACED_TAG_SHIFT == tag)
			found = way;
	return found;
}

/*
 * The backend that stands there for the flow; 0: none that counts. `way` and `word`: its entry; FW_NOT_PLACED
 * where there is none.
 */
static __always_inline __u32 fw_read_placed(struct fw_placed_line *line, __u32 tag, __u32 now, __u8 protocol,
					    __u32 *way, __u64 *word)
{
	*way = fw_find_placed(line, tag);
	if (*way == FW_NOT_PLACED)
		return 0;
	*word = *fw_placed_at(line, *way);
	/* Another processor may have put another flow there meanwhile. */
	if (*word >> FW_PLACED_TAG_SHIFT != tag) {
		*way = FW_NOT_PLACED;
		return 0;
	}
	return fw_is_placed_over(*word, *way, now, protocol) ? 0 : fw_placed_backend(*word);
}

/* Of the ways of a line the first one that is free or whose flow is over; else the oldest. */
static __always_inline __u32 fw_oldest_placed(struct fw_placed_line *line, __u32 first, const __u32 count,
					      __u32 now, __u32 *age)
{
	__u32 oldest = first;

	*age = 0;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < count; i++) {
		__u64 word = *fw_placed_at(line, first + i);
		__u32 its = word ? fw_placed_age(word, now) : ~0u;

		if (its >= *age) {
			oldest = first + i;
			*age = its;
		}
	}
	return oldest;
}

/* A flow that has gone on for a while goes to the ways where floods do not reach it. A global function, as
 * fw_parse(). */
__noinline int fw_prove_placed(struct fw_placed_line *line, __u32 way, __u64 word, __u32 now)
{
	__u32 age, to;

	if (!line)
		return 0;
	to = fw_oldest_placed(line, 0, FW_PLACED_KEPT, now, &age);
	/* No room: it stays among the new ones, as one that is a little older, but is not over. */
	if (age < FW_PLACED_ACTIVE) {
		*fw_placed_at(line, way) =
			fw_placed_word(word >> FW_PLACED_TAG_SHIFT, fw_placed_backend(word),
				       word & FW_PLACED_CLOSING, now - FW_PLACED_PROOF);
		return 0;
	}
	*fw_placed_at(line, to) = fw_placed_word(word >> FW_PLACED_TAG_SHIFT, fw_placed_backend(word),
						 word & FW_PLACED_CLOSING, now);
	*fw_placed_at(line, way) = 0;
	return 0;
}

/* The flow that stands there goes on. `closing`: FW_PLACED_CLOSING or 0. */
static __always_inline void fw_touch_placed(struct fw_placed_line *line, __u32 way, __u64 word, __u32 closing,
					    __u32 now)
{
	__u32 age;

	if (closing & ~(__u32)word) {
		word |= FW_PLACED_CLOSING;
		*fw_placed_at(line, way) = word;
	}
	age = fw_placed_age(word, now);
	if (way < FW_PLACED_KEPT && age)
		*fw_placed_at(line, way) = fw_placed_word(
			word >> FW_PLACED_TAG_SHIFT, fw_placed_backend(word), word & FW_PLACED_CLOSING, now);
	else if (way >= FW_PLACED_KEPT && age >= FW_PLACED_PROOF)
		fw_prove_placed(line, way, word, now);
}

/*
 * Whether the service's budget has room for a new entry: a token bucket, as in fw_take_answer_token(), that
 * holds what it gets in a second. Processors that ask at once may each take the last one.
 */
static __always_inline bool fw_take_entry_token(const struct fw_service *service, __u64 now)
{
	__u32 number = service->number;
	struct fw_service_state *state = bpf_map_lookup_elem(&service_states, &number);
	__u64 full;

	if (!state)
		return false;
	full = *(volatile __u64 *)&state->entries_full;
	if (full < now)
		full = now;
	if (full - now > 1000000000)
		return false;
	*(volatile __u64 *)&state->entries_full = full + service->entry_interval;
	return true;
}

/* `way`: where the flow stands already, of which nothing is of use any more, or FW_NOT_PLACED: then the entry
 * is a new one. False: the budget is used up. */
static __always_inline bool fw_put_placed(struct fw_placed_line *line, __u32 way, __u32 tag, __u32 backend,
					  const struct fw_service *service,
					  const struct fw_balance_room *room)
{
	__u32 age;

	if (!fw_changes_placed())
		return true;
	if (way == FW_NOT_PLACED) {
		if (!fw_take_entry_token(service, room->clock))
			return false;
		way = fw_oldest_placed(line, FW_PLACED_KEPT, FW_PLACED_WAYS - FW_PLACED_KEPT, room->now,
				       &age);
	}
	*fw_placed_at(line, way) = fw_placed_word(tag, backend, 0, room->now);
	return true;
}

#endif
