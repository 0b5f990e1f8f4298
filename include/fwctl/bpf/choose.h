/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which backend a packet goes to.
 *
 * Promises: a packet whose connection id names a backend goes there while that keeps flows and is up. Else a
 * flow that is in the table stays with its backend while that keeps flows. One that is not goes where the
 * ring says, on every node alike; while the ring is in transition to where it said before, unless its packet
 * opens the flow. docs/balance.md says why nothing breaks.
 */
#ifndef FWCTL_BPF_CHOOSE_H
#define FWCTL_BPF_CHOOSE_H

#include "fwctl/bpf/bank.h"
#include "fwctl/bpf/hash.h"
#include "fwctl/bpf/placed.h"

/* What choosing reads, found once. */
struct fw_choosing {
	const struct fw_generation *generation;
	const struct fw_service *service;
	struct fw_placed_line *line; /* NULL: no table */
	__u32 tag;
	__u32 now;
	__u32 closing; /* FW_PLACED_CLOSING, when the client's side ends with this packet, or 0 */
};

static __always_inline const struct fw_service *fw_service_at(const struct fw_generation *generation,
							      __u32 address)
{
	return (const void *)fw_words_at(generation->tiers[FW_FRONT].bank, address, 16);
}

/* NULL: nobody has the number. */
static __always_inline const struct fw_backend *fw_backend_of(const struct fw_generation *generation,
							      __u32 number)
{
	if (!number || number >= generation->services.backend_count)
		return NULL;
	return (const void *)fw_words_at(generation->tiers[FW_FRONT].bank,
					 generation->services.backends + number * 16, 16);
}

/* Whether that backend of the service has all of the flags. */
static __always_inline bool fw_backend_is(const struct fw_choosing *choosing, __u32 number, __u8 flags)
{
	const struct fw_backend *backend = fw_backend_of(choosing->generation, number);

	return backend && (backend->flags & flags) == flags && backend->service == choosing->service->number;
}

static __always_inline __u32 fw_condition_of(__u32 number)
{
	__u32 zero = 0;
	const struct fw_conditions *held = bpf_map_lookup_elem(&conditions, &zero);

	if (!held)
		return 0;
	asm volatile("" : "+r"(number));
	number &= FW_MAX_BACKENDS - 1;
	return *(const volatile __u32 *)&held->of[number];
}

/* The same of one that is up. */
static __always_inline bool fw_backend_serves(const struct fw_choosing *choosing, __u32 number, __u8 flags)
{
	return fw_backend_is(choosing, number, flags) && !(fw_condition_of(number) & FW_CONDITION_DOWN);
}

/*
 * The same on all nodes, whose bytes have the same order. By the source alone it is the same for all services
 * of a VIP.
 */
static __always_inline __u64 fw_ring_hash(const struct fw_service *service,
					  const struct fw_balance_room *room)
{
	const __u64 *client = (const void *)&room->client, *vip = (const void *)&room->vip;
	__u64 hash = service->seed;

	if (room->family == FW_FAMILY_IPV4) {
		hash = fw_mix(hash, client[0] & service->source_mask_ipv4);
	} else {
		hash = fw_mix(hash, client[0] & service->source_mask[0]);
		hash = fw_mix(hash, client[1] & service->source_mask[1]);
	}
	if (service->by_source)
		return hash;
	hash = fw_mix(hash, vip[0]);
	hash = fw_mix(hash, vip[1]);
	return fw_mix(hash, room->client_port | (__u64)room->vip_port << 16 | (__u64)room->protocol << 32);
}

/* A connection that began anew from the same port, as what stands of it in the table has ended, or has been
 * silent for twice the longest life of a segment. */
enum { FW_PLACED_SILENT = 120 };

static __always_inline bool fw_begins_anew(const struct fw_choosing *choosing,
					   const struct fw_balance_room *room, __u64 word)
{
	return room->opens && room->protocol == IPPROTO_TCP &&
	       (word & FW_PLACED_CLOSING || fw_placed_age(word, choosing->now) > FW_PLACED_SILENT);
}

/* Whether a flow stays with a backend that is down. */
static __always_inline bool fw_outlasts(const struct fw_choosing *choosing, struct fw_balance_room *room)
{
	if (room->protocol != IPPROTO_TCP || room->opens)
		return false;
	room->resets = choosing->service->down == FW_DOWN_RESET && room->asked == FW_ASKED_FLOW;
	return choosing->service->down == FW_DOWN_KEEP;
}

/* The backend that the table has for the flow; 0: none that counts. `way`: where its entry stands. */
static __always_inline __u32 fw_choose_by_table(const struct fw_choosing *choosing,
						struct fw_balance_room *room, __u32 *way)
{
	__u32 backend;
	__u64 word;

	if (!choosing->line)
		return 0;
	backend = fw_read_placed(choosing->line, choosing->tag, choosing->now, room->protocol, way, &word);
	if (!backend || !fw_backend_is(choosing, backend, FW_BACKEND_KEEPS))
		return 0;
	if (fw_condition_of(backend) & FW_CONDITION_DOWN && !fw_outlasts(choosing, room))
		return 0;
	if (fw_begins_anew(choosing, room, word)) {
		if (!fw_backend_is(choosing, backend, FW_BACKEND_TAKES))
			return 0;
		word &= ~(__u64)FW_PLACED_CLOSING;
		if (fw_changes_placed())
			*fw_placed_at(choosing->line, *way) = word;
	}
	if (fw_changes_placed() && room->asked == FW_ASKED_FLOW)
		fw_touch_placed(choosing->line, *way, word, choosing->closing, choosing->now);
	return backend;
}

static __always_inline __u32 fw_slot_at(const struct fw_choosing *choosing, __u64 hash, __u32 *slot)
{
	const struct fw_service *service = choosing->service;

	*slot = (hash >> 32) * service->slots >> 32;
	return fw_word_at(choosing->generation->tiers[FW_FRONT].bank, service->ring + *slot);
}

/* Of 256 first packets, so many go to others: which, is in bits of the hash that do not choose the slot. */
static __always_inline bool fw_is_withheld(const struct fw_balance_room *room, __u64 hash, __u32 number)
{
	return room->opens && (hash & 0xff) < (fw_condition_of(number) >> FW_CONDITION_WITHHELD_SHIFT & 0xff);
}

/* What the ring says; 0: another one has to stand in. `moves`: the former backend of a slot that is in
 * transition; else 0. */
static __always_inline __u32 fw_ask_ring(const struct fw_choosing *choosing, struct fw_balance_room *room,
					 __u32 *moves)
{
	__u64 hash = fw_ring_hash(choosing->service, room);
	__u32 word = fw_slot_at(choosing, hash, &room->slot), current = word & 0xffff, former = word >> 16;
	bool is_tcp = room->protocol == IPPROTO_TCP;

	*moves = (__s32)(choosing->service->former_until - choosing->now) > 0 ? former : 0;
	/* A first datagram cannot be told: one that is to get nothing new gets none that may be one. */
	if (*moves && !(is_tcp && room->opens) &&
	    fw_backend_serves(choosing, former, is_tcp ? FW_BACKEND_KEEPS : FW_BACKEND_TAKES)) {
		room->why = FW_PLACED_BY_FORMER;
		return former;
	}
	room->why = FW_PLACED_BY_RING;
	if (!fw_backend_serves(choosing, current, FW_BACKEND_TAKES) || fw_is_withheld(room, hash, current))
		return 0;
	return current;
}

/* What all that choose begin with; false: the service is not there. */
static __always_inline bool fw_begin_to_choose(struct fw_choosing *choosing,
					       const struct fw_balance_room *room, __u32 half, __u32 service)
{
	choosing->generation = bpf_map_lookup_elem(&policy, &half);
	if (!choosing->generation)
		return false;
	choosing->service = fw_service_at(choosing->generation, service);
	choosing->now = room->now;
	return choosing->service;
}

/*
 * The flow of a packet whose connection id names its backend stands in the table as well: errors about it
 * have no connection id, and the next connection from the same port begins with one that names nobody. What
 * stands there of another backend stays while that serves: else one could move other clients' connections
 * whose ids name nobody, with forged addresses and an id of one's own.
 */
static __always_inline void fw_place_named(const struct fw_choosing *choosing,
					   const struct fw_balance_room *room)
{
	__u32 way = fw_find_placed(choosing->line, choosing->tag);
	__u64 word = way == FW_NOT_PLACED ? 0 : *fw_placed_at(choosing->line, way);

	/* Another processor may have put another flow there meanwhile. */
	if (word >> FW_PLACED_TAG_SHIFT != choosing->tag)
		way = FW_NOT_PLACED;
	if (way == FW_NOT_PLACED || fw_is_placed_over(word, way, choosing->now, room->protocol) ||
	    !fw_backend_serves(choosing, fw_placed_backend(word), FW_BACKEND_KEEPS))
		fw_put_placed(choosing->line, way, choosing->tag, room->named, choosing->service, room);
	else if (fw_placed_backend(word) == room->named && fw_changes_placed())
		fw_touch_placed(choosing->line, way, word, 0, choosing->now);
}

/* By the connection id, wherever the client is by now; false: it names nobody, or one that does not serve. */
static __always_inline bool fw_choose_by_connection(const struct fw_choosing *choosing,
						    struct fw_balance_room *room)
{
	if (!room->named || !fw_backend_serves(choosing, room->named, FW_BACKEND_KEEPS))
		return false;
	room->why = FW_PLACED_BY_CONNECTION;
	room->backend = room->named;
	room->opens = false; /* the connection goes on */
	if (choosing->line)
		fw_place_named(choosing, room);
	return true;
}

static __always_inline __u32 fw_closing(const struct fw_balance_room *room, __u32 tcp_flags)
{
	return room->protocol == IPPROTO_TCP && tcp_flags & (FW_TCP_FIN | FW_TCP_RST) ? FW_PLACED_CLOSING : 0;
}

/*
 * Sets room->backend to what is known of the packet's flow; 0: nothing, or, with room->resets, it has none
 * any more. Answers where the flow's entry stands in the table. A global function, as fw_parse().
 */
__noinline int fw_choose_known(struct fw_balance_room *room, __u32 half, __u32 service, __u32 tcp_flags)
{
	struct fw_choosing choosing = {};
	__u32 way = FW_NOT_PLACED;

	if (!room || !fw_begin_to_choose(&choosing, room, half, service))
		return FW_NOT_PLACED;
	room->resets = false;
	if (room->asked == FW_ASKED_FRAGMENT) {
		room->why = FW_PLACED_BY_FRAGMENT;
		/* Also to one that is down: nobody else has the first one. */
		if (!fw_backend_is(&choosing, room->backend, FW_BACKEND_KEEPS))
			room->backend = 0;
		return FW_NOT_PLACED;
	}
	choosing.closing = fw_closing(room, tcp_flags);
	choosing.line = fw_placed_line_of(room, &choosing.tag);
	if (fw_choose_by_connection(&choosing, room))
		return FW_NOT_PLACED;
	room->why = FW_PLACED_BY_TABLE;
	room->backend = fw_choose_by_table(&choosing, room, &way);
	return way;
}

/*
 * Sets room->backend to what the ring says of a flow of which nothing is known; 0: another one has to stand
 * in. What opens a TCP connection is put into the table only where the next packet would go elsewhere: while
 * its slot is in transition, and in the place of what stands there of the same flow, at `way`. A flood of
 * SYNs takes no room. A global function, and apart from the one before: the verifier would go through it for
 * each way to come here.
 */
__noinline int fw_choose_by_ring(struct fw_balance_room *room, __u32 half, __u32 service, __u32 tcp_flags,
				 __u32 way)
{
	struct fw_choosing choosing = {};
	struct fw_placed_line *line;
	__u32 moves = 0, tag;

	if (!room || !fw_begin_to_choose(&choosing, room, half, service))
		return 0;
	room->backend = fw_ask_ring(&choosing, room, &moves);
	if (!room->backend || room->asked != FW_ASKED_FLOW || fw_closing(room, tcp_flags))
		return 0;
	if (!moves && way == FW_NOT_PLACED && room->protocol == IPPROTO_TCP && room->opens)
		return 0;
	line = fw_placed_line_of(room, &tag);
	if (line && !fw_put_placed(line, way, tag, room->backend, choosing.service, room) && room->opens &&
	    fw_backend_serves(&choosing, moves, FW_BACKEND_TAKES)) {
		/* What follows would go to the former one: so does this. */
		room->why = FW_PLACED_BY_FORMER;
		room->backend = moves;
	}
	return 0;
}

#endif
