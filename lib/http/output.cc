// Bytes on their way to a connection, as slices that one gathered write can take.
#include <cstring>

#include "http/http.h"

namespace cardea::http {
namespace {

constexpr size_t kBlock = 4096;
constexpr size_t kSmallBorrow = 2048;
constexpr size_t kKept = 64;  // blocks a thread keeps; enough for every connection that has output in one turn

// Blocks of this thread that nobody uses: a connection without output holds none.
thread_local bool cache_gone = false;
struct BlockCache {
  std::vector<std::unique_ptr<char[]>> blocks;
  ~BlockCache() { cache_gone = true; }
};

BlockCache& block_cache() {
  thread_local BlockCache cache;
  return cache;
}

std::unique_ptr<char[]> take_block() {
  if (!cache_gone) {
    auto& blocks = block_cache().blocks;
    if (!blocks.empty()) {
      std::unique_ptr<char[]> b = std::move(blocks.back());
      blocks.pop_back();
      return b;
    }
  }
  return std::unique_ptr<char[]>(new char[kBlock]);
}

void give_block(std::unique_ptr<char[]> block) {
  if (cache_gone) return;
  auto& blocks = block_cache().blocks;
  if (blocks.size() < kKept) blocks.push_back(std::move(block));
}

}  // namespace

Output::~Output() {
  clear();
}

char* Output::reserve(size_t n) {
  if (n <= left_) return next_;
  if (n > kBlock) {
    large_.emplace_back(new char[n]);
    next_ = large_.back().get();
    left_ = n;
    return next_;
  }
  blocks_.push_back(take_block());
  next_ = blocks_.back().get();
  left_ = kBlock;
  return next_;
}

void Output::commit(size_t n) {
  if (n == 0) return;
  // Neighbours in one block are one slice: heads and chunk frames must not cost an iovec each.
  if (!slices_.empty() && slices_.back().data() + slices_.back().size() == next_ && joins_) {
    slices_.back() = {slices_.back().data(), slices_.back().size() + n};
  } else {
    slices_.emplace_back(next_, n);
  }
  joins_ = true;
  next_ += n;
  left_ -= n;
  size_ += n;
}

void Output::copy(Bytes s) {
  while (!s.empty()) {
    // Small pieces fill the block that there is; what does not fit goes on in the next, or in one of its own size.
    const size_t n = s.size() <= left_ || left_ == 0 ? s.size() : left_;
    memcpy(reserve(n), s.data(), n);
    commit(n);
    s.remove_prefix(n);
  }
}

void Output::borrow(Bytes s) {
  if (s.empty()) return;
  // A small body behind its head is cheaper copied into one slice than sent as two.
  if (joins_ && s.size() <= kSmallBorrow && s.size() <= left_) return copy(s);
  slices_.push_back(s);
  joins_ = false;
  size_ += s.size();
}

void Output::clear() {
  slices_.clear();
  for (auto& b : blocks_) give_block(std::move(b));
  blocks_.clear();
  large_.clear();
  next_ = nullptr;
  left_ = size_ = 0;
  joins_ = false;
}

}  // namespace cardea::http
