#include "agent/privilege.h"

#include <fmt/format.h>
#include <sys/prctl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <type_traits>

namespace fwctl::agent {
namespace {

using Capabilities = std::unique_ptr<std::remove_pointer_t<cap_t>, decltype(&cap_free)>;

tl::unexpected<Error> cannot_give_up() {
    return fail(fmt::format("cannot give up root's privileges: {}", strerror(errno)), Exit::kNoPrivilege);
}

bool is_kept(cap_value_t one) {
    return std::find(kReporterCapabilities.begin(), kReporterCapabilities.end(), one) !=
           kReporterCapabilities.end();
}

}  // namespace

Status keep_what_reporting_needs() {
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return cannot_give_up();
    // Without the capability to do so there is nothing to take away that this process could ever use.
    for (cap_value_t one = 0; CAP_IS_SUPPORTED(one); ++one)
        if (!is_kept(one) && cap_get_bound(one) == 1 && cap_drop_bound(one) != 0 && errno != EPERM)
            return cannot_give_up();
    const Capabilities own(cap_get_proc(), cap_free);
    const Capabilities kept(cap_init(), cap_free);
    if (own == nullptr || kept == nullptr) return cannot_give_up();
    for (const cap_value_t one : kReporterCapabilities) {
        cap_flag_value_t has = CAP_CLEAR;
        cap_get_flag(own.get(), one, CAP_PERMITTED, &has);
        for (const cap_flag_t flag : {CAP_PERMITTED, CAP_EFFECTIVE})
            cap_set_flag(kept.get(), flag, 1, &one, has);
    }
    return cap_set_proc(kept.get()) == 0 ? Status() : cannot_give_up();
}

}  // namespace fwctl::agent
