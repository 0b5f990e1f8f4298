/* SPDX-License-Identifier: GPL-2.0-only */
/* Writing into a packet in TC: the same names as in patch_xdp.h. */
#ifndef FWCTL_BPF_PATCH_SKB_H
#define FWCTL_BPF_PATCH_SKB_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <stdbool.h>

enum fw_patch_flags {
	FW_PATCH_PSEUDO =
		1 << 0,	       /* it was an address: left to the device, the checksum is over these alone */
	FW_PATCH_UDP = 1 << 1, /* 0 is none, and stays */
};

static __always_inline bool fw_ctx_store(fw_ctx *ctx, __u32 at, const void *from, const __u32 size)
{
	return bpf_skb_store_bytes(ctx, at, from, size, BPF_F_INVALIDATE_HASH) == 0;
}

/* The same of what no checksum of the packet makes up for: the sum that a device has taken over the whole
 * packet changes with it. */
static __always_inline bool fw_ctx_store_summed(fw_ctx *ctx, __u32 at, const void *from, const __u32 size)
{
	return bpf_skb_store_bytes(ctx, at, from, size, BPF_F_INVALIDATE_HASH | BPF_F_RECOMPUTE_CSUM) == 0;
}

/* Of an IPv4 header. */
static __always_inline bool fw_ctx_patch_header(fw_ctx *ctx, __u32 at, __u32 difference)
{
	return bpf_l3_csum_replace(ctx, at, 0, difference, 0) == 0;
}

static __always_inline bool fw_ctx_patch(fw_ctx *ctx, __u32 at, __u32 difference, const __u32 flags)
{
	__u64 how = (flags & FW_PATCH_PSEUDO ? BPF_F_PSEUDO_HDR : 0) |
		    (flags & FW_PATCH_UDP ? BPF_F_MARK_MANGLED_0 : 0);

	return bpf_l4_csum_replace(ctx, at, 0, difference, how) == 0;
}

/* Of a transport header, of whose packet addresses and ports change. */
static __always_inline bool fw_ctx_patch_ends(fw_ctx *ctx, __u32 at, __u32 addresses, __u32 ports,
					      const __u32 flags)
{
	return fw_ctx_patch(ctx, at, addresses, flags | FW_PATCH_PSEUDO) &&
	       fw_ctx_patch(ctx, at, ports, flags);
}

#endif
