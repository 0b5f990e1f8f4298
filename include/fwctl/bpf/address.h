/* SPDX-License-Identifier: GPL-2.0-only */
/* From an address to its class (struct fw_class), by the index of one end of one tier. */
#ifndef FWCTL_BPF_ADDRESS_H
#define FWCTL_BPF_ADDRESS_H

#include <bpf/bpf_endian.h>

#include "fwctl/abi/policy.h"
#include "fwctl/bpf/tree.h"

static __always_inline __u32 fw_find_ipv4(__u32 bank, const struct fw_address_index *index, __u32 address)
{
	__u32 entry;

	if (index->ipv4_known && !fw_bit_at(bank, index->ipv4_known, address >> 8))
		return index->outside[1];
	entry = fw_word_at(bank, index->ipv4 + (address >> 16));
	return entry & FW_INDEX_IS_TREE ? fw_tree_find_16(bank, entry, address & 0xffff) : entry;
}

static __always_inline __u32 fw_find_ipv6(__u32 bank, __u32 index, const struct fw_address *address)
{
	__u64 high, low;
	__u32 entry;

	__builtin_memcpy(&high, address->bytes, 8);
	__builtin_memcpy(&low, address->bytes + 8, 8);
	high = bpf_be64_to_cpu(high);
	entry = fw_word_at(bank, index + (high >> 48));
	if (entry & FW_INDEX_IS_TREE)
		entry = fw_tree_find_64(bank, entry, high);
	if (entry & FW_INDEX_IS_TREE)
		entry = fw_tree_find_64(bank, entry, bpf_be64_to_cpu(low));
	return entry;
}

/* What an index says of an address. */
static __always_inline __u32 fw_find_address(__u32 bank, const struct fw_address_index *index, __u8 family,
					     const struct fw_address *address)
{
	__be32 ipv4;

	if (family == FW_FAMILY_IPV4) {
		__builtin_memcpy(&ipv4, address->bytes, 4);
		return index->ipv4 ? fw_find_ipv4(bank, index, bpf_ntohl(ipv4)) : index->outside[1];
	}
	if (family == FW_FAMILY_IPV6)
		return index->ipv6 ? fw_find_ipv6(bank, index->ipv6, address) : index->outside[2];
	return index->outside[0];
}

/* The class of one end; an address of 0 is a class of which the rules know nothing. */
static __always_inline struct fw_class fw_class_of(const struct fw_tier *tier, __u32 side, __u8 family,
						   const struct fw_address *address)
{
	__u32 at = fw_find_address(tier->bank, &tier->addresses[side], family, address);
	const struct fw_class *found = at ? (const void *)fw_words_at(tier->bank, at, 4) : NULL;

	return found ? *found : (struct fw_class){};
}

#endif
