// The words of one bank, as they will lie in the kernel: see include/fwctl/abi/image.h.
//
// Promises: nothing stands at address 0, which means "nothing"; what is put on a multiple of its own size,
// a power of two, does not cross a page.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

namespace fwctl::compile {

// The number of a word.
using Address = std::uint32_t;

class Bank {
public:
    Bank() : words_(kFirst) {}

    // Room for `count` words of zero on a multiple of `alignment` words.
    Address reserve(std::size_t count, std::size_t alignment);
    // The same, all of it on one page; at most FW_PAGE_WORDS.
    Address reserve_on_page(std::size_t count, std::size_t alignment);

    template <typename Value>
    Address put(const Value& value, std::size_t alignment) {
        const Address address = reserve(sizeof(Value) / sizeof(std::uint32_t), alignment);
        set(address, value);
        return address;
    }
    template <typename Value>
    void set(Address address, const Value& value) {
        static_assert(std::is_trivially_copyable_v<Value> && sizeof(Value) % sizeof(std::uint32_t) == 0);
        std::memcpy(words_.data() + address, &value, sizeof(value));
    }
    template <typename Value>
    [[nodiscard]] Value get(Address address) const {
        Value value;
        std::memcpy(&value, words_.data() + address, sizeof(value));
        return value;
    }
    [[nodiscard]] std::uint32_t& operator[](Address address) { return words_[address]; }
    [[nodiscard]] std::uint32_t operator[](Address address) const { return words_[address]; }

    // The bytes of a text, without an end mark.
    Address put_text(std::string_view text);

    // Zero when nothing was put.
    [[nodiscard]] std::size_t size() const { return words_.size() == kFirst ? 0 : words_.size(); }
    [[nodiscard]] std::span<const std::uint32_t> words() const { return words_; }

private:
    static constexpr std::size_t kFirst = 16;

    std::vector<std::uint32_t> words_;
};

}  // namespace fwctl::compile
