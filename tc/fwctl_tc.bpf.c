// SPDX-License-Identifier: GPL-2.0-only
/*
 * TC ingress, where XDP cannot be used or would miss traffic, and TC egress.
 *
 * Answers TC_ACT_UNSPEC (ask the next filter) or TC_ACT_SHOT, and for what is answered, sent on or balanced
 * TC_ACT_REDIRECT. Changes these packets alone, and what is translated or unpacked. Each of the two is loaded
 * alone.
 */
#include "fwctl/bpf/ctx_skb.h"
#include "fwctl/bpf/filter.h"

SEC("tc")
int fwctl_tc_in(struct __sk_buff *ctx)
{
	return fw_filter(ctx, FW_IN);
}

SEC("tc")
int fwctl_tc_out(struct __sk_buff *ctx)
{
	return fw_filter(ctx, FW_OUT);
}

char LICENSE[] SEC("license") = "GPL";
