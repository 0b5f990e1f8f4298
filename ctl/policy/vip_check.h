// What can be said of balanced services when all files are read: packets that two of them would balance, more
// backends than there is room for, services without any, and tests that expect one that is not there.
#pragma once

#include "policy/draft.h"

namespace fwctl::policy {

void check_vips(const Draft& draft);

}  // namespace fwctl::policy
