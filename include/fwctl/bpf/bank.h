/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reading the compiled rules (include/fwctl/abi/image.h): addresses of a bank become pointers.
 *
 * Promises: an address that no page holds reads as nothing. The masks stand last, next to their use: 6.1
 * loses the bound otherwise.
 */
#ifndef FWCTL_BPF_BANK_H
#define FWCTL_BPF_BANK_H

#include "fwctl/bpf/maps.h"

static __always_inline const struct fw_page *fw_page_at(__u32 bank, __u32 address)
{
	__u32 index = bank + address / FW_PAGE_WORDS;
	__u32 zero = 0;
	void *page = bpf_map_lookup_elem(&pages, &index);

	return page ? bpf_map_lookup_elem(page, &zero) : NULL;
}

/* The words of what stands at `address` and is aligned to `words`, a power of two, on a page that was found.
 */
static __always_inline const __u32 *fw_words_on(const struct fw_page *page, __u32 address, const __u32 words)
{
	asm volatile("" : "+r"(address));
	address &= FW_PAGE_WORDS - words;
	return &page->words[address];
}

/* The same where the page is to be looked up; NULL where there is none. */
static __always_inline const __u32 *fw_words_at(__u32 bank, __u32 address, const __u32 words)
{
	const struct fw_page *page = fw_page_at(bank, address);

	return page ? fw_words_on(page, address, words) : NULL;
}

static __always_inline __u32 fw_word_at(__u32 bank, __u32 address)
{
	const __u32 *word = fw_words_at(bank, address, 1);

	return word ? *word : 0;
}

/* What the rule of that priority says beside its verdict; NULL: nothing. */
static __always_inline const struct fw_action *fw_action_at(const struct fw_tier *tier, __u32 priority)
{
	__u32 place = fw_word_at(tier->bank, tier->actions + priority - tier->first_priority);

	return (const void *)fw_words_at(tier->bank, place, FW_ACTION_WORDS);
}

/* Whether a bit of those that begin at `address` is set. */
static __always_inline bool fw_bit_at(__u32 bank, __u32 address, __u32 bit)
{
	return fw_word_at(bank, address + bit / 32) >> (bit % 32) & 1;
}

#endif
