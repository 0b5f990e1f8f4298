// The page: its files, and what it shows, told to all who look by server-sent events.
//
// Promises: reads what the agent tells and nothing else; asks it only while somebody looks. At most kClients
// look at a time. Each message has a number that only grows; who comes back with the last one that he got is
// told what has happened since, as far as the last kEvents go, and samples of packets, as far as the last
// kSamples. That the agent does not answer is told, and that it does again.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/server.h"

namespace fwctl::page {

// Of every answer: what the page may load, and that nobody else's page shows it.
http::Headers security_headers();

class Page {
public:
    static constexpr std::size_t kClients = 16;
    static constexpr std::size_t kEvents = 400;
    static constexpr std::size_t kSamples = 30;

    // `ask`: what the agent says of its state.
    explicit Page(std::function<Result<std::string>()> ask);

    http::Reply answer(const http::Request& request);

    // Once a second.
    void tick();
    // Somebody has come who was told nothing yet.
    [[nodiscard]] bool is_asked() const { return asked_; }

private:
    struct Message {
        std::uint64_t number = 0;
        std::string text;
    };
    // What the agent numbers, and is told once.
    struct Series {
        std::string_view key;    // in what the agent says
        std::string_view event;  // what the page calls one
        std::size_t most = 0;
        std::deque<Message> kept;
        std::uint64_t last = 0;  // of the agent's numbers, that was told
    };
    http::Reply begin(const http::Request& request);
    std::string message(std::string_view event, const std::string& data);
    void push(const std::string& text);
    Status take(const std::string& state);

    std::function<Result<std::string>()> ask_;
    std::vector<std::shared_ptr<http::Stream>> streams_;
    std::array<Series, 2> series_{
        {{"events", "news", kEvents, {}, 0}, {"packets", "packets", kSamples, {}, 0}}};
    std::uint64_t number_;
    std::int64_t epoch_ = 0;  // of the agent's numbers
    bool asked_ = false;
};

}  // namespace fwctl::page
