// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the command asks of the flow table while its size changes: a program that it runs by
 * BPF_PROG_TEST_RUN, on no interface, so that only programs, which cannot be killed, ever hold a bucket's
 * lock.
 */
#include <stdbool.h>

#include "fwctl/bpf/flow_table.h"

struct fw_moving {
	const struct fw_flow_table *table;
	struct fw_flow_job job;
};

static long fw_move_bucket(__u32 turn, struct fw_moving *moving)
{
	struct fw_flow_bucket *bucket = fw_flow_bucket_in(moving->table->old_place, moving->job.first + turn);

	if (!bucket)
		return 1;
#pragma clang loop unroll(disable)
	for (__u32 way = 0; way < FW_FLOW_WAYS; way++) {
		struct fw_flow_key key;

		if (!bucket->tags[way])
			continue;
		/* Without the lock: should it change meanwhile, it is not found, and counted as left. */
		key = fw_flow_at(bucket, way)->key;
		fw_move_flow(moving->table, &key, moving->job.now);
		if (bucket->tags[way])
			moving->job.left++;
	}
	return 0;
}

SEC("syscall")
int fwctl_flows(struct fw_flow_job *context)
{
	__u32 zero = 0;
	const struct fw_control *held = bpf_map_lookup_elem(&control, &zero);
	struct fw_moving moving = {.job = *context};

	if (!held || !held->flows.old_place)
		return -1;
	moving.table = &held->flows;
	moving.job.left = 0;
	bpf_loop(moving.job.count, fw_move_bucket, &moving, 0);
	context->left = moving.job.left;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
