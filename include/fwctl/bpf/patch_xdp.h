/* SPDX-License-Identifier: GPL-2.0-only */
/* Writing into a frame in XDP: its checksums are all there. patch_skb.h has the same for TC. */
#ifndef FWCTL_BPF_PATCH_XDP_H
#define FWCTL_BPF_PATCH_XDP_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <stdbool.h>

enum fw_patch_flags {
	FW_PATCH_PSEUDO = 1 << 0, /* it was an address: here all is the same */
	FW_PATCH_UDP = 1 << 1,	  /* 0 is none, and stays */
};

static __always_inline bool fw_ctx_store(fw_ctx *ctx, __u32 at, const void *from, const __u32 size)
{
	return bpf_xdp_store_bytes(ctx, at, (void *)from, size) == 0;
}

static __always_inline bool fw_ctx_store_summed(fw_ctx *ctx, __u32 at, const void *from, const __u32 size)
{
	return fw_ctx_store(ctx, at, from, size);
}

/* RFC 1624: HC' = ~(~HC + ~m + m'), of which bpf_csum_diff() has said the last two. */
static __always_inline bool fw_ctx_patch(fw_ctx *ctx, __u32 at, __u32 difference, const __u32 flags)
{
	__u64 sum = difference;
	__u16 check;

	if (bpf_xdp_load_bytes(ctx, at, &check, sizeof(check)))
		return false;
	if (flags & FW_PATCH_UDP && !check)
		return true;
	sum += (__u16)~check;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	check = ~((sum & 0xffff) + (sum >> 16));
	if (flags & FW_PATCH_UDP && !check)
		check = 0xffff;
	return bpf_xdp_store_bytes(ctx, at, &check, sizeof(check)) == 0;
}

/* Of an IPv4 header. */
static __always_inline bool fw_ctx_patch_header(fw_ctx *ctx, __u32 at, __u32 difference)
{
	return fw_ctx_patch(ctx, at, difference, 0);
}

#endif
