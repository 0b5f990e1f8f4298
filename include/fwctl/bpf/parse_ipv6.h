/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The IPv6 header and its chain of extension headers (RFC 8200, RFC 4302 for AH).
 *
 * Promises: docs/parsing.md, "IPv6". The walk is bounded by FW_MAX_EXTENSION_HEADERS.
 */
#ifndef FWCTL_BPF_PARSE_IPV6_H
#define FWCTL_BPF_PARSE_IPV6_H

#include <linux/ipv6.h>

#include "fwctl/bpf/parse_l4.h"

enum {
	FW_IPV6_FRAGMENT_HEADER = 8,
	FW_IPV6_MORE_FRAGMENTS = 0x0001,
};

/* The first eight bytes of every extension header; the last six only mean something in a fragment header. */
struct fw_extension {
	__u8 next;
	__u8 length;
	__be16 fragment;
	__be32 fragment_id;
};

static __always_inline bool fw_is_extension(__u8 protocol)
{
	return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_ROUTING || protocol == IPPROTO_DSTOPTS ||
	       protocol == IPPROTO_FRAGMENT || protocol == IPPROTO_AH;
}

static __always_inline __u32 fw_extension_size(__u8 protocol, __u8 length)
{
	if (protocol == IPPROTO_FRAGMENT)
		return FW_IPV6_FRAGMENT_HEADER;
	if (protocol == IPPROTO_AH)
		return (length + 2u) * 4;
	return (length + 1u) * 8;
}

/* A first fragment stays one, whatever fragment headers follow, unless one says that this is a later part. */
static __always_inline void fw_note_fragment(struct fw_packet *packet, __u16 fragment)
{
	if (fragment >> 3)
		packet->fragment = FW_FRAGMENT_LATER;
	else if (fragment & FW_IPV6_MORE_FRAGMENTS)
		packet->fragment = FW_FRAGMENT_FIRST;
	else if (packet->fragment != FW_FRAGMENT_FIRST)
		packet->fragment = FW_FRAGMENT_ATOMIC;
}

static __always_inline __u8 fw_parse_ipv6(fw_ctx *ctx, struct fw_packet *packet)
{
	__u32 start = packet->l3_offset;
	struct ipv6hdr room;
	const struct ipv6hdr *ip = fw_ctx_at(ctx, start, &room, sizeof(room));
	__u32 offset = start + sizeof(room);
	__u32 left, payload, end;
	__u8 next;

	if (!ip)
		return FW_REASON_TRUNCATED_IPV6;
	if (ip->version != 6)
		return FW_REASON_MALFORMED_IPV6;

	packet->ttl = ip->hop_limit;
	packet->traffic_class = ip->priority << 4 | ip->flow_lbl[0] >> 4;
	__builtin_memcpy(&packet->source, &ip->saddr, sizeof(ip->saddr));
	__builtin_memcpy(&packet->destination, &ip->daddr, sizeof(ip->daddr));

	left = packet->length - offset;
	payload = bpf_ntohs(ip->payload_len);
	if (payload == 0 && left > 0xffff)
		payload = left;
	if (payload > left)
		return FW_REASON_TRUNCATED_IPV6;
	end = offset + payload;

	next = ip->nexthdr;
	/* Unrolled: clang 14 lets the loop fall into its own head, which 6.1 refuses ("back-edge"). */
#pragma unroll
	for (__u32 walked = 0; walked <= FW_MAX_EXTENSION_HEADERS; walked++) {
		struct fw_extension room_for_extension;
		const struct fw_extension *extension;
		__u32 size;

		packet->protocol = next;
		packet->l4_offset = offset;
		if (!fw_is_extension(next))
			return fw_parse_l4(ctx, packet, end);
		if (walked == FW_MAX_EXTENSION_HEADERS)
			break;
		if (next == IPPROTO_HOPOPTS && walked > 0)
			return FW_REASON_MALFORMED_IPV6;
		extension = fw_ctx_at(ctx, offset, &room_for_extension, sizeof(room_for_extension));
		if (offset + sizeof(*extension) > end || !extension)
			return FW_REASON_TRUNCATED_EXTENSION;
		size = fw_extension_size(next, extension->length);
		if (offset + size > end)
			return FW_REASON_TRUNCATED_EXTENSION;
		packet->extension_count = walked + 1;
		offset += size;
		if (next == IPPROTO_FRAGMENT) {
			__u16 fragment = bpf_ntohs(extension->fragment);

			fw_note_fragment(packet, fragment);
			packet->fragment_id = bpf_ntohl(extension->fragment_id);
			if (packet->fragment == FW_FRAGMENT_LATER) {
				packet->protocol = extension->next;
				packet->l4_offset = offset;
				return fw_later_fragment(packet, fragment >> 3);
			}
		}
		next = extension->next;
	}
	return FW_REASON_HEADER_CHAIN;
}

#endif
