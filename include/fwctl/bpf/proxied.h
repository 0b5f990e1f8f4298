/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Flows that action synproxy has opened, while they are followed.
 *
 * Such a connection has two sets of numbers: the client counts the server's octets from the cookie on, the
 * server from the number of its own SYN on. Packets are translated in one place, TC at the attachment that
 * has answered the client (translate.h); all other places, and other attachments, see the server's numbers.
 * The flow is followed in those of the client.
 */
#ifndef FWCTL_BPF_PROXIED_H
#define FWCTL_BPF_PROXIED_H

#include "fwctl/bpf/maps.h"
#include "fwctl/bpf/tcp.h"

/* What fw_look_up_flow() answers beside the state. */
enum { FW_FOUND_PROXIED = 0x80, FW_FOUND_UNANSWERED = 0x40 };

static __always_inline void fw_put_state(struct fw_packet *packet, int found)
{
	packet->state = found & ~(FW_FOUND_PROXIED | FW_FOUND_UNANSWERED);
	if (found & FW_FOUND_PROXIED)
		packet->flags |= FW_PACKET_PROXIED;
	if (found & FW_FOUND_UNANSWERED)
		packet->flags |= FW_PACKET_UNANSWERED;
}

/* Whether the packet is of who has opened a flow that nobody has answered. */
static __always_inline bool fw_is_unanswered(const struct fw_flow *flow, const struct fw_following *following)
{
	return !(flow->flags & (FW_FLOW_ANSWERED | FW_FLOW_PROXIED)) &&
	       following->sender == (flow->flags & FW_FLOW_OPENED_BY_SECOND);
}

/*
 * Such a flow is no proof of anything: SYNs of its opener are answered with cookies, and the ACK with one,
 * which is none of the flow's, opens the connection in its place. Until then it stays: anybody can forge a
 * SYN. Called with the state that the packet has.
 */
static __always_inline __u8 fw_found_beside(const struct fw_flow *flow, const struct fw_following *following,
					    __u8 state)
{
	return state == FW_STATE_INVALID && fw_is_unanswered(flow, following) ? FW_FOUND_UNANSWERED : 0;
}

/* For the stages behind. */
static __always_inline void fw_copy_proxy(const struct fw_flow *flow, struct fw_flow_room *room)
{
	room->proxy = flow->proxy;
	room->is_opening = !!(flow->flags & FW_FLOW_OPENING);
	room->client = flow->flags & FW_FLOW_OPENED_BY_SECOND;
	room->from_client = !room->following.is_error && room->following.sender == room->client;
}

/* Whether the packet is where it was sent with the client's numbers and is to get the server's. */
static __always_inline bool fw_is_at_client(const struct fw_flow_room *room)
{
	return room->proxy.slot == fw_slot && room->following.direction == FW_IN;
}

/*
 * While the server has not answered. Its SYN-ACK says how the numbers differ. To the client's packets there
 * is no connection yet: each brings its cookie again, so that a lost SYN is sent once more.
 */
static __always_inline bool fw_meet_opening(struct fw_flow *flow, const struct fw_flow_room *room,
					    __u8 *state)
{
	const struct fw_segment *segment = &room->following.segment;
	struct fw_flow_proxy *proxy = &flow->proxy;
	__u32 client = flow->flags & FW_FLOW_OPENED_BY_SECOND;

	*state = room->from_client ? FW_STATE_NEW : FW_STATE_ESTABLISHED;
	if (room->from_client && fw_is_at_client(room))
		*state = 0;
	if (room->from_client || !room->following.has_segment || segment->kind != FW_SEGMENT_SYN_ACK)
		return false;
	if (segment->acknowledgment != flow->tcp[client & 1].end) {
		*state = FW_STATE_INVALID;
		return false;
	}
	proxy->sequence = proxy->cookie - segment->sequence;
	if (segment->terms.flags & FW_TCP_STAMPS)
		proxy->time -= segment->time;
	else
		proxy->flags &= ~FW_PROXY_STAMPED;
	if (segment->terms.flags & FW_TCP_SCALES) {
		proxy->flags |= FW_PROXY_SERVER_SCALED;
		proxy->server_scale = segment->terms.scale;
	}
	flow->flags &= ~FW_FLOW_OPENING;
	return true;
}

/* The numbers that the packet has, for the next connection between its ends. */
static __always_inline void fw_give_back_numbers(struct fw_flow_room *room)
{
	struct fw_segment *segment = &room->following.segment;

	if (room->from_client) {
		segment->acknowledgment -= room->proxy.sequence;
	} else {
		segment->sequence -= room->proxy.sequence;
		segment->end -= room->proxy.sequence;
	}
}

/* Gives the segment the client's numbers. False: it is not to be followed, and is what `state` says. */
static __always_inline bool fw_meet_proxied(struct fw_flow *flow, struct fw_flow_room *room, __u8 *state)
{
	struct fw_segment *segment = &room->following.segment;
	bool follows = true;

	fw_copy_proxy(flow, room);
	if (room->following.is_error)
		return true;
	if (room->is_opening) {
		follows = fw_meet_opening(flow, room, state);
		fw_copy_proxy(flow, room);
	}
	if (!room->from_client) {
		segment->sequence += room->proxy.sequence;
		segment->end += room->proxy.sequence;
		room->following.is_translated = true;
	} else if (!fw_is_at_client(room)) {
		segment->acknowledgment += room->proxy.sequence;
		room->following.is_translated = true;
	}
	return follows;
}

/* What a packet is to its flow that is here for the second time: the state, and FW_FOUND_PROXIED. */
static __always_inline __u8 fw_recall_proxied(const struct fw_flow *flow, struct fw_flow_room *room)
{
	fw_copy_proxy(flow, room);
	if (room->is_opening && room->from_client && fw_is_at_client(room))
		return 0;
	return (room->following.is_error ? FW_STATE_RELATED : FW_STATE_ESTABLISHED) | FW_FOUND_PROXIED;
}

static __always_inline __u8 fw_recall_state(const struct fw_flow *flow, struct fw_flow_room *room)
{
	if (flow->flags & FW_FLOW_PROXIED)
		return fw_recall_proxied(flow, room);
	if (room->following.is_error)
		return FW_STATE_RELATED;
	return fw_is_unanswered(flow, &room->following) ? FW_STATE_NEW : FW_STATE_ESTABLISHED;
}

#endif
