/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Searching struct fw_tree: the value of the last key that is not above the sought one.
 *
 * Eight keys are compared at once and without a branch, since which one it is cannot be predicted.
 */
#ifndef FWCTL_BPF_TREE_H
#define FWCTL_BPF_TREE_H

#include "fwctl/bpf/bank.h"
#include "fwctl/bpf/read.h"

/*
 * How many of four 16-bit keys are not above the number in each lane of `sought` (parallel comparison within
 * a word: L. Lamport, "Multiple byte processing with full-word instructions", CACM 1975). The highest bit of
 * each lane is compared apart, so that no lane borrows from the next.
 */
static __always_inline __u32 fw_rank_16(__u64 keys, __u64 sought)
{
	const __u64 high = 0x8000800080008000ull, ones = 0x0001000100010001ull;
	__u64 lower = (sought | high) - (keys & ~high);
	__u64 not_above = ((sought & ~keys) | (~(sought ^ keys) & lower)) & high;

	return (not_above >> 15) * ones >> 48;
}

/* 1 when a < b: the borrow of a - b (H. Warren, Hacker's Delight, 2-12). */
static __always_inline __u64 fw_below_64(__u64 a, __u64 b)
{
	return ((~a & b) | (~(a ^ b) & (a - b))) >> 63;
}

static __always_inline __u32 fw_tree_find_16(__u32 bank, __u32 address, __u16 sought)
{
	const struct fw_page *page = fw_page_at(bank, address);
	const struct fw_tree *tree;
	__u64 lanes = sought * 0x0001000100010001ull;
	__u32 node = 0, value = 0;

	if (!page)
		return 0;
	tree = (const void *)fw_words_on(page, address, 4);
#pragma clang loop unroll(disable)
	for (__u32 level = 0; level < FW_TREE_LEVELS_16 && node < tree->nodes; level++) {
		const __u64 *keys = (const void *)fw_words_on(page, (address & ~3u) + 4 + node * 4, 4);
		__u32 rank = fw_rank_16(keys[0], lanes) + fw_rank_16(keys[1], lanes);

		if (rank)
			value = tree->values + node * FW_TREE_KEYS + rank - 1;
		node = node * (FW_TREE_KEYS + 1) + 1 + rank + fw_unknown_zero(keys[0]);
	}
	if (!value)
		return tree->below;
	if (value / FW_PAGE_WORDS == address / FW_PAGE_WORDS)
		return *fw_words_on(page, value, 1);
	return fw_word_at(bank, value);
}

/* A global function: the verifier goes through it once. */
__noinline __u32 fw_tree_find_64(__u32 bank, __u32 address, __u64 sought)
{
	const struct fw_tree *tree = (const void *)fw_words_at(bank, address, 4);
	__u32 node = 0, value = 0;

	if (!tree)
		return 0;
#pragma clang loop unroll(disable)
	for (__u32 level = 0; level < FW_TREE_LEVELS_64 && node < tree->nodes; level++) {
		const __u64 *keys = (const void *)fw_words_at(bank, tree->keys + node * 16, 16);
		__u32 rank = FW_TREE_KEYS;

		if (!keys)
			return 0;
#pragma unroll
		for (__u32 i = 0; i < FW_TREE_KEYS; i++)
			rank -= fw_below_64(sought, keys[i]);
		if (rank)
			value = tree->values + node * FW_TREE_KEYS + rank - 1;
		node = node * (FW_TREE_KEYS + 1) + 1 + rank + fw_unknown_zero(keys[0]);
	}
	return value ? fw_word_at(bank, value) : tree->below;
}

#endif
