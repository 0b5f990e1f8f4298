/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whether an address is in a dynamic set.
 *
 * Promises: no lock is taken and nothing written. A member whose time is over is none. What is put in, or
 * moved to another table, while it is being sought may or may not be found when it was not there before; what
 * was there all the time is found. Why that holds is in include/fwctl/abi/members.h.
 */
#ifndef FWCTL_BPF_MEMBERS_H
#define FWCTL_BPF_MEMBERS_H

#include <stdbool.h>

#include "fwctl/bpf/set_maps.h"

/* Loads that are not to be left out, merged or exchanged with their neighbours. */
#define FW_READ(place) (*(const volatile __typeof__(place) *)&(place))

static __always_inline struct fw_host_bucket *fw_host_bucket_at(__u32 first_page, __u32 number)
{
	__u32 index = first_page + number / FW_PAGE_BUCKETS, zero = 0;
	void *inner = bpf_map_lookup_elem(&set_pages, &index);
	struct fw_host_page *page = inner ? bpf_map_lookup_elem(inner, &zero) : NULL;

	if (!page)
		return NULL;
	asm volatile("" : "+r"(number));
	number &= FW_PAGE_BUCKETS - 1;
	return &page->buckets[number];
}

static __always_inline void fw_seek_host(struct fw_host_query *query, const __u64 key[2], __u8 family)
{
	__u64 family_bit = family == 6 ? FW_HOST_IPV6 : 0;
	__u64 hash = fw_host_hash(key, query->high, query->low, family_bit);

	query->tag = fw_host_tag(hash, family_bit);
	query->home = (__u32)hash;
}

/* Those of the table that the bucket's number is to be looked up in. */
static __always_inline void fw_seek_in(struct fw_host_query *query, const struct fw_host_table *table)
{
	query->first_page = FW_READ(table->first_page);
	query->mask = FW_READ(table->mask);
}

static __always_inline bool fw_is_over(__u64 end, __u64 now)
{
	return end <= now; /* FW_HOST_FOR_EVER is later than any */
}

/*
 * The end that the way says, if it is the host's; else 0. `what` may change between the two looks at it, but
 * not twice: an end moves by a tick at least.
 *
 * What is sought is read anew each time, here and below: kept in registers, it would go to the stack, of
 * which 6.1 has no more for the callers.
 */
static __always_inline __u64 fw_end_in_way(const struct fw_host_bucket *bucket, const __u32 way,
					   const struct fw_host_query *query)
{
	__u64 what = FW_READ(bucket->what[way]), again;

#pragma unroll
	for (int turn = 0; turn < 2; turn++) {
		if ((what ^ FW_READ(query->tag)) & ~FW_HOST_END_MASK)
			return 0;
		if (FW_READ(bucket->address[way][0]) != FW_READ(query->high) ||
		    FW_READ(bucket->address[way][1]) != FW_READ(query->low))
			return 0;
		again = FW_READ(bucket->what[way]);
		if (again == what)
			return what & FW_HOST_END_MASK;
		what = again;
	}
	return 0;
}

/* When the host ends, in ticks; 0: it is not there. */
static __always_inline __u64 fw_find_host(const struct fw_host_query *query)
{
#pragma clang loop unroll(disable)
	for (__u32 probe = 0; probe < FW_HOST_PROBES; probe++) {
		__u32 number = (FW_READ(query->home) + probe) & FW_READ(query->mask);
		const struct fw_host_bucket *bucket = fw_host_bucket_at(FW_READ(query->first_page), number);

		if (!bucket)
			return 0;
#pragma unroll
		for (__u32 way = 0; way < FW_BUCKET_HOSTS; way++) {
			__u64 end = fw_end_in_way(bucket, way, query);

			if (end)
				return end;
		}
		if (!FW_READ(bucket->passed))
			return 0;
	}
	return 0;
}

#endif
