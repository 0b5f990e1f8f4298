// Somebody who listens to events and reads them on the processors that nothing is measured on.
#pragma once

#include <memory>
#include <stop_token>
#include <thread>

#include "base/result.h"
#include "engine/listener.h"

namespace fwctl::bench {

class Audience {
public:
    static Result<Audience> of(const engine::Store& store, const engine::Wanted& wanted);

private:
    explicit Audience(std::unique_ptr<engine::Listener> listener);
    static void read(const std::stop_token& ends, engine::Listener& listener);

    std::unique_ptr<engine::Listener> listener_;
    std::jthread reader_;
};

}  // namespace fwctl::bench
