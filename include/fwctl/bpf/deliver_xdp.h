/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * XDP: headers are put in front of packets and taken away, and packets leave for a neighbour that is known.
 * deliver_skb.h has the same for TC.
 */
#ifndef FWCTL_BPF_DELIVER_XDP_H
#define FWCTL_BPF_DELIVER_XDP_H

#include "fwctl/bpf/known_way.h"
#include "fwctl/bpf/parse_l4.h"
#include "fwctl/bpf/patch_xdp.h"
#include "fwctl/bpf/rewrite.h"
#include "fwctl/bpf/send_xdp.h"

/* The outer header, behind room for the link header. In words: memcpy() of bytes goes byte by byte. */
static __always_inline bool fw_put_in_front(fw_ctx *ctx, const struct fw_balance_room *room, const __u32 size)
{
	__u32 *to = (void *)(long)ctx->data + sizeof(struct ethhdr);
	const __u32 *from = (const void *)room->header;

	if ((void *)to + size > (void *)(long)ctx->data_end)
		return false;
#pragma unroll
	for (__u32 i = 0; i < size / 4; i++)
		to[i] = from[i];
	return true;
}

static __always_inline bool fw_grow_in_front(fw_ctx *ctx, const struct fw_balance_room *room)
{
	if (bpf_xdp_adjust_head(ctx, -(int)room->overhead))
		return false;
	switch (room->overhead) {
	case sizeof(struct iphdr):
		return fw_put_in_front(ctx, room, sizeof(struct iphdr));
	case sizeof(struct iphdr) + FW_GUE_SIZE:
		return fw_put_in_front(ctx, room, sizeof(struct iphdr) + FW_GUE_SIZE);
	case sizeof(struct ipv6hdr):
		return fw_put_in_front(ctx, room, sizeof(struct ipv6hdr));
	default:
		return fw_put_in_front(ctx, room, sizeof(struct ipv6hdr) + FW_GUE_SIZE);
	}
}

static __always_inline void fw_put_mac(__u8 *to, const __u8 *mac)
{
	__u16 *words = (void *)to;
	const __u16 *from = (const void *)mac;

#pragma unroll
	for (int i = 0; i < ETH_ALEN / 2; i++)
		words[i] = from[i];
}

static __always_inline bool fw_device_sends(fw_ctx *ctx, __u32 ifindex)
{
	if (ifindex == ctx->ingress_ifindex)
		return bpf_xdp_get_buff_len(ctx) == (__u32)(ctx->data_end - ctx->data);
	return fw_ctx_device_takes(ctx, ifindex);
}

/* As FW_SENT_FOR_ONE_HANDED_ON says; by the ways that are known when one is due. */
static __always_inline bool fw_ctx_lets_kernel_send(const struct fw_balance_room *room)
{
	struct fw_known_way *known;

	if (!fw_hands_on)
		return false;
	if (room->asked >= FW_ASKED_ANSWER)
		return bpf_get_prandom_u32() % FW_SENT_FOR_ONE_HANDED_ON == 0;
	known = fw_known_way_of(room->backend, room->family);
	if (!known || !known->is_due)
		return false;
	known->is_due = false;
	return true;
}

static __always_inline int fw_ctx_send_to_backend(fw_ctx *ctx, const struct fw_packet *packet,
						  const struct fw_balance_room *room, __u8 transport)
{
	struct ethhdr *ethernet;

	if (!room->has_neighbour || packet->l3_offset != sizeof(*ethernet) ||
	    !fw_device_sends(ctx, room->ifindex))
		return FW_HAND_ON;
	if (room->overhead && !fw_grow_in_front(ctx, room))
		return -FW_REASON_BALANCE_FAILED;
	if (transport >= FW_BY_NAT && (!fw_rewrite(ctx, packet) || !fw_ctx_lower_ttl(ctx, packet)))
		return -FW_REASON_BALANCE_FAILED;
	ethernet = (void *)(long)ctx->data;
	if ((void *)(ethernet + 1) > (void *)(long)ctx->data_end)
		return -FW_REASON_BALANCE_FAILED;
	fw_put_mac(ethernet->h_dest, room->mac_to);
	fw_put_mac(ethernet->h_source, room->mac_from);
	if (room->overhead)
		ethernet->h_proto =
			room->way_family == FW_FAMILY_IPV4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
	if (room->ifindex == ctx->ingress_ifindex)
		return XDP_TX;
	return bpf_redirect_map(&devices, room->ifindex, 0);
}

/* Takes `size` bytes away behind the link header; what is left is a packet of that family. */
static __always_inline bool fw_ctx_unpack(fw_ctx *ctx, const struct fw_packet *packet, __u32 size,
					  __u8 family)
{
	struct ethhdr *ethernet = (void *)(long)ctx->data, room;

	if (packet->l3_offset != sizeof(room) || (void *)(ethernet + 1) > (void *)(long)ctx->data_end)
		return false;
	room = *ethernet;
	room.h_proto = family == FW_FAMILY_IPV4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
	if (bpf_xdp_adjust_head(ctx, (int)size))
		return false;
	ethernet = (void *)(long)ctx->data;
	if ((void *)(ethernet + 1) > (void *)(long)ctx->data_end)
		return false;
	*ethernet = room;
	return true;
}

/* Sets both bits of the ECN field, of which one is set. */
static __always_inline bool fw_ctx_set_congested(fw_ctx *ctx, const struct fw_packet *packet)
{
	struct ethhdr *ethernet = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(ethernet + 1);
	__u32 check;

	if (packet->l3_offset != sizeof(*ethernet) || (void *)(ip + 1) > (void *)(long)ctx->data_end)
		return false;
	if (packet->family == FW_FAMILY_IPV6) {
		*((__u8 *)ip + 1) |= 0x30;
		return true;
	}
	/* RFC 1624: HC' = HC + m + ~m' */
	check = ip->check + bpf_htons(ip->tos) + (__u16)~bpf_htons(ip->tos | 3);
	check = (check & 0xffff) + (check >> 16);
	ip->check = (check & 0xffff) + (check >> 16);
	ip->tos |= 3;
	return true;
}

#endif
