/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * SYN cookies, by the kernel's helpers.
 *
 * Promises: only who got a cookie in the last two minutes can send it back. Where the kernel has no helpers,
 * none is made and none is taken.
 */
#ifndef FWCTL_BPF_COOKIE_H
#define FWCTL_BPF_COOKIE_H

#include <linux/tcp.h>

#include "fwctl/bpf/tcp_header.h"

enum {
	FW_COOKIE_HEADER = 24,	  /* octets of the TCP header: one option */
	FW_COOKIE_MSS = 0xffffff, /* bits of a cookie whose sum has the index of the segment size */
	FW_COOKIE_SIZES = 4,
	FW_MIN_MSS = 48, /* as Linux */
};

/* The headers that a cookie is made of. */
static __always_inline void fw_put_cookie_headers(const struct fw_packet *packet, struct fw_proxy_room *room,
						  __u32 sequence, __u32 acknowledgment)
{
	const struct fw_tcp_head *tcp = (const void *)room->before;

	__builtin_memset(room->network, 0, sizeof(room->network));
	if (packet->family == FW_FAMILY_IPV4) {
		__builtin_memcpy(&room->network[3], packet->source.bytes, 4);
		__builtin_memcpy(&room->network[4], packet->destination.bytes, 4);
	} else {
		__builtin_memcpy(&room->network[2], packet->source.bytes, 16);
		__builtin_memcpy(&room->network[6], packet->destination.bytes, 16);
	}
	room->segment[0] = bpf_htonl((__u32)bpf_ntohs(tcp->source) << 16 | bpf_ntohs(tcp->destination));
	room->segment[1] = bpf_htonl(sequence);
	room->segment[2] = bpf_htonl(acknowledgment);
	room->segment[3] =
		bpf_htonl(FW_COOKIE_HEADER / 4 << 28 | (acknowledgment ? FW_TCP_ACK : FW_TCP_SYN) << 16);
	room->segment[4] = 0;
}

/* For a SYN of that number and segment size: the cookie in the lower half; negative: there is none. */
__noinline __s64 fw_make_cookie(const struct fw_packet *packet, struct fw_proxy_room *room, __u32 sequence,
				__u32 mss)
{
	if (!packet || !room || !fw_makes_cookies)
		return -1;
	fw_put_cookie_headers(packet, room, sequence, 0);
	room->segment[5] = bpf_htonl(FW_TCP_OPTION_MSS << 24 | FW_TCP_OPTION_MSS_SIZE << 16 | (mss & 0xffff));
	if (packet->family == FW_FAMILY_IPV4)
		return bpf_tcp_raw_gen_syncookie_ipv4((void *)room->network, (void *)room->segment,
						      FW_COOKIE_HEADER);
	return bpf_tcp_raw_gen_syncookie_ipv6((void *)room->network, (void *)room->segment, FW_COOKIE_HEADER);
}

/* Whether an ACK of these numbers brings a cookie that was made for this client. */
__noinline int fw_is_cookie(const struct fw_packet *packet, struct fw_proxy_room *room, __u32 sequence,
			    __u32 acknowledgment)
{
	if (!packet || !room || !fw_makes_cookies || !acknowledgment)
		return false;
	fw_put_cookie_headers(packet, room, sequence, acknowledgment);
	room->segment[5] = 0;
	if (packet->family == FW_FAMILY_IPV4)
		return bpf_tcp_raw_check_syncookie_ipv4((void *)room->network, (void *)room->segment) == 0;
	return bpf_tcp_raw_check_syncookie_ipv6((void *)room->network, (void *)room->segment) == 0;
}

/* The sizes that a cookie knows (net/ipv4/syncookies.c, net/ipv6/syncookies.c). */
static __always_inline __u16 fw_cookie_size(__u8 family, __u32 index)
{
	const __u16 ipv4[FW_COOKIE_SIZES] = {536, 1300, 1440, 1460};
	const __u16 ipv6[FW_COOKIE_SIZES] = {1220, 1420, 1440, 8940};
	__u16 size = family == FW_FAMILY_IPV4 ? ipv4[0] : ipv6[0];

#pragma unroll
	for (__u32 i = 1; i < FW_COOKIE_SIZES; i++)
		if (index == i)
			size = family == FW_FAMILY_IPV4 ? ipv4[i] : ipv6[i];
	return size;
}

/*
 * The segment size of a valid cookie. Its index was added to what the cookie of the smallest size has; a
 * cookie that was made in the minute before has another sum, and then the smallest has to do.
 */
static __always_inline __u16 fw_mss_of_cookie(const struct fw_packet *packet, struct fw_proxy_room *room)
{
	__s64 smallest = fw_make_cookie(packet, room, room->sequence, 1);
	__u32 index = 0;

	if (smallest >= 0)
		index = (room->cookie - (__u32)smallest) & FW_COOKIE_MSS;
	return fw_cookie_size(packet->family, index < FW_COOKIE_SIZES ? index : 0);
}

/*
 * A cookie is the sum of the SYN's number and the index of its segment size, among others: an ACK whose
 * number is one less fits as well, with a larger size. The timestamp says which size it was. (Without one,
 * and where the minute has changed, it is taken for what it most likely is.)
 */
static __always_inline bool fw_is_one_before(const struct fw_packet *packet, struct fw_proxy_room *room)
{
	__s64 expected;

	if (!room->options.time_at)
		return false;
	expected =
		fw_make_cookie(packet, room, room->sequence, room->options.echo >> FW_PROXY_TIME_MSS_SHIFT);
	return expected >= 0 && room->cookie - (__u32)expected == 1;
}

/* Whether an ACK brings a cookie; its numbers are noted. */
static __always_inline bool fw_take_cookie(const struct fw_packet *packet, struct fw_proxy_room *room)
{
	const struct fw_tcp_head *tcp = (const void *)room->before;
	__u32 sequence = bpf_ntohl(tcp->sequence), acknowledgment = bpf_ntohl(tcp->acknowledgment);

	room->cookie = acknowledgment - 1;
	room->sequence = sequence - 1;
	if (fw_is_cookie(packet, room, sequence, acknowledgment) && !fw_is_one_before(packet, room))
		return true;
	/* Who has no window asks for one with the number before (RFC 9293, 3.8.6.1, as Linux does it). */
	room->sequence = sequence;
	return fw_is_cookie(packet, room, sequence + 1, acknowledgment);
}

#endif
