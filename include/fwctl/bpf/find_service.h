/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which service a packet is for, or has to do with: one that it is sent to, or one that has answered.
 */
#ifndef FWCTL_BPF_FIND_SERVICE_H
#define FWCTL_BPF_FIND_SERVICE_H

#include "fwctl/bpf/nat_answer.h"
#include "fwctl/bpf/service.h"

/* The service that the packet is sent to; 0: none. */
static __always_inline __u32 fw_find_asked(fw_ctx *ctx, const struct fw_packet *packet,
					   struct fw_balance_room *room, __u32 half)
{
	__u32 rows = fw_find_vip(packet, half);

	if (!rows || !fw_is_for_us(ctx, half) || !fw_ask(ctx, packet, room))
		return 0;
	return fw_find_row(room, half, rows);
}

/*
 * Sets packet->service; `translates`: there may be answers. What has no link header cannot be sent to a
 * neighbour, and is left alone. Answers are asked for first, as they come to an address of ours, which with
 * full-nat may be the service's, too.
 */
static __noinline int fw_find_service(fw_ctx *ctx, struct fw_packet *packet, __u32 half, bool translates)
{
	__u32 zero = 0;
	struct fw_balance_room *room;

	if (fw_link != FW_LINK_ETHERNET || packet->vlan_tags || packet->flags & FW_PACKET_UNPACKED)
		return 0;
	packet->service = translates ? fw_find_answer(ctx, packet, half) : 0;
	room = bpf_map_lookup_elem(&balance_room, &zero);
	if (!room)
		return 0;
	if (packet->service && !fw_is_for_us(ctx, half))
		packet->service = 0;
	else if (!packet->service)
		packet->service = fw_find_asked(ctx, packet, room, half);
	if (packet->service && room->asked != FW_ASKED_ECHO)
		packet->flags |= FW_PACKET_SERVED;
	return 0;
}

#endif
