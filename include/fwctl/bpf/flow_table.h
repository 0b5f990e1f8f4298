/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The flow table: include/fwctl/abi/flow.h says how it is laid out and what it promises.
 *
 * Everything here but fw_flow_bucket_of(), fw_copy_flow() and fw_touch_new_ways() asks for the bucket's lock.
 * What is not inlined is global, so that it is verified once.
 */
#ifndef FWCTL_BPF_FLOW_TABLE_H
#define FWCTL_BPF_FLOW_TABLE_H

#include "fwctl/bpf/lock.h"
#include "fwctl/bpf/maps.h"

enum { FW_NO_WAY = FW_FLOW_WAYS };

static __always_inline bool fw_changes_flows(void)
{
	return fw_rehearses || !fw_silent;
}

static __always_inline struct fw_flow_counts *fw_flow_counts_here(void)
{
	__u32 zero = 0;

	return fw_changes_flows() ? bpf_map_lookup_elem(&flow_counts, &zero) : NULL;
}

static __always_inline struct fw_flow_bucket *fw_flow_bucket_in(__u64 place, __u32 number)
{
	__u32 page_number = (place >> 32) + number / FW_FLOW_PAGE_BUCKETS, zero = 0;
	void *inner = bpf_map_lookup_elem(&flow_pages, &page_number);
	struct fw_flow_page *page = inner ? bpf_map_lookup_elem(inner, &zero) : NULL;

	if (!page)
		return NULL;
	asm volatile("" : "+r"(number));
	number &= FW_FLOW_PAGE_BUCKETS - 1;
	return &page->buckets[number];
}

static __always_inline struct fw_flow_bucket *fw_flow_bucket_of(const struct fw_flow_table *table, __u64 hash)
{
	__u64 place = *(const volatile __u64 *)&table->place;

	return fw_flow_bucket_in(place, fw_flow_bucket_number(hash, place));
}

static __always_inline bool fw_same_flow(const struct fw_flow_key *one, const struct fw_flow_key *other)
{
	return one->rest == other->rest && one->ends[0][0] == other->ends[0][0] &&
	       one->ends[0][1] == other->ends[0][1] && one->ends[1][0] == other->ends[1][0] &&
	       one->ends[1][1] == other->ends[1][1];
}

/* A way of a bucket; for what is none, its head, which nobody looks at as a flow. */
static __always_inline struct fw_flow *fw_flow_at(struct fw_flow_bucket *bucket, __u32 way)
{
	asm volatile("" : "+r"(way));
	way &= 15;
	return &bucket->flows[way];
}

/* 0: it is free. */
static __always_inline __u32 fw_tag_at(const struct fw_flow_bucket *bucket, __u32 way)
{
	asm volatile("" : "+r"(way));
	way &= 15;
	return bucket->tags[way];
}

static __always_inline void fw_set_tag(struct fw_flow_bucket *bucket, __u32 way, __u32 tag)
{
	asm volatile("" : "+r"(way));
	way &= 15;
	bucket->tags[way] = tag;
}

/* FW_NO_WAY: it is not there. */
__noinline int fw_find_way(struct fw_flow_bucket *bucket, const struct fw_flow_key *key, __u32 tag)
{
	if (!bucket || !key)
		return FW_NO_WAY;
#pragma clang loop unroll(disable)
	for (__u32 way = 0; way < FW_FLOW_WAYS; way++)
		if (bucket->tags[way] == tag && fw_same_flow(&fw_flow_at(bucket, way)->key, key))
			return way;
	return FW_NO_WAY;
}

static __always_inline bool fw_is_expired(const struct fw_flow *flow, __u32 now)
{
	return (__s32)(flow->expires - now) <= 0;
}

/* Closed by both ends, or reset: the flow stays for what is late. */
static __always_inline bool fw_tcp_is_over(__u8 state)
{
	return state == FW_TCP_TIME_WAIT || state == FW_TCP_CLOSED;
}

/*
 * For a confirmed flow: a free way, else one whose time is over, else one whose connection has ended, so that
 * a busy server does not run out of them; FW_NO_WAY: there is none.
 */
__noinline int fw_find_confirmed_way(struct fw_flow_bucket *bucket, __u32 now)
{
	if (!bucket)
		return FW_NO_WAY;
#pragma clang loop unroll(disable)
	for (__u32 way = 0; way < FW_FLOW_CONFIRMED; way++)
		if (!bucket->tags[way])
			return way;
#pragma clang loop unroll(disable)
	for (__u32 way = 0; way < FW_FLOW_CONFIRMED; way++)
		if (fw_is_expired(fw_flow_at(bucket, way), now))
			return way;
#pragma clang loop unroll(disable)
	for (__u32 way = 0; way < FW_FLOW_CONFIRMED; way++)
		if (fw_tcp_is_over(fw_flow_at(bucket, way)->state))
			return way;
	return FW_NO_WAY;
}

/*
 * Before the lock, behind which they would come one after the other: all that fw_take_new_way() looks at, and
 * what the new flow is written to, is fetched at once. Most of it has not been used for long.
 */
static __always_inline void fw_touch_new_ways(const struct fw_flow_bucket *bucket, __u32 direction)
{
	(void)*(const volatile __u32 *)&bucket->next[0];
#pragma unroll
	for (__u32 i = 0; i < FW_FLOW_OPENED_IN; i++) {
		const struct fw_flow *flow = &bucket->flows[FW_FLOW_CONFIRMED + FW_FLOW_OPENED_OUT + i];

		if (direction == FW_OUT)
			flow -= FW_FLOW_OPENED_OUT;
		(void)*(const volatile __u32 *)&flow->expires;
		(void)*(const volatile __u16 *)&flow->slot;
	}
}

/*
 * For a new flow: a free way or one whose time is over. Else the next in turn of those that flows from the
 * same attachment have: a flood on one interface pushes out its own before what begins at others. Else the
 * next in turn. The turn goes on behind the way that was taken, whichever that was: who has come last is not
 * the first to go.
 */
static __always_inline int fw_take_new_way(struct fw_flow_bucket *bucket, __u32 direction, __u32 now,
					   __u32 slot)
{
	__u32 first = direction == FW_OUT ? FW_FLOW_CONFIRMED : FW_FLOW_CONFIRMED + FW_FLOW_OPENED_OUT;
	__u32 count = direction == FW_OUT ? FW_FLOW_OPENED_OUT : FW_FLOW_OPENED_IN;
	__u32 turn, taken;

	if (!bucket)
		return first;
	turn = bucket->next[direction & 1];
	if (turn >= count)
		turn = 0;
	for (__u32 i = 0; i < FW_FLOW_OPENED_IN; i++) {
		taken = first + i;
		if (i < count && (!fw_tag_at(bucket, taken) || fw_is_expired(fw_flow_at(bucket, taken), now)))
			goto out;
	}
	for (__u32 i = 0; i < FW_FLOW_OPENED_IN; i++) {
		taken = first + (turn + i >= count ? turn + i - count : turn + i);
		if (i < count && fw_flow_at(bucket, taken)->slot == slot)
			goto out;
	}
	taken = first + turn;
out:
	bucket->next[direction & 1] = taken + 1 < first + count ? taken + 1 - first : 0;
	return taken;
}

/* The way in a table of another size for what stands in that way. A confirmed flow for which none is left
 * goes on among those that this host opens. */
static __always_inline __u32 fw_find_way_like(struct fw_flow_bucket *bucket, __u32 way, __u32 now, __u32 slot)
{
	__u32 direction = way < FW_FLOW_CONFIRMED + FW_FLOW_OPENED_OUT ? FW_OUT : FW_IN, like = FW_NO_WAY;

	if (way < FW_FLOW_CONFIRMED)
		like = fw_find_confirmed_way(bucket, now);
	return like == FW_NO_WAY ? (__u32)fw_take_new_way(bucket, direction, now, slot) : like;
}

/* Both buckets are locked. */
static __always_inline void fw_copy_way(struct fw_flow_bucket *from, struct fw_flow_bucket *to, __u32 way,
					__u32 tag, __u32 now)
{
	struct fw_flow_counts *counts = fw_flow_counts_here();
	struct fw_flow *flow = fw_flow_at(from, way);
	__u32 place = fw_find_way_like(to, way, now, flow->slot);

	asm volatile("" : "+r"(place));
	place &= 15;
	if (counts && to->tags[place] && !fw_is_expired(&to->flows[place], now))
		counts->displaced++;
	to->flows[place] = *flow;
	to->tags[place] = tag;
}

/* While the size of the table changes: the flow of that key, where it is still in the old table, is in the
 * new one from now on. */
__noinline int fw_move_flow(const struct fw_flow_table *table, const struct fw_flow_key *key, __u32 now)
{
	struct fw_flow_bucket *from, *to;
	__u64 hash, old_place;
	__u32 tag, way, known;

	if (!table || !key)
		return 0;
	old_place = *(const volatile __u64 *)&table->old_place;
	hash = fw_flow_hash(key, table->keys);
	tag = fw_flow_tag(hash);
	to = fw_flow_bucket_of(table, hash);
	from = old_place ? fw_flow_bucket_in(old_place, fw_flow_bucket_number(hash, old_place)) : NULL;
	if (!from || !to || from == to || !fw_lock(&to->lock))
		return 0;
	if (!fw_lock(&from->lock))
		goto out;
	way = fw_find_way(from, key, tag);
	if (way != FW_NO_WAY) {
		known = fw_find_way(to, key, tag);
		if (known != FW_NO_WAY && fw_is_expired(fw_flow_at(to, known), now)) {
			fw_set_tag(to, known, 0);
			known = FW_NO_WAY;
		}
		if (known == FW_NO_WAY && !fw_is_expired(fw_flow_at(from, way), now))
			fw_copy_way(from, to, way, tag, now);
		fw_set_tag(from, way, 0);
	}
	fw_unlock(&from->lock);
out:
	fw_unlock(&to->lock);
	return 0;
}

enum { FW_COPY_TRIES = 64 };

struct fw_copying {
	struct fw_flow_bucket *bucket;
	const struct fw_flow_key *key;
	struct fw_flow *copy;
	__u32 tag;
	__u32 way;
};

static long fw_try_to_copy(__u32 turn __attribute__((unused)), struct fw_copying *copying)
{
	struct fw_flow_bucket *bucket = copying->bucket;
	__u32 seen = *(volatile __u32 *)&bucket->lock;

	copying->way = fw_find_way(bucket, copying->key, copying->tag);
	if (copying->way != FW_NO_WAY)
		*copying->copy = *fw_flow_at(bucket, copying->way);
	asm volatile("" : : : "memory");
	return !(seen & 1) && *(volatile __u32 *)&bucket->lock == seen;
}

/*
 * Without the lock: a copy of a flow as it stood between two changes; when the holder of the lock does not
 * come to an end, as it stands. False: there is none.
 */
__noinline int fw_copy_flow(struct fw_flow_bucket *bucket, const struct fw_flow_key *key, __u32 tag,
			    struct fw_flow *copy)
{
	struct fw_copying copying = {
		.bucket = bucket, .key = key, .copy = copy, .tag = tag, .way = FW_NO_WAY};

	if (!bucket || !key || !copy)
		return false;
	bpf_loop(FW_COPY_TRIES, fw_try_to_copy, &copying, 0);
	return copying.way != FW_NO_WAY && fw_same_flow(&copy->key, key);
}

#endif
