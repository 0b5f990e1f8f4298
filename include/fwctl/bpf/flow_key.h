/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From a packet to the key of its flow, and from an ICMP error to that of the flow that it speaks of.
 */
#ifndef FWCTL_BPF_FLOW_KEY_H
#define FWCTL_BPF_FLOW_KEY_H

#include <linux/in.h>
#include <linux/in6.h>
#include <bpf/bpf_endian.h>

#include "fwctl/abi/flow.h"
#include "fwctl/abi/packet.h"
#include "fwctl/abi/service.h"
#include "fwctl/bpf/parse_ipv4.h"
#include "fwctl/bpf/parse_ipv6.h"

/* What a message of ICMP or ICMPv6 is to flows. */
enum fw_icmp_role {
	FW_ICMP_OTHER = 0,    /* nothing: invalid */
	FW_ICMP_QUESTION = 1, /* opens a flow */
	FW_ICMP_ANSWER = 2,
	FW_ICMP_ERROR = 3,   /* speaks of another flow */
	FW_ICMP_SEGMENT = 4, /* neighbour discovery and multicast listeners: not followed */
};

enum { FW_ICMP_ECHO = 8, FW_ICMP6_ECHO = 128, FW_ICMP6_ECHO_REPLY = 129 };

struct fw_icmp_message {
	__u8 role;
	__u8 question; /* the type of it, for a question and its answer */
};

/* RFC 792, RFC 950. */
static __always_inline struct fw_icmp_message fw_icmp4_message(__u8 type)
{
	switch (type) {
	case 3: /* unreachable, source quench, redirect, time exceeded, parameter problem */
	case 4:
	case 5:
	case 11:
	case 12:
		return (struct fw_icmp_message){.role = FW_ICMP_ERROR};
	case 8: /* echo, timestamp, information, address mask */
	case 13:
	case 15:
	case 17:
		return (struct fw_icmp_message){.role = FW_ICMP_QUESTION, .question = type};
	case 0:
		return (struct fw_icmp_message){.role = FW_ICMP_ANSWER, .question = 8};
	case 14:
	case 16:
	case 18:
		return (struct fw_icmp_message){.role = FW_ICMP_ANSWER, .question = type - 1};
	default:
		return (struct fw_icmp_message){.role = FW_ICMP_OTHER};
	}
}

/* RFC 4443, RFC 4861, RFC 2710, RFC 3810, RFC 4620. */
static __always_inline struct fw_icmp_message fw_icmp6_message(__u8 type)
{
	if (type < 128)
		return (struct fw_icmp_message){.role = FW_ICMP_ERROR};
	if (type == 128 || type == 139)
		return (struct fw_icmp_message){.role = FW_ICMP_QUESTION, .question = type};
	if (type == 129 || type == 140)
		return (struct fw_icmp_message){.role = FW_ICMP_ANSWER, .question = type - 1};
	if ((type >= 130 && type <= 136) || type == 143)
		return (struct fw_icmp_message){.role = FW_ICMP_SEGMENT};
	return (struct fw_icmp_message){.role = FW_ICMP_OTHER};
}

static __always_inline struct fw_icmp_message fw_icmp_message_of(__u8 family, __u8 type)
{
	return family == FW_FAMILY_IPV4 ? fw_icmp4_message(type) : fw_icmp6_message(type);
}

static __always_inline bool fw_is_icmp(__u8 family, __u8 protocol)
{
	return protocol == (family == FW_FAMILY_IPV4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

static __always_inline void fw_put_end(__u64 to[2], const struct fw_address *address)
{
	const __u64 *words = (const void *)address;

	to[0] = words[0];
	to[1] = words[1];
}

static __always_inline bool fw_is_above(const struct fw_address *one, const struct fw_address *other)
{
	const __u64 *a = (const void *)one, *b = (const void *)other;

	if (a[0] != b[0])
		return bpf_be64_to_cpu(a[0]) > bpf_be64_to_cpu(b[0]);
	return bpf_be64_to_cpu(a[1]) > bpf_be64_to_cpu(b[1]);
}

static __always_inline bool fw_is_same_address(const struct fw_address *one, const struct fw_address *other)
{
	const __u64 *a = (const void *)one, *b = (const void *)other;

	return a[0] == b[0] && a[1] == b[1];
}

/* Two ends in the order of the key; answers which of them has sent the packet. */
static __always_inline __u32 fw_put_ends(struct fw_flow_key *key, const struct fw_address *source,
					 const struct fw_address *destination, bool source_is_second)
{
	fw_put_end(key->ends[source_is_second], source);
	fw_put_end(key->ends[!source_is_second], destination);
	return source_is_second;
}

/* TCP, UDP, SCTP, and, with both ports 0, what has none. */
static __always_inline __u32 fw_key_of_ports(struct fw_flow_key *key, const struct fw_address *source,
					     const struct fw_address *destination, __u16 source_port,
					     __u16 destination_port, __u32 protocol_and_family)
{
	bool second = fw_is_same_address(source, destination) ? source_port > destination_port
							      : fw_is_above(source, destination);

	key->rest =
		fw_flow_rest(second ? destination_port : source_port, second ? source_port : destination_port,
			     protocol_and_family & 0xff, protocol_and_family >> 8);
	return fw_put_ends(key, source, destination, second);
}

/* The end that asks stands first. */
static __always_inline __u32 fw_key_of_query(struct fw_flow_key *key, const struct fw_address *source,
					     const struct fw_address *destination,
					     struct fw_icmp_message message, __u16 identifier,
					     __u32 protocol_and_family)
{
	key->rest = fw_flow_rest(identifier, message.question, protocol_and_family & 0xff,
				 protocol_and_family >> 8);
	return fw_put_ends(key, source, destination, message.role == FW_ICMP_ANSWER);
}

static __always_inline __u16 fw_icmp_identifier(fw_ctx *ctx, __u32 icmp)
{
	__be16 room;
	const __be16 *identifier = fw_ctx_at(ctx, icmp + 4, &room, sizeof(room));

	return identifier ? bpf_ntohs(*identifier) : 0;
}

enum {
	FW_QUOTED_EXTENSIONS = 4, /* that are walked in a packet that an ICMP error quotes */
};

static __always_inline bool fw_read_quote4(fw_ctx *ctx, __u32 offset, struct fw_quote *quote)
{
	struct iphdr room;
	const struct iphdr *ip = fw_ctx_at(ctx, offset, &room, sizeof(room));

	if (!ip || ip->version != 4 || ip->ihl < 5 || bpf_ntohs(ip->frag_off) & FW_IPV4_FRAGMENT_OFFSET)
		return false;
	__builtin_memcpy(quote->source.bytes, &ip->saddr, sizeof(ip->saddr));
	__builtin_memcpy(quote->destination.bytes, &ip->daddr, sizeof(ip->daddr));
	quote->protocol = ip->protocol;
	quote->l4_offset = offset + ip->ihl * 4;
	return true;
}

static __always_inline bool fw_read_quote6(fw_ctx *ctx, __u32 offset, struct fw_quote *quote)
{
	struct ipv6hdr room;
	const struct ipv6hdr *ip = fw_ctx_at(ctx, offset, &room, sizeof(room));

	if (!ip || ip->version != 6)
		return false;
	__builtin_memcpy(&quote->source, &ip->saddr, sizeof(ip->saddr));
	__builtin_memcpy(&quote->destination, &ip->daddr, sizeof(ip->daddr));
	quote->protocol = ip->nexthdr;
	offset += sizeof(*ip);
#pragma unroll
	for (__u32 walked = 0; walked < FW_QUOTED_EXTENSIONS; walked++) {
		struct fw_extension room_for_extension;
		const struct fw_extension *extension;

		if (!fw_is_extension(quote->protocol))
			break;
		extension = fw_ctx_at(ctx, offset, &room_for_extension, sizeof(room_for_extension));
		if (!extension ||
		    (quote->protocol == IPPROTO_FRAGMENT && bpf_ntohs(extension->fragment) >> 3))
			return false;
		offset += fw_extension_size(quote->protocol, extension->length);
		quote->protocol = extension->next;
	}
	quote->l4_offset = offset;
	return !fw_is_extension(quote->protocol);
}

/* False: the ICMP error quotes no packet, or goes elsewhere than to the end that has sent what it quotes. */
static __always_inline bool fw_read_quote(fw_ctx *ctx, const struct fw_packet *packet, struct fw_quote *quote)
{
	__u32 offset = packet->l4_offset + FW_ICMP_HEADER;
	struct fw_l4_head room;
	const struct fw_l4_head *head;

	*quote = (struct fw_quote){};
	if (!(packet->family == FW_FAMILY_IPV4 ? fw_read_quote4(ctx, offset, quote)
					       : fw_read_quote6(ctx, offset, quote)))
		return false;
	if (!fw_is_same_address(&quote->source, &packet->destination))
		return false;
	head = fw_ctx_at(ctx, quote->l4_offset, &room, sizeof(room));
	if (!head)
		return false;
	quote->source_or_type = head->source_or_type;
	quote->destination_port = head->destination;
	return true;
}

/*
 * The key of the flow that an ICMP error speaks of. False: it quotes none, or goes elsewhere than to the end
 * that has sent what it quotes.
 */
__noinline int fw_key_of_error(fw_ctx *ctx, const struct fw_packet *packet, struct fw_flow_key *key)
{
	__u32 family;
	struct fw_quote quote;
	__u16 first = 0, second = 0;

	if (!packet || !key)
		return false;
	family = packet->family << 8;
	if (!fw_read_quote(ctx, packet, &quote))
		return false;
	if (fw_is_icmp(packet->family, quote.protocol)) {
		__u8 type = bpf_ntohs(quote.source_or_type) >> 8;
		struct fw_icmp_message message = fw_icmp_message_of(packet->family, type);

		if (message.role != FW_ICMP_QUESTION && message.role != FW_ICMP_ANSWER)
			return false;
		fw_key_of_query(key, &quote.source, &quote.destination, message,
				fw_icmp_identifier(ctx, quote.l4_offset), quote.protocol | family);
		return true;
	}
	if (quote.protocol == IPPROTO_TCP || quote.protocol == IPPROTO_UDP ||
	    quote.protocol == IPPROTO_SCTP) {
		first = bpf_ntohs(quote.source_or_type);
		second = bpf_ntohs(quote.destination_port);
	}
	fw_key_of_ports(key, &quote.source, &quote.destination, first, second, quote.protocol | family);
	return true;
}

#endif
