// Several workers, many clients and every thread-safe call at once: no request is lost, and TSan has nothing to say.
#include <arpa/inet.h>
#include <cardea/cardea.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace {

int connect_to(int port) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(uint16_t(port));
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0) return fd;
  close(fd);
  return -1;
}

bool send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(size_t(n));
  }
  return true;
}

// One answer with a Content-Length; empty when the connection ended before it was whole.
std::string read_answer(int fd) {
  std::string text;
  char block[4096];
  for (;;) {
    const size_t end = text.find("\r\n\r\n");
    if (end != std::string::npos) {
      const size_t length = text.find("ength: ");
      if (length == std::string::npos || length > end) return text;
      if (text.size() >= end + 4 + size_t(atoi(text.c_str() + length + 7))) return text;
    }
    const ssize_t n = recv(fd, block, sizeof block, 0);
    if (n <= 0) return {};
    text.append(block, size_t(n));
  }
}

// Answers every request with "fine"; a thread for all connections.
class Service {
 public:
  Service() {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
    EXPECT_EQ(listen(fd_, 256), 0);
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &size), 0);
    EXPECT_EQ(pipe(stop_), 0);
    url_ = "http://127.0.0.1:" + std::to_string(ntohs(at.sin_port));
    thread_ = std::thread([this] { run(); });
  }
  ~Service() {
    close(stop_[1]);
    thread_.join();
    close(stop_[0]);
    close(fd_);
  }
  const std::string& url() const { return url_; }

 private:
  void run() {
    std::vector<pollfd> fds{{stop_[0], POLLIN, 0}, {fd_, POLLIN, 0}};
    std::vector<std::string> heads(2);
    for (;;) {
      poll(fds.data(), fds.size(), -1);
      if (fds[0].revents) break;
      for (size_t i = fds.size(); i-- > 2;) {
        if (!fds[i].revents || serve(fds[i].fd, heads[i])) continue;
        close(fds[i].fd);
        fds.erase(fds.begin() + ptrdiff_t(i));
        heads.erase(heads.begin() + ptrdiff_t(i));
      }
      if (!fds[1].revents) continue;
      fds.push_back({accept(fd_, nullptr, nullptr), POLLIN, 0});
      heads.emplace_back();
    }
    for (size_t i = 2; i < fds.size(); ++i) close(fds[i].fd);
  }
  static bool serve(int fd, std::string& head) {
    char block[4096];
    const ssize_t n = recv(fd, block, sizeof block, 0);
    if (n <= 0) return false;
    head.append(block, size_t(n));
    for (size_t end; (end = head.find("\r\n\r\n")) != std::string::npos; head.erase(0, end + 4)) {
      if (!send_all(fd, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine")) return false;
    }
    return true;
  }
  int fd_ = -1, stop_[2] = {-1, -1};
  std::string url_;
  std::thread thread_;
};

// Authorizations wait here for threads that complete them.
struct Host {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<cardea_token> pending;
  bool over = false;
  std::atomic<int> asked{0}, ended{0}, opened{0}, closed{0}, freed{0}, drained{0}, stale{0};

  void complete_until_over() {
    std::unique_lock lock(mutex);
    for (;;) {
      changed.wait(lock, [&] { return over || !pending.empty(); });
      if (pending.empty()) return;
      const cardea_token token = pending.front();
      pending.pop_front();
      lock.unlock();
      if (cardea_authorize_complete(token, CARDEA_ALLOW, "who", 3) != CARDEA_OK) ++stale;
      EXPECT_EQ(cardea_authorize_complete(token, CARDEA_DENY, nullptr, 0), CARDEA_ESTALE);
      lock.lock();
    }
  }
};

cardea_handlers handlers() {
  cardea_handlers h{};
  h.struct_size = sizeof h;
  h.on_authorize = [](void* ud, cardea_request*, cardea_token token) {
    auto* host = static_cast<Host*>(ud);
    ++host->asked;
    std::lock_guard lock(host->mutex);
    host->pending.push_back(token);
    host->changed.notify_one();
    return CARDEA_PENDING;
  };
  h.on_request_end = [](void* ud, cardea_request* r) {
    cardea_str record;
    EXPECT_EQ(cardea_request_get_str(r, CARDEA_STR_ACCESS_RECORD, &record), CARDEA_OK);
    ++static_cast<Host*>(ud)->ended;
  };
  h.on_conn_open = [](void* ud, cardea_conn*) { ++static_cast<Host*>(ud)->opened; };
  h.on_conn_close = [](void* ud, cardea_conn*) { ++static_cast<Host*>(ud)->closed; };
  return h;
}

cardea_config* configuration(const std::string& service, int number) {
  const std::string text =
      "address: 127.0.0.1:0\ninsecure_server: true\nroutes:\n"
      "  - {from: 'http://app.test', to: '" +
      service +
      "', policy: {allow: {or: [{host: true}]}}, "
      "set_response_headers: {X-Number: '" +
      std::to_string(number) + "'}}\n";
  cardea_config* config = nullptr;
  cardea_error* error = nullptr;
  int code = cardea_config_load(text.data(), text.size(), "threads.yaml", &config, &error);
  if (code == CARDEA_OK) code = cardea_config_seal(config, &error);
  EXPECT_EQ(code, CARDEA_OK) << cardea_error_message(error);
  cardea_error_free(error);
  return config;
}

uint64_t metric(const cardea_proxy* proxy, std::string_view wanted) {
  size_t cursor = 0;
  cardea_str name, kind, help;
  uint64_t value = 0;
  while (cardea_proxy_metric_next(proxy, &cursor, &name, &kind, &help, &value) == 1) {
    if (std::string_view(name.ptr, name.len) == wanted) return value;
  }
  ADD_FAILURE() << "no metric " << wanted;
  return 0;
}

constexpr int kWorkers = 3, kClients = 12, kRequests = 40;

// Half of the clients make a connection for each request, half keep one.
int run_client(int port, bool keep) {
  int good = 0, fd = -1;
  for (int i = 0; i < kRequests; ++i) {
    if (fd < 0) fd = connect_to(port);
    if (fd < 0) continue;
    const bool sent = send_all(fd, "GET /x HTTP/1.1\r\nHost: app.test\r\n\r\n");
    const std::string answer = sent ? read_answer(fd) : "";
    if (answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nfine")) ++good;
    if (keep && !answer.empty()) continue;
    close(fd);
    fd = -1;
  }
  if (fd >= 0) close(fd);
  return good;
}

TEST(Threads, NoRequestIsLostWhateverElseHappens) {
  Service service;
  Host host;
  const cardea_handlers h = handlers();
  cardea_config* first = configuration(service.url(), 0);
  cardea_proxy* proxy = nullptr;
  ASSERT_EQ(cardea_proxy_new(
                first, &h, &host, [](void* ud) { ++static_cast<Host*>(ud)->freed; }, &proxy, nullptr),
            CARDEA_OK);
  cardea_config_unref(first);
  std::vector<cardea_worker*> workers(kWorkers);
  for (cardea_worker*& w : workers) ASSERT_EQ(cardea_worker_start_thread(proxy, &w, nullptr), CARDEA_OK);
  const int port = cardea_worker_bound_port(workers[0], 0);

  std::atomic<bool> over{false};
  std::atomic<int> good{0};
  std::vector<std::thread> others;
  for (int i = 0; i < 2; ++i) others.emplace_back([&] { host.complete_until_over(); });
  others.emplace_back([&] {  // changes, each of them whole
    for (int i = 1; !over; ++i) {
      cardea_config* next = configuration(service.url(), i);
      EXPECT_EQ(cardea_proxy_apply(proxy, next, nullptr), CARDEA_OK);
      cardea_config_unref(next);
    }
  });
  others.emplace_back([&] {  // reads
    while (!over) {
      EXPECT_LE(metric(proxy, "requests_active"), uint64_t(kClients));
      uint64_t generation = 0;
      EXPECT_EQ(cardea_proxy_generation(proxy, &generation), CARDEA_OK);
      for (cardea_worker* w : workers) {
        cardea_str address;
        EXPECT_EQ(cardea_worker_bound_address(w, 0, &address), CARDEA_OK);
        EXPECT_EQ(cardea_worker_wakeup(w), CARDEA_OK);
      }
    }
  });
  std::vector<std::thread> clients;
  for (int i = 0; i < kClients; ++i) clients.emplace_back([&, i] { good += run_client(port, i % 2 == 0); });
  for (std::thread& t : clients) t.join();
  EXPECT_EQ(good, kClients * kRequests);
  over = true;
  {
    std::lock_guard lock(host.mutex);
    host.over = true;
  }
  host.changed.notify_all();
  for (std::thread& t : others) t.join();

  ASSERT_EQ(cardea_proxy_drain(
                proxy, 10'000, [](void* ud, int) { ++static_cast<Host*>(ud)->drained; }, &host),
            CARDEA_OK);
  for (cardea_worker* w : workers) EXPECT_EQ(cardea_worker_close(w, nullptr, nullptr), CARDEA_OK);
  for (cardea_worker* w : workers) {
    EXPECT_EQ(cardea_worker_join(w, 10'000), CARDEA_OK);
    cardea_worker_free(w);
  }
  EXPECT_EQ(host.drained, 1);
  EXPECT_EQ(host.ended, kClients * kRequests);
  EXPECT_EQ(host.asked, kClients * kRequests);
  EXPECT_EQ(host.opened, host.closed);
  EXPECT_EQ(host.stale, 0);
  EXPECT_EQ(metric(proxy, "requests_total"), uint64_t(kClients * kRequests));
  EXPECT_EQ(metric(proxy, "requests_active"), 0u);
  EXPECT_EQ(metric(proxy, "downstream_connections_active"), 0u);
  EXPECT_EQ(host.freed, 0);
  cardea_proxy_unref(proxy);
  EXPECT_EQ(host.freed, 1);
}

// Workers come and go while clients are there and completions arrive for requests that are gone.
TEST(Threads, WorkersEndWhileDecisionsArrive) {
  Service service;
  for (int round = 0; round < 10; ++round) {
    Host host;
    const cardea_handlers h = handlers();
    cardea_config* config = configuration(service.url(), round);
    cardea_proxy* proxy = nullptr;
    ASSERT_EQ(cardea_proxy_new(
                  config, &h, &host, [](void* ud) { ++static_cast<Host*>(ud)->freed; }, &proxy, nullptr),
              CARDEA_OK);
    cardea_config_unref(config);
    std::vector<cardea_worker*> workers(kWorkers);
    for (cardea_worker*& w : workers) ASSERT_EQ(cardea_worker_start_thread(proxy, &w, nullptr), CARDEA_OK);
    const int port = cardea_worker_bound_port(workers[0], 0);
    std::vector<std::thread> threads;
    threads.emplace_back([&] { host.complete_until_over(); });
    for (int i = 0; i < 6; ++i) threads.emplace_back([&, i] { run_client(port, i % 2 == 0); });
    while (host.ended < 5) std::this_thread::yield();
    for (cardea_worker* w : workers) cardea_worker_free(w);  // in the middle of it all
    cardea_proxy_unref(proxy);
    while (host.freed == 0) std::this_thread::yield();
    {
      std::lock_guard lock(host.mutex);
      host.over = true;
    }
    host.changed.notify_all();
    for (std::thread& t : threads) t.join();
    EXPECT_EQ(host.freed, 1);
    EXPECT_EQ(host.opened, host.closed);
    EXPECT_EQ(host.asked, host.ended);
  }
}

}  // namespace
