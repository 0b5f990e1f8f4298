/* SPDX-License-Identifier: GPL-2.0-only */
/* Reading the frame in a way that the verifier follows and the compiler does not spoil. */
#ifndef FWCTL_BPF_READ_H
#define FWCTL_BPF_READ_H

#include <linux/types.h>
#include <stdbool.h>

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

#endif
