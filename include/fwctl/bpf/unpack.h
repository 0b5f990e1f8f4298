/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Packets that come in packets: IP in IP, and GUE, by those who may send them so.
 *
 * Promises: what is inside is judged as if it had come by itself, and balanced no more. That it met with
 * congestion on its way is put into it (RFC 6040, 4.2). XDP does it where it may change packets, else TC
 * ingress. A fragment of what is encapsulated is left to the kernel.
 */
#ifndef FWCTL_BPF_UNPACK_H
#define FWCTL_BPF_UNPACK_H

#include "fwctl/bpf/encapsulate.h"
#include "fwctl/bpf/parse.h"

/* What stands in front of UDP's payload. */
struct fw_gue_header {
	__u8 version_and_length; /* two bits of version, the control flag, the length of optional fields in
				    words */
	__u8 carried;		 /* IP protocol number */
	__be16 flags;
};
enum { FW_GUE_LENGTH = 0x1f };

/* What is carried, and how many bytes stand in front of it from layer 3 on; 0: nothing that is unpacked. */
static __always_inline __u8 fw_find_carried(fw_ctx *ctx, const struct fw_packet *packet, __u16 gue_port,
					    __u32 *size)
{
	const struct fw_gue_header *gue;
	struct fw_gue_header room;

	*size = packet->l4_offset - packet->l3_offset;
	if (packet->protocol != IPPROTO_UDP)
		return packet->protocol;
	if (packet->selector != gue_port)
		return 0;
	gue = fw_ctx_at(ctx, packet->l4_offset + FW_UDP_HEADER, &room, sizeof(room));
	if (!gue || gue->version_and_length & ~FW_GUE_LENGTH)
		return 0;
	*size += FW_GUE_SIZE + gue->version_and_length * 4;
	return gue->carried;
}

/* Explicit congestion notification: the last two bits of the traffic class (RFC 3168, 5). */
enum { FW_ECN_MASK = 3, FW_ECN_CONGESTED = 3 };

/* `outer`: the traffic class of what it came in. A packet whose ends know nothing of it stays as it is: no
 * router has marked its outer header, which says so, too. */
static __always_inline void fw_take_congestion(fw_ctx *ctx, struct fw_packet *packet, __u8 outer)
{
	__u8 inner = packet->traffic_class & FW_ECN_MASK;

	if ((outer & FW_ECN_MASK) == FW_ECN_CONGESTED && inner != 0 && inner != FW_ECN_CONGESTED &&
	    fw_ctx_set_congested(ctx, packet))
		packet->traffic_class |= FW_ECN_CONGESTED;
}

/* Whether it was unpacked, or has to be by TC ingress. Where it should have been, and could not, its headers
 * may be half gone. */
enum fw_unpacked {
	FW_UNPACKED_NOT = 0,
	FW_UNPACKED_HERE = 1,
	FW_UNPACKED_BEHIND = 2,
	FW_UNPACKED_HALF = 3, /* what is left is no packet */
};

/* A global function, as in fw_parse(). The packet has to be parsed again. */
__noinline int fw_unpack(fw_ctx *ctx, const struct fw_packet *packet, __u32 half)
{
	const struct fw_generation *generation = bpf_map_lookup_elem(&policy, &half);
	const struct fw_services *services;
	__u32 size, least;
	__u8 carried;

	if (!packet || !generation)
		return FW_UNPACKED_NOT;
	services = &generation->services;
	if (packet->fragment == FW_FRAGMENT_FIRST || packet->fragment == FW_FRAGMENT_LATER ||
	    packet->vlan_tags)
		return FW_UNPACKED_NOT;
	carried = fw_find_carried(ctx, packet, services->gue_port, &size);
	if (carried != IPPROTO_IPIP && carried != IPPROTO_IPV6)
		return FW_UNPACKED_NOT;
	least = carried == IPPROTO_IPIP ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	if (packet->l3_offset + size + least > packet->length)
		return FW_UNPACKED_NOT;
	if (!fw_find_address(generation->tiers[FW_FRONT].bank, &services->unpacked, packet->family,
			     &packet->source))
		return FW_UNPACKED_NOT;
	if (!fw_ctx_may_rewrite())
		return fw_hands_on ? FW_UNPACKED_BEHIND : FW_UNPACKED_NOT;
	return fw_ctx_unpack(ctx, packet, size, carried == IPPROTO_IPIP ? FW_FAMILY_IPV4 : FW_FAMILY_IPV6)
		       ? FW_UNPACKED_HERE
		       : FW_UNPACKED_HALF;
}

#endif
