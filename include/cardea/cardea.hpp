// Cardea for C++17: <cardea/cardea.h> with owners, views and callables in the place of pointers and user data.
//
//   auto config = cardea::Config::load("address: ...", "mine.yaml").value();
//   config.seal().value();
//   auto proxy = cardea::Proxy::create(config).value();
//   auto worker = cardea::Worker::create(proxy).value();
//   ... poll worker.fd() for worker.timeout(), then worker.step()
//
// Header-only, and nothing but the C interface is linked: what cardea.h says of units, ownership, threads and errors
// holds here; the names are the same without their prefix.
//
// Ownership   Objects own their handle, are moved and not copied, and let go in their destructors. c() lends the handle,
//             release() gives it up, a constructor takes one over. A moved-from object answers CARDEA_EINVAL.
// Errors      Result<T>: a value or an Error, which it is an error to ignore. With CARDEA_HPP_EXCEPTIONS defined before
//             the header (in whichever files want it) failures are thrown as cardea::Failure instead, and Result<T> is T.
// Strings     std::string_view in, copied by Cardea; std::string_view out, borrowed as cardea.h says. Where C wants a
//             terminated string it is a cardea::ZString: const char* or std::string.
// Callbacks   Any callable, or an object with functions of the hooks' names. Nothing is allocated on their way. What
//             they throw denies, and goes to the host's on_exception().
#ifndef CARDEA_CARDEA_HPP
#define CARDEA_CARDEA_HPP

#include <cardea/hpp/answer.hpp>
#include <cardea/hpp/config.hpp>
#include <cardea/hpp/hooks.hpp>
#include <cardea/hpp/proxy.hpp>
#include <cardea/hpp/result.hpp>
#include <cardea/hpp/worker.hpp>

#endif  // CARDEA_CARDEA_HPP
