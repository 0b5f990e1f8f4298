/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Second stage, where rules ask for the state of flows: what the packet is to its flow.
 *
 * Promises: docs/conntrack.md. A packet changes its flow whether it is let pass or not; a flow opens when its
 * first packet was let pass. Later fragments get the ports of their first one, when that was let pass before
 * them. A program that answers a question about live state (fw_silent) changes nothing.
 */
#ifndef FWCTL_BPF_CONNTRACK_H
#define FWCTL_BPF_CONNTRACK_H

#include "fwctl/bpf/flow_key.h"
#include "fwctl/bpf/flow_table.h"
#include "fwctl/bpf/follow.h"
#include "fwctl/bpf/fragment.h"

static __always_inline void fw_count_busy(void)
{
	struct fw_flow_counts *counts = fw_flow_counts_here();

	if (counts)
		counts->busy++;
}

/* Where the IP packet ends in the frame, which may be longer. */
static __always_inline __u32 fw_packet_end(fw_ctx *ctx, const struct fw_packet *packet)
{
	bool is_ipv4 = packet->family == FW_FAMILY_IPV4;
	__u32 before = is_ipv4 ? 0 : sizeof(struct ipv6hdr);
	__be16 room;
	const __be16 *length = fw_ctx_at(ctx, packet->l3_offset + (is_ipv4 ? 2 : 4), &room, sizeof(room));

	if (!length || !*length)
		return packet->length; /* a larger one than the field has room for (parse_ipv4.h) */
	return packet->l3_offset + before + bpf_ntohs(*length);
}

/* False: the packet has no flow, and is what following->otherwise says. */
static __always_inline bool fw_find_key(fw_ctx *ctx, const struct fw_packet *packet,
					struct fw_following *following)
{
	__u32 protocol_and_family = packet->protocol | packet->family << 8;
	struct fw_icmp_message message;

	following->otherwise = FW_STATE_NEW;
	if (!fw_is_icmp(packet->family, packet->protocol)) {
		following->sender =
			fw_key_of_ports(&following->key, &packet->source, &packet->destination,
					packet->source_port, packet->selector, protocol_and_family);
		return true;
	}
	message = fw_icmp_message_of(packet->family, packet->selector >> 8);
	if (message.role != FW_ICMP_QUESTION)
		following->otherwise = message.role == FW_ICMP_SEGMENT ? 0 : FW_STATE_INVALID;
	if (message.role == FW_ICMP_SEGMENT || message.role == FW_ICMP_OTHER)
		return false;
	following->is_error = message.role == FW_ICMP_ERROR;
	if (following->is_error)
		return fw_key_of_error(ctx, packet, &following->key);
	following->sender = fw_key_of_query(&following->key, &packet->source, &packet->destination, message,
					    fw_icmp_identifier(ctx, packet->l4_offset), protocol_and_family);
	return true;
}

/* To a way for confirmed flows. */
__noinline int fw_confirm(struct fw_flow_bucket *bucket, __u32 way, __u32 tag, __u32 now)
{
	struct fw_flow_counts *counts = fw_flow_counts_here();
	__u32 to;

	if (!bucket)
		return 0;
	to = fw_find_confirmed_way(bucket, now);
	if (to == FW_NO_WAY) {
		if (counts)
			counts->crowded++;
		return 0;
	}
	*fw_flow_at(bucket, to) = *fw_flow_at(bucket, way);
	fw_set_tag(bucket, to, tag);
	fw_set_tag(bucket, way, 0);
	if (counts)
		counts->confirmed++;
	fw_note_flow(FW_HAPPENED_CONFIRMED, fw_flow_at(bucket, to)->flags & FW_FLOW_OPENED_BY_SECOND);
	return 0;
}

/*
 * Without the bucket's lock, whose holder is slow: a packet of a connection that action synproxy has opened
 * must not go on untranslated. What is needed for that never changes once the server has answered. Answers as
 * fw_look_up_flow(), 0 for all other flows.
 */
static __always_inline int fw_look_up_busy(struct fw_flow_bucket *bucket, struct fw_flow_room *room,
					   __u32 tag)
{
	struct fw_flow *flow = &room->flow;

	if (!fw_copy_flow(bucket, &room->following.key, tag, flow) || !(flow->flags & FW_FLOW_PROXIED) ||
	    fw_is_expired(flow, room->following.now))
		return 0;
	return fw_recall_proxied(flow, room);
}

/*
 * The flow of the packet, when it is in the table (in_old: in the one that its flows are moved from): its
 * state, and of FW_FOUND_* what applies. 0: it is not. Who does not get the lock is invalid: no rule lets it
 * in as part of a flow, nor takes it for the first packet of one.
 */
__noinline int fw_look_up_flow(const struct fw_flow_table *table, struct fw_flow_room *room,
			       const struct fw_generation *generation, __u32 in_old)
{
	bool is_over = false, is_proven = false;
	struct fw_flow_bucket *bucket;
	struct fw_flow *flow;
	__u64 hash, place;
	__u32 tag, way;
	int found = 0;

	if (!table || !room || !generation)
		return 0;
	hash = fw_flow_hash(&room->following.key, table->keys);
	room->following.hash = hash;
	tag = fw_flow_tag(hash);
	place = *(const volatile __u64 *)(in_old ? &table->old_place : &table->place);
	bucket = fw_flow_bucket_in(place, fw_flow_bucket_number(hash, place));
	if (!bucket)
		return 0;
	if (!fw_changes_flows()) {
		flow = &room->flow;
		if (!fw_copy_flow(bucket, &room->following.key, tag, flow) ||
		    fw_is_expired(flow, room->following.now))
			return 0;
		return fw_meet_flow(flow, room, generation, &is_over, &is_proven);
	}
	if (!fw_lock(&bucket->lock)) {
		fw_count_busy();
		found = fw_look_up_busy(bucket, room, tag);
		return found ? found : FW_STATE_INVALID;
	}
	way = fw_find_way(bucket, &room->following.key, tag);
	flow = fw_flow_at(bucket, way);
	if (way != FW_NO_WAY && !fw_is_expired(flow, room->following.now)) {
		found = fw_meet_flow(flow, room, generation, &is_over, &is_proven);
		if (is_over)
			fw_set_tag(bucket, way, 0);
		if (is_proven && way >= FW_FLOW_CONFIRMED)
			fw_confirm(bucket, way, tag, room->following.now);
	}
	fw_unlock(&bucket->lock);
	return found;
}

/* The same, also while the flows are moved from a table of another size. */
static __always_inline int fw_look_up_anywhere(const struct fw_flow_table *table, struct fw_flow_room *room,
					       const struct fw_generation *generation)
{
	int found = fw_look_up_flow(table, room, generation, false);

	if (found || !*(const volatile __u64 *)&table->old_place)
		return found;
	if (fw_changes_flows())
		fw_move_flow(table, &room->following.key, room->following.now);
	return fw_look_up_flow(table, room, generation, !fw_changes_flows());
}

/* For who listens. */
static __always_inline void fw_note_pushed(const struct fw_flow *flow)
{
	__u32 zero = 0, number;
	struct fw_flow_room *room = bpf_map_lookup_elem(&flow_room, &zero);

	if (!room || fw_notes_fragments(&flow->key))
		return;
	number = room->pushed_count++ & 1;
	room->pushed[number] = flow->key;
	room->pushed_openers[number] = flow->flags & FW_FLOW_OPENED_BY_SECOND;
	room->happened |= fw_flow_bit(FW_HAPPENED_PUSHED_OUT);
}

/*
 * A new flow, or what is noted of a first fragment, in a way for new ones. A flow may be there already, then
 * the answer is false; a note is of a datagram before, as their numbers come again.
 */
__noinline int fw_insert(struct fw_flow_bucket *bucket, const struct fw_flow *flow, __u32 tag, __u32 now,
			 __u32 direction)
{
	struct fw_flow_counts *counts = fw_flow_counts_here();
	__u32 way;

	if (!bucket || !flow || !counts)
		return false;
	if (!fw_lock(&bucket->lock)) {
		counts->busy++;
		return false;
	}
	way = fw_find_way(bucket, &flow->key, tag);
	if (way != FW_NO_WAY && !fw_is_expired(fw_flow_at(bucket, way), now) &&
	    !fw_notes_fragments(&flow->key)) {
		fw_unlock(&bucket->lock);
		return false;
	}
	if (way != FW_NO_WAY)
		fw_set_tag(bucket, way, 0);
	way = fw_take_new_way(bucket, direction, now, flow->slot);
	asm volatile("" : "+r"(way));
	way &= 15;
	if (bucket->tags[way] && !fw_is_expired(&bucket->flows[way], now)) {
		counts->displaced++;
		fw_note_pushed(&bucket->flows[way]);
	}
	counts->opened++;
	bucket->flows[way] = *flow;
	bucket->tags[way] = tag;
	fw_unlock(&bucket->lock);
	return true;
}

static __always_inline bool fw_find_segment(fw_ctx *ctx, const struct fw_packet *packet,
					    struct fw_following *following)
{
	following->has_segment =
		fw_tcp_flags_are_possible(packet->tcp_flags) &&
		fw_read_segment(ctx, packet, fw_packet_end(ctx, packet), &following->segment);
	if (!following->has_segment ||
	    fw_tcp_state_after(true, following->segment.kind, FW_TCP_NONE) == FW_TCP_WRONG)
		following->otherwise = FW_STATE_INVALID;
	return following->has_segment;
}

/*
 * False: the packet has no flow, and is what following->otherwise says. This and the next two are global, so
 * that each is verified once.
 */
__noinline int fw_begin_to_follow(fw_ctx *ctx, const struct fw_packet *packet, struct fw_flow_room *room)
{
	struct fw_following *following;

	if (!packet || !room)
		return false;
	following = &room->following;
	*following = (struct fw_following){.now = fw_flow_tick(room), .protocol = packet->protocol};
	if (!fw_find_key(ctx, packet, following))
		return false;
	following->is_part = packet->fragment == FW_FRAGMENT_FIRST;
	return packet->protocol != IPPROTO_TCP || fw_find_segment(ctx, packet, following);
}

/* The half of `policy`, the direction, and whether the packet is here for the second time, behind XDP. */
enum { FW_TRACK_HALF = 1 << 0, FW_TRACK_OUT = 1 << 1, FW_TRACK_RECALLS = 1 << 2 };

/* Sets the packet's state. */
__noinline int fw_track(fw_ctx *ctx, struct fw_packet *packet, __u32 what)
{
	__u32 zero = 0, half = what & FW_TRACK_HALF;
	const struct fw_generation *generation = bpf_map_lookup_elem(&policy, &half);
	const struct fw_control *held = bpf_map_lookup_elem(&control, &zero);
	struct fw_flow_room *room = bpf_map_lookup_elem(&flow_room, &zero);

	if (!packet || !held || !generation || !room || packet->family == FW_FAMILY_NONE)
		return 0;
	if (packet->fragment == FW_FRAGMENT_LATER) {
		fw_join_fragments(&held->flows, packet, fw_flow_now());
		return 0;
	}
	if (fw_begin_to_follow(ctx, packet, room)) {
		room->following.direction = !!(what & FW_TRACK_OUT);
		room->following.recalls = !!(what & FW_TRACK_RECALLS);
		room->following.segment.here = fw_place_of(fw_slot, room->following.direction) + 1;
		fw_put_state(packet, fw_look_up_anywhere(&held->flows, room, generation));
	}
	if (packet->fragment == FW_FRAGMENT_FIRST)
		packet->flags |= FW_PACKET_OPENS;
	if (packet->state)
		return 0;
	packet->state = room->following.otherwise;
	/* What has begun elsewhere looks impossible from here. */
	if (packet->state == FW_STATE_INVALID && room->following.has_segment && fw_sees_one_way(generation) &&
	    !(room->following.segment.flags & FW_TCP_RST))
		packet->state = FW_STATE_NEW;
	if (packet->state == FW_STATE_NEW)
		packet->flags |= FW_PACKET_OPENS;
	return 0;
}

/* Notes a packet that was let pass: that a flow begins with it, or what its later fragments are taken for. */
__noinline int fw_note_passed(const struct fw_packet *packet, __u32 half, __u32 direction)
{
	const struct fw_generation *generation = bpf_map_lookup_elem(&policy, &half);
	__u32 zero = 0;
	const struct fw_control *held = bpf_map_lookup_elem(&control, &zero);
	struct fw_flow_room *room = bpf_map_lookup_elem(&flow_room, &zero);
	struct fw_flow_bucket *bucket;
	struct fw_flow *flow;
	__u64 hash;

	if (!packet || !held || !generation || !room || !fw_changes_flows())
		return 0;
	flow = &room->flow;
	if (packet->fragment == FW_FRAGMENT_FIRST) {
		__builtin_memset(flow, 0, sizeof(*flow));
		fw_key_of_fragments(&flow->key, packet);
		flow->expires = fw_flow_now() + generation->timeouts[FW_TIMEOUT_FRAGMENT];
		flow->slot = fw_slot;
		fw_note_first(flow, packet);
		hash = fw_flow_hash(&flow->key, held->flows.keys);
		fw_insert(fw_flow_bucket_of(&held->flows, hash), flow, fw_flow_tag(hash), fw_flow_now(),
			  direction);
	}
	/* What was read of the packet to find its flow still stands there. */
	if (packet->state != FW_STATE_NEW)
		return 0;
	hash = room->following.hash;
	bucket = fw_flow_bucket_of(&held->flows, hash);
	if (!bucket)
		return 0;
	fw_touch_new_ways(bucket, direction);
	if (room->following.is_translated)
		fw_give_back_numbers(room);
	__builtin_memset(flow, 0, sizeof(*flow));
	flow->key = room->following.key;
	flow->flags = room->following.sender ? FW_FLOW_OPENED_BY_SECOND : 0;
	flow->slot = fw_slot;
	if (room->following.has_segment)
		fw_tcp_open(flow, room->following.sender, &room->following.segment);
	if (room->following.has_segment && room->following.is_part)
		fw_tcp_trust(flow);
	flow->expires = room->following.now + fw_timeout_of(generation, flow, packet->protocol);
	if (fw_insert(bucket, flow, fw_flow_tag(hash), room->following.now, direction))
		fw_note_flow(FW_HAPPENED_OPENED, room->following.sender);
	return 0;
}

#endif
