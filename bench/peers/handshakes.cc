// Load tool for the handshake row: each round trip is a new connection, a full TLS handshake (no session is ever
// offered) and one HTTP/1.1 request.
//
// handshakes PORT PATH SECONDS CONCURRENCY     prints «REQUESTS FAILURES MEAN_US P99_US»
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Totals {
  std::mutex mutex;
  std::vector<uint32_t> micros;
  size_t failures = 0;
};

// True when the whole answer (head and its content-length) has arrived.
bool complete(const std::string& answer) {
  size_t head = answer.find("\r\n\r\n");
  if (head == std::string::npos) return false;
  const char* field = strcasestr(answer.c_str(), "content-length:");
  if (!field || static_cast<size_t>(field - answer.c_str()) > head) return false;
  return answer.size() >= head + 4 + strtoul(field + 15, nullptr, 10);
}

bool round_trip(SSL_CTX* tls, const sockaddr_in& address, const std::string& request, std::string& answer) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  bool good = fd >= 0 && connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  SSL* ssl = good ? SSL_new(tls) : nullptr;
  if (ssl) {
    SSL_set_fd(ssl, fd);
    SSL_set_tlsext_host_name(ssl, "localhost");
    good = SSL_connect(ssl) == 1 && SSL_session_reused(ssl) == 0 &&
           SSL_write(ssl, request.data(), static_cast<int>(request.size())) == static_cast<int>(request.size());
    answer.clear();
    char buffer[16384];
    while (good && !complete(answer)) {
      int n = SSL_read(ssl, buffer, sizeof buffer);
      good = n > 0;
      if (good) answer.append(buffer, static_cast<size_t>(n));
    }
    good = good && answer.compare(0, 12, "HTTP/1.1 200") == 0;
    SSL_shutdown(ssl);
    SSL_free(ssl);
  }
  if (fd >= 0) close(fd);
  return good;
}

void client(const sockaddr_in& address, const std::string& request, Clock::time_point until, Totals& totals) {
  SSL_CTX* tls = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(tls, SSL_OP_NO_TICKET);
  const unsigned char alpn[] = "\x08http/1.1";
  SSL_CTX_set_alpn_protos(tls, alpn, sizeof alpn - 1);
  std::vector<uint32_t> micros;
  size_t failures = 0;
  std::string answer;
  while (Clock::now() < until && failures < 1000) {
    auto start = Clock::now();
    if (round_trip(tls, address, request, answer)) {
      micros.push_back(
          static_cast<uint32_t>(std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start).count()));
    } else {
      ++failures;
    }
  }
  SSL_CTX_free(tls);
  std::lock_guard lock(totals.mutex);
  totals.micros.insert(totals.micros.end(), micros.begin(), micros.end());
  totals.failures += failures;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: handshakes PORT PATH SECONDS CONCURRENCY\n");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(atoi(argv[1])));
  std::string request = std::string("GET ") + argv[2] + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
  auto until = Clock::now() + std::chrono::milliseconds(static_cast<int64_t>(atof(argv[3]) * 1000));
  Totals totals;
  std::vector<std::thread> clients;
  for (int i = 0; i < atoi(argv[4]); ++i) {
    clients.emplace_back([&] { client(address, request, until, totals); });
  }
  for (auto& t : clients) t.join();
  auto& micros = totals.micros;
  std::sort(micros.begin(), micros.end());
  uint64_t sum = 0;
  for (uint32_t m : micros) sum += m;
  size_t n = micros.size();
  printf("%zu %zu %lu %u\n", n, totals.failures, n ? static_cast<unsigned long>(sum / n) : 0ul,
         n ? micros[n - 1 - n / 100] : 0u);
}
