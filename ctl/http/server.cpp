#include "http/server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstring>
#include <map>
#include <string_view>
#include <utility>

#include "base/fd.h"
#include "http/host.h"

namespace fwctl::http {
namespace {

using Clock = std::chrono::steady_clock;

// The address that the client has connected to; empty: it is of no network.
std::string own_address(int socket) {
    sockaddr_storage address{};
    socklen_t size = sizeof(address);
    if (getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
    std::array<char, INET6_ADDRSTRLEN> text{};
    const void* bytes = nullptr;
    if (address.ss_family == AF_INET)
        bytes = &reinterpret_cast<const sockaddr_in*>(&address)->sin_addr;
    else if (address.ss_family == AF_INET6)
        bytes = &reinterpret_cast<const sockaddr_in6*>(&address)->sin6_addr;
    else
        return {};
    inet_ntop(address.ss_family, bytes, text.data(), text.size());
    return text.data();
}

int socket_of(MHD_Connection* connection) {
    const MHD_ConnectionInfo* info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info == nullptr ? -1 : info->connect_fd;
}

MHD_Result gather_host(void* user, MHD_ValueKind, const char* key, const char* value) {
    if (strcasecmp(key, MHD_HTTP_HEADER_HOST) == 0)
        static_cast<std::vector<std::string>*>(user)->emplace_back(value == nullptr ? "" : value);
    return MHD_YES;
}

std::vector<std::string> hosts_of(MHD_Connection* connection) {
    std::vector<std::string> hosts;
    MHD_get_connection_values(connection, MHD_HEADER_KIND, &gather_host, &hosts);
    return hosts;
}

Reply refusal(unsigned status, std::string_view why) {
    return {status, Reply().type, body_of(fmt::format("{}\n", why))};
}

// A client of a stream, while its connection is there.
struct Reader {
    MHD_Connection* connection = nullptr;
    std::shared_ptr<Stream> stream;
};

constexpr std::size_t kPiece = 32'768;

// The library holds the body until it has been sent.
MHD_Response* response_with(const Body& body) {
    auto held = std::make_unique<Body>(body);
    MHD_Response* response = MHD_create_response_from_buffer_with_free_callback_cls(
        body->size(), const_cast<char*>(body->data()),
        [](void* user) { const std::unique_ptr<Body> done(static_cast<Body*>(user)); }, held.get());
    if (response != nullptr) (void)held.release();
    return response;
}

// What the library would print on stderr is the client's doing alone.
void say_nothing(void*, const char*, va_list) {}

}  // namespace

class Server::Listener {
public:
    explicit Listener(const Server& server) : server_(server) {}
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    Listener(Listener&&) = delete;
    Listener& operator=(Listener&&) = delete;
    ~Listener() {
        if (daemon_ != nullptr) MHD_stop_daemon(daemon_);
    }

    // The library closes what it listens on.
    bool start(int socket) {
        Fd own(fcntl(socket, F_DUPFD_CLOEXEC, 0));
        if (!own) return false;
        // Who comes by the file system has no address.
        const unsigned from_one_address = own_address(socket).empty() ? 0 : kFromOneAddress;
        daemon_ = MHD_start_daemon(
            MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, nullptr, nullptr,
            &Listener::on_request, this, MHD_OPTION_EXTERNAL_LOGGER, &say_nothing, nullptr,
            MHD_OPTION_LISTEN_SOCKET, own.get(), MHD_OPTION_CONNECTION_LIMIT, kConnections,
            MHD_OPTION_PER_IP_CONNECTION_LIMIT, from_one_address, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
            kRequest, MHD_OPTION_CONNECTION_TIMEOUT, static_cast<unsigned>(kSilence.count()),
            MHD_OPTION_NOTIFY_CONNECTION, &Listener::on_connection, this, MHD_OPTION_END);
        if (daemon_ == nullptr) return false;
        own.release();
        return true;
    }

    [[nodiscard]] int fd() const { return MHD_get_daemon_info(daemon_, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd; }

    [[nodiscard]] std::chrono::milliseconds due(std::chrono::milliseconds limit) const {
        MHD_UNSIGNED_LONG_LONG timeout = 0;
        if (MHD_get_timeout(daemon_, &timeout) == MHD_YES)
            limit = std::min(limit, std::chrono::milliseconds(timeout));
        return began_.empty() ? limit : std::min(limit, std::chrono::milliseconds(1000));
    }

    void run() {
        for (const auto& [connection, began] : began_)
            if (Clock::now() - began > kWhole) shutdown(socket_of(connection), SHUT_RDWR);
        MHD_run(daemon_);
    }

private:
    static void on_connection(void* user, MHD_Connection* connection, void**,
                              MHD_ConnectionNotificationCode code) {
        auto& began = static_cast<Listener*>(user)->began_;
        if (code == MHD_CONNECTION_NOTIFY_STARTED)
            began[connection] = Clock::now();
        else
            began.erase(connection);
    }

    // At its first call the head of the request is there; a body is neither wanted nor read.
    static MHD_Result on_request(void* user, MHD_Connection* connection, const char* path, const char* method,
                                 const char*, const char*, std::size_t*, void**) {
        auto& self = *static_cast<Listener*>(user);
        const std::string_view way(method);
        if (way != MHD_HTTP_METHOD_GET && way != MHD_HTTP_METHOD_HEAD)
            return self.answer(connection, refusal(MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD"));
        if (const std::string own = own_address(socket_of(connection)); !own.empty()) {
            const auto hosts = hosts_of(connection);
            if (hosts.size() != 1)
                return self.answer(connection, refusal(MHD_HTTP_BAD_REQUEST, "one Host is needed"));
            if (!is_own_host(hosts.front(), own, self.server_.names_))
                return self.answer(connection,
                                   refusal(MHD_HTTP_MISDIRECTED_REQUEST, "not a name of this host (--host)"));
        }
        const char* last = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Last-Event-ID");
        return self.answer(connection, self.server_.handler_({path, last == nullptr ? "" : last}));
    }

    // Of a stream the time that an answer may take does not count.
    MHD_Response* response_of(MHD_Connection* connection, const Reply& reply) {
        if (reply.stream == nullptr) return response_with(reply.body);
        auto reader = std::make_unique<Reader>(Reader{connection, reply.stream});
        MHD_Response* response = MHD_create_response_from_callback(
            MHD_SIZE_UNKNOWN, kPiece, &Server::read_stream, reader.get(), &Server::end_stream);
        if (response == nullptr) return nullptr;
        (void)reader.release();  // end_stream() frees it
        began_.erase(connection);
        return response;
    }

    MHD_Result answer(MHD_Connection* connection, const Reply& reply) {
        MHD_Response* response = response_of(connection, reply);
        if (response == nullptr) return MHD_NO;
        for (const auto& [name, value] : server_.headers_)
            MHD_add_response_header(response, name.c_str(), value.c_str());
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply.type.c_str());
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
        MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
        MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
        if (reply.status == MHD_HTTP_METHOD_NOT_ALLOWED)
            MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
        const MHD_Result queued = MHD_queue_response(connection, reply.status, response);
        MHD_destroy_response(response);
        return queued;
    }

    const Server& server_;
    std::map<MHD_Connection*, Clock::time_point> began_;
    MHD_Daemon* daemon_ = nullptr;
};

void Stream::push(std::string_view piece) {
    if (ended_) return;
    // One that is longer by itself is no sign that nobody reads.
    if (!waiting_.empty() && waiting_.size() + piece.size() > kWaiting)
        ended_ = true;
    else
        waiting_ += piece;
    if (wake_) std::exchange(wake_, nullptr)();
}

// Where there is nothing for now, the connection sleeps until push().
std::ptrdiff_t Server::read_stream(void* user, std::uint64_t, char* room, std::size_t size) {
    const auto& [connection, stream] = *static_cast<Reader*>(user);
    if (stream->ended_) return MHD_CONTENT_READER_END_OF_STREAM;
    const std::size_t taken = std::min(size, stream->waiting_.size());
    stream->waiting_.copy(room, taken);
    stream->waiting_.erase(0, taken);
    if (taken == 0) {
        MHD_suspend_connection(connection);
        stream->wake_ = [connection = connection] { MHD_resume_connection(connection); };
    }
    return static_cast<std::ptrdiff_t>(taken);
}

void Server::end_stream(void* user) {
    const std::unique_ptr<Reader> reader(static_cast<Reader*>(user));
    reader->stream->ended_ = true;
    reader->stream->wake_ = nullptr;
}

Server::Server(std::vector<std::string> names, Handler handler, Headers headers)
    : names_(std::move(names)), handler_(std::move(handler)), headers_(std::move(headers)) {}

Server::~Server() = default;

Status Server::listen(int socket) {
    auto listener = std::make_unique<Listener>(*this);
    if (!listener->start(socket)) return fail(fmt::format("cannot begin to serve: {}", strerror(errno)));
    listeners_.push_back(std::move(listener));
    return {};
}

void Server::run_once(std::chrono::milliseconds timeout) {
    std::vector<pollfd> waiting;
    for (const auto& listener : listeners_) {
        waiting.push_back({listener->fd(), POLLIN, 0});
        timeout = listener->due(timeout);
    }
    (void)poll(waiting.data(), waiting.size(), static_cast<int>(timeout.count()));
    for (const auto& listener : listeners_) listener->run();
}

}  // namespace fwctl::http
