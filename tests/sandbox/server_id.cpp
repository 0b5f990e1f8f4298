// Preloaded into ngtcp2's example server (gtlsserver): the connection ids that it makes carry a server id, as
// draft-ietf-quic-load-balancers has it without encryption. FIRST_OCTETS is their beginning in hexadecimal.
//
// Promises: nothing else that the server draws is changed: its connection ids alone have 18 octets.
#include <dlfcn.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace {

constexpr std::size_t kConnectionId = 18;  // NGTCP2_SV_SCIDLEN of the example

void put_first_octets(unsigned char* id) {
    const char* digits = std::getenv("FIRST_OCTETS");
    for (std::size_t i = 0; i < std::strlen(digits) / 2; ++i) {
        const char octet[3] = {digits[2 * i], digits[2 * i + 1], 0};
        id[i] = static_cast<unsigned char>(std::strtoul(octet, nullptr, 16));
    }
}

}  // namespace

// gnutls/crypto.h
extern "C" int gnutls_rnd(int level, void* data, std::size_t size) {
    using Draw = int (*)(int, void*, std::size_t);
    static const auto draw = reinterpret_cast<Draw>(dlsym(RTLD_NEXT, "gnutls_rnd"));
    const int result = draw(level, data, size);
    if (result == 0 && size == kConnectionId) put_first_octets(static_cast<unsigned char*>(data));
    return result;
}
