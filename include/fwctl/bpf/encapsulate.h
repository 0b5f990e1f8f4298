/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Outer headers: IP in IP, and Generic UDP Encapsulation.
 *
 * Promises: the packet itself is not changed. DSCP and ECN are copied (RFC 6040, normal mode). The outer IPv4
 * header is not to be fragmented (its identification is 0, RFC 6864), what is too long for the way is told to
 * the sender. The flow is in the flow label (RFC 6438), or in the UDP source port (RFC 8085, 5.1.1); UDP has
 * no checksum, also over IPv6 (RFC 6935), as what it carries has its own.
 */
#ifndef FWCTL_BPF_ENCAPSULATE_H
#define FWCTL_BPF_ENCAPSULATE_H

#include <linux/ip.h>
#include <linux/ipv6.h>

#include "fwctl/bpf/answer.h"
#include "fwctl/bpf/next_hop.h"

enum {
	FW_OUTER_TTL = 64,
	FW_GUE_FIRST_PORT = 0xc000, /* of 16,384: the dynamic ones (RFC 6335) */
};

/* The protocol number of a packet of that family in another one. */
static __always_inline __u8 fw_carried(__u8 family)
{
	return family == FW_FAMILY_IPV4 ? IPPROTO_IPIP : IPPROTO_IPV6;
}

static __always_inline void fw_put_outer_ipv4(struct fw_balance_room *room, __u8 traffic_class, __u32 body,
					      __u8 protocol)
{
	__u32 *words = (void *)room->header;
	__u64 sum = 0;

	words[0] = bpf_htonl(0x45000000 | traffic_class << 16 | ((sizeof(struct iphdr) + body) & 0xffff));
	words[1] = bpf_htonl(0x4000); /* don't fragment */
	words[2] = bpf_htonl(FW_OUTER_TTL << 24 | protocol << 16);
	__builtin_memcpy(&words[3], room->from.bytes, 4);
	__builtin_memcpy(&words[4], room->to.bytes, 4);
#pragma unroll
	for (int i = 0; i < 5; i++)
		sum += words[i];
	words[2] |= bpf_htonl((__u16)~bpf_ntohs(fw_fold(sum)));
}

static __always_inline void fw_put_outer_ipv6(struct fw_balance_room *room, __u8 traffic_class, __u32 body,
					      __u8 protocol, __u32 label)
{
	__u32 *words = (void *)room->header;

	words[0] = bpf_htonl(0x60000000 | traffic_class << 20 | (label & 0xfffff));
	words[1] = bpf_htonl(body << 16 | protocol << 8 |
			     FW_OUTER_TTL); /* of a large buffer the kernel mends it */
	__builtin_memcpy(&words[2], room->from.bytes, 16);
	__builtin_memcpy(&words[6], room->to.bytes, 16);
}

/* UDP and GUE, behind the outer IP header of `at` bytes. */
static __always_inline void fw_put_gue(struct fw_balance_room *room, const __u32 at, __u32 length, __u16 port,
				       __u32 hash)
{
	__u32 *words = (void *)&room->header[at];

	words[0] = bpf_htonl((FW_GUE_FIRST_PORT | (hash & 0x3fff)) << 16 | port);
	words[1] = bpf_htonl((length + FW_GUE_SIZE) << 16);
	words[2] = bpf_htonl(fw_carried(room->family) << 16);
}

static __always_inline bool fw_encapsulates(__u8 transport)
{
	return transport == FW_BY_IPIP || transport == FW_BY_GUE;
}

/* Whether the outer header says which flow the packet is of. */
static __always_inline bool fw_tells_flows(const struct fw_balance_room *room, __u8 transport)
{
	return transport == FW_BY_GUE || (transport == FW_BY_IPIP && room->way_family != FW_FAMILY_IPV4);
}

/* room->header and room->overhead, for a packet of room->length. `hash`: of the flow. */
static __always_inline void fw_put_outer(const struct fw_packet *packet, struct fw_balance_room *room,
					 __u8 transport, __u16 gue_port, __u32 hash)
{
	bool is_gue = transport == FW_BY_GUE;
	__u8 protocol = is_gue ? IPPROTO_UDP : fw_carried(room->family);
	__u32 length = room->length, body = length + (is_gue ? FW_GUE_SIZE : 0);

	if (room->way_family == FW_FAMILY_IPV4) {
		fw_put_outer_ipv4(room, packet->traffic_class, body, protocol);
		room->overhead = sizeof(struct iphdr);
		if (is_gue)
			fw_put_gue(room, sizeof(struct iphdr), length, gue_port, hash);
	} else {
		fw_put_outer_ipv6(room, packet->traffic_class, body, protocol, hash);
		room->overhead = sizeof(struct ipv6hdr);
		if (is_gue)
			fw_put_gue(room, sizeof(struct ipv6hdr), length, gue_port, hash);
	}
	if (is_gue)
		room->overhead += FW_GUE_SIZE;
}

/* room->length, and what stands in front of the packet. True: with it the packet is too long for its way. */
static __always_inline bool fw_put_in_outer(fw_ctx *ctx, const struct fw_packet *packet,
					    struct fw_balance_room *room, __u8 transport, __u16 gue_port,
					    __u32 hash)
{
	room->length = fw_ip_end(ctx, packet) - packet->l3_offset;
	room->overhead = 0;
	if (fw_encapsulates(transport))
		fw_put_outer(packet, room, transport, gue_port, hash);
	return fw_ctx_wire_length(ctx, packet) + room->overhead > room->mtu;
}

#endif
