// <cardea/cardea.hpp> as a C++17 host sees it: a real worker in an epoll loop, or on its thread. Arguments: cardea.h
// and the folder of the wrapper, to see that nothing of it is left out.
#include <sys/socket.h>

#include <atomic>
#include <cctype>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <new>

#include "cpp_binding.h"

using namespace std::chrono_literals;

thread_local int allocations;  // of this thread, ever
[[gnu::noinline]] void* operator new(std::size_t n) {
  ++allocations;
  if (void* p = std::malloc(n ? n : 1)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(std::size_t n, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(n ? n : 1);
}
[[gnu::noinline]] void operator delete(void* p) noexcept {
  std::free(p);
}
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept {
  std::free(p);
}

namespace {

void options_and_configurations() {
  int count = 0;
  cardea::Option::each([&](cardea::Option o) {
    ++count;
    SAME(cardea::Option::by_name(o.owner(), o.name()).value().number(), o.number());
    CHECK(o.doc() && o.type() > 0);
  });
  CHECK(count > 100);
  SAME(cardea::Option::by_name(CARDEA_OWNER_GLOBAL, "nothing").code(), CARDEA_ENOTFOUND);
  CHECK(cardea::Option(CARDEA_OPT_GLOBAL_TIMEOUT_IDLE).range()->max > 0);
  CHECK(!cardea::Option(CARDEA_OPT_CLUSTER_TO).range());

  auto config = config_of(cardea::Policy::everybody().value());
  SAME(config.get_int(CARDEA_OPT_GLOBAL_TIMEOUT_IDLE).value(), 90000);
  SAME(config.get_int(CARDEA_OPT_GLOBAL_MAX_CONNECTIONS).value(), 100);
  CHECK(config.listener_scheme(0).value() == "http");
  SAME(config.file(0).code(), CARDEA_ENOTFOUND);
  CHECK(config.get_str(CARDEA_OPT_GLOBAL_ADMIN_ADDRESS).value().empty());
  SAME(config.set("timeout_idle", 1s).code(), CARDEA_ESEALED);
  SAME(config.set("nothing", 1).code(), CARDEA_ENOTFOUND);

  auto bad = cardea::Config::load("address: 127.0.0.1:0\nno_such_key: 1\n", std::string("mine.yaml"));
  SAME(bad.code(), CARDEA_ECONFIG);
  SAYS(bad.error().message(), "mine.yaml:2:1: no_such_key");
  CHECK(strcmp(bad.error().name(), "CARDEA_ECONFIG") == 0 && bad.error().source_code() == 0);
  SAME(cardea::Policy::parse("nonsense").code(), CARDEA_ECONFIG);
  auto tls = cardea::Tls::create().value();
  SAME(tls.add_cert("a", "b").code(), CARDEA_ETLS);
  tls.add_cert_file("/no/such.pem", std::string("/no/such.key")).value();  // read when it is sealed
  auto listener = cardea::Listener::create("127.0.0.1:0").value();
  listener.set_tls(tls).value();
  listener.set("codec_type", "http1").value();

  cardea::Config taken = std::move(config);
  CHECK(!config && taken);  // NOLINT: a moved-from handle answers
  SAME(config.seal().code(), CARDEA_EINVAL);
  cardea::Config adopted(taken.release());
  CHECK(adopted.c() && !taken);
  adopted.reset();
}

void workers_end() {
  auto config = config_of(cardea::Policy::everybody().value());
  std::atomic<int> done{0};
  for (int i = 0; i < 20; ++i) {
    auto proxy = cardea::Proxy::create(config).value();
    auto stepped = cardea::Worker::create(proxy).value();
    auto thread = cardea::Worker::start_thread(proxy).value();
    CHECK(stepped.bound_address(0).value() == thread.bound_address(0).value());
    SAME(stepped.bound_port(1).code(), CARDEA_ENOTFOUND);
    SAME(thread.step().code(), CARDEA_ENOTSUP);
    SAME(cardea::Worker::create_on(proxy, reinterpret_cast<uv_loop_s*>(&done), 1).code(), CARDEA_ENOTSUP);
    int ends[2];
    SAME(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    client c;
    client_take(&c, ends[0]);
    client_send(&c, "opted HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n");
    stepped.adopt_fd(0, ends[1], "GET /ad").value();
    EpollLoop loop(stepped);
    CHECK(loop.until([&] { return c.eof != 0; }, &c));
    SAYS(c.text, "GET /adopted");
    client_close(&c);
    stepped.wakeup().value();
    thread.close([&](int status) { done += status == CARDEA_OK; }).value();
    thread.join(10s).value();
    if (i % 2) stepped.close([&](int) { ++done; }).value();
    cardea::Worker moved = std::move(stepped);  // its destructor runs it to the end
    thread = std::move(moved);
  }
  SAME(done, 30);
  SAME(cardea::Worker().step().code(), CARDEA_EINVAL);
}

void lines_and_versions() {
  cardea::init().value();
  CHECK(cardea::version() == CARDEA_VERSION_NUM && cardea::version_string() == "0.1.0" && cardea::features() != 0);
  std::string line;
  auto sink = [&](int level, std::string_view text) {
    line = text;
    SAME(level, CARDEA_LOG_NOTICE);
  };
  cardea::set_log(sink, CARDEA_LOG_NOTICE);
  auto proxy = cardea::Proxy::create(config_of(cardea::Policy::everybody().value())).value();
  auto worker = cardea::Worker::create(proxy).value();
  EpollLoop loop(worker);
  client c;
  client_open(&c, worker.bound_port(0).value());
  client_send(&c, "nonsense\r\n\r\n");
  CHECK(loop.until([&] { return !line.empty(); }, &c));
  cardea::set_log(nullptr);
  SAYS(line.c_str(), "request from 127.0.0.1:");
  client_close(&c);
}

std::string text_of_file(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Every function of the C interface is used by the wrapper.
void nothing_is_left_out(const std::string& header, const std::string& folder) {
  std::string wrapper;
  for (const char* part : {"result", "answer", "config", "hooks", "proxy", "worker"}) {
    wrapper += text_of_file(folder + "/" + part + ".hpp");
  }
  const std::string c = text_of_file(header);
  int found = 0;
  for (std::size_t at = 0; (at = c.find("\nCARDEA_API ", at)) != std::string::npos; ++at) {
    const std::size_t end = c.find('(', at), begin = c.rfind("cardea_", end);
    const std::string name = c.substr(begin, end - begin);
    bool used = false;  // as a word
    for (std::size_t in = 0; !used && (in = wrapper.find(name, in)) != std::string::npos; ++in) {
      const char next = wrapper[in + name.size()];
      used = !(std::isalnum(static_cast<unsigned char>(next)) || next == '_');
    }
    if (!used) fprintf(stderr, "%s is not in the wrapper\n", name.c_str());
    CHECK(used);
    ++found;
  }
  CHECK(found > 90);
}

const test_case cases[] = {{"options_and_configurations", options_and_configurations},
                           {"workers_end", workers_end},
                           {"lines_and_versions", lines_and_versions},
                           {nullptr, nullptr}};

}  // namespace

int main(int argc, char** argv) {
  origin_start();
  run_cases(cases, nullptr);
  run_cases(hook_cases, nullptr);
  run_cases(answer_cases, nullptr);
  run_cases(throwing_cases, nullptr);
  origin_stop();
  if (argc > 2) nothing_is_left_out(argv[1], argv[2]);
  printf("%d checks failed\n", failed_checks());
  return failed_checks() != 0;
}
