// SPDX-License-Identifier: GPL-2.0-only
/*
 * XDP ingress.
 *
 * Answers XDP_PASS or XDP_DROP; the frame is not changed. Handles multi-buffer frames (`xdp.frags`).
 */
#include "fwctl/bpf/ctx_xdp.h"
#include "fwctl/bpf/filter.h"

SEC("xdp.frags")
int fwctl_xdp(struct xdp_md *ctx)
{
	return fw_filter(ctx, FW_IN);
}

char LICENSE[] SEC("license") = "GPL";
