// The demo proxy: a configuration file, workers on threads, signals, file watching, an access log. Uses cardea.h alone.
#include <cardea/cardea.h>

#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "handover.h"

namespace {

std::string text(cardea_str s) {
  return std::string(s.ptr, s.len);
}

// Prints the library's words and gives its memory back.
int complain(int code, cardea_error* error, const std::string& what) {
  if (error) {
    const char* message = cardea_error_message(error);
    const size_t n = strlen(message);
    fprintf(stderr, "%s%s", message, n && message[n - 1] == '\n' ? "" : "\n");
    cardea_error_free(error);
  } else {
    fprintf(stderr, "%s: %s\n", what.c_str(), cardea_strerror(code));
  }
  return 1;
}

// Lines from any thread to one file, written by a thread of its own: a stalled sink never stalls traffic. What does not
// fit in the buffer is dropped and counted.
class LineWriter {
 public:
  ~LineWriter() { stop(); }
  bool open(const std::string& path) {
    if (path == "off") return true;
    fd_ = path.empty() ? dup(STDOUT_FILENO) : ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd_ < 0) return false;
    thread_ = std::thread([this] { run(); });
    return true;
  }
  bool wanted() const { return fd_ >= 0; }
  void line(cardea_str record) {
    std::lock_guard lock(mutex_);
    if (buffer_.size() + record.len > kLimit) {
      ++dropped_;
      return;
    }
    const bool was_empty = buffer_.empty();
    buffer_.append(record.ptr, record.len).push_back('\n');
    if (was_empty) changed_.notify_one();
  }
  void stop() {
    if (!thread_.joinable()) return;
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_one();
    thread_.join();
    close(fd_);
    fd_ = -1;
  }

 private:
  static constexpr size_t kLimit = 4 << 20;
  void run() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return stopping_ || !buffer_.empty(); });
      if (buffer_.empty()) return;
      std::string out;
      out.swap(buffer_);
      if (dropped_) out += "{\"event\":\"dropped\",\"records\":" + std::to_string(std::exchange(dropped_, 0)) + "}\n";
      lock.unlock();
      for (size_t done = 0; done < out.size();) {
        const ssize_t n = write(fd_, out.data() + done, out.size() - done);
        if (n < 0 && errno != EINTR) break;
        if (n > 0) done += size_t(n);
      }
      lock.lock();
    }
  }
  int fd_ = -1;
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string buffer_;
  uint64_t dropped_ = 0;
  bool stopping_ = false;
};

struct Arguments {
  std::string config;
  std::string handover;  // path; empty: none
  bool check = false;
  int log_level = CARDEA_LOG_WARNING;
};

constexpr const char* kUsage =
    "usage: cardea-proxy --config FILE [--check] [--handover PATH] [--log-level error|warning|notice|debug] "
    "[--version]\n";

std::optional<Arguments> parse_arguments(int argc, char** argv) {
  Arguments a;
  static const std::map<std::string, int> kLevels = {{"error", CARDEA_LOG_ERROR},
                                                     {"warning", CARDEA_LOG_WARNING},
                                                     {"notice", CARDEA_LOG_NOTICE},
                                                     {"debug", CARDEA_LOG_DEBUG}};
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    if (arg == "--check") {
      a.check = true;
    } else if (arg == "--config" && i + 1 < argc) {
      a.config = argv[++i];
    } else if (arg == "--handover" && i + 1 < argc) {
      a.handover = argv[++i];
    } else if (arg == "--log-level" && i + 1 < argc && kLevels.count(argv[i + 1])) {
      a.log_level = kLevels.at(argv[++i]);
    } else {
      fprintf(stderr, "cardea-proxy: %s is not an argument, or its value is missing or wrong\n%s", arg.c_str(), kUsage);
      return std::nullopt;
    }
  }
  if (a.config.empty()) {
    fprintf(stderr, "cardea-proxy: --config FILE is missing\n%s", kUsage);
    return std::nullopt;
  }
  return a;
}

bool read_file(const std::string& path, std::string& out) {
  FILE* f = fopen(path.c_str(), "rb");
  if (!f) return false;
  char block[65536];
  size_t n;
  while ((n = fread(block, 1, sizeof block, f)) > 0) out.append(block, n);
  const bool ok = !ferror(f);
  fclose(f);
  return ok;
}

// A sealed configuration from a file, or the complaints on standard error.
cardea_config* load(const std::string& path) {
  std::string source;
  if (!read_file(path, source)) {
    fprintf(stderr, "%s: %s\n", path.c_str(), strerror(errno));
    return nullptr;
  }
  cardea_config* config = nullptr;
  cardea_error* error = nullptr;
  int code = cardea_config_load(source.data(), source.size(), path.c_str(), &config, &error);
  if (code == CARDEA_OK) code = cardea_config_seal(config, &error);
  if (code == CARDEA_OK) return config;
  complain(code, error, path);
  cardea_config_unref(config);
  return nullptr;
}

// Notices that one of the files changed: by inode, size and time of modification.
class FileWatch {
 public:
  void watch(const std::string& path, const cardea_config* config) {
    files_.clear();
    add(path);
    cardea_str file;
    for (size_t i = 0; cardea_config_file(config, i, &file) == CARDEA_OK; ++i) add(text(file));
  }
  bool changed() {
    bool any = false;
    for (auto& [path, seen] : files_) {
      State now = state(path);
      if (now == seen) continue;
      seen = now;
      any = true;
    }
    return any;
  }

 private:
  struct State {
    ino_t inode = 0;
    off_t size = -1;
    int64_t seconds = 0, nanoseconds = 0;
    bool operator==(const State&) const = default;
  };
  static State state(const std::string& path) {
    struct stat s;
    if (stat(path.c_str(), &s) != 0) return {};
    return {s.st_ino, s.st_size, s.st_mtim.tv_sec, s.st_mtim.tv_nsec};
  }
  void add(const std::string& path) { files_[path] = state(path); }
  std::map<std::string, State> files_;
};

// A flag that callbacks of workers raise and the main thread waits for.
class Flag {
 public:
  static void raise(void* self, int) {
    auto* flag = static_cast<Flag*>(self);
    std::lock_guard lock(flag->mutex_);
    flag->up_ = true;
  }
  bool is_up() {
    std::lock_guard lock(mutex_);
    return up_;
  }

 private:
  std::mutex mutex_;
  bool up_ = false;
};

void write_record(void* log, cardea_request* r) {
  cardea_str record;
  if (cardea_request_get_str(r, CARDEA_STR_ACCESS_RECORD, &record) == CARDEA_OK)
    static_cast<LineWriter*>(log)->line(record);
}

class Demo {
 public:
  explicit Demo(Arguments arguments) : arguments_(std::move(arguments)) {}

  int serve(cardea_config* config) {
    block_signals();
    cardea_str log_path{"", 0};
    cardea_config_get_str(config, CARDEA_OPT_GLOBAL_ACCESS_LOG_PATH, &log_path);
    if (!access_log_.open(text(log_path))) {
      fprintf(stderr, "%s: access_log.path: %s: %s\n", arguments_.config.c_str(), text(log_path).c_str(),
              strerror(errno));
      return 1;
    }
    int status = start(config);
    if (status == 0) status = loop();
    stop();
    return status;
  }

 private:
  void block_signals() {
    sigemptyset(&signals_);
    for (int s : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals_, s);
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  }

  int start(cardea_config* config) {
    cardea_handlers handlers{};
    handlers.struct_size = sizeof handlers;
    if (access_log_.wanted()) handlers.on_request_end = handlers.on_request_log = write_record;
    cardea_error* error = nullptr;
    int code = cardea_proxy_new(config, &handlers, &access_log_, nullptr, &proxy_, &error);
    if (code != CARDEA_OK) return complain(code, error, arguments_.config);
    if (int status = inherit()) return status;
    int64_t workers = 1;
    cardea_config_get_int(config, CARDEA_OPT_GLOBAL_WORKERS, &workers);
    if (workers == 0) workers = std::max(1u, std::thread::hardware_concurrency());
    for (int64_t i = 0; i < workers; ++i) {
      cardea_worker* w = nullptr;
      code = cardea_worker_start_thread(proxy_, &w, &error);
      if (code != CARDEA_OK) return complain(code, error, arguments_.config);
      workers_.push_back(w);
    }
    announce(config);
    watch_.watch(arguments_.config, config);
    std::string why;
    if (!arguments_.handover.empty() && !handover_.wait_at(arguments_.handover, why)) {
      fprintf(stderr, "%s\n", why.c_str());
      return 1;
    }
    handover_.confirm();
    return 0;
  }

  // Sockets that systemd or a predecessor has bound already.
  int inherit() {
    std::vector<int> sockets = demo::systemd_sockets();
    std::string why;
    if (!arguments_.handover.empty() && !handover_.receive(arguments_.handover, sockets, why)) {
      fprintf(stderr, "%s\n", why.c_str());
      return 1;
    }
    for (int fd : sockets) {
      cardea_error* error = nullptr;
      if (int code = cardea_proxy_adopt_listening(proxy_, fd, &error)) return complain(code, error, "inherited socket");
    }
    return 0;
  }

  // True: a successor serves, and this process goes.
  bool give_way() {
    switch (handover_.poll()) {
      case 1: {
        std::vector<int> sockets(256);
        size_t count = 0;
        if (int code = cardea_proxy_listening_fds(proxy_, sockets.data(), sockets.size(), &count)) {
          fprintf(stderr, "handover: %s\n", cardea_strerror(code));
          count = 0;
        }
        sockets.resize(std::min(count, sockets.size()));
        handover_.send(sockets);
        for (int fd : sockets) close(fd);
        return false;
      }
      case 2:
        return true;
      default:
        return false;
    }
  }

  void drain(uint32_t flags, const char* why) {
    draining_ = true;
    fprintf(stderr, "%s; a signal ends at once\n", why);
    cardea_proxy_drain_start(proxy_, nullptr, 0, -1, flags, why, Flag::raise, &drained_, nullptr, nullptr);
  }

  void announce(const cardea_config* config) {
    cardea_str name;
    for (size_t i = 0; cardea_config_listener_scheme(config, i, &name) == CARDEA_OK; ++i) {
      cardea_str address;
      if (cardea_worker_bound_address(workers_[0], i, &address) != CARDEA_OK) continue;
      const std::string where = text(address);
      const std::string line = where.rfind("unix:", 0) == 0 ? where : text(name) + "://" + where;
      if (announced_[line]++ == 0) printf("listening %s\n", line.c_str());
    }
    fflush(stdout);
  }

  // Until a signal says to end and the drain has ended, too.
  int loop() {
    while (true) {
      const timespec wait{0, draining_ ? 20'000'000 : arguments_.handover.empty() ? 500'000'000 : 100'000'000};
      const int signal = sigtimedwait(&signals_, nullptr, &wait);
      if (signal == SIGHUP && !draining_) {
        reload();
      } else if (signal == SIGTERM || signal == SIGINT) {
        if (draining_) return 0;
        drain(0, "draining");
      }
      if (draining_ && drained_.is_up()) return 0;
      if (draining_) continue;
      if (give_way()) drain(CARDEA_DRAIN_RESTART, "a successor serves: draining");
      if (!draining_ && watch_.changed()) reload();
    }
  }

  void reload() {
    cardea_config* config = load(arguments_.config);
    if (!config) {
      fprintf(stderr, "%s: not taken over; the configuration before stays in use\n", arguments_.config.c_str());
      return;
    }
    cardea_error* error = nullptr;
    const int code = cardea_proxy_apply(proxy_, config, &error);
    if (code == CARDEA_OK) {
      watch_.watch(arguments_.config, config);
      fprintf(stderr, "%s: taken over\n", arguments_.config.c_str());
      announce(config);
    } else {
      complain(code, error, arguments_.config);
    }
    cardea_config_unref(config);
  }

  void stop() {
    for (cardea_worker* w : workers_) cardea_worker_close(w, nullptr, nullptr);
    for (cardea_worker* w : workers_) {
      cardea_worker_join(w, -1);
      cardea_worker_free(w);
    }
    cardea_proxy_unref(proxy_);
    access_log_.stop();
  }

  Arguments arguments_;
  sigset_t signals_{};
  LineWriter access_log_;
  cardea_proxy* proxy_ = nullptr;
  std::vector<cardea_worker*> workers_;
  std::map<std::string, int> announced_;
  FileWatch watch_;
  demo::Handover handover_;
  Flag drained_;
  bool draining_ = false;
};

void print_log(void*, int level, const char* message, size_t size) {
  static const char* const kNames[] = {"", "error", "warning", "notice", "debug"};
  fprintf(stderr, "%s: %.*s\n", kNames[level], int(size), message);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && strcmp(argv[1], "--version") == 0) {
    printf("cardea-proxy %s\n", cardea_version_string());
    return 0;
  }
  auto arguments = parse_arguments(argc, argv);
  if (!arguments) return 2;
  if (int code = cardea_init(CARDEA_VERSION_NUM, 0, nullptr)) return complain(code, nullptr, "cardea_init");
  cardea_set_log(print_log, nullptr, arguments->log_level);
  cardea_config* config = load(arguments->config);
  if (!config) return 1;
  int status = 0;
  if (!arguments->check) status = Demo(*arguments).serve(config);
  cardea_config_unref(config);
  return status;
}
