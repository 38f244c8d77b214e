// Intrusive lists: membership without allocation, leaving in O(1) without knowing the list.
#pragma once

#include <utility>

namespace cardea {

// A place in at most one list; left on destruction.
class Link {
 public:
  Link() = default;
  ~Link() { unlink(); }
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  bool linked() const { return next_ != this; }
  void unlink() {
    prev_->next_ = next_;
    next_->prev_ = prev_;
    next_ = prev_ = this;
  }

 private:
  template <class T, class Place>
  friend class List;
  void insert_after(Link& at) {
    if (&at == this) return;  // it is there: the last one that becomes the last one
    unlink();
    prev_ = &at;
    next_ = at.next_;
    next_->prev_ = this;
    at.next_ = this;
  }
  Link* next_ = this;
  Link* prev_ = this;
};

// A list of T through its base `Place`, a Link: T or a class between the two when T is in several lists. Owns nothing.
template <class T, class Place = Link>
class List {
 public:
  List() = default;
  ~List() {
    while (!empty()) head_.next_->unlink();
  }
  bool empty() const { return !head_.linked(); }
  T* front() { return at(head_.next_); }
  T* back() { return at(head_.prev_); }
  T* after(T& item) { return at(static_cast<Place&>(item).next_); }  // null at the end
  T* before(T& item) { return at(static_cast<Place&>(item).prev_); }
  void push_front(T& item) { static_cast<Place&>(item).insert_after(head_); }
  void push_back(T& item) { static_cast<Place&>(item).insert_after(*head_.prev_); }
  // Calls fn for each item; fn may take that item out, and no other.
  template <class Fn>
  void each(Fn fn) {
    for (T* item = front(); item;) {
      T* next = after(*item);
      fn(*item);
      item = next;
    }
  }
  void insert_after(T& item, T& where) { static_cast<Place&>(item).insert_after(static_cast<Place&>(where)); }

 private:
  T* at(Link* link) { return link == &head_ ? nullptr : static_cast<T*>(static_cast<Place*>(link)); }
  Link head_;
};

}  // namespace cardea
