// What libbpf and libxdp say: kept back, unless the user wants to see it.
#pragma once

namespace fwctl::kernel {

// Whether it goes to stderr as it comes, or nowhere. To be called first: left alone, both libraries write
// warnings.
void show_library_log(bool show);

}  // namespace fwctl::kernel
