// SPDX-License-Identifier: GPL-2.0-only
/* What fwctl is compared with: nothing at all, the least that a firewall does, and one look-up of the source
   in the kernel's own trie; and what plays the backends where it balances. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "flow.h"

struct ipv4_key {
    __u32 length;
    __u32 address;
};
struct ipv6_key {
    __u32 length;
    __u32 address[4];
};

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(max_entries, BENCH_FLOWS);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct ipv4_key);
    __type(value, __u32);
} ipv4_trie SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(max_entries, BENCH_FLOWS);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct ipv6_key);
    __type(value, __u32);
} ipv6_trie SEC(".maps");

SEC("xdp.frags")
int trivial(struct xdp_md* ctx) {
    (void)ctx;
    return XDP_DROP;
}

SEC("xdp.frags")
int let_pass(struct xdp_md* ctx) {
    (void)ctx;
    return XDP_PASS;
}

/* By words, as the driver writes them. */
SEC("xdp.frags")
int send_back(struct xdp_md* ctx) {
    __u16* mac = (void*)(long)ctx->data;

    if ((void*)(mac + 6) > (void*)(long)ctx->data_end) return XDP_ABORTED;
#pragma unroll
    for (int i = 0; i < 3; i++) {
        __u16 destination = mac[i];

        mac[i] = mac[3 + i];
        mac[3 + i] = destination;
    }
    return XDP_TX;
}

/* What a firewall without rules cannot do without: the headers of IPv4 or IPv6 and of TCP or UDP, and a
 * count. */
struct parsed {
    __u32 source[4];
    __u32 destination[4];
    __u32 ports;
    __u8 family;
    __u8 protocol;
};

struct counted {
    __u64 packets;
    __u64 bytes;
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct counted);
} counts SEC(".maps");

static __always_inline const __u32* parse_ipv4(const struct iphdr* ip, void* end, struct parsed* parsed) {
    if ((void*)(ip + 1) + 4 > end || ip->version != 4 || ip->ihl != 5) return 0;
    parsed->source[0] = ip->saddr;
    parsed->destination[0] = ip->daddr;
    parsed->family = 4;
    parsed->protocol = ip->protocol;
    return (const void*)(ip + 1);
}

static __always_inline const __u32* parse_ipv6(const struct ipv6hdr* ip, void* end, struct parsed* parsed) {
    if ((void*)(ip + 1) + 4 > end || ip->version != 6) return 0;
    __builtin_memcpy(parsed->source, &ip->saddr, 16);
    __builtin_memcpy(parsed->destination, &ip->daddr, 16);
    parsed->family = 6;
    parsed->protocol = ip->nexthdr;
    return (const void*)(ip + 1);
}

/* False: it is none of these. */
static __always_inline int is_counted(struct xdp_md* ctx) {
    struct ethhdr* ethernet = (void*)(long)ctx->data;
    void* end = (void*)(long)ctx->data_end;
    struct parsed parsed = {};
    const __u32* ports = 0;
    struct counted* count;
    __u32 zero = 0;

    if ((void*)(ethernet + 1) > end) return 0;
    if (ethernet->h_proto == bpf_htons(ETH_P_IP))
        ports = parse_ipv4((void*)(ethernet + 1), end, &parsed);
    else if (ethernet->h_proto == bpf_htons(ETH_P_IPV6))
        ports = parse_ipv6((void*)(ethernet + 1), end, &parsed);
    if (!ports) return 0;
    if (parsed.protocol == IPPROTO_TCP || parsed.protocol == IPPROTO_UDP) parsed.ports = *ports;
    asm volatile("" : : "r"(&parsed) : "memory"); /* somebody will ask */
    count = bpf_map_lookup_elem(&counts, &zero);
    if (!count) return 0;
    count->packets++;
    count->bytes += end - (void*)ethernet;
    return 1;
}

SEC("xdp.frags")
int parse_and_count(struct xdp_md* ctx) {
    return is_counted(ctx) ? XDP_PASS : XDP_DROP;
}

SEC("xdp.frags")
int count_and_drop(struct xdp_md* ctx) {
    return is_counted(ctx) ? XDP_DROP : XDP_PASS;
}

static __noinline int call(int number) {
    asm volatile("" : "+r"(number));
    return number;
}

SEC("xdp.frags")
int call_eight_times(struct xdp_md* ctx) {
    int number = XDP_PASS;

    (void)ctx;
#pragma unroll
    for (int i = 0; i < 8; i++) number = call(number);
    return number == XDP_PASS ? XDP_PASS : XDP_DROP;
}

SEC("xdp.frags")
int ask_length(struct xdp_md* ctx) {
    return bpf_xdp_get_buff_len(ctx) ? XDP_PASS : XDP_DROP;
}

/* The least that a table of a million flows can be: a line of the cache for each. */
struct line {
    __u64 words[8];
};
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, BENCH_FLOWS);
    __type(key, __u32);
    __type(value, struct line);
} lines SEC(".maps");

SEC("xdp.frags")
int read_line(struct xdp_md* ctx) {
    const __u32* frame = (void*)(long)ctx->data;
    const struct line* line;
    __u32 place;

    if ((void*)frame + BENCH_FRAME > (void*)(long)ctx->data_end) return XDP_ABORTED;
    place =
        (frame[7] ^ frame[8]) * 0x9e3779b1u >> 12; /* by what tells flows apart (D. Knuth, TAOCP 3, 6.4) */
    line = bpf_map_lookup_elem(&lines, &place);
    return line && line->words[0] ? XDP_DROP : XDP_PASS;
}

/* Constant encapsulation: an Ethernet and an IPv4 header that were made before. */
enum { MADE_BEFORE = 14 + 20 };
__u32 made_before[9] = {0x02, 0, 0x0100, 0x00450008};

SEC("xdp.frags")
int encapsulate(struct xdp_md* ctx) {
    __u32* to;

    if (bpf_xdp_adjust_head(ctx, -20)) return XDP_ABORTED;
    to = (void*)(long)ctx->data;
    if ((void*)to + MADE_BEFORE > (void*)(long)ctx->data_end) return XDP_ABORTED;
    __builtin_memcpy(to, made_before, MADE_BEFORE);
    return XDP_TX;
}

SEC("xdp.frags")
int lookup_ipv4(struct xdp_md* ctx) {
    void* frame = (void*)(long)ctx->data;
    struct ipv4_key key = {.length = 32};

    if (frame + BENCH_FRAME > (void*)(long)ctx->data_end) return XDP_ABORTED;
    key.address = *(__u32*)(frame + 26);
    return bpf_map_lookup_elem(&ipv4_trie, &key) ? XDP_DROP : XDP_PASS;
}

SEC("xdp.frags")
int lookup_ipv6(struct xdp_md* ctx) {
    void* frame = (void*)(long)ctx->data;
    struct ipv6_key key = {.length = 128};

    if (frame + BENCH_FRAME > (void*)(long)ctx->data_end) return XDP_ABORTED;
#pragma unroll
    for (int i = 0; i < 4; i++) key.address[i] = ((__u32*)(frame + 22))[i];
    return bpf_map_lookup_elem(&ipv6_trie, &key) ? XDP_DROP : XDP_PASS;
}

/* How much has come for each backend, by the last octet of its MAC address: 02:00:00:00:01:NN. */
enum { BACKENDS = 256 };
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, BACKENDS);
    __type(key, __u32);
    __type(value, __u64);
} had SEC(".maps");

SEC("xdp.frags")
int tally(struct xdp_md* ctx) {
    __u8* mac = (void*)(long)ctx->data;
    __u32 backend;
    __u64* count;

    if ((void*)(mac + 6) > (void*)(long)ctx->data_end || mac[4] != 1) return XDP_DROP;
    backend = mac[5];
    count = bpf_map_lookup_elem(&had, &backend);
    if (count) __sync_fetch_and_add(count, 1);
    return XDP_DROP;
}

/* Answers what has come for a backend: a SYN with SYN and ACK, UDP with the same. Checksums of TCP are not
   those of what was changed: nobody who is measured asks for them. */
struct answered {
    __u16 destination_mac[3];
    __u16 source_mac[3];
    __u16 ethertype;
    __u8 before_protocol[9];
    __u8 protocol;
    __u16 header_checksum;
    __u32 source;
    __u32 destination;
    __u16 source_port;
    __u16 destination_port;
    __u32 sequence; /* of TCP, from here on */
    __u32 acknowledged;
    __u8 length;
    __u8 flags;
} __attribute__((packed));

SEC("xdp.frags")
int answer(struct xdp_md* ctx) {
    enum { TCP = 6, SYN = 0x02, SYN_ACK = 0x12 };
    struct answered* frame = (void*)(long)ctx->data;
    struct answered was;

    if ((void*)(frame + 1) > (void*)(long)ctx->data_end) return XDP_DROP;
    was = *frame;
    if ((was.destination_mac[2] & 0xff) != 1) return XDP_DROP;
    __builtin_memcpy(frame->destination_mac, was.source_mac, sizeof(was.source_mac));
    __builtin_memcpy(frame->source_mac, was.destination_mac, sizeof(was.destination_mac));
    frame->source = was.destination;
    frame->destination = was.source;
    frame->source_port = was.destination_port;
    frame->destination_port = was.source_port;
    if (was.protocol == TCP && was.flags == SYN) {
        frame->flags = SYN_ACK;
        frame->acknowledged = __builtin_bswap32(__builtin_bswap32(was.sequence) + 1);
    }
    return XDP_TX;
}

char LICENSE[] SEC("license") = "GPL";
