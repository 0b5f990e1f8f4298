/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Behind the rules: what is let in for a service goes to one of its backends.
 *
 * Promises: docs/balance.md. Each packet is counted under one reason, and one that was sent under its
 * backend. A program that may not change packets hands them to TC ingress; so does XDP what needs a neighbour
 * that is not known.
 */
#ifndef FWCTL_BPF_BALANCE_H
#define FWCTL_BPF_BALANCE_H

#include "fwctl/bpf/happen.h"
#include "fwctl/bpf/known.h"
#include "fwctl/bpf/nat.h"
#include "fwctl/bpf/quic.h"
#include "fwctl/bpf/reject.h"
#include "fwctl/bpf/stand_in.h"

enum {
	FW_MAX_ECHO = FW_ANSWER_SIZE - FW_ANSWER_TRANSPORT - 8, /* bytes of a message that are sent back */
	FW_IPV6_MIN_MTU = 1280,
};

/* A first packet, where its backend is chosen: not again behind XDP. */
static __always_inline void fw_count_flow(const struct fw_packet *packet, const struct fw_balance_room *room)
{
	__u32 number = room->backend;
	struct fw_backend_count *count;

	if (room->asked != FW_ASKED_FLOW || room->why == FW_PLACED_BY_TABLE || !room->opens ||
	    packet->flags & FW_PACKET_HANDED_ON || fw_silent)
		return;
	count = bpf_map_lookup_elem(&backend_counts, &number);
	if (!count)
		return;
	count->flows++;
	if (fw_hears(FW_HAPPENED_PLACED))
		fw_note_flow(FW_HAPPENED_PLACED, 0);
}

/* Where the rest of the packet is to go. A global function, as fw_parse(). */
__noinline int fw_note_first_way(const struct fw_packet *packet, const struct fw_balance_room *room,
				 __u32 service)
{
	struct fw_fragment_way way = {.service = service};
	struct fw_fragment_key key;

	if (!packet || !room)
		return 0;
	way.backend = room->backend;
	way.tick = room->now;
	way.is_answer = fw_is_answer(room);
	way.client_ifindex = room->client_ifindex;
	way.vip = room->vip;
	way.client = room->client;
	fw_key_of_fragment(&key, packet);
	bpf_map_update_elem(&fragment_ways, &key, &way, BPF_ANY);
	return 0;
}

/*
 * Echo requests are answered here, as no backend has more of the address than another one (RFC 792, RFC
 * 4443). Answers the hook's action, or a negated reason.
 */
__noinline int fw_answer_echo(fw_ctx *ctx, const struct fw_packet *packet)
{
	__u32 zero = 0, size;
	int action;
	struct fw_answering *answer = bpf_map_lookup_elem(&answers, &zero);

	if (!packet || !answer || !fw_may_be_answered(ctx, packet))
		return -FW_REASON_ECHO_SILENT;
	if (!fw_take_answer_token(answer))
		return -FW_REASON_ECHO_LIMITED;
	size = fw_ip_end(ctx, packet) - packet->l4_offset;
	if (size > FW_MAX_ECHO)
		return -FW_REASON_ECHO_SILENT;
	*fw_answer_word(answer, FW_ANSWER_TRANSPORT + size) = 0;
	answer->body = size;
	if (!fw_size_fits(&size, FW_MAX_ECHO) ||
	    !fw_ctx_read(ctx, packet->l4_offset, &answer->bytes[FW_ANSWER_TRANSPORT], size))
		return -FW_REASON_ECHO_SILENT;
	answer->protocol = packet->protocol;
	answer->family = packet->family;
	*fw_answer_word(answer, FW_ANSWER_TRANSPORT) =
		packet->family == FW_FAMILY_IPV4 ? 0 : bpf_htonl(FW_ICMP6_ECHO_REPLY << 24);
	action = fw_send_answer(ctx, packet, answer, FW_IN);
	return action < 0 ? -FW_REASON_ECHO_SILENT : action;
}

/*
 * Tells the sender that its packet cannot go on: it is longer than `mtu` (RFC 1191, RFC 4443, 3.2), or, with
 * 0, its TTL has run out (RFC 792, RFC 4443, 3.3). Every IPv6 link takes FW_IPV6_MIN_MTU bytes (RFC 8200, 5):
 * a message of less has to be thrown away (RFC 8201, 4), so nobody is told of what is no longer than that.
 * Negative: it is not told.
 */
__noinline int fw_answer_stopped(fw_ctx *ctx, const struct fw_packet *packet, __u32 mtu)
{
	__u32 zero = 0, type_and_code;
	struct fw_answering *answer = bpf_map_lookup_elem(&answers, &zero);
	bool is_ipv4;

	if (!packet || !answer || !fw_may_be_answered(ctx, packet))
		return -1;
	is_ipv4 = packet->family == FW_FAMILY_IPV4;
	if (!is_ipv4 && mtu && mtu < FW_IPV6_MIN_MTU) {
		if (fw_ctx_wire_length(ctx, packet) <= FW_IPV6_MIN_MTU)
			return -1;
		mtu = FW_IPV6_MIN_MTU;
	}
	if (!fw_take_answer_token(answer))
		return -1;
	if (mtu)
		type_and_code = is_ipv4 ? 3 << 8 | 4 : 2 << 8;
	else
		type_and_code = is_ipv4 ? 11 << 8 : 3 << 8;
	if (!fw_make_unreachable(ctx, packet, answer, type_and_code))
		return -1;
	fw_answer_word(answer, FW_ANSWER_TRANSPORT)[1] = bpf_htonl(is_ipv4 ? mtu & 0xffff : mtu);
	return fw_send_answer(ctx, packet, answer, FW_IN);
}

/*
 * The header to put in front of the packet, or that its ends are to change. True: with it the packet is too
 * long for its way. This and the next one are global functions, as fw_parse().
 */
__noinline int fw_pack(fw_ctx *ctx, const struct fw_packet *packet, __u32 half)
{
	const struct fw_generation *generation = bpf_map_lookup_elem(&policy, &half);
	__u32 zero = 0, hash = 0;
	struct fw_balance_room *room = bpf_map_lookup_elem(&balance_room, &zero);
	const struct fw_service *service;

	if (!packet || !generation || !room)
		return true;
	service = fw_service_at(generation, packet->service);
	if (!service)
		return true;
	room->translates = service->transport == FW_BY_NAT || service->transport == FW_BY_FULL_NAT;
	if (fw_tells_flows(room, service->transport))
		hash = fw_ring_hash(service, room);
	return fw_put_in_outer(ctx, packet, room, service->transport, service->gue_port, hash);
}

/* The hook's action, FW_HAND_ON, or a negated reason. */
__noinline int fw_deliver(fw_ctx *ctx, const struct fw_packet *packet, __u32 half)
{
	const struct fw_generation *generation = bpf_map_lookup_elem(&policy, &half);
	__u32 zero = 0;
	struct fw_balance_room *room = bpf_map_lookup_elem(&balance_room, &zero);
	const struct fw_service *service;
	int action;

	if (!packet || !generation || !room)
		return -FW_REASON_BALANCE_FAILED;
	service = fw_service_at(generation, packet->service);
	if (!service)
		return -FW_REASON_BALANCE_FAILED;
	if (packet->fragment == FW_FRAGMENT_FIRST && fw_changes_placed())
		fw_note_first_way(packet, room, service->number);
	if (fw_ctx_lets_kernel_send(room))
		return FW_HAND_ON;
	action = fw_ctx_send_to_backend(ctx, packet, room, service->transport);
	if (action >= 0 && !fw_is_answer(room))
		fw_count_backend(room);
	return action;
}

/* The packet is dropped as `reason`, whether its sender is told or not. */
static __always_inline int fw_stop(fw_ctx *ctx, const struct fw_packet *packet, __u32 mtu, __u8 reason,
				   struct fw_decision *decision)
{
	int action = fw_answer_stopped(ctx, packet, mtu);

	decision->reason = reason;
	return action < 0 ? FW_DECIDED : action;
}

/* The connection is over for both sides, also where its client cannot be told. */
static __always_inline int fw_reset_client(fw_ctx *ctx, const struct fw_packet *packet)
{
	int action = fw_reject(ctx, packet, FW_ANSWER_TCP_RESET | FW_IN << 8);

	return action < 0 ? -FW_REASON_BACKEND_DOWN : action;
}

/* A message to the sender in the packet's place; decision->reason becomes `reason`. */
static __always_inline int fw_told(int action, __u8 reason, struct fw_decision *decision)
{
	decision->reason = action < 0 ? -action : reason;
	return action < 0 ? FW_DECIDED : action;
}

/*
 * For `explain`, of a packet that this program hands on: what TC ingress will choose. What is attached never
 * traces, so that the verifier takes it out there.
 */
static __always_inline void fw_foresee_choice(fw_ctx *ctx, const struct fw_packet *packet, __u32 half)
{
	__u32 zero = 0;
	struct fw_balance_room *room = bpf_map_lookup_elem(&balance_room, &zero);

	if (!fw_tracing || fw_ctx_may_rewrite() || !packet->service || !room)
		return;
	if (room->asked != FW_ASKED_ECHO && !fw_is_answer(room)) {
		fw_tick(room);
		fw_name_backend(ctx, packet, room, half);
		fw_choose_backend(room, half, packet->service, packet->tcp_flags);
	}
	fw_trace_choice(room);
}

/* As fw_carry_out(), by the generation of that number. Functions that need room on the stack follow each
 * other, rather than call each other. */
static __always_inline int fw_balance(fw_ctx *ctx, const struct fw_packet *packet, __u32 number,
				      struct fw_decision *decision)
{
	__u32 zero = 0, half = number & 1;
	struct fw_balance_room *room = bpf_map_lookup_elem(&balance_room, &zero);
	int action;

	decision->reason = FW_REASON_BALANCE_FAILED;
	if (!room || !fw_ctx_may_rewrite())
		return FW_DECIDED;
	if (room->asked == FW_ASKED_ECHO)
		return fw_told(fw_answer_echo(ctx, packet), FW_REASON_ECHO_ANSWERED, decision);
	fw_tick(room);
	room->resets = false;
	if (!fw_is_answer(room)) {
		fw_name_backend(ctx, packet, room, half);
		fw_choose_backend(room, half, packet->service, packet->tcp_flags);
	}
	fw_trace_choice(room);
	if (room->resets)
		return fw_told(fw_reset_client(ctx, packet), FW_REASON_BACKEND_DOWN, decision);
	if (!room->backend) {
		decision->reason = FW_REASON_NO_BACKEND;
		return FW_DECIDED;
	}
	fw_count_flow(packet, room);
	if (fw_knows_ways(packet) && room->asked == FW_ASKED_FLOW) {
		action = fw_send_known(ctx, packet, number, true);
		if (action != FW_HAND_ON)
			return fw_told(action, FW_REASON_BALANCED, decision);
	}
	if (!fw_find_next_hop(ctx, room, number, packet->service))
		return FW_DECIDED;
	if (fw_pack(ctx, packet, half))
		return fw_stop(ctx, packet, room->mtu - room->overhead, FW_REASON_BALANCE_TOO_LONG, decision);
	if (room->translates && packet->ttl <= 1)
		return fw_stop(ctx, packet, 0, FW_REASON_BALANCE_EXPIRED, decision);
	if (room->translates && !fw_find_translation(ctx, packet, half)) {
		decision->reason = FW_REASON_NAT_FULL;
		return FW_DECIDED;
	}
	action = fw_deliver(ctx, packet, half);
	if (action == FW_HAND_ON && !fw_hands_on)
		action = -FW_REASON_BALANCE_FAILED;
	if (action == FW_HAND_ON)
		return FW_HAND_ON;
	return fw_told(action, fw_is_answer(room) ? FW_REASON_ANSWER_TRANSLATED : FW_REASON_BALANCED,
		       decision);
}

#endif
