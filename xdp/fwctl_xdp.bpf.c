// SPDX-License-Identifier: GPL-2.0-only
/*
 * XDP ingress.
 *
 * Answers XDP_PASS or XDP_DROP, and for what is answered, sent on or balanced XDP_TX or XDP_REDIRECT. Changes
 * the frames of these alone, and of what is translated or unpacked. Handles multi-buffer frames
 * (`xdp.frags`).
 */
#include "fwctl/bpf/ctx_xdp.h"
#include "fwctl/bpf/filter.h"

SEC("xdp.frags")
int fwctl_xdp(struct xdp_md *ctx)
{
	return fw_filter(ctx, FW_IN);
}

char LICENSE[] SEC("license") = "GPL";
