/* SPDX-License-Identifier: GPL-2.0-only */
/* How an answer lies in struct fw_answering: for those who make it, and those who send it. */
#ifndef FWCTL_BPF_ANSWER_LAYOUT_H
#define FWCTL_BPF_ANSWER_LAYOUT_H

#include <linux/ip.h>
#include <linux/ipv6.h>

#include "fwctl/abi/packet.h"
#include "fwctl/abi/state.h"

enum {
	FW_ANSWER_TTL = 64,
	FW_ICMP_ECHO_REPLY = 0,
	FW_ANSWER_TOS = 0xc0, /* precedence 6 (RFC 1812, 4.3.2.5) */
	FW_RESET_SIZE = 20,
	FW_ICMP_QUOTE = FW_ANSWER_TRANSPORT + 8, /* in fw_answering.bytes: what is quoted of the packet */
	FW_MAX_QUOTE_IPV4 = 576 - 20 - 8,
	FW_MAX_QUOTE_IPV6 = 1280 - 40 - 8,
	FW_MAX_LINK_HEADER = 22, /* Ethernet and two tags */
	FW_ANSWER_WORDS = FW_ANSWER_SIZE / 4,
	FW_TCP_CHECKSUM = 16, /* bytes from the start of the header */
	FW_UDP_CHECKSUM = 6,
	FW_ICMP_CHECKSUM = 2,
	FW_CANNOT_ANSWER = 0xffff,
};

/* Where the IP header of the answer begins. */
static __always_inline __u32 fw_answer_network(const struct fw_answering *answer)
{
	return FW_ANSWER_TRANSPORT -
	       (answer->family == FW_FAMILY_IPV4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr));
}

static __always_inline __u32 *fw_answer_word(struct fw_answering *answer, __u32 at)
{
	asm volatile("" : "+r"(at));
	at &= FW_ANSWER_SIZE - 4;
	return (__u32 *)&answer->bytes[at];
}

static __always_inline __u16 *fw_answer_half(struct fw_answering *answer, __u32 at)
{
	asm volatile("" : "+r"(at));
	at &= FW_ANSWER_SIZE - 2;
	return (__u16 *)&answer->bytes[at];
}

/* Bytes of the frame. */
static __always_inline __u32 fw_answer_length(const struct fw_answering *answer)
{
	return answer->link + FW_ANSWER_TRANSPORT - fw_answer_network(answer) + answer->body;
}

#endif
