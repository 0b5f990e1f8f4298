/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Making the answer to a rejected packet, in struct fw_answering: a TCP reset (RFC 9293, 3.10.7.1) or ICMP
 * destination unreachable (RFC 792, RFC 1812 4.3.2, RFC 4443 3.1).
 *
 * Promises: the answer goes to where the packet came from, with its VLAN tags, from the address that it was
 * sent to; all checksums are computed in full. Include ctx_xdp.h or ctx_skb.h before it.
 */
#ifndef FWCTL_BPF_ANSWER_H
#define FWCTL_BPF_ANSWER_H

#include <linux/in.h>
#include <stddef.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>

#include "fwctl/bpf/answer_layout.h"
#include "fwctl/bpf/maps.h"
#include "fwctl/bpf/parse_l4.h"

static __always_inline __u16 fw_fold(__u64 sum)
{
#pragma unroll
	for (int i = 0; i < 4; i++)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* The Internet checksum's sum (RFC 1071) from one place to another; up to the next word there are zeros. */
__noinline __u32 fw_answer_sum(struct fw_answering *answer, __u32 from, __u32 end)
{
	__u64 sum = 0;

	if (!answer)
		return 0;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < FW_ANSWER_WORDS; i++) {
		if (from >= end)
			break;
		sum += *fw_answer_word(answer, from);
		from += 4;
		/* As in fw_conditions_hold(). */
		asm volatile("" : "+r"(from));
	}
	return fw_fold(sum);
}

/* Of the addresses, the length and the protocol; it does not matter which address is which. */
static __always_inline __u32 fw_pseudo_sum(const struct fw_packet *packet, const struct fw_answering *answer)
{
	const __u32 *source = (const void *)packet->source.bytes;
	const __u32 *destination = (const void *)packet->destination.bytes;
	__u64 sum = (__u64)bpf_htonl(answer->body) + bpf_htonl(answer->protocol);

#pragma unroll
	for (int i = 0; i < 4; i++)
		sum += (__u64)source[i] + destination[i];
	return fw_fold(sum);
}

/*
 * A checksum that the device will fill in when the frame leaves. In a reset it stands where the rejected
 * packet's stood: the sum of the pseudo header is put there. In a quote it would spoil the checksum of ICMP;
 * so the quote gets the one value that filling in does not change: x with x = -(rest + x) in one's complement
 * arithmetic, which is modulo 65,535, where 32,768 is the half.
 */
static __always_inline void fw_finish_left_checksum(struct fw_answering *answer, __u32 header, __u32 end)
{
	__u16 *left = fw_answer_half(answer, answer->left);
	__u32 rest;

	*left = 0;
	rest = fw_answer_sum(answer, header, end) % 0xffff;
	*fw_answer_half(answer, answer->left) = (0xffff - rest) * 32768 % 0xffff ?: 0xffff;
}

/* `header`: in `bytes`, where the device would begin to sum. */
__noinline int fw_finish_answer(const struct fw_packet *packet, struct fw_answering *answer, __u32 header)
{
	__u32 end, sum = 0;

	if (!packet || !answer)
		return 0;
	end = FW_ANSWER_TRANSPORT + answer->body;
	if (answer->protocol != IPPROTO_ICMP)
		sum = fw_pseudo_sum(packet, answer);
	if (answer->protocol == IPPROTO_TCP) {
		if (!answer->left)
			sum = (__u16)~fw_fold(sum + fw_answer_sum(answer, FW_ANSWER_TRANSPORT, end));
		*fw_answer_half(answer, FW_ANSWER_TRANSPORT + FW_TCP_CHECKSUM) = sum;
		return 0;
	}
	if (answer->left)
		fw_finish_left_checksum(answer, header, end);
	sum += fw_answer_sum(answer, FW_ANSWER_TRANSPORT, end);
	*fw_answer_half(answer, FW_ANSWER_TRANSPORT + FW_ICMP_CHECKSUM) = ~fw_fold(sum);
	return 0;
}

/* `back`: to where the packet came from; else on to where it goes. */
static __always_inline void fw_answer_ipv4(const struct fw_packet *packet, struct fw_answering *answer,
					   bool back, __u8 ttl)
{
	__u32 *words = fw_answer_word(answer, FW_ANSWER_TRANSPORT - sizeof(struct iphdr));
	__u32 tos = 0;
	__u64 sum = 0;

	/* That of an echo is the request's (RFC 1349, 5.1). */
	if (answer->protocol == IPPROTO_ICMP)
		tos = answer->bytes[FW_ANSWER_TRANSPORT] == FW_ICMP_ECHO_REPLY ? packet->traffic_class & 0xfc
									       : FW_ANSWER_TOS;
	words[0] = bpf_htonl(0x45000000 | tos << 16 | (sizeof(struct iphdr) + answer->body));
	words[1] = bpf_htonl(0x4000); /* don't fragment */
	words[2] = bpf_htonl(ttl << 24 | answer->protocol << 16);
	__builtin_memcpy(&words[back ? 3 : 4], packet->destination.bytes, 4);
	__builtin_memcpy(&words[back ? 4 : 3], packet->source.bytes, 4);
#pragma unroll
	for (int i = 0; i < 5; i++)
		sum += words[i];
	*fw_answer_half(answer, FW_ANSWER_TRANSPORT - 10) = ~fw_fold(sum);
}

static __always_inline void fw_answer_ipv6(const struct fw_packet *packet, struct fw_answering *answer,
					   bool back, __u8 ttl)
{
	__u32 *words = fw_answer_word(answer, FW_ANSWER_TRANSPORT - sizeof(struct ipv6hdr));

	words[0] = bpf_htonl(0x60000000);
	words[1] = bpf_htonl(answer->body << 16 | answer->protocol << 8 | ttl);
	__builtin_memcpy(&words[back ? 2 : 6], packet->destination.bytes, 16);
	__builtin_memcpy(&words[back ? 6 : 2], packet->source.bytes, 16);
}

/* The link header of the packet, with its addresses exchanged. */
static __always_inline bool fw_answer_link(fw_ctx *ctx, const struct fw_packet *packet,
					   struct fw_answering *answer)
{
	__u32 link = packet->l3_offset, at = fw_answer_network(answer) - link;
	__u8 addresses[12];

	answer->link = link;
	if (fw_link == FW_LINK_IP)
		return true;
	if (!fw_size_fits(&link, FW_MAX_LINK_HEADER))
		return false;
	asm volatile("" : "+r"(at));
	at &= FW_ANSWER_TRANSPORT - 1;
	if (!fw_ctx_read(ctx, 0, &answer->bytes[at], link))
		return false;
	__builtin_memcpy(addresses, &answer->bytes[at], sizeof(addresses));
	__builtin_memcpy(&answer->bytes[at], addresses + 6, 6);
	__builtin_memcpy(&answer->bytes[at + 6], addresses, 6);
	return true;
}

/* Where the IP packet ends in the frame; the parser has found that it lies within. */
static __always_inline __u32 fw_ip_end(fw_ctx *ctx, const struct fw_packet *packet)
{
	bool is_ipv4 = packet->family == FW_FAMILY_IPV4;
	__u32 field = is_ipv4 ? offsetof(struct iphdr, tot_len) : offsetof(struct ipv6hdr, payload_len);
	__u32 start = packet->l3_offset + (is_ipv4 ? 0 : sizeof(struct ipv6hdr));
	__be16 room;
	const __be16 *length = fw_ctx_at(ctx, packet->l3_offset + field, &room, sizeof(room));

	return length && *length ? start + bpf_ntohs(*length) : packet->length;
}

/* What of a TCP header answers are made from. */
struct fw_tcp_head {
	__be16 source;
	__be16 destination;
	__be32 sequence;
	__be32 acknowledgment;
	__u8 offset;
	__u8 flags;
	__be16 window;
};

/*
 * The header of a reset. What the segment acknowledges is the number that its sender expects next; without an
 * acknowledgment the reset acknowledges the segment, whose length counts SYN and FIN.
 */
__noinline int fw_make_reset(fw_ctx *ctx, const struct fw_packet *packet, struct fw_answering *answer)
{
	const struct fw_tcp_head *tcp;
	struct fw_tcp_head room;
	__u32 *words, header, length;

	if (!packet || !answer)
		return false;
	tcp = fw_ctx_at(ctx, packet->l4_offset, &room, sizeof(room));
	if (!tcp || tcp->flags & FW_TCP_RST)
		return false;
	header = (tcp->offset >> 4) * 4;
	length = fw_ip_end(ctx, packet) - packet->l4_offset - header + (tcp->flags & 1) +
		 (tcp->flags >> 1 & 1);
	words = fw_answer_word(answer, FW_ANSWER_TRANSPORT);
	words[0] = bpf_htonl((__u32)bpf_ntohs(tcp->destination) << 16 | bpf_ntohs(tcp->source));
	if (tcp->flags & 0x10) {
		words[1] = tcp->acknowledgment;
		words[2] = 0;
		words[3] = bpf_htonl(5u << 28 | FW_TCP_RST << 16);
	} else {
		words[1] = 0;
		words[2] = bpf_htonl(bpf_ntohl(tcp->sequence) + length);
		words[3] = bpf_htonl(5u << 28 | (FW_TCP_ACK | FW_TCP_RST) << 16);
	}
	words[4] = 0;
	answer->protocol = IPPROTO_TCP;
	answer->family = packet->family;
	answer->body = FW_RESET_SIZE;
	return true;
}

/* An ICMP message with as much of the packet as fits. `type_and_code` as in fw_packet.selector. */
__noinline int fw_make_unreachable(fw_ctx *ctx, const struct fw_packet *packet, struct fw_answering *answer,
				   __u32 type_and_code)
{
	__u32 size, limit = FW_MAX_QUOTE_IPV6, *words;

	if (!packet || !answer)
		return false;
	if (packet->family == FW_FAMILY_IPV4)
		limit = FW_MAX_QUOTE_IPV4;
	size = fw_ip_end(ctx, packet) - packet->l3_offset;
	if (size > limit)
		size = limit;
	words = fw_answer_word(answer, FW_ANSWER_TRANSPORT);
	words[0] = bpf_htonl(type_and_code << 16);
	words[1] = 0;
	*fw_answer_word(answer, FW_ICMP_QUOTE + size) = 0;
	if (!fw_size_fits(&size, FW_MAX_QUOTE_IPV6) ||
	    !fw_ctx_read(ctx, packet->l3_offset, &answer->bytes[FW_ICMP_QUOTE], size))
		return false;
	answer->protocol = packet->family == FW_FAMILY_IPV4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	answer->family = packet->family;
	answer->body = FW_ICMP_HEADER + size;
	return true;
}

#endif
