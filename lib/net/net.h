// Sockets and time on one loop: Loop, Timer, Stream, Network, Resolver. Knows nothing of HTTP.
//
// Order of things: the poller (libuv, or a test) calls in; the outermost Loop::Turn on the stack ends
// with all flushes, then with all deferred deletions. So within one turn many small writes become one
// system call, and no object dies under its own callback.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/base.h"

struct uv_loop_s;

namespace cardea::tls {
class PeerCertificates;
}

namespace cardea::net {

class Loop;

// A socket address: IPv4, IPv6 or unix. A value.
class Address {
 public:
  Address() = default;
  // "127.0.0.1:80", "[::1]:80", ":80" (every address, both families), "unix:/path", "unix:@abstract".
  static Result<Address> parse(Bytes text);
  static Address from(const sockaddr* sa, socklen_t len);
  // From an IP literal without port ("::1" or "127.0.0.1"); error when `ip` is a name.
  static Result<Address> ip(Bytes ip, uint16_t port);

  const sockaddr* sa() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t len() const { return len_; }
  int family() const { return storage_.ss_family; }
  bool is_unix() const { return family() == AF_UNIX; }
  bool is_loopback() const;
  bool is_dual_stack() const { return dual_; }  // made from ":80": both families on one socket
  uint16_t port() const;
  void set_port(uint16_t port);
  std::string ip_text() const;  // without port and brackets; a unix address gives its path
  std::string text() const;     // the form that parse() takes
  bool operator==(const Address& o) const;

 private:
  sockaddr_storage storage_{};
  socklen_t len_ = 0;
  bool dual_ = false;
};

// Anything whose deletion may have to wait for the end of the turn.
class Deferred {
 public:
  virtual ~Deferred() = default;

 private:
  friend class Loop;
  Deferred* next_dead_ = nullptr;  // intrusive: what must go needs no memory to go
};

// Something with output to write once before the turn ends. Intrusive: queued at most once.
class Flushable {
 public:
  virtual void flush() = 0;

 protected:
  ~Flushable();  // leaves the loop's list

 private:
  friend class Loop;
  Loop* flush_loop_ = nullptr;  // non-null while queued
  Flushable* flush_next_ = nullptr;
  Flushable* flush_prev_ = nullptr;
};

// Where time comes from. Real by default; tests and hosts bring their own.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Millis monotonic_ms() = 0;  // never goes back
  virtual int64_t unix_ms() = 0;      // wall clock
};
Clock& real_clock();

// One-shot timer on the loop's wheel. O(1) to start and stop; starting it again for a later moment
// writes one number (the wheel entry moves only when it comes due). Fires inside a Turn.
class Timer {
 public:
  Timer(Loop& loop, std::function<void()> fn);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void start(Millis delay);    // replaces an earlier start; 0 fires in the next turn
  void start_at(Millis when);  // in Loop::now() time
  void stop();
  bool active() const { return deadline_ != 0; }
  Millis deadline() const { return deadline_; }  // 0 = not active

 private:
  friend class TimerWheel;
  friend class Loop;
  Loop& loop_;
  std::function<void()> fn_;
  Millis deadline_ = 0;  // what the owner asked for; 0 = stopped
  Millis queued_ = 0;    // where the wheel has it; 0 = not in the wheel
  Timer* next_ = nullptr;
  Timer* prev_ = nullptr;
  uint8_t level_ = 0, slot_ = 0;
};

// Hierarchical timing wheel, 1 ms, six levels of 64 slots. Pure: time is an argument.
class TimerWheel {
 public:
  void insert(Timer& t, Millis when);
  void remove(Timer& t);
  // Takes every timer due at or before `now` out of the wheel, in order of time, and hands each to
  // `due`, which may start, stop and delete any timer. What it starts waits for the next advance(). A
  // timer whose deadline moved later meanwhile goes back in; one that was stopped drops out.
  void advance(Millis now, const std::function<void(Timer&)>& due);
  // The earliest moment at which advance() has something to do (may be a cascade), or 0 for never.
  Millis next() const;
  bool empty() const { return count_ == 0; }

 private:
  static constexpr int kLevels = 6, kBits = 6, kSlots = 64;
  static constexpr uint8_t kDueLevel = 0xff;
  static constexpr Millis kHorizon = (Millis{1} << (kLevels * kBits)) - 1;
  Timer*& list_of(const Timer& t);
  void place(Timer& t);
  bool collect();
  Millis next_slot(unsigned first, int& level) const;
  Timer* slots_[kLevels][kSlots] = {};
  uint64_t used_[kLevels] = {};  // bit per non-empty slot
  Timer* due_ = nullptr;         // taken out of the slots, not handed out yet
  Millis now_ = 0;               // everything before this has been handed out
  size_t count_ = 0;
};

// One worker's turn machinery: time, flushes, deferred deletion, calls from other threads. Knows no
// poller; UvLoop (and the tests' loop) drives it. One thread, but for post().
class Loop {
 public:
  explicit Loop(Clock& clock);
  virtual ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Put one on the stack wherever the outside calls in; the outermost one ends the turn.
  class Turn {
   public:
    explicit Turn(Loop& loop);
    ~Turn();

   private:
    Loop& loop_;
  };

  Millis now() const { return now_; }  // monotonic; as of the start of the turn
  int64_t unix_ms() { return clock_.unix_ms(); }
  void update_time() { now_ = clock_.monotonic_ms(); }
  bool in_turn() const { return depth_ > 0; }
  uint64_t turn() const { return turn_; }  // counts turns; no two loops of a thread share a number

  void flush_later(Flushable& f);  // f.flush() runs before this turn ends
  // Runs what waits to be flushed now, inside a turn: for those that deliver more than once in a turn from one
  // buffer, since what was delivered may be borrowed until the next flush.
  void flush_now() { run_flushes(); }
  void defer_delete(std::unique_ptr<Deferred> object);
  // Runs fn in a later turn of this loop; from any thread. False after close() (fn is dropped).
  bool post(std::function<void()> fn);
  // From this thread: runs fn in the next run_due(), which comes without waiting for the poller. Never
  // from inside a turn that the host or another object opened.
  void next_turn(std::function<void()> fn);

  // For pollers: run what is due (posted calls, timers) as one turn; how long they may sleep then.
  void run_due();
  Millis next_deadline() const;  // in now() time; 0 = nothing waits
  static constexpr size_t kReadBuffer = 64 * 1024;
  // One read buffer for every connection of the loop; contents last until the read callback returns.
  char* read_buffer() { return read_buffer_.get(); }

 protected:
  virtual void wake() = 0;   // any thread: make the poller call run_due() soon
  virtual void rearm() = 0;  // this thread: next_deadline() became earlier
  void shut();               // stop accepting posts; drops what is queued
  bool has_pending() const { return !next_.empty() || dead_ != nullptr || flush_head_ != nullptr; }

 private:
  friend class Timer;
  friend class Turn;
  friend class Flushable;
  void run_flushes();
  void end_turn();
  void bury();            // deletes what waits for it now
  void deadline_moved();  // rearm() now, or once at the end of the turn
  Clock& clock_;
  Millis now_ = 0;
  int depth_ = 0;
  uint64_t turn_ = 0;
  bool rearm_wanted_ = false;
  bool running_due_ = false;
  TimerWheel wheel_;
  Flushable* flush_head_ = nullptr;
  Flushable* flush_tail_ = nullptr;
  Deferred* dead_ = nullptr;  // in the order in which they came
  Deferred* last_dead_ = nullptr;
  std::mutex inbox_mutex_;
  std::vector<std::function<void()>> inbox_;
  bool inbox_open_ = true;
  std::vector<std::function<void()>> next_;
  std::unique_ptr<char[]> read_buffer_;
};

struct Slice {
  const char* data;
  size_t size;
};

// Why a stream broke.
struct StreamError {
  // tls_no_certificate: the peer had to show one.
  enum Kind : uint8_t { os, tls_handshake, tls_protocol, tls_verify, tls_no_certificate } kind = os;
  int code = 0;      // errno for os; OpenSSL's error or X509_V_ERR_* otherwise
  std::string text;  // for logs; never sent to a peer
};

// What a TLS stream knows after its handshake. Views last as long as the stream.
struct TlsSession {
  const char* version = "";  // "TLSv1.3"
  std::string_view alpn;     // "h2", "http/1.1" or empty
  std::string_view sni;      // lower case; empty when the client sent none
  bool resumed = false;
  bool sni_matched = false;  // a certificate other than the default one fitted, or the default one does
  std::shared_ptr<const tls::PeerCertificates> client;  // what a client showed; null: nothing
};

// What a stream tells its one owner. Every call is inside a Turn. After on_error nothing more comes.
class StreamEvents {
 public:
  virtual void on_open() {}                        // TLS only: the handshake is done
  virtual void on_data(char* data, size_t n) = 0;  // n > 0; bytes last until the call returns
  virtual void on_eof() = 0;                       // the peer will send nothing more (once)
  virtual void on_drained() = 0;                   // queued() went to 0 after being larger
  virtual void on_error(const StreamError& error) = 0;

 protected:
  ~StreamEvents() = default;
};

// An ordered, two-way byte pipe: TCP, unix, TLS over one of them, or memory. Owned by one object, one
// thread. Deleting it closes it at once (what is queued is lost) and no event follows. Inside one of
// its own events, delete it only through Loop::defer_delete (after set_events(nullptr)).
class Stream : public Deferred {
 public:
  virtual void set_events(StreamEvents* events) = 0;  // nullptr: silence
  virtual void start_read(size_t max_bytes) = 0;      // at most this many bytes in one on_data
  virtual void stop_read() = 0;                       // eof and errors may stay unseen meanwhile
  // Writes as much as the kernel takes now, in one call; copies and queues the rest. A failure is
  // told through on_error in a later turn, never from inside write().
  virtual void write(const Slice* slices, size_t count) = 0;
  virtual size_t queued() const = 0;  // bytes accepted by write() that are not with the kernel yet
  virtual void shutdown() = 0;        // send FIN (and close_notify) once the queue is empty; ends writing
  // TCP RST instead of FIN when the stream is deleted next.
  virtual void set_reset_on_close() = 0;
  virtual const Address& peer() const = 0;
  virtual const Address& local() const = 0;
  virtual const TlsSession* tls() const { return nullptr; }  // non-null after on_open of a TLS stream
  // Bytes are buffered that no poller will announce (TLS): set while reading is stopped.
  virtual void set_nodelay(bool) {}
  virtual void set_keepalive(unsigned /*seconds*/) {}
};

// Told exactly once unless the Connecting object was deleted first.
class ConnectEvents {
 public:
  virtual void on_connected(std::unique_ptr<Stream> stream) = 0;
  virtual void on_connect_failed(int error) = 0;  // errno

 protected:
  ~ConnectEvents() = default;
};
class Connecting : public Deferred {};  // deleting it cancels

// The socket and file behind a unix listener. Listeners of several loops may accept from it; it ends with the last.
// A socket that listens as long as somebody holds it, for other workers and other programs. Thread-safe where stated.
struct ListeningSocket;
// One that somebody else bound: a TCP or unix stream socket that listens. Takes the descriptor unless it fails.
Result<std::shared_ptr<ListeningSocket>> adopt_listening(int fd);
Address address_of(const ListeningSocket& socket);
Result<int> duplicate(const ListeningSocket& socket);  // a descriptor of the caller's. any thread
void leave_file(ListeningSocket& socket);              // a unix socket's file stays when the socket goes. any thread

struct ListenOptions {
  bool reuse_port = false;                  // one socket per worker
  std::shared_ptr<ListeningSocket> shared;  // accept from this one instead of binding the address
  int backlog = 1024;
  unsigned unix_mode = 0666;
};
class AcceptEvents {
 public:
  virtual void on_accept(std::unique_ptr<Stream> stream) = 0;
  // Accepting failed for want of descriptors or memory; accepting pauses and goes on by itself.
  virtual void on_accept_error(int error) = 0;

 protected:
  ~AcceptEvents() = default;
};
class Listener : public Deferred {
 public:
  virtual const Address& address() const = 0;  // with the real port
  virtual void pause() = 0;                    // connections wait in the kernel's queue
  virtual void resume() = 0;
  virtual std::shared_ptr<ListeningSocket> socket() const { return nullptr; }  // for ListenOptions::shared
};

struct Resolved {
  std::vector<Address> addresses;  // port 0
  Millis ttl = 0;                  // smallest of the answer
};
class ResolveEvents {
 public:
  virtual void on_resolved(Resolved result) = 0;
  virtual void on_resolve_failed(int status, const char* text) = 0;  // c-ares' status and its words

 protected:
  ~ResolveEvents() = default;
};
class Resolving : public Deferred {};  // deleting it cancels: no event follows

struct SrvRecord {
  std::string target;  // a name in lower case, without the final dot; "." : the service is not to be had there
  uint16_t port = 0, priority = 0, weight = 0;
  bool operator==(const SrvRecord&) const = default;
};
struct ResolvedSrv {
  std::vector<SrvRecord> records;  // by priority; never empty
  Millis ttl = 0;                  // smallest of the answer
};
class SrvEvents {
 public:
  virtual void on_srv(ResolvedSrv result) = 0;
  virtual void on_resolve_failed(int status, const char* text) = 0;  // c-ares' status and its words

 protected:
  ~SrvEvents() = default;
};

// `…preferred` and automatic (IPv6 preferred) give addresses of one family; all: both, alternating, IPv6 first.
enum class Family : uint8_t { v4_preferred, v4_only, v6_only, automatic, all };
struct ResolverOptions {
  std::vector<std::string> servers;  // "1.1.1.1:53", "udp://…", "tcp://…"; empty: the system's
  Millis query_timeout = 2000;
  int tries = 2;
  bool use_tcp = false;
  int udp_max_queries = 100;
  size_t max_addresses = 64;  // of each family, and SRV records; more are dropped
  bool operator==(const ResolverOptions&) const = default;
};
class Resolver : public Deferred {
 public:
  // /etc/hosts first, then DNS; localhost and what is below it never go to DNS. Literal addresses are the
  // caller's business. The events come in a later turn, never from inside the call. Deleting the resolver
  // fails its lookups, in a later turn too.
  virtual std::unique_ptr<Resolving> resolve(const std::string& name, Family family, ResolveEvents& events) = 0;
  // From DNS alone, without search domains. Records whose target is no name of a host or whose port is 0 are left out.
  virtual std::unique_ptr<Resolving> resolve_srv(const std::string& name, SrvEvents& events) = 0;
};

// Where streams come from. One per worker; the tests have an in-memory one.
class Network {
 public:
  virtual ~Network() = default;
  virtual Result<std::unique_ptr<Listener>> listen(const Address& address, const ListenOptions& options,
                                                   AcceptEvents& events) = 0;
  // Fails through the events, in a later turn, never from inside the call.
  virtual std::unique_ptr<Connecting> connect(const Address& address, ConnectEvents& events) = 0;
  // A connected socket that somebody else accepted; takes the descriptor even on failure.
  virtual Result<std::unique_ptr<Stream>> adopt(int fd) = 0;
  virtual Result<std::unique_ptr<Resolver>> resolver(const ResolverOptions& options) = 0;
};

// Loop on libuv: on a private uv loop, or on the host's. On the host's loop, every uv handle that it
// keeps for itself is unreferenced; listeners and connections keep the loop alive. With a clock other
// than real_clock(), due timers are also looked for on every step(), and after interrupt().
class UvLoop final : public Loop {
 public:
  explicit UvLoop(Clock& clock, uv_loop_s* host_loop = nullptr);
  ~UvLoop() override;  // only after on_closed

  Result<void> open();  // once, on the loop's thread
  uv_loop_s* uv() { return uv_; }
  int fd() const;       // level-triggered; readable means step()
  int timeout() const;  // ms until step() is due; -1 never, 0 now
  bool step();          // one pass without blocking; true: call again soon
  void run();           // until close() has finished (private loop only)
  // Begins to close; `closed` runs once when every handle of this loop is gone: on a private loop at the
  // end of step() or run(), else from the host's uv_run(); outside any turn, so it may delete this.
  void close(std::function<void()> closed);
  bool is_closed() const;
  void interrupt() { wake(); }  // any thread

  // For handles' heap blocks: a loop is closed when none is left. block_closed() must be the caller's
  // last act: it may run `closed`.
  void block_opened();
  void block_closed();

 protected:
  void wake() override;
  void rearm() override;

 private:
  struct Handles;
  void close_own();
  bool finish();
  std::unique_ptr<Handles> handles_;
  uv_loop_s* uv_ = nullptr;
};

std::unique_ptr<Network> uv_network(UvLoop& loop);

// Whether a listener could be bound there now (TCP only; a unix path is always said to be free). Any thread.
Result<void> probe_bind(const Address& address);

}  // namespace cardea::net
