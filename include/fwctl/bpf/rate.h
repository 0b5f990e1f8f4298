/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whether a rule's rate holds for a packet, of which all else of the rule does.
 *
 * Promises: the bucket is charged once for each time that it is asked. What a packet lacks is zero in its
 * key: all that is not IP is of one source, all later fragments between two addresses are of one flow.
 */
#ifndef FWCTL_BPF_RATE_H
#define FWCTL_BPF_RATE_H

#include <bpf/bpf_endian.h>
#include <linux/in.h>

#include "fwctl/bpf/bank.h"
#include "fwctl/bpf/bucket.h"
#include "fwctl/bpf/count.h"
#include "fwctl/bpf/hash.h"

/* The first `bits` of 64, network byte order. */
static __always_inline __u64 fw_first_bits(__u64 half, __u32 bits)
{
	if (bits == 0)
		return 0;
	return half & bpf_cpu_to_be64(~0ull << ((64 - bits) & 63));
}

static __always_inline __u64 fw_mix_address(__u64 hash, const struct fw_address *address, __u32 bits)
{
	const __u64 *halves = (const void *)address->bytes;

	hash = fw_mix(hash, fw_first_bits(halves[0], bits < 64 ? bits : 64));
	return bits > 64 ? fw_mix(hash, fw_first_bits(halves[1], bits - 64)) : hash;
}

static __always_inline __u32 fw_address_bits(const struct fw_packet *packet, const struct fw_rate *rate)
{
	return packet->family == FW_FAMILY_IPV4 ? rate->bits4 : rate->bits6;
}

static __always_inline bool fw_has_ports(const struct fw_packet *packet)
{
	return packet->flags & FW_PACKET_L4 &&
	       (packet->protocol == IPPROTO_TCP || packet->protocol == IPPROTO_UDP ||
		packet->protocol == IPPROTO_SCTP);
}

/* Both ends alike: their sum is the same for replies. */
static __always_inline __u64 fw_mix_ends(__u64 hash, const struct fw_packet *packet)
{
	bool has_ports = fw_has_ports(packet);
	__u32 bits = packet->family == FW_FAMILY_IPV4 ? 32 : 128;
	__u64 source = fw_mix(hash, has_ports ? packet->source_port : 0);
	__u64 destination = fw_mix(hash, has_ports ? packet->selector : 0);

	return fw_mix(hash, fw_mix_address(source, &packet->source, bits) +
				    fw_mix_address(destination, &packet->destination, bits));
}

/* Never 0. A global function, as fw_take_tokens(): the verifier goes through each once. */
__noinline __u64 fw_bucket_tag(const struct fw_packet *packet, const struct fw_rate *rate)
{
	__u32 zero = 0;
	const struct fw_control *held = bpf_map_lookup_elem(&control, &zero);
	__u64 hash;

	if (!packet || !rate || !held)
		return 1;
	hash = fw_mix(held->secret, rate->identity);
	if (rate->per != FW_PER_RULE)
		hash = fw_mix(hash, packet->family);
	switch (rate->per) {
	case FW_PER_SOURCE:
		hash = fw_mix_address(hash, &packet->source, fw_address_bits(packet, rate));
		break;
	case FW_PER_DESTINATION:
		hash = fw_mix_address(hash, &packet->destination, fw_address_bits(packet, rate));
		break;
	case FW_PER_SERVICE:
		hash = fw_mix(hash, packet->protocol | (fw_has_ports(packet) ? packet->selector << 8 : 0));
		hash = fw_mix_address(hash, &packet->destination,
				      packet->family == FW_FAMILY_IPV4 ? 32 : 128);
		break;
	case FW_PER_FLOW:
		hash = fw_mix_ends(fw_mix(hash, packet->protocol), packet);
		break;
	}
	return hash ? hash : 1;
}

/* NULL: nothing may be written, or no page is there: the bucket is full. */
static __always_inline struct fw_bucket_entry *fw_bucket_of(const struct fw_rate *rate, __u64 tag, __u64 now)
{
	struct fw_bucket_line *line;

	if (rate->per == FW_PER_RULE) {
		line = fw_bucket_line_at(rate->rule / FW_BUCKET_PAGE_LINES,
					 rate->rule % FW_BUCKET_PAGE_LINES);
		return line ? fw_own_bucket(line, tag, now) : NULL;
	}
	line = fw_bucket_line_at(FW_RULE_BUCKET_PAGES + (tag >> 32) % FW_KEYED_BUCKET_PAGES,
				 (tag >> 40) % FW_BUCKET_PAGE_LINES);
	return line ? fw_find_bucket(line, tag, now) : NULL;
}

static __always_inline bool fw_has_tokens(const struct fw_packet *packet, const struct fw_rate *rate)
{
	__u64 tokens = rate->flags & FW_RATE_BYTES ? packet->network_length : 1;
	struct fw_bucket_entry *entry;
	__u64 now, tag;

	/* Also what keeps the product below 2^63. */
	if (tokens > rate->burst)
		return false;
	now = fw_ticks_now();
	tag = fw_bucket_tag(packet, rate);
	entry = fw_bucket_of(rate, tag, now);
	return !entry || fw_take_tokens(entry, rate, tag, tokens * rate->cost >> (rate->shift & 63), now);
}

/*
 * Of the rule with that priority; under `counts` a rule that only counts, which is counted when its rate
 * holds. A global function: there are two places that ask.
 */
__noinline int fw_ask_rate(const struct fw_packet *packet, const struct fw_tier *tier, __u32 priority,
			   bool counts)
{
	const struct fw_action *action;
	const struct fw_rate *rate;
	bool holds;

	if (!packet || !tier)
		return false;
	action = fw_action_at(tier, priority);
	rate = action ? (const void *)fw_words_at(tier->bank, action->rate, 16) : NULL;
	if (!rate)
		return false;
	holds = fw_has_tokens(packet, rate) == !!(rate->flags & FW_RATE_UNDER);
	if (fw_tracing && !holds)
		fw_trace_row(rate->rule, FW_ROW_RATE);
	if (holds && counts)
		fw_count_rule(rate->rule, packet);
	return holds;
}

#endif
