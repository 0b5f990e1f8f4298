/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whether a packet is for a service, and which flow of that it is part of.
 *
 * Promises: what is not for a service is not touched. An ICMP error belongs to the flow that it quotes, a
 * later fragment goes where its first one went. Frames with a VLAN tag belong to the VLAN's own interface;
 * what was unpacked here is balanced no more, so that two nodes never send a packet to and fro.
 */
#ifndef FWCTL_BPF_SERVICE_H
#define FWCTL_BPF_SERVICE_H

#include "fwctl/bpf/address.h"
#include "fwctl/bpf/flow_key.h"
#include "fwctl/bpf/maps.h"

static __always_inline __u64 fw_placed_clock(void)
{
	return fw_rehearses ? fw_last.clock : bpf_ktime_get_coarse_ns();
}

static __always_inline __u32 fw_placed_now(void)
{
	return fw_placed_clock() >> FW_PLACED_TICK_SHIFT;
}

/*
 * Sets room->now and room->clock, once in a jiffy: the kernel's clock costs more than all that it is asked
 * for here. It moves some microseconds after the jiffies: a processor that asks in between is a jiffy behind
 * for the next one.
 */
static __always_inline void fw_tick(struct fw_balance_room *room)
{
	__u64 jiffies = bpf_jiffies64();

	if (!fw_rehearses && room->jiffies == jiffies)
		return;
	room->clock = fw_placed_clock();
	room->now = room->clock >> FW_PLACED_TICK_SHIFT;
	room->jiffies = jiffies;
}

static __always_inline bool fw_is_answer(const struct fw_balance_room *room)
{
	return room->asked >= FW_ASKED_ANSWER;
}

static __always_inline bool fw_changes_placed(void)
{
	return fw_rehearses || !fw_silent;
}

/* In IPv6 the protocol that a fragment names may be that of a header before the one that tells the ports. */
static __always_inline void fw_key_of_fragment(struct fw_fragment_key *key, const struct fw_packet *packet)
{
	*key = (struct fw_fragment_key){
		.source = packet->source,
		.destination = packet->destination,
		.id = packet->fragment_id,
		.protocol = packet->family == FW_FAMILY_IPV4 ? packet->protocol : 0,
		.family = packet->family,
	};
}

/* Linux gives up waiting for the rest of a packet after 30 s (net.ipv4.ipfrag_time); some 60 for IPv6. */
enum { FW_FRAGMENT_TICKS = 60 };

/* Where the first one went; NULL: that is not known. */
static __always_inline const struct fw_fragment_way *
fw_find_first_way(const struct fw_packet *packet, bool is_answer, struct fw_balance_room *room)
{
	const struct fw_fragment_way *way;
	struct fw_fragment_key key;

	fw_key_of_fragment(&key, packet);
	way = bpf_map_lookup_elem(&fragment_ways, &key);
	if (!way || way->is_answer != is_answer || fw_placed_now() - way->tick > FW_FRAGMENT_TICKS)
		return NULL;
	room->backend = way->backend;
	room->service_number = way->service;
	return way;
}

/* A later fragment goes where the first one went; false: that is not known. */
static __always_inline bool fw_ask_fragment(const struct fw_packet *packet, struct fw_balance_room *room)
{
	room->asked = FW_ASKED_FRAGMENT;
	return fw_find_first_way(packet, false, room);
}

/* Whether an ICMP message is about a packet that got lost. A redirect is between neighbours, and nobody heeds
 * a source quench (RFC 6633). */
static __always_inline bool fw_is_about_loss(__u8 family, __u8 type)
{
	if (family == FW_FAMILY_IPV4)
		return type == 3 || type == 11 || type == 12;
	return fw_icmp6_message(type).role == FW_ICMP_ERROR;
}

/* The flow that an ICMP error quotes: something that the service's address has sent. */
static __always_inline bool fw_ask_quoted(fw_ctx *ctx, const struct fw_packet *packet,
					  struct fw_balance_room *room)
{
	const struct fw_quote *quote = &room->quote;

	if (!fw_read_quote(ctx, packet, &room->quote))
		return false;
	room->client = quote->destination;
	room->client_port = bpf_ntohs(quote->destination_port);
	room->vip_port = bpf_ntohs(quote->source_or_type);
	room->protocol = quote->protocol;
	room->asked = FW_ASKED_ERROR;
	room->opens = false; /* it is about what goes on */
	return true;
}

static __always_inline bool fw_ask_icmp(fw_ctx *ctx, const struct fw_packet *packet,
					struct fw_balance_room *room)
{
	__u8 type = packet->selector >> 8;

	if (fw_is_about_loss(packet->family, type))
		return fw_ask_quoted(ctx, packet, room);
	room->asked = FW_ASKED_ECHO;
	return type == (packet->family == FW_FAMILY_IPV4 ? FW_ICMP_ECHO : FW_ICMP6_ECHO) &&
	       packet->fragment == FW_FRAGMENT_NONE;
}

/* What a packet asks for that is part of a flow to the service. Addresses are copied in the words in which
 * they are read: a load waits for two stores that it spans. */
static __always_inline void fw_ask_flow(fw_ctx *ctx, const struct fw_packet *packet,
					struct fw_balance_room *room)
{
	fw_put_end((void *)&room->client, &packet->source);
	fw_put_end((void *)&room->vip, &packet->destination);
	room->client_port = packet->source_port;
	room->vip_port = packet->selector;
	room->protocol = packet->protocol;
	room->family = packet->family;
	room->asked = FW_ASKED_FLOW;
	room->client_ifindex = fw_ctx_ifindex(ctx);
	room->opens = packet->protocol != IPPROTO_TCP ||
		      (packet->tcp_flags & (FW_TCP_SYN | FW_TCP_ACK)) == FW_TCP_SYN;
	room->backend = 0;
	room->why = FW_PLACED_BY_NOTHING;
	room->is_hashed = false;
}

/* What the packet asks for; false: no service could have it. */
__noinline int fw_ask(fw_ctx *ctx, const struct fw_packet *packet, struct fw_balance_room *room)
{
	if (!packet || !room)
		return false;
	fw_ask_flow(ctx, packet, room);
	if (!(packet->flags & FW_PACKET_L4))
		return packet->fragment == FW_FRAGMENT_LATER && fw_ask_fragment(packet, room);
	return !fw_is_icmp(packet->family, packet->protocol) || fw_ask_icmp(ctx, packet, room);
}

static __always_inline bool fw_row_fits(const struct fw_service_row *row, const struct fw_balance_room *room)
{
	if (room->asked == FW_ASKED_ECHO)
		return true;
	if (room->asked == FW_ASKED_FRAGMENT || room->asked == FW_ASKED_CHECK)
		return row->number == room->service_number;
	return row->protocol == room->protocol && room->vip_port >= row->first_port &&
	       room->vip_port <= row->last_port;
}

/* The rows of the packet's destination; 0: it is no service's. This and the next one are global functions, as
 * fw_parse(), and not one, as there is no room for both on the stack of 6.1. */
__noinline __u32 fw_find_vip(const struct fw_packet *packet, __u32 half)
{
	const struct fw_generation *generation = bpf_map_lookup_elem(&policy, &half);

	if (!packet || !generation)
		return 0;
	return fw_find_address(generation->tiers[FW_FRONT].bank, &generation->services.vips, packet->family,
			       &packet->destination);
}

/* The first of the rows that fits; 0: none. */
__noinline __u32 fw_find_row(struct fw_balance_room *room, __u32 half, __u32 rows)
{
	const struct fw_generation *generation = bpf_map_lookup_elem(&policy, &half);
	const struct fw_page *page = generation ? fw_page_at(generation->tiers[FW_FRONT].bank, rows) : NULL;

	if (!room || !page)
		return 0;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < FW_MAX_SERVICE_ROWS; i++) {
		const struct fw_service_row *row = (const void *)fw_words_on(page, rows, 4);

		if (fw_row_fits(row, room)) {
			room->by_connection = row->by_connection;
			return row->service;
		}
		if (row->is_last)
			return 0;
		rows += 4;
		/* As in fw_conditions_hold(). */
		asm volatile("" : "+r"(rows));
	}
	return 0;
}

/*
 * Whether the kernel would take the frame: what is for others, and comes by here all the same, is not
 * balanced a second time. An address of zeros is not known: of what a policy's own tests ask. `explain` makes
 * up frames.
 */
static __always_inline bool fw_is_to_mac(fw_ctx *ctx, const __u8 mac[ETH_ALEN])
{
	const __be16 *here = (const void *)mac;
	__be16 room[ETH_ALEN / 2];
	const __be16 *to = fw_ctx_at(ctx, 0, room, sizeof(room));

	if (fw_tracing || !(here[0] | here[1] | here[2]))
		return true;
	return to && to[0] == here[0] && to[1] == here[1] && to[2] == here[2];
}

static __always_inline bool fw_is_for_us(fw_ctx *ctx, __u32 half)
{
	const struct fw_generation *generation = bpf_map_lookup_elem(&policy, &half);

	return generation &&
	       fw_is_to_mac(ctx, generation->attachments[fw_slot & (FW_MAX_ATTACHMENTS - 1)].mac);
}

#endif
