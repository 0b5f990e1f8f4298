/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The IPv4 header (RFC 791).
 *
 * Promises: docs/parsing.md, "IPv4". Options are stepped over, not read; the checksum is the receiver's.
 */
#ifndef FWCTL_BPF_PARSE_IPV4_H
#define FWCTL_BPF_PARSE_IPV4_H

#include <linux/ip.h>

#include "fwctl/bpf/parse_l4.h"

enum {
	FW_IPV4_MORE_FRAGMENTS = 0x2000,
	FW_IPV4_FRAGMENT_OFFSET = 0x1fff, /* in units of 8 bytes */
};

static __always_inline __u8 fw_parse_ipv4(fw_ctx *ctx, struct fw_packet *packet)
{
	__u32 start = packet->l3_offset;
	struct iphdr room;
	const struct iphdr *ip = fw_ctx_at(ctx, start, &room, sizeof(room));
	__u32 header, left, total;
	__u16 fragment;

	if (!ip)
		return FW_REASON_TRUNCATED_IPV4;
	header = ip->ihl * 4;
	if (ip->version != 4 || header < sizeof(*ip))
		return FW_REASON_MALFORMED_IPV4;

	packet->ttl = ip->ttl;
	packet->traffic_class = ip->tos;
	packet->protocol = ip->protocol;
	__builtin_memcpy(packet->source.bytes, &ip->saddr, sizeof(ip->saddr));
	__builtin_memcpy(packet->destination.bytes, &ip->daddr, sizeof(ip->daddr));

	left = packet->length - start;
	total = bpf_ntohs(ip->tot_len);
	if (total == 0 && left > 0xffff)
		total = left;
	if (total < header)
		return FW_REASON_MALFORMED_IPV4;
	if (total > left)
		return FW_REASON_TRUNCATED_IPV4;

	packet->l4_offset = start + header;
	fragment = bpf_ntohs(ip->frag_off);
	if (fragment & (FW_IPV4_FRAGMENT_OFFSET | FW_IPV4_MORE_FRAGMENTS))
		packet->fragment_id = bpf_ntohs(ip->id);
	if (fragment & FW_IPV4_FRAGMENT_OFFSET) {
		packet->fragment = FW_FRAGMENT_LATER;
		return fw_later_fragment(packet, fragment & FW_IPV4_FRAGMENT_OFFSET);
	}
	if (fragment & FW_IPV4_MORE_FRAGMENTS)
		packet->fragment = FW_FRAGMENT_FIRST;
	return fw_parse_l4(ctx, packet, start + total);
}

#endif
