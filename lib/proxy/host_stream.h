// The host as the service of a route (`served_by_host`): what passes between an exchange and the host's threads.
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "http/http.h"
#include "net/net.h"

namespace cardea::proxy {

class Hooks;

using FieldList = std::vector<std::pair<std::string, std::string>>;

// Bytes that the host lends. Destroying it gives them back.
class Lent {
 public:
  using Release = void (*)(void* ud);
  Lent(Bytes bytes, Release release, void* ud) : bytes(bytes), release_(release), ud_(ud) {}
  static Lent copy_of(Bytes bytes);
  Lent(Lent&& other) noexcept : bytes(other.bytes), release_(std::exchange(other.release_, nullptr)), ud_(other.ud_) {}
  Lent& operator=(Lent&&) = delete;
  ~Lent() {
    if (release_) release_(ud_);
  }
  Bytes bytes;  // what is left to send

 private:
  Release release_;
  void* ud_;
};

// One request that the host answers. It has two faces: the exchange's, on its loop's thread (RequestSender, and the
// receiver that it was opened with), and the host's, from any thread, found by token. Bounded: a request's body waits
// for the host up to the buffer limit and what one turn brings, an answer up to the limit and one piece.
class HostStream final : public http::RequestSender, public std::enable_shared_from_this<HostStream> {
 public:
  static std::shared_ptr<HostStream> open(net::Loop& loop, Hooks& hooks, http::ResponseReceiver& receiver,
                                          const http::RequestHead& head, size_t buffer_limit);
  static std::shared_ptr<HostStream> find(uint64_t token);  // null: it is over. any thread

  // ---- the host's face: any thread. 0, 1 where it is stated, or an ErrorCode; after kEinval nothing has changed.
  // kEstale: the exchange is over, or the answer was completed.

  // 102 to 199 but 101: an informational answer, of which there may be several; 200 to 599: the answer's head. kEinval:
  // no such status, a second head, a field whose name or value is not valid, that speaks of the hop or of framing, or
  // too many.
  int begin(int status, FieldList fields);
  // 1: the buffer is full, on_writable follows. kEagain: it was full already, nothing was taken. kEinval: before the
  // head, or more than its Content-Length says. Bytes of an answer without a body (to HEAD, 204, 304) are dropped.
  int write(Bytes bytes, Lent::Release release, void* ud);
  // kEinval: before the head; or less came than Content-Length says, and the answer is cut.
  int end(FieldList trailers);
  // Head, body and end at once; `bytes` are copied.
  int answer(int status, FieldList fields, Bytes bytes);
  // The client sees that the answer is not complete: 502 before its head, else a cut.
  int abort();
  // 0: `n` > 0 bytes were copied. 1: the body is over. kEagain: nothing is there, on_readable follows.
  int read(char* buffer, size_t capacity, size_t& n);

  // ---- the exchange's face ----
  uint64_t token() const { return token_; }
  bool answered() const;  // a final head was given
  // The hook that tells the host of this request has returned: from now on what it says is heard at once.
  void started();
  void send_head(const http::RequestHead&) override {}  // it had the request from the hook
  bool anything_sent() const override { return true; }
  void send_body(Bytes borrowed) override;
  void send_end(const http::Fields* trailers) override;  // which the host is not told
  void reset(http::EndCause) override { release(); }
  void finish_then_reset(http::EndCause) override { release(); }
  void pause() override { paused_ = true; }
  void resume() override;
  void release() override;

  HostStream(net::Loop& loop, Hooks& hooks, http::ResponseReceiver& receiver, const http::RequestHead& head,
             size_t buffer_limit);

 private:
  struct Head {
    uint16_t status;
    FieldList fields;
    std::optional<uint64_t> content_length;
    bool has_body;
  };
  struct Batch;
  int check_head(int status, FieldList& fields, Head& out) const;
  void schedule();  // with the mutex held
  void pump();
  bool take(Batch& batch);
  void deliver(Batch& batch);
  void tell_readable();
  void tell_writable();
  void fail(const char* detail);

  Hooks& hooks_;
  const uint64_t token_;
  const http::Method method_;
  const size_t limit_;

  // The loop's thread.
  http::ResponseReceiver* receiver_;  // null: released
  bool paused_ = false;               // the client does not take more

  // Any thread.
  mutable std::mutex mutex_;
  net::Loop* loop_;  // null: released
  bool starting_ = true, scheduled_ = false;
  std::string body_;  // of the request, from body_at_ on
  size_t body_at_ = 0;
  bool body_over_;
  bool reader_waits_ = true, blocked_ = false, tell_blocked_ = false, tell_unblocked_ = false;
  std::vector<Head> heads_;
  std::deque<Lent> pieces_;
  size_t waiting_ = 0;  // bytes in pieces_
  FieldList trailers_;
  std::optional<uint64_t> content_length_;
  uint64_t written_ = 0;
  bool begun_ = false, has_body_ = false, over_ = false, aborted_ = false, writer_waits_ = false;
  bool end_told_ = false;
  const char* abort_detail_ = "host";
};

}  // namespace cardea::proxy
