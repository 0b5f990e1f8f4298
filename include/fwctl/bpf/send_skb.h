/* SPDX-License-Identifier: GPL-2.0-only */
/* How packets leave a TC program: the same names as in send_xdp.h. */
#ifndef FWCTL_BPF_SEND_SKB_H
#define FWCTL_BPF_SEND_SKB_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <stddef.h>
#include <bpf/bpf_endian.h>

#include "fwctl/abi/mark.h"
#include "fwctl/bpf/answer_layout.h"
#include "fwctl/bpf/decision.h"
#include "fwctl/bpf/maps.h"

static __always_inline bool fw_ctx_may_rewrite(void)
{
	return true;
}

static __always_inline bool fw_ctx_takes_mark(fw_ctx *ctx)
{
	(void)ctx;
	return true;
}

static __always_inline void fw_ctx_write_mark(fw_ctx *ctx, const struct fw_mark *mark)
{
	(void)ctx;
	(void)mark;
}

/* Reads the mark that XDP has set, and wipes it. */
static __always_inline bool fw_ctx_take_mark(fw_ctx *ctx, __u64 secret, struct fw_mark *mark)
{
	struct fw_mark *room = (void *)(long)ctx->data_meta;

	if ((void *)(room + 1) > (void *)(long)ctx->data || room->secret != secret || room->slot != fw_slot)
		return false;
	*mark = *room;
	*room = (struct fw_mark){};
	return true;
}

/*
 * fwctl's own answer, told by the packet's mark, which it had none before. One that was sent up keeps it
 * until it leaves: the host may have to forward it.
 */
static __always_inline bool fw_ctx_is_own_answer(fw_ctx *ctx, __u64 secret, __u32 direction)
{
	if (ctx->mark != (__u32)secret)
		return false;
	if (direction == FW_OUT)
		ctx->mark = 0;
	return true;
}

/* The number of the backend that a health check is for; 0: the packet is none. */
static __always_inline __u32 fw_ctx_checked(fw_ctx *ctx, __u64 secret)
{
	__u32 number = ctx->mark ^ fw_check_mark(secret, 0);

	return fw_rewrites && number < FW_MAX_BACKENDS ? number : 0;
}

/*
 * Takes the route away that the kernel has found for a packet of this host: one that had to wait for its
 * neighbour would go by that (neigh_update() of net/core/neighbour.c). The helper puts what no device reads
 * in the route's place. False: no memory for it.
 */
static __always_inline bool fw_ctx_forget_route(fw_ctx *ctx)
{
	const struct bpf_tunnel_key nothing = {};

	return bpf_skb_set_tunnel_key(ctx, (void *)&nothing, offsetof(struct bpf_tunnel_key, remote_ipv6[1]),
				      0) == 0;
}

/*
 * Where generic XDP has copied a packet, the kernel has lost the length of its link header (seen on 6.18): TC
 * then sees the IP header first, although the link header still stands in front. False: no memory to mend it.
 */
static __always_inline bool fw_ctx_begins_at_link(fw_ctx *ctx)
{
	__u32 length = ctx->data_end - ctx->data;
	struct ethhdr ethernet;
	__u8 last;

	if (fw_link != FW_LINK_ETHERNET || !fw_behind_xdp)
		return true;
	/* Behind the last byte, counted from the link header on. */
	if (bpf_skb_load_bytes_relative(ctx, length, &last, sizeof(last), BPF_HDR_START_MAC))
		return true;
	return bpf_skb_load_bytes_relative(ctx, 0, &ethernet, sizeof(ethernet), BPF_HDR_START_MAC) == 0 &&
	       bpf_skb_change_head(ctx, sizeof(ethernet), 0) == 0 &&
	       bpf_skb_store_bytes(ctx, 0, &ethernet, sizeof(ethernet), 0) == 0;
}

/* A note for fw_capture(), in the packet's own scratch room; what stood there before is nobody's. */
enum { FW_LINK_KEPT = 0, FW_LINK_LEFT = 1 };

static __always_inline void fw_ctx_keep_link(fw_ctx *ctx)
{
	ctx->cb[0] = FW_LINK_KEPT;
}

static __always_inline bool fw_ctx_left_link(fw_ctx *ctx)
{
	return ctx->cb[0] == FW_LINK_LEFT;
}

/* The kernel writes the link header when it has the neighbour's address. NULL: of the packet's destination.
 */
static __always_inline int fw_ctx_redirect_neigh(fw_ctx *ctx, __u32 ifindex,
						 struct bpf_redir_neigh *neighbour)
{
	ctx->cb[0] = FW_LINK_LEFT;
	return bpf_redirect_neigh(ifindex, neighbour, neighbour ? sizeof(*neighbour) : 0, 0);
}

/* Where in its header a protocol has the checksum that a device can fill in; 0: it has none. */
static __always_inline __u32 fw_checksum_place(const struct fw_packet *packet)
{
	if (packet->protocol == IPPROTO_TCP)
		return FW_TCP_CHECKSUM;
	return packet->protocol == IPPROTO_UDP ? FW_UDP_CHECKSUM : 0;
}

/*
 * The buffer of a local sender may have a checksum that is left to the device: it will be filled in behind
 * our back, in the same place of the memory, and programs cannot take that back. Nor can they ask for it, but
 * the kernel refuses to cut such a packet in front of the checksum's end. So the packet is cut, which throws
 * away what it held; where the kernel refuses, headers are made longer or shorter until the place is where
 * the answer has a checksum, too. Answers where in `bytes` the device will begin to sum.
 */
static __always_inline __u32 fw_ctx_left_checksum(fw_ctx *ctx, const struct fw_packet *packet,
						  struct fw_answering *answer)
{
	__u32 place = fw_checksum_place(packet), end = packet->l4_offset + place, header;
	int longer;

	answer->left = 0;
	if (bpf_skb_change_tail(ctx, end + 1, 0) == 0)
		return 0;
	if (!place || bpf_skb_change_tail(ctx, end + 2, 0))
		return FW_CANNOT_ANSWER;
	header = FW_ANSWER_TRANSPORT;
	if (answer->protocol != IPPROTO_TCP)
		header = FW_ICMP_QUOTE + packet->l4_offset - packet->l3_offset;
	answer->left = header + place;
	longer = (int)(header - (fw_answer_network(answer) - answer->link)) - packet->l4_offset;
	if (longer && bpf_skb_adjust_room(ctx, longer, BPF_ADJ_ROOM_MAC, 0))
		return FW_CANNOT_ANSWER;
	return header;
}

/* The answer from layer 3 on, behind a link header of `answer->link` bytes; the packet has its length. */
static __always_inline bool fw_ctx_store_answer(fw_ctx *ctx, struct fw_answering *answer)
{
	__u32 link = answer->link, network = fw_answer_network(answer);
	__u32 rest = fw_answer_length(answer) - link;

	asm volatile("" : "+r"(network));
	network &= FW_ANSWER_TRANSPORT - 1;
	return fw_size_fits(&rest, FW_ANSWER_SIZE - FW_ANSWER_TRANSPORT) &&
	       bpf_skb_store_bytes(ctx, link, &answer->bytes[network], rest,
				   BPF_F_RECOMPUTE_CSUM | BPF_F_INVALIDATE_HASH) == 0;
}

/* In the packet's place, to go where that goes. */
static __always_inline bool fw_ctx_replace(fw_ctx *ctx, struct fw_answering *answer)
{
	return bpf_skb_change_tail(ctx, fw_answer_length(answer), 0) == 0 && fw_ctx_store_answer(ctx, answer);
}

/* To the sender: out of the interface that the packet came in by, or up where it was on its way out. */
static __always_inline int fw_ctx_answer(fw_ctx *ctx, struct fw_answering *answer, __u32 direction)
{
	__u32 link = answer->link, at = fw_answer_network(answer) - link;
	__u32 length = fw_answer_length(answer), zero = 0;
	const struct fw_control *now = bpf_map_lookup_elem(&control, &zero);

	if (!now || bpf_skb_change_tail(ctx, length, 0))
		return -1;
	asm volatile("" : "+r"(at));
	at &= FW_ANSWER_TRANSPORT - 1;
	if (link && (!fw_size_fits(&link, FW_MAX_LINK_HEADER) ||
		     bpf_skb_store_bytes(ctx, 0, &answer->bytes[at], link, 0)))
		return -1;
	if (!fw_ctx_store_answer(ctx, answer))
		return -1;
	ctx->mark = now->secret;
	return bpf_redirect(ctx->ifindex, direction == FW_OUT ? BPF_F_INGRESS : 0);
}

/* Whether headers of segments may change on their way: checksums that are left to a device are known here. */
static __always_inline bool fw_ctx_translates(void)
{
	return true;
}

/* `after` in the place of `before`. */
static __always_inline bool fw_ctx_write_header(fw_ctx *ctx, __u32 at, struct fw_proxy_room *room)
{
	__u32 header = room->header;
	__s64 difference = bpf_csum_diff((void *)room->before, FW_MAX_TCP_HEADER, (void *)room->after,
					 FW_MAX_TCP_HEADER, 0);

	return difference >= 0 && fw_size_fits(&header, FW_MAX_TCP_HEADER) &&
	       bpf_skb_store_bytes(ctx, at, room->after, header, 0) == 0 &&
	       bpf_l4_csum_replace(ctx, at + FW_TCP_CHECKSUM, 0, difference, 0) == 0;
}

/* A word that stands on an even place of what a checksum is about. */
static __always_inline bool fw_ctx_write_word(fw_ctx *ctx, __u32 at, __u32 checksum, __be32 from, __be32 to)
{
	return bpf_l4_csum_replace(ctx, checksum, from, to, sizeof(to)) == 0 &&
	       bpf_skb_store_bytes(ctx, at, &to, sizeof(to), 0) == 0;
}

static __always_inline bool fw_ctx_exchange(fw_ctx *ctx, __u32 at, struct fw_proxy_room *room,
					    const __u32 size)
{
	const __u8 *bytes = (const void *)room->network;

	return bpf_skb_load_bytes(ctx, at, room->network, 2 * size) == 0 &&
	       bpf_skb_store_bytes(ctx, at, bytes + size, size, 0) == 0 &&
	       bpf_skb_store_bytes(ctx, at + size, bytes, size, 0) == 0;
}

/* Makes the source the destination, of the frame and of the packet: no checksum minds. */
static __always_inline bool fw_ctx_swap_ends(fw_ctx *ctx, const struct fw_packet *packet,
					     struct fw_proxy_room *room)
{
	if (fw_link == FW_LINK_ETHERNET && !fw_ctx_exchange(ctx, 0, room, ETH_ALEN))
		return false;
	if (packet->family == FW_FAMILY_IPV4)
		return fw_ctx_exchange(ctx, packet->l3_offset + offsetof(struct iphdr, saddr), room, 4);
	return fw_ctx_exchange(ctx, packet->l3_offset + offsetof(struct ipv6hdr, saddr), room, 16);
}

/* A copy comes in by the interface that the packet is about to leave by. */
static __always_inline bool fw_ctx_send_copy_up(fw_ctx *ctx)
{
	return bpf_clone_redirect(ctx, ctx->ifindex, BPF_F_INGRESS) == 0;
}

static __always_inline bool fw_ctx_resolves(void)
{
	return true;
}

static __always_inline __u32 fw_ctx_ifindex(fw_ctx *ctx)
{
	return ctx->ifindex;
}

/* PACKET_HOST of linux/if_packet.h: the device knows its own addresses. */
static __always_inline bool fw_ctx_is_to_us(fw_ctx *ctx, const __u8 mac[ETH_ALEN])
{
	(void)mac;
	return ctx->pkt_type == 0;
}

/* A buffer of many segments is sent as packets of this length. */
static __always_inline __u32 fw_ctx_wire_length(fw_ctx *ctx, const struct fw_packet *packet)
{
	__u32 length = packet->l4_offset - packet->l3_offset + ctx->gso_size;
	const __u8 *offset;
	__u8 room;

	if (!ctx->gso_size)
		return packet->network_length;
	if (packet->protocol != IPPROTO_TCP)
		return length + 8;
	offset = fw_ctx_at(ctx, packet->l4_offset + 12, &room, sizeof(room));
	return offset ? length + (*offset >> 4) * 4 : length;
}

/* Of bpf_check_mtu(): also the segments of a large buffer. */
static __always_inline __u64 fw_ctx_mtu_flags(void)
{
	return BPF_MTU_CHK_SEGS;
}

static __always_inline int fw_ctx_send_as_it_is(fw_ctx *ctx, __u32 ifindex)
{
	(void)ctx;
	return bpf_redirect(ifindex, 0);
}

static __always_inline bool fw_ctx_lower_ttl(fw_ctx *ctx, const struct fw_packet *packet)
{
	__u32 at = packet->l3_offset;
	__be16 before = bpf_htons(packet->ttl << 8), after = bpf_htons((packet->ttl - 1) << 8);
	__u8 ttl = packet->ttl - 1;

	if (packet->family == FW_FAMILY_IPV6)
		return bpf_skb_store_bytes(ctx, at + offsetof(struct ipv6hdr, hop_limit), &ttl, sizeof(ttl),
					   BPF_F_RECOMPUTE_CSUM) == 0;
	return bpf_l3_csum_replace(ctx, at + offsetof(struct iphdr, check), before, after, sizeof(after)) ==
		       0 &&
	       bpf_skb_store_bytes(ctx, at + offsetof(struct iphdr, ttl), &ttl, sizeof(ttl), 0) == 0;
}

/* The kernel finds the neighbour, asking for it if need be, and keeps the packet until it has answered. */
static __always_inline int fw_ctx_send_to_neighbour(fw_ctx *ctx, const struct fw_packet *packet,
						    const struct bpf_fib_lookup *fib)
{
	struct bpf_redir_neigh neighbour = {.nh_family = fib->family};

	if (fib->family == FW_ADDRESS_FAMILY_INET)
		neighbour.ipv4_nh = fib->ipv4_dst;
	else
		__builtin_memcpy(neighbour.ipv6_nh, fib->ipv6_dst, sizeof(neighbour.ipv6_nh));
	if (!fw_ctx_lower_ttl(ctx, packet))
		return FW_TO_KERNEL;
	return fw_ctx_redirect_neigh(ctx, fib->ifindex, &neighbour);
}

#endif
