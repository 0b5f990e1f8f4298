/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes other ends into a packet.
 *
 * Promises: checksums stay as right, or as wrong, as they were (RFC 1624), also where one is left to the
 * device. In what an ICMP error quotes the addresses, the ports and the checksum of the IP header change; the
 * checksum of the quoted transport header does not, of which often not all is there. Nothing else changes but
 * the TTL.
 */
#ifndef FWCTL_BPF_REWRITE_H
#define FWCTL_BPF_REWRITE_H

#include "fwctl/bpf/answer_layout.h"
#include "fwctl/bpf/flow_key.h"
#include "fwctl/bpf/maps.h"
#include "fwctl/bpf/read.h"

enum {
	FW_ICMP_CHECKSUM_AT = 2,
	FW_IPV4_CHECKSUM_AT = 10,
	FW_IPV4_ADDRESSES_AT = 12,
	FW_IPV6_ADDRESSES_AT = 8
};

/*
 * The source and the destination behind each other, and the checksum of an IPv4 header. In IPv6 the one of
 * the transport header is patched for a pseudo header (FW_PATCH_PSEUDO), as if the addresses were no part of
 * the packet; that of ICMPv6 is one over what it quotes.
 */
static __always_inline bool fw_write_addresses(fw_ctx *ctx, __u32 header, __u8 family,
					       const struct fw_ends *ends, __u32 difference,
					       const bool is_quoted)
{
	const __u32 size = 2 * sizeof(ends->source);
	__u32 at = header + FW_IPV6_ADDRESSES_AT;

	if (family == FW_FAMILY_IPV6)
		return is_quoted ? fw_ctx_store(ctx, at, &ends->source, size)
				 : fw_ctx_store_summed(ctx, at, &ends->source, size);
	return fw_ctx_store(ctx, header + FW_IPV4_ADDRESSES_AT, &ends->source, 4) &&
	       fw_ctx_store(ctx, header + FW_IPV4_ADDRESSES_AT + 4, &ends->destination, 4) &&
	       fw_ctx_patch_header(ctx, header + FW_IPV4_CHECKSUM_AT, difference);
}

/*
 * What a checksum is to be patched with where these words change: ~m + m' of RFC 1624, as bpf_csum_diff()
 * says it, without a call. Never 0 but where words of ones become 0.
 */
static __always_inline __u64 fw_words_differ(const fw_any32 *before, const fw_any32 *after, const __u32 count)
{
	__u64 sum = 0;

#pragma unroll
	for (__u32 i = 0; i < count; i++)
		sum += (__u64)(__u32)~before[i] + after[i];
	return sum;
}

static __always_inline __u32 fw_fold_to_word(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	return sum + (sum >> 32);
}

/* That of addresses, and of ports. */
static __always_inline __u32 fw_addresses_differ(const struct fw_ends *before, const struct fw_ends *after,
						 __u8 family)
{
	const fw_any32 *from = (const void *)&before->source, *to = (const void *)&after->source;

	if (family == FW_FAMILY_IPV6)
		return fw_fold_to_word(fw_words_differ(from, to, 8));
	return fw_fold_to_word(fw_words_differ(from, to, 1) + fw_words_differ(from + 4, to + 4, 1));
}

static __always_inline __u32 fw_ports_differ(const struct fw_ends *before, const struct fw_ends *after)
{
	return fw_fold_to_word(
		fw_words_differ((const void *)&before->source_port, (const void *)&after->source_port, 1));
}

/* The transport header of the packet itself. SCTP's checksum is over neither. */
static __always_inline bool fw_write_ports(fw_ctx *ctx, const struct fw_packet *packet,
					   const struct fw_ends *after, __u32 addresses, __u32 ports)
{
	__u32 at = packet->l4_offset;

	if (packet->protocol == IPPROTO_TCP &&
	    !fw_ctx_patch_ends(ctx, at + FW_TCP_CHECKSUM, addresses, ports, 0))
		return false;
	if (packet->protocol == IPPROTO_UDP &&
	    !fw_ctx_patch_ends(ctx, at + FW_UDP_CHECKSUM, addresses, ports, FW_PATCH_UDP))
		return false;
	return fw_ctx_store(ctx, at, &after->source_port, 4);
}

static __always_inline void fw_turn(struct fw_ends *to, const struct fw_ends *from)
{
	to->source = from->destination;
	to->destination = from->source;
	to->source_port = from->destination_port;
	to->destination_port = from->source_port;
}

/*
 * An ICMP error about a packet of the other direction. It comes from whoever has found the error; where that
 * is the end itself, its address changes as in all that it sends.
 */
static __always_inline bool fw_rewrite_error(fw_ctx *ctx, const struct fw_packet *packet,
					     struct fw_balance_room *room)
{
	__u32 icmp = packet->l4_offset, quote = icmp + FW_ICMP_HEADER;
	__u32 addresses = fw_addresses_differ(&room->before, &room->after, packet->family),
	      ports = fw_ports_differ(&room->before, &room->after);
	bool is_ipv4 = packet->family == FW_FAMILY_IPV4;
	struct fw_ends *quoted = &room->quoted;

	fw_turn(quoted, &room->after);
	/* The checksum of an IPv4 header makes up for its addresses. */
	if (!fw_write_addresses(ctx, quote, packet->family, quoted, addresses, true) ||
	    !fw_ctx_store(ctx, room->quote.l4_offset, &quoted->source_port, 4) ||
	    !fw_ctx_patch(ctx, icmp + FW_ICMP_CHECKSUM_AT, ports, 0) ||
	    (!is_ipv4 && !fw_ctx_patch(ctx, icmp + FW_ICMP_CHECKSUM_AT, addresses, 0)))
		return false;
	if (!fw_is_same_address(&packet->source, &room->before.source))
		room->after.source = packet->source;
	room->before.source = packet->source;
	addresses = fw_addresses_differ(&room->before, &room->after, packet->family);
	return fw_write_addresses(ctx, packet->l3_offset, packet->family, &room->after, addresses, false) &&
	       (is_ipv4 || fw_ctx_patch(ctx, icmp + FW_ICMP_CHECKSUM_AT, addresses, FW_PATCH_PSEUDO));
}

/* From room->before to room->after. A global function, as fw_parse(). */
__noinline int fw_rewrite(fw_ctx *ctx, const struct fw_packet *packet)
{
	__u32 zero = 0;
	struct fw_balance_room *room = bpf_map_lookup_elem(&balance_room, &zero);
	__u32 addresses, ports;

	if (!packet || !room)
		return false;
	if (room->asked == FW_ASKED_ERROR || room->asked == FW_ASKED_ANSWER_ERROR)
		return fw_rewrite_error(ctx, packet, room);
	addresses = fw_addresses_differ(&room->before, &room->after, packet->family);
	ports = fw_ports_differ(&room->before, &room->after);
	if (!fw_write_addresses(ctx, packet->l3_offset, packet->family, &room->after, addresses, false))
		return false;
	return !(packet->flags & FW_PACKET_L4) || fw_write_ports(ctx, packet, &room->after, addresses, ports);
}

#endif
