// Remote key sets: when to ask again, and the asking.
#include "proxy/key_sets.h"

#include "cluster/cluster.h"

namespace cardea::proxy {

using http::End;

// ---- what is known --------------------------------------------------------------------------------

token::KeySetPtr RemoteKeySet::keys(Millis now) const {
  std::lock_guard lock(mutex_);
  if (keys_ && now - fetched_at_ > std::max(kLongestStale, cache_duration_)) return nullptr;
  return keys_;
}

bool RemoteKeySet::begin_fetch(Millis now, bool unknown_key) {
  std::lock_guard lock(mutex_);
  if (fetching_ || (tried_ && now - tried_at_ < kBetweenTries)) return false;
  const bool due = !keys_ || unknown_key || now - fetched_at_ >= cache_duration_;
  if (!due) return false;
  fetching_ = tried_ = true;
  tried_at_ = now;
  return true;
}

bool RemoteKeySet::fetching() const {
  std::lock_guard lock(mutex_);
  return fetching_;
}

void RemoteKeySet::end_fetch(token::KeySetPtr keys, Millis now) {
  std::lock_guard lock(mutex_);
  fetching_ = false;
  if (!keys) return;
  // Equal keys keep their object: what was verified with them stays verified.
  if (!keys_ || !keys_->same(*keys)) keys_ = std::move(keys);
  fetched_at_ = now;
}

// ---- asking ---------------------------------------------------------------------------------------

namespace {

constexpr Millis kFetchTimeout = 10'000;

class Fetch final : public KeyFetch, public cluster::AttemptEvents, public http::ResponseReceiver {
 public:
  Fetch(net::Loop& loop, net::Network& network, const config::RemoteKeys& from,
        std::function<void(Result<token::KeySetPtr>)> done)
      : loop_(loop),
        url_(from.url),
        path_(from.path),
        authority_(from.authority),
        done_(std::move(done)),
        cluster_(cluster::Cluster::make(loop, network, from.cluster, uint64_t(loop.unix_ms()))),
        attempt_(std::make_unique<cluster::Attempt>(*this, *this)),
        deadline_(loop, [this] { fail("no answer within 10 s"); }) {
    deadline_.start(kFetchTimeout);
  }
  ~Fetch() override {
    attempt_.reset();
    loop_.defer_delete(std::move(cluster_));
  }
  void ask() { attempt_->start(*cluster_, {}); }

 private:
  void on_ready(cluster::Attempt& attempt) override {
    request_ = http::make_request();
    request_->method = http::Method::get;
    request_->method_name = "GET";
    request_->scheme = "https";
    request_->authority = authority_;
    request_->target = path_;
    request_->fields.add(http::FieldId::accept, "application/jwk-set+json, application/json");
    request_->fields.add(http::FieldId::user_agent, "cardea");
    attempt.sender()->send_head(*request_);
  }
  void on_failed(cluster::Attempt&, const End& end) override {
    fail(std::string(http::row(end.cause).word) + (*end.detail ? ":" : "") + end.detail);
  }
  void on_informational(http::ResponsePtr) override {}
  void on_head(http::ResponsePtr head) override {
    if (head->status != 200) return fail("status " + std::to_string(head->status) + " instead of 200");
  }
  void on_body(Bytes bytes) override {
    if (over_) return;
    if (body_.size() + bytes.size() > token::kMaxKeySet) return fail("the answer is too large for a key set");
    body_.append(bytes);
  }
  void on_trailers(const http::Fields&) override {}
  void on_end() override {
    if (over_) return;
    auto keys = token::KeySet::parse(body_);
    if (!keys) return fail(keys.error().message);
    finish(std::move(*keys));
  }
  void on_reset(const End& end) override { fail(http::row(end.cause).word); }
  void on_blocked() override {}
  void on_unblocked() override {}

  void fail(std::string why) { finish(Error{kEio, url_ + ": " + std::move(why)}); }
  void finish(Result<token::KeySetPtr> result) {
    if (std::exchange(over_, true)) return;
    deadline_.stop();
    // Not from inside the codec's own call: the one who waits deletes this.
    loop_.next_turn([done = std::move(done_), result = std::move(result)]() mutable { done(std::move(result)); });
  }

  net::Loop& loop_;
  const std::string url_, path_, authority_;
  std::function<void(Result<token::KeySetPtr>)> done_;
  std::unique_ptr<cluster::Cluster> cluster_;
  std::unique_ptr<cluster::Attempt> attempt_;
  net::Timer deadline_;
  http::RequestPtr request_;
  std::string body_;
  bool over_ = false;
};

}  // namespace

std::unique_ptr<KeyFetch> KeyFetch::start(net::Loop& loop, net::Network& network, const config::RemoteKeys& from,
                                          std::function<void(Result<token::KeySetPtr>)> done) {
  auto fetch = std::make_unique<Fetch>(loop, network, from, std::move(done));
  fetch->ask();
  return fetch;
}

}  // namespace cardea::proxy
