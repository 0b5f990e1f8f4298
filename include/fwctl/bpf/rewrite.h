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
					       const struct fw_ends *ends, __s64 difference,
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

/* What bpf_csum_diff() says of addresses, and of ports. */
static __always_inline __s64 fw_addresses_differ(const struct fw_ends *before, const struct fw_ends *after)
{
	return bpf_csum_diff((void *)&before->source, 2 * sizeof(before->source), (void *)&after->source,
			     2 * sizeof(after->source), 0);
}

static __always_inline __s64 fw_ports_differ(const struct fw_ends *before, const struct fw_ends *after)
{
	return bpf_csum_diff((void *)&before->source_port, 4, (void *)&after->source_port, 4, 0);
}

/* The transport header of the packet itself. SCTP's checksum is over neither. */
static __always_inline bool fw_write_ports(fw_ctx *ctx, const struct fw_packet *packet,
					   const struct fw_ends *after, __s64 addresses, __s64 ports)
{
	__u32 at = packet->l4_offset;

	if (packet->protocol == IPPROTO_TCP &&
	    (!fw_ctx_patch(ctx, at + FW_TCP_CHECKSUM, addresses, FW_PATCH_PSEUDO) ||
	     !fw_ctx_patch(ctx, at + FW_TCP_CHECKSUM, ports, 0)))
		return false;
	if (packet->protocol == IPPROTO_UDP &&
	    (!fw_ctx_patch(ctx, at + FW_UDP_CHECKSUM, addresses, FW_PATCH_PSEUDO | FW_PATCH_UDP) ||
	     !fw_ctx_patch(ctx, at + FW_UDP_CHECKSUM, ports, FW_PATCH_UDP)))
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
	__s64 addresses = fw_addresses_differ(&room->before, &room->after),
	      ports = fw_ports_differ(&room->before, &room->after);
	bool is_ipv4 = packet->family == FW_FAMILY_IPV4;
	struct fw_ends *quoted = &room->quoted;

	fw_turn(quoted, &room->after);
	/* The checksum of an IPv4 header makes up for its addresses. */
	if (addresses < 0 || ports < 0 ||
	    !fw_write_addresses(ctx, quote, packet->family, quoted, addresses, true) ||
	    !fw_ctx_store(ctx, room->quote.l4_offset, &quoted->source_port, 4) ||
	    !fw_ctx_patch(ctx, icmp + FW_ICMP_CHECKSUM_AT, ports, 0) ||
	    (!is_ipv4 && !fw_ctx_patch(ctx, icmp + FW_ICMP_CHECKSUM_AT, addresses, 0)))
		return false;
	if (!fw_is_same_address(&packet->source, &room->before.source))
		room->after.source = packet->source;
	room->before.source = packet->source;
	addresses = fw_addresses_differ(&room->before, &room->after);
	return addresses >= 0 &&
	       fw_write_addresses(ctx, packet->l3_offset, packet->family, &room->after, addresses, false) &&
	       (is_ipv4 || fw_ctx_patch(ctx, icmp + FW_ICMP_CHECKSUM_AT, addresses, FW_PATCH_PSEUDO));
}

/* From room->before to room->after. A global function, as fw_parse(). */
__noinline int fw_rewrite(fw_ctx *ctx, const struct fw_packet *packet)
{
	__u32 zero = 0;
	struct fw_balance_room *room = bpf_map_lookup_elem(&balance_room, &zero);
	__s64 addresses, ports;

	if (!packet || !room)
		return false;
	if (room->asked == FW_ASKED_ERROR || room->asked == FW_ASKED_ANSWER_ERROR)
		return fw_rewrite_error(ctx, packet, room);
	addresses = fw_addresses_differ(&room->before, &room->after);
	ports = fw_ports_differ(&room->before, &room->after);
	if (addresses < 0 || ports < 0 ||
	    !fw_write_addresses(ctx, packet->l3_offset, packet->family, &room->after, addresses, false))
		return false;
	return !(packet->flags & FW_PACKET_L4) || fw_write_ports(ctx, packet, &room->after, addresses, ports);
}

#endif
