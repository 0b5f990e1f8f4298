// SPDX-License-Identifier: GPL-2.0-only
/*
 * Says what the kernel's ticks are now, which programs note times by (struct fw_rule_count) and nobody else
 * can read: a program that the command runs by BPF_PROG_TEST_RUN, on no interface.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "fwctl/abi/state.h"

SEC("syscall")
int fwctl_clock(struct fw_clock_reading *context)
{
	context->ticks = bpf_jiffies64();
	context->nanoseconds = bpf_ktime_get_ns();
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
