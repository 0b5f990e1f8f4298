// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the command asks of the tables of hosts: a program that it runs by BPF_PROG_TEST_RUN, on no interface,
 * so that tables are written by one implementation only (include/fwctl/bpf/member_put.h).
 *
 * The job is the context, the hosts stand in `set_requests`, which is the command's own. Time is an argument.
 */
#include "fwctl/bpf/member_put.h"

struct fw_set_requests {
	struct fw_set_request all[FW_MAX_SET_REQUESTS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct fw_set_requests);
} set_requests SEC(".maps");

struct fw_work {
	struct fw_set_job job;
	struct fw_set *set;
	struct fw_set_requests *requests;
};

static __always_inline struct fw_set_request *fw_request(struct fw_work *work, __u32 number)
{
	asm volatile("" : "+r"(number));
	number &= FW_MAX_SET_REQUESTS - 1;
	return &work->requests->all[number];
}

static __always_inline void fw_look_at(struct fw_host_put *put, const struct fw_work *work, __u32 table)
{
	put->table = table & FW_SET_TABLE;
	put->at.now = work->job.now;
	put->limit = work->job.limit;
	fw_seek_in(&put->at, &work->set->tables[table & FW_SET_TABLE]);
}

static __always_inline int fw_delete(struct fw_host_put *put, struct fw_set *set)
{
	struct fw_host_bucket *home = fw_probe(&put->at, 0);
	int result = FW_SET_UNCHANGED;

	if (!home)
		return FW_SET_UNCHANGED;
	if (!fw_lock(&home->lock))
		return FW_SET_BUSY;
	fw_survey(put, false);
	if (put->found != FW_NO_PLACE) {
		__u64 end = put->found_what & FW_HOST_END_MASK;

		if (!fw_take_out(set, &put->at, put->table, put->at.home + (put->found >> 3), put->found & 7,
				 put->found_what))
			result = FW_SET_BUSY;
		else if (!fw_is_over(end, put->at.now))
			result = FW_SET_DONE;
	}
	fw_unlock(&home->lock);
	return result;
}

static long fw_do_request(__u32 turn, struct fw_work *work)
{
	struct fw_set_request *request = fw_request(work, turn);
	struct fw_host_put put = {};

	fw_look_at(&put, work, work->job.table);
	put.end = request->end;
	put.at.high = request->address[0];
	put.at.low = request->address[1];
	fw_seek_host(&put.at, work->set->key, request->family);
	if (work->job.command == FW_SET_ADD) {
		request->result = fw_put_host(&put, work->set);
		if (request->result == FW_SET_REPLACED)
			__sync_fetch_and_add(&work->set->replaced, 1);
	} else if (work->job.command == FW_SET_DELETE) {
		request->result = fw_delete(&put, work->set);
	} else {
		__u64 end;

		end = fw_find_host(&put.at);
		request->end = fw_is_over(end, put.at.now) ? 0 : end;
		request->result = FW_SET_DONE;
	}
	return 0;
}

/* A host as it stood in its way at one moment; false: none, or one whose time is over. */
static __always_inline bool fw_read_way(const struct fw_host_bucket *bucket, __u32 way, __u64 now,
					struct fw_set_request *read, __u64 *what)
{
	asm volatile("" : "+r"(way));
	if (way >= FW_BUCKET_HOSTS)
		return false;
	*what = FW_READ(bucket->what[way]);
	if (*what == FW_HOST_TAKEN || fw_is_over(*what & FW_HOST_END_MASK, now))
		return false;
	read->address[0] = FW_READ(bucket->address[way][0]);
	read->address[1] = FW_READ(bucket->address[way][1]);
	read->end = *what & FW_HOST_END_MASK;
	read->family = *what & FW_HOST_IPV6 ? 6 : 4;
	return FW_READ(bucket->what[way]) == *what;
}

static long fw_list_bucket(__u32 turn, struct fw_work *work)
{
	struct fw_host_put put = {};
	struct fw_host_bucket *bucket;

	fw_look_at(&put, work, work->job.table);
	bucket = fw_host_bucket_at(put.at.first_page, (work->job.first + turn) & put.at.mask);
	if (!bucket)
		return 1;
#pragma clang loop unroll(disable)
	for (__u32 way = 0; way < FW_BUCKET_HOSTS; way++) {
		struct fw_set_request read = {};
		__u64 what;

		if (!fw_read_way(bucket, way, put.at.now, &read, &what))
			continue;
		*fw_request(work, work->job.filled) = read;
		work->job.filled++;
	}
	return 0;
}

static long fw_sweep_one(__u32 turn, struct fw_work *work)
{
	struct fw_host_put put = {};

	fw_look_at(&put, work, work->job.table);
	if (work->job.command == FW_SET_EMPTY)
		put.at.now = FW_HOST_FOR_EVER;
	work->job.filled += fw_sweep_bucket(work->set, &put.at, put.table, work->job.first + turn);
	return 0;
}

/* A host is put where it goes to before it is taken out where it was. What is busy stays for the next time.
 */
static long fw_move_way(__u32 turn, struct fw_work *work)
{
	__u32 number = work->job.first + turn / FW_BUCKET_HOSTS, way = turn % FW_BUCKET_HOSTS;
	__u32 from = !(work->job.table & FW_SET_TABLE);
	struct fw_host_put old = {}, put = {};
	struct fw_set_request read = {};
	struct fw_host_bucket *bucket;
	__u64 what;

	fw_look_at(&old, work, from);
	fw_look_at(&put, work, work->job.table);
	bucket = fw_host_bucket_at(old.at.first_page, number & old.at.mask);
	if (!bucket || !fw_read_way(bucket, way, put.at.now, &read, &what))
		return 0;
	put.end = read.end;
	put.at.high = read.address[0];
	put.at.low = read.address[1];
	fw_seek_host(&put.at, work->set->key, read.family);
	if (fw_put_host(&put, work->set) != FW_SET_BUSY)
		work->job.filled += fw_take_out(work->set, &old.at, from, number, way, what);
	return 0;
}

SEC("syscall")
int fwctl_sets(struct fw_set_job *context)
{
	__u32 zero = 0, number;
	struct fw_sets *all = bpf_map_lookup_elem(&sets, &zero);
	struct fw_work work = {.job = *context};

	work.requests = bpf_map_lookup_elem(&set_requests, &zero);
	if (!all || !work.requests)
		return -1;
	number = work.job.set;
	asm volatile("" : "+r"(number));
	number &= FW_MAX_SETS - 1;
	work.set = &all->by_number[number];
	work.job.filled = 0;
	if (!work.set->tables[work.job.table & FW_SET_TABLE].buckets)
		return -1;
	switch (work.job.command) {
	case FW_SET_ADD:
	case FW_SET_DELETE:
	case FW_SET_FIND:
		bpf_loop(work.job.count, fw_do_request, &work, 0);
		break;
	case FW_SET_LIST:
		bpf_loop(work.job.count, fw_list_bucket, &work, 0);
		break;
	case FW_SET_SWEEP:
	case FW_SET_EMPTY:
		bpf_loop(work.job.count, fw_sweep_one, &work, 0);
		break;
	case FW_SET_MOVE:
		bpf_loop(work.job.count * FW_BUCKET_HOSTS, fw_move_way, &work, 0);
		break;
	}
	context->filled = work.job.filled;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
