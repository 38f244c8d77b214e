// Passes a request to the host's threads and their answer to the exchange's loop.
#include "proxy/host_stream.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <cstring>
#include <unordered_map>

#include "proxy/proxy.h"

namespace cardea::proxy {

using http::EndCause;
using http::FieldId;

namespace {

constexpr size_t kMaxFields = 200, kMaxFieldBytes = 64 * 1024;
constexpr size_t kTurn = 64 * 1024;  // bytes of an answer in one turn, so that others get theirs
constexpr size_t kKeptBody = 16 * 1024;

// Streams by token, for threads that know nothing else.
class Streams {
 public:
  // The upper twelve bits are those that no table of pending authorizations has.
  uint64_t next_token() { return uint64_t{0xfff} << 52 | next_.fetch_add(1, std::memory_order_relaxed); }
  void add(const std::shared_ptr<HostStream>& stream) {
    Shard& shard = shard_of(stream->token());
    std::lock_guard lock(shard.mutex);
    shard.streams.emplace(stream->token(), stream);
  }
  void remove(uint64_t token) {
    Shard& shard = shard_of(token);
    std::lock_guard lock(shard.mutex);
    shard.streams.erase(token);
  }
  std::shared_ptr<HostStream> find(uint64_t token) {
    Shard& shard = shard_of(token);
    std::lock_guard lock(shard.mutex);
    auto found = shard.streams.find(token);
    return found == shard.streams.end() ? nullptr : found->second.lock();
  }

 private:
  struct alignas(64) Shard {
    std::mutex mutex;
    std::unordered_map<uint64_t, std::weak_ptr<HostStream>> streams;
  };
  Shard& shard_of(uint64_t token) { return shards_[token % shards_.size()]; }
  std::atomic<uint64_t> next_{1};
  std::array<Shard, 16> shards_;
};

Streams& streams() {
  static Streams all;
  return all;
}

// What was sent in this turn may be borrowed until it ends.
struct Spent final : net::Deferred {
  explicit Spent(Lent piece) : piece(std::move(piece)) {}
  Lent piece;
};

bool is_good_field(const std::pair<std::string, std::string>& field) {
  return http::is_token(field.first) && http::is_field_value(field.second) &&
         !http::is_hop_by_hop(http::field_id(field.first));
}

bool are_good_fields(const FieldList& fields) {
  size_t bytes = 0;
  for (const auto& field : fields) {
    if (!is_good_field(field)) return false;
    bytes += field.first.size() + field.second.size();
  }
  return fields.size() <= kMaxFields && bytes <= kMaxFieldBytes;
}

}  // namespace

Lent Lent::copy_of(Bytes bytes) {
  auto* const copy = new std::string(bytes);
  return {*copy, [](void* text) { delete static_cast<std::string*>(text); }, copy};
}

std::shared_ptr<HostStream> HostStream::open(net::Loop& loop, Hooks& hooks, http::ResponseReceiver& receiver,
                                             const http::RequestHead& head, size_t buffer_limit) {
  auto stream = std::make_shared<HostStream>(loop, hooks, receiver, head, buffer_limit);
  streams().add(stream);
  return stream;
}

std::shared_ptr<HostStream> HostStream::find(uint64_t token) {
  return streams().find(token);
}

HostStream::HostStream(net::Loop& loop, Hooks& hooks, http::ResponseReceiver& receiver, const http::RequestHead& head,
                       size_t buffer_limit)
    : hooks_(hooks),
      token_(streams().next_token()),
      method_(head.method),
      limit_(std::max<size_t>(buffer_limit, 1)),
      receiver_(&receiver),
      loop_(&loop),
      body_over_(!head.has_body) {}

// ---- the host's face ------------------------------------------------------------------------------

int HostStream::check_head(int status, FieldList& fields, Head& out) const {
  if (status < 102 || status > 599) return kEinval;
  if (!are_good_fields(fields)) return kEinval;
  out.status = uint16_t(status);
  for (const auto& [name, value] : fields) {
    if (http::field_id(name) != FieldId::content_length) continue;
    uint64_t length = 0;
    const auto [end, fault] = std::from_chars(value.data(), value.data() + value.size(), length);
    if (status < 200 || out.content_length || fault != std::errc() || end != value.data() + value.size())
      return kEinval;
    out.content_length = length;
  }
  if (out.content_length && status == 204) return kEinval;  // RFC 9110 8.6
  std::erase_if(fields, [](const auto& f) { return http::field_id(f.first) == FieldId::content_length; });
  out.has_body = status >= 200 && !http::is_bodiless(method_, out.status) && out.content_length != 0u;
  out.fields = std::move(fields);
  return 0;
}

int HostStream::begin(int status, FieldList fields) {
  Head head{};
  if (const int fault = check_head(status, fields, head)) return fault;
  std::lock_guard lock(mutex_);
  if (!loop_ || over_) return kEstale;
  if (begun_) return kEinval;
  schedule();
  if (status >= 200) {
    begun_ = true;
    has_body_ = head.has_body;
    content_length_ = head.content_length;
  }
  heads_.push_back(std::move(head));
  return 0;
}

int HostStream::write(Bytes bytes, Lent::Release release, void* ud) {
  std::lock_guard lock(mutex_);
  if (!loop_ || over_) return kEstale;
  if (!begun_) return kEinval;
  if (content_length_ && bytes.size() > *content_length_ - written_) return kEinval;
  if (waiting_ >= limit_) {
    writer_waits_ = true;
    return kEagain;
  }
  schedule();
  written_ += bytes.size();
  if (!has_body_) bytes = {};
  if (release) {
    pieces_.emplace_back(bytes, release, ud);
  } else if (!bytes.empty()) {
    pieces_.push_back(Lent::copy_of(bytes));
  }
  waiting_ += bytes.size();
  writer_waits_ = waiting_ >= limit_;
  return writer_waits_;
}

int HostStream::end(FieldList trailers) {
  for (const auto& field : trailers) {
    const http::Field view{field.first, field.second, http::field_id(field.first)};
    if (http::is_forbidden_in_trailers(view)) return kEinval;
  }
  if (!are_good_fields(trailers)) return kEinval;
  std::lock_guard lock(mutex_);
  if (!loop_ || over_) return kEstale;
  if (!begun_) return kEinval;
  schedule();
  over_ = true;
  const bool complete = !has_body_ || !content_length_ || written_ == *content_length_;
  aborted_ = !complete;
  trailers_ = std::move(trailers);
  return complete ? 0 : kEinval;
}

int HostStream::answer(int status, FieldList fields, Bytes bytes) {
  if (status < 200) return kEinval;
  Head head{};
  if (const int fault = check_head(status, fields, head)) return fault;
  // Of an answer to HEAD it may state the length that GET would have.
  if (head.content_length && method_ != http::Method::head && *head.content_length != bytes.size()) return kEinval;
  if (!head.content_length && status != 204 && status != 304) head.content_length = bytes.size();
  head.has_body = !http::is_bodiless(method_, head.status) && !bytes.empty();
  std::lock_guard lock(mutex_);
  if (!loop_ || over_) return kEstale;
  if (begun_) return kEinval;
  schedule();
  if (head.has_body) {
    pieces_.push_back(Lent::copy_of(bytes));
    waiting_ = bytes.size();
  }
  heads_.push_back(std::move(head));
  begun_ = over_ = true;
  return 0;
}

int HostStream::abort() {
  std::lock_guard lock(mutex_);
  if (!loop_ || over_) return kEstale;
  schedule();
  over_ = aborted_ = true;
  return 0;
}

int HostStream::read(char* buffer, size_t capacity, size_t& n) {
  n = 0;
  std::lock_guard lock(mutex_);
  if (!loop_) return kEstale;
  const size_t there = body_.size() - body_at_;
  if (there == 0) {
    if (body_over_) return 1;
    reader_waits_ = true;
    return kEagain;
  }
  if (blocked_ && !tell_unblocked_ && there - std::min(capacity, there) < limit_ / 2 + 1) {
    schedule();
    tell_unblocked_ = true;
  }
  n = std::min(capacity, there);
  memcpy(buffer, body_.data() + body_at_, n);
  body_at_ += n;
  if (body_at_ == body_.size()) {
    body_.clear();
    body_at_ = 0;
    if (body_.capacity() > kKeptBody) body_ = {};
  } else if (body_at_ >= limit_) {
    body_.erase(0, body_at_);
    body_at_ = 0;
  }
  return 0;
}

// ---- the exchange's face --------------------------------------------------------------------------

bool HostStream::answered() const {
  std::lock_guard lock(mutex_);
  return begun_;
}

void HostStream::started() {
  {
    std::lock_guard lock(mutex_);
    starting_ = false;
    if (!scheduled_) return;
  }
  pump();
}

void HostStream::send_body(Bytes borrowed) {
  bool tell = false;
  {
    std::lock_guard lock(mutex_);
    body_.append(borrowed);
    if (body_.size() - body_at_ > limit_ && !blocked_) {
      blocked_ = tell_blocked_ = true;
      schedule();
    }
    tell = std::exchange(reader_waits_, false);
  }
  if (tell) tell_readable();
}

void HostStream::send_end(const http::Fields*) {
  bool tell = false;
  {
    std::lock_guard lock(mutex_);
    body_over_ = true;
    tell = std::exchange(reader_waits_, false);
  }
  if (tell) tell_readable();
}

void HostStream::resume() {
  paused_ = false;
  std::lock_guard lock(mutex_);
  if (loop_ && (!pieces_.empty() || over_)) schedule();
}

void HostStream::release() {
  receiver_ = nullptr;
  streams().remove(token_);
  std::lock_guard lock(mutex_);
  if (!loop_) return;
  for (Lent& piece : pieces_) loop_->defer_delete(std::make_unique<Spent>(std::move(piece)));
  pieces_.clear();
  loop_ = nullptr;
}

// ---- from one to the other ------------------------------------------------------------------------

void HostStream::schedule() {
  if (scheduled_) return;
  if (!starting_) {
    loop_->post([self = shared_from_this()] { self->pump(); });
  }
  scheduled_ = true;
}

// What one turn delivers.
struct HostStream::Batch {
  std::vector<Head> heads;
  std::vector<std::pair<Bytes, std::optional<Lent>>> pieces;  // bytes, and their owner when these are its last
  FieldList trailers;
  bool end = false, aborted = false, blocked = false, unblocked = false, writable = false;
};

// False: there is nobody to deliver to.
bool HostStream::take(Batch& batch) {
  std::lock_guard lock(mutex_);
  scheduled_ = false;
  if (!loop_) return false;
  batch.heads.swap(heads_);
  batch.blocked = std::exchange(tell_blocked_, false);
  batch.unblocked = std::exchange(tell_unblocked_, false);
  if (batch.unblocked) blocked_ = false;
  batch.aborted = aborted_;
  if (paused_ && !aborted_) return true;
  size_t room = std::max(limit_, kTurn);
  while (!pieces_.empty() && room > 0) {
    Lent& piece = pieces_.front();
    const Bytes now = piece.bytes.substr(0, room);
    piece.bytes.remove_prefix(now.size());
    room -= now.size();
    waiting_ -= now.size();
    const bool last = piece.bytes.empty();
    batch.pieces.emplace_back(now, std::nullopt);
    if (!last) break;
    batch.pieces.back().second.emplace(std::move(piece));
    pieces_.pop_front();
  }
  if (!pieces_.empty()) {
    schedule();
    batch.aborted = false;  // after what was written before it
  } else if (over_ && !end_told_) {
    end_told_ = true;
    batch.end = !aborted_;
    batch.trailers = std::move(trailers_);
  }
  if (writer_waits_ && waiting_ < limit_ / 2 + 1) {
    writer_waits_ = false;
    batch.writable = !over_;
  }
  return true;
}

void HostStream::pump() {
  const auto self = shared_from_this();
  Batch batch;
  if (!take(batch)) return;
  net::Loop& loop = *loop_;
  deliver(batch);
  for (auto& [bytes, owner] : batch.pieces) {
    if (owner) loop.defer_delete(std::make_unique<Spent>(std::move(*owner)));
  }
}

// Any event may end the exchange, which releases this.
void HostStream::deliver(Batch& batch) {
  for (Head& given : batch.heads) {
    if (!receiver_) return;
    http::ResponsePtr head = http::make_response();
    head->status = given.status;
    head->has_body = given.has_body;
    head->content_length = given.content_length;
    for (const auto& [name, value] : given.fields) head->fields.add(head->arena.copy(name), head->arena.copy(value));
    given.status < 200 ? receiver_->on_informational(std::move(head)) : receiver_->on_head(std::move(head));
  }
  for (const auto& piece : batch.pieces) {
    if (!receiver_) return;
    if (!piece.first.empty()) receiver_->on_body(piece.first);
  }
  if (receiver_ && batch.end) {
    if (!batch.trailers.empty()) {
      http::Fields fields;
      for (const auto& [name, value] : batch.trailers) fields.add(name, value);
      receiver_->on_trailers(fields);
    }
    if (receiver_) receiver_->on_end();
    return;
  }
  if (receiver_ && batch.aborted) return receiver_->on_reset({EndCause::upstream_reset, abort_detail_});
  if (receiver_ && batch.blocked && !batch.unblocked) receiver_->on_blocked();
  if (receiver_ && batch.unblocked) receiver_->on_unblocked();
  if (receiver_ && batch.writable) tell_writable();
}

void HostStream::tell_readable() {
  if (!hooks_.on_readable(token_)) fail("host_readable");
}

void HostStream::tell_writable() {
  if (!hooks_.on_writable(token_)) fail("host_writable");
}

// The host could not be told, so nothing more would come.
void HostStream::fail(const char* detail) {
  std::lock_guard lock(mutex_);
  if (!loop_ || over_) return;
  over_ = aborted_ = true;
  abort_detail_ = detail;
  schedule();
}

}  // namespace cardea::proxy
