#include "kernel/log.h"

#include <bpf/libbpf.h>
#include <xdp/libxdp.h>

#include <cstdarg>
#include <cstdio>
#include <vector>

namespace fwctl::kernel {
namespace {

constexpr std::size_t kTailLines = 12;

thread_local std::string* current = nullptr;
bool is_verbose = false;

void append(const char* format, va_list arguments) {
    if (current == nullptr) return;
    va_list again;
    va_copy(again, arguments);
    const int length = vsnprintf(nullptr, 0, format, again);
    va_end(again);
    if (length <= 0) return;
    std::vector<char> line(static_cast<std::size_t>(length) + 1);
    vsnprintf(line.data(), line.size(), format, arguments);
    current->append(line.data(), static_cast<std::size_t>(length));
    if (is_verbose) fputs(line.data(), stderr);
}

int from_libbpf(enum libbpf_print_level level, const char* format, va_list arguments) {
    if (level != LIBBPF_DEBUG) append(format, arguments);
    return 0;
}

int from_libxdp(enum libxdp_print_level level, const char* format, va_list arguments) {
    if (level != LIBXDP_DEBUG) append(format, arguments);
    return 0;
}

}  // namespace

LogCapture::LogCapture() {
    current = &text_;
    libbpf_set_print(from_libbpf);
    libxdp_set_print(from_libxdp);
}

LogCapture::~LogCapture() { current = nullptr; }

void LogCapture::set_verbose(bool verbose) { is_verbose = verbose; }

std::string LogCapture::tail() const {
    std::size_t start = text_.size();
    for (std::size_t lines = 0; start > 0; --start)
        if (text_[start - 1] == '\n' && start != text_.size() && ++lines == kTailLines) break;
    return text_.substr(start);
}

}  // namespace fwctl::kernel
