/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `ban`: a rule that decides puts the packet's source into a set.
 *
 * Promises: the source's own address, IPv6 too, once; the packet's verdict is what it was. A set that finds
 * no room is swept by the packets that find it so, some buckets a tick, so that members whose time is over
 * make room without anybody's help.
 */
#ifndef FWCTL_BPF_BAN_H
#define FWCTL_BPF_BAN_H

#include "fwctl/bpf/carry_out.h"
#include "fwctl/bpf/member_put.h"

static __always_inline __u64 fw_ban_end(__u32 seconds, __u64 now)
{
	__u64 ticks = ((__u64)seconds * 1000000000 >> FW_HOST_TICK_SHIFT) + 1;

	if (!seconds)
		return FW_HOST_FOR_EVER;
	return now + ticks < FW_HOST_FOR_EVER ? now + ticks : FW_HOST_FOR_EVER - 1;
}

/* By one processor in a tick. */
static __noinline bool fw_sweep_some(struct fw_set *set, struct fw_host_query *at, __u32 table)
{
	__u64 swept = FW_READ(set->swept);
	__u32 first;

	if (swept == at->now || __sync_val_compare_and_swap(&set->swept, swept, at->now) != swept)
		return false;
	first = __sync_fetch_and_add(&set->hand, FW_SWEEP_BUCKETS);
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < FW_SWEEP_BUCKETS; i++)
		fw_sweep_bucket(set, at, table, first + i);
	return true;
}

static __always_inline void fw_count_put(struct fw_set *set, int result)
{
	if (result == FW_SET_DONE || result == FW_SET_REPLACED)
		__sync_fetch_and_add(&set->put, 1);
	if (result == FW_SET_REPLACED)
		__sync_fetch_and_add(&set->replaced, 1);
	if (result == FW_SET_REFUSED)
		__sync_fetch_and_add(&set->refused, 1);
	if (result == FW_SET_BUSY)
		__sync_fetch_and_add(&set->busy, 1);
}

static __noinline int fw_ban_source(const struct fw_packet *packet, const struct fw_generation *generation,
				    const struct fw_decision *decision)
{
	const struct fw_action *action = fw_action_of(generation, decision);
	struct fw_host_put put = {};
	const struct fw_set_state *said;
	struct fw_sets *all;
	struct fw_set *set;
	__u32 zero = 0, number;
	__u64 prefixes;
	int result;

	all = bpf_map_lookup_elem(&sets, &zero);
	if (!action || !action->ban_set || !all || packet->family == FW_FAMILY_NONE)
		return 0;
	number = action->ban_set - 1;
	asm volatile("" : "+r"(number));
	number &= FW_MAX_SETS - 1;
	said = &generation->sets[number];
	set = &all->by_number[number];
	put.table = FW_READ(set->state) & FW_SET_TABLE;
	if (!FW_READ(set->tables[put.table & FW_SET_TABLE].buckets))
		return 0;
	put.at.now = bpf_ktime_get_coarse_ns() >> FW_HOST_TICK_SHIFT;
	put.end = fw_ban_end(action->ban_for ?: said->timeout, put.at.now);
	prefixes = FW_READ(set->prefixes);
	put.limit = said->size > prefixes ? said->size - prefixes : 0;
	__builtin_memcpy(&put.at.high, packet->source.bytes, 8);
	__builtin_memcpy(&put.at.low, packet->source.bytes + 8, 8);
	fw_seek_host(&put.at, set->key, packet->family);
	fw_seek_in(&put.at, &set->tables[put.table & FW_SET_TABLE]);
	result = fw_put_host(&put, set);
	if ((result == FW_SET_REFUSED || result == FW_SET_REPLACED) &&
	    fw_sweep_some(set, &put.at, put.table) && result == FW_SET_REFUSED)
		result = fw_put_host(&put, set);
	fw_count_put(set, result);
	return 0;
}

#endif
