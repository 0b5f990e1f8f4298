// fwctl-page: what `fwctl page` becomes. A program of its own, without any of what can change something: it
// talks to the agent's socket and to browsers.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <span>

#include "base/server_settings.h"
#include "http/server.h"
#include "net/listen.h"
#include "page/page.h"
#include "page/privilege.h"
#include "page/upstream.h"

namespace fwctl::page {
namespace {

constexpr std::chrono::milliseconds kBetweenTicks(1000);
constexpr std::chrono::milliseconds kSoonest(200);  // of who has just come

// Comes back with an error alone.
Status serve(const ServerSettings& settings) {
    Page page([&] { return ask_agent(settings.socket); });
    http::Server server(
        settings.hosts, [&](const http::Request& request) { return page.answer(request); },
        security_headers());
    for (const std::string& one : settings.listen) {
        auto endpoint = net::parse_endpoint(one);
        if (!endpoint) return tl::unexpected(endpoint.error());
        auto socket = net::listen_tcp(*endpoint);
        if (!socket) return tl::unexpected(socket.error());
        if (auto listening = server.listen(socket->get()); !listening) return listening;
        fmt::print(stderr, "http://{}/\n", one);
    }
    if (auto given_up = give_up_privilege(settings.socket); !given_up) return given_up;
    using Clock = std::chrono::steady_clock;
    for (auto ticked = Clock::now();;) {
        const auto pause = page.is_asked() ? kSoonest : kBetweenTicks;
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(ticked + pause - Clock::now());
        server.run_once(std::max(left, std::chrono::milliseconds(0)));
        if (Clock::now() - ticked < pause) continue;
        ticked = Clock::now();
        page.tick();
    }
}

}  // namespace
}  // namespace fwctl::page

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);
    const std::span words(argv + 1, static_cast<std::size_t>(argc - 1));
    const auto ended = fwctl::page::serve(fwctl::ServerSettings::of(words));
    fmt::print(stderr, "fwctl page: {}\n", ended.error().message);
    return static_cast<int>(ended.error().exit);
}
