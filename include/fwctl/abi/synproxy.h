/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What action `synproxy` works on while it has a packet; what it knows of a connection is struct
 * fw_flow_proxy.
 *
 * A SYN is answered with a cookie (D. J. Bernstein, E. Schenk, "SYN cookies", 1996; the kernel's own, made by
 * its helpers), and nothing is kept. What the SYN offered comes back in the client's ACK: in the timestamp
 * that it echoes, where it has one, and else the segment size alone, in the cookie.
 */
#ifndef FWCTL_ABI_SYNPROXY_H
#define FWCTL_ABI_SYNPROXY_H

#include <linux/types.h>

#include "fwctl/abi/assert.h"

/* The timestamp that stands in the answer to a SYN, from the lowest bit on. */
enum {
	FW_PROXY_TIME_SCALE = 0xf, /* of the client's windows; 15: it does not scale */
	FW_PROXY_TIME_SACK = 1 << 4,
	FW_PROXY_TIME_MSS_SHIFT = 16,
};

/* The options of a TCP header. */
struct fw_tcp_options {
	__u32 time; /* its own timestamp, and the one that it echoes */
	__u32 echo;
	__u16 mss;    /* 0: none */
	__u8 scale;   /* with FW_OPTION_SCALE */
	__u8 flags;   /* enum fw_option_flags */
	__u8 time_at; /* octets from the start of the header to `time`; 0: there is none */
	__u8 sack_at; /* to the first block, 0: there is none; and behind the last */
	__u8 sack_end;
	__u8 unused;
};
FW_ASSERT_SIZE(struct fw_tcp_options, 16);
enum fw_option_flags {
	FW_OPTION_SCALE = 1 << 0,
	FW_OPTION_SACK = 1 << 1, /* permitted */
};

enum {
	FW_MAX_TCP_HEADER = 60,
	FW_TCP_HEADER_ROOM = 80, /* what a mask of six bits lets an option reach stays within */
};

/* Room by processor. */
struct fw_proxy_room {
	__u8 before[FW_TCP_HEADER_ROOM]; /* a TCP header as it is, zeros behind it, and as it is to be */
	__u8 after[FW_TCP_HEADER_ROOM];
	struct fw_tcp_options options;
	__u32 network[10]; /* an IP header with addresses alone, for a cookie; addresses to exchange */
	__u32 segment[6];  /* a TCP header with the option of the segment size, for a cookie */
	__u32 header;	   /* octets of the header in `before` */
	__u32 cookie;
	__u32 sequence; /* of the client's SYN */
	__u32 unused;
};

#endif
