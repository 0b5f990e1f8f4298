/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The short way of the second stage, for most packets: those of UDP, and segments that neither open nor end a
 * connection, of flows that are confirmed or not known.
 *
 * Promises: the state that fw_track() comes to, and all that it leaves in the table and in fw_flow_room.
 * Where nothing of the table changes no lock is taken and nothing is written: the lock has not moved while
 * the bucket was read, so that all of it stood there at one time. What more may follow from is left to
 * fw_track(), and so is who finds the lock taken.
 */
#ifndef FWCTL_BPF_STEADY_H
#define FWCTL_BPF_STEADY_H

#include "fwctl/bpf/conntrack.h"
#include "fwctl/bpf/read.h"

/* Whether a packet has so little that it may go this way. */
static __always_inline bool fw_may_be_steady(const struct fw_packet *packet)
{
	if (packet->fragment >= FW_FRAGMENT_FIRST)
		return false;
	if (packet->protocol == IPPROTO_TCP)
		return (packet->tcp_flags & (FW_TCP_SYN | FW_TCP_FIN | FW_TCP_RST | FW_TCP_ACK)) ==
		       FW_TCP_ACK;
	return packet->protocol == IPPROTO_UDP;
}

/* The pointer, which is followed behind all that `read` is made of: processors other than x86 read in any
 * order what does not depend on each other. */
static __always_inline void *fw_behind(void *pointer, __u64 read)
{
	asm volatile("%0 &= 0" : "+r"(read));
	return pointer + read;
}

/* FW_NO_WAY: it is not there. `read`: of all that was. */
static __always_inline __u32 fw_find_tag(const struct fw_flow_bucket *bucket, __u32 tag, __u64 *read)
{
#pragma unroll
	for (__u32 way = 0; way < FW_FLOW_WAYS; way++) {
		__u32 held = *(const volatile __u32 *)&bucket->tags[way];

		*read |= held;
		if (held == tag)
			return way;
	}
	return FW_NO_WAY;
}

/* 0: it is the packet's flow, of UDP, and what fw_follow_flow() would write is there. One word, made of all
 * that was read. */
static __always_inline __u64 fw_differs(const struct fw_flow *flow, const struct fw_following *following,
					const struct fw_generation *generation)
{
	const struct fw_flow_key *key = &following->key;
	__u32 expires = following->now + generation->timeouts[FW_TIMEOUT_UDP];

	return (flow->key.ends[0][0] ^ key->ends[0][0]) | (flow->key.ends[0][1] ^ key->ends[0][1]) |
	       (flow->key.ends[1][0] ^ key->ends[1][0]) | (flow->key.ends[1][1] ^ key->ends[1][1]) |
	       (flow->key.rest ^ key->rest) | (flow->expires ^ expires) |
	       ((flow->flags & (FW_FLOW_ANSWERED | FW_FLOW_PROXIED)) ^ FW_FLOW_ANSWERED) |
	       following->has_segment;
}

/* What they answer beside states and FW_FOUND_*: not by this way; there is no such flow. */
enum { FW_UNSTEADY = 1 << 8, FW_ABSENT = 1 << 9 };

/*
 * What changes, changes under the lock. The flow was found and is confirmed: nothing follows from being
 * proven. Neither a datagram nor such a segment ends it.
 */
static __always_inline int fw_follow_confirmed(struct fw_flow_bucket *bucket, struct fw_flow_room *room,
					       const struct fw_generation *generation, __u32 way)
{
	struct fw_flow *flow = fw_flow_at(bucket, way);
	__u32 sender = room->following.sender;
	int found = FW_UNSTEADY;
	bool is_proven;

	if (!fw_try_lock(&bucket->lock))
		return FW_UNSTEADY;
	if (fw_tag_at(bucket, way) == fw_flow_tag(room->following.hash) &&
	    fw_same_flow(&flow->key, &room->following.key) && !fw_is_expired(flow, room->following.now) &&
	    !(flow->flags & FW_FLOW_PROXIED) && !(flow->closed_at & FW_FLOW_REFUSED)) {
		found = fw_follow_flow(flow, &room->following, generation, &is_proven);
		found |= fw_found_beside(flow, &room->following, found);
		asm volatile("" : "+r"(sender));
		room->verdict = flow->verdicts[sender & 1];
	}
	fw_unlock(&bucket->lock);
	return found;
}

/* Answers one word, made of all that was read. */
static __always_inline __u64 fw_take_verdict(struct fw_flow_verdict *to, const struct fw_flow_verdict *from)
{
	const volatile fw_any64 *words = (const void *)from;
	fw_any64 *taken = (void *)to, first = words[0], second = words[1];

	taken[0] = first;
	taken[1] = second;
	return first | second;
}

/* Whether a flow that is not there may be in the table that flows are moved from: asked behind `read`. */
static __always_inline bool fw_moves_flows(__u64 read)
{
	__u32 zero = 0;
	struct fw_control *held = bpf_map_lookup_elem(&control, &zero);

	if (!held)
		return true;
	held = fw_behind(held, read);
	return *(const volatile __u64 *)&held->flows.old_place;
}

/* What the packet is to its flow, when this bucket has it. */
static __always_inline int fw_read_bucket_of(struct fw_flow_bucket *bucket, struct fw_flow_room *room,
					     const struct fw_generation *generation)
{
	__u32 *lock = &bucket->lock, seen = *(const volatile __u32 *)lock, sender, way;
	__u64 read = 0;

	if (seen & 1)
		return FW_UNSTEADY;
	bucket = fw_behind(bucket, seen);
	way = fw_find_tag(bucket, fw_flow_tag(room->following.hash), &read);
	if (way != FW_NO_WAY) {
		const struct fw_flow *flow = fw_flow_at(bucket, way);
		__u64 differs = fw_differs(flow, &room->following, generation);

		sender = room->following.sender;
		asm volatile("" : "+r"(sender));
		lock = fw_behind(lock,
				 differs | fw_take_verdict(&room->verdict, &flow->verdicts[sender & 1]));
		if (differs || way >= FW_FLOW_CONFIRMED)
			return way < FW_FLOW_CONFIRMED ? fw_follow_confirmed(bucket, room, generation, way)
						       : FW_UNSTEADY;
	} else {
		if (fw_moves_flows(read))
			return FW_UNSTEADY;
		lock = fw_behind(lock, read);
	}
	asm volatile("" : : : "memory");
	if (*(const volatile __u32 *)lock != seen)
		return FW_UNSTEADY;
	return way == FW_NO_WAY ? FW_ABSENT : FW_STATE_ESTABLISHED;
}

static __always_inline bool fw_begin_steady(fw_ctx *ctx, const struct fw_packet *packet,
					    struct fw_flow_room *room, __u32 direction)
{
	struct fw_following *following = &room->following;

	following->sender =
		fw_key_of_ports(&following->key, &packet->source, &packet->destination, packet->source_port,
				packet->selector, packet->protocol | packet->family << 8);
	following->now = fw_flow_tick(room);
	following->protocol = packet->protocol;
	following->has_segment = following->is_error = following->is_part = following->is_translated = false;
	if (packet->protocol == IPPROTO_UDP)
		return true;
	following->segment.terms = (struct fw_tcp_terms){};
	following->segment.time = 0;
	following->segment.here = fw_place_of(fw_slot, direction) + 1;
	return fw_find_segment(ctx, packet, following);
}

/* True: the packet's state is set, as by fw_track(). `what`: as there. A global function, as that one. */
__noinline int fw_track_steady(fw_ctx *ctx, struct fw_packet *packet, __u32 what)
{
	__u32 zero = 0, half = what & FW_TRACK_HALF;
	const struct fw_generation *generation = bpf_map_lookup_elem(&policy, &half);
	const struct fw_control *held = bpf_map_lookup_elem(&control, &zero);
	struct fw_flow_room *room = bpf_map_lookup_elem(&flow_room, &zero);
	struct fw_flow_bucket *bucket;
	int found;

	if (!packet || !held || !generation || !room || !fw_changes_flows() || fw_sees_one_way(generation) ||
	    packet->family == FW_FAMILY_NONE || !fw_begin_steady(ctx, packet, room, !!(what & FW_TRACK_OUT)))
		return false;
	room->following.hash = fw_flow_hash(&room->following.key, held->flows.keys);
	bucket = fw_flow_bucket_of(&held->flows, room->following.hash);
	found = bucket ? fw_read_bucket_of(bucket, room, generation) : FW_UNSTEADY;
	if (found == FW_ABSENT) {
		packet->flags |= FW_PACKET_OPENS;
		found = FW_STATE_NEW;
	}
	if (found == FW_UNSTEADY)
		return false;
	fw_put_state(packet, found);
	return true;
}

#endif
