/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FWCTL_BPF_HASH_H
#define FWCTL_BPF_HASH_H

#include <linux/types.h>

/*
 * One step of a keyed mix: the finalizer of SplitMix64 (G. Steele, D. Lea, C. Flood, "Fast splittable
 * pseudorandom number generators", 2014), in which the key goes through two multiplications before the next
 * word comes.
 */
static __always_inline __u64 fw_mix(__u64 hash, __u64 word)
{
	hash += word;
	hash = (hash ^ hash >> 30) * 0xbf58476d1ce4e5b9ull;
	hash = (hash ^ hash >> 27) * 0x94d049bb133111ebull;
	return hash ^ hash >> 31;
}

#endif
