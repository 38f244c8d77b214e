// HTTP/1.1 towards downstream: answers out. See h1_server.h.
#include "http/h1_server.h"

namespace cardea::http::h1 {

// ---- sending --------------------------------------------------------------------------------------

void Server::send_informational(uint16_t status, const Fields& fields) {
  if (!exchange_ || out_ != Out::head || http10_ || status < 100 || status > 199 || status == 101) return;
  if (status == 100) {
    if (!expect_) return;  // once, and only to a client that asked
    expect_ = false;
  }
  write_response(queue_, status, fields, {});
  ask_flush();
}

void Server::send_head(const ResponseHead& head) {
  if (!exchange_ || out_ != Out::head) return;
  ResponseLines lines;
  const bool opens = tunnel_asked_ && (upgrade_size_ ? head.status == 101 : head.status / 100 == 2);
  if ((head.status < 200 && !opens) || head.status > 599) return reset(EndCause::internal);
  if (opens) {
    lines.framing = Framing::tunnel;
    lines.upgrade = {upgrade_, upgrade_size_};
    close_after_ = true;
    in_ = In::tunnel;
  } else {
    if (tunnel_asked_) {
      tunnel_asked_ = false;
      owes_end_ = true;
      in_ = in_ == In::closed ? in_ : In::waiting;
      // Who sent the tunnel's first bytes with the request must not have them read as another request.
      if (method_ == Method::connect) close_after_ = true;
    }
    const bool bodiless = is_bodiless(method_, head.status);
    if (!bodiless || head.status == 304 || method_ == Method::head) lines.content_length = head.content_length;
    if (bodiless) {
      lines.framing = Framing::none;
      if (head.status == 204) lines.content_length.reset();
    } else if (head.content_length || !head.has_body) {
      lines.framing = Framing::length;
      lines.content_length = head.content_length.value_or(0);
    } else {
      lines.framing = http10_ ? Framing::until_close : Framing::chunked;
    }
    // While the client keeps its body back, nobody can tell whether its next byte is a body or a request.
    if (head.close || draining_ || (eof_ && !held_) || in_ == In::closed || expect_ ||
        lines.framing == Framing::until_close) {
      close_after_ = true;
    }
    lines.close = close_after_;
    lines.keep_alive = http10_ && !close_after_;
  }
  framing_ = lines.framing;
  length_left_ = framing_ == Framing::length ? *lines.content_length : 0;
  write_response(queue_, head.status, head.fields, lines);
  out_ = Out::body;
  if (framing_ == Framing::none || (framing_ == Framing::length && length_left_ == 0)) {
    finish_response();
  } else if (!head.has_body) {
    send_end(nullptr);
  }
  ask_flush();
}

void Server::send_body(Bytes borrowed) {
  if (!exchange_ || out_ != Out::body || borrowed.empty()) return;
  switch (framing_) {
    case Framing::length:
      if (borrowed.size() > length_left_) {
        // The head promised less. Whoever is wrong, the connection cannot be trusted with another message.
        borrowed = borrowed.substr(0, size_t(length_left_));
        close_after_ = true;
      }
      length_left_ -= borrowed.size();
      queue_.borrow(borrowed);
      break;
    case Framing::chunked:
      write_chunk(queue_, borrowed);
      break;
    case Framing::until_close:
    case Framing::tunnel:
      queue_.borrow(borrowed);
      break;
    case Framing::none:
      return;
  }
  ask_flush();
}

void Server::send_end(const Fields* trailers) {
  if (!exchange_ || out_ != Out::body) return;
  if (framing_ == Framing::length && length_left_ > 0) return reset(EndCause::internal);
  if (framing_ == Framing::chunked) write_last_chunk(queue_, trailers);
  finish_response();
}

void Server::finish_response() {
  out_ = Out::done;
  if (in_ == In::tunnel) shutdown_owed_ = true;
  ask_flush();
}

void Server::reset(EndCause why) {
  if (!exchange_ || (out_ == Out::done && request_complete())) return;
  receiver_ = nullptr;
  const bool invisible = cut_is_invisible();
  out_ = Out::done;
  close({why, invisible ? "truncated" : "reset"});
}

void Server::finish_then_reset(EndCause why) {
  reset(why);  // the queue leaves before the connection closes
}

// The client or the wire broke an exchange whose answer has begun.
void Server::cut(const End& end) {
  const bool invisible = cut_is_invisible();
  out_ = Out::done;
  in_ = In::closed;
  if (RequestReceiver* const receiver = std::exchange(receiver_, nullptr)) receiver->on_reset(end);
  close(invisible ? End{end.cause, "truncated"} : end);
}

void Server::pause() {
  if (exchange_ && !released_) paused_ = true;
  ask_flush();
}

void Server::resume() {
  paused_ = false;
  ask_flush();
}

void Server::release() {
  if (!exchange_ || released_) return;
  if (out_ != Out::done) reset(EndCause::host_ended);
  released_ = true;
  receiver_ = nullptr;
  owes_end_ = paused_ = false;
  ask_flush();
}

}  // namespace cardea::http::h1
