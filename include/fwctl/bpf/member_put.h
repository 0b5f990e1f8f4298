/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Putting hosts into a set's table, and taking them out.
 *
 * Promises: a host stands in a table once at most, and a table has never more than its limit. What is put in
 * for longer than it was is prolonged, never shortened. A host whose time is over counts as one until its way
 * is given to another or somebody sweeps. Where there is no room, the host that ends first, of those in the
 * places where the new one may stand, gives way if it ends before the new one; those that stay for ever never
 * do. Nobody waits for long: what cannot be done within some tries is left, and FW_SET_BUSY says so.
 *
 * Who may change what: the home bucket's lock is held by whoever puts a host in or takes it out, so that
 * nobody does the same with the same host. A way is claimed by compare-and-swap of `what` to FW_HOST_TAKEN,
 * and then belongs to who did it until he writes another value there. `passed` is raised before a host
 * becomes visible further on and lowered after it is gone. The kernel lets a program run to its end, so that
 * no lock outlives it.
 */
#ifndef FWCTL_BPF_MEMBER_PUT_H
#define FWCTL_BPF_MEMBER_PUT_H

#include "fwctl/bpf/lock.h"
#include "fwctl/bpf/members.h"

enum {
	FW_PUT_TRIES = 4,
	FW_NO_PLACE = 0xff,
};

struct fw_host_put {
	struct fw_host_query at; /* seek and table are filled in */
	__u64 end;		 /* in ticks */
	__u64 limit;		 /* hosts that the table may have */
	__u32 table;		 /* 0 or 1 */
	__u32 found;		 /* where the host stands: place, see fw_way_at() */
	__u32 room;		 /* where there is room */
	__u32 victim;		 /* the one that ends first */
	__u64 found_what;
	__u64 room_what;
	__u64 victim_what;
};

static __always_inline struct fw_host_bucket *fw_probe(const struct fw_host_query *at, __u32 probe)
{
	return fw_host_bucket_at(at->first_page, (at->home + probe) & at->mask);
}

/* A place is a bucket, counted from the home one, and a way of it. */
static __always_inline __u32 fw_place(__u32 probe, __u32 way)
{
	return probe << 3 | way;
}

/* Claims the way at the place, if it says still what it said; NULL when it does not. */
static __always_inline struct fw_host_bucket *fw_claim(struct fw_host_bucket *bucket, __u32 way, __u64 what,
						       __u64 becomes)
{
	asm volatile("" : "+r"(way));
	if (!bucket || way >= FW_BUCKET_HOSTS)
		return NULL;
	return __sync_val_compare_and_swap(&bucket->what[way], what, becomes) == what ? bucket : NULL;
}

/* The buckets that hosts of `home` pass on their way to bucket `number`. */
static __always_inline void fw_count_passed(__u32 first_page, __u32 mask, __u32 home, __u32 number, __u32 one)
{
	__u32 distance = (number - home) & mask;

#pragma clang loop unroll(disable)
	for (__u32 probe = 0; probe < FW_HOST_PROBES - 1; probe++) {
		struct fw_host_bucket *bucket;

		if (probe >= distance)
			return;
		bucket = fw_host_bucket_at(first_page, (home + probe) & mask);
		if (bucket)
			__sync_fetch_and_add(&bucket->passed, one);
	}
}

/* What remains to be done for a host whose way was claimed. */
static __always_inline void fw_forget_way(const struct fw_set *set, const struct fw_host_query *at,
					  const struct fw_host_bucket *bucket, __u32 way, __u32 number,
					  __u64 family_bit)
{
	__u64 hash;

	asm volatile("" : "+r"(way));
	if (way >= FW_BUCKET_HOSTS)
		return;
	hash = fw_host_hash(set->key, bucket->address[way][0], bucket->address[way][1], family_bit);
	fw_count_passed(at->first_page, at->mask, (__u32)hash & at->mask, number, -1);
}

/* Goes through the places of a host: where it stands, where there is room, who ends first. `all`: to the last
 * place, and ways that were never used are no room. */
__noinline int fw_survey(struct fw_host_put *put, int all)
{
	if (!put)
		return 0;
	put->found = put->room = put->victim = FW_NO_PLACE;
	put->victim_what = FW_HOST_FOR_EVER;
#pragma clang loop unroll(disable)
	for (__u32 probe = 0; probe < FW_HOST_PROBES; probe++) {
		struct fw_host_bucket *bucket = fw_probe(&put->at, probe);

		if (!bucket)
			return 0;
#pragma unroll
		for (__u32 way = 0; way < FW_BUCKET_HOSTS; way++) {
			__u64 what = FW_READ(bucket->what[way]), end = what & FW_HOST_END_MASK;

			if (what == FW_HOST_TAKEN)
				continue;
			if (end && ((what ^ put->at.tag) & ~FW_HOST_END_MASK) == 0 &&
			    FW_READ(bucket->address[way][0]) == put->at.high &&
			    FW_READ(bucket->address[way][1]) == put->at.low) {
				put->found = fw_place(probe, way);
				put->found_what = what;
				return 0;
			}
			if (fw_is_over(end, put->at.now)) {
				if (put->room == FW_NO_PLACE && !(all && what == FW_HOST_FREE)) {
					put->room = fw_place(probe, way);
					put->room_what = what;
				}
			} else if (end < (put->victim_what & FW_HOST_END_MASK)) {
				put->victim = fw_place(probe, way);
				put->victim_what = what;
			}
		}
		if (!all && put->room != FW_NO_PLACE && !FW_READ(bucket->passed))
			return 0;
	}
	return 0;
}

/* Gives the way at the place to the host. What it said is a free way, or one of a host that gives way. */
__noinline int fw_settle(const struct fw_host_put *put, struct fw_set *set, __u32 place, __u64 what)
{
	struct fw_host_bucket *bucket;
	__u32 number, way = place & 7;

	if (!put || !set)
		return false;
	number = (put->at.home + (place >> 3)) & put->at.mask;
	bucket = fw_host_bucket_at(put->at.first_page, number);
	bucket = fw_claim(bucket, way, what, FW_HOST_TAKEN);
	if (!bucket)
		return false;
	if (what != FW_HOST_FREE)
		fw_forget_way(set, &put->at, bucket, way, number, what & FW_HOST_IPV6);
	asm volatile("" : "+r"(way));
	if (way >= FW_BUCKET_HOSTS)
		return false;
	*(volatile __u64 *)&bucket->address[way][0] = put->at.high;
	*(volatile __u64 *)&bucket->address[way][1] = put->at.low;
	fw_count_passed(put->at.first_page, put->at.mask, put->at.home & put->at.mask, number, 1);
	__sync_lock_test_and_set(&bucket->what[way], put->at.tag | put->end);
	return true;
}

/* The host is there, or its time was over without anybody having taken it out. */
static __always_inline int fw_prolong(const struct fw_host_put *put)
{
	__u64 end = put->found_what & FW_HOST_END_MASK;

	if (!fw_is_over(end, put->at.now) && end >= put->end)
		return FW_SET_UNCHANGED;
	if (!fw_claim(fw_probe(&put->at, put->found >> 3), put->found & 7, put->found_what,
		      put->at.tag | put->end))
		return FW_SET_BUSY;
	return fw_is_over(end, put->at.now) ? FW_SET_DONE : FW_SET_PROLONGED;
}

/* In place of one whose time is over, or of the one that ends first. */
static __always_inline int fw_replace(struct fw_host_put *put, struct fw_set *set)
{
	fw_survey(put, true);
	if (put->room != FW_NO_PLACE)
		return fw_settle(put, set, put->room, put->room_what) ? FW_SET_DONE : FW_SET_BUSY;
	if (put->victim == FW_NO_PLACE || (put->victim_what & FW_HOST_END_MASK) >= put->end)
		return FW_SET_REFUSED;
	return fw_settle(put, set, put->victim, put->victim_what) ? FW_SET_REPLACED : FW_SET_BUSY;
}

/* FW_SET_BUSY: somebody else was faster. */
static __always_inline int fw_try_to_put(struct fw_host_put *put, struct fw_set *set)
{
	__u64 *hosts = &set->tables[put->table & FW_SET_TABLE].hosts;

	fw_survey(put, false);
	if (put->found != FW_NO_PLACE)
		return fw_prolong(put);
	if (put->room == FW_NO_PLACE)
		return fw_replace(put, set);
	if (put->room_what != FW_HOST_FREE)
		return fw_settle(put, set, put->room, put->room_what) ? FW_SET_DONE : FW_SET_BUSY;
	if (__sync_fetch_and_add(hosts, 1) >= put->limit) {
		__sync_fetch_and_add(hosts, -1);
		return fw_replace(put, set);
	}
	if (fw_settle(put, set, put->room, put->room_what))
		return FW_SET_DONE;
	__sync_fetch_and_add(hosts, -1);
	return FW_SET_BUSY;
}

/* enum fw_set_result. Global, as it is verified once. */
__noinline int fw_put_host(struct fw_host_put *put, struct fw_set *set)
{
	struct fw_host_bucket *home;
	int result = FW_SET_BUSY;

	if (!put || !set)
		return FW_SET_REFUSED;
	home = fw_probe(&put->at, 0);
	if (!home)
		return FW_SET_REFUSED;
	if (!fw_lock(&home->lock))
		return FW_SET_BUSY;
#pragma clang loop unroll(disable)
	for (int try = 0; try < FW_PUT_TRIES && result == FW_SET_BUSY; try++)
		result = fw_try_to_put(put, set);
	fw_unlock(&home->lock);
	return result;
}

/* Takes the host of a way out that was seen to say `what`. */
static __always_inline bool fw_take_out(struct fw_set *set, struct fw_host_query *at, __u32 table,
					__u32 number, __u32 way, __u64 what)
{
	struct fw_host_bucket *bucket = fw_host_bucket_at(at->first_page, number & at->mask);

	bucket = fw_claim(bucket, way, what, FW_HOST_TAKEN);
	if (!bucket)
		return false;
	fw_forget_way(set, at, bucket, way, number & at->mask, what & FW_HOST_IPV6);
	asm volatile("" : "+r"(way));
	if (way < FW_BUCKET_HOSTS)
		__sync_lock_test_and_set(&bucket->what[way], FW_HOST_FREE);
	__sync_fetch_and_add(&set->tables[table & FW_SET_TABLE].hosts, -1);
	return true;
}

/* Of one bucket, those whose time is over at `now`; how many. */
__noinline int fw_sweep_bucket(struct fw_set *set, struct fw_host_query *at, __u32 table, __u32 number)
{
	int swept = 0;

	if (!set || !at)
		return 0;
#pragma clang loop unroll(disable)
	for (__u32 way = 0; way < FW_BUCKET_HOSTS; way++) {
		struct fw_host_bucket *bucket =
			fw_host_bucket_at(FW_READ(at->first_page), number & FW_READ(at->mask));
		__u64 what;

		if (!bucket)
			return swept;
		what = FW_READ(bucket->what[way]);
		if (what == FW_HOST_FREE || what == FW_HOST_TAKEN ||
		    !fw_is_over(what & FW_HOST_END_MASK, at->now))
			continue;
		swept += fw_take_out(set, at, table, number, way, what);
	}
	return swept;
}

#endif
