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
#include "fwctl/bpf/proxied.h"
#include "fwctl/bpf/tcp.h"

static __always_inline __u32 fw_flow_now(void)
{
	return (fw_rehearses ? fw_last.clock : bpf_ktime_get_coarse_ns()) >> FW_FLOW_TICK_SHIFT;
}

static __always_inline bool fw_changes_flows(void)
{
	return fw_rehearses || !fw_silent;
}

static __always_inline struct fw_flow_counts *fw_flow_counts_here(void)
{
	__u32 zero = 0;

	return fw_changes_flows() ? bpf_map_lookup_elem(&flow_counts, &zero) : NULL;
}

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

static __always_inline __u32 fw_timeout_of(const struct fw_generation *generation, const struct fw_flow *flow,
					   __u8 protocol)
{
	bool is_answered = flow->flags & FW_FLOW_ANSWERED;
	__u32 which = FW_TIMEOUT_OTHER;

	switch (protocol) {
	case IPPROTO_TCP:
		which = flow->state;
		/* Picked up in the middle, and nobody has answered: it need not last for days. */
		if (which == FW_TCP_ESTABLISHED && !is_answered)
			which = FW_TCP_SYN_SENT;
		break;
	case IPPROTO_UDP:
		which = is_answered ? FW_TIMEOUT_UDP : FW_TIMEOUT_UDP_NEW;
		break;
	case IPPROTO_SCTP:
		which = is_answered ? FW_TIMEOUT_SCTP : FW_TIMEOUT_SCTP_NEW;
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		which = FW_TIMEOUT_ICMP;
		break;
	}
	asm volatile("" : "+r"(which));
	if (which >= FW_TIMEOUTS)
		return 0;
	return generation->timeouts[which];
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

/* Whether the end that has opened the flow has shown that it gets the answers. */
static __always_inline bool fw_is_proven(const struct fw_flow *flow, bool from_opener, bool was_answered)
{
	if (!from_opener || !was_answered)
		return false;
	return !flow->state || flow->state >= FW_TCP_ESTABLISHED;
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
	return 0;
}

/* What the packet is to a flow that is known, and what follows from it. 0: the flow is over. */
static __always_inline __u8 fw_follow_flow(struct fw_flow *flow, const struct fw_following *following,
					   const struct fw_generation *generation, bool *is_proven)
{
	bool from_opener = following->sender == (flow->flags & FW_FLOW_OPENED_BY_SECOND);
	bool was_answered = flow->flags & FW_FLOW_ANSWERED;
	__u8 state = from_opener && !was_answered ? FW_STATE_NEW : FW_STATE_ESTABLISHED;

	if (following->is_error)
		return FW_STATE_RELATED;
	if (following->has_segment) {
		enum fw_tcp_answer answer = fw_tcp_follow(flow, following->sender, &following->segment);

		if (answer == FW_TCP_REOPENS)
			return 0;
		if (answer == FW_TCP_REFUSED)
			return FW_STATE_INVALID;
		if (!from_opener)
			flow->flags |= FW_FLOW_ANSWERED;
		if (answer == FW_TCP_ENDS)
			flow->expires = following->now;
		if (answer != FW_TCP_ACCEPTED)
			return state;
	}
	if (!from_opener)
		flow->flags |= FW_FLOW_ANSWERED;
	flow->expires = following->now + fw_timeout_of(generation, flow, following->protocol);
	*is_proven = fw_is_proven(flow, from_opener, was_answered);
	return state;
}

/*
 * The same where packets of one end alone are seen: the first one was let pass by a rule, the rest go with
 * it. Nothing shows that the sender gets answers, so that such flows are never confirmed.
 */
static __always_inline __u8 fw_follow_one_way(struct fw_flow *flow, const struct fw_following *following,
					      const struct fw_generation *generation)
{
	if (following->is_error)
		return FW_STATE_RELATED;
	flow->flags |= FW_FLOW_ANSWERED;
	if (following->has_segment)
		flow->state = following->segment.flags & FW_TCP_RST   ? FW_TCP_CLOSED
			      : following->segment.flags & FW_TCP_FIN ? FW_TCP_LAST_ACK
								      : FW_TCP_ESTABLISHED;
	flow->expires = following->now + fw_timeout_of(generation, flow, following->protocol);
	return FW_STATE_ESTABLISHED;
}

static __always_inline bool fw_sees_one_way(const struct fw_generation *generation)
{
	return generation->attachments[fw_slot & (FW_MAX_ATTACHMENTS - 1)].asymmetric;
}

/*
 * Without the bucket's lock, whose holder is slow: a packet of a connection that action synproxy has opened
 * must not go on untranslated. What is needed for that never changes once the server has answered. Answers as
 * fw_look_up_flow(), 0 for all other flows.
 */
__noinline int fw_look_up_busy(struct fw_flow_bucket *bucket, struct fw_flow_room *room, __u32 tag)
{
	struct fw_flow *flow;
	__u32 way;

	if (!bucket || !room)
		return 0;
	way = fw_find_way(bucket, &room->following.key, tag);
	if (way == FW_NO_WAY)
		return 0;
	flow = &room->flow;
	*flow = *fw_flow_at(bucket, way);
	if (!(flow->flags & FW_FLOW_PROXIED) || fw_is_expired(flow, room->following.now) ||
	    (__u32)fw_find_way(bucket, &room->following.key, tag) != way)
		return 0;
	return fw_recall_proxied(flow, room);
}

/*
 * The flow of the packet, when it is known: its state, and of FW_FOUND_* what applies. 0: it is not. Who does
 * not get the lock is invalid: no rule lets it in as part of a flow, nor takes it for the first packet of
 * one.
 */
__noinline int fw_look_up_flow(const struct fw_flow_table *table, struct fw_flow_room *room,
			       const struct fw_generation *generation)
{
	struct fw_flow_bucket *bucket;
	struct fw_flow *flow;
	bool is_proven = false;
	__u32 tag, way, sender;
	__u8 state = 0, beside = 0;
	__u64 hash;

	if (!table || !room || !generation)
		return 0;
	hash = fw_flow_hash(&room->following.key, table->keys);
	tag = fw_flow_tag(hash);
	bucket = fw_flow_bucket_of(table, hash);
	if (!bucket)
		return 0;
	if (!fw_lock_patiently(&bucket->lock)) {
		fw_count_busy();
		state = fw_look_up_busy(bucket, room, tag);
		return state ? state : FW_STATE_INVALID;
	}
	way = fw_find_way(bucket, &room->following.key, tag);
	flow = fw_flow_at(bucket, way);
	if (way == FW_NO_WAY || fw_is_expired(flow, room->following.now))
		goto out;
	if (!fw_changes_flows()) {
		room->flow = *flow;
		flow = &room->flow;
	}
	if (room->following.recalls) {
		state = fw_recall_state(flow, room);
		goto out;
	}
	if (flow->flags & FW_FLOW_PROXIED) {
		beside = FW_FOUND_PROXIED;
		if (!fw_meet_proxied(flow, room, &state))
			goto out;
	}
	if (fw_sees_one_way(generation))
		state = fw_follow_one_way(flow, &room->following, generation);
	else
		state = fw_follow_flow(flow, &room->following, generation, &is_proven);
	beside |= fw_found_beside(flow, &room->following, state);
	sender = room->following.sender;
	asm volatile("" : "+r"(sender));
	room->verdict = flow->verdicts[sender & 1];
	if (!fw_changes_flows())
		goto out;
	if (!state)
		fw_set_tag(bucket, way, 0);
	if (is_proven && way >= FW_FLOW_CONFIRMED)
		fw_confirm(bucket, way, tag, room->following.now);
out:
	fw_unlock(&bucket->lock);
	return state ? state | beside : 0;
}

/* A new flow, or what is noted of a first fragment, in a way for new ones. It may be there already. */
__noinline int fw_insert(const struct fw_flow_table *table, const struct fw_flow *flow, __u32 now,
			 __u32 direction)
{
	struct fw_flow_counts *counts = fw_flow_counts_here();
	struct fw_flow_bucket *bucket;
	__u32 tag, way;
	__u64 hash;

	if (!table || !flow || !counts)
		return 0;
	hash = fw_flow_hash(&flow->key, table->keys);
	tag = fw_flow_tag(hash);
	bucket = fw_flow_bucket_of(table, hash);
	if (!bucket)
		return 0;
	if (!fw_lock_patiently(&bucket->lock)) {
		counts->busy++;
		return 0;
	}
	way = fw_find_way(bucket, &flow->key, tag);
	if (way != FW_NO_WAY && !fw_is_expired(fw_flow_at(bucket, way), now))
		goto out;
	if (way != FW_NO_WAY)
		fw_set_tag(bucket, way, 0);
	way = fw_take_new_way(bucket, direction, now);
	asm volatile("" : "+r"(way));
	way &= 15;
	if (bucket->tags[way] && !fw_is_expired(&bucket->flows[way], now))
		counts->displaced++;
	counts->opened++;
	bucket->flows[way] = *flow;
	bucket->tags[way] = tag;
out:
	fw_unlock(&bucket->lock);
	return 0;
}

/* Later fragments are kept apart from flows by their family. What is noted of the first one: its ports and
 * state. */
enum { FW_FRAGMENT_FAMILY = 0x80 };

static __always_inline void fw_key_of_fragments(struct fw_flow_key *key, const struct fw_packet *packet)
{
	fw_put_ends(key, &packet->source, &packet->destination, false);
	key->rest = fw_flow_rest(packet->fragment_id, packet->fragment_id >> 16, packet->protocol,
				 packet->family | FW_FRAGMENT_FAMILY);
}

/* A later fragment: what its first one was. */
__noinline int fw_join_fragments(const struct fw_flow_table *table, struct fw_packet *packet, __u32 now)
{
	struct fw_flow_key key = {};
	struct fw_flow_bucket *bucket;
	__u64 hash;
	__u32 way;

	if (!table || !packet)
		return 0;
	fw_key_of_fragments(&key, packet);
	if (table->old_place)
		fw_move_flow(table, &key, now);
	hash = fw_flow_hash(&key, table->keys);
	bucket = fw_flow_bucket_of(table, hash);
	if (!bucket)
		return 0;
	if (!fw_lock_patiently(&bucket->lock)) {
		fw_count_busy();
		return 0;
	}
	way = fw_find_way(bucket, &key, fw_flow_tag(hash));
	if (way != FW_NO_WAY) {
		const struct fw_flow *first = fw_flow_at(bucket, way);

		if (!fw_is_expired(first, now)) {
			packet->source_port = first->tcp[0].end;
			packet->selector = first->tcp[0].limit;
			packet->state = first->state;
			packet->flags |= FW_PACKET_L4;
		}
	}
	fw_unlock(&bucket->lock);
	return 0;
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
__noinline int fw_begin_to_follow(fw_ctx *ctx, const struct fw_packet *packet, struct fw_following *following)
{
	if (!packet || !following)
		return false;
	*following = (struct fw_following){.now = fw_flow_now(), .protocol = packet->protocol};
	if (!fw_find_key(ctx, packet, following))
		return false;
	/* The first fragment of a segment says nothing of where that ends. */
	return packet->protocol != IPPROTO_TCP || packet->fragment == FW_FRAGMENT_FIRST ||
	       fw_find_segment(ctx, packet, following);
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
	int found;

	if (!packet || !held || !generation || !room || packet->family == FW_FAMILY_NONE)
		return 0;
	if (packet->fragment == FW_FRAGMENT_LATER) {
		fw_join_fragments(&held->flows, packet, fw_flow_now());
		return 0;
	}
	if (fw_begin_to_follow(ctx, packet, &room->following)) {
		room->following.direction = !!(what & FW_TRACK_OUT);
		room->following.recalls = !!(what & FW_TRACK_RECALLS);
		found = fw_look_up_flow(&held->flows, room, generation);
		if (!found && *(const volatile __u64 *)&held->flows.old_place) {
			fw_move_flow(&held->flows, &room->following.key, room->following.now);
			found = fw_look_up_flow(&held->flows, room, generation);
		}
		fw_put_state(packet, found);
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
__noinline int fw_note_passed(fw_ctx *ctx, const struct fw_packet *packet, __u32 half, __u32 direction)
{
	const struct fw_generation *generation = bpf_map_lookup_elem(&policy, &half);
	__u32 zero = 0;
	const struct fw_control *held = bpf_map_lookup_elem(&control, &zero);
	struct fw_flow_room *room = bpf_map_lookup_elem(&flow_room, &zero);
	struct fw_flow *flow;

	if (!packet || !held || !generation || !room || !fw_changes_flows())
		return 0;
	flow = &room->flow;
	if (packet->fragment == FW_FRAGMENT_FIRST) {
		__builtin_memset(flow, 0, sizeof(*flow));
		fw_key_of_fragments(&flow->key, packet);
		flow->expires = fw_flow_now() + generation->timeouts[FW_TIMEOUT_FRAGMENT];
		flow->tcp[0].end = packet->source_port;
		flow->tcp[0].limit = packet->selector;
		flow->state = packet->state;
		fw_insert(&held->flows, flow, fw_flow_now(), direction);
	}
	if (packet->state != FW_STATE_NEW || !fw_begin_to_follow(ctx, packet, &room->following))
		return 0;
	__builtin_memset(flow, 0, sizeof(*flow));
	flow->key = room->following.key;
	flow->flags = room->following.sender ? FW_FLOW_OPENED_BY_SECOND : 0;
	if (room->following.has_segment)
		fw_tcp_open(flow, room->following.sender, &room->following.segment);
	flow->expires = room->following.now + fw_timeout_of(generation, flow, packet->protocol);
	return fw_insert(&held->flows, flow, room->following.now, direction);
}

#endif
