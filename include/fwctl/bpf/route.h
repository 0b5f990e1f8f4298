/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sending packets on to a next hop, past the stack.
 *
 * Promises: what a router would have to do more than to lower the TTL by one is left to the kernel, and so is
 * what the kernel would not send on (docs/forward.md). Include ctx_xdp.h or ctx_skb.h before it.
 */
#ifndef FWCTL_BPF_ROUTE_H
#define FWCTL_BPF_ROUTE_H

#include "fwctl/bpf/decision.h"
#include "fwctl/bpf/maps.h"
#include "fwctl/bpf/reject.h"

static __always_inline bool fw_is_link_local(const struct fw_address *address)
{
	return address->bytes[0] == 0xfe && (address->bytes[1] & 0xc0) == 0x80;
}

/* Nothing but the plain header, and at most that of a fragment. */
static __always_inline bool fw_is_plain(const struct fw_packet *packet)
{
	if (packet->family == FW_FAMILY_IPV4)
		return packet->l4_offset - packet->l3_offset == sizeof(struct iphdr);
	return packet->extension_count <= (packet->fragment != FW_FRAGMENT_NONE);
}

static __always_inline bool fw_has_routable_addresses(const struct fw_packet *packet)
{
	if (packet->family == FW_FAMILY_IPV4)
		return fw_is_one_host_ipv4(packet->source.bytes[0]) &&
		       fw_is_one_host_ipv4(packet->destination.bytes[0]);
	return packet->family == FW_FAMILY_IPV6 && fw_is_one_host_ipv6(&packet->source) &&
	       fw_is_one_host_ipv6(&packet->destination) && !fw_is_link_local(&packet->source) &&
	       !fw_is_link_local(&packet->destination);
}

/* A tag belongs to the VLAN's own interface, which routes it. */
static __always_inline bool fw_can_be_routed(fw_ctx *ctx, const struct fw_packet *packet,
					     const struct fw_attachment_policy *here)
{
	return here->routed && packet->ttl > 1 && packet->vlan_tags == 0 &&
	       fw_has_routable_addresses(packet) && fw_is_plain(packet) && fw_ctx_is_to_us(ctx, here->mac);
}

static __always_inline void fw_ask_for(struct bpf_fib_lookup *fib, const struct fw_packet *packet,
				       const struct fw_next_hop *hop)
{
	fib->l4_protocol = packet->protocol;
	fib->sport = bpf_htons(packet->source_port);
	fib->dport = packet->flags & FW_PACKET_L4 ? bpf_htons(packet->selector) : 0;
	if (hop->family == FW_FAMILY_IPV4) {
		fib->family = FW_ADDRESS_FAMILY_INET;
		fib->tos = packet->traffic_class;
		__builtin_memcpy(&fib->ipv4_dst, hop->via.bytes, 4);
		if (packet->family == FW_FAMILY_IPV4)
			__builtin_memcpy(&fib->ipv4_src, packet->source.bytes, 4);
	} else {
		fib->family = FW_ADDRESS_FAMILY_INET6;
		fib->flowinfo = bpf_htonl(packet->traffic_class << 20);
		__builtin_memcpy(fib->ipv6_dst, hop->via.bytes, 16);
		if (packet->family == FW_FAMILY_IPV6)
			__builtin_memcpy(fib->ipv6_src, packet->source.bytes, 16);
	}
}

/*
 * To `hop->via`, out of `ifindex` or, where that is 0, of the interface that the kernel's tables name. The
 * hook's action, or FW_HAND_ON or FW_TO_KERNEL. A global function, as in fw_parse().
 */
__noinline int fw_route(fw_ctx *ctx, const struct fw_packet *packet, const struct fw_next_hop *hop,
			__u32 ifindex)
{
	struct bpf_fib_lookup fib = {};
	__u32 length, mtu = 0;
	long found;

	if (!packet || !hop)
		return FW_TO_KERNEL;
	length = fw_ctx_wire_length(ctx, packet);
	fw_ask_for(&fib, packet, hop);
	if (length > 0xffff)
		return FW_TO_KERNEL;
	if (ifindex && fw_ctx_resolves()) {
		if (bpf_check_mtu(ctx, ifindex, &mtu, 0, 0) < 0 || length > mtu)
			return FW_TO_KERNEL;
		fib.ifindex = ifindex;
		return fw_ctx_send_to_neighbour(ctx, packet, &fib);
	}
	fib.tot_len = length;
	fib.ifindex = fw_ctx_ifindex(ctx);
	found = bpf_fib_lookup(ctx, &fib, sizeof(fib), 0);
	if (found == BPF_FIB_LKUP_RET_FWD_DISABLED && ifindex)
		return FW_HAND_ON;
	if (found == BPF_FIB_LKUP_RET_NO_NEIGH && !fw_ctx_resolves())
		return FW_HAND_ON;
	if (found != BPF_FIB_LKUP_RET_SUCCESS && found != BPF_FIB_LKUP_RET_NO_NEIGH)
		return FW_TO_KERNEL;
	if (ifindex && fib.ifindex != ifindex)
		return FW_HAND_ON;
	/* Back where it came from: the kernel tells the sender of the shorter way. */
	if (fib.ifindex == fw_ctx_ifindex(ctx))
		return FW_TO_KERNEL;
	return fw_ctx_send_to_neighbour(ctx, packet, &fib);
}

/*
 * Whether the kernel would forward it, if perhaps elsewhere: what is for the host itself has no business in
 * the forwarding table. Where the kernel knows no route at all it does not tell this from an address of its
 * own.
 */
__noinline int fw_is_for_others(fw_ctx *ctx, const struct fw_packet *packet)
{
	struct bpf_fib_lookup fib = {};
	struct fw_next_hop hop = {};
	long found;

	if (!packet)
		return false;
	hop.family = packet->family;
	hop.via = packet->destination;
	fw_ask_for(&fib, packet, &hop);
	fib.ifindex = fw_ctx_ifindex(ctx);
	found = bpf_fib_lookup(ctx, &fib, sizeof(fib), 0);
	return found >= 0 && found != BPF_FIB_LKUP_RET_NOT_FWDED && found != BPF_FIB_LKUP_RET_FWD_DISABLED;
}

/* Out of another interface, as it is: no router's work. */
__noinline int fw_send_as_it_is(fw_ctx *ctx, __u32 ifindex)
{
	__u32 mtu = 0;

	if (!ifindex || bpf_check_mtu(ctx, ifindex, &mtu, 0, fw_ctx_mtu_flags()))
		return FW_TO_KERNEL;
	return fw_ctx_send_as_it_is(ctx, ifindex);
}

/* The next hop of the forwarding table. */
static __always_inline const struct fw_next_hop *fw_find_route(const struct fw_packet *packet, __u32 bank)
{
	struct fw_route_key key = {
		.prefix_length = FW_ROUTE_KEY_FIXED_BITS + (packet->family == FW_FAMILY_IPV4 ? 32 : 128),
		.table = bank / FW_BANK_PAGES,
		.family = packet->family,
	};

	__builtin_memcpy(key.address, packet->destination.bytes, sizeof(key.address));
	return bpf_map_lookup_elem(&routes, &key);
}

#endif
