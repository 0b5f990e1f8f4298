#include "page/page.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <map>

#include <nlohmann/json.hpp>

#include "page/assets.h"

namespace fwctl::page {
namespace {

using Json = nlohmann::json;

constexpr unsigned kNotFound = 404;
constexpr unsigned kUnavailable = 503;

}  // namespace

http::Headers security_headers() {
    return {{"Content-Security-Policy",
             "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
            {"Cross-Origin-Resource-Policy", "same-origin"},
            {"Referrer-Policy", "no-referrer"}};
}

// Numbers begin with the time, so that those of a process before are smaller.
Page::Page(std::function<Result<std::string>()> ask)
    : ask_(std::move(ask)),
      number_(static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                             std::chrono::system_clock::now().time_since_epoch())
                                             .count())) {}

http::Reply Page::answer(const http::Request& request) {
    if (request.path == "/stream") return begin(request);
    for (const Asset& asset : assets())
        if (asset.path == request.path)
            return {200, std::string(asset.type), http::body_of(std::string(asset.text))};
    return {kNotFound, http::Reply().type, http::body_of("there is nothing here\n")};
}

http::Reply Page::begin(const http::Request& request) {
    std::erase_if(streams_, [](const auto& one) { return one->has_ended(); });
    if (streams_.size() == kClients)
        return {kUnavailable, http::Reply().type,
                http::body_of(fmt::format("{} look at it already\n", kClients))};
    std::uint64_t since = 0;
    const std::string& last = request.last_event_id;
    std::from_chars(last.data(), last.data() + last.size(), since);
    auto stream = std::make_shared<http::Stream>();
    stream->push("retry: 1000\n\n");
    std::map<std::uint64_t, const std::string*> missed;
    for (const Series& series : series_)
        for (const Message& one : series.kept)
            if (one.number > since) missed[one.number] = &one.text;
    for (const auto& one : missed) stream->push(*one.second);
    streams_.push_back(stream);
    asked_ = true;
    http::Reply reply{200, "text/event-stream", {}};
    reply.stream = std::move(stream);
    return reply;
}

std::string Page::message(std::string_view event, const std::string& data) {
    return fmt::format("id: {}\nevent: {}\ndata: {}\n\n", ++number_, event, data);
}

void Page::push(const std::string& text) {
    for (const auto& stream : streams_) stream->push(text);
}

void Page::tick() {
    asked_ = false;
    std::erase_if(streams_, [](const auto& one) { return one->has_ended(); });
    if (streams_.empty()) return;
    auto state = ask_();
    const Status taken = state ? take(*state) : Status(tl::unexpected(state.error()));
    if (!taken)
        push(
            message("gone", Json(taken.error().message).dump(-1, ' ', true, Json::error_handler_t::replace)));
}

Status Page::take(const std::string& text) {
    Json state = Json::parse(text, nullptr, false);
    const auto has = [&](const Series& one) { return state[one.key].is_array(); };
    if (!state.is_object() || state.value("schema", 0) != 1 ||
        !std::all_of(series_.begin(), series_.end(), has))
        return fail("what the agent says is not understood: is it of another version?");
    if (const auto epoch = state.value("epoch", std::int64_t{0}); epoch != epoch_) {
        epoch_ = epoch;
        for (Series& series : series_) series.last = 0;
    }
    for (Series& series : series_) {
        for (const Json& one : state[series.key]) {
            const auto number = one.value("number", std::uint64_t{0});
            if (number <= series.last) continue;
            series.last = number;
            std::string text_of_one = message(series.event, one.dump());
            push(text_of_one);
            series.kept.push_back({number_, std::move(text_of_one)});
            if (series.kept.size() > series.most) series.kept.pop_front();
        }
        state.erase(std::string(series.key));
    }
    push(message("state", state.dump()));
    return {};
}

}  // namespace fwctl::page
