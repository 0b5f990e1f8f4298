// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writes the next flow into the frame and hands over to the program under test, so that no packet is like the
 * one before. What this costs is the same whatever program follows: a trivial one tells how much.
 */
#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "flow.h"

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, BENCH_FLOWS);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, __u32);
    __type(value, struct bench_flow);
} flows SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, BENCH_FLOWS);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, __u32);
    __type(value, struct bench_ipv6);
} ipv6_addresses SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 1);
    __uint(key_size, sizeof(__u32));
    __uint(value_size, sizeof(__u32));
} under_test SEC(".maps");

struct bench_clock bench;

/* By words of four bytes, as the programs read them: a wider load would wait for both stores. */
static __always_inline void write_ipv4(void* frame, const struct bench_flow* flow, __u32 salt) {
    __u32 *ip = frame + 14, *layer4 = frame + 34;

    *(__u16*)(frame + 12) = bpf_htons(0x0800);
    ip[0] = bpf_htonl(0x45000000 + 20 + BENCH_PAYLOAD);
    ip[1] = 0;
    ip[2] = bpf_htonl(0x40000000 | flow->protocol << 16);
    ip[3] = flow->source ^ (salt & 0xffff0000);
    ip[4] = flow->destination;
    layer4[0] = flow->layer4 ^ (salt & 0xffff);
    layer4[3] = bpf_htonl(0x50000000 | flow->tcp_flags << 16); /* five words */
}

static __always_inline void write_ipv6(void* frame, const struct bench_flow* flow,
                                       const struct bench_ipv6* addresses, __u32 salt) {
    __u32 *ip = frame + 14, *layer4 = frame + 54;

    *(__u16*)(frame + 12) = bpf_htons(0x86dd);
    ip[0] = bpf_htonl(0x60000000);
    ip[1] = bpf_htonl(BENCH_PAYLOAD << 16 | flow->protocol << 8 | 64);
#pragma unroll
    for (int i = 0; i < 4; i++) {
        ip[2 + i] = addresses->source[i];
        ip[6 + i] = addresses->destination[i];
    }
    layer4[0] = flow->layer4 ^ (salt & 0xffff);
    layer4[3] = bpf_htonl(0x50000000 | flow->tcp_flags << 16);
}

/*
 * What one run leaves of the frame is the next one's. Both calls are made whatever there is to take away, so
 * that what they cost is the same behind every program.
 */
static __always_inline bool restore(struct xdp_md* ctx) {
    int grown;

    if (bpf_xdp_adjust_meta(ctx, (int)(ctx->data - ctx->data_meta))) return false;
    grown = (int)(ctx->data_end - ctx->data) - BENCH_FRAME;
    return bpf_xdp_adjust_head(ctx, grown) == 0;
}

SEC("xdp.frags")
int vary(struct xdp_md* ctx) {
    __u32 turn = bench.turn++, place = turn & bench.mask, salt = turn & bench.fresh;
    const struct bench_ipv6* addresses;
    const struct bench_flow* flow;
    void* frame;

    if (bench.restores && !restore(ctx)) return XDP_ABORTED;
    frame = (void*)(long)ctx->data;
    if (turn == bench.first) bench.began = bpf_ktime_get_ns();
    if (turn == bench.last) bench.ended = bpf_ktime_get_ns();
    flow = bpf_map_lookup_elem(&flows, &place);
    if (!flow || frame + BENCH_FRAME > (void*)(long)ctx->data_end) return XDP_ABORTED;
    if (flow->family == 4) {
        write_ipv4(frame, flow, salt);
    } else {
        addresses = bpf_map_lookup_elem(&ipv6_addresses, &place);
        if (!addresses) return XDP_ABORTED;
        write_ipv6(frame, flow, addresses, salt);
    }
    bpf_tail_call(ctx, &under_test, 0);
    return XDP_ABORTED;
}

char LICENSE[] SEC("license") = "GPL";
