/* SPDX-License-Identifier: GPL-2.0-only */
/* The same names as in deliver_xdp.h, for TC. */
#ifndef FWCTL_BPF_DELIVER_SKB_H
#define FWCTL_BPF_DELIVER_SKB_H

#include "fwctl/bpf/parse_l4.h"
#include "fwctl/bpf/patch_skb.h"
#include "fwctl/bpf/rewrite.h"
#include "fwctl/bpf/send_skb.h"

/*
 * Headers that are put in front of a buffer of segments are put in front of each; those stay as long as they
 * are, as their sender was told of the MTU.
 */
static __always_inline __u64 fw_growth(const struct fw_balance_room *room, __u8 transport)
{
	__u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO;

	flags |= room->way_family == FW_FAMILY_IPV4 ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV4
						    : BPF_F_ADJ_ROOM_ENCAP_L3_IPV6;
	return transport == FW_BY_GUE ? flags | BPF_F_ADJ_ROOM_ENCAP_L4_UDP : flags;
}

static __always_inline bool fw_grow_in_front(fw_ctx *ctx, const struct fw_packet *packet,
					     const struct fw_balance_room *room, __u8 transport)
{
	__u32 size = room->overhead;

	return bpf_skb_adjust_room(ctx, (__s32)size, BPF_ADJ_ROOM_MAC, fw_growth(room, transport)) == 0 &&
	       fw_size_fits(&size, FW_MAX_OUTER_SIZE) &&
	       bpf_skb_store_bytes(ctx, packet->l3_offset, room->header, size, BPF_F_INVALIDATE_HASH) == 0;
}

/* The kernel refuses to send IPv6 packets to a neighbour of IPv4 itself: its MAC address has to be known. */
static __always_inline int fw_send_to_mac(fw_ctx *ctx, const struct fw_balance_room *room)
{
	if (!room->has_neighbour || bpf_skb_store_bytes(ctx, 0, room->mac_to, ETH_ALEN, 0) ||
	    bpf_skb_store_bytes(ctx, ETH_ALEN, room->mac_from, ETH_ALEN, 0))
		return -FW_REASON_BALANCE_FAILED;
	return bpf_redirect(room->ifindex, 0);
}

/* Marked as our own, which the rules for what goes out are not asked about. */
/* It does so in any case. */
static __always_inline bool fw_ctx_lets_kernel_send(const struct fw_balance_room *room)
{
	(void)room;
	return false;
}

static __always_inline int fw_ctx_send_to_backend(fw_ctx *ctx, const struct fw_packet *packet,
						  const struct fw_balance_room *room, __u8 transport)
{
	struct bpf_redir_neigh neighbour = {.nh_family = FW_ADDRESS_FAMILY_INET};
	__u32 zero = 0;
	const struct fw_control *now = bpf_map_lookup_elem(&control, &zero);

	if (!now || (room->overhead && !fw_grow_in_front(ctx, packet, room, transport)))
		return -FW_REASON_BALANCE_FAILED;
	if (transport >= FW_BY_NAT && (!fw_rewrite(ctx, packet) || !fw_ctx_lower_ttl(ctx, packet)))
		return -FW_REASON_BALANCE_FAILED;
	ctx->mark = now->secret;
	if (transport == FW_BY_L2 && packet->family == FW_FAMILY_IPV6 && room->via_family == FW_FAMILY_IPV4)
		return fw_send_to_mac(ctx, room);
	if (room->via_family == FW_FAMILY_NONE)
		return fw_ctx_redirect_neigh(ctx, room->ifindex, NULL);
	if (room->via_family == FW_FAMILY_IPV4) {
		__builtin_memcpy(&neighbour.ipv4_nh, room->via.bytes, 4);
	} else {
		neighbour.nh_family = FW_ADDRESS_FAMILY_INET6;
		__builtin_memcpy(neighbour.ipv6_nh, room->via.bytes, 16);
	}
	return fw_ctx_redirect_neigh(ctx, room->ifindex, &neighbour);
}

/*
 * The kernel takes headers of the buffer's own protocol away: first the outer one becomes one of the inner
 * protocol, which is shorter or longer by the difference of the two.
 */
static __always_inline bool fw_ctx_unpack(fw_ctx *ctx, const struct fw_packet *packet, __u32 size,
					  __u8 family)
{
	const __u32 difference = sizeof(struct ipv6hdr) - sizeof(struct iphdr);

	if (family != packet->family) {
		__be16 protocol = family == FW_FAMILY_IPV4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);

		if (bpf_skb_change_proto(ctx, protocol, 0) ||
		    (packet->l3_offset &&
		     bpf_skb_store_bytes(ctx, packet->l3_offset - 2, &protocol, sizeof(protocol), 0)))
			return false;
		size = family == FW_FAMILY_IPV4 ? size - difference : size + difference;
	}
	return bpf_skb_adjust_room(ctx, -(__s32)size, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO) == 0;
}

/* Sets both bits of the ECN field, of which one is set. */
static __always_inline bool fw_ctx_set_congested(fw_ctx *ctx, const struct fw_packet *packet)
{
	(void)packet;
	return bpf_skb_ecn_set_ce(ctx);
}

#endif
