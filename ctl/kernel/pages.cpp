#include "kernel/pages.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <functional>
#include <map>
#include <thread>

#include "base/fd.h"
#include "fwctl/abi/bucket.h"
#include "fwctl/abi/image.h"
#include "fwctl/abi/limits.h"
#include "fwctl/abi/service.h"

namespace fwctl::kernel {
namespace {

// The kernel waits for a grace period at each change of a map of maps. Side by side they wait for the same
// one.
constexpr std::size_t kThreads = 32;

Status in_parallel(std::size_t count, const std::function<int(std::size_t)>& change) {
    std::atomic<std::size_t> next = 0;
    std::atomic<int> error = 0;
    const auto work = [&] {
        for (std::size_t i = next++; i < count && error == 0; i = next++)
            if (const int failed = change(i); failed != 0) error = failed;
    };
    std::vector<std::thread> threads;
    for (std::size_t i = 1; i < std::min(count, kThreads); ++i) threads.emplace_back(work);
    work();
    for (std::thread& thread : threads) thread.join();
    if (error == 0) return {};
    return fail(fmt::format("cannot change the pages in the kernel: {}", strerror(error)));
}

std::uint32_t id_of(const Fd& map) {
    bpf_map_info info{};
    std::uint32_t size = sizeof(info);
    return bpf_obj_get_info_by_fd(map.get(), &info, &size) == 0 ? info.id : 0;
}

tl::unexpected<Error> no_memory(const char* what) {
    return fail(fmt::format("the kernel gives no memory for {}: {}", what, strerror(errno)));
}

std::size_t pages_of(std::size_t words) {
    return (words + FW_PAGE_WORDS - 1) / FW_PAGE_WORDS;
}

}  // namespace

Fd InnerMaps::open(std::uint32_t index) const {
    const std::uint32_t id = std::atomic_ref(ids_[index]).load(std::memory_order_acquire);
    return id == 0 ? Fd() : Fd(bpf_map_get_fd_by_id(id));
}

Status InnerMaps::put(std::span<const std::uint32_t> indices, std::span<const Fd> inner) const {
    return in_parallel(indices.size(), [&](std::size_t i) {
        const std::uint32_t id = id_of(inner[i]);
        if (id == 0) return errno;
        std::atomic_ref(ids_[indices[i]]).store(id, std::memory_order_release);
        const int fd = inner[i].get();
        return bpf_map_update_elem(map_.fd(), &indices[i], &fd, BPF_ANY) == 0 ? 0 : errno;
    });
}

Status InnerMaps::erase(std::span<const std::uint32_t> indices) const {
    return in_parallel(indices.size(), [&](std::size_t i) {
        if (bpf_map_delete_elem(map_.fd(), &indices[i]) != 0 && errno != ENOENT) return errno;
        std::atomic_ref(ids_[indices[i]]).store(0, std::memory_order_release);
        return 0;
    });
}

std::vector<std::uint32_t> InnerMaps::present(std::uint32_t first, std::uint32_t count) const {
    std::vector<std::uint32_t> present;
    for (std::uint32_t index = first; index < first + count; ++index)
        if (ids_[index] != 0) present.push_back(index);
    return present;
}

Status Banks::write(std::uint32_t first, std::span<const std::uint32_t> words) const {
    const std::size_t count = pages_of(words.size());
    std::vector<std::uint32_t> missing;
    std::vector<Fd> made;
    std::vector<std::uint32_t> last(FW_PAGE_WORDS);
    for (std::uint32_t page = 0; page < count; ++page) {
        Fd inner = pages_.open(first + page);
        const bool is_new = !inner;
        if (is_new)
            inner = Fd(bpf_map_create(BPF_MAP_TYPE_ARRAY, "fwctl_page", sizeof(std::uint32_t),
                                      sizeof(fw_page), 1, nullptr));
        if (!inner) return no_memory("the compiled policy");
        const auto piece = words.subspan(page * std::size_t{FW_PAGE_WORDS});
        const std::uint32_t* bytes = piece.data();
        if (piece.size() < FW_PAGE_WORDS) {
            std::copy(piece.begin(), piece.end(), last.begin());
            bytes = last.data();
        }
        const std::uint32_t zero = 0;
        if (bpf_map_update_elem(inner.get(), &zero, bytes, BPF_ANY) != 0)
            return no_memory("the compiled policy");
        if (!is_new) continue;
        missing.push_back(first + page);
        made.push_back(std::move(inner));
    }
    return pages_.put(missing, made);
}

Result<std::vector<std::uint32_t>> Banks::read(std::uint32_t first, std::uint32_t address,
                                               std::size_t count) const {
    std::vector<std::uint32_t> words;
    words.reserve(count);
    std::vector<std::uint32_t> page(FW_PAGE_WORDS);
    while (words.size() < count) {
        const std::size_t at = address + words.size();
        const Fd inner = pages_.open(first + static_cast<std::uint32_t>(at / FW_PAGE_WORDS));
        const std::uint32_t zero = 0;
        if (!inner || bpf_map_lookup_elem(inner.get(), &zero, page.data()) != 0)
            return fail("a page of the running policy cannot be read");
        const auto begin = page.begin() + static_cast<std::ptrdiff_t>(at % FW_PAGE_WORDS);
        const std::size_t here =
            std::min<std::size_t>(count - words.size(), FW_PAGE_WORDS - at % FW_PAGE_WORDS);
        words.insert(words.end(), begin, begin + static_cast<std::ptrdiff_t>(here));
    }
    return words;
}

bool Banks::is_empty(std::uint32_t first) const {
    return pages_.present(first, FW_BANK_PAGES).empty();
}

Status Banks::clear(std::uint32_t first) const {
    return pages_.erase(pages_.present(first, FW_BANK_PAGES));
}

Status CounterPages::make(std::uint32_t count) const {
    if (count > std::uint32_t{FW_COUNTER_PAGES} * FW_COUNTER_PAGE_SIZE)
        return fail(fmt::format("{} rules are more than the limit of {}", count,
                                FW_COUNTER_PAGES * FW_COUNTER_PAGE_SIZE));
    std::vector<std::uint32_t> missing;
    std::vector<Fd> made;
    for (std::uint32_t page = 0; page * FW_COUNTER_PAGE_SIZE < count; ++page) {
        if (pages_.open(page)) continue;
        missing.push_back(page);
        made.emplace_back(bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, "fwctl_counts", sizeof(std::uint32_t),
                                         sizeof(fw_count), FW_COUNTER_PAGE_SIZE, nullptr));
        if (!made.back()) return no_memory("the counters of the rules");
    }
    return pages_.put(missing, made);
}

Status BucketPages::make(std::span<const std::uint32_t> indices) const {
    std::vector<std::uint32_t> missing;
    std::vector<Fd> made;
    for (const std::uint32_t page : indices) {
        if (pages_.open(page)) continue;
        missing.push_back(page);
        made.emplace_back(bpf_map_create(BPF_MAP_TYPE_ARRAY, "fwctl_buckets", sizeof(std::uint32_t),
                                         sizeof(fw_bucket_page), 1, nullptr));
        if (!made.back()) return no_memory("the buckets of rates");
    }
    return pages_.put(missing, made);
}

Result<std::vector<fw_count>> CounterPages::sums(std::span<const std::uint32_t> rules) const {
    const auto cpus = static_cast<std::size_t>(libbpf_num_possible_cpus());
    std::map<std::uint32_t, Fd> inner;
    std::vector<fw_count> values(cpus);
    std::vector<fw_count> sums;
    for (const std::uint32_t rule : rules) {
        const std::uint32_t page = rule / FW_COUNTER_PAGE_SIZE;
        const std::uint32_t place = rule % FW_COUNTER_PAGE_SIZE;
        if (!inner.contains(page)) inner[page] = pages_.open(page);
        if (bpf_map_lookup_elem(inner[page].get(), &place, values.data()) != 0)
            return fail(fmt::format("the counters of the rules cannot be read: {}", strerror(errno)));
        fw_count sum{};
        for (const fw_count& value : values) {
            sum.packets += value.packets;
            sum.bytes += value.bytes;
        }
        sums.push_back(sum);
    }
    return sums;
}

Status CounterPages::clear(std::span<const std::uint32_t> rules) const {
    const std::vector<fw_count> zero(static_cast<std::size_t>(libbpf_num_possible_cpus()));
    std::map<std::uint32_t, Fd> inner;
    for (const std::uint32_t rule : rules) {
        const std::uint32_t page = rule / FW_COUNTER_PAGE_SIZE;
        const std::uint32_t place = rule % FW_COUNTER_PAGE_SIZE;
        if (!inner.contains(page)) inner[page] = pages_.open(page);
        if (bpf_map_update_elem(inner[page].get(), &place, zero.data(), BPF_ANY) != 0)
            return fail(fmt::format("the counters of the rules cannot be cleared: {}", strerror(errno)));
    }
    return {};
}

Status SetPages::make(std::uint32_t first, std::uint32_t count) const {
    std::vector<std::uint32_t> indices;
    std::vector<Fd> made;
    for (std::uint32_t page = 0; page < count; ++page) {
        indices.push_back(first + page);
        made.emplace_back(bpf_map_create(BPF_MAP_TYPE_ARRAY, "fwctl_set_page", sizeof(std::uint32_t),
                                         sizeof(fw_host_page), 1, nullptr));
        if (!made.back()) return no_memory("the members of sets");
    }
    return pages_.put(indices, made);
}

Status SetPages::clear(std::span<const std::uint32_t> indices) const {
    return pages_.erase(indices);
}

namespace {

// New maps of one element that can be mapped, at the indices where there is none.
Status make_mapped(const InnerMaps& pages, std::uint32_t first, std::uint32_t count, const char* name,
                   std::size_t size, const char* what) {
    std::vector<std::uint32_t> missing;
    std::vector<Fd> made;
    bpf_map_create_opts options{};
    options.sz = sizeof(options);
    options.map_flags = BPF_F_MMAPABLE;
    for (std::uint32_t page = first; page < first + count; ++page) {
        if (pages.open(page)) continue;
        missing.push_back(page);
        made.emplace_back(bpf_map_create(BPF_MAP_TYPE_ARRAY, name, sizeof(std::uint32_t),
                                         static_cast<std::uint32_t>(size), 1, &options));
        if (!made.back()) return no_memory(what);
    }
    return pages.put(missing, made);
}

template <typename Page>
Result<std::optional<MappedArray<Page>>> map_page(const InnerMaps& pages, std::uint32_t index) {
    Fd inner = pages.open(index);
    if (!inner) return std::nullopt;
    auto map = Map::of(std::move(inner));
    if (!map) return tl::unexpected(map.error());
    auto page = MappedArray<Page>::of(std::move(*map), 1);
    if (!page) return tl::unexpected(page.error());
    return std::optional(std::move(*page));
}

}  // namespace

Status FlowPages::make(std::uint32_t first, std::uint32_t count) const {
    return make_mapped(pages_, first, count, "fwctl_flows", sizeof(fw_flow_page), "the flow table");
}

Status FlowPages::clear(std::uint32_t first, std::uint32_t count) const {
    return pages_.erase(pages_.present(first, count));
}

Result<std::optional<MappedArray<fw_flow_page>>> FlowPages::map(std::uint32_t index) const {
    return map_page<fw_flow_page>(pages_, index);
}

Status PlacedPages::make() const {
    return make_mapped(pages_, 0, FW_PLACED_PAGES, "fwctl_placed", sizeof(fw_placed_page),
                       "the table of balanced flows");
}

Status PlacedPages::clear() const {
    return pages_.erase(pages_.present(0, FW_PLACED_PAGES));
}

Result<std::optional<MappedArray<fw_placed_page>>> PlacedPages::map(std::uint32_t index) const {
    return map_page<fw_placed_page>(pages_, index);
}

Status NatTables::make() const {
    constexpr std::array<std::uint32_t, FW_NAT_TABLES> kSizes = {FW_MAX_NEW_NAT, FW_MAX_CONFIRMED_NAT};
    std::vector<std::uint32_t> missing;
    std::vector<Fd> made;
    for (std::uint32_t table = 0; table < FW_NAT_TABLES; ++table) {
        if (tables_.open(table)) continue;
        missing.push_back(table);
        made.emplace_back(bpf_map_create(BPF_MAP_TYPE_LRU_HASH, "fwctl_nat", sizeof(fw_nat_key),
                                         sizeof(fw_nat_flow), kSizes[table], nullptr));
        if (!made.back()) return no_memory("the tables of translated flows");
    }
    return tables_.put(missing, made);
}

Status NatTables::clear() const {
    return tables_.erase(tables_.present(0, FW_NAT_TABLES));
}

}  // namespace fwctl::kernel
