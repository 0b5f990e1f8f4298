/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The action `reject`: the packet is dropped, and its sender told.
 *
 * Promises: nothing is answered that must not be (RFC 1122 3.2.2, RFC 1812 4.3.2.7, RFC 4443 2.4 (e)): no
 * reset, no ICMP error, no later fragment, nothing from or to many. At most FW_ANSWERS_PER_SECOND answers by
 * each processor. docs/forward.md says which answers there are.
 */
#ifndef FWCTL_BPF_REJECT_H
#define FWCTL_BPF_REJECT_H

#include "fwctl/bpf/answer.h"
#include "fwctl/bpf/decision.h"

enum { FW_NANOSECONDS_PER_ANSWER = 1000000000 / FW_ANSWERS_PER_SECOND };

/* An address that stands for one host: not this network, loopback, multicast or broadcast. */
static __always_inline bool fw_is_one_host_ipv4(__u8 first)
{
	return first != 0 && first != 127 && first < 224;
}

/* Not `::`, `::1` or multicast. */
static __always_inline bool fw_is_one_host_ipv6(const struct fw_address *address)
{
	const __u64 *halves = (const void *)address->bytes;

	return address->bytes[0] != 0xff && (halves[0] != 0 || (bpf_be64_to_cpu(halves[1]) > 1));
}

static __always_inline bool fw_is_icmp_error(const struct fw_packet *packet)
{
	__u8 type = packet->selector >> 8;

	if (packet->family == FW_FAMILY_IPV6)
		return packet->protocol == IPPROTO_ICMPV6 && (type < 128 || type == 137);
	/* Unreachable, source quench, redirect, time exceeded, parameter problem, and what is unknown. */
	return packet->protocol == IPPROTO_ICMP &&
	       (type > 18 || ((1 << type) & (1 << 3 | 1 << 4 | 1 << 5 | 1 << 11 | 1 << 12)));
}

static __always_inline bool fw_may_be_answered(fw_ctx *ctx, const struct fw_packet *packet)
{
	const __u8 *first;
	__u8 room;

	if (packet->fragment == FW_FRAGMENT_LATER || fw_is_icmp_error(packet))
		return false;
	if (packet->protocol == IPPROTO_TCP && packet->tcp_flags & FW_TCP_RST)
		return false;
	if (fw_link == FW_LINK_ETHERNET) {
		first = fw_ctx_at(ctx, 0, &room, sizeof(room));
		if (!first || *first & 1)
			return false;
	}
	if (packet->family == FW_FAMILY_IPV4)
		return fw_is_one_host_ipv4(packet->source.bytes[0]) &&
		       fw_is_one_host_ipv4(packet->destination.bytes[0]);
	return packet->family == FW_FAMILY_IPV6 && fw_is_one_host_ipv6(&packet->source) &&
	       fw_is_one_host_ipv6(&packet->destination);
}

/* A token bucket, as the time at which it will be full (GCRA: ITU-T I.371, annex A). */
static __always_inline bool fw_take_answer_token(struct fw_answering *answer)
{
	__u64 now = bpf_ktime_get_coarse_ns(), full = answer->full < now ? now : answer->full;

	if (full - now > (FW_ANSWER_BURST - 1) * (__u64)FW_NANOSECONDS_PER_ANSWER)
		return false;
	if (!fw_silent)
		answer->full = full + FW_NANOSECONDS_PER_ANSWER;
	return true;
}

/* Type and code of destination unreachable. */
static __always_inline __u32 fw_unreachable(const struct fw_packet *packet, __u8 answer)
{
	bool ipv4 = packet->family == FW_FAMILY_IPV4;

	switch (answer) {
	case FW_ANSWER_HOST_UNREACHABLE:
		return ipv4 ? 3 << 8 | 1 : 1 << 8 | 3;
	case FW_ANSWER_ADMIN_PROHIBITED:
		return ipv4 ? 3 << 8 | 13 : 1 << 8 | 1;
	default:
		return ipv4 ? 3 << 8 | 3 : 1 << 8 | 4;
	}
}

static __always_inline bool fw_make_answer(fw_ctx *ctx, const struct fw_packet *packet,
					   struct fw_answering *answer, __u8 with)
{
	bool resets = packet->protocol == IPPROTO_TCP && packet->flags & FW_PACKET_L4;

	if (with == FW_ANSWER_TCP_RESET && !resets)
		return false;
	if (resets && (with == FW_ANSWER_AUTO || with == FW_ANSWER_TCP_RESET))
		return fw_make_reset(ctx, packet, answer);
	return fw_make_unreachable(ctx, packet, answer, fw_unreachable(packet, with));
}

/* Puts the headers in front of an answer and sends it: the hook's action, or negative. */
static __always_inline int fw_send_answer(fw_ctx *ctx, const struct fw_packet *packet,
					  struct fw_answering *answer, __u32 direction)
{
	__u32 header;

	if (!fw_answer_link(ctx, packet, answer))
		return -1;
	if (packet->family == FW_FAMILY_IPV4)
		fw_answer_ipv4(packet, answer, true, FW_ANSWER_TTL);
	else
		fw_answer_ipv6(packet, answer, true, FW_ANSWER_TTL);
	header = fw_ctx_left_checksum(ctx, packet, answer);
	if (header == FW_CANNOT_ANSWER)
		return -1;
	fw_finish_answer(packet, answer, header);
	return fw_ctx_answer(ctx, answer, direction);
}

/*
 * The action of the hook that sends the answer, or the negated reason for which none is sent. A global
 * function, as in fw_parse().
 */
__noinline int fw_reject(fw_ctx *ctx, const struct fw_packet *packet, __u32 with_and_direction)
{
	__u32 zero = 0;
	struct fw_answering *answer = bpf_map_lookup_elem(&answers, &zero);
	int action;

	if (!packet || !answer || !fw_ctx_may_rewrite() || !fw_may_be_answered(ctx, packet))
		return -FW_REASON_REJECT_SILENT;
	if (!fw_take_answer_token(answer))
		return -FW_REASON_REJECT_LIMITED;
	if (!fw_make_answer(ctx, packet, answer, with_and_direction & 0xff))
		return -FW_REASON_REJECT_SILENT;
	action = fw_send_answer(ctx, packet, answer, with_and_direction >> 8);
	return action < 0 ? -FW_REASON_REJECT_SILENT : action;
}

#endif
