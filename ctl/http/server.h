// A small HTTP server: what it answers is made at once, or told piece by piece to whoever stays; it is read
// by GET or HEAD alone.
//
// Promises: everything happens in the thread that calls run_once(), which waits for no client. At most
// kConnections at a time on each listener, by TCP kFromOneAddress from one address, kRequest bytes of each;
// who says nothing for kSilence, or is not done within kWhole, is cut off. Each answer ends its connection.
// On a TCP listener the request has to name this host (http/host.h), or gets 421. Of a Stream nothing is lost
// on the way: who takes too little of it for too long is cut off.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace fwctl::http {

// What a client gets piece by piece, for as long as it stays.
class Stream {
public:
    static constexpr std::size_t kWaiting = std::size_t{1} << 20;

    void push(std::string_view piece);
    // The client has left, or has been cut off.
    [[nodiscard]] bool has_ended() const { return ended_; }

private:
    friend class Server;
    std::string waiting_;
    std::function<void()> wake_;  // set while the connection sleeps
    bool ended_ = false;
};

struct Request {
    std::string path;           // "/metrics"; what stands behind a question mark is left out
    std::string last_event_id;  // of a client that was cut off from a stream
};

// Many clients may be given the same one: it is there once, for as long as one of them takes it.
using Body = std::shared_ptr<const std::string>;

inline Body body_of(std::string text) {
    return std::make_shared<const std::string>(std::move(text));
}

struct Reply {
    unsigned status = 200;
    std::string type = "text/plain; charset=utf-8";
    Body body;
    std::shared_ptr<Stream> stream = nullptr;  // in place of the body
};

using Handler = std::function<Reply(const Request& request)>;
using Headers = std::vector<std::pair<std::string, std::string>>;

class Server {
public:
    static constexpr unsigned kConnections = 256;
    static constexpr unsigned kFromOneAddress = 32;
    static constexpr std::size_t kRequest = 16'384;
    static constexpr std::chrono::seconds kSilence{5};
    static constexpr std::chrono::seconds kWhole{30};

    // `names`: what a request may call this host beside "localhost" and the address that it has come to.
    // `headers`: of every answer.
    Server(std::vector<std::string> names, Handler handler, Headers headers = {});
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    Server(Server&&) = delete;
    Server& operator=(Server&&) = delete;
    ~Server();

    // Of TCP or of the file system; it stays the caller's.
    Status listen(int socket);

    // Waits for clients, at most so long, and does what is to be done.
    void run_once(std::chrono::milliseconds timeout);

private:
    class Listener;

    static std::ptrdiff_t read_stream(void* user, std::uint64_t, char* room, std::size_t size);
    static void end_stream(void* user);

    std::vector<std::string> names_;
    Handler handler_;
    Headers headers_;
    std::vector<std::unique_ptr<Listener>> listeners_;
};

}  // namespace fwctl::http
