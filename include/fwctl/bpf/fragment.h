/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Later fragments have no ports: they are taken for what the first one of their datagram was, which is noted
 * in the flow table when it was let pass.
 */
#ifndef FWCTL_BPF_FRAGMENT_H
#define FWCTL_BPF_FRAGMENT_H

#include "fwctl/bpf/flow_key.h"
#include "fwctl/bpf/flow_table.h"

/* Later fragments are kept apart from flows by their family. What is noted of the first one: its ports and
 * state. */
enum { FW_FRAGMENT_FAMILY = 0x80 };

static __always_inline bool fw_notes_fragments(const struct fw_flow_key *key)
{
	return key->rest >> 40 & FW_FRAGMENT_FAMILY;
}

static __always_inline void fw_key_of_fragments(struct fw_flow_key *key, const struct fw_packet *packet)
{
	fw_put_ends(key, &packet->source, &packet->destination, false);
	key->rest = fw_flow_rest(packet->fragment_id, packet->fragment_id >> 16, packet->protocol,
				 packet->family | FW_FRAGMENT_FAMILY);
}

/* What is noted of a first fragment, for a later one, in a flow's place. */
static __always_inline void fw_note_first(struct fw_flow *note, const struct fw_packet *packet)
{
	note->tcp[0].end = packet->source_port;
	note->tcp[0].limit = packet->selector;
	note->tcp[0].window = packet->flags & FW_PACKET_L4;
	note->state = packet->state;
	note->last_kind = packet->tcp_flags;
}

static __always_inline void fw_be_as_first(struct fw_packet *packet, const struct fw_flow *note)
{
	packet->source_port = note->tcp[0].end;
	packet->selector = note->tcp[0].limit;
	packet->flags |= note->tcp[0].window;
	packet->state = note->state;
	packet->tcp_flags = note->last_kind;
}

/* A later fragment: what its first one was. */
__noinline int fw_join_fragments(const struct fw_flow_table *table, struct fw_packet *packet, __u32 now)
{
	__u32 zero = 0;
	struct fw_flow_room *room = bpf_map_lookup_elem(&flow_room, &zero);
	struct fw_flow_key key = {};
	struct fw_flow_bucket *bucket;
	__u64 hash;

	if (!table || !packet || !room)
		return 0;
	fw_key_of_fragments(&key, packet);
	if (table->old_place && fw_changes_flows())
		fw_move_flow(table, &key, now);
	hash = fw_flow_hash(&key, table->keys);
	bucket = fw_flow_bucket_of(table, hash);
	if (bucket && fw_copy_flow(bucket, &key, fw_flow_tag(hash), &room->flow) &&
	    !fw_is_expired(&room->flow, now))
		fw_be_as_first(packet, &room->flow);
	return 0;
}

#endif
