/* SPDX-License-Identifier: GPL-2.0-only */
/* Which generation holds. */
#ifndef FWCTL_BPF_NOW_H
#define FWCTL_BPF_NOW_H

#include "fwctl/bpf/maps.h"

/* What a packet is judged by: read once, so that all of it belongs to one generation. */
struct fw_now {
	const struct fw_generation *generation;
	__u32 number; /* tells this generation from the ones before and behind, also at the end of a trial */
	__u32 direction;
	__u64 secret;
	__u64 heard; /* fw_control.heard */
};

/* What cannot happen need not be asked for: where no rule counts and goes on, none logs, and nothing happens
 * to flows that nobody follows. */
static __always_inline __u64 fw_can_happen(const struct fw_generation *generation)
{
	const __u64 logged = (__u64)1 << FW_RULE_LOGGED;
	__u64 happenings = 0;

	if (generation->tiers[FW_FRONT].going_on || generation->tiers[FW_MAIN].going_on)
		happenings |= logged;
	if (generation->follows || generation->services.backend_count)
		happenings |= FW_HAPPENINGS & ~logged;
	return happenings;
}

/* False: this attachment does not take part. */
static __always_inline bool fw_read_now(struct fw_now *now)
{
	__u32 zero = 0, half;
	const struct fw_control *held = bpf_map_lookup_elem(&control, &zero);
	__u64 word;

	if (!held)
		return false;
	word = *(const volatile __u64 *)&held->word;
	half = fw_half_of(word, word >> 32 ? bpf_ktime_get_coarse_ns() : 0);
	if (fw_half)
		half = (fw_half - 1) & 1;
	now->number = word << 1 | half;
	now->heard = fw_silent ? 0 : held->heard;
	now->secret = held->secret;
	now->generation = bpf_map_lookup_elem(&policy, &half);
	if (!now->generation)
		return false;
	if (now->heard & FW_HAPPENINGS)
		now->heard &= fw_can_happen(now->generation) | ~FW_HAPPENINGS;
	return now->generation->attachments[fw_slot & (FW_MAX_ATTACHMENTS - 1)].enabled;
}

#endif
