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
#include <memory>
#include <set>
#include <system_error>
#include <thread>

#include "base/fd.h"
#include "fwctl/abi/bucket.h"
#include "fwctl/abi/image.h"
#include "fwctl/abi/limits.h"
#include "fwctl/abi/service.h"

namespace fwctl::kernel {
namespace {

// The kernel waits for a grace period at each change of a map of maps. Side by side they wait for the same
// one: the threads sleep, so that many cost little.
constexpr std::size_t kThreads = 256;

Status in_parallel(std::size_t count, const std::function<int(std::size_t)>& change) {
    std::atomic<std::size_t> next = 0;
    std::atomic<int> error = 0;
    const auto work = [&] {
        for (std::size_t i = next++; i < count && error == 0; i = next++)
            if (const int failed = change(i); failed != 0) error = failed;
    };
    std::vector<std::thread> threads;
    try {
        for (std::size_t i = 1; i < std::min(count, kThreads); ++i) threads.emplace_back(work);
    } catch (const std::system_error&) {  // as many as there may be will do
    }
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

// Places in `rules`, by the page.
std::map<std::uint32_t, std::vector<std::size_t>> places_by_page(std::span<const std::uint32_t> rules) {
    std::map<std::uint32_t, std::vector<std::size_t>> places;
    for (std::size_t i = 0; i < rules.size(); ++i) places[rules[i] / FW_COUNTER_PAGE_SIZE].push_back(i);
    return places;
}

std::size_t pages_of(std::size_t words) {
    return (words + FW_PAGE_WORDS - 1) / FW_PAGE_WORDS;
}

}  // namespace

Fd InnerMaps::open(std::uint32_t index) const {
    if (index >= ids_.size()) return {};  // read from a page that was being written
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
    const auto page = std::make_unique_for_overwrite<std::uint32_t[]>(FW_PAGE_WORDS);
    while (words.size() < count) {
        const std::size_t at = address + words.size();
        const Fd inner = pages_.open(first + static_cast<std::uint32_t>(at / FW_PAGE_WORDS));
        const std::uint32_t zero = 0;
        if (!inner || bpf_map_lookup_elem(inner.get(), &zero, page.get()) != 0)
            return fail("a page of the running policy cannot be read");
        const std::uint32_t* begin = page.get() + at % FW_PAGE_WORDS;
        const std::size_t here =
            std::min<std::size_t>(count - words.size(), FW_PAGE_WORDS - at % FW_PAGE_WORDS);
        words.insert(words.end(), begin, begin + here);
    }
    return words;
}

bool Banks::has_more(std::uint32_t first, std::uint32_t count) const {
    return !pages_.present(first + count, FW_BANK_PAGES - count).empty();
}

Status Banks::shrink(std::uint32_t first, std::uint32_t count) const {
    return pages_.erase(pages_.present(first + count, FW_BANK_PAGES - count));
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
                                         sizeof(fw_rule_count), FW_COUNTER_PAGE_SIZE, nullptr));
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

namespace {

// All counters of a page, those of one after those of another; of each as many as there are processors.
Status read_counters(const Fd& page, std::vector<fw_rule_count>& values) {
    std::vector<std::uint32_t> places(FW_COUNTER_PAGE_SIZE);
    std::uint32_t next = 0;
    std::uint32_t count = FW_COUNTER_PAGE_SIZE;
    // ENOENT: these were the last ones.
    const int error =
        bpf_map_lookup_batch(page.get(), nullptr, &next, places.data(), values.data(), &count, nullptr);
    if ((error == 0 || errno == ENOENT) && count == FW_COUNTER_PAGE_SIZE) return {};
    return fail(fmt::format("the counters of the rules cannot be read: {}", strerror(errno)));
}

fw_rule_count sum_of(std::span<const fw_rule_count> by_processor) {
    fw_rule_count sum{};
    for (const fw_rule_count& value : by_processor) {
        sum.packets += value.packets;
        sum.bytes += value.bytes;
        sum.last = std::max(sum.last, value.last);
    }
    return sum;
}

}  // namespace

Result<std::vector<fw_rule_count>> CounterPages::sums(std::span<const std::uint32_t> rules) const {
    const auto cpus = static_cast<std::size_t>(libbpf_num_possible_cpus());
    std::vector<fw_rule_count> values(FW_COUNTER_PAGE_SIZE * cpus);
    std::vector<fw_rule_count> sums(rules.size());
    for (const auto& [page, places] : places_by_page(rules)) {
        if (auto read = read_counters(pages_.open(page), values); !read) return tl::unexpected(read.error());
        for (const std::size_t i : places)
            sums[i] = sum_of(std::span(values).subspan(rules[i] % FW_COUNTER_PAGE_SIZE * cpus, cpus));
    }
    return sums;
}

Status CounterPages::clear(std::span<const std::uint32_t> rules) const {
    const auto cpus = static_cast<std::size_t>(libbpf_num_possible_cpus());
    const std::vector<fw_rule_count> zeros(FW_COUNTER_PAGE_SIZE * cpus);
    for (const auto& [page, places] : places_by_page(rules)) {
        std::set<std::uint32_t> each;
        for (const std::size_t i : places) each.insert(rules[i] % FW_COUNTER_PAGE_SIZE);
        const std::vector<std::uint32_t> keys(each.begin(), each.end());
        auto count = static_cast<std::uint32_t>(keys.size());
        const Fd inner = pages_.open(page);
        if (bpf_map_update_batch(inner.get(), keys.data(), zeros.data(), &count, nullptr) != 0)
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

Status RuleBases::make(std::uint32_t page) const {
    return make_mapped(pages_, page, 1, "fwctl_bases", sizeof(fw_rule_bases), "the counters of the rules");
}

namespace {

// `use(place in rules, base)` for each rule whose page is there.
template <typename Use>
Status for_each_base(const InnerMaps& pages, std::span<const std::uint32_t> rules, Use use) {
    for (const auto& [index, places] : places_by_page(rules)) {
        auto page = map_page<fw_rule_bases>(pages, index);
        if (!page) return tl::unexpected(page.error());
        if (!*page) continue;
        for (const std::size_t i : places)
            use(i, (*page)->at(0)->by_counter[rules[i] % FW_COUNTER_PAGE_SIZE]);
    }
    return {};
}

}  // namespace

Result<std::vector<fw_count>> RuleBases::read(std::span<const std::uint32_t> rules) const {
    std::vector<fw_count> bases(rules.size());
    auto read = for_each_base(pages_, rules, [&](std::size_t i, fw_count& base) {
        bases[i] = {std::atomic_ref(base.packets).load(), std::atomic_ref(base.bytes).load()};
    });
    if (!read) return tl::unexpected(read.error());
    return bases;
}

Status RuleBases::write(std::span<const std::uint32_t> rules, std::span<const fw_rule_count> counts) const {
    for (const auto& [page, places] : places_by_page(rules))
        if (auto made = make(page); !made) return made;
    return for_each_base(pages_, rules, [&](std::size_t i, fw_count& base) {
        std::atomic_ref(base.packets).store(counts[i].packets);
        std::atomic_ref(base.bytes).store(counts[i].bytes);
    });
}

Status RuleBases::clear(std::span<const std::uint32_t> rules) const {
    return for_each_base(pages_, rules, [](std::size_t, fw_count& base) { base = fw_count{}; });
}

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
