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
#include "fwctl/bpf/now.h"
#include "fwctl/bpf/tell.h"

static __always_inline bool fw_hears(__u32 happening)
{
	__u32 zero = 0;
	const struct fw_control *held = bpf_map_lookup_elem(&control, &zero);

	return held && !fw_silent && *(const volatile __u64 *)&held->heard >> happening & 1;
}

/* Before the packet meets rules. Not inlined, as fw_mark_done(). */
static __noinline void fw_begin_telling(const struct fw_now *now)
{
	__u32 zero = 0;
	struct fw_telling *mine = bpf_map_lookup_elem(&telling, &zero);

	if (!mine)
		return;
	mine->generation = now->number;
	mine->direction = now->direction;
	mine->listens = true;
}

/* Behind them: should somebody come in the midst of the next packet, it is not told by this one's names. */
static __noinline void fw_end_telling(void)
{
	__u32 zero = 0;
	struct fw_telling *mine = bpf_map_lookup_elem(&telling, &zero);

	if (mine)
		mine->listens = false;
}

/* Of the rule with that priority, which was counted. A global function, as fw_ask_rate(). */
__noinline int fw_log(const struct fw_packet *packet, const struct fw_tier *tier, __u32 priority)
{
	struct fw_decision decision = {.reason = FW_RULE_LOGGED};
	__u32 zero = 0, number;
	const struct fw_telling *mine = bpf_map_lookup_elem(&telling, &zero);
	const struct fw_action *action;

	if (!packet || !tier || !mine || !mine->listens)
		return 0;
	number = priority - tier->first_priority;
	action = (const void *)fw_words_at(tier->bank, fw_word_at(tier->bank, tier->actions + number),
					   FW_ACTION_WORDS);
	if (!action || !action->log_one_of)
		return 0;
	if (action->log_one_of > 1 && bpf_get_prandom_u32() % action->log_one_of)
		return 0;
	decision.rule = fw_word_at(tier->bank, tier->counters + number);
	return fw_tell(packet, &decision, mine->generation, mine->direction);
}

#endif
