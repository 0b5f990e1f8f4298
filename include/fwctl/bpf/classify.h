/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Second stage: the first rule that matches.
 *
 * Promises: the order of the rules is the order of the matches; a packet that is not IP matches no rule with
 * an address, a later fragment none with a port. The cost is two trie lookups, where rules name addresses at
 * all, and a comparison for each match that survives the three sets (include/fwctl/abi/policy.h).
 */
#ifndef FWCTL_BPF_CLASSIFY_H
#define FWCTL_BPF_CLASSIFY_H

#include "fwctl/bpf/decision.h"
#include "fwctl/bpf/maps.h"

/* The matches that hold for one end of the packet, whose addresses the rules may or may not name. */
static __always_inline const struct fw_match_set *fw_matches_at(const struct fw_generation *generation,
								__u8 half, __u8 side, __u8 family,
								const struct fw_address *address)
{
	struct fw_prefix_key key = {
		.prefix_length = FW_PREFIX_KEY_FIXED_BITS + (family == FW_FAMILY_IPV4 ? 32 : 128),
		.half = half,
		.side = side,
		.family = family,
	};
	const struct fw_match_set *found;

	if (family == FW_FAMILY_NONE || !generation->has_prefixes[side][family == FW_FAMILY_IPV6])
		return &generation->unrestricted[side];
	__builtin_memcpy(key.address, address->bytes, sizeof(key.address));
	found = bpf_map_lookup_elem(&prefixes, &key);
	return found ? found : &generation->unrestricted[side];
}

static __always_inline __u64 fw_traits(const struct fw_packet *packet)
{
	__u64 traits = (__u64)packet->ethertype << FW_TRAITS_ETHERTYPE_SHIFT;

	traits |= packet->family << 8 | packet->protocol;
	if (packet->family != FW_FAMILY_NONE)
		traits |= FW_TRAITS_IP;
	if (packet->flags & FW_PACKET_L4)
		traits |= FW_TRAITS_L4;
	return traits;
}

static __always_inline bool fw_between(__u16 value, __u16 first, __u16 last)
{
	return first <= value && value <= last;
}

/*
 * Whether one match holds. A global function, which the verifier goes through once: inlined into the loop,
 * its branches multiply to a million instructions.
 */
__noinline int fw_match_holds(const struct fw_packet *packet, __u32 half, __u32 index)
{
	const struct fw_generation *generation = bpf_map_lookup_elem(&policy, &half);
	const struct fw_match *match;

	asm volatile("" : "+r"(index));
	index &= FW_MAX_MATCHES - 1;
	if (!generation || !packet)
		return false;
	match = &generation->matches[index];
	return ((match->traits ^ fw_traits(packet)) & match->traits_mask) == 0 &&
	       fw_between(packet->selector, match->selector_first, match->selector_last) &&
	       fw_between(packet->source_port, match->source_port_first, match->source_port_last) &&
	       (match->expires == 0 || bpf_ktime_get_coarse_ns() < match->expires);
}

/*
 * The place of the lowest set bit of a word that is not zero, by a de Bruijn sequence (Leiserson, Prokop,
 * Randall 1998): BPF has no instruction for it and clang 14 crashes on __builtin_ctzll.
 */
static const __u8 fw_bit_places[64] = {
	0,  1,	48, 2,	57, 49, 28, 3,	61, 58, 50, 42, 38, 29, 17, 4,	62, 55, 59, 36, 53, 51,
	43, 22, 45, 39, 33, 30, 24, 18, 12, 5,	63, 47, 56, 27, 60, 41, 37, 16, 54, 35, 52, 21,
	44, 32, 23, 11, 46, 26, 40, 15, 34, 20, 31, 10, 25, 14, 19, 9,	13, 8,	7,  6,
};

static __always_inline __u32 fw_lowest_bit(__u64 word)
{
	return fw_bit_places[((word & -word) * 0x03f79d71b4cb0a89ull) >> 58];
}

static __always_inline struct fw_decision
fw_classify(const struct fw_packet *packet, const struct fw_generation *generation, __u8 half, __u8 direction)
{
	const struct fw_match_set *from =
		fw_matches_at(generation, half, FW_SOURCE, packet->family, &packet->source);
	const struct fw_match_set *to =
		fw_matches_at(generation, half, FW_DESTINATION, packet->family, &packet->destination);
	const struct fw_match_set *here =
		&generation->attachments[fw_slot & (FW_MAX_ATTACHMENTS - 1)].matches[direction];

	for (__u32 word = 0; word < FW_MATCH_WORDS; word++) {
		__u64 left = from->words[word] & to->words[word] & here->words[word];

		for (__u32 turn = 0; turn < 64 && left; turn++) {
			__u32 index = word * 64 + fw_lowest_bit(left);

			left &= left - 1;
			if (fw_match_holds(packet, half, index)) {
				index &= FW_MAX_MATCHES - 1;
				return (struct fw_decision){generation->matches[index].reason,
							    generation->matches[index].rule};
			}
		}
	}
	return (struct fw_decision){FW_REASON_DEFAULT_ALLOW, FW_NO_RULE};
}

#endif
