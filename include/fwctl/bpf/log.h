/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rules with action log: who listens is told of the packet, and of the rule.
 *
 * Promises: a packet that meets such a rule pays one more load while nobody listens, all others none. It is
 * told when it is counted: as often as the rule's rate lets it be.
 */
#ifndef FWCTL_BPF_LOG_H
#define FWCTL_BPF_LOG_H

#include "fwctl/bpf/bank.h"
#include "fwctl/bpf/happen.h"
#include "fwctl/bpf/tell.h"

/* Of the rule with that priority, which was counted. A global function, as fw_ask_rate(). */
__noinline int fw_log(const struct fw_packet *packet, const struct fw_tier *tier, __u32 priority)
{
	struct fw_decision decision = {.reason = FW_RULE_LOGGED};
	__u32 zero = 0;
	const struct fw_telling *mine = bpf_map_lookup_elem(&telling, &zero);
	const struct fw_action *action;

	if (!packet || !tier || !mine || !mine->listens)
		return 0;
	action = fw_action_at(tier, priority);
	if (!action || !action->log_one_of)
		return 0;
	if (action->log_one_of > 1 && bpf_get_prandom_u32() % action->log_one_of)
		return 0;
	decision.rule = fw_word_at(tier->bank, tier->counters + priority - tier->first_priority);
	return fw_tell_beside(packet, &decision, mine);
}

#endif
