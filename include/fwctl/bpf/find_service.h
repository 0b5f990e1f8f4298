/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which service a packet is for, or has to do with: one that it is sent to, or one that has answered.
 */
#ifndef FWCTL_BPF_FIND_SERVICE_H
#define FWCTL_BPF_FIND_SERVICE_H

#include "fwctl/bpf/hash.h"
#include "fwctl/bpf/nat_answer.h"
#include "fwctl/bpf/service.h"

/* Whether the packet's own ports say which of the address's services it is for. */
static __always_inline bool fw_tells_port(const struct fw_packet *packet)
{
	return packet->flags & FW_PACKET_L4 && !fw_is_icmp(packet->family, packet->protocol);
}

/* Where a service is known by. `number` in what follows: of the generation. */
static __always_inline struct fw_known_service *fw_known_service_of(const struct fw_packet *packet)
{
	const __u64 *words = (const void *)&packet->destination;
	__u32 zero = 0, place;
	struct fw_known_services *known = bpf_map_lookup_elem(&known_services, &zero);

	if (!known)
		return NULL;
	place = fw_mix(words[0], words[1] ^ (packet->selector | (__u32)packet->protocol << 16));
	asm volatile("" : "+r"(place));
	place &= FW_KNOWN_SERVICES - 1;
	return &known->each[place];
}

static __always_inline bool fw_is_known_service(const struct fw_known_service *known,
						const struct fw_packet *packet, __u32 number)
{
	return known->service && known->generation == number && known->port == packet->selector &&
	       known->protocol == packet->protocol && known->family == packet->family &&
	       fw_is_same_address(&known->vip, &packet->destination);
}

static __always_inline void fw_note_service(struct fw_known_service *known, const struct fw_packet *packet,
					    __u32 number, __u32 service)
{
	known->vip = packet->destination;
	known->port = packet->selector;
	known->protocol = packet->protocol;
	known->family = packet->family;
	known->generation = number;
	known->service = service;
}

/* The service that the packet is sent to; 0: none. Not inlined, as it and fw_find_answer() need room. */
static __noinline __u32 fw_find_asked(fw_ctx *ctx, struct fw_packet *packet, __u32 number)
{
	__u32 zero = 0, rows, service;
	struct fw_balance_room *room = bpf_map_lookup_elem(&balance_room, &zero);
	struct fw_known_service *known =
		fw_tells_port(packet) && !fw_silent ? fw_known_service_of(packet) : NULL;

	if (!room)
		return 0;
	if (known && fw_is_known_service(known, packet, number)) {
		if (!fw_is_for_us(ctx, number & 1))
			return 0;
		fw_ask_flow(ctx, packet, room);
		room->by_connection = 0;
		packet->flags |= FW_PACKET_KNOWN | FW_PACKET_SERVED;
		return known->service;
	}
	rows = fw_find_vip(packet, number & 1);
	if (!rows || !fw_is_for_us(ctx, number & 1) || !fw_ask(ctx, packet, room))
		return 0;
	service = fw_find_row(room, number & 1, rows);
	if (!service)
		return 0;
	if (room->asked != FW_ASKED_ECHO)
		packet->flags |= FW_PACKET_SERVED;
	if (known && !room->by_connection)
		fw_note_service(known, packet, number, service);
	return service;
}

static __always_inline bool fw_may_be_vip(const struct fw_packet *packet, const struct fw_services *services)
{
	const __u64 *words = (const void *)&packet->destination;
	__u32 bit = fw_vip_bit(words[0], words[1]);

	asm volatile("" : "+r"(bit));
	bit &= FW_VIP_BITS - 1;
	return services->may_be_vip[bit >> 6] >> (bit & 63) & 1;
}

/*
 * Sets packet->service. What has no link header cannot be sent to a neighbour, and is left alone. Answers
 * are asked for first, as they come to an address of ours, which with full-nat may be the service's, too.
 */
static __always_inline void fw_find_service(fw_ctx *ctx, struct fw_packet *packet, __u32 number,
					    const struct fw_services *services)
{
	if (fw_link != FW_LINK_ETHERNET || packet->vlan_tags || packet->flags & FW_PACKET_UNPACKED)
		return;
	if (services->translates)
		packet->service = fw_find_answer(ctx, packet, number & 1);
	if (!packet->service) {
		if (fw_may_be_vip(packet, services))
			packet->service = fw_find_asked(ctx, packet, number);
		return;
	}
	if (fw_is_for_us(ctx, number & 1))
		packet->flags |= FW_PACKET_SERVED;
	else
		packet->service = 0;
}

#endif
