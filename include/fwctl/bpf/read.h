/* SPDX-License-Identifier: GPL-2.0-only */
/* Reading the frame, and counting, in a way that the verifier follows and the compiler does not spoil. */
#ifndef FWCTL_BPF_READ_H
#define FWCTL_BPF_READ_H

#include <linux/types.h>
#include <stdbool.h>

/* Words of what has other types. */
typedef __u32 __attribute__((may_alias)) fw_any32;
typedef __u64 __attribute__((may_alias)) fw_any64;

/* Ethernet, two tags, IPv6 and ten extension headers of up to 2,048 bytes each stay below it. */
enum { FW_MAX_OFFSET = 0x7fff };

/*
 * The kernel refuses to add an unbounded number to a packet pointer (MAX_PACKET_OFF). The barrier keeps clang
 * 14 from comparing one register and adding another copy of it, of which the verifier of 6.1 then knows
 * nothing.
 */
static __always_inline bool fw_offset_fits(__u32 *offset)
{
	asm volatile("" : "+r"(*offset));
	return *offset <= FW_MAX_OFFSET;
}

/*
 * Whether a number of bytes is from 1 to `most`, as helpers ask for: 6.1 learns from a comparison with the
 * largest number, but not from one with 0.
 */
static __always_inline bool fw_size_fits(__u32 *size, const __u32 most)
{
	__u32 rest = *size - 1;

	asm volatile("" : "+r"(rest));
	if (rest >= most)
		return false;
	*size = rest + 1;
	return true;
}

/*
 * 0, of which the verifier knows nothing: what it is added to is any number, so that the ways through a turn
 * come together again before the next one. Else there are 2^n of them.
 */
static __always_inline __u32 fw_unknown_zero(__u32 any)
{
	__u32 same = any;

	asm volatile("" : "+r"(same));
	return same - any;
}

#endif
