#include "engine/current_store.h"

#include <utility>

#include "engine/session.h"

namespace fwctl::engine {

bool CurrentStore::is_there() const {
    return store_ != nullptr && kernel::inode_of(store_->paths().directory) == directory_;
}

Result<bool> CurrentStore::find() {
    if (is_there()) return false;
    store_.reset();
    auto store = open_to_peek();
    if (!store) return tl::unexpected(store.error());
    const auto directory = *store ? kernel::inode_of((*store)->paths().directory) : std::nullopt;
    if (!directory) return nothing_attached();
    store_ = std::make_unique<Store>(std::move(**store));
    directory_ = *directory;
    return true;
}

}  // namespace fwctl::engine
