#include "compile/bank.h"

#include "fwctl/abi/limits.h"

namespace fwctl::compile {

Address Bank::reserve(std::size_t count, std::size_t alignment) {
    const std::size_t start = (words_.size() + alignment - 1) / alignment * alignment;
    words_.resize(start + count);
    return static_cast<Address>(start);
}

Address Bank::reserve_on_page(std::size_t count, std::size_t alignment) {
    const std::size_t start = (words_.size() + alignment - 1) / alignment * alignment;
    const bool fits = start / FW_PAGE_WORDS == (start + count - 1) / FW_PAGE_WORDS;
    return reserve(count, fits ? alignment : std::size_t{FW_PAGE_WORDS});
}

Address Bank::put_text(std::string_view text) {
    const Address address = reserve((text.size() + sizeof(std::uint32_t) - 1) / sizeof(std::uint32_t), 1);
    std::memcpy(words_.data() + address, text.data(), text.size());
    return address;
}

}  // namespace fwctl::compile
