/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How packets leave an XDP program other than by passing or being dropped: back, on, or with a mark for TC
 * ingress. send_skb.h has the same for TC.
 */
#ifndef FWCTL_BPF_SEND_XDP_H
#define FWCTL_BPF_SEND_XDP_H

#include <linux/if_ether.h>
#include <bpf/bpf_endian.h>

#include "fwctl/abi/mark.h"
#include "fwctl/bpf/answer_layout.h"
#include "fwctl/bpf/decision.h"
#include "fwctl/bpf/maps.h"

static __always_inline bool fw_ctx_may_rewrite(void)
{
	return fw_rewrites && fw_may_rewrite;
}

/*
 * Whether a mark can be put in front of the frame. Where nothing stands there yet it can, as every driver
 * that takes metadata leaves room. Where a program of others has put something, or the driver takes none (it
 * says so by data_meta > data), that is tried.
 */
static __always_inline bool fw_ctx_takes_mark(fw_ctx *ctx)
{
	const int size = sizeof(struct fw_mark);

	if (ctx->data_meta == ctx->data)
		return true;
	return !bpf_xdp_adjust_meta(ctx, -size) && !bpf_xdp_adjust_meta(ctx, size);
}

static __always_inline void fw_ctx_write_mark(fw_ctx *ctx, const struct fw_mark *mark)
{
	struct fw_mark *room;

	if (bpf_xdp_adjust_meta(ctx, -(int)sizeof(*room)))
		return;
	room = (void *)(long)ctx->data_meta;
	if ((void *)(room + 1) <= (void *)(long)ctx->data)
		*room = *mark;
}

static __always_inline bool fw_ctx_take_mark(fw_ctx *ctx, __u64 secret, struct fw_mark *mark)
{
	(void)ctx;
	(void)secret;
	(void)mark;
	return false;
}

static __always_inline bool fw_ctx_is_own_answer(fw_ctx *ctx, __u64 secret, __u32 direction)
{
	(void)ctx;
	(void)secret;
	(void)direction;
	return false;
}

static __always_inline __u32 fw_ctx_checked(fw_ctx *ctx, __u64 secret)
{
	(void)ctx;
	(void)secret;
	return 0;
}

static __always_inline bool fw_ctx_forget_route(fw_ctx *ctx)
{
	(void)ctx;
	return true;
}

static __always_inline bool fw_ctx_begins_at_link(fw_ctx *ctx)
{
	(void)ctx;
	return true;
}

/* Drivers leave no checksum to others here: XDP rewrites only what came from a wire. */
static __always_inline __u32 fw_ctx_left_checksum(fw_ctx *ctx, const struct fw_packet *packet,
						  struct fw_answering *answer)
{
	(void)ctx;
	(void)packet;
	answer->left = 0;
	return 0;
}

/* Whether the link header that a packet leaves with is the kernel's to write, behind this program. */
static __always_inline void fw_ctx_keep_link(fw_ctx *ctx)
{
	(void)ctx;
}

static __always_inline bool fw_ctx_left_link(fw_ctx *ctx)
{
	(void)ctx;
	return false;
}

/* All of the frame is written anew: it grows in front, where every driver leaves room, as not all do behind.
 */
static __always_inline bool fw_ctx_set_length(fw_ctx *ctx, __u32 length)
{
	int more = (int)length - (int)bpf_xdp_get_buff_len(ctx);

	if (more > 0 && bpf_xdp_adjust_head(ctx, -more) == 0)
		return true;
	return bpf_xdp_adjust_tail(ctx, more) == 0;
}

static __always_inline int fw_ctx_answer(fw_ctx *ctx, struct fw_answering *answer, __u32 direction)
{
	__u32 length = fw_answer_length(answer), at = fw_answer_network(answer) - answer->link;

	(void)direction;
	if (!fw_ctx_set_length(ctx, length))
		return -1;
	asm volatile("" : "+r"(at));
	at &= FW_ANSWER_TRANSPORT - 1;
	if (!fw_size_fits(&length, FW_ANSWER_SIZE - FW_ANSWER_TRANSPORT))
		return -1;
	return bpf_xdp_store_bytes(ctx, 0, &answer->bytes[at], length) ? -1 : XDP_TX;
}

/* What translates segments is in TC alone: these are never called. */
static __always_inline bool fw_ctx_translates(void)
{
	return false;
}

static __always_inline bool fw_ctx_write_header(fw_ctx *ctx, __u32 at, struct fw_proxy_room *room)
{
	(void)ctx;
	(void)at;
	(void)room;
	return false;
}

static __always_inline bool fw_ctx_write_word(fw_ctx *ctx, __u32 at, __u32 checksum, __be32 from, __be32 to)
{
	(void)ctx;
	(void)at;
	(void)checksum;
	(void)from;
	(void)to;
	return false;
}

static __always_inline bool fw_ctx_swap_ends(fw_ctx *ctx, const struct fw_packet *packet,
					     struct fw_proxy_room *room)
{
	(void)ctx;
	(void)packet;
	(void)room;
	return false;
}

static __always_inline bool fw_ctx_send_copy_up(fw_ctx *ctx)
{
	(void)ctx;
	return false;
}

static __always_inline bool fw_ctx_replace(fw_ctx *ctx, struct fw_answering *answer)
{
	(void)ctx;
	(void)answer;
	return false;
}

/* Whether send_to_neighbour finds out about a neighbour that is not known yet. */
static __always_inline bool fw_ctx_resolves(void)
{
	return false;
}

static __always_inline __u32 fw_ctx_ifindex(fw_ctx *ctx)
{
	return ctx->ingress_ifindex;
}

/* Whether the kernel would route it: it was sent to this interface's own address. */
static __always_inline bool fw_ctx_is_to_us(fw_ctx *ctx, const __u8 mac[ETH_ALEN])
{
	__u8 room[ETH_ALEN];
	const __u8 *to = fw_ctx_at(ctx, 0, room, sizeof(room));
	__u8 differs = 0;

	if (!to)
		return false;
#pragma unroll
	for (int i = 0; i < ETH_ALEN; i++)
		differs |= to[i] ^ mac[i];
	return !differs;
}

/* Bytes of the packet as it will lie on the wire, from layer 3 on. */
static __always_inline __u32 fw_ctx_wire_length(fw_ctx *ctx, const struct fw_packet *packet)
{
	(void)ctx;
	return packet->network_length;
}

static __always_inline __u64 fw_ctx_mtu_flags(void)
{
	return 0;
}

/* A frame in several buffers is not sent on: the drivers that take one do not all take the other. */
static __always_inline bool fw_ctx_device_takes(fw_ctx *ctx, __u32 ifindex)
{
	return bpf_xdp_get_buff_len(ctx) == (__u32)(ctx->data_end - ctx->data) &&
	       bpf_map_lookup_elem(&devices, &ifindex);
}

static __always_inline int fw_ctx_send_as_it_is(fw_ctx *ctx, __u32 ifindex)
{
	if (!fw_ctx_device_takes(ctx, ifindex))
		return FW_HAND_ON;
	return bpf_redirect_map(&devices, ifindex, 0);
}

static __always_inline void fw_lower_ttl_ipv4(struct iphdr *ip)
{
	__u32 check = ip->check;

	ip->ttl--;
	check += bpf_htons(0x0100); /* RFC 1624 */
	ip->check = check + (check >= 0xffff);
}

static __always_inline bool fw_ctx_lower_ttl(fw_ctx *ctx, const struct fw_packet *packet)
{
	struct ethhdr *ethernet = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct ipv6hdr *ipv6 = (void *)(ethernet + 1);
	struct iphdr *ipv4 = (void *)(ethernet + 1);

	if (packet->l3_offset != sizeof(*ethernet))
		return false;
	if (packet->family == FW_FAMILY_IPV4) {
		if ((void *)(ipv4 + 1) > end)
			return false;
		fw_lower_ttl_ipv4(ipv4);
	} else {
		if ((void *)(ipv6 + 1) > end)
			return false;
		ipv6->hop_limit--;
	}
	return true;
}

/*
 * The kernel asks whether a neighbour is still there when it sends to it, not when XDP does: now and then it
 * gets a packet to send.
 */
enum { FW_SENT_FOR_ONE_HANDED_ON = 4096 };

/* Out of the interface that the lookup has found, to the neighbour it knows. */
static __always_inline int fw_ctx_send_to_neighbour(fw_ctx *ctx, const struct fw_packet *packet,
						    const struct bpf_fib_lookup *fib)
{
	struct ethhdr *ethernet;

	if (!fw_ctx_device_takes(ctx, fib->ifindex) ||
	    bpf_get_prandom_u32() % FW_SENT_FOR_ONE_HANDED_ON == 0 || !fw_ctx_lower_ttl(ctx, packet))
		return FW_HAND_ON;
	ethernet = (void *)(long)ctx->data;
	if ((void *)(ethernet + 1) > (void *)(long)ctx->data_end)
		return FW_HAND_ON;
	__builtin_memcpy(ethernet->h_dest, fib->dmac, ETH_ALEN);
	__builtin_memcpy(ethernet->h_source, fib->smac, ETH_ALEN);
	return bpf_redirect_map(&devices, fib->ifindex, 0);
}

#endif
