// Maps, by their pins or by descriptors: RAII over these and over memory mappings.
//
// Promises: errors name the map. A MappedArray is the kernel's own memory: what is written there, programs
// read at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace fwctl::kernel {

class Map {
public:
    Map() = default;
    static Result<Map> open(const std::string& path);
    static Result<Map> of(Fd descriptor);

    [[nodiscard]] int fd() const { return fd_.get(); }
    [[nodiscard]] std::uint32_t id() const { return id_; }
    [[nodiscard]] std::uint32_t max_entries() const { return max_entries_; }

    // nullopt: the map has no such key.
    template <typename Value, typename Key>
    [[nodiscard]] std::optional<Value> find(const Key& key) const {
        Value value{};
        return has_bytes(&key, &value) ? std::optional(value) : std::nullopt;
    }
    template <typename Key, typename Value>
    [[nodiscard]] Status update(const Key& key, const Value& value) const {
        return update_bytes(&key, &value);
    }
    // The same; false when the map is full.
    template <typename Key, typename Value>
    [[nodiscard]] Result<bool> insert(const Key& key, const Value& value) const {
        return insert_bytes(&key, &value);
    }
    template <typename Key>
    [[nodiscard]] Status erase(const Key& key) const {
        return erase_bytes(&key);
    }
    // Every key of the map, as it is now.
    template <typename Key>
    [[nodiscard]] std::vector<Key> keys() const {
        std::vector<Key> all;
        Key key{};
        for (bool more = next_key(nullptr, &key); more; more = next_key(&key, &key)) all.push_back(key);
        return all;
    }

    template <typename Key>
    [[nodiscard]] bool has_any() const {
        Key key{};
        return next_key(nullptr, &key);
    }

    // The same with the values, of a kind of map that the kernel reads in batches.
    template <typename Key, typename Value>
    [[nodiscard]] Result<std::vector<std::pair<Key, Value>>> entries() const {
        constexpr std::uint32_t kAtATime = 4096;
        std::vector<std::pair<Key, Value>> all;
        std::vector<Key> keys(kAtATime);
        std::vector<Value> values(kAtATime);
        Key last{};
        for (bool more = true, first = true; more; first = false) {
            std::uint32_t count = kAtATime;
            auto read = read_batch(first ? nullptr : &last, &last, keys.data(), values.data(), count);
            if (!read) return tl::unexpected(read.error());
            more = *read;
            for (std::uint32_t i = 0; i < count; ++i) all.emplace_back(keys[i], values[i]);
        }
        return all;
    }

    // The element of a per-CPU array, once per possible CPU.
    template <typename Value>
    [[nodiscard]] Result<std::vector<Value>> per_cpu(std::uint32_t index) const {
        static_assert(sizeof(Value) % 8 == 0, "the kernel rounds per-CPU values up to eight bytes");
        std::vector<Value> values(cpu_count());
        if (auto read = lookup_bytes(&index, values.data()); !read) return tl::unexpected(read.error());
        return values;
    }
    // Sets the element to this value on the first CPU, to zero on the others.
    template <typename Value>
    [[nodiscard]] Status update_first_cpu(std::uint32_t index, const Value& value) const {
        std::vector<Value> values(cpu_count());
        values.front() = value;
        return update_bytes(&index, values.data());
    }
    // Sets the element to zero on every CPU.
    template <typename Value>
    [[nodiscard]] Status clear_per_cpu(std::uint32_t index) const {
        const std::vector<Value> zero(cpu_count());
        return update_bytes(&index, zero.data());
    }

private:
    Status update_bytes(const void* key, const void* value) const;
    Result<bool> insert_bytes(const void* key, const void* value) const;
    Status erase_bytes(const void* key) const;
    // Behind the entry `after`, or from the first on; false when there are no more behind these.
    Result<bool> read_batch(const void* after, void* last, void* keys, void* values,
                            std::uint32_t& count) const;
    Status lookup_bytes(const void* key, void* value) const;
    bool has_bytes(const void* key, void* value) const;
    bool next_key(const void* key, void* next) const;
    static std::size_t cpu_count();

    Fd fd_;
    std::uint32_t id_ = 0;
    std::uint32_t max_entries_ = 0;
    std::string name_;
};

// A piece of memory that is unmapped with its owner.
class Mapping {
public:
    Mapping() = default;
    static Result<Mapping> of(const Map& map, std::size_t bytes);
    Mapping(Mapping&& other) noexcept;
    Mapping& operator=(Mapping&& other) noexcept;
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping();

    [[nodiscard]] std::byte* data() const { return data_; }

private:
    std::byte* data_ = nullptr;
    std::size_t bytes_ = 0;
};

// The elements of an array map that was made with BPF_F_MMAPABLE.
template <typename Value>
class MappedArray {
public:
    static_assert(std::is_trivially_copyable_v<Value> && sizeof(Value) % 8 == 0);

    static Result<MappedArray> of(Map map, std::size_t elements) {
        auto mapping = Mapping::of(map, elements * sizeof(Value));
        if (!mapping) return tl::unexpected(mapping.error());
        MappedArray array;
        array.map_ = std::move(map);
        array.mapping_ = std::move(*mapping);
        return array;
    }

    [[nodiscard]] const Map& map() const { return map_; }
    [[nodiscard]] Value* at(std::size_t index) const {
        return reinterpret_cast<Value*>(mapping_.data()) + index;
    }

private:
    Map map_;
    Mapping mapping_;
};

}  // namespace fwctl::kernel
