/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tables of translated flows: include/fwctl/abi/service.h says what is in them.
 *
 * Promises: an entry has one place, among the new ones or among the confirmed. Keys are compared in full. A
 * flow is confirmed by a packet of its client behind an answer, and new flows push out none of those. In TCP
 * the packet has to acknowledge what the backend has sent, so that who has forged a source address has to
 * guess; of other protocols nothing says whether it was seen.
 */
#ifndef FWCTL_BPF_NAT_TABLE_H
#define FWCTL_BPF_NAT_TABLE_H

#include "fwctl/bpf/placed.h"

/* Of a packet's ends, in host byte order. */
static __always_inline void fw_put_nat_key(struct fw_nat_key *key, enum fw_nat_kind kind,
					   const struct fw_address *sender, const struct fw_address *receiver,
					   __u16 sender_port, __u16 receiver_port, __u8 protocol, __u8 family)
{
	fw_put_end((void *)&key->sender, sender);
	fw_put_end((void *)&key->receiver, receiver);
	key->sender_port = sender_port;
	key->receiver_port = receiver_port;
	key->protocol = protocol;
	key->family = family;
	key->kind = kind;
	key->unused = 0;
}

/* Nor does a rehearsal: its tables are not there. */
static __always_inline bool fw_changes_nat(void)
{
	return !fw_silent && !fw_rehearses;
}

static __always_inline bool fw_is_nat_over(const struct fw_nat_flow *flow, __u32 table, __u32 now,
					   __u8 protocol)
{
	/* Another processor may have seen it a tick later than this one has begun. */
	return (__s32)(now - flow->seen) >
	       (__s32)fw_placed_timeout(table == FW_NAT_NEW, flow->flags & FW_NAT_CLOSING, protocol);
}

/* NULL: it is not there, or over. `table`: where it stands. */
static __always_inline struct fw_nat_flow *fw_find_nat_in(const struct fw_nat_key *key, __u32 table,
							  __u32 now)
{
	void *inner = bpf_map_lookup_elem(&nat_flows, &table);
	struct fw_nat_flow *flow = inner ? bpf_map_lookup_elem(inner, key) : NULL;

	return flow && !fw_is_nat_over(flow, table, now, key->protocol) ? flow : NULL;
}

static __always_inline struct fw_nat_flow *fw_find_nat(const struct fw_nat_key *key, __u32 now, __u32 *table)
{
	struct fw_nat_flow *flow = fw_find_nat_in(key, FW_NAT_CONFIRMED, now);

	*table = FW_NAT_CONFIRMED;
	if (flow)
		return flow;
	*table = FW_NAT_NEW;
	return fw_find_nat_in(key, FW_NAT_NEW, now);
}

static __always_inline bool fw_put_nat(const struct fw_nat_key *key, const struct fw_nat_flow *flow,
				       __u32 table, __u64 how)
{
	void *inner = bpf_map_lookup_elem(&nat_flows, &table);

	return inner && bpf_map_update_elem(inner, key, flow, how) == 0;
}

static __always_inline void fw_erase_nat(const struct fw_nat_key *key, __u32 table)
{
	void *inner = bpf_map_lookup_elem(&nat_flows, &table);

	if (inner)
		bpf_map_delete_elem(inner, key);
}

static __always_inline bool fw_is_same_flow(const struct fw_nat_flow *flow,
					    const struct fw_balance_room *room)
{
	return flow->vip_port == room->vip_port && flow->client_port == room->client_port &&
	       fw_is_same_address(&flow->vip, &room->vip) && fw_is_same_address(&flow->client, &room->client);
}

/* Another packet of the flow: only what changes is written, as other processors read the line. */
static __always_inline void fw_see_nat(struct fw_nat_flow *flow, __u32 tcp_flags, __u32 now)
{
	__u8 flags = flow->flags;

	if (!fw_changes_nat())
		return;
	if (tcp_flags & (FW_TCP_FIN | FW_TCP_RST))
		flags |= FW_NAT_CLOSING;
	else if ((tcp_flags & (FW_TCP_SYN | FW_TCP_ACK)) == FW_TCP_SYN)
		flags &= ~FW_NAT_CLOSING;
	if (flags != flow->flags)
		flow->flags = flags;
	if (flow->seen != now)
		flow->seen = now;
}

/* It stands among the new ones, and goes on. First it is in both places, then in the one. */
static __always_inline void fw_confirm_nat(const struct fw_nat_key *key, const struct fw_nat_flow *flow,
					   struct fw_nat_flow *room)
{
	*room = *flow;
	if (fw_put_nat(key, room, FW_NAT_CONFIRMED, BPF_ANY))
		fw_erase_nat(key, FW_NAT_NEW);
}

/* Whether what has the key is the same flow: its first packets came by two processors at once. */
static __always_inline bool fw_is_made(const struct fw_nat_flow *there, const struct fw_balance_room *room)
{
	return there && fw_is_same_flow(there, room);
}

/*
 * Puts room->nat among the new ones, at room->answer_key. False: somebody else has the key. One that is over
 * makes room, and what another processor has confirmed between our look and this comes first.
 */
static __always_inline bool fw_make_nat(const struct fw_balance_room *room)
{
	const struct fw_nat_key *key = &room->answer_key;
	const struct fw_nat_flow *there;

	if (!fw_changes_nat())
		return true;
	if (!fw_put_nat(key, &room->nat, FW_NAT_NEW, BPF_NOEXIST)) {
		there = fw_find_nat_in(key, FW_NAT_NEW, room->now);
		if (there)
			return fw_is_made(there, room);
		fw_erase_nat(key, FW_NAT_NEW);
		if (!fw_put_nat(key, &room->nat, FW_NAT_NEW, BPF_NOEXIST))
			return fw_is_made(fw_find_nat_in(key, FW_NAT_NEW, room->now), room);
	}
	there = fw_find_nat_in(key, FW_NAT_CONFIRMED, room->now);
	if (!there)
		return true;
	fw_erase_nat(key, FW_NAT_NEW);
	return fw_is_made(there, room);
}

#endif
