// SPDX-License-Identifier: GPL-2.0-only
/* What fwctl is compared with: nothing at all, and one look-up of the source in the kernel's own trie. */
#include <linux/bpf.h>

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

char LICENSE[] SEC("license") = "GPL";
