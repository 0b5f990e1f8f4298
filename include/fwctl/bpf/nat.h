/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the ends of a packet become, of a service by nat or full-nat.
 *
 * Promises: docs/nat.md. Two flows never have the same ends on the backend's side: what would is not sent.
 */
#ifndef FWCTL_BPF_NAT_H
#define FWCTL_BPF_NAT_H

#include "fwctl/bpf/nat_answer.h"

/* Whose the ends are that a flow asks for; by how soon those give way to one that opens. */
enum fw_nat_holder {
	FW_NAT_OF_ITSELF = 0,
	FW_NAT_OF_CLOSED = 1 << 0,
	FW_NAT_OF_NEW = 1 << 1,	   /* its client has not gone on yet */
	FW_NAT_OF_SILENT = 1 << 2, /* for twice the longest life of a segment */
	FW_NAT_OF_OTHER = 1 << 3,
};

static __always_inline __u32 fw_nat_holder(const struct fw_nat_flow *flow, __u32 table,
					   const struct fw_balance_room *room)
{
	if (!room->opens)
		return FW_NAT_OF_OTHER;
	if (flow->flags & FW_NAT_CLOSING)
		return FW_NAT_OF_CLOSED;
	if (table == FW_NAT_NEW)
		return FW_NAT_OF_NEW;
	/* Another processor may be a tick ahead. */
	return (__s32)(room->now - flow->seen) > FW_PLACED_SILENT ? FW_NAT_OF_SILENT : FW_NAT_OF_OTHER;
}

static __always_inline void fw_fill_nat(struct fw_balance_room *room)
{
	struct fw_nat_flow *flow = &room->nat;

	flow->vip = room->vip;
	flow->client = room->client;
	flow->vip_port = room->vip_port;
	flow->client_port = room->client_port;
	flow->backend = room->backend;
	flow->service = room->service_number;
	flow->our_port = room->answer_key.receiver_port;
	flow->flags = 0;
	flow->unused = 0;
	flow->seen = room->now;
	flow->ifindex = room->client_ifindex;
	flow->number = 0;
}

/* Whether the client goes on after an answer. */
static __always_inline bool fw_nat_goes_on(const struct fw_nat_flow *flow, const struct fw_balance_room *room,
					   __u32 tcp_flags)
{
	if (!(flow->flags & FW_NAT_ANSWERED))
		return false;
	if (room->protocol != IPPROTO_TCP)
		return true;
	return (tcp_flags & (FW_TCP_SYN | FW_TCP_ACK)) == FW_TCP_ACK &&
	       room->number - flow->number + FW_NAT_NEAR <= 2 * FW_NAT_NEAR;
}

/* Finds or makes the entry that brings answers back. Whose these ends are then; `takes`: those that give way.
 */
static __always_inline __u32 fw_hold_answer(struct fw_balance_room *room, __u32 tcp_flags, __u32 takes)
{
	const struct fw_nat_key *key = &room->answer_key;
	__u32 table, holder;
	struct fw_nat_flow *flow = fw_find_nat(key, room->now, &table);

	if (flow && fw_is_same_flow(flow, room)) {
		fw_see_nat(flow, tcp_flags, room->now);
		if (flow->ifindex != room->client_ifindex && fw_changes_nat())
			flow->ifindex = room->client_ifindex;
		if (table == FW_NAT_NEW && fw_nat_goes_on(flow, room, tcp_flags) && fw_changes_nat())
			fw_confirm_nat(key, flow, &room->nat);
		return FW_NAT_OF_ITSELF;
	}
	if (flow) {
		holder = fw_nat_holder(flow, table, room);
		if (!(holder & takes))
			return holder;
		if (fw_changes_nat())
			fw_erase_nat(key, table);
	}
	fw_fill_nat(room);
	return fw_make_nat(room) ? FW_NAT_OF_ITSELF : FW_NAT_OF_OTHER;
}

/* The flow goes on from the port that it has: room->way_key, and where its answers are confirmed this is,
 * too. */
static __always_inline void fw_hold_way(struct fw_balance_room *room, __u32 tcp_flags)
{
	__u32 table;
	struct fw_nat_flow *way = fw_find_nat(&room->way_key, room->now, &table);

	if (!fw_changes_nat())
		return;
	if (way && way->our_port == room->answer_key.receiver_port && way->backend == room->backend) {
		fw_see_nat(way, tcp_flags, room->now);
		if (table == FW_NAT_NEW && !(tcp_flags & FW_TCP_SYN) &&
		    fw_find_nat_in(&room->answer_key, FW_NAT_CONFIRMED, room->now))
			fw_confirm_nat(&room->way_key, way, &room->nat);
		return;
	}
	if (way)
		fw_erase_nat(&room->way_key, table);
	fw_fill_nat(room);
	fw_put_nat(&room->way_key, &room->nat, FW_NAT_NEW, BPF_ANY);
}

static __always_inline void fw_put_way_key(struct fw_balance_room *room)
{
	fw_put_nat_key(&room->way_key, FW_NAT_WAY, &room->client, &room->vip, room->client_port,
		       room->vip_port, room->protocol, room->family);
}

/* The rest of it is in the room: the kernel wants this on the stack, which on 6.1 has no more for it. */
struct fw_port_search {
	struct fw_balance_room *room;
	__u32 tcp_flags;
};

enum { FW_NAT_TRIES = 32 };

/* The first turn asks for the port that the flow has, the last one takes what another one has to give. */
static __always_inline __u32 fw_port_of_turn(__u32 turn, const struct fw_balance_room *room)
{
	if (turn == 0)
		return room->first_port;
	if (turn == FW_NAT_TRIES)
		return room->spare;
	return FW_NAT_FIRST_PORT + ((room->first_port + turn * 0x9e5) & (FW_NAT_PORTS - 1));
}

static long fw_try_port(__u32 turn, struct fw_port_search *search)
{
	struct fw_balance_room *room = search->room;
	__u32 port = fw_port_of_turn(turn, room), takes = 0;
	/* A port cannot be had in SCTP, whose checksum is over the whole packet: the client's own, or none.
	 */
	bool is_only = room->protocol == IPPROTO_SCTP;

	if (is_only)
		takes = FW_NAT_OF_CLOSED | FW_NAT_OF_SILENT;
	else if (turn == FW_NAT_TRIES)
		takes = room->spare_holder & (FW_NAT_OF_CLOSED | FW_NAT_OF_NEW);
	if (turn == FW_NAT_TRIES && !takes)
		return 1;
	room->answer_key.receiver_port = port;
	room->holder = fw_hold_answer(room, search->tcp_flags, takes);
	if (room->holder < room->spare_holder) {
		room->spare = port;
		room->spare_holder = room->holder;
	}
	return room->holder == FW_NAT_OF_ITSELF || is_only;
}

/* Where the search begins: of a service by source, too, each flow at a port of its own. */
static __always_inline __u32 fw_first_port(const struct fw_balance_room *room,
					   const struct fw_service *service)
{
	const __u64 *client = (const void *)&room->client;
	__u64 hash = fw_mix(fw_mix(fw_ring_hash(service, room), client[0]), client[1]);

	hash = fw_mix(hash, room->client_port | (__u64)room->vip_port << 16);
	return FW_NAT_FIRST_PORT + (hash >> 20 & (FW_NAT_PORTS - 1));
}

/*
 * False: there is none. Flows start at ports that depend on them, so that few turns are taken. A port that
 * somebody has is taken where none is free, and then of a connection that its client has gone on with only
 * when that has closed.
 */
static __always_inline bool fw_find_port(struct fw_balance_room *room, const struct fw_service *service,
					 __u32 tcp_flags)
{
	struct fw_port_search search = {.room = room, .tcp_flags = tcp_flags};
	const struct fw_nat_flow *way;
	__u32 table;

	fw_put_way_key(room);
	way = fw_find_nat(&room->way_key, room->now, &table);
	if (room->protocol == IPPROTO_SCTP)
		room->first_port = room->client_port;
	else if (way && way->backend == room->backend)
		room->first_port = way->our_port;
	else
		room->first_port = fw_first_port(room, service);
	room->holder = room->spare_holder = FW_NAT_OF_OTHER;
	bpf_loop(FW_NAT_TRIES + 1, fw_try_port, &search, 0);
	if (room->holder != FW_NAT_OF_ITSELF)
		return false;
	fw_hold_way(room, tcp_flags);
	return true;
}

/* Whether there is a flow that an ICMP error to a backend is about. Nothing is made for it; where a policy
 * rehearses, there are no tables. */
static __always_inline bool fw_is_held(const struct fw_balance_room *room)
{
	__u32 table;
	const struct fw_nat_flow *flow = fw_find_nat(&room->answer_key, room->now, &table);

	return fw_rehearses || (flow && fw_is_same_flow(flow, room));
}

/* The port of ours that this flow has. */
static __always_inline bool fw_recall_port(struct fw_balance_room *room)
{
	const struct fw_nat_flow *way;
	__u32 table;

	fw_put_way_key(room);
	way = fw_find_nat(&room->way_key, room->now, &table);
	if (!way || way->backend != room->backend)
		return false;
	room->answer_key.receiver_port = way->our_port;
	return true;
}

/* What the packet's addresses become that comes from the client's side, and the key of what answers it: with
 * the client's own port, where that is to become another one. */
static __always_inline void fw_put_ends_forth(struct fw_balance_room *room, bool is_full, __u16 port)
{
	room->before.source = room->client;
	room->before.destination = room->vip;
	fw_put_ports(&room->before, room->client_port, room->vip_port);
	room->after.source = is_full ? room->from : room->client;
	room->after.destination = room->to;
	fw_put_nat_key(&room->answer_key, FW_NAT_ANSWER, &room->after.destination, &room->after.source,
		       port ?: room->vip_port, room->client_port, room->protocol, room->family);
}

static __always_inline void fw_put_ports_forth(struct fw_balance_room *room)
{
	fw_put_ports(&room->after, room->answer_key.receiver_port, room->answer_key.sender_port);
}

/* False: no port, or the flow is not known. */
static __always_inline bool fw_translate_forth(struct fw_balance_room *room, const struct fw_service *service,
					       __u16 port, __u32 tcp_flags)
{
	bool is_full = service->transport == FW_BY_FULL_NAT;

	fw_put_ends_forth(room, is_full, port);
	if (room->asked == FW_ASKED_FRAGMENT)
		return true;
	room->service_number = service->number;
	if (room->asked == FW_ASKED_ERROR) {
		if ((is_full && !fw_recall_port(room)) || !fw_is_held(room))
			return false;
	} else if (is_full) {
		if (!fw_find_port(room, service, tcp_flags))
			return false;
	} else if (fw_hold_answer(room, tcp_flags, FW_NAT_OF_CLOSED | FW_NAT_OF_SILENT) != FW_NAT_OF_ITSELF) {
		return false;
	}
	fw_put_ports_forth(room);
	return true;
}

/* The same of a flow that goes on, where it and, with full-nat, its port are held already, and neither is to
 * be confirmed. False: else; nothing has changed then. */
static __always_inline bool fw_translate_on(struct fw_balance_room *room, __u8 transport, __u16 port,
					    __u32 tcp_flags)
{
	struct fw_nat_flow *flow, *way = NULL;
	__u32 table, way_table = FW_NAT_NEW;

	fw_put_ends_forth(room, transport == FW_BY_FULL_NAT, port);
	if (transport == FW_BY_FULL_NAT) {
		fw_put_way_key(room);
		way = fw_find_nat(&room->way_key, room->now, &way_table);
		if (!way || way->backend != room->backend)
			return false;
		room->answer_key.receiver_port = way->our_port;
	}
	flow = fw_find_nat(&room->answer_key, room->now, &table);
	if (!flow || !fw_is_same_flow(flow, room) || flow->ifindex != room->client_ifindex ||
	    (table == FW_NAT_NEW && flow->flags & FW_NAT_ANSWERED) || (way && way_table != table))
		return false;
	fw_see_nat(flow, tcp_flags, room->now);
	if (way)
		fw_see_nat(way, tcp_flags, room->now);
	fw_put_ports_forth(room);
	return true;
}

/* What comes from the backend's side: the entry has said all. */
static __always_inline void fw_translate_back(const struct fw_packet *packet, struct fw_balance_room *room)
{
	if (room->asked == FW_ASKED_ANSWER)
		fw_note_answer(room, packet->tcp_flags);
	if (room->asked == FW_ASKED_ANSWER_FRAGMENT) {
		room->before.source = packet->source;
		room->before.destination = packet->destination;
	} else {
		room->before.source = room->answer_key.sender;
		room->before.destination = room->answer_key.receiver;
		fw_put_ports(&room->before, room->answer_key.sender_port, room->answer_key.receiver_port);
	}
	room->after.source = room->vip;
	room->after.destination = room->client;
	fw_put_ports(&room->after, room->vip_port, room->client_port);
}

/* The number of a segment that only who has seen the other side's knows. */
static __always_inline __u32 fw_number_of(fw_ctx *ctx, const struct fw_packet *packet, bool is_answer)
{
	const __be32 *number;
	__be32 here;

	if (packet->protocol != IPPROTO_TCP || !(packet->flags & FW_PACKET_L4))
		return 0;
	number = fw_ctx_at(ctx, packet->l4_offset + (is_answer ? 4 : 8), &here, sizeof(here));
	return number ? bpf_ntohl(*number) : 0;
}

/*
 * Sets what the packet's ends become, of a service that translates. False: it cannot be translated. Behind
 * fw_find_next_hop(). A global function, as fw_parse().
 */
__noinline int fw_find_translation(fw_ctx *ctx, const struct fw_packet *packet, __u32 half)
{
	const struct fw_generation *generation = bpf_map_lookup_elem(&policy, &half);
	__u32 zero = 0;
	struct fw_balance_room *room = bpf_map_lookup_elem(&balance_room, &zero);
	const struct fw_service *service;
	const struct fw_backend *backend;

	if (!packet || !generation || !room)
		return false;
	room->number = fw_number_of(ctx, packet, fw_is_answer(room));
	if (fw_is_answer(room)) {
		fw_translate_back(packet, room);
		return true;
	}
	service = fw_service_at(generation, packet->service);
	backend = fw_backend_of(generation, room->backend);
	return service && backend && fw_translate_forth(room, service, backend->port, packet->tcp_flags);
}

#endif
