/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Health checks by the way of a service: what the agent sends to the service's address with the mark of a
 * backend goes to that backend, as packets of clients do.
 *
 * Promises: what cannot be sent so is dropped and counted, never sent on as it is, as whoever has the address
 * would answer. The rules for what goes out are not asked, and no packet of a client's is counted.
 */
#ifndef FWCTL_BPF_CHECK_H
#define FWCTL_BPF_CHECK_H

#include "fwctl/bpf/balance.h"

static __always_inline void fw_count_check(const struct fw_packet *packet, const struct fw_balance_room *room)
{
	__u32 zero = 0, number = room->backend;
	struct fw_checks *held = bpf_map_lookup_elem(&checks, &zero);

	if (!held)
		return;
	asm volatile("" : "+r"(number));
	number &= FW_MAX_BACKENDS - 1;
	if (packet->family == FW_FAMILY_IPV4)
		__sync_fetch_and_add(&held->sent[FW_CHECK_IPV4][number], 1);
	else
		__sync_fetch_and_add(&held->sent[FW_CHECK_IPV6][number], 1);
}

/* Sets packet->service, and what of the room says who is asked for what. False: nobody has the number, or not
 * at this address. A tag that the device is to put in would stay with the packet on its way elsewhere. */
static __noinline bool fw_find_checked(fw_ctx *ctx, struct fw_packet *packet, __u32 half, __u32 number)
{
	const struct fw_generation *generation = bpf_map_lookup_elem(&policy, &half);
	const struct fw_backend *backend = generation ? fw_backend_of(generation, number) : NULL;
	__u32 zero = 0, rows;
	struct fw_balance_room *room = bpf_map_lookup_elem(&balance_room, &zero);

	if (!room || !backend || fw_link != FW_LINK_ETHERNET || packet->vlan_tags)
		return false;
	rows = fw_find_vip(packet, half);
	if (!rows)
		return false;
	fw_ask(ctx, packet, room);
	room->asked = FW_ASKED_CHECK;
	room->backend = number;
	room->service_number = backend->service;
	fw_tick(room);
	packet->service = fw_find_row(room, half, rows);
	return packet->service;
}

/* The hook's action, or a negated reason. */
static __noinline int fw_send_check(fw_ctx *ctx, const struct fw_packet *packet, __u32 number)
{
	__u32 zero = 0;
	struct fw_balance_room *room = bpf_map_lookup_elem(&balance_room, &zero);
	int action;

	if (!room || !fw_find_next_hop(ctx, room, number, packet->service))
		return -FW_REASON_BALANCE_FAILED;
	if (fw_pack(ctx, packet, number & 1))
		return -FW_REASON_BALANCE_TOO_LONG;
	if (!fw_ctx_forget_route(ctx))
		return -FW_REASON_BALANCE_FAILED;
	action = fw_deliver(ctx, packet, number & 1);
	if (action >= 0)
		fw_count_check(packet, room);
	return action;
}

/* Likewise, to the backend of that number, by the generation of that one. The two follow each other, as those
 * of fw_balance() do. */
static __always_inline int fw_check(fw_ctx *ctx, struct fw_packet *packet, __u32 number, __u32 backend)
{
	if (!fw_find_checked(ctx, packet, number & 1, backend))
		return -FW_REASON_BALANCE_FAILED;
	return fw_send_check(ctx, packet, number);
}

#endif
