/* SPDX-License-Identifier: GPL-2.0-only */
/* Counting packets under rules and reasons; under BPF_PROG_TEST_RUN also noting which rows were compared. */
#ifndef FWCTL_BPF_COUNT_H
#define FWCTL_BPF_COUNT_H

#include "fwctl/bpf/maps.h"

static __always_inline void fw_count(struct fw_count *count, const struct fw_packet *packet)
{
	count->packets++;
	count->bytes += packet->length;
}

static __always_inline void fw_count_rule(__u32 rule, const struct fw_packet *packet)
{
	__u32 page = rule / FW_COUNTER_PAGE_SIZE, place = rule % FW_COUNTER_PAGE_SIZE;
	void *counts = bpf_map_lookup_elem(&rule_counters, &page);
	struct fw_rule_count *count = counts ? bpf_map_lookup_elem(counts, &place) : NULL;

	if (!count || fw_silent)
		return;
	count->packets++;
	count->bytes += packet->length;
	count->last = bpf_jiffies64();
}

static __always_inline void fw_trace_row(__u32 rule, __u8 part)
{
	__u32 place = fw_last.row_count;

	if (place < FW_MAX_TRACED_ROWS) {
		fw_last.rows[place & (FW_MAX_TRACED_ROWS - 1)].rule = rule;
		fw_last.rows[place & (FW_MAX_TRACED_ROWS - 1)].part = part;
	}
	fw_last.row_count = place + 1;
}

#endif
