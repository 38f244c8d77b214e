// Intrusive doubly linked list: objects find themselves in it and leave it in O(1). Owns nothing.
#pragma once

#include <cstddef>

namespace cardea {

// A member of the listed type. Leaves its list when destroyed.
template <class T>
class ListLink {
 public:
  ListLink() = default;
  ~ListLink() { leave(); }
  ListLink(const ListLink&) = delete;
  ListLink& operator=(const ListLink&) = delete;
  bool linked() const { return prev_ != nullptr; }
  void leave() {
    if (!prev_) return;
    prev_->next_ = next_;
    next_->prev_ = prev_;
    prev_ = next_ = nullptr;
  }

 private:
  template <class U>
  friend class List;
  ListLink* prev_ = nullptr;
  ListLink* next_ = nullptr;
  T* owner_ = nullptr;
};

template <class T>
class List {
 public:
  List() { head_.prev_ = head_.next_ = &head_; }
  ~List() {
    while (!empty()) head_.next_->leave();
    head_.prev_ = head_.next_ = nullptr;
  }
  bool empty() const { return head_.next_ == &head_; }
  void push_back(T& item, ListLink<T>& link) {
    link.leave();
    link.owner_ = &item;
    link.prev_ = head_.prev_;
    link.next_ = &head_;
    head_.prev_->next_ = &link;
    head_.prev_ = &link;
  }
  T* front() { return empty() ? nullptr : head_.next_->owner_; }
  // Calls fn for each item; fn may remove that item, and no other.
  template <class Fn>
  void each(Fn fn) {
    for (ListLink<T>* l = head_.next_; l != &head_;) {
      ListLink<T>* next = l->next_;
      fn(*l->owner_);
      l = next;
    }
  }

 private:
  ListLink<T> head_;
};

}  // namespace cardea
