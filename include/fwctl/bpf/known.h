/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The short way of what is plain: from packets before it its service is known, whose its flow is, and how to
 * get there.
 *
 * Promises: what is sent by it leaves, is counted and stands in the tables as by fw_choose_known(),
 * fw_find_next_hop(), fw_pack(), fw_find_translation() and fw_deliver(). To those is left all of which
 * something is not known, or more is to be done with: docs/balance.md.
 */
#ifndef FWCTL_BPF_KNOWN_H
#define FWCTL_BPF_KNOWN_H

#include "fwctl/bpf/encapsulate.h"
#include "fwctl/bpf/nat.h"
#include "fwctl/bpf/now.h"

static __always_inline bool fw_knows_ways(const struct fw_packet *packet)
{
	return fw_ctx_may_rewrite() && !fw_ctx_resolves() && !fw_silent &&
	       packet->fragment != FW_FRAGMENT_FIRST;
}

/* Whether a packet that is let in may be one of a flow that goes on. */
static __always_inline bool fw_may_go_on(const struct fw_packet *packet, const struct fw_now *now)
{
	if (!fw_knows_ways(packet) || !(packet->flags & FW_PACKET_KNOWN) || now->heard & FW_HEARD_BYTES)
		return false;
	return packet->protocol != IPPROTO_TCP ||
	       (packet->tcp_flags & (FW_TCP_FIN | FW_TCP_SYN | FW_TCP_RST | FW_TCP_ACK)) == FW_TCP_ACK;
}

static __always_inline void fw_count_backend(const struct fw_balance_room *room)
{
	__u32 number = room->backend;
	struct fw_backend_count *count = bpf_map_lookup_elem(&backend_counts, &number);

	if (!count || fw_silent || room->asked == FW_ASKED_CHECK)
		return;
	count->packets++;
	count->bytes += room->length;
}

/* Where the table has a flow. */
struct fw_entry {
	struct fw_placed_line *line;
	__u32 way;
	__u64 word;
};

/* The backend that the table has for the flow, which goes on; 0: not by the short way. */
static __always_inline __u32 fw_go_on(struct fw_balance_room *room, struct fw_entry *entry)
{
	__u32 tag, backend = 0;

	fw_tick(room);
	entry->line = fw_placed_line_of(room, &tag);
	if (entry->line)
		backend = fw_read_placed(entry->line, tag, room->now, room->protocol, &entry->way,
					 &entry->word);
	return backend && !(fw_condition_of(backend) & FW_CONDITION_DOWN) ? backend : 0;
}

/* The way to room->backend, where it is known; NULL: not by the short way. */
static __always_inline const struct fw_known_way *
fw_recall_way(const struct fw_packet *packet, const struct fw_balance_room *room, __u32 number)
{
	const struct fw_known_way *known =
		room->backend ? fw_known_way_of(room->backend, room->family) : NULL;

	if (!known || known->tick != room->now || known->generation != number ||
	    known->service != packet->service || (fw_hands_on && known->is_due))
		return NULL;
	return known;
}

/*
 * By the way that is known to room->backend, or, where that is not chosen yet, to the one that the table has.
 * Answers the hook's action, a negated reason, or FW_HAND_ON: the packet is as it was, and not for this way.
 * `number`: of the generation. A global function, as fw_parse().
 */
__noinline int fw_send_known(fw_ctx *ctx, const struct fw_packet *packet, __u32 number, bool is_chosen)
{
	__u32 zero = 0, half = number & 1, hash = 0;
	struct fw_balance_room *room = bpf_map_lookup_elem(&balance_room, &zero);
	const struct fw_known_way *known;
	struct fw_entry entry = {};
	__u8 transport;
	int action;

	if (!packet || !room)
		return FW_HAND_ON;
	if (!is_chosen)
		room->backend = fw_go_on(room, &entry);
	known = fw_recall_way(packet, room, number);
	if (!known)
		return FW_HAND_ON;
	transport = known->transport;
	if (transport >= FW_BY_NAT && (is_chosen || packet->ttl <= 1))
		return FW_HAND_ON;
	fw_take_known_hop(room, known);
	room->to = known->to;
	room->from = known->from;
	room->way_family = known->way_family;
	if (fw_tells_flows(room, transport)) {
		const struct fw_generation *generation = bpf_map_lookup_elem(&policy, &half);
		const struct fw_service *service =
			generation ? fw_service_at(generation, packet->service) : NULL;

		if (!service)
			return FW_HAND_ON;
		hash = fw_ring_hash(service, room);
	}
	if (fw_put_in_outer(ctx, packet, room, transport, known->port, hash))
		return FW_HAND_ON;
	if (transport >= FW_BY_NAT && !fw_translate_on(room, transport, known->port, packet->tcp_flags))
		return FW_HAND_ON;
	if (entry.line) {
		room->why = FW_PLACED_BY_TABLE;
		fw_trace_choice(room);
		fw_touch_placed(entry.line, entry.way, entry.word, 0, room->now);
	}
	action = fw_ctx_send_to_backend(ctx, packet, room, transport);
	if (action >= 0)
		fw_count_backend(room);
	return action;
}

#endif
