/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Connections that action synproxy has opened: from the client's numbers to the server's and back.
 *
 * Promises: sequence numbers, selective acknowledgments, timestamps and windows are what each end has agreed
 * on with us; nothing else of a segment changes. Only where the client was answered, and only in TC: XDP does
 * not see whether a checksum is left to the device. Include ctx_xdp.h or ctx_skb.h before it.
 */
#ifndef FWCTL_BPF_TRANSLATE_H
#define FWCTL_BPF_TRANSLATE_H

#include "fwctl/bpf/proxied.h"
#include "fwctl/bpf/tcp_header.h"

/* From the server's scale to the one that the client was told. */
static __always_inline __u32 fw_window_for_client(const struct fw_flow_proxy *proxy, __u32 window,
						  __u32 scale)
{
	if (!(proxy->flags & FW_PROXY_SCALED))
		return window;
	window = window << (scale & 15) >> FW_PROXY_SCALE;
	return window < 0xffff ? window : 0xffff;
}

/* A server that does not scale takes windows as they stand there. */
static __always_inline __u32 fw_window_for_server(const struct fw_flow_proxy *proxy, __u32 window)
{
	if (!(proxy->flags & FW_PROXY_SCALED) || proxy->flags & FW_PROXY_SERVER_SCALED)
		return window;
	window <<= proxy->client_scale & 15;
	return window < 0xffff ? window : 0xffff;
}

static __always_inline void fw_number_for_server(struct fw_proxy_room *room,
						 const struct fw_flow_proxy *proxy)
{
	struct fw_tcp_head *tcp = (void *)room->after;
	const struct fw_tcp_options *options = &room->options;

	tcp->window = bpf_htons(fw_window_for_server(proxy, bpf_ntohs(tcp->window)));
	if (!(tcp->flags & FW_TCP_ACK))
		return;
	tcp->acknowledgment = bpf_htonl(bpf_ntohl(tcp->acknowledgment) - proxy->sequence);
	if (options->time_at && proxy->flags & FW_PROXY_STAMPED)
		fw_put_word(room->after, options->time_at + 4, options->echo - proxy->time);
	if (!options->sack_at)
		return;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < FW_TCP_SACK_NUMBERS; i++) {
		__u32 at = options->sack_at + 4 * i;

		if (at + 4 > options->sack_end)
			break;
		fw_put_word(room->after, at, fw_get_word(room->before, at) - proxy->sequence);
	}
}

static __always_inline void fw_number_for_client(struct fw_proxy_room *room,
						 const struct fw_flow_proxy *proxy)
{
	struct fw_tcp_head *tcp = (void *)room->after;
	const struct fw_tcp_options *options = &room->options;

	tcp->sequence = bpf_htonl(bpf_ntohl(tcp->sequence) + proxy->sequence);
	tcp->window = bpf_htons(fw_window_for_client(proxy, bpf_ntohs(tcp->window), proxy->server_scale));
	if (options->time_at && proxy->flags & FW_PROXY_STAMPED)
		fw_put_word(room->after, options->time_at, options->time + proxy->time);
}

/* An ACK of the same length: of the options the timestamps stay, the rest says nothing. */
static __always_inline void fw_make_ack(struct fw_proxy_room *room, __u32 time, __u32 echo)
{
	struct fw_tcp_head *tcp = (void *)room->after;
	__u32 *words = (void *)&room->after[FW_TCP_HEADER];
	const __u32 nothing = FW_TCP_OPTION_NOTHING * 0x01010101;

	tcp->flags = FW_TCP_ACK;
	/* Behind the header there is nothing that may count in the checksum. */
#pragma unroll
	for (__u32 i = 0; i < FW_TCP_MAX_OPTIONS / 4; i++)
		words[i] = FW_TCP_HEADER + 4 * i < room->header ? nothing : 0;
	if (room->options.time_at) {
		*fw_octet(room->after, room->options.time_at - 2) = FW_TCP_OPTION_TIME;
		*fw_octet(room->after, room->options.time_at - 1) = FW_TCP_OPTION_TIME_SIZE;
		fw_put_word(room->after, room->options.time_at, time);
		fw_put_word(room->after, room->options.time_at + 4, echo);
	}
}

/* What the client would answer to the SYN-ACK that the server sends now. */
static __always_inline void fw_make_clients_ack(struct fw_proxy_room *room, const struct fw_flow_proxy *proxy)
{
	struct fw_tcp_head *tcp = (void *)room->after;
	const struct fw_tcp_head *from = (const void *)room->before;

	fw_make_ack(room, room->options.echo, room->options.time + proxy->time);
	tcp->source = from->destination;
	tcp->destination = from->source;
	tcp->sequence = from->acknowledgment;
	tcp->acknowledgment = bpf_htonl(bpf_ntohl(from->sequence) + proxy->sequence + 1);
	tcp->window = bpf_htons(proxy->window);
}

/* What the SYN-ACK is to the client, which has had one: the server's window. */
static __always_inline void fw_make_window_update(struct fw_proxy_room *room,
						  const struct fw_flow_proxy *proxy, __u32 window)
{
	struct fw_tcp_head *tcp = (void *)room->after;
	const struct fw_tcp_head *clients = (const void *)room->before;

	fw_make_ack(room, room->options.time + proxy->time, room->options.echo);
	tcp->source = clients->destination;
	tcp->destination = clients->source;
	tcp->sequence = clients->acknowledgment;
	tcp->acknowledgment = clients->sequence;
	tcp->window = bpf_htons(fw_window_for_client(proxy, window, 0));
}

/*
 * The SYN-ACK of the server. The client's ACK is sent in its name, to come in by where its packets do and to
 * be translated there; the SYN-ACK itself becomes the window update that the client waits for. A global
 * function, as in fw_parse().
 */
__noinline int fw_finish_opening(fw_ctx *ctx, const struct fw_packet *packet, struct fw_proxy_room *room)
{
	__u32 zero = 0, window;
	struct fw_flow_room *flows = bpf_map_lookup_elem(&flow_room, &zero);

	if (!packet || !room || !flows)
		return -FW_REASON_SYNPROXY_FAILED;
	window = bpf_ntohs(((const struct fw_tcp_head *)room->before)->window);
	fw_make_clients_ack(room, &flows->proxy);
	if (!fw_write_header(ctx, packet, room) || !fw_ctx_swap_ends(ctx, packet, room) ||
	    !(fw_silent || fw_ctx_send_copy_up(ctx)) || !fw_ctx_swap_ends(ctx, packet, room))
		return -FW_REASON_SYNPROXY_FAILED;
	fw_make_window_update(room, &flows->proxy, window);
	return fw_write_header(ctx, packet, room) ? FW_TO_KERNEL : -FW_REASON_SYNPROXY_FAILED;
}

/*
 * An ICMP error that comes from the client's side and speaks of what the server has sent, so that path MTU
 * discovery works: the server looks at the number in what is quoted. In IPv6 it is left as it is behind
 * extension headers.
 */
__noinline int fw_translate_error(fw_ctx *ctx, const struct fw_packet *packet, struct fw_proxy_room *room)
{
	__u32 zero = 0, quote, header = sizeof(struct ipv6hdr), number;
	struct fw_flow_room *flows = bpf_map_lookup_elem(&flow_room, &zero);

	if (!packet || !room || !flows)
		return -FW_REASON_SYNPROXY_FAILED;
	quote = packet->l4_offset + FW_ICMP_HEADER;
	if (!fw_ctx_read(ctx, quote, room->before, 8))
		return FW_TO_KERNEL;
	if (packet->family == FW_FAMILY_IPV4)
		header = (room->before[0] & 15) * 4;
	else if (room->before[offsetof(struct ipv6hdr, nexthdr)] != IPPROTO_TCP)
		return FW_TO_KERNEL;
	quote += header + FW_TCP_SEQUENCE;
	if (!fw_ctx_read(ctx, quote, room->before, sizeof(number)))
		return FW_TO_KERNEL;
	number = fw_get_word(room->before, 0);
	return fw_ctx_write_word(ctx, quote, packet->l4_offset + FW_ICMP_CHECKSUM, bpf_htonl(number),
				 bpf_htonl(number - flows->proxy.sequence))
		       ? FW_TO_KERNEL
		       : -FW_REASON_SYNPROXY_FAILED;
}

static __always_inline bool fw_is_error_for_server(const struct fw_flow_room *flows,
						   const struct fw_packet *packet, __u32 direction)
{
	const __u64 *to = (const void *)packet->destination.bytes;
	const __u64 *client = flows->following.key.ends[flows->client & 1];

	return flows->following.is_error && direction == FW_IN && flows->proxy.slot == fw_slot &&
	       !flows->is_opening && (to[0] != client[0] || to[1] != client[1]);
}

/* A server that refuses: the client has a connection, to which the reset has to belong. */
static __always_inline void fw_refuse(struct fw_proxy_room *room, const struct fw_flow_proxy *proxy)
{
	struct fw_tcp_head *tcp = (void *)room->after;

	tcp->sequence = bpf_htonl(proxy->cookie + 1);
}

/* Of the packet that was followed last. Answers as fw_synproxy(). A global function, as in fw_parse(). */
__noinline int fw_translate(fw_ctx *ctx, const struct fw_packet *packet, struct fw_proxy_room *room,
			    __u32 direction)
{
	__u32 zero = 0;
	struct fw_flow_room *flows = bpf_map_lookup_elem(&flow_room, &zero);
	const struct fw_tcp_head *tcp;

	/* XDP has no use for it; clang would then leave it out of the call, which the kernel refuses. */
	asm volatile("" : : "r"(ctx));
	if (!packet || !room || !flows)
		return -FW_REASON_SYNPROXY_FAILED;
	if (fw_is_error_for_server(flows, packet, direction))
		return fw_ctx_translates() ? fw_translate_error(ctx, packet, room) : FW_HAND_ON;
	/*
	 * At other attachments the numbers are the server's; they must come past ours by TC. What errors to
	 * the client quote has the client's own number, which nobody has changed.
	 */
	if (flows->following.is_error || flows->proxy.slot != fw_slot ||
	    flows->from_client != (direction == FW_IN))
		return fw_ctx_translates() ? FW_TO_KERNEL : FW_HAND_ON;
	if (!fw_ctx_translates())
		return fw_hands_on ? FW_HAND_ON : -FW_REASON_SYNPROXY_FAILED;
	if (!fw_read_header(ctx, packet, room))
		return -FW_REASON_SYNPROXY_FAILED;
	tcp = (const void *)room->before;
	if (flows->from_client)
		fw_number_for_server(room, &flows->proxy);
	else if (flows->is_opening && tcp->flags & FW_TCP_RST)
		fw_refuse(room, &flows->proxy);
	else if (flows->is_opening)
		return -FW_REASON_SYNPROXY_FAILED;
	else if (tcp->flags & FW_TCP_SYN)
		return fw_finish_opening(ctx, packet, room);
	else
		fw_number_for_client(room, &flows->proxy);
	return fw_write_header(ctx, packet, room) ? FW_TO_KERNEL : -FW_REASON_SYNPROXY_FAILED;
}

#endif
