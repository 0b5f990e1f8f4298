/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a packet is to a flow that is known, and what follows from it for the flow. The caller holds the lock
 * of its bucket, or has a copy.
 */
#ifndef FWCTL_BPF_FOLLOW_H
#define FWCTL_BPF_FOLLOW_H

#include "fwctl/bpf/maps.h"
#include "fwctl/bpf/proxied.h"
#include "fwctl/bpf/tcp.h"

static __always_inline __u32 fw_flow_now(void)
{
	return (fw_rehearses ? fw_last.clock : bpf_ktime_get_coarse_ns()) >> FW_FLOW_TICK_SHIFT;
}

/* The same. It moves with the jiffies, which cost next to nothing to read; a moment behind them: who asks in
 * between has the one before until the next jiffy, and that may be as old as all processors have slept. */
static __always_inline __u32 fw_flow_tick(struct fw_flow_room *room)
{
	__u64 jiffies = bpf_jiffies64();

	if (fw_rehearses || room->jiffies != jiffies) {
		room->tick = fw_flow_now();
		room->jiffies = jiffies;
	}
	return room->tick;
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

/* Whether the end that has opened the flow has shown that it gets the answers. */
static __always_inline bool fw_is_proven(const struct fw_flow *flow, bool from_opener, bool was_answered)
{
	if (!from_opener || !was_answered)
		return false;
	return !flow->state || (flow->state >= FW_TCP_ESTABLISHED && flow->state != FW_TCP_CLOSED);
}

enum { FW_REFUSED_TICKS = 2 };

/*
 * A flow whose first segment was refused is over, but for the reset itself, which is seen again at each hook
 * on its way to who has asked.
 */
static __always_inline __u8 fw_follow_refused(const struct fw_flow *flow,
					      const struct fw_following *following)
{
	if (!following->has_segment || following->segment.kind != FW_SEGMENT_RST ||
	    flow->last_sender != following->sender ||
	    flow->closed_at == (following->segment.here | FW_FLOW_REFUSED))
		return 0;
	return FW_STATE_ESTABLISHED;
}

/* What the packet is to a flow that is known, and what follows from it. 0: the flow is over. */
static __always_inline __u8 fw_follow_flow(struct fw_flow *flow, const struct fw_following *following,
					   const struct fw_generation *generation, bool *is_proven)
{
	bool from_opener = following->sender == (flow->flags & FW_FLOW_OPENED_BY_SECOND);
	bool was_answered = flow->flags & FW_FLOW_ANSWERED;
	__u8 state = from_opener && !was_answered ? FW_STATE_NEW : FW_STATE_ESTABLISHED;

	if (flow->closed_at & FW_FLOW_REFUSED)
		return fw_follow_refused(flow, following);
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
		if (answer == FW_TCP_ENDS) {
			flow->expires = following->now + FW_REFUSED_TICKS;
			flow->closed_at = following->segment.here | FW_FLOW_REFUSED;
		}
		/* What its rest has room for, and what of it is acknowledged, is not known. */
		if (answer == FW_TCP_ACCEPTED && following->is_part)
			fw_tcp_trust(flow);
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

/* As fw_look_up_flow(). `is_over`: the flow is to be forgotten; `is_proven`: it is to be confirmed. */
static __always_inline int fw_meet_flow(struct fw_flow *flow, struct fw_flow_room *room,
					const struct fw_generation *generation, bool *is_over,
					bool *is_proven)
{
	__u8 state = 0, beside = 0;
	__u32 sender;

	if (room->following.recalls)
		return fw_recall_state(flow, room);
	if (flow->flags & FW_FLOW_PROXIED) {
		beside = FW_FOUND_PROXIED;
		if (!fw_meet_proxied(flow, room, &state))
			return state ? state | beside : 0;
	}
	if (fw_sees_one_way(generation))
		state = fw_follow_one_way(flow, &room->following, generation);
	else
		state = fw_follow_flow(flow, &room->following, generation, is_proven);
	beside |= fw_found_beside(flow, &room->following, state);
	sender = room->following.sender;
	asm volatile("" : "+r"(sender));
	room->verdict = flow->verdicts[sender & 1];
	*is_over = !state;
	return state ? state | beside : 0;
}

#endif
