// A TLS connection as a Stream over a Stream, for both roles.
//
// Ciphertext is read from where the lower stream has it and written into one buffer per thread, which
// goes down in one write at the end of the outermost operation. An idle connection holds no buffer.
#include <algorithm>
#include <cassert>
#include <cstring>

#include "tls/openssl.h"

namespace cardea::tls {
namespace {

using net::Slice;
using net::StreamError;

constexpr size_t kRecord = 16384;        // most plaintext in one record
constexpr size_t kRecordOverhead = 256;  // SSL3_RT_MAX_ENCRYPTED_OVERHEAD: header, nonce, padding, tag
constexpr size_t kRecordsGathered = 8;   // a full read buffer of the other side fits into one write
// RFC 8446 5.5 allows 2^24.5 full records under one AES-GCM key.
constexpr uint32_t kRecordsPerKey = 1u << 23;

// Buffers of one operation. Operations of different streams can nest (one stream's on_data writes to
// another), so each takes its own; a thread needs two or three in its life.
struct Scratch {
  char out[kRecordsGathered * (kRecord + kRecordOverhead)];
  char plain[net::Loop::kReadBuffer];
  char record[kRecord];
  size_t out_size;
  std::unique_ptr<Scratch> next;
};
thread_local std::unique_ptr<Scratch> spare_scratch;
thread_local uint64_t delivered_in_turn = 0;  // the turn in which `plain` was last handed out

std::unique_ptr<Scratch> take_scratch() {
  if (!spare_scratch) spare_scratch.reset(new Scratch);  // not make_unique: that would clear 210 KiB
  std::unique_ptr<Scratch> scratch = std::move(spare_scratch);
  spare_scratch = std::move(scratch->next);
  scratch->out_size = 0;
  return scratch;
}

void give_scratch(std::unique_ptr<Scratch> scratch) {
  scratch->next = std::move(spare_scratch);
  spare_scratch = std::move(scratch);
}

class TlsStream final : public net::Stream, private net::StreamEvents {
 public:
  TlsStream(std::unique_ptr<Stream> lower, SslPtr ssl, std::shared_ptr<const void> owner, Link link);
  void start(StreamError refusal);

  void set_events(net::StreamEvents* events) override;
  void start_read(size_t max_bytes) override;
  void stop_read() override;
  void write(const Slice* slices, size_t count) override;
  size_t queued() const override;
  void shutdown() override;
  void set_reset_on_close() override { lower_->set_reset_on_close(); }
  const net::Address& peer() const override { return lower_->peer(); }
  const net::Address& local() const override { return lower_->local(); }
  const net::TlsSession* tls() const override { return link_.open ? &session_ : nullptr; }
  void set_nodelay(bool on) override { lower_->set_nodelay(on); }
  void set_keepalive(unsigned seconds) override { lower_->set_keepalive(seconds); }

 private:
  enum class State : uint8_t { handshake, open, failed };
  enum class Step : uint8_t { more, dry, eof, broken };  // what reading ran into

  // Holds the scratch of the outermost operation on the stream; its end sends what was gathered.
  class Operation {
   public:
    explicit Operation(TlsStream& stream);
    ~Operation();

   private:
    TlsStream& stream_;
    const bool outermost_;
  };

  void on_data(char* bytes, size_t n) override;
  void on_eof() override;
  void on_drained() override;
  void on_error(const StreamError& error) override;

  void step_handshake();
  void opened();
  void pump();
  Step decrypt(char* to, size_t limit, size_t& n);
  void keep_unread();
  void encrypt(const Slice* slices, size_t count);
  bool encrypt_record(const char* from, size_t n);
  void send_close_notify();
  void resume();
  void resume_later();
  void after_operation();
  void update_lower_read();
  bool may_deliver() const { return events_ && reading_ && state_ == State::open; }
  size_t unread() const { return unread_.size() - unread_pos_ + in_size_; }
  void send_output();
  void tell_drained();
  void fail_later(StreamError error);
  void fail(const StreamError& error);
  StreamError openssl_error(StreamError::Kind kind, const char* what) const;

  static BIO_METHOD* bio_method();
  static int bio_write(BIO* bio, const char* from, size_t n, size_t* written);
  static int bio_read(BIO* bio, char* to, size_t n, size_t* got);
  static long bio_ctrl(BIO* bio, int command, long, void*);

  std::shared_ptr<const void> owner_;  // outlives ssl_
  std::unique_ptr<Stream> lower_;
  Link link_;  // outlives ssl_, too
  SslPtr ssl_;
  net::StreamEvents* events_ = nullptr;
  std::unique_ptr<Scratch> scratch_;  // inside an operation
  const char* in_ = nullptr;          // ciphertext that the lower stream lends during on_data
  size_t in_size_ = 0;
  std::string unread_;  // ciphertext from before reading was stopped
  size_t unread_pos_ = 0;
  std::string early_;  // plaintext written before the handshake was done
  size_t max_bytes_ = 0;
  uint32_t records_ = 0;  // written under the present key
  State state_ = State::handshake;
  bool reading_ = false;  // the owner wants data
  bool lower_reading_ = false;
  bool pumping_ = false;
  bool lower_eof_ = false;
  bool eof_told_ = false;
  bool shut_ = false;  // the owner called shutdown()
  bool close_sent_ = false;
  bool owes_drained_ = false;
  std::unique_ptr<StreamError> failure_;  // to be told by resume_
  net::TlsSession session_;
  net::Timer resume_;
};

TlsStream::TlsStream(std::unique_ptr<Stream> lower, SslPtr ssl, std::shared_ptr<const void> owner, Link link)
    : owner_(std::move(owner)),
      lower_(std::move(lower)),
      link_(std::move(link)),
      ssl_(std::move(ssl)),
      resume_(link_.loop, [this] { resume(); }) {}

void TlsStream::start(StreamError refusal) {
  if (!refusal.text.empty()) return fail_later(std::move(refusal));
  BIO* bio = ssl_ && bio_method() ? BIO_new(bio_method()) : nullptr;
  if (!bio) return fail_later(openssl_error(StreamError::tls_handshake, "cannot begin a TLS connection"));
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_app_data(ssl_.get(), &link_);
  lower_->set_events(this);
  if (!SSL_is_server(ssl_.get())) {
    Operation operation(*this);
    step_handshake();
  }
  update_lower_read();
}

TlsStream::Operation::Operation(TlsStream& stream) : stream_(stream), outermost_(!stream.scratch_) {
  if (outermost_) stream_.scratch_ = take_scratch();
  if (ERR_peek_error()) ERR_clear_error();
}

TlsStream::Operation::~Operation() {
  if (!outermost_) return;
  stream_.send_output();
  give_scratch(std::move(stream_.scratch_));
  if (ERR_peek_error()) ERR_clear_error();  // the host may use OpenSSL on this thread, too
}

// What the owner does.

void TlsStream::set_events(net::StreamEvents* events) {
  events_ = events;
  if (state_ != State::open) return;
  if (may_deliver() && !pumping_) resume_later();
  update_lower_read();
}

void TlsStream::start_read(size_t max_bytes) {
  max_bytes_ = std::max<size_t>(max_bytes, 1);
  reading_ = true;
  if (!pumping_) resume_later();
  update_lower_read();
}

void TlsStream::stop_read() {
  reading_ = false;
  update_lower_read();
}

void TlsStream::write(const Slice* slices, size_t count) {
  if (shut_ || state_ == State::failed || failure_) return;
  if (state_ == State::handshake) {
    for (size_t i = 0; i < count; ++i) early_.append(slices[i].data, slices[i].size);
    owes_drained_ |= !early_.empty();
    return;
  }
  {
    Operation operation(*this);
    encrypt(slices, count);
  }
  owes_drained_ |= queued() > 0;
}

size_t TlsStream::queued() const {
  return lower_->queued() + early_.size() + (scratch_ ? scratch_->out_size : 0);
}

void TlsStream::shutdown() {
  if (shut_) return;
  shut_ = true;
  if (state_ == State::open) send_close_notify();
  if (state_ == State::failed) lower_->shutdown();
}

void TlsStream::send_close_notify() {
  if (close_sent_) return;
  close_sent_ = true;
  {
    Operation operation(*this);
    if (!failure_) SSL_shutdown(ssl_.get());
    send_output();
  }
  lower_->shutdown();
}

// What the lower stream tells.

void TlsStream::on_data(char* bytes, size_t n) {
  if (state_ == State::failed || eof_told_) return;
  if (unread_pos_ < unread_.size()) {  // only a lower stream that overruns stop_read() comes here
    unread_.append(bytes, n);
    return;
  }
  in_ = bytes;
  in_size_ = n;
  {
    Operation operation(*this);
    if (state_ == State::handshake) step_handshake();
    pump();
    keep_unread();
  }
  after_operation();
}

void TlsStream::on_eof() {
  lower_eof_ = true;
  if (state_ == State::handshake)
    return fail({StreamError::tls_handshake, SSL_R_UNEXPECTED_EOF_WHILE_READING,
                 "the peer closed the connection during the TLS handshake"});
  resume();
}

void TlsStream::on_drained() {
  owes_drained_ = true;  // handshake messages count as queued, too
  if (!scratch_) tell_drained();
}

void TlsStream::on_error(const StreamError& error) {
  fail(error);
}

// Handshake.

void TlsStream::step_handshake() {
  int done = SSL_do_handshake(ssl_.get());
  if (done == 1) return opened();
  int why = SSL_get_error(ssl_.get(), done);
  if (why == SSL_ERROR_WANT_READ) return;
  StreamError error = openssl_error(StreamError::tls_handshake, "TLS handshake failed");
  if (link_.verifies && !link_.verify_error.empty() &&
      ERR_GET_REASON(unsigned(error.code)) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
    error.kind = StreamError::tls_verify;
    error.code = int(SSL_get_verify_result(ssl_.get()));
    error.text = link_.verify_error;
  } else if (link_.verifies && ERR_GET_REASON(unsigned(error.code)) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
    error.kind = StreamError::tls_no_certificate;
  }
  // Inside start() the owner has set no events yet.
  if (lower_reading_) return fail(error);
  fail_later(std::move(error));
}

void TlsStream::opened() {
  state_ = State::open;
  link_.open = true;
  const unsigned char* protocol = nullptr;
  unsigned length = 0;
  SSL_get0_alpn_selected(ssl_.get(), &protocol, &length);
  session_.version = SSL_get_version(ssl_.get());
  session_.alpn = {reinterpret_cast<const char*>(protocol), length};
  session_.sni = link_.name;
  session_.resumed = SSL_session_reused(ssl_.get()) == 1;
  session_.sni_matched = link_.name_matched;
  session_.client = link_.client;
  if (!early_.empty()) {
    std::string early = std::move(early_);
    early_ = std::string();
    Slice slice{early.data(), early.size()};
    encrypt(&slice, 1);
  }
  // What the owner writes in on_open leaves together with our last handshake messages.
  if (events_) events_->on_open();
  if (shut_ && state_ == State::open) send_close_notify();
}

// Reading.

// Hands decrypted bytes to the owner while it wants them. The owner may stop reading, leave
// (set_events(nullptr)) or shut the stream down in every call; it cannot delete it before we return.
void TlsStream::pump() {
  pumping_ = true;
  while (may_deliver() && !eof_told_) {
    // What this thread delivered before from the same buffer may still be borrowed in this turn.
    if (delivered_in_turn == link_.loop.turn()) link_.loop.flush_now();
    if (!may_deliver() || eof_told_) break;
    size_t n = 0;
    Step step = decrypt(scratch_->plain, std::min(max_bytes_, sizeof scratch_->plain), n);
    // Whatever OpenSSL answered (KeyUpdate, alert) leaves before the owner's own output.
    send_output();
    StreamError error;
    if (step == Step::broken)
      error = link_.flooded ? StreamError{StreamError::tls_protocol, SSL_R_TOO_MANY_KEY_UPDATES,
                                          "the peer sends handshake messages without end"}
                            : openssl_error(StreamError::tls_protocol, "TLS failed");
    if (n > 0) {
      delivered_in_turn = link_.loop.turn();
      events_->on_data(scratch_->plain, n);
    }
    if (step == Step::more) continue;
    if (step == Step::broken) {
      fail(error);
    } else if (may_deliver() && (step == Step::eof || lower_eof_)) {
      if (step == Step::dry) {
        // Many clients leave so; whatever was under way is cut all the same.
        fail({StreamError::os, ECONNRESET, "truncated: the peer closed the connection without close_notify"});
      } else {
        eof_told_ = true;
        events_->on_eof();
      }
    }
    break;
  }
  pumping_ = false;
}

// Fills `to` from as many records as are there: one on_data for a read of the lower stream.
TlsStream::Step TlsStream::decrypt(char* to, size_t limit, size_t& n) {
  while (n < limit) {
    // A record ends where its bytes end (no read-ahead), so there is nothing to ask OpenSSL for.
    if (n > 0 && unread() == 0 && SSL_pending(ssl_.get()) == 0) return Step::dry;
    size_t got = 0;
    size_t before = unread();
    link_.reading = true;
    int ok = SSL_read_ex(ssl_.get(), to + n, limit - n, &got);
    link_.reading = false;
    n += got;
    if (ok) {
      link_.control = 0;
      continue;
    }
    switch (SSL_get_error(ssl_.get(), 0)) {
      case SSL_ERROR_WANT_READ:
        if (link_.flooded) return Step::broken;
        if (unread() == 0 || unread() == before) return Step::dry;
        continue;
      case SSL_ERROR_ZERO_RETURN:
        return Step::eof;
      default:
        return Step::broken;
    }
  }
  return Step::more;
}

// The lower stream's bytes end with its call: copies what the owner did not want yet.
void TlsStream::keep_unread() {
  if (in_size_ > 0 && state_ != State::failed && !eof_told_) {
    unread_.assign(in_, in_size_);
    unread_pos_ = 0;
  }
  in_ = nullptr;
  in_size_ = 0;
}

void TlsStream::resume_later() {
  if (state_ != State::open || eof_told_) return;
  bool waits = unread() > 0 || lower_eof_ || SSL_pending(ssl_.get()) > 0 ||
               (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
  if (waits && !resume_.active()) resume_.start(0);
}

void TlsStream::resume() {
  if (failure_) return fail(*failure_);
  if (!may_deliver() || pumping_) return;
  {
    Operation operation(*this);
    pump();
  }
  after_operation();
}

void TlsStream::after_operation() {
  update_lower_read();
  tell_drained();
}

void TlsStream::update_lower_read() {
  if (pumping_) return;
  if (unread_pos_ >= unread_.size() && !unread_.empty()) {
    unread_ = std::string();  // gives the memory back
    unread_pos_ = 0;
  }
  bool wanted =
      !failure_ && !lower_eof_ &&
      (state_ == State::handshake || (may_deliver() && !eof_told_ && unread_.empty() && SSL_pending(ssl_.get()) == 0));
  if (wanted == lower_reading_) return;
  lower_reading_ = wanted;
  if (wanted) {
    lower_->start_read(net::Loop::kReadBuffer);
  } else {
    lower_->stop_read();
  }
}

// Writing.

// Small slices share a record; full records of a large slice are encrypted from where they lie.
void TlsStream::encrypt(const Slice* slices, size_t count) {
  size_t staged = 0;
  for (size_t i = 0; i < count; ++i) {
    const char* from = slices[i].data;
    size_t left = slices[i].size;
    while (left > 0) {
      bool in_place = staged == 0 && (left >= kRecord || i + 1 == count);
      size_t n = std::min(left, kRecord - staged);
      if (!in_place) memcpy(scratch_->record + staged, from, n);
      staged = in_place ? 0 : staged + n;
      if (in_place && !encrypt_record(from, n)) return;
      if (staged == kRecord) {
        if (!encrypt_record(scratch_->record, staged)) return;
        staged = 0;
      }
      from += n;
      left -= n;
    }
  }
  if (staged > 0) encrypt_record(scratch_->record, staged);
}

bool TlsStream::encrypt_record(const char* from, size_t n) {
  if (++records_ >= kRecordsPerKey && SSL_version(ssl_.get()) == TLS1_3_VERSION) {
    records_ = 0;
    SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_NOT_REQUESTED);
  }
  size_t written = 0;
  if (SSL_write_ex(ssl_.get(), from, n, &written)) return true;
  // The BIO takes everything, so this is no "try again".
  if (state_ == State::open) fail_later(openssl_error(StreamError::tls_protocol, "TLS cannot write"));
  return false;
}

void TlsStream::send_output() {
  if (!scratch_ || scratch_->out_size == 0) return;
  Slice slice{scratch_->out, scratch_->out_size};
  lower_->write(&slice, 1);  // takes or copies everything
  scratch_->out_size = 0;
}

void TlsStream::tell_drained() {
  if (!owes_drained_ || state_ != State::open || queued() > 0) return;
  owes_drained_ = false;
  if (events_) events_->on_drained();
}

// Failing.

void TlsStream::fail_later(StreamError error) {
  failure_ = std::make_unique<StreamError>(std::move(error));
  resume_.start(0);
}

void TlsStream::fail(const StreamError& error) {
  if (state_ == State::failed) return;
  send_output();  // the alert leaves before the owner closes
  state_ = State::failed;
  early_ = std::string();
  resume_.stop();
  if (lower_reading_) lower_->stop_read();
  lower_reading_ = false;
  if (events_) events_->on_error(error);
}

StreamError TlsStream::openssl_error(StreamError::Kind kind, const char* what) const {
  Reason reason = take_reason();
  return {kind, int(reason.code), std::string(what) + ": " + reason.text};
}

// The BIO under ssl_: reads from what the lower stream lent or what was kept, writes into the scratch.

BIO_METHOD* TlsStream::bio_method() {
  static BIO_METHOD* method = [] {
    BIO_METHOD* m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "cardea stream");
    if (!m) return m;
    BIO_meth_set_write_ex(m, bio_write);
    BIO_meth_set_read_ex(m, bio_read);
    BIO_meth_set_ctrl(m, bio_ctrl);
    return m;
  }();
  return method;
}

int TlsStream::bio_write(BIO* bio, const char* from, size_t n, size_t* written) {
  auto* self = static_cast<TlsStream*>(BIO_get_data(bio));
  assert(self->scratch_);
  if (self->scratch_->out_size + n > sizeof self->scratch_->out) self->send_output();
  if (n > sizeof self->scratch_->out) return 0;
  memcpy(self->scratch_->out + self->scratch_->out_size, from, n);
  self->scratch_->out_size += n;
  *written = n;
  return 1;
}

int TlsStream::bio_read(BIO* bio, char* to, size_t n, size_t* got) {
  auto* self = static_cast<TlsStream*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  *got = 0;
  if (self->link_.flooded) return 0;
  if (size_t kept = self->unread_.size() - self->unread_pos_; kept > 0) {
    *got = std::min(n, kept);
    memcpy(to, self->unread_.data() + self->unread_pos_, *got);
    self->unread_pos_ += *got;
  } else if (self->in_size_ > 0) {
    *got = std::min(n, self->in_size_);
    memcpy(to, self->in_, *got);
    self->in_ += *got;
    self->in_size_ -= *got;
  }
  if (*got > 0) return 1;
  BIO_set_retry_read(bio);
  return 0;
}

long TlsStream::bio_ctrl(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

}  // namespace

std::unique_ptr<net::Stream> make_stream(std::unique_ptr<net::Stream> plain, SslPtr ssl,
                                         std::shared_ptr<const void> owner, Link link, StreamError refusal) {
  auto stream = std::make_unique<TlsStream>(std::move(plain), std::move(ssl), std::move(owner), std::move(link));
  stream->start(std::move(refusal));
  return stream;
}

}  // namespace cardea::tls
