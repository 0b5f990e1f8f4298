/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who stands in for a backend that is down, or that takes less than its share for a while.
 *
 * Promises: the same one on every node that knows the same of the backends; while one has weight and is up,
 * there is one. With none the service's fallback backends.
 */
#ifndef FWCTL_BPF_STAND_IN_H
#define FWCTL_BPF_STAND_IN_H

#include "fwctl/bpf/choose.h"

enum { FW_STAND_IN_TRIES = 16 }; /* other places of the ring: by them the weights count */

struct fw_standing_in {
	struct fw_choosing choosing;
	__u64 hash;
	__u32 first; /* the list that is searched: where in the words of the bank, and how many there are */
	__u32 count;
	__u32 begin; /* which of them is asked first */
	__u32 found;
};

static long fw_try_slot(__u32 turn, struct fw_standing_in *search)
{
	__u32 slot, number;

	search->hash = fw_mix(search->hash, turn + 1);
	number = fw_slot_at(&search->choosing, search->hash, &slot) & 0xffff;
	if (!fw_backend_serves(&search->choosing, number, FW_BACKEND_TAKES) ||
	    (search->hash & 0xff) < (fw_condition_of(number) >> FW_CONDITION_WITHHELD_SHIFT & 0xff))
		return 0;
	search->found = number;
	return 1;
}

static long fw_try_member(__u32 turn, struct fw_standing_in *search)
{
	__u32 place = search->begin + turn, number;

	if (place >= search->count)
		place -= search->count;
	number = fw_word_at(search->choosing.generation->tiers[FW_FRONT].bank, search->first + place);
	if (!fw_backend_serves(&search->choosing, number, FW_BACKEND_TAKES))
		return 0;
	search->found = number;
	return 1;
}

/* Each of the list, from one on that depends on the flow. */
static __always_inline void fw_try_members(struct fw_standing_in *search, __u32 first, __u32 count)
{
	search->first = first;
	search->count = count;
	search->begin = (search->hash >> 32) * count >> 32;
	if (!search->found)
		bpf_loop(count, fw_try_member, search, 0);
}

/*
 * Sets room->backend; 0: there is none. The flow is put into the table from its first packet on: what is
 * known of backends may be another thing when the next one comes. A global function, as fw_parse().
 */
__noinline int fw_stand_in(struct fw_balance_room *room, __u32 half, __u32 service)
{
	struct fw_standing_in search = {};
	struct fw_placed_line *line;
	__u32 tag, way;

	if (!room || !fw_begin_to_choose(&search.choosing, room, half, service))
		return 0;
	search.hash = fw_ring_hash(search.choosing.service, room);
	bpf_loop(FW_STAND_IN_TRIES, fw_try_slot, &search, 0);
	fw_try_members(&search, search.choosing.service->members, search.choosing.service->member_count);
	fw_try_members(&search, search.choosing.service->members + search.choosing.service->member_count,
		       search.choosing.service->fallback_count);
	room->why = FW_PLACED_BY_STAND_IN;
	room->backend = search.found;
	line = search.found && room->asked == FW_ASKED_FLOW ? fw_placed_line_of(room, &tag) : NULL;
	if (!line)
		return 0;
	way = fw_find_placed(line, tag);
	fw_put_placed(line, way, tag, search.found, search.choosing.service, room);
	return 0;
}

/* room->backend; 0: there is none, or, with room->resets, none any more. They follow each other, as there is
 * no room on the stack of 6.1 for one that calls the other. */
static __always_inline void fw_choose_backend(struct fw_balance_room *room, __u32 half, __u32 service,
					      __u32 tcp_flags)
{
	__u32 way = fw_choose_known(room, half, service, tcp_flags);

	if (room->backend || room->resets || room->asked == FW_ASKED_FRAGMENT)
		return;
	fw_choose_by_ring(room, half, service, tcp_flags, way);
	if (!room->backend)
		fw_stand_in(room, half, service);
}

#endif
