#include "engine/pcap_library.h"

#include <dlfcn.h>
#include <fmt/format.h>

namespace fwctl::engine {
namespace {

constexpr const char* kFile = "libpcap.so.0.8";  // as libpcap calls itself in Debian

Result<PcapLibrary> load() {
    void* file = dlopen(kFile, RTLD_NOW);
    if (file == nullptr) return fail(fmt::format("captures need libpcap: {}", dlerror()));
    PcapLibrary library{};
    bool is_whole = true;
    const auto find = [&](auto& function, const char* name) {
        function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(file, name));
        is_whole = is_whole && function != nullptr;
    };
    find(library.open_offline, "pcap_open_offline");
    find(library.open_dead, "pcap_open_dead");
    find(library.close, "pcap_close");
    find(library.datalink, "pcap_datalink");
    find(library.datalink_val_to_name, "pcap_datalink_val_to_name");
    find(library.next_ex, "pcap_next_ex");
    find(library.geterr, "pcap_geterr");
    find(library.compile, "pcap_compile");
    find(library.freecode, "pcap_freecode");
    find(library.offline_filter, "pcap_offline_filter");
    if (!is_whole) return fail(fmt::format("captures need another version of {}", kFile));
    return library;
}

}  // namespace

Result<const PcapLibrary*> pcap_library() {
    static const Result<PcapLibrary> library = load();
    if (!library) return tl::unexpected(library.error());
    return &*library;
}

}  // namespace fwctl::engine
