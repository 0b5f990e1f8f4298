/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The way to a backend: interface, neighbour, MTU, and the addresses of an outer header.
 *
 * Promises: what the kernel's tables say now, or have said in the last second; no process keeps it fresh.
 * Where the kernel does not look up, as forwarding is off, backends are reached by the interface that led to
 * them when the policy was written, and clients by the one that their packets come in by.
 */
#ifndef FWCTL_BPF_NEXT_HOP_H
#define FWCTL_BPF_NEXT_HOP_H

#include "fwctl/bpf/choose.h"
#include "fwctl/bpf/decision.h"
#include "fwctl/bpf/known_way.h"

enum { FW_NO_DEVICE = 19 }; /* ENODEV of asm-generic/errno-base.h */

/* Translated packets stay in their family. Only with full-nat have they an address of ours. */
static __always_inline bool fw_address_translated(const struct fw_backend *backend,
						  const struct fw_service *service,
						  struct fw_balance_room *room)
{
	room->way_family = room->family;
	if (fw_is_answer(room)) {
		room->to = room->client;
		room->from = room->vip;
		return true;
	}
	if (room->family == FW_FAMILY_IPV4) {
		__builtin_memcpy(room->to.bytes, &backend->ipv4, 4);
		__builtin_memcpy(room->from.bytes, &backend->ipv4_source, 4);
		return backend->flags & FW_BACKEND_HAS_IPV4 &&
		       (backend->ipv4_source || service->transport == FW_BY_NAT);
	}
	room->to = backend->ipv6;
	room->from = backend->ipv6_source;
	return backend->flags & FW_BACKEND_HAS_IPV6 &&
	       (!fw_is_same_address(&room->from, &(struct fw_address){}) || service->transport == FW_BY_NAT);
}

/* Its address: of the packet's own family where it has one. False: we have no address to send from. */
static __always_inline bool fw_address_backend(const struct fw_backend *backend,
					       const struct fw_service *service, struct fw_balance_room *room)
{
	bool has_ipv4 = backend->flags & FW_BACKEND_HAS_IPV4, has_ipv6 = backend->flags & FW_BACKEND_HAS_IPV6;

	room->to = room->from = (struct fw_address){};
	if (service->transport >= FW_BY_NAT)
		return fw_address_translated(backend, service, room);
	if (has_ipv4 && (room->family == FW_FAMILY_IPV4 || !has_ipv6)) {
		room->way_family = FW_FAMILY_IPV4;
		__builtin_memcpy(room->to.bytes, &backend->ipv4, 4);
		__builtin_memcpy(room->from.bytes, &backend->ipv4_source, 4);
		return backend->ipv4_source || service->transport == FW_BY_L2;
	}
	room->way_family = FW_FAMILY_IPV6;
	room->to = backend->ipv6;
	room->from = backend->ipv6_source;
	return !fw_is_same_address(&room->from, &(struct fw_address){}) || service->transport == FW_BY_L2;
}

static __always_inline void fw_ask_hop(struct bpf_fib_lookup *fib, const struct fw_balance_room *room,
				       __u32 ifindex)
{
	fib->ifindex = ifindex;
	fib->tot_len = 1; /* else the MTU is not told */
	if (room->way_family == FW_FAMILY_IPV4) {
		fib->family = FW_ADDRESS_FAMILY_INET;
		__builtin_memcpy(&fib->ipv4_dst, room->to.bytes, 4);
		__builtin_memcpy(&fib->ipv4_src, room->from.bytes, 4);
	} else {
		fib->family = FW_ADDRESS_FAMILY_INET6;
		__builtin_memcpy(fib->ipv6_dst, room->to.bytes, 16);
		__builtin_memcpy(fib->ipv6_src, room->from.bytes, 16);
	}
}

/* Of the interface, whatever the route says. */
static __always_inline bool fw_ask_device_mtu(fw_ctx *ctx, struct fw_balance_room *room)
{
	room->mtu = 0;
	return bpf_check_mtu(ctx, room->ifindex, &room->mtu, 0, 0) != -FW_NO_DEVICE;
}

/* Forwarding is off: to the backend itself, which is on the link; to clients by where they came from. */
static __always_inline bool fw_find_hop_by_record(fw_ctx *ctx, const struct fw_backend *backend,
						  struct fw_balance_room *room)
{
	room->has_neighbour = false;
	if (fw_is_answer(room)) {
		room->ifindex = room->client_ifindex;
		room->via_family = FW_FAMILY_NONE;
		return fw_ask_device_mtu(ctx, room);
	}
	room->via = room->to;
	room->ifindex = room->way_family == FW_FAMILY_IPV4 ? backend->ipv4_ifindex : backend->ipv6_ifindex;
	room->via_family = room->way_family;
	return room->ifindex && fw_ask_device_mtu(ctx, room);
}

static __always_inline bool fw_find_hop_by_fib(fw_ctx *ctx, const struct fw_backend *backend,
					       struct fw_balance_room *room, __u8 transport)
{
	struct bpf_fib_lookup fib = {};
	long found;

	fw_ask_hop(&fib, room, fw_ctx_ifindex(ctx));
	found = bpf_fib_lookup(ctx, &fib, sizeof(fib), 0);
	if (found == BPF_FIB_LKUP_RET_FWD_DISABLED)
		return fw_find_hop_by_record(ctx, backend, room);
	if (found != BPF_FIB_LKUP_RET_SUCCESS && found != BPF_FIB_LKUP_RET_NO_NEIGH)
		return false;
	room->has_neighbour = found == BPF_FIB_LKUP_RET_SUCCESS;
	room->ifindex = fib.ifindex;
	room->mtu = fib.mtu_result;
	/* Without the neighbour the kernel does not tell that of the route (seen on 6.1 and 6.18). */
	if (!room->has_neighbour && !fw_ask_device_mtu(ctx, room))
		return false;
	room->via = (struct fw_address){};
	room->via_family = fib.family == FW_ADDRESS_FAMILY_INET ? FW_FAMILY_IPV4 : FW_FAMILY_IPV6;
	if (room->via_family == FW_FAMILY_IPV4)
		__builtin_memcpy(room->via.bytes, &fib.ipv4_dst, 4);
	else
		__builtin_memcpy(room->via.bytes, fib.ipv6_dst, 16);
	__builtin_memcpy(room->mac_to, fib.dmac, 6);
	__builtin_memcpy(room->mac_from, fib.smac, 6);
	/* A router on the way would send it back to the address's balancer. */
	return transport != FW_BY_L2 || fw_is_same_address(&room->via, &room->to);
}

static __always_inline void fw_take_known_hop(struct fw_balance_room *room, const struct fw_known_way *known)
{
	room->has_neighbour = true;
	room->ifindex = known->ifindex;
	room->mtu = known->mtu;
	__builtin_memcpy(room->mac_to, known->mac_to, 6);
	__builtin_memcpy(room->mac_from, known->mac_from, 6);
}

/* What the last look-up found counts for the rest of its tick, where all that is needed is the neighbour. */
static __always_inline bool fw_recall_hop(struct fw_balance_room *room, const struct fw_known_way *known,
					  __u8 transport)
{
	if (fw_ctx_resolves() || !known->ifindex || known->tick != room->now ||
	    known->transport != transport || !fw_is_same_address(&known->to, &room->to))
		return false;
	fw_take_known_hop(room, known);
	return true;
}

/* Of the ticks in which a way is used, the kernel sends a packet by it in one of so many. */
enum { FW_WAYS_FOR_ONE_DUE = 8 };

/* For the packets behind this one: of their service, to a backend that keeps its flows. `number`: of the
 * generation. */
static __always_inline void fw_note_way(struct fw_known_way *known, const struct fw_balance_room *room,
					const struct fw_service *service, const struct fw_backend *backend,
					__u32 number, __u32 service_at)
{
	known->tick = room->now;
	known->ifindex = room->ifindex;
	known->mtu = room->mtu;
	__builtin_memcpy(known->mac_to, room->mac_to, 6);
	__builtin_memcpy(known->mac_from, room->mac_from, 6);
	known->to = room->to;
	known->from = room->from;
	known->generation = number;
	known->service = service_at;
	known->port = service->transport >= FW_BY_NAT ? backend->port : service->gue_port;
	known->transport = service->transport;
	known->way_family = room->way_family;
	known->is_due = bpf_get_prandom_u32() % FW_WAYS_FOR_ONE_DUE == 0;
}

/* False: there is none. `number`: of the generation. A global function, as in fw_parse(). */
__noinline int fw_find_next_hop(fw_ctx *ctx, struct fw_balance_room *room, __u32 number, __u32 service_at)
{
	__u32 half = number & 1;
	const struct fw_generation *generation = bpf_map_lookup_elem(&policy, &half);
	const struct fw_service *service;
	const struct fw_backend *backend;
	struct fw_known_way *known;

	if (!room || !generation)
		return false;
	service = fw_service_at(generation, service_at);
	backend = fw_backend_of(generation, room->backend);
	if (!service || !backend || !fw_address_backend(backend, service, room))
		return false;
	known = fw_is_answer(room) ? NULL : fw_known_way_of(room->backend, room->family);
	if (known && fw_recall_hop(room, known, service->transport))
		return true;
	if (!fw_find_hop_by_fib(ctx, backend, room, service->transport))
		return false;
	if (known && room->has_neighbour)
		fw_note_way(known, room, service, backend, number, service_at);
	return true;
}

#endif
