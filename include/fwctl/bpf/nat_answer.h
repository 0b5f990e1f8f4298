/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whether a packet is a backend's answer to what was translated, or an ICMP error about that.
 *
 * Promises: only what belongs to a flow in the table; what a backend sends to others, or what others ask of
 * it past the service, is not touched.
 */
#ifndef FWCTL_BPF_NAT_ANSWER_H
#define FWCTL_BPF_NAT_ANSWER_H

#include "fwctl/bpf/address.h"
#include "fwctl/bpf/choose.h"
#include "fwctl/bpf/flow_key.h"
#include "fwctl/bpf/nat_table.h"

static __always_inline void fw_put_ports(struct fw_ends *ends, __u16 source, __u16 destination)
{
	ends->source_port = bpf_htons(source);
	ends->destination_port = bpf_htons(destination);
}

/* The key of what `packet` answers. False: it has no ports. */
static __always_inline bool fw_key_of_answer(const struct fw_packet *packet, struct fw_balance_room *room)
{
	fw_put_nat_key(&room->answer_key, FW_NAT_ANSWER, &packet->source, &packet->destination,
		       packet->source_port, packet->selector, packet->protocol, packet->family);
	room->asked = FW_ASKED_ANSWER;
	return packet->flags & FW_PACKET_L4 && !fw_is_icmp(packet->family, packet->protocol);
}

/* The same of an ICMP error: it quotes what the backend was sent. This and the next one are global functions,
 * as fw_parse(). */
__noinline int fw_key_of_answer_error(fw_ctx *ctx, const struct fw_packet *packet,
				      struct fw_balance_room *room)
{
	struct fw_quote *quote;

	if (!packet || !room || !fw_read_quote(ctx, packet, &room->quote))
		return false;
	quote = &room->quote;
	fw_put_nat_key(&room->answer_key, FW_NAT_ANSWER, &quote->destination, &quote->source,
		       bpf_ntohs(quote->destination_port), bpf_ntohs(quote->source_or_type), quote->protocol,
		       packet->family);
	room->asked = FW_ASKED_ANSWER_ERROR;
	return true;
}

/* A later fragment of an answer goes where the first one went. */
__noinline int fw_ask_answer_fragment(const struct fw_packet *packet, struct fw_balance_room *room)
{
	const struct fw_fragment_way *way;

	if (!packet || !room)
		return false;
	way = fw_find_first_way(packet, true, room);
	if (!way)
		return false;
	room->asked = FW_ASKED_ANSWER_FRAGMENT;
	room->client_ifindex = way->client_ifindex;
	room->vip = way->vip;
	room->client = way->client;
	return true;
}

/* Fills the room with the flow's ends. */
static __always_inline bool fw_ask_answered(struct fw_balance_room *room)
{
	__u32 now = fw_placed_now(), table;
	struct fw_nat_flow *flow = fw_find_nat(&room->answer_key, now, &table);

	if (!flow)
		return false;
	room->backend = flow->backend;
	room->service_number = flow->service;
	room->vip = flow->vip;
	room->vip_port = flow->vip_port;
	room->client = flow->client;
	room->client_port = flow->client_port;
	room->client_ifindex = flow->ifindex;
	room->nat.flags = flow->flags;
	room->nat.seen = flow->seen;
	return true;
}

/*
 * The flow has this answer, once it is let in: what rules deny, and what is for others, says nothing of it.
 * Looked up again only where there is something to write. A reset is none that a client could have seen: its
 * number may be that of the packet that it answers.
 */
static __always_inline void fw_note_answer(struct fw_balance_room *room, __u32 tcp_flags)
{
	struct fw_nat_flow *flow;
	__u32 table;

	if (!fw_changes_nat() || (room->nat.flags & FW_NAT_ANSWERED && room->nat.seen == room->now &&
				  !(tcp_flags & (FW_TCP_FIN | FW_TCP_RST | FW_TCP_SYN))))
		return;
	flow = fw_find_nat(&room->answer_key, room->now, &table);
	if (!flow)
		return;
	if (!(flow->flags & FW_NAT_ANSWERED) && !(tcp_flags & FW_TCP_RST)) {
		flow->number = room->number;
		flow->flags |= FW_NAT_ANSWERED;
	}
	fw_see_nat(flow, tcp_flags, room->now);
}

static __always_inline bool fw_is_error(const struct fw_packet *packet)
{
	return packet->flags & FW_PACKET_L4 && fw_is_icmp(packet->family, packet->protocol) &&
	       fw_is_about_loss(packet->family, packet->selector >> 8);
}

/*
 * Address of the service whose answer it is; 0: it is none. A flow whose backend is not in the policy any
 * more has ended. Asked only where a service translates. A global function, as fw_parse().
 */
__noinline __u32 fw_find_answer(fw_ctx *ctx, const struct fw_packet *packet, __u32 half)
{
	const struct fw_generation *generation = bpf_map_lookup_elem(&policy, &half);
	__u32 zero = 0;
	struct fw_balance_room *room = bpf_map_lookup_elem(&balance_room, &zero);
	const struct fw_backend *backend;

	if (!packet || !generation || !room)
		return 0;
	if (fw_is_error(packet)) {
		if (!fw_key_of_answer_error(ctx, packet, room) || !fw_ask_answered(room))
			return 0;
	} else if (!fw_find_address(generation->tiers[FW_FRONT].bank, &generation->services.answering,
				    packet->family, &packet->source)) {
		return 0;
	} else if (packet->fragment == FW_FRAGMENT_LATER) {
		if (!fw_ask_answer_fragment(packet, room))
			return 0;
	} else if (!fw_key_of_answer(packet, room) || !fw_ask_answered(room)) {
		return 0;
	}
	backend = fw_backend_of(generation, room->backend);
	if (!backend || backend->service != room->service_number)
		return 0;
	room->family = packet->family;
	room->protocol = room->asked == FW_ASKED_ANSWER_ERROR ? room->answer_key.protocol : packet->protocol;
	room->opens = false;
	room->why = FW_PLACED_BY_NOTHING;
	return backend->service_at;
}

#endif
