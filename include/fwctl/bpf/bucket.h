/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Taking tokens from a bucket. include/fwctl/abi/bucket.h says how exact that is.
 *
 * Promises: no lock, no wait. Where nothing may be charged, nothing is written.
 */
#ifndef FWCTL_BPF_BUCKET_H
#define FWCTL_BPF_BUCKET_H

#include "fwctl/bpf/maps.h"

/*
 * A state can be ahead of a packet's time by the capacity and by what another processor's packet was later:
 * its time is read before the exchange, and a virtual machine may be stopped between the two. 17 seconds.
 */
#define FW_LATE_TICKS (1ull << 40)
/* No bucket takes longer than a week to fill. What is further ahead was left by another tag. */
#define FW_LONGEST_TICKS (1ull << 56)

static __always_inline __u64 fw_ticks_now(void)
{
	__u64 now = fw_rehearses ? fw_last.clock : bpf_ktime_get_ns();

	return now << FW_TICK_SHIFT;
}

/* How far a bucket is from being full; times that cannot be stand for full. */
static __always_inline __u64 fw_ticks_ahead(__u64 state, __u64 tag, __u64 now, __u64 farthest)
{
	__u64 ahead = state - tag - now;

	return ahead > farthest ? 0 : ahead;
}

static __always_inline bool fw_charges(void)
{
	return fw_rehearses || !fw_silent;
}

/* Whether there were tokens; then they are taken. */
__noinline int fw_take_tokens(struct fw_bucket_entry *entry, const struct fw_rate *rate, __u64 tag,
			      __u64 cost, __u64 now)
{
	__u64 farthest;

	if (!entry || !rate)
		return true;
	farthest = rate->capacity + FW_LATE_TICKS;
#pragma clang loop unroll(disable)
	for (__u32 turn = 0; turn < FW_BUCKET_TRIES; turn++) {
		__u64 seen = *(const volatile __u64 *)&entry->state;
		__u64 full = fw_ticks_ahead(seen, tag, now, farthest) + cost;

		if (full > rate->capacity)
			return false;
		if (!fw_charges() ||
		    __sync_val_compare_and_swap(&entry->state, seen, tag + now + full) == seen)
			return true;
	}
	/* There were tokens each time, and the others who took some have brought the state up to date. */
	if (*(const volatile __u64 *)&entry->tag == tag)
		__sync_fetch_and_add(&entry->state, cost);
	return true;
}

static __always_inline struct fw_bucket_line *fw_bucket_line_at(__u32 page, __u32 line)
{
	void *map = bpf_map_lookup_elem(&buckets, &page);
	__u32 zero = 0;
	struct fw_bucket_page *lines = map ? bpf_map_lookup_elem(map, &zero) : NULL;

	if (!lines)
		return NULL;
	asm volatile("" : "+r"(line));
	line &= FW_BUCKET_PAGE_LINES - 1;
	return &lines->lines[line];
}

/*
 * Makes an entry the tag's, with a full bucket. Who else may be at it: another processor with the same tag,
 * and one that still charges the former owner. What they write stays, as it is newer or reads as full.
 */
static __always_inline void fw_claim_bucket(struct fw_bucket_entry *entry, struct fw_bucket_entry before,
					    __u64 tag, __u64 now)
{
	if (__sync_val_compare_and_swap(&entry->tag, before.tag, tag) == before.tag)
		__sync_val_compare_and_swap(&entry->state, before.state, tag + now);
}

static __always_inline struct fw_bucket_entry fw_read_bucket(const struct fw_bucket_entry *entry)
{
	return (struct fw_bucket_entry){*(const volatile __u64 *)&entry->tag,
					*(const volatile __u64 *)&entry->state};
}

/* The rule's own. NULL: it is another's still, and nothing may be written: the bucket is full. */
static __always_inline struct fw_bucket_entry *fw_own_bucket(struct fw_bucket_line *line, __u64 tag,
							     __u64 now)
{
	struct fw_bucket_entry held = fw_read_bucket(&line->entries[0]);

	if (held.tag == tag)
		return &line->entries[0];
	if (!fw_charges())
		return NULL;
	fw_claim_bucket(&line->entries[0], held, tag, now);
	return &line->entries[0];
}

/* The tag's entry of a line; where there is none, the one that is nearest to full becomes it. NULL: as above.
 */
static __always_inline struct fw_bucket_entry *fw_find_bucket(struct fw_bucket_line *line, __u64 tag,
							      __u64 now)
{
	struct fw_bucket_entry before = {};
	__u64 least = ~0ull;
	__u32 fullest = 0;

#pragma unroll
	for (__u32 i = 0; i < FW_LINE_BUCKETS; i++) {
		struct fw_bucket_entry held = fw_read_bucket(&line->entries[i]);
		__u64 ahead = held.tag ? fw_ticks_ahead(held.state, held.tag, now, FW_LONGEST_TICKS) : 0;

		if (held.tag == tag)
			return &line->entries[i];
		if (ahead < least) {
			least = ahead;
			before = held;
			fullest = i;
		}
	}
	if (!fw_charges())
		return NULL;
	asm volatile("" : "+r"(fullest));
	fullest &= FW_LINE_BUCKETS - 1;
	fw_claim_bucket(&line->entries[fullest], before, tag, now);
	return &line->entries[fullest];
}

#endif
