/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The layer-4 header: ports of TCP, UDP and SCTP, type and code of ICMP and ICMPv6.
 *
 * Promises: docs/parsing.md, "Layer 4". Protocols that it does not know pass by number, without FW_PACKET_L4.
 */
#ifndef FWCTL_BPF_PARSE_L4_H
#define FWCTL_BPF_PARSE_L4_H

#include <linux/in.h>
#include <linux/in6.h>
#include <bpf/bpf_endian.h>

#include "fwctl/abi/packet.h"
#include "fwctl/bpf/decision.h"

enum {
	FW_TCP_HEADER = 20,
	FW_UDP_HEADER = 8,
	FW_SCTP_HEADER = 12,
	FW_GUE_SIZE = FW_UDP_HEADER + 4, /* UDP, and GUE without optional fields */
	FW_ICMP_HEADER = 8,		 /* what Linux's receive path pulls, too */
};

/* Byte 13 of the TCP header. */
enum {
	FW_TCP_FIN = 0x01,
	FW_TCP_SYN = 0x02,
	FW_TCP_RST = 0x04,
	FW_TCP_ACK = 0x10,
	FW_TCP_URG = 0x20,
};

/* The first bytes of all five; TCP's offset and flags are read in addition. */
struct fw_l4_head {
	__be16 source_or_type;
	__be16 destination;
};

static __always_inline __u32 fw_l4_minimum(const struct fw_packet *packet)
{
	switch (packet->protocol) {
	case IPPROTO_TCP:
		return FW_TCP_HEADER;
	case IPPROTO_UDP:
		return FW_UDP_HEADER;
	case IPPROTO_SCTP:
		return FW_SCTP_HEADER;
	case IPPROTO_ICMP:
		return packet->family == FW_FAMILY_IPV4 ? FW_ICMP_HEADER : 0;
	case IPPROTO_ICMPV6:
		return packet->family == FW_FAMILY_IPV6 ? FW_ICMP_HEADER : 0;
	default:
		return 0;
	}
}

/* `end` is where the IP packet ends, which the caller has found to lie within the frame. */
static __always_inline __u8 fw_parse_l4(fw_ctx *ctx, struct fw_packet *packet, __u32 end)
{
	__u32 offset = packet->l4_offset;
	__u32 minimum = fw_l4_minimum(packet);
	struct fw_l4_head room;
	const struct fw_l4_head *head;

	if (minimum == 0)
		return FW_UNDECIDED;
	head = fw_ctx_at(ctx, offset, &room, sizeof(room));
	if (offset + minimum > end || !head)
		return FW_REASON_TRUNCATED_L4;

	if (packet->protocol == IPPROTO_TCP) {
		__u8 room_for_flags[2];
		const __u8 *offset_and_flags =
			fw_ctx_at(ctx, offset + 12, room_for_flags, sizeof(room_for_flags));
		__u32 header;

		if (!offset_and_flags)
			return FW_REASON_TRUNCATED_L4;
		header = (offset_and_flags[0] >> 4) * 4;
		if (header < FW_TCP_HEADER || offset + header > end)
			return FW_REASON_MALFORMED_TCP;
		packet->tcp_flags = offset_and_flags[1];
	}
	if (minimum == FW_ICMP_HEADER && packet->protocol != IPPROTO_UDP) {
		packet->selector = bpf_ntohs(head->source_or_type);
	} else {
		packet->source_port = bpf_ntohs(head->source_or_type);
		packet->selector = bpf_ntohs(head->destination);
	}
	packet->flags |= FW_PACKET_L4;
	return FW_UNDECIDED;
}

/*
 * A later fragment has no layer-4 header. A TCP one that starts at byte 8 could overwrite the flags that the
 * first one was judged by when the receiver puts the two together (RFC 1858, RFC 3128). `units` of 8 bytes.
 */
static __always_inline __u8 fw_later_fragment(const struct fw_packet *packet, __u16 units)
{
	if (packet->protocol == IPPROTO_TCP && units == 1)
		return FW_REASON_TINY_FRAGMENT;
	return FW_UNDECIDED;
}

#endif
