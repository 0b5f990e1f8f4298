/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Noting who sends most (include/fwctl/abi/talkers.h), while somebody wants to know.
 */
#ifndef FWCTL_BPF_TALKERS_H
#define FWCTL_BPF_TALKERS_H

#include "fwctl/abi/members.h"
#include "fwctl/bpf/decision.h"
#include "fwctl/bpf/maps.h"

static __always_inline bool fw_is_talker(const struct fw_talker *talker, const __u64 source[2], __u32 family)
{
	const __u64 *held = (const __u64 *)talker->source.bytes;

	return talker->packets && talker->family == family && held[0] == source[0] && held[1] == source[1];
}

/* The way of a source: its own, or the one that it takes. */
static __always_inline struct fw_talker *fw_way_of_talker(struct fw_talker_bucket *bucket,
							  const __u64 source[2], __u32 family)
{
	struct fw_talker *smallest = &bucket->ways[0];

#pragma clang loop unroll(full)
	for (__u32 way = 0; way < FW_TALKER_WAYS; way++) {
		struct fw_talker *talker = &bucket->ways[way];

		if (fw_is_talker(talker, source, family))
			return talker;
		if (talker->packets < smallest->packets)
			smallest = talker;
	}
	return smallest;
}

/* A global function, as fw_parse(). `table`: which of the two. */
__noinline int fw_note_talker(const struct fw_packet *packet, const struct fw_decision *decision, __u32 slot,
			      __u32 table)
{
	__u32 zero = 0, place;
	const struct fw_control *held = bpf_map_lookup_elem(&control, &zero);
	void *tables = bpf_map_lookup_elem(&talker_tables, &slot);
	struct fw_talker_bucket *bucket;
	struct fw_talker *talker;
	__u64 source[2];
	bool is_new;

	if (!packet || !decision || !held || !tables || packet->family == FW_FAMILY_NONE)
		return 0;
	__builtin_memcpy(source, &packet->source, sizeof(source));
	place = fw_host_hash(held->flows.keys, source[0], source[1], packet->family) &
		(FW_TALKER_BUCKETS - 1);
	place += (table & 1) * FW_TALKER_BUCKETS;
	bucket = bpf_map_lookup_elem(tables, &place);
	if (!bucket)
		return 0;
	talker = fw_way_of_talker(bucket, source, packet->family);
	is_new = !fw_is_talker(talker, source, packet->family);
	if (is_new) {
		talker->source = packet->source;
		talker->family = packet->family;
		talker->error = talker->packets;
		talker->bytes = 0;
		talker->dropped = 0;
	}
	talker->packets++;
	talker->bytes += packet->length;
	talker->dropped += fw_verdict_of(decision->reason) == FW_DROP;
	return 0;
}

#endif
